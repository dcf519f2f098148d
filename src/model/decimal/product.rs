//! Numbers multiplied, exactly.

use super::{Decimal, MOST_DECIMALS, MOST_WHOLE, NumberError, ROOM};

impl Decimal {
    /// This number multiplied by that one, every digit kept.
    ///
    /// # Errors
    /// [`NumberError::TooLong`], where no store has room for it.
    pub fn times(&self, factor: &Self) -> Result<Self, NumberError> {
        let short = match (self, factor) {
            (Self::Small { mantissa: a, scale: s }, Self::Small { mantissa: b, scale: t }) => {
                let mantissa = a.checked_mul(*b).filter(|mantissa| mantissa.unsigned_abs() < ROOM);
                mantissa.zip(s.checked_add(*t)).map(|(mantissa, scale)| Self::small(mantissa, scale))
            }
            _ => None,
        };
        let product = short.unwrap_or_else(|| self.times_long(factor)).normalised_if_long();
        let (digits, scale) = product.spelled(|_, digits, scale| (digits.len() as i64, i64::from(scale)));
        match digits - scale > MOST_WHOLE || scale > MOST_DECIMALS {
            true => Err(NumberError::TooLong),
            false => Ok(product),
        }
    }

    /// Digit by digit.
    #[cold]
    fn times_long(&self, factor: &Self) -> Self {
        self.spelled(|negative, own, scale| {
            factor.spelled(|other_negative, others, other_scale| {
                let (own, others) = (own.as_bytes(), others.as_bytes());
                let mut cells = vec![0u64; own.len() + others.len()];
                for (i, a) in own.iter().rev().enumerate() {
                    for (j, b) in others.iter().rev().enumerate() {
                        if let Some(cell) = cells.get_mut(i + j) {
                            *cell += u64::from(a - b'0') * u64::from(b - b'0');
                        }
                    }
                }
                let mut carried = 0;
                for cell in &mut cells {
                    carried += *cell;
                    *cell = carried % 10;
                    carried /= 10;
                }
                let digits = cells.iter().rev().map(|digit| *digit as u8).collect();
                Self::of_digits(negative != other_negative, digits, scale.saturating_add(other_scale))
            })
        })
    }

    /// Without zeros at its end, where it has so many decimals that they may be what is too long.
    fn normalised_if_long(self) -> Self {
        match self {
            Self::Small { scale, .. } if i64::from(scale) > MOST_DECIMALS => self.normalised(),
            other => other,
        }
    }
}
