//! Values that became null without a word.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array, RecordBatch};
use parquet::arrow::ArrowWriter;

use crate::harness::{Store, Work, dlq};

fn parquet(work: &Work, value: ArrayRef) -> String {
    let ids: ArrayRef = Arc::new(Int32Array::from_iter_values(1..=value.len() as i32));
    let batch = RecordBatch::try_from_iter([("id", ids), ("v", value)]).expect("columns of one length");
    let path = work.write("t.parquet", "");
    let file = File::create(&path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows are written");
    writer.close().expect("the file is written");
    path
}

fn on_each(type_: &str, test: impl Fn(&Work, &Store)) {
    for sqlite in [true, false] {
        let work = Work::new();
        let store = if sqlite { Store::sqlite(&work) } else { Store::postgres() };
        let table = format!("CREATE TABLE t (id integer PRIMARY KEY, v {type_})");
        match &store {
            Store::Sqlite(path) => {
                rusqlite::Connection::open(path).expect("a file").execute_batch(&table).expect("a table");
            }
            Store::Postgres(db) => db.execute(&table),
        }
        test(&work, &store);
    }
}

/// A single of 1e38 has 39 digits, and one of 1e-45 has 45 decimals: more than a decimal of Arrow holds.
#[test]
fn extreme_singles_keep_their_value_in_a_column_of_decimals() {
    let singles = [1e-45_f32, f32::MIN_POSITIVE, 3e38, -3e38, 1.5];
    on_each("numeric", |work, store| {
        let path = parquet(work, Arc::new(Float32Array::from(singles.to_vec())));
        let flags = ["load", &path, "--table", "t", "--json", "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(0);
        let stored: Vec<Option<f32>> = store
            .rows("SELECT v FROM t ORDER BY id")
            .iter()
            .map(|row| row[0].as_deref().and_then(|text| text.parse().ok()))
            .collect();
        assert_eq!(stored, singles.map(Some), "{store}: {run}");
    });
}

/// In a column of times, beside its key: what is no number is counted, what is no time is refused.
#[test]
fn doubles_that_are_no_times_are_told_or_refused() {
    on_each("timestamp", |work, store| {
        if matches!(store, Store::Sqlite(_)) {
            // Its types are only names here.
            return;
        }
        let doubles = vec![Some(1.7e9), Some(f64::NAN), Some(1e80), None];
        let path = parquet(work, Arc::new(Float64Array::from(doubles)));
        let flags = ["load", &path, "--table", "t", "--json", "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(3);
        assert_eq!((run.books().inserted, run.books().rejected), (3, 1), "{store}: {run}");
        assert!(run.json()["notes"].to_string().contains("NaN"), "{store}: {run}");
        let queue = run.json()["dlq"]["path"].as_str().expect("a path").to_owned();
        let letters = work.dlq(&queue);
        assert_eq!(dlq::rows(&letters), 1);
        let raw = &letters[0].line;
        assert!(raw.to_string().contains("80") || raw.to_string().contains("00000000"), "{raw}");
    });
}
