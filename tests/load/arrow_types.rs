//! What every type of a Parquet file is as text, told here by hand: loaded, and refused and replayed.

use std::fs::File;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{ArrowPrimitiveType, Float16Type, Int64Type, i256};
use parquet::arrow::ArrowWriter;

use crate::harness::{Postgres, Store, Work};

/// Three rows of each type, the last one null, and the texts that they are.
fn cases() -> Vec<(ArrayRef, [&'static str; 2])> {
    macro_rules! of {
        ($type:ident, $first:expr, $second:expr) => {
            Arc::new($type::from(vec![Some($first), Some($second), None])) as ArrayRef
        };
    }
    let half = |value: f32| <Float16Type as ArrowPrimitiveType>::Native::from_f32(value);
    let decimals: Decimal128Array = vec![Some(-1_250), Some(10), None].into();
    let wide = Decimal256Array::from(vec![
        Some(i256::from_string(&"1234567890".repeat(7)).expect("70 digits")),
        Some(i256::from_i128(-500)),
        None,
    ]);
    let values = StringArray::from(vec!["buy", "sell"]);
    let sides = DictionaryArray::<Int64Type>::new(vec![Some(1), Some(0), None].into(), Arc::new(values));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), None]),
        Some(Vec::new()),
        None,
    ]);
    vec![
        (of!(BooleanArray, true, false), ["true", "false"]),
        (of!(Int8Array, -128, 7), ["-128", "7"]),
        (of!(Int16Array, -32_768, 7), ["-32768", "7"]),
        (of!(Int32Array, i32::MIN, 7), ["-2147483648", "7"]),
        (of!(Int64Array, i64::MIN, 7), ["-9223372036854775808", "7"]),
        (of!(UInt8Array, 255, 0), ["255", "0"]),
        (of!(UInt16Array, 65_535, 0), ["65535", "0"]),
        (of!(UInt32Array, u32::MAX, 0), ["4294967295", "0"]),
        (of!(UInt64Array, u64::MAX, 0), ["18446744073709551615", "0"]),
        (of!(Float16Array, half(1.5), half(-0.25)), ["1.5", "-0.25"]),
        (of!(Float32Array, 0.1, 1e10), ["0.1", "10000000000"]),
        (of!(Float64Array, 0.1, -2.5e-7), ["0.1", "-0.00000025"]),
        (Arc::new(decimals.clone().with_precision_and_scale(38, 3).expect("a scale")), ["-1.25", "0.01"]),
        (Arc::new(decimals.with_precision_and_scale(9, 0).expect("a scale")), ["-1250", "10"]),
        (
            Arc::new(wide.with_precision_and_scale(76, 2).expect("a scale")),
            ["12345678901234567890123456789012345678901234567890123456789012345678.9", "-5"],
        ),
        (of!(Date32Array, 19_724, -1), ["2024-01-02", "1969-12-31"]),
        (
            of!(TimestampMillisecondArray, 1_704_205_800_250, 0),
            ["2024-01-02T14:30:00.250", "1970-01-01T00:00:00"],
        ),
        (
            of!(TimestampMicrosecondArray, 1_704_205_800_000_001, 0),
            ["2024-01-02T14:30:00.000001", "1970-01-01T00:00:00"],
        ),
        (
            Arc::new(
                TimestampNanosecondArray::from(vec![Some(1_704_205_800_000_000_001), Some(0), None])
                    .with_timezone("UTC"),
            ),
            ["2024-01-02T14:30:00.000000001Z", "1970-01-01T00:00:00Z"],
        ),
        (of!(Time32MillisecondArray, 34_200_250, 0), ["09:30:00.250", "00:00:00"]),
        (of!(Time64MicrosecondArray, 34_200_000_001, 0), ["09:30:00.000001", "00:00:00"]),
        (of!(Time64NanosecondArray, 34_200_000_000_001, 0), ["09:30:00.000000001", "00:00:00"]),
        (of!(BinaryArray, &b"abc"[..], "Füße".as_bytes()), ["abc", "Füße"]),
        (of!(LargeBinaryArray, &b"abc"[..], &b"d"[..]), ["abc", "d"]),
        (of!(StringArray, "a,b", ""), ["a,b", ""]),
        (of!(LargeStringArray, "1e5", "\\N"), ["1e5", "\\N"]),
        (
            of!(StringViewArray, "a text of more than twelve bytes", "b"),
            ["a text of more than twelve bytes", "b"],
        ),
        (Arc::new(sides), ["sell", "buy"]),
        (Arc::new(lists), ["[1,null]", "[]"]),
    ]
}

#[test]
fn every_type_is_the_text_that_it_is_loaded_or_refused_and_replayed() {
    let cases = cases();
    let names: Vec<String> = (0..cases.len()).map(|place| format!("c{place}")).collect();
    for postgres in [true, false] {
        let work = Work::new();
        let columns: String = names.iter().map(|name| format!(", {name} text")).collect();
        let create = |table: &str| {
            format!("CREATE TABLE {table} (k integer PRIMARY KEY, bad integer{columns}, CHECK (bad < 5))")
        };
        let store = if postgres {
            let db = Postgres::shared().database();
            ["plain", "refused"].iter().for_each(|table| db.execute(&create(table)));
            Store::Postgres(db)
        } else {
            let store = Store::sqlite(&work);
            let connection = rusqlite::Connection::open(work.path("store.db")).expect("a file");
            for table in ["plain", "refused"] {
                connection.execute_batch(&create(table)).expect("a table");
            }
            store
        };
        let dsn = store.dsn();
        for (table, bad, code) in [("plain", 1, 0), ("refused", 9, 3)] {
            let keys = [("k", vec![1, 2, 3]), ("bad", vec![bad; 3])];
            let keys =
                keys.map(|(name, values)| (name.to_owned(), Arc::new(Int32Array::from(values)) as ArrayRef));
            let arrays = cases.iter().map(|(array, _)| array.clone());
            let batch = RecordBatch::try_from_iter(keys.into_iter().chain(names.iter().cloned().zip(arrays)));
            let batch = batch.expect("a batch");
            let path = work.write(&format!("{table}.parquet"), "");
            let file = File::create(&path).expect("a file");
            let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
            writer.write(&batch).expect("rows are written");
            writer.close().expect("the file is whole");
            let run =
                work.mdsctl(["load", &path, "--table", table, "--dlq", "d.ndjson", "--dsn", &dsn]).run();
            run.expect(code);
        }
        work.mdsctl(["replay-dlq", "d.ndjson", "--set", "bad=1", "--dsn", &dsn]).run().expect(0);
        for table in ["plain", "refused"] {
            let found = store.rows(&format!("SELECT {} FROM {table} ORDER BY k", names.join(", ")));
            assert_eq!(found.len(), 3, "{store}: {table}");
            let wrong = cases.iter().enumerate().filter_map(|(place, (array, texts))| {
                let found: Vec<Option<&str>> = found.iter().map(|row| row[place].as_deref()).collect();
                let expected = [Some(texts[0]), Some(texts[1]), None];
                (found != expected).then(|| format!("{}: {found:?} for {expected:?}", array.data_type()))
            });
            assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new(), "{store}: {table}");
        }
    }
}
