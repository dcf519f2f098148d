//! `--on-conflict`: rows whose key is there already, and rows of one key in the input.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::harness::{Store, Work, on_every_store};

/// Rows of the input.
const ROWS: u64 = 3_000;

/// The key of a row; every key has several rows, far apart and next to one another.
fn key_of(row: u64) -> u64 {
    (row * 7_919 / 3) % 600
}

/// Keys that are in the table before.
fn there(key: u64) -> bool {
    key.is_multiple_of(5)
}

/// Keys that have one row which the table refuses.
fn spoiled(key: u64) -> bool {
    !there(key) && key % 7 == 3
}

fn prepare(work: &Work, store: &Store, key: &str) {
    if let Store::Sqlite(_) = store {
        work.write("store.db", "");
    }
    store.rows(&format!("CREATE TABLE t (k text NOT NULL {key}, v bigint NOT NULL CHECK (v > 0))"));
}

/// The input: its value is the row's number, below zero where the table refuses it. The refused one
/// of a key is the one that would win.
fn input(last_wins: bool) -> Vec<(u64, i64)> {
    let mut winners = BTreeMap::new();
    for row in 1..=ROWS {
        if last_wins || !winners.contains_key(&key_of(row)) {
            winners.insert(key_of(row), row);
        }
    }
    let refused = |row: u64| spoiled(key_of(row)) && winners[&key_of(row)] == row;
    (1..=ROWS).map(|row| (key_of(row), if refused(row) { -(row as i64) } else { row as i64 })).collect()
}

fn csv(rows: &[(u64, i64)]) -> String {
    let mut csv = String::from("k,v\n");
    for (key, value) in rows {
        let _ = writeln!(csv, "k{key},{value}");
    }
    csv
}

fn stored(store: &Store) -> BTreeMap<String, i64> {
    let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
    let rows = store.rows("SELECT k, v FROM t");
    let all: BTreeMap<String, i64> =
        rows.iter().map(|row| (text(&row[0]), text(&row[1]).parse().expect("a number"))).collect();
    assert_eq!(all.len(), rows.len(), "one row a key");
    all
}

/// Loads the input under the policy into a table with some of its keys, and checks table, books and
/// dead letters.
fn check(how: &str) {
    on_every_store(|work, store, workers, what| {
        let what = format!("{how}, {what}");
        prepare(work, store, "PRIMARY KEY");
        let before: Vec<(u64, i64)> =
            (0..600).filter(|key| there(*key)).map(|key| (key, 1_000_000 + key as i64)).collect();
        let path = work.write("before.csv", csv(&before));
        work.mdsctl(["load", &path, "--table", "t", "--dsn", &store.dsn()]).run().expect(0);

        let rows = input(how == "update");
        let path = work.write("rows.csv", csv(&rows));
        let flags = ["load", &path, "--table", "t", "--json", "--on-conflict", how, "--workers", workers];
        let more = ["--batch-size", "90", "--dlq", "d", "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).arguments(more).run().expect(3);

        let mut expected: BTreeMap<String, i64> =
            before.iter().map(|(key, value)| (format!("k{key}"), *value)).collect();
        let mut dead: BTreeMap<u64, &str> = BTreeMap::new();
        for (number, (key, value)) in (1..).zip(&rows) {
            let name = format!("k{key}");
            if *value < 0 {
                dead.insert(number, "23514");
            } else if how == "update" || !expected.contains_key(&name) {
                expected.insert(name, *value);
            } else if how == "error" {
                dead.insert(number, "23505");
            }
        }
        assert_eq!(stored(store), expected, "{what}: {run}");

        let books = run.books();
        let fresh = (expected.len() - before.len()) as u64;
        assert_eq!((books.read, books.inserted), (ROWS, fresh), "{what}: {run}");
        assert_eq!(
            (books.rejected, books.dropped, books.unchanged),
            (dead.len() as u64, 0, 0),
            "{what}: {run}"
        );
        let rest = ROWS - fresh - dead.len() as u64;
        let (replaced, skipped) = if how == "skip" { (0, rest) } else { (rest, 0) };
        assert_eq!((books.updated + books.superseded, books.skipped), (replaced, skipped), "{what}: {run}");

        let letters = work.dlq("d");
        let mut found = BTreeMap::new();
        for letter in &letters {
            for (row, item) in letter.rows.iter().zip(&letter.items) {
                assert!(found.insert(*row, &*letter.code).is_none(), "twice: {}", letter.line);
                let (key, value) = rows[*row as usize - 1];
                assert_eq!(item["k"], format!("k{key}"), "{}", letter.line);
                assert_eq!(item["v"], value, "{}", letter.line);
            }
        }
        assert_eq!(found, dead, "{what}");
    });
}

#[test]
fn update_the_last_row_wins() {
    check("update");
}

#[test]
fn skip_the_first_row_stays() {
    check("skip");
}

#[test]
fn error_later_rows_are_dead_letters() {
    check("error");
}

#[test]
fn without_a_key_every_row_is_appended() {
    for how in ["update", "skip", "error"] {
        on_every_store(|work, store, workers, what| {
            prepare(work, store, "");
            let rows: Vec<(u64, i64)> = (0..400).map(|row| (row % 3, 1 + row as i64 % 2)).collect();
            let path = work.write("rows.csv", csv(&rows));
            let flags = ["load", &path, "--table", "t", "--json", "--on-conflict", how, "--workers", workers];
            let run =
                work.mdsctl(flags).arguments(["--batch-size", "50", "--dsn", &store.dsn()]).run().expect(0);
            assert_eq!(run.books().inserted, 400, "{how}, {what}: {run}");
            assert_eq!(store.count("t"), Some(400), "{how}, {what}");
        });
    }
}
