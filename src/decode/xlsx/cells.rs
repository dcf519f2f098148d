//! What is in a cell, as text.

use std::fmt::Write as _;

use calamine::{DataRef, ExcelDateTime};

use crate::model::calendar::{write_clock, write_day};
use crate::model::decimal::Decimal;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Days after 9999-12-31, the last one of a sheet.
const END: f64 = 2_958_466.0;

/// Days from the first day of the system of 1904 to 1970.
const OF_1904: i64 = 24_107;

/// Days from the day 0 of the other system to 1970, behind the 29th of February 1900 that it counts.
const OF_1900: i64 = 25_569;

/// The day that never was.
const LEAP_DAY: i64 = 60;

/// Numbers from here on are no longer each a whole number.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// How far from a millisecond, in microseconds, a time is still that millisecond: writers keep a serial number to
/// fifteen digits.
const NEAR: i64 = 9;

/// Whether a cell has nothing in it.
pub(super) fn is_empty(value: &DataRef<'_>) -> bool {
    match value {
        DataRef::Empty => true,
        DataRef::String(text) => text.is_empty(),
        DataRef::SharedString(text) => text.is_empty(),
        _ => false,
    }
}

/// Whether a cell of a header holds a number that can be no name: years and days can be, of periods.
pub(super) fn is_no_name(value: &DataRef<'_>) -> bool {
    match value {
        DataRef::Float(number) => number.fract() != 0.0 || !(1900.0..=2100.0).contains(number),
        DataRef::Int(number) => !(1900..=2100).contains(number),
        _ => false,
    }
}

/// Appends what a cell holds.
pub(super) fn write(value: &DataRef<'_>, since_1904: bool, out: &mut String) {
    // Writing into a text cannot fail.
    let _ = match value {
        DataRef::Empty => Ok(()),
        DataRef::Int(number) => write!(out, "{number}"),
        DataRef::Float(number) => {
            write_number(*number, out);
            Ok(())
        }
        DataRef::Bool(is) => write!(out, "{is}"),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            out.push_str(text);
            Ok(())
        }
        DataRef::SharedString(text) => {
            out.push_str(text);
            Ok(())
        }
        DataRef::Error(error) => write!(out, "{error}"),
        DataRef::DateTime(time) => {
            write_time(time, since_1904, out);
            Ok(())
        }
    };
}

/// A number as its shortest decimal. One that may have been another before it became a double is written as what
/// is left of it, with an exponent, so that no digits are made up.
fn write_number(number: f64, out: &mut String) {
    match Decimal::from_f64(number) {
        Some(decimal) if number.abs() < WHOLE => decimal.write(out),
        Some(_) => _ = write!(out, "{number:e}"),
        None => _ = write!(out, "{number}"),
    }
}

/// A moment as a day, a time of day, or both.
fn write_time(time: &ExcelDateTime, since_1904: bool, out: &mut String) {
    let serial = time.as_f64();
    if !(0.0..END).contains(&serial) {
        return write_number(serial, out);
    }
    #[expect(clippy::cast_possible_truncation, reason = "days up to the year 9999")]
    let (day, micros) = (serial as i64, (serial.fract() * DAY as f64).round() as i64);
    let milli = (micros + 500) / 1_000 * 1_000;
    let micros = if (micros - milli).abs() <= NEAR { milli } else { micros };
    if time.is_duration() {
        return write_clock(day * DAY + micros, 1_000_000, out);
    }
    if day == 0 && micros < DAY {
        return write_clock(micros, 1_000_000, out);
    }
    let (day, micros) = (day + micros / DAY, micros % DAY);
    match (since_1904, day) {
        (true, _) => write_day(day - OF_1904, out),
        (false, LEAP_DAY) => out.push_str("1900-02-29"),
        (false, ..LEAP_DAY) => write_day(day - OF_1900 + 1, out),
        (false, _) => write_day(day - OF_1900, out),
    }
    if micros != 0 {
        out.push(' ');
        write_clock(micros, 1_000_000, out);
    }
}

/// The letters of a column, counted from 0: `A`, `Z`, `AA`.
pub(super) fn letters(column: usize) -> String {
    let mut letters = String::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.insert(0, char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or(0)));
        rest = (rest - 1) / 26;
    }
    letters
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType::{self, DateTime, TimeDelta};

    use super::*;

    fn time(serial: f64, kind: ExcelDateTimeType, since_1904: bool) -> String {
        let mut text = String::new();
        write(&DataRef::DateTime(ExcelDateTime::new(serial, kind, since_1904)), since_1904, &mut text);
        text
    }

    #[test]
    fn serial_days_are_days_and_times_of_no_zone() {
        for (serial, since_1904, expected) in [
            (1.0, false, "1900-01-01"),
            (59.0, false, "1900-02-28"),
            (60.0, false, "1900-02-29"),
            (61.0, false, "1900-03-01"),
            (45_293.0, false, "2024-01-02"),
            (43_831.0, true, "2024-01-02"),
            (1.0, true, "1904-01-02"),
            (45_293.395_833_333_336, false, "2024-01-02 09:30:00"),
            (45_293.395_833_333_3, false, "2024-01-02 09:30:00"),
            (45_293.395_834_756_95, false, "2024-01-02 09:30:00.123"),
            (45_293.999_999_999_99, false, "2024-01-03"),
            (0.395_833_333_333_333, false, "09:30:00"),
            (2_958_465.0, false, "9999-12-31"),
            (2_958_466.0, false, "2958466"),
            (-1.0, false, "-1"),
        ] {
            assert_eq!(time(serial, DateTime, since_1904), expected, "{serial}");
        }
        assert_eq!(time(1.25, TimeDelta, false), "30:00:00");
    }

    #[test]
    fn numbers_are_written_in_full_and_no_digits_are_made_up() {
        for (number, expected) in [
            (0.1, "0.1"),
            (1e-7, "0.0000001"),
            (100.0, "100"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (1_704_186_000_123_456_789.0, "1.7041860001234568e18"),
            (f64::NAN, "NaN"),
        ] {
            let mut text = String::new();
            write(&DataRef::Float(number), false, &mut text);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn columns_have_letters() {
        let all = [0, 25, 26, 701, 702, 16_383].map(letters);
        assert_eq!(all, ["A", "Z", "AA", "ZZ", "AAA", "XFD"]);
    }
}
