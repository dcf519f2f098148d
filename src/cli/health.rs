//! `mdsctl health`: asks the store, the dead-letter queues and running instances how they are.

use anyhow::Result;

use crate::app::exit::Exit;
use crate::app::health::{Finding, HealthPlan, Latency, Limits, Report, Status, examine};
use crate::cli::args::{GlobalArgs, HealthArgs};
use crate::cli::{plan, print};
use crate::error::{self, Error};
use crate::settings::Secret;
use crate::telemetry::client::Endpoint;
use crate::telemetry::result::line;

/// Port of an instance, where its URL names none.
const HTTP: u16 = 80;

/// Prints how store, dead letters and instance are; the exit code is that of a monitoring plugin.
pub fn run(global: &GlobalArgs, args: &HealthArgs) -> Result<Exit> {
    let report = match planned(args).and_then(|plan| examine(&plan)) {
        Ok(report) => report,
        // Whoever watches reads standard output, and 2 would be an alarm.
        Err(error) => Finding::new("usage", Status::Unknown, error.to_string()).into(),
    };
    print(&match global.json {
        true => line(report.json()),
        false => report.text(global.quiet),
    })?;
    Ok(Exit::of_monitor(report.status().code()))
}

/// Prints that a command line or a configuration cannot be followed, as a check that knows nothing (exit code 3).
pub fn misread(why: &str, json: bool) -> Exit {
    let report = Report::from(Finding::new("usage", Status::Unknown, why.trim_end()));
    // Nobody is left to be told that nobody is told.
    let _ = print(&if json { line(report.json()) } else { report.text(true) });
    Exit::of_monitor(Status::Unknown.code())
}

fn planned(args: &HealthArgs) -> error::Result<HealthPlan> {
    let store = plan::destination(&args.store)?;
    let at = |why: String| Error::usage(format!("--url: {why}"));
    let instances =
        args.url.iter().map(|url| Endpoint::parse(url, HTTP)).collect::<Result<_, _>>().map_err(at)?;
    let token = args.token.as_ref().filter(|token| !token.is_empty()).map(Secret::new);
    Ok(HealthPlan {
        store,
        timeout: args.timeout,
        latency: Latency { warn: args.warn_latency, crit: args.crit_latency },
        queues: args.dlq.clone(),
        letters: Limits {
            warn: Some(args.dlq_warn as u64),
            crit: args.dlq_crit.map(|rows| rows as u64),
            age_warn: args.dlq_age_warn,
            age_crit: args.dlq_age_crit,
        },
        instances,
        token,
    })
}
