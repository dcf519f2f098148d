//! `verify`: whether a table holds what inputs say.
//!
//! The inputs are read once, and the table once: of each symbol and day the rows are counted, and of each of their columns
//! a hash is added up on both sides. Where these are the same the rows are. Only the days that differ are compared row by
//! row, by reading inputs and table again, a part of the keys at a time, so that memory does not grow with the input.

mod differences;
mod digest;
mod export;
mod rows;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::load::{Load, Task, runtime};
use crate::app::metrics::RunMetrics;
use crate::app::plan::RunPlan;
use crate::error::{Error, Result};

pub use crate::telemetry::verified::{Difference, Kind, Verified};

pub(crate) use differences::Found;
pub(crate) use digest::Digests;
pub(crate) use export::Export;
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
