//! How a caller asks a use case to end: the first time what was read is written, the second time it stops at
//! once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::process::Signal;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::asked::Askings;
use crate::app::exit::Exit;
use crate::coordinator::Stopper;
use crate::error::{Error, Result, words};
use crate::pipeline::Stop;
use crate::sink::stop_waiting;

/// How long what was read may take to be written after SIGTERM and its like, and rows in hand wait for a
/// store after any signal. Service managers kill a program some time after that (Docker after 10 s), and
/// what a pipe gave must be in the dead letters before. After SIGINT somebody sits there who can press the
/// key again.
const GRACE: Duration = Duration::from_secs(4);

/// What was asked so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    /// The exit code that is asked for.
    pub first: Option<Exit>,
    /// Whether there was another one.
    pub again: bool,
}

/// What a caller has asked. Clones share it, and it is kept: whoever looks later, between two loads of a replay
/// too, sees it.
#[derive(Debug, Clone)]
pub struct Interrupts {
    heard: watch::Receiver<Heard>,
    /// Whether there are rows in hand that come only once, or an engine: then a second signal is for the use
    /// case to heed, and must not end the process on the spot.
    holds: Arc<AtomicBool>,
}

impl Interrupts {
    /// What a caller asks by, and what a use case sees of it.
    pub fn channel() -> (watch::Sender<Heard>, Self) {
        let (ask, heard) = watch::channel(Heard::default());
        (ask, Self { heard, holds: Arc::default() })
    }

    /// For a use case that runs to its end.
    pub fn none() -> Self {
        Self::channel().1
    }

    /// Asked for by the signals that end a process. Has to be called while the process has but one thread: a signal
    /// that comes when its handler is in place, and what the handler is to do is not, or nobody waits for it yet,
    /// would fall by the way, and the one who sent it wait for ever. So they are held back until all is in
    /// place. `hung` is called at a second signal that nobody has heeded, from a thread of its own.
    ///
    /// # Errors
    /// Where the process has no file handles left.
    pub fn of_signals(hung: impl Fn(Exit) + Send + 'static) -> Result<Self> {
        let failed = |e: std::io::Error| {
            Error::internal(format!("signals cannot be listened to: {}", words(&e))).caused_by(e)
        };
        let runtime = Builder::new_current_thread().enable_io().build().map_err(failed)?;
        let inside = runtime.enter();
        let unmasked = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(|e| failed(e.into()))?;
        let mut askings = Askings::listen().map_err(failed)?;
        // Who reaches the limit on the size of files (ulimit -f) is killed by default. With the
        // signal caught the write fails instead, and is waited for like one on a full disk.
        drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map_err(failed)?);
        unmasked.thread_set_mask().map_err(|e| failed(e.into()))?;
        drop(inside);
        let (tell, interrupts) = Self::channel();
        let told = interrupts.clone();
        let work = async move {
            while let Some(asked) = askings.next().await {
                let before = *tell.borrow();
                match before.first {
                    None => tell.send_modify(|heard| heard.first = Some(asked.exit)),
                    Some(_) if !asked.insists => {}
                    // The first one has not been heeded: something hangs.
                    Some(first) if !told.held() => hung(first),
                    Some(_) => tell.send_modify(|heard| heard.again = true),
                }
            }
        };
        let thread = std::thread::Builder::new().name("signals".into());
        thread.spawn(move || runtime.block_on(work)).map_err(failed)?;
        Ok(interrupts)
    }

    /// How to end, if it is time to.
    pub fn exit(&self) -> Option<Exit> {
        self.heard.borrow().first
    }

    /// Waits until it is.
    pub async fn come(&self) {
        self.until(|heard| heard.first.is_some()).await;
    }

    /// Whether a second request is heeded by the use case.
    pub fn held(&self) -> bool {
        self.holds.load(Ordering::SeqCst)
    }

    async fn until(&self, enough: impl FnMut(&Heard) -> bool) {
        if self.heard.clone().wait_for(enough).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The signals of a load.
#[derive(Clone)]
pub(crate) struct Signals {
    asked: Interrupts,
    stopper: Arc<OnceLock<Stopper>>,
}

impl Signals {
    /// `stop` ends the reading at the first signal, one that has come already too.
    pub fn listen(asked: &Interrupts, stop: &Stop) -> Self {
        if asked.exit().is_some() {
            stop.set();
        }
        let signals = Self { asked: asked.clone(), stopper: Arc::default() };
        let (stop, this) = (stop.clone(), signals.clone());
        tokio::spawn(async move {
            this.come().await;
            // With nothing in hand the use case ends by itself, and may have said so by now.
            if this.asked.held() {
                tracing::warn!("stopping: what was read is being written (once more to stop at once)");
            }
            stop.set();
            if let Some(stopper) = this.stopper.get() {
                stopper.stop_soon();
            } else if !this.asked.held() {
                stop_waiting();
            }
            let patience = (this.exit() == Some(Exit::Terminated)).then_some(GRACE);
            if !this.is_told_again(patience).await {
                tracing::warn!(
                    "the store has not taken what was read within {} s of the signal: stopping at once",
                    GRACE.as_secs()
                );
            }
            stop_waiting();
            if let Some(stopper) = this.stopper.get() {
                stopper.stop_now();
            }
            // Where only the dead letters were in the way, that has the good rows written without them.
            this.asked.until(|heard| heard.again).await;
            if let (Some(_), Some(stopper)) = (patience, this.stopper.get()) {
                stopper.stop_now();
            }
        });
        signals
    }

    /// Waits for a second signal; `false` where there was none for so long.
    async fn is_told_again(&self, patience: Option<Duration>) -> bool {
        let again = self.asked.until(|heard| heard.again);
        match patience {
            Some(patience) => tokio::time::timeout(patience, again).await.is_ok(),
            None => {
                again.await;
                true
            }
        }
    }

    /// From now on a second signal stops this engine.
    pub fn stops(&self, stopper: Stopper) {
        self.holds(true);
        let _ = self.stopper.set(stopper);
        if self.asked.heard.borrow().first.is_some()
            && let Some(stopper) = self.stopper.get()
        {
            stopper.stop_soon();
        }
        if self.asked.heard.borrow().again
            && let Some(stopper) = self.stopper.get()
        {
            stopper.stop_now();
        }
    }

    /// Whether there are rows in hand that come only once, with no engine yet to take care of them.
    pub fn holds(&self, rows: bool) {
        self.asked.holds.store(rows, Ordering::SeqCst);
    }

    /// Waits for the first signal.
    pub async fn come(&self) {
        self.asked.come().await;
    }

    /// Waits until the store is to be waited for no longer, before there is an engine: for the first
    /// signal. With rows in hand that could still go there, for another one, or for a while.
    pub async fn insist(&self) {
        self.come().await;
        if self.asked.held() {
            let _ = tokio::time::timeout(GRACE, self.asked.until(|heard| heard.again)).await;
        }
    }

    /// The exit code that the first signal asks for.
    pub fn exit(&self) -> Option<Exit> {
        self.asked.exit()
    }
}
