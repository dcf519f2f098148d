//! Lengths of time that a hypertable is made with: how much a chunk spans, when it is compressed,
//! when it is dropped.

use std::fmt;
use std::str::FromStr;

/// A whole number of hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    hours: u32,
}

impl Period {
    /// So many days.
    pub const fn days(days: u32) -> Self {
        Self { hours: days.saturating_mul(24) }
    }

    /// As many seconds, to compare with what the server says.
    pub fn seconds(self) -> i64 {
        i64::from(self.hours) * 3600
    }

    /// From seconds, the rest of an hour cut off.
    pub fn from_seconds(seconds: i64) -> Self {
        Self { hours: u32::try_from(seconds / 3600).unwrap_or(0) }
    }

    /// As an SQL expression.
    pub fn interval(self) -> String {
        format!("INTERVAL '{self}'")
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) =
            if self.hours.is_multiple_of(24) { (self.hours / 24, "day") } else { (self.hours, "hour") };
        write!(f, "{number} {unit}{}", if number == 1 { "" } else { "s" })
    }
}

impl FromStr for Period {
    type Err = String;

    /// `12h`, `7d`, `4w` or `2y` (a year is 365 days).
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor = match unit.trim() {
            "h" => 1,
            "d" => 24,
            "w" => 7 * 24,
            "y" => 365 * 24,
            _ => return Err("expected a number with h, d, w or y, as in 7d".to_owned()),
        };
        let hours = number.parse::<u32>().ok().and_then(|n| n.checked_mul(factor));
        match hours {
            // What an interval can be added to without leaving the calendar.
            Some(hours @ 1..=87_600_000) => Ok(Self { hours }),
            Some(0) => Err("must be longer than nothing".to_owned()),
            _ => Err("too long".to_owned()),
        }
    }
}

/// A dataset or all of them, and a period or never.
pub type PeriodOf = (Option<String>, Option<Period>);

/// Reads a period for all tables or for one: `7d`, or `ticks=7d`.
///
/// # Errors
/// Where it is none.
pub fn period(text: &str) -> Result<PeriodOf, String> {
    let (name, period) = match text.split_once('=') {
        Some((name, period)) => (Some(name.trim().to_owned()), period),
        None => (None, text),
    };
    Ok((name, Some(period.parse()?)))
}

/// Reads the same, or `never` in the place of the period.
///
/// # Errors
/// Where it is neither.
pub fn period_or_never(text: &str) -> Result<PeriodOf, String> {
    match text.split_once('=') {
        None if text.trim() == "never" => Ok((None, None)),
        Some((name, period)) if period.trim() == "never" => Ok((Some(name.trim().to_owned()), None)),
        _ => period(text).map_err(|why| format!("{why}, or never")),
    }
}

/// A period for all tables, and others for some: what `--chunk`, `--compress-after` and
/// `--retention` say. `None` in the place of a period is `never`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Periods(Vec<PeriodOf>);

impl Periods {
    /// Of what was said one after the other: a dataset or all of them, and a period or never.
    pub fn new(said: Vec<PeriodOf>) -> Self {
        Self(said)
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of datasets in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(name, _)| name.as_deref())
    }

    /// What was said for that dataset; what names it goes before what holds for all. The outer
    /// `None`: nothing.
    pub fn of(&self, dataset: &str) -> Option<Option<Period>> {
        let last = |wanted: Option<&str>| self.0.iter().rev().find(|(name, _)| name.as_deref() == wanted);
        last(Some(dataset)).or_else(|| last(None)).map(|(_, period)| *period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_written() {
        for (text, shown) in
            [("12h", "12 hours"), ("24h", "1 day"), ("7d", "7 days"), ("2w", "14 days"), ("1y", "365 days")]
        {
            assert_eq!(text.parse::<Period>().map(|period| period.to_string()), Ok(shown.to_owned()));
        }
        for wrong in ["", "7", "d", "0d", "-1d", "1.5d", "7 days", "99999999y", "10001y"] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
        assert_eq!(Period::from_seconds(Period::days(7).seconds()), Period::days(7));
    }

    #[test]
    fn what_names_a_dataset_goes_first() {
        let periods = Periods::new(vec![
            (Some("ticks".into()), Some(Period::days(1))),
            (None, Some(Period::days(2))),
            (None, Some(Period::days(3))),
            (Some("news".into()), None),
        ]);
        assert_eq!(periods.of("ticks"), Some(Some(Period::days(1))));
        assert_eq!(periods.of("bars"), Some(Some(Period::days(3))));
        assert_eq!(periods.of("news"), Some(None));
        assert_eq!(Periods::default().of("bars"), None);
    }

    #[test]
    fn periods() {
        assert_eq!(period("7d"), Ok((None, Some(Period::days(7)))));
        assert_eq!(period("ticks=1w"), Ok((Some("ticks".into()), Some(Period::days(7)))));
        assert_eq!(period_or_never("never"), Ok((None, None)));
        assert_eq!(period_or_never("ticks = never"), Ok((Some("ticks".into()), None)));
        assert!(period("never").is_err() && period_or_never("soon").is_err());
    }
}
