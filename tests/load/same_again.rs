//! The same rows again: those that the table has as they are are told by hashes of ranges, and every other one is
//! found, however small the difference.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::generator::random::Random;
use crate::harness::seed::seed;
use crate::harness::{Db, Postgres, Run, Work};

/// Rows of a file: enough for several ranges of each symbol.
const ROWS: u32 = 3_000;

/// Keys that begin with the time, and such as have it in their middle or behind it something that is of each row.
const KEYS: [&str; 4] = ["ts, sym", "sym, ts", "sym, ts, id", "tenant_id, sym, ts, id"];

const COLUMNS: &str = "sym text COLLATE \"C\", ts timestamptz, id int, price numeric, size numeric(12,4), n bigint, small smallint, \
    f float8, yes bool, at uuid, day date, local timestamp, note varchar(40), tenant_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'";

fn table(key: &str) -> (Work, Db) {
    let db = Postgres::shared().database();
    db.execute(&format!("CREATE TABLE t ({COLUMNS}, PRIMARY KEY ({key}))"));
    (Work::new(), db)
}

fn csv(rows: u32) -> String {
    let mut text = String::from("sym,ts,id,price,size,n,small,f,yes,at,day,local,note\n");
    for row in 0..rows {
        let (minute, symbol) = (row / 5, row % 5);
        let _ = writeln!(
            text,
            "S{symbol},2024-01-{:02}T{:02}:{:02}:00.{:06}Z,{row},{}.{:02},{}.5,{},{},{}.25,{},00000000-0000-0000-0000-{row:012},2023-0{}-01,2024-02-03T04:05:06,{}",
            1 + minute / 1440,
            minute / 60 % 24,
            minute % 60,
            row % 1000,
            i64::from(row % 50) - 9,
            row % 100,
            row % 7,
            5_000_000_000_i64 * i64::from(row % 3) - 1,
            row % 100,
            row % 10,
            row % 2 == 0,
            1 + row % 9,
            if row % 4 == 0 { String::new() } else { format!("note {}", row % 11) },
        );
    }
    text
}

fn load(work: &Work, db: &Db, input: &str, more: &[&str]) -> Run {
    work.mdsctl(["load", input, "--table", "t", "--json", "--bulk", "never", "--dsn", &db.dsn()])
        .arguments(more.iter().copied())
        .run()
        .expect(0)
}

fn rows(db: &Db) -> Vec<String> {
    db.rows("SELECT t::text FROM t ORDER BY 1")
        .into_iter()
        .map(|row| row[0].clone().expect("a row"))
        .collect()
}

#[test]
fn each_difference_is_found() {
    for key in KEYS {
        let (work, db) = table(key);
        let path = work.write("in.csv", csv(ROWS));
        load(&work, &db, &path, &[]);
        let first = rows(&db);
        let again = load(&work, &db, &path, &["--workers", "3"]).books();
        assert_eq!((again.unchanged, again.updated, again.inserted), (u64::from(ROWS), 0, 0), "{key}");
        for (change, updated, inserted) in [
            ("UPDATE t SET price = -price WHERE id = 1777", 1, 0),
            ("UPDATE t SET price = price + 0.01 WHERE id = 5", 1, 0),
            // Written in another way, and the same number.
            ("UPDATE t SET price = price::numeric(20,6) WHERE id < 900", 0, 0),
            ("UPDATE t SET size = NULL WHERE id = 1001", 1, 0),
            ("UPDATE t SET note = '' WHERE id IN (4, 8)", 2, 0),
            ("UPDATE t SET n = n + 4294967297 WHERE id = 2001", 1, 0),
            ("UPDATE t SET n = small, small = n + 1 WHERE id = 3", 1, 0),
            ("UPDATE t SET yes = NOT yes WHERE id = 2998", 1, 0),
            ("UPDATE t SET f = -f WHERE id = 2997", 1, 0),
            ("UPDATE t SET at = gen_random_uuid() WHERE id % 500 = 0", 6, 0),
            ("UPDATE t SET day = day + 1 WHERE id = 99", 1, 0),
            ("UPDATE t SET local = local + '1 microsecond' WHERE id = 98", 1, 0),
            // Two rows have each other's values.
            (
                "UPDATE t SET price = o.price, note = o.note FROM t o WHERE t.id IN (1001, 1006) AND o.id IN (1001, 1006) AND o.id <> t.id",
                2,
                0,
            ),
            ("DELETE FROM t WHERE id % 1000 = 7", 0, 3),
            ("DELETE FROM t WHERE sym = 'S3'", 0, u64::from(ROWS / 5)),
            ("UPDATE t SET price = 0", u64::from(ROWS), 0),
        ] {
            db.execute(change);
            let run = load(&work, &db, &path, &["--workers", "2"]);
            let books = run.books();
            assert_eq!((books.updated, books.inserted), (updated, inserted), "{key}, {change}: {run}");
            assert_eq!(
                books.read,
                books.updated + books.inserted + books.unchanged,
                "{key}, {change}: {run}"
            );
            assert_eq!(rows(&db).len(), first.len(), "{key}, {change}");
            let values = "SELECT string_agg(concat_ws('|', sym, ts, id, trim_scale(price), size, n, small, f, yes, at, day, local, note IS NULL, note), ';' ORDER BY id) FROM t";
            db.execute("CREATE TABLE IF NOT EXISTS truth AS SELECT * FROM t");
            assert_eq!(
                db.value(values),
                db.value(&values.replace("FROM t", "FROM truth")),
                "{key}, {change}"
            );
        }
    }
}

