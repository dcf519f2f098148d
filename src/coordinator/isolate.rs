//! Finding the rows that the store refuses, inside the open transaction.
//!
//! A piece that is refused is split and its parts are tried again under savepoints: at the row
//! that the store points at, where it points at one, otherwise in the middle. The number of
//! writes is O(bad rows x log(batch)).

use std::ops::Range;
use std::sync::Arc;

use crate::coordinator::engine::Engine;
use crate::coordinator::flight::Flight;
use crate::coordinator::worker::StepError;
use crate::port::{DeadLetters, Guard, Session, Sink, Written};

/// Writes the pieces, splitting those that are refused, until only condemned rows are left out.
/// The pieces are places in `flight.winners`.
pub(super) async fn isolate<S: Sink, D: DeadLetters>(
    engine: &Engine<S, D>,
    session: &mut S::Session,
    flight: &mut Flight,
    pieces: Vec<Range<usize>>,
) -> Result<Written, StepError> {
    let mut pieces = pieces;
    let mut written = Written::default();
    pieces.reverse();
    while let Some(piece) = pieces.pop() {
        if piece.is_empty() {
            continue;
        }
        let rows = flight.to_write().with(&flight.winners[piece.clone()]);
        let refusal = match engine.step(session.write(rows, Guard::Savepoint)).await {
            Ok(done) => {
                written.add(&done);
                for (at, reason) in done.refused {
                    let place = piece.start + at;
                    if flight.condemn(place, reason) {
                        pieces.push(place..place + 1);
                    }
                }
                continue;
            }
            Err(error) => error.data()?,
        };
        let (reason, suspects) = refusal;
        if piece.len() == 1 {
            if flight.condemn(piece.start, Arc::new(reason)) {
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
    Ok(written)
}

/// Condemns the rows that a write of all winners left out. Returns the places that an earlier row
/// of the same identity has taken, still to be written.
pub(super) fn settle_refused(flight: &mut Flight, done: &Written) -> Vec<Range<usize>> {
    done.refused
        .iter()
        .filter(|(place, reason)| flight.condemn(*place, reason.clone()))
        .map(|(place, _)| *place..place + 1)
        .collect()
}
