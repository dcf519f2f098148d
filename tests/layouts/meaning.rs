//! What files say in their own way: words for values, contracts, zones, rows of another kind, answers without data.

use super::stored;
use crate::harness::Work;
use crate::harness::store::{Store, on_both_stores};

/// Rows of a file that holds several kinds are told and counted where they are left out, and loaded by the other layout.
#[test]
fn trades_and_quotes_of_one_file_go_to_their_datasets() {
    on_both_stores(|work, store, which| {
        work.write(
            "both.csv",
            "#RIC,Domain,Date-Time,GMT Offset,Type,Price,Volume,Bid Price,Bid Size,Ask Price,Ask Size\n\
             A.PA,Market Price,2016-09-29T07:00:11.5Z,+2,Trade,23.25,63,,,,\n\
             A.PA,Market Price,2016-09-29T07:00:11.6Z,+2,Quote,,,23.24,1200,23.26,310\n\
             A.PA,Market Price,2016-09-29T07:00:11.7Z,+2,Auction,23.3,5,,,,\n",
        );
        let dsn = store.dsn();
        let run = work.mdsctl(["load", "both.csv", "--json", "--dsn", &dsn]).run().expect(0);
        let notes = run.json()["notes"].to_string();
        for said in [
            "1 row left out: Type is Trade, and Quote is read",
            "1 row left out: Type is Auction, and Quote is read",
        ] {
            assert!(notes.contains(said), "{which}: {run}");
        }
        let arguments = ["load", "both.csv", "--layout", "lseg-trades", "--dsn", &dsn];
        work.mdsctl(arguments).run().expect(0);
        let text = stored(store);
        assert!(text.contains("quotes ts=2016-09-29T07:00:11.600000Z"), "{which}: {text}");
        assert!(text.contains("ticks ts=2016-09-29T07:00:11.500000Z"), "{which}: {text}");
        assert_eq!(text.lines().count(), 2, "{which}: {text}");
    });
}

/// Bars of a mark price have the key of the bars of trades: they take no vendor for granted.
#[test]
fn bars_of_a_mark_price_do_not_take_the_place_of_bars_of_trades() {
    on_both_stores(|work, store, which| {
        let mark = "1709251200000,61130.1,61147.6,61109.2,61121.45,0,1709251259999,0,60,0,0,0\n";
        work.write("BTCUSDT-1m-2024-03-01.csv", mark);
        let dsn = store.dsn();
        let run = work.mdsctl(["load", "BTCUSDT-1m-2024-03-01.csv", "--dsn", &dsn]).run().expect(2);
        assert!(run.error().contains("mark, index or premium price"), "{which}: {run}");
        assert!(run.error().contains("--vendor binance-mark"), "{which}: {run}");
        // A minute in which nobody traded has no trades either.
        let quiet = "1709251260000,61121,61121,61121,61121,0,1709251319999,0,0,0,0,0\n";
        work.write("ETHUSDT-1m-2024-03-01.csv", quiet);
        work.mdsctl(["load", "ETHUSDT-1m-2024-03-01.csv", "--dsn", &dsn]).run().expect(0);
        assert_eq!(stored(store).matches("vendor=binance ").count(), 1, "{which}");
    });
}

/// A name and columns that others have too are no sign of a vendor.
#[test]
fn names_that_anybody_gives_are_no_layout() {
    let work = Work::new();
    let rows = "timestamp,open,high,low,close,volume\n2024-07-03,176.0800,177.2100,175.4100,175.7300,2209780\n\
                2024-07-05,175.9000,176.5000,174.8200,176.0200,2223447\n";
    let plain = "timestamp,open,high,low,close,volume\n2024-07-05,175.9,176.5,174.82,176.02,2223447\n\
                 2024-07-03,176.08,177.21,175.41,175.73,2209780\n";
    let other = "time,open,high,low,close\n1704067200,1,2,0.5,1.5\n1704153600,1,2,0.5,1.5\n";
    for (name, text) in [
        ("daily_IBM.csv", rows),
        ("daily_MSFT.csv", plain),
        ("monthly_X.csv", plain),
        ("my_AAPL, copy.csv", other),
    ] {
        work.write(name, text);
        let run = work.mdsctl(["load", name, "--vendor", "v", "--symbol", "A", "--json", "--dry-run"]).run();
        assert!(!run.json()["deductions"].to_string().contains("layout is"), "{name}: {run}");
    }
}

