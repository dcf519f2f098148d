//! Compressed files whose bytes are damaged: nothing of them is stored as good, and once they are mended a
//! resume has all of them. For tables with a key and without one, in both stores.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::harness::pack::{self, gzip};
use crate::harness::{Postgres, Run, Store, Work};

/// Rows of a file.
const ROWS: i64 = 20_000;

/// What a cell of that row holds: enough that it does not compress to nothing.
fn value(row: i64) -> i64 {
    row.wrapping_mul(0x09E3_779B_97F4_A7C1).rem_euclid(1_000_000_007)
}

fn csv(rows: impl Iterator<Item = i64>) -> Vec<u8> {
    let mut text = b"id,v,note\n".to_vec();
    rows.for_each(|row| {
        writeln!(text, "{row},{},n{}", value(row), value(row + 1)).expect("into memory nothing fails")
    });
    text
}

fn parquet(path: &Path, rows: i64) {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values((1..=rows).map(value)));
    let notes = (1..=rows).map(|row| format!("n{}", value(row + 1)));
    let notes: ArrayRef = Arc::new(StringArray::from_iter_values(notes));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=rows));
    let batch = RecordBatch::try_from_iter([("id", ids), ("v", values), ("note", notes)]).expect("columns");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(4_000))
        .set_dictionary_enabled(false)
        .build();
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("rows are written");
    writer.close().expect("the file is written");
}

fn each(test: impl Fn(&Work, &Store, bool)) {
    for keyed in [true, false] {
        let key = if keyed { " PRIMARY KEY" } else { "" };
        let table = format!("CREATE TABLE t (id bigint{key}, v bigint, note text)");
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
            test(&work, &store, keyed);
        }
    }
}

fn load(work: &Work, store: &Store, inputs: &[&str], more: &[&str]) -> Run {
    let flags = ["load", "--table", "t", "--batch-size", "500", "--json", "--dsn", &store.dsn()];
    work.mdsctl(flags).arguments(inputs.iter().copied()).arguments(more.iter().copied()).run()
}

fn assert_whole(store: &Store, rows: i64, what: &str) {
    let stored = store.rows("SELECT id, v, note FROM t ORDER BY id");
    assert_eq!(stored.len() as i64, rows, "{what}");
    for (row, cells) in (1..).zip(&stored) {
        let wanted = [row.to_string(), value(row).to_string(), format!("n{}", value(row + 1))];
        let got: Vec<&str> = cells.iter().map(|cell| cell.as_deref().unwrap_or("null")).collect();
        assert_eq!(got, wanted, "{what}");
    }
}

