//! Rows of texts as a Parquet file.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::decode::{BATCH_ROWS, ExportCell, text_columns};

/// A file whose columns are all texts, so that no digit of a number is lost.
pub struct ParquetRows<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
    columns: Vec<StringBuilder>,
    rows: usize,
}

impl<W: Write + Send> ParquetRows<W> {
    /// Begins one.
    ///
    /// # Errors
    /// Those of writing.
    pub fn new(names: &[String], out: W) -> io::Result<Self> {
        let schema: SchemaRef = Arc::new(text_columns(names));
        let packed = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(packed).build();
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))?;
        let columns = names.iter().map(|_| StringBuilder::new()).collect();
        Ok(Self { writer, schema, columns, rows: 0 })
    }

    /// Writes a row: a cell for each column.
    ///
    /// # Errors
    /// Those of writing.
    pub fn row(&mut self, cells: &[Option<ExportCell<'_>>]) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.append_option(cell.as_ref().and_then(|cell| cell.text));
        }
        self.rows += 1;
        if self.rows == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    /// Ends the file and gives back what it was written to.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> io::Result<W> {
        if self.rows > 0 {
            self.flush()?;
        }
        Ok(self.writer.into_inner()?)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.rows = 0;
        let arrays = self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(io::Error::other)?;
        Ok(self.writer.write(&batch)?)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array as _, StringArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    #[test]
    fn parquet_has_all_batches() {
        let names = ["a", "b"].map(str::to_owned);
        let mut file = ParquetRows::new(&names, Vec::new()).unwrap();
        for _ in 0..=BATCH_ROWS {
            file.row(&[Some(ExportCell { json: "1", text: Some("0.10") }), None]).unwrap();
        }
        let bytes = bytes::Bytes::from(file.finish().unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes);
        let batches: Vec<RecordBatch> = reader.unwrap().build().unwrap().map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), BATCH_ROWS + 1);
        let column = batches[0].column(0).as_any().downcast_ref::<StringArray>().unwrap();
        assert_eq!((column.value(0), batches[0].column(1).null_count()), ("0.10", batches[0].num_rows()));
    }
}
