//! Arguments about dead letters.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{EngineArgs, LetterFormat, StoreArgs, ValueArgs};
use crate::cli::values::{self, one_of};
use crate::dlq::filter::moment;
use crate::dlq::groups::{By, samples};
use crate::settings::quantity;

/// `inspect-dlq`.
#[derive(Debug, Args)]
#[command(after_help = include_str!("examples/inspect-dlq.txt").trim_ascii_end())]
pub struct InspectArgs {
    /// Files of dead letters (also compressed ones), directories, globs, addresses of queues, or - for stdin (else those in .dlq)
    #[arg(value_name = "DLQ", value_hint = clap::ValueHint::AnyPath)]
    pub queues: Vec<PathBuf>,
    /// What the groups are made by; several, with commas, for their combinations
    #[arg(long, value_parser = one_of::<By>(), default_value = "code", value_delimiter = ',', value_name = "WHAT")]
    pub by: Vec<By>,
    /// table, json (the same for programs), or the rows alone as csv or ndjson
    #[arg(long, value_enum, default_value_t = LetterFormat::Table, value_name = "FORM")]
    pub format: LetterFormat,
    /// Rows that are shown of each group
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = samples)]
    pub samples: usize,
    /// Write the rows alone to this file (.csv, .ndjson or .parquet)
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "export")]
    pub force: bool,
    /// Print records as they come, also where the queue is renamed by a replay or begun anew
    #[arg(long, conflicts_with = "export")]
    pub follow: bool,
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// `replay-dlq`.
#[derive(Debug, Args)]
#[command(after_help = include_str!("examples/replay-dlq.txt").trim_ascii_end())]
pub struct ReplayArgs {
    /// Files of dead letters, directories of them, or addresses of queues (else those in .dlq)
    #[arg(value_name = "DLQ", value_hint = clap::ValueHint::AnyPath)]
    pub queues: Vec<PathBuf>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub mend: MendArgs,
    /// Times that a row is tried before it is parked [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Replay")]
    pub max_attempts: Option<u32>,
    /// Keep what was loaded, in a file in this directory
    #[arg(long, value_name = "DIR", help_heading = "Replay")]
    pub archive: Option<PathBuf>,
    /// Write rows also over ones that were stored after they failed, and take over a queue that another machine has claimed
    #[arg(long, help_heading = "Replay")]
    pub force: bool,
    /// Take the rows out of the queue without loading them
    #[arg(long, conflicts_with_all = ["force", "dry_run", "set", "map", "table", "dataset"], help_heading = "Replay")]
    pub discard: bool,
    /// Read, map and check everything; write nothing and leave the queue as it is
    #[arg(long, help_heading = "Replay")]
    pub dry_run: bool,
    /// Size at which the queue begins another file, for instance 100M
    #[arg(long, value_name = "SIZE", value_parser = quantity::size, help_heading = "Replay")]
    pub dlq_max_bytes: Option<u64>,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which rows")]
pub struct FilterArgs {
    /// Rows with that value in a field of the record's metadata or of their own
    #[arg(long, value_name = "FIELD=VALUE", value_parser = quantity::pair)]
    pub r#where: Vec<(String, String)>,
    /// Rows that failed with that code: a SQLSTATE, or one of ours such as bad_number
    #[arg(long, value_name = "CODE")]
    pub code: Vec<String>,
    /// Rows that failed there: decode, validate, write, overflow or abort
    #[arg(long, value_name = "STAGE")]
    pub stage: Vec<String>,
    /// Rows that failed last at that time or later: 2024-11-23, 2024-11-23T08:00:00Z, or 2h or 7d ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<i64>,
    /// Rows that failed last before that time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<i64>,
    /// Rows of that symbol
    #[arg(long, value_name = "SYMBOL")]
    pub symbol: Vec<String>,
    /// So many rows at most (the newest ones, where rows are handed out or replayed)
    #[arg(long, value_name = "N", value_parser = quantity::count)]
    pub limit: Option<usize>,
}

/// What is done to rows on the way.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Mending")]
pub struct MendArgs {
    /// What the rows are (else as their records say, or detected)
    #[arg(long, value_parser = values::dataset(), value_name = "DATASET")]
    pub dataset: Option<String>,
    /// Load into this table (else the one that they were meant for)
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub table: Option<String>,
    #[command(flatten)]
    pub values: ValueArgs,
}
