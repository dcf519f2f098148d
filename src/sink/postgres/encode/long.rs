//! Numbers of any length: what comes as text because no decimal of 256 bits holds it. Seldom, so that
//! nothing here is in a hurry.

use crate::dataset::number;
use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::decimal::Decimal;
use crate::sink::postgres::encode::numeric::{Fit, NoInteger, Number, put_groups};

/// Digits that 128 bits hold.
const SMALL: usize = 38;

/// `digits / 10^scale`, with a sign; the first and the last digit are not zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Long {
    negative: bool,
    digits: Vec<u8>,
    scale: i32,
}

impl Long {
    /// Reads a number; `None` for what is none.
    pub fn read(text: &str) -> Option<Self> {
        let text = number::long(text.as_bytes()).ok()?;
        let (negative, text) = text.strip_prefix('-').map_or((false, &*text), |rest| (true, rest));
        let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let digits = digits.bytes().map(|digit| digit.wrapping_sub(b'0')).collect();
        Some(Self { negative, digits, scale: -exponent.parse::<i32>().ok()? })
    }

    /// The number, where its digits are not so many.
    pub fn number(&self) -> Option<Number> {
        if self.digits.len() > SMALL {
            return None;
        }
        let magnitude = self.digits.iter().fold(0, |value, digit| value * 10 + u128::from(*digit));
        Some(Number::Small(Decimal::new(self.negative, magnitude, self.scale)))
    }

    /// How it goes into `numeric(precision, scale)`.
    pub fn fit(&self, precision: i32, scale: i32) -> Fit {
        let len = self.digits.len() as i32;
        // Digits that stay after rounding, and whether a carry makes them one more.
        let kept = len - (self.scale - scale).max(0);
        let carry = self.scale > scale
            && usize::try_from(kept).is_ok_and(|kept| {
                self.digits.get(kept).is_some_and(|digit| *digit >= 5)
                    && self.digits.iter().take(kept).all(|digit| *digit == 9)
            });
        if len - self.scale + i32::from(carry) > precision - scale {
            Fit::Overflow
        } else if self.scale > scale {
            Fit::Rounded
        } else {
            Fit::Exact
        }
    }

    /// The number as an integer, and whether it was rounded to be one.
    pub fn integer(&self, round: bool) -> Result<(i64, bool), NoInteger> {
        if self.scale > 0 && !round {
            return Err(NoInteger::Fraction);
        }
        let whole = usize::try_from(self.digits.len() as i32 - self.scale).unwrap_or(0);
        if whole > self.digits.len() {
            return Err(NoInteger::Range);
        }
        let up = self.digits.get(whole).is_some_and(|digit| *digit >= 5);
        let value = self
            .digits
            .iter()
            .take(whole)
            .try_fold(0i64, |value, digit| value.checked_mul(10)?.checked_sub(i64::from(*digit)));
        // Negative numbers reach one further, so the value is built below zero.
        let value = value.and_then(|value| value.checked_sub(i64::from(up)));
        let value = if self.negative { value } else { value.and_then(i64::checked_neg) };
        value.map(|value| (value, self.scale > 0)).ok_or(NoInteger::Range)
    }

    /// The nearest float; infinite where it is too large.
    pub fn float<F: std::str::FromStr>(&self) -> Option<F> {
        let sign = if self.negative { "-" } else { "" };
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        format!("{sign}{digits}e{}", -self.scale).parse().ok()
    }

    /// Appends the length and the body of a NUMERIC in binary form.
    pub fn put(&self, out: &mut Out) {
        let whole = self.digits.len() as i32 - self.scale;
        // Zeros in front, so that a group ends at the point.
        let lead = (4 - whole.rem_euclid(4)) % 4;
        let mut groups = vec![0u16; (lead as usize + self.digits.len()).div_ceil(4)];
        for (at, digit) in self.digits.iter().enumerate() {
            let at = lead as usize + at;
            if let Some(group) = groups.get_mut(at / 4) {
                *group += u16::from(*digit) * [1000, 100, 10, 1][at % 4];
            }
        }
        let weight = (whole + lead) / 4 - 1;
        put_groups(out, self.negative, self.scale, weight, groups.iter());
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::i256;

    use super::*;

    fn bytes(put: impl Fn(&mut Out)) -> Vec<u8> {
        let mut out = Out::new();
        put(&mut out);
        out.written().to_vec()
    }

    #[test]
    fn numbers_of_few_digits_are_plain_ones() {
        for (text, value) in [("1e80", 1e80), ("-125e-90", -1.25e-88), ("0", 0.0), ("1.50", 1.5)] {
            assert_eq!(Long::read(text).unwrap().number(), Number::from_f64(value), "{text}");
        }
        assert_eq!(Long::read("x"), None);
    }

    #[test]
    fn long_numbers_have_the_form_of_wide_ones() {
        let digits = "-123456789012345678901234567890123456789012345678901234567891";
        for scale in [0, 1, 18, 59, 60, 75] {
            let long = Long::read(&format!("{digits}e-{scale}")).unwrap();
            let wide = Number::from_i256(i256::from_string(digits).unwrap(), scale);
            assert_eq!(bytes(|out| long.put(out)), bytes(|out| wide.put(out)), "{scale}");
            assert_eq!(long.number(), None);
            for (precision, kept) in [(60, 18), (60, 16), (50, 16), (1000, 100)] {
                assert_eq!(long.fit(precision, kept), wide.fit(precision, kept), "{precision} {kept}");
            }
            assert_eq!(long.integer(true), wide.integer(true), "{scale}");
            assert_eq!(long.float(), Some(wide.double()));
        }
        let nines = Long::read(&format!("{}e-80", "9".repeat(90))).unwrap();
        assert_eq!(nines.integer(true), Ok((10_000_000_000, true)));
        assert_eq!((nines.fit(20, 10), nines.fit(21, 10)), (Fit::Overflow, Fit::Rounded));
    }
}
