//! Points in time as vendors write them, into nanoseconds since 1970 UTC.
//!
//! One [`TimeReader`] serves one column of one input and remembers what it has deduced: the form
//! of numbers and the order of day and month hold for a whole file, so a row that contradicts
//! them is refused rather than read in another way.

pub mod calendar;
mod change;
mod deduce;
mod format;
mod message;
mod number;
mod order;
mod place;
mod unit;
mod written;
mod zone;

use change::Series;
pub use change::{Last, Twice};
use chrono_tz::Tz;
pub use format::{TimeFormat, TimeFormats};
use number::{is_shortened, small, small_of, split, width, width_of};
pub use order::DateOrder;
use order::Orders;
pub use place::has_offset;
pub use unit::Unit;
use unit::{DAY, Shape};
use zone::{Local, Place};

use std::sync::Arc;

use crate::dataset::inferred::TimeForm;
use crate::model::decimal::Decimal;

/// What the user said about times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeOptions {
    /// `--timestamp-unit`: the unit of numbers; lifts the bounds of plausible epochs.
    pub unit: Option<Unit>,
    /// `--timezone`: the zone of times that name none; otherwise UTC.
    pub zone: Option<Tz>,
    /// `--date-order`.
    pub order: Option<DateOrder>,
    /// Whether the times are days of the place that they are written at, as those of bars of a day and longer are:
    /// a time with an offset or in a zone is then stored as its day.
    pub local_days: bool,
    /// `--time-format`: how the texts of this column are written, whatever they look like.
    pub format: Option<Arc<TimeFormat>>,
}

/// Why a value is no time that a column of nanoseconds takes. [`TimeReader::message`] says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// It has no form that is known.
    Syntax,
    /// It is not written as `--time-format` says.
    Format,
    /// Its fields do not exist (February 30th, 25 o'clock).
    NoSuchTime,
    /// It lies outside the years that are accepted.
    Range,
    /// Its magnitude speaks for another unit than that of the other rows.
    OtherUnit,
    /// It is a number of another form than those of the other rows.
    OtherForm,
    /// It is a number, but no epoch: a count of something else.
    Count,
    /// It is a number that was shortened, so that it tells no moment.
    Shortened,
    /// Day and month could be either, and nothing before it settled which.
    Ambiguous,
    /// It names its zone by a short name that several have.
    ZoneName,
    /// The clocks were put forward over it.
    Skipped,
    /// The clocks were put back, and it came twice: see [`TimeReader::both`].
    Twice,
    /// It is a time that nanoseconds do not hold: see [`TimeReader::micros`].
    Far,
    /// It is `infinity` where no such time is of use.
    Infinite,
}

/// Reads the times of one column of one input.
#[derive(Debug, Clone, Default)]
pub struct TimeReader {
    options: TimeOptions,
    unit: Option<Unit>,
    /// Epochs from .0 to .1 are of the deduced unit, of which each has .2 nanoseconds.
    plain: (i64, i64, i64),
    digits: Option<u8>,
    /// Numbers are dates with a year of two and a time of day.
    stamps: bool,
    order: Option<DateOrder>,
    /// Most numbers have the magnitude of the unit that the user gave.
    fits: bool,
    /// Values are days: what is read is a number of days.
    days: bool,
    /// Times are midnights of another place, as the first ones show: what is meant is the day there.
    midnights: bool,
    /// Times with an offset have been met that are no midnight of their place: none of them is cut to its day.
    clocked: bool,
    /// Rows are known to be no bars of days, so that a midnight is a time as any other.
    within_days: bool,
    /// How many times were stored as the day of their place.
    placed: u64,
    /// Times of day have been met that name no zone.
    unplaced: bool,
    /// How many of those were no midnight.
    lost: u64,
    /// The column holds what PostgreSQL's types do, not only what is plausible in a market.
    wide: bool,
    /// Numbers of another magnitude than that of the user's unit that were read in it, and theirs.
    odd: (u64, Option<Shape>),
    /// Times of day that a column of days does not keep.
    cut: u64,
    series: Series,
    last_date: ([u8; 10], i64),
    // More of the last error.
    far: i64,
    both: (i64, i64),
    refused: (Shape, i128),
    doubt: Orders,
    zone_name: String,
}

