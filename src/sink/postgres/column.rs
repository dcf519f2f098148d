//! A column of a batch, fitted once to the column of the table that it goes into, so that each of
//! its cells is written by a short piece of code of its own.
//!
//! What has no such piece, and every value that is not plain, goes the general way of
//! [`Goal::put`], which gives the same bytes.

use arrow_array::{Array, StringArray};
use arrow_buffer::NullBuffer;
use uuid::Uuid;

use super::digits::{Cell, cell, short_decimal};
use super::encode::{EPOCH_SECONDS, Goal, MICROS, Rules, put_uuid};
use super::out::Out;
use super::refusal::Refusal;
use super::source::{Numbers, Source};
use super::types::ColumnType;
use crate::dataset::time::to_micros;

/// Which numbers a NUMERIC column takes as they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Most decimals.
    scale: u32,
    /// Digits before the point.
    whole: u32,
}

impl Bounds {
    const NONE: Self = Self { scale: u32::MAX, whole: u32::MAX };

    /// Whether that number, of which the cell was made, is stored as it is.
    #[inline]
    fn take(&self, magnitude: u64, scale: u32, cell: &Cell) -> bool {
        // A number of up to 19 digits before the point.
        cell.scale <= self.scale
            && (self.whole >= 20
                || POWERS.get((self.whole + scale) as usize).is_none_or(|limit| magnitude < *limit))
    }
}

/// Powers of ten that fit 64 bits.
const POWERS: [u64; 20] = {
    let mut powers = [1u64; 20];
    let mut i = 1;
    while i < 20 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// A column, ready to be written cell by cell.
#[derive(Debug)]
pub(super) struct Column<'a> {
    /// The column as it is.
    source: Source<'a>,
    nulls: Option<&'a NullBuffer>,
    way: Way<'a>,
}

