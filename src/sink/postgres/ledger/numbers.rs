//! The server's own numbers of the last commits, for a run without a ledger: beyond the connection of each,
//! which may not outlive it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Commits of a worker that are kept: more than the engine has in the air.
const MOST: usize = 8;

/// The number that a server gave a transaction, and what tells that server from others later.
pub(in crate::sink::postgres) type Numbered = (u64, Arc<str>);

/// The last commits by worker, each with its serial.
#[derive(Debug, Default)]
pub(in crate::sink::postgres) struct Numbers(Mutex<HashMap<usize, VecDeque<(u64, Numbered)>>>);

impl Numbers {
    /// Takes note of a commit that is about to be made. Serials may be left out, by what never came to a commit.
    pub fn note(&self, worker: usize, serial: u64, numbered: Numbered) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = all.entry(worker).or_default();
        last.retain(|(known, _)| *known != serial);
        last.push_back((serial, numbered));
        if last.len() > MOST {
            last.pop_front();
        }
    }

    /// What is known of the commit of that serial.
    pub fn of(&self, worker: usize, serial: u64) -> Option<Numbered> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&worker)?.iter().find(|(known, _)| *known == serial).map(|(_, numbered)| numbered.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_kept_whichever_serials_come_to_a_commit() {
        let (numbers, server) = (Numbers::default(), Arc::<str>::from("s"));
        for serial in (0..1_000).filter(|serial| serial % 7 != 3) {
            numbers.note(0, serial, (serial + 50, server.clone()));
        }
        // The second try of a serial has a number of its own.
        numbers.note(0, 999, (5_000, server.clone()));
        numbers.note(1, 2, (7, server.clone()));
        let kept = |worker| (0..1_000).filter(|serial| numbers.of(worker, *serial).is_some()).count();
        assert_eq!((kept(0), kept(1)), (MOST, 1));
        assert_eq!(
            (numbers.of(0, 999), numbers.of(1, 2)),
            (Some((5_000, server.clone())), Some((7, server)))
        );
    }
}
