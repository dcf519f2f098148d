//! The signals that ask a command to end.

use std::future::poll_fn;
use std::task::Poll;

use rustix::process::Signal as Known;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::exit::Exit;

/// What a signal asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The exit code.
    pub exit: Exit,
    /// Whether it asks for more where another has come before. A terminal that closes says so to all that
    /// was begun in it, sometimes twice, and a limit on time strikes again and again: nobody is impatient.
    pub insists: bool,
}

/// Whether somebody who starts programs may have a signal ignored for them, as `nohup` does.
type Deaf = bool;

/// Every signal that ends a process by default, apart from those that tell of a fault in it and from SIGKILL:
/// rows of a pipe that are on their way would be lost. Batch systems send SIGUSR1 and SIGUSR2 some time before
/// they kill, and limits on time SIGXCPU and the signals of timers: none of them is ignored, where who
/// started the program has not asked for that. SIGPIPE and SIGXFSZ are left out, since the write that they are
/// about fails.
const ASKING: &[(Known, Asked, Deaf)] = {
    const fn terminated(insists: bool) -> Asked {
        Asked { exit: Exit::Terminated, insists }
    }
    &[
        (Known::INT, Asked { exit: Exit::Interrupted, insists: true }, false),
        (Known::TERM, terminated(true), false),
        (Known::QUIT, terminated(true), false),
        (Known::HUP, terminated(false), true),
        (Known::USR1, terminated(true), true),
        (Known::USR2, terminated(true), true),
        (Known::ALARM, terminated(false), true),
        (Known::VTALARM, terminated(false), true),
        (Known::PROF, terminated(false), true),
        (Known::XCPU, terminated(false), true),
        #[cfg(target_os = "linux")]
        (Known::IO, terminated(false), true),
        #[cfg(target_os = "linux")]
        (Known::POWER, terminated(false), true),
        #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
        (Known::STKFLT, terminated(true), true),
    ]
};

/// The real-time signals that programs may have, which end a process as well: systemd in a container is
/// stopped by one.
const REAL_TIME: std::ops::Range<i32> = if cfg!(target_os = "linux") { 34..65 } else { 0..0 };

/// Hears those signals.
pub struct Askings(Vec<(Signal, Asked)>);

impl Askings {
    /// Listens from now on.
    ///
    /// # Errors
    /// Signals cannot be listened to.
    pub fn listen() -> std::io::Result<Self> {
        let ignored = ignored();
        let known = ASKING.iter().map(|(known, asked, deaf)| (known.as_raw(), *asked, *deaf));
        let real_time =
            REAL_TIME.map(|number| (number, Asked { exit: Exit::Terminated, insists: true }, true));
        let heeded =
            known.chain(real_time).filter(|(number, _, deaf)| !deaf || ignored & (1 << (number - 1)) == 0);
        let listen = |(number, asked, _)| Ok((signal(SignalKind::from_raw(number))?, asked));
        heeded.map(listen).collect::<std::io::Result<_>>().map(Self)
    }

    /// The next one; `None` where no more can come.
    pub async fn next(&mut self) -> Option<Asked> {
        poll_fn(|context| {
            let mut open = false;
            for (signal, asked) in &mut self.0 {
                match signal.poll_recv(context) {
                    Poll::Ready(Some(())) => return Poll::Ready(Some(*asked)),
                    Poll::Ready(None) => {}
                    Poll::Pending => open = true,
                }
            }
            if open { Poll::Pending } else { Poll::Ready(None) }
        })
        .await
    }
}

/// The signals that who started the program has ignored, a bit each, as far as the system tells (Linux does).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
