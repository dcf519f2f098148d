//! One write of rows: against the table as it was prepared for, and once more where that has changed.

use tokio_postgres::SimpleQueryMessage;

use crate::batch::{Reason, Rows};
use crate::model::values::{Values, longest_text};
use crate::port::{SinkError, TransientKind, WriteMode, Written};
use crate::sink::postgres::connection::classify::{doubtful, of_everybody, transient};
use crate::sink::postgres::connection::quoting::literal;
use crate::sink::postgres::write::copy::copy_nothing;
use crate::sink::postgres::write::proof::{Proof, changed};
use crate::sink::postgres::write::session::failure::{
    failure, lost, may_be_of_a_row, means_another_table, outside_of_data,
};
use crate::sink::postgres::write::session::write::sources;
use crate::sink::postgres::write::session::{PgSession, TransactionState};

/// Bytes of text that a key has at most for certain to fit into an index, a row of which has 2,704 (a third of a
/// page of 8 kB).
const MOST_KEY: usize = 2_000;

/// Shapes of batches whose plans are kept.
pub(super) const MAX_PLANS: usize = 32;

/// Halves the longest wait for a lock to below that for a statement, where there is one for statements.
pub(super) const LIMIT_LOCKS: &str = "SELECT pg_catalog.current_setting('lock_timeout'), \
    pg_catalog.set_config('lock_timeout', greatest(1, least(s.setting::int / 4, nullif(l.setting::int, 0)))::text, true) \
    FROM pg_catalog.pg_settings AS s, pg_catalog.pg_settings AS l \
    WHERE s.name = 'statement_timeout' AND s.setting::int > 0 AND l.name = 'lock_timeout'";

impl PgSession {
    /// See [`Session::write`].
    pub(super) async fn write_now(&mut self, rows: Rows<'_>, guard: WriteMode) -> Result<Written, SinkError> {
        let proof = self.expect_open()?;
        let fitted = self.refits.fit(&self.shared.catalog.live, rows, proof.version());
        for lost in self.shared.catalog.live.take_lost() {
            tracing::warn!("table {} has changed: {lost}", proof.table().display_name());
        }
        match fitted.map_err(|reason| self.shared.waited_for(SinkError::Fatal(reason)))? {
            Some(fitted) => fitted.told(self.write_fitting(fitted.rows(), guard, &proof).await),
            None => self.write_fitting(rows, guard, &proof).await,
        }
    }

    /// Sends no rows by that COPY, and undoes what came of it.
    pub(super) async fn rehearse_copy(&mut self, statement: &str) -> Result<(), SinkError> {
        self.run("SAVEPOINT mds_write", TransactionState::Open).await?;
        self.state = TransactionState::Broken;
        if let Err(failure) = copy_nothing(self.link()?, statement).await {
            if failure.intact {
                self.state = TransactionState::Failed;
            }
            return Err(self.shared.waited_for(of_everybody(failure.error)));
        }
        self.run("ROLLBACK TO SAVEPOINT mds_write", TransactionState::Open).await
    }

    /// Writes rows that are for the table as it was proven.
    pub(super) async fn write_fitting(
        &mut self,
        rows: Rows<'_>,
        guard: WriteMode,
        proof: &Proof,
    ) -> Result<Written, SinkError> {
        let error = match self.write_once(rows, guard, proof).await {
            Err(SinkError::Transient(TransientKind::Timeout, reason)) if self.goes_on(guard) => reason,
            done => return done,
        };
        if rows.len() > 1 {
            // Fewer may go through.
            return Err(doubtful(error));
        }
        // Perhaps it waited for a lock, which is then waited for further: with a shorter limit on those it
        // says so.
        let Some(before) = self.limit_locks().await? else { return Err(transient(error)) };
        let again = match self.write_once(rows, guard, proof).await {
            Err(SinkError::Transient(TransientKind::Timeout, reason)) if self.goes_on(guard) => {
                Err(doubtful(reason))
            }
            done => done,
        };
        if self.state == TransactionState::Open {
            let before = literal(&before);
            let sql = format!("SELECT pg_catalog.set_config('lock_timeout', {before}, true)");
            self.run(&sql, TransactionState::Open).await?;
        }
        again
    }

    /// Whether the transaction goes on though a part of its batch was not written.
    pub(super) fn goes_on(&self, guard: WriteMode) -> bool {
        guard == WriteMode::Savepoint && self.state == TransactionState::Open
    }

