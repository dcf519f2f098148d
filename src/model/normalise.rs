//! Columns of every type that Arrow has, as columns of the closed set that [`Values`](super::values::Values)
//! names. Every type is listed; one that comes new does not compile until somebody has said what it becomes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, StringBuilder, UInt64Array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::*;
use arrow::error::ArrowError;

use crate::model::decimal::Decimal;
use crate::model::numbers::NumberBuilder;
use crate::model::value;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Nanoseconds of a day.
const DAY_NANOS: i64 = DAY * 1_000_000;

/// The column in a type of the closed set, with the same values; `None` where it is in one. Numbers, times
/// and spans that their type there cannot hold are text, as are columns with parts.
///
/// # Errors
/// Where codes point outside of their values, and where texts are too many for one column.
pub fn normalised(array: &ArrayRef) -> Result<Option<ArrayRef>, ArrowError> {
    let made = match array.data_type() {
        DataType::Null
        | DataType::Boolean
        | DataType::Int64
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Timestamp(TimeUnit::Nanosecond | TimeUnit::Microsecond, _)
        | DataType::Interval(IntervalUnit::MonthDayNano)
        | DataType::Binary
        | DataType::Utf8 => return Ok(None),
        // Texts in codes go on as they are.
        DataType::Dictionary(key, texts) if **key == DataType::Int32 && **texts == DataType::Utf8 => {
            return Ok(None);
        }
        DataType::Dictionary(..) => {
            let coded = array.as_any_dictionary();
            of_parts(take(coded.values(), coded.keys(), None)?)?
        }
        DataType::RunEndEncoded(ends, _) => of_parts(match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(array)?,
            DataType::Int64 => runs::<Int64Type>(array)?,
            _ => runs::<Int32Type>(array)?,
        })?,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => cast(array, &DataType::Int64)?,
        DataType::Float16 => cast(array, &DataType::Float32)?,
        DataType::Decimal32(_, scale) => {
            numbers(array.as_primitive::<Decimal32Type>(), |value| small(value.into(), *scale))
        }
        DataType::Decimal64(_, scale) => {
            numbers(array.as_primitive::<Decimal64Type>(), |value| small(value.into(), *scale))
        }
        DataType::Decimal128(_, 0..) => return Ok(None),
        DataType::Decimal128(_, scale) => {
            numbers(array.as_primitive::<Decimal128Type>(), |value| small(value, *scale))
        }
        DataType::Decimal256(_, scale) => {
            numbers(array.as_primitive::<Decimal256Type>(), |value| Decimal::from_i256(value, *scale))
        }
        DataType::Timestamp(TimeUnit::Second, zone) => {
            micros(array.as_primitive::<TimestampSecondType>(), 1_000_000, zone.clone())
                .map_or_else(|| texts(array), Ok)?
        }
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            micros(array.as_primitive::<TimestampMillisecondType>(), 1_000, zone.clone())
                .map_or_else(|| texts(array), Ok)?
        }
        DataType::Date64 => {
            let millis = array.as_primitive::<Date64Type>();
            let days = mapped::<_, Date32Type>(millis, |value| {
                let day = i32::try_from(value / DAY).ok().filter(|_| value % DAY == 0)?;
                // The first and the last day are infinite.
                (i32::MIN < day && day < i32::MAX).then_some(day)
            });
            let made = days.map(|days| Arc::new(days) as ArrayRef).or_else(|| micros(millis, 1_000, None));
            made.map_or_else(|| texts(array), Ok)?
        }
        DataType::Time32(TimeUnit::Second) => {
            clocks(array, array.as_primitive::<Time32SecondType>(), 1_000_000_000)?
        }
        DataType::Time32(_) => clocks(array, array.as_primitive::<Time32MillisecondType>(), 1_000_000)?,
        DataType::Time64(TimeUnit::Microsecond) => {
            clocks(array, array.as_primitive::<Time64MicrosecondType>(), 1_000)?
        }
        DataType::Time64(_) => {
            let times = array.as_primitive::<Time64NanosecondType>();
            if times.iter().flatten().all(|nanos| (0..DAY_NANOS).contains(&nanos)) {
                return Ok(None);
            }
            texts(array)?
        }
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => spans(array, array.as_primitive::<DurationSecondType>(), 1_000_000_000)?,
            TimeUnit::Millisecond => {
                spans(array, array.as_primitive::<DurationMillisecondType>(), 1_000_000)?
            }
            TimeUnit::Microsecond => spans(array, array.as_primitive::<DurationMicrosecondType>(), 1_000)?,
            TimeUnit::Nanosecond => spans(array, array.as_primitive::<DurationNanosecondType>(), 1)?,
        },
        DataType::Interval(IntervalUnit::YearMonth) => {
            let months = array.as_primitive::<IntervalYearMonthType>();
            Arc::new(
                months.unary::<_, IntervalMonthDayNanoType>(|months| IntervalMonthDayNano::new(months, 0, 0)),
            )
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            let spans = array.as_primitive::<IntervalDayTimeType>();
            Arc::new(spans.unary::<_, IntervalMonthDayNanoType>(|span| {
                IntervalMonthDayNano::new(0, span.days, i64::from(span.milliseconds) * 1_000_000)
            }))
        }
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            cast(array, &DataType::Binary)?
        }
        DataType::LargeUtf8 | DataType::Utf8View => cast(array, &DataType::Utf8)?,
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..)
        | DataType::Union(..) => texts(array)?,
    };
    Ok(Some(made))
}

fn of_parts(values: ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(normalised(&values)?.unwrap_or(values))
}

