//! Dead letters hold rows as they were understood: whatever way a row goes, refused and replayed or loaded
//! at once, the store has the same values in the end.

use std::fs::File;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{ArrowPrimitiveType, Float16Type, Int8Type, Int32Type, UInt16Type};
use arrow::datatypes::{IntervalDayTime, i256};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::harness::{Postgres, Store, Work};

/// Four rows: the least and the greatest value, one between them, and null.
fn arrays() -> Vec<(&'static str, &'static str, ArrayRef)> {
    macro_rules! of {
        ($type:ident, $low:expr, $high:expr, $mid:expr) => {
            Arc::new($type::from(vec![Some($low), Some($high), Some($mid), None])) as ArrayRef
        };
    }
    let half = |value: f32| <Float16Type as ArrowPrimitiveType>::Native::from_f32(value);
    let day = 86_400_000;
    // 1800-01-02 and 2261-12-30: what nanoseconds hold.
    let (low, high) = (-5_364_576_000i64, 9_214_473_600i64);
    let small = |array: Decimal128Array, digits, scale| -> ArrayRef {
        Arc::new(array.with_precision_and_scale(digits, scale).expect("a scale"))
    };
    let nines = 10i128.pow(38) - 1;
    let wide = i256::from_string(&"9".repeat(76)).expect("76 digits");
    let wide = Decimal256Array::from(vec![Some(wide.wrapping_neg()), Some(wide), Some(i256::ONE), None]);
    let texts = vec![Some("a\"\\\u{1}b"), Some("Füße, {x}\n"), Some("~"), None];
    let codes = |values: [&'static str; 3]| StringArray::from(values.to_vec());
    let few = codes(["buy", "sell", "short"]);
    let days = Date32Array::from(vec![0, 20_000]);
    vec![
        ("smallint", "INTEGER", of!(Int8Array, i8::MIN, i8::MAX, 5)),
        ("smallint", "INTEGER", of!(Int16Array, i16::MIN, i16::MAX, 5)),
        ("integer", "INTEGER", of!(Int32Array, i32::MIN, i32::MAX, 5)),
        ("bigint", "INTEGER", of!(Int64Array, i64::MIN, i64::MAX, 5)),
        ("smallint", "INTEGER", of!(UInt8Array, u8::MIN, u8::MAX, 5)),
        ("integer", "INTEGER", of!(UInt16Array, u16::MIN, u16::MAX, 5)),
        ("bigint", "INTEGER", of!(UInt32Array, u32::MIN, u32::MAX, 5)),
        ("numeric", "NUMERIC", of!(UInt64Array, u64::MIN, u64::MAX, 5)),
        ("real", "REAL", of!(Float16Array, half(-65_504.0), half(6e-8), half(0.1))),
        ("real", "REAL", of!(Float32Array, f32::MIN, f32::from_bits(1), 0.1)),
        ("double precision", "REAL", of!(Float32Array, f32::MAX, f32::MIN_POSITIVE, -0.0)),
        ("numeric", "TEXT", of!(Float32Array, f32::MAX, f32::from_bits(1), -1.5)),
        ("double precision", "REAL", of!(Float64Array, f64::MIN, f64::from_bits(1), -0.0)),
        ("double precision", "REAL", of!(Float64Array, 1e80, 1.2345678901234567e-70, 1e-80)),
        ("numeric", "ANY", of!(Float64Array, f64::MAX, f64::from_bits(1), 3.3e-87)),
        ("numeric", "NUMERIC", of!(Float64Array, 1e300, -1e-300, 0.1)),
        ("numeric", "TEXT", small(vec![Some(-nines), Some(nines), Some(1), None].into(), 38, 38)),
        ("numeric(6,2)", "TEXT", small(vec![Some(-999_999), Some(999_999), Some(1), None].into(), 6, 2)),
        ("numeric", "TEXT", small(vec![Some(-99_999), Some(99_999), Some(1), None].into(), 5, 0)),
        ("numeric", "TEXT", Arc::new(wide.with_precision_and_scale(76, 40).expect("a scale"))),
        ("date", "DATE", of!(Date32Array, -62_000, 106_000, 0)),
        ("timestamp", "TIMESTAMP", of!(TimestampMillisecondArray, low * 1000, high * 1000, -1)),
        ("timestamptz", "TIMESTAMP", of!(TimestampMicrosecondArray, low * 1_000_000, high * 1_000_000, -1)),
        (
            "timestamptz",
            "TIMESTAMP",
            of!(TimestampNanosecondArray, low * 1_000_000_000, high * 1_000_000_000, 1_500),
        ),
        (
            "timestamptz",
            "TIMESTAMP",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1), Some(-1), None, Some(0)]).with_timezone("UTC"),
            ),
        ),
        ("time", "TEXT", of!(Time32MillisecondArray, 0, day - 1, 34_200_000)),
        ("time", "TEXT", of!(Time64MicrosecondArray, 0, i64::from(day) * 1000 - 1, 34_200_000_001)),
        ("time", "TEXT", of!(Time64NanosecondArray, 0, 1_500, 34_200_000_000_000)),
        (
            "interval",
            "TEXT",
            of!(
                IntervalDayTimeArray,
                IntervalDayTime::new(1, 500),
                IntervalDayTime::new(40, 0),
                IntervalDayTime::new(0, 86_400_000)
            ),
        ),
        (
            "bytea",
            "BLOB",
            Arc::new(BinaryArray::from(vec![Some(&b""[..]), Some(b"\x00\xff\\x"), Some(b"abc"), None])),
        ),
        (
            "bytea",
            "BLOB",
            Arc::new(LargeBinaryArray::from(vec![Some(&b"\xde\xad"[..]), Some(b"1"), None, None])),
        ),
        (
            "text",
            "TEXT",
            Arc::new(BinaryArray::from(vec![Some("Füße".as_bytes()), Some(b"\\x41"), Some(b"~"), None])),
        ),
        (
            "uuid",
            "UUID",
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    [Some([0u8; 16]), Some([0xff; 16]), Some([7; 16]), None].into_iter(),
                    16,
                )
                .expect("sixteen bytes"),
            ),
        ),
        ("text", "TEXT", Arc::new(StringArray::from(texts.clone()))),
        ("text", "TEXT", Arc::new(LargeStringArray::from(texts.clone()))),
        ("text", "TEXT", Arc::new(StringViewArray::from(texts))),
        (
            "text",
            "TEXT",
            Arc::new(DictionaryArray::<Int8Type>::new(
                vec![Some(2), Some(0), Some(1), None].into(),
                Arc::new(few.clone()),
            )),
        ),
        (
            "text",
            "TEXT",
            Arc::new(DictionaryArray::<Int32Type>::new(
                vec![Some(1), Some(0), Some(1), None].into(),
                Arc::new(few),
            )),
        ),
        (
            "date",
            "DATE",
            Arc::new(DictionaryArray::<UInt16Type>::new(
                vec![Some(1), Some(0), Some(1), None].into(),
                Arc::new(days),
            )),
        ),
        ("boolean", "BOOLEAN", of!(BooleanArray, true, false, true)),
        (
            "jsonb",
            "JSON",
            Arc::new(StringArray::from(vec![Some(r#"{"a": [1, "x"]}"#), Some("[]"), Some("1e5"), None])),
        ),
        (
            "text[]",
            "TEXT",
            Arc::new(StringArray::from(vec![
                Some(r#"{a,"b c",NULL}"#),
                Some("{}"),
                Some("{\"\\\"\"}"),
                None,
            ])),
        ),
    ]
}

/// Each array as a column of its own type, and as one of text.
fn columns() -> Vec<(String, &'static str, &'static str, ArrayRef)> {
    let own = arrays().into_iter().enumerate();
    own.flat_map(|(place, (postgres, sqlite, array))| {
        let bytes = matches!(postgres, "bytea" | "uuid");
        let text = (!bytes).then(|| (format!("t{place}"), "text", "TEXT", array.clone()));
        std::iter::once((format!("c{place}"), postgres, sqlite, array)).chain(text)
    })
    .collect()
}

fn write(work: &Work, name: &str, columns: Vec<(String, ArrayRef)>) -> String {
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let path = work.write(name, "");
    let mut writer =
        ArrowWriter::try_new(File::create(&path).expect("a file"), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows are written");
    writer.close().expect("the file is whole");
    path
}

fn create(work: &Work, postgres: bool, tables: &[&str], columns: &[(String, &str)], more: &str) -> Store {
    let list: Vec<String> = columns.iter().map(|(name, type_)| format!("{name} {type_}")).collect();
    let sql =
        |table: &&str| format!("CREATE TABLE {table} (k INTEGER PRIMARY KEY, {}{more})", list.join(", "));
    if postgres {
        let db = Postgres::shared().database();
        tables.iter().for_each(|table| db.execute(&sql(table)));
        return Store::Postgres(db);
    }
    let store = Store::sqlite(work);
    let connection = rusqlite::Connection::open(work.path("store.db")).expect("a file");
    tables.iter().for_each(|table| connection.execute_batch(&sql(table)).expect("a table"));
    store
}

/// Rows of a table; a value of SQLite with its type.
fn rows(store: &Store, table: &str, names: &[String]) -> Vec<Vec<Option<String>>> {
    let shown = |name: &String| match store {
        Store::Postgres(_) => format!("{name}::text"),
        Store::Sqlite(_) => format!(
            "typeof({name}) || ' ' || CASE typeof({name}) WHEN 'blob' THEN hex({name}) WHEN 'real' THEN printf('%.17g', {name}) ELSE {name} END"
        ),
    };
    let shown: Vec<String> = names.iter().map(shown).collect();
    store.rows(&format!("SELECT {} FROM {table} ORDER BY k", shown.join(", ")))
}

#[test]
fn every_type_and_extreme_of_parquet_comes_out_of_a_replay_as_out_of_a_load() {
    for postgres in [true, false] {
        let (work, columns) = (Work::new(), columns());
        let types: Vec<(String, &str)> = columns
            .iter()
            .map(|(name, pg, lite, _)| (name.clone(), if postgres { *pg } else { *lite }))
            .collect();
        let more = ", bad integer, CHECK (bad < 5)";
        let store = create(&work, postgres, &["plain", "refused", "unread"], &types, more);
        let dsn = store.dsn();
        let with = |bad: ArrayRef| -> Vec<(String, ArrayRef)> {
            let keys = ("k".to_owned(), Arc::new(Int32Array::from_iter_values(1..=4)) as ArrayRef);
            let own = columns.iter().map(|(name, _, _, array)| (name.clone(), array.clone()));
            std::iter::once(keys).chain(own).chain([("bad".to_owned(), bad)]).collect()
        };
        let numbers = |bad: i32| Arc::new(Int32Array::from(vec![bad; 4])) as ArrayRef;
        let good = write(&work, "good.parquet", with(numbers(1)));
        let bad = write(&work, "bad.parquet", with(numbers(9)));
        let words = write(&work, "words.parquet", with(Arc::new(StringArray::from(vec!["nine"; 4]))));
        let load = |path: &str, table: &str, code: i32| {
            let dlq = format!("{table}.ndjson");
            let run =
                work.mdsctl(["load", path, "--table", table, "--dlq", &dlq, "--dsn", &dsn, "--json"]).run();
            let run = run.expect(code);
            let books = run.books();
            assert_eq!(if code == 0 { books.inserted } else { books.rejected }, 4, "{store}: {run}");
        };
        load(&good, "plain", 0);
        load(&bad, "refused", 3);
        load(&words, "unread", 3);
        let names: Vec<String> = columns.iter().map(|(name, ..)| name.clone()).collect();
        let expected = rows(&store, "plain", &names);
        for (row, values) in expected.iter().enumerate() {
            for (name, value) in names.iter().zip(values) {
                let (.., array) = columns.iter().find(|(other, ..)| other == name).expect("it");
                assert_eq!(value.is_none(), array.is_null(row), "{store}: {name} of row {row}: {value:?}");
            }
        }
        for table in ["refused", "unread"] {
            let dlq = format!("{table}.ndjson");
            let run =
                work.mdsctl(["replay-dlq", &dlq, "--set", "bad=1", "--dsn", &dsn, "--json"]).run().expect(0);
            assert_eq!(run.books().inserted, 4, "{store}: {run}");
            for (row, (found, wanted)) in rows(&store, table, &names).iter().zip(&expected).enumerate() {
                for ((name, type_), (found, wanted)) in types.iter().zip(found.iter().zip(wanted)) {
                    assert_eq!(found, wanted, "{store}: {name} {type_} of row {row} in {table}");
                }
            }
        }
    }
}

#[test]
fn numbers_of_any_size_are_stored_whatever_their_neighbours_are() {
    let digits = "1234567890".repeat(15);
    let numbers = [
        "1e80",
        "1e-80",
        "-5e-324",
        "1.7976931348623157e308",
        "0.10",
        &format!("{digits}.{digits}"),
        &format!("-0.{}1", "0".repeat(300)),
        "1e10000",
    ];
    for postgres in [true, false] {
        for ndjson in [false, true] {
            let work = Work::new();
            let types = [
                ("n".to_owned(), if postgres { "numeric" } else { "ANY" }),
                ("s".to_owned(), if postgres { "text" } else { "TEXT" }),
            ];
            let strict = if postgres { "" } else { ") STRICT --" };
            let more = format!(", bad integer, CHECK (bad < 5){strict}");
            let store = create(&work, postgres, &["plain", "refused"], &types, &more);
            let dsn = store.dsn();
            let input = |bad: u8| -> String {
                let row = |(k, number): (usize, &&str)| match ndjson {
                    true => format!("{{\"k\":{k},\"n\":{number},\"s\":{number},\"bad\":{bad}}}\n"),
                    false => format!("{k},{number},{number},{bad}\n"),
                };
                let header = if ndjson { "" } else { "k,n,s,bad\n" };
                header.to_owned() + &numbers.iter().enumerate().map(row).collect::<String>()
            };
            let ending = if ndjson { "ndjson" } else { "csv" };
            let good = work.write(&format!("good.{ending}"), input(1));
            let bad = work.write(&format!("bad.{ending}"), input(9));
            work.mdsctl(["load", &good, "--table", "plain", "--dsn", &dsn]).run().expect(0);
            work.mdsctl(["load", &bad, "--table", "refused", "--dsn", &dsn, "--dlq", "d.ndjson"])
                .run()
                .expect(3);
            for letter in work.dlq("d.ndjson") {
                // Whoever reads it finds a number, or a text where no double is as large.
                let fits =
                    |item: &Value| item["n"].is_number() || item["n"].as_str().is_some_and(|n| n.len() > 5);
                assert!(letter.items.iter().all(fits), "{}", letter.line);
            }
            work.mdsctl(["replay-dlq", "d.ndjson", "--set", "bad=1", "--dsn", &dsn]).run().expect(0);
            let names = types.map(|(name, _)| name);
            let found = rows(&store, "plain", &names);
            assert_eq!(rows(&store, "refused", &names), found, "{store}");
            if let Store::Postgres(db) = &store {
                let cast: Vec<String> =
                    numbers.iter().enumerate().map(|(k, n)| format!("({k}, '{n}'::numeric)")).collect();
                let other = db.rows(&format!(
                    "SELECT k, n::text FROM plain JOIN (VALUES {}) AS v (key, number) ON k = key WHERE n IS DISTINCT FROM number",
                    cast.join(", ")
                ));
                assert!(other.is_empty(), "{other:?}");
            }
        }
    }
}

#[test]
fn a_number_that_its_column_has_no_room_for_costs_its_own_row_alone() {
    for postgres in [true, false] {
        let work = Work::new();
        let type_ = if postgres { "double precision" } else { "REAL" };
        let store = create(&work, postgres, &["t"], &[("n".to_owned(), type_)], "");
        let path =
            work.write("t.csv", format!("k,n\n1,1e400\n2,1e-400\n3,1.5\n4,1e{}\n5,1e-80\n", "9".repeat(6)));
        let run = work
            .mdsctl(["load", &path, "--table", "t", "--dsn", &store.dsn(), "--dlq", "d.ndjson", "--json"])
            .run()
            .expect(3);
        assert_eq!((run.books().inserted, run.books().rejected), (2, 3), "{store}: {run}");
        let mut refused: Vec<u64> =
            work.dlq("d.ndjson").iter().flat_map(|letter| letter.rows.clone()).collect();
        refused.sort_unstable();
        assert_eq!(refused, [1, 2, 4], "{store}");
    }
}

#[test]
fn floats_that_are_no_number_become_null_and_are_told() {
    let floats = || vec![Some(f64::NAN), Some(f64::INFINITY), None, Some(1.5)];
    for type_ in ["double precision", "real", "numeric"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(&format!("CREATE TABLE t (k int PRIMARY KEY, f {type_}, g {type_})"));
        let singles: Float32Array =
            floats().into_iter().map(|value| value.map(|value| value as f32)).collect();
        let path = write(
            &work,
            "t.parquet",
            vec![
                ("k".into(), Arc::new(Int32Array::from_iter_values(1..=4))),
                ("f".into(), Arc::new(Float64Array::from(floats()))),
                ("g".into(), Arc::new(singles)),
            ],
        );
        let run = work.mdsctl(["load", &path, "--table", "t", "--dsn", &db.dsn()]).run().expect(0);
        assert_eq!(db.value("SELECT count(f) || ' ' || count(g) FROM t"), "1 1");
        let said = run.stderr.lines().filter(|line| line.contains("null")).collect::<Vec<_>>().join("\n");
        assert!(said.contains("NaN") && said.contains('f') && said.contains('g'), "{run}");
    }
}

fn metadata(work: &Work, dlq: &str) -> Vec<Value> {
    let record = |letter: crate::harness::dlq::DeadLetter| -> Value {
        let record: Value = serde_json::from_str(&letter.line).expect("JSON");
        record["metadata"].clone()
    };
    work.dlq(dlq).into_iter().map(record).collect()
}

#[test]
fn a_zone_that_was_told_is_not_told_again_for_the_replay() {
    for postgres in [true, false] {
        let work = Work::new();
        let types = if postgres { ["timestamptz", "numeric"] } else { ["TIMESTAMP", "NUMERIC"] };
        let types = ["ts", "v"].map(str::to_owned).into_iter().zip(types).collect::<Vec<_>>();
        let store = create(&work, postgres, &["t"], &types, "");
        let dsn = store.dsn();
        let to = ["--table", "t", "--dlq", "d.ndjson", "--dsn", &dsn];
        let csv = work
            .write("t.csv", "k,ts,v\n1,2024-01-02 09:31:00,x\n2,2024-01-02 09:32,1\n3,2024-13-02 09:33,2\n");
        work.mdsctl(["load", &csv, "--timezone", "America/New_York"]).arguments(to).run().expect(3);
        let letters = work.dlq("d.ndjson");
        let of = |row: u64| letters.iter().position(|letter| letter.rows == [row]).expect("a letter");
        assert_eq!(letters[of(1)].items[0]["ts"], "2024-01-02T14:31:00Z");
        assert_eq!(letters[of(1)].items[0]["v"], "x");
        assert_eq!(letters[of(3)].items[0]["ts"], "2024-13-02 09:33");
        let meta = metadata(&work, "d.ndjson");
        assert_eq!(meta[of(1)]["reading"]["columns"], serde_json::json!(["v"]));
        assert_eq!(meta[of(3)]["reading"]["columns"], serde_json::json!(["ts"]));
        assert_eq!(meta[of(3)]["reading"]["zone"], "America/New_York");
        let export =
            work.mdsctl(["inspect-dlq", "d.ndjson", "--where", "column=ts", "--export", "e.csv"]).run();
        let said = "1 row partly as the input wrote it: load it with --timezone America/New_York";
        assert!(export.stderr.contains(said), "{export}");
        // The time as somebody mends it by hand is read as its neighbours were.
        let text = std::fs::read_to_string(work.path("d.ndjson")).expect("the queue");
        work.write("d.ndjson", text.replace("2024-13-02", "2024-01-03"));
        work.mdsctl(["replay-dlq", "d.ndjson", "--where", "column=v", "--set", "v=7", "--dsn", &dsn])
            .run()
            .expect(0);
        work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &dsn]).run().expect(0);
        let text = if postgres { "to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')" } else { "ts" };
        let times = store.rows(&format!("SELECT k, {text}, v FROM t ORDER BY k"));
        let row =
            |k: &str, ts: &str, v: &str| vec![Some(k.to_owned()), Some(ts.to_owned()), Some(v.to_owned())];
        let expected = [
            row("1", "2024-01-02 14:31:00", "7"),
            row("2", "2024-01-02 14:32:00", "1"),
            row("3", "2024-01-03 14:33:00", "2"),
        ];
        assert_eq!(times, expected, "{store}");
    }
}

#[test]
fn rows_of_a_pipe_that_were_never_mapped_are_read_by_the_flags_of_their_load() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (symbol text, ts timestamptz, v numeric, PRIMARY KEY (symbol, ts))");
    let dsn = db.dsn();
    // Neither date says which number is the month: the load asks, and the pipe is empty by then.
    let csv = "symbol,ts,v\nabc,9/10/2020 09:31,NA\nabc,10/10/2020 09:31,5\n";
    let flags =
        ["load", "-", "--table", "t", "--timezone", "America/New_York", "--null", "NA", "--keep-case"];
    let run = work.mdsctl(flags).arguments(["--dlq", "d.ndjson", "--dsn", &dsn]).stdin(csv).run();
    assert_ne!(run.code, 0, "{run}");
    let meta = metadata(&work, "d.ndjson");
    let reading = serde_json::json!({"zone": "America/New_York", "null": ["NA"], "keep_case": true});
    assert!(meta.iter().all(|meta| meta["reading"] == reading), "{meta:?}");
    work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &dsn]).run().expect(3);
    work.mdsctl(["replay-dlq", "d.ndjson", "--date-order", "dmy", "--dsn", &dsn]).run().expect(0);
    let rows = db.rows(
        "SELECT symbol, to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), v::text FROM t ORDER BY ts",
    );
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows,
        [[text("abc"), text("2020-10-09 13:31"), None], [text("abc"), text("2020-10-10 13:31"), text("5")]]
    );
}

