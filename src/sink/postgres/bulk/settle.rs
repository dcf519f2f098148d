//! The end of a load in bulk: its rows get where they belong, in one transaction.

use std::sync::{Mutex, PoisonError};

use tokio_postgres::types::Type;

use super::BulkTable;
use super::indexes::{Built, Index, build};
use super::merge::merge;
use super::swap::swap;
use crate::batch::Reason;
use crate::error::Error;
use crate::port::{Resolved, SinkError, TransientKind};
use crate::sink::postgres::catalog::describe::find;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::connection::quoting::ident;

/// Memory that the sort of an index may take, where the server is set to less.
const MEMORY: &str = "256MB";

/// A bulk table, the table that it is for, and a connection whose transaction has locked the former.
pub(super) struct Ending<'a> {
    pub link: &'a Link,
    pub bulk: &'a BulkTable,
    pub target: Table,
    /// What the key compares, and what else its rows bring.
    pub key: Vec<String>,
    pub columns: Vec<String>,
}

impl Ending<'_> {
    /// Runs statements.
    pub async fn run(&self, sql: &str) -> Result<(), SinkError> {
        self.link.client.batch_execute(sql).await.map_err(|error| self.fault(&error))
    }

    /// What the server says, in the engine's terms: nothing of it is about single rows.
    pub fn fault(&self, error: &tokio_postgres::Error) -> SinkError {
        self.told(self.link.classify(error))
    }

    /// Why the rows stay where they are.
    pub fn refused(&self, reason: &Reason) -> SinkError {
        SinkError::Fatal(self.kept(reason))
    }

    fn told(&self, error: SinkError) -> SinkError {
        match error {
            passing @ SinkError::Transient(..) => passing,
            SinkError::Fatal(reason)
            | SinkError::Apart(reason)
            | SinkError::Doubtful { reason, .. }
            | SinkError::Data { reason, .. } => self.refused(&reason),
        }
    }

    /// Why the rows are not in their table, and where they are.
    fn kept(&self, reason: &Reason) -> Reason {
        let message = format!(
            "the rows that were loaded in bulk could not be brought into {}: {}; they are in {}, and mdsctl schema apply brings them there once that is mended",
            self.target.display_name(),
            reason.message,
            self.bulk.display_name()
        );
        Reason::new(reason.code.clone(), message)
    }
}

/// What that bulk table weighs, in bytes; `None` where there is none.
pub(in crate::sink::postgres) async fn weight(
    link: &Link,
    bulk: &BulkTable,
) -> Result<Option<u64>, SinkError> {
    let sql = "SELECT pg_catalog.pg_table_size(pg_catalog.to_regclass($1))";
    let row = link
        .client
        .query_typed_one(sql, &[(&bulk.sql_name(), Type::TEXT)])
        .await
        .map_err(|error| link.classify(&error))?;
    let bytes: Option<i64> = row.try_get(0).map_err(|error| link.classify(&error))?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()))
}

