//! All metrics of a run, and their text.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::error::{Error, Result};
use crate::settings::EngineSettings;
use crate::telemetry::metrics::names::{self, Family};
use crate::telemetry::metrics::recorder::Metrics;

/// Upper bounds of the buckets of latencies, in seconds. A batch takes milliseconds; a store in
/// trouble answers after its timeouts.
const BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// What tells a run from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// The command: `load`, `replay-dlq`.
    pub command: String,
    /// Its identity, as in the `--json` result.
    pub run_id: String,
    /// `coord_id` of the run's own metrics, as far as it is known at the start.
    pub coord_id: String,
}

/// All metrics of a run: its own, and those of its engines.
pub struct Exposition {
    registry: Registry,
    pub(super) families: Families,
    run: Mutex<RunIdentity>,
    started: Instant,
    started_at: f64,
    ended: Mutex<Option<End>>,
    pulled: Mutex<Vec<Pulled>>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    at: f64,
    seconds: f64,
    exit_code: u8,
}

/// A counter that is brought up to date when the metrics are looked at.
struct Pulled {
    counter: IntCounter,
    /// What has been added of it: engines of one `coord_id` share their counter.
    seen: u64,
    read: Box<dyn Fn() -> u64 + Send>,
}

/// One for each constant of [`names`].
pub(super) struct Families {
    pub(super) sink_writes: IntCounterVec,
    pub(super) sink_write_latency: HistogramVec,
    pub(super) items_submitted: IntCounterVec,
    pub(super) items_dropped: IntCounterVec,
    pub(super) queue_depth: IntGaugeVec,
    pub(super) queue_capacity: IntGaugeVec,
    pub(super) workers_alive: IntGaugeVec,
    pub(super) workers_target: IntGaugeVec,
    pub(super) circuit_state: IntGaugeVec,
    pub(super) circuit_opened: IntCounterVec,
    pub(super) retries: IntCounterVec,
    pub(super) batches_written: IntCounterVec,
    pub(super) write_errors: IntCounterVec,
    pub(super) write_latency: HistogramVec,
    pub(super) rows: IntCounterVec,
    pub(super) dlq_rows: IntCounterVec,
    pub(super) dlq_depth_rows: IntGaugeVec,
    pub(super) dlq_depth_bytes: IntGaugeVec,
    bytes_read: IntCounterVec,
    pub(super) tail_lag_bytes: IntGaugeVec,
    pub(super) tail_lag_seconds: GaugeVec,
    pub(super) tail_lag_messages: IntGaugeVec,
    run_info: IntGaugeVec,
    run_start: GaugeVec,
    run_end: GaugeVec,
    run_duration: GaugeVec,
    run_exit_code: IntGaugeVec,
}

impl Families {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        fn add<C: Collector + Clone + 'static>(
            registry: &Registry,
            made: prometheus::Result<C>,
        ) -> prometheus::Result<C> {
            let family = made?;
            registry.register(Box::new(family.clone()))?;
            Ok(family)
        }
        let opts = |family: Family| Opts::new(family.name, family.help);
        let counter = |f: Family| add(registry, IntCounterVec::new(opts(f), f.labels));
        let whole = |f: Family| add(registry, IntGaugeVec::new(opts(f), f.labels));
        let gauge = |f: Family| add(registry, GaugeVec::new(opts(f), f.labels));
        let histogram = |f: Family| {
            let opts = HistogramOpts::new(f.name, f.help).buckets(BUCKETS.to_vec());
            add(registry, HistogramVec::new(opts, f.labels))
        };
        Ok(Self {
            sink_writes: counter(names::SINK_WRITES)?,
            sink_write_latency: histogram(names::SINK_WRITE_LATENCY)?,
            items_submitted: counter(names::ITEMS_SUBMITTED)?,
            items_dropped: counter(names::ITEMS_DROPPED)?,
            queue_depth: whole(names::QUEUE_DEPTH)?,
            queue_capacity: whole(names::QUEUE_CAPACITY)?,
            workers_alive: whole(names::WORKERS_ALIVE)?,
            workers_target: whole(names::WORKERS_TARGET)?,
            circuit_state: whole(names::CIRCUIT_STATE)?,
            circuit_opened: counter(names::CIRCUIT_OPENED)?,
            retries: counter(names::RETRIES)?,
            batches_written: counter(names::BATCHES_WRITTEN)?,
            write_errors: counter(names::WRITE_ERRORS)?,
            write_latency: histogram(names::WRITE_LATENCY)?,
            rows: counter(names::ROWS)?,
            dlq_rows: counter(names::DLQ_ROWS)?,
            dlq_depth_rows: whole(names::DLQ_DEPTH_ROWS)?,
            dlq_depth_bytes: whole(names::DLQ_DEPTH_BYTES)?,
            bytes_read: counter(names::BYTES_READ)?,
            tail_lag_bytes: whole(names::TAIL_LAG_BYTES)?,
            tail_lag_seconds: gauge(names::TAIL_LAG_SECONDS)?,
            tail_lag_messages: whole(names::TAIL_LAG_MESSAGES)?,
            run_info: whole(names::RUN_INFO)?,
            run_start: gauge(names::RUN_START)?,
            run_end: gauge(names::RUN_END)?,
            run_duration: gauge(names::RUN_DURATION)?,
            run_exit_code: whole(names::RUN_EXIT_CODE)?,
        })
    }
}

