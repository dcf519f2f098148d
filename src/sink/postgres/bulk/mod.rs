//! Loads in bulk: the first load of an empty table that has a key.
//!
//! Rows go into a table beside it (`mds_bulk_<oid>`), which has its columns and checks and none of its indexes;
//! the table itself stays empty and keeps its key. At the end the indexes are built over all rows at once, which
//! takes a fraction of the time that the key takes row by row, and one transaction puts the filled table in the
//! place of the empty one. Where others have written to the table meanwhile, or it has changed, the rows are
//! merged into it instead.
//!
//! All that the ledger promises holds as it is, since rows and marks are in one transaction. What a run that died
//! leaves is found by its name: the next load into the table brings its rows there, as `schema apply` does, and
//! `--resume` goes on with it.
//!
//! Rows of one key always come through one lane, in transactions one after the other. So which of them came last
//! is told by the numbers of their transactions and statements (`xmin`, `cmin`).

pub(in crate::sink::postgres) mod begin;
mod duplicates;
mod indexes;
mod leftover;
mod merge;
mod obstacles;
mod portrait;
mod settle;
mod swap;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use uuid::Uuid;

pub(in crate::sink::postgres) use leftover::{begun, finish_leftover};

use crate::batch::Reason;
use crate::port::{Resolved, SinkError, TransientKind};
use crate::settings::OnConflict;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::connection::quoting::{ident, literal, readable};

/// How names of tables of loads in bulk begin; the oid of the table that they are for follows.
const PREFIX: &str = "mds_bulk_";

/// What a bulk table says of itself, in its comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The run that fills it.
    run: Uuid,
    /// The table that its rows are for, by its name: in a copy of the database its oid may be that of another one.
    table: String,
    /// Whether rows that come first stay (`--on-conflict skip`); else the last ones.
    first_stays: bool,
    /// The columns that its rows bring, sorted; none before the first row.
    #[serde(default)]
    columns: Option<Vec<String>>,
    /// For people.
    about: String,
}

/// A bulk table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink::postgres) struct BulkTable {
    schema: String,
    /// The oid of the table that its rows are for.
    target: u32,
    note: Note,
}

impl BulkTable {
    fn name(&self) -> String {
        format!("{PREFIX}{}", self.target)
    }

    /// Its name as SQL takes it.
    pub fn sql_name(&self) -> String {
        format!("{}.{}", ident(&self.schema), ident(&self.name()))
    }

    /// Its name for people.
    pub fn display_name(&self) -> String {
        format!("{}.{}", readable(&self.schema), self.name())
    }

    /// The statement that writes its note down.
    fn noted(&self) -> String {
        let note = serde_json::to_string(&self.note).unwrap_or_default();
        format!("COMMENT ON TABLE {} IS {}", self.sql_name(), literal(&note))
    }
}

/// A load in bulk that goes on, as all sessions of a sink share it.
#[derive(Debug)]
pub(in crate::sink::postgres) struct Bulk {
    table: BulkTable,
    /// The table that the rows are for, as it was when the load began.
    target: Table,
    on: AtomicBool,
    /// Whether rows have come that it does not take.
    to_end: AtomicBool,
    /// The columns that its rows bring, sorted, once some have come.
    columns: OnceLock<Vec<String>>,
    /// Whether a transaction has committed that wrote them down.
    noted: AtomicBool,
    /// What brings its rows to an end, while that goes on.
    ending: tokio::sync::Mutex<Option<JoinHandle<Result<(), SinkError>>>>,
    /// What that has come to, whether its COMMIT was answered or not.
    resolved: Arc<Mutex<Option<Resolved>>>,
}

impl Bulk {
    fn new(table: BulkTable, target: Table) -> Self {
        let columns = OnceLock::new();
        let noted = AtomicBool::new(table.note.columns.is_some());
        if let Some(known) = &table.note.columns {
            let _ = columns.set(known.clone());
        }
        Self {
            table,
            target,
            on: AtomicBool::new(true),
            to_end: AtomicBool::new(false),
            columns,
            noted,
            ending: tokio::sync::Mutex::default(),
            resolved: Arc::default(),
        }
    }

