//! Decimals on their way into NUMERIC and the other number types, exactly.
//!
//! Whatever way a number came (1.50 in CSV, 1.5 in JSON, a binary 1.5 in Parquet), it is brought
//! to one form without trailing zeros after the point, so it is stored as the same bytes. Binary
//! floats count as their shortest decimal form, the one that reads back as the same float.

use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::decimal::{Decimal, POW10};
use crate::sink::postgres::encode::wide::{self, Wide};
use arrow::datatypes::i256;

/// A finite number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) enum Number {
    /// Up to 38 digits.
    Small(Decimal),
    /// More than that.
    Wide(Wide),
}

/// How a number goes into `numeric(precision, scale)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) enum Fit {
    /// As it is.
    Exact,
    /// After the server has rounded it.
    Rounded,
    /// Not at all.
    Overflow,
}

/// Why a number is no integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) enum NoInteger {
    /// It has a fraction.
    Fraction,
    /// It is beyond 64 bits.
    Range,
}

impl Number {
    pub fn from_i64(value: i64) -> Self {
        Self::Small(Decimal::new(value < 0, value.unsigned_abs().into(), 0))
    }

    pub fn from_u64(value: u64) -> Self {
        Self::Small(Decimal::new(false, value.into(), 0))
    }

    pub fn from_i128(value: i128, scale: i8) -> Self {
        Self::Small(Decimal::new(value < 0, value.unsigned_abs(), scale.into()))
    }

    pub fn from_i256(value: i256, scale: i8) -> Self {
        let (value, scale) = wide::stripped(value, scale);
        match value.to_i128() {
            Some(small) => Self::Small(Decimal::new(small < 0, small.unsigned_abs(), scale)),
            None => Self::Wide(Wide::new(value, scale)),
        }
    }

    /// `None` for NaN and the infinities.
    pub fn from_f64(value: f64) -> Option<Self> {
        value.is_finite().then(|| Self::Small(Decimal::from_finite(value)))
    }

    /// `None` for NaN and the infinities.
    pub fn from_f32(value: f32) -> Option<Self> {
        value.is_finite().then(|| Self::Small(Decimal::shortest(zmij::Buffer::new().format_finite(value))))
    }

    pub fn fit(&self, precision: i32, scale: i32) -> Fit {
        match self {
            Self::Small(decimal) => decimal.fit(precision, scale),
            Self::Wide(wide) => wide.fit(precision, scale),
        }
    }

    /// The number as an integer, and whether it was rounded (half away from zero) to be one.
    pub fn integer(&self, round: bool) -> Result<(i64, bool), NoInteger> {
        match self {
            Self::Small(decimal) => decimal.to_i64(round),
            // Without trailing zeros and yet wider than 128 bits.
            Self::Wide(wide) if wide.scale > 0 && !round => Err(NoInteger::Fraction),
            Self::Wide(wide) => wide.to_i64(),
        }
    }

    /// The nearest double.
    pub fn double(&self) -> f64 {
        match self {
            // Both are exact then, and one division rounds once.
            Self::Small(d) if d.magnitude < 1 << 53 && (0..=22).contains(&d.scale) => {
                #[expect(clippy::cast_precision_loss, reason = "below 2^53 and 10^22: exact")]
                let value = d.magnitude as f64 / POW10[d.scale.unsigned_abs() as usize] as f64;
                if d.negative { -value } else { value }
            }
            _ => self.parse().unwrap_or(f64::NAN),
        }
    }

    /// The nearest float of 32 bits.
    pub fn float(&self) -> f32 {
        self.parse().unwrap_or(f32::NAN)
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        matches!(self, Self::Small(Decimal { magnitude: 0, .. }))
    }

    /// Reads the digits as text, which rounds correctly at any size.
    fn parse<F: std::str::FromStr>(&self) -> Option<F> {
        let mut text = Text { bytes: [0; 128], len: 0 };
        let (negative, scale) = match self {
            Self::Small(d) => (d.negative, d.scale),
            Self::Wide(w) => (w.negative, w.scale),
        };
        if negative {
            text.push(b"-");
        }
        match self {
            Self::Small(d) => {
                let mut digits = [0; 39];
                text.push(decimal_digits(d.magnitude, &mut digits));
            }
            Self::Wide(w) => {
                for digit in &w.digits[..w.len] {
                    text.push(&[b'0' + digit]);
                }
            }
        }
        text.push(if scale > 0 { b"e-" } else { b"e" });
        let mut digits = [0; 39];
        text.push(decimal_digits(scale.unsigned_abs().into(), &mut digits));
        std::str::from_utf8(&text.bytes[..text.len]).ok()?.parse().ok()
    }

