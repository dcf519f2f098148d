//! One screen for a new file: what a refused load lacks, all of it, with the command that loads it; what a dry run
//! shows; and the command accepted by a key.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::harness::terminal::Terminal;
use crate::harness::{Run, Store, Work, on_both_stores};

/// The command to paste that stands in a refusal or a dry run, on one line.
fn command(run: &Run) -> String {
    let all = run.stderr.lines().map(str::trim_end).collect::<Vec<_>>();
    let from = all
        .iter()
        .position(|line| line.contains("mdsctl load"))
        .unwrap_or_else(|| panic!("no command: {run}"));
    let mut text = String::new();
    for line in &all[from..] {
        let line = line.trim_start();
        let line = line.strip_prefix("run").map_or(line, str::trim_start);
        match line.strip_suffix('\\') {
            Some(part) => text.push_str(part),
            None => {
                text.push_str(line);
                break;
            }
        }
    }
    text
}

/// Runs it as a shell does, with what it leaves to be said.
fn paste(work: &Work, line: &str, said: &[(&str, &str)]) -> std::process::Output {
    let mut line = line.to_owned();
    for (blank, value) in said {
        assert!(line.contains(blank), "{line}: {blank}");
        line = line.replace(blank, value);
    }
    let script = line.replacen("mdsctl", env!("CARGO_BIN_EXE_mdsctl"), 1);
    std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(work.path(""))
        .env("HOME", work.path("home"))
        .output()
        .expect("a shell")
}

fn rows(store: &Store, sql: &str) -> Vec<String> {
    let cells = |row: &Vec<Option<String>>| {
        row.iter().map(|cell| cell.as_deref().unwrap_or("-").to_owned()).collect::<Vec<_>>().join(" ")
    };
    store.rows(sql).iter().map(cells).collect()
}

const BARS: &str =
    "SELECT vendor, symbol, timeframe, open_price, high_price, low_price, close_price FROM bars ORDER BY ts";

