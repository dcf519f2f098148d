//! Rows are copied right into the table; where rows of their keys are there, or come at the same
//! time, they are merged.

use std::fmt::Write as _;

use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Run, Work, wait};

const TABLE: &str = "CREATE TABLE t (ts timestamptz, symbol text, price numeric(20,8), ticket text, PRIMARY KEY (ts, symbol))";

fn csv(rows: impl Iterator<Item = u64>) -> String {
    let mut csv = String::from("ts,symbol,price,ticket\n");
    for row in rows {
        let symbol = ["AAPL", "MSFT", "IBM"][row as usize % 3];
        let _ = writeln!(csv, "{},{symbol},{row}.5,T{row}", 1_700_000_000 + row / 3 * 60);
    }
    csv
}

fn flags<'a>(path: &'a str, workers: &'a str) -> [&'a str; 9] {
    ["load", path, "--table", "t", "--json", "--workers", workers, "--dlq", "d"]
}

fn load(work: &Work, db: &Db, path: &str, workers: &str, more: &[&str]) -> Run {
    work.mdsctl(flags(path, workers)).arguments(["--dsn", &db.dsn()]).arguments(more).run()
}

/// Number of rows, and whether each is what the file says.
fn holds(db: &Db, rows: u64) {
    assert_eq!(db.count("t"), rows);
    assert_eq!(db.count("t WHERE 'T' || trunc(price)::text <> ticket OR price - trunc(price) <> 0.5"), 0);
}

/// Waits until so many statements of the program wait for a lock, and gives their processes.
fn blocked(db: &Db, least: usize) -> Vec<String> {
    wait::until(PATIENCE, "statements that wait", || {
        let rows = db.rows(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        let pids: Vec<String> = rows.into_iter().filter_map(|mut row| row.remove(0)).collect();
        Some(pids).filter(|pids| pids.len() >= least)
    })
}

#[test]
fn half_of_a_file_was_loaded_before() {
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(TABLE);
        // Every other thousand, so that batches meet both.
        let half = work.write("half.csv", csv((0..12_000).filter(|row| row / 1_000 % 2 == 0)));
        let all = work.write("all.csv", csv(0..12_000));
        load(&work, &db, &half, workers, &["--batch-size", "700"]).expect(0);
        let run = load(&work, &db, &all, workers, &["--batch-size", "700"]).expect(0);
        let books = run.books();
        assert_eq!((books.inserted, books.unchanged, books.updated), (6_000, 6_000, 0), "{run}");
        holds(&db, 12_000);
    }
}

#[test]
fn a_conflict_in_the_middle_of_a_batch() {
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(TABLE);
        let few = work.write("few.csv", csv(2_345..2_352).replace(".5,", ".25,"));
        load(&work, &db, &few, "1", &[]).expect(0);
        let all = work.write("all.csv", csv(0..4_000));
        let run = load(&work, &db, &all, workers, &[]).expect(0);
        let books = run.books();
        assert_eq!((books.inserted, books.unchanged, books.updated), (3_993, 0, 7), "{run}");
        holds(&db, 4_000);
    }
}

/// The program waits for somebody's row of the same key when its connection is cut.
#[test]
fn a_conflict_that_is_interrupted() {
    for commits in [true, false] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(TABLE);
        let other = db.session().expect("a session");
        other.execute(
            "BEGIN; INSERT INTO t VALUES (to_timestamp(1700000000 + 500 * 60), 'AAPL', 1, 'theirs')",
        );
        let path = work.write("all.csv", csv(0..3_000));
        let program = work.mdsctl(flags(&path, "1")).arguments(["--dsn", &db.dsn()]).spawn();
        for pid in blocked(&db, 1) {
            db.execute(&format!("SELECT pg_terminate_backend({pid})"));
        }
        blocked(&db, 1);
        other.execute(if commits { "COMMIT" } else { "ROLLBACK" });
        let run = program.finish().expect(0);
        let books = run.books();
        let expected = if commits { (2_999, 1) } else { (3_000, 0) };
        assert_eq!((books.inserted, books.updated), expected, "{run}");
        holds(&db, 3_000);
    }
}

#[test]
fn two_load_the_same_file_at_the_same_time() {
    for workers in ["1", "2"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(TABLE);
        let path = work.write("all.csv", csv(0..6_000));
        let gate = db.session().expect("a session");
        gate.execute("BEGIN; LOCK TABLE t IN EXCLUSIVE MODE");
        let start = || {
            work.mdsctl(flags(&path, workers)).arguments(["--dsn", &db.dsn(), "--batch-size", "500"]).spawn()
        };
        let programs = [start(), start()];
        blocked(&db, 2);
        gate.execute("ROLLBACK");
        let runs = programs.map(|program| program.finish().expect(0));
        let books = runs.each_ref().map(Run::books);
        assert_eq!(books[0].inserted + books[1].inserted, 6_000, "{}\n{}", runs[0], runs[1]);
        assert_eq!(books[0].unchanged + books[1].unchanged, 6_000, "{}\n{}", runs[0], runs[1]);
        holds(&db, 6_000);
    }
}

#[test]
fn a_second_unique_index_costs_the_rows_that_violate_it() {
    for (workers, how) in [("1", "update"), ("4", "update"), ("4", "skip"), ("1", "error")] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(TABLE);
        db.execute("CREATE UNIQUE INDEX ticket_once ON t (ticket)");
        let taken: Vec<u64> = (1..9).map(|n| n * 331).collect();
        for row in &taken {
            db.execute(&format!("INSERT INTO t VALUES ('1999-01-01', 'OLD{row}', 1, 'T{row}')"));
        }
        let path = work.write("all.csv", csv(0..3_000));
        let run = load(&work, &db, &path, workers, &["--on-conflict", how, "--batch-size", "800"]).expect(3);
        assert_eq!((run.books().inserted, run.books().rejected), (2_992, 8), "{run}");
        let letters = work.dlq("d");
        let mut rows: Vec<u64> = letters.iter().flat_map(|letter| letter.rows.clone()).collect();
        rows.sort_unstable();
        let expected: Vec<u64> = taken.iter().map(|row| row + 1).collect();
        assert_eq!(rows, expected, "{workers} workers, {how}");
        assert!(letters.iter().all(|l| l.code == "23505" && l.constraint.as_deref() == Some("ticket_once")));
        assert_eq!(db.count("t"), 3_000);
    }
}

#[test]
fn a_second_load_leaves_no_dead_row_and_rewrites_nothing() {
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(TABLE);
        db.execute("ALTER TABLE t SET (autovacuum_enabled = off)");
        let path = work.write("all.csv", csv(0..5_000));
        load(&work, &db, &path, workers, &[]).expect(0);
        let versions = "SELECT md5(string_agg(xmin || ' ' || ctid::text, ',' ORDER BY ts, symbol)) FROM t";
        let before = db.value(versions);
        let run = load(&work, &db, &path, workers, &[]).expect(0);
        assert_eq!(run.books().unchanged, 5_000, "{run}");
        assert_eq!(db.value(versions), before);
        // A server process tells what it has done when it ends.
        wait::until(PATIENCE, "the ends of the connections", || {
            let left =
                db.count("pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
            (left == 0).then_some(())
        });
        let told = db.rows(
            "SELECT n_tup_ins, n_tup_upd, n_tup_del, n_dead_tup FROM pg_stat_user_tables WHERE relname = 't'",
        );
        let told: Vec<&str> = told[0].iter().map(|cell| cell.as_deref().unwrap_or("")).collect();
        assert_eq!(told, ["5000", "0", "0", "0"], "{workers} workers: {run}");
    }
}
