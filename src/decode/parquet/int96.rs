//! INT96 times with all of their digits.
//!
//! Such a time has nanoseconds of a day and a day of any year, which no type of Arrow holds. The reader
//! gives them in microseconds, which are right for every year; a second one gives these columns in
//! nanoseconds, which are right from 1678 to 2261. Rows go on in the one or in the other.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::datatypes::{TimestampMicrosecondType, TimestampNanosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;

use super::stored::Stored;
use crate::decode::panic_guard::quietly;

/// The INT96 columns of a file, read once more.
pub(super) struct Fine {
    reader: Option<ParquetRecordBatchReader>,
    /// Their places among the columns of a batch.
    columns: Vec<usize>,
}

impl Fine {
    /// For a file with such columns: `read` are the places in the file of the columns of a batch, and
    /// `rows` is how many rows come at a time; of those row groups, but for the first rows of them.
    pub(super) fn open(
        stored: &Stored,
        metadata: &ArrowReaderMetadata,
        read: &[usize],
        rows: usize,
        (groups, but): (&[usize], usize),
    ) -> Result<Option<Self>, ParquetError> {
        let roots = metadata.parquet_schema().root_schema().get_fields();
        let is_one =
            |at: &usize| roots[*at].is_primitive() && roots[*at].get_physical_type() == PhysicalType::INT96;
        let mut own: Vec<usize> = read.iter().copied().filter(is_one).collect();
        own.sort_unstable();
        if own.is_empty() || roots.len() != metadata.schema().fields().len() {
            return Ok(None);
        }
        let fields =
            metadata.schema().fields().iter().enumerate().map(|(at, field)| match field.data_type() {
                DataType::Timestamp(_, zone) if own.contains(&at) => Arc::new(
                    field
                        .as_ref()
                        .clone()
                        .with_data_type(DataType::Timestamp(TimeUnit::Nanosecond, zone.clone())),
                ),
                _ => field.clone(),
            });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<Arc<Field>>>()));
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_schema(schema);
        let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(stored.clone(), metadata);
        let mask = ProjectionMask::roots(builder.parquet_schema(), own.iter().copied());
        let builder = builder.with_projection(mask).with_batch_size(rows);
        let reader = builder.with_row_groups(groups.to_vec()).with_offset(but).build()?;
        let columns = own.iter().filter_map(|at| read.iter().position(|read| read == at)).collect();
        Ok(Some(Self { reader: Some(reader), columns }))
    }

    /// The rows with their times as fine as they are, in as many batches as that takes.
    pub(super) fn refine(&mut self, batch: RecordBatch) -> Result<Vec<RecordBatch>, String> {
        let Some(mut reader) = self.reader.take() else { return Err("its INT96 times ended early".into()) };
        let (fine, reader) = match quietly(move || reader.next().map(|fine| (fine, reader)))? {
            Some((fine, reader)) => (fine.map_err(|e| e.to_string())?, reader),
            None => return Err("its INT96 times ended early".into()),
        };
        self.reader = Some(reader);
        if fine.num_rows() != batch.num_rows() {
            return Err("its INT96 times are fewer than its rows".into());
        }
        let pairs: Vec<(usize, &ArrayRef, &ArrayRef)> = self
            .columns
            .iter()
            .zip(fine.columns())
            .map(|(at, fine)| (*at, batch.column(*at), fine))
            .collect();
        let whole = |(_, coarse, fine): &(usize, &ArrayRef, &ArrayRef)| {
            (0..batch.num_rows()).all(|row| !is_far(coarse, row)) || !has_nanos(coarse, fine)
        };
        // Rows of one kind in each column.
        let kind = |row: usize| pairs.iter().map(|(_, coarse, _)| is_far(coarse, row)).collect::<Vec<bool>>();
        let (mut start, mut ready) = (0, Vec::new());
        while start < batch.num_rows() {
            let mut end = batch.num_rows();
            if !pairs.iter().all(whole) {
                let first = kind(start);
                end = (start + 1..end).find(|row| kind(*row) != first).unwrap_or(end);
            }
            let mut columns: Vec<ArrayRef> =
                batch.columns().iter().map(|column| column.slice(start, end - start)).collect();
            for (at, coarse, fine) in &pairs {
                if (start..end).all(|row| !is_far(coarse, row)) {
                    columns[*at] = fine.slice(start, end - start);
                }
            }
            let fields = batch.schema_ref().fields().iter().zip(&columns);
            let fields = fields.map(|(field, column)| match field.data_type() == column.data_type() {
                true => field.clone(),
                false => Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone())),
            });
            let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<Arc<Field>>>()));
            ready.push(RecordBatch::try_new(schema, columns).map_err(|e| e.to_string())?);
            start = end;
        }
        Ok(ready)
    }
}

/// Whether nanoseconds do not hold the time in that row.
fn is_far(coarse: &ArrayRef, row: usize) -> bool {
    // A little less than nanoseconds hold, so that what is rounded down still is.
    const BOUND: i64 = i64::MAX / 1_000 - 1;
    let Some(times) = coarse.as_primitive_opt::<TimestampMicrosecondType>() else { return false };
    times.is_valid(row) && !(-BOUND..=BOUND).contains(&times.value(row))
}

/// Whether some time within reach of nanoseconds is not one of whole microseconds.
fn has_nanos(coarse: &ArrayRef, fine: &ArrayRef) -> bool {
    let Some(times) = fine.as_primitive_opt::<TimestampNanosecondType>() else { return false };
    (0..times.len()).any(|row| times.is_valid(row) && !is_far(coarse, row) && times.value(row) % 1_000 != 0)
}
