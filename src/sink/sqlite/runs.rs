//! The history of runs in the embedded store: begun, taken over, ended, listed.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use uuid::Uuid;

use super::catalog::quoted;
use super::fault::{FaultContext, ending};
use super::file::{self, Access};
use super::ledger::{self, NOW};
use crate::batch::Commit;
use crate::error::{Error, Result};
use crate::port::history::RunHistory;
use crate::port::runs::{Begun, Checkpoints, Emptied, InputIdentity, RunEnd, RunRecord, RunStart};
use crate::sink::run_columns::{self, RunRow, RunValue, counted, record, selected};

/// How a column is read that is not what it is asked for. Times are text; see [`RunRow::number`] for them.
fn read(column: &str) -> Option<&'static str> {
    Some(match column {
        "heartbeat_at" => LAST_SIGN,
        "silent" => SILENT,
        "has_checkpoints" => "c.at IS NOT NULL",
        _ => return None,
    })
}

/// The last sign of life, a commit among them.
const LAST_SIGN: &str = "max(r.heartbeat_at, coalesce(c.at, ''))";

/// How long that is ago, in microseconds.
const SILENT: &str = "max(0, CAST(round((julianday('now') - julianday(max(r.heartbeat_at, coalesce(c.at, '')))) * 86400000) AS INTEGER) * 1000)";

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
                fence(connection, old.run_id, start.run_id)?;
                let old = old.run_id.to_string();
                let sql = "UPDATE mds_checkpoints SET run_id = ?1, serial = 0 WHERE run_id = ?2";
                connection.execute(sql, [&own, &old])?;
                if let Some(last) = start.anew_behind {
                    let sql = "UPDATE mds_checkpoints SET ordinal = min(ordinal, ?2) WHERE run_id = ?1";
                    connection.execute(sql, params![own, last.cast_signed()])?;
                }
            }
            insert(connection, start, resume.map(|old| old.run_id))?;
            let settled = checkpoints(connection, start.run_id)?;
            connection.execute_batch("COMMIT")?;
            Ok(Begun::Now(settled))
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
        let counted = counted(end.books);
        self.with(Access::Write, |connection| {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection.execute(
                &format!(
                    "UPDATE mds_runs SET status = ?2, heartbeat_at = {NOW}, finished_at = {NOW}, \
                     exit_code = ?3, error = ?4, inputs_settled = ?5, {counted} WHERE run_id = ?1"
                ),
                params![
                    run.to_string(),
                    end.status.as_str(),
                    end.exit_code,
                    end.error,
                    i64::try_from(end.settled).unwrap_or(0)
                ],
            )?;
            if !end.keeps_checkpoints {
                connection.execute_batch(&run_columns::take_marks_out(run, "replace"))?;
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
                "SELECT {} {FROM} WHERE substr(r.run_id, 1, length(?1)) = ?1 \
                 ORDER BY r.started_at DESC, r.run_id DESC LIMIT ?2",
                selected(read)
            );
            connection.prepare(&sql)?.query_map(params![prefix, limit], |row| record(row))?.collect()
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
        asked.await.unwrap_or_else(|broken| Err(Error::internal(broken.to_string())))
    }
}

/// From now on the run can commit nothing more.
pub(super) fn fence(connection: &Connection, old: Uuid, new: Uuid) -> rusqlite::Result<()> {
    connection
        .execute(
            "UPDATE mds_runs SET resumed_by = coalesce(resumed_by, ?1), finished_at = coalesce(finished_at, heartbeat_at), \
             status = CASE status WHEN 'running' THEN 'interrupted' ELSE status END WHERE run_id = ?2",
            [new.to_string(), old.to_string()],
        )
        .map(drop)
}

/// What of a run is settled.
pub(super) fn checkpoints(connection: &Connection, run: Uuid) -> rusqlite::Result<Checkpoints> {
    let mut statement = connection.prepare("SELECT slot, ordinal FROM mds_checkpoints WHERE run_id = ?1")?;
    let slots = statement.query_map([run.to_string()], |row| {
        let (slot, ordinal): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok((u16::try_from(slot).unwrap_or(0), u64::try_from(ordinal).unwrap_or(0)))
    })?;
    Ok(Checkpoints::new(slots.collect::<rusqlite::Result<Vec<_>>>()?))
}

fn insert(connection: &Connection, start: &RunStart, resumed_from: Option<Uuid>) -> rusqlite::Result<()> {
    let (columns, values): (Vec<&str>, Vec<RunValue>) =
        run_columns::begun(start, resumed_from).into_iter().unzip();
    let places = vec!["?"; values.len()].join(", ");
    let sql = format!(
        "INSERT INTO mds_runs ({}, started_at, heartbeat_at) VALUES ({places}, {NOW}, {NOW})",
        columns.join(", ")
    );
    let values = values.into_iter().map(|value| match value {
        RunValue::Text(text) => text.map_or(Value::Null, Value::Text),
        RunValue::Number(number) => Value::Integer(number),
        RunValue::Truth(truth) => Value::Integer(i64::from(truth)),
    });
    connection.execute(&sql, params_from_iter(values)).map(drop)
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
        "SELECT {} {FROM} WHERE r.table_name = ?1 AND r.resumed_by IS NULL AND r.run_id <> ?2 \
         AND EXISTS (SELECT 1 FROM json_each(r.inputs) i \
         WHERE json_extract(i.value, '$.id') IN (SELECT value FROM json_each(?3))) \
         ORDER BY r.started_at DESC, r.run_id DESC",
        selected(read)
    );
    connection.prepare(&sql)?.query_map(params![table, own.to_string(), ids], |row| record(row))?.collect()
}

/// Microseconds since 1970 of a time of ours.
fn micros(text: &str) -> i64 {
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f");
    time.map_or(0, |time| time.and_utc().timestamp_micros())
}

impl RunRow for Row<'_> {
    type Error = rusqlite::Error;

    fn text(&self, at: usize) -> rusqlite::Result<Option<String>> {
        self.get(at)
    }

    fn number(&self, at: usize) -> rusqlite::Result<Option<i64>> {
        Ok(match self.get(at)? {
            Value::Integer(number) => Some(number),
            Value::Text(time) => Some(micros(&time)),
            Value::Null | Value::Real(_) | Value::Blob(_) => None,
        })
    }

    fn truth(&self, at: usize) -> rusqlite::Result<bool> {
        self.get(at)
    }
}
