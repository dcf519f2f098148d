//! The timeframe of bars: its one spelling, and what the spacing of rows tells of it.

use std::borrow::Cow;
use std::collections::HashMap;

use arrow::array::{Array, TimestampNanosecondArray};

use crate::model::text::Texts;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// What is written where something is no timeframe, behind the value.
pub const WRITE: &str = "write for instance 1m, 5m, 1h, 1d, 1w or 1mo";

/// The one spelling of a timeframe (`1m`, `4h`, `1d`, `1w`, `1mo`), of the many that vendors have:
/// `1min`, `60s`, `M1`, `PT1M`, `daily`. `None` where it is none: a number alone could be of seconds or
/// of minutes, and is none.
///
/// The capital `M` alone behind a number is the month, as exchanges write it (`1M`); behind a number of
/// months that no bar has (`5M`) it is nothing. Before a number it is the minute, as MetaTrader has it.
pub fn canonical(text: &str) -> Option<Cow<'_, str>> {
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return None;
    }
    let bare: String = trimmed.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).collect();
    let (count, unit) = match bare.strip_prefix(['P', 'p']) {
        Some(duration) if duration.len() > 1 && !bare.eq_ignore_ascii_case("pt") => iso(duration)?,
        _ => counted(&bare)?,
    };
    let made = spell(count, unit)?;
    Some(if made == text { Cow::Borrowed(text) } else { Cow::Owned(made) })
}

/// The timeframe that a number of minutes is, or a text with a unit: `240`, `1D`.
pub fn of_minutes(text: &str) -> Option<String> {
    match text.trim().parse() {
        Ok(minutes) => spell(minutes, Unit::Seconds(60)),
        Err(_) => canonical(text).map(Cow::into_owned),
    }
}

/// Whether that is a timeframe of whole days.
pub fn is_of_days(text: &str) -> bool {
    canonical(text).is_some_and(|name| name.ends_with(['d', 'w', 'o', 'y']))
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Millisecond,
    Seconds(u64),
    Months(u64),
}

/// A number with a unit on either side, or a unit alone.
fn counted(bare: &str) -> Option<(u64, Unit)> {
    let is_digit = |c: char| c.is_ascii_digit();
    if bare.starts_with(is_digit) {
        let end = bare.find(|c| !is_digit(c))?;
        let count = bare[..end].parse().ok()?;
        return Some((count, unit_of(&bare[end..], Some(count))?));
    }
    match bare.find(is_digit) {
        // MetaTrader: M1, H4, D1, W1, MN1.
        Some(start) => {
            let unit = match &bare[..start] {
                "M" | "m" => Unit::Seconds(60),
                word => unit_of(word, None)?,
            };
            Some((bare[start..].parse().ok()?, unit))
        }
        None if bare == "m" => None,
        None => Some((1, unit_of(bare, None)?)),
    }
}

