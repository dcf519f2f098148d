//! Rows that are rows of their own: trades with one id on two exchanges, an article that is about three
//! companies, quotes of one instant.

use crate::harness::existing::{TENANTS, existing, load as load_existing};
use crate::harness::{Postgres, Store, Work};

fn on_both(test: impl Fn(&Work, &Store)) {
    let work = Work::new();
    test(&work, &Store::sqlite(&work));
    let work = Work::new();
    test(&work, &Store::Postgres(Postgres::shared().database_with_schema()));
}

fn column(store: &Store, sql: &str) -> Vec<String> {
    store.rows(sql).iter().map(|row| row[0].clone().unwrap_or_else(|| "∅".into())).collect()
}

#[test]
fn two_trades_with_one_id_on_two_exchanges_are_two_rows() {
    let csv = "ts,symbol,trade_id,price,size,exchange\n\
        2024-01-02T14:30:00Z,AAPL,1,185.5,100,Q\n2024-01-02T14:30:00Z,AAPL,1,185.5,50,P\n\
        2024-01-02T14:30:00Z,AAPL,1,185.5,7,\n";
    let item = |size: u8, exchange: &str| {
        format!(
            "{{\"ts\":\"2024-01-02T14:30:00Z\",\"symbol\":\"AAPL\",\"trade_id\":1,\"price\":185.5,\"size\":{size}{exchange}}}\n"
        )
    };
    let ndjson =
        item(100, ",\"exchange\":\"Q\"") + &item(50, ",\"exchange\":\"P\"") + &item(7, ",\"exchange\":null");
    let absent = item(100, ",\"exchange\":\"Q\"") + &item(50, ",\"exchange\":\"P\"") + &item(7, "");
    on_both(|work, store| {
        let files = [("t.csv", csv), ("t.ndjson", ndjson.as_str()), ("u.ndjson", absent.as_str())];
        for (times, (name, text)) in files.into_iter().enumerate() {
            let file = work.write(name, text);
            let run = work
                .mdsctl(["load", &file, "--vendor", "v", "--json", "--dsn", &store.dsn()])
                .run()
                .expect(0);
            let books = run.books();
            assert_eq!(
                if times == 0 { books.inserted } else { books.unchanged },
                3,
                "{store}, {name}: {run}"
            );
        }
        let sizes = column(store, "SELECT exchange || ' ' || size FROM ticks ORDER BY exchange");
        assert_eq!(sizes, [" 7", "P 50", "Q 100"], "{store}");
    });
}

#[test]
fn a_file_without_an_exchange_goes_on_the_same_rows_again() {
    on_both(|work, store| {
        let file = work.write(
            "t.csv",
            "ts,symbol,price,size\n2024-01-02T14:30:00Z,AAPL,185.5,100\n\
            2024-01-02T14:30:00Z,AAPL,185.5,100\n",
        );
        let named = work.write(
            "u.csv",
            "ts,symbol,price,size,exchange\n2024-01-02T14:30:00Z,AAPL,185.5,100,\n\
            2024-01-02T14:30:00Z,AAPL,185.5,100,\n",
        );
        for (file, inserted) in [(&file, 2), (&file, 0), (&named, 0)] {
            let run = work
                .mdsctl(["load", file, "--vendor", "v", "--json", "--force", "--dsn", &store.dsn()])
                .run()
                .expect(0);
            assert_eq!((run.books().inserted, run.books().superseded), (inserted, 0), "{store}: {run}");
        }
        assert_eq!(column(store, "SELECT exchange FROM ticks"), ["", ""], "{store}");
    });
}

#[test]
fn trades_without_an_id_among_others_get_one() {
    on_both(|work, store| {
        let file = work.write(
            "t.csv",
            "ts,symbol,trade_id,price,size\n2024-01-02T14:30:00Z,AAPL,7,185.5,100\n\
            2024-01-02T14:30:00Z,AAPL,,185.5,100\n2024-01-02T14:30:00Z,AAPL,,185.5,100\n",
        );
        for inserted in [3, 0] {
            let run = work
                .mdsctl(["load", &file, "--vendor", "v", "--json", "--force", "--dsn", &store.dsn()])
                .run()
                .expect(0);
            assert_eq!(run.books().inserted, inserted, "{store}: {run}");
        }
    });
}

/// One article for three companies and one for none, told in each way that vendors have.
fn articles() -> Vec<(&'static str, String)> {
    let rows = |head: &str, told: &str| {
        let row = |symbol: &str| format!("2024-01-02T14:30:00Z,{symbol},Chips are up{told}\n");
        format!("published_at,symbol,title{head}\n{}{}{}{}", row("AAPL"), row("MSFT"), row("NVDA"), row(""))
    };
    vec![
        ("title", rows("", "")),
        ("url", rows(",url", ",https://news.example/1")),
        ("id", rows(",id", ",8ec638777ca03b553ae516761c2a22ba2fdd2f37befae3ab6fdab74e9e5193eb")),
        ("uuid", rows(",id", ",0d2f1f4c-6d5b-4c1e-9f3a-0123456789ab")),
    ]
}

