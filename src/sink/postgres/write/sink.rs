//! The store as the engine sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use uuid::Uuid;

use crate::batch::{Commit, Reason};
use crate::dataset::time::TimeOptions;
use crate::dataset::{LiveTarget, Target};
use crate::error::Result;
use crate::port::{CommitMark, Resolved, Sink, SinkError, TransientKind};
use crate::settings::OnConflict;
use crate::sink::answered;
use crate::sink::postgres::bulk::{self, Bulk};
use crate::sink::postgres::catalog::casts::Casts;
use crate::sink::postgres::catalog::describe::describe;
use crate::sink::postgres::catalog::nodes;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::catalog::tenant::{expect_given, expect_tenant, find_tenant, unknown_tenant};
use crate::sink::postgres::connection::blockers::Blockers;
use crate::sink::postgres::connection::connect::{Connector, Link, to_error};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::connection::quoting::{ident, literal};
use crate::sink::postgres::encode::comparison::{self, clock_ahead, tells_when};
use crate::sink::postgres::encode::encoder::RoundingPolicy;
use crate::sink::postgres::ledger::marks::Ledger;
use crate::sink::postgres::ledger::numbers::Numbers;
use crate::sink::postgres::verify::PgVerifier;
use crate::sink::postgres::write::comparison::PgComparison;
use crate::sink::postgres::write::digested::Digested;
use crate::sink::postgres::write::proof::{Catalog, changed};
use crate::sink::postgres::write::rehearsal::PgRehearsal;
use crate::sink::postgres::write::session::{PLACES, PgSession};
use crate::text::number_format;

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
    /// What happens to rows whose key is in the table already.
    pub on_conflict: OnConflict,
    /// How the server is to read times in texts that only it can read (ranges, arrays): without a zone
    /// in UTC if none is said, and dates of digits from the year on if no order is.
    pub reading: TimeOptions,
    /// Whether what the table has stays where it was written after the rows had failed for the first
    /// time (their batch's [`Origin`](crate::batch::Origin) knows when). See
    /// [`PgSink::guards_newer`].
    pub newer_stays: bool,
    /// The run, whose ledger is kept; none for no ledger, as where nothing is to be written.
    pub run_id: Option<Uuid>,
    /// How long a statement may take before whoever waits for it gives it up.
    pub statement: Option<Duration>,
}

/// A table of a PostgreSQL server.
pub struct PgSink {
    shared: Arc<Shared>,
    /// The table as it was at the start.
    table: Table,
    target: Target,
    notes: Vec<String>,
}

/// What all sessions of a sink have in common.
pub(in crate::sink::postgres) struct Shared {
    pub connector: Connector,
    /// The table, for people.
    pub name: String,
    /// The table, as far as it is known.
    pub catalog: Catalog,
    /// By what the server reads texts that it casts, where rows say nothing else.
    pub casts: Casts,
    /// Whether rows of this run have been stored.
    pub worked: AtomicBool,
    /// Why rows cannot go by way of a temporary table, where this role may make none.
    pub no_stage: Option<Reason>,
    /// Sessions that there was room for when the store was opened, where it tells.
    pub room: Option<usize>,
    /// How long an answer of the server took then.
    pub distance: Option<Duration>,
    /// Who was found in the way of the workers.
    pub blockers: Blockers,
    pub tenant: Option<Uuid>,
    pub rules: RoundingPolicy,
    pub on_conflict: OnConflict,
    /// How far the server's clock is ahead of ours, in microseconds, where rows stay that are newer
    /// than the ones at hand; nothing where these replace all others.
    pub clock_ahead: Option<i64>,
    /// What begins a transaction.
    pub begin: String,
    /// What ends a statement shortly before it would be given up.
    pub limit: String,
    /// Whether one was given up, so that the next ones are to end by themselves: what the server ends it
    /// tells, and the session is not lost over it.
    pub given_up: AtomicBool,
    /// Whether commits need not wait for the disk: the ledger tells afterwards which of them a crash
    /// of the server has undone.
    pub lazy: bool,
    /// What of the run is committed, where this role may keep that.
    pub ledger: Option<Ledger>,
    /// Where it may not: the numbers of the last commits.
    pub numbers: Numbers,
    /// What is known of rows that the table has already.
    pub digested: Digested,
    /// The load in bulk, where it is one.
    pub bulk: OnceLock<Bulk>,
}

