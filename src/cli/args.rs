//! The command line as it is typed.

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::cli::values::{self, Limit};
use crate::settings::Secret;

const EXAMPLES: &str = "\
Examples:
  Load a file into mds.db, the store that needs no server:
    mdsctl load bars.parquet
  Load all compressed CSV files below a folder into PostgreSQL:
    mdsctl load 'data/**/*.csv.gz' --dsn postgres://localhost/market --vendor acme
  Load what a program prints:
    collector | mdsctl load - --vendor acme --timeframe 1m
  Make the tables first:
    mdsctl schema apply --dsn postgres://localhost/market

Environment: MDS_DSN or DATABASE_URL (or PGHOST, PGDATABASE, …) for the store, MDS_TENANT_ID,
MDS_COORDINATOR_…, MDS_RETRY_…, MDS_CB_…, MDS_METRICS_…, MDS_FB_…, MDS_COORD_ID; a flag goes
before its variable, and that before the configuration file (--config, ./mdsctl.toml,
~/.config/mdsctl/config.toml).

Exit codes: 0 all rows stored, 1 internal error, 2 usage or configuration, 3 some rows are in the
dead-letter queue, 4 stopped at --max-rejects, 5 store unavailable, 6 input unreadable or corrupt,
130/143 interrupted.";

/// Loads market data into PostgreSQL / TimescaleDB or SQLite, and never loses a row.
#[derive(Debug, Parser)]
#[command(name = "mdsctl", version, about, after_help = EXAMPLES, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct GlobalArgs {
    /// Configuration file (TOML, with the long names of the flags)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say more; twice for all
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Form of log lines on stderr
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORM")]
    pub log_format: LogFormat,
    /// Colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// How progress is shown on stderr
    #[arg(long, global = true, value_enum, default_value_t = ProgressForm::Auto, value_name = "FORM")]
    pub progress: ProgressForm,
    /// Print the result as one JSON object on stdout
    #[arg(long, global = true)]
    pub json: bool,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressForm {
    /// A live block on a terminal, lines elsewhere
    Auto,
    /// The live block
    Bar,
    /// A line every few seconds
    Plain,
    /// A JSON object a line
    Json,
    /// Nothing
    None,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load files, directories, globs or stdin (-)
    Load(Box<LoadArgs>),
    /// Follow growing files, globs or a pipe (-) and keep loading
    Tail(Box<TailArgs>),
    /// Say what is in a dead-letter queue and why, and hand its rows out
    #[command(name = "inspect-dlq")]
    InspectDlq(Box<InspectArgs>),
    /// Put the rows of a dead-letter queue through the engine again
    #[command(name = "replay-dlq")]
    ReplayDlq(Box<ReplayArgs>),
    /// Say whether the store, its tables, the dead letters and a running instance are well
    Health(HealthArgs),
    /// The history of loads: when, what, how many rows, how it ended
    Runs(RunsArgs),
    /// The tables: print their DDL, create them, compare them
    Schema(SchemaArgs),
    /// Completions of the command line for a shell, on stdout
    Completions(CompletionsArgs),
    /// The manual: a page on stdout, or all of them into a directory
    Man(ManArgs),
}

/// The store.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE
    ///
    /// Without it: MDS_DSN, DATABASE_URL, then what PGSERVICE, PGHOST, PGDATABASE, … say, then
    /// sqlite:mds.db in the working directory. Keep passwords out of it: PGPASSWORD and ~/.pgpass
    /// are not shown to others.
    #[arg(long, value_name = "URL", env = "MDS_DSN", hide_env_values = true)]
    pub dsn: Option<String>,
    /// Tenant of the rows
    #[arg(long, value_name = "UUID|SLUG", env = "MDS_TENANT_ID", hide_env_values = true)]
    pub tenant: Option<String>,
}

