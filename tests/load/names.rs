//! Which column is what: names in every writing, days and times of day apart, flags beside columns,
//! names of files, spellings of timeframes and the case of symbols.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, RecordBatch, Time64MicrosecondArray};
use parquet::arrow::ArrowWriter;

use crate::harness::{Postgres, Run, Store, Work};

const USAGE: i32 = 2;

/// Runs a test on a fresh store of each kind.
fn on_both(test: impl Fn(&Work, &Store)) {
    let work = Work::new();
    test(&work, &Store::sqlite(&work));
    test(&Work::new(), &Store::postgres());
}

fn load(work: &Work, store: &Store, flags: &[&str]) -> Run {
    work.mdsctl(["load"]).arguments(flags.iter().copied()).arguments(["--dsn", &store.dsn()]).run()
}

/// Rows of a query as `a b c`, in its order, times without their zone.
fn rows(store: &Store, sql: &str) -> Vec<String> {
    let shown = |value: &Option<String>| match value {
        Some(text) => text.strip_suffix("+00").unwrap_or(text).to_owned(),
        None => "∅".to_owned(),
    };
    let Ok(rows) = store.try_rows(sql) else { return Vec::new() };
    rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join(" ")).collect()
}

fn times(store: &Store) -> Vec<String> {
    rows(store, "SELECT ts FROM bars ORDER BY symbol, ts")
}

