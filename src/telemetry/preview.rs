//! What a load would do, or what it lacks: of a dry run, and of a load that was refused.

use std::ffi::OsString;

use serde::Serialize;

use crate::pipeline::glimpse::{ColumnView, Detected, UnusedColumn};

/// What is known of a load before it writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Preview {
    /// The input that is shown: the first one with rows.
    pub input: String,
    /// What was found out of it, and by what.
    pub detected: Vec<Detected>,
    /// The columns of the table that get values.
    pub columns: Vec<ColumnView>,
    /// Columns of the input that feed none.
    pub unused: Vec<UnusedColumn>,
    /// What the rows are to the table as it is.
    pub compared: Option<Compared>,
    /// A value of each kind of reject.
    pub rejects: Vec<RejectExample>,
    /// What is missing, with what may be meant.
    pub missing: Vec<Missing>,
    /// What no flag of those answers: a sentence.
    pub open: Option<String>,
    /// The command that loads the input, as a shell takes it, with `VALUE` and `COLUMN` where something is left to say.
    pub command: Option<String>,
    /// Whether nothing is left to say in it.
    pub complete: bool,
    /// Its words behind the name of the program.
    #[serde(skip)]
    pub words: Vec<OsString>,
}

/// Rows beside those of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Rows of the input that were compared, from the first on.
    pub rows: u64,
    /// Whether those are all.
    pub all: bool,
    /// Keys among them that the table does not have.
    pub inserted: u64,
    /// Keys that it has with other values.
    pub updated: u64,
    /// Keys that it has with the same values.
    pub unchanged: u64,
    /// Rows that a later one of the input replaces before.
    pub superseded: u64,
    /// Why they could not be compared, or not all of them.
    pub failed: Option<String>,
}

/// A value that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectExample {
    /// The kind of reject.
    pub code: String,
    /// The column, where it is about one.
    pub column: Option<String>,
    /// The input.
    pub source: String,
    /// The row in it.
    pub row: u64,
    /// The value, or the line where it is about that.
    pub value: String,
}

/// Something that has to be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The flag that says it.
    pub flag: String,
    /// What has to be said of it, as in `ts=COLUMN`.
    pub value: Option<String>,
    /// By what the value is guessed, where it is.
    pub guessed_by: Option<String>,
}
