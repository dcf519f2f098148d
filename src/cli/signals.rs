//! The signals that end a command: the first drains, the second stops at once.
//!
//! They are listened to in one place, for the whole process and from early on, and what has come is
//! kept: whoever asks later, between two loads of a replay too, sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::process::Signal;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::asked::Askings;
use crate::cli::exit::Exit;
use crate::coordinator::Stopper;
use crate::error::{Error, Result};
use crate::sink::stop_waiting;
use crate::source::Stop;

/// What this process has heard, once it listens.
static HEARD: Mutex<Option<watch::Receiver<Heard>>> = Mutex::new(None);

/// Whether this process holds rows that come only once, or has an engine: then a second signal is
/// for others to heed, and does not end it on the spot.
static HOLDS: AtomicBool = AtomicBool::new(false);

/// How long what was read may take to be written after SIGTERM and its like, and rows in hand wait for a
/// store after any signal. Service managers kill a program some time after that (Docker after 10 s), and
/// what a pipe gave must be in the dead letters before. After SIGINT somebody sits there who can press the
/// key again.
const GRACE: Duration = Duration::from_secs(4);

/// The signals that have come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    /// The exit code that the first one asks for.
    pub first: Option<Exit>,
    /// Whether there was another one.
    pub again: bool,
}

/// Listens from the first call on, which has to come while this process has but one thread. A signal
/// that comes when its handler is in place, and what the handler is to do is not, or nobody waits for it
/// yet, would fall by the way, and the one who sent it wait for ever. So they are held back until all
/// is in place.
///
/// # Errors
/// Where the process has no file handles left.
pub fn heard() -> Result<watch::Receiver<Heard>> {
    let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(heard) = &*heard {
        return Ok(heard.clone());
    }
    let failed = |e: std::io::Error| Error::Internal(format!("signals cannot be listened to: {e}"));
    let runtime = Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let inside = runtime.enter();
    let unmasked = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(|e| failed(e.into()))?;
    let mut askings = Askings::listen().map_err(failed)?;
    // Who reaches the limit on the size of files (ulimit -f) is killed by default. With the
    // signal caught the write fails instead, and is waited for like one on a full disk.
    drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map_err(failed)?);
    unmasked.thread_set_mask().map_err(|e| failed(e.into()))?;
    drop(inside);
    let (tell, told) = watch::channel(Heard::default());
    let work = async move {
        while let Some(asked) = askings.next().await {
            let before = *tell.borrow();
            match before.first {
                None => tell.send_modify(|heard| heard.first = Some(asked.exit)),
                Some(_) if !asked.insists => {}
                // The first one has not been heeded: something hangs.
                Some(first) if !HOLDS.load(Ordering::SeqCst) => std::process::exit(first as i32),
                Some(_) => tell.send_modify(|heard| heard.again = true),
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".into());
    thread.spawn(move || runtime.block_on(work)).map_err(failed)?;
    Ok(heard.insert(told).clone())
}

/// The signals of a load.
#[derive(Clone)]
pub struct Signals {
    heard: watch::Receiver<Heard>,
    stopper: Arc<OnceLock<Stopper>>,
}

impl Signals {
    /// `stop` ends the reading at the first signal, one that has come already too.
    pub fn listen(stop: &Stop) -> Result<Self> {
        let heard = heard()?;
        if heard.borrow().first.is_some() {
            stop.set();
        }
        let signals = Self { heard, stopper: Arc::default() };
        let (stop, mut this) = (stop.clone(), signals.clone());
        tokio::spawn(async move {
            if this.heard.wait_for(|heard| heard.first.is_some()).await.is_err() {
                return;
            }
            tracing::warn!("stopping: what was read is being written (once more to stop at once)");
            stop.set();
            if let Some(stopper) = this.stopper.get() {
                stopper.stop_soon();
            } else if !HOLDS.load(Ordering::SeqCst) {
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
            this.until(|heard| heard.again).await;
            if let (Some(_), Some(stopper)) = (patience, this.stopper.get()) {
                stopper.stop_now();
            }
        });
        Ok(signals)
    }

    /// Waits for a second signal; `false` where there was none for so long.
    async fn is_told_again(&self, patience: Option<Duration>) -> bool {
        let again = self.until(|heard| heard.again);
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
        if self.heard.borrow().first.is_some()
            && let Some(stopper) = self.stopper.get()
        {
            stopper.stop_soon();
        }
        if self.heard.borrow().again
            && let Some(stopper) = self.stopper.get()
        {
            stopper.stop_now();
        }
    }

    /// Whether there are rows in hand that come only once, with no engine yet to take care of them.
    pub fn holds(&self, rows: bool) {
        HOLDS.store(rows, Ordering::SeqCst);
    }

    /// Waits for the first signal.
    pub async fn come(&self) {
        self.until(|heard| heard.first.is_some()).await;
    }

    /// Waits until the store is to be waited for no longer, before there is an engine: for the first
    /// signal. With rows in hand that could still go there, for another one, or for a while.
    pub async fn insist(&self) {
        self.come().await;
        if HOLDS.load(Ordering::SeqCst) {
            let _ = tokio::time::timeout(GRACE, self.until(|heard| heard.again)).await;
        }
    }

    async fn until(&self, enough: impl FnMut(&Heard) -> bool) {
        if self.heard.clone().wait_for(enough).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The exit code that the first signal asks for.
    pub fn exit(&self) -> Option<Exit> {
        self.heard.borrow().first
    }
}
