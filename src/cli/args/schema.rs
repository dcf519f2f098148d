//! Arguments of `schema`.

use clap::{Args, Subcommand};

use crate::cli::args::StoreArgs;
use crate::sink::{DistributeBy, PeriodOf, distribute, period, period_or_never, role};

/// `schema`.
#[derive(Debug, Args)]
#[command(after_help = include_str!("examples/schema.txt").trim_ascii_end())]
pub struct SchemaArgs {
    /// What to do
    #[command(subcommand)]
    pub action: SchemaAction,
}

/// What `schema` does.
#[derive(Debug, Subcommand)]
pub enum SchemaAction {
    /// Print the DDL
    Show(SchemaOptions),
    /// Create the tables, or bring them up to date; does nothing where all is well
    Apply(SchemaOptions),
    /// Compare the tables with what they should be
    Check(SchemaOptions),
}

/// Options of all `schema` actions.
#[derive(Debug, Args)]
pub struct SchemaOptions {
    #[command(flatten)]
    pub store: StoreArgs,
    /// With row-level security by tenant
    #[arg(long)]
    pub rls: bool,
    /// TimescaleDB: what a chunk spans (else ticks and quotes 1d, bars and options 7d, news 30d, fundamentals 90d)
    ///
    /// A table that is there changes from its next chunk on. This and the next two: a number with h,
    /// d, w or y, for all tables or, with DATASET=, for one (may be given more than once).
    #[arg(long, value_name = "[DATASET=]TIME", value_parser = period)]
    pub chunk: Vec<PeriodOf>,
    /// TimescaleDB: compress chunks older than this, or never (else ticks and quotes 7d, bars and options 30d,
    /// news 90d, fundamentals 365d)
    #[arg(long, value_name = "[DATASET=]TIME|never", value_parser = period_or_never)]
    pub compress_after: Vec<PeriodOf>,
    /// TimescaleDB: drop chunks older than this, or never (else nothing is dropped)
    #[arg(long, value_name = "[DATASET=]TIME|never", value_parser = period_or_never)]
    pub retention: Vec<PeriodOf>,
    /// Citus: spread the tables over the nodes by this column of their keys, mostly symbol
    ///
    /// For all tables or, with DATASET=, for one (may be given more than once); none leaves it on one node. A
    /// table that has rows is left where it is, and the statement that moves them is told.
    #[arg(long, value_name = "[DATASET=]COLUMN|none", value_parser = distribute)]
    pub distribute: Vec<DistributeBy>,
    /// Make the tables of these datasets without a key, such as ticks,quotes: rows are only added to them
    ///
    /// What a file has is stored once by the ledger, and rows that come twice are twice there. With TimescaleDB they are
    /// compressed as they are loaded, in a tenth of the room.
    #[arg(long, value_name = "DATASETS", value_delimiter = ',')]
    pub append_only: Vec<String>,
    /// Give this role what load, tail, replay-dlq, runs and health need (may be given more than once)
    ///
    /// Its name as it stands, without SQL's quotes. What it has already is not granted again; check says
    /// what it lacks.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub grant: Vec<String>,
}