#[test]
fn strings_of_a_json_pipe_that_was_never_mapped_are_strings() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (k int PRIMARY KEY, ts timestamptz, j jsonb)");
    let dsn = db.dsn();
    let lines = concat!(
        r#"{"k":1,"ts":"9/10/2020","j":"123"}"#,
        "\n",
        r#"{"k":2,"ts":"10/10/2020","j":{"a":"b"}}"#,
        "\n",
        r#"{"k":3,"ts":"11/10/2020","j":123}"#,
        "\n",
    );
    let flags = ["load", "-", "--table", "t", "--dlq", "d.ndjson", "--dsn", &dsn];
    let run = work.mdsctl(flags).stdin(lines).run();
    assert_ne!(run.code, 0, "{run}");
    work.mdsctl(["replay-dlq", "d.ndjson", "--date-order", "dmy", "--dsn", &dsn]).run().expect(0);
    let types = db.value("SELECT string_agg(jsonb_typeof(j) || ' ' || ts::date, ', ' ORDER BY k) FROM t");
    assert_eq!(types, "string 2020-10-09, object 2020-10-10, number 2020-10-11");
}

#[test]
fn what_was_deduced_of_a_file_holds_for_its_dead_letters() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (k int PRIMARY KEY, ts timestamptz NOT NULL, at timestamptz, day date, v numeric CHECK (v < 9))");
    let dsn = db.dsn();
    let csv = "k,ts,at,day,v\n\
        1,25/12/2023,1704205800000,5/1/2024,1\n\
        2,3/4/2024,1704205800250,6/1/2024,10\n\
        3,4/5/2024,1704205801,25/1/2024,2\n\
        4,,1704205800500,7/1/2024,2\n";
    let path = work.write("t.csv", csv);
    work.mdsctl(["load", &path, "--table", "t", "--dlq", "d.ndjson", "--dsn", &dsn]).run().expect(3);
    // Row 3 has its own unit, and the replay finds it; row 4 lacks what --set gives.
    db.execute("ALTER TABLE t DROP CONSTRAINT t_v_check");
    let set =
        ["replay-dlq", "d.ndjson", "--where", "column=ts", "--set", "ts=8/9/2024", "--date-order", "dmy"];
    work.mdsctl(set).arguments(["--dsn", &dsn]).run().expect(0);
    work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &dsn]).run().expect(0);
    let utc = "SET timezone = 'UTC'";
    db.execute(&format!("ALTER DATABASE \"{}\" {utc}", db.name()));
    let rows = db.rows("SELECT k || ' ' || to_char(ts AT TIME ZONE 'UTC', 'MM-DD') || ' ' || extract(epoch FROM at)::numeric || ' ' || day FROM t ORDER BY k");
    let text = |text: &str| vec![Some(text.to_owned())];
    assert_eq!(
        rows,
        [
            text("1 12-25 1704205800.000000 2024-01-05"),
            text("2 04-03 1704205800.250000 2024-01-06"),
            text("3 05-04 1704205801.000000 2024-01-25"),
            text("4 09-08 1704205800.500000 2024-01-07"),
        ]
    );
}

