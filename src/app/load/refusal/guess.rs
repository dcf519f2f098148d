//! What the names of files and folders may mean: proposals, never taken unasked.

use super::advice::Advice;
use crate::app::layout::shipped;
use crate::dataset::name_pattern::{Meaning, NamePattern, stem};
use crate::dataset::timeframe;
use crate::dataset::{ALL, shape};
use crate::pipeline::glimpse::UnusedColumn;
use crate::text::flags::{LAYOUT, MAP, NAME_PATTERN, SYMBOL, TIMEFRAME, VENDOR};

/// By what something is guessed, to follow its name.
const FILE: &str = "from the file's name";
const FOLDER: &str = "from the folder's name";
const FILES: &str = "from the files' names";
const VALUES: &str = "by its values";
const LOOKS: &str = "by its looks";

/// Folders that are looked at, from the file on.
const MOST_FOLDERS: usize = 3;

/// Words in names of files that are no symbols, though they are written like some.
const NO_SYMBOLS: [&str; 78] = [
    "ADJ",
    "ADJUSTED",
    "AGG",
    "AGGS",
    "ALL",
    "ASK",
    "BACKUP",
    "BAR",
    "BARS",
    "BEST",
    "BID",
    "BOOK",
    "CANDLES",
    "CHAIN",
    "CHAINS",
    "COPY",
    "CSV",
    "DAILY",
    "DATA",
    "DAY",
    "DAYS",
    "EOD",
    "EST",
    "EDT",
    "ET",
    "ETF",
    "EQUITIES",
    "EXPORT",
    "FINAL",
    "FOREX",
    "FULL",
    "FUNDAMENTALS",
    "FUTURES",
    "FX",
    "GMT",
    "HISTORICAL",
    "HISTORY",
    "HOUR",
    "HOURLY",
    "INTRADAY",
    "JSON",
    "KLINES",
    "LAST",
    "LIVE",
    "MERGED",
    "MIN",
    "MINUTE",
    "MINUTES",
    "MONTHLY",
    "NEW",
    "NEWS",
    "OHLC",
    "OHLCV",
    "OLD",
    "OPTIONS",
    "PRICE",
    "PRICES",
    "QUOTE",
    "QUOTES",
    "RAW",
    "RTH",
    "SAMPLE",
    "SECOND",
    "SERIES",
    "SPOT",
    "STOCK",
    "STOCKS",
    "TEST",
    "TICK",
    "TICKS",
    "TIME",
    "TRADE",
    "TRADES",
    "TXT",
    "USA",
    "UTC",
    "V1",
    "WEEKLY",
];

/// The advice with a value that is guessed, where its own stands for one.
pub(super) fn complete(advice: Advice, names: &[&str]) -> Advice {
    if advice.flag == LAYOUT {
        return Advice { by: Some(LOOKS), ..advice };
    }
    if !advice.blank {
        return advice;
    }
    let of = |value: String, by| Advice { value: Some(value), blank: false, by: Some(by), ..advice.clone() };
    let one = |guess: &dyn Fn(&str) -> Option<(String, &'static str)>| {
        let mut all = names.iter().map(|name| guess(name));
        let first = all.next().flatten()?;
        let same = all.all(|other| other.is_some_and(|(value, _)| value == first.0));
        same.then_some(first)
    };
    let guessed = match advice.flag.as_str() {
        VENDOR => one(&vendor),
        SYMBOL => one(&symbol),
        TIMEFRAME => one(&timeframe_of),
        _ => None,
    };
    if let Some((value, by)) = guessed {
        return of(value, by);
    }
    // Each file has its own: the names have a pattern.
    match advice.flag == SYMBOL {
        true => pattern(names)
            .map_or(advice.clone(), |pattern| Advice { flag: NAME_PATTERN.to_owned(), ..of(pattern, FILES) }),
        false => advice,
    }
}

/// The column of the input for the time of the rows, where only one looks like that and none was found.
pub(super) fn time(added: &[Advice], unused: &[UnusedColumn]) -> Option<Advice> {
    let blank = added.iter().find(|advice| advice.blank && advice.flag == MAP && is_time(advice.target()))?;
    let looks = |value: &String| {
        let number = shape::as_number(value).is_none_or(|number| number.fract() == 0.0 && number >= 1e8);
        number && shape::is_value(value) && value.len() >= 8 && !shape::is_clock(value)
    };
    let is = |column: &&UnusedColumn| !column.samples.is_empty() && column.samples.iter().all(looks);
    let mut all = unused.iter().filter(is);
    let (one, None) = (all.next()?, all.next()) else { return None };
    let value = Some(format!("{}={}", blank.target(), one.name));
    Some(Advice { value, blank: false, by: Some(VALUES), ..blank.clone() })
}

