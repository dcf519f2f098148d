//! `verify`: whether a table holds what inputs say.
//!
//! The inputs are read once, and the table once: of each symbol and day the rows are counted, and of each of their columns
//! a hash is added up on both sides. Where these are the same the rows are. Only the days that differ are compared row by
//! row, by reading inputs and table again, a part of the keys at a time, so that memory does not grow with the input.

mod differences;
mod digest;
mod rows;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::load::{Load, Task, runtime};
use crate::app::metrics::RunMetrics;
use crate::app::plan::RunPlan;
use crate::error::{Error, Result};

pub use differences::{Difference, Kind};
pub(crate) use differences::{Export, Found};
pub(crate) use digest::Digests;
pub(crate) use rows::Shape;

/// What is to be compared with what, beside the plan of the load.
#[derive(Debug, Clone, Default)]
pub struct VerifyPlan {
    /// Of a hundred days of a symbol how many are compared; all without it.
    pub sample: Option<f64>,
    /// Where the rows that differ are written to.
    pub export: Option<PathBuf>,
    /// Whether a file that is there is written over.
    pub force: bool,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// The table, for people.
    pub table: String,
    /// The dataset.
    pub dataset: String,
    /// Inputs, as the user named them.
    pub inputs: Vec<String>,
    /// Rows of the inputs, good and bad.
    pub read: u64,
    /// Rows of the inputs that the table cannot hold, or that could not be read.
    pub rejected: u64,
    /// Rows of the inputs that were compared, with those that a later row of their key replaces.
    pub compared: u64,
    /// Rows of the inputs that a later one of the same key replaces, as far as they lie in days that differ.
    pub superseded: u64,
    /// Rows of the table in the days that were compared.
    pub stored: u64,
    /// Rows of the table in that time that are of other series than those of the inputs.
    pub outside: u64,
    /// Rows that are in the inputs alone.
    pub missing: u64,
    /// Rows that have another value in the table.
    pub different: u64,
    /// Rows that are in the table alone.
    pub extra: u64,
    /// The same by symbol and day (`2024-03-07`), both empty where rows have none: rows that are missing in the table, that
    /// are different there, that are there alone.
    pub days: BTreeMap<(String, String), [u64; 3]>,
    /// Whether there are more days that differ than are listed.
    pub more_days: bool,
    /// The first rows that differ.
    pub differences: Vec<Difference>,
    /// Columns that were not compared.
    pub uncompared: Vec<String>,
    /// What was deduced, left out and passed over.
    pub notes: Vec<String>,
    /// What went wrong with the inputs.
    pub errors: Vec<String>,
    /// How long it took, in seconds.
    pub elapsed_s: f64,
}

impl Verified {
    /// Whether all that was compared is the same.
    pub fn is_equal(&self) -> bool {
        self.missing + self.different + self.extra + self.rejected == 0
    }
}

/// Where a load leaves what it found.
pub(crate) type Slot = Arc<Mutex<Option<Verified>>>;

/// Compares what the plan reads with where it would be loaded.
///
/// # Errors
/// Usage, where the plan is wrong or the inputs can be read but once; unavailable, where the store is; of inputs that
/// cannot be read.
pub fn run(caller: &Caller, mut plan: RunPlan, asked: VerifyPlan) -> Result<(Exit, Option<Verified>)> {
    if plan.inputs.iter().any(|input| input == "-") {
        return Err(Error::usage(
            "verify reads its inputs more than once, and standard input comes once: write it to a file first",
        ));
    }
    // Nothing is written, neither to the store nor to a queue.
    plan.rejects.dry_run = true;
    let runtime = runtime()?;
    let layouts = plan.choice()?;
    let slot = Slot::default();
    let metrics = RunMetrics::none();
    let load = Load::prepare(caller, plan, Task::Verify(asked, slot.clone()), layouts, &metrics)?;
    let report = runtime.block_on(load.run());
    runtime.shutdown_background();
    let report = report?;
    let found = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok((report.exit, found))
}
