//! What cannot be gone on with is waited for, like an outage: somebody is at work on the store.

use rustix::process::Signal;

use super::{append, held_up, said, stop, stored, tail};
use crate::harness::postgres::write_private;
use crate::harness::run::{PASSWORD, Running};
use crate::harness::{Postgres, Store, Work, wait};

/// What is done to the table, what is said of it, and what mends it.
const WAITS: &[(&str, &str, &str)] = &[
    ("ALTER TABLE t DROP COLUMN v", "has no column v", "ALTER TABLE t ADD COLUMN v int"),
    ("ALTER TABLE t RENAME COLUMN v TO w", "has no column v", "ALTER TABLE t RENAME COLUMN w TO v"),
    ("ALTER TABLE t RENAME TO u", "\"public.t\" does not exist", "ALTER TABLE u RENAME TO t"),
    ("REVOKE INSERT ON t FROM {role}", "GRANT INSERT ON", "GRANT INSERT ON t TO {role}"),
    ("REVOKE SELECT ON t FROM {role}", "GRANT SELECT ON", "GRANT SELECT ON t TO {role}"),
    (
        "ALTER TABLE t ADD COLUMN must int NOT NULL DEFAULT 1; ALTER TABLE t ALTER COLUMN must DROP DEFAULT",
        "needs column must",
        "ALTER TABLE t ALTER COLUMN must SET DEFAULT 2",
    ),
];

#[test]
fn a_tail_waits_for_what_it_needs_of_the_table() {
    for (harm, words, cure) in WAITS {
        let (work, db) = (Work::new(), Postgres::shared().database());
        // Roles are of the whole server, which other tests use too.
        let role = format!("loader_of_{}", db.name());
        let execute = |sql: &str| db.execute(&sql.replace("{role}", &role));
        execute(
            "CREATE ROLE {role} LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO {role}; \
             CREATE TABLE t (id int PRIMARY KEY, v int); GRANT SELECT, INSERT, UPDATE ON t TO {role}",
        );
        append(&work, "id,v\n1,1\n");
        let mut running = tail(&work, &db.dsn_as(&role));
        stored(&db, &mut running, 1);
        execute(harm);
        append(&work, "2,2\n");
        said(&mut running, words);
        append(&work, "3,3\n");
        execute(cure);
        stored(&db, &mut running, 3);
        let run = stop(running);
        assert_eq!((run.books().inserted, run.books().rejected), (3, 0), "{harm}: {run}");
        execute("DROP OWNED BY {role}; DROP ROLE {role}");
    }
}

/// A table that is another one than before: made anew, or put in the place of the old.
#[test]
fn a_table_in_the_place_of_the_old_one_gets_the_rows() {
    for swap in [
        "DROP TABLE t; CREATE TABLE t (id bigint PRIMARY KEY, v numeric)",
        "ALTER TABLE t RENAME TO old; CREATE TABLE t (v numeric, id bigint PRIMARY KEY, u int DEFAULT 7)",
        "TRUNCATE t",
        "ALTER SCHEMA md RENAME TO old; CREATE SCHEMA md; CREATE TABLE md.t (v text, id int PRIMARY KEY)",
    ] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        let path = format!("ALTER DATABASE {} SET search_path TO public, md", db.name());
        db.execute(&format!("CREATE SCHEMA md; {path}"));
        let swap = swap.replace("CREATE TABLE t", "CREATE TABLE md.t");
        db.execute("CREATE TABLE md.t (id int PRIMARY KEY, v int)");
        append(&work, "id,v\n1,1\n");
        let mut running = tail(&work, &db.dsn());
        stored(&db, &mut running, 1);
        db.execute(&format!("BEGIN; {swap}; COMMIT"));
        append(&work, "2,2\n3,3\n");
        stored(&db, &mut running, 2);
        assert_eq!(running_books(running), (3, 0), "{swap}");
        assert_eq!(
            db.value("SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM t"),
            "2=2 3=3",
            "{swap}"
        );
    }
}

fn running_books(running: Running) -> (u64, u64) {
    let books = stop(running).books();
    (books.inserted, books.rejected)
}

/// A table that is gone for a while.
#[test]
fn a_table_that_is_made_again_later() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v int)");
    append(&work, "id,v\n1,1\n");
    let mut running = tail(&work, &db.dsn());
    stored(&db, &mut running, 1);
    db.execute("DROP TABLE t");
    append(&work, "2,2\n");
    said(&mut running, "does not exist");
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text)");
    stored(&db, &mut running, 1);
    assert_eq!(running_books(running), (2, 0));
}

