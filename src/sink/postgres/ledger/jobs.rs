//! Shared jobs: which loader works at which part of a list of inputs.
//!
//! A part is claimed, and its run begun, in one transaction that skips what others have locked; it is done with in
//! the transaction that ends its run. Moments are numbers that a job counts up under the lock of its own row, so
//! that of two of them the earlier one was committed before the later one began, whatever the clocks say.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::port::jobs::{
    Claimed, Conclusion, Holder, JobLedger, JobRecord, JobStart, JobState, Judge, PartEnd, PartPlan,
    PartRecord, PartState, SHARE, Stretch, Survey,
};
use crate::port::runs::{InputIdentity, RunBooks, RunEnd, RunProcess, RunStart, RunStatus};
use crate::sink::answered;
use crate::sink::postgres::connection::connect::{Connector, Link, to_error};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::connection::quoting::literal;
use crate::sink::postgres::ledger::marks::{JOBS, lock_of, make};
use crate::sink::postgres::ledger::runs::{FROM, PATIENCE, begin_claimed, records};

/// Parts that are written down by one statement.
const CHUNK: usize = 500;

/// The runs of parts, with the time of their last commit.
const HOLDERS: &str = "LEFT JOIN mds_runs r ON r.run_id = p.run_id LEFT JOIN LATERAL \
     (SELECT max(updated_at) AS at FROM mds_checkpoints WHERE run_id = r.run_id) c ON true";

/// What is asked of a run that holds a part.
const HOLDER: &str = "r.run_id::text, r.host, r.pid, r.process, r.status, \
     (extract(epoch FROM greatest(r.heartbeat_at, c.at)) * 1000000)::bigint, \
     (extract(epoch FROM pg_catalog.clock_timestamp() - greatest(r.heartbeat_at, c.at)) * 1000000)::bigint, \
     (extract(epoch FROM coalesce(r.finished_at, greatest(r.heartbeat_at, c.at)) - r.started_at) * 1000000)::bigint, \
     r.rows_read, r.inserted, r.updated, r.unchanged, r.superseded, r.rejected, r.dropped, r.skipped";

/// Columns of [`HOLDER`].
const HOLDER_COLUMNS: usize = 16;

/// The jobs of a database.
pub struct PgJobs {
    connector: Connector,
    patience: Option<Duration>,
}

impl PgJobs {
    /// Opens nothing yet. Answers are waited for no longer than that.
    ///
    /// # Errors
    /// Usage, for certificate files that cannot be read.
    pub fn new(dsn: Dsn, patience: Option<Duration>) -> Result<Self> {
        Ok(Self { connector: Connector::new(dsn)?, patience })
    }

    async fn link(&self) -> Result<Link> {
        self.connector.connect().await.map_err(to_error)
    }

    async fn found(&self, which: &str, keys: bool) -> Result<Vec<JobRecord>> {
        jobs(&self.link().await?, which, keys).await
    }

    async fn created(&self, start: &JobStart) -> Result<bool> {
        let link = self.link().await?;
        let sql = format!(
            "BEGIN; INSERT INTO mds_jobs (job_id, name, table_name, tenant, dataset, keyed, settings, lease_us, state, version) \
             VALUES ('{}', {}, {}, {}, {}, {}, {}, {}, '{}', {}) ON CONFLICT (name, table_name, tenant) DO NOTHING",
            start.job_id,
            literal(&start.name),
            literal(&start.table),
            literal(&start.tenant),
            literal(&start.dataset),
            start.keyed,
            literal(&start.settings.to_string()),
            start.lease,
            JobState::Loading.as_str(),
            literal(&start.version),
        );
        execute(&link, &sql).await?;
        let sql = format!("SELECT 1 FROM mds_jobs WHERE job_id = '{}'", start.job_id);
        if rows(&link, &sql).await?.is_empty() {
            return Ok(false);
        }
        let numbered: Vec<(usize, &PartPlan)> = start.parts.iter().enumerate().collect();
        for chunk in numbered.chunks(CHUNK) {
            let values: Vec<String> = chunk
                .iter()
                .map(|(part, plan)| {
                    format!(
                        "('{}', {part}, {}, {}, {}, {})",
                        start.job_id,
                        plan.first,
                        literal(&json(&plan.inputs)),
                        plan.stretch.map_or_else(|| "NULL".to_owned(), |stretch| literal(&json(&stretch))),
                        plan.bytes,
                    )
                })
                .collect();
            let sql = format!(
                "INSERT INTO mds_job_parts (job_id, part, first_input, inputs, stretch, bytes) VALUES {}",
                values.join(", ")
            );
            execute(&link, &sql).await?;
        }
        execute(&link, "COMMIT").await?;
        Ok(true)
    }

