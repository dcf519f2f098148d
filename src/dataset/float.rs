//! Text into floats of a column that holds floats: the nearest one, of any size that there is.

use arrow::array::PrimitiveArray;
use arrow::datatypes::ArrowPrimitiveType;

use crate::model::decimal::NumberError;
use crate::model::text::Texts;

/// A float that text can be read as.
pub trait Float: Copy + std::str::FromStr {
    /// Whether it is neither infinite nor no number.
    fn finite(self) -> bool;
    /// Whether it is zero.
    fn zero(self) -> bool;
    /// What it says where it is not a number.
    fn word(self) -> &'static str;
}

impl Float for f64 {
    fn finite(self) -> bool {
        self.is_finite()
    }

    fn word(self) -> &'static str {
        if self.is_nan() {
            "NaN"
        } else if self > 0.0 {
            "inf"
        } else {
            "-inf"
        }
    }

    fn zero(self) -> bool {
        self == 0.0
    }
}

impl Float for f32 {
    fn finite(self) -> bool {
        self.is_finite()
    }

    fn word(self) -> &'static str {
        if self.is_nan() {
            "NaN"
        } else if self > 0.0 {
            "inf"
        } else {
            "-inf"
        }
    }

    fn zero(self) -> bool {
        self == 0.0
    }
}

/// Reads a number as the nearest float.
///
/// # Errors
/// Syntax; [`NumberError::TooLong`] where it is too large, or so small that nothing would be left.
pub fn parse<F: Float>(text: &str) -> Result<F, NumberError> {
    let digits = text.trim_start_matches(['+', '-']);
    // Words are no numbers here, not even `inf`.
    if text.len() - digits.len() > 1 || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(NumberError::Syntax);
    }
    let value: F = text.parse().map_err(|_| NumberError::Syntax)?;
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    if !value.finite() || value.zero() && mantissa.bytes().any(|b| matches!(b, b'1'..=b'9')) {
        return Err(NumberError::TooLong);
    }
    Ok(value)
}

/// Reads a column; `fault` is told of each row that is not a number, with its text without blanks, and
/// has the say whether it is null nevertheless.
pub fn column<T: ArrowPrimitiveType>(
    texts: Texts<'_>,
    mut fault: impl FnMut(usize, &str, NumberError),
) -> PrimitiveArray<T>
where
    T::Native: Float,
{
    let read = |(row, text): (usize, Option<&str>)| {
        let text = text?.trim();
        parse::<T::Native>(text).map_err(|error| fault(row, text, error)).ok()
    };
    texts.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_there_is_is_read() {
        for (text, value) in [
            ("5e-324", f64::from_bits(1)),
            ("-1.7976931348623157e308", f64::MIN),
            ("0e-999", 0.0),
            (".5", 0.5),
            ("+2.", 2.0),
            ("0.1", 0.1),
        ] {
            assert_eq!(parse::<f64>(text), Ok(value), "{text}");
        }
        assert_eq!(parse::<f32>("1e-45"), Ok(f32::from_bits(1)));
        for text in ["1e400", "-1e309", "1e-400"] {
            assert_eq!(parse::<f64>(text), Err(NumberError::TooLong), "{text}");
        }
        assert_eq!(parse::<f32>("3.5e38"), Err(NumberError::TooLong));
        for text in ["", "inf", "nan", "-infinity", "--1", "1e", "0x1", "1,5", "e5", "."] {
            assert_eq!(parse::<f64>(text), Err(NumberError::Syntax), "{text}");
        }
    }
}
