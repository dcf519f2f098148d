use std::path::PathBuf;

use arrow::array::{
    Array, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use tempfile::TempDir;

use super::*;
use crate::batch::{Batch, Origin, PastRecord, Pick, ReplayHistory};
use crate::dataset;
use crate::error::Error;
use crate::port::Sink;
use crate::sink::sqlite::{SqliteOptions, SqliteSink};

/// 2024-01-01 in nanoseconds.
const DAY: i64 = 1_704_067_200_000_000_000;
const MINUTE: i64 = 60_000_000_000;

struct Place {
    _directory: TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mds.db");
    Place { _directory: directory, path }
}

impl Place {
    fn sql(&self, sql: &str) {
        Connection::open(&self.path).unwrap().execute_batch(sql).unwrap();
    }

    /// One value as SQLite writes it down, with its storage class.
    fn cell(&self, expression: &str, table: &str) -> Vec<String> {
        let connection = Connection::open(&self.path).unwrap();
        let sql = format!("SELECT typeof({expression}) || ' ' || ifnull({expression}, '') FROM {table}");
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn count(&self, table: &str) -> i64 {
        let connection = Connection::open(&self.path).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }
}

fn batch(columns: Vec<(&str, Arc<dyn Array>)>) -> Arc<Batch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays: Vec<_> = columns.into_iter().map(|(_, array)| array).collect();
    let columns = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let rows = columns.num_rows() as u64;
    Arc::new(Batch {
        columns,
        rows: (1..=rows).collect(),
        identities: (1..=u128::from(rows)).collect(),
        origin: Arc::new(Origin::new("test")),
        order: crate::batch::Order::Any,
        given: None,
    })
}

fn picks(batch: &Batch) -> Vec<Pick> {
    (0..batch.len() as u32).map(|row| Pick { part: 0, row }).collect()
}

fn text(values: &[Option<&str>]) -> Arc<dyn Array> {
    Arc::new(values.iter().copied().collect::<StringArray>())
}

fn all(value: &str, rows: usize) -> Arc<dyn Array> {
    Arc::new(StringArray::from(vec![value; rows]))
}

fn instants(nanos: Vec<i64>) -> Arc<dyn Array> {
    Arc::new(TimestampNanosecondArray::from(nanos).with_timezone("UTC"))
}

fn bars(symbols: &[Option<&str>], closes: Arc<dyn Array>) -> Arc<Batch> {
    let rows = symbols.len();
    batch(vec![
        ("ts", instants((0..rows as i64).map(|i| DAY + i * MINUTE).collect())),
        ("vendor", all("v", rows)),
        ("symbol", text(symbols)),
        ("timeframe", all("1m", rows)),
        ("close_price", closes),
    ])
}

fn sink(place: &Place) -> SqliteSink {
    SqliteSink::open(&place.path, &dataset::BARS, SqliteOptions::default()).unwrap()
}

async fn store(sink: &SqliteSink, batch: Arc<Batch>) -> Result<Written, SinkError> {
    let mut session = sink.connect(0).await?;
    session.begin().await?;
    let picks = picks(&batch);
    let written = session.write(Rows { parts: &[batch], picks: &picks }, WriteMode::Bare).await?;
    session.commit(&CommitMark::default(), true).await?;
    Ok(written)
}

fn floats(values: &[f64]) -> Arc<dyn Array> {
    Arc::new(Float64Array::from(values.to_vec()))
}

const THREE: &[Option<&str>] = &[Some("A"), Some("B"), Some("C")];

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_inserted_updated_and_recognised_as_unchanged() {
    let place = place();
    let sink = sink(&place);
    let written = store(&sink, bars(THREE, floats(&[1.5, 2.5, 3.5]))).await.unwrap();
    assert_eq!(written, Written { inserted: 3, ..Written::default() });
    place.sql("UPDATE bars SET updated_at = 'before'");

    let written = store(&sink, bars(THREE, floats(&[1.5, 2.75, 3.5]))).await.unwrap();
    assert_eq!(written, Written { updated: 1, unchanged: 2, ..Written::default() });
    assert_eq!(place.cell("close_price", "bars ORDER BY symbol"), ["real 1.5", "real 2.75", "real 3.5"]);
    assert_eq!(place.cell("tenant_id", "bars LIMIT 1"), [format!("text {}", dataset::NO_TENANT)]);
    let stamps = place.cell("updated_at", "bars ORDER BY symbol");
    assert_eq!((&*stamps[0], &*stamps[2]), ("text before", "text before"));
    assert!(stamps[1].starts_with("text 20"), "{stamps:?}");

    // Null is a value that differs, too; a column that is not given stays.
    let none: Arc<dyn Array> = Arc::new(Float64Array::from(vec![None, Some(2.75), None]));
    let written = store(&sink, bars(THREE, none)).await.unwrap();
    assert_eq!(written, Written { updated: 2, unchanged: 1, ..Written::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_a_number_came_in_leaves_no_trace() {
    let place = place();
    let sink = sink(&place);
    store(&sink, bars(THREE, floats(&[1.5, 2.0, 1e20]))).await.unwrap();
    let decimals = Decimal128Array::from(vec![150_i128, 200, 10_i128.pow(22)]);
    let decimals = Arc::new(decimals.with_precision_and_scale(38, 2).unwrap());
    let written = store(&sink, bars(THREE, decimals)).await.unwrap();
    assert_eq!(written, Written { unchanged: 3, ..Written::default() });
    let written = store(&sink, bars(THREE, Arc::new(Int64Array::from(vec![1, 2, 3])))).await.unwrap();
    assert_eq!(written, Written { updated: 2, unchanged: 1, ..Written::default() });

    let long = Decimal128Array::from(vec![123_456_789_012_345_678_901_234_567_i128; 3]);
    let long = Arc::new(long.with_precision_and_scale(38, 18).unwrap());
    store(&sink, bars(THREE, long)).await.unwrap();
    assert_eq!(place.cell("close_price", "bars LIMIT 1"), ["text 123456789.012345678901234567"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_breaks_a_rule_is_refused_alone() {
    let place = place();
    place.sql(
        "CREATE TABLE odd (id TEXT PRIMARY KEY NOT NULL, n INTEGER CHECK (n < 10), u TEXT UNIQUE,
            p TEXT REFERENCES odd (id), updated_at TEXT) STRICT;
         CREATE TRIGGER refuse BEFORE INSERT ON odd WHEN NEW.u = 'no' BEGIN SELECT RAISE(ABORT, 'not this'); END;
         CREATE TRIGGER ignore BEFORE INSERT ON odd WHEN NEW.u = 'skip' BEGIN SELECT RAISE(IGNORE); END;",
    );
    let sink = SqliteSink::open_table(&place.path, "odd", SqliteOptions::default()).unwrap();
    let id = [Some("a"), None, Some("c"), Some("d"), Some("e"), Some("f"), Some("g"), Some("h"), Some("i")];
    let u = [
        Some("1"),
        Some("2"),
        Some("3"),
        Some("1"),
        Some("5"),
        Some("no"),
        Some("skip"),
        Some("8"),
        Some("9"),
    ];
    let p = [None, None, None, None, Some("zz"), None, None, None, None];
    let n = Float64Array::from(vec![1.0, 1.0, 10.0, 1.0, 1.0, 1.0, 1.0, 1.5, 2.0]);
    let rows = batch(vec![("id", text(&id)), ("n", Arc::new(n)), ("u", text(&u)), ("p", text(&p))]);

    let written = store(&sink, rows.clone()).await.unwrap();
    assert_eq!(written.inserted, 2);
    let refused: Vec<(usize, &str, Option<&str>)> =
        written.refused.iter().map(|(at, r)| (*at, &*r.code, r.column.as_deref())).collect();
    assert_eq!(
        refused,
        [
            (1, "23502", Some("id")),
            (2, "23514", None),
            (3, "23505", Some("u")),
            (4, "23503", None),
            (5, "P0001", None),
            (6, "P0001", None),
            (7, "22003", Some("n")),
        ]
    );
    assert_eq!(&*written.refused[0].1.message, "null in column id, which odd does not allow");
    assert_eq!(place.cell("id", "odd ORDER BY id"), ["text a", "text i"]);

    // The triggers skip new rows only: those that are there are unchanged, not skipped.
    let written = store(&sink, rows).await.unwrap();
    assert_eq!((written.unchanged, written.refused.len()), (2, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_ends_the_transaction_is_not_passed_by() {
    let place = place();
    let sink = sink(&place);
    place.sql(
        "CREATE TRIGGER undo BEFORE INSERT ON bars WHEN NEW.symbol = 'B' BEGIN SELECT RAISE(ROLLBACK, 'no'); END;",
    );
    let error = store(&sink, bars(THREE, floats(&[1.5; 3]))).await.unwrap_err();
    // The rows are divided until the one is left for which the trigger does it.
    assert!(matches!(&error, SinkError::Apart(r) if r.message.contains("refused the row")), "{error:?}");
    assert_eq!(place.count("bars"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nanoseconds_are_rounded_and_counted_or_kept_beside() {
    let place = place();
    let bars_sink = sink(&place);
    let late = |ns: Vec<i64>| {
        let rows = ns.len();
        batch(vec![
            ("ts", instants(ns)),
            ("vendor", all("v", rows)),
            ("symbol", all("A", rows)),
            ("timeframe", all("1m", rows)),
        ])
    };
    // The second and third fall on the same microsecond: the later row wins.
    let written = store(&bars_sink, late(vec![DAY, DAY + 1_500, DAY + 2_000])).await.unwrap();
    assert_eq!((written.inserted, written.unchanged, written.rounded), (2, 1, 1));
    assert_eq!(
        place.cell("ts", "bars ORDER BY ts"),
        ["text 2024-01-01 00:00:00", "text 2024-01-01 00:00:00.000002"]
    );

    let exact = SqliteSink::open(
        &place.path,
        &dataset::BARS,
        SqliteOptions { exact: true, ..SqliteOptions::default() },
    )
    .unwrap();
    let written = store(&exact, late(vec![DAY, DAY + 1])).await.unwrap();
    assert_eq!((written.unchanged, written.refused.len(), written.rounded), (1, 1, 0));

    let ticks = SqliteSink::open(&place.path, &dataset::ALL[1], SqliteOptions::default()).unwrap();
    let tick = batch(vec![
        ("ts", instants(vec![DAY + 1_999])),
        ("ts_ns", Arc::new(Int64Array::from(vec![999]))),
        ("vendor", all("v", 1)),
        ("symbol", all("A", 1)),
        ("trade_id", all("7", 1)),
    ]);
    let written = store(&ticks, tick).await.unwrap();
    assert_eq!((written.inserted, written.rounded), (1, 0));
    assert_eq!(place.cell("ts || ' ' || ts_ns", "ticks"), ["text 2024-01-01 00:00:00.000001 999"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_table_is_taken_as_it_is() {
    let place = place();
    place.sql(
        "CREATE TABLE my_options (id INTEGER PRIMARY KEY, ts TIMESTAMP NOT NULL, expiry TEXT, note VARCHAR(20) COLLATE NOCASE,
            strike NUMERIC(12,2), iv DOUBLE, oi BIGINT, seen BOOLEAN DEFAULT 0,
            twice AS (oi * 2), UNIQUE (ts, strike));",
    );
    let sink = SqliteSink::open_table(&place.path, "main.my_options", SqliteOptions::default()).unwrap();
    let kinds: Vec<_> = sink.target().columns.iter().map(|c| (c.name.as_str(), c.kind)).collect();
    use dataset::Kind::*;
    assert_eq!(
        kinds,
        [
            ("id", Number),
            ("ts", Timestamp),
            ("expiry", Date),
            ("note", Text),
            ("strike", Number),
            ("iv", Number),
            ("oi", Number),
            ("seen", Bool)
        ]
    );
    assert_eq!(sink.target().key, ["ts", "strike"]);
    let described = sink.dataset();
    assert_eq!(*described.key, ["ts", "strike"]);
    assert_eq!(described.time.as_deref(), Some("ts"));
    assert_eq!(described.column("id").unwrap().need, dataset::Requirement::Optional);

    let rows = |note: &str| {
        let long = Decimal128Array::from(vec![12_345_678_901_234_567_890_i128])
            .with_precision_and_scale(38, 8)
            .unwrap();
        batch(vec![
            ("ts", instants(vec![DAY])),
            ("expiry", Arc::new(Date32Array::from(vec![19_723]))),
            ("note", all(note, 1)),
            ("strike", Arc::new(Int64Array::from(vec![100]))),
            ("iv", Arc::new(long)),
        ])
    };
    let written = store(&sink, rows("abc")).await.unwrap();
    assert_eq!((written.inserted, written.rounded), (1, 1));
    let written = store(&sink, rows("abc")).await.unwrap();
    assert_eq!((written.unchanged, written.updated), (1, 0));
    // Another text, though the column's collation takes it for the same.
    let written = store(&sink, rows("ABC")).await.unwrap();
    assert_eq!((written.unchanged, written.updated), (0, 1));
    assert_eq!(place.cell("note", "my_options"), ["text ABC"]);
    assert_eq!(place.cell("expiry", "my_options"), ["text 2024-01-01"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_key_is_appended_to() {
    let place = place();
    place.sql("CREATE TABLE log (ts TEXT, note STRING)");
    let sink = SqliteSink::open_table(&place.path, "log", SqliteOptions::default()).unwrap();
    for _ in 0..2 {
        let written = store(&sink, batch(vec![("ts", instants(vec![DAY]))])).await.unwrap();
        assert_eq!(written.inserted, 1);
    }
    assert_eq!(place.count("log"), 2);
    // SQLite would store this as the number 7.
    let coded: DictionaryArray<Int32Type> = ["007"].into_iter().collect();
    for note in [all("007", 1), Arc::new(coded)] {
        let error = store(&sink, batch(vec![("note", note)])).await.unwrap_err();
        assert!(matches!(&error, SinkError::Fatal(r) if r.message.contains("declare it TEXT")), "{error:?}");
    }
    let error = store(&sink, batch(vec![("nope", all("x", 1))])).await.unwrap_err();
    assert!(matches!(&error, SinkError::Fatal(r) if r.code == "42703"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_gives_the_transaction_back_as_it_was() {
    let place = place();
    let sink = sink(&place);
    let mut session = sink.connect(0).await.unwrap();
    session.begin().await.unwrap();
    let good = bars(THREE, floats(&[1.5; 3]));
    let picked = picks(&good);
    session
        .write(Rows { parts: std::slice::from_ref(&good), picks: &picked }, WriteMode::Savepoint)
        .await
        .unwrap();
    let bad = batch(vec![("nope", all("x", 1))]);
    let error = session.write(Rows { parts: &[bad], picks: &picked[..1] }, WriteMode::Savepoint).await;
    assert!(error.is_err());
    session.commit(&CommitMark::default(), true).await.unwrap();
    assert_eq!(place.count("bars"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_committed_is_undone() {
    let place = place();
    let sink = sink(&place);
    let rows = bars(THREE, floats(&[1.5; 3]));
    let picked = picks(&rows);
    let given = Rows { parts: &[rows], picks: &picked };
    let mut session = sink.connect(0).await.unwrap();
    assert!(matches!(session.write(given, WriteMode::Bare).await, Err(SinkError::Fatal(_))));
    session.begin().await.unwrap();
    session.write(given, WriteMode::Bare).await.unwrap();
    session.rollback().await.unwrap();
    session.begin().await.unwrap();
    session.write(given, WriteMode::Bare).await.unwrap();
    drop(session);
    assert_eq!(place.count("bars"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sealing_writes_to_the_log_and_changes_no_row() {
    let place = place();
    let sink = sink(&place);
    let session = sink.connect(0).await.unwrap();
    store(&sink, bars(THREE, floats(&[1.5; 3]))).await.unwrap();
    place.sql("PRAGMA user_version = 42");
    let log = place.path.with_extension("db-wal");
    let before = std::fs::metadata(&log).unwrap().len();
    sink.seal().await.unwrap();
    assert!(std::fs::metadata(&log).unwrap().len() > before);
    let connection = Connection::open(&place.path).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!((version, place.count("bars")), (42, 3));
    drop(session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_removed_is_not_made_anew() {
    let place = place();
    let sink = sink(&place);
    std::fs::remove_file(&place.path).unwrap();
    // It may come back, as a server may.
    assert!(matches!(sink.seal().await, Err(SinkError::Transient(..))));
    let error = sink.connect(0).await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, SinkError::Transient(..)), "{error:?}");
    assert!(!place.path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_an_outage() {
    let place = place();
    let sink = sink(&place);
    let other = Connection::open(&place.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut session = sink.connect(0).await.unwrap();
    session.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let error = session.begin().await.unwrap_err();
    assert!(matches!(&error, SinkError::Transient(_, r) if r.code == "55P03"), "{error:?}");
    other.execute_batch("COMMIT").unwrap();
    session.begin().await.unwrap();
}

#[tokio::test]
async fn a_current_thread_runtime_will_do() {
    let place = place();
    let written = store(&sink(&place), bars(THREE, floats(&[1.5; 3]))).await.unwrap();
    assert_eq!(written.inserted, 3);
}

#[test]
fn wrong_paths_are_told_in_one_sentence() {
    let place = place();
    let directory = place.path.parent().unwrap();
    let open = |path: &Path| match SqliteSink::open(path, &dataset::BARS, SqliteOptions::default()) {
        Err(Error::Usage(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(open(directory).contains("is a directory"));
    assert!(open(&directory.join("no/mds.db")).contains("make it first"));
    assert!(open(Path::new("")).contains("no file name"));
    std::fs::write(&place.path, "symbol,ts\n".repeat(500)).unwrap();
    assert!(open(&place.path).contains("mds.db is not a SQLite database"));
    std::fs::remove_file(&place.path).unwrap();
    place.sql("CREATE TABLE bars (ts TEXT PRIMARY KEY)");
    assert!(open(&place.path).contains("column bars.ts takes null; rename the table"));
    assert_eq!(place.cell("count(*)", "pragma_table_info('bars')"), ["integer 1"]);
    let table = SqliteSink::open_table(&place.path, "nope", SqliteOptions::default());
    assert!(matches!(&table, Err(Error::Usage(text)) if text.contains("has no table nope")), "{table:?}");
}

/// As [`bars`], of rows that failed first so many seconds after 1970; `None` for one that never did.
fn failed(symbols: &[Option<&str>], closes: &[f64], seconds: &[i64]) -> Arc<Batch> {
    let record = |seconds: &i64| PastRecord {
        id: Uuid::nil(),
        source: "a.csv".into(),
        path: None,
        attempts: 1,
        first_us: seconds * 1_000_000,
    };
    let past = ReplayHistory {
        first: 1,
        rows: (0..seconds.len() as u32).map(|at| (at, u64::from(at) + 1)).collect(),
        records: seconds.iter().map(record).collect(),
    };
    let whole = bars(symbols, floats(closes));
    let origin = Arc::new(Origin { past: Some(Arc::new(past)), ..Origin::new("dlq") });
    Arc::new(Batch { origin, ..(*whole).clone() })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_after_a_row_had_failed_stays() {
    let place = place();
    let options = SqliteOptions { newer_stays: true, ..SqliteOptions::default() };
    let sink = SqliteSink::open(&place.path, &dataset::BARS, options).unwrap();
    assert!(sink.guards_newer());
    let symbols = ["A", "B", "C", "D", "E", "F", "G"].map(Some);
    store(&sink, bars(&symbols, floats(&[1.0; 7]))).await.unwrap();
    // Older, newer, newer with the same values, never written, older with the same values, by another
    // program, and at the very same moment.
    place.sql(
        "UPDATE bars SET updated_at = '1970-01-01 00:01:40' WHERE symbol IN ('A', 'E');
         UPDATE bars SET updated_at = '1970-01-01 00:01:40.000001' WHERE symbol IN ('B', 'C');
         UPDATE bars SET updated_at = NULL WHERE symbol = 'D';
         UPDATE bars SET updated_at = '1970-01-01T01:01:41+01:00' WHERE symbol = 'F';
         DELETE FROM bars WHERE symbol = 'G'",
    );
    let closes = [2.0, 2.0, 1.0, 2.0, 1.0, 2.0, 2.0];
    let written = store(&sink, failed(&symbols, &closes, &[100; 7])).await.unwrap();
    let expected = Written { inserted: 1, updated: 2, unchanged: 2, newer: 2, ..Written::default() };
    assert_eq!(written, expected);
    let closes = place.cell("close_price", "bars ORDER BY symbol");
    assert_eq!(closes, [2, 1, 1, 2, 1, 1, 2].map(|close| format!("integer {close}")));
    // What was the same and older is as if written now, so that a row which failed before stays out.
    let stamps = place.cell("updated_at > '2020'", "bars ORDER BY symbol");
    assert_eq!(stamps, [1, 0, 0, 1, 1, 0, 1].map(|stamp| format!("integer {stamp}")));
    let written = store(&sink, failed(&symbols, &[3.0; 7], &[99; 7])).await.unwrap();
    assert_eq!(written, Written { newer: 7, ..Written::default() });

    // A row that never failed is written over whatever is there, and so are all without the guard.
    let written = store(&sink, failed(&symbols, &[4.0; 7], &[99; 3])).await.unwrap();
    assert_eq!(written, Written { updated: 4, newer: 3, ..Written::default() });
    let open = SqliteSink::open(&place.path, &dataset::BARS, SqliteOptions::default()).unwrap();
    assert!(!open.guards_newer());
    let written = store(&open, failed(&symbols, &[5.0; 7], &[99; 7])).await.unwrap();
    assert_eq!(written, Written { updated: 7, ..Written::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_tell_when_it_was_written_is_not_guarded() {
    let place = place();
    place.sql(
        "CREATE TABLE plain (symbol TEXT PRIMARY KEY, close_price REAL);
         CREATE TABLE open (symbol TEXT, close_price REAL, updated_at TEXT);
         CREATE TABLE own (symbol TEXT PRIMARY KEY, close_price REAL, updated_at INTEGER)",
    );
    let newer_stays = SqliteOptions { newer_stays: true, ..SqliteOptions::default() };
    let guards =
        |table: &str, options| SqliteSink::open_table(&place.path, table, options).unwrap().guards_newer();
    for table in ["plain", "open", "own"] {
        assert!(!guards(table, newer_stays), "{table}");
    }
    let skip = SqliteOptions { on_conflict: OnConflict::Skip, ..newer_stays };
    store(&sink(&place), bars(THREE, floats(&[1.0; 3]))).await.unwrap();
    assert!(guards("bars", newer_stays) && !guards("bars", skip));
    assert!(!guards("bars", SqliteOptions::default()));
}
