//! Rows that are of another kind than a first look at their columns says are refused by name, or told.

use crate::harness::rows::in_every_format;
use crate::harness::store::on_both_stores;
use crate::harness::{Run, Store, Work};
use crate::layouts::stored;

fn load(work: &Work, store: &Store, file: &str, flags: &[&str]) -> Run {
    work.mdsctl(["load", file, "--dsn", &store.dsn()]).arguments(flags.iter().copied()).run()
}

/// Every note, warning and deduction of a run.
fn said(run: &Run) -> String {
    run.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A letter that is there in both cases means nothing: of a quote the bid would be stored as a trade.
#[test]
fn letters_that_differ_in_case_alone_are_no_price_and_no_size() {
    let quote = r#"{"results":{"p":10.5,"s":1,"x":19,"P":10.6,"S":2,"X":11,"z":3,"T":"AAA","t":1652192754171838500,"q":77}}"#;
    on_both_stores(|work, store, which| {
        work.write("quote.json", quote);
        let flags = ["--vendor", "v", "--symbol", "AAA", "--rows-at", "results"];
        let run = load(work, store, "quote.json", &flags).expect(2);
        let pairs = r#""p" and "P", "s" and "S", "x" and "X", "t" and "T" differ in case alone"#;
        assert!(run.error().contains(pairs), "{which}: {run}");
        assert_eq!(stored(store), "", "{which}");
        let named = [
            &flags[..],
            &["--dataset", "quotes", "--map", "ts=t", "--map", "bid=p", "--map", "bid_size=s"],
            &["--map", "ask=P", "--map", "ask_size=S", "--map", "sequence=q"],
        ];
        load(work, store, "quote.json", &named.concat()).expect(0);
        assert_eq!(
            stored(store),
            "quotes ts=2022-05-10T14:25:54.171838Z ts_ns=500 vendor=v symbol=AAA sequence=77 bid=10.5 bid_size=1 \
             ask=10.6 ask_size=2\n",
            "{which}"
        );
    });
}

/// `s` with words in it is the symbol of a stream, in every format, and no size of which every row is refused.
#[test]
fn a_letter_with_symbols_in_it_is_no_size() {
    on_both_stores(|work, store, which| {
        let columns = ["ts", "p", "q", "s", "i"];
        let rows: [&[&str]; 2] = [
            &["1704067200", "1.0845", "3", "EURUSD-PERP", "a"],
            &["1704067201", "1.0846", "4", "BTCUSD", "b"],
        ];
        for file in in_every_format(work, "stream", &columns, &rows) {
            let vendor = file.rsplit('.').next().expect("an extension");
            let run = load(work, store, &file, &["--vendor", vendor]).expect(2);
            assert!(run.error().contains("no column for \"size\""), "{which}, {file}: {run}");
            load(work, store, &file, &["--vendor", vendor, "--map", "size=q"]).expect(0);
            for row in [
                format!(
                    "ticks ts=2024-01-01T00:00:00.000000Z ts_ns=0 vendor={vendor} symbol=EURUSD-PERP trade_id=a price=1.0845 size=3\n"
                ),
                format!(
                    "ticks ts=2024-01-01T00:00:01.000000Z ts_ns=0 vendor={vendor} symbol=BTCUSD trade_id=b price=1.0846 size=4\n"
                ),
            ] {
                assert!(stored(store).contains(&row), "{which}, {file}: {}", stored(store));
            }
        }
    });
}

/// Bars of options and futures are not taken for those of their underlying; whoever says that they are bars is told.
#[test]
fn contracts_are_no_bars_of_their_underlying() {
    on_both_stores(|work, store, which| {
        let bars = ["symbol", "date", "open", "high", "low", "close", "STRIKE_PR", "OPTION_TYP", "EXPIRY_DT"];
        let rows: [&[&str]; 2] = [
            &["SPY", "2024-01-02", "1", "2", "1", "2", "400", "C", "2024-02-02"],
            &["SPY", "2024-01-02", "3", "4", "3", "4", "410", "C", "2024-02-02"],
        ];
        for file in in_every_format(work, "bars", &bars, &rows) {
            let run = load(work, store, &file, &["--vendor", "v"]).expect(2);
            assert!(
                run.error().contains("column \"STRIKE_PR\" says that these are options"),
                "{which}: {run}"
            );
            let flags = ["--vendor", "v", "--dataset", "bars", "--timeframe", "1d"];
            let run = load(work, store, &file, &flags).expect(0);
            assert!(
                said(&run).contains("\"STRIKE_PR\" says that these are options, and bars do not keep it"),
                "{which}: {run}"
            );
        }
        work.write(
            "future.csv",
            "symbol,date,open,high,low,close,expiry\nES,2024-01-02,1,2,1,2,2024-03-15\n",
        );
        let run = load(work, store, "future.csv", &["--vendor", "v", "--timeframe", "1d"]).expect(2);
        assert!(
            run.error().contains("column \"expiry\" says that these are futures or options"),
            "{which}: {run}"
        );
        work.write("trade.csv", "ts,symbol,price,size,strike\n2024-01-02T15:00:00Z,SPY,1,2,400\n");
        let run = load(work, store, "trade.csv", &["--vendor", "v"]).expect(2);
        assert!(run.error().contains("column \"strike\" says"), "{which}: {run}");
    });
}

/// Where the columns of an option chain suffice, it is one: of NSE with its names, and by contracts alone.
#[test]
fn columns_that_suffice_are_those_of_options() {
    on_both_stores(|work, store, which| {
        work.write(
            "fo.csv",
            "SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,OPEN,HIGH,LOW,CLOSE,OPEN_INT,TIMESTAMP\n\
             NIFTY,2019-01-31,10800,PE,1,2,1,2,75,2019-01-01\nNIFTY,2019-01-31,10900,P,1,2,1,2,80,2019-01-01\n",
        );
        load(work, store, "fo.csv", &["--vendor", "v"]).expect(3);
        work.write(
            "chain.csv",
            "contractSymbol,time,lastPrice,bid,ask,openInterest\nSPY240621C00300000,2024-05-16T15:30:00Z,230.11,229.5,231.0,1200\n",
        );
        load(work, store, "chain.csv", &["--vendor", "v", "--layout", "none"]).expect(0);
        assert_eq!(
            stored(store),
            "options_snap ts=2019-01-01T00:00:00.000000Z vendor=v symbol=NIFTY expiry=2019-01-31 option_type=P \
             strike=10900 oi=80\n\
             options_snap ts=2024-05-16T15:30:00.000000Z vendor=v symbol=SPY expiry=2024-06-21 option_type=C \
             strike=300 oi=1200 bid=229.5 ask=231\n",
            "{which}"
        );
    });
}

/// Trades among bids and volumes are refused, and the key that is named takes them out.
#[test]
fn kinds_of_ticks_in_one_list_are_not_all_trades() {
    on_both_stores(|work, store, which| {
        let columns = ["time", "price", "size", "tickType"];
        let numbers: [&[&str]; 3] = [
            &["2022-01-07T05:58:09Z", "10", "3", "1"],
            &["2022-01-07T05:58:10Z", "11", "4", "4"],
            &["2022-01-07T05:58:11Z", "-1", "0", "2"],
        ];
        let words: [&[&str]; 2] =
            [&["2022-01-07T05:58:10Z", "11", "4", "LAST"], &["2022-01-07T05:58:11Z", "-1", "0", "VOLUME"]];
        for (name, rows, others, trade) in
            [("numbers", &numbers[..], "1 and 2", "4"), ("words", &words[..], "VOLUME", "LAST")]
        {
            work.write(
                "mdsctl.toml",
                format!(
                    "[layouts.mine]\ntitle = 'Ticks'\ndataset = 'ticks'\nonly-rows = {{\"tickType\" = [\"{trade}\"]}}\n\
                     [[layouts.mine.sign]]\nheader = ['tickType']\n"
                ),
            );
            for file in in_every_format(work, name, &columns, rows) {
                let flags = ["--vendor", &file, "--symbol", "A"];
                let run = load(work, store, &file, &[&flags[..], &["--layout", "none"]].concat()).expect(2);
                let key = format!(
                    "column \"tickType\" has {others}: these rows are not all trades; a layout in the configuration file takes those that are: only-rows = {{\"tickType\" = [\"{trade}\"]}}"
                );
                assert!(run.error().contains(&key), "{which}, {file}: {run}");
                load(work, store, &file, &[&flags[..], &["--layout", "mine"]].concat()).expect(0);
                let of_file: Vec<String> = stored(store)
                    .lines()
                    .filter(|line| line.contains(&format!("vendor={file} ")))
                    .map(str::to_owned)
                    .collect();
                assert_eq!(of_file.len(), 1, "{which}, {file}: {of_file:?}");
                assert!(of_file[0].ends_with("price=11 size=4"), "{which}, {file}: {of_file:?}");
            }
        }
        // All of them are trades.
        work.write("all.csv", "time,price,size,tickType\n2022-01-07T05:58:10Z,11,4,LAST\n");
        load(work, store, "all.csv", &["--vendor", "all", "--symbol", "A", "--layout", "none"]).expect(0);
        assert!(stored(store).contains("vendor=all "), "{which}");
    });
}

/// Of the start of a bar and its end the start is its time, whatever the end is called.
#[test]
fn the_start_of_a_bar_is_its_time() {
    on_both_stores(|work, store, which| {
        let ends = ["2024-10-01T23:59:59.999Z", "2024-10-02T23:59:59.999Z"];
        let starts = ["2024-10-01T00:00:00.000Z", "2024-10-02T00:00:00.000Z"];
        for (start, end) in [
            ("timeOpen", "timestamp"),
            ("startedAt", "time"),
            ("interval_begin", "end"),
            ("Start Date", "date"),
        ] {
            let columns = [start, "open", "high", "low", "close", end];
            let rows: Vec<[&str; 6]> =
                starts.iter().zip(ends).map(|(start, end)| [start, "1", "2", "0.5", "1.5", end]).collect();
            let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
            for file in in_every_format(work, &start.replace(' ', "-"), &columns, &rows) {
                let run = load(work, store, &file, &["--vendor", &file, "--symbol", "A"]).expect(0);
                let text = stored(store);
                for day in ["01", "02"] {
                    let bar =
                        format!("bars ts=2024-10-{day}T00:00:00.000000Z vendor={file} symbol=A timeframe=1d");
                    assert!(text.contains(&bar), "{which}, {file}: {text}");
                }
                assert!(
                    said(&run).contains(&format!("ts is {start}, the start of the bar, and not {end}")),
                    "{run}"
                );
            }
        }
        // A line that is broken is replayed by the start too, and so is a row that comes alone.
        let row = |day: u32| format!("2024-10-0{day}T00:00:00Z,1,2,0.5,1.5,2024-10-0{day}T23:59:59Z");
        let head = "timeOpen,open,high,low,close,timestamp\n";
        work.write("broken.csv", format!("{head}{}\n{},7,8\n", row(1), row(2)));
        let flags = ["--vendor", "broken", "--symbol", "A", "--timeframe", "1d", "--dlq", "d.ndjson"];
        load(work, store, "broken.csv", &flags).expect(3);
        let letters = std::fs::read_to_string(work.path("d.ndjson")).expect("dead letters");
        assert!(letters.contains(r#""map":{"ts":"timeOpen"}"#), "{which}: {letters}");
        work.write("d.ndjson", letters.replace(",7,8", ""));
        work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &store.dsn()]).run().expect(0);
        work.write("alone.csv", format!("{head}{}\n", row(3)));
        let tail = ["tail", "alone.csv", "--vendor", "broken", "--symbol", "A", "--timeframe", "1d"];
        work.mdsctl(tail).arguments(["--idle-exit", "1s", "--dsn", &store.dsn()]).run().expect(0);
        for day in 1..=3 {
            let bar = format!("bars ts=2024-10-0{day}T00:00:00.000000Z vendor=broken symbol=A");
            assert!(stored(store).contains(&bar), "{which}: {}", stored(store));
        }
        // The begin of the range that was asked for is none of a bar.
        work.write(
            "range.json",
            r#"{"start":"2024-01-01T00:00:00Z","bars":[{"t":"2024-01-02T10:00:00Z","o":1,"h":2,"l":0.5,"c":1.5},{"t":"2024-01-02T10:01:00Z","o":1,"h":2,"l":0.5,"c":1.5}]}"#,
        );
        let flags = ["--vendor", "range", "--symbol", "A", "--layout", "none", "--map", "ts=t"];
        load(work, store, "range.json", &flags).expect(0);
        assert!(stored(store).contains("ts=2024-01-02T10:01:00.000000Z vendor=range"), "{which}");
    });
}

/// Times in the last second of their minute are told, once.
#[test]
fn times_that_look_like_the_ends_of_bars_are_told() {
    on_both_stores(|work, store, which| {
        work.write(
            "ends.csv",
            "time,open,high,low,close\n2013-04-29T23:59:59Z,1,2,0.5,1.5\n2013-04-30T23:59:59.999Z,1,2,0.5,1.5\n",
        );
        let run =
            load(work, store, "ends.csv", &["--vendor", "v", "--symbol", "A", "--timeframe", "1d"]).expect(0);
        assert_eq!(said(&run).matches("these look like the ends of bars").count(), 1, "{which}: {run}");
        work.write(
            "starts.csv",
            "time,open,high,low,close\n2013-04-29T23:59:59Z,1,2,0.5,1.5\n2013-04-30T23:59:00Z,1,2,0.5,1.5\n",
        );
        let run = load(work, store, "starts.csv", &["--vendor", "v", "--symbol", "B", "--timeframe", "1d"])
            .expect(0);
        assert!(!said(&run).contains("ends of bars"), "{which}: {run}");
    });
}

/// A volume under a name that is made of several words is told.
#[test]
fn volumes_that_are_left_out_are_told() {
    on_both_stores(|work, store, which| {
        let columns = ["time", "open", "high", "low", "close", "volumefrom", "baseTokenVolume"];
        let rows: [&[&str]; 2] = [
            &["2024-01-02T10:00:00Z", "1", "2", "0.5", "1.5", "7", "8"],
            &["2024-01-02T10:01:00Z", "1", "2", "0.5", "1.5", "7", "8"],
        ];
        for file in in_every_format(work, "volumes", &columns, &rows) {
            let run = load(work, store, &file, &["--vendor", &file, "--symbol", "A"]).expect(0);
            let told = "volume is null in every row: no column is called so, and \"volumefrom\" and \"baseTokenVolume\" are not loaded";
            assert!(said(&run).contains(told), "{which}, {file}: {run}");
            let flags = ["--vendor", &file, "--symbol", "A", "--map", "volume=volumefrom"];
            load(work, store, &file, &flags).expect(0);
            assert_eq!(stored(store).matches(&format!("vendor={file} ")).count(), 2, "{which}");
            assert!(stored(store).contains("volume=7"), "{which}, {file}");
        }
    });
}
