//! Columns from the name of a file: `{symbol}-{timeframe}-{date}`; `{minutes}` is a timeframe that is a number of minutes.

use crate::dataset::timeframe;
use crate::text::flags::{NAME_PATTERN, SYMBOL, TIMEFRAME};

/// A parsed `--name-pattern`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    parts: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Field(String),
}

impl NamePattern {
    /// Parses a pattern; the error is one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            match rest.find('{') {
                Some(0) => {
                    let end = rest
                        .find('}')
                        .ok_or_else(|| format!("name pattern {text:?} has a {{ without its }}"))?;
                    let field = rest[1..end].trim();
                    if field.is_empty() {
                        return Err(format!(
                            "name pattern {text:?} has an empty {{}}; use {{date}} for what is not wanted"
                        ));
                    }
                    if matches!(parts.last(), Some(Segment::Field(_))) {
                        return Err(format!(
                            "name pattern {text:?} has two fields with nothing between them"
                        ));
                    }
                    parts.push(Segment::Field(field.to_owned()));
                    rest = &rest[end + 1..];
                }
                at => {
                    let end = at.unwrap_or(rest.len());
                    parts.push(Segment::Literal(rest[..end].to_owned()));
                    rest = &rest[end..];
                }
            }
        }
        if !parts.iter().any(|p| matches!(p, Segment::Field(_))) {
            return Err(format!(
                "name pattern {text:?} names no column; write for instance {{symbol}}-{{timeframe}}-{{date}}"
            ));
        }
        Ok(Self { parts })
    }

    /// The names of its fields, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Segment::Field(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// The fields of a file's name (without folder and extensions). `meaning` tells what a field is for.
    ///
    /// # Errors
    /// A sentence, where the name does not fit, or can be divided in two ways that both make sense.
    pub fn fields(&self, name: &str, meaning: &dyn Fn(&str) -> Meaning) -> Result<Vec<Field>, String> {
        let mut readings = Vec::new();
        readings_of(&self.parts, name, &mut Vec::new(), &mut readings);
        if readings.is_empty() {
            return Err(format!("the name {name:?} does not fit {NAME_PATTERN}"));
        }
        let of = |reading: &[Field], wanted: Meaning, holds: &dyn Fn(&str) -> bool| {
            reading.iter().all(|(field, value)| meaning(field) != wanted || holds(value))
        };
        let first = readings[0].clone();
        let has_timeframe = |text: &str| timeframe::canonical(text).is_some();
        let has_minutes = |text: &str| timeframe::of_minutes(text).is_some();
        readings.retain(|reading| {
            of(reading, Meaning::Timeframe, &has_timeframe) && of(reading, Meaning::Minutes, &has_minutes)
        });
        if readings.is_empty() {
            let is_one = |field: &str| matches!(meaning(field), Meaning::Timeframe | Meaning::Minutes);
            let value = first.iter().find(|(field, _)| is_one(field));
            let value = value.map_or("", |(_, value)| value);
            return Err(format!(
                "{NAME_PATTERN} reads {value:?} in the name {name:?} as a timeframe, which it is not; {}",
                timeframe::WRITE
            ));
        }
        let dated: Vec<Vec<Field>> =
            readings.iter().filter(|reading| of(reading, Meaning::Date, &is_date)).cloned().collect();
        if !dated.is_empty() {
            readings = dated;
        }
        let told = |reading: &[Field]| -> Vec<Field> {
            reading.iter().filter(|(field, _)| meaning(field) != Meaning::Nothing).cloned().collect()
        };
        let one = told(&readings[0]);
        if let Some(other) = readings.iter().map(|reading| told(reading)).find(|other| *other != one) {
            let shown = |fields: &[Field]| {
                let pairs: Vec<String> =
                    fields.iter().map(|(field, value)| format!("{field}={value}")).collect();
                pairs.join(", ")
            };
            return Err(format!(
                "{NAME_PATTERN} divides the name {name:?} in two ways, {} or {}; write more of the name into the pattern, or give {SYMBOL} and {TIMEFRAME}",
                shown(&one),
                shown(&other)
            ));
        }
        Ok(readings.swap_remove(0))
    }
}

/// A field's name, and what a file's name has for it.
pub type Field = (String, String);

/// What a field of a pattern is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A column with a timeframe.
    Timeframe,
    /// A timeframe in minutes, or one with its unit.
    Minutes,
    /// The date of the file.
    Date,
    /// Another column.
    Column,
    /// It is passed by.
    Nothing,
}

/// Ways to divide a name that are looked at.
const MOST: usize = 1_000;

fn readings_of(parts: &[Segment], text: &str, so_far: &mut Vec<Field>, found: &mut Vec<Vec<Field>>) {
    if found.len() >= MOST {
        return;
    }
    match parts {
        [] => {
            if text.is_empty() {
                found.push(so_far.clone());
            }
        }
        [Segment::Literal(literal), rest @ ..] => {
            if let Some(text) = text.strip_prefix(literal.as_str()) {
                readings_of(rest, text, so_far, found);
            }
        }
        [Segment::Field(field)] => {
            if !text.is_empty() {
                so_far.push((field.clone(), text.to_owned()));
                found.push(so_far.clone());
                so_far.pop();
            }
        }
        [Segment::Field(field), rest @ ..] => {
            // What follows is a literal, so few ends are possible.
            let Some(Segment::Literal(literal)) = rest.first() else { return };
            for (end, _) in text.match_indices(literal.as_str()).filter(|(end, _)| *end > 0) {
                so_far.push((field.clone(), text[..end].to_owned()));
                readings_of(rest, &text[end..], so_far, found);
                so_far.pop();
            }
        }
    }
}

