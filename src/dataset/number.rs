//! Exact numbers: text and binary floats into decimal columns, and comparison across types.
//!
//! A number is `mantissa * 10^-scale`. Trailing zeros are not data: 1.50 and 1.5 are the same
//! number, and the stores write the same bytes for both, so that a row is the same row whether
//! it came as CSV text, as a JSON number or as a Parquet double.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Decimal128Array, Decimal256Array, LargeStringArray, PrimitiveArray, cast::AsArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use arrow::datatypes::i256;
use arrow::datatypes::{Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type};

/// Most digits of a [`Number`]; longer ones travel as text, see [`long`].
pub const MAX_DIGITS: usize = 76;

/// Most digits before the point of any number: those of PostgreSQL's `numeric`.
const MOST_WHOLE: i64 = 131_072;

/// Most digits behind it.
const MOST_DECIMALS: i64 = 16_383;

/// Why a text is no number that can be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// It is no number.
    Syntax,
    /// It has more than [`MAX_DIGITS`] digits.
    TooLong,
}

/// A parsed number: small when the digits fit 38, which nearly all do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Mantissa of up to 38 digits and scale.
    Small(i128, u8),
    /// Mantissa of up to 76 digits and scale.
    Large(i256, u8),
}

/// Reads a decimal: sign, digits with an optional point, optional exponent. No blanks, no
/// thousands separators.
pub fn parse(text: &[u8]) -> Result<Number, NumberError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    // 18 digits and a point always fit an i64: the common case, without checks for overflow.
    if digits.is_empty() || digits.len() > 19 {
        return parse_long(negative, digits);
    }
    let mut mantissa: u64 = 0;
    let mut point = None;
    for (i, &b) in digits.iter().enumerate() {
        let digit = b.wrapping_sub(b'0');
        if digit < 10 {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if b == b'.' && point.is_none() {
            point = Some(i);
        } else {
            return parse_long(negative, digits);
        }
    }
    let scale = match point {
        Some(_) if digits.len() == 1 => return Err(NumberError::Syntax),
        Some(at) => digits.len() - at - 1,
        None if digits.len() == 19 => return parse_long(negative, digits),
        None => 0,
    };
    let mantissa = i128::from(mantissa);
    Ok(Number::Small(if negative { -mantissa } else { mantissa }, scale as u8))
}

#[cold]
fn parse_long(negative: bool, text: &[u8]) -> Result<Number, NumberError> {
    let (body, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let mut digits: Vec<u8> = Vec::with_capacity(body.len().min(2 * MAX_DIGITS));
    let (mut seen, mut fraction, mut in_fraction) = (false, 0i64, false);
    // Zeros are only written once a digit follows them, so that a long run of them costs nothing.
    let mut zeros = 0usize;
    for &b in body {
        match b {
            b'.' if !in_fraction => in_fraction = true,
            b'0'..=b'9' => {
                seen = true;
                fraction += i64::from(in_fraction);
                if b == b'0' {
                    zeros += usize::from(!digits.is_empty());
                } else {
                    if digits.len() + zeros >= MAX_DIGITS {
                        return Err(NumberError::TooLong);
                    }
                    digits.resize(digits.len() + zeros, 0);
                    zeros = 0;
                    digits.push(b - b'0');
                }
            }
            _ => return Err(NumberError::Syntax),
        }
    }
    if !seen {
        return Err(NumberError::Syntax);
    }
    if digits.is_empty() {
        return Ok(Number::Small(0, 0));
    }
    // `digits` is free of trailing zeros; those cut off are given back by the scale.
    let mut scale = fraction - exponent - zeros as i64;
    if scale < 0 {
        if digits.len() as i64 - scale > MAX_DIGITS as i64 {
            return Err(NumberError::TooLong);
        }
        digits.resize(digits.len() + (-scale) as usize, 0);
        scale = 0;
    }
    if scale > MAX_DIGITS as i64 {
        return Err(NumberError::TooLong);
    }
    let scale = scale as u8;
    if digits.len() <= 38 {
        let mantissa = digits.iter().fold(0i128, |m, &d| m * 10 + i128::from(d));
        return Ok(Number::Small(if negative { -mantissa } else { mantissa }, scale));
    }
    let ten = i256::from_i128(10);
    let mantissa = digits
        .iter()
        .fold(i256::ZERO, |m, &d| m.wrapping_mul(ten).wrapping_add(i256::from_i128(i128::from(d))));
    Ok(Number::Large(if negative { mantissa.wrapping_neg() } else { mantissa }, scale))
}

fn parse_exponent(text: &[u8]) -> Result<i64, NumberError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::Syntax);
    }
    let value = digits.iter().fold(0i64, |v, d| (v * 10 + i64::from(d - b'0')).min(1_000_000));
    Ok(if negative { -value } else { value })
}

