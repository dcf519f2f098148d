//! Keys that the input brings are kept: numbers that are the server's own otherwise, and unique
//! constraints whose columns take null.

use rusqlite::Connection;

use crate::harness::{Db, Postgres, Store, Work};

fn database(tables: &str) -> Db {
    let db = Postgres::shared().database();
    db.execute(tables);
    db
}

/// Loads the text into `t` with more flags, and returns exit code and output.
fn load(work: &Work, dsn: &str, text: &str, more: &[&str]) -> crate::harness::Run {
    let path = work.write("t.csv", text);
    let flags = ["load", &path, "--table", "t", "--dsn", dsn, "--dlq", "dead.ndjson"];
    work.mdsctl(flags).arguments(more.iter().copied()).run()
}

#[test]
fn an_identity_that_is_always_the_servers_keeps_the_numbers_of_the_input() {
    // By COPY, by the merge, under a row-level policy, and beside a column that needs a cast.
    for (more, name) in [("", "plain"), (", r int4range", "cast"), ("", "policy")] {
        let db = database(&format!(
            "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, symbol text NOT NULL, px numeric{more})"
        ));
        if name == "policy" {
            db.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (true)");
        }
        let work = Work::new();
        load(&work, &db.dsn(), "id,symbol,px\n101,A,1\n205,B,2\n", &[]).expect(0);
        let books = load(&work, &db.dsn(), "id,symbol,px\n101,A,1\n205,B,3\n", &["--json"]).expect(0).books();
        assert_eq!((books.inserted, books.updated, books.unchanged), (0, 1, 1), "{name}");
        let there = db.value("SELECT string_agg(id || symbol || px, ' ' ORDER BY id) FROM t");
        assert_eq!(there, "101A1 205B3", "{name}");
    }
}

#[test]
fn the_number_of_an_identity_beside_the_key_is_never_left_out_unseen() {
    let db = database(
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, symbol text PRIMARY KEY, px numeric,
            twice numeric GENERATED ALWAYS AS (px * 2) STORED)",
    );
    let work = Work::new();
    let run = load(&work, &db.dsn(), "id,symbol,px,twice\n7,A,1,9\n8,B,2,9\n", &[]).expect(0);
    assert!(run.stderr.contains("columns not loaded: twice"), "{run}");
    load(&work, &db.dsn(), "id,symbol,px\n7,A,10\n9,B,20\n", &[]).expect(3);
    let there = db.value("SELECT string_agg(id || symbol || px || ':' || twice, ' ' ORDER BY id) FROM t");
    assert_eq!(there, "7A10:20 8B2:4");
    let dead = work.dlq("dead.ndjson");
    assert_eq!((dead[0].code.as_str(), dead[0].column.as_deref()), ("428C9", Some("id")));
}

/// A table whose only unique constraint takes nulls, in both stores.
fn with_nulls() -> Vec<(Work, Store)> {
    let (work, db) = (
        Work::new(),
        database(
            "CREATE TABLE t (symbol text, ts timestamptz, venue text, px int, UNIQUE (symbol, ts, venue))",
        ),
    );
    let lite = Work::new();
    let table =
        "CREATE TABLE t (symbol TEXT, ts TIMESTAMP, venue TEXT, px INTEGER, UNIQUE (symbol, ts, venue))";
    Connection::open(lite.path("store.db")).and_then(|c| c.execute_batch(table)).expect("a table");
    let store = Store::sqlite(&lite);
    vec![(work, Store::Postgres(db)), (lite, store)]
}

const ROWS: &str = "symbol,ts,venue,px\nA,2024-01-02,X,1\nA,2024-01-03,X,2\nA,2024-01-02,,3\nA,2024-01-02,,4\n,,,5\nA,2024-01-03,X,6\n";

