//! One connection that writes: a transaction, writes in it, a commit.
//!
//! While a statement is on its way the session counts as broken, and only its answer makes it
//! whole again. So a future that is dropped halfway (a timeout, a shutdown) leaves a broken
//! session, and so does a lost connection. The next [`begin`](crate::port::Session::begin) of a broken session opens
//! a new connection; anything else on it fails as transient.

use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;

use super::classify::is_disconnect;
use super::connect::Link;
use super::diagnose::violators;
use super::encode::{Encoder, HEADER, TRAILER};
use super::ids::NewIds;
use super::order::waves;
use super::plan::{Counts, Plan, Stage};
use super::refusal::Reasons;
use super::sink::Shared;
use super::source::Source;
use super::table::Table;
use crate::batch::{Reason, Rows};
use crate::port::{Guard, Mark, Session, SinkError, Written};

/// Bytes that are collected before they are handed to the connection.
const CHUNK: usize = 128 << 10;

/// Constraints whose violators are looked for in one write, before its rows are split.
const MAX_CONSTRAINTS: usize = 16;

/// Shapes of batches whose plans are kept.
const MAX_PLANS: usize = 32;

/// What the connection is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing.
    Idle,
    /// A transaction.
    Open,
    /// A transaction that can only be rolled back.
    Failed,
    /// A statement, or the connection is lost.
    Broken,
    /// A commit.
    Committing,
}

/// A connection of a worker.
pub struct PgSession {
    shared: Arc<Shared>,
    worker: usize,
    link: Option<Link>,
    state: State,
    plans: Vec<(Arc<Plan>, Reasons)>,
    /// Stages of this transaction: number of the plan, and whether rows are in it.
    stages: Vec<(usize, bool)>,
}

/// Why a write did not come through.
struct Failure {
    error: SinkError,
    /// Whether the connection still answers in step.
    intact: bool,
}

impl PgSession {
    pub(super) async fn open(shared: Arc<Shared>, worker: usize) -> Result<Self, SinkError> {
        let link = shared.connector.connect().await?;
        let (plans, stages) = (Vec::new(), Vec::new());
        Ok(Self { shared, worker, link: Some(link), state: State::Idle, plans, stages })
    }

    fn link(&self) -> Result<&Link, SinkError> {
        self.link.as_ref().ok_or_else(lost)
    }

    /// Runs statements whose answer does not matter. The session is broken until it is here.
    async fn run(&mut self, sql: &str, then: State) -> Result<(), SinkError> {
        self.state = State::Broken;
        let link = self.link()?;
        match link.client.batch_execute(sql).await {
            Ok(()) => {
                self.state = then;
                Ok(())
            }
            Err(error) => {
                let failure = failure(link, &error);
                if failure.intact {
                    self.state = State::Failed;
                }
                Err(failure.error)
            }
        }
    }

    /// The place of the plan for batches with those columns.
    fn plan(&mut self, rows: Rows<'_>) -> Result<usize, SinkError> {
        let Some(part) = rows.parts.first() else {
            return Err(SinkError::Fatal(Reason::new("no_batch", "rows were given without their batch")));
        };
        let fields = part.columns.schema_ref().fields();
        let fits = |plan: &Plan| {
            plan.names.len() == fields.len()
                && plan.names.iter().zip(fields).all(|(name, f)| name == f.name())
        };
        if let Some(place) = self.plans.iter().position(|(plan, _)| fits(plan)) {
            return Ok(place);
        }
        let names = fields.iter().map(|field| field.name().clone()).collect();
        let plan = Plan::new(&self.shared.table, names, self.shared.tenant.is_some(), self.plans.len())
            .map_err(SinkError::Fatal)?;
        self.plans.push((Arc::new(plan), Reasons::default()));
        Ok(self.plans.len() - 1)
    }

