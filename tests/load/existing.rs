//! The tables of the Python system: its types, its triggers, its foreign key, its row-level security,
//! which binds the role that loads.

use crate::generator::fixtures;
use crate::generator::market::{Dataset, Plan};
use crate::harness::existing::{LOADER, TENANTS, existing, existing_with_timescale, load};
use crate::harness::run::fixture;
use crate::harness::truth::{NULL, Notation, assert_same, columns, number, table_name, truth};
use crate::harness::{Db, Postgres, Store, Work, dlq};

/// The datasets that have a table there, and what those tables do not have of their columns.
const DATASETS: [(Dataset, &[&str]); 4] = [
    (Dataset::Bars, &["vwap", "trades"]),
    (Dataset::Fundamentals, &[]),
    (Dataset::News, &[]),
    (Dataset::Options, &["theta", "vega", "bid", "ask"]),
];

/// Digits behind the point that the tables keep, where the fixtures have more.
const SCALES: [(&str, u32); 2] = [("iv", 4), ("gamma", 10)];

fn file(dataset: Dataset) -> String {
    fixture(&format!("{}.csv", fixtures::name(dataset)))
}

/// The rows of the plan as the table keeps them: without the columns that it has not, with the
/// decimals that it has.
fn expected(plan: &Plan, without: &[&str]) -> (Vec<(&'static str, Notation)>, Vec<Vec<String>>) {
    let all = columns(plan);
    let kept: Vec<usize> = (0..all.len()).filter(|at| !without.contains(&all[*at].0)).collect();
    // There the symbol of news may be null, and is no part of the key.
    let cell = |row: &[String], at: usize| match all[at].0 {
        "symbol" if row[at].is_empty() => NULL.to_owned(),
        _ => row[at].clone(),
    };
    let rows = truth(plan).into_iter().map(|row| kept.iter().map(|at| cell(&row, *at)).collect()).collect();
    (kept.iter().map(|at| all[*at]).collect(), rows)
}

/// A row a row, with the version of it that is stored.
fn versions(db: &Db, table: &str) -> Vec<Vec<Option<String>>> {
    db.rows(&format!("SELECT id, xmin, updated_at, created_at FROM {table} ORDER BY 1"))
}

fn every_dataset(db: &Db) {
    for (dataset, without) in DATASETS {
        let (plan, table) = (fixtures::small(dataset), table_name(dataset));
        let (names, mut rows) = expected(&plan, without);
        // The server is the judge of how a number is rounded.
        for (name, scale) in SCALES {
            let Some(at) = names.iter().position(|(column, _)| *column == name) else { continue };
            for row in rows.iter_mut().filter(|row| row[at] != NULL) {
                let given = db.value(&format!("SELECT round({}, {scale})", row[at]));
                row[at] = number(&given);
            }
        }
        rows.sort();
        let mut before = Vec::new();
        // By its short name, then by its id.
        for (times, tenant) in [TENANTS[0].0, TENANTS[0].1].into_iter().enumerate() {
            for workers in ["4", "1"] {
                let work = Work::new();
                let run = load(&work, db, tenant, &[&file(dataset), "--workers", workers]).run().expect(0);
                let books = run.books();
                if times == 0 && workers == "4" {
                    assert_eq!((books.read, books.inserted), (plan.rows, plan.rows), "{run}");
                    assert_same(&Store::Postgres(db.clone()).table(table, &names), &rows, table);
                    before = versions(db, table);
                    assert_eq!(before.len() as u64, plan.rows, "every row has an id of its own");
                } else {
                    assert_eq!((books.read, books.unchanged), (plan.rows, plan.rows), "{run}");
                }
            }
        }
        assert_eq!(versions(db, table), before, "{table}: no row was written again");
        let tenants = format!("SELECT DISTINCT tenant_id FROM {table}");
        assert_eq!(db.value(&tenants), TENANTS[0].1);
    }
}

#[test]
fn every_dataset_goes_in_once_and_a_second_load_changes_nothing() {
    every_dataset(&existing());
}

#[test]
fn every_dataset_goes_into_hypertables_too() {
    let Some(server) = Postgres::with_timescale("every_dataset_goes_into_hypertables_too") else { return };
    every_dataset(&existing_with_timescale(&server));
}

#[test]
fn a_changed_row_is_updated_and_the_trigger_says_when() {
    let (work, db) = (Work::new(), existing());
    let header = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";
    let row = |minute: u32, close: &str| format!("2024-03-04T14:{minute}:00Z,acme,AAPL,1m,1,3,1,{close},7\n");
    let first = work.write("first.csv", header.to_string() + &row(30, "2") + &row(31, "2"));
    load(&work, &db, "desk-a", &[&first]).run().expect(0);
    let when = "SELECT created_at = updated_at FROM bars ORDER BY ts";
    assert_eq!(db.rows(when), [[Some("t".to_string())], [Some("t".to_string())]]);

    let second = work.write("second.csv", header.to_string() + &row(30, "2.00") + &row(31, "2.5"));
    let books = load(&work, &db, "desk-a", &[&second]).run().expect(0).books();
    assert_eq!((books.unchanged, books.updated), (1, 1));
    let found = db.rows("SELECT close_price, updated_at > created_at FROM bars ORDER BY ts");
    let text = |t: &str| Some(t.to_string());
    assert_eq!(found, [[text("2.00000000"), text("f")], [text("2.50000000"), text("t")]]);
    assert_eq!(db.value("SELECT price FROM latest_prices"), "2.50000000");
}

#[test]
fn tenants_do_not_see_one_another() {
    let (work, db) = (Work::new(), existing());
    for (name, id) in TENANTS {
        let run = load(&work, &db, name, &[&fixture("bars.csv")]).run().expect(0);
        assert_eq!(run.books().inserted, 600, "{run}");
        assert_eq!(db.count(&format!("bars WHERE tenant_id = '{id}'")), 600);
    }
    // As the role sees it.
    let seen = |tenant: &str| {
        let session = db.session().expect("a session");
        session.execute(&format!("SET ROLE {LOADER}; SET app.tenant_id = '{tenant}'"));
        session.try_rows("SELECT count(DISTINCT tenant_id), count(*) FROM bars").expect("rows")
    };
    for (_, id) in TENANTS {
        assert_eq!(seen(id), [[Some("1".to_string()), Some("600".to_string())]]);
    }
    // Rows of another tenant than the one that was named.
    let text = format!(
        "ts,tenant_id,vendor,symbol,timeframe,open,high,low,close\n\
         2024-03-04T14:30:00Z,{},acme,AAPL,1m,1,1,1,1\n2024-03-04T14:30:00Z,{},acme,AAPL,1m,1,1,1,1\n",
        TENANTS[0].1, TENANTS[1].1
    );
    let path = work.write("both.csv", text);
    let run = load(&work, &db, "desk-a", &[&path, "--dlq", "d"]).run().expect(3);
    assert_eq!((run.books().inserted, work.dlq("d")[0].rows.clone()), (1, vec![2]), "{run}");
}

#[test]
fn a_tenant_that_is_missing_or_unknown_is_said_before_anything_is_read() {
    let (work, db) = (Work::new(), existing());
    let file = fixture("bars.csv");
    let run = load(&work, &db, "desk-x", &[&file]).run().expect(2);
    assert!(run.error().contains("no tenant is called `desk-x`"), "{run}");
    let unknown = "7f3c2a10-5a1e-4a57-9a0e-2b6f6d1c0009";
    let run = load(&work, &db, unknown, &[&file]).run().expect(2);
    assert!(run.error().contains(unknown) && run.error().contains("tenants"), "{run}");
    let run = work.mdsctl(["load", &file, "--dsn", &db.dsn_as(LOADER)]).run().expect(2);
    assert!(run.error().contains("--tenant"), "{run}");
    assert_eq!(db.count("bars"), 0);
    assert!(!work.path(".dlq").exists(), "no row is a dead letter");
}

#[test]
fn a_row_that_the_table_refuses_is_alone_in_the_dead_letter_queue() {
    let (work, db) = (Work::new(), existing());
    let mut text = String::from("ts,vendor,symbol,timeframe,open,high,low,close,volume\n");
    // Number, row, code, and the column or constraint that is named.
    let bad = [
        (40, "SYMBOLLONGERTHANTWENTY,1m,1,1,1,1,5", "22001", "symbol"),
        (41, "aapl,1m,1,1,1,1,5", "23514", "bars_symbol_upper"),
        (250, "AAPL,1m,1,1,1,1,5.5", "22003", "volume"),
        (300, "AAPL,1m,1,1234567890123,1,1,5", "22003", "high_price"),
    ];
    for number in 1..=400 {
        let rest = bad.iter().find(|row| row.0 == number).map_or("AAPL,1m,1,1,1,1,5", |row| row.1);
        text += &format!("2024-03-04T{:02}:{:02}:00Z,acme,{rest}\n", number / 60, number % 60);
    }
    let path = work.write("bars.csv", text);
    for workers in ["1", "4"] {
        let dlq = format!("{workers}.ndjson");
        let flags = [&*path, "--keep-case", "--workers", workers, "--dlq", &dlq];
        let run = load(&work, &db, "desk-a", &flags).run().expect(3);
        let books = run.books();
        assert_eq!((books.inserted + books.unchanged, books.rejected), (396, 4), "{run}");
        assert_eq!(db.count("bars"), 396);
        let letters = work.dlq(&dlq);
        assert_eq!(dlq::rows(&letters), 4, "{letters:#?}");
        for (number, _, code, name) in bad {
            let letter = letters.iter().find(|letter| letter.rows.contains(&(number as u64)));
            let letter = letter.unwrap_or_else(|| panic!("row {number}: {letters:#?}"));
            let named = letter.column.as_deref().or(letter.constraint.as_deref());
            assert_eq!((&*letter.code, named), (code, Some(name)), "{}", letter.line);
        }
    }
}

#[test]
fn a_tenant_that_is_no_uuid_costs_its_row_alone() {
    let (work, db) = (Work::new(), existing());
    let mut text = String::from("published_at,tenant_id,vendor,title\n");
    for (number, tenant) in [TENANTS[0].1, "desk-b", TENANTS[0].1].iter().enumerate() {
        text += &format!("2024-03-04T14:3{number}:00Z,{tenant},acme,headline {number}\n");
    }
    let path = work.write("news.csv", text);
    let run = load(&work, &db, "desk-a", &[&path, "--dlq", "d"]).run().expect(3);
    assert_eq!((run.books().inserted, run.books().rejected), (2, 1), "{run}");
    let letters = work.dlq("d");
    assert_eq!(
        (&letters[0].rows[..], letters[0].column.as_deref()),
        (&[2][..], Some("tenant_id")),
        "{letters:#?}"
    );
}

#[test]
fn prices_are_rounded_as_the_server_does_unless_they_must_be_exact() {
    let (work, db) = (Work::new(), existing());
    let prices = ["1.123456785", "1.123456784999", "-0.000000005", "123456789012.123456789", "2.5"];
    let mut text = String::from("ts,vendor,symbol,timeframe,open,high,low,close,volume\n");
    for (minute, price) in prices.iter().enumerate() {
        text += &format!("2024-03-04T14:{minute:02}:00Z,acme,AAPL,1m,{price},{price},{price},{price},5.0\n");
    }
    let path = work.write("bars.csv", text);
    let run = load(&work, &db, "desk-a", &[&path, "--exact", "--dlq", "d"]).run().expect(3);
    assert_eq!((run.books().inserted, run.books().rejected), (1, 4), "{run}");
    assert!(work.dlq("d").iter().all(|letter| letter.code == "inexact"), "{:#?}", work.dlq("d"));

    // Without --json, for the note.
    let flags = ["load", &path, "--tenant", "desk-a", "--dsn", &db.dsn_as(LOADER)];
    let run = work.mdsctl(flags).run().expect(0);
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(all.contains("16 values were rounded"), "{run}");
    for (minute, price) in prices.iter().enumerate() {
        let same =
            format!("bars WHERE ts = '2024-03-04 14:{minute:02}Z' AND close_price = {price}::numeric(20,8)");
        assert_eq!(db.count(&same), 1, "{price}");
    }
}

#[test]
fn a_fraction_of_a_volume_is_rounded_only_on_demand() {
    let (work, db) = (Work::new(), existing());
    let text = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n\
        2024-03-04T14:30:00Z,acme,BTCUSD,1m,1,1,1,1,0.5\n2024-03-04T14:31:00Z,acme,BTCUSD,1m,1,1,1,1,7.0\n";
    let path = work.write("bars.csv", text);
    let run = load(&work, &db, "desk-a", &[&path, "--dlq", "d"]).run().expect(3);
    assert_eq!((run.books().inserted, work.dlq("d")[0].rows.clone()), (1, vec![1]), "{run}");
    assert!(work.dlq("d")[0].error.contains("--round"), "{}", work.dlq("d")[0].line);
    let run = load(&work, &db, "desk-a", &[&path, "--round"]).run().expect(0);
    assert_eq!((run.books().inserted, run.books().unchanged), (1, 1), "{run}");
    assert_eq!(db.value("SELECT string_agg(volume::text, ',' ORDER BY ts) FROM bars"), "1,7");
}

/// The table without tenants, by its name; a tenant that is given all the same does no harm.
fn the_table_of_floats(db: &Db) {
    let work = Work::new();
    let plan = fixtures::bars();
    let (names, rows) = expected(&plan, &["vwap", "trades"]);
    for (times, workers) in ["4", "1", "4"].into_iter().enumerate() {
        let flags = [&*fixture("bars.csv"), "--table", "bars_ohlcv", "--workers", workers];
        let books = load(&work, db, "desk-a", &flags).run().expect(0).books();
        let done = if times == 0 { books.inserted } else { books.unchanged };
        assert_eq!(done, plan.rows, "load {times}");
    }
    let as_stored = |name: &str| match name {
        "vendor" => "provider",
        "timeframe" => "\"interval\"",
        "open_price" => "open",
        "high_price" => "high",
        "low_price" => "low",
        "close_price" => "close",
        "symbol" => "symbol",
        "volume" => "volume",
        _ => "ts",
    };
    let names: Vec<(&str, Notation)> = names.iter().map(|(n, notation)| (as_stored(n), *notation)).collect();
    assert_same(&Store::Postgres(db.clone()).table("bars_ohlcv", &names), &rows, "bars_ohlcv");
    assert_eq!(db.count("bars_ohlcv WHERE updated_at > created_at"), 0, "no trigger has fired");
}

#[test]
fn the_table_of_another_family_takes_bars_by_its_own_names() {
    the_table_of_floats(&existing());
}

#[test]
fn the_same_compressed() {
    let Some(server) = Postgres::with_timescale("the_same_compressed") else { return };
    let (work, db) = (Work::new(), existing_with_timescale(&server));
    the_table_of_floats(&db);
    db.execute("SELECT compress_chunk(c) FROM show_chunks('bars_ohlcv') c");
    let state =
        "SELECT count(*), sum(numrows_pre_compression) FROM _timescaledb_catalog.compression_chunk_size";
    let before = db.rows(state);
    the_table_of_floats_again(&work, &db);
    assert_eq!(db.rows(state), before);
}

fn the_table_of_floats_again(work: &Work, db: &Db) {
    let flags = [&*fixture("bars.csv"), "--table", "bars_ohlcv"];
    let run = load(work, db, "desk-a", &flags).run().expect(0);
    assert_eq!(run.books().unchanged, 600, "{run}");
}
