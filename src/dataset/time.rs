//! Points in time as vendors write them, into nanoseconds since 1970 UTC.
//!
//! One [`TimeReader`] serves one column of one input and remembers what it has deduced: the unit
//! of epochs and the order of day and month hold for a whole file, so a row that contradicts
//! them is refused rather than read in another way.

use chrono::{LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::dataset::learned::TimeForm;

/// Unit of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds.
    Second,
    /// Milliseconds.
    Milli,
    /// Microseconds.
    Micro,
    /// Nanoseconds.
    Nano,
}

impl Unit {
    /// Nanoseconds in one.
    pub fn nanos(self) -> i64 {
        match self {
            Self::Second => 1_000_000_000,
            Self::Milli => 1_000_000,
            Self::Micro => 1_000,
            Self::Nano => 1,
        }
    }

    /// The flag's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Milli => "ms",
            Self::Micro => "us",
            Self::Nano => "ns",
        }
    }

    /// The unit of the flag's word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Second, Self::Milli, Self::Micro, Self::Nano].into_iter().find(|unit| unit.as_str() == word)
    }

    /// The unit that a magnitude speaks for. The years 1973 to 2100 lie between 10^8 and
    /// 4.2 * 10^9 seconds, so three decimal orders separate the units.
    fn of_magnitude(value: i128) -> Self {
        match value.unsigned_abs() {
            0..100_000_000_000 => Self::Second,
            100_000_000_000..100_000_000_000_000 => Self::Milli,
            100_000_000_000_000..100_000_000_000_000_000 => Self::Micro,
            _ => Self::Nano,
        }
    }
}

/// Order of day, month and year in dates such as `10/9/2020`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DateOrder {
    /// Month, day, year.
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Year, month, day.
    Ymd,
}

impl DateOrder {
    /// The flag's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mdy => "mdy",
            Self::Dmy => "dmy",
            Self::Ymd => "ymd",
        }
    }

    /// The order of the flag's word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Mdy, Self::Dmy, Self::Ymd].into_iter().find(|order| order.as_str() == word)
    }
}

/// What the user said about times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeOptions {
    /// `--timestamp-unit`: the unit of epochs; lifts the bounds of 1970 and 2100.
    pub unit: Option<Unit>,
    /// `--timezone`: the zone of times that name none; otherwise UTC.
    pub zone: Option<Tz>,
    /// `--date-order`.
    pub order: Option<DateOrder>,
}

/// Why a value is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// It has no form that is known.
    Syntax,
    /// Its fields do not exist (February 30th, 25 o'clock).
    NoSuchTime,
    /// It lies outside the years that are accepted.
    Range,
    /// Its magnitude speaks for another unit than that of the rows before it.
    OtherUnit,
    /// Day and month could be either, and nothing before it settled which.
    Ambiguous,
}

impl TimeError {
    /// Code for the dead-letter queue.
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax | Self::NoSuchTime => "bad_timestamp",
            Self::Range => "timestamp_range",
            Self::OtherUnit => "timestamp_unit",
            Self::Ambiguous => "ambiguous_date",
        }
    }

    /// What is wrong, to follow the name of the column.
    pub fn message(self) -> &'static str {
        match self {
            Self::Syntax => "is no timestamp that mdsctl knows",
            Self::NoSuchTime => "is a date or time that does not exist",
            Self::Range => {
                "is out of range (epochs: 1970 to 2100, text: 1800 to 2261; an older epoch loads with --timestamp-unit)"
            }
            Self::OtherUnit => "is an epoch in another unit than the rows before it (see --timestamp-unit)",
            Self::Ambiguous => "could be day/month or month/day (say which: --date-order dmy or mdy)",
        }
    }
}

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;
/// 2100-01-01 in seconds since 1970: the bound of plausible epochs.
const EPOCH_END: i128 = 4_102_444_800;

/// Reads the times of one column of one input.
#[derive(Debug, Clone, Default)]
pub struct TimeReader {
    options: TimeOptions,
    unit: Option<Unit>,
    order: Option<DateOrder>,
    /// Local times that did not exist (clocks put forward) and were moved on by an hour.
    pub gaps: u64,
    /// Local times that occurred twice (clocks put back); the first was taken.
    pub overlaps: u64,
    last_date: ([u8; 10], i64),
}

