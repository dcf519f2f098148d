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

use crate::batch::{Batch, Reject, Stage};
use crate::coordinator::{SLOTS, slot_of};
use crate::error::{Error, Result};
use crate::pipeline::BatchSink;
use crate::port::runs::Checkpoints;
use crate::port::{Event, Observer};

/// An outlet that takes only what is not settled yet.
pub struct Resumed<O> {
    outlet: O,
    checkpoints: Checkpoints,
    observer: Arc<dyn Observer>,
}

impl<O: BatchSink> Resumed<O> {
    /// Passes on what those checkpoints do not cover, and tells of what they do.
    pub fn new(outlet: O, checkpoints: Checkpoints, observer: Arc<dyn Observer>) -> Self {
        Self { outlet, checkpoints, observer }
    }

    fn skipped(&self, rows: usize) {
        if rows > 0 {
            self.observer.on(&Event::Skipped { rows: rows as u64 });
        }
    }
}

impl<O: BatchSink> BatchSink for Resumed<O> {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        if batch.rows.first().is_none_or(|_| batch.ordinal(0) > self.checkpoints.highest()) {
            return self.outlet.rows(batch);
        }
        let open: Vec<bool> = (0..batch.len())
            .map(|row| batch.ordinal(row) > self.checkpoints.of(slot_of(batch.identities[row])))
            .collect();
        let left = open.iter().filter(|open| **open).count();
        self.skipped(batch.len() - left);
        if left == 0 {
            return Ok(true);
        }
        if left == batch.len() {
            return self.outlet.rows(batch);
        }
        let columns = filter_record_batch(&batch.columns, &BooleanArray::from(open.clone()))
            .map_err(|error| Error::internal(format!("rows cannot be taken apart: {error}")))?;
        let chosen = || open.iter().enumerate().filter(|(_, open)| **open).map(|(row, _)| row);
        let rows = chosen().map(|row| batch.rows[row]).collect();
        let identities = chosen().map(|row| batch.identities[row]).collect();
        let keep = BooleanArray::from(open.clone());
        let given = batch.given.map(|given| given.only(&keep)).transpose();
        let given = given.map_err(|error| Error::internal(format!("rows cannot be taken apart: {error}")))?;
        self.outlet.rows(Batch { columns, rows, identities, origin: batch.origin, order: batch.order, given })
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        let settled = match rejects.first().map(|reject| reject.stage) {
            None => return Ok(true),
            // Not mapped, so of unknown slot: settled where every slot is.
            Some(Stage::Abort) => self.checkpoints.lowest(SLOTS),
            Some(Stage::Decode | Stage::Validate) => self.checkpoints.highest(),
            Some(Stage::Write | Stage::Overflow) => 0,
        };
        let before = rejects.len();
        let left: Vec<Reject> =
            rejects.into_iter().filter(|reject| reject.origin.base + reject.row > settled).collect();
        self.skipped(before - left.len());
        if left.is_empty() { Ok(true) } else { self.outlet.rejects(left) }
    }

    fn settle(&mut self) -> bool {
        self.outlet.settle()
    }
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

    impl BatchSink for &mut Taken {
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
