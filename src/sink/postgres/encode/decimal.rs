//! Decimals of up to 38 digits, which all but all numbers are.

use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::numeric::{Fit, NoInteger, put_groups};

/// Powers of ten that fit 128 bits.
pub(in crate::sink::postgres) const POW10: [u128; 39] = {
    let mut table = [1u128; 39];
    let mut i = 1;
    while i < 39 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// `magnitude / 10^scale`, with a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Decimal {
    pub negative: bool,
    pub magnitude: u128,
    /// Digits after the point; negative for zeros before it.
    pub scale: i32,
}

/// Number of decimal digits; none for zero.
fn count_digits(value: u128) -> i32 {
    let count = match u64::try_from(value) {
        Ok(small) => small.checked_ilog10(),
        Err(_) => value.checked_ilog10(),
    };
    count.map_or(0, |log| log as i32 + 1)
}

impl Decimal {
    /// The decimal in its one form.
    pub fn new(negative: bool, magnitude: u128, scale: i32) -> Self {
        Self { negative, magnitude, scale }.stripped()
    }

    /// The shortest decimal that reads back as this finite double.
    pub fn from_finite(value: f64) -> Self {
        // Four decimals cover most prices: below 10^15 every decimal has a double of its own, so
        // one that divides back to this double is its shortest form.
        let scaled = (value * 1e4).round();
        if scaled.abs() < 1e15 && scaled / 1e4 == value {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and below 10^15"
            )]
            let magnitude = scaled.abs() as u64;
            return Self::new(value < 0.0, magnitude.into(), 4);
        }
        Self::shortest(zmij::Buffer::new().format_finite(value))
    }

    /// Reads the shortest form of a float: `1.25`, `5e-324`, `1.5e300`, at most 17 digits.
    pub fn shortest(text: &str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (mut magnitude, mut scale, mut fraction) = (0u128, 0, false);
        for byte in digits.bytes() {
            if byte == b'.' {
                fraction = true;
            } else {
                magnitude = magnitude.wrapping_mul(10).wrapping_add(u128::from(byte.wrapping_sub(b'0')));
                scale += i32::from(fraction);
            }
        }
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Self::new(negative, magnitude, scale - exponent)
    }

    /// Without trailing zeros after the point; zero without a sign.
    fn stripped(mut self) -> Self {
        if self.magnitude == 0 {
            return Self { negative: false, magnitude: 0, scale: 0 };
        }
        if let Ok(mut magnitude) = u64::try_from(self.magnitude) {
            while self.scale > 0 && magnitude.is_multiple_of(10) {
                magnitude /= 10;
                self.scale -= 1;
            }
            self.magnitude = magnitude.into();
        } else {
            while self.scale > 0 && self.magnitude.is_multiple_of(10) {
                self.magnitude /= 10;
                self.scale -= 1;
            }
        }
        self
    }

    /// `magnitude / 10^digits`, half away from zero.
    fn rounded_off(magnitude: u128, digits: i32) -> u128 {
        match usize::try_from(digits).ok().and_then(|digits| POW10.get(digits)) {
            Some(power) => magnitude / power + u128::from(magnitude % power >= power.div_ceil(2)),
            // 10^39 is more than twice any magnitude.
            None => 0,
        }
    }

    pub fn fit(&self, precision: i32, scale: i32) -> Fit {
        let whole = precision - scale;
        if self.scale <= scale {
            let fits = self.magnitude == 0 || count_digits(self.magnitude) - self.scale <= whole;
            return if fits { Fit::Exact } else { Fit::Overflow };
        }
        let rounded = Self::rounded_off(self.magnitude, self.scale - scale);
        if rounded == 0 || count_digits(rounded) <= precision { Fit::Rounded } else { Fit::Overflow }
    }

    pub fn to_i64(self, round: bool) -> Result<(i64, bool), NoInteger> {
        let magnitude = if self.scale > 0 {
            if !round {
                return Err(NoInteger::Fraction);
            }
            Self::rounded_off(self.magnitude, self.scale)
        } else {
            usize::try_from(-self.scale)
                .ok()
                .and_then(|zeros| POW10.get(zeros))
                .and_then(|power| self.magnitude.checked_mul(*power))
                .ok_or(NoInteger::Range)?
        };
        let value = i128::try_from(magnitude).map_err(|_| NoInteger::Range)?;
        let value =
            i64::try_from(if self.negative { -value } else { value }).map_err(|_| NoInteger::Range)?;
        Ok((value, self.scale > 0))
    }

    /// Four decimal digits go into one of the wire's, counted from the point, so the lowest one
    /// may be filled up with zeros.
    pub fn put(self, out: &mut Out) {
        let mut groups = [0u16; 11];
        let mut count = 0;
        let mut push = |group: u64| {
            if let Some(slot) = groups.get_mut(count) {
                *slot = group as u16;
                count += 1;
            }
        };
        let filling = (-self.scale).rem_euclid(4) as usize;
        let (unit, filling) = (POW10[4 - filling], POW10[filling]);
        let mut low = 0;
        if self.magnitude != 0 {
            let mut rest = match u64::try_from(self.magnitude) {
                Ok(small) => {
                    let unit = unit as u64;
                    push(small % unit * filling as u64);
                    u128::from(small / unit)
                }
                Err(_) => {
                    push((self.magnitude % unit * filling) as u64);
                    self.magnitude / unit
                }
            };
            while rest > u128::from(u64::MAX) {
                let mut piece = (rest % POW10[16]) as u64;
                rest /= POW10[16];
                for _ in 0..4 {
                    push(piece % 10_000);
                    piece /= 10_000;
                }
            }
            let mut rest = rest as u64;
            while rest != 0 {
                push(rest % 10_000);
                rest /= 10_000;
            }
            while low < count && groups[low] == 0 {
                low += 1;
            }
        }
        let weight = (-self.scale).div_euclid(4) + count as i32 - 1;
        put_groups(out, self.negative, self.scale, weight, groups[low..count].iter().rev());
    }
}
