//! `--table`: any table of the user's own, as its catalog describes it.

use crate::generator::fixtures;
use crate::harness::run::fixture;
use crate::harness::truth::{Notation, assert_same, columns, truth};
use crate::harness::{Postgres, Store, Work};

#[test]
fn a_table_of_other_columns_types_and_key() {
    let db = Postgres::shared().database();
    db.execute(
        "CREATE SCHEMA desk;
         CREATE TABLE desk.\"Quotes\" (
            instrument varchar(12), day date, bid double precision, ask real, lots smallint, total int,
            live boolean, ref uuid, doc jsonb, note text, stamp timestamp, tz timestamptz,
            made_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (day, instrument))",
    );
    let json = concat!(
        r#"{"instrument":"ESM4","day":"2024-03-04","bid":5130.25,"ask":5130.5,"lots":3,"total":70000,"live":true,"#,
        r#""ref":"0190a6a0-0000-7000-8000-000000000001","doc":{"a":[1,2.50]},"note":"Füße, \"quoted\"","#,
        r#""stamp":"2024-03-04 14:30:00.25","tz":"2024-03-04T14:30:00+02:00"}"#,
        "\n",
        r#"{"instrument":"NQM4","day":"2024-03-04","bid":null,"lots":-4,"live":false}"#,
        "\n",
    );
    for workers in ["1", "4"] {
        let work = Work::new();
        let path = work.write("quotes.ndjson", json);
        let flags = ["load", &path, "--table", "desk.Quotes", "--json", "--workers", workers];
        let run = work.mdsctl(flags).arguments(["--dsn", &db.key_value_dsn()]).run().expect(0);
        let books = run.books();
        assert_eq!((books.read, books.inserted + books.unchanged), (2, 2), "{run}");
    }
    let rows = db.rows("SELECT * FROM desk.\"Quotes\" ORDER BY instrument");
    let rows: Vec<Vec<&str>> =
        rows.iter().map(|row| row.iter().map(|v| v.as_deref().unwrap_or("∅")).collect()).collect();
    assert_eq!(
        rows[0][..12],
        [
            "ESM4",
            "2024-03-04",
            "5130.25",
            "5130.5",
            "3",
            "70000",
            "t",
            "0190a6a0-0000-7000-8000-000000000001",
            r#"{"a": [1, 2.50]}"#,
            "Füße, \"quoted\"",
            "2024-03-04 14:30:00.25",
            "2024-03-04 12:30:00+00",
        ]
    );
    assert_eq!(rows[1][..7], ["NQM4", "2024-03-04", "∅", "∅", "-4", "∅", "f"]);
    assert_ne!(rows[1][12], "∅", "the default of the table");
}

#[test]
fn a_table_of_bars_with_bounded_columns_takes_the_fixture() {
    let plan = fixtures::bars();
    for name in ["bars.csv", "bars.parquet"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(
            "CREATE TABLE prices (id uuid NOT NULL DEFAULT gen_random_uuid(), vendor varchar(50),
                symbol varchar(20) CHECK (symbol = upper(symbol)), timeframe varchar(16), ts timestamptz,
                open_price numeric(20,8), high_price numeric(20,8), low_price numeric(20,8),
                close_price numeric(20,8), volume bigint, vwap double precision, trades integer,
                updated_at timestamptz DEFAULT now(), PRIMARY KEY (ts, vendor, symbol, timeframe))",
        );
        let flags = ["load", &fixture(name), "--dataset", "bars", "--table", "prices", "--json"];
        let run = work.mdsctl(flags).arguments(["--dsn", &db.dsn(), "--workers", "4"]).run().expect(0);
        assert_eq!(run.books().inserted, plan.rows, "{run}");
        assert_eq!(db.value("SELECT count(DISTINCT id) FROM prices"), plan.rows.to_string());
        assert_same(&Store::Postgres(db).table("prices", &columns(&plan)), &truth(&plan), name);
    }
}

