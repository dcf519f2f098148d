//! A worker: claims rows, writes them in one transaction, and does not let go of them before they
//! are in the store or in the dead-letter queue.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout};
use tracing::field::Empty;
use tracing::{Instrument as _, trace_span};

use crate::batch::{Dependence, Order, Reason, Stage};
use crate::coordinator::End;
use crate::coordinator::engine::{Engine, Halted};
use crate::coordinator::hold::Hold;
use crate::coordinator::isolate::{isolate, settle_refused};
use crate::coordinator::lanes::slot_of;
use crate::coordinator::left::LeftRow;
use crate::coordinator::retry::backoff;
use crate::coordinator::witness::others_go_through;
use crate::coordinator::write_transaction::{ByIdentity, LOSSES_TO_DIVIDE, Wins, WriteTransaction};
use crate::dataset::json_row;
use crate::port::{
    DeadLetterError, DeadLetters, Event, PANIC, Session, Sink, SinkError, TransientKind, Trouble, WriteMode,
    Written,
};
use crate::settings::{OnConflict, SecondTry};

/// How long a commit that is under way may take when the run is stopped at once.
const LAST_COMMIT: Duration = Duration::from_millis(2500);

/// How long the store is asked after that what has become of commits without an answer. With the time that
/// signals leave for draining it stays below the ten seconds of a service manager.
const LAST_WORD: Duration = Duration::from_millis(2500);

/// Why an attempt did not settle its rows.
enum Failure {
    Sink(SinkError),
    DeadLetters(DeadLetterError),
    /// The rows were refused by something that may pass: they are written again a few times before any of
    /// them is blamed.
    Again(Reason),
    Halted,
}

/// What a panic of the writer was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Panicked {
    /// Something that is not about the rows, as far as can be told.
    Elsewhere,
    /// Perhaps the rows: they are to be written again.
    Again,
    /// One of several rows.
    Divide,
    /// Every row there is.
    Everywhere,
}

/// Why rows were not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Halted,
    /// They are too many for one transaction.
    TooLarge,
}

impl From<Halted> for Stop {
    fn from(_: Halted) -> Self {
        Self::Halted
    }
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

impl From<Halted> for Failure {
    fn from(_: Halted) -> Self {
        Self::Halted
    }
}

/// A flight that is committed, and perhaps not on disk yet.
struct Unflushed {
    flight: WriteTransaction,
    written: Written,
    latency: Duration,
}

/// What a worker works with.
struct WorkerState<'a, S: Sink, D> {
    engine: &'a Engine<S, D>,
    worker: usize,
    session: Option<S::Session>,
    /// Committed flights that are not known to be on disk, the oldest first. Their rows still count
    /// as the engine's.
    unflushed: VecDeque<Unflushed>,
    /// Flights whose commits a crash of the store has undone, the oldest first: to be written again
    /// before anything else.
    undone: VecDeque<WriteTransaction>,
    /// Refused rows that are tried once more.
    hold: Hold,
    /// Number of the last transaction.
    serial: u64,
    /// Whether a connection was lost since `unflushed` was last compared with the ledger.
    doubt: bool,
    /// Flights that were under way when the run was ended at once, and whose commit got no answer.
    unanswered: VecDeque<WriteTransaction>,
    /// Rows condemned for a panic since one was stored last.
    panicked: usize,
}

/// Attempts at a single row that panic, after which it is condemned: others may come from elsewhere.
const MOST_PANICS: u32 = 8;

/// Rows condemned for a panic, none stored between them, after which the run ends.
const MOST_PANICKED: usize = 64;

/// Attempts over which the waits grow between those at a row that loses its session.
const MOST_PATIENT: u32 = 3;

/// Committed flights of a worker that may wait to be known to be on disk. Each keeps its rows in
/// memory.
const MOST_ALOFT: usize = 2;

/// How often refused rows are tried again, each time since the last has stored some of them.
const MOST_ROUNDS: usize = 8;

