//! Which worker writes a row: a pure function of the row's identity.
//!
//! An identity falls into one of [`SLOTS`] hash slots, and a worker owns the slots that are
//! congruent to its number. So the same key always goes through the same worker, in order, two
//! workers never meet in a row of the store, and rows of one symbol still spread over all of
//! them. The slot, not the worker, is what a checkpoint is about: it holds for any number of
//! workers.

use std::sync::Arc;

use tokio::time::Instant;

use crate::batch::{Batch, Identity};

/// Number of hash slots. A power of two, and more than the workers of any sensible run.
pub const SLOTS: usize = 64;

/// The hash slot of an identity.
pub fn slot_of(identity: Identity) -> u16 {
    (identity as u64 % SLOTS as u64) as u16
}

/// The worker that owns a slot.
pub fn worker_of(slot: u16, workers: usize) -> usize {
    usize::from(slot) % workers
}

/// Some rows of a batch that one worker is to write, in the order of the input.
#[derive(Debug, Clone)]
pub struct Portion {
    /// The batch.
    pub batch: Arc<Batch>,
    /// Rows of it, ascending.
    pub rows: Vec<u32>,
    /// Order of submission.
    pub sequence: u64,
    /// When it was submitted.
    pub since: Instant,
    /// Bytes that one row of the batch stands for.
    pub row_bytes: usize,
}

impl Portion {
    /// Bytes that the portion stands for.
    pub fn bytes(&self) -> usize {
        self.rows.len() * self.row_bytes
    }

    /// Takes the first `count` rows off into a portion of their own.
    pub fn split_front(&mut self, count: usize) -> Self {
        let rest = self.rows.split_off(count.min(self.rows.len()));
        let front = std::mem::replace(&mut self.rows, rest);
        Self { rows: front, ..self.clone_empty() }
    }

    fn clone_empty(&self) -> Self {
        Self {
            batch: self.batch.clone(),
            rows: Vec::new(),
            sequence: self.sequence,
            since: self.since,
            row_bytes: self.row_bytes,
        }
    }
}

/// The portions of a batch by worker; workers without a row get an empty one.
pub fn deal(batch: Batch, workers: usize, sequence: u64) -> Vec<Portion> {
    let rows = batch.len();
    let row_bytes = batch.bytes().div_ceil(rows.max(1));
    let (batch, since) = (Arc::new(batch), Instant::now());
    if workers == 1 {
        return vec![Portion { rows: (0..rows as u32).collect(), batch, sequence, since, row_bytes }];
    }
    let room = rows / workers + rows / (workers * 4) + 8;
    let mut shares: Vec<Vec<u32>> = (0..workers).map(|_| Vec::with_capacity(room)).collect();
    for (row, identity) in batch.identities.iter().enumerate() {
        shares[worker_of(slot_of(*identity), workers)].push(row as u32);
    }
    let portion = |rows| Portion { batch: batch.clone(), rows, sequence, since, row_bytes };
    shares.into_iter().map(portion).collect()
}

/// Deals the rows of portions of one batch anew, when the number of workers has changed; each share keeps the order of the
/// batch.
pub fn deal_portions(portions: &[Portion], workers: usize) -> Vec<Portion> {
    let Some(first) = portions.first() else { return Vec::new() };
    let mut dealt: Vec<Portion> = (0..workers).map(|_| first.clone_empty()).collect();
    for row in portions.iter().flat_map(|portion| &portion.rows) {
        let slot = slot_of(first.batch.identities[*row as usize]);
        dealt[worker_of(slot, workers)].rows.push(*row);
    }
    dealt.iter_mut().for_each(|portion| portion.rows.sort_unstable());
    dealt
}
