//! Rows that were taken from a pipe before the run could begin: they cannot be read again, so
//! they go to the dead-letter queue as they came.

use tokio::runtime::Handle;

use crate::batch::{Batch, Reject};
use crate::dlq::DlqWriter;
use crate::error::{Error, Result};
use crate::pipeline::BatchSink;
use crate::port::DeadLetters;

/// An outlet that leads to the dead-letter queue alone.
pub struct DeadLettersOnlySink<'a> {
    /// The queue.
    pub dead: &'a DlqWriter,
    /// The runtime.
    pub runtime: Handle,
    /// Rows so far.
    pub rows: u64,
}

impl BatchSink for DeadLettersOnlySink<'_> {
    fn rows(&mut self, _: Batch) -> Result<bool> {
        Ok(true)
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        self.rows += rejects.len() as u64;
        self.runtime.block_on(self.dead.bury(rejects)).map_err(|e| Error::internal(e.to_string()))?;
        Ok(true)
    }
}
