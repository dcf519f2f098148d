//! Rows that were mapped for a table as it was, fitted to what it has become.

use std::sync::Arc;

use crate::batch::{Batch, Pick, Reason, Rows};
use crate::dataset::live::{LiveTarget, Refitted};
use crate::port::{SinkError, Written};

/// Batches whose fitting is kept: the pieces of a write that is split share them.
const MOST_KEPT: usize = 64;

/// Fits rows, and keeps what was made of their batches.
#[derive(Debug, Default)]
pub struct Refits {
    version: u64,
    made: Vec<(Arc<Batch>, Refitted)>,
}

/// Rows in batches that were made anew.
#[derive(Debug)]
pub struct Fitted {
    parts: Vec<Arc<Batch>>,
    picks: Vec<Pick>,
    /// Of each pick its position in the rows that were given.
    places: Vec<usize>,
    /// Rows that have no place in the table as it is now, by position in those given.
    refused: Vec<(usize, Arc<Reason>)>,
}

impl Refits {
    /// The rows for the table as it is in that version; nothing where they are for it as they are.
    ///
    /// # Errors
    /// A reason that holds for every row of a batch.
    pub fn fit(&mut self, live: &LiveTarget, rows: Rows<'_>, version: u64) -> Result<Option<Fitted>, Reason> {
        if version == 0 {
            return Ok(None);
        }
        if self.version != version || self.made.len() > MOST_KEPT {
            self.made.clear();
            self.version = version;
        }
        let mut fitted: Vec<Option<Refitted>> = Vec::with_capacity(rows.parts.len());
        for part in rows.parts {
            fitted.push(match self.made.iter().find(|(known, _)| Arc::ptr_eq(known, part)) {
                Some((_, made)) => Some(made.clone()),
                None => {
                    live.refit(part, version)?.inspect(|made| self.made.push((part.clone(), made.clone())))
                }
            });
        }
        if fitted.iter().all(Option::is_none) {
            return Ok(None);
        }
        let parts = rows.parts.iter().zip(&fitted);
        let mut made = Fitted {
            parts: parts.map(|(part, fitted)| fitted.as_ref().map_or(part, |f| &f.batch).clone()).collect(),
            picks: Vec::with_capacity(rows.len()),
            places: Vec::with_capacity(rows.len()),
            refused: Vec::new(),
        };
        for (position, pick) in rows.picks.iter().enumerate() {
            let fitted = fitted.get(pick.part as usize).and_then(Option::as_ref);
            match fitted.and_then(|fitted| fitted.reason(pick.row as usize)) {
                Some(reason) => made.refused.push((position, reason.clone())),
                None => {
                    made.picks.push(*pick);
                    made.places.push(position);
                }
            }
        }
        Ok(Some(made))
    }
}

impl Fitted {
    /// The rows to write.
    pub fn rows(&self) -> Rows<'_> {
        Rows { parts: &self.parts, picks: &self.picks }
    }

    /// What became of the rows given, from what became of these.
    pub fn told(&self, done: Result<Written, SinkError>) -> Result<Written, SinkError> {
        match done {
            Ok(mut written) => {
                let place = |(at, reason): (usize, Arc<Reason>)| Some((*self.places.get(at)?, reason));
                let refused = std::mem::take(&mut written.refused).into_iter().filter_map(place);
                written.refused = refused.chain(self.refused.iter().cloned()).collect();
                written.refused.sort_unstable_by_key(|(position, _)| *position);
                Ok(written)
            }
            Err(SinkError::Data { reason, suspects }) => {
                let suspects = suspects.iter().filter_map(|at| self.places.get(*at).copied()).collect();
                Err(SinkError::Data { reason, suspects })
            }
            Err(other) => Err(other),
        }
    }
}
