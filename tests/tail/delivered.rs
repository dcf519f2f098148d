//! Growing files that are delivered anew: a temporary file with the same beginning and more behind it takes the
//! name of the one that is followed, as rsync and many exporters do it.

use std::fs;

use crate::harness::wait::PATIENCE;
use crate::harness::{Store, Work, wait};

fn each(test: impl Fn(&Work, &Store, &str, &str)) {
    for (at, name) in ["a.csv", "a.ndjson"].into_iter().enumerate() {
        for (sqlite, keyed) in [(true, false), (false, false), (at == 0, true)] {
            let work = Work::new();
            let key = if keyed { " PRIMARY KEY" } else { "" };
            let table = format!("CREATE TABLE t (id bigint{key}, v text)");
            let store = Store::holding(&work, sqlite, &table);
            test(&work, &store, name, &format!("{store}, keyed {keyed}, {name}"));
        }
    }
}

fn text(name: &str, rows: u64) -> String {
    let row = |id| match name {
        "a.csv" => format!("{id},row {id}\n"),
        _ => format!("{{\"id\":{id},\"v\":\"row {id}\"}}\n"),
    };
    let header = if name == "a.csv" { "id,v\n" } else { "" };
    header.to_owned() + &(0..rows).map(row).collect::<String>()
}

fn deliver(work: &Work, name: &str, rows: u64) {
    work.write("f/.part", text(name, rows));
    fs::rename(work.path("f/.part"), work.path("f").join(name)).expect("it takes the name");
}

/// A tail that begins hears of a delivery after the next one has taken the name.
#[test]
fn deliveries_one_upon_the_other_while_a_tail_begins_double_no_row() {
    for round in 0..3 {
        for (sqlite, name) in [(true, "a.ndjson"), (false, "a.csv")] {
            let work = Work::new();
            let store = Store::holding(&work, sqlite, "CREATE TABLE t (id bigint, v text)");
            let what = format!("{store}, {name}, round {round}");
            deliver(&work, name, 100);
            let path = format!("f/{name}");
            let flags = ["tail", &path, "--table", "t", "--json", "--poll", "20ms", "--dsn", &store.dsn()];
            let mut running = work.mdsctl(flags).spawn();
            let mut rows = 100;
            // Those that come before it has read anything, and some more.
            let mut more = 40;
            while more > 0 {
                if store.count("t").is_some_and(|stored| stored > 0) {
                    more -= 1;
                    rows += u64::from(more % 3 == 0);
                }
                deliver(&work, name, rows);
                assert!(!running.has_ended(), "{what}: it ended");
            }
            wait::until(PATIENCE, "the rows in the table", || {
                store.count("t").filter(|stored| *stored >= rows)
            });
            running.signal(rustix::process::Signal::INT);
            let run = running.finish();
            assert_eq!(run.books().read, rows, "{what}: {run}");
            assert_once(&store, rows, &what);
        }
    }
}

fn assert_once(store: &Store, rows: u64, what: &str) {
    let sums = store.rows("SELECT count(*), count(DISTINCT id) FROM t");
    assert_eq!(sums, [vec![Some(rows.to_string()); 2]], "{what}");
}

#[test]
fn a_file_that_was_delivered_anew_is_gone_on_with_by_the_next_tail() {
    each(|work, store, name, what| {
        let path = format!("f/{name}");
        let tail = || {
            let flags = ["tail", &path, "--table", "t", "--json", "--idle-exit", "300ms", "--dsn"];
            work.mdsctl(flags).arguments([store.dsn()]).run().expect(0)
        };
        for (rows, more) in [(100, 100), (150, 50), (151, 1), (151, 0)] {
            deliver(work, name, rows);
            let run = tail();
            assert_eq!(run.books().read, more, "{what}: {run}");
            assert!(!run.stderr.contains("no longer there"), "{what}: {run}");
            assert_once(store, rows, what);
        }
        // Another beginning is another file.
        let other = text(name, 160).replace("row 1\"", "row 0\"").replace("row 1\n", "row 0\n");
        work.write("f/.part", other);
        fs::rename(work.path("f/.part"), work.path(&path)).expect("it takes the name");
        assert_eq!(tail().books().read, 160, "{what}");
    });
}

#[test]
fn a_file_that_is_delivered_anew_is_gone_on_with_by_a_tail_that_runs() {
    each(|work, store, name, what| {
        deliver(work, name, 100);
        let path = format!("f/{name}");
        let flags = ["tail", &path, "--table", "t", "--json", "--poll", "20ms", "--dsn", &store.dsn()];
        let mut running = work.mdsctl(flags).spawn();
        for rows in [100, 150, 151, 300] {
            deliver(work, name, rows);
            wait::until(PATIENCE, "the rows in the table", || {
                assert!(!running.has_ended(), "{what}: it ended");
                store.count("t").filter(|stored| *stored >= rows)
            });
            assert_once(store, rows, what);
        }
        running.signal(rustix::process::Signal::INT);
        let run = running.finish();
        assert_eq!(run.books().read, 300, "{what}: {run}");
        assert!(!run.stderr.contains("no longer there"), "{what}: {run}");
        assert_once(store, 300, what);
        // And by the next one.
        deliver(work, name, 310);
        let flags = ["tail", &path, "--table", "t", "--json", "--idle-exit", "300ms", "--dsn", &store.dsn()];
        assert_eq!(work.mdsctl(flags).run().expect(0).books().read, 10, "{what}");
        assert_once(store, 310, what);
    });
}
