//! Roles that may do less than everything: what a load does not need it does not ask for.

use crate::harness::{Db, Postgres, Work};

/// A table with two rows to come, and a role with those privileges.
fn granted(role: &str, table: &str, grant: &str) -> Db {
    let db = Postgres::shared().database();
    db.execute(&format!("{table}; DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; {grant} TO {role}"));
    db
}

#[test]
fn skip_and_error_need_no_update() {
    let role = "appends_and_reads";
    let db = granted(role, "CREATE TABLE t (id int PRIMARY KEY, v int)", "GRANT INSERT, SELECT ON t");
    let (work, dsn) = (Work::new(), db.dsn_as(role));
    let first = work.write("a.csv", "id,v\n1,1\n2,2\n");
    let load = |path: &str, way: &str| {
        let flags = ["load", path, "--table", "t", "--json", "--dlq", "dead.ndjson", "--on-conflict", way];
        work.mdsctl(flags).arguments(["--dsn", &dsn]).run()
    };
    assert_eq!(load(&first, "skip").expect(0).books().inserted, 2);
    let second = work.write("b.csv", "id,v\n2,5\n3,3\n");
    assert_eq!(load(&second, "skip").expect(0).books().skipped, 1);
    let third = work.write("c.csv", "id,v\n3,9\n4,4\n");
    let books = load(&third, "error").expect(3).books();
    assert_eq!((books.inserted, books.rejected), (1, 1));
    let run = load(&first, "update").expect(2);
    assert!(run.error().contains("GRANT UPDATE ON") && run.error().contains("--on-conflict skip"), "{run}");
    assert_eq!(db.value("SELECT string_agg(id || ':' || v, ',' ORDER BY id) FROM t"), "1:1,2:2,3:3,4:4");
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_role_that_may_only_append_can_append() {
    let role = "only_appends";
    let db = granted(role, "CREATE TABLE t (id int PRIMARY KEY, v int)", "GRANT INSERT ON t");
    let (work, dsn) = (Work::new(), db.dsn_as(role));
    let rows: String = (1..=1_000).map(|id| format!("{id},1\n")).collect();
    let path = work.write("a.csv", format!("id,v\n{rows}"));
    let load = |path: &str| {
        let flags =
            ["load", path, "--table", "t", "--json", "--dlq", "dead.ndjson", "--on-conflict", "error"];
        work.mdsctl(flags).arguments(["--dsn", &dsn]).run()
    };
    assert_eq!(load(&path).expect(0).books().inserted, 1_000);
    let path = work.write("b.csv", "id,v\n1000,9\n1001,9\n");
    let books = load(&path).expect(3).books();
    assert_eq!((books.inserted, books.rejected), (1, 1));
    assert_eq!(db.value("SELECT count(*) || ':' || max(v) FROM t"), "1001:9");
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn privileges_on_the_columns_of_the_input_are_enough() {
    let role = "on_columns";
    let table = "CREATE TABLE t (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, symbol text, v int, w int)";
    let db = granted(role, table, "GRANT INSERT (symbol, v) ON t");
    let (work, dsn) = (Work::new(), db.dsn_as(role));
    let path = work.write("a.csv", "symbol,v\nA,1\nB,2\n");
    let run = work.mdsctl(["load", &path, "--table", "t", "--json", "--dsn", &dsn]).run().expect(0);
    assert_eq!(run.books().inserted, 2);
    let path = work.write("b.csv", "symbol,w\nA,1\n");
    let run = work.mdsctl(["load", &path, "--table", "t", "--json", "--dsn", &dsn]).run().expect(2);
    assert!(run.stderr.contains("GRANT INSERT (\"w\")"), "{run}");
    assert_eq!(db.count("t"), 2);
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
