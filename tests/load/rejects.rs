//! A bad row costs that row only, and is told apart from other kinds of bad.

use std::collections::BTreeSet;
use std::fs;

use crate::generator::fixtures::{SEVEN, seven_kinds};
use crate::generator::spoil::Fault;
use crate::harness::run::fixture;
use crate::harness::truth::{assert_same, truth_of};
use crate::harness::{Db, Postgres, Store, Work, dlq, on_every_store};

/// Bars as the Python system bounds them.
const BOUNDED: &str = "CREATE SCHEMA own;
    CREATE TABLE own.bars (
        ts timestamptz NOT NULL, vendor varchar(20) NOT NULL, symbol varchar(20) NOT NULL,
        timeframe varchar(16) NOT NULL, open_price numeric(20,8), high_price numeric(20,8),
        low_price numeric(20,8), close_price numeric(20,8), volume bigint,
        vwap numeric(20,8), trades bigint, PRIMARY KEY (ts, vendor, symbol, timeframe))";

fn bounded() -> Db {
    let db = Postgres::shared().database();
    db.execute(BOUNDED);
    db
}

fn is_fine_in_unbounded_columns(fault: Fault) -> bool {
    matches!(fault, Fault::TooLarge | Fault::TooLong)
}

#[test]
fn seven_bad_rows_of_seven_kinds_cost_seven_rows() {
    let (plan, _) = seven_kinds();
    let expected = truth_of(&plan, |row| SEVEN.iter().all(|(bad, _)| *bad != row));
    assert_eq!(expected.len(), 1000);
    for extension in ["csv", "ndjson"] {
        for workers in ["1", "4"] {
            let (work, db) = (Work::new(), bounded());
            let path = fixture(&format!("bad/seven-kinds.{extension}"));
            let program = work.mdsctl(["load", &path, "--dataset", "bars", "--table", "own.bars", "--json"]);
            let run = program.arguments(["--dsn", &db.dsn(), "--workers", workers]).run().expect(3);
            let books = run.books();
            assert_eq!((books.read, books.inserted, books.rejected), (1007, 1000, 7), "{run}");
            let store = Store::Postgres(db);
            let stored = store.table("own.bars", &crate::harness::truth::columns(&plan));
            assert_same(&stored, &expected, &format!("{path}, {workers} workers"));

            let letters = work.dlq(".dlq/bars.ndjson");
            assert_eq!(letters.len(), 7, "each for its own reason: {letters:#?}");
            let mut rows: Vec<u64> = letters.iter().flat_map(|letter| letter.rows.clone()).collect();
            rows.sort_unstable();
            assert_eq!(rows, SEVEN.map(|(row, _)| row));
            let reasons: BTreeSet<&str> = letters.iter().map(|letter| &*letter.error).collect();
            assert_eq!(reasons.len(), 7, "{reasons:#?}");
            let text = fs::read_to_string(&path).expect("the fixture");
            let header = usize::from(extension == "csv");
            for letter in &letters {
                assert!(letter.source.ends_with(&format!("seven-kinds.{extension}")), "{}", letter.line);
                let (_, fault) =
                    SEVEN.iter().find(|(row, _)| letter.rows == [*row]).expect("one of the seven");
                let (stage, column) = match fault {
                    Fault::BadLine => (Some("decode"), None),
                    Fault::BadNumber => (Some("validate"), Some("open_price")),
                    Fault::MissingKey => (Some("validate"), Some("symbol")),
                    Fault::BadTime | Fault::TimeOutOfRange => (Some("validate"), Some("ts")),
                    // Ours or the server's to find, before or after it was sent.
                    Fault::TooLarge => (None, Some("open_price")),
                    Fault::TooLong => (None, Some("symbol")),
                };
                assert!(stage.is_none_or(|stage| letter.stage == stage), "{fault:?}: {}", letter.line);
                assert_eq!(letter.column.as_deref(), column, "{fault:?}: {}", letter.line);
                let input = text.lines().nth(letter.rows[0] as usize - 1 + header).expect("the line");
                match fault {
                    Fault::BadLine => assert_eq!(letter.raw.as_deref(), Some(input)),
                    Fault::TooLong => {
                        assert_eq!(letter.code, "22001", "{}", letter.line);
                        assert_eq!(letter.items[0]["symbol"], "ATICKERTHATISFARTOOLONG");
                    }
                    Fault::TooLarge => {
                        assert_eq!(letter.code, "22003", "{}", letter.line);
                        assert!(letter.line.contains("1234567890123.5"), "exact: {}", letter.line);
                    }
                    // What was in the input is in the letter: nobody needs the input to mend it.
                    Fault::BadNumber => assert!(letter.line.contains("12.5x"), "{}", letter.line),
                    Fault::BadTime => assert!(letter.line.contains("yesterday noon"), "{}", letter.line),
                    Fault::TimeOutOfRange => assert!(letter.line.contains("9999-12-31"), "{}", letter.line),
                    Fault::MissingKey => assert!(letter.line.contains("110.85"), "{}", letter.line),
                }
            }
        }
    }
}

