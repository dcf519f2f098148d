//! Arguments of the engine, of all commands that write.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::values::one_of;
use crate::settings::{Overflow, Secret, quantity};

/// The engine.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// Workers, each with a connection of its own; auto: as many as the store is worth, 1 to 16
    #[arg(long, value_name = "N", env = "MDS_COORDINATOR_WORKERS", default_value = "auto", value_parser = quantity::workers)]
    pub workers: quantity::Workers,
    /// Rows that the queue holds
    #[arg(long, value_name = "ROWS", env = "MDS_COORDINATOR_CAPACITY", value_parser = quantity::count)]
    pub capacity: Option<usize>,
    /// Most rows in one transaction
    #[arg(long, value_name = "ROWS", env = "MDS_COORDINATOR_BATCH_SIZE", value_parser = quantity::count)]
    pub batch_size: Option<usize>,
    /// Longest time that a row waits for others to fill its batch (0: an idle worker takes what is there)
    ///
    /// For fewer and larger transactions of a trickle. Nothing waits for it at the end of the input, or
    /// when the queue is full.
    #[arg(long, value_name = "DURATION", env = "MDS_COORDINATOR_FLUSH_INTERVAL", value_parser = quantity::duration)]
    pub flush_interval: Option<Duration>,
    /// Most rows a second that are handed to the store, as in 5000 or 5000/s (else as many as it takes)
    #[arg(long, value_name = "ROWS/s", value_parser = quantity::rate)]
    pub rate_limit: Option<f64>,
    /// Queue depth at which producers are told to slow down (80 % of the capacity)
    #[arg(long, value_name = "ROWS", value_parser = quantity::count)]
    pub high_watermark: Option<usize>,
    /// Queue depth at which they may go on (50 % of the capacity)
    #[arg(long, value_name = "ROWS", value_parser = quantity::count)]
    pub low_watermark: Option<usize>,
    /// When the queue is full
    #[arg(long, value_parser = one_of::<Overflow>(), default_value = "block", value_name = "HOW")]
    pub overflow: Overflow,
    /// Attempts at a write before the circuit opens
    #[arg(long, value_name = "N", env = "MDS_RETRY_MAX_ATTEMPTS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub retry_max_attempts: u32,
    /// Wait before the second attempt (a bare number is milliseconds)
    #[arg(long, value_name = "DURATION", env = "MDS_RETRY_INITIAL_BACKOFF_MS", default_value = "50", value_parser = quantity::millis)]
    pub retry_initial_backoff: Duration,
    /// Longest wait between attempts (a bare number is milliseconds)
    #[arg(long, value_name = "DURATION", env = "MDS_RETRY_MAX_BACKOFF_MS", default_value = "2000", value_parser = quantity::millis)]
    pub retry_max_backoff: Duration,
    /// Factor from one wait to the next
    #[arg(long, value_name = "FACTOR", env = "MDS_RETRY_BACKOFF_MULTIPLIER", default_value_t = 2.0, value_parser = quantity::growth)]
    pub retry_multiplier: f64,
    /// Wait for exactly the computed time (MDS_RETRY_JITTER=false says the same)
    #[arg(long)]
    pub no_retry_jitter: bool,
    /// The Python system's variable speaks of jitter, our flag of its absence
    #[arg(long, value_name = "BOOL", env = "MDS_RETRY_JITTER", default_value = "true", hide = true, action = clap::ArgAction::Set, value_parser = quantity::truth)]
    pub retry_jitter: bool,
    /// Failures in a row that open the circuit
    #[arg(long, value_name = "N", env = "MDS_CB_FAILURE_THRESHOLD", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub cb_failure_threshold: u32,
    /// Time from the opening of the circuit to the first probe
    #[arg(long, value_name = "DURATION", env = "MDS_CB_HALF_OPEN_AFTER_SEC", default_value = "5", value_parser = quantity::duration)]
    pub cb_half_open_after: Duration,
    /// Give up when the store has been away for so long (for ever on a terminal, 15m elsewhere)
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration)]
    pub max_outage: Option<Duration>,
    /// Longest time that the store may take to answer one statement
    #[arg(long, value_name = "DURATION", default_value = "120", value_parser = quantity::duration)]
    pub write_timeout: Duration,
    /// Wait for the store also when it is away at the start
    #[arg(long)]
    pub wait: bool,
    /// Keep Prometheus metrics of the run in this file, for node_exporter's textfile collector
    ///
    /// It is replaced as a whole at the start, every 5 seconds and at the end, whatever the end.
    /// The collector reads files whose names end in .prom. A dry run writes none.
    #[arg(long, value_name = "PATH", env = "MDS_METRICS_TEXTFILE")]
    pub metrics_textfile: Option<PathBuf>,
    /// Label coord_id of the metrics (else the name of the dataset or table)
    ///
    /// For jobs that are to be told apart although they load the same dataset.
    #[arg(long, value_name = "NAME", env = "MDS_COORD_ID")]
    pub coord_id: Option<String>,
    /// Send traces of the run to an OpenTelemetry collector (OTLP over HTTP), as http://HOST:4318 or https://HOST
    ///
    /// One that is away or slow neither stops nor slows the run.
    #[arg(long, value_name = "ENDPOINT", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    pub otlp: Option<String>,
    /// Answer over HTTP while the run goes on: a live page at /, and /metrics, /healthz, /readyz,
    /// /status, /backpressure
    ///
    /// HOST:PORT, or a port of this machine's loopback; with port 0 any that is free. Another address
    /// needs --metrics-token or --metrics-public. A dry run does not listen.
    #[arg(long, value_name = "ADDR", env = "MDS_METRICS_LISTEN")]
    pub metrics_listen: Option<String>,
    /// Answer only who has this token (Authorization: Bearer TOKEN)
    #[arg(
        long,
        value_name = "TOKEN",
        env = "MDS_METRICS_TOKEN",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub metrics_token: Option<Secret>,
    /// Answer anyone, also on an address that other machines reach
    #[arg(long)]
    pub metrics_public: bool,
    /// POST each change of the queue's level (ok, soft, hard) as JSON to this URL
    ///
    /// Of changes that wait the newest is sent; the load never waits for it.
    #[arg(
        long,
        value_name = "URL",
        env = "MDS_FB_HTTP_ENDPOINT",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub feedback_url: Option<String>,
    /// Whether to send it
    #[arg(long, value_name = "BOOL", env = "MDS_FB_ENABLE_HTTP_BROADCAST", default_value = "true", hide = true, action = clap::ArgAction::Set, value_parser = quantity::truth)]
    pub feedback_broadcast: bool,
    /// Longest time that an attempt at sending it may take
    #[arg(long, value_name = "DURATION", env = "MDS_FB_HTTP_TIMEOUT", default_value = "2.5", hide = true, value_parser = quantity::duration)]
    pub feedback_timeout: Duration,
    /// Further attempts at sending it, before there is one every 30 seconds
    #[arg(long, value_name = "N", env = "MDS_FB_HTTP_MAX_RETRIES", default_value_t = 3, hide = true)]
    pub feedback_max_retries: u32,
    /// Wait before the first further attempt; it doubles
    #[arg(long, value_name = "DURATION", env = "MDS_FB_HTTP_BACKOFF", default_value = "0.5", hide = true, value_parser = quantity::duration)]
    pub feedback_backoff: Duration,
}
