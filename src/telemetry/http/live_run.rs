//! What the listener sees of a run: snapshots, never the data path.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::broadcast;

use crate::error::Result;
use crate::port::{Circuit, Event, Observer};
use crate::settings::EngineSettings;
use crate::telemetry::http::Pressure;
use crate::telemetry::http::history::{Lately, Turns};
use crate::telemetry::metrics::Exposition;
use crate::telemetry::result::{RunFacts, RunResult};
use crate::telemetry::run_counters::RunCounters;
use crate::telemetry::snapshot::{Books, Snapshot};

/// Changes that are kept for who is slow to take them; then the oldest go.
const CHANGES: usize = 64;

/// A run as it goes on; shared by everyone who asks.
pub struct LiveRun {
    exposition: Arc<Exposition>,
    coord_id: Arc<str>,
    started: Instant,
    state: Mutex<RunState>,
    changes: Arc<Changes>,
    lately: Arc<Lately>,
    turns: Arc<Turns>,
}

/// Tells of changes of level or circuit, and counts them.
struct Changes {
    sender: broadcast::Sender<Pressure>,
    so_far: Mutex<u64>,
}

struct RunState {
    /// What is known before any engine runs.
    known: RunFacts,
    reached: bool,
    engine: Option<EngineView>,
    before: Before,
    ended: Option<u8>,
}

/// What engines have done that ran before the one at hand.
#[derive(Default, Clone)]
struct Before {
    engines: u64,
    dataset: Option<String>,
    inputs: Vec<String>,
    books: Books,
    records: u64,
    dlq_rows: u64,
    bytes_read: u64,
    retries: u64,
    times_opened: u64,
}

/// One engine of the run.
#[derive(Clone)]
pub struct EngineView {
    /// `coord_id` of its metrics.
    pub coord_id: Arc<str>,
    /// What it has counted.
    pub tally: Arc<RunCounters>,
    /// What else is known of it now. Must not wait for anything, and holds nothing open.
    pub facts: Arc<dyn Fn() -> RunFacts + Send + Sync>,
}

impl LiveRun {
    /// Of a run that starts now, of which so much is known; `coord_id` as that of its metrics.
    pub fn new(exposition: Arc<Exposition>, coord_id: &str, known: RunFacts) -> Self {
        let state = RunState { known, reached: false, engine: None, before: Before::default(), ended: None };
        Self {
            exposition,
            coord_id: coord_id.into(),
            started: Instant::now(),
            state: Mutex::new(state),
            changes: Arc::new(Changes { sender: broadcast::Sender::new(CHANGES), so_far: Mutex::new(0) }),
            lately: Arc::default(),
            turns: Arc::default(),
        }
    }

    /// More is known of the run, before any engine runs.
    pub fn know(&self, known: RunFacts) {
        let mut state = self.lock();
        state.known = RunFacts { dataset: known.dataset.or(state.known.dataset.take()), ..known };
    }

    /// The store has been reached.
    pub fn reached(&self) {
        self.lock().reached = true;
    }

    /// Shows this engine from now on, and what those before it have done with it. Who is given back
    /// must hear its events after the tally.
    pub fn engine(&self, view: EngineView) -> Arc<dyn Observer> {
        let mut state = self.lock();
        if let Some(last) = state.engine.take() {
            state.before.add(&last);
        }
        let watcher = Watcher {
            view: view.clone(),
            changes: self.changes.clone(),
            lately: self.lately.clone(),
            turns: self.turns.clone(),
        };
        // Whatever the one before it ended with does not hold any more.
        self.turns.close();
        watcher.changes.send(pressure_of(&view));
        state.reached = true;
        state.engine = Some(view);
        Arc::new(watcher)
    }

    /// The run has ended with that exit code.
    pub fn end(&self, exit_code: u8) {
        self.lock().ended = Some(exit_code);
    }

    /// The metrics, as the text file has them.
    pub(super) fn metrics(&self) -> Result<String> {
        self.exposition.text()
    }

    /// What was counted by the engine at hand, and the result of the run so far.
    pub(super) fn so_far(&self) -> (Snapshot, RunResult) {
        let (known, view, before, ended) = {
            let state = self.lock();
            (state.known.clone(), state.engine.clone(), state.before.clone(), state.ended)
        };
        let (snapshot, mut facts) = match view {
            Some(view) => (view.tally.snapshot(), (view.facts)()),
            None => (RunCounters::new(&nothing()).snapshot(), known),
        };
        facts.elapsed = self.started.elapsed();
        facts.exit_code = ended;
        let mut all = snapshot.clone();
        before.add_to(&mut all, &mut facts);
        (snapshot, RunResult::new(&all, facts))
    }

    /// How full the queue is.
    pub(super) fn pressure(&self) -> Pressure {
        // Before the look: what is seen may be newer than the number says, and not older.
        let sequence = *self.changes.so_far();
        let state = self.lock();
        let now = match &state.engine {
            Some(view) => pressure_of(view),
            None => Pressure::none(self.coord_id.clone()),
        };
        Pressure { sequence, ..now }
    }

