//! SIGINT and SIGTERM: the first drains, the second stops at once.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::exit::Exit;
use crate::coordinator::Stopper;
use crate::error::{Error, Result};
use crate::source::Stop;

/// Number of SIGINT on every Unix.
const SIGINT: i32 = 2;

/// What signals have come.
#[derive(Clone)]
pub struct Signals {
    first: Arc<AtomicI32>,
    stopper: Arc<OnceLock<Stopper>>,
}

impl Signals {
    /// Listens from now on. `stop` ends the reading at the first signal.
    pub fn listen(stop: &Stop) -> Result<Self> {
        let signals = Self { first: Arc::new(AtomicI32::new(0)), stopper: Arc::default() };
        let failed = |e| Error::Internal(format!("signals cannot be listened to: {e}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        // Who reaches the limit on the size of files (ulimit -f) is killed by default. With the
        // signal caught the write fails instead, and is waited for like one on a full disk.
        drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map_err(failed)?);
        let (stop, this) = (stop.clone(), signals.clone());
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    Some(()) = interrupt.recv() => SIGINT,
                    Some(()) = terminate.recv() => 15,
                    else => return,
                };
                if this.first.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                    tracing::warn!("stopping: what was read is being written (once more to stop at once)");
                    stop.set();
                } else if let Some(stopper) = this.stopper.get() {
                    stopper.stop_now();
                }
            }
        });
        Ok(signals)
    }

    /// From now on a second signal stops this engine.
    pub fn stops(&self, stopper: Stopper) {
        let _ = self.stopper.set(stopper);
    }

    /// The exit code that the first signal asks for.
    pub fn exit(&self) -> Option<Exit> {
        match self.first.load(Ordering::SeqCst) {
            0 => None,
            SIGINT => Some(Exit::Interrupted),
            _ => Some(Exit::Terminated),
        }
    }
}
