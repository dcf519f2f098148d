//! What `mdsctl health` says of dead letters.

use std::fmt::Write as _;

use super::{CRITICAL, OK, UNKNOWN, WARNING, complaint, findings};
use crate::harness::{Run, Work};

/// A store that is well, beside whatever else is in the directory.
fn work() -> Work {
    let work = Work::new();
    work.mdsctl(["schema", "apply", "--quiet"]).run().expect(OK);
    work
}

fn health(work: &Work, more: &[&str]) -> Run {
    work.mdsctl(["health"]).arguments(more.iter().copied()).run()
}

/// Records of one row each that failed first so many seconds ago, and again just now.
fn letters(rows: usize, ago: i64) -> String {
    let now = chrono::Utc::now().timestamp();
    let mut text = String::new();
    for row in 1..=rows {
        let _ = writeln!(
            text,
            r#"{{"ts":{now}.5,"error":"x","metadata":{{"id":"0197a3f2-1b2c-7000-8000-{row:012}","dataset":"bars","stage":"write","code":"22003","source":"b.csv","rows":[{row}],"attempts":2,"first_ts":{}.5,"run_id":"x","version":1}},"items":[{{"symbol":"A"}}]}}"#,
            now - ago
        );
    }
    text
}

#[test]
fn depth_and_age_have_limits() {
    let work = work();
    health(&work, &[]).expect(OK);
    work.write(".dlq/bars.ndjson", letters(3, 7_230));
    work.write(".dlq/bars.1.ndjson", letters(2, 60));
    let run = health(&work, &[]).expect(WARNING);
    let line = complaint(&run, "dlq");
    assert!(line.contains("5 dead rows in .dlq/bars.ndjson") && line.contains("2 h 00 min old"), "{run}");
    assert!(line.contains("inspect-dlq") && line.contains("replay-dlq"), "{run}");
    assert!(run.stdout.contains("dlq_rows=5;1;;0"), "{run}");

    health(&work, &["--dlq-warn", "6"]).expect(OK);
    health(&work, &["--dlq-warn", "2", "--dlq-crit", "6"]).expect(WARNING);
    let run = health(&work, &["--dlq-crit", "5", "--json"]).expect(CRITICAL);
    assert_eq!(findings(&run, "dlq")[0]["value"], 5, "{run}");
    assert_eq!(run.json()["perfdata"]["dlq_rows"], 5.0, "{run}");

    health(&work, &["--dlq-warn", "9", "--dlq-age-warn", "3h"]).expect(OK);
    let run =
        health(&work, &["--dlq-warn", "9", "--dlq-age-warn", "1h", "--dlq-age-crit", "3h"]).expect(WARNING);
    assert!(complaint(&run, "dlq_age").contains("bars.ndjson"), "{run}");
    health(&work, &["--dlq-warn", "9", "--dlq-age-crit", "1h"]).expect(CRITICAL);
}

#[test]
fn what_a_load_has_refused_is_found() {
    let work = work();
    work.write(
        "bars.csv",
        "ts,vendor,symbol,timeframe,open,high,low,close,volume\n\
         2024-03-04T14:30:00Z,acme,AAPL,1m,1,1,1,1,1\n2024-03-04T14:31:00Z,acme,AAPL,1m,1,1,1,x,1\n",
    );
    work.mdsctl(["load", "bars.csv", "--quiet"]).run().expect(3);
    let run = health(&work, &[]).expect(WARNING);
    assert!(complaint(&run, "dlq").contains("1 dead row in .dlq/bars.ndjson"), "{run}");
    let run = work.mdsctl(["replay-dlq", "--set", "close_price=1", "--quiet"]).run();
    assert!([0, 3].contains(&run.code), "{run}");
}

#[test]
fn damaged_parked_and_claimed() {
    let work = work();
    work.write("q/bars.ndjson", "no json at all\n");
    let run = health(&work, &["--dlq", "q"]).expect(WARNING);
    assert!(complaint(&run, "dlq_damage").contains("1 line of q/bars.ndjson is not a record"), "{run}");

    work.write("q/bars.ndjson", "");
    work.write("q/bars.parked.ndjson", letters(4, 1));
    let run = health(&work, &["--dlq", "q/bars.ndjson"]).expect(WARNING);
    assert!(complaint(&run, "dlq_parked").contains("4 rows given up"), "{run}");
    assert!(run.stdout.contains("[OK] dlq: no dead rows"), "{run}");

    work.write("q/ticks.2.ndjson", letters(2, 1));
    work.write("q/.ticks.replay.json", r#"{"files":[{"name":"ticks.2.ndjson"}]}"#);
    let run = health(&work, &["--dlq", "q/ticks.ndjson", "--dlq-warn", "9"]).expect(WARNING);
    let line = complaint(&run, "dlq_claim");
    assert!(line.contains("2 rows") && line.contains("mdsctl replay-dlq q/ticks.ndjson"), "{run}");
    assert!(run.stdout.contains("dlq_rows=2;"), "{run}");
}

#[test]
fn several_queues_and_none() {
    let work = work();
    work.write("a/bars.ndjson", letters(1, 1));
    work.write("b/ticks.ndjson", letters(2, 1));
    let run = health(&work, &["--dlq", "a", "--dlq", "b/ticks.ndjson"]).expect(WARNING);
    assert!(complaint(&run, "dlq").contains("3 dead rows in 2 queues, most in b/ticks.ndjson"), "{run}");
    // Nothing has failed yet.
    health(&work, &["--dlq", "a/news.ndjson"]).expect(OK);
    // Nothing can fail there.
    let run = health(&work, &["--dlq", "c/news.ndjson"]).expect(UNKNOWN);
    assert!(complaint(&run, "dlq").contains("no directory c"), "{run}");
}
