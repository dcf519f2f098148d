//! A point in time that two columns make: the day in one, the time of day in the other.
//!
//! What a column holds is told by its first values, since the names (`Date`, `Time`, `timestamp`) say
//! little. Both are then made one column of text, which is read as any other column of times is.

mod fraction;

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::StringBuilder;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::Date32Type;

use crate::dataset::nulls::NullTokens;
use crate::dataset::time::{DateOrder, TimeOptions, TimeReader};
use crate::model::calendar;
use crate::model::normalise::normalised;
use crate::model::text::Texts;
use crate::model::values::{Numbers, Values};

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;
/// Values of a column that are looked at.
const SAMPLE: usize = 256;

/// What a column of an input holds, from its first values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Days with times that are not all midnight, or epochs.
    Instants,
    /// Days with times that are all midnight.
    Midnights,
    /// Days alone.
    Days,
    /// Times of day alone; `true` where all are midnight.
    Clocks(Clock, bool),
    /// Minutes of an hour, which another column tells.
    Minutes,
    /// A part of a time of day, by its name, in numbers that tell no time.
    Part,
    /// None of these, or nothing.
    Unknown,
}

/// How a time of day is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// `09:30`, `09:30:00.5`, `9:30 AM`.
    Text,
    /// `930`, `0930`.
    Minutes,
    /// `93000`, `093000`.
    Seconds,
    /// `93000000`, `093000000`.
    Milliseconds,
    /// Milliseconds since midnight.
    SinceMidnight,
    /// Seconds since midnight.
    SecondsOfDay,
    /// Minutes since midnight.
    MinutesOfDay,
    /// Full hours.
    Hours,
    /// A type of its own.
    Typed,
}

/// Where the day of a joined time comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Day {
    /// The column of the input with that index.
    Source(usize),
    /// One day for all rows, as the name of the file has it.
    Constant(String),
}

/// Two columns that make one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Where its day comes from.
    pub day: Day,
    /// The column with the time of day.
    pub clock: usize,
    /// How that is written.
    pub form: Clock,
    /// The column with the minutes, where `clock` has the hours alone.
    pub minutes: Option<usize>,
}

/// What the name of a column of numbers says of them, where it says it.
fn form_of_name(plain: &str) -> Option<Clock> {
    match plain {
        "msofday" | "millisofday" | "millisecondsofday" | "mssincemidnight" | "millisecondssincemidnight" => {
            Some(Clock::SinceMidnight)
        }
        "secondofday" | "secondsofday" | "secofday" | "secondssincemidnight" => Some(Clock::SecondsOfDay),
        "minuteofday" | "minutesofday" | "minutessincemidnight" => Some(Clock::MinutesOfDay),
        "hour" | "hours" | "hr" | "hourofday" => Some(Clock::Hours),
        "hhmm" => Some(Clock::Minutes),
        "hhmmss" => Some(Clock::Seconds),
        _ => None,
    }
}

/// Whether a column of that name has minutes: of the hour, of the day, or with the hours before them.
fn is_of_minutes(plain: &str) -> bool {
    matches!(plain, "minute" | "minutes" | "mins" | "minuteofhour")
}

/// Whether a column of that name holds epochs, though it is no usual name of a time.
pub fn is_epoch_name(plain: &str) -> bool {
    let unit = |rest: &str| {
        matches!(rest, "" | "s" | "ms" | "us" | "ns" | "sec" | "seconds" | "millis" | "micros" | "nanos")
    };
    ["epochtime", "epoch", "unixtimestamp", "unixtime", "unixts", "unix", "timestamp", "time", "ts"]
        .iter()
        .any(|name| plain.strip_prefix(name).is_some_and(unit))
}

/// Whether a column of that name (without case and punctuation) may hold the times of day of another.
pub fn is_clock_name(plain: &str) -> bool {
    const NOT: [&str; 8] = ["close", "end", "last", "exp", "update", "recv", "receive", "expir"];
    form_of_name(plain).is_some()
        || is_of_minutes(plain)
        || matches!(plain, "tod" | "timeofday" | "clock" | "timestamp" | "datetime")
        || (plain.starts_with("time") || plain.ends_with("time")) && !NOT.iter().any(|n| plain.starts_with(n))
}

