//! What consumers of a group have noted of messages, `mds_messages`: one row for each piece of a stream that was
//! handed on, from before its first row is until a while after the last one is settled.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::port::messages::{Messages, Noted, REMEMBERED};
use crate::port::runs::{Checkpoints, RunRecord};
use crate::sink::answered;
use crate::sink::postgres::connection::connect::{Connector, Link, to_error};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::connection::quoting::literal;
use crate::sink::postgres::ledger::marks::MESSAGES;
use crate::sink::postgres::ledger::runs::{PATIENCE, checkpoints, fence};

/// The time before which what was settled is remembered no longer.
fn long_ago() -> String {
    format!("pg_catalog.clock_timestamp() - interval '{} seconds'", REMEMBERED.as_secs())
}

/// Those of one group and one table.
pub struct PgMessages {
    connector: Connector,
    patience: Option<Duration>,
    /// Name of the group and the table.
    feed: String,
    /// The connection for what is noted all the time.
    link: Mutex<Option<Link>>,
}

impl PgMessages {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// Usage, for certificate files that cannot be read.
    pub fn new(dsn: Dsn, patience: Option<Duration>, feed: &str) -> Result<Self> {
        let link = Mutex::default();
        Ok(Self { connector: Connector::new(dsn)?, patience, feed: literal(feed), link })
    }

    async fn connect(&self) -> Result<Link> {
        self.connector.connect().await.map_err(to_error)
    }

    /// Runs statements, by the connection that is kept for them. One that has failed is given up.
    async fn execute(&self, sql: &str) -> Result<()> {
        let mut kept = self.link.lock().await;
        // Given up in the middle it would be in an unknown state.
        let link = match kept.take() {
            Some(link) => link,
            None => self.connect().await?,
        };
        link.client.batch_execute(sql).await.map_err(|error| fault(&link, &error))?;
        *kept = Some(link);
        Ok(())
    }

    async fn run(&self, sql: &str) -> Result<()> {
        answered(self.patience, self.execute(sql)).await
    }
}

#[async_trait]
impl Messages for PgMessages {
    async fn ready(&self) -> Result<()> {
        let link = answered(self.patience, self.connect()).await?;
        let (_, ddl, needed) = MESSAGES;
        let may: Vec<String> =
            needed.iter().map(|p| format!("pg_catalog.has_table_privilege(there, '{p}')")).collect();
        let sql =
            format!("SELECT {} FROM pg_catalog.to_regclass('mds_messages') AS t (there)", may.join(" AND "));
        let usable = async || {
            let row = link.client.query_typed_one(&sql, &[]).await.map_err(|e| fault(&link, &e))?;
            row.try_get::<_, Option<bool>>(0).map_err(|e| fault(&link, &e))
        };
        match usable().await? {
            Some(true) => return Ok(()),
            Some(false) => return Err(Error::usage("this role may not write to mds_messages")),
            None => {}
        }
        match link.client.batch_execute(ddl).await {
            Ok(()) => Ok(()),
            // Another tail may have made it in this moment.
            Err(_) if usable().await? == Some(true) => Ok(()),
            Err(error) => Err(fault(&link, &error)),
        }
    }

    async fn note(&self, run: Uuid, first: u64, text: &str) -> Result<()> {
        let (feed, text) = (&self.feed, literal(text));
        self.run(&format!(
            "INSERT INTO mds_messages (feed, run_id, first, messages) VALUES ({feed}, '{run}', {first}, {text}) \
             ON CONFLICT DO NOTHING"
        ))
        .await
    }

    async fn withdraw(&self, run: Uuid, first: u64) -> Result<()> {
        let feed = &self.feed;
        self.run(&format!(
            "DELETE FROM mds_messages WHERE feed = {feed} AND run_id = '{run}' AND first = {first}"
        ))
        .await
    }

    async fn settle(&self, run: Uuid, below: u64) -> Result<()> {
        let (feed, long_ago) = (&self.feed, long_ago());
        self.run(&format!(
            "DELETE FROM mds_messages WHERE feed = {feed} AND run_id = '{run}' \
             AND settled_at < {long_ago}; \
             UPDATE mds_messages SET settled_at = pg_catalog.clock_timestamp() \
             WHERE feed = {feed} AND run_id = '{run}' AND first < {below} AND settled_at IS NULL"
        ))
        .await
    }

    async fn of_others(&self, run: Uuid) -> Result<Vec<Noted>> {
        let sql = format!(
            "SELECT run_id::text, messages, settled_at IS NOT NULL, \
             coalesce(settled_at < {}, false) FROM mds_messages \
             WHERE feed = {} AND run_id <> '{run}' ORDER BY run_id, first",
            long_ago(),
            self.feed
        );
        let asked = async {
            let link = self.connect().await?;
            let rows = link.client.query_typed(&sql, &[]).await.map_err(|e| fault(&link, &e))?;
            let noted = rows.iter().map(|row| {
                let run = Uuid::try_parse(row.try_get(0)?).unwrap_or_default();
                Ok(Noted { run, text: row.try_get(1)?, settled: row.try_get(2)?, old: row.try_get(3)? })
            });
            noted.collect::<Result<_, tokio_postgres::Error>>().map_err(|e| fault(&link, &e))
        };
        answered(self.patience, asked).await
    }

    async fn fence(&self, old: &RunRecord, new: Uuid) -> Result<Checkpoints> {
        let asked = async {
            let link = self.connect().await?;
            let begin = format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_catalog.set_config('lock_timeout', '{PATIENCE}', true)"
            );
            link.client.batch_execute(&begin).await.map_err(|e| fault(&link, &e))?;
            fence(&link, old, new).await?;
            let settled = checkpoints(&link, old.run_id).await?;
            link.client.batch_execute("COMMIT").await.map_err(|e| fault(&link, &e))?;
            Ok(settled)
        };
        answered(self.patience, asked).await
    }

    async fn forget(&self, run: Uuid) -> Result<()> {
        let feed = &self.feed;
        self.run(&format!(
            "DELETE FROM mds_messages WHERE feed = {feed} AND run_id = '{run}'; \
             DELETE FROM mds_checkpoints WHERE run_id = '{run}'"
        ))
        .await
    }
}

fn fault(link: &Link, error: &tokio_postgres::Error) -> Error {
    to_error(link.classify(error)).at("what is noted of messages (mds_messages)")
}
