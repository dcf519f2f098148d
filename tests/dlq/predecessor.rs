//! Dead letters as the Python system writes them: `json.dumps(…, default=str)` of its models.

use serde_json::{Value, json};

use crate::harness::existing::{TENANTS, existing};
use crate::harness::{Postgres, Store, Work};

const QUEUE: &str = "dead.ndjson";
const TENANT: &str = "7f3c2a10-5a1e-4a57-9a0e-2b6f6d1c0001";

/// A line of its queue, with the words that Python's JSON has.
fn letter(items: &[Value]) -> String {
    let line = json!({"ts": 1_732_351_234.5, "error": "boom", "metadata": {}, "items": items}).to_string();
    line.replace("\"@nan\"", "NaN").replace("\"@inf\"", "-Infinity") + "\n"
}

fn bar(symbol: &str, rest: &str) -> Value {
    json!(format!(
        "tenant_id='{TENANT}' vendor='v' symbol='{symbol}' timeframe='1d' ts=datetime.datetime(2024, 1, 2, 14, 30, tzinfo=TzInfo(UTC)) {rest}"
    ))
}

/// One line for each form, and what the store is to have of it: symbol, open, close.
fn bars() -> Vec<(String, Vec<[Option<&'static str>; 3]>)> {
    let object = |symbol: &str, more: Value| {
        let mut all = json!({"tenant_id": TENANT, "vendor": "v", "symbol": symbol, "timeframe": "1d",
            "ts": "2024-01-02 14:30:00+00:00"});
        all.as_object_mut().expect("it").extend(more.as_object().expect("it").clone());
        all
    };
    let text = |value: Value| json!(value.to_string().replace("\"@nan\"", "NaN"));
    let ny = "datetime.datetime(2024, 1, 2, 9, 30, tzinfo=zoneinfo.ZoneInfo(key='America/New_York'))";
    vec![
        (
            letter(&[
                bar(
                    "ALONE",
                    "open_price=None high_price=None low_price=None close_price=1.5 volume=None id=None",
                ),
                bar(
                    "DECIMAL",
                    "open_price=Decimal('1.25') high_price=Decimal('2') low_price=1.0 close_price=Decimal('1.50') volume=10 id=None",
                ),
            ]),
            vec![[Some("ALONE"), None, Some("1.5")], [Some("DECIMAL"), Some("1.25"), Some("1.5")]],
        ),
        (
            letter(&[bar(
                "NANS",
                "open_price=nan high_price=inf low_price=-inf close_price=2.5 volume=None id=None",
            )]),
            vec![[Some("NANS"), None, Some("2.5")]],
        ),
        (
            letter(&[json!(format!(
                "Bar(tenant_id='{TENANT}', vendor='v', symbol='CALL', timeframe='1d', ts={ny}, open_price=1.0, high_price=1.0, low_price=1.0, close_price=1.0, volume=1, id=None)"
            ))]),
            vec![[Some("CALL"), Some("1"), Some("1")]],
        ),
        (
            letter(&[json!(format!(
                "{{'tenant_id': UUID('{TENANT}'), 'vendor': 'v', 'symbol': 'DICT', 'timeframe': <Frame.DAY: '1d'>, 'ts': datetime.datetime(2024, 1, 2, 14, 30, tzinfo=datetime.timezone.utc), 'close_price': Decimal('3.5')}}"
            ))]),
            vec![[Some("DICT"), None, Some("3.5")]],
        ),
        (
            letter(&[text(object("TEXT", json!({"close_price": "@nan", "open_price": 4.5})))]),
            vec![[Some("TEXT"), Some("4.5"), None]],
        ),
        (
            letter(&[
                object("OBJECT", json!({"close_price": 5.5, "open_price": "@nan", "low_price": "@inf"})),
                object("FEWER", json!({"close_price": 6.5})),
            ]),
            vec![[Some("OBJECT"), None, Some("5.5")], [Some("FEWER"), None, Some("6.5")]],
        ),
    ]
}

fn stored(store: &Store) -> Vec<Vec<Option<String>>> {
    let plain = |price: &str| format!("trim(CAST(round(CAST({price} AS numeric), 2) AS text), ' ')");
    let number = |text: Option<String>| text.map(|t| t.parse::<f64>().expect("a number").to_string());
    let sql =
        format!("SELECT symbol, {}, {} FROM bars ORDER BY symbol", plain("open_price"), plain("close_price"));
    store
        .rows(&sql)
        .into_iter()
        .map(|row| vec![row[0].clone(), number(row[1].clone()), number(row[2].clone())])
        .collect()
}

#[test]
fn every_form_of_the_python_system_is_replayed_and_one_bad_record_holds_no_other_back() {
    for postgres in [false, true] {
        for bad in [
            None,
            Some(json!("could not connect")),
            Some(json!({"colour": "red"})),
            Some(json!("Bar(symbol='x'")),
            // Words that are read as texts of themselves.
            Some(json!("inf")),
            Some(json!(["np.nan", "+nan"])),
        ] {
            let work = Work::new();
            let store = if postgres { Store::postgres() } else { Store::sqlite(&work) };
            let mut text: String = bars().iter().map(|(line, _)| line.as_str()).collect();
            let mut expected: Vec<Vec<Option<String>>> = bars()
                .into_iter()
                .flat_map(|(_, rows)| rows)
                .map(|row| row.iter().map(|v| v.map(str::to_owned)).collect())
                .collect();
            expected.sort();
            if let Some(bad) = &bad {
                text = letter(std::slice::from_ref(bad)) + &text;
            }
            work.write(QUEUE, text);
            let arguments = ["replay-dlq", QUEUE, "--dsn", &store.dsn(), "--json"];
            let run = work.mdsctl(arguments).run().expect(if bad.is_some() { 3 } else { 0 });
            assert_eq!(stored(&store), expected, "{store} {bad:?}: {run}");
            let left = std::fs::read_to_string(work.path(QUEUE)).unwrap_or_default();
            assert_eq!(left.lines().count(), usize::from(bad.is_some()), "{store} {bad:?}: {left}");
            assert!(!work.path("dead.parked.ndjson").exists(), "{store} {bad:?}");
            // The times are the instants that were meant.
            let times = store.rows("SELECT DISTINCT CAST(ts AS text) FROM bars");
            assert_eq!(times.len(), 1, "{store}: {times:?}");
            assert!(times[0][0].as_deref().expect("a time").starts_with("2024-01-02 14:30:00"), "{times:?}");
        }
    }
}

#[test]
fn letters_of_several_datasets_in_one_file_go_to_their_tables() {
    for postgres in [false, true] {
        let work = Work::new();
        let store = if postgres { Store::postgres() } else { Store::sqlite(&work) };
        let utc = "datetime.datetime(2024, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)";
        let head = format!("tenant_id='{TENANT}' vendor='v'");
        let items = [
            json!(format!(
                "{head} symbol='A' asof={utc} total_assets=1.0 total_liabilities=None net_income=nan eps=None id=None"
            )),
            json!(format!(
                "{head} published_at={utc} title=\"it's\" id=None symbol='A' url=None sentiment_score=0.5"
            )),
            json!(format!(
                "{head} symbol='A' expiry=datetime.date(2024, 3, 1) option_type='C' strike=1.5 ts={utc} iv=0.2 delta=None gamma=None oi=None volume=None spot=None id=None"
            )),
        ];
        let lines: String = items.iter().map(|item| letter(std::slice::from_ref(item))).collect();
        work.write(QUEUE, bars()[0].0.clone() + &lines);
        let run = work.mdsctl(["replay-dlq", QUEUE, "--dsn", &store.dsn(), "--json"]).run().expect(0);
        for (table, rows) in [("bars", 2), ("fundamentals", 1), ("news", 1), ("options_snap", 1)] {
            assert_eq!(store.count(table), Some(rows), "{store} {table}: {run}");
        }
        assert_eq!(store.rows("SELECT title FROM news"), [[Some("it's".to_owned())]], "{store}");
    }
}

#[test]
fn a_line_that_is_no_record_is_not_parked_with_exit_0() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    work.write(QUEUE, bars()[0].0.clone() + "{\"ts\": 1, \"error\": \n");
    let run = work.mdsctl(["replay-dlq", QUEUE, "--dsn", &store.dsn()]).run().expect(3);
    assert_eq!(store.count("bars"), Some(2), "{run}");
    assert!(run.stderr.contains("dead.parked.ndjson"), "{run}");
}

