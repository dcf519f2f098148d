//! `job_runs` value by value: of roles that keep a ledger, and of those that may not.

use rustix::process::Signal;

use super::jobs::{database, jobs, open_load, texts};
use crate::harness::{Db, Postgres, Work, wait};

const CSV: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n\
    2024-03-04T14:30:00Z,polygon,TSLA,1m,1,1,1,1,1\n\
    2024-03-04T14:31:00Z,acme,AAPL,1m,1,1,1,1,1\n\
    2024-03-04T14:33:00.123456Z,acme,it's \"X\",1m,1,1,1,1,1\n\
    2024-03-04T14:32:00Z,acme,AAPL,1m,1,1,1,x,1\n";

/// All that a row says, but for when and where it was written.
const ALL: &str = "job_name, dataset_name, provider, mode, status, rows_written, rows_failed, symbols, \
    min_ts AT TIME ZONE 'UTC', max_ts AT TIME ZONE 'UTC', error_message, completed_at IS NOT NULL, \
    elapsed_ms >= 0, length(config_fingerprint), pipeline_version LIKE 'mdsctl %', \
    (metadata->>'last_heartbeat')::timestamptz >= started_at, length(metadata->>'run_id'), metadata->>'command', \
    metadata->>'table'";

/// What keeps a role from keeping a ledger, or from keeping the history of runs alone.
const OBSTACLES: [&str; 4] = [
    "",
    "DROP TABLE mds_runs, mds_checkpoints",
    "REVOKE ALL ON mds_runs, mds_checkpoints FROM ROLE",
    "REVOKE ALL ON mds_runs FROM ROLE",
];