#[test]
fn a_value_with_more_decimals_than_its_column_is_rounded_as_the_server_would() {
    let db = Postgres::shared().database();
    db.execute("CREATE TABLE p (k int PRIMARY KEY, given text, price numeric(12,2))");
    let work = Work::new();
    let values =
        ["0.005", "-0.005", "0.0049999999", "2.675", "-2.675", "1.994", "1.995", "9999999999.99", "0"];
    let mut csv = String::from("k,given,price\n");
    for (k, value) in values.iter().enumerate() {
        csv += &format!("{k},{value},{value}\n");
    }
    let path = work.write("p.csv", csv);
    work.mdsctl(["load", &path, "--table", "p", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!(db.count("p"), values.len() as u64);
    // The server is the judge.
    assert_eq!(db.count("p WHERE price IS DISTINCT FROM given::numeric(12,2)"), 0);
}

#[test]
fn a_fraction_in_an_integer_column_costs_its_row() {
    let db = Postgres::shared().database();
    db.execute("CREATE TABLE p (k int PRIMARY KEY, n bigint, s smallint)");
    let work = Work::new();
    let path = work.write("p.csv", "k,n,s\n1,5.0,1\n2,5.5,1\n3,7,40000\n4,9223372036854775807,-32768\n");
    work.mdsctl(["load", &path, "--table", "p", "--dsn", &db.dsn(), "--dlq", "d"]).run().expect(3);
    let store = Store::Postgres(db);
    let columns = [("k", Notation::Number), ("n", Notation::Number), ("s", Notation::Number)];
    let expected =
        [["1", "5", "1"], ["4", "9223372036854775807", "-32768"]].map(|r| r.map(String::from).to_vec());
    assert_same(&store.table("p", &columns), &expected.to_vec(), "integers");
    let mut rows: Vec<u64> = work.dlq("d").iter().flat_map(|letter| letter.rows.clone()).collect();
    rows.sort_unstable();
    assert_eq!(rows, [2, 3]);
}

#[test]
fn a_table_without_a_key_takes_every_row() {
    for workers in ["1", "4"] {
        let db = Postgres::shared().database();
        db.execute("CREATE TABLE log (ts timestamptz, symbol text, price numeric)");
        let work = Work::new();
        let csv = "ts,symbol,price\n".to_string() + &"2024-03-04T14:30:00Z,AAPL,1.5\n".repeat(500);
        let path = work.write("log.csv", csv);
        let flags = ["load", &path, "--table", "log", "--workers", workers, "--json"];
        let run = work.mdsctl(flags).arguments(["--dsn", &db.dsn(), "--batch-size", "64"]).run().expect(0);
        assert_eq!(run.books().inserted, 500, "{run}");
        assert_eq!(db.count("log"), 500, "equal rows are rows");
    }
}

#[test]
fn a_table_that_the_input_does_not_fit_is_refused_before_anything_is_written() {
    let db = Postgres::shared().database();
    db.execute("CREATE TABLE p (k int PRIMARY KEY, price numeric NOT NULL, code text NOT NULL)");
    let work = Work::new();
    let path = work.write("p.csv", "k,price\n1,2.5\n");
    let run = work.mdsctl(["load", &path, "--table", "p", "--dsn", &db.dsn()]).run().expect(2);
    assert!(run.error().contains("code"), "names the column that is missing: {run}");
    assert_eq!(db.count("p"), 0);

    let run = work.mdsctl(["load", &path, "--table", "no.such_table", "--dsn", &db.dsn()]).run().expect(2);
    assert!(run.error().contains("no.such_table"), "{run}");
}

#[test]
fn generated_columns_and_identities_are_left_to_the_server() {
    let db = Postgres::shared().database();
    db.execute(
        "CREATE TABLE g (n bigint GENERATED ALWAYS AS IDENTITY, symbol text PRIMARY KEY, price numeric,
            twice numeric GENERATED ALWAYS AS (price * 2) STORED)",
    );
    let work = Work::new();
    let path = work.write("g.csv", "symbol,price\nAAPL,1.25\nMSFT,2.5\n");
    work.mdsctl(["load", &path, "--table", "g", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!(db.value("SELECT sum(twice) FROM g"), "7.50");
    assert_eq!(db.value("SELECT count(DISTINCT n) FROM g"), "2");
}
