//! Rows as the bytes of COPY BINARY, straight from Arrow columns.
//!
//! Everything that the server would refuse a value for is decided here, before a byte of its row
//! is sent, so one bad value costs one row and no transaction. Nothing is allocated per row.

mod block;

use std::sync::Arc;

pub(in crate::sink::postgres) use block::{BLOCK, Encoder};
use uuid::Uuid;

use crate::dataset::json_text::is_json;
use crate::dataset::time::to_micros;
use crate::model::decimal::{Decimal, Fit, NoInteger};
use crate::model::values::{Numbers, Values};
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::encode::array::{Elements, put_array};
use crate::sink::postgres::encode::array_literal::put_literal;
use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::labels::Labels;
use crate::sink::postgres::encode::numeric::put_numeric;
use crate::sink::postgres::encode::refusal::Refusal;
use crate::sink::postgres::encode::time_of_day::{NoClock, clock};

/// What a COPY BINARY begins with: signature, flags, length of an extension.
pub(in crate::sink::postgres) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub(in crate::sink::postgres) const TRAILER: &[u8] = &[0xff, 0xff];

/// Seconds from 1970, where Arrow's time begins, to 2000, where PostgreSQL's does.
pub(in crate::sink::postgres) const EPOCH_SECONDS: i64 = 946_684_800;
const EPOCH_DAYS: i64 = EPOCH_SECONDS / 86_400;
/// Oids of the types of elements.
const TEXT: i32 = 25;
const VARCHAR: i32 = 1043;
const DAY_MICROS: i64 = 86_400_000_000;
/// First and last day of the type `date`, counted from 2000: 4713 BC and 5874897 AD.
const DAYS: std::ops::RangeInclusive<i64> = -2_451_545..=2_145_031_948;
/// First microsecond of the type `timestamp`, and the first after its last, counted from 2000.
pub(in crate::sink::postgres) const MICROS: std::ops::Range<i64> =
    -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// A column to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink::postgres) struct EncodeTarget {
    pub name: Arc<str>,
    pub type_: ColumnType,
    /// Its type as SQL writes it.
    pub type_name: String,
    pub not_null: bool,
    /// Whether nanoseconds are cut off rather than rounded, since another column keeps them.
    pub floor: bool,
    /// Labels of its enum.
    pub labels: Arc<Labels>,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) enum Origin {
    /// That column of the batch.
    Batch(usize),
    /// The tenant of the session.
    Tenant,
    /// A new UUIDv7 a row.
    NewId,
    /// When the row failed first.
    FirstTs,
}

/// What the user wants done to values that do not fit as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::sink::postgres) struct RoundingPolicy {
    /// Refuse what the column would round.
    pub exact: bool,
    /// Round fractions for columns of integers.
    pub round: bool,
}

impl EncodeTarget {
    /// Whether values from there can become values of the column.
    pub fn takes(&self, source: &Values<'_>) -> bool {
        use ColumnType as T;
        match source {
            Values::Null => true,
            Values::Instant(_) | Values::Far(_) | Values::Day(_) => {
                matches!(self.type_, T::Timestamp(_) | T::Timestamptz(_) | T::Date)
            }
            Values::Text(_) | Values::Coded(..) => matches!(
                self.type_,
                T::Text
                    | T::Varchar(_)
                    | T::Bpchar(_)
                    | T::Uuid
                    | T::Json
                    | T::Jsonb
                    | T::Time(_)
                    | T::Enum
                    | T::TextArray
                    | T::VarcharArray(_)
                    | T::Array
                    | T::Other
            ),
            Values::Bool(_) => self.type_ == T::Bool,
            // A mapping makes text of these.
            Values::Clock(_) | Values::Span(_) | Values::Bytes(_) => false,
            Values::Number(_) => {
                matches!(self.type_, T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8 | T::Numeric(_))
            }
        }
    }

