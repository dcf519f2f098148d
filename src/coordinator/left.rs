//! Refused rows that the dead-letter queue does not take either, where their input can be read again.
//!
//! The good rows beside and behind them are stored all the same. So that a later run comes back to the
//! refused ones, no mark of the ledger goes past the first of them in its hash slot; what was stored behind
//! it is written once more then, which changes nothing: rows are left only where that is so
//! ([`EngineSettings::idempotent`](crate::settings::EngineSettings::idempotent)).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::{Reason, Reject};
use crate::coordinator::lanes::SLOTS;

/// Refused rows that are in neither the store nor the dead-letter queue, and that their inputs still have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftRows {
    /// How many.
    pub rows: u64,
    /// The source of the first of them.
    pub source: Arc<str>,
    /// Its row number there.
    pub row: u64,
    /// Why it was refused.
    pub reason: Arc<Reason>,
}

/// One of them.
pub(super) struct LeftRow<'a> {
    /// Its hash slot; `None` where no key was made of it, so that it may be of any.
    pub slot: Option<u16>,
    pub ordinal: u64,
    pub source: &'a Arc<str>,
    pub row: u64,
    pub reason: &'a Arc<Reason>,
}

impl<'a> LeftRow<'a> {
    /// A row that failed before its key was known.
    pub fn of(reject: &'a Reject) -> Self {
        let Reject { origin, row, reason, .. } = reject;
        Self { slot: None, ordinal: origin.base + row, source: &origin.source, row: *row, reason }
    }
}

/// The rows left behind in a run.
#[derive(Debug)]
pub(super) struct LeftBehind {
    /// By slot the last ordinal that may be settled.
    ends: [AtomicU64; SLOTS],
    /// All of them, and the ordinal of the first.
    known: Mutex<Option<(u64, LeftRows)>>,
}

impl Default for LeftBehind {
    fn default() -> Self {
        Self { ends: std::array::from_fn(|_| AtomicU64::new(u64::MAX)), known: Mutex::new(None) }
    }
}

impl LeftBehind {
    /// Notes rows, before anything behind them is committed or let go of.
    pub fn add<'a>(&self, rows: impl Iterator<Item = LeftRow<'a>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for LeftRow { slot, ordinal, source, row, reason } in rows {
            let slots = slot.map_or(0..SLOTS, |slot| usize::from(slot)..usize::from(slot) + 1);
            for end in self.ends.get(slots).unwrap_or_default() {
                end.fetch_min(ordinal.saturating_sub(1), Ordering::Relaxed);
            }
            let count = known.as_ref().map_or(0, |(_, left)| left.rows) + 1;
            match &mut *known {
                Some((first, left)) if *first <= ordinal => left.rows = count,
                _ => {
                    let (source, reason) = (source.clone(), reason.clone());
                    *known = Some((ordinal, LeftRows { rows: count, source, row, reason }));
                }
            }
        }
    }

    /// The last ordinal of that slot that may be settled.
    pub fn end(&self, slot: u16) -> u64 {
        self.ends.get(usize::from(slot)).map_or(u64::MAX, |end| end.load(Ordering::Relaxed))
    }

    /// What is left so far.
    pub fn rows(&self) -> Option<LeftRows> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, left)| left.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_end_before_the_first_row_of_their_slot() {
        let (left, source, reason) = (LeftBehind::default(), "a".into(), Arc::new(Reason::new("x", "x")));
        let row = |slot, ordinal| LeftRow { slot, ordinal, source: &source, row: ordinal, reason: &reason };
        assert_eq!((left.end(3), left.rows()), (u64::MAX, None));
        left.add([row(Some(3), 9), row(Some(3), 7), row(Some(4), 8)].into_iter());
        assert_eq!((left.end(2), left.end(3), left.end(4)), (u64::MAX, 6, 7));
        left.add([row(None, 8)].into_iter());
        assert_eq!((left.end(2), left.end(3), left.end(4)), (7, 6, 7));
        let rows = left.rows().unwrap();
        assert_eq!((rows.rows, rows.row), (4, 7));
    }
}
