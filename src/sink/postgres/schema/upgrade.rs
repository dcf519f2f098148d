//! Tables of an earlier version, whose key lacks a column: given the new key where they stand.
//!
//! A plain table is changed step by step, each a transaction of its own that looks at what there is, so
//! that whatever interrupts it, the next run goes on: nulls of the column become the empty text, some
//! pages at a time; the new key's index is built while others read and write; then, under a lock that
//! nobody may hold for long, the rows that came in between follow, and one key takes the other's place.
//! Before that the table has the old key and takes rows by it, after that the new one.
//!
//! A hypertable, a partitioned table, and one whose row-level security binds us cannot have an index
//! built so, or hide rows from us: they are changed in one transaction, for which others wait.

use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::Type;

use crate::dataset::{Dataset, Derivation};
use crate::error::{Error, Result};
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::connection::quoting::{ident, idents, literal};
use crate::sink::postgres::schema::apply::{ask, failed, run};
use crate::sink::postgres::schema::ddl::SCHEMA_VERSION;
use crate::sink::postgres::schema::timescale::{Edition, Hypertable};

/// Pages that are changed in one transaction.
const PAGES: i64 = 4096;

/// The first server that finds rows by their page.
const BY_PAGE: i32 = 140_000;

/// Pause before a lock is tried for again, so that those who wait behind us come first.
const PAUSE: Duration = Duration::from_millis(500);

/// Attempts to change rows that others insert at the same time.
const ATTEMPTS: u32 = 20;

/// The table's key, to be changed.
pub(in crate::sink::postgres) struct Upgrade<'a> {
    pub link: &'a Link,
    pub dataset: &'a Dataset,
    pub table: &'a Table,
    /// Columns that the key lacks.
    pub missing: Vec<&'static str>,
    pub edition: Edition,
}

/// What became of rows on the way.
#[derive(Debug, Default)]
struct Changed {
    rows: u64,
    again: u64,
}

