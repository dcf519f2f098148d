//! `--overflow error` while the dead letters have no room: the file still has every row that got nowhere.

use super::writer::Full;
use crate::harness::{Postgres, Store, Work};

/// More rows than are read at once, which wait for the second moment that tells their timeframe.
const SYMBOLS: usize = 18_000;

#[test]
fn rows_behind_a_full_queue_are_counted_when_their_letters_have_no_room() {
    for postgres in [true, false] {
        let Some(full) = Full::mount() else { return };
        let work = Work::new();
        let store = match postgres {
            true => Store::Postgres(Postgres::shared().database_with_schema()),
            false => Store::sqlite(&work),
        };
        let rows = |minute: u32, symbols: usize| -> String {
            (0..symbols).map(|n| format!("2024-01-02T10:{minute:02}:00Z,v,S{n},1,1,1,1,1\n")).collect()
        };
        let header = "ts,vendor,symbol,open,high,low,close,volume\n".to_owned();
        let input = work.write("bars.csv", header + &rows(0, SYMBOLS) + &rows(1, 10));
        let dsn = store.dsn();
        // Rows may not be written again, so that the dead letters are not done without.
        let flags = ["load", &input, "--json", "--dsn", &dsn, "--on-conflict", "error", "--max-outage", "1s"];
        let queue = ["--overflow", "error", "--capacity", "1000", "--workers", "1", "--dlq"];
        let program = work.mdsctl(flags).arguments(queue).arguments([full.path("d.ndjson").into_os_string()]);
        let run = program.run().expect(5);
        assert!(!run.stderr.contains("bug"), "PostgreSQL: {postgres}: {run}");
        let books = run.books();
        assert_eq!((books.read, books.rejected + books.dropped), (books.inserted, 0), "{run}");
        assert_eq!(store.count("bars"), Some(books.inserted), "{run}");
        assert!(run.stderr.contains("their files still have them"), "{run}");
    }
}
