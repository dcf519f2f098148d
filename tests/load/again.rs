//! Loading what is there already.

use crate::generator::fixtures;
use crate::generator::market::Dataset;
use crate::harness::on_every_store;
use crate::harness::run::fixture;
use crate::harness::truth::{assert_same, truth};

#[test]
fn a_second_load_changes_nothing_and_the_books_close_in_both() {
    for dataset in [Dataset::Bars, Dataset::Ticks, Dataset::Options, Dataset::Fundamentals, Dataset::News] {
        let name = fixtures::name(dataset);
        let plan = fixtures::small(dataset);
        let expected = truth(&plan);
        on_every_store(|work, store, workers, what| {
            let load = |extension: &str| {
                let path = fixture(&format!("{name}.{extension}"));
                let program =
                    work.mdsctl(["load", &path, "--json", "--workers", workers, "--dsn", &store.dsn()]);
                // Small, so that the second load meets rows of the first in other company.
                program.arguments(["--batch-size", "77"]).run().expect(0)
            };
            let first = load("csv");
            assert_eq!(first.books().inserted, plan.rows, "{name}, {what}: {first}");
            // From another format: what is equal is equal, however it was written.
            for extension in ["csv", "parquet", "ndjson"] {
                let second = load(extension);
                let books = second.books();
                assert_eq!(books.read, plan.rows, "{name}.{extension}, {what}: {second}");
                assert_eq!(books.unchanged, plan.rows, "{name}.{extension}, {what}: {second}");
            }
            assert_same(&store.stored(&plan), &expected, &format!("{name}, {what}"));
        });
    }
}

#[test]
fn a_changed_row_is_updated_and_the_others_are_not_rewritten() {
    on_every_store(|work, store, workers, what| {
        let header = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";
        let row = |minute: u32, close: &str| {
            format!("2024-03-04T14:{minute:02}:00Z,acme,AAPL,1m,10,11,9,{close},100\n")
        };
        let load = |rows: String| {
            let path = work.write("bars.csv", format!("{header}{rows}"));
            let program = work.mdsctl(["load", &path, "--json", "--workers", workers, "--dsn", &store.dsn()]);
            program.run().expect(0).books()
        };
        load((0..50).map(|m| row(m, "10")).collect());
        let stamps = "SELECT updated_at FROM bars WHERE close_price = 10 ORDER BY ts";
        let before = store.rows(stamps);
        let books = load((0..60).map(|m| row(m, if m == 7 { "10.75" } else { "10" })).collect());
        assert_eq!((books.inserted, books.updated, books.unchanged), (10, 1, 49), "{what}");
        let after = store.rows(stamps);
        assert_eq!(after[..7], before[..7], "{what}");
        let changed = store.rows("SELECT close_price FROM bars WHERE close_price <> 10");
        assert_eq!(changed, [[Some("10.75".to_string())]], "{what}");
    });
}
