//! `mdsctl health`: asks the store, the dead-letter queues and a running instance how they are.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::app::health::{
    Finding, Latency, Limits, Report, Status, ask, look, of_postgres, of_sqlite, unanswered, unread,
};
use crate::cli::args::{GlobalArgs, HealthArgs};
use crate::cli::exit::Exit;
use crate::cli::store::Store;
use crate::cli::{print, voice};
use crate::dataset::ALL;
use crate::error::{Error, Result};
use crate::settings::Secret;
use crate::sink::postgres::{Dsn, PgHealth};
use crate::sink::sqlite::SqliteHealth;
use crate::telemetry::client::Endpoint;

/// Port of an instance, where its URL names none.
const HTTP: u16 = 80;

/// Runs it.
pub fn run(global: &GlobalArgs, args: &HealthArgs) -> Result<Exit> {
    let report = match examine(args) {
        Ok(report) => report,
        // Whoever watches reads standard output, and 2 would be an alarm.
        Err(error) => Finding::new("usage", Status::Unknown, error.to_string()).into(),
    };
    print(&match global.json {
        true => voice::result(report.json()),
        false => report.text(global.quiet),
    })?;
    Ok(Exit::of_monitor(report.status().code()))
}

/// The same for a command line or a configuration that cannot be followed.
pub fn misread(why: &str, json: bool) -> Exit {
    let report = Report::from(Finding::new("usage", Status::Unknown, why.trim_end()));
    // Nobody is left to be told that nobody is told.
    let _ = print(&if json { voice::result(report.json()) } else { report.text(true) });
    Exit::of_monitor(Status::Unknown.code())
}

fn examine(args: &HealthArgs) -> Result<Report> {
    let (store, by_default) = Store::choose(&args.store)?;
    let at = |why: String| Error::Usage(format!("--url: {why}"));
    let endpoint = args.url.as_deref().map(|url| Endpoint::parse(url, HTTP)).transpose().map_err(at)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::Internal(format!("cannot start: {e}")))?;
    let report = runtime.block_on(async {
        let end = Instant::now() + args.timeout;
        let instance = async {
            let Some(endpoint) = &endpoint else { return Report::default() };
            let token = args.token.as_ref().filter(|token| !token.is_empty()).map(Secret::new);
            ask(endpoint, token.as_ref(), args.timeout).await
        };
        let (mut report, letters, instance) =
            tokio::join!(of_store(args, &store, by_default, end), letters(args, end), instance);
        report.add(letters);
        report.add(instance);
        report
    });
    // A thread that waits for a disk must not keep the process.
    runtime.shutdown_background();
    Ok(report)
}

fn late(limit: Duration) -> Error {
    Error::Unavailable(format!("no answer within {} s", limit.as_secs_f64()))
}

async fn of_store(args: &HealthArgs, store: &Store, by_default: bool, end: Instant) -> Report {
    let limits = Latency { warn: args.warn_latency, crit: args.crit_latency };
    let tenant = args.store.tenant.as_deref().filter(|tenant| !tenant.is_empty());
    match store {
        Store::Sqlite(path) => {
            let there = path.clone();
            let work = spawn_blocking(move || SqliteHealth::of(&there, ALL));
            let found = match timeout_at(end, work).await {
                Ok(Ok(found)) => found,
                Ok(Err(broken)) => Err(Error::Internal(format!("the store cannot be looked at: {broken}"))),
                Err(_) => Err(late(args.timeout).at(&store.shown())),
            };
            of_sqlite(found, path, by_default, args.url.is_none(), limits, tenant)
        }
        Store::Postgres(dsn) => of_server(args, dsn, limits, tenant, end).await,
    }
}

async fn of_server(
    args: &HealthArgs,
    dsn: &Dsn,
    limits: Latency,
    tenant: Option<&str>,
    end: Instant,
) -> Report {
    let shown = dsn.redacted();
    let health = match timeout_at(end, PgHealth::connect(dsn)).await {
        Ok(Ok(health)) => health,
        Ok(Err(error)) => return unanswered(&error),
        Err(_) => return unanswered(&late(args.timeout).at(&shown)),
    };
    let mut report = Report::default();
    if timeout_at(end, of_postgres(&mut report, &health, &shown, limits, tenant)).await.is_err() {
        report.findings.push(unread("catalog", &late(args.timeout).at(&shown)));
    }
    report
}

async fn letters(args: &HealthArgs, end: Instant) -> Report {
    let limits = Limits {
        warn: Some(args.dlq_warn as u64),
        crit: args.dlq_crit.map(|rows| rows as u64),
        age_warn: args.dlq_age_warn,
        age_crit: args.dlq_age_crit,
    };
    let (named, now) = (args.dlq.clone(), chrono::Utc::now().timestamp_micros());
    let work = spawn_blocking(move || look(&named, limits, now));
    match timeout_at(end, work).await {
        Ok(Ok(report)) => report,
        Ok(Err(broken)) => {
            let why = Error::Internal(format!("the queues cannot be counted: {broken}"));
            unread("dlq", &why).into()
        }
        Err(_) => {
            let text = format!("not counted within {} s", args.timeout.as_secs_f64());
            Finding::new("dlq", Status::Unknown, text)
                .remedy("replay the queue, or give more --timeout")
                .into()
        }
    }
}
