//! Tables that Citus spreads over its nodes, where it is installed.

use serde_json::Value;

use crate::generator::fixtures;
use crate::generator::market::{Dataset, Plan};
use crate::generator::spoil::Spoil;
use crate::generator::write::Format;
use crate::harness::run::fixture;
use crate::harness::truth::{assert_same, truth};
use crate::harness::wait::PATIENCE;
use crate::harness::{Citus, Db, Store, Work, dlq, wait};

fn made(cluster: &Citus, work: &Work) -> Db {
    let db = cluster.database();
    let run = work.mdsctl(["schema", "apply", "--distribute", "symbol", "--dsn", &db.dsn()]).run().expect(0);
    assert!(run.stdout.contains("bars: spread over the nodes by symbol"), "{run}");
    db
}

#[test]
fn the_schema_is_spread_by_a_column_of_its_keys() {
    let Some(cluster) = Citus::new("the_schema_is_spread_by_a_column_of_its_keys") else { return };
    let work = Work::new();
    let db = made(&cluster, &work);
    let schema = |action: &str, flags: &[&str]| {
        work.mdsctl(["schema", action, "--dsn", &db.dsn()]).arguments(flags.iter().copied()).run()
    };
    let spread = "SELECT count(*) FROM pg_dist_partition
        WHERE column_to_column_name(logicalrelid, partkey) = 'symbol'";
    assert_eq!(db.value(spread), "6");
    schema("check", &["--distribute", "symbol"]).expect(0);
    schema("check", &[]).expect(0);
    let run = schema("check", &["--distribute", "symbol", "--distribute", "bars=vendor"]).expect(2);
    assert_eq!(run.stdout.trim(), "bars: is spread over the nodes by symbol, expected by vendor", "{run}");
    let run = schema("apply", &["--distribute", "timeframe"]).expect(2);
    assert!(run.error().contains("--distribute ticks=none"), "{run}");
    let run = schema("apply", &["--distribute", "symbol", "--rls"]).expect(2);
    assert!(run.error().contains("do not go together"), "{run}");
    let node = cluster.nodes[0].db(db.name());
    let run = work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &node.dsn()]).run().expect(0);
    assert!(run.stderr.contains("a node of Citus and not the coordinator"), "{run}");
    // What is printed does the same, and can be run again.
    let script = schema("show", &["--distribute", "symbol"]).expect(0).stdout;
    let other = cluster.database();
    other.execute(&script);
    other.execute(&script);
    assert_eq!(other.value(spread), "6");
    // A table with rows stays where it is, and the statement that is told moves it.
    let third = cluster.database();
    work.mdsctl(["schema", "apply", "--dsn", &third.dsn()]).run().expect(0);
    work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &third.dsn()]).run().expect(0);
    let run =
        work.mdsctl(["schema", "apply", "--distribute", "symbol", "--dsn", &third.dsn()]).run().expect(0);
    let told = run.stdout.lines().find(|line| line.starts_with("bars: has rows")).expect("a line");
    third.execute(told.split_once("run: ").expect("a statement").1);
    let plan = fixtures::bars();
    assert_same(&Store::Postgres(third.clone()).stored(&plan), &truth(&plan), "moved");
    work.mdsctl(["schema", "check", "--distribute", "symbol", "--dsn", &third.dsn()]).run().expect(0);
}

