//! Against a real server: `MDS_TEST_DSN` names one, with the right to create databases. Without it these
//! tests fail, unless `MDSCTL_TEST_WITHOUT` names `server` among what is left out.

mod newer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use uuid::Uuid;

use arrow::array::StringBuilder;
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray, TimestampNanosecondArray,
};

use super::catalog::tenant::resolve_tenant;
use super::schema::apply::{schema_apply, schema_check};
use crate::batch::{Batch, Origin, Pick, Rows};
use crate::dataset::ALL;
use crate::port::{CommitMark, Session, Sink, SinkError, WriteMode, Written};
use crate::settings::OnConflict;
use crate::sink::SchemaOptions;
use crate::sink::postgres::connection::connect::{Connector, Link};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::write::sink::{PgOptions, PgSink};

/// A database of the test's own, dropped with it.
struct Database {
    name: String,
    base: Dsn,
    dsn: Dsn,
    link: Link,
}

impl Database {
    async fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Ok(text) = std::env::var("MDS_TEST_DSN") else {
            let without = std::env::var("MDSCTL_TEST_WITHOUT").unwrap_or_default();
            assert!(
                without.split(',').any(|name| name.trim() == "server"),
                "this test needs PostgreSQL: run scripts/test, which starts one, or name it in MDS_TEST_DSN; MDSCTL_TEST_WITHOUT=server leaves it out"
            );
            return None;
        };
        let base = Dsn::parse(Some(&text)).unwrap();
        let name = format!("mds_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let link = Connector::new(base.clone()).unwrap().connect().await.unwrap();
        link.client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let dsn = Dsn { dbname: name.clone(), ..base.clone() };
        let link = Connector::new(dsn.clone()).unwrap().connect().await.unwrap();
        Some(Self { name, base, dsn, link })
    }

    async fn run(&self, sql: &str) {
        self.link.client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// First column of each row, as text.
    async fn texts(&self, sql: &str) -> Vec<String> {
        let messages = self.link.client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        messages
            .into_iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => {
                    let cells: Vec<&str> = (0..row.len()).map(|i| row.get(i).unwrap_or("NULL")).collect();
                    Some(cells.join("|"))
                }
                _ => None,
            })
            .collect()
    }

    fn options(&self, table: &str) -> PgOptions {
        PgOptions {
            dsn: self.dsn.clone(),
            table: table.into(),
            tenant: None,
            exact: false,
            round: false,
            on_conflict: OnConflict::Update,
            newer_stays: false,
            reading: Default::default(),
            run_id: Some(Uuid::now_v7()),
            statement: None,
        }
    }

    /// For a server that goes on after the tests. The server gives sessions that are still open five
    /// seconds to end, which a busy machine may exceed: a database that stays is no fault of what
    /// was tested.
    async fn drop(self) {
        drop(self.link);
        let link = Connector::new(self.base).unwrap().connect().await.unwrap();
        let dropped = link.client.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        if let Err(error) = dropped {
            eprintln!("{} stays: {error}", self.name);
        }
    }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Arc<Batch> {
    let columns =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let len = columns.num_rows();
    Arc::new(Batch {
        columns,
        rows: (1..=len as u64).collect(),
        identities: (0..len as u128).collect(),
        origin: Arc::new(Origin::new("-")),
        order: crate::batch::Order::Any,
        given: None,
    })
}

fn picks(parts: &[Arc<Batch>]) -> Vec<Pick> {
    (0..).zip(parts).flat_map(|(part, b)| (0..b.len() as u32).map(move |row| Pick { part, row })).collect()
}

fn texts<S: AsRef<str>>(values: impl IntoIterator<Item = Option<S>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    values.into_iter().for_each(|v| builder.append_option(v));
    Arc::new(builder.finish())
}

fn times(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(values.to_vec()).with_timezone("UTC"))
}

