//! A program of one's own that loads files, with the same promises as `mdsctl load`: a plan, a caller that is told what
//! happens, and a report.
//!
//! ```sh
//! cargo run --example load -- sqlite:mds.db bars.csv
//! ```

use std::process::ExitCode;
use std::sync::Arc;

use mdsctl::app::caller::{Caller, Listener};
use mdsctl::app::exit::Exit;
use mdsctl::app::load;
use mdsctl::app::metrics::RunMetrics;
use mdsctl::app::plan::RunPlan;
use mdsctl::error::Error;
use mdsctl::sink;

/// Shows what a use case has to say.
struct Shown;

impl Listener for Shown {
    fn note(&self, text: &str) {
        println!("{text}");
    }

    fn say(&self, text: &str) {
        eprintln!("{text}");
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(store) = words.next() else {
        eprintln!("usage: load STORE FILE...");
        return Exit::Usage.into();
    };
    match run(&store, words) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error}");
            Exit::from(&error).into()
        }
    }
}

fn run(store: &str, files: impl Iterator<Item = String>) -> Result<Exit, Error> {
    let mut plan = RunPlan::new(files, sink::open(store, "the first word")?);
    plan.data.vendor = Some("acme".to_owned());
    let caller = Caller { listener: Arc::new(Shown), ..Caller::default() };
    let report = load::run(&caller, plan, &RunMetrics::none())?;
    let rows = &report.result.rows.books;
    println!("{} rows read, {} inserted, {} updated", rows.read, rows.inserted, rows.updated);
    println!("{} rejected, in {}", rows.rejected, report.result.dlq.path.as_deref().unwrap_or("no queue"));
    Ok(report.exit)
}
