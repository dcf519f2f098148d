//! What the workers share: queue, breaker, store, dead-letter queue, observer, and how the run ends.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::batch::{Commit, Pick, Reason, Reject, Stage};
use crate::coordinator::breaker::Breaker;
use crate::coordinator::lanes::Portion;
use crate::coordinator::left::{LeftBehind, LeftRow};
use crate::coordinator::queue::{BoundedQueue, Depth, Paused};
use crate::coordinator::write_transaction::WriteTransaction;
use crate::coordinator::{Callbacks, End};
use crate::dataset::json_row;
use crate::port::{Circuit, DeadLetterError, DeadLetters, Event, Observer, Sink, Trouble};
use crate::settings::EngineSettings;

/// The engine has been told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Halted;

pub(super) struct Engine<S, D> {
    pub(super) sink: Arc<S>,
    pub(super) dead: Arc<D>,
    pub(super) settings: EngineSettings,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) queue: BoundedQueue,
    pub(super) breaker: Breaker,
    pub(super) callbacks: Callbacks,
    pub(super) halt: watch::Sender<Option<End>>,
    /// What the outage that lasts was said to be last, and since when it is of that kind.
    pub(super) trouble: Mutex<Option<(Trouble, Instant)>>,
    /// Why the dead-letter queue did not take rows that are nowhere else.
    pub(super) lost: Mutex<Option<DeadLetterError>>,
    pub(super) alive: AtomicUsize,
    pub(super) returned: AtomicU64,
    pub(super) unburied: AtomicU64,
    /// Refused rows that stay in their inputs.
    pub(super) left: LeftBehind,
    /// Why the dead-letter queue took nothing when it was asked last, if it did not.
    pub(super) letters_blocked: Mutex<Option<DeadLetterError>>,
    /// How the run ends since it is waited for no longer: good rows go to the store, and rows of a pipe that
    /// it should have are counted as lost.
    pub(super) without_letters: Mutex<Option<End>>,
    /// Rows of which it is not known whether the store has them.
    pub(super) doubtful: AtomicU64,
    pub(super) healed: AtomicU64,
    pub(super) unheld: AtomicU64,
    /// The highest number of a transaction that is settled, of all workers.
    pub(super) serial: AtomicU64,
}

impl<S: Sink, D: DeadLetters> Engine<S, D> {
    /// Rows for a worker, which may have others `in_air`.
    pub(super) async fn claim(
        &self,
        worker: usize,
        rows: usize,
        in_air: bool,
    ) -> Result<Option<Vec<Portion>>, Paused> {
        let (bytes, patience) = (self.settings.batch_bytes, self.settings.flush_interval);
        self.queue.claim(worker, rows, bytes, patience, in_air).await
    }

    /// Whether a worker would wait for rows, or for more of them.
    pub(super) fn is_short(&self, worker: usize) -> bool {
        let EngineSettings { batch_rows, batch_bytes, flush_interval, .. } = self.settings;
        self.queue.is_short(worker, batch_rows, batch_bytes, flush_interval)
    }

    /// Runs until done, or until the engine halts.
    pub(super) async fn until_halt<T>(&self, work: impl Future<Output = T>) -> Result<T, Halted> {
        let mut halt = self.halt.subscribe();
        tokio::select! {
            biased;
            _ = halt.wait_for(Option::is_some) => Err(Halted),
            done = work => Ok(done),
        }
    }

    /// Ends the run, in this way unless it is ending already. Where only the dead-letter queue is in the way
    /// it is given up first, and what was read goes to the store as far as it is good.
    pub(super) fn stop(&self, end: End) {
        let given_up = self.without_letters.lock().unwrap_or_else(PoisonError::into_inner);
        self.stop_by(end, given_up);
    }

    fn stop_by(&self, end: End, mut given_up: MutexGuard<'_, Option<End>>) {
        if given_up.is_none()
            && let Some(end) = self.without_letters_ends(&end)
        {
            *given_up = Some(end);
            // Nothing keeps the others from writing any more. Under the lock, so that who waited as long as
            // this one finds that the outage is over.
            self.store_is_well();
            return;
        }
        self.halt_now(end);
    }

