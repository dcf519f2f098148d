//! What a number in a column of times can be: an epoch, a date in digits, or a count of another kind.

use serde::{Deserialize, Serialize};

use super::calendar::days_of;
use crate::text::choice::choices;

/// Unit of the numbers in a column of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds since 1970.
    Second,
    /// Milliseconds since 1970.
    Milli,
    /// Microseconds since 1970.
    Micro,
    /// Nanoseconds since 1970.
    Nano,
    /// Days since 1970.
    Day,
    /// Days of a spreadsheet: 2 is 1900-01-01, the time of day is the fraction.
    Excel,
    /// Ticks of .NET: 100 nanoseconds since the year 1.
    Dotnet,
    /// Ticks of Windows' files: 100 nanoseconds since 1601.
    Filetime,
    /// Months, `YYYYMM`: the first day of each.
    Month,
    /// Years: the first day of each.
    Year,
}

choices!(Unit:
    Second = "s": "Seconds since 1970",
    Milli = "ms": "Milliseconds since 1970",
    Micro = "us": "Microseconds since 1970",
    Nano = "ns": "Nanoseconds since 1970",
    Day = "days": "Days since 1970",
    Excel = "excel": "Days of a spreadsheet (44197 is 2021-01-01)",
    Dotnet = "dotnet": "Ticks of .NET",
    Filetime = "filetime": "Windows file times",
    Month = "yyyymm": "Months: their first day",
    Year = "yyyy": "Years: their first day",
);

/// Nanoseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000_000;
/// 2100-01-01 in seconds since 1970: the bound of plausible epochs.
pub(super) const EPOCH_END: i128 = 4_102_444_800;
/// The least plausible epoch in seconds, in 1973: smaller numbers are too many other things.
const EPOCH_BEGIN: i128 = 100_000_000;
/// 1970 in ticks of .NET and of Windows' files.
pub(super) const DOTNET_1970: i128 = 621_355_968_000_000_000;
pub(super) const FILETIME_1970: i128 = 116_444_736_000_000_000;

impl Unit {
    /// The four units of epochs.
    pub(super) const EPOCHS: [Self; 4] = [Self::Second, Self::Milli, Self::Micro, Self::Nano];

    /// Nanoseconds in one, where it is a unit of epochs.
    pub fn nanos(self) -> Option<i64> {
        match self {
            Self::Second => Some(1_000_000_000),
            Self::Milli => Some(1_000_000),
            Self::Micro => Some(1_000),
            Self::Nano => Some(1),
            _ => None,
        }
    }

    /// The flag's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Milli => "ms",
            Self::Micro => "us",
            Self::Nano => "ns",
            Self::Day => "days",
            Self::Excel => "excel",
            Self::Dotnet => "dotnet",
            Self::Filetime => "filetime",
            Self::Month => "yyyymm",
            Self::Year => "yyyy",
        }
    }

    /// The unit of the flag's word.
    pub fn of_word(word: &str) -> Option<Self> {
        const ALL: [Unit; 10] = [
            Unit::Second,
            Unit::Milli,
            Unit::Micro,
            Unit::Nano,
            Unit::Day,
            Unit::Excel,
            Unit::Dotnet,
            Unit::Filetime,
            Unit::Month,
            Unit::Year,
        ];
        ALL.into_iter().find(|unit| unit.as_str() == word)
    }

    /// Whether a number has the magnitude of an epoch of this unit, from 1973 to 2100.
    #[inline]
    pub(super) fn is_plausible(self, value: i128) -> bool {
        match self {
            Self::Second => (EPOCH_BEGIN..EPOCH_END).contains(&value),
            Self::Milli => (EPOCH_BEGIN * 1_000..EPOCH_END * 1_000).contains(&value),
            Self::Micro => (EPOCH_BEGIN * 1_000_000..EPOCH_END * 1_000_000).contains(&value),
            Self::Nano => (EPOCH_BEGIN * 1_000_000_000..EPOCH_END * 1_000_000_000).contains(&value),
            _ => false,
        }
    }
}