/// Works until the queue is closed and empty, or the engine halts.
pub(super) async fn work<S: Sink, D: DeadLetters>(engine: Arc<Engine<S, D>>, worker: usize) {
    engine.worker_alive(worker, true);
    let mut expect_rejects = false;
    // Flights that were too large for one transaction, in parts, and how many rows are not.
    let (mut divided, mut most) = (VecDeque::new(), engine.settings.batch_rows);
    let (mut seen, wins) = (ByIdentity::default(), Wins::of(&engine.settings));
    let mut bench = WorkerState {
        engine: &engine,
        worker,
        session: None,
        unflushed: VecDeque::new(),
        undone: VecDeque::new(),
        hold: Hold::default(),
        serial: 0,
        doubt: false,
        unanswered: VecDeque::new(),
        panicked: 0,
    };
    loop {
        // Nothing stays in the air while the worker waits for rows: those who bring them may be waiting
        // for the room that it takes.
        if !bench.unflushed.is_empty() && divided.is_empty() && engine.is_short(worker) {
            if bench.settle(None).await.is_err() {
                break;
            }
            bench.acknowledge(u64::MAX);
        }
        let caught_up = || divided.is_empty() && engine.queue.is_idle(worker);
        if !bench.hold.is_empty() && engine.settings.second_try == SecondTry::WhenIdle && caught_up() {
            if bench.heal().await.is_err() {
                break;
            }
            continue;
        }
        let next = match divided.pop_front() {
            Some(mut flight) => {
                bench.number(&mut flight);
                Ok(Some(flight))
            }
            None => engine.until_halt(engine.claim(worker, most)).await.map(|portions| {
                bench.serial += 1;
                portions.map(|rows| WriteTransaction::new(rows, bench.serial, wins, &mut seen))
            }),
        };
        let Ok(next) = next else { break };
        // What is held back waits for the end, for being asked for, and for rows that cannot be written
        // twice.
        if next.as_ref().is_none_or(|flight| flight.rows == 0 || flight.order == Order::Input)
            && bench.heal().await.is_err()
        {
            if let Some(flight) = next {
                bench.let_go(flight).await;
            }
            break;
        }
        let Some(mut flight) = next else { break };
        if flight.rows == 0 {
            continue;
        }
        (flight.room, flight.floor) = (bench.hold.room(&engine.settings, &flight), bench.hold.first());
        // Bad rows seldom come alone: after some, the next are taken to be among the following, and
        // the attempt that would only find out is left out.
        flight.expect_rejects = expect_rejects;
        let span = trace_span!(
            "write",
            worker = worker as i64,
            rows = flight.rows as i64,
            attempts = Empty,
            outcome = Empty
        );
        let settled = bench.settle(Some(&mut flight)).instrument(span.clone()).await;
        span.record("attempts", i64::from(flight.attempts));
        span.record("outcome", outcome(&settled, &flight));
        expect_rejects = flight.refused_by_store;
        match settled {
            Ok((written, durable, latency)) => {
                bench.hold.keep(&engine, &mut flight);
                bench.unflushed.push_back(Unflushed { flight, written, latency });
                bench.acknowledge(durable);
                most = most.saturating_mul(2).min(engine.settings.batch_rows);
            }
            Err(Stop::TooLarge) => {
                most = (flight.winners.len() / 2).max(1);
                match flight.divide(&mut bench.serial, wins, &mut seen) {
                    Ok([first, second]) => {
                        divided.push_front(second);
                        divided.push_front(first);
                    }
                    Err(flight) => divided.push_front(*flight),
                }
            }
            Err(Stop::Halted) => bench.let_go(flight).await,
        }
    }
    for flight in divided {
        bench.let_go(flight).await;
    }
    bench.end().await;
    engine.worker_alive(worker, false);
}

