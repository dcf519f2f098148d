//! The zone that a file states beside its times is that of those without an offset; where none is stated, that is told.

use crate::harness::rows::in_every_format;
use crate::harness::store::on_both_stores;
use crate::harness::{Run, Store, Work};
use crate::layouts::stored;

const UNSAID: &str = "times name no zone and are read as UTC: --timezone ZONE reads them in another one";

fn load(work: &Work, store: &Store, file: &str, flags: &[&str]) -> Run {
    work.mdsctl(["load", file, "--vendor", file, "--dsn", &store.dsn()])
        .arguments(flags.iter().copied())
        .run()
}

fn said(run: &Run) -> String {
    run.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn times(store: &Store, vendor: &str) -> Vec<String> {
    let text = stored(store);
    let of_vendor = text.lines().filter(|line| line.contains(&format!("vendor={vendor} ")));
    of_vendor.map(|line| line.split_whitespace().nth(1).expect("a time")[3..22].to_owned()).collect()
}

#[test]
fn times_are_read_in_the_zone_that_a_column_states() {
    on_both_stores(|work, store, which| {
        for zone in ["timezone", "exchange_timezone", "exchangeTimezoneName", "Time Zone"] {
            let columns = ["datetime", zone, "open", "high", "low", "close"];
            let rows: [&[&str]; 2] = [
                &["2024-01-02 10:00:00", "America/New_York", "1", "2", "0.5", "1.5"],
                &["2024-07-02 10:30:00", "America/New_York", "1", "2", "0.5", "1.5"],
            ];
            for file in in_every_format(work, &zone.replace(' ', "-"), &columns, &rows) {
                let run = load(work, store, &file, &["--symbol", "A", "--timeframe", "30m"]).expect(0);
                let expected = ["2024-01-02T15:00:00", "2024-07-02T14:30:00"];
                assert_eq!(times(store, &file), expected, "{which}, {file}: {run}");
                let told = format!("times are read in America/New_York, as {zone} says");
                assert!(said(&run).contains(&told) && !said(&run).contains("UTC:"), "{which}, {file}: {run}");
            }
        }
        // Beside the rows of a document, as Twelve Data has it.
        work.write(
            "twelve.json",
            r#"{"meta":{"symbol":"AAA","interval":"30min","exchange_timezone":"America/New_York"},"values":[{"datetime":"2024-01-02 10:00:00","open":"1","high":"2","low":"1","close":"1"}]}"#,
        );
        load(work, store, "twelve.json", &["--layout", "none"]).expect(0);
        assert_eq!(times(store, "twelve.json"), ["2024-01-02T15:00:00"], "{which}");
    });
}

/// An offset, an epoch and a day say by themselves what they mean, and a flag goes before the column.
#[test]
fn a_stated_zone_is_for_times_of_day_without_an_offset() {
    on_both_stores(|work, store, which| {
        for (name, time, zone, flags, expected) in [
            ("offset.csv", "2024-01-02T10:00:00Z", "America/New_York", &[][..], "2024-01-02T10:00:00"),
            ("epoch.csv", "1704189600", "America/New_York", &[], "2024-01-02T10:00:00"),
            ("day.csv", "2024-01-02", "America/New_York", &[], "2024-01-02T00:00:00"),
            (
                "flag.csv",
                "2024-01-02 10:00:00",
                "America/New_York",
                &["--timezone", "Asia/Tokyo"],
                "2024-01-02T01:00:00",
            ),
            ("short.csv", "2024-01-02 10:00:00", "EST", &[], "2024-01-02T10:00:00"),
        ] {
            let text = format!("date,timezone,open,high,low,close\n{time},{zone},1,2,0.5,1.5\n");
            work.write(name, text);
            let timeframe = if name == "day.csv" { "1d" } else { "1h" };
            let flags = [&["--symbol", "A", "--timeframe", timeframe][..], flags].concat();
            let run = load(work, store, name, &flags).expect(0);
            assert_eq!(times(store, name), [expected], "{which}, {name}: {run}");
            let warned = said(&run).matches("were read as UTC, whatever \"timezone\" says").count();
            assert_eq!(warned, usize::from(name == "short.csv"), "{which}, {name}: {run}");
            assert!(!said(&run).contains(UNSAID), "{which}, {name}: {run}");
        }
        // Rows of two places are read as before, and that is told.
        work.write(
            "two.csv",
            "date,timezone,open,high,low,close\n2024-01-02 10:00:00,America/New_York,1,2,0.5,1.5\n\
             2024-01-02 11:00:00,Asia/Tokyo,1,2,0.5,1.5\n",
        );
        let run = load(work, store, "two.csv", &["--symbol", "A", "--timeframe", "1h"]).expect(0);
        assert_eq!(times(store, "two.csv"), ["2024-01-02T10:00:00", "2024-01-02T11:00:00"], "{which}");
        assert!(said(&run).contains("whatever \"timezone\" says"), "{which}: {run}");
    });
}

/// Times of day without any zone are told once a load; days, epochs and columns called by UTC are not.
#[test]
fn times_without_a_zone_are_told_once() {
    on_both_stores(|work, store, which| {
        let columns = ["datetime", "open", "high", "low", "close"];
        let rows: [&[&str]; 2] = [
            &["2024-01-02 10:00:00", "1", "2", "0.5", "1.5"],
            &["2024-01-02 10:30:00", "1", "2", "0.5", "1.5"],
        ];
        for file in in_every_format(work, "plain", &columns, &rows) {
            let run = load(work, store, &file, &["--symbol", "A"]).expect(0);
            assert_eq!(
                times(store, &file),
                ["2024-01-02T10:00:00", "2024-01-02T10:30:00"],
                "{which}, {file}"
            );
            assert_eq!(said(&run).matches(UNSAID).count(), 1, "{which}, {file}: {run}");
            let run = load(work, store, &file, &["--symbol", "A", "--timezone", "UTC"]).expect(0);
            assert!(!said(&run).contains(UNSAID), "{which}, {file}: {run}");
        }
        let both =
            ["load", "plain.csv", "plain.json", "--vendor", "both", "--symbol", "A", "--dsn", &store.dsn()]
                .map(str::to_owned);
        let run = work.mdsctl(both).run().expect(0);
        assert_eq!(said(&run).matches(UNSAID).count(), 1, "{which}: {run}");
        for (name, column, time, timeframe) in [
            ("days.csv", "date", "2024-01-02", "1d"),
            ("midnights.csv", "date", "2024-01-02 00:00:00", "1d"),
            ("epochs.csv", "date", "1704189600", "1h"),
            ("utc.csv", "timestamp_utc", "2024-01-02 10:00:00", "1h"),
            ("offset.csv", "date", "2024-01-02 10:00:00+02:00", "1h"),
        ] {
            work.write(name, format!("{column},open,high,low,close\n{time},1,2,0.5,1.5\n"));
            let run = load(work, store, name, &["--symbol", "A", "--timeframe", timeframe]).expect(0);
            assert!(!said(&run).contains(UNSAID), "{which}, {name}: {run}");
        }
    });
}

/// A tail reads its rows in the zone that they state, and what was refused is replayed in it.
#[test]
fn a_tail_and_a_replay_keep_to_the_zone_that_rows_state() {
    on_both_stores(|work, store, which| {
        let row = |minute: u32, close: &str| {
            format!("2024-01-02 10:{minute}:00,America/New_York,1,2,0.5,{close}\n")
        };
        let dsn = store.dsn();
        let tail = [
            "tail",
            "t.csv",
            "--vendor",
            "t",
            "--symbol",
            "A",
            "--timeframe",
            "1m",
            "--idle-exit",
            "1s",
            "--dlq",
            "d.ndjson",
            "--dsn",
            &dsn,
        ];
        let head = format!("date,timezone,open,high,low,close\n{}{}", row(10, "1.5"), row(11, "x"));
        work.write("t.csv", &head);
        let run = work.mdsctl(tail).run();
        assert!(run.code == 3 || run.code == 0, "{which}: {run}");
        work.write("t.csv", format!("{head}{}", row(12, "1.5")));
        work.mdsctl(tail).run();
        work.mdsctl(["replay-dlq", "d.ndjson", "--set", "close_price=1.5", "--dsn", &dsn]).run().expect(0);
        let expected = ["2024-01-02T15:10:00", "2024-01-02T15:11:00", "2024-01-02T15:12:00"];
        assert_eq!(times(store, "t"), expected, "{which}");
    });
}
