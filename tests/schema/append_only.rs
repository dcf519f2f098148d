//! `schema apply --append-only`: tables without a key, into which rows are only added.

use std::fmt::Write as _;

use crate::harness::{Db, Postgres, Run, Work};

fn schema(work: &Work, db: &Db, arguments: &[&str]) -> Run {
    work.mdsctl(["schema"]).arguments(arguments.iter().copied()).arguments(["--dsn", &db.dsn()]).run()
}

/// Ticks of a few symbols, so many.
fn ticks(work: &Work, count: u32) -> String {
    let mut text = String::from("symbol,ts,price,size,trade_id,vendor\n");
    for row in 0..count {
        let _ = writeln!(
            text,
            "S{},2024-01-02T{:02}:{:02}:{:02}.{:03}Z,{}.{:02},{},{row},acme",
            row % 5,
            14 + row / 3_600_000,
            row / 60_000 % 60,
            row / 1000 % 60,
            row % 1000,
            100 + row % 7,
            row % 100,
            1 + row % 50
        );
    }
    work.write("ticks.csv", text)
}

#[test]
fn tables_get_no_key_and_loads_are_stored_once() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    let run = schema(&work, &db, &["apply", "--append-only", "ticks,quotes"]).expect(0);
    assert!(run.stdout.contains("ticks: created without a key"), "{run}");
    let keyed = "SELECT string_agg(conrelid::regclass::text, ' ' ORDER BY 1) FROM pg_constraint WHERE contype = 'p' AND conrelid IN ('ticks'::regclass, 'quotes'::regclass, 'bars'::regclass)";
    assert_eq!(db.value(keyed), "bars");
    for arguments in [&["check"][..], &["check", "--append-only", "ticks,quotes"], &["apply"]] {
        schema(&work, &db, arguments).expect(0);
    }
    assert_eq!(db.value(keyed), "bars");
    let path = ticks(&work, 10_000);
    let load = || work.mdsctl(["load", &path, "--json", "--dsn", &db.dsn()]);
    assert_eq!(load().run().expect(0).books().inserted, 10_000);
    let again = load().run().expect(2);
    assert!(again.error().contains("has no key") && again.error().contains("--force"), "{again}");
    assert_eq!(load().arguments(["--force"]).run().expect(0).books().inserted, 10_000);
    assert_eq!(db.count("ticks"), 20_000);

    // A table that is there keeps its key, which is told.
    let run = schema(&work, &db, &["apply", "--append-only", "bars"]).expect(0);
    assert!(run.stdout.contains("bars: has a key"), "{run}");
    let check = schema(&work, &db, &["check", "--append-only", "bars"]).expect(2);
    let advice = check.stdout.split("run: ").nth(1).and_then(|rest| rest.lines().next()).expect("an advice");
    db.execute(advice);
    schema(&work, &db, &["check", "--append-only", "bars"]).expect(0);

    let run = schema(&work, &db, &["apply", "--append-only", "trades"]).expect(2);
    assert!(run.error().contains("there is no dataset trades"), "{run}");
    let run =
        work.mdsctl(["schema", "apply", "--append-only", "ticks", "--dsn", "sqlite:s.db"]).run().expect(2);
    assert!(run.error().contains("--append-only needs PostgreSQL"), "{run}");
}

#[test]
fn hypertables_without_a_key_are_compressed_as_they_are_loaded() {
    let Some(server) =
        Postgres::with_timescale("hypertables_without_a_key_are_compressed_as_they_are_loaded")
    else {
        return;
    };
    let (work, db) = (Work::new(), server.database());
    db.execute("CREATE EXTENSION IF NOT EXISTS timescaledb");
    schema(&work, &db, &["apply", "--append-only", "ticks"]).expect(0);
    schema(&work, &db, &["check"]).expect(0);
    let path = ticks(&work, 40_000);
    let load = |more: &[&str]| {
        work.mdsctl(["load", &path, "--json", "--workers", "2", "--dsn", &db.dsn()])
            .arguments(more.iter().copied())
            .run()
    };
    let run = load(&[]).expect(0);
    assert_eq!(run.books().inserted, 40_000, "{run}");
    let sums = "SELECT concat_ws(' ', count(*), count(DISTINCT trade_id), sum(price), sum(size), min(ts), max(ts)) FROM ticks";
    let plain = "SELECT concat_ws(' ', 40000, 40000, (SELECT sum(100 + r % 7 + (r % 100) / 100.0)::numeric(20,2) FROM generate_series(0, 39999) r), \
        (SELECT sum(1 + r % 50) FROM generate_series(0, 39999) r), min(ts), max(ts)) FROM ticks";
    assert_eq!(db.value(sums), db.value(plain), "{run}");
    let packed = "SELECT bool_and(is_compressed)::text FROM timescaledb_information.chunks WHERE hypertable_name = 'ticks'";
    if db.value("SELECT (current_setting('timescaledb.enable_direct_compress_copy', true) IS NOT NULL)::text")
        == "true"
    {
        assert_eq!(db.value(packed), "true", "{run}");
    }
    load(&[]).expect(2);
}

#[test]
fn rows_of_batches_of_all_sizes_are_seen_when_several_sessions_compress_at_once() {
    let name = "rows_of_batches_of_all_sizes_are_seen_when_several_sessions_compress_at_once";
    let Some(server) = Postgres::with_timescale(name) else { return };
    for (batch, workers) in [("16384", "2"), ("3000", "4"), ("500", "4")] {
        let (work, db) = (Work::new(), server.database());
        db.execute("CREATE EXTENSION IF NOT EXISTS timescaledb");
        schema(&work, &db, &["apply", "--append-only", "ticks"]).expect(0);
        let path = ticks(&work, 40_000);
        for round in 1..=3 {
            let run = work
                .mdsctl([
                    "load",
                    &path,
                    "--json",
                    "--force",
                    "--workers",
                    workers,
                    "--batch-size",
                    batch,
                    "--dsn",
                    &db.dsn(),
                ])
                .run()
                .expect(0);
            assert_eq!(db.count("ticks"), round * 40_000, "{batch} rows, {workers} workers: {run}");
        }
    }
}