impl<S: Sink, D: DeadLetters> WorkerState<'_, S, D> {
    /// Counts the flights up to that serial: they are on disk.
    fn acknowledge(&mut self, durable: u64) {
        let engine = self.engine;
        while self.unflushed.front().is_some_and(|unflushed| unflushed.flight.mark.serial <= durable) {
            let Some(Unflushed { mut flight, written, latency }) = self.unflushed.pop_front() else { break };
            flight.account.acknowledge();
            let replaced =
                if engine.settings.on_conflict == OnConflict::Update { flight.superseded() } else { 0 };
            let superseded = replaced + flight.overtaken + written.newer;
            let worker = self.worker;
            engine.observer.on(&Event::Committed { worker, written: &written, superseded, latency });
            let depth = engine.queue.settle(flight.rows, flight.bytes);
            engine.tell_depth(depth, "drained");
        }
    }

    /// Gives the flight the next serial. The ledger takes a commit for made where it knows of a later one,
    /// so the serials have to rise in the order in which flights are written: parts of a divided flight come
    /// before others that got theirs earlier.
    fn number(&mut self, flight: &mut WriteTransaction) {
        self.serial += 1;
        flight.mark.serial = self.serial;
    }

    /// Tries once more what was refused for other rows: all of it together, in the order of the input.
    /// As long as that stores some it is tried again, rows that lack one to refer to the other way round
    /// by turns. What is left is dead.
    async fn heal(&mut self) -> Result<(), Stop> {
        for round in 0..MOST_ROUNDS {
            if self.hold.is_empty() {
                return Ok(());
            }
            let before = self.hold.len();
            let reversed = round % 2 == 1 && self.hold.refer();
            let flights = self.hold.take(&mut self.serial, reversed);
            self.engine.queue.hold(0);
            self.try_again(flights.into_iter().map(|(flight, _)| flight).collect()).await?;
            if self.hold.len() == before && (round > 0 || !self.hold.refer()) {
                break;
            }
        }
        let mut flights = self.hold.take(&mut self.serial, false);
        self.engine.queue.hold(0);
        for (flight, reasons) in &mut flights {
            flight.refuse_all(std::mem::take(reasons), false);
        }
        self.try_again(flights.into_iter().map(|(flight, _)| flight).collect()).await
    }

    async fn try_again(&mut self, mut flights: VecDeque<WriteTransaction>) -> Result<(), Stop> {
        let engine = self.engine;
        while let Some(mut flight) = flights.pop_front() {
            self.number(&mut flight);
            flight.room = usize::MAX;
            flight.floor = flights.iter().filter_map(WriteTransaction::lowest).chain(self.hold.first()).min();
            match self.settle(Some(&mut flight)).await {
                Ok((written, durable, latency)) => {
                    engine.healed.fetch_add(written.stored(), Relaxed);
                    self.hold.keep(engine, &mut flight);
                    self.unflushed.push_back(Unflushed { flight, written, latency });
                    self.acknowledge(durable);
                }
                Err(Stop::TooLarge) => {
                    match flight.divide(&mut self.serial, Wins::Last, &mut ByIdentity::default()) {
                        Ok([first, second]) => {
                            flights.push_front(second);
                            flights.push_front(first);
                        }
                        Err(flight) => flights.push_front(*flight),
                    }
                }
                Err(Stop::Halted) => {
                    flights.push_front(flight);
                    for flight in flights {
                        self.let_go(flight).await;
                    }
                    return Err(Stop::Halted);
                }
            }
        }
        Ok(())
    }

    /// Lets go of a flight that is not written; one whose commit got no answer is seen to at the end.
    async fn let_go(&mut self, flight: WriteTransaction) {
        if flight.in_doubt.is_some() {
            self.unanswered.push_back(flight);
        } else {
            self.abandon(flight, false).await;
        }
    }

    async fn abandon(&mut self, mut flight: WriteTransaction, in_doubt: bool) {
        self.engine.abandon_flight(self.worker, &mut flight, in_doubt).await;
        let depth = self.engine.queue.settle(flight.rows, flight.bytes);
        self.engine.tell_depth(depth, "drained");
    }

    /// Sees to what is still in the air.
    async fn end(&mut self) {
        let open = |bench: &Self| !bench.unflushed.is_empty() || !bench.undone.is_empty();
        if open(self) && self.settle(None).await.is_ok() {
            self.acknowledge(u64::MAX);
        }
        // The run was stopped at once: the store tells what of it is there, if it can.
        let (mut gone, mut unknown) = (Vec::new(), Vec::new());
        if open(self) || !self.unanswered.is_empty() {
            let asked = AssertUnwindSafe(self.ask_for_all(&mut gone, &mut unknown)).catch_unwind();
            if let Ok(Ok(Ok(()))) = timeout(LAST_WORD, asked).await {
                self.acknowledge(u64::MAX);
            }
        }
        for (mut flight, reasons) in self.hold.take(&mut self.serial, false) {
            flight.refuse_all(reasons, true);
            self.let_go(flight).await;
        }
        // Committed, but perhaps undone by a crash.
        let committed: Vec<WriteTransaction> =
            self.unflushed.drain(..).map(|unflushed| unflushed.flight).collect();
        for flight in committed.into_iter().chain(unknown.drain(..)) {
            self.abandon(flight, true).await;
        }
        gone.append(&mut self.undone.drain(..).collect());
        for flight in gone {
            self.abandon(flight, false).await;
        }
        // Those that nobody could be asked about.
        for flight in std::mem::take(&mut self.unanswered) {
            let in_doubt = flight.in_doubt.is_some();
            self.abandon(flight, in_doubt).await;
        }
    }

    /// Asks the store of all commits that are not known to be there, and has it put them on disk. Those that
    /// it has are in `unflushed` then, and those that it has not in `gone`; of those in `unknown` it cannot tell.
    async fn ask_for_all(
        &mut self,
        gone: &mut Vec<WriteTransaction>,
        unknown: &mut Vec<WriteTransaction>,
    ) -> Result<(), SinkError> {
        // Whatever is waited for here may be cut off: until there is an answer the flights stay where they are.
        while let Some(flight) = self.undone.pop_back() {
            self.unanswered.push_front(flight);
        }
        let open = match &mut self.session {
            Some(open) => open,
            None => self.session.insert(self.engine.sink.connect(self.worker).await?),
        };
        if self.doubt {
            let mut there = 0;
            for unflushed in &self.unflushed {
                if open.settled(&unflushed.flight.mark).await? != Some(true) {
                    break;
                }
                there += 1;
            }
            gone.extend(self.unflushed.split_off(there).into_iter().map(|unflushed| unflushed.flight));
            self.doubt = false;
        }
        while let Some(flight) = self.unanswered.front() {
            let known = match &flight.in_doubt {
                Some(_) => open.settled(&flight.mark).await?,
                None => Some(false),
            };
            let Some(mut flight) = self.unanswered.pop_front() else { break };
            match (known, &flight.in_doubt) {
                (Some(true), Some(written)) => {
                    let written = written.clone();
                    self.hold.keep(self.engine, &mut flight);
                    self.unflushed.push_back(Unflushed { flight, written, latency: Duration::ZERO });
                }
                (None, _) => unknown.push(flight),
                _ => {
                    flight.in_doubt = None;
                    gone.push(flight);
                }
            }
        }
        open.flush().await
    }

    /// Tries until the rows are committed or the engine halts; without rows, until all that was
    /// committed is on disk. Returns what was written, the serial up to which all is on disk, and the
    /// time that the last attempt took.
    async fn settle(
        &mut self,
        mut flight: Option<&mut WriteTransaction>,
    ) -> Result<(Written, u64, Duration), Stop> {
        let (engine, worker) = (self.engine, self.worker);
        let mut attempts = 0;
        // Since when nothing but other sessions was in the way.
        let mut contended = None;
        loop {
            attempts += 1;
            if let Some(flight) = &mut flight {
                flight.attempts = attempts;
                flight.writing = false;
            }
            engine.admit().await?;
            if let Some(flight) = &flight {
                engine.observer.on(&Event::Writing { worker, rows: flight.rows });
            }
            let started = Instant::now();
            let attempt = AssertUnwindSafe(self.attempt(flight.as_deref_mut())).catch_unwind().await;
            let latency = started.elapsed();
            let failure = match attempt {
                Ok(Ok((written, durable))) => {
                    engine.store_is_well();
                    if written.stored() > 0 {
                        self.panicked = 0;
                    }
                    return Ok((written, durable, latency));
                }
                Ok(Err(failure)) => failure,
                Err(panic) => {
                    // The session may be in any state; the rows are still ours.
                    self.session = None;
                    let what = panic
                        .downcast_ref::<&str>()
                        .map(|s| (*s).to_owned())
                        .or_else(|| panic.downcast_ref::<String>().cloned())
                        .unwrap_or_default();
                    let reason = Reason::new(PANIC, format!("the writer panicked, a bug of mdsctl: {what}"));
                    self.doubt |= !self.unflushed.is_empty();
                    let verdict = self.isolate_panic(flight.as_deref_mut(), &reason);
                    if verdict != Panicked::Elsewhere {
                        // It was no fault of the store's.
                        engine.store_is_well();
                    }
                    match verdict {
                        Panicked::Again => continue,
                        Panicked::Divide => return Err(Stop::TooLarge),
                        Panicked::Everywhere => Failure::Sink(SinkError::Fatal(reason)),
                        Panicked::Elsewhere => {
                            Failure::Sink(SinkError::Transient(TransientKind::Other, reason))
                        }
                    }
                }
            };
            self.doubt |= !self.unflushed.is_empty();
            if !matches!(&failure, Failure::Sink(SinkError::Transient(kind, _)) if kind.is_contention()) {
                contended = None;
            }
            // What a crash has undone was written in this attempt, before the flight.
            if let Some(first) = self.undone.front_mut() {
                first.attempts += 1;
            }
            match failure {
                Failure::Again(reason) => {
                    engine.observer.on(&Event::Failed {
                        worker,
                        kind: "transient",
                        reason: &reason,
                        latency,
                    });
                    undo(engine, &mut self.session).await;
                    engine.wait_for_others(worker, &reason, attempts).await?;
                }
                Failure::Halted => {
                    self.session = None;
                    return Err(Stop::Halted);
                }
                Failure::DeadLetters(error) => {
                    undo(engine, &mut self.session).await;
                    if let Some(end) = engine.without_letters() {
                        let mut all = flight.as_deref().into_iter().chain(&self.undone);
                        if all.all(|flight| engine.goes_on_without_letters(flight)) {
                            // Given up while this attempt was made: the next one stores the good rows.
                            continue;
                        }
                        // The input still has these rows, and what comes behind them must not be settled.
                        engine.halt_now(end);
                        return Err(Stop::Halted);
                    }
                    engine.observer.on(&Event::DeadLettersBlocked { error: &error });
                    // Good rows wait with the bad ones, behind the same breaker: none is dropped.
                    if !engine.in_trouble(Trouble::DeadLetters(error), false) {
                        engine.pause(Duration::from_secs(1)).await?;
                    }
                }
                Failure::Sink(SinkError::Transient(kind, reason)) => {
                    engine.observer.on(&Event::Failed {
                        worker,
                        kind: "transient",
                        reason: &reason,
                        latency,
                    });
                    undo(engine, &mut self.session).await;
                    if kind.is_contention() {
                        let since = *contended.get_or_insert(started);
                        if engine.settings.max_outage.is_some_and(|longest| since.elapsed() >= longest) {
                            engine.stop(End::GaveUp(Some(Trouble::Store(reason.clone()))));
                        }
                        engine.wait_for_others(worker, &reason, attempts).await?;
                        continue;
                    }
                    // Where a session can be had, and is lost each time that these rows are written, it may be
                    // for one of them.
                    if kind == TransientKind::Connection
                        && self.undone.is_empty()
                        && let Some(flight) = flight.as_deref_mut().filter(|flight| flight.writing)
                    {
                        let (rows, losses) = (flight.lose(&reason), flight.losses);
                        if rows > 1 && losses >= LOSSES_TO_DIVIDE {
                            engine.store_is_well();
                            return Err(Stop::TooLarge);
                        }
                        if rows > 1 && losses > 1 || rows == 1 && flight.witnessed {
                            engine.wait_for_others(worker, &reason, losses.min(MOST_PATIENT)).await?;
                            continue;
                        }
                    }
                    // A smaller transaction may do.
                    if kind == TransientKind::ResourcesExhausted && self.is_divisible(flight.as_deref()) {
                        // The store answers: whoever waits for a sign of it need not wait any longer.
                        engine.store_is_well();
                        self.divide(flight.as_deref_mut())?;
                        continue;
                    }
                    // A shorter statement may do.
                    if kind == TransientKind::Timeout
                        && let Some(slow) = self.undone.front_mut().or(flight.as_deref_mut())
                    {
                        slow.split = (slow.split + 1).min(16);
                    }
                    let spent = attempts.is_multiple_of(engine.settings.retry.max_attempts.max(1));
                    if !engine.in_trouble(Trouble::Store(reason.clone()), spent) {
                        let chance = (worker as u64) << 32 | u64::from(attempts);
                        let delay = backoff(&engine.settings.retry, attempts + 1, chance);
                        let attempt = attempts + 1;
                        engine.observer.on(&Event::Retry { worker, attempt, delay, reason: &reason });
                        engine.pause(delay).await?;
                    }
                }
                // Divided until the row at fault is alone, which is then condemned.
                Failure::Sink(SinkError::Apart(reason))
                    if self.is_divisible(flight.as_deref())
                        || self.subject(flight.as_deref()).is_some_and(|rows| rows.winners.len() == 1) =>
                {
                    engine.observer.on(&Event::Failed { worker, kind: "data", reason: &reason, latency });
                    undo(engine, &mut self.session).await;
                    engine.store_is_well();
                    let Some(rows) = self.undone.front_mut().or(flight.as_deref_mut()) else { continue };
                    rows.compact();
                    match rows.winners.len() {
                        0 => {}
                        1 => {
                            rows.refused_by_store = true;
                            rows.reject(0, Arc::new(reason));
                        }
                        _ => self.divide(flight.as_deref_mut())?,
                    }
                }
                Failure::Sink(
                    SinkError::Fatal(reason)
                    | SinkError::Apart(reason)
                    | SinkError::Doubtful { reason, .. }
                    | SinkError::Data { reason, .. },
                ) => {
                    engine.observer.on(&Event::Failed { worker, kind: "fatal", reason: &reason, latency });
                    undo(engine, &mut self.session).await;
                    engine.fail(reason);
                    return Err(Stop::Halted);
                }
            }
        }
    }

    /// What the last attempt wrote: the first of what a crash has undone, and else the flight.
    fn subject<'b>(&'b self, flight: Option<&'b WriteTransaction>) -> Option<&'b WriteTransaction> {
        self.undone.front().or(flight)
    }

    /// Whether that can be written in parts. Parts of what a crash has undone get new serials, and so does all
    /// that comes after them, of which no commit may be in doubt then.
    fn is_divisible(&self, flight: Option<&WriteTransaction>) -> bool {
        let doubtful = |flight: &WriteTransaction| flight.in_doubt.is_some();
        self.subject(flight).is_some_and(|rows| rows.winners.len() > 1)
            && !self.undone.iter().chain(flight).any(doubtful)
    }

    /// Has it written in parts: the flight by whoever gave it, and what a crash has undone in its own place.
    fn divide(&mut self, flight: Option<&mut WriteTransaction>) -> Result<(), Stop> {
        let Some(first) = self.undone.pop_front() else { return Err(Stop::TooLarge) };
        let wins = Wins::of(&self.engine.settings);
        match first.divide(&mut self.serial, wins, &mut ByIdentity::default()) {
            Ok([first, second]) => {
                self.undone.push_front(second);
                self.undone.push_front(first);
            }
            Err(first) => self.undone.push_front(*first),
        }
        for rows in self.undone.iter_mut().chain(flight) {
            self.serial += 1;
            rows.mark.serial = self.serial;
        }
        Ok(())
    }

    /// What is to be done after a panic: nothing but another attempt at first. Rows that panic again are
    /// divided until the one at fault is alone, which is then condemned. Where row after row is, and none
    /// is stored, it is not the rows.
    fn isolate_panic(&mut self, flight: Option<&mut WriteTransaction>, reason: &Reason) -> Panicked {
        let Some(flight) = flight.filter(|flight| flight.writing && self.undone.is_empty()) else {
            return Panicked::Elsewhere;
        };
        flight.compact();
        flight.panics += 1;
        match flight.winners.len() {
            0 => Panicked::Elsewhere,
            1 if flight.panics < MOST_PANICS => Panicked::Again,
            1 if self.panicked >= MOST_PANICKED => Panicked::Everywhere,
            1 => {
                self.panicked += 1;
                flight.panics = 0;
                flight.reject(0, Arc::new(reason.clone()));
                Panicked::Again
            }
            _ if flight.panics < 2 => Panicked::Again,
            _ => Panicked::Divide,
        }
    }

    /// One attempt: first what a crash has undone, then the flight, or the disk.
    async fn attempt(
        &mut self,
        mut flight: Option<&mut WriteTransaction>,
    ) -> Result<(Written, u64), Failure> {
        let engine = self.engine;
        if let Some(flight) = flight.as_deref_mut() {
            flight.witnessed = false;
        }
        if let Some(flight) = flight.as_deref_mut().filter(|flight| flight.is_suspect()) {
            // It may be through another session than the last.
            self.doubt |= !self.unflushed.is_empty();
            flight.witnessed = others_go_through(engine, self.worker, &mut self.session, flight).await?;
            if flight.witnessed {
                engine.store_is_well();
                flight.condemn_suspect();
            }
        }
        let open = match &mut self.session {
            Some(open) => open,
            None => self.session.insert(engine.limited(engine.sink.connect(self.worker)).await?),
        };
        if self.doubt {
            // The oldest that is not there, and all after it, were undone.
            let mut there = 0;
            for unflushed in &self.unflushed {
                if engine.limited(open.settled(&unflushed.flight.mark)).await? != Some(true) {
                    break;
                }
                there += 1;
            }
            let undone = self.unflushed.split_off(there).into_iter().map(|unflushed| unflushed.flight);
            // These came before whatever was found undone earlier.
            for flight in undone.rev() {
                self.undone.push_front(flight);
            }
            self.doubt = false;
        }
        if !self.undone.is_empty() {
            // What the store knows by the serials that they have, before others may take their place.
            for rows in self.undone.iter_mut().chain(flight.as_deref_mut()) {
                is_there(engine, open, rows).await?;
            }
        }
        while let Some(first) = self.undone.front_mut() {
            let started = Instant::now();
            let (written, _) = transaction(engine, self.worker, open, first, false).await?;
            let Some(mut flight) = self.undone.pop_front() else { break };
            self.hold.keep(engine, &mut flight);
            self.unflushed.push_back(Unflushed { flight, written, latency: started.elapsed() });
        }
        match flight {
            Some(flight) => {
                let now = self.unflushed.len() >= MOST_ALOFT || engine.is_short(self.worker);
                transaction(engine, self.worker, open, flight, now).await
            }
            None => {
                engine.limited(open.flush()).await?;
                Ok((Written::default(), u64::MAX))
            }
        }
    }
}

