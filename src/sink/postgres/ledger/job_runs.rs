//! The `job_runs` of an existing deployment: a row of ours in it, so that its dashboards see our
//! loads. A database without that table, or with another one of that name, goes without.
//!
//! It needs no ledger: a role that may write there and keeps no history of its own has its row all the same.

use serde_json::json;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::port::history::IsAlive;
use crate::port::runs::{JobRow, RunBooks, RunEnd, RunProcess, RunScope, RunStart, RunStatus};
use crate::sink::postgres::connection::connect::{Link, to_error};
use crate::sink::postgres::connection::quoting::literal;

/// The columns that we fill; `elapsed_ms` is the table's own.
const COLUMNS: [&str; 16] = [
    "id",
    "job_name",
    "dataset_name",
    "provider",
    "mode",
    "status",
    "config_fingerprint",
    "pipeline_version",
    "rows_written",
    "rows_failed",
    "min_ts",
    "max_ts",
    "error_message",
    "metadata",
    "started_at",
    "completed_at",
];

/// Vendors that are named as the provider at most.
const MOST_VENDORS: usize = 10;

/// Opens a row; `None` where there is no such table. Rows of runs that have vanished are closed before: of the
/// one that this one goes on with, and of those whose processes are not alive.
pub(in crate::sink::postgres) async fn begin(
    link: &Link,
    start: &RunStart,
    resumed: Option<Uuid>,
    is_alive: IsAlive,
) -> Result<Option<JobRow>> {
    let failed =
        |error: tokio_postgres::Error| to_error(link.classify(&error)).at("no row is kept in job_runs");
    let names: Vec<String> = COLUMNS.iter().map(|name| format!("'{name}'")).collect();
    let sql = format!(
        "SELECT pg_catalog.count(*) FILTER (WHERE attname IN ({})) = {}, \
         pg_catalog.count(*) FILTER (WHERE attname = 'symbols' AND atttypid IN ('text[]'::pg_catalog.regtype, \
         'character varying[]'::pg_catalog.regtype)) = 1 \
         FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('job_runs') AND NOT attisdropped",
        names.join(", "),
        COLUMNS.len()
    );
    let there = link.client.query_typed_one(&sql, &[]).await.map_err(failed)?;
    let (there, symbols): (bool, bool) =
        (there.try_get(0).map_err(failed)?, there.try_get(1).map_err(failed)?);
    if !there {
        return Ok(None);
    }
    if let Some(id) = resumed {
        let sql = format!(
            "UPDATE job_runs SET status = 'failure', completed_at = pg_catalog.now(), \
             error_message = 'interrupted; resumed by run {}' \
             WHERE status = 'running' AND metadata->>'run_id' = '{id}'",
            start.run_id
        );
        link.client.batch_execute(&sql).await.map_err(failed)?;
    }
    // Whoever may not do that has its row all the same.
    if let Err(error) = bury(link, &start.process.host, is_alive).await {
        tracing::debug!("rows of runs that have vanished stay as they are in job_runs: {error}");
    }
    let metadata = json!({
        "run_id": start.run_id.to_string(),
        "command": start.command,
        "table": start.table,
        "host": start.process.host,
        "pid": start.process.pid,
        "process": start.process.mark,
        "inputs": start.inputs.len(),
    });
    // What goes on for as long as somebody delivers, and what comes to an end by itself.
    let mode = if start.command == "tail" { "live" } else { "backfill" };
    let sql = format!(
        "INSERT INTO job_runs (job_name, dataset_name, provider, mode, status, config_fingerprint, \
         pipeline_version, rows_written, rows_failed, metadata, started_at) \
         VALUES ({}, {}, {}, '{mode}', 'running', {}, {}, 0, 0, \
         pg_catalog.jsonb_set({}::jsonb, '{{last_heartbeat}}', pg_catalog.to_jsonb(pg_catalog.now())), pg_catalog.now()) RETURNING id::bigint",
        literal(&format!("mdsctl {}", start.command)),
        literal(&start.dataset),
        literal(start.provider.as_deref().unwrap_or("unknown")),
        literal(&start.fingerprint),
        literal(&format!("mdsctl {}", start.version)),
        literal(&metadata.to_string()),
    );
    let row = link.client.query_typed_one(&sql, &[]).await.map_err(failed)?;
    let id = row.try_get(0).map_err(|error| Error::internal(format!("job_runs: {error}")))?;
    Ok(Some(JobRow { id, provided: start.provider.is_some(), symbols }))
}

