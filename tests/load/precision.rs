//! Random values of every type, from every format, against the server's own reading of the same
//! text: `MDSCTL_TEST_SEED` replays a failure, `MDSCTL_TEST_CASES` asks for more.

use std::fmt::Write as _;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::i256;
use chrono::{DateTime, NaiveDate};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::harness::seed::seed;
use crate::harness::{Db, Postgres, Work};

/// The columns; all but the key are compared as text, numerics without trailing zeros.
const COLUMNS: [(&str, &str); 18] = [
    ("num", "numeric"),
    ("wide", "numeric"),
    ("num38", "numeric(38,10)"),
    ("num6", "numeric(6,2)"),
    ("tens", "numeric(6,-2)"),
    ("dbl", "float8"),
    ("sgl", "float4"),
    ("small", "int2"),
    ("mid", "int4"),
    ("big", "int8"),
    ("words", "text"),
    ("bounded", "varchar(5)"),
    ("padded", "char(5)"),
    ("day", "date"),
    ("plain", "timestamp"),
    ("zoned", "timestamptz"),
    ("plain3", "timestamp(3)"),
    ("zoned0", "timestamptz(0)"),
];

#[derive(Debug, Clone)]
struct Row {
    /// Unscaled values, with the scales of [`SCALES`].
    decimals: [i256; 5],
    dbl: f64,
    sgl: f32,
    integers: [i64; 3],
    texts: [String; 3],
    day: i32,
    times: [i64; 4],
}

const SCALES: [u32; 5] = [18, 30, 12, 4, 1];

/// An unscaled decimal in plain notation.
fn plain(value: i256, scale: u32) -> String {
    let text = value.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", &*text), |digits| ("-", digits));
    let digits = format!("{digits:0>width$}", width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    format!("{sign}{whole}.{fraction}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn stamp(nanos: i64) -> String {
    DateTime::from_timestamp_nanos(nanos).format("%Y-%m-%d %H:%M:%S%.9f").to_string()
}

impl Row {
    /// The values as text, in the order of [`COLUMNS`].
    fn literals(&self) -> Vec<Option<String>> {
        let decimals = self.decimals.iter().zip(SCALES).map(|(value, scale)| Some(plain(*value, scale)));
        let text = |text: &String| Some(text.clone());
        let day = NaiveDate::from_epoch_days(self.day).expect("a day");
        let [first, second, third, fourth] = self.times.map(stamp);
        decimals
            .chain([Some(format!("{:e}", self.dbl)), Some(format!("{:e}", self.sgl))])
            .chain(self.integers.map(|value| Some(value.to_string())))
            .chain(self.texts.iter().map(text))
            .chain([Some(day.to_string()), Some(first), Some(second + "Z"), Some(third), Some(fourth + "Z")])
            .collect()
    }
}

/// Values of any number of digits, up to so many.
fn decimal(digits: u32) -> impl Strategy<Value = i256> {
    (1..=digits, any::<u128>(), any::<u128>(), any::<bool>(), 0u32..4).prop_map(
        |(digits, low, high, negative, kind)| {
            let limit = i256::from_i128(10).wrapping_pow(digits);
            let value = i256::from_parts(low, (high >> 4) as i128).wrapping_rem(limit);
            let value = match kind {
                // Nines, and halves of a unit: what rounds up, and far.
                0 => limit.wrapping_sub(i256::ONE),
                1 => value
                    .wrapping_div(i256::from_i128(1000))
                    .wrapping_mul(i256::from_i128(1000))
                    .wrapping_add(i256::from_i128(500)),
                _ => value,
            };
            if negative { value.wrapping_neg() } else { value }
        },
    )
}

fn text(longest: usize) -> impl Strategy<Value = String> {
    let character = prop::sample::select(vec![
        'a', 'B', 'é', '雪', '😀', '\u{301}', ' ', ' ', '\'', '"', '\\', ',', ';', '\t', '\n', '{', '%', '$',
    ]);
    prop::collection::vec(character, 0..longest).prop_map(String::from_iter)
}

fn double() -> impl Strategy<Value = f64> {
    let any = any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite());
    let special = vec![f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::from_bits(1), -0.0, 0.1, 1e300, 1e-300];
    prop_oneof![4 => any, 1 => prop::sample::select(special), 1 => (0..1u64 << 52).prop_map(f64::from_bits)]
}

fn single() -> impl Strategy<Value = f32> {
    let any = any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |value| value.is_finite());
    let special = vec![f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1), -0.0, 0.1, 16_777_217.0];
    prop_oneof![4 => any, 1 => prop::sample::select(special), 1 => (0..1u32 << 23).prop_map(f32::from_bits)]
}

