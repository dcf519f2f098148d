//! One transaction, from its begin to its commit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;

use crate::batch::{Dependence, Reason, Stage};
use crate::coordinator::engine::Engine;
use crate::coordinator::isolate::{isolate, settle_refused};
use crate::coordinator::lanes::slot_of;
use crate::coordinator::left::LeftRow;
use crate::coordinator::worker::step::Failure;
use crate::coordinator::write_transaction::WriteTransaction;
use crate::dataset::json_row;
use crate::port::{DeadLetters, Event, Session, Sink, SinkError, WriteMode, Written};
use crate::settings::OnConflict;

/// How long a commit that is under way may take when the run is stopped at once.
const LAST_COMMIT: Duration = Duration::from_millis(2500);

/// Undoes the transaction; a session that cannot is dropped, which undoes it too.
pub(super) async fn undo<S: Sink, D: DeadLetters>(engine: &Engine<S, D>, session: &mut Option<S::Session>) {
    let undone = match session {
        Some(open) => {
            let rollback = AssertUnwindSafe(open.rollback()).catch_unwind();
            matches!(timeout(engine.settings.write_timeout.min(LAST_COMMIT), rollback).await, Ok(Ok(Ok(()))))
        }
        None => true,
    };
    if !undone {
        *session = None;
    }
}

/// What the flight has written where its commit was in doubt and came through. The store's own ledger says
/// whether it did, or the server does. Where neither can, the rows are written again, which leaves the same
/// table wherever there is a key.
pub(super) async fn is_there<S: Sink, D: DeadLetters>(
    engine: &Engine<S, D>,
    open: &mut S::Session,
    flight: &mut WriteTransaction,
) -> Result<Option<Written>, Failure> {
    if let Some(written) = &flight.in_doubt {
        match engine.limited(open.settled(&flight.mark)).await? {
            Some(true) => return Ok(Some(written.clone())),
            Some(false) => {}
            None => {
                engine.doubtful.fetch_add(flight.winners.len() as u64, Relaxed);
            }
        }
        flight.in_doubt = None;
    }
    Ok(None)
}

/// One transaction from begin to commit; `now`: it is to be on disk then. Returns what was written,
/// and the serial up to which all is on disk.
pub(super) async fn transaction<S: Sink, D: DeadLetters>(
    engine: &Engine<S, D>,
    worker: usize,
    open: &mut S::Session,
    flight: &mut WriteTransaction,
    now: bool,
) -> Result<(Written, u64), Failure> {
    if let Some(written) = is_there(engine, open, flight).await? {
        return Ok((written, 0));
    }
    flight.compact();
    flight.writing = false;
    engine.limited(open.begin()).await?;
    let mut written = Written::default();
    flight.writing = true;
    if !flight.winners.is_empty() && (flight.expect_rejects || flight.split > 0) {
        let before = flight.condemned.len();
        let size = (flight.winners.len() >> flight.split).max(1);
        let pieces = (0..flight.winners.len()).step_by(size);
        let pieces = pieces.map(|start| start..(start + size).min(flight.winners.len())).collect();
        written.add(&isolate(engine, open, flight, pieces).await?);
        flight.refused_by_store |= flight.condemned.len() > before;
    } else if !flight.winners.is_empty() {
        let first = engine.limited(open.write(flight.to_write(), WriteMode::Bare)).await;
        match first {
            Ok(done) => {
                written.add(&done);
                let revived = settle_refused(flight, &done);
                written.add(&isolate(engine, open, flight, revived).await?);
            }
            Err(Failure::Sink(SinkError::Doubtful { reason, passing: Some(_) })) if engine.hopes(flight) => {
                return Err(Failure::Again(reason));
            }
            Err(Failure::Sink(SinkError::Data { reason, .. } | SinkError::Doubtful { reason, .. })) => {
                engine.observer.on(&Event::Failed {
                    worker,
                    kind: "data",
                    reason: &reason,
                    latency: Duration::ZERO,
                });
                flight.refused_by_store = true;
                engine.limited(open.rollback()).await?;
                engine.limited(open.begin()).await?;
                let all = 0..flight.winners.len();
                written.add(&isolate(engine, open, flight, Vec::from([all])).await?);
            }
            Err(other) => return Err(other),
        }
    }
    match engine.settings.on_conflict {
        OnConflict::Update => {}
        OnConflict::Skip => written.skipped += flight.superseded(),
        OnConflict::Error => flight.condemn_replaced(&Arc::new(Reason::depends(
            Dependence::SameKey,
            "an earlier row of the input has the same key",
        ))),
    }
    flight.writing = false;
    // Written once, its rows are not what ends sessions, whatever becomes of this transaction.
    flight.losses = 0;
    flight.hold();
    bury_condemned(engine, flight).await?;
    flight.set_mark();
    flight.end_mark(|slot| engine.left.end(slot));
    // From here to the answer the outcome is open; a halt waits for the answer, but not long.
    flight.in_doubt = Some(written.clone());
    let commit = engine.commit_within(open.commit(&flight.mark, now), LAST_COMMIT).await;
    match commit {
        Ok(durable) => {
            flight.in_doubt = None;
            Ok((written, durable))
        }
        Err(error @ SinkError::Transient(..)) => Err(error.into()),
        // What is certain to be undone can be written again in parts.
        Err(SinkError::Apart(reason) | SinkError::Data { reason, .. }) => {
            flight.in_doubt = None;
            Err(SinkError::Apart(reason).into())
        }
        Err(SinkError::Fatal(reason) | SinkError::Doubtful { reason, .. }) => {
            flight.in_doubt = None;
            Err(SinkError::Fatal(reason).into())
        }
    }
}

/// Puts the rows condemned since the last time into the dead-letter queue. They are there, on
/// disk, before the good rows are committed: a crash between the two costs a second record, not
/// a row.
async fn bury_condemned<S: Sink, D: DeadLetters>(
    engine: &Engine<S, D>,
    flight: &mut WriteTransaction,
) -> Result<(), Failure> {
    let fresh = &flight.condemned[flight.buried..];
    if fresh.is_empty() {
        return Ok(());
    }
    let rejects = fresh
        .iter()
        .map(|(pick, reason)| {
            let batch = &flight.parts[pick.part as usize];
            json_row::reject_of(batch, pick.row as usize, Stage::Write, reason.clone())
        })
        .collect();
    let rows = fresh.len() as u64;
    match engine.bury(rejects).await {
        Ok(()) => {}
        // The good rows are stored all the same.
        Err(error) if engine.without_letters().is_some() && engine.goes_on_without_letters(flight) => {
            let there: Vec<bool> = flight.parts.iter().map(|part| part.origin.replayable.is_now()).collect();
            let left = || fresh.iter().filter(|(pick, _)| there[pick.part as usize]);
            let count = left().count() as u64;
            engine.leave(
                left().map(|(pick, reason)| {
                    let batch = &flight.parts[pick.part as usize];
                    let row = pick.row as usize;
                    LeftRow {
                        slot: Some(slot_of(batch.identities[row])),
                        ordinal: batch.ordinal(row),
                        source: &batch.origin.source,
                        row: batch.rows[row],
                        reason,
                    }
                }),
                count,
            );
            if count < rows {
                engine.lose(rows - count, &error);
            }
            fresh.iter().for_each(|(pick, _)| flight.account.take(pick.part));
        }
        Err(error) => return Err(Failure::DeadLetters(error)),
    }
    flight.buried = flight.condemned.len();
    Ok(())
}
