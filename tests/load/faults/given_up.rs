//! What has no answer, and what nobody waits for any longer: commits in doubt, a store under a lock, a
//! dead-letter queue that has gone away.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use rustix::process::Signal;

use super::endings::{assert_none_lost, in_the_middle, lock, stream};
use super::{PATIENCE, program};
use crate::harness::proxy::{Loss, Proxy};
use crate::harness::quotes::TABLE;
use crate::harness::{Db, Postgres, Run, Work, dlq, wait};

/// Rows of a table that tells nothing of them apart.
const PLAIN: &str = "CREATE TABLE plain (n bigint, note text)";

fn lines(from: u64, to: u64) -> String {
    let mut text = String::new();
    for n in from..to {
        let _ = writeln!(text, r#"{{"n": {n}, "note": "row {n}"}}"#);
    }
    text
}

/// How often each number is in the table or in a dead letter.
fn copies(db: &Db, work: &Work) -> BTreeMap<u64, u64> {
    let mut copies = BTreeMap::new();
    for row in db.rows("SELECT n FROM plain") {
        *copies.entry(row[0].as_ref().and_then(|n| n.parse().ok()).expect("a number")).or_default() += 1;
    }
    for letter in work.dlq("letters.ndjson") {
        for item in &letter.items {
            *copies.entry(item["n"].to_string().trim_matches('"').parse().expect("a number")).or_default() +=
                1;
        }
    }
    copies
}

/// A role that may write and no more, so that the store keeps no ledger for it.
fn guest(db: &Db, table: &str) -> String {
    let role = format!("guest_{}", db.name());
    db.execute(&format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {role} LOGIN;
         GRANT SELECT, INSERT, UPDATE ON {table} TO {role}"
    ));
    db.dsn_as(&role)
}

#[test]
fn commits_without_an_answer_are_asked_for_where_there_is_no_ledger() {
    let server = Postgres::shared();
    for (table, flags) in [
        (PLAIN, &[][..]),
        ("CREATE TABLE plain (n bigint PRIMARY KEY, note text)", &["--on-conflict", "error"]),
    ] {
        for workers in ["1", "3"] {
            let (work, db) = (Work::new(), server.database());
            db.execute(table);
            let dsn = guest(&db, "plain");
            let proxy = Proxy::start(server.port(), 3, 5, Loss::Cut);
            let what = format!("{table}, {workers} workers");
            let path = work.write("plain.ndjson", lines(0, 6_000));
            let place = ["load", &path, "--table", "plain", "--json", "--dlq", "letters.ndjson", "--dsn"];
            let program = work.mdsctl(place).arguments([proxy.dsn(&dsn, server.port())]);
            let engine = ["--workers", workers, "--batch-size", "200", "--retry-initial-backoff", "10ms"];
            let run = program.arguments(engine).arguments(flags.iter().copied()).run().expect(0);
            assert!(proxy.lost() >= 3, "{what}: {} answers were lost: {run}", proxy.lost());
            assert_eq!(run.books().inserted, 6_000, "{what}: {run}");
            let copies = copies(&db, &work);
            assert_eq!(copies.len(), 6_000, "{what}: {run}");
            let twice: Vec<_> = copies.iter().filter(|(_, times)| **times != 1).collect();
            assert!(twice.is_empty(), "{what}: {twice:?}: {run}");
        }
    }
}

#[test]
fn a_commit_that_hangs_when_the_run_is_stopped_leaves_its_rows_in_one_place() {
    let server = Postgres::shared();
    for ledger in [true, false] {
        let (work, db) = (Work::new(), server.database());
        db.execute(PLAIN);
        let dsn = if ledger { db.dsn() } else { guest(&db, "plain") };
        let proxy = Proxy::start(server.port(), 4, 1, Loss::Silence);
        let what = format!("with a ledger: {ledger}");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let place = ["load", "-", "--table", "plain", "--json", "--dlq", "letters.ndjson", "--dsn"];
        let program = work.mdsctl(place).arguments([proxy.dsn(&dsn, server.port())]);
        let engine = ["--workers", "1", "--batch-size", "100", "--capacity", "1000"];
        let mut running = program.arguments(engine).pipe(reader).spawn();
        let given = std::thread::spawn(move || {
            let mut next = 0;
            // Until nobody reads.
            while std::io::Write::write_all(&mut writer, lines(next, next + 50).as_bytes()).is_ok() {
                next += 50;
            }
        });
        wait::until(PATIENCE, "a commit without an answer", || {
            assert!(!running.has_ended(), "{what}: {}", running.said());
            (proxy.lost() > 0).then_some(())
        });
        running.signal(Signal::INT);
        wait::until(PATIENCE, "the first signal to be noticed", || {
            running.said().contains("once more to stop at once").then_some(())
        });
        running.signal(Signal::INT);
        let run = running.finish().expect(130);
        given.join().expect("the writer");
        let copies = copies(&db, &work);
        let twice: Vec<_> = copies.iter().filter(|(_, times)| **times != 1).collect();
        assert!(twice.is_empty(), "{what}: {twice:?}: {run}");
        // One after the other, so that none is missing.
        let (first, last) = (copies.first_key_value(), copies.last_key_value());
        assert_eq!(first.map(|(n, _)| *n), Some(0), "{what}: {run}");
        assert_eq!(last.map(|(n, _)| n + 1), Some(copies.len() as u64), "{what}: {run}");
        let books = run.books();
        assert_eq!(books.read, copies.len() as u64, "{what}: {run}");
        assert_eq!(books.inserted, db.count("plain"), "{what}: {run}");
    }
}