fn runs<R: RunEndIndexType>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let Some(runs) = array.as_run_opt::<R>() else { return Ok(array.clone()) };
    let places: UInt64Array = (0..runs.len()).map(|row| Some(runs.get_physical_index(row) as u64)).collect();
    take(runs.values(), &places, None)
}

fn small(mantissa: i128, scale: i8) -> Decimal {
    let number = Decimal::Small { mantissa, scale: scale.into() };
    if scale < 0 { number.normalised() } else { number }
}

fn numbers<T: ArrowPrimitiveType>(
    source: &PrimitiveArray<T>,
    number: impl Fn(T::Native) -> Decimal,
) -> ArrayRef {
    let mut builder = NumberBuilder::with_capacity(source.len());
    for value in source {
        match value {
            Some(value) => builder.push(number(value)),
            None => builder.push_null(),
        }
    }
    builder.finish()
}

/// The column with each value made another one; `None` where one has none.
fn mapped<T, O>(
    source: &PrimitiveArray<T>,
    value: impl Fn(T::Native) -> Option<O::Native>,
) -> Option<PrimitiveArray<O>>
where
    T: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
{
    let value = |row: usize| match source.is_valid(row) {
        true => value(source.value(row)),
        false => Some(O::Native::default()),
    };
    let values: Option<Vec<O::Native>> = (0..source.len()).map(value).collect();
    Some(PrimitiveArray::new(values?.into(), source.nulls().cloned()))
}

/// Times in microseconds; the first and the last of 64 bits are infinite.
fn micros<T>(source: &PrimitiveArray<T>, factor: i64, zone: Option<Arc<str>>) -> Option<ArrayRef>
where
    T: ArrowPrimitiveType<Native = i64>,
{
    let finite = |micros: &i64| !matches!(*micros, i64::MIN | i64::MAX);
    let made: PrimitiveArray<TimestampMicrosecondType> =
        mapped(source, |ticks| ticks.checked_mul(factor).filter(finite))?;
    Some(Arc::new(made.with_timezone_opt(zone)))
}

/// Times of day in nanoseconds; text where some are none.
fn clocks<T>(array: &ArrayRef, source: &PrimitiveArray<T>, factor: i64) -> Result<ArrayRef, ArrowError>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    let of_day = |nanos: &i64| (0..DAY_NANOS).contains(nanos);
    match mapped::<T, Time64NanosecondType>(source, |ticks| ticks.into().checked_mul(factor).filter(of_day)) {
        Some(made) => Ok(Arc::new(made)),
        None => texts(array),
    }
}

/// Spans of time; text where some are too long for nanoseconds.
fn spans<T>(array: &ArrayRef, source: &PrimitiveArray<T>, factor: i64) -> Result<ArrayRef, ArrowError>
where
    T: ArrowPrimitiveType<Native = i64>,
{
    let span = |ticks: i64| Some(IntervalMonthDayNano::new(0, 0, ticks.checked_mul(factor)?));
    match mapped::<T, IntervalMonthDayNanoType>(source, span) {
        Some(made) => Ok(Arc::new(made)),
        None => texts(array),
    }
}

/// The values as the text that a dead letter has of them.
fn texts(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let (mut text, mut bytes) = (String::new(), 0usize);
    let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 16);
    for row in 0..array.len() {
        text.clear();
        match value::write(array, row, &mut text) {
            value::Written::Null => builder.append_null(),
            _ => builder.append_value(&text),
        }
        bytes += text.len();
        if i32::try_from(bytes).is_err() {
            return Err(ArrowError::OffsetOverflowError(bytes));
        }
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, DictionaryArray, Int8Array, RunArray, StringArray};

    use super::*;

    fn texts(array: ArrayRef) -> Vec<String> {
        let plain = normalised(&array).unwrap().unwrap();
        assert!(normalised(&plain).unwrap().is_none());
        let text = |row| value::text(&plain, row);
        let own = (0..array.len()).map(|row| value::text(&array, row)).collect::<Vec<_>>();
        let plain: Vec<String> = (0..plain.len()).map(text).collect();
        assert_eq!(plain, own);
        plain
    }

    #[test]
    fn what_holds_other_types_is_taken_out_of_them() {
        let days: ArrayRef = Arc::new(arrow::array::Date32Array::from(vec![19_724, 0]));
        let keys = Int8Array::from(vec![Some(1), Some(0), None]);
        let coded = DictionaryArray::try_new(keys, days).unwrap();
        assert_eq!(texts(Arc::new(coded)), ["1970-01-01", "2024-01-02", ""]);
        let ends = arrow::array::Int16Array::from(vec![2, 3]);
        let runs = RunArray::try_new(&ends, &StringArray::from(vec!["a", "b"])).unwrap();
        assert_eq!(texts(Arc::new(runs)), ["a", "a", "b"]);
        let halves: ArrayRef = Arc::new(
            [Some(1.5f32), None]
                .into_iter()
                .map(|value| value.map(half_of))
                .collect::<arrow::array::Float16Array>(),
        );
        assert_eq!(texts(halves), ["1.5", ""]);
        let small = arrow::array::Decimal32Array::from(vec![1250]).with_precision_and_scale(9, 3).unwrap();
        assert_eq!(texts(Arc::new(small)), ["1.25"]);
        let tens = Decimal128Array::from(vec![-12]).with_precision_and_scale(38, -3).unwrap();
        assert_eq!(texts(Arc::new(tens)), ["-12000"]);
    }

    fn half_of(value: f32) -> <Float16Type as ArrowPrimitiveType>::Native {
        <Float16Type as ArrowPrimitiveType>::Native::from_f32(value)
    }
}
