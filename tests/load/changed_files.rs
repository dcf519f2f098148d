//! Files that somebody cuts, writes over or appends to while they are loaded, or between a load that was killed
//! and its resume: it is told, and what is advised then leaves the table right.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use rustix::process::Signal;

use crate::harness::run::Running;
use crate::harness::wait::PATIENCE;
use crate::harness::{Postgres, Store, Work, wait};

/// So many of so much that no reading ahead comes to the end before the first of them are stored.
const ROWS: i64 = 2_000;

fn cell(row: i64) -> String {
    (0..500).map(|piece| format!("{:016x}", row.wrapping_mul(0x09E3_779B_97F4_A7C1) ^ piece)).collect()
}

fn input(name: &str) -> Vec<u8> {
    with_cells(name, cell)
}

/// The same in which a row in the middle is wrong, of the same size.
fn wrong(name: &str) -> Vec<u8> {
    with_cells(name, |row| if row == ROWS / 2 { "f".repeat(cell(row).len()) } else { cell(row) })
}

fn with_cells(name: &str, cell: impl Fn(i64) -> String) -> Vec<u8> {
    let rows = 1..=ROWS;
    let csv =
        || format!("id,v\n{}", rows.clone().map(|row| format!("{row},{}\n", cell(row))).collect::<String>());
    match name {
        "a.csv" => csv().into_bytes(),
        "a.ndjson" => rows
            .map(|row| format!("{{\"id\":{row},\"v\":\"{}\"}}\n", cell(row)))
            .collect::<String>()
            .into_bytes(),
        "a.csv.gz" => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::none());
            encoder.write_all(csv().as_bytes()).expect("into memory nothing fails");
            encoder.finish().expect("into memory nothing fails")
        }
        _ => {
            let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone()));
            let cells: ArrayRef = Arc::new(StringArray::from_iter_values(rows.map(cell)));
            let batch = RecordBatch::try_from_iter([("id", ids), ("v", cells)]).expect("columns");
            let properties = WriterProperties::builder()
                .set_max_row_group_row_count(Some(200))
                .set_dictionary_enabled(false)
                // The footer would tell of a change in the middle.
                .set_statistics_enabled(EnabledStatistics::None)
                .build();
            let mut writer =
                ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
            writer.write(&batch).expect("rows are written");
            writer.into_inner().expect("the file is written")
        }
    }
}

const NAMES: [&str; 4] = ["a.csv", "a.ndjson", "a.csv.gz", "a.parquet"];

fn store(work: &Work, sqlite: bool, keyed: bool) -> Store {
    let key = if keyed { " PRIMARY KEY" } else { "" };
    let table = format!("CREATE TABLE t (id bigint{key}, v text)");
    if sqlite {
        let path = work.path("store.db");
        rusqlite::Connection::open(&path).expect("a file").execute_batch(&table).expect("a table");
        return Store::Sqlite(path);
    }
    let db = Postgres::shared().database();
    db.execute(&table);
    Store::Postgres(db)
}

/// A load in which rows are stored, and more are to come.
fn begun(work: &Work, store: &Store, path: &str) -> Running {
    let flags = ["load", path, "--table", "t", "--json", "--workers", "1", "--dsn", &store.dsn()];
    let pace = ["--batch-size", "100", "--capacity", "200", "--rate-limit", "1500"];
    let mut running = work.mdsctl(flags).arguments(pace).spawn();
    wait::until(PATIENCE, "the first rows in the table", || {
        assert!(!running.has_ended(), "it ended before a row was seen");
        store.count("t").filter(|rows| *rows > 0)
    });
    running
}

