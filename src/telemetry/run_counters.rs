//! Counts the events of the engine.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::batch::{Reason, Reject, Stage};
use crate::port::{Circuit, Event, Level, Observer, Resolved, Trouble};
use crate::settings::EngineSettings;
use crate::telemetry::histogram::Histogram;
use crate::telemetry::snapshot::{
    Books, CircuitView, InputPosition, LagView, QueueView, RejectGroup, Snapshot, WorkersView,
};
use crate::text::fit;

/// Most kinds of rejects that are told apart; codes and columns come from the outside.
const MOST_KINDS: usize = 1_000;
/// Most places that are kept of a kind.
const MOST_PLACES: usize = 3;
/// Most characters that are kept of a message.
const MOST_MESSAGE: usize = 400;
/// Most workers that are told apart.
const MOST_WORKERS: usize = 4_096;

/// An observer that counts. One per run; shared by display, summary and metrics.
///
/// Counters are atomics. What comes at most once a batch (workers) or seldom (rejects, circuit)
/// is behind small locks that nobody holds for longer than a copy.
#[derive(Debug)]
pub struct RunCounters {
    read: AtomicU64,
    submitted: AtomicU64,
    inserted: AtomicU64,
    updated: AtomicU64,
    unchanged: AtomicU64,
    superseded: AtomicU64,
    rejected: AtomicU64,
    aborted: AtomicU64,
    returned: AtomicU64,
    dropped: AtomicU64,
    skipped: AtomicU64,
    newer: AtomicU64,
    left_out: AtomicU64,
    empty: AtomicU64,
    rounded: AtomicU64,
    batches: AtomicU64,
    failures: AtomicU64,
    retries: AtomicU64,
    depth: AtomicU64,
    peak: AtomicU64,
    capacity: AtomicU64,
    level: AtomicU8,
    high_watermark: u64,
    low_watermark: u64,
    latency: Histogram,
    rejects: Mutex<Rejects>,
    workers: Mutex<Workers>,
    circuit: Mutex<CircuitState>,
    troubled: AtomicBool,
    trouble: Mutex<Option<Arc<str>>>,
    lag: Mutex<Option<LagView>>,
}

#[derive(Debug, Default)]
struct Rejects {
    kinds: HashMap<Kind, Group>,
    beyond: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    stage: Stage,
    code: Cow<'static, str>,
    column: Option<Arc<str>>,
    message: Cow<'static, str>,
}

#[derive(Debug)]
struct Group {
    message: Arc<str>,
    rows: u64,
    /// With the ordinal in the run, by which they are sorted.
    places: Vec<(u64, InputPosition)>,
}

impl Rejects {
    /// The group of that kind, or `None` when there are too many kinds for one more.
    fn group(&mut self, stage: Stage, reason: &Reason) -> Option<&mut Group> {
        let (code, message) = (reason.code.clone(), reason.message.clone());
        let kind = Kind { stage, code, column: reason.column.clone(), message };
        let full = self.kinds.len() >= MOST_KINDS;
        if full && !self.kinds.contains_key(&kind) {
            return None;
        }
        Some(self.kinds.entry(kind).or_insert_with(|| Group {
            message: fit::shorten(&reason.message, MOST_MESSAGE).into(),
            rows: 0,
            places: Vec::new(),
        }))
    }
}

#[derive(Debug, Default)]
struct Workers {
    each: Vec<Worker>,
    most: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Worker {
    alive: bool,
    busy: bool,
}

impl Workers {
    fn at(&mut self, worker: usize) -> Option<&mut Worker> {
        if worker >= MOST_WORKERS {
            return None;
        }
        if worker >= self.each.len() {
            self.each.resize(worker + 1, Worker::default());
        }
        self.each.get_mut(worker)
    }

