//! The files under `fixtures/` are the ones that the generator makes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::generator::cell::{Cell, decimal};
use crate::generator::fixtures::{self, SEVEN, seven_kinds};
use crate::generator::market::{Dataset, Order, Plan};
use crate::generator::spoil::{Fault, Spoil};
use crate::generator::write::{Compress, Format, write};

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("below it").to_path_buf();
                found.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

fn rows(path: &Path) -> Vec<RecordBatch> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("a file")).expect("Parquet");
    reader.with_batch_size(4096).build().expect("Parquet").map(|batch| batch.expect("rows")).collect()
}

fn unpacked(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    match name {
        gzip if gzip.ends_with(".gz") => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut text)),
        zstd if zstd.ends_with(".zst") => text = zstd::decode_all(bytes).expect("zstd"),
        _ => text = bytes.to_vec(),
    }
    text
}

#[test]
fn fixtures_are_what_the_generator_makes() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let made = tempfile::tempdir().expect("a directory");
    fixtures::write_all(made.path()).expect("the fixtures");
    let (old, new) = (files(&kept), files(made.path()));
    assert_eq!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>(), "run scripts/fixtures");
    for (name, bytes) in &old {
        let text = name.to_str().expect("a name");
        let whole_parquet = text.ends_with(".parquet") && !text.starts_with("bad");
        let same = match text {
            // Cut from the file before it was compressed anew: only the cut matters.
            "bad/truncated.parquet" => bytes.starts_with(b"PAR1") && !bytes.ends_with(b"PAR1"),
            _ if whole_parquet => rows(&kept.join(name)) == rows(&made.path().join(name)),
            _ => unpacked(text, bytes) == unpacked(text, &new[name]),
        };
        assert!(same, "fixtures/{text} is not what the generator makes: run scripts/fixtures");
    }
}

#[test]
fn truncated_fixtures_are_truncated() {
    let bad = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bad");
    let gzip = fs::read(bad.join("truncated.csv.gz")).expect("the fixture");
    let mut text = String::new();
    assert!(flate2::read::GzDecoder::new(&*gzip).read_to_string(&mut text).is_err());
    assert!(text.lines().count() > 100, "some rows come before the cut");
    let file = File::open(bad.join("truncated.parquet")).expect("the fixture");
    assert!(ParquetRecordBatchReaderBuilder::try_new(file).is_err());
}

#[test]
fn the_order_of_a_file_does_not_change_its_rows() {
    for dataset in [Dataset::Bars, Dataset::Ticks, Dataset::Options, Dataset::Fundamentals, Dataset::News] {
        let time = Plan::new(dataset, 503, 9);
        let symbol = Plan { order: Order::Symbol, ..time.clone() };
        let texts = |plan: &Plan| -> Vec<Vec<String>> {
            plan.rows().map(|row| row.iter().map(Cell::to_text).collect()).collect()
        };
        let (mut a, mut b) = (texts(&time), texts(&symbol));
        assert_ne!(a, b);
        a.sort();
        b.sort();
        assert_eq!(a, b);
        assert_ne!(texts(&time), texts(&Plan { seed: 10, ..time.clone() }), "another seed, other rows");
    }
}

#[test]
fn every_key_of_a_generated_file_is_there_once() {
    let key = |dataset| match dataset {
        Dataset::Bars => vec!["ts", "symbol"],
        Dataset::Ticks => vec!["trade_id"],
        Dataset::Options => vec!["ts", "symbol", "expiry", "option_type", "strike"],
        Dataset::Fundamentals => vec!["asof", "symbol"],
        Dataset::News => vec!["url"],
    };
    for dataset in [Dataset::Bars, Dataset::Ticks, Dataset::Options, Dataset::Fundamentals, Dataset::News] {
        let plan = Plan::new(dataset, 5_000, 3);
        let names = key(dataset);
        let at: Vec<usize> = plan
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, f)| names.contains(&f.column))
            .map(|(i, _)| i)
            .collect();
        let keys: std::collections::HashSet<Vec<String>> =
            plan.rows().map(|row| at.iter().map(|i| row[*i].to_text()).collect()).collect();
        assert_eq!(keys.len(), 5_000, "{dataset:?}");
    }
}

#[test]
fn bars_are_plausible() {
    let plan = Plan::new(Dataset::Bars, 20_000, 3);
    let number = |cell: &Cell| cell.to_text().parse::<f64>().expect("a number");
    for row in plan.rows() {
        let [open, high, low, close] = [4, 5, 6, 7].map(|i| number(&row[i]));
        assert!(low > 0.0 && low <= open.min(close) && high >= open.max(close), "{row:?}");
        let vwap = number(&row[9]);
        assert!(vwap >= low && vwap <= high, "{row:?}");
    }
}

#[test]
fn faults_are_where_they_are_said_to_be() {
    let (plan, spoil) = seven_kinds();
    let mut text = Vec::new();
    write(&plan, Format::Csv, Compress::None, &spoil, &mut text).expect("in memory");
    let mut clean = Vec::new();
    write(&plan, Format::Csv, Compress::None, &Spoil::none(), &mut clean).expect("in memory");
    let lines =
        |text: &[u8]| -> Vec<String> { String::from_utf8_lossy(text).lines().map(String::from).collect() };
    let differ = lines(&text).into_iter().zip(lines(&clean)).enumerate().filter(|(_, (a, b))| a != b);
    assert_eq!(differ.map(|(line, _)| line as u64).collect::<Vec<_>>(), SEVEN.map(|(row, _)| row));
    let spread = Spoil::Permille(7);
    let faults: Vec<Fault> = (1..=1000).filter_map(|row| spread.fault(row)).collect();
    assert_eq!(faults, Fault::ALL);
}

#[test]
fn decimals_are_written_without_trailing_zeros() {
    for (digits, scale, text) in
        [(0, 4, "0"), (-50, 4, "-0.005"), (18700, 2, "187"), (1871, 1, "187.1"), (-1, 8, "-0.00000001")]
    {
        assert_eq!(decimal(digits, scale), text);
    }
}