/// Mostly what fits, now and then one that does not.
fn integer(limit: i64) -> impl Strategy<Value = i64> {
    let edges = vec![limit, -limit - 1, 0, -1, limit.saturating_add(1), (-limit - 1).saturating_sub(1)];
    prop_oneof![20 => -limit..=limit, 3 => prop::sample::select(edges)]
}

/// From 1800 to the end of 64 bits of nanoseconds; many in the middle of two microseconds, or of two
/// of what the column keeps.
fn time() -> impl Strategy<Value = i64> {
    let any = -5_364_662_400_000_000_000i64..9_214_646_400_000_000_000;
    (any, prop::sample::select(vec![1i64, 500, 1_000, 500_000, 500_000_000]))
        .prop_map(|(nanos, unit)| nanos.div_euclid(unit) * unit)
}

fn row() -> impl Strategy<Value = Row> {
    let decimals = [decimal(38), decimal(76), decimal(37), decimal(8), decimal(8)];
    let integers = (integer(i16::MAX.into()), integer(i32::MAX.into()), integer(i64::MAX));
    let texts = (text(12), text(7), text(7));
    let times = [time(), time(), time(), time()];
    (decimals, double(), single(), integers, texts, -62_000..106_000, times).prop_map(
        |(decimals, dbl, sgl, integers, texts, day, times)| Row {
            decimals,
            dbl,
            sgl,
            integers: integers.into(),
            texts: texts.into(),
            day,
            times,
        },
    )
}

fn header() -> String {
    COLUMNS.iter().fold(String::from("k"), |all, (name, _)| all + "," + name)
}

fn csv(rows: &[Row]) -> String {
    let mut csv = header() + "\n";
    for (k, row) in (1..).zip(rows) {
        let _ = write!(csv, "{k}");
        for value in row.literals() {
            let _ = write!(csv, ",\"{}\"", value.unwrap_or_default().replace('"', "\"\""));
        }
        csv.push('\n');
    }
    csv
}

fn ndjson(rows: &[Row]) -> String {
    let mut json = String::new();
    for (k, row) in (1..).zip(rows) {
        let _ = write!(json, "{{\"k\":{k}");
        for (place, (value, (name, _))) in row.literals().into_iter().zip(COLUMNS).enumerate() {
            let _ = match value {
                // Numbers as numbers in every other row.
                Some(number) if place < 10 && k % 2 == 0 => write!(json, ",\"{name}\":{number}"),
                other => write!(json, ",\"{name}\":{}", serde_json::json!(other)),
            };
        }
        json += "}\n";
    }
    json
}

fn parquet(rows: &[Row], file: File) {
    let wide = |place: usize| -> ArrayRef {
        let values: Vec<i256> = rows.iter().map(|row| row.decimals[place]).collect();
        let scale = SCALES[place] as i8;
        Arc::new(Decimal256Array::from(values).with_precision_and_scale(76, scale).expect("a scale"))
    };
    let narrow = |place: usize| -> ArrayRef {
        let values = rows.iter().map(|row| row.decimals[place].to_i128().expect("38 digits"));
        let scale = SCALES[place] as i8;
        Arc::new(
            Decimal128Array::from_iter_values(values).with_precision_and_scale(38, scale).expect("a scale"),
        )
    };
    let integers = |place: usize| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.integers[place])))
    };
    let texts = |place: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.texts[place])))
    };
    let times = |place: usize| -> ArrayRef {
        let values = rows.iter().map(|row| row.times[place]).collect::<Vec<_>>();
        Arc::new(TimestampNanosecondArray::from(values).with_timezone("UTC"))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(1..=rows.len() as i64)),
        narrow(0),
        wide(1),
        narrow(2),
        narrow(3),
        wide(4),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.dbl))),
        Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.sgl))),
        integers(0),
        integers(1),
        integers(2),
        texts(0),
        texts(1),
        texts(2),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.day))),
        times(0),
        times(1),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.times[2] / 1000))),
        times(3),
    ];
    let header = header();
    let batch = RecordBatch::try_from_iter(header.split(',').zip(columns)).expect("a batch");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows are written");
    writer.close().expect("the file is whole");
}

