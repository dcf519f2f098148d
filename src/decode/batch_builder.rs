//! The rows of a text format that have been decoded and not been handed on.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::dataset::json_text::{self, Strings};
use crate::decode::long::LongRow;
use crate::decode::text_column::TextColumn;
use crate::decode::{BATCH_ROWS, Broken, DecodeError, RawBatch};

/// Input bytes after which a batch is handed on however few rows it has.
const BATCH_BYTES: u64 = 4 << 20;

/// Cells after which a batch is handed on: each costs four bytes even when it is empty.
const BATCH_CELLS: usize = 1 << 20;

/// Rows on their way into a [`RawBatch`].
pub(super) struct BatchBuilder {
    names: Vec<Arc<str>>,
    schema: SchemaRef,
    columns: Vec<TextColumn>,
    rows: Vec<u64>,
    broken: Vec<Broken>,
    last_row: u64,
    /// Of JSON: the strings of each column.
    strings: Option<Vec<Strings>>,
    /// The schema of the last batch that had some.
    marked: Option<SchemaRef>,
}

impl BatchBuilder {
    pub(super) fn new(names: Vec<Arc<str>>) -> Self {
        let columns = names.iter().map(|_| TextColumn::default()).collect();
        let schema = Arc::new(schema(&names));
        Self {
            names,
            schema,
            columns,
            rows: Vec::new(),
            broken: Vec::new(),
            last_row: 0,
            strings: None,
            marked: None,
        }
    }

    /// A builder for values of JSON, whose columns are found as they come.
    pub(super) fn of_json() -> Self {
        let schema = Arc::new(json_text::marked(schema(&[])));
        Self { strings: Some(Vec::new()), schema, ..Self::new(Vec::new()) }
    }

    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Adds columns. Only between batches: the rows that are pending have no cells there.
    pub(super) fn widen(&mut self, names: &[Arc<str>]) {
        self.names.extend_from_slice(names);
        self.columns.extend(names.iter().map(|_| TextColumn::default()));
        let schema = schema(&self.names);
        self.schema = Arc::new(match &mut self.strings {
            Some(strings) => {
                strings.resize_with(self.names.len(), Strings::default);
                json_text::marked(schema)
            }
            None => schema,
        });
    }

    /// Keeps those columns alone. Only between batches.
    pub(super) fn narrow(&mut self, keep: &[bool]) {
        let kept = |place: usize| keep.get(place).copied().unwrap_or(false);
        let (mut name, mut column, mut string) = (0.., 0.., 0..);
        let next = |places: &mut std::ops::RangeFrom<usize>| places.next().is_some_and(kept);
        self.names.retain(|_| next(&mut name));
        self.columns.retain(|_| next(&mut column));
        if let Some(strings) = &mut self.strings {
            strings.retain(|_| next(&mut string));
        }
        self.marked = None;
        self.widen(&[]);
    }

    /// Takes in a row of JSON: the caller appends a cell to each of the builders, and says of strings that
    /// they are some.
    pub(super) fn json_row(&mut self) -> (&mut [TextColumn], &mut [Strings]) {
        self.last_row += 1;
        self.rows.push(self.last_row);
        (&mut self.columns, self.strings.as_deref_mut().unwrap_or_default())
    }

    /// Takes in a row: the caller appends a cell to each of the builders.
    pub(super) fn row(&mut self) -> &mut [TextColumn] {
        self.last_row += 1;
        self.rows.push(self.last_row);
        &mut self.columns
    }

    /// Counts a row.
    pub(super) fn count(&mut self) {
        self.last_row += 1;
        self.rows.push(self.last_row);
    }

    /// Forgets the rows that were counted since, and those that could not be read.
    pub(super) fn forget(&mut self) {
        self.rows.clear();
        self.broken.clear();
    }

    /// Begins anew, behind so many rows.
    pub(super) fn begin_behind(&mut self, rows: u64) {
        self.forget();
        self.columns.iter_mut().for_each(|column| *column = TextColumn::default());
        self.last_row = rows;
    }

    /// Takes in a row that could not be read.
    pub(super) fn broken(&mut self, raw: &[u8], code: &'static str, message: impl Into<Cow<'static, str>>) {
        self.last_row += 1;
        let raw = match raw {
            [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
            line => line,
        };
        let raw = raw.to_vec();
        self.broken.push(Broken { row: self.last_row, raw, cut: false, code, message: message.into() });
    }

    /// Takes in a row that was too long to be read, and has passed.
    pub(super) fn long(&mut self, row: LongRow) {
        self.last_row += 1;
        let (raw, message) = row.end();
        self.broken.push(Broken { row: self.last_row, raw, cut: true, code: "too_long", message });
    }

    /// Number of the last row taken in.
    pub(super) fn last_row(&self) -> u64 {
        self.last_row
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.broken.is_empty()
    }

    /// Whether a good row is pending.
    pub(super) fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Whether the batch should be handed on, given the input bytes that it took.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        let rows = self.rows.len();
        rows + self.broken.len() >= BATCH_ROWS
            || bytes >= BATCH_BYTES && !self.is_empty()
            || rows > 0 && rows * self.columns.len() >= BATCH_CELLS
    }

    /// The schema, with what is to be known of the batch's strings.
    fn marked_schema(&mut self) -> SchemaRef {
        let Some(strings) = self.strings.as_mut() else { return self.schema.clone() };
        if !strings.iter().any(Strings::are_some) {
            strings.iter_mut().for_each(|strings| *strings = Strings::default());
            return self.schema.clone();
        }
        let fields = self.schema.fields().iter().zip(strings);
        let fields: Vec<Field> = fields.map(|(field, strings)| strings.mark((**field).clone())).collect();
        let marked = json_text::marked(Schema::new(fields));
        // Mostly as in the batch before.
        match &self.marked {
            Some(before) if **before == marked => before.clone(),
            _ => self.marked.insert(Arc::new(marked)).clone(),
        }
    }

    /// The batch, or `None` where nothing is pending.
    pub(super) fn finish(&mut self, bytes: u64) -> Result<Option<RawBatch>, DecodeError> {
        if self.is_empty() {
            return Ok(None);
        }
        let count = self.rows.len();
        let misfit = |e| DecodeError::Corrupt(format!("the columns do not fit together: {e}"));
        let arrays: Result<Vec<ArrayRef>, _> = self.columns.iter_mut().map(TextColumn::finish).collect();
        let arrays = arrays.map_err(misfit)?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let schema = self.marked_schema();
        let columns = RecordBatch::try_new_with_options(schema, arrays, &options).map_err(misfit)?;
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(count));
        Ok(Some(RawBatch { columns, rows, broken: std::mem::take(&mut self.broken), bytes }))
    }
}

fn schema(names: &[Arc<str>]) -> Schema {
    let fields: Vec<Field> =
        names.iter().map(|name| Field::new(name.as_ref(), DataType::Utf8, true)).collect();
    Schema::new(fields)
}