impl Upgrade<'_> {
    /// Gives the table the new key. Returns what to report.
    ///
    /// # Errors
    /// Usage, for a table whose key cannot be changed; unavailable, if the server goes away.
    pub async fn apply(&self) -> Result<Vec<String>> {
        let name = &*self.dataset.table;
        let constraint = self.primary_key().await?;
        let plain = !self.table.partitioned && !self.table.hypertable && !self.table.security.binds;
        let mut changed = Changed::default();
        if plain {
            self.step_by_step(&constraint, &mut changed).await?;
        } else {
            self.at_once(&constraint, &mut changed).await?;
        }
        let mut report = vec![format!("{name}: key is now ({})", self.dataset.key.join(", "))];
        if changed.again > 0 {
            report.push(format!(
                "{name}: {} rows that had been loaded again since, under the ids of this version, are there once",
                changed.again
            ));
        }
        Ok(report)
    }

    async fn step_by_step(&self, constraint: &str, changed: &mut Changed) -> Result<()> {
        let table = self.table.sql_name();
        let index = format!("{}_mds_key", self.table.name);
        let statements = self.column_statements();
        if !statements.is_empty() {
            self.locked(changed, async |_| {
                for sql in &statements {
                    self.unless_used(sql).await?;
                }
                Ok(())
            })
            .await?;
        }
        self.fill(changed).await?;

        let unlimited =
            ask(self.link, "SELECT pg_catalog.current_setting('statement_timeout') = '0'").await?;
        if !unlimited {
            run(self.link, "SET statement_timeout = 0").await?;
        }
        let built = self.build(&index).await;
        if !unlimited {
            run(self.link, "RESET statement_timeout").await?;
        }
        built?;

        self.locked(changed, async |changed| {
            self.change(None, changed).await?;
            for name in &self.missing {
                run(self.link, &format!("ALTER TABLE {table} ALTER COLUMN {} SET NOT NULL", ident(name)))
                    .await?;
            }
            let swap = format!(
                "ALTER TABLE {table} DROP CONSTRAINT {0}, ADD CONSTRAINT {0} PRIMARY KEY USING INDEX {1}",
                ident(constraint),
                ident(&index)
            );
            run(self.link, &swap).await?;
            self.record().await
        })
        .await
    }

    async fn at_once(&self, constraint: &str, changed: &mut Changed) -> Result<()> {
        let table = self.table.sql_name();
        let hypertable = match self.edition {
            Edition::None => None,
            _ => Hypertable::read(self.link, &self.dataset.table).await?,
        };
        self.locked(changed, async |changed| {
            run(self.link, "SET LOCAL statement_timeout = 0").await?;
            if let Some(refusal) = self.compressed_chunks(hypertable.is_some()).await? {
                return Err(refusal);
            }
            let compressed = hypertable.as_ref().filter(|hypertable| hypertable.is_compressed());
            if compressed.is_some() {
                run(self.link, &format!("ALTER TABLE {table} SET (timescaledb.compress = false)")).await?;
            }
            let forced = self.table.security.binds && self.table.security.forced;
            if forced {
                run(self.link, &format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")).await?;
                if ask(self.link, &format!("SELECT pg_catalog.row_security_active({}::regclass)", literal(&table))).await? {
                    return Err(Error::usage(format!(
                        "row-level security hides rows of {} from this role, so that its key cannot be changed: run \
                         mdsctl schema apply as the owner of the table",
                        self.dataset.table
                    )));
                }
            }
            for sql in self.column_statements() {
                self.unless_used(&sql).await?;
            }
            self.change(None, changed).await?;
            for name in &self.missing {
                run(self.link, &format!("ALTER TABLE {table} ALTER COLUMN {} SET NOT NULL", ident(name))).await?;
            }
            run(self.link, &format!("ALTER TABLE {table} DROP CONSTRAINT {}", ident(constraint))).await?;
            let add = format!(
                "ALTER TABLE {table} ADD CONSTRAINT {} PRIMARY KEY ({})",
                ident(constraint),
                idents(self.dataset.key.iter())
            );
            run(self.link, &add).await?;
            if let Some(hypertable) = compressed {
                run(self.link, &hypertable.compressed_again(self.dataset, &self.table.key, &self.missing)).await?;
            }
            if forced {
                run(self.link, &format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY")).await?;
            }
            self.record().await
        })
        .await
    }

    /// Why the key cannot be changed, where chunks are compressed.
    async fn compressed_chunks(&self, hypertable: bool) -> Result<Option<Error>> {
        if !hypertable || self.edition != Edition::Community {
            return Ok(None);
        }
        let compressed = format!(
            "SELECT EXISTS (SELECT FROM timescaledb_information.chunks WHERE is_compressed \
             AND hypertable_schema = {} AND hypertable_name = {})",
            literal(&self.table.schema),
            literal(&self.table.name)
        );
        let name = &self.dataset.table;
        Ok(ask(self.link, &compressed).await?.then(|| {
            Error::usage(format!(
                "{name} has compressed chunks, and TimescaleDB changes no key of those: unpack them \
                 (SELECT decompress_chunk(chunk, true) FROM show_chunks('{name}') AS chunk), then run mdsctl schema apply \
                 again; the job that compresses them will do so again"
            ))
        }))
    }

    /// Name of the primary key.
    async fn primary_key(&self) -> Result<String> {
        let table = self.table.sql_name();
        let sql = format!(
            "SELECT conname::text FROM pg_catalog.pg_constraint WHERE contype = 'p' AND conrelid = {}::regclass",
            literal(&table)
        );
        let row = self.link.client.query_typed_opt(&sql, &[]).await.map_err(|e| failed(self.link, &e))?;
        let name = row.map(|row| row.try_get(0)).transpose().map_err(|e| failed(self.link, &e))?;
        name.ok_or_else(|| {
            Error::usage(format!(
                "the key of {} is an index and no primary key, and is left as it is: make it the primary key, then run \
                 mdsctl schema apply again",
                self.dataset.table
            ))
        })
    }

    /// What makes the columns that the key lacks ready to be in it. Each may be refused where a view uses
    /// the column, which does no harm.
    fn column_statements(&self) -> Vec<String> {
        let table = self.table.sql_name();
        let mut statements = Vec::new();
        for name in &self.missing {
            let column = ident(name);
            if self.table.column(name).is_some_and(|column| column.default.is_none()) {
                statements.push(format!("ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT ''"));
                statements.push(format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE text COLLATE \"C\""));
            }
        }
        statements
    }

    /// Runs a statement in a transaction; one that cannot be done to a column that others use is left
    /// out.
    async fn unless_used(&self, sql: &str) -> Result<()> {
        run(self.link, "SAVEPOINT mds_column").await?;
        match self.link.client.batch_execute(sql).await {
            Ok(()) => Ok(()),
            Err(error) if matches!(code(&error), "0A000" | "42P16") => {
                run(self.link, "ROLLBACK TO SAVEPOINT mds_column").await
            }
            Err(error) => Err(failed(self.link, &error)),
        }
    }

    /// Changes the rows that are there, some pages at a time.
    async fn fill(&self, changed: &mut Changed) -> Result<()> {
        let table = self.table.sql_name();
        let pages = format!(
            "SELECT pg_catalog.pg_relation_size({}::regclass) / pg_catalog.current_setting('block_size')::int8",
            literal(&table)
        );
        let row = self.link.client.query_typed_one(&pages, &[]).await.map_err(|e| failed(self.link, &e))?;
        let pages: i64 = row.try_get(0).map_err(|e| failed(self.link, &e))?;
        let step = if self.table.server_version < BY_PAGE { pages.max(1) } else { PAGES };
        let mut from = 0;
        while from < pages {
            let range = Some((from, from + step));
            let mut attempts = 0;
            loop {
                run(self.link, "BEGIN").await?;
                let mut here = Changed::default();
                match self.change(range, &mut here).await {
                    Ok(()) => {
                        run(self.link, "COMMIT").await?;
                        changed.rows += here.rows;
                        changed.again += here.again;
                        break;
                    }
                    // Another one is at these rows.
                    Err(Error::Unavailable(_)) if attempts < ATTEMPTS => attempts += 1,
                    Err(other) => return Err(other),
                }
                run(self.link, "ROLLBACK").await?;
                tokio::time::sleep(PAUSE).await;
            }
            from += step;
        }
        Ok(())
    }

    /// Gives rows what the new key needs of them, in a transaction that is open: those of some pages, or
    /// all.
    async fn change(&self, pages: Option<(i64, i64)>, changed: &mut Changed) -> Result<()> {
        let table = self.table.sql_name();
        let range = pages.map_or(String::new(), |(from, to)| {
            format!(" AND o.ctid >= '({from},0)'::tid AND o.ctid < '({to},0)'::tid")
        });
        let mut set: Vec<String> =
            self.missing.iter().map(|name| format!("{0} = coalesce(o.{0}, '')", ident(name))).collect();
        let mut due: Vec<String> =
            self.missing.iter().map(|name| format!("o.{} IS NULL", ident(name))).collect();
        if self.dataset.columns.iter().any(|c| matches!(c.derive, Some(Derivation::Article { .. }))) {
            // Rows that this version has stored beside those of the earlier one are newer.
            let same: Vec<String> = self
                .table
                .key
                .iter()
                .map(|name| match name.as_str() {
                    "id" => format!("n.id = {NEW_ID}"),
                    name => format!("n.{0} = o.{0}", ident(name)),
                })
                .collect();
            let again = format!(
                "DELETE FROM {table} AS o WHERE {DERIVED} AND EXISTS (SELECT FROM {table} AS n WHERE {}){range}",
                same.join(" AND ")
            );
            changed.again += self.execute(&again).await?;
            set.push(format!("id = CASE WHEN {DERIVED} THEN {NEW_ID} ELSE o.id END"));
            due.push(DERIVED.to_owned());
        }
        let update =
            format!("UPDATE {table} AS o SET {} WHERE ({}){range}", set.join(", "), due.join(" OR "));
        changed.rows += self.execute(&update).await?;
        Ok(())
    }

    /// Rows that a statement has changed. What others do at the same time may refuse it: then it may be
    /// tried again.
    async fn execute(&self, sql: &str) -> Result<u64> {
        let none: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[];
        self.link.client.execute_typed(sql, none).await.map_err(|error| match code(&error) {
            "23505" => Error::unavailable(format!(
                "rows of {} are being loaded at the same time; run mdsctl schema apply again",
                self.dataset.table
            )),
            _ => failed(self.link, &error),
        })
    }

    /// Builds the index of the new key while others read and write.
    async fn build(&self, index: &str) -> Result<()> {
        let table = self.table.sql_name();
        // One that an interrupted run has left may still be in the making: this waits for it.
        self.locked_as("SHARE UPDATE EXCLUSIVE", &mut Changed::default(), async |_| Ok(())).await?;
        let place = format!("{}.{}", ident(&self.table.schema), ident(index));
        let state = format!(
            "SELECT coalesce((SELECT i.indisvalid AND i.indisunique FROM pg_catalog.pg_index i \
             WHERE i.indexrelid = pg_catalog.to_regclass({})), false)",
            literal(&place)
        );
        if ask(self.link, &state).await? {
            return Ok(());
        }
        run(self.link, &format!("DROP INDEX CONCURRENTLY IF EXISTS {place}")).await?;
        let create = format!(
            "CREATE UNIQUE INDEX CONCURRENTLY {} ON {table} ({})",
            ident(index),
            idents(self.dataset.key.iter())
        );
        run(self.link, &create).await
    }

    async fn record(&self) -> Result<()> {
        let record = format!(
            "INSERT INTO mds_schema (table_name, version) VALUES ({}, {SCHEMA_VERSION}) \
             ON CONFLICT (table_name) DO UPDATE SET version = excluded.version, applied_at = pg_catalog.now()",
            literal(&self.dataset.table)
        );
        run(self.link, &record).await
    }

    /// A transaction that has the table for itself.
    async fn locked(
        &self,
        changed: &mut Changed,
        work: impl AsyncFn(&mut Changed) -> Result<()>,
    ) -> Result<()> {
        self.locked_as("ACCESS EXCLUSIVE", changed, work).await
    }

    /// A transaction under a lock of the table. It is not waited for at length, since others would have
    /// to wait behind us.
    async fn locked_as(
        &self,
        mode: &str,
        changed: &mut Changed,
        work: impl AsyncFn(&mut Changed) -> Result<()>,
    ) -> Result<()> {
        let table = self.table.sql_name();
        let lock = format!(
            "BEGIN; SET LOCAL lock_timeout = '2s'; LOCK TABLE {table} IN {mode} MODE; SET LOCAL lock_timeout = 0"
        );
        let mut told = false;
        loop {
            match self.link.client.batch_execute(&lock).await {
                Ok(()) => break,
                Err(error) if matches!(code(&error), "55P03" | "40P01") => {
                    if !told {
                        tracing::warn!("waiting for others to be done with {}", self.dataset.table);
                        told = true;
                    }
                    run(self.link, "ROLLBACK").await?;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(failed(self.link, &error)),
            }
        }
        match work(changed).await {
            Ok(()) => run(self.link, "COMMIT").await,
            Err(error) => {
                // The first error is the one to report.
                let _ = self.link.client.batch_execute("ROLLBACK").await;
                Err(error)
            }
        }
    }
}

/// Whether the id of a row `o` was made of its article alone, as it was in the earlier version.
const DERIVED: &str = "substr(o.id::text, 15, 1) = '5'";

/// What it is made of in this one: [`article_id`](crate::dataset::articles::article_id) in SQL.
const NEW_ID: &str = "(SELECT overlay(overlay(left(encode(d, 'hex'), 32) placing '8' from 13 for 1) \
    placing substr('89ab', ((get_byte(d, 8) >> 4) & 3) + 1, 1) from 17 for 1)::uuid \
    FROM (SELECT sha256(uuid_send(o.id) || convert_to(o.vendor, 'UTF8') || decode('1f', 'hex') \
    || convert_to(coalesce(o.symbol, ''), 'UTF8')) AS d) AS hashed)";

fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("", tokio_postgres::error::SqlState::code)
}

/// Holds the lock that lets one `schema apply` wait for another while the steps commit one by one: in a
/// transaction of a connection of its own, which has no snapshot. One that waits has none either, since
/// the building of an index waits for all.
///
/// # Errors
/// Unavailable, if the server is.
pub(in crate::sink::postgres) async fn hold(link: &Link, lock: i64) -> Result<()> {
    run(link, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0").await?;
    // By the simple protocol, which leaves no portal behind that would keep its snapshot.
    let ask = format!("SELECT pg_catalog.pg_try_advisory_xact_lock({lock})");
    loop {
        let answers = link.client.simple_query(&ask).await.map_err(|error| failed(link, &error))?;
        let held = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
            _ => false,
        };
        if answers.iter().any(held) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
