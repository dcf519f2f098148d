//! Texts that hold several columns: the topic of a message, `kline.5.BTCUSDT`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};

use crate::dataset::name_pattern::{Meaning, NamePattern};
use crate::dataset::vocabulary::{place_of, texts_of};
use crate::dataset::wanted::Wanted;
use crate::decode::{DecodeError, Decoder, RawBatch};
use crate::model::text::Texts;

/// Columns, and the columns that their texts are divided into.
pub type Split = BTreeMap<String, Divided>;

/// Texts whose parts are held: those of a stream come again and again.
const HELD: usize = 4096;

/// How a text is divided: `kline.{interval}.{symbol}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Divided {
    text: String,
    pattern: NamePattern,
}

impl TryFrom<String> for Divided {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Ok(Self { pattern: NamePattern::parse(&text)?, text })
    }
}

impl From<Divided> for String {
    fn from(divided: Divided) -> Self {
        divided.text
    }
}

impl Divided {
    /// The parts of a text, in the order of their columns; `None` where it has another form.
    fn parts(&self, names: &[String], text: &str) -> Option<Vec<String>> {
        let fields = self.pattern.fields(text, &|_| Meaning::Column).ok()?;
        let part = |name: &String| {
            fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        Some(names.iter().map(part).collect())
    }
}

/// A reader of which texts become columns. One that the rows have stays as it is.
pub struct SplitDecoder {
    inner: Box<dyn Decoder>,
    split: Split,
    held: BTreeMap<String, HashMap<String, Option<Vec<String>>>>,
}

impl SplitDecoder {
    /// Over that reader.
    pub fn new(inner: Box<dyn Decoder>, split: Split) -> Self {
        Self { inner, split, held: BTreeMap::new() }
    }

    fn rows(&mut self, raw: RawBatch) -> Result<RawBatch, DecodeError> {
        let mut columns = raw.columns;
        for (name, divided) in &self.split {
            let Some(place) = place_of(&columns, name) else { continue };
            let shown = texts_of(columns.column(place)).map_err(wrong)?;
            let Some(texts) = Texts::of(&shown) else { continue };
            let names: Vec<String> = divided.pattern.names().map(str::to_owned).collect();
            let mut made: Vec<StringBuilder> = names.iter().map(|_| StringBuilder::new()).collect();
            let held = self.held.entry(name.clone()).or_default();
            for row in 0..shown.len() {
                let text = texts.get(row).unwrap_or_default();
                if !held.contains_key(text) {
                    if held.len() >= HELD {
                        held.clear();
                    }
                    held.insert(text.to_owned(), divided.parts(&names, text));
                }
                let parts = held.get(text).and_then(Option::as_ref);
                for (at, column) in made.iter_mut().enumerate() {
                    column.append_option(parts.and_then(|parts| parts.get(at)));
                }
            }
            let schema = columns.schema();
            let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
            let mut arrays = columns.columns().to_vec();
            for (name, mut column) in names.iter().zip(made) {
                if place_of(&columns, name).is_none() {
                    fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
                    arrays.push(Arc::new(column.finish()) as ArrayRef);
                }
            }
            let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
            columns = RecordBatch::try_new(schema, arrays).map_err(wrong)?;
        }
        Ok(RawBatch { columns, ..raw })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as map_err calls it")]
fn wrong(error: arrow::error::ArrowError) -> DecodeError {
    DecodeError::Corrupt(error.to_string())
}

impl Decoder for SplitDecoder {
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

    fn want(&mut self, wanted: Wanted) {
        let split: Vec<String> = self.split.keys().cloned().collect();
        let or_split = move |name: &str| wanted(name) || split.iter().any(|known| known == name);
        self.inner.want(Arc::new(or_split));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{CsvDecoder, CsvOptions, test_util};

    #[test]
    fn parts_of_a_text_are_columns_and_a_text_of_another_form_has_none() {
        let text = "topic,px\nkline.5.BTCUSDT,1\ntickers.X,2\n,3\nkline.D.ETH.P,4\n";
        let csv = CsvDecoder::open(Box::new(test_util::Script::one(text.as_bytes())), CsvOptions::default());
        let divided = Divided::try_from("kline.{interval}.{symbol}".to_owned()).unwrap();
        let split = Split::from([("topic".to_owned(), divided)]);
        let mut decoder = SplitDecoder::new(Box::new(csv.unwrap()), split);
        let raw = decoder.next_batch().unwrap().unwrap();
        let column = |name: &str| -> Vec<Option<String>> {
            let texts = Texts::of(raw.columns.column_by_name(name).unwrap()).unwrap();
            (0..4).map(|row| texts.get(row).map(str::to_owned)).collect()
        };
        let text = |text: &str| Some(text.to_owned());
        // What can be divided in two ways is not.
        assert_eq!(column("interval"), [text("5"), None, None, None]);
        assert_eq!(column("symbol"), [text("BTCUSDT"), None, None, None]);
        assert!(Divided::try_from("kline".to_owned()).is_err());
    }
}
