//! Rows that were refused for other rows, until they are tried once more.
//!
//! Under a second unique constraint, or a foreign key to the table itself, a row may be refused for
//! what a later one mends. Such rows wait, in the order of the input, until the others have been
//! written (or for a tail, until all that came so far has been), and only then are they dead. They
//! count as rows of the queue meanwhile, and no checkpoint goes past the first of them, so that a
//! resume reads it again, with all that came behind it: each of those has a key, by which writing it
//! again changes nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use crate::batch::{Batch, Dependence, Identity, Order, Pick, Reason};
use crate::coordinator::engine::Engine;
use crate::coordinator::lanes::Portion;
use crate::coordinator::write_transaction::{ByIdentity, Wins, WriteTransaction};
use crate::port::{DeadLetters, Sink};
use crate::settings::{EngineSettings, OnConflict};

/// Part of the queue's capacity that such rows may take.
const SHARE: usize = 4;

/// Whether a row was refused for other rows: a unique, a foreign key or an exclusion constraint.
pub(super) fn depends_on_others(reason: &Reason) -> bool {
    reason.dependence.is_some()
}

/// A row that waits.
#[derive(Debug)]
pub(super) struct Held {
    batch: Arc<Batch>,
    row: u32,
    row_bytes: usize,
    reason: Arc<Reason>,
}

impl Held {
    fn ordinal(&self) -> u64 {
        self.batch.ordinal(self.row as usize)
    }

    fn identity(&self) -> Identity {
        self.batch.identities[self.row as usize]
    }
}

/// The rows of a worker that wait, in the order of the input.
#[derive(Debug, Default)]
pub(super) struct Hold {
    rows: Vec<Held>,
    bytes: usize,
    /// Last ordinal of the first slot that has been written.
    pub reach: u64,
}

impl Hold {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Ordinal of the first.
    pub fn first(&self) -> Option<u64> {
        self.rows.iter().map(Held::ordinal).min()
    }

    /// How many rows more there is room for, of that size.
    pub fn room(&self, settings: &EngineSettings, flight: &WriteTransaction) -> usize {
        let bytes = (settings.capacity_bytes / SHARE).saturating_sub(self.bytes);
        let by_bytes = bytes / (flight.bytes / flight.rows.max(1)).max(1);
        (settings.capacity / SHARE).saturating_sub(self.rows.len()).min(by_bytes)
    }

    /// Takes over what a flight that is committed has held back. What it has stored replaces rows of the
    /// same keys that wait.
    pub fn keep<S: Sink, D: DeadLetters>(&mut self, engine: &Engine<S, D>, flight: &mut WriteTransaction) {
        self.reach = self.reach.max(flight.reach);
        if flight.order == Order::Again && !flight.last {
            // Those that are held are no longer among them.
            let unheld = flight.condemned.iter().filter(|(_, reason)| depends_on_others(reason)).count();
            engine.unheld.fetch_add(unheld as u64, Ordering::Relaxed);
        }
        if self.rows.is_empty() && flight.held.is_empty() {
            return;
        }
        let row_bytes = flight.bytes / flight.rows.max(1);
        if engine.settings.on_conflict == OnConflict::Update && !engine.settings.first_wins {
            self.overtake(flight);
        }
        let held = std::mem::take(&mut flight.held);
        held.iter().for_each(|(pick, _)| flight.account.take(pick.part));
        flight.rows -= held.len().min(flight.rows);
        flight.bytes = flight.bytes.saturating_sub(held.len() * row_bytes);
        for run in held.chunk_by(|a, b| a.0.part == b.0.part) {
            let Some((pick, _)) = run.first() else { continue };
            let whole = &flight.parts[pick.part as usize];
            let rows: Vec<u32> = run.iter().map(|(pick, _)| pick.row).collect();
            // A few rows of a batch are not to keep all of it in memory.
            let own = whole.only(&rows).ok().map(Arc::new);
            for (place, (pick, reason)) in run.iter().enumerate() {
                let (batch, row) = match &own {
                    Some(own) => (own.clone(), place as u32),
                    None => (whole.clone(), pick.row),
                };
                self.bytes += row_bytes;
                self.rows.push(Held { batch, row, row_bytes, reason: reason.clone() });
            }
        }
        self.rows.sort_by_key(Held::ordinal);
        engine.queue.hold(self.rows.len());
    }

    fn overtake(&mut self, flight: &mut WriteTransaction) {
        flight.compact();
        let parts = &flight.parts;
        let place = |pick: &Pick| {
            let (batch, row) = (&parts[pick.part as usize], pick.row as usize);
            (batch.identities[row], batch.ordinal(row))
        };
        let waiting = self.rows.iter().map(Held::identity);
        let waiting: HashSet<Identity> =
            waiting.chain(flight.held.iter().map(|(pick, _)| place(pick).0)).collect();
        let stored = flight.winners.iter().map(place).filter(|(identity, _)| waiting.contains(identity));
        let stored: HashMap<Identity, u64> = stored.collect();
        if stored.is_empty() {
            return;
        }
        let waits = |identity, ordinal| stored.get(&identity).is_none_or(|later| *later < ordinal);
        let before = flight.held.len();
        let mut held = std::mem::take(&mut flight.held);
        held.retain(|(pick, _)| {
            let (identity, ordinal) = place(pick);
            waits(identity, ordinal)
        });
        let (mut rows, mut bytes) = (0, 0);
        self.rows.retain(|row| {
            let waits = waits(row.identity(), row.ordinal());
            if !waits {
                rows += 1;
                bytes += row.row_bytes;
                flight.account.add(&row.batch.origin.open, 1);
            }
            waits
        });
        self.bytes = self.bytes.saturating_sub(bytes);
        flight.overtaken += (before - held.len() + rows) as u64;
        flight.held = held;
        // They leave the queue with the flight.
        flight.rows += rows;
        flight.bytes += bytes;
    }

    /// Whether all that wait lack a row to refer to, so that they may as well be written from the last
    /// one on: children often come before their parents.
    pub fn refer(&self) -> bool {
        let keys: HashSet<Identity> = self.rows.iter().map(Held::identity).collect();
        keys.len() == self.rows.len()
            && self.rows.iter().all(|row| row.reason.dependence == Some(Dependence::Reference))
    }

    /// Takes all that wait, in flights of one shape each, with the reasons for which they wait; the last
    /// first if so said.
    pub fn take(&mut self, serial: &mut u64, reversed: bool) -> Vec<(WriteTransaction, Vec<Arc<Reason>>)> {
        self.bytes = 0;
        let mut rows = std::mem::take(&mut self.rows);
        if reversed {
            rows.reverse();
        }
        let groups = rows.chunk_by(|a, b| Arc::ptr_eq(&a.batch, &b.batch) || a.batch.same_shape(&b.batch));
        groups
            .map(|group| {
                let portion = |run: &[Held]| {
                    let first = run.first()?;
                    Some(Portion {
                        batch: first.batch.clone(),
                        rows: run.iter().map(|held| held.row).collect(),
                        sequence: 0,
                        since: Instant::now(),
                        row_bytes: first.row_bytes,
                    })
                };
                let runs = group.chunk_by(|a, b| Arc::ptr_eq(&a.batch, &b.batch));
                *serial += 1;
                let portions = runs.filter_map(portion).collect();
                let mut flight =
                    WriteTransaction::new(portions, *serial, Wins::Last, &mut ByIdentity::default());
                flight.reach = self.reach;
                (flight, group.iter().map(|held| held.reason.clone()).collect())
            })
            .collect()
    }
}
