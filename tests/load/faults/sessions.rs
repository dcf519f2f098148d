//! The server lives, but not all is well: deadlocks, timeouts, terminated sessions, too many of
//! them, restarts, a time without writes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{PATIENCE, Scene, program, progress};
use crate::generator::random::Random;
use crate::generator::write::Format;
use crate::harness::quotes::{Quotes, TABLE};
use crate::harness::{Db, Postgres, Work, wait};

/// Locks every row there is in the reverse of the order in which they are written. The server
/// asks a session whether it is in a deadlock when it has waited for a while; `patience` says how
/// long this one waits before, and so which of the two it will be.
fn lock_backwards(db: &Db, patience: &str) -> Result<(), String> {
    let sql = format!(
        "SET deadlock_timeout = '{patience}';
         DO $$ DECLARE r record; BEGIN
            FOR r IN SELECT series, k FROM quotes ORDER BY series DESC, k DESC LOOP
                PERFORM 1 FROM quotes WHERE (series, k) = (r.series, r.k) FOR UPDATE;
            END LOOP; END $$"
    );
    db.try_rows(&sql).map(|_| ())
}

#[test]
fn deadlocks_with_a_session_that_locks_the_other_way_round() {
    let server = Postgres::shared();
    for workers in ["1", "4"] {
        let mut scene = Scene::start(server, workers, "deadlocks");
        let mut errors = server.errors(&scene.db);
        // Sessions that there are already keep the second that is the default.
        scene.db.execute(&format!("ALTER DATABASE {} SET deadlock_timeout = '20ms'", scene.db.name()));
        scene.terminate();
        let (db, enough) = (scene.db.clone(), AtomicBool::new(false));
        let theirs = std::thread::scope(|threads| {
            let other = threads.spawn(|| {
                let mut theirs = 0;
                while !enough.load(Ordering::Relaxed) || theirs < 2 {
                    // In turns: it waits longer than the program, or shorter.
                    for patience in ["2s", "1ms"] {
                        match lock_backwards(&db, patience) {
                            Ok(()) => {}
                            Err(error) if error == "deadlock detected" => theirs += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                theirs
            });
            // The other session must not outlive a failure here.
            let _guard = Guard(&enough);
            scene.until("deadlocks", |_| (errors.count("40P01") >= 5).then_some(()));
            enough.store(true, Ordering::Relaxed);
            other.join().expect("the other session")
        });
        assert!(theirs >= 2);
        scene.finish_after_retries();
    }
}

/// Sets a flag when it goes.
struct Guard<'a>(&'a AtomicBool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn waits_for_a_lock_that_end_in_a_timeout() {
    let server = Postgres::shared();
    for (setting, code) in [("lock_timeout", "55P03"), ("statement_timeout", "57014")] {
        for workers in ["1", "4"] {
            let mut scene = Scene::start(server, workers, setting);
            let mut errors = server.errors(&scene.db);
            scene.db.execute(&format!("ALTER DATABASE {} SET {setting} = '50ms'", scene.db.name()));
            let other = scene.db.session().expect("a session");
            other.execute(&format!("SET {setting} = 0; BEGIN; LOCK TABLE quotes IN SHARE MODE"));
            // Sessions that are new know the setting.
            scene.terminate();
            scene.until("timeouts", |_| (errors.count(code) >= 5).then_some(()));
            drop(other);
            let at = scene.goes_on(0);
            scene.goes_on(at);
            scene.finish_after_retries();
        }
    }
}

#[test]
fn statements_that_end_in_a_timeout_without_a_lock() {
    let server = Postgres::shared();
    let mut scene = Scene::start(server, "4", "statement_timeout");
    let mut errors = server.errors(&scene.db);
    // Every tenth row or so takes longer than the server allows, where it is written.
    scene.db.execute(
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF random() < 0.001 THEN PERFORM pg_sleep(1); END IF; RETURN NEW; END $$;
         CREATE TRIGGER linger BEFORE INSERT OR UPDATE ON quotes FOR EACH ROW EXECUTE FUNCTION linger()",
    );
    scene.db.execute(&format!("ALTER DATABASE {} SET statement_timeout = '100ms'", scene.db.name()));
    scene.terminate();
    scene.until("timeouts", |_| (errors.count("57014") >= 10).then_some(()));
    scene.db.execute(&format!("ALTER DATABASE {} RESET statement_timeout", scene.db.name()));
    scene.db.execute("DROP TRIGGER linger ON quotes");
    scene.terminate();
    scene.finish_after_retries();
}

#[test]
fn transactions_that_idle_too_long() {
    let server = Postgres::shared();
    for workers in ["1", "4"] {
        let mut scene = Scene::start(server, workers, "idle_in_transaction_session_timeout");
        let mut errors = server.errors(&scene.db);
        let set = format!("ALTER DATABASE {}", scene.db.name());
        scene.db.execute(&format!("{set} SET idle_in_transaction_session_timeout = '1ms'"));
        scene.terminate();
        scene.until("timeouts", |_| (errors.count("25P03") >= 5).then_some(()));
        scene.db.execute(&format!("{set} RESET idle_in_transaction_session_timeout"));
        scene.terminate();
        scene.finish_after_retries();
    }
}

#[test]
fn sessions_terminated_again_and_again() {
    let server = Postgres::shared();
    for workers in ["1", "4"] {
        let mut scene = Scene::start(server, workers, "terminated sessions");
        let (mut errors, mut at) = (server.errors(&scene.db), 0);
        while errors.count("57P01") < 20 {
            at = scene.goes_on(at);
            scene.until("a session to terminate", |scene| (scene.terminate() > 0).then_some(()));
        }
        scene.finish_after_retries();
    }
}

#[test]
fn too_many_connections_for_a_while() {
    let server = Postgres::shared();
    let db = server.database();
    let role = format!("loader_of_{}", db.name());
    db.execute(TABLE);
    db.execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT ALL ON quotes TO {role}; GRANT ALL ON DATABASE {} TO {role};
         GRANT ALL ON SCHEMA public TO {role}",
        db.name()
    ));
    let (dsn, limit) = (db.dsn_as(&role), format!("ALTER ROLE {role} CONNECTION LIMIT"));
    let mut scene = Scene::start_in(db, &dsn, "4", "too many connections");
    let mut errors = server.errors(&scene.db);
    for connections in [0, 2] {
        scene.db.execute(&format!("{limit} {connections}"));
        let before = errors.count("53300");
        scene.terminate();
        scene.until("refused connections", |_| (errors.count("53300") >= before + 5).then_some(()));
        scene.db.execute(&format!("{limit} -1"));
        let at = scene.goes_on(0);
        scene.goes_on(at);
    }
    scene.finish_after_retries();
}

#[test]
fn restarts_and_a_time_without_writes() {
    let server = Postgres::private();
    for workers in ["1", "4"] {
        let mut scene = Scene::start(&server, workers, "restarts");
        let (mut errors, mut at) = (server.errors(&scene.db), 0);
        while errors.count("57P01") < 5 {
            at = scene.goes_on(at);
            server.restart();
        }
        scene.finish_after_retries();
    }
    for workers in ["1", "4"] {
        let mut scene = Scene::start(&server, workers, "read only");
        let mut errors = server.errors(&scene.db);
        scene.db.execute("ALTER SYSTEM SET default_transaction_read_only = on");
        server.reload();
        scene.until("refused writes", |_| (errors.count("25006") >= 5).then_some(()));
        let at = progress_stands(&mut scene);
        scene.db.execute("ALTER SYSTEM RESET default_transaction_read_only");
        server.reload();
        scene.goes_on(at);
        scene.finish_after_retries();
    }
}

#[test]
fn a_backend_that_dies_and_takes_all_the_others_with_it() {
    let server = Postgres::private();
    for workers in ["1", "4"] {
        let mut scene = Scene::start(&server, workers, "killed backends");
        for _ in 0..4 {
            let at = progress(&scene.db);
            scene.goes_on(at);
            let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'mdsctl'
                ORDER BY (state = 'active') DESC LIMIT 1";
            let pid = scene.until("a session to kill", |scene| {
                let rows = scene.db.try_rows(sql).ok()?;
                rows.first()?.first()?.as_ref()?.parse().ok()
            });
            server.kill9_backend(pid);
        }
        let at = progress(&scene.db);
        scene.goes_on(at);
        scene.finish_after_retries();
    }
}

/// The last row, when no session is in the middle of a write any more.
fn progress_stands(scene: &mut Scene) -> u64 {
    scene.until("the last write to end", |scene| {
        let before = progress(&scene.db);
        let busy = "SELECT 1 FROM pg_locks WHERE relation = 'quotes'::regclass AND mode = 'RowExclusiveLock'";
        let quiet = scene.db.rows(busy).is_empty() && progress(&scene.db) == before;
        quiet.then_some(before)
    })
}

#[test]
fn a_statement_that_hangs_is_tried_again_when_its_time_is_up() {
    let server = Postgres::shared();
    for workers in ["1", "4"] {
        let db = server.database();
        db.execute(TABLE);
        let other = db.session().expect("a session");
        other.execute("BEGIN; LOCK TABLE quotes IN SHARE MODE");
        let work = Work::new();
        let mut quotes = Quotes::new(Random::new(18, 0), 300);
        let format = Format::Csv;
        let mut text = Quotes::header(format).to_string();
        quotes.lines(5_000, format, &mut text);
        let path = work.write("quotes.csv", text);
        let program = program(&work, &path, &db.dsn(), workers).arguments(["--write-timeout", "1s"]);
        let mut running = program.spawn();
        // Another session that waits is another attempt.
        let waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'quotes'::regclass";
        let mut seen = BTreeSet::new();
        wait::until(PATIENCE, "a second attempt", || {
            assert!(!running.has_ended(), "it ended while the table was locked");
            seen.extend(db.rows(waiting));
            (seen.len() > workers.parse().expect("a number")).then_some(())
        });
        drop(other);
        let run = running.finish();
        quotes.assert_loaded(&work, &db, &run, "write timeout");
        assert!(run.json()["retries"].as_u64().is_some_and(|retries| retries > 0), "{run}");
    }
}
