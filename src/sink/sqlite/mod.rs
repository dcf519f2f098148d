//! The embedded store: one SQLite file, the default where no server is given.
//!
//! Same tables and columns as in PostgreSQL, made by the store itself. What SQLite has no type
//! for is kept so that no digit is lost and text order is the right order:
//!
//! | values | stored as |
//! |---|---|
//! | instants | TEXT `YYYY-MM-DD HH:MM:SS[.ffffff]`, UTC, trailing zeros of the fraction left out |
//! | days | TEXT `YYYY-MM-DD` |
//! | numbers | INTEGER when integral and it fits 64 bits, REAL when at most 15 significant digits tell it, else TEXT with all digits |
//! | texts, UUIDs, JSON | TEXT |
//! | truth values | INTEGER 0 or 1 |
//!
//! Nanoseconds below the microsecond are rounded to the nearest (halves up) and counted, except
//! where a column `…_ns` beside the time keeps them: then the time is cut off. In tables of the
//! user's own a number that its REAL or NUMERIC column cannot hold is rounded and counted, too, and
//! one that its INTEGER column cannot hold is refused.
//!
//! There is one writer; readers are never in its way (WAL). `session.rs` says how rows are
//! written and counted, `file.rs` what durable means here.

mod bind;
mod catalog;
mod comparison;
mod fault;
mod file;
mod health;
mod instant;
mod ledger;
mod messages;
mod newer;
mod number;
mod plan;
mod runs;
pub(crate) mod schema;
mod session;
mod store;
mod upgrade;
mod verify;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use self::catalog::Table;
use self::fault::{FaultContext, classify, ending};
use self::file::stop_waiting;
use self::file::{Access, FileId};
use self::health::SqliteHealth;
pub use self::runs::SqliteRuns;
use self::schema::Earlier;
pub use self::session::SqliteSession;
use self::session::blocking;
pub use self::store::KIND;
use crate::batch::Commit;
use crate::dataset::{self, Column, Dataset, LiveTarget, Requirement, Target};
use crate::error::{Error, Result};
use crate::files::folder_of;
use crate::port::{CommitMark, Sink, SinkError};
use crate::settings::OnConflict;
use crate::text::flags::{DSN, TABLE};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SqliteOptions {
    /// Refuse a value that would have to be rounded, instead of rounding and counting it.
    pub exact: bool,
    /// What happens to rows whose key is in the table already.
    pub on_conflict: OnConflict,
    /// Whether what the table has stays where it was written after the rows had failed for the first
    /// time (their batch's [`Origin`](crate::batch::Origin) knows when). See
    /// [`SqliteSink::guards_newer`].
    pub newer_stays: bool,
    /// The run, whose ledger is kept in the file; none for no ledger.
    pub run_id: Option<Uuid>,
}

/// The embedded store, with the table that rows go to.
#[derive(Debug)]
pub struct SqliteSink {
    path: PathBuf,
    table: Arc<Table>,
    target: Target,
    live: Arc<LiveTarget>,
    options: SqliteOptions,
    /// The file, as long as the path means it.
    id: Option<FileId>,
}

impl SqliteSink {
    /// Opens the file for rows of a dataset. Makes the file, and in it the tables of all datasets,
    /// where they are missing.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] when the file cannot be opened or written, is no SQLite database, or has a
    /// table of that name that is not as ours; [`Error::Unavailable`] when another process keeps
    /// it locked or the disk is full.
    pub fn open(path: &Path, dataset: &Dataset, options: SqliteOptions) -> Result<Self> {
        usable(path)?;
        let fault = |error: rusqlite::Error| ending(&error, FaultContext { path, table: &dataset.table });
        let connection = file::open(path, Access::Create).map_err(fault)?;
        let ours = dataset::ALL.iter().any(|known| known.table == dataset.table);
        schema::apply_to(&connection, path, dataset::ALL, Earlier::Stays)?;
        if ours && let Some(difference) = schema::unfit(&connection, path, dataset)? {
            return Err(Error::usage(format!(
                "{}: {difference}; rename the table, or load into it by name with {TABLE} {}",
                path.display(),
                dataset.table
            )));
        }
        Self::with(connection, path, &dataset.table, options)
    }

    /// Opens the file for rows of a table that exists in it, whatever its columns.
    ///
    /// # Errors
    ///
    /// As [`SqliteSink::open`]; also when there is no such file or table.
    pub fn open_table(path: &Path, table: &str, options: SqliteOptions) -> Result<Self> {
        usable(path)?;
        if !path.exists() {
            return Err(Error::usage(format!(
                "{} does not exist, so there is no table {table} in it",
                path.display()
            )));
        }
        // Without a run nothing is to be written.
        let access = if options.run_id.is_some() { Access::Write } else { Access::Read };
        let connection =
            file::open(path, access).map_err(|error| ending(&error, FaultContext { path, table }))?;
        // The one schema that a file has may be named.
        Self::with(connection, path, table.strip_prefix("main.").unwrap_or(table), options)
    }

