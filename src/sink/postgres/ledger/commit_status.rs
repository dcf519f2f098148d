//! What became of commits that got no answer: asked of the ledger, or of the server's own record where none
//! is kept. Somebody who looks later, as a replay of dead letters does, asks here too.

use std::sync::Arc;

use tokio_postgres::SimpleQueryMessage;
use uuid::Uuid;

use crate::batch::{Commit, Reason};
use crate::error::Result;
use crate::port::{SinkError, TransientKind};
use crate::sink::postgres::connection::connect::{Connector, Link, to_error};
use crate::sink::postgres::ledger::marks::lock_of;

/// Which server this is, since when its numbers of transactions have gone on without a crash, and which of its
/// databases. After a crash the last numbers, of which nothing had come to disk, are given again, and so they
/// are by a standby that takes over. Both begin a new timeline, or new statistics. All databases share the
/// numbers, so that one tells nothing of the rows of another database.
const SERVER: &str = "\
SELECT (pg_catalog.pg_control_system()).system_identifier || '.' \
    || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) || '.' \
    || (extract(epoch FROM stats_reset) * 1000000)::bigint || '.' \
    || (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
FROM pg_catalog.pg_stat_bgwriter";

/// What became of each of those commits; `None` where this store cannot tell.
///
/// # Errors
/// Unavailable, if the server is.
pub(in crate::sink::postgres) async fn committed(
    connector: &Connector,
    commits: &[Commit],
) -> Result<Vec<Option<bool>>> {
    let link = connector.connect().await.map_err(to_error)?;
    let mut all = Vec::with_capacity(commits.len());
    for commit in commits {
        all.push(match commit {
            Commit::Marked { run_id, worker, slot, serial } => {
                let serial = i64::try_from(*serial).unwrap_or(i64::MAX);
                marked(&link, *run_id, *worker, *slot, serial).await.map_err(to_error)?
            }
            Commit::Numbered { transaction, server } => {
                match ended(&link, *transaction, Some(server)).await {
                    Ok(known) => known,
                    Err(SinkError::Transient(TransientKind::InProgress, _)) => None,
                    Err(error) => return Err(to_error(error)),
                }
            }
        });
    }
    Ok(all)
}

/// Whether the ledger has that mark or a later one, once the transaction that was to leave it has ended.
/// It can say no only of a run that it knows, which no other has gone on with, and of which no mark was taken
/// out: a later run that has loaded the same inputs takes those of the earlier ones with its own.
async fn marked(
    link: &Link,
    run: Uuid,
    worker: u32,
    slot: u16,
    serial: i64,
) -> Result<Option<bool>, SinkError> {
    let (worker, failed) = (worker.cast_signed(), |error| link.classify(&error));
    let may = "SELECT coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass('mds_checkpoints'), 'SELECT'), false), \
               coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass('mds_runs'), 'SELECT'), false)";
    let may = link.client.query_typed_one(may, &[]).await.map_err(failed)?;
    let (marks, runs): (bool, bool) = (may.try_get(0).map_err(failed)?, may.try_get(1).map_err(failed)?);
    if !marks {
        return Ok(None);
    }
    let lock = format!("SELECT pg_catalog.pg_advisory_xact_lock({}, {worker})", lock_of(run));
    link.client.query_typed(&lock, &[]).await.map_err(failed)?;
    let known = match runs {
        true => format!(
            "EXISTS (SELECT FROM mds_runs r WHERE r.run_id = '{run}' AND r.resumed_by IS NULL AND r.status NOT IN ('done', 'rejects') \
             AND (EXISTS (SELECT FROM mds_checkpoints WHERE run_id = '{run}') OR NOT EXISTS (SELECT FROM mds_runs l \
             WHERE l.table_name = r.table_name AND l.inputs = r.inputs AND l.started_at > r.started_at AND l.status IN ('done', 'rejects'))))"
        ),
        // Marks of a run go all at once.
        false => format!("EXISTS (SELECT FROM mds_checkpoints WHERE run_id = '{run}')"),
    };
    let sql = format!(
        "SELECT EXISTS (SELECT FROM mds_checkpoints WHERE run_id = '{run}' AND slot = {slot} AND serial >= {serial}), {known}"
    );
    let row = link.client.query_typed_one(&sql, &[]).await.map_err(failed)?;
    let (there, known): (bool, bool) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    Ok(if there { Some(true) } else { known.then_some(false) })
}

/// What [`ended`] tells this server by later; `None` where this role may not know.
pub(in crate::sink::postgres) async fn server(link: &Link) -> Option<Arc<str>> {
    link.client.query_typed_one(SERVER, &[]).await.ok()?.try_get::<_, &str>(0).ok().map(Arc::from)
}

/// Whether the transaction of that number was committed, by the server's own record; `None` where that is
/// gone already, or may be that of another transaction. `on`: the server that gave the number, where that is
/// known.
pub(in crate::sink::postgres) async fn ended(
    link: &Link,
    transaction: u64,
    on: Option<&str>,
) -> Result<Option<bool>, SinkError> {
    let now = match on {
        Some(on) => {
            let Some(now) = server(link).await else { return Ok(None) };
            let system = |server: &str| server.split('.').next().map(str::to_owned);
            if system(on) != system(&now) {
                return Ok(None);
            }
            Some(now)
        }
        None => None,
    };
    let sql = format!("SELECT pg_catalog.txid_status({transaction})");
    let answers = match link.client.simple_query(&sql).await {
        Ok(answers) => answers,
        // In the future of a server that has taken the place of another, and never saw it.
        Err(error) if error.code().is_some_and(|code| code.code() == "22023") => return Ok(Some(false)),
        Err(error) => return Err(link.classify(&error)),
    };
    let status = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok()?,
        _ => None,
    });
    match status {
        // Perhaps that of another, which was given the number again.
        Some("committed") if on != now.as_deref() => Ok(None),
        Some("committed") => Ok(Some(true)),
        Some("aborted") => Ok(Some(false)),
        Some(_) => {
            let what = "the server has not ended the last transaction yet";
            Err(SinkError::Transient(TransientKind::InProgress, Reason::new("commit_in_progress", what)))
        }
        None => Ok(None),
    }
}
