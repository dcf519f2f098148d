//! The ledger: what of a run is committed, kept in the store and in the data's own transactions.
//!
//! `mds_runs` has one row a run (see `runs.rs`). `mds_checkpoints` has one row a run and hash slot:
//! the last ordinal of the input that is settled there, and the serial of the worker's transaction
//! that settled it. It is written by the commit itself, so it rolls back with the data, and a
//! commit of which no answer came is settled by asking it.
//!
//! A run that another one has taken over (`--resume`) can commit nothing more: each commit looks
//! whether that has happened, and the one that takes over waits for the transactions under way.

use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::batch::Commit;
use crate::error::{Error, Result};
use crate::port::CommitMark;
use crate::sink::postgres::connection::connect::{Link, to_error};
use crate::text::flags::{GRANT, RESUME, SHARE};
use crate::text::phrases::shell_word;

/// The table of checkpoints. Rows are updated in place all the time, so its pages keep room for
/// that.
pub(in crate::sink::postgres) const TABLE: &str = "\
CREATE TABLE IF NOT EXISTS mds_checkpoints (
  run_id uuid NOT NULL,
  slot smallint NOT NULL,
  ordinal bigint NOT NULL,
  serial bigint NOT NULL,
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (run_id, slot)
) WITH (fillfactor = 40)";

/// The table of runs.
pub(in crate::sink::postgres) const RUNS: &str = "\
CREATE TABLE IF NOT EXISTS mds_runs (
  run_id uuid NOT NULL PRIMARY KEY,
  command text NOT NULL,
  dataset text NOT NULL,
  table_name text NOT NULL,
  keyed boolean NOT NULL,
  status text NOT NULL,
  started_at timestamp with time zone NOT NULL DEFAULT now(),
  heartbeat_at timestamp with time zone NOT NULL DEFAULT now(),
  finished_at timestamp with time zone,
  inputs jsonb NOT NULL,
  inputs_settled integer NOT NULL DEFAULT 0,
  settings jsonb NOT NULL,
  fingerprint text NOT NULL,
  rows_read bigint NOT NULL DEFAULT 0,
  inserted bigint NOT NULL DEFAULT 0,
  updated bigint NOT NULL DEFAULT 0,
  unchanged bigint NOT NULL DEFAULT 0,
  superseded bigint NOT NULL DEFAULT 0,
  rejected bigint NOT NULL DEFAULT 0,
  dropped bigint NOT NULL DEFAULT 0,
  skipped bigint NOT NULL DEFAULT 0,
  exit_code smallint,
  error text,
  resumable boolean NOT NULL,
  resumed_from uuid,
  resumed_by uuid,
  workers integer NOT NULL,
  host text NOT NULL,
  pid bigint NOT NULL,
  process text,
  version text NOT NULL
)";

/// What a role has to be allowed to do, by table.
pub(in crate::sink::postgres) const TABLES: [(&str, &str, &[&str]); 2] = [
    ("mds_checkpoints", TABLE, &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("mds_runs", RUNS, &["SELECT", "INSERT", "UPDATE"]),
];

/// The table of jobs that several loaders share.
const JOB: &str = "\
CREATE TABLE IF NOT EXISTS mds_jobs (
  job_id uuid NOT NULL PRIMARY KEY,
  name text NOT NULL,
  table_name text NOT NULL,
  tenant text NOT NULL,
  dataset text NOT NULL,
  keyed boolean NOT NULL,
  settings jsonb NOT NULL,
  lease_us bigint NOT NULL,
  state text NOT NULL,
  clock bigint NOT NULL DEFAULT 0,
  boxes jsonb,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  finished_at timestamp with time zone,
  version text NOT NULL,
  UNIQUE (name, table_name, tenant)
)";

/// The table of their parts.
const PARTS: &str = "\
CREATE TABLE IF NOT EXISTS mds_job_parts (
  job_id uuid NOT NULL,
  part integer NOT NULL,
  first_input integer NOT NULL,
  inputs jsonb NOT NULL,
  stretch jsonb,
  bytes bigint NOT NULL,
  state text NOT NULL DEFAULT 'open',
  pass smallint NOT NULL DEFAULT 1,
  run_id uuid,
  claims integer NOT NULL DEFAULT 0,
  begun bigint,
  ended bigint,
  keys jsonb,
  books jsonb,
  earlier_rejects bigint NOT NULL DEFAULT 0,
  again_rows bigint NOT NULL DEFAULT 0,
  exit_code smallint,
  error text,
  PRIMARY KEY (job_id, part)
) WITH (fillfactor = 70)";