/// A contract says root, expiry, type and strike where no column does.
#[test]
fn contracts_say_what_no_column_does() {
    on_both_stores(|work, store, which| {
        work.write(
            "c.csv",
            "timestamp,contract,bid,ask\n2024-01-02T15:00:00Z,O:AAPL240119C00150000,35.1,35.4\n\
             2024-01-02T15:00:00Z,SPXW  250221P05999500,1,1.1\n2024-01-02T15:00:00Z,nonsense,1,1.1\n\
             2024-01-02T15:00:00Z,BAD   250231P05999500,1,1.1\n",
        );
        let dsn = store.dsn();
        let arguments =
            ["load", "c.csv", "--dataset", "options", "--vendor", "v", "--json", "--dlq", "d", "--dsn", &dsn];
        let run = work.mdsctl(arguments).run().expect(3);
        let said = run.json()["deductions"].to_string();
        assert!(
            said.contains("symbol, expiry, option_type and strike are read from the contracts in contract"),
            "{which}: {run}"
        );
        let letters = work.dlq("d");
        assert!(
            letters.iter().all(|letter| letter.column.as_deref() == Some("expiry")),
            "{which}: {letters:?}"
        );
        assert_eq!(run.json()["dlq"]["rows"], 2, "{which}: {run}");
        std::fs::remove_file(work.path("d")).expect("dead letters");
        let at = "options_snap ts=2024-01-02T15:00:00.000000Z vendor=v";
        assert_eq!(
            stored(store),
            format!(
                "{at} symbol=AAPL expiry=2024-01-19 option_type=C strike=150 bid=35.1 ask=35.4\n\
                 {at} symbol=SPXW expiry=2025-02-21 option_type=P strike=5999.5 bid=1 ask=1.1\n"
            ),
            "{which}"
        );
    });
}

/// A daily bar is stored under the day of its exchange, whoever says that it is daily; bars within the day beside it are
/// stored under their time.
#[test]
fn days_of_a_zone_are_days_however_the_timeframe_is_told() {
    on_both_stores(|work, store, which| {
        let dsn = store.dsn();
        work.write(
            "column.csv",
            "ts,symbol,interval,open,high,low,close\n2024-03-30 00:00:00,A,1d,1,2,0.5,1.5\n\
             2024-03-30 09:00:00,A,1h,1,2,0.5,1.5\n2024-03-31 00:00:00,A,1d,1,2,0.5,1.5\n\
             2024-03-31 10:00:00,A,1h,1,2,0.5,x\n2024-04-01 00:00:00,A,1d,1,2,0.5,x\n",
        );
        work.write(
            "spacing.csv",
            "ts,symbol,open,high,low,close\n2024-03-30 00:00:00,B,1,2,0.5,1.5\n2024-03-31 00:00:00,B,1,2,0.5,1.5\n\
             2024-04-01 00:00:00,B,1,2,0.5,x\n",
        );
        for (name, code) in [("column.csv", 3), ("spacing.csv", 3)] {
            let arguments = ["load", name, "--vendor", "v", "--timezone", "Asia/Tokyo", "--dsn", &dsn];
            work.mdsctl(arguments).run().expect(code);
        }
        work.mdsctl(["replay-dlq", "--set", "close_price=1.5", "--dsn", &dsn]).run().expect(0);
        let bar = |ts: &str, symbol: &str, timeframe: &str| {
            format!(
                "bars ts={ts}.000000Z vendor=v symbol={symbol} timeframe={timeframe} open_price=1 high_price=2 \
                 low_price=0.5 close_price=1.5\n"
            )
        };
        let mut expected = [
            bar("2024-03-30T00:00:00", "A", "1d"),
            bar("2024-03-30T00:00:00", "A", "1h"),
            bar("2024-03-31T00:00:00", "A", "1d"),
            bar("2024-03-31T01:00:00", "A", "1h"),
            bar("2024-04-01T00:00:00", "A", "1d"),
            bar("2024-03-30T00:00:00", "B", "1d"),
            bar("2024-03-31T00:00:00", "B", "1d"),
            bar("2024-04-01T00:00:00", "B", "1d"),
        ];
        expected.sort();
        assert_eq!(stored(store), expected.concat(), "{which}");
    });
}

/// Positive, neutral and negative are numbers, and that is told.
#[test]
fn words_for_a_sentiment_are_numbers() {
    on_both_stores(|work, store, which| {
        work.write(
            "n.csv",
            "date,headline,sentiment\n2024-01-02,a,positive\n2024-01-03,b,Neutral\n2024-01-04,c,negative\n\
             2024-01-05,d,0.25\n2024-01-06,e,mixed\n",
        );
        let dsn = store.dsn();
        let run = work
            .mdsctl(["load", "n.csv", "--vendor", "v", "--json", "--dlq", "d", "--dsn", &dsn])
            .run()
            .expect(3);
        let said = run.json()["deductions"].to_string();
        assert!(said.contains("positive as 1, neutral as 0, negative as -1"), "{which}: {run}");
        assert_eq!(work.dlq("d").len(), 1, "{which}");
        std::fs::remove_file(work.path("d")).expect("dead letters");
        let text = stored(store);
        for row in [
            "title=a sentiment_score=1",
            "title=b sentiment_score=0",
            "title=c sentiment_score=-1",
            "title=d sentiment_score=0.25",
        ] {
            assert!(text.contains(row), "{which}: {row} in {text}");
        }
    });
}

