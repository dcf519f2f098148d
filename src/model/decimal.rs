//! A number, exactly: what the numbers of every input become, and what those of every store are made of.
//!
//! Trailing zeros are not data: 1.50 and 1.5 are the same number, and the stores write the same bytes
//! for both, so that a row is the same row whether it came as CSV text, as a JSON number or as a Parquet
//! double. A binary float counts as its shortest decimal form, the one that reads back as the same float.

mod column;
mod product;
mod short;

use std::cmp::Ordering;
use std::fmt::Write as _;

use arrow::datatypes::i256;

pub use column::{Fit, NoInteger};

/// Most digits that are written out in full; numbers of more are written with an exponent.
pub const MAX_DIGITS: usize = 76;

/// Most digits before the point of any number: those of PostgreSQL's `numeric`.
const MOST_WHOLE: i64 = 131_072;

/// Most digits behind it.
const MOST_DECIMALS: i64 = 16_383;

/// Digits that every [`Decimal::Small`] has room for.
pub const SMALL_DIGITS: usize = 38;

/// Powers of ten that fit 128 bits.
pub const POWERS: [i128; SMALL_DIGITS + 1] = {
    let mut powers = [1i128; SMALL_DIGITS + 1];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// The first number that [`SMALL_DIGITS`] do not hold.
pub const ROOM: u128 = POWERS[SMALL_DIGITS].unsigned_abs();

/// Why a text is not a number that can be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// It is not a number.
    Syntax,
    /// No store has room for so many digits.
    TooLong,
}

/// A finite number. Equality and order are those of numbers.
#[derive(Debug, Clone)]
pub enum Decimal {
    /// `mantissa / 10^scale`, which nearly all are.
    Small {
        /// The digits, with the sign.
        mantissa: i128,
        /// Digits behind the point; negative for zeros before it that the mantissa has no room for.
        scale: i32,
    },
    /// A number of more than [`SMALL_DIGITS`] digits.
    Long(Box<Digits>),
}

/// `digits / 10^scale`, with a sign; neither the first nor the last digit is zero.
#[derive(Debug, Clone)]
pub struct Digits {
    negative: bool,
    digits: Vec<u8>,
    scale: i32,
}

impl Digits {
    /// Whether the number is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The digits from 0 to 9, the most significant first.
    pub fn digits(&self) -> &[u8] {
        &self.digits
    }

    /// Digits behind the point; negative for zeros before it.
    pub fn scale(&self) -> i32 {
        self.scale
    }
}

