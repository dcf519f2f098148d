//! The first bytes of the next object are on their way while one is read.

use super::PATIENCE;
use crate::harness::bucket::Bucket;
use crate::harness::{Postgres, Work, wait};

/// Bytes that a reader asks for at once, at most.
const PART: usize = 4 << 20;

#[test]
fn the_next_object_is_asked_for_before_the_one_at_hand_is_read_to_its_end() {
    let (bucket, work, db) = (Bucket::new(), Work::new(), Postgres::shared().database());
    let line = |seq: usize| format!("{seq},{}\n", "x".repeat(2_000));
    let text = |rows: std::ops::Range<usize>| "seq,note\n".to_owned() + &rows.map(line).collect::<String>();
    let long = text(0..24_000);
    let parts = long.len() / PART;
    assert!(parts > 10, "{parts}");
    bucket.put("d/1.csv", &long);
    bucket.put("d/2.csv", text(24_000..24_010));
    bucket.put("d/3.csv", text(24_010..24_020));
    db.execute("CREATE TABLE t (seq bigint PRIMARY KEY, note text)");
    // Nothing can be written, so that no more is read than there is room for.
    let lock = db.session().expect("a session");
    lock.execute("BEGIN; LOCK TABLE t IN SHARE MODE");
    let load = work
        .mdsctl(["load", "s3://days/d/*.csv", "--table", "t", "--dsn", &db.dsn()])
        .arguments(["--workers", "1", "--batch-size", "100", "--capacity", "200"])
        .within(PATIENCE);
    let load = bucket.open(load).spawn();
    let mut gets = Vec::new();
    let mut asked = |of: &str| {
        let more = bucket.asked().into_iter().filter(|asked| asked.method == "GET" && asked.range.is_some());
        gets.extend(more.map(|asked| asked.target));
        gets.iter().filter(|target| target.contains(of)).count()
    };
    wait::until(PATIENCE, "the second object is asked for", || (asked("d/2.csv") > 0).then_some(()));
    let first = asked("d/1.csv");
    assert!((1..parts).contains(&first), "{first} of {parts}");
    assert_eq!(asked("d/3.csv"), 0, "one at a time");
    lock.execute("ROLLBACK");
    load.finish().expect(0);
    assert_eq!(db.value("SELECT count(*) || ' ' || sum(length(note)) FROM t"), "24020 48040000");
    assert!(asked("d/1.csv") > parts, "the rest of it");
    assert_eq!(asked("d/2.csv"), 1, "what came ahead is what is read");
}
