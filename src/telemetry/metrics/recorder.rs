//! The observer that records the metrics of an engine.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use prometheus::{GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::batch::Stage;
use crate::coordinator::SLOTS;
use crate::port::{Circuit, Event, Observer};
use crate::settings::EngineSettings;
use crate::telemetry::metrics::exposition::{Families, lock};
use crate::telemetry::metrics::names;
use crate::telemetry::snapshot::Books;

/// Most pairs of stage and code that are told apart; codes come from the outside.
const MOST_CODES: usize = 100;
/// Longest code that becomes a label, in bytes.
const LONGEST_CODE: usize = 64;

/// An observer that records the metrics of one engine. Made by
/// [`Exposition::engine`](super::Exposition::engine).
///
/// All metrics are looked up when it is made: an event costs a few atomic additions. Only rows for
/// the dead-letter queue go through a lock, and the first ones of a code allocate.
pub struct Metrics {
    coord_id: Box<str>,
    writes: IntCounter,
    failures: IntCounter,
    latency: Histogram,
    submitted: IntCounter,
    dropped: IntCounter,
    depth: IntGauge,
    capacity: IntGauge,
    alive: IntGauge,
    target: IntGauge,
    circuit: IntGauge,
    opened: IntCounter,
    /// Whether the circuit has not been closed since it opened.
    open: AtomicBool,
    retries: IntCounter,
    rows: RowCounters,
    /// As many as the engine may make of it; those that have not been there have no metrics.
    workers: Vec<OnceLock<Worker>>,
    new_worker: Box<dyn Fn(usize) -> prometheus::Result<Worker> + Send + Sync>,
    dlq_rows: IntCounterVec,
    lag: (IntGaugeVec, GaugeVec),
    lag_messages: IntGaugeVec,
    codes: Mutex<Vec<Code>>,
}

/// `mds_rows_total` by outcome.
struct RowCounters {
    read: IntCounter,
    inserted: IntCounter,
    updated: IntCounter,
    unchanged: IntCounter,
    superseded: IntCounter,
    rejected: IntCounter,
    dropped: IntCounter,
    skipped: IntCounter,
    returned: IntCounter,
}

struct Worker {
    batches: IntCounter,
    latency: Histogram,
    /// As [`names::ERROR_TYPES`].
    errors: [IntCounter; 3],
    alive: AtomicBool,
}

/// `mds_dlq_rows_total` of one stage and code.
struct Code {
    stage: Stage,
    code: Box<str>,
    rows: IntCounter,
}

impl Metrics {
    pub(super) fn new(
        families: &Families,
        coord_id: &str,
        sink: &str,
        settings: &EngineSettings,
    ) -> prometheus::Result<Self> {
        let f = families;
        let of_engine = [coord_id];
        let outcome = |outcome: &str| f.rows.get_metric_with_label_values(&[coord_id, outcome]);
        let metrics = Self {
            coord_id: coord_id.into(),
            writes: f.sink_writes.get_metric_with_label_values(&[sink, names::SUCCESS])?,
            failures: f.sink_writes.get_metric_with_label_values(&[sink, names::FAILURE])?,
            latency: f.sink_write_latency.get_metric_with_label_values(&[sink])?,
            submitted: f.items_submitted.get_metric_with_label_values(&of_engine)?,
            dropped: f.items_dropped.get_metric_with_label_values(&[coord_id, names::OVERFLOW])?,
            depth: f.queue_depth.get_metric_with_label_values(&of_engine)?,
            capacity: f.queue_capacity.get_metric_with_label_values(&of_engine)?,
            alive: f.workers_alive.get_metric_with_label_values(&of_engine)?,
            target: f.workers_target.get_metric_with_label_values(&of_engine)?,
            circuit: f.circuit_state.get_metric_with_label_values(&of_engine)?,
            opened: f.circuit_opened.get_metric_with_label_values(&of_engine)?,
            open: AtomicBool::new(false),
            retries: f.retries.get_metric_with_label_values(&of_engine)?,
            rows: RowCounters::new(outcome)?,
            workers: (0..settings.up_to.unwrap_or(settings.workers).clamp(1, SLOTS))
                .map(|_| OnceLock::new())
                .collect(),
            new_worker: Worker::maker(f, coord_id),
            dlq_rows: f.dlq_rows.clone(),
            lag: (f.tail_lag_bytes.clone(), f.tail_lag_seconds.clone()),
            lag_messages: f.tail_lag_messages.clone(),
            codes: Mutex::default(),
        };
        metrics.capacity.set(whole(settings.capacity));
        let workers = settings.workers.clamp(1, SLOTS);
        metrics.target.set(whole(workers));
        // Those that there are from the beginning have their zeros.
        for worker in 0..workers {
            let _ = metrics.worker(worker);
        }
        Ok(metrics)
    }