/// How a write ended, in a word.
fn outcome(settled: &Result<(Written, u64, Duration), Stop>, flight: &WriteTransaction) -> &'static str {
    match settled {
        Ok(_) if flight.condemned.is_empty() => "written",
        Ok(_) => "rejects",
        Err(Stop::Halted) => "halted",
        Err(Stop::TooLarge) => "divided",
    }
}

/// Undoes the transaction; a session that cannot is dropped, which undoes it too.
async fn undo<S: Sink, D: DeadLetters>(engine: &Engine<S, D>, session: &mut Option<S::Session>) {
    let undone = match session {
        Some(open) => {
            let rollback = AssertUnwindSafe(open.rollback()).catch_unwind();
            matches!(timeout(engine.settings.write_timeout.min(LAST_COMMIT), rollback).await, Ok(Ok(Ok(()))))
        }
        None => true,
    };
    if !undone {
        *session = None;
    }
}

/// What the flight has written where its commit was in doubt and came through. The store's own ledger says
/// whether it did, or the server does. Where neither can, the rows are written again, which leaves the same
/// table wherever there is a key.
async fn is_there<S: Sink, D: DeadLetters>(
    engine: &Engine<S, D>,
    open: &mut S::Session,
    flight: &mut WriteTransaction,
) -> Result<Option<Written>, Failure> {
    if let Some(written) = &flight.in_doubt {
        match engine.limited(open.settled(&flight.mark)).await? {
            Some(true) => return Ok(Some(written.clone())),
            Some(false) => {}
            None => {
                engine.doubtful.fetch_add(flight.winners.len() as u64, Relaxed);
            }
        }
        flight.in_doubt = None;
    }
    Ok(None)
}