fn load(work: &Work, store: &Store, path: &str, more: &[&str]) -> crate::harness::Run {
    let flags = ["load", path, "--table", "t", "--json", "--workers", "1", "--dsn", &store.dsn()];
    work.mdsctl(flags).arguments(["--batch-size", "100"]).arguments(more.iter().copied()).run()
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
    let rows = store.rows("SELECT id, v FROM t ORDER BY id");
    assert_eq!(rows.len() as i64, ROWS, "{what}");
    for (id, row) in (1..).zip(rows) {
        assert_eq!(row, [Some(id.to_string()), Some(cell(id))], "{what}");
    }
}

/// The bytes in the middle are others, and the size is as it was.
fn write_over(path: &str, bytes: &[u8]) {
    let file = File::options().write(true).open(path).expect("the file");
    let size = file.metadata().expect("the file").len();
    file.write_all_at(bytes, size / 2).expect("it is written");
}

#[test]
fn a_file_that_is_cut_while_it_is_loaded_is_told() {
    changed("was cut from", |path| {
        File::options().write(true).open(path).expect("the file").set_len(0).expect("it is cut");
    });
}

#[test]
fn a_file_that_is_written_over_while_it_is_loaded_is_told() {
    changed("was written over while it was read", |path| write_over(path, &[b'7'; 40]));
}

fn changed(told: &str, change: impl Fn(&str)) {
    for (at, name) in NAMES.into_iter().enumerate() {
        // Each format with a key and without one, in turn in the one store and the other.
        let (sqlite, keyed) = (at % 2 == 0, (at / 2 + told.len()).is_multiple_of(2));
        let work = Work::new();
        let store = store(&work, sqlite, keyed);
        let what = format!("{store}, keyed {keyed}, {name}, {told}");
        let good = input(name);
        let path = work.write(name, &good);
        let running = begun(&work, &store, &path);
        change(&path);
        let run = running.finish().expect(6);
        assert!(run.error().contains(told) && run.error().contains(name), "{what}: {run}");
        assert!(run.error().contains("and nothing proves them"), "{what}: {run}");
        fs::write(&path, &good).expect("the file");
        if keyed {
            assert!(run.error().contains("with --resume and the mended input"), "{what}: {run}");
            load(&work, &store, &path, &["--resume"]).expect(0);
        } else {
            assert!(run.error().contains("take them out of it first"), "{what}: {run}");
            load(&work, &store, &path, &["--resume"]).expect(2);
            load(&work, &store, &path, &[]).expect(2);
            empty(&store);
            load(&work, &store, &path, &["--force"]).expect(0);
        }
        assert_whole(&store, &what);
    }
}