    /// Of the worker of that number.
    fn worker(&self, worker: usize) -> Option<&Worker> {
        let place = self.workers.get(worker)?;
        if place.get().is_none() {
            // Labels of the right number: there is nothing in it that could fail.
            let _ = place.set((self.new_worker)(worker).ok()?);
        }
        place.get()
    }

    fn buried(&self, stage: Stage, code: &str, rows: u64) {
        if stage == Stage::Overflow {
            self.rows.dropped.inc_by(rows);
            self.dropped.inc_by(rows);
        } else {
            self.rows.rejected.inc_by(rows);
        }
        let mut codes = lock(&self.codes);
        if let Some(known) = codes.iter().find(|known| known.stage == stage && *known.code == *code) {
            known.rows.inc_by(rows);
            return;
        }
        let known = codes.len() < MOST_CODES && code.len() <= LONGEST_CODE;
        let label = if known { code } else { names::OTHER };
        // Three labels for three names: there is nothing in it that could fail.
        let labels = [&*self.coord_id, stage.as_str(), label];
        let Ok(counter) = self.dlq_rows.get_metric_with_label_values(&labels) else { return };
        counter.inc_by(rows);
        if known {
            codes.push(Code { stage, code: code.into(), rows: counter });
        }
    }

    /// Only where files are followed there is such a metric.
    fn lag(&self, bytes: u64, age: Duration) {
        let of_engine = [&*self.coord_id];
        // One label for one name: there is nothing in it that could fail.
        if let (Ok(size), Ok(seconds)) = (
            self.lag.0.get_metric_with_label_values(&of_engine),
            self.lag.1.get_metric_with_label_values(&of_engine),
        ) {
            size.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            seconds.set(age.as_secs_f64());
        }
    }

    /// Only where a stream is followed, and while it is known.
    fn lag_messages(&self, messages: Option<u64>) {
        let of_engine = [&*self.coord_id];
        match messages {
            Some(messages) => {
                if let Ok(gauge) = self.lag_messages.get_metric_with_label_values(&of_engine) {
                    gauge.set(i64::try_from(messages).unwrap_or(i64::MAX));
                }
            }
            None => {
                // It may not be there.
                let _ = self.lag_messages.remove_label_values(&of_engine);
            }
        }
    }

    fn circuit(&self, state: Circuit) {
        self.circuit.set(state.gauge().into());
        match state {
            Circuit::Open if !self.open.swap(true, Relaxed) => self.opened.inc(),
            Circuit::Closed => self.open.store(false, Relaxed),
            Circuit::Open | Circuit::HalfOpen => {}
        }
    }
}

impl RowCounters {
    fn new(outcome: impl Fn(&str) -> prometheus::Result<IntCounter>) -> prometheus::Result<Self> {
        let [inserted, updated, unchanged, superseded, rejected, dropped, skipped] =
            Books::default().outcomes().map(|(name, _)| outcome(name));
        Ok(Self {
            read: outcome("read")?,
            inserted: inserted?,
            updated: updated?,
            unchanged: unchanged?,
            superseded: superseded?,
            rejected: rejected?,
            dropped: dropped?,
            skipped: skipped?,
            returned: outcome(names::RETURNED)?,
        })
    }
}

