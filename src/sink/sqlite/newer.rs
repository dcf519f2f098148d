//! Rows that come back from the dead-letter queue, and what was written since they failed.
//!
//! The upsert asks a function of ours whether a row that is there may be replaced. That function keeps
//! its answer for whoever counts. Such rows come the latest first, so of several with one key the first
//! that is written is the one to stay: it gets a fresh `updated_at`, after which all others have
//! failed. That is why a row which finds its own values there has the time written anew although it
//! counts as unchanged: otherwise an older one would replace them.
//!
//! Both times are of this machine: who writes to the file writes `updated_at` too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;

use super::catalog::Table;
use super::schema::UPDATED_AT;
use crate::dataset::Kind;
use crate::dataset::time::{TimeError, TimeOptions, TimeReader, to_micros};

/// The SQL function: of the stored `updated_at`, the time in microseconds at which the row at hand
/// failed first (null for one that never did), whether the two differ, and whether `updated_at` is
/// ours to write.
pub(super) const MAY_REPLACE: &str = "mds_may_replace";

/// Whether the table can tell when its rows were written: it has a key to find them by, and an
/// `updated_at`, which every write of ours fills.
pub(super) fn tells_when(table: &Table) -> bool {
    let time = table.column(UPDATED_AT).is_some_and(|column| column.target.kind == Kind::Timestamp);
    time && !table.key.is_empty() && !table.key.iter().any(|name| name == UPDATED_AT)
}

/// What the function answered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was not asked, or what is there differs and is replaced, or is the same and stays.
    Plain,
    /// What is there differs and is newer: it stays.
    Newer,
    /// What is there is the same, and has the time written anew.
    Same,
}

/// The last answer, until it is taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(Arc<AtomicU8>);

impl Answers {
    /// Makes the function known to the connection.
    pub(super) fn register(&self, connection: &Connection) -> rusqlite::Result<()> {
        let last = self.clone();
        connection.create_scalar_function(MAY_REPLACE, 4, FunctionFlags::SQLITE_UTF8, move |context| {
            let first = context.get::<Option<i64>>(1)?;
            let (differs, ours) = (context.get::<bool>(2)?, context.get::<bool>(3)?);
            let newer = first.is_some_and(|first| stored(context).is_some_and(|stored| stored > first));
            let (may, answer) = match (newer, differs) {
                (true, true) => (false, Answer::Newer),
                (true, false) => (false, Answer::Plain),
                (false, true) => (true, Answer::Plain),
                (false, false) if ours && first.is_some() => (true, Answer::Same),
                (false, false) => (false, Answer::Plain),
            };
            last.0.store(answer as u8, Ordering::Relaxed);
            Ok(may)
        })
    }

    /// What was answered since the last time.
    pub(super) fn take(&self) -> Answer {
        match self.0.swap(Answer::Plain as u8, Ordering::Relaxed) {
            answer if answer == Answer::Newer as u8 => Answer::Newer,
            answer if answer == Answer::Same as u8 => Answer::Same,
            _ => Answer::Plain,
        }
    }
}

/// The stored time in microseconds. Other programs may have written it otherwise than we do; what is
/// no time at all tells nothing.
fn stored(context: &Context<'_>) -> Option<i64> {
    let mut reader = TimeReader::new(TimeOptions::default());
    reader.serve(false, true);
    let nanos = match context.get_raw(0) {
        ValueRef::Text(text) => reader.text(std::str::from_utf8(text).ok()?),
        ValueRef::Integer(integer) => reader.integer(integer),
        ValueRef::Real(real) => reader.float(real),
        ValueRef::Null | ValueRef::Blob(_) => return None,
    };
    match nanos {
        Ok(nanos) => Some(to_micros(nanos, true).0),
        Err(TimeError::Far) => Some(reader.micros()),
        Err(_) => None,
    }
}