async fn load(sink: &PgSink, parts: &[Arc<Batch>]) -> Result<Written, SinkError> {
    let mut session = sink.connect(0).await?;
    session.begin().await?;
    let picks = picks(parts);
    let written = session.write(Rows { parts, picks: &picks }, WriteMode::Bare).await?;
    session.commit(&CommitMark::default(), true).await?;
    Ok(written)
}

fn bars(symbols: &[&str], closes: ArrayRef) -> Arc<Batch> {
    let len = symbols.len();
    let same = |text: &'static str| texts(vec![Some(text); len]);
    batch(vec![
        ("ts", times(&(0..len as i64).map(|i| i * 60_000_000_000).collect::<Vec<_>>())),
        ("vendor", same("v")),
        ("symbol", texts(symbols.iter().map(|s| Some(*s)))),
        ("timeframe", same("1m")),
        ("open_price", Arc::clone(&closes)),
        ("high_price", Arc::clone(&closes)),
        ("low_price", Arc::clone(&closes)),
        ("close_price", closes),
        ("volume", Arc::new(Float64Array::from(vec![5.0; len]))),
    ])
}

#[tokio::test]
async fn our_own_tables_are_made_checked_and_merged_into() {
    let Some(db) = Database::new().await else { return };
    let missing = PgSink::open(db.options("bars")).await.err().unwrap().to_string();
    assert!(missing.contains("table bars does not exist; run: mdsctl schema apply"), "{missing}");
    assert_eq!(schema_check(&db.dsn, ALL, &SchemaOptions::default()).await.unwrap().len(), 6);

    // Two at once: one waits for the other.
    let options = SchemaOptions::default();
    let (first, second) =
        tokio::join!(schema_apply(&db.dsn, ALL, &options), schema_apply(&db.dsn, ALL, &options));
    let created = |report: &[String]| report.iter().filter(|line| line.ends_with("created")).count();
    // The two tables of the ledger, and one for each dataset.
    assert_eq!(created(&first.unwrap()) + created(&second.unwrap()), 8);
    assert_eq!(schema_check(&db.dsn, ALL, &SchemaOptions::default()).await.unwrap(), Vec::<String>::new());

    let sink = PgSink::open(db.options("bars")).await.unwrap();
    assert_eq!(sink.target().key, ["symbol", "timeframe", "ts", "vendor", "tenant_id"]);
    let decimal = |values: Vec<i128>, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap())
    };
    // Parts may carry their numbers in different types and scales.
    let parts = [
        bars(&["AAPL", "MSFT", "A"], decimal(vec![1_500, -25, 10i128.pow(37) + 1], 3)),
        bars(&["IBM", "X"], Arc::new(Float64Array::from(vec![0.1, 1e-9]))),
    ];
    let written = load(&sink, &parts).await.unwrap();
    assert_eq!((written.inserted, written.updated, written.unchanged, written.rounded), (5, 0, 0, 0));
    let again = load(&sink, &parts).await.unwrap();
    assert_eq!((again.inserted, again.updated, again.unchanged), (0, 0, 5));
    let changed = [bars(&["AAPL", "NEW"], decimal(vec![16, 1], 1))];
    let changed = load(&sink, &changed).await.unwrap();
    assert_eq!((changed.inserted, changed.updated, changed.unchanged), (1, 1, 0));
    assert_eq!(
        db.texts(
            "SELECT symbol, ts AT TIME ZONE 'UTC', close_price, volume, tenant_id FROM bars ORDER BY symbol"
        )
        .await,
        [
            "A|1970-01-01 00:02:00|10000000000000000000000000000000000.001|5|00000000-0000-0000-0000-000000000000",
            "AAPL|1970-01-01 00:00:00|1.6|5|00000000-0000-0000-0000-000000000000",
            "IBM|1970-01-01 00:00:00|0.1|5|00000000-0000-0000-0000-000000000000",
            "MSFT|1970-01-01 00:01:00|-0.025|5|00000000-0000-0000-0000-000000000000",
            "NEW|1970-01-01 00:01:00|0.1|5|00000000-0000-0000-0000-000000000000",
            "X|1970-01-01 00:01:00|0.000000001|5|00000000-0000-0000-0000-000000000000",
        ]
    );
    sink.seal().await.unwrap();
    db.drop().await;
}

