//! Asks the store, the dead-letter queues and running instances at once, for a limited time.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::{Finding, Latency, Limits, Report, Status, StoreLimits, ask, judge, look, unanswered, unread};
use crate::app::plan::StorePlan;
use crate::dataset::ALL;
use crate::error::{Error, Result};
use crate::settings::Secret;
use crate::sink::health::HealthQuestion;
use crate::telemetry::client::Endpoint;
use crate::text::flags::TIMEOUT;

/// What is asked, and what is well.
#[derive(Clone)]
pub struct HealthPlan {
    /// The store.
    pub store: StorePlan,
    /// Longest time that all of it may take.
    pub timeout: Duration,
    /// How fast the store has to answer.
    pub latency: Latency,
    /// The queues, or directories of them; else `.dlq`.
    pub queues: Vec<PathBuf>,
    /// How many dead letters there may be, and how old.
    pub letters: Limits,
    /// Running instances.
    pub instances: Vec<Endpoint>,
    /// The token that they want.
    pub token: Option<Secret>,
}

/// Asks all of them.
///
/// # Errors
/// Where this machine has nothing to ask with. What does not answer is a finding.
pub fn examine(plan: &HealthPlan) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::internal(format!("cannot start: {e}")))?;
    let report = runtime.block_on(async {
        let end = Instant::now() + plan.timeout;
        let instances = ask(&plan.instances, plan.token.as_ref(), plan.timeout);
        let (mut report, letters, instances) =
            tokio::join!(of_store(plan, end), letters(plan, end), instances);
        report.add(letters);
        report.add(instances);
        report
    });
    // A thread that waits for a disk must not keep the process.
    runtime.shutdown_background();
    Ok(report)
}

fn late(limit: Duration) -> Error {
    Error::unavailable(format!("no answer within {} s", limit.as_secs_f64()))
}

async fn of_store(plan: &HealthPlan, end: Instant) -> Report {
    let StorePlan { store, by_default, tenant } = &plan.store;
    let limits =
        StoreLimits { latency: plan.latency, by_default: *by_default, needed: plan.instances.is_empty() };
    let (mut report, mut told) = (Report::default(), false);
    let mut tell = |fact| {
        told = true;
        report.add(judge(fact, limits));
    };
    let tenant = tenant.as_deref().filter(|tenant| !tenant.is_empty());
    let question = HealthQuestion { datasets: ALL, tenant };
    let silent = timeout_at(end, store.health(&question, &mut tell)).await.is_err();
    let late = || late(plan.timeout).at(&store.shown());
    match (silent, told) {
        (false, _) => {}
        (true, true) => report.findings.push(unread("catalog", &late())),
        (true, false) => return unanswered(&late(), store.when_away()),
    }
    report
}

async fn letters(plan: &HealthPlan, end: Instant) -> Report {
    let (named, limits, now) = (plan.queues.clone(), plan.letters, chrono::Utc::now().timestamp_micros());
    let work = spawn_blocking(move || look(&named, limits, now));
    match timeout_at(end, work).await {
        Ok(Ok(report)) => report,
        Ok(Err(broken)) => {
            let why = Error::internal(format!("the queues cannot be counted: {broken}"));
            unread("dlq", &why).into()
        }
        Err(_) => {
            let text = format!("not counted within {} s", plan.timeout.as_secs_f64());
            Finding::new("dlq", Status::Unknown, text)
                .remedy(format!("replay the queue, or give more {TIMEOUT}"))
                .into()
        }
    }
}