#[derive(Debug)]
enum Way<'a> {
    /// Instants into a time of full precision.
    Micros {
        nanos: &'a [i64],
        floor: bool,
    },
    /// Text without zero bytes, of up to so many bytes without a look at its characters.
    Text {
        texts: &'a StringArray,
        most: usize,
    },
    /// Text that is a UUID; the last one is kept, since neighbours often share it.
    Uuid {
        texts: &'a StringArray,
        last: Option<(&'a str, Uuid)>,
    },
    /// Doubles, integers and decimals into NUMERIC.
    DoubleToNumeric {
        values: &'a [f64],
        bounds: Bounds,
    },
    IntegerToNumeric {
        values: &'a [i64],
        bounds: Bounds,
    },
    DecimalToNumeric {
        values: &'a [i128],
        scale: u32,
        bounds: Bounds,
    },
    /// Doubles and integers as they are.
    Double(&'a [f64]),
    Integer(&'a [i64]),
    /// The general way.
    General,
}

impl<'a> Column<'a> {
    /// The column on its way into `goal`.
    pub fn new(goal: &Goal, source: Source<'a>, rules: Rules) -> Self {
        use ColumnType as T;
        let bounds = match goal.type_ {
            T::Numeric(None) => Some(Bounds::NONE),
            T::Numeric(Some((precision, scale))) if scale >= 0 && precision >= scale => {
                Some(Bounds { scale: scale.unsigned_abs(), whole: (precision - scale).unsigned_abs() })
            }
            _ => None,
        };
        let (nulls, way) = match (source, goal.type_, bounds) {
            (Source::Time(times), T::Timestamp(6) | T::Timestamptz(6), _) if !rules.exact || goal.floor => {
                (times.nulls(), Way::Micros { nanos: times.values(), floor: goal.floor })
            }
            (Source::Text(texts), T::Text, _) if plain(texts) => {
                (texts.nulls(), Way::Text { texts, most: usize::MAX })
            }
            (Source::Text(texts), T::Varchar(limit), _) if plain(texts) => {
                (texts.nulls(), Way::Text { texts, most: limit.unwrap_or(usize::MAX) })
            }
            (Source::Text(texts), T::Uuid, _) => (texts.nulls(), Way::Uuid { texts, last: None }),
            (Source::Number(Numbers::F64(values)), T::Float8, _) => {
                (values.nulls(), Way::Double(values.values()))
            }
            (Source::Number(Numbers::I64(values)), T::Int8, _) => {
                (values.nulls(), Way::Integer(values.values()))
            }
            (Source::Number(Numbers::F64(values)), _, Some(bounds)) => {
                (values.nulls(), Way::DoubleToNumeric { values: values.values(), bounds })
            }
            (Source::Number(Numbers::I64(values)), _, Some(bounds)) => {
                (values.nulls(), Way::IntegerToNumeric { values: values.values(), bounds })
            }
            (Source::Number(Numbers::D128(values, scale @ 0..=38)), _, Some(bounds)) => (
                values.nulls(),
                Way::DecimalToNumeric {
                    values: values.values(),
                    scale: u32::from(scale.unsigned_abs()),
                    bounds,
                },
            ),
            _ => (None, Way::General),
        };
        Self { source, nulls, way }
    }

    /// Appends the cell of that row, and says whether its value is rounded. On a refusal something
    /// may have been appended; the caller takes it back.
    #[inline]
    pub fn put(&mut self, goal: &Goal, row: usize, rules: Rules, out: &mut Out) -> Result<bool, Refusal> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return goal.put_null(out);
        }
        let made = match &mut self.way {
            Way::Micros { nanos, floor } => {
                let (micros, rounded) = to_micros(nanos[row], *floor);
                let micros = micros - EPOCH_SECONDS * 1_000_000;
                // An instant of 64 bits of nanoseconds lies well within the type's range.
                debug_assert!(MICROS.contains(&micros));
                out.put_eight(micros.to_be_bytes());
                return Ok(rounded);
            }
            Way::Text { texts, most } => {
                let text = texts.value(row).as_bytes();
                if text.len() <= *most && text.len() <= i32::MAX as usize {
                    out.put_i32(text.len() as i32);
                    out.put_slice(text);
                    return Ok(false);
                }
                None
            }
            Way::Uuid { texts, last } => {
                let text = texts.value(row);
                match last {
                    Some((same, id)) if *same == text => put_uuid(id, out),
                    _ => {
                        let id = Uuid::try_parse(text).map_err(|_| Refusal::NoUuid)?;
                        put_uuid(&id, out);
                        *last = Some((text, id));
                    }
                }
                return Ok(false);
            }
            Way::DoubleToNumeric { values, bounds } => short_decimal(values[row])
                .and_then(|(negative, magnitude, scale)| fitting(negative, magnitude, scale, *bounds)),
            Way::IntegerToNumeric { values, bounds } => {
                fitting(values[row] < 0, values[row].unsigned_abs(), 0, *bounds)
            }
            Way::DecimalToNumeric { values, scale, bounds } => u64::try_from(values[row].unsigned_abs())
                .ok()
                .and_then(|magnitude| fitting(values[row] < 0, magnitude, *scale, *bounds)),
            Way::Double(values) if values[row].is_finite() => {
                out.put_eight(values[row].to_be_bytes());
                return Ok(false);
            }
            Way::Integer(values) => {
                out.put_eight(values[row].to_be_bytes());
                return Ok(false);
            }
            Way::Double(_) | Way::General => None,
        };
        match made {
            Some(cell) => {
                out.put_block(&cell.bytes, cell.len);
                Ok(false)
            }
            None => goal.put(self.source, row, rules, out),
        }
    }
}

/// The cell of the number, if the column stores it as it is.
#[inline]
fn fitting(negative: bool, magnitude: u64, scale: u32, bounds: Bounds) -> Option<Cell> {
    let cell = cell(negative, magnitude, scale);
    bounds.take(magnitude, scale, &cell).then_some(cell)
}

/// Whether no text of the column has a zero byte, which the server takes in none.
fn plain(texts: &StringArray) -> bool {
    let offsets = texts.value_offsets();
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return true };
    let used = texts.value_data().get(*first as usize..*last as usize);
    used.is_some_and(|bytes| memchr::memchr(0, bytes).is_none())
}
