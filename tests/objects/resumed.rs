//! What was loaded of an object is known again by its ETag.

use std::time::Duration;

use rustix::process::Signal;

use super::PATIENCE;
use crate::harness::bucket::{Bucket, Fault};
use crate::harness::{Store, Work, wait};

fn text(from: u64, to: u64) -> String {
    "seq,note\n".to_owned() + &(from..to).map(|seq| format!("{seq},n{seq}\n")).collect::<String>()
}

/// A table without a key, in which a row that is stored twice is there twice.
fn unkeyed(work: &Work, sqlite: bool) -> Store {
    let number = if sqlite { "INTEGER" } else { "BIGINT" };
    Store::holding(work, sqlite, &format!("CREATE TABLE seqs (seq {number} NOT NULL, note TEXT)"))
}

#[test]
fn an_object_that_was_loaded_is_not_loaded_again_and_one_that_changed_is() {
    for sqlite in [true, false] {
        let bucket = Bucket::new();
        bucket.put("a.csv", text(0, 10));
        let work = Work::new();
        let store = unkeyed(&work, sqlite);
        let dsn = store.dsn();
        let load = |more: &[&str]| {
            let all = [&["load", "s3://days/a.csv", "--table", "seqs", "--dsn", &*dsn], more].concat();
            bucket.open(work.mdsctl(all)).run()
        };
        load(&[]).expect(0);
        let again = load(&[]).expect(2);
        assert!(again.error().contains("s3://days/a.csv"), "{}", again.error());
        assert_eq!(store.count("seqs"), Some(10));
        bucket.put("a.csv", text(10, 20));
        load(&[]).expect(0);
        assert_eq!(store.count("seqs"), Some(20));
    }
}

/// Lists of Azure have ETags without the quotes that the answers have.
#[test]
fn an_object_of_a_list_is_the_one_that_is_read_and_known_again_by_its_name() {
    for sqlite in [true, false] {
        let bucket = Bucket::new();
        bucket.put("d/a.csv", text(0, 10));
        let work = Work::new();
        let store = unkeyed(&work, sqlite);
        let dsn = store.dsn();
        let load = |address: &str| {
            bucket.open(work.mdsctl(["load", address, "--table", "seqs", "--dsn", &dsn])).run()
        };
        bucket.fault("GET", "list-type=2", 8, Fault::BareTags);
        load("s3://days/d/*.csv").expect(0);
        assert!(bucket.faults_left() < 8, "a list was asked for");
        assert_eq!(store.count("seqs"), Some(10), "{store}");
        bucket.no_faults();
        assert!(load("s3://days/d/a.csv").expect(2).error().contains("s3://days/d/a.csv"));
        assert_eq!(store.count("seqs"), Some(10), "{store}");
    }
}

#[test]
fn a_load_that_was_killed_is_gone_on_with_and_no_row_is_twice() {
    for sqlite in [true, false] {
        let bucket = Bucket::new();
        let files = 6u64;
        for file in 0..files {
            bucket.put(&format!("d/{file}.csv"), text(file * 40_000, (file + 1) * 40_000));
        }
        let work = Work::new();
        let store = unkeyed(&work, sqlite);
        let dsn = store.dsn();
        let load = |more: &[&str]| {
            let all = [
                &["load", "s3://days/d/*.csv", "--table", "seqs", "--dsn", &*dsn, "--batch-size", "500"],
                more,
            ]
            .concat();
            bucket.open(work.mdsctl(all))
        };
        for file in 0..3u64 {
            bucket.fault("GET", &format!("d/{}.csv", file + 2), 1, Fault::Hang);
            let more: &[&str] = if file == 0 { &[] } else { &["--resume"] };
            let running = load(more).spawn();
            wait::until(PATIENCE, "it hangs", || (bucket.faults_left() == 0).then_some(()));
            std::thread::sleep(Duration::from_millis(400));
            running.signal(Signal::KILL);
            running.finish_quietly();
        }
        load(&["--resume"]).run().expect(0);
        let rows = store.rows("SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM seqs");
        let row: Vec<String> = rows[0].iter().flatten().cloned().collect();
        assert_eq!(row, ["240000", "240000", "0", "239999"], "{store}");
    }
}

#[test]
fn an_object_that_changed_since_is_not_gone_on_with() {
    let bucket = Bucket::new();
    bucket.put("a.csv", text(0, 300_000));
    let work = Work::new();
    let store = unkeyed(&work, true);
    let dsn = store.dsn();
    let load = |more: &[&str]| {
        let all =
            [&["load", "s3://days/a.csv", "--table", "seqs", "--dsn", &*dsn, "--batch-size", "500"], more]
                .concat();
        bucket.open(work.mdsctl(all))
    };
    let running = load(&[]).spawn();
    wait::until(PATIENCE, "rows are there", || (store.count("seqs").unwrap_or(0) > 0).then_some(()));
    running.signal(Signal::KILL);
    running.finish_quietly();
    bucket.put("a.csv", text(5, 300_005));
    let run = load(&["--resume"]).run().expect(2);
    assert!(run.error().contains("cannot be resumed: s3://days/a.csv has changed since"), "{}", run.error());
}
