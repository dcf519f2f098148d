//! The server, as those see it who do not care which store it is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::bulk;
use super::catalog::tenant::resolve_tenant;
use super::connection::blockers::too_long;
use super::connection::connect::reachable;
use super::connection::dsn::Dsn;
use super::ledger::jobs::PgJobs;
use super::ledger::messages::PgMessages;
use super::ledger::runs::PgRuns;
use super::schema::apply::{schema_apply, schema_check};
use super::schema::ddl::{schema_sql, schema_statements};
use super::schema::health::PgHealth;
use super::schema::packing::PgPacking;
use super::write::sink::{PgOptions, PgSink};
use crate::dataset::{ALL, LiveTarget, Target};
use crate::error::{Error, Result};
use crate::port::Resolved;
use crate::port::history::RunHistory;
use crate::port::jobs::JobLedger;
use crate::port::messages::Messages;
use crate::sink::erased::AnySink;
use crate::sink::health::{Answer, HealthFact, HealthQuestion};
use crate::sink::store::{
    BegunBulk, Capabilities, Comparison, Lines, OpenTable, Packing, Rehearsal, Store, TableLocation, Wanted,
};
use crate::sink::verify::Verifier;
use crate::sink::{SchemaOptions, StoreKind, answered};
use crate::text::flags::{DSN, GRANT, TENANT};

/// A URL, or keys and values, as libpq has them; or what its variables say alone.
pub const KIND: StoreKind = StoreKind {
    takes: |_| true,
    open: |text, from| {
        let dsn = Dsn::parse(Some(text)).map_err(|error| error.at(from))?;
        Ok(Arc::new(PgStore { dsn }))
    },
    ambient: || {
        super::ambient::variable().map(|_| Ok(Arc::new(PgStore { dsn: Dsn::parse(None)? }) as Arc<dyn Store>))
    },
    by_default: || None,
    stop_waiting: || {},
};

/// A database of a server.
#[derive(Debug, Clone)]
struct PgStore {
    dsn: Dsn,
}

#[async_trait]
impl Store for PgStore {
    fn shown(&self) -> String {
        self.dsn.redacted()
    }

    fn called(&self) -> &'static str {
        "PostgreSQL"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tenant_names: true, row_security: true, chunks: true, distributes: true, roles: true }
    }

    async fn reachable(&self, limit: Duration) -> Result<()> {
        answered(Some(limit), reachable(&self.dsn)).await
    }

    async fn open(&self, wanted: &Wanted<'_>, reached: &(dyn Fn() + Sync)) -> Result<Box<dyn OpenTable>> {
        let options = PgOptions {
            dsn: self.dsn.clone(),
            table: wanted.name().to_owned(),
            tenant: wanted.tenant.map(str::to_owned),
            exact: wanted.exact,
            round: wanted.round,
            on_conflict: wanted.on_conflict,
            run_id: wanted.run_id,
            statement: wanted.statement,
            newer_stays: wanted.newer_stays,
            reading: wanted.reading.clone(),
        };
        Ok(Box::new(PgSink::open_within(options, wanted.limit, reached).await?))
    }

    fn history(&self, limit: Option<Duration>) -> Result<Box<dyn RunHistory>> {
        Ok(Box::new(PgRuns::new(self.dsn.clone(), limit)?))
    }

    fn jobs(&self, limit: Option<Duration>) -> Result<Box<dyn JobLedger>> {
        Ok(Box::new(PgJobs::new(self.dsn.clone(), limit)?))
    }

    fn messages(&self, feed: &str, limit: Option<Duration>) -> Result<Option<Box<dyn Messages>>> {
        Ok(Some(Box::new(PgMessages::new(self.dsn.clone(), limit, feed)?)))
    }

    async fn tenant(&self, given: &str) -> Result<Option<String>> {
        resolve_tenant(&self.dsn, given).await.map(|id| Some(id.to_string()))
    }

    async fn locked(&self, table: &str, longest: Option<Duration>) -> Error {
        too_long(&self.dsn, table, longest).await
    }

    fn schema_sql(&self, options: &SchemaOptions) -> String {
        schema_sql(ALL, options)
    }

    fn schema_statements(&self, options: &SchemaOptions) -> Vec<String> {
        schema_statements(ALL, options)
    }

    fn schema_apply<'a>(&'a self, options: &'a SchemaOptions) -> Lines<'a> {
        Box::pin(schema_apply(&self.dsn, ALL, options))
    }

    fn schema_check<'a>(&'a self, options: &'a SchemaOptions) -> Lines<'a> {
        Box::pin(schema_check(&self.dsn, ALL, options))
    }

    async fn health(&self, asked: &HealthQuestion<'_>, tell: &mut (dyn FnMut(HealthFact) + Send)) {
        let health = match PgHealth::connect(&self.dsn).await {
            Ok(health) => health,
            Err(error) => {
                let remedy = match error {
                    Error::Unavailable(_) => self.when_away().to_owned(),
                    _ => format!(
                        "mend the connection ({DSN}, PGPASSWORD, ~/.pgpass), or what the server allows it"
                    ),
                };
                return tell(HealthFact::Unusable { error, remedy: Some(remedy) });
            }
        };
        tell(HealthFact::Answered(Answer {
            name: self.shown(),
            took: health.connected + health.round_trip,
            parts: vec![
                ("connection", "store_connect", health.connected),
                ("round trip", "store_round_trip", health.round_trip),
            ],
            product: Some(format!("PostgreSQL {}", health.version)),
            bytes: None,
            slow: "it is slow: look at the load of the server and at the network",
        }));
        tell(writable(&health));
        let names: Vec<&str> = asked.datasets.iter().map(|dataset| &*dataset.table).collect();
        tell(HealthFact::Tables {
            tables: health.tables(asked.datasets).await,
            none: format!("there is none of the tables {}", names.join(", ")),
        });
        tell(HealthFact::Ledger(health.missing_ledger().await));
        if let Some(tenant) = asked.tenant {
            let found = health.tenant(tenant, asked.datasets).await.map(|id| {
                let words = match id.to_string() == tenant.to_ascii_lowercase() {
                    true => format!("{id} is known"),
                    false => format!("{tenant} is {id}"),
                };
                (id, words)
            });
            tell(HealthFact::Tenant {
                found,
                remedy: format!("add the tenant, or mend {TENANT} (MDS_TENANT_ID)"),
            });
        }
        tell(HealthFact::Jobs(health.failing_jobs().await));
    }

    async fn begun_bulks(&self, table: Option<&str>) -> Result<Vec<BegunBulk>> {
        bulk::begun(&self.dsn, table).await
    }

    async fn finish_bulk(&self, begun: &BegunBulk) -> Result<Resolved> {
        bulk::finish_leftover(&self.dsn, begun).await
    }

    async fn packing(&self, table: &str) -> Result<Box<dyn Packing>> {
        Ok(Box::new(PgPacking::open(&self.dsn, table).await?))
    }

    fn when_away(&self) -> &'static str {
        "see that the server runs, and that this machine may connect to it"
    }
}

