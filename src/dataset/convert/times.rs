//! Columns of times and of days.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray, Date32Array, Int64Array, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::*;
use chrono_tz::Tz;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::dataset::convert::{CastError, Conversion, DAY, Unreadable, integers, texts, whole};
use crate::dataset::faults::Faults;
use crate::dataset::folds::Folds;
use crate::dataset::json_text::StringRows;
use crate::dataset::nulls::Nulled;
use crate::dataset::time::{TimeError, Twice, calendar};
use crate::model::decimal::Decimal;
use crate::model::text::Texts;
use crate::model::values::{Numbers, Values};

/// The times of a column.
#[derive(Default)]
pub(super) struct Times {
    /// In nanoseconds, or in days where the column is one of days.
    pub(super) values: Vec<i64>,
    pub(super) nulls: Option<NullBuffer>,
    /// Rows without a time.
    pub(super) missing: Vec<usize>,
    /// Rows whose time nanoseconds do not hold, with its microseconds.
    pub(super) far: Vec<(usize, i64)>,
    /// Rows whose local time came twice; they are missing too until it is settled which it is.
    pub(super) twice: Vec<Twice>,
}

impl Times {
    /// Which of so many rows have a time.
    fn valid_of(&self, rows: usize) -> Vec<bool> {
        let mut valid = vec![true; rows];
        self.missing.iter().for_each(|row| valid[*row] = false);
        valid
    }
}

/// What tells the series of a row from others.
fn series_of(series: &[ArrayRef], row: usize) -> u64 {
    let mut hash = 0;
    for column in series {
        let text = Texts::of(column).and_then(|texts| texts.get(row));
        hash = xxh3_64_with_seed(text.unwrap_or_default().trim().as_bytes(), hash);
    }
    hash
}

