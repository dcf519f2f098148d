//! A role that may make no temporary tables: rows of a table without a key go straight into it, and what is
//! wrong with one of them costs no other.

use crate::harness::{Postgres, Work};

#[test]
fn one_poison_row_costs_no_other_where_the_role_may_make_no_temporary_tables() {
    for (code, body) in [
        ("57014", "IF NEW.v = 13 THEN PERFORM pg_sleep(60); END IF"),
        ("42P01", "IF NEW.v = 13 THEN PERFORM FROM nowhere; END IF"),
    ] {
        let db = Postgres::shared().database();
        let role = format!("guest_{}", db.name());
        db.execute(&format!(
            "CREATE TABLE t (id int, v int);
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NEW; END$$;
             CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
             CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT ON t TO {role};
             REVOKE TEMPORARY ON DATABASE {0} FROM PUBLIC;
             ALTER DATABASE {0} SET statement_timeout = '150ms'",
            db.name()
        ));
        let work = Work::new();
        let text: String = (1..=20).map(|v| format!("{v},{v}\n")).collect();
        let path = work.write("rows.csv", format!("id,v\n{text}"));
        let flags = ["load", &path, "--table", "t", "--dlq", "d.ndjson", "--json", "--max-outage", "3s"];
        let quick = ["--retry-max-attempts", "2", "--retry-initial-backoff", "10ms"];
        let program = work.mdsctl(flags).arguments(quick).arguments(["--cb-half-open-after", "100ms"]);
        let run = program.arguments(["--dsn", &db.dsn_as(&role)]).run().expect(3);
        let letters = work.dlq("d.ndjson");
        assert_eq!((run.books().inserted, db.count("t"), letters.len()), (19, 19, 1), "{code}: {run}");
        assert_eq!((letters[0].rows.clone(), &*letters[0].code), (vec![13], code), "{run}");
    }
}

/// What fails without any row too is no fault of the rows: it is waited for.
#[test]
fn what_fails_without_a_row_buries_none_where_the_role_may_make_no_temporary_tables() {
    let db = Postgres::shared().database();
    let role = format!("guest_{}", db.name());
    db.execute(&format!(
        "CREATE TABLE t (id int, v int);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM FROM nowhere; RETURN NULL; END$$;
         CREATE TRIGGER t BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION f();
         CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT ON t TO {role};
         REVOKE TEMPORARY ON DATABASE {0} FROM PUBLIC",
        db.name()
    ));
    let work = Work::new();
    let path = work.write("rows.csv", "id,v\n1,1\n2,2\n");
    let flags = ["load", &path, "--table", "t", "--dlq", "d.ndjson", "--dsn", &db.dsn_as(&role)];
    let run = work.mdsctl(flags).arguments(["--max-outage", "1s"]).run().expect(5);
    assert!(run.stderr.contains("nowhere"), "{run}");
    assert!(work.dlq("d.ndjson").is_empty(), "{run}");
}
