//! SIGINT and SIGTERM of a command that has nothing to drain: it looks now and then, and ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::exit::Exit;
use crate::error::{Error, Result};

/// Whether one has come.
pub struct Ending {
    signal: Arc<AtomicU8>,
    /// Its thread waits for signals.
    _runtime: Runtime,
}

impl Ending {
    /// Listens from now on. The second signal ends the process at once, as if nobody listened.
    pub fn listen() -> Result<Self> {
        Self::new(true)
    }

    /// Only notes the first one, beside others that heed them.
    pub fn note() -> Result<Self> {
        Self::new(false)
    }

    fn new(insists: bool) -> Result<Self> {
        let failed = |e| Error::Internal(format!("signals cannot be listened to: {e}"));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_io().build().map_err(failed)?;
        let guard = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        drop(guard);
        let seen = Arc::new(AtomicU8::new(0));
        let to = seen.clone();
        runtime.spawn(async move {
            loop {
                let exit = tokio::select! {
                    Some(()) = interrupt.recv() => Exit::Interrupted,
                    Some(()) = terminate.recv() => Exit::Terminated,
                    else => return,
                };
                if to.swap(exit as u8, Ordering::SeqCst) != 0 && insists {
                    // The first one has not been heeded: a read or a write hangs.
                    std::process::exit(exit as i32);
                }
            }
        });
        Ok(Self { signal: seen, _runtime: runtime })
    }

    /// How to end, if it is time to.
    pub fn exit(&self) -> Option<Exit> {
        match self.signal.load(Ordering::SeqCst) {
            0 => None,
            code if code == Exit::Terminated as u8 => Some(Exit::Terminated),
            _ => Some(Exit::Interrupted),
        }
    }
}
