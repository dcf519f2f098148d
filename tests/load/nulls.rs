//! What stands for null: words in columns of numbers and times, nothing but null itself in text, the
//! words of `--null` in both; and rows that say nothing at all.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::harness::store::on_every_store;
use crate::harness::{Postgres, Store, Work};

/// The rows of a query, fields after one another, null as `∅`.
fn shown(store: &Store, sql: &str) -> Vec<String> {
    let row = |row: Vec<Option<String>>| {
        row.into_iter().map(|v| v.unwrap_or_else(|| "∅".into())).collect::<Vec<_>>().join("|")
    };
    store.rows(sql).into_iter().map(row).collect()
}

fn parquet(work: &Work, name: &str, columns: Vec<(&str, ArrayRef)>) -> String {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let path = work.write(name, "");
    let mut writer =
        ArrowWriter::try_new(File::create(&path).expect("a file"), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a file");
    path
}

#[test]
fn null_words_in_text_stay_and_quoted_empty_text_is_no_null() {
    let csv = "published_at,id,title,url\n\
        2024-03-04T14:30:00Z,1,None,None\n\
        2024-03-04T14:30:01Z,2,-,-\n\
        2024-03-04T14:30:02Z,3,NaN,NA\n\
        2024-03-04T14:30:03Z,4,null,inf\n\
        2024-03-04T14:30:04Z,5,\"\",\"\"\n\
        2024-03-04T14:30:05Z,6,  a ,\n\
        2024-03-04T14:30:06Z,7,x,\\N\n\
        2024-03-04T14:30:07Z,8,\"\\N\",\"\\N\"\n";
    let json = concat!(
        r#"{"published_at":"2024-03-04T14:30:00Z","id":"1","title":"None","url":"None"}"#,
        "\n",
        r#"{"published_at":"2024-03-04T14:30:01Z","id":"2","title":"-","url":"-"}"#,
        "\n",
        r#"{"published_at":"2024-03-04T14:30:02Z","id":"3","title":"NaN","url":"NA"}"#,
        "\n",
        r#"{"published_at":"2024-03-04T14:30:03Z","id":"4","title":"null","url":"inf"}"#,
        "\n",
        r#"{"published_at":"2024-03-04T14:30:04Z","id":"5","title":"","url":"","sentiment_score":0}"#,
        "\n",
        r#"{"published_at":"2024-03-04T14:30:05Z","id":"6","title":"  a ","url":null}"#,
        "\n",
        r#"{"published_at":"2024-03-04T14:30:06Z","id":"7","title":"x"}"#,
        "\n",
        r#"{"published_at":"2024-03-04T14:30:07Z","id":"8","title":"\\N","url":"\\N"}"#,
        "\n",
    );
    let csv = csv.replace("\"\",\"\"", "\"\",\"\",0").replace("title,url\n", "title,url,sentiment\n");
    let csv: String = csv
        .lines()
        .map(|line| {
            if line.ends_with(",0") || line.starts_with("pub") {
                format!("{line}\n")
            } else {
                format!("{line},\n")
            }
        })
        .collect();
    on_every_store(|work, store, workers, name| {
        for (file, text) in [("n.csv", csv.as_str()), ("n.ndjson", json)] {
            let path = work.write(file, text);
            let flags = ["load", &path, "--dataset", "news", "--vendor", file, "--workers", workers];
            work.mdsctl(flags).arguments(["--dsn", &store.dsn()]).run().expect(0);
            let sql = format!("SELECT title, url FROM news WHERE vendor = '{file}' ORDER BY published_at");
            let expected = ["None|None", "-|-", "NaN|NA", "null|inf", "|", "  a |∅", "x|∅", "\\N|\\N"];
            assert_eq!(shown(store, &sql), expected, "{name}, {file}");
        }
    });
}

#[test]
fn quoted_empty_text_goes_into_columns_of_text_and_comes_back_from_the_dead_letters_as_it_was() {
    let db = Postgres::shared().database();
    db.execute(
        "CREATE TYPE mood AS ENUM ('None', 'good'); CREATE EXTENSION IF NOT EXISTS citext;
         CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, b varchar(9), c citext, m mood, n int NOT NULL)",
    );
    let work = Work::new();
    let csv = "id,a,b,c,m,n\n1,\"\",\"\",\"\",\"\",1\n2,x,,,,2\n3,\"\",\"\",None,None,oops\n4,x,,,,oops\n5,,b,,,5\n";
    let path = work.write("a.csv", csv);
    let flags = ["load", &path, "--table", "t", "--dsn", &db.dsn(), "--dlq", "d"];
    let run = work.mdsctl(flags).arguments(["--json"]).run().expect(3);
    let books = run.books();
    assert_eq!((books.inserted, books.rejected), (2, 3), "{run}");
    let dsn = db.dsn();
    let flags = ["replay-dlq", "d", "--table", "t", "--dsn", &dsn, "--set", "n=7"];
    work.mdsctl(flags).run().expect(3);
    let store = Store::Postgres(db);
    let rows = shown(&store, "SELECT id, a, b, c, m, n FROM t ORDER BY id");
    assert_eq!(rows, ["1||||∅|1", "2|x|∅|∅|∅|2", "3|||None|None|7", "4|x|∅|∅|∅|7"]);
}

