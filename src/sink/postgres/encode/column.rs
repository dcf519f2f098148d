//! A column of a batch, fitted once to the column of the table that it goes into, so that each of
//! its cells is made by a short piece of code of its own.
//!
//! Cells are made column by column for a block of rows: such a loop waits for many values at once,
//! where one that goes row by row waits for each. What has no piece of its own, and every value that
//! is not plain, goes the general way of [`EncodeTarget::put`], which gives the same bytes.

use arrow::array::{Array, PrimitiveArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int32Type;
use uuid::Uuid;

use crate::batch::Pick;
use crate::dataset::time::to_micros;
use crate::model::decimal::short_decimal;
use crate::model::values::{Numbers, Values};
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::digits::{Digits, digits};
use crate::sink::postgres::encode::encoder::{BLOCK, EPOCH_SECONDS, EncodeTarget, MICROS, RoundingPolicy};

/// Most bytes of a cell that is made here: a NUMERIC of 64 bits, a UUID, a short text.
pub(in crate::sink::postgres) const CELL: usize = 32;

/// Longest text that is made here, its length before it.
const SHORT: usize = CELL - 4;

/// A cell with its length before it; what follows the bytes that count is of no account.
pub(in crate::sink::postgres) type Cell = [u8; CELL];

/// What there is to know of a cell: its bytes that count, and whether the server will round its
/// value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Size(u8);

impl Size {
    /// There is no cell: the row is to go the general way.
    pub const NONE: Self = Self(0);
    const ROUNDED: u8 = 0x80;

    fn of(len: usize) -> Self {
        Self(len as u8)
    }

    fn rounded(self, rounded: bool) -> Self {
        if rounded { Self(self.0 | Self::ROUNDED) } else { self }
    }

    /// Bytes that count.
    pub fn len(self) -> usize {
        usize::from(self.0 & !Self::ROUNDED)
    }

    /// Whether the server will round the value.
    pub fn is_rounded(self) -> bool {
        self.0 & Self::ROUNDED != 0
    }
}

#[inline]
fn put_eight(value: u64, cell: &mut Cell) -> Size {
    cell[..8].copy_from_slice(&(8 << 32 | value >> 32).to_be_bytes());
    cell[8..16].copy_from_slice(&(value << 32).to_be_bytes());
    Size(12)
}

#[inline]
fn put_digits(digits: &Digits, cell: &mut Cell) -> Size {
    cell[..8].copy_from_slice(&digits.words[0].to_be_bytes());
    cell[8..16].copy_from_slice(&digits.words[1].to_be_bytes());
    cell[16..24].copy_from_slice(&digits.words[2].to_be_bytes());
    Size(digits.len)
}

#[inline]
fn put_id(id: &Uuid, cell: &mut Cell) -> Size {
    cell[..4].copy_from_slice(&16u32.to_be_bytes());
    cell[4..20].copy_from_slice(id.as_bytes());
    Size(20)
}

/// The cell of the number, if the column stores it as it is.
#[inline]
fn put_fitting(negative: bool, magnitude: u64, scale: u32, bounds: Bounds, cell: &mut Cell) -> Size {
    let digits = digits(negative, magnitude, scale);
    if bounds.take(magnitude, scale, &digits) { put_digits(&digits, cell) } else { Size::NONE }
}

/// Which numbers a NUMERIC column takes as they are.
#[derive(Debug, Clone, Copy)]
pub(in crate::sink::postgres) struct Bounds {
    /// Most decimals.
    scale: u32,
    /// Digits before the point.
    whole: u32,
}

impl Bounds {
    const NONE: Self = Self { scale: u32::MAX, whole: u32::MAX };

    /// Whether that number, of which the digits were made, is stored as it is.
    #[inline]
    fn take(&self, magnitude: u64, scale: u32, digits: &Digits) -> bool {
        digits.scale <= self.scale
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
pub(in crate::sink::postgres) struct Column<'a> {
    /// The column as it is.
    pub source: Values<'a>,
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
    /// Text without zero bytes, of up to so many bytes.
    Text {
        offsets: &'a [i32],
        data: &'a [u8],
        most: usize,
    },
    /// Text with few distinct values, the cells of which are made once.
    Coded {
        keys: &'a [i32],
        cells: Vec<(Cell, Size)>,
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
    pub fn new(goal: &EncodeTarget, source: Values<'a>, rules: RoundingPolicy) -> Self {
        use ColumnType as T;
        let bounds = match goal.type_ {
            T::Numeric(None) => Some(Bounds::NONE),
            T::Numeric(Some((precision, scale))) if scale >= 0 && precision >= scale => {
                Some(Bounds { scale: scale.unsigned_abs(), whole: (precision - scale).unsigned_abs() })
            }
            _ => None,
        };
        let text = |texts: &'a StringArray, most| {
            (texts.nulls(), Way::Text { offsets: texts.value_offsets(), data: texts.value_data(), most })
        };
        let (nulls, way) = match (source, goal.type_, bounds) {
            (Values::Instant(times), T::Timestamp(6) | T::Timestamptz(6), _)
                if !rules.exact || goal.floor =>
            {
                (times.nulls(), Way::Micros { nanos: times.values(), floor: goal.floor })
            }
            (Values::Text(texts), T::Text, _) if plain(texts) => text(texts, SHORT),
            (Values::Text(texts), T::Varchar(limit), _) if plain(texts) => {
                text(texts, limit.map_or(SHORT, |limit| limit.min(SHORT)))
            }
            (Values::Coded(keys, texts), _, _) => (keys.nulls(), coded(goal, keys, texts, rules)),
            (Values::Text(texts), T::Uuid, _) => (texts.nulls(), Way::Uuid { texts, last: None }),
            (Values::Number(Numbers::Double(values)), T::Float8, _) => {
                (values.nulls(), Way::Double(values.values()))
            }
            (Values::Number(Numbers::Int(values)), T::Int8, _) => {
                (values.nulls(), Way::Integer(values.values()))
            }
            (Values::Number(Numbers::Double(values)), _, Some(bounds)) => {
                (values.nulls(), Way::DoubleToNumeric { values: values.values(), bounds })
            }
            (Values::Number(Numbers::Int(values)), _, Some(bounds)) => {
                (values.nulls(), Way::IntegerToNumeric { values: values.values(), bounds })
            }
            (Values::Number(Numbers::Decimal(values, scale @ 0..=38)), _, Some(bounds)) => (
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

    /// Makes the cells of some rows of this column's batch, at most [`BLOCK`].
    pub fn cells(
        &mut self,
        goal: &EncodeTarget,
        picks: &[Pick],
        rules: RoundingPolicy,
        scratch: &mut Out,
        cells: &mut [Cell],
        sizes: &mut [Size],
    ) {
        let rows = picks.iter().map(|pick| pick.row as usize);
        let places = cells.iter_mut().zip(sizes.iter_mut());
        match &mut self.way {
            Way::Micros { nanos, floor } => {
                for (row, (cell, size)) in rows.zip(places) {
                    let (micros, rounded) = to_micros(nanos[row], *floor);
                    let micros = micros - EPOCH_SECONDS * 1_000_000;
                    // An instant of 64 bits of nanoseconds lies well within the type's range.
                    debug_assert!(MICROS.contains(&micros));
                    *size = put_eight(micros.cast_unsigned(), cell).rounded(rounded);
                }
            }
            Way::Text { offsets, data, most } => {
                for (row, (cell, size)) in rows.zip(places) {
                    let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
                    let len = end - start;
                    if len > *most {
                        *size = Size::NONE;
                        continue;
                    }
                    cell[..4].copy_from_slice(&(len as u32).to_be_bytes());
                    // A copy of fixed size is much faster than one of the text's own.
                    match data.get(start..start + SHORT) {
                        Some(block) => cell[4..].copy_from_slice(block),
                        None => cell[4..4 + len].copy_from_slice(&data[start..end]),
                    }
                    *size = Size::of(4 + len);
                }
            }
            Way::Coded { keys, cells: made } => {
                for (row, (cell, size)) in rows.zip(places) {
                    (*cell, *size) = made[keys[row] as usize];
                }
            }
            Way::Uuid { texts, last } => {
                for (row, (cell, size)) in rows.zip(places) {
                    let text = if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                        ""
                    } else {
                        texts.value(row)
                    };
                    *size = match last {
                        Some((same, id)) if *same == text => put_id(id, cell),
                        _ => match Uuid::try_parse(text) {
                            Ok(id) => {
                                *last = Some((text, id));
                                put_id(&id, cell)
                            }
                            Err(_) => Size::NONE,
                        },
                    };
                }
            }
            Way::DoubleToNumeric { values, bounds } => {
                // All loads first, so that they are waited for together.
                let mut block = [0.0; BLOCK];
                for (value, row) in block.iter_mut().zip(rows) {
                    *value = values[row];
                }
                for (value, (cell, size)) in block.iter().zip(places) {
                    *size = match short_decimal(*value) {
                        Some((negative, magnitude, scale)) => {
                            put_fitting(negative, magnitude, scale, *bounds, cell)
                        }
                        None => Size::NONE,
                    };
                }
            }
            Way::IntegerToNumeric { values, bounds } => {
                for (row, (cell, size)) in rows.zip(places) {
                    *size = put_fitting(values[row] < 0, values[row].unsigned_abs(), 0, *bounds, cell);
                }
            }
            Way::DecimalToNumeric { values, scale, bounds } => {
                let mut block = [0; BLOCK];
                for (value, row) in block.iter_mut().zip(rows) {
                    *value = values[row];
                }
                for (value, (cell, size)) in block.iter().zip(places) {
                    *size = match u64::try_from(value.unsigned_abs()) {
                        Ok(magnitude) => put_fitting(*value < 0, magnitude, *scale, *bounds, cell),
                        Err(_) => Size::NONE,
                    };
                }
            }
            Way::Double(values) => {
                for (row, (cell, size)) in rows.zip(places) {
                    let value = values[row];
                    *size = if value.is_finite() { put_eight(value.to_bits(), cell) } else { Size::NONE };
                }
            }
            Way::Integer(values) => {
                for (row, (cell, size)) in rows.zip(places) {
                    *size = put_eight(values[row].cast_unsigned(), cell);
                }
            }
            Way::General => sizes.iter_mut().for_each(|size| *size = Size::NONE),
        }
        for ((pick, cell), size) in picks.iter().zip(cells).zip(sizes) {
            let row = pick.row as usize;
            if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                *cell = [0xff; CELL];
                *size = if goal.not_null { Size::NONE } else { Size::of(4) };
            } else if *size == Size::NONE {
                *size = self.general(goal, row, rules, scratch, cell);
            }
        }
    }

    /// The cell as the general way makes it, if it is short enough.
    fn general(
        &self,
        goal: &EncodeTarget,
        row: usize,
        rules: RoundingPolicy,
        scratch: &mut Out,
        cell: &mut Cell,
    ) -> Size {
        scratch.truncate(0);
        match goal.put(self.source, row, rules, scratch) {
            Ok(rounded) if scratch.len() <= CELL => {
                cell[..scratch.len()].copy_from_slice(scratch.written());
                Size::of(scratch.len()).rounded(rounded)
            }
            _ => Size::NONE,
        }
    }
}

/// The cells of the distinct texts.
fn coded<'a>(
    goal: &EncodeTarget,
    keys: &'a PrimitiveArray<Int32Type>,
    texts: &'a StringArray,
    rules: RoundingPolicy,
) -> Way<'a> {
    let column = Column { source: Values::Text(texts), nulls: None, way: Way::General };
    let mut scratch = Out::small();
    let cells = (0..texts.len()).map(|row| {
        let mut cell = [0; CELL];
        let size = column.general(goal, row, rules, &mut scratch, &mut cell);
        (cell, size)
    });
    Way::Coded { keys: keys.values(), cells: cells.collect() }
}

/// Whether no text of the column has a zero byte, which the server takes in none.
fn plain(texts: &StringArray) -> bool {
    let offsets = texts.value_offsets();
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return true };
    let used = texts.value_data().get(*first as usize..*last as usize);
    used.is_some_and(|bytes| memchr::memchr(0, bytes).is_none())
}
