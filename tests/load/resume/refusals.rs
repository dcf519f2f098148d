//! What cannot be resumed, or must not be loaded twice, is refused in one sentence.

use std::io::Write;

use rustix::process::Signal;

use super::rows::Rows;
use super::{Scene, interrupted};
use crate::generator::random::Random;
use crate::harness::run::{Mdsctl, Running};
use crate::harness::{Run, Store};

/// A refusal of flags, that names what it is about.
fn refused(program: Mdsctl, words: &[&str]) -> Run {
    let run = program.run().expect(2);
    for word in words {
        assert!(run.error().contains(word), "no {word}: {run}");
    }
    run
}

#[test]
fn a_changed_input_and_other_settings() {
    Scene::each(|scene| {
        let rows = Rows::new(Random::new(51, 0), 20_000);
        interrupted(&scene, &rows, Signal::KILL);
        let before = scene.count();
        let path = scene.work.path("quotes.csv").to_str().expect("UTF-8").to_owned();
        let resume = || scene.load([path.as_str()], 2, 50).arguments(["--resume"]);
        refused(resume().arguments(["--set", "note=x"]), &["--set", "settings"]);
        let other = rows.csv().replacen(",ES,", ",NQ,", 1);
        scene.work.write("quotes.csv", other);
        refused(resume(), &["quotes.csv has changed"]);
        let more = scene.work.write("another.csv", rows.csv());
        scene.work.write("quotes.csv", rows.csv());
        // Another file before it: a run with that one first has not been seen.
        let run = scene.load([more.as_str(), &path], 2, 50).arguments(["--resume", "--dry-run"]).run();
        assert_eq!(run.code, 2, "{run}");
        assert_eq!(scene.count(), before, "{}", scene.what);
        let run = resume().run();
        scene.assert_loaded(&rows, &run, "as it was");
    });
}

#[test]
fn a_table_without_a_key_gets_a_file_once() {
    Scene::each(|scene| {
        let rows = Rows::new(Random::new(52, 0), 400);
        let path = scene.work.write("quotes.csv", rows.csv());
        let load = || scene.load([path.as_str()], 2, 50);
        scene.assert_loaded(&rows, &load().run(), "the first time");
        let once = scene.count();
        let again = || scene.load(["./quotes.csv", "quotes.csv"], 2, 50);
        if scene.keyed {
            assert_eq!(load().run().books().inserted, 0, "{}", scene.what);
            assert_eq!(scene.count(), once, "{}", scene.what);
            return;
        }
        for program in [load(), load().arguments(["--resume"]), again()] {
            refused(program, &["quotes.csv", "no key", "--force"]);
        }
        assert_eq!(scene.count(), once, "{}", scene.what);
        load().arguments(["--force"]).run().expect(3);
        assert_eq!(scene.count(), 2 * once, "{}", scene.what);
        // It has grown since: its beginning is there already.
        scene.work.write("quotes.csv", rows.and(Rows::after(Random::new(52, 1), 400, 10)).csv());
        refused(load(), &["--force"]);
        // Another file of the same name is another input.
        scene.work.write("quotes.csv", Rows::after(Random::new(53, 0), 400, 20).csv());
        load().run();
        assert!(scene.count() > 2 * once, "{}", scene.what);
    });
}

#[test]
fn a_part_in_a_table_without_a_key() {
    for kind in ["sqlite", "postgres"] {
        let scene = Scene::new(kind, false);
        let rows = Rows::new(Random::new(54, 0), 20_000);
        interrupted(&scene, &rows, Signal::INT);
        let path = scene.work.path("quotes.csv").to_str().expect("UTF-8").to_owned();
        refused(scene.load([path.as_str()], 2, 50), &["a part of", "--resume", "--force"]);
        scene.assert_loaded(&rows, &scene.load([path.as_str()], 2, 50).arguments(["--resume"]).run(), "rest");
    }
}

#[test]
fn a_pipe_without_a_name() {
    for kind in ["sqlite", "postgres"] {
        let scene = Scene::new(kind, true);
        let rows = Rows::new(Random::new(55, 0), 10);
        refused(scene.load(["-"], 1, 50).arguments(["--resume"]).stdin(rows.csv()), &["--source-id"]);
        let both = scene.load(["-"], 1, 50).arguments(["--resume", "--force"]).run().expect(2);
        assert!(both.stderr.contains("cannot be used with"), "{both}");
        assert_eq!(scene.count(), 0, "{}", scene.what);
    }
}

/// A load from a pipe that stays open, with its first rows in the table.
fn living(scene: &Scene, rows: &Rows) -> (Running, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let program = scene.load(["-"], 2, 50).arguments(["--source-id", "feed"]);
    let mut running = program.pipe(reader).spawn();
    writer.write_all(rows.csv().as_bytes()).expect("the pipe");
    assert!(scene.comes_to(1, &mut running), "{}: it ended", scene.what);
    (running, writer)
}

