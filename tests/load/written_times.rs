//! `--time-format`: times in a form that is spelled out, and nothing else in that column; `--decimal-comma`.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::harness::run::Run;
use crate::harness::store::{on_both_stores, on_every_store};
use crate::harness::{Store, Work};

/// What bars have beside a close.
const BARS: [&str; 8] =
    ["--dataset", "bars", "--set", "open_price=1", "--set", "high_price=1", "--set", "low_price=1"];

/// A column of times of bars, in order, in UTC without the zone.
fn stored(store: &Store, wanted: &str) -> Vec<String> {
    let query = match store {
        Store::Sqlite(_) => format!("SELECT ts FROM bars WHERE {wanted} ORDER BY ts"),
        Store::Postgres(_) => format!(
            "SELECT rtrim(rtrim(to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '0'), '.') \
             FROM bars WHERE {wanted} ORDER BY ts"
        ),
    };
    let rows = store.try_rows(&query).unwrap_or_default();
    rows.into_iter().map(|row| row[0].clone().unwrap_or_default()).collect()
}

fn load(work: &Work, store: &Store, file: &str, vendor: &str, flags: &[&str]) -> Run {
    let always = ["load", file, "--vendor", vendor, "--symbol", "S", "--timeframe", "1m", "--dsn"];
    work.mdsctl(always).arguments([store.dsn()]).arguments(BARS).arguments(flags.iter().copied()).run()
}

fn csv(work: &Work, times: &[&str]) -> String {
    let rows: String = times.iter().map(|time| format!("{time},1\n")).collect();
    work.write("a.csv", format!("time,close\n{rows}"))
}

#[test]
fn times_are_read_as_they_are_spelled_out_in_every_format_and_zone() {
    on_every_store(|work, store, workers, what| {
        for (at, (format, text, zone, expected)) in [
            ("%d.%m.%Y %Hh%M", "3.11.2024 09h30", "Europe/Berlin", "2024-11-03 08:30:00"),
            ("%m/%d/%y %I:%M:%S %p", "11/03/24 02:05:06 pm", "UTC", "2024-11-03 14:05:06"),
            ("%Y%m%d%H%M%S%3f", "20241103093000125", "Asia/Tokyo", "2024-11-03 00:30:00.125"),
            ("%s", "1730626200", "Asia/Tokyo", "2024-11-03 09:30:00"),
            ("%d %B %Y, %H:%M %z", "03 November 2024, 09:30 +0530", "Asia/Tokyo", "2024-11-03 04:00:00"),
            // What ends in a Z is UTC, whatever the zone of others.
            ("%Y.%m.%dT%H:%MZ", "2024.11.03T09:30Z", "Asia/Tokyo", "2024-11-03 09:30:00"),
            ("%H Uhr am %d.%m.%Y", "9 Uhr am 03.11.2024", "UTC", "2024-11-03 09:00:00"),
            ("%Y-%j", "2024-308", "UTC", "2024-11-03 00:00:00"),
        ]
        .into_iter()
        .enumerate()
        {
            let quoted = format!("\"{text}\"");
            let files = [
                csv(work, &[&quoted]),
                work.write("b.ndjson", format!("{{\"time\":\"{text}\",\"close\":1}}\n")),
                parquet(work, Arc::new(StringArray::from(vec![text]))),
            ];
            for (file, kind) in files.iter().zip(["csv", "ndjson", "parquet"]) {
                let vendor = format!("{kind}{at}");
                let flags = ["--time-format", format, "--timezone", zone, "--workers", workers];
                load(work, store, file, &vendor, &flags).expect(0);
                let told = stored(store, &format!("vendor = '{vendor}'"));
                assert_eq!(told, [expected], "{what}, {file}: {format}");
            }
        }
        // Numbers too, which would be refused as they are.
        let file = parquet(work, Arc::new(Int64Array::from(vec![23_112_024])));
        load(work, store, &file, "whole", &["--time-format", "%d%m%Y"]).expect(0);
        assert_eq!(stored(store, "vendor = 'whole'"), ["2024-11-23 00:00:00"], "{what}");
    });
}

fn parquet(work: &Work, times: ArrayRef) -> String {
    let close: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("time", times), ("close", close)]).expect("columns");
    let path = work.path("c.parquet");
    let file = File::create(&path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("an end");
    path.display().to_string()
}

#[test]
fn what_is_written_otherwise_costs_its_row_and_a_replay_knows_the_form() {
    on_both_stores(|work, store, what| {
        let times = ["3.11.2024 09h30", "2024-11-03 09:31", "31.2.2024 09h32", "", "3.11.2024 09h34 or so"];
        let file = csv(work, &times);
        let flags = ["--time-format", "%d.%m.%Y %Hh%M", "--timezone", "Europe/Berlin"];
        load(work, store, &file, "v", &flags).expect(3);
        assert_eq!(stored(store, "1 = 1"), ["2024-11-03 08:30:00"], "{what}");
        let letters = work.dlq(".dlq/bars.ndjson");
        let mut told: Vec<&str> = letters.iter().map(|letter| letter.error.as_str()).collect();
        told.sort_unstable();
        assert_eq!(
            told,
            [
                "ts has no value",
                "ts is a date or time that does not exist",
                "ts is not written as --time-format says, \"%d.%m.%Y %Hh%M\"",
            ],
            "{what}"
        );
        let queue = work.path(".dlq/bars.ndjson");
        let mut text = std::fs::read_to_string(&queue).expect("a queue");
        for (bad, good) in [
            ("\"2024-11-03 09:31\"", "\"3.11.2024 09h31\""),
            ("\"31.2.2024 09h32\"", "\"3.11.2024 09h32\""),
            ("\"ts\":null", "\"ts\":\"3.11.2024 09h33\""),
            (" or so", ""),
        ] {
            assert!(text.contains(bad), "{what}: {bad}: {text}");
            text = text.replace(bad, good);
        }
        std::fs::write(&queue, text).expect("mended");
        work.mdsctl(["replay-dlq", "--dsn", &store.dsn()]).run().expect(0);
        let minutes = [30, 31, 32, 33, 34].map(|minute| format!("2024-11-03 08:{minute}:00"));
        assert_eq!(stored(store, "1 = 1"), minutes, "{what}");
    });
}

