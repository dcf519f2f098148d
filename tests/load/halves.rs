//! Times whose day stands in one column and whose hours or minutes stand in others: joined, or refused
//! with the way out; never the day alone, which makes one row of all rows of a day.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::harness::{Run, Store, Work, on_both_stores};

/// Takes all bars out again.
fn clear(store: &Store) {
    store.rows("DELETE FROM bars");
}

fn load(work: &Work, store: &Store, path: &str, more: &[&str]) -> Run {
    let dsn = store.dsn();
    let flags = ["load", path, "--vendor", "v", "--symbol", "A", "--dsn", &dsn];
    work.mdsctl(flags).arguments(more.iter().copied()).run()
}

/// The times of the bars, to the minute.
fn times(store: &Store) -> Vec<String> {
    let rows = store.try_rows("SELECT ts FROM bars ORDER BY ts").unwrap_or_default();
    rows.iter().map(|row| row[0].as_deref().unwrap_or("null").chars().take(16).collect()).collect()
}

fn said(run: &Run) -> String {
    run.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A file of two bars: the names before the prices, and what stands under them.
fn file(names: &str, rows: [&str; 2]) -> String {
    let rows: String = rows.iter().map(|row| format!("{row},1,2,0.5,1.5,7\n")).collect();
    format!("{names},open,high,low,close,volume\n{rows}")
}

#[test]
fn hours_and_minutes_in_columns_of_their_own_are_part_of_the_time() {
    let files = [
        ("date,hour", ["2024-01-02,9", "2024-01-02,10"], ["09:00", "10:00"]),
        ("date,Hour", ["20240102,09:00", "20240102,10:00"], ["09:00", "10:00"]),
        ("date,hour,minute", ["2024-01-02,9,30", "2024-01-02,9,31"], ["09:30", "09:31"]),
        ("minute,hour,date", ["30,9,1/13/2024", "31,9,1/13/2024"], ["09:30", "09:31"]),
        ("date,minute", ["2024-01-02,570", "2024-01-02,571"], ["09:30", "09:31"]),
        ("date,minute", ["2024-01-02,0930", "2024-01-02,0931"], ["09:30", "09:31"]),
        ("date,seconds_of_day", ["2024-01-02,34200", "2024-01-02,34260"], ["09:30", "09:31"]),
        ("date,time", ["20240102,34200", "20240102,34260"], ["09:30", "09:31"]),
        ("date,epoch", ["2024-01-02,1704187800", "2024-01-02,1704187860"], ["09:30", "09:31"]),
    ];
    on_both_stores(|work, store, what| {
        for (names, rows, clocks) in files {
            let run = load(work, store, &work.write("parts.csv", file(names, rows)), &["--timeframe", "1m"])
                .expect(0);
            let day = if rows[0].contains("13") { "2024-01-13" } else { "2024-01-02" };
            assert_eq!(times(store), clocks.map(|clock| format!("{day} {clock}")), "{what}: {names}: {run}");
            assert!(names.contains("epoch") || said(&run).contains("read together as one time"), "{run}");
            clear(store);
        }
    });
}

#[test]
fn parts_of_a_time_in_parquet_are_joined() {
    let day: ArrayRef = Arc::new(Date32Array::from(vec![19_724, 19_724]));
    let parts: [Vec<(&str, ArrayRef)>; 2] = [
        vec![
            ("hour", Arc::new(Int32Array::from(vec![9, 9]))),
            ("minute", Arc::new(Float64Array::from(vec![30.0, 31.0]))),
        ],
        vec![("minute", Arc::new(Int32Array::from(vec![570, 571])))],
    ];
    on_both_stores(|work, store, what| {
        for parts in &parts {
            let price = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value; 2])) };
            let mut columns = vec![("date", day.clone())];
            columns.extend(parts.iter().cloned());
            columns.extend([
                ("open", price(1.0)),
                ("high", price(2.0)),
                ("low", price(0.5)),
                ("close", price(1.5)),
            ]);
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let run =
                load(work, store, &work.write("parts.parquet", bytes), &["--timeframe", "1m"]).expect(0);
            assert_eq!(times(store), ["2024-01-02 09:30", "2024-01-02 09:31"], "{what}: {run}");
            clear(store);
        }
    });
}