/// What it said, whatever the width of its lines.
fn said(run: &Run) -> String {
    run.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn nothing_stored(store: &Store, run: &Run) {
    for table in ["bars", "ticks"] {
        assert!(store.count(table).is_none_or(|rows| rows == 0), "{table}: {run}");
    }
}

/// Refused in one sentence with these words, and nothing is stored.
fn refused(store: &Store, run: Run, words: &[&str]) -> Run {
    let run = run.expect(USAGE);
    for word in words {
        assert!(run.error().contains(word), "{word:?} is not in the sentence: {run}");
    }
    nothing_stored(store, &run);
    run
}

#[test]
fn a_day_and_a_time_of_day_in_two_columns_are_one_time() {
    let bars = "1,2,0.5,1.5";
    let files: [(&str, String, &[&str], [&str; 2]); 10] = [
        (
            "metatrader.csv",
            "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\n2011.12.08\t18:49:00\t1\t2\t0.5\t1.5\n2011.12.08\t18:50:00\t1\t2\t0.5\t1.5\n".to_owned(),
            &[],
            ["2011-12-08 18:49:00", "2011-12-08 18:50:00"],
        ),
        (
            "us.csv",
            format!("Date,Time,Open,High,Low,Close\n12/28/2011,9:49 AM,{bars}\n12/28/2011,6:50 PM,{bars}\n"),
            &[],
            ["2011-12-28 09:49:00", "2011-12-28 18:50:00"],
        ),
        (
            "stooq.csv",
            format!("<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>\n20240102,093000,{bars}\n20240102,093500,{bars}\n"),
            &[],
            ["2024-01-02 09:30:00", "2024-01-02 09:35:00"],
        ),
        (
            "numbers.csv",
            format!("date,time,open,high,low,close\n20240102,93000,{bars}\n20240102,100000,{bars}\n"),
            &[],
            ["2024-01-02 09:30:00", "2024-01-02 10:00:00"],
        ),
        (
            "iex.ndjson",
            r#"{"date":"20180730","minute":"09:30","label":"09:30 AM","open":1,"high":2,"low":0.5,"close":1.5}
{"date":"20180730","minute":"09:31","label":"09:31 AM","open":1,"high":2,"low":0.5,"close":1.5}
"#
            .into(),
            &[],
            ["2018-07-30 09:30:00", "2018-07-30 09:31:00"],
        ),
        (
            "theta.csv",
            format!("ms_of_day,open,high,low,close,date\n34200000,{bars},20240102\n34260000,{bars},20240102\n"),
            &[],
            ["2024-01-02 09:30:00", "2024-01-02 09:31:00"],
        ),
        (
            "midnight.csv",
            format!("date,time,open,high,low,close\n2024-01-02T00:00:00,09:30,{bars}\n2024-01-02T00:00:00,09:31,{bars}\n"),
            &["--timezone", "America/New_York"],
            ["2024-01-02 14:30:00", "2024-01-02 14:31:00"],
        ),
        (
            "named.csv",
            format!("Session,At,open,high,low,close\n2024-01-02,09:30,{bars}\n2024-01-02,09:31,{bars}\n"),
            &["--map", "ts=Session+At"],
            ["2024-01-02 09:30:00", "2024-01-02 09:31:00"],
        ),
        (
            "kibot.csv",
            format!("01/15/2024,09:30,{bars}\n01/15/2024,09:31,{bars}\n"),
            &[
                "--no-header", "--dataset", "bars", "--map", "ts=1+2", "--map", "open=3", "--map", "high=4",
                "--map", "low=5", "--map", "close=6",
            ],
            ["2024-01-15 09:30:00", "2024-01-15 09:31:00"],
        ),
        (
            "20240102_trades.csv",
            format!("ms_of_day,open,high,low,close\n34200000,{bars}\n34260000,{bars}\n"),
            &["--name-pattern", "{date}_{what}"],
            ["2024-01-02 09:30:00", "2024-01-02 09:31:00"],
        ),
    ];
    for (name, text, flags, wanted) in files {
        on_both(|work, store| {
            let path = work.write(name, &text);
            let mut all = vec![&*path, "--vendor", "v", "--symbol", "X", "--timeframe", "1m"];
            all.extend(flags);
            let run = load(work, store, &all).expect(0);
            assert_eq!(times(store), wanted, "{name}: {run}");
            assert!(said(&run).contains("read together as one time"), "{name}: {run}");
        });
    }
}

#[test]
fn a_date_and_a_time_type_of_parquet_are_one_time() {
    on_both(|work, store| {
        let price = || Arc::new(Float64Array::from(vec![1.0, 1.0])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("date", Arc::new(Date32Array::from(vec![19_724, 19_724])) as ArrayRef),
            ("time", Arc::new(Time64MicrosecondArray::from(vec![34_200_000_000, 34_260_000_001]))),
            ("open", price()),
            ("high", price()),
            ("low", price()),
            ("close", price()),
        ])
        .expect("columns");
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("rows");
        let path = work.write("in.parquet", writer.into_inner().expect("a file"));
        let run =
            load(work, store, &[&path, "--vendor", "v", "--symbol", "X", "--timeframe", "1m"]).expect(0);
        assert_eq!(times(store), ["2024-01-02 09:30:00", "2024-01-02 09:31:00.000001"], "{run}");
    });
}

/// Following any advice about such a file loads it right: none is to take one of the two columns.
#[test]
fn the_day_alone_is_not_taken_where_the_time_of_day_stands_beside_it() {
    on_both(|work, store| {
        let csv = "Date,Time,Open,High,Low,Close\n2024-01-02,09:30,1,1,1,1\n2024-01-02,09:31,1,1,1,1\n";
        let path = work.write("in.csv", csv);
        let flags = [&*path, "--vendor", "v", "--symbol", "X", "--timeframe", "1m"];
        let day = load(work, store, &[&flags[..], &["--map", "ts=Date"]].concat());
        refused(store, day, &["--map ts=Date+Time", "--force-set"]);
        let clock = load(work, store, &[&flags[..], &["--map", "ts=Time"]].concat());
        refused(store, clock, &["--map ts=Date+Time"]);
        // Of bars of days the day is all there is to know.
        let days = [&*path, "--vendor", "v", "--symbol", "D", "--timeframe", "D1", "--map", "ts=Date"];
        load(work, store, &days).expect(0);
        load(work, store, &[&flags[..], &["--map", "ts=Date+Time"]].concat()).expect(0);
        assert_eq!(times(store), ["2024-01-02 00:00:00", "2024-01-02 09:30:00", "2024-01-02 09:31:00"]);
        let alone = work.write("alone.csv", "Time,Open,High,Low,Close\n09:30,1,1,1,1\n09:31,1,1,1,1\n");
        let run = load(work, store, &[&alone, "--vendor", "v", "--symbol", "X", "--timeframe", "1m"]);
        let run = run.expect(USAGE);
        assert!(run.error().contains("times of day alone") && run.error().contains("{date}"), "{run}");
    });
}

