//! Who holds the lock that a statement of ours waits for.
//!
//! A statement that waits says nothing. After a while another connection asks the server whom it waits
//! for, and the user is told, since nobody but the holder of the lock can end the wait.

use std::convert::Infallible;
use std::time::Duration;

use crate::sink::postgres::connection::connect::{Connector, Link};
use crate::sink::postgres::connection::quoting::literal;

/// How long a statement may take before it is looked whether it waits for a lock.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long after that it is looked again, while it goes on.
const AGAIN: Duration = Duration::from_secs(30);

/// How long the look itself may take.
const LOOK: Duration = Duration::from_secs(5);

/// Runs a step against the store, and says meanwhile which lock it waits for, if it does.
pub(in crate::sink::postgres) async fn watched<T>(
    connector: &Connector,
    table: &str,
    step: impl Future<Output = T>,
) -> T {
    tokio::pin!(step);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut step).await {
        return done;
    }
    tokio::select! {
        biased;
        done = &mut step => done,
        never = Box::pin(look(connector, table)) => match never {},
    }
}

/// Looks again and again, and never returns.
async fn look(connector: &Connector, table: &str) -> Infallible {
    let mut said = String::new();
    loop {
        let found = tokio::time::timeout(LOOK, ask(connector)).await.ok().flatten();
        if let Some(holder) = found.filter(|holder| *holder != said) {
            tracing::warn!("waiting for a lock in the way of writing to {table}: {holder}");
            said = holder;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The holders of locks that sessions of ours wait for, in words.
async fn ask(connector: &Connector) -> Option<String> {
    let link: Link = connector.connect().await.ok()?;
    let name = literal(connector.dsn().application_name());
    let sql = format!(
        "SELECT DISTINCT h.pid, coalesce(h.usename::text, '?'), coalesce(h.application_name, ''), \
         coalesce(h.state, ''), coalesce(h.wait_event_type, ''), h.xact_start IS NOT NULL, \
         coalesce(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - h.xact_start), 0)::bigint \
         FROM pg_catalog.pg_stat_activity AS w \
         CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS b (pid) \
         JOIN pg_catalog.pg_stat_activity AS h ON h.pid = b.pid \
         WHERE w.usename = CURRENT_USER AND w.datname = pg_catalog.current_database() \
         AND w.wait_event_type = 'Lock' AND w.application_name = {name} \
         AND h.application_name <> {name} ORDER BY 1 LIMIT 3"
    );
    let rows = link.client.query_typed(&sql, &[]).await.ok()?;
    let mut holders = Vec::new();
    for row in &rows {
        let (pid, user, program): (i32, String, String) =
            (row.try_get(0).ok()?, row.try_get(1).ok()?, row.try_get(2).ok()?);
        let (state, seconds): (String, i64) = (row.try_get(3).ok()?, row.try_get(6).ok()?);
        let program = if program.is_empty() { String::new() } else { format!(" ({program})") };
        holders.push(format!(
            "process {pid} of {user}{program} holds it, {} since {seconds} s",
            if state.is_empty() { "in a transaction" } else { &state }
        ));
    }
    let pid: i32 = rows.first()?.try_get(0).ok()?;
    Some(format!("{}; SELECT pg_terminate_backend({pid}) would end it", holders.join("; ")))
}
