//! Which dataset the columns of an input speak for.

use arrow::datatypes::Schema;

use crate::dataset::by_name;
use crate::dataset::derivatives::{self, Derivative};
use crate::dataset::describe::{Column, Dataset, Requirement};
use crate::dataset::mapping::MapOptions;
use crate::dataset::names::{Names, plain};
use crate::error::{Error, Result};
use crate::text::flags::{DATASET, MAP, SET, TABLE, flag};
use crate::text::phrases::{list, shell_word};

/// Names, in plain writing, that only the levels and updates of an order book have: Tardis, Binance,
/// Coinbase and their like.
const BOOK: [&str; 8] = [
    "issnapshot",
    "updatetype",
    "bids",
    "asks",
    "firstupdateid",
    "finalupdateid",
    "lastupdateid",
    "bookside",
];
/// How names of the levels of a book begin: `asks[0].price`, `bid_px_01`.
const LEVELS: [&str; 4] = ["asks0", "bids0", "askpx01", "bidpx01"];
/// Names that stand side by side in the single orders of a book (Databento's `mbo`).
const ORDERS: [&str; 2] = ["orderid", "action"];

/// Names of a trade's price and size that are used for nothing else.
const PRICE: [&str; 4] = ["price", "p", "px", "tradeprice"];
const SIZE: [&str; 6] = ["size", "s", "qty", "quantity", "amount", "tradesize"];

/// What options are measured by, one of which has to be there: bars of options have volumes alone.
const MEASURES: [&str; 9] = ["iv", "delta", "gamma", "theta", "vega", "oi", "spot", "bid", "ask"];

/// Finds the dataset that the columns of an input speak for. What the flags name counts as there.
///
/// # Errors
/// Usage, where they speak for none, or for data of another kind.
pub fn detect(source: &Schema, options: &MapOptions) -> Result<&'static Dataset> {
    let names = Names::new(source.fields().iter().map(|f| f.name().as_str()));
    if let Some(name) = book(&names) {
        return Err(Error::usage(format!(
            "these are updates or levels of an order book (column {name:?}), for which mdsctl has no dataset; load them into a table of your own with {TABLE} TABLE, or say what they are with {DATASET} ticks|quotes"
        )));
    }
    let has = |column: &Column| {
        let meant = |name: &String| {
            let name = plain(name);
            name == plain(&column.name) || column.synonyms.iter().any(|synonym| plain(synonym) == name)
        };
        options.maps.iter().chain(&options.sets).any(|(name, _)| meant(name)) || names.has(column)
    };
    let named = |dataset: &Dataset, name: &str| dataset.column(name).is_some_and(has);
    // A price and a size are a trade, whatever else is known of it; then the most telling columns first.
    let derivative = derivatives::find(&names);
    if is_trade(&names) {
        match (derivative, by_name("ticks")) {
            (Some(derivative), _) => return Err(untold(derivative)),
            (None, Some(ticks)) => return Ok(ticks),
            (None, None) => {}
        }
    }
    // Bars of contracts are no snapshots of them.
    let of_bars = |dataset: &'static Dataset| dataset.signature.iter().all(|s| named(dataset, s));
    let priced = by_name("bars").is_some_and(of_bars);
    let mut order =
        ["options", "news", "bars", "ticks", "quotes", "fundamentals"].into_iter().filter_map(by_name);
    let fits = |dataset: &&'static Dataset| match dataset.name.as_ref() {
        "options" => {
            let contract = derivative.is_some_and(|(_, what)| what == Derivative::Contract);
            (contract || named(dataset, "strike") && named(dataset, "expiry"))
                && (!priced || MEASURES.iter().any(|measure| named(dataset, measure)))
        }
        "bars" | "ticks" | "quotes" if derivative.is_some() => false,
        "bars" => dataset.signature.iter().all(|s| named(dataset, s)),
        "ticks" => named(dataset, "price") && named(dataset, "size"),
        "quotes" => dataset.signature.iter().all(|s| named(dataset, s)),
        _ => dataset.signature.iter().any(|s| named(dataset, s)),
    };
    if let Some(found) = order.find(fits) {
        return Ok(found);
    }
    if let Some(derivative) = derivative {
        return Err(untold(derivative));
    }
    let letters = names.letters_in_both_cases().map(|said| format!("; {said}"));
    let found = list(names.all.iter().copied()) + letters.as_deref().unwrap_or_default();
    if let Some(flags) = closes(&names, &has).filter(|_| letters.is_none()) {
        return Err(Error::usage(format!(
            "these columns are of no dataset that mdsctl knows: {found}; a time and one price are bars with a close alone; add {flags}"
        )));
    }
    let near = closest(&names, &has).filter(|_| letters.is_none());
    Err(Error::usage(match near {
        Some((dataset, missing, flags)) => format!(
            "these columns are of no dataset that mdsctl knows: {found}; closest is {}; missing: {}; add {DATASET} {} {}",
            dataset.name,
            missing.join(", "),
            dataset.name,
            flags.join(" ")
        ),
        None => format!(
            "these columns are of no dataset that mdsctl knows: {found}; say which with {DATASET} bars|ticks|quotes|options|fundamentals|news, and name its columns with {MAP} TARGET=SOURCE"
        ),
    }))
}

