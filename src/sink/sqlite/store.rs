//! The embedded store, as those see it who do not care which it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::comparison::SqliteComparison;
use super::messages::SqliteMessages;
use super::verify::SqliteVerifier;
use super::{SqliteHealth, SqliteOptions, SqliteRuns, SqliteSink, schema, stop_waiting};
use crate::dataset::{self, LiveTarget, Target};
use crate::error::{Error, Result};
use crate::port::history::RunHistory;
use crate::port::messages::Messages;
use crate::settings;
use crate::sink::erased::AnySink;
use crate::sink::health::{Answer, HealthFact, HealthQuestion, TableHealth};
use crate::sink::store::{Capabilities, Comparison, Lines, OpenTable, Store, TableLocation, Wanted};
use crate::sink::verify::Verifier;
use crate::sink::{SchemaOptions, StoreKind};
use crate::text::flags::{DRY_RUN, DSN, TABLE};

/// `sqlite:PATH`, and the file that is taken where nothing names a store.
pub const KIND: StoreKind = StoreKind {
    takes: |text| text.starts_with("sqlite:"),
    open: |text, _| {
        let path = text.strip_prefix("sqlite:").unwrap_or(text);
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(Error::usage("sqlite: names no file; write for instance sqlite:mds.db"));
        }
        Ok(Arc::new(SqliteStore { path: path.into() }))
    },
    ambient: || None,
    by_default: || Some(Arc::new(SqliteStore { path: "mds.db".into() })),
    stop_waiting,
};

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SqliteStore {
    path: PathBuf,
}

/// A table of it; without a sink where the file is only planned.
struct SqliteTable {
    target: Target,
    live: Option<Arc<LiveTarget>>,
    tenant: Option<String>,
    sink: Option<SqliteSink>,
    path: PathBuf,
    exact: bool,
}

#[async_trait]
impl Store for SqliteStore {
    fn shown(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn place(&self) -> String {
        format!("sqlite:{}", settings::place(&self.path).display())
    }

    fn called(&self) -> &'static str {
        "the embedded store"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn open(&self, wanted: &Wanted<'_>, _: &(dyn Fn() + Sync)) -> Result<Box<dyn OpenTable>> {
        let (path, tenant) = (&self.path, wanted.tenant.map(str::to_owned));
        if wanted.run_id.is_none() && (wanted.table.is_none() || !path.exists()) {
            let target = wanted.dataset.map(schema::planned).ok_or_else(|| {
                let why =
                    format!("{DRY_RUN} with {TABLE} needs a store that has the table: name one with {DSN}");
                Error::usage(why)
            })?;
            let path = path.clone();
            return Ok(Box::new(SqliteTable {
                target,
                live: None,
                tenant,
                sink: None,
                path,
                exact: wanted.exact,
            }));
        }
        let options = SqliteOptions {
            exact: wanted.exact,
            on_conflict: wanted.on_conflict,
            run_id: wanted.run_id,
            newer_stays: wanted.newer_stays,
        };
        let sink = match (wanted.table, wanted.dataset) {
            (Some(table), _) => SqliteSink::open_table(path, table, options)?,
            (None, Some(dataset)) => SqliteSink::open(path, dataset, options)?,
            (None, None) => return Err(Error::internal("no dataset and no table")),
        };
        let (target, live) = (sink.target().clone(), Some(sink.live()));
        Ok(Box::new(SqliteTable {
            target,
            live,
            tenant,
            sink: Some(sink),
            path: path.clone(),
            exact: wanted.exact,
        }))
    }

    fn history(&self, _: Option<Duration>) -> Result<Box<dyn RunHistory>> {
        Ok(Box::new(SqliteRuns::new(&self.path)))
    }

    fn messages(&self, feed: &str, _: Option<Duration>) -> Result<Option<Box<dyn Messages>>> {
        Ok(Some(Box::new(SqliteMessages::new(&self.path, feed))))
    }

    fn schema_sql(&self, _: &SchemaOptions) -> String {
        schema::show(dataset::ALL)
    }

    fn schema_statements(&self, _: &SchemaOptions) -> Vec<String> {
        schema::statements(dataset::ALL)
    }

    fn schema_apply<'a>(&'a self, _: &'a SchemaOptions) -> Lines<'a> {
        Box::pin(async { schema::apply(&self.path) })
    }

    fn schema_check<'a>(&'a self, _: &'a SchemaOptions) -> Lines<'a> {
        Box::pin(async { schema::check(&self.path) })
    }

    async fn health(&self, asked: &HealthQuestion<'_>, tell: &mut (dyn FnMut(HealthFact) + Send)) {
        let (path, datasets) = (self.path.clone(), asked.datasets.to_vec());
        let found =
            spawn_blocking(move || SqliteHealth::of(&path, &datasets)).await.unwrap_or_else(|broken| {
                Err(Error::internal(format!("the store cannot be looked at: {broken}")))
            });
        match found {
            Ok(Some(health)) => told(&self.path, health, asked.tenant).into_iter().for_each(tell),
            Ok(None) => tell(HealthFact::Missing(self.path.display().to_string())),
            Err(error) => {
                let remedy = matches!(error, Error::Unavailable(_)).then(|| self.when_away().to_owned());
                tell(HealthFact::Unusable { error, remedy });
            }
        }
    }

    fn when_away(&self) -> &'static str {
        "see which process holds it, and whether the disk is well"
    }
}

