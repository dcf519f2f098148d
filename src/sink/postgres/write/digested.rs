//! What all sessions of a sink know of rows that the table has already: which rows of a batch these are, asked once
//! for all of the batch, whoever writes which part of it.
//!
//! What was seen of a batch may be older than what was written since: of a key that comes several times in the input
//! an earlier row may have changed the table behind it. So rows that were sent to be merged are remembered by their
//! identity, before they are sent, and a row of one of these is never passed over.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OnceCell, watch};

use super::digest::{WORTH, is_able};
use crate::batch::{Batch, Identity};
use crate::sink::postgres::connection::connect::Link;

/// Rows that are remembered; where more are sent it is not worth it.
const MOST_SENT: usize = 1 << 20;

/// Rows after which it is looked whether it was worth it.
const SOON: u64 = 1 << 18;

/// Batches that are kept in view: those on their way.
const BATCHES: usize = 64;

/// Of a batch the rows that the table has as they are, once that was asked; none of them where it could not be.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Whether somebody asks, or has asked.
    taken: AtomicBool,
    known: watch::Sender<Option<Arc<Vec<bool>>>>,
}

impl Seen {
    /// What is known, once the one who asks has been told.
    pub async fn known(&self) -> Arc<Vec<bool>> {
        let mut told = self.known.subscribe();
        let known = told.wait_for(Option::is_some).await.ok().and_then(|known| known.clone());
        known.unwrap_or_default()
    }

    /// To ask, where nobody else does.
    pub fn claim(self: &Arc<Self>) -> Option<Claim> {
        let taken = self.taken.swap(true, Ordering::AcqRel);
        (!taken).then(|| Claim(Arc::clone(self)))
    }
}

/// The task to ask about a batch. Who lets it go has learned nothing.
pub(super) struct Claim(Arc<Seen>);

impl Claim {
    /// Tells the others.
    pub fn tell(self, known: Vec<bool>) {
        self.0.known.send_replace(Some(Arc::new(known)));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.known.send_if_modified(|known| {
            let none = known.is_none();
            known.get_or_insert_default();
            none
        });
    }
}

/// See above.
#[derive(Debug)]
pub(in crate::sink::postgres) struct Digested {
    /// Where hashes begin, drawn by chance.
    pub seed: i64,
    off: AtomicBool,
    able: OnceCell<bool>,
    batches: Mutex<VecDeque<(Weak<Batch>, Arc<Seen>)>>,
    sent: Mutex<HashSet<Identity>>,
    asked: AtomicU64,
    known: AtomicU64,
}

impl Default for Digested {
    fn default() -> Self {
        Self {
            seed: RandomState::new().hash_one(0) as i64,
            off: AtomicBool::new(false),
            able: OnceCell::new(),
            batches: Mutex::default(),
            sent: Mutex::default(),
            asked: AtomicU64::new(0),
            known: AtomicU64::new(0),
        }
    }
}

impl Digested {
    /// Whether rows may be passed over. Once that is no longer so it never is again, since nobody remembers what was
    /// sent then.
    pub async fn is_on(&self, link: &Link) -> bool {
        !self.off.load(Ordering::Acquire) && *self.able.get_or_init(|| is_able(link)).await
    }

    /// What is known of that batch: to be asked by whoever comes first. None where it is too small to be asked about.
    pub(super) fn seen(&self, batch: &Arc<Batch>) -> Option<Arc<Seen>> {
        if batch.len() < WORTH {
            return None;
        }
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.retain(|(batch, _)| batch.strong_count() > 0);
        let weak = Arc::downgrade(batch);
        if let Some((_, seen)) = batches.iter().find(|(other, _)| other.ptr_eq(&weak)) {
            return Some(seen.clone());
        }
        let seen = Arc::<Seen>::default();
        batches.push_back((weak, seen.clone()));
        if batches.len() > BATCHES {
            batches.pop_front();
        }
        Some(seen)
    }

    /// What was seen may hold rows of a transaction that is undone: it is asked anew.
    pub fn forget(&self) {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// No row is passed over any more.
    pub fn give_up(&self) {
        self.off.store(true, Ordering::Release);
    }

    /// Counts rows that were asked for, and those of them that are known.
    pub fn count(&self, known: &[bool]) {
        let (rows, hits) = (known.len() as u64, known.iter().filter(|known| **known).count() as u64);
        let asked = self.asked.fetch_add(rows, Ordering::Relaxed) + rows;
        let known = self.known.fetch_add(hits, Ordering::Relaxed) + hits;
        if asked >= SOON && known * 4 < asked {
            self.give_up();
        }
    }

    /// Rows that are about to be merged: those behind them that have their key are to be merged as well.
    pub fn send(&self, rows: impl Iterator<Item = Identity>) {
        if self.off.load(Ordering::Acquire) {
            return;
        }
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.extend(rows);
        if sent.len() > MOST_SENT {
            self.give_up();
            *sent = HashSet::new();
        }
    }

    /// Those of the rows that were sent before.
    pub fn were_sent(&self, rows: impl Iterator<Item = Identity>) -> Vec<bool> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: who gives up forgets them.
        if self.off.load(Ordering::Acquire) {
            return rows.map(|_| true).collect();
        }
        if sent.is_empty() {
            return Vec::new();
        }
        rows.map(|row| sent.contains(&row)).collect()
    }
}