/// A key of other columns ends the run so that the next one goes on: by it, rows that are under way would
/// be told apart in another way than they were read for.
#[test]
fn another_key() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL)");
    append(&work, "id,v\n1,1\n");
    let mut running = tail(&work, &db.dsn());
    stored(&db, &mut running, 1);
    // Wider columns are no other key.
    db.execute("ALTER TABLE t ALTER COLUMN id TYPE bigint");
    append(&work, "2,1\n");
    stored(&db, &mut running, 2);
    db.execute("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, v)");
    append(&work, "1,2\n1,3\n");
    let run = running.finish().expect(5);
    assert!(run.stderr.contains("its key is id, v now") && run.stderr.contains("start again"), "{run}");
    assert!(
        !run.stderr.contains("2 rows read ahead was") && !run.stderr.contains("1 row read ahead were"),
        "{run}"
    );
    assert!(!run.stderr.contains("stayed away") && !run.stderr.contains("store is back"), "{run}");
    let mut running = tail(&work, &db.dsn());
    stored(&db, &mut running, 4);
    // Where there is none any more, all rows are added.
    db.execute("ALTER TABLE t DROP CONSTRAINT t_pkey");
    append(&work, "1,3\n");
    stored(&db, &mut running, 5);
    append(&work, "1,3\n1,3\n");
    stored(&db, &mut running, 7);
    stop(running);
}

/// A password that is changed under way: the next connection needs the new one, which the password file has
/// in time.
#[test]
fn a_password_that_is_changed() {
    let server = Postgres::private();
    let (work, db) = (Work::new(), server.database());
    db.execute(&format!(
        "CREATE ROLE loader LOGIN PASSWORD '{PASSWORD}'; CREATE TABLE t (id int PRIMARY KEY, v int); \
         GRANT SELECT, INSERT, UPDATE ON t TO loader; GRANT CREATE, USAGE ON SCHEMA public TO loader"
    ));
    server.require_password("loader");
    let pass = |password: &str| {
        let path = work.path("pass");
        write_private(&path, &format!("*:*:*:loader:{password}\n"));
        path
    };
    append(&work, "id,v\n1,1\n");
    let mut running = work
        .mdsctl(["tail", "f.csv", "--table", "t", "--json", "--dsn", &db.dsn_as("loader")])
        .env("MDS_CB_HALF_OPEN_AFTER_SEC", "0.2")
        .env("PGPASSFILE", pass(PASSWORD))
        .spawn();
    stored(&db, &mut running, 1);
    db.execute(
        "ALTER ROLE loader PASSWORD 'another-0'; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'loader'",
    );
    append(&work, "2,2\n");
    said(&mut running, "password");
    pass("another-0");
    stored(&db, &mut running, 2);
    running.signal(Signal::INT);
    assert_eq!(running.finish().expect(130).books().inserted, 2);
}

/// A load waits too, and what a load is started with wrongly ends it at once as before.
#[test]
fn a_load_waits_for_what_worked_before_and_for_nothing_else() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v int)");
    work.write("f.csv", "id,v\n1,1\n2,2\n");
    let flags = ["load", "f.csv", "--table", "t", "--json", "--dsn", &db.dsn()];
    let session = db.session().expect("a session");
    session.execute("BEGIN; ALTER TABLE t DROP COLUMN v");
    let mut running = work.mdsctl(flags).env("MDS_CB_HALF_OPEN_AFTER_SEC", "0.2").spawn();
    held_up(&db);
    session.execute("COMMIT");
    said(&mut running, "has no column v");
    db.execute("ALTER TABLE t ADD COLUMN v numeric");
    assert_eq!(running.finish().expect(0).books().inserted, 2);
    assert_eq!(db.value("SELECT string_agg(v::text, ' ' ORDER BY id) FROM t"), "1 2");
    db.execute("DROP TABLE t");
    let run = work.mdsctl(flags).run().expect(2);
    assert!(run.error().contains("table t does not exist"), "{run}");
}

/// The embedded store: another process may change its tables too.
#[test]
fn a_table_of_sqlite() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let execute = |sql: &str| {
        let file = rusqlite::Connection::open(work.path("store.db")).expect("the file");
        file.busy_timeout(super::PATIENCE).and_then(|()| file.execute_batch(sql)).expect(sql);
    };
    execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER NOT NULL) WITHOUT ROWID");
    append(&work, "id,v,w\n1,1,a\n");
    let mut running = tail(&work, &store.dsn());
    let rows = |running: &mut Running, wanted: u64| {
        let seen = wait::within(super::PATIENCE, || {
            assert!(!running.has_ended(), "it has ended: {}", running.said());
            (store.count("t") == Some(wanted)).then_some(())
        });
        assert!(seen.is_some(), "{wanted} rows: {}", running.said());
    };
    rows(&mut running, 1);
    execute("ALTER TABLE t ADD COLUMN w TEXT");
    append(&work, "2,2,b\n");
    rows(&mut running, 2);
    append(&work, "3,3,c\n");
    rows(&mut running, 3);
    execute("ALTER TABLE t RENAME COLUMN v TO u");
    append(&work, "4,4,d\n");
    said(&mut running, "no column v");
    execute("ALTER TABLE t RENAME COLUMN u TO v");
    rows(&mut running, 4);
    // Made anew, with another type and without NOT NULL; only the rows that come last need either.
    execute("DROP TABLE t");
    execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w TEXT) WITHOUT ROWID");
    append(&work, "5,007,e\n6,,f\n7,8,g\n");
    rows(&mut running, 3);
    let run = stop(running);
    assert_eq!((run.books().inserted, run.books().rejected), (7, 0), "{run}");
    let values: Vec<_> = store.rows("SELECT id, v FROM t ORDER BY id").concat();
    let values: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
    assert_eq!(values, ["5", "007", "6", "NULL", "7", "8"]);
}