#[test]
fn a_unique_constraint_over_columns_that_take_null_is_the_key_of_rows_without() {
    for (work, store) in with_nulls() {
        let there = || {
            let rows = store.rows("SELECT symbol, venue, px FROM t ORDER BY px");
            let text = |row: &Vec<Option<String>>| {
                row.iter().map(|v| v.as_deref().unwrap_or("-")).collect::<String>()
            };
            rows.iter().map(text).collect::<Vec<_>>().join(" ")
        };
        let books = load(&work, &store.dsn(), ROWS, &["--json"]).expect(0).books();
        assert_eq!((books.inserted, books.superseded, books.read), (5, 1, 6), "{store}");
        assert_eq!(there(), "AX1 A-3 A-4 --5 AX6", "{store}");

        // What has a key is found again, what has none would be there twice.
        let again = load(&work, &store.dsn(), ROWS, &[]).expect(2);
        assert!(again.error().contains("--force"), "{again}");
        let text = ROWS.replace("X,1", "X,9");
        let books = load(&work, &store.dsn(), &text, &["--force", "--json"]).expect(0).books();
        assert_eq!((books.inserted, books.updated, books.unchanged), (3, 1, 1), "{store}");
        assert_eq!(there(), "A-3 A-3 A-4 A-4 --5 --5 AX6 AX9", "{store}");
    }
}

#[test]
fn a_file_without_a_column_of_such_a_key_is_appended_whole() {
    for (work, store) in with_nulls() {
        let text = "symbol,ts,px\nA,2024-01-02,1\nA,2024-01-02,1\nA,2024-01-02,1\n";
        load(&work, &store.dsn(), text, &[]).expect(0);
        assert_eq!(store.count("t"), Some(3), "{store}");
    }
}

#[test]
fn where_nulls_are_not_distinct_they_are_values_of_the_key() {
    let db = database(
        "CREATE TABLE t (symbol text, ts timestamptz, px int, UNIQUE NULLS NOT DISTINCT (symbol, ts))",
    );
    let work = Work::new();
    let first = "symbol,ts,px\nA,,1\nA,2024-01-02,2\n,2024-01-02,3\n,,4\n,,5\n";
    let books = load(&work, &db.dsn(), first, &["--json"]).expect(0).books();
    assert_eq!((books.inserted, books.superseded), (4, 1));
    // Every row has a key, so loading again is no matter.
    for expected in [(0, 1, 3), (0, 0, 4)] {
        let books = load(&work, &db.dsn(), &first.replace("A,,1", "A,,8"), &["--json"]).expect(0).books();
        assert_eq!((books.inserted, books.updated, books.unchanged), expected);
    }
    assert_eq!(db.value("SELECT string_agg(px::text, ' ' ORDER BY px) FROM t"), "2 3 5 8");
}

#[test]
fn of_several_unique_constraints_the_one_that_every_row_has_is_the_key() {
    // The nullable one was made first; partial, deferred and computed ones are none to go by.
    let db = database(
        "CREATE TABLE t (a text UNIQUE, b text NOT NULL, c text, px int);
         CREATE UNIQUE INDEX ON t (c) WHERE px > 0; CREATE UNIQUE INDEX ON t (lower(c));
         ALTER TABLE t ADD UNIQUE (c) DEFERRABLE; ALTER TABLE t ADD UNIQUE (b)",
    );
    let work = Work::new();
    load(&work, &db.dsn(), "a,b,c,px\nx,1,p,1\ny,2,q,2\n", &[]).expect(0);
    let books = load(&work, &db.dsn(), "a,b,c,px\nz,1,p,3\ny,2,q,2\n", &["--json"]).expect(0).books();
    assert_eq!((books.inserted, books.updated, books.unchanged), (0, 1, 1));
    assert_eq!(db.value("SELECT string_agg(a || b || px, ' ' ORDER BY b) FROM t"), "z13 y22");
}

#[test]
fn rows_that_bring_the_primary_key_go_by_it() {
    let db = database(
        "CREATE TABLE t (id bigserial PRIMARY KEY, symbol text, ts timestamptz, px int, UNIQUE (symbol, ts))",
    );
    let work = Work::new();
    load(&work, &db.dsn(), "symbol,ts,px\nA,2024-01-02,1\n,2024-01-02,2\n", &[]).expect(0);
    load(&work, &db.dsn(), "id,symbol,ts,px\n1,A,2024-01-02,5\n2,,2024-01-02,7\n", &[]).expect(0);
    assert_eq!(db.value("SELECT string_agg(id || ':' || px, ' ' ORDER BY id) FROM t"), "1:5 2:7");
    // Without it, by the other.
    load(&work, &db.dsn(), "symbol,ts,px\nA,2024-01-02,8\n", &[]).expect(0);
    assert_eq!(db.value("SELECT string_agg(id || ':' || px, ' ' ORDER BY id) FROM t"), "1:8 2:7");
}