/// Has the server read the literals; numbers of the rows that it refuses.
fn expect(db: &Db, rows: &[Row]) -> Vec<u64> {
    let session = db.session().expect("a session");
    session.execute("SET timezone = 'UTC'; SET synchronous_commit = off; TRUNCATE t; TRUNCATE e");
    let quoted = |value: Option<String>| match value {
        Some(value) => format!("'{}'", value.replace('\'', "''")),
        None => "NULL".into(),
    };
    let mut refused = Vec::new();
    for (k, row) in (1..).zip(rows) {
        let values: Vec<String> = row.literals().into_iter().map(quoted).collect();
        if session.try_rows(&format!("INSERT INTO e VALUES ({k}, {})", values.join(", "))).is_err() {
            refused.push(k);
        }
    }
    refused
}

/// Loads the rows, and compares.
fn check(work: &Work, db: &Db, rows: &[Row], format: &str) -> Result<(), TestCaseError> {
    let mut rows = rows.to_vec();
    let path = work.write(&format!("rows.{format}"), "");
    match format {
        "csv" => drop(work.write("rows.csv", csv(&rows))),
        "ndjson" => drop(work.write("rows.ndjson", ndjson(&rows))),
        _ => {
            // This column is in microseconds there.
            rows.iter_mut().for_each(|row| row.times[2] = row.times[2] / 1000 * 1000);
            parquet(&rows, File::create(&path).expect("a file"));
        }
    }
    let refused = expect(db, &rows);
    let _ = std::fs::remove_file(work.path("d"));
    let flags = ["load", &path, "--table", "t", "--json", "--force", "--dlq", "d", "--dsn", &db.dsn()];
    let run = work.mdsctl(flags).run();
    let text = |(name, kind): &(&str, &str)| match kind.starts_with("numeric") {
        true => format!("trim_scale({name})::text"),
        false => format!("{name}::text"),
    };
    let columns = COLUMNS.iter().map(text).collect::<Vec<_>>().join(", ");
    let table = |name: &str| db.rows(&format!("SELECT k, {columns} FROM {name} ORDER BY k"));
    let mut dead: Vec<u64> = work.dlq("d").iter().flat_map(|letter| letter.rows.clone()).collect();
    dead.sort_unstable();
    let first = dead.iter().chain(&refused).find(|row| dead.contains(row) != refused.contains(row));
    let first = first.and_then(|row| rows.get(*row as usize - 1)).map(Row::literals);
    prop_assert_eq!(
        &dead,
        &refused,
        "{}: dead letters, and what the server refuses: {:?}\n{}",
        format,
        first,
        run
    );
    for (ours, theirs) in table("t").iter().zip(&table("e")) {
        prop_assert_eq!(ours, theirs, "{}: ours, and the server's", format);
    }
    prop_assert_eq!(db.count("t") as usize, rows.len() - dead.len());
    Ok(())
}

#[test]
fn what_is_stored_is_what_the_server_reads() {
    let db = Postgres::shared().database();
    let columns = COLUMNS.iter().map(|(name, kind)| format!(", {name} {kind}")).collect::<String>();
    db.execute(&format!("CREATE TABLE t (k int PRIMARY KEY{columns}); CREATE TABLE e (LIKE t)"));
    let cases = std::env::var("MDSCTL_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed().to_le_bytes());
    let config = Config { cases, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let work = Work::new();
    let outcome = runner.run(&prop::collection::vec(row(), 1..160), |rows| {
        ["csv", "ndjson", "parquet"].iter().try_for_each(|format| check(&work, &db, &rows, format))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