#[test]
fn a_format_that_tells_no_time_is_refused_before_a_row_is_read() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let file = csv(&work, &["2024-11-03 09:30"]);
    for (format, word) in [
        ("%H:%M", "does not tell a time"),
        ("%Y-%m", "does not tell a time"),
        ("now", "does not tell a time"),
        ("%d.%m.%Y %I:%M", "%p"),
        ("%Q", "is not a format"),
        ("%Y-%m-%d %", "is not a format"),
        ("%Y-%m-%d %H:%M %Z", "--timezone"),
        ("%Y-%m-%d %H:%M:%S.%f", "%.f"),
        ("%s%3f", "does not read the times that it writes"),
        ("symbol=%Y%m%d", "column symbol does not hold times"),
        ("nothing=%Y%m%d", "has no column \"nothing\""),
        ("", "does not tell a time"),
    ] {
        let run = load(&work, &store, &file, "v", &["--time-format", format]).expect(2);
        assert!(run.error().contains(&format!("--time-format {format}")), "{format}: {run}");
        assert!(run.error().contains(word), "{format}: {run}");
    }
    let run =
        load(&work, &store, &file, "v", &["--time-format", "%Y%m%d", "--time-format", "time=%s"]).expect(2);
    assert!(run.error().contains("column ts has two formats"), "{run}");
    // What the advice of a refusal says loads.
    load(
        &work,
        &store,
        &csv(&work, &["2024-11-03 09:30:01.5"]),
        "w",
        &["--time-format", "%Y-%m-%d %H:%M:%S%.f"],
    )
    .expect(0);
    assert_eq!(stored(&store, "vendor = 'w'"), ["2024-11-03 09:30:01.5"]);
}

#[test]
fn each_column_of_a_table_has_its_own_form() {
    on_both_stores(|work, _, what| {
        let sqlite = what == "SQLite";
        let ddl = "CREATE TABLE own (id integer PRIMARY KEY, seen timestamp, due date)";
        let store = Store::holding(work, sqlite, ddl);
        let file = work.write("own.csv", "id,seen,due\n1,09h30 308/2024,\"Nov 7, 24\"\n2,,\n");
        let dsn = store.dsn();
        let run = work
            .mdsctl(["load", &file, "--table", "own", "--dsn", &dsn, "--time-format", "%Hh%M %j/%Y"])
            .run()
            .expect(2);
        assert!(run.error().contains("--time-format seen=%Hh%M %j/%Y"), "{what}: {run}");
        work.mdsctl(["load", &file, "--table", "own", "--dsn", &dsn])
            .arguments(["--time-format", "seen=%Hh%M %j/%Y", "--time-format", "due=%b %d, %y"])
            .run()
            .expect(0);
        let sql = if sqlite {
            "SELECT seen, due FROM own ORDER BY id"
        } else {
            "SELECT to_char(seen, 'YYYY-MM-DD HH24:MI:SS'), due FROM own ORDER BY id"
        };
        let some = |text: &str| Some(text.to_owned());
        let expected = [vec![some("2024-11-03 09:30:00"), some("2024-11-07")], vec![None, None]];
        assert_eq!(store.rows(sql), expected, "{what}");
    });
}

#[test]
fn a_form_of_the_day_alone_leaves_the_time_of_day_of_another_column() {
    on_both_stores(|work, store, what| {
        let file = work.write("a.csv", "day,clock,close\n3-Nov-24,09:30,1\n3-Nov-24,10:31:05,1\n");
        let flags = ["--map", "ts=day+clock", "--time-format", "%d-%b-%y", "--timezone", "America/New_York"];
        load(work, store, &file, "v", &flags).expect(0);
        assert_eq!(stored(store, "1 = 1"), ["2024-11-03 14:30:00", "2024-11-03 15:31:05"], "{what}");
    });
}

#[test]
fn a_decimal_comma_has_a_short_flag_and_the_long_one_takes_precedence() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let file = work.write("a.csv", "time;close\n2024-11-03 09:30;1,234\n");
    let close = |vendor: &str, flags: &[&str]| {
        load(&work, &store, &file, vendor, flags).expect(0);
        let rows = store.rows(&format!("SELECT close_price FROM bars WHERE vendor = '{vendor}'"));
        rows[0][0].clone().unwrap_or_default()
    };
    load(&work, &store, &file, "neither", &[]).expect(3);
    assert_eq!(close("short", &["--decimal-comma"]), "1.234");
    assert_eq!(close("long", &["--decimal", "."]), "1234");
    work.write("mdsctl.toml", "[load]\ndecimal-comma = true\ntime-format = '%Y-%m-%d %H:%M'\n");
    assert_eq!(close("file", &[]), "1.234");
    assert_eq!(close("both", &["--decimal", "."]), "1234");
}
