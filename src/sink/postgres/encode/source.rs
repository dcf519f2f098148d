//! Arrow columns, read one value at a time without copying.

use arrow::array::AsArray;
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, LargeStringArray, PrimitiveArray, StringArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};

use crate::model::decimal::Decimal;

/// A column of a batch.
#[derive(Debug, Clone, Copy)]
pub(in crate::sink::postgres) enum Source<'a> {
    /// Nothing but nulls.
    Null,
    /// Instants in nanoseconds since 1970.
    Time(&'a PrimitiveArray<TimestampNanosecondType>),
    /// Instants in microseconds since 1970, where some are beyond nanoseconds or infinite.
    Far(&'a PrimitiveArray<TimestampMicrosecondType>),
    /// Days since 1970; the first and the last of 32 bits are infinite.
    Date(&'a PrimitiveArray<Date32Type>),
    /// Text.
    Text(&'a StringArray),
    /// Text with few distinct values: the number of each row's, and the values.
    Coded(&'a PrimitiveArray<Int32Type>, &'a StringArray),
    /// Truth values.
    Bool(&'a BooleanArray),
    /// Numbers.
    Number(Numbers<'a>),
}

/// A column of numbers.
#[derive(Debug, Clone, Copy)]
pub(in crate::sink::postgres) enum Numbers<'a> {
    I8(&'a PrimitiveArray<Int8Type>),
    I16(&'a PrimitiveArray<Int16Type>),
    I32(&'a PrimitiveArray<Int32Type>),
    I64(&'a PrimitiveArray<Int64Type>),
    U8(&'a PrimitiveArray<UInt8Type>),
    U16(&'a PrimitiveArray<UInt16Type>),
    U32(&'a PrimitiveArray<UInt32Type>),
    U64(&'a PrimitiveArray<UInt64Type>),
    F32(&'a PrimitiveArray<Float32Type>),
    F64(&'a PrimitiveArray<Float64Type>),
    D128(&'a PrimitiveArray<Decimal128Type>, i8),
    D256(&'a PrimitiveArray<Decimal256Type>, i8),
    /// Of any length, as text.
    Digits(&'a LargeStringArray),
}

impl<'a> Source<'a> {
    /// The column, or `None` for a type that no batch should carry.
    pub fn of(array: &'a ArrayRef) -> Option<Self> {
        fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef) -> Option<&PrimitiveArray<T>> {
            array.as_primitive_opt::<T>()
        }
        Some(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Self::Time(primitive(array)?),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Far(primitive(array)?),
            DataType::Date32 => Self::Date(primitive(array)?),
            DataType::Utf8 => Self::Text(array.as_string_opt()?),
            DataType::Dictionary(..) => {
                let coded = array.as_dictionary_opt::<Int32Type>()?;
                Self::Coded(coded.keys(), coded.values().as_string_opt()?)
            }
            DataType::Boolean => Self::Bool(array.as_boolean_opt()?),
            other => Self::Number(match other {
                DataType::Int8 => Numbers::I8(primitive(array)?),
                DataType::Int16 => Numbers::I16(primitive(array)?),
                DataType::Int32 => Numbers::I32(primitive(array)?),
                DataType::Int64 => Numbers::I64(primitive(array)?),
                DataType::UInt8 => Numbers::U8(primitive(array)?),
                DataType::UInt16 => Numbers::U16(primitive(array)?),
                DataType::UInt32 => Numbers::U32(primitive(array)?),
                DataType::UInt64 => Numbers::U64(primitive(array)?),
                DataType::Float32 => Numbers::F32(primitive(array)?),
                DataType::Float64 => Numbers::F64(primitive(array)?),
                DataType::Decimal128(_, scale) => Numbers::D128(primitive(array)?, *scale),
                DataType::Decimal256(_, scale) => Numbers::D256(primitive(array)?, *scale),
                DataType::LargeUtf8 => Numbers::Digits(array.as_string_opt()?),
                _ => return None,
            }),
        })
    }

    /// Whether any row has no value.
    pub fn has_nulls(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Time(array) => array.null_count() > 0,
            Self::Far(array) => array.null_count() > 0,
            Self::Date(array) => array.null_count() > 0,
            Self::Text(array) => array.null_count() > 0,
            Self::Coded(keys, _) => keys.null_count() > 0,
            Self::Bool(array) => array.null_count() > 0,
            Self::Number(numbers) => numbers.has_nulls(),
        }
    }

    /// Whether the row has no value.
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Time(array) => array.is_null(row),
            Self::Far(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::Coded(keys, _) => keys.is_null(row),
            Self::Bool(array) => array.is_null(row),
            Self::Number(numbers) => numbers.is_null(row),
        }
    }
}

impl Numbers<'_> {
    fn has_nulls(&self) -> bool {
        match self {
            Self::I8(array) => array.null_count() > 0,
            Self::I16(array) => array.null_count() > 0,
            Self::I32(array) => array.null_count() > 0,
            Self::I64(array) => array.null_count() > 0,
            Self::U8(array) => array.null_count() > 0,
            Self::U16(array) => array.null_count() > 0,
            Self::U32(array) => array.null_count() > 0,
            Self::U64(array) => array.null_count() > 0,
            Self::F32(array) => array.null_count() > 0,
            Self::F64(array) => array.null_count() > 0,
            Self::D128(array, _) => array.null_count() > 0,
            Self::D256(array, _) => array.null_count() > 0,
            Self::Digits(array) => array.null_count() > 0,
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::I8(array) => array.is_null(row),
            Self::I16(array) => array.is_null(row),
            Self::I32(array) => array.is_null(row),
            Self::I64(array) => array.is_null(row),
            Self::U8(array) => array.is_null(row),
            Self::U16(array) => array.is_null(row),
            Self::U32(array) => array.is_null(row),
            Self::U64(array) => array.is_null(row),
            Self::F32(array) => array.is_null(row),
            Self::F64(array) => array.is_null(row),
            Self::D128(array, _) => array.is_null(row),
            Self::D256(array, _) => array.is_null(row),
            Self::Digits(array) => array.is_null(row),
        }
    }

    /// The number, or `None` where a float is none.
    pub fn get(&self, row: usize) -> Option<Decimal> {
        Some(match self {
            Self::I8(array) => i64::from(array.value(row)).into(),
            Self::I16(array) => i64::from(array.value(row)).into(),
            Self::I32(array) => i64::from(array.value(row)).into(),
            Self::I64(array) => array.value(row).into(),
            Self::U8(array) => i64::from(array.value(row)).into(),
            Self::U16(array) => i64::from(array.value(row)).into(),
            Self::U32(array) => i64::from(array.value(row)).into(),
            Self::U64(array) => Decimal::Small { mantissa: array.value(row).into(), scale: 0 },
            Self::F32(array) => return Decimal::from_f32(array.value(row)),
            Self::F64(array) => return Decimal::from_f64(array.value(row)),
            Self::D128(array, scale) => Decimal::Small { mantissa: array.value(row), scale: (*scale).into() },
            Self::D256(array, scale) => Decimal::from_i256(array.value(row), *scale),
            Self::Digits(array) => return Decimal::parse(array.value(row).as_bytes()).ok(),
        })
    }

    /// The number as a float of single precision where that is what the column holds.
    pub fn single(&self, row: usize) -> Option<f32> {
        match self {
            Self::F32(array) => Some(array.value(row)).filter(|value| value.is_finite()),
            // The sign of a zero is in no decimal.
            Self::F64(array) if array.value(row) == 0.0 => Some(0f32.copysign(array.value(row) as f32)),
            _ => None,
        }
    }

    /// The number as a double where that is what the column holds.
    pub fn double(&self, row: usize) -> Option<f64> {
        match self {
            Self::F64(array) => Some(array.value(row)).filter(|value| value.is_finite()),
            Self::F32(array) if array.value(row) == 0.0 => Some(array.value(row).into()),
            _ => None,
        }
    }
}
