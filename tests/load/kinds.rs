//! What kind of data an input is: told by its columns, or refused by name.

use crate::harness::on_every_store;

/// What a file of another kind is called, its text, the flags it is loaded with, and what its refusal says.
const OTHERS: [(&str, &str, &[&str], &str); 6] = [
    (
        "tardis-book.csv",
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n\
         x,A,1704205800000000,1704205800000001,true,bid,1.5,0\n",
        &[],
        "order book (column \"is_snapshot\")",
    ),
    (
        "updates.csv",
        "ts,symbol,update_type,price,size\n2024-01-02T14:30:00Z,A,delete,1.5,0\n",
        &[],
        "order book",
    ),
    (
        "depth.ndjson",
        "{\"symbol\":\"A\",\"ts\":1704205800000,\"bids\":[[1,2]],\"asks\":[[2,3]]}\n{\"symbol\":\"A\",\"ts\":1704205801000,\"bids\":[],\"asks\":[]}\n",
        &[],
        "order book",
    ),
    (
        "companies.csv",
        "symbol,asof,sector\nA,2024-01-02,tech\n",
        &["--dataset", "fundamentals"],
        "need one of \"total_assets\"",
    ),
    (
        "contracts.csv",
        "symbol,ts,expiry,option_type,strike\nA,2024-01-02T14:30:00Z,2024-02-16,C,100\n",
        &[],
        "need one of \"iv\"",
    ),
    (
        "calendar.csv",
        "symbol,ts,timeframe\nA,2024-01-02T14:30:00Z,1d\n",
        &["--dataset", "bars"],
        "open_price",
    ),
];

#[test]
fn data_of_another_kind_is_refused_by_name() {
    on_every_store(|work, store, workers, what| {
        for (name, text, more, says) in OTHERS {
            let path = work.write(name, text);
            let flags = ["load", &path, "--vendor", "v", "--workers", workers, "--dsn", &store.dsn()];
            let run = work.mdsctl(flags).arguments(more.iter().copied()).run().expect(2);
            assert!(run.stderr.contains(says), "{what}, {name}: {run}");
        }
        for table in ["ticks", "bars", "fundamentals", "options_snap"] {
            assert_eq!(store.count(table).unwrap_or(0), 0, "{what}: {table}");
        }
    });
}

#[test]
fn a_price_and_a_size_are_a_trade_whatever_else_is_there() {
    on_every_store(|work, store, workers, what| {
        let path = work.write(
            "trades.csv",
            "ts,symbol,price,size,bid,ask,strike,expiry,title\n\
             2024-01-02T14:30:00Z,A,1.5,7,1.4,1.6,100,2024-02-16,x\n",
        );
        // Of options they are no trades of the underlying, unless somebody says so.
        let flags = ["load", &path, "--vendor", "v", "--workers", workers, "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(2);
        assert!(run.error().contains("column \"strike\" says that these are options"), "{what}: {run}");
        let path = work.write(
            "trades.csv",
            "ts,symbol,price,size,bid,ask,title\n2024-01-02T14:30:00Z,A,1.5,7,1.4,1.6,x\n",
        );
        let flags = ["load", &path, "--vendor", "v", "--workers", workers, "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(0);
        let stored = store.rows("SELECT symbol, price, size FROM ticks").concat();
        let stored: Vec<&str> = stored.iter().flatten().map(String::as_str).collect();
        assert_eq!(stored, ["A", "1.5", "7"], "{what}: {run}");
    });
}