#[test]
fn bars_of_the_python_system_go_into_its_own_tables() {
    let (work, db) = (Work::new(), existing());
    work.write(QUEUE, bars().iter().map(|(line, _)| line.as_str()).collect::<String>());
    let dsn = db.dsn_as("existing_loader");
    let run = work.mdsctl(["replay-dlq", QUEUE, "--dsn", &dsn, "--tenant", "desk-a"]).run().expect(0);
    assert_eq!(stored(&Store::Postgres(db)).len(), 8, "{run}");
}

#[test]
fn a_replay_for_a_tenant_writes_to_no_other() {
    let (a, b) = (TENANTS[0].1, TENANTS[1].1);
    let item = |symbol: &str, tenant: Option<&str>| {
        let mut item = json!({"vendor": "v", "symbol": symbol, "timeframe": "1d", "ts": "2024-01-02T00:00:00Z",
            "open_price": 1, "high_price": 1, "low_price": 1, "close_price": 1, "volume": 1});
        if let Some(tenant) = tenant {
            item["tenant_id"] = json!(tenant);
        }
        item
    };
    let record = |metadata: Value, items: &[Value]| {
        json!({"ts": 1_732_351_234.5, "error": "x", "metadata": metadata, "items": items}).to_string() + "\n"
    };
    let text =
        record(json!({"dataset": "bars", "tenant_id": a}), &[item("A1", Some(a)), item("B1", Some(b))])
            + &record(json!({"dataset": "bars", "tenant_id": b}), &[item("B2", Some(b)), item("B3", None)])
            + &record(json!({"dataset": "bars", "tenant_id": "desk-b"}), &[item("B4", None)])
            + &record(json!({"dataset": "bars", "tenant_id": "desk-a"}), &[item("A2", None)])
            + &record(json!({"dataset": "bars"}), &[item("A3", None), item("B5", Some(b))]);
    let expected = |store: &Store, given: &str, run: &crate::harness::Run, rows: usize| {
        let rows_there = store.rows("SELECT symbol FROM bars ORDER BY symbol");
        let symbols: Vec<String> = rows_there.iter().filter_map(|row| row[0].clone()).collect();
        assert!(symbols.iter().all(|symbol| symbol.starts_with('A')), "{store} {given} {symbols:?}: {run}");
        assert_eq!(symbols.len(), rows, "{store} {given}: {symbols:?} {run}");
        assert!(run.stderr.contains("another tenant"), "{run}");
    };
    for given in [a, "desk-a"] {
        let (work, db) = (Work::new(), existing());
        work.write("bars.ndjson", &text);
        let dsn = db.dsn();
        let run =
            work.mdsctl(["replay-dlq", "bars.ndjson", "--dsn", &dsn, "--tenant", given]).run().expect(0);
        expected(&Store::Postgres(db), given, &run, 3);
        let left = std::fs::read_to_string(work.path("bars.ndjson")).expect("the queue");
        for symbol in ["B1", "B2", "B3", "B4", "B5"] {
            assert!(left.contains(&format!("\"{symbol}\"")), "{given} {symbol}: {left}");
        }
        assert!(!left.contains("\"attempts\":2"), "what is not meant is not tried: {left}");
    }
    let work = Work::new();
    let store = Store::sqlite(&work);
    work.write("bars.ndjson", &text);
    let run =
        work.mdsctl(["replay-dlq", "bars.ndjson", "--dsn", &store.dsn(), "--tenant", a]).run().expect(0);
    expected(&store, a, &run, 2);
}