    /// Appends one value, and says whether it is rounded. On a refusal something may have been
    /// appended; the caller takes it back.
    pub fn put(
        &self,
        source: Values<'_>,
        row: usize,
        rules: RoundingPolicy,
        out: &mut Out,
    ) -> Result<bool, Refusal> {
        if source.is_null(row) {
            return self.put_null(out);
        }
        match source {
            Values::Null => self.put_null(out),
            Values::Number(numbers) => self.put_number(numbers, row, rules, out),
            Values::Text(texts) => self.put_text(texts.value(row), rules, out),
            Values::Coded(keys, texts) => self.put_text(texts.value(keys.value(row) as usize), rules, out),
            Values::Instant(times) => self.put_time(times.value(row), rules, out),
            Values::Far(times) => self.put_far(times.value(row), rules, out),
            Values::Day(days) => {
                let infinite = match days.value(row) {
                    i32::MAX => Some(i64::MAX),
                    i32::MIN => Some(i64::MIN),
                    _ => None,
                };
                if let Some(infinite) = infinite {
                    return self.put_far(infinite, rules, out);
                }
                let day = i64::from(days.value(row)) - EPOCH_DAYS;
                if self.type_ == ColumnType::Date {
                    put_day(day, out)?;
                } else {
                    put_micros(day.checked_mul(DAY_MICROS).ok_or(Refusal::Time)?, out)?;
                }
                Ok(false)
            }
            Values::Clock(_) | Values::Span(_) | Values::Bytes(_) => Err(Refusal::Time),
            Values::Bool(values) => {
                out.put_i32(1);
                out.put_u8(values.value(row).into());
                Ok(false)
            }
        }
    }

    pub fn put_null(&self, out: &mut Out) -> Result<bool, Refusal> {
        if self.not_null {
            return Err(Refusal::Null);
        }
        out.put_i32(-1);
        Ok(false)
    }

    fn put_number(
        &self,
        numbers: Numbers<'_>,
        row: usize,
        rules: RoundingPolicy,
        out: &mut Out,
    ) -> Result<bool, Refusal> {
        if let (ColumnType::Float8, Some(double)) = (self.type_, numbers.double(row)) {
            out.put_i32(8);
            out.put_f64(double);
            return Ok(false);
        }
        if let (ColumnType::Float4, Some(single)) = (self.type_, numbers.single(row)) {
            out.put_i32(4);
            out.put_f32(single);
            return Ok(false);
        }
        // NaN and the infinities say that there is not a number.
        let Some(number) = numbers.get(row).map(Decimal::normalised) else { return self.put_null(out) };
        match self.type_ {
            ColumnType::Numeric(None) => {
                put_numeric(&number, out);
                Ok(false)
            }
            ColumnType::Numeric(Some((precision, scale))) => {
                let rounded = match number.fit(precision, scale) {
                    Fit::Exact => false,
                    Fit::Rounded if rules.exact => return Err(Refusal::Inexact),
                    // The server itself rounds what it is sent.
                    Fit::Rounded => true,
                    Fit::Overflow => return Err(Refusal::Range),
                };
                put_numeric(&number, out);
                Ok(rounded)
            }
            ColumnType::Float8 => {
                let double = number.double();
                if !double.is_finite() || double == 0.0 && !number.is_zero() {
                    return Err(Refusal::Range);
                }
                out.put_i32(8);
                out.put_f64(double);
                Ok(false)
            }
            ColumnType::Float4 => {
                let float = number.single();
                if !float.is_finite() || float == 0.0 && !number.is_zero() {
                    return Err(Refusal::Range);
                }
                out.put_i32(4);
                out.put_f32(float);
                Ok(false)
            }
            _ => self.put_integer(number.integer(rules.round && !rules.exact), rules, out),
        }
    }

