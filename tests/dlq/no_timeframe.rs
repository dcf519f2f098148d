//! Many symbols of one moment tell no timeframe: the load says so, and each row has one outcome.

use std::collections::BTreeSet;

use crate::harness::Work;
use crate::harness::store::on_both_stores;

const ROWS: usize = 25_000;

/// One bar for each of many symbols, in that format.
fn snapshot(format: &str) -> String {
    let row = |n| match format {
        "csv" => format!("2024-01-02T10:00:00Z,v,S{n},1,1,1,1,1\n"),
        _ => format!(
            "{{\"ts\":\"2024-01-02T10:00:00Z\",\"vendor\":\"v\",\"symbol\":\"S{n}\",\"open\":1,\"high\":1,\"low\":1,\"close\":1,\"volume\":1}}\n"
        ),
    };
    let header = if format == "csv" { "ts,vendor,symbol,open,high,low,close,volume\n" } else { "" };
    header.to_owned() + &(0..ROWS).map(row).collect::<String>()
}

#[test]
fn rows_that_wait_for_a_timeframe_in_vain_are_counted_and_kept_once() {
    on_both_stores(|work: &Work, store, what| {
        for format in ["csv", "ndjson"] {
            let input = work.write(&format!("all.{format}"), snapshot(format));
            let place = ["--dsn", &store.dsn(), "--json", "--dlq"];
            let file = format!("file-{format}.ndjson");
            let run = work.mdsctl(["load", &input]).arguments(place).arguments([&file]).run().expect(2);
            assert!(run.stderr.contains("add --timeframe"), "{what}, {format}: {run}");
            assert!(!run.stderr.contains("bug"), "{what}, {format}: {run}");
            assert_eq!(
                (run.books().read, store.count("bars").unwrap_or(0)),
                (0, 0),
                "{what}, {format}: {run}"
            );
            // From a pipe they are not had again.
            let pipe = format!("pipe-{format}.ndjson");
            let program = work.mdsctl(["load", "-"]).arguments(place).arguments([&pipe]);
            let run = program.stdin(snapshot(format)).run().expect(2);
            assert!(!run.stderr.contains("bug"), "{what}, {format}: {run}");
            let rows: Vec<u64> = work.dlq(&pipe).iter().flat_map(|letter| letter.rows.clone()).collect();
            let books = run.books();
            assert_eq!(
                (books.read, books.rejected),
                (rows.len() as u64, rows.len() as u64),
                "{what}, {format}: {run}"
            );
            assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len(), "{what}, {format}: {run}");
            // The advice.
            let run = work
                .mdsctl(["load", &input, "--timeframe", "1d"])
                .arguments(place)
                .arguments([&file])
                .run()
                .expect(0);
            assert_eq!(store.count("bars"), Some(ROWS as u64), "{what}, {format}: {run}");
            store.rows("DELETE FROM bars");
        }
    });
}
