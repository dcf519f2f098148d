//! Makes market data: `cargo run --release --example generate -- --rows 1000000 --format parquet
//! --out bars.parquet`. The same seed gives the same rows in every format and order.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Parser, ValueEnum as _};

mod generator;

use generator::market::{Dataset, Order, Plan};
use generator::spoil::Spoil;
use generator::write::{Compress, Format, write};

/// Makes market data that looks real, the same for the same seed.
#[derive(Parser)]
struct Arguments {
    /// Rows, the broken ones included.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    #[arg(long, value_enum, default_value_t = Dataset::Bars)]
    dataset: Dataset,
    #[arg(long, value_enum, default_value_t = Compress::None)]
    compress: Compress,
    /// Other seeds give other prices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    symbols: u64,
    #[arg(long, value_enum, default_value_t = Order::Time)]
    order: Order,
    /// Minutes of a trading day.
    #[arg(long, default_value_t = 390, value_parser = clap::value_parser!(u64).range(1..=390))]
    session: u64,
    #[arg(long, default_value = "acme")]
    vendor: Arc<str>,
    /// Columns to leave out.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Rows in a thousand that are broken, seven kinds in turn (csv and ndjson).
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1000))]
    bad: u64,
    /// File to write; standard output without it.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Writes the repository's fixtures into this directory, and nothing else.
    #[arg(long, exclusive = true)]
    fixtures: Option<PathBuf>,
}

fn main() -> io::Result<()> {
    let given = Arguments::parse();
    if let Some(directory) = &given.fixtures {
        generator::fixtures::write_all(directory)?;
        for dataset in Dataset::value_variants() {
            let rows = generator::fixtures::small(*dataset).rows;
            eprintln!("{}: {rows} rows", generator::fixtures::name(*dataset));
        }
        return Ok(());
    }
    let plan = Plan {
        dataset: given.dataset,
        rows: given.rows,
        symbols: given.symbols,
        seed: given.seed,
        order: given.order,
        session: given.session,
        vendor: given.vendor,
        without: given.without,
    };
    let spoil = Spoil::Permille(given.bad);
    match given.out {
        Some(path) => write(&plan, given.format, given.compress, &spoil, File::create(path)?),
        None => write(&plan, given.format, given.compress, &spoil, io::stdout()),
    }
}