#[test]
fn a_column_with_the_whole_time_goes_before_one_with_the_day() {
    for header in ["date,timestamp", "Date,Timestamp", "date,Datetime"] {
        on_both(|work, store| {
            let csv = format!(
                "{header},open,high,low,close\n2024-01-02,2024-01-02 09:30:00,1,1,1,1\n2024-01-02,2024-01-02 09:31:00,1,1,1,1\n"
            );
            let path = work.write("in.csv", csv);
            let run =
                load(work, store, &[&path, "--vendor", "v", "--symbol", "X", "--timeframe", "1m"]).expect(0);
            assert_eq!(times(store), ["2024-01-02 09:30:00", "2024-01-02 09:31:00"], "{header}: {run}");
        });
    }
}

/// A day without its time of day is no midnight, and its row is whole in the dead letters.
#[test]
fn a_row_without_its_half_of_the_time_is_a_dead_letter_that_can_be_mended() {
    on_both(|work, store| {
        let csv = "Date,Time,Open,High,Low,Close\n2024-01-02,09:30,1,1,1,1\n2024-01-02,,2,2,2,2\n2024-01-02,noon,3,3,3,3\n";
        let path = work.write("in.csv", csv);
        let flags = [&*path, "--vendor", "v", "--symbol", "X", "--timeframe", "1m"];
        let run = load(work, store, &flags).expect(3);
        assert_eq!(times(store), ["2024-01-02 09:30:00"], "{run}");
        let letters = work.dlq(".dlq/bars.ndjson");
        let text: String = letters.iter().map(|letter| letter.line.clone()).collect();
        assert!(text.contains("2024-01-02 noon") && text.contains("no time of day"), "{text}");
    });
}

#[test]
fn a_flag_beside_a_column_of_the_same_meaning_is_refused() {
    let csv = "ticker,provider,interval,open,high,low,close,t\nAAPL,p,1m,1,1,1,1,2024-01-02T09:30:00Z\nMSFT,p,1m,2,2,2,2,2024-01-02T09:30:00Z\n";
    let json = csv.lines().skip(1).fold(String::new(), |all, line| {
        let names = csv.lines().next().unwrap_or_default().split(',');
        let pairs: Vec<String> =
            names.zip(line.split(',')).map(|(name, value)| format!("{name:?}:{value:?}")).collect();
        all + &format!("{{{}}}\n", pairs.join(","))
    });
    for (name, text) in [("in.csv", csv), ("in.ndjson", &*json)] {
        on_both(|work, store| {
            let path = work.write(name, text);
            for (flag, value, column) in [
                ("--symbol", "AAPL", "ticker"),
                ("--vendor", "v", "provider"),
                ("--timeframe", "5m", "interval"),
                ("--set", "close=3", "close"),
            ] {
                let run = load(work, store, &[&path, flag, value]);
                refused(store, run, &[flag, column, "--force-set"]);
                let dry = load(work, store, &[&path, flag, value, "--dry-run"]);
                refused(store, dry, &[flag, column]);
                let tail = work
                    .mdsctl(["tail", &path, flag, value, "--idle-exit", "1s", "--dsn", &store.dsn()])
                    .run();
                refused(store, tail, &[flag, column, "--force-set"]);
            }
            load(work, store, &[&path]).expect(0);
            load(work, store, &[&path, "--vendor", "forced", "--force-set"]).expect(0);
            assert_eq!(
                rows(store, "SELECT vendor, symbol FROM bars ORDER BY vendor, symbol"),
                ["forced AAPL", "forced MSFT", "p AAPL", "p MSFT"]
            );
        });
    }
}