    async fn put(
        &mut self,
        rows: Rows<'_>,
        sources: &[Source<'_>],
        place: usize,
        guard: Guard,
    ) -> Result<Written, Failure> {
        let (plan, mut reasons) = match self.plans.get_mut(place) {
            Some((plan, reasons)) => (Arc::clone(plan), std::mem::take(reasons)),
            None => return Err(Failure { error: lost(), intact: false }),
        };
        let mut written = Written::default();
        let mut encoder = Encoder {
            goals: &plan.goals,
            origins: &plan.origins,
            sources,
            width: plan.names.len(),
            rules: self.shared.rules,
            tenant: self.shared.tenant,
            ids: NewIds::new(),
            reasons: &mut reasons,
        };
        let result = self.put_waves(rows, place, &plan, guard, &mut encoder, &mut written).await;
        written.refused.sort_unstable_by_key(|(position, _)| *position);
        if let Some((_, kept)) = self.plans.get_mut(place) {
            *kept = reasons;
        }
        result.map(|()| written)
    }

    async fn put_waves(
        &mut self,
        rows: Rows<'_>,
        place: usize,
        plan: &Plan,
        guard: Guard,
        encoder: &mut Encoder<'_>,
        written: &mut Written,
    ) -> Result<(), Failure> {
        for (number, wave) in waves(rows, &plan.key, encoder.sources, encoder.width).into_iter().enumerate() {
            let mut prelude = self.prepare_stage(plan, place);
            if number == 0 && guard == Guard::Savepoint {
                prelude.push_str("SAVEPOINT mds_write;");
            }
            let link = self.link().map_err(|error| Failure { error, intact: false })?;
            if !prelude.is_empty() {
                link.client.batch_execute(&prelude).await.map_err(|error| failure(link, &error))?;
            }
            self.put_wave(rows, plan, &wave, guard, encoder, written).await?;
        }
        if guard == Guard::Savepoint {
            let link = self.link().map_err(|error| Failure { error, intact: false })?;
            let released = link.client.batch_execute("RELEASE SAVEPOINT mds_write").await;
            released.map_err(|error| failure(link, &error))?;
        }
        Ok(())
    }

    /// The statements that leave an empty stage for the plan. They come before the savepoint, so
    /// that rolling back to it keeps the stage and empties it.
    fn prepare_stage(&mut self, plan: &Plan, place: usize) -> String {
        let Some(stage) = &plan.stage else { return String::new() };
        match self.stages.iter_mut().find(|(number, _)| *number == place) {
            Some((_, filled)) => {
                if std::mem::replace(filled, true) {
                    stage.clear.clone()
                } else {
                    String::new()
                }
            }
            None => {
                self.stages.push((place, true));
                stage.create.clone()
            }
        }
    }

    async fn put_wave(
        &self,
        rows: Rows<'_>,
        plan: &Plan,
        wave: &[u32],
        guard: Guard,
        encoder: &mut Encoder<'_>,
        written: &mut Written,
    ) -> Result<(), Failure> {
        let link = self.link().map_err(|error| Failure { error, intact: false })?;
        // A COPY that is refused before it began leaves an answer too many on the line, so the
        // connection cannot be used further.
        let copy = link.client.copy_in::<_, Bytes>(&plan.copy).await;
        let mut copy = pin!(copy.map_err(|error| Failure { error: link.classify(&error), intact: false })?);

        let mut sent: Vec<u32> = Vec::with_capacity(wave.len());
        let mut rounded = 0;
        let mut chunk = BytesMut::with_capacity(CHUNK + CHUNK / 8);
        chunk.extend_from_slice(HEADER);
        for &position in wave {
            let Some(pick) = rows.picks.get(position as usize) else { continue };
            match encoder.row(*pick, &mut chunk) {
                Ok(values) => {
                    sent.push(position);
                    rounded += values;
                }
                Err(reason) => written.refused.push((position as usize, reason)),
            }
            if chunk.len() >= CHUNK {
                let full = chunk.split().freeze();
                copy.feed(full).await.map_err(|error| failure(link, &error))?;
                chunk.reserve(CHUNK + CHUNK / 8);
            }
        }
        chunk.extend_from_slice(TRAILER);
        copy.feed(chunk.freeze()).await.map_err(|error| failure(link, &error))?;
        let copied = copy.finish().await.map_err(|error| {
            let mut failure = failure(link, &error);
            if let SinkError::Data { suspects, .. } = &mut failure.error {
                // Lines of the COPY, to positions in the rows given.
                *suspects = suspects.iter().filter_map(|line| sent.get(*line)).map(|p| *p as usize).collect();
            }
            failure
        })?;

        let (inserted, touched) = match &plan.stage {
            _ if sent.is_empty() => (0, 0),
            None => (copied, copied),
            Some(stage) if guard == Guard::Bare => merge(link, stage, sent.len()).await?,
            Some(stage) => {
                let refused = &mut written.refused;
                merge_what_holds(link, &self.shared.table, stage, &mut sent, refused).await?
            }
        };
        let total = sent.len() as u64;
        written.inserted += inserted;
        written.updated += touched.saturating_sub(inserted);
        // Rows that a trigger suppressed are among these: they are not there, on its demand.
        written.unchanged += total.saturating_sub(touched);
        written.rounded += rounded;
        Ok(())
    }

    /// Forgets the connection. The server stops a statement that is on its way; a commit runs to
    /// its end.
    fn disconnect(&mut self) {
        if let Some(link) = self.link.take()
            && self.state == State::Broken
        {
            link.abandon();
        }
        self.state = State::Broken;
    }
}

impl Session for PgSession {
    async fn begin(&mut self) -> Result<(), SinkError> {
        if matches!(self.state, State::Open | State::Failed) {
            // If this fails, the session is broken, which the next lines mend.
            let _ = self.rollback().await;
        }
        if self.state != State::Idle || self.link.as_ref().is_none_or(|link| link.client.is_closed()) {
            self.disconnect();
            self.link = Some(self.shared.connector.connect().await?);
        }
        self.stages.clear();
        if self.plans.len() > MAX_PLANS {
            self.plans.clear();
        }
        let lock = self.shared.ledger.as_ref().map(|ledger| ledger.begin(self.worker));
        let begin = self.shared.begin.clone() + &lock.unwrap_or_default();
        self.run(&begin, State::Open).await
    }