const LOAD_EXAMPLES: &str = "\
Examples:
  mdsctl load bars.parquet
  mdsctl load 'data/**/*.csv.gz' --vendor acme --timeframe 1m --dsn postgres://localhost/market
  mdsctl load BTCUSDT-1m-2024-02.csv --name-pattern '{symbol}-{timeframe}-{date}' --vendor binance \\
      --no-header --map ts=1 --map open_price=2 --map high_price=3 --map low_price=4 \\
      --map close_price=5 --map volume=6
  zcat ticks.ndjson.gz | mdsctl load - --dataset ticks --vendor acme
  mdsctl load trades.csv --table research.trades --map price=px --dry-run
  mdsctl load 'data/**/*.csv.gz' --vendor acme --resume
  zcat day.csv.gz | mdsctl load - --dataset ticks --source-id ticks-2024-03-04 --resume

--resume passes over what an interrupted load of the same inputs with the same settings has
committed; the number of workers and the size of batches may be others. Inputs are known by their
paths, sizes and a fingerprint of their beginnings and ends; a pipe by its --source-id, and it has
to bring the same rows from the start again. `mdsctl runs` shows what there is to go on with.

Column names are matched without regard to case and through their usual synonyms (open, o,
open_price; t, time, timestamp, date, window_start); what is not found is said, with the --map to
write. Rows that fail go to .dlq/<dataset>.ndjson with their reason, and the exit code is 3.";

/// `load`.
#[derive(Debug, Clone, Args)]
#[command(after_help = LOAD_EXAMPLES, allow_negative_numbers = true)]
pub struct LoadArgs {
    /// Files, directories, globs (quote them), or - for stdin
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub format: FormatArgs,
    #[command(flatten)]
    pub rejects: RejectArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

const TAIL_EXAMPLES: &str = "\
Examples:
  mdsctl tail ticks.csv --vendor acme --dsn postgres://localhost/market
  mdsctl tail 'feed/*.ndjson' --dataset ticks --vendor acme --from end
  mdsctl tail bars.csv --timeframe 1m --idle-exit 10m
  collector | mdsctl tail - --dataset bars --vendor acme

A line is taken when its line end has come. A file that is renamed is read to its end before its
successor; one that is truncated, or deleted and made again, is read from its start. New files that
match a glob are picked up. CSV and NDJSON as plain text only; mdsctl load reads the rest.

What is stored, or in the dead-letter queue, is noted in the checkpoint file, and the next tail goes
on behind it. After a crash the lines since the last note are read again: a table with a key has
them once all the same, one without a key may have them twice.";

/// `tail`.
#[derive(Debug, Args)]
#[command(after_help = TAIL_EXAMPLES, allow_negative_numbers = true)]
pub struct TailArgs {
    /// Files, directories, globs (quote them), or - for a pipe; files need not be there yet
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Where to begin: at the start, at the end, or where an earlier tail has come to (else the start)
    #[arg(long, value_enum, default_value_t = FromName::Checkpoint, value_name = "WHERE", help_heading = "Following")]
    pub from: FromName,
    /// Keep the places in this file (else `.mdsctl/tail-<hash of inputs and table>.json`)
    #[arg(long, value_name = "FILE", help_heading = "Following")]
    pub checkpoint: Option<PathBuf>,
    /// Time between two looks where the system tells of no changes
    #[arg(long, value_name = "DURATION", default_value = "250ms", value_parser = values::duration, help_heading = "Following")]
    pub poll: Duration,
    /// End when nothing has come for so long (else never)
    #[arg(long, value_name = "DURATION", value_parser = values::duration, help_heading = "Following")]
    pub idle_exit: Option<Duration>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub format: FormatArgs,
    #[command(flatten)]
    pub rejects: RejectArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// What the rows mean.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// What the rows are (else detected from the columns)
    #[arg(long, value_enum, value_name = "DATASET")]
    pub dataset: Option<DatasetName>,
    /// Load into this table; without --dataset its columns and key are the table's own
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub table: Option<String>,
    /// Short for --set vendor=V
    #[arg(long, value_name = "V")]
    pub vendor: Option<String>,
    /// Short for --set symbol=S
    #[arg(long, value_name = "S")]
    pub symbol: Option<String>,
    /// Short for --set timeframe=T (else from the columns, or from the spacing of the rows)
    #[arg(long, value_name = "T")]
    pub timeframe: Option<String>,
    /// Columns from the name of the file, for instance '{symbol}-{timeframe}-{date}'
    #[arg(long, value_name = "PATTERN")]
    pub name_pattern: Option<String>,
    #[command(flatten)]
    pub values: ValueArgs,
}

impl Deref for DataArgs {
    type Target = ValueArgs;

