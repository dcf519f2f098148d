//! Loads that end before their input does: the store does not come back, or somebody has no more
//! patience.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::Signal;

use super::{PATIENCE, program, progress};
use crate::generator::random::Random;
use crate::generator::write::Format;
use crate::harness::db::Session;
use crate::harness::feed::{Feed, Taken};
use crate::harness::quotes::{DLQ, Quotes, TABLE, assert_refused};
use crate::harness::run::Running;
use crate::harness::{Db, Postgres, Run, Work, wait};

/// More rows than are loaded before the fault.
const ROWS: u64 = 60_000;

fn file(work: &Work) -> (Quotes, String) {
    let mut quotes = Quotes::distinct(Random::new(19, 0));
    let mut text = Quotes::header(Format::Csv).to_string();
    quotes.lines(ROWS, Format::Csv, &mut text);
    (quotes, work.write("quotes.csv", text))
}

pub(super) fn stream() -> (Feed, std::io::PipeReader) {
    Feed::start(Quotes::distinct(Random::new(20, 0)), Format::Ndjson)
}

pub(super) fn in_the_middle(db: &Db, running: &mut Running) {
    wait::until(PATIENCE, "the first rows in the table", || {
        assert!(!running.has_ended(), "it ended before a row was seen: {}", running.said());
        (progress(db) > 0).then_some(())
    });
}

/// After a load of a file: what it has not stored is in the file, and nowhere else.
fn assert_left_in_the_file(work: &Work, db: &Db, run: &Run, quotes: &Quotes, what: &str) {
    let books = run.books();
    assert!(books.read < ROWS, "{what}: it was over before the fault: {run}");
    let stored = Quotes::stored(db);
    let expected = quotes.table();
    assert!(stored.iter().all(|row| expected.binary_search(row).is_ok()), "{what}: {run}");
    // Rows of a commit in doubt may be in the table and, as far as the program knows, still in
    // the file.
    assert!(stored.len() as u64 >= books.inserted + books.unchanged, "{what}: {run}");
    let letters = work.dlq(DLQ);
    letters.iter().for_each(|letter| assert_refused(letter, what));
    let bad: BTreeSet<u64> = quotes.bad().iter().copied().collect();
    let rows: Vec<u64> = letters.iter().flat_map(|letter| letter.rows.clone()).collect();
    assert!(rows.iter().all(|row| bad.contains(row)), "{what}: {run}");
    assert_eq!(rows.len(), rows.iter().collect::<BTreeSet<_>>().len(), "each once, {what}: {run}");
    assert_eq!(rows.len() as u64, books.rejected, "{what}: {run}");
}

/// After a load of a stream: every row that was taken out of the pipe is in the table or in the
/// dead-letter queue.
pub(super) fn assert_none_lost(work: &Work, db: &Db, run: &Run, taken: &Taken, what: &str) {
    let books = run.books();
    let stored: BTreeSet<u64> =
        Quotes::stored(db).iter().map(|row| row[2].parse().expect("a number")).collect();
    let bad: BTreeSet<u64> = taken.quotes.bad().iter().copied().collect();
    let letters = work.dlq(DLQ);
    let mut buried = Vec::new();
    for letter in &letters {
        buried.extend(&letter.rows);
        match &*letter.stage {
            "write" => {
                assert_refused(letter, what);
                assert!(letter.rows.iter().all(|row| bad.contains(row)), "{what}: {}", letter.line);
            }
            "abort" | "overflow" => {
                for (row, item) in letter.rows.iter().zip(&letter.items) {
                    let seq = item["seq"].to_string();
                    assert_eq!(seq.trim_matches('"'), row.to_string(), "{what}: {}", letter.line);
                }
            }
            // Half a row was taken, and half of it was left.
            "decode" => assert_eq!((letter.rows.as_slice(), taken.torn), (&[taken.rows + 1][..], true)),
            stage => panic!("{what}: {stage}: {}", letter.line),
        }
    }
    let once: BTreeSet<u64> = buried.iter().copied().collect();
    assert_eq!(once.len(), buried.len(), "each once, {what}: {run}");
    let last = taken.rows + u64::from(taken.torn);
    let lost: Vec<u64> = (1..=last).filter(|row| !stored.contains(row) && !once.contains(row)).collect();
    assert!(
        lost.is_empty(),
        "{what}: {} of {last} rows are lost, {:?} and so on: {run}",
        lost.len(),
        &lost[..lost.len().min(3)]
    );
    assert!(once.iter().all(|row| *row <= last), "{what}: {run}");
    assert_eq!(books.rejected + books.dropped, buried.len() as u64, "{what}: {run}");
    assert_eq!(books.read, last, "{what}: {run}");
}

