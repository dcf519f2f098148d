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

#[test]
fn a_dry_run_refuses_what_the_columns_of_a_table_cannot_hold() {
    let db = Postgres::shared().database();
    db.execute(
        "CREATE TABLE t (k integer PRIMARY KEY, n bigint, s smallint, p numeric(6,2), c varchar(3), u uuid, d date)",
    );
    let (work, dsn) = (Work::new(), db.dsn());
    let good = "1,2,3,4.5,abc,00000000-0000-0000-0000-000000000001,2024-01-02\n";
    let bad = ["2,2.5,,,,,\n", "3,,70000,,,,\n", "4,,,12345.6,,,\n", "5,,,,abcd,,\n", "6,,,,,nobody,\n"];
    let path = work.write("t.csv", format!("k,n,s,p,c,u,d\n{good}{}", bad.concat()));
    for more in [&[][..], &["--exact"]] {
        let run = |dry: bool| {
            let dry = if dry { &["--dry-run"][..] } else { &["--force"] };
            let flags = ["load", &path, "--table", "t", "--json", "--dsn", &dsn];
            let run = work.mdsctl(flags).arguments(more.iter().copied()).arguments(dry.iter().copied()).run();
            run.expect(3)
        };
        let (dry, load) = (run(true), run(false));
        // Of a dry run no dead letters are kept, which the books of a run are held against.
        let rows = dry.json()["rows"].clone();
        assert_eq!((rows["inserted"].as_u64(), rows["rejected"].as_u64()), (Some(1), Some(5)), "{dry}");
        assert_eq!((load.books().inserted, load.books().rejected), (1, 5), "{load}");
        assert!(dry.json()["notes"].to_string().contains("does not ask the constraints"), "{dry}");
        db.execute("TRUNCATE t");
    }
}

#[test]
fn what_is_implausible_is_not_said_to_be_stored_where_nothing_is() {
    let work = Work::new();
    let path = work.write(
        "b.csv",
        "ts,vendor,symbol,timeframe,open,high,low,close,volume\n2024-01-02T14:30:00Z,v,A,1d,5,2,3,4,1\n",
    );
    let run = work.mdsctl(["load", &path, "--dry-run"]).run().expect(0);
    assert!(run.stderr.contains("implausible") && !run.stderr.contains("stored all the same"), "{run}");
    assert!(run.stderr.contains("1 symbol, 2024-01-02 14:30 UTC\n"), "{run}");
}

#[test]
fn a_file_of_another_dataset_is_to_be_loaded_by_itself() {
    let work = Work::new();
    let bars =
        work.write("a.csv", "ts,symbol,timeframe,open,high,low,close,volume\n2024-01-02,A,1d,1,2,1,1,5\n");
    let ticks = work.write("b.csv", "ts,symbol,price,size\n2024-01-02T14:30:00Z,A,1,2\n");
    let run = work.mdsctl(["load", &bars, &ticks, "--vendor", "v"]).run().expect(2);
    assert!(run.error().contains("b.csv: these columns look like ticks, and not like bars"), "{run}");
    assert!(!run.error().contains("--map"), "{run}");
    work.mdsctl(["load", &ticks, "--vendor", "v", "--dataset", "ticks"]).run().expect(0);
}