impl TimeReader {
    /// A reader for a new input.
    pub fn new(options: TimeOptions) -> Self {
        let order = options.order;
        Self { options, unit: None, order, gaps: 0, overlaps: 0, last_date: ([0; 10], 0) }
    }

    /// A reader that goes on with an input whose times have that form, where the options do not say another.
    pub fn knowing(options: TimeOptions, form: TimeForm) -> Self {
        let unit = form.unit.filter(|_| options.unit.is_none());
        let order = options.order.or(form.order);
        Self { unit, order, ..Self::new(options) }
    }

    /// The form that was deduced.
    pub fn form(&self) -> TimeForm {
        TimeForm { unit: self.deduced_unit(), order: self.deduced_order() }
    }

    /// The unit that was deduced, if epochs were met and no unit was given.
    pub fn deduced_unit(&self) -> Option<Unit> {
        self.unit
    }

    /// The order of day and month that was deduced, if any.
    pub fn deduced_order(&self) -> Option<DateOrder> {
        if self.options.order.is_some() { None } else { self.order }
    }

    /// Looks through texts for what holds for the whole input: a date that only one order of day
    /// and month allows, and the unit that most epochs speak for.
    /// `true` where there are dates that could be read in two ways and none that settles it.
    pub fn learn<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> bool {
        let mut votes = [0usize; 4];
        let mut unsettled = false;
        for text in texts {
            let text = text.trim();
            if self.order.is_none() {
                let mut fields = text.split(['/', '-', '.']);
                let pair = (fields.next().map(str::parse::<u32>), fields.next().map(str::parse::<u32>));
                match pair {
                    (Some(Ok(13..=31)), Some(Ok(1..=12))) => self.order = Some(DateOrder::Dmy),
                    (Some(Ok(1..=12)), Some(Ok(13..=31))) => self.order = Some(DateOrder::Mdy),
                    (Some(Ok(1..=12)), Some(Ok(1..=12))) => {
                        // Two small numbers alone may be a decimal.
                        unsettled |= text.split(['/', '-', '.']).count() > 2;
                    }
                    _ => {}
                }
            }
            let whole = text.split(['.', 'e', 'E']).next().unwrap_or(text);
            if whole.len() > 8
                && let Ok(value) = whole.parse::<i64>()
            {
                votes[Unit::of_magnitude(i128::from(value)) as usize] += 1;
            }
        }
        self.elect(votes);
        unsettled && self.order.is_none()
    }

    /// As [`TimeReader::learn`], from whole numbers.
    pub fn learn_integers(&mut self, values: impl Iterator<Item = i64>) {
        let mut votes = [0usize; 4];
        for value in values.filter(|v| *v > 99_999_999) {
            votes[Unit::of_magnitude(i128::from(value)) as usize] += 1;
        }
        self.elect(votes);
    }

    fn elect(&mut self, votes: [usize; 4]) {
        let units = [Unit::Second, Unit::Milli, Unit::Micro, Unit::Nano];
        let best = (0..4).max_by_key(|i| (votes[*i], std::cmp::Reverse(*i))).unwrap_or(0);
        if self.options.unit.is_none() && self.unit.is_none() && votes[best] > 0 {
            self.unit = Some(units[best]);
        }
    }

