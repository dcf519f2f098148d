//! Whether all pages of a file can be unpacked.

use std::sync::Arc;

use parquet::column::page::PageReader as _;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use super::damage::words;
use super::stored::Stored;

/// Unpacks all pages, one at a time, until `stopped` says so; the error is that of the first that does not.
pub(super) fn pages(
    stored: Stored,
    metadata: &ParquetMetaData,
    stopped: &dyn Fn() -> bool,
) -> Result<(), String> {
    let stored = Arc::new(stored);
    for group in metadata.row_groups() {
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        for column in group.columns() {
            let name = column.column_path().string();
            let failed = |error: ParquetError| format!("{}, in column {name:?}", words(&error.to_string()));
            let pages = SerializedPageReader::new(stored.clone(), column, rows, None);
            let mut pages = pages.map_err(failed)?;
            while pages.get_next_page().map_err(failed)?.is_some() {
                if stopped() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
