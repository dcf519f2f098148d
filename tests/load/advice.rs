//! Advice that is followed word by word, and loads the file as it was meant.

use crate::harness::{Run, Store, Work, on_both_stores};

fn load(work: &Work, store: &Store, path: &str, more: &[&str]) -> Run {
    let dsn = store.dsn();
    let flags = ["load", path, "--vendor", "v", "--dsn", &dsn];
    work.mdsctl(flags).arguments(more.iter().copied()).run()
}

/// The flags of the command that is to be pasted, behind those that were given already.
fn advised(run: &Run, store: &Store) -> Vec<String> {
    let (_, flags) = run
        .error()
        .rsplit_once(&store.dsn())
        .or_else(|| run.error().rsplit_once(" add "))
        .unwrap_or_else(|| panic!("no advice: {run}"));
    let flags = flags.split(" if ").next().unwrap_or_default();
    flags.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn three_lines_of_names_that_yfinance_writes_are_known() {
    let one = "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n\
               2024-01-02,10.5,11,9,10,100\n2024-01-03,10.6,11,9,10,100\n";
    let two = "Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume\n\
               Ticker,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT\nDate,,,,,,,,,,\n\
               2024-01-02,10.5,370,11,380,9,360,10,365,100,200\n2024-01-03,10.6,371,11,380,9,360,10,365,100,200\n";
    on_both_stores(|work, store, what| {
        for (name, text, several) in [("one.csv", one, false), ("two.csv", two, true)] {
            let path = work.write(name, text);
            let run = load(work, store, &path, &["--layout", "none"]).expect(2);
            assert!(run.error().contains("three lines, as yfinance writes them"), "{what}: {run}");
            assert_eq!(run.error().contains("several tickers side by side"), several, "{what}: {run}");
            let flags = advised(&run, store);
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let run = load(work, store, &path, &flags).expect(0);
            let sql =
                "SELECT symbol, open_price, high_price, low_price, close_price, volume FROM bars ORDER BY ts";
            let rows = store.try_rows(sql).unwrap();
            let rows: Vec<String> =
                rows.iter().map(|row| row.iter().flatten().cloned().collect::<Vec<_>>().join(" ")).collect();
            assert_eq!(rows, ["AAPL 10 11 9 10.5 100", "AAPL 10 11 9 10.6 100"], "{what}: {name}: {run}");
            store.rows("DELETE FROM bars");
        }
    });
}

#[test]
fn an_order_book_goes_into_a_table_of_its_own_as_advised() {
    let text = "symbol,timestamp,is_snapshot,side,price,amount\nBTC,1704187800000000,true,bid,10,0\n";
    on_both_stores(|work, store, what| {
        let path = work.write("book.csv", text);
        let run = load(work, store, &path, &[]).expect(2);
        assert!(run.error().contains("--table TABLE"), "{what}: {run}");
        let flag = if what == "SQLite" { "text" } else { "boolean" };
        if let Store::Sqlite(path) = store {
            std::fs::write(path, "").expect("a database");
        }
        store.rows(&format!(
            "CREATE TABLE book (symbol text, timestamp timestamp, is_snapshot {flag}, side text, price numeric, amount numeric, vendor text)"
        ));
        let run = load(work, store, &path, &["--table", "book"]).expect(0);
        let rows = store.rows("SELECT symbol, side, price, amount, vendor FROM book");
        let row: Vec<&str> = rows[0].iter().flatten().map(String::as_str).collect();
        assert_eq!(row, ["BTC", "bid", "10", "0", "v"], "{what}: {run}");
    });
}

#[test]
fn a_measure_by_another_name_is_mapped_as_advised() {
    let text = "symbol,asof,assets_in_total\nA,2024-01-02,5\n";
    on_both_stores(|work, store, what| {
        let path = work.write("fund.csv", text);
        let run = load(work, store, &path, &["--dataset", "fundamentals"]).expect(2);
        assert!(run.error().contains("--map total_assets=COLUMN"), "{what}: {run}");
        let flags = ["--dataset", "fundamentals", "--map", "total_assets=assets_in_total"];
        let run = load(work, store, &path, &flags).expect(0);
        assert_eq!(
            store.rows("SELECT total_assets FROM fundamentals")[0][0].as_deref(),
            Some("5"),
            "{what}: {run}"
        );
    });
}
