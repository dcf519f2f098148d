//! The store of a load, and what there is to know of its table.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::cli::exit::Exit;
use crate::cli::history::History;
use crate::cli::load::Load;
use crate::cli::settings;
use crate::cli::signals::Signals;
use crate::cli::store::Store;
use crate::dataset::{Dataset, Target};
use crate::error::{Error, Result};
use crate::sink::postgres::{PgOptions, PgSink, unblocked};
use crate::sink::sqlite::{SqliteOptions, SqliteSink};

/// A table that rows are to go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Its name with its schema.
    pub table: String,
    /// Whether rows of it can be told apart.
    pub keyed: bool,
    /// The tenant, by its id where the store knows tenants.
    pub tenant: Option<String>,
    /// Why a dead letter alone cannot send rows there, where it cannot; a flag can.
    pub closed: Option<String>,
}

impl TableFacts {
    fn of(target: &Target, tenant: Option<String>, closed: Option<String>) -> Self {
        Self { table: target.table.clone(), keyed: target.is_keyed(), tenant, closed }
    }
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

/// What is written to.
pub(super) enum OpenStore {
    Sqlite(SqliteSink),
    Postgres(Box<PgSink>),
    /// Nothing: a dry run against the embedded store.
    Planned,
}

impl Load<'_> {
    /// What there is to know of the table before rows are sent to it.
    pub async fn table_facts(&self) -> Result<TableFacts> {
        let signals = Signals::listen(&self.stop)?;
        let dataset = match (self.known_dataset()?, &self.args.data.table, &self.letters) {
            (None, None, Some(letters)) => Some(letters.detect(&settings::columns(&self.args.data, None))?),
            (known, ..) => known,
        };
        let opened = self.open_store(&signals, dataset.as_ref(), true).await?;
        Ok(self.facts_of(&opened, dataset.as_ref()))
    }

    /// The same of a store that is open.
    pub(super) fn facts_of(&self, opened: &OpenStore, dataset: Option<&Dataset>) -> TableFacts {
        match opened {
            OpenStore::Sqlite(sink) => {
                let closed = closed(None, &sink.target().table.to_ascii_lowercase(), true);
                TableFacts::of(sink.target(), self.args.store.tenant.clone(), closed)
            }
            OpenStore::Postgres(sink) => {
                let table = sink.table();
                let closed = closed(Some(&table.schema), &table.name, table.visible);
                TableFacts::of(sink.target(), sink.tenant().map(|id| id.to_string()), closed)
            }
            OpenStore::Planned => {
                let table = self.args.data.table.clone().or_else(|| dataset.map(|d| d.table.to_string()));
                let tenant = self.args.store.tenant.clone();
                let table = table.unwrap_or_default();
                let closed = closed(None, &table.to_ascii_lowercase(), true);
                TableFacts { table, keyed: true, tenant, closed }
            }
        }
    }

    pub(super) async fn open_store(
        &self,
        signals: &Signals,
        dataset: Option<&Dataset>,
        quiet: bool,
    ) -> Result<OpenStore> {
        let data = &self.args.data;
        let newer_stays = self.letters.as_ref().is_some_and(|letters| !letters.force);
        match &self.store {
            Store::Sqlite(path) if self.args.rejects.dry_run && (data.table.is_none() || !path.exists()) => {
                Ok(OpenStore::Planned)
            }
            Store::Sqlite(path) => {
                let options = SqliteOptions {
                    exact: data.exact,
                    on_conflict: settings::on_conflict(data),
                    run_id: (!self.args.rejects.dry_run).then_some(self.run_id),
                    newer_stays,
                };
                let open = async || match (&data.table, dataset) {
                    (Some(table), _) => SqliteSink::open_table(path, table, options),
                    (None, Some(dataset)) => SqliteSink::open(path, dataset, options),
                    (None, None) => Err(Error::Internal("no dataset and no table".into())),
                };
                let sink = self.patiently(signals, open).await?;
                Ok(OpenStore::Sqlite(sink))
            }
            Store::Postgres(dsn) => {
                let table =
                    data.table.clone().or_else(|| dataset.map(|d| d.table.to_string())).unwrap_or_default();
                let options = PgOptions {
                    dsn: (**dsn).clone(),
                    table,
                    tenant: self.args.store.tenant.clone(),
                    exact: data.exact,
                    round: data.round,
                    on_conflict: settings::on_conflict(data),
                    run_id: (!self.args.rejects.dry_run).then_some(self.run_id),
                    newer_stays,
                    reading: settings::meaning(data)?.time,
                };
                let sink = self
                    .patiently(signals, async || {
                        let reached = || self.reached.store(true, Ordering::Relaxed);
                        PgSink::open_within(options.clone(), Some(self.patience()), reached).await
                    })
                    .await?;
                if !quiet {
                    sink.notes().iter().for_each(|note| self.say(note));
                }
                Ok(OpenStore::Postgres(Box::new(sink)))
            }
        }
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
                    if self.args.engine.wait || self.reached.load(Ordering::Relaxed) =>
                {
                    if self.engine.max_outage.is_some_and(|most| began.elapsed() >= most) {
                        return Err(Error::Unavailable(why));
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
    pub(super) fn history(&self) -> Result<History> {
        Ok(History::of(&self.store)?.within(self.patience()))
    }

    /// Runs a step that the load begins with, which may have to wait for a lock.
    async fn unblocked<T>(
        &self,
        longest: Option<Duration>,
        step: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Store::Postgres(dsn) = &self.store else { return step.await };
        let dataset = self.known_dataset()?;
        let table = self.args.data.table.as_deref().or_else(|| dataset.as_ref().map(|d| &*d.table));
        unblocked(dsn, table.unwrap_or("the store"), longest, step).await
    }
}

fn interrupted(signals: &Signals) -> Error {
    let terminated = signals.exit() == Some(Exit::Terminated);
    let what = "interrupted while the store was waited for; run the same command again";
    Error::Interrupted(what.into(), terminated)
}