    fn alive(&self) -> u64 {
        self.each.iter().filter(|worker| worker.alive).count() as u64
    }
}

#[derive(Debug)]
struct CircuitState {
    state: Circuit,
    times_opened: u64,
    since: Option<Instant>,
    before: Duration,
    reason: Option<Arc<str>>,
    for_letters: bool,
}

impl RunCounters {
    /// Everything at zero, for an engine with these settings.
    pub fn new(settings: &EngineSettings) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            read: zero(),
            submitted: zero(),
            inserted: zero(),
            updated: zero(),
            unchanged: zero(),
            superseded: zero(),
            rejected: zero(),
            aborted: zero(),
            returned: zero(),
            dropped: zero(),
            skipped: zero(),
            newer: zero(),
            left_out: zero(),
            empty: zero(),
            rounded: zero(),
            batches: zero(),
            failures: zero(),
            retries: zero(),
            depth: zero(),
            peak: zero(),
            capacity: AtomicU64::new(settings.capacity as u64),
            level: AtomicU8::new(0),
            high_watermark: settings.high_watermark as u64,
            low_watermark: settings.low_watermark as u64,
            latency: Histogram::new(),
            rejects: Mutex::default(),
            workers: Mutex::default(),
            circuit: Mutex::new(CircuitState {
                state: Circuit::Closed,
                times_opened: 0,
                since: None,
                before: Duration::ZERO,
                reason: None,
                for_letters: false,
            }),
            troubled: AtomicBool::new(false),
            trouble: Mutex::default(),
            lag: Mutex::default(),
        }
    }

    /// Takes back of rows that were told to be new what the end of a load in bulk has found of them.
    pub fn resolve(&self, resolved: &Resolved) {
        let inserted = self.inserted.load(Relaxed);
        // What an earlier run had told is in its own books.
        let mut left = inserted;
        let mut take = |rows: u64| {
            let taken = rows.min(left);
            left -= taken;
            taken
        };
        let (updated, unchanged, skipped) =
            (take(resolved.updated), take(resolved.unchanged), take(resolved.skipped));
        self.updated.fetch_add(updated, Relaxed);
        self.unchanged.fetch_add(unchanged, Relaxed);
        self.skipped.fetch_add(skipped, Relaxed);
        self.inserted.store(left, Relaxed);
    }

    /// Remembers where a row failed, if it is one of the first of its kind. Counts nothing: the
    /// engine's event does. To be called by whoever takes the dead letters.
    pub fn locate(&self, reject: &Reject) {
        let mut rejects = lock(&self.rejects);
        let Some(group) = rejects.group(reject.stage, &reject.reason) else { return };
        let ordinal = reject.origin.base.saturating_add(reject.row);
        let at = group.places.partition_point(|(other, _)| *other < ordinal);
        if at >= MOST_PLACES || group.places.get(at).is_some_and(|(other, _)| *other == ordinal) {
            return;
        }
        let (source, row) = reject.place();
        group.places.truncate(MOST_PLACES - 1);
        group.places.insert(at, (ordinal, InputPosition { source: source.clone(), row }));
    }

    /// What has been counted so far.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(Instant::now())
    }

    fn snapshot_at(&self, now: Instant) -> Snapshot {
        // The outcomes are read before `read`, so that in the middle of a run they are never more.
        let mut books = Books {
            read: 0,
            inserted: self.inserted.load(Relaxed),
            updated: self.updated.load(Relaxed),
            unchanged: self.unchanged.load(Relaxed),
            superseded: self.superseded.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
        };
        books.read = self.read.load(Relaxed);
        let (rejects, rejects_beyond) = self.groups();
        Snapshot {
            books,
            submitted: self.submitted.load(Relaxed),
            aborted: self.aborted.load(Relaxed),
            newer: self.newer.load(Relaxed),
            left_out: self.left_out.load(Relaxed),
            empty: self.empty.load(Relaxed),
            returned: self.returned.load(Relaxed),
            rounded: self.rounded.load(Relaxed),
            batches: self.batches.load(Relaxed),
            failures: self.failures.load(Relaxed),
            retries: self.retries.load(Relaxed),
            trouble: lock(&self.trouble).clone(),
            rejects,
            rejects_beyond,
            circuit: self.circuit_view(now),
            queue: self.queue(),
            workers: self.workers(),
            latency: self.latency.read(),
            lag: *lock(&self.lag),
        }
    }

    /// The queue as it is now.
    pub fn queue(&self) -> QueueView {
        QueueView {
            depth: self.depth.load(Relaxed),
            peak: self.peak.load(Relaxed),
            capacity: self.capacity.load(Relaxed),
            high_watermark: self.high_watermark,
            low_watermark: self.low_watermark,
            level: match self.level.load(Relaxed) {
                0 => Level::Ok,
                1 => Level::Soft,
                _ => Level::Hard,
            },
        }
    }

    /// The workers as they are now.
    pub fn workers(&self) -> WorkersView {
        let workers = lock(&self.workers);
        WorkersView {
            alive: workers.alive(),
            busy: workers.each.iter().filter(|worker| worker.busy).count() as u64,
            most: workers.most,
        }
    }

    /// The circuit breaker as it is now.
    pub fn circuit_now(&self) -> CircuitView {
        self.circuit_view(Instant::now())
    }

    fn groups(&self) -> (Vec<RejectGroup>, u64) {
        let rejects = lock(&self.rejects);
        let mut groups: Vec<RejectGroup> = rejects
            .kinds
            .iter()
            .filter(|(_, group)| group.rows > 0)
            .map(|(kind, group)| RejectGroup {
                stage: kind.stage,
                code: Arc::from(kind.code.as_ref()),
                column: kind.column.clone(),
                message: group.message.clone(),
                rows: group.rows,
                places: group.places.iter().map(|(_, place)| place.clone()).collect(),
            })
            .collect();
        let beyond = rejects.beyond;
        drop(rejects);
        groups.sort_by(|a, b| {
            let by_name = |g: &RejectGroup| (g.stage, g.code.clone(), g.column.clone());
            b.rows.cmp(&a.rows).then_with(|| by_name(a).cmp(&by_name(b)))
        });
        (groups, beyond)
    }

    fn circuit_view(&self, now: Instant) -> CircuitView {
        let circuit = lock(&self.circuit);
        let open_for = circuit.since.map(|since| now.saturating_duration_since(since));
        CircuitView {
            state: circuit.state,
            times_opened: circuit.times_opened,
            open_for,
            open_total: circuit.before + open_for.unwrap_or_default(),
            reason: circuit.reason.clone(),
            for_letters: circuit.for_letters,
        }
    }

    fn circuit(&self, state: Circuit, trouble: Option<&Trouble>, now: Instant) {
        let mut circuit = lock(&self.circuit);
        match (state, circuit.since) {
            (Circuit::Closed, Some(since)) => {
                circuit.before += now.saturating_duration_since(since);
                circuit.since = None;
            }
            (Circuit::Open, None) => {
                circuit.since = Some(now);
                circuit.times_opened += 1;
            }
            _ => {}
        }
        circuit.state = state;
        if let Some(trouble) = trouble {
            circuit.reason = Some(fit::shorten(trouble.message(), MOST_MESSAGE).into());
            circuit.for_letters = matches!(trouble, Trouble::DeadLetters(_));
        }
    }

    fn buried(&self, stage: Stage, reason: &Reason, rows: u64) {
        match stage {
            Stage::Overflow => &self.dropped,
            Stage::Decode | Stage::Validate | Stage::Write | Stage::Abort => &self.rejected,
        }
        .fetch_add(rows, Relaxed);
        if stage == Stage::Abort {
            self.aborted.fetch_add(rows, Relaxed);
        }
        let mut rejects = lock(&self.rejects);
        match rejects.group(stage, reason) {
            Some(group) => group.rows += rows,
            None => rejects.beyond += rows,
        }
    }

    fn on_worker(&self, worker: usize, change: impl FnOnce(&mut Worker)) {
        if let Some(worker) = lock(&self.workers).at(worker) {
            change(worker);
        }
    }
}