    fn put_integer(
        &self,
        integer: Result<(i64, bool), NoInteger>,
        rules: RoundingPolicy,
        out: &mut Out,
    ) -> Result<bool, Refusal> {
        let (value, rounded) = integer.map_err(|why| match why {
            NoInteger::Fraction if rules.round => Refusal::Inexact,
            NoInteger::Fraction => Refusal::Fraction,
            NoInteger::Range => Refusal::Range,
        })?;
        match self.type_ {
            ColumnType::Int2 => {
                let value = i16::try_from(value).map_err(|_| Refusal::Range)?;
                out.put_i32(2);
                out.put_i16(value);
            }
            ColumnType::Int4 => {
                let value = i32::try_from(value).map_err(|_| Refusal::Range)?;
                out.put_i32(4);
                out.put_i32(value);
            }
            _ => {
                out.put_i32(8);
                out.put_i64(value);
            }
        }
        Ok(rounded)
    }

    fn put_text(&self, text: &str, rules: RoundingPolicy, out: &mut Out) -> Result<bool, Refusal> {
        match self.type_ {
            ColumnType::Uuid => {
                let id = Uuid::try_parse(text).map_err(|_| Refusal::NoUuid)?;
                put_uuid(&id, out);
            }
            ColumnType::Time(digits) => return put_clock(text, digits, rules, out),
            ColumnType::Enum => {
                if !self.labels.has(text) {
                    // Empty, it is not a label and says that there is none.
                    return if text.is_empty() { self.put_null(out) } else { Err(Refusal::NoLabel) };
                }
                put_len(text.len(), out)?;
                out.put_slice(text.as_bytes());
            }
            ColumnType::TextArray => return put_array(text, Elements { oid: TEXT, limit: None }, out),
            ColumnType::VarcharArray(limit) => {
                let cut = put_array(text, Elements { oid: VARCHAR, limit }, out)?;
                return if cut && rules.exact { Err(Refusal::Inexact) } else { Ok(cut) };
            }
            // Whatever else it is, the server says.
            ColumnType::Array if put_literal(text, out)? => {}
            ColumnType::Json | ColumnType::Jsonb => {
                if !is_json(text) {
                    return Err(Refusal::NoJson);
                }
                let version: &[u8] = if self.type_ == ColumnType::Jsonb { &[1] } else { &[] };
                put_len(version.len() + text.len(), out)?;
                out.put_slice(version);
                out.put_slice(text.as_bytes());
            }
            _ => {
                if memchr::memchr(0, text.as_bytes()).is_some() {
                    return Err(Refusal::ZeroByte);
                }
                let mut cut = false;
                if let ColumnType::Varchar(Some(limit)) | ColumnType::Bpchar(Some(limit)) = self.type_ {
                    // Counted in characters; as SQL has it, blanks beyond the limit are cut off. Those at
                    // the end of a `char(n)` are none of its value.
                    let mut beyond =
                        if text.len() > limit { text } else { "" }.chars().skip(limit).peekable();
                    cut = beyond.peek().is_some() && matches!(self.type_, ColumnType::Varchar(_));
                    if beyond.any(|c| c != ' ') {
                        return Err(Refusal::TooLong);
                    }
                    if cut && rules.exact {
                        return Err(Refusal::Inexact);
                    }
                }
                put_len(text.len(), out)?;
                out.put_slice(text.as_bytes());
                return Ok(cut);
            }
        }
        Ok(false)
    }

    /// A time in microseconds, or infinity.
    fn put_far(&self, micros: i64, rules: RoundingPolicy, out: &mut Out) -> Result<bool, Refusal> {
        let rounded = match (self.type_, micros) {
            (ColumnType::Date, i64::MIN | i64::MAX) => {
                out.put_i32(4);
                out.put_i32(if micros < 0 { i32::MIN } else { i32::MAX });
                false
            }
            (ColumnType::Timestamp(_) | ColumnType::Timestamptz(_), i64::MIN | i64::MAX) => {
                out.put_i32(8);
                out.put_i64(micros);
                false
            }
            (ColumnType::Date, _) => {
                put_day(micros.div_euclid(DAY_MICROS) - EPOCH_DAYS, out)?;
                micros.rem_euclid(DAY_MICROS) != 0
            }
            (ColumnType::Timestamp(digits) | ColumnType::Timestamptz(digits), _) => {
                let from_2000 = micros.checked_sub(EPOCH_SECONDS * 1_000_000).ok_or(Refusal::Time)?;
                put_micros(from_2000, out)?;
                micros % 10i64.pow(u32::from(6 - digits.min(6))) != 0
            }
            _ => return Err(Refusal::Time),
        };
        if rounded && rules.exact { Err(Refusal::Inexact) } else { Ok(rounded) }
    }