/// One transaction from begin to commit; `now`: it is to be on disk then. Returns what was written,
/// and the serial up to which all is on disk.
async fn transaction<S: Sink, D: DeadLetters>(
    engine: &Engine<S, D>,
    worker: usize,
    open: &mut S::Session,
    flight: &mut WriteTransaction,
    now: bool,
) -> Result<(Written, u64), Failure> {
    if let Some(written) = is_there(engine, open, flight).await? {
        return Ok((written, 0));
    }
    flight.compact();
    flight.writing = false;
    engine.limited(open.begin()).await?;
    let mut written = Written::default();
    flight.writing = true;
    if !flight.winners.is_empty() && (flight.expect_rejects || flight.split > 0) {
        let before = flight.condemned.len();
        let size = (flight.winners.len() >> flight.split).max(1);
        let pieces = (0..flight.winners.len()).step_by(size);
        let pieces = pieces.map(|start| start..(start + size).min(flight.winners.len())).collect();
        written.add(&isolate(engine, open, flight, pieces).await?);
        flight.refused_by_store |= flight.condemned.len() > before;
    } else if !flight.winners.is_empty() {
        let first = engine.limited(open.write(flight.to_write(), WriteMode::Bare)).await;
        match first {
            Ok(done) => {
                written.add(&done);
                let revived = settle_refused(flight, &done);
                written.add(&isolate(engine, open, flight, revived).await?);
            }
            Err(Failure::Sink(SinkError::Doubtful { reason, passing: Some(_) })) if engine.hopes(flight) => {
                return Err(Failure::Again(reason));
            }
            Err(Failure::Sink(SinkError::Data { reason, .. } | SinkError::Doubtful { reason, .. })) => {
                engine.observer.on(&Event::Failed {
                    worker,
                    kind: "data",
                    reason: &reason,
                    latency: Duration::ZERO,
                });
                flight.refused_by_store = true;
                engine.limited(open.rollback()).await?;
                engine.limited(open.begin()).await?;
                let all = 0..flight.winners.len();
                written.add(&isolate(engine, open, flight, Vec::from([all])).await?);
            }
            Err(other) => return Err(other),
        }
    }
    match engine.settings.on_conflict {
        OnConflict::Update => {}
        OnConflict::Skip => written.skipped += flight.superseded(),
        OnConflict::Error => flight.condemn_replaced(&Arc::new(Reason::depends(
            Dependence::SameKey,
            "an earlier row of the input has the same key",
        ))),
    }
    flight.writing = false;
    // Written once, its rows are not what ends sessions, whatever becomes of this transaction.
    flight.losses = 0;
    flight.hold();
    bury_condemned(engine, flight).await?;
    flight.set_mark();
    flight.end_mark(|slot| engine.left.end(slot));
    // From here to the answer the outcome is open; a halt waits for the answer, but not long.
    flight.in_doubt = Some(written.clone());
    let commit = engine.commit_within(open.commit(&flight.mark, now), LAST_COMMIT).await;
    match commit {
        Ok(durable) => {
            flight.in_doubt = None;
            Ok((written, durable))
        }
        Err(error @ SinkError::Transient(..)) => Err(error.into()),
        // What is certain to be undone can be written again in parts.
        Err(SinkError::Apart(reason) | SinkError::Data { reason, .. }) => {
            flight.in_doubt = None;
            Err(SinkError::Apart(reason).into())
        }
        Err(SinkError::Fatal(reason) | SinkError::Doubtful { reason, .. }) => {
            flight.in_doubt = None;
            Err(SinkError::Fatal(reason).into())
        }
    }
}

