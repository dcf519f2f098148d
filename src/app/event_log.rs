//! Which events of the engine become lines of the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::batch::Reason;
use crate::port::{Circuit, Event, Observer, Trouble};

/// Time after which it is said again that rows wait.
const AGAIN: Duration = Duration::from_secs(60);

/// Different sentences about a store that is away, in that time.
const MOST_AWAY: usize = 4;

/// Logs what an operator wants to find in a log: outages and their ends, retries, pauses.
#[derive(Default)]
pub struct EventLog {
    blocked: Mutex<Blocked>,
    /// What was said of a store that is away, and when.
    away: Mutex<Vec<(String, Instant)>>,
    /// When it was last said that it is back.
    back: Mutex<Option<Instant>>,
}

/// Whether rows wait for the dead-letter queue.
#[derive(Default)]
struct Blocked {
    /// What was said of it last, and when.
    told: Option<(String, Instant)>,
    /// Whether the circuit is open for that.
    circuit: bool,
}

impl EventLog {
    fn with<A>(&self, act: impl FnOnce(&mut Blocked) -> A) -> A {
        act(&mut self.blocked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The queue is asked every second; the log has better things to hold.
    fn waits(&self, error: &str) {
        let news = self.with(|blocked| match &blocked.told {
            Some((text, at)) if text == error && at.elapsed() < AGAIN => false,
            _ => {
                blocked.told = Some((error.to_owned(), Instant::now()));
                true
            }
        });
        if news {
            warn!("the load waits, no row is dropped: {error}");
        }
    }

    /// The store is tried every few seconds; that it is still away is not said each time.
    fn away(&self, reason: &Reason) {
        let mut told = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(_, at)| at.elapsed() < AGAIN);
        // A server that comes up says this and that by turns.
        let known = told.iter().any(|(text, _)| *text == *reason.message);
        if !known && told.len() < MOST_AWAY {
            told.push((reason.message.to_string(), Instant::now()));
            warn!(code = %reason.code, "the store is unavailable, rows wait: {}", reason.message);
        }
    }

    fn flows(&self) {
        if self.with(|blocked| blocked.told.take()).is_some() {
            warn!("the dead-letter queue takes rows again");
        }
    }

    fn closed(&self) {
        if !self.with(|blocked| std::mem::take(&mut blocked.circuit)) {
            let mut back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
            if back.is_none_or(|at| at.elapsed() >= AGAIN) {
                *back = Some(Instant::now());
                self.away.lock().unwrap_or_else(PoisonError::into_inner).clear();
                warn!("the store is back");
            } else {
                info!("the store is back");
            }
        }
    }
}

impl Observer for EventLog {
    fn on(&self, event: &Event<'_>) {
        match event {
            // The store is well then, and what waits is told below.
            Event::Circuit { state: Circuit::Open, trouble: Some(Trouble::DeadLetters(_)) } => {
                self.with(|blocked| blocked.circuit = true);
            }
            Event::Circuit { state: Circuit::Open, trouble: Some(Trouble::Store(reason)) } => {
                self.with(|blocked| blocked.circuit = false);
                self.away(reason);
            }
            Event::Circuit { state: Circuit::Closed, .. } => self.closed(),
            Event::Retry { worker, attempt, delay, reason } => info!(
                worker,
                attempt,
                delay_ms = delay.as_millis() as u64,
                code = %reason.code,
                "write failed, trying again: {}",
                reason.message
            ),
            Event::DeadLettersBlocked { error } => self.waits(&error.0),
            Event::Buried { .. } => self.flows(),
            Event::Failed { worker, kind: "data", reason, .. } => {
                info!(worker, code = %reason.code, "looking for the rows that the store refuses: {}", reason.message);
            }
            _ => {}
        }
    }
}
