//! Times: what a number or a text in a column of times means is what is stored, or it is refused.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::data_type::{Int32Type, Int96, Int96Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::harness::run::Run;
use crate::harness::{Db, Postgres, Store, Work};

/// Both stores, each with a directory.
fn each_store(test: impl Fn(&Work, &Store, &str)) {
    let work = Work::new();
    let store = Store::sqlite(&work);
    test(&work, &store, "SQLite");
    let work = Work::new();
    test(&work, &Store::postgres(), "PostgreSQL");
}

/// The column `ts` of the bars that are stored, in order, in UTC without the zone.
fn stored(store: &Store, wanted: &str) -> Vec<String> {
    let query = match store {
        Store::Sqlite(_) => format!("SELECT ts FROM bars WHERE {wanted} ORDER BY ts, volume"),
        Store::Postgres(_) => format!(
            "SELECT rtrim(rtrim(to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '0'), '.') \
             FROM bars WHERE {wanted} ORDER BY ts, volume"
        ),
    };
    match store.try_rows(&query) {
        Ok(rows) => rows.into_iter().map(|row| row[0].clone().unwrap_or_default()).collect(),
        // Nothing was stored, not even a table was made.
        Err(_) => Vec::new(),
    }
}

fn csv(times: &[&str]) -> String {
    let rows = times.iter().enumerate().map(|(at, time)| format!("\"{time}\",1,1,1,1,{}\n", at + 1));
    std::iter::once("time,open,high,low,close,volume\n".to_owned()).chain(rows).collect()
}

fn load(work: &Work, store: &Store, file: &str, flags: &[&str]) -> Run {
    let always = ["load", file, "--vendor", "v", "--timeframe", "1m", "--dsn"];
    work.mdsctl(always).arguments([store.dsn()]).arguments(flags.iter().copied()).run()
}

#[test]
fn dates_in_digits_are_dates_in_every_type_of_column() {
    let cases: [(i64, &str); 4] = [
        (20_171_121, "2017-11-21 00:00:00"),
        (201_711_211_230, "2017-11-21 12:30:00"),
        (20_171_121_123_059, "2017-11-21 12:30:59"),
        (20_171_121_123_059_250, "2017-11-21 12:30:59.25"),
    ];
    each_store(|work, store, what| {
        for (number, expected) in cases {
            let width = number.to_string().len();
            let double = number as f64;
            let mut files = vec![
                work.write("text.csv", csv(&[&number.to_string()])),
                work.write(
                    "rows.ndjson",
                    format!(
                        "{{\"time\":{number},\"open\":1,\"high\":1,\"low\":1,\"close\":1,\"volume\":1}}\n"
                    ),
                ),
                parquet(work, "whole.parquet", Arc::new(Int64Array::from(vec![number]))),
            ];
            if width < 17 {
                files.push(work.write("point.csv", csv(&[&format!("{number}.0")])));
                files.push(parquet(work, "double.parquet", Arc::new(Float64Array::from(vec![double]))));
            }
            if let Ok(short) = i32::try_from(number) {
                files.push(parquet(work, "short.parquet", Arc::new(Int32Array::from(vec![short]))));
            }
            for (at, file) in files.iter().enumerate() {
                let symbol = format!("S{width}X{at}");
                let run = load(work, store, file, &["--symbol", &symbol]).expect(0);
                assert_eq!(
                    stored(store, &format!("symbol = '{symbol}'")),
                    [expected],
                    "{what}, {file}: {run}"
                );
                assert!(run.stderr.contains("is written YYYYMMDD"), "{what}, {file}: {run}");
            }
        }
    });
}

fn parquet(work: &Work, name: &str, times: ArrayRef) -> String {
    let ones: ArrayRef = Arc::new(Float64Array::from(vec![1.0; times.len()]));
    let volumes: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=times.len() as i64));
    let batch = RecordBatch::try_from_iter([
        ("time", times),
        ("open", ones.clone()),
        ("high", ones.clone()),
        ("low", ones.clone()),
        ("close", ones),
        ("volume", volumes),
    ])
    .expect("a batch");
    let path = work.path(name);
    let mut writer =
        ArrowWriter::try_new(File::create(&path).expect("a file"), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("it is written");
    writer.close().expect("it is closed");
    path.display().to_string()
}

