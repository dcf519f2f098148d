//! What a store gives to those who use it, whichever it is.

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::batch::{Batch, Reason, Rows};
use crate::dataset::time::TimeOptions;
use crate::dataset::{Dataset, LiveTarget, Target};
use crate::error::{Error, Result};
use crate::port::Resolved;
use crate::port::history::{NoHistory, RunHistory};
use crate::port::jobs::JobLedger;
use crate::port::messages::Messages;
use crate::settings::OnConflict;
use crate::sink::erased::AnySink;
use crate::sink::health::{HealthFact, HealthQuestion};
use crate::sink::schema_options::SchemaOptions;
use crate::sink::verify::Verifier;
use crate::text::flags::{COMPRESS_AFTER_LOAD, SHARE};

/// What not every store can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// It knows tenants by names of their own, and not by UUIDs alone.
    pub tenant_names: bool,
    /// Who may see and write a row can depend on its tenant.
    pub row_security: bool,
    /// Tables are divided in chunks by time, which are compressed and dropped.
    pub chunks: bool,
    /// Tables can be spread over several nodes.
    pub distributes: bool,
    /// It has roles that can be granted something.
    pub roles: bool,
}

/// A step that comes to lines of text. Nothing else goes on beside it, so it need not change threads.
pub type Lines<'a> = Pin<Box<dyn Future<Output = Result<Vec<String>>> + 'a>>;

/// A store, by what a connection string says of it. Nothing is opened before it is asked.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Its connection, for people: no password.
    fn shown(&self) -> String;

    /// A name that is the same however its connection is spelled: by it replays into one store are told from others.
    fn place(&self) -> String {
        self.shown()
    }

    /// What it is called in a sentence, as in `the embedded store`.
    fn called(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Whether rows can be brought there, before it is known into which table.
    async fn reachable(&self, limit: Duration) -> Result<()> {
        let _ = limit;
        Ok(())
    }

    /// Opens the table that rows are to go to. `reached` is called once the store has taken a connection:
    /// what fails then is an outage like one in the middle.
    ///
    /// # Errors
    /// Usage for what the user can mend; unavailable, if the store is, or an answer takes too long.
    async fn open(&self, wanted: &Wanted<'_>, reached: &(dyn Fn() + Sync)) -> Result<Box<dyn OpenTable>>;

    /// The history of its runs, each answer that a run begins with within that time.
    fn history(&self, limit: Option<Duration>) -> Result<Box<dyn RunHistory>> {
        let _ = limit;
        Ok(Box::new(NoHistory))
    }

    /// The jobs that several loaders share, each answer within that time.
    ///
    /// # Errors
    /// Usage, where this store cannot share.
    fn jobs(&self, limit: Option<Duration>) -> Result<Box<dyn JobLedger>> {
        let _ = limit;
        Err(Error::usage(format!(
            "{SHARE} needs PostgreSQL: {} takes the rows of one process at a time",
            self.called()
        )))
    }

    /// What it remembers of messages, by the name of a group and a table; `None` where it remembers nothing.
    fn messages(&self, feed: &str, limit: Option<Duration>) -> Result<Option<Box<dyn Messages>>> {
        let _ = (feed, limit);
        Ok(None)
    }

    /// The id of the tenant of that name; `None` where it knows no tenants.
    async fn tenant(&self, given: &str) -> Result<Option<String>> {
        let _ = given;
        Ok(None)
    }

    /// Says, as long as something else goes on, which lock that waits for, and comes to an end where the lock
    /// was in the way for longer than `longest`.
    async fn locked(&self, table: &str, longest: Option<Duration>) -> Error {
        let _ = (table, longest);
        std::future::pending().await
    }

    /// The DDL of our own tables, for people.
    fn schema_sql(&self, options: &SchemaOptions) -> String;

    /// The statements of that DDL, each with its semicolon.
    fn schema_statements(&self, options: &SchemaOptions) -> Vec<String>;

    /// Makes our own tables, or brings them up to date; a line for each thing done.
    fn schema_apply<'a>(&'a self, options: &'a SchemaOptions) -> Lines<'a>;

    /// In what our own tables are not as [`Store::schema_apply`] would make them, a line for each.
    fn schema_check<'a>(&'a self, options: &'a SchemaOptions) -> Lines<'a>;

    /// Tells how it is, one fact after the other, so that those before a silence count.
    async fn health(&self, asked: &HealthQuestion<'_>, tell: &mut (dyn FnMut(HealthFact) + Send));

    /// The loads in bulk into that table, or into any, that have begun and not ended.
    async fn begun_bulks(&self, table: Option<&str>) -> Result<Vec<BegunBulk>> {
        let _ = table;
        Ok(Vec::new())
    }

    /// Ends one whose process is dead: brings its rows into their table. What had been told of them and is not so.
    async fn finish_bulk(&self, begun: &BegunBulk) -> Result<Resolved> {
        let _ = begun;
        Ok(Resolved::default())
    }

    /// What compresses the chunks of that table behind a load.
    ///
    /// # Errors
    /// Usage, where that cannot be.
    async fn packing(&self, table: &str) -> Result<Box<dyn Packing>> {
        Err(Error::usage(format!(
            "{COMPRESS_AFTER_LOAD} is not possible for {table}: {} has no chunks; leave the flag out",
            self.called()
        )))
    }

    /// What to do where it is away or silent.
    fn when_away(&self) -> &'static str;
}

/// Which table is to be opened, and how rows are to be written there.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// The table, where it is named: it has to be there, whatever its columns.
    pub table: Option<&'a str>,
    /// The dataset, where it is known. Without `table` its own table is meant.
    pub dataset: Option<&'a Dataset>,
    /// Whose rows they are that bring no tenant.
    pub tenant: Option<&'a str>,
    /// Values that their column would round are refused.
    pub exact: bool,
    /// Fractions are rounded for columns of integers.
    pub round: bool,
    /// What happens to rows whose key is in the table already.
    pub on_conflict: OnConflict,
    /// What the table has stays where it was written after the rows had failed for the first time.
    pub newer_stays: bool,
    /// How texts are read that only the store can read.
    pub reading: TimeOptions,
    /// The run; none where nothing is to be written.
    pub run_id: Option<Uuid>,
    /// How long each answer may take.
    pub limit: Option<Duration>,
    /// How long a statement may take that writes rows.
    pub statement: Option<Duration>,
}

impl Wanted<'_> {
    /// The table, as it was named or as the dataset has it.
    pub fn name(&self) -> &str {
        self.table.or_else(|| self.dataset.map(|dataset| &*dataset.table)).unwrap_or_default()
    }
}

