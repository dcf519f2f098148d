//! Hypertables, their compression and retention, where TimescaleDB is installed.

use crate::generator::fixtures;
use crate::harness::run::fixture;
use crate::harness::truth::{assert_same, truth};
use crate::harness::{Db, Postgres, Store, Work};

/// All that TimescaleDB knows of a database's tables.
const STATE: &str = "SELECT h.hypertable_name, d.time_interval, h.compression_enabled,
        (SELECT string_agg(s.attname, ',' ORDER BY s.segmentby_column_index, s.orderby_column_index)
         FROM timescaledb_information.compression_settings s WHERE s.hypertable_name = h.hypertable_name),
        (SELECT string_agg(j.config ->> CASE j.proc_name WHEN 'policy_retention' THEN 'drop_after'
            ELSE 'compress_after' END, ',' ORDER BY j.proc_name)
         FROM timescaledb_information.jobs j WHERE j.hypertable_name = h.hypertable_name)
    FROM timescaledb_information.hypertables h JOIN timescaledb_information.dimensions d USING (hypertable_name)
    ORDER BY 1";

fn database(server: &Postgres) -> Db {
    let db = server.database();
    db.execute("CREATE EXTENSION timescaledb");
    db
}

fn state(db: &Db) -> Vec<String> {
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "∅".into());
    db.rows(STATE).iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" | ")).collect()
}

#[test]
fn apply_makes_hypertables_and_load_fills_them() {
    let Some(server) = Postgres::with_timescale("apply_makes_hypertables_and_load_fills_them") else {
        return;
    };
    let (work, db) = (Work::new(), database(&server));
    let applied = work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(0);
    for line in [
        "bars: hypertable, one chunk every 7 days",
        "bars: compression by symbol, timeframe, vendor, tenant_id in the order of ts",
        "bars: a job compresses chunks older than 30 days",
    ] {
        assert!(applied.stdout.contains(line), "{applied}");
    }
    let made = [
        "bars | 7 days | t | symbol,timeframe,vendor,tenant_id,ts | 30 days",
        "fundamentals | 90 days | t | vendor,tenant_id,asof,symbol | 365 days",
        "news | 30 days | t | vendor,tenant_id,published_at,symbol,id | 90 days",
        "options_snap | 7 days | t | symbol,vendor,tenant_id,ts,expiry,option_type,strike | 30 days",
        "quotes | 1 day | t | symbol,vendor,tenant_id,ts,exchange,sequence | 7 days",
        "ticks | 1 day | t | symbol,vendor,tenant_id,ts,exchange,trade_id | 7 days",
    ];
    assert_eq!(state(&db), made);

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
    assert!(again.stdout.lines().all(|line| line.ends_with("is there, version 2")), "{again}");
    assert_eq!(state(&db), made);
    work.mdsctl(["schema", "check", "--dsn", &db.dsn()]).run().expect(0);
}

#[test]
fn flags_set_chunks_compression_and_retention() {
    let Some(server) = Postgres::with_timescale("flags_set_chunks_compression_and_retention") else { return };
    let (work, db) = (Work::new(), database(&server));
    let schema = |action: &str, flags: &[&str]| {
        work.mdsctl(["schema", action, "--dsn", &db.dsn()])
            .arguments(flags.iter().map(|f| f.to_string()))
            .run()
    };
    let flags = ["--chunk", "bars=90d", "--compress-after", "60d", "--compress-after", "news=never"];
    schema("apply", &[&flags[..], &["--retention", "ticks=2y"]].concat()).expect(0);
    let made = state(&db);
    assert_eq!(made[0], "bars | 90 days | t | symbol,timeframe,vendor,tenant_id,ts | 60 days");
    assert_eq!(made[2], "news | 30 days | f | ∅ | ∅");
    assert_eq!(
        made[5],
        "ticks | 1 day | t | symbol,vendor,tenant_id,ts,exchange,trade_id | 60 days,730 days"
    );

    // What is there stays where no flag speaks of it, and check compares what the flags say.
    schema("check", &flags).expect(0);
    let run = schema("check", &["--retention", "news=1y", "--chunk", "bars=7d", "--compress-after", "60d"])
        .expect(2);
    for line in [
        "bars: a chunk spans 90 days, expected 7 days",
        "news: is not compressed",
        "news: no job drops chunks older than 365 days",
    ] {
        assert!(run.stdout.contains(line), "{run}");
    }
    let run = schema("apply", &["--compress-after", "news=never", "--compress-after", "bars=5d"]).expect(0);
    assert!(run.stdout.contains("bars: a job compresses chunks older than 5 days"), "{run}");
    let run =
        schema("apply", &["--compress-after", "never", "--retention", "never", "--chunk", "1w"]).expect(0);
    assert!(run.stdout.contains("ticks: nothing is dropped any more"), "{run}");
    assert_eq!(state(&db)[5], "ticks | 7 days | t | symbol,vendor,tenant_id,ts,exchange,trade_id | ∅");
    assert_eq!(
        db.value("SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_name = 'bars'"),
        "0"
    );

    let run = schema("apply", &["--chunk", "tikcs=1d"]).expect(2);
    assert!(run.error().contains("tikcs") && run.error().contains("ticks"), "{run}");
    for wrong in [["--chunk", "never"], ["--retention", "0d"], ["--compress-after", "soon"]] {
        schema("apply", &wrong).expect(2);
    }
}