/// A digit of a cell late in the file is another one, which only the checksum behind it knows.
#[test]
fn rows_before_a_checksum_that_does_not_hold_are_not_stored_as_good() {
    each(|work, store, keyed| {
        for (ending, pack) in pack::ALL {
            let name = &format!("a.csv.{ending}");
            let what = format!("{store}, keyed {keyed}, {name}");
            let good = pack(&csv(1..=ROWS));
            let mut bad = good.clone();
            let middle = bad.len() / 2;
            bad[middle] ^= 1;
            let path = work.write(name, &bad);
            let run = load(work, store, &[&path], &[]).expect(6);
            assert!(run.error().contains(name) && run.error().contains("is corrupt"), "{what}: {run}");
            assert_eq!(store.count("t"), Some(0), "{what}: {run}");
            // Mended, and of the same size.
            work.write(name, &good);
            load(work, store, &[&path], &["--resume"]).expect(0);
            assert_whole(store, ROWS, &what);
            empty(store);
        }
    });
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

/// A file that has come in part is gone on with when the rest is there; one that is another by then is read anew
/// where nothing of it is stored.
#[test]
fn a_truncated_file_is_resumed_once_it_is_whole() {
    each(|work, store, keyed| {
        for (ending, pack) in pack::ALL {
            let name = &format!("a.csv.{ending}");
            let what = format!("{store}, keyed {keyed}, {name}");
            let good = pack(&csv(1..=ROWS));
            let path = work.write(name, &good[..good.len() / 2]);
            let run = load(work, store, &[&path], &[]).expect(6);
            assert!(run.error().contains("ends early"), "{what}: {run}");
            let before = store.count("t").expect("a table");
            assert!(before > 0, "{what}: {run}");
            work.write(name, &good);
            let run = load(work, store, &[&path], &["--resume"]).expect(0);
            assert_eq!(run.books().skipped, before, "{what}: {run}");
            assert_whole(store, ROWS, &what);
            empty(store);
        }
    });
}

/// The first of two files is damaged, and the second is loaded all the same.
#[test]
fn a_file_that_was_damaged_among_others_is_loaded_once_it_is_mended() {
    each(|work, store, keyed| {
        let what = format!("{store}, keyed {keyed}");
        let good = gzip(&csv(1..=5_000));
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        let (a, b) = (work.write("a.csv.gz", &bad), work.write("b.csv", csv(5_001..=9_000)));
        load(work, store, &[&a, &b], &[]).expect(6);
        assert_eq!(store.count("t"), Some(4_000), "{what}");
        // As it was, it is told again.
        load(work, store, &[&a, &b], &["--resume"]).expect(6);
        work.write("a.csv.gz", &good);
        let run = load(work, store, &[&a, &b], &["--resume"]);
        if keyed {
            let run = run.expect(0);
            assert!(run.stderr.contains("loaded anew"), "{what}: {run}");
            assert_whole(store, 9_000, &what);
        } else {
            // Told, and nothing is there twice.
            let run = run.expect(6);
            assert!(run.stderr.contains("a.csv.gz"), "{what}: {run}");
            assert_eq!(store.count("t"), Some(4_000), "{what}");
        }
    });
}

/// A table without a key that was emptied takes its file again; one that was not refuses it.
#[test]
fn an_emptied_table_without_a_key_takes_its_file_again() {
    each(|work, store, keyed| {
        let what = format!("{store}, keyed {keyed}");
        let path = work.write("a.csv", csv(1..=50));
        load(work, store, &[&path], &[]).expect(0);
        load(work, store, &[&path], &[]).expect(if keyed { 0 } else { 2 });
        for flags in [&[][..], &["--resume"]] {
            empty(store);
            let run = load(work, store, &[&path], flags).expect(0);
            if !keyed {
                assert!(run.stderr.contains("is empty"), "{what}: {run}");
            }
            assert_whole(store, 50, &what);
        }
    });
}

/// The bytes of a page in the middle are others, as after a bad copy.
#[test]
fn a_damaged_page_of_parquet_is_found_before_rows_of_others_are_stored() {
    each(|work, store, keyed| {
        let what = format!("{store}, keyed {keyed}");
        let path = work.write("a.parquet", "");
        parquet(Path::new(&path), ROWS);
        let good = std::fs::read(&path).expect("a file");
        // Many bytes that do not unpack, and a few that do and make no values.
        for (at, many) in [(good.len() / 2, 64), (good.len() * 77 / 100, 8)] {
            let mut bad = good.clone();
            bad[at..at + many].fill(0xA5);
            work.write("a.parquet", &bad);
            let run = load(work, store, &[&path], &[]).expect(6);
            assert!(run.error().contains("corrupt"), "{what}: {run}");
            // With a key what stood before the damage is right, and is not there twice when it comes again.
            let before = store.count("t").expect("a table");
            let few = if keyed { before < ROWS.cast_unsigned() } else { before == 0 };
            assert!(few, "{what}: {before} rows, {run}");
            assert_eq!(run.error().contains("none of its rows were loaded"), !keyed, "{what}: {run}");
        }
        // Mended, and of another size.
        parquet(Path::new(&path), ROWS + 1);
        let resume: &[&str] = if keyed { &[] } else { &["--resume"] };
        load(work, store, &[&path], resume).expect(0);
        assert_whole(store, ROWS + 1, &what);
    });
}

/// gzip pads to the block of a tape; what is no zero there is damage.
#[test]
fn zero_bytes_behind_a_gzip_stream_are_a_note() {
    each(|work, store, keyed| {
        let mut padded = gzip(&csv(1..=50));
        padded.resize(padded.len() + 700, 0);
        let path = work.write("a.csv.gz", &padded);
        let run = load(work, store, &[&path], &[]).expect(0);
        assert_whole(store, 50, &format!("{store}, keyed {keyed}"));
        assert!(run.json()["notes"].to_string().contains("700 zero bytes"), "{run}");
        padded.push(b'x');
        let path = work.write("b.csv.gz", &padded);
        let run = load(work, store, &[&path], &[]).expect(6);
        assert!(run.error().contains("b.csv.gz"), "{run}");
    });
}