/// Reads a decimal of any length in the form in which it travels where a [`Number`] does not hold it:
/// its digits from the first to the last that is not zero, and an exponent (`-125e-90`). One number has
/// one such form.
///
/// # Errors
/// [`NumberError::TooLong`] where no store has room for it.
#[cold]
pub fn long(text: &[u8]) -> Result<String, NumberError> {
    let (sign, rest) = match text {
        [b'-', rest @ ..] => ("-", rest),
        [b'+', rest @ ..] => ("", rest),
        rest => ("", rest),
    };
    let (body, exponent) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&rest[..at], parse_exponent(&rest[at + 1..])?),
        None => (rest, 0),
    };
    let mut points = body.split(|b| *b == b'.');
    let (whole, fraction) = (points.next().unwrap_or_default(), points.next().unwrap_or_default());
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    if points.next().is_some() || whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return Err(NumberError::Syntax);
    }
    let all: Vec<u8> = whole.iter().chain(fraction).copied().skip_while(|b| *b == b'0').collect();
    let kept = all.iter().rposition(|b| *b != b'0').map_or(0, |last| last + 1);
    if kept == 0 {
        return Ok("0".to_owned());
    }
    let exponent = exponent - fraction.len() as i64 + (all.len() - kept) as i64;
    if kept as i64 + exponent > MOST_WHOLE || -exponent > MOST_DECIMALS {
        return Err(NumberError::TooLong);
    }
    let mut out = String::with_capacity(kept + 8);
    out.push_str(sign);
    out.extend(all.iter().take(kept).map(|b| char::from(*b)));
    if exponent != 0 {
        out.push('e');
        out.push_str(&exponent.to_string());
    }
    Ok(out)
}

impl Number {
    /// The same number without trailing zeros in its fraction.
    pub fn normalised(self) -> Self {
        match self {
            Self::Small(mut m, mut s) => {
                if let (Ok(mut narrow), true) = (i64::try_from(m), s > 0) {
                    while s > 0 && narrow % 10 == 0 {
                        narrow /= 10;
                        s -= 1;
                    }
                    return Self::Small(i128::from(narrow), s);
                }
                while s > 0 && m % 10 == 0 {
                    m /= 10;
                    s -= 1;
                }
                Self::Small(m, s)
            }
            Self::Large(mut m, mut s) => {
                let ten = i256::from_i128(10);
                while s > 0 && m.wrapping_rem(ten) == i256::ZERO {
                    m = m.wrapping_div(ten);
                    s -= 1;
                }
                match m.to_i128() {
                    Some(small) => Self::Small(small, s),
                    None => Self::Large(m, s),
                }
            }
        }
    }