    fn deref(&self) -> &ValueArgs {
        &self.values
    }
}

/// How values are read and written, in loads and in replays.
#[derive(Debug, Clone, Args, serde::Serialize, serde::Deserialize)]
pub struct ValueArgs {
    /// Take column TARGET from the column or field SOURCE
    #[arg(long, value_name = "TARGET=SOURCE", value_parser = values::pair)]
    pub map: Vec<(String, String)>,
    /// Give a column the same value in every row
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = values::pair)]
    pub set: Vec<(String, String)>,
    /// Unit of epochs (else deduced from their magnitude, and held to)
    #[arg(long, value_enum, value_name = "UNIT")]
    pub timestamp_unit: Option<TimestampUnit>,
    /// Zone of times that name none, for instance America/New_York (else UTC)
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// Order of dates such as 10/9/2020 (else deduced, where a row settles it)
    #[arg(long, value_enum, value_name = "ORDER")]
    pub date_order: Option<DateOrderName>,
    /// A further text that stands for null (beside empty, null, NaN, None, \N and -)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub null: Vec<String>,
    /// Leave symbols in the case that they have
    #[arg(long)]
    pub keep_case: bool,
    /// Reject values with more decimals than their column, rather than round them
    #[arg(long)]
    pub exact: bool,
    /// Round fractions for columns of whole numbers, rather than reject them
    #[arg(long, conflicts_with = "exact")]
    pub round: bool,
    /// What happens to a row whose key is in the table already, or came before in the input
    #[arg(long, value_enum, default_value_t = OnConflictName::Update, value_name = "HOW")]
    pub on_conflict: OnConflictName,
    /// What to do with implausible rows (high below low, negative sizes, times in the future)
    #[arg(long, value_enum, default_value_t = QualityName::Warn, value_name = "HOW")]
    pub quality: QualityName,
}

/// How the bytes are read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Format")]
pub struct FormatArgs {
    /// Format of the input (else told by its bytes, then by its name)
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<FormatName>,
    /// Delimiter of CSV (else deduced from the header)
    #[arg(long, value_name = "C", value_parser = values::delimiter)]
    pub delimiter: Option<u8>,
    /// The CSV has no header; its columns are named 1, 2, 3, …
    #[arg(long)]
    pub no_header: bool,
    /// Lines to skip before the header
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip_lines: u64,
    /// Look into the folders of folders
    #[arg(long)]
    pub recursive: bool,
}

/// What happens to rows that fail.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rejects")]
pub struct RejectArgs {
    /// Dead-letter queue (else `.dlq/<dataset>.ndjson`)
    #[arg(long, value_name = "PATH")]
    pub dlq: Option<PathBuf>,
    /// Begin a new queue file when this one would grow beyond SIZE (for instance 100M or 1G)
    ///
    /// The full one becomes NAME.1.ndjson, the next NAME.2.ndjson, and so on; none is deleted.
    /// Plain numbers are bytes; K, M, G and T are powers of 1024.
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub dlq_max_bytes: Option<u64>,
    /// Stop when more rows than this are rejected, or a larger share of the rows read
    #[arg(long, value_name = "N|P%", value_parser = values::limit)]
    pub max_rejects: Option<Limit>,
    /// Read, map and check everything; write nothing, neither to the store nor to the queue
    #[arg(long)]
    pub dry_run: bool,
}

/// What earlier runs mean for this one.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "History")]
pub struct HistoryArgs {
    /// Go on where an interrupted load of the same inputs stopped
    #[arg(long, conflicts_with_all = ["dry_run", "force"])]
    pub resume: bool,
    /// Name by which a later run knows this input again; needed to resume a pipe
    ///
    /// It stands for the content: another day's rows need another name.
    #[arg(long, value_name = "NAME")]
    pub source_id: Option<String>,
    /// Load into a table without a key what an earlier run has loaded into it already
    #[arg(long)]
    pub force: bool,
}