    fn put_time(&self, nanos: i64, rules: RoundingPolicy, out: &mut Out) -> Result<bool, Refusal> {
        let (micros, mut rounded) = to_micros(nanos, self.floor);
        match self.type_ {
            ColumnType::Date => {
                // The time of day is cut off; it never rounds up to the next.
                rounded = nanos.rem_euclid(DAY_MICROS * 1000) != 0;
                put_day(nanos.div_euclid(DAY_MICROS * 1000) - EPOCH_DAYS, out)?;
            }
            ColumnType::Timestamp(digits) | ColumnType::Timestamptz(digits) => {
                let kept = 10i64.pow(u32::from(6 - digits.min(6)));
                rounded |= micros % kept != 0;
                put_micros(micros - EPOCH_SECONDS * 1_000_000, out)?;
            }
            _ => return Err(Refusal::Time),
        }
        if rounded && rules.exact { Err(Refusal::Inexact) } else { Ok(rounded) }
    }
}

/// Appends a time of day, which the server rounds to its column's digits.
fn put_clock(text: &str, digits: u8, rules: RoundingPolicy, out: &mut Out) -> Result<bool, Refusal> {
    let (micros, below) = clock(text).map_err(|why| match why {
        NoClock::Syntax => Refusal::NoClock,
        NoClock::Range => Refusal::Time,
    })?;
    let rounded = below || micros % 10i64.pow(u32::from(6 - digits.min(6))) != 0;
    if rounded && rules.exact {
        return Err(Refusal::Inexact);
    }
    out.put_i32(8);
    out.put_i64(micros);
    Ok(rounded)
}

fn put_day(day: i64, out: &mut Out) -> Result<(), Refusal> {
    if !DAYS.contains(&day) {
        return Err(Refusal::Time);
    }
    out.put_i32(4);
    out.put_i32(i32::try_from(day).map_err(|_| Refusal::Time)?);
    Ok(())
}

fn put_micros(micros: i64, out: &mut Out) -> Result<(), Refusal> {
    if !MICROS.contains(&micros) {
        return Err(Refusal::Time);
    }
    out.put_i32(8);
    out.put_i64(micros);
    Ok(())
}

/// Appends a cell with that UUID.
pub(in crate::sink::postgres) fn put_uuid(id: &Uuid, out: &mut Out) {
    let mut cell = [0; 20];
    cell[3] = 16;
    cell[4..].copy_from_slice(id.as_bytes());
    out.put_block(&cell, 20);
}

