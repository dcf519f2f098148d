//! The write engine: queue, lanes, workers, retry, breaker, isolation. Knows no store and no file.
//!
//! ```text
//!  submit -> BoundedQueue -> line 1 -> worker 1 -> Session -> commit
//!            rows, bytes  \  line 2 -> worker 2 -> Session -> commit
//!            watermarks    \ ...          |  refused rows -> DeadLetters
//! ```
//!
//! A row belongs to the engine from [`WriteCoordinator::submit`] until it is committed in the
//! store, on disk in the dead-letter queue, or, at the end of a run that was cut short, given
//! back to a source that can be read again. It is open in its origin
//! ([`OpenRows`](crate::batch::OpenRows)) until one of the first two, and for ever after the last.

mod account;
mod breaker;
mod engine;
mod hold;
mod isolate;
mod lanes;
mod left;
mod pool;
mod queue;
mod retry;
#[cfg(test)]
mod tests;
mod witness;
mod worker;
mod write_transaction;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::batch::{Batch, Reason, Reject, Stage};
use crate::port::{
    Circuit, DeadLetterError, DeadLetters, Event, Observer, Silent, Sink, SinkError, TransientKind, Trouble,
};
use crate::settings::{EngineSettings, Overflow};
use breaker::Breaker;
use engine::Engine;
pub use lanes::{SLOTS, slot_of, worker_of};
pub use left::LeftRows;
use left::{LeftBehind, LeftRow};
use queue::{BoundedQueue, Bounds, Refused};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Every row submitted is settled.
    Drained,
    /// It was stopped at once.
    Aborted,
    /// The store did not come back within `max_outage`, or the dead-letter queue took nothing for so long;
    /// with what was said last.
    GaveUp(Option<Trouble>),
    /// Rows that cannot be read again are lost, since the dead-letter queue did not take them.
    Unburied(DeadLetterError),
    /// Something that waiting does not cure.
    Failed(Reason),
}

/// What [`WriteCoordinator::shutdown`] leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Rows given back to sources that can be read again.
    pub returned: u64,
    /// Rows of sources that cannot be read again which the store refused, or could not be given, and which
    /// the dead-letter queue did not take either.
    pub unburied: u64,
    /// Refused rows that the dead-letter queue did not take, left in inputs that can be read again while the
    /// good rows around them were stored. They are among those returned.
    pub left: Option<LeftRows>,
    /// Rows whose commit got no answer, and of which the store could not be asked: they may be in it, and
    /// those of a pipe are in the dead-letter queue too.
    pub doubtful: u64,
    /// Rows that were stored when they were tried once more, after rows that came behind them.
    pub healed: u64,
    /// Refused rows that were not tried once more, since too many waited for that.
    pub unheld: u64,
}

/// A look at the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Workers that are alive.
    pub workers_alive: usize,
    /// Workers that were started.
    pub workers: usize,
    /// Rows that wait or are being written.
    pub queue_size: usize,
    /// Rows that fit.
    pub capacity: usize,
    /// State of the circuit breaker.
    pub circuit: Circuit,
}

/// Why rows were not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full, under [`Overflow::Error`]; the rows that were not taken are handed back.
    #[error("the queue is full")]
    Full(Box<Batch>),
    /// The engine has stopped. The rows are in the dead-letter queue if their source cannot be
    /// read again.
    #[error("the engine has stopped")]
    Stopped,
}

type OnDepth = Box<dyn Fn(usize) + Send + Sync>;

/// Called when the queue crosses its watermarks, with its depth in rows: `high` once on the way
/// up, `low` once on the way down, in turns.
#[derive(Default)]
pub struct Callbacks {
    on_high: Option<OnDepth>,
    on_low: Option<OnDepth>,
}

impl Callbacks {
    fn high(&self, depth: usize) {
        if let Some(call) = &self.on_high {
            call(depth);
        }
    }

    fn low(&self, depth: usize) {
        if let Some(call) = &self.on_low {
            call(depth);
        }
    }
}

/// Puts a [`WriteCoordinator`] together.
pub struct Builder<S, D> {
    sink: Arc<S>,
    dead: Arc<D>,
    settings: EngineSettings,
    observer: Arc<dyn Observer>,
    callbacks: Callbacks,
    /// Whether the engine looks after the size of its pool by itself.
    keeps: bool,
}

impl<S: Sink, D: DeadLetters> Builder<S, D> {
    /// Leaves the size of the pool to a test.
    #[cfg(test)]
    fn by_hand(mut self) -> Self {
        self.keeps = false;
        self
    }