const INSPECT_EXAMPLES: &str = "\
Examples:
  mdsctl inspect-dlq                                   what is in .dlq, by reason
  mdsctl inspect-dlq .dlq/bars.ndjson --by source,symbol --since 1d
  mdsctl inspect-dlq --code bad_number --export mend.csv     rows alone, to be mended and loaded
  mdsctl inspect-dlq --format ndjson | jq -c '.volume |= floor' | mdsctl load - --dataset bars
  mdsctl inspect-dlq --json | jq .rows                 the depth, for a monitor
  zcat old.ndjson.gz | mdsctl inspect-dlq -            what somebody has archived
  mdsctl inspect-dlq --follow --stage write            a line for each record as it comes

A queue brings the files that stand beside it: what was set aside when it was full (NAME.1.ndjson, …) and
what a replay has claimed (NAME.claimed.ndjson); a directory also what was parked. Lines that are damaged
are counted and passed over. The queue is only read, never changed.

An export has all rows that are meant, with every digit; its columns are texts in Parquet too. Rows that
could not be read have no columns and are left out. --follow ends with Ctrl-C (exit code 130), or after
--limit rows (0).";

/// `inspect-dlq`.
#[derive(Debug, Args)]
#[command(after_help = INSPECT_EXAMPLES)]
pub struct InspectArgs {
    /// Files of dead letters (also .gz and .zst), directories, globs, or - for stdin (else those in .dlq)
    #[arg(value_name = "DLQ")]
    pub queues: Vec<PathBuf>,
    /// What the groups are made by; several, with commas, for their combinations
    #[arg(long, value_enum, default_value = "code", value_delimiter = ',', value_name = "WHAT")]
    pub by: Vec<ByName>,
    /// table, json (the same for programs), or the rows alone as csv or ndjson
    #[arg(long, value_enum, default_value_t = LetterFormat::Table, value_name = "FORM")]
    pub format: LetterFormat,
    /// Rows that are shown of each group
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = values::samples)]
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

const REPLAY_EXAMPLES: &str = "\
Examples:
  mdsctl replay-dlq                                    all queues in .dlq, into their own tables
  mdsctl replay-dlq .dlq/bars.ndjson --dsn postgres://localhost/market --archive .dlq/done
  mdsctl replay-dlq --code 22003 --since 2d --dry-run  what would happen
  mdsctl replay-dlq --code 23502 --set vendor=acme     mend rows on the way
  mdsctl replay-dlq --code bad_width --discard         take out what was mended and loaded elsewhere

A replay claims a queue by setting its file aside, so that new failures go to a fresh one. What fails
again returns with one more attempt, under its id and with the time when it failed first; after
--max-attempts it is parked in NAME.parked.ndjson. What was loaded is archived or deleted. A replay that
was interrupted loses nothing: the next one goes on with the file that it had claimed. Only one at a time
replays a queue; another one ends at once with exit code 2 and says who does.

A replay never undoes newer data: where the table has updated_at, a row that was stored after the dead
letter failed first stays, unless --force. An empty queue is exit code 0, so that cron is content.";

