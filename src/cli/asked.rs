//! The signals that ask a command to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::exit::Exit;

/// Number of SIGHUP on every Unix.
const SIGHUP: i32 = 1;

/// Hears SIGINT and SIGTERM, and what means the same as the latter: SIGHUP, of a terminal that was closed,
/// and SIGQUIT. SIGHUP is left alone where it was ignored when the program began, as under `nohup`.
pub struct Askings {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    quit: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The exit code.
    pub exit: Exit,
    /// Whether it asks for more where another has come before. A terminal that closes says so to all that
    /// was begun in it, sometimes twice: nobody is impatient.
    pub insists: bool,
}

impl Askings {
    /// Listens from now on.
    ///
    /// # Errors
    /// Signals cannot be listened to.
    pub fn listen() -> std::io::Result<Self> {
        let listen = signal;
        let heeded = |number, kind| (!is_ignored(number)).then(|| listen(kind)).transpose();
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: heeded(SIGHUP, SignalKind::hangup())?,
            quit: listen(SignalKind::quit())?,
        })
    }

    /// The next one; `None` where no more can come.
    pub async fn next(&mut self) -> Option<Asked> {
        let (exit, insists) = tokio::select! {
            Some(()) = self.interrupt.recv() => (Exit::Interrupted, true),
            Some(()) = self.terminate.recv() => (Exit::Terminated, true),
            Some(()) = self.quit.recv() => (Exit::Terminated, true),
            Some(()) = of(&mut self.hangup) => (Exit::Terminated, false),
            else => return None,
        };
        Some(Asked { exit, insists })
    }
}

async fn of(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => None,
    }
}

/// Whether who started the program has that signal ignored, as far as the system tells (Linux does).
fn is_ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << (number - 1)) != 0)
}