/// What a role has to be allowed to do with them.
pub(in crate::sink::postgres) const JOBS: [(&str, &str, &[&str]); 2] = [
    ("mds_jobs", JOB, &["SELECT", "INSERT", "UPDATE"]),
    ("mds_job_parts", PARTS, &["SELECT", "INSERT", "UPDATE"]),
];

/// What consumers of streams note of messages, and what of that a role has to be allowed to do.
pub(in crate::sink::postgres) const MESSAGES: (&str, &str, &[&str]) = (
    "mds_messages",
    "\
CREATE TABLE IF NOT EXISTS mds_messages (
  feed text NOT NULL,
  run_id uuid NOT NULL,
  first bigint NOT NULL,
  messages text NOT NULL,
  settled_at timestamp with time zone,
  PRIMARY KEY (feed, run_id, first)
)",
    &["SELECT", "INSERT", "UPDATE", "DELETE"],
);

/// All tables of the books.
pub(in crate::sink::postgres) fn books()
-> impl Iterator<Item = (&'static str, &'static str, &'static [&'static str])> {
    TABLES.into_iter().chain(JOBS).chain([MESSAGES])
}

/// The ledger of one run.
#[derive(Debug, Clone)]
pub(in crate::sink::postgres) struct Ledger {
    run: Uuid,
    /// Whether there is a table of runs beside the one of checkpoints.
    runs: bool,
}

impl Ledger {
    /// Finds or makes the ledger's tables; with a sentence where this role may not.
    pub async fn open(link: &Link, run: Uuid) -> Result<(Option<Self>, Option<String>)> {
        let (mut missing, mut there) = (None, false);
        let mut kept = [false; 2];
        for ((name, ddl, needed), kept) in TABLES.into_iter().zip(&mut kept) {
            match ready(link, name, ddl, needed).await? {
                None => *kept = true,
                Some(why) => {
                    there |= why.is_there;
                    missing.get_or_insert(why.sentence);
                }
            }
        }
        let [checkpoints, runs] = kept;
        let remedy = match there {
            true => {
                let role = role(link).await?;
                format!("as its owner run: mdsctl schema apply {GRANT} {}", shell_word(&role))
            }
            false => "schema apply makes it".to_owned(),
        };
        let note = missing.map(|why| match checkpoints {
            true => format!("no history of runs is kept, so there is no {RESUME}: {why} ({remedy})"),
            false => format!(
                "no ledger is kept, so there is no {RESUME}: {why} ({remedy}; without it a commit in doubt is written again)"
            ),
        });
        Ok((checkpoints.then_some(Self { run, runs }), note))
    }

    /// Whether runs are kept, so that this one can be resumed.
    pub fn keeps_runs(&self) -> bool {
        self.runs
    }

    /// What a transaction of a worker begins with: a lock that a session which comes after a
    /// commit in doubt waits for, so that it asks only when that commit has come to its end.
    pub fn begin(&self, worker: usize) -> String {
        format!("SELECT pg_catalog.pg_advisory_xact_lock({}, {worker});", self.lock())
    }

    /// What goes before a commit.
    pub fn mark(&self, mark: &CommitMark) -> String {
        if mark.slots.is_empty() {
            return String::new();
        }
        let rows: Vec<String> = mark
            .slots
            .iter()
            .map(|(slot, ordinal)| format!("('{}', {slot}, {ordinal}, {})", self.run, mark.serial))
            .collect();
        format!(
            "{} INSERT INTO mds_checkpoints AS c (run_id, slot, ordinal, serial) VALUES {} \
             ON CONFLICT (run_id, slot) DO UPDATE SET ordinal = excluded.ordinal, \
             serial = excluded.serial, updated_at = pg_catalog.now();",
            self.fence(),
            rows.join(", ")
        )
    }

    /// Writes what is there already, so that a commit has something to wait for.
    pub fn touch(&self) -> String {
        format!("UPDATE mds_checkpoints SET updated_at = pg_catalog.now() WHERE run_id = '{}';", self.run)
    }

    /// Asks whether a transaction of that serial, or a later one, has marked the slot.
    pub fn ask(&self, slot: u16, serial: u64) -> String {
        format!(
            "SELECT EXISTS (SELECT FROM mds_checkpoints WHERE run_id = '{}' AND slot = {slot} AND serial >= {serial})",
            self.run
        )
    }

    /// Fails where another run has taken this one over. The cast is the only way to fail in plain
    /// SQL with words of our own.
    fn fence(&self) -> String {
        if !self.runs {
            return String::new();
        }
        format!(
            "SELECT (CASE WHEN resumed_by IS NULL THEN '0' \
             ELSE 'run {} was taken over by run ' || resumed_by END)::int FROM mds_runs WHERE run_id = '{}';",
            self.run, self.run
        )
    }

