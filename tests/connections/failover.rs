//! A primary, a standby that follows it, and a load that finds the one that takes rows.

use std::fs;
use std::io::{PipeReader, Write};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use super::UNAVAILABLE;
use crate::generator::fixtures;
use crate::harness::large::LARGE;
use crate::harness::run::{Running, fixture};
use crate::harness::truth::assert_same;
use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Store, Work, wait};

/// Two servers with the same database.
struct Pair {
    primary: Postgres,
    standby: Postgres,
    /// The database as each of them has it.
    here: Db,
    there: Db,
}

impl Pair {
    fn new() -> Self {
        let primary = Postgres::private();
        let here = primary.database_with_schema();
        let standby = primary.standby();
        let there = standby.db(here.name());
        Self { primary, standby, here, there }
    }

    /// Both of them, the standby first.
    fn dsn(&self) -> String {
        let (first, second, name) = (self.standby.port(), self.primary.port(), self.here.name());
        format!("postgres://mds@127.0.0.1:{first},127.0.0.1:{second}/{name}")
    }
}

/// The large file through a pipe, half of it now and the rest when it is asked for.
struct Halves {
    rest: Sender<()>,
    thread: JoinHandle<()>,
}

impl Halves {
    fn new() -> (Self, PipeReader) {
        let bytes = fs::read(LARGE.path()).expect("the file");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let (rest, go) = channel();
        let thread = std::thread::spawn(move || {
            let (first, second) = bytes.split_at(bytes.len() / 2);
            let written = writer.write_all(first);
            // What the program has said tells why it does not read.
            if written.is_ok() && go.recv().is_ok() {
                let _ = writer.write_all(second);
            }
        });
        (Self { rest, thread }, reader)
    }

    fn finish(self) {
        self.rest.send(()).expect("the thread waits");
        self.thread.join().expect("the thread");
    }
}

/// A load of the first half, which has stored something when this returns.
fn start(work: &Work, pair: &Pair, workers: &str) -> (Halves, Running) {
    let (halves, pipe) = Halves::new();
    let flags = ["load", "-", "--json", "-v", "--workers", workers, "--dsn", &pair.dsn()];
    let quick = ["--batch-size", "2000", "--retry-max-backoff", "100ms", "--cb-half-open-after", "200ms"];
    let mut running = work.mdsctl(flags).arguments(quick).pipe(pipe).spawn();
    wait::until(PATIENCE, "the first rows", || {
        assert!(!running.has_ended(), "it ended before a row was seen: {}", running.said());
        (pair.here.count("bars") > 0).then_some(())
    });
    (halves, running)
}

/// The other half; in the end all rows must be on the server that was the standby.
fn finish(work: &Work, pair: Pair, halves: Halves, running: Running, what: &str) {
    halves.finish();
    let run = running.finish().expect(0);
    let books = run.books();
    assert_eq!(books.read, LARGE.plan.rows, "{what}: {run}");
    // Rows of a commit in doubt may be found to be there already.
    assert_eq!(books.inserted + books.unchanged, books.read, "{what}: {run}");
    assert!(run.json()["retries"].as_u64().is_some_and(|retries| retries > 0), "{what}: {run}");
    assert!(!work.path(".dlq").exists(), "{what}: {run}");
    assert_same(&Store::Postgres(pair.there).stored(&LARGE.plan), &LARGE.truth, what);
}

/// The primary dies under a load, and later its standby takes its place.
fn promotion(workers: &str) {
    let (work, pair) = (Work::new(), Pair::new());
    let (halves, mut running) = start(&work, &pair, workers);
    pair.primary.kill9();
    wait::until(PATIENCE, "an attempt to find only the standby", || {
        assert!(!running.has_ended(), "it does not wait: {}", running.said());
        running.said().contains("it is a standby").then_some(())
    });
    pair.standby.promote();
    finish(&work, pair, halves, running, &format!("promotion, {workers} workers"));
}

#[test]
fn a_primary_dies_and_its_standby_is_promoted() {
    promotion("1");
}

#[test]
fn a_primary_dies_under_several_workers() {
    promotion("4");
}

#[test]
fn a_primary_is_fenced_off_and_its_standby_is_promoted() {
    let (work, pair) = (Work::new(), Pair::new());
    let (halves, mut running) = start(&work, &pair, "1");
    let mut errors = pair.primary.errors(&pair.here);
    // Its connections stay, but nobody can write there any more.
    pair.primary.db("postgres").execute("ALTER SYSTEM SET default_transaction_read_only = on");
    pair.primary.reload();
    wait::until(PATIENCE, "a write that is refused", || {
        assert!(!running.has_ended(), "it does not wait: {}", running.said());
        (errors.count("25006") > 0 || running.said().contains("it is read-only")).then_some(())
    });
    pair.standby.promote();
    assert!(pair.primary.is_running());
    finish(&work, pair, halves, running, "a fence");
}

#[test]
fn the_kind_of_server_that_is_asked_for() {
    let (work, pair) = (Work::new(), Pair::new());
    let load = |dsn: &str| work.mdsctl(["load", &fixture("bars.csv"), "--json", "--dsn", dsn]).run();
    let stored = |dsn: &str| {
        let run = load(dsn).expect(0);
        assert_eq!(pair.here.count("bars"), fixtures::bars().rows, "{run}");
        pair.here.execute("TRUNCATE bars");
    };
    // Several hosts without a word: the one that takes rows.
    stored(&pair.dsn());
    for kind in ["read-write", "primary"] {
        stored(&format!("{}?target_session_attrs={kind}", pair.dsn()));
    }
    let alone = format!("postgres://mds@127.0.0.1:{}/{}", pair.standby.port(), pair.here.name());
    let run = load(&format!("{alone}?target_session_attrs=read-write")).expect(UNAVAILABLE);
    let said = "it is a standby, which target_session_attrs rules out";
    assert!(run.error().contains(said) && run.error().contains(&pair.standby.port().to_string()), "{run}");
    let run = load(&alone).expect(UNAVAILABLE);
    assert!(run.error().ends_with("takes no rows, name the primary or all hosts: it is a standby"), "{run}");
    // Nothing has been taken from a pipe then.
    let bars = fs::read(fixture("bars.csv")).expect("the file");
    let run = work.mdsctl(["load", "-", "--dsn", &alone]).stdin(bars).run().expect(UNAVAILABLE);
    assert!(run.error().ends_with("it is a standby"), "{run}");
    for name in [".dlq/unknown.ndjson", ".dlq/bars.ndjson"] {
        assert!(work.dlq(name).is_empty(), "{name}: {run}");
    }
    let primary = pair.here.dsn();
    for kind in ["standby", "read-only"] {
        let run = load(&format!("{primary}?target_session_attrs={kind}")).expect(UNAVAILABLE);
        assert!(run.error().contains("which target_session_attrs rules out"), "{kind}: {run}");
    }
    stored(&format!("{primary}?target_session_attrs=prefer-standby"));
    // What reads only may be asked of a standby.
    for kind in ["any", "standby", "read-only", "prefer-standby"] {
        let dsn = format!("{}?target_session_attrs={kind}", pair.dsn());
        work.mdsctl(["schema", "check", "--dsn", &dsn]).run().expect(0);
    }
    // A dead primary: nobody takes rows.
    pair.primary.stop();
    let run = load(&pair.dsn()).expect(UNAVAILABLE);
    assert!(run.error().contains("it is a standby; nor to "), "{run}");
}