/// Whether a column is one of the times of rows.
fn is_time(name: &str) -> bool {
    ALL.iter().any(|dataset| dataset.time.as_deref() == Some(name))
}

/// The parts of a name between its signs.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| "_- .,()[]".contains(c)).filter(|part| !part.is_empty())
}

/// The folders of a path, from the file on.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.rsplit('/').skip(1).filter(|folder| !folder.is_empty()).take(MOST_FOLDERS)
}

/// Whether a part of a name is a timeframe by itself.
fn frame(part: &str) -> Option<String> {
    let word = part.bytes().all(|byte| byte.is_ascii_alphabetic());
    // `day` and a letter alone may be anything.
    let telling = |part: &str| part.ends_with("ly") || part == "minute";
    if part.len() < 2 || word && !telling(&part.to_ascii_lowercase()) {
        return None;
    }
    // As the durations of ISO 8601 are written, and days wrongly: PT5M, PT1D.
    let wrongly =
        || part.strip_prefix("PT").filter(|rest| rest.ends_with(['D', 'W'])).and_then(timeframe::canonical);
    timeframe::canonical(part).or_else(wrongly).map(|frame| frame.into_owned())
}

fn timeframe_of(path: &str) -> Option<(String, &'static str)> {
    let in_text = |text: &str| {
        let mut all: Vec<String> = parts(text).filter_map(frame).collect();
        all.dedup();
        (all.len() == 1).then(|| all.swap_remove(0))
    };
    let file = in_text(stem(path)).map(|frame| (frame, FILE));
    file.or_else(|| folders(path).find_map(in_text).map(|frame| (frame, FOLDER)))
}

/// Whether a part of a name is written as a symbol is: capitals, and digits behind the first of them.
fn is_symbol(part: &str) -> bool {
    let begins = part.starts_with(|c: char| c.is_ascii_uppercase());
    let written = part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    begins && written && part.len() <= 12 && !NO_SYMBOLS.contains(&part) && frame(part).is_none()
}

/// The symbols that a name holds: parts that are written like some, those with a `-` or a `.` between them as one.
fn symbols_in(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for piece in text.split(|c: char| "_ ,()[]".contains(c)) {
        let mut before = false;
        let mut sign = "";
        let mut rest = piece;
        while !rest.is_empty() {
            let end = rest.find(['-', '.']).unwrap_or(rest.len());
            let (part, behind) = rest.split_at(end);
            let is = is_symbol(part);
            match all.last_mut().filter(|_| is && before) {
                Some(last) => {
                    last.push_str(sign);
                    last.push_str(part);
                }
                None if is => all.push(part.to_owned()),
                None => {}
            }
            before = is;
            (sign, rest) = behind.split_at(behind.len().min(1));
        }
    }
    all.dedup();
    // A letter beside a longer one may be a timeframe or a class.
    if all.iter().any(|one| one.len() > 1) {
        all.retain(|one| one.len() > 1);
    }
    all
}

/// Currencies and coins that prices are in, in names of pairs.
const QUOTED_IN: [&str; 14] =
    ["usdt", "usdc", "usd", "eur", "gbp", "jpy", "chf", "cad", "aud", "nzd", "btc", "eth", "bnb", "try"];

/// Whether a part of a name in small letters is a pair of currencies or coins: `eurusd`, `btcusdt`.
fn is_pair(part: &str) -> bool {
    let base = |quoted: &str| part.strip_suffix(quoted).is_some_and(|base| (3..=5).contains(&base.len()));
    part.bytes().all(|byte| byte.is_ascii_lowercase()) && QUOTED_IN.iter().any(|quoted| base(quoted))
}

fn symbol(path: &str) -> Option<(String, &'static str)> {
    let name = stem(path);
    let mut all = symbols_in(name);
    let framed = timeframe_of(name).is_some();
    if let ([_], Some(one)) = (&all[..], all.first())
        && (one.len() > 1 || framed)
    {
        return Some((all.swap_remove(0), FILE));
    }
    if all.is_empty() {
        let mut pairs = parts(name).filter(|part| is_pair(part));
        if let (Some(one), None) = (pairs.next(), pairs.next()) {
            return Some((one.to_ascii_uppercase(), FILE));
        }
        // In small letters only beside a timeframe, where hardly anything else stands.
        let small = |part: &&str| part.bytes().all(|byte| byte.is_ascii_lowercase()) && part.len() <= 6;
        let mut others = parts(name).filter(|part| frame(part).is_none()).filter(small);
        let is = |part: &&str| is_symbol(&part.to_ascii_uppercase());
        if let (Some(one), None, true) = (others.next().filter(is), others.next(), framed) {
            return Some((one.to_ascii_uppercase(), FILE));
        }
        let whole =
            |folder: &&str| matches!(&symbols_in(folder)[..], [one] if one == folder && one.len() > 1);
        return folders(path).find(whole).map(|folder| (folder.to_owned(), FOLDER));
    }
    None
}

