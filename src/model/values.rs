//! The types in which values travel from a decoder to a store: a closed set, so that whatever is done with
//! rows is done for each of them, or does not compile. [`normalised`](super::normalise::normalised) brings
//! columns of all other types into it.

use std::cmp::Ordering;

use arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, Date32Array, IntervalMonthDayNanoArray, LargeStringArray,
    PrimitiveArray, StringArray, Time64NanosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, IntervalUnit, TimeUnit,
    UInt64Type,
};

use crate::model::decimal::Decimal;

/// A column of rows, read without copying.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Nothing but nulls.
    Null,
    /// Truth values.
    Bool(&'a BooleanArray),
    /// Numbers.
    Number(Numbers<'a>),
    /// Instants in nanoseconds since 1970.
    Instant(&'a TimestampNanosecondArray),
    /// Instants in microseconds since 1970, where some are beyond nanoseconds or infinite.
    Far(&'a TimestampMicrosecondArray),
    /// Days since 1970; the first and the last of 32 bits are infinite.
    Day(&'a Date32Array),
    /// Nanoseconds since midnight.
    Clock(&'a Time64NanosecondArray),
    /// Spans of time.
    Span(&'a IntervalMonthDayNanoArray),
    /// Bytes.
    Bytes(&'a BinaryArray),
    /// Text.
    Text(&'a StringArray),
    /// Text with few distinct values: the number of each row's, and the values.
    Coded(&'a PrimitiveArray<Int32Type>, &'a StringArray),
}

/// A column of numbers.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// Whole numbers.
    Int(&'a PrimitiveArray<Int64Type>),
    /// Whole numbers of 64 bits without a sign.
    Unsigned(&'a PrimitiveArray<UInt64Type>),
    /// Doubles.
    Double(&'a PrimitiveArray<Float64Type>),
    /// Floats of single precision.
    Single(&'a PrimitiveArray<Float32Type>),
    /// Decimals and their scale.
    Decimal(&'a PrimitiveArray<Decimal128Type>, i8),
    /// Numbers of any length as text, as [`NumberBuilder`](super::numbers::NumberBuilder) makes them.
    Digits(&'a LargeStringArray),
}

impl<'a> Values<'a> {
    /// The values of a column; `None` for a type in which no values travel.
    pub fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean_opt()?),
            DataType::Int64 => Self::Number(Numbers::Int(array.as_primitive_opt()?)),
            DataType::UInt64 => Self::Number(Numbers::Unsigned(array.as_primitive_opt()?)),
            DataType::Float64 => Self::Number(Numbers::Double(array.as_primitive_opt()?)),
            DataType::Float32 => Self::Number(Numbers::Single(array.as_primitive_opt()?)),
            DataType::Decimal128(_, scale) => {
                Self::Number(Numbers::Decimal(array.as_primitive_opt()?, *scale))
            }
            DataType::LargeUtf8 => Self::Number(Numbers::Digits(array.as_string_opt()?)),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Self::Instant(array.as_primitive_opt()?),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Far(array.as_primitive_opt()?),
            DataType::Date32 => Self::Day(array.as_primitive_opt()?),
            DataType::Time64(TimeUnit::Nanosecond) => Self::Clock(array.as_primitive_opt()?),
            DataType::Interval(IntervalUnit::MonthDayNano) => Self::Span(array.as_primitive_opt()?),
            DataType::Binary => Self::Bytes(array.as_binary_opt()?),
            DataType::Utf8 => Self::Text(array.as_string_opt()?),
            DataType::Dictionary(..) => {
                let coded = array.as_dictionary_opt::<Int32Type>()?;
                Self::Coded(coded.keys(), coded.values().as_string_opt()?)
            }
            _ => return None,
        })
    }

    /// What they are, for people.
    pub fn called(&self) -> &'static str {
        match self {
            Self::Null => "nothing but nulls",
            Self::Bool(_) => "truth values",
            Self::Number(_) => "numbers",
            Self::Instant(_) | Self::Far(_) => "times",
            Self::Day(_) => "days",
            Self::Clock(_) => "times of day",
            Self::Span(_) => "spans of time",
            Self::Bytes(_) => "binary data",
            Self::Text(_) | Self::Coded(..) => "text",
        }
    }

    /// Which rows have a value; `None` where all have one, or none has.
    pub fn nulls(&self) -> Option<&'a NullBuffer> {
        match *self {
            Self::Null => None,
            Self::Bool(values) => values.nulls(),
            Self::Number(numbers) => numbers.nulls(),
            Self::Instant(times) => times.nulls(),
            Self::Far(times) => times.nulls(),
            Self::Day(days) => days.nulls(),
            Self::Clock(times) => times.nulls(),
            Self::Span(spans) => spans.nulls(),
            Self::Bytes(bytes) => bytes.nulls(),
            Self::Text(texts) => texts.nulls(),
            Self::Coded(keys, _) => keys.nulls(),
        }
    }

    /// Whether any row has no value.
    pub fn has_nulls(&self) -> bool {
        matches!(self, Self::Null) || self.nulls().is_some_and(|nulls| nulls.null_count() > 0)
    }

    /// Whether the row has no value.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        matches!(self, Self::Null) || self.nulls().is_some_and(|nulls| nulls.is_null(row))
    }
}

/// Bytes of the longest text or number of a column, where they may be of any length; else none.
pub fn longest_text(values: &Values<'_>) -> usize {
    let of = |texts: &StringArray| {
        let offsets = texts.value_offsets().windows(2);
        let longest = offsets.map(|ends| ends[1] - ends[0]).max().unwrap_or(0);
        usize::try_from(longest).unwrap_or(0)
    };
    match values {
        Values::Text(texts) | Values::Coded(_, texts) => of(texts),
        Values::Number(Numbers::Digits(digits)) => {
            let longest = digits.value_offsets().windows(2).map(|ends| ends[1] - ends[0]).max().unwrap_or(0);
            usize::try_from(longest).unwrap_or(0)
        }
        Values::Null
        | Values::Bool(_)
        | Values::Number(_)
        | Values::Instant(_)
        | Values::Far(_)
        | Values::Day(_)
        | Values::Clock(_)
        | Values::Span(_)
        | Values::Bytes(_) => 0,
    }
}

/// Whether values of that type are text.
pub fn is_text(type_: &DataType) -> bool {
    match type_ {
        DataType::Utf8 => true,
        DataType::Dictionary(_, values) => **values == DataType::Utf8,
        _ => false,
    }
}

impl<'a> Numbers<'a> {
    /// The numbers of a column; `None` where it holds none.
    pub fn of(array: &'a dyn Array) -> Option<Self> {
        match Values::of(array)? {
            Values::Number(numbers) => Some(numbers),
            Values::Null
            | Values::Bool(_)
            | Values::Instant(_)
            | Values::Far(_)
            | Values::Day(_)
            | Values::Clock(_)
            | Values::Span(_)
            | Values::Bytes(_)
            | Values::Text(_)
            | Values::Coded(..) => None,
        }
    }

    /// Which rows have a number; `None` where all have.
    pub fn nulls(&self) -> Option<&'a NullBuffer> {
        match *self {
            Self::Int(array) => array.nulls(),
            Self::Unsigned(array) => array.nulls(),
            Self::Double(array) => array.nulls(),
            Self::Single(array) => array.nulls(),
            Self::Decimal(array, _) => array.nulls(),
            Self::Digits(array) => array.nulls(),
        }
    }

    fn is_valid(&self, row: usize) -> bool {
        self.nulls().is_none_or(|nulls| nulls.is_valid(row))
    }

    /// The number in `row`; `None` where it is null, NaN or infinite.
    pub fn get(&self, row: usize) -> Option<Decimal> {
        if !self.is_valid(row) {
            return None;
        }
        match self {
            Self::Int(array) => Some(array.value(row).into()),
            Self::Unsigned(array) => Some(Decimal::Small { mantissa: array.value(row).into(), scale: 0 }),
            Self::Double(array) => Decimal::from_f64(array.value(row)),
            Self::Single(array) => Decimal::from_f32(array.value(row)),
            Self::Decimal(array, scale) => {
                Some(Decimal::Small { mantissa: array.value(row), scale: (*scale).into() })
            }
            Self::Digits(array) => Decimal::parse(array.value(row).as_bytes()).ok(),
        }
    }

    /// The number as a float of single precision, where floats are what the column holds and it is one.
    pub fn single(&self, row: usize) -> Option<f32> {
        match self {
            Self::Single(array) => Some(array.value(row)).filter(|value| value.is_finite()),
            // The sign of a zero is in no decimal.
            Self::Double(array) if array.value(row) == 0.0 => Some(0f32.copysign(array.value(row) as f32)),
            Self::Double(_) | Self::Int(_) | Self::Unsigned(_) | Self::Decimal(..) | Self::Digits(_) => None,
        }
    }

    /// The number as a double where that is what the column holds.
    pub fn double(&self, row: usize) -> Option<f64> {
        match self {
            Self::Double(array) => Some(array.value(row)).filter(|value| value.is_finite()),
            Self::Single(array) if array.value(row) == 0.0 => Some(array.value(row).into()),
            Self::Single(_) | Self::Int(_) | Self::Unsigned(_) | Self::Decimal(..) | Self::Digits(_) => None,
        }
    }

    /// Whether the number is below zero.
    pub fn is_negative(&self, row: usize) -> bool {
        self.is_valid(row)
            && match self {
                Self::Int(array) => array.value(row) < 0,
                Self::Unsigned(_) => false,
                Self::Double(array) => array.value(row) < 0.0,
                Self::Single(array) => array.value(row) < 0.0,
                Self::Decimal(array, _) => array.value(row) < 0,
                Self::Digits(array) => array.value(row).starts_with('-'),
            }
    }

    /// Whether a number below zero is among them, asked of all at once; a column without any may say yes where it
    /// would take a look at each.
    pub fn may_be_negative(&self) -> bool {
        match self {
            Self::Int(array) => array.values().iter().fold(false, |any, value| any | (*value < 0)),
            Self::Unsigned(_) => false,
            Self::Double(array) => array.values().iter().fold(false, |any, value| any | (*value < 0.0)),
            Self::Single(array) => array.values().iter().fold(false, |any, value| any | (*value < 0.0)),
            Self::Decimal(array, _) => array.values().iter().fold(0, |any, value| any | *value) < 0,
            Self::Digits(_) => true,
        }
    }

    /// Whether some row may compare so with that of another column, asked of all at once; `true` where that takes a
    /// look at each.
    pub fn may_be(&self, wanted: Ordering, other: &Self) -> bool {
        fn any<T: PartialOrd>(a: &[T], b: &[T], wanted: Ordering) -> bool {
            let pairs = a.iter().zip(b);
            match wanted {
                Ordering::Less => pairs.fold(false, |any, (a, b)| any | (a < b)),
                Ordering::Greater => pairs.fold(false, |any, (a, b)| any | (a > b)),
                Ordering::Equal => true,
            }
        }
        match (self, other) {
            (Self::Decimal(a, s), Self::Decimal(b, t)) if s == t => any(a.values(), b.values(), wanted),
            (Self::Double(a), Self::Double(b)) => any(a.values(), b.values(), wanted),
            (Self::Int(a), Self::Int(b)) => any(a.values(), b.values(), wanted),
            _ => true,
        }
    }

    /// Compares two rows' numbers; `None` where one is missing.
    pub fn compare(&self, other: &Self, row: usize) -> Option<Ordering> {
        match (self, other) {
            (Self::Decimal(a, s), Self::Decimal(b, t)) if s == t => {
                (self.is_valid(row) && other.is_valid(row)).then(|| a.value(row).cmp(&b.value(row)))
            }
            (Self::Double(a), Self::Double(b)) => (self.is_valid(row) && other.is_valid(row))
                .then(|| a.value(row).partial_cmp(&b.value(row)))
                .flatten(),
            _ => Some(self.get(row)?.cmp(&other.get(row)?)),
        }
    }
}
