//! The history of runs, `mds_runs`: begun, taken over, ended, listed.
//!
//! Everything here has a connection of its own for as long as it takes, and no state of the
//! session, so it is out of the way of those that write and works behind a transaction pooler.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use crate::batch::Commit;
use crate::error::{Error, Result};
use crate::port::history::{IsAlive, RunHistory};
use crate::port::jobs::SHARE;
use crate::port::runs::{
    Begun, Checkpoints, Emptied, InputIdentity, JobRow, RunBooks, RunEnd, RunRecord, RunScope, RunStart,
    earlier_name,
};
use crate::sink::answered;
use crate::sink::postgres::connection::connect::{Connector, Link, to_error};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::connection::quoting::literal;
use crate::sink::postgres::ledger::marks::lock_of;
use crate::sink::postgres::ledger::{commit_status, job_runs, jobs};
use crate::sink::run_columns::{self, RunRow, RunValue, counted, record, selected};

/// First half of the key of the advisory lock under which runs begin (`mdsr` in ASCII); the
/// second is a hash of the table.
const BEGIN_LOCK: i32 = 0x6d64_7372;

/// Longest wait for a transaction of a run that is taken over. What its process had begun when it
/// died ends by itself as soon as the server notices, at most a statement later.
pub(super) const PATIENCE: &str = "30s";

/// How a column is read that is not what it is asked for: times in microseconds, narrow numbers wide.
fn read(column: &str) -> Option<&'static str> {
    Some(match column {
        "run_id" => "r.run_id::text",
        "started_at" => "(extract(epoch FROM r.started_at) * 1000000)::bigint",
        "heartbeat_at" => "(extract(epoch FROM greatest(r.heartbeat_at, c.at)) * 1000000)::bigint",
        "silent" => {
            "(extract(epoch FROM pg_catalog.clock_timestamp() - greatest(r.heartbeat_at, c.at)) * 1000000)::bigint"
        }
        "finished_at" => "(extract(epoch FROM r.finished_at) * 1000000)::bigint",
        "inputs" => "r.inputs::text",
        "settings" => "r.settings::text",
        "workers" => "r.workers::bigint",
        "has_checkpoints" => "c.at IS NOT NULL",
        "exit_code" => "r.exit_code::bigint",
        "resumed_from" => "r.resumed_from::text",
        "resumed_by" => "r.resumed_by::text",
        "inputs_settled" => "r.inputs_settled::bigint",
        _ => return None,
    })
}

/// Each run with the time of its last commit.
pub(super) const FROM: &str = "FROM mds_runs r LEFT JOIN LATERAL \
     (SELECT max(updated_at) AS at FROM mds_checkpoints WHERE run_id = r.run_id) c ON true";

/// The history of the runs of a database.
pub struct PgRuns {
    connector: Connector,
    /// How long the answer to what a run begins with may take.
    patience: Option<Duration>,
}

impl PgRuns {
    /// Opens nothing yet. The answers that a run begins with are waited for no longer than that.
    ///
    /// # Errors
    /// Usage, for certificate files that cannot be read.
    pub fn new(dsn: Dsn, patience: Option<Duration>) -> Result<Self> {
        Ok(Self { connector: Connector::new(dsn)?, patience })
    }

    async fn link(&self) -> Result<Link> {
        self.connector.connect().await.map_err(to_error)
    }

