//! `mdsctl verify`: what is missing, different, or in the store alone is named, and nothing else is.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustix::process::Signal;
use serde_json::Value;

use crate::generator::market::{Dataset, Order, Plan};
use crate::generator::spoil::Spoil;
use crate::generator::write::Format;
use crate::harness::wait::PATIENCE;
use crate::harness::{Postgres, Run, Store, Work, on_both_stores, wait};

/// Rows of the inputs.
const ROWS: u64 = 3_000;

const FORMATS: [(Format, &str); 3] =
    [(Format::Csv, "csv"), (Format::Ndjson, "ndjson"), (Format::Parquet, "parquet")];

/// Market data of that dataset in a file of that format.
fn made(work: &Work, (dataset, name): (Dataset, &str), (format, ending): (Format, &str)) -> String {
    let plan = Plan {
        dataset,
        rows: ROWS,
        symbols: 7,
        seed: 3,
        order: Order::Time,
        session: 390,
        vendor: Arc::from("acme"),
        without: Vec::new(),
    };
    work.generate(&format!("{name}.{ending}"), &plan, format, &Spoil::Permille(0))
}

fn load(work: &Work, store: &Store, path: &str, dataset: &str) -> Run {
    work.mdsctl(["load", path, "--dataset", dataset, "--json", "--dsn", &store.dsn()]).run()
}

fn verify(work: &Work, store: &Store, path: &str, dataset: &str, more: &[&str]) -> Run {
    work.mdsctl(["verify", path, "--dataset", dataset, "--json", "--dsn", &store.dsn()])
        .arguments(more.iter().copied())
        .run()
}