impl Exposition {
    /// Of a run that starts now.
    ///
    /// # Errors
    /// [`Error::Internal`] if two metrics had the same name.
    pub fn new(run: RunIdentity) -> Result<Self> {
        let registry = Registry::new();
        Ok(Self {
            families: Families::register(&registry).map_err(internal)?,
            registry,
            run: Mutex::new(run),
            started: Instant::now(),
            started_at: now(),
            ended: Mutex::default(),
            pulled: Mutex::default(),
        })
    }

    /// An observer that records the events of an engine with these settings, which writes to a
    /// store of the name `sink`. `bytes_read` says how many bytes of the input have been read; it
    /// is asked at every [`Exposition::text`], and must not wait for anything.
    ///
    /// From here on `coord_id` is also the one of the run's own metrics.
    ///
    /// # Errors
    /// [`Error::Internal`] if labels did not fit their metric.
    pub fn engine(
        &self,
        coord_id: &str,
        sink: &str,
        settings: &EngineSettings,
        bytes_read: impl Fn() -> u64 + Send + 'static,
    ) -> Result<Metrics> {
        let metrics = Metrics::new(&self.families, coord_id, sink, settings).map_err(internal)?;
        let counter = self.families.bytes_read.get_metric_with_label_values(&[coord_id]).map_err(internal)?;
        lock(&self.pulled).push(Pulled { counter, seen: 0, read: Box::new(bytes_read) });
        coord_id.clone_into(&mut lock(&self.run).coord_id);
        Ok(metrics)
    }

    /// The run has ended with that exit code.
    pub fn end(&self, exit_code: u8) {
        let seconds = self.started.elapsed().as_secs_f64();
        *lock(&self.ended) = Some(End { at: now(), seconds, exit_code });
    }

    /// All metrics in Prometheus' text format, version 0.0.4.
    ///
    /// # Errors
    /// [`Error::Internal`] if a metric could not be put into words.
    pub fn text(&self) -> Result<String> {
        for pulled in lock(&self.pulled).iter_mut() {
            let read = (pulled.read)().max(pulled.seen);
            pulled.counter.inc_by(read - pulled.seen);
            pulled.seen = read;
        }
        // Under the lock, so that of two who ask at once neither sees the other's half.
        let run = lock(&self.run);
        self.describe(&run).map_err(internal)?;
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(internal)
    }

    /// The run's own metrics: their labels may have changed since they were described last.
    fn describe(&self, run: &RunIdentity) -> prometheus::Result<()> {
        let families = &self.families;
        let labels = [run.command.as_str(), run.coord_id.as_str()];
        families.run_info.reset();
        families.run_start.reset();
        let info = [labels[0], labels[1], run.run_id.as_str(), env!("CARGO_PKG_VERSION")];
        families.run_info.get_metric_with_label_values(&info)?.set(1);
        families.run_start.get_metric_with_label_values(&labels)?.set(self.started_at);
        if let Some(end) = *lock(&self.ended) {
            families.run_end.get_metric_with_label_values(&labels)?.set(end.at);
            families.run_duration.get_metric_with_label_values(&labels)?.set(end.seconds);
            families.run_exit_code.get_metric_with_label_values(&labels)?.set(end.exit_code.into());
        }
        Ok(())
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exposition({:?})", lock(&self.run))
    }
}

/// Seconds since the epoch, to the millisecond.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as f64 / 1e3
}

fn internal(error: prometheus::Error) -> Error {
    Error::internal(format!("metrics: {error}"))
}

