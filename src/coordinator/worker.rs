//! A worker: claims rows, writes them in one transaction, and does not let go of them before they
//! are in the store or in the dead-letter queue.

mod ending;
mod settle;
mod step;
mod transaction;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tracing::field::Empty;
use tracing::{Instrument as _, trace_span};

use crate::batch::Order;
use crate::coordinator::engine::{Engine, Halted};
use crate::coordinator::hold::Hold;
use crate::coordinator::queue::Paused;
use crate::coordinator::write_transaction::{ByIdentity, Wins, WriteTransaction};
use crate::port::{DeadLetters, Event, Sink, Written};
use crate::settings::{OnConflict, SecondTry};
pub(super) use step::{Refused, StepError};

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

/// How often refused rows are tried again, each time since the last has stored some of them.
const MOST_ROUNDS: usize = 8;

/// Works until the queue is closed and empty, rows are dealt to this worker no more, or the engine halts. Begins with
/// that session, if there is one.
pub(super) async fn work<S: Sink, D: DeadLetters>(
    engine: Arc<Engine<S, D>>,
    worker: usize,
    session: Option<S::Session>,
) {
    engine.worker_alive(worker, true);
    let mut expect_rejects = false;
    // Flights that were too large for one transaction, in parts, and how many rows are not.
    let (mut divided, mut most) = (VecDeque::new(), engine.settings.batch_rows);
    let (mut seen, wins) = (ByIdentity::default(), Wins::of(&engine.settings));
    let mut bench = WorkerState {
        engine: &engine,
        worker,
        session,
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
            None => {
                let in_air = !bench.unflushed.is_empty();
                match engine.until_halt(engine.claim(worker, most, in_air)).await {
                    Ok(Err(Paused)) => continue,
                    Ok(Ok(portions)) => {
                        bench.count();
                        let flight = |rows| WriteTransaction::new(rows, bench.serial, wins, &mut seen);
                        Ok(portions.map(flight))
                    }
                    Err(halted) => Err(halted),
                }
            }
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
    drop(bench);
    engine.queue.serve(worker, false);
}

impl<S: Sink, D: DeadLetters> WorkerState<'_, S, D> {
    /// Counts the flights up to that serial: they are on disk.
    fn acknowledge(&mut self, durable: u64) {
        let engine = self.engine;
        while self.unflushed.front().is_some_and(|unflushed| unflushed.flight.mark.serial <= durable) {
            let Some(Unflushed { mut flight, written, latency }) = self.unflushed.pop_front() else { break };
            flight.account.acknowledge();
            engine.serial.fetch_max(flight.mark.serial, Relaxed);
            let replaced =
                if engine.settings.on_conflict == OnConflict::Update { flight.superseded() } else { 0 };
            let superseded = replaced + flight.overtaken + written.newer;
            let worker = self.worker;
            engine.observer.on(&Event::Committed { worker, written: &written, superseded, latency });
            let depth = engine.queue.settle(flight.rows, flight.bytes);
            engine.tell_depth(depth, "drained");
        }
    }

    /// Comes to the next serial, for rows that were claimed. A lane may be new here, and the ledger takes a commit for
    /// made where it knows of a later one of that lane.
    fn count(&mut self) {
        if self.engine.settings.up_to.is_some() {
            self.serial = self.serial.max(self.engine.serial.load(Relaxed));
        }
        self.serial += 1;
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
