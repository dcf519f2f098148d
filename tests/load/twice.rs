//! Input that says a thing twice, or in a way that was cut short: told, never chosen from in silence.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, RecordBatch};
use parquet::arrow::ArrowWriter;

use crate::harness::{Run, Store, Work, on_both_stores};

fn load(work: &Work, store: &Store, path: &str, more: &[&str]) -> Run {
    let dsn = store.dsn();
    let flags = ["load", path, "--vendor", "v", "--symbol", "A", "--timeframe", "1m", "--dsn", &dsn];
    work.mdsctl(flags).arguments(more.iter().copied()).run()
}

/// Times and closing prices of the bars.
fn bars(store: &Store) -> Vec<String> {
    let rows = store.try_rows("SELECT ts, close_price FROM bars ORDER BY ts").unwrap_or_default();
    let cell = |cell: &Option<String>| cell.as_deref().unwrap_or("null").chars().take(16).collect::<String>();
    rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect()
}

fn said(run: &Run) -> String {
    run.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

const HEADER: &str = "ts,open,high,low,close,volume";

/// Bars at these times, as lines without a header.
fn lines(times: &[&str]) -> String {
    times.iter().map(|time| format!("{time},1,2,0.5,1.5,7\n")).collect()
}

#[test]
fn a_file_whose_lines_end_in_a_carriage_return_is_refused_and_not_empty() {
    on_both_stores(|work, store, what| {
        let text = format!("{HEADER}\n{}", lines(&["2024-01-02 09:30", "2024-01-02 09:31"]));
        for (name, text, more) in [
            ("mac.csv", text.clone(), &[][..]),
            ("mac-comment.csv", format!("# made by nobody\n{text}"), &[]),
            ("mac-skipped.csv", format!("made by nobody\n{text}"), &["--skip-lines", "1"]),
        ] {
            let path = work.write(name, text.replace('\n', "\r"));
            let run = load(work, store, &path, more).expect(6);
            assert!(run.error().contains("its lines end in a carriage return alone"), "{what}: {run}");
            assert!(run.error().contains("tr '\\r' '\\n' < FILE | mdsctl load -"), "{what}: {run}");
            assert!(bars(store).is_empty(), "{what}: {run}");
        }
        // Some lines end so: among others it is a part of a name, or costs its row.
        let mixed = format!("{HEADER}\r{}", lines(&["2024-01-02 09:30", "2024-01-02 09:31"]));
        load(work, store, &work.write("mixed.csv", mixed), &[]).expect(6);
        let dsn = store.dsn();
        let piped =
            work.mdsctl(["load", "-", "--vendor", "v", "--symbol", "A", "--timeframe", "1m", "--dsn", &dsn]);
        let run = piped.stdin(text).run().expect(0);
        assert_eq!(bars(store), ["2024-01-02 09:30 1.5", "2024-01-02 09:31 1.5"], "{what}: {run}");
        let quoted = format!("ts,open,high,low,close,volume,\"a\rb\"\r\n{}", lines(&["2024-01-02 09:32"]));
        let quoted = quoted.replace(",7\n", ",7,x\r\n");
        load(work, store, &work.write("quoted.csv", quoted), &[]).expect(0);
        assert_eq!(bars(store).len(), 3, "{what}");
    });
}

#[test]
fn the_header_once_more_in_another_writing_is_no_row() {
    on_both_stores(|work, store, what| {
        let first = lines(&["2024-01-02 09:30"]);
        let last = lines(&["2024-01-02 09:31"]);
        let quoted = format!("\"{}\"", HEADER.replace(',', "\",\""));
        for again in [HEADER.to_uppercase(), quoted, HEADER.replace(',', ", "), format!("# {HEADER}")] {
            let text = format!("{HEADER}\n{first}{again}\n{last}");
            let run = load(work, store, &work.write("again.csv", text), &[]).expect(0);
            assert!(said(&run).contains("1 repeated header line passed over"), "{what}: {again}: {run}");
            assert_eq!(bars(store).len(), 2, "{what}: {again}: {run}");
            assert!(said(&run).contains("books 2 read"), "{what}: {again}: {run}");
        }
    });
}

#[test]
fn a_name_that_an_object_has_twice_is_no_choice() {
    let row = |minute: u32, more: &str| {
        format!(
            "{{\"ts\":\"2024-01-02T09:{minute}:00Z\",\"open\":1,\"high\":2,\"low\":0.5,\"close\":1.5{more}}}\n"
        )
    };
    on_both_stores(|work, store, what| {
        let text = row(30, "")
            + &row(31, ",\"close\":1.6")
            + &row(32, ",\"close\":1.5")
            + &row(33, ",\"clos\\u0065\":null");
        let run = load(work, store, &work.write("twice.ndjson", text), &["--dlq", "twice.dlq"]).expect(3);
        assert_eq!(bars(store), ["2024-01-02 09:30 1.5", "2024-01-02 09:32 1.5"], "{what}: {run}");
        assert!(said(&run).contains("2 x two_values: the row has a name twice"), "{what}: {run}");
        let raw: Vec<String> = work.dlq("twice.dlq").into_iter().filter_map(|letter| letter.raw).collect();
        assert_eq!(raw.len(), 2, "{what}: {raw:?}");
        assert!(raw[0].contains("\"close\":1.5,\"close\":1.6"), "{what}: {raw:?}");
    });
}

#[test]
fn both_of_two_values_are_in_the_dead_letter() {
    let rows = "{\"ts\":\"2024-01-02T09:30:00Z\",\"open\":1,\"high\":2,\"low\":0.5,\"close\":1.5,\"volume\":5}\n\
                {\"ts\":\"2024-01-02T09:31:00Z\",\"open\":1,\"high\":2,\"low\":0.5,\"close\":1.5,\"volume\":100,\"Volume\":6}\n";
    on_both_stores(|work, store, what| {
        let run = load(work, store, &work.write("two.ndjson", rows), &["--dlq", "two.dlq"]).expect(3);
        let letters = work.dlq("two.dlq");
        assert_eq!(letters[0].items[0]["volume"], "100 as volume, 6 as Volume", "{what}: {run}");
        // No replay chooses one of them by itself.
        let dsn = store.dsn();
        work.mdsctl(["replay-dlq", "two.dlq", "--dsn", &dsn]).run().expect(3);
        assert_eq!(bars(store).len(), 1, "{what}");
        work.mdsctl(["replay-dlq", "two.dlq", "--dsn", &dsn, "--set", "volume=6"]).run().expect(0);
        assert_eq!(bars(store).len(), 2, "{what}");
    });
}

#[test]
fn numbers_that_were_shortened_are_no_times() {
    on_both_stores(|work, store, what| {
        let text = format!(
            "{HEADER}\n{}",
            lines(&["1.61E+12", "1.61E+12", "1.704187800000000000e+09", "1.70418786E9"])
        );
        let run = load(work, store, &work.write("sheet.csv", text), &["--timestamp-unit", "s"]);
        let run = run.expect(3);
        assert!(
            said(&run).contains("2 x timestamp_form in ts: ts is a number that was shortened"),
            "{what}: {run}"
        );
        assert_eq!(bars(store), ["2024-01-02 09:30 1.5", "2024-01-02 09:31 1.5"], "{what}: {run}");
        let price = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value; 2])) };
        let single: ArrayRef = Arc::new(Float32Array::from(vec![1_704_187_800.0, 1_704_187_860.0]));
        let columns = [
            ("ts", single),
            ("open", price(1.0)),
            ("high", price(2.0)),
            ("low", price(0.5)),
            ("close", price(1.5)),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let run = load(work, store, &work.write("single.parquet", bytes), &[]).expect(3);
        assert!(
            said(&run).contains("2 x timestamp_form in ts: ts is a number that was shortened"),
            "{what}: {run}"
        );
    });
}

#[test]
fn years_of_two_digits_with_a_time_of_day_are_no_epochs() {
    on_both_stores(|work, store, what| {
        for stamps in [["2401020930", "2401020931"], ["240102093000", "240102093100"]] {
            let path = work.write("stamps.csv", format!("{HEADER}\n{}", lines(&stamps)));
            let run = load(work, store, &path, &[]).expect(3);
            assert!(said(&run).contains("--date-order ymd reads it so"), "{what}: {run}");
            assert!(bars(store).is_empty(), "{what}: {run}");
            load(work, store, &path, &["--date-order", "ymd"]).expect(0);
            assert_eq!(bars(store), ["2024-01-02 09:30 1.5", "2024-01-02 09:31 1.5"], "{what}");
            store.rows("DELETE FROM bars");
        }
    });
}
