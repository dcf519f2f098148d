//! Errors that end a command. Each says in one sentence what is wrong, where, and what to do.

mod words;

pub use words::{of_json, of_tls, plain, words};

/// What ended a command, by who can mend it. The text is the whole message for the user.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Wrong flags, a wrong configuration, a schema that does not fit, wrong credentials.
    #[error("{0}")]
    Usage(String),
    /// The store cannot be reached, or went away and did not come back in time.
    #[error("{0}")]
    Unavailable(String),
    /// The input cannot be read: missing, forbidden, corrupt, empty of rows that fit.
    #[error("{0}")]
    Input(String),
    /// A bug, or something about this machine that nothing above covers.
    #[error("{0}")]
    Internal(String),
    /// A signal ended it before it had come to its work; `true` where that was SIGTERM.
    #[error("{0}")]
    Interrupted(String, bool),
}

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The same error with a prefix before its message, as in `bars.csv: …`, where there is one.
    pub fn at(self, place: &str) -> Self {
        if place.is_empty() {
            return self;
        }
        self.map(|message| format!("{place}: {message}"))
    }

    /// The same error with more behind its message.
    pub fn and(self, more: &str) -> Self {
        self.map(|message| message + more)
    }

    fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Usage(m) => Self::Usage(change(m)),
            Self::Unavailable(m) => Self::Unavailable(change(m)),
            Self::Input(m) => Self::Input(change(m)),
            Self::Internal(m) => Self::Internal(change(m)),
            Self::Interrupted(m, terminated) => Self::Interrupted(change(m), terminated),
        }
    }
}