#[test]
fn a_run_that_lives() {
    for kind in ["sqlite", "postgres"] {
        let scene = Scene::new(kind, false);
        let rows = Rows::new(Random::new(56, 0), 100);
        let (running, writer) = living(&scene, &rows);
        let other = || scene.load(["-"], 2, 50).arguments(["--source-id", "feed"]).stdin(rows.csv());
        refused(other().arguments(["--resume"]), &["just now", "process"]);
        refused(other(), &["just now"]);
        drop(writer);
        let run = running.finish();
        scene.assert_loaded(&rows, &run, "the living");
    }
}

#[test]
fn a_run_that_was_taken_over_can_commit_nothing_more() {
    for kind in ["sqlite", "postgres"] {
        let scene = Scene::new(kind, false);
        let rows = Rows::new(Random::new(57, 0), 100);
        let (running, mut writer) = living(&scene, &rows);
        // As a resume on another machine does that could not tell that it lives.
        let taken = "UPDATE mds_runs SET resumed_by = '01975000-0000-7000-8000-000000000000'";
        match &scene.store {
            Store::Sqlite(path) => {
                let db = rusqlite::Connection::open(path).expect("the store");
                db.busy_timeout(super::PATIENCE).expect("a timeout");
                db.execute_batch(taken).expect("an update");
            }
            Store::Postgres(db) => db.execute(taken),
        }
        let before = scene.count();
        let more = Rows::after(Random::new(57, 1), 100, 100).csv();
        let (_, more) = more.split_once('\n').expect("a header");
        // Its next sign of life may end it before it reads them.
        match writer.write_all(more.as_bytes()) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe),
        }
        let run = running.finish().expect(2);
        drop(writer);
        assert!(run.stderr.contains("taken over by run 01975000"), "{run}");
        assert_eq!(scene.count(), before, "{}: {run}", scene.what);
    }
}

#[test]
fn a_run_on_another_machine_is_dead_when_it_is_silent() {
    let scene = Scene::new("postgres", false);
    let Store::Postgres(db) = &scene.store else { panic!("PostgreSQL") };
    let rows = Rows::new(Random::new(58, 0), 20_000);
    interrupted(&scene, &rows, Signal::KILL);
    let path = scene.work.path("quotes.csv").to_str().expect("UTF-8").to_owned();
    let resume = || scene.load([path.as_str()], 2, 50).arguments(["--resume"]);
    // It gives a sign of life while the other one looks.
    db.execute("UPDATE mds_runs SET process = 'elsewhere/pid:[1]/7', host = 'far', heartbeat_at = now()");
    let mut running = resume().spawn();
    while !running.has_ended() {
        db.execute(
            "UPDATE mds_runs SET heartbeat_at = heartbeat_at + interval '1 second' WHERE resumed_by IS NULL",
        );
        std::thread::yield_now();
    }
    let run = running.finish().expect(2);
    assert!(run.error().contains("on far"), "{run}");
    // Its last one is old.
    db.execute(
        "UPDATE mds_runs SET heartbeat_at = now() - interval '1 hour';
         UPDATE mds_checkpoints SET updated_at = now() - interval '1 hour'",
    );
    scene.assert_loaded(&rows, &resume().run(), "the dead");
}

#[test]
fn a_role_that_may_not_keep_a_ledger() {
    let scene = Scene::new("postgres", true);
    let Store::Postgres(db) = &scene.store else { panic!("PostgreSQL") };
    let role = format!("guest_{}", db.name());
    db.execute(&format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {role} LOGIN;
         GRANT SELECT, INSERT, UPDATE ON quotes TO {role}"
    ));
    let rows = Rows::new(Random::new(59, 0), 200);
    let path = scene.work.write("quotes.csv", rows.csv());
    let load = |more: &[&str]| {
        let flags =
            ["load", &path, "--table", "quotes", "--dlq", super::rows::DLQ, "--dsn", &db.dsn_as(&role)];
        scene.work.mdsctl(flags).arguments(more.iter().copied()).run()
    };
    let run = load(&[]).expect(3);
    assert_eq!(run.stderr.matches("no ledger is kept").count(), 1, "{run}");
    rows.assert_stored(&scene.store, true, "without a ledger");
    let run = load(&["--resume"]).expect(2);
    assert!(run.error().contains("mds_runs and mds_checkpoints"), "{run}");
    // The tables are there, and the role may read them at most.
    db.execute(&format!(
        "CREATE TABLE mds_runs (run_id uuid); CREATE TABLE mds_checkpoints (run_id uuid);
         GRANT SELECT ON mds_runs, mds_checkpoints TO {role}"
    ));
    let run = load(&[]);
    assert_eq!(run.stderr.matches("may not write to mds_checkpoints").count(), 1, "{run}");
}
