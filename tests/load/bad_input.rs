//! Input that is no input: one clear sentence, the right exit code, and nothing half-written
//! without being said.

use std::fs;

use crate::generator::fixtures;
use crate::harness::run::fixture;
use crate::harness::truth::truth;
use crate::harness::{Run, Store, Work, on_every_store};

/// The input cannot be read, or has nothing to load.
const UNREADABLE: i32 = 6;
/// The input is read and does not say what is what: the flags must.
const USAGE: i32 = 2;

/// Loads, and holds the run to one sentence with these words in it and to an empty store.
fn refused(store: &Store, run: Run, code: i32, words: &[&str]) {
    let run = run.expect(code);
    let sentence = run.error().to_lowercase();
    for word in words {
        assert!(sentence.contains(&word.to_lowercase()), "{word:?} is not in the sentence: {run}");
    }
    assert!(store.count("bars").is_none_or(|rows| rows == 0), "{run}");
}

fn load(work: &Work, store: &Store, workers: &str, input: &str) -> Run {
    let flags = ["load", input, "--dsn", &store.dsn(), "--workers", workers];
    work.mdsctl(flags).run()
}

#[test]
fn an_empty_file() {
    on_every_store(|work, store, workers, _| {
        refused(
            store,
            load(work, store, workers, &fixture("bad/empty.csv")),
            UNREADABLE,
            &["empty.csv", "empty"],
        );
    });
}

#[test]
fn nothing_on_standard_input() {
    on_every_store(|work, store, workers, _| {
        refused(store, load(work, store, workers, "-"), UNREADABLE, &["empty"]);
    });
}

/// A vendor's file of a holiday: nothing is wrong with it, and the run says that it held nothing.
#[test]
fn a_header_without_rows() {
    on_every_store(|work, store, workers, what| {
        let path = fixture("bad/header-only.csv");
        let run = load(work, store, workers, &path).expect(0);
        assert!(run.stderr.contains("header-only.csv"), "{what}: {run}");
        assert!(run.stderr.to_lowercase().contains("no rows"), "{what}: {run}");
        assert!(store.count("bars").is_none_or(|rows| rows == 0), "{run}");
    });
}

#[test]
fn unknown_columns() {
    on_every_store(|work, store, workers, _| {
        let run = load(work, store, workers, &fixture("bad/unknown-columns.csv"));
        // What was found, and what to do about it.
        refused(store, run, USAGE, &["unknown-columns.csv", "colour", "weight", "sort", "--dataset"]);
    });
}

#[test]
fn unknown_columns_for_a_dataset_that_was_named() {
    on_every_store(|work, store, workers, _| {
        let path = fixture("bad/unknown-columns.csv");
        let flags = ["load", &path, "--dsn", &store.dsn(), "--workers", workers, "--dataset", "bars"];
        refused(store, work.mdsctl(flags).run(), USAGE, &["unknown-columns.csv", "colour", "--map"]);
    });
}

#[test]
fn no_timestamp_column() {
    on_every_store(|work, store, workers, _| {
        let run = load(work, store, workers, &fixture("bad/no-timestamp.csv"));
        refused(store, run, USAGE, &["no-timestamp.csv", "ts", "--map ts="]);
    });
}