impl Observer for RunCounters {
    fn on(&self, event: &Event<'_>) {
        match *event {
            Event::Read { rows } => {
                self.read.fetch_add(rows, Relaxed);
            }
            Event::Returned { rows } => {
                self.read.fetch_sub(rows, Relaxed);
                self.returned.fetch_add(rows, Relaxed);
            }
            Event::Lag { bytes, age } => *lock(&self.lag) = Some(LagView::Files { bytes, age }),
            Event::LagMessages(messages) => *lock(&self.lag) = messages.map(LagView::Messages),
            Event::Skipped { rows } => {
                self.skipped.fetch_add(rows, Relaxed);
            }
            Event::Empty { rows } => {
                self.skipped.fetch_add(rows, Relaxed);
                self.empty.fetch_add(rows, Relaxed);
            }
            Event::DeadLettersBlocked { error } => {
                *lock(&self.trouble) = Some(fit::shorten(&error.0, MOST_MESSAGE).into());
                self.troubled.store(true, Relaxed);
            }
            Event::Submitted { rows } => {
                self.submitted.fetch_add(rows, Relaxed);
            }
            Event::Queue { depth } => {
                self.depth.store(depth as u64, Relaxed);
                self.peak.fetch_max(depth as u64, Relaxed);
            }
            Event::Pressure { level, depth, capacity, .. } => {
                let code = match level {
                    Level::Ok => 0,
                    Level::Soft => 1,
                    Level::Hard => 2,
                };
                self.level.store(code, Relaxed);
                self.capacity.store(capacity as u64, Relaxed);
                self.peak.fetch_max(depth as u64, Relaxed);
            }
            Event::Writing { worker, .. } => self.on_worker(worker, |worker| worker.busy = true),
            Event::Committed { worker, written, superseded, latency } => {
                self.inserted.fetch_add(written.inserted, Relaxed);
                self.updated.fetch_add(written.updated, Relaxed);
                self.unchanged.fetch_add(written.unchanged, Relaxed);
                self.skipped.fetch_add(written.skipped, Relaxed);
                self.newer.fetch_add(written.newer, Relaxed);
                self.left_out.fetch_add(written.left_out, Relaxed);
                self.rounded.fetch_add(written.rounded, Relaxed);
                self.superseded.fetch_add(superseded, Relaxed);
                self.batches.fetch_add(1, Relaxed);
                self.latency.record(latency);
                self.on_worker(worker, |worker| worker.busy = false);
                if self.troubled.swap(false, Relaxed) {
                    *lock(&self.trouble) = None;
                }
            }
            Event::Failed { worker, .. } => {
                self.failures.fetch_add(1, Relaxed);
                self.on_worker(worker, |worker| worker.busy = false);
            }
            Event::Retry { reason, .. } => {
                self.retries.fetch_add(1, Relaxed);
                *lock(&self.trouble) = Some(fit::shorten(&reason.message, MOST_MESSAGE).into());
                self.troubled.store(true, Relaxed);
            }
            Event::Circuit { state, trouble } => self.circuit(state, trouble, Instant::now()),
            Event::Buried { stage, reason, rows } => self.buried(stage, reason, rows),
            // Those that are alive tell it soon enough.
            Event::Pool { .. } => {}
            Event::Worker { worker, alive } => {
                self.on_worker(worker, |worker| *worker = Worker { alive, busy: false });
                let mut workers = lock(&self.workers);
                workers.most = workers.most.max(workers.alive());
            }
        }
    }
}