/// `replay-dlq`.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_EXAMPLES)]
pub struct ReplayArgs {
    /// Files of dead letters, or directories of them (else those in .dlq)
    #[arg(value_name = "DLQ")]
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
    /// Write rows also over ones that were stored after they failed
    #[arg(long, help_heading = "Replay")]
    pub force: bool,
    /// Take the rows out of the queue without loading them
    #[arg(long, conflicts_with_all = ["force", "dry_run", "set", "map", "table", "dataset"], help_heading = "Replay")]
    pub discard: bool,
    /// Read, map and check everything; write nothing and leave the queue as it is
    #[arg(long, help_heading = "Replay")]
    pub dry_run: bool,
    /// Size at which the queue begins another file, for instance 100M
    #[arg(long, value_name = "SIZE", value_parser = values::size, help_heading = "Replay")]
    pub dlq_max_bytes: Option<u64>,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which rows")]
pub struct FilterArgs {
    /// Rows with that value in a field of the record's metadata or of their own
    #[arg(long, value_name = "FIELD=VALUE", value_parser = values::pair)]
    pub r#where: Vec<(String, String)>,
    /// Rows that failed with that code: a SQLSTATE, or one of ours such as bad_number
    #[arg(long, value_name = "CODE")]
    pub code: Vec<String>,
    /// Rows that failed there: decode, validate, write, overflow or abort
    #[arg(long, value_name = "STAGE")]
    pub stage: Vec<String>,
    /// Rows that failed last at that time or later: 2024-11-23, 2024-11-23T08:00:00Z, or 2h or 7d ago
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub since: Option<i64>,
    /// Rows that failed last before that time
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub until: Option<i64>,
    /// Rows of that symbol
    #[arg(long, value_name = "SYMBOL")]
    pub symbol: Vec<String>,
    /// So many rows at most (the newest ones, where rows are handed out or replayed)
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub limit: Option<usize>,
}

/// What is done to rows on the way.
#[derive(Debug, Clone, Args, serde::Serialize, serde::Deserialize)]
#[command(next_help_heading = "Mending")]
pub struct MendArgs {
    /// What the rows are (else as their records say, or detected)
    #[arg(long, value_enum, value_name = "DATASET")]
    pub dataset: Option<DatasetName>,
    /// Load into this table (else the one that they were meant for)
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub table: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub values: ValueArgs,
}

impl MendArgs {
    /// As a load has them.
    pub fn data(&self) -> DataArgs {
        DataArgs {
            dataset: self.dataset,
            table: self.table.clone(),
            vendor: None,
            symbol: None,
            timeframe: None,
            name_pattern: None,
            values: self.values.clone(),
        }
    }
}

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
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = values::some_time, help_heading = "Limits")]
    pub timeout: Duration,
    /// A warning where the store takes so long to answer
    #[arg(long, value_name = "DURATION", value_parser = values::duration, help_heading = "Limits")]
    pub warn_latency: Option<Duration>,
    /// Critical where the store takes so long to answer
    #[arg(long, value_name = "DURATION", value_parser = values::duration, help_heading = "Limits")]
    pub crit_latency: Option<Duration>,
    /// A dead-letter queue, or a directory of them (may be given more than once; else .dlq)
    #[arg(long, value_name = "PATH", help_heading = "Dead letters")]
    pub dlq: Vec<PathBuf>,
    /// So many dead rows are a warning
    #[arg(long, value_name = "ROWS", default_value = "1", value_parser = values::count, help_heading = "Dead letters")]
    pub dlq_warn: usize,
    /// So many dead rows are critical
    #[arg(long, value_name = "ROWS", value_parser = values::count, help_heading = "Dead letters")]
    pub dlq_crit: Option<usize>,
    /// A row that failed first so long ago is a warning
    #[arg(long, value_name = "DURATION", value_parser = values::duration, help_heading = "Dead letters")]
    pub dlq_age_warn: Option<Duration>,
    /// A row that failed first so long ago is critical
    #[arg(long, value_name = "DURATION", value_parser = values::duration, help_heading = "Dead letters")]
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

const RUNS_EXAMPLES: &str = "\
Examples:
  mdsctl runs                                                the last loads into mds.db
  mdsctl runs --dsn postgres://localhost/market --limit 5
  mdsctl runs 0197a3f2-1b2c                                  all of one, and how to resume it
  mdsctl runs --json | jq '.[] | select(.status != \"done\")'

How a run ended: done (all rows stored), rejects (some are in the dead-letter queue), stopped (at
--max-rejects), interrupted (by a signal, or its process died), unavailable (the store stayed
away), failed. All but the first two can be gone on with: the same command with --resume.";

