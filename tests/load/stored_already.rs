//! A load that did not come to its end, into a table without a key, where no later run knows what is stored:
//! what is to be done is told, and doing it leaves each row in the table once.

use std::collections::BTreeSet;

use rustix::process::Signal;

use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Store, Work, wait};

const ROWS: u64 = 200_000;

fn lines(from: u64, to: u64) -> String {
    (from..to).map(|n| format!("{n},{n}\n")).collect()
}

/// A role that may write and no more, so that the store keeps no ledger for it.
fn guest(db: &Db, table: &str) -> String {
    let role = format!("guest_{}_{table}", db.name());
    db.execute(&format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {role} LOGIN;
         GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}"
    ));
    db.dsn_as(&role)
}

/// The numbers in the table, which has each once.
fn assert_whole(store: &Store, table: &str, what: &str) {
    assert_eq!(store.count(table), Some(ROWS), "{what}");
    let once = store.rows(&format!("SELECT count(DISTINCT n), min(n), max(n) FROM {table}"));
    let once: Vec<_> = once[0].iter().flatten().map(String::as_str).collect();
    assert_eq!(once, [&*ROWS.to_string(), "0", &*(ROWS - 1).to_string()], "{what}");
}

#[test]
fn an_interrupted_file_has_to_be_taken_out_first() {
    for (kind, signal, code) in
        [("postgres", Signal::INT, 130), ("postgres", Signal::TERM, 143), ("sqlite", Signal::INT, 130)]
    {
        let work = Work::new();
        let store = Store::holding(&work, kind == "sqlite", "CREATE TABLE t (n int, v int)");
        let (dsn, more) = match &store {
            Store::Postgres(db) => (guest(db, "t"), &[][..]),
            // It keeps its history always; what may be dropped cannot be gone on with.
            _ => (store.dsn(), &["--overflow", "drop-oldest"][..]),
        };
        let path = work.write("t.csv", format!("n,v\n{}", lines(0, ROWS)));
        let load = |flags: &[&str]| {
            let place = ["load", &path, "--table", "t", "--dsn", &dsn, "--batch-size", "100"];
            work.mdsctl(place).arguments(more.iter().chain(flags).copied())
        };
        let what = format!("{kind}, {code}");
        for json in [true, false] {
            let flags: &[&str] =
                if json { &["--json", "--capacity", "1000"] } else { &["--capacity", "1000"] };
            let mut running = load(flags).spawn();
            wait::until(PATIENCE, "the first rows", || {
                assert!(!running.has_ended(), "{what}: {}", running.said());
                store.count("t").filter(|rows| *rows > 0)
            });
            running.signal(signal);
            let run = running.finish().expect(code);
            let stored = store.count("t").expect("the table");
            assert!(stored < ROWS, "{what}: it was over before the signal: {run}");
            let told = if json { run.json()["error"].to_string() } else { run.stderr.clone() };
            let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
            let name = if kind == "sqlite" { "t" } else { "public.t" };
            let order = format!(
                "of this run out of {name} first, which has no key and would have them twice (all its rows, where it was empty before), and run the same command again"
            );
            assert!(told.contains(&order), "{what}: {told}");
            if json {
                assert_eq!(run.books().inserted, stored, "{what}: {run}");
            } else {
                assert!(told.contains("next take the"), "{what}: {told}");
            }
            assert!(!told.contains("for the rest") && !told.contains("--resume to"), "{what}: {told}");
            store.rows("DELETE FROM t");
        }
        load(&["--capacity", "400000"]).run().expect(0);
        assert_whole(&store, "t", &what);
    }
}

#[test]
fn where_nothing_is_stored_or_the_table_has_a_key_the_same_command_is_enough() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE k (n int PRIMARY KEY, v int)");
    let dsn = guest(&db, "k");
    let path = work.write("k.csv", format!("n,v\n{}", lines(0, ROWS)));
    let place = ["load", &path, "--table", "k", "--dsn", &dsn, "--json"];
    let mut running = work.mdsctl(place).arguments(["--batch-size", "100", "--capacity", "1000"]).spawn();
    wait::until(PATIENCE, "the first rows", || {
        assert!(!running.has_ended(), "{}", running.said());
        (db.count("k") > 0).then_some(())
    });
    running.signal(Signal::INT);
    let run = running.finish().expect(130);
    assert!(run.error().ends_with("; run the same command again for the rest"), "{run}");
    let run = work.mdsctl(place).run().expect(0);
    assert_eq!(run.books().inserted + run.books().unchanged, ROWS, "{run}");
    assert_eq!(db.count("k"), ROWS);
}

#[test]
fn other_ends_tell_it_too() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (n int, v int)");
    let dsn = guest(&db, "t");
    let good = work.write("good.csv", format!("n,v\n{}", lines(0, 1_000)));
    let order = "take the 1,000 rows of this run out of public.t first";
    // The second file is at fault.
    let bad = work.write("bad.csv.gz", [&[0x1f, 0x8b, 8, 0][..], &[0xff; 40]].concat());
    let place = ["load", &good, &bad, "--table", "t", "--dsn", &dsn, "--batch-size", "100"];
    let run = work.mdsctl(place).run().expect(6);
    let told = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&format!("mend or fetch the input again, then {order}")), "{run}");
    assert_eq!(db.count("t"), 1_000);
    db.execute("DELETE FROM t");
    // Too many rows are refused.
    let wrong: String = (0..200).map(|n| format!("{n},x\n")).collect();
    let late = work.write("late.csv", format!("n,v\n{}{wrong}", lines(0, 1_000)));
    let place = ["load", &late, "--table", "t", "--dsn", &dsn, "--batch-size", "100", "--max-rejects", "100"];
    let run = work.mdsctl(place).run().expect(4);
    let told = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let stored = db.count("t");
    if stored > 0 {
        assert!(told.contains("before it is loaded again, take the"), "{run}");
    }
    let seen: BTreeSet<_> = db.rows("SELECT n FROM t").into_iter().collect();
    assert_eq!(seen.len() as u64, stored, "{run}");
}

#[test]
fn addresses_are_no_paths() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    // Those of object stores are inputs of a load, and nothing that could be followed.
    let objects: &[&str] = &["s3://bucket/bars.csv", "http://host/*.csv"];
    for (command, more) in [("load", &[][..]), ("tail", objects)] {
        for name in ["ticker://feed", "pulsar://broker:6650/bars"].iter().chain(more) {
            let place = [command, name, "--dataset", "bars", "--dsn", &dsn, "--json"];
            let run = work.mdsctl(place).run().expect(6);
            assert!(
                run.error().contains(&format!("error: {name} is not a path, and nothing is fetched")),
                "{run}"
            );
            assert!(run.error().ends_with("or pipe it to the same command with - for the name"), "{run}");
        }
    }
    // One that is a path all the same.
    work.write("ticker:/bars.csv", "ts,vendor,symbol,timeframe,open,high,low,close,volume\n");
    let run = work.mdsctl(["load", "ticker://bars.csv", "--dataset", "bars", "--dsn", &dsn]).run().expect(0);
    assert!(run.stderr.contains("Nothing to load"), "{run}");
}