#[tokio::test]
async fn every_type_holds_what_its_text_would() {
    let Some(db) = Database::new().await else { return };
    db.run(
        r#"CREATE SCHEMA "My Schema"; CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 0);
           CREATE DOMAIN cost AS price NOT NULL; CREATE TYPE side AS ENUM ('buy', 'sell');
           CREATE TABLE "My Schema"."T""x" (
             k int PRIMARY KEY, b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric,
             n2 cost, t text, v varchar(4), c char(4), u uuid, j json, jb jsonb, d date,
             ts timestamp, tz timestamptz, tz3 timestamptz(3), s side, a text[], tm time,
             g int GENERATED ALWAYS AS (k + 1) STORED)"#,
    )
    .await;
    let sink = PgSink::open(db.options(r#""My Schema"."T""x""#)).await.unwrap();
    assert_eq!(sink.target().table, r#""My Schema"."T""x""#);
    assert!(sink.target().column("g").is_none());
    assert_eq!(sink.target().column("n2").map(|c| c.nullable), Some(false));
    let int = |v: Option<i64>| -> ArrayRef { Arc::new(Int64Array::from(vec![v, None])) };
    let text = |v: &str| texts(vec![Some(v.to_owned()), None]);
    let nanos = 1_709_214_132_123_456_500i64;
    let time = || -> ArrayRef {
        Arc::new(TimestampNanosecondArray::from(vec![Some(nanos), None]).with_timezone("UTC"))
    };
    let part = batch(vec![
        ("k", Arc::new(Int64Array::from(vec![1, 2]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("i2", int(Some(-32768))),
        ("i4", int(Some(2_147_483_647))),
        ("i8", int(Some(i64::MIN))),
        ("f4", Arc::new(Float64Array::from(vec![Some(0.1), Some(f64::NAN)]))),
        ("f8", Arc::new(Float64Array::from(vec![Some(0.30000000000000004), None]))),
        ("n", Arc::new(LargeStringArray::from(vec![Some(format!("-{}e-40", "123456789".repeat(8))), None]))),
        ("n2", Arc::new(Float64Array::from(vec![1.125, 0.0]))),
        ("t", text("tab\t nl\n \\ ü")),
        ("v", text("ab    ")),
        ("c", text("é")),
        ("u", text("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11")),
        ("j", text(r#"{"a" : [1, null]}"#)),
        ("jb", text(r#"{"b":1, "a":2}"#)),
        ("d", Arc::new(Date32Array::from(vec![Some(-60_000), None]))),
        ("ts", time()),
        ("tz", time()),
        ("tz3", time()),
        ("s", text("buy")),
        ("a", text(r#"{x,"y z"}"#)),
        ("tm", text("12:34:56.789")),
    ]);
    let parts = [part];
    let written = load(&sink, &parts).await.unwrap();
    assert_eq!((written.inserted, written.rounded, written.refused.len()), (2, 5, 0));
    assert_eq!(load(&sink, &parts).await.unwrap().unchanged, 2);
    db.run("SET timezone = 'UTC'").await;
    let rows = db.texts(r#"SELECT * FROM "My Schema"."T""x" ORDER BY k"#).await;
    let expected = [
        "1",
        "t",
        "-32768",
        "2147483647",
        "-9223372036854775808",
        "0.1",
        "0.30000000000000004",
        "-12345678912345678912345678912345.6789123456789123456789123456789123456789",
        "1.13",
        "tab\t nl\n \\ ü",
        "ab  ",
        "é   ",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        r#"{"a" : [1, null]}"#,
        r#"{"a": 2, "b": 1}"#,
        "1805-09-23",
        "2024-02-29 13:42:12.123456",
        "2024-02-29 13:42:12.123456+00",
        "2024-02-29 13:42:12.123+00",
        "buy",
        r#"{x,"y z"}"#,
        "12:34:56.789",
        "2",
    ];
    assert_eq!(rows[0], expected.join("|"));
    assert!(rows[1].starts_with("2|NULL|NULL"), "{}", rows[1]);
    db.drop().await;
}

/// The server is asked for the same numbers and times as text.
#[tokio::test]
async fn numbers_and_times_equal_the_servers_own_reading() {
    let Some(db) = Database::new().await else { return };
    db.run("SET timezone='UTC'; CREATE TABLE n (k int PRIMARY KEY, n numeric, p numeric(12,3), f float8, g float4, t timestamptz)").await;
    db.run(
        "CREATE TABLE e (k int PRIMARY KEY, n numeric, p numeric(12,3), f float8, g float4, t timestamptz)",
    )
    .await;
    let mut seed = 42u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 11
    };
    let (mut doubles, mut nanos, mut sql) = (Vec::new(), Vec::new(), String::new());
    for k in 0..2000 {
        let scale = (next() % 14) as i32;
        let double: f64 =
            format!("{}e-{scale}", next() as i64 % 100_000_000_000 - 50_000_000_000).parse().unwrap();
        let double = if double.abs() < 9e8 { double } else { double / 1e6 };
        let nano = next() as i64 * 500 - 2_000_000_000_000_000_000;
        let text = format!("{double}");
        let (s, rest) = (nano.div_euclid(1_000_000_000), nano.rem_euclid(1_000_000_000));
        let stamp = chrono::DateTime::from_timestamp(s, 0).unwrap().format("%Y-%m-%d %H:%M:%S");
        sql += &format!(
            "INSERT INTO e VALUES ({k}, '{text}', '{text}', '{text}', '{text}', '{stamp}.{rest:09}Z');"
        );
        doubles.push(double);
        nanos.push(nano);
    }
    db.run(&sql).await;
    let numbers: ArrayRef = Arc::new(Float64Array::from(doubles));
    let parts = [batch(vec![
        ("k", Arc::new(Int64Array::from_iter_values(0..2000))),
        ("n", Arc::clone(&numbers)),
        ("p", Arc::clone(&numbers)),
        ("f", Arc::clone(&numbers)),
        ("g", numbers),
        ("t", times(&nanos)),
    ])];
    let sink = PgSink::open(db.options("n")).await.unwrap();
    let written = load(&sink, &parts).await.unwrap();
    assert_eq!((written.inserted, written.refused.len()), (2000, 0));
    let differing = db
        .texts("SELECT a, b FROM n AS a JOIN e AS b USING (k) WHERE a::text IS DISTINCT FROM b::text LIMIT 5")
        .await;
    assert_eq!(differing, Vec::<String>::new());
    db.drop().await;
}

#[tokio::test]
async fn one_bad_value_costs_one_row_and_no_transaction() {
    let Some(db) = Database::new().await else { return };
    db.run(
        "CREATE TABLE b (k int PRIMARY KEY, p numeric(5,2) CHECK (p <> 6), s varchar(3) NOT NULL, v bigint)",
    )
    .await;
    let sink = PgSink::open(db.options("b")).await.unwrap();
    let part = |ks: Vec<i64>, ps: Vec<f64>, ss: Vec<Option<&str>>, vs: Vec<f64>| {
        batch(vec![
            ("k", Arc::new(Int64Array::from(ks)) as ArrayRef),
            ("p", Arc::new(Float64Array::from(ps))),
            ("s", texts(ss)),
            ("v", Arc::new(Float64Array::from(vs))),
        ])
    };
    let parts = [part(
        vec![5, 4, 3, 2, 1],
        vec![1.0, 1000.0, 1.0, 1.0, 1.0],
        vec![Some("a"), Some("a"), Some("abcd"), None, Some("a")],
        vec![1.0, 1.0, 1.0, 1.0, 1.5],
    )];
    let written = load(&sink, &parts).await.unwrap();
    assert_eq!(written.inserted, 1);
    let refused: Vec<(usize, &str, Option<&str>)> =
        written.refused.iter().map(|(at, r)| (*at, &*r.code, r.column.as_deref())).collect();
    assert_eq!(
        refused,
        [(1, "22003", Some("p")), (2, "22001", Some("s")), (3, "23502", Some("s")), (4, "22003", Some("v"))]
    );

    // What only the server can tell is undone to the savepoint, and the transaction goes on.
    let mut session = sink.connect(0).await.unwrap();
    session.begin().await.unwrap();
    let good = [part(vec![10], vec![1.0], vec![Some("a")], vec![1.0])];
    let bad = [part(vec![11, 12], vec![1.0, 6.0], vec![Some("a"), Some("a")], vec![1.0, 1.0])];
    assert_eq!(
        session
            .write(Rows { parts: &good, picks: &picks(&good) }, WriteMode::Savepoint)
            .await
            .unwrap()
            .inserted,
        1
    );
    for round in 0..3 {
        // The server is asked which rows break the constraint; the other is written all the same.
        let rows = Rows { parts: &bad, picks: &picks(&bad) };
        let written = session.write(rows, WriteMode::Savepoint).await.unwrap();
        assert_eq!((written.inserted, written.unchanged), if round == 0 { (1, 0) } else { (0, 1) });
        let [(1, reason)] = &written.refused[..] else { panic!("{written:?}") };
        assert_eq!((reason.code.as_ref(), reason.constraint.as_deref()), ("23514", Some("b_p_check")));
    }
    session.commit(&CommitMark::default(), true).await.unwrap();
    assert_eq!(db.texts("SELECT k FROM b ORDER BY k").await, ["5", "10", "11"]);

    // Without a savepoint the transaction has failed, and cannot be committed by mistake.
    session.begin().await.unwrap();
    session.write(Rows { parts: &bad, picks: &picks(&bad) }, WriteMode::Bare).await.unwrap_err();
    assert!(matches!(session.commit(&CommitMark::default(), true).await, Err(SinkError::Fatal(_))));
    session.rollback().await.unwrap();
    session.begin().await.unwrap();
    session.rollback().await.unwrap();
    db.drop().await;
}

#[tokio::test]
async fn a_copy_that_fails_points_at_its_row() {
    let Some(db) = Database::new().await else { return };
    db.run("CREATE TABLE j (k int, x jsonb)").await;
    let sink = PgSink::open(db.options("j")).await.unwrap();
    assert!(sink.target().key.is_empty());
    let parts = [batch(vec![
        ("k", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
        ("x", texts(vec![Some("{}"), Some("{"), Some(r#""\u0000""#)])),
    ])];
    let picks = picks(&parts);
    let rows = Rows { parts: &parts, picks: &picks };
    let mut session = sink.connect(0).await.unwrap();
    session.begin().await.unwrap();
    for _ in 0..3 {
        let error = session.write(rows, WriteMode::Savepoint).await.unwrap_err();
        let SinkError::Data { reason, suspects } = error else { panic!("{error:?}") };
        // Row 1 is no JSON and was not sent; so the server's second row is our third.
        assert_eq!((reason.code.as_ref(), &suspects[..]), ("22P05", &[2][..]));
    }
    let written = session.write(rows.with(&picks[..2]), WriteMode::Savepoint).await.unwrap();
    assert_eq!((written.inserted, written.refused[0].0), (1, 1));
    session.commit(&CommitMark::default(), true).await.unwrap();
    assert_eq!(db.texts("SELECT k FROM j").await, ["1"]);
    db.drop().await;
}

#[tokio::test]
async fn a_refused_or_dropped_write_leaves_a_session_that_begins_anew() {
    let Some(db) = Database::new().await else { return };
    db.run("CREATE TABLE a (k int)").await;
    let sink = PgSink::open(db.options("a")).await.unwrap();
    let parts = [batch(vec![("k", Arc::new(Int64Array::from_iter_values(0..200_000)) as ArrayRef)])];
    let all = picks(&parts);
    let rows = Rows { parts: &parts, picks: &all };
    let mut session = sink.connect(0).await.unwrap();

    // Refused before the copy began.
    db.run("ALTER TABLE a RENAME TO gone").await;
    let error = session.begin().await.unwrap_err();
    assert!(matches!(&error, SinkError::Transient(_, reason) if reason.code == "42P01"), "{error:?}");
    db.run("ALTER TABLE gone RENAME TO a").await;
    session.begin().await.unwrap();
    assert_eq!(session.write(rows, WriteMode::Bare).await.unwrap().inserted, 200_000);
    session.commit(&CommitMark::default(), true).await.unwrap();

    // Dropped halfway: the lock makes it wait for its proof, the time makes it give up.
    let blocker = Connector::new(db.dsn.clone()).unwrap().connect().await.unwrap();
    blocker.client.batch_execute("BEGIN; LOCK TABLE a IN EXCLUSIVE MODE").await.unwrap();
    let slow = tokio::time::timeout(std::time::Duration::from_millis(200), session.begin());
    slow.await.unwrap_err();
    assert!(matches!(session.write(rows, WriteMode::Bare).await, Err(SinkError::Transient(..))));
    blocker.client.batch_execute("ROLLBACK").await.unwrap();
    session.begin().await.unwrap();
    session.write(rows, WriteMode::Bare).await.unwrap();
    session.commit(&CommitMark::default(), true).await.unwrap();
    assert_eq!(db.texts("SELECT count(*) FROM a").await, ["400000"]);

    // The server ends the connection.
    session.begin().await.unwrap();
    db.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").await;
    let error = session.write(rows, WriteMode::Savepoint).await.unwrap_err();
    assert!(matches!(&error, SinkError::Transient(..)), "{error:?}");
    assert!(session.rollback().await.is_ok());
    session.begin().await.unwrap();
    session.rollback().await.unwrap();
    db.drop().await;
}

#[tokio::test]
async fn a_cancelled_merge_holds_no_lock() {
    let Some(db) = Database::new().await else { return };
    db.run("CREATE TABLE m (k int PRIMARY KEY)").await;
    db.run("CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'").await;
    db.run("CREATE TRIGGER t BEFORE INSERT ON m FOR EACH ROW EXECUTE FUNCTION nap()").await;
    let sink = PgSink::open(db.options("m")).await.unwrap();
    assert_eq!(sink.table().triggers, ["t"]);
    let parts = [batch(vec![("k", Arc::new(Int64Array::from(vec![1])) as ArrayRef)])];
    let mut session = sink.connect(0).await.unwrap();
    session.begin().await.unwrap();
    let all = picks(&parts);
    let write = session.write(Rows { parts: &parts, picks: &all }, WriteMode::Bare);
    tokio::time::timeout(std::time::Duration::from_millis(300), write).await.unwrap_err();
    drop(session);
    // An exclusive lock is there as soon as the server has stopped.
    db.run("SET lock_timeout = '5s'; LOCK TABLE m IN ACCESS EXCLUSIVE MODE").await;
    db.drop().await;
}

#[tokio::test]
async fn the_existing_deployments_table_under_forced_row_security() {
    let Some(db) = Database::new().await else { return };
    let role = format!("{}_role", db.name);
    db.run(&format!(
        "CREATE TABLE tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id varchar(50) UNIQUE);
         INSERT INTO tenants VALUES ('11111111-1111-1111-1111-111111111111', 'acme');
         CREATE TABLE bars (id uuid NOT NULL DEFAULT gen_random_uuid(),
           tenant_id uuid NOT NULL REFERENCES tenants(id) ON DELETE CASCADE, vendor varchar(50) NOT NULL,
           symbol varchar(20) NOT NULL CHECK (symbol = upper(symbol)), timeframe varchar(16) NOT NULL,
           ts timestamptz NOT NULL, open_price numeric(20,8), high_price numeric(20,8), low_price numeric(20,8),
           close_price numeric(20,8), volume bigint, created_at timestamptz DEFAULT now(),
           updated_at timestamptz DEFAULT now(), PRIMARY KEY (ts, tenant_id, vendor, symbol, timeframe));
         ALTER TABLE bars ENABLE ROW LEVEL SECURITY; ALTER TABLE bars FORCE ROW LEVEL SECURITY;
         CREATE POLICY p ON bars USING (current_setting('app.tenant_id', true) <> ''
           AND tenant_id = current_setting('app.tenant_id', true)::uuid);
         CREATE ROLE {role} LOGIN"
    ))
    .await;
    let dsn = Dsn { user: role.clone(), ..db.dsn.clone() };
    let options = PgOptions {
        dsn: dsn.clone(),
        tenant: Some("11111111-1111-1111-1111-111111111111".into()),
        ..db.options("bars")
    };
    let denied = PgSink::open(options.clone()).await.err().unwrap().to_string();
    assert!(denied.contains("GRANT INSERT, UPDATE, SELECT ON \"public\".\"bars\""), "{denied}");
    db.run(&format!("GRANT ALL ON bars, tenants TO {role}")).await;
    assert_eq!(
        resolve_tenant(&dsn, "acme").await.unwrap().to_string(),
        "11111111-1111-1111-1111-111111111111"
    );
    let unknown = resolve_tenant(&dsn, "nobody").await.unwrap_err().to_string();
    assert!(unknown.contains("no tenant is called `nobody`"), "{unknown}");

    let sink = PgSink::open(PgOptions { tenant: Some("acme".into()), ..options }).await.unwrap();
    assert!(sink.table().security.binds && sink.table().security.forced);
    let closes: ArrayRef = Arc::new(Float64Array::from(vec![1.123456789, 2.0]));
    let parts = [bars(&["AAPL", "MSFT"], closes)];
    let written = load(&sink, &parts).await.unwrap();
    assert_eq!((written.inserted, written.rounded), (2, 4));
    assert_eq!(load(&sink, &parts).await.unwrap().unchanged, 2);
    let ids =
        db.texts("SELECT substr(id::text, 15, 1), close_price, tenant_id::text FROM bars ORDER BY ts").await;
    assert_eq!(ids[0], "7|1.12345679|11111111-1111-1111-1111-111111111111");

    // Rows of another tenant are the rows' fault where others go through.
    let other = &parts[0].columns;
    let mut columns: Vec<(&str, ArrayRef)> = other
        .schema_ref()
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .zip(other.columns().iter().cloned())
        .collect();
    columns.push(("tenant_id", texts(vec![Some("22222222-2222-2222-2222-222222222222"); 2])));
    let error = load(&sink, &[batch(columns)]).await.unwrap_err();
    assert!(matches!(&error, SinkError::Doubtful { reason, .. } if reason.code == "42501"), "{error:?}");
    let check = load(&sink, &[bars(&["aapl"], Arc::new(Float64Array::from(vec![1.0])))]).await.unwrap_err();
    assert!(matches!(&check, SinkError::Data { reason, .. } if reason.code == "23514"), "{check:?}");
    // Left as it is by schema apply, and what differs is said.
    let report = schema_apply(&db.dsn, &ALL[..1], &SchemaOptions::default()).await.unwrap();
    let left = "bars: is there, made by something else; left as it is";
    assert_eq!(report, ["mds_checkpoints: created", "mds_runs: created", left]);
    assert!(schema_check(&db.dsn, &ALL[..1], &SchemaOptions::default()).await.unwrap().len() > 5);
    db.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    db.drop().await;
}

#[tokio::test]
async fn partitioned_tables_and_rows_that_become_one() {
    let Some(db) = Database::new().await else { return };
    db.run(
        "CREATE TABLE p (ts timestamptz, s text, v float8, tenant_id uuid DEFAULT '00000000-0000-0000-0000-000000000000',
           PRIMARY KEY (ts, s, tenant_id)) PARTITION BY RANGE (ts);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('1970-01-01') TO ('1970-02-01');
         CREATE TABLE p2 PARTITION OF p DEFAULT",
    )
    .await;
    let sink = PgSink::open(db.options("p")).await.unwrap();
    assert!(sink.table().partitioned);
    let part = |nanos: &[i64], values: Vec<f64>| {
        batch(vec![
            ("ts", times(nanos)),
            ("s", texts(vec![Some("x"); nanos.len()])),
            ("v", Arc::new(Float64Array::from(values))),
        ])
    };
    // The first and the third become one microsecond; the later one of the input stays.
    let day = 86_400_000_000_000;
    let parts = [part(&[1_100, 40 * day, 900, 3_000], vec![1.0, 2.0, 3.0, 4.0])];
    let written = load(&sink, &parts).await.unwrap();
    assert_eq!((written.inserted, written.updated, written.unchanged), (3, 1, 0));
    assert_eq!(db.texts("SELECT v FROM p ORDER BY ts").await, ["3", "4", "2"]);
    let written = load(&sink, &[part(&[1_000, 3_000, 4_000], vec![3.0, 5.0, 6.0])]).await.unwrap();
    assert_eq!((written.inserted, written.updated, written.unchanged), (1, 1, 1));
    db.drop().await;
}

#[tokio::test]
async fn ticks_keep_their_nanoseconds_and_ids_of_the_server_are_no_key() {
    let Some(db) = Database::new().await else { return };
    schema_apply(&db.dsn, ALL, &SchemaOptions { rls: true, ..Default::default() }).await.unwrap();
    let sink = PgSink::open(db.options("ticks")).await.unwrap();
    let nanos = [1_700_000_000_123_456_789i64, 1_700_000_000_123_456_999];
    let parts = [batch(vec![
        ("ts", times(&nanos)),
        ("ts_ns", Arc::new(Int64Array::from(vec![789, 999])) as ArrayRef),
        ("vendor", texts(vec![Some("v"); 2])),
        ("symbol", texts(vec![Some("X"); 2])),
        ("trade_id", texts(vec![Some("1"), Some("2")])),
        ("price", Arc::new(Float64Array::from(vec![1.0, 2.0]))),
        ("size", Arc::new(StringArray::new_null(2)) as ArrayRef),
    ])];
    let error = load(&sink, &parts).await.unwrap_err();
    assert!(matches!(&error, SinkError::Fatal(reason) if reason.code == "bad_type"), "{error:?}");
    let columns = parts[0].columns.project(&[0, 1, 2, 3, 4, 5]).unwrap();
    let parts = [Arc::new(Batch { columns, ..(*parts[0]).clone() })];
    let written = load(&sink, &parts).await.unwrap();
    assert_eq!((written.inserted, written.rounded), (2, 0));
    assert_eq!(
        db.texts(
            "SELECT extract(microseconds from ts)::bigint % 1000000, ts_ns FROM ticks ORDER BY trade_id"
        )
        .await,
        ["123456|789", "123456|999"]
    );

    db.run("CREATE TABLE s (id bigserial PRIMARY KEY, v int)").await;
    let sink = PgSink::open(db.options("s")).await.unwrap();
    let rows = [batch(vec![("v", Arc::new(Int64Array::from(vec![1, 1])) as ArrayRef)])];
    assert_eq!(load(&sink, &rows).await.unwrap().inserted, 2);
    assert_eq!(load(&sink, &rows).await.unwrap().inserted, 2);
    let with_id = [batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 9])) as ArrayRef),
        ("v", Arc::new(Int64Array::from(vec![7, 7]))),
    ])];
    let written = load(&sink, &with_id).await.unwrap();
    assert_eq!((written.inserted, written.updated), (1, 1));
    db.drop().await;
}
