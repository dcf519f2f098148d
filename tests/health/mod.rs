//! `mdsctl health`: what it finds, and how it tells those who watch.

mod instance;
mod letters;
mod rights;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::existing::{TENANTS, existing};
use crate::harness::postgres::free_port;
use crate::harness::run::PASSWORD;
use crate::harness::{Db, Postgres, Run, Store, Work, wait};

const OK: i32 = 0;
const WARNING: i32 = 1;
const CRITICAL: i32 = 2;
const UNKNOWN: i32 = 3;

fn health(work: &Work, dsn: &str, more: &[&str]) -> Run {
    work.mdsctl(["health", "--dsn", dsn]).arguments(more.iter().copied()).run()
}

/// The findings of a check, of a run with `--json`.
fn findings(run: &Run, check: &str) -> Vec<Value> {
    let json = run.json();
    let all = json["findings"].as_array().unwrap_or_else(|| panic!("no findings: {run}"));
    all.iter().filter(|finding| finding["check"] == check).cloned().collect()
}

/// The line about a check that is not well, with its remedy.
fn complaint<'a>(run: &'a Run, check: &str) -> &'a str {
    let mark = format!("] {check}: ");
    let line = run.stdout.lines().find(|line| line.contains(&mark) && !line.starts_with("[OK]"));
    let line = line.unwrap_or_else(|| panic!("nothing is said of {check}: {run}"));
    assert!(line.contains("; "), "no remedy: {run}");
    line
}

#[test]
fn a_store_that_is_well() {
    for kind in ["sqlite", "postgres"] {
        let work = Work::new();
        let store = if kind == "sqlite" { Store::sqlite(&work) } else { Store::postgres() };
        if kind == "sqlite" {
            work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(OK);
        }
        let run = health(&work, &store.dsn(), &[]).expect(OK);
        let mut lines = run.stdout.lines();
        let first = lines.next().expect("a line");
        let (said, numbers) = first.split_once('|').unwrap_or_else(|| panic!("no numbers: {run}"));
        assert!(said.starts_with("MDSCTL OK - ") && said.contains("answers in"), "{run}");
        for number in numbers.split(' ') {
            let (label, value) = number.split_once('=').unwrap_or_else(|| panic!("{number}: {run}"));
            assert!(!label.is_empty() && value.matches(';').count() == 3, "{number}: {run}");
            let digits =
                value.split(';').next().expect("a value").trim_end_matches(|c: char| c.is_alphabetic());
            digits.parse::<f64>().unwrap_or_else(|_| panic!("{number}: {run}"));
        }
        assert!(numbers.contains("store=") && numbers.contains("dlq_rows=0;1;;0"), "{run}");
        assert!(lines.all(|line| line.starts_with("[OK] ")), "{run}");
        let brief = health(&work, &store.dsn(), &["-q"]).expect(OK);
        assert_eq!(brief.stdout.lines().count(), 1, "{brief}");

        let run = health(&work, &store.dsn(), &["--json", "--warn-latency", "1h"]).expect(OK);
        let json = run.json();
        assert_eq!((&json["status"], &json["exit_code"]), (&"ok".into(), &0.into()), "{run}");
        assert!(json["perfdata"]["store"].as_f64().is_some_and(|took| took > 0.0 && took < 60.0), "{run}");
        for check in ["store", "writable", "schema", "ledger", "dlq"] {
            let found = findings(&run, check);
            assert_eq!((found.len(), &found[0]["status"]), (1, &"ok".into()), "{check}: {run}");
            assert!(found[0]["remedy"].is_null(), "{run}");
        }
        // Slow, if that is slow.
        let run = health(&work, &store.dsn(), &["--warn-latency", "0ms"]).expect(WARNING);
        complaint(&run, "store");
        health(&work, &store.dsn(), &["--warn-latency", "0ms", "--crit-latency", "0ms"]).expect(CRITICAL);
    }
}