/// `T5M`, `1D`, `1M`: what stands behind the P of an ISO 8601 duration.
fn iso(duration: &str) -> Option<(u64, Unit)> {
    let (time, rest) = match duration.strip_prefix(['T', 't']) {
        Some(rest) => (true, rest),
        None => (false, duration),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let count = rest[..end].parse().ok()?;
    let unit = match (time, rest[end..].to_ascii_uppercase().as_str()) {
        (true, "S") => Unit::Seconds(1),
        (true, "M") => Unit::Seconds(60),
        (true, "H") => Unit::Seconds(3_600),
        (false, "D") => Unit::Seconds(86_400),
        (false, "W") => Unit::Seconds(604_800),
        (false, "M") => Unit::Months(1),
        (false, "Y") => Unit::Months(12),
        _ => return None,
    };
    Some((count, unit))
}

fn unit_of(word: &str, count: Option<u64>) -> Option<Unit> {
    Some(match word {
        "M" if count.is_none_or(|count| matches!(count, 1 | 2 | 3 | 4 | 6 | 12)) => Unit::Months(1),
        "M" => return None,
        _ => match word.to_ascii_lowercase().as_str() {
            "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => Unit::Millisecond,
            "s" | "sec" | "secs" | "second" | "seconds" => Unit::Seconds(1),
            "m" | "min" | "mins" | "minute" | "minutes" | "minutely" => Unit::Seconds(60),
            "h" | "hr" | "hrs" | "hour" | "hours" | "hourly" => Unit::Seconds(3_600),
            "d" | "day" | "days" | "daily" => Unit::Seconds(86_400),
            "w" | "wk" | "wks" | "week" | "weeks" | "weekly" => Unit::Seconds(604_800),
            "mo" | "mos" | "mn" | "mth" | "mon" | "month" | "months" | "monthly" => Unit::Months(1),
            "q" | "qtr" | "quarter" | "quarters" | "quarterly" => Unit::Months(3),
            "y" | "yr" | "yrs" | "year" | "years" | "yearly" | "annual" => Unit::Months(12),
            _ => return None,
        },
    })
}

fn spell(count: u64, unit: Unit) -> Option<String> {
    if !(1..=1_000_000).contains(&count) {
        return None;
    }
    Some(match unit {
        Unit::Millisecond if count.is_multiple_of(1_000) => return spell(count / 1_000, Unit::Seconds(1)),
        Unit::Millisecond => format!("{count}ms"),
        Unit::Months(each) => match count * each {
            months if months % 12 == 0 => format!("{}y", months / 12),
            months => format!("{months}mo"),
        },
        Unit::Seconds(each) => match count * each {
            seconds if seconds % 604_800 == 0 => format!("{}w", seconds / 604_800),
            seconds if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
            seconds if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
            seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
            seconds => format!("{seconds}s"),
        },
    })
}

/// The name of an interval (`1m`, `4h`), if it is one that bars within a day have.
fn name_of(nanos: i64) -> Option<String> {
    let seconds = nanos / SECOND;
    if nanos % SECOND != 0 || seconds <= 0 {
        return None;
    }
    match seconds {
        1..60 if 60 % seconds == 0 => Some(format!("{seconds}s")),
        60..3_600 if seconds % 60 == 0 && 60 % (seconds / 60) == 0 => Some(format!("{}m", seconds / 60)),
        3_600..86_400 if seconds % 3_600 == 0 && 24 % (seconds / 3_600) == 0 => {
            Some(format!("{}h", seconds / 3_600))
        }
        _ => None,
    }
}

/// The nanoseconds of a timeframe below an hour, in which bars stand at even steps: hours count from the
/// opening of a session here and from midnight there, and days are not all of one length.
pub fn step(timeframe: &str) -> Option<i64> {
    let (count, unit) = timeframe.split_at_checked(timeframe.len().checked_sub(1)?)?;
    let count: i64 = count.parse().ok().filter(|count| *count > 0)?;
    match unit {
        "s" => count.checked_mul(SECOND),
        "m" if count < 60 => count.checked_mul(60 * SECOND),
        _ => None,
    }
}

/// Where in its series a spacing was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum UnitPosition {
    /// Between the first two rows.
    First,
    /// Between the first two rows behind a night or a weekend.
    BehindGap,
    /// Anywhere else.
    Within,
}

/// Spacings between the successive rows of each symbol, as far as they have been seen.
#[derive(Debug, Default)]
pub struct Spacings {
    /// The last time of each symbol, and the place of the spacing that follows.
    last: HashMap<String, (i64, UnitPosition)>,
    /// How often each spacing was seen.
    seen: HashMap<(i64, UnitPosition), usize>,
}

/// Spacings from which on rows lie in two sessions.
const GAP: i64 = 9 * HOUR;
/// Different spacings that are kept; a series has few.
const MOST: usize = 100_000;

impl Spacings {
    /// Looks at more rows.
    pub fn look(&mut self, times: &TimestampNanosecondArray, symbols: Option<Texts<'_>>) {
        for row in (0..times.len()).filter(|row| times.is_valid(*row)) {
            let time = times.value(row);
            let symbol = symbols.and_then(|s| s.get(row)).unwrap_or("");
            match self.last.get_mut(symbol) {
                Some((before, place)) => {
                    if *before != time {
                        let spacing = (time - *before).abs();
                        let key = (spacing, if spacing < GAP { *place } else { UnitPosition::Within });
                        if self.seen.len() < MOST || self.seen.contains_key(&key) {
                            *self.seen.entry(key).or_default() += 1;
                        }
                        let next = if spacing < GAP { UnitPosition::Within } else { UnitPosition::BehindGap };
                        (*before, *place) = (time, next);
                    }
                }
                None => {
                    self.last.insert(symbol.to_owned(), (time, UnitPosition::First));
                }
            }
        }
    }

