//! Rows are tried until they are committed: what follows from each way in which an attempt can fail.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::batch::Reason;
use crate::coordinator::End;
use crate::coordinator::retry::backoff;
use crate::coordinator::witness::others_go_through;
use crate::coordinator::worker::step::Failure;
use crate::coordinator::worker::transaction::{is_there, transaction, undo};
use crate::coordinator::worker::{Stop, Unflushed, WorkerState};
use crate::coordinator::write_transaction::{ByIdentity, LOSSES_TO_DIVIDE, Wins, WriteTransaction};
use crate::port::{DeadLetters, Event, PANIC, Session, Sink, SinkError, TransientKind, Trouble, Written};

/// Attempts at a single row that panic, after which it is condemned: others may come from elsewhere.
const MOST_PANICS: u32 = 8;

/// Rows condemned for a panic, none stored between them, after which the run ends.
const MOST_PANICKED: usize = 64;

/// Attempts over which the waits grow between those at a row that loses its session.
const MOST_PATIENT: u32 = 3;

/// Committed flights of a worker that may wait to be known to be on disk. Each keeps its rows in
/// memory.
const MOST_ALOFT: usize = 2;

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

impl<S: Sink, D: DeadLetters> WorkerState<'_, S, D> {
    /// Tries until the rows are committed or the engine halts; without rows, until all that was
    /// committed is on disk. Returns what was written, the serial up to which all is on disk, and the
    /// time that the last attempt took.
    pub(super) async fn settle(
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
            let asked = Instant::now();
            engine.admit().await?;
            // What was waited for there is no other session.
            contended = contended.map(|since: Instant| since + asked.elapsed());
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