    /// Has locks be waited for less long than a statement may take; what the limit was, or nothing where a
    /// statement may take as long as it likes.
    pub(super) async fn limit_locks(&mut self) -> Result<Option<String>, SinkError> {
        self.state = TransactionState::Broken;
        let link = self.link()?;
        let answers = link.client.simple_query(LIMIT_LOCKS).await;
        let answers = answers.map_err(|error| outside_of_data(failure(link, &error).error))?;
        self.state = TransactionState::Open;
        Ok(answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.try_get(0).ok()?.map(str::to_owned),
            _ => None,
        }))
    }

    /// Writes them once, by the plan that is there.
    pub(super) async fn write_once(
        &mut self,
        rows: Rows<'_>,
        guard: WriteMode,
        proof: &Proof,
    ) -> Result<Written, SinkError> {
        if rows.is_empty() {
            return Ok(Written::default());
        }
        if proof.table().casts() {
            self.cast_as_meant(rows).await?;
        }
        let place = self.plan(rows, proof).map_err(|error| self.shared.waited_for(error))?;
        let sources = match self.plans.get(place) {
            Some((plan, _)) => {
                sources(rows, plan).map_err(|reason| self.shared.waited_for(SinkError::Fatal(reason)))?
            }
            None => return Err(lost()),
        };
        if proof.stands_for().is_some() && !self.goes_in_bulk(place, &sources).await? {
            return match self.shared.bulk.get() {
                Some(bulk) => Err(bulk.end_before_more()),
                None => Err(lost()),
            };
        }
        self.state = TransactionState::Broken;
        let mut failure = match self.put(rows, &sources, place, guard, proof).await {
            Ok(written) => {
                self.state = TransactionState::Open;
                return Ok(written);
            }
            Err(failure) => failure,
        };
        failure.error = match failure.error {
            SinkError::Fatal(reason) if failure.intact && may_be_of_a_row(&reason) => doubtful(reason),
            // What a trigger asks of another server, say.
            SinkError::Transient(TransientKind::Connection, reason) if failure.intact => doubtful(reason),
            other => self.shared.waited_for(other),
        };
        if means_another_table(&failure.error) && !self.doubted {
            // Not what was proven, then: all is read anew, and written anew by that.
            self.shared.catalog.doubt();
            (self.doubted, failure.error) = (true, changed(proof.table()));
            if failure.intact {
                self.state = TransactionState::Failed;
            }
            return Err(failure.error);
        }
        if !failure.intact {
            return Err(outside_of_data(failure.error));
        }
        self.state = TransactionState::Failed;
        if guard == WriteMode::Savepoint {
            let sql = "ROLLBACK TO SAVEPOINT mds_write; RELEASE SAVEPOINT mds_write";
            if self.run(sql, TransactionState::Open).await.is_err() {
                return Err(outside_of_data(failure.error));
            }
        }
        Err(failure.error)
    }

    /// Whether rows of the plan at that place may go into a bulk table: they bring the same columns as those before,
    /// and their keys are no longer than an index takes, which would tell it only at the end.
    async fn goes_in_bulk(&mut self, place: usize, sources: &[Values<'_>]) -> Result<bool, SinkError> {
        let (Some(bulk), Some((plan, _))) = (self.shared.bulk.get(), self.plans.get(place)) else {
            return Ok(true);
        };
        let width = plan.names.len();
        let longest: usize = plan
            .key
            .iter()
            .map(|part| {
                let parts = sources.iter().skip(part.column).step_by(width.max(1));
                parts.map(longest_text).max().unwrap_or(0)
            })
            .sum();
        if longest > MOST_KEY {
            return Ok(false);
        }
        if !bulk.takes(&plan.names) {
            return Ok(false);
        }
        if let Some(note) = bulk.note().filter(|_| !self.notes) {
            // In the transaction of the rows: another connection might not be had while this one waits for it.
            self.run(&note, TransactionState::Open).await?;
            self.notes = true;
        }
        Ok(true)
    }

    /// Has the server read the texts of those rows as they are meant. Rows that are each meant otherwise
    /// are refused together: the engine splits them.
    pub(super) async fn cast_as_meant(&mut self, rows: Rows<'_>) -> Result<(), SinkError> {
        let Some(casts) = self.shared.casts.of(rows) else {
            let reason =
                Reason::new("mixed_reading", "the rows are read by different zones or orders of dates");
            return Err(SinkError::Data { reason, suspects: Box::default() });
        };
        if casts != self.casts {
            self.run(&casts.settings(), TransactionState::Open).await?;
            self.casts = casts;
        }
        Ok(())
    }
}