#[test]
fn a_terminal_that_closes_and_a_service_that_is_stopped_lose_no_row_of_a_pipe() {
    let server = Postgres::shared();
    for signal in [Signal::HUP, Signal::QUIT, Signal::TERM] {
        for locked in [false, true] {
            let (work, db) = (Work::new(), server.database());
            db.execute(TABLE);
            let what = format!("{signal:?}, locked: {locked}");
            let (feed, pipe) = stream();
            let program = program(&work, "-", &db.dsn(), "2");
            let mut running = program.pipe(pipe).spawn();
            in_the_middle(&db, &mut running);
            let other = locked.then(|| lock(&db));
            if locked {
                let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'quotes'::regclass";
                wait::until(PATIENCE, "a write that hangs", || (!db.rows(waiting).is_empty()).then_some(()));
            }
            running.signal(signal);
            if signal == Signal::HUP {
                // Shells say it once more.
                running.signal(signal);
            }
            let (run, taken) = feed.outlive(running);
            let run = run.expect(143);
            drop(other);
            assert_none_lost(&work, &db, &run, &taken, &what);
            let aborted = work.dlq("letters.ndjson").iter().any(|letter| letter.stage == "abort");
            assert!(aborted || !locked, "{what}: {run}");
        }
    }
}

#[test]
fn under_nohup_a_terminal_may_close() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(TABLE);
    let (feed, pipe) = stream();
    let mut running = program(&work, "-", &db.dsn(), "2").without_hangups().pipe(pipe).spawn();
    in_the_middle(&db, &mut running);
    running.signal(Signal::HUP);
    let before = super::progress(&db);
    wait::until(PATIENCE, "more rows", || (super::progress(&db) > before + 500).then_some(()));
    let (run, mut quotes) = feed.finish(running);
    assert!(!run.stderr.contains("stopping"), "{run}");
    quotes.assert_loaded(&work, &db, &run.expect(3), "nohup");
}

/// Rows of a pipe, of which every hundredth is refused by the store and the one behind it is no JSON.
pub(super) fn spoilt(from: u64, to: u64) -> String {
    let mut text = String::new();
    for n in from..to {
        let _ = match n % 100 {
            40 => writeln!(text, r#"{{"n": {n}, "note": null}}"#),
            41 => writeln!(text, r#"{{"n": {n}, "note": "#),
            _ => writeln!(text, r#"{{"n": {n}, "note": "row {n}"}}"#),
        };
    }
    text
}

pub(super) fn told(run: &Run, what: &str) {
    for word in ["bug", "do not close", "their files", "panicked"] {
        assert!(!run.stderr.contains(word), "{what}: {run}");
    }
}

#[test]
fn a_dead_letter_queue_that_goes_away_costs_no_good_row() {
    let server = Postgres::shared();
    // Who gives it up: the time that was set, or somebody who asks twice.
    for patience in [true, false] {
        for workers in ["1", "3"] {
            let (work, db) = (Work::new(), server.database());
            db.execute("CREATE TABLE plain (n bigint, note text NOT NULL)");
            let what = format!("--max-outage: {patience}, {workers} workers");
            fs::create_dir(work.path("graves")).expect("a directory");
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            let place =
                ["load", "-", "--table", "plain", "--json", "--dlq", "graves/letters.ndjson", "--dsn"];
            let engine = ["--workers", workers, "--batch-size", "100", "--capacity", "1000"];
            let program = work.mdsctl(place).arguments([db.dsn()]).arguments(engine);
            let program = if patience { program.arguments(["--max-outage", "1s"]) } else { program };
            let mut running = program.pipe(reader).spawn();
            let given = std::thread::spawn(move || {
                let mut next = 0;
                while std::io::Write::write_all(&mut writer, spoilt(next, next + 50).as_bytes()).is_ok() {
                    next += 50;
                }
            });
            wait::until(PATIENCE, "the first dead letters", || {
                assert!(!running.has_ended(), "{what}: {}", running.said());
                dlq::has_some(&work.path("graves/letters.ndjson")).then_some(())
            });
            fs::rename(work.path("graves"), work.path("away")).expect("it is moved");
            fs::write(work.path("graves"), "").expect("a file in its place");
            if !patience {
                wait::until(PATIENCE, "the queue to be missed", || {
                    assert!(!running.has_ended(), "{what}: {}", running.said());
                    running.said().contains("dead-letter queue").then_some(())
                });
                running.signal(Signal::INT);
                wait::until(PATIENCE, "the first signal to be noticed", || {
                    running.said().contains("once more to stop at once").then_some(())
                });
                running.signal(Signal::INT);
            }
            let run = running.finish().expect(5);
            given.join().expect("the writer");
            told(&run, &what);
            let rows = &run.json()["rows"];
            let [taken, inserted, rejected] =
                ["read", "inserted", "rejected"].map(|name| rows[name].as_u64().expect("a number"));
            let stored: Vec<u64> = db
                .rows("SELECT n FROM plain ORDER BY n")
                .iter()
                .map(|row| row[0].as_ref().and_then(|n| n.parse().ok()).expect("a number"))
                .collect();
            assert_eq!(stored.len() as u64, inserted, "{what}: {run}");
            // Every good row of what was taken is there: all before the last line that was read.
            let good = |n: &u64| !matches!(n % 100, 40 | 41);
            let expected: Vec<u64> = (0..taken).filter(good).collect();
            assert_eq!(stored, expected, "{what}: {run}");
            let letters = dlq::rows(&dlq::read(&work.path("away/letters.ndjson")));
            assert_eq!(letters, rejected, "{what}: {run}");
            let lost = taken - inserted - rejected;
            assert!(lost > 0, "{what}: {run}");
            assert!(
                run.error().contains(&format!("{lost} row")) || run.stderr.contains(&format!("{lost} row")),
                "{what}: {run}"
            );
        }
    }
}
