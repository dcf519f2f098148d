//! Parquet: columns in their own types, page by page.

mod described;
mod export;
mod int96;
mod stored;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::TypePtr;

use crate::decode::format::{Description, FileDecoder, Reading};
use crate::decode::panic_guard::quietly;
use crate::decode::{BATCH_ROWS, DecodeError, Decoder, RawBatch, damage, nested};
pub use export::ParquetRows;
use int96::Fine;
use stored::Stored;

/// Bytes of values that a batch should not exceed by much, going by the average row.
const BATCH_BYTES: u64 = 8 << 20;

/// Fewest rows of a batch, however large they are.
const FEWEST_ROWS: usize = 16;

/// As it is listed among the formats.
pub static FORMAT: Description =
    described::read_by(Reading::File(|file| Ok(Box::new(ParquetDecoder::open(file)?))));

/// A reader of Parquet files.
///
/// Texts with a small dictionary come as codes, all others as plain values; the Arrow schema that a writer may have left is not looked
/// at, so the same data gives the same types whoever wrote it. Columns with parts (lists, maps,
/// structs) come as JSON text. At no time is more than a page of each column in memory besides the
/// batch.
pub struct ParquetDecoder {
    reader: Option<ParquetRecordBatchReader>,
    names: Vec<Arc<str>>,
    /// INT96 times in all of their digits, where the file has some.
    fine: Option<Fine>,
    /// The file, for its proof.
    stored: Stored,
    /// Of the batches that are handed on.
    schema: SchemaRef,
    rows: u64,
    total: u64,
    bytes: u64,
    reported: u64,
}

impl ParquetDecoder {
    /// Reads the footer of a file.
    ///
    /// # Errors
    /// [`DecodeError::Corrupt`] where it is no whole, unencrypted Parquet file.
    pub fn open(file: File) -> Result<Self, DecodeError> {
        let stored = Stored::new(file)?;
        stored.check_frame()?;
        let bytes = stored.bytes();
        quietly(move || Self::read_footer(stored, bytes)).unwrap_or_else(|detail| Err(corrupt(&detail)))
    }

    fn read_footer(stored: Stored, bytes: u64) -> Result<Self, DecodeError> {
        let failed = |e: parquet::errors::ParquetError| corrupt(&e.to_string());
        let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let mut metadata = ArrowReaderMetadata::load(&stored, options()).map_err(failed)?;
        if let Some(schema) = with_types_of_our_own(&metadata) {
            metadata =
                ArrowReaderMetadata::try_new(metadata.metadata().clone(), options().with_schema(schema))
                    .map_err(failed)?;
        }
        let again = (stored.clone(), metadata.clone());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(stored, metadata);
        let total = builder.metadata().row_groups().iter().map(|g| u64::try_from(g.num_rows()).unwrap_or(0));
        let total = total.fold(0, u64::saturating_add);
        let rows = batch_rows(builder.metadata(), &ProjectionMask::all());
        let all: Vec<usize> = (0..builder.parquet_schema().root_schema().get_fields().len()).collect();
        let reader = builder.with_batch_size(rows).build();
        let reader = reader.map_err(|e| corrupt(&e.to_string()))?;
        let fine = Fine::open(&again.0, &again.1, &all, rows).map_err(failed)?;
        let schema = nested::flat_schema(&arrow::array::RecordBatchReader::schema(&reader));
        let names = schema.fields().iter().map(|f| Arc::from(f.name().as_str())).collect();
        Ok(Self {
            reader: Some(reader),
            names,
            fine,
            stored: again.0,
            schema,
            rows: 0,
            total,
            bytes,
            reported: 0,
        })
    }

    /// The batch with its row numbers and its share of the file.
    fn number(&mut self, columns: RecordBatch) -> RawBatch {
        let count = columns.num_rows() as u64;
        let first = self.rows + 1;
        self.rows += count;
        let done = u128::from(self.rows.min(self.total)) * u128::from(self.bytes);
        let done = done.checked_div(u128::from(self.total)).unwrap_or(0) as u64;
        let bytes = done.saturating_sub(self.reported);
        self.reported += bytes;
        RawBatch { columns, rows: (first..=self.rows).collect(), broken: Vec::new(), bytes }
    }
}

/// Bytes of a column's dictionary up to which its texts come as codes: some thousand short ones.
const SMALL_DICTIONARY: i64 = 32 << 10;

