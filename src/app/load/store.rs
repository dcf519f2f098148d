//! The store of a load, and what there is to know of its table.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::app::exit::Exit;
use crate::app::interrupts::Signals;
use crate::app::load::Load;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::port::history::RunHistory;
use crate::sink::{OpenTable, Wanted, unblocked};

/// A table that rows are to go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableFacts {
    /// Its name with its schema.
    pub(crate) table: String,
    /// Whether rows of it can be told apart.
    pub(crate) keyed: bool,
    /// The tenant, by its id where the store knows tenants.
    pub(crate) tenant: Option<String>,
    /// Why a dead letter alone cannot send rows there, where it cannot; a flag can.
    pub(crate) closed: Option<String>,
}

/// Tables in which the program, or the Python system, keeps its own books.
const BOOKS: [&str; 2] = ["tenants", "job_runs"];

/// Schemas that are the server's own, or an extension's, by how their names begin.
const SYSTEM: [&str; 4] = ["pg_", "information_schema", "_timescaledb", "timescaledb_"];

/// Why rows get into a table only where a flag says it: what stands in a file must not choose it.
fn closed(schema: Option<&str>, name: &str, visible: bool) -> Option<String> {
    let begins = |begin: &&str| schema.is_some_and(|schema| schema.starts_with(*begin));
    let is_books = |name: &str| name.starts_with("mds_") || BOOKS.contains(&name);
    if SYSTEM.iter().any(begins) || schema.is_none() && name.starts_with("sqlite_") {
        return Some("it is a table of the server's own".to_owned());
    }
    if is_books(name) {
        return Some("it is not a table of market data: books are kept in it".to_owned());
    }
    let schema = schema.filter(|_| !visible)?;
    Some(format!("the schema {schema} is none that this store looks in"))
}

impl Load<'_> {
    /// What there is to know of the table before rows are sent to it.
    pub(crate) async fn table_facts(&self) -> Result<TableFacts> {
        let signals = Signals::listen(&self.caller.interrupts, &self.stop);
        let dataset = match (self.plan.data.known_dataset()?, &self.plan.data.table, self.letters()) {
            (None, None, Some(letters)) => Some(letters.detect(&self.plan.data.columns(None))?),
            (known, ..) => known,
        };
        let opened = self.open_store(&signals, dataset.as_ref(), false).await?;
        Ok(self.facts_of(&*opened))
    }

    /// Key, tenant and name of a table that is open.
    pub(super) fn facts_of(&self, opened: &dyn OpenTable) -> TableFacts {
        let (target, place) = (opened.target(), opened.location());
        TableFacts {
            table: target.table.clone(),
            keyed: target.is_keyed(),
            tenant: opened.tenant(),
            closed: closed(place.schema, &place.name, place.visible),
        }
    }

    pub(super) async fn open_store(
        &self,
        signals: &Signals,
        dataset: Option<&Dataset>,
        told: bool,
    ) -> Result<Box<dyn OpenTable>> {
        let (data, values) = (&self.plan.data, &self.plan.data.values);
        let wanted = Wanted {
            table: data.table.as_deref(),
            dataset,
            tenant: self.plan.to.tenant.as_deref(),
            exact: values.exact,
            round: values.round,
            on_conflict: values.on_conflict,
            run_id: (!self.plan.rejects.dry_run).then_some(self.caller.run_id),
            newer_stays: self.letters().is_some_and(|letters| !letters.force),
            reading: data.meaning()?.time,
            limit: Some(self.patience()),
            statement: Some(self.engine.write_timeout),
        };
        let reached = || self.reached.store(true, Ordering::Relaxed);
        let opened =
            self.patiently(signals, async || self.plan.to.store.open(&wanted, &reached).await).await?;
        if told {
            opened.notes().iter().for_each(|note| self.note(note));
        }
        Ok(opened)
    }

    /// Under `--wait` a store that is away at the start is waited for like one that goes away. A lock in the
    /// way is waited for in any case, as one later is: who holds it is told, and it counts as an outage.
    /// So is one that is lost, or silent, once it has taken a connection. Whatever the store does not
    /// answer, a signal ends the wait.
    pub(super) async fn patiently<T>(
        &self,
        signals: &Signals,
        act: impl AsyncFn() -> Result<T>,
    ) -> Result<T> {
        let (began, mut told) = (Instant::now(), false);
        loop {
            let longest = self.engine.max_outage.map(|most| most.saturating_sub(began.elapsed()));
            let done = tokio::select! {
                biased;
                done = self.unblocked(longest, act()) => done,
                () = signals.insist() => return Err(interrupted(signals)),
            };
            match done {
                Err(Error::Unavailable(why))
                    if self.plan.engine.wait || self.reached.load(Ordering::Relaxed) =>
                {
                    if self.engine.max_outage.is_some_and(|most| began.elapsed() >= most) {
                        return Err(Error::unavailable(why));
                    }
                    if !told {
                        tracing::warn!("waiting for the store: {why}");
                        told = true;
                    }
                    tokio::select! {
                        biased;
                        () = signals.come() => return Err(interrupted(signals)),
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                }
                done => return done,
            }
        }
    }
}

/// How much longer than an outage may last an answer is waited for, so that a lock is named that is in its
/// way.
const TO_NAME: Duration = Duration::from_secs(5);

impl Load<'_> {
    /// How long the store may take for an answer before the first row is sent.
    pub(super) fn patience(&self) -> Duration {
        let most = self.engine.max_outage.map_or(Duration::MAX, |most| most.saturating_add(TO_NAME));
        self.engine.write_timeout.min(most)
    }

    /// The history of runs of the store, which may take no longer than that.
    pub(super) fn history(&self) -> Result<Box<dyn RunHistory>> {
        self.plan.to.store.history(Some(self.patience()))
    }

    /// Runs a step that the load begins with, which may have to wait for a lock.
    pub(super) async fn unblocked<T>(
        &self,
        longest: Option<Duration>,
        step: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let dataset = self.plan.data.known_dataset()?;
        let table = self.plan.data.table.as_deref().or_else(|| dataset.as_ref().map(|d| &*d.table));
        unblocked(&*self.plan.to.store, table.unwrap_or("the store"), longest, step).await
    }
}

fn interrupted(signals: &Signals) -> Error {
    let terminated = signals.exit() == Some(Exit::Terminated);
    let what = "interrupted while the store was waited for; run the same command again";
    Error::Interrupted(what.into(), terminated)
}