#[test]
fn rows_of_others_between_them_change_nothing() {
    let (work, db) = table("sym, ts, id");
    let path = work.write("in.csv", csv(ROWS));
    load(&work, &db, &path, &[]);
    db.execute("INSERT INTO t SELECT sym, ts + '1 microsecond', id + 10000, 1, 1, 1, 1, 1, true, at, day, local, 'theirs' FROM t WHERE id % 10 = 0");
    let skipped = load(&work, &db, &path, &["--on-conflict", "skip"]).books();
    assert_eq!((skipped.skipped, skipped.inserted), (u64::from(ROWS), 0));
    let books = load(&work, &db, &path, &[]).books();
    assert_eq!((books.unchanged, books.updated), (u64::from(ROWS), 0));
    assert_eq!(db.value("SELECT count(*)::text FROM t WHERE note = 'theirs'"), (ROWS / 10).to_string());
}

/// Keys come several times in the input, with the value that the table has and with others: the last one stays.
#[test]
fn the_last_row_of_a_key_stays() {
    let seed = seed();
    for round in 0..8u64 {
        let mut random = Random::new(seed, round);
        let (work, db) = table(if round % 2 == 0 { "ts, sym" } else { "sym, ts" });
        let keys = random.between(300, 2_500) as u32;
        let row = |key: u32, value: u64| {
            format!(
                "S{},2024-01-01T{:02}:{:02}:{:02}Z,{key},{value}\n",
                key % 3,
                key / 3600 % 24,
                key / 60 % 60,
                key % 60
            )
        };
        let mut before = String::from("sym,ts,id,price\n");
        (0..keys).for_each(|key| before.push_str(&row(key, 0)));
        let path = work.write("before.csv", before);
        load(&work, &db, &path, &[]);
        let (mut text, mut last) = (String::from("sym,ts,id,price\n"), BTreeMap::new());
        let mut told = 0;
        for _ in 0..random.between(2, 6) {
            // Passes over all keys, most of them as they are.
            for key in 0..keys {
                let often = random.between(2, 400) as u64;
                let value = if random.once_in(often) { random.between(0, 3) as u64 } else { 0 };
                text.push_str(&row(key, value));
                last.insert(key, value);
                told += 1;
            }
        }
        let path = work.write("in.csv", text);
        let (workers, batch) = (random.between(1, 4).to_string(), random.between(200, 1_500).to_string());
        let run = load(&work, &db, &path, &["--workers", &workers, "--batch-size", &batch]);
        let stored: BTreeMap<u32, u64> = db
            .rows("SELECT id::text, price::text FROM t")
            .into_iter()
            .map(|row| {
                let number = |at: usize| row[at].clone().expect("a value");
                (number(0).parse().expect("an id"), number(1).parse().expect("a price"))
            })
            .collect();
        assert_eq!(stored, last, "seed {seed}, round {round}: {run}");
        assert_eq!(run.books().read, told, "{run}");
    }
}