impl Shared {
    /// A connection more. What opened the store has had one, so a server that refuses us now (a password
    /// that was changed, a database that is made anew) is waited for.
    pub async fn connect(&self) -> Result<Link, SinkError> {
        let link = self.connector.connect().await.map_err(|error| match error {
            SinkError::Fatal(reason) if is_waited_for(&reason.code) => {
                SinkError::Transient(TransientKind::Refused, reason)
            }
            other => other,
        });
        let mut link = link?;
        if let Some(bulk) = self.bulk.get() {
            let (name, meant) = bulk.alias();
            link.call(name, meant);
        }
        Ok(link)
    }

    /// Ends a load in bulk: brings its rows into their table, into which rows go from then on. Whoever comes
    /// meanwhile waits, and who gives up does not end it.
    pub async fn end_bulk(self: &Arc<Self>) -> Result<(), SinkError> {
        match self.bulk.get().filter(|bulk| bulk.is_on()) {
            Some(bulk) => {
                let shared = Arc::clone(self);
                let connect = async move { shared.connect().await };
                bulk.end(connect, || self.catalog.turn_to(bulk.target().clone(), None)).await
            }
            None => Ok(()),
        }
    }

    /// Where that refusal of a transaction means that the bulk table is gone: another process has taken this one
    /// for dead, and has brought its rows where they belong.
    pub async fn lost_bulk(&self, error: &SinkError) -> Option<SinkError> {
        let bulk = self.bulk.get().filter(|bulk| bulk.is_on())?;
        if !matches!(&*error.reason().code, "42P01" | "table_unfit") {
            return None;
        }
        let link = self.connect().await.ok()?;
        if bulk.is_there(&link).await.unwrap_or(true) {
            return None;
        }
        bulk.turn_off();
        self.catalog.turn_to(bulk.target().clone(), None);
        Some(changed(bulk.target()))
    }

    /// Runs a step against the store, and says meanwhile which lock it waits for, if it does.
    pub async fn watched<T>(&self, step: impl Future<Output = T>) -> T {
        self.blockers.watched(&self.connector, &self.name, step).await
    }

    /// The error where somebody is at work on the store. What it refuses of a run that has stored rows, or
    /// since the table has changed, worked before: it is waited for like an outage, so that it can be
    /// mended without the run. At the start of a run the same is an error of its user.
    pub fn waited_for(&self, error: SinkError) -> SinkError {
        let worked = self.worked.load(Ordering::Relaxed);
        match error {
            SinkError::Fatal(reason) => {
                let wait = match &*reason.code {
                    "table_unfit" | "42P01" | "3F000" => true,
                    // Whether these columns fit is known only since there are rows with them.
                    "no_column" | "missing_column" | "bad_type" => self.catalog.has_changed(),
                    code => (worked || self.catalog.has_changed()) && is_waited_for(code),
                };
                match wait {
                    true => SinkError::Transient(TransientKind::Refused, reason),
                    false => SinkError::Fatal(reason),
                }
            }
            other => other,
        }
    }
}

/// Has the table looked at by a connection of its own, which is opened where there is something to look
/// for first.
fn look_by(shared: &Arc<Shared>) {
    let (weak, runtime) = (Arc::downgrade(shared), Handle::current());
    let looker: Mutex<(Option<Link>, Option<Instant>)> = Mutex::default();
    shared.catalog.live.looked_at_by(move || {
        let Some(shared) = weak.upgrade() else { return };
        let mut looker = looker.lock().unwrap_or_else(PoisonError::into_inner);
        let (link, failed) = &mut *looker;
        if failed.is_some_and(|at| at.elapsed() < AFTER_FAILURE) {
            return;
        }
        let looked = runtime.block_on(tokio::time::timeout(LONGEST_LOOK, async {
            let open = match link.take().filter(|link| !link.client.is_closed()) {
                Some(open) => open,
                None => shared.connect().await.ok()?,
            };
            shared.catalog.look(&open).await.ok()?;
            Some(open)
        }));
        *link = looked.ok().flatten();
        *failed = link.is_none().then(Instant::now);
    });
}

/// How long a look at the table may take; it holds up the reading of the input.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// How long after a look that came to nothing there is no other: the store is away, and what can be told
/// without it goes on.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Whether a refusal is about what stands in the store: credentials, names, privileges, types.
fn is_waited_for(code: &str) -> bool {
    // A password that is asked for or a certificate that has run out, where neither was the case before.
    matches!(code, "57P04" | "connection_refused" | "tls")
        || matches!(code.get(..2), Some("28" | "3D" | "3F" | "42" | "0A"))
}

