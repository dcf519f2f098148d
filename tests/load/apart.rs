//! A row for which SQLite refuses the whole transaction is found: the others are stored, it alone is dead.

use rusqlite::Connection;

use crate::harness::Work;

/// Tables that refuse row 77, each in another way, and what they do to the transaction by that.
const TABLES: &str = "
    CREATE TABLE p (id INTEGER PRIMARY KEY);
    CREATE TABLE deferred (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE deferred_keyless (id INTEGER, p INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE rolled (id INTEGER PRIMARY KEY, p INTEGER);
    CREATE TRIGGER r BEFORE INSERT ON rolled WHEN new.p = 77 BEGIN SELECT RAISE(ROLLBACK, 'no 77'); END;
    CREATE TABLE rolled_after (id INTEGER PRIMARY KEY, p INTEGER);
    CREATE TRIGGER ra AFTER INSERT ON rolled_after WHEN new.p = 77 BEGIN SELECT RAISE(ROLLBACK, 'no 77'); END;
    CREATE TABLE failed (id INTEGER PRIMARY KEY, p INTEGER);
    CREATE TRIGGER f BEFORE INSERT ON failed WHEN new.p = 77 BEGIN SELECT RAISE(FAIL, 'no 77'); END;
    CREATE TABLE failed_after (id INTEGER PRIMARY KEY, p INTEGER);
    CREATE TRIGGER fa AFTER INSERT ON failed_after WHEN new.p = 77 BEGIN SELECT RAISE(FAIL, 'no 77'); END;
    CREATE TABLE aborted (id INTEGER PRIMARY KEY, p INTEGER);
    CREATE TRIGGER a AFTER INSERT ON aborted WHEN new.p = 77 BEGIN SELECT RAISE(ABORT, 'no 77'); END;";

#[test]
fn one_row_that_undoes_its_transaction_is_dead_and_the_others_are_stored() {
    for table in
        ["deferred", "deferred_keyless", "rolled", "rolled_after", "failed", "failed_after", "aborted"]
    {
        for pipe in [true, false] {
            let what = format!("{table}, pipe {pipe}");
            let work = Work::new();
            let connection = Connection::open(work.path("s.db")).expect("a file");
            connection.execute_batch(TABLES).expect("tables");
            let parents = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
                INSERT INTO p SELECT i FROM n WHERE i <> 77";
            connection.execute_batch(parents).expect("rows");
            let csv: String = (0..2_000).map(|row| format!("{row},{row}\n")).collect();
            let csv = format!("id,p\n{csv}");
            let path = work.write("in.csv", &csv);
            let input = if pipe { "-" } else { path.as_str() };
            let line =
                ["load", input, "--table", table, "--dsn", "sqlite:s.db", "--dlq", "q.ndjson", "--json"];
            let run = work.mdsctl(line).stdin(csv).run().expect(3);
            let books = run.books();
            assert_eq!((books.inserted, books.rejected), (1_999, 1), "{what}: {run}");
            let rows = |sql: &str| -> i64 {
                connection.query_row(&sql.replace("TABLE", table), [], |row| row.get(0)).expect("rows")
            };
            assert_eq!(rows("SELECT count(*) FROM TABLE"), 1_999, "{what}");
            assert_eq!(rows("SELECT count(*) FROM TABLE WHERE p = 77"), 0, "{what}");
            let letters = work.dlq("q.ndjson");
            assert_eq!(letters.len(), 1, "{what}: {run}");
            assert_eq!(letters[0].items[0]["p"], 77, "{what}");
            // Mended, it goes in.
            connection.execute_batch("INSERT INTO p VALUES (77)").expect("a parent");
            for trigger in ["r", "ra", "f", "fa", "a"] {
                connection.execute_batch(&format!("DROP TRIGGER {trigger}")).expect("dropped");
            }
            work.mdsctl(["replay-dlq", "q.ndjson", "--dsn", "sqlite:s.db"]).run().expect(0);
            assert_eq!(rows("SELECT count(*) FROM TABLE"), 2_000, "{what}");
        }
    }
}

/// Where none of them has a parent all are dead, each with that reason.
#[test]
fn rows_that_all_fail_at_the_commit_are_all_dead() {
    let work = Work::new();
    let connection = Connection::open(work.path("s.db")).expect("a file");
    connection.execute_batch(TABLES).expect("tables");
    let csv: String = (0..50).map(|row| format!("{row},{row}\n")).collect();
    let line = ["load", "-", "--table", "deferred", "--dsn", "sqlite:s.db", "--dlq", "q.ndjson", "--json"];
    let run = work.mdsctl(line).stdin(format!("id,p\n{csv}")).run().expect(3);
    assert_eq!(run.books().rejected, 50, "{run}");
    assert!(work.dlq("q.ndjson").iter().all(|letter| letter.code == "23503"));
}
