//! Rows that wait for what others tell, and those that never get it: each is accounted for once.

use std::io::Write as _;

use super::append;
use crate::harness::{Run, Store, Work, on_every_store};

const FLAGS: [&str; 5] = ["--dataset", "bars", "--vendor", "v", "--json"];

/// A bar as a line of JSON, with further members.
fn bar(minute: u64, more: &str) -> String {
    format!("{{\"open\":1,\"high\":2,\"low\":1,\"close\":1,\"volume\":{minute}{more}}}\n")
}

fn at(minute: u64) -> String {
    format!(",\"ts\":\"2024-03-04T10:{minute:02}:00Z\"")
}

/// Loads that text as a file, from a pipe and by a tail, into a store of its own each; a tail twice, since the
/// second one is to find nothing.
fn every_way(text: &str, flags: &[&str], check: impl Fn(&Work, &Store, &Run, &str)) {
    on_every_store(|work, store, workers, what| {
        let more = |command: &str, input: &str| {
            let run = work.mdsctl([command, input, "--workers", workers, "--dsn", &store.dsn()]);
            run.arguments(flags.iter().copied())
        };
        match workers {
            "1" => {
                append(work, "in.ndjson", text);
                let run = more("load", "in.ndjson").run();
                check(work, store, &run, &format!("load, {what}"));
            }
            _ => {
                append(work, "in.ndjson", text);
                let tail = || more("tail", "in.ndjson").arguments(["--idle-exit", "300ms"]).run();
                let run = tail();
                check(work, store, &run, &format!("tail, {what}"));
                let again = tail();
                assert_eq!(
                    again.books().read,
                    run.books().read * u64::from(run.code == 2),
                    "{what}: {again}"
                );
                let pipe = Work::new();
                let dsn = Store::sqlite(&pipe).dsn();
                let (reader, mut writer) = std::io::pipe().expect("a pipe");
                writer.write_all(text.as_bytes()).expect("the pipe");
                drop(writer);
                let run = pipe.mdsctl(["load", "-", "--dsn", &dsn]);
                let run = run.arguments(flags.iter().copied()).pipe(reader).run();
                check(&pipe, &Store::sqlite(&pipe), &run, &format!("pipe, {what}"));
            }
        }
    });
}

/// The dead rows of the queue, by number and code.
fn dead(work: &Work) -> Vec<(u64, String)> {
    if !work.path(".dlq/bars.ndjson").exists() {
        return Vec::new();
    }
    let letters = work.dlq(".dlq/bars.ndjson");
    let mut dead: Vec<(u64, String)> =
        letters.iter().flat_map(|letter| letter.rows.iter().map(|row| (*row, letter.code.clone()))).collect();
    dead.sort();
    dead
}

#[test]
fn a_row_that_waits_for_its_timeframe_is_not_lost_when_a_later_one_brings_its_own() {
    let symbol = ",\"symbol\":\"A\"";
    let text = bar(0, &(at(0) + symbol)) + &bar(1, &(at(1) + symbol + ",\"timeframe\":\"1m\""));
    every_way(&text, &FLAGS, |work, store, run, what| {
        let books = run.books();
        assert_eq!((run.code, books.read, books.inserted, books.rejected), (3, 2, 1, 1), "{what}: {run}");
        assert_eq!(store.count("bars"), Some(1), "{what}: {run}");
        assert_eq!(dead(work).len(), 1, "{what}: {run}");
        assert_eq!(dead(work)[0].0, 1, "{what}: {run}");
    });
}

#[test]
fn a_refused_row_does_not_end_the_waiting_of_others() {
    let symbol = ",\"symbol\":\"A\"";
    let rows: Vec<String> = (0..6).map(|minute| bar(minute, &(at(minute) + symbol))).collect();
    // A member more starts a batch of its own.
    let bad = "{\"open\":\"x\",\"high\":2,\"low\":1,\"close\":1,\"volume\":1,\"ts\":\"2024-03-04T10:01:00Z\",\"symbol\":\"A\",\"note\":\"n\"}\n";
    let text = rows[0].clone() + bad + "{\"more\":1,\"open\":\"x\",\"symbol\":\"A\"}\n" + &rows[2..].concat();
    every_way(&text, &FLAGS, |_, store, run, what| {
        let books = run.books();
        assert_eq!((run.code, books.read, books.inserted, books.rejected), (3, 7, 5, 2), "{what}: {run}");
        assert_eq!(store.count("bars"), Some(5), "{what}: {run}");
    });
}

#[test]
fn a_first_row_that_lacks_what_it_must_have_refuses_no_file() {
    let rest = |symbol: &str| -> String {
        (1..5).map(|minute| bar(minute, &(at(minute) + symbol + ",\"timeframe\":\"1m\""))).collect()
    };
    let symbol = ",\"symbol\":\"A\"";
    let firsts = [
        bar(0, &at(0)),
        bar(0, symbol),
        "{\"open\":1}\n".to_owned(),
        "{}\n".to_owned(),
        bar(0, "") + "{\"heartbeat\":1}\n",
    ];
    for first in firsts {
        let lacking = first.lines().count() as u64;
        for flags in [&FLAGS[..], &FLAGS[2..]] {
            if flags.len() < FLAGS.len() && !first.contains("volume") {
                continue;
            }
            every_way(&(first.clone() + &rest(symbol)), flags, |work, store, run, what| {
                let what = format!("{what}, {first}");
                let books = run.books();
                assert_eq!((run.code, books.inserted, books.rejected), (3, 4, lacking), "{what}: {run}");
                assert_eq!(store.count("bars"), Some(4), "{what}: {run}");
                let rows: Vec<u64> = dead(work).into_iter().map(|(row, _)| row).collect();
                assert_eq!(rows, (1..=lacking).collect::<Vec<_>>(), "{what}: {run}");
            });
        }
    }
    // What all of them lack is said of the file.
    for rows in [2, 300] {
        let work = Work::new();
        append(&work, "in.ndjson", &(0..rows).map(|n| bar(n % 60, &at(n % 60))).collect::<String>());
        let dsn = Store::sqlite(&work).dsn();
        let run = work.mdsctl(["load", "in.ndjson", "--dsn", &dsn]).arguments(FLAGS).run().expect(2);
        assert!(run.error().contains("no column for") && run.error().contains("symbol"), "{run}");
    }
}
