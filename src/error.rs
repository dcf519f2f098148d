//! Errors that end a command. Each says in one sentence what is wrong, where, and what to do.

mod left_out;
#[cfg(feature = "tls")]
mod tls;
mod words;

use std::error::Error as Cause;
use std::ops::Deref;
use std::sync::Arc;
use std::{fmt, io};

pub use left_out::left_out;
#[cfg(feature = "tls")]
pub use tls::of_tls;
pub use words::{of_json, plain, words};

/// What ended a command, by who can mend it. Its sentence is the whole message for the user; what the system
/// or a library said is its source, for a log and for programs.
///
/// ```
/// use std::error::Error as _;
/// use mdsctl::error::Error;
///
/// let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
/// let error = Error::input("bars.csv: permission denied").caused_by(refused);
/// assert!(matches!(error, Error::Input(_)));
/// assert_eq!(error.to_string(), "bars.csv: permission denied");
/// assert!(error.source().is_some());
/// ```
#[derive(Debug, Clone)]
pub enum Error {
    /// Wrong flags, a wrong configuration, a schema that does not fit, wrong credentials.
    Usage(Sentence),
    /// The store cannot be reached, or went away and did not come back in time.
    Unavailable(Sentence),
    /// The input cannot be read: missing, forbidden, corrupt, empty of rows that fit.
    Input(Sentence),
    /// A bug, or something about this machine that nothing above covers.
    Internal(Sentence),
    /// A signal ended it before it had come to its work; `true` where that was SIGTERM.
    Interrupted(Sentence, bool),
}

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is said of an error, and what it comes from.
#[derive(Clone)]
pub struct Sentence {
    text: String,
    source: Option<Arc<dyn Cause + Send + Sync>>,
}

/// Another error of the system like that one, to be kept as a cause.
pub fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl Error {
    /// An [`Error::Usage`].
    pub fn usage(sentence: impl Into<Sentence>) -> Self {
        Self::Usage(sentence.into())
    }

    /// An [`Error::Unavailable`].
    pub fn unavailable(sentence: impl Into<Sentence>) -> Self {
        Self::Unavailable(sentence.into())
    }

    /// An [`Error::Input`].
    pub fn input(sentence: impl Into<Sentence>) -> Self {
        Self::Input(sentence.into())
    }

    /// An [`Error::Internal`].
    pub fn internal(sentence: impl Into<Sentence>) -> Self {
        Self::Internal(sentence.into())
    }

    /// Keeps what it comes from as its source; its sentence stays.
    pub fn caused_by(mut self, cause: impl Cause + Send + Sync + 'static) -> Self {
        self.sentence_mut().source = Some(Arc::new(cause));
        self
    }

    /// Puts a prefix before its sentence, as in `bars.csv: …`, where there is one.
    pub fn at(mut self, place: &str) -> Self {
        if !place.is_empty() {
            self.sentence_mut().text.insert_str(0, &format!("{place}: "));
        }
        self
    }

    /// Puts more behind its sentence.
    pub fn and(mut self, more: &str) -> Self {
        self.sentence_mut().text.push_str(more);
        self
    }

    fn sentence(&self) -> &Sentence {
        match self {
            Self::Usage(sentence)
            | Self::Unavailable(sentence)
            | Self::Input(sentence)
            | Self::Internal(sentence)
            | Self::Interrupted(sentence, _) => sentence,
        }
    }

    fn sentence_mut(&mut self) -> &mut Sentence {
        match self {
            Self::Usage(sentence)
            | Self::Unavailable(sentence)
            | Self::Input(sentence)
            | Self::Internal(sentence)
            | Self::Interrupted(sentence, _) => sentence,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl Cause for Error {
    fn source(&self) -> Option<&(dyn Cause + 'static)> {
        self.sentence().source.as_deref().map(|cause| cause as _)
    }
}

impl Deref for Sentence {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Self { text, source: None }
    }
}

impl From<&str> for Sentence {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Sentence> for String {
    fn from(sentence: Sentence) -> Self {
        sentence.text
    }
}