/// An answer that holds no data is refused in the vendor's own words, whether it is a file or a pipe.
#[test]
fn an_answer_that_went_wrong_is_quoted() {
    let work = Work::new();
    for (document, said) in [
        (
            r#"{"retCode":10001,"retMsg":"params error: Symbol Is Invalid","result":{},"time":1672297222}"#,
            "params error: Symbol Is Invalid",
        ),
        (
            r#"{"code":"51001","msg":"Instrument ID does not exist","data":[]}"#,
            "Instrument ID does not exist",
        ),
        (r#"{"code":-1121,"msg":"Invalid symbol."}"#, "Invalid symbol."),
        (r#"{"error":["EQuery:Unknown asset pair"]}"#, "EQuery:Unknown asset pair"),
        (
            r#"{"Note":"Thank you for using Alpha Vantage! Our standard API call frequency is 5 calls per minute"}"#,
            "Thank you for using Alpha Vantage!",
        ),
        (r#"{"Information":"The **demo** API key is for demo purposes only."}"#, "demo purposes only"),
        (r#"{"Error Message":"Invalid API call."}"#, "Invalid API call."),
        (
            r#"{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found, symbol may be delisted"}}}"#,
            "No data found, symbol may be delisted",
        ),
        (
            r#"{"status":"ERROR","request_id":"6a7e466379af0a71039d60cc78e72282","error":"Unknown API Key"}"#,
            "Unknown API Key",
        ),
        (
            r#"{"status":"NOT_AUTHORIZED","request_id":"x","message":"You are not entitled to this data."}"#,
            "You are not entitled to this data.",
        ),
        (r#"{"message":"forbidden."}"#, "forbidden."),
        ("{\"error\":\"two\\nlines\\u001b[31m\"}", "two\\nlines\\u{1b}[31m"),
    ] {
        work.write("answer.json", document);
        let arguments = [
            "load",
            "answer.json",
            "--dataset",
            "bars",
            "--vendor",
            "v",
            "--symbol",
            "A",
            "--timeframe",
            "1d",
        ];
        let run = work.mdsctl(arguments).run();
        assert_ne!(run.code, 0, "{document}: {run}");
        assert!(
            run.error().contains(said) && run.error().contains("an answer of an API"),
            "{document}: {run}"
        );
        let piped = ["load", "-", "--dataset", "bars", "--vendor", "v", "--symbol", "A", "--timeframe", "1d"];
        let run = work.mdsctl(piped).stdin(document).run();
        assert!(run.code != 0 && run.error().contains(said), "{document}: {run}");
    }
    // A line among rows is a row, and one at fault.
    work.write(
        "rows.ndjson",
        "{\"error\":\"x\"}\n{\"t\":1704153600000,\"o\":1,\"h\":2,\"l\":0.5,\"c\":1.5}\n",
    );
    let arguments = ["load", "rows.ndjson", "--vendor", "v", "--symbol", "A", "--timeframe", "1d", "--json"];
    let run = work.mdsctl(arguments).run().expect(3);
    assert_eq!(run.json()["rows"]["inserted"], 1, "{run}");
}

/// Layouts whose rows are made of others cannot be followed.
#[test]
fn a_tail_refuses_what_it_cannot_follow() {
    let work = Work::new();
    work.write(
        "both.csv",
        "#RIC,Domain,Date-Time,GMT Offset,Type,Price,Volume\nA.PA,Market Price,2016-09-29T07:00:11.5Z,+2,Trade,23.25,63\n",
    );
    let run = work.mdsctl(["tail", "both.csv", "--idle-exit", "1s"]).run();
    assert!(run.code == 2 && run.error().contains("chosen among them"), "{run}");
}

/// A document that is a row of the user's own table stays one, whatever layout it has.
#[test]
fn a_row_of_an_own_table_is_one_under_a_layout() {
    for sqlite in [true, false] {
        let work = Work::new();
        let store = Store::holding(&work, sqlite, "CREATE TABLE raw (ticker text PRIMARY KEY, results text)");
        work.write(
            "doc.json",
            r#"{"ticker":"A","queryCount":1,"results":[{"v":1,"o":1,"c":1,"h":1,"l":1,"t":1704153600000}]}"#,
        );
        work.mdsctl(["load", "doc.json", "--table", "raw", "--dsn", &store.dsn()]).run().expect(0);
        let rows = store.rows("SELECT ticker, results FROM raw");
        let results = r#"[{"v":1,"o":1,"c":1,"h":1,"l":1,"t":1704153600000}]"#;
        assert_eq!(rows, [vec![Some("A".to_owned()), Some(results.to_owned())]], "sqlite: {sqlite}");
    }
}

/// What is left out of the facts of a company, and what was filed again, is counted.
#[test]
fn facts_that_are_left_out_or_restated_are_counted() {
    let work = Work::new();
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layouts/files/sec-companyfacts/CIK0000320193.json");
    let run = work.mdsctl(["load", file, "--json"]).run().expect(0);
    let notes = run.json()["notes"].to_string();
    for said in [
        "3 facts restated: the value of the last filed is stored",
        "1 fact repeated at another filed, and stored once",
        "1 fact left out, of another concept than",
        "1 fact left out, over other spans of time than",
        "1 row left out: taxonomy is dei",
        "1 row left out: unit is EUR",
    ] {
        assert!(notes.contains(said), "{said}: {run}");
    }
}
