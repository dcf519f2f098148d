//! A dead-letter queue that is another file: it is refused at the start, and nothing is written to it.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{Store, Work, on_both_stores};

const ROWS: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n\
                    2024-03-04T14:30:00Z,v,AAPL,1m,1,1,1,1,1\n2024-03-04T14:31:00Z,v,AAPL,1m,1,1,1,x,1\n";

fn refused(work: &Work, store: &Store, inputs: &[&str], queue: &str) -> String {
    let before = fs::read(work.path(queue)).ok();
    let mut said = String::new();
    for piped in [false, true] {
        let flags = ["--dataset", "bars", "--json", "--dlq", queue, "--dsn", &store.dsn()];
        let run = match piped {
            false => work.mdsctl(["load"]).arguments(inputs.iter().copied()).arguments(flags).run(),
            true if before.is_some() && inputs.contains(&queue) => continue,
            true => work.mdsctl(["load", "-"]).arguments(flags).stdin(ROWS).run(),
        };
        let run = run.expect(2);
        assert!(run.error().contains(queue), "{run}");
        assert!(!run.stderr.contains("inserted"), "{run}");
        said = run.error().to_owned();
    }
    assert_eq!(fs::read(work.path(queue)).ok(), before, "{queue} is as it was");
    said
}

#[test]
fn a_queue_that_is_another_file_is_refused_and_left_as_it_is() {
    on_both_stores(|work, store, what| {
        work.write("in.csv", ROWS);
        work.write("other.csv", "a,b\n1,2\n");
        work.write("other.ndjson", "{\"ts\":1,\"close\":2.5}\n{\"ts\":2,\"close\":2.5}\n");
        work.write("list.json", "[{\"ts\":1}]");
        work.write("bytes.parquet", b"PAR1\x15\x04\x15\n\x00\x01PAR1");
        work.write("note.txt", "remember the milk\n");
        for queue in ["other.csv", "other.ndjson", "list.json", "bytes.parquet", "note.txt"] {
            let said = refused(work, store, &["in.csv"], queue);
            assert!(
                said.contains("no line is a dead letter") && said.contains("--dlq PATH"),
                "{what}: {said}"
            );
        }
        assert!(store.count("bars").is_none_or(|rows| rows == 0), "{what}");
    });
}

#[test]
fn a_queue_that_is_one_of_the_inputs_is_refused() {
    on_both_stores(|work, store, what| {
        work.write("in.csv", ROWS);
        work.write("more.csv", ROWS);
        symlink("in.csv", work.path("link.csv")).expect("a link");
        for queue in ["in.csv", "link.csv"] {
            let said = refused(work, store, &["more.csv", queue], queue);
            assert!(said.contains("is one of the inputs"), "{what}: {said}");
            let said = refused(work, store, &["more.csv", "in.csv"], queue);
            assert!(said.contains("is one of the inputs") || said.contains("dead letter"), "{what}: {said}");
        }
        // Its own dead letters, which a replay takes.
        work.mdsctl(["load", "in.csv", "--dataset", "bars", "--dsn", &store.dsn()]).run().expect(3);
        let letters = fs::read(work.path(".dlq/bars.ndjson")).expect("the queue");
        let flags = ["load", ".dlq/bars.ndjson", "--dataset", "bars", "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(2);
        assert!(run.error().contains("replay-dlq"), "{what}: {run}");
        assert_eq!(fs::read(work.path(".dlq/bars.ndjson")).expect("the queue"), letters, "{what}");
    });
}

#[test]
fn a_link_that_leads_nowhere_is_told_at_the_start() {
    on_both_stores(|work, store, what| {
        work.write("in.csv", ROWS);
        symlink("nowhere/queue.ndjson", work.path("dangling")).expect("a link");
        let said = refused(work, store, &["in.csv"], "dangling");
        assert!(said.contains("dangling cannot be written"), "{what}: {said}");
        assert!(!work.path("nowhere").exists(), "{what}");
        // One that leads to a place for a queue is written through.
        fs::create_dir(work.path("there")).expect("a folder");
        symlink("there/queue.ndjson", work.path("good")).expect("a link");
        let flags = ["load", "in.csv", "--dataset", "bars", "--dlq", "good", "--dsn", &store.dsn()];
        work.mdsctl(flags).run().expect(3);
        assert_eq!(work.dlq("there/queue.ndjson").len(), 1, "{what}");
    });
}
