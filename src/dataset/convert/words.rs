//! Columns of text: codes, symbols, timeframes, ids, yes and no.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray, BinaryArray, BooleanArray, BooleanBuilder, DictionaryArray, StringArray,
    StringBuilder,
};
use arrow::datatypes::*;

use crate::dataset::convert::{CastError, Conversion, NO_TIMEFRAME};
use crate::dataset::describe::{Derivation, Kind, Requirement};
use crate::dataset::{dictionary, timeframe};
use crate::model::text::Texts;
use crate::model::value;
use crate::model::values::Values;

impl Conversion<'_> {
    /// The column as codes, where it has few distinct texts and no nulls.
    pub(super) fn codes(
        &mut self,
        array: &ArrayRef,
    ) -> Result<Option<DictionaryArray<Int32Type>>, CastError> {
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
    pub(super) fn capitals(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
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

    pub(super) fn symbols(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
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
    pub(super) fn texts(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
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
    pub(super) fn timeframes(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
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

    pub(super) fn words(
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
    pub(super) fn uuids(&mut self, array: &ArrayRef) -> Result<ArrayRef, CastError> {
        let any_id = matches!(self.column.derive, Some(Derivation::Article { .. }));
        let nulls = self.nulls;
        self.words(array, "bad_uuid", "is not a UUID", |text| match uuid::Uuid::try_parse(text) {
            Ok(id) => Some(id.to_string()),
            Err(_) if any_id && !nulls.matches(text) => Some(text.to_owned()),
            Err(_) => None,
        })
    }

    pub(super) fn bools(&mut self, array: &ArrayRef) -> Result<BooleanArray, CastError> {
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
    pub(super) fn plain_text(&mut self, array: &ArrayRef) -> Result<StringArray, CastError> {
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
    pub(super) fn bytes(&mut self, array: &BinaryArray) -> StringArray {
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
pub(super) fn is_lower(symbol: &str) -> bool {
    symbol.chars().any(char::is_lowercase) && !symbol.chars().any(char::is_uppercase)
}