impl Conversion<'_> {
    pub(super) fn nanos_column(&mut self, array: &ArrayRef) -> Result<Int64Array, CastError> {
        let numbers = self.numbers(array)?;
        let view = Numbers::of(&numbers).ok_or_else(|| self.wrong("number"))?;
        let mut made = Vec::with_capacity(array.len());
        for row in 0..array.len() {
            made.push(match view.get(row).map(Decimal::normalised) {
                None => None,
                Some(Decimal::Small { mantissa: value @ 0..=999, scale: 0 }) => Some(value as i64),
                _ => {
                    self.fault(row, "bad_number", "is not a whole number from 0 to 999");
                    None
                }
            });
        }
        Ok(made.into())
    }

    /// The time of each row, whatever the type, as the reader of this column has them.
    pub(super) fn times(&mut self, array: &ArrayRef) -> Result<Times, Unreadable> {
        let rows = array.len();
        let mut made = Times { values: Vec::with_capacity(rows), ..Times::default() };
        if let Some(texts) = texts(array) {
            if let Some(doubt) = self.times.learn(texts.iter().flatten()) {
                return Err(Unreadable::DateOrder(doubt));
            }
            for row in 0..rows {
                let value = texts.get(row).and_then(|text| match self.times.text(text) {
                    Ok(value) => Some(Ok(value)),
                    Err(error @ (TimeError::Infinite | TimeError::Far)) => Some(Err(error)),
                    Err(_) if self.nulls(text.trim()) => None,
                    Err(error) => Some(Err(error)),
                });
                self.take(row, value, &mut made);
            }
        } else {
            match Values::of(array) {
                Some(Values::Instant(times)) => {
                    if let Some(made) = self.instants(times.values(), 1, times.timezone(), array, &mut made) {
                        return Ok(made);
                    }
                }
                Some(Values::Far(times)) => {
                    if let Some(made) =
                        self.instants(times.values(), 1_000, times.timezone(), array, &mut made)
                    {
                        return Ok(made);
                    }
                }
                Some(Values::Day(days)) => {
                    for row in 0..rows {
                        let nanos = || i128::from(days.value(row)) * i128::from(DAY);
                        let value = days.is_valid(row).then(|| self.times.nanos(nanos(), true));
                        self.take(row, value, &mut made);
                    }
                }
                Some(Values::Number(
                    Numbers::Double(_) | Numbers::Single(_) | Numbers::Decimal(..) | Numbers::Digits(_),
                )) => {
                    // What is not a number is no time either, and is counted.
                    let finite = match Numbers::of(array) {
                        Some(Numbers::Double(_)) => self.finite::<Float64Type>(array),
                        Some(Numbers::Single(_)) => self.finite::<Float32Type>(array),
                        _ => array.clone(),
                    };
                    let view = Numbers::of(&finite).ok_or_else(|| self.wrong("time"))?;
                    let mut text = String::new();
                    // Beyond that, single precision passes over whole numbers.
                    let single = array.as_primitive_opt::<Float32Type>();
                    let is_rough = |row: usize| single.is_some_and(|all| all.value(row).abs() > 16_777_216.0);
                    self.times.learn_integers((0..rows).filter_map(|row| whole(&view.get(row)?)));
                    for row in 0..rows {
                        let value = match view.get(row) {
                            Some(_) if is_rough(row) => Some(Err(TimeError::Shortened)),
                            Some(number) => {
                                text.clear();
                                number.write(&mut text);
                                Some(self.times.text(&text))
                            }
                            None => None,
                        };
                        self.take(row, value, &mut made);
                    }
                }
                Some(Values::Number(Numbers::Int(_) | Numbers::Unsigned(_))) => {
                    let ints = integers(array).ok_or_else(|| self.wrong("time"))?;
                    self.times.learn_integers(ints.iter().flatten());
                    for row in 0..rows {
                        let value = ints.is_valid(row).then(|| self.times.integer(ints.value(row)));
                        self.take(row, value, &mut made);
                    }
                }
                Some(
                    Values::Null
                    | Values::Bool(_)
                    | Values::Clock(_)
                    | Values::Span(_)
                    | Values::Bytes(_)
                    | Values::Text(_)
                    | Values::Coded(..),
                )
                | None => return Err(self.wrong("time").into()),
            }
        }
        self.settle(&mut made);
        made.nulls = (!made.missing.is_empty()).then(|| NullBuffer::from(made.valid_of(rows)));
        Ok(made)
    }

    /// Takes instants of so many nanoseconds a tick. Those of a reader that takes them as they are, are
    /// returned.
    pub(super) fn instants(
        &mut self,
        ticks: &[i64],
        factor: i64,
        zone: Option<&str>,
        array: &ArrayRef,
        made: &mut Times,
    ) -> Option<Times> {
        let naive = zone.is_none();
        let seen_in: Option<Tz> = zone.and_then(|zone| zone.parse().ok());
        if let Some(values) = seen_in.and_then(|zone| self.times.days_in(zone, ticks, factor, array)) {
            return Some(Times { values, nulls: array.nulls().cloned(), ..Times::default() });
        }
        if self.times.takes_as_they_are(naive) {
            if naive {
                self.times.look_unplaced(ticks, factor);
            }
            let nanos: Option<Vec<i64>> = ticks.iter().map(|tick| tick.checked_mul(factor)).collect();
            if let Some(values) = nanos {
                return Some(Times { values, nulls: array.nulls().cloned(), ..Times::default() });
            }
        }
        for (row, tick) in ticks.iter().enumerate() {
            let value = array.is_valid(row).then(|| {
                let nanos = i128::from(*tick) * i128::from(factor);
                if naive { self.times.nanos(nanos, true) } else { self.times.nanos_in(nanos, seen_in) }
            });
            self.take(row, value, made);
        }
        None
    }

    /// Takes what the reader made of the value in a row.
    #[inline]
    pub(super) fn take(&mut self, row: usize, value: Option<Result<i64, TimeError>>, made: &mut Times) {
        match value {
            Some(Ok(value)) => made.values.push(value),
            Some(Err(error)) => self.take_other(row, error, made),
            None => {
                made.values.push(0);
                made.missing.push(row);
            }
        }
    }

    #[cold]
    pub(super) fn take_other(&mut self, row: usize, error: TimeError, made: &mut Times) {
        made.values.push(0);
        match error {
            TimeError::Twice => {
                let (first, second) = self.times.both();
                made.twice.push(Twice { row, first, second });
                made.missing.push(row);
            }
            TimeError::Far => made.far.push((row, self.times.micros())),
            error => {
                self.time_fault(row, error);
                made.missing.push(row);
            }
        }
    }

    pub(super) fn time_fault(&mut self, row: usize, error: TimeError) {
        let (name, times) = (&self.column.name, &*self.times);
        self.faults.add_of_kind(row, self.name, error.code(), times.kind(error), || {
            format!("{name} {}", times.message(error))
        });
    }

    /// Settles what the order of the rows tells of local times, and which unit all of them travel in.
    pub(super) fn settle(&mut self, made: &mut Times) {
        let series = self.series;
        let series_of = |row: usize| series_of(series, row);
        if !made.far.is_empty() {
            // Beyond nanoseconds a column is in microseconds: its other rows are to lose nothing.
            if made.values.iter().any(|nanos| nanos % 1_000 != 0) && !self.times.is_of_days() {
                for (row, _) in std::mem::take(&mut made.far) {
                    self.time_fault(row, TimeError::Far);
                    made.missing.push(row);
                }
                made.missing.sort_unstable();
            }
        }
        let twice = std::mem::take(&mut made.twice);
        let mut values = std::mem::take(&mut made.values);
        let rows = values.len();
        let left = self.times.settle_order(&mut values, &|| made.valid_of(rows), &twice, &series_of);
        made.values = values;
        if !twice.is_empty() {
            made.missing
                .retain(|row| twice.binary_search_by_key(row, |t| t.row).is_err() || left.contains(row));
        }
        for row in left {
            self.time_fault(row, TimeError::Twice);
        }
    }

    /// How many different times those are that are no midnight, and on how many days, where bars of days have several a
    /// day: of one series, as the times are written.
    pub fn several_a_day(&mut self, given: &ArrayRef, made: &ArrayRef) -> Option<(usize, usize)> {
        let made = made.as_primitive_opt::<TimestampNanosecondType>()?;
        if self.times.lost() == 0 && made.values().iter().all(|time| time.rem_euclid(DAY) == 0) {
            return None;
        }
        let (mut faults, mut nulled, mut plain) =
            (Faults::default(), Nulled::default(), self.times.without_days());
        let mut written = Conversion {
            times: &mut plain,
            folds: &mut Folds::default(),
            separators: None,
            strings: StringRows::All,
            faults: &mut faults,
            nulled: &mut nulled,
            ..*self
        };
        let written = written.times(given).ok()?;
        let (mut times, mut days) = (HashSet::new(), HashSet::new());
        for (row, time) in written.values.iter().enumerate() {
            let is_one = made.is_valid(row) && written.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            if is_one && time.rem_euclid(DAY) != 0 {
                let series = series_of(self.series, row);
                times.insert((series, *time));
                days.insert((series, made.value(row).div_euclid(DAY)));
            }
        }
        (times.len() * 2 >= days.len() * 3 && !days.is_empty()).then_some((times.len(), days.len()))
    }

    pub(super) fn timestamps(&mut self, array: &ArrayRef) -> Result<ArrayRef, Unreadable> {
        self.times.serve(false, self.wide);
        let Times { mut values, nulls, far, .. } = self.times(array)?;
        if far.is_empty() {
            let made = TimestampNanosecondArray::new(ScalarBuffer::from(values), nulls);
            return Ok(Arc::new(made.with_timezone("UTC")));
        }
        values.iter_mut().for_each(|nanos| *nanos = nanos.div_euclid(1_000));
        far.into_iter().for_each(|(row, micros)| values[row] = micros);
        let made = TimestampMicrosecondArray::new(ScalarBuffer::from(values), nulls);
        Ok(Arc::new(made.with_timezone("UTC")))
    }

    pub(super) fn dates(&mut self, array: &ArrayRef) -> Result<Date32Array, Unreadable> {
        self.times.serve(true, self.wide);
        if let Some(Values::Day(days)) = Values::of(array) {
            let held = |day: &i32| calendar::DAYS.contains(&i64::from(*day));
            if days.values().iter().all(held) {
                return Ok(days.clone());
            }
        }
        let Times { values, nulls, .. } = self.times(array)?;
        let day = |day: &i64| match *day {
            i64::MAX => i32::MAX,
            i64::MIN => i32::MIN,
            day => i32::try_from(day).unwrap_or_default(),
        };
        let days: Vec<i32> = values.iter().map(day).collect();
        Ok(Date32Array::new(ScalarBuffer::from(days), nulls))
    }
}
