//! The files under `fixtures/`.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::market::{Dataset, Order, Plan};
use super::random::Random;
use super::spoil::{Fault, Spoil};
use super::write::{Compress, Format, write};

/// Rows of the bars fixtures: five symbols, three days of forty minutes.
pub fn bars() -> Plan {
    Plan { session: 40, ..Plan::new(Dataset::Bars, 600, 1) }
}

/// The same without the columns that `--vendor` and `--timeframe` stand for.
pub fn narrow_bars() -> Plan {
    Plan { without: vec!["vendor".into(), "timeframe".into()], ..bars() }
}

/// Rows of the small fixtures of a dataset.
pub fn small(dataset: Dataset) -> Plan {
    match dataset {
        Dataset::Bars => bars(),
        Dataset::Ticks => Plan::new(dataset, 400, 2),
        Dataset::Options => Plan { order: Order::Symbol, ..Plan::new(dataset, 600, 3) },
        Dataset::Fundamentals => Plan::new(dataset, 200, 4),
        Dataset::News => Plan::new(dataset, 200, 5),
    }
}

/// Name of a dataset, as in `--dataset` and in the names of the fixtures.
pub fn name(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Bars => "bars",
        Dataset::Ticks => "ticks",
        Dataset::Options => "options",
        Dataset::Fundamentals => "fundamentals",
        Dataset::News => "news",
    }
}

/// The rows of `bad/seven-kinds.*` that are broken, of [`seven_kinds`].
pub const SEVEN: [(u64, Fault); 7] = [
    (1, Fault::BadNumber),
    (100, Fault::BadLine),
    (101, Fault::MissingKey),
    (502, Fault::BadTime),
    (750, Fault::TooLarge),
    (873, Fault::TooLong),
    (1007, Fault::TimeOutOfRange),
];

/// 1,007 bars, seven of which are broken.
pub fn seven_kinds() -> (Plan, Spoil) {
    (Plan::new(Dataset::Bars, 1007, 7), Spoil::Rows(SEVEN.to_vec()))
}

/// Writes all of them.
pub fn write_all(directory: &Path) -> io::Result<()> {
    use Compress::{Gzip, None, Snappy, Zstd};
    use Format::{Csv, Ndjson, Parquet};
    let file = |name: &str| -> io::Result<File> {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap_or(directory))?;
        File::create(path)
    };
    let good = |name: &str, plan: &Plan, format, compress| {
        write(plan, format, compress, &Spoil::none(), file(name)?)
    };
    let bars = bars();
    for (name, format, compress) in [
        ("bars.csv", Csv, None),
        ("bars.csv.gz", Csv, Gzip),
        ("bars.csv.zst", Csv, Zstd),
        ("bars.ndjson", Ndjson, None),
        ("bars.ndjson.gz", Ndjson, Gzip),
        ("bars.parquet", Parquet, Zstd),
        ("bars.snappy.parquet", Parquet, Snappy),
    ] {
        good(name, &bars, format, compress)?;
    }
    for (name, format) in [("bars.csv", Csv), ("bars.ndjson", Ndjson), ("bars.parquet", Parquet)] {
        good(&format!("no-vendor/{name}"), &narrow_bars(), format, Zstd.only_for(format))?;
    }
    for dataset in [Dataset::Ticks, Dataset::Options, Dataset::Fundamentals, Dataset::News] {
        for (extension, format) in [("csv", Csv), ("ndjson", Ndjson), ("parquet", Parquet)] {
            let name = format!("{}.{extension}", name(dataset));
            good(&name, &small(dataset), format, Zstd.only_for(format))?;
        }
    }
    let (plan, spoil) = seven_kinds();
    write(&plan, Csv, None, &spoil, file("bad/seven-kinds.csv")?)?;
    write(&plan, Ndjson, None, &spoil, file("bad/seven-kinds.ndjson")?)?;
    malformed(directory)
}

impl Compress {
    /// Itself for Parquet, none for text.
    fn only_for(self, format: Format) -> Self {
        if format == Format::Parquet { self } else { Self::None }
    }
}

/// Files that are no files of rows at all.
fn malformed(directory: &Path) -> io::Result<()> {
    let bad = directory.join("bad");
    fs::create_dir_all(&bad)?;
    fs::write(bad.join("empty.csv"), "")?;
    fs::write(bad.join("header-only.csv"), "ts,vendor,symbol,timeframe,open,high,low,close,volume\n")?;
    fs::write(bad.join("unknown-columns.csv"), "colour,weight,sort\nred,12,apple\ngreen,7,lime\n")?;
    fs::write(
        bad.join("no-timestamp.csv"),
        "vendor,symbol,timeframe,open,high,low,close,volume\nacme,AAPL,1m,187.15,187.4,187.1,187.33,5200\n",
    )?;
    for (whole, cut) in [("bars.csv.gz", "truncated.csv.gz"), ("bars.parquet", "truncated.parquet")] {
        let bytes = fs::read(directory.join(whole))?;
        fs::write(bad.join(cut), &bytes[..bytes.len() / 2])?;
    }
    // No magic bytes, no line ends of a text, no UTF-8.
    let mut random = Random::new(13, 0);
    let mut garbage: Vec<u8> = (0..512).flat_map(|_| random.next().to_le_bytes()).collect();
    garbage[..4].copy_from_slice(&[0xfe, 0x00, 0x81, 0x9d]);
    fs::write(bad.join("garbage.bin"), garbage)
}