#[test]
fn a_server_that_never_comes_back() {
    let server = Postgres::private();
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), server.database());
        db.execute(TABLE);
        let what = format!("a file, {workers} workers");
        let (quotes, path) = file(&work);
        let flags = ["--max-outage", "1s"];
        let mut running = program(&work, &path, &db.dsn(), workers).arguments(flags).within(PATIENCE).spawn();
        in_the_middle(&db, &mut running);
        server.kill9();
        let run = running.finish().expect(5);
        assert!(run.error().contains("their files still have them"), "{what}: {run}");
        assert!(run.stderr.contains("did not come back"), "{what}: {run}");
        server.start();
        assert_left_in_the_file(&work, &db, &run, &quotes, &what);

        let (work, what) = (Work::new(), format!("a stream, {workers} workers"));
        db.execute("TRUNCATE quotes");
        let (feed, pipe) = stream();
        let program = program(&work, "-", &db.dsn(), workers).arguments(flags).within(PATIENCE);
        let mut running = program.pipe(pipe).spawn();
        in_the_middle(&db, &mut running);
        server.kill9();
        let (run, taken) = feed.outlive(running);
        let run = run.expect(5);
        assert!(run.error().contains("did not come back"), "{what}: {run}");
        server.start();
        assert_none_lost(&work, &db, &run, &taken, &what);
        assert!(work.dlq(DLQ).iter().any(|letter| letter.stage == "abort"), "{what}: {run}");
    }
}

/// Keeps everybody from writing into the table until it is dropped.
pub(super) fn lock(db: &Db) -> Session {
    let session = db.session().expect("a session");
    session.execute("BEGIN; LOCK TABLE quotes IN SHARE MODE");
    session
}

fn lock_in_the_middle(db: &Db, running: &mut Running) -> Session {
    in_the_middle(db, running);
    lock(db)
}

/// Interrupts a load twice while its store hangs.
fn interrupt_twice(db: &Db, running: &mut Running) {
    let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'quotes'::regclass";
    wait::until(PATIENCE, "a write that hangs", || {
        assert!(!running.has_ended(), "it ended before it could hang: {}", running.said());
        (!db.rows(waiting).is_empty()).then_some(())
    });
    running.signal(Signal::INT);
    wait::until(PATIENCE, "the first signal to be noticed", || {
        running.said().contains("once more to stop at once").then_some(())
    });
    assert!(!running.has_ended(), "it waits for the store");
    running.signal(Signal::INT);
}

#[test]
fn a_second_interrupt_while_the_store_hangs() {
    let server = Postgres::shared();
    // Far less than the store may take for an answer.
    let promptly = Duration::from_secs(30);
    for workers in ["1", "4"] {
        // The lock comes in the middle of the load, or is there before it.
        for at_first in [false, true] {
            let (work, db) = (Work::new(), server.database());
            db.execute(TABLE);
            let what = format!("a file, {workers} workers, locked at first: {at_first}");
            let (quotes, path) = file(&work);
            let first = at_first.then(|| lock(&db));
            let mut running = program(&work, &path, &db.dsn(), workers).within(promptly).spawn();
            let other = first.unwrap_or_else(|| lock_in_the_middle(&db, &mut running));
            interrupt_twice(&db, &mut running);
            let run = running.finish().expect(130);
            drop(other);
            assert_left_in_the_file(&work, &db, &run, &quotes, &what);

            let (work, db) = (Work::new(), server.database());
            db.execute(TABLE);
            let what = format!("a stream, {workers} workers, locked at first: {at_first}");
            let (feed, pipe) = stream();
            let first = at_first.then(|| lock(&db));
            let mut running = program(&work, "-", &db.dsn(), workers).within(promptly).pipe(pipe).spawn();
            let other = first.unwrap_or_else(|| lock_in_the_middle(&db, &mut running));
            interrupt_twice(&db, &mut running);
            let (run, taken) = feed.outlive(running);
            let run = run.expect(130);
            drop(other);
            assert_none_lost(&work, &db, &run, &taken, &what);
        }
    }
}

#[test]
fn a_queue_that_overflows_where_that_is_an_error() {
    let server = Postgres::shared();
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), server.database());
        db.execute(TABLE);
        let what = format!("--overflow error, {workers} workers");
        let (feed, pipe) = stream();
        let program = program(&work, "-", &db.dsn(), workers).arguments(["--overflow", "error"]);
        // The stream never ends, and is faster than the store.
        let (run, taken) = feed.outlive(program.within(PATIENCE).pipe(pipe).spawn());
        let run = run.expect(5);
        assert!(run.error().contains("--overflow"), "{what}: {run}");
        assert_none_lost(&work, &db, &run, &taken, &what);
    }
}
