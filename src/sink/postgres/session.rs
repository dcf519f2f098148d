//! One connection that writes: a transaction, writes in it, a commit.
//!
//! While a statement is on its way the session counts as broken, and only its answer makes it
//! whole again. So a future that is dropped halfway (a timeout, a shutdown) leaves a broken
//! session, and so does a lost connection. The next [`begin`](crate::port::Session::begin) of a broken session opens
//! a new connection; anything else on it fails as transient.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::ToSql;

use super::classify::is_disconnect;
use super::connect::Link;
use super::copy::copy;
use super::encode::Encoder;
use super::merge::{Cell, Job, Span};
use super::order::waves;
use super::out::Out;
use super::plan::Plan;
use super::refusal::Reasons;
use super::sink::Shared;
use super::source::Source;
use crate::batch::{Reason, Rows};
use crate::port::{Guard, Mark, Session, SinkError, Written};

/// Shapes of batches whose plans are kept.
const MAX_PLANS: usize = 32;

/// Rows from which it is asked, before they are sent to be appended, whether some are there
/// already: an append that meets one of them leaves dead rows behind.
const ASK_FROM: usize = 256;

/// Has the commit that follows wait for the disk, or for more where the server is set to (a
/// synchronous standby).
const WAIT_FOR_DISK: &str = "SET LOCAL synchronous_commit TO DEFAULT; \
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';";

/// The end of the WAL, and how far it is on disk.
pub(super) const PLACES: &str = "SELECT pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn()";

/// Rows that are asked for.
const ASKED: usize = 12;

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
    /// Whether rows that came last met rows of their key, so that the next are expected to.
    merging: bool,
    /// Commits of this connection that are not known to be on disk: serial, and a place in the WAL
    /// that lies behind the commit.
    unflushed: VecDeque<(u64, u64)>,
    /// A slot that the last commit has marked.
    last_slot: u16,
}

/// Why a write did not come through.
pub(super) struct Failure {
    pub error: SinkError,
    /// Whether the connection still answers in step.
    pub intact: bool,
}

impl PgSession {
    pub(super) async fn open(shared: Arc<Shared>, worker: usize) -> Result<Self, SinkError> {
        let link = shared.connector.connect().await?;
        let (plans, stages) = (Vec::new(), Vec::new());
        Ok(Self {
            shared,
            worker,
            link: Some(link),
            state: State::Idle,
            plans,
            stages,
            merging: false,
            unflushed: VecDeque::new(),
            last_slot: 0,
        })
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
        let shared = Arc::clone(&self.shared);
        let mut encoder = Encoder::new(
            &plan.goals,
            &plan.origins,
            sources,
            plan.names.len(),
            shared.rules,
            shared.tenant,
            &mut reasons,
        );
        let waves = waves(rows, &plan.key, sources, plan.names.len());
        let lone = if let [wave] = waves.as_slice() { Some(wave) } else { None };
        let keyed = plan.stage.merge.is_some();
        let mut result = None;
        if let Some(wave) = lone.filter(|_| !keyed || guard == Guard::Bare && !self.merging) {
            let there = keyed && self.there(rows, &plan, wave, sources).await?;
            if !there {
                result = self.append(rows, &plan, place, wave, guard, &mut encoder).await.transpose();
            }
            self.merging = keyed && result.is_none();
        }
        let mut result = match result {
            Some(result) => result,
            None => self.merge(rows, &plan, place, &waves, sources, guard, &mut encoder).await,
        };
        if let Ok(written) = &mut result {
            written.refused.sort_unstable_by_key(|(position, _)| *position);
        }
        drop(encoder);
        if let Some((_, kept)) = self.plans.get_mut(place) {
            *kept = reasons;
        }
        result
    }

