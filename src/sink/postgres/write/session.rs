//! One connection that writes: a transaction, writes in it, a commit. How a write goes is said in
//! `write.rs`.
//!
//! While a statement is on its way the session counts as broken, and only its answer makes it
//! whole again. So a future that is dropped halfway (a timeout, a shutdown) leaves a broken
//! session, and so does a lost connection. The next [`begin`](crate::port::Session::begin) of a broken session opens
//! a new connection; anything else on it fails as transient.

mod attempt;
mod failure;
mod write;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use attempt::MAX_PLANS;
use failure::lost;
pub(in crate::sink::postgres) use failure::{Failure, failure};
use tokio_postgres::SimpleQueryMessage;

pub(in crate::sink::postgres) use self::write::sources;
use crate::batch::{Reason, Rows};
use crate::dataset::Refits;
use crate::port::{CommitMark, Session, SinkError, WriteMode, Written};
use crate::sink::postgres::bulk::Bulk;
use crate::sink::postgres::catalog::casts::Casts;
use crate::sink::postgres::connection::classify::{POLICY, doubtful, of_everybody};
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::encode::refusal::Reasons;
use crate::sink::postgres::ledger::commit_status::{ended, server};
use crate::sink::postgres::write::chunks::Chunks;
use crate::sink::postgres::write::plan::Plan;
use crate::sink::postgres::write::proof::{Proof, changed, is_another};
use crate::sink::postgres::write::sink::Shared;

/// Has the commit that follows wait for the disk, or for more where the server is set to (a
/// synchronous standby).
const WAIT_FOR_DISK: &str = "SET LOCAL synchronous_commit TO DEFAULT; \
    SELECT pg_catalog.set_config('synchronous_commit', 'on', true) WHERE pg_catalog.current_setting('synchronous_commit') = 'off';";

/// Names the transaction, so that the server can be asked how it ended. Both functions are in every version.
const NAME_IT: &str = "SELECT pg_catalog.txid_current()";

/// The end of the WAL, and how far it is on disk.
pub(in crate::sink::postgres) const PLACES: &str =
    "SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.pg_current_wal_flush_lsn()";

/// What the connection is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransactionState {
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
    state: TransactionState,
    /// What the open transaction has proven of the table, and none has without it. Kept beyond the end of
    /// the transaction only to tell whether the plans are by the same description as the next.
    proof: Option<Proof>,
    /// By what the server reads texts that it casts, in the open transaction.
    casts: Casts,
    /// Plans by that description.
    plans: Vec<(Arc<Plan>, Reasons)>,
    /// Batches that were made anew for that description.
    refits: Refits,
    /// Whether the catalog was read anew since the server took rows for something else last, so that the
    /// table is none the wiser for another look.
    doubted: bool,
    /// Stages of this transaction: number of the plan, and whether rows are in it.
    stages: Vec<(usize, bool)>,
    /// The chunks of a hypertable, as they were a while ago.
    chunks: Option<Chunks>,
    /// Whether rows that came last met rows of their key, so that the next are expected to.
    merging: bool,
    /// Commits of this connection that are not known to be on disk: serial, and a place in the WAL
    /// that lies behind the commit.
    unflushed: VecDeque<(u64, u64)>,
    /// A slot that the last commit has marked.
    last_slot: u16,
    /// Whether the open transaction has written down what rows of a load in bulk bring.
    notes: bool,
    /// The server's number of the open transaction, where there is no ledger.
    transaction: Option<u64>,
    /// What tells the server of this connection by then, once it was asked.
    server: Option<Option<Arc<str>>>,
}