impl TimeError {
    /// Code for the dead-letter queue.
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax | Self::Format | Self::NoSuchTime => "bad_timestamp",
            Self::Range | Self::Far | Self::Infinite => "timestamp_range",
            Self::OtherUnit | Self::OtherForm => "timestamp_unit",
            Self::Count | Self::Shortened => "timestamp_form",
            Self::Ambiguous => "ambiguous_date",
            Self::ZoneName => "timestamp_zone",
            Self::Skipped => "no_such_local_time",
            Self::Twice => "ambiguous_local_time",
        }
    }
}

impl TimeReader {
    /// A reader for a new input.
    pub fn new(options: TimeOptions) -> Self {
        let order = options.order;
        Self { options, order, ..Self::default() }
    }

    /// From here on times are days of their place, or not.
    pub fn are_local_days(&mut self, days: bool) {
        self.options.local_days = days;
        self.within_days = !days;
    }

    /// A reader that goes on with an input whose times have that form, where the options do not say another.
    pub fn knowing(options: TimeOptions, form: TimeForm) -> Self {
        let mut reader = Self::new(options);
        reader.order = reader.order.or(form.order);
        reader.fits = form.fits;
        reader.midnights = form.midnights;
        if reader.options.unit.is_none() {
            reader.digits = form.digits;
            if let Some(unit) = form.unit {
                reader.settle(unit);
            }
        }
        reader
    }

    /// The form that was deduced.
    pub fn form(&self) -> TimeForm {
        TimeForm {
            unit: self.deduced_unit(),
            order: self.deduced_order(),
            digits: self.digits,
            fits: self.fits,
            midnights: self.midnights,
        }
    }

    /// From now on for a column of days, or of instants; and for one that takes all that PostgreSQL
    /// takes, or only what is plausible.
    pub fn serve(&mut self, days: bool, wide: bool) {
        (self.days, self.wide) = (days, wide);
    }

    /// Values of a column of days that had a time of day.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Whether it is a column of days.
    pub fn is_of_days(&self) -> bool {
        self.days
    }

    /// The unit that was deduced, if epochs were met and no unit was given.
    pub fn deduced_unit(&self) -> Option<Unit> {
        self.unit
    }

    /// The order of day and month that was deduced, if any.
    pub fn deduced_order(&self) -> Option<DateOrder> {
        if self.options.order.is_some() { None } else { self.order }
    }

    /// The last rows of its series, near a change of clocks: for a reader that goes on with the input.
    pub fn last_rows(&self) -> impl Iterator<Item = (u64, Last)> {
        self.series.last()
    }

    /// The rows before those that follow are these.
    pub fn goes_on_after(&mut self, last: impl Iterator<Item = (u64, Last)>) {
        self.series = Series::knowing(last);
    }

    /// What follows is in no order with what was before.
    pub fn forget_order(&mut self) {
        self.series.forget();
    }