fn put_len(len: usize, out: &mut Out) -> Result<(), Refusal> {
    out.put_i32(i32::try_from(len).map_err(|_| Refusal::TooLong)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampNanosecondArray,
    };

    use super::*;
    use crate::batch::Pick;
    use crate::sink::postgres::encode::column::{CELL, Column, Size};
    use crate::sink::postgres::encode::refusal::Reasons;

    fn goal(type_: ColumnType) -> EncodeTarget {
        EncodeTarget {
            name: "c".into(),
            type_,
            type_name: "t".into(),
            not_null: true,
            floor: false,
            labels: Arc::default(),
        }
    }

    fn put(goal: &EncodeTarget, array: ArrayRef, rules: RoundingPolicy) -> Result<(Vec<u8>, bool), Refusal> {
        let source = Values::of(&array).unwrap();
        assert!(goal.takes(&source));
        let mut out = Out::new();
        let rounded = goal.put(source, 0, rules, &mut out)?;
        let (mut cells, mut sizes) = ([[0; CELL]], [Size::NONE]);
        let picks = [Pick { part: 0, row: 0 }];
        Column::new(goal, source, rules).cells(goal, &picks, rules, &mut Out::new(), &mut cells, &mut sizes);
        let (cell, size) = (cells[0], sizes[0]);
        assert!(size == Size::NONE || size.is_rounded() == rounded && cell[..size.len()] == *out.written());
        let out = out.written();
        let len = i32::from_be_bytes(out[..4].try_into().unwrap());
        assert_eq!(usize::try_from(len).unwrap(), out.len() - 4);
        Ok((out[4..].to_vec(), rounded))
    }

    fn number(type_: ColumnType, value: f64, rules: RoundingPolicy) -> Result<(Vec<u8>, bool), Refusal> {
        put(&goal(type_), Arc::new(Float64Array::from(vec![value])), rules)
    }

    fn text(type_: ColumnType, value: &str) -> Result<Vec<u8>, Refusal> {
        put(&goal(type_), Arc::new(StringArray::from(vec![value])), RoundingPolicy::default())
            .map(|(bytes, _)| bytes)
    }

    fn time(goal: &EncodeTarget, nanos: i64, rules: RoundingPolicy) -> Result<(i64, bool), Refusal> {
        let (bytes, rounded) = put(goal, Arc::new(TimestampNanosecondArray::from(vec![nanos])), rules)?;
        Ok((i64::from_be_bytes(bytes.try_into().unwrap()) + EPOCH_SECONDS * 1_000_000, rounded))
    }

    #[test]
    fn integers_take_whole_numbers_in_range() {
        let (plain, round, exact) = (
            RoundingPolicy::default(),
            RoundingPolicy { round: true, exact: false },
            RoundingPolicy { exact: true, round: true },
        );
        assert_eq!(number(ColumnType::Int8, 5.0, plain), Ok((5i64.to_be_bytes().to_vec(), false)));
        assert_eq!(number(ColumnType::Int4, 5.5, plain), Err(Refusal::Fraction));
        assert_eq!(number(ColumnType::Int4, 5.5, round), Ok((6i32.to_be_bytes().to_vec(), true)));
        assert_eq!(number(ColumnType::Int4, 5.5, exact), Err(Refusal::Inexact));
        assert_eq!(number(ColumnType::Int2, 32768.0, plain), Err(Refusal::Range));
        assert_eq!(number(ColumnType::Int8, f64::NAN, plain), Err(Refusal::Null));
    }

    #[test]
    fn numerics_are_rounded_by_the_server_or_refused() {
        let type_ = ColumnType::Numeric(Some((4, 1)));
        assert!(!number(type_, 1.5, RoundingPolicy::default()).unwrap().1);
        assert!(number(type_, 1.25, RoundingPolicy::default()).unwrap().1);
        assert_eq!(number(type_, 1.25, RoundingPolicy { exact: true, round: false }), Err(Refusal::Inexact));
        assert_eq!(number(type_, 999.96, RoundingPolicy::default()), Err(Refusal::Range));
    }

    #[test]
    fn floats_refuse_what_the_server_refuses() {
        assert_eq!(number(ColumnType::Float4, 1e39, RoundingPolicy::default()), Err(Refusal::Range));
        assert_eq!(number(ColumnType::Float4, 1e-60, RoundingPolicy::default()), Err(Refusal::Range));
        assert_eq!(
            number(ColumnType::Float4, 0.1, RoundingPolicy::default()),
            Ok((0.1f32.to_be_bytes().to_vec(), false))
        );
        assert_eq!(
            number(ColumnType::Float8, 0.1, RoundingPolicy::default()),
            Ok((0.1f64.to_be_bytes().to_vec(), false))
        );
    }

    #[test]
    fn text_is_held_to_its_column() {
        let varchar = ColumnType::Varchar(Some(3));
        assert_eq!(text(varchar, "äöü"), Ok("äöü".as_bytes().to_vec()));
        assert_eq!(text(varchar, "abc  "), Ok(b"abc  ".to_vec()));
        assert_eq!(text(varchar, "abcd"), Err(Refusal::TooLong));
        assert_eq!(text(varchar, "abc d"), Err(Refusal::TooLong));
        assert_eq!(text(ColumnType::Text, "a\0"), Err(Refusal::ZeroByte));
        assert_eq!(text(ColumnType::Uuid, "nope"), Err(Refusal::NoUuid));
        assert_eq!(text(ColumnType::Uuid, "00000000-0000-0000-0000-000000000001").unwrap()[15], 1);
        assert_eq!(text(ColumnType::Jsonb, r#"{"a":1}"#), Ok(b"\x01{\"a\":1}".to_vec()));
        assert_eq!(text(ColumnType::Json, "{"), Err(Refusal::NoJson));
        assert_eq!(text(ColumnType::Json, &"[".repeat(100_000)), Err(Refusal::NoJson));
    }

    #[test]
    fn nanoseconds_round_to_the_nearest_microsecond() {
        let tz = goal(ColumnType::Timestamptz(6));
        for (nanos, micros, rounded) in [
            (1_000, 1, false),
            (1_499, 1, true),
            (1_500, 2, true),
            (2_500, 2, true),
            (-1_500, -2, true),
            (-500, 0, true),
        ] {
            assert_eq!(time(&tz, nanos, RoundingPolicy::default()), Ok((micros, rounded)), "{nanos}");
        }
        assert_eq!(time(&tz, 1_001, RoundingPolicy { exact: true, round: false }), Err(Refusal::Inexact));
        let floor = EncodeTarget { floor: true, ..tz };
        assert_eq!(time(&floor, 1_999, RoundingPolicy { exact: true, round: false }), Ok((1, false)));
        assert_eq!(time(&floor, -1, RoundingPolicy::default()), Ok((-1, false)));
        let seconds = goal(ColumnType::Timestamptz(0));
        assert_eq!(time(&seconds, 1_500_000_000, RoundingPolicy::default()), Ok((1_500_000, true)));
    }

    #[test]
    fn days_count_from_2000_within_the_types_range() {
        let day = |days: i32, type_| {
            put(&goal(type_), Arc::new(Date32Array::from(vec![days])), RoundingPolicy::default())
                .map(|(bytes, _)| bytes)
        };
        assert_eq!(day(10_957, ColumnType::Date), Ok(vec![0; 4]));
        assert_eq!(day(10_958, ColumnType::Timestamptz(6)), Ok(DAY_MICROS.to_be_bytes().to_vec()));
        assert_eq!(day(i32::MIN, ColumnType::Date), Ok(i32::MIN.to_be_bytes().to_vec()), "never");
        assert_eq!(day(i32::MIN + 1, ColumnType::Date), Err(Refusal::Time));
        assert_eq!(day(i32::MAX - 1, ColumnType::Timestamp(6)), Err(Refusal::Time));
    }

    #[test]
    fn a_refused_row_leaves_no_bytes() {
        let goals = [goal(ColumnType::Bool), goal(ColumnType::Int4)];
        let (bools, ints): (ArrayRef, ArrayRef) = (
            Arc::new(BooleanArray::from(vec![true, false])),
            Arc::new(Int64Array::from(vec![Some(7), None])),
        );
        let sources = [Values::of(&bools).unwrap(), Values::of(&ints).unwrap()];
        let (origins, mut reasons) = ([Origin::Batch(0), Origin::Batch(1)], Reasons::default());
        let mut encoder =
            Encoder::new(&goals, &origins, &sources, 2, RoundingPolicy::default(), None, &mut reasons);
        let (mut out, mut told) = (Out::new(), Vec::new());
        let picks = [0, 1].map(|row| Pick { part: 0, row });
        encoder.block(&picks, &mut out, |at, done| {
            told.push((at, done.map_err(|reason| reason.code.to_string())))
        });
        assert_eq!(told, [(0, Ok(0)), (1, Err("23502".to_owned()))]);
        assert_eq!(out.len(), 2 + 5 + 8);
    }
}