    /// Reads a text.
    pub fn text(&mut self, text: &str) -> Result<i64, TimeError> {
        let bytes = text.as_bytes();
        // The form of nearly every file: YYYY-MM-DD, and a time behind it.
        if bytes.len() >= 10
            && let Some((date, rest)) = bytes.split_first_chunk::<10>()
            && date[4] == b'-'
            && date[7] == b'-'
        {
            let days = if *date == self.last_date.0 {
                self.last_date.1
            } else {
                let days = days_of(digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?)?;
                self.last_date = (*date, days);
                days
            };
            return self.clock(days, rest);
        }
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() {
            return Err(TimeError::Syntax);
        }
        let leading = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let all_number = bytes.iter().enumerate().all(|(i, b)| {
            b.is_ascii_digit()
                || *b == b'.' && i > 0
                || matches!(b, b'-' | b'+') && i == 0
                || matches!(b, b'e' | b'E') && i > 0
        });
        if leading == 8
            && (bytes.len() == 8 && self.options.unit.is_none()
                || matches!(bytes[8..].first(), Some(b' ' | b'T' | b'-')))
        {
            let days = days_of(digits(&bytes[..4])?, digits(&bytes[4..6])?, digits(&bytes[6..8])?)?;
            return self.clock(days, &bytes[8..]);
        }
        if all_number && bytes.iter().filter(|b| **b == b'.').count() <= 1 {
            return self.epoch_text(bytes);
        }
        if (1..=4).contains(&leading) && matches!(bytes.get(leading), Some(b'/' | b'-' | b'.')) {
            return self.separated(bytes);
        }
        if let Ok(time) = chrono::DateTime::parse_from_rfc2822(text.trim()) {
            return within_text_range(time.timestamp().checked_mul(1_000_000_000));
        }
        Err(TimeError::Syntax)
    }

    /// Reads a whole number: an epoch, or a date written `YYYYMMDD`.
    pub fn integer(&mut self, value: i64) -> Result<i64, TimeError> {
        if self.options.unit.is_none() && (18_000_101..=22_611_231).contains(&value) {
            let (y, m, d) = (value / 10_000, value / 100 % 100, value % 100);
            return self.clock(days_of(y, m, d)?, b"");
        }
        self.epoch(i128::from(value), 0)
    }

    /// Reads a number with a fraction: an epoch.
    pub fn float(&mut self, value: f64) -> Result<i64, TimeError> {
        if !value.is_finite() {
            return Err(TimeError::Syntax);
        }
        self.epoch_text(zmij::Buffer::new().format_finite(value).as_bytes())
    }

    /// Whether [`TimeReader::nanos`] gives every time back as it is.
    pub fn takes_as_they_are(&self, naive: bool) -> bool {
        !naive || self.options.zone.is_none()
    }

    /// Takes a time that the input already holds in nanoseconds; `naive` when it names no zone.
    pub fn nanos(&mut self, value: i64, naive: bool) -> Result<i64, TimeError> {
        if naive && self.options.zone.is_some() { self.localise(value) } else { Ok(value) }
    }

    /// An epoch of `value / 10^scale` units.
    fn epoch(&mut self, value: i128, scale: u32) -> Result<i64, TimeError> {
        let ten_to = 10i128.checked_pow(scale).ok_or(TimeError::Syntax)?;
        let whole = value / ten_to;
        let unit = match (self.options.unit, self.unit) {
            (Some(unit), _) => unit,
            (None, known) => {
                let speaks_for = Unit::of_magnitude(whole);
                match known {
                    // A row may be refused for its range only once the unit of the file is known.
                    Some(unit) if unit != speaks_for => return Err(TimeError::OtherUnit),
                    Some(_) => {}
                    None => {
                        let seconds = whole * i128::from(speaks_for.nanos()) / 1_000_000_000;
                        if !(0..EPOCH_END).contains(&seconds) {
                            return Err(TimeError::Range);
                        }
                        self.unit = Some(speaks_for);
                    }
                }
                speaks_for
            }
        };
        let product = value.checked_mul(i128::from(unit.nanos())).ok_or(TimeError::Range)?;
        let nanos = product.div_euclid(ten_to);
        if self.options.unit.is_none() && !(0..EPOCH_END * 1_000_000_000).contains(&nanos) {
            return Err(TimeError::Range);
        }
        i64::try_from(nanos).map_err(|_| TimeError::Range)
    }

    fn epoch_text(&mut self, text: &[u8]) -> Result<i64, TimeError> {
        match super::number::parse(text).map_err(|_| TimeError::Syntax)? {
            super::number::Number::Small(m, s) => self.epoch(m, u32::from(s)),
            super::number::Number::Large(..) => Err(TimeError::Range),
        }
    }

