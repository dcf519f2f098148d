//! Who holds the lock that a statement of ours waits for.
//!
//! A statement that waits says nothing. After a moment another connection asks the server whom it waits
//! for, and the user is told, since nobody but the holder of the lock can end the wait. However many
//! connections wait for one transaction, and however often they try again, it is named once.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::Error;
use crate::sink::patience::{NAMED, PATIENCE};
use crate::sink::postgres::connection::connect::{Connector, Link};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::connection::quoting::literal;

/// How long after that it is looked again, while it goes on.
const AGAIN: Duration = Duration::from_secs(5);

/// How long the look itself may take.
const LOOK: Duration = Duration::from_secs(5);

/// Who has been named, and when it was looked last.
#[derive(Debug, Default)]
pub(in crate::sink::postgres) struct Blockers(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Transactions, by the process and when they began.
    named: HashSet<(i32, i64)>,
    at: Option<Instant>,
}

/// What is in the way now.
struct Blocker {
    holders: Vec<(i32, i64)>,
    words: String,
}

impl Blockers {
    /// Runs a step against the store, and says meanwhile which lock it waits for, if it does.
    pub async fn watched<T>(&self, connector: &Connector, table: &str, step: impl Future<Output = T>) -> T {
        tokio::pin!(step);
        if let Ok(done) = tokio::time::timeout(PATIENCE, &mut step).await {
            return done;
        }
        tokio::select! {
            biased;
            done = &mut step => done,
            never = Box::pin(self.look(connector, table)) => match never {},
        }
    }

    /// Looks again and again, and never returns.
    async fn look(&self, connector: &Connector, table: &str) -> Infallible {
        loop {
            let mut seen = self.0.lock().await;
            // Another one that waits has looked in this moment.
            if seen.at.is_none_or(|at| at.elapsed() >= PATIENCE) {
                let found = tokio::time::timeout(LOOK, ask(connector)).await.ok().flatten();
                seen.at = Some(Instant::now());
                if let Some(Blocker { holders, words }) = found
                    && holders.iter().filter(|holder| seen.named.insert(**holder)).count() > 0
                {
                    NAMED.store(true, Ordering::Relaxed);
                    tracing::warn!("waiting for a lock in the way of writing to {table}: {words}");
                }
            }
            drop(seen);
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Looks who holds the lock that a command waits for which begins with a step of the store, and comes to an
/// end where a lock is in the way for longer than `longest`.
pub(in crate::sink::postgres) async fn too_long(dsn: &Dsn, table: &str, longest: Option<Duration>) -> Error {
    let connector = match Connector::new(dsn.clone()) {
        Ok(connector) => connector,
        Err(error) => return error,
    };
    let blockers = Blockers::default();
    let too_long = async {
        let Some(longest) = longest else { return pending().await };
        tokio::time::sleep(longest.saturating_sub(PATIENCE)).await;
        loop {
            // What takes long without a lock is not an outage.
            if let Some(found) = tokio::time::timeout(LOOK, ask(&connector)).await.ok().flatten() {
                let holders = found.words;
                return format!("a lock in the way of writing to {table} was not freed in time: {holders}");
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        biased;
        why = Box::pin(too_long) => Error::unavailable(why),
        never = Box::pin(blockers.look(&connector, table)) => match never {},
    }
}

/// The holders of locks that sessions of ours wait for.
async fn ask(connector: &Connector) -> Option<Blocker> {
    let link: Link = connector.connect().await.ok()?;
    let name = literal(connector.dsn().application_name());
    let sql = format!(
        "SELECT DISTINCT h.pid, coalesce(h.usename::text, '?'), coalesce(h.application_name, ''), \
         coalesce(h.state, ''), coalesce(pg_catalog.date_part('epoch', h.xact_start) * 1000000, 0)::bigint, \
         coalesce(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - h.xact_start), 0)::bigint \
         FROM pg_catalog.pg_stat_activity AS w \
         CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS b (pid) \
         JOIN pg_catalog.pg_stat_activity AS h ON h.pid = b.pid \
         WHERE w.usename = CURRENT_USER AND w.datname = pg_catalog.current_database() \
         AND w.wait_event_type = 'Lock' AND w.application_name = {name} \
         AND h.application_name <> {name} ORDER BY 1 LIMIT 3"
    );
    let rows = link.client.query_typed(&sql, &[]).await.ok()?;
    let (mut holders, mut words) = (Vec::new(), Vec::new());
    for row in &rows {
        let (pid, user, program): (i32, String, String) =
            (row.try_get(0).ok()?, row.try_get(1).ok()?, row.try_get(2).ok()?);
        let (state, began, seconds): (String, i64, i64) =
            (row.try_get(3).ok()?, row.try_get(4).ok()?, row.try_get(5).ok()?);
        let program = if program.is_empty() { String::new() } else { format!(" ({program})") };
        words.push(format!(
            "process {pid} of {user}{program} holds it, {} since {seconds} s",
            if state.is_empty() { "in a transaction" } else { &state }
        ));
        holders.push((pid, began));
    }
    let (pid, _) = holders.first()?;
    let words = format!("{}; SELECT pg_terminate_backend({pid}) would end it", words.join("; "));
    Some(Blocker { holders, words })
}
