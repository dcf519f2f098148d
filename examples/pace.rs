//! A collector for benchmarks: appends ticks to a CSV file at a steady pace, each with the time at which it
//! was written, and sets the file aside every few seconds if so asked.
//!
//! ```sh
//! cargo run --release --example pace -- FILE --rate 1000 --seconds 20 [--rotate 2]
//! ```
//!
//! Line n (from 0) has `trade_id` n, symbol `S` and n modulo 100, and price n modulo 10,007, over 100. At
//! the end it prints how many lines it wrote.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const HEADER: &str = "ts,vendor,symbol,trade_id,price,size\n";

/// Between two writes.
const STEP: Duration = Duration::from_millis(1);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((file, flags)) => run(Path::new(file), flags),
        None => Err("usage: pace FILE --rate ROWS --seconds S [--rotate S]".into()),
    };
    match done {
        Ok(lines) => println!("{lines}"),
        Err(error) => {
            eprintln!("pace: {error}");
            std::process::exit(1);
        }
    }
}

fn run(file: &Path, flags: &[String]) -> Result<u64, Box<dyn std::error::Error>> {
    let (mut rate, mut seconds, mut rotate) = (1000u64, 10u64, None);
    for pair in flags.chunks(2) {
        match pair {
            [flag, value] if flag == "--rate" => rate = value.parse()?,
            [flag, value] if flag == "--seconds" => seconds = value.parse()?,
            [flag, value] if flag == "--rotate" => rotate = Some(Duration::from_secs(value.parse()?)),
            other => return Err(format!("{other:?} is not known").into()),
        }
    }
    let mut out = begin(file)?;
    let (start, mut rotated, mut rotations) = (Instant::now(), Instant::now(), 0);
    let total = rate * seconds;
    let mut written = 0;
    let mut lines = Vec::with_capacity(1 << 16);
    while written < total {
        let due = u64::try_from(start.elapsed().as_micros())? * rate / 1_000_000;
        lines.clear();
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        for n in written..due.min(total) {
            let cents = n % 10_007;
            writeln!(lines, "{now},acme,S{},{n},{}.{:02},1", n % 100, cents / 100, cents % 100)?;
        }
        out.write_all(&lines)?;
        written = written.max(due.min(total));
        if rotate.is_some_and(|every| rotated.elapsed() >= every) {
            rotations += 1;
            std::fs::rename(file, format!("{}.{rotations}", file.display()))?;
            out = begin(file)?;
            rotated = Instant::now();
        }
        std::thread::sleep(STEP);
    }
    Ok(written)
}

fn begin(file: &Path) -> io::Result<File> {
    let mut out = OpenOptions::new().append(true).create(true).open(file)?;
    if out.metadata()?.len() == 0 {
        out.write_all(HEADER.as_bytes())?;
    }
    Ok(out)
}
