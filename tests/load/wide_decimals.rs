//! Decimals of many digits in a Parquet file are numbers, whatever the texts beside them are written with.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Decimal256Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::i256;
use parquet::arrow::ArrowWriter;

use crate::harness::{Postgres, Store, Work};

/// 1.234, 12.500, and one that only the wide type holds.
fn prices(wide: bool) -> ArrayRef {
    let long = if wide { "1234567890".repeat(5) } else { "1234567890".repeat(3) };
    if wide {
        let long = i256::from_string(&long).expect("50 digits");
        let values = vec![i256::from_i128(1_234), i256::from_i128(12_500), long];
        Arc::new(Decimal256Array::from(values).with_precision_and_scale(60, 3).expect("a scale"))
    } else {
        let values = vec![1_234, 12_500, long.parse::<i128>().expect("30 digits")];
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, 3).expect("a scale"))
    }
}

#[test]
fn binary_decimals_do_not_go_through_the_reading_of_commas() {
    for wide in [true, false] {
        let work = Work::new();
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let sizes: ArrayRef = Arc::new(StringArray::from(vec!["1,5", "2,25", "3,75"]));
        let batch = RecordBatch::try_from_iter([("id", ids), ("price", prices(wide)), ("size", sizes)])
            .expect("columns");
        let file = File::create(work.path("w.parquet")).expect("a file");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("rows are written");
        writer.close().expect("the file is written");
        let long = if wide { "1234567890".repeat(5) } else { "1234567890".repeat(3) };
        let (whole, decimals) = long.split_at(long.len() - 3);
        let long = Some(format!("{whole}.{decimals}"));
        for sqlite in [true, false] {
            for flags in [&[][..], &["--decimal", ","]] {
                let kind = if sqlite { "real" } else { "numeric" };
                let table = format!("CREATE TABLE t (id bigint, price {kind}, size {kind})");
                let store = match sqlite {
                    true => {
                        let path = work.path("store.db");
                        let _ = std::fs::remove_file(&path);
                        let db = rusqlite::Connection::open(&path).expect("a file");
                        db.execute_batch(&table).expect("a table");
                        Store::Sqlite(path)
                    }
                    false => {
                        let db = Postgres::shared().database();
                        db.execute(&table);
                        Store::Postgres(db)
                    }
                };
                let what = format!("{store}, wide {wide}, {flags:?}");
                let line = ["load", "w.parquet", "--table", "t", "--dsn", &store.dsn()];
                let run = work.mdsctl(line).arguments(flags.to_vec()).run().expect(0);
                let rows = store.rows("SELECT price * 2, size * 2 FROM t ORDER BY id");
                let number =
                    |cell: &Option<String>| cell.as_deref().and_then(|text| text.parse::<f64>().ok());
                let long = number(&long).map(|long| long * 2.0);
                let wanted = [[Some(2.468), Some(3.0)], [Some(25.0), Some(4.5)], [long, Some(7.5)]];
                for (row, wanted) in rows.iter().zip(wanted) {
                    assert_eq!([number(&row[0]), number(&row[1])], wanted, "{what}: {run}");
                }
                assert_eq!(rows.len(), 3, "{what}: {run}");
            }
        }
    }
}
