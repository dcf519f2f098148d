//! Times that stand for the day of the place they are written at: bars of days, weeks and months.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray};

use crate::harness::rows;
use crate::harness::store::on_both_stores;
use crate::harness::{Store, Work};
use crate::layouts::stored;

/// Bars at these times.
fn in_every_format(work: &Work, name: &str, times: &[&str]) -> Vec<String> {
    let rows: Vec<[&str; 5]> = times.iter().map(|time| [time, "1", "2", "0.5", "1.5"]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
    rows::in_every_format(work, name, &["time", "open", "high", "low", "close"], &rows)
}

fn parquet(work: &Work, name: &str, times: ArrayRef) {
    let column = |value: f64| Arc::new(Float64Array::from(vec![value; times.len()])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("time", times.clone()),
        ("open", column(1.0)),
        ("high", column(2.0)),
        ("low", column(0.5)),
        ("close", column(1.5)),
    ])
    .expect("a batch");
    rows::parquet(work, name, &batch);
}

fn bar(ts: &str, symbol: &str, timeframe: &str) -> String {
    format!(
        "bars ts={ts}.000000Z vendor=v symbol={symbol} timeframe={timeframe} open_price=1 high_price=2 \
         low_price=0.5 close_price=1.5\n"
    )
}

/// Loads a file under a symbol, and says which bars are then there.
fn load(work: &Work, store: &Store, file: &str, flags: &[&str], code: i32) -> (String, String) {
    let symbol = file.to_ascii_uppercase().replace('.', "-");
    let arguments = ["load", file, "--vendor", "v", "--symbol", &symbol, "--dsn", &store.dsn()];
    let run = work.mdsctl(arguments).arguments(flags.iter().copied()).run().expect(code);
    let of_file = |line: &&str| line.contains(&format!("symbol={symbol} "));
    let lines: Vec<String> = stored(store).lines().filter(of_file).map(|line| format!("{line}\n")).collect();
    (lines.concat(), run.stderr)
}

/// Midnights of London are days in winter, where they are those of UTC, and in summer.
#[test]
fn bars_of_days_weeks_and_months_are_stored_under_the_day_of_their_place() {
    let days = [
        "2023-03-23 00:00:00+00:00",
        "2023-03-24 00:00:00+00:00",
        "2023-03-27 00:00:00+01:00",
        "2023-03-28 00:00:00+01:00",
    ];
    let weeks = [
        "2023-03-13 00:00:00+00:00",
        "2023-03-20 00:00:00+00:00",
        "2023-03-27 00:00:00+01:00",
        "2023-04-03 00:00:00+01:00",
    ];
    let months = [
        "2023-01-01T00:00:00Z",
        "2023-02-01T00:00:00Z",
        "2023-04-01T00:00:00+01:00",
        "2023-05-01T00:00:00+01:00",
    ];
    // Where the clocks were put forward at midnight, the day began an hour later.
    let put_forward = [
        "2017-10-13 00:00:00-03:00",
        "2017-10-14 00:00:00-03:00",
        "2017-10-15 01:00:00-02:00",
        "2017-10-16 00:00:00-02:00",
    ];
    on_both_stores(|work, store, which| {
        for (name, timeframe, times) in
            [("d", "1d", days), ("w", "1w", weeks), ("m", "1mo", months), ("p", "1d", put_forward)]
        {
            for (at, file) in in_every_format(work, name, &times).iter().enumerate() {
                // Whether it is said or not.
                let flags: &[&str] = if at % 2 == 0 { &["--timeframe", timeframe] } else { &[] };
                let (bars, said) = load(work, store, file, flags, 0);
                let symbol = file.to_ascii_uppercase().replace('.', "-");
                let expected =
                    times.map(|time| bar(&format!("{}T00:00:00", &time[..10]), &symbol, timeframe));
                assert_eq!(bars, expected.concat(), "{which}, {file}");
                assert!(said.contains("of which the day is stored"), "{which}, {file}: {said}");
            }
        }
    });
}

