//! How well a file is, for whoever watches over it. Reads only, and makes no file.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::fault::{FaultContext, ending};
use super::file::{self, Access};
use super::{catalog, schema};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::files::folder_of;

/// What was found of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteHealth {
    /// Time that the file took to open and to answer.
    pub took: Duration,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether we may write to it and to its directory.
    pub writable: bool,
    /// Tables of datasets that are there, and in what each is not as ours.
    pub tables: Vec<(String, Vec<String>)>,
    /// A version of the tables that this program does not know.
    pub newer: Option<i64>,
    /// Whether the ledger is there.
    pub ledger: bool,
}

impl SqliteHealth {
    /// Looks at it; `None` where there is no such file.
    ///
    /// # Errors
    /// Usage, if it is no database or may not be read; unavailable, if it is locked.
    pub fn of(path: &Path, datasets: &[Dataset]) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        super::usable(path)?;
        let fault = |error: rusqlite::Error| ending(&error, FaultContext { path, table: "mds_runs" });
        let start = Instant::now();
        let connection = file::open(path, Access::Read).map_err(fault)?;
        let names = tables(&connection).map_err(fault)?;
        let took = start.elapsed();
        let mut tables = Vec::new();
        for dataset in datasets {
            if catalog::read(&connection, &dataset.table).map_err(fault)?.is_some() {
                tables.push((dataset.table.to_string(), schema::left(&connection, path, dataset)?));
            }
        }
        let ledger = ["mds_runs", "mds_checkpoints"].iter().all(|table| names.iter().any(|n| n == table));
        let may = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
        Ok(Some(Self {
            took,
            bytes: std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            writable: may(path) && may(folder_of(path)),
            tables,
            newer: schema::newer(&connection).map_err(fault)?,
            ledger,
        }))
    }
}

/// Names of all tables.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}