    async fn begun(
        &self,
        start: &RunStart,
        seen: Option<&[Uuid]>,
        resume: Option<&RunRecord>,
    ) -> Result<Begun> {
        let link = self.link().await?;
        let (run, table) = (start.run_id, literal(&start.table));
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_catalog.set_config('lock_timeout', '{PATIENCE}', true); \
             SELECT pg_catalog.pg_advisory_xact_lock({BEGIN_LOCK}, pg_catalog.hashtext({table}))"
        );
        execute(&link, &begin).await?;
        let sql = format!("SELECT 1 FROM mds_runs WHERE run_id = '{run}'");
        let known = !link.client.query_typed(&sql, &[]).await.map_err(|e| fault(&link, &e))?.is_empty();
        // Known: the commit of an earlier attempt had come through.
        if !known {
            if let Some(seen) = seen {
                let now = records(&link, &shared_inputs(&start.table, &start.inputs, run)).await?;
                if !now.iter().map(|record| &record.run_id).eq(seen) {
                    return Ok(Begun::Overtaken);
                }
            }
            if let Some(resume) = resume
                && !take_over(&link, resume, run).await?
            {
                return Ok(Begun::Overtaken);
            }
            if let (Some(last), Some(_)) = (start.anew_behind, resume) {
                let sql = format!(
                    "UPDATE mds_checkpoints SET ordinal = LEAST(ordinal, {last}) WHERE run_id = '{run}'"
                );
                execute(&link, &sql).await?;
            }
            execute(&link, &insert(start, resume.map(|r| r.run_id))).await?;
        }
        let checkpoints = checkpoints(&link, run).await?;
        execute(&link, "COMMIT").await?;
        Ok(Begun::Now(checkpoints))
    }

    async fn is_void(&self, table: &str) -> Result<Emptied> {
        let link = self.link().await?;
        // Triggers that fire for rows that are inserted, also into partitions; those of extensions put no
        // row elsewhere.
        let sql = format!(
            "SELECT c.oid::pg_catalog.regclass::text, c.relhasrules OR EXISTS (\
               SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
               WHERE (t.tgrelid = c.oid OR t.tgrelid IN (SELECT i.inhrelid FROM pg_catalog.pg_inherits i \
                 WHERE i.inhparent = c.oid)) \
               AND NOT t.tgisinternal AND t.tgtype & 4 = 4 AND NOT EXISTS (\
                 SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
                 AND d.objid = p.oid AND d.deptype = 'e')) \
             FROM pg_catalog.pg_class c \
             WHERE c.oid = pg_catalog.to_regclass({}) AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity \
             AND pg_catalog.has_table_privilege(c.oid, 'SELECT')",
            literal(table)
        );
        let found = link.client.query_typed(&sql, &[]).await.map_err(|e| fault(&link, &e))?;
        let Some(row) = found.first() else { return Ok(Emptied::No) };
        let name: String = row.try_get(0).map_err(|e| fault(&link, &e))?;
        let diverts: bool = row.try_get(1).map_err(|e| fault(&link, &e))?;
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {name})");
        let row = link.client.query_typed_one(&sql, &[]).await.map_err(|e| fault(&link, &e))?;
        Ok(match (row.try_get(0).map_err(|e| fault(&link, &e))?, diverts) {
            (false, _) => Emptied::No,
            (true, false) => Emptied::Yes,
            (true, true) => Emptied::Diverted,
        })
    }
}

#[async_trait]
impl RunHistory for PgRuns {
    async fn earlier(&self, table: &str, inputs: &[InputIdentity], own: Uuid) -> Result<Vec<RunRecord>> {
        let asked = async { records(&self.link().await?, &shared_inputs(table, inputs, own)).await };
        answered(self.patience, asked).await
    }

    async fn begin(
        &self,
        start: &RunStart,
        seen: Option<&[Uuid]>,
        resume: Option<&RunRecord>,
    ) -> Result<Begun> {
        answered(self.patience, self.begun(start, seen, resume)).await
    }

    async fn emptied(&self, table: &str) -> Result<Emptied> {
        answered(self.patience, self.is_void(table)).await
    }

    async fn input_failed(&self, run: Uuid, input: usize, why: &str, unproven: bool) -> Result<()> {
        let why = literal(&Value::from(why).to_string());
        let mut inputs = format!("pg_catalog.jsonb_set(inputs, '{{{input},failed}}', {why}::jsonb)");
        if unproven {
            inputs = format!("pg_catalog.jsonb_set({inputs}, '{{{input},unproven}}', 'true'::jsonb)");
        }
        let sql = format!("UPDATE mds_runs SET inputs = {inputs} WHERE run_id = '{run}'");
        execute(&self.link().await?, &sql).await
    }

    async fn beat(
        &self,
        run: Option<(Uuid, usize)>,
        books: RunBooks,
        job: Option<(JobRow, &RunScope)>,
    ) -> Result<()> {
        let link = self.link().await?;
        if let Some((run, settled)) = run {
            let books = counted(books);
            let sql = format!(
                "UPDATE mds_runs SET heartbeat_at = pg_catalog.now(), inputs_settled = {settled}, {books} WHERE run_id = '{run}' AND status = 'running'"
            );
            execute(&link, &sql).await?;
        }
        match job {
            // A table of others: what is wrong with it is no matter of the history's.
            Some((row, scope)) => job_runs::execute(&link, &job_runs::beat(row, books, scope)).await,
            None => Ok(()),
        }
    }

