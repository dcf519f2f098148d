//! Readers of values on the command line: durations, pairs, limits.

use std::time::Duration;

use clap::builder::PossibleValuesParser;

use crate::dataset::separators::Decimal;
use crate::decode::Format;
use crate::settings::{RejectLimit, Secret};
use crate::sink::Period;

/// The name of a format.
pub fn format() -> PossibleValuesParser {
    PossibleValuesParser::new(Format::all().map(|format| format.name))
}

/// A moment, in microseconds since 1970: a time in RFC 3339, a date (its beginning in UTC), or how long
/// ago it is.
pub fn moment(text: &str) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_micros());
    }
    if let Ok(date) = text.parse::<chrono::NaiveDate>() {
        return Ok(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros());
    }
    if text.ends_with(|c: char| c.is_ascii_alphabetic())
        && let Ok(ago) = duration(text)
    {
        return Ok(chrono::Utc::now().timestamp_micros() - i64::try_from(ago.as_micros()).unwrap_or(0));
    }
    Err("expected a time such as 2024-11-23T08:00:00Z, a date, or 2h or 7d for so long ago".to_owned())
}

/// The same, but not none.
pub fn some_time(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| match time.is_zero() {
        true => Err("it has to be longer than 0".to_owned()),
        false => Ok(time),
    })
}

/// What stands before the decimals of a number.
pub fn decimal(text: &str) -> Result<Decimal, String> {
    Decimal::of_sign(text).ok_or_else(|| "it is a point or a comma: . or ,".to_owned())
}

/// A duration: a number with `ms`, `s`, `m`, `h` or `d`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(format!("{unit:?} is not a unit of time; use ms, s, m, h or d")),
    };
    let number: f64 =
        number.trim().parse().map_err(|_| "expected a number, as in 250ms, 5s or 15m".to_owned())?;
    Duration::try_from_secs_f64(number * factor)
        .map_err(|_| "the duration is negative or too long".to_owned())
}

/// A duration in milliseconds where no unit is given, as the `MDS_RETRY_…_MS` variables have it.
pub fn millis(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<f64>() {
        Ok(ms) => Duration::try_from_secs_f64(ms / 1000.0)
            .map_err(|_| "the duration is negative or too long".to_owned()),
        Err(_) => duration(text),
    }
}

/// A dataset or all of them, and a period or never.
pub type Said = (Option<String>, Option<Period>);

/// `7d`, or `ticks=7d`.
pub fn period(text: &str) -> Result<Said, String> {
    let (name, period) = match text.split_once('=') {
        Some((name, period)) => (Some(name.trim().to_owned()), period),
        None => (None, text),
    };
    Ok((name, Some(period.parse()?)))
}

/// The same, or `never` in the place of the period.
pub fn period_or_never(text: &str) -> Result<Said, String> {
    match text.split_once('=') {
        None if text.trim() == "never" => Ok((None, None)),
        Some((name, period)) if period.trim() == "never" => Ok((Some(name.trim().to_owned()), None)),
        _ => period(text).map_err(|why| format!("{why}, or never")),
    }
}

/// `NAME=VALUE`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// What comment lines begin with.
pub fn comment(text: &str) -> Result<String, String> {
    match text.len() <= 16 && !text.contains(['\n', '\r']) {
        true => Ok(text.to_owned()),
        false => Err("expected what comment lines begin with, such as # or //".to_owned()),
    }
}

/// A single character; `\t` and `tab` for a tab.
pub fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "\\t" | "tab" | "\t" => Ok(b'\t'),
        _ => match text.as_bytes() {
            [byte]
                if byte.is_ascii_graphic()
                    && !matches!(byte, b'"' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') =>
            {
                Ok(*byte)
            }
            _ => Err("expected one character such as , ; | or \\t".to_owned()),
        },
    }
}

/// A text that is never shown.
pub fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