    /// The number rounded to so many decimals, half away from zero, as PostgreSQL rounds.
    pub fn rounded(self, scale: u8) -> Self {
        match self {
            Self::Small(m, s) if s > scale => match POWERS.get(usize::from(s - scale)) {
                Some(&power) => {
                    let (whole, rest) = (m / power, m % power);
                    let up = rest.unsigned_abs() >= power.unsigned_abs().div_ceil(2);
                    Self::Small(whole + if up { m.signum() } else { 0 }, scale)
                }
                None => Self::Small(0, scale),
            },
            Self::Large(m, s) if s > scale => {
                let ten = i256::from_i128(10);
                let (mut whole, mut last) = (m, i256::ZERO);
                for _ in scale..s {
                    last = whole.wrapping_rem(ten);
                    whole = whole.wrapping_div(ten);
                }
                // The first digit that is cut off decides alone.
                if last >= i256::from_i128(5) {
                    whole = whole.wrapping_add(i256::ONE);
                } else if last <= i256::from_i128(-5) {
                    whole = whole.wrapping_sub(i256::ONE);
                }
                Self::Large(whole, scale).normalised()
            }
            as_it_is => as_it_is,
        }
    }

    /// Writes the plain decimal form, without exponent and without trailing zeros.
    pub fn write(self, out: &mut String) {
        let (digits, scale) = match self.normalised() {
            Self::Small(m, s) => (m.to_string(), usize::from(s)),
            Self::Large(m, s) => (m.to_string(), usize::from(s)),
        };
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", digits.as_str()),
        };
        out.push_str(sign);
        if scale == 0 {
            out.push_str(digits);
            return;
        }
        let whole = digits.len().saturating_sub(scale);
        out.push_str(if whole == 0 { "0" } else { &digits[..whole] });
        out.push('.');
        out.extend(std::iter::repeat_n('0', scale.saturating_sub(digits.len())));
        out.push_str(&digits[whole..]);
    }

    fn widened(self) -> (i256, u8) {
        match self {
            Self::Small(m, s) => (i256::from_i128(m), s),
            Self::Large(m, s) => (m, s),
        }
    }
}

/// The shortest decimal that reads back as this float; `None` for NaN and the infinities, and for
/// magnitudes beyond [`MAX_DIGITS`] digits.
pub fn of_f64(value: f64) -> Option<Number> {
    if !value.is_finite() {
        return None;
    }
    parse(zmij::Buffer::new().format_finite(value).as_bytes()).ok()
}

/// As [`of_f64`], shortest for single precision.
pub fn of_f32(value: f32) -> Option<Number> {
    if !value.is_finite() {
        return None;
    }
    parse(zmij::Buffer::new().format_finite(value).as_bytes()).ok()
}