    /// Sizes, policies and bounds; the default otherwise.
    pub fn settings(mut self, settings: EngineSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Who hears of events.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Called once when the queue has filled to its high watermark. Must return at once.
    pub fn on_high_watermark(mut self, call: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.callbacks.on_high = Some(Box::new(call));
        self
    }

    /// Called once when it has emptied to its low watermark after that. Must return at once.
    pub fn on_low_watermark(mut self, call: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.callbacks.on_low = Some(Box::new(call));
        self
    }

    /// Starts the workers, on the Tokio runtime that this is called in.
    pub fn start(self) -> WriteCoordinator<S, D> {
        let mut settings = self.settings;
        let limit = self.sink.max_sessions().unwrap_or(SLOTS).clamp(1, SLOTS);
        settings.workers = settings.workers.clamp(1, limit);
        let most = settings.up_to.map_or(settings.workers, |most| most.clamp(settings.workers, limit));
        settings.up_to = settings.up_to.map(|_| most).filter(|most| *most > 1);
        settings.batch_rows = settings.batch_rows.max(1);
        let rows = settings.capacity.max(1);
        let high = settings.high_watermark.clamp(1, rows);
        let low = settings.low_watermark.min(high);
        let bounds = Bounds { rows, bytes: settings.capacity_bytes.max(1), high, low };
        let engine = Arc::new(Engine {
            queue: BoundedQueue::of(settings.workers, most, bounds),
            breaker: Breaker::new(settings.breaker),
            sink: self.sink,
            dead: self.dead,
            settings,
            observer: self.observer,
            callbacks: self.callbacks,
            halt: watch::Sender::new(None),
            trouble: Mutex::new(None),
            lost: Mutex::new(None),
            alive: AtomicUsize::new(0),
            returned: AtomicU64::new(0),
            unburied: AtomicU64::new(0),
            left: LeftBehind::default(),
            letters_blocked: Mutex::new(None),
            without_letters: Mutex::new(None),
            doubtful: AtomicU64::new(0),
            healed: AtomicU64::new(0),
            unheld: AtomicU64::new(0),
            serial: AtomicU64::new(0),
        });
        let mut workers = JoinSet::new();
        for worker in 0..engine.settings.workers {
            workers.spawn(worker::work(engine.clone(), worker, None).in_current_span());
        }
        if engine.settings.up_to.is_some() && self.keeps {
            workers.spawn(pool::keep(engine.clone(), most).in_current_span());
        }
        WriteCoordinator { engine, workers }
    }
}

/// The engine. See the module for what it promises.
pub struct WriteCoordinator<S, D> {
    engine: Arc<Engine<S, D>>,
    workers: JoinSet<()>,
}

/// Stops an engine from outside the task that owns it.
#[derive(Clone)]
pub struct Stopper {
    now: Arc<dyn Fn() + Send + Sync>,
    soon: Arc<dyn Fn() + Send + Sync>,
}

impl Stopper {
    /// The run is to end when what was read is written: a store that is away is asked more often.
    pub fn stop_soon(&self) {
        (self.soon)();
    }

    /// Stops the engine at once: what is not committed goes to the dead-letter queue or back to
    /// its source.
    pub fn stop_now(&self) {
        (self.now)();
    }
}

impl<S: Sink, D: DeadLetters> WriteCoordinator<S, D> {
    /// An engine that writes to this store and buries there.
    pub fn builder(sink: Arc<S>, dead: Arc<D>) -> Builder<S, D> {
        Builder {
            sink,
            dead,
            settings: EngineSettings::default(),
            observer: Arc::new(Silent),
            callbacks: Callbacks::default(),
            keeps: true,
        }
    }

