//! Files that are rotated by copying and truncating them: each line is read once, wherever it is by then, and
//! what is nowhere is told.

use std::collections::BTreeMap;
use std::fs::{self, File};

use rustix::process::Signal;

use super::{PATIENCE, append};
use crate::harness::http::{address, get};
use crate::harness::run::{Mdsctl, Running};
use crate::harness::{Postgres, Run, Store, Work, wait};

const HEADER: &str = "seq,note\n";

/// Tables with and without a key, in either store.
fn on_every_table(test: impl Fn(&Work, &Store, &str)) {
    for columns in ["(seq BIGINT, note TEXT)", "(seq BIGINT PRIMARY KEY, note TEXT)"] {
        let table = format!("CREATE TABLE seqs {columns}");
        let work = Work::new();
        let path = work.path("store.db");
        rusqlite::Connection::open(&path).and_then(|db| db.execute_batch(&table)).expect("a table");
        test(&work, &Store::Sqlite(path), &format!("SQLite {columns}"));
        let work = Work::new();
        let db = Postgres::shared().database();
        db.execute(&table);
        test(&work, &Store::Postgres(db), &format!("PostgreSQL {columns}"));
    }
}

fn tail(work: &Work, store: &Store, input: &str) -> Mdsctl {
    work.mdsctl(["tail", input, "--table", "seqs", "--json", "--dsn", &store.dsn()]).within(PATIENCE)
}

fn all(work: &Work, store: &Store, input: &str) -> Run {
    tail(work, store, input).arguments(["--idle-exit", "400ms"]).run()
}

fn lines(seqs: std::ops::Range<u64>) -> String {
    seqs.map(|seq| format!("{seq},{}\n", "x".repeat(20))).collect()
}

fn copy(work: &Work, from: &str, to: &str) {
    fs::copy(work.path(from), work.path(to)).expect("copied");
}

fn truncate(work: &Work, name: &str) {
    File::create(work.path(name)).expect("truncated");
}

/// How often each row is there.
fn found(store: &Store) -> BTreeMap<u64, u64> {
    let number = |text: &Option<String>| text.as_deref().expect("a number").parse().expect("a number");
    let rows = store.try_rows("SELECT seq, count(*) FROM seqs GROUP BY seq").unwrap_or_default();
    rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
}

fn comes_to(store: &Store, rows: u64, running: &mut Running) {
    let seen = wait::within(PATIENCE, || {
        assert!(!running.has_ended(), "it has ended: {}", running.said());
        (found(store).len() as u64 >= rows).then_some(())
    });
    assert!(seen.is_some(), "{rows} rows: there are {}: {}", found(store).len(), running.said());
}

#[track_caller]
fn assert_once(store: &Store, rows: std::ops::Range<u64>, what: &str) {
    let found = found(store);
    let odd: Vec<_> = rows.clone().filter(|seq| found.get(seq) != Some(&1)).take(5).collect();
    assert!(odd.is_empty(), "{what}: not there once: {odd:?} of {} rows", found.len());
    assert_eq!(found.len() as u64, rows.end - rows.start, "{what}");
}

fn end(running: Running) -> Run {
    running.signal(Signal::TERM);
    running.finish()
}

