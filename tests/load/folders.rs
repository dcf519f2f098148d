//! What stands in directories beside the rows, and in their names.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::harness::{Work, on_every_store};

const HEADER: &str = "ts,symbol,open,high,low,close,volume\n";

fn bars(day: u32) -> String {
    format!("{HEADER}2024-01-{day:02}T00:00:00Z,A,1,1,1,1,{day}\n")
}

/// A day without trades is an empty file, and no fault of the others; nor is what Spark leaves beside its own.
#[test]
fn empty_files_and_markers_among_others_are_no_errors() {
    on_every_store(|work, store, _, what| {
        work.write("d/2024-01-01.csv", bars(1));
        work.write("d/2024-01-02.csv", "");
        work.write("d/2024-01-03.csv", "\n\r\n  \n\n");
        work.write("d/2024-01-04.ndjson", "");
        work.write("d/2024-01-05.parquet", "");
        work.write("d/2024-01-06.csv", bars(6));
        work.write("d/_SUCCESS", "");
        work.write("d/_delta_log/00000000000000000000.json", "{\"commitInfo\":{}}\n");
        work.write("d/x.csv.crc", [1, 2, 3]);
        work.write("e/a.csv", "");
        work.write("e/b.csv", "");
        for input in ["d/*", "d"] {
            let flags = ["load", input, "--recursive", "--vendor", "v", "--timeframe", "1d", "--json"];
            let run = work.mdsctl(flags).arguments(["--dsn", &store.dsn()]).run().expect(0);
            assert_eq!(run.books().read, 2, "{what}: {run}");
            assert_eq!(store.count("bars"), Some(2), "{what}: {run}");
            assert!(run.json()["notes"].to_string().contains("2024-01-02.csv: the file is empty"), "{run}");
            let words = "left out were 3 files or folders that writers leave beside their data (such as ";
            assert!(run.json()["notes"].to_string().contains(&format!("{input}: {words}")), "{what}: {run}");
        }
        // Nothing at all is a mistake.
        for flags in [&["--dataset", "bars"][..], &[]] {
            let run =
                work.mdsctl(["load", "e", "--vendor", "v", "--dsn", &store.dsn()]).arguments(flags.to_vec());
            run.run().expect(6);
        }
    });
}

