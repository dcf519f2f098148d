//! Columns of enums, times of day and arrays of text: sent as they are, refused value by value.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, Time64NanosecondArray,
};
use parquet::arrow::ArrowWriter;

use crate::harness::dlq::DeadLetter;
use crate::harness::{Db, Postgres, Run, Work};

/// A table with each of the types, and with domains over them.
const TABLE: &str = "
    CREATE SCHEMA desk;
    CREATE TYPE desk.\"Side\" AS ENUM ('sell', 'buy', 'Short Sell', 'Füße');
    CREATE DOMAIN desk.way AS desk.\"Side\" NOT NULL;
    CREATE DOMAIN tags AS text[] CHECK (cardinality(VALUE) < 5);
    CREATE DOMAIN bell AS time(3) NOT NULL;
    CREATE TABLE t (k int PRIMARY KEY, side desk.\"Side\", way desk.way, at time, bell bell,
        tags tags, codes varchar(3)[])";

fn load(work: &Work, db: &Db, path: &str, more: &[&str]) -> Run {
    let flags = ["load", path, "--table", "t", "--json", "--dlq", "d", "--dsn", &db.dsn()];
    work.mdsctl(flags).arguments(more).run()
}

/// What each row is refused for: its number, code and column.
fn refused(letters: &[DeadLetter]) -> Vec<(u64, &str, &str)> {
    let each = |letter: &'_ DeadLetter| letter.rows.clone();
    let mut all: Vec<_> = letters
        .iter()
        .flat_map(|l| each(l).into_iter().map(|row| (row, &*l.code, l.column.as_deref().unwrap_or(""))))
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn enums_times_and_arrays_equal_what_the_server_reads() {
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(TABLE);
        // COPY right into the table leaves no trace of a stage.
        db.execute("CREATE TABLE told (name text);
            CREATE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO told SELECT object_identity FROM pg_event_trigger_ddl_commands()
               WHERE schema_name LIKE 'pg_temp%'; END $$;
            CREATE EVENT TRIGGER tell ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION tell()");
        let csv = "k,side,way,at,bell,tags,codes\n\
            1,buy,Füße,09:30,09:30:00.1235,\"{a,\"\"b c\"\",NULL}\",{}\n\
            2,Short Sell,buy,24:00:00,0:00:00,{},\"[\"\"abc\"\",null]\"\n\
            3,,sell,,23:59:59.9996,,{abc  }\n\
            4,Füße,sell,12:34:56.1234565,12:00,\"[\"\"x,y\"\",\"\"\\\"\"\"\"]\",\"{\"\"äöü   \"\"}\"\n";
        let path = work.write("t.csv", csv);
        let run = load(&work, &db, &path, &["--workers", workers]).expect(0);
        assert_eq!(run.books().inserted, 4, "{run}");
        assert_eq!(db.count("told"), 0, "{run}");
        db.execute(
            "CREATE TABLE e (LIKE t);
             INSERT INTO e VALUES (1,'buy','Füße','09:30','09:30:00.1235','{a,\"b c\",NULL}','{}'),
                (2,'Short Sell','buy','24:00:00','0:00:00','{}',ARRAY['abc',null]),
                (3,NULL,'sell',NULL,'23:59:59.9996',NULL,'{abc  }'),
                (4,'Füße','sell','12:34:56.1234565','12:00',ARRAY['x,y','\"'],'{\"äöü   \"}')",
        );
        let text = |table: &str| db.rows(&format!("SELECT r::text FROM {table} AS r ORDER BY k"));
        assert_eq!(text("t"), text("e"), "{workers} workers");
        let again = load(&work, &db, &path, &["--workers", workers, "--force"]).expect(0);
        assert_eq!(again.books().unchanged, 4, "{again}");
    }
}

#[test]
fn a_value_that_is_none_of_its_type_costs_its_row() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(TABLE);
    let good = |k: u32| format!("{k},buy,sell,09:30,09:30,{{a}},{{abc}}\n");
    let bad = [
        "2,Buy,sell,09:30,09:30,{a},{abc}",
        "3,buy,hold,09:30,09:30,{a},{abc}",
        "4,buy,sell,9h30,09:30,{a},{abc}",
        "5,buy,sell,24:00:01,09:30,{a},{abc}",
        "6,buy,sell,09:30,09:30,a,{abc}",
        "7,buy,sell,09:30,09:30,{a},{abcd}",
        "8,buy,,09:30,09:30,{a},{abc}",
        "9,buy,sell,09:30,,{a},{abc}",
        "10,buy,sell,09:30,09:30,\"{a,b,c,d,e}\",{abc}",
        "11,buy,sell,09:30+02,09:30,{a},{abc}",
    ];
    let csv = format!("k,side,way,at,bell,tags,codes\n{}{}\n{}", good(1), bad.join("\n"), good(12));
    let run = load(&work, &db, &work.write("t.csv", csv), &["--workers", "4"]).expect(3);
    assert_eq!((run.books().inserted, run.books().rejected), (2, 10), "{run}");
    let letters = work.dlq("d");
    let found = refused(&letters);
    let expected = [
        (2, "22P02", "side"),
        (3, "22P02", "way"),
        (4, "22007", "at"),
        (5, "22008", "at"),
        (6, "22P02", "tags"),
        (7, "22001", "codes"),
        (8, "missing_value", "way"),
        (9, "missing_value", "bell"),
        (10, "23514", ""),
        (11, "22007", "at"),
    ];
    assert_eq!(found, expected, "{letters:#?}");
    let of_side = letters.iter().find(|letter| letter.rows.contains(&2)).expect("a letter");
    assert!(
        of_side.error.contains("side") && of_side.error.contains("sell, buy, Short Sell"),
        "{}",
        of_side.line
    );
}

