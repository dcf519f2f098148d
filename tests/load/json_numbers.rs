//! A JSON number has its decimals behind a point, whatever the strings beside it are written with.

use crate::harness::{Store, on_both_stores};

const ROWS: &str = concat!(
    r#"{"id": 1, "price": 1.234, "size": "1,5"}"#,
    "\n",
    r#"{"id": 2, "price": "2,5", "size": "1.234,5"}"#,
    "\n",
    r#"{"id": 3, "price": 12.5, "size": 0.125}"#,
    "\n",
    r#"{"id": 4, "price": "1.234", "size": 1234}"#,
    "\n",
);

#[test]
fn numbers_are_not_read_as_the_strings_beside_them() {
    on_both_stores(|work, store, what| {
        let kind = if matches!(store, Store::Postgres(_)) { "numeric" } else { "real" };
        if let Store::Sqlite(path) = store {
            std::fs::write(path, "").expect("a file");
        }
        store
            .try_rows(&format!("CREATE TABLE t (id bigint PRIMARY KEY, price {kind}, size {kind})"))
            .expect("a table");
        let path = work.write("in.ndjson", ROWS);
        for flags in [&[][..], &["--decimal", ","]] {
            let load = ["load", &path, "--table", "t", "--dsn", &store.dsn()];
            let run = work.mdsctl(load).arguments(flags.iter().copied()).run().expect(0);
            let sql = "SELECT id, price * 1000, size * 1000 FROM t ORDER BY id";
            let rows: Vec<Vec<f64>> = (store.rows(sql).into_iter())
                .map(|row| row.into_iter().map(|n| n.expect("a number").parse().expect("a number")).collect())
                .collect();
            let expected = [
                vec![1.0, 1_234.0, 1_500.0],
                vec![2.0, 2_500.0, 1_234_500.0],
                vec![3.0, 12_500.0, 125.0],
                vec![4.0, 1_234_000.0, 1_234_000.0],
            ];
            assert_eq!(rows, expected, "{what} {flags:?}: {run}");
            store.try_rows("DELETE FROM t").expect("emptied");
        }
    });
}
