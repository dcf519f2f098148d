//! A table that somebody changes while rows are on their way to it.

mod columns;
mod kinds;
mod lost;
mod moments;
mod none;
mod waits;

use std::fs::OpenOptions;
use std::io::Write;

use rustix::process::Signal;

use crate::harness::db::Db;
use crate::harness::run::{Run, Running};
use crate::harness::wait::PATIENCE;
use crate::harness::{Work, wait};

/// How often each change is made under a load and under a tail: once, unless `MDSCTL_CHANGES` asks for
/// more, which `scripts/campaign` does.
fn rounds() -> u64 {
    std::env::var("MDSCTL_CHANGES").map_or(1, |rounds| rounds.parse().expect("a number"))
}

fn append(work: &Work, text: &str) {
    let file = OpenOptions::new().create(true).append(true).open(work.path("f.csv"));
    file.expect("a file").write_all(text.as_bytes()).expect("it is written");
}

/// A tail of `f.csv` into the table `t`.
fn tail(work: &Work, dsn: &str) -> Running {
    work.mdsctl(["tail", "f.csv", "--table", "t", "--json", "--dsn", dsn])
        .env("MDS_CB_HALF_OPEN_AFTER_SEC", "0.2")
        .spawn()
}

/// Waits until the table has so many rows.
fn stored(db: &Db, running: &mut Running, rows: u64) {
    let count = || db.try_rows("SELECT count(*) FROM t").ok()?.first()?.first()?.clone()?.parse::<u64>().ok();
    let seen = wait::within(PATIENCE, || {
        assert!(!running.has_ended(), "it has ended: {}", running.said());
        count().filter(|seen| *seen >= rows)
    });
    assert_eq!(seen, Some(rows), "there are {:?}: {}", count(), running.said());
}

/// Waits until it has said that.
fn said(running: &mut Running, words: &str) {
    wait::until(PATIENCE, words, || {
        assert!(!running.has_ended(), "it has ended: {}", running.said());
        running.said().contains(words).then_some(())
    });
}

fn stop(running: Running) -> Run {
    running.signal(Signal::INT);
    running.finish().expect(130)
}

/// Waits until a transaction of the program waits for a lock.
fn held_up(db: &Db) {
    let sql = "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
               WHERE NOT l.granted AND a.datname = current_database()";
    wait::until(PATIENCE, "a transaction that waits", || (!db.rows(sql).is_empty()).then_some(()));
}