    async fn seen(&self, job: Uuid) -> Result<Survey> {
        let link = self.link().await?;
        let sql = format!(
            "SELECT j.state, (SELECT count(*) FROM mds_job_parts p WHERE p.job_id = j.job_id AND p.state = 'open'), \
             s.read, s.failed FROM mds_jobs j, LATERAL (SELECT \
             coalesce(sum((p.books->>'read')::bigint), 0)::bigint AS read, \
             coalesce(sum((p.books->>'rejected')::bigint + (p.books->>'dropped')::bigint + p.earlier_rejects), 0)::bigint AS failed \
             FROM mds_job_parts p WHERE p.job_id = j.job_id) s WHERE j.job_id = '{job}'"
        );
        let found = rows(&link, &sql).await?;
        let Some(row) = found.first() else { return Err(gone()) };
        let text = |at| -> Result<String> { row.try_get(at).map_err(|e| fault(&link, &e)) };
        let number = |at| -> Result<u64> { Ok(unsigned(row.try_get(at).map_err(|e| fault(&link, &e))?)) };
        let (state, open, counted) = (JobState::of(&text(0)?), number(1)?, (number(2)?, number(3)?));
        let sql = format!(
            "SELECT p.part::bigint, {HOLDER} FROM mds_job_parts p {HOLDERS} \
             WHERE p.job_id = '{job}' AND p.state = 'claimed' ORDER BY p.part"
        );
        let mut claimed = Vec::new();
        for row in rows(&link, &sql).await? {
            let part: i64 = row.try_get(0).map_err(|e| fault(&link, &e))?;
            if let Some(holder) = holder(&row, 1).map_err(|e| fault(&link, &e))? {
                claimed.push((size(part), holder));
            }
        }
        Ok(Survey { state, open, claimed, rows: counted })
    }