#[test]
fn an_article_for_three_tickers_is_three_rows() {
    for (told, text) in articles() {
        on_both(|work, store| {
            let file = work.write("n.csv", &text);
            for inserted in [4, 0] {
                let run = work
                    .mdsctl(["load", &file, "--vendor", "v", "--json", "--force", "--dsn", &store.dsn()])
                    .run()
                    .expect(0);
                assert_eq!(
                    (run.books().inserted, run.books().updated),
                    (inserted, 0),
                    "{store}, {told}: {run}"
                );
            }
            let symbols = column(store, "SELECT symbol FROM news ORDER BY symbol");
            assert_eq!(symbols, ["", "AAPL", "MSFT", "NVDA"], "{store}, {told}");
            // Another vendor's is another row.
            let run = work
                .mdsctl(["load", &file, "--vendor", "w", "--json", "--force", "--dsn", &store.dsn()])
                .run()
                .expect(0);
            assert_eq!(run.books().inserted, 4, "{store}, {told}: {run}");
        });
    }
}

#[test]
fn an_article_for_three_tickers_is_three_rows_in_the_python_systems_table() {
    for (told, text) in articles() {
        let (work, db) = (Work::new(), existing());
        let file = work.write("n.csv", &text);
        for inserted in [4, 0] {
            let run =
                load_existing(&work, &db, TENANTS[0].0, &[&file, "--vendor", "v", "--force"]).run().expect(0);
            assert_eq!((run.books().inserted, run.books().updated), (inserted, 0), "{told}: {run}");
        }
        let symbols = column(&Store::Postgres(db.clone()), "SELECT symbol FROM news ORDER BY symbol");
        assert_eq!(symbols, ["AAPL", "MSFT", "NVDA", "∅"], "{told}");
        if told == "uuid" {
            let own = "SELECT symbol FROM news WHERE id = '0d2f1f4c-6d5b-4c1e-9f3a-0123456789ab'";
            assert_eq!(db.value(own), "AAPL", "the first keeps the vendor's id");
        }
    }
}

#[test]
fn quotes_of_vendors_are_found_and_kept() {
    let tardis = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n\
        binance,BTCUSDT,1704205800000000,1704205800000100,2.5,42001.5,42001,0.001\n\
        binance,BTCUSDT,1704205800000000,1704205800000100,2.5,42001.5,42001,0.001\n\
        binance,BTCUSDT,1704205801000000,1704205801000100,,,42001,0.002\n\
        kraken,BTCUSDT,1704205800000000,1704205800000100,2.5,42001.5,42001,0.001\n";
    let polygon = "ticker,ask_exchange,ask_price,ask_size,bid_exchange,bid_price,bid_size,conditions,indicators,\
        participant_timestamp,sequence_number,sip_timestamp,tape,trf_timestamp\n\
        AAPL,12,185.5,2,11,185.25,1,\"1,81\",,1704205800000000001,100,1704205800000000002,3,0\n\
        AAPL,12,0,0,11,185.25,1,,,1704205800000000001,101,1704205800000000002,3,0\n";
    on_both(|work, store| {
        for (name, text, rows) in [("tardis.csv", tardis, 4), ("polygon.csv", polygon, 2)] {
            let file = work.write(name, text);
            for inserted in [rows, 0] {
                let run = work
                    .mdsctl(["load", &file, "--vendor", "v", "--json", "--force", "--dsn", &store.dsn()])
                    .run()
                    .expect(0);
                assert_eq!(run.json()["dataset"], "quotes", "{run}");
                assert_eq!(run.books().inserted, inserted, "{store}, {name}: {run}");
                assert!(!run.stderr.contains("ask is below bid"), "zero is no price: {run}");
            }
        }
        let polygon = store.rows(
            "SELECT sequence, ts_ns, ask, ask_size, bid, bid_size, conditions, ask_exchange, bid_exchange, exchange
             FROM quotes WHERE symbol = 'AAPL' ORDER BY sequence",
        );
        let text = |row: &Vec<Option<String>>| {
            row.iter().map(|c| c.clone().unwrap_or_else(|| "∅".into())).collect::<Vec<_>>().join("|")
        };
        assert_eq!(
            polygon.iter().map(text).collect::<Vec<_>>(),
            ["100|2|185.5|2|185.25|1|1,81|12|11|", "101|2|0|0|185.25|1|∅|12|11|"],
            "{store}"
        );
        let crypto = store.rows(
            "SELECT exchange, count(*), count(ask), count(DISTINCT sequence) FROM quotes WHERE symbol = 'BTCUSDT'
             GROUP BY exchange ORDER BY exchange",
        );
        assert_eq!(crypto.iter().map(text).collect::<Vec<_>>(), ["binance|3|2|3", "kraken|1|1|1"], "{store}");
    });
}