/// Whether a text is a year, a month or a day, or a span of them: digits and separators, with a year
/// at either end.
fn is_date(text: &str) -> bool {
    let year = |digits: &str| {
        digits.len() == 4 && digits.parse().is_ok_and(|year: u32| (1800..2300).contains(&year))
    };
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.' | b'T'));
    plain
        && (text.get(..4).is_some_and(year) || text.len() > 4 && text.get(text.len() - 4..).is_some_and(year))
}

/// The name of a file without its folder and its known extensions: those of all formats and compressions, which
/// layers above this one name. A test of `source::sniff` holds the two together.
pub fn stem(source: &str) -> &str {
    let mut name = source.rsplit(['/', '\\']).next().unwrap_or(source);
    const KNOWN: &[&str] = &[
        "gz", "zst", "bz2", "xz", "lz4", "zip", "csv", "tsv", "txt", "ndjson", "jsonl", "json", "parquet",
        "pq", "arrow", "feather", "ipc", "arrows", "dbn", "xlsx",
    ];
    while let Some((rest, extension)) = name.rsplit_once('.') {
        if rest.is_empty() || !KNOWN.iter().any(|k| extension.eq_ignore_ascii_case(k)) {
            break;
        }
        name = rest;
    }
    without_copy(name)
}

/// A name without what browsers and desktops add to that of a copy: ` (1)`, ` - Copy`.
fn without_copy(name: &str) -> &str {
    let name = name.strip_suffix(" - Copy").unwrap_or(name);
    let numbered = name.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    match numbered {
        Some((rest, number)) if !rest.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pattern: &str, name: &str) -> Result<String, String> {
        let meaning = |field: &str| match field {
            "timeframe" => Meaning::Timeframe,
            "date" => Meaning::Date,
            "minutes" => Meaning::Minutes,
            "symbol" | "exchange" => Meaning::Column,
            _ => Meaning::Nothing,
        };
        let found = NamePattern::parse(pattern).unwrap().fields(stem(name), &meaning)?;
        Ok(found.into_iter().map(|(_, value)| value).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn names_of_files_tell_their_fields() {
        const ALL: &str = "{symbol}-{timeframe}-{date}";
        for (pattern, name, wanted) in [
            (ALL, "data/spot/BTCUSDT-1m-2024-02.csv.gz", "BTCUSDT|1m|2024-02"),
            (ALL, "BTC-USD-1m-2024-01-02.csv", "BTC-USD|1m|2024-01-02"),
            ("{symbol}-{date}", "BTC-USD-2024-01-02.csv", "BTC-USD|2024-01-02"),
            ("{symbol}-trades-{date}", "BTC-USDT-trades-2025-10-01.zip", "BTC-USDT|2025-10-01"),
            ("{symbol}_us", "brk.b_us.txt", "brk.b"),
            ("{symbol}-{what}-{date}", "A-trades-2024-01.csv", "A|trades|2024-01"),
            ("{date}_{symbol}", "20240102_BRK_B.csv", "20240102|BRK_B"),
            ("{symbol}_{timeframe}", "EURUSD_M15.csv", "EURUSD|M15"),
            ("{symbol}", "AAPL.xlsx", "AAPL"),
            ("{source}_{symbol}, {minutes}", "BINANCE_BTCUSDT, 240.csv", "BINANCE|BTCUSDT|240"),
            ("{source}_{symbol}, {minutes}_{what}", "X_Y, 1D_4f2a1.csv", "X|Y|1D|4f2a1"),
        ] {
            assert_eq!(fields(pattern, name).as_deref(), Ok(wanted), "{pattern} {name}");
        }
        assert!(fields(ALL, "BTCUSDT.csv").unwrap_err().contains("does not fit"));
        assert!(fields("{symbol}, {minutes}", "AAPL, copy.csv").unwrap_err().contains("as a timeframe"));
        assert!(fields("x_{symbol}", "y_A.csv").unwrap_err().contains("does not fit"));
    }

    #[test]
    fn a_name_that_can_be_divided_in_two_ways_is_refused() {
        let both = fields("{exchange}-{symbol}", "BTC-USD-PERP.csv").unwrap_err();
        assert!(both.contains("exchange=BTC, symbol=USD-PERP or exchange=BTC-USD, symbol=PERP"), "{both}");
        let none = fields("{symbol}-{timeframe}", "BTC-USD.csv").unwrap_err();
        assert!(none.contains("\"USD\"") && none.contains("timeframe"), "{none}");
    }

    #[test]
    fn patterns_that_make_no_sense() {
        for pattern in ["abc", "{symbol", "{}", "{a}{b}", ""] {
            assert!(NamePattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
