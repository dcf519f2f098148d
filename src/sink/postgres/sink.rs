//! The store as the engine sees it.

use std::sync::Arc;

use uuid::Uuid;

use super::catalog::describe;
use super::connect::Connector;
use super::dsn::Dsn;
use super::encode::Rules;
use super::ledger::Ledger;
use super::names::literal;
use super::session::PgSession;
use super::table::Table;
use super::tenant::find_tenant;
use crate::dataset::Target;
use crate::error::Result;
use crate::port::{Sink, SinkError};

/// What to write to, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct PgOptions {
    /// The server.
    pub dsn: Dsn,
    /// The table, as SQL would name it: `bars`, `md.bars`, `"My Schema"."t"`. A dataset's own
    /// table is its [`Dataset::table`](crate::dataset::Dataset::table).
    pub table: String,
    /// UUID or short name of the tenant that rows belong to which bring none.
    pub tenant: Option<String>,
    /// Refuse values that their column would round (`--exact`).
    pub exact: bool,
    /// Round fractions for columns of integers (`--round`).
    pub round: bool,
    /// The run, whose ledger is kept.
    pub run_id: Uuid,
}

/// A table of a PostgreSQL server.
pub struct PgSink {
    shared: Arc<Shared>,
    target: Target,
    notes: Vec<String>,
}

/// What all sessions of a sink have in common.
pub(super) struct Shared {
    pub connector: Connector,
    pub table: Table,
    pub tenant: Option<Uuid>,
    pub rules: Rules,
    /// What begins a transaction.
    pub begin: String,
    /// What of the run is committed, where this role may keep that.
    pub ledger: Option<Ledger>,
}

impl PgSink {
    /// Connects, looks the tenant up and reads the catalog.
    ///
    /// # Errors
    /// Usage for what the user can mend (credentials, a missing table or tenant or privilege);
    /// unavailable, if the server cannot be reached.
    pub async fn open(options: PgOptions) -> Result<Self> {
        let connector = Connector::new(options.dsn)?;
        let link = connector.connect_to_write().await?;
        let tenant = match &options.tenant {
            Some(tenant) => Some(find_tenant(&link, tenant).await?),
            None => None,
        };
        let table = describe(&link, &options.table).await?;
        let target = table.target();
        let (ledger, note) = Ledger::open(&link, options.run_id).await?;
        let watch = link.client.batch_execute(WATCH).await.is_ok();
        let shared = Shared {
            connector,
            table,
            tenant,
            rules: Rules { exact: options.exact, round: options.round },
            begin: begin(tenant, watch),
            ledger,
        };
        Ok(Self { shared: Arc::new(shared), target, notes: note.into_iter().collect() })
    }

    /// What the user should know of this store, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The table as the mapping wants it.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The table as the catalog describes it.
    pub fn table(&self) -> &Table {
        &self.shared.table
    }

    /// The tenant that was asked for.
    pub fn tenant(&self) -> Option<Uuid> {
        self.shared.tenant
    }

    /// Where it is.
    pub fn dsn(&self) -> &Dsn {
        self.shared.connector.dsn()
    }
}

/// Since PostgreSQL 14, and not on every system: whether it works is found out by trying.
const WATCH: &str = "SELECT set_config('client_connection_check_interval', '1s', true);";

/// Everything is set for the transaction alone, so it holds behind a pooler too.
///
/// - Read committed, since the merge must see rows that others committed meanwhile.
/// - Every commit waits for the disk. One that does not may be undone by a crash of the server after
///   it was answered, while the rows are no longer ours to write again. `synchronous_commit` is
///   raised only from `off`, so a stricter setting (a synchronous standby) keeps its meaning.
/// - Deferred constraints are checked at once, so that a row they condemn shows in its own write
///   and not in the commit of all.
/// - The server looks after its client every second, where it can, so that a statement that was
///   given up (a timeout, a kill) stops and frees its locks. A cancel request would need a
///   connection of its own, and brings down pgbouncer 1.18.
fn begin(tenant: Option<Uuid>, watch: bool) -> String {
    let tenant = tenant
        .map(|id| format!("SELECT set_config('app.tenant_id', {}, true);", literal(&id.to_string())))
        .unwrap_or_default();
    let watch = if watch { WATCH } else { "" };
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE; \
         SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'; \
         {watch} {tenant}"
    )
}

impl Sink for PgSink {
    type Session = PgSession;

    fn name(&self) -> &str {
        "postgresql"
    }

    async fn connect(&self, worker: usize) -> Result<PgSession, SinkError> {
        PgSession::open(Arc::clone(&self.shared), worker).await
    }

    /// Every commit has waited for the disk; what is left to do is to close the ledger.
    async fn seal(&self) -> Result<(), SinkError> {
        let Some(ledger) = &self.shared.ledger else { return Ok(()) };
        let link = self.shared.connector.connect().await?;
        link.client.batch_execute(&ledger.finish()).await.map_err(|error| link.classify(&error))
    }
}
