//! Finding the rows that the store refuses, inside the open transaction.
//!
//! A piece that is refused is split and its parts are tried again under savepoints: at the row
//! that the store points at, where it points at one, otherwise in the middle. The number of
//! writes is O(bad rows x log(batch)).
//!
//! An error that may be everybody's condemns a row only where another goes through, or where the same
//! statements go through without rows. Rows from all over the flight are tried first then, so that an
//! error of all rows is told after a few.
//!
//! A row that takes longer than the store allows is tried once more after the others, and is condemned where
//! some of them went through and the store answers: a store that is slow is waited for.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use crate::batch::{Order, Reason};
use crate::coordinator::engine::Engine;
use crate::coordinator::worker::{Refused, StepError};
use crate::coordinator::write_transaction::WriteTransaction;
use crate::port::{DeadLetters, Session, Sink, TransientKind, WriteMode, Written};

/// Rows that are tried alone first where an error may be everybody's.
const SAMPLE: usize = 16;

/// Rows in a row that fail alike, with none that goes through, after which they are not to blame.
const MOST_SUSPECTS: usize = 64;

/// Rows that took too long alone before any went through, after which the store is slow.
const MOST_SLOW_AT_FIRST: usize = 3;

/// Rows that took too long alone while others went through, after which the store is slow, unless many others do.
const MOST_SLOW: usize = 16;

/// How many are to go through beside each of more slow ones.
const ROWS_BESIDE_A_SLOW_ONE: usize = 8;

/// What is known of an error that may be everybody's.
#[derive(Default)]
struct Doubt {
    /// Rows that went through.
    rows: usize,
    /// Rows that took too long alone.
    slow: Vec<(usize, Reason)>,
    /// Those of them that are being tried once more.
    slow_again: HashSet<usize>,
    /// Those that took too long once more.
    too_slow: Vec<(usize, Reason)>,
    /// Whether one did not.
    recovered: bool,
    /// Whether a row went through.
    passed: bool,
    /// Whether rows from all over the flight were tried.
    sampled: bool,
    /// Rows that failed alone before any went through.
    suspects: Vec<(usize, Arc<Reason>)>,
}

