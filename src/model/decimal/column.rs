//! What a number becomes in a column of a store: rounded, an integer, or a float.

use super::{Decimal, POWERS, count_digits, raised};

/// How a number goes into `numeric(precision, scale)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// As it is.
    Exact,
    /// Rounded.
    Rounded,
    /// Not at all.
    Overflow,
}

/// Why a number is not an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoInteger {
    /// It has a fraction.
    Fraction,
    /// It is beyond 64 bits.
    Range,
}

impl Decimal {
    /// The number rounded to so many decimals, half away from zero, as PostgreSQL rounds; negative ones
    /// round to tens, hundreds and so on.
    #[must_use]
    pub fn rounded(&self, decimals: i32) -> Self {
        match self {
            Self::Small { mantissa, scale } if *scale > decimals => {
                let (mantissa, _) = cut(*mantissa, scale - decimals);
                Self::Small { mantissa, scale: decimals }
            }
            Self::Long(long) if long.scale > decimals => {
                let kept = long.digits.len() as i32 - (long.scale - decimals);
                // The first digit that is cut off decides alone.
                let Ok(kept) = usize::try_from(kept) else { return Self::ZERO };
                let mut digits = long.digits[..kept].to_vec();
                if long.digits[kept] >= 5 {
                    let nines = digits.iter().rev().take_while(|digit| **digit == 9).count();
                    digits.truncate(kept - nines);
                    match digits.last_mut() {
                        Some(digit) => *digit += 1,
                        None => digits.push(1),
                    }
                    return Self::of_digits(long.negative, digits, decimals - nines as i32);
                }
                Self::of_digits(long.negative, digits, decimals)
            }
            as_it_is => as_it_is.clone(),
        }
    }

    /// How it goes into `numeric(precision, scale)`.
    pub fn fit(&self, precision: i32, scale: i32) -> Fit {
        // Digits before the point, counted from the first that is not zero.
        let whole = |number: &Self| match number {
            Self::Small { mantissa: 0, .. } => i32::MIN,
            Self::Small { mantissa, scale } => count_digits(mantissa.unsigned_abs()) - scale,
            Self::Long(long) => long.digits.len() as i32 - long.scale,
        };
        let own = match self {
            Self::Small { scale, .. } => *scale,
            Self::Long(long) => long.scale,
        };
        if own <= scale {
            return if whole(self) <= precision - scale { Fit::Exact } else { Fit::Overflow };
        }
        let rounded = self.rounded(scale);
        if whole(&rounded) > precision - scale {
            Fit::Overflow
        } else if rounded == *self {
            Fit::Exact
        } else {
            Fit::Rounded
        }
    }

    /// The number as an integer, and whether it was rounded to be one.
    ///
    /// # Errors
    /// Where it is beyond 64 bits, or has a fraction that is not to be rounded.
    pub fn integer(&self, round: bool) -> Result<(i64, bool), NoInteger> {
        let (mantissa, rounded) = match self {
            Self::Small { mantissa, scale } if *scale > 0 => cut(*mantissa, *scale),
            Self::Small { mantissa, scale } => (raised(*mantissa, -scale).ok_or(NoInteger::Range)?, false),
            Self::Long(long) if long.scale > 0 => match self.rounded(0) {
                Self::Small { mantissa, scale } => (raised(mantissa, -scale).unwrap_or(i128::MAX), true),
                Self::Long(_) => (i128::MAX, true),
            },
            Self::Long(_) => return Err(NoInteger::Range),
        };
        if rounded && !round {
            return Err(NoInteger::Fraction);
        }
        i64::try_from(mantissa).map(|value| (value, rounded)).map_err(|_| NoInteger::Range)
    }

    /// The nearest double; infinite where it is too large.
    pub fn double(&self) -> f64 {
        /// Largest power of ten that a double holds exactly.
        const EXACT: i32 = 22;
        if let Self::Small { mantissa, scale } = self.clone().normalised()
            && mantissa.unsigned_abs() < 1 << 53
            && (-EXACT..=EXACT).contains(&scale)
        {
            // Both are exact, so that the one division or product rounds once.
            #[expect(clippy::cast_precision_loss, reason = "below 2^53 and 10^22: exact")]
            let (value, power) = (mantissa as f64, POWERS[scale.unsigned_abs() as usize] as f64);
            return if scale > 0 { value / power } else { value * power };
        }
        self.parsed().unwrap_or(f64::NAN)
    }

    /// The nearest float of single precision.
    pub fn single(&self) -> f32 {
        self.parsed().unwrap_or(f32::NAN)
    }

    /// Reads the digits as text, which rounds correctly at any size.
    fn parsed<F: std::str::FromStr>(&self) -> Option<F> {
        self.spelled(|negative, digits, scale| {
            format!("{}{digits}e{}", if negative { "-" } else { "" }, -i64::from(scale)).parse().ok()
        })
    }
}

/// The mantissa without its last digits, rounded half away from zero, and whether they were anything.
fn cut(mantissa: i128, digits: i32) -> (i128, bool) {
    let Some(&power) = usize::try_from(digits).ok().and_then(|digits| POWERS.get(digits)) else {
        // 10^39 is more than twice any mantissa.
        return (0, mantissa != 0);
    };
    let (whole, rest) = match (i64::try_from(mantissa), i64::try_from(power)) {
        (Ok(mantissa), Ok(power)) => ((mantissa / power).into(), (mantissa % power).into()),
        _ => (mantissa / power, mantissa % power),
    };
    let up = rest.unsigned_abs() >= power.unsigned_abs().div_ceil(2);
    (whole + if up { mantissa.signum() } else { 0 }, rest != 0)
}