/// The second copy is made while no tail runs: of the older one all was read.
#[test]
fn a_second_copy_while_the_tail_is_down_brings_no_row_of_the_first_again() {
    on_every_table(|work, store, what| {
        for input in ["in/a.csv", "in/a.csv*"] {
            let start = found(store).len() as u64;
            let at = |n: u64| start + n;
            fs::remove_dir_all(work.path("in")).ok();
            append(work, "in/a.csv", &(HEADER.to_owned() + &lines(at(0)..at(40))));
            let mut running = tail(work, store, input).spawn();
            comes_to(store, at(40), &mut running);
            copy(work, "in/a.csv", "in/a.csv.1");
            truncate(work, "in/a.csv");
            append(work, "in/a.csv", &(HEADER.to_owned() + &lines(at(40)..at(60))));
            comes_to(store, at(60), &mut running);
            let run = end(running).expect(143);
            assert!(!run.stderr.contains("warn"), "{what} {input}: {run}");

            append(work, "in/a.csv", &lines(at(60)..at(70)));
            fs::rename(work.path("in/a.csv.1"), work.path("in/a.csv.2")).expect("renamed");
            copy(work, "in/a.csv", "in/a.csv.1");
            truncate(work, "in/a.csv");
            append(work, "in/a.csv", &(HEADER.to_owned() + &lines(at(70)..at(75))));
            let run = all(work, store, input).expect(0);
            assert_eq!(run.books().read, 15, "{what} {input}: {run}");
            assert_once(store, 0..at(75), &format!("{what} {input}: {run}"));

            // Twice while nobody looked, and everything is read.
            append(work, "in/a.csv", &lines(at(75)..at(80)));
            for (from, to) in [(80, 90), (90, 95)] {
                fs::rename(work.path("in/a.csv.2"), work.path("in/a.csv.3")).expect("renamed");
                fs::rename(work.path("in/a.csv.1"), work.path("in/a.csv.2")).expect("renamed");
                copy(work, "in/a.csv", "in/a.csv.1");
                truncate(work, "in/a.csv");
                append(work, "in/a.csv", &(HEADER.to_owned() + &lines(at(from)..at(to))));
            }
            let run = all(work, store, input).expect(0);
            assert_once(store, 0..at(95), &format!("{what} {input}: {run}"));
            let run = all(work, store, input).expect(0);
            assert_eq!(run.books().read, 0, "{what} {input}: {run}");
        }
    });
}

/// Newer values stay: what the older copy has is not written over them.
#[test]
fn an_older_copy_does_not_undo_newer_values() {
    let work = Work::new();
    let path = work.path("store.db");
    let table = "CREATE TABLE seqs (seq BIGINT PRIMARY KEY, note TEXT)";
    rusqlite::Connection::open(&path).and_then(|db| db.execute_batch(table)).expect("a table");
    let store = Store::Sqlite(path);
    append(&work, "a.csv", &(HEADER.to_owned() + "1,old\n2,old\n"));
    all(&work, &store, "a.csv").expect(0);
    append(&work, "a.csv", "3,old\n");
    copy(&work, "a.csv", "a.csv.1");
    truncate(&work, "a.csv");
    append(&work, "a.csv", &(HEADER.to_owned() + "1,new\n2,new\n"));
    all(&work, &store, "a.csv").expect(0);
    fs::rename(work.path("a.csv.1"), work.path("a.csv.2")).expect("renamed");
    copy(&work, "a.csv", "a.csv.1");
    truncate(&work, "a.csv");
    append(&work, "a.csv", &(HEADER.to_owned() + "4,new\n"));
    let run = all(&work, &store, "a.csv").expect(0);
    let notes: Vec<_> =
        store.rows("SELECT note FROM seqs ORDER BY seq").into_iter().flatten().flatten().collect();
    assert_eq!(notes, ["new", "new", "old", "new"], "{run}");
}

