//! How a run ended, for programs: the object that `--json` prints.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::port::Circuit;
use crate::settings::EngineSettings;
use crate::telemetry::jobs::JobView;
use crate::telemetry::preview::Preview;
use crate::telemetry::run_counters::RunCounters;
use crate::telemetry::snapshot::{Books, LagView, Snapshot};

/// The result of a run. Field names, nesting and order are a promise to scripts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunResult {
    /// Identity of the run.
    pub run_id: String,
    /// The command: `load`, `replay-dlq`.
    pub command: String,
    /// The dataset, or the table where it is none of ours; `null` when it never became known.
    pub dataset: Option<String>,
    /// The store, without password.
    pub store: String,
    /// The inputs as they were found: paths, or `-` for standard input.
    pub inputs: Vec<String>,
    /// What became of the rows.
    pub rows: RowsResult,
    /// What went to the dead-letter queue.
    pub dlq: DlqResult,
    /// Bytes of the input as they are stored: compressed ones where it is compressed.
    pub bytes_read: u64,
    /// From the start to the end, in seconds, to the millisecond.
    pub elapsed_s: f64,
    /// Rows read per second of that, to a tenth.
    pub rows_per_s: f64,
    /// How long transactions took.
    pub latency_ms: LatencyResult,
    /// Waits for a further attempt at a write.
    pub retries: u64,
    /// The circuit breaker.
    pub circuit: CircuitResult,
    /// The queue.
    pub queue: QueueResult,
    /// How far the store is behind what is followed, where something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<LagResult>,
    /// Workers, each with a connection.
    pub workers: u64,
    /// The exit code of the process; `null` while it goes on.
    pub exit_code: Option<u8>,
    /// What went wrong, one sentence or several; `null` where nothing did. Rows that failed are none.
    pub error: Option<String>,
    /// Whether nothing was to be written: `rows` are then what would become of them.
    pub dry_run: bool,
    /// What was left out, passed over, made null, rounded or found implausible, a sentence each.
    pub notes: Vec<String>,
    /// What was deduced of the data, a sentence each.
    pub deductions: Vec<String>,
    /// What a dry run has shown, or what a load lacks that was refused; a field only there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<Box<Preview>>,
    /// The job that this loader had a share in; a field only there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<JobView>>,
}

/// `rows` of a [`RunResult`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RowsResult {
    /// Rows by outcome.
    #[serde(flatten)]
    pub books: Books,
    /// Rows of a pipe that neither the store nor the dead-letter queue took; a field only where there are some.
    #[serde(skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// Those of the skipped rows that have nothing but a key; a field only where there are some.
    #[serde(skip_serializing_if = "is_zero")]
    pub empty_rows: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// `lag` of a [`RunResult`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LagResult {
    /// Behind the writers of files.
    Files {
        /// Bytes that are written and not settled.
        bytes: u64,
        /// Since when there have been some, in seconds to a tenth.
        seconds: f64,
    },
    /// Behind those who send to a stream.
    Stream {
        /// Messages that are not settled.
        messages: u64,
    },
}

impl LagResult {
    /// Of what was measured.
    pub fn of(lag: LagView) -> Self {
        match lag {
            LagView::Files { bytes, age } => {
                Self::Files { bytes, seconds: (age.as_secs_f64() * 10.0).round() / 10.0 }
            }
            LagView::Messages(messages) => Self::Stream { messages },
        }
    }
}

/// `dlq` of a [`RunResult`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DlqResult {
    /// Its file; `null` where the run has none.
    pub path: Option<String>,
    /// Records that this run wrote into it.
    pub records: u64,
    /// Rows in those records.
    pub rows: u64,
}

/// `latency_ms` of a [`RunResult`]: milliseconds to the microsecond; `null` where nothing was
/// written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LatencyResult {
    /// Half of the transactions took no longer.
    pub p50: Option<f64>,
    /// 99 of 100 took no longer.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
}

/// `circuit` of a [`RunResult`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CircuitResult {
    /// `closed`, `open` or `half-open`.
    pub state: &'static str,
    /// How often it opened.
    pub times_opened: u64,
}

/// `queue` of a [`RunResult`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QueueResult {
    /// Rows that fit.
    pub capacity: u64,
    /// The most rows that were in it.
    pub peak: u64,
}

/// What the engine does not know of a run.
#[derive(Debug, Clone, Default)]
pub struct RunFacts {
    /// Identity of the run.
    pub run_id: String,
    /// The command.
    pub command: String,
    /// The dataset or table, once known.
    pub dataset: Option<String>,
    /// The store, without password.
    pub store: String,
    /// The inputs as they were found.
    pub inputs: Vec<String>,
    /// What went to the dead-letter queue.
    pub dlq: DlqResult,
    /// Bytes of the input as they are stored.
    pub bytes_read: u64,
    /// From the start to the end.
    pub elapsed: Duration,
    /// Workers, each with a connection.
    pub workers: u64,
    /// Rows that neither the store nor the dead-letter queue took, and that cannot be read again.
    pub lost: u64,
    /// The exit code of the process; `null` while it goes on.
    pub exit_code: Option<u8>,
    /// What went wrong.
    pub error: Option<String>,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// What there is to know of the rows.
    pub notes: Vec<String>,
    /// What was deduced of them.
    pub deductions: Vec<String>,
    /// What a dry run has shown, or what a load lacks that was refused.
    pub preview: Option<Box<Preview>>,
    /// The job that this loader had a share in.
    pub job: Option<Box<JobView>>,
}

