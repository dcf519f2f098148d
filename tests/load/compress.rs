//! `load --compress-after-load`: chunks are compressed behind the last row.

use std::fmt::Write as _;

use crate::harness::{Db, Postgres, Run, Work};

/// Bars of every day of a year long ago, of three symbols, and of today.
fn bars(work: &Work, name: &str, volume: u32) -> String {
    let mut text = String::from("symbol,ts,open,high,low,close,volume,vendor,timeframe\n");
    for day in 0..365 {
        let date = chrono::NaiveDate::from_yo_opt(2019, day + 1).expect("a day");
        for symbol in ["AAPL", "BRK.B", "MSFT"] {
            let _ = writeln!(text, "{symbol},{date}T21:00:00Z,1.5,2.5,0.5,1.25,{},acme,1d", volume + day);
        }
    }
    let today = chrono::Utc::now().date_naive();
    let _ = writeln!(text, "AAPL,{today}T00:00:00Z,1.5,2.5,0.5,1.25,7,acme,1d");
    work.write(name, text)
}

fn load(work: &Work, db: &Db, path: &str, more: &[&str]) -> Run {
    work.mdsctl(["load", path, "--dataset", "bars", "--json", "--compress-after-load", "--dsn", &db.dsn()])
        .arguments(more.iter().copied())
        .run()
}

#[test]
fn old_chunks_of_a_keyed_table_are_compressed_and_rows_stay_as_they_are() {
    let name = "old_chunks_of_a_keyed_table_are_compressed_and_rows_stay_as_they_are";
    let Some(server) = Postgres::with_timescale(name) else { return };
    let (work, db) = (Work::new(), server.database());
    db.execute("CREATE EXTENSION IF NOT EXISTS timescaledb");
    work.mdsctl(["schema", "apply", "--chunk", "bars=30d", "--dsn", &db.dsn()]).run().expect(0);
    let path = bars(&work, "bars.csv", 100);
    let run = load(&work, &db, &path, &[]).expect(0);
    assert_eq!(run.books().inserted, 1_096);
    let note = run.json()["notes"].to_string();
    assert!(note.contains("chunks compressed") && note.contains("1 chunk is too young"), "{note}");
    let old = "SELECT count(*) || ' ' || count(*) FILTER (WHERE is_compressed) FROM timescaledb_information.chunks \
               WHERE hypertable_name = 'bars' AND range_end < now() - interval '1 year'";
    let all = db.value(old);
    let (chunks, packed) = all.split_once(' ').expect("two numbers");
    assert!(chunks == packed && chunks != "0", "{all}");
    let young = "SELECT bool_or(is_compressed)::text FROM timescaledb_information.chunks \
                 WHERE hypertable_name = 'bars' AND range_end > now()";
    assert_eq!(db.value(young), "false");
    let sum = "SELECT count(*) || ' ' || sum(volume) || ' ' || min(volume) FROM bars";
    let volumes: u32 = (0..365).map(|day| 3 * (100 + day)).sum::<u32>() + 7;
    assert_eq!(db.value(sum), format!("1096 {volumes} 7"));

    // Corrected rows go into the compressed chunks, which take them in again.
    let path = bars(&work, "corrected.csv", 200);
    assert_eq!(load(&work, &db, &path, &[]).expect(0).books().updated, 1_095);
    assert_eq!(db.value(sum), format!("1096 {} 7", volumes + 3 * 365 * 100));
    let loose = "SELECT count(*) FROM _timescaledb_catalog.chunk WHERE status & 8 <> 0";
    assert_eq!(db.value(loose), "0", "chunks with rows beside the compressed ones");
    assert_eq!(db.value(old), all);
}

#[test]
fn a_table_that_cannot_be_compressed_is_told_before_a_row_is_stored() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(0);
    let path = bars(&work, "bars.csv", 100);
    let run = load(&work, &db, &path, &[]).expect(2);
    assert!(
        run.error().contains("has no TimescaleDB") && run.error().contains("--compress-after-load"),
        "{run}"
    );
    assert_eq!(db.count("bars"), 0);
    let run = work
        .mdsctl(["load", &path, "--dataset", "bars", "--compress-after-load", "--dsn", "sqlite:s.db"])
        .run()
        .expect(2);
    assert!(run.error().contains("has no chunks"), "{run}");

    let name = "a_table_that_cannot_be_compressed_is_told_before_a_row_is_stored";
    let Some(server) = Postgres::with_timescale(name) else { return };
    let db = server.database();
    db.execute("CREATE EXTENSION IF NOT EXISTS timescaledb");
    work.mdsctl(["schema", "apply", "--rls", "--dsn", &db.dsn()]).run().expect(0);
    let run = load(&work, &db, &path, &["--tenant", "11111111-1111-4111-8111-111111111111"]).expect(2);
    assert!(run.error().contains("row-level security"), "{run}");
    // What is advised helps.
    db.execute("CREATE TABLE loose (symbol text, ts timestamptz NOT NULL, close numeric, PRIMARY KEY (symbol, ts)); SELECT create_hypertable('loose', 'ts')");
    let loose = || {
        work.mdsctl([
            "load",
            &path,
            "--table",
            "loose",
            "--force",
            "--compress-after-load",
            "--dsn",
            &db.dsn(),
        ])
        .run()
    };
    let run = loose().expect(2);
    assert!(
        run.error().contains("compression is not set up") && run.error().contains("ALTER TABLE"),
        "{run}"
    );
    db.execute("ALTER TABLE loose SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol')");
    let run = loose().expect(0);
    assert!(run.stderr.contains("compressed:"), "{run}");
    db.execute("CREATE TABLE plain (symbol text, ts timestamptz, close numeric, PRIMARY KEY (symbol, ts))");
    let run = work
        .mdsctl(["load", &path, "--table", "plain", "--compress-after-load", "--dsn", &db.dsn()])
        .run()
        .expect(2);
    assert!(run.error().contains("is not a hypertable"), "{run}");
}
