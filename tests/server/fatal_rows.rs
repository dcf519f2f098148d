//! A row that the server refuses by an error that is none about data is dead alone; what fails without
//! rows too ends the run.

use crate::harness::{Db, Postgres, Store, Work};

/// Loads `text` into that table, and tells exit code, ids stored and numbers of dead rows.
fn load(work: &Work, db: &Db, table: &str, text: &str) -> (i32, String, Vec<u64>) {
    let path = work.write("rows.csv", text);
    let flags = ["load", &path, "--table", table, "--delimiter", "|", "--dlq", "dead.ndjson", "--json"];
    let run = work.mdsctl(flags).arguments(["--max-outage", "5s", "--dsn", &db.dsn()]).run();
    if run.code != 2 {
        run.books();
    }
    let ids = db.value(&format!("SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM {table}"));
    let mut dead: Vec<u64> = work.dlq("dead.ndjson").iter().flat_map(|l| l.rows.clone()).collect();
    dead.sort_unstable();
    (run.code, ids, dead)
}

#[test]
fn a_text_that_an_input_function_refuses_without_a_code_for_it() {
    let db = Postgres::shared().database();
    db.execute("CREATE EXTENSION hstore; CREATE EXTENSION ltree");
    let kinds = [
        ("hstore", "k=>v", "k=>"),
        ("ltree", "a.b.c", "a..b"),
        ("tsvector", "'fat':1", "'open"),
        ("jsonpath", "$.a", "$.[["),
        ("xml", "<a/>", "<a"),
        ("point", "(1,2)", "(1,"),
    ];
    for (number, (kind, good, bad)) in kinds.iter().enumerate() {
        let (work, table) = (Work::new(), format!("t{number}"));
        db.execute(&format!("CREATE TABLE {table} (id int PRIMARY KEY, x {kind})"));
        let text = format!("id|x\n1|{good}\n2|{bad}\n3|{good}\n");
        assert_eq!(load(&work, &db, &table, &text), (3, "1,3".into(), vec![2]), "{kind}");
    }
}

#[test]
fn a_json_that_is_too_deep_for_the_servers_stack() {
    let db = Postgres::shared().database();
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    for kind in ["jsonb", "json"] {
        let (work, table) = (Work::new(), format!("deep_{kind}"));
        db.execute(&format!("CREATE TABLE {table} (id int PRIMARY KEY, x {kind})"));
        let text = format!("id|x\n1|{{}}\n2|{deep}\n3|[]\n");
        assert_eq!(load(&work, &db, &table, &text), (3, "1,3".into(), vec![2]), "{kind}");
    }
}

#[test]
fn a_trigger_that_fails_for_one_row_only() {
    let db = Postgres::shared().database();
    let bodies = [
        ("missing_table", "IF NEW.v = 5 THEN INSERT INTO no_such_table VALUES (1); END IF"),
        ("missing_column", "IF NEW.v = 5 THEN PERFORM no_such_column FROM pg_class; END IF"),
        ("missing_function", "IF NEW.v = 5 THEN PERFORM no_such_function(1); END IF"),
        ("internal", "IF NEW.v = 5 THEN RAISE EXCEPTION 'broken' USING ERRCODE = 'XX000'; END IF"),
        ("unsupported", "IF NEW.v = 5 THEN RAISE EXCEPTION 'not yet' USING ERRCODE = '0A000'; END IF"),
    ];
    for (name, body) in bodies {
        for again in [false, true] {
            let work = Work::new();
            db.execute(&format!(
                "DROP TABLE IF EXISTS {name}; CREATE TABLE {name} (id int PRIMARY KEY, v int);
                 CREATE OR REPLACE FUNCTION f_{name}() RETURNS trigger LANGUAGE plpgsql AS
                 $$BEGIN {body}; RETURN NEW; END$$;
                 CREATE TRIGGER t BEFORE INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION f_{name}()"
            ));
            if again {
                // The way by the stage.
                db.execute(&format!("INSERT INTO {name} SELECT g, 0 FROM generate_series(1, 600) g"));
            }
            let mut text = String::from("id|v\n");
            for id in 1..=600 {
                text += &format!("{id}|{}\n", if id == 300 { 5 } else { 1 });
            }
            let (code, ids, dead) = load(&work, &db, name, &text);
            let stored = if again { 600 } else { 599 };
            assert_eq!((code, ids.split(',').count(), dead), (3, stored, vec![300]), "{name}, {again}");
        }
    }
}

#[test]
fn what_fails_without_rows_too_ends_the_run_and_leaves_no_dead_letters() {
    let db = Postgres::shared().database();
    db.execute(
        "CREATE TABLE s (id int PRIMARY KEY, v int);
         CREATE FUNCTION f_s() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN RAISE EXCEPTION 'closed today' USING ERRCODE = '0A000'; END$$;
         CREATE TRIGGER t BEFORE INSERT ON s FOR EACH STATEMENT EXECUTE FUNCTION f_s()",
    );
    for rows in [1, 40, 2_000] {
        let work = Work::new();
        let text: String = (1..=rows).map(|id| format!("{id}|1\n")).collect();
        let (code, ids, dead) = load(&work, &db, "s", &format!("id|v\n{text}"));
        assert_eq!((code, ids.as_str(), dead), (2, "", vec![]), "{rows} rows");
    }
    // A trigger for each row, that fails for every one of many: nor are these the rows' fault.
    db.execute(
        "CREATE TABLE r (id int PRIMARY KEY, v int);
         CREATE FUNCTION f_r() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = 'XX000'; END$$;
         CREATE TRIGGER t BEFORE INSERT ON r FOR EACH ROW EXECUTE FUNCTION f_r()",
    );
    let work = Work::new();
    let text: String = (1..=2_000).map(|id| format!("{id}|1\n")).collect();
    let (code, ids, dead) = load(&work, &db, "r", &format!("id|v\n{text}"));
    assert_eq!((code, ids.as_str(), dead), (2, "", vec![]));
}

#[test]
fn a_check_of_sqlite_that_cannot_read_one_row() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let made = rusqlite::Connection::open(work.path("store.db")).expect("a file");
    made.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, j TEXT CHECK (json_extract(j, '$.a') > 0))")
        .expect("a table");
    let path = work.write("rows.csv", "id|j\n1|{\"a\":1}\n2|{broken\n3|{\"a\":3}\n");
    let flags = ["load", &path, "--table", "t", "--delimiter", "|", "--dlq", "dead.ndjson", "--json"];
    let run = work.mdsctl(flags).arguments(["--dsn", &store.dsn()]).run().expect(3);
    assert_eq!((run.books().inserted, run.books().rejected), (2, 1), "{run}");
    assert_eq!(work.dlq("dead.ndjson")[0].rows, [2]);
}