/// Puts the rows condemned since the last time into the dead-letter queue. They are there, on
/// disk, before the good rows are committed: a crash between the two costs a second record, not
/// a row.
async fn bury_condemned<S: Sink, D: DeadLetters>(
    engine: &Engine<S, D>,
    flight: &mut WriteTransaction,
) -> Result<(), Failure> {
    let fresh = &flight.condemned[flight.buried..];
    if fresh.is_empty() {
        return Ok(());
    }
    let rejects = fresh
        .iter()
        .map(|(pick, reason)| {
            let batch = &flight.parts[pick.part as usize];
            json_row::reject_of(batch, pick.row as usize, Stage::Write, reason.clone())
        })
        .collect();
    let rows = fresh.len() as u64;
    match engine.bury(rejects).await {
        Ok(()) => {}
        // The good rows are stored all the same.
        Err(error) if engine.without_letters().is_some() && engine.goes_on_without_letters(flight) => {
            let there: Vec<bool> = flight.parts.iter().map(|part| part.origin.replayable.is_now()).collect();
            let left = || fresh.iter().filter(|(pick, _)| there[pick.part as usize]);
            let count = left().count() as u64;
            engine.leave(
                left().map(|(pick, reason)| {
                    let batch = &flight.parts[pick.part as usize];
                    let row = pick.row as usize;
                    LeftRow {
                        slot: Some(slot_of(batch.identities[row])),
                        ordinal: batch.ordinal(row),
                        source: &batch.origin.source,
                        row: batch.rows[row],
                        reason,
                    }
                }),
                count,
            );
            if count < rows {
                engine.lose(rows - count, &error);
            }
            fresh.iter().for_each(|(pick, _)| flight.account.take(pick.part));
        }
        Err(error) => return Err(Failure::DeadLetters(error)),
    }
    flight.buried = flight.condemned.len();
    Ok(())
}