    /// Reads a text.
    pub fn text(&mut self, text: &str) -> Result<i64, TimeError> {
        if let Some(format) = self.options.format.clone() {
            return self.formatted(&format, text);
        }
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
                let days = calendar::days_of(digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?)?;
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
        if leading == 8 && matches!(bytes.get(8), Some(b' ' | b'T' | b'D' | b'-' | b'Z' | b'+')) {
            let days = calendar::days_of(digits(&bytes[..4])?, digits(&bytes[4..6])?, digits(&bytes[6..8])?)?;
            return match &bytes[8..] {
                [b'-', time @ ..] => self.time(days, time),
                rest => self.clock(days, rest),
            };
        }
        let all_number = bytes.iter().enumerate().all(|(i, b)| {
            b.is_ascii_digit()
                || *b == b'.' && i > 0
                || matches!(b, b'-' | b'+') && i == 0
                || matches!(b, b'e' | b'E') && i > 0
                || *b == b'+' && matches!(bytes[i - 1], b'e' | b'E')
        });
        if all_number && bytes.iter().filter(|b| **b == b'.').count() <= 1 {
            let number = Decimal::parse(bytes).map_err(|_| TimeError::Syntax)?;
            return match small_of(&number) {
                Some((value, scale)) => {
                    let whole = split(value, scale).0;
                    if is_shortened(bytes, whole) {
                        return Err(TimeError::Shortened);
                    }
                    self.number(value, scale, width_of(bytes, leading, whole))
                }
                None if number.is_short() => Err(TimeError::Range),
                None => Err(TimeError::Syntax),
            };
        }
        let word = bytes.strip_prefix(b"-").or(bytes.strip_prefix(b"+")).unwrap_or(bytes);
        if word.eq_ignore_ascii_case(b"infinity") {
            return self.infinite(bytes[0] == b'-');
        }
        self.written(bytes, leading)
    }

    fn infinite(&mut self, negative: bool) -> Result<i64, TimeError> {
        match (self.wide, self.days) {
            (false, _) => Err(TimeError::Infinite),
            (true, true) => Ok(if negative { i64::MIN } else { i64::MAX }),
            (true, false) => {
                self.far = if negative { i64::MIN } else { i64::MAX };
                Err(TimeError::Far)
            }
        }
    }

    /// Nanoseconds since 1970 on a clock of the zone of times that name none.
    fn local_nanos(&mut self, nanos: i128) -> Result<i64, TimeError> {
        let days = i64::try_from(nanos.div_euclid(i128::from(DAY))).map_err(|_| TimeError::Range)?;
        self.compose(days, nanos.rem_euclid(i128::from(DAY)) as i64, Place::Unsaid)
    }

