//! A column of the input into a column of the dataset, by kind.
//!
//! What already has the right form is passed on without a copy. A value that cannot be read is
//! null in the result and noted in [`Faults`].

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Int64Array,
    PrimitiveArray, StringArray, TimestampMicrosecondArray, TimestampNanosecondArray, new_null_array,
};
use arrow::array::{BooleanBuilder, StringBuilder};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use arrow::datatypes::*;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::dataset::describe::{Column, Derivation, Kind, Requirement};
use crate::dataset::dictionary;
use crate::dataset::faults::Faults;
use crate::dataset::float;
use crate::dataset::folds::Folds;
use crate::dataset::json_text::StringRows;
use crate::dataset::nulls::{NullTokens, Nulled};
use crate::dataset::separators::{self, Plain, Separators};
use crate::dataset::time::{TimeError, TimeReader, Twice, calendar};
use crate::dataset::timeframe;
use crate::error::words;
use crate::model::decimal::{Decimal, NumberError};
use crate::model::normalise::normalised;
use crate::model::numbers::NumberBuilder;
use crate::model::text::Texts;
use crate::model::value;
use crate::model::values::{Numbers, Values};

/// What is wrong with a number that no store has room for.
const TOO_LONG: &str = "has more digits than any store keeps (131,072 before the point and 16,383 behind it)";

/// What is wrong with a timeframe, behind the name of its column.
const NO_TIMEFRAME: &str = "is not a timeframe (write for instance 1m, 5m, 1h, 1d, 1w or 1mo)";

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// What conversion goes by, for one column of one input.
pub struct Conversion<'a> {
    /// The column to make.
    pub column: &'a Column,
    /// Its name, shared with the reasons against rows.
    pub name: &'a Arc<str>,
    /// Texts that stand for null.
    pub nulls: &'a NullTokens,
    /// Reader of the times in this column.
    pub times: &'a mut TimeReader,
    /// Whether symbols keep their case.
    pub keep_case: bool,
    /// Which symbols become the same, where the table takes them in capitals.
    pub folds: &'a mut Folds,
    /// Whether times may be any that PostgreSQL holds, and infinite.
    pub wide: bool,
    /// Columns of the input that tell the series of a row.
    pub series: &'a [ArrayRef],
    /// Whether a key of text must say something: no null word and no empty text. So it is in the
    /// datasets' own keys, where such a word would make one row of many.
    pub telling_key: bool,
    /// What stands before the decimals of numbers, where it is known; `None` for values that are plain.
    pub separators: Option<&'a mut Separators>,
    /// Which texts are strings: a JSON number has its decimals behind a point, whatever the strings have.
    pub strings: StringRows,
    /// Where rows at fault are noted.
    pub faults: &'a mut Faults,
    /// Where values that become null are counted.
    pub nulled: &'a mut Nulled,
}

/// The column is of a type that its kind cannot be made of; the text says which, in words that
/// follow "the column".
pub struct CastError(pub String);

/// The times of a column.
#[derive(Default)]
struct Times {
    /// In nanoseconds, or in days where the column is one of days.
    values: Vec<i64>,
    nulls: Option<NullBuffer>,
    /// Rows without a time.
    missing: Vec<usize>,
    /// Rows whose time nanoseconds do not hold, with its microseconds.
    far: Vec<(usize, i64)>,
    /// Rows whose local time came twice; they are missing too until it is settled which it is.
    twice: Vec<Twice>,
}

impl Times {
    /// Which of so many rows have a time.
    fn valid_of(&self, rows: usize) -> Vec<bool> {
        let mut valid = vec![true; rows];
        self.missing.iter().for_each(|row| valid[*row] = false);
        valid
    }
}

/// The whole part of a number, where it fits.
fn whole(number: &Decimal) -> Option<i64> {
    match number {
        Decimal::Small { mantissa, scale } => {
            i64::try_from(mantissa / 10i128.checked_pow(u32::try_from(*scale).ok()?)?).ok()
        }
        Decimal::Long(_) => None,
    }
}

/// Why a column cannot be converted at all.
pub enum Unreadable {
    /// Its type.
    Type(CastError),
    /// Its dates could be read in several ways, and none settles which; the text says which ways.
    DateOrder(String),
}

impl From<CastError> for Unreadable {
    fn from(wrong: CastError) -> Self {
        Self::Type(wrong)
    }
}

