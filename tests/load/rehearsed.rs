//! Dry runs into a table by name, in a file of SQLite as in PostgreSQL: what it says is what a load would
//! do, and nothing is written.

use rusqlite::Connection;

use crate::harness::{Postgres, Work};

#[test]
fn a_dry_run_looks_at_the_table_that_is_named() {
    let ddl = "CREATE TABLE t (k integer PRIMARY KEY, v integer NOT NULL)";
    for postgres in [true, false] {
        let work = Work::new();
        let dsn = if postgres {
            let db = Postgres::shared().database();
            db.execute(ddl);
            db.dsn()
        } else {
            Connection::open(work.path("m.db")).expect("a file").execute_batch(ddl).expect("a table");
            "sqlite:m.db".to_owned()
        };
        let before = (!postgres).then(|| std::fs::read(work.path("m.db")).expect("the file"));
        let dry = |text: &str, table: &str, dsn: &str| {
            let path = work.write("t.csv", text);
            work.mdsctl(["load", &path, "--table", table, "--dsn", dsn, "--dry-run"]).run()
        };
        let run = dry("k,v\n1,2\n2,3\n", "t", &dsn).expect(0);
        assert!(run.stderr.contains("2 rows of"), "{run}");
        let run = dry("k,v\n1,2\n2,x\n", "t", &dsn).expect(3);
        assert!(run.stderr.contains("bad_number in v"), "{run}");
        let run = dry("k,w\n1,2\n", "t", &dsn).expect(2);
        assert!(run.error().contains("no column for \"v\""), "{run}");
        dry("k,v\n1,2\n", "other", &dsn).expect(2);
        if let Some(before) = before {
            assert_eq!(std::fs::read(work.path("m.db")).expect("the file"), before);
            let names = std::fs::read_dir(work.path("")).expect("a directory").flatten();
            let mut names: Vec<_> = names.map(|entry| entry.file_name()).collect();
            names.retain(|name| name != "home");
            names.sort();
            assert_eq!(names, ["m.db", "t.csv"]);
            let run = dry("k,v\n1,2\n", "t", "sqlite:none.db").expect(2);
            assert!(run.error().contains("needs a store that has the table: name one with --dsn"), "{run}");
        }
    }
}
