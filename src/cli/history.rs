//! The history of runs, of whichever store.

use std::time::Duration;

use uuid::Uuid;

use crate::cli::process;
use crate::cli::store::Store;
use crate::error::Result;
use crate::port::runs::{Begun, InputIdentity, JobRow, RunBooks, RunEnd, RunRecord, RunScope, RunStart};
use crate::sink::postgres::PgRuns;
use crate::sink::sqlite::SqliteRuns;

/// Where runs are kept.
pub enum History {
    /// In a file.
    Sqlite(SqliteRuns),
    /// In a database.
    Postgres(Box<PgRuns>),
}

impl History {
    /// Of that store. Opens nothing yet.
    pub fn of(store: &Store) -> Result<Self> {
        Ok(match store {
            Store::Sqlite(path) => Self::Sqlite(SqliteRuns::new(path)),
            Store::Postgres(dsn) => Self::Postgres(Box::new(PgRuns::new((**dsn).clone())?)),
        })
    }

    /// The same, where the server may take no longer than that for each answer that a run begins with.
    pub fn within(self, limit: Duration) -> Self {
        match self {
            Self::Sqlite(_) => self,
            Self::Postgres(runs) => Self::Postgres(Box::new(runs.within(limit))),
        }
    }

    /// Runs into that table, not taken over by others, that have an input in common with these.
    pub async fn earlier(&self, table: &str, inputs: &[InputIdentity], own: Uuid) -> Result<Vec<RunRecord>> {
        match self {
            Self::Sqlite(runs) => runs.earlier(table, inputs, own),
            Self::Postgres(runs) => runs.earlier(table, inputs, own).await,
        }
    }

    /// Writes the run down, and takes over the one to resume.
    pub async fn begin(
        &self,
        start: &RunStart,
        seen: Option<&[Uuid]>,
        resume: Option<&RunRecord>,
    ) -> Result<Begun> {
        match self {
            Self::Sqlite(runs) => runs.begin(start, seen, resume),
            Self::Postgres(runs) => runs.begin(start, seen, resume).await,
        }
    }

    /// Whether that table has no row; `false` where nobody can tell.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn is_empty(&self, table: &str) -> Result<bool> {
        match self {
            Self::Sqlite(runs) => Ok(runs.is_empty(table)),
            Self::Postgres(runs) => runs.is_empty(table).await,
        }
    }

    /// Notes that an input cannot be read further.
    pub async fn input_failed(&self, run: Uuid, input: usize, why: &str) -> Result<()> {
        match self {
            Self::Sqlite(runs) => runs.input_failed(run, input, why),
            Self::Postgres(runs) => runs.input_failed(run, input, why).await,
        }
    }

    /// A sign of life: in the history where the run is kept there, with the inputs that are settled, and in
    /// its row of `job_runs`. In a file the commits are that, and whoever looks is on the same machine.
    pub async fn beat(
        &self,
        run: Option<(Uuid, usize)>,
        books: RunBooks,
        job: Option<(JobRow, &RunScope)>,
    ) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(runs) => runs.beat(run, books, job).await,
        }
    }

    /// The last word of the run.
    pub async fn end(&self, run: Uuid, end: &RunEnd) -> Result<()> {
        match self {
            Self::Sqlite(runs) => runs.end(run, end),
            Self::Postgres(runs) => runs.end(run, end).await,
        }
    }

    /// Opens a row in `job_runs`, where there is that table.
    pub async fn begin_job(&self, start: &RunStart, resumed: Option<Uuid>) -> Result<Option<JobRow>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(runs) => runs.begin_job(start, resumed, process::is_alive).await,
        }
    }

    /// Closes it.
    pub async fn end_job(&self, row: JobRow, end: &RunEnd) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(runs) => runs.end_job(row, end).await,
        }
    }

    /// The newest runs, or those whose id begins with `prefix`.
    pub async fn list(&self, prefix: Option<&str>, limit: usize) -> Result<Vec<RunRecord>> {
        match self {
            Self::Sqlite(runs) => runs.list(prefix, limit),
            Self::Postgres(runs) => runs.list(prefix, limit).await,
        }
    }
}
