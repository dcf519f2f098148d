//! How far the reading has come.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::pipeline::scope::Scope;
use crate::source::Input;

/// Bytes of files that are hashed whole at their opening, at most.
const MOST_HASHED: u64 = 64 << 20;

/// Bytes read, for the progress display, and what has been seen in them; shared by all inputs of a run.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes consumed, as the inputs are stored: of a compressed one the compressed bytes.
    pub consumed: AtomicU64,
    /// Bytes that there are to consume; 0 where that is not known.
    pub total: AtomicU64,
    /// Bytes after decompression.
    pub decoded: AtomicU64,
    /// Bytes of files that were hashed whole at their opening.
    hashed: AtomicU64,
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

    /// Whether a file of so many bytes may be hashed at its opening: of all files together that takes but a
    /// moment.
    pub(super) fn may_hash(&self, bytes: u64) -> bool {
        let fits = |hashed: u64| hashed.checked_add(bytes).filter(|hashed| *hashed <= MOST_HASHED);
        self.hashed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    pub(super) fn consume(&self, bytes: u64) {
        self.consumed.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn decode(&self, bytes: u64) {
        self.decoded.fetch_add(bytes, Ordering::Relaxed);
    }
}