#[test]
fn quotes_by_other_vendors_names_are_found() {
    let inputs = [
        ("dukascopy.csv", "Gmt time,Ask,Bid,AskVolume,BidVolume\n13.01.2024 00:00:00.123,1.5,1.25,2,3\n"),
        (
            "book-ticker.csv",
            "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n\
             1,1.25,3,1.5,2,1705104000123,1705104000124\n",
        ),
        ("ib.csv", "time,bidPrice,askPrice,bidSize,askSize\n2024-01-13 00:00:00.123,1.25,1.5,3,2\n"),
        (
            "alpaca.ndjson",
            "{\"t\":\"2024-01-13T00:00:00.123Z\",\"ap\":1.5,\"as\":2,\"bp\":1.25,\"bs\":3,\"ax\":\"Q\",\"bx\":\"P\"}\n",
        ),
    ];
    for (name, text) in inputs {
        let work = Work::new();
        let store = Store::sqlite(&work);
        let file = work.write(name, text);
        let flags = ["--vendor", "v", "--symbol", "X", "--dsn"];
        work.mdsctl(["load", &file]).arguments(flags).arguments([&store.dsn()]).run().expect(0);
        let stored = column(
            &store,
            "SELECT ts || ' ' || bid || ' ' || bid_size || ' ' || ask || ' ' || ask_size FROM quotes",
        );
        assert_eq!(stored, ["2024-01-13 00:00:00.123 1.25 3 1.5 2"], "{name}");
    }
}

#[test]
fn crossed_quotes_are_told_and_stored() {
    on_both(|work, store| {
        let file = work.write(
            "q.csv",
            "ts,symbol,bid,ask\n2024-01-02T14:30:00Z,A,2,1\n2024-01-02T14:30:01Z,A,1,0\n\
            2024-01-02T14:30:02Z,A,0,1\n",
        );
        let run = work.mdsctl(["load", &file, "--vendor", "v", "--dsn", &store.dsn()]).run().expect(0);
        assert!(run.stderr.contains("ask is below bid in 1 row"), "{run}");
        assert_eq!(store.count("quotes"), Some(3), "{run}");
    });
}

/// What a replay of refused rows leaves is what loading the mended file would have.
#[test]
fn replayed_rows_get_the_ids_of_a_plain_load() {
    let cases = [
        (
            "ticks",
            "ts,symbol,trade_id,price,size,exchange\n",
            vec![
                "2024-01-02T14:30:00Z,AAPL,,PRICE,100,Q",
                "2024-01-02T14:30:00Z,AAPL,,PRICE,100,Q",
                "2024-01-02T14:30:00Z,AAPL,,185.5,100,",
                "2024-01-02T14:30:00Z,AAPL,5,PRICE,100,",
            ],
            "price",
            "SELECT ts, symbol, trade_id, exchange, price, size FROM ticks ORDER BY 1, 2, 3, 4",
        ),
        (
            "quotes",
            "ts,symbol,bid,ask,bid_size\n",
            vec![
                "2024-01-02T14:30:00Z,AAPL,PRICE,2,1",
                "2024-01-02T14:30:00Z,AAPL,PRICE,2,1",
                "2024-01-02T14:30:00Z,AAPL,185.5,2,1",
            ],
            "bid",
            "SELECT ts, symbol, sequence, exchange, bid, ask FROM quotes ORDER BY 1, 2, 3",
        ),
        (
            "news",
            "published_at,symbol,title,url,id,sentiment_score\n",
            vec![
                "2024-01-02T14:30:00Z,AAPL,Up,https://news.example/1,,PRICE",
                "2024-01-02T14:30:00Z,MSFT,Up,https://news.example/1,,PRICE",
                "2024-01-02T14:30:00Z,NVDA,Up,https://news.example/1,abc,PRICE",
                "2024-01-02T14:30:00Z,,Up,https://news.example/1,abc,0.5",
            ],
            "sentiment_score",
            "SELECT published_at, symbol, id, title, url, sentiment_score FROM news ORDER BY 1, 2, 3",
        ),
    ];
    for (dataset, header, rows, column, sql) in cases {
        on_both(|work, store| {
            let file = |name: &str, price: &str| {
                work.write(name, format!("{header}{}\n", rows.join("\n").replace("PRICE", price)))
            };
            let flags = ["--dataset", dataset, "--vendor", "v", "--dsn"];
            let bad = file("bad.csv", "many");
            work.mdsctl(["load", &bad]).arguments(flags).arguments([&store.dsn()]).run().expect(3);
            let set = format!("{column}=0.25");
            let replay = work.mdsctl(["replay-dlq", "--set", &set, "--dsn", &store.dsn()]).run().expect(0);
            let replayed = store.rows(sql);

            let other = Work::new();
            let plain = Store::sqlite(&other);
            let good =
                other.write("good.csv", format!("{header}{}\n", rows.join("\n").replace("PRICE", "0.25")));
            other.mdsctl(["load", &good]).arguments(flags).arguments([&plain.dsn()]).run().expect(0);
            let ids = |rows: &[Vec<Option<String>>]| {
                rows.iter().map(|row| (row[1].clone(), row[2].clone(), row[3].clone())).collect::<Vec<_>>()
            };
            assert_eq!(replayed.len(), rows.len(), "{store}, {dataset}: {replay}");
            assert_eq!(ids(&replayed), ids(&plain.rows(sql)), "{store}, {dataset}: {replay}");
        });
    }
}