    async fn end(&self, run: Uuid, end: &RunEnd) -> Result<()> {
        let error = end.error.as_deref().map_or_else(|| "NULL".to_owned(), literal);
        let mut sql = format!(
            "BEGIN; UPDATE mds_runs SET status = '{}', heartbeat_at = pg_catalog.now(), finished_at = pg_catalog.now(), \
             exit_code = {}, inputs_settled = {}, error = {error}, {} WHERE run_id = '{run}';",
            end.status.as_str(),
            end.exit_code,
            end.settled,
            counted(end.books),
        );
        match &end.part {
            // Runs with the same input may be claims of other parts of it.
            Some(part) => {
                if !end.keeps_checkpoints {
                    sql.push_str(&format!("DELETE FROM mds_checkpoints WHERE run_id = '{run}';"));
                }
                sql.push_str(&jobs::ended(run, end, part));
            }
            None if !end.keeps_checkpoints => {
                sql.push_str(&run_columns::take_marks_out(run, "pg_catalog.replace"));
            }
            None => {}
        }
        sql.push_str("COMMIT");
        execute(&self.link().await?, &sql).await
    }

    async fn begin_job(
        &self,
        start: &RunStart,
        resumed: Option<Uuid>,
        is_alive: IsAlive,
    ) -> Result<Option<JobRow>> {
        job_runs::begin(&self.link().await?, start, resumed, is_alive).await
    }

    async fn end_job(&self, row: JobRow, end: &RunEnd) -> Result<()> {
        job_runs::execute(&self.link().await?, &job_runs::end(row, end)).await
    }

    async fn committed(&self, commits: &[Commit]) -> Result<Vec<Option<bool>>> {
        commit_status::committed(&self.connector, commits).await
    }

    async fn list(&self, prefix: Option<&str>, limit: usize) -> Result<Vec<RunRecord>> {
        let link = self.link().await?;
        let sql = "SELECT pg_catalog.to_regclass('mds_runs') IS NOT NULL AND pg_catalog.to_regclass('mds_checkpoints') IS NOT NULL";
        let there = link.client.query_typed_one(sql, &[]).await.map_err(|e| fault(&link, &e))?;
        if !there.try_get::<_, bool>(0).map_err(|e| fault(&link, &e))? {
            return Ok(Vec::new());
        }
        // Of a shared job that is listed by itself the claims are shown where they are asked for.
        let of_none = || format!("WHERE r.settings->>{} IS NULL", literal(SHARE));
        let chosen = prefix.map_or_else(of_none, |prefix| {
            format!("WHERE pg_catalog.starts_with(r.run_id::text, {})", literal(&prefix.to_ascii_lowercase()))
        });
        records(&link, &format!("{FROM} {chosen} ORDER BY r.started_at DESC, r.run_id DESC LIMIT {limit}"))
            .await
    }
}

