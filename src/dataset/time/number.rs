//! Times that are written as numbers: epochs of a unit, dates as digits.

use crate::dataset::time::order::DateOrder;
use crate::dataset::time::unit::{
    DOTNET_1970, FILETIME_1970, Shape, Unit, is_short_stamp, of_digits, of_short_stamp, shape_of,
};
use crate::dataset::time::zone::Place;
use crate::dataset::time::{TimeError, TimeReader, calendar};
use crate::model::decimal::Decimal;

impl TimeReader {
    /// Reads a whole number: an epoch, or a date in digits.
    pub fn integer(&mut self, value: i64) -> Result<i64, TimeError> {
        if let Some(format) = self.options.format.clone() {
            return self.formatted(&format, &value.to_string());
        }
        let (low, high, nanos) = self.plain;
        if (low..high).contains(&value) && !self.days {
            return Ok(value * nanos);
        }
        self.number(i128::from(value), 0, width(i128::from(value)))
    }

    /// Reads a number with a fraction.
    pub fn float(&mut self, value: f64) -> Result<i64, TimeError> {
        if !value.is_finite() {
            return Err(TimeError::Syntax);
        }
        match Decimal::from_f64(value).as_ref().and_then(small_of) {
            Some((value, scale)) => self.number(value, scale, width(split(value, scale).0)),
            None => Err(TimeError::Range),
        }
    }

    /// A number that is `value / 10^scale`, of so many digits before the point.
    pub(super) fn number(&mut self, value: i128, scale: u32, width: usize) -> Result<i64, TimeError> {
        let ten_to = 10i128.checked_pow(scale).ok_or(TimeError::Syntax)?;
        let (whole, part) = (value / ten_to, value % ten_to != 0);
        if let Some(unit) = self.options.unit {
            return self.in_unit(unit, value, ten_to, width);
        }
        if self.stamps && !part && is_short_stamp_in(whole, width, self.options.order) {
            let order = self.options.order;
            let day = |fields| order.and_then(|order| order.day(fields, false).ok());
            return match of_short_stamp(whole, width, day) {
                Some((days, nanos)) => self.compose(days, nanos, Place::Unsaid),
                None => {
                    self.refused = (Shape::ShortStamp, whole);
                    Err(TimeError::Count)
                }
            };
        }
        if let Some(unit) = self.unit
            && unit.is_plausible(whole)
        {
            return self.epoch(unit, value, ten_to);
        }
        let stated = self.options.order.filter(|_| !part).and_then(|order| in_order(whole, width, order));
        if let Some(days) = stated {
            return self.compose(days, 0, Place::Unsaid);
        }
        let ten = self.digits == Some(10) && width == 10 && !part && of_digits(whole, 10).is_some();
        let shape = if ten { Shape::Digits(10) } else { shape_of(whole, width, part) };
        self.refused = (shape, whole);
        match (shape, self.unit, self.digits) {
            (Shape::Epoch(_), Some(_), _) => Err(TimeError::OtherUnit),
            (Shape::Epoch(_), None, Some(_)) => Err(TimeError::OtherForm),
            (Shape::Epoch(unit), None, None) => {
                self.settle(unit);
                self.epoch(unit, value, ten_to)
            }
            (Shape::Digits(digits), None, known) if known.is_none_or(|known| known == digits) => {
                self.digits = Some(digits);
                let (days, nanos) = of_digits(whole, digits).ok_or(TimeError::NoSuchTime)?;
                self.compose(days, nanos, Place::Unsaid)
            }
            (Shape::Digits(_), ..) => Err(TimeError::OtherForm),
            (Shape::Unknown, ..) => Err(TimeError::Range),
            _ => Err(TimeError::Count),
        }
    }

