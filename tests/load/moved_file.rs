//! The file of the embedded store is deleted or replaced while rows are on their way into it: nothing is
//! counted as stored that nobody can find, and what was not stored before is in the queue.

use std::fs;
use std::io::Write as _;

use rusqlite::Connection;

use crate::harness::wait::PATIENCE;
use crate::harness::{Work, wait};

fn make(work: &Work) {
    let connection = Connection::open(work.path("s.db")).expect("a file");
    connection.execute_batch("CREATE TABLE t (id INTEGER, v TEXT)").expect("a table");
}

fn count(work: &Work) -> i64 {
    let connection = Connection::open(work.path("s.db")).expect("a file");
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap_or(0)
}

fn lines(rows: std::ops::Range<u64>) -> String {
    rows.map(|row| format!("{row},v\n")).collect()
}

#[test]
fn a_file_that_is_gone_in_the_middle_of_a_pipe_takes_no_more_rows() {
    for (how, said) in [("deleted", "was deleted or moved away"), ("replaced", "is another file")] {
        let work = Work::new();
        make(&work);
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let running = work
            .mdsctl(["load", "-", "--table", "t", "--dsn", "sqlite:s.db", "--dlq", "q.ndjson"])
            .arguments(["--batch-size", "100", "--max-outage", "300ms", "--cb-half-open-after", "100ms"])
            .pipe(reader)
            .spawn();
        writer.write_all(format!("id,v\n{}", lines(0..1_000)).as_bytes()).expect("it is read");
        wait::until(PATIENCE, "the first rows", || (count(&work) > 0).then_some(()));
        fs::create_dir(work.path("old")).expect("a directory");
        for name in ["s.db", "s.db-wal", "s.db-shm"] {
            // What is deleted stays readable to the test under another name.
            let _ = fs::rename(work.path(name), work.path("old").join(name));
        }
        if how == "replaced" {
            make(&work);
        }
        writer.write_all(lines(1_000..3_000).as_bytes()).expect("it is read");
        drop(writer);
        let run = running.finish().expect(5);
        assert!(run.stderr.contains(said), "{how}: {run}");
        let before = Connection::open(work.path("old").join("s.db")).expect("the file");
        let before: i64 = before.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("rows");
        let queued: usize = work.dlq("q.ndjson").iter().map(|letter| letter.items.len()).sum();
        assert_eq!(before + queued as i64, 3_000, "{how}: {run}");
        let now = if how == "replaced" { count(&work) } else { 0 };
        assert_eq!((now, work.path("s.db").exists()), (0, how == "replaced"), "{how}: {run}");
    }
}

/// Who puts the file back has all rows in it.
#[test]
fn a_file_that_comes_back_is_written_on() {
    let work = Work::new();
    make(&work);
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut running = work
        .mdsctl(["load", "-", "--table", "t", "--dsn", "sqlite:s.db", "--dlq", "q.ndjson"])
        .arguments(["--batch-size", "100", "--cb-half-open-after", "100ms"])
        .pipe(reader)
        .spawn();
    writer.write_all(format!("id,v\n{}", lines(0..1_000)).as_bytes()).expect("it is read");
    wait::until(PATIENCE, "the first rows", || (count(&work) > 0).then_some(()));
    fs::rename(work.path("s.db"), work.path("away.db")).expect("renamed");
    writer.write_all(lines(1_000..3_000).as_bytes()).expect("it is read");
    wait::until(PATIENCE, "a word of that", || {
        assert!(!running.has_ended(), "it has ended: {}", running.said());
        running.said().contains("moved away").then_some(())
    });
    fs::rename(work.path("away.db"), work.path("s.db")).expect("renamed");
    drop(writer);
    let run = running.finish().expect(0);
    assert_eq!((count(&work), work.path("q.ndjson").exists()), (3_000, false), "{run}");
}
