//! `venue=__HIVE_DEFAULT_PARTITION__/`: what a partitioned table calls the folder of the rows without a value.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;

use crate::harness::{Store, Work, on_both_stores};

const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

fn change(store: &Store, sql: &str) {
    match store {
        Store::Sqlite(path) => {
            rusqlite::Connection::open(path).expect("it").execute_batch(sql).expect("a change");
        }
        Store::Postgres(db) => db.execute(sql),
    }
}

/// A file of one row, that number.
fn row(work: &Work, folder: &str, format: &str, id: i64) {
    let bytes = match format {
        "csv" => format!("id\n{id}\n").into_bytes(),
        "ndjson" => format!("{{\"id\": {id}}}\n").into_bytes(),
        _ => {
            let ids: ArrayRef = Arc::new(Int64Array::from_iter_values([id]));
            let batch = RecordBatch::try_from_iter([("id", ids)]).expect("a row");
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
            writer.write(&batch).expect("a row");
            writer.close().expect("a file");
            bytes
        }
    };
    work.write(&format!("h/{folder}/{id}.{format}"), bytes);
}

/// As an empty field is: null, whatever the default of the column, and whatever its type.
#[test]
fn a_default_partition_is_null_and_no_text() {
    on_both_stores(|work, store, what| {
        let types =
            "venue text DEFAULT 'X', lots integer DEFAULT 7, price numeric(10,2), open boolean, at timestamp";
        change(store, &format!("CREATE TABLE t (id integer PRIMARY KEY, {types})"));
        let columns = ["venue", "lots", "price", "open", "at"];
        let formats = ["csv", "ndjson", "parquet"];
        for (at, column) in columns.iter().enumerate() {
            for (more, format) in formats.iter().enumerate() {
                row(work, &format!("{column}={NULL}"), format, (at * 10 + more) as i64);
            }
        }
        row(work, "venue=N%2FY%20%C3%A9%25/lots=5", "csv", 100);
        let flags = ["load", "h", "--recursive", "--table", "t", "--json", "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(0);
        for (at, column) in columns.iter().enumerate() {
            let (from, to) = (at * 10, at * 10 + formats.len());
            let sql = format!("SELECT {column} FROM t WHERE id >= {from} AND id < {to}");
            assert_eq!(store.rows(&sql), vec![vec![None]; formats.len()], "{what}, {column}: {run}");
        }
        // Of the others nothing was said, so that they have their defaults.
        let others = store.rows("SELECT venue, lots FROM t WHERE id = 20");
        assert_eq!(others, [[Some("X".to_owned()), Some("7".to_owned())]], "{what}: {run}");
        let escaped = store.rows("SELECT venue, lots FROM t WHERE id = 100");
        assert_eq!(escaped, [[Some("N/Y é%".to_owned()), Some("5".to_owned())]], "{what}: {run}");
        assert!(run.json()["deductions"].to_string().contains("names of folders"), "{what}: {run}");
        // A row that says it itself is not spoken for.
        work.write(&format!("h2/venue={NULL}/a.csv"), "id,venue\n200,Z\n");
        work.mdsctl(["load", "h2", "--recursive", "--table", "t", "--dsn", &store.dsn()]).run().expect(0);
        let own = store.rows("SELECT venue FROM t WHERE id = 200");
        assert_eq!(own, [[Some("Z".to_owned())]], "{what}");
    });
}

/// Rows that need the value are refused one by one, and those of other folders are stored.
#[test]
fn rows_of_a_default_partition_that_need_the_value_are_dead_letters() {
    on_both_stores(|work, store, what| {
        let rows =
            "ts,open,high,low,close,volume\n2024-01-02T09:30:00Z,1,1,1,1,1\n2024-01-02T09:31:00Z,1,1,1,1,2\n";
        for symbol in ["aapl", NULL, "ZZ"] {
            work.write(&format!("h/symbol={symbol}/p.csv"), rows);
        }
        let given =
            ["--vendor", "v", "--timeframe", "1m", "--dlq", "d.ndjson", "--json", "--dsn", &store.dsn()];
        // Whichever comes first.
        for input in ["h", &format!("h/symbol={NULL}")] {
            let run = work.mdsctl(["load", input, "--recursive"]).arguments(given).run().expect(3);
            assert_eq!(run.books().rejected, 2, "{what}: {run}");
            assert!(run.stderr.contains("symbol has no value"), "{what}: {run}");
        }
        let stored = store.rows("SELECT DISTINCT symbol FROM bars ORDER BY symbol").concat();
        assert_eq!(stored, [Some("AAPL".to_owned()), Some("ZZ".to_owned())], "{what}");
        let letters = work.dlq("d.ndjson");
        assert_eq!(letters.iter().map(|letter| letter.rows.len()).sum::<usize>(), 2, "{what}");
        work.mdsctl(["replay-dlq", "d.ndjson", "--set", "symbol=Q", "--dsn", &store.dsn()]).run().expect(0);
        let mended = store.rows("SELECT count(*) FROM bars WHERE symbol = 'Q'").concat();
        assert_eq!(mended, [Some("2".to_owned())], "{what}");
        // A column that the table has beside ours.
        change(store, "ALTER TABLE bars ADD COLUMN desk text");
        work.write("e/desk=N%2FY/symbol=E/p.csv", rows);
        work.write(&format!("e/desk={NULL}/symbol=F/p.csv"), rows);
        work.mdsctl(["load", "e", "--recursive"]).arguments(given).run().expect(0);
        let desks =
            store.rows("SELECT DISTINCT symbol, desk FROM bars WHERE symbol IN ('E', 'F') ORDER BY symbol");
        let wanted = [[Some("E".to_owned()), Some("N/Y".to_owned())], [Some("F".to_owned()), None]];
        assert_eq!(desks, wanted, "{what}");
    });
}