    /// A number of the unit that the user gave.
    pub(super) fn in_unit(
        &mut self,
        unit: Unit,
        value: i128,
        ten_to: i128,
        width: usize,
    ) -> Result<i64, TimeError> {
        let whole = value / ten_to;
        if unit.nanos().is_some() {
            if !unit.is_plausible(whole) {
                let shape = shape_of(whole, width, value % ten_to != 0);
                if matches!(shape, Shape::Epoch(_) | Shape::Digits(_)) {
                    // A sound number of another kind: among sound ones of this it is none of them.
                    if self.fits {
                        self.refused = (shape, whole);
                        return Err(TimeError::OtherUnit);
                    }
                    self.odd.0 += 1;
                    self.odd.1.get_or_insert(shape);
                }
            }
            return self.epoch(unit, value, ten_to);
        }
        let ticks = |since: i128| value.checked_sub(since.checked_mul(ten_to)?)?.checked_mul(100);
        match unit {
            Unit::Filetime => {
                let nanos = ticks(FILETIME_1970).ok_or(TimeError::Range)?.div_euclid(ten_to);
                self.instant(nanos)
            }
            Unit::Dotnet => {
                let nanos = ticks(DOTNET_1970).ok_or(TimeError::Range)?.div_euclid(ten_to);
                self.local_nanos(nanos)
            }
            Unit::Day | Unit::Excel => {
                // The 29th of February 1900, which spreadsheets count, was none.
                let since = match (unit, whole) {
                    (Unit::Day, _) => 0,
                    (_, 61..) => 25_569,
                    (_, 0..=59) => 25_568,
                    _ => return Err(TimeError::NoSuchTime),
                };
                let scaled = value.checked_sub(since * ten_to).and_then(|days| days.checked_mul(86_400_000));
                // A double holds a day of our time to less than a microsecond; spreadsheets to the
                // millisecond.
                let millis = (scaled.ok_or(TimeError::Range)? + ten_to / 2).div_euclid(ten_to);
                self.local_nanos(millis.checked_mul(1_000_000).ok_or(TimeError::Range)?)
            }
            Unit::Month | Unit::Year if value % ten_to != 0 => Err(TimeError::NoSuchTime),
            _ => {
                let whole = i64::try_from(whole).map_err(|_| TimeError::Range)?;
                let (year, month) = if unit == Unit::Month { (whole / 100, whole % 100) } else { (whole, 1) };
                if !(1000..=9999).contains(&year) {
                    return Err(TimeError::NoSuchTime);
                }
                self.compose(calendar::days_of(year, month, 1)?, 0, Place::Unsaid)
            }
        }
    }

    /// An epoch of `value / ten_to` units.
    pub(super) fn epoch(&mut self, unit: Unit, value: i128, ten_to: i128) -> Result<i64, TimeError> {
        let nanos = i128::from(unit.nanos().ok_or(TimeError::Range)?);
        let product = value.checked_mul(nanos).ok_or(TimeError::Range)?;
        self.instant(product.div_euclid(ten_to))
    }
}

/// A date of six or eight digits in the order that the user gave.
pub(super) fn in_order(value: i128, width: usize, order: DateOrder) -> Option<i64> {
    let value = i64::try_from(value).ok().filter(|value| *value > 0)?;
    let (a, b, c, long) = match (width, order) {
        (6, _) => (value / 10_000, value / 100 % 100, value % 100, false),
        (8, DateOrder::Dmy | DateOrder::Mdy) => {
            (value / 1_000_000, value / 10_000 % 100, value % 10_000, true)
        }
        _ => return None,
    };
    if long && !(1800..=2261).contains(&c) {
        return None;
    }
    order.day([a, b, c], long).ok()
}

/// Whether it is a date with a year of two and a time of day, in that order or in the usual one.
pub(super) fn is_short_stamp_in(value: i128, width: usize, order: Option<DateOrder>) -> bool {
    match order {
        Some(order) => of_short_stamp(value, width, |fields| order.day(fields, false).ok()).is_some(),
        None => is_short_stamp(value, width),
    }
}

/// Whether a number is written with fewer digits than it has, as in `1.61E+12`: programs that write `E+` cut
/// off what does not fit in, while those that write it in full do so without the sign.
pub(super) fn is_shortened(text: &[u8], whole: i128) -> bool {
    let Some(end) = text.iter().position(|b| matches!(b, b'e' | b'E')) else { return false };
    let digits = text.iter().take(end).filter(|b| b.is_ascii_digit()).count();
    text.get(end + 1) == Some(&b'+') && digits < width(whole) && whole.unsigned_abs() < 10_000_000_000_000_000
}

/// The number that a text is, if it is one of up to 38 digits.
pub(super) fn small(text: &[u8]) -> Option<(i128, u32)> {
    small_of(&Decimal::parse(text).ok()?)
}

/// The number as a value of up to 38 digits and its decimals.
pub(super) fn small_of(number: &Decimal) -> Option<(i128, u32)> {
    match number {
        Decimal::Small { mantissa, scale } if number.is_short() => {
            Some((*mantissa, u32::try_from(*scale).ok()?))
        }
        _ => None,
    }
}

/// The whole part of `value / 10^scale`, and whether there is a fraction.
pub(super) fn split(value: i128, scale: u32) -> (i128, bool) {
    match 10i128.checked_pow(scale) {
        Some(ten_to) => (value / ten_to, value % ten_to != 0),
        None => (0, value != 0),
    }
}

/// Digits of a whole number.
pub(super) fn width(value: i128) -> usize {
    value.unsigned_abs().checked_ilog10().map_or(1, |digits| digits as usize + 1)
}

/// Digits of the whole part as they are written: with the zeros before them.
pub(super) fn width_of(text: &[u8], leading: usize, whole: i128) -> usize {
    if text.iter().any(|b| matches!(b, b'e' | b'E')) { width(whole) } else { leading.max(width(whole)) }
}