impl<S: Sink, D: DeadLetters> Engine<S, D> {
    /// Runs a step against the store: bounded in time, and given up when the engine halts.
    async fn limited<T>(&self, step: impl Future<Output = Result<T, SinkError>>) -> Result<T, Failure> {
        let limit = self.settings.write_timeout;
        match self.until_halt(timeout(limit, step)).await? {
            Ok(done) => Ok(done?),
            Err(_) => Err(Failure::Sink(timed_out(limit))),
        }
    }

    /// As [`Engine::limited`], for use outside this file.
    pub(super) async fn step<T>(
        &self,
        step: impl Future<Output = Result<T, SinkError>>,
    ) -> Result<T, StepError> {
        self.limited(step).await.map_err(StepError)
    }

    /// Waits before another attempt where the store is well, and something else was in the way.
    async fn wait_for_others(&self, worker: usize, reason: &Reason, attempts: u32) -> Result<(), Halted> {
        self.store_is_well();
        let attempt = attempts + 1;
        let chance = (worker as u64) << 32 | u64::from(attempt);
        let delay = backoff(&self.settings.retry, attempt, chance);
        self.observer.on(&Event::Retry { worker, attempt, delay, reason });
        self.pause(delay).await
    }

    /// Whether the flight has attempts left to see whether what refused its rows passes.
    fn hopes(&self, flight: &WriteTransaction) -> bool {
        flight.attempts < self.settings.retry.max_attempts
    }

