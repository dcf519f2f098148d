//! Keys that differ in the input and are one in the store: the last row wins there too, whatever
//! the number of workers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use rusqlite::Connection;

use crate::harness::{Postgres, Store, Work};

/// Rows of `header`, whose key falls on one of 200 stored keys, and the last value of each.
fn rows(header: &str, row: impl Fn(u64, u64, u64) -> String) -> (String, BTreeMap<u64, u64>) {
    let (mut text, mut last) = (format!("{header}\n"), BTreeMap::new());
    let mut state = 7u64;
    for value in 0..20_000u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (key, noise) = ((state >> 33) % 200, (state >> 20) % 5);
        let _ = writeln!(text, "{}", row(key, noise, value));
        last.insert(key, value);
    }
    (text, last)
}

/// Loads the rows with 4 workers and compares what `query` (key and value) finds.
fn check(table: &str, text: &str, last: &BTreeMap<u64, u64>, query: &str) {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(table);
    fs::write(work.path("rows.csv"), text).expect("a file");
    let flags = ["load", "rows.csv", "--table", "t", "--json", "--workers", "4", "--batch-size", "3000"];
    let run = work.mdsctl(flags).arguments(["--dsn", &db.dsn()]).run().expect(0);
    let books = run.books();
    assert_eq!(books.inserted + books.updated + books.unchanged + books.superseded, books.read, "{run}");
    let text = |cell: &Option<String>| cell.as_deref().and_then(|t| t.parse().ok()).expect("a number");
    let found: BTreeMap<u64, u64> = db.rows(query).iter().map(|row| (text(&row[0]), text(&row[1]))).collect();
    assert_eq!(&found, last, "{run}");
}

#[test]
fn times_in_the_same_microsecond() {
    let (text, last) =
        rows("ts,v", |key, noise, v| format!("{},{v}", 1_704_205_800_000_000_000 + key * 1000 + noise * 99));
    let query = "SELECT (extract(epoch FROM ts - '2024-01-02 14:30Z') * 1000000)::bigint, v FROM t";
    check("CREATE TABLE t (ts timestamptz PRIMARY KEY, v bigint)", &text, &last, query);
}

#[test]
fn numbers_that_round_to_the_same_scale() {
    let (text, last) =
        rows("strike,v", |key, noise, v| format!("{key}.00{noise}234,{v}").replace(".004", ".003"));
    check(
        "CREATE TABLE t (strike numeric(12,2) PRIMARY KEY, v bigint)",
        &text,
        &last,
        "SELECT strike::bigint, v FROM t",
    );
}

#[test]
fn floats_of_the_same_single_precision() {
    let (text, last) = rows("a,v", |key, noise, v| format!("{key}.50000000{noise},{v}"));
    check("CREATE TABLE t (a real PRIMARY KEY, v bigint)", &text, &last, "SELECT trunc(a)::bigint, v FROM t");
}

#[test]
fn a_key_column_that_the_input_leaves_to_its_default() {
    let (text, last) = rows("k,v", |key, _, v| format!("{key},{v}"));
    let table = "CREATE TABLE t (k bigint, src text DEFAULT 'x', v bigint, PRIMARY KEY (k, src))";
    check(table, &text, &last, "SELECT k, v FROM t");
}

#[test]
fn a_numbered_key_that_the_input_brings() {
    let (text, last) = rows("id,v", |key, _, v| format!("{key},{v}"));
    check("CREATE TABLE t (id bigserial PRIMARY KEY, v bigint)", &text, &last, "SELECT id, v FROM t");
}

#[test]
fn the_embedded_store_keeps_the_last_of_a_microsecond_too() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let rows = "ts,symbol,open,high,low,close,volume\n\
        1704205800000000100,A,1,2,1,1,1\n1704205800000000200,A,1,2,1,1,2\n1704205800000000100,A,1,2,1,1,3\n";
    fs::write(work.path("rows.csv"), rows).expect("a file");
    let flags = ["load", "rows.csv", "--vendor", "v", "--timeframe", "1s", "--dsn", &store.dsn()];
    work.mdsctl(flags).run().expect(0);
    assert_eq!(store.rows("SELECT volume FROM bars"), [[Some("3".to_owned())]]);
}

/// Whether the rows of a piece may be written in another order than that of the input hangs on what SQLite takes for one
/// key.
#[test]
fn the_embedded_store_keeps_the_last_of_what_its_columns_take_for_one() {
    type Row = fn(u64, u64, u64) -> String;
    const CASES: [&str; 5] = ["Ab", "AB", "ab", "aB", "ab"];
    let cases: [(&str, Row, &str); 5] = [
        (
            "k TEXT COLLATE NOCASE PRIMARY KEY",
            |key, noise, v| format!("{}{key},{v}", CASES[noise as usize]),
            "CAST(substr(k, 3) AS INTEGER)",
        ),
        (
            "k TEXT COLLATE RTRIM PRIMARY KEY",
            |key, noise, v| format!("\"a{key}{}\",{v}", " ".repeat(noise as usize)),
            "CAST(substr(k, 2) AS INTEGER)",
        ),
        (
            "k BLOB PRIMARY KEY",
            |key, noise, v| format!("\\x{}{key:04},{v}", CASES[noise as usize]),
            "CAST(substr(hex(k), 3) AS INTEGER)",
        ),
        (
            "k REAL PRIMARY KEY",
            |key, noise, v| format!("{key}.50000000000000000{noise}1,{v}"),
            "CAST(k AS INTEGER)",
        ),
        ("k TEXT PRIMARY KEY", |key, _, v| format!("a{key},{v}"), "CAST(substr(k, 2) AS INTEGER)"),
    ];
    for (key, row, number) in cases {
        for rest in ["", " WITHOUT ROWID"] {
            let (text, last) = rows("k,v", row);
            let work = Work::new();
            let table = format!("CREATE TABLE t ({key}, v INTEGER){rest}");
            Connection::open(work.path("store.db")).and_then(|c| c.execute_batch(&table)).expect("a table");
            let store = Store::sqlite(&work);
            fs::write(work.path("rows.csv"), text).expect("a file");
            let flags = ["load", "rows.csv", "--table", "t", "--json", "--batch-size", "3000"];
            let run = work.mdsctl(flags).arguments(["--dsn", &store.dsn()]).run().expect(0);
            let books = run.books();
            assert_eq!(
                books.inserted + books.updated + books.unchanged + books.superseded,
                books.read,
                "{run}"
            );
            let whole =
                |cell: &Option<String>| cell.as_deref().and_then(|t| t.parse().ok()).expect("a number");
            let found = store.rows(&format!("SELECT {number}, v FROM t"));
            let found: Vec<(u64, u64)> = found.iter().map(|row| (whole(&row[0]), whole(&row[1]))).collect();
            assert_eq!(found.len(), last.len(), "{table}: {run}");
            assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), last, "{table}: {run}");
        }
    }
}