    async fn claimed(&self, job: Uuid, start: &RunStart, over: &[Uuid]) -> Result<Option<Claimed>> {
        let link = self.link().await?;
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_catalog.set_config('lock_timeout', '{PATIENCE}', true)"
        );
        execute(&link, &begin).await?;
        let over: Vec<String> = over.iter().map(|run| format!("'{run}'")).collect();
        let or_over = match over.is_empty() {
            true => String::new(),
            false => format!("OR p.state = 'claimed' AND p.run_id IN ({})", over.join(", ")),
        };
        // Parts are settled one after the other, in their order.
        let sql = format!(
            "SELECT p.part::bigint, p.pass = 2, p.first_input::bigint, p.inputs::text, p.stretch::text, p.run_id::text \
             FROM mds_job_parts p JOIN mds_jobs j USING (job_id) WHERE p.job_id = '{job}' AND (p.state = 'open' {or_over}) \
             AND (j.state = 'loading' OR j.state = 'settling' AND NOT EXISTS (SELECT FROM mds_job_parts e \
             WHERE e.job_id = p.job_id AND e.part < p.part AND e.state IN ('open', 'claimed'))) \
             ORDER BY p.part LIMIT 1 FOR UPDATE OF p SKIP LOCKED"
        );
        let found = rows(&link, &sql).await?;
        let Some(row) = found.first() else {
            execute(&link, "ROLLBACK").await?;
            return Ok(None);
        };
        let failed = |e: tokio_postgres::Error| fault(&link, &e);
        let (part, again, first): (i64, bool, i64) = (
            row.try_get(0).map_err(failed)?,
            row.try_get(1).map_err(failed)?,
            row.try_get(2).map_err(failed)?,
        );
        let inputs: String = row.try_get(3).map_err(failed)?;
        let stretch: Option<String> = row.try_get(4).map_err(failed)?;
        let before: Option<String> = row.try_get(5).map_err(failed)?;
        let mut inputs: Vec<InputIdentity> = serde_json::from_str(&inputs).map_err(broken)?;
        let stretch: Option<Stretch> =
            stretch.map(|text| serde_json::from_str(&text)).transpose().map_err(broken)?;
        let resumed = match before {
            Some(id) => records(&link, &format!("{FROM} WHERE r.run_id = {}", literal(&id))).await?.pop(),
            None => None,
        };
        let mut lost = 0;
        if let Some(resumed) = &resumed {
            // What could not be read is not read again behind rows that came after it.
            for (input, known) in inputs.iter_mut().zip(&resumed.inputs) {
                input.failed.clone_from(&known.failed);
                input.unproven = known.unproven;
            }
            lost = resumed.books.rejected + resumed.books.dropped;
            end_sessions(&link, resumed.run_id).await?;
        }
        let start = RunStart { inputs, ..start.clone() };
        let Some(checkpoints) = begin_claimed(&link, &start, resumed.as_ref()).await? else {
            execute(&link, "ROLLBACK").await?;
            return Ok(None);
        };
        // Moments are counted last, since their lock is everybody's.
        let sql = format!(
            "WITH moment AS (UPDATE mds_jobs SET clock = clock + 1 WHERE job_id = '{job}' RETURNING clock) \
             UPDATE mds_job_parts SET state = 'claimed', run_id = '{}', claims = claims + 1, error = NULL, exit_code = NULL, \
             earlier_rejects = earlier_rejects + {lost}, begun = coalesce(begun, moment.clock) \
             FROM moment WHERE job_id = '{job}' AND part = {part}; COMMIT",
            start.run_id
        );
        execute(&link, &sql).await?;
        Ok(Some(Claimed {
            part: size(part),
            again,
            first: size(first),
            start,
            stretch,
            resumed,
            checkpoints,
        }))
    }

    async fn concluded(&self, job: Uuid, judge: Judge<'_>) -> Result<bool> {
        let link = self.link().await?;
        let sql =
            format!("BEGIN; SELECT 1 FROM mds_jobs WHERE job_id = '{job}' AND state <> 'done' FOR UPDATE");
        execute(&link, &sql).await?;
        let found = jobs(&link, &format!("WHERE j.job_id = '{job}'"), true).await?.pop();
        let Some(found) = found.filter(|job| job.state != JobState::Done) else {
            execute(&link, "ROLLBACK").await?;
            return Ok(false);
        };
        if found.parts.iter().any(|part| matches!(part.state, PartState::Open | PartState::Claimed)) {
            execute(&link, "ROLLBACK").await?;
            return Ok(false);
        }
        let conclusion = match found.state {
            JobState::Settling => Conclusion::Done,
            JobState::Loading | JobState::Done => judge(&found)?,
        };
        let sql = match &conclusion {
            Conclusion::Done => format!(
                "UPDATE mds_jobs SET state = 'done', finished_at = pg_catalog.clock_timestamp() WHERE job_id = '{job}'; COMMIT"
            ),
            Conclusion::Settle { parts, boxes } => {
                let parts: Vec<String> = parts.iter().map(usize::to_string).collect();
                format!(
                    "UPDATE mds_jobs SET state = 'settling', boxes = {} WHERE job_id = '{job}'; \
                     UPDATE mds_job_parts SET state = 'open', pass = 2, run_id = NULL WHERE job_id = '{job}' AND part IN ({}); COMMIT",
                    literal(&boxes.to_string()),
                    parts.join(", ")
                )
            }
        };
        execute(&link, &sql).await?;
        Ok(conclusion == Conclusion::Done)
    }
}

