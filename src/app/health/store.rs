//! Findings about a store.

use std::time::Duration;

use super::{Finding, Measure, Report, Status};
use crate::error::Error;
use crate::sink::health::{Answer, FailingJob, HealthFact, TableHealth};
use crate::text::flags::{DSN, GRANT, TIMEOUT};
use crate::text::number_format::{bytes, latency, plural};

/// From which time on an answer is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// A warning.
    pub warn: Option<Duration>,
    /// Critical.
    pub crit: Option<Duration>,
}

impl Latency {
    fn judge(self, took: Duration) -> Status {
        Status::of(took, self.warn, self.crit)
    }

    fn measure(self, label: &'static str, took: Duration) -> Measure {
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
        let micros = (took.as_secs_f64() * 1e6).round() / 1e6;
        Measure { limits: (seconds(self.warn), seconds(self.crit)), ..Measure::new(label, micros, "s") }
    }
}

/// What to do about tables that are missing or not as they should be.
const APPLY: &str = "run: mdsctl schema apply";

/// A store that has told nothing in time.
pub fn unanswered(error: &Error, remedy: &'static str) -> Report {
    Finding::new("store", Status::Critical, error.to_string()).remedy(remedy).into()
}

/// A question that a store which had answered before did not answer.
pub fn unread(check: &'static str, error: &Error) -> Finding {
    Finding::new(check, Status::Unknown, format!("cannot be told: {error}"))
        .remedy(format!("look into the server's log, or give more {TIMEOUT}"))
}

/// How a fact is judged.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// From which time on an answer is too slow.
    pub latency: Latency,
    /// Whether nobody has named the store.
    pub by_default: bool,
    /// Whether it is all that there is to look at.
    pub needed: bool,
}

/// What a fact about a store comes to.
pub fn judge(fact: HealthFact, limits: StoreLimits) -> Report {
    let finding = match fact {
        HealthFact::Missing(name) => missing(&name, limits),
        HealthFact::Unusable { error, remedy } => {
            let finding = Finding::new("store", Status::Critical, error.to_string());
            match remedy {
                Some(remedy) => finding.remedy(remedy),
                None => finding,
            }
        }
        HealthFact::Answered(answer) => return answered(&answer, limits.latency),
        HealthFact::Writable { yes, words, remedy } => {
            let status = if yes { Status::Ok } else { Status::Critical };
            Finding::new("writable", status, words).unless_ok(remedy)
        }
        HealthFact::Newer(version) => {
            let text = format!("the tables are of a newer mdsctl (schema version {version})");
            Finding::new("schema", Status::Critical, text).remedy("upgrade mdsctl")
        }
        HealthFact::Tables { tables: Ok(tables), none } => {
            return Report { findings: schema(&tables, none), ..Report::default() };
        }
        HealthFact::Tables { tables: Err(error), .. } => unread("schema", &error),
        HealthFact::Ledger(Ok(missing)) => ledger(&missing),
        HealthFact::Ledger(Err(error)) => unread("ledger", &error),
        HealthFact::Tenant { found: Ok((id, words)), .. } => {
            Finding::new("tenant", Status::Ok, words).value(id.to_string())
        }
        HealthFact::Tenant { found: Err(error @ Error::Usage(_)), remedy } => {
            Finding::new("tenant", Status::Critical, error.to_string()).remedy(remedy)
        }
        HealthFact::Tenant { found: Err(error), .. } => unread("tenant", &error),
        HealthFact::Jobs(Ok(None)) => return Report::default(),
        HealthFact::Jobs(Ok(Some(jobs))) => return failing(&jobs),
        HealthFact::Jobs(Err(error)) => unread("timescale_jobs", &error),
    };
    finding.into()
}

fn missing(name: &str, limits: StoreLimits) -> Finding {
    match limits {
        StoreLimits { by_default: true, needed: false, .. } => {
            Finding::new("store", Status::Ok, format!("not looked at: none is named ({DSN})"))
        }
        StoreLimits { by_default: true, .. } => {
            let text = format!("no store is named, and the embedded one, {name}, does not exist");
            Finding::new("store", Status::Unknown, text)
                .remedy(format!("give {DSN}, or run it where the store is"))
        }
        StoreLimits { by_default: false, .. } => {
            Finding::new("store", Status::Critical, format!("the store {name} does not exist"))
                .remedy(format!("mend {DSN}, or make it: mdsctl schema apply"))
        }
    }
}

