//! A table without a key whose triggers or rules put its rows elsewhere is empty after a load too: that says
//! nothing of whether the file was loaded.

use crate::harness::{Postgres, Run, Store, Work};

fn load(work: &Work, store: &Store, flags: &[&str]) -> Run {
    let line = ["load", "in.csv", "--table", "st", "--dsn", &store.dsn()];
    work.mdsctl(line).arguments(flags.iter().copied()).run()
}

/// The rows are elsewhere once, whatever is loaded again without `--force`; with it, twice.
fn once(work: &Work, store: &Store, what: &str) {
    work.write("in.csv", "id,v\n1,a\n2,b\n");
    load(work, store, &[]);
    assert_eq!((store.count("st"), store.count("target")), (Some(0), Some(2)), "{what}");
    for flags in [&[][..], &["--resume"]] {
        let again = load(work, store, flags).expect(2);
        assert!(again.error().contains("has loaded in.csv already"), "{what}: {again}");
        assert!(again.error().contains("elsewhere") && again.error().contains("--force"), "{what}: {again}");
        assert_eq!(store.count("target"), Some(2), "{what}");
    }
    load(work, store, &["--force"]);
    assert_eq!(store.count("target"), Some(4), "{what}");
}

#[test]
fn a_table_that_is_always_empty_does_not_get_a_file_twice_in_postgresql() {
    let function = |body: &str| {
        format!("CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
    };
    let away = "INSERT INTO target VALUES (new.*); RETURN null;";
    let later = "INSERT INTO target SELECT * FROM st; DELETE FROM st; RETURN null;";
    let ways = [
        ("before", function(away), "CREATE TRIGGER g BEFORE INSERT ON st FOR EACH ROW EXECUTE FUNCTION g()"),
        (
            "after",
            function(later),
            "CREATE TRIGGER g AFTER INSERT ON st FOR EACH STATEMENT EXECUTE FUNCTION g()",
        ),
        (
            "in a partition",
            function(away),
            "DROP TABLE st; CREATE TABLE st (id int, v text) PARTITION BY LIST (v); \
             CREATE TABLE part PARTITION OF st DEFAULT; \
             CREATE TRIGGER g BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION g()",
        ),
    ];
    for (what, function, trigger) in ways {
        let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
        for sql in ["CREATE TABLE st (id int, v text)", "CREATE TABLE target (id int, v text)", &function] {
            db.execute(sql);
        }
        trigger.split("; ").for_each(|sql| db.execute(sql));
        once(&work, &Store::Postgres(db), what);
    }
}

#[test]
fn a_table_that_is_always_empty_does_not_get_a_file_twice_in_sqlite() {
    let ways = [
        (
            "before",
            "BEFORE INSERT ON st BEGIN INSERT INTO target VALUES (new.id, new.v); SELECT RAISE(IGNORE); END",
        ),
        ("after", "AFTER INSERT ON st BEGIN INSERT INTO target VALUES (new.id, new.v); DELETE FROM st; END"),
    ];
    for (what, trigger) in ways {
        let work = Work::new();
        let store = Store::sqlite(&work);
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        let Store::Sqlite(path) = &store else { unreachable!() };
        let connection = rusqlite::Connection::open(path).expect("a file");
        let tables = "CREATE TABLE st (id INTEGER, v TEXT); CREATE TABLE target (id INTEGER, v TEXT);";
        connection.execute_batch(&format!("{tables} CREATE TRIGGER g {trigger};")).expect("tables");
        drop(connection);
        once(&work, &store, what);
    }
}

/// That the trigger is gone by now does not make its rows come back.
#[test]
fn a_run_that_left_no_row_in_the_table_has_loaded_its_file() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    for sql in [
        "CREATE TABLE st (id int, v text)",
        "CREATE TABLE target (id int, v text)",
        "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO target VALUES (new.*); RETURN null; END $$",
        "CREATE TRIGGER g BEFORE INSERT ON st FOR EACH ROW EXECUTE FUNCTION g()",
    ] {
        db.execute(sql);
    }
    work.write("in.csv", "id,v\n1,a\n2,b\n");
    let store = Store::Postgres(db);
    load(&work, &store, &[]).expect(0);
    store.try_rows("DROP TRIGGER g ON st").expect("dropped");
    load(&work, &store, &[]).expect(2);
    assert_eq!((store.count("st"), store.count("target")), (Some(0), Some(2)));
}
