//! The ledger: what of a run is committed, kept in the store and in the data's own transactions.
//!
//! `mds_checkpoints` has one row a run and hash slot: the last ordinal of the input that is settled
//! there, and the serial of the worker's transaction that settled it. It is written by the commit
//! itself, so it rolls back with the data, and a commit of which no answer came is settled by
//! asking it.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connect::{Link, to_error};
use crate::error::{Error, Result};
use crate::port::Mark;

/// The table. Rows are updated in place all the time, so its pages keep room for that.
pub(super) const TABLE: &str = "\
CREATE TABLE IF NOT EXISTS mds_checkpoints (
  run_id uuid NOT NULL,
  slot smallint NOT NULL,
  ordinal bigint NOT NULL,
  serial bigint NOT NULL,
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (run_id, slot)
) WITH (fillfactor = 40)";

/// The ledger of one run.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    run: Uuid,
}

impl Ledger {
    /// Finds or makes the ledger's table; `None` with a sentence where this role may not.
    pub async fn open(link: &Link, run: Uuid) -> Result<(Option<Self>, Option<String>)> {
        let failed = |error: tokio_postgres::Error| to_error(link.classify(&error));
        let usable = "SELECT coalesce(has_table_privilege(to_regclass('mds_checkpoints'), \
                      'SELECT, INSERT, UPDATE, DELETE'), false), to_regclass('mds_checkpoints') IS NOT NULL";
        let row = link.client.query_typed_one(usable, &[]).await.map_err(failed)?;
        let (usable, exists): (bool, bool) =
            (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        if usable {
            return Ok((Some(Self { run }), None));
        }
        let made = match exists {
            true => Err(Error::Usage("this role may not write to mds_checkpoints".into())),
            false => link.client.batch_execute(TABLE).await.map_err(failed),
        };
        match made {
            Ok(()) => Ok((Some(Self { run }), None)),
            Err(Error::Unavailable(why)) => Err(Error::Unavailable(why)),
            Err(why) => {
                let note = format!(
                    "no ledger is kept: {why} (schema apply makes it; without it a commit in doubt is written again)"
                );
                Ok((None, Some(note)))
            }
        }
    }

    /// What a transaction of a worker begins with: a lock that a session which comes after a
    /// commit in doubt waits for, so that it asks only when that commit has come to its end.
    pub fn begin(&self, worker: usize) -> String {
        format!("SELECT pg_advisory_xact_lock({}, {worker});", self.lock())
    }

    /// What goes before a commit.
    pub fn mark(&self, mark: &Mark) -> String {
        if mark.slots.is_empty() {
            return String::new();
        }
        let rows: Vec<String> = mark
            .slots
            .iter()
            .map(|(slot, ordinal)| format!("('{}', {slot}, {ordinal}, {})", self.run, mark.serial))
            .collect();
        format!(
            "INSERT INTO mds_checkpoints AS c (run_id, slot, ordinal, serial) VALUES {} \
             ON CONFLICT (run_id, slot) DO UPDATE SET ordinal = excluded.ordinal, \
             serial = excluded.serial, updated_at = now();",
            rows.join(", ")
        )
    }

    /// Writes what is there already, so that a commit has something to wait for.
    pub fn touch(&self) -> String {
        format!("UPDATE mds_checkpoints SET updated_at = now() WHERE run_id = '{}';", self.run)
    }

    /// Asks whether a transaction of that serial, or a later one, has marked the slot.
    pub fn ask(&self, slot: u16, serial: u64) -> String {
        format!(
            "SELECT EXISTS (SELECT FROM mds_checkpoints WHERE run_id = '{}' AND slot = {slot} AND serial >= {serial})",
            self.run
        )
    }

    /// Whether the mark is there, once the transaction that was to leave it has ended.
    pub async fn has(
        &self,
        link: &Link,
        worker: usize,
        mark: &Mark,
    ) -> std::result::Result<bool, tokio_postgres::Error> {
        let Some((slot, _)) = mark.slots.first() else { return Ok(false) };
        // A lock of the session's own would outlive a pooled connection: this one goes with the
        // statement, after it was waited for.
        let lock = format!("SELECT pg_advisory_xact_lock({}, {worker})", self.lock());
        link.client.query_typed(&lock, &[]).await?;
        let sql = format!(
            "SELECT EXISTS (SELECT FROM mds_checkpoints WHERE run_id = '{}' AND slot = {slot} AND serial >= $1)",
            self.run
        );
        let serial = i64::try_from(mark.serial).unwrap_or(i64::MAX);
        link.client.query_typed_one(&sql, &[(&serial, Type::INT8)]).await?.try_get(0)
    }

    /// Forgets a run that is stored whole: nobody will ask for it again.
    pub fn finish(&self) -> String {
        format!("DELETE FROM mds_checkpoints WHERE run_id = '{}'", self.run)
    }

    /// First half of the advisory lock's key, from the random end of the run's UUIDv7.
    fn lock(&self) -> i32 {
        let bytes = self.run.as_bytes();
        i32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]])
    }
}
