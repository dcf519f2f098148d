//! Parquet: columns in their own types, page by page.

mod columns;
mod described;
mod export;
mod int96;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::TypePtr;

use crate::dataset::wanted::Wanted;
use crate::decode::format::{Description, FileDecoder, Reading};
use crate::decode::nested::flat_schema;
use crate::decode::panic_guard::quietly;
use crate::decode::{BATCH_ROWS, Body, DecodeError, Decoder, RawBatch, damage, nested};
use columns::Columns;
pub use export::ParquetRows;
use int96::Fine;
use stored::Stored;

/// Bytes of values that a batch should not exceed by much, going by the average row.
const BATCH_BYTES: u64 = 8 << 20;

/// Fewest rows of a batch, however large they are.
const FEWEST_ROWS: usize = 16;

/// As it is listed among the formats.
pub static FORMAT: Description =
    described::read_by(Reading::File(|file, _| Ok(Box::new(ParquetDecoder::open(file)?))));

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
    /// Rows that were read and not yet handed on.
    ready: VecDeque<RecordBatch>,
    /// The file, for its proof.
    stored: Stored,
    /// Of the batches as they are read.
    schema: SchemaRef,
    /// Which of all columns those are.
    columns: Columns,
    /// What of the file is read.
    part: Part,
    /// The number of the last row that was handed on.
    rows: u64,
    /// That of the last one there is to read.
    total: u64,
    /// Rows in the file.
    whole: u64,
    /// Rows and bytes of each row group.
    groups: Vec<(u64, u64)>,
    bytes: u64,
    reported: u64,
}

/// What of a file is read.
#[derive(Clone, Default)]
struct Part {
    /// Those row groups, or all.
    groups: Option<Range<usize>>,
    /// The columns of such names, or all.
    wanted: Option<Wanted>,
    /// What stands behind that row, where some were read before.
    behind: Option<u64>,
}

impl ParquetDecoder {
    /// Reads the footer of a file.
    ///
    /// # Errors
    /// [`DecodeError::Corrupt`] where it is no whole, unencrypted Parquet file.
    pub fn open(body: impl Into<Body>) -> Result<Self, DecodeError> {
        let stored = Stored::new(body.into())?;
        stored.check_frame()?;
        Self::of(&stored, Part::default())
    }

    fn of(stored: &Stored, part: Part) -> Result<Self, DecodeError> {
        let (again, bytes) = (stored.clone(), stored.bytes());
        let read = quietly(move || Self::read_footer(again, bytes, part));
        read.unwrap_or_else(|detail| Err(corrupt(&detail))).map_err(|error| stored.or_fault(error))
    }