/// Brings the rows of that bulk table where they belong. What comes of it is written down before the COMMIT,
/// whose answer may be lost: who comes again and finds no bulk table knows by that that it came through.
///
/// # Errors
/// Transient, where it may be tried again; fatal, where somebody has to do something: the rows stay in the
/// bulk table.
pub(in crate::sink::postgres) async fn settle(
    link: &Link,
    bulk: &BulkTable,
    resolved: &Mutex<Option<Resolved>>,
) -> Result<(), SinkError> {
    let fault = |error: tokio_postgres::Error| link.classify(&error);
    let sql = "SELECT pg_catalog.to_regclass($1) IS NOT NULL, \
               (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) \
                FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $2)";
    let params = [
        (&bulk.sql_name() as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT),
        (&bulk.target, Type::OID),
    ];
    let row = link.client.query_typed_one(sql, &params).await.map_err(fault)?;
    let (there, name): (bool, Option<String>) =
        (row.try_get(0).map_err(fault)?, row.try_get(1).map_err(fault)?);
    if !there {
        return Ok(());
    }
    let found = match &name {
        Some(name) => find(link, name).await.map_err(|error| {
            let reason = Reason::new("catalog", error.to_string());
            match error {
                Error::Unavailable(_) => SinkError::Transient(TransientKind::Connection, reason),
                _ => SinkError::Fatal(reason),
            }
        })?,
        None => None,
    };
    let Some(found) = found.filter(|found| found.table.sql_name() == bulk.note.table) else {
        let message = format!(
            "{} has rows for {}, which is gone or has another name; move them to another table, or drop it",
            bulk.display_name(),
            bulk.note.table
        );
        return Err(SinkError::Fatal(Reason::new("no_table", message)));
    };
    let ending = Ending {
        link,
        bulk,
        key: found.table.key.clone(),
        columns: bulk.note.columns.clone().unwrap_or_else(|| {
            found.table.columns.iter().filter(|column| !column.generated).map(|c| c.name.clone()).collect()
        }),
        target: found.table,
    };
    if ending.key.is_empty() {
        let reason = Reason::new("no_key", "it has no key any more");
        return Err(ending.refused(&reason));
    }
    let begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
         SELECT pg_catalog.set_config('transaction_timeout', '0', true) WHERE pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL; \
         SELECT pg_catalog.set_config('synchronous_commit', 'on', true) WHERE pg_catalog.current_setting('synchronous_commit') = 'off'; \
         SELECT pg_catalog.set_config('maintenance_work_mem', '{MEMORY}', true) \
         WHERE pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < pg_catalog.pg_size_bytes('{MEMORY}'); \
         SELECT pg_catalog.set_config('work_mem', '{MEMORY}', true) \
         WHERE pg_catalog.pg_size_bytes(pg_catalog.current_setting('work_mem')) < pg_catalog.pg_size_bytes('{MEMORY}'); \
         LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE",
        bulk.sql_name()
    );
    let done = async {
        match ending.run(&begin).await {
            Ok(()) => in_transaction(&ending).await,
            Err(error) => Err(error),
        }
    };
    match done.await {
        Ok(done) => {
            *resolved.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            ending.run("COMMIT").await
        }
        Err(error) => {
            let _ = link.client.batch_execute("ROLLBACK").await;
            // Somebody else may have brought the rows in while this one waited for the lock.
            match weight(link, bulk).await {
                Ok(None) => Ok(()),
                _ => Err(error),
            }
        }
    }
}

async fn in_transaction(ending: &Ending<'_>) -> Result<Resolved, SinkError> {
    let name = ending.bulk.sql_name();
    let rows = format!("SELECT EXISTS (SELECT FROM ONLY {name})");
    let rows = ending.link.client.query_typed_one(&rows, &[]).await.and_then(|row| row.try_get::<_, bool>(0));
    if !rows.map_err(|error| ending.fault(&error))? {
        ending.run(&format!("DROP TABLE {name}")).await?;
        return Ok(Resolved::default());
    }
    let mut indexes = Index::of(ending).await?;
    let empty = format!("SELECT NOT EXISTS (SELECT FROM ONLY {})", ending.target.sql_name());
    let empty =
        ending.link.client.query_typed_one(&empty, &[]).await.and_then(|row| row.try_get::<_, bool>(0));
    let empty = empty.map_err(|error| ending.fault(&error))?;
    if !empty {
        // One of them tells whether rows have the same key.
        indexes.truncate(1);
    }
    let Built { mut resolved, built } = build(ending, &indexes).await?;
    if empty && built && swap(ending, &indexes).await? {
        return Ok(resolved);
    }
    let merged = merge(ending).await?;
    resolved.add(&merged);
    ending.run(&format!("DROP TABLE {name}")).await?;
    Ok(resolved)
}

/// The columns that two rows of one key may differ in, and how each is compared: what the row brings beside its
/// key.
pub(super) fn compared(ending: &Ending<'_>) -> Vec<(String, &'static str)> {
    ending
        .columns
        .iter()
        .filter(|name| !ending.key.contains(name))
        .filter_map(|name| {
            let column = ending.target.column(name)?;
            let cast = if column.type_.comparable() { "" } else { "::text COLLATE \"C\"" };
            Some((ident(name), cast))
        })
        .collect()
}
