//! `mdsctl health`: asks the store, the dead-letter queues and a running instance how they are.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::app::exit::Exit;
use crate::app::health::{
    Finding, Latency, Limits, Report, Status, StoreLimits, ask, judge, look, unanswered, unread,
};
use crate::cli::args::{GlobalArgs, HealthArgs};
use crate::cli::{print, store, voice};
use crate::dataset::ALL;
use crate::error::{Error, Result};
use crate::settings::Secret;
use crate::sink::Store;
use crate::sink::health::HealthQuestion;
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
    let (store, by_default) = store::choose(&args.store)?;
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
            tokio::join!(of_store(args, &*store, by_default, end), letters(args, end), instance);
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

async fn of_store(args: &HealthArgs, store: &dyn Store, by_default: bool, end: Instant) -> Report {
    let latency = Latency { warn: args.warn_latency, crit: args.crit_latency };
    let limits = StoreLimits { latency, by_default, needed: args.url.is_none() };
    let tenant = args.store.tenant.as_deref().filter(|tenant| !tenant.is_empty());
    let (mut report, mut told) = (Report::default(), false);
    let mut tell = |fact| {
        told = true;
        report.add(judge(fact, limits));
    };
    let question = HealthQuestion { datasets: ALL, tenant };
    let silent = timeout_at(end, store.health(&question, &mut tell)).await.is_err();
    let late = || late(args.timeout).at(&store.shown());
    match (silent, told) {
        (false, _) => {}
        (true, true) => report.findings.push(unread("catalog", &late())),
        (true, false) => return unanswered(&late(), store.when_away()),
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