/// What was found, fact by fact.
fn told(path: &Path, health: SqliteHealth, tenant: Option<&str>) -> Vec<HealthFact> {
    let name = path.display().to_string();
    let words = match health.writable {
        true => "the file takes rows".to_owned(),
        false => format!("{name} or its directory may not be written to"),
    };
    let tables = health.tables.into_iter();
    let tables = tables.map(|(table, differences)| TableHealth { table, differences, ours: Some(true) });
    let mut facts = vec![
        HealthFact::Answered(Answer {
            name,
            took: health.took,
            parts: Vec::new(),
            product: None,
            bytes: Some(health.bytes),
            slow: "it is slow: look at the disk that holds it",
        }),
        HealthFact::Writable {
            yes: health.writable,
            words,
            remedy: "mend the permissions of both, or run it as the owner".to_owned(),
        },
    ];
    facts.extend(health.newer.map(HealthFact::Newer));
    facts.push(HealthFact::Tables {
        tables: Ok(tables.collect()),
        // The first load makes them.
        none: "there are no tables of datasets yet".to_owned(),
    });
    facts.push(HealthFact::Ledger(Ok(if health.ledger { Vec::new() } else { vec!["mds_runs"] })));
    facts.extend(tenant.map(|tenant| HealthFact::Tenant {
        found: Uuid::try_parse(tenant).map(|id| (id, id.to_string())).map_err(|_| {
            Error::usage(format!("{tenant} is not a UUID, and the embedded store knows no names of tenants"))
        }),
        remedy: "give the tenant's UUID".to_owned(),
    }));
    facts
}

#[async_trait]
impl OpenTable for SqliteTable {
    fn target(&self) -> &Target {
        &self.target
    }

    fn location(&self) -> TableLocation<'_> {
        TableLocation { schema: None, name: self.target.table.to_ascii_lowercase().into(), visible: true }
    }

    fn live(&self) -> Option<Arc<LiveTarget>> {
        self.live.clone()
    }

    fn tenant(&self) -> Option<String> {
        self.tenant.clone()
    }

    fn guards_newer(&self) -> bool {
        self.sink.as_ref().is_some_and(SqliteSink::guards_newer)
    }

    fn keeps_runs(&self) -> Result<(), String> {
        Ok(())
    }

    fn comparison(&self) -> Option<Box<dyn Comparison>> {
        Some(Box::new(SqliteComparison::new(&self.path, &self.target.table)))
    }

    async fn verifier(&self) -> Result<Box<dyn Verifier>> {
        Ok(Box::new(SqliteVerifier::open(&self.path, &self.target.table, self.exact)?))
    }

    fn into_sink(self: Box<Self>) -> Result<AnySink> {
        let planned = || Error::internal("there is no file to write to");
        self.sink.map(AnySink::new).ok_or_else(planned)
    }
}