/// What a number looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// An epoch of that unit.
    Epoch(Unit),
    /// A date of so many digits, from `YYYYMMDD` on.
    Digits(u8),
    /// A count of another unit, which only `--timestamp-unit` reads.
    Count(Unit),
    /// Eight digits that are a date with the year at their end.
    YearLast,
    /// Six digits that are a date with a year of two.
    ShortYear,
    /// Ten or twelve digits that are a date with a year of two, and a time of day.
    ShortStamp,
    /// Hours, minutes and seconds without a day.
    Clock,
    /// Seconds, or milliseconds, of a day.
    OfDay(Unit),
    /// A Julian day.
    Julian,
    /// Nothing that is known.
    #[default]
    Unknown,
}

/// Digits of the dates that are written without anything between them, the longest first.
const WIDTHS: [(u8, i128); 5] = [(17, 1_000_000_000), (14, 1_000_000), (12, 10_000), (10, 100), (8, 1)];

/// How a date of so many digits is written.
pub(super) fn pattern(digits: u8) -> &'static str {
    match digits {
        17 => "YYYYMMDDHHMMSSmmm",
        14 => "YYYYMMDDHHMMSS",
        12 => "YYYYMMDDHHMM",
        10 => "YYYYMMDDHH",
        _ => "YYYYMMDD",
    }
}

/// The day and the nanoseconds since its midnight of a date of so many digits, if it is one.
pub(super) fn of_digits(value: i128, digits: u8) -> Option<(i64, i64)> {
    let (_, below) = WIDTHS.into_iter().find(|(width, _)| *width == digits)?;
    let date = i64::try_from(value / below).ok()?;
    let (y, m, d) = (date / 10_000, date / 100 % 100, date % 100);
    if !(1800..=2261).contains(&y) && date != 99_991_231 {
        return None;
    }
    let days = days_of(y, m, d).ok()?;
    // What is below the day, as HHMMSSmmm.
    let clock = i64::try_from(value % below * (1_000_000_000 / below)).ok()?;
    let (hour, minute, second, millis) =
        (clock / 10_000_000, clock / 100_000 % 100, clock / 1_000 % 100, clock % 1_000);
    let midnight = hour == 24 && clock % 10_000_000 == 0;
    if hour > 23 && !midnight || minute > 59 || second > 59 {
        return None;
    }
    Some((days, ((hour * 60 + minute) * 60 + second) * 1_000_000_000 + millis * 1_000_000))
}

/// What a whole number looks like by itself; `width` is the number of its digits as they are
/// written, and `part` whether a fraction follows.
pub(super) fn shape_of(value: i128, width: usize, part: bool) -> Shape {
    let is_date = |digits| !part && of_digits(value, digits).is_some();
    let ticks = |since: i128| (since..since + EPOCH_END * 10_000_000).contains(&value);
    match width {
        _ if value < 0 => Shape::Unknown,
        8 | 12 | 14 | 17 if is_date(width as u8) => Shape::Digits(width as u8),
        18 if ticks(DOTNET_1970) => Shape::Count(Unit::Dotnet),
        18 if ticks(FILETIME_1970) => Shape::Count(Unit::Filetime),
        9.. => match Unit::EPOCHS.into_iter().find(|unit| unit.is_plausible(value)) {
            Some(unit) => Shape::Epoch(unit),
            None => Shape::Unknown,
        },
        _ => small(value as i64, width, part),
    }
}

/// Numbers of up to eight digits, which are no epochs.
fn small(value: i64, width: usize, part: bool) -> Shape {
    let exists = |y, m, d| days_of(y, m, d).is_ok();
    let clock = value / 10_000 < 24 && value / 100 % 100 < 60 && value % 100 < 60;
    match (width, value) {
        (8, _)
            if !part && {
                let (a, b, year) = (value / 1_000_000, value / 10_000 % 100, value % 10_000);
                (1900..=2100).contains(&year) && (exists(year, a, b) || exists(year, b, a))
            } =>
        {
            Shape::YearLast
        }
        (7, 2_415_021..=2_488_070) => Shape::Julian,
        (7 | 8, 1_000_000..=86_400_000) => Shape::OfDay(Unit::Milli),
        (6, _) if !part && (1900..=2100).contains(&(value / 100)) && (1..=12).contains(&(value % 100)) => {
            Shape::Count(Unit::Month)
        }
        (6, _) if !part && exists(2000 + value / 10_000, value / 100 % 100, value % 100) => Shape::ShortYear,
        (6, _) if clock => Shape::Clock,
        (5, 25_569..=62_091) => Shape::Count(Unit::Excel),
        (5, 10_000..=25_568) => Shape::Count(Unit::Day),
        (5, _) if !part && clock => Shape::Clock,
        (5, 0..=86_400) => Shape::OfDay(Unit::Second),
        (4, 1800..=2200) if !part => Shape::Count(Unit::Year),
        _ => Shape::Unknown,
    }
}

