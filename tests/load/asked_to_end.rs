//! Every signal that would end the program by default: what a pipe gave is in the store or in the dead letters,
//! and what is said of the end is so.

use std::io::Write as _;

use rustix::process::Signal;

use crate::harness::wait::PATIENCE;
use crate::harness::{Postgres, Store, Work, dlq, wait};

const SIGNALS: [Signal; 9] = [
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::XCPU,
    Signal::IO,
    Signal::POWER,
    Signal::STKFLT,
];

fn lines(from: u64, to: u64) -> String {
    (from..to).map(|n| format!("{n},{n}\n")).collect()
}

/// The signals that the process catches, a bit each.
fn caught(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
    u64::from_str_radix(mask.trim(), 16).expect("a mask")
}

#[test]
fn a_signal_that_would_kill_by_default_costs_no_row_of_a_pipe() {
    let db = Postgres::shared().database();
    std::thread::scope(|threads| {
        for (place, signal) in SIGNALS.into_iter().enumerate() {
            let db = &db;
            threads.spawn(move || {
                let (work, table) = (Work::new(), format!("t{place}"));
                db.execute(&format!("CREATE TABLE {table} (n int, v int)"));
                let (reader, mut writer) = std::io::pipe().expect("a pipe");
                let flags =
                    ["load", "-", "--table", &table, "--json", "--batch-size", "100", "--dsn", &db.dsn()];
                let mut running = work.mdsctl(flags).pipe(reader).spawn();
                writer.write_all(format!("n,v\n{}", lines(0, 1_000)).as_bytes()).expect("the pipe");
                wait::until(PATIENCE, "all rows in the table", || {
                    assert!(!running.has_ended(), "{signal:?}: {}", running.said());
                    (db.count(&table) == 1_000).then_some(())
                });
                running.signal(signal);
                let run = running.finish().expect(143);
                drop(writer);
                assert_eq!(run.books().inserted, 1_000, "{signal:?}: {run}");
                // Nothing is kept, and nothing is left of a pipe to go on with.
                assert!(run.stderr.contains("what was read is stored"), "{signal:?}: {run}");
                for words in ["for the rest", "replay-dlq", "the same command"] {
                    assert!(!run.stderr.contains(words), "{signal:?}: {run}");
                }
            });
        }
    });
}

#[test]
fn a_stop_between_an_object_and_its_newline_loads_the_object_and_one_within_it_keeps_the_part() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (n int)");
    for (text, inserted, kept) in [("{\"n\": 1}\n{\"n\": 2}", 2, 0), ("{\"n\": 1}\n{\"n\": 2", 1, 1)] {
        db.execute("DELETE FROM t");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let flags = ["load", "-", "--table", "t", "--json", "--dlq", "q.ndjson", "--dsn", &db.dsn()];
        let mut running = work.mdsctl(flags).pipe(reader).spawn();
        writer.write_all(text.as_bytes()).expect("the pipe");
        wait::until(PATIENCE, "the first row", || {
            assert!(!running.has_ended(), "{}", running.said());
            (db.count("t") == 1).then_some(())
        });
        running.signal(Signal::INT);
        let run = running.finish().expect(130);
        drop(writer);
        assert_eq!((run.books().inserted, dlq::rows(&work.dlq("q.ndjson"))), (inserted, kept), "{run}");
    }
}

#[test]
fn a_load_that_is_stopped_and_goes_on_loads_all() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--dataset", "bars", "--json", "--dsn", &store.dsn()];
    let mut running = work.mdsctl(flags).pipe(reader).spawn();
    let bar = |minute: u32| format!("2024-03-04T14:{minute:02}:00Z,v,A,1m,1,1,1,1,1\n");
    writer
        .write_all(format!("ts,vendor,symbol,timeframe,open,high,low,close,volume\n{}", bar(0)).as_bytes())
        .expect("the pipe");
    wait::until(PATIENCE, "the first row", || {
        assert!(!running.has_ended(), "{}", running.said());
        store.count("bars").filter(|rows| *rows == 1)
    });
    // The kernel lets ^Z stop nothing where no shell would go on with it, as under a test runner: that the
    // program leaves it alone is seen from what it catches.
    assert_eq!(caught(running.pid()) & (1 << (Signal::TSTP.as_raw() - 1)), 0);
    running.signal(Signal::STOP);
    wait::until(PATIENCE, "it to stand still", || running.stands_still().then_some(()));
    writer.write_all(bar(1).as_bytes()).expect("the pipe");
    running.signal(Signal::CONT);
    drop(writer);
    let run = running.finish().expect(0);
    assert_eq!(run.books().inserted, 2, "{run}");
    assert_eq!(dlq::rows(&work.dlq(".dlq/bars.ndjson")), 0, "{run}");
}

#[test]
fn rows_of_a_pipe_that_are_kept_have_words_for_the_rest() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (n int, v int)");
    let holder = db.session().expect("a session");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--table", "t", "--dlq", "kept here.ndjson", "--dsn", &db.dsn()];
    let mut running = work.mdsctl(flags).pipe(reader).spawn();
    writer.write_all(format!("n,v\n{}", lines(0, 10)).as_bytes()).expect("the pipe");
    wait::until(PATIENCE, "all rows in the table", || {
        assert!(!running.has_ended(), "{}", running.said());
        (db.count("t") == 10).then_some(())
    });
    holder.execute("BEGIN; LOCK TABLE t IN SHARE MODE");
    writer.write_all(lines(10, 20).as_bytes()).expect("the pipe");
    let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass";
    wait::until(PATIENCE, "a write that hangs", || (!db.rows(waiting).is_empty()).then_some(()));
    running.signal(Signal::INT);
    wait::until(PATIENCE, "the first signal to be noticed", || {
        running.said().contains("once more to stop at once").then_some(())
    });
    running.signal(Signal::INT);
    let run = running.finish().expect(130);
    drop(writer);
    holder.execute("COMMIT");
    assert!(run.error().ends_with("; run mdsctl replay-dlq 'kept here.ndjson' for the rest"), "{run}");
    work.mdsctl(["replay-dlq", "kept here.ndjson", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!(db.count("t"), 20);
}
