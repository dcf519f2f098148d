//! Tables where what becomes of a row depends on other rows than those of its key: a second unique
//! constraint, a foreign key to the table itself, an exclusion constraint. There the rows leave what
//! loading them in order leaves, whatever the number of workers and the size of batches, and what a
//! later row mends is stored.

use std::fmt::Write as _;

use rusqlite::Connection;

use crate::harness::{Postgres, Run, Store, Work, dlq};

/// The same table in both stores, and both with several sizes of batches.
fn everywhere(postgres: &str, sqlite: &str, test: impl Fn(&Work, &Store, &[&str])) {
    for engine in [["1", "1000"], ["2", "100"], ["4", "7"]] {
        let flags = ["--workers", engine[0], "--batch-size", engine[1]];
        let db = Postgres::shared().database();
        db.execute(postgres);
        test(&Work::new(), &Store::Postgres(db), &flags);
        let work = Work::new();
        Connection::open(work.path("store.db")).and_then(|c| c.execute_batch(sqlite)).expect("a table");
        test(&work, &Store::sqlite(&work), &flags);
    }
}

fn load(work: &Work, store: &Store, text: &str, flags: &[&str]) -> Run {
    let path = work.write("t.csv", text);
    let own = ["load", &path, "--table", "t", "--dsn", &store.dsn(), "--dlq", "dead.ndjson", "--json"];
    work.mdsctl(own).arguments(flags.iter().copied()).run()
}

fn there(store: &Store, sql: &str) -> String {
    let rows = store.rows(sql);
    let text =
        |row: &Vec<Option<String>>| row.iter().map(|v| v.as_deref().unwrap_or("-")).collect::<String>();
    rows.iter().map(text).collect::<Vec<_>>().join(" ")
}

const TWO: &str =
    "CREATE TABLE t (sig TEXT NOT NULL PRIMARY KEY, slot INTEGER NOT NULL, v INTEGER, UNIQUE (slot));
    INSERT INTO t VALUES ('s0', 1, 0)";

#[test]
fn a_second_unique_constraint_takes_rows_in_the_order_of_the_input() {
    everywhere(TWO, TWO, |work, store, flags| {
        // s2 comes while s0 has its slot; s3 moves on before s4 takes its place; s5 stays without one.
        let text = "sig,slot,v\ns1,2,1\ns2,1,2\ns0,9,7\ns3,3,3\ns3,4,3\ns4,3,4\ns5,2,5\n";
        let run = load(work, store, text, flags).expect(3);
        let found = there(store, "SELECT sig, slot, v FROM t ORDER BY sig");
        assert_eq!(found, "s097 s121 s212 s343 s434", "{store} {flags:?}: {run}");
        let dead = work.dlq("dead.ndjson");
        assert_eq!(
            (dlq::rows(&dead), dead[0].code.as_str(), &dead[0].rows[..]),
            (1, "23505", &[7][..]),
            "{store}"
        );
        let books = run.books();
        assert_eq!((books.read, books.rejected, books.inserted), (7, 1, 4), "{store} {flags:?}: {run}");
        assert_eq!(books.read, books.inserted + books.updated + books.superseded + books.rejected, "{run}");
    });
}

#[test]
fn a_row_that_was_refused_never_goes_over_a_later_one_of_its_key() {
    everywhere(TWO, TWO, |work, store, flags| {
        // b is refused with slot 1, then stored with 5; when slot 1 has become free it stays with 5.
        let run = load(work, store, "sig,slot,v\nb,1,1\nb,5,2\ns0,9,3\n", flags).expect(0);
        assert_eq!(
            there(store, "SELECT sig, slot, v FROM t ORDER BY sig"),
            "b52 s093",
            "{store} {flags:?}: {run}"
        );
        let books = run.books();
        assert_eq!(
            (books.read, books.superseded, books.inserted, books.updated),
            (3, 1, 1, 1),
            "{store}: {run}"
        );
    });
}