#[async_trait]
impl JobLedger for PgJobs {
    async fn prepare(&self) -> Result<()> {
        let link = self.link().await?;
        for (name, ddl, needed) in JOBS {
            make(&link, name, ddl, needed).await?;
        }
        Ok(())
    }

    async fn find(&self, name: &str, table: &str, tenant: &str) -> Result<Option<JobRecord>> {
        let which = format!(
            "WHERE j.name = {} AND j.table_name = {} AND j.tenant = {}",
            literal(name),
            literal(table),
            literal(tenant)
        );
        Ok(answered(self.patience, self.found(&which, false)).await?.pop())
    }

    async fn list(&self, name: Option<&str>, limit: usize) -> Result<Vec<JobRecord>> {
        let link = self.link().await?;
        let sql = "SELECT pg_catalog.to_regclass('mds_jobs') IS NOT NULL AND pg_catalog.to_regclass('mds_job_parts') IS NOT NULL";
        let there = link.client.query_typed_one(sql, &[]).await.map_err(|e| fault(&link, &e))?;
        if !there.try_get::<_, bool>(0).map_err(|e| fault(&link, &e))? {
            return Ok(Vec::new());
        }
        let named = name.map_or_else(String::new, |name| format!("WHERE j.name = {}", literal(name)));
        jobs(&link, &format!("{named} ORDER BY j.created_at DESC LIMIT {limit}"), false).await
    }

    async fn create(&self, start: &JobStart) -> Result<bool> {
        answered(self.patience, self.created(start)).await
    }

    async fn reopen(&self, job: Uuid) -> Result<()> {
        // Where a key tells rows apart they are all written again; else the run is gone on with.
        let sql = format!(
            "BEGIN; SELECT 1 FROM mds_jobs WHERE job_id = '{job}' FOR UPDATE; \
             UPDATE mds_job_parts p SET state = 'open', run_id = CASE WHEN j.keyed THEN NULL ELSE p.run_id END \
             FROM mds_jobs j WHERE j.job_id = p.job_id AND p.job_id = '{job}' AND p.state = 'failed' AND j.state = 'done' \
             AND NOT EXISTS (SELECT FROM mds_job_parts o WHERE o.job_id = p.job_id AND o.state IN ('open', 'claimed')); \
             UPDATE mds_jobs j SET state = 'loading', finished_at = NULL WHERE job_id = '{job}' AND state = 'done' \
             AND EXISTS (SELECT FROM mds_job_parts o WHERE o.job_id = j.job_id AND o.state = 'open'); COMMIT"
        );
        let link = self.link().await?;
        answered(self.patience, execute(&link, &sql)).await
    }

    async fn survey(&self, job: Uuid) -> Result<Survey> {
        answered(self.patience, self.seen(job)).await
    }

    async fn claim(&self, job: Uuid, start: &RunStart, over: &[Uuid]) -> Result<Option<Claimed>> {
        answered(self.patience, self.claimed(job, start, over)).await
    }

    async fn conclude(&self, job: Uuid, judge: Judge<'_>) -> Result<bool> {
        answered(self.patience, self.concluded(job, judge)).await
    }
}

/// What a claim comes to, for the transaction that ends its run; nothing where another run has taken it over.
pub(super) fn ended(run: Uuid, end: &RunEnd, part: &PartEnd) -> String {
    let PartEnd { job_id, part, state, again, keys } = part;
    let error = match state {
        PartState::Failed => end.error.as_deref().map_or_else(|| "NULL".to_owned(), literal),
        PartState::Open | PartState::Claimed | PartState::Done => "NULL".to_owned(),
    };
    let counted = match (state, again) {
        (PartState::Open | PartState::Claimed, _) => String::new(),
        (_, true) => {
            let RunBooks { read, skipped, .. } = end.books;
            format!(", again_rows = again_rows + {}", read.saturating_sub(skipped))
        }
        (_, false) => format!(
            ", books = {}, keys = {}, ended = moment.clock",
            literal(&json(&end.books)),
            literal(&keys.to_string())
        ),
    };
    format!(
        "WITH held AS (SELECT FROM mds_job_parts WHERE job_id = '{job_id}' AND part = {part} AND run_id = '{run}' FOR UPDATE), \
         moment AS (UPDATE mds_jobs SET clock = clock + 1 WHERE job_id = '{job_id}' AND EXISTS (SELECT FROM held) RETURNING clock) \
         UPDATE mds_job_parts SET state = '{}', exit_code = {}, error = {error}{counted} \
         FROM moment WHERE job_id = '{job_id}' AND part = {part} AND run_id = '{run}';",
        state.as_str(),
        end.exit_code
    )
}