/// `runs`.
#[derive(Debug, Args)]
#[command(after_help = RUNS_EXAMPLES)]
pub struct RunsArgs {
    /// A run, by its id or the beginning of that
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Show so many, the newest first
    #[arg(long, value_name = "N", default_value = "20", value_parser = values::count)]
    pub limit: usize,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// The engine.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// Workers, each with a connection of its own
    #[arg(long, value_name = "N", env = "MDS_COORDINATOR_WORKERS", value_parser = values::count)]
    pub workers: Option<usize>,
    /// Rows that the queue holds
    #[arg(long, value_name = "ROWS", env = "MDS_COORDINATOR_CAPACITY", value_parser = values::count)]
    pub capacity: Option<usize>,
    /// Most rows in one transaction
    #[arg(long, value_name = "ROWS", env = "MDS_COORDINATOR_BATCH_SIZE", value_parser = values::count)]
    pub batch_size: Option<usize>,
    /// Longest time that a row may wait for others to join its batch (an idle worker takes what is
    /// there at once, so no row ever waits for this; kept for the variable's sake)
    #[arg(long, value_name = "DURATION", env = "MDS_COORDINATOR_FLUSH_INTERVAL", value_parser = values::duration)]
    pub flush_interval: Option<Duration>,
    /// Queue depth at which producers are told to slow down (80 % of the capacity)
    #[arg(long, value_name = "ROWS", value_parser = values::count)]
    pub high_watermark: Option<usize>,
    /// Queue depth at which they may go on (50 % of the capacity)
    #[arg(long, value_name = "ROWS", value_parser = values::count)]
    pub low_watermark: Option<usize>,
    /// When the queue is full
    #[arg(long, value_enum, default_value_t = OverflowName::Block, value_name = "HOW")]
    pub overflow: OverflowName,
    /// Attempts at a write before the circuit opens
    #[arg(long, value_name = "N", env = "MDS_RETRY_MAX_ATTEMPTS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub retry_max_attempts: u32,
    /// Wait before the second attempt (a bare number is milliseconds)
    #[arg(long, value_name = "DURATION", env = "MDS_RETRY_INITIAL_BACKOFF_MS", default_value = "50", value_parser = values::millis)]
    pub retry_initial_backoff: Duration,
    /// Longest wait between attempts (a bare number is milliseconds)
    #[arg(long, value_name = "DURATION", env = "MDS_RETRY_MAX_BACKOFF_MS", default_value = "2000", value_parser = values::millis)]
    pub retry_max_backoff: Duration,
    /// Factor from one wait to the next
    #[arg(long, value_name = "FACTOR", env = "MDS_RETRY_BACKOFF_MULTIPLIER", default_value_t = 2.0)]
    pub retry_multiplier: f64,
    /// Wait for exactly the computed time (MDS_RETRY_JITTER=false says the same)
    #[arg(long)]
    pub no_retry_jitter: bool,
    /// Failures in a row that open the circuit
    #[arg(long, value_name = "N", env = "MDS_CB_FAILURE_THRESHOLD", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub cb_failure_threshold: u32,
    /// Time from the opening of the circuit to the first probe
    #[arg(long, value_name = "DURATION", env = "MDS_CB_HALF_OPEN_AFTER_SEC", default_value = "5", value_parser = values::duration)]
    pub cb_half_open_after: Duration,
    /// Give up when the store has been away for so long (for ever on a terminal, 15m elsewhere)
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub max_outage: Option<Duration>,
    /// Longest time that the store may take to answer one statement
    #[arg(long, value_name = "DURATION", default_value = "120", value_parser = values::duration)]
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
    /// Send traces of the run to an OpenTelemetry collector (OTLP over HTTP), as http://HOST:4318
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
    #[arg(long, value_name = "TOKEN", env = "MDS_METRICS_TOKEN", hide_env_values = true, hide_default_value = true, value_parser = values::secret)]
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
    #[arg(long, value_name = "BOOL", env = "MDS_FB_ENABLE_HTTP_BROADCAST", default_value = "true", hide = true, action = clap::ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new())]
    pub feedback_broadcast: bool,
    /// Longest time that an attempt at sending it may take
    #[arg(long, value_name = "DURATION", env = "MDS_FB_HTTP_TIMEOUT", default_value = "2.5", hide = true, value_parser = values::duration)]
    pub feedback_timeout: Duration,
    /// Further attempts at sending it, before there is one every 30 seconds
    #[arg(long, value_name = "N", env = "MDS_FB_HTTP_MAX_RETRIES", default_value_t = 3, hide = true)]
    pub feedback_max_retries: u32,
    /// Wait before the first further attempt; it doubles
    #[arg(long, value_name = "DURATION", env = "MDS_FB_HTTP_BACKOFF", default_value = "0.5", hide = true, value_parser = values::duration)]
    pub feedback_backoff: Duration,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $word:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$each])* $word),+ }
    };
}