    fn with(
        connection: rusqlite::Connection,
        path: &Path,
        name: &str,
        options: SqliteOptions,
    ) -> Result<Self> {
        let fault = |error: rusqlite::Error| ending(&error, FaultContext { path, table: name });
        let Some(table) = catalog::read(&connection, name).map_err(fault)? else {
            return Err(Error::usage(format!(
                "{} has no table {name}; make it first, or leave {TABLE} out",
                path.display()
            )));
        };
        if options.run_id.is_some() {
            ledger::make(&connection).map_err(fault)?;
        }
        let id = FileId::of(path);
        connection.close().map_err(|(_, error)| fault(error))?;
        let newer_stays =
            options.newer_stays && options.on_conflict == OnConflict::Update && newer::tells_when(&table);
        let options = SqliteOptions { newer_stays, ..options };
        let (target, path) = (table.target(), path.to_owned());
        let live = Arc::new(LiveTarget::new(target.clone()));
        look_by(&live, &path, &target.table);
        Ok(Self { path, target, live, table: Arc::new(table), options, id })
    }

    /// The table that rows go to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The table as it is while rows are written, for the mapping.
    pub fn live(&self) -> Arc<LiveTarget> {
        self.live.clone()
    }

    /// Whether rows that the table has stay where they were written after the rows at hand had failed:
    /// asked for, and the table can tell, since it has a key and an `updated_at`.
    pub fn guards_newer(&self) -> bool {
        self.options.newer_stays
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The table as a dataset: its columns under their own names, its key, no synonyms and no
    /// checks. For tables opened by name.
    ///
    /// Names of key columns that no dataset knows stay in memory until the program ends, since a
    /// description holds them for that long.
    pub fn dataset(&self) -> Dataset {
        let key: Vec<&'static str> = self.target.key.iter().map(|name| lasting(name)).collect();
        let columns = self.target.columns.iter().map(|column| Column {
            name: Cow::Owned(column.name.clone()),
            kind: column.kind,
            need: if self.target.key.contains(&column.name) {
                Requirement::Key
            } else if column.nullable || column.has_default {
                Requirement::Optional
            } else {
                Requirement::Required
            },
            synonyms: &[],
            derive: None,
        });
        let time = self
            .target
            .columns
            .iter()
            .filter(|column| column.kind == dataset::Kind::Timestamp)
            .min_by_key(|column| !self.target.key.contains(&column.name));
        Dataset {
            name: Cow::Owned(self.target.table.clone()),
            table: Cow::Owned(self.target.table.clone()),
            columns: columns.collect(),
            key: Cow::Owned(key),
            earlier_keys: &[],
            time: time.map(|column| Cow::Owned(column.name.clone())),
            chunk_days: 0,
            segment_by: &[],
            compress_days: 0,
            signature: &[],
            checks: &[],
        }
    }
}

/// Has the table looked at for rows that are about to be refused. Under another key the rows that are under
/// way come first, which the session sees to.
fn look_by(live: &Arc<LiveTarget>, path: &Path, table: &str) {
    let (weak, path, table) = (Arc::downgrade(live), path.to_owned(), table.to_owned());
    live.looked_at_by(move || {
        let Some(live) = weak.upgrade() else { return };
        let found = blocking(|| {
            let connection = file::open(&path, Access::Read).ok()?;
            catalog::read(&connection, &table).ok()?
        });
        let (found, known) = (found.map(|found| found.target()), live.target(live.version()));
        if let (Some(found), Some(known)) = (found, known)
            && found.rekeyed_since(&known).is_none()
        {
            live.set(found);
        }
    });
}

/// The name for as long as the program runs.
fn lasting(name: &str) -> &'static str {
    let known = dataset::ALL.iter().flat_map(|dataset| dataset.key.iter().copied());
    known.into_iter().find(|known| *known == name).unwrap_or_else(|| Box::leak(Box::from(name)))
}

/// Says what is wrong with the path where SQLite would only say that it cannot open it.
fn usable(path: &Path) -> Result<()> {
    let shown = path.display();
    if path.as_os_str().is_empty() {
        return Err(Error::usage(format!("the store has no file name; write {DSN} sqlite:PATH")));
    }
    let directory = folder_of(path);
    if path.is_dir() {
        Err(Error::usage(format!(
            "{shown} is a directory; give a file in it, as in {DSN} sqlite:{shown}/mds.db"
        )))
    } else if directory.is_dir() {
        Ok(())
    } else {
        Err(Error::usage(format!(
            "{shown} cannot be made, there is no directory {}; make it first",
            directory.display()
        )))
    }
}

impl Sink for SqliteSink {
    type Session = SqliteSession;

    fn name(&self) -> &str {
        "sqlite"
    }

    /// One: SQLite has one writer at a time, and a second would only wait for it.
    fn max_sessions(&self) -> Option<usize> {
        Some(1)
    }

    async fn connect(&self, _: usize) -> Result<SqliteSession, SinkError> {
        blocking(|| {
            SqliteSession::open(&self.path, self.id, (self.table.clone(), self.live.clone()), self.options)
        })
    }

    fn name_of(&self, worker: usize, mark: &CommitMark) -> Option<Commit> {
        ledger::name_of(self.options.run_id, worker, mark)
    }

    async fn seal(&self) -> Result<(), SinkError> {
        let moved = || self.id.and_then(|id| id.moved(&self.path)).map_or(Ok(()), Err);
        moved()?;
        blocking(|| file::seal(&self.path))
            .map_err(|error| classify(&error, FaultContext { path: &self.path, table: &self.table.name }))?;
        moved()
    }
}
