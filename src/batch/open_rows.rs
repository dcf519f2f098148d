//! The acknowledgement token of an origin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the rows of an [`Origin`](super::Origin) that are neither in the store nor in the dead letters.
///
/// A row is open from the moment in which the engine takes it. What is stored for good, or is on disk in the dead
/// letters, is acknowledged; what is let go of otherwise stays open for ever, so that a source never takes a place
/// behind it for settled. A source asks once it has handed on all rows of the origin. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct OpenRows(Arc<AtomicU64>);

impl OpenRows {
    /// So many more are on their way, or are let go of before they are.
    pub(crate) fn open(&self, rows: u64) {
        self.0.fetch_add(rows, Ordering::Relaxed);
    }

    /// So many of them are stored, or in the dead letters.
    pub(crate) fn acknowledge(&self, rows: u64) {
        self.0.fetch_sub(rows, Ordering::Release);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