#[test]
fn numbers_that_are_no_epochs_are_refused_and_the_flag_that_is_named_reads_them() {
    each_store(|work, store, what| {
        for (number, flag, expected) in [
            ("44197", "--timestamp-unit excel", "2021-01-01 00:00:00"),
            ("44197.5", "--timestamp-unit excel", "2021-01-01 12:00:00"),
            ("202401", "--timestamp-unit yyyymm", "2024-01-01 00:00:00"),
            ("2024", "--timestamp-unit yyyy", "2024-01-01 00:00:00"),
            ("19723", "--timestamp-unit days", "2024-01-01 00:00:00"),
            ("637108979310830000", "--timestamp-unit dotnet", "2019-12-02 15:38:51.083"),
            ("133485408000000000", "--timestamp-unit filetime", "2024-01-01 00:00:00"),
            ("240115", "--date-order ymd", "2024-01-15 00:00:00"),
            ("31122024", "--date-order dmy", "2024-12-31 00:00:00"),
        ] {
            let symbol = format!("S{}", number.replace('.', "X"));
            let file = work.write("numbers.csv", csv(&[number]));
            let json =
                format!("{{\"time\":{number},\"open\":1,\"high\":1,\"low\":1,\"close\":1,\"volume\":1}}\n");
            let json = work.write("numbers.ndjson", json);
            for file in [&file, &json] {
                let letters = format!("{symbol}.ndjson");
                let run = load(work, store, file, &["--symbol", &symbol, "--dlq", &letters]).expect(3);
                let one = format!("symbol = '{symbol}'");
                assert_eq!(stored(store, &one), [""; 0], "{what}, {number}: {run}");
                let letter = work.dlq(&letters).remove(0);
                assert_eq!(letter.code, "timestamp_form", "{what}: {}", letter.line);
                assert!(
                    letter.error.contains(flag) && letter.error.contains(number.split('.').next().unwrap()),
                    "{what}: {}",
                    letter.error
                );
                std::fs::remove_file(work.path(&letters)).expect("letters");
            }
            let flags: Vec<&str> = ["--symbol", &symbol].into_iter().chain(flag.split(' ')).collect();
            let run = load(work, store, &file, &flags).expect(0);
            assert_eq!(stored(store, &format!("symbol = '{symbol}'")), [expected], "{what}, {number}: {run}");
        }
    });
}

#[test]
fn rows_of_another_unit_are_refused_and_the_replay_that_is_advised_reads_them() {
    let times = ["1735689598000", "1735689600000000", "1735689601000000", "1735689602000000"];
    let all = ["2024-12-31 23:59:58", "2025-01-01 00:00:00", "2025-01-01 00:00:01", "2025-01-01 00:00:02"];
    each_store(|work, store, what| {
        let file = work.write("units.csv", csv(&times));
        for (symbol, flags) in [("A", [].as_slice()), ("B", &["--timestamp-unit", "us"])] {
            let letters = format!("{symbol}.ndjson");
            let flags: Vec<&str> =
                ["--symbol", symbol, "--dlq", &letters].iter().chain(flags).copied().collect();
            let run = load(work, store, &file, &flags).expect(3);
            let one = format!("symbol = '{symbol}'");
            assert_eq!(stored(store, &one), all[1..], "{what}: {run}");
            let letter = work.dlq(&letters).remove(0);
            assert_eq!(
                (&*letter.code, &letter.rows[..]),
                ("timestamp_unit", &[1][..]),
                "{what}: {}",
                letter.line
            );
            assert!(letter.error.contains("replay-dlq"), "{what}: {}", letter.error);
            let run = work.mdsctl(["replay-dlq", &letters, "--dsn", &store.dsn()]).run().expect(0);
            assert_eq!(stored(store, &one), all, "{what}: {run}");
        }
    });
}

#[test]
fn a_day_with_an_offset_is_no_time_of_day() {
    each_store(|work, store, what| {
        let file = work.write("days.csv", csv(&["2024-01-02-05:00", "2024-01-03+05:30", "2024-01-04Z"]));
        let run = load(work, store, &file, &["--symbol", "S"]).expect(0);
        let expected = ["2024-01-02 05:00:00", "2024-01-02 18:30:00", "2024-01-04 00:00:00"];
        assert_eq!(stored(store, "symbol = 'S'"), expected, "{what}: {run}");
    });
}

