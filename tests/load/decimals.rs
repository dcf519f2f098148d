//! Numbers are exact from the text of the input to the number in the store.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::harness::truth::number;
use crate::harness::{Store, Work, on_every_store};

/// Numbers as input files have them, and the same in plain notation.
const NUMBERS: [(&str, &str); 14] = [
    ("0.1", "0.1"),
    ("187.14999389648438", "187.14999389648438"),
    ("0.123456789012345678", "0.123456789012345678"),
    ("123456789012345678.123456789012345678", "123456789012345678.123456789012345678"),
    ("1234567890123456789012345678901234567.5", "1234567890123456789012345678901234567.5"),
    ("9007199254740993", "9007199254740993"),
    ("0.000000000000000001", "0.000000000000000001"),
    ("1e-9", "0.000000001"),
    ("1.5E3", "1500"),
    ("2.50", "2.5"),
    ("100", "100"),
    ("5.0", "5"),
    ("0.30000000000000004", "0.30000000000000004"),
    ("99999999999.99999999", "99999999999.99999999"),
];

fn load(work: &Work, store: &Store, workers: &str, path: &str) {
    let flags = ["load", path, "--json", "--dataset", "bars", "--vendor", "v", "--timeframe", "1m"];
    let program = work.mdsctl(flags).arguments(["--workers", workers, "--dsn", &store.dsn()]);
    program.run().expect(0).books();
}

/// The numbers of two columns, in the order of time.
fn stored(store: &Store) -> Vec<[String; 2]> {
    let rows = store.rows("SELECT open_price, volume FROM bars ORDER BY ts");
    let text = |value: &Option<String>| number(value.as_deref().unwrap_or("NULL"));
    rows.iter().map(|row| [text(&row[0]), text(&row[1])]).collect()
}

fn expected() -> Vec<[String; 2]> {
    NUMBERS.iter().map(|(_, plain)| [plain.to_string(), plain.to_string()]).collect()
}

#[test]
fn of_csv() {
    on_every_store(|work, store, workers, what| {
        let mut csv = String::from("ts,symbol,open,high,low,close,volume\n");
        for (minute, (text, _)) in NUMBERS.iter().enumerate() {
            csv += &format!("2024-03-04T14:{minute:02}:00Z,AAPL,{text},1,1,1,{text}\n");
        }
        load(work, store, workers, &work.write("numbers.csv", csv));
        assert_eq!(stored(store), expected(), "{what}");
    });
}

#[test]
fn of_ndjson_as_numbers_and_as_text() {
    on_every_store(|work, store, workers, what| {
        let mut json = String::new();
        for (minute, (text, _)) in NUMBERS.iter().enumerate() {
            json += &format!(
                "{{\"ts\":\"2024-03-04T14:{minute:02}:00Z\",\"symbol\":\"AAPL\",\"open\":{text},\
                 \"high\":1,\"low\":1,\"close\":1,\"volume\":\"{text}\"}}\n"
            );
        }
        load(work, store, workers, &work.write("numbers.ndjson", json));
        assert_eq!(stored(store), expected(), "{what}");
    });
}

#[test]
fn of_parquet_floats_by_their_shortest_form() {
    on_every_store(|work, store, workers, what| {
        let texts = ["187.15", "0.1", "3.4028235e38", "1e-7", "16777216"];
        let double = texts.map(|text| text.parse::<f64>().expect("a double"));
        let single = texts.map(|text| text.parse::<f32>().expect("a float"));
        let minutes = (0..texts.len()).map(|m| format!("2024-03-04T14:{m:02}:00Z"));
        let text = |values: Vec<String>| Arc::new(StringArray::from(values)) as ArrayRef;
        let ones = || Arc::new(Float64Array::from(vec![1.0; texts.len()])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("ts", text(minutes.collect())),
            ("symbol", text(vec!["AAPL".into(); texts.len()])),
            ("open", Arc::new(Float32Array::from(single.to_vec())) as ArrayRef),
            ("high", ones()),
            ("low", ones()),
            ("close", ones()),
            ("volume", Arc::new(Float64Array::from(double.to_vec())) as ArrayRef),
        ])
        .expect("a batch");
        let path = work.write("floats.parquet", "");
        let file = File::create(&path).expect("a file");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("rows are written");
        writer.close().expect("the file is whole");
        load(work, store, workers, &path);
        let plain = ["187.15", "0.1", "340282350000000000000000000000000000000", "0.0000001", "16777216"];
        let expected: Vec<[String; 2]> = plain.map(|text| [text.to_string(), text.to_string()]).to_vec();
        assert_eq!(stored(store), expected, "{what}");
    });
}

#[test]
fn empty_and_not_a_number_are_null() {
    on_every_store(|work, store, workers, what| {
        let nulls = ["", "NaN", "nan", "null", "\\N", "None", "-", "inf"];
        let mut csv = String::from("ts,symbol,open,high,low,close,volume\n");
        for (minute, text) in nulls.iter().enumerate() {
            csv += &format!("2024-03-04T14:{minute:02}:00Z,NAN,1,1,1,1,{text}\n");
        }
        load(work, store, workers, &work.write("nulls.csv", csv));
        let rows = store.rows("SELECT volume FROM bars WHERE symbol = 'NAN'");
        assert_eq!(rows, vec![vec![None]; nulls.len()], "{what}");
    });
}
