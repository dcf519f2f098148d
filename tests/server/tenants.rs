//! Who `--tenant` names: found out without keeping anybody, and told where nobody knows it.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Db, Postgres, Work, wait};

const KNOWN: &str = "0b0e4a7e-6f0e-4a61-9d0c-3a5d8c1f0001";
const STRANGE: &str = "0b0e4a7e-6f0e-4a61-9d0c-3a5d8c1f0002";

fn tables(db: &Db) {
    db.execute(&format!(
        "CREATE TABLE tenants (id uuid PRIMARY KEY, tenant_id varchar UNIQUE);
         INSERT INTO tenants VALUES ('{KNOWN}', 'acme');
         CREATE TABLE t (tenant_id uuid, n int)"
    ));
}

#[test]
fn a_tenant_that_the_table_of_tenants_does_not_have_is_told() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    tables(&db);
    for (tenant, is_told) in [(KNOWN, false), ("acme", false), (STRANGE, true)] {
        let flags = ["load", "-", "--table", "t", "--tenant", tenant, "--dsn", &db.dsn()];
        let run = work.mdsctl(flags).stdin("n\n1\n").run().expect(0);
        let words = format!("the table tenants has no tenant with the id {tenant}");
        assert_eq!(run.stderr.matches(&words).count(), usize::from(is_told), "{tenant}: {run}");
    }
    assert_eq!(db.count("t"), 3);
    db.execute("ALTER TABLE tenants ENABLE ROW LEVEL SECURITY; DROP TABLE t; CREATE TABLE t (n int)");
    let flags = ["load", "-", "--table", "t", "--tenant", STRANGE, "--dsn", &db.dsn()];
    let run = work.mdsctl(flags).stdin("n\n1\n").run().expect(0);
    assert!(!run.stderr.contains("has no tenant"), "no column for it: {run}");
}

/// What stands under that name is not always a table of ours.
#[test]
fn tenants_that_cannot_be_asked_are_no_matter_of_a_load() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(
        "CREATE TABLE t (tenant_id uuid, n int);
         CREATE FUNCTION away() RETURNS uuid LANGUAGE plpgsql AS $$BEGIN RAISE 'it is away'; END$$;
         CREATE VIEW tenants AS SELECT away() AS id",
    );
    let flags = ["load", "-", "--table", "t", "--tenant", STRANGE, "--dsn", &db.dsn()];
    let run = work.mdsctl(flags).stdin("n\n1\n").run().expect(0);
    assert!(!run.stderr.contains("has no tenant") && !run.stderr.contains("it is away"), "{run}");
    assert_eq!(db.count("t"), 1);
}

#[test]
fn a_replay_that_looks_a_tenant_up_under_a_lock_can_be_ended() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    tables(&db);
    db.execute("ALTER TABLE t ADD CHECK (n > 0)");
    let dsn = db.dsn();
    work.mdsctl(["load", "-", "--table", "t", "--tenant", KNOWN, "--dlq", "q.ndjson", "--dsn", &dsn])
        .stdin("n\n-1\n")
        .run()
        .expect(3);
    let queue = fs::read(work.path("q.ndjson")).expect("a queue");
    let holder = db.session().expect("a session");
    holder.execute("BEGIN; LOCK TABLE tenants IN ACCESS EXCLUSIVE MODE");
    // The server notices later that nobody waits for the answer any more.
    let mut before = 0;
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        for wait in [&[][..], &["--wait"]] {
            let flags = ["replay-dlq", "q.ndjson", "--tenant", "acme", "--json", "--dsn", &dsn];
            let replay = work.mdsctl(flags).arguments(wait.iter().copied()).within(Duration::from_secs(10));
            let mut running = replay.spawn();
            let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'tenants'::regclass";
            wait::until(wait::PATIENCE, "a lookup that hangs", || {
                assert!(!running.has_ended(), "{}", running.said());
                (db.rows(waiting).len() > before).then_some(())
            });
            running.signal(signal);
            let run = running.finish().expect(code);
            assert_eq!(run.json()["exit_code"], code, "{run}");
            assert_eq!(fs::read(work.path("q.ndjson")).expect("a queue"), queue, "{run}");
            before = db.rows(waiting).len();
        }
    }
}

#[test]
fn a_role_without_a_name_is_an_error_of_usage() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    for action in ["show", "apply", "check"] {
        for name in ["", " "] {
            let run = work.mdsctl(["schema", action, "--grant", name, "--dsn", &db.dsn()]).run().expect(2);
            assert!(
                run.stderr.contains("--grant") && run.stderr.contains("names no role"),
                "{action}: {run}"
            );
        }
    }
}
