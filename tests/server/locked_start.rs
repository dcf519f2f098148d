//! A lock that is there before a run begins: told at once, once, and waited for like an outage.

use rustix::process::Signal;

use crate::harness::db::Session;
use crate::harness::run::Running;
use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Work, wait};

/// A default, a CHECK and no key: what is asked of the catalog waits for the lock, and so does the look
/// whether the table is empty.
const TABLES: [&str; 3] = [
    "CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v > 0), at timestamptz DEFAULT now())",
    "CREATE TABLE t (id int, v int)",
    "CREATE TABLE t (id int PRIMARY KEY, v int)",
];

fn locked(db: &Db) -> Session {
    let holder = db.session().expect("a session");
    holder.execute("SET application_name = 'nightly report'; BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
    holder
}

fn told(running: &Running) -> String {
    wait::until(PATIENCE, "the holder to be named", || {
        let said = running.said();
        said.contains("nightly report").then_some(said)
    })
}

#[test]
fn who_holds_a_lock_before_a_load_begins_is_named_once() {
    for table in TABLES {
        let db = Postgres::shared().database();
        db.execute(table);
        let work = Work::new();
        let path = work.write("a.csv", "id,v\n1,1\n2,2\n3,3\n4,4\n");
        let holder = locked(&db);
        let flags =
            ["load", &path, "--table", "t", "--workers", "4", "--batch-size", "1", "--write-timeout", "30s"];
        let running = work.mdsctl(flags).arguments(["--dsn", &db.dsn()]).spawn();
        told(&running);
        holder.execute("COMMIT");
        let run = running.finish().expect(0);
        assert_eq!(run.stderr.matches("waiting for a lock").count(), 1, "{table}: {run}");
        assert_eq!(db.count("t"), 4, "{table}");
    }
}

#[test]
fn a_lock_before_a_load_begins_counts_as_an_outage() {
    let db = Postgres::shared().database();
    db.execute(TABLES[0]);
    let work = Work::new();
    let path = work.write("a.csv", "id,v\n1,1\n");
    let holder = locked(&db);
    let flags = ["load", &path, "--table", "t", "--max-outage", "1s", "--dsn", &db.dsn()];
    let run = work.mdsctl(flags).run().expect(5);
    assert!(run.error().contains("nightly report"), "{run}");
    holder.execute("COMMIT");
    work.mdsctl(flags).run().expect(0);
}

#[test]
fn a_lock_before_a_load_or_a_replay_begins_can_be_left() {
    let db = Postgres::shared().database();
    db.execute(TABLES[0]);
    let work = Work::new();
    let path = work.write("a.csv", "id,v\n1,1\n2,-2\n");
    work.mdsctl(["load", &path, "--table", "t", "--dsn", &db.dsn()]).run().expect(3);
    let holder = locked(&db);
    let queue = std::fs::read(work.path(".dlq/public.t.ndjson")).expect("a queue");
    for command in [&["load", &path, "--table", "t"][..], &["replay-dlq"]] {
        let running = work.mdsctl(command.iter().copied()).arguments(["--dsn", &db.dsn()]).spawn();
        told(&running);
        running.signal(Signal::INT);
        running.finish().expect(130);
    }
    holder.execute("COMMIT");
    let run = work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).run().expect(3);
    let kept = std::fs::read(work.path(".dlq/public.t.ndjson")).expect("a queue");
    assert!(!queue.is_empty() && !kept.is_empty(), "{run}");
}
