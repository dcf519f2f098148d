//! A followed file whose path is spelt another way is the same file, with the same place in it.

use std::fs;

use super::append;
use crate::harness::{Store, on_both_stores};

#[test]
fn a_path_that_is_spelt_another_way_goes_on_at_the_same_place() {
    on_both_stores(|work, store, what| {
        let sql = "CREATE TABLE k (ts timestamp, price integer)";
        match store {
            Store::Sqlite(path) => {
                rusqlite::Connection::open(path).expect("it").execute_batch(sql).expect("a table");
            }
            Store::Postgres(db) => db.execute(sql),
        }
        fs::create_dir_all(work.path("logs/old")).expect("folders");
        append(work, "logs/in.csv", "ts,price\n");
        let absolute = work.path("logs/old/../in.csv");
        let spellings = [
            "logs/in.csv",
            "./logs/in.csv",
            "logs/old/../in.csv",
            "logs/../logs//in.csv",
            absolute.to_str().expect("UTF-8"),
        ];
        for (at, spelling) in spellings.into_iter().enumerate() {
            append(work, "logs/in.csv", &format!("2024-03-04T10:00:0{at}Z,{at}\n"));
            let flags = ["tail", spelling, "--table", "k", "--idle-exit", "50ms", "--json", "--dsn"];
            let run = work.mdsctl(flags).arguments([store.dsn()]).run().expect(0);
            assert_eq!(store.count("k"), Some(at as u64 + 1), "{what}, {spelling}: {run}");
        }
    });
}
