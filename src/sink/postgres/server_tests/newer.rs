//! Rows out of the dead-letter queue against what was written since they failed.

use std::time::Duration;

use super::*;
use crate::batch::{PastRecord, ReplayHistory};

/// Makes one of each kind of row that can be met of the symbols A to E: older, newer, newer with the
/// same values, older with the same values, and not there.
const MET: &str = "\
    UPDATE bars SET updated_at = to_timestamp(100) WHERE symbol IN ('A', 'D');
    UPDATE bars SET updated_at = to_timestamp(100) + interval '1 microsecond' WHERE symbol IN ('B', 'C');
    DELETE FROM bars WHERE symbol = 'E'";

/// The batch `whole` as one of rows that failed first so many seconds after 1970. Those beyond the list never did.
fn failed(whole: Arc<Batch>, seconds: &[i64]) -> Arc<Batch> {
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
    let origin = Arc::new(Origin { past: Some(Arc::new(past)), ..Origin::new("dlq") });
    Arc::new(Batch { origin, ..(*whole).clone() })
}

fn closes(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

async fn guarded(options: PgOptions) -> PgSink {
    let sink = PgSink::open(PgOptions { newer_stays: true, ..options }).await.unwrap();
    assert!(sink.guards_newer());
    // Clocks of one machine are the same.
    assert_eq!(sink.notes().iter().filter(|note| note.contains("clock")).count(), 0);
    sink
}

/// Meets each kind of row that there can be.
async fn meets_all(db: &Database, sink: &PgSink) {
    let symbols = ["A", "B", "C", "D", "E"];
    let first = load(sink, &[bars(&symbols, closes(&[1.0; 5]))]).await.unwrap();
    assert_eq!(first, Written { inserted: 5, ..Written::default() });
    db.run(&format!("ALTER TABLE bars DISABLE TRIGGER USER; {MET}; ALTER TABLE bars ENABLE TRIGGER USER"))
        .await;
    let values = closes(&[2.0, 2.0, 1.0, 1.0, 2.0]);
    let written = load(sink, &[failed(bars(&symbols, values), &[100; 5])]).await.unwrap();
    let expected = Written { inserted: 1, updated: 1, unchanged: 2, newer: 1, ..Written::default() };
    assert_eq!(written, expected);
    // What was the same and older is as if written now, so that a row which failed before stays out.
    let sql = "SELECT symbol, close_price::float8, updated_at > '2020-01-01' FROM bars ORDER BY symbol";
    assert_eq!(db.texts(sql).await, ["A|2|t", "B|1|f", "C|1|f", "D|1|t", "E|2|t"]);
    let earlier = failed(bars(&symbols, closes(&[3.0; 5])), &[99; 5]);
    let written = load(sink, std::slice::from_ref(&earlier)).await.unwrap();
    assert_eq!(written, Written { newer: 5, ..Written::default() });

    // A row that never failed is written over whatever is there.
    let written = load(sink, &[failed(bars(&symbols, closes(&[4.0; 5])), &[99; 3])]).await.unwrap();
    assert_eq!(written, Written { updated: 2, newer: 3, ..Written::default() });
    // Rows that a constraint refuses are told apart as ever.
    let mut session = sink.connect(0).await.unwrap();
    session.begin().await.unwrap();
    let parts = [earlier];
    let picks = picks(&parts);
    let written = session.write(Rows { parts: &parts, picks: &picks }, WriteMode::Savepoint).await.unwrap();
    assert_eq!(written.newer, 5);
    session.rollback().await.unwrap();
}

#[tokio::test]
async fn what_our_own_table_has_newer_stays() {
    let Some(db) = Database::new().await else { return };
    schema_apply(&db.dsn, ALL, &SchemaOptions::default()).await.unwrap();
    let sink = guarded(db.options("bars")).await;
    meets_all(&db, &sink).await;

    // Whoever does not ask for it, or lets rows that are there stay anyway, has no such guard.
    let open = PgSink::open(db.options("bars")).await.unwrap();
    assert!(!open.guards_newer());
    let rows = failed(bars(&["A", "B", "C", "D", "E"], closes(&[9.0; 5])), &[99; 5]);
    let written = load(&open, &[rows]).await.unwrap();
    assert_eq!(written, Written { updated: 5, ..Written::default() });
    let skip = PgOptions { newer_stays: true, on_conflict: OnConflict::Skip, ..db.options("bars") };
    assert!(!PgSink::open(skip).await.unwrap().guards_newer());
    db.drop().await;
}

#[tokio::test]
async fn what_the_existing_deployment_has_newer_stays_under_row_security() {
    let Some(db) = Database::new().await else { return };
    let role = format!("{}_role", db.name);
    db.run(include_str!("../../../../tests/harness/existing.sql")).await;
    db.run(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE ON bars, tenants TO {role}"))
        .await;
    let options = PgOptions {
        dsn: Dsn { user: role.clone(), ..db.dsn.clone() },
        tenant: Some("desk-a".into()),
        run_id: None,
        ..db.options("bars")
    };
    let sink = guarded(options).await;
    assert!(sink.table().security.binds);
    meets_all(&db, &sink).await;
    db.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    db.drop().await;
}

#[tokio::test]
async fn what_a_compressed_chunk_has_newer_stays() {
    let Some(db) = Database::new().await else { return };
    if !db.texts("SHOW shared_preload_libraries").await.concat().contains("timescaledb") {
        eprintln!("skipped: the server has no TimescaleDB loaded");
        return db.drop().await;
    }
    db.run("CREATE EXTENSION timescaledb").await;
    schema_apply(&db.dsn, ALL, &SchemaOptions::default()).await.unwrap();
    let sink = guarded(db.options("bars")).await;
    assert!(sink.table().compressed);
    let symbols = ["A", "B", "C", "D", "E"];
    load(&sink, &[bars(&symbols, closes(&[1.0; 5]))]).await.unwrap();
    db.run(MET).await;
    db.run("SELECT compress_chunk(c) FROM show_chunks('bars') c").await;
    let values = closes(&[2.0, 2.0, 1.0, 1.0, 2.0]);
    let written = load(&sink, &[failed(bars(&symbols, values), &[100; 5])]).await.unwrap();
    let expected = Written { inserted: 1, updated: 1, unchanged: 2, newer: 1, ..Written::default() };
    assert_eq!(written, expected);
    let sql = "SELECT symbol, close_price::float8, updated_at > '2020-01-01' FROM bars ORDER BY symbol";
    assert_eq!(db.texts(sql).await, ["A|2|t", "B|1|f", "C|1|f", "D|1|t", "E|2|t"]);
    db.drop().await;
}

#[tokio::test]
async fn partitions_local_times_and_times_that_are_given() {
    let Some(db) = Database::new().await else { return };
    db.run(
        "CREATE TABLE p (k int PRIMARY KEY, v float8, updated_at timestamp DEFAULT now()) PARTITION BY RANGE (k);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (2);
         CREATE TABLE p2 PARTITION OF p DEFAULT;
         CREATE TABLE plain (k int PRIMARY KEY, v float8);
         CREATE TABLE keyless (k int, v float8, updated_at timestamptz DEFAULT now());
         CREATE TABLE bare (k int PRIMARY KEY, v float8, updated_at timestamptz)",
    )
    .await;
    let part = |values: Vec<f64>, stamps: Option<&[i64]>| {
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("k", Arc::new(Int64Array::from_iter_values(0..values.len() as i64))),
            ("v", Arc::new(Float64Array::from(values))),
        ];
        if let Some(stamps) = stamps {
            columns.push(("updated_at", times(stamps)));
        }
        batch(columns)
    };
    let mut options = db.options("p");
    options.dsn.options = Some("-c timezone=Asia/Tokyo".into());
    let sink = guarded(options).await;
    db.run(
        "SET timezone = 'Asia/Tokyo';
         INSERT INTO p VALUES (0, 1, to_timestamp(100)), (1, 1, to_timestamp(101)), (2, 1, NULL)",
    )
    .await;
    let written = load(&sink, &[failed(part(vec![2.0; 4], None), &[100; 4])]).await.unwrap();
    assert_eq!(written, Written { inserted: 1, updated: 2, newer: 1, ..Written::default() });

    // Where the input brings the column, it is compared all the same, and written as given.
    let stamps = [200, 300, 400, 500].map(|seconds| seconds * 1_000_000_000);
    let now = chrono::Utc::now().timestamp() + 1;
    let written =
        load(&sink, &[failed(part(vec![3.0; 4], Some(&stamps)), &[100, 101, now, now])]).await.unwrap();
    assert_eq!(written, Written { updated: 3, newer: 1, ..Written::default() });
    let again = load(&sink, &[failed(part(vec![3.0; 4], Some(&stamps)), &[now; 4])]).await.unwrap();
    assert_eq!(again, Written { updated: 1, unchanged: 3, ..Written::default() });
    // A column without a zone has UTC of what it is given, and local time where it says now().
    let at = "SELECT extract(epoch FROM updated_at)::int8 FROM p ORDER BY k";
    assert_eq!(db.texts(at).await, ["200", "300", "400", "500"]);

    for table in ["plain", "keyless", "bare"] {
        let sink = PgSink::open(PgOptions { newer_stays: true, ..db.options(table) }).await.unwrap();
        assert!(!sink.guards_newer(), "{table}");
        load(&sink, &[failed(part(vec![1.0; 2], None), &[100; 2])]).await.unwrap();
        let written = load(&sink, &[failed(part(vec![2.0; 2], None), &[100; 2])]).await.unwrap();
        assert_eq!((written.inserted + written.updated, written.newer), (2, 0), "{table}");
    }
    db.drop().await;
}

/// Of rows that become one in the table the first stays, and many rows take no other way than a few.
#[tokio::test]
async fn the_first_of_rows_that_become_one_stays() {
    let Some(db) = Database::new().await else { return };
    db.run("CREATE TABLE o (ts timestamptz PRIMARY KEY, v float8, updated_at timestamptz NOT NULL DEFAULT now())")
        .await;
    let sink = guarded(db.options("o")).await;
    let part = |nanos: &[i64], values: Vec<f64>| {
        batch(vec![("ts", times(nanos)), ("v", Arc::new(Float64Array::from(values)))])
    };
    let rows = failed(part(&[1_100, 900, 3_000], vec![1.0, 2.0, 3.0]), &[102, 101, 100]);
    let written = load(&sink, &[rows]).await.unwrap();
    assert_eq!(written, Written { inserted: 2, newer: 1, rounded: 2, ..Written::default() });
    assert_eq!(db.texts("SELECT v FROM o ORDER BY ts").await, ["1", "3"]);

    let nanos: Vec<i64> = (0..1_000).map(|i| i * 1_000).collect();
    let rows = failed(part(&nanos, vec![5.0; 1_000]), &[100; 1_000]);
    let written = load(&sink, std::slice::from_ref(&rows)).await.unwrap();
    assert_eq!(written, Written { inserted: 998, newer: 2, ..Written::default() });
    let written = load(&sink, &[rows]).await.unwrap();
    assert_eq!(written, Written { unchanged: 998, newer: 2, ..Written::default() });
    db.drop().await;
}

/// What another session commits while ours waits for it was written after the rows had failed.
#[tokio::test]
async fn what_is_written_at_the_same_moment_stays_too() {
    let Some(db) = Database::new().await else { return };
    db.run(
        "CREATE TABLE w (k int PRIMARY KEY, v int, updated_at timestamptz NOT NULL DEFAULT now());
         INSERT INTO w VALUES (1, 1, to_timestamp(50))",
    )
    .await;
    let sink = Arc::new(guarded(db.options("w")).await);
    db.run("BEGIN; UPDATE w SET v = 7, updated_at = now() WHERE k = 1; INSERT INTO w VALUES (2, 7)").await;
    let rows = batch(vec![
        ("k", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
        ("v", Arc::new(Int64Array::from(vec![2, 2, 2]))),
    ]);
    let writing = tokio::spawn({
        let sink = Arc::clone(&sink);
        async move { load(&sink, &[failed(rows, &[100; 3])]).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!writing.is_finished());
    db.run("COMMIT").await;
    let written = writing.await.unwrap();
    assert_eq!((written.inserted, written.updated, written.stored() + written.newer), (1, 0, 3));
    assert_eq!(db.texts("SELECT v FROM w ORDER BY k").await, ["7", "7", "2"]);
    db.drop().await;
}
