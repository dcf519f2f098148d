//! Single rows over which the session ends each time, or the time for a statement: they are dead alone, and soon.
//! An administrator who ends sessions now and then costs no row.

use crate::harness::{Db, Postgres, Run, Work, wait};

fn table(db: &Db, key: &str, body: &str) {
    db.execute(&format!(
        "CREATE TABLE t (id int {key}, v int);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NEW; END$$;
         CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
    ));
}

/// Loads so many rows of which those have `v = 5`.
fn load(work: &Work, db: &Db, rows: u64, marked: &[u64]) -> crate::harness::run::Mdsctl {
    let line = |id| format!("{id},{}\n", if marked.contains(&id) { 5 } else { 1 });
    let path = work.write("rows.csv", "id,v\n".to_owned() + &(1..=rows).map(line).collect::<String>());
    let flags = ["load", &path, "--table", "t", "--dlq", "dead.ndjson", "--json", "--dsn", &db.dsn()];
    work.mdsctl(flags).arguments(["--max-outage", "60s", "--retry-initial-backoff", "1ms"])
}

fn dead(work: &Work, run: &Run) -> Vec<u64> {
    run.books();
    let mut dead: Vec<u64> = work.dlq("dead.ndjson").iter().flat_map(|letter| letter.rows.clone()).collect();
    dead.sort_unstable();
    dead
}

#[test]
fn a_row_whose_trigger_ends_its_own_session_is_dead_alone() {
    for (key, marked) in [("PRIMARY KEY", vec![700]), ("", vec![1, 500])] {
        let db = Postgres::shared().database();
        table(&db, key, "IF NEW.v = 5 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF");
        let work = Work::new();
        let run = load(&work, &db, 1_000, &marked).run().expect(3);
        assert_eq!(
            (dead(&work, &run), db.count("t")),
            (marked.clone(), 1_000 - marked.len() as u64),
            "{run}"
        );
        let letter = &work.dlq("dead.ndjson")[0];
        assert_eq!(letter.code, "57P01", "{key}: {run}");
        assert!(letter.error.contains("session is lost, and with other rows it is not"), "{letter:?}");
    }
}

#[test]
fn a_row_that_exceeds_the_write_timeout_is_dead_alone() {
    let check = |key: &str| {
        let db = Postgres::shared().database();
        table(&db, key, "IF NEW.v = 5 THEN PERFORM pg_sleep(60); END IF");
        let work = Work::new();
        let program = load(&work, &db, 6, &[3]).arguments(["--write-timeout", "1s"]);
        let program = program.arguments(["--retry-max-attempts", "1", "--cb-half-open-after", "10ms"]);
        let run = program.run().expect(3);
        assert_eq!((dead(&work, &run), db.count("t")), (vec![3], 5), "{key}: {run}");
        assert_eq!(work.dlq("dead.ndjson")[0].code, "57014", "{key}: {run}");
    };
    std::thread::scope(|scope| ["PRIMARY KEY", ""].map(|key| scope.spawn(move || check(key))).map(|_| ()));
}

#[test]
fn sessions_that_an_administrator_ends_cost_no_row() {
    let db = Postgres::shared().database();
    // The load gets nowhere before its sessions have been ended several times.
    db.execute("CREATE TABLE busy ()");
    db.execute("INSERT INTO busy DEFAULT VALUES");
    table(&db, "PRIMARY KEY", "IF EXISTS (SELECT FROM busy) THEN PERFORM pg_sleep(0.05); END IF");
    let work = Work::new();
    let program = load(&work, &db, 4_000, &[]).arguments(["--workers", "2", "--batch-size", "1000"]);
    let mut running = program.spawn();
    let writing = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
                   AND state = 'active' AND query LIKE 'COPY%' AND pid <> pg_backend_pid()";
    let mut ended = 0;
    wait::until(wait::PATIENCE, "sessions to end", || {
        assert!(!running.has_ended(), "{}", running.said());
        ended += db.rows(writing).len();
        (ended >= 8).then_some(())
    });
    db.execute("DELETE FROM busy");
    let run = running.finish().expect(0);
    assert_eq!((dead(&work, &run), db.count("t")), (vec![], 4_000), "{run}");
}