    /// An instant, which no zone moves. As a day it is that of UTC, where it is a midnight there or no
    /// zone is known.
    fn instant(&mut self, nanos: i128) -> Result<i64, TimeError> {
        if self.days {
            let midnight = nanos.rem_euclid(i128::from(DAY)) == 0;
            let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| TimeError::Range)?;
            let offset = self.options.zone.filter(|_| !midnight).map_or(0, |z| zone::offset_at(z, seconds));
            let local = nanos + i128::from(offset) * 1_000_000_000;
            let days = i64::try_from(local.div_euclid(i128::from(DAY))).map_err(|_| TimeError::Range)?;
            return self.compose(days, local.rem_euclid(i128::from(DAY)) as i64, Place::Offset(0));
        }
        if let (Some(zone), true) = (self.options.zone, self.options.local_days)
            && nanos.rem_euclid(i128::from(DAY)) != 0
        {
            let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| TimeError::Range)?;
            let local = nanos + i128::from(zone::offset_at(zone, seconds)) * 1_000_000_000;
            return self.local_nanos(local);
        }
        match i64::try_from(nanos) {
            Ok(nanos) => Ok(nanos),
            Err(_) => {
                let micros = nanos.div_euclid(1_000);
                let micros = i64::try_from(micros).map_err(|_| TimeError::Range)?;
                self.beyond(micros, nanos.rem_euclid(1_000) as i64)
            }
        }
    }

    /// A time that 64 bits of nanoseconds do not hold.
    fn beyond(&mut self, micros: i64, below: i64) -> Result<i64, TimeError> {
        if !self.wide || below != 0 || !calendar::MICROS.contains(&micros) {
            return Err(TimeError::Range);
        }
        self.far = micros;
        Err(TimeError::Far)
    }

    /// Whether [`TimeReader::nanos`] gives every time back as it is.
    pub fn takes_as_they_are(&self, naive: bool) -> bool {
        !self.days && (self.options.zone.is_none() || !naive && !self.options.local_days)
    }

    /// Takes a time that the input already holds, in nanoseconds; `naive` when it names no zone.
    pub fn nanos(&mut self, value: i128, naive: bool) -> Result<i64, TimeError> {
        if naive { self.local_nanos(value) } else { self.instant(value) }
    }

    /// Takes a time that the input already holds, in nanoseconds, with the zone in which it is to be
    /// seen: as a day it is the day there.
    pub fn nanos_in(&mut self, value: i128, zone: Option<Tz>) -> Result<i64, TimeError> {
        match zone.filter(|_| self.days) {
            Some(zone) => {
                let seconds = i64::try_from(value.div_euclid(1_000_000_000)).map_err(|_| TimeError::Range)?;
                self.local_nanos(value + i128::from(zone::offset_at(zone, seconds)) * 1_000_000_000)
            }
            None => self.instant(value),
        }
    }

    /// A day and the nanoseconds since its midnight at some place, as the column has it.
    fn compose(&mut self, days: i64, nanos: i64, place: Place<'_>) -> Result<i64, TimeError> {
        if self.days {
            // The day that is written, whatever the zone.
            if !((FIRST..LAST).contains(&days) || self.wide && calendar::DAYS.contains(&days)) {
                return Err(TimeError::Range);
            }
            self.cut += u64::from(nanos != 0);
            return Ok(days);
        }
        if self.stands_for_day(nanos, place) {
            return self.day_of_place(days, nanos);
        }
        self.unplaced |= nanos != 0 && matches!(place, Place::Unsaid);
        let offset = match place {
            Place::Offset(offset) => offset,
            Place::Unsaid if self.options.zone.is_none() => 0,
            other => self.offset(days, nanos, other)?,
        };
        let utc = days
            .checked_mul(DAY)
            .and_then(|midnight| midnight.checked_add(nanos))
            .and_then(|local| local.checked_sub(offset * 1_000_000_000));
        match utc {
            Some(utc)
                if self.options.local_days
                    && self.options.zone.is_some()
                    && !matches!(place, Place::Unsaid) =>
            {
                self.instant(utc.into())
            }
            Some(utc) if self.wide || (FIRST * DAY..LAST * DAY).contains(&utc) => Ok(utc),
            _ => self.compose_far(days, nanos, offset),
        }
    }

    #[cold]
    fn compose_far(&mut self, days: i64, nanos: i64, offset: i64) -> Result<i64, TimeError> {
        let micros = days
            .checked_mul(86_400_000_000)
            .and_then(|midnight| midnight.checked_add(nanos / 1_000 - offset * 1_000_000))
            .ok_or(TimeError::Range)?;
        self.beyond(micros, nanos % 1_000)
    }

    /// How far the place was ahead of UTC at that time of its clocks.
    fn offset(&mut self, days: i64, nanos: i64, place: Place<'_>) -> Result<i64, TimeError> {
        let seconds = days.checked_mul(86_400).ok_or(TimeError::Range)? + nanos.div_euclid(1_000_000_000);
        let zone = match (place, self.options.zone) {
            (Place::Shared(name), Some(zone)) => {
                return zone::by_short_name(zone, seconds, name).ok_or(TimeError::ZoneName);
            }
            (Place::Shared(_), None) => return Err(TimeError::ZoneName),
            (Place::Zone(zone), _) | (_, Some(zone)) => zone,
            (_, None) => return Ok(0),
        };
        match zone::local(zone, seconds)? {
            Local::Once(offset) => Ok(offset),
            Local::Never => Err(TimeError::Skipped),
            Local::Twice(first, second) => {
                let at = |offset: i64| {
                    let local = days.checked_mul(DAY)?.checked_add(nanos)?;
                    local.checked_sub(offset * 1_000_000_000)
                };
                self.both = (at(first).ok_or(TimeError::Range)?, at(second).ok_or(TimeError::Range)?);
                Err(TimeError::Twice)
            }
        }
    }

    /// After [`TimeError::Twice`]: the first and the second instant that it may be.
    pub fn both(&self) -> (i64, i64) {
        self.both
    }

    /// After [`TimeError::Far`]: the time in microseconds; the least and the greatest of 64 bits are infinite.
    pub fn micros(&self) -> i64 {
        self.far
    }
}

