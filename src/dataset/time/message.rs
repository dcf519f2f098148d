//! What a time that cannot be read is told as.

use crate::dataset::time::unit::{DOTNET_1970, FILETIME_1970, Shape, Unit, pattern};
use crate::dataset::time::{TimeError, TimeReader, width};
use crate::text::flags::{DATE_ORDER, MAP, TIME_FORMAT, TIMESTAMP_UNIT, TIMEZONE};

impl TimeReader {
    /// A number that tells the kinds of faults apart that have a message each.
    pub fn kind(&self, error: TimeError) -> u64 {
        let more = match error {
            TimeError::Count | TimeError::OtherUnit | TimeError::OtherForm => match self.refused.0 {
                Shape::Epoch(unit) => 1 + unit as u64,
                Shape::Count(unit) | Shape::OfDay(unit) => 20 + unit as u64,
                Shape::Digits(digits) => 40 + u64::from(digits),
                Shape::YearLast => 60,
                Shape::ShortYear => 61,
                Shape::Clock => 62,
                Shape::ShortStamp => 65,
                Shape::Julian => 63,
                Shape::Unknown => 64,
            },
            TimeError::Ambiguous => self.doubt.kind(),
            TimeError::ZoneName => self.zone_name.bytes().fold(0, |n, b| n << 8 | u64::from(b)),
            _ => 0,
        };
        more << 8 | error as u64
    }

    /// What is wrong with the value that was read last and what to do, to follow the name of the
    /// column.
    pub fn message(&self, error: TimeError) -> String {
        match error {
            TimeError::Syntax => "is not a timestamp that mdsctl knows".into(),
            TimeError::Format => match &self.options.format {
                Some(format) => format!("is not written as {TIME_FORMAT} says, {:?}", format.as_str()),
                None => "is not written as it should be".to_owned(),
            },
            TimeError::NoSuchTime => "is a date or time that does not exist".into(),
            TimeError::Range | TimeError::Far if self.wide => format!("is out of range (epochs without {TIMESTAMP_UNIT}: 1973 to 2100; days and times: as PostgreSQL holds them, before 1678 and after 2261 to the microsecond)"),
            TimeError::Range | TimeError::Far => format!("is out of range (epochs: 1973 to 2100, text: 1800 to 2261; an older epoch loads with {TIMESTAMP_UNIT})"),
            TimeError::Infinite => "is infinite, and a row of this dataset needs a time".into(),
            TimeError::OtherUnit | TimeError::OtherForm => self.other(),
            TimeError::Count => self.count(),
            TimeError::Shortened => "is a number that was shortened, as a spreadsheet or single precision does it, and so tells no moment; it has to be written in full in the input".into(),
            TimeError::Ambiguous => self.doubt.doubt(),
            TimeError::ZoneName => match self.options.zone {
                Some(zone) => format!(
                    "has the zone {}, which {zone} does not have at that time; give the rows an offset from UTC, or {TIMEZONE} with the zone that is meant",
                    self.zone_name
                ),
                None => format!(
                    "has the zone {}, as several zones are called; say which with {TIMEZONE}, for instance {TIMEZONE} {}",
                    self.zone_name,
                    example(&self.zone_name)
                ),
            },
            TimeError::Skipped => format!(
                "is a local time that the change of clocks{} skips; give the row an offset from UTC (as in 02:30:00-05:00), or the rows the {TIMEZONE} that they were written in",
                self.in_zone()
            ),
            TimeError::Twice => format!(
                "is a local time that the change of clocks{} repeats, and the order of the rows does not tell which of both it is; give the row an offset from UTC (as in 01:30:00-05:00), or the rows the {TIMEZONE} that they were written in",
                self.in_zone()
            ),
        }
    }

    pub(super) fn in_zone(&self) -> String {
        self.options.zone.map(|zone| format!(" in {zone}")).unwrap_or_default()
    }

    pub(super) fn other(&self) -> String {
        let (shape, value) = self.refused;
        if let Some(unit) = self.options.unit {
            return format!(
                "({value}) looks like {}, while most rows look like an epoch in {}, as {TIMESTAMP_UNIT} says; mdsctl replay-dlq without that flag reads the rejected rows as what they look like",
                looks_like(shape),
                unit.as_str()
            );
        }
        let rest = match (self.unit, self.digits) {
            (Some(unit), _) => looks_like(Shape::Epoch(unit)),
            (None, Some(digits)) => looks_like(Shape::Digits(digits)),
            (None, None) => "something else".to_owned(),
        };
        let look = looks_like(shape);
        format!(
            "({value}) looks like {look}, while the rows before it are {rest}; mdsctl replay-dlq reads the rejected rows as {look}"
        )
    }