/// What only copies hold is read when the store is back, also where the tail was killed meanwhile.
#[test]
fn copies_in_an_outage_are_all_read() {
    // Killed before anything of it was settled, too.
    for (killed, first) in [(false, 1), (true, 1), (true, 0)] {
        let server = Postgres::private();
        let db = server.database();
        db.execute("CREATE TABLE seqs (seq BIGINT, note TEXT)");
        let (work, store) = (Work::new(), Store::Postgres(db));
        append(&work, "a.csv", &(HEADER.to_owned() + &lines(0..first)));
        let begin = || {
            let flags = ["--capacity", "50", "--wait"];
            tail(&work, &store, "a.csv").arguments(flags).env("MDS_CB_HALF_OPEN_AFTER_SEC", "0.2").spawn()
        };
        let mut running = begin();
        wait::until(PATIENCE, "the run", || (store.count("mds_runs") > Some(0)).then_some(()));
        comes_to(&store, first, &mut running);
        server.stop();
        append(&work, "a.csv", &lines(first..100));
        wait::until(PATIENCE, "the outage", || running.said().contains("unavailable").then_some(()));
        append(&work, "a.csv", &lines(100..6_000));
        for rotation in 0..3 {
            for older in (1..=rotation).rev() {
                let (from, to) = (format!("a.csv.{older}"), format!("a.csv.{}", older + 1));
                fs::rename(work.path(&from), work.path(&to)).expect("renamed");
            }
            copy(&work, "a.csv", "a.csv.1");
            truncate(&work, "a.csv");
            let first = 6_000 + rotation * 1_000;
            append(&work, "a.csv", &(HEADER.to_owned() + &lines(first..first + 1_000)));
        }
        if killed {
            running.signal(Signal::KILL);
            running.finish_quietly();
            running = begin();
        }
        server.start();
        comes_to(&store, 9_000, &mut running);
        let run = end(running).expect(143);
        assert_once(&store, 0..9_000, &format!("killed: {killed}, {first}: {run}"));
        assert!(!run.stderr.contains("truncated"), "nothing is in doubt: {run}");
    }
}

/// What is in no copy is told, with the file and the bytes.
#[test]
fn what_a_truncation_has_lost_is_told() {
    let server = Postgres::private();
    let db = server.database();
    db.execute("CREATE TABLE seqs (seq BIGINT, note TEXT)");
    let (work, store) = (Work::new(), Store::Postgres(db));
    append(&work, "a.csv", &(HEADER.to_owned() + &lines(0..3)));
    let flags = ["--capacity", "50", "--batch-size", "20", "--wait", "--metrics-listen", "127.0.0.1:0"];
    let mut running =
        tail(&work, &store, "a.csv").arguments(flags).env("MDS_CB_HALF_OPEN_AFTER_SEC", "0.2").spawn();
    let at = address(&mut running);
    comes_to(&store, 3, &mut running);
    // All that was there was read; nobody knows of the last moment.
    let size = fs::metadata(work.path("a.csv")).expect("it").len();
    truncate(&work, "a.csv");
    append(&work, "a.csv", HEADER);
    let words = format!("a.csv: it was truncated when it had been read up to byte {size}, and no copy");
    wait::until(PATIENCE, "a warning", || running.said().contains(&words).then_some(()));
    // A copy that was made before the last lines came.
    append(&work, "a.csv", &lines(3..6));
    comes_to(&store, 6, &mut running);
    server.stop();
    append(&work, "a.csv", &lines(6..200));
    wait::until(PATIENCE, "the outage", || running.said().contains("unavailable").then_some(()));
    append(&work, "a.csv", &lines(200..5_000));
    copy(&work, "a.csv", "a.csv.1");
    let copied = fs::metadata(work.path("a.csv.1")).expect("it").len();
    append(&work, "a.csv", "5000,lost\n");
    let size = fs::metadata(work.path("a.csv")).expect("it").len();
    assert_eq!(size - copied, 10);
    // Its size is looked at now and then, also while the reading stands still.
    wait::until(PATIENCE, "its size to be seen", || {
        let lag = get(at, "/status").json()["lag"]["bytes"].as_u64()?;
        (lag > size - 3_500).then_some(())
    });
    truncate(&work, "a.csv");
    append(&work, "a.csv", &(HEADER.to_owned() + &lines(5_001..5_002)));
    server.start();
    comes_to(&store, 5_001, &mut running);
    let run = end(running).expect(143);
    let words = format!("a.csv: it was truncated, and its copy a.csv.1 ends at byte {copied}: 10 bytes");
    assert!(run.stderr.contains(&words), "{run}");
}

