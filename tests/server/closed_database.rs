//! A database that takes no connections for a while, as while it is restored, is waited for.

use std::io::Write as _;

use crate::harness::wait::PATIENCE;
use crate::harness::{Postgres, Work, wait};

#[test]
fn a_database_that_accepts_no_connections_is_waited_for() {
    for keyed in ["", " PRIMARY KEY"] {
        let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
        let admin = Postgres::shared().db("postgres");
        db.execute(&format!("CREATE TABLE t (id int{keyed}, v text)"));
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let mut running = work
            .mdsctl(["load", "-", "--table", "t", "--dsn", &db.dsn(), "--dlq", "q.ndjson"])
            .arguments(["--batch-size", "100", "--cb-half-open-after", "100ms"])
            .pipe(reader)
            .spawn();
        let lines = |rows: std::ops::Range<u32>| rows.map(|row| format!("{row},v\n")).collect::<String>();
        writer.write_all(format!("id,v\n{}", lines(0..1_000)).as_bytes()).expect("it is read");
        wait::until(PATIENCE, "the first rows", || (db.count("t") > 0).then_some(()));
        admin.execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", db.name()));
        let end =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", db.name());
        admin.rows(&end);
        writer.write_all(lines(1_000..3_000).as_bytes()).expect("it is read");
        drop(writer);
        wait::until(PATIENCE, "a word of that", || {
            assert!(!running.has_ended(), "it has ended: {}", running.said());
            running.said().contains("not currently accepting connections").then_some(())
        });
        admin.execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", db.name()));
        let run = running.finish().expect(0);
        assert_eq!((db.count("t"), work.path("q.ndjson").exists()), (3_000, false), "{run}");
    }
}
