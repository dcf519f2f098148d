//! Lines that are no rows, in files that grow: the same as in files that are there.

use super::append;
use crate::harness::{Run, Store, Work, on_every_store};

fn tail(work: &Work, store: &Store, more: &[&str]) -> Run {
    let dsn = store.dsn();
    let flags =
        ["tail", "in.csv", "--vendor", "v", "--timeframe", "1d", "--idle-exit", "300ms", "--dsn", &dsn];
    work.mdsctl(flags).arguments(more.iter().copied()).run()
}

#[test]
fn a_header_with_a_hash_is_known_again() {
    on_every_store(|work, store, _, what| {
        append(work, "in.csv", "# dump\n#RIC,date,open,high,low,close,volume\nA,2024-01-02,1,1,1,1,5\n");
        let run = tail(work, store, &[]).expect(0);
        assert!(run.stderr.contains("1 comment line passed over"), "{what}: {run}");
        append(
            work,
            "in.csv",
            "#B,2024-01-02,1,1,1,1,5\n\n#RIC,date,open,high,low,close,volume\nC,2024-01-02,1,1,1,1,5\n",
        );
        let run = tail(work, store, &[]).expect(0);
        assert!(run.stderr.contains("1 repeated header line passed over"), "{what}: {run}");
        assert_eq!(store.count("bars"), Some(3), "{what}: {run}");
    });
}

#[test]
fn lines_are_skipped_at_the_start_of_a_file_and_nowhere_else() {
    on_every_store(|work, store, _, what| {
        let maps = ["symbol=1", "ts=2", "open_price=3", "high_price=4", "low_price=5", "close_price=6"];
        let maps = maps.iter().flat_map(|map| ["--map", map]);
        let flags: Vec<&str> = maps.chain(["--no-header", "--skip-lines", "2"]).collect();
        append(work, "in.csv", "made by\nnobody\nA,2024-01-02,1,1,1,1\n");
        tail(work, store, &flags).expect(0);
        append(work, "in.csv", "#B,2024-01-02,1,1,1,1\nC,2024-01-02,1,1,1,1\nD,2024-01-02,1,1,1,1\n");
        let run = tail(work, store, &flags).expect(0);
        assert_eq!(store.count("bars"), Some(4), "{what}: {run}");
    });
}

#[test]
fn a_file_without_a_header_is_refused() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    append(&work, "in.csv", "1704153600000,34,36,33,35,5\n1704240000000,35,37,34,36,6\n");
    for flags in [vec!["--symbol", "X"], vec!["--symbol", "X", "--dataset", "bars"]] {
        let run = tail(&work, &store, &flags).expect(2);
        assert!(run.error().contains("--no-header"), "{run}");
        assert!(store.count("bars").is_none_or(|rows| rows == 0), "{run}");
    }
}