impl PgSink {
    /// Connects, looks the tenant up and reads the catalog.
    ///
    /// # Errors
    /// Usage for what the user can mend (credentials, a missing table or tenant or privilege);
    /// unavailable, if the server cannot be reached.
    pub async fn open(options: PgOptions) -> Result<Self> {
        Self::open_within(options, None, || ()).await
    }

    /// Opens the table, where each question has to be answered within that time. `reached` is called once the
    /// server has taken the connection: what fails then is an outage like one in the middle.
    ///
    /// # Errors
    /// Those of [`PgSink::open`]; unavailable, if an answer takes too long.
    pub async fn open_within(
        options: PgOptions,
        limit: Option<Duration>,
        reached: impl Fn(),
    ) -> Result<Self> {
        let connector = Connector::new(options.dsn)?;
        let link = answered(limit, connector.connect_to_write()).await?;
        reached();
        let tenant = match &options.tenant {
            Some(tenant) => Some(answered(limit, find_tenant(&link, tenant)).await?),
            None => None,
        };
        let table = answered(limit, describe(&link, &options.table, options.on_conflict)).await?;
        let mut stranger = None;
        if let Some(tenant) = tenant {
            answered(limit, expect_tenant(&link, &table, tenant)).await?;
            if table.columns.iter().any(|column| column.name == "tenant_id") {
                stranger = answered(limit, async { Ok(unknown_tenant(&link, tenant).await) }).await?;
            }
        } else {
            answered(limit, expect_given(&link, &table)).await?;
        }
        let target = table.target();
        let (ledger, note) = match options.run_id {
            Some(run) => answered(limit, Ledger::open(&link, run)).await?,
            None => (None, None),
        };
        let guards = options.newer_stays && options.on_conflict == OnConflict::Update && tells_when(&table);
        let clock_ahead = if guards { Some(answered(limit, clock_ahead(&link)).await?) } else { None };
        let node = answered(limit, async { Ok(nodes::note(&link, &table).await) }).await?;
        let notes = stranger
            .into_iter()
            .chain(node)
            .chain(note)
            .chain(clock_ahead.and_then(comparison::note))
            .collect();
        let watch = answered(limit, async { Ok(link.client.batch_execute(WATCH).await.is_ok()) }).await?;
        let limitless = table.decompression_limit;
        // Of a transaction on several nodes of Citus the others are committed before ours is on disk.
        let whole = ledger.is_some() && table.distribution.is_none();
        let lazy = whole && answered(limit, async { Ok(tells_flushed(&link).await) }).await?;
        let casts = Casts::told(&options.reading);
        let shared = Shared {
            lazy,
            connector,
            name: table.display_name(),
            catalog: Catalog::new(table.clone(), casts.settings(), options.on_conflict),
            casts,
            worked: AtomicBool::new(false),
            no_stage: answered(limit, no_stage(&link)).await?,
            room: answered(limit, async { Ok(room(&link).await) }).await?,
            distance: answered(limit, async { Ok(distance(&link).await) }).await?,
            blockers: Blockers::default(),
            tenant,
            rules: RoundingPolicy { exact: options.exact, round: options.round },
            on_conflict: options.on_conflict,
            clock_ahead,
            begin: begin(tenant, watch, limitless, lazy),
            limit: options.statement.map(limit_statements).unwrap_or_default(),
            given_up: AtomicBool::new(false),
            ledger,
            numbers: Numbers::default(),
            digested: Digested::default(),
            bulk: OnceLock::new(),
        };
        let shared = Arc::new(shared);
        look_by(&shared);
        Ok(Self { shared, table, target, notes })
    }

    /// What the user should know of this store, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether the run is kept in the store's history, so that it can be resumed.
    pub fn keeps_runs(&self) -> bool {
        self.shared.ledger.as_ref().is_some_and(Ledger::keeps_runs)
    }

    /// Whether rows that the table has stay where they were written after the rows at hand had failed:
    /// asked for, and the table can tell, since it has a key and an `updated_at` that every row gets.
    pub fn guards_newer(&self) -> bool {
        self.shared.clock_ahead.is_some()
    }

    /// The table as the mapping wants it.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The table as the catalog described it at the start.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The table as it is while rows are written, for the mapping.
    pub fn live(&self) -> Arc<LiveTarget> {
        self.shared.catalog.live.clone()
    }

    /// What tells which rows it would refuse before anything is sent.
    pub fn rehearsal(&self) -> PgRehearsal {
        PgRehearsal::new(self.table.clone(), self.shared.tenant, self.shared.rules)
    }

