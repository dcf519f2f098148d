//! Findings about a store.

use std::path::Path;
use std::time::Duration;

use super::{Finding, Measure, Report, Status};
use crate::dataset::{ALL, Dataset};
use crate::error::Error;
use crate::sink::postgres::{FailingJob, PgHealth, TableHealth};
use crate::sink::sqlite::SqliteHealth;
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

/// A store that cannot be reached.
pub fn unanswered(error: &Error) -> Report {
    let finding = Finding::new("store", Status::Critical, error.to_string());
    let remedy = match error {
        Error::Unavailable(_) => "see that the server runs, and that this machine may connect to it",
        _ => "mend the connection (--dsn, PGPASSWORD, ~/.pgpass), or what the server allows it",
    };
    finding.remedy(remedy).into()
}

/// A question that a store which had answered before did not answer.
pub fn unread(check: &'static str, error: &Error) -> Finding {
    Finding::new(check, Status::Unknown, format!("cannot be told: {error}"))
        .remedy("look into the server's log, or give more --timeout")
}

/// A database: what can be said without looking into it, then what is in it, as far as there is
/// time. `shown` is what it is called.
pub async fn of_postgres(
    report: &mut Report,
    health: &PgHealth,
    shown: &str,
    limits: Latency,
    tenant: Option<&str>,
) {
    let took = health.connected + health.round_trip;
    let text = format!(
        "{shown} answers in {} (connection {}, round trip {}), PostgreSQL {}",
        shown_time(took),
        shown_time(health.connected),
        shown_time(health.round_trip),
        health.version
    );
    let store = Finding::new("store", limits.judge(took), text).value(took.as_secs_f64());
    report.findings.push(store.unless_ok("it is slow: look at the load of the server and at the network"));
    report.measures.push(limits.measure("store", took));
    report.measures.push(Latency::default().measure("store_connect", health.connected));
    report.measures.push(Latency::default().measure("store_round_trip", health.round_trip));
    report.findings.push(writable(health));
    match health.tables(ALL).await {
        Ok(tables) => report.findings.extend(schema(&tables, ALL)),
        Err(error) => report.findings.push(unread("schema", &error)),
    }
    report.findings.push(match health.missing_ledger().await {
        Ok(missing) => ledger(&missing),
        Err(error) => unread("ledger", &error),
    });
    if let Some(tenant) = tenant {
        report.findings.push(match health.tenant(tenant, ALL).await {
            Ok(id) => {
                let text = match id.to_string() == tenant.to_ascii_lowercase() {
                    true => format!("{id} is known"),
                    false => format!("{tenant} is {id}"),
                };
                Finding::new("tenant", Status::Ok, text).value(id.to_string())
            }
            Err(error @ Error::Usage(_)) => Finding::new("tenant", Status::Critical, error.to_string())
                .remedy("add the tenant, or mend --tenant (MDS_TENANT_ID)"),
            Err(error) => unread("tenant", &error),
        });
    }
    match health.failing_jobs().await {
        Ok(None) => {}
        Ok(Some(jobs)) => report.add(failing(&jobs)),
        Err(error) => report.findings.push(unread("timescale_jobs", &error)),
    }
}

fn writable(health: &PgHealth) -> Finding {
    let (status, text) = match (health.standby, health.read_only) {
        (true, _) => (Status::Critical, "the server is a standby (in recovery) and takes no rows"),
        (false, true) => (Status::Critical, "the server is read-only and takes no rows"),
        (false, false) => (Status::Ok, "the server takes rows"),
    };
    let remedy = match health.standby {
        true => "name the primary in --dsn, or all hosts",
        false => "turn default_transaction_read_only off, for the server, the database or the role",
    };
    Finding::new("writable", status, text).unless_ok(remedy)
}