/// Votes for the shapes of a column's numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Votes {
    epochs: [usize; 4],
    digits: [usize; 5],
    /// Epochs in seconds that would be `YYYYMMDDHH` too.
    hours: usize,
    stamps: Stamps,
    /// All numbers.
    pub(super) all: usize,
}

/// Epochs that would be `YYMMDDHHMM` or `YYMMDDHHMMSS` too.
#[derive(Debug, Clone, Default)]
struct Stamps {
    votes: usize,
    /// How often one differed from the one before it, and the least and the greatest of them.
    changes: usize,
    last: i128,
    range: Option<(i128, i128)>,
    /// Whether one has the seconds too.
    long: bool,
}

impl Stamps {
    fn count(&mut self, value: i128, width: usize) {
        self.votes += 1;
        self.changes += usize::from(value != self.last);
        self.last = value;
        self.long |= width == 12;
        let (least, most) = self.range.unwrap_or((value, value));
        self.range = Some((least.min(value), most.max(value)));
    }

    /// Whether so many epochs are none: all read as dates, and as epochs they would be of years to come, of
    /// the years before 2001 in milliseconds, or such as are never all dates by chance.
    fn are_all(&self, votes: usize) -> bool {
        let Some((least, most)) = self.range else { return false };
        self.votes == votes
            && (self.long || least >= 2_082_758_400 || self.changes >= 8 && most - least >= 1_000)
    }
}

/// The day of a number that is `YYMMDDHHMM` or `YYMMDDHHMMSS`, in whatever order, and the nanoseconds since
/// its midnight; `None` where it is neither. `day` tells the day of three numbers.
pub(super) fn of_short_stamp(
    value: i128,
    width: usize,
    day: impl Fn([i64; 3]) -> Option<i64>,
) -> Option<(i64, i64)> {
    let value = i64::try_from(value).ok().filter(|value| *value > 0)?;
    let (date, clock) = match width {
        10 => (value / 10_000, value % 10_000 * 100),
        12 => (value / 1_000_000, value % 1_000_000),
        _ => return None,
    };
    let (hour, minute, second) = (clock / 10_000, clock / 100 % 100, clock % 100);
    let exists = hour < 24 && minute < 60 && second < 60;
    let days = day([date / 10_000, date / 100 % 100, date % 100]).filter(|_| exists)?;
    Some((days, ((hour * 60 + minute) * 60 + second) * 1_000_000_000))
}

/// Whether a number has the form `YYMMDDHHMM` or `YYMMDDHHMMSS`.
pub(super) fn is_short_stamp(value: i128, width: usize) -> bool {
    of_short_stamp(value, width, |[y, m, d]| days_of(2000 + y, m, d).ok()).is_some()
}

/// What most numbers of a column are, where that can be read without a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elected {
    Epoch(Unit),
    Digits(u8),
    /// Dates with a year of two and a time of day.
    Stamps,
}

impl Votes {
    pub(super) fn count(&mut self, value: i128, width: usize, part: bool) {
        self.all += 1;
        match shape_of(value, width, part) {
            Shape::Epoch(unit) => {
                self.epochs[unit as usize & 3] += 1;
                self.hours += usize::from(unit == Unit::Second && !part && of_digits(value, 10).is_some());
                if !part && is_short_stamp(value, width) {
                    self.stamps.count(value, width);
                }
            }
            Shape::Digits(digits) => {
                if let Some(at) = WIDTHS.iter().position(|(width, _)| *width == digits) {
                    self.digits[at] += 1;
                }
            }
            _ => {}
        }
    }