#[test]
fn all_that_is_missing_is_told_at_once_and_the_command_loads_the_file() {
    // Of one row there is no spacing that would tell a timeframe.
    let plain = "Date,Open,High,Low,Close,Volume\n2024-01-02 14:30:00,1.5,2,1,1.6,100\n";
    let json = r#"{"results":[{"t":1704205800000,"o":1.5,"h":2,"l":1,"c":1.6,"v":100}]}"#;
    let lines = "{\"time\":\"2024-01-02T14:30:00Z\",\"open\":1.5,\"high\":2,\"low\":1,\"close\":1.6}\n";
    let bare = "1704205800000,1.5,1.75,1.25,1.6,100\n1704205860000,1.5,1.75,1.25,1.6,100\n";
    let ticks = "time,price,size\n2024-01-02T14:30:00Z,5.25,3\n";
    let quotes = "time,bid,ask,bid_size,ask_size\n2024-01-02T14:30:00Z,5.25,5.5,3,4\n";
    let options =
        "time,underlying,expiration,strike,right,bid,ask\n2024-01-02T14:30:00Z,AAPL,2024-02-16,190,C,1,2\n";
    let other = "when,open,hh,low,close\n2024-01-02T14:30:00Z,1.5,2,1,1.6\n";
    let two = "timestamp,datetime,open,high,low,close\n1704205800000,2024-01-02T14:30:00Z,1.5,2,1,1.6\n";
    let twice = "my time,Open,High,Low,Close,my time\n2024-01-02 14:30:00,1.5,2,1,1.6,2024-01-02 14:31:00\n";
    let short =
        "Date,Open,High,Low,Close\n2024-01-02,14:30:00,1.5,2,1,1.6\n2024-01-02,14:31:00,1.5,2,1,1.6\n";
    let arrays = "[[1704205800000,1.5,2,1,1.6,100],[1704205860000,1.5,1.75,1.25,1.6,100]]";
    let trades = "1704205800,90.25,1.5\n1704205801,90.5,20\n";
    let sides = "20240102 143000065,1.1212,1.1217,0\n20240102 143001065,1.1213,1.1213,0\n";
    let lean = "20240102 00:00,136300,162500,135000,150000,6315000\n20240103 00:00,150000,165600,149900,160000,5677300\n";
    let coins = "time,coin,px,sz\n2024-01-02T14:30:00Z,BTC,5.25,3\n2024-01-02T14:30:01Z,ETH,4.25,2\n";
    let bar = "acme AAPL 1m 1.5 2 1 1.6";
    let vendor = ("--vendor VALUE", "--vendor acme");
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("AAPL_1m.csv", plain, &[vendor], BARS, &[bar]),
        (
            "prices.csv",
            plain,
            &[vendor, ("--symbol VALUE", "--symbol AAPL"), ("--timeframe VALUE", "--timeframe 1m")],
            BARS,
            &[bar],
        ),
        ("AAPL/1m/day.json", json, &[vendor], BARS, &[bar]),
        ("AAPL-1m.ndjson", lines, &[vendor], BARS, &[bar]),
        ("my AAPL 1m.csv", bare, &[vendor], BARS, &["acme AAPL 1m 1.5 1.75 1.25 1.6"; 2]),
        ("AAPL 1m it's.csv", other, &[vendor, ("high_price=COLUMN", "high_price=hh")], BARS, &[bar]),
        (
            "AAPL.csv",
            ticks,
            &[vendor],
            "SELECT vendor, symbol, price, size FROM ticks",
            &["acme AAPL 5.25 3"],
        ),
        (
            "AAPL_quotes.csv",
            quotes,
            &[vendor],
            "SELECT vendor, symbol, bid, ask, bid_size, ask_size FROM quotes",
            &["acme AAPL 5.25 5.5 3 4"],
        ),
        ("AAPL_1m_two.csv", two, &[vendor], BARS, &[bar]),
        ("AAPL_1m_twice.csv", &twice.replace("my time", "time"), &[vendor], BARS, &[bar]),
        ("AAPL_short.csv", short, &[vendor], BARS, &[bar; 2]),
        ("AAPL_arrays.json", arrays, &[vendor], BARS, &[bar, "acme AAPL 1m 1.5 1.75 1.25 1.6"]),
        (
            "AAPL_bare.csv",
            sides,
            &[vendor],
            "SELECT vendor, symbol, bid, ask FROM quotes ORDER BY ts",
            &["acme AAPL 1.1212 1.1217", "acme AAPL 1.1213 1.1213"],
        ),
        // The layout that trades of this form are of, and the one of prices in ten-thousandths.
        (
            "XBTEUR.csv",
            trades,
            &[],
            "SELECT vendor, symbol, price, size FROM ticks ORDER BY ts",
            &["kraken XBTEUR 90.25 1.5", "kraken XBTEUR 90.5 20"],
        ),
        (
            "aapl.csv",
            lean,
            &[],
            BARS,
            &["lean AAPL 1d 13.63 16.25 13.5 15", "lean AAPL 1d 15 16.56 14.99 16"],
        ),
        (
            "fixings.csv",
            "date,symbol,price\n2024-01-02,BRENT,75.5\n2024-01-03,BRENT,76.25\n",
            &[vendor],
            BARS,
            &["acme BRENT 1d - - - 75.5", "acme BRENT 1d - - - 76.25"],
        ),
        (
            "coins.csv",
            coins,
            &[vendor],
            "SELECT vendor, symbol, price, size FROM ticks ORDER BY ts",
            &["acme BTC 5.25 3", "acme ETH 4.25 2"],
        ),
        (
            "chain.csv",
            options,
            &[vendor],
            "SELECT vendor, symbol, strike, option_type FROM options_snap",
            &["acme AAPL 190 C"],
        ),
    ];
    on_both_stores(|work, store, what| {
        for (name, text, said, sql, wanted) in cases {
            work.write(name, text);
            let run = work.mdsctl(["load", name, "--dsn", &store.dsn()]).run().expect(2);
            let lines: Vec<&str> = run.stderr.lines().collect();
            assert!(lines.len() <= 26, "{what}: {name}: {run}");
            assert!(
                lines[..lines.len() - 1].iter().all(|line| line.chars().count() <= 120),
                "{what}: {name}: {run}"
            );
            assert!(
                run.error().starts_with(&format!("error: {name}")) || name.contains('\''),
                "{what}: {name}: {run}"
            );
            let line = command(&run);
            let done = paste(work, &line, said);
            let told = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(0), "{what}: {name}: {line}\n{told}\n{run}");
            assert_eq!(rows(store, sql), *wanted, "{what}: {name}: {line}\n{told}");
            let table = sql.split(" FROM ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a table");
            store.rows(&format!("DELETE FROM {table}"));
        }
    });
}