#[test]
fn every_dataset_is_stored_value_by_value_and_a_second_time_unchanged() {
    let test = "every_dataset_is_stored_value_by_value_and_a_second_time_unchanged";
    let Some(cluster) = Citus::new(test) else { return };
    for workers in ["1", "4"] {
        let work = Work::new();
        let db = made(&cluster, &work);
        for dataset in [Dataset::Bars, Dataset::Ticks, Dataset::Options, Dataset::Fundamentals, Dataset::News]
        {
            let plan = match dataset {
                Dataset::Bars => fixtures::bars(),
                _ => fixtures::small(dataset),
            };
            for (times, format) in ["csv", "ndjson", "parquet"].into_iter().enumerate() {
                let path = fixture(&format!("{}.{format}", fixtures::name(dataset)));
                let flags = ["load", &path, "--json", "--workers", workers, "--batch-size", "200"];
                let run = work.mdsctl(flags).arguments(["--dsn", &db.dsn()]).run().expect(0);
                let books = run.books();
                let counted = if times == 0 { books.inserted } else { books.unchanged };
                assert_eq!(counted + books.superseded, plan.rows, "{format}, {workers} workers: {run}");
            }
            assert_same(&Store::Postgres(db.clone()).stored(&plan), &truth(&plan), &format!("{dataset:?}"));
        }
        assert_eq!(db.count("mds_checkpoints"), 0);
    }
}

/// The rows of a file: symbols, each with one bar of that close and volume.
fn bars(rows: &[(&str, &str, &str)]) -> String {
    let header = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n".to_owned();
    rows.iter().fold(header, |text, (symbol, close, volume)| {
        text + &format!("2024-03-04T14:30:00Z,acme,{symbol},1m,1,9,1,{close},{volume}\n")
    })
}

#[test]
fn conflicts_refusals_and_replays_are_as_in_one_server() {
    let Some(cluster) = Citus::new("conflicts_refusals_and_replays_are_as_in_one_server") else { return };
    let work = Work::new();
    let db = made(&cluster, &work);
    db.execute("ALTER TABLE bars ADD CONSTRAINT traded CHECK (volume >= 0)");
    let load = |rows: &[(&str, &str, &str)], flags: &[&str]| {
        let path = work.write("bars.csv", bars(rows));
        let run = work.mdsctl(["load", &path, "--json", "--dsn", &db.dsn()]);
        run.arguments(flags.iter().copied()).run()
    };
    let closes = || -> Vec<(String, String)> {
        let text = |cell: &Option<String>| cell.clone().expect("a value");
        let rows = db.rows("SELECT symbol, close_price FROM bars ORDER BY symbol");
        rows.iter().map(|row| (text(&row[0]), text(&row[1]))).collect()
    };
    let said = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(symbol, close)| ((*symbol).to_owned(), (*close).to_owned())).collect()
    };
    load(&[("A", "1", "1"), ("B", "2", "1"), ("C", "3", "1")], &[]).expect(0);
    let first = db.rows("SELECT updated_at FROM bars ORDER BY symbol");
    let books = load(&[("A", "1", "1"), ("B", "5", "1"), ("D", "4", "1")], &[]).expect(0).books();
    assert_eq!((books.inserted, books.updated, books.unchanged), (1, 1, 1));
    assert_eq!(closes(), said(&[("A", "1"), ("B", "5"), ("C", "3"), ("D", "4")]));
    let then = db.rows("SELECT updated_at FROM bars ORDER BY symbol");
    assert!(then[0] == first[0] && then[1] != first[1] && then[2] == first[2], "{first:?} {then:?}");

    let books = load(&[("A", "7", "1"), ("E", "6", "1")], &["--on-conflict", "skip"]).expect(0).books();
    assert_eq!((books.inserted, books.skipped), (1, 1));
    let run = load(&[("A", "7", "1"), ("F", "8", "1")], &["--on-conflict", "error", "--dlq", "error.ndjson"])
        .expect(3);
    assert_eq!((run.books().inserted, run.books().rejected), (1, 1), "{run}");
    let letters = work.dlq("error.ndjson");
    assert_eq!((letters.len(), letters[0].items[0]["symbol"].as_str()), (1, Some("A")), "{letters:?}");

    // One row in many is refused, by the table's and the constraint's own names.
    let symbols: Vec<String> = (0..500).map(|n| format!("S{n:03}")).collect();
    let rows: Vec<_> =
        symbols.iter().map(|s| (s.as_str(), "2", if s.ends_with("77") { "-1" } else { "1" })).collect();
    for (times, (inserted, unchanged)) in [(495, 0), (0, 495)].into_iter().enumerate() {
        let run = load(&rows, &["--dlq", "volume.ndjson"]).expect(3);
        let books = run.books();
        assert_eq!(
            (books.inserted, books.unchanged, books.rejected),
            (inserted, unchanged, 5),
            "{times}: {run}"
        );
        let letters = work.dlq("volume.ndjson");
        assert_eq!(dlq::rows(&letters), 5, "{times}: {letters:?}");
        for letter in &letters {
            let told = r#"new row for relation "bars" violates check constraint "traded""#;
            assert!(letter.error.contains(told), "{times}: {}", letter.error);
            assert!(
                letter.items.iter().all(|item| item["symbol"].as_str().is_some_and(|s| s.ends_with("77")))
            );
        }
    }
    // A row that was written since stays; the others go in.
    db.execute("ALTER TABLE bars DROP CONSTRAINT traded");
    load(&[("S077", "3", "5")], &[]).expect(0);
    let run = work.mdsctl(["replay-dlq", "volume.ndjson", "--json", "--dsn", &db.dsn()]).run().expect(0);
    let rows = run.json()["rows"].clone();
    assert_eq!((&rows["inserted"], &rows["read"]), (&Value::from(4), &Value::from(5)), "{run}");
    assert_eq!(db.value("SELECT volume FROM bars WHERE symbol = 'S077'"), "5");
    assert_eq!(db.value("SELECT count(*) FROM bars WHERE volume = -1"), "4");
}

