//! Times and days of Parquet are strings in columns of JSON, in a load and in a replay.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, RecordBatch, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;

use crate::harness::{Postgres, Work};

#[test]
fn what_has_the_type_of_a_time_is_a_string_of_json() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    let columns: [(&str, ArrayRef); 4] = [
        ("k", Arc::new(Int32Array::from(vec![1, 2]))),
        ("t", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_704_186_000_000_001), None]))),
        ("d", Arc::new(Date32Array::from(vec![Some(19_724), None]))),
        ("c", Arc::new(Time64MicrosecondArray::from(vec![Some(34_200_000_000), None]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let file = File::create(work.path("t.parquet")).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("it is written");
    writer.close().expect("it is closed");
    for type_ in ["json", "jsonb"] {
        let fields = format!("k int PRIMARY KEY, t {type_}, d {type_}, c {type_}");
        db.execute(&format!(
            "DROP TABLE IF EXISTS plain, refused; CREATE TABLE plain ({fields});
             CREATE TABLE refused ({fields}, CONSTRAINT c CHECK (k < 0))"
        ));
        for (table, code) in [("plain", 0), ("refused", 3)] {
            work.mdsctl(["load", "t.parquet", "--table", table, "--dlq", "d.ndjson", "--dsn", &db.dsn()])
                .arguments(["--force"])
                .run()
                .expect(code);
        }
        db.execute("ALTER TABLE refused DROP CONSTRAINT c");
        work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &db.dsn()]).run().expect(0);
        for table in ["plain", "refused"] {
            let rows =
                db.rows(&format!("SELECT t #>> '{{}}', d #>> '{{}}', c #>> '{{}}' FROM {table} ORDER BY k"));
            let text = |text: &str| Some(text.to_owned());
            let told = vec![text("2024-01-02T09:00:00.000001"), text("2024-01-02"), text("09:30:00")];
            assert_eq!(rows[0], told, "{type_} {table}");
            assert_eq!(rows[1], [None, None, None], "{type_} {table}");
        }
    }
}
