//! Many symbols of one moment tell no timeframe: the load says so, and each row has one outcome.

use std::collections::BTreeSet;

use crate::harness::Work;
use crate::harness::store::on_both_stores;

const ROWS: usize = 21_000;
/// That of them which is of the symbol of the first, among those at which the patience ends.
const AGAIN: usize = 20_000;

/// One bar for each of many symbols, in that format, and a second for the first of them.
fn snapshot(format: &str) -> String {
    let row = |n: usize| {
        let (symbol, volume) = if n == AGAIN { (0, 2) } else { (n, 1) };
        match format {
            "csv" => format!("2024-01-02T10:00:00Z,v,S{symbol},1,1,1,1,{volume}\n"),
            _ => format!(
                "{{\"ts\":\"2024-01-02T10:00:00Z\",\"vendor\":\"v\",\"symbol\":\"S{symbol}\",\"open\":1,\"high\":1,\"low\":1,\"close\":1,\"volume\":{volume}}}\n"
            ),
        }
    };
    let header = if format == "csv" { "ts,vendor,symbol,open,high,low,close,volume\n" } else { "" };
    header.to_owned() + &(0..ROWS).map(row).collect::<String>()
}

#[test]
fn rows_that_wait_for_a_timeframe_in_vain_are_counted_and_kept_once() {
    on_both_stores(|work: &Work, store, what| {
        // One format each, for the time that it takes.
        let format = if what == "SQLite" { "csv" } else { "ndjson" };
        let (place, file, pipe) = (["--dsn", &store.dsn(), "--json", "--dlq"], "file.ndjson", "pipe.ndjson");
        let input = work.write(&format!("all.{format}"), snapshot(format));
        let run = work.mdsctl(["load", &input]).arguments(place).arguments([file]).run().expect(2);
        assert!(run.stderr.contains("add --timeframe"), "{what}: {run}");
        assert!(!run.stderr.contains("bug"), "{what}: {run}");
        assert_eq!((run.books().read, store.count("bars").unwrap_or(0)), (0, 0), "{what}: {run}");
        // From a pipe they are not had again.
        let program = work.mdsctl(["load", "-"]).arguments(place).arguments([pipe]);
        let run = program.stdin(snapshot(format)).run().expect(2);
        assert!(!run.stderr.contains("bug"), "{what}: {run}");
        let rows: Vec<u64> = work.dlq(pipe).iter().flat_map(|letter| letter.rows.clone()).collect();
        let (books, kept) = (run.books(), rows.len() as u64);
        assert_eq!((books.read, books.rejected), (kept, kept), "{what}: {run}");
        assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len(), "{what}: {run}");
        // As they came: the last row of a key stays.
        let replay = ["replay-dlq", pipe, "--set", "timeframe=1d", "--dsn", &store.dsn()];
        let run = work.mdsctl(replay).run().expect(0);
        let volumes = store.rows("SELECT volume FROM bars WHERE symbol = 'S0'").concat();
        assert_eq!(volumes, [Some("2".to_owned())], "{what}: {run}");
    });
}