#[test]
fn forms_of_times_that_people_write_are_read() {
    let forms = [
        ("2024-01-02 24:00:00", "2024-01-03 00:00:00"),
        ("20250714 09:30:00 US/Eastern", "2025-07-14 13:30:00"),
        ("2025-01-14 09:30:00 EST", "2025-01-14 14:30:00"),
        ("Jan 17, 2018", "2018-01-17 00:00:00"),
        ("19-JAN-18", "2018-01-19 00:00:00"),
        ("Tue Jan  2 14:30:00 2024", "2024-01-02 14:30:00"),
        ("2019-01-01D00:00:00.123456000", "2019-01-01 00:00:00.123456"),
        ("2024.01.02 9:30:00 PM", "2024-01-02 21:30:00"),
    ];
    each_store(|work, store, what| {
        for (at, (text, expected)) in forms.iter().enumerate() {
            let symbol = format!("S{at}");
            let file = work.write("forms.csv", csv(&[text]));
            let run = load(work, store, &file, &["--symbol", &symbol]).expect(0);
            assert_eq!(stored(store, &format!("symbol = '{symbol}'")), [*expected], "{what}, {text}: {run}");
        }
        let file = work.write("zone.csv", csv(&["2025-01-14 09:30:00 CST"]));
        let run = load(work, store, &file, &["--symbol", "C"]).expect(3);
        let letter = work.dlq(".dlq/bars.ndjson").pop().expect("a letter");
        assert!(letter.error.contains("--timezone America/Chicago"), "{what}: {} {run}", letter.error);
        load(work, store, &file, &["--symbol", "C", "--timezone", "America/Chicago"]).expect(0);
        assert_eq!(stored(store, "symbol = 'C'"), ["2025-01-14 15:30:00"], "{what}");
    });
}

#[test]
fn years_of_two_digits_are_read_in_the_order_that_is_given_and_in_no_other() {
    each_store(|work, store, what| {
        let file = work.write("short.csv", csv(&["24/01/15", "24/01/16"]));
        let run = load(work, store, &file, &["--symbol", "S"]).expect(2);
        assert!(
            run.error().contains("--date-order ymd") && run.error().contains("--date-order dmy"),
            "{what}: {run}"
        );
        load(work, store, &file, &["--symbol", "S", "--date-order", "ymd"]).expect(0);
        assert_eq!(stored(store, "symbol = 'S'"), ["2024-01-15 00:00:00", "2024-01-16 00:00:00"], "{what}");
    });
}

/// The night of 2012-11-04 in New York: 01:00 comes twice.
const NIGHT: [&str; 6] = [
    "2012-11-04 00:30:00",
    "2012-11-04 01:00:00",
    "2012-11-04 01:30:00",
    "2012-11-04 01:00:00",
    "2012-11-04 01:30:00",
    "2012-11-04 02:00:00",
];
const NEW_YORK: [&str; 2] = ["--timezone", "America/New_York"];

#[test]
fn the_order_of_the_rows_tells_the_two_hours_of_a_clock_change_apart() {
    let utc = ["04:30:00", "05:00:00", "05:30:00", "06:00:00", "06:30:00", "07:00:00"]
        .map(|t| format!("2012-11-04 {t}"));
    each_store(|work, store, what| {
        let backward: Vec<&str> = NIGHT.iter().rev().copied().collect();
        for (symbol, times) in [("UP", &NIGHT[..]), ("DOWN", &backward)] {
            let file = work.write("night.csv", csv(times));
            let flags: Vec<&str> = ["--symbol", symbol].iter().chain(&NEW_YORK).copied().collect();
            let run = load(work, store, &file, &flags).expect(0);
            assert_eq!(stored(store, &format!("symbol = '{symbol}'")), utc, "{what}, {symbol}: {run}");
        }
        // Of several symbols each by its own rows, however they stand.
        let mut both = String::from("time,symbol,open,high,low,close,volume\n");
        for time in NIGHT {
            both += &format!("{time},X,1,1,1,1,1\n{time},Y,1,1,1,1,1\n");
        }
        let file = work.write("both.csv", both);
        load(work, store, &file, &NEW_YORK).expect(0);
        for symbol in ["X", "Y"] {
            assert_eq!(stored(store, &format!("symbol = '{symbol}'")), utc, "{what}, {symbol}");
        }
    });
}

