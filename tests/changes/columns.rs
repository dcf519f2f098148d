//! Columns that a table comes by while rows of a file are read that has them: of Parquet they were left out until then.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::held_up;
use crate::harness::rows::parquet;
use crate::harness::{Postgres, Work};

const ROWS: i64 = 100_000;

#[test]
fn a_column_that_the_table_comes_by_is_read_from_then_on() {
    for key in ["PRIMARY KEY", "NOT NULL"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(&format!("CREATE TABLE t (id bigint {key}, s text)"));
        let column = |value: &dyn Fn(i64) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values((1..=ROWS).map(value)))
        };
        let texts = StringArray::from_iter_values((1..=ROWS).map(|id| format!("s{id}")));
        let columns: [(&str, ArrayRef); 4] = [
            ("never", column(&|id| -id)),
            ("id", column(&|id| id)),
            ("late", column(&|id| id * 3)),
            ("s", Arc::new(texts)),
        ];
        parquet(&work, "f.parquet", &RecordBatch::try_from_iter(columns).expect("columns of one length"));
        let session = db.session().expect("a session");
        session.execute("BEGIN; ALTER TABLE t ADD COLUMN late bigint");
        let load = ["load", "f.parquet", "--table", "t", "--capacity", "10000", "--json", "--dsn", &db.dsn()];
        let running = work.mdsctl(load).spawn();
        held_up(&db);
        session.execute("COMMIT");
        let run = running.finish().expect(0);
        assert_eq!(run.books().inserted, ROWS as u64, "{key}: {run}");
        let all = "count(*), count(DISTINCT id), min(id), max(id), bool_and(s = 's' || id), bool_and(late = id * 3)";
        let rows = db.rows(&format!("SELECT {all} FROM t"));
        let (n, yes) = (ROWS.to_string(), "t".to_owned());
        let expected = [n.clone(), n.clone(), "1".into(), n.clone(), yes.clone(), yes].map(Some).to_vec();
        assert_eq!(rows, [expected], "{key}");
        // No more than has room before the store had been asked what the table is.
        let without = db.value("SELECT count(*) FROM t WHERE late IS NULL").parse::<i64>().expect("a number");
        assert!(without < ROWS / 2, "{key}: {without}");
        assert_eq!(
            db.value(&format!("SELECT late FROM t WHERE id = {ROWS}")),
            (ROWS * 3).to_string(),
            "{key}"
        );
        assert!(run.stderr.contains("column late"), "{key}: {run}");
    }
}
