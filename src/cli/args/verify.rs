//! Arguments of `verify`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::args::{DataArgs, FormatArgs, StoreArgs};

/// `verify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = include_str!("examples/verify.txt").trim_ascii_end(), allow_negative_numbers = true)]
pub struct VerifyArgs {
    /// What was loaded: files, directories, globs (quote them), addresses in an object store or on the web
    #[arg(required = true, value_name = "INPUT", value_hint = ValueHint::AnyPath)]
    pub inputs: Vec<OsString>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub format: FormatArgs,
    /// Compare only so many of a hundred days of each symbol, picked by chance, always the same
    #[arg(long, value_name = "N%", value_parser = percent, help_heading = "Comparison")]
    pub sample: Option<f64>,
    /// Write the rows that differ into this file, one JSON object a line: the key, the values of both sides, the place in the input
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = "Comparison")]
    pub export: Option<PathBuf>,
    /// Write over the file of --export
    #[arg(long, requires = "export", help_heading = "Comparison")]
    pub force: bool,
    /// Load the inputs again where rows are missing or different: what is there as it is stays unchanged
    ///
    /// Rows that are in the store alone stay there: nothing is deleted.
    #[arg(long, conflicts_with = "sample", help_heading = "Comparison")]
    pub repair: bool,
}

/// `5%`, or `5`.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    number
        .ok()
        .filter(|percent| *percent > 0.0 && *percent <= 100.0)
        .ok_or_else(|| "a percentage above 0 and up to 100, for instance 5%".to_owned())
}