#[test]
fn local_times_that_no_order_tells_are_refused_and_never_moved() {
    each_store(|work, store, what| {
        let times = [
            "2024-03-10 01:30:00",
            "2024-03-10 02:30:00",
            "2024-11-03 00:30:00",
            "2024-11-03 01:30:00",
            "2024-11-03 02:30:00",
        ];
        let file = work.write("odd.csv", csv(&times));
        let flags: Vec<&str> = ["--symbol", "S"].iter().chain(&NEW_YORK).copied().collect();
        let run = load(work, store, &file, &flags).expect(3);
        let expected = ["2024-03-10 06:30:00", "2024-11-03 04:30:00", "2024-11-03 07:30:00"];
        assert_eq!(stored(store, "symbol = 'S'"), expected, "{what}: {run}");
        let letters = work.dlq(".dlq/bars.ndjson");
        let codes: Vec<(&str, u64)> = letters.iter().map(|letter| (&*letter.code, letter.rows[0])).collect();
        assert_eq!(codes, [("no_such_local_time", 2), ("ambiguous_local_time", 4)], "{what}");
        for letter in letters {
            assert!(
                letter.error.contains("--timezone") && letter.error.contains("offset"),
                "{}",
                letter.error
            );
        }
    });
}

#[test]
fn a_column_of_days_keeps_the_day_that_is_written() {
    for zone in ["America/New_York", "Asia/Tokyo"] {
        let (work, db) = (Work::new(), database());
        let days = [
            "2020-01-24",
            "2020-01-24T00:00:00+05:30",
            "2020-01-24T00:00:00-05:00",
            "2020-01-24-05:00",
            "2020-01-24 00:00:00",
        ];
        let mut text = String::from("id,d\n");
        for (id, day) in days.iter().enumerate() {
            text += &format!("{id},{day}\n");
        }
        let epochs = work.write("epochs.csv", "id,d\n100,1579824000\n101,1579824000\n");
        let file = work.write("days.csv", text);
        for file in [&file, &epochs] {
            work.mdsctl(["load", file, "--table", "t", "--timezone", zone, "--dsn", &db.dsn()])
                .run()
                .expect(0);
        }
        assert_eq!(db.value("SELECT string_agg(DISTINCT d::text, ' ') FROM t"), "2020-01-24", "{zone}");
    }
}

fn database() -> Db {
    let db = Postgres::shared().database();
    db.execute("CREATE TABLE t (id int PRIMARY KEY, d date, z timestamptz, p timestamp)");
    db
}

#[test]
fn far_times_and_infinity_are_stored_as_far_as_the_server_takes_them() {
    let (work, db) = (Work::new(), database());
    let far = [
        ("9999-12-31", "9999-12-31 23:59:59.999999Z", "9999-12-31 00:00:00"),
        ("0001-01-01", "0001-01-01 00:00:00Z", "0001-01-01 00:00:00"),
        ("1700-01-01", "1700-01-01 12:00:00Z", "1700-01-01 00:00:00"),
        ("4713-01-01 BC", "4713-01-01 00:00:00Z BC", "4713-01-01 00:00:00 BC"),
        ("5874897-12-31", "294246-12-31 00:00:00Z", "294246-12-31 00:00:00"),
        ("infinity", "infinity", "infinity"),
        ("-infinity", "-infinity", "-infinity"),
        ("2024-01-02", "2024-01-02 00:00:00Z", "2024-01-02 00:00:00"),
    ];
    let mut text = String::from("id,d,z,p\n");
    for (id, (d, z, p)) in far.iter().enumerate() {
        text += &format!("{id},{d},{z},{p}\n");
    }
    let file = work.write("far.csv", &text);
    // Loaded twice, so that the rows are found again in the table.
    for inserted in [far.len() as u64, 0] {
        let run = work.mdsctl(["load", &file, "--table", "t", "--json", "--dsn", &db.dsn()]).run().expect(0);
        assert_eq!(run.books().inserted, inserted, "{run}");
    }
    for (id, (d, z, p)) in far.iter().enumerate() {
        let same =
            db.value(&format!("SELECT (d = '{d}' AND z = '{z}' AND p = '{p}')::text FROM t WHERE id = {id}"));
        assert_eq!(same, "true", "{d} {z} {p}");
    }
    // Refused for another column, and replayed: the same.
    db.execute("CREATE TABLE u (LIKE t INCLUDING ALL, bad int CHECK (bad < 5))");
    let with_bad: String = text
        .lines()
        .enumerate()
        .map(|(at, line)| format!("{line},{}\n", if at == 0 { "bad" } else { "9" }))
        .collect();
    let file = work.write("bad.csv", with_bad);
    work.mdsctl(["load", &file, "--table", "u", "--dsn", &db.dsn()]).run().expect(3);
    db.execute("ALTER TABLE u DROP CONSTRAINT u_bad_check");
    work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!(db.value("SELECT count(*) FROM t JOIN u USING (id, d, z, p)"), far.len().to_string());
}