#[test]
fn a_column_that_two_names_stand_for() {
    on_every_store(|work, store, workers, _| {
        let csv = "ts,time,symbol,open,high,low,close\n2024-03-04,2024-03-05,AAPL,1,1,1,1\n";
        let path = work.write("two.csv", csv);
        let flags = ["load", &path, "--vendor", "v", "--timeframe", "1d", "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).arguments(["--workers", workers]).run();
        // The canonical name is no tie: `ts` is `ts`. Two synonyms are one.
        run.expect(0);
        let csv = "timestamp,time,symbol,open,high,low,close\n2024-03-04,2024-03-05,AAPL,1,1,1,1\n";
        let work = Work::new();
        let store = Store::sqlite(&work);
        let path = work.write("two.csv", csv);
        let flags = ["load", &path, "--vendor", "v", "--timeframe", "1d", "--dsn", &store.dsn()];
        refused(&store, work.mdsctl(flags).run(), USAGE, &["two.csv", "timestamp", "time", "--map ts="]);
    });
}

#[test]
fn a_directory_with_nothing_to_load() {
    on_every_store(|work, store, workers, _| {
        fs::create_dir_all(work.path("hollow/inner")).expect("a directory");
        refused(store, load(work, store, workers, "hollow"), UNREADABLE, &["hollow"]);
    });
}

#[test]
fn a_glob_that_matches_nothing() {
    on_every_store(|work, store, workers, _| {
        refused(store, load(work, store, workers, "data/**/*.csv.gz"), UNREADABLE, &["data/**/*.csv.gz"]);
    });
}

#[test]
fn a_path_that_does_not_exist() {
    on_every_store(|work, store, workers, _| {
        refused(store, load(work, store, workers, "no/such/file.csv"), UNREADABLE, &["no/such/file.csv"]);
        // Neither the store nor the dead letters are made for it.
        assert!(!work.path(".dlq").exists());
    });
}

#[test]
fn one_missing_path_among_good_ones_is_found_before_anything_is_written() {
    on_every_store(|work, store, workers, _| {
        let flags = ["load", &fixture("bars.csv"), "no/such/file.csv", "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).arguments(["--workers", workers]).run();
        refused(store, run, UNREADABLE, &["no/such/file.csv"]);
    });
}

#[test]
fn a_truncated_parquet() {
    on_every_store(|work, store, workers, _| {
        let run = load(work, store, workers, &fixture("bad/truncated.parquet"));
        refused(store, run, UNREADABLE, &["truncated.parquet", "parquet"]);
    });
}

#[test]
fn a_truncated_gzip_stores_what_it_holds_and_says_so() {
    let plan = fixtures::bars();
    let all = truth(&plan);
    on_every_store(|work, store, workers, what| {
        let path = fixture("bad/truncated.csv.gz");
        let flags = ["load", &path, "--json", "--dsn", &store.dsn(), "--workers", workers];
        let run = work.mdsctl(flags).run().expect(UNREADABLE);
        let sentence = run.error();
        assert!(sentence.contains("truncated.csv.gz"), "{run}");
        assert!(sentence.contains("truncated") || sentence.contains("ends"), "{run}");
        let books = run.books();
        // Rows before the cut are rows; half a row is none of them.
        assert!(books.inserted > 0 && books.inserted < plan.rows, "{what}: {run}");
        let stored = store.stored(&plan);
        assert_eq!(stored.len() as u64, books.inserted, "{what}: {run}");
        assert!(stored.iter().all(|row| all.binary_search(row).is_ok()), "{what}: {run}");
    });
}

#[test]
fn garbage_on_standard_input() {
    on_every_store(|work, store, workers, _| {
        let garbage = fs::read(fixture("bad/garbage.bin")).expect("the fixture");
        let flags = ["load", "-", "--dsn", &store.dsn(), "--workers", workers];
        refused(store, work.mdsctl(flags).stdin(garbage).run(), UNREADABLE, &["standard input"]);
    });
}

#[test]
fn garbage_under_the_name_of_each_format() {
    let garbage = fs::read(fixture("bad/garbage.bin")).expect("the fixture");
    for name in ["g.csv", "g.ndjson", "g.parquet", "g.csv.gz", "g.csv.zst", "g.csv.xz"] {
        let work = Work::new();
        let store = Store::sqlite(&work);
        let path = work.write(name, &garbage);
        refused(&store, load(&work, &store, "2", &path), UNREADABLE, &[name]);
    }
}

#[test]
fn a_format_that_the_file_is_not() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let flags = ["load", &fixture("bars.csv"), "--format", "parquet", "--dsn", &store.dsn()];
    refused(&store, work.mdsctl(flags).run(), UNREADABLE, &["bars.csv", "parquet"]);
}

#[test]
fn a_header_that_no_row_fits() {
    on_every_store(|work, store, workers, _| {
        let csv = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n".to_string()
            + &"2024-03-04T14:30:00Z;v;AAPL;1m;1;1;1;1;1\n".repeat(30);
        let path = work.write("mixed.csv", csv);
        refused(store, load(work, store, workers, &path), UNREADABLE, &["mixed.csv"]);
    });
}

#[test]
fn a_file_that_may_not_be_read() {
    if rustix::process::geteuid().is_root() {
        // Root may read everything; a directory under a file's name is as unreadable to it.
        let work = Work::new();
        let store = Store::sqlite(&work);
        fs::create_dir_all(work.path("bars.csv")).expect("a directory");
        refused(&store, load(&work, &store, "1", "bars.csv"), UNREADABLE, &["bars.csv"]);
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let work = Work::new();
    let store = Store::sqlite(&work);
    let path = work.write("bars.csv", "ts\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("its mode");
    refused(&store, load(&work, &store, "1", "bars.csv"), UNREADABLE, &["bars.csv", "permission"]);
}
