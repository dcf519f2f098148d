//! One value of any Arrow type as text: what a text column stores of it, and what a dead letter says.
//!
//! Every type that Arrow has is written; a type that comes new does not compile until somebody has said
//! how. Nothing becomes null here but what is null.

use std::fmt::Write as _;

use arrow::array::AsArray;
use arrow::array::{Array, ArrowPrimitiveType};
use arrow::datatypes::*;
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

use crate::model::calendar;
use crate::model::decimal::Decimal;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Nothing: the value is null.
    Null,
    /// A number or a truth value, as JSON has it too.
    Word,
    /// Text, which JSON has in quotes.
    Text,
    /// JSON: a list or an object.
    Json,
}

/// Appends the value as text without quotes. Times have all their digits, and a `Z` where their column
/// is in UTC; bytes are `\x` and hexadecimal digits.
pub fn write(array: &dyn Array, row: usize, out: &mut String) -> Written {
    if array.is_null(row) {
        return Written::Null;
    }
    // Writing into a text cannot fail.
    match array.data_type() {
        DataType::Null => return Written::Null,
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Int8 => whole::<Int8Type>(array, row, out),
        DataType::Int16 => whole::<Int16Type>(array, row, out),
        DataType::Int32 => whole::<Int32Type>(array, row, out),
        DataType::Int64 => whole::<Int64Type>(array, row, out),
        DataType::UInt8 => whole::<UInt8Type>(array, row, out),
        DataType::UInt16 => whole::<UInt16Type>(array, row, out),
        DataType::UInt32 => whole::<UInt32Type>(array, row, out),
        DataType::UInt64 => whole::<UInt64Type>(array, row, out),
        DataType::Float16 => return single(of::<Float16Type>(array, row).to_f32(), out),
        DataType::Float32 => return single(of::<Float32Type>(array, row), out),
        DataType::Float64 => return double(of::<Float64Type>(array, row), out),
        DataType::Decimal32(_, scale) => decimal(of::<Decimal32Type>(array, row).into(), *scale, out),
        DataType::Decimal64(_, scale) => decimal(of::<Decimal64Type>(array, row).into(), *scale, out),
        DataType::Decimal128(_, scale) => decimal(of::<Decimal128Type>(array, row), *scale, out),
        DataType::Decimal256(_, scale) => {
            Decimal::from_i256(of::<Decimal256Type>(array, row), *scale).write_plain(out);
        }
        DataType::Timestamp(unit, zone) => {
            let ticks = match unit {
                TimeUnit::Second => of::<TimestampSecondType>(array, row),
                TimeUnit::Millisecond => of::<TimestampMillisecondType>(array, row),
                TimeUnit::Microsecond => of::<TimestampMicrosecondType>(array, row),
                TimeUnit::Nanosecond => of::<TimestampNanosecondType>(array, row),
            };
            // So a time that never comes travels.
            if *unit == TimeUnit::Microsecond && matches!(ticks, i64::MIN | i64::MAX) {
                out.push_str(if ticks < 0 { "-infinity" } else { "infinity" });
                return Written::Text;
            }
            calendar::write_instant(ticks, in_second(*unit), zone.is_some(), out);
            return Written::Text;
        }
        DataType::Date32 => {
            match of::<Date32Type>(array, row) {
                i32::MIN => out.push_str("-infinity"),
                i32::MAX => out.push_str("infinity"),
                day => calendar::write_day(day.into(), out),
            }
            return Written::Text;
        }
        DataType::Date64 => {
            let millis = of::<Date64Type>(array, row);
            match millis.rem_euclid(DAY_MILLIS) {
                0 => calendar::write_day(millis.div_euclid(DAY_MILLIS), out),
                _ => calendar::write_instant(millis, 1_000, false, out),
            }
            return Written::Text;
        }
        DataType::Time32(TimeUnit::Second) => {
            return clock(of::<Time32SecondType>(array, row).into(), 1, out);
        }
        DataType::Time32(_) => return clock(of::<Time32MillisecondType>(array, row).into(), 1_000, out),
        DataType::Time64(TimeUnit::Microsecond) => {
            return clock(of::<Time64MicrosecondType>(array, row), 1_000_000, out);
        }
        DataType::Time64(_) => return clock(of::<Time64NanosecondType>(array, row), 1_000_000_000, out),
        DataType::Duration(unit) => {
            let ticks = match unit {
                TimeUnit::Second => of::<DurationSecondType>(array, row),
                TimeUnit::Millisecond => of::<DurationMillisecondType>(array, row),
                TimeUnit::Microsecond => of::<DurationMicrosecondType>(array, row),
                TimeUnit::Nanosecond => of::<DurationNanosecondType>(array, row),
            };
            span(0, 0, ticks, in_second(*unit), out);
            return Written::Text;
        }
        DataType::Interval(unit) => {
            match unit {
                IntervalUnit::YearMonth => span(of::<IntervalYearMonthType>(array, row), 0, 0, 1, out),
                IntervalUnit::DayTime => {
                    let value = of::<IntervalDayTimeType>(array, row);
                    span(0, value.days, value.milliseconds.into(), 1_000, out);
                }
                IntervalUnit::MonthDayNano => {
                    let value = of::<IntervalMonthDayNanoType>(array, row);
                    span(value.months, value.days, value.nanoseconds, 1_000_000_000, out);
                }
            }
            return Written::Text;
        }
        DataType::Binary => return bytes(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => return bytes(array.as_binary::<i64>().value(row), out),
        DataType::BinaryView => return bytes(array.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => return bytes(array.as_fixed_size_binary().value(row), out),
        DataType::Utf8 => return words(array.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => return words(array.as_string::<i64>().value(row), out),
        DataType::Utf8View => return words(array.as_string_view().value(row), out),
        DataType::Dictionary(key, _) => return coded(array, key, row, out),
        DataType::RunEndEncoded(ends, _) => return run(array, ends.data_type(), row, out),
        DataType::List(_) => list(&*array.as_list::<i32>().value(row), out),
        DataType::LargeList(_) => list(&*array.as_list::<i64>().value(row), out),
        DataType::ListView(_) => list(&*array.as_list_view::<i32>().value(row), out),
        DataType::LargeListView(_) => list(&*array.as_list_view::<i64>().value(row), out),
        DataType::FixedSizeList(..) => list(&*array.as_fixed_size_list().value(row), out),
        DataType::Struct(fields) => {
            let parts = array.as_struct();
            let names = fields.iter().map(|field| field.name());
            object(names.zip(parts.columns()).map(|(name, part)| (name.clone(), part.clone(), row)), out);
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (names, values) = (entries.column(0), entries.column(1));
            let named = |entry: usize| {
                let mut name = String::new();
                write(names, entry, &mut name);
                (name, values.clone(), entry)
            };
            object((0..entries.len()).map(named), out);
        }
        DataType::Union(..) => {
            let union = array.as_union();
            return write(union.child(union.type_id(row)), union.value_offset(row), out);
        }
    }
    match array.data_type() {
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..) => Written::Json,
        _ => Written::Word,
    }
}

/// Appends the value as JSON.
pub fn write_json(array: &dyn Array, row: usize, out: &mut String) {
    let start = out.len();
    match write(array, row, out) {
        Written::Null => out.push_str("null"),
        Written::Word | Written::Json => {}
        Written::Text => {
            let text = out.split_off(start);
            write_text(&text, out);
        }
    }
}

/// Appends a JSON string.
pub fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let code = c as u32;
                out.push_str("\\u00");
                out.extend([code >> 4, code & 15].map(|d| char::from_digit(d, 16).unwrap_or('0')));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

const DAY_MILLIS: i64 = 86_400_000;

fn of<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

fn in_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

fn whole<T: ArrowPrimitiveType>(array: &dyn Array, row: usize, out: &mut String)
where
    T::Native: std::fmt::Display,
{
    let _ = write!(out, "{}", of::<T>(array, row));
}

/// A double by its shortest form: without an exponent as far as
/// [`MAX_DIGITS`](crate::model::decimal::MAX_DIGITS) digits go.
fn double(value: f64, out: &mut String) -> Written {
    let sign = value.is_sign_negative();
    let exponent = || zmij::Buffer::new().format_finite(value).to_owned();
    float(Decimal::from_f64(value), sign, value.is_nan(), exponent, out)
}

fn single(value: f32, out: &mut String) -> Written {
    let sign = value.is_sign_negative();
    let exponent = || zmij::Buffer::new().format_finite(value).to_owned();
    float(Decimal::from_f32(value), sign, value.is_nan(), exponent, out)
}

fn float(
    number: Option<Decimal>,
    negative: bool,
    nan: bool,
    exponent: impl Fn() -> String,
    out: &mut String,
) -> Written {
    match number {
        Some(number) if number.is_zero() && negative => out.push_str("-0.0"),
        Some(number) if number.is_short() => number.write(out),
        Some(_) => out.push_str(&exponent()),
        None => return no_number(nan, !negative, out),
    }
    Written::Word
}

fn no_number(nan: bool, above: bool, out: &mut String) -> Written {
    out.push_str(match (nan, above) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    });
    Written::Text
}

/// A decimal in full.
fn decimal(mantissa: i128, scale: i8, out: &mut String) {
    Decimal::Small { mantissa, scale: scale.into() }.write_plain(out);
}

/// A time of day; what is none is its number.
fn clock(ticks: i64, in_second: i64, out: &mut String) -> Written {
    if !(0..=86_400 * in_second).contains(&ticks) {
        let _ = write!(out, "{ticks}");
        return Written::Word;
    }
    calendar::write_clock(ticks, in_second, out);
    Written::Text
}

/// A span of time as ISO 8601 writes it (`P1M2DT3.5S`).
fn span(months: i32, days: i32, ticks: i64, in_second: i64, out: &mut String) {
    out.push('P');
    if months != 0 {
        let _ = write!(out, "{months}M");
    }
    if days != 0 {
        let _ = write!(out, "{days}D");
    }
    if ticks != 0 || months == 0 && days == 0 {
        out.push_str(if ticks < 0 { "T-" } else { "T" });
        let (ticks, in_second) = (ticks.unsigned_abs(), in_second.unsigned_abs());
        let _ = write!(out, "{}", ticks / in_second);
        calendar::write_fraction(ticks % in_second, in_second, out);
        out.push('S');
    }
}

fn bytes(value: &[u8], out: &mut String) -> Written {
    out.push_str("\\x");
    for byte in value {
        let _ = write!(out, "{byte:02x}");
    }
    Written::Text
}

fn words(value: &str, out: &mut String) -> Written {
    out.push_str(value);
    Written::Text
}

fn coded(array: &dyn Array, key: &DataType, row: usize, out: &mut String) -> Written {
    fn place<K: ArrowDictionaryKeyType>(array: &dyn Array, row: usize) -> Option<usize> {
        let coded = array.as_dictionary::<K>();
        let key = arrow::datatypes::ArrowNativeType::to_usize(coded.keys().value(row))?;
        (key < coded.values().len()).then_some(key)
    }
    let place = match key {
        DataType::Int8 => place::<Int8Type>(array, row),
        DataType::Int16 => place::<Int16Type>(array, row),
        DataType::Int32 => place::<Int32Type>(array, row),
        DataType::Int64 => place::<Int64Type>(array, row),
        DataType::UInt8 => place::<UInt8Type>(array, row),
        DataType::UInt16 => place::<UInt16Type>(array, row),
        DataType::UInt32 => place::<UInt32Type>(array, row),
        DataType::UInt64 => place::<UInt64Type>(array, row),
        // Arrow has no other keys.
        _ => None,
    };
    match (place, array.as_any_dictionary_opt()) {
        (Some(place), Some(coded)) => write(coded.values(), place, out),
        _ => Written::Null,
    }
}

fn run(array: &dyn Array, ends: &DataType, row: usize, out: &mut String) -> Written {
    fn value<R: RunEndIndexType>(array: &dyn Array, row: usize, out: &mut String) -> Written {
        match array.as_run_opt::<R>() {
            Some(runs) => write(runs.values(), runs.get_physical_index(row), out),
            None => Written::Null,
        }
    }
    match ends {
        DataType::Int16 => value::<Int16Type>(array, row, out),
        DataType::Int64 => value::<Int64Type>(array, row, out),
        // Arrow has no others.
        _ => value::<Int32Type>(array, row, out),
    }
}

fn list(values: &dyn Array, out: &mut String) {
    out.push('[');
    for place in 0..values.len() {
        if place > 0 {
            out.push(',');
        }
        write_json(values, place, out);
    }
    out.push(']');
}

fn object(fields: impl Iterator<Item = (String, arrow::array::ArrayRef, usize)>, out: &mut String) {
    out.push('{');
    for (place, (name, value, row)) in fields.enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_text(&name, out);
        out.push(':');
        write_json(&value, row, out);
    }
    out.push('}');
}

/// The value as text; empty for null.
pub fn text(array: &dyn Array, row: usize) -> String {
    let mut out = String::new();
    write(array, row, &mut out);
    out
}