impl RunResult {
    /// Of what was counted and what else is known.
    pub fn new(snapshot: &Snapshot, facts: RunFacts) -> Self {
        let seconds = facts.elapsed.as_secs_f64();
        let per_second = if seconds > 0.0 { snapshot.books.read as f64 / seconds } else { 0.0 };
        Self {
            run_id: facts.run_id,
            command: facts.command,
            dataset: facts.dataset,
            store: facts.store,
            inputs: facts.inputs,
            rows: RowsResult { books: snapshot.books, lost: facts.lost, empty_rows: snapshot.empty },
            dlq: facts.dlq,
            bytes_read: facts.bytes_read,
            elapsed_s: (seconds * 1e3).round() / 1e3,
            rows_per_s: (per_second * 10.0).round() / 10.0,
            latency_ms: LatencyResult::of(snapshot),
            retries: snapshot.retries,
            circuit: CircuitResult::of(snapshot),
            queue: QueueResult { capacity: snapshot.queue.capacity, peak: snapshot.queue.peak },
            lag: snapshot.lag.map(LagResult::of),
            workers: facts.workers,
            exit_code: facts.exit_code,
            error: facts.error,
            dry_run: facts.dry_run,
            notes: facts.notes,
            deductions: facts.deductions,
            preview: facts.preview,
            job: facts.job,
        }
    }

    /// Of a run that ended before rows could flow.
    pub fn unbegun(facts: RunFacts) -> Self {
        Self::new(&RunCounters::new(&EngineSettings::default()).snapshot(), facts)
    }

    /// As one line of JSON, without a line feed.
    pub fn to_json(&self) -> String {
        // Strings and numbers under fixed names: there is nothing in it that could fail.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// The object of a command that writes no rows, in a line, with the fields that all of them have.
pub fn line(mut object: Value) -> String {
    if let Some(fields) = object.as_object_mut() {
        for (name, nothing) in [
            ("error", Value::Null),
            ("dry_run", false.into()),
            ("notes", json!([])),
            ("deductions", json!([])),
        ] {
            fields.entry(name).or_insert(nothing);
        }
    }
    format!("{object}\n")
}

impl LatencyResult {
    /// The latencies of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let latency = snapshot.latency;
        let known = |ms: f64| (latency.count > 0).then_some(ms);
        Self { p50: known(latency.p50_ms), p99: known(latency.p99_ms), max: known(latency.max_ms) }
    }
}

impl CircuitResult {
    /// The circuit of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let state: Circuit = snapshot.circuit.state;
        Self { state: state.as_str(), times_opened: snapshot.circuit.times_opened }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{Event, Observer, Written};

    #[test]
    fn the_object_has_the_promised_fields() {
        let tally = RunCounters::new(&EngineSettings { capacity: 1_000, ..EngineSettings::default() });
        let empty = RunResult::new(&tally.snapshot(), RunFacts { exit_code: Some(0), ..RunFacts::default() });
        insta::assert_snapshot!(empty.to_json(), @r#"{"run_id":"","command":"","dataset":null,"store":"","inputs":[],"rows":{"read":0,"inserted":0,"updated":0,"unchanged":0,"superseded":0,"rejected":0,"dropped":0,"skipped":0},"dlq":{"path":null,"records":0,"rows":0},"bytes_read":0,"elapsed_s":0.0,"rows_per_s":0.0,"latency_ms":{"p50":null,"p99":null,"max":null},"retries":0,"circuit":{"state":"closed","times_opened":0},"queue":{"capacity":1000,"peak":0},"workers":0,"exit_code":0,"error":null,"dry_run":false,"notes":[],"deductions":[]}"#);

        tally.on(&Event::Read { rows: 12 });
        tally.on(&Event::Queue { depth: 11 });
        let written = Written { inserted: 10, updated: 1, ..Written::default() };
        let latency = Duration::from_micros(2_500);
        tally.on(&Event::Committed { worker: 0, written: &written, superseded: 1, latency });
        let facts = RunFacts {
            run_id: "0190".to_owned(),
            command: "load".to_owned(),
            dataset: Some("bars".to_owned()),
            store: "sqlite:mds.db".to_owned(),
            inputs: vec!["a \"b\".csv".to_owned()],
            dlq: DlqResult { path: Some(".dlq/bars.ndjson".to_owned()), records: 0, rows: 0 },
            bytes_read: 345,
            elapsed: Duration::from_micros(700_049),
            workers: 2,
            exit_code: Some(0),
            notes: vec!["it is".to_owned()],
            deductions: vec!["so it is".to_owned()],
            ..RunFacts::default()
        };
        insta::assert_snapshot!(RunResult::new(&tally.snapshot(), facts).to_json(), @r#"{"run_id":"0190","command":"load","dataset":"bars","store":"sqlite:mds.db","inputs":["a \"b\".csv"],"rows":{"read":12,"inserted":10,"updated":1,"unchanged":0,"superseded":1,"rejected":0,"dropped":0,"skipped":0},"dlq":{"path":".dlq/bars.ndjson","records":0,"rows":0},"bytes_read":345,"elapsed_s":0.7,"rows_per_s":17.1,"latency_ms":{"p50":2.5,"p99":2.5,"max":2.5},"retries":0,"circuit":{"state":"closed","times_opened":0},"queue":{"capacity":1000,"peak":11},"workers":2,"exit_code":0,"error":null,"dry_run":false,"notes":["it is"],"deductions":["so it is"]}"#);
    }
}