/// A positive count.
pub fn count(text: &str) -> Result<usize, String> {
    let digits: String = text.chars().filter(|c| *c != '_' && *c != ',').collect();
    match digits.parse::<usize>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

/// Rows a second: `5000` or `5000/s`.
pub fn rate(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let number = text.strip_suffix("/s").unwrap_or(text).trim().replace(['_', ','], "");
    match number.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        Ok(_) => Err("must be more than 0".to_owned()),
        Err(_) => Err("expected rows a second, as in 5000 or 5000/s".to_owned()),
    }
}

/// Most rows of a group that can be shown, since all groups have them in memory.
const MOST_SAMPLES: usize = 100;

/// A count of samples, which may be none.
pub fn samples(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(count) if count <= MOST_SAMPLES => Ok(count),
        _ => Err(format!("expected a whole number from 0 to {MOST_SAMPLES}")),
    }
}

/// A size in bytes: a number, or one with `K`, `M`, `G` or `T`, also written `KB` or `KiB`.
pub fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err(format!("{unit:?} is not a unit of size; use K, M, G or T")),
    };
    let number: u64 = number
        .trim()
        .replace('_', "")
        .parse()
        .map_err(|_| "expected a whole number, as in 65536, 100M or 1G".to_owned())?;
    match number.checked_mul(1 << shift) {
        Some(0) => Err("must be at least 1 byte".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("the size is too large".to_owned()),
    }
}

/// Reads a [`RejectLimit`]: `100` or `0.5%`.
pub fn limit(text: &str) -> Result<RejectLimit, String> {
    match text.trim().strip_suffix('%') {
        Some(percent) => match percent.trim().parse::<f64>() {
            Ok(value) if (0.0..=100.0).contains(&value) => Ok(RejectLimit::Percent(value)),
            _ => Err("expected a share from 0% to 100%".to_owned()),
        },
        None => text
            .trim()
            .parse()
            .map(RejectLimit::Rows)
            .map_err(|_| "expected a number of rows, or a share such as 1%".to_owned()),
    }
}

/// The name of a role, as it stands.
pub fn role(text: &str) -> Result<String, String> {
    match text.trim().is_empty() {
        true => Err("it names no role; give the role that loads, as in --grant loader".to_owned()),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(millis("50"), Ok(Duration::from_millis(50)));
        assert_eq!(millis("2s"), Ok(Duration::from_secs(2)));
        for wrong in ["", "x", "-1s", "5 weeks", "1e300d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("5000"), Ok(5000.0));
        assert_eq!(rate(" 10_000/s"), Ok(10_000.0));
        for wrong in ["", "0", "-1", "x", "5/m", "inf", "nan"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("65536"), Ok(65_536));
        assert_eq!(size("100M"), Ok(100 << 20));
        assert_eq!(size(" 1 GiB "), Ok(1 << 30));
        assert_eq!(size("2kb"), Ok(2048));
        for wrong in ["", "M", "1.5G", "-1", "0", "0K", "1X", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn periods() {
        assert_eq!(period("7d"), Ok((None, Some(Period::days(7)))));
        assert_eq!(period("ticks=1w"), Ok((Some("ticks".into()), Some(Period::days(7)))));
        assert_eq!(period_or_never("never"), Ok((None, None)));
        assert_eq!(period_or_never("ticks = never"), Ok((Some("ticks".into()), None)));
        assert!(period("never").is_err() && period_or_never("soon").is_err());
    }

    #[test]
    fn limits() {
        assert!(!limit("7").unwrap().passed(7, 10, true));
        assert!(limit("7").unwrap().passed(8, 10, false));
        assert!(!limit("1%").unwrap().passed(1, 1, false));
        assert!(limit("1%").unwrap().passed(1, 1, true));
        assert!(limit("1%").unwrap().passed(11, 1_000, false));
        assert!(limit("101%").is_err() && limit("x").is_err());
    }
}