fn writable(health: &PgHealth) -> HealthFact {
    let (yes, words) = match (health.standby, health.read_only) {
        (true, _) => (false, "the server is a standby (in recovery) and takes no rows"),
        (false, true) => (false, "the server is read-only and takes no rows"),
        (false, false) => (true, "the server takes rows"),
    };
    let remedy = match health.standby {
        true => format!("name the primary in {DSN}, or all hosts"),
        false => {
            "turn default_transaction_read_only off, for the server, the database or the role".to_owned()
        }
    };
    HealthFact::Writable { yes, words: words.to_owned(), remedy }
}

#[async_trait]
impl OpenTable for PgSink {
    fn target(&self) -> &Target {
        Self::target(self)
    }

    fn location(&self) -> TableLocation<'_> {
        let table = self.table();
        TableLocation {
            schema: Some(&table.schema),
            name: table.name.as_str().into(),
            visible: table.visible,
        }
    }

    fn live(&self) -> Option<Arc<LiveTarget>> {
        Some(Self::live(self))
    }

    fn tenant(&self) -> Option<String> {
        Self::tenant(self).map(|id| id.to_string())
    }

    fn notes(&self) -> &[String] {
        Self::notes(self)
    }

    fn guards_newer(&self) -> bool {
        Self::guards_newer(self)
    }

    fn keeps_runs(&self) -> Result<(), String> {
        match Self::keeps_runs(self) {
            true => Ok(()),
            false => Err(format!(
                "which this role may not keep; run mdsctl schema apply {GRANT} ROLE as the owner, which makes it and lets this role write to it"
            )),
        }
    }

    fn rehearsal(&self) -> Option<Box<dyn Rehearsal>> {
        Some(Box::new(Self::rehearsal(self)))
    }

    fn comparison(&self) -> Option<Box<dyn Comparison>> {
        Some(Box::new(Self::comparison(self)))
    }

    async fn verifier(&self) -> Result<Box<dyn Verifier>> {
        Ok(Box::new(Self::verifier(self).await?))
    }

    async fn begin_bulk(&self, run: Uuid, goes_on: bool) -> Result<Result<String, String>> {
        Self::begin_bulk(self, run, goes_on).await
    }

    fn into_sink(self: Box<Self>) -> Result<AnySink> {
        Ok(AnySink::new(*self))
    }
}
