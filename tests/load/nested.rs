//! Columns with parts: lists, structs and maps of Parquet, arrays and objects of NDJSON.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray, StructArray};
use arrow::array::{Float64Builder, Int32Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ArrowWriter;

use crate::harness::{Db, Postgres, Work, on_every_store};

/// What is to be in the columns of the two rows, as the server writes it.
const STORED: [[&str; 7]; 2] = [
    [
        "{a,NULL,\"b\\\"c\"}",
        "{1,2}",
        "{buy,sell}",
        "{0.1,NaN}",
        "{\"x\": 1, \"y\": null}",
        "{\"k\": 7}",
        "[1,2]",
    ],
    ["{}", "", "{sell}", "", "{\"x\": 2, \"y\": \"two\"}", "{}", "[]"],
];

fn lists() -> Vec<(&'static str, ArrayRef)> {
    let mut texts = ListBuilder::new(StringBuilder::new());
    texts.append_value([Some("a"), None, Some("b\"c")]);
    texts.append_value([None::<&str>; 0]);
    let mut numbers = ListBuilder::new(Int32Builder::new());
    numbers.append_value([Some(1), Some(2)]);
    numbers.append_null();
    let mut sides = ListBuilder::new(StringBuilder::new());
    sides.append_value([Some("buy"), Some("sell")]);
    sides.append_value([Some("sell")]);
    let mut doubles = ListBuilder::new(Float64Builder::new());
    doubles.append_value([Some(0.1), Some(f64::NAN)]);
    doubles.append_null();
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(7);
    map.append(true).expect("a map");
    map.append(true).expect("a map");
    let mut plain = ListBuilder::new(Int32Builder::new());
    plain.append_value([Some(1), Some(2)]);
    plain.append_value([None::<i32>; 0]);
    let x: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let y: ArrayRef = Arc::new(StringArray::from(vec![None, Some("two")]));
    let parts = StructArray::from(vec![
        (Arc::new(Field::new("x", DataType::Int32, true)), x),
        (Arc::new(Field::new("y", DataType::Utf8, true)), y),
    ]);
    vec![
        ("id", Arc::new(Int32Array::from(vec![1, 2]))),
        ("ta", Arc::new(texts.finish())),
        ("ia", Arc::new(numbers.finish())),
        ("sides", Arc::new(sides.finish())),
        ("fa", Arc::new(doubles.finish())),
        ("st", Arc::new(parts)),
        ("mp", Arc::new(map.finish())),
        ("txt", Arc::new(plain.finish())),
    ]
}

fn parquet(work: &Work, columns: Vec<(&str, ArrayRef)>) -> String {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let path = work.write("t.parquet", "");
    let mut writer =
        ArrowWriter::try_new(File::create(&path).expect("a file"), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows are written");
    writer.close().expect("the file is written");
    path
}

fn ndjson(work: &Work) -> String {
    work.write(
        "t.ndjson",
        r#"{"id":1,"ta":["a",null,"b\"c"],"ia":[1,2],"sides":["buy","sell"],"fa":[0.1,"NaN"],"st":{"x":1,"y":null},"mp":{"k":7},"txt":[1,2]}
{"id":2,"ta":[],"ia":null,"sides":["sell"],"fa":null,"st":{"x":2,"y":"two"},"mp":{},"txt":[]}
"#,
    )
}

const TABLE: &str = "
    CREATE TYPE side AS ENUM ('buy', 'sell');
    CREATE DOMAIN sides AS side[] CHECK (cardinality(VALUE) < 3);
    CREATE TABLE t (id int PRIMARY KEY, ta text[], ia int[], sides sides, fa float8[], st jsonb, mp json, txt text)";

fn stored(db: &Db) -> Vec<Vec<String>> {
    let all = "SELECT coalesce(ta::text, ''), coalesce(ia::text, ''), coalesce(sides::text, ''),
        coalesce(fa::text, ''), st::text, mp::jsonb::text, txt FROM t ORDER BY id";
    db.rows(all).into_iter().map(|row| row.into_iter().flatten().collect()).collect()
}

#[test]
fn lists_structs_and_maps_are_stored_and_not_nulled() {
    for format in ["parquet", "ndjson"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(TABLE);
        let path = if format == "parquet" { parquet(&work, lists()) } else { ndjson(&work) };
        let flags = ["load", &path, "--table", "t", "--json", "--dsn", &db.dsn()];
        let run = work.mdsctl(flags).run().expect(0);
        assert_eq!(run.books().inserted, 2, "{format}: {run}");
        assert_eq!(stored(&db), STORED, "{format}: {run}");
        let again = work.mdsctl(flags).arguments(["--force"]).run().expect(0);
        assert_eq!(again.books().inserted, 0, "{format}: {again}");
        assert_eq!(stored(&db), STORED, "{format}: {again}");
    }
}

#[test]
fn an_array_with_an_element_of_another_type_costs_its_row() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(TABLE);
    let rows = [
        r#"{"id":1,"ia":[1,2],"sides":["buy"]}"#,
        r#"{"id":2,"ia":[1,"x"],"sides":["buy"]}"#,
        r#"{"id":3,"ia":"{3}","sides":["hold"]}"#,
        r#"{"id":4,"ia":[[1,2],[3,4]],"sides":"{sell,buy}"}"#,
        r#"{"id":5,"ia":"[0:1]={5,6}","sides":null}"#,
    ];
    let path = work.write("t.ndjson", rows.join("\n"));
    let flags = ["load", &path, "--table", "t", "--json", "--dlq", "d", "--dsn", &db.dsn()];
    let run = work.mdsctl(flags).run().expect(3);
    assert_eq!((run.books().inserted, run.books().rejected), (3, 2), "{run}");
    let stored = db.rows("SELECT concat_ws(' ', id, ia, sides) FROM t ORDER BY id").concat();
    let stored: Vec<&str> = stored.iter().flatten().map(String::as_str).collect();
    assert_eq!(stored, ["1 {1,2} {buy}", "4 {{1,2},{3,4}} {sell,buy}", "5 [0:1]={5,6}"]);
    let mut rows: Vec<u64> = work.dlq("d").iter().flat_map(|letter| letter.rows.clone()).collect();
    rows.sort_unstable();
    assert_eq!(rows, [2, 3]);
}

#[test]
fn a_column_with_parts_is_loaded_or_named_in_every_store() {
    on_every_store(|work, store, workers, what| {
        let mut conditions = ListBuilder::new(Int32Builder::new());
        conditions.append_value([Some(12), Some(37)]);
        conditions.append_null();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("ts", Arc::new(StringArray::from(vec!["2024-01-02T14:30:00Z", "2024-01-02T14:31:00Z"]))),
            ("symbol", Arc::new(StringArray::from(vec!["AAPL", "AAPL"]))),
            ("price", Arc::new(Float64Array::from(vec![1.5, 2.5]))),
            ("size", Arc::new(Int32Array::from(vec![1, 2]))),
            ("conditions", Arc::new(conditions.finish())),
            ("venues", lists().remove(1).1),
        ];
        let path = parquet(work, columns);
        let flags = ["load", &path, "--vendor", "v", "--workers", workers, "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(0);
        assert!(run.stderr.contains("venues"), "{what}: {run}");
        let stored = store.rows("SELECT conditions FROM ticks ORDER BY ts").concat();
        assert_eq!(stored, [Some("[12,37]".to_owned()), None], "{what}: {run}");
    });
}
