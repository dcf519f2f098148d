//! What is no change of the table.

use crate::harness::{Postgres, Work};

/// Sessions that read the catalog at the same time find the same: nobody has changed the table.
#[test]
fn workers_that_begin_at_once_do_not_take_the_table_for_changed() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    let line = |row: u32| format!("2024-01-02T{:02}:{:02}:00Z,v,A,1m,1,2,1,2,3\n", row / 60, row % 60);
    let text = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n".to_owned();
    let path = work.write("bars.csv", text + &(0..600).map(line).collect::<String>());
    for round in 0..8 {
        let flags = ["load", &path, "--workers", "8", "--batch-size", "50", "--dsn", &db.dsn()];
        let run = work.mdsctl(flags).run().expect(0);
        assert!(!run.stderr.contains("has changed"), "round {round}: {run}");
        assert!(!run.stderr.contains("tried again"), "round {round}: {run}");
    }
}
