//! Large files are claimed piece by piece, and come to the same rows as in one go.

use std::fs::File;

use arrow::array::{Float64Array, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::*;

/// Bars of several symbols in row groups of 1,000; the times as text that only the first rows tell how to read, the
/// timeframe in their spacing alone, and a row far behind that the table refuses.
fn bars(work: &Work, rows: u64, bad: Option<u64>) {
    let all = || 0..rows;
    let time = |row: u64| {
        let at = chrono::DateTime::from_timestamp(1_705_276_800 + (row / 4 * 300).cast_signed(), 0);
        at.expect("a time").format("%d/%m/%Y %H:%M").to_string()
    };
    let texts =
        |of: &dyn Fn(u64) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(all().map(of))) };
    let price = |row: u64| if Some(row) == bad { -1.0 } else { 10.0 + (row % 97) as f64 / 4.0 };
    let prices: ArrayRef = Arc::new(Float64Array::from_iter_values(all().map(price)));
    let volumes: ArrayRef = Arc::new(Int64Array::from_iter_values(all().map(u64::cast_signed)));
    let batch = RecordBatch::try_from_iter([
        ("time", texts(&time)),
        ("symbol", texts(&|row| ["AAPL", "MSFT", "IBM", "X"][row as usize % 4].to_owned())),
        ("open", prices.clone()),
        ("high", prices.clone()),
        ("low", prices.clone()),
        ("close", prices),
        ("volume", volumes),
    ]);
    let batch = batch.expect("columns of one length");
    work.write("in/bars.parquet", "");
    let file = File::create(work.path("in/bars.parquet")).expect("a file");
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(1_000)).build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(groups)).expect("a writer");
    writer.write(&batch).expect("it is written");
    writer.close().expect("it is closed");
}

fn stored(db: &Db) -> Vec<Vec<Option<String>>> {
    db.rows("SELECT ts::text, vendor, symbol, timeframe, open_price::text, close_price::text, volume::text FROM bars ORDER BY volume, ts")
}

#[test]
fn row_groups_of_parquet_come_to_the_rows_of_the_whole_file() {
    for keyed in [true, false] {
        let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
        if !keyed {
            db.execute("ALTER TABLE bars DROP CONSTRAINT bars_pkey");
        }
        db.execute("ALTER TABLE bars ADD CONSTRAINT is_positive CHECK (open_price > 0)");
        bars(&work, 24_000, Some(17_345));
        let load = |dlq: &str, more: &[&str]| {
            work.mdsctl([
                "load",
                "in/bars.parquet",
                "--vendor",
                "acme",
                "--json",
                "--dlq",
                dlq,
                "--dsn",
                &db.dsn(),
            ])
            .arguments(["--workers", "1", "--batch-size", "100", "--capacity", "500", "--quality", "off"])
            .arguments(more)
            .within(PATIENCE)
        };
        load("plain.ndjson", &[]).run().expect(3);
        let expected = stored(&db);
        assert_eq!(expected.len(), 23_999);
        db.execute("TRUNCATE bars; DELETE FROM mds_runs; DELETE FROM mds_checkpoints");
        let share = |dlq: &str| load(dlq, &["--share", "j", "--part-size", "30K"]).spawn();
        let victim = share("d0.ndjson");
        let others = [share("d1.ndjson"), share("d2.ndjson")];
        wait::until(PATIENCE, "rows", || (db.count("bars") > 3_000).then_some(()));
        victim.signal(Signal::KILL);
        assert_eq!(victim.finish_quietly(), -9);
        let runs = others.map(|loader| loader.finish().expect(3));
        let what = format!("keyed {keyed}\n{}\n{}", runs[0], runs[1]);
        assert_eq!(stored(&db), expected, "{what}");
        let job = work.mdsctl(["runs", "j", "--json", "--dsn", &db.dsn()]).run().expect(0).json();
        assert!(job["parts"]["total"].as_u64().is_some_and(|parts| parts >= 4), "{job}");
        assert_eq!(
            (&job["inputs"], &job["rows"]["read"], &job["settled"]),
            (&1.into(), &24_000.into(), &0.into()),
            "{job}"
        );
        let letters: Vec<_> = (0..3).flat_map(|at| work.dlq(&format!("d{at}.ndjson"))).collect();
        let plain = work.dlq("plain.ndjson");
        assert_eq!((letters.len(), plain.len()), (1, 1), "{letters:?}");
        assert_eq!((&letters[0].rows, &plain[0].rows), (&vec![17_346], &vec![17_346]), "its row in the file");
        assert_eq!(letters[0].items, plain[0].items);
    }
}