/// Whether a column of that name may hold the days of another's times of day.
pub fn is_day_name(plain: &str) -> bool {
    matches!(
        plain,
        "day"
            | "date"
            | "dates"
            | "tradedate"
            | "tradingdate"
            | "tradingday"
            | "tradeday"
            | "quotedate"
            | "businessdate"
            | "sessiondate"
            | "localdate"
            | "dateutc"
            | "utcdate"
            | "bardate"
            | "marketdate"
            | "asofdate"
    )
}

/// Looks at the first values of a column of that name (without case and punctuation).
pub fn look(array: &ArrayRef, plain: &str, nulls: &NullTokens) -> Look {
    let array = &plain_type(array);
    match Values::of(array) {
        Some(Values::Day(_)) => return Look::Days,
        Some(Values::Clock(times)) => {
            let midnight = times.iter().take(SAMPLE).flatten().all(|nanos| nanos == 0);
            return Look::Clocks(Clock::Typed, midnight);
        }
        Some(Values::Instant(_) | Values::Far(_)) => {
            let mut times = (0..array.len()).filter_map(|row| nanos(array, row)).take(SAMPLE).peekable();
            return match (times.peek().is_some(), times.all(|time| time.rem_euclid(DAY) == 0)) {
                (false, _) => Look::Unknown,
                (true, true) => Look::Midnights,
                _ => Look::Instants,
            };
        }
        _ => {}
    }
    let mut sample: Vec<String> = Vec::new();
    let mut text = String::new();
    for row in 0..array.len().min(16 * SAMPLE) {
        text.clear();
        let value = text_of(array, row, &mut text).then_some(text.trim());
        if let Some(value) = value.filter(|value| !nulls.matches(value)) {
            // A whole number among doubles.
            sample.push(value.strip_suffix(".0").unwrap_or(value).to_owned());
        }
        if sample.len() == SAMPLE {
            break;
        }
    }
    look_at(&sample, plain)
}

fn look_at(sample: &[String], plain: &str) -> Look {
    if sample.is_empty() {
        return Look::Unknown;
    }
    let mut reader = TimeReader::new(TimeOptions::default());
    // Dates that may be read in two ways are dates in either.
    if reader.learn(sample.iter().map(String::as_str)).is_some() {
        reader = TimeReader::new(TimeOptions { order: Some(DateOrder::Mdy), ..Default::default() });
    }
    let (mut days, mut midnights, mut instants, mut clocks, mut zero) = (0, 0, 0, 0, true);
    let mut digits = true;
    for value in sample {
        digits &= value.bytes().all(|b| b.is_ascii_digit());
        if value.contains(':') && reader.text(&format!("2000-01-01 {value}")).is_ok() {
            clocks += 1;
            zero &= is_midnight(value);
            continue;
        }
        // Years, months, and numbers that are none of these.
        if value.len() < 8 && value.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        match reader.text(value) {
            Ok(_) if value.contains(':') => match split_day(value) {
                Some((_, clock, _)) if is_midnight(clock) => midnights += 1,
                _ => instants += 1,
            },
            Ok(nanos) if nanos.rem_euclid(DAY) != 0 => instants += 1,
            Ok(_) if value.len() > 8 && value.bytes().all(|b| b.is_ascii_digit()) => midnights += 1,
            Ok(_) => days += 1,
            Err(_) => {}
        }
    }
    let all = sample.len();
    // A stray word costs its own row, and does not make the column another one.
    if clocks * 2 >= all && days + midnights + instants == 0 {
        return Look::Clocks(Clock::Text, zero);
    }
    if digits
        && days < all
        && (is_clock_name(plain) || plain.bytes().all(|b| b.is_ascii_digit()))
        && let Some(form) = form_of_digits(sample, plain)
    {
        return Look::Clocks(form, sample.iter().all(|value| value.bytes().all(|b| b == b'0')));
    }
    if form_of_name(plain) == Some(Clock::SinceMidnight)
        && sample.iter().all(|value| fraction::since_midnight(value).is_some())
    {
        return Look::Clocks(Clock::SinceMidnight, false);
    }
    if is_of_minutes(plain) || form_of_name(plain) == Some(Clock::Hours) {
        let numbers = sample.iter().all(|value| value.parse::<f64>().is_ok());
        let minutes = |value: &String| value.parse().is_ok_and(|n: u8| n < 60);
        if is_of_minutes(plain) && sample.iter().all(minutes) {
            return Look::Minutes;
        }
        if numbers {
            return Look::Part;
        }
    }
    match (days + midnights + instants) * 2 > all {
        false => Look::Unknown,
        true if instants > 0 => Look::Instants,
        true if midnights > 0 => Look::Midnights,
        true => Look::Days,
    }
}

