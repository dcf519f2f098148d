//! Single rows that fail by something that passes for the others: one that takes longer than the server allows,
//! one for which a trigger asks a server that is not there. They are dead alone. A lock, and a server that is
//! slow for all, are waited for.

use crate::harness::{Db, Postgres, Run, Work, wait};

const ROWS: u64 = 60;

/// Loads rows of which that one is told apart by `v = 5`.
fn load(work: &Work, db: &Db, outage: &str) -> crate::harness::run::Mdsctl {
    let text: String = (1..=ROWS).map(|id| format!("{id},{}\n", if id == 30 { 5 } else { 1 })).collect();
    let path = work.write("rows.csv", format!("id,v\n{text}"));
    let flags = ["load", &path, "--table", "t", "--dlq", "dead.ndjson", "--json", "--dsn", &db.dsn()];
    let quick = ["--retry-max-attempts", "2", "--retry-initial-backoff", "10ms", "--max-outage", outage];
    work.mdsctl(flags).arguments(quick).arguments(["--cb-half-open-after", "100ms"])
}

fn dead(work: &Work, run: &Run) -> Vec<u64> {
    run.books();
    work.dlq("dead.ndjson").iter().flat_map(|letter| letter.rows.clone()).collect()
}

fn table(db: &Db, key: &str, body: &str) {
    db.execute(&format!(
        "CREATE TABLE t (id int {key}, v int);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NEW; END$$;
         CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
    ));
}

#[test]
fn a_row_that_takes_longer_than_the_server_allows_is_dead_alone() {
    // With a second constraint rows depend on one another, and go in the order of the input.
    for (key, more) in [("PRIMARY KEY", ""), ("PRIMARY KEY", "ALTER TABLE t ADD UNIQUE (v, id)"), ("", "")] {
        let db = Postgres::shared().database();
        table(&db, key, "IF NEW.v = 5 THEN PERFORM pg_sleep(60); END IF");
        db.execute(more);
        db.execute(&format!("ALTER DATABASE {} SET statement_timeout = '200ms'", db.name()));
        let work = Work::new();
        let run = load(&work, &db, "60s").run().expect(3);
        assert_eq!((dead(&work, &run), db.count("t")), (vec![30], ROWS - 1), "{key}: {run}");
        assert_eq!(work.dlq("dead.ndjson")[0].code, "57014", "{key}: {run}");
    }
}

/// Rows that depend on one another, half of which are slow for as long as the store is.
#[test]
fn a_store_that_is_slow_for_a_while_buries_no_row_where_the_order_counts() {
    let db = Postgres::shared().database();
    let body = "IF NEW.id % 2 = 0 AND EXISTS (SELECT FROM slow) THEN PERFORM pg_sleep(60); END IF";
    table(&db, "PRIMARY KEY", body);
    db.execute("ALTER TABLE t ADD UNIQUE (v, id); CREATE TABLE slow (n int); INSERT INTO slow VALUES (1)");
    db.execute(&format!("ALTER DATABASE {} SET statement_timeout = '100ms'", db.name()));
    let mut errors = Postgres::shared().errors(&db);
    let work = Work::new();
    let mut running = load(&work, &db, "60s").spawn();
    wait::until(wait::PATIENCE, "attempts", || {
        assert!(!running.has_ended(), "{}", running.said());
        (errors.count("57014") >= 30).then_some(())
    });
    db.execute("DELETE FROM slow");
    let run = running.finish().expect(0);
    assert_eq!((dead(&work, &run), db.count("t")), (vec![], ROWS), "{run}");
}

#[test]
fn a_row_for_which_a_trigger_asks_a_server_that_is_away_is_dead_alone() {
    let db = Postgres::shared().database();
    db.execute("CREATE EXTENSION dblink");
    table(&db, "", "IF NEW.v = 5 THEN PERFORM dblink_connect('host=127.0.0.1 port=1 user=x'); END IF");
    let work = Work::new();
    let run = load(&work, &db, "60s").run().expect(3);
    assert_eq!((dead(&work, &run), db.count("t")), (vec![30], ROWS - 1), "{run}");
    assert_eq!(work.dlq("dead.ndjson")[0].code, "08001", "{run}");
}

#[test]
fn a_row_under_a_lock_and_a_server_that_is_slow_for_all_bury_nothing() {
    // A lock on one row, waited for until the statement is cut off, while others go through.
    let db = Postgres::shared().database();
    table(&db, "PRIMARY KEY", "NULL");
    db.execute("INSERT INTO t VALUES (30, 0)");
    db.execute(&format!("ALTER DATABASE {} SET statement_timeout = '100ms'", db.name()));
    let holder = db.session().expect("a session");
    holder.execute("SET statement_timeout = 0; BEGIN; SELECT FROM t WHERE id = 30 FOR UPDATE");
    let mut errors = Postgres::shared().errors(&db);
    let work = Work::new();
    let mut running = load(&work, &db, "60s").spawn();
    wait::until(wait::PATIENCE, "attempts", || {
        assert!(!running.has_ended(), "{}", running.said());
        (errors.count("57014") >= 8).then_some(())
    });
    holder.execute("COMMIT");
    let run = running.finish().expect(0);
    assert_eq!((dead(&work, &run), db.count("t")), (vec![], ROWS), "{run}");
    // All rows are slow.
    let db = Postgres::shared().database();
    table(&db, "", "PERFORM pg_sleep(60)");
    db.execute(&format!("ALTER DATABASE {} SET statement_timeout = '20ms'", db.name()));
    let work = Work::new();
    let run = load(&work, &db, "2s").run().expect(5);
    assert_eq!((dead(&work, &run), db.count("t")), (vec![], 0), "{run}");
}
