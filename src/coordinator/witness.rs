//! Whether the store takes other rows where one row alone loses its session each time.
//!
//! A trigger that ends its own session, a value that a proxy cuts the connection over, and a store that is
//! just going away look alike. They are told apart by what happens beside it: directly before each further
//! attempt at such a row another one of its batch is written, and undone again. The row is condemned where
//! that goes through each time and the row never does. Where it does not go through either, both may be to
//! blame or neither: the attempt is made and counts for nothing, and the store is waited for as in any outage.
//! So it is where all rows of a batch of several end their sessions: none is left that speaks for the store.
//!
//! What stands between may end the session of an innocent row too, each time: a pooler that allows a query so
//! many seconds, while somebody else holds a lock on that one row. From here that is the same as a row that
//! ends its session. It is a dead letter after eight losses, for which the limit of the pooler has then been
//! waited out eight times: the row is kept, says what happened, and goes in by a replay once the lock is gone,
//! whereas waiting for it would keep all rows behind it out for as long. A lock that the server itself tells
//! of is waited for.

use crate::batch::Reason;
use crate::coordinator::engine::Engine;
use crate::coordinator::worker::StepError;
use crate::coordinator::write_transaction::WriteTransaction;
use crate::port::{DeadLetters, Session, Sink, WriteMode};

/// Rows beside it that are tried, one after the other, where those lose the session as well.
const MOST_WITNESSES: usize = 5;

/// Whether another row goes through; where there is none, whether the statements do without rows.
pub(super) async fn others_go_through<S: Sink, D: DeadLetters>(
    engine: &Engine<S, D>,
    worker: usize,
    session: &mut Option<S::Session>,
    flight: &WriteTransaction,
) -> Result<bool, StepError> {
    let mut tried = 0;
    loop {
        let open = match session {
            Some(open) => open,
            None => session.insert(engine.step(engine.sink.connect(worker)).await?),
        };
        engine.step(open.begin()).await?;
        let time = flight.attempts as usize * MOST_WITNESSES + tried;
        let done = match flight.another(time) {
            Some(pick) => {
                let rows = [pick];
                let rows = flight.to_write().with(&rows);
                engine.step(open.write(rows, WriteMode::Bare)).await.map(|_| ())
            }
            None => engine.step(open.rehearse(flight.to_write(), &Reason::new("", ""), false)).await,
        };
        tried += 1;
        match done {
            Err(error) if error.is_loss() => {
                *session = None;
                if tried == MOST_WITNESSES {
                    return Ok(false);
                }
            }
            // What is refused for its data is refused by a session that is well.
            Err(error) => match error.refused() {
                Ok(_) => break,
                Err(other) => return Err(other),
            },
            Ok(()) => break,
        }
    }
    if let Some(open) = session
        && engine.step(open.rollback()).await.is_err()
    {
        *session = None;
    }
    Ok(true)
}