/// The schema with some types other than those that Arrow reads by itself, if there are such columns.
///
/// - INT96 times in microseconds. In nanoseconds the years after 2262 (Spark writes 9999-12-31 for
///   "never") come out as others, without a word; [`Fine`] has the nanoseconds of the others.
/// - Texts as codes where every row group has a small dictionary for them.
fn with_types_of_our_own(metadata: &ArrowReaderMetadata) -> Option<SchemaRef> {
    let roots = metadata.parquet_schema().root_schema().get_fields();
    if roots.len() != metadata.schema().fields().len() {
        return None;
    }
    let (mut leaf, mut changed) = (0, false);
    let mut fields = Vec::with_capacity(roots.len());
    for (root, field) in roots.iter().zip(metadata.schema().fields()) {
        let type_ = match field.data_type() {
            _ if !root.is_primitive() => None,
            DataType::Timestamp(_, zone) if root.get_physical_type() == PhysicalType::INT96 => {
                Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
            }
            _ if root.get_physical_type() == PhysicalType::INT96 => {
                Some(DataType::Timestamp(TimeUnit::Microsecond, None))
            }
            DataType::Utf8 if has_small_dictionary(metadata.metadata(), leaf) => {
                Some(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))
            }
            _ => None,
        };
        changed |= type_.is_some();
        fields.push(match type_ {
            Some(type_) => Arc::new(field.as_ref().clone().with_data_type(type_)),
            None => field.clone(),
        });
        leaf += leaves(root);
    }
    changed.then(|| Arc::new(Schema::new(fields)))
}

/// Columns that a field of the file is made of.
fn leaves(field: &TypePtr) -> usize {
    if field.is_primitive() { 1 } else { field.get_fields().iter().map(leaves).sum() }
}

fn has_small_dictionary(metadata: &ParquetMetaData, leaf: usize) -> bool {
    metadata.row_groups().iter().all(|group| {
        group.columns().get(leaf).is_some_and(|column| {
            column
                .dictionary_page_offset()
                .is_some_and(|at| (0..SMALL_DICTIONARY).contains(&(column.data_page_offset() - at)))
        })
    })
}

impl FileDecoder for ParquetDecoder {
    /// Finds pages that are torn, whose checksums do not hold, that do not unpack, or whose values cannot be
    /// read, before rows of others are stored.
    fn prove_until(&self, stopped: &dyn Fn() -> bool) -> Result<(), DecodeError> {
        let (stored, bytes) = (self.stored.clone(), self.bytes);
        let again = quietly(move || Self::read_footer(stored, bytes));
        let mut again = again.unwrap_or_else(|detail| Err(corrupt(&detail)))?;
        while !stopped() && again.next_batch()?.is_some() {}
        Ok(())
    }
}

impl Decoder for ParquetDecoder {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        loop {
            if let Some(ready) = self.fine.as_mut().and_then(|fine| fine.ready.pop_front()) {
                return Ok(Some(self.number(ready)));
            }
            // A reader that has failed is not asked again.
            let Some(mut reader) = self.reader.take() else { return Ok(None) };
            let next = quietly(move || reader.next().map(|batch| (batch, reader)));
            let failed = match next {
                Ok(None) if self.rows < self.total => "it has fewer rows than its footer says".into(),
                Ok(None) => return Ok(None),
                Ok(Some((Ok(batch), reader))) => {
                    self.reader = Some(reader);
                    if batch.num_rows() == 0 {
                        continue;
                    }
                    let schema = self.schema.clone();
                    match quietly(move || nested::flat(batch, &schema)) {
                        Ok(Ok(batch)) => match &mut self.fine {
                            None => return Ok(Some(self.number(batch))),
                            Some(fine) => match fine.refine(batch) {
                                Ok(()) => continue,
                                Err(detail) => {
                                    self.reader = None;
                                    detail
                                }
                            },
                        },
                        Ok(Err(detail)) | Err(detail) => {
                            self.reader = None;
                            detail
                        }
                    }
                }
                Ok(Some((Err(error), _))) => error.to_string(),
                Err(detail) => detail,
            };
            let DecodeError::Corrupt(text) = corrupt(&failed) else { return Ok(None) };
            return Err(DecodeError::Corrupt(format!("{text}; {} rows before it were read", self.rows)));
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }
}

/// Rows of a batch: fewer where rows are large, by the row group with the largest ones.
fn batch_rows(metadata: &ParquetMetaData, mask: &ProjectionMask) -> usize {
    let row_bytes = metadata.row_groups().iter().map(|group| {
        let columns = group.columns().iter().enumerate().filter(|(i, _)| mask.leaf_included(*i));
        let sizes = columns.map(|(_, c)| u64::try_from(c.uncompressed_size()).unwrap_or(0));
        let bytes = sizes.fold(0, u64::saturating_add);
        bytes.checked_div(u64::try_from(group.num_rows()).unwrap_or(0)).unwrap_or(0)
    });
    let row_bytes = row_bytes.max().unwrap_or(0).max(1);
    usize::try_from(BATCH_BYTES / row_bytes).unwrap_or(BATCH_ROWS).clamp(FEWEST_ROWS, BATCH_ROWS)
}

/// The error for a file that the reader made nothing of, for the reason that it gave.
fn corrupt(detail: &str) -> DecodeError {
    damaged(damage::words(detail))
}

/// The error for a file with that damage, in words.
fn damaged(what: &str) -> DecodeError {
    DecodeError::Corrupt(format!("the Parquet file is corrupt ({what})"))
}