/// What is said of rows of contracts that no dataset tells apart.
fn untold((name, what): (&str, Derivative)) -> Error {
    Error::usage(format!(
        "column {name:?} says that these are {}, of which rows of bars, ticks and quotes do not tell which: those of one symbol would take the place of one another; load them into a table of your own with {TABLE} TABLE, or say what they are with {DATASET} options|bars|ticks|quotes",
        what.words()
    ))
}

/// Whether the columns of an input are updates or levels of an order book.
pub fn is_book(source: &Schema) -> bool {
    book(&Names::new(source.fields().iter().map(|f| f.name().as_str()))).is_some()
}

/// The flags for a time and one price, of which nothing else is known: bars without open, high and low.
fn closes(names: &Names<'_>, has: &impl Fn(&Column) -> bool) -> Option<String> {
    let (bars, ticks, quotes) = (by_name("bars")?, by_name("ticks")?, by_name("quotes")?);
    let of = |dataset: &'static Dataset, name: &str| dataset.column(name).filter(|column| has(column));
    let others = [(bars, "open_price"), (bars, "high_price"), (bars, "low_price"), (ticks, "size")];
    let sides = [(quotes, "bid"), (quotes, "ask")];
    if others.into_iter().chain(sides).any(|(dataset, name)| of(dataset, name).is_some()) {
        return None;
    }
    of(bars, "ts")?;
    let close = bars.column("close_price")?;
    let price = ticks.column("price")?;
    let found: Vec<usize> = match has(close) {
        true => Vec::new(),
        false => names.best(price, |_| true),
    };
    let mut flags = vec![format!("{DATASET} bars")];
    match (has(close), &found[..]) {
        (true, _) => {}
        (false, [one]) => {
            flags.push(format!("{MAP} {}", shell_word(&format!("close_price={}", names.all.get(*one)?))));
        }
        _ => return None,
    }
    flags.extend(["open_price", "high_price", "low_price"].map(|name| format!("{SET} {name}=")));
    for name in ["vendor", "symbol"].into_iter().filter(|name| of(bars, name).is_none()) {
        flags.push(format!("{} VALUE", flag(name)));
    }
    Some(flags.join(" "))
}

