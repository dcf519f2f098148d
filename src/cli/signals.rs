//! SIGINT and SIGTERM: the first drains, the second stops at once.
//!
//! They are listened to in one place, for the whole process and from early on, and what has come is
//! kept: whoever asks later, between two loads of a replay too, sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow, Signal as Masked};
use rustix::process::Signal;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::exit::Exit;
use crate::coordinator::Stopper;
use crate::error::{Error, Result};
use crate::source::Stop;

/// What this process has heard, once it listens.
static HEARD: Mutex<Option<watch::Receiver<Heard>>> = Mutex::new(None);

/// Whether this process holds rows that come only once, or has an engine: then a second signal is
/// for others to heed, and does not end it on the spot.
static HOLDS: AtomicBool = AtomicBool::new(false);

/// How long rows in hand wait for the store after the first signal; whoever sent it may well kill next.
const GRACE: Duration = Duration::from_secs(10);

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
    let unmasked = SigSet::from_iter([Masked::SIGINT, Masked::SIGTERM])
        .thread_swap_mask(SigmaskHow::SIG_BLOCK)
        .map_err(|e| failed(e.into()))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    // Who reaches the limit on the size of files (ulimit -f) is killed by default. With the
    // signal caught the write fails instead, and is waited for like one on a full disk.
    drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map_err(failed)?);
    unmasked.thread_set_mask().map_err(|e| failed(e.into()))?;
    drop(inside);
    let (tell, told) = watch::channel(Heard::default());
    let work = async move {
        loop {
            let exit = tokio::select! {
                Some(()) = interrupt.recv() => Exit::Interrupted,
                Some(()) = terminate.recv() => Exit::Terminated,
                else => return,
            };
            let before = *tell.borrow();
            match before.first {
                // The first one has not been heeded: something hangs.
                Some(first) if !HOLDS.load(Ordering::SeqCst) => std::process::exit(first as i32),
                Some(_) => tell.send_modify(|heard| heard.again = true),
                None => tell.send_modify(|heard| heard.first = Some(exit)),
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
            if this.heard.wait_for(|heard| heard.again).await.is_ok()
                && let Some(stopper) = this.stopper.get()
            {
                stopper.stop_now();
            }
        });
        Ok(signals)
    }

    /// From now on a second signal stops this engine.
    pub fn stops(&self, stopper: Stopper) {
        self.holds(true);
        let _ = self.stopper.set(stopper);
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