fn count(run: &Run, name: &str) -> u64 {
    run.json()["rows"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {run}"))
}

#[test]
fn what_was_loaded_is_there_whatever_its_dataset_and_format() {
    on_both_stores(|work, store, case| {
        for (dataset, name) in [
            (Dataset::Bars, "bars"),
            (Dataset::Ticks, "ticks"),
            (Dataset::Options, "options"),
            (Dataset::Fundamentals, "fundamentals"),
            (Dataset::News, "news"),
        ] {
            for format in FORMATS {
                let path = made(work, (dataset, name), format);
                let loaded = load(work, store, &path, name).expect(0).books();
                let run = verify(work, store, &path, name, &[]).expect(0);
                assert_eq!(count(&run, "compared"), loaded.read, "{case} {name} {run}");
                let stored = loaded.read - loaded.superseded;
                assert_eq!(count(&run, "stored"), stored, "{case} {name} {run}");
            }
        }
    });
}

/// How a row is known again, by its key in JSON.
fn identity(dataset: &str, row: &Value) -> String {
    let key = &row["key"];
    match dataset {
        "ticks" => key["trade_id"].as_str().expect("an id").to_owned(),
        _ => format!("{} {}", key["symbol"].as_str().expect("a symbol"), key["ts"].as_str().expect("a time")),
    }
}

/// The same by SQL.
fn identified(store: &Store, dataset: &str) -> &'static str {
    match (dataset, store) {
        ("ticks", _) => "trade_id",
        (_, Store::Postgres(_)) => {
            "symbol || ' ' || to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        }
        (_, Store::Sqlite(_)) => "symbol || ' ' || ts",
    }
}

fn some(store: &Store, dataset: &str, offset: u32) -> BTreeSet<String> {
    let name = identified(store, dataset);
    let sql = format!("SELECT {name} FROM {dataset} ORDER BY 1 LIMIT 50 OFFSET {offset}");
    store.rows(&sql).into_iter().map(|row| row[0].clone().expect("a key")).collect()
}

/// Takes 50 rows out, changes 50 and adds 50; which ones, in that order.
fn spoil(store: &Store, dataset: &str) -> [BTreeSet<String>; 3] {
    let name = identified(store, dataset);
    let all =
        |keys: &BTreeSet<String>| keys.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
    let (gone, changed, copied) =
        (some(store, dataset, 100), some(store, dataset, 900), some(store, dataset, 2_000));
    let (columns, values, value, added) = match (dataset, store) {
        ("ticks", _) => (
            "ts, vendor, symbol, trade_id, price, size, exchange",
            "ts, vendor, symbol, trade_id || 'x', price, size, exchange",
            "size",
            copied.iter().map(|key| format!("{key}x")).collect(),
        ),
        (_, Store::Postgres(_)) => (
            "ts, vendor, symbol, timeframe, close_price, volume",
            "ts + interval '7 seconds', vendor, symbol, timeframe, close_price, volume",
            "volume",
            copied.iter().map(|key| key.replace(":00Z", ":07Z")).collect(),
        ),
        (_, Store::Sqlite(_)) => (
            "ts, vendor, symbol, timeframe, close_price, volume",
            "substr(ts, 1, 17) || '07', vendor, symbol, timeframe, close_price, volume",
            "volume",
            copied.iter().map(|key| format!("{}07", &key[..key.len() - 2])).collect(),
        ),
    };
    let wanted = |keys| format!("WHERE {name} IN ({})", all(keys));
    store.rows(&format!(
        "INSERT INTO {dataset} ({columns}) SELECT {values} FROM {dataset} {}",
        wanted(&copied)
    ));
    store.rows(&format!("UPDATE {dataset} SET {value} = {value} + 1 {}", wanted(&changed)));
    store.rows(&format!("DELETE FROM {dataset} {}", wanted(&gone)));
    [gone, changed, added]
}

#[test]
fn rows_that_were_deleted_changed_and_added_are_named_and_no_others() {
    on_both_stores(|work, store, case| {
        for (dataset, name) in [(Dataset::Bars, "bars"), (Dataset::Ticks, "ticks")] {
            for format in FORMATS {
                let path = made(work, (dataset, name), format);
                load(work, store, &path, name).expect(0);
                let expected = spoil(store, name);
                let file = work.path(&format!("{name}-{}.ndjson", format.1));
                let file = file.to_str().expect("a path");
                let run = verify(work, store, &path, name, &["--export", file]).expect(3);
                for (kind, keys) in ["missing", "different", "only_in_store"].into_iter().zip(&expected) {
                    assert_eq!(count(&run, kind), 50, "{case} {name} {run}");
                    let of_kind = |rows: &mut dyn Iterator<Item = Value>| -> BTreeSet<String> {
                        rows.filter(|row| row["difference"] == kind).map(|row| identity(name, &row)).collect()
                    };
                    let listed = run.json()["differences"].as_array().expect("rows").clone();
                    assert_eq!(of_kind(&mut listed.into_iter()), *keys, "{case} {name} {kind}");
                    let text = std::fs::read_to_string(file).expect("a file");
                    let mut lines = text.lines().map(|line| serde_json::from_str(line).expect(line));
                    assert_eq!(of_kind(&mut lines), *keys, "{case} {name} {kind}");
                    let sum: u64 = run.json()["days"]
                        .as_array()
                        .expect("days")
                        .iter()
                        .map(|day| day[kind].as_u64().expect("a number"))
                        .sum();
                    assert_eq!(sum, 50, "{case} {name} {run}");
                }
                for row in run.json()["differences"].as_array().expect("rows") {
                    if row["difference"] == "different" {
                        let value = if name == "ticks" { "size" } else { "volume" };
                        let [of_input, of_store] =
                            ["input", "store"].map(|side| row[side][value].as_f64().expect("a number"));
                        assert_eq!(of_input + 1.0, of_store, "{row}");
                        assert_eq!(row["input"].as_object().expect("values").len(), 1, "{row}");
                    }
                }
                // A file is not written over unasked.
                let run = verify(work, store, &path, name, &["--export", file]).expect(2);
                assert!(run.error().contains("is there already"), "{run}");

                let run = work
                    .mdsctl(["verify", &path, "--dataset", name, "--repair", "--dsn", &store.dsn()])
                    .run()
                    .expect(3);
                assert!(run.stdout.contains("50 rows in the table alone"), "{run}");
                let run = verify(work, store, &path, name, &[]).expect(3);
                assert_eq!([count(&run, "missing"), count(&run, "different")], [0, 0], "{case} {run}");
                assert_eq!(count(&run, "only_in_store"), 50, "{case} {run}");
                let added = expected[2].iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
                store.rows(&format!("DELETE FROM {name} WHERE {} IN ({added})", identified(store, name)));
                verify(work, store, &path, name, &[]).expect(0);
            }
        }
    });
}

#[test]
fn the_last_row_of_a_key_counts_and_refused_rows_are_told() {
    on_both_stores(|work, store, case| {
        let head = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";
        let path = work.write(
            "bars.csv",
            format!(
                "{head}2024-01-02T10:00:00Z,v,A,1m,1,2,0.5,1.5,10\n2024-01-02T10:01:00Z,v,A,1m,1,2,0.5,1.5,20\n2024-01-02T10:00:00Z,v,A,1m,1.0,2,0.50,1.5,30\n"
            ),
        );
        load(work, store, &path, "bars").expect(0);
        let run = verify(work, store, &path, "bars", &[]).expect(0);
        assert_eq!([count(&run, "compared"), count(&run, "superseded")], [3, 1], "{case} {run}");

        // Of a row that is refused nothing can be there.
        let text = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, format!("{text}2024-01-02T10:02:00Z,v,A,1m,1,2,0.5,x,10\n")).expect("a file");
        let run = verify(work, store, &path, "bars", &[]).expect(3);
        assert_eq!([count(&run, "rejected"), count(&run, "missing")], [1, 0], "{case} {run}");

        // Other columns of the table are nobody's business, and other series neither, which are told of.
        let other = work.write("other.csv", format!("{head}2024-01-02T10:00:00Z,w,A,1m,9,9,9,9,9\n"));
        load(work, store, &other, "bars").expect(0);
        let brief = work.write("brief.csv", "ts,vendor,symbol,timeframe,open,high,low,close\n2024-01-02T10:01:00Z,w,A,1m,1,2,0.5,1.5\n2024-01-02T10:00:00Z,v,A,1m,1,2,0.5,1.5\n");
        let run = verify(work, store, &brief, "bars", &[]).expect(3);
        assert_eq!(
            [count(&run, "missing"), count(&run, "different"), count(&run, "only_in_store")],
            [1, 0, 2],
            "{case} {run}"
        );
        let one = work.write(
            "one.csv",
            "ts,vendor,symbol,timeframe,open,high,low,close\n2024-01-02T10:00:00Z,w,A,1m,9,9,9,9\n",
        );
        let run = verify(work, store, &one, "bars", &[]).expect(0);
        assert_eq!(count(&run, "outside"), 2, "{case} {run}");
    });
}