    /// The failure by which the flight is written again, where a doubtful refusal may pass.
    pub(super) fn again(&self, flight: &WriteTransaction, refused: Refused) -> Result<Refused, StepError> {
        match refused {
            // Less at a time may do, and a store that is slow counts as one that is away.
            Refused::Doubtful { reason, passing: Some(TransientKind::Timeout) } if self.hopes(flight) => {
                Err(StepError::slow(reason))
            }
            Refused::Doubtful { reason, passing: Some(_) } if self.hopes(flight) => {
                Err(StepError(Failure::Again(reason)))
            }
            other => Ok(other),
        }
    }

    async fn commit_within(
        &self,
        commit: impl Future<Output = Result<u64, SinkError>>,
        grace: Duration,
    ) -> Result<u64, SinkError> {
        let limit = self.settings.write_timeout;
        tokio::pin!(commit);
        let done = match self.until_halt(timeout(limit, &mut commit)).await {
            Ok(done) => done,
            Err(Halted) => timeout(grace, commit).await,
        };
        done.unwrap_or_else(|_| Err(timed_out(limit)))
    }
}

fn timed_out(limit: Duration) -> SinkError {
    let message = format!("the store gave no answer within {} s", limit.as_secs_f64());
    SinkError::Transient(TransientKind::Timeout, Reason::new("timeout", message))
}

/// Why a step did not go through, for those who only pass it on or look for refused data.
pub(super) struct StepError(Failure);

/// What the store refused rows for.
pub(super) enum Refused {
    /// Their data, with the positions of suspects.
    Data(Reason, Box<[usize]>),
    /// Something that may be everybody's, and what of it may pass.
    Doubtful { reason: Reason, passing: Option<TransientKind> },
}

impl StepError {
    /// Whether the session was lost, as far as the store can tell.
    pub(super) fn is_loss(&self) -> bool {
        matches!(&self.0, Failure::Sink(SinkError::Transient(TransientKind::Connection, _)))
    }

    /// A store that is slow, which is waited for like one that is away.
    pub(super) fn slow(reason: Reason) -> Self {
        Self(Failure::Sink(SinkError::Transient(TransientKind::Timeout, reason)))
    }

    /// What the store refused the rows for, if it did.
    pub(super) fn refused(self) -> Result<Refused, Self> {
        match self.0 {
            Failure::Sink(SinkError::Data { reason, suspects }) => Ok(Refused::Data(reason, suspects)),
            Failure::Sink(SinkError::Doubtful { reason, passing }) => {
                Ok(Refused::Doubtful { reason, passing })
            }
            other => Err(Self(other)),
        }
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        error.0
    }
}