/// Closes the rows of runs on this machine whose processes are gone, since nobody else will.
async fn bury(link: &Link, host: &str, is_alive: IsAlive) -> Result<(), tokio_postgres::Error> {
    let sql = format!(
        "SELECT id::bigint, metadata->>'pid', metadata->>'process' FROM job_runs WHERE status = 'running' \
         AND job_name LIKE 'mdsctl %' AND metadata->>'host' = {} AND metadata->>'process' IS NOT NULL",
        literal(host)
    );
    let mut gone = Vec::new();
    for row in link.client.query_typed(&sql, &[]).await? {
        let (id, pid, mark): (i64, Option<&str>, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let pid = pid.and_then(|pid| pid.parse().ok()).unwrap_or(0);
        let process = RunProcess { host: host.to_owned(), pid, mark: Some(mark) };
        if is_alive(&process) == Some(false) {
            gone.push(id.to_string());
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE job_runs SET status = 'failure', completed_at = pg_catalog.now(), \
         error_message = 'its process has vanished' WHERE status = 'running' AND id IN ({})",
        gone.join(", ")
    );
    link.client.batch_execute(&sql).await
}

/// A sign of life.
pub(in crate::sink::postgres) fn beat(row: JobRow, books: RunBooks, scope: &RunScope) -> String {
    format!("UPDATE job_runs SET {} WHERE id = {}", state(row, books, scope), row.id)
}

/// Closes the row.
pub(in crate::sink::postgres) fn end(row: JobRow, end: &RunEnd) -> String {
    let status = match end.status {
        RunStatus::Done | RunStatus::Rejects => "success",
        RunStatus::Interrupted => "cancelled",
        RunStatus::Running | RunStatus::Stopped | RunStatus::Unavailable | RunStatus::Failed => "failure",
    };
    let error = end.error.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    format!(
        "UPDATE job_runs SET status = '{status}', completed_at = pg_catalog.now(), error_message = {error}, {} WHERE id = {}",
        state(row, end.books, &end.scope),
        row.id
    )
}

/// Runs it, in the name of the table.
pub(in crate::sink::postgres) async fn execute(link: &Link, sql: &str) -> Result<()> {
    let failed = |error: tokio_postgres::Error| to_error(link.classify(&error)).at("job_runs");
    link.client.batch_execute(sql).await.map_err(failed)
}

/// What is known by now: the counts, what the rows are about, and that there is somebody who knows.
fn state(row: JobRow, books: RunBooks, scope: &RunScope) -> String {
    let mut sql = counts(books);
    let at =
        |nanos: i64| format!("timestamptz 'epoch' + {} * interval '1 microsecond'", nanos.div_euclid(1000));
    if let Some((first, last)) = scope.span {
        sql.push_str(&format!(", min_ts = {}, max_ts = {}", at(first), at(last)));
    }
    if let Some(provider) = scope.vendors.as_deref().and_then(provider).filter(|_| !row.provided) {
        sql.push_str(&format!(", provider = {}", literal(&provider)));
    }
    let mut metadata = "coalesce(metadata, '{}'::jsonb)".to_owned();
    if row.symbols {
        match &scope.symbols {
            // Rather none than some that look like all.
            None => {
                sql.push_str(", symbols = NULL");
                metadata = format!("{metadata} || '{{\"symbols\": \"too many to be listed\"}}'::jsonb");
            }
            Some(symbols) if symbols.is_empty() => {}
            Some(symbols) => sql.push_str(&format!(", symbols = ARRAY[{}]", sorted(symbols).join(", "))),
        }
    }
    format!(
        "{sql}, metadata = pg_catalog.jsonb_set({metadata}, '{{last_heartbeat}}', pg_catalog.to_jsonb(pg_catalog.now()))"
    )
}

/// The words as literals, in the order of the alphabet. A zero byte has no place in a text of the server.
fn sorted(words: &[Box<str>]) -> Vec<String> {
    let mut words: Vec<&str> = words.iter().map(|word| &**word).filter(|word| !word.contains('\0')).collect();
    words.sort_unstable();
    words.into_iter().map(literal).collect()
}

/// Who has delivered the rows, where they say it.
fn provider(vendors: &[Box<str>]) -> Option<String> {
    let mut vendors: Vec<&str> = vendors.iter().map(|vendor| &**vendor).collect();
    vendors.retain(|vendor| !vendor.contains('\0'));
    vendors.sort_unstable();
    let more = if vendors.len() > MOST_VENDORS { ", …" } else { "" };
    vendors.truncate(MOST_VENDORS);
    (!vendors.is_empty()).then(|| format!("{}{more}", vendors.join(", ")))
}

/// Rows that are in the store with the values of the input, and rows in the dead-letter queue.
fn counts(books: RunBooks) -> String {
    let (written, failed) =
        (books.inserted + books.updated + books.unchanged, books.rejected + books.dropped);
    format!("rows_written = {written}, rows_failed = {failed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Option<Vec<Box<str>>> {
        Some(words.iter().map(|word| (*word).into()).collect())
    }

    #[test]
    fn what_the_rows_say_goes_where_there_is_a_place_for_it() {
        let row = JobRow { id: 7, provided: false, symbols: true };
        let scope = RunScope { symbols: words(&["B", "it's", "A"]), vendors: words(&["y", "x"]), span: None };
        let sql = beat(row, RunBooks::default(), &scope);
        assert!(sql.contains("symbols = ARRAY['A', 'B', 'it''s']"), "{sql}");
        assert!(sql.contains("provider = 'x, y'") && !sql.contains("min_ts"), "{sql}");
        let sql = beat(JobRow { provided: true, symbols: false, ..row }, RunBooks::default(), &scope);
        assert!(!sql.contains("provider") && !sql.contains("symbols"), "{sql}");
        let many: Vec<Box<str>> = (10..30).map(|n| n.to_string().into()).collect();
        assert_eq!(provider(&many).as_deref(), Some("10, 11, 12, 13, 14, 15, 16, 17, 18, 19, …"));
        let sql = beat(row, RunBooks::default(), &RunScope { symbols: None, ..scope });
        assert!(sql.contains("symbols = NULL") && sql.contains("too many to be listed"), "{sql}");
    }
}