/// Times in INT96 are read by two readers side by side.
#[test]
fn times_of_a_stretch_are_those_of_the_whole_file() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (ts timestamptz, symbol text, seq bigint, PRIMARY KEY (ts, symbol))");
    let times: ArrayRef = Arc::new(
        TimestampMicrosecondArray::from_iter_values(
            (0..9_000).map(|row| 1_700_000_000_123_456 + row * 1_000_001),
        )
        .with_timezone("UTC"),
    );
    let symbols: ArrayRef = Arc::new(StringArray::from_iter_values((0..9_000).map(|_| "A")));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..9_000));
    let batch =
        RecordBatch::try_from_iter([("ts", times), ("symbol", symbols), ("seq", numbers)]).expect("columns");
    work.write("in/a.parquet", "");
    let file = File::create(work.path("in/a.parquet")).expect("a file");
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(700)).build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(groups)).expect("a writer");
    writer.write(&batch).expect("it is written");
    writer.close().expect("it is closed");
    let load = |more: &[&str]| {
        work.mdsctl(["load", "in", "--table", "t", "--json", "--dsn", &db.dsn()])
            .arguments(more)
            .within(PATIENCE)
            .run()
    };
    load(&[]).expect(0);
    let stored = || db.rows("SELECT ts::text, symbol, seq::text FROM t ORDER BY seq");
    let expected = stored();
    db.execute("TRUNCATE t");
    let run = load(&["--share", "j", "--part-size", "10K"]).expect(0);
    assert!(run.json()["job"]["parts"]["total"].as_u64().is_some_and(|parts| parts > 3), "{run}");
    assert_eq!(stored(), expected);
}

/// What the server was asked for: own row groups, the first ones for what they tell, and the ends of the file.
#[cfg(feature = "objects")]
#[test]
fn of_an_object_of_parquet_each_part_fetches_its_own_row_groups() {
    const GROUPS: u64 = 12;
    const GROUP: u64 = 4_000;
    let (work, db, bucket) = (Work::new(), Postgres::shared().database(), Bucket::new());
    db.execute("CREATE TABLE t (ts timestamptz, seq bigint, note text, PRIMARY KEY (ts))");
    let all = || 0..GROUPS * GROUP;
    let times: ArrayRef =
        Arc::new(Int64Array::from_iter_values(all().map(|row| 1_700_000_000 + row.cast_signed())));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(all().map(u64::cast_signed)));
    let note = |row: u64| format!("{row:0>250}");
    let notes: ArrayRef = Arc::new(StringArray::from_iter_values(all().map(note)));
    let batch = RecordBatch::try_from_iter([("ts", times), ("seq", numbers), ("note", notes)]);
    let batch = batch.expect("columns of one length");
    let mut bytes = Vec::new();
    let groups = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP as usize))
        .set_dictionary_enabled(false);
    let mut writer =
        ArrowWriter::try_new(&mut bytes, batch.schema(), Some(groups.build())).expect("a writer");
    writer.write(&batch).expect("it is written");
    writer.close().expect("it is closed");
    let size = bytes.len() as u64;
    assert!(size > GROUPS << 20, "{size}");
    bucket.put("a.parquet", &bytes);
    let load = work
        .mdsctl(["load", "s3://days/a.parquet", "--table", "t", "--json", "--dsn", &db.dsn()])
        .arguments(["--share", "j", "--part-size", "3M"])
        .within(PATIENCE);
    let run = bucket.open(load).run().expect(0);
    assert_eq!(run.json()["job"]["parts"]["total"], 4, "{run}");
    assert_eq!(
        db.value("SELECT count(*) || ' ' || sum(seq) || ' ' || bool_and(note::numeric = seq) FROM t"),
        "48000 1151976000 true"
    );
    let asked = bucket.asked();
    let gets: Vec<_> =
        asked.iter().filter(|asked| asked.method == "GET" && asked.target.contains("a.parquet")).collect();
    assert!(gets.iter().all(|get| get.range.is_some()), "{gets:?}");
    let sent: u64 = gets.iter().map(|get| get.sent).sum();
    // Four parts and the list: each learns of the first rows, which are in three groups, and the next one comes ahead.
    assert!((size..3 * size).contains(&sent), "{sent} of {size}");
}
