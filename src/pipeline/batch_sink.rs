//! Where rows go: to the engine, or nowhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::batch::{Batch, Reject};
use crate::coordinator::{SubmitError, WriteCoordinator};
use crate::error::{Error, Result};
use crate::pipeline::rejects::rejected;
use crate::pipeline::stop::Stop;
use crate::port::{DeadLetters, Event, Observer, Sink};
use crate::text::flags::{CAPACITY, OVERFLOW};

/// Where rows go. The engine, or nothing at all under `--dry-run`.
pub trait BatchSink: Send {
    /// Takes rows; `false` when no more are taken.
    fn rows(&mut self, batch: Batch) -> Result<bool>;
    /// Takes rows that failed; `false` when no more are taken.
    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool>;
    /// Waits until all rows taken so far are settled; `false` when they will not be.
    fn settle(&mut self) -> bool {
        true
    }
}

impl<B: BatchSink + ?Sized> BatchSink for &mut B {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        (**self).rows(batch)
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        (**self).rejects(rejects)
    }

    fn settle(&mut self) -> bool {
        (**self).settle()
    }
}

/// The engine as a [`BatchSink`].
pub struct EngineSink<'a, S, D> {
    /// The engine.
    pub engine: &'a WriteCoordinator<S, D>,
    /// The runtime that it lives on.
    pub runtime: Handle,
    /// Set when the reading is to end.
    pub stop: Stop,
    /// How long a dead-letter queue that takes nothing is waited for; `None`: for ever.
    pub patience: Option<Duration>,
    /// Hears of rows that are given back.
    pub observer: Arc<dyn Observer>,
}

impl<S: Sink, D: DeadLetters> BatchSink for EngineSink<'_, S, D> {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        match self.runtime.block_on(self.engine.submit(batch)) {
            Ok(()) => Ok(true),
            Err(SubmitError::Stopped) => Ok(false),
            Err(SubmitError::Full(batch)) => {
                let rejects = rejected(&batch);
                self.rejects(rejects)?;
                Err(Error::unavailable(format!(
                    "the queue is full, and {OVERFLOW} error says to stop; raise {CAPACITY} or use {OVERFLOW} block"
                )))
            }
        }
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        if rejects.is_empty() {
            return Ok(true);
        }
        let (start, mut wait) = (Instant::now(), Duration::from_millis(100));
        loop {
            // The rows wait here until the queue takes them, unless the run is ending.
            let error = match self.runtime.block_on(self.engine.reject(rejects.clone())) {
                Ok(()) => return Ok(true),
                Err(error) => error,
            };
            let given_up = self.patience.is_some_and(|most| start.elapsed() >= most);
            let lost = rejects.iter().filter(|r| !r.origin.replayable.is_now()).count() as u64;
            let no_longer = given_up || self.engine.stopped() || self.engine.is_without_letters();
            // Rows that would be lost are held on to until somebody says so twice.
            if no_longer || lost == 0 && self.stop.is_set() {
                rejects.iter().for_each(|reject| reject.origin.open.open(1));
                if lost > 0 {
                    // Nobody has them any more. The good rows beside them and behind them are stored all the
                    // same, as far as they are taken from the pipe already.
                    self.engine.lose(lost, &error);
                    return Ok(false);
                }
                // The input still has them: what is good around them is stored, if it may be written again.
                if no_longer && self.engine.leave(&rejects, &error) {
                    return Ok(true);
                }
                self.observer.on(&Event::Returned { rows: rejects.len() as u64 });
                return Err(Error::unavailable(error.0));
            }
            self.engine.dead_letters_blocked(&error);
            self.runtime.block_on(tokio::time::sleep(wait));
            wait = (wait * 2).min(Duration::from_secs(1));
        }
    }

    fn settle(&mut self) -> bool {
        while self.engine.health().queue_size > 0 && !self.engine.stopped() {
            self.engine.try_refused_again();
            self.runtime.block_on(tokio::time::sleep(Duration::from_millis(5)));
        }
        !self.engine.has_let_go()
    }
}