/// Instants that a column of Parquet shows in a zone are days as the same times in text are.
#[test]
fn instants_in_a_zone_that_are_midnights_there_are_days() {
    // 2024-03-29 and, behind the change of clocks, 2024-04-01 and 2024-04-02 in London.
    let times = [1_711_670_400_000_000, 1_711_926_000_000_000, 1_712_012_400_000_000];
    on_both_stores(|work, store, which| {
        let column = |zone: &str| {
            Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone(zone)) as ArrayRef
        };
        for (name, zone) in [("london.parquet", "Europe/London"), ("utc.parquet", "UTC")] {
            parquet(work, name, column(zone));
            let (bars, _) = load(work, store, name, &["--timeframe", "1d"], 0);
            let second = if zone == "UTC" {
                ["2024-03-31T23", "2024-04-01T23"]
            } else {
                ["2024-04-01T00", "2024-04-02T00"]
            };
            let symbol = name.to_ascii_uppercase().replace('.', "-");
            let expected =
                ["2024-03-29T00", second[0], second[1]].map(|ts| bar(&format!("{ts}:00:00"), &symbol, "1d"));
            assert_eq!(bars, expected.concat(), "{which}, {name}");
        }
    });
}

/// A time of day is not cut off to make a day, whatever its offset; several a day are no bars of days.
#[test]
fn times_that_are_no_midnight_stay_and_several_a_day_are_no_bars_of_days() {
    let noon = [
        "2023-03-13 15:00:00+00:00",
        "2023-03-13 16:00:00+00:00",
        "2023-03-28 15:00:00+01:00",
        "2023-03-28 16:00:00+01:00",
    ];
    let closes = ["2023-03-13 16:30:00+00:00", "2023-03-14 16:30:00+00:00", "2023-03-28 16:30:00+01:00"];
    on_both_stores(|work, store, which| {
        for file in in_every_format(work, "noon", &noon) {
            let (bars, said) = load(work, store, &file, &["--timeframe", "1d"], 2);
            assert!(bars.is_empty(), "{which}, {file}: {bars}");
            assert!(
                said.contains(
                    "column \"time\" has 4 times of day on 2 days, so these are no bars of 1d, which have one a day"
                ),
                "{which}, {file}: {said}"
            );
            let (bars, _) = load(work, store, &file, &[], 0);
            let symbol = file.to_ascii_uppercase().replace('.', "-");
            let expected = ["2023-03-13T15", "2023-03-13T16", "2023-03-28T14", "2023-03-28T15"]
                .map(|ts| bar(&format!("{ts}:00:00"), &symbol, "1h"));
            assert_eq!(bars, expected.concat(), "{which}, {file}");
        }
        for file in in_every_format(work, "closes", &closes) {
            let (bars, said) = load(work, store, &file, &["--timeframe", "1d"], 0);
            let symbol = file.to_ascii_uppercase().replace('.', "-");
            let expected = ["2023-03-13T16", "2023-03-14T16", "2023-03-28T15"]
                .map(|ts| bar(&format!("{ts}:30:00"), &symbol, "1d"));
            assert_eq!(bars, expected.concat(), "{which}, {file}: {said}");
        }
        // In a zone that is given, a close is one of its day; several a day are none there either.
        work.write(
            "in_zone.csv",
            "time,open,high,low,close\n2024-01-02 16:00:00,1,2,0.5,1.5\n2024-01-03 16:00:00,1,2,0.5,1.5\n",
        );
        let flags = ["--timeframe", "1d", "--timezone", "Asia/Tokyo"];
        let (bars, _) = load(work, store, "in_zone.csv", &flags, 0);
        let expected = ["2024-01-02T00:00:00", "2024-01-03T00:00:00"].map(|ts| bar(ts, "IN_ZONE-CSV", "1d"));
        assert_eq!(bars, expected.concat(), "{which}");
        work.write(
            "hours.csv",
            "time,open,high,low,close\n2024-01-02 15:00:00,1,2,0.5,1.5\n2024-01-02 16:00:00,1,2,0.5,1.5\n",
        );
        let (bars, said) = load(work, store, "hours.csv", &flags, 2);
        assert!(bars.is_empty() && said.contains("has 2 times of day on 1 day"), "{which}: {said}");
    });
}

