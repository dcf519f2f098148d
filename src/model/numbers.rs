//! Numbers that are read one by one into a column.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, LargeStringBuilder};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use crate::model::decimal::{Decimal, POWERS, ROOM, SMALL_DIGITS};

/// Collects numbers of any scale into one decimal column of their largest scale, or into one of texts
/// where no decimal holds all of them.
#[derive(Debug, Default)]
pub struct NumberBuilder {
    mantissas: Vec<i128>,
    scales: Vec<u8>,
    /// Rows that are null.
    nulls: Vec<usize>,
    /// Numbers of more than 38 digits, or of more decimals.
    long: Vec<(usize, Decimal)>,
    max_scale: u8,
    mixed: bool,
}

impl NumberBuilder {
    /// An empty builder with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self { mantissas: Vec::with_capacity(rows), scales: Vec::with_capacity(rows), ..Self::default() }
    }

    /// Appends a number.
    #[inline]
    pub fn push(&mut self, number: Decimal) {
        match number {
            Decimal::Small { mantissa, scale: scale @ 0..=38 } => {
                let scale = scale as u8;
                if scale != self.max_scale {
                    self.mixed |= !self.mantissas.is_empty();
                    self.max_scale = self.max_scale.max(scale);
                }
                self.mantissas.push(mantissa);
                self.scales.push(scale);
            }
            long => self.push_long(long),
        }
    }

    #[cold]
    fn push_long(&mut self, number: Decimal) {
        self.long.push((self.mantissas.len(), number));
        self.mantissas.push(0);
        self.scales.push(self.max_scale);
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        self.nulls.push(self.mantissas.len());
        self.mantissas.push(0);
        self.scales.push(self.max_scale);
    }

    /// The column: `Decimal128(38, s)`, and `LargeUtf8` where 38 digits do not hold all: then every number
    /// is its digits as text.
    pub fn finish(mut self) -> ArrayRef {
        if self.long.is_empty() && self.rescale() {
            let values = std::mem::take(&mut self.mantissas);
            let array = Decimal128Array::new(ScalarBuffer::from(values), self.validity());
            let type_ = DataType::Decimal128(SMALL_DIGITS as u8, self.max_scale as i8);
            return Arc::new(array.with_data_type(type_));
        }
        self.finish_as_text()
    }

    /// Brings the mantissas to the largest scale; `false` where 38 digits do not hold them, which leaves all as
    /// they are.
    fn rescale(&mut self) -> bool {
        // Where they are not mixed the first value may still have come below a larger initial scale of zero.
        if !self.mixed {
            return true;
        }
        let factor = |scale: u8| POWERS[usize::from(self.max_scale - scale)];
        // At least as large as the largest of them, and less than twice as large.
        let bits = self.mantissas.iter().fold(0, |bits, mantissa| bits | mantissa.unsigned_abs());
        let short = |value: i128| i64::try_from(value).is_ok();
        let (narrow, most) = (i64::try_from(bits).is_ok(), POWERS[usize::from(self.max_scale)]);
        let fits = |(mantissa, scale): (&i128, &u8)| {
            mantissa.checked_mul(factor(*scale)).is_some_and(|value| value.unsigned_abs() < ROOM)
        };
        // The product of two numbers of 64 bits is one of 128, but may have more than 38 digits.
        let surely = bits.checked_mul(most.unsigned_abs()).is_some_and(|value| value < ROOM);
        if !surely && !self.mantissas.iter().zip(&self.scales).all(fits) {
            return false;
        }
        let factors = self.scales.iter().map(|scale| factor(*scale));
        let pairs = self.mantissas.iter_mut().zip(factors);
        if narrow && short(most) {
            pairs.for_each(|(mantissa, factor)| {
                *mantissa = i128::from(*mantissa as i64) * i128::from(factor as i64);
            });
        } else {
            pairs.for_each(|(mantissa, factor)| *mantissa *= factor);
        }
        true
    }

    fn validity(&self) -> Option<NullBuffer> {
        let mut valid = (!self.nulls.is_empty()).then(|| vec![true; self.scales.len()])?;
        self.nulls.iter().for_each(|row| valid[*row] = false);
        Some(NullBuffer::from(valid))
    }

    #[cold]
    fn finish_as_text(self) -> ArrayRef {
        let mut texts = LargeStringBuilder::with_capacity(self.mantissas.len(), 0);
        let (mut long, mut nulls) = (self.long.into_iter().peekable(), self.nulls.into_iter().peekable());
        let mut text = String::new();
        for row in 0..self.mantissas.len() {
            if nulls.next_if_eq(&row).is_some() {
                texts.append_null();
                continue;
            }
            text.clear();
            match long.next_if(|(at, _)| *at == row) {
                Some((_, number)) => number.write(&mut text),
                None => Decimal::Small { mantissa: self.mantissas[row], scale: self.scales[row].into() }
                    .write(&mut text),
            }
            texts.append_value(&text);
        }
        Arc::new(texts.finish())
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;
    use crate::model::values::Numbers;
    use arrow::array::{Array, AsArray};

    fn column(texts: &[&str]) -> ArrayRef {
        let mut builder = NumberBuilder::default();
        texts.iter().for_each(|text| builder.push(Decimal::parse(text.as_bytes()).unwrap()));
        builder.push_null();
        builder.finish()
    }

    #[test]
    fn one_column_holds_mixed_scales_exactly() {
        let texts = ["1", "2.5", "0.123456789012345678", "-3.10"];
        let array = column(&texts);
        assert!(matches!(array.data_type(), DataType::Decimal128(38, 18)));
        let view = Numbers::of(&array).unwrap();
        for (row, text) in texts.iter().enumerate() {
            assert_eq!(view.get(row).unwrap(), Decimal::parse(text.as_bytes()).unwrap());
        }
        assert_eq!(view.get(4), None);
    }

    #[test]
    fn magnitudes_far_apart_stand_side_by_side_as_text() {
        for texts in [
            &["123456789012345678901234567890123456789012", "0.00000001", "5"][..],
            &["1e60", "1e-60", "-2.5", "1e80", "-12e-90"],
            &["1e37", "0.01", "-7"],
            &["1e-39"],
        ] {
            let array = column(texts);
            let view = Numbers::of(&array).unwrap();
            assert!(matches!(view, Numbers::Digits(_)) && array.is_null(texts.len()));
            for (row, text) in texts.iter().enumerate() {
                assert_eq!(view.get(row).unwrap(), Decimal::parse(text.as_bytes()).unwrap());
                assert_eq!(view.is_negative(row), text.starts_with('-'));
                assert_eq!(view.compare(&view, row), Some(Ordering::Equal));
            }
        }
        let array = column(&["1e80", "-2.50", "1e20"]);
        let texts: Vec<&str> = array.as_string::<i64>().iter().flatten().collect();
        assert_eq!(texts, ["1e80", "-2.5", "100000000000000000000"]);
    }
}
