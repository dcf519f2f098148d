//! Exit codes: the same for every command that writes.

use std::process::ExitCode;

use crate::error::Error;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All rows stored, and on disk.
    Stored = 0,
    /// A bug, or books that do not close.
    Internal = 1,
    /// Wrong flags, configuration, credentials or schema.
    Usage = 2,
    /// Finished; some rows are in the dead-letter queue.
    Rejects = 3,
    /// Stopped at `--max-rejects`.
    TooManyRejects = 4,
    /// The store was not available, and the run gave up.
    Unavailable = 5,
    /// An input is unreadable or corrupt.
    Input = 6,
    /// Interrupted (SIGINT), drained; can be run again.
    Interrupted = 130,
    /// Terminated (SIGTERM, SIGHUP, SIGQUIT), drained; can be run again.
    Terminated = 143,
}

impl Exit {
    /// As monitoring plugins have it, for `health` alone: 0, or one of 1 (warning), 2 (critical) and
    /// 3 (unknown).
    pub fn of_monitor(code: u8) -> Self {
        match code {
            0 => Self::Stored,
            1 => Self::Internal,
            2 => Self::Usage,
            _ => Self::Rejects,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        match error {
            Error::Usage(_) => Self::Usage,
            Error::Unavailable(_) => Self::Unavailable,
            Error::Input(_) => Self::Input,
            Error::Internal(_) => Self::Internal,
            Error::Interrupted(_, false) => Self::Interrupted,
            Error::Interrupted(_, true) => Self::Terminated,
        }
    }
}