/// A thread that panicked while it counted has left a count that is still good to show.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Origin, RejectedData};
    use crate::port::Written;

    fn tally() -> RunCounters {
        RunCounters::new(&EngineSettings::default())
    }

    #[test]
    fn closes_under_concurrent_events() {
        let tally = tally();
        std::thread::scope(|scope| {
            for worker in 0..8 {
                let tally = &tally;
                scope.spawn(move || {
                    let reason = Reason::new(format!("code{}", worker % 3), "Bad.").column("volume");
                    // Rows that the store had newer are in the number of superseded ones.
                    let written = Written {
                        inserted: 5,
                        updated: 4,
                        unchanged: 3,
                        skipped: 2,
                        newer: 1,
                        ..Written::default()
                    };
                    for i in 0..1_000u64 {
                        tally.on(&Event::Read { rows: 20 });
                        tally.on(&Event::Queue { depth: (i as usize) * 8 + worker });
                        tally.on(&Event::Writing { worker, rows: 15 });
                        let latency = Duration::from_micros(i);
                        tally.on(&Event::Committed { worker, written: &written, superseded: 1, latency });
                        for stage in [Stage::Decode, Stage::Validate, Stage::Write, Stage::Abort] {
                            tally.on(&Event::Buried { stage, reason: &reason, rows: 1 });
                        }
                        tally.on(&Event::Buried { stage: Stage::Overflow, reason: &reason, rows: 1 });
                        assert!(tally.snapshot().books.settled() <= tally.snapshot().books.read);
                    }
                });
            }
        });
        let seen = tally.snapshot();
        assert_eq!(seen.closes(), Ok(()));
        let expected = Books {
            read: 160_000,
            inserted: 40_000,
            updated: 32_000,
            unchanged: 24_000,
            superseded: 8_000,
            rejected: 32_000,
            dropped: 8_000,
            skipped: 16_000,
        };
        assert_eq!(seen.books, expected);
        assert_eq!((seen.aborted, seen.batches, seen.latency.count), (8_000, 8_000, 8_000));
        assert_eq!(seen.newer, 8_000);
        assert_eq!((seen.queue.peak, seen.workers.busy), (7_999, 0));
        assert_eq!(seen.rejects.len(), 15);
        assert_eq!(seen.rejects.iter().map(|group| group.rows).sum::<u64>(), 40_000);
        assert!(seen.rejects.is_sorted_by_key(|group| std::cmp::Reverse(group.rows)));
    }

    #[test]
    fn kinds_of_rejects_are_bounded_and_nothing_goes_uncounted() {
        let tally = tally();
        for i in 0..1_500 {
            let reason = Reason::new(format!("code{i}"), "x".repeat(100_000));
            tally.on(&Event::Buried { stage: Stage::Write, reason: &reason, rows: 2 });
        }
        let seen = tally.snapshot();
        assert_eq!((seen.rejects.len(), seen.rejects_beyond, seen.books.rejected), (1_000, 1_000, 3_000));
        assert!(seen.rejects[0].message.chars().count() <= MOST_MESSAGE);
    }

    #[test]
    fn keeps_the_first_places_of_a_kind_in_the_order_of_the_input() {
        let tally = tally();
        let reason = Arc::new(Reason::new("bad_number", "No number.").column("volume"));
        let origin = |source: &str, base| Arc::new(Origin { base, ..Origin::new(source) });
        let (first, second) = (origin("a.csv", 0), origin("b.csv", 100));
        for (origin, row) in
            [(&second, 1), (&first, 90), (&first, 7), (&first, 7), (&first, 40), (&first, 99)]
        {
            tally.locate(&Reject {
                stage: Stage::Validate,
                reason: reason.clone(),
                origin: origin.clone(),
                row,
                remains: RejectedData::Raw(Vec::new()),
                reading: None,
                attempts: 1,
            });
        }
        assert_eq!(tally.snapshot().rejects, []);
        tally.on(&Event::Buried { stage: Stage::Validate, reason: &reason, rows: 5 });
        let group = tally.snapshot().rejects.remove(0);
        let places: Vec<_> = group.places.iter().map(|place| (&*place.source, place.row)).collect();
        assert_eq!(places, [("a.csv", 7), ("a.csv", 40), ("a.csv", 90)]);
    }

    #[test]
    fn an_outage_lasts_from_opening_to_closing_whatever_the_probes() {
        let tally = tally();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let down = Trouble::Store(Reason::new("08006", "Connection refused."));
        tally.circuit(Circuit::Open, Some(&down), at(10));
        tally.circuit(Circuit::HalfOpen, None, at(15));
        tally.circuit(Circuit::Open, None, at(16));
        let seen = tally.snapshot_at(at(18)).circuit;
        assert_eq!((seen.state, seen.times_opened), (Circuit::Open, 1));
        assert_eq!(seen.open_for, Some(Duration::from_secs(8)));
        assert_eq!(seen.reason.as_deref(), Some("Connection refused."));
        tally.circuit(Circuit::HalfOpen, None, at(20));
        tally.circuit(Circuit::Closed, None, at(21));
        tally.circuit(Circuit::Open, Some(&down), at(30));
        let seen = tally.snapshot_at(at(31)).circuit;
        assert_eq!((seen.times_opened, seen.open_total), (2, Duration::from_secs(12)));
    }

    #[test]
    fn trouble_lasts_until_a_write_gets_through() {
        let tally = tally();
        let reason = Reason::new("40P01", "Deadlock.");
        tally.on(&Event::Worker { worker: 0, alive: true });
        tally.on(&Event::Worker { worker: 1, alive: true });
        tally.on(&Event::Writing { worker: 1, rows: 1 });
        let seen = tally.snapshot();
        assert_eq!(seen.workers, WorkersView { alive: 2, busy: 1, most: 2 });
        tally.on(&Event::Failed { worker: 1, kind: "transient", reason: &reason, latency: Duration::ZERO });
        tally.on(&Event::Retry { worker: 1, attempt: 2, delay: Duration::ZERO, reason: &reason });
        let seen = tally.snapshot();
        assert_eq!(seen.trouble.as_deref(), Some("Deadlock."));
        assert_eq!((seen.workers.busy, seen.retries, seen.failures, seen.latency.count), (0, 1, 1, 0));
        let written = Written::default();
        tally.on(&Event::Committed { worker: 1, written: &written, superseded: 0, latency: Duration::ZERO });
        tally.on(&Event::Worker { worker: 1, alive: false });
        let seen = tally.snapshot();
        assert_eq!((seen.trouble, seen.workers), (None, WorkersView { alive: 1, busy: 0, most: 2 }));
    }
}
