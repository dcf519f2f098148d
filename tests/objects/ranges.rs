//! Of Parquet no more is asked for than is read.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::inputs::rows;
use crate::generator::market::{Dataset, Plan};
use crate::generator::write::{Compress, Format};
use crate::harness::bucket::{Asked, Bucket};
use crate::harness::truth::{assert_same, truth};
use crate::harness::{Store, Work, dlq};

fn sent(asked: &[Asked]) -> u64 {
    asked.iter().map(|asked| asked.sent).sum()
}

#[test]
fn the_columns_of_parquet_are_fetched_once_and_together() {
    let bucket = Bucket::new();
    let plan = Plan::new(Dataset::Bars, 200_000, 7);
    let file = rows(&plan, Format::Parquet, Compress::None);
    bucket.put("a.parquet", &file);
    let work = Work::new();
    let store = Store::sqlite(&work);
    bucket.open(work.mdsctl(["load", "s3://days/a.parquet", "--dsn", &store.dsn()])).run().expect(0);
    assert_same(&store.stored(&plan), &truth(&plan), "all");
    let asked = bucket.asked();
    let gets: Vec<&Asked> =
        asked.iter().filter(|asked| asked.method == "GET" && asked.target.contains("a.parquet")).collect();
    assert!(gets.iter().all(|asked| asked.range.is_some()), "{gets:?}");
    // Its beginning and its footer are asked for to know what it is.
    let (bytes, size) = (sent(&asked), file.len() as u64);
    assert!(bytes < size + (300 << 10), "{bytes} of {size}");
    assert!(gets.len() < 12, "{} requests", gets.len());
}

#[test]
fn a_refused_file_of_parquet_costs_its_ends_alone() {
    let bucket = Bucket::new();
    let file = rows(&Plan::new(Dataset::Bars, 200_000, 7), Format::Parquet, Compress::None);
    bucket.put("a.parquet", &file);
    bucket.put("cut.parquet", &file[..file.len() - 3]);
    let work = Work::new();
    let store = Store::sqlite(&work);
    let run =
        bucket.open(work.mdsctl(["load", "s3://days/cut.parquet", "--dsn", &store.dsn()])).run().expect(6);
    assert!(run.error().contains("the footer at its end is missing"), "{}", run.error());
    assert!(sent(&bucket.asked()) < 300 << 10);
}

/// So many letters, others for each seed.
fn noise(seed: usize, length: usize) -> String {
    let letters = |from: usize| (from..from + 26).map(|at| char::from(b'a' + (at * 7 % 26) as u8));
    let begin: String = format!("{seed}:").chars().chain(letters(seed)).collect();
    begin.repeat(length / begin.len() + 1)[..length].to_owned()
}

/// So many rows in groups of a thousand: `seq` and `note`, and before, between and behind them texts that no table has.
/// The number of every thousandth row from the tenth on is none.
fn wide(rows: usize) -> Vec<u8> {
    let column = |value: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..rows).map(value)))
    };
    let seq = |row: usize| if row % 1000 == 10 { format!("no {row}") } else { row.to_string() };
    let batch = RecordBatch::try_from_iter([
        ("body", column(&|row| noise(row, 4000))),
        ("seq", column(&seq)),
        ("extra", column(&|row| noise(row, 2000))),
        ("note", column(&|row| format!("n{row}"))),
        ("rest", column(&|row| noise(row, 3000))),
    ]);
    let batch = batch.expect("columns of one length");
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_max_row_group_row_count(Some(1000))
        .build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("it is written");
    writer.close().expect("it is closed");
    file
}

/// A refused row is in the dead letters as it is where the file lies on a disk: its columns are those of the table.
#[test]
fn columns_that_the_table_has_not_are_not_fetched() {
    let bucket = Bucket::new();
    let file = wide(5000);
    let size = file.len() as u64;
    assert!(size > 40 << 20, "{size}");
    bucket.put("wide.parquet", &file);
    for sqlite in [true, false] {
        let mut letters = Vec::new();
        for input in ["wide.parquet", "s3://days/wide.parquet"] {
            let (work, what) = (Work::new(), format!("{input}, SQLite {sqlite}"));
            let store = Store::holding(&work, sqlite, "CREATE TABLE t (seq bigint NOT NULL, note text)");
            work.write("wide.parquet", &file);
            let load = ["load", input, "--table", "t", "--dlq", "letters", "--dsn", &store.dsn()];
            bucket.asked();
            let run = bucket.open(work.mdsctl(load)).run().expect(3);
            assert!(run.stderr.contains("columns not loaded: body, extra, rest"), "{what}: {}", run.stderr);
            let rows = store.rows("SELECT CAST(seq AS text), note FROM t ORDER BY t.seq");
            let good = (0..5000).filter(|row| row % 1000 != 10);
            let good: Vec<_> = good.map(|row| vec![Some(row.to_string()), Some(format!("n{row}"))]).collect();
            assert!(rows == good, "{what}: {} rows", rows.len());
            let dead = dlq::read(&work.path("letters"));
            let each = dead.iter().flat_map(|letter| letter.rows.iter().zip(&letter.items));
            letters.push(each.map(|(row, item)| format!("{row} {item}")).collect::<Vec<_>>());
            let asked = bucket.asked();
            let gets = asked.iter().filter(|asked| asked.method == "GET").count();
            let bytes = sent(&asked);
            // Its ends, and twice five times two columns of some 20 kB, since the table has no key.
            assert!(bytes < 1 << 20 && gets < 40, "{what}: {gets} requests for {bytes} of {size} bytes");
        }
        assert_eq!(letters[0].len(), 5);
        assert_eq!(letters[0][1], r#"1011 {"note":"n1010","seq":"no 1010"}"#);
        assert_eq!(letters[0], letters[1]);
    }
}

/// Each part looks at the first rows of the file, since they tell how all are read.
#[test]
fn the_parts_of_a_job_fetch_their_own_row_groups() {
    let bucket = Bucket::new();
    let file = wide(5000);
    let size = file.len() as u64;
    bucket.put("wide.parquet", &file);
    let work = Work::new();
    let columns = "seq text PRIMARY KEY, note text, body text, extra text, rest text";
    let store = Store::holding(&work, false, &format!("CREATE TABLE t ({columns})"));
    let load = ["load", "s3://days/wide.parquet", "--table", "t", "--share", "j", "--part-size", "10M"];
    let run = bucket.open(work.mdsctl(load)).arguments(["--dsn", &store.dsn()]).run().expect(0);
    let asked = bucket.asked();
    assert_eq!(store.count("t"), Some(5000), "{run}");
    let parts = store.rows("SELECT count(*) FROM mds_job_parts");
    let wrong = store.rows(
        "SELECT seq FROM t WHERE length(body) <> 4000 OR length(extra) <> 2000 OR length(rest) <> 3000",
    );
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_ne!(parts[0][0].as_deref(), Some("1"), "{parts:?}");
    let bytes = sent(&asked);
    assert!(bytes < size * 5 / 2, "{bytes} of {size}, {parts:?}");
}