/// A double of up to four or eight decimals, as most prices and sizes are: whether it is negative, and
/// its size as `magnitude / 10^scale`.
#[inline]
pub fn short_decimal(value: f64) -> Option<(bool, u64, u32)> {
    /// Below 10^15 every decimal has a double of its own, so one of that many digits that divides back to
    /// the double is the double's shortest decimal form.
    const SURE: f64 = 1e15;
    let size = value.abs();
    for (power, scale) in [(1e4, 4), (1e8, 8)] {
        let scaled = size * power;
        if scaled >= SURE {
            return None;
        }
        let nearest = (scaled + 0.5) as u64;
        #[expect(clippy::cast_precision_loss, reason = "below 10^15")]
        let back = nearest as f64 / power;
        if back == size {
            return Some((value < 0.0, nearest, scale));
        }
    }
    None
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self::Small { mantissa: 0, scale: 0 };

    /// Reads a decimal: sign, digits with an optional point, optional exponent. No blanks, no thousands
    /// separators.
    ///
    /// # Errors
    /// Where the text is not a number, or one that no store has room for.
    #[inline]
    pub fn parse(text: &[u8]) -> Result<Self, NumberError> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        match short::short(digits).or_else(|| short::longer(digits)) {
            Some((mantissa, scale)) => {
                let mantissa = i128::from(mantissa);
                Ok(Self::Small { mantissa: if negative { -mantissa } else { mantissa }, scale: scale as i32 })
            }
            None => Self::parse_any(negative, digits),
        }
    }

    /// Reads a decimal of any length.
    #[cold]
    fn parse_any(negative: bool, text: &[u8]) -> Result<Self, NumberError> {
        let (body, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (mut point, mut ends) = (None, None);
        for (i, &b) in body.iter().enumerate() {
            match b {
                b'.' if point.is_none() => point = Some(i),
                b'0' => {}
                b'1'..=b'9' => ends = Some((ends.map_or(i, |(first, _)| first), i)),
                _ => return Err(NumberError::Syntax),
            }
        }
        if body.len() == usize::from(point.is_some()) {
            return Err(NumberError::Syntax);
        }
        // From the first to the last digit that is not zero.
        let Some((first, last)) = ends else { return Ok(Self::ZERO) };
        let point = point.unwrap_or(body.len());
        let digits = body[first..=last].iter().filter(|b| **b != b'.').map(|b| b - b'0');
        let count = (last - first + 1 - usize::from((first..last).contains(&point))) as i64;
        let behind = if last > point { (last - point) as i64 } else { last as i64 + 1 - point as i64 };
        let scale = behind - exponent;
        if count - scale > MOST_WHOLE || scale > MOST_DECIMALS {
            return Err(NumberError::TooLong);
        }
        let scale = i32::try_from(scale).map_err(|_| NumberError::TooLong)?;
        if count <= SMALL_DIGITS as i64 {
            let mantissa = digits.fold(0, |mantissa, digit| mantissa * 10 + i128::from(digit));
            return Ok(Self::small(if negative { -mantissa } else { mantissa }, scale));
        }
        Ok(Self::of_digits(negative, digits.collect(), scale))
    }

    /// The number with its zeros before the point in the mantissa, as far as they have room.
    fn small(mantissa: i128, scale: i32) -> Self {
        match raised(mantissa, -scale) {
            Some(full) if scale < 0 && full.unsigned_abs() < ROOM => Self::Small { mantissa: full, scale: 0 },
            _ => Self::Small { mantissa, scale },
        }
    }

    /// The number of digits from 0 to 9, whatever zeros there are at their ends.
    fn of_digits(negative: bool, mut digits: Vec<u8>, mut scale: i32) -> Self {
        while digits.last() == Some(&0) {
            digits.pop();
            scale -= 1;
        }
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        // Negative numbers reach one further, so the value is built below zero.
        let below = |m: i128, digit: &u8| m.checked_mul(10)?.checked_sub(i128::from(*digit));
        let mantissa = digits.iter().try_fold(0, below);
        match mantissa.and_then(|m| if negative { Some(m) } else { m.checked_neg() }) {
            Some(0) => Self::ZERO,
            Some(mantissa) if mantissa.unsigned_abs() < ROOM => Self::small(mantissa, scale),
            _ => Self::Long(Box::new(Digits { negative, digits, scale })),
        }
    }

    /// `value / 10^scale` of 256 bits.
    pub fn from_i256(value: i256, scale: i8) -> Self {
        match value.to_i128().filter(|mantissa| mantissa.unsigned_abs() < ROOM) {
            Some(mantissa) => Self::small(mantissa, scale.into()),
            None => {
                let text = value.to_string();
                let digits = text.trim_start_matches('-').bytes().map(|b| b.wrapping_sub(b'0')).collect();
                Self::of_digits(text.starts_with('-'), digits, scale.into())
            }
        }
    }

    /// The shortest decimal that reads back as this double; `None` for NaN and the infinities.
    pub fn from_f64(value: f64) -> Option<Self> {
        if let Some((negative, magnitude, scale)) = short_decimal(value) {
            let mantissa = i128::from(magnitude);
            return Some(Self::Small {
                mantissa: if negative { -mantissa } else { mantissa },
                scale: scale as i32,
            });
        }
        if !value.is_finite() {
            return None;
        }
        Self::parse(zmij::Buffer::new().format_finite(value).as_bytes()).ok()
    }

    /// The shortest decimal that reads back as this float of single precision; that of the double of the same
    /// value has more digits.
    pub fn from_f32(value: f32) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        Self::parse(zmij::Buffer::new().format_finite(value).as_bytes()).ok()
    }

    /// This number with the fewest digits behind the point: no trailing zeros there.
    #[must_use]
    pub fn normalised(self) -> Self {
        let Self::Small { mantissa, mut scale } = self else { return self };
        if mantissa == 0 {
            return Self::ZERO;
        }
        if scale < 0 {
            return Self::small(mantissa, scale);
        }
        let mut mantissa = mantissa;
        loop {
            // Most mantissas fit 64 bits, where a division costs a tenth.
            if let Ok(mut narrow) = i64::try_from(mantissa) {
                while scale > 0 && narrow % 10 == 0 {
                    narrow /= 10;
                    scale -= 1;
                }
                return Self::Small { mantissa: narrow.into(), scale };
            }
            let (step, power) =
                if scale >= 8 && mantissa % POWERS[8] == 0 { (8, POWERS[8]) } else { (1, 10) };
            if scale < step || mantissa % power != 0 {
                return Self::Small { mantissa, scale };
            }
            mantissa /= power;
            scale -= step;
        }
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        matches!(self, Self::Small { mantissa: 0, .. })
    }

    /// Whether it is written with at most [`MAX_DIGITS`] digits, and as many behind the point.
    pub fn is_short(&self) -> bool {
        let (digits, scale) = match self {
            Self::Small { mantissa, scale } => (count_digits(mantissa.unsigned_abs()), *scale),
            Self::Long(long) => (long.digits.len() as i32, long.scale),
        };
        digits + (-scale).max(0) <= MAX_DIGITS as i32 && scale <= MAX_DIGITS as i32
    }

    /// Whether so many digits say it; zeros at its ends do not count.
    pub fn is_within(&self, digits: usize) -> bool {
        match self {
            Self::Small { mantissa, .. } => {
                let mut rest = mantissa.unsigned_abs();
                while count_digits(rest) > digits as i32 {
                    if rest % 10 != 0 {
                        return false;
                    }
                    rest /= 10;
                }
                true
            }
            Self::Long(long) => long.digits.len() <= digits,
        }
    }

    /// The number as `value / 10^scale` of 256 bits, where it is short.
    pub fn wide(&self) -> Option<(i256, u8)> {
        if !self.is_short() {
            return None;
        }
        let ten = i256::from_i128(10);
        let (value, scale) = match self {
            Self::Small { mantissa, scale } => (i256::from_i128(*mantissa), *scale),
            Self::Long(long) => {
                let next = |value: i256, digit: &u8| {
                    value.wrapping_mul(ten).wrapping_add(i256::from_i128((*digit).into()))
                };
                let value = long.digits.iter().fold(i256::ZERO, next);
                (if long.negative { value.wrapping_neg() } else { value }, long.scale)
            }
        };
        let value = (scale..0).fold(value, |value, _| value.wrapping_mul(ten));
        u8::try_from(scale.max(0)).ok().map(|scale| (value, scale))
    }

    /// Writes the number without trailing zeros: in full where it is [short](Self::is_short), else as its
    /// digits and an exponent (`-125e-90`). One number has one such form.
    pub fn write(&self, out: &mut String) {
        if self.is_short() {
            return self.write_plain(out);
        }
        self.spelled(|negative, digits, scale| {
            let kept = digits.trim_end_matches('0');
            let exponent = (digits.len() - kept.len()) as i32 - scale;
            out.push_str(if negative { "-" } else { "" });
            out.push_str(kept);
            if exponent != 0 {
                // Writing into a text cannot fail.
                let _ = write!(out, "e{exponent}");
            }
        });
    }

    /// Writes the number in full, however long it is, without trailing zeros.
    pub fn write_plain(&self, out: &mut String) {
        self.clone().normalised().spelled(|negative, digits, scale| {
            out.push_str(if negative { "-" } else { "" });
            let zeros = |count: usize| std::iter::repeat_n('0', count);
            let Ok(decimals) = usize::try_from(scale) else {
                out.push_str(digits);
                return out.extend(zeros(scale.unsigned_abs() as usize));
            };
            let whole = digits.len().saturating_sub(decimals);
            out.push_str(if whole == 0 { "0" } else { &digits[..whole] });
            if decimals > 0 {
                out.push('.');
                out.extend(zeros(decimals.saturating_sub(digits.len())));
                out.push_str(&digits[whole..]);
            }
        });
    }

    /// Calls `then` with the sign, the digits as text, and the scale.
    fn spelled<R>(&self, then: impl FnOnce(bool, &str, i32) -> R) -> R {
        match self {
            Self::Small { mantissa, scale } => {
                let mut buffer = [0; SMALL_DIGITS + 1];
                then(*mantissa < 0, spell(mantissa.unsigned_abs(), &mut buffer), *scale)
            }
            Self::Long(long) => {
                let digits: String = long.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
                then(long.negative, &digits, long.scale)
            }
        }
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::Small { mantissa: value.into(), scale: 0 }
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        // A mantissa that has no room at the other's scale is beyond it.
        let beyond = |mantissa: i128| if mantissa > 0 { Ordering::Greater } else { Ordering::Less };
        match (self, other) {
            (Self::Small { mantissa: a, scale: s }, Self::Small { mantissa: b, scale: t }) => {
                if s <= t {
                    raised(*a, t - s).map_or(beyond(*a), |a| a.cmp(b))
                } else {
                    raised(*b, s - t).map_or(beyond(*b).reverse(), |b| a.cmp(&b))
                }
            }
            _ => {
                // By sign, by the place of the first digit, and by the digits.
                let parts = |number: &Self| {
                    number.spelled(|negative, digits, scale| {
                        let first = if number.is_zero() { i32::MIN } else { digits.len() as i32 - scale };
                        (negative, (first, digits.trim_end_matches('0').to_owned()))
                    })
                };
                match (parts(self), parts(other)) {
                    ((false, a), (false, b)) => a.cmp(&b),
                    ((true, a), (true, b)) => b.cmp(&a),
                    ((a, _), (b, _)) => b.cmp(&a),
                }
            }
        }
    }
}

