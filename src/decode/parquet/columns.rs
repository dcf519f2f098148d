//! Which columns of a file are read, and batches with the others in their places.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{Schema, SchemaRef};

use crate::dataset::wanted::{Wanted, left_out};
use crate::decode::BATCH_ROWS;

/// The columns of a file.
pub(super) struct Columns {
    /// All of them, those marked whose values are not read.
    all: SchemaRef,
    /// The places of those that are read.
    read: Vec<usize>,
    /// Nulls for the others, in the places that they have among all.
    nulls: Vec<Option<ArrayRef>>,
}

impl Columns {
    /// Those of such names, or all: those without names or where none has one.
    pub(super) fn of(schema: &Schema, wanted: Option<&Wanted>) -> Self {
        let fields = schema.fields();
        let is_read = |name: &str| wanted.is_none_or(|wanted| wanted(name));
        let read: Vec<usize> = (0..fields.len())
            .filter(|at| fields.get(*at).is_some_and(|field| is_read(field.name())))
            .collect();
        let read = if read.is_empty() { (0..fields.len()).collect() } else { read };
        let mut nulls = vec![None; fields.len()];
        let field = |(at, field): (usize, &Arc<arrow::datatypes::Field>)| match read.binary_search(&at) {
            Ok(_) => field.clone(),
            Err(_) => {
                nulls[at] = Some(new_null_array(field.data_type(), BATCH_ROWS));
                Arc::new(left_out(field))
            }
        };
        let all: Vec<_> = fields.iter().enumerate().map(field).collect();
        Self { all: Arc::new(Schema::new(all)), read, nulls }
    }

    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Whether no column is left out.
    pub(super) fn is_all(&self) -> bool {
        self.read.len() == self.nulls.len()
    }

    /// The places of those that are read.
    pub(super) fn read(&self) -> &[usize] {
        &self.read
    }

    /// The names of all.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.all.fields().iter().map(|field| Arc::from(field.name().as_str())).collect()
    }

    /// Rows of those that are read, with the others in their places.
    pub(super) fn fill(&self, batch: RecordBatch) -> Result<RecordBatch, String> {
        if self.is_all() {
            return Ok(batch);
        }
        let own = batch.schema();
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        let mut read = own.fields().iter().zip(batch.columns());
        for (field, nulls) in self.all.fields().iter().zip(&self.nulls) {
            let (field, column) = match nulls {
                Some(nulls) if nulls.len() >= batch.num_rows() => {
                    (field.clone(), nulls.slice(0, batch.num_rows()))
                }
                Some(nulls) => (field.clone(), new_null_array(nulls.data_type(), batch.num_rows())),
                None => {
                    let (field, column) = read.next().ok_or("it has fewer columns than it had")?;
                    (field.clone(), column.clone())
                }
            };
            fields.push(field);
            columns.push(column);
        }
        // Of those that are read the types may be others: times come as fine as they are.
        let same = fields.iter().zip(self.all.fields()).all(|(one, other)| one == other);
        let schema = if same { self.all.clone() } else { Arc::new(Schema::new(fields)) };
        RecordBatch::try_new(schema, columns).map_err(|error| error.to_string())
    }
}