    /// The timeframe that the spacings have in common; an error with the least of them where no bars are
    /// so far apart; `None` where no symbol has had two rows.
    ///
    /// Rows are missing where nobody traded, so it is no spacing's number that counts: a bar of five
    /// minutes has no neighbour within a minute. Nights and weekends say nothing, and the first bar of
    /// each session may be cut short. Where a bar that is too near to the next one stands at the
    /// beginning alone, it is not told.
    pub fn timeframe(&self) -> Option<Result<String, i64>> {
        let least = self.seen.keys().map(|(spacing, _)| *spacing).min()?;
        if least >= 23 * HOUR {
            return Some(self.of_days().ok_or(least));
        }
        let common = |fits: &dyn Fn(i64, UnitPosition) -> bool| {
            let spacings = self.seen.keys().filter(|(spacing, place)| fits(*spacing, *place));
            spacings.fold(0, |divisor, (spacing, _)| gcd(divisor, *spacing))
        };
        let within = common(&|spacing, place| place == UnitPosition::Within && spacing < GAP);
        let all = match common(&|spacing, _| spacing < GAP) {
            0 => common(&|_, _| true),
            all => all,
        };
        let divisor = if within == 0 || within == all {
            all
        } else {
            // The same short bar in front of every session, of several: exchanges open at half past, and
            // what is shorter than an hour fits in between.
            let short = |(spacing, place): &&(i64, UnitPosition)| {
                *place != UnitPosition::Within && spacing % within != 0
            };
            let odd: Vec<i64> = self.seen.keys().filter(short).map(|(spacing, _)| *spacing).collect();
            let sessions: usize = self
                .seen
                .iter()
                .filter(|((_, place), _)| *place == UnitPosition::BehindGap)
                .map(|(_, n)| n)
                .sum();
            match odd.iter().all(|spacing| *spacing == odd[0] && within % spacing == 0)
                && sessions > 1
                && within >= HOUR
            {
                true => within,
                false => return Some(Err(least)),
            }
        };
        // One that is no spacing itself comes of rows that are no series.
        let there = self.seen.keys().any(|(spacing, _)| *spacing == divisor);
        Some(name_of(divisor).filter(|_| there).ok_or(least))
    }

