//! The history of runs in the embedded store: begun, taken over, ended, listed.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::catalog::quoted;
use super::fault::{FaultContext, ending};
use super::file::{self, Access};
use super::ledger::{self, NOW};
use crate::batch::Commit;
use crate::error::{Error, Result};
use crate::port::history::RunHistory;
use crate::port::runs::{
    Begun, Checkpoints, Emptied, InputIdentity, RunBooks, RunEnd, RunProcess, RunRecord, RunStart, RunStatus,
};

/// Columns of a [`RunRecord`], in order.
const COLUMNS: &str = "r.run_id, r.command, r.dataset, r.table_name, r.keyed, r.status, \
     r.started_at, max(r.heartbeat_at, coalesce(c.at, '')), r.finished_at, r.inputs, r.settings, \
     r.workers, r.resumable, c.at IS NOT NULL, r.rows_read, r.inserted, r.updated, r.unchanged, \
     r.superseded, r.rejected, r.dropped, r.skipped, r.exit_code, r.error, r.resumed_from, \
     r.resumed_by, r.host, r.pid, r.process, r.version, r.inputs_settled";

/// Each run with the time of its last commit.
const FROM: &str = "FROM mds_runs r LEFT JOIN \
     (SELECT run_id, max(updated_at) AS at FROM mds_checkpoints GROUP BY run_id) c ON c.run_id = r.run_id";

/// The history of the runs of a file.
#[derive(Debug, Clone)]
pub struct SqliteRuns {
    path: PathBuf,
}

impl SqliteRuns {
    /// Opens nothing yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn with<A>(&self, access: Access, act: impl FnOnce(&Connection) -> rusqlite::Result<A>) -> Result<A> {
        let done = file::open(&self.path, access).and_then(|connection| act(&connection));
        done.map_err(|error| ending(&error, FaultContext { path: &self.path, table: "mds_runs" }))
    }
}

#[async_trait]
impl RunHistory for SqliteRuns {
    async fn earlier(&self, table: &str, inputs: &[InputIdentity], own: Uuid) -> Result<Vec<RunRecord>> {
        self.with(Access::Write, |connection| shared_inputs(connection, table, inputs, own))
    }

    async fn begin(
        &self,
        start: &RunStart,
        seen: Option<&[Uuid]>,
        resume: Option<&RunRecord>,
    ) -> Result<Begun> {
        self.with(Access::Write, |connection| {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            if let Some(seen) = seen {
                let now = shared_inputs(connection, &start.table, &start.inputs, start.run_id)?;
                if !now.iter().map(|record| &record.run_id).eq(seen) {
                    return Ok(Begun::Overtaken);
                }
            }
            let own = start.run_id.to_string();
            if let Some(old) = resume {
                let old = old.run_id.to_string();
                connection.execute(
                    "UPDATE mds_runs SET resumed_by = ?1, finished_at = coalesce(finished_at, heartbeat_at), \
                     status = CASE status WHEN 'running' THEN 'interrupted' ELSE status END WHERE run_id = ?2",
                    [&own, &old],
                )?;
                let sql = "UPDATE mds_checkpoints SET run_id = ?1, serial = 0 WHERE run_id = ?2";
                connection.execute(sql, [&own, &old])?;
                if let Some(last) = start.anew_behind {
                    let sql = "UPDATE mds_checkpoints SET ordinal = min(ordinal, ?2) WHERE run_id = ?1";
                    connection.execute(sql, params![own, last.cast_signed()])?;
                }
            }
            insert(connection, start, resume.map(|old| old.run_id))?;
            let mut statement =
                connection.prepare("SELECT slot, ordinal FROM mds_checkpoints WHERE run_id = ?1")?;
            let slots = statement.query_map([&own], |row| {
                let (slot, ordinal): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok((u16::try_from(slot).unwrap_or(0), u64::try_from(ordinal).unwrap_or(0)))
            })?;
            let checkpoints = Checkpoints::new(slots.collect::<rusqlite::Result<Vec<_>>>()?);
            connection.execute_batch("COMMIT")?;
            Ok(Begun::Now(checkpoints))
        })
    }

