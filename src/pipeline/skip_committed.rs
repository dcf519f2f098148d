//! Passes over what an earlier run has settled.
//!
//! A row is settled where its ordinal is not above the checkpoint of its hash slot: the rows of a
//! slot are written in the order of the input, so what is settled of them is a beginning. This
//! holds whatever the number of workers and the size of batches were. Rows that could not be read
//! or mapped have no slot. They went to the dead-letter queue before the good rows of their own
//! batch and of later ones were submitted, so those up to the highest checkpoint are there.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;

use crate::batch::{Batch, Identity, Reject, Stage};
use crate::coordinator::{SLOTS, slot_of};
use crate::error::{Error, Result};
use crate::pipeline::BatchSink;
use crate::port::runs::Checkpoints;
use crate::port::{Event, Observer};

/// What is known of rows that may be settled already.
pub trait Settled: Send {
    /// No row behind that ordinal is.
    fn last(&self) -> u64;

    /// Whether a row of that ordinal and identity is.
    fn has_row(&self, ordinal: u64, identity: Identity) -> bool;

    /// Whether a row of that ordinal is that failed at that stage.
    fn has_reject(&self, ordinal: u64, stage: Stage) -> bool;
}

impl Settled for Checkpoints {
    fn last(&self) -> u64 {
        self.highest()
    }

    fn has_row(&self, ordinal: u64, identity: Identity) -> bool {
        ordinal <= self.of(slot_of(identity))
    }

    fn has_reject(&self, ordinal: u64, stage: Stage) -> bool {
        ordinal
            <= match stage {
                // Not mapped, so of unknown slot: settled where every slot is.
                Stage::Abort => self.lowest(SLOTS),
                Stage::Decode | Stage::Validate => self.highest(),
                Stage::Write | Stage::Overflow => 0,
            }
    }
}

/// An outlet that takes only what is not settled yet.
pub struct Resumed<O, S = Checkpoints> {
    outlet: O,
    settled: S,
    observer: Arc<dyn Observer>,
}

impl<O: BatchSink, S: Settled> Resumed<O, S> {
    /// Passes on what is not settled, and tells of what is.
    pub fn new(outlet: O, settled: S, observer: Arc<dyn Observer>) -> Self {
        Self { outlet, settled, observer }
    }

    fn skipped(&self, rows: usize) {
        if rows > 0 {
            self.observer.on(&Event::Skipped { rows: rows as u64 });
        }
    }
}

impl<O: BatchSink, S: Settled> BatchSink for Resumed<O, S> {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        if batch.rows.first().is_none_or(|_| batch.ordinal(0) > self.settled.last()) {
            return self.outlet.rows(batch);
        }
        let open: Vec<bool> = (0..batch.len())
            .map(|row| !self.settled.has_row(batch.ordinal(row), batch.identities[row]))
            .collect();
        let left = open.iter().filter(|open| **open).count();
        self.skipped(batch.len() - left);
        if left == 0 {
            return Ok(true);
        }
        if left == batch.len() {
            return self.outlet.rows(batch);
        }
        self.outlet.rows(keep(batch, open)?)
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        let Some(stage) = rejects.first().map(|reject| reject.stage) else { return Ok(true) };
        let before = rejects.len();
        let open = |reject: &Reject| !self.settled.has_reject(reject.origin.base + reject.row, stage);
        let left: Vec<Reject> = rejects.into_iter().filter(open).collect();
        self.skipped(before - left.len());
        if left.is_empty() { Ok(true) } else { self.outlet.rejects(left) }
    }

    fn settle(&mut self) -> bool {
        self.outlet.settle()
    }
}

