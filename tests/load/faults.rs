//! Everything that PostgreSQL, and those who share it, do to a load: no row is lost, none is in
//! the DLQ that is not bad by itself, and the last row of a key wins.
//!
//! Faults begin when the load has come to a certain point, and are over when the server's log
//! says that they have hit it often enough. A load that is fed goes on until then.

mod embedded;
mod endings;
mod given_up;
mod kills;
mod refusals;
mod sessions;

use crate::generator::random::Random;
use crate::generator::write::Format;
use crate::harness::feed::Feed;
use crate::harness::quotes::{DLQ, Quotes, TABLE};
use crate::harness::run::{Mdsctl, Running};
use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Run, Work, wait};

/// A program that loads quotes and does not wait long between two attempts.
fn program(work: &Work, input: &str, dsn: &str, workers: &str) -> Mdsctl {
    program_of(work, input, dsn, workers, "200")
}

/// The same with batches of that size.
fn program_of(work: &Work, input: &str, dsn: &str, workers: &str, batch: &str) -> Mdsctl {
    let flags = ["load", input, "--table", "quotes", "--json", "--dlq", DLQ, "--dsn", dsn];
    let engine = ["--capacity", "2000", "--batch-size", batch, "--workers", workers];
    let quick = ["--retry-initial-backoff", "10ms", "--retry-max-backoff", "100ms"];
    work.mdsctl(flags).arguments(engine).arguments(quick).arguments(["--cb-half-open-after", "200ms"])
}

/// The last row that has come into the table; 0 while the server does not say.
fn progress(db: &Db) -> u64 {
    let rows = db.try_rows("SELECT coalesce(max(seq), 0) FROM quotes").ok();
    rows.and_then(|rows| rows.first()?.first()?.as_ref()?.parse().ok()).unwrap_or(0)
}

/// A load from a pipe that goes on until the test has seen enough.
struct Scene {
    work: Work,
    db: Db,
    feed: Feed,
    running: Running,
    what: String,
}

impl Scene {
    /// A load into an empty table; it has begun to write when this returns.
    fn start(server: &Postgres, workers: &str, what: &str) -> Self {
        let db = server.database();
        db.execute(TABLE);
        let dsn = db.dsn();
        Self::start_in(db, &dsn, workers, what)
    }

    /// The same into the quotes of that database, seen by that name.
    fn start_in(db: Db, dsn: &str, workers: &str, what: &str) -> Self {
        let work = Work::new();
        let (feed, pipe) = Feed::start(Quotes::new(Random::new(17, 0), 300), Format::Ndjson);
        let running = program(&work, "-", dsn, workers).within(PATIENCE).pipe(pipe).spawn();
        let mut scene = Self { work, db, feed, running, what: format!("{what}, {workers} workers") };
        scene.goes_on(0);
        scene
    }

    /// Waits until rows after that one are in the table; the last of them.
    fn goes_on(&mut self, after: u64) -> u64 {
        self.until("further rows in the table", |scene| Some(progress(&scene.db)).filter(|at| *at > after))
    }

    /// Waits for an answer; fails when the program ends before.
    fn until<A>(&mut self, what: &str, mut ask: impl FnMut(&mut Self) -> Option<A>) -> A {
        let full = format!("{what} ({})", self.what);
        wait::until(PATIENCE, &full, || {
            assert!(!self.running.has_ended(), "it ended before {full}: {}", self.running.said());
            ask(self)
        })
    }

    /// Ends the connections of the program.
    fn terminate(&self) -> u64 {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'mdsctl'";
        self.db.value(sql).parse().expect("a count")
    }

    /// Ends the stream; everything must have come to where it belongs.
    fn finish(self) -> Run {
        let (run, mut quotes) = self.feed.finish(self.running);
        quotes.assert_loaded(&self.work, &self.db, &run, &self.what);
        run
    }

    /// The same, after faults that have cost attempts.
    fn finish_after_retries(self) {
        let run = self.finish();
        assert!(run.json()["retries"].as_u64().is_some_and(|retries| retries > 0), "{run}");
    }
}