    /// `D/M/Y`, `M/D/Y` or `Y/M/D` with any of `/ - .`, and perhaps a time.
    fn separated(&mut self, text: &[u8]) -> Result<i64, TimeError> {
        let end = text.iter().position(|b| matches!(b, b' ' | b'T' | b',')).unwrap_or(text.len());
        let (date, rest) = text.split_at(end);
        let mut fields = date.split(|b| matches!(b, b'/' | b'-' | b'.'));
        let (Some(a), Some(b), Some(c), None) = (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(TimeError::Syntax);
        };
        let (first, second) = (digits(a)?, digits(b)?);
        let (y, m, d) = if a.len() == 4 {
            (first, second, digits(c)?)
        } else {
            let year = match (c.len(), digits(c)?) {
                (4, year) => year,
                // As POSIX strptime reads two digits.
                (2, year) => year + if year < 69 { 2000 } else { 1900 },
                _ => return Err(TimeError::Syntax),
            };
            let order = match self.order {
                Some(order) => order,
                None if first > 12 => DateOrder::Dmy,
                None if second > 12 => DateOrder::Mdy,
                None => return Err(TimeError::Ambiguous),
            };
            self.order = Some(order);
            match order {
                DateOrder::Dmy => (year, second, first),
                DateOrder::Mdy => (year, first, second),
                DateOrder::Ymd => return Err(TimeError::Syntax),
            }
        };
        let rest = if let [b',', b' ', rest @ ..] | [b',', rest @ ..] = rest { rest } else { rest };
        self.clock(days_of(y, m, d)?, rest)
    }

    /// The time of day and the zone behind a date.
    fn clock(&mut self, days: i64, rest: &[u8]) -> Result<i64, TimeError> {
        let midnight = days.checked_mul(DAY);
        let rest = match rest {
            [] => return self.naive(midnight),
            [b'T' | b't' | b' ' | b'-', rest @ ..] => rest,
            _ => return Err(TimeError::Syntax),
        };
        if rest.trim_ascii().is_empty() {
            return self.naive(midnight);
        }
        let (mut seconds, mut rest) = clock_fields(rest)?;
        let mut nanos = 0;
        if let [b'.' | b',', fraction @ ..] = rest {
            let width = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if width == 0 || width > 9 && fraction[9..width].iter().any(|b| *b != b'0') {
                return Err(TimeError::Syntax);
            }
            nanos =
                (0..9).fold(0i64, |n, i| n * 10 + if i < width { i64::from(fraction[i] - b'0') } else { 0 });
            rest = &fraction[width..];
        }
        let mut rest = rest.trim_ascii();
        if let [a @ (b'A' | b'a' | b'P' | b'p'), b'M' | b'm', tail @ ..] = rest {
            let hour = seconds / 3600;
            if !(1..=12).contains(&hour) {
                return Err(TimeError::NoSuchTime);
            }
            let hour24 = hour % 12 + if a.eq_ignore_ascii_case(&b'p') { 12 } else { 0 };
            seconds += (hour24 - hour) * 3600;
            rest = tail.trim_ascii();
        }
        let local =
            midnight.and_then(|m| m.checked_add(seconds * 1_000_000_000)).and_then(|t| t.checked_add(nanos));
        match rest {
            [] => self.naive(local),
            b"Z" | b"z" | b"UTC" | b"GMT" => within_text_range(local),
            [sign @ (b'+' | b'-'), offset @ ..] => {
                let offset = offset_seconds(offset)? * if *sign == b'-' { -1 } else { 1 };
                within_text_range(local.and_then(|t| t.checked_sub(offset * 1_000_000_000)))
            }
            _ => Err(TimeError::Syntax),
        }
    }

    fn naive(&mut self, local: Option<i64>) -> Result<i64, TimeError> {
        let local = within_text_range(local)?;
        if self.options.zone.is_some() { self.localise(local) } else { Ok(local) }
    }

