//! A trigger that raises, for single rows, a code that says of itself that it passes: the rows are tried again,
//! and then they are dead alone. What is raised without rows too is waited for.

use crate::harness::{Db, Postgres, Work};

const CODES: [&str; 13] = [
    "40001", "40P01", "25P02", "25006", "26000", "57014", "55P03", "53100", "58030", "53200", "08006",
    "57P01", "55006",
];

/// Loads those rows with few retries, and tells exit code, number of rows stored and numbers of dead rows.
fn load(work: &Work, db: &Db, table: &str, rows: usize) -> (i32, String, Vec<u64>) {
    let text: String = (1..=rows).map(|id| format!("{id},{}\n", if id == 30 { 5 } else { 1 })).collect();
    let path = work.write("rows.csv", format!("id,v\n{text}"));
    let flags = ["load", &path, "--table", table, "--dlq", "dead.ndjson", "--json", "--dsn", &db.dsn()];
    let run = work.mdsctl(flags).arguments(["--retry-max-attempts", "2", "--max-outage", "1s"]).run();
    run.books();
    let stored = db.value(&format!("SELECT count(*) FROM {table}"));
    let mut dead: Vec<u64> = work.dlq("dead.ndjson").iter().flat_map(|l| l.rows.clone()).collect();
    dead.sort_unstable();
    (run.code, stored, dead)
}

fn table(db: &Db, name: &str, body: &str, each: &str) {
    db.execute(&format!(
        "DROP TABLE IF EXISTS {name}; CREATE TABLE {name} (id int PRIMARY KEY, v int);
         CREATE OR REPLACE FUNCTION f_{name}() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN {body}; RETURN NEW; END$$;
         CREATE TRIGGER t BEFORE INSERT ON {name} FOR EACH {each} EXECUTE FUNCTION f_{name}()"
    ));
}

#[test]
fn a_row_for_which_a_trigger_raises_a_code_that_passes_is_dead_alone() {
    let db = Postgres::shared().database();
    for code in CODES {
        let name = format!("one_{}", code.to_lowercase());
        let raise = format!("IF NEW.v = 5 THEN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END IF");
        table(&db, &name, &raise, "ROW");
        let work = Work::new();
        assert_eq!(load(&work, &db, &name, 60), (3, "59".into(), vec![30]), "{code}");
        let letter = &work.dlq("dead.ndjson")[0];
        assert!(format!("{letter:?}").contains(code), "{code}: {letter:?}");
    }
}

#[test]
fn what_a_trigger_raises_without_rows_too_is_waited_for() {
    let db = Postgres::shared().database();
    for (code, each) in [("55P03", "STATEMENT"), ("40001", "STATEMENT"), ("53100", "ROW")] {
        let name = format!("all_{}", code.to_lowercase());
        table(&db, &name, &format!("RAISE EXCEPTION 'closed' USING ERRCODE = '{code}'"), each);
        let work = Work::new();
        assert_eq!(load(&work, &db, &name, 200), (5, "0".into(), vec![]), "{code}");
    }
}