    /// Takes the rows of a batch, in the order of all submissions.
    ///
    /// Returns when they are in the queue, which under [`Overflow::Block`] may take as long as the
    /// store does. More rows than the queue holds go into it in pieces; under [`Overflow::Error`] those
    /// that found no room are handed back.
    ///
    /// # Cancellation
    /// Dropped while it waits for room under [`Overflow::Block`], it leaves in the queue the pieces that were in it
    /// already, whole and from the front of the batch, and they are stored; the others are in no queue, no count
    /// and no dead letter, and the next submission goes in as if they had not been. A caller who cancels keeps
    /// the batch. Where it buries rows (those that [`Overflow::DropOldest`] makes room by, and those that come
    /// after the engine has stopped) it is not to be cancelled: rows that are not buried yet would be dropped.
    ///
    /// # Errors
    /// `Full`: the rows handed back are all that did not go in. `Stopped`: what did not go in has been buried, or
    /// returned to the source that still has it.
    pub async fn submit(&self, batch: Batch) -> Result<(), SubmitError> {
        if batch.is_empty() {
            return Ok(());
        }
        let piece = self.piece(&batch);
        if batch.len() <= piece {
            return self.submit_whole(batch).await;
        }
        let mut at = 0;
        while at < batch.len() {
            match self.submit_whole(batch.slice(at, piece)).await {
                Ok(()) => at += piece,
                Err(SubmitError::Full(_)) => {
                    return Err(SubmitError::Full(Box::new(batch.slice(at, batch.len()))));
                }
                Err(SubmitError::Stopped) => {
                    let rest = batch.slice(at + piece, batch.len());
                    return if rest.is_empty() {
                        Err(SubmitError::Stopped)
                    } else {
                        self.submit_whole(rest).await
                    };
                }
            }
        }
        Ok(())
    }

    /// How many rows of a batch go into the queue at once. Rows that wait to be tried again may take a
    /// quarter of it, and make no room.
    fn piece(&self, batch: &Batch) -> usize {
        let settings = &self.engine.settings;
        let (rows, bytes) = (settings.capacity.max(1), settings.capacity_bytes.max(1));
        let size = batch.bytes();
        if batch.len() <= rows - rows / 4 && size <= bytes - bytes / 4 {
            return batch.len();
        }
        let by_bytes = (bytes / 2) / size.div_ceil(batch.len()).max(1);
        (rows / 2).min(by_bytes).max(1)
    }

    async fn submit_whole(&self, batch: Batch) -> Result<(), SubmitError> {
        let engine = &self.engine;
        let rows = batch.len() as u64;
        let pushed = match engine.settings.overflow {
            Overflow::Block => engine.queue.push(batch, |depth| engine.tell_depth(depth, "full")).await,
            Overflow::Error => engine.queue.try_push(batch),
            Overflow::DropOldest => match engine.queue.push_dropping(batch) {
                Ok((depth, dropped)) => {
                    if !dropped.is_empty() {
                        let reason =
                            Reason::new("queue_full", "the queue was full and the row the oldest in it");
                        engine.release(&dropped, Stage::Overflow, Arc::new(reason)).await;
                    }
                    Ok(depth)
                }
                Err(refused) => Err(refused),
            },
        };
        match pushed {
            Ok(depth) => {
                engine.observer.on(&Event::Submitted { rows });
                engine.tell_depth(depth, "filled");
                Ok(())
            }
            Err(Refused::Full(batch)) => Err(SubmitError::Full(batch)),
            Err(Refused::Closed(batch)) => {
                batch.origin.open.open(rows);
                let portions = lanes::deal(*batch, 1, 0);
                engine.release(&portions, Stage::Abort, engine::ended()).await;
                Err(SubmitError::Stopped)
            }
        }
    }

    /// Tells the observers that rows outside the engine wait for the dead-letter queue.
    pub fn dead_letters_blocked(&self, error: &DeadLetterError) {
        self.engine.observer.on(&Event::DeadLettersBlocked { error });
    }

    /// Submits batches one after the other.
    pub async fn submit_many(&self, batches: impl IntoIterator<Item = Batch>) -> Result<(), SubmitError> {
        for batch in batches {
            self.submit(batch).await?;
        }
        Ok(())
    }

    /// Counts rows of a pipe that the dead-letter queue did not take, and waits for it no longer: what is
    /// read already goes to the store as far as it is good.
    pub fn lose(&self, rows: u64, error: &DeadLetterError) {
        self.engine.give_letters_up(End::GaveUp(Some(Trouble::DeadLetters(error.clone()))));
        self.engine.lose(rows, error);
    }

    /// Leaves refused rows that the dead-letter queue did not take in their input, and waits for it no
    /// longer: the good rows around them go to the store. `false` where these could not be written again
    /// when the input is read once more.
    pub fn leave(&self, rejects: &[Reject], error: &DeadLetterError) -> bool {
        if !self.engine.settings.idempotent || self.stopped() {
            return false;
        }
        self.engine.give_letters_up(End::GaveUp(Some(Trouble::DeadLetters(error.clone()))));
        self.engine.leave(rejects.iter().map(LeftRow::of), rejects.len() as u64);
        true
    }