    /// The timeframe of rows that are days apart, give or take the hour of a change of clocks.
    fn of_days(&self) -> Option<String> {
        let mut days: Vec<i64> = Vec::new();
        for (spacing, _) in self.seen.keys() {
            let whole = (spacing + DAY / 2) / DAY;
            if (spacing - whole * DAY).abs() > HOUR {
                return None;
            }
            days.push(whole);
        }
        let all = |fits: &dyn Fn(i64) -> bool| days.iter().all(|day| fits(*day));
        let least = days.iter().copied().min()?;
        // A whole number of months, the shortest having 28 days and the longest 31.
        let months = |day: i64, each: i64| {
            let nearest = (day as f64 / 30.436_875).round() as i64;
            nearest % each == 0 && (day as f64 - nearest as f64 * 30.436_875).abs() <= 3.0
        };
        match least {
            1 => Some("1d".into()),
            7 if all(&|day| day % 7 == 0) => Some("1w".into()),
            28..=31 if all(&|day| months(day, 1)) => Some("1mo".into()),
            89..=92 if all(&|day| months(day, 3)) => Some("3mo".into()),
            365 | 366 if all(&|day| months(day, 12)) => Some("1y".into()),
            _ => None,
        }
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn one_spelling_of_many() {
        for (name, spellings) in [
            ("1s", &["1s", "1sec", "1S", "1 second", "PT1S", "1000ms"][..]),
            (
                "1m",
                &["1m", "1min", "1Min", "60s", "M1", "m1", "1 minute", "1-min", "PT1M", "minute", "60 sec"],
            ),
            ("5m", &["5m", "M5", "5mins", "300s", "5_minutes", "PT5M"]),
            ("1h", &["1h", "1H", "H", "h", "60m", "H1", "hourly", "60min", "PT1H", "3600s"]),
            ("4h", &["4h", "H4", "240m", "4hour"]),
            ("1d", &["1d", "1D", "D", "daily", "day", "D1", "24h", "1440m", "P1D", "1day"]),
            ("1w", &["1w", "1W", "W", "weekly", "W1", "7d", "P1W", "1wk"]),
            ("1mo", &["1mo", "1M", "M", "MN", "MN1", "monthly", "1 month", "P1M", "1mon"]),
            ("3mo", &["3mo", "3M", "1q", "quarterly"]),
            ("1y", &["1y", "12mo", "yearly", "P1Y"]),
            ("90m", &["90m"]),
            ("100ms", &["100ms"]),
        ] {
            for spelling in spellings {
                assert_eq!(canonical(spelling).as_deref(), Some(name), "{spelling}");
            }
        }
        for text in [
            "banana",
            "",
            "60",
            "1",
            "0m",
            "-1m",
            "m",
            "5M",
            "15M",
            "1x",
            "P",
            "PT",
            "USD",
            "AAPL",
            "USD-1m",
            "1.5h",
            "2024-01-02",
            "99999999999999999999m",
            "minutes5x",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
        assert!(is_of_days("D1") && is_of_days("1M") && is_of_days("weekly") && !is_of_days("24m"));
    }

    fn told(times: &[i64], unit: i64) -> Option<Result<String, i64>> {
        let times: Vec<i64> = times.iter().map(|time| time * unit).collect();
        let mut spacings = Spacings::default();
        spacings.look(&TimestampNanosecondArray::from(times), None);
        spacings.timeframe()
    }

    fn name(times: &[i64], unit: i64) -> Option<String> {
        told(times, unit)?.ok()
    }

    const MINUTE: i64 = 60 * SECOND;

    #[test]
    fn the_common_divisor_of_the_spacings_is_the_timeframe() {
        // No candle where nobody traded.
        assert_eq!(name(&[0, 5, 10, 11, 16, 21], MINUTE).as_deref(), Some("1m"));
        assert_eq!(name(&[0, 1, 2], SECOND).as_deref(), Some("1s"));
        assert_eq!(name(&[0, 15, 30, 60], MINUTE).as_deref(), Some("15m"));
        assert_eq!(name(&[60, 30, 15, 0], MINUTE).as_deref(), Some("15m"));
        assert_eq!(name(&[0, 4, 8, 12], HOUR).as_deref(), Some("4h"));
        // Rows that are no series of bars.
        assert_eq!(name(&[0, 7, 14], SECOND), None);
        assert_eq!(name(&[0, 12, 42], MINUTE), None);
        // Half past nine, or a minute in which nothing else was traded.
        assert_eq!(name(&[0, 1, 6, 11, 16], MINUTE), None);
        assert_eq!(told(&[5], MINUTE), None);
    }

    #[test]
    fn sessions_do_not_deceive() {
        // Half past nine, then the full hours.
        let day = |d: i64| [570, 600, 660, 720, 780].map(|minute| d * 1440 + minute);
        let times: Vec<i64> = (0..4).flat_map(day).collect();
        assert_eq!(name(&times, MINUTE).as_deref(), Some("1h"));
        let day = |d: i64| [570, 571, 573, 959].map(|minute| d * 1440 + minute);
        let times: Vec<i64> = (0..4).flat_map(day).collect();
        assert_eq!(name(&times, MINUTE), None);
    }

    #[test]
    fn nights_weekends_and_changes_of_clocks_do_not_deceive() {
        let times: TimestampNanosecondArray = [0, 0, 1, 1, 2, 2, 5, 5, 6, 6].map(|d| d * DAY).to_vec().into();
        let symbols: ArrayRef = Arc::new(StringArray::from(["A", "B"].repeat(5)));
        let mut spacings = Spacings::default();
        spacings.look(&TimestampNanosecondArray::from(vec![0]), None);
        assert_eq!(spacings.timeframe(), None);
        spacings.look(&times, Texts::of(&symbols));
        assert_eq!(spacings.timeframe(), Some(Ok("1d".into())));
        assert_eq!(name(&[0, 24, 47, 71, 96], HOUR).as_deref(), Some("1d"));
        assert_eq!(name(&[0, 7, 14, 28], DAY).as_deref(), Some("1w"));
        assert_eq!(name(&[0, 31, 59, 90, 120], DAY).as_deref(), Some("1mo"));
        assert_eq!(name(&[0, 90, 181], DAY).as_deref(), Some("3mo"));
        // A Friday and a Monday tell nothing, nor do weeks with a holiday.
        assert_eq!(name(&[0, 3], DAY), None);
        assert_eq!(name(&[0, 7, 13, 21], DAY), None);
    }
}
