//! How far the reading has come.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::source::Input;
use crate::source::scope::Scope;

/// Bytes read, for the progress display, and what has been seen in them; shared by all inputs of a run.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes consumed, as the inputs are stored: of a compressed one the compressed bytes.
    pub consumed: AtomicU64,
    /// Bytes that there are to consume; 0 where that is not known.
    pub total: AtomicU64,
    /// Bytes after decompression.
    pub decoded: AtomicU64,
    /// What the rows are about.
    pub scope: Scope,
}

impl Meter {
    /// A meter for these inputs. Its total is known where the size of each of them is.
    pub fn new(inputs: &[Input]) -> Self {
        let total: Option<u64> = inputs.iter().map(|i| i.bytes).sum();
        Self { total: AtomicU64::new(total.unwrap_or(0)), ..Self::default() }
    }

    /// That input will not be read.
    pub(super) fn leave_out(&self, input: &Input) {
        let less = |total: u64| Some(total.saturating_sub(input.bytes.unwrap_or(0)));
        // Never refused.
        let _ = self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(super) fn consume(&self, bytes: u64) {
        self.consumed.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn decode(&self, bytes: u64) {
        self.decoded.fetch_add(bytes, Ordering::Relaxed);
    }
}