/// The form of times of day that are written in digits alone; `None` where they are none.
fn form_of_digits(sample: &[String], plain: &str) -> Option<Clock> {
    let number = |value: &String| value.parse::<u64>().ok();
    let numbers: Vec<u64> = sample.iter().map(number).collect::<Option<_>>()?;
    let most = numbers.iter().copied().max()?;
    let fits = |form: Clock| numbers.iter().all(|n| fields(*n, form).is_some());
    if let Some(form) = form_of_name(plain) {
        return fits(form).then_some(form);
    }
    let widest = sample.iter().map(String::len).max().unwrap_or(0);
    if is_of_minutes(plain) {
        // `0930` and `1600` have the hours before them, 570 and 960 count from midnight; 600 could do either.
        let written = most >= 1_440 || sample.iter().any(|value| value.len() == 4 && value.starts_with('0'));
        return match (fits(Clock::Minutes), fits(Clock::MinutesOfDay)) {
            _ if most < 60 && !written => None,
            (true, _) if written => Some(Clock::Minutes),
            (false, true) => Some(Clock::MinutesOfDay),
            _ => None,
        };
    }
    let form = match widest {
        0..=4 => Clock::Minutes,
        5 | 6 if !fits(Clock::Seconds) => Clock::SecondsOfDay,
        5 | 6 => Clock::Seconds,
        7..=9 if most >= 86_400_000 || !fits(Clock::SinceMidnight) => Clock::Milliseconds,
        // `93000000` could be both; half past nine in one, an hour that no day has in the other.
        7..=9 if !fits(Clock::Milliseconds) => Clock::SinceMidnight,
        _ => return None,
    };
    fits(form).then_some(form)
}

/// Hours, minutes and nanoseconds of the minute of a time of day in digits.
fn fields(number: u64, form: Clock) -> Option<(u64, u64, u64)> {
    let (hours, minutes, nanos) = match form {
        Clock::Minutes => (number / 100, number % 100, 0),
        Clock::Seconds => (number / 10_000, number / 100 % 100, number % 100 * 1_000_000_000),
        Clock::Milliseconds => (number / 10_000_000, number / 100_000 % 100, number % 100_000 * 1_000_000),
        Clock::SinceMidnight => (number / 3_600_000, number / 60_000 % 60, number % 60_000 * 1_000_000),
        Clock::SecondsOfDay => (number / 3_600, number / 60 % 60, number % 60 * 1_000_000_000),
        Clock::MinutesOfDay => (number / 60, number % 60, 0),
        Clock::Hours => (number, 0, 0),
        Clock::Text | Clock::Typed => return None,
    };
    (hours < 24 && minutes < 60 && nanos < 60_000_000_000).then_some((hours, minutes, nanos))
}