    /// A local time of the zone in UTC. In a gap the clock is read as if not yet put forward; of
    /// two times with the same name the first is taken. Both are counted.
    fn localise(&mut self, local: i64) -> Result<i64, TimeError> {
        let Some(zone) = self.options.zone else { return Ok(local) };
        let naive: NaiveDateTime = chrono::DateTime::from_timestamp_nanos(local).naive_utc();
        let offset = |at: &NaiveDateTime| match zone.offset_from_local_datetime(at) {
            LocalResult::Single(offset) => (i64::from(offset.fix().local_minus_utc()), 1),
            LocalResult::Ambiguous(first, _) => (i64::from(first.fix().local_minus_utc()), 2),
            LocalResult::None => (0, 0),
        };
        let seconds = match offset(&naive) {
            (seconds, 1) => seconds,
            (seconds, 2) => {
                self.overlaps += 1;
                seconds
            }
            _ => {
                self.gaps += 1;
                // No gap is longer than a day, so the offset before it is that of the day before.
                offset(&(naive - chrono::TimeDelta::days(1))).0
            }
        };
        local.checked_sub(seconds * 1_000_000_000).ok_or(TimeError::Range)
    }
}

/// `HH:MM[:SS]`, `H:MM`, `HHMMSS` or `HHMM`; what follows is handed back.
fn clock_fields(text: &[u8]) -> Result<(i64, &[u8]), TimeError> {
    let width = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (hour, minute, second, rest);
    match width {
        1 | 2 if text.get(width) == Some(&b':') => {
            let after = &text[width + 1..];
            hour = digits(&text[..width])?;
            minute = digits(after.get(..2).ok_or(TimeError::Syntax)?)?;
            match &after[2..] {
                [b':', tail @ ..] => {
                    second = digits(tail.get(..2).ok_or(TimeError::Syntax)?)?;
                    rest = &tail[2..];
                }
                tail => (second, rest) = (0, tail),
            }
        }
        4 | 6 => {
            hour = digits(&text[..2])?;
            minute = digits(&text[2..4])?;
            second = digits(&text[4..width]).unwrap_or(0);
            rest = &text[width..];
        }
        _ => return Err(TimeError::Syntax),
    }
    if hour > 23 || minute > 59 || second > 60 {
        return Err(TimeError::NoSuchTime);
    }
    Ok((hour * 3600 + minute * 60 + second, rest))
}

/// `HH`, `HHMM` or `HH:MM` in seconds.
fn offset_seconds(text: &[u8]) -> Result<i64, TimeError> {
    let (hours, minutes) = match text.len() {
        2 => (digits(text)?, 0),
        4 => (digits(&text[..2])?, digits(&text[2..])?),
        5 if text[2] == b':' => (digits(&text[..2])?, digits(&text[3..])?),
        _ => return Err(TimeError::Syntax),
    };
    if hours > 15 || minutes > 59 {
        return Err(TimeError::NoSuchTime);
    }
    Ok(hours * 3600 + minutes * 60)
}

/// A short run of digits.
fn digits(text: &[u8]) -> Result<i64, TimeError> {
    if text.is_empty() || text.len() > 9 {
        return Err(TimeError::Syntax);
    }
    text.iter().try_fold(0i64, |value, b| match b {
        b'0'..=b'9' => Ok(value * 10 + i64::from(b - b'0')),
        _ => Err(TimeError::Syntax),
    })
}

/// Days since 1970 of a date that exists.
fn days_of(year: i64, month: i64, day: i64) -> Result<i64, TimeError> {
    let narrow = |v: i64| u32::try_from(v).map_err(|_| TimeError::NoSuchTime);
    let year = i32::try_from(year).map_err(|_| TimeError::Range)?;
    let date = NaiveDate::from_ymd_opt(year, narrow(month)?, narrow(day)?).ok_or(TimeError::NoSuchTime)?;
    Ok(i64::from(date.to_epoch_days()))
}

/// Accepts the years 1800 to 2261; 64-bit nanoseconds end in 2262.
fn within_text_range(nanos: Option<i64>) -> Result<i64, TimeError> {
    const FIRST: i64 = -62_091 * DAY;
    const LAST: i64 = 106_650 * DAY;
    nanos.filter(|n| (FIRST..LAST).contains(n)).ok_or(TimeError::Range)
}