/// Ends the sessions in which a run whose claim is over still has a transaction open: a process that hangs keeps it,
/// and the server would wait for it for ever. Whoever may not do that waits.
async fn end_sessions(link: &Link, run: Uuid) -> Result<()> {
    let lock = lock_of(run).cast_unsigned();
    let sql = format!(
        "SAVEPOINT ending; SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_locks \
         WHERE locktype = 'advisory' AND classid::bigint = {lock} AND objsubid = 2 AND pid <> pg_catalog.pg_backend_pid() \
         AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()); \
         RELEASE SAVEPOINT ending"
    );
    match link.client.batch_execute(&sql).await {
        Ok(()) => Ok(()),
        Err(error) if error.code().is_some_and(|code| code.code() == "42501") => {
            execute(link, "ROLLBACK TO SAVEPOINT ending").await
        }
        Err(error) => Err(fault(link, &error)),
    }
}

/// The jobs of that condition, with their parts.
async fn jobs(link: &Link, which: &str, keys: bool) -> Result<Vec<JobRecord>> {
    let share = literal(SHARE);
    let sql = format!(
        "SELECT j.job_id::text, j.name, j.table_name, j.tenant, j.dataset, j.keyed, j.settings::text, j.lease_us, j.state, \
         (extract(epoch FROM j.created_at) * 1000000)::bigint, (extract(epoch FROM j.finished_at) * 1000000)::bigint, \
         (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint, j.boxes::text, \
         (SELECT count(DISTINCT (r.host, r.pid, r.process)) FROM mds_runs r WHERE r.settings->>{share} = j.name \
          AND r.table_name = j.table_name AND r.started_at >= j.created_at) FROM mds_jobs j {which}"
    );
    let mut found = Vec::new();
    for row in rows(link, &sql).await? {
        let read = || -> Result<JobRecord, tokio_postgres::Error> {
            let text = |at: usize| row.try_get::<_, Option<String>>(at).map(Option::unwrap_or_default);
            Ok(JobRecord {
                job_id: text(0)?.parse().unwrap_or_default(),
                name: text(1)?,
                table: text(2)?,
                tenant: text(3)?,
                dataset: text(4)?,
                keyed: row.try_get(5)?,
                settings: serde_json::from_str(&text(6)?).unwrap_or_default(),
                lease: row.try_get(7)?,
                state: JobState::of(&text(8)?),
                created: row.try_get(9)?,
                finished: row.try_get(10)?,
                now: row.try_get(11)?,
                boxes: serde_json::from_str(&text(12)?).unwrap_or_default(),
                loaders: unsigned(row.try_get(13)?),
                parts: Vec::new(),
            })
        };
        let mut job = read().map_err(|e| fault(link, &e))?;
        job.parts = parts(link, job.job_id, keys).await?;
        found.push(job);
    }
    Ok(found)
}