#[test]
fn tickers_that_differ_in_case_alone_are_two() {
    on_both(|work, store| {
        let csv = "ticker,t,open,high,low,close\nAMPB,2024-01-02,50,50,50,50\nAMpB,2024-01-02,20,20,20,20\nbrk.b,2024-01-02,1,1,1,1\n eurUSD ,2024-01-02,2,2,2,2\n";
        let path = work.write("in.csv", csv);
        let run = load(work, store, &[&path, "--vendor", "v", "--timeframe", "1d"]).expect(0);
        let mut stored = rows(store, "SELECT symbol FROM bars");
        stored.sort();
        assert_eq!(stored, ["AMPB", "AMpB", "BRK.B", "eurUSD"], "{run}");
        load(work, store, &[&path, "--vendor", "kept", "--timeframe", "1d", "--keep-case"]).expect(0);
        let mut stored = rows(store, "SELECT symbol FROM bars WHERE vendor = 'kept'");
        stored.sort();
        assert_eq!(stored, ["AMPB", "AMpB", "brk.b", "eurUSD"]);
    });
}

#[test]
fn names_in_any_writing_find_their_columns_and_others_are_not_guessed() {
    on_both(|work, store| {
        let csv = "Trade-Date,Date,Open Price,high-price,<LOW>,CLOSE_PRICE,Adj Close,Vol.\n2024-01-01,2024-01-02,1,4,0.5,2,99,7\n";
        let path = work.write("in.csv", csv);
        let run =
            load(work, store, &[&path, "--vendor", "v", "--symbol", "X", "--timeframe", "1d"]).expect(0);
        assert_eq!(
            rows(store, "SELECT ts, high_price, low_price, close_price, volume FROM bars"),
            ["2024-01-02 00:00:00 4 0.5 2 7"],
            "{run}"
        );
        let csv = "date,open,high,low,close,Volume BTC,Volume USDT\n2024-01-02,1,1,1,1,12.5,134800\n";
        let path = work.write("crypto.csv", csv);
        let flags = [&*path, "--vendor", "w", "--symbol", "BTC/USDT", "--timeframe", "1d"];
        let run = load(work, store, &flags).expect(0);
        assert!(said(&run).contains("volume is null in every row"), "{run}");
        assert!(said(&run).contains("\"Volume BTC\" and \"Volume USDT\""), "{run}");
        load(work, store, &[&flags[..], &["--map", "volume=volume btc"]].concat()).expect(0);
        assert_eq!(rows(store, "SELECT volume FROM bars WHERE vendor = 'w'"), ["12.5"]);
    });
}

#[test]
fn one_letter_names_of_streams_mean_what_their_case_says() {
    on_both(|work, store| {
        let json = r#"{"T":"t","S":"AAPL","i":96921,"x":"D","p":126.55,"s":1,"t":"2021-02-22T15:51:44.208114004Z","c":"@","z":"C"}"#;
        let path = work.write("in.ndjson", format!("{json}\n"));
        let run = load(work, store, &[&path, "--vendor", "a", "--layout", "none"]);
        let run = refused(
            store,
            run,
            &["\"s\" and \"S\", \"t\" and \"T\" differ in case alone", "--dataset bars|ticks|quotes"],
        );
        assert!(!run.error().contains("ts=T") && !run.error().contains("symbol=S"), "{run}");
        let named = ["--map", "symbol=S", "--map", "ts=t", "--map", "size=s", "--dataset", "ticks"];
        load(work, store, &[&[path.as_str(), "--vendor", "a", "--layout", "none"][..], &named].concat())
            .expect(0);
        assert_eq!(rows(store, "SELECT symbol, price, size FROM ticks"), ["AAPL 126.55 1"]);
    });
}