#[test]
fn our_own_tables_take_what_only_bounded_columns_refuse() {
    let (plan, _) = seven_kinds();
    let bad = |row: u64| SEVEN.iter().any(|(at, f)| *at == row && !is_fine_in_unbounded_columns(*f));
    let odd = |row: u64| SEVEN.iter().any(|(at, _)| *at == row);
    on_every_store(|work, store, workers, what| {
        let path = fixture("bad/seven-kinds.csv");
        let program = work.mdsctl(["load", &path, "--json", "--workers", workers, "--dsn", &store.dsn()]);
        let run = program.arguments(["--dlq", "letters/of this run.ndjson"]).run().expect(3);
        let books = run.books();
        assert_eq!((books.read, books.inserted, books.rejected), (1007, 1002, 5), "{what}: {run}");
        let stored = store.stored(&plan);
        let expected = truth_of(&plan, |row| !odd(row));
        let kept: Vec<_> = stored.iter().filter(|row| expected.binary_search(row).is_ok()).cloned().collect();
        assert_same(&kept, &expected, what);
        let count = |sql: &str| store.count(sql);
        assert_eq!(count("bars WHERE symbol = 'ATICKERTHATISFARTOOLONG'"), Some(1), "{what}");
        assert_eq!(count("bars WHERE open_price = 1234567890123.5"), Some(1), "{what}");

        let letters = work.dlq("letters/of this run.ndjson");
        let mut rows: Vec<u64> = letters.iter().flat_map(|letter| letter.rows.clone()).collect();
        rows.sort_unstable();
        assert_eq!(rows, SEVEN.iter().map(|(row, _)| *row).filter(|row| bad(*row)).collect::<Vec<_>>());
        assert!(!work.path(".dlq").exists(), "--dlq says where they go");
    });
}

#[test]
fn a_second_run_of_a_file_replaces_the_dead_letters_of_the_first() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    for _ in 1..=2 {
        let program = work.mdsctl(["load", &fixture("bad/seven-kinds.csv"), "--json", "--dsn", &store.dsn()]);
        let run = program.run().expect(3);
        assert_eq!(dlq::rows(&work.dlq(".dlq/bars.ndjson")), 5, "{run}");
        assert_eq!(run.books().rejected, 5);
    }
}

#[test]
fn rows_that_failed_alike_share_a_record() {
    on_every_store(|work, store, workers, what| {
        let mut csv = String::from("ts,symbol,open,high,low,close,volume\n");
        for minute in 0..50 {
            let open = if minute % 2 == 0 { "1" } else { "n/b" };
            csv += &format!("2024-03-04T14:{minute:02}:00Z,AAPL,{open},1,1,1,{minute}\n");
        }
        let path = work.write("bars.csv", csv);
        let flags = ["load", &path, "--vendor", "v", "--timeframe", "1m", "--workers", workers];
        let run = work.mdsctl(flags).arguments(["--dsn", &store.dsn(), "--json"]).run().expect(3);
        assert_eq!(run.books().rejected, 25, "{what}");
        let letters = work.dlq(".dlq/bars.ndjson");
        assert_eq!(letters.len(), 1, "{what}: {letters:#?}");
        assert_eq!(letters[0].rows, (1..=50).filter(|row| row % 2 == 0).collect::<Vec<u64>>());
        assert_eq!(letters[0].items[3]["volume"].to_string().trim_matches('"'), "7");
    });
}

#[test]
fn numbers_of_a_dead_letter_are_exact() {
    let db = bounded();
    let csv = "ts,vendor,symbol,timeframe,open,high,low,close,volume,vwap\n\
               2024-03-04T14:30:00Z,v,ATICKERTHATISFARTOOLONG,1m,0.123456789012345678,9007199254740993,\
               1e-9,100.50,7,187.14999389648438\n";
    let work = Work::new();
    let path = work.write("bars.csv", csv);
    let flags = ["load", &path, "--dataset", "bars", "--table", "own.bars", "--dsn", &db.dsn()];
    work.mdsctl(flags).run().expect(3);
    let letters = work.dlq(".dlq/bars.ndjson");
    assert_eq!(letters.len(), 1);
    for exact in ["0.123456789012345678", "9007199254740993", "187.14999389648438"] {
        assert!(letters[0].line.contains(exact), "{exact}: {}", letters[0].line);
    }
}

#[test]
fn max_rejects_stops_the_load() {
    on_every_store(|work, store, workers, what| {
        let mut csv = String::from("ts,symbol,open,high,low,close,volume\n");
        for row in 0..40_000 {
            let (day, minute) = (row / 1440, row % 1440);
            let ts = format!("2024-03-{:02}T{:02}:{:02}:00Z", 1 + day, minute / 60, minute % 60);
            let open = if row % 2 == 0 { "1" } else { "x" };
            csv += &format!("{ts},AAPL,{open},1,1,1,1\n");
        }
        let path = work.write("bars.csv", csv);
        let flags = ["load", &path, "--vendor", "v", "--timeframe", "1m", "--workers", workers, "--json"];
        let program = work.mdsctl(flags).arguments(["--dsn", &store.dsn(), "--max-rejects", "10"]);
        let run = program.run().expect(4);
        let books = run.books();
        assert!(books.rejected > 10, "{what}: {run}");
        assert!(books.read < 40_000, "it stops early, {what}: {run}");
        assert_eq!(dlq::rows(&work.dlq(".dlq/bars.ndjson")), books.rejected, "{what}: {run}");
        assert_eq!(store.count("bars"), Some(books.inserted), "{what}: {run}");
        assert!(run.stderr.contains("max-rejects"), "{what}: {run}");
    });
}
