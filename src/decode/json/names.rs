//! What names in a document speak of: times, symbols, what a row has of its own.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use arrow::datatypes::Schema;

use crate::dataset::mapping::MapOptions;
use crate::dataset::names::plain;
use crate::dataset::{ALL, Kind, detection};
use crate::decode::text_columns;

/// Columns that may be the same for all rows of a document.
const SHARED: [&str; 12] = [
    "symbol",
    "vendor",
    "timeframe",
    "exchange",
    "tenant_id",
    "ts",
    "asof",
    "published_at",
    "expiry",
    "option_type",
    "strike",
    "spot",
];

/// Names of members that hold rows, and are no symbols.
const HOLDERS: [&str; 44] = [
    "results",
    "result",
    "data",
    "bars",
    "candles",
    "trades",
    "quotes",
    "values",
    "historical",
    "history",
    "items",
    "rows",
    "records",
    "prices",
    "response",
    "payload",
    "body",
    "list",
    "series",
    "ticks",
    "news",
    "feed",
    "articles",
    "events",
    "options",
    "chain",
    "calls",
    "puts",
    "tickers",
    "klines",
    "ohlc",
    "ohlcv",
    "content",
    "dataset",
    "datatable",
    "chart",
    "spark",
    "meta",
    "metadata",
    "snapshots",
    "aggregates",
    "timeseries",
    "indicators",
    "quote",
];

/// Of each name, without case and punctuation, the columns of datasets that go by it.
static COLUMNS: LazyLock<HashMap<String, Vec<&'static str>>> = LazyLock::new(|| {
    let mut columns: HashMap<String, Vec<&'static str>> = HashMap::new();
    for column in ALL.iter().flat_map(|dataset| dataset.columns.iter()) {
        let names = column.synonyms.iter().copied().chain([&*column.name]);
        for name in names.map(plain).filter(|name| !name.is_empty()) {
            let known = columns.entry(name).or_default();
            if !known.contains(&&*column.name) {
                known.push(&column.name);
            }
        }
    }
    columns
});

/// The columns of datasets that hold times.
static TIMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let all = ALL.iter().flat_map(|dataset| dataset.columns.iter());
    let time = |kind: Kind| matches!(kind, Kind::Timestamp | Kind::Date);
    all.filter(|column| time(column.kind) && column.name != "expiry").map(|column| &*column.name).collect()
});

/// The columns of datasets that go by that name.
pub(super) fn meanings(name: &str) -> &'static [&'static str] {
    COLUMNS.get(&plain(name)).map_or(&[], Vec::as_slice)
}

/// Whether a member of that name has the time of a row.
pub(super) fn is_time(name: &str) -> bool {
    meanings(name).iter().any(|column| TIMES.contains(column))
}

/// Whether a member of that name has a value that each row has for itself: a price, a size, an id.
pub(super) fn is_own(name: &str) -> bool {
    meanings(name).iter().any(|column| !SHARED.contains(column))
        || matches!(plain(name).as_str(), "adjclose" | "adjustedclose")
}

/// Whether members of those names make a row of some dataset.
pub(super) fn make_row<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
    let schema: Schema = text_columns(names);
    detection::detect(&schema, &MapOptions::default()).is_ok()
}

/// Whether members of those names make a book of orders.
pub(super) fn make_book<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
    let schema: Schema = text_columns(names);
    detection::is_book(&schema)
}

/// Whether a member of that name is known to hold rows.
pub(super) fn is_holder(name: &str) -> bool {
    HOLDERS.contains(&plain(name).as_str())
}

/// Whether a list of that name holds the names of columns.
pub(super) fn holds_names(name: &str) -> bool {
    matches!(
        plain(name).as_str(),
        "columns" | "columnnames" | "fields" | "fieldnames" | "headers" | "header" | "names"
    )
}

/// Whether a name is rather a symbol than the name of something.
pub(super) fn is_symbol(name: &str) -> bool {
    let count = |fits: fn(&char) -> bool| name.chars().filter(fits).count();
    (1..=64).contains(&name.len())
        && !is_holder(name)
        && !name.contains(' ')
        && count(char::is_ascii_uppercase) > count(char::is_ascii_lowercase)
}

/// Whether a name is a time: a date in digits, with a time of day perhaps, or an epoch.
pub(super) fn is_time_key(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(name) {
        let is_date = name.len() == 8 && (name.starts_with("19") || name.starts_with("20"));
        return is_date || (9..=19).contains(&name.len()) || matches!(name.len(), 12 | 14);
    }
    let mut parts = name.splitn(3, ['-', '/', '.']);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(first), Some(second), Some(third)) => {
            let day = third.get(..third.len().min(2)).unwrap_or_default().trim_end_matches(['T', ' ']);
            digits(first)
                && digits(second)
                && digits(day)
                && first.len() <= 4
                && second.len() <= 2
                && (first.len() == 4 || third.len() >= 2)
        }
        _ => false,
    }
}

/// Whether a name is the number of a row.
pub(super) fn is_index(name: &str) -> bool {
    (1..=8).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_digit()) && !is_time_key(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_times_symbols_or_numbers() {
        for key in [
            "2024-01-02",
            "2024-01-02 16:00:00",
            "2024-01-02T14:30:00.000Z",
            "20240102",
            "1704205800000",
            "01/02/2024",
        ] {
            assert!(is_time_key(key) && !is_index(key), "{key}");
        }
        for key in ["AAPL", "BRK.B", "BTC-USD", "XXBTZUSD", "^GSPC", "AMpB", "O:SPY251219C00650000"] {
            assert!(is_symbol(key) && !is_time_key(key), "{key}");
        }
        for key in ["0", "17", "99999"] {
            assert!(is_index(key) && !is_symbol(key) && !is_time_key(key), "{key}");
        }
        for key in ["bars", "Data", "Meta Data", "Time Series (1min)", "OHLC", "data.x", "1. open"] {
            assert!(!is_symbol(key) && !is_time_key(key), "{key}");
        }
    }

    #[test]
    fn names_of_rows_are_told_from_those_beside_them() {
        assert!(make_row(["t", "o", "h", "l", "c"]) && make_row(["ts", "price", "size"]));
        assert!(!make_row(["ticker", "status", "count", "request_id"]));
        assert!(is_own("count") && is_own("id") && is_own("4. close") && is_own("last"));
        assert!(!is_own("ticker") && !is_own("currency") && !is_own("interval"));
        assert!(is_time("timestamp") && is_time("t") && !is_time("status"));
    }
}
