//! Exact numbers as SQLite values.
//!
//! SQLite has 64-bit integers and binary floats and no decimals. A number is stored
//!
//! - as INTEGER when it is integral and fits,
//! - else as REAL when it has at most 15 significant digits, which every reader gets back,
//! - else as TEXT with all of its digits.
//!
//! So no digit is ever lost, and a number is stored the same way whether it came as a decimal, an
//! integer or a binary float: trailing zeros do not count, and a float is its shortest form.

use std::io::Write as _;

use arrow::datatypes::i256;

/// Significant digits that any decimal keeps on its way through a binary float.
const SAFE_DIGITS: u32 = 15;

/// Largest power of ten that a binary float holds exactly.
const EXACT_POWER: i32 = 22;

/// A number as SQLite is to hold it. The text lives in the scratch buffer it was made in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stored<'a> {
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT in plain notation, because neither of the others would be exact.
    Text(&'a str),
}

/// Up to here a number of [`SAFE_DIGITS`] digits is one that floats hold.
const SAFE_EXPONENT: i32 = 280;

/// `coefficient` x 10^`exponent`, negated if `negative`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    coefficient: u128,
    exponent: i32,
}

impl Decimal {
    /// The shortest form of a finite float.
    fn of(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let mut buffer = zmij::Buffer::new();
        let number = Self::read(buffer.format_finite(value))?;
        Some(Self { negative: value < 0.0, ..number }.stripped())
    }

    /// Reads a number of up to 38 digits.
    fn read(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (mut coefficient, mut fraction, mut after_point) = (0_u128, 0, false);
        for byte in mantissa.bytes() {
            match byte {
                b'.' => after_point = true,
                b'0'..=b'9' => {
                    coefficient = coefficient.checked_mul(10)?.checked_add(u128::from(byte - b'0'))?;
                    fraction += i32::from(after_point);
                }
                _ => {}
            }
        }
        Some(Self { negative, coefficient, exponent: exponent - fraction }.stripped())
    }

    /// Without trailing zeros in the coefficient.
    fn stripped(mut self) -> Self {
        if self.coefficient == 0 {
            return Self { negative: false, coefficient: 0, exponent: 0 };
        }
        // Most coefficients fit 64 bits, where a division costs a tenth.
        if let Ok(mut small) = u64::try_from(self.coefficient) {
            while small.is_multiple_of(10) {
                small /= 10;
                self.exponent += 1;
            }
            self.coefficient = u128::from(small);
        } else {
            while self.coefficient.is_multiple_of(10) {
                self.coefficient /= 10;
                self.exponent += 1;
            }
        }
        self
    }

    fn stored(self, scratch: &mut Vec<u8>) -> Stored<'_> {
        let number = self.stripped();
        if let Some(integer) = number.integer() {
            return Stored::Integer(integer);
        }
        if number.coefficient.checked_ilog10().unwrap_or(0) < SAFE_DIGITS {
            let real = number.real(scratch);
            // Far from zero and close to it floats have fewer digits, or there are none.
            if number.exponent.abs() < SAFE_EXPONENT || Self::of(real).is_some_and(|back| back == number) {
                return Stored::Real(real);
            }
        }
        Stored::Text(number.plain(scratch))
    }

    fn integer(&self) -> Option<i64> {
        let power = 10_u128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        let magnitude = i128::try_from(self.coefficient.checked_mul(power)?).ok()?;
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// The nearest binary float.
    fn real(&self, scratch: &mut Vec<u8>) -> f64 {
        // Both operands are exact here, so the one division or product rounds correctly.
        if self.coefficient < 10_u128.pow(SAFE_DIGITS) && self.exponent.abs() <= EXACT_POWER {
            let coefficient = self.coefficient as f64;
            let power = 10_f64.powi(self.exponent.abs());
            let value = if self.exponent < 0 { coefficient / power } else { coefficient * power };
            return if self.negative { -value } else { value };
        }
        scratch.clear();
        let sign = if self.negative { "-" } else { "" };
        // Writing into a vector cannot fail, and this text is always a number.
        let _ = write!(scratch, "{sign}{}e{}", self.coefficient, self.exponent);
        std::str::from_utf8(scratch).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
    }

    fn plain<'a>(&self, scratch: &'a mut Vec<u8>) -> &'a str {
        let mut digits = [0_u8; 40];
        let mut free = digits.len();
        let mut rest = self.coefficient;
        loop {
            free -= 1;
            digits[free] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        write_plain(self.negative, &digits[free..], self.exponent, scratch)
    }
}