    /// Appends the length and the body of a NUMERIC in binary form.
    pub fn put(&self, out: &mut Out) {
        match self {
            Self::Small(decimal) => decimal.put(out),
            Self::Wide(wide) => wide.put(out),
        }
    }
}

/// A text built on the stack. What does not fit is left out; 128 bytes hold any number here.
struct Text {
    bytes: [u8; 128],
    len: usize,
}

impl Text {
    fn push(&mut self, text: &[u8]) {
        for &byte in text {
            if let Some(slot) = self.bytes.get_mut(self.len) {
                *slot = byte;
                self.len += 1;
            }
        }
    }
}

fn decimal_digits(mut value: u128, buffer: &mut [u8; 39]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 || at == 0 {
            return &buffer[at..];
        }
    }
}

/// Appends length, head and base-10000 digits, the most significant first.
pub(in crate::sink::postgres) fn put_groups<'a>(
    out: &mut Out,
    negative: bool,
    scale: i32,
    weight: i32,
    groups: impl ExactSizeIterator<Item = &'a u16>,
) {
    let count = groups.len();
    out.put_i32(8 + 2 * count as i32);
    out.put_i16(count as i16);
    out.put_i16(if count == 0 { 0 } else { weight as i16 });
    out.put_u16(if negative { 0x4000 } else { 0 });
    out.put_u16(scale.max(0) as u16);
    for group in groups {
        out.put_u16(*group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads the wire form back as text with all digits of its scale.
    fn text(number: Number) -> String {
        let mut out = Out::new();
        number.put(&mut out);
        let out = out.written();
        let word = |i: usize| i16::from_be_bytes([out[4 + 2 * i], out[5 + 2 * i]]);
        let (count, weight, negative, scale) = (word(0), word(1), word(2) != 0, word(3));
        assert_eq!(out.len(), 12 + 2 * count as usize);
        assert_eq!(i32::from_be_bytes(out[..4].try_into().unwrap()), 8 + 2 * i32::from(count));
        let group = |place: i16| {
            let at = weight - place;
            if (0..count).contains(&at) { word(4 + at as usize) } else { 0 }
        };
        let mut whole: String = (0..=weight.max(0)).rev().map(|p| format!("{:04}", group(p))).collect();
        whole = whole.trim_start_matches('0').to_owned();
        let fraction: String = (1..=(scale + 3) / 4).map(|p| format!("{:04}", group(-p))).collect();
        let point = if scale > 0 { "." } else { "" };
        let whole = if whole.is_empty() { "0" } else { &whole };
        format!("{}{whole}{point}{}", if negative { "-" } else { "" }, &fraction[..scale as usize])
    }

    fn decimal(value: i128, scale: i8) -> Number {
        Number::from_i128(value, scale)
    }

    #[test]
    fn one_number_has_one_form() {
        for number in
            [decimal(150, 2), decimal(15, 1), decimal(1_500_000_000, 9), Number::from_f64(1.5).unwrap()]
        {
            assert_eq!(number, decimal(15, 1));
            assert_eq!(text(number), "1.5");
        }
        assert_eq!(text(Number::from_f64(-0.0).unwrap()), "0");
        assert_eq!(text(decimal(0, 8)), "0");
    }

    #[test]
    fn floats_are_their_shortest_form() {
        for (value, expected) in [
            (0.1, "0.1"),
            (187.23, "187.23"),
            (1e21, "1000000000000000000000"),
            (123_456_789.123_456_78, "123456789.12345678"),
            (1e-7, "0.0000001"),
            (0.30000000000000004, "0.30000000000000004"),
            (-2.5e-10, "-0.00000000025"),
            (9_007_199_254_740_993.0, "9007199254740992"),
        ] {
            assert_eq!(text(Number::from_f64(value).unwrap()), expected);
        }
        assert_eq!(text(Number::from_f32(0.1).unwrap()), "0.1");
        assert_eq!(Number::from_f64(f64::NAN), None);
        assert_eq!(Number::from_f64(f64::INFINITY), None);
    }

    #[test]
    fn numbers_fit_as_the_server_says() {
        for (number, precision, scale, fit) in [
            (decimal(99_999, 3), 5, 3, Fit::Exact),
            (decimal(99_9995, 4), 5, 3, Fit::Overflow),
            (decimal(99_9994, 4), 5, 3, Fit::Rounded),
            (decimal(1_000_000_000_000, 0), 20, 8, Fit::Overflow),
            (decimal(999_999_999_999, 0), 20, 8, Fit::Exact),
            (decimal(4, 1), 1, 0, Fit::Rounded),
            (decimal(12_345, 0), 3, -2, Fit::Rounded),
            (decimal(99_950, 0), 3, -2, Fit::Overflow),
            (decimal(1, 60), 5, 2, Fit::Rounded),
            (decimal(5, 3), 2, 4, Fit::Exact),
            (decimal(1, 2), 2, 4, Fit::Overflow),
            (Number::from_f64(1e300).unwrap(), 20, 8, Fit::Overflow),
        ] {
            assert_eq!(number.fit(precision, scale), fit, "{number:?} ({precision},{scale})");
        }
    }

    #[test]
    fn integers_are_exact_or_refused() {
        assert_eq!(decimal(50, 1).integer(false), Ok((5, false)));
        assert_eq!(Number::from_f64(25_643_711.0).unwrap().integer(false), Ok((25_643_711, false)));
        assert_eq!(decimal(55, 1).integer(false), Err(NoInteger::Fraction));
        assert_eq!(decimal(-55, 1).integer(true), Ok((-6, true)));
        assert_eq!(decimal(i128::from(i64::MIN), 0).integer(false), Ok((i64::MIN, false)));
        assert_eq!(Number::from_u64(u64::MAX).integer(false), Err(NoInteger::Range));
        assert_eq!(Number::from_f64(1e300).unwrap().integer(true), Err(NoInteger::Range));
        assert_eq!(Number::from_f64(1e18).unwrap().integer(false), Ok((1_000_000_000_000_000_000, false)));
    }

    fn wide(digits: &str, scale: i8) -> Number {
        Number::from_i256(i256::from_string(digits).unwrap(), scale)
    }

    #[test]
    fn wide_decimals_are_exact_too() {
        let digits = "-123456789012345678901234567890123456789012345678901234567890";
        let number = wide(digits, 18);
        assert!(matches!(number, Number::Wide(_)));
        assert_eq!(text(number), "-123456789012345678901234567890123456789012.34567890123456789");
        assert_eq!(number.fit(60, 18), Fit::Exact);
        assert_eq!(number.fit(60, 17), Fit::Exact);
        assert_eq!(number.fit(60, 16), Fit::Rounded);
        assert_eq!(number.fit(50, 16), Fit::Overflow);
        assert_eq!(number.double(), -123456789012345678901234567890123456789012.34567890123456789);
        assert_eq!(number.integer(true), Err(NoInteger::Range));
        let nines = wide(&"9".repeat(50), 40);
        assert_eq!(nines.fit(20, 10), Fit::Overflow);
        assert_eq!(nines.fit(21, 10), Fit::Rounded);
        assert_eq!(nines.integer(true), Ok((10_000_000_000, true)));
        assert_eq!(wide("100000000000000000000000000000000000000000", 40), decimal(10, 0));
    }

    proptest! {
        #[test]
        fn the_wire_form_reads_back(value in any::<i128>(), scale in 0i8..38) {
            let number = decimal(value, scale);
            let mut digits = value.unsigned_abs().to_string();
            while digits.len() <= scale as usize {
                digits.insert(0, '0');
            }
            let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            let sign = if value < 0 { "-" } else { "" };
            prop_assert_eq!(text(number), format!("{sign}{whole}{point}{fraction}"));
            prop_assert_eq!(number, wide(&value.to_string(), scale));
        }

        #[test]
        fn floats_survive(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            let number = Number::from_f64(value).unwrap();
            prop_assert_eq!(number.double(), value);
        }

        #[test]
        fn prices_take_the_short_way_to_the_same_form(cents in -1_000_000_000_000i64..1_000_000_000_000, scale in 0i8..6) {
            let value: f64 = format!("{cents}e-{scale}").parse().unwrap();
            prop_assert_eq!(Number::from_f64(value).unwrap(), decimal(cents.into(), scale));
        }
    }
}