#[test]
fn a_part_of_a_time_that_tells_none_is_no_reason_to_take_the_day_alone() {
    let files = [
        // Hours that end, and minutes of hours that nothing tells.
        ("date,hour", ["2024-01-02,1", "2024-01-02,24"]),
        ("date,minute", ["2024-01-02,30", "2024-01-02,31"]),
    ];
    on_both_stores(|work, store, what| {
        for (names, rows) in files {
            let path = work.write("parts.csv", file(names, rows));
            for more in [&[][..], &["--map", "ts=date"]] {
                let run = load(work, store, &path, &[&["--timeframe", "1m"], more].concat()).expect(2);
                assert!(run.error().contains("a part of the time of day"), "{what}: {run}");
                assert!(run.error().contains("add --map ts=date --force-set"), "{what}: {run}");
                assert!(times(store).is_empty(), "{what}: {run}");
            }
            let run =
                load(work, store, &path, &["--timeframe", "1m", "--map", "ts=date", "--force-set"]).expect(0);
            assert_eq!(times(store), ["2024-01-02 00:00"], "{what}: {run}");
            clear(store);
        }
        // Bars of days are days.
        let run =
            load(work, store, &work.write("daily.csv", file(files[0].0, files[0].1)), &["--timeframe", "1d"]);
        assert_eq!(times(store), ["2024-01-02 00:00"], "{what}: {}", run.expect(0));
    });
}

#[test]
fn half_a_time_is_never_advised() {
    on_both_stores(|work, store, what| {
        let text = file("Date,Time", ["45293,0.395833333", "45293,0.396527778"]);
        let run = load(work, store, &work.write("serial.csv", text), &["--timeframe", "1m"]).expect(2);
        assert!(
            run.error().contains("\"Date\" and \"Time\" seem to be the day and the time of day"),
            "{what}: {run}"
        );
        assert!(!run.error().contains("--map ts=COLUMN"), "{what}: {run}");
        let written = file("Date,Time", ["2024-01-02,09:30:00", "2024-01-02,09:31:00"]);
        load(work, store, &work.write("written.csv", written), &["--timeframe", "1m"]).expect(0);
        assert_eq!(times(store), ["2024-01-02 09:30", "2024-01-02 09:31"], "{what}");
    });
}

#[test]
fn a_column_that_names_the_zone_and_is_not_loaded_is_told() {
    on_both_stores(|work, store, what| {
        let text = file("ts,timezone", ["2024-01-02 09:30,EST", "2024-01-02 09:31,EST"]);
        let path = work.write("zone.csv", text);
        let run = load(work, store, &path, &["--timeframe", "1m"]).expect(0);
        let warned = "times without an offset were read as UTC, whatever \"timezone\" says: --timezone ZONE reads them";
        assert!(said(&run).contains(warned), "{what}: {run}");
        clear(store);
        let run =
            load(work, store, &path, &["--timeframe", "1m", "--timezone", "America/New_York"]).expect(0);
        assert_eq!(times(store), ["2024-01-02 14:30", "2024-01-02 14:31"], "{what}");
        assert!(!said(&run).contains("whatever"), "{what}: {run}");
    });
}

#[test]
fn names_of_later_rows_are_compared_as_those_of_the_first() {
    let rows = "{\"ts\":\"2024-01-02T09:30:00Z\",\"open\":1,\"high\":2,\"low\":0.5,\"close\":1.5,\"volume\":5}\n\
                {\"Date Time\":\"2024-01-02T09:31:00Z\",\"Open Price\":1.1,\"HIGH\":2.1,\"<low>\":0.6,\"close-price\":1.6,\"Vol.\":6}\n";
    on_both_stores(|work, store, what| {
        let run = load(work, store, &work.write("spelt.ndjson", rows), &["--timeframe", "1m"]).expect(0);
        let sql = "SELECT open_price, high_price, low_price, close_price, volume FROM bars ORDER BY ts";
        let all = store.try_rows(sql).unwrap();
        let shown: Vec<String> =
            all.iter().map(|row| row.iter().flatten().cloned().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(shown, ["1 2 0.5 1.5 5", "1.1 2.1 0.6 1.6 6"], "{what}: {run}");
        assert!(
            said(&run).contains("open_price is open in some rows and Open Price in others"),
            "{what}: {run}"
        );
    });
}

#[test]
fn a_column_that_names_the_zone_is_told_in_parquet_too() {
    let texts = |values: [&str; 2]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let price = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value; 2])) };
    let columns = [
        ("time", texts(["09:30", "09:31"])),
        ("date", texts(["2024-01-02", "2024-01-02"])),
        ("UTC offset", texts(["-5", "-5"])),
        ("close", price(1.5)),
        ("open", price(1.0)),
        ("high", price(2.0)),
        ("low", price(0.5)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    on_both_stores(|work, store, what| {
        let run = load(work, store, &work.write("zone.parquet", &bytes), &["--timeframe", "1m"]).expect(0);
        assert!(said(&run).contains("whatever \"UTC offset\" says"), "{what}: {run}");
    });
}