    /// The form that most have.
    pub(super) fn elected(&self) -> Option<Elected> {
        let mut best = (0, None);
        for (votes, unit) in self.epochs.into_iter().zip(Unit::EPOCHS) {
            if votes > best.0 {
                best = (votes, Some(Elected::Epoch(unit)));
            }
        }
        for (votes, (digits, _)) in self.digits.into_iter().zip(WIDTHS) {
            if votes > best.0 {
                best = (votes, Some(Elected::Digits(digits)));
            }
        }
        match best {
            // Seconds of the years 2033 and after that are all dates are dates.
            (votes, Some(Elected::Epoch(Unit::Second))) if self.hours == votes => Some(Elected::Digits(10)),
            (votes, Some(Elected::Epoch(Unit::Second | Unit::Milli))) if self.stamps.are_all(votes) => {
                Some(Elected::Stamps)
            }
            (_, elected) => elected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_their_magnitude_and_their_digits_say() {
        let shape = |text: &str| shape_of(text.parse().unwrap(), text.len(), false);
        for (text, expected) in [
            ("1704205800", Shape::Epoch(Unit::Second)),
            ("946684800", Shape::Epoch(Unit::Second)),
            ("946684800000", Shape::Epoch(Unit::Milli)),
            ("1704205800000", Shape::Epoch(Unit::Milli)),
            ("1704205800000000", Shape::Epoch(Unit::Micro)),
            ("1704205800000000000", Shape::Epoch(Unit::Nano)),
            ("946684800000000000", Shape::Epoch(Unit::Nano)),
            ("637108979310830000", Shape::Count(Unit::Dotnet)),
            ("133485408000000000", Shape::Count(Unit::Filetime)),
            ("20240102", Shape::Digits(8)),
            ("99991231", Shape::Digits(8)),
            ("201711211230", Shape::Digits(12)),
            ("20171121123059", Shape::Digits(14)),
            ("20171121123059123", Shape::Digits(17)),
            ("31122024", Shape::YearLast),
            ("34200000", Shape::OfDay(Unit::Milli)),
            ("202401", Shape::Count(Unit::Month)),
            ("240115", Shape::ShortYear),
            ("093000", Shape::Clock),
            ("93000", Shape::Clock),
            ("44197", Shape::Count(Unit::Excel)),
            ("19723", Shape::Count(Unit::Day)),
            ("2024", Shape::Count(Unit::Year)),
            ("2459216", Shape::Julian),
            ("0", Shape::Unknown),
            ("20171399", Shape::OfDay(Unit::Milli)),
            ("99999999999", Shape::Unknown),
        ] {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn years_of_two_digits_with_a_time_of_day_are_no_epochs() {
        let elected = |values: &[i128]| {
            let mut votes = Votes::default();
            values.iter().for_each(|value| votes.count(*value, width_of(*value), false));
            votes.elected()
        };
        fn width_of(value: i128) -> usize {
            value.to_string().len()
        }
        assert_eq!(elected(&[2_401_020_930, 2_401_020_931]), Some(Elected::Stamps));
        assert_eq!(elected(&[240_102_093_000]), Some(Elected::Stamps));
        let minutes: Vec<i128> = (0..20).map(|i| 1_501_020_900 + i / 10 * 100 + i % 10).collect();
        assert_eq!(elected(&minutes), Some(Elected::Epoch(Unit::Second)), "a span that seconds have too");
        let hours: Vec<i128> =
            (0..20).map(|i| 1_501_020_930 + i * 100).filter(|n| n / 100 % 100 < 24).collect();
        assert_eq!(elected(&hours), Some(Elected::Stamps));
        // Epochs that read as dates by chance.
        assert_eq!(elected(&[1_704_182_301, 1_704_182_302]), Some(Elected::Epoch(Unit::Second)));
        assert_eq!(elected(&[946_684_800_000]), Some(Elected::Epoch(Unit::Milli)));
    }

    #[test]
    fn ten_digits_are_dates_only_where_all_are() {
        let mut votes = Votes::default();
        votes.count(2_024_010_214, 10, false);
        votes.count(2_024_010_215, 10, false);
        assert_eq!(votes.elected(), Some(Elected::Digits(10)));
        votes.count(2_024_009_999, 10, false);
        assert_eq!(votes.elected(), Some(Elected::Epoch(Unit::Second)));
    }
}
