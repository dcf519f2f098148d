//! Rows of another kind that stand among those that are wanted: quotes among trades, companies among currencies.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;

use crate::dataset::vocabulary::{place_of, texts_of};
use crate::dataset::wanted::Wanted;
use crate::decode::{DecodeError, Decoder, Passed, RawBatch};
use crate::model::text::Texts;

/// Columns, and the values of which a row has to have one.
pub type OnlyRows = BTreeMap<String, Vec<String>>;

/// Values of other rows that are told one by one.
const MOST: usize = 8;

/// A reader that leaves rows of another kind out.
pub struct OnlyRowsDecoder {
    inner: Box<dyn Decoder>,
    only: OnlyRows,
    counted: BTreeMap<(&'static str, String), u64>,
}

impl OnlyRowsDecoder {
    /// Of that reader.
    pub fn new(inner: Box<dyn Decoder>, only: OnlyRows) -> Self {
        Self { inner, only, counted: BTreeMap::new() }
    }

    fn rows(&mut self, raw: RawBatch) -> Result<RawBatch, DecodeError> {
        let (mut columns, mut rows) = (raw.columns, raw.rows);
        for (name, values) in &self.only {
            let Some(place) = place_of(&columns, name) else { continue };
            let column = texts_of(columns.column(place)).map_err(wrong)?;
            let Some(texts) = Texts::of(&column) else { continue };
            let value = |row: usize| texts.get(row).unwrap_or_default().trim();
            let keep: BooleanArray =
                (0..rows.len()).map(|row| Some(values.iter().any(|wanted| wanted == value(row)))).collect();
            if keep.true_count() == rows.len() {
                continue;
            }
            for row in (0..rows.len()).filter(|row| !keep.value(*row)) {
                count(&mut self.counted, name, value(row), &values.join(" or "));
            }
            columns = filter_record_batch(&columns, &keep).map_err(wrong)?;
            rows =
                rows.into_iter().zip(keep.values()).filter_map(|(row, keep)| keep.then_some(row)).collect();
        }
        Ok(RawBatch { columns, rows, ..raw })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as map_err calls it")]
fn wrong(error: arrow::error::ArrowError) -> DecodeError {
    DecodeError::Corrupt(error.to_string())
}

/// Counts a row that is left out for its value.
fn count(counted: &mut BTreeMap<(&'static str, String), u64>, name: &str, value: &str, wanted: &str) {
    let told = |value: &str| ("row", format!("left out: {name} is {value}, and {wanted} is read"));
    let shown = if value.is_empty() { "empty".to_owned() } else { value.chars().take(40).collect() };
    let mut key = told(&shown);
    if !counted.contains_key(&key) && counted.len() >= MOST {
        key = told("something else");
    }
    *counted.entry(key).or_default() += 1;
}

impl Decoder for OnlyRowsDecoder {
    fn inner(&self) -> Option<&dyn Decoder> {
        Some(&*self.inner)
    }

    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        loop {
            let Some(raw) = self.inner.next_batch()? else { return Ok(None) };
            let raw = self.rows(raw)?;
            if !raw.rows.is_empty() || !raw.broken.is_empty() {
                return Ok(Some(raw));
            }
        }
    }

    fn prove(&mut self) -> Result<(), DecodeError> {
        self.inner.prove()
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.inner.names()
    }

    fn fields(&self) -> Option<(u8, Vec<Arc<str>>)> {
        self.inner.fields()
    }

    fn want(&mut self, wanted: Wanted) {
        self.inner.want(wanted);
    }

    fn passed(&self) -> Passed {
        let mut passed = self.inner.passed();
        passed.counted.extend(self.counted.iter().map(|(what, count)| (what.clone(), *count)));
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{CsvDecoder, CsvOptions, test_util};

    #[test]
    fn rows_of_another_kind_are_left_out() {
        let text = "Type,px\nTrade,1\nQuote,\n Trade ,0.00\nOther,3\n";
        let csv = CsvDecoder::open(Box::new(test_util::Script::one(text.as_bytes())), CsvOptions::default());
        let only = OnlyRows::from([("type".to_owned(), vec!["Trade".to_owned()])]);
        let mut decoder = OnlyRowsDecoder::new(Box::new(csv.unwrap()), only);
        let raw = decoder.next_batch().unwrap().unwrap();
        assert_eq!(raw.rows, [1, 3]);
        let counted = decoder.passed().counted;
        let told: Vec<String> =
            counted.iter().map(|((word, what), count)| format!("{count} {word} {what}")).collect();
        assert_eq!(
            told,
            [
                "1 row left out: type is Other, and Trade is read",
                "1 row left out: type is Quote, and Trade is read"
            ]
        );
    }
}
