//! JSON as it comes: documents of vendors, whose rows stand somewhere inside.

mod large;
mod lines;
mod pandas;
mod parts;
mod refused;
mod rows;
mod vendors;

use crate::harness::truth::Notation::{Instant, Number, Text};
use crate::harness::{Run, Store, Work, on_every_store};

/// All that is stored of bars, a line a row: time, symbol, timeframe, prices, volume, average price, trades.
fn bars(store: &Store) -> Vec<String> {
    let columns = [
        ("ts", Instant),
        ("symbol", Text),
        ("timeframe", Text),
        ("open_price", Number),
        ("high_price", Number),
        ("low_price", Number),
        ("close_price", Number),
        ("volume", Number),
        ("vwap", Number),
        ("trades", Number),
    ];
    store.table("bars", &columns).into_iter().map(|row| row.join(" ")).collect()
}

/// All that is stored of ticks: time, symbol, price, size, exchange.
fn ticks(store: &Store) -> Vec<String> {
    let columns =
        [("ts", Instant), ("symbol", Text), ("price", Number), ("size", Number), ("exchange", Text)];
    store.table("ticks", &columns).into_iter().map(|row| row.join(" ")).collect()
}

fn load(work: &Work, store: &Store, workers: &str, path: &str, flags: &[&str]) -> Run {
    let program = work.mdsctl(["load", path, "--vendor", "v", "--workers", workers, "--dsn", &store.dsn()]);
    program.arguments(flags.iter().copied()).run()
}

/// Loads a document from a file and from a pipe, into each store: what is said, and the bars that are stored.
fn loads(document: &str, flags: &[&str], says: &str, expected: &[&str]) {
    on_every_store(|work, store, workers, what| {
        let path = work.write("document.json", document);
        let run = load(work, store, workers, &path, flags).expect(0);
        assert!(run.stderr.contains(says), "{what}: {run}");
        assert_eq!(bars(store), expected, "{what}: {run}");
        store.rows("DELETE FROM bars");
        let pipe = work.mdsctl(["load", "-", "--vendor", "v", "--workers", workers, "--dsn", &store.dsn()]);
        let run = pipe.arguments(flags.iter().copied()).stdin(document).run().expect(0);
        assert_eq!(bars(store), expected, "{what}, from a pipe: {run}");
    });
}