impl Conversion<'_> {
    /// Converts the column, and notes nulls where none may be.
    pub fn run(&mut self, array: &ArrayRef) -> Result<ArrayRef, Unreadable> {
        // What is wanted is a part of it, or another column.
        let kind = self.column.kind;
        if array.data_type().is_nested()
            && !matches!(kind, Kind::Text | Kind::Words | Kind::Label | Kind::Json)
        {
            return Err(CastError("holds lists or other values with parts".to_owned()).into());
        }
        let given = array.data_type();
        let plain = normalised(array).map_err(|e| CastError(format!("cannot be read: {}", words(&e))))?;
        let array = plain.as_ref().unwrap_or(array);
        let without = self.nulls.without_given(array, self.column.kind, self.nulled);
        let array = without.as_ref().unwrap_or(array);
        let without_signs = self.without_signs(array);
        let array = without_signs.as_ref().unwrap_or(array);
        let made = match self.made(array) {
            Err(Unreadable::Type(CastError(what))) => {
                return Err(CastError(format!("holds {given}, {what}")).into());
            }
            made => made?,
        };
        if matches!(self.column.need, Requirement::Key | Requirement::Required) && made.null_count() > 0 {
            for row in (0..made.len()).filter(|row| made.is_null(*row)) {
                self.faults
                    .add(row, self.name, "missing_value", || format!("{} has no value", self.column.name));
            }
        }
        Ok(made)
    }

    /// The column of its kind; an error of type says what the column is not.
    fn made(&mut self, array: &ArrayRef) -> Result<ArrayRef, Unreadable> {
        if let Some(Values::Null) = Values::of(array) {
            let kind = self.column.kind.arrow_type().unwrap_or(DataType::Decimal128(38, 0));
            return Ok(new_null_array(&kind, array.len()));
        }
        Ok(match self.column.kind {
            Kind::Number => self.numbers(array)?,
            Kind::Double => self.floats::<Float64Type>(array)?,
            Kind::Single => self.floats::<Float32Type>(array)?,
            Kind::Nanos => Arc::new(self.nanos_column(array)?),
            Kind::Timestamp => self.timestamps(array)?,
            Kind::Date => Arc::new(self.dates(array)?),
            Kind::Symbol => self.symbols(array)?,
            Kind::Text | Kind::Words | Kind::Label | Kind::Bytes | Kind::Json => self.texts(array)?,
            Kind::OptionType => {
                self.words(array, "bad_option_type", "is neither call nor put (C, P)", |text| {
                    match text.to_ascii_lowercase().as_str() {
                        "c" | "call" | "calls" => Some("C".into()),
                        "p" | "put" | "puts" => Some("P".into()),
                        _ => None,
                    }
                })?
            }
            Kind::UpperSymbol if !self.keep_case => self.capitals(array)?,
            Kind::UpperSymbol => self.symbols(array)?,
            Kind::Timeframe => self.timeframes(array)?,
            Kind::Uuid => self.uuids(array)?,
            Kind::Bool => Arc::new(self.bools(array)?),
        })
    }

    /// A column of numbers as plain numbers; `None` where they are plain.
    fn without_signs(&mut self, array: &ArrayRef) -> Option<ArrayRef> {
        let is_number = self.column.kind.is_number() || self.column.kind == Kind::Nanos;
        let texts = texts(array).filter(|_| is_number)?;
        let signs = self.separators.take()?;
        let decimal = signs.decimal();
        let signed = |bytes: &[u8]| {
            memchr::memchr3(b',', b' ', b'\'', bytes).is_some()
                || memchr::memchr2(0xc2, 0xe2, bytes).is_some()
        };
        if decimal != Some(separators::Decimal::Comma) && !texts.any(signed) {
            return None;
        }
        let mut scratch = String::new();
        let strings = std::mem::replace(&mut self.strings, StringRows::All);
        let mut take = |row: usize| {
            let text = texts.get(row).filter(|_| strings.has(row))?.trim();
            let read = separators::plain(text, decimal, &mut scratch);
            (read != Plain::AsIs).then(|| (read, text, scratch.clone()))
        };
        let first = (0..texts.len()).find(|row| take(*row).is_some())?;
        let mut builder = StringBuilder::with_capacity(texts.len(), texts.len() * 8);
        for row in 0..texts.len() {
            match (row < first, texts.get(row)) {
                (false, Some(text)) => match take(row) {
                    Some((Plain::Ambiguous, ..)) => {
                        self.fault(
                            row,
                            "ambiguous_number",
                            "could have a thousand or three decimals behind its comma, and no other value of the input tells; add --decimal . where its decimals stand behind a point, --decimal , where behind a comma",
                        );
                        builder.append_null();
                    }
                    Some((_, text, plain)) => {
                        signs.took(text, &plain);
                        builder.append_value(plain);
                    }
                    None => builder.append_value(text),
                },
                (_, text) => builder.append_option(text),
            }
        }
        Some(Arc::new(builder.finish()))
    }

    fn fault(&mut self, row: usize, code: &'static str, what: &str) {
        let name = &self.column.name;
        self.faults.add(row, self.name, code, || format!("{name} {what}"));
    }

    /// Whether a text, trimmed, stands for null; it is counted if so.
    fn nulls(&mut self, text: &str) -> bool {
        let is_null = self.nulls.matches(text);
        if is_null {
            self.nulled.add(text);
        }
        is_null
    }

    /// What follows the type of the column in a message.
    fn wrong(&self, wanted: &str) -> CastError {
        CastError(format!("which is not a {wanted}"))
    }

    fn numbers(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
        if let Some(texts) = texts(array) {
            let mut builder = NumberBuilder::with_capacity(texts.len());
            for row in 0..texts.len() {
                let Some(text) = texts.get(row) else {
                    builder.push_null();
                    continue;
                };
                match Decimal::parse(text.as_bytes()) {
                    Ok(value) => builder.push(value),
                    Err(_) => {
                        let text = text.trim();
                        match Decimal::parse(text.as_bytes()) {
                            Ok(value) => {
                                builder.push(value);
                                continue;
                            }
                            _ if self.nulls(text) => {}
                            Err(NumberError::Syntax) => self.fault(row, "bad_number", "is not a number"),
                            Err(NumberError::TooLong) => self.fault(row, "number_too_long", TOO_LONG),
                        }
                        builder.push_null();
                    }
                }
            }
            return Ok(builder.finish());
        }
        match Numbers::of(array) {
            Some(Numbers::Double(_)) => Ok(self.finite::<Float64Type>(array)),
            Some(Numbers::Single(_)) => self.singles(array),
            Some(Numbers::Int(_) | Numbers::Decimal(..) | Numbers::Digits(_)) => Ok(array.clone()),
            Some(Numbers::Unsigned(source)) => Ok(match integers(array) {
                Some(made) => Arc::new(made),
                None => {
                    let values = source.iter().map(|value| value.map(i128::from));
                    let made: Decimal128Array = values.collect();
                    made.with_precision_and_scale(38, 0)
                        .map(|made| Arc::new(made) as ArrayRef)
                        .map_err(|_| self.wrong("number"))?
                }
            }),
            None => Err(self.wrong("number")),
        }
    }

    /// Numbers for a column of floats: text becomes floats, floats pass as they are, and of the others
    /// the store makes floats.
    fn floats<T: ArrowPrimitiveType>(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError>
    where
        T::Native: float::Float,
    {
        match Numbers::of(array) {
            Some(Numbers::Double(_)) => return Ok(self.finite::<Float64Type>(array)),
            Some(Numbers::Single(_)) => return Ok(self.finite::<Float32Type>(array)),
            _ => {}
        }
        let Some(texts) = Texts::of(array) else { return self.numbers(array) };
        let made = float::column::<T>(texts, |row, text, error| match error {
            _ if self.nulls(text) => {}
            NumberError::Syntax => self.fault(row, "bad_number", "is not a number"),
            NumberError::TooLong => self.fault(row, "number_range", "is out of the range of its column"),
        });
        Ok(Arc::new(made))
    }

    /// Floats pass as they are; NaN and the infinities become null, and are counted.
    fn finite<T: ArrowPrimitiveType>(&mut self, array: &ArrayRef) -> ArrayRef
    where
        T::Native: float::Float,
    {
        let source = array.as_primitive::<T>();
        if source.values().iter().all(|value| float::Float::finite(*value)) {
            return array.clone();
        }
        let mut valid = Vec::with_capacity(source.len());
        for (row, value) in source.values().iter().enumerate() {
            let finite = float::Float::finite(*value);
            if !finite && source.is_valid(row) {
                self.nulled.add(float::Float::word(*value));
            }
            valid.push(source.is_valid(row) && finite);
        }
        let values = source.values().clone();
        Arc::new(PrimitiveArray::<T>::new(values, Some(NullBuffer::from(valid))))
    }

    /// Floats of single precision become decimals: their shortest form is not that of the double
    /// of the same value.
    fn singles(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
        let finite = self.finite::<Float32Type>(array);
        let view = Numbers::of(&finite).ok_or_else(|| self.wrong("number"))?;
        let mut builder = NumberBuilder::with_capacity(array.len());
        for row in 0..array.len() {
            match view.get(row) {
                Some(number) => builder.push(number),
                None => builder.push_null(),
            }
        }
        Ok(builder.finish())
    }

    fn nanos_column(&mut self, array: &ArrayRef) -> Result<Int64Array, CastError> {
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
    fn times(&mut self, array: &ArrayRef) -> Result<Times, Unreadable> {
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
                    // What is no number is no time either, and is counted.
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
    fn instants(
        &mut self,
        ticks: &[i64],
        factor: i64,
        zone: Option<&str>,
        array: &ArrayRef,
        made: &mut Times,
    ) -> Option<Times> {
        let naive = zone.is_none();
        if self.times.takes_as_they_are(naive) {
            let nanos: Option<Vec<i64>> = ticks.iter().map(|tick| tick.checked_mul(factor)).collect();
            if let Some(values) = nanos {
                return Some(Times { values, nulls: array.nulls().cloned(), ..Times::default() });
            }
        }
        let seen_in = zone.and_then(|zone| zone.parse().ok());
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
    fn take(&mut self, row: usize, value: Option<Result<i64, TimeError>>, made: &mut Times) {
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
    fn take_other(&mut self, row: usize, error: TimeError, made: &mut Times) {
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

    fn time_fault(&mut self, row: usize, error: TimeError) {
        let (name, times) = (&self.column.name, &*self.times);
        self.faults.add_of_kind(row, self.name, error.code(), times.kind(error), || {
            format!("{name} {}", times.message(error))
        });
    }

    /// Settles what the order of the rows tells of local times, and which unit all of them travel in.
    fn settle(&mut self, made: &mut Times) {
        let series = self.series;
        let series_of = |row: usize| {
            let mut hash = 0;
            for column in series {
                let text = Texts::of(column).and_then(|texts| texts.get(row));
                hash = xxh3_64_with_seed(text.unwrap_or_default().trim().as_bytes(), hash);
            }
            hash
        };
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

    fn timestamps(&mut self, array: &ArrayRef) -> Result<ArrayRef, Unreadable> {
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

    fn dates(&mut self, array: &ArrayRef) -> Result<Date32Array, Unreadable> {
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

    /// The column as codes, where it has few distinct texts and no nulls.
    fn codes(&mut self, array: &ArrayRef) -> Result<Option<DictionaryArray<Int32Type>>, CastError> {
        Ok(match Texts::of(array) {
            _ if array.null_count() > 0 => None,
            Some(Texts::Coded(coded, values))
                if values.null_count() == 0 && values.len() <= dictionary::MOST =>
            {
                Some(coded.clone())
            }
            _ => dictionary::code(&self.plain_text(array)?),
        })
    }

    /// Symbols in capitals, for a table that takes no others.
    fn capitals(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
        if let Some(coded) = self.codes(array)? {
            let values = coded.values().as_string::<i32>();
            // One that is blank becomes null, which only the way below can say.
            if !values.iter().flatten().any(|text| text.trim().is_empty()) {
                let stored = values.iter().flatten().map(|text| self.folds.stored(text.trim()));
                let stored = StringArray::from_iter_values(stored);
                return Ok(Arc::new(coded.with_values(Arc::new(stored))));
            }
        }
        let plain = self.plain_text(array)?;
        let mut builder = StringBuilder::with_capacity(plain.len(), plain.value_data().len());
        for text in plain.iter() {
            match text.map(str::trim) {
                None | Some("") => builder.append_null(),
                Some(text) => builder.append_value(self.folds.stored(text)),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn symbols(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
        let keep_case = self.keep_case;
        let clean = |text: &str| {
            !text.is_empty()
                && text.is_ascii()
                && !text.as_bytes()[0].is_ascii_whitespace()
                && !text.as_bytes()[text.len() - 1].is_ascii_whitespace()
                && (keep_case || !is_lower(text))
        };
        if let Some(coded) = self.codes(array)? {
            let values = coded.values().as_string::<i32>();
            if values.iter().flatten().all(clean) {
                return Ok(Arc::new(coded));
            }
            // One that is blank becomes null, which only the way below can say.
            if !values.iter().flatten().any(|text| text.trim().is_empty()) {
                let cleaned = values.iter().flatten().map(|text| match text.trim() {
                    text if !keep_case && is_lower(text) => text.to_uppercase(),
                    text => text.to_owned(),
                });
                let cleaned = StringArray::from_iter_values(cleaned);
                return Ok(Arc::new(coded.with_values(Arc::new(cleaned))));
            }
        }
        let plain = self.plain_text(array)?;
        if plain.iter().flatten().all(clean) {
            return Ok(Arc::new(plain));
        }
        let mut builder = StringBuilder::with_capacity(plain.len(), plain.value_data().len());
        for text in plain.iter() {
            match text.map(str::trim) {
                None | Some("") => builder.append_null(),
                Some(text) if !keep_case && is_lower(text) => builder.append_value(text.to_uppercase()),
                Some(text) => builder.append_value(text),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Text stands as it is: a headline may well be "None". What is no value at all in a column that
    /// holds no text, and in a key that must tell rows apart, is null.
    fn texts(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
        let null_words =
            self.column.kind == Kind::Words || self.telling_key && self.column.need == Requirement::Key;
        let nulls = self.nulls;
        let is_null = |text: &str| match self.column.kind {
            _ if null_words => nulls.matches(text.trim()),
            Kind::Json => text.trim().is_empty(),
            _ => false,
        };
        if let Some(coded) = self.codes(array)?
            && !coded.values().as_string::<i32>().iter().flatten().any(is_null)
        {
            return Ok(Arc::new(coded));
        }
        let plain = self.plain_text(array)?;
        if !plain.iter().flatten().any(is_null) {
            return Ok(Arc::new(plain));
        }
        plain.iter().flatten().filter(|text| is_null(text)).for_each(|text| self.nulled.add(text.trim()));
        Ok(Arc::new(plain.iter().map(|text| text.filter(|t| !is_null(t))).collect::<StringArray>()))
    }

    /// Timeframes in their one spelling.
    fn timeframes(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
        if let Some(coded) = self.codes(array)? {
            let values = coded.values().as_string::<i32>();
            let spelled: Option<Vec<_>> = values.iter().map(|text| timeframe::canonical(text?)).collect();
            if let Some(spelled) = spelled {
                if spelled.iter().all(|text| matches!(text, Cow::Borrowed(_))) {
                    return Ok(Arc::new(coded));
                }
                let spelled = StringArray::from_iter_values(spelled);
                return Ok(Arc::new(coded.with_values(Arc::new(spelled))));
            }
        }
        let plain = self.plain_text(array)?;
        let mut builder = StringBuilder::with_capacity(plain.len(), plain.value_data().len());
        for (row, text) in plain.iter().enumerate() {
            match text.map(|text| (text, timeframe::canonical(text))) {
                Some((_, Some(name))) => builder.append_value(name),
                Some((text, None)) => {
                    if !self.nulls(text.trim()) {
                        self.fault(row, "bad_timeframe", NO_TIMEFRAME);
                    }
                    builder.append_null();
                }
                None => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn words(
        &mut self,
        array: &ArrayRef,
        code: &'static str,
        what: &str,
        read: impl Fn(&str) -> Option<String>,
    ) -> Result<ArrayRef, CastError> {
        let plain = self.plain_text(array)?;
        let mut builder = StringBuilder::with_capacity(plain.len(), plain.value_data().len());
        for (row, text) in plain.iter().enumerate() {
            let text = text.map(str::trim);
            match text.map(&read) {
                Some(Some(word)) => builder.append_value(word),
                Some(None) if !text.is_some_and(|t| self.nulls(t)) => {
                    self.fault(row, code, what);
                    builder.append_null();
                }
                _ => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// UUIDs; where the dataset derives the id, any other id of the vendor's stays as it is: it is
    /// made one when vendor and symbol are known.
    fn uuids(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
        let any_id = matches!(self.column.derive, Some(Derivation::Article { .. }));
        let nulls = self.nulls;
        self.words(array, "bad_uuid", "is not a UUID", |text| match uuid::Uuid::try_parse(text) {
            Ok(id) => Some(id.to_string()),
            Err(_) if any_id && !nulls.matches(text) => Some(text.to_owned()),
            Err(_) => None,
        })
    }

    fn bools(&mut self, array: &ArrayRef) -> Result<BooleanArray, CastError> {
        if let Some(Values::Bool(values)) = Values::of(array) {
            return Ok(values.clone());
        }
        let plain = self.plain_text(array)?;
        let mut builder = BooleanBuilder::with_capacity(plain.len());
        for (row, text) in plain.iter().enumerate() {
            let Some(text) = text.map(str::trim) else {
                builder.append_null();
                continue;
            };
            match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "1" => builder.append_value(true),
                "false" | "f" | "no" | "n" | "0" => builder.append_value(false),
                _ => {
                    if !self.nulls(text) {
                        self.fault(row, "bad_bool", "is neither true nor false");
                    }
                    builder.append_null();
                }
            }
        }
        Ok(builder.finish())
    }

    /// The column as text; a `Utf8` column is not copied.
    fn plain_text(&mut self, array: &ArrayRef) -> Result<StringArray, CastError> {
        if let Some(texts) = Texts::of(array) {
            return Ok(match texts {
                Texts::Plain(plain) => plain.clone(),
                other => other.iter().collect(),
            });
        }
        if let Some(Values::Bytes(bytes)) = Values::of(array) {
            return Ok(self.bytes(bytes));
        }
        let mut text = String::new();
        let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 8);
        for row in 0..array.len() {
            text.clear();
            match value::write(array, row, &mut text) {
                value::Written::Null => builder.append_null(),
                _ => builder.append_value(&text),
            }
        }
        Ok(builder.finish())
    }

    /// Bytes as text: in a column of bytes in hexadecimal, in one of UUIDs as such, elsewhere as the text
    /// that they are.
    fn bytes(&mut self, array: &BinaryArray) -> StringArray {
        let mut text = String::new();
        let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 16);
        for row in 0..array.len() {
            if array.is_null(row) {
                builder.append_null();
                continue;
            }
            let bytes = array.value(row);
            match (self.column.kind, std::str::from_utf8(bytes)) {
                (Kind::Uuid, _) if bytes.len() == 16 => {
                    builder.append_value(uuid::Uuid::from_slice(bytes).unwrap_or_default().to_string());
                }
                // A domain over bytes is one of those that only the store knows.
                (Kind::Bytes, _) | (Kind::Words, Err(_)) => {
                    text.clear();
                    value::write(array, row, &mut text);
                    builder.append_value(&text);
                }
                (_, Ok(words)) => builder.append_value(words),
                (_, Err(_)) => {
                    self.fault(row, "bad_utf8", "holds bytes that are not text in UTF-8");
                    builder.append_null();
                }
            }
        }
        builder.finish()
    }
}

/// Whether all letters of a symbol are small ones: it is written so for ease, while of `AMPB` and `AMpB`
/// each is an instrument of its own.
fn is_lower(symbol: &str) -> bool {
    symbol.chars().any(char::is_lowercase) && !symbol.chars().any(char::is_uppercase)
}

/// The column as text, if it is one. Numbers of more digits than Arrow's types hold are no text, though they
/// are kept as one: they are plain.
fn texts(array: &ArrayRef) -> Option<Texts<'_>> {
    Texts::of(array).filter(|texts| !matches!(texts, Texts::Large(_)))
}

/// Whole numbers as signed ones; `None` for other types and for values that do not fit.
fn integers(array: &ArrayRef) -> Option<Int64Array> {
    match Numbers::of(array)? {
        Numbers::Int(numbers) => Some(numbers.clone()),
        Numbers::Unsigned(numbers) => {
            let values: Option<Vec<i64>> =
                numbers.values().iter().map(|value| i64::try_from(*value).ok()).collect();
            Some(Int64Array::new(values?.into(), numbers.nulls().cloned()))
        }
        Numbers::Double(_) | Numbers::Single(_) | Numbers::Decimal(..) | Numbers::Digits(_) => None,
    }
}