/// The years 1800 to 2261, in days since 1970.
const FIRST: i64 = -62_091;
const LAST: i64 = 106_650;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn write_rfc3339(nanos: i64, out: &mut String) {
        crate::model::calendar::write_instant(nanos, 1_000_000_000, true, out);
    }

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
            ("20240102143000", "2024-01-02T14:30:00Z"),
            ("202401021430", "2024-01-02T14:30:00Z"),
            ("20240102143000250", "2024-01-02T14:30:00.250Z"),
            ("20240102.0", "2024-01-02T00:00:00Z"),
            ("202401021430.0", "2024-01-02T14:30:00Z"),
            ("20240102-14:30", "2024-01-02T14:30:00Z"),
            ("20240102 143000250", "2024-01-02T14:30:00.250Z"),
            ("2024-01-02-05:00", "2024-01-02T05:00:00Z"),
            ("2024-01-02+05:30", "2024-01-01T18:30:00Z"),
            ("2024-01-02Z", "2024-01-02T00:00:00Z"),
            ("20240102Z", "2024-01-02T00:00:00Z"),
            ("2024-01-02 24:00:00", "2024-01-03T00:00:00Z"),
            ("2024-12-31T23:59:60Z", "2025-01-01T00:00:00Z"),
            ("20250714 09:30:00 US/Eastern", "2025-07-14T13:30:00Z"),
            ("2025-07-14 09:30:00 America/New_York", "2025-07-14T13:30:00Z"),
            ("2025-01-14 09:30:00 EST", "2025-01-14T14:30:00Z"),
            ("2025-07-14T09:30:00+02:00[Europe/Paris]", "2025-07-14T07:30:00Z"),
            ("2025-07-14 09:30:00 UTC+5", "2025-07-14T04:30:00Z"),
            ("2019-01-01D00:00:00.123456000", "2019-01-01T00:00:00.123456Z"),
            ("2019.01.01D00:00:00.123456000", "2019-01-01T00:00:00.123456Z"),
            ("2019.01.02 09:30", "2019-01-02T09:30:00Z"),
            ("24/01/2015 9:30:00 AM", "2015-01-24T09:30:00Z"),
            ("2024-01-02 12:05 a.m.", "2024-01-02T00:05:00Z"),
            ("Jan 17, 2018", "2018-01-17T00:00:00Z"),
            ("January 17, 2018 4:30 PM", "2018-01-17T16:30:00Z"),
            ("17 January 2018", "2018-01-17T00:00:00Z"),
            ("18-Jan-2018", "2018-01-18T00:00:00Z"),
            ("19-JAN-18", "2018-01-19T00:00:00Z"),
            ("19-JAN-18 09.30.00", "2018-01-19T09:30:00Z"),
            ("18-Jan-2018 09:30:00.250", "2018-01-18T09:30:00.250Z"),
            ("2018-Jan-18", "2018-01-18T00:00:00Z"),
            ("02JAN2024", "2024-01-02T00:00:00Z"),
            ("02JAN2024:14:30:00", "2024-01-02T14:30:00Z"),
            ("Tue Jan  2 14:30:00 2024", "2024-01-02T14:30:00Z"),
            ("Tue Jan  2 14:30:00 EST 2024", "2024-01-02T19:30:00Z"),
            ("Tuesday, 02-Jan-24 14:30:00 GMT", "2024-01-02T14:30:00Z"),
            ("2 Jan 2024 14:30:00 +0100", "2024-01-02T13:30:00Z"),
            ("Tue, 02 Jan 2024 14:30:00 CST", "2024-01-02T20:30:00Z"),
            ("January 2nd, 2024", "2024-01-02T00:00:00Z"),
            ("02/Jan/2024:14:30:00 -0500", "2024-01-02T19:30:00Z"),
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
            ("44197", TimeError::Count),
            ("44197.5", TimeError::Count),
            ("202401", TimeError::Count),
            ("2024-01", TimeError::Count),
            ("2024", TimeError::Count),
            ("34200", TimeError::Count),
            ("093000", TimeError::Count),
            ("637108979310830000", TimeError::Count),
            ("2024-01-02 24:00:01", TimeError::NoSuchTime),
            ("2024-01-02-15:30", TimeError::NoSuchTime),
            ("2024-01-02-0500", TimeError::Syntax),
            ("2024-01-02 09:30:00 CST", TimeError::ZoneName),
            ("2024-01-02 09:30:00 XYZ", TimeError::Syntax),
            ("24/01/15", TimeError::Ambiguous),
            ("infinity", TimeError::Infinite),
            ("32 Jan 2024", TimeError::NoSuchTime),
            ("Smarch 3, 2024", TimeError::Syntax),
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
        assert_eq!(reader.integer(20_250_101), Err(TimeError::OtherForm));
        assert!(reader.integer(1_735_689_660_000).is_ok());
    }

    #[test]
    fn an_odd_first_row_does_not_decide_the_unit() {
        let mut reader = TimeReader::default();
        let _ = reader.learn(["1704205800", "1704205800000", "1704205860000"].into_iter());
        assert_eq!(reader.deduced_unit(), Some(Unit::Milli));
        assert_eq!(reader.text("1704205800"), Err(TimeError::OtherUnit));
    }

    #[test]
    fn a_given_unit_lifts_the_bounds() {
        let mut reader = TimeReader::new(TimeOptions { unit: Some(Unit::Milli), ..Default::default() });
        assert_eq!(reader.integer(-1000), Ok(-1_000_000_000));
        assert_eq!(reader.text("20240102"), Ok(20_240_102_000_000));
        assert_eq!(reader.integer(i64::MAX), Err(TimeError::Range));
        assert!(reader.notes()[0].contains("1 numbers that were read in ms"), "{:?}", reader.notes());
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
        assert_eq!(reader.text("2024-03-10 02:30:00"), Err(TimeError::Skipped));
        assert_eq!(reader.text("2024-11-03 01:30:00"), Err(TimeError::Twice));
        let (first, second) = reader.both();
        assert_eq!((&*at(first), &*at(second)), ("2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z"));
        assert_eq!(at(reader.text("2024-11-03 01:30:00 EST").unwrap()), "2024-11-03T06:30:00Z");
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
        let _ = reader.learn(["9/10/2020", "14/10/2020"].into_iter());
        assert_eq!(reader.deduced_order(), Some(DateOrder::Dmy));
        let mut out = String::new();
        write_rfc3339(reader.text("9/10/2020").unwrap(), &mut out);
        assert_eq!(out, "2020-10-09T00:00:00Z");
        assert_eq!(reader.text("10/14/2020"), Err(TimeError::NoSuchTime));
    }

    #[test]
    fn counts_are_read_in_the_unit_that_is_given() {
        let day = |text: &str| TimeReader::default().text(text).unwrap();
        for (unit, text, instant) in [
            (Unit::Excel, "44197", "2021-01-01"),
            (Unit::Excel, "44197.395833333336", "2021-01-01T09:30:00"),
            (Unit::Day, "19723", "2024-01-01"),
            (Unit::Dotnet, "637108979310830000", "2019-12-02T15:38:51.083"),
            (Unit::Filetime, "133485408000000000", "2024-01-01"),
            (Unit::Month, "202401", "2024-01-01"),
            (Unit::Month, "2024-02", "2024-02-01"),
            (Unit::Year, "2024", "2024-01-01"),
        ] {
            let options = TimeOptions { unit: Some(unit), ..Default::default() };
            assert_eq!(TimeReader::new(options).text(text), Ok(day(instant)), "{text}");
        }
    }

    #[test]
    fn two_digits_of_a_year_are_read_in_the_order_that_is_given() {
        let day = |text: &str| TimeReader::default().text(text).unwrap();
        for (order, text) in [
            (DateOrder::Ymd, "24/01/15"),
            (DateOrder::Dmy, "15/01/24"),
            (DateOrder::Mdy, "01/15/24"),
            (DateOrder::Ymd, "240115"),
            (DateOrder::Dmy, "15.01.24"),
            (DateOrder::Dmy, "15012024"),
            (DateOrder::Mdy, "01152024"),
            (DateOrder::Ymd, "24-Jan-15"),
        ] {
            let options = TimeOptions { order: Some(order), ..Default::default() };
            assert_eq!(TimeReader::new(options).text(text), Ok(day("2024-01-15")), "{text}");
        }
        let mut reader = TimeReader::default();
        let doubt = reader.learn(["24/01/15", "24/01/16"].into_iter()).unwrap();
        assert_eq!(
            doubt,
            "could be year/month/day or day/month/year; say which with --date-order ymd or --date-order dmy"
        );
        assert_eq!(reader.learn(["24/01/15", "99/01/15"].into_iter()), None);
        assert_eq!(reader.deduced_order(), Some(DateOrder::Ymd));
    }

    #[test]
    fn one_odd_date_does_not_put_the_order_of_all_in_doubt() {
        let mut reader = TimeReader::default();
        assert_eq!(reader.learn(["2024-01-02", "0001-01-01", "1/2/2024", "2024-01-04"].into_iter()), None);
        assert_eq!(reader.text("1/2/2024"), Err(TimeError::Ambiguous));
        assert!(reader.text("2024-01-04").is_ok());
    }

    #[test]
    fn a_column_of_days_has_the_day_that_is_written() {
        let day = calendar::days_of(2020, 1, 24);
        for zone in [None, Some(chrono_tz::America::New_York), Some(chrono_tz::Asia::Tokyo)] {
            let mut reader = TimeReader::new(TimeOptions { zone, ..Default::default() });
            reader.serve(true, false);
            for text in [
                "2020-01-24",
                "2020-01-24T00:00:00+05:30",
                "2020-01-24T00:00:00-05:00",
                "2020-01-24-05:00",
                "2020-01-24 00:00:00",
                "1579824000",
                "1579824000000",
                "20200124",
            ] {
                let mut reader = TimeReader { days: true, ..reader.clone() };
                assert_eq!(reader.text(text), day, "{text} {zone:?}");
            }
        }
        let zone = Some(chrono_tz::Asia::Tokyo);
        let mut reader = TimeReader::new(TimeOptions { zone, ..Default::default() });
        reader.serve(true, false);
        // Midnight in Tokyo.
        assert_eq!(reader.integer(1_579_791_600), day);
    }

    #[test]
    fn a_wide_column_takes_what_postgresql_takes() {
        let far = |text: &str| {
            let mut reader = TimeReader::default();
            reader.serve(false, true);
            reader.text(text).map_err(|error| (error, reader.micros()))
        };
        assert_eq!(far("9999-12-31"), Err((TimeError::Far, 253_402_214_400_000_000)));
        assert_eq!(far("0001-01-01 00:00:00Z"), Err((TimeError::Far, -62_135_596_800_000_000)));
        assert_eq!(far("4714-11-24 BC"), Err((TimeError::Far, calendar::MICROS.start)));
        assert_eq!(far("infinity"), Err((TimeError::Far, i64::MAX)));
        assert_eq!(far("-Infinity"), Err((TimeError::Far, i64::MIN)));
        assert_eq!(far("+10000-01-01"), Err((TimeError::Far, 253_402_300_800_000_000)));
        assert_eq!(far("294247-01-01").map_err(|(error, _)| error), Err(TimeError::Far));
        assert_eq!(far("294248-01-01").map_err(|(error, _)| error), Err(TimeError::Range));
        assert_eq!(far("1700-01-01"), Ok(-98_615 * DAY));
        let mut reader = TimeReader::default();
        reader.serve(true, true);
        assert_eq!(reader.text("5874897-12-31"), Ok(*calendar::DAYS.end()));
        assert_eq!(reader.text("5874898-01-01"), Err(TimeError::Range));
        assert_eq!(reader.text("infinity"), Ok(i64::MAX));
    }
}