    fn read_footer(stored: Stored, bytes: u64, part: Part) -> Result<Self, DecodeError> {
        let failed = |e: parquet::errors::ParquetError| corrupt(&e.to_string());
        let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let mut metadata = ArrowReaderMetadata::load(&stored, options()).map_err(failed)?;
        if let Some(schema) = with_types_of_our_own(&metadata) {
            metadata =
                ArrowReaderMetadata::try_new(metadata.metadata().clone(), options().with_schema(schema))
                    .map_err(failed)?;
        }
        let groups: Vec<(u64, u64)> = metadata.metadata().row_groups().iter().map(size_of).collect();
        let rows_in = |of: Range<usize>| {
            let groups = groups.get(of).unwrap_or_default();
            groups.iter().fold(0, |rows: u64, (more, _)| rows.saturating_add(*more))
        };
        let whole = rows_in(0..groups.len());
        let mut read = part.groups.clone().unwrap_or(0..groups.len());
        if read.end > groups.len() {
            return Err(corrupt("it has fewer row groups than it had"));
        }
        let total = rows_in(0..read.end);
        let before = part.behind.unwrap_or_else(|| rows_in(0..read.start));
        while read.start < read.end && rows_in(0..read.start + 1) <= before {
            read.start += 1;
        }
        let but = usize::try_from(before.saturating_sub(rows_in(0..read.start))).unwrap_or(usize::MAX);
        let mut columns = Columns::of(&flat_schema(metadata.schema()), part.wanted.as_ref());
        if columns.len() != metadata.parquet_schema().root_schema().get_fields().len() {
            columns = Columns::of(&flat_schema(metadata.schema()), None);
        }
        let mask = match columns.is_all() {
            true => ProjectionMask::all(),
            false => ProjectionMask::roots(metadata.parquet_schema(), columns.read().iter().copied()),
        };
        stored.plan(|| places(metadata.metadata(), (read.clone(), &mask), bytes));
        let again = (stored.clone(), metadata.clone());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(stored, metadata);
        // The same whatever is left out, so that the batches are.
        let rows = batch_rows(builder.metadata());
        let only: Vec<usize> = read.collect();
        let builder = builder.with_batch_size(rows).with_row_groups(only.clone());
        let reader = builder.with_projection(mask).with_offset(but).build().map_err(failed)?;
        let fine = Fine::open(&again.0, &again.1, columns.read(), rows, (&only, but)).map_err(failed)?;
        let schema = flat_schema(&arrow::array::RecordBatchReader::schema(&reader));
        let names = columns.names();
        Ok(Self {
            reader: Some(reader),
            names,
            fine,
            ready: VecDeque::new(),
            stored: again.0,
            schema,
            columns,
            part: Part { behind: None, ..part },
            rows: before,
            total,
            whole,
            groups,
            bytes,
            reported: share(before, whole, bytes),
        })
    }

    /// The batch with its row numbers and its share of the file.
    fn number(&mut self, columns: RecordBatch) -> RawBatch {
        let count = columns.num_rows() as u64;
        let first = self.rows + 1;
        self.rows += count;
        let done = share(self.rows.min(self.total), self.whole, self.bytes);
        let bytes = done.saturating_sub(self.reported);
        self.reported += bytes;
        RawBatch { columns, rows: (first..=self.rows).collect(), broken: Vec::new(), bytes }
    }

    /// Rows as they were read, as they are handed on: one batch, unless its times are of two kinds.
    fn made(&mut self, batch: RecordBatch) -> Result<Vec<RecordBatch>, String> {
        let schema = self.schema.clone();
        let batch = quietly(move || nested::flat(batch, &schema))??;
        let ready = match &mut self.fine {
            None => vec![batch],
            Some(fine) => fine.refine(batch)?,
        };
        ready.into_iter().map(|batch| self.columns.fill(batch)).collect()
    }
}

/// Rows and bytes of a row group.
fn size_of(group: &RowGroupMetaData) -> (u64, u64) {
    let unsigned = |n: i64| u64::try_from(n).unwrap_or(0);
    (unsigned(group.num_rows()), unsigned(group.compressed_size()))
}

/// The bytes that so many of the rows stand for.
fn share(rows: u64, of: u64, bytes: u64) -> u64 {
    (u128::from(rows) * u128::from(bytes)).checked_div(u128::from(of)).unwrap_or(0) as u64
}

/// Bytes of a column's dictionary up to which its texts come as codes: some thousand short ones.
const SMALL_DICTIONARY: i64 = 32 << 10;