    async fn write(&mut self, rows: Rows<'_>, guard: Guard) -> Result<Written, SinkError> {
        self.expect_open()?;
        if rows.is_empty() {
            return Ok(Written::default());
        }
        let place = self.plan(rows)?;
        let sources = match self.plans.get(place) {
            Some((plan, _)) => sources(rows, plan).map_err(SinkError::Fatal)?,
            None => return Err(lost()),
        };
        self.state = State::Broken;
        let failure = match self.put(rows, &sources, place, guard).await {
            Ok(written) => {
                self.state = State::Open;
                return Ok(written);
            }
            Err(failure) => failure,
        };
        if !failure.intact {
            return Err(outside_of_data(failure.error));
        }
        self.state = State::Failed;
        if guard == Guard::Savepoint {
            let sql = "ROLLBACK TO SAVEPOINT mds_write; RELEASE SAVEPOINT mds_write";
            if self.run(sql, State::Open).await.is_err() {
                return Err(outside_of_data(failure.error));
            }
        }
        Err(failure.error)
    }

    async fn commit(&mut self, mark: &Mark) -> Result<(), SinkError> {
        self.expect_open()?;
        self.state = State::Committing;
        let link = self.link()?;
        // COMMIT of an aborted transaction rolls back and reports success; the SELECT before it
        // would fail there.
        let ledger = self.shared.ledger.as_ref().map(|ledger| ledger.mark(mark)).unwrap_or_default();
        match link.client.batch_execute(&format!("SELECT 1; {ledger} COMMIT")).await {
            Ok(()) => {
                self.state = State::Idle;
                Ok(())
            }
            Err(error) => {
                let failure = failure(link, &error);
                if failure.intact {
                    self.state = State::Failed;
                }
                Err(failure.error)
            }
        }
    }

    async fn rollback(&mut self) -> Result<(), SinkError> {
        match self.state {
            State::Idle => Ok(()),
            State::Open | State::Failed => self.run("ROLLBACK", State::Idle).await,
            // The server undoes what is left when the connection goes.
            State::Broken | State::Committing => {
                self.disconnect();
                Ok(())
            }
        }
    }