#[test]
fn what_cannot_be_compared_is_refused_with_a_sentence() {
    on_both_stores(|work, store, case| {
        let path = made(work, (Dataset::Bars, "bars"), FORMATS[0]);
        load(work, store, &path, "bars").expect(0);
        let run = work.mdsctl(["verify", "-", "--dataset", "bars", "--dsn", &store.dsn()]).run().expect(2);
        assert!(run.error().contains("standard input comes once"), "{case} {run}");
        let run = verify(work, store, "nothing.csv", "bars", &[]).expect(6);
        assert!(run.error().contains("nothing.csv"), "{case} {run}");
        let text = std::fs::read(&path).expect("a file");
        let cut = work.write("cut.csv.gz", &text[..0]);
        verify(work, store, &cut, "bars", &[]).expect(6);
        store.rows("CREATE TABLE loose (symbol text, v bigint)");
        let loose = work.write("loose.csv", "symbol,v\nA,1\n");
        let run = work.mdsctl(["verify", &loose, "--table", "loose", "--dsn", &store.dsn()]).run().expect(2);
        assert!(run.error().contains("has no key"), "{case} {run}");
        for percent in ["0", "101%", "x"] {
            verify(work, store, &path, "bars", &["--sample", percent]).expect(2);
        }
        let run = verify(work, store, &path, "bars", &["--sample", "50%"]).expect(0);
        let compared = count(&run, "compared");
        assert!(compared < ROWS && compared == count(&run, "stored"), "{case} {run}");
    });
}

