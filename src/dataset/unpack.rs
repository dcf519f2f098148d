//! Columns of types that hold other types, and of those that are rare, as columns of the plain ones that
//! conversion knows.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, Decimal128Array, Float32Array, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::datatypes::*;
use arrow::error::ArrowError;

use crate::model::decimal::Decimal;
use crate::model::numbers::NumberBuilder;

/// The column in a plain type; `None` where it is in one.
///
/// # Errors
/// Where codes point outside of their values.
pub fn unpacked(array: &ArrayRef) -> Result<Option<ArrayRef>, ArrowError> {
    let made: ArrayRef = match array.data_type() {
        // Texts in codes go on as they are.
        DataType::Dictionary(key, texts) if **key == DataType::Int32 && **texts == DataType::Utf8 => {
            return Ok(None);
        }
        DataType::Dictionary(..) => {
            let coded = array.as_any_dictionary();
            take(coded.values(), coded.keys(), None)?
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(array)?,
            DataType::Int64 => runs::<Int64Type>(array)?,
            _ => runs::<Int32Type>(array)?,
        },
        DataType::Float16 => {
            let halves = array.as_primitive::<Float16Type>();
            Arc::new(halves.iter().map(|value| value.map(|value| value.to_f32())).collect::<Float32Array>())
        }
        DataType::Decimal32(_, scale) => {
            let source = array.as_primitive::<Decimal32Type>();
            decimals(source.iter().map(|value| value.map(i128::from)), *scale)?
        }
        DataType::Decimal64(_, scale) => {
            let source = array.as_primitive::<Decimal64Type>();
            decimals(source.iter().map(|value| value.map(i128::from)), *scale)?
        }
        DataType::Decimal128(_, scale) if *scale < 0 => {
            let source = array.as_primitive::<Decimal128Type>();
            let scale = i32::from(*scale);
            numbers(source.iter().map(|value| value.map(|mantissa| Decimal::Small { mantissa, scale })))
        }
        DataType::Decimal256(_, scale) => {
            let source = array.as_primitive::<Decimal256Type>();
            numbers(source.iter().map(|value| value.map(|value| Decimal::from_i256(value, *scale))))
        }
        _ => return Ok(None),
    };
    Ok(Some(match unpacked(&made)? {
        Some(plain) => plain,
        None => made,
    }))
}

fn runs<R: RunEndIndexType>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let Some(runs) = array.as_run_opt::<R>() else { return Ok(array.clone()) };
    let places: UInt64Array = (0..runs.len()).map(|row| Some(runs.get_physical_index(row) as u64)).collect();
    take(runs.values(), &places, None)
}

fn decimals(values: impl Iterator<Item = Option<i128>>, scale: i8) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(values.collect::<Decimal128Array>().with_precision_and_scale(38, scale)?))
}

/// Decimals that count tens and hundreds, and those of up to 76 digits.
fn numbers(values: impl ExactSizeIterator<Item = Option<Decimal>>) -> ArrayRef {
    let mut builder = NumberBuilder::with_capacity(values.len());
    for value in values {
        match value {
            // 76 digits and 128 zeros are not too long.
            Some(number) => builder.push(number.normalised()),
            None => builder.push_null(),
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, Int8Array, RunArray, StringArray};

    use super::*;
    use crate::dataset::value;

    fn texts(array: ArrayRef) -> Vec<String> {
        let plain = unpacked(&array).unwrap().unwrap();
        assert!(unpacked(&plain).unwrap().is_none());
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