    async fn emptied(&self, table: &str) -> Result<Emptied> {
        let asked = self.with(Access::Write, |connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE), \
                 EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE)";
            let (diverts, is_table): (bool, bool) =
                connection.query_row(sql, [table], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", quoted(table));
            let is_empty: bool = connection.query_row(&sql, [], |row| row.get(0))?;
            Ok(match (is_table && is_empty, diverts) {
                (false, _) => Emptied::No,
                (true, false) => Emptied::Yes,
                (true, true) => Emptied::Diverted,
            })
        });
        Ok(asked.unwrap_or(Emptied::No))
    }

    async fn input_failed(&self, run: Uuid, input: usize, why: &str, unproven: bool) -> Result<()> {
        let place = format!("$[{input}].failed");
        let doubt = match unproven {
            true => format!(", '$[{input}].unproven', json('true')"),
            false => String::new(),
        };
        let sql = format!("UPDATE mds_runs SET inputs = json_set(inputs, ?2, ?3{doubt}) WHERE run_id = ?1");
        self.with(Access::Write, |connection| connection.execute(&sql, params![run.to_string(), place, why]))
            .map(drop)
    }

    async fn end(&self, run: Uuid, end: &RunEnd) -> Result<()> {
        let run = run.to_string();
        let RunBooks { read, inserted, updated, unchanged, superseded, rejected, dropped, skipped } =
            end.books;
        self.with(Access::Write, |connection| {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection.execute(
                &format!(
                    "UPDATE mds_runs SET status = ?2, heartbeat_at = {NOW}, finished_at = {NOW}, \
                     exit_code = ?3, error = ?4, inputs_settled = ?5, rows_read = {read}, inserted = {inserted}, \
                     updated = {updated}, unchanged = {unchanged}, superseded = {superseded}, \
                     rejected = {rejected}, dropped = {dropped}, skipped = {skipped} WHERE run_id = ?1"
                ),
                params![
                    run,
                    end.status.as_str(),
                    end.exit_code,
                    end.error,
                    i64::try_from(end.settled).unwrap_or(0)
                ],
            )?;
            if !end.keeps_checkpoints {
                connection.execute("DELETE FROM mds_checkpoints WHERE run_id = ?1", [&run])?;
                let sql = "DELETE FROM mds_checkpoints WHERE run_id IN (SELECT o.run_id FROM mds_runs r \
                     JOIN mds_runs o ON o.table_name = r.table_name AND o.inputs = r.inputs \
                     WHERE r.run_id = ?1 AND o.started_at < r.started_at AND o.command <> 'tail' \
                     AND o.status NOT IN ('running', 'done', 'rejects') AND instr(o.inputs, '\"id\":null') = 0)";
                connection.execute(sql, [&run])?;
            }
            connection.execute_batch("COMMIT")
        })
    }

    async fn list(&self, prefix: Option<&str>, limit: usize) -> Result<Vec<RunRecord>> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let prefix = prefix.unwrap_or_default().to_ascii_lowercase();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.with(Access::Read, |connection| {
            if !ledger::is_there(connection)? {
                return Ok(Vec::new());
            }
            let sql = format!(
                "SELECT {COLUMNS} {FROM} WHERE substr(r.run_id, 1, length(?1)) = ?1 \
                 ORDER BY r.started_at DESC, r.run_id DESC LIMIT ?2"
            );
            connection.prepare(&sql)?.query_map(params![prefix, limit], record)?.collect()
        })
    }

    async fn committed(&self, commits: &[Commit]) -> Result<Vec<Option<bool>>> {
        let (runs, commits) = (self.clone(), commits.to_vec());
        let asked = tokio::task::spawn_blocking(move || {
            runs.with(Access::Read, |connection| {
                if !ledger::is_there(connection)? {
                    return Ok(vec![None; commits.len()]);
                }
                commits.iter().map(|commit| ledger::committed(connection, commit)).collect()
            })
        });
        asked.await.unwrap_or_else(|broken| Err(Error::Internal(broken.to_string())))
    }
}