#[test]
fn values_of_all_types_are_compared_as_the_table_holds_them() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(
        "CREATE TYPE side AS ENUM ('buy', 'sell'); CREATE TABLE odd (symbol char(8), tz timestamptz, d date, ts3 timestamp(3), a smallint, \
         b bigint, r real, f double precision, n numeric, m numeric(12,4), j jsonb, l text[], e side, u uuid, ok boolean, v varchar(10), \
         iv interval, exchange text NOT NULL DEFAULT '', PRIMARY KEY (symbol, tz, exchange))",
    );
    let path = work.write(
        "odd.ndjson",
        r#"{"symbol":"O'X","d":"1969-12-31","ts3":"1969-12-31T23:59:59.123456Z","tz":"1960-01-01T00:00:00.000001Z","a":-5,"b":9007199254740993,"r":1.1,"f":-0.0,"n":0.00012,"m":1.23456,"j":{"b":1.50,"a":[1,{"z":null,"y":"x"}]},"l":["a","b"],"e":"buy","u":"11111111-1111-4111-8111-111111111111","ok":true,"v":"ab","iv":"1 day"}
{"symbol":"B","d":"2024-02-29","ts3":"2024-02-29T00:00:00.9996Z","tz":"2024-02-29T12:00:00Z","a":1,"b":1,"r":1e10,"f":1e-7,"n":1000000,"m":-0.00005,"j":{},"l":[],"e":"sell","u":"11111111-1111-4111-8111-111111111112","ok":false,"v":"é","iv":"02:00"}
{"symbol":"C","d":"2024-02-29","ts3":"2024-02-29T00:00:00Z","tz":"2024-02-29T12:00:00Z","a":null,"b":null,"r":null,"f":null,"n":12345678.90123456789,"m":9999.99995,"j":null,"l":["x",null],"e":null,"u":null,"ok":null,"v":null,"iv":null}
"#,
    );
    work.mdsctl(["load", &path, "--table", "odd", "--dsn", &db.dsn()]).run().expect(0);
    let verify = || work.mdsctl(["verify", &path, "--table", "odd", "--json", "--dsn", &db.dsn()]).run();
    let run = verify().expect(0);
    assert_eq!(count(&run, "stored"), 3, "{run}");
    assert_eq!(run.json()["uncompared"], serde_json::json!(["iv"]), "{run}");
    // Each column by itself, in the row that has all of them.
    for (set, column, of_input, of_store) in [
        ("d = d + 1", "d", r#""1969-12-31""#, r#""1970-01-01""#),
        (
            "ts3 = ts3 + interval '1 ms'",
            "ts3",
            r#""1969-12-31T23:59:59.123Z""#,
            r#""1969-12-31T23:59:59.124Z""#,
        ),
        ("a = a + 1", "a", "-5", "-4"),
        ("b = b + 1", "b", "9007199254740993", "9007199254740994"),
        ("r = 1.2", "r", "1.1", "1.2"),
        ("f = 'NaN'", "f", "0", r#""NaN""#),
        ("n = n + 0.00000001", "n", "0.00012", "0.00012001"),
        ("m = m + 0.0001", "m", "1.2346", "1.2347"),
        (
            "j = j || '{\"b\":2}'",
            "j",
            r#"{"a":[1,{"y":"x","z":null}],"b":1.5}"#,
            r#"{"a":[1,{"y":"x","z":null}],"b":2}"#,
        ),
        ("l = '{a,NULL}'", "l", r#"["a","b"]"#, r#"["a",null]"#),
        ("e = 'sell'", "e", r#""buy""#, r#""sell""#),
        (
            "u = '21111111-1111-4111-8111-111111111111'",
            "u",
            r#""11111111-1111-4111-8111-111111111111""#,
            r#""21111111-1111-4111-8111-111111111111""#,
        ),
        ("ok = NULL", "ok", "true", "null"),
        ("v = 'a b'", "v", r#""ab""#, r#""a b""#),
    ] {
        db.execute(&format!("UPDATE odd SET {set} WHERE symbol = 'O''X'"));
        let run = verify().expect(3);
        let rows = run.json()["differences"].as_array().expect("rows").clone();
        assert_eq!(rows.len(), 1, "{set} {run}");
        let expected = |value: &str| format!("{{\"{column}\":{value}}}");
        assert_eq!(rows[0]["input"].to_string(), expected(of_input), "{set}");
        assert_eq!(rows[0]["store"].to_string(), expected(of_store), "{set}");
        work.mdsctl(["verify", &path, "--table", "odd", "--repair", "--dsn", &db.dsn()]).run().expect(0);
        verify().expect(0);
    }
}

fn of_table(work: &Work, store: &Store, inputs: &[&str], table: &str, more: &[&str]) -> Run {
    work.mdsctl(["verify"])
        .arguments(inputs.iter().copied())
        .arguments(["--table", table, "--json", "--dsn", &store.dsn()])
        .arguments(more.iter().copied())
        .run()
}

fn loaded(work: &Work, store: &Store, inputs: &[&str], table: &str, more: &[&str]) -> Run {
    work.mdsctl(["load"])
        .arguments(inputs.iter().copied())
        .arguments(["--table", table, "--dsn", &store.dsn()])
        .arguments(more.iter().copied())
        .run()
}

/// The same once for each kind of store, in which these statements have run.
fn on_both_holding(statements: &str, test: impl Fn(&Work, &Store, &str)) {
    for sqlite in [true, false] {
        let work = Work::new();
        let store = Store::holding(&work, sqlite, statements);
        test(&work, &store, if sqlite { "SQLite" } else { "PostgreSQL" });
    }
}

fn counts(run: &Run) -> [u64; 3] {
    ["missing", "different", "only_in_store"].map(|name| count(run, name))
}

#[test]
fn rows_of_one_key_are_one_row_in_the_columns_that_each_brings() {
    on_both_holding("CREATE TABLE dd (k text PRIMARY KEY, a integer, b integer)", |work, store, case| {
        let (one, two) = (work.write("p1.csv", "k,a\nx,1\ny,1\n"), work.write("p2.csv", "k,b\nx,7\ny,8\n"));
        let inputs = [&*one, &*two];
        loaded(work, store, &inputs, "dd", &[]).expect(0);
        of_table(work, store, &inputs, "dd", &[]).expect(0);
        store.rows("UPDATE dd SET a = 99 WHERE k = 'x'");
        let run = of_table(work, store, &inputs, "dd", &[]).expect(3);
        assert_eq!(counts(&run), [0, 1, 0], "{case} {run}");
        assert_eq!(run.json()["differences"][0]["input"].to_string(), r#"{"a":1}"#, "{case} {run}");
        let run = of_table(work, store, &inputs, "dd", &["--repair"]).expect(0);
        assert_eq!(run.json()["repair"]["rows"]["updated"], 1, "{case} {run}");
        assert_eq!(run.json()["rows"]["different"], 1, "{case} {run}");
        of_table(work, store, &inputs, "dd", &[]).expect(0);
    });
}

#[test]
fn where_the_first_row_of_a_key_stays_it_is_the_one_that_counts() {
    on_both_holding("CREATE TABLE dd (k text PRIMARY KEY, a integer)", |work, store, case| {
        let path = work.write("dup.csv", "k,a\nx,1\nx,2\n");
        loaded(work, store, &[&path], "dd", &["--on-conflict", "skip"]).expect(0);
        of_table(work, store, &[&path], "dd", &["--on-conflict", "skip"]).expect(0);
        let run = of_table(work, store, &[&path], "dd", &[]).expect(3);
        assert_eq!(counts(&run), [0, 1, 0], "{case} {run}");
        let run = of_table(work, store, &[&path], "dd", &["--on-conflict", "skip", "--repair"]).expect(2);
        assert!(run.error().contains("--on-conflict"), "{case} {run}");
        of_table(work, store, &[&path], "dd", &["--repair"]).expect(0);
        assert_eq!(store.rows("SELECT a FROM dd")[0][0].as_deref(), Some("2"), "{case}");
    });
}

#[test]
fn keys_that_the_store_makes_for_each_row_are_refused_and_constant_ones_filled_in() {
    let (work, postgres) = (Work::new(), Store::postgres());
    let path = work.write("idv.csv", "id,v\n1,2\n3,4\n");
    for (table, column) in [
        ("kuu", "u uuid DEFAULT gen_random_uuid()"),
        ("kid", "n integer GENERATED ALWAYS AS IDENTITY"),
        ("kseq", "n serial"),
        ("know", "at timestamptz DEFAULT now()"),
        ("kclock", "at timestamptz DEFAULT CURRENT_TIMESTAMP"),
    ] {
        let name = column.split(' ').next().expect("a name");
        postgres.rows(&format!(
            "CREATE TABLE {table} (id integer, {column}, v integer, PRIMARY KEY (id, {name}))"
        ));
        loaded(&work, &postgres, &[&path], table, &[]).expect(0);
        let run = of_table(&work, &postgres, &[&path], table, &["--repair"]).expect(2);
        assert!(
            run.error().contains("a value of its own for each row") && run.error().contains(name),
            "{run}"
        );
        assert_eq!(postgres.rows(&format!("SELECT count(*) FROM {table}"))[0][0].as_deref(), Some("2"));
    }
    postgres.rows("CREATE TABLE kconst (id integer, d date DEFAULT '2024-01-02', t text DEFAULT 'x''y', v integer, PRIMARY KEY (id, d, t))");
    loaded(&work, &postgres, &[&path], "kconst", &[]).expect(0);
    of_table(&work, &postgres, &[&path], "kconst", &[]).expect(0);

    let sqlite = Store::holding(
        &work,
        true,
        "CREATE TABLE made (id INTEGER, u TEXT NOT NULL DEFAULT (hex(randomblob(8))), v INTEGER, PRIMARY KEY (id, u));
         CREATE TABLE nocase (id TEXT COLLATE NOCASE PRIMARY KEY, v REAL);
         CREATE TABLE kconst (id INTEGER, t TEXT NOT NULL DEFAULT 'x''y', v INTEGER, PRIMARY KEY (id, t));",
    );
    for (table, word) in [("made", "a value of its own in each row"), ("nocase", "COLLATE")] {
        loaded(&work, &sqlite, &[&path], table, &[]).expect(0);
        let run = of_table(&work, &sqlite, &[&path], table, &[]).expect(2);
        assert!(run.error().contains(word), "{run}");
    }
    loaded(&work, &sqlite, &[&path], "kconst", &[]).expect(0);
    of_table(&work, &sqlite, &[&path], "kconst", &[]).expect(0);
}

#[test]
fn a_column_called_symbol_may_be_anything() {
    let tables = "CREATE TABLE number (symbol bigint, d date, v integer, PRIMARY KEY (symbol, d)); \
                  CREATE TABLE side (id integer NOT NULL, symbol text, v integer, PRIMARY KEY (id, v))";
    on_both_holding(tables, |work, store, case| {
        let path = work.write("number.csv", "symbol,d,v\n1,2024-01-02,2\n2,2024-01-03,4\n");
        loaded(work, store, &[&path], "number", &[]).expect(0);
        of_table(work, store, &[&path], "number", &[]).expect(0);
        store.rows("UPDATE number SET v = 9 WHERE symbol = 2");
        assert_eq!(counts(&of_table(work, store, &[&path], "number", &[]).expect(3)), [0, 1, 0], "{case}");

        let path = work.write("side.csv", "id,symbol,v\n1,A,2\n2,B,4\n");
        loaded(work, store, &[&path], "side", &[]).expect(0);
        store.rows("UPDATE side SET symbol = 'X' WHERE id = 1");
        assert_eq!(counts(&of_table(work, store, &[&path], "side", &[]).expect(3)), [0, 1, 0], "{case}");
    });
}

#[test]
fn documents_and_far_days_are_compared_to_their_last_digit() {
    let (work, store) = (Work::new(), Store::postgres());
    store.rows("CREATE TABLE doc (id integer PRIMARY KEY, j jsonb, d date)");
    let deep = format!("{}1{}", "[ ".repeat(600), "]".repeat(600));
    let path = work.write(
        "doc.ndjson",
        format!(
            "{{\"id\":1,\"j\":{{\"x\":12345678901234567890.123456789,\"b\":1e2,\"a\":-0.0}},\"d\":\"9999-12-31\"}}\n{{\"id\":2,\"j\":{{\"a\":1E+300}},\"d\":null}}\n{{\"id\":3,\"j\":{deep},\"d\":null}}\n"
        ),
    );
    loaded(&work, &store, &[&path], "doc", &[]).expect(0);
    of_table(&work, &store, &[&path], "doc", &[]).expect(0);
    store.rows("UPDATE doc SET j = '{\"x\":12345678901234567890.123456788,\"b\":100,\"a\":0}', d = '5874897-12-31' WHERE id = 1");
    store.rows("UPDATE doc SET j = '{\"a\":1E+301}' WHERE id = 2");
    let run = of_table(&work, &store, &[&path], "doc", &[]).expect(3);
    assert_eq!(counts(&run), [0, 2, 0], "{run}");
    for word in
        ["12345678901234567890.123456788", "12345678901234567890.123456789", "+5874897-12-31", "1e301"]
    {
        assert!(run.stdout.contains(word), "{word} {run}");
    }
    store.rows("CREATE TABLE far (d date PRIMARY KEY, v integer)");
    store.rows("INSERT INTO far VALUES ('5874897-12-31', 1), ('infinity', 1)");
    let path = work.write("far.csv", "d,v\n9999-12-31,1\n");
    loaded(&work, &store, &[&path], "far", &[]).expect(0);
    of_table(&work, &store, &[&path], "far", &[]).expect(0);
}

#[test]
fn an_export_is_whole_or_not_there_and_never_an_input() {
    on_both_holding("CREATE TABLE dd (k text PRIMARY KEY, a double precision)", |work, store, case| {
        let path = work.write("in.csv", "k,a\nx,1\ny,2\n");
        loaded(work, store, &[&path], "dd", &[]).expect(0);
        match store {
            Store::Sqlite(_) => store.rows("UPDATE dd SET a = -9e999 WHERE k = 'x'"),
            Store::Postgres(_) => store.rows("UPDATE dd SET a = '-infinity' WHERE k = 'x'"),
        };
        let run = of_table(work, store, &[&path], "dd", &["--export", &path, "--force"]).expect(2);
        assert!(run.error().contains("one of the files which are read"), "{case} {run}");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "k,a\nx,1\ny,2\n", "{case}");

        let file = work.path("out.ndjson");
        let file = file.to_str().expect("a path");
        let run = of_table(work, store, &[&path], "dd", &["--export", file]).expect(3);
        assert!(run.json()["differences"][0]["key"]["k"] == "x", "{case} {run}");
        let text = std::fs::read_to_string(file).expect("a file");
        let row: Value = serde_json::from_str(text.trim()).expect(&text);
        assert!(
            row["store"]["a"].as_str().is_some_and(|value| value.to_lowercase().starts_with("-inf")),
            "{case} {row}"
        );
        // What was there stays where the next one comes to nothing.
        let gone = work.path("gone.csv");
        of_table(work, store, &[gone.to_str().expect("a path")], "dd", &["--export", file, "--force"])
            .expect(6);
        assert_eq!(std::fs::read_to_string(file).expect("a file"), text, "{case}");
        let run = work
            .mdsctl([
                "verify",
                &path,
                "--table",
                "dd",
                "--quiet",
                "--export",
                "/dev/stdout",
                "--dsn",
                &store.dsn(),
            ])
            .run()
            .expect(3);
        assert!(run.stdout.contains("\"difference\":\"different\""), "{case} {run}");
    });
}

#[test]
fn a_sample_that_has_nothing_is_no_proof() {
    on_both_holding(
        "CREATE TABLE dd (symbol text, d date, v integer, PRIMARY KEY (symbol, d))",
        |work, store, case| {
            let path = work.write("in.csv", "symbol,d,v\nA,2024-01-02,1\n");
            loaded(work, store, &[&path], "dd", &[]).expect(0);
            let run = of_table(work, store, &[&path], "dd", &["--sample", "0.0001%"]).expect(2);
            assert!(run.error().contains("nothing was compared"), "{case} {run}");
            of_table(work, store, &[&path], "dd", &["--sample", "100%"]).expect(0);
        },
    );
}

#[test]
fn a_comparison_that_waits_for_a_lock_says_for_whose_and_can_be_ended() {
    let (work, store) = (Work::new(), Store::postgres());
    let Store::Postgres(db) = &store else { return };
    let path = made(&work, (Dataset::Bars, "bars"), FORMATS[0]);
    load(&work, &store, &path, "bars").expect(0);
    let holder = db.session().expect("a session");
    let export = work.path("out.ndjson");
    let locked = work
        .mdsctl(["verify", &path, "--dataset", "bars", "--dsn", &store.dsn()])
        .arguments(["--export", export.to_str().expect("a path")]);
    // Behind the last look at the catalog the rows of the table are waited for.
    holder.execute("BEGIN; LOCK TABLE bars IN ACCESS EXCLUSIVE MODE");
    let running = locked.spawn();
    wait::until(PATIENCE, "who holds the lock", || running.said().contains("waiting for").then_some(()));
    running.signal(Signal::INT);
    let run = running.finish().expect(130);
    assert!(run.stderr.contains("run the same command again"), "{run}");
    assert!(!export.exists());
    holder.execute("COMMIT");
    verify(&work, &store, &path, "bars", &[]).expect(0);
}
