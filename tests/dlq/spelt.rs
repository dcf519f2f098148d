//! A file that is loaded again under another spelling of its path, and one that another file has replaced.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::Signal;

use crate::harness::dlq::{DeadLetter, rows};
use crate::harness::{Postgres, Store, Work, wait};

const HEADER: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";

fn bar(day: u32, volume: &str) -> String {
    format!("2024-01-{day:02},v,A,1d,1,1,1,1,{volume}\n")
}

/// Three rows that cannot be stored, found in two places of the way.
fn text() -> String {
    HEADER.to_owned() + &bar(2, "1") + &bar(3, "x") + &bar(4, "y") + "2024-01-05,v\n"
}

fn runs(letters: &[DeadLetter]) -> BTreeSet<String> {
    letters
        .iter()
        .map(|letter| {
            let record: serde_json::Value = serde_json::from_str(&letter.line).expect("JSON");
            record["metadata"]["run_id"].as_str().expect("a run").to_owned()
        })
        .collect()
}

#[test]
fn letters_of_a_file_under_another_spelling_of_its_path_stand_there_once() {
    for postgres in [false, true] {
        let work = Work::new();
        let store = if postgres { Store::postgres() } else { Store::sqlite(&work) };
        for folder in ["data", "data/deep", "elsewhere"] {
            fs::create_dir(work.path(folder)).expect("a folder");
        }
        work.write("data/a.csv", text());
        symlink("data/a.csv", work.path("link.csv")).expect("a link");
        symlink("data", work.path("way")).expect("a link");
        let (queue, absolute) = (work.path("d.ndjson"), work.path("data/a.csv"));
        let load = |path: &str| {
            let flags = ["load", path, "--dlq", queue.to_str().expect("UTF-8"), "--json"];
            work.mdsctl(flags).arguments(["--dsn", &store.dsn()])
        };
        let spellings = [
            "data/a.csv",
            "./data/a.csv",
            "data/deep/../a.csv",
            "data//a.csv",
            absolute.to_str().expect("UTF-8"),
            "link.csv",
            "way/a.csv",
            "data",
            "data/*.csv",
        ];
        for spelling in spellings {
            let run = load(spelling).run().expect(3);
            let letters = work.dlq("d.ndjson");
            assert_eq!((rows(&letters), runs(&letters).len()), (3, 1), "{store}, {spelling}: {run}");
        }
        // From another folder, and after a replay that changed nothing.
        work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &store.dsn()]).run().expect(3);
        assert_eq!(rows(&work.dlq("d.ndjson")), 3);
        let run = load("../data/a.csv").directory("elsewhere").run().expect(3);
        let letters = work.dlq("d.ndjson");
        assert_eq!((rows(&letters), runs(&letters).len()), (3, 1), "{store}: {run}");
        // Files of one name in two folders are two files.
        work.write("elsewhere/a.csv", text());
        load("a.csv").directory("elsewhere").run().expect(3);
        load("a.csv").directory("data").run().expect(3);
        assert_eq!(rows(&work.dlq("d.ndjson")), 6, "{store}");
    }
}

/// Letters of earlier versions say only how the path was spelt.
#[test]
fn letters_that_do_not_say_the_whole_path_are_found_by_where_it_leads() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    work.write("a.csv", text());
    let load =
        |path: &str| work.mdsctl(["load", path, "--dlq", "d.ndjson", "--dsn", &store.dsn()]).run().expect(3);
    load("a.csv");
    let queue = work.path("d.ndjson");
    let letters = fs::read_to_string(&queue).expect("the queue");
    let whole = work.path("a.csv").canonicalize().expect("it");
    let path = format!("\"path\":{:?},", whole.to_str().expect("UTF-8"));
    assert!(letters.contains(&path), "{letters}");
    fs::write(&queue, letters.replace(&path, "")).expect("the queue");
    load("./a.csv");
    assert_eq!(rows(&work.dlq("d.ndjson")), 3);
}

/// Rows that were read of a file and could not be stored: it has them no more when it is another one by then.
#[test]
fn rows_of_a_file_that_was_replaced_meanwhile_are_kept() {
    for replaced in [true, false] {
        let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
        let text: String = (1..=20).map(|day| bar(day, "1")).collect();
        work.write("a.csv", HEADER.to_owned() + &text);
        let session = db.session().expect("a session");
        session.execute("BEGIN; LOCK TABLE bars IN SHARE MODE");
        let flags = ["load", "a.csv", "--json", "--dlq", "d.ndjson", "--dsn", &db.dsn()];
        let running = work.mdsctl(flags).spawn();
        let waits = "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                     WHERE NOT l.granted AND a.datname = current_database()";
        wait::until(wait::PATIENCE, "a lock that is waited for", || {
            (!db.rows(waits).is_empty()).then_some(())
        });
        // Another day under the same name, or more of the same day.
        let next: String = (1..=20).map(|day| bar(day, "2")).collect();
        if replaced {
            work.write("next", HEADER.to_owned() + &next);
            fs::rename(work.path("next"), work.path("a.csv")).expect("another file");
        } else {
            work.write("a.csv", HEADER.to_owned() + &text + &next);
        }
        running.signal(Signal::INT);
        wait::until(wait::PATIENCE, "its answer", || running.said().contains("once more").then_some(()));
        running.signal(Signal::INT);
        let run = running.finish().expect(130);
        session.execute("ROLLBACK");
        let letters = work.dlq("d.ndjson");
        assert_eq!(rows(&letters), if replaced { 20 } else { 0 }, "replaced {replaced}: {run}");
        assert_eq!(run.stderr.contains("their files still have them"), !replaced, "{run}");
        assert_eq!(db.value("SELECT count(*) FROM bars"), "0");
    }
}
