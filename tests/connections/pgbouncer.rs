//! Through pgbouncer in transaction mode: everything works, and nothing stays behind in the
//! sessions that others get after us.

use super::{UNAVAILABLE, USAGE};
use crate::generator::fixtures;
use crate::generator::random::Random;
use crate::generator::write::Format;
use crate::harness::db::Session;
use crate::harness::feed::Feed;
use crate::harness::pgbouncer::{POOL, Pgbouncer};
use crate::harness::quotes::{DLQ, Quotes, TABLE};
use crate::harness::run::{PASSWORD, fixture};
use crate::harness::truth::{assert_same, truth};
use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Store, Work, wait};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// A server and a pooler before it.
struct Pooled {
    server: Postgres,
    pooler: Pgbouncer,
}

impl Pooled {
    fn start() -> Option<Self> {
        let server = Postgres::private();
        // Settings of the role that a load must leave as they are.
        server.db("postgres").execute(&format!(
            "CREATE ROLE loader LOGIN SUPERUSER PASSWORD '{PASSWORD}';
             ALTER ROLE loader SET synchronous_commit = off"
        ));
        let pooler = Pgbouncer::start(&server, "loader", PASSWORD)?;
        Some(Self { server, pooler })
    }

    fn dsn(&self, db: &Db) -> String {
        self.dsn_as(&format!("loader:{PASSWORD}"), db)
    }

    fn dsn_as(&self, role: &str, db: &Db) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{}", self.pooler.port(), db.name())
    }

    /// Fails if a session of the pool is not as it was made.
    fn assert_clean(&self, db: &Db) {
        let left = "SELECT (SELECT count(*) FROM pg_prepared_statements),
            (SELECT count(*) FROM pg_class WHERE relpersistence = 't'),
            (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
            current_setting('synchronous_commit'), current_setting('client_connection_check_interval'),
            coalesce(current_setting('app.tenant_id', true), ''), current_setting('search_path'),
            (SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
                AND application_name <> 'test'), pg_backend_pid()";
        // All at once, so that each has a session of the pool.
        let sessions: Vec<Session> = (0..POOL).map(|_| Session::to(&self.dsn(db))).collect();
        sessions.iter().for_each(|session| session.execute("BEGIN"));
        let mut processes = Vec::new();
        for session in &sessions {
            let mut rows = session.try_rows(left).expect("an answer");
            let mut row: Vec<String> = rows.remove(0).into_iter().map(|v| v.unwrap_or_default()).collect();
            processes.extend(row.pop());
            assert_eq!(row, ["0", "0", "0", "off", "0", "", "\"$user\", public", "0"]);
        }
        processes.sort_unstable();
        processes.dedup();
        assert_eq!(processes.len(), POOL, "the whole pool");
    }
}

#[test]
fn a_load_through_a_pooler_and_the_same_again() {
    let Some(pooled) = Pooled::start() else { return };
    let (work, plan, db) = (Work::new(), fixtures::bars(), pooled.server.database());
    let dsn = pooled.dsn(&db);
    work.mdsctl(["schema", "apply", "--dsn", &dsn]).run().expect(0);
    work.mdsctl(["schema", "check", "--dsn", &dsn]).run().expect(0);
    for workers in ["1", "4"] {
        let load = |input: &str| {
            let flags = ["load", input, "--json", "--batch-size", "40", "--workers", workers, "--dsn", &dsn];
            work.mdsctl(flags).arguments(["--tenant", TENANT]).run().expect(0)
        };
        assert_eq!(load(&fixture("bars.csv")).books().inserted, plan.rows);
        assert_eq!(load(&fixture("bars.parquet")).books().unchanged, plan.rows);
        assert_eq!(db.value("SELECT DISTINCT tenant_id FROM bars"), TENANT);
        assert_same(&Store::Postgres(db.clone()).stored(&plan), &truth(&plan), workers);
        db.execute("TRUNCATE bars");
        pooled.assert_clean(&db);
    }
}

#[test]
fn rejects_and_lost_sessions_behind_a_pooler() {
    let Some(pooled) = Pooled::start() else { return };
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), pooled.server.database());
        db.execute(TABLE);
        let (feed, pipe) = Feed::start(Quotes::new(Random::new(23, 0), 300), Format::Ndjson);
        let flags = ["load", "-", "--table", "quotes", "--json", "--dlq", DLQ, "--workers", workers];
        let small = ["--capacity", "2000", "--batch-size", "200", "--retry-max-backoff", "100ms"];
        let program = work.mdsctl(flags).arguments(small).arguments(["--cb-half-open-after", "200ms"]);
        let mut running = program.arguments(["--dsn", &pooled.dsn(&db)]).within(PATIENCE).pipe(pipe).spawn();
        // The pooler's sessions, which the program takes turns in.
        let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = 'loader' AND backend_xid IS NOT NULL";
        let mut at = 0;
        for _ in 0..3 {
            at = wait::until(PATIENCE, "further rows", || {
                assert!(!running.has_ended(), "it ended: {}", running.said());
                let seen: u64 = db.value("SELECT coalesce(max(seq), 0) FROM quotes").parse().ok()?;
                (seen > at).then_some(seen)
            });
            wait::until(PATIENCE, "a transaction to end", || (db.value(terminate) != "0").then_some(()));
        }
        let (run, mut quotes) = feed.finish(running);
        quotes.assert_loaded(&work, &db, &run, &format!("{workers} workers"));
        assert!(run.json()["retries"].as_u64().is_some_and(|retries| retries > 0), "{run}");
        pooled.assert_clean(&db);
    }
}

#[test]
fn a_pooler_that_does_not_let_us_in() {
    let Some(pooled) = Pooled::start() else { return };
    let (work, db) = (Work::new(), pooled.server.database());
    let load = |dsn: &str| work.mdsctl(["load", &fixture("bars.csv"), "--dsn", dsn]).run();
    let run = load(&pooled.dsn_as("loader", &db)).expect(USAGE);
    assert!(run.error().contains("asks for a password; give it in"), "{run}");
    // Old versions have one SQLSTATE for everything, so that a wrong password looks as if
    // it might pass.
    let run = load(&pooled.dsn_as(&format!("loader:not-{PASSWORD}"), &db));
    assert!([USAGE, UNAVAILABLE].contains(&run.code), "{run}");
    assert!(run.error().contains("authentication failed"), "{run}");
    let run = load(&pooled.dsn(&db).replace(db.name(), "no_such_database"));
    assert!([USAGE, UNAVAILABLE].contains(&run.code), "{run}");
    assert!(run.error().contains("no_such_database"), "{run}");
}
