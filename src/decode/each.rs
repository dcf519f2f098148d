//! A list in a column that becomes a row for each of its elements: the instruments that an article is about.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::Value;

use crate::decode::{Broken, DecodeError, Decoder, MAX_RAW, RawBatch};
use crate::model::text::Texts;

/// Elements of a list that can become rows; a row whose list has more is broken.
const MOST: u64 = 1 << 12;

/// Which list becomes rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Each {
    text: String,
    /// The column with the list.
    column: String,
    /// The member of its elements that is meant, where they are objects.
    member: Option<String>,
}

impl Each {
    /// Reads it: `tickers`, or `stocks.name` for a list of objects.
    ///
    /// # Errors
    /// One sentence on what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (column, member) = match text.split_once('.') {
            Some((column, member)) => (column, Some(member)),
            None => (text, None),
        };
        if column.is_empty() || member.is_some_and(str::is_empty) {
            return Err("expected a column with a list, such as tickers or stocks.name".to_owned());
        }
        let member = member.map(str::to_owned);
        Ok(Self { text: text.to_owned(), column: column.to_owned(), member })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The elements of a list that is written as JSON; what is no list is one element. `None` where there are
    /// too many.
    fn elements(&self, text: &str) -> Option<Vec<Option<String>>> {
        let plain = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let Ok(Value::Array(all)) = serde_json::from_str::<Value>(text) else {
            return Some(vec![Some(text.to_owned())]);
        };
        let of = |value: &Value| match &self.member {
            Some(member) => value.get(member).and_then(plain),
            None => plain(value),
        };
        (all.len() as u64 <= MOST).then(|| all.iter().map(of).collect())
    }
}

/// A reader of which a list in a column becomes rows. The column keeps its name.
pub struct EachDecoder {
    inner: Box<dyn Decoder>,
    each: Each,
}

impl EachDecoder {
    /// Makes rows of the elements of a list.
    pub fn new(inner: Box<dyn Decoder>, each: Each) -> Self {
        Self { inner, each }
    }

    fn rows(&self, raw: RawBatch) -> Result<RawBatch, DecodeError> {
        let first_of = |row: u64| (row - 1) * MOST + 1;
        let mut broken: Vec<Broken> =
            raw.broken.into_iter().map(|broken| Broken { row: first_of(broken.row), ..broken }).collect();
        let schema = raw.columns.schema();
        let place = schema.fields().iter().position(|field| *field.name() == self.each.column);
        let texts = place.and_then(|place| Texts::of(raw.columns.column(place)));
        let (mut picks, mut numbers) = (Vec::new(), Vec::new());
        let mut elements = StringBuilder::new();
        for (row, number) in raw.rows.iter().enumerate() {
            let text = texts.as_ref().and_then(|texts| texts.get(row));
            let Some(list) = text.map_or(Some(Vec::new()), |text| self.each.elements(text)) else {
                let text = text.unwrap_or_default().as_bytes();
                broken.push(Broken {
                    row: first_of(*number),
                    raw: text.get(..text.len().min(MAX_RAW)).unwrap_or_default().to_vec(),
                    cut: text.len() > MAX_RAW,
                    code: "too_long",
                    message: format!("the list {:?} has more than {MOST} elements", self.each.text).into(),
                });
                continue;
            };
            // A row whose list is empty is about none.
            let list = if list.is_empty() { vec![None] } else { list };
            for (at, element) in list.into_iter().enumerate() {
                picks.push(u32::try_from(row).unwrap_or(u32::MAX));
                numbers.push(first_of(*number) + at as u64);
                elements.append_option(element);
            }
        }
        let (picks, elements): (UInt32Array, ArrayRef) = (picks.into(), Arc::new(elements.finish()));
        let wrong = |error: arrow::error::ArrowError| DecodeError::Corrupt(error.to_string());
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
        let mut arrays = Vec::new();
        for (index, column) in raw.columns.columns().iter().enumerate() {
            if Some(index) == place {
                if let Some(field) = fields.get_mut(index) {
                    *field = Arc::new(Field::new(field.name(), DataType::Utf8, true));
                }
                arrays.push(elements.clone());
            } else {
                arrays.push(take(column, &picks, None).map_err(wrong)?);
            }
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let options = RecordBatchOptions::new().with_row_count(Some(picks.len()));
        let columns = RecordBatch::try_new_with_options(schema, arrays, &options).map_err(wrong)?;
        Ok(RawBatch { columns, rows: numbers, broken, bytes: raw.bytes })
    }
}

impl Decoder for EachDecoder {
    fn inner(&self) -> Option<&dyn Decoder> {
        Some(&*self.inner)
    }

    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        self.inner.next_batch()?.map(|raw| self.rows(raw)).transpose()
    }

    fn prove(&mut self) -> Result<(), DecodeError> {
        self.inner.prove()
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.inner.names()
    }

    fn shares(&self) -> u64 {
        MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_lists() {
        let of = |each: &str, text: &str| Each::parse(each).unwrap().elements(text).unwrap();
        let some = |texts: &[&str]| texts.iter().map(|text| Some((*text).to_owned())).collect::<Vec<_>>();
        assert_eq!(of("tickers", r#"["A","B.C",null]"#), [some(&["A", "B.C"]), vec![None]].concat());
        assert_eq!(of("stocks.name", r#"[{"name":"A"},{"name":"B"}]"#), some(&["A", "B"]));
        assert_eq!(of("tickers", "A"), some(&["A"]));
        assert_eq!(of("tickers", "[]"), []);
        assert!(Each::parse("").is_err() && Each::parse("a.").is_err());
    }
}