#[test]
fn show_prints_what_apply_makes_of_hypertables_too() {
    let Some(server) = Postgres::with_timescale("show_prints_what_apply_makes_of_hypertables_too") else {
        return;
    };
    let (work, shown, applied) = (Work::new(), database(&server), database(&server));
    for flags in [&["--retention", "2y", "--chunk", "ticks=12h"][..], &["--rls"]] {
        let schema = |action: &str, db: &Db| {
            let flags = flags.iter().map(|flag| flag.to_string());
            work.mdsctl(["schema", action, "--dsn", &db.dsn()]).arguments(flags).run().expect(0)
        };
        let (shown, applied) = match flags.len() {
            1 => (&database(&server), &database(&server)),
            _ => (&shown, &applied),
        };
        let ddl = schema("show", shown).stdout;
        schema("apply", applied);
        for _ in 0..2 {
            shown.execute(&ddl);
            assert_eq!(state(shown), state(applied), "{flags:?}");
        }
        schema("check", applied);
    }
}

#[test]
fn row_level_security_and_compression_exclude_one_another() {
    let Some(server) = Postgres::with_timescale("row_level_security_and_compression_exclude_one_another")
    else {
        return;
    };
    let (work, db) = (Work::new(), database(&server));
    let apply = |flags: &[&str]| {
        work.mdsctl(["schema", "apply", "--dsn", &db.dsn()])
            .arguments(flags.iter().map(|f| f.to_string()))
            .run()
    };
    let run = apply(&["--rls"]).expect(0);
    assert!(run.stdout.contains("bars: not compressed"), "{run}");
    apply(&["--rls", "--compress-after", "never"]).expect(0);
    work.mdsctl(["schema", "check", "--rls", "--dsn", &db.dsn()]).run().expect(0);

    let other = database(&server);
    work.mdsctl(["schema", "apply", "--dsn", &other.dsn()]).run().expect(0);
    let run = work.mdsctl(["schema", "apply", "--rls", "--dsn", &other.dsn()]).run().expect(2);
    assert!(run.error().contains("bars is compressed") && run.error().contains("--rls"), "{run}");
}

#[test]
fn the_edition_without_compression_says_so_and_goes_on() {
    let test = "the_edition_without_compression_says_so_and_goes_on";
    let Some(server) = Postgres::with_timescale_and(test, "timescaledb.license = 'apache'\n") else { return };
    let (work, db) = (Work::new(), database(&server));
    for times in 0..2 {
        let run = work.mdsctl(["schema", "apply", "--retention", "2y", "--dsn", &db.dsn()]).run().expect(0);
        let notes = run.stdout.lines().filter(|line| line.contains("Apache license")).count();
        assert_eq!((notes, run.stdout.contains("bars: hypertable")), (1, times == 0), "{run}");
    }
    work.mdsctl(["schema", "check", "--dsn", &db.dsn()]).run().expect(0);
    let ddl = work.mdsctl(["schema", "show", "--dsn", &db.dsn()]).run().expect(0).stdout;
    database(&server).execute(&ddl);
    let run = work.mdsctl(["load", &fixture("bars.csv"), "--json", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!(run.books().inserted, 600, "{run}");
}

#[test]
fn flags_of_hypertables_without_timescale_are_said_to_do_nothing() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    let run = work.mdsctl(["schema", "apply", "--chunk", "7d", "--dsn", &db.dsn()]).run().expect(0);
    assert!(run.stdout.contains("TimescaleDB is not installed in this database"), "{run}");
    let run = work.mdsctl(["schema", "apply", "--chunk", "7d", "--dsn", "sqlite:x.db"]).run().expect(2);
    assert!(run.error().contains("--chunk"), "{run}");
}