#[test]
fn a_store_that_is_away_or_silent() {
    let work = Work::new();
    let run = health(&work, &format!("postgres://mds:{PASSWORD}@127.0.0.1:{}/x", free_port()), &[]);
    let run = run.expect(CRITICAL);
    assert!(run.stdout.starts_with("MDSCTL CRITICAL - cannot connect to postgres://mds@127.0.0.1"), "{run}");
    complaint(&run, "store");

    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = silent.local_addr().expect("its address").port();
    let start = Instant::now();
    let dsn = format!("postgres://mds@127.0.0.1:{port}/x?sslmode=disable");
    let run = health(&work, &dsn, &["--timeout", "500ms"]).expect(CRITICAL);
    assert!(complaint(&run, "store").contains("no answer within 0.5 s"), "{run}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn a_wrong_password_is_not_shown() {
    let server = Postgres::private();
    let db = server.database_with_schema();
    db.execute("CREATE ROLE watcher LOGIN PASSWORD 'another-one'");
    server.require_password("watcher");
    let work = Work::new();
    let dsn = db.dsn_as(&format!("watcher:{PASSWORD}"));
    // The server takes a moment to ask for one.
    let run = wait::until(Duration::from_secs(20), "the server to ask for a password", || {
        let run = health(&work, &dsn, &[]);
        (run.code == CRITICAL).then_some(run)
    });
    assert!(complaint(&run, "store").contains("watcher"), "{run}");
    health(&work, &dsn, &["--json"]).expect(CRITICAL);
    health(&work, &db.dsn_as("watcher:another-one"), &[]).expect(OK);
}

#[test]
fn a_database_without_tables_or_with_other_ones() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    let run = health(&work, &db.dsn(), &[]).expect(WARNING);
    assert!(complaint(&run, "schema").contains("mdsctl schema apply"), "{run}");
    assert!(complaint(&run, "ledger").contains("mds_runs"), "{run}");
    assert_eq!(db.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "0");

    // One of ours that somebody has changed.
    let db = Postgres::shared().database_with_schema();
    db.execute("ALTER TABLE bars DROP COLUMN vwap; DROP TABLE news");
    let run = health(&work, &db.dsn(), &[]).expect(WARNING);
    assert!(complaint(&run, "schema").contains("bars: column vwap"), "{run}");

    // Those of the Python system are used as they are.
    let run = health(&work, &existing().dsn(), &["--json"]).expect(WARNING);
    let found = findings(&run, "schema");
    assert_eq!((found.len(), &found[0]["status"]), (1, &"ok".into()), "{run}");
    assert_eq!(findings(&run, "ledger")[0]["status"], "warning", "{run}");
}

#[test]
fn tenants() {
    let (work, db) = (Work::new(), existing());
    db.execute("CREATE TABLE mds_runs (); CREATE TABLE mds_checkpoints ()");
    for known in [TENANTS[0].0, TENANTS[0].1] {
        let run = health(&work, &db.dsn(), &["--tenant", known]).expect(OK);
        assert!(run.stdout.contains(TENANTS[0].1), "{run}");
    }
    for unknown in ["desk-z", "7f3c2a10-5a1e-4a57-9a0e-2b6f6d1cffff"] {
        let run = health(&work, &db.dsn(), &["--tenant", unknown]).expect(CRITICAL);
        assert!(complaint(&run, "tenant").contains(unknown), "{run}");
    }
    let db = Postgres::shared().database_with_schema();
    health(&work, &db.dsn(), &["--tenant", TENANTS[0].1]).expect(OK);
    health(&work, &db.dsn(), &["--tenant", "desk-a"]).expect(CRITICAL);
}

#[test]
fn a_server_that_takes_no_rows() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    db.execute(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", db.name()));
    let run = health(&work, &db.dsn(), &[]).expect(CRITICAL);
    assert!(complaint(&run, "writable").contains("read-only"), "{run}");

    let primary = Postgres::private();
    let db = primary.database_with_schema();
    let standby = primary.standby();
    let run = health(&work, &standby.db(db.name()).dsn(), &[]).expect(CRITICAL);
    assert!(complaint(&run, "writable").contains("standby"), "{run}");
    health(&work, &db.dsn(), &[]).expect(OK);
}