#[test]
fn a_file_that_grows_while_it_is_loaded_is_a_note() {
    for (name, sqlite) in [("a.csv", true), ("a.ndjson", false), ("a.csv.gz", true)] {
        let work = Work::new();
        let store = store(&work, sqlite, true);
        let good = input(name);
        let path = work.write(name, &good);
        let running = begun(&work, &store, &path);
        // The last line once more, or a member of gzip.
        let line = good[..good.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let more = if name == "a.csv.gz" { &good[..] } else { &good[line..] };
        File::options().append(true).open(&path).expect("the file").write_all(more).expect("it grows");
        let run = running.finish();
        assert!(matches!(run.code, 0 | 3), "{name}: {run}");
        assert!(run.json()["notes"].to_string().contains("grew while it was read"), "{name}: {run}");
    }
}

#[test]
fn a_file_that_was_mended_at_the_same_size_after_a_crash_is_not_gone_on_with() {
    for (at, name) in ["a.csv", "a.ndjson", "a.parquet"].into_iter().enumerate() {
        for keyed in [true, false] {
            let sqlite = (at + usize::from(keyed)) % 2 == 0;
            let work = Work::new();
            let store = store(&work, sqlite, keyed);
            let what = format!("{store}, keyed {keyed}, {name}");
            let good = input(name);
            let bad = wrong(name);
            assert!(bad != good && bad.len() == good.len(), "{what}");
            let path = work.write(name, bad);
            let running = begun(&work, &store, &path);
            running.signal(Signal::KILL);
            drop(running);
            // Mended far from both ends.
            fs::write(&path, &good).expect("the file");
            let run = load(&work, &store, &path, &["--resume"]).expect(2);
            assert!(run.error().contains("a."), "{what}: {run}");
            assert!(run.error().contains("has been written to since"), "{what}: {run}");
            if keyed {
                assert!(run.error().contains("leave --resume out"), "{what}: {run}");
                load(&work, &store, &path, &[]).expect(0);
            } else {
                assert!(run.error().contains("use --force instead of --resume"), "{what}: {run}");
                empty(&store);
                load(&work, &store, &path, &["--force"]).expect(0);
            }
            assert_whole(&store, &what);
        }
    }
}

/// The same bytes, fetched once more, are the same file.
#[test]
fn a_file_that_was_written_again_as_it_was_is_gone_on_with() {
    for (at, name) in NAMES.into_iter().enumerate() {
        let work = Work::new();
        let store = store(&work, at % 2 == 0, false);
        let path = work.write(name, input(name));
        let running = begun(&work, &store, &path);
        running.signal(Signal::KILL);
        drop(running);
        fs::write(&path, input(name)).expect("the file");
        load(&work, &store, &path, &["--resume"]).expect(0);
        assert_whole(&store, name);
    }
}

/// A run of before, which did not note when its files were written.
#[test]
fn a_run_that_did_not_note_the_time_of_its_file_is_still_resumed() {
    let work = Work::new();
    let store = store(&work, true, false);
    let path = work.write("a.csv", input("a.csv"));
    let running = begun(&work, &store, &path);
    running.signal(Signal::KILL);
    drop(running);
    let db = rusqlite::Connection::open(work.path("store.db")).expect("a file");
    let changed =
        db.execute("UPDATE mds_runs SET inputs = json_remove(inputs, '$[0].modified', '$[0].content')", []);
    assert_eq!(changed, Ok(1));
    fs::write(&path, input("a.csv")).expect("the file");
    load(&work, &store, &path, &["--resume"]).expect(0);
    assert_whole(&store, "CSV");
}

/// Nothing has changed but the time of the last change.
#[test]
fn a_file_that_is_touched_while_it_is_loaded_is_as_it_was() {
    for (at, name) in NAMES.into_iter().enumerate() {
        let work = Work::new();
        let store = store(&work, at % 2 == 0, at < 2);
        let path = work.write(name, input(name));
        let running = begun(&work, &store, &path);
        let file = File::options().write(true).open(&path).expect("the file");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
            .expect("it is touched");
        let run = running.finish().expect(0);
        assert!(!run.stderr.contains("while it was read"), "{name}: {run}");
        assert_whole(&store, name);
    }
}

#[test]
fn a_file_that_has_grown_and_was_changed_where_rows_are_settled_is_not_gone_on_with() {
    for (at, name) in ["a.csv", "a.ndjson"].into_iter().enumerate() {
        for keyed in [true, false] {
            let work = Work::new();
            let store = store(&work, (at == 0) == keyed, keyed);
            let path = work.write(name, wrong(name));
            let running = begun(&work, &store, &path);
            running.signal(Signal::KILL);
            drop(running);
            let more = if at == 0 { "2001,x\n" } else { "{\"id\":2001,\"v\":\"x\"}\n" };
            let grown = |bytes: Vec<u8>| [&bytes, more.as_bytes()].concat();
            fs::write(&path, grown(input(name))).expect("the file");
            let run = load(&work, &store, &path, &["--resume"]).expect(2);
            assert!(run.error().contains("has been written to since"), "{name}: {run}");
            // With what was there unchanged it is gone on with.
            fs::write(&path, grown(wrong(name))).expect("the file");
            load(&work, &store, &path, &["--resume"]).expect(0);
            assert_eq!(store.count("t"), Some(ROWS as u64 + 1), "{store} {name}");
        }
    }
}