/// Makes one column of text of both.
pub fn join(join: &Join, columns: &[ArrayRef], rows: usize) -> ArrayRef {
    let days = match join.day {
        Day::Source(index) => Some(plain_type(&columns[index])),
        Day::Constant(_) => None,
    };
    let clocks = plain_type(&columns[join.clock]);
    let minutes = join.minutes.map(|index| plain_type(&columns[index]));
    let mut builder = StringBuilder::with_capacity(rows, rows * 20);
    let (mut line, mut part) = (String::new(), String::new());
    for row in 0..rows {
        line.clear();
        part.clear();
        match (&join.day, &days) {
            (Day::Constant(day), _) => part.push_str(day),
            (Day::Source(_), Some(days)) => day_of(days, row, &mut part),
            (Day::Source(_), None) => {}
        }
        let day = part.trim();
        if day.is_empty() {
            builder.append_null();
            continue;
        }
        let offset = match split_day(day) {
            Some((date, clock, offset)) if is_midnight(clock) => {
                line.push_str(date);
                offset
            }
            _ => {
                line.push_str(day);
                ""
            }
        };
        let offset_from = line.len();
        line.push_str(offset);
        let offset: String = if offset.is_empty() { String::new() } else { line.split_off(offset_from) };
        line.push(' ');
        let before = line.len();
        clock_of(&clocks, join.form, row, &mut line);
        if let Some(minutes) = &minutes {
            minutes_of(minutes, row, before, &mut line);
        }
        if line.trim_end().len() < before {
            // A day without its time is no midnight.
            line.push_str("(no time of day)");
        }
        line.push_str(&offset);
        builder.append_value(&line);
    }
    Arc::new(builder.finish())
}

/// Writes the day of a row as text, or nothing.
fn day_of(array: &ArrayRef, row: usize, out: &mut String) {
    if array.is_null(row) {
        return;
    }
    if let Some(days) = array.as_primitive_opt::<Date32Type>() {
        return calendar::write_day(days.value(row).into(), out);
    }
    if let Some(time) = nanos(array, row) {
        write_day(time, out);
        if time.rem_euclid(DAY) != 0 {
            out.push('T');
            calendar::write_clock(time.rem_euclid(DAY), 1_000_000_000, out);
        }
        return;
    }
    text_of(array, row, out);
    let text = out.trim();
    let text = text.strip_suffix(".0").unwrap_or(text);
    if text.len() > 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        // An epoch that is a midnight of UTC stands for its day.
        if let Ok(time) = TimeReader::default().text(text)
            && time.rem_euclid(DAY) == 0
        {
            out.clear();
            write_day(time, out);
        }
    } else if text.len() < out.len() {
        *out = text.to_owned();
    }
}

fn write_day(nanos: i64, out: &mut String) {
    calendar::write_day(nanos.div_euclid(DAY), out);
}

/// Writes the time of day of a row, or nothing.
fn clock_of(array: &ArrayRef, form: Clock, row: usize, out: &mut String) {
    if array.is_null(row) {
        return;
    }
    if form == Clock::Typed {
        if let Some(nanos) = time_of_day(array, row) {
            calendar::write_clock(nanos, 1_000_000_000, out);
        }
        return;
    }
    let from = out.len();
    text_of(array, row, out);
    let text = out[from..].trim();
    let text = text.strip_suffix(".0").unwrap_or(text);
    if form == Clock::Text {
        return;
    }
    // What is no such number stays as it is, for the reader to refuse.
    if text.bytes().all(|b| b.is_ascii_digit())
        && let Some((hours, minutes, nanos)) = text.parse().ok().and_then(|number| fields(number, form))
    {
        out.truncate(from);
        // Writing into a text does not fail.
        let _ = write!(out, "{hours:02}:{minutes:02}:{:02}", nanos / 1_000_000_000);
        if nanos % 1_000_000_000 != 0 {
            let _ = write!(out, ".{:09}", nanos % 1_000_000_000);
        }
    } else if let Some(nanos) = fraction::since_midnight(text).filter(|_| form == Clock::SinceMidnight) {
        out.truncate(from);
        calendar::write_clock(nanos, 1_000_000_000, out);
    } else if !text.is_empty() {
        out.push_str(" is not a time of day");
    }
}

