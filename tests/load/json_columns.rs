//! What texts and values of the input are in columns of JSON.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use rusqlite::Connection;

use crate::harness::{Postgres, Store, Work};

/// A table with JSON in both stores, a jsonb and a json column in PostgreSQL.
fn everywhere(test: impl Fn(&Work, &Store, &str)) {
    for type_ in ["jsonb", "json"] {
        let db = Postgres::shared().database();
        db.execute(&format!("CREATE TABLE t (id int PRIMARY KEY, j {type_}, n int CHECK (n > 0))"));
        test(&Work::new(), &Store::Postgres(db), &format!("{type_}_typeof(j)"));
    }
    let work = Work::new();
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, j JSON, n INTEGER CHECK (n > 0))";
    Connection::open(work.path("store.db")).and_then(|c| c.execute_batch(table)).expect("a table");
    test(&work, &Store::sqlite(&work), "json_type(j)");
}

/// What there is, by kind and value.
fn there(store: &Store, kind: &str) -> String {
    let rows = store.rows(&format!("SELECT id, {kind}, CAST(j AS text) FROM t ORDER BY id"));
    let text = |row: &Vec<Option<String>>| {
        let kind = row[1].as_deref().unwrap_or("-");
        // As SQLite calls them.
        let kind = match kind {
            "string" => "text",
            "number" => "integer",
            "boolean" => "true",
            kind => kind,
        };
        format!("{}:{kind}:{}", row[0].as_deref().unwrap_or("-"), row[2].as_deref().unwrap_or("-"))
    };
    rows.iter().map(text).collect::<Vec<_>>().join(" ")
}

fn load(work: &Work, store: &Store, name: &str, more: &[&str]) -> crate::harness::Run {
    let path = work.path(name).display().to_string();
    let own = ["load", &path, "--table", "t", "--dsn", &store.dsn(), "--dlq", "dead.ndjson"];
    work.mdsctl(own).arguments(more.iter().copied()).run()
}

const STRINGS: &str = r#"{"id":1,"j":"123","n":1}
{"id":2,"j":"true","n":1}
{"id":3,"j":"plain","n":1}
{"id":4,"j":"null","n":1}
{"id":5,"j":"","n":1}
{"id":6,"j":"{\"a\":\"\\u00e9\\n\"}","n":1}
"#;

const AS_STRINGS: &str =
    r#"1:text:"123" 2:text:"true" 3:text:"plain" 4:text:"null" 5:text:"" 6:text:"{\"a\":\"\\u00e9\\n\"}""#;

#[test]
fn a_string_of_json_is_a_string_whatever_it_looks_like() {
    everywhere(|work, store, kind| {
        work.write("t.ndjson", STRINGS);
        load(work, store, "t.ndjson", &[]).expect(0);
        assert_eq!(there(store, kind), AS_STRINGS, "{store}");
    });
    // The same as an array of rows.
    everywhere(|work, store, kind| {
        work.write("t.json", format!("[{}]", STRINGS.trim().replace('\n', ",")));
        load(work, store, "t.json", &[]).expect(0);
        assert_eq!(there(store, kind), AS_STRINGS, "{store}");
    });
}

#[test]
fn and_is_told_from_the_values_beside_it() {
    everywhere(|work, store, kind| {
        let values = r#"{"id":1,"j":123}
{"id":2,"j":"123"}
{"id":3,"j":true}
{"id":4,"j":"true"}
{"id":5,"j":[1]}
{"id":6,"j":"[1]"}
{"id":7,"j":null}
"#;
        work.write("t.ndjson", values);
        load(work, store, "t.ndjson", &[]).expect(0);
        let expected =
            r#"1:integer:123 2:text:"123" 3:true:true 4:text:"true" 5:array:[1] 6:text:"[1]" 7:-:-"#;
        assert_eq!(there(store, kind), expected, "{store}");
    });
}

#[test]
fn a_cell_of_csv_and_a_text_of_parquet_are_json_or_refused() {
    for format in ["csv", "parquet"] {
        everywhere(|work, store, kind| {
            if format == "csv" {
                work.write("t.csv", "id,j\n1,123\n2,\"\"\"123\"\"\"\n3,plain\n4,[1]\n");
            } else {
                let columns: [(&str, ArrayRef); 2] = [
                    ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
                    ("j", Arc::new(StringArray::from(vec!["123", "\"123\"", "plain", "[1]"]))),
                ];
                let batch = RecordBatch::try_from_iter(columns).expect("a batch");
                let file = std::fs::File::create(work.path("t.parquet")).expect("a file");
                let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
                writer.write(&batch).expect("a batch");
                writer.close().expect("a file");
            }
            load(work, store, &format!("t.{format}"), &[]).expect(3);
            let expected = r#"1:integer:123 2:text:"123" 4:array:[1]"#;
            assert_eq!(there(store, kind), expected, "{store} {format}");
            let dead = work.dlq("dead.ndjson");
            assert_eq!((dead[0].code.as_str(), dead[0].column.as_deref()), ("22P02", Some("j")), "{store}");

            // A replay reads it the same way, so it refuses it again.
            let replay = ["replay-dlq", "dead.ndjson", "--dsn", &store.dsn()];
            work.mdsctl(replay).run().expect(3);
            assert_eq!(there(store, kind), expected, "{store} {format}");
            let set = ["replay-dlq", "dead.ndjson", "--dsn", &store.dsn(), "--set", "j=\"plain\""];
            work.mdsctl(set).run().expect(0);
            assert!(there(store, kind).contains("3:text:\"plain\""), "{store} {format}");
        });
    }
}

#[test]
fn a_replay_stores_what_the_load_would_have() {
    everywhere(|work, store, kind| {
        // Refused by the store for another column, and read wrong in another column.
        for bad in ["-1", "\"x\""] {
            store.rows("DELETE FROM t");
            let values = "{\"id\":7,\"j\":123,\"n\":1}\n{\"id\":8,\"j\":{\"a\":[1.50,\"2\"]},\"n\":1}\n";
            work.write("t.ndjson", format!("{STRINGS}{values}").replace("\"n\":1", &format!("\"n\":{bad}")));
            load(work, store, "t.ndjson", &["--force"]).expect(3);
            assert_eq!(store.count("t"), Some(0), "{store}");
            work.mdsctl(["replay-dlq", "dead.ndjson", "--dsn", &store.dsn(), "--set", "n=1"]).run().expect(0);
            let found = there(store, kind).replace("{\"a\": [", "{\"a\":[").replace(", \"2", ",\"2");
            let expected = format!("{AS_STRINGS} 7:integer:123 8:object:{{\"a\":[1.50,\"2\"]}}");
            assert_eq!(found, expected, "{store} {bad}");
        }
    });
}
