//! The end of a worker: what is still in the air finds an outcome.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;

use crate::coordinator::worker::{Unflushed, WorkerState};
use crate::coordinator::write_transaction::WriteTransaction;
use crate::port::{DeadLetters, Session, Sink, SinkError};

/// How long the store is asked after that what has become of commits without an answer. With the time that
/// signals leave for draining it stays below the ten seconds of a service manager.
const LAST_WORD: Duration = Duration::from_millis(2500);

impl<S: Sink, D: DeadLetters> WorkerState<'_, S, D> {
    /// Sees to what is still in the air.
    pub(super) async fn end(&mut self) {
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
}