    /// Whether some of the rows are in the table already, by a few of them.
    async fn there(
        &self,
        rows: Rows<'_>,
        plan: &Plan,
        wave: &[u32],
        sources: &[Source<'_>],
    ) -> Result<bool, Failure> {
        let (Some((sql, places)), true) = (&plan.probe, wave.len() >= ASK_FROM) else { return Ok(false) };
        let link = self.link().map_err(|error| Failure { error, intact: false })?;
        let width = plan.names.len();
        let (rules, tenant) = (self.shared.rules, self.shared.tenant);
        let mut questions = Vec::with_capacity(ASKED);
        for number in 0..ASKED {
            let at = number * (wave.len() - 1) / (ASKED - 1);
            let Some(pick) = wave.get(at).and_then(|position| rows.picks.get(*position as usize)) else {
                continue;
            };
            let mut cells = Vec::with_capacity(places.len());
            for &place in places {
                let mut out = Out::small();
                let (Some(goal), Some(type_)) =
                    (plan.goals.get(place), plan.goals.get(place).and_then(|goal| goal.type_.wire()))
                else {
                    continue;
                };
                let done = match sources.get(pick.part as usize * width + place).filter(|_| place < width) {
                    Some(source) => goal.put(*source, pick.row as usize, rules, &mut out).is_ok(),
                    None => tenant.is_some_and(|tenant| {
                        super::encode::put_uuid(&tenant, &mut out);
                        true
                    }),
                };
                if done && out.len() >= 4 {
                    cells.push((Cell(out.finish().slice(4..).to_vec()), type_));
                }
            }
            // A value that its column refuses is no row that could be there.
            if cells.len() == places.len() {
                questions.push(cells);
            }
        }
        let answers = questions.iter().map(|cells| async move {
            let params: Vec<_> =
                cells.iter().map(|(cell, type_)| (cell as &(dyn ToSql + Sync), type_.clone())).collect();
            link.client.query_typed_opt(sql, &params).await
        });
        let answers = try_join_all(answers).await.map_err(|error| failure(link, &error))?;
        Ok(answers.iter().any(Option::is_some))
    }

    /// Puts rows into the table as if none of them were there. `None` where one is: the
    /// transaction is then as it was before.
    async fn append(
        &mut self,
        rows: Rows<'_>,
        plan: &Plan,
        place: usize,
        wave: &[u32],
        guard: Guard,
        encoder: &mut Encoder<'_>,
    ) -> Result<Option<Written>, Failure> {
        let keyed = plan.stage.merge.is_some();
        let mut prelude = if plan.direct.is_some() { String::new() } else { self.prepare_stage(plan, place) };
        if guard == Guard::Savepoint {
            prelude.push_str("SAVEPOINT mds_write;");
        }
        self.say(&prelude).await?;
        let link = self.link().map_err(|error| Failure { error, intact: false })?;
        let mut written = Written::default();
        let statement = plan.direct.as_deref().unwrap_or(&plan.stage.copy);
        let done = match copy(link, statement, rows, wave, encoder).await {
            Ok(copied) => {
                let sent = copied.sent.len() as u64;
                written.rounded = copied.rounded;
                written.refused = copied.refused;
                if plan.direct.is_some() {
                    written.inserted = copied.stored.min(sent);
                    written.unchanged = sent - written.inserted;
                    Ok(())
                } else if sent == 0 {
                    Ok(())
                } else {
                    let appended = self.job(plan, Span::None, link).append(&mut written).await;
                    written.unchanged = sent.saturating_sub(written.inserted);
                    appended
                }
            }
            Err(failure) => Err(failure),
        };
        match done {
            Ok(()) => {
                if guard == Guard::Savepoint {
                    self.say("RELEASE SAVEPOINT mds_write").await?;
                }
                Ok(Some(written))
            }
            Err(Failure { error: SinkError::Data { reason, .. }, intact: true })
                if keyed && reason.code == "23505" =>
            {
                // Bare: nothing else is in the transaction.
                self.stages.clear();
                self.say(&format!("ROLLBACK; {}", self.preamble())).await?;
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Puts rows into the table by way of the stage, whatever is there.
    #[expect(clippy::too_many_arguments, reason = "all that a write is made of, taken apart once")]
    async fn merge(
        &mut self,
        rows: Rows<'_>,
        plan: &Plan,
        place: usize,
        waves: &[Vec<u32>],
        sources: &[Source<'_>],
        guard: Guard,
        encoder: &mut Encoder<'_>,
    ) -> Result<Written, Failure> {
        let span = match plan.stage.merge.as_ref().and_then(|merge| merge.bound) {
            Some(part) => {
                let type_ = plan.goals.get(part.column).map(|goal| goal.type_);
                let type_ = type_.ok_or_else(|| Failure { error: lost(), intact: false })?;
                Span::of(rows, sources, plan.names.len(), part, type_)
            }
            None => Span::None,
        };
        let mut written = Written::default();
        for (number, wave) in waves.iter().enumerate() {
            let mut prelude = self.prepare_stage(plan, place);
            if number == 0 && guard == Guard::Savepoint {
                prelude.push_str("SAVEPOINT mds_write;");
            }
            self.say(&prelude).await?;
            let link = self.link().map_err(|error| Failure { error, intact: false })?;
            let mut copied = copy(link, &plan.stage.copy, rows, wave, encoder).await?;
            written.rounded += copied.rounded;
            written.refused.append(&mut copied.refused);
            if copied.sent.is_empty() {
                continue;
            }
            let job = self.job(plan, span, link);
            if guard == Guard::Bare {
                job.merge(&mut copied.sent, &mut written).await?;
            } else {
                job.merge_what_holds(&mut copied.sent, &mut written).await?;
            }
        }
        if guard == Guard::Savepoint {
            self.say("RELEASE SAVEPOINT mds_write").await?;
        } else {
            self.merging = written.updated + written.unchanged + written.skipped > 0;
        }
        Ok(written)
    }

    fn job<'a>(&'a self, plan: &'a Plan, span: Span, link: &'a Link) -> Job<'a> {
        Job {
            link,
            table: &self.shared.table,
            stage: &plan.stage.name,
            append: &plan.stage.append,
            merge: plan.stage.merge.as_ref(),
            span,
            on_conflict: self.shared.on_conflict,
        }
    }

    /// Runs statements inside a write.
    async fn say(&self, sql: &str) -> Result<(), Failure> {
        let link = self.link().map_err(|error| Failure { error, intact: false })?;
        if sql.is_empty() {
            return Ok(());
        }
        link.client.batch_execute(sql).await.map_err(|error| failure(link, &error))
    }

    /// What begins a transaction.
    fn preamble(&self) -> String {
        let lock = self.shared.ledger.as_ref().map(|ledger| ledger.begin(self.worker));
        self.shared.begin.clone() + &lock.unwrap_or_default()
    }

    /// The statements that leave an empty stage for the plan. They come before the savepoint, so
    /// that rolling back to it keeps the stage and empties it.
    fn prepare_stage(&mut self, plan: &Plan, place: usize) -> String {
        match self.stages.iter_mut().find(|(number, _)| *number == place) {
            Some((_, filled)) => {
                if std::mem::replace(filled, true) {
                    plan.stage.clear.clone()
                } else {
                    String::new()
                }
            }
            None => {
                self.stages.push((place, true));
                plan.stage.create.clone()
            }
        }
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
            if !self.unflushed.is_empty() {
                // The server may have crashed and undone them: who committed them is to ask.
                self.unflushed.clear();
                return Err(lost());
            }
            self.link = Some(self.shared.connector.connect().await?);
        }
        self.stages.clear();
        if self.plans.len() > MAX_PLANS {
            self.plans.clear();
        }
        let (Some((serial, _)), Some(ledger)) = (self.unflushed.back(), &self.shared.ledger) else {
            return self.run(&self.preamble(), State::Open).await;
        };
        // Behind a pooler this may be another server connection than the last, to a server that has
        // crashed in between.
        let begin = format!("{} {}", self.preamble(), ledger.ask(self.last_slot, *serial));
        self.state = State::Broken;
        let link = self.link()?;
        let answers = link.client.simple_query(&begin).await.map_err(|error| failure(link, &error).error)?;
        self.state = State::Open;
        let known = answers.iter().rev().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some(row.try_get(0).ok().flatten() == Some("t")),
            _ => None,
        });
        if known == Some(true) {
            return Ok(());
        }
        self.unflushed.clear();
        Err(lost())
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

    async fn commit(&mut self, mark: &Mark, now: bool) -> Result<u64, SinkError> {
        self.expect_open()?;
        self.state = State::Committing;
        let link = self.link()?;
        let later = self.shared.lazy && !now && !mark.slots.is_empty();
        // COMMIT of an aborted transaction rolls back and reports success; the SELECT before it
        // would fail there.
        let ledger = self.shared.ledger.as_ref().map(|ledger| ledger.mark(mark)).unwrap_or_default();
        let wait = if self.shared.lazy && !later { WAIT_FOR_DISK } else { "" };
        let places = if later { PLACES } else { "" };
        match link.client.simple_query(&format!("SELECT 1; {ledger} {wait} COMMIT; {places}")).await {
            Ok(answers) => {
                self.state = State::Idle;
                if !later {
                    self.unflushed.clear();
                    return Ok(mark.serial);
                }
                let mut places = answers.iter().rev().find_map(places_of).unwrap_or((u64::MAX, 0));
                if self.unflushed.back().is_some_and(|(_, place)| *place > places.0) {
                    // A server that is not the one of before.
                    places.1 = 0;
                }
                self.unflushed.push_back((mark.serial, places.0));
                self.last_slot = mark.slots.first().map_or(0, |(slot, _)| *slot);
                let mut durable = 0;
                while let Some((serial, place)) = self.unflushed.front().copied()
                    && place <= places.1
                {
                    durable = serial;
                    self.unflushed.pop_front();
                }
                Ok(durable)
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

    async fn flush(&mut self) -> Result<(), SinkError> {
        let Some(ledger) = self.shared.ledger.clone().filter(|_| self.shared.lazy) else { return Ok(()) };
        if self.state != State::Idle {
            return Err(lost());
        }
        self.run(&format!("BEGIN; {WAIT_FOR_DISK} {} COMMIT", ledger.touch()), State::Idle).await?;
        self.unflushed.clear();
        Ok(())
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
        self.unflushed.clear();
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
        if known && self.shared.lazy {
            // Where in the WAL it is nobody knows now: it is on disk when a later commit waited for that.
            self.unflushed.push_back((mark.serial, u64::MAX));
            self.last_slot = mark.slots.first().map_or(0, |(slot, _)| *slot);
        }
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

/// The two places of an answer to [`PLACES`].
fn places_of(answer: &SimpleQueryMessage) -> Option<(u64, u64)> {
    let SimpleQueryMessage::Row(row) = answer else { return None };
    Some((place_of(row.try_get(0).ok()??)?, place_of(row.try_get(1).ok()??)?))
}

/// A place in the WAL, as in `16/B374D848`.
fn place_of(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
}

fn lost() -> SinkError {
    SinkError::Transient(Reason::new("connection_lost", "the connection to the server was lost"))
}

pub(super) fn failure(link: &Link, error: &tokio_postgres::Error) -> Failure {
    Failure { error: link.classify(error), intact: !is_disconnect(error) && !link.client.is_closed() }
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