/// Writes the minutes of a row into the full hour at the end of a line, which begins there.
fn minutes_of(array: &ArrayRef, row: usize, from: usize, out: &mut String) {
    let Some(hour) = out.get(from..).and_then(|clock| clock.strip_suffix(":00:00")).map(str::len) else {
        return;
    };
    let mut text = String::new();
    text_of(array, row, &mut text);
    let text = text.trim();
    out.truncate(from + hour);
    // Writing into a text does not fail.
    let _ = match text.strip_suffix(".0").unwrap_or(text).parse::<u8>() {
        Ok(minute) if minute < 60 => write!(out, ":{minute:02}:00"),
        _ => write!(out, " and {text:?} are not a time of day"),
    };
}

/// A day with a time behind it: the day, the time, and an offset from UTC.
fn split_day(text: &str) -> Option<(&str, &str, &str)> {
    let at = text.find([' ', 'T']).filter(|at| *at >= 6)?;
    let (date, rest) = (text.get(..at)?, text.get(at + 1..)?);
    let end = rest.find(['+', '-', 'Z', 'z']).unwrap_or(rest.len());
    Some((date, rest.get(..end)?.trim(), rest.get(end..)?))
}

fn is_midnight(clock: &str) -> bool {
    let clock = clock.trim_end_matches(['Z', 'z']).trim();
    clock.starts_with('0') && clock.contains(':') && clock.bytes().all(|b| matches!(b, b'0' | b':' | b'.'))
        || clock.starts_with("12:00") && clock.to_ascii_lowercase().ends_with("am") && {
            clock[5..].bytes().all(|b| matches!(b, b'0' | b':' | b'.' | b' ' | b'a' | b'A' | b'm' | b'M'))
        }
}

/// Nanoseconds since midnight of a type of times of day.
fn time_of_day(array: &ArrayRef, row: usize) -> Option<i64> {
    match Values::of(array)? {
        Values::Clock(times) => times.is_valid(row).then(|| times.value(row)),
        _ => None,
    }
}

/// Nanoseconds since 1970 of a type of times.
fn nanos(array: &ArrayRef, row: usize) -> Option<i64> {
    match Values::of(array)? {
        Values::Instant(times) => times.is_valid(row).then(|| times.value(row)),
        Values::Far(times) => times.is_valid(row).then(|| times.value(row).saturating_mul(1_000)),
        _ => None,
    }
}

/// Writes a text or a number; whether there is one.
fn text_of(array: &ArrayRef, row: usize, out: &mut String) -> bool {
    if array.is_null(row) {
        return false;
    }
    if let Some(texts) = Texts::of(array) {
        return texts.get(row).map(|text| out.push_str(text)).is_some();
    }
    if let Some(number) = Numbers::of(array).and_then(|numbers| numbers.get(row)) {
        number.write(out);
        return true;
    }
    false
}