#[test]
fn digits_that_a_time_does_not_keep_are_refused_under_exact() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (k int PRIMARY KEY, at time(2))");
    let path = work.write("t.csv", "k,at\n1,09:30:00.12\n2,09:30:00.125\n3,09:30:00.1200001\n");
    let run = load(&work, &db, &path, &["--exact"]).expect(3);
    assert_eq!(run.books().inserted, 1, "{run}");
    assert_eq!(refused(&work.dlq("d")), [(2, "inexact", "at"), (3, "inexact", "at")]);
    load(&work, &db, &path, &["--force"]).expect(0);
    assert_eq!(
        db.value("SELECT string_agg(at::text, ' ' ORDER BY k) FROM t"),
        "09:30:00.12 09:30:00.13 09:30:00.12"
    );
}

#[test]
fn arrays_of_json_come_from_ndjson_as_they_nest() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(TABLE);
    let json = concat!(
        r#"{"k":1,"side":"buy","way":"sell","at":"09:30","bell":"10:00","tags":["a","b c",null],"codes":[12,37]}"#,
        "\n",
        r#"{"k":2,"side":null,"way":"sell","bell":"10:00","tags":["\"\\\u00fc"],"codes":[]}"#,
        "\n",
        r#"{"k":3,"way":"sell","bell":"10:00","tags":[["a"]]}"#,
        "\n",
        r#"{"k":4,"way":"sell","bell":"10:00","tags":{"a":1}}"#,
        "\n",
    );
    load(&work, &db, &work.write("t.ndjson", json), &[]).expect(3);
    let rows = db.rows("SELECT tags::text, codes::text FROM t ORDER BY k");
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [[text(r#"{a,"b c",NULL}"#), text("{12,37}")], [text(r#"{"\"\\ü"}"#), text("{}")]]);
    assert_eq!(refused(&work.dlq("d")), [(3, "22P02", "tags"), (4, "22P02", "tags")]);
}

#[test]
fn times_of_day_come_from_parquet() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (k int PRIMARY KEY, micros time, nanos time(6), words text)");
    let nanos = 34_200_000_000_000i64;
    let batch = RecordBatch::try_from_iter([
        ("k", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
        ("micros", Arc::new(Time64MicrosecondArray::from(vec![nanos / 1000 + 250_000, 0])) as ArrayRef),
        ("nanos", Arc::new(Time64NanosecondArray::from(vec![nanos + 1_501, 86_399_999_999_999])) as ArrayRef),
        ("words", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef),
    ])
    .expect("a batch");
    let path = work.write("t.parquet", "");
    let file = File::create(&path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows are written");
    writer.close().expect("the file is whole");
    load(&work, &db, &path, &[]).expect(0);
    let rows = db.rows("SELECT micros::text, nanos::text FROM t ORDER BY k");
    let text = |text: &str| Some(text.to_owned());
    let expected = [["09:30:00.25", "09:30:00.000002"], ["00:00:00", "24:00:00"]];
    assert_eq!(rows, expected.map(|row| row.map(text).to_vec()));
}

#[test]
fn enums_and_times_serve_as_keys() {
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(
            "CREATE TYPE side AS ENUM ('sell', 'buy');
             CREATE TABLE t (at time, option_type side, symbol side, v int, PRIMARY KEY (at, option_type, symbol))",
        );
        // Enough for the question whether the rows are there; 09:30 and 09:30:00 are one time.
        let mut csv = String::from("at,option_type,symbol,v\n");
        for v in 0..600 {
            let (hour, minute) = (v / 60, v % 60);
            csv += &format!("{hour:02}:{minute:02},buy,sell,{v}\n");
        }
        csv += "9:30:00,buy,sell,1000\n09:31:00.000,buy,sell,1001\n";
        let path = work.write("t.csv", csv);
        let flags = ["--workers", workers, "--force"];
        let run = load(&work, &db, &path, &flags).expect(0);
        assert_eq!(run.books().inserted, 600, "{run}");
        assert_eq!(
            db.value("SELECT string_agg(v::text, ' ' ORDER BY at) FROM t WHERE v >= 1000"),
            "1000 1001"
        );
        load(&work, &db, &path, &flags).expect(0);
        assert_eq!(
            db.value("SELECT count(*) || ' ' || sum(v) FROM t"),
            format!("600 {}", 599 * 300 - 1141 + 2001)
        );
    }
}