/// `symbol=AAPL/date=2024-01-02/`, with what a folder cannot be called escaped.
#[test]
fn folders_of_a_partitioned_table_are_columns() {
    on_every_store(|work, store, _, what| {
        let rows = "time,open,high,low,close,volume\n09:30:00,1,1,1,1,1\n09:31:00,1,1,1,1,2\n";
        work.write("h/symbol=AAPL/date=2024-01-02/part-0.csv", rows);
        work.write("h/symbol=BRK%2FB/year=2024/month=1/day=3/part-0.csv", rows);
        let ndjson = r#"{"open":1,"high":1,"low":1,"close":1,"volume":3,"ts":"2024-01-04T09:30:00Z"}"#;
        work.write("h/symbol=C/x.ndjson", ndjson);
        let flags = ["load", "h", "--recursive", "--vendor", "v", "--timeframe", "1m", "--json"];
        let run = work.mdsctl(flags).arguments(["--dsn", &store.dsn()]).run().expect(0);
        let stored =
            store.rows("SELECT symbol, count(*), min(volume) FROM bars GROUP BY symbol ORDER BY symbol");
        let symbols: Vec<&str> = stored.iter().filter_map(|row| row[0].as_deref()).collect();
        assert_eq!(symbols, ["AAPL", "BRK/B", "C"], "{what}: {run}");
        assert_eq!(stored[0][1].as_deref(), Some("2"), "{what}: {run}");
        let days = store.rows("SELECT count(*) FROM bars WHERE ts >= '2024-01-03' AND ts < '2024-01-04'");
        assert_eq!(days[0][0].as_deref(), Some("2"), "{what}: {run}");
        assert!(run.json()["deductions"].to_string().contains("names of folders"), "{run}");
        // A default partition has rows without the value, and a flag goes before a folder.
        work.write("n/symbol=__HIVE_DEFAULT_PARTITION__/date=2024-01-02/x.csv", rows);
        let flags = ["load", "n", "--recursive", "--vendor", "v", "--timeframe", "1m", "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(3);
        assert!(run.stderr.contains("symbol has no value"), "{what}: {run}");
        work.mdsctl(flags).arguments(["--symbol", "D"]).run().expect(0);
        let stored = store.rows("SELECT count(*) FROM bars WHERE symbol = 'D'");
        assert_eq!(stored[0][0].as_deref(), Some("2"), "{what}");
    });
}

fn odd(name: &str) -> OsString {
    OsString::from_vec(name.replace('?', "\u{1}").bytes().map(|b| if b == 1 { 0xE9 } else { b }).collect())
}

fn write_odd(work: &Work, name: &str, text: &str) {
    let path = work.path("d").join(odd(name));
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(path, text).expect("a file");
}

/// Names of an old machine, in Latin-1: by themselves, by globs, in directories; loaded, followed, and as queues.
#[test]
fn files_whose_names_are_no_utf_8_are_loaded() {
    on_every_store(|work, store, _, what| {
        write_odd(work, "caf?.csv", &bars(1));
        write_odd(work, "p?re/m?re.csv", &bars(2));
        let flags = ["--vendor", "v", "--timeframe", "1d", "--json", "--dsn", &store.dsn()];
        let mut name = OsString::from("d/");
        name.push(odd("caf?.csv"));
        let mut folder = OsString::from("d/");
        folder.push(odd("p?re"));
        for (input, rows) in [
            (name.clone(), 1),
            (folder, 1),
            ("d/*.csv".into(), 1),
            ("d/caf?.csv".into(), 1),
            ("d/*/*.csv".into(), 1),
            ("d/**/*.csv".into(), 2),
            ("d".into(), 2),
        ] {
            let run = work.mdsctl(["load", "--recursive"]).arguments([input]).arguments(flags);
            let run = run.run().expect(0);
            assert_eq!(run.books().read, rows, "{what}: {run}");
            assert!(run.json()["inputs"].to_string().contains("\\\\xE9"), "{what}: {run}");
        }
        assert_eq!(store.count("bars"), Some(2), "{what}");
        // A bad row tells where it stands, in a queue with such a name.
        write_odd(work, "caf?.csv", &(bars(3) + "2024-01-09T00:00:00Z,A,x,1,1,1,1\n"));
        let queue = work.path("d").join(odd("q?.ndjson")).into_os_string();
        let places = work.path("places.json");
        for command in
            [&["load"][..], &["tail", "--idle-exit", "50ms", "--checkpoint", places.to_str().expect("UTF-8")]]
        {
            let run = work.mdsctl(command.to_vec()).arguments([name.clone(), "--dlq".into(), queue.clone()]);
            let run = run.arguments(flags).run().expect(3);
            assert_eq!(run.books().read, 2, "{what}: {run}");
        }
        let run = work.mdsctl(["inspect-dlq", "d/q?.ndjson", "--json"]).run().expect(0);
        assert!(run.stdout.contains("caf\\\\xE9.csv"), "{what}: {run}");
        let run = work.mdsctl(["replay-dlq"]).arguments([queue, "--dsn".into(), store.dsn().into()]).run();
        assert!([0, 3].contains(&run.code), "{what}: {run}");
        let saved = std::fs::read_to_string(&places).expect("a checkpoint file");
        assert!(saved.contains("233"), "{saved}");
    });
}

/// A flag must not take the place of what the folders say without a word, and rows that say it themselves are told.
#[test]
fn folders_that_say_otherwise_than_a_flag_or_the_rows() {
    on_every_store(|work, store, _, what| {
        let header = "ts,vendor,timeframe,open,high,low,close,volume";
        work.write("h/symbol=AAPL/a.csv", format!("{header}\n2024-01-02,v,1d,1,1,1,1,1\n"));
        work.write("h/symbol=MSFT/b.csv", format!("{header}\n2024-01-03,v,1d,2,2,2,2,2\n"));
        let load = |flags: &[&str]| {
            let run = work.mdsctl(["load", "h", "--recursive", "--json", "--dsn", &store.dsn()]);
            run.arguments(flags.to_vec()).run()
        };
        let run = load(&["--symbol", "Z"]).expect(2);
        assert_eq!(store.count("bars").unwrap_or(0), 0, "{what}: {run}");
        let said = run.to_string();
        assert!(said.contains("symbol=AAPL") && said.contains("--force-set"), "{what}: {said}");
        load(&[]).expect(0);
        let symbols = "SELECT DISTINCT symbol FROM bars ORDER BY symbol";
        assert_eq!(store.rows(symbols), [[Some("AAPL".into())], [Some("MSFT".into())]], "{what}");
        load(&["--symbol", "Z", "--force-set"]).expect(0);
        assert_eq!(
            store.rows("SELECT count(*) FROM bars WHERE symbol = 'Z'"),
            [[Some("2".into())]],
            "{what}"
        );
        work.write("g/symbol=AAPL/a.csv", format!("{header},symbol\n2024-01-02,v,1d,1,1,1,1,1,GOOG\n"));
        let run = work.mdsctl(["load", "g", "--recursive", "--json", "--dsn", &store.dsn()]).run().expect(0);
        assert!(run.json()["notes"].to_string().contains("symbol comes from the rows"), "{what}: {run}");
    });
}