fn answered(answer: &Answer, limits: Latency) -> Report {
    let Answer { name, took, parts, product, bytes: size, slow } = answer;
    let shown: Vec<String> =
        parts.iter().map(|(words, _, part)| format!("{words} {}", shown_time(*part))).collect();
    let mut text = format!("{name} answers in {}", shown_time(*took));
    if !shown.is_empty() {
        text.push_str(&format!(" ({})", shown.join(", ")));
    }
    for more in product.iter().cloned().chain(size.map(bytes)) {
        text.push_str(&format!(", {more}"));
    }
    let finding = Finding::new("store", limits.judge(*took), text).value(took.as_secs_f64());
    let mut report = Report::from(finding.unless_ok(*slow));
    report.measures.push(limits.measure("store", *took));
    let parts = parts.iter().map(|(_, label, part)| Latency::default().measure(label, *part));
    report.measures.extend(parts);
    report.measures.extend(size.map(|size| Measure::new("store_size", size as f64, "B")));
    report
}

/// Tables that are there are looked at; a dataset that has none is nobody's loss, unless none has.
fn schema(tables: &[TableHealth], none: String) -> Vec<Finding> {
    if tables.is_empty() {
        return vec![Finding::new("schema", Status::Warning, none).value(0).remedy(APPLY)];
    }
    let mut findings = Vec::new();
    let (mut same, mut others) = (Vec::new(), Vec::new());
    for table in tables {
        match (table.differences.is_empty(), table.ours) {
            (true, _) => same.push(table.table.as_str()),
            // The load fits itself to it, and refuses what does not fit.
            (false, Some(false)) => others.push(table.table.as_str()),
            (false, Some(true)) => findings.push(differs(&table.table, &table.differences)),
            (false, None) => findings.push(of_somebody(&table.table, &table.differences)),
        }
    }
    let mut said = Vec::new();
    if !same.is_empty() {
        said.push(format!("as expected: {}", same.join(", ")));
    }
    if !others.is_empty() {
        said.push(format!("made by something else, and used as it is: {}", others.join(", ")));
    }
    if !said.is_empty() {
        findings.push(Finding::new("schema", Status::Ok, said.join("; ")).value(tables.len()));
    }
    findings
}

/// A table that is not as it should be.
fn differs(table: &str, differences: &[String]) -> Finding {
    let more = match differences.len() {
        0 | 1 => String::new(),
        count => format!(", and {} more", plural(count as u64 - 1, "difference")),
    };
    let first = differences.first().map_or("", String::as_str);
    let first = if first.contains(table) { first.to_owned() } else { format!("{table}: {first}") };
    Finding::new("schema", Status::Warning, format!("{first}{more}"))
        .value(differences.len())
        .remedy("mdsctl schema check lists them all, mdsctl schema apply adds what is missing")
}

/// Differences of a table that others may have made, which is used as it is: nobody is alarmed by more than that
/// it cannot be told.
fn of_somebody(table: &str, differences: &[String]) -> Finding {
    let found = differs(table, differences);
    let text = format!("{}; whether mdsctl made that table, this role may not know", found.message);
    Finding::new("schema", Status::Warning, text)
        .value(differences.len())
        .remedy(format!("let this role see it: mdsctl schema apply {GRANT} ROLE"))
}

fn ledger(missing: &[&str]) -> Finding {
    match missing {
        [] => Finding::new("ledger", Status::Ok, "the ledger is there"),
        missing => {
            let text = format!("there is no {}: loads cannot be resumed", missing.join(" and no "));
            Finding::new("ledger", Status::Warning, text).remedy(APPLY)
        }
    }
}

/// TimescaleDB's own jobs count too: they run first, and where they fail others will.
fn failing(jobs: &[FailingJob]) -> Report {
    let mut report = Report::default();
    report.measures.push(Measure::new("timescale_jobs_failing", jobs.len() as f64, ""));
    for job in jobs {
        let of = job.table.as_ref().map_or(String::new(), |table| format!(" of {table}"));
        let why = job.error.as_ref().map_or(String::new(), |why| format!(": {why}"));
        let failures = plural(u64::try_from(job.failures).unwrap_or(0), "failure");
        // By default its number stands in its name once more.
        let number = format!(" [{}]", job.id);
        let name = job.name.strip_suffix(&*number).unwrap_or(&job.name);
        let text = format!("job {} ({name}){of} has failed, {failures} so far{why}", job.id);
        let remedy = format!(
            "mend the cause (timescaledb_information.job_errors has it), then: CALL run_job({})",
            job.id
        );
        let finding = Finding::new("timescale_jobs", Status::Warning, text);
        report.findings.push(finding.value(job.id).remedy(remedy));
    }
    if jobs.is_empty() {
        let text = "no job of TimescaleDB has failed";
        report.findings.push(Finding::new("timescale_jobs", Status::Ok, text).value(0));
    }
    report
}

fn shown_time(time: Duration) -> String {
    latency(time.as_secs_f64() * 1e3)
}
