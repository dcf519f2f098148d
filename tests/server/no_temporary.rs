//! A role that may make no temporary tables: rows of a table without a key go straight into it, and what is
//! wrong with one of them costs no other.

use crate::harness::{Db, Postgres, Work};

/// A role that may write to `t` and make no temporary table.
fn guest(db: &Db) -> String {
    let role = format!("guest_{}", db.name());
    db.execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE ON t TO {role};
         REVOKE TEMPORARY ON DATABASE {0} FROM PUBLIC",
        db.name()
    ));
    db.dsn_as(&role)
}

/// A row that the table refuses is rejected alone where no row is there already, and `error` rejects those too;
/// what would need a temporary table says so.
#[test]
fn a_refused_row_costs_no_other_of_a_table_with_a_key_where_the_role_may_make_no_temporary_tables() {
    for (mode, there, code) in [
        ("update", false, 3),
        ("skip", false, 3),
        ("error", false, 3),
        ("error", true, 3),
        ("update", true, 2),
    ] {
        let db = Postgres::shared().database();
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v NOT IN (13, 400)))");
        let dsn = guest(&db);
        if there {
            db.execute("INSERT INTO t VALUES (17, 0)");
        }
        let work = Work::new();
        let text: String = (1..=600).map(|v| format!("{v},{v}\n")).collect();
        let path = work.write("rows.csv", format!("id,v\n{text}"));
        let flags = ["load", &path, "--table", "t", "--dlq", "d.ndjson", "--json", "--on-conflict", mode];
        let run = work.mdsctl(flags).arguments(["--dsn", &dsn]).run().expect(code);
        if code == 2 {
            assert!(run.stderr.contains("GRANT TEMPORARY"), "{mode}, {there}: {run}");
            // What was taken apart before it may have been refused by then.
            assert!(
                work.dlq("d.ndjson").iter().all(|letter| letter.code == "23514"),
                "{mode}, {there}: {run}"
            );
            continue;
        }
        let mut letters: Vec<(u64, String)> = work
            .dlq("d.ndjson")
            .iter()
            .flat_map(|letter| letter.rows.iter().map(|row| (*row, letter.code.to_string())))
            .collect();
        letters.sort();
        let mut expected = vec![(13, "23514"), (400, "23514")];
        if there {
            expected.insert(1, (17, "23505"));
        }
        let expected: Vec<(u64, String)> =
            expected.into_iter().map(|(row, code)| (row, code.into())).collect();
        assert_eq!(letters, expected, "{mode}, {there}: {run}");
        assert_eq!((run.books().inserted, db.count("t")), (600 - expected.len() as u64, 598), "{run}");
        // And again from the queue, which needs no more.
        db.execute("ALTER TABLE t DROP CONSTRAINT t_v_check; DELETE FROM t WHERE id = 17");
        let run = work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &dsn]).run().expect(0);
        assert_eq!(db.count("t"), if there { 600 } else { 599 }, "{mode}, {there}: {run}");
    }
}

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