/// What of a run is settled.
pub(super) async fn checkpoints(link: &Link, run: Uuid) -> Result<Checkpoints> {
    let sql = format!("SELECT slot, ordinal FROM mds_checkpoints WHERE run_id = '{run}'");
    let rows = link.client.query_typed(&sql, &[]).await.map_err(|e| fault(link, &e))?;
    let slots = rows.iter().map(|row| {
        let (slot, ordinal): (i16, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok((u16::try_from(slot).unwrap_or(0), u64::try_from(ordinal).unwrap_or(0)))
    });
    let slots: Vec<(u16, u64)> =
        slots.collect::<Result<_, tokio_postgres::Error>>().map_err(|e| fault(link, &e))?;
    Ok(Checkpoints::new(slots))
}

/// Begins a run in the transaction that claims its part, going on with the one that held it before; `None` where
/// somebody else has taken that over.
pub(super) async fn begin_claimed(
    link: &Link,
    start: &RunStart,
    resume: Option<&RunRecord>,
) -> Result<Option<Checkpoints>> {
    if let Some(resume) = resume
        && !take_over(link, resume, start.run_id).await?
    {
        return Ok(None);
    }
    execute(link, &insert(start, resume.map(|run| run.run_id))).await?;
    checkpoints(link, start.run_id).await.map(Some)
}

/// Waits for the transactions that the run has under way, then moves its checkpoints to `new`;
/// `false` if somebody else has taken it over before.
async fn take_over(link: &Link, old: &RunRecord, new: Uuid) -> Result<bool> {
    let taken = fence(link, old, new).await?;
    let sql =
        format!("UPDATE mds_checkpoints SET run_id = '{new}', serial = 0 WHERE run_id = '{}'", old.run_id);
    execute(link, &sql).await?;
    Ok(taken)
}

/// Waits for the transactions that the run has under way; from then on it can commit nothing more. `false` if
/// that was so before.
pub(super) async fn fence(link: &Link, old: &RunRecord, new: Uuid) -> Result<bool> {
    let (id, workers) = (old.run_id, old.workers.max(1));
    let locks = format!(
        "SELECT pg_catalog.pg_advisory_xact_lock({}, w) FROM pg_catalog.generate_series(0, {workers} - 1) AS w",
        lock_of(id)
    );
    if let Err(error) = link.client.batch_execute(&locks).await {
        return Err(match error.code().map(tokio_postgres::error::SqlState::code) {
            Some("55P03") => {
                Error::unavailable(format!("run {id} still has a transaction open in the store; try again"))
            }
            _ => fault(link, &error),
        });
    }
    let sql = format!(
        "UPDATE mds_runs SET resumed_by = '{new}', \
         status = CASE status WHEN 'running' THEN 'interrupted' ELSE status END, \
         finished_at = coalesce(finished_at, heartbeat_at) WHERE run_id = '{id}' AND resumed_by IS NULL"
    );
    let taken = link.client.execute_typed(&sql, &[]).await.map_err(|e| fault(link, &e))?;
    Ok(taken == 1)
}

fn insert(start: &RunStart, resumed_from: Option<Uuid>) -> String {
    let (columns, values): (Vec<&str>, Vec<RunValue>) =
        run_columns::begun(start, resumed_from).into_iter().unzip();
    let values = values.iter().map(|value| match value {
        RunValue::Text(Some(text)) => literal(text),
        RunValue::Text(None) => "NULL".to_owned(),
        RunValue::Number(number) => number.to_string(),
        RunValue::Truth(truth) => truth.to_string(),
    });
    let values = values.collect::<Vec<_>>().join(", ");
    format!("INSERT INTO mds_runs ({}) VALUES ({values})", columns.join(", "))
}

/// From and where of the runs that have an input in common with these.
fn shared_inputs(table: &str, inputs: &[InputIdentity], own: Uuid) -> String {
    let ids: Vec<&String> = inputs.iter().filter_map(|input| input.id.as_ref()).collect();
    let ids = literal(&serde_json::to_string(&ids).unwrap_or_else(|_| "[]".to_owned()));
    format!(
        "{FROM} WHERE r.table_name IN ({}, {}) AND (r.resumed_by IS NULL OR r.resumed_by = '{own}') AND r.run_id <> '{own}' \
         AND EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(r.inputs) AS i WHERE i->>'id' IN \
         (SELECT pg_catalog.jsonb_array_elements_text({ids}::jsonb))) ORDER BY r.started_at DESC, r.run_id DESC",
        literal(table),
        literal(&earlier_name(table))
    )
}

pub(super) async fn records(link: &Link, from: &str) -> Result<Vec<RunRecord>> {
    let sql = format!("SELECT {} {from}", selected(read));
    let rows = link.client.query_typed(&sql, &[]).await.map_err(|e| fault(link, &e))?;
    rows.iter().map(record).collect::<Result<_, _>>().map_err(|e| fault(link, &e))
}

impl RunRow for tokio_postgres::Row {
    type Error = tokio_postgres::Error;

    fn text(&self, at: usize) -> Result<Option<String>, Self::Error> {
        self.try_get(at)
    }

    fn number(&self, at: usize) -> Result<Option<i64>, Self::Error> {
        self.try_get(at)
    }

    fn truth(&self, at: usize) -> Result<bool, Self::Error> {
        self.try_get(at)
    }
}

async fn execute(link: &Link, sql: &str) -> Result<()> {
    link.client.batch_execute(sql).await.map_err(|error| fault(link, &error))
}

fn fault(link: &Link, error: &tokio_postgres::Error) -> Error {
    to_error(link.classify(error)).at("the history of runs (mds_runs)")
}