    /// Whether the dead-letter queue is waited for no longer.
    pub fn is_without_letters(&self) -> bool {
        self.engine.without_letters().is_some()
    }

    /// Writes rows that failed before they reached the engine to the dead-letter queue, and
    /// reports them as the engine reports its own.
    pub async fn reject(&self, rejects: Vec<Reject>) -> Result<(), DeadLetterError> {
        self.engine.bury(rejects).await
    }

    /// A look at the engine.
    pub fn health(&self) -> Health {
        Health {
            workers_alive: self.engine.alive.load(Ordering::Relaxed),
            workers: self.engine.settings.workers,
            queue_size: self.engine.queue.depth(),
            capacity: self.engine.settings.capacity,
            circuit: self.engine.breaker.circuit(),
        }
    }

    /// Has rows tried once more that were refused for other rows, as soon as nothing else waits.
    pub fn try_refused_again(&self) {
        self.engine.queue.ask();
    }

    /// Whether the engine has stopped by itself, so that nothing more can be submitted.
    pub fn stopped(&self) -> bool {
        self.engine.halt.borrow().is_some()
    }

    /// Completes when the engine has stopped by itself, or is gone: for whoever reads from a
    /// source that may be silent for long.
    pub fn halted(&self) -> impl Future<Output = ()> + Send + use<S, D> {
        let mut halt = self.engine.halt.subscribe();
        async move { drop(halt.wait_for(Option::is_some).await) }
    }

    /// Whether rows may have been let go of that are not settled.
    pub fn has_let_go(&self) -> bool {
        self.stopped() || self.engine.left.rows().is_some()
    }

    /// A handle that stops the engine at once.
    pub fn stopper(&self) -> Stopper {
        let of = |act: fn(&Engine<S, D>)| {
            let engine = Arc::downgrade(&self.engine);
            Arc::new(move || engine.upgrade().iter().for_each(|engine| act(engine)))
        };
        Stopper { now: of(|engine| engine.stop(End::Aborted)), soon: of(|engine| engine.breaker.hurry()) }
    }

    /// Takes no more rows and ends: with `drain`, when all rows are settled and the store has
    /// them on disk; without, at once.
    pub async fn shutdown(mut self, drain: bool) -> Outcome {
        let engine = &self.engine;
        if drain {
            engine.queue.close();
        } else {
            engine.stop(End::Aborted);
        }
        while self.workers.join_next().await.is_some() {}
        let left = engine.queue.abort();
        if !left.is_empty() {
            engine.release(&left, Stage::Abort, engine::ended()).await;
        }
        if !self.stopped() {
            self.seal().await;
        }
        let end = self.engine.halt.borrow().clone().unwrap_or_else(|| {
            let Some(given_up) = engine.without_letters() else { return End::Drained };
            let lost = engine.lost.lock().unwrap_or_else(PoisonError::into_inner).clone();
            lost.map_or(given_up, End::Unburied)
        });
        Outcome {
            end,
            returned: self.engine.returned.load(Ordering::Relaxed),
            unburied: self.engine.unburied.load(Ordering::Relaxed),
            left: self.engine.left.rows(),
            doubtful: self.engine.doubtful.load(Ordering::Relaxed),
            healed: self.engine.healed.load(Ordering::Relaxed),
            unheld: self.engine.unheld.load(Ordering::Relaxed),
        }
    }

    /// The barrier behind "all rows stored": asked again until the store answers.
    async fn seal(&self) {
        let engine = &self.engine;
        let mut attempt = 1;
        loop {
            if engine.admit().await.is_err() {
                return;
            }
            let sealed =
                engine.until_halt(tokio::time::timeout(engine.settings.write_timeout, engine.sink.seal()));
            let error = match sealed.await {
                Err(engine::Halted) => return,
                Ok(Ok(Ok(()))) => return engine.store_is_well(),
                Ok(Ok(Err(error))) => error,
                Ok(Err(_)) => {
                    let reason = Reason::new("timeout", "the store gave no answer");
                    SinkError::Transient(TransientKind::Timeout, reason)
                }
            };
            if let SinkError::Transient(_, reason) = error {
                attempt += 1;
                if !engine.in_trouble(Trouble::Store(reason), attempt > engine.settings.retry.max_attempts)
                    && engine.pause(retry::backoff(&engine.settings.retry, attempt, 0)).await.is_err()
                {
                    return;
                }
            } else {
                return engine.fail(error.reason().clone());
            }
        }
    }
}