/// A vendor whose name stands in that of the file or of a folder: one whose files are known.
fn vendor(path: &str) -> Option<(String, &'static str)> {
    let known = |text: &str| {
        let is = |part: &str| {
            let mut all = shipped().ok()?.iter().filter_map(|layout| layout.spec.vendor.as_deref());
            all.find(|vendor| vendor.eq_ignore_ascii_case(part)).map(str::to_owned)
        };
        parts(text).find_map(is)
    };
    let file = known(stem(path)).map(|vendor| (vendor, FILE));
    file.or_else(|| folders(path).find_map(known).map(|vendor| (vendor, FOLDER)))
}

/// The pattern of names that each hold a symbol of their own, beside what all of them hold.
fn pattern(names: &[&str]) -> Option<String> {
    let first = stem(names.first()?);
    let (symbol, _) = symbol(first)?;
    let mut text = first.replacen(&symbol, "{symbol}", 1);
    if let Some(frame) = parts(first).find(|part| frame(part).is_some()) {
        text = text.replacen(frame, "{timeframe}", 1);
    }
    let pattern = NamePattern::parse(&text).ok()?;
    let meaning = |field: &str| match field {
        "timeframe" => Meaning::Timeframe,
        _ => Meaning::Column,
    };
    let fits = names.iter().all(|name| pattern.fields(stem(name), &meaning).is_ok());
    (names.len() > 1 && fits).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_timeframes_are_found_in_names() {
        for (path, wanted, frame) in [
            ("AAPL.csv", Some("AAPL"), None),
            ("data/AAPL_1m.csv.gz", Some("AAPL"), Some("1m")),
            ("BTCUSDT-1m-2024-01.csv", Some("BTCUSDT"), Some("1m")),
            ("BTC-USD_daily.parquet", Some("BTC-USD"), Some("1d")),
            ("BRK.B 2024-01-02.csv", Some("BRK.B"), None),
            ("EURUSD_M15.csv", Some("EURUSD"), Some("15m")),
            ("aapl_1min.csv", Some("AAPL"), Some("1m")),
            ("F_1h.csv", Some("F"), Some("1h")),
            ("AAPL/1d/2024.csv", Some("AAPL"), Some("1d")),
            ("SPY_D.csv", Some("SPY"), None),
            ("AAPL-PT1D-20130102.csv", Some("AAPL"), Some("1d")),
            ("Binance-ETH-USD-PT5M-20230313.json", Some("ETH-USD"), Some("5m")),
            ("xauusd.csv", Some("XAUUSD"), None),
            ("gbpusd-m1-ask-2012.csv", Some("GBPUSD"), Some("1m")),
            ("AAPL/1d/day.csv", Some("AAPL"), Some("1d")),
            ("bars/AAPL/2024-01-02.json", Some("AAPL"), None),
            // Nothing, or more than one.
            ("aapl.csv", None, None),
            ("F.csv", None, None),
            ("bars.csv", None, None),
            ("my bars.csv", None, None),
            ("OHLCV_DATA.csv", None, None),
            ("AAPL_MSFT.csv", None, None),
            ("1m_5m.csv", None, None),
            ("", None, None),
        ] {
            assert_eq!(symbol(path).map(|(value, _)| value).as_deref(), wanted, "{path}");
            assert_eq!(timeframe_of(path).map(|(value, _)| value).as_deref(), frame, "{path}");
        }
        assert_eq!(vendor("binance/BTCUSDT.csv"), Some(("binance".to_owned(), FOLDER)));
        assert_eq!(vendor("prices.csv"), None);
    }

    #[test]
    fn files_with_a_symbol_each_have_a_pattern() {
        assert_eq!(pattern(&["a/AAPL_1m.csv", "a/MSFT_1m.csv"]).as_deref(), Some("{symbol}_{timeframe}"));
        assert_eq!(pattern(&["AAPL.csv", "MSFT.csv"]).as_deref(), Some("{symbol}"));
        assert_eq!(pattern(&["AAPL_x.csv", "MSFT_y.csv"]), None);
        assert_eq!(pattern(&["AAPL.csv"]), None);
    }
}
