//! The `job_runs` of an existing deployment: a row of ours in it, so that its dashboards see our
//! loads. A database without that table, or with another one of that name, goes without.

use serde_json::json;
use uuid::Uuid;

use super::connect::{Link, to_error};
use super::names::literal;
use crate::error::{Error, Result};
use crate::port::runs::{RunBooks, RunEnd, RunStart, RunStatus};

/// The columns that we fill; `elapsed_ms` is the table's own.
const COLUMNS: [&str; 14] = [
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
    "error_message",
    "metadata",
    "started_at",
    "completed_at",
];

/// Opens a row; `None` where there is no such table.
pub(super) async fn begin(link: &Link, start: &RunStart, resumed: Option<Uuid>) -> Result<Option<i64>> {
    let failed =
        |error: tokio_postgres::Error| to_error(link.classify(&error)).at("no row is kept in job_runs");
    let names: Vec<String> = COLUMNS.iter().map(|name| format!("'{name}'")).collect();
    let sql = format!(
        "SELECT pg_catalog.count(*) = {} FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('job_runs') \
         AND NOT attisdropped AND attname IN ({})",
        COLUMNS.len(),
        names.join(", ")
    );
    let there: bool =
        link.client.query_typed_one(&sql, &[]).await.map_err(failed)?.try_get(0).map_err(failed)?;
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
    let metadata = json!({
        "run_id": start.run_id.to_string(),
        "command": start.command,
        "table": start.table,
        "host": start.process.host,
        "pid": start.process.pid,
        "inputs": start.inputs.len(),
    });
    let sql = format!(
        "INSERT INTO job_runs (job_name, dataset_name, provider, mode, status, config_fingerprint, \
         pipeline_version, rows_written, rows_failed, metadata, started_at) \
         VALUES ({}, {}, {}, 'backfill', 'running', {}, {}, 0, 0, \
         pg_catalog.jsonb_set({}::jsonb, '{{last_heartbeat}}', pg_catalog.to_jsonb(pg_catalog.now())), pg_catalog.now()) RETURNING id::bigint",
        literal(&format!("mdsctl {}", start.command)),
        literal(&start.dataset),
        literal(start.provider.as_deref().unwrap_or("unknown")),
        literal(&start.fingerprint),
        literal(&format!("mdsctl {}", start.version)),
        literal(&metadata.to_string()),
    );
    let row = link.client.query_typed_one(&sql, &[]).await.map_err(failed)?;
    row.try_get(0).map(Some).map_err(|error| Error::Internal(format!("job_runs: {error}")))
}

/// A sign of life.
pub(super) fn beat(id: i64, books: RunBooks) -> String {
    format!(
        "UPDATE job_runs SET {}, metadata = pg_catalog.jsonb_set(coalesce(metadata, '{{}}'::jsonb), \
         '{{last_heartbeat}}', pg_catalog.to_jsonb(pg_catalog.now())) WHERE id = {id};",
        counts(books)
    )
}

/// Closes the row.
pub(super) fn end(id: i64, end: &RunEnd) -> String {
    let status = match end.status {
        RunStatus::Done | RunStatus::Rejects => "success",
        RunStatus::Interrupted => "cancelled",
        RunStatus::Running | RunStatus::Stopped | RunStatus::Unavailable | RunStatus::Failed => "failure",
    };
    let error = end.error.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    let at =
        |nanos: i64| format!("timestamptz 'epoch' + {} * interval '1 microsecond'", nanos.div_euclid(1000));
    let span = end
        .span
        .map_or_else(String::new, |(first, last)| format!("min_ts = {}, max_ts = {},", at(first), at(last)));
    format!(
        "UPDATE job_runs SET status = '{status}', completed_at = pg_catalog.now(), error_message = {error}, {span} {}, \
         metadata = pg_catalog.jsonb_set(coalesce(metadata, '{{}}'::jsonb), '{{last_heartbeat}}', pg_catalog.to_jsonb(pg_catalog.now())) \
         WHERE id = {id}",
        counts(end.books)
    )
}

/// Rows that are in the store with the values of the input, and rows in the dead-letter queue.
fn counts(books: RunBooks) -> String {
    let (written, failed) =
        (books.inserted + books.updated + books.unchanged, books.rejected + books.dropped);
    format!("rows_written = {written}, rows_failed = {failed}")
}