    pub(super) fn count(&self) -> String {
        let (shape, value) = self.refused;
        let day = |days: i128| {
            let mut out = String::new();
            crate::model::calendar::write_day(days as i64, &mut out);
            out
        };
        let ticks = |since: i128| day((value - since).div_euclid(864_000_000_000));
        let flag = |unit: Unit| format!("{TIMESTAMP_UNIT} {} reads it so", unit.as_str());
        let clock =
            format!("a time of day needs its day: {MAP} COLUMN=DATE+TIME joins it with a column of days");
        match shape {
            Shape::Count(unit @ Unit::Excel) => format!(
                "({value}) is not an epoch; as a day of a spreadsheet it is {}: {} (days since 1970: {TIMESTAMP_UNIT} days; seconds of the day: {clock})",
                day(value - 25_569),
                flag(unit)
            ),
            Shape::Count(unit @ Unit::Day) => format!(
                "({value}) is not an epoch; as days since 1970 it is {}: {} (days of a spreadsheet: {TIMESTAMP_UNIT} excel; seconds of the day: {clock})",
                day(value),
                flag(unit)
            ),
            Shape::Count(unit @ Unit::Dotnet) => format!(
                "({value}) is an epoch of no unit that is plausible; as ticks of .NET it is {}: {} (nanoseconds of 1990: {TIMESTAMP_UNIT} ns)",
                ticks(DOTNET_1970),
                flag(unit)
            ),
            Shape::Count(unit @ Unit::Filetime) => format!(
                "({value}) is an epoch of no unit that is plausible; as a Windows file time it is {}: {} (nanoseconds of 1974: {TIMESTAMP_UNIT} ns)",
                ticks(FILETIME_1970),
                flag(unit)
            ),
            Shape::Count(unit @ Unit::Month) => {
                format!("({value}) is a month, YYYYMM, not a day: {}, as its first day", flag(unit))
            }
            Shape::Count(unit @ Unit::Year) => {
                format!("({value}) is a year, not a day: {}, as its first day", flag(unit))
            }
            Shape::YearLast => format!(
                "({value:08}) is not a date YYYYMMDD; {DATE_ORDER} dmy reads DDMMYYYY, {DATE_ORDER} mdy reads MMDDYYYY"
            ),
            Shape::ShortYear => format!(
                "({value:06}) is not an epoch; {DATE_ORDER} ymd reads YYMMDD, {DATE_ORDER} dmy reads DDMMYY, {DATE_ORDER} mdy reads MMDDYY"
            ),
            Shape::ShortStamp => {
                let (form, width, unit) = match width(value) {
                    11.. => ("YYMMDDHHMMSS", 12, "ms"),
                    _ => ("YYMMDDHHMM", 10, "s"),
                };
                format!(
                    "({value:0width$}) is written {form}, by the looks of all: {DATE_ORDER} ymd reads it so (an epoch in {unit}: {TIMESTAMP_UNIT} {unit})"
                )
            }
            Shape::Clock => format!("({value:06}) is not an epoch but a time HHMMSS; {clock}"),
            Shape::OfDay(unit) => format!(
                "({value}) is not an epoch; as {} of the day it is a time without its day: {clock}",
                if unit == Unit::Milli { "milliseconds" } else { "seconds" }
            ),
            Shape::Julian => {
                format!(
                    "({value}) is not an epoch but a Julian day ({}); write it as a date",
                    day(value - 2_440_588)
                )
            }
            _ => format!("({value}) is a number that is not a time"),
        }
    }
}

pub(super) fn looks_like(shape: Shape) -> String {
    match shape {
        Shape::Epoch(unit) => format!("an epoch in {}", unit.as_str()),
        Shape::Digits(digits) => format!("a date written {}", pattern(digits)),
        _ => "another number".to_owned(),
    }
}

/// A zone that goes by that short name.
pub(super) fn example(name: &str) -> &'static str {
    match name {
        "CST" => "America/Chicago or Asia/Shanghai",
        "IST" => "Asia/Kolkata",
        "BST" => "Europe/London",
        "MST" => "America/Denver",
        "AST" | "ADT" => "America/Halifax",
        "GST" => "Asia/Dubai",
        _ => "Europe/London",
    }
}
