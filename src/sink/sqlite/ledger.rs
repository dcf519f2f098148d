//! The ledger of the embedded store: the same two tables as in PostgreSQL, written in the data's
//! own transactions.
//!
//! `mds_runs` has one row a run, `mds_checkpoints` one row a run and hash slot with the last
//! ordinal that is settled there. Each commit looks whether another run has taken this one over
//! (`--resume`), and fails where that has happened.

use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::batch::{Commit, Reason};
use crate::port::{CommitMark, SinkError};
use crate::sink::run_columns;

/// The tables. Times are UTC, `YYYY-MM-DD HH:MM:SS.fff`; JSON is text.
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS mds_runs (
    run_id       TEXT NOT NULL PRIMARY KEY,
    command      TEXT NOT NULL,
    dataset      TEXT NOT NULL,
    table_name   TEXT NOT NULL,
    keyed        INTEGER NOT NULL,
    status       TEXT NOT NULL,
    started_at   TEXT NOT NULL,
    heartbeat_at TEXT NOT NULL,
    finished_at  TEXT,
    inputs       TEXT NOT NULL,
    inputs_settled INTEGER NOT NULL DEFAULT 0,
    settings     TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    rows_read    INTEGER NOT NULL DEFAULT 0,
    inserted     INTEGER NOT NULL DEFAULT 0,
    updated      INTEGER NOT NULL DEFAULT 0,
    unchanged    INTEGER NOT NULL DEFAULT 0,
    superseded   INTEGER NOT NULL DEFAULT 0,
    rejected     INTEGER NOT NULL DEFAULT 0,
    dropped      INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0,
    exit_code    INTEGER,
    error        TEXT,
    resumable    INTEGER NOT NULL,
    resumed_from TEXT,
    resumed_by   TEXT,
    workers      INTEGER NOT NULL,
    host         TEXT NOT NULL,
    pid          INTEGER NOT NULL,
    process      TEXT,
    version      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mds_checkpoints (
    run_id     TEXT NOT NULL,
    slot       INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL,
    serial     INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (run_id, slot)
) STRICT, WITHOUT ROWID;";

/// The moment as SQLite writes it.
pub(super) const NOW: &str = "strftime('%Y-%m-%d %H:%M:%f', 'now')";

/// Makes the tables where they are missing. Takes no lock when none is.
pub(super) fn make(connection: &Connection) -> rusqlite::Result<()> {
    if is_there(connection)? {
        return Ok(());
    }
    connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} COMMIT"))
}

/// Whether both tables are there.
pub(super) fn is_there(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) = 2 FROM sqlite_schema \
               WHERE type = 'table' AND name IN ('mds_runs', 'mds_checkpoints')";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Writes the mark into the open transaction.
///
/// # Errors
/// Fatal, where another run has taken this one over.
pub(super) fn mark(
    connection: &Connection,
    run: Uuid,
    mark: &CommitMark,
    fault: impl Fn(&rusqlite::Error) -> SinkError,
) -> Result<(), SinkError> {
    let run = run.to_string();
    let write = || -> rusqlite::Result<Option<String>> {
        let mut fence = connection.prepare_cached("SELECT resumed_by FROM mds_runs WHERE run_id = ?1")?;
        let other: Option<Option<String>> = fence.query_row([&run], |row| row.get(0)).optional()?;
        if let Some(Some(other)) = other {
            return Ok(Some(other));
        }
        let sql = format!(
            "INSERT INTO mds_checkpoints (run_id, slot, ordinal, serial, updated_at) \
             VALUES (?1, ?2, ?3, ?4, {NOW}) ON CONFLICT (run_id, slot) DO UPDATE SET \
             ordinal = excluded.ordinal, serial = excluded.serial, updated_at = excluded.updated_at"
        );
        let mut insert = connection.prepare_cached(&sql)?;
        for (slot, ordinal) in &mark.slots {
            insert.execute(params![run, slot, ordinal.cast_signed(), mark.serial.cast_signed()])?;
        }
        Ok(None)
    };
    match write() {
        Ok(None) => Ok(()),
        Ok(Some(other)) => Err(SinkError::Fatal(Reason::new(
            "taken_over",
            format!("run {run} was taken over by run {other}"),
        ))),
        Err(error) => Err(fault(&error)),
    }
}

/// By what a later run can ask for that mark.
pub(super) fn name_of(run: Option<Uuid>, worker: usize, mark: &CommitMark) -> Option<Commit> {
    let (slot, _) = *mark.slots.first()?;
    Some(Commit::Marked { run_id: run?, worker: u32::try_from(worker).ok()?, slot, serial: mark.serial })
}

/// What became of that commit; `None` where the ledger cannot tell. It can say no only where
/// [all marks of the run](run_columns::all_marks_are_there) are there.
pub(super) fn committed(connection: &Connection, commit: &Commit) -> rusqlite::Result<Option<bool>> {
    let Commit::Marked { run_id, slot, serial, .. } = commit else { return Ok(None) };
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM mds_checkpoints WHERE run_id = ?1 AND slot = ?2 AND serial >= ?3), {}",
        run_columns::all_marks_are_there(*run_id, "replace")
    );
    let (there, known): (bool, bool) =
        connection.query_row(&sql, params![run_id.to_string(), slot, serial.cast_signed()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(if there { Some(true) } else { known.then_some(false) })
}