const TREE: &str = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, parent INTEGER REFERENCES t)";

fn tree(ids: impl Iterator<Item = u32>) -> String {
    let mut text = String::from("id,parent\n");
    for id in ids {
        let parent = id.checked_sub(1).map(|parent| parent.to_string()).unwrap_or_default();
        let _ = writeln!(text, "{id},{parent}");
    }
    text
}

#[test]
fn a_foreign_key_to_the_table_itself_finds_the_rows_before() {
    everywhere(TREE, TREE, |work, store, flags| {
        let run = load(work, store, &tree(0..600), flags).expect(0);
        assert_eq!(store.count("t"), Some(600), "{store} {flags:?}: {run}");
        assert_eq!(run.books().inserted, 600, "{run}");
    });
}

#[test]
fn and_the_rows_that_come_later_so_that_only_orphans_are_dead() {
    everywhere(TREE, TREE, |work, store, flags| {
        // The children first, and in between one whose parent never comes, with a child of its own.
        let text = tree((0..120).rev()).replace("60,59\n", "60,59\n9001,9000\n9002,9001\n");
        let run = load(work, store, &text, flags).expect(3);
        assert_eq!(store.count("t"), Some(120), "{store} {flags:?}: {run}");
        let dead = work.dlq("dead.ndjson");
        assert!(dead.iter().all(|letter| letter.code == "23503"), "{store}: {dead:?}");
        assert_eq!(dlq::rows(&dead), 2, "{store} {flags:?}");

        // Once the parent is there, a replay takes both.
        store.rows("INSERT INTO t (id) VALUES (9000)");
        let replay = ["replay-dlq", "dead.ndjson", "--dsn", &store.dsn(), "--json"];
        let run = work.mdsctl(replay).arguments(flags.iter().copied()).run().expect(0);
        assert_eq!(store.count("t"), Some(123), "{store} {flags:?}: {run}");
    });
}

#[test]
fn rows_of_a_pipe_wait_for_those_behind_them_too() {
    everywhere(TREE, TREE, |work, store, flags| {
        let own =
            ["load", "-", "--format", "csv", "--table", "t", "--dsn", &store.dsn(), "--dlq", "dead.ndjson"];
        let run =
            work.mdsctl(own).arguments(flags.iter().copied()).stdin(tree((0..40).rev())).run().expect(0);
        assert_eq!(store.count("t"), Some(40), "{store} {flags:?}: {run}");
    });
}

#[test]
fn a_tail_tries_refused_rows_again_when_it_has_caught_up() {
    everywhere(TREE, TREE, |work, store, flags| {
        let path = work.write("t.csv", tree((0..40).rev()) + "7001,7000\n");
        let own = [
            "tail",
            &path,
            "--table",
            "t",
            "--dsn",
            &store.dsn(),
            "--dlq",
            "dead.ndjson",
            "--idle-exit",
            "500ms",
        ];
        let run =
            work.mdsctl(own).arguments(["--from", "start"]).arguments(flags.iter().copied()).run().expect(3);
        assert!(store.count("t") >= Some(1), "{store} {flags:?}: {run}");
        assert_eq!(store.count("t").unwrap_or(0) + dlq::rows(&work.dlq("dead.ndjson")), 41, "{store}: {run}");
    });
}

#[test]
fn ranges_that_exclude_one_another_are_taken_in_the_order_of_the_input() {
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute("CREATE TABLE t (id int PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&))");
        let mut text = String::from("id,r\n");
        for id in 0..200 {
            let _ = writeln!(text, "{id},\"[{},{})\"", id * 10, id * 10 + 11);
        }
        let store = Store::Postgres(db);
        load(&work, &store, &text, &["--workers", workers, "--batch-size", "9"]).expect(3);
        assert_eq!(there(&store, "SELECT count(*), sum(id % 2) FROM t"), "1000", "{workers} workers");
    }
}
