//! Equal ticks without an id, in two files and in two replays.

use std::fs;

use crate::harness::{Store, on_both_stores};

const HEADER: &str = "ts,vendor,symbol,price,size\n";
const FIRST: &str = "2024-03-04T10:00:00Z,v,A,1.5,100\n";
const SECOND: &str = "2024-03-04T10:00:01Z,v,A,1.5,100\n";
const THIRD: &str = "2024-03-04T10:00:02Z,v,A,1.5,100\n";

/// The lines of a file as JSON.
fn ndjson(lines: &str) -> String {
    let object = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        format!(
            "{{\"ts\":\"{}\",\"vendor\":\"{}\",\"symbol\":\"{}\",\"price\":{},\"size\":{}}}\n",
            cells[0], cells[1], cells[2], cells[3], cells[4]
        )
    };
    lines.lines().map(object).collect()
}

/// One row alone that a file ends and the next begins with is where one stream was cut: both fills are stored, and
/// it is said how many there are, and what stores them once.
#[test]
fn what_a_file_ends_and_the_next_begins_with_is_stored_and_told() {
    on_both_stores(|work, store, what| {
        for form in ["csv", "ndjson"] {
            let file = |lines: String| match form {
                "csv" => HEADER.to_owned() + &lines,
                _ => ndjson(&lines),
            };
            let (a, b) = (file(FIRST.to_owned() + SECOND), file(SECOND.to_owned() + THIRD));
            let (a, b) = (work.write(&format!("a.{form}"), a), work.write(&format!("b.{form}"), b));
            let dsn = store.dsn();
            let run = work.mdsctl(["load", &a, &b, "--dataset", "ticks", "--dsn", &dsn]).run().expect(0);
            let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains("that the file before ended with"), "{what} {form}: {run}");
            assert!(said.contains("by a command of its own"), "{what} {form}: {run}");
            assert_eq!(store.count("ticks"), Some(4), "{what} {form}: {run}");
            // As one input they are the same.
            let both = fs::read_to_string(work.path(&a)).expect("a")
                + &fs::read_to_string(work.path(&b)).expect("b");
            let load = ["load", "-", "--dataset", "ticks", "--dsn", &dsn];
            let run = work.mdsctl(load).stdin(both).run().expect(0);
            assert_eq!(store.count("ticks"), Some(4), "{what} {form}: {run}");
            assert!(!run.stderr.contains("that the file before"), "{what} {form}: {run}");
            store.try_rows("DELETE FROM ticks").expect("emptied");
        }
    });
}

/// Dead letters keep the ids that their rows were given.
#[test]
fn equal_ticks_that_are_replayed_one_by_one_are_all_stored() {
    on_both_stores(|work, store, what| {
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        let refuse = match store {
            Store::Postgres(_) => "ALTER TABLE ticks ADD CONSTRAINT none CHECK (price < 0)",
            Store::Sqlite(_) => {
                "CREATE TRIGGER none BEFORE INSERT ON ticks BEGIN SELECT raise(abort, 'none'); END"
            }
        };
        store.try_rows(refuse).expect("refused from now on");
        work.write("in.csv", [HEADER, FIRST, FIRST, FIRST].concat());
        let flags = ["load", "in.csv", "--dataset", "ticks", "--dsn", &store.dsn()];
        work.mdsctl(flags).run().expect(3);
        let cure = match store {
            Store::Postgres(_) => "ALTER TABLE ticks DROP CONSTRAINT none",
            Store::Sqlite(_) => "DROP TRIGGER none",
        };
        store.try_rows(cure).expect("cured");
        for rows in 1..=3 {
            work.mdsctl(["replay-dlq", "--limit", "1", "--dsn", &store.dsn()]).run().expect(0);
            assert_eq!(store.count("ticks"), Some(rows), "{what}");
        }
        let run = work.mdsctl(flags).run().expect(0);
        assert_eq!(store.count("ticks"), Some(3), "{what}: {run}");
    });
}