/// The mantissa with so many zeros behind it, if it has room for them.
#[inline]
fn raised(mantissa: i128, zeros: i32) -> Option<i128> {
    if zeros == 0 || mantissa == 0 {
        return Some(mantissa);
    }
    mantissa.checked_mul(*POWERS.get(usize::try_from(zeros).ok()?)?)
}

/// How many decimal digits there are; none for zero.
fn count_digits(value: u128) -> i32 {
    let count = match u64::try_from(value) {
        Ok(small) => small.checked_ilog10(),
        Err(_) => value.checked_ilog10(),
    };
    count.map_or(0, |log| log as i32 + 1)
}

fn spell(value: u128, buffer: &mut [u8; SMALL_DIGITS + 1]) -> &str {
    const NINETEEN: u128 = POWERS[19].unsigned_abs();
    let mut at = buffer.len();
    let mut put = |mut rest: u64, digits: usize| {
        let end = at.saturating_sub(digits);
        while at > 0 && (rest != 0 || at > end) {
            at -= 1;
            buffer[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    };
    let mut value = value;
    while value > u128::from(u64::MAX) {
        put((value % NINETEEN) as u64, 19);
        value /= NINETEEN;
    }
    put(value as u64, 1);
    // Only ASCII was written.
    std::str::from_utf8(&buffer[at..]).unwrap_or_default()
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

#[cfg(test)]
mod tests;
