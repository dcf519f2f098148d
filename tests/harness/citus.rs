//! A cluster of Citus on loopback: a coordinator and two nodes that keep the shards.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Db, Postgres};

/// Nodes that keep shards.
const NODES: usize = 2;

/// Databases made so far.
static MADE: AtomicU32 = AtomicU32::new(0);

/// The servers of a cluster.
pub struct Citus {
    /// Where everybody connects.
    pub coordinator: Postgres,
    /// Where the rows are.
    pub nodes: Vec<Postgres>,
}

impl Citus {
    /// A cluster, where Citus is installed; otherwise one line says that the test is skipped.
    pub fn new(test: &str) -> Option<Self> {
        let available = "SELECT 1 FROM pg_available_extensions WHERE name = 'citus'";
        if Postgres::shared().db("postgres").rows(available).is_empty() {
            // Right to the file, since the test runner keeps what passing tests print.
            let _ = writeln!(std::io::stderr(), "skipped {test}: Citus is not installed");
            return None;
        }
        let settings = "shared_preload_libraries = 'citus'\nmax_prepared_transactions = 100\n\
            citus.enable_statistics_collection = off\ncitus.recover_2pc_interval = 1000\n";
        let server = || Postgres::prepared(settings, |_| ());
        Some(Self { coordinator: server(), nodes: (0..NODES).map(|_| server()).collect() })
    }

    /// An empty database that all of them have.
    pub fn database(&self) -> Db {
        let name = &format!("market_{}", MADE.fetch_add(1, Ordering::Relaxed));
        for server in self.nodes.iter().chain([&self.coordinator]) {
            server.db("postgres").execute(&format!("CREATE DATABASE {name} TEMPLATE template0"));
            server.db(name).execute("CREATE EXTENSION citus");
        }
        let db = self.coordinator.db(name);
        db.execute(&format!("SELECT citus_set_coordinator_host('127.0.0.1', {})", self.coordinator.port()));
        for node in &self.nodes {
            db.execute(&format!("SELECT citus_add_node('127.0.0.1', {})", node.port()));
        }
        db
    }
}