    /// Each change of level or circuit from now on.
    pub(super) fn changes(&self) -> broadcast::Receiver<Pressure> {
        self.changes.sender.subscribe()
    }

    /// The run.
    #[cfg_attr(not(feature = "grpc"), expect(dead_code))]
    pub(super) fn run_id(&self) -> String {
        self.lock().known.run_id.clone()
    }

    /// How it ended, once it has.
    #[cfg_attr(not(feature = "grpc"), expect(dead_code))]
    pub(super) fn exit_code(&self) -> Option<u8> {
        self.lock().ended
    }

    pub(super) fn lately(&self) -> &Lately {
        &self.lately
    }

    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Whether those that write are there.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn healthy(&self) -> Result<(), &'static str> {
        let Some(view) = self.lock().engine.clone() else { return Ok(()) };
        let (workers, queue) = (view.tally.workers(), view.tally.queue());
        // They end when there is nothing more to write.
        match workers.most > 0 && workers.alive == 0 && queue.depth > 0 {
            true => Err("no worker is alive, and rows wait for one; end this process and start it again"),
            false => Ok(()),
        }
    }

    /// Whether rows are taken and written just now.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn ready(&self) -> Result<(), String> {
        let (reached, view) = {
            let state = self.lock();
            (state.reached, state.engine.clone())
        };
        if !reached {
            return Err("the store has not been reached yet".to_owned());
        }
        let Some(view) = view else { return Ok(()) };
        let circuit = view.tally.circuit_now();
        let since = circuit.open_for.map(|time| format!(" for {} s", time.as_secs())).unwrap_or_default();
        let reason = circuit.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        match circuit.state {
            Circuit::Closed => Ok(()),
            // A probe is on its way: it opens again at once, or closes.
            Circuit::Open | Circuit::HalfOpen => {
                Err(format!("the circuit is {}{since}{reason}", circuit.state.as_str()))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settings of an engine that is not there.
fn nothing() -> EngineSettings {
    EngineSettings { capacity: 0, high_watermark: 0, low_watermark: 0, ..EngineSettings::default() }
}

fn pressure_of(view: &EngineView) -> Pressure {
    Pressure::new(view.coord_id.clone(), &view.tally.queue(), view.tally.circuit_now().state)
}

impl Before {
    fn add(&mut self, view: &EngineView) {
        let (snapshot, facts) = (view.tally.snapshot(), (view.facts)());
        self.dataset = if self.engines == 0 { facts.dataset } else { same(&self.dataset, facts.dataset) };
        self.engines += 1;
        self.inputs.extend(facts.inputs);
        // Several engines may take rows out of one file.
        self.inputs.dedup();
        self.books.add(&snapshot.books);
        self.records += facts.dlq.records;
        self.dlq_rows += facts.dlq.rows;
        self.bytes_read += facts.bytes_read;
        self.retries += snapshot.retries;
        self.times_opened += snapshot.circuit.times_opened;
    }

    fn add_to(&self, snapshot: &mut Snapshot, facts: &mut RunFacts) {
        if self.engines == 0 {
            return;
        }
        snapshot.books.add(&self.books);
        snapshot.retries += self.retries;
        snapshot.circuit.times_opened += self.times_opened;
        facts.dlq.records += self.records;
        facts.dlq.rows += self.dlq_rows;
        facts.bytes_read += self.bytes_read;
        facts.dataset = same(&self.dataset, facts.dataset.take());
        let inputs = std::mem::take(&mut facts.inputs);
        facts.inputs = self.inputs.iter().cloned().chain(inputs).collect();
        facts.inputs.dedup();
    }
}

/// The dataset of both, if it is the same.
fn same(a: &Option<String>, b: Option<String>) -> Option<String> {
    b.filter(|b| a.as_ref() == Some(b))
}

impl fmt::Debug for LiveRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Live({:?})", self.lock().known)
    }
}

impl Changes {
    /// Sending never waits: who does not take them loses the oldest.
    fn send(&self, change: Pressure) {
        let mut so_far = self.so_far();
        *so_far += 1;
        // An error says that nobody listens.
        let _ = self.sender.send(Pressure { sequence: *so_far, ..change });
    }

