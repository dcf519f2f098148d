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
use crate::sink::run_columns;

/// The system that a server is of. Its owner may have forbidden to ask for it.
const SYSTEM: &str = "(pg_catalog.pg_control_system()).system_identifier";

/// Which server this is, since when its numbers of transactions have gone on without a crash, and which of its
/// databases. After a crash the last numbers, of which nothing had come to disk, are given again, and so they
/// are by a standby that takes over. Both begin a new timeline, or new statistics: all of them, while somebody
/// who resets one leaves the other. All databases share the numbers, so that one tells nothing of the rows of
/// another database.
fn who(system: &str) -> String {
    format!(
        "SELECT {system} || '.' \
         || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) || '.' \
         || (extract(epoch FROM w.stats_reset) * 1000000)::bigint || '-' \
         || (extract(epoch FROM a.stats_reset) * 1000000)::bigint || '.' \
         || (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
         FROM pg_catalog.pg_stat_bgwriter AS w, pg_catalog.pg_stat_archiver AS a"
    )
}

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
            Commit::Numbered { transaction, server } => match ended(&link, *transaction, server).await {
                Ok(known) => known,
                Err(SinkError::Transient(TransientKind::InProgress, _)) => None,
                Err(error) => return Err(to_error(error)),
            },
        });
    }
    Ok(all)
}

/// Whether the ledger has that mark or a later one, once the transaction that was to leave it has ended.
/// It can say no only where [all marks of the run](run_columns::all_marks_are_there) are there.
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
        true => run_columns::all_marks_are_there(run, "pg_catalog.replace"),
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
    // Without its system it is known by the times of its statistics, which no other has.
    for system in [SYSTEM, "''"] {
        if let Ok(row) = link.client.query_typed_one(&who(system), &[]).await {
            return row.try_get::<_, &str>(0).ok().map(Arc::from);
        }
    }
    None
}

/// What [`server`] says of the server that gave a number, and of the one that is asked for it.
struct Both {
    /// Whether they are of one system, standbys and restarts included, as far as both say it.
    of_one_system: bool,
    /// Whether the numbers have gone on without a crash, in the same database.
    on_and_on: bool,
}

impl Both {
    fn new(on: &str, now: &str) -> Self {
        let parts = |server: &str| -> Vec<String> { server.split('.').map(str::to_owned).collect() };
        let (on, now) = (parts(on), parts(now));
        let system = |parts: &[String]| parts.first().filter(|system| !system.is_empty()).cloned();
        let on_and_on = match (on.as_slice(), now.as_slice()) {
            ([system, timeline, since, database], [system_now, timeline_now, since_now, database_now]) => {
                let since = since.split('-').zip(since_now.split('-'));
                (system, timeline, database) == (system_now, timeline_now, database_now)
                    && since.into_iter().any(|(then, now)| then == now)
            }
            // Noted by an earlier version, without its database.
            _ => false,
        };
        let of_one_system = on_and_on || system(&on).is_some() && system(&on) == system(&now);
        Self { of_one_system, on_and_on }
    }
}

/// Whether the transaction of that number was committed, by the server's own record; `None` where that is
/// gone already, or may be that of another transaction. `on`: the server that gave the number.
pub(in crate::sink::postgres) async fn ended(
    link: &Link,
    transaction: u64,
    on: &str,
) -> Result<Option<bool>, SinkError> {
    let Some(now) = server(link).await else { return Ok(None) };
    let both = Both::new(on, &now);
    if !both.of_one_system {
        return Ok(None);
    }
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
        Some("committed") if !both.on_and_on => Ok(None),
        Some("committed") => Ok(Some(true)),
        Some("aborted") => Ok(Some(false)),
        Some(_) => {
            let what = "the server has not ended the last transaction yet";
            Err(SinkError::Transient(TransientKind::InProgress, Reason::new("commit_in_progress", what)))
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_counts_where_the_server_has_gone_on_without_a_crash() {
        let on = "71.00000001.100-200.5";
        for (now, of_one_system, on_and_on) in [
            (on, true, true),
            // Somebody has reset statistics of one kind.
            ("71.00000001.999-200.5", true, true),
            ("71.00000001.100-999.5", true, true),
            // A crash, a standby, another database, another system.
            ("71.00000001.999-999.5", true, false),
            ("71.00000001.200-100.5", true, false),
            ("71.00000002.100-200.5", true, false),
            ("71.00000001.100-200.6", true, false),
            ("72.00000001.100-200.5", false, false),
            (".00000001.100-200.5", false, false),
            // As earlier versions noted it.
            ("71.00000001.100.5", true, true),
            ("71.00000001.100", true, false),
            ("", false, false),
        ] {
            for both in [Both::new(on, now), Both::new(now, on)] {
                assert_eq!((both.of_one_system, both.on_and_on), (of_one_system, on_and_on), "{now}");
            }
        }
        // Where nobody may ask for the system.
        for (now, same) in [(".00000001.1-2.5", true), (".00000001.1-3.5", true), (".00000001.3-4.5", false)]
        {
            let both = Both::new(".00000001.1-2.5", now);
            assert_eq!((both.of_one_system, both.on_and_on), (same, same), "{now}");
        }
    }
}