#[test]
fn a_catalog_that_cannot_be_read_in_time() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    let session = db.session().expect("a connection");
    session.execute("BEGIN; LOCK TABLE mds_schema IN ACCESS EXCLUSIVE MODE");
    let start = Instant::now();
    let run = health(&work, &db.dsn(), &["--timeout", "1s"]).expect(UNKNOWN);
    assert!(run.stdout.contains("[OK] store: ") && run.stdout.contains("store_round_trip="), "{run}");
    assert!(complaint(&run, "catalog").contains("no answer within 1 s"), "{run}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn a_job_of_timescale_that_fails() {
    let Some(server) = Postgres::with_timescale("a_job_of_timescale_that_fails") else { return };
    let (work, db): (Work, Db) = (Work::new(), server.database());
    db.execute("CREATE EXTENSION timescaledb");
    work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(OK);
    // Its own jobs and the policies begin at once, and may fail for reasons of their own.
    let run = health(&work, &db.dsn(), &["--json"]);
    assert!(!findings(&run, "timescale_jobs").is_empty() && !run.stdout.contains("archive"), "{run}");

    db.execute(
        "CREATE PROCEDURE boom(job_id int, config jsonb) LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'the disk of the archive is full'; END $$",
    );
    let job = db.value("SELECT add_job('boom', '1h')");
    wait::until(wait::PATIENCE, "the job to fail", || {
        let failed = format!(
            "SELECT 1 FROM timescaledb_information.job_stats WHERE job_id = {job} AND last_run_status = 'Failed'"
        );
        (!db.rows(&failed).is_empty()).then_some(())
    });
    let run = health(&work, &db.dsn(), &[]).expect(WARNING);
    let line = run.stdout.lines().find(|line| line.contains(&format!("CALL run_job({job})")));
    let line = line.unwrap_or_else(|| panic!("nothing is said of job {job}: {run}"));
    assert!(line.starts_with("[WARNING] timescale_jobs: ") && line.contains("archive is full"), "{run}");
    assert!(!run.stdout.contains("timescale_jobs_failing=0"), "{run}");
}

#[test]
fn a_file_that_is_not_there_stays_away() {
    let work = Work::new();
    let run = health(&work, "sqlite:none.db", &[]).expect(CRITICAL);
    assert!(complaint(&run, "store").contains("none.db does not exist"), "{run}");
    assert!(!work.path("none.db").exists());
    // Nobody has said which store: perhaps it is another directory's.
    let run = work.mdsctl(["health"]).run().expect(UNKNOWN);
    assert!(complaint(&run, "store").contains("mds.db"), "{run}");
    assert!(!work.path("mds.db").exists());
    work.mdsctl(["schema", "apply"]).run().expect(OK);
    work.mdsctl(["health"]).run().expect(OK);
}

#[test]
fn files_that_are_no_stores_of_ours() {
    let work = Work::new();
    work.write("prices.csv", "ts,symbol,open\n".repeat(100));
    let run = health(&work, "sqlite:prices.csv", &[]).expect(CRITICAL);
    assert!(run.stdout.contains("is not a SQLite database"), "{run}");
    rusqlite::Connection::open(work.path("empty.db"))
        .and_then(|file| file.execute_batch("CREATE TABLE notes (text TEXT)"))
        .expect("a file");
    let run = health(&work, "sqlite:empty.db", &[]).expect(WARNING);
    complaint(&run, "schema");
    work.mdsctl(["schema", "apply", "--dsn", "sqlite:new.db"]).run().expect(OK);
    rusqlite::Connection::open(work.path("new.db"))
        .and_then(|file| file.execute_batch("INSERT INTO mds_schema VALUES (99, 'x')"))
        .expect("a file");
    let run = health(&work, "sqlite:new.db", &[]).expect(CRITICAL);
    assert!(complaint(&run, "schema").contains("upgrade mdsctl"), "{run}");
    let run = health(&work, "sqlite:new.db", &["--tenant", "desk-a"]).expect(CRITICAL);
    complaint(&run, "tenant");
}

#[test]
fn what_cannot_be_followed_is_unknown() {
    let work = Work::new();
    work.mdsctl(["schema", "apply"]).run().expect(OK);
    for wrong in [
        &["--timeout", "soon"][..],
        &["--dlq-warn", "none"],
        &["--nonsense"],
        &["--url", "ftp://127.0.0.1:1"],
        &["--url", "http://me:correct-horse-7Q@127.0.0.1:1"],
        &["--dsn", "host=a sslmode=nonsense"],
    ] {
        let run = work.mdsctl(["health"]).arguments(wrong.iter().copied()).run().expect(UNKNOWN);
        assert!(run.stdout.starts_with("MDSCTL UNKNOWN - "), "{run}");
    }
    let run = work.mdsctl(["health", "--config", "absent.toml"]).run().expect(UNKNOWN);
    assert!(run.stdout.contains("absent.toml"), "{run}");
    let help = work.mdsctl(["health", "--help"]).run().expect(OK);
    assert!(help.stdout.contains("--dlq-age-crit"), "{help}");
}
