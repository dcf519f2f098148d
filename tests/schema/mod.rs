//! `mdsctl schema`: make the tables, show them, compare them.

use crate::generator::fixtures;
use crate::harness::run::fixture;
use crate::harness::truth::{assert_same, truth};
use crate::harness::{Postgres, Store, Work};

mod append_only;
mod check_error;
mod earlier;
mod grant;
mod timescale;

const TABLES: [&str; 6] = ["bars", "ticks", "quotes", "options_snap", "fundamentals", "news"];

fn empty_stores(work: &Work) -> [Store; 2] {
    [Store::sqlite(work), Store::Postgres(Postgres::shared().database())]
}

#[test]
fn apply_makes_the_tables_and_a_second_apply_changes_nothing() {
    let work = Work::new();
    for store in empty_stores(&work) {
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        for table in TABLES {
            assert_eq!(store.count(table), Some(0), "{store}: {table}");
        }
        work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &store.dsn()]).run().expect(0);
        let catalog = match &store {
            Store::Postgres(_) => {
                "SELECT oid, relname, relfilenode FROM pg_class
                 WHERE relnamespace = 'public'::regnamespace ORDER BY oid"
            }
            Store::Sqlite(_) => "SELECT name, sql FROM sqlite_schema ORDER BY name",
        };
        let before = store.rows(catalog);
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        assert_eq!(store.rows(catalog), before, "{store}");
        let plan = fixtures::bars();
        assert_same(&store.stored(&plan), &truth(&plan), "the rows stay");
    }
}

#[test]
fn two_applies_at_the_same_time_both_succeed() {
    let work = Work::new();
    for store in empty_stores(&work) {
        let started: Vec<_> =
            (0..4).map(|_| work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).spawn()).collect();
        for running in started {
            running.finish().expect(0);
        }
        assert_eq!(store.count("bars"), Some(0), "{store}");
    }
}

#[test]
fn check_is_content_with_what_apply_made() {
    let work = Work::new();
    for store in empty_stores(&work) {
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        work.mdsctl(["schema", "check", "--dsn", &store.dsn()]).run().expect(0);
    }
}

#[test]
fn check_names_what_is_missing() {
    let work = Work::new();
    let db = Postgres::shared().database();
    let run = work.mdsctl(["schema", "check", "--dsn", &db.dsn()]).run().expect(2);
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(all.contains("bars") && all.contains("mdsctl schema apply"), "{run}");

    let db = Postgres::shared().database_with_schema();
    db.execute("ALTER TABLE ticks DROP COLUMN exchange");
    let run = work.mdsctl(["schema", "check", "--dsn", &db.dsn()]).run().expect(2);
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(all.contains("ticks") && all.contains("exchange"), "{run}");

    let db = Postgres::shared().database_with_schema();
    db.execute("ALTER TABLE bars ALTER COLUMN open_price TYPE numeric(6,2)");
    let run = work.mdsctl(["schema", "check", "--dsn", &db.dsn()]).run().expect(2);
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(all.contains("bars") && all.contains("open_price"), "{run}");
}

#[test]
fn check_changes_nothing() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    work.mdsctl(["schema", "check", "--dsn", &db.dsn()]).run().expect(2);
    assert_eq!(db.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "0");
    work.mdsctl(["schema", "check", "--dsn", "sqlite:none.db"]).run().expect(2);
    assert!(!work.path("none.db").exists());
}

#[test]
fn show_prints_ddl_that_makes_what_apply_makes() {
    let work = Work::new();
    // PostgreSQL: without a server to ask, or with one.
    let (shown, applied) = (Postgres::shared().database(), Postgres::shared().database_with_schema());
    let ddl = work.mdsctl(["schema", "show", "--dsn", &shown.dsn()]).run().expect(0).stdout;
    for table in TABLES {
        assert!(ddl.contains(table), "{ddl}");
    }
    let count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(shown.value(count), "0", "show only shows");
    shown.execute(&ddl);
    let columns = "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name
        FROM information_schema.columns WHERE table_schema = 'public'
        AND table_name IN ('bars', 'ticks', 'quotes', 'options_snap', 'fundamentals', 'news')
        ORDER BY table_name, ordinal_position";
    assert_eq!(shown.rows(columns), applied.rows(columns));
    let indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        AND tablename IN ('bars', 'ticks', 'quotes', 'options_snap', 'fundamentals', 'news') ORDER BY 1";
    assert_eq!(shown.rows(indexes), applied.rows(indexes));

    let ddl = work.mdsctl(["schema", "show", "--dsn", "sqlite:shown.db"]).run().expect(0).stdout;
    assert!(!work.path("shown.db").exists(), "show only shows");
    let shown = rusqlite::Connection::open(work.path("by-hand.db")).expect("a file");
    shown.execute_batch(&ddl).unwrap_or_else(|error| panic!("{error}: {ddl}"));
    drop(shown);
    let by_hand = Store::Sqlite(work.path("by-hand.db"));
    let run = work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &by_hand.dsn()]).run().expect(0);
    assert_eq!(by_hand.count("bars"), Some(fixtures::bars().rows), "{run}");
}

#[test]
fn show_for_programs_is_an_object_with_the_statements() {
    let work = Work::new();
    let db = Postgres::shared().database();
    for dsn in [db.dsn(), "sqlite:shown.db".to_owned()] {
        let json = work.mdsctl(["schema", "show", "--json", "--dsn", &dsn]).run().expect(0).json();
        assert_eq!((&json["command"], &json["exit_code"]), (&"schema".into(), &0.into()), "{json}");
        let statements = json["statements"].as_array().expect("statements").iter();
        let ddl: Vec<&str> = statements.filter_map(|statement| statement.as_str()).collect();
        assert!(ddl.iter().all(|statement| statement.ends_with(';')), "{ddl:?}");
        for table in TABLES {
            assert!(ddl.iter().any(|statement| statement.contains(table)), "{table}: {ddl:?}");
        }
        let ddl = ddl.join("\n");
        match dsn.starts_with("sqlite") {
            true => {
                rusqlite::Connection::open_in_memory().expect("memory").execute_batch(&ddl).expect("tables")
            }
            false => db.execute(&ddl),
        }
        assert!(!ddl.contains("--keep-extra"), "{ddl}");
    }
    let run =
        work.mdsctl(["schema", "show", "--json", "--grant", "loader", "--dsn", &db.dsn()]).run().expect(0);
    assert!(run.json()["statements"].to_string().contains("GRANT SELECT"), "{run}");
}

#[test]
fn the_key_of_every_table_is_one_unique_index() {
    let db = Postgres::shared().database_with_schema();
    let keys = "SELECT tablename, count(*) FROM pg_indexes WHERE schemaname = 'public'
        AND tablename IN ('bars', 'ticks', 'quotes', 'options_snap', 'fundamentals', 'news')
        AND indexdef LIKE 'CREATE UNIQUE INDEX%' GROUP BY 1 ORDER BY 1";
    let rows = db.rows(keys);
    assert_eq!(rows.len(), 6, "{rows:?}");
    assert!(rows.iter().all(|row| row[1].as_deref() == Some("1")), "{rows:?}");
}
