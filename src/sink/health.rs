//! What a store tells of itself to those who watch over it.

use std::time::Duration;

use uuid::Uuid;

use crate::dataset::Dataset;
use crate::error::{Error, Result};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct HealthQuestion<'a> {
    /// The datasets whose tables are looked at.
    pub datasets: &'a [Dataset],
    /// The tenant that rows are to be loaded for.
    pub tenant: Option<&'a str>,
}

/// One thing that there is to know.
#[derive(Debug)]
pub enum HealthFact {
    /// There is no such store; with its name.
    Missing(String),
    /// It cannot be reached, or not be used.
    Unusable {
        /// Why.
        error: Error,
        /// What to do.
        remedy: Option<String>,
    },
    /// It has answered.
    Answered(Answer),
    /// Whether it takes rows.
    Writable {
        /// Whether it does.
        yes: bool,
        /// One sentence: whether rows can be written, or why not.
        words: String,
        /// What to do where it does not.
        remedy: String,
    },
    /// Its tables are of a version that this program does not know.
    Newer(i64),
    /// The tables of datasets.
    Tables {
        /// Those that are there.
        tables: Result<Vec<TableHealth>>,
        /// What it means where none is.
        none: String,
    },
    /// Tables of the ledger that are missing.
    Ledger(Result<Vec<&'static str>>),
    /// The tenant that was asked for.
    Tenant {
        /// Who it is, and the same in words.
        found: Result<(Uuid, String)>,
        /// What to do where there is no such tenant.
        remedy: String,
    },
    /// Jobs that fail; `None` where there are no jobs.
    Jobs(Result<Option<Vec<FailingJob>>>),
}

/// How a store has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it is called.
    pub name: String,
    /// How long it took.
    pub took: Duration,
    /// The parts of that time: in words, and as a measure.
    pub parts: Vec<(&'static str, &'static str, Duration)>,
    /// What it is, with its version.
    pub product: Option<String>,
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// What to do where that took too long.
    pub slow: &'static str,
}

/// The table of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableHealth {
    /// Its name.
    pub table: String,
    /// In what it is not as `schema apply` makes it.
    pub differences: Vec<String>,
    /// Whether `schema apply` has made it; `None` where this role may not know.
    pub ours: Option<bool>,
}

/// A job of the store's own whose last run has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingJob {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The table that it is about.
    pub table: Option<String>,
    /// Failures so far.
    pub failures: i64,
    /// What went wrong last, where we may know.
    pub error: Option<String>,
}