/// Tables that are there are looked at; a dataset that has none is nobody's loss, unless none has.
fn schema(tables: &[TableHealth], datasets: &[Dataset]) -> Vec<Finding> {
    if tables.is_empty() {
        let names: Vec<&str> = datasets.iter().map(|dataset| &*dataset.table).collect();
        let text = format!("there is none of the tables {}", names.join(", "));
        return vec![Finding::new("schema", Status::Warning, text).value(0).remedy(APPLY)];
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

/// The same where it may be one that others made, which is used as it is: nobody is alarmed by more than that
/// it cannot be told.
fn of_somebody(table: &str, differences: &[String]) -> Finding {
    let found = differs(table, differences);
    let text = format!("{}; whether mdsctl made that table, this role may not know", found.message);
    Finding::new("schema", Status::Warning, text)
        .value(differences.len())
        .remedy("let this role see it: mdsctl schema apply --grant ROLE")
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

/// A file. `by_default`: nobody has named it. `needed`: it is all that there is to look at.
pub fn of_sqlite(
    found: Result<Option<SqliteHealth>, Error>,
    path: &Path,
    by_default: bool,
    needed: bool,
    limits: Latency,
    tenant: Option<&str>,
) -> Report {
    let shown = path.display();
    let health = match found {
        Ok(Some(health)) => health,
        Ok(None) if by_default && !needed => {
            return Finding::new("store", Status::Ok, "not looked at: none is named (--dsn)").into();
        }
        Ok(None) if by_default => {
            let text = format!("no store is named, and the embedded one, {shown}, does not exist");
            return Finding::new("store", Status::Unknown, text)
                .remedy("give --dsn, or run it where the store is")
                .into();
        }
        Ok(None) => {
            let text = format!("the store {shown} does not exist");
            return Finding::new("store", Status::Critical, text)
                .remedy("mend --dsn, or make it: mdsctl schema apply")
                .into();
        }
        Err(error @ Error::Unavailable(_)) => {
            return Finding::new("store", Status::Critical, error.to_string())
                .remedy("see which process holds it, and whether the disk is well")
                .into();
        }
        Err(error) => return Finding::new("store", Status::Critical, error.to_string()).into(),
    };
    let mut report = Report::default();
    let text = format!("{shown} answers in {}, {}", shown_time(health.took), bytes(health.bytes));
    let store = Finding::new("store", limits.judge(health.took), text).value(health.took.as_secs_f64());
    report.findings.push(store.unless_ok("it is slow: look at the disk that holds it"));
    report.measures.push(limits.measure("store", health.took));
    report.measures.push(Measure::new("store_size", health.bytes as f64, "B"));
    let (status, text) = match health.writable {
        true => (Status::Ok, "the file takes rows".to_owned()),
        false => (Status::Critical, format!("{shown} or its directory may not be written to")),
    };
    report.findings.push(
        Finding::new("writable", status, text)
            .unless_ok("mend the permissions of both, or run it as the owner"),
    );
    if let Some(version) = health.newer {
        let text = format!("the tables are of a newer mdsctl (schema version {version})");
        report.findings.push(Finding::new("schema", Status::Critical, text).remedy("upgrade mdsctl"));
    }
    let (same, other): (Vec<_>, Vec<_>) = health.tables.iter().partition(|(_, left)| left.is_empty());
    report.findings.extend(other.iter().map(|(table, left)| differs(table, left)));
    if health.tables.is_empty() {
        // The first load makes them.
        let text = "there are no tables of datasets yet";
        report.findings.push(Finding::new("schema", Status::Warning, text).value(0).remedy(APPLY));
    } else if !same.is_empty() {
        let names: Vec<&str> = same.iter().map(|(table, _)| table.as_str()).collect();
        let text = format!("as expected: {}", names.join(", "));
        report.findings.push(Finding::new("schema", Status::Ok, text).value(same.len()));
    }
    report.findings.push(ledger(if health.ledger { &[] } else { &["mds_runs"] }));
    if let Some(tenant) = tenant {
        report.findings.push(match uuid::Uuid::try_parse(tenant) {
            Ok(id) => Finding::new("tenant", Status::Ok, format!("{id}")).value(id.to_string()),
            Err(_) => {
                let text =
                    format!("{tenant} is not a UUID, and the embedded store knows no names of tenants");
                Finding::new("tenant", Status::Critical, text).remedy("give the tenant's UUID")
            }
        });
    }
    report
}

fn shown_time(time: Duration) -> String {
    latency(time.as_secs_f64() * 1e3)
}