#[test]
fn words_of_the_null_flag_go_before_a_number_in_every_format() {
    let times = ["2024-03-04T14:30:00Z", "2024-03-04T14:31:00Z", "2024-03-04T14:32:00Z"];
    let volumes = ["-1", "-1.0", "5"];
    let closes = ["9223372036854775807", "2", "3"];
    let mut csv = String::from("ts,symbol,timeframe,open,high,low,close,volume\n");
    let mut json = String::new();
    for ((time, volume), close) in times.iter().zip(volumes).zip(closes) {
        csv += &format!("{time},A,1m,1,1,1,{close},{volume}\n");
        json += &format!(
            "{{\"ts\":\"{time}\",\"symbol\":\"A\",\"timeframe\":\"1m\",\"open\":1,\"high\":1,\"low\":1,\"close\":{close},\"volume\":{volume}}}\n"
        );
    }
    let one = || Arc::new(Int64Array::from(vec![1, 1, 1])) as ArrayRef;
    let text = |texts: [&str; 3]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
    let volume: [ArrayRef; 2] = [
        Arc::new(Float64Array::from(vec![-1.0, -1.0, 5.0])),
        Arc::new(
            Decimal128Array::from(vec![-100, -100, 500]).with_precision_and_scale(10, 2).expect("a scale"),
        ),
    ];
    on_every_store(|work, store, workers, name| {
        let mut files = vec![work.write("a.csv", &csv), work.write("a.ndjson", &json)];
        for (n, volume) in volume.iter().enumerate() {
            let columns = vec![
                ("ts", text(times)),
                ("symbol", text(["A"; 3])),
                ("timeframe", text(["1m"; 3])),
                ("open", one()),
                ("high", one()),
                ("low", one()),
                ("close", Arc::new(Int64Array::from(vec![i64::MAX, 2, 3])) as ArrayRef),
                ("volume", volume.clone()),
            ];
            files.push(parquet(work, &format!("{n}.parquet"), columns));
        }
        for (n, file) in files.iter().enumerate() {
            let vendor = format!("v{n}");
            let flags = ["load", file, "--vendor", &vendor, "--workers", workers, "--null=-1.0"];
            let run = work
                .mdsctl(flags)
                .arguments(["--null", "9223372036854775807", "--quality", "off", "--dsn", &store.dsn()])
                .run()
                .expect(0);
            let sql = format!("SELECT close_price, volume FROM bars WHERE vendor = '{vendor}' ORDER BY ts");
            assert_eq!(shown(store, &sql), ["∅|∅", "2|∅", "3|5"], "{name}, {file}");
            let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains("close_price: 9223372036854775807 is read as null in 1 row"), "{run}");
            assert!(said.contains("is read as null in") && said.contains("volume: -1"), "{run}");
        }
    });
}