/// A row says itself that it is one of a week; the row beside it, of an hour, keeps its time. One that was refused is
/// read by its place when it is replayed.
#[test]
fn the_timeframe_of_a_row_tells_whether_its_midnight_is_a_day() {
    on_both_stores(|work, store, which| {
        work.write(
            "r.csv",
            "time,interval,open,high,low,close\n2023-03-27 00:00:00+01:00,1w,1,2,0.5,1.5\n\
             2023-03-27 00:00:00+01:00,1h,1,2,0.5,1.5\n2023-03-27 09:00:00+01:00,1h,1,2,0.5,1.5\n\
             2023-04-03 00:00:00+01:00,1w,1,2,0.5,x\n2023-04-10 00:00:00+01:00,1w,1,2,0.5,1.5\n",
        );
        load(work, store, "r.csv", &["--dlq", "d.ndjson"], 3);
        let arguments = ["replay-dlq", "d.ndjson", "--set", "close_price=1.5", "--dsn", &store.dsn()];
        work.mdsctl(arguments).run().expect(0);
        let mut expected = [
            bar("2023-03-26T23:00:00", "R-CSV", "1h"),
            bar("2023-03-27T00:00:00", "R-CSV", "1w"),
            bar("2023-03-27T08:00:00", "R-CSV", "1h"),
            bar("2023-04-03T00:00:00", "R-CSV", "1w"),
            bar("2023-04-10T00:00:00", "R-CSV", "1w"),
        ];
        expected.sort();
        assert_eq!(stored(store), expected.concat(), "{which}");
    });
}

/// Rows that are followed one by one are days as those of a load are.
#[test]
fn a_tail_stores_the_day_of_a_place_too() {
    on_both_stores(|work, store, which| {
        let head = "time,open,high,low,close\n2023-03-13 00:00:00+00:00,1,2,0.5,1.5\n";
        work.write("grows.csv", head);
        let dsn = store.dsn();
        let arguments = [
            "tail",
            "grows.csv",
            "--vendor",
            "v",
            "--symbol",
            "A",
            "--timeframe",
            "1w",
            "--idle-exit",
            "1s",
            "--dsn",
            &dsn,
        ];
        work.mdsctl(arguments).run().expect(0);
        work.write("grows.csv", format!("{head}2023-03-27 00:00:00+01:00,1,2,0.5,1.5\n"));
        work.mdsctl(arguments).run().expect(0);
        let expected = ["2023-03-13T00:00:00", "2023-03-27T00:00:00"].map(|ts| bar(ts, "A", "1w"));
        assert_eq!(stored(store), expected.concat(), "{which}");
    });
}

/// A table of the user's own has the instants that are written, midnight or not.
#[test]
fn midnights_of_an_own_table_stay_instants() {
    for sqlite in [true, false] {
        let work = Work::new();
        let store = Store::holding(&work, sqlite, "CREATE TABLE own (at timestamptz PRIMARY KEY, n bigint)");
        work.write("o.csv", "at,n\n2023-03-27 00:00:00+01:00,1\n2023-03-28 00:00:00+01:00,2\n");
        work.mdsctl(["load", "o.csv", "--table", "own", "--dsn", &store.dsn()]).run().expect(0);
        let query = match sqlite {
            true => "SELECT substr(at, 1, 19), n FROM own ORDER BY n",
            false => "SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), n FROM own ORDER BY n",
        };
        let row = |at: &str, n: &str| vec![Some(at.to_owned()), Some(n.to_owned())];
        assert_eq!(
            store.rows(query),
            [row("2023-03-26 23:00:00", "1"), row("2023-03-27 23:00:00", "2")],
            "sqlite: {sqlite}"
        );
    }
}
