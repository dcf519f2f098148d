//! Where dead letters are written to. Each kind is a file beside this one.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::file::{Appended, QueueFile};
use crate::error::words;
use crate::port::DeadLetterError;
use crate::text::flags::DLQ;

/// What dead letters are written to, by one thread.
pub(super) trait Destination: Send + fmt::Debug {
    /// Adds lines, each with its newline, and returns when they are there for good: the rows in them count as
    /// buried from then on. Where it fails they are written again: what of them is there is taken back first.
    fn append(&mut self, lines: &[u8]) -> Result<Appended, DeadLetterError>;
}

/// What to say where a destination, as it is shown, cannot be written, and why.
pub(super) fn unwritable(place: impl fmt::Display, why: impl fmt::Display) -> DeadLetterError {
    DeadLetterError(format!(
        "the dead-letter queue {place} cannot be written: {why}; mend that, or give the queue another place (a load: {DLQ} PATH)"
    ))
}

/// A file of NDJSON.
#[derive(Debug)]
pub(super) struct FileDestination {
    file: QueueFile,
    path: PathBuf,
}

impl FileDestination {
    /// The file at that path, which is set aside before it grows beyond `most` bytes.
    pub(super) fn new(path: PathBuf, most: Option<u64>) -> Self {
        Self { file: QueueFile::new(path.clone()).at_most(most), path }
    }
}

impl Destination for FileDestination {
    fn append(&mut self, lines: &[u8]) -> Result<Appended, DeadLetterError> {
        self.file.append(lines).map_err(|error| sentence(&self.path.display(), &error))
    }
}

fn sentence(path: &dyn fmt::Display, error: &io::Error) -> DeadLetterError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => DeadLetterError(format!(
            "the disk that holds the dead-letter queue {path} is full; free some space, or give the queue another place (a load: {DLQ} PATH)"
        )),
        ErrorKind::FileTooLarge => DeadLetterError(format!(
            "the dead-letter queue {path} has grown to the largest file that this process may write (ulimit -f); raise that limit, or move the file away"
        )),
        _ => unwritable(path, words(error)),
    }
}
