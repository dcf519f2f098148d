//! What is in a dead-letter queue, for people ([`table`]) and for programs ([`json`]).

mod again;
mod json;
mod table;

pub use again::{only_table, replay_command, table_to_name};
pub use json::json;
pub use table::table;

use crate::dlq::stats::QueueStats;
use crate::text::fit::shorten;

/// A file of a queue, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFile {
    /// Its name.
    pub name: String,
    /// What there is to say of it beside: that a replay has it, or has given it up.
    pub what: Option<&'static str>,
    /// Its rows that are meant.
    pub rows: u64,
}

/// What was found.
#[derive(Debug, Clone, Copy)]
pub struct Findings<'a> {
    /// The files, in the order in which they were read.
    pub files: &'a [QueueFile],
    /// What is in them.
    pub survey: &'a QueueStats,
    /// What the groups are made by, in the words of `--by`.
    pub by: &'a [&'static str],
}

/// A text in one line, without what a terminal might obey.
pub fn plain(text: &str) -> String {
    shorten(text, usize::MAX - 1)
}