    /// Whether the mark is there, once the transaction that was to leave it has ended.
    pub async fn has(
        &self,
        link: &Link,
        worker: usize,
        mark: &CommitMark,
    ) -> std::result::Result<bool, tokio_postgres::Error> {
        let Some((slot, _)) = mark.slots.first() else { return Ok(false) };
        // A lock of the session's own would outlive a pooled connection: this one goes with the
        // statement, after it was waited for.
        let lock = format!("SELECT pg_catalog.pg_advisory_xact_lock({}, {worker})", self.lock());
        link.client.query_typed(&lock, &[]).await?;
        let sql = format!(
            "SELECT EXISTS (SELECT FROM mds_checkpoints WHERE run_id = '{}' AND slot = {slot} AND serial >= $1)",
            self.run
        );
        let serial = i64::try_from(mark.serial).unwrap_or(i64::MAX);
        link.client.query_typed_one(&sql, &[(&serial, Type::INT8)]).await?.try_get(0)
    }

    /// By what a later run can ask for that mark.
    pub fn name_of(&self, worker: usize, mark: &CommitMark) -> Option<Commit> {
        let (slot, _) = *mark.slots.first()?;
        let worker = u32::try_from(worker).ok()?;
        Some(Commit::Marked { run_id: self.run, worker, slot, serial: mark.serial })
    }

    /// The last word of a run whose rows are all settled.
    pub fn seal(&self) -> Option<String> {
        self.runs.then(|| {
            format!("UPDATE mds_runs SET heartbeat_at = pg_catalog.now() WHERE run_id = '{}'", self.run)
        })
    }

    /// First half of the advisory lock's key.
    fn lock(&self) -> i32 {
        lock_of(self.run)
    }
}

/// First half of the key of the advisory locks that a run's transactions hold, from the random end
/// of its UUIDv7. The second half is the worker.
pub(in crate::sink::postgres) fn lock_of(run: Uuid) -> i32 {
    let bytes = run.as_bytes();
    i32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]])
}

/// Makes a table of the ledger where it is missing; why it cannot be used, if it can not.
async fn ready(link: &Link, name: &str, ddl: &str, needed: &[&str]) -> Result<Option<Unusable>> {
    let is_there = usable(link, name, needed).await?;
    let made = match is_there {
        Some(true) => return Ok(None),
        Some(false) => Err(Error::usage(format!("this role may not write to {name}"))),
        None => link.client.batch_execute(ddl).await.map_err(|error| to_error(link.classify(&error))),
    };
    match made {
        Ok(()) => Ok(None),
        Err(Error::Unavailable(why)) => Err(Error::unavailable(why)),
        // Another load may have made it in this moment.
        Err(_) if usable(link, name, needed).await? == Some(true) => Ok(None),
        Err(why) => Ok(Some(Unusable { sentence: why.to_string(), is_there: is_there == Some(false) })),
    }
}

/// Makes a table where it is missing.
///
/// # Errors
/// Usage, where this role may not: with what its owner is to run.
pub(in crate::sink::postgres) async fn make(
    link: &Link,
    name: &str,
    ddl: &str,
    needed: &[&str],
) -> Result<()> {
    let Some(why) = ready(link, name, ddl, needed).await? else { return Ok(()) };
    let role = role(link).await?;
    Err(Error::usage(format!(
        "{SHARE} needs the table {name}: {} (as its owner run: mdsctl schema apply {GRANT} {})",
        why.sentence,
        shell_word(&role)
    )))
}

/// Why a table of the ledger cannot be used.
struct Unusable {
    sentence: String,
    /// Whether it is there: then it is the role that lacks privileges.
    is_there: bool,
}

/// The role that we are.
async fn role(link: &Link) -> Result<String> {
    let failed = |error: tokio_postgres::Error| to_error(link.classify(&error));
    link.client
        .query_typed_one("SELECT current_user::text", &[])
        .await
        .map_err(failed)?
        .try_get(0)
        .map_err(failed)
}

/// Whether this role may do all that with the table; `None` where there is no such table.
async fn usable(link: &Link, name: &str, needed: &[&str]) -> Result<Option<bool>> {
    let failed = |error: tokio_postgres::Error| to_error(link.classify(&error));
    let may: Vec<String> =
        needed.iter().map(|p| format!("pg_catalog.has_table_privilege(there, '{p}')")).collect();
    let sql = format!("SELECT {} FROM pg_catalog.to_regclass('{name}') AS t (there)", may.join(" AND "));
    link.client.query_typed_one(&sql, &[]).await.map_err(failed)?.try_get(0).map_err(failed)
}
