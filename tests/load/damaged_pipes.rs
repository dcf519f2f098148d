//! Compressed pipes whose bytes are damaged: the checksum stands behind the rows, which are stored by then. It
//! is said which rows nothing proves and what to do with them, and doing just that leaves the table right.

use std::io::Write as _;

use crate::harness::pack::{self, gzip};
use crate::harness::{Postgres, Run, Store, Work};

const ROWS: i64 = 8_000;

fn csv() -> Vec<u8> {
    let mut text = b"id,v\n".to_vec();
    (1..=ROWS).for_each(|row| writeln!(text, "{row},{row}5").expect("into memory nothing fails"));
    text
}

fn ndjson() -> Vec<u8> {
    let mut text = Vec::new();
    (1..=ROWS)
        .for_each(|row| writeln!(text, "{{\"id\":{row},\"v\":{row}5}}").expect("into memory nothing fails"));
    text
}

/// The good bytes and the damaged ones, of each format and compression.
fn inputs() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, text) in [("csv", csv()), ("ndjson", ndjson())] {
        let good = gzip(&text);
        let mut bad = good.clone();
        let cell = format!("{}5", ROWS / 2).into_bytes();
        let at = bad.windows(cell.len()).rposition(|bytes| bytes == cell).expect("the cell");
        bad[at + cell.len() - 1] = b'7';
        all.push((name, good, bad));
        // The checksum itself, which stands behind all else but the index and the footer of xz.
        for (pack, from_end) in
            [(pack::zstd as pack::Pack, 1), (pack::bzip2, 2), (pack::lz4, 1), (pack::xz, 28)]
        {
            let good = pack(&text);
            let mut bad = good.clone();
            let place = bad.len() - from_end;
            bad[place] ^= 1;
            all.push((name, good, bad));
        }
    }
    all
}

fn each(test: impl Fn(&Work, &Store, bool, &str, &[u8], &[u8])) {
    for (format, good, bad) in inputs() {
        for keyed in [true, false] {
            let key = if keyed { " PRIMARY KEY" } else { "" };
            let table = format!("CREATE TABLE t (id bigint{key}, v bigint)");
            for sqlite in [true, false] {
                let work = Work::new();
                let store = if sqlite {
                    let path = work.path("store.db");
                    let db = rusqlite::Connection::open(&path).expect("a file");
                    db.execute_batch(&table).expect("a table");
                    Store::Sqlite(path)
                } else {
                    let db = Postgres::shared().database();
                    db.execute(&table);
                    Store::Postgres(db)
                };
                test(&work, &store, keyed, format, &good, &bad);
            }
        }
    }
}

fn load(work: &Work, store: &Store, format: &str, bytes: &[u8], more: &[&str]) -> Run {
    let flags = ["load", "-", "--table", "t", "--format", format, "--json", "--batch-size", "500", "--dsn"];
    work.mdsctl(flags).arguments([store.dsn()]).arguments(more.iter().copied()).stdin(bytes).run()
}

fn empty(store: &Store) {
    match store {
        Store::Sqlite(path) => {
            let db = rusqlite::Connection::open(path).expect("a file");
            db.execute_batch("DELETE FROM t").expect("an empty table");
        }
        Store::Postgres(db) => db.execute("DELETE FROM t"),
    }
}

fn assert_whole(store: &Store, what: &str) {
    let sums = "SELECT count(*), count(DISTINCT id), sum(CASE WHEN v = id * 10 + 5 THEN 1 ELSE 0 END) FROM t";
    let wanted: Vec<_> = [ROWS; 3].iter().map(|count| Some(count.to_string())).collect();
    assert_eq!(store.rows(sums), [wanted], "{what}");
}

#[test]
fn a_pipe_with_a_name_that_was_damaged_is_begun_anew_by_a_resume() {
    each(|work, store, keyed, format, good, bad| {
        let what = format!("{store}, keyed {keyed}, {format}");
        let named = ["--source-id", "day"];
        let run = load(work, store, format, bad, &named).expect(6);
        assert!(run.error().contains(" rows of run "), "{what}: {run}");
        assert!(run.error().contains("and nothing proves them"), "{what}: {run}");
        if keyed {
            assert!(
                run.error().contains("the same command again with --resume and the mended input"),
                "{what}: {run}"
            );
            let run = load(work, store, format, good, &["--source-id", "day", "--resume"]).expect(0);
            assert!(run.stderr.contains("loaded anew"), "{what}: {run}");
            assert_whole(store, &what);
            return;
        }
        assert!(run.error().contains("take them out of it first"), "{what}: {run}");
        for more in [&[][..], &["--resume"]] {
            let refused = load(work, store, format, good, &[&named[..], more].concat()).expect(2);
            assert!(refused.error().contains(" rows of that run out of it"), "{what}: {refused}");
            assert!(refused.error().contains("--force"), "{what}: {refused}");
        }
        empty(store);
        load(work, store, format, good, &["--source-id", "day", "--force"]).expect(0);
        assert_whole(store, &what);
    });
}

#[test]
fn the_advice_for_a_damaged_pipe_without_a_name_is_right_when_followed() {
    each(|work, store, keyed, format, good, bad| {
        let what = format!("{store}, keyed {keyed}, {format}");
        let run = load(work, store, format, bad, &[]).expect(6);
        assert!(run.error().contains(" rows of run "), "{what}: {run}");
        assert!(!run.stderr.contains("mend or fetch the input again"), "{what}: {run}");
        if !keyed {
            assert!(run.error().contains("take them out of it first"), "{what}: {run}");
            assert!(!run.error().contains("--force"), "{what}: {run}");
            empty(store);
        }
        load(work, store, format, good, &[]).expect(0);
        assert_whole(store, &what);
    });
}

/// A row that is there stays under these: following the advice writes over it.
#[test]
fn damaged_rows_that_a_conflict_would_keep_are_written_over() {
    each(|work, store, keyed, format, good, bad| {
        if !keyed {
            return;
        }
        for policy in ["skip", "error"] {
            let what = format!("{store}, {policy}, {format}");
            let flags = ["--source-id", policy, "--on-conflict", policy];
            let run = load(work, store, format, bad, &flags).expect(6);
            assert!(run.error().contains("--on-conflict update"), "{what}: {run}");
            let refused = load(work, store, format, good, &[&flags[..], &["--resume"]].concat()).expect(2);
            assert!(refused.error().contains("without --resume and with --on-conflict update"), "{refused}");
            load(work, store, format, good, &["--source-id", policy, "--on-conflict", "update"]).expect(0);
            assert_whole(store, &what);
            empty(store);
        }
    });
}

/// Emptied, it is as it was before.
#[test]
fn a_table_without_a_key_that_was_emptied_after_damage_is_loaded_from_the_start() {
    each(|work, store, keyed, format, good, bad| {
        if keyed {
            return;
        }
        for more in [&["--source-id", "day", "--resume"][..], &["--source-id", "day"]] {
            load(work, store, format, bad, &["--source-id", "day", "--force"]).expect(6);
            empty(store);
            let run = load(work, store, format, good, more).expect(0);
            assert!(run.stderr.contains("t is empty"), "{run}");
            assert_whole(store, format);
            empty(store);
        }
    });
}