    async fn settled(&mut self, mark: &Mark) -> Result<Option<bool>, SinkError> {
        let Some(ledger) = self.shared.ledger.clone() else { return Ok(None) };
        if self.state != State::Idle {
            let _ = self.rollback().await;
        }
        if self.link.as_ref().is_none_or(|link| link.client.is_closed()) {
            self.disconnect();
            self.link = Some(self.shared.connector.connect().await?);
        }
        self.state = State::Broken;
        let link = self.link()?;
        let known = ledger.has(link, self.worker, mark).await.map_err(|error| failure(link, &error).error)?;
        self.state = State::Idle;
        Ok(Some(known))
    }
}

impl PgSession {
    fn expect_open(&self) -> Result<(), SinkError> {
        match self.state {
            State::Open => Ok(()),
            State::Broken | State::Committing => Err(lost()),
            State::Idle => Err(SinkError::Fatal(Reason::new("no_transaction", "no transaction is open"))),
            State::Failed => Err(SinkError::Fatal(Reason::new(
                "failed_transaction",
                "the transaction has failed and must be rolled back",
            ))),
        }
    }
}

impl Drop for PgSession {
    fn drop(&mut self) {
        self.disconnect();
    }
}

fn lost() -> SinkError {
    SinkError::Transient(Reason::new("connection_lost", "the connection to the server was lost"))
}

fn failure(link: &Link, error: &tokio_postgres::Error) -> Failure {
    Failure { error: link.classify(error), intact: !is_disconnect(error) && !link.client.is_closed() }
}

/// Merges the stage into the table: rows that are new, and rows that are new or changed.
async fn merge(link: &Link, stage: &Stage, staged: usize) -> Result<(u64, u64), Failure> {
    let failed = |error: tokio_postgres::Error| failure(link, &error);
    if stage.counts == Counts::Appended {
        let rows = link.client.execute_typed(&stage.merge, &[]).await.map_err(failed)?;
        return Ok((rows, rows));
    }
    let row = link.client.query_typed_one(&stage.merge, &[]).await.map_err(failed)?;
    let count = |at| row.try_get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or(0));
    let (first, touched) = (count(0).map_err(failed)?, count(1).map_err(failed)?);
    Ok(match stage.counts {
        Counts::Known => ((staged as u64).saturating_sub(first).min(touched), touched),
        Counts::Fresh | Counts::Appended => (first, touched),
    })
}

/// Merges; where a constraint refuses rows that the server can name all at once, those are taken
/// out of the stage and the rest is merged. `sent` keeps the positions that are in the stage.
async fn merge_what_holds(
    link: &Link,
    table: &Table,
    stage: &Stage,
    sent: &mut Vec<u32>,
    refused: &mut Vec<(usize, Arc<Reason>)>,
) -> Result<(u64, u64), Failure> {
    let failed = |error: tokio_postgres::Error| failure(link, &error);
    link.client.batch_execute("SAVEPOINT mds_merge").await.map_err(failed)?;
    for _ in 0..MAX_CONSTRAINTS {
        let merged = merge(link, stage, sent.len()).await;
        let refusal = match merged {
            Err(Failure { error: SinkError::Data { reason, suspects }, intact: true }) => (reason, suspects),
            merged => return merged,
        };
        link.client.batch_execute("ROLLBACK TO SAVEPOINT mds_merge").await.map_err(failed)?;
        let (reason, suspects) = refusal;
        let found = violators(link, table, &stage.name, &reason).await.map_err(failed)?;
        let Some(violators) = found.filter(|rows| !rows.is_empty()) else {
            // Not to be had by asking: the engine splits the rows.
            return Err(Failure { error: SinkError::Data { reason, suspects }, intact: true });
        };
        let reason = Arc::new(reason);
        let mut bad = violators.into_iter().peekable();
        let mut place = 0;
        sent.retain(|position| {
            let condemned = bad.next_if_eq(&place).is_some();
            place += 1;
            if condemned {
                refused.push((*position as usize, Arc::clone(&reason)));
            }
            !condemned
        });
        if sent.is_empty() {
            return Ok((0, 0));
        }
    }
    merge(link, stage, sent.len()).await
}

/// The error where the whole transaction is gone: the rows at hand cannot be blamed for that
/// alone, and what was written before is undone as well.
fn outside_of_data(error: SinkError) -> SinkError {
    match error {
        SinkError::Data { reason, .. } => SinkError::Transient(reason),
        other => other,
    }
}

/// The columns of all parts, one part after the other, checked against what they are to become.
fn sources<'a>(rows: Rows<'a>, plan: &Plan) -> Result<Vec<Source<'a>>, Reason> {
    let mut sources = Vec::with_capacity(rows.parts.len() * plan.names.len());
    for part in rows.parts {
        for (array, goal) in part.columns.columns().iter().zip(&plan.goals) {
            let source = Source::of(array).filter(|source| goal.takes(source)).ok_or_else(|| {
                let message = format!(
                    "column {} of the input ({}) cannot become {}",
                    goal.name,
                    array.data_type(),
                    goal.type_name
                );
                Reason::new("bad_type", message).column(Arc::clone(&goal.name))
            })?;
            sources.push(source);
        }
    }
    Ok(sources)
}