#[test]
fn symbols_null_words_and_json_are_understood_once() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (symbol text PRIMARY KEY, v numeric, j jsonb, bad int CHECK (bad < 5))");
    let dsn = db.dsn();
    let csv = "symbol,v,j,bad\nabc,NA,\"{\"\"a\"\": \"\"NA\"\"}\",9\nAMpB,1,[1],9\n";
    let path = work.write("t.csv", csv);
    let flags =
        ["load", &path, "--table", "t", "--dlq", "d.ndjson", "--keep-case", "--null", "NA", "--dsn", &dsn];
    work.mdsctl(flags).run().expect(3);
    let items: Vec<Value> = work.dlq("d.ndjson").into_iter().flat_map(|letter| letter.items).collect();
    assert_eq!((&items[0]["v"], &items[0]["j"]), (&Value::Null, &serde_json::json!({"a": "NA"})));
    work.mdsctl(["replay-dlq", "d.ndjson", "--set", "bad=1", "--dsn", &dsn]).run().expect(0);
    let rows = db.rows("SELECT symbol, v::text, j::text FROM t ORDER BY symbol COLLATE \"C\"");
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [[text("AMpB"), text("1"), text("[1]")], [text("abc"), None, text("{\"a\": \"NA\"}")]]);
}

#[test]
fn a_line_that_is_mended_in_the_queue_is_read_as_its_neighbours_were() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (k int PRIMARY KEY, ts timestamptz, words text)");
    let dsn = db.dsn();
    let path = work.write("t.csv", "k;ts;words\n1;2024-01-02 09:31;\"a;b\"\n2;2024-01-02 09:32\n");
    let flags =
        ["load", &path, "--table", "t", "--dlq", "d.ndjson", "--timezone", "America/New_York", "--dsn", &dsn];
    work.mdsctl(flags).run().expect(3);
    let meta = metadata(&work, "d.ndjson");
    assert_eq!(meta[0]["reading"]["header"], serde_json::json!(["k", "ts", "words"]));
    assert_eq!(meta[0]["reading"]["delimiter"], ";");
    // As it is, it is still none.
    work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &dsn]).run().expect(3);
    let text = std::fs::read_to_string(work.path("d.ndjson")).expect("the queue");
    work.write(
        "d.ndjson",
        text.replace("\"raw\":\"2;2024-01-02 09:32\"", "\"raw\":\"2;2024-01-02 09:32;\\\"x;y\\\"\""),
    );
    work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &dsn]).run().expect(0);
    let rows = db.rows("SELECT k::text, to_char(ts AT TIME ZONE 'UTC', 'HH24:MI'), words FROM t ORDER BY k");
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [[text("1"), text("14:31"), text("a;b")], [text("2"), text("14:32"), text("x;y")]]);
}

#[test]
fn letters_without_a_reading_are_read_by_the_flags_alone() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (k int PRIMARY KEY, symbol text, ts timestamptz, v float8)");
    let dsn = db.dsn();
    let item = r#"{"k":1,"symbol":"abc","ts":"2024-01-02 09:31:00","v":NaN}"#.replace("NaN", "\"NaN\"");
    let line = format!(
        r#"{{"ts":1732351234.1,"error":"boom","metadata":{{"table":"t","version":1}},"items":[{item}]}}"#
    );
    work.write("d.ndjson", line + "\n");
    work.mdsctl(["replay-dlq", "d.ndjson", "--timezone", "America/New_York", "--dsn", &dsn]).run().expect(0);
    let row = db.rows("SELECT symbol, to_char(ts AT TIME ZONE 'UTC', 'HH24:MI'), v::text FROM t");
    assert_eq!(row, [[Some("ABC".to_owned()), Some("14:31".to_owned()), None]]);
}
