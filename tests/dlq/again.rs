//! A file that is loaded again: its dead letters replace those of its earlier run.

use std::fs;

use serde_json::Value;

use crate::harness::{Store, Work};

const HEADER: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";

fn bar(day: u32, volume: &str) -> String {
    format!("2024-01-{day:02},v,A,1d,1,1,1,1,{volume}\n")
}

/// Row numbers and runs of the records.
fn letters(work: &Work, name: &str) -> Vec<(Vec<u64>, String)> {
    let run = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("JSON");
        record["metadata"]["run_id"].as_str().expect("a run").to_owned()
    };
    work.dlq(name).into_iter().map(|letter| (letter.rows.clone(), run(&letter.line))).collect()
}

#[test]
fn letters_of_a_file_that_is_loaded_again_stand_there_once() {
    for postgres in [false, true] {
        let work = Work::new();
        let store = if postgres { Store::postgres() } else { Store::sqlite(&work) };
        let dsn = store.dsn();
        let load = |name: &str| {
            work.mdsctl(["load", name, "--dsn", &dsn, "--dlq", "d.ndjson", "--json"]).run().expect(3)
        };
        let text = HEADER.to_owned() + &bar(2, "1") + &bar(3, "x") + &bar(4, "y") + "2024-01-05,v\n";
        work.write("a.csv", &text);
        work.write("b.csv", HEADER.to_owned() + &bar(3, "x"));
        load("a.csv");
        load("b.csv");
        let before = letters(&work, "d.ndjson");
        let run = load("a.csv");
        let after = letters(&work, "d.ndjson");
        let rows = |all: &[(Vec<u64>, String)]| all.iter().map(|(rows, _)| rows.len()).sum::<usize>();
        assert_eq!((rows(&before), rows(&after)), (4, 4), "{store}: {before:?} {after:?} {run}");
        assert_eq!(run.books().rejected, 3, "{run}");
        assert!(run.stderr.contains("are replaced"), "{run}");
        let own = run.json()["run_id"].as_str().expect("a run").to_owned();
        assert_eq!(after.iter().filter(|(_, of)| *of == own).map(|(rows, _)| rows.len()).sum::<usize>(), 3);
        // Another content of the same row is another row.
        work.write("a.csv", text.replace(",y\n", ",z\n"));
        load("a.csv");
        assert_eq!(rows(&letters(&work, "d.ndjson")), 5, "{store}");
        // And what somebody keeps there beside stays.
        let queue = work.path("d.ndjson");
        let kept = fs::read_to_string(&queue).expect("the queue") + "a note\n";
        fs::write(&queue, kept).expect("the queue");
        load("a.csv");
        let text = fs::read_to_string(&queue).expect("the queue");
        assert!(text.contains("a note\n"), "{text}");
    }
}

#[test]
fn rows_of_a_pipe_and_those_that_are_to_be_there_twice_are_not_replaced() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let dsn = store.dsn();
    let text = HEADER.to_owned() + &bar(3, "x");
    for _ in 0..2 {
        work.mdsctl(["load", "-", "--dsn", &dsn, "--dlq", "d.ndjson"]).stdin(text.clone()).run().expect(3);
    }
    assert_eq!(letters(&work, "d.ndjson").len(), 2);
    let Store::Sqlite(path) = &store else { unreachable!() };
    let keyless = "CREATE TABLE k (ts timestamp, volume integer)";
    rusqlite::Connection::open(path).expect("it").execute_batch(keyless).expect("a table");
    work.write("a.csv", "ts,volume\n2024-01-02,1\n2024-01-03,x\n");
    let arguments = ["load", "a.csv", "--table", "k", "--dsn", &dsn, "--dlq", "k.ndjson"];
    work.mdsctl(arguments).run().expect(3);
    work.mdsctl(arguments).arguments(["--force"]).run().expect(3);
    assert_eq!((store.count("k"), letters(&work, "k.ndjson").len()), (Some(2), 2));
}
