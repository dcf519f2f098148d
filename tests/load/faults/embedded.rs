//! The embedded store, where what is around it goes away: its dead-letter queue, and the patience of whoever
//! waits for a lock.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rustix::process::Signal;

use super::PATIENCE;
use super::given_up::{spoilt, told};
use crate::harness::run::Running;
use crate::harness::{Store, Work, dlq, wait};

fn table(work: &Work, ddl: &str) -> Store {
    let store = Store::sqlite(work);
    let connection = Connection::open(work.path("store.db")).expect("a store");
    connection.execute_batch(ddl).expect("a table");
    store
}

fn numbers(store: &Store) -> Vec<u64> {
    let rows = store.rows("SELECT n FROM plain ORDER BY n");
    rows.iter().map(|row| row[0].as_ref().and_then(|n| n.parse().ok()).expect("a number")).collect()
}

/// Waits for what it says, or for something else, while it runs.
fn said(running: &mut Running, what: &str, is: impl Fn(&str) -> bool) {
    wait::until(PATIENCE, what, || {
        assert!(!running.has_ended(), "{what}: {}", running.said());
        is(&running.said()).then_some(())
    });
}

fn interrupt_twice(running: &mut Running) {
    running.signal(Signal::INT);
    said(running, "the first signal to be noticed", |said| said.contains("once more to stop at once"));
    running.signal(Signal::INT);
}

#[test]
fn a_dead_letter_queue_that_goes_away_costs_no_good_row_of_the_embedded_store() {
    for (patience, keyed) in [(true, false), (false, false), (true, true), (false, true)] {
        let work = Work::new();
        let key = if keyed { "PRIMARY KEY" } else { "" };
        let store = table(&work, &format!("CREATE TABLE plain (n INTEGER {key}, note TEXT NOT NULL)"));
        let what = format!("--max-outage: {patience}, a key: {keyed}");
        fs::create_dir(work.path("graves")).expect("a directory");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let place = ["load", "-", "--table", "plain", "--json", "--dlq", "graves/letters.ndjson", "--dsn"];
        let program = work.mdsctl(place).arguments([store.dsn()]);
        let program = program.arguments(["--batch-size", "100", "--capacity", "1000"]);
        let program = if patience { program.arguments(["--max-outage", "1s"]) } else { program };
        let mut running = program.pipe(reader).spawn();
        let given = std::thread::spawn(move || {
            let mut next = 0;
            while std::io::Write::write_all(&mut writer, spoilt(next, next + 50).as_bytes()).is_ok() {
                next += 50;
            }
        });
        let letters = work.path("graves/letters.ndjson");
        said(&mut running, "the first dead letters", |_| dlq::has_some(&letters));
        fs::rename(work.path("graves"), work.path("away")).expect("it is moved");
        fs::write(work.path("graves"), "").expect("a file in its place");
        if !patience {
            said(&mut running, "the queue to be missed", |said| said.contains("dead-letter queue"));
            interrupt_twice(&mut running);
        }
        let run = running.finish().expect(5);
        given.join().expect("the writer");
        told(&run, &what);
        let rows = &run.json()["rows"];
        let [taken, inserted, rejected] =
            ["read", "inserted", "rejected"].map(|name| rows[name].as_u64().expect("a number"));
        let stored = numbers(&store);
        assert_eq!(stored.len() as u64, inserted, "{what}: {run}");
        // Every good row of what was taken is there: all before the last line that was read.
        let expected: Vec<u64> = (0..taken).filter(|n| !matches!(n % 100, 40 | 41)).collect();
        assert_eq!(stored, expected, "{what}: {run}");
        let buried = dlq::rows(&dlq::read(&work.path("away/letters.ndjson")));
        assert_eq!(buried, rejected, "{what}: {run}");
        let lost = taken - inserted - rejected;
        assert!(lost > 0 && run.stderr.contains(&format!("{lost} row")), "{what}: {run}");
    }
}

