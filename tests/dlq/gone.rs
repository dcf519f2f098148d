//! The dead-letter queue goes away while a pipe is loaded: the good rows of the pipe are stored all the same.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use crate::harness::{Postgres, Work, wait};

const ROWS: usize = 6_000;

/// Rows of which every fiftieth is refused by the store.
fn lines(from: usize, to: usize) -> String {
    (from..to).map(|id| format!("{id},{}\n", if id % 50 == 49 { "bad" } else { "row" })).collect()
}

/// All workers wait for the queue, and for all of them the outage ends in the same moment.
#[test]
fn many_workers_that_wait_for_it_at_once_lose_no_good_row() {
    let db = Postgres::shared().database();
    for round in 0..5 {
        let (work, table) = (Work::new(), format!("k{round}"));
        db.execute(&format!("CREATE TABLE {table} (id int PRIMARY KEY, v text CHECK (v <> 'bad'))"));
        fs::create_dir(work.path("q")).expect("a folder");
        let (reader, mut pipe) = std::io::pipe().expect("a pipe");
        let flags = ["load", "-", "--table", &table, "--dlq", "q/d.ndjson", "--json", "--dsn", &db.dsn()];
        let flags = work.mdsctl(flags).arguments(["--max-outage", "300ms", "--workers", "12"]);
        let running = flags.arguments(["--batch-size", "100"]).pipe(reader).spawn();
        pipe.write_all(format!("id,v\n{}", lines(0, 200)).as_bytes()).expect("a reader");
        let there = || fs::metadata(work.path("q/d.ndjson")).is_ok_and(|it| it.len() > 0).then_some(());
        wait::until(Duration::from_secs(20), "a dead letter", there);
        fs::remove_dir_all(work.path("q")).expect("the folder");
        fs::write(work.path("q"), "x").expect("a file in its place");
        pipe.write_all(lines(200, ROWS).as_bytes()).expect("a reader");
        drop(pipe);
        let run = running.finish().expect(5);
        assert_eq!(run.books().read, ROWS as u64, "round {round}: {run}");
        let good = (ROWS - ROWS / 50).to_string();
        assert_eq!(db.value(&format!("SELECT count(*) FROM {table}")), good, "round {round}: {run}");
    }
}
