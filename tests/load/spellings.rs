//! Values that are written otherwise than a program would: numbers for people, bare NaN in JSON, names
//! that change from row to row, codes that have become numbers.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::harness::store::on_every_store;
use crate::harness::{Store, Work};

/// The rows of a query, fields after one another, null as `∅`.
fn shown(store: &Store, sql: &str) -> Vec<String> {
    let row = |row: Vec<Option<String>>| {
        row.into_iter().map(|v| v.unwrap_or_else(|| "∅".into())).collect::<Vec<_>>().join("|")
    };
    store.rows(sql).into_iter().map(row).collect()
}

/// What a run says, in one line.
fn said(stderr: &str) -> String {
    stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn signs_in_numbers_are_judged_once_for_the_file() {
    let head = "ts;symbol;timeframe;open;high;low;close;volume\n";
    let comma = format!(
        "{head}2024-01-02;A;1d;1.234;1.300,5;1.200;1.250,25;1.234.567\n2024-01-03;A;1d;1.235;1.300;1.200;1.250;12\n"
    );
    let point = format!(
        "{head}2024-01-02;A;1d;1,234;1,300.5;1,200;1,250.25;1,234,567\n2024-01-03;A;1d;1,235;1,300;1,200;1,250;12\n"
    );
    let blank = format!(
        "{head}2024-01-02;A;1d;1 234;1 300,5;1 200;1 250,25;1 234 567\n2024-01-03;A;1d;1 235;1 300;1 200;1 250;12\n"
    );
    on_every_store(|work, store, workers, name| {
        for (vendor, text, signs) in
            [("c", &comma, "a comma"), ("p", &point, "a point"), ("b", &blank, "a comma")]
        {
            let path = work.write("a.csv", text);
            let dsn = store.dsn();
            let flags = ["load", &path, "--vendor", vendor, "--workers", workers, "--dsn", &dsn];
            let run = work.mdsctl(flags).run().expect(0);
            let sql = format!(
                "SELECT open_price, high_price, close_price, volume FROM bars WHERE vendor = '{vendor}' ORDER BY ts"
            );
            assert_eq!(
                shown(store, &sql),
                ["1234|1300.5|1250.25|1234567", "1235|1300|1250|12"],
                "{name} {vendor}"
            );
            let note = format!("numbers have {signs} before their decimals");
            assert!(said(&run.stderr).contains(&note), "{name}: {run}");
        }
    });
}

#[test]
fn a_number_of_two_readings_is_refused_until_somebody_says_which() {
    let csv = "ts;symbol;timeframe;open;high;low;close;volume\n\
        2024-01-02;A;1d;1;1;1;1;1,234\n2024-01-03;A;1d;1;1;1;1;5\n";
    on_every_store(|work, store, workers, name| {
        for (sign, volume) in [(".", "1234"), (",", "1.234")] {
            let path = work.write("a.csv", csv);
            let dsn = store.dsn();
            let flags = ["load", &path, "--vendor", sign, "--workers", workers, "--dsn", &dsn, "--dlq", "d"];
            work.mdsctl(flags).run().expect(3);
            let letters = work.dlq("d");
            assert_eq!((letters[0].code.as_str(), &letters[0].rows[..]), ("ambiguous_number", &[1][..]));
            assert!(letters[0].error.contains("--decimal"), "{letters:?}");
            let flags = ["replay-dlq", "d", "--dsn", &dsn, "--decimal", sign];
            work.mdsctl(flags).run().expect(0);
            let sql = format!("SELECT volume FROM bars WHERE vendor = '{sign}' ORDER BY ts");
            assert_eq!(shown(store, &sql), [volume, "5"], "{name}");
        }
    });
}

#[test]
fn numbers_that_contradict_one_another_are_no_numbers() {
    let csv = "ts;symbol;timeframe;open;high;low;close;volume\n\
        2024-01-02;A;1d;1,5;1;1;1;1\n2024-01-03;A;1d;1.5;2;1;1;5\n";
    let work = Work::new();
    let store = Store::sqlite(&work);
    let path = work.write("a.csv", csv);
    work.mdsctl(["load", &path, "--vendor", "v", "--dsn", &store.dsn(), "--dlq", "d"]).run().expect(3);
    assert_eq!(shown(&store, "SELECT open_price FROM bars"), ["1.5"]);
    assert_eq!(work.dlq("d")[0].code, "bad_number");
}

#[test]
fn a_dead_letter_remembers_the_signs_of_its_file() {
    let csv = "ts;symbol;timeframe;open;high;low;close;volume\n\
        2024-01-02;A;1d;1.234,5;1.300;1;1;oops\n2024-01-03;A;1d;1.234,5;1.300;1.000;1.100;5\n";
    on_every_store(|work, store, workers, name| {
        let path = work.write("a.csv", csv);
        let dsn = store.dsn();
        let flags = [
            "load",
            &path,
            "--vendor",
            "v",
            "--workers",
            workers,
            "--quality",
            "off",
            "--dsn",
            &dsn,
            "--dlq",
            "d",
        ];
        work.mdsctl(flags).run().expect(3);
        let letters = work.dlq("d");
        assert_eq!(letters[0].items[0]["open_price"].to_string(), "1234.5", "{name}");
        std::fs::write(work.path("d"), letters[0].line.replace("oops", "7.654,3") + "\n").expect("mended");
        work.mdsctl(["replay-dlq", "d", "--dsn", &dsn, "--quality", "off"]).run().expect(0);
        let sql = "SELECT open_price, high_price, volume FROM bars ORDER BY ts";
        assert_eq!(shown(store, sql), ["1234.5|1300|7654.3", "1234.5|1300|5"], "{name}");
    });
}

#[test]
fn bare_nan_and_infinity_of_json_are_read() {
    let json = concat!(
        r#"{"date":"2024-01-02","symbol":"A","timeframe":"1d","open":1,"high":1,"low":1,"close":1.5,"volume":10}"#,
        "\n",
        r#"{"date":"2024-01-03","symbol":"A","timeframe":"1d","open":1,"high":1,"low":1,"close":1.5,"volume":NaN}"#,
        "\n",
        r#"{"date":"2024-01-04","symbol":"A","timeframe":"1d","open": nan,"high":Infinity,"low":-Infinity,"close":1.5,"volume":10,"x":[NaN,1]}"#,
        "\n",
        r#"{"date":"2024-01-05","symbol":NaN,"timeframe":"1d","open":1,"high":1,"low":1,"close":NaNa,"volume":10}"#,
        "\n",
    );
    on_every_store(|work, store, workers, name| {
        let path = work.write("a.ndjson", json);
        let dsn = store.dsn();
        let flags = ["load", &path, "--vendor", "v", "--workers", workers, "--dsn", &dsn, "--dlq", "d"];
        let run = work.mdsctl(flags).run().expect(3);
        let sql = "SELECT open_price, high_price, low_price, close_price, volume FROM bars ORDER BY ts";
        assert_eq!(shown(store, sql), ["1|1|1|1.5|10", "1|1|1|1.5|∅", "∅|∅|∅|1.5|10"], "{name}");
        assert_eq!(work.dlq("d")[0].rows, [4], "{name}");
        let said = said(&run.stderr);
        assert!(said.contains("volume: NaN is read as null in 1 row"), "{run}");
        assert!(said.contains("low_price: -Infinity is read as null in 1 row"), "{run}");
    });
}

#[test]
fn names_that_change_from_row_to_row_mean_the_same_column() {
    let json = concat!(
        r#"{"t":1704153600,"symbol":"A","timeframe":"1m","open":1,"high":1,"low":1,"close":1,"volume":1}"#,
        "\n",
        r#"{"t":1704153660,"Symbol":"A","timeframe":"1m","Open":2,"High":2,"Low":2,"Close":2,"vol":2}"#,
        "\n",
        r#"{"t":1704153720,"symbol":"A","timeframe":"1m","open":3,"high":3,"low":3,"close":3,"volume":3}"#,
        "\n",
    );
    on_every_store(|work, store, workers, name| {
        let path = work.write("a.ndjson", json);
        let dsn = store.dsn();
        let flags = ["load", &path, "--vendor", "v", "--workers", workers, "--dsn", &dsn];
        let run = work.mdsctl(flags).run().expect(0);
        let sql =
            "SELECT symbol, open_price, high_price, low_price, close_price, volume FROM bars ORDER BY ts";
        assert_eq!(shown(store, sql), ["A|1|1|1|1|1", "A|2|2|2|2|2", "A|3|3|3|3|3"], "{name}");
        assert!(said(&run.stderr).contains("open_price is open in some rows and Open in others"), "{run}");
        assert!(!run.stderr.contains("not loaded"), "{run}");
    });
}

#[test]
fn a_row_with_two_values_for_one_column_is_refused() {
    let json = concat!(
        r#"{"t":1704153600,"ticker":"A","timeframe":"1m","open":1,"high":1,"low":1,"close":1}"#,
        "\n",
        r#"{"t":1704153660,"ticker":"A","sym":"B","timeframe":"1m","open":1,"high":1,"low":1,"close":1}"#,
        "\n",
        r#"{"t":1704153720,"ticker":"A","sym":"A","timeframe":"1m","open":1,"high":1,"low":1,"close":1}"#,
        "\n",
    );
    let work = Work::new();
    let store = Store::sqlite(&work);
    let path = work.write("a.ndjson", json);
    work.mdsctl(["load", &path, "--vendor", "v", "--dsn", &store.dsn(), "--dlq", "d"]).run().expect(3);
    assert_eq!(shown(&store, "SELECT symbol FROM bars"), ["A", "A"]);
    let letters = work.dlq("d");
    assert_eq!((letters[0].code.as_str(), &letters[0].rows[..]), ("two_values", &[2][..]));
    assert!(letters[0].error.contains("ticker") && letters[0].error.contains("sym"), "{letters:?}");
}

#[test]
fn codes_that_have_become_whole_numbers_are_told() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let one = || Arc::new(Int32Array::from(vec![1, 1])) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(StringArray::from(vec!["2024-01-02", "2024-01-02"]))),
        ("code", Arc::new(Int32Array::from(vec![1, 600_519]))),
        ("open", one()),
        ("high", one()),
        ("low", one()),
        ("close", one()),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let parquet = work.write("a.parquet", "");
    let file = File::create(&parquet).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a file");
    let json = work.write(
        "a.ndjson",
        "{\"ts\":\"2024-01-02\",\"code\":1,\"open\":1,\"high\":1,\"low\":1,\"close\":1}\n\
         {\"ts\":\"2024-01-02\",\"code\":600519,\"open\":1,\"high\":1,\"low\":1,\"close\":1}\n",
    );
    let kept = work.write(
        "b.csv",
        "ts,code,open,high,low,close\n2024-01-02,000001,1,1,1,1\n2024-01-02,600519,1,1,1,1\n",
    );
    for (path, told) in [(&parquet, true), (&json, true), (&kept, false)] {
        let flags = ["load", path, "--vendor", "v", "--timeframe", "1d", "--map", "symbol=code"];
        let run = work.mdsctl(flags).arguments(["--dsn", &store.dsn()]).run().expect(0);
        assert_eq!(said(&run.stderr).contains("leading zeros"), told, "{run}");
    }
    assert_eq!(shown(&store, "SELECT DISTINCT symbol FROM bars ORDER BY 1"), ["000001", "1", "600519"]);
}