impl Worker {
    /// What makes those of an engine.
    fn maker(
        families: &Families,
        coord_id: &str,
    ) -> Box<dyn Fn(usize) -> prometheus::Result<Self> + Send + Sync> {
        let (errors, batches) = (families.write_errors.clone(), families.batches_written.clone());
        let (latency, coord_id) = (families.write_latency.clone(), coord_id.to_owned());
        Box::new(move |worker| {
            let id = worker.to_string();
            let labels = [coord_id.as_str(), id.as_str()];
            let [transient, data, fatal] = names::ERROR_TYPES
                .map(|kind| errors.get_metric_with_label_values(&[coord_id.as_str(), &id, kind]));
            Ok(Self {
                batches: batches.get_metric_with_label_values(&labels)?,
                latency: latency.get_metric_with_label_values(&labels)?,
                errors: [transient?, data?, fatal?],
                alive: AtomicBool::new(false),
            })
        })
    }

    fn failed(&self, kind: &str) {
        let at = names::ERROR_TYPES.iter().position(|known| *known == kind);
        if let Some(errors) = at.and_then(|at| self.errors.get(at)) {
            errors.inc();
        }
    }
}

impl Observer for Metrics {
    fn on(&self, event: &Event<'_>) {
        match *event {
            Event::Read { rows } => self.rows.read.inc_by(rows),
            // A counter never falls: what was read stays read, and has this for an outcome.
            Event::Returned { rows } => self.rows.returned.inc_by(rows),
            Event::Skipped { rows } | Event::Empty { rows } => self.rows.skipped.inc_by(rows),
            Event::Lag { bytes, age } => self.lag(bytes, age),
            Event::LagMessages(messages) => self.lag_messages(messages),
            Event::Submitted { rows } => self.submitted.inc_by(rows),
            Event::Queue { depth } => self.depth.set(whole(depth)),
            Event::Pressure { depth, capacity, .. } => {
                self.depth.set(whole(depth));
                self.capacity.set(whole(capacity));
            }
            Event::Committed { worker, written, superseded, latency } => {
                self.rows.inserted.inc_by(written.inserted);
                self.rows.updated.inc_by(written.updated);
                self.rows.unchanged.inc_by(written.unchanged);
                self.rows.skipped.inc_by(written.skipped);
                self.rows.superseded.inc_by(superseded);
                self.writes.inc();
                self.latency.observe(latency.as_secs_f64());
                if let Some(worker) = self.worker(worker) {
                    worker.batches.inc();
                    worker.latency.observe(latency.as_secs_f64());
                }
            }
            Event::Failed { worker, kind, latency, .. } => {
                self.failures.inc();
                // Of a write whose transaction goes on the latency is not known yet.
                if latency > Duration::ZERO {
                    self.latency.observe(latency.as_secs_f64());
                }
                if let Some(worker) = self.worker(worker) {
                    worker.failed(kind);
                }
            }
            Event::Retry { .. } => self.retries.inc(),
            Event::Circuit { state, .. } => self.circuit(state),
            Event::Buried { stage, reason, rows } => self.buried(stage, &reason.code, rows),
            Event::Worker { worker, alive } => {
                let Some(worker) = self.worker(worker) else { return };
                match (worker.alive.swap(alive, Relaxed), alive) {
                    (false, true) => self.alive.inc(),
                    (true, false) => self.alive.dec(),
                    _ => {}
                }
            }
            Event::Pool { workers } => self.target.set(whole(workers)),
            Event::Writing { .. } | Event::DeadLettersBlocked { .. } => {}
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metrics({})", self.coord_id)
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Reason;
    use crate::port::{Level, Written};
    use crate::telemetry::metrics::{Exposition, RunIdentity};

    fn exposition() -> Exposition {
        let run = RunIdentity { command: "load".into(), run_id: "r".into(), coord_id: "unknown".into() };
        Exposition::new(run).unwrap()
    }

    fn metrics(exposition: &Exposition, workers: usize) -> Metrics {
        let settings = EngineSettings { workers, capacity: 500, ..EngineSettings::default() };
        exposition.engine("bars", "sqlite", &settings, || 0).unwrap()
    }

    /// The value of one sample.
    fn value(exposition: &Exposition, sample: &str) -> f64 {
        let text = exposition.text().unwrap();
        let found = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {sample} in\n{text}")).parse().unwrap()
    }

    #[test]
    fn rows_are_recorded_by_outcome() {
        let exposition = exposition();
        let metrics = metrics(&exposition, 2);
        metrics.on(&Event::Read { rows: 100 });
        metrics.on(&Event::Submitted { rows: 90 });
        let written = Written { inserted: 1, updated: 2, unchanged: 3, skipped: 4, ..Written::default() };
        let latency = Duration::from_millis(20);
        metrics.on(&Event::Committed { worker: 1, written: &written, superseded: 5, latency });
        let reason = Reason::new("bad_number", "no");
        metrics.on(&Event::Buried { stage: Stage::Validate, reason: &reason, rows: 6 });
        metrics.on(&Event::Buried { stage: Stage::Validate, reason: &reason, rows: 10 });
        let full = Reason::new("queue_full", "no");
        metrics.on(&Event::Buried { stage: Stage::Overflow, reason: &full, rows: 7 });
        metrics.on(&Event::Returned { rows: 62 });
        let outcomes = [
            ("read", 100.0),
            ("inserted", 1.0),
            ("updated", 2.0),
            ("unchanged", 3.0),
            ("skipped", 4.0),
            ("superseded", 5.0),
            ("rejected", 16.0),
            ("dropped", 7.0),
            ("returned", 62.0),
        ];
        for (outcome, rows) in outcomes {
            let sample = format!("mds_rows_total{{coord_id=\"bars\",outcome=\"{outcome}\"}}");
            assert_eq!(value(&exposition, &sample), rows, "{outcome}");
        }
        let settled: f64 = outcomes[1..].iter().map(|(_, rows)| rows).sum();
        assert_eq!(settled, 100.0);
        for (sample, rows) in [
            (r#"mds_coord_items_submitted_total{coord_id="bars"}"#, 90.0),
            (r#"mds_coord_items_dropped_total{coord_id="bars",reason="overflow"}"#, 7.0),
            (r#"mds_dlq_rows_total{code="bad_number",coord_id="bars",stage="validate"}"#, 16.0),
            (r#"mds_dlq_rows_total{code="queue_full",coord_id="bars",stage="overflow"}"#, 7.0),
        ] {
            assert_eq!(value(&exposition, sample), rows, "{sample}");
        }
    }

    #[test]
    fn writes_are_recorded_by_worker_and_for_the_store() {
        let exposition = exposition();
        let metrics = metrics(&exposition, 2);
        let written = Written::default();
        for (worker, millis) in [(0, 20), (0, 300), (1, 2)] {
            let latency = Duration::from_millis(millis);
            metrics.on(&Event::Committed { worker, written: &written, superseded: 0, latency });
        }
        let reason = Reason::new("40P01", "deadlock detected");
        for (kind, latency) in [("transient", 4), ("transient", 4), ("data", 0), ("fatal", 8)] {
            let latency = Duration::from_secs(latency);
            metrics.on(&Event::Failed { worker: 1, kind, reason: &reason, latency });
        }
        metrics.on(&Event::Retry { worker: 1, attempt: 2, delay: Duration::ZERO, reason: &reason });
        // A worker that the engine would never start is no reason to fail.
        metrics.on(&Event::Committed {
            worker: 9,
            written: &written,
            superseded: 0,
            latency: Duration::ZERO,
        });
        for (sample, expected) in [
            (r#"sink_writes_total{sink="sqlite",status="success"}"#, 4.0),
            (r#"sink_writes_total{sink="sqlite",status="failure"}"#, 4.0),
            (r#"sink_write_latency_seconds_count{sink="sqlite"}"#, 7.0),
            (r#"sink_write_latency_seconds_sum{sink="sqlite"}"#, 16.322),
            (r#"sink_write_latency_seconds_bucket{sink="sqlite",le="0.025"}"#, 3.0),
            (r#"sink_write_latency_seconds_bucket{sink="sqlite",le="+Inf"}"#, 7.0),
            (r#"mds_worker_batches_written_total{coord_id="bars",worker_id="0"}"#, 2.0),
            (r#"mds_worker_batches_written_total{coord_id="bars",worker_id="1"}"#, 1.0),
            (r#"mds_worker_write_latency_seconds_sum{coord_id="bars",worker_id="0"}"#, 0.32),
            (r#"mds_worker_write_latency_seconds_count{coord_id="bars",worker_id="1"}"#, 1.0),
            (r#"mds_worker_write_errors_total{coord_id="bars",error_type="transient",worker_id="1"}"#, 2.0),
            (r#"mds_worker_write_errors_total{coord_id="bars",error_type="data",worker_id="1"}"#, 1.0),
            (r#"mds_worker_write_errors_total{coord_id="bars",error_type="fatal",worker_id="1"}"#, 1.0),
            (r#"mds_worker_write_errors_total{coord_id="bars",error_type="fatal",worker_id="0"}"#, 0.0),
            (r#"mds_coord_retries_total{coord_id="bars"}"#, 1.0),
        ] {
            assert!((value(&exposition, sample) - expected).abs() < 1e-9, "{sample}");
        }
    }

    #[test]
    fn gauges_show_the_state() {
        let exposition = exposition();
        let metrics = metrics(&exposition, 3);
        let state = || {
            ["queue_depth", "queue_capacity", "workers_alive", "circuit_state", "circuit_opened_total"]
                .map(|name| value(&exposition, &format!("mds_coord_{name}{{coord_id=\"bars\"}}")))
        };
        assert_eq!(state(), [0.0, 500.0, 0.0, 0.0, 0.0]);
        for worker in [0, 1, 2, 1] {
            metrics.on(&Event::Worker { worker, alive: true });
        }
        metrics.on(&Event::Queue { depth: 450 });
        metrics.on(&Event::Circuit { state: Circuit::Open, trouble: None });
        assert_eq!(state(), [450.0, 500.0, 3.0, 1.0, 1.0]);
        metrics.on(&Event::Circuit { state: Circuit::HalfOpen, trouble: None });
        assert_eq!(state(), [450.0, 500.0, 3.0, 2.0, 1.0]);
        metrics.on(&Event::Circuit { state: Circuit::Open, trouble: None });
        assert_eq!(state(), [450.0, 500.0, 3.0, 1.0, 1.0]);
        metrics.on(&Event::Circuit { state: Circuit::Closed, trouble: None });
        metrics.on(&Event::Circuit { state: Circuit::Open, trouble: None });
        metrics.on(&Event::Circuit { state: Circuit::Closed, trouble: None });
        metrics.on(&Event::Worker { worker: 0, alive: false });
        metrics.on(&Event::Worker { worker: 0, alive: false });
        let (level, depth, capacity) = (Level::Hard, 480, 600);
        metrics.on(&Event::Pressure { level, depth, capacity, reason: "filled" });
        assert_eq!(state(), [480.0, 600.0, 2.0, 0.0, 2.0]);
        let target = || value(&exposition, "mds_coord_workers_target{coord_id=\"bars\"}");
        assert!((target() - 3.0).abs() < 1e-9);
        metrics.on(&Event::Pool { workers: 2 });
        assert!((target() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn codes_from_the_outside_make_no_more_labels_than_that() {
        let exposition = exposition();
        let metrics = metrics(&exposition, 1);
        for code in 0..3_000 {
            let reason = Reason::new(format!("E{code}"), "no");
            metrics.on(&Event::Buried { stage: Stage::Write, reason: &reason, rows: 2 });
        }
        let reason = Reason::new("x".repeat(LONGEST_CODE + 1), "no");
        metrics.on(&Event::Buried { stage: Stage::Decode, reason: &reason, rows: 5 });
        let text = exposition.text().unwrap();
        let samples = text.lines().filter(|line| line.starts_with("mds_dlq_rows_total{")).count();
        assert_eq!(samples, MOST_CODES + 2);
        let sample =
            |stage| format!("mds_dlq_rows_total{{code=\"other\",coord_id=\"bars\",stage=\"{stage}\"}}");
        assert_eq!(value(&exposition, &sample("write")), 2.0 * (3_000 - MOST_CODES) as f64);
        assert_eq!(value(&exposition, &sample("decode")), 5.0);
        // One that is known goes on being told apart.
        let reason = Reason::new("E7", "no");
        metrics.on(&Event::Buried { stage: Stage::Write, reason: &reason, rows: 2 });
        let known = r#"mds_dlq_rows_total{code="E7",coord_id="bars",stage="write"}"#;
        assert_eq!(value(&exposition, known), 4.0);
        assert_eq!(value(&exposition, r#"mds_rows_total{coord_id="bars",outcome="rejected"}"#), 6_007.0);
    }
}