#[test]
fn everything_that_is_missing_is_said_at_once() {
    on_both(|work, store| {
        let path = work.write("in.csv", "when,Open,High,Low\n2024-01-02,1,1,1\n");
        let run = load(work, store, &[&path]);
        refused(
            store,
            run,
            &[
                "\"ts\", \"vendor\", \"symbol\" and \"close_price\"",
                "--map ts=COLUMN",
                "--vendor VALUE --symbol VALUE",
            ],
        );
        // Of two that fit equally none is recommended before the other.
        let path =
            work.write("two.csv", "timestamp,datetime,open,high,low,close\n2024-01-02,2024-01-03,1,1,1,1\n");
        let run = load(work, store, &[&path, "--vendor", "v", "--symbol", "X"]);
        let choice = "say which: --map ts=timestamp or --map ts=datetime";
        let run = refused(store, run, &["timestamp, datetime", choice]);
        assert!(!run.stderr.contains("Enter runs"), "{run}");
    });
}

#[test]
fn a_name_that_stands_in_the_header_twice_is_not_taken_unasked() {
    on_both(|work, store| {
        let csv = "Date,Close,Close,High,Low,Open\n2025-01-02,1,9,3,0.5,2\n";
        let path = work.write("in.csv", csv);
        let flags = [&*path, "--vendor", "v", "--timeframe", "1d", "--symbol"];
        let run = load(work, store, &[&flags[..], &["A"]].concat());
        refused(
            store,
            run,
            &[
                "\"Close\" stands in the header more than once",
                "say which: --map close_price=Close or --map close_price=Close#2",
            ],
        );
        load(work, store, &[&flags[..], &["A", "--map", "close_price=Close"]].concat()).expect(0);
        load(work, store, &[&flags[..], &["B", "--map", "close=Close#2"]].concat()).expect(0);
        let stored = rows(store, "SELECT symbol, close_price FROM bars ORDER BY symbol");
        assert_eq!(stored, ["A 1", "B 9"]);
    });
}

#[test]
fn a_name_of_a_file_is_divided_in_the_one_way_that_makes_sense() {
    on_both(|work, store| {
        let csv = "timestamp,open,high,low,close\n1704153600,1,1,1,1\n";
        let (usd, eur) =
            (work.write("BTC-USD-1min-2024-01-02.csv", csv), work.write("BTC-EUR-1min-2024-01-02.csv", csv));
        let pattern = ["--vendor", "v", "--name-pattern", "{symbol}-{timeframe}-{date}"];
        load(work, store, &[&[&*usd, &*eur][..], &pattern].concat()).expect(0);
        let stored = rows(store, "SELECT symbol, timeframe FROM bars ORDER BY symbol");
        assert_eq!(stored, ["BTC-EUR 1m", "BTC-USD 1m"]);
        // All names are looked at before the first row is stored.
        let odd = work.write("B-ETH-USD.csv", csv);
        let plain = work.write("B-ETH.csv", csv);
        let pattern = ["--timeframe", "1m", "--name-pattern", "{vendor}-{symbol}"];
        let run = load(work, store, &[&[&*plain, &*odd][..], &pattern].concat()).expect(USAGE);
        for word in ["B-ETH-USD", "vendor=B, symbol=ETH-USD", "vendor=B-ETH, symbol=USD"] {
            assert!(run.error().contains(word), "{word}: {run}");
        }
        assert_eq!(store.count("bars"), Some(2), "{run}");
    });
}

