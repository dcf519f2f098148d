//! `--workers auto`: as many as the store is worth.

use crate::harness::db::Db;
use crate::harness::{Postgres, Run, Work};

/// Each of these keys comes so often, with the number of its row as its price.
const KEYS: usize = 4_000;
const TIMES: usize = 5;

/// A table whose statements take a while each, however many rows they have.
fn slow(db: &Db) {
    db.execute(
        "CREATE FUNCTION tarry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.04); RETURN NULL; END $$;\
         CREATE TRIGGER tarries BEFORE INSERT ON bars FOR EACH STATEMENT EXECUTE FUNCTION tarry()",
    );
}

fn load(work: &Work, db: &Db, more: &[&str]) -> Run {
    let line = |n: usize| {
        let key = n % KEYS;
        format!(
            "2024-03-04T{:02}:{:02}:{:02}Z,v,AAPL,1s,{n},{n},{n},{n},1\n",
            key / 3600,
            key / 60 % 60,
            key % 60
        )
    };
    let header = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";
    let rows: String = (1..=KEYS * TIMES).map(line).collect();
    let path = work.write("bars.csv", header.to_owned() + &rows);
    let flags = ["load", &path, "--json", "--batch-size", "50", "--capacity", "2000", "--dsn", &db.dsn()];
    let run = work.mdsctl(flags).arguments(more.iter().copied()).run().expect(0);
    // The last row of each key, and none else.
    let first = KEYS * (TIMES - 1) + 1;
    let sql = "SELECT count(*) || ' ' || min(close_price) || ' ' || sum(close_price) FROM bars";
    let sum: usize = (first..first + KEYS).sum();
    assert_eq!(db.value(sql), format!("{KEYS} {first} {sum}"), "{run}");
    run
}

fn workers(run: &Run) -> u64 {
    run.json()["workers"].as_u64().expect("a number")
}

#[test]
fn the_pool_grows_where_the_store_is_slow_to_answer_and_the_last_row_wins() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    slow(&db);
    // Nobody says how many.
    let run = load(&work, &db, &["--metrics-textfile", "mds.prom"]);
    assert!(workers(&run) > 4, "{run}");
    let metrics = std::fs::read_to_string(work.path("mds.prom")).expect("the metrics");
    let target =
        metrics.lines().find_map(|line| line.strip_prefix("mds_coord_workers_target{coord_id=\"bars\"} "));
    assert!(
        target.is_some_and(|target| target.parse::<u64>().is_ok_and(|n| (1..=16).contains(&n))),
        "{metrics}"
    );
    // One that is told is that one.
    let db = Postgres::shared().database_with_schema();
    assert_eq!(workers(&load(&work, &db, &["--workers", "3"])), 3);
}

#[test]
fn it_stays_within_what_the_database_has_room_for() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    slow(&db);
    // Its own, the one for the history of runs, and two more.
    db.execute(&format!("ALTER DATABASE \"{}\" CONNECTION LIMIT 4", db.name()));
    let run = load(&work, &db, &["--workers", "auto"]);
    assert!((2..=3).contains(&workers(&run)), "{run}");
}

#[test]
fn a_number_or_auto() {
    let work = Work::new();
    for wrong in ["0", "many", "-1", ""] {
        let run = work.mdsctl(["load", "x.csv", &format!("--workers={wrong}")]).run().expect(2);
        assert!(run.stderr.contains("--workers"), "{run}");
    }
}