async fn parts(link: &Link, job: Uuid, keys: bool) -> Result<Vec<PartRecord>> {
    let keys = if keys { "p.keys::text" } else { "NULL::text" };
    let sql = format!(
        "SELECT p.part::bigint, p.state, p.pass = 2, p.first_input::bigint, \
         (SELECT pg_catalog.jsonb_agg(i->'name')::text FROM pg_catalog.jsonb_array_elements(p.inputs) AS i), \
         p.stretch::text, p.bytes, p.claims::bigint, p.books::text, p.earlier_rejects, p.again_rows, p.begun, p.ended, \
         {keys}, p.exit_code::bigint, p.error, {HOLDER} FROM mds_job_parts p {HOLDERS} WHERE p.job_id = '{job}' ORDER BY p.part"
    );
    let read = |row: &tokio_postgres::Row| -> Result<PartRecord, tokio_postgres::Error> {
        let text = |at: usize| row.try_get::<_, Option<String>>(at).map(Option::unwrap_or_default);
        let (begun, ended): (Option<i64>, Option<i64>) = (row.try_get(11)?, row.try_get(12)?);
        let exit_code: Option<i64> = row.try_get(14)?;
        Ok(PartRecord {
            part: size(row.try_get(0)?),
            state: PartState::of(&text(1)?),
            again: row.try_get(2)?,
            first: size(row.try_get(3)?),
            names: serde_json::from_str(&text(4)?).unwrap_or_default(),
            stretch: serde_json::from_str(&text(5)?).ok(),
            bytes: unsigned(row.try_get(6)?),
            claims: unsigned(row.try_get(7)?),
            books: serde_json::from_str(&text(8)?).unwrap_or_default(),
            earlier_rejects: unsigned(row.try_get(9)?),
            settled: unsigned(row.try_get(10)?),
            interval: begun.zip(ended),
            keys: serde_json::from_str(&text(13)?).unwrap_or_default(),
            exit_code: exit_code.and_then(|code| u8::try_from(code).ok()),
            error: row.try_get(15)?,
            holder: holder(row, 16)?,
        })
    };
    let found = rows(link, &sql).await?;
    found.iter().map(|row| read(row).map_err(|e| fault(link, &e))).collect()
}

/// The holder in the columns from that one on.
fn holder(row: &tokio_postgres::Row, at: usize) -> Result<Option<Holder>, tokio_postgres::Error> {
    debug_assert!(row.len() >= at + HOLDER_COLUMNS);
    let Some(run): Option<String> = row.try_get(at)? else { return Ok(None) };
    let pid: i64 = row.try_get(at + 2)?;
    let status: String = row.try_get(at + 4)?;
    let count = |place: usize| row.try_get::<_, i64>(at + place).map(unsigned);
    Ok(Some(Holder {
        run_id: run.parse().unwrap_or_default(),
        process: RunProcess {
            host: row.try_get(at + 1)?,
            pid: u32::try_from(pid).unwrap_or(0),
            mark: row.try_get(at + 3)?,
        },
        status: RunStatus::of(&status),
        heartbeat: row.try_get(at + 5)?,
        silent: row.try_get(at + 6)?,
        lasted: row.try_get(at + 7)?,
        books: RunBooks {
            read: count(8)?,
            inserted: count(9)?,
            updated: count(10)?,
            unchanged: count(11)?,
            superseded: count(12)?,
            rejected: count(13)?,
            dropped: count(14)?,
            skipped: count(15)?,
        },
    }))
}

fn json(value: &impl Serialize) -> String {
    // Names and numbers: there is nothing in it that could fail.
    serde_json::to_value(value).unwrap_or(Value::Null).to_string()
}

fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn gone() -> Error {
    Error::usage("the job is no longer in the store: its row was taken out of mds_jobs")
}

fn broken(error: serde_json::Error) -> Error {
    Error::internal(format!("a part of the job cannot be read: {error}")).caused_by(error)
}

async fn rows(link: &Link, sql: &str) -> Result<Vec<tokio_postgres::Row>> {
    link.client.query_typed(sql, &[]).await.map_err(|error| fault(link, &error))
}

async fn execute(link: &Link, sql: &str) -> Result<()> {
    link.client.batch_execute(sql).await.map_err(|error| fault(link, &error))
}

fn fault(link: &Link, error: &tokio_postgres::Error) -> Error {
    to_error(link.classify(error)).at("the shared jobs (mds_jobs)")
}