impl PgSession {
    pub(in crate::sink::postgres) async fn open(
        shared: Arc<Shared>,
        worker: usize,
    ) -> Result<Self, SinkError> {
        let link = shared.connect().await?;
        let casts = shared.casts;
        let (plans, stages) = (Vec::new(), Vec::new());
        Ok(Self {
            shared,
            worker,
            link: Some(link),
            state: TransactionState::Idle,
            proof: None,
            casts,
            plans,
            refits: Refits::default(),
            doubted: false,
            stages,
            chunks: None,
            merging: false,
            unflushed: VecDeque::new(),
            last_slot: 0,
            notes: false,
            transaction: None,
            server: None,
        })
    }

    fn link(&self) -> Result<&Link, SinkError> {
        self.link.as_ref().ok_or_else(lost)
    }

    /// Runs statements whose answer does not matter. The session is broken until it is here.
    async fn run(&mut self, sql: &str, then: TransactionState) -> Result<(), SinkError> {
        self.state = TransactionState::Broken;
        let link = self.link()?;
        match link.client.batch_execute(sql).await {
            Ok(()) => {
                self.state = then;
                Ok(())
            }
            Err(error) => {
                let failure = failure(link, &error);
                if failure.intact {
                    self.state = TransactionState::Failed;
                }
                Err(failure.error)
            }
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

    /// Begins a transaction, and proves in it what is known of the table: the only way to one that can be
    /// written in, since nothing else makes a [`Proof`]. `before` and `after` are said with it; returns
    /// what was answered.
    async fn start(&mut self, before: &str, after: &str) -> Result<Vec<SimpleQueryMessage>, SinkError> {
        let ledger = self.shared.ledger.as_ref().map(|ledger| ledger.begin(self.worker));
        let limit = match self.shared.given_up.load(Ordering::Relaxed) {
            true => &*self.shared.limit,
            false => "",
        };
        let first = format!("{before} {} {limit} {}", self.shared.begin, ledger.unwrap_or_default());
        self.state = TransactionState::Broken;
        self.stages.clear();
        // Each transaction has a number of its own, one that takes the place of another too.
        self.transaction = None;
        self.notes = false;
        let named = self.shared.ledger.is_none();
        let after = if named { NAME_IT } else { after };
        let proven = self.shared.catalog.prove(self.link()?, &first, after).await;
        let (proof, answers) = match proven {
            Ok(proven) => proven,
            Err(failure) => {
                if failure.intact {
                    self.state = TransactionState::Failed;
                }
                let lost = self.shared.lost_bulk(&failure.error).await;
                return Err(lost.unwrap_or_else(|| self.shared.waited_for(failure.error)));
            }
        };
        if self.plans.len() > MAX_PLANS || self.proof.as_ref().is_none_or(|before| !before.is_of(&proof)) {
            self.plans.clear();
            self.chunks = None;
        }
        self.proof = Some(proof);
        self.casts = self.shared.casts;
        self.state = TransactionState::Open;
        if named {
            self.transaction = answers.iter().rev().find_map(|answer| match answer {
                SimpleQueryMessage::Row(row) => row.try_get(0).ok()??.parse().ok(),
                _ => None,
            });
        }
        Ok(answers)
    }

    /// Forgets the connection. The server stops a statement that is on its way; a commit runs to
    /// its end.
    fn disconnect(&mut self) {
        self.server = None;
        self.shared.digested.forget();
        if let Some(link) = self.link.take()
            && self.state == TransactionState::Broken
        {
            if !link.client.is_closed() {
                self.shared.given_up.store(true, Ordering::Relaxed);
            }
            link.abandon();
        }
        self.state = TransactionState::Broken;
    }
}

impl Session for PgSession {
    async fn begin(&mut self) -> Result<(), SinkError> {
        let shared = Arc::clone(&self.shared);
        // In the heap: what waits is moved from hand to hand.
        shared.watched(Box::pin(self.begin_now())).await
    }

    async fn write(&mut self, rows: Rows<'_>, guard: WriteMode) -> Result<Written, SinkError> {
        let shared = Arc::clone(&self.shared);
        shared.watched(Box::pin(self.write_now(rows, guard))).await
    }

    async fn commit(&mut self, mark: &CommitMark, now: bool) -> Result<u64, SinkError> {
        let proof = self.expect_open()?;
        self.state = TransactionState::Committing;
        if self.shared.ledger.is_none() {
            // Kept beyond this connection, which may not outlive the commit.
            if let (Some(transaction), Some(server)) = (self.transaction, self.server.clone().flatten()) {
                self.shared.numbers.note(self.worker, mark.serial, (transaction, server));
            }
        }
        let link = self.link()?;
        let later = self.shared.lazy && !now && !mark.slots.is_empty();
        // COMMIT of an aborted transaction rolls back and reports success; the SELECT before it
        // would fail there.
        let still = proof.still();
        let ledger = self.shared.ledger.as_ref().map(|ledger| ledger.mark(mark)).unwrap_or_default();
        let wait = if self.shared.lazy && !later { WAIT_FOR_DISK } else { "" };
        let places = if later { PLACES } else { "" };
        match link.client.simple_query(&format!("{still} {ledger} {wait} COMMIT; {places}")).await {
            Ok(answers) => {
                self.state = TransactionState::Idle;
                self.doubted = false;
                self.shared.worked.store(true, Ordering::Relaxed);
                if let Some(bulk) = self.shared.bulk.get().filter(|_| std::mem::take(&mut self.notes)) {
                    bulk.mark_noted();
                }
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
                    self.state = TransactionState::Failed;
                }
                if is_another(failure.error.reason()) {
                    return Err(changed(proof.table()));
                }
                Err(self.shared.waited_for(of_everybody(failure.error)))
            }
        }
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        let Some(ledger) = self.shared.ledger.clone().filter(|_| self.shared.lazy) else { return Ok(()) };
        if self.state != TransactionState::Idle {
            return Err(lost());
        }
        self.run(&format!("BEGIN; {WAIT_FOR_DISK} {} COMMIT", ledger.touch()), TransactionState::Idle)
            .await?;
        self.unflushed.clear();
        Ok(())
    }

    async fn rehearse(&mut self, rows: Rows<'_>, refused: &Reason, certain: bool) -> Result<(), SinkError> {
        let proof = self.expect_open()?;
        let everybody = || match of_everybody(doubtful(refused.clone())) {
            SinkError::Doubtful { reason, .. } => SinkError::Fatal(reason),
            other => other,
        };
        // That the policies of the table take none of the rows is nothing that rows are to blame for.
        let policies = refused.code == POLICY && !self.shared.worked.load(Ordering::Relaxed);
        if certain || policies {
            return Err(self.shared.waited_for(everybody()));
        }
        let place = self.plan(rows, &proof).map_err(|error| self.shared.waited_for(error))?;
        let Some((plan, _)) = self.plans.get(place) else { return Err(lost()) };
        let plan = Arc::clone(plan);
        // By the way that rows take there: right into the table without a key, and where there is no other.
        let straight = plan.straight.as_ref().map_or(&plan.direct, |plan| &plan.direct);
        if let Some(direct) = straight
            && (plan.stage.merge.is_none() || self.shared.no_stage.is_some())
        {
            return self.rehearse_copy(direct).await;
        }
        if let Some(reason) = &self.shared.no_stage {
            return Err(match everybody() {
                passing @ SinkError::Transient(..) => passing,
                _ => SinkError::Fatal(reason.clone()),
            });
        }
        let prelude = format!("{} {}", self.prepare_stage(&plan, place), plan.stage.clear);
        let sql =
            format!("{prelude} SAVEPOINT mds_write; {}; ROLLBACK TO SAVEPOINT mds_write;", plan.stage.append);
        match self.run(&sql, TransactionState::Open).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.shared.waited_for(of_everybody(error))),
        }
    }

    async fn rollback(&mut self) -> Result<(), SinkError> {
        self.shared.digested.forget();
        match self.state {
            TransactionState::Idle => Ok(()),
            TransactionState::Open | TransactionState::Failed => {
                self.run("ROLLBACK", TransactionState::Idle).await
            }
            // The server undoes what is left when the connection goes.
            TransactionState::Broken | TransactionState::Committing => {
                self.disconnect();
                Ok(())
            }
        }
    }

    async fn settled(&mut self, mark: &CommitMark) -> Result<Option<bool>, SinkError> {
        let named = self.shared.numbers.of(self.worker, mark.serial);
        let ledger = self.shared.ledger.clone();
        if ledger.is_none() && named.is_none() {
            return Ok(None);
        }
        self.unflushed.clear();
        self.shared.digested.forget();
        if self.state != TransactionState::Idle {
            let _ = self.rollback().await;
        }
        if self.link.as_ref().is_none_or(|link| link.client.is_closed()) {
            self.disconnect();
            self.link = Some(self.shared.connect().await?);
        }
        self.state = TransactionState::Broken;
        let link = self.link()?;
        let Some(ledger) = ledger else {
            let Some((transaction, server)) = named else { return Ok(None) };
            let known = ended(link, transaction, &server).await;
            if known.is_ok() {
                self.state = TransactionState::Idle;
            }
            return known;
        };
        let known = ledger.has(link, self.worker, mark).await;
        let known = known.map_err(|error| self.shared.waited_for(failure(link, &error).error))?;
        self.state = TransactionState::Idle;
        if known && self.shared.lazy {
            // Where in the WAL it is nobody knows now: it is on disk when a later commit waited for that.
            self.unflushed.push_back((mark.serial, u64::MAX));
            self.last_slot = mark.slots.first().map_or(0, |(slot, _)| *slot);
        }
        Ok(Some(known))
    }
}