/// The instant in microseconds, and whether that is another one: to the nearest, or downwards
/// where another column keeps the rest.
///
/// PostgreSQL reads the fraction of a second as a double and rounds that; where the nanoseconds
/// stand exactly in the middle, the double decides, so it is asked here too; the other
/// stores do the same.
pub fn to_micros(nanos: i64, floor: bool) -> (i64, bool) {
    let (whole, rest) = (nanos.div_euclid(1000), nanos.rem_euclid(1000));
    if floor || rest == 0 {
        return (whole, false);
    }
    let up = match rest.cmp(&500) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => {
            let second = nanos.rem_euclid(1_000_000_000);
            (second as f64 / 1e9 * 1e6).round_ties_even() > (second / 1000) as f64
        }
    };
    (whole + i64::from(up), true)
}

/// Writes an instant as RFC 3339 in UTC with as many decimals as it needs.
pub fn write_rfc3339(nanos: i64, out: &mut String) {
    let time = chrono::DateTime::from_timestamp_nanos(nanos);
    let digits = match nanos.rem_euclid(1_000_000_000) {
        0 => chrono::SecondsFormat::Secs,
        n if n % 1_000_000 == 0 => chrono::SecondsFormat::Millis,
        n if n % 1_000 == 0 => chrono::SecondsFormat::Micros,
        _ => chrono::SecondsFormat::Nanos,
    };
    out.push_str(&time.to_rfc3339_opts(digits, true));
}

/// Writes nanoseconds since midnight as `HH:MM:SS`, with decimals where it has some.
pub fn write_time_of_day(nanos: i64, out: &mut String) {
    use std::fmt::Write;
    let (seconds, below) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    // Writing into a text does not fail.
    let _ = write!(out, "{hours:02}:{minutes:02}:{seconds:02}");
    if below != 0 {
        let _ = write!(out, ".{below:09}");
    }
}