#[test]
fn one_odd_date_costs_its_row_alone() {
    let (work, db) = (Work::new(), database());
    let file = work.write("odd.csv", "id,d\n1,2024-01-02\n2,0001-01-01\n3,1/2/2024\n4,2024-01-04\n");
    work.mdsctl(["load", &file, "--table", "t", "--dsn", &db.dsn()]).run().expect(3);
    assert_eq!(
        db.value("SELECT string_agg(id || ':' || d, ' ' ORDER BY id) FROM t"),
        "1:2024-01-02 2:0001-01-01 4:2024-01-04"
    );
}

/// A column of texts, as a file of that kind has it, read as Parquet's own strings too.
#[test]
fn texts_of_parquet_are_read_as_those_of_csv() {
    each_store(|work, store, what| {
        let times: ArrayRef =
            Arc::new(StringArray::from(vec!["18-Jan-2018", "20180119", "2018-01-20-05:00"]));
        let file = parquet(work, "texts.parquet", times);
        let run = load(work, store, &file, &["--symbol", "S"]).expect(0);
        assert_eq!(
            stored(store, "symbol = 'S'"),
            ["2018-01-18 00:00:00", "2018-01-19 00:00:00", "2018-01-20 05:00:00"],
            "{what}: {run}"
        );
    });
}

#[test]
fn int96_times_keep_their_nanoseconds_beside_years_that_nanoseconds_do_not_hold() {
    let (work, db) = (Work::new(), database());
    db.execute("CREATE TABLE fine (id int PRIMARY KEY, ts text)");
    // 2019-06-15 00:00:12.868214001 and ...999, then 9999-12-31, and the first again.
    let times = [
        (2_458_650, 12_868_214_001),
        (2_458_650, 12_868_214_999),
        (5_373_484, 0),
        (2_458_650, 12_868_214_001),
    ];
    let file = int96(&work, "int96.parquet", &times);
    work.mdsctl(["load", &file, "--table", "fine", "--dsn", &db.dsn()]).run().expect(0);
    let stored = db.value("SELECT string_agg(ts, ' ' ORDER BY id) FROM fine");
    let expected = "2019-06-15T00:00:12.868214001 2019-06-15T00:00:12.868214999 \
                    9999-12-31T00:00:00 2019-06-15T00:00:12.868214001";
    assert_eq!(stored, expected);
}

/// A file with the columns `id` and `ts`, this in the INT96 of old writers: days of Julius Caesar's count
/// and nanoseconds.
fn int96(work: &Work, name: &str, times: &[(u32, u64)]) -> String {
    let schema = "message rows { required int32 id; required int96 ts; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let path = work.path(name);
    let file = File::create(&path).expect("a file");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    let mut column = group.next_column().expect("a column").expect("the first");
    let ids: Vec<i32> = (1..=times.len() as i32).collect();
    column.typed::<Int32Type>().write_batch(&ids, None, None).expect("ids");
    column.close().expect("it is closed");
    let mut column = group.next_column().expect("a column").expect("the second");
    let times: Vec<Int96> = times
        .iter()
        .map(|(day, nanos)| {
            let mut time = Int96::new();
            time.set_data(*nanos as u32, (*nanos >> 32) as u32, *day);
            time
        })
        .collect();
    column.typed::<Int96Type>().write_batch(&times, None, None).expect("times");
    column.close().expect("it is closed");
    group.close().expect("it is closed");
    writer.close().expect("it is closed");
    path.display().to_string()
}
