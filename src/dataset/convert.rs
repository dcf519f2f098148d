//! A column of the input into a column of the dataset, by kind.
//!
//! What already has the right form is passed on without a copy. A value that cannot be read is
//! null in the result and noted in [`Faults`].

mod times;
mod words;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int64Array, PrimitiveArray, StringBuilder, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, *};

use crate::dataset::describe::{Column, Kind, Requirement};
use crate::dataset::faults::Faults;
use crate::dataset::folds::Folds;
use crate::dataset::json_text::{StringRows, looks_like_json};
use crate::dataset::nulls::{NullTokens, Nulled};
use crate::dataset::separators::{self, Plain, Separators};
use crate::dataset::time::TimeReader;
use crate::dataset::{float, scale};
use crate::error::words;
use crate::model::decimal::{Decimal, NumberError};
use crate::model::normalise::normalised;
use crate::model::numbers::NumberBuilder;
use crate::model::text::Texts;
use crate::model::values::{Numbers, Values};
use crate::text::flags::DECIMAL;

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
    /// What numbers are multiplied by.
    pub scale: Option<&'a Decimal>,
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
        let plain = normalised(array).map_err(|e| CastError(format!("cannot be read: {}", words(&e))))?;
        let array = plain.as_ref().unwrap_or(array);
        let without = self.nulls.without_given(array, self.column.kind, self.nulled);
        let array = without.as_ref().unwrap_or(array);
        let without_signs = self.without_signs(array);
        let array = without_signs.as_ref().unwrap_or(array);
        let made = match self.made(array) {
            Err(Unreadable::Type(CastError(what))) => {
                let given = Values::of(array).map_or("values of another kind", |values| values.called());
                return Err(CastError(format!("holds {given} and {what}")).into());
            }
            made => made?,
        };
        let made = match self.scale {
            Some(by) => scale::scaled(&made, by, |row| self.fault(row, "number_too_long", TOO_LONG))
                .ok_or_else(|| self.wrong("number"))?,
            None => made,
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
            // A float is made of the product.
            Kind::Double | Kind::Single if self.scale.is_some() => self.numbers(array)?,
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
        // Nearly all numbers are digits, points and minus signs, which one pass without branches tells.
        let unusual = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(false, |any, byte| any | (byte.wrapping_sub(b'+') > b'9' - b'+') | (*byte == b','))
        };
        let plain = !texts.any(unusual) || !texts.any(signed) && !separators::may_be_marked(&texts);
        if decimal != Some(separators::Decimal::Comma) && plain {
            return None;
        }
        let mut scratch = String::new();
        let strings = std::mem::replace(&mut self.strings, StringRows::All);
        let mut take = |row: usize| {
            // A text that is no value of JSON can only be a string.
            let text =
                texts.get(row).filter(|text| strings.has(row) || !looks_like_json(text.as_bytes()))?.trim();
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
                            &format!("could have a thousand or three decimals behind its comma, and no other value of the input tells; add {DECIMAL} . where its decimals stand behind a point, {DECIMAL} , where behind a comma"),
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

    /// What follows the kind of the column's values in a message.
    fn wrong(&self, wanted: &str) -> CastError {
        CastError(format!("no {wanted}s"))
    }

    fn numbers(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
        if let Some(texts) = texts(array) {
            let mut builder = NumberBuilder::with_capacity(texts.len());
            texts.each(|row, text| match text.map(|text| (text, Decimal::parse(text.as_bytes()))) {
                Some((_, Ok(value))) => builder.push(value),
                Some((text, Err(_))) => self.trimmed_number(row, text.trim(), &mut builder),
                None => builder.push_null(),
            });
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

    /// Reads a number that may have blanks around it, or stand for null.
    #[cold]
    fn trimmed_number(&mut self, row: usize, text: &str, builder: &mut NumberBuilder) {
        match Decimal::parse(text.as_bytes()) {
            Ok(value) => return builder.push(value),
            Err(_) if self.nulls(text) => {}
            Err(NumberError::Syntax) => self.fault(row, "bad_number", "is not a number"),
            Err(NumberError::TooLong) => self.fault(row, "number_too_long", TOO_LONG),
        }
        builder.push_null();
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