/// What a thread that panicked has left is still good to show.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;
    use crate::telemetry::metrics::names::*;

    const ALL: [Family; 22] = [
        SINK_WRITES,
        SINK_WRITE_LATENCY,
        ITEMS_SUBMITTED,
        ITEMS_DROPPED,
        QUEUE_DEPTH,
        QUEUE_CAPACITY,
        WORKERS_ALIVE,
        WORKERS_TARGET,
        CIRCUIT_STATE,
        CIRCUIT_OPENED,
        RETRIES,
        BATCHES_WRITTEN,
        WRITE_ERRORS,
        WRITE_LATENCY,
        ROWS,
        DLQ_ROWS,
        BYTES_READ,
        RUN_INFO,
        RUN_START,
        RUN_END,
        RUN_DURATION,
        RUN_EXIT_CODE,
    ];

    fn exposition() -> Exposition {
        let run = RunIdentity {
            command: "load".into(),
            run_id: "0190a6a0-1111-7000-8000-00000000000a".into(),
            coord_id: "unknown".into(),
        };
        Exposition::new(run).unwrap()
    }

    fn samples<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        text.lines().filter(of).collect()
    }

    #[test]
    fn every_family_has_help_type_and_samples_when_the_run_is_over() {
        let exposition = exposition();
        let metrics = exposition.engine("bars", "sqlite", &EngineSettings::default(), || 0).unwrap();
        let reason = crate::batch::Reason::new("bad_number", "no");
        let stage = crate::batch::Stage::Validate;
        let event = crate::port::Event::Buried { stage, reason: &reason, rows: 1 };
        crate::port::Observer::on(&metrics, &event);
        exposition.end(3);
        let text = exposition.text().unwrap();
        for Family { name, help, labels } in ALL {
            assert!(text.contains(&format!("# HELP {name} {help}\n")), "{name}\n{text}");
            let kind = match name {
                _ if name.ends_with("_total") => "counter",
                _ if name.ends_with("latency_seconds") => "histogram",
                _ => "gauge",
            };
            assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}\n{text}");
            let sample = if kind == "histogram" { format!("{name}_count") } else { name.to_owned() };
            let found = samples(&text, &sample);
            assert!(!found.is_empty(), "{name}\n{text}");
            for label in labels {
                assert!(found.iter().all(|line| line.contains(&format!("{label}=\""))), "{name}\n{text}");
            }
        }
        assert_eq!(text.matches("# TYPE ").count(), ALL.len(), "{text}");
    }

    #[test]
    fn of_a_run_that_has_not_ended_nothing_is_said_of_its_end() {
        let exposition = exposition();
        let text = exposition.text().unwrap();
        assert_eq!(samples(&text, RUN_START.name).len(), 1, "{text}");
        for family in [RUN_END, RUN_DURATION, RUN_EXIT_CODE] {
            assert!(!text.contains(family.name), "{text}");
        }
        exposition.end(5);
        let text = exposition.text().unwrap();
        let exit = r#"mds_last_run_exit_code{command="load",coord_id="unknown"} 5"#;
        assert_eq!(samples(&text, RUN_EXIT_CODE.name), [exit]);
    }

    #[test]
    fn the_run_takes_the_name_of_its_data_once_it_is_known() {
        let exposition = exposition();
        assert!(exposition.text().unwrap().contains("coord_id=\"unknown\""));
        let _metrics = exposition.engine("a \"b\"\n", "sqlite", &EngineSettings::default(), || 0).unwrap();
        exposition.end(0);
        let text = exposition.text().unwrap();
        assert!(!text.contains("unknown"), "{text}");
        for family in [RUN_INFO, RUN_START, RUN_END, RUN_DURATION, RUN_EXIT_CODE] {
            let found = samples(&text, family.name);
            assert!(found.len() == 1 && found[0].contains(r#"coord_id="a \"b\"\n""#), "{found:?}");
        }
    }

    #[test]
    fn two_engines_of_one_name_add_up() {
        let exposition = exposition();
        for bytes in [10, 5] {
            let engine = exposition.engine("bars", "sqlite", &EngineSettings::default(), move || bytes);
            crate::port::Observer::on(&engine.unwrap(), &crate::port::Event::Read { rows: bytes });
        }
        for _ in 0..2 {
            let text = exposition.text().unwrap();
            assert!(text.contains("mds_bytes_read_total{coord_id=\"bars\"} 15\n"), "{text}");
            assert!(text.contains("{coord_id=\"bars\",outcome=\"read\"} 15\n"), "{text}");
        }
    }

    #[test]
    fn bytes_are_asked_for_when_the_text_is() {
        let exposition = exposition();
        let bytes = Arc::new(AtomicU64::new(10));
        let read = bytes.clone();
        let read = move || read.load(Relaxed);
        let _metrics = exposition.engine("bars", "sqlite", &EngineSettings::default(), read).unwrap();
        for now in [10, 70, 70, 4_000_000_000_000] {
            bytes.store(now, Relaxed);
            let text = exposition.text().unwrap();
            let sample = format!("mds_bytes_read_total{{coord_id=\"bars\"}} {now}");
            assert_eq!(samples(&text, BYTES_READ.name), [sample]);
        }
    }
}