#[test]
fn timeframes_have_one_spelling_and_a_word_that_is_none_is_refused() {
    on_both(|work, store| {
        let csv = "date,interval,open,high,low,close\n2024-01-02T00:00:00Z,1min,1,1,1,1\n2024-01-02T00:01:00Z,M1,1,1,1,1\n2024-01-02T00:02:00Z,60s,1,1,1,1\n2024-01-02T00:03:00Z,banana,1,1,1,1\n";
        let path = work.write("in.csv", csv);
        let run = load(work, store, &[&path, "--vendor", "v", "--symbol", "X"]).expect(3);
        assert_eq!(rows(store, "SELECT DISTINCT timeframe FROM bars"), ["1m"], "{run}");
        assert_eq!(store.count("bars"), Some(3), "{run}");
        let letters = work.dlq(".dlq/bars.ndjson");
        assert!(letters.iter().any(|letter| letter.line.contains("bad_timeframe")));
        let bare = work.write("bare.csv", "date,open,high,low,close\n2024-01-03T00:00:00Z,1,1,1,1\n");
        for word in ["banana", "60", "5M"] {
            let run = load(work, store, &[&bare, "--vendor", "v", "--symbol", "X", "--timeframe", word]);
            let run = run.expect(USAGE);
            assert!(run.error().contains(word) && run.error().contains("1m, 5m, 1h"), "{run}");
        }
        load(work, store, &[&bare, "--vendor", "v", "--symbol", "X", "--timeframe", "PT1M"]).expect(0);
        assert_eq!(rows(store, "SELECT DISTINCT timeframe FROM bars"), ["1m"]);
        // A replay that mends the word spells it the same way.
        let run = work
            .mdsctl([
                "replay-dlq",
                "--code",
                "bad_timeframe",
                "--set",
                "timeframe=1 minute",
                "--dsn",
                &store.dsn(),
            ])
            .run()
            .expect(0);
        assert_eq!(rows(store, "SELECT DISTINCT timeframe FROM bars"), ["1m"], "{run}");
        assert_eq!(store.count("bars"), Some(5), "{run}");
    });
}

#[test]
fn the_timeframe_is_what_all_spacings_have_in_common_or_is_asked_for() {
    let csv = |minutes: &[i64]| {
        minutes.iter().fold("timestamp,open,high,low,close\n".to_owned(), |all, minute| {
            all + &format!("{},1,1,1,1\n", 1_717_200_000 + minute * 60)
        })
    };
    for (name, minutes, wanted) in [
        ("illiquid.csv", &[0, 5, 10, 11, 16, 21][..], Some("1m")),
        ("five.csv", &[0, 5, 10, 20], Some("5m")),
        ("day.csv", &[0, 1440, 2880, 7200], Some("1d")),
        ("clocks.csv", &[0, 1440, 2820, 4260], Some("1d")),
        ("weekend.csv", &[0, 4320], None),
        ("odd.csv", &[0, 7, 20], None),
        ("one.csv", &[0], None),
    ] {
        on_both(|work, store| {
            let path = work.write(name, csv(minutes));
            let run = load(work, store, &[&path, "--vendor", "v", "--symbol", "X"]);
            match wanted {
                Some(timeframe) => {
                    let run = run.expect(0);
                    assert_eq!(
                        rows(store, "SELECT DISTINCT timeframe FROM bars"),
                        [timeframe],
                        "{name}: {run}"
                    );
                }
                None => drop(refused(store, run, &[name, "--timeframe"])),
            }
        });
    }
}

#[test]
fn symbols_that_a_check_makes_one_are_told() {
    for kind in ["text", "varchar(20)"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(&format!(
            "CREATE TABLE t (symbol {kind} NOT NULL CHECK (symbol = upper(symbol)), ts timestamptz NOT NULL,
             price numeric, PRIMARY KEY (symbol, ts))"
        ));
        let csv = "symbol,ts,price\nAMPB,2024-01-02T14:30:00Z,1\nAMpB,2024-01-02T14:31:00Z,2\nbrk,2024-01-02T14:30:00Z,3\n";
        let path = work.write("t.csv", csv);
        let run = work.mdsctl(["load", &path, "--table", "t", "--json", "--dsn", &db.dsn()]).run().expect(0);
        assert!(run.stdout.contains("AMPB and AMpB became one symbol, AMPB"), "{run}");
        let stored = db.rows("SELECT symbol || price FROM t ORDER BY price").concat();
        let stored: Vec<&str> = stored.iter().flatten().map(String::as_str).collect();
        assert_eq!(stored, ["AMPB1", "AMPB2", "BRK3"], "{run}");
    }
}