/// Writes the pieces, splitting those that are refused, until only condemned rows are left out.
/// The pieces are places in `flight.winners`.
pub(super) async fn isolate<S: Sink, D: DeadLetters>(
    engine: &Engine<S, D>,
    session: &mut S::Session,
    flight: &mut WriteTransaction,
    pieces: Vec<Range<usize>>,
) -> Result<Written, StepError> {
    let mut pieces = pieces;
    let mut written = Written::default();
    let mut doubt = Doubt::default();
    pieces.reverse();
    loop {
        while let Some(piece) = pieces.pop() {
            if piece.is_empty() {
                continue;
            }
            let rows = flight.to_write().with(&flight.winners[piece.clone()]);
            let (reason, suspects) = match engine.step(session.write(rows, WriteMode::Savepoint)).await {
                Ok(done) => {
                    doubt.passed |= done.refused.len() < piece.len();
                    doubt.rows += piece.len() - done.refused.len();
                    doubt.recovered |= piece.len() == 1 && doubt.slow_again.remove(&piece.start);
                    written.add(&done);
                    for (at, reason) in done.refused {
                        let place = piece.start + at;
                        doubt.slow_again.remove(&place);
                        if flight.reject(place, reason) {
                            pieces.push(place..place + 1);
                        }
                    }
                    continue;
                }
                Err(error) => match engine.again(flight, error.refused()?)? {
                    Refused::Data(reason, suspects) => (reason, suspects),
                    Refused::Doubtful { reason, passing: Some(TransientKind::Timeout) }
                        if piece.len() == 1 =>
                    {
                        // Where the order counts it cannot be tried after others, but at once.
                        let ordered = flight.order != Order::Any;
                        if ordered && doubt.passed && doubt.slow_again.insert(piece.start) {
                            pieces.push(piece);
                            continue;
                        }
                        let again = doubt.slow_again.remove(&piece.start) || ordered;
                        let most = match doubt.passed {
                            true => MOST_SLOW.max(doubt.rows / ROWS_BESIDE_A_SLOW_ONE),
                            false => MOST_SLOW_AT_FIRST,
                        };
                        let so_far = if again && ordered { doubt.too_slow.len() } else { doubt.slow.len() };
                        if again && !doubt.passed || (ordered || !again) && so_far >= most {
                            return Err(StepError::slow(reason));
                        }
                        match again {
                            true => doubt.too_slow.push((piece.start, reason)),
                            false => doubt.slow.push((piece.start, reason)),
                        }
                        continue;
                    }
                    Refused::Doubtful { reason, .. } if doubt.passed => (reason, Box::default()),
                    Refused::Doubtful { reason, .. } if piece.len() == 1 => {
                        doubt.suspects.push((piece.start, Arc::new(reason)));
                        if doubt.suspects.len() >= MOST_SUSPECTS {
                            blame(engine, session, flight, &doubt, true).await?;
                        }
                        continue;
                    }
                    Refused::Doubtful { reason, .. } => {
                        if !doubt.sampled && flight.order == Order::Any && piece.len() > SAMPLE {
                            doubt.sampled = true;
                            sample(&mut pieces, piece);
                            continue;
                        }
                        (reason, Box::default())
                    }
                },
            };
            if piece.len() == 1 {
                // An older row that takes the place was not slow yet.
                doubt.slow_again.remove(&piece.start);
                if flight.reject(piece.start, Arc::new(reason)) {
                    pieces.push(piece);
                }
                continue;
            }
            match suspects[..] {
                [at] if at < piece.len() => {
                    let place = piece.start + at;
                    pieces.push(place + 1..piece.end);
                    pieces.push(place..place + 1);
                    pieces.push(piece.start..place);
                }
                _ => {
                    let middle = piece.start + piece.len() / 2;
                    pieces.push(middle..piece.end);
                    pieces.push(piece.start..middle);
                }
            }
        }
        for (place, reason) in std::mem::take(&mut doubt.slow) {
            if !doubt.passed {
                return Err(StepError::slow(reason));
            }
            doubt.slow_again.insert(place);
            pieces.push(place..place + 1);
        }
        if !pieces.is_empty() {
            continue;
        }
        if let Some((place, reason)) = doubt.too_slow.last() {
            // What went through the second time shows that it is the store.
            if doubt.recovered {
                return Err(StepError::slow(reason.clone()));
            }
            // And that it is asked for with no rows, that it answers.
            let rows = flight.to_write().with(&flight.winners[*place..place + 1]);
            engine.step(session.rehearse(rows, reason, false)).await?;
        }
        for (place, reason) in doubt.too_slow.drain(..) {
            if flight.reject(place, Arc::new(reason)) {
                pieces.push(place..place + 1);
            }
        }
        if !pieces.is_empty() {
            continue;
        }
        if doubt.suspects.is_empty() {
            return Ok(written);
        }
        if !doubt.passed {
            blame(engine, session, flight, &doubt, false).await?;
        }
        for (place, reason) in doubt.suspects.drain(..) {
            if flight.reject(place, reason) {
                pieces.push(place..place + 1);
            }
        }
    }
}

/// Returns where the rows are to blame, though none went through.
async fn blame<S: Sink, D: DeadLetters>(
    engine: &Engine<S, D>,
    session: &mut S::Session,
    flight: &WriteTransaction,
    doubt: &Doubt,
    certain: bool,
) -> Result<(), StepError> {
    let Some((place, reason)) = doubt.suspects.last() else { return Ok(()) };
    let rows = flight.to_write().with(&flight.winners[*place..place + 1]);
    let reason: &Reason = reason;
    engine.step(session.rehearse(rows, reason, certain)).await
}

/// Has rows from all over the piece tried alone, before what lies between them.
fn sample(pieces: &mut Vec<Range<usize>>, piece: Range<usize>) {
    let place = |number: usize| piece.start + number * (piece.len() - 1) / (SAMPLE - 1);
    for number in (0..SAMPLE - 1).rev() {
        pieces.push(place(number) + 1..place(number + 1));
    }
    pieces.extend((0..SAMPLE).map(|number| place(number)..place(number) + 1));
}

/// Condemns the rows that a write of all winners left out. Returns the places that an earlier row
/// of the same identity has taken, still to be written.
pub(super) fn settle_refused(flight: &mut WriteTransaction, done: &Written) -> Vec<Range<usize>> {
    done.refused
        .iter()
        .filter(|(place, reason)| flight.reject(*place, reason.clone()))
        .map(|(place, _)| *place..place + 1)
        .collect()
}
