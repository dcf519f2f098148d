//! `job_runs`, the table of an existing deployment that dashboards read.

use rustix::process::Signal;

use super::CSV;
use crate::harness::db::TextRow;
use crate::harness::run::Running;
use crate::harness::{Db, Postgres, Store, Work, wait};

const TABLE: &str = "CREATE TABLE job_runs (
    id bigserial PRIMARY KEY, job_name text NOT NULL, dataset_name text, provider text,
    mode text CHECK (mode IN ('live', 'backfill')),
    status text NOT NULL CHECK (status IN ('running', 'success', 'failure', 'cancelled')),
    config_fingerprint text, pipeline_version text, rows_written bigint DEFAULT 0,
    rows_failed bigint DEFAULT 0, symbols text[], min_ts timestamptz, max_ts timestamptz,
    error_message text, metadata jsonb DEFAULT '{}', started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    elapsed_ms bigint GENERATED ALWAYS AS
        ((extract(epoch FROM completed_at AT TIME ZONE 'UTC') * 1000 - extract(epoch FROM started_at AT TIME ZONE 'UTC') * 1000)::bigint) STORED)";

pub(super) fn database() -> Db {
    let db = Postgres::shared().database_with_schema();
    db.execute(TABLE);
    db
}

pub(super) fn jobs(db: &Db, columns: &str) -> Vec<TextRow> {
    db.rows(&format!("SELECT {columns} FROM job_runs ORDER BY id"))
}

pub(super) fn texts(row: &TextRow) -> Vec<&str> {
    row.iter().map(|value| value.as_deref().unwrap_or("∅")).collect()
}

/// A load from a pipe that stays open, after its first rows.
pub(super) fn open_load(
    work: &Work,
    db: &Db,
    dsn: &str,
    writer: &mut std::io::PipeWriter,
    reader: std::io::PipeReader,
) -> Running {
    use std::io::Write;
    let flags = ["load", "-", "--source-id", "feed", "--dlq", "d", "--dsn", dsn];
    let mut running = work.mdsctl(flags).pipe(reader).spawn();
    writer.write_all(CSV.as_bytes()).expect("the pipe");
    wait::until(wait::PATIENCE, "the first rows", || {
        assert!(!running.has_ended(), "{}", running.said());
        (db.count("bars") == 2).then_some(())
    });
    running
}

#[test]
fn a_load_that_succeeds() {
    let (work, db) = (Work::new(), database());
    let path = work.write("bars.csv", CSV);
    let flags = ["load", &path, "--set", "vendor=acme", "--force-set", "--dlq", "d", "--dsn", &db.dsn()];
    work.mdsctl(flags).run().expect(3);
    let row = jobs(
        &db,
        "job_name, dataset_name, provider, mode, status, rows_written, rows_failed, \
         min_ts AT TIME ZONE 'UTC', max_ts AT TIME ZONE 'UTC', error_message, elapsed_ms >= 0, \
         length(config_fingerprint), pipeline_version LIKE 'mdsctl %', \
         (metadata->>'last_heartbeat')::timestamptz >= started_at, \
         metadata->>'run_id' = (SELECT run_id::text FROM mds_runs)",
    );
    assert_eq!(row.len(), 1);
    assert_eq!(
        texts(&row[0]),
        [
            "mdsctl load",
            "bars",
            "acme",
            "backfill",
            "success",
            "2",
            "1",
            "2024-03-04 14:30:00",
            "2024-03-04 14:31:00",
            "∅",
            "t",
            "32",
            "t",
            "t",
            "t"
        ]
    );
}

#[test]
fn a_load_that_is_interrupted_stopped_or_dies() {
    let (work, db) = (Work::new(), database());
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let running = open_load(&work, &db, &db.dsn(), &mut writer, reader);
    assert_eq!(texts(&jobs(&db, "status, completed_at")[0]), ["running", "∅"]);
    running.signal(Signal::INT);
    running.finish().expect(130);
    let row = jobs(&db, "status, rows_written, completed_at IS NOT NULL");
    assert_eq!(texts(&row[0]), ["cancelled", "2", "t"]);

    let path = work.write("bars.csv", CSV);
    let flags = ["load", &path, "--max-rejects", "0", "--dlq", "d", "--dsn", &db.dsn()];
    work.mdsctl(flags).run().expect(4);
    let row = jobs(&db, "status, rows_failed, error_message");
    assert_eq!(texts(&row[1])[..2], ["failure", "1"]);
    assert!(texts(&row[1])[2].contains("--max-rejects"), "{row:?}");

    // One that is killed is closed by the one that goes on with it.
    db.execute("DELETE FROM bars; DELETE FROM job_runs; DELETE FROM mds_runs; DELETE FROM mds_checkpoints");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let running = open_load(&work, &db, &db.dsn(), &mut writer, reader);
    running.signal(Signal::KILL);
    running.finish_quietly();
    assert_eq!(texts(&jobs(&db, "status")[0]), ["running"]);
    let flags = ["load", "-", "--source-id", "feed", "--dlq", "d", "--resume", "--dsn", &db.dsn()];
    work.mdsctl(flags).stdin(CSV).run();
    let rows = jobs(&db, "status, error_message LIKE '%resumed by%'");
    assert_eq!(rows.iter().map(texts).collect::<Vec<_>>(), [["failure", "t"], ["success", "∅"]]);
}

#[test]
fn a_table_that_cannot_be_written_costs_a_sentence() {
    let (work, db) = (Work::new(), database());
    db.execute("ALTER TABLE job_runs ADD CONSTRAINT none CHECK (mode = 'live')");
    let path = work.write("bars.csv", CSV);
    let run = work.mdsctl(["load", &path, "--dlq", "d", "--dsn", &db.dsn()]).run().expect(3);
    assert_eq!(run.stderr.matches("no row is kept in job_runs").count(), 1, "{run}");
    assert_eq!(Store::Postgres(db.clone()).count("bars"), Some(2));
    // A table of that name that is none of it.
    db.execute("DROP TABLE job_runs; CREATE TABLE job_runs (id int, status text)");
    let run = work.mdsctl(["load", &path, "--dlq", "d", "--dsn", &db.dsn()]).run().expect(3);
    assert_eq!(run.stderr.matches("job_runs").count(), 0, "{run}");
    assert_eq!(db.count("job_runs"), 0);
}