/// The column in one of the types that are read here.
fn plain_type(array: &ArrayRef) -> ArrayRef {
    match normalised(array) {
        Ok(Some(plain)) => plain,
        Ok(None) | Err(_) => array.clone(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Date32Array, Float64Array, Int32Array, Int64Array, StringArray, Time64MicrosecondArray,
        TimestampNanosecondArray,
    };

    use super::*;

    fn texts(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    fn seen(name: &str, values: &[&str]) -> Look {
        look(&texts(values), name, &NullTokens::default())
    }

    #[test]
    fn what_columns_hold() {
        assert_eq!(seen("date", &["2011.12.08", "2011.12.09"]), Look::Days);
        assert_eq!(seen("date", &["20180730", "20180730"]), Look::Days);
        assert_eq!(seen("date", &["1/2/2024", "3/4/2024"]), Look::Days);
        assert_eq!(seen("date", &["2024-01-02 00:00:00", "2024-01-03 00:00:00"]), Look::Midnights);
        assert_eq!(seen("date", &["2024-01-02T00:00:00-05:00"]), Look::Midnights);
        assert_eq!(seen("date", &["2024-01-02 00:00:00", "2024-01-02 01:00:00"]), Look::Instants);
        assert_eq!(seen("date", &["1704153660", "1704153600"]), Look::Instants);
        assert_eq!(seen("time", &["18:49", "18:50"]), Look::Clocks(Clock::Text, false));
        assert_eq!(seen("time", &["00:00:00", "", "00:00:00"]), Look::Clocks(Clock::Text, true));
        assert_eq!(seen("label", &["09:30 AM", "09:31 AM"]), Look::Clocks(Clock::Text, false));
        assert_eq!(seen("time", &["093000", "093100"]), Look::Clocks(Clock::Seconds, false));
        assert_eq!(seen("time", &["93000", "100000"]), Look::Clocks(Clock::Seconds, false));
        assert_eq!(seen("time", &["930", "1600"]), Look::Clocks(Clock::Minutes, false));
        assert_eq!(seen("msofday", &["34200000", "0"]), Look::Clocks(Clock::SinceMidnight, false));
        assert_eq!(seen("msofday", &["14400009.367", "14400010"]), Look::Clocks(Clock::SinceMidnight, false));
        assert_eq!(seen("time", &["093000000", "160000000"]), Look::Clocks(Clock::Milliseconds, false));
        // Years, and minutes of the hour, are no times of day.
        assert_eq!(seen("date", &["2023", "2024"]), Look::Unknown);
        assert_eq!(seen("minute", &["1", "59"]), Look::Minutes);
        assert_eq!(seen("minute", &["570", "960"]), Look::Clocks(Clock::MinutesOfDay, false));
        assert_eq!(seen("minute", &["0930", "0931"]), Look::Clocks(Clock::Minutes, false));
        assert_eq!(seen("minute", &["600", "601"]), Look::Part);
        assert_eq!(seen("minute", &["", ""]), Look::Unknown);
        assert_eq!(seen("hour", &["0", "23"]), Look::Clocks(Clock::Hours, false));
        assert_eq!(seen("hour", &["1", "24"]), Look::Part);
        assert_eq!(seen("hour", &["9:00", "10:00"]), Look::Clocks(Clock::Text, false));
        assert_eq!(seen("time", &["34200", "34260"]), Look::Clocks(Clock::SecondsOfDay, false));
        assert_eq!(seen("time", &["", ""]), Look::Unknown);
    }

    fn joined(day: ArrayRef, clock: ArrayRef, form: Clock) -> Vec<Option<String>> {
        let rows = day.len();
        let made = join(&Join { day: Day::Source(0), clock: 1, form, minutes: None }, &[day, clock], rows);
        made.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn a_day_and_a_time_of_day_make_a_time() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            joined(texts(&["2011.12.08", "", "2011.12.08"]), texts(&["18:49", "18:50", ""]), Clock::Text),
            [text("2011.12.08 18:49"), None, text("2011.12.08 (no time of day)")]
        );
        let days: ArrayRef = Arc::new(Date32Array::from(vec![19_724, 19_724]));
        let clocks: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![34_200_000_000, 34_260_500_000]));
        assert_eq!(
            joined(days, clocks, Clock::Typed),
            [text("2024-01-02 09:30:00"), text("2024-01-02 09:31:00.500")]
        );
        let days: ArrayRef = Arc::new(Int32Array::from(vec![20_240_102, 20_240_102]));
        let clocks: ArrayRef = Arc::new(Int64Array::from(vec![34_200_000, 34_200_001]));
        assert_eq!(
            joined(days, clocks, Clock::SinceMidnight),
            [text("20240102 09:30:00"), text("20240102 09:30:00.001000000")]
        );
        assert_eq!(
            joined(
                texts(&["20131008", "20131008"]),
                texts(&["14400009.367", "34200000"]),
                Clock::SinceMidnight
            ),
            [text("20131008 04:00:00.009367"), text("20131008 09:30:00")]
        );
        let days: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_704_153_600_000_000_000]));
        let clocks: ArrayRef = Arc::new(Float64Array::from(vec![93_000.0]));
        assert_eq!(joined(days, clocks, Clock::Seconds), [text("2024-01-02 09:30:00")]);
        let days = texts(&["2024-01-02T00:00:00-05:00", "1704153600"]);
        assert_eq!(
            joined(days, texts(&["09:30", "x"]), Clock::Text),
            [text("2024-01-02 09:30-05:00"), text("2024-01-02 x")]
        );
    }
}