/// The dataset of whose own columns the most are there, if those are half of them, with what it lacks and
/// the flags for that.
fn closest(
    names: &Names<'_>,
    has: &impl Fn(&Column) -> bool,
) -> Option<(&'static Dataset, Vec<String>, Vec<String>)> {
    let own = |column: &&Column| {
        !column.name.ends_with("ts")
            && !["vendor", "symbol", "timeframe", "tenant_id"].contains(&&*column.name)
            && matches!(column.need, Requirement::Key | Requirement::Required | Requirement::Expected)
            && column.derive.is_none()
    };
    let share = |dataset: &Dataset| {
        let all = dataset.columns.iter().filter(own).count();
        let there = dataset.columns.iter().filter(own).filter(|column| has(column)).count();
        (there > 0 && there * 2 >= all).then_some(there * 100 / all.max(1))
    };
    let datasets = ["bars", "ticks", "quotes", "options"].into_iter().filter_map(by_name);
    let (_, dataset) = datasets.filter_map(|d| Some((share(d)?, d))).max_by_key(|(share, _)| *share)?;
    let lacks = |column: &&Column| {
        let wanted = matches!(column.need, Requirement::Key | Requirement::Required | Requirement::Expected);
        let deduced = ["timeframe", "tenant_id"].contains(&&*column.name);
        wanted && !deduced && column.derive.is_none() && !has(column)
    };
    let missing: Vec<&Column> = dataset.columns.iter().filter(lacks).collect();
    let given = |column: &Column| ["vendor", "symbol"].contains(&&*column.name);
    let mapped = missing.iter().filter(|column| !given(column)).count();
    // A name that nothing is known by can only be the one that is missing.
    let known = |index: usize| {
        let name = names.plain(index);
        dataset.columns.iter().any(|c| plain(&c.name) == name || c.synonyms.iter().any(|s| plain(s) == name))
    };
    let mut left = (0..names.all.len()).filter(|index| !known(*index));
    let only = match (left.next(), left.next()) {
        (Some(index), None) if mapped == 1 => names.all.get(index).copied(),
        _ => None,
    };
    let flag = |column: &&Column| match (&*column.name, only) {
        (name @ ("vendor" | "symbol"), _) => format!("{} VALUE", flag(name)),
        (name, Some(only)) => format!("{MAP} {name}={}", shell_word(only)),
        (name, None) => format!("{MAP} {name}=COLUMN"),
    };
    let flags = missing.iter().map(flag).collect();
    Some((dataset, missing.iter().map(|column| column.name.to_string()).collect(), flags))
}

/// The column that gives an order book away.
fn book<'a>(names: &Names<'a>) -> Option<&'a str> {
    let place = |fits: &dyn Fn(&str) -> bool| (0..names.all.len()).find(|index| fits(names.plain(*index)));
    let found = place(&|name| BOOK.contains(&name))
        .or_else(|| place(&|name| LEVELS.iter().any(|level| name.starts_with(level))))
        .or_else(|| {
            let orders = ORDERS.iter().all(|order| place(&|name| name == *order).is_some());
            place(&|name| name == ORDERS[0]).filter(|_| orders)
        })?;
    Some(names.all[found])
}

