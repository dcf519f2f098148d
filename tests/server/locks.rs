//! A lock in the way: who holds it is said, and it is waited for, in whatever mode.

use crate::harness::{Postgres, Work, wait};

#[test]
fn who_holds_a_lock_that_a_load_waits_for_is_named() {
    let db = Postgres::shared().database();
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v int)");
    let holder = db.session().expect("a session");
    holder.execute("SET application_name = 'nightly report'; BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
    let work = Work::new();
    let path = work.write("a.csv", "id,v\n1,1\n");
    let running = work.mdsctl(["load", &path, "--table", "t", "--dsn", &db.dsn()]).spawn();
    let said = wait::until(wait::PATIENCE, "the holder to be named", || {
        let said = running.said();
        said.contains("nightly report").then_some(said)
    });
    assert!(said.contains("waiting for a lock") && said.contains("pg_terminate_backend("), "{said}");
    holder.execute("COMMIT");
    running.finish().expect(0);
    assert_eq!(db.count("t"), 1);
}

#[test]
fn a_file_of_sqlite_in_another_mode_that_another_process_reads_or_writes_is_waited_for() {
    for lock in ["BEGIN; SELECT count(*) FROM t", "BEGIN IMMEDIATE"] {
        let work = Work::new();
        let file = work.path("store.db");
        let other = rusqlite::Connection::open(&file).expect("a file");
        other
            .execute_batch("PRAGMA journal_mode = DELETE; CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
            .expect("a table");
        // Kept open: a reader holds its lock as long as its statement does.
        other.execute_batch(&format!("{lock};")).expect("a lock");
        let path = work.write("a.csv", "id,v\n1,1\n2,2\n");
        let dsn = format!("sqlite:{}", file.display());
        let flags = ["load", &path, "--table", "t", "--json", "--max-outage", "60s", "--wait", "--dsn", &dsn];
        let running = work.mdsctl(flags).spawn();
        wait::until(wait::PATIENCE, "the lock to be told", || {
            running.said().contains("locked by another process").then_some(())
        });
        other.execute_batch("COMMIT").expect("the end of the lock");
        assert_eq!(running.finish().expect(0).books().inserted, 2, "{lock}");
    }
}