/// A load in bulk: rows that wait beside their table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunBulk {
    /// The run that loads them.
    pub run: Uuid,
    /// Where they are, for people.
    pub bulk_table: String,
    /// The table that they are for; none where it is gone, or has another name.
    pub table: Option<String>,
    /// The role that loads them, where it is another one: it alone can bring them in.
    pub owner: Option<String>,
}

/// A table that is open.
#[async_trait]
pub trait OpenTable: Send + Sync {
    /// It, as the mapping wants it.
    fn target(&self) -> &Target;

    /// Where it is.
    fn location(&self) -> TableLocation<'_>;

    /// It as it is while rows are written; none where none are.
    fn live(&self) -> Option<Arc<LiveTarget>>;

    /// The tenant that was asked for, by its id where the store knows tenants.
    fn tenant(&self) -> Option<String>;

    /// What the user should know of this store, one sentence each.
    fn notes(&self) -> &[String] {
        &[]
    }

    /// Whether rows that the table has stay where they are newer: asked for, and the table can tell.
    fn guards_newer(&self) -> bool {
        false
    }

    /// Whether the run is kept in the store's history, so that it can be resumed.
    ///
    /// # Errors
    /// Where it is not: why, and what to do, to follow "the ledger".
    fn keeps_runs(&self) -> Result<(), String>;

    /// What tells which rows would not even be sent.
    fn rehearsal(&self) -> Option<Box<dyn Rehearsal>> {
        None
    }

    /// What tells which rows are in the table already, and which of them differ there; nothing where it cannot be asked.
    fn comparison(&self) -> Option<Box<dyn Comparison>> {
        None
    }

    /// What compares rows of inputs with its own.
    ///
    /// # Errors
    /// Usage, where rows cannot be told apart, or it may not be read; unavailable, where the store is.
    async fn verifier(&self) -> Result<Box<dyn Verifier>>;

    /// Has the rows of that run go into the table in bulk, or go on so where `goes_on`, as the run did that this one
    /// goes on with: where they are meanwhile, or why it cannot be.
    ///
    /// # Errors
    /// Unavailable, where the store is.
    async fn begin_bulk(&self, run: Uuid, goes_on: bool) -> Result<Result<String, String>> {
        let _ = (run, goes_on);
        Ok(Err("this store has no other way into a table than row by row".to_owned()))
    }

    /// What the engine writes to.
    ///
    /// # Errors
    /// Where it was opened for a look alone.
    fn into_sink(self: Box<Self>) -> Result<AnySink>;
}

/// Compresses the chunks of a table.
#[async_trait]
pub trait Packing: Send + Sync {
    /// Compresses those with times between these two, in microseconds since 1970, that are old enough for it. Before each
    /// it is told how many are done, of how many; `false` stops it there.
    ///
    /// # Errors
    /// Where a chunk cannot be compressed; those before it are.
    async fn pack(
        &self,
        times: RangeInclusive<i64>,
        tell: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<Packed>;
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packed {
    /// Chunks that are compressed now.
    pub chunks: u64,
    /// Chunks that are too young for it.
    pub young: u64,
    /// Chunks that are left, since it was stopped.
    pub left: u64,
    /// Bytes of the rows in them, with their indexes, when each was compressed first.
    pub bytes_before: u64,
    /// Bytes of the same as they are now.
    pub bytes_after: u64,
}

/// Where a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLocation<'a> {
    /// Its schema, where the store has schemas.
    pub schema: Option<&'a str>,
    /// Its own name.
    pub name: Cow<'a, str>,
    /// Whether it is found without its schema.
    pub visible: bool,
}

/// How many rows a table has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// Rows whose key is in the table.
    pub there: u64,
    /// Those among them that have another value there.
    pub differing: u64,
}

/// Compares rows with a table, and changes nothing in it.
#[async_trait]
pub trait Comparison: Send {
    /// How many of the rows are there, none of which has the key of another one.
    ///
    /// # Errors
    /// Where the table cannot be asked.
    async fn known(&mut self, rows: Rows<'_>) -> Result<Known>;
}

/// Says of rows what would be refused, by the code that writes them and without the store.
pub trait Rehearsal: Send {
    /// The rows that a column cannot hold, each with the reason.
    ///
    /// # Errors
    /// Usage, for what holds for every row.
    fn refused(&mut self, batch: &Arc<Batch>) -> Result<Vec<(usize, Arc<Reason>)>>;
}