#[test]
fn words_that_become_null_are_counted_by_column() {
    let csv = "ts,symbol,timeframe,open,high,low,close,volume\n\
        2024-03-04T14:30:00Z,A,1m,1,1,1,1,NaN\n\
        2024-03-04T14:31:00Z,A,1m,1,1,1,1,-\n\
        2024-03-04T14:32:00Z,A,1m,1,1,1,1,NaN\n\
        2024-03-04T14:33:00Z,A,1m,1,1,1,1,\n\
        2024-03-04T14:34:00Z,A,1m,inf,1,1,1,5\n";
    on_every_store(|work, store, workers, name| {
        let path = work.write("a.csv", csv);
        let flags = ["load", &path, "--vendor", "v", "--workers", workers, "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(0);
        let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        for sentence in [
            "volume: NaN is read as null in 2 rows",
            "volume: - is read as null in 1 row",
            "open_price: inf is read as null in 1 row",
        ] {
            assert!(said.contains(sentence), "{name}: {run}");
        }
    });
}

#[test]
fn a_row_that_says_nothing_never_replaces_one_that_does() {
    let cases = [
        (
            "bars",
            "close_price",
            "ts,symbol,timeframe,open,high,low,close,volume\n2022-03-17,A,1d,1,2,1,1.5,9\n",
            "ts,symbol,timeframe,open,high,low,close,volume\n2022-03-17,A,1d,NaN,NaN,NaN,NaN,NaN\n2022-03-18,A,1d,2,2,2,2,2\n2022-03-18,A,1d,,,,,\n",
            ["1.5", "2"].as_slice(),
        ),
        (
            "ticks",
            "price",
            "ts,symbol,trade_id,price,size,exchange\n2022-03-17T10:00:00Z,A,7,1.5,9,X\n",
            "ts,symbol,trade_id,price,size,exchange\n2022-03-17T10:00:00Z,A,7,,,X\n",
            &["1.5"],
        ),
        (
            "options",
            "bid",
            "ts,symbol,expiry,type,strike,bid,ask\n2022-03-17,A,2022-04-14,C,100,1.5,2\n",
            "ts,symbol,expiry,type,strike,bid,ask\n2022-03-17,A,2022-04-14,C,100,-,-\n",
            &["1.5"],
        ),
        (
            "fundamentals",
            "eps",
            "asof,symbol,eps,net_income\n2022-03-17,A,1.5,9\n",
            "asof,symbol,eps,net_income\n2022-03-17,A,None,None\n",
            &["1.5"],
        ),
    ];
    on_every_store(|work, store, workers, name| {
        for (dataset, column, first, second, expected) in &cases {
            let paths = [
                work.write(&format!("{dataset}1.csv"), first),
                work.write(&format!("{dataset}2.csv"), second),
            ];
            let dsn = store.dsn();
            let flags = |path: &str| {
                [
                    "load",
                    path,
                    "--dataset",
                    dataset,
                    "--vendor",
                    "v",
                    "--workers",
                    workers,
                    "--dsn",
                    &dsn,
                    "--json",
                ]
                .map(String::from)
            };
            work.mdsctl(flags(&paths[0])).run().expect(0);
            // A tick without a price is a fault; a day without trades is none.
            let refused = *dataset == "ticks";
            let code = if refused { 3 } else { 0 };
            let run = work.mdsctl(flags(&paths[1])).arguments(["--dlq", "d"]).run().expect(code);
            let table = if *dataset == "options" { "options_snap" } else { dataset };
            let rows = shown(store, &format!("SELECT {column} FROM {table} ORDER BY 1"));
            assert_eq!(rows, *expected, "{name}, {dataset}: {run}");
            let result = run.json();
            if refused {
                let letters = work.dlq("d");
                assert!(letters.iter().all(|letter| letter.code == "no_values"), "{dataset}: {letters:?}");
                std::fs::remove_file(work.path("d")).expect("dead letters");
                assert!(result["rows"]["empty_rows"].is_null(), "{name}, {dataset}: {run}");
            } else {
                let empty = second.lines().count() as u64 - 1 - u64::from(*dataset == "bars");
                assert_eq!(result["rows"]["empty_rows"], empty, "{name}, {dataset}: {run}");
                assert_eq!(result["rows"]["skipped"], empty, "{name}, {dataset}: {run}");
                assert_eq!(result["dlq"]["rows"], 0, "{name}, {dataset}: {run}");
                assert!(result["notes"].to_string().contains("no value beside"), "{name}, {dataset}: {run}");
            }
        }
    });
}

#[test]
fn a_bar_without_a_price_is_said_and_refused_where_the_user_wants_it() {
    let csv = "ts,symbol,timeframe,open,high,low,close,volume\n\
        2022-03-17,A,1d,,,,,9\n2022-03-18,A,1d,1,1,1,1,9\n";
    on_every_store(|work, store, workers, name| {
        let path = work.write("a.csv", csv);
        let dsn = store.dsn();
        let flags = ["load", &path, "--vendor", "v", "--workers", workers, "--dsn", &dsn];
        let run = work.mdsctl(flags).arguments(["--dlq", "d", "--quality", "reject"]).run().expect(3);
        let letters = work.dlq("d");
        assert_eq!(letters[0].rows, [1], "{name}: {run}");
        assert!(letters[0].error.contains("no price"), "{letters:?}");
        let run = work.mdsctl(flags).run().expect(0);
        assert!(run.stderr.contains("no price in 1 row"), "{name}: {run}");
        assert_eq!(shown(store, "SELECT close_price, volume FROM bars ORDER BY ts"), ["∅|9", "1|9"]);
    });
}