/// Whether a price and a size are there under names that say nothing else, and no price of an interval.
fn is_trade(names: &Names<'_>) -> bool {
    let has = |wanted: &[&str]| {
        let fits = |index: usize| wanted.contains(&names.plain(index)) && !names.is_in_both_cases(index);
        (0..names.all.len()).any(fits)
    };
    has(&PRICE) && has(&SIZE) && !["open", "high", "low"].iter().all(|name| has(&[name]))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;

    fn schema(names: &[&str]) -> Schema {
        Schema::new(names.iter().map(|n| Field::new(*n, DataType::Utf8, true)).collect::<Vec<_>>())
    }

    #[test]
    fn columns_tell_the_dataset() {
        let of = |names: &[&str]| detect(&schema(names), &MapOptions::default()).map(|d| d.name.to_string());
        assert_eq!(of(&["t", "o", "h", "l", "c", "v"]).unwrap(), "bars");
        assert_eq!(of(&["ts", "symbol", "price", "size"]).unwrap(), "ticks");
        assert_eq!(of(&["asof", "symbol", "eps"]).unwrap(), "fundamentals");
        assert_eq!(of(&["exchange", "symbol", "timestamp", "ask_price", "bid_price"]).unwrap(), "quotes");
        assert_eq!(of(&["ts", "symbol", "price", "size", "bid", "ask"]).unwrap(), "ticks");
        assert_eq!(of(&["t", "p", "s", "x", "title"]).unwrap(), "ticks");
        assert_eq!(
            of(&["contractSymbol", "expiration", "strike", "lastPrice", "bid", "ask", "volume"]).unwrap(),
            "options"
        );
        assert_eq!(of(&["published_at", "title"]).unwrap(), "news");
        assert!(of(&["foo", "bar"]).unwrap_err().to_string().contains("foo, bar"));
    }

    #[test]
    fn options_and_futures_are_no_rows_of_another_dataset() {
        let of = |names: &[&str]| detect(&schema(names), &MapOptions::default()).map(|d| d.name.to_string());
        for names in [
            &["symbol", "expiration", "strike", "right", "open", "high", "low"][..],
            &["symbol", "date", "open", "high", "low", "close", "volume", "EXPIRY_DT"],
            &["symbol", "date", "open", "high", "low", "close", "OPTION_TYP"],
            &["ts", "symbol", "price", "size", "strike", "expiry"],
            &["ts", "price", "size", "strike", "expiry", "right", "bid", "ask"],
            &["ts", "symbol", "bid", "ask", "StrkPric"],
        ] {
            let error = of(names).unwrap_err().to_string();
            assert!(
                error.contains("says that these are") && error.contains("--dataset"),
                "{names:?}: {error}"
            );
        }
        for names in [
            &["SYMBOL", "EXPIRY_DT", "STRIKE_PR", "OPTION_TYP", "OPEN", "HIGH", "LOW", "CLOSE", "OPEN_INT"][..],
            &["contractSymbol", "lastTradeDate", "strike", "lastPrice", "bid", "ask", "openInterest"],
            &["symbol", "ts", "expiry", "right", "strike"],
        ] {
            assert_eq!(of(names).unwrap(), "options", "{names:?}");
        }
        // A day without dividend, and a type of something else.
        assert_eq!(of(&["date", "symbol", "open", "high", "low", "close", "exdate"]).unwrap(), "bars");
        assert_eq!(of(&["ts", "symbol", "price", "size", "type", "right"]).unwrap(), "ticks");
    }

    #[test]
    fn what_the_closest_dataset_lacks_is_told_at_once() {
        let said = |names: &[&str]| detect(&schema(names), &MapOptions::default()).unwrap_err().to_string();
        let of_bars = said(&["ts", "open", "hh", "low", "close", "volume"]);
        assert!(of_bars.contains("closest is bars; missing: "), "{of_bars}");
        for flag in ["--dataset bars", "--vendor VALUE", "--symbol VALUE", "--map high_price=hh"] {
            assert!(of_bars.contains(flag), "{of_bars}");
        }
        let two = said(&["when", "open", "hh", "low", "close", "symbol"]);
        assert!(two.contains("--map ts=COLUMN") && two.contains("--map high_price=COLUMN"), "{two}");
        assert!(!said(&["foo", "bar"]).contains("closest"));
        let closes = "--set open_price= --set high_price= --set low_price= --vendor VALUE --symbol VALUE";
        for (names, map) in [
            (["date", "my Price"], ""),
            (["date", "price"], " --map close_price=price"),
            (["date", "close"], ""),
        ] {
            let said = said(&names);
            let wanted = format!("add --dataset bars{map} {closes}");
            assert_eq!(said.contains(&wanted), names[1] != "my Price", "{said}");
        }
    }

    #[test]
    fn an_order_book_is_data_of_another_kind() {
        for names in [
            &["exchange", "symbol", "timestamp", "is_snapshot", "side", "price", "amount"][..],
            &["ts", "update_type", "price", "size"],
            &["timestamp", "bids", "asks"],
            &["timestamp", "asks[0].price", "asks[0].amount", "bids[0].price"],
            &["ts_event", "order_id", "action", "side", "price", "size"],
        ] {
            let error = detect(&schema(names), &MapOptions::default()).unwrap_err().to_string();
            assert!(error.contains("order book") && error.contains("--table"), "{names:?}: {error}");
        }
    }
}
