//! Decimals of more than 38 digits: rare, but they must be exact too.

use arrow::datatypes::i256;

use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::numeric::{Fit, NoInteger, put_groups};

/// Digits of the widest decimal of 256 bits.
const WIDE: usize = 78;

/// The same as decimal digits, the most significant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Wide {
    pub negative: bool,
    pub digits: [u8; WIDE],
    pub len: usize,
    pub scale: i32,
}

/// The number without trailing zeros after the point.
pub(in crate::sink::postgres) fn stripped(value: i256, scale: i8) -> (i256, i32) {
    let (ten, mut value, mut scale) = (i256::from_i128(10), value, i32::from(scale));
    while scale > 0 && value.checked_rem(ten) == Some(i256::ZERO) {
        value = value.checked_div(ten).unwrap_or(i256::ZERO);
        scale -= 1;
    }
    (value, scale)
}

impl Wide {
    /// The digits of the number.
    pub fn new(value: i256, scale: i32) -> Self {
        let (ten, mut value) = (i256::from_i128(10), value);
        let mut wide = Self { negative: value < i256::ZERO, digits: [0; WIDE], len: 0, scale };
        let mut at = WIDE;
        while value != i256::ZERO && at > 0 {
            // The remainder has the sign of the value; its size is below ten.
            let digit = value.checked_rem(ten).and_then(i256::to_i128).unwrap_or(0).unsigned_abs();
            at -= 1;
            wide.digits[at] = u8::try_from(digit).unwrap_or(0);
            value = value.checked_div(ten).unwrap_or(i256::ZERO);
        }
        wide.digits.copy_within(at.., 0);
        wide.len = WIDE - at;
        wide
    }

    pub fn fit(&self, precision: i32, scale: i32) -> Fit {
        let len = self.len as i32;
        // Digits that stay after rounding, and whether a carry makes them one more.
        let kept = len - (self.scale - scale).max(0);
        let carry = self.scale > scale
            && usize::try_from(kept).is_ok_and(|kept| {
                self.digits[kept] >= 5 && self.digits[..kept].iter().all(|digit| *digit == 9)
            });
        if len - self.scale + i32::from(carry) > precision - scale {
            Fit::Overflow
        } else if self.scale > scale {
            Fit::Rounded
        } else {
            Fit::Exact
        }
    }

    pub fn to_i64(self) -> Result<(i64, bool), NoInteger> {
        let whole = usize::try_from(self.len as i32 - self.scale).unwrap_or(0).min(self.len);
        let up = self.digits[..self.len].get(whole).is_some_and(|digit| *digit >= 5);
        let value = self.digits[..whole]
            .iter()
            .try_fold(0i64, |value, digit| value.checked_mul(10)?.checked_sub(i64::from(*digit)));
        // Negative numbers reach one further, so the value is built below zero.
        let value = value.and_then(|value| value.checked_sub(i64::from(up)));
        let value = if self.negative { value } else { value.and_then(i64::checked_neg) };
        value.map(|value| (value, true)).ok_or(NoInteger::Range)
    }

    pub fn put(&self, out: &mut Out) {
        let mut groups = [0u16; WIDE / 4 + 2];
        let whole = self.len as i32 - self.scale;
        // Zeros in front, so that a group ends at the point.
        let lead = (4 - whole.rem_euclid(4)) % 4;
        let count = (lead as usize + self.len).div_ceil(4);
        for (i, digit) in self.digits[..self.len].iter().enumerate() {
            let at = lead as usize + i;
            groups[at / 4] += u16::from(*digit) * [1000, 100, 10, 1][at % 4];
        }
        let weight = (whole + lead) / 4 - 1;
        put_groups(out, self.negative, self.scale, weight, groups[..count].iter());
    }
}
