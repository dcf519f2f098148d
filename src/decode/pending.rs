//! The rows of a text format that have been decoded and not been handed on.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::decode::{BATCH_ROWS, Broken, DecodeError, MAX_RAW, RawBatch};

/// Input bytes after which a batch is handed on however few rows it has.
const BATCH_BYTES: u64 = 4 << 20;

/// Cells after which a batch is handed on: each costs four bytes even when it is empty.
const BATCH_CELLS: usize = 1 << 20;

/// Rows on their way into a [`RawBatch`].
pub(super) struct Pending {
    names: Vec<Arc<str>>,
    schema: SchemaRef,
    columns: Vec<StringBuilder>,
    rows: Vec<u64>,
    broken: Vec<Broken>,
    last_row: u64,
}

impl Pending {
    pub(super) fn new(names: Vec<Arc<str>>) -> Self {
        let columns = names.iter().map(|_| StringBuilder::with_capacity(0, 0)).collect();
        let schema = schema(&names);
        Self { names, schema, columns, rows: Vec::new(), broken: Vec::new(), last_row: 0 }
    }

    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Adds columns. Only between batches: the rows that are pending have no cells there.
    pub(super) fn widen(&mut self, names: &[Arc<str>]) {
        self.names.extend_from_slice(names);
        self.columns.extend(names.iter().map(|_| StringBuilder::with_capacity(0, 0)));
        self.schema = schema(&self.names);
    }

    /// Takes in a row: the caller appends a cell to each of the builders.
    pub(super) fn row(&mut self) -> &mut [StringBuilder] {
        self.last_row += 1;
        self.rows.push(self.last_row);
        &mut self.columns
    }

    /// Takes in a row that could not be read.
    pub(super) fn broken(&mut self, raw: &[u8], code: &'static str, message: impl Into<Cow<'static, str>>) {
        self.last_row += 1;
        let raw = match raw {
            [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
            line => line,
        };
        let raw = raw.get(..MAX_RAW).unwrap_or(raw).to_vec();
        self.broken.push(Broken { row: self.last_row, raw, code, message: message.into() });
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

    /// The batch, or `None` where nothing is pending.
    pub(super) fn finish(&mut self, bytes: u64) -> Result<Option<RawBatch>, DecodeError> {
        if self.is_empty() {
            return Ok(None);
        }
        let count = self.rows.len();
        let finish = |builder: &mut StringBuilder| -> ArrayRef {
            let array = builder.finish();
            // The next batch is likely to be as large.
            *builder = StringBuilder::with_capacity(count, array.values().len());
            Arc::new(array)
        };
        let arrays = self.columns.iter_mut().map(finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let columns = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|e| DecodeError::Corrupt(format!("the columns do not fit together: {e}")))?;
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(count));
        Ok(Some(RawBatch { columns, rows, broken: std::mem::take(&mut self.broken), bytes }))
    }
}

fn schema(names: &[Arc<str>]) -> SchemaRef {
    let fields: Vec<Field> =
        names.iter().map(|name| Field::new(name.as_ref(), DataType::Utf8, true)).collect();
    Arc::new(Schema::new(fields))
}
