//! What the first rows of a run look like as they come, and what becomes of them: for people who have a new file.

use std::sync::Arc;

use arrow::array::RecordBatch;
use serde::Serialize;

use crate::dataset::{Fed, FedBy, Mapped};
use crate::model::value;

/// Values that are shown of a column.
const SAMPLES: usize = 3;

/// Characters that are kept of a value.
const MOST_CHARS: usize = 120;

/// Columns that are shown.
const MOST_COLUMNS: usize = 200;

/// Rows as they came that are looked among for those that were mapped.
const MOST_ROWS: usize = 50_000;

/// What was found out of an input, and by what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Detected {
    /// What it is about: `format`, `encoding`, `layout`, `dataset`.
    pub what: String,
    /// What it is.
    pub is: String,
    /// By what that was seen.
    pub why: String,
}

/// A column of the table, and what its values are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnView {
    /// Its name.
    pub target: String,
    /// The columns of the input that feed it.
    pub source: Vec<String>,
    /// Where values come from: `column`, `value` (one for all rows), `null`, `row` (made of the
    /// row), `missing` (not known yet).
    pub from: &'static str,
    /// Values of the first rows.
    pub samples: Vec<Sample>,
}

/// A value, as it came and as it is stored; `null` where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// As the input has it.
    pub came: Option<String>,
    /// As it is stored.
    pub stored: Option<String>,
}

/// A column of the input that feeds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnusedColumn {
    /// Its name.
    pub name: String,
    /// Its first values.
    pub samples: Vec<String>,
}

/// What the first rows of the first input with rows look like.
#[derive(Debug, Default, Clone)]
pub struct Glimpse {
    /// The input.
    pub input: Arc<str>,
    /// What was found out of it.
    pub detected: Vec<Detected>,
    /// The columns of the table that get values.
    pub columns: Vec<ColumnView>,
    /// Columns of the input that feed none.
    pub unused: Vec<UnusedColumn>,
    came: Vec<(RecordBatch, Vec<u64>)>,
    kept: usize,
}

impl Glimpse {
    /// Rows of an input, as they came, with their numbers.
    pub fn came(&mut self, input: &Arc<str>, columns: &RecordBatch, rows: &[u64]) {
        if self.input.is_empty() {
            self.input = input.clone();
        }
        if *self.input == **input && self.columns.is_empty() && self.kept < MOST_ROWS && !rows.is_empty() {
            self.kept += rows.len();
            self.came.push((columns.clone(), rows.to_vec()));
        }
    }

    /// Whether it waits for rows of that input to be mapped.
    pub fn waits(&self, input: &str) -> bool {
        *self.input == *input && self.columns.is_empty()
    }

    /// What became of rows, and what feeds their columns.
    pub fn became(&mut self, mapped: &Mapped, feeds: &[Fed]) {
        let mut places = Vec::new();
        for batch in &mapped.batches {
            for (at, number) in batch.rows.iter().enumerate() {
                if places.len() < SAMPLES
                    && let Some(came) = self.place_of(*number)
                {
                    places.push((came, batch, at));
                }
            }
        }
        if places.is_empty() {
            return;
        }
        for fed in feeds.iter().take(MOST_COLUMNS) {
            let (from, sources) = match &fed.by {
                FedBy::Columns(columns) => ("column", columns.clone()),
                FedBy::Value => ("value", Vec::new()),
                FedBy::Nothing => ("null", Vec::new()),
                FedBy::Row => ("row", Vec::new()),
            };
            let sample = |((part, row), batch, at): &((usize, usize), &crate::batch::Batch, usize)| {
                let came =
                    sources.iter().filter_map(|(index, _)| text(&self.came.get(*part)?.0, *index, *row));
                let came: Vec<String> = came.collect();
                let stored = batch.columns.schema_ref().index_of(&fed.target).ok();
                Sample {
                    came: (!came.is_empty()).then(|| came.join(" ")),
                    stored: stored.and_then(|index| text(&batch.columns, index, *at)),
                }
            };
            let samples = places.iter().map(sample).collect();
            let source = sources.into_iter().map(|(_, name)| name).collect();
            self.columns.push(ColumnView { target: fed.target.to_string(), source, from, samples });
        }
        self.look_at_the_rest();
        self.came.clear();
    }

