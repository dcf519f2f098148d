//! One database of a test's server, asked through text.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::postgres::SUPERUSER;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// How the tests' own connections call themselves.
pub const OURSELVES: &str = "test";

/// Values of a row as the server writes them.
pub type TextRow = Vec<Option<String>>;

/// A database. Every question has a connection of its own, so a restart of the server is no matter.
#[derive(Debug, Clone)]
pub struct Db {
    port: u16,
    socket: PathBuf,
    name: String,
}

impl Db {
    /// The database of that name.
    pub fn new(port: u16, socket: &Path, name: &str) -> Self {
        Self { port, socket: socket.into(), name: name.into() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL to give to `--dsn`.
    pub fn dsn(&self) -> String {
        self.dsn_as(SUPERUSER)
    }

    /// The URL for another role: `role` or `role:password`.
    pub fn dsn_as(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{}", self.port, self.name)
    }

    /// The same as key and value, over the socket.
    pub fn key_value_dsn(&self) -> String {
        format!("host={} port={} user={SUPERUSER} dbname={}", self.socket.display(), self.port, self.name)
    }

    /// Runs statements.
    pub fn execute(&self, sql: &str) {
        if let Err(error) = self.try_rows(sql) {
            panic!("{sql}: {error}");
        }
    }

    /// Rows of a query.
    pub fn rows(&self, sql: &str) -> Vec<TextRow> {
        self.try_rows(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The one value of a query.
    pub fn value(&self, sql: &str) -> String {
        let mut rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "{sql}");
        rows.remove(0).remove(0).unwrap_or_else(|| "NULL".into())
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> u64 {
        self.value(&format!("SELECT count(*) FROM {table}")).parse().expect("a count")
    }

    /// Rows of a query, or why there are none; for a server that may be down.
    pub fn try_rows(&self, sql: &str) -> Result<Vec<TextRow>, String> {
        self.session()?.try_rows(sql)
    }

    /// A connection that stays, for what is to last longer than a statement.
    pub fn session(&self) -> Result<Session, String> {
        let mut config = Config::new();
        config.host_path(&self.socket).port(self.port).user(SUPERUSER).dbname(&self.name);
        Session::open(config)
    }
}

/// A connection to a database. Whatever it has begun is undone when it is dropped.
pub struct Session {
    client: Option<Client>,
    connection: Option<JoinHandle<Result<(), tokio_postgres::Error>>>,
}

impl Session {
    /// Connects to what a URL names.
    pub fn to(dsn: &str) -> Self {
        Self::open(dsn.parse().expect("a URL")).expect("a connection")
    }

    fn open(mut config: Config) -> Result<Self, String> {
        let connected = RUNTIME.block_on(config.application_name(OURSELVES).connect(NoTls));
        let (client, connection) = connected.map_err(|error| error.to_string())?;
        Ok(Self { client: Some(client), connection: Some(RUNTIME.spawn(connection)) })
    }

    /// Runs statements.
    pub fn execute(&self, sql: &str) {
        if let Err(error) = self.try_rows(sql) {
            panic!("{sql}: {error}");
        }
    }

    /// Rows of a query, or why there are none.
    pub fn try_rows(&self, sql: &str) -> Result<Vec<TextRow>, String> {
        let client = self.client.as_ref().expect("taken by drop alone");
        let messages = RUNTIME.block_on(client.simple_query(sql)).map_err(|error| {
            error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_string())
        })?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).map(str::to_string)).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }
}

impl Drop for Session {
    /// The server has been told when this returns, so that a database can be copied right away.
    fn drop(&mut self) {
        drop(self.client.take());
        if let Some(connection) = self.connection.take() {
            let _ = RUNTIME.block_on(connection);
        }
    }
}
