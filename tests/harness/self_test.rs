//! The harness keeps its own promises.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::run::fixture;
use super::truth::{self, Notation, assert_same, truth};
use super::{Postgres, Store, wait};
use crate::generator::fixtures;
use crate::generator::market::Dataset;

#[test]
fn databases_of_the_shared_server_are_apart() {
    let (a, b) = (Postgres::shared().database(), Postgres::shared().database());
    a.execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1), (2)");
    assert_eq!(a.count("t"), 2);
    assert!(b.try_rows("SELECT * FROM t").is_err_and(|error| error.contains("does not exist")));
    assert_eq!(a.rows("SELECT x, NULL FROM t ORDER BY x")[1], [Some("2".to_string()), None]);
}

#[test]
fn a_private_server_stops_dies_and_comes_back_with_what_was_committed() {
    let server = Postgres::private();
    let db = server.database();
    db.execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    server.stop();
    assert!(!server.is_running());
    assert!(db.try_rows("SELECT 1").is_err());
    server.start();
    db.execute("INSERT INTO t VALUES (2)");
    server.kill9();
    assert!(!server.is_running());
    assert!(db.try_rows("SELECT 1").is_err());
    server.start();
    assert_eq!(db.count("t"), 2);
    server.restart();
    assert_eq!(db.count("t"), 2);
    let directory = server.socket_directory().to_path_buf();
    drop(server);
    assert!(!directory.exists());
}

#[test]
fn a_role_with_a_password_gets_in_with_it_only() {
    let server = Postgres::private();
    let db = server.database();
    db.execute("CREATE ROLE guarded LOGIN PASSWORD 'let-me-in'");
    server.require_password("guarded");
    let psql = |dsn: String| {
        let mut command = super::programs::PROGRAMS.command("psql", server.socket_directory());
        command.args(["-X", "-c", "SELECT 1", &dsn]).stdin(Stdio::null()).output().expect("psql starts")
    };
    // The rule is in force as soon as the server has taken note.
    wait::until(Duration::from_secs(20), "the server to ask for a password", || {
        (!psql(db.dsn_as("guarded:wrong")).status.success()).then_some(())
    });
    assert!(psql(db.dsn_as("guarded:let-me-in")).status.success());
    assert!(psql(db.dsn()).status.success());
}

/// The truth that stores are compared with, against what the server itself reads from the CSV.
#[test]
fn the_truth_is_what_the_server_reads_from_the_csv() {
    for dataset in [Dataset::Bars, Dataset::Ticks, Dataset::Options, Dataset::Fundamentals, Dataset::News] {
        let (db, plan) = (Postgres::shared().database(), fixtures::small(dataset));
        let columns = truth::columns(&plan);
        let types = columns.iter().map(|(name, notation)| match notation {
            Notation::Text => format!("{name} text"),
            Notation::Number => format!("{name} numeric"),
            Notation::Instant => format!("{name} timestamptz"),
            Notation::Day => format!("{name} date"),
        });
        db.execute(&format!("CREATE TABLE t ({})", types.collect::<Vec<_>>().join(", ")));
        let csv = fs::read(fixture(&format!("{}.csv", fixtures::name(dataset)))).expect("the fixture");
        let mut psql = super::programs::PROGRAMS
            .command("psql", Postgres::shared().socket_directory())
            .args([
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                // The key of the news has the symbol, and not all are about one.
                match dataset {
                    Dataset::News => "\\copy t FROM STDIN (FORMAT csv, HEADER, FORCE_NOT_NULL (symbol))",
                    _ => "\\copy t FROM STDIN (FORMAT csv, HEADER)",
                },
                &db.dsn(),
            ])
            .stdin(Stdio::piped())
            .spawn()
            .expect("psql starts");
        psql.stdin.take().expect("a pipe").write_all(&csv).expect("psql reads");
        assert!(psql.wait().expect("psql ends").success());
        let mut expected = truth(&plan);
        if dataset == Dataset::Ticks {
            // COPY rounds nanoseconds; what is cut off is ours to keep elsewhere.
            let mut stored = Store::Postgres(db).table("t", &columns);
            stored
                .iter_mut()
                .chain(&mut expected)
                .for_each(|row| row[0].truncate("2019-01-07T14:30:00".len()));
            assert_same(&truth::sorted(stored), &truth::sorted(expected), "ticks");
            continue;
        }
        assert_same(&Store::Postgres(db).table("t", &columns), &expected, fixtures::name(dataset));
    }
}

/// Run by the test below in a process of its own, which is then killed.
#[test]
#[ignore = "part of another test"]
fn holds_a_server_until_it_is_killed() {
    if std::env::var_os("MDSCTL_TEST_HOLD").is_some() {
        let server = Postgres::private();
        println!("\nholding {}", server.socket_directory().display());
        std::thread::park();
    }
}

#[test]
fn a_server_does_not_outlive_a_test_process_that_is_killed() {
    let mut holder = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "harness::self_test::holds_a_server_until_it_is_killed",
        ])
        .env("MDSCTL_TEST_HOLD", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program starts again");
    let lines = BufReader::new(holder.stdout.take().expect("a pipe")).lines();
    let directory = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("holding ").map(std::path::PathBuf::from))
        .expect("it holds a server");
    assert!(directory.join("data/postmaster.pid").exists());
    holder.kill().expect("it is killed");
    holder.wait().expect("it is gone");
    // The directory goes last, after the server.
    wait::until(wait::PATIENCE, "the server to go", || (!directory.exists()).then_some(()));
}
