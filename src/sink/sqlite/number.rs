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

use crate::model::decimal::{Decimal, short_decimal};

/// Significant digits that any decimal keeps on its way through a binary float.
const SAFE_DIGITS: usize = 15;

/// Powers of ten of up to so many digits, all of which floats hold exactly.
const POWERS: [i64; SAFE_DIGITS + 1] = {
    let mut powers = [1; SAFE_DIGITS + 1];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

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

impl<'a> Stored<'a> {
    /// `mantissa / 10^scale` as it is held, where it has so few digits, as most prices and sizes do, that neither wide
    /// integers nor texts are needed to tell: both are exact as floats, and their quotient is rounded once.
    #[inline]
    pub(super) fn short(mantissa: i128, scale: i8) -> Option<Self> {
        let mantissa =
            i64::try_from(mantissa).ok().filter(|size| size.unsigned_abs() < POWERS[SAFE_DIGITS] as u64)?;
        let power = *POWERS.get(usize::try_from(scale).ok()?)?;
        Some(match mantissa % power {
            0 => Self::Integer(mantissa / power),
            #[expect(clippy::cast_precision_loss, reason = "both are of 15 digits at most: exact")]
            _ => Self::Real(mantissa as f64 / power as f64),
        })
    }

    /// The number as it is held.
    pub(super) fn of(number: &Decimal, scratch: &'a mut String) -> Self {
        if let Ok((integer, _)) = number.integer(false) {
            return Self::Integer(integer);
        }
        if number.is_within(SAFE_DIGITS) {
            let real = number.double();
            // Close to zero floats have fewer digits, and beyond there are none.
            if Decimal::from_f64(real).is_some_and(|back| back == *number) {
                return Self::Real(real);
            }
        }
        scratch.clear();
        number.write_plain(scratch);
        Self::Text(scratch)
    }
}

/// A binary float by its shortest decimal form, or `None` for what is not a number.
pub(super) fn float64(value: f64, scratch: &mut String) -> Option<Stored<'_>> {
    /// Up to here every integral float is the integer that its shortest form says.
    const EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
    if value.trunc() == value && value.abs() < EXACT_INTEGER {
        return Some(Stored::Integer(value as i64));
    }
    // One of so few digits is its own shortest form.
    if short_decimal(value).is_some() {
        return Some(Stored::Real(value));
    }
    Some(Stored::of(&Decimal::from_f64(value)?, scratch))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::i256;

    use super::*;
    use proptest::prelude::*;

    fn decimal(value: i128, scale: i8) -> Decimal {
        Decimal::Small { mantissa: value, scale: scale.into() }
    }

    fn of(value: i128, scale: i8) -> String {
        format!("{:?}", Stored::of(&decimal(value, scale), &mut String::new()))
    }

    fn float(value: f64) -> String {
        let mut scratch = String::new();
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
        let mut scratch = String::new();
        assert_eq!(float64(f64::NAN, &mut scratch), None);
        assert_eq!(float64(f64::NEG_INFINITY, &mut scratch), None);
    }

    #[test]
    fn wide_decimals_keep_every_digit() {
        let mut scratch = String::new();
        let digits = "1234567890123456789012345678901234567890123456789012345678";
        let value = i256::from_string(digits).unwrap();
        let Stored::Text(text) = Stored::of(&Decimal::from_i256(value, 18), &mut scratch) else {
            panic!("not text")
        };
        assert_eq!(text, "1234567890123456789012345678901234567890.123456789012345678");
        let value = i256::from_string(&format!("-15{}", "0".repeat(60))).unwrap();
        assert_eq!(Stored::of(&Decimal::from_i256(value, 61), &mut scratch), Stored::Real(-1.5));
    }

    proptest! {
        #[test]
        fn short_numbers_are_held_as_all_others(mantissa in -20_000_000_000_000_000_i64..20_000_000_000_000_000, cut in 0_u32..16, scale in -2_i8..18) {
            let mantissa = i128::from(mantissa / 10_i64.pow(cut));
            let mut scratch = String::new();
            if let Some(short) = Stored::short(mantissa, scale) {
                prop_assert_eq!(short, Stored::of(&decimal(mantissa, scale), &mut scratch));
            } else {
                prop_assert!(mantissa.unsigned_abs() >= 1_000_000_000_000_000 || !(0..=15).contains(&scale));
            }
        }

        #[test]
        fn short_floats_are_held_as_all_others(mantissa in -2_000_000_000_000_000_i64..2_000_000_000_000_000, cut in 0_u32..15, scale in 0_u8..10) {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let value = (mantissa / 10_i64.pow(cut)) as f64 / 10_f64.powi(scale.into());
            let (mut one, mut other) = (String::new(), String::new());
            prop_assert_eq!(float64(value, &mut one).unwrap(), Stored::of(&Decimal::from_f64(value).unwrap(), &mut other));
        }

        #[test]
        fn decimal_and_float_agree(coefficient in -999_999_999_999_999_i64..=999_999_999_999_999, scale in 0_i8..20) {
            let text = format!("{coefficient}e-{scale}");
            let value: f64 = text.parse().unwrap();
            let (mut a, mut b) = (String::new(), String::new());
            prop_assert_eq!(Stored::of(&decimal(i128::from(coefficient), scale), &mut a), float64(value, &mut b).unwrap());
        }

        #[test]
        fn floats_come_back(value in proptest::num::f64::NORMAL) {
            let mut scratch = String::new();
            let back = match float64(value, &mut scratch).unwrap() {
                Stored::Integer(integer) => integer as f64,
                Stored::Real(real) => real,
                Stored::Text(text) => text.parse().unwrap(),
            };
            prop_assert_eq!(back, value);
        }
    }
}