/// Writes a day as `YYYY-MM-DD`.
pub fn write_date(days: i32, out: &mut String) {
    match NaiveDate::from_epoch_days(days) {
        Some(date) => out.push_str(&date.to_string()),
        None => out.push_str(&days.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, TimeError> {
        let mut out = String::new();
        TimeReader::default().text(text).map(|n| {
            write_rfc3339(n, &mut out);
            out
        })
    }

    #[test]
    fn forms_of_text() {
        for (text, instant) in [
            ("2024-01-02T14:30:00Z", "2024-01-02T14:30:00Z"),
            ("2024-01-02 14:30:00", "2024-01-02T14:30:00Z"),
            ("2024-01-02 14:30", "2024-01-02T14:30:00Z"),
            ("2024-01-02T14:30:00.123456789Z", "2024-01-02T14:30:00.123456789Z"),
            ("2024-01-02T14:30:00.5+02:00", "2024-01-02T12:30:00.500Z"),
            ("2024-01-02 14:30:00 -0500", "2024-01-02T19:30:00Z"),
            ("2024-01-02 09:30:00+00", "2024-01-02T09:30:00Z"),
            ("2024-01-02", "2024-01-02T00:00:00Z"),
            ("20240102", "2024-01-02T00:00:00Z"),
            ("20240102 143000", "2024-01-02T14:30:00Z"),
            ("20240102-14:30:00", "2024-01-02T14:30:00Z"),
            ("2024/1/2 4:30 PM", "2024-01-02T16:30:00Z"),
            ("14/01/2020", "2020-01-14T00:00:00Z"),
            ("01/14/2020 09:30", "2020-01-14T09:30:00Z"),
            ("1704205800", "2024-01-02T14:30:00Z"),
            ("1704205800000", "2024-01-02T14:30:00Z"),
            ("1704205800000000", "2024-01-02T14:30:00Z"),
            ("1704205800000000001", "2024-01-02T14:30:00.000000001Z"),
            ("1704205800.25", "2024-01-02T14:30:00.250Z"),
            ("1.7042058e9", "2024-01-02T14:30:00Z"),
            ("1800-01-01", "1800-01-01T00:00:00Z"),
            ("Tue, 14 Jan 2020 10:00:00 +0100", "2020-01-14T09:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(instant), "{text}");
        }
    }

    #[test]
    fn what_is_no_time() {
        for (text, error) in [
            ("", TimeError::Syntax),
            ("yesterday", TimeError::Syntax),
            ("2024-02-30", TimeError::NoSuchTime),
            ("2024-13-01T00:00:00Z", TimeError::NoSuchTime),
            ("2024-01-02T25:00:00Z", TimeError::NoSuchTime),
            ("2024-01-02T14:30:00.1234567891", TimeError::Syntax),
            ("1799-12-31", TimeError::Range),
            ("9999-12-31", TimeError::Range),
            ("-5", TimeError::Range),
            ("1e30", TimeError::Range),
            ("9/10/2020", TimeError::Ambiguous),
            ("2024-01-02X", TimeError::Syntax),
            ("2024-01-02T1430:00", TimeError::Syntax),
            ("é024-01-02", TimeError::Syntax),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_unit_of_a_file_holds_for_all_of_its_rows() {
        let mut reader = TimeReader::default();
        assert!(reader.text("1735689600000").is_ok());
        assert_eq!(reader.deduced_unit(), Some(Unit::Milli));
        // Binance changed to microseconds in 2025: never the year 56971.
        assert_eq!(reader.text("1735689600000000"), Err(TimeError::OtherUnit));
        assert_eq!(reader.integer(1_735_689_600), Err(TimeError::OtherUnit));
        assert!(reader.integer(1_735_689_660_000).is_ok());
    }

    #[test]
    fn an_odd_first_row_does_not_decide_the_unit() {
        let mut reader = TimeReader::default();
        reader.learn(["170420580", "1704205800000", "1704205860000"].into_iter());
        assert_eq!(reader.deduced_unit(), Some(Unit::Milli));
        assert_eq!(reader.text("170420580"), Err(TimeError::OtherUnit));
    }

    #[test]
    fn a_given_unit_lifts_the_bounds() {
        let mut reader = TimeReader::new(TimeOptions { unit: Some(Unit::Milli), ..Default::default() });
        assert_eq!(reader.integer(-1000), Ok(-1_000_000_000));
        assert_eq!(reader.text("20240102"), Ok(20_240_102_000_000));
        assert_eq!(reader.integer(i64::MAX), Err(TimeError::Range));
    }

    #[test]
    fn zones_with_their_gaps_and_overlaps() {
        let zone = Some(chrono_tz::America::New_York);
        let mut reader = TimeReader::new(TimeOptions { zone, ..Default::default() });
        let at = |n: i64| {
            let mut out = String::new();
            write_rfc3339(n, &mut out);
            out
        };
        assert_eq!(at(reader.text("2024-01-02 09:30:00").unwrap()), "2024-01-02T14:30:00Z");
        assert_eq!(at(reader.text("2024-07-02 09:30:00").unwrap()), "2024-07-02T13:30:00Z");
        assert_eq!(at(reader.text("2024-03-10 02:30:00").unwrap()), "2024-03-10T07:30:00Z");
        assert_eq!(at(reader.text("2024-11-03 01:30:00").unwrap()), "2024-11-03T05:30:00Z");
        assert_eq!((reader.gaps, reader.overlaps), (1, 1));
        // A stamp with a zone of its own is not moved.
        assert_eq!(at(reader.text("2024-01-02 09:30:00Z").unwrap()), "2024-01-02T09:30:00Z");
    }

    #[test]
    fn nanoseconds_round_to_microseconds_unless_they_are_kept_beside() {
        assert_eq!(to_micros(1_499, false), (1, true));
        assert_eq!(to_micros(1_501, false), (2, true));
        assert_eq!(to_micros(-1, false), (0, true));
        assert_eq!(to_micros(2_000, false), (2, false));
        assert_eq!(to_micros(1_999, true), (1, false));
        assert_eq!(to_micros(-1, true), (-1, false));
    }

    #[test]
    fn one_clear_date_settles_the_file() {
        let mut reader = TimeReader::default();
        reader.learn(["9/10/2020", "14/10/2020"].into_iter());
        assert_eq!(reader.deduced_order(), Some(DateOrder::Dmy));
        let mut out = String::new();
        write_rfc3339(reader.text("9/10/2020").unwrap(), &mut out);
        assert_eq!(out, "2020-10-09T00:00:00Z");
        assert_eq!(reader.text("10/14/2020"), Err(TimeError::NoSuchTime));
    }
}