words!(
    /// `--dataset`.
    DatasetName { Bars, Ticks, Options, Fundamentals, News }
);
words!(
    /// `--from`.
    FromName { Start, End, Checkpoint }
);
words!(
    /// `--by`.
    ByName { Code, Stage, Dataset, Source, Symbol, Hour }
);
words!(
    /// `--format` of `inspect-dlq`.
    LetterFormat { Table, Json, Csv, Ndjson }
);
words!(
    /// `--timestamp-unit`.
    TimestampUnit { S, Ms, Us, Ns }
);
words!(
    /// `--date-order`.
    DateOrderName { Mdy, Dmy, Ymd }
);
words!(
    /// `--quality`.
    QualityName {
        /// Do not look
        Off,
        /// Count and report them, and store them
        Warn,
        /// Reject them
        Reject,
    }
);
words!(
    /// `--on-conflict`.
    OnConflictName {
        /// It replaces the row that is there; the last row of a key wins
        Update,
        /// The row that is there stays, and this one is counted as skipped; the first wins
        Skip,
        /// The row that is there stays, and this one goes to the dead-letter queue
        Error,
    }
);
words!(
    /// `--format`.
    FormatName { Csv, Ndjson, Parquet }
);
words!(
    /// `--overflow`.
    OverflowName {
        /// Wait
        Block,
        /// Drop the oldest rows into the dead-letter queue
        DropOldest,
        /// Stop
        Error,
    }
);

const SCHEMA_EXAMPLES: &str = "\
Examples:
  mdsctl schema show                                          the DDL, for reading or for another tool
  mdsctl schema apply --dsn postgres://localhost/market       create the tables, or bring them up to date
  mdsctl schema check --dsn postgres://localhost/market       compare; exit code 2 where they differ
  mdsctl schema apply --chunk bars=90d --compress-after 60d --retention ticks=2y";

/// `schema`.
#[derive(Debug, Args)]
#[command(after_help = SCHEMA_EXAMPLES)]
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
    /// TimescaleDB: what a chunk spans (else ticks 1d, bars and options 7d, news 30d, fundamentals 90d)
    ///
    /// A table that is there changes from its next chunk on. This and the next two: a number with h,
    /// d, w or y, for all tables or, with DATASET=, for one (may be given more than once).
    #[arg(long, value_name = "[DATASET=]TIME", value_parser = values::period)]
    pub chunk: Vec<values::Said>,
    /// TimescaleDB: compress chunks older than this, or never (else ticks 7d, bars and options 30d,
    /// news 90d, fundamentals 365d)
    #[arg(long, value_name = "[DATASET=]TIME|never", value_parser = values::period_or_never)]
    pub compress_after: Vec<values::Said>,
    /// TimescaleDB: drop chunks older than this, or never (else nothing is dropped)
    #[arg(long, value_name = "[DATASET=]TIME|never", value_parser = values::period_or_never)]
    pub retention: Vec<values::Said>,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  mdsctl completions bash > ~/.local/share/bash-completion/completions/mdsctl
  mdsctl completions zsh > ~/.zfunc/_mdsctl            where ~/.zfunc is in fpath, before compinit
  mdsctl completions fish > ~/.config/fish/completions/mdsctl.fish
  mdsctl completions elvish >> ~/.config/elvish/rc.elv
  mdsctl completions powershell >> $PROFILE            in PowerShell itself

Debian's package has those for bash, zsh and fish in place.";

/// `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

const MAN_EXAMPLES: &str = "\
Examples:
  mdsctl man | man -l -                                the page of mdsctl itself
  mdsctl man load | man -l -                           that of a command
  mdsctl man schema apply | man -l -
  mdsctl man --dir ~/.local/share/man/man1             all pages, for man mdsctl-load

One page goes to stdout, as man and mandoc read it; nothing is written to files but under --dir.";

/// `man`.
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub struct ManArgs {
    /// The command whose page is printed (else that of mdsctl itself)
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub command: Vec<String>,
    /// Write all pages into this directory, which is made where it is missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}
