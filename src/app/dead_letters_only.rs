//! Rows that were taken from a pipe before the run could begin: they cannot be read again, so
//! they go to the dead-letter queue as they came, and are counted like those of a run.

use std::error::Error as Cause;
use std::fmt;

use tokio::runtime::Handle;

use crate::batch::{Batch, Reject};
use crate::dlq::DlqWriter;
use crate::error::{Error, Result};
use crate::pipeline::BatchSink;
use crate::port::DeadLetters;
use crate::telemetry::result::DlqResult;
use crate::telemetry::snapshot::Books;

/// An outlet that leads to the dead-letter queue alone.
pub struct DeadLettersOnlySink<'a> {
    /// The queue.
    pub dead: &'a DlqWriter,
    /// The runtime.
    pub runtime: Handle,
    /// What became of the rows so far.
    pub books: Books,
}

impl BatchSink for DeadLettersOnlySink<'_> {
    fn rows(&mut self, _: Batch) -> Result<bool> {
        Ok(true)
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        let rows = rejects.len() as u64;
        self.books.read += rows;
        self.runtime.block_on(self.dead.bury(rejects)).map_err(|e| Error::internal(e.to_string()))?;
        self.books.rejected += rows;
        Ok(true)
    }
}

/// Rows of a pipe that were read when its run could not begin: the source of the error that says so.
#[derive(Debug, Clone)]
pub struct Salvaged {
    /// What became of them.
    pub books: Books,
    /// Where they are.
    pub dlq: DlqResult,
    /// Why the run could not begin.
    pub error: Error,
}

impl Salvaged {
    /// Rows that the queue did not take.
    pub fn lost(&self) -> u64 {
        self.books.read.saturating_sub(self.books.settled())
    }
}

impl fmt::Display for Salvaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)
    }
}

impl Cause for Salvaged {
    fn source(&self) -> Option<&(dyn Cause + 'static)> {
        self.error.source()
    }
}
