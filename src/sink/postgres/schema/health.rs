//! How well a database is, for whoever watches over it. Reads only.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::dataset::Dataset;
use crate::error::Result;
use crate::sink::SchemaOptions;
use crate::sink::health::{FailingJob, TableHealth};
use crate::sink::postgres::catalog::describe;
use crate::sink::postgres::catalog::tenant::{expect_tenant, find_tenant};
use crate::sink::postgres::connection::connect::{Connector, Link, to_error};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::connection::quoting::literal;
use crate::sink::postgres::schema::apply::{ask, differences};
use crate::sink::postgres::schema::timescale::Edition;

/// A database that has answered.
pub struct PgHealth {
    link: Link,
    /// Time that the connection took.
    pub connected: Duration,
    /// Time from a question to its answer.
    pub round_trip: Duration,
    /// Version of the server.
    pub version: String,
    /// Whether it follows another server.
    pub standby: bool,
    /// Whether it takes no rows for another reason.
    pub read_only: bool,
}

/// Jobs whose last run has failed.
const FAILING: &str = "\
SELECT j.job_id::int8, coalesce(j.application_name::text, j.proc_name::text), j.hypertable_name::text,
       coalesce(s.total_failures, 0)::int8
FROM timescaledb_information.jobs j JOIN timescaledb_information.job_stats s ON s.job_id = j.job_id
WHERE s.last_run_status = 'Failed' ORDER BY 1";

impl PgHealth {
    /// Connects, and asks what answers what it is.
    ///
    /// # Errors
    /// Usage for what the user can mend, unavailable if the server is.
    pub async fn connect(dsn: &Dsn) -> Result<Self> {
        let start = Instant::now();
        let link = Connector::new(dsn.clone())?.connect().await.map_err(to_error)?;
        let connected = start.elapsed();
        let sql = "SELECT pg_catalog.pg_is_in_recovery(), \
                   pg_catalog.current_setting('transaction_read_only') = 'on', \
                   pg_catalog.current_setting('server_version')";
        let start = Instant::now();
        let row = link.client.query_typed_one(sql, &[]).await.map_err(|e| to_error(link.classify(&e)))?;
        let round_trip = start.elapsed();
        let failed = |error: tokio_postgres::Error| to_error(link.classify(&error));
        let (standby, read_only, version) = (
            row.try_get(0).map_err(failed)?,
            row.try_get(1).map_err(failed)?,
            row.try_get::<_, String>(2).map_err(failed)?,
        );
        // Without what the distribution adds to it.
        let version = version.split(' ').next().unwrap_or_default().to_owned();
        Ok(Self { link, connected, round_trip, version, standby, read_only })
    }

    /// The tables of those datasets that are there.
    ///
    /// # Errors
    /// Unavailable, if the server is.
    pub async fn tables(&self, datasets: &[Dataset]) -> Result<Vec<TableHealth>> {
        let edition = Edition::of(&self.link).await?;
        let ours = self.recorded().await?;
        let mut tables = Vec::new();
        for dataset in datasets {
            let found = differences(&self.link, dataset, edition, &SchemaOptions::default()).await?;
            if let Some(differences) = found {
                let table = dataset.table.to_string();
                let ours = ours.as_ref().map(|ours| ours.contains(&table));
                tables.push(TableHealth { table, differences, ours });
            }
        }
        Ok(tables)
    }

    /// The tables that `schema apply` has made; `None` where we may not know.
    async fn recorded(&self) -> Result<Option<Vec<String>>> {
        if !self.has("mds_schema").await? {
            return Ok(Some(Vec::new()));
        }
        if !ask(&self.link, "SELECT pg_catalog.has_table_privilege('mds_schema', 'SELECT')").await? {
            return Ok(None);
        }
        let failed = |error: tokio_postgres::Error| to_error(self.link.classify(&error));
        let rows = self.link.client.query_typed("SELECT table_name::text FROM mds_schema", &[]).await;
        let names = rows.map_err(failed)?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>();
        names.map(Some).map_err(failed)
    }

    async fn has(&self, table: &str) -> Result<bool> {
        ask(&self.link, &format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", literal(table))).await
    }

    /// Tables of the ledger that are missing.
    ///
    /// # Errors
    /// Unavailable, if the server is.
    pub async fn missing_ledger(&self) -> Result<Vec<&'static str>> {
        let mut missing = Vec::new();
        for table in ["mds_runs", "mds_checkpoints"] {
            if !self.has(table).await? {
                missing.push(table);
            }
        }
        Ok(missing)
    }

    /// Resolves a tenant, and sees that the tables of those datasets take rows of it.
    ///
    /// # Errors
    /// Usage, if there is no such tenant; unavailable, if the server is.
    pub async fn tenant(&self, tenant: &str, datasets: &[Dataset]) -> Result<Uuid> {
        let id = find_tenant(&self.link, tenant).await?;
        for dataset in datasets {
            if let Some(found) = describe::find(&self.link, &dataset.table).await? {
                expect_tenant(&self.link, &found.table, id).await?;
            }
        }
        Ok(id)
    }

    /// Jobs of TimescaleDB whose last run has failed; `None` where it is not installed.
    ///
    /// # Errors
    /// Unavailable, if the server is; usage, if we may not know.
    pub async fn failing_jobs(&self) -> Result<Option<Vec<FailingJob>>> {
        let installed = "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'timescaledb')";
        if !ask(&self.link, installed).await? {
            return Ok(None);
        }
        let failed = |error: tokio_postgres::Error| {
            to_error(self.link.classify(&error)).at("the jobs of TimescaleDB cannot be looked at")
        };
        let rows = self.link.client.query_typed(FAILING, &[]).await.map_err(failed)?;
        let mut jobs = Vec::new();
        for row in &rows {
            let id: i64 = row.try_get(0).map_err(failed)?;
            jobs.push(FailingJob {
                id,
                name: row.try_get(1).map_err(failed)?,
                table: row.try_get(2).map_err(failed)?,
                failures: row.try_get(3).map_err(failed)?,
                error: self.last_error(id).await,
            });
        }
        Ok(Some(jobs))
    }

    /// The last error of a job. Older versions do not keep it, and not everybody may see it.
    async fn last_error(&self, job: i64) -> Option<String> {
        let sql = format!(
            "SELECT err_message::text FROM timescaledb_information.job_errors \
             WHERE job_id = {job} ORDER BY finish_time DESC LIMIT 1"
        );
        self.link.client.query_typed_opt(&sql, &[]).await.ok()??.try_get(0).ok()?
    }
}
