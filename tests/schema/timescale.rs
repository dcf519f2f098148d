//! Hypertables, where TimescaleDB is installed.

use crate::generator::fixtures;
use crate::harness::run::fixture;
use crate::harness::truth::{assert_same, truth};
use crate::harness::{Postgres, Store, Work};

#[test]
fn apply_makes_hypertables_and_load_fills_them() {
    let Some(server) = Postgres::with_timescale("apply_makes_hypertables_and_load_fills_them") else {
        return;
    };
    let (work, db) = (Work::new(), server.database());
    db.execute("CREATE EXTENSION timescaledb");
    let applied = work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(0);
    assert!(applied.stdout.contains("bars: hypertable, one chunk every 7 days"), "{applied}");
    let intervals = "SELECT hypertable_name, EXTRACT(day FROM time_interval)::int
        FROM timescaledb_information.dimensions ORDER BY 1";
    let found: Vec<String> = db.rows(intervals).iter().map(|r| format!("{:?} {:?}", r[0], r[1])).collect();
    let wanted = [("bars", 7), ("fundamentals", 90), ("news", 30), ("options_snap", 7), ("ticks", 1)];
    let wanted: Vec<String> =
        wanted.iter().map(|(name, days)| format!("{:?} {:?}", Some(*name), Some(days.to_string()))).collect();
    assert_eq!(found, wanted);

    for workers in ["1", "4"] {
        let run = work
            .mdsctl(["load", &fixture("bars.csv"), "--json", "--workers", workers, "--dsn", &db.dsn()])
            .run()
            .expect(0);
        assert_eq!(run.books().inserted + run.books().unchanged, 600, "{run}");
    }
    let plan = fixtures::bars();
    assert_same(&Store::Postgres(db.clone()).stored(&plan), &truth(&plan), "a hypertable");
    // Again: nothing to do, nothing different.
    let again = work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(0);
    assert!(!again.stdout.contains("created") && !again.stdout.contains("hypertable"), "{again}");
    work.mdsctl(["schema", "check", "--dsn", &db.dsn()]).run().expect(0);
}
