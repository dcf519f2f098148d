//! Arguments of `health`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::args::StoreArgs;
use crate::settings::quantity;

const HEALTH_EXAMPLES: &str = "\
Examples:
  mdsctl health --dsn postgres://localhost/market
  mdsctl health --dsn postgres://localhost/market --dlq-warn 100 --dlq-crit 10000 --dlq-age-crit 1d
  mdsctl health --url http://127.0.0.1:9100                a tail that runs, by its --metrics-listen
  mdsctl health --json | jq '.findings[] | select(.status != \"ok\")'

As monitoring plugins do: the first line says how it is, with numbers behind a |; a line for each finding
follows, with what to do about it. Exit codes: 0 ok, 1 warning, 2 critical, 3 unknown.

Critical: the store cannot be reached or takes no rows, the tenant is unknown, an instance is not ready,
a limit of yours is passed. Warning: no tables, tables that differ from what schema apply made, no
ledger, a job of TimescaleDB has failed, rows or damaged lines in the dead-letter queue, rows given up, a
replay that was interrupted. Tables that something else made are used as they are.";

/// `health`.
#[derive(Debug, Args)]
#[command(after_help = HEALTH_EXAMPLES)]
pub struct HealthArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Longest time that all of it may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = quantity::some_time, help_heading = "Limits")]
    pub timeout: Duration,
    /// A warning where the store takes so long to answer
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Limits")]
    pub warn_latency: Option<Duration>,
    /// Critical where the store takes so long to answer
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Limits")]
    pub crit_latency: Option<Duration>,
    /// A dead-letter queue, or a directory of them (may be given more than once; else .dlq)
    #[arg(long, value_name = "PATH", help_heading = "Dead letters")]
    pub dlq: Vec<PathBuf>,
    /// So many dead rows are a warning
    #[arg(long, value_name = "ROWS", default_value = "1", value_parser = quantity::count, help_heading = "Dead letters")]
    pub dlq_warn: usize,
    /// So many dead rows are critical
    #[arg(long, value_name = "ROWS", value_parser = quantity::count, help_heading = "Dead letters")]
    pub dlq_crit: Option<usize>,
    /// A row that failed first so long ago is a warning
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Dead letters")]
    pub dlq_age_warn: Option<Duration>,
    /// A row that failed first so long ago is critical
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Dead letters")]
    pub dlq_age_crit: Option<Duration>,
    /// A running instance, by the address of its --metrics-listen
    #[arg(long, value_name = "URL", help_heading = "Running instance")]
    pub url: Option<String>,
    /// The token that it wants
    #[arg(
        long,
        value_name = "TOKEN",
        env = "MDS_METRICS_TOKEN",
        hide_env_values = true,
        help_heading = "Running instance"
    )]
    pub token: Option<String>,
}
