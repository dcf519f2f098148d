//! Waiting for what a store has to answer outside of the engine, so that somebody hears why it takes long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sink::store::Store;

/// How long a question before the start may go without an answer before that is told.
const SILENT: Duration = Duration::from_secs(2);

/// How long a step may take before it is looked whether it waits for a lock.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Whether a lock has been named: then it is known why there is no answer.
pub(in crate::sink) static NAMED: AtomicBool = AtomicBool::new(false);

/// Waits for what the store has to answer before a run begins: told after a moment, and given up after
/// `limit`, as if the connection had been lost.
///
/// # Errors
/// Those of the step; unavailable, if there is no answer in time.
pub async fn answered<T>(limit: Option<Duration>, step: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::pin!(step);
    let limit = limit.unwrap_or(Duration::MAX);
    if let Ok(done) = tokio::time::timeout(SILENT.min(limit), &mut step).await {
        return done;
    }
    if !NAMED.load(Ordering::Relaxed) {
        tracing::warn!(
            "waiting for the store, which has given no answer for {} s",
            SILENT.min(limit).as_secs()
        );
    }
    let late = |_| Err(Error::unavailable(format!("the store gave no answer within {} s", limit.as_secs())));
    tokio::time::timeout(limit.saturating_sub(SILENT), step).await.unwrap_or_else(late)
}

/// Runs a step that a command begins with, and says meanwhile which lock it waits for, if it does. A lock
/// that is in the way for longer than `longest` counts as a store that stays away.
///
/// # Errors
/// Those of the step; unavailable, if a lock was in the way for too long.
pub async fn unblocked<T>(
    store: &dyn Store,
    table: &str,
    longest: Option<Duration>,
    step: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::pin!(step);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut step).await {
        return done;
    }
    tokio::select! {
        biased;
        done = &mut step => done,
        why = store.locked(table, longest) => Err(why),
    }
}