#[test]
fn a_record_chooses_no_table_beyond_those_of_market_data() {
    let db = Postgres::shared().database_with_schema();
    db.execute(
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.prices (k int PRIMARY KEY, v int);
         CREATE TABLE prices (k int PRIMARY KEY, v int); CREATE TABLE job_runs (k int PRIMARY KEY, v int)",
    );
    let record = |table: &str| {
        json!({"ts": 1_732_351_234.5, "error": "x", "metadata": {"dataset": table, "table": table},
            "items": [{"k": 1, "v": 2}]})
        .to_string()
            + "\n"
    };
    for (table, open) in [
        ("prices", true),
        ("public.prices", true),
        ("elsewhere.prices", false),
        ("mds_schema", false),
        ("job_runs", false),
        ("pg_catalog.pg_class", false),
        ("pg_class", false),
        ("information_schema.sql_features", false),
    ] {
        let work = Work::new();
        work.write("letters.ndjson", record(table) + &record("public.prices"));
        let dsn = db.dsn();
        let run = work.mdsctl(["replay-dlq", "letters.ndjson", "--dsn", &dsn]).run();
        assert_eq!(run.code, if open { 0 } else { 2 }, "{table}: {run}");
        assert_eq!(db.rows("SELECT count(*) FROM prices"), [[Some("1".to_owned())]], "{table}: {run}");
        assert_eq!(db.rows("SELECT count(*) FROM elsewhere.prices"), [[Some("0".to_owned())]], "{table}");
        assert_eq!(db.rows("SELECT count(*) FROM job_runs"), [[Some("0".to_owned())]], "{table}");
        let left = std::fs::read_to_string(work.path("letters.ndjson")).unwrap_or_default();
        assert_eq!(left.lines().count(), usize::from(!open), "{table}: {left}");
        if table == "elsewhere.prices" {
            assert!(run.stderr.contains("--table elsewhere.prices"), "{run}");
            let there = ["replay-dlq", "letters.ndjson", "--dsn", &dsn, "--table", table];
            work.mdsctl(there).run().expect(0);
            assert_eq!(db.rows("SELECT v FROM elsewhere.prices"), [[Some("2".to_owned())]]);
            db.execute("TRUNCATE elsewhere.prices");
        }
        db.execute("TRUNCATE prices");
    }
    let work = Work::new();
    work.write("letters.ndjson", record("mds_runs"));
    Store::sqlite(&work);
    let dsn = Store::sqlite(&work).dsn();
    work.write(
        "b.csv",
        "ts,vendor,symbol,timeframe,open,high,low,close,volume\n2024-01-02,v,A,1d,1,1,1,1,1\n",
    );
    work.mdsctl(["load", "b.csv", "--dsn", &dsn]).run().expect(0);
    let run = work.mdsctl(["replay-dlq", "letters.ndjson", "--dsn", &dsn]).run().expect(2);
    assert!(run.stderr.contains("books are kept in it"), "{run}");
}