    /// What tells which rows it has already.
    pub fn comparison(&self) -> PgComparison {
        PgComparison::new(self.shared.clone())
    }

    /// What compares rows of inputs with its own.
    pub(in crate::sink::postgres) async fn verifier(&self) -> Result<PgVerifier> {
        PgVerifier::open(self.shared.clone(), self.table.clone()).await
    }

    /// Has rows go into the table in bulk: see [`OpenTable::begin_bulk`](crate::sink::OpenTable::begin_bulk).
    pub(in crate::sink::postgres) async fn begin_bulk(
        &self,
        run: Uuid,
        goes_on: bool,
    ) -> Result<std::result::Result<String, String>> {
        let shared = &self.shared;
        let link = shared.connect().await.map_err(to_error)?;
        let on_conflict = shared.on_conflict;
        let begun = match goes_on {
            true => bulk::begin::take_over(&link, &self.table, on_conflict, run).await?,
            false => bulk::begin::begin(&link, &self.table, on_conflict, run).await?,
        };
        Ok(begun.map(|(bulk, table)| {
            let name = table.display_name();
            if shared.bulk.set(bulk).is_ok() {
                shared.catalog.turn_to(table, Some(self.target.clone()));
            }
            name
        }))
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
const WATCH: &str = "SELECT pg_catalog.set_config('client_connection_check_interval', '1s', true);";

/// No statement of ours is worth compiling: each looks at rows of a batch by an index, which the planner, who knows
/// nothing of what is asked for, takes for the whole table.
const NO_JIT: &str = "SELECT pg_catalog.set_config('jit', 'off', true);";

/// See [`begin`].
const LIMITLESS: &str =
    "SELECT pg_catalog.set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);";

/// Whether the server says how far its WAL is on disk, and whether that is all there is to wait for: a
/// synchronous standby is waited for in every commit.
async fn tells_flushed(link: &Link) -> bool {
    let sql = format!("{PLACES} WHERE pg_catalog.current_setting('synchronous_standby_names') = ''");
    link.client.query_typed_opt(&sql, &[]).await.is_ok_and(|row| row.is_some())
}

/// How many sessions more the server, the database and the role have room for; `None` where that is not told. What
/// a pooler in between allows nobody tells.
async fn room(link: &Link) -> Option<usize> {
    // Whose sessions they are is told to everybody, what they are is not.
    let sql = "WITH sessions AS (SELECT datid, usesysid FROM pg_catalog.pg_stat_activity WHERE datid IS NOT NULL) \
        SELECT least( \
        pg_catalog.current_setting('max_connections')::int8 \
        - pg_catalog.current_setting('superuser_reserved_connections')::int8 \
        - coalesce(pg_catalog.current_setting('reserved_connections', true)::int8, 0) \
        - (SELECT count(*) FROM sessions), \
        (SELECT CASE WHEN datconnlimit >= 0 THEN datconnlimit - (SELECT count(*) FROM sessions WHERE datid = d.oid) END \
        FROM pg_catalog.pg_database d WHERE datname = pg_catalog.current_database()), \
        (SELECT CASE WHEN rolconnlimit >= 0 THEN rolconnlimit - (SELECT count(*) FROM sessions WHERE usesysid = r.oid) END \
        FROM pg_catalog.pg_roles r WHERE rolname = current_user))";
    let row = link.client.query_typed_one(sql, &[]).await.ok()?;
    // This one is counted, and gives its place to the one that the history of runs is written by.
    Some(usize::try_from(row.try_get::<_, i64>(0).ok()?).unwrap_or(0))
}

/// How long an answer to nothing takes, the shorter one of two.
async fn distance(link: &Link) -> Option<Duration> {
    let mut shortest = None;
    for _ in 0..2 {
        let asked = Instant::now();
        link.client.batch_execute("").await.ok()?;
        let took = asked.elapsed();
        shortest = Some(shortest.map_or(took, |known: Duration| known.min(took)));
    }
    shortest
}

/// Why this role may make no temporary tables, where it may not: a load of rows that are new to their table
/// needs none.
async fn no_stage(link: &Link) -> Result<Option<Reason>> {
    let sql = "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY'), \
               pg_catalog.current_database()::text, current_user::text";
    let failed = |error: tokio_postgres::Error| to_error(link.classify(&error));
    let row = link.client.query_typed_one(sql, &[]).await.map_err(failed)?;
    let (may, database, role): (bool, String, String) =
        (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
    Ok((!may).then(|| {
        let message = format!(
            "role {role} may make no temporary table in the database {database}, by which rows go that may be in their table already; as its owner run: GRANT TEMPORARY ON DATABASE {} TO {}",
            ident(&database),
            ident(&role)
        );
        Reason::new("no_privilege", message)
    }))
}

/// Everything is set for the transaction alone, so it holds behind a pooler too.
///
/// - Read committed, since the merge must see rows that others committed meanwhile.
/// - Where a ledger is kept, commits do not wait for the disk: the worker keeps their rows until
///   they are known to be there, and asks the ledger when a connection is lost. Without one every
///   commit waits; `synchronous_commit` is raised only from `off`, so a stricter setting (a
///   synchronous standby) keeps its meaning.
/// - Deferred constraints are checked at once, so that a row they condemn shows in its own write
///   and not in the commit of all.
/// - The server looks after its client every second, where it can, so that a statement that was
///   given up (a timeout, a kill) stops and frees its locks. A cancel request would need a
///   connection of its own, and brings down pgbouncer 1.18.
/// - A hypertable of TimescaleDB takes any number of rows out of compressed chunks: the limit is for
///   statements that touch more than was meant, while a batch touches what its keys say. It is set
///   for every hypertable, since somebody may compress it while the load goes on.
fn begin(tenant: Option<Uuid>, watch: bool, limitless: bool, lazy: bool) -> String {
    let tenant = tenant
        .map(|id| {
            format!("SELECT pg_catalog.set_config('app.tenant_id', {}, true);", literal(&id.to_string()))
        })
        .unwrap_or_default();
    let watch = if watch { WATCH } else { "" };
    let limitless = if limitless { LIMITLESS } else { "" };
    let commit = if lazy {
        "SELECT pg_catalog.set_config('synchronous_commit', 'off', true);"
    } else {
        "SELECT pg_catalog.set_config('synchronous_commit', 'on', true) WHERE pg_catalog.current_setting('synchronous_commit') = 'off';"
    };
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE; {NO_JIT} {commit} {watch} {limitless} {tenant}"
    )
}

/// Has the server end a statement after two fifths of that time, unless it would do so sooner by itself: a
/// row alone that takes too long is tried once more in the same step.
fn limit_statements(given_up_after: Duration) -> String {
    let limit = (given_up_after.as_millis() * 2 / 5).clamp(1, i32::MAX as u128);
    format!(
        "SELECT pg_catalog.set_config('statement_timeout', '{limit}', true) \
         WHERE pg_catalog.current_setting('statement_timeout')::pg_catalog.interval \
         NOT BETWEEN '1 ms'::pg_catalog.interval AND '{limit} ms'::pg_catalog.interval;"
    )
}

impl Sink for PgSink {
    type Session = PgSession;

    fn name(&self) -> &str {
        "postgresql"
    }

    fn room(&self) -> Option<usize> {
        self.shared.room
    }

    fn distance(&self) -> Option<Duration> {
        self.shared.distance
    }

    async fn connect(&self, worker: usize) -> Result<PgSession, SinkError> {
        PgSession::open(Arc::clone(&self.shared), worker).await
    }

    fn name_of(&self, worker: usize, mark: &CommitMark) -> Option<Commit> {
        let Some(ledger) = &self.shared.ledger else {
            let (transaction, server) = self.shared.numbers.of(worker, mark.serial)?;
            return Some(Commit::Numbered { transaction, server: server.as_ref().into() });
        };
        ledger.name_of(worker, mark)
    }

    async fn unfinished(&self) -> Option<String> {
        let bulk = self.shared.bulk.get().filter(|bulk| bulk.is_on() && bulk.has_rows())?;
        let link = self.shared.connect().await.ok()?;
        let bytes = bulk.weight(&link).await.ok()??;
        Some(format!(
            "building the indexes of {} over {} of rows, which needs about as much room again on the disk and in the WAL; then they show there",
            self.shared.name,
            number_format::bytes(bytes)
        ))
    }

    async fn finish(&self) -> Result<Resolved, SinkError> {
        self.shared.end_bulk().await?;
        Ok(self.shared.bulk.get().and_then(Bulk::resolved).unwrap_or_default())
    }

    /// The workers have waited for the disk. The ledger stays until the run has said how it ended.
    async fn seal(&self) -> Result<(), SinkError> {
        let Some(seal) = self.shared.ledger.as_ref().and_then(Ledger::seal) else { return Ok(()) };
        let link = self.shared.connect().await?;
        link.client.batch_execute(&seal).await.map_err(|error| link.classify(&error))
    }
}