/// The rows of a batch of which that is true.
pub(super) fn keep(batch: Batch, kept: Vec<bool>) -> Result<Batch> {
    let failed = |error| Error::internal(format!("rows cannot be taken apart: {error}"));
    let chosen = || kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(row, _)| row);
    let rows = chosen().map(|row| batch.rows[row]).collect();
    let identities = chosen().map(|row| batch.identities[row]).collect();
    let keep = BooleanArray::from(kept);
    let columns = filter_record_batch(&batch.columns, &keep).map_err(failed)?;
    let given = batch.given.map(|given| given.only(&keep)).transpose().map_err(failed)?;
    Ok(Batch { columns, rows, identities, origin: batch.origin, order: batch.order, given })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use arrow::array::{Int64Array, RecordBatch};

    use super::*;
    use crate::batch::{Order, Origin, Reason, RejectedData};
    use crate::port::runs::base_of;

    #[derive(Default)]
    struct Taken {
        rows: Vec<u64>,
        rejects: Vec<u64>,
    }

    impl BatchSink for Taken {
        fn rows(&mut self, batch: Batch) -> Result<bool> {
            assert_eq!(batch.columns.num_rows(), batch.len());
            assert_eq!(batch.identities.len(), batch.len());
            self.rows.extend((0..batch.len()).map(|row| batch.ordinal(row)));
            Ok(true)
        }

        fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
            self.rejects.extend(rejects.iter().map(|r| r.origin.base + r.row));
            Ok(true)
        }
    }

    #[derive(Default)]
    struct Count(AtomicU64);

    impl Observer for Count {
        fn on(&self, event: &Event<'_>) {
            if let Event::Skipped { rows } = event {
                self.0.fetch_add(*rows, Ordering::Relaxed);
            }
        }
    }

    fn origin(input: usize) -> Arc<Origin> {
        Arc::new(Origin { base: base_of(input), ..Origin::new("x") })
    }

    /// A row for each identity.
    fn batch(input: usize, first: u64, identities: &[u128]) -> Batch {
        let values: Int64Array = (0..identities.len() as i64).collect();
        Batch {
            columns: RecordBatch::try_from_iter([("x", Arc::new(values) as _)]).unwrap(),
            rows: (first..first + identities.len() as u64).collect(),
            identities: identities.to_vec(),
            origin: origin(input),
            order: Order::Any,
            given: None,
        }
    }

    fn reject(stage: Stage, input: usize, row: u64) -> Reject {
        let reason = Arc::new(Reason::new("x", "x"));
        let (origin, remains) = (origin(input), RejectedData::Raw(vec![]));
        Reject { stage, reason, origin, row, remains, reading: None, attempts: 1 }
    }

    #[test]
    fn each_slot_goes_on_behind_its_own_checkpoint() {
        let (mut taken, count) = (Taken::default(), Arc::new(Count::default()));
        let checkpoints = Checkpoints::new([(0, 4), (1, base_of(1) + 2)]);
        let mut outlet = Resumed::new(&mut taken, checkpoints, count.clone());
        // Slots 0, 1, 2 in turn.
        assert!(outlet.rows(batch(0, 1, &[0, 1, 2, 64, 65, 66, 128])).unwrap());
        assert!(outlet.rows(batch(1, 1, &[1, 1, 1, 0])).unwrap());
        assert!(outlet.rows(batch(1, 5, &[1, 2])).unwrap());
        assert!(outlet.rows(batch(0, 8, &[1, 1])).unwrap());
        let one = base_of(1);
        assert_eq!(taken.rows, [3, 6, 7, one + 3, one + 4, one + 5, one + 6]);
        assert_eq!(count.0.load(Ordering::Relaxed), 4 + 2 + 2);
    }

    #[test]
    fn rejects_up_to_the_highest_checkpoint_are_buried_already() {
        let (mut taken, count) = (Taken::default(), Arc::new(Count::default()));
        let mut outlet = Resumed::new(&mut taken, Checkpoints::new([(0, 4), (1, 9)]), count.clone());
        for stage in [Stage::Decode, Stage::Validate] {
            let rejects = (8..=11).map(|row| reject(stage, 0, row)).collect();
            assert!(outlet.rejects(rejects).unwrap());
        }
        // Of a row that is only read out of its pipe nobody knows the slot.
        assert!(outlet.rejects(vec![reject(Stage::Abort, 0, 2)]).unwrap());
        assert_eq!(taken.rejects, [10, 11, 10, 11, 2]);
        assert_eq!(count.0.load(Ordering::Relaxed), 4);
    }
}
