//! What consumers of a group have noted of messages in the embedded store; see the table of that name in PostgreSQL.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::fault::{FaultContext, ending};
use super::file::{self, Access};
use super::ledger::NOW;
use super::runs::{checkpoints, fence};
use crate::error::Result;
use crate::port::messages::{Messages, Noted, REMEMBERED};
use crate::port::runs::{Checkpoints, RunRecord};

/// The table. Times are UTC, `YYYY-MM-DD HH:MM:SS.fff`.
const TABLE: &str = "\
CREATE TABLE IF NOT EXISTS mds_messages (
    feed       TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    first      INTEGER NOT NULL,
    messages   TEXT NOT NULL,
    settled_at TEXT,
    PRIMARY KEY (feed, run_id, first)
) STRICT, WITHOUT ROWID;";

/// The time before which what was settled is remembered no longer.
fn long_ago() -> String {
    format!("strftime('%Y-%m-%d %H:%M:%f', 'now', '-{} seconds')", REMEMBERED.as_secs())
}

/// Those of one group and one table.
pub struct SqliteMessages {
    path: PathBuf,
    feed: String,
}

impl SqliteMessages {
    /// Opens nothing yet.
    pub fn new(path: &Path, feed: &str) -> Self {
        Self { path: path.to_owned(), feed: feed.to_owned() }
    }

    fn with<A>(&self, act: impl FnOnce(&Connection) -> rusqlite::Result<A>) -> Result<A> {
        let done = file::open(&self.path, Access::Write).and_then(|connection| act(&connection));
        done.map_err(|error| ending(&error, FaultContext { path: &self.path, table: "mds_messages" }))
    }
}

#[async_trait]
impl Messages for SqliteMessages {
    async fn ready(&self) -> Result<()> {
        self.with(|connection| connection.execute_batch(TABLE))
    }

    async fn note(&self, run: Uuid, first: u64, text: &str) -> Result<()> {
        let sql = "INSERT INTO mds_messages (feed, run_id, first, messages) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT DO NOTHING";
        self.with(|connection| {
            connection.execute(sql, params![self.feed, run.to_string(), first.cast_signed(), text])
        })
        .map(drop)
    }

    async fn withdraw(&self, run: Uuid, first: u64) -> Result<()> {
        let sql = "DELETE FROM mds_messages WHERE feed = ?1 AND run_id = ?2 AND first = ?3";
        self.with(|connection| {
            connection.execute(sql, params![self.feed, run.to_string(), first.cast_signed()])
        })
        .map(drop)
    }

    async fn settle(&self, run: Uuid, below: u64) -> Result<()> {
        let old = format!(
            "DELETE FROM mds_messages WHERE feed = ?1 AND run_id = ?2 AND settled_at < {}",
            long_ago()
        );
        let now = format!(
            "UPDATE mds_messages SET settled_at = {NOW} \
             WHERE feed = ?1 AND run_id = ?2 AND first < ?3 AND settled_at IS NULL"
        );
        self.with(|connection| {
            connection.execute(&old, [&self.feed, &run.to_string()])?;
            connection.execute(&now, params![self.feed, run.to_string(), below.cast_signed()])
        })
        .map(drop)
    }

    async fn of_others(&self, run: Uuid) -> Result<Vec<Noted>> {
        let sql = format!(
            "SELECT run_id, messages, settled_at IS NOT NULL, coalesce(settled_at < {}, 0) FROM mds_messages \
             WHERE feed = ?1 AND run_id <> ?2 ORDER BY run_id, first",
            long_ago()
        );
        self.with(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map([&self.feed, &run.to_string()], |row| {
                let run: String = row.get(0)?;
                let run = Uuid::try_parse(&run).unwrap_or_default();
                Ok(Noted { run, text: row.get(1)?, settled: row.get(2)?, old: row.get(3)? })
            })?;
            rows.collect()
        })
    }

    async fn fence(&self, old: &RunRecord, new: Uuid) -> Result<Checkpoints> {
        self.with(|connection| {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            fence(connection, old.run_id, new)?;
            let settled = checkpoints(connection, old.run_id)?;
            connection.execute_batch("COMMIT")?;
            Ok(settled)
        })
    }

    async fn forget(&self, run: Uuid) -> Result<()> {
        let run = run.to_string();
        self.with(|connection| {
            connection
                .execute("DELETE FROM mds_messages WHERE feed = ?1 AND run_id = ?2", [&self.feed, &run])?;
            connection.execute("DELETE FROM mds_checkpoints WHERE run_id = ?1", [&run])
        })
        .map(drop)
    }
}