fn parquet(work: &Work, name: &str) {
    let columns: [(&str, ArrayRef); 5] = [
        ("window_start", Arc::new(Int64Array::from(vec![1_704_205_800_000_000_000]))),
        ("open", Arc::new(Float64Array::from(vec![1.5]))),
        ("high", Arc::new(Float64Array::from(vec![2.0]))),
        ("low", Arc::new(Float64Array::from(vec![1.0]))),
        ("close", Arc::new(Float64Array::from(vec![1.6]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns");
    let file = File::create(work.path(name)).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("an end");
}

#[test]
fn parquet_is_refused_with_a_command_too_and_programs_are_told_the_same() {
    on_both_stores(|work, store, what| {
        parquet(work, "AAPL_M1.parquet");
        let dsn = store.dsn();
        let run = work.mdsctl(["load", "AAPL_M1.parquet", "--layout", "none", "--dsn", &dsn]).run().expect(2);
        let done = paste(work, &command(&run), &[("--vendor VALUE", "--vendor acme")]);
        assert_eq!(done.status.code(), Some(0), "{what}: {run}");
        assert_eq!(rows(store, BARS), ["acme AAPL 1m 1.5 2 1 1.6"], "{what}: {run}");
        let flags = ["load", "AAPL_M1.parquet", "--layout", "none", "--dsn", &dsn, "--json"];
        let run = work.mdsctl(flags).run().expect(2);
        let json = run.json();
        let preview = &json["preview"];
        let missing = preview["missing"].as_array().expect("a list");
        let told: Vec<String> =
            missing.iter().map(|one| format!("{} {}", one["flag"], one["value"])).collect();
        let all = ["\"--vendor\" \"VALUE\"", "\"--symbol\" \"AAPL\"", "\"--timeframe\" \"1m\""];
        assert_eq!(told, all, "{what}: {run}");
        assert_eq!(missing[1]["guessed_by"], "from the file's name", "{what}: {run}");
        assert_eq!((&preview["complete"], &preview["open"]), (&false.into(), &Value::Null), "{what}: {run}");
        let command = preview["command"].as_str().expect("a command");
        assert!(json["error"].as_str().is_some_and(|error| error.ends_with(command)), "{what}: {run}");
    });
}

#[test]
fn the_screen_tells_what_was_detected_and_how_values_are_stored() {
    on_both_stores(|work, store, what| {
        let path = work.write(
            "AAPL_1m.csv",
            "Date;Time;Open;High;Low;Close;Volume;Adj\n\
             2024-01-02;09:30;1,5;2,25;1;1,6;100;9\n2024-01-02;09:31;1,5;2;1;1,6;x;9\n\
             2024-01-02;09:32;1,5;2,5;1;1,75;100;9\n2024-01-02;09:32;1,5;2,5;1;1,7;100;9\n",
        );
        let dsn = store.dsn();
        let flags = ["load", &path, "--vendor", "v", "--symbol", "AAPL", "--dsn", &dsn];
        let run = work.mdsctl(flags).arguments(["--dry-run"]).run().expect(3);
        for said in [
            "format   csv, delimited by ; (by its first bytes)",
            "dataset  bars (by its columns)",
            "<- Date+Time",
            "2024-01-02 09:30",
            "2024-01-02T09:30:00",
            "<- Close",
            "1,6  1,75",
            "1.6  1.75",
            "2 to be inserted",
            "1 superseded by later rows with the same key",
            "1 x bad_number in volume",
            "row 2: \"x\"",
            "share their key",
            "columns not loaded: Adj",
            "load it with:",
        ] {
            assert!(run.stderr.contains(said), "{what}: {said}: {run}");
        }
        assert!(!run.stderr.contains("--dry-run"), "{what}: {run}");
        // What is in the table is told from what is new.
        let line = command(&run);
        let done = paste(work, &line, &[]);
        assert_eq!(done.status.code(), Some(3), "{what}: {line}");
        assert_eq!(store.count("bars"), Some(2), "{what}: {line}");
        work.write(
            "AAPL_1m.csv",
            "Date;Time;Open;High;Low;Close;Volume;Adj\n\
             2024-01-02;09:30;1,5;2,25;1;1,6;100;9\n2024-01-02;09:32;1,5;2,5;1;1,8;100;9\n\
             2024-01-02;09:33;1,5;2,5;1;1,75;100;9\n2024-01-02;09:34;1,5;2,5;1;1,75;100;9\n",
        );
        let run = work.mdsctl(flags).arguments(["--dry-run", "--json"]).run().expect(0);
        let json = run.json();
        let counted = |name: &str| json["rows"][name].as_u64();
        assert_eq!(
            (counted("inserted"), counted("updated"), counted("unchanged")),
            (Some(2), Some(1), Some(1)),
            "{what}: {run}"
        );
        let preview = &json["preview"];
        assert_eq!(
            (&preview["compared"]["all"], &preview["compared"]["rows"]),
            (&true.into(), &4.into()),
            "{what}: {run}"
        );
        let columns: Vec<&Value> = preview["columns"].as_array().expect("columns").iter().collect();
        let close = columns.iter().find(|column| column["target"] == "close_price").expect("a column");
        assert_eq!(
            (&close["source"][0], &close["samples"][1]["came"]),
            (&"Close".into(), &"1,8".into()),
            "{what}: {run}"
        );
        assert_eq!(close["samples"][1]["stored"], "1.8", "{what}: {run}");
        assert_eq!(store.count("bars"), Some(2), "{what}: nothing was written");
        let run =
            work.mdsctl(flags).arguments(["--dry-run", "--on-conflict", "skip", "--json"]).run().expect(0);
        let json = run.json();
        assert_eq!(
            (&json["rows"]["inserted"], &json["rows"]["skipped"]),
            (&2.into(), &2.into()),
            "{what}: {run}"
        );
    });
}

#[test]
fn the_command_is_run_by_enter_and_by_no_other_key() {
    let text = "time,price,size\n2024-01-02T14:30:00Z,5.25,3\n";
    on_both_stores(|work, store, what| {
        let dsn = store.dsn();
        work.write("AAPL.csv", text);
        let all = ["load", "AAPL.csv", "--vendor", "acme", "--dsn", &dsn];
        let asks = "Enter runs that command";
        let count = || store.try_rows("SELECT 1 FROM ticks").map_or(0, |rows| rows.len());
        for key in ["q", "\u{3}", "\u{4}", " "] {
            let mut terminal = Terminal::start(work, &all, None);
            terminal.expect(asks);
            terminal.press(key);
            let (code, said) = terminal.end();
            assert_eq!((code, count()), (2, 0), "{what}: {key:?}: {said}");
        }
        // Nobody is asked who may not be there, nor where something is left to say.
        for (arguments, variable) in [
            (&all[..], Some(("CI", "true"))),
            (&["load", "AAPL.csv", "--dsn", &dsn][..], None),
            (&["load", "AAPL.csv", "--vendor", "acme", "-q", "--dsn", &dsn][..], None),
            (&["load", "AAPL.csv", "--vendor", "acme", "--json", "--dsn", &dsn][..], None),
        ] {
            let (code, said) = Terminal::start(work, arguments, variable).end();
            assert_eq!((code, said.contains(asks)), (2, false), "{what}: {said}");
        }
        let mut terminal = Terminal::start(work, &all, None);
        terminal.expect(asks);
        terminal.press("\r");
        let (code, said) = terminal.end();
        assert_eq!((code, count()), (0, 1), "{what}: {said}");
        assert!(said.contains("Loaded 1 row of ticks"), "{what}: {said}");
        // A dry run too.
        store.rows("DELETE FROM ticks");
        let mut terminal = Terminal::start(work, &[&all[..], &["--symbol", "A", "--dry-run"]].concat(), None);
        terminal.expect(asks);
        terminal.press("\r");
        let (code, said) = terminal.end();
        assert_eq!((code, count()), (0, 1), "{what}: {said}");
    });
    let work = Work::new();
    let run = work.mdsctl(["load", &work.write("AAPL.csv", text), "--vendor", "v"]).run().expect(2);
    assert!(!run.stderr.contains("Enter runs"), "{run}");
}

#[test]
fn guesses_are_proposals_and_passwords_stay_where_they_are() {
    let text = "time,open,high,low,close\n2024-01-02T14:30:00Z,1,2,1,2\n";
    let work = Work::new();
    let store = Store::sqlite(&work);
    let dsn = store.dsn();
    for name in ["AAPL_1d.csv", "MSFT_1d.csv"] {
        work.write(&format!("binance/{name}"), text);
    }
    let run = work.mdsctl(["load", "binance", "--dsn", &dsn]).run().expect(2);
    let line = command(&run);
    assert!(line.contains("--name-pattern '{symbol}_{timeframe}'"), "{run}");
    assert!(line.contains("--vendor binance") && line.contains("# vendor from the folder's name"), "{run}");
    assert_eq!(store.try_rows("SELECT 1 FROM bars").map_or(0, |rows| rows.len()), 0, "{run}");
    let done = paste(&work, &line, &[]);
    assert_eq!(done.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    let stored = rows(&store, "SELECT vendor, symbol, timeframe FROM bars ORDER BY symbol");
    assert_eq!(stored, ["binance AAPL 1d", "binance MSFT 1d"], "{line}");

    // Words behind `--`, names with quotes in them, and a password that is not shown.
    work.write("-AAPL it's \u{1b}[2J.csv", text);
    let run = work
        .mdsctl([
            "load",
            "--dsn",
            &dsn,
            "--timeframe",
            "1d",
            "--metrics-token",
            "secret7Q",
            "--",
            "-AAPL it's \u{1b}[2J.csv",
        ])
        .run()
        .expect(2);
    assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains("secret7Q"), "{run}");
    assert!(command(&run).contains("--vendor VALUE"), "{run}");
}

#[test]
fn what_no_flag_mends_is_shown_with_what_was_found() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let path = work.write("x.csv", "alpha,beta\n1,\u{e4}\n2,b\n");
    let run = work.mdsctl(["load", &path, "--dsn", &store.dsn()]).run().expect(2);
    assert!(run.stderr.contains("found    alpha  1  2"), "{run}");
    assert!(run.stderr.contains("         beta"), "{run}");
    assert!(!run.stderr.contains("mdsctl load"), "{run}");
    assert!(run.error().contains("these columns are of no dataset"), "{run}");
    // Of a pipe nothing can be looked at a second time.
    let run =
        work.mdsctl(["load", "-", "--dsn", &store.dsn()]).stdin("time,price,size\n2024-01-02,1,2\n").run();
    assert_eq!(run.stderr.lines().filter(|line| line.contains("missing  ")).count(), 0, "{run}");
    assert!(run.error().contains("no column for"), "{run}");
}

#[test]
fn a_part_of_a_value_that_has_none_is_told() {
    on_both_stores(|work, store, what| {
        let path = work.write(
            "a.ndjson",
            "{\"t\":1704205800000,\"o\":1,\"h\":2,\"l\":1,\"c\":{\"price\":1.5},\"v\":1}\n\
             {\"t\":1704205860000,\"o\":1,\"h\":2,\"l\":1,\"c\":1.75,\"v\":1}\n",
        );
        let dsn = store.dsn();
        let flags =
            ["load", &path, "--map", "close=c.price", "--vendor", "v", "--symbol", "S", "--dsn", &dsn];
        let run = work.mdsctl(flags).run();
        let told = "1 value without the part that c.price leads to";
        let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(told) && said.contains("the first is 1.75"), "{what}: {run}");
    });
}