/// Writes digits x 10^exponent without an exponent.
fn write_plain<'a>(negative: bool, digits: &[u8], exponent: i32, scratch: &'a mut Vec<u8>) -> &'a str {
    scratch.clear();
    if negative {
        scratch.push(b'-');
    }
    let zeros = |scratch: &mut Vec<u8>, count: usize| scratch.resize(scratch.len() + count, b'0');
    if exponent >= 0 {
        scratch.extend_from_slice(digits);
        zeros(scratch, exponent.unsigned_abs() as usize);
    } else {
        let fraction = exponent.unsigned_abs() as usize;
        if let Some(whole) = digits.len().checked_sub(fraction).filter(|whole| *whole > 0) {
            scratch.extend_from_slice(&digits[..whole]);
            scratch.push(b'.');
            scratch.extend_from_slice(&digits[whole..]);
        } else {
            scratch.extend_from_slice(b"0.");
            zeros(scratch, fraction - digits.len());
            scratch.extend_from_slice(digits);
        }
    }
    // Only ASCII was written.
    std::str::from_utf8(scratch).unwrap_or_default()
}

/// A 128-bit decimal: `value` x 10^-`scale`.
pub(super) fn decimal128(value: i128, scale: i8, scratch: &mut Vec<u8>) -> Stored<'_> {
    Decimal { negative: value < 0, coefficient: value.unsigned_abs(), exponent: -i32::from(scale) }
        .stored(scratch)
}

/// A 256-bit decimal: `value` x 10^-`scale`.
pub(super) fn decimal256(value: i256, scale: i8, scratch: &mut Vec<u8>) -> Stored<'_> {
    if let Some(value) = value.to_i128() {
        return decimal128(value, scale, scratch);
    }
    // More than 38 digits: rare enough for a text on the way.
    let text = value.to_string();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.as_str()),
    };
    let kept = digits.trim_end_matches('0');
    let exponent = (digits.len() - kept.len()) as i32 - i32::from(scale);
    match kept.parse::<u128>() {
        Ok(coefficient) => Decimal { negative, coefficient, exponent }.stored(scratch),
        Err(_) => Stored::Text(write_plain(negative, kept.as_bytes(), exponent, scratch)),
    }
}

/// A number of any length, or `None` for what is none.
pub(super) fn digits<'a>(text: &str, scratch: &'a mut Vec<u8>) -> Option<Stored<'a>> {
    if let Some(number) = Decimal::read(text) {
        return Some(number.stored(scratch));
    }
    let text = crate::dataset::number::long(text.as_bytes()).ok()?;
    let (negative, text) = text.strip_prefix('-').map_or((false, &*text), |rest| (true, rest));
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    Some(Stored::Text(write_plain(negative, digits.as_bytes(), exponent.parse().ok()?, scratch)))
}

/// Whether the text is the float's own shortest form.
pub(super) fn is_of(real: f64, text: &str) -> bool {
    let own = Decimal::of(real);
    own.is_some() && own == Decimal::read(text)
}