    /// Whether rows go into the bulk table.
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// Whether it is to end before further rows are written.
    pub fn is_to_end(&self) -> bool {
        self.is_on() && self.to_end.load(Ordering::Acquire)
    }

    /// Whether rows have come.
    pub fn has_rows(&self) -> bool {
        self.columns.get().is_some()
    }

    /// The table that the rows are for.
    pub fn target(&self) -> &Table {
        &self.target
    }

    /// The name of the bulk table in what the server says, and that of the table that is meant.
    pub fn alias(&self) -> (String, String) {
        (self.table.name(), self.target.name.clone())
    }

    /// Rows have come that it does not take: the transaction is to be tried again, once it has ended.
    pub fn end_before_more(&self) -> SinkError {
        self.to_end.store(true, Ordering::Release);
        let message = format!("the rows so far are brought into {}", self.target.display_name());
        SinkError::Transient(TransientKind::SchemaChanged, Reason::new("bulk_ended", message))
    }

    /// The bulk table is gone: another process has brought its rows where they belong.
    pub fn turn_off(&self) {
        self.on.store(false, Ordering::Release);
    }

    /// What its table weighs, in bytes; `None` where it is gone.
    pub async fn weight(&self, link: &Link) -> Result<Option<u64>, SinkError> {
        settle::weight(link, &self.table).await
    }

    /// Brings its rows where they belong, by a connection of its own; `turn` has further rows go there. That goes on
    /// where whoever waits for it gives up.
    pub async fn end(
        &self,
        connect: impl Future<Output = Result<Link, SinkError>> + Send + 'static,
        turn: impl FnOnce(),
    ) -> Result<(), SinkError> {
        let mut ending = self.ending.lock().await;
        if !self.is_on() {
            return Ok(());
        }
        let columns = self.columns.get().cloned();
        let task = ending.get_or_insert_with(|| {
            let note = Note { columns, ..self.table.note.clone() };
            let table = BulkTable { note, ..self.table.clone() };
            let resolved = Arc::clone(&self.resolved);
            tokio::spawn(async move {
                let link = connect.await?;
                settle::settle(&link, &table, &resolved).await
            })
        });
        let done = task.await;
        *ending = None;
        done.unwrap_or_else(|why| Err(SinkError::Fatal(Reason::new("internal", why.to_string()))))?;
        turn();
        self.on.store(false, Ordering::Release);
        Ok(())
    }

    /// What has been told of rows and is not so.
    pub fn resolved(&self) -> Option<Resolved> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether rows that bring these columns may go into it: all are to bring the same, so that of two rows of a
    /// key the later one is the whole row. The first to come say which.
    pub fn takes(&self, names: &[String]) -> bool {
        let mut names = names.to_vec();
        names.sort_unstable();
        *self.columns.get_or_init(|| names.clone()) == names
    }

    /// What a transaction says before its first row, so that whoever ends the load knows what its rows bring; nothing
    /// once one has committed that said it.
    pub fn note(&self) -> Option<String> {
        if self.noted.load(Ordering::Acquire) {
            return None;
        }
        let note = Note { columns: self.columns.get().cloned(), ..self.table.note.clone() };
        Some(BulkTable { note, ..self.table.clone() }.noted())
    }

    /// That transaction has committed.
    pub fn mark_noted(&self) {
        self.noted.store(true, Ordering::Release);
    }

    /// Whether its table is there.
    pub async fn is_there(&self, link: &Link) -> Result<bool, SinkError> {
        settle::weight(link, &self.table).await.map(|bytes| bytes.is_some())
    }
}

/// The name of a table for people.
fn display(schema: &str, name: &str) -> String {
    format!("{}.{}", readable(schema), readable(name))
}

/// Whether, of rows of one key, the first stays.
fn first_stays(on_conflict: OnConflict) -> bool {
    on_conflict == OnConflict::Skip
}
