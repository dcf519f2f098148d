//! A step against the store: bounded in time, given up when the engine halts, and what its failure means.

use std::time::Duration;

use tokio::time::timeout;

use crate::batch::Reason;
use crate::coordinator::engine::{Engine, Halted};
use crate::coordinator::retry::backoff;
use crate::coordinator::write_transaction::WriteTransaction;
use crate::port::{DeadLetterError, DeadLetters, Event, Sink, SinkError, TransientKind};

/// Why an attempt did not settle its rows.
pub(super) enum Failure {
    Sink(SinkError),
    DeadLetters(DeadLetterError),
    /// The rows were refused by something that may pass: they are written again a few times before any of
    /// them is blamed.
    Again(Reason),
    Halted,
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

impl<S: Sink, D: DeadLetters> Engine<S, D> {
    /// Runs a step against the store: bounded in time, and given up when the engine halts.
    pub(super) async fn limited<T>(
        &self,
        step: impl Future<Output = Result<T, SinkError>>,
    ) -> Result<T, Failure> {
        let limit = self.settings.write_timeout;
        match self.until_halt(timeout(limit, step)).await? {
            Ok(done) => Ok(done?),
            Err(_) => Err(Failure::Sink(timed_out(limit))),
        }
    }

    /// As [`Engine::limited`], for use outside this file.
    pub(in crate::coordinator) async fn step<T>(
        &self,
        step: impl Future<Output = Result<T, SinkError>>,
    ) -> Result<T, StepError> {
        self.limited(step).await.map_err(StepError)
    }

    /// Waits before another attempt where the store is well, and something else was in the way.
    pub(super) async fn wait_for_others(
        &self,
        worker: usize,
        reason: &Reason,
        attempts: u32,
    ) -> Result<(), Halted> {
        self.store_is_well();
        let attempt = attempts + 1;
        let chance = (worker as u64) << 32 | u64::from(attempt);
        let delay = backoff(&self.settings.retry, attempt, chance);
        self.observer.on(&Event::Retry { worker, attempt, delay, reason });
        self.pause(delay).await
    }

    /// Whether the flight has attempts left to see whether what refused its rows passes.
    pub(super) fn hopes(&self, flight: &WriteTransaction) -> bool {
        flight.attempts < self.settings.retry.max_attempts
    }

    /// The failure by which the flight is written again, where a doubtful refusal may pass.
    pub(in crate::coordinator) fn again(
        &self,
        flight: &WriteTransaction,
        refused: Refused,
    ) -> Result<Refused, StepError> {
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

    pub(super) async fn commit_within(
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
pub(in crate::coordinator) struct StepError(Failure);

/// What the store refused rows for.
pub(in crate::coordinator) enum Refused {
    /// Their data, with the positions of suspects.
    Data(Reason, Box<[usize]>),
    /// Something that may be everybody's, and what of it may pass.
    Doubtful { reason: Reason, passing: Option<TransientKind> },
}

impl StepError {
    /// Whether the session was lost, as far as the store can tell.
    pub(in crate::coordinator) fn is_loss(&self) -> bool {
        matches!(&self.0, Failure::Sink(SinkError::Transient(TransientKind::Connection, _)))
    }

    /// A store that is slow, which is waited for like one that is away.
    pub(in crate::coordinator) fn slow(reason: Reason) -> Self {
        Self(Failure::Sink(SinkError::Transient(TransientKind::Timeout, reason)))
    }

    /// What the store refused the rows for, if it did.
    pub(in crate::coordinator) fn refused(self) -> Result<Refused, Self> {
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