/// Powers of ten that fit an `i128`.
const POWERS: [i128; 39] = {
    let mut powers = [1i128; 39];
    let mut i = 1;
    while i < 39 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Collects numbers of any scale into one decimal column of their largest scale, or into one of texts
/// where no decimal holds all of them.
#[derive(Debug, Default)]
pub struct NumberBuilder {
    mantissas: Vec<i128>,
    scales: Vec<u8>,
    valid: Vec<bool>,
    nulls: usize,
    large: Vec<(usize, i256)>,
    long: Vec<(usize, String)>,
    max_scale: u8,
    mixed: bool,
}

impl NumberBuilder {
    /// An empty builder with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            mantissas: Vec::with_capacity(rows),
            scales: Vec::with_capacity(rows),
            valid: Vec::with_capacity(rows),
            ..Self::default()
        }
    }

    /// Appends a number.
    pub fn push(&mut self, number: Number) {
        let (mantissa, scale) = match number {
            Number::Small(m, s) => (m, s),
            Number::Large(m, s) => {
                self.large.push((self.mantissas.len(), m));
                (0, s)
            }
        };
        if scale != self.max_scale {
            self.mixed |= !self.mantissas.is_empty();
            self.max_scale = self.max_scale.max(scale);
        }
        self.mantissas.push(mantissa);
        self.scales.push(scale);
        self.valid.push(true);
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        self.mantissas.push(0);
        self.scales.push(self.max_scale);
        self.valid.push(false);
        self.nulls += 1;
    }

    /// Appends a number as [`long`] has it.
    pub fn push_long(&mut self, number: String) {
        self.long.push((self.mantissas.len(), number));
        self.mantissas.push(0);
        self.scales.push(self.max_scale);
        self.valid.push(true);
    }

    /// The column: `Decimal128(38, s)`, `Decimal256(76, s)` where 38 digits do not hold all, and
    /// `LargeUtf8` where 76 do not: then every number is its digits as text.
    pub fn finish(self) -> ArrayRef {
        if !self.long.is_empty() {
            return self.finish_as_text();
        }
        let nulls = (self.nulls > 0).then(|| NullBuffer::from(self.valid.clone()));
        if self.large.is_empty()
            && let Some(values) = self.rescaled()
        {
            let array = Decimal128Array::new(ScalarBuffer::from(values), nulls);
            let scale = self.max_scale as i8;
            if let Ok(array) = array.with_precision_and_scale(38, scale) {
                return Arc::new(array);
            }
        }
        self.finish_wide()
    }

    /// The mantissas at the largest scale, if 38 digits hold them.
    fn rescaled(&self) -> Option<Vec<i128>> {
        if self.max_scale > 38 {
            return None;
        }
        if !self.mixed {
            // The first value may still have come below a larger initial scale of zero.
            return Some(self.mantissas.clone());
        }
        self.mantissas
            .iter()
            .zip(&self.scales)
            .map(|(&m, &s)| {
                let value = m.checked_mul(POWERS[usize::from(self.max_scale - s)])?;
                (value.unsigned_abs() < POWERS[38].unsigned_abs()).then_some(value)
            })
            .collect()
    }

    #[cold]
    fn finish_wide(self) -> ArrayRef {
        match self.widened() {
            Some(wide) => Arc::new(wide),
            None => self.finish_as_text(),
        }
    }

    /// All numbers at the largest scale, if 76 digits hold them.
    fn widened(&self) -> Option<Decimal256Array> {
        let mut wide: Vec<i256> = self.mantissas.iter().map(|&m| i256::from_i128(m)).collect();
        for &(row, value) in &self.large {
            *wide.get_mut(row)? = value;
        }
        let ten = i256::from_i128(10);
        let limit = (0..MAX_DIGITS).fold(i256::ONE, |v, _| v.wrapping_mul(ten));
        for (value, scale) in wide.iter_mut().zip(&self.scales) {
            for _ in *scale..self.max_scale {
                let scaled = value.checked_mul(ten);
                *value = scaled.filter(|v| *v < limit && *v > limit.wrapping_neg())?;
            }
        }
        let nulls = Some(NullBuffer::from(self.valid.clone()));
        let array = Decimal256Array::new(ScalarBuffer::from(wide), nulls);
        array.with_precision_and_scale(MAX_DIGITS as u8, self.max_scale as i8).ok()
    }

    #[cold]
    fn finish_as_text(self) -> ArrayRef {
        let large: std::collections::HashMap<usize, i256> = self.large.into_iter().collect();
        let mut long = self.long.into_iter().peekable();
        let mut texts = arrow::array::LargeStringBuilder::with_capacity(self.valid.len(), 0);
        let mut text = String::new();
        for (row, valid) in self.valid.iter().enumerate() {
            if let Some((_, digits)) = long.next_if(|(at, _)| *at == row) {
                texts.append_value(digits);
            } else if !valid {
                texts.append_null();
            } else {
                text.clear();
                match large.get(&row) {
                    Some(value) => Number::Large(*value, self.scales[row]).write(&mut text),
                    None => Number::Small(self.mantissas[row], self.scales[row]).write(&mut text),
                }
                texts.append_value(&text);
            }
        }
        Arc::new(texts.finish())
    }
}