/// The DSN of a role that may load, and keep its row in `job_runs`.
fn role(db: &Db, obstacle: &str) -> String {
    let role = format!("job_{}", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN"));
    Work::new().mdsctl(["schema", "apply", "--grant", &role, "--dsn", &db.dsn()]).run().expect(0);
    db.execute(&obstacle.replace("ROLE", &role));
    db.dsn_as(&role)
}

fn drop_role(db: &Db) {
    db.execute(&format!("DROP OWNED BY job_{0}; DROP ROLE job_{0}", db.name()));
}

#[test]
fn a_row_is_kept_whether_there_is_a_ledger_or_not() {
    for obstacle in OBSTACLES {
        let (work, db) = (Work::new(), database());
        let dsn = role(&db, obstacle);
        let path = work.write("bars.csv", CSV);
        let run = work.mdsctl(["load", &path, "--dlq", "d", "--dsn", &dsn]).run().expect(3);
        assert_eq!(run.stderr.contains("there is no --resume"), !obstacle.is_empty(), "{obstacle}: {run}");
        let rows = jobs(&db, ALL);
        let expected = [
            "mdsctl load",
            "bars",
            "acme, polygon",
            "backfill",
            "success",
            "3",
            "1",
            r#"{AAPL,TSLA,"it's \"X\""}"#,
            "2024-03-04 14:30:00",
            "2024-03-04 14:33:00.123456",
            "∅",
            "t",
            "t",
            "32",
            "t",
            "t",
            "36",
            "load",
            "public.bars",
        ];
        assert_eq!(rows.iter().map(texts).collect::<Vec<_>>(), [expected], "{obstacle}: {run}");

        // A vendor that the flags give is the provider, and a replay has its row too.
        let replay = ["replay-dlq", "d", "--set", "close_price=2", "--set", "vendor=desk"];
        work.mdsctl(replay).arguments(["--dsn", &dsn]).run().expect(0);
        let rows = jobs(&db, "job_name, provider, mode, status, rows_written, rows_failed, symbols");
        let expected = ["mdsctl replay-dlq", "desk", "backfill", "success", "1", "0", "{AAPL}"];
        assert_eq!(texts(&rows[1]), expected, "{obstacle}");

        // One that cannot be read to its end.
        let bad = work.write("cut.parquet", b"PAR1 and nothing more");
        let flags = ["load", &path, &bad, "--dlq", "e", "--dsn", &dsn, "--dataset", "bars"];
        work.mdsctl(flags).run().expect(6);
        let rows = jobs(&db, "status, error_message LIKE '%cut.parquet%'");
        assert_eq!(texts(&rows[2]), ["failure", "t"], "{obstacle}");
        drop_role(&db);
    }
}

#[test]
fn a_tail_shows_what_it_follows_while_it_goes_on() {
    for obstacle in ["", "DROP TABLE mds_runs, mds_checkpoints"] {
        let (work, db) = (Work::new(), database());
        let dsn = role(&db, obstacle);
        let path = work.write("feed.csv", CSV);
        let mut tail = work.mdsctl(["tail", &path, "--dlq", "d", "--dsn", &dsn]).spawn();
        let columns =
            "provider, mode, status, rows_written, symbols, max_ts AT TIME ZONE 'UTC', completed_at";
        let expected = [
            "acme, polygon",
            "live",
            "running",
            "3",
            r#"{AAPL,TSLA,"it's \"X\""}"#,
            "2024-03-04 14:33:00.123456",
            "∅",
        ];
        wait::until(wait::PATIENCE, "the row of a tail", || {
            assert!(!tail.has_ended(), "{}", tail.said());
            let rows = jobs(&db, columns);
            (rows.len() == 1 && texts(&rows[0]) == expected).then_some(())
        });
        tail.signal(Signal::TERM);
        tail.finish().expect(143);
        let rows = jobs(&db, "status, rows_written, rows_failed, completed_at IS NOT NULL");
        assert_eq!(texts(&rows[0]), ["cancelled", "3", "1", "t"], "{obstacle}");
        drop_role(&db);
    }
}

#[test]
fn a_pipe_that_is_interrupted_without_a_ledger_is_cancelled() {
    let (work, db) = (Work::new(), database());
    let dsn = role(&db, "DROP TABLE mds_runs, mds_checkpoints");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let running = open_load(&work, &db, &dsn, &mut writer, reader);
    assert_eq!(texts(&jobs(&db, "status, completed_at")[0]), ["running", "∅"]);
    running.signal(Signal::INT);
    running.finish().expect(130);
    let rows = jobs(&db, "status, rows_written, symbols, completed_at IS NOT NULL");
    assert_eq!(texts(&rows[0]), ["cancelled", "2", "{AAPL}", "t"]);
    drop_role(&db);
}

#[test]
fn the_row_of_a_run_that_was_killed_is_closed_by_the_next_one_and_no_other() {
    // A table with a key, where nobody has to go on with what a tail before has left.
    for obstacle in ["", "DROP TABLE mds_runs, mds_checkpoints"] {
        let (work, db) = (Work::new(), database());
        let dsn = role(&db, obstacle);
        let tail = |name: &str, rows: usize| {
            let path = work.write(name, CSV.replace("14:", if rows == 1 { "15:" } else { "16:" }));
            let mut tail = work.mdsctl(["tail", &path, "--dlq", "d", "--dsn", &dsn]).spawn();
            wait::until(wait::PATIENCE, "the row of a tail", || {
                assert!(!tail.has_ended(), "{}", tail.said());
                (db.count("job_runs") == rows as u64).then_some(())
            });
            tail
        };
        let killed = tail("feed.csv", 1);
        killed.signal(Signal::KILL);
        killed.finish_quietly();
        // It may be in a container, of which nobody here can tell.
        db.execute(
            "INSERT INTO job_runs (job_name, status, metadata) SELECT job_name, status, \
             metadata || '{\"process\": \"another/pid:[1]/7\"}' FROM job_runs",
        );
        let living = tail("feed.csv", 3);
        let path = work.write("bars.csv", CSV);
        work.mdsctl(["load", &path, "--dlq", "e", "--dsn", &dsn]).run().expect(3);
        let rows = jobs(&db, "status, coalesce(error_message, '-'), completed_at IS NOT NULL");
        let expected = [
            ["failure", "its process has vanished", "t"],
            ["running", "-", "f"],
            ["running", "-", "f"],
            ["success", "-", "t"],
        ];
        assert_eq!(rows.iter().map(texts).collect::<Vec<_>>(), expected, "{obstacle}");
        living.signal(Signal::INT);
        living.finish().expect(130);
        drop_role(&db);
    }
}

#[test]
fn a_role_that_may_not_write_there_loads_with_one_sentence() {
    for obstacle in ["", "DROP TABLE mds_runs, mds_checkpoints"] {
        let (work, db) = (Work::new(), database());
        let dsn = role(&db, obstacle);
        db.execute(&format!("REVOKE INSERT ON job_runs FROM job_{}", db.name()));
        let path = work.write("bars.csv", CSV);
        let run = work.mdsctl(["load", &path, "--dlq", "d", "--dsn", &dsn]).run().expect(3);
        assert_eq!(run.stderr.matches("no row is kept in job_runs").count(), 1, "{run}");
        assert_eq!((db.count("bars"), db.count("job_runs")), (3, 0), "{run}");
        // It is no matter of the history's either that the row cannot be brought up to date.
        db.execute(&format!(
            "GRANT INSERT ON job_runs TO job_{0}; REVOKE UPDATE ON job_runs FROM job_{0}",
            db.name()
        ));
        let run = work.mdsctl(["load", &path, "--dlq", "d", "--dsn", &dsn]).run().expect(3);
        assert_eq!(run.stderr.matches("how this run ended could not be noted").count(), 1, "{run}");
        if obstacle.is_empty() {
            assert_eq!(db.value("SELECT string_agg(DISTINCT status, ' ') FROM mds_runs"), "rejects", "{run}");
        }
        drop_role(&db);
    }
}

#[test]
fn a_table_without_symbols_and_more_symbols_than_can_be_listed() {
    let (work, db) = (Work::new(), database());
    let rows: String = (0..10_001).map(|n| format!("2024-03-04T14:30:00Z,v,S{n},1m,1,1,1,1,1\n")).collect();
    let path =
        work.write("many.csv", "ts,vendor,symbol,timeframe,open,high,low,close,volume\n".to_owned() + &rows);
    work.mdsctl(["load", &path, "--dsn", &db.dsn()]).run().expect(0);
    let row = jobs(&db, "rows_written, symbols, metadata->>'symbols'");
    assert_eq!(texts(&row[0]), ["10001", "∅", "too many to be listed"]);
    for form in
        ["DROP COLUMN symbols", "ADD COLUMN symbols varchar(3)[]", "ALTER COLUMN symbols TYPE text USING ''"]
    {
        db.execute(&format!("ALTER TABLE job_runs {form}; TRUNCATE job_runs; TRUNCATE bars"));
        let path =
            work.write("bars.csv", CSV.replace("it's \"X\"", "B").replace("AAPL", "A").replace("TSLA", "C"));
        work.mdsctl(["load", &path, "--dlq", "d", "--dsn", &db.dsn()]).run().expect(3);
        let columns =
            format!("status, rows_written{}", if form.starts_with("DROP") { "" } else { ", symbols" });
        let row = jobs(&db, &columns);
        let expected: &[&str] = match form {
            _ if form.starts_with("DROP") => &["success", "3"],
            _ if form.starts_with("ADD") => &["success", "3", "{A,B,C}"],
            _ => &["success", "3", "∅"],
        };
        assert_eq!(texts(&row[0]), expected, "{form}");
    }
}

#[test]
fn the_providers_of_a_table_of_the_python_system_are_those_of_its_rows() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(include_str!("../harness/existing.sql"));
    let path = work.write(
        "ohlcv.csv",
        "provider,symbol,interval,ts,open,high,low,close,volume\niex,A,1m,2024-03-04T14:30:00Z,1,1,1,1,1\n",
    );
    work.mdsctl(["load", &path, "--table", "bars_ohlcv", "--dsn", &db.dsn()]).run().expect(0);
    let row = jobs(&db, "dataset_name, provider, symbols, rows_written, min_ts = max_ts");
    assert_eq!(texts(&row[0]), ["public.bars_ohlcv", "iex", "{A}", "1", "t"]);
}