impl PgSession {
    /// See [`Session::begin`].
    async fn begin_now(&mut self) -> Result<(), SinkError> {
        if matches!(self.state, TransactionState::Open | TransactionState::Failed) {
            // If this fails, the session is broken, which the next lines mend.
            let _ = self.rollback().await;
        }
        if self.shared.bulk.get().is_some_and(Bulk::is_to_end) {
            self.shared.end_bulk().await?;
        }
        if self.state != TransactionState::Idle
            || self.link.as_ref().is_none_or(|link| link.client.is_closed())
        {
            self.disconnect();
            if !self.unflushed.is_empty() {
                self.shared.digested.forget();
                // The server may have crashed and undone them: who committed them is to ask.
                self.unflushed.clear();
                return Err(lost());
            }
            self.link = Some(self.shared.connect().await?);
        }
        if self.shared.ledger.is_none() {
            if self.server.is_none() {
                self.state = TransactionState::Broken;
                self.server = Some(server(self.link()?).await);
                self.state = TransactionState::Idle;
            }
            return self.start("", "").await.map(|_| ());
        }
        let (Some((serial, _)), Some(ledger)) = (self.unflushed.back(), &self.shared.ledger) else {
            return self.start("", "").await.map(|_| ());
        };
        // Behind a pooler this may be another server connection than the last, to a server that has
        // crashed in between.
        let ask = ledger.ask(self.last_slot, *serial);
        let answers = self.start("", &ask).await?;
        let known = answers.iter().rev().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some(row.try_get(0).ok().flatten() == Some("t")),
            _ => None,
        });
        if known == Some(true) {
            return Ok(());
        }
        self.shared.digested.forget();
        self.unflushed.clear();
        Err(lost())
    }

    /// What the open transaction has proven of the table.
    fn expect_open(&self) -> Result<Proof, SinkError> {
        match self.state {
            TransactionState::Open => self.proof.clone().ok_or_else(lost),
            TransactionState::Broken | TransactionState::Committing => Err(lost()),
            TransactionState::Idle => {
                Err(SinkError::Fatal(Reason::new("no_transaction", "no transaction is open")))
            }
            TransactionState::Failed => Err(SinkError::Fatal(Reason::new(
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