    /// Of columns that feed nothing their first values: of all columns, where no row was mapped.
    pub fn look_at_the_rest(&mut self) {
        let Some((batch, rows)) = self.came.first() else { return };
        let used = |name: &str| self.columns.iter().any(|column| column.source.iter().any(|own| own == name));
        let schema = batch.schema_ref();
        let unused = schema.fields().iter().enumerate().filter(|(_, field)| !used(field.name()));
        let view = |(index, field): (usize, &Arc<arrow::datatypes::Field>)| UnusedColumn {
            name: field.name().clone(),
            samples: (0..rows.len()).filter_map(|row| text(batch, index, row)).take(SAMPLES).collect(),
        };
        self.unused = unused.take(MOST_COLUMNS).map(view).collect();
    }

    /// Where the row of that number stands among those that came.
    fn place_of(&self, number: u64) -> Option<(usize, usize)> {
        let mut parts = self.came.iter().enumerate();
        parts.find_map(|(part, (_, rows))| Some((part, rows.binary_search(&number).ok()?)))
    }
}

/// A value as text, cut where it is long.
fn text(columns: &RecordBatch, index: usize, row: usize) -> Option<String> {
    let array = columns.columns().get(index)?;
    let mut out = String::new();
    if row >= array.len() || value::write(array, row, &mut out) == value::Written::Null {
        return None;
    }
    if out.chars().count() > MOST_CHARS {
        out = out.chars().take(MOST_CHARS).chain(['…']).collect();
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, StringArray};

    use super::*;
    use crate::batch::{Batch, Order, Origin};

    fn texts(name: &str, values: &[&str]) -> RecordBatch {
        let column: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        RecordBatch::try_from_iter([(name, column.clone()), ("rest", column)]).unwrap()
    }

    #[test]
    fn rows_are_shown_as_they_came_and_as_they_are_stored() {
        let mut glimpse = Glimpse::default();
        glimpse.came(&"a.csv".into(), &texts("Close", &["1,5", "x", "2,5", "3,5", "4,5"]), &[1, 2, 3, 4, 5]);
        glimpse.came(&"b.csv".into(), &texts("Close", &["9"]), &[1]);
        assert!(glimpse.waits("a.csv") && !glimpse.waits("b.csv"));
        let fed = |target: &str, by| Fed { target: target.into(), by };
        let feeds =
            [fed("close_price", FedBy::Columns(vec![(0, "Close".into())])), fed("vendor", FedBy::Value)];
        // The second row was refused.
        let close: ArrayRef = Arc::new(StringArray::from(vec!["1.5", "2.5", "3.5", "4.5"]));
        let vendor: ArrayRef = Arc::new(StringArray::from(vec!["v"; 4]));
        let batch = Batch {
            columns: RecordBatch::try_from_iter([("close_price", close), ("vendor", vendor)]).unwrap(),
            rows: vec![1, 3, 4, 5],
            identities: vec![0; 4],
            origin: Arc::new(Origin::new("a.csv")),
            order: Order::Any,
            given: None,
        };
        glimpse.became(&Mapped { batches: vec![batch], ..Mapped::default() }, &feeds);
        let close = &glimpse.columns[0];
        let pairs: Vec<_> = close.samples.iter().map(|s| (s.came.as_deref(), s.stored.as_deref())).collect();
        assert_eq!(
            pairs,
            [(Some("1,5"), Some("1.5")), (Some("2,5"), Some("2.5")), (Some("3,5"), Some("3.5"))]
        );
        assert_eq!((close.source.join("+").as_str(), close.from), ("Close", "column"));
        assert_eq!(glimpse.columns[1].samples[0].came, None);
        assert_eq!(glimpse.unused.len(), 1);
        assert_eq!((glimpse.unused[0].name.as_str(), glimpse.unused[0].samples.len()), ("rest", 3));
    }
}