/// The schema with some types other than those that Arrow reads by itself, if there are such columns.
///
/// - INT96 times in microseconds. In nanoseconds the years after 2262 (Spark writes 9999-12-31 for
///   "never") come out as others, without a word; [`Fine`] has the nanoseconds of the others.
/// - Instants in the zone that a data frame has them in.
/// - Texts as codes where every row group has a small dictionary for them.
fn with_types_of_our_own(metadata: &ArrowReaderMetadata) -> Option<SchemaRef> {
    let roots = metadata.parquet_schema().root_schema().get_fields();
    if roots.len() != metadata.schema().fields().len() {
        return None;
    }
    let pairs = metadata.metadata().file_metadata().key_value_metadata();
    let written = parquet_to_arrow_schema(metadata.parquet_schema(), pairs).ok();
    // The zone that a data frame shows its instants in, which Parquet itself has no place for.
    let zone_of = |name: &str| match written.as_ref()?.field_with_name(name).ok()?.data_type() {
        DataType::Timestamp(_, Some(zone)) if !zone.starts_with(['+', '-']) => Some(zone.clone()),
        _ => None,
    };
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
            DataType::Timestamp(unit, Some(zone)) => zone_of(field.name())
                .filter(|own| own != zone)
                .map(|own| DataType::Timestamp(*unit, Some(own))),
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
        let mut again = Self::of(&self.stored, Part { groups: None, ..self.part.clone() })?;
        while !stopped() && again.next_batch()?.is_some() {}
        Ok(())
    }
}

impl Decoder for ParquetDecoder {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(self.number(ready)));
            }
            // A reader that has failed is not asked again.
            let Some(mut reader) = self.reader.take() else { return Ok(None) };
            let next = quietly(move || reader.next().map(|batch| (batch, reader)));
            let failed = match next {
                Ok(None) if self.rows < self.total => "it has fewer rows than its footer says".into(),
                Ok(None) => return Ok(None),
                Ok(Some((Ok(batch), reader))) if batch.num_rows() == 0 => {
                    self.reader = Some(reader);
                    continue;
                }
                Ok(Some((Ok(batch), reader))) => match self.made(batch) {
                    Ok(ready) => {
                        self.reader = Some(reader);
                        self.ready.extend(ready);
                        continue;
                    }
                    Err(detail) => detail,
                },
                Ok(Some((Err(error), _))) => error.to_string(),
                Err(detail) => detail,
            };
            let DecodeError::Corrupt(text) = corrupt(&failed) else { return Ok(None) };
            let corrupt = DecodeError::Corrupt(format!("{text}; {} rows before it were read", self.rows));
            return Err(self.stored.or_fault(corrupt));
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }

    fn pieces(&self) -> Vec<(u64, u64)> {
        self.groups.clone()
    }

    fn read_only(&mut self, wanted: Wanted) -> Result<(), DecodeError> {
        if self.columns.is_all() && self.names.iter().all(|name| wanted(name)) {
            return Ok(());
        }
        // Rows that were read and not yet handed on are as they were read.
        let ready: u64 = self.ready.iter().map(|batch| batch.num_rows() as u64).sum();
        let (rows, reported) = (self.rows, self.reported);
        let part = Part { wanted: Some(wanted), behind: Some(rows + ready), ..self.part.clone() };
        let ready = std::mem::take(&mut self.ready);
        *self = Self { ready, rows, reported, ..Self::of(&self.stored, part)? };
        Ok(())
    }

    fn read_pieces(&mut self, pieces: Range<usize>) -> Result<(), DecodeError> {
        *self = Self::of(&self.stored, Part { groups: Some(pieces), ..self.part.clone() })?;
        Ok(())
    }
}

/// Where those columns of each of those row groups are, as far as they lie within so many bytes.
fn places(
    metadata: &ParquetMetaData,
    (only, mask): (Range<usize>, &ProjectionMask),
    bytes: u64,
) -> Vec<Vec<Range<u64>>> {
    let groups = metadata.row_groups().get(only).unwrap_or_default();
    let group = groups.iter().map(|group| {
        let columns = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        let column = columns.map(|(_, column)| {
            let (start, length) = column.byte_range();
            start..start.saturating_add(length)
        });
        column.filter(|part| part.start < part.end && part.end <= bytes).collect()
    });
    group.collect()
}

/// Rows of a batch: fewer where rows are large, by the row group with the largest ones.
fn batch_rows(metadata: &ParquetMetaData) -> usize {
    let row_bytes = metadata.row_groups().iter().map(|group| {
        let sizes = group.columns().iter().map(|c| u64::try_from(c.uncompressed_size()).unwrap_or(0));
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