/// A binary float by its shortest decimal form, or `None` for what is no number.
pub(super) fn float64(value: f64, scratch: &mut Vec<u8>) -> Option<Stored<'_>> {
    /// Up to here every integral float is the integer that its shortest form says.
    const EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
    if !value.is_finite() {
        return None;
    }
    if value.trunc() == value && value.abs() < EXACT_INTEGER {
        return Some(Stored::Integer(value as i64));
    }
    let number = Decimal::of(value)?;
    Some(match number.integer() {
        Some(integer) => Stored::Integer(integer),
        // The float itself is the nearest one to its shortest form.
        None if number.coefficient.checked_ilog10().unwrap_or(0) < SAFE_DIGITS => Stored::Real(value),
        None => Stored::Text(number.plain(scratch)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(value: i128, scale: i8) -> String {
        let mut scratch = Vec::new();
        format!("{:?}", decimal128(value, scale, &mut scratch))
    }

    fn float(value: f64) -> String {
        let mut scratch = Vec::new();
        format!("{:?}", float64(value, &mut scratch).unwrap())
    }

    #[test]
    fn numbers_take_the_smallest_exact_form() {
        assert_eq!(of(150, 2), "Real(1.5)");
        assert_eq!(of(-150, 2), "Real(-1.5)");
        assert_eq!(of(500, 2), "Integer(5)");
        assert_eq!(of(0, 5), "Integer(0)");
        assert_eq!(of(i128::from(i64::MAX), 0), "Integer(9223372036854775807)");
        assert_eq!(of(i128::from(i64::MIN), 0), "Integer(-9223372036854775808)");
        assert_eq!(of(i128::from(i64::MAX) + 1, 0), "Text(\"9223372036854775808\")");
        assert_eq!(of(10_i128.pow(20), 0), "Real(1e20)");
        assert_eq!(of(123_456_789_012_345, 8), "Real(1234567.89012345)");
        assert_eq!(of(1_234_567_890_123_456, 8), "Text(\"12345678.90123456\")");
        assert_eq!(of(-1_234_567_890_123_456, 18), "Text(\"-0.001234567890123456\")");
        assert_eq!(of(12, -3), "Integer(12000)");
        assert_eq!(of(7, 30), "Real(7e-30)");
    }

    #[test]
    fn a_float_is_stored_as_the_decimal_that_it_prints_as() {
        assert_eq!(float(0.1), "Real(0.1)");
        assert_eq!(float(-0.0), "Integer(0)");
        assert_eq!(float(0.1 + 0.2), "Text(\"0.30000000000000004\")");
        assert_eq!(float(1e18), "Integer(1000000000000000000)");
        assert_eq!(float(1e300), "Real(1e300)");
        assert_eq!(float(2f64.powi(60)), "Integer(1152921504606847000)");
        assert_eq!(float(5e-324), "Real(5e-324)");
        let mut scratch = Vec::new();
        assert_eq!(float64(f64::NAN, &mut scratch), None);
        assert_eq!(float64(f64::NEG_INFINITY, &mut scratch), None);
    }

    #[test]
    fn wide_decimals_keep_every_digit() {
        let mut scratch = Vec::new();
        let digits = "1234567890123456789012345678901234567890123456789012345678";
        let value = i256::from_string(digits).unwrap();
        let Stored::Text(text) = decimal256(value, 18, &mut scratch) else { panic!("not text") };
        assert_eq!(text, "1234567890123456789012345678901234567890.123456789012345678");
        let value = i256::from_string(&format!("-15{}", "0".repeat(60))).unwrap();
        assert_eq!(decimal256(value, 61, &mut scratch), Stored::Real(-1.5));
    }

    proptest! {
        #[test]
        fn decimal_and_float_agree(coefficient in -999_999_999_999_999_i64..=999_999_999_999_999, scale in 0_i8..20) {
            let text = format!("{coefficient}e-{scale}");
            let value: f64 = text.parse().unwrap();
            let (mut a, mut b) = (Vec::new(), Vec::new());
            prop_assert_eq!(decimal128(i128::from(coefficient), scale, &mut a), float64(value, &mut b).unwrap());
        }

        #[test]
        fn floats_come_back(value in proptest::num::f64::NORMAL) {
            let mut scratch = Vec::new();
            let back = match float64(value, &mut scratch).unwrap() {
                Stored::Integer(integer) => integer as f64,
                Stored::Real(real) => real,
                Stored::Text(text) => text.parse().unwrap(),
            };
            prop_assert_eq!(back, value);
        }
    }
}