/// A number column of any type in which numbers travel, read one value at a time.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// Whole numbers.
    Int(&'a PrimitiveArray<Int64Type>),
    /// Doubles.
    Float(&'a PrimitiveArray<Float64Type>),
    /// Single-precision floats.
    Single(&'a PrimitiveArray<Float32Type>),
    /// Decimals and their scale.
    Decimal(&'a PrimitiveArray<Decimal128Type>, u8),
    /// Wide decimals and their scale.
    Wide(&'a PrimitiveArray<Decimal256Type>, u8),
    /// Numbers of any length as text, as [`NumberBuilder`] makes them.
    Digits(&'a LargeStringArray),
}

impl<'a> Numbers<'a> {
    /// The view of an array, or `None` where it holds no numbers.
    pub fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Int64 => Self::Int(array.as_primitive()),
            DataType::Float64 => Self::Float(array.as_primitive()),
            DataType::Float32 => Self::Single(array.as_primitive()),
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive(), u8::try_from(*scale).ok()?),
            DataType::Decimal256(_, scale) => Self::Wide(array.as_primitive(), u8::try_from(*scale).ok()?),
            DataType::LargeUtf8 => Self::Digits(array.as_string()),
            _ => return None,
        })
    }

    /// The number in `row`; `None` where it is null, NaN or infinite, or longer than [`MAX_DIGITS`]
    /// (see [`Numbers::long`]).
    pub fn get(&self, row: usize) -> Option<Number> {
        match self {
            Self::Int(a) => a.is_valid(row).then(|| Number::Small(i128::from(a.value(row)), 0)),
            Self::Float(a) => a.is_valid(row).then(|| of_f64(a.value(row))).flatten(),
            Self::Single(a) => a.is_valid(row).then(|| of_f32(a.value(row))).flatten(),
            Self::Decimal(a, s) => a.is_valid(row).then(|| Number::Small(a.value(row), *s)),
            Self::Wide(a, s) => a.is_valid(row).then(|| Number::Large(a.value(row), *s)),
            Self::Digits(a) => a.is_valid(row).then(|| parse(a.value(row).as_bytes()).ok()).flatten(),
        }
    }

    /// The number in `row` that [`Numbers::get`] has none for, as [`long`] has it.
    #[cold]
    pub fn long(&self, row: usize) -> Option<String> {
        match self {
            Self::Float(a) if a.is_valid(row) && a.value(row).is_finite() => {
                long(zmij::Buffer::new().format_finite(a.value(row)).as_bytes()).ok()
            }
            Self::Single(a) if a.is_valid(row) && a.value(row).is_finite() => {
                long(zmij::Buffer::new().format_finite(a.value(row)).as_bytes()).ok()
            }
            Self::Digits(a) if a.is_valid(row) => Some(a.value(row).to_owned()),
            _ => None,
        }
    }

    /// The nearest double; what is longer than [`MAX_DIGITS`] is compared by it.
    fn nearest(&self, row: usize) -> Option<f64> {
        match self.get(row) {
            Some(number) => {
                let mut text = String::new();
                number.write(&mut text);
                text.parse().ok()
            }
            None => self.long(row)?.parse().ok(),
        }
    }

    /// Whether the number is below zero.
    pub fn is_negative(&self, row: usize) -> bool {
        match self {
            Self::Int(a) => a.value(row) < 0 && a.is_valid(row),
            Self::Float(a) => a.value(row) < 0.0 && a.is_valid(row),
            Self::Single(a) => a.value(row) < 0.0 && a.is_valid(row),
            Self::Decimal(a, _) => a.value(row) < 0 && a.is_valid(row),
            Self::Wide(a, _) => a.value(row) < i256::ZERO && a.is_valid(row),
            Self::Digits(a) => a.is_valid(row) && a.value(row).starts_with('-'),
        }
    }

    /// Compares two rows' numbers; `None` where one is missing.
    pub fn compare(&self, other: &Self, row: usize) -> Option<Ordering> {
        match (self, other) {
            (Self::Decimal(a, s), Self::Decimal(b, t)) if s == t => {
                (a.is_valid(row) && b.is_valid(row)).then(|| a.value(row).cmp(&b.value(row)))
            }
            (Self::Float(a), Self::Float(b)) => (a.is_valid(row) && b.is_valid(row))
                .then(|| a.value(row).partial_cmp(&b.value(row)))
                .flatten(),
            _ => match (self.get(row), other.get(row)) {
                (Some(a), Some(b)) => Some(compare(a, b)),
                _ => self.nearest(row)?.partial_cmp(&other.nearest(row)?),
            },
        }
    }
}

/// Compares two numbers exactly.
pub fn compare(a: Number, b: Number) -> Ordering {
    if let (Number::Small(a, s), Number::Small(b, t)) = (a, b) {
        if s == t {
            return a.cmp(&b);
        }
        let up = |m: i128, by: u8| POWERS.get(usize::from(by)).and_then(|p| m.checked_mul(*p));
        let pair = if s < t { (up(a, t - s), Some(b)) } else { (Some(a), up(b, s - t)) };
        if let (Some(a), Some(b)) = pair {
            return a.cmp(&b);
        }
    }
    let ((mut a, s), (mut b, t)) = (a.widened(), b.widened());
    let ten = i256::from_i128(10);
    // Scales differ by at most 76: a factor that overflows decides by sign and size alone.
    for _ in s..t {
        match a.checked_mul(ten) {
            Some(v) => a = v,
            None => return if a > i256::ZERO { Ordering::Greater } else { Ordering::Less },
        }
    }
    for _ in t..s {
        match b.checked_mul(ten) {
            Some(v) => b = v,
            None => return if b > i256::ZERO { Ordering::Less } else { Ordering::Greater },
        }
    }
    a.cmp(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        parse(text.as_bytes()).unwrap().write(&mut out);
        out
    }

    #[test]
    fn reads_what_vendors_write() {
        for (text, exact) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("150.2500", "150.25"),
            ("+7", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1.5E-7", "0.00000015"),
            ("25643711.0", "25643711"),
            ("0.123456789012345678", "0.123456789012345678"),
            ("99999999999999999999.123456789012345678", "99999999999999999999.123456789012345678"),
            ("9223372036854775808", "9223372036854775808"),
            ("1234567890123456789012345678901234567890.5", "1234567890123456789012345678901234567890.5"),
            ("0.00000000000000000000000000000000000000000000000000", "0"),
            ("000000000000000000000000000000000000000000000012.50", "12.5"),
        ] {
            assert_eq!(shown(text), exact, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["", "-", ".", "1.2.3", "1,000", "abc", "1e", "e5", "0x10", "--1", "1 ", "NaN", "1e5e5"] {
            assert_eq!(parse(text.as_bytes()), Err(NumberError::Syntax), "{text}");
        }
        assert_eq!(parse(b"1e99"), Err(NumberError::TooLong));
        assert_eq!(parse(b"1e-99"), Err(NumberError::TooLong));
        assert_eq!(parse(b"1e999999999999999999999"), Err(NumberError::TooLong));
        assert_eq!(parse("7".repeat(77).as_bytes()), Err(NumberError::TooLong));
    }

    #[test]
    fn one_column_holds_mixed_scales_exactly() {
        let texts = ["1", "2.5", "0.123456789012345678", "-3.10"];
        let mut builder = NumberBuilder::default();
        for text in texts {
            builder.push(parse(text.as_bytes()).unwrap());
        }
        builder.push_null();
        let array = builder.finish();
        let view = Numbers::of(&array).unwrap();
        for (row, text) in texts.iter().enumerate() {
            assert_eq!(compare(view.get(row).unwrap(), parse(text.as_bytes()).unwrap()), Ordering::Equal);
        }
        assert_eq!(view.get(4), None);
    }

    #[test]
    fn wide_numbers_widen_the_column() {
        let texts = ["123456789012345678901234567890123456789012", "0.00000001", "5"];
        let mut builder = NumberBuilder::default();
        for text in texts {
            builder.push(parse(text.as_bytes()).unwrap());
        }
        let array = builder.finish();
        assert!(matches!(array.data_type(), DataType::Decimal256(76, 8)));
        let view = Numbers::of(&array).unwrap();
        for (row, text) in texts.iter().enumerate() {
            let mut out = String::new();
            view.get(row).unwrap().write(&mut out);
            assert_eq!(out, *text);
        }
    }

    #[test]
    fn magnitudes_far_apart_stand_side_by_side_as_text() {
        let mut builder = NumberBuilder::default();
        let texts = ["1e60", "1e-60", "-2.50", "1e80", "-12e-90"];
        for text in texts {
            match parse(text.as_bytes()) {
                Ok(number) => builder.push(number),
                Err(_) => builder.push_long(long(text.as_bytes()).unwrap()),
            }
        }
        builder.push_null();
        let array = builder.finish();
        let view = Numbers::of(&array).unwrap();
        assert!(matches!(view, Numbers::Digits(_)) && array.is_null(5));
        for (row, text) in texts.iter().enumerate().take(3) {
            assert_eq!(compare(view.get(row).unwrap(), parse(text.as_bytes()).unwrap()), Ordering::Equal);
        }
        assert_eq!((view.long(3).as_deref(), view.long(4).as_deref()), (Some("1e80"), Some("-12e-90")));
        assert_eq!((view.get(3), view.is_negative(4), view.is_negative(3)), (None, true, false));
        assert_eq!(view.compare(&view, 3), Some(Ordering::Equal));
    }

    #[test]
    fn a_long_number_has_one_form() {
        for (text, form) in [
            ("1e80", "1e80"),
            ("0010.00e79", "1e80"),
            ("-0.000e5", "0"),
            ("+12.50e-100", "125e-101"),
            (".5", "5e-1"),
        ] {
            assert_eq!(long(text.as_bytes()).as_deref(), Ok(form), "{text}");
        }
        for text in ["", ".", "1.2.3", "1e", "x", "1e5.0"] {
            assert_eq!(long(text.as_bytes()), Err(NumberError::Syntax), "{text}");
        }
        for text in ["1e131072", "1e-16384", "1e99999999999"] {
            assert_eq!(long(text.as_bytes()), Err(NumberError::TooLong), "{text}");
        }
        assert!(long(b"1e131071").is_ok() && long(b"1e-16383").is_ok());
    }

    #[test]
    fn floats_take_their_shortest_form() {
        let text = |n: Option<Number>| {
            let mut out = String::new();
            n.unwrap().write(&mut out);
            out
        };
        assert_eq!(text(of_f64(0.1)), "0.1");
        assert_eq!(text(of_f32(0.1)), "0.1");
        assert_eq!(text(of_f64(1e21)), "1000000000000000000000");
        assert_eq!(text(of_f64(-1.5e-9)), "-0.0000000015");
        assert_eq!(of_f64(f64::NAN), None);
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        for (text, scale, rounded) in [
            ("5.001234", 2, "5"),
            ("2.345", 2, "2.35"),
            ("-2.345", 2, "-2.35"),
            ("0.5", 0, "1"),
            ("7", 2, "7"),
        ] {
            let mut out = String::new();
            parse(text.as_bytes()).unwrap().rounded(scale).write(&mut out);
            assert_eq!(out, rounded);
            let wide = format!("{text}0000000000000000000000000000000000000000001");
            if text.contains('.') {
                let mut out = String::new();
                parse(wide.as_bytes()).unwrap().rounded(scale).write(&mut out);
                assert_eq!(out, rounded, "{wide}");
            }
        }
    }

    #[test]
    fn comparison_is_exact_across_scales() {
        let n = |t: &str| parse(t.as_bytes()).unwrap();
        assert_eq!(compare(n("1.50"), n("1.5")), Ordering::Equal);
        assert_eq!(compare(n("1e70"), n("1e-70")), Ordering::Greater);
        assert_eq!(compare(n("-1e70"), n("1e-70")), Ordering::Less);
        assert_eq!(compare(n("0.1"), n("0.10000000000000000001")), Ordering::Less);
    }
}
