//! Arguments of `health`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::args::StoreArgs;
use crate::settings::quantity;

/// `health`.
#[derive(Debug, Args)]
#[command(after_help = include_str!("examples/health.txt").trim_ascii_end())]
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
    /// A dead-letter queue, its address, or a directory of them (may be given more than once; else .dlq)
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
    /// A running instance, by the address of its --metrics-listen; may be given more than once, and the worst counts
    #[arg(long, value_name = "URL", help_heading = "Running instance")]
    pub url: Vec<String>,
    /// The token that it wants; the same for all of them
    #[arg(
        long,
        value_name = "TOKEN",
        env = "MDS_METRICS_TOKEN",
        hide_env_values = true,
        help_heading = "Running instance"
    )]
    pub token: Option<String>,
}