#[test]
fn a_node_that_is_killed_is_waited_for_and_no_row_is_lost_or_doubled() {
    let test = "a_node_that_is_killed_is_waited_for_and_no_row_is_lost_or_doubled";
    let Some(cluster) = Citus::new(test) else { return };
    for (keyed, victim) in [(true, 0), (false, 0), (false, 1), (false, 2)] {
        let (work, db) = (Work::new(), cluster.database());
        let key = if keyed { ", PRIMARY KEY (symbol, timeframe, ts)" } else { "" };
        db.execute(&format!(
            "CREATE TABLE own (ts timestamptz, vendor text, symbol text, timeframe text, open numeric, high numeric,
             low numeric, close numeric, volume numeric{key}); SELECT create_distributed_table('own', 'symbol')"
        ));
        let plan = Plan { symbols: 40, ..Plan::new(Dataset::Bars, 30_000, 9) };
        let path = work.generate("bars.csv", &plan, Format::Csv, &Spoil::none());
        let flags = ["load", &path, "--table", "own", "--json", "--workers", "2", "--batch-size", "500"];
        let mut running = work.mdsctl(flags).arguments(["--capacity", "2000", "--dsn", &db.dsn()]).spawn();
        let rows = wait::until(PATIENCE, "the first rows", || {
            assert!(!running.has_ended(), "it ended before a row was seen");
            Some(db.count("own")).filter(|rows| *rows > 0)
        });
        assert!(rows < plan.rows);
        let server = if victim == 2 { &cluster.coordinator } else { &cluster.nodes[victim] };
        server.kill9();
        assert!(!running.has_ended(), "it waits");
        server.start();
        let what = format!("a key: {keyed}, victim {victim}");
        let run = running.finish().expect(0);
        assert_eq!(run.books().read, plan.rows, "{what}: {run}");
        // What a node has prepared is committed when the coordinator looks after it.
        wait::until(PATIENCE, "all rows", || (db.count("own") >= plan.rows).then_some(()));
        let distinct = db.value("SELECT count(*) FROM (SELECT DISTINCT symbol, ts FROM own) AS d");
        assert_eq!((distinct, db.count("own")), (plan.rows.to_string(), plan.rows), "{what}: {run}");
    }
}