fn insert(connection: &Connection, start: &RunStart, resumed_from: Option<Uuid>) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT INTO mds_runs (run_id, command, dataset, table_name, keyed, status, started_at, \
         heartbeat_at, inputs, settings, fingerprint, resumable, resumed_from, workers, host, pid, \
         process, version, inputs_settled) \
         VALUES (?1, ?2, ?3, ?4, ?5, 'running', {NOW}, {NOW}, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    );
    let inputs = serde_json::to_string(&start.inputs).unwrap_or_else(|_| "[]".to_owned());
    connection.execute(
        &sql,
        params![
            start.run_id.to_string(),
            start.command,
            start.dataset,
            start.table,
            start.keyed,
            inputs,
            start.settings.to_string(),
            start.fingerprint,
            start.resumable,
            resumed_from.map(|id| id.to_string()),
            i64::try_from(start.workers).unwrap_or(1),
            start.process.host,
            start.process.pid,
            start.process.mark,
            start.version,
            i64::try_from(start.settled).unwrap_or(0),
        ],
    )?;
    Ok(())
}

fn shared_inputs(
    connection: &Connection,
    table: &str,
    inputs: &[InputIdentity],
    own: Uuid,
) -> rusqlite::Result<Vec<RunRecord>> {
    let ids: Vec<&String> = inputs.iter().filter_map(|input| input.id.as_ref()).collect();
    let ids = serde_json::to_string(&ids).unwrap_or_else(|_| "[]".to_owned());
    let sql = format!(
        "SELECT {COLUMNS} {FROM} WHERE r.table_name = ?1 AND r.resumed_by IS NULL AND r.run_id <> ?2 \
         AND EXISTS (SELECT 1 FROM json_each(r.inputs) i \
         WHERE json_extract(i.value, '$.id') IN (SELECT value FROM json_each(?3))) \
         ORDER BY r.started_at DESC, r.run_id DESC"
    );
    connection.prepare(&sql)?.query_map(params![table, own.to_string(), ids], record)?.collect()
}

/// Microseconds since 1970 of a time of ours.
fn micros(text: &str) -> i64 {
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f");
    time.map_or(0, |time| time.and_utc().timestamp_micros())
}

fn record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let id = |at: usize| -> rusqlite::Result<Option<Uuid>> {
        Ok(row.get::<_, Option<String>>(at)?.and_then(|text| Uuid::try_parse(&text).ok()))
    };
    let text = |at: usize| row.get::<_, String>(at);
    let count = |at: usize| row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or(0));
    let heartbeat = micros(&text(7)?);
    Ok(RunRecord {
        run_id: id(0)?.unwrap_or_default(),
        command: text(1)?,
        dataset: text(2)?,
        table: text(3)?,
        keyed: row.get(4)?,
        status: RunStatus::of(&text(5)?),
        started: micros(&text(6)?),
        heartbeat,
        silent: (super::instant::now() - heartbeat).max(0),
        finished: row.get::<_, Option<String>>(8)?.map(|text| micros(&text)),
        inputs: serde_json::from_str(&text(9)?).unwrap_or_default(),
        settings: serde_json::from_str(&text(10)?).unwrap_or_default(),
        workers: usize::try_from(row.get::<_, i64>(11)?).unwrap_or(1),
        resumable: row.get(12)?,
        has_checkpoints: row.get(13)?,
        books: RunBooks {
            read: count(14)?,
            inserted: count(15)?,
            updated: count(16)?,
            unchanged: count(17)?,
            superseded: count(18)?,
            rejected: count(19)?,
            dropped: count(20)?,
            skipped: count(21)?,
        },
        exit_code: row.get::<_, Option<i64>>(22)?.and_then(|code| u8::try_from(code).ok()),
        error: row.get(23)?,
        resumed_from: id(24)?,
        resumed_by: id(25)?,
        process: RunProcess {
            host: text(26)?,
            pid: u32::try_from(row.get::<_, i64>(27)?).unwrap_or(0),
            mark: row.get(28)?,
        },
        version: text(29)?,
        settled: usize::try_from(row.get::<_, i64>(30)?).unwrap_or(0),
    })
}