fn plain(from: u64, to: u64) -> String {
    let mut text = String::new();
    for n in from..to {
        let _ = writeln!(text, r#"{{"n": {n}, "note": "row {n}"}}"#);
    }
    text
}

/// How often each number is in the table or in a dead letter.
fn copies(store: &Store, letters: &Path) -> BTreeMap<u64, u64> {
    let mut copies = BTreeMap::new();
    numbers(store).into_iter().for_each(|n| *copies.entry(n).or_default() += 1);
    for item in dlq::read(letters).iter().flat_map(|letter| letter.items.clone()) {
        let n = item["n"].to_string().trim_matches('"').parse().expect("a number");
        *copies.entry(n).or_default() += 1;
    }
    copies
}

#[test]
fn a_second_signal_or_an_outage_under_a_lock_leaves_each_row_of_a_pipe_in_one_place() {
    for patience in [true, false] {
        let work = Work::new();
        // Nothing tells its rows apart: one that is replayed, and was committed, would be there twice.
        let store = table(&work, "CREATE TABLE plain (n INTEGER, note TEXT)");
        let what = format!("--max-outage: {patience}");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let place = ["load", "-", "--table", "plain", "--json", "--dlq", "letters.ndjson", "--dsn"];
        let program = work.mdsctl(place).arguments([store.dsn()]);
        let program = program.arguments(["--batch-size", "100", "--capacity", "1000"]);
        let program = if patience { program.arguments(["--max-outage", "1s"]) } else { program };
        let mut running = program.pipe(reader).spawn();
        let given = std::thread::spawn(move || {
            let mut next = 0;
            while std::io::Write::write_all(&mut writer, plain(next, next + 50).as_bytes()).is_ok() {
                next += 50;
            }
        });
        said(&mut running, "the first rows", |_| store.count("plain").is_some_and(|rows| rows > 0));
        let other = Connection::open(work.path("store.db")).expect("the store");
        other.busy_timeout(PATIENCE).expect("patience");
        other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        if !patience {
            interrupt_twice(&mut running);
        }
        let run = running.finish().expect(if patience { 5 } else { 130 });
        given.join().expect("the writer");
        drop(other);
        let letters = work.path("letters.ndjson");
        let (books, copies) = (run.books(), copies(&store, &letters));
        assert!(copies.values().all(|times| *times == 1), "{what}: {copies:?}: {run}");
        assert_eq!(copies.last_key_value().map(|(n, _)| n + 1), Some(copies.len() as u64), "{what}: {run}");
        assert_eq!(books.read, copies.len() as u64, "{what}: {run}");
        assert_eq!(Some(books.inserted), store.count("plain"), "{what}: {run}");
        assert!(books.rejected > 0, "{what}: {run}");
        work.mdsctl(["replay-dlq", "letters.ndjson", "--dsn", &store.dsn()]).run().expect(0);
        let stored = numbers(&store);
        assert_eq!(stored, (0..books.read).collect::<Vec<_>>(), "{what}: {run}");
    }
}

#[test]
fn a_service_that_is_stopped_under_a_lock_ends_well_before_it_is_killed() {
    let work = Work::new();
    let store = table(&work, "CREATE TABLE plain (n INTEGER, note TEXT)");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let place = ["load", "-", "--table", "plain", "--json", "--dlq", "letters.ndjson", "--dsn"];
    let program = work.mdsctl(place).arguments([store.dsn()]);
    let program = program.arguments(["--batch-size", "100", "--capacity", "1000"]);
    let mut running = program.pipe(reader).spawn();
    let given = std::thread::spawn(move || {
        let mut next = 0;
        while std::io::Write::write_all(&mut writer, plain(next, next + 50).as_bytes()).is_ok() {
            next += 50;
        }
    });
    said(&mut running, "the first rows", |_| store.count("plain").is_some_and(|rows| rows > 0));
    let other = Connection::open(work.path("store.db")).expect("the store");
    other.busy_timeout(PATIENCE).expect("patience");
    other.execute_batch("BEGIN EXCLUSIVE").expect("the lock");
    let began = std::time::Instant::now();
    running.signal(Signal::TERM);
    let run = running.finish().expect(143);
    // Four seconds are for the store; service managers give ten, of which waits for the lock took the rest.
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}: {run}", began.elapsed());
    given.join().expect("the writer");
    drop(other);
    let (books, copies) = (run.books(), copies(&store, &work.path("letters.ndjson")));
    assert!(copies.values().all(|times| *times == 1), "{copies:?}: {run}");
    assert_eq!(books.read, copies.len() as u64, "{run}");
}