/// A writer that goes on with its rows under a file that was copied and truncated, or renamed, writes no
/// header again.
#[test]
fn content_without_a_header_is_read_by_the_one_before() {
    on_every_table(|work, store, what| {
        append(work, "a.csv", &(HEADER.to_owned() + &lines(0..3)));
        let mut running = tail(work, store, "a.csv").spawn();
        comes_to(store, 3, &mut running);
        copy(work, "a.csv", "a.csv.1");
        truncate(work, "a.csv");
        append(work, "a.csv", &lines(3..5));
        comes_to(store, 5, &mut running);
        // Renamed, and made anew.
        fs::rename(work.path("a.csv"), work.path("a.csv.2")).expect("renamed");
        append(work, "a.csv", &lines(5..8));
        comes_to(store, 8, &mut running);
        let run = end(running).expect(143);
        assert!(run.stderr.contains("a.csv: its content has no header"), "{what}: {run}");
        // Over restarts.
        append(work, "a.csv", &lines(8..9));
        all(work, store, "a.csv").expect(0);
        copy(work, "a.csv", "a.csv.3");
        truncate(work, "a.csv");
        append(work, "a.csv", &lines(9..12));
        all(work, store, "a.csv").expect(0);
        append(work, "a.csv", &lines(12..13));
        let run = all(work, store, "a.csv").expect(0);
        assert_once(store, 0..13, &format!("{what}: {run}"));
        // One with a header again, and with its columns the other way round.
        truncate(work, "a.csv");
        append(work, "a.csv", "note,seq\nx,13\ny,14\n");
        let run = all(work, store, "a.csv").expect(0);
        assert_once(store, 0..15, &format!("{what}: {run}"));
        assert!(!work.path(".dlq/seqs.ndjson").exists(), "{what}: {run}");
    });
}

fn shift(work: &Work, most: u64) {
    for older in (1..=most).rev() {
        let (from, to) = (format!("in/a.csv.{older}"), format!("in/a.csv.{}", older + 1));
        fs::rename(work.path(&from), work.path(&to)).ok();
    }
}

/// Copies, and what was rotated away unseen, are read by the header of the file that they were.
#[test]
fn a_copy_without_a_header_is_read_by_the_one_of_its_file() {
    on_every_table(|work, store, what| {
        for (round, input) in [(0, "in/a.csv"), (1, "in/a.csv*")] {
            let at = |n: u64| round * 20 + n;
            fs::remove_dir_all(work.path("in")).ok();
            append(work, "in/a.csv", &(HEADER.to_owned() + &lines(at(0)..at(2))));
            all(work, store, input).expect(0);
            append(work, "in/a.csv", &lines(at(2)..at(4)));
            for (from, to) in [(4, 6), (6, 7), (7, 10), (10, 12)] {
                shift(work, 4);
                copy(work, "in/a.csv", "in/a.csv.1");
                truncate(work, "in/a.csv");
                append(work, "in/a.csv", &lines(at(from)..at(to)));
            }
            // Renamed too.
            shift(work, 5);
            fs::rename(work.path("in/a.csv"), work.path("in/a.csv.1")).expect("renamed");
            append(work, "in/a.csv", &lines(at(12)..at(20)));
            let run = all(work, store, input).expect(0);
            assert_once(store, 0..at(20), &format!("{what} {input}: {run}"));
            let run = all(work, store, input).expect(0);
            assert_eq!(run.books().read, 0, "{what} {input}: {run}");
        }
    });
}

/// The rows of a run that was killed are known in the copy too.
#[test]
fn killed_and_copied_again_and_again_no_row_is_stored_twice() {
    on_every_table(|work, store, what| {
        append(work, "in/a.csv", HEADER);
        let mut rows = 0;
        for round in 0..4 {
            let mut running = tail(work, store, "in/a.csv").spawn();
            append(work, "in/a.csv", &lines(rows..rows + 100));
            comes_to(store, rows + 100, &mut running);
            running.signal(Signal::KILL);
            running.finish_quietly();
            append(work, "in/a.csv", &lines(rows + 100..rows + 110));
            rows += 110;
            shift(work, round);
            copy(work, "in/a.csv", "in/a.csv.1");
            truncate(work, "in/a.csv");
            append(work, "in/a.csv", HEADER);
        }
        let run = all(work, store, "in/a.csv").expect(0);
        assert_once(store, 0..rows, &format!("{what}: {run}"));
    });
}