    /// Ends the run where the outage has lasted for `longest`. Workers that wait for the same thing all come
    /// to this in the same moment: the first gives up the dead letters, and for the others that is the end
    /// of the outage.
    fn give_up(&self, longest: Duration, trouble: Option<Trouble>) {
        let given_up = self.without_letters.lock().unwrap_or_else(PoisonError::into_inner);
        if self.breaker.outage() >= longest {
            self.stop_by(End::GaveUp(trouble), given_up);
        }
    }

    /// Ends the run, whatever is in the way.
    pub(super) fn halt_now(&self, end: End) {
        self.halt.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(end);
            }
            first
        });
        self.queue.close();
    }

    /// How the run ends where it was to end so and the dead-letter queue is what is in the way, and not the
    /// store. A store that went away while the queue was waited for has not been waited for yet.
    fn without_letters_ends(&self, end: &End) -> Option<End> {
        let blocked = self.letters_blocked.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.breaker.outage().is_zero() || matches!(*trouble, Some((Trouble::DeadLetters(_), _)));
        match (end, &*trouble, self.settings.max_outage) {
            (End::Aborted, ..) if own => Some(End::Aborted),
            (End::GaveUp(_), ..) if own => Some(End::GaveUp(Some(Trouble::DeadLetters(blocked)))),
            (End::GaveUp(_), Some((Trouble::Store(_), since)), Some(longest))
                if since.elapsed() < longest =>
            {
                Some(End::GaveUp(Some(Trouble::DeadLetters(blocked))))
            }
            _ => None,
        }
    }

    /// Waits for the dead-letter queue no longer, and ends so.
    pub(super) fn give_letters_up(&self, end: End) {
        let mut given_up = self.without_letters.lock().unwrap_or_else(PoisonError::into_inner);
        if given_up.is_none() {
            *given_up = Some(end);
            self.store_is_well();
        }
    }

    /// How the run ends where the dead-letter queue is waited for no longer.
    pub(super) fn without_letters(&self) -> Option<End> {
        self.without_letters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts rows of a pipe that neither the store nor the dead-letter queue takes.
    pub(super) fn lose(&self, rows: u64, error: &DeadLetterError) {
        self.unburied.fetch_add(rows, Ordering::Relaxed);
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        self.note(Trouble::DeadLetters(error.clone()));
    }

    /// Leaves refused rows, so many, in inputs that can be read again.
    pub(super) fn leave<'a>(&self, rows: impl Iterator<Item = LeftRow<'a>>, count: u64) {
        self.left.add(rows);
        self.give_back(count);
    }

    /// Whether a flight goes on without its refused rows, where nobody waits for the dead-letter queue any
    /// more: rows of a pipe are nowhere else, and others are settled up to the first that is refused.
    pub(super) fn goes_on_without_letters(&self, flight: &WriteTransaction) -> bool {
        self.settings.idempotent || flight.is_of_pipes()
    }

    /// Ends the run: nothing that waiting cures.
    pub(super) fn fail(&self, reason: Reason) {
        self.stop(End::Failed(reason));
    }

    /// Waits until the breaker lets a write begin; gives up when the outage has lasted too long.
    pub(super) async fn admit(&self) -> Result<(), Halted> {
        let on_change = |state| self.observer.on(&Event::Circuit { state, trouble: None });
        self.patiently(async {
            self.breaker.admit(on_change).await;
        })
        .await
    }

    /// Waits, unless the outage lasts too long meanwhile.
    pub(super) async fn pause(&self, delay: Duration) -> Result<(), Halted> {
        self.patiently(tokio::time::sleep(delay)).await
    }

    async fn patiently(&self, wait: impl Future<Output = ()>) -> Result<(), Halted> {
        let Some(longest) = self.settings.max_outage else { return self.until_halt(wait).await };
        let outage = self.breaker.outage();
        if outage.is_zero() {
            // No outage: whatever is waited for is short, or begins with a look at this again.
            return self.until_halt(wait).await;
        }
        let left = longest.saturating_sub(outage);
        if self.until_halt(tokio::time::timeout(left, wait)).await?.is_err() {
            let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.give_up(longest, trouble.map(|(trouble, _)| trouble));
            if self.halt.borrow().is_some() {
                return Err(Halted);
            }
            // The dead-letter queue alone is waited for no longer: the store is well, and has the rest.
        }
        Ok(())
    }

    pub(super) fn store_is_well(&self) {
        if let Some(state) = self.breaker.success() {
            self.observer.on(&Event::Circuit { state, trouble: None });
        }
    }

    /// Notes what is in the way, and since when it is of that kind.
    fn note(&self, trouble: Trouble) {
        let mut last = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = std::mem::discriminant(&trouble);
        let since = last.take().filter(|(last, _)| std::mem::discriminant(last) == kind);
        *last = Some((trouble, since.map_or_else(Instant::now, |(_, since)| since)));
    }

    /// Notes a transient failure; `true` when the circuit is open, so that the breaker is to be
    /// waited for rather than the worker's own backoff.
    pub(super) fn in_trouble(&self, trouble: Trouble, spent: bool) -> bool {
        if matches!(trouble, Trouble::DeadLetters(_)) && self.without_letters().is_some() {
            // Given up while that was tried: the next attempt goes without.
            return true;
        }
        self.note(trouble.clone());
        if let Some(state) = self.breaker.failure(spent) {
            self.observer.on(&Event::Circuit { state, trouble: Some(&trouble) });
        }
        if let Some(longest) = self.settings.max_outage {
            self.give_up(longest, Some(trouble));
        }
        self.breaker.circuit() == Circuit::Open
    }

    /// Writes rejects to the dead-letter queue and reports them by reason.
    pub(super) async fn bury(&self, rejects: Vec<Reject>) -> Result<(), DeadLetterError> {
        if rejects.is_empty() {
            return Ok(());
        }
        let mut groups: Vec<(Stage, Arc<Reason>, u64)> = Vec::new();
        for reject in &rejects {
            let same = |g: &&mut (Stage, Arc<Reason>, u64)| {
                g.0 == reject.stage && (Arc::ptr_eq(&g.1, &reject.reason) || g.1 == reject.reason)
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.2 += 1,
                None => groups.push((reject.stage, reject.reason.clone(), 1)),
            }
        }
        let buried = self.dead.bury(rejects).await;
        *self.letters_blocked.lock().unwrap_or_else(PoisonError::into_inner) = buried.as_ref().err().cloned();
        buried?;
        for (stage, reason, rows) in groups {
            self.observer.on(&Event::Buried { stage, reason: &reason, rows });
        }
        Ok(())
    }

    pub(super) fn tell_depth(&self, depth: Depth, reason: &'static str) {
        self.observer.on(&Event::Queue { depth: depth.rows });
        if let Some(level) = depth.level {
            let capacity = self.settings.capacity;
            self.observer.on(&Event::Pressure { level, depth: depth.rows, capacity, reason });
        }
        match depth.crossed {
            Some(true) => self.callbacks.high(depth.rows),
            Some(false) => self.callbacks.low(depth.rows),
            None => {}
        }
    }

    pub(super) fn worker_alive(&self, worker: usize, alive: bool) {
        if alive {
            self.alive.fetch_add(1, Ordering::Relaxed);
        } else {
            self.alive.fetch_sub(1, Ordering::Relaxed);
        }
        self.observer.on(&Event::Worker { worker, alive });
    }

    /// Lets go of a flight that will not be written: see [`Engine::release`]. Where its commit is `in_doubt`
    /// its rows may be in the store all the same: its dead letters say so, and by what the store can be asked.
    pub(super) async fn abandon_flight(&self, worker: usize, flight: &mut WriteTransaction, in_doubt: bool) {
        flight.compact();
        let mut fresh: Vec<(Pick, Arc<Reason>)> = flight.condemned.drain(flight.buried..).collect();
        let (again, lost): (Vec<_>, Vec<_>) = flight
            .held
            .drain(..)
            .partition(|(pick, _)| flight.parts[pick.part as usize].origin.replayable.is_now());
        fresh.extend(lost);
        let reject = |pick: Pick, stage, reason: Arc<Reason>| {
            json_row::reject_of(&flight.parts[pick.part as usize], pick.row as usize, stage, reason)
        };
        let mut rejects: Vec<Reject> =
            fresh.into_iter().map(|(pick, reason)| reject(pick, Stage::Write, reason)).collect();
        let ended = match in_doubt {
            true => unknown(self.sink.name_of(worker, &flight.mark)),
            false => ended(),
        };
        if in_doubt {
            self.doubtful.fetch_add(flight.unsettled().count() as u64, Ordering::Relaxed);
        }
        let mut returned = again.len() as u64;
        for pick in flight.unsettled() {
            if flight.parts[pick.part as usize].origin.replayable.is_now() {
                returned += 1;
            } else {
                rejects.push(reject(pick, Stage::Abort, ended.clone()));
            }
        }
        self.let_go(rejects, returned).await;
    }

    /// Lets go of rows that will not be written: those of a source that cannot be read again go
    /// to the dead-letter queue, the others go back to where they can be read again. Those for which there
    /// was no room all go to the queue, and are settled there.
    pub(super) async fn release(&self, portions: &[Portion], stage: Stage, reason: Arc<Reason>) {
        let (mut rejects, mut returned) = (Vec::new(), 0);
        for portion in portions {
            if portion.batch.origin.replayable.is_now() && stage == Stage::Abort {
                returned += portion.rows.len() as u64;
            } else {
                let reject =
                    |row: &u32| json_row::reject_of(&portion.batch, *row as usize, stage, reason.clone());
                rejects.extend(portion.rows.iter().map(reject));
            }
        }
        if self.let_go(rejects, returned).await && stage == Stage::Overflow {
            for portion in portions {
                portion.batch.origin.open.acknowledge(portion.rows.len() as u64);
            }
        }
    }

    /// `true` where the dead-letter queue has taken the rejects.
    async fn let_go(&self, rejects: Vec<Reject>, returned: u64) -> bool {
        self.give_back(returned);
        // The run is ending: a queue that cannot take the rows now is asked a few times more.
        let given_up = self.without_letters().is_some();
        for wait in if given_up { &[0][..] } else { &[100, 400, 1600, 0] } {
            let Err(error) = self.bury(rejects.clone()).await else { return true };
            self.observer.on(&Event::DeadLettersBlocked { error: &error });
            if *wait > 0 {
                tokio::time::sleep(Duration::from_millis(*wait)).await;
                continue;
            }
            // Whatever condemned a row will do so again when it is read again. What the queue had
            // no room for is not read again by itself, since the run goes on.
            let still_there =
                |reject: &&Reject| reject.origin.replayable.is_now() && reject.stage != Stage::Overflow;
            let returned = rejects.iter().filter(still_there).count() as u64;
            self.give_back(returned);
            let lost = rejects.len() as u64 - returned;
            if lost > 0 {
                self.lose(lost, &error);
                self.halt.send_replace(Some(End::Unburied(error)));
            }
        }
        false
    }

    fn give_back(&self, rows: u64) {
        if rows > 0 {
            self.returned.fetch_add(rows, Ordering::Relaxed);
            self.observer.on(&Event::Returned { rows });
        }
    }
}

/// The reason of stage `abort`.
pub(super) fn ended() -> Arc<Reason> {
    Arc::new(Reason::new("aborted", "the run ended before the row could be stored"))
}

/// The reason of stage `abort` for rows whose commit got no answer, and of which nobody could be asked.
fn unknown(commit: Option<Commit>) -> Arc<Reason> {
    let message =
        "the run ended before the store said whether the row was committed: it may be there already";
    Arc::new(Reason::new("commit_unknown", message).commit(commit))
}
