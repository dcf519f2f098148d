//! The server goes away in the middle of a load and comes back: nothing lost, nothing in the DLQ.

use std::io::Read;
use std::net::TcpListener;

use crate::harness::large::LARGE;
use crate::harness::run::Running;
use crate::harness::truth::assert_same;
use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Store, Work, wait};

fn start(work: &Work, db: &Db, workers: &str) -> Running {
    let flags = ["load", LARGE.path(), "--json", "--workers", workers, "--dsn", &db.dsn()];
    work.mdsctl(flags).arguments(["--batch-size", "1000", "--capacity", "8000"]).spawn()
}

/// Waits until rows are in the table, and not all of them.
fn in_the_middle(db: &Db, running: &mut Running) {
    let rows = wait::until(PATIENCE, "the first rows in the table", || {
        assert!(!running.has_ended(), "it ended before a row was seen");
        let rows = db.count("bars");
        (rows > 0).then_some(rows)
    });
    assert!(rows < LARGE.plan.rows, "the whole file was loaded before the fault");
}

fn finish(work: &Work, db: Db, running: Running, what: &str) {
    let run = running.finish().expect(0);
    let books = run.books();
    assert_eq!(books.read, LARGE.plan.rows, "{what}: {run}");
    // Rows of a commit in doubt may be found to be there already.
    assert_eq!(books.inserted + books.unchanged, books.read, "{what}: {run}");
    assert!(run.json()["retries"].as_u64().is_some_and(|retries| retries > 0), "{what}: {run}");
    assert!(!work.path(".dlq").exists(), "{what}: an outage is no fault of the rows: {run}");
    assert_same(&Store::Postgres(db).stored(&LARGE.plan), &LARGE.truth, what);
}

/// Holds the server's port and hangs up on whoever comes, so that the outage lasts at least that
/// many attempts.
fn hang_up_on(server: &Postgres, attempts: usize) {
    let listener =
        wait::until(PATIENCE, "the server's port", || TcpListener::bind(("127.0.0.1", server.port())).ok());
    for _ in 0..attempts {
        let (mut stream, _) = listener.accept().expect("a connection");
        // Something of the greeting, so that the end does not come as a reset.
        let _ = stream.read(&mut [0; 8]);
    }
}

#[test]
fn a_server_killed_in_the_middle_of_a_load() {
    let server = Postgres::private();
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), server.database_with_schema());
        let mut running = start(&work, &db, workers);
        in_the_middle(&db, &mut running);
        server.kill9();
        assert!(!running.has_ended(), "it waits for the server");
        hang_up_on(&server, 3);
        server.start();
        finish(&work, db, running, &format!("kill -9, {workers} workers"));
    }
}

#[test]
fn a_server_restarted_in_the_middle_of_a_load() {
    let server = Postgres::private();
    let (work, db) = (Work::new(), server.database_with_schema());
    let mut running = start(&work, &db, "2");
    in_the_middle(&db, &mut running);
    server.restart();
    finish(&work, db, running, "restart");
}

#[test]
fn sessions_terminated_in_the_middle_of_a_load() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    let mut running = start(&work, &db, "4");
    in_the_middle(&db, &mut running);
    let terminated = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        AND state <> 'idle'";
    wait::until(PATIENCE, "a session to terminate", || (db.value(terminated) != "0").then_some(()));
    finish(&work, db, running, "terminated sessions");
}

#[test]
fn a_table_locked_for_a_while() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    // Lock waits end in an error, again and again, until the lock is gone.
    db.execute(&format!("ALTER DATABASE {} SET lock_timeout = '50ms'", db.name()));
    let mut running = start(&work, &db, "2");
    in_the_middle(&db, &mut running);
    // Held until two waits for it have come to nothing.
    db.execute(
        "SET lock_timeout = 0; SET statement_timeout = '60s'; BEGIN; LOCK TABLE bars IN SHARE MODE;
         DO $$ DECLARE gone int := 0; before bool := false; waiting bool; BEGIN
            WHILE gone < 2 LOOP
                SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'bars'::regclass)
                INTO waiting;
                gone := gone + (before AND NOT waiting)::int;
                before := waiting;
            END LOOP;
         END $$; COMMIT",
    );
    finish(&work, db, running, "lock timeout");
}