    fn so_far(&self) -> MutexGuard<'_, u64> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes changes on.
struct Watcher {
    view: EngineView,
    changes: Arc<Changes>,
    lately: Arc<Lately>,
    turns: Arc<Turns>,
}

impl Observer for Watcher {
    fn on(&self, event: &Event<'_>) {
        match *event {
            Event::Pressure { level, depth, capacity, .. } => {
                let mut queue = self.view.tally.queue();
                (queue.level, queue.depth, queue.capacity) = (level, depth as u64, capacity as u64);
                let circuit = self.view.tally.circuit_now().state;
                self.changes.send(Pressure::new(self.view.coord_id.clone(), &queue, circuit));
            }
            Event::Circuit { state, .. } => {
                self.turns.note(state);
                self.changes.send(Pressure { circuit: state.as_str(), ..pressure_of(&self.view) });
            }
            Event::Committed { latency, .. } => self.lately.note(latency),
            _ => {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::batch::Reason;
    use crate::port::Trouble;
    use crate::port::{Level, Written};
    use crate::telemetry::metrics::RunIdentity;
    use crate::telemetry::result::DlqResult;

    pub(in crate::telemetry::http) fn live() -> Arc<LiveRun> {
        let run = RunIdentity { command: "load".into(), run_id: "r".into(), coord_id: "c".into() };
        let known = RunFacts { run_id: "r".into(), command: "load".into(), ..RunFacts::default() };
        Arc::new(LiveRun::new(Arc::new(Exposition::new(run).unwrap()), "c", known))
    }

    /// An engine with room for ten rows; events go to both.
    pub(in crate::telemetry::http) fn engine(
        live: &LiveRun,
        input: &str,
    ) -> (Arc<RunCounters>, Arc<dyn Observer>) {
        let settings =
            EngineSettings { capacity: 10, high_watermark: 8, low_watermark: 5, ..EngineSettings::default() };
        let tally = Arc::new(RunCounters::new(&settings));
        let facts = RunFacts {
            dataset: Some("bars".to_owned()),
            inputs: vec![input.to_owned()],
            dlq: DlqResult { path: None, records: 1, rows: 2 },
            bytes_read: 7,
            ..RunFacts::default()
        };
        let view = EngineView {
            coord_id: "bars".into(),
            tally: tally.clone(),
            facts: Arc::new(move || facts.clone()),
        };
        (tally, live.engine(view))
    }

    pub(in crate::telemetry::http) fn both(to: &(Arc<RunCounters>, Arc<dyn Observer>), event: Event<'_>) {
        to.0.on(&event);
        to.1.on(&event);
    }

    #[test]
    fn ready_once_the_store_was_reached_and_while_the_circuit_is_closed() {
        let live = live();
        assert_eq!(live.ready().unwrap_err(), "the store has not been reached yet");
        live.reached();
        assert_eq!(live.ready(), Ok(()));
        let engine = engine(&live, "a");
        let mut changes = live.changes();
        let level = Level::Hard;
        both(&engine, Event::Pressure { level, depth: 9, capacity: 10, reason: "filled" });
        let change = changes.try_recv().unwrap();
        assert_eq!((change.level, change.queue, change.utilisation), ("hard", 9, 0.9));
        assert_eq!((change.sequence, live.pressure().sequence), (2, 2), "the engine was one");
        let trouble = Trouble::Store(Reason::new("08006", "Connection refused."));
        both(&engine, Event::Circuit { state: Circuit::Open, trouble: Some(&trouble) });
        assert_eq!(live.ready().unwrap_err(), "the circuit is open for 0 s: Connection refused.");
        let change = changes.try_recv().unwrap();
        assert_eq!((change.level, change.circuit), ("hard", "open"));
        both(&engine, Event::Circuit { state: Circuit::HalfOpen, trouble: None });
        assert!(live.ready().unwrap_err().starts_with("the circuit is half-open"));
        both(&engine, Event::Circuit { state: Circuit::Closed, trouble: None });
        assert_eq!(live.ready(), Ok(()));
    }

    #[test]
    fn healthy_unless_rows_wait_for_workers_that_are_gone() {
        let live = live();
        assert_eq!(live.healthy(), Ok(()));
        let engine = engine(&live, "a");
        both(&engine, Event::Queue { depth: 1 });
        assert_eq!(live.healthy(), Ok(()), "they have yet to come");
        both(&engine, Event::Worker { worker: 0, alive: true });
        both(&engine, Event::Worker { worker: 0, alive: false });
        assert!(live.healthy().unwrap_err().starts_with("no worker is alive"));
        both(&engine, Event::Queue { depth: 0 });
        assert_eq!(live.healthy(), Ok(()), "all is written");
    }

    #[test]
    fn several_engines_are_one_run() {
        let live = live();
        assert_eq!(live.so_far().1.run_id, "r");
        for (input, rows) in [("a", 3), ("a", 4), ("b", 5)] {
            let mut changes = live.changes();
            let engine = engine(&live, input);
            assert_eq!(changes.try_recv().unwrap().level, "ok", "a new queue is empty");
            assert!(live.turns().all().last().is_none_or(|turn| turn.state == "closed"));
            both(&engine, Event::Circuit { state: Circuit::Open, trouble: None });
            both(&engine, Event::Read { rows });
            let written = Written { inserted: rows, ..Written::default() };
            let latency = std::time::Duration::from_millis(1);
            both(&engine, Event::Committed { worker: 0, written: &written, superseded: 0, latency });
        }
        let (now, all) = live.so_far();
        assert_eq!((now.books.read, all.rows.books.read, all.rows.books.inserted), (5, 12, 12));
        assert_eq!((all.dlq.records, all.dlq.rows, all.bytes_read), (3, 6, 21));
        assert_eq!((all.inputs.join(" "), all.dataset.as_deref()), ("a b".to_owned(), Some("bars")));
        assert_eq!(all.exit_code, None);
        live.end(3);
        assert_eq!(live.so_far().1.exit_code, Some(3));
    }
}
