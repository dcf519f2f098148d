//! The command line as it is typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::cli::pages;
use crate::cli::values::{self, one_of};
use crate::dataset::quality::Quality;
use crate::dataset::separators::Decimal;
use crate::dataset::time::{DateOrder, Unit};
use crate::decode::unpivot::Unpivot;
use crate::decode::{Format, csv};
use crate::report::progress;
use crate::report::style::ColorChoice;
use crate::settings::{Bulk, OnConflict, RejectLimit, quantity};
use crate::source::TextEncoding;
use crate::source::followed::From;

mod dlq;
mod engine;
mod health;
mod schema;
mod verify;

pub use dlq::{FilterArgs, InspectArgs, ReplayArgs};
pub use engine::EngineArgs;
pub use health::HealthArgs;
pub use schema::{SchemaAction, SchemaArgs, SchemaOptions};
pub use verify::VerifyArgs;

/// Loads market data into PostgreSQL / TimescaleDB or SQLite, and never loses a row.
#[derive(Debug, Parser)]
#[command(name = "mdsctl", version, about, after_help = include_str!("args/examples/mdsctl.txt").trim_ascii_end(), max_term_width = 100, arg_required_else_help = true)]
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
    #[arg(long, global = true, value_parser = one_of::<ColorChoice>(), default_value = "auto", value_name = "WHEN")]
    pub color: ColorChoice,
    /// How progress is shown on stderr
    #[arg(long, global = true, value_parser = one_of::<progress::Choice>(), default_value = "auto", value_name = "FORM")]
    pub progress: progress::Choice,
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

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Write(WriteCommand),
    /// Say what is in a dead-letter queue and why, and hand its rows out
    #[command(name = "inspect-dlq", display_order = 2)]
    InspectDlq(Box<InspectArgs>),
    /// Hold files against the store: what is missing, different, or in the store alone
    #[command(display_order = 4)]
    Verify(Box<VerifyArgs>),
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

/// Those that write rows.
#[derive(Debug, Subcommand)]
pub enum WriteCommand {
    /// Load files, directories, globs, objects of a store or stdin (-)
    #[command(display_order = 0)]
    Load(Box<LoadArgs>),
    /// Follow growing files, globs, streams of a broker or a pipe (-) and keep loading
    #[command(display_order = 1)]
    Tail(Box<TailArgs>),
    /// Put the rows of a dead-letter queue through the engine again
    #[command(name = "replay-dlq", display_order = 3)]
    ReplayDlq(Box<ReplayArgs>),
}

/// The store.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE
    ///
    /// Without it: MDS_DSN, DATABASE_URL, dsn of the configuration file, then what PGSERVICE, PGHOST,
    /// PGDATABASE, … say, then sqlite:mds.db in the working directory. Keep passwords out of it:
    /// PGPASSWORD and ~/.pgpass are not shown to others.
    #[arg(long, value_name = "URL", env = "MDS_DSN", hide_env_values = true)]
    pub dsn: Option<String>,
    /// Tenant of the rows
    ///
    /// Rows that bring none are its own. What says another one is not written: a row is refused, a dead
    /// letter stays in the queue, and --set tenant_id=… beside it is an error.
    #[arg(long, value_name = "UUID|SLUG", env = "MDS_TENANT_ID", hide_env_values = true)]
    pub tenant: Option<String>,
}

/// `load`.
#[derive(Debug, Clone, Args)]
#[command(after_help = include_str!("args/examples/load.txt").trim_ascii_end(), allow_negative_numbers = true)]
pub struct LoadArgs {
    /// Files, directories, globs (quote them), addresses in an object store or on the web (s3://, gs://, az://, https://), or - for stdin
    #[arg(required = true, value_name = "INPUT", value_hint = ValueHint::AnyPath)]
    pub inputs: Vec<OsString>,
    #[command(flatten)]
    pub rows: RowsArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
    /// How rows get into a table that is empty: around its key, which is then built over all of them at once
    ///
    /// They wait in a table beside it (mds_bulk_…) and show when the load ends; an interrupted one is gone on with,
    /// or ended, by the next load into the table, --resume, or schema apply. It needs room for the rows twice.
    #[arg(long, value_parser = one_of::<Bulk>(), default_value = "auto", value_name = "WHEN", help_heading = "Engine")]
    pub bulk: Bulk,
    /// Behind the last row, compress the chunks of a hypertable that this load has written into
    ///
    /// Those that are as old as the table's compression job waits for (schema apply --compress-after), or that are over
    /// where it has none; chunks that are compressed already take in what has come behind that. For backfills.
    #[arg(long, conflicts_with = "share", help_heading = "Engine")]
    pub compress_after_load: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// `tail`.
#[derive(Debug, Args)]
#[command(after_help = include_str!("args/examples/tail.txt").trim_ascii_end(), allow_negative_numbers = true)]
pub struct TailArgs {
    /// Files, directories, globs (quote them), the address of a stream of Redis, NATS or Kafka, or - for a pipe; files need not be there yet
    #[arg(required = true, value_name = "INPUT", value_hint = ValueHint::AnyPath)]
    pub inputs: Vec<OsString>,
    /// Where to begin: at the start, at the end, or where an earlier tail has come to (else the start)
    #[arg(long, value_parser = one_of::<From>(), default_value = "checkpoint", value_name = "WHERE", help_heading = "Following")]
    pub from: From,
    /// Keep the places in this file (else `.mdsctl/tail-<hash of inputs and table>.json`)
    #[arg(long, value_name = "FILE", help_heading = "Following")]
    pub checkpoint: Option<PathBuf>,
    /// Time between two looks where the system tells of no changes
    #[arg(long, value_name = "DURATION", default_value = "250ms", value_parser = quantity::duration, help_heading = "Following")]
    pub poll: Duration,
    /// End when nothing has come for so long (else never)
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Following")]
    pub idle_exit: Option<Duration>,
    #[command(flatten)]
    pub rows: RowsArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// What `load` and `tail` take: where rows go, what they mean, how they are read, what happens to those that fail.
#[derive(Debug, Clone, Args)]
pub struct RowsArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub format: FormatArgs,
    #[command(flatten)]
    pub rejects: RejectArgs,
}

/// What the rows mean.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// What the rows are (else detected from the columns)
    #[arg(long, value_parser = values::dataset(), value_name = "DATASET")]
    pub dataset: Option<String>,
    /// How a vendor's files are read: a layout by name, none, or help for the list (else by the signs of the
    /// file)
    #[arg(long, value_name = "NAME")]
    pub layout: Option<String>,
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
    /// Let --set, --vendor, --symbol and --timeframe go over a column of the input that means the same
    ///
    /// Without it such a flag is refused, since it would make the rows of all symbols those of one. A day
    /// alone is taken with --map too, where another column has the time of day.
    #[arg(long)]
    pub force_set: bool,
    /// Columns from the name of the file, for instance '{symbol}-{timeframe}-{date}'
    ///
    /// {date} tells the day of rows that have a time of day alone. A name that can be divided in two
    /// ways is refused.
    #[arg(long, value_name = "PATTERN")]
    pub name_pattern: Option<String>,
    #[command(flatten)]
    pub values: ValueArgs,
}

/// How values are read and written, in loads and in replays.
#[derive(Debug, Clone, Args)]
pub struct ValueArgs {
    /// Take column TARGET from the column or field SOURCE; a time may be made of two, as in
    /// ts=DATE+TIME
    #[arg(long, value_name = "TARGET=SOURCE", value_parser = quantity::pair)]
    pub map: Vec<(String, String)>,
    /// Give a column the same value in every row
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = quantity::pair)]
    pub set: Vec<(String, String)>,
    /// What numbers are as times (else an epoch in s, ms, us or ns or a date YYYYMMDD, deduced and held to)
    #[arg(long, value_parser = one_of::<Unit>(), value_name = "UNIT")]
    pub timestamp_unit: Option<Unit>,
    /// Zone of times that name none, for instance America/New_York (else UTC)
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// Order of dates such as 10/9/2020 and 24/01/15 (else deduced, where a row settles it)
    #[arg(long, value_parser = one_of::<DateOrder>(), value_name = "ORDER")]
    pub date_order: Option<DateOrder>,
    /// How times are written, as strftime has it, for instance '%d.%m.%Y %H:%M' (else found out)
    ///
    /// Of the column that tells the time of the rows; COLUMN=FORMAT is for another one. A value that is written otherwise
    /// costs its row. A format of the day alone leaves what follows it to be read as a time of day.
    #[arg(long, value_name = "[COLUMN=]FORMAT")]
    pub time_format: Vec<String>,
    /// Short for --decimal ,
    #[arg(long)]
    pub decimal_comma: bool,
    /// What stands before the decimals of a number, `.` or `,` (else judged by all numbers of the input)
    #[arg(long, value_name = "SIGN", default_value_if("decimal_comma", "true", ","))]
    pub decimal: Option<Decimal>,
    /// Multiply the numbers that the input has in a column, exactly, as in close=0.0001 or price=1e-9
    #[arg(long, value_name = "COLUMN=FACTOR", value_parser = quantity::pair, allow_negative_numbers = true)]
    pub scale: Vec<(String, String)>,
    /// A further text that stands for null, in text too (in numbers and times beside empty, null, NaN,
    /// inf, None, \N and -)
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
    #[arg(long, value_parser = one_of::<OnConflict>(), default_value = "update", value_name = "HOW")]
    pub on_conflict: OnConflict,
    /// What to do with implausible rows (high below low, negative sizes, times in the future)
    #[arg(long, value_parser = one_of::<Quality>(), default_value = "warn", value_name = "HOW")]
    pub quality: Quality,
}

/// How the bytes are read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Format")]
pub struct FormatArgs {
    /// Format of the input (else told by its bytes, then by its name)
    #[arg(long, value_parser = values::format(), value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Encoding of the text, such as windows-1252, latin-1, utf-16le or shift_jis
    ///
    /// Else it is UTF-8, what a byte order mark says, or Windows-1252 where the first texts that are
    /// not ASCII can be nothing else. utf-8 is never taken for another.
    #[arg(long, value_name = "NAME", value_parser = TextEncoding::of_name)]
    pub encoding: Option<TextEncoding>,
    /// Delimiter of CSV (else deduced from the header)
    #[arg(long, value_name = "C", value_parser = csv::delimiter)]
    pub delimiter: Option<u8>,
    /// The CSV has no header; its columns are named 1, 2, 3, … and every line is a row
    #[arg(long)]
    pub no_header: bool,
    /// Make rows of columns: '{option_type}_{}' makes two of a row with call_bid and put_bid
    ///
    /// {COLUMN} is the part of a column's name that becomes a value, {} the part that is its name in the new
    /// row; {COLUMN=A|B} takes these values alone. '{asof}:ITEM' is for columns that are periods, with the
    /// names of the figures in the column ITEM.
    #[arg(long, value_name = "PATTERN", value_parser = Unpivot::parse)]
    pub unpivot: Option<Unpivot>,
    /// Names of the columns, in their order, where no line holds them (as of arrays in JSON)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Where the rows of a JSON document are, for instance results or data.bars (else they are found)
    ///
    /// Names are divided by dots; [0] is the first element of a list, [] stands for all of them. A dot alone
    /// says that the document is a row itself.
    #[arg(long, value_name = "PATH")]
    pub rows_at: Option<String>,
    /// Lines to skip before the header
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip_lines: u64,
    /// Pass over lines that begin with C, wherever they stand
    ///
    /// Else those that begin with # are comments, of CSV only before the header: behind it, and
    /// under --no-header, every line is a row. With '' there are no comments.
    #[arg(long, value_name = "C", value_parser = csv::comment, allow_hyphen_values = true)]
    pub comment: Option<String>,
    /// Look into the folders of folders
    #[arg(long)]
    pub recursive: bool,
}

/// What happens to rows that fail.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rejects")]
pub struct RejectArgs {
    /// Dead-letter queue: a file, a prefix in an object store, nats://HOST/SUBJECT or kafka://HOST/TOPIC (else `.dlq/<dataset>.ndjson`)
    #[arg(long, value_name = "PATH")]
    pub dlq: Option<PathBuf>,
    /// Begin a new queue file when this one would grow beyond SIZE (for instance 100M or 1G)
    ///
    /// The full one becomes NAME.1.ndjson, the next NAME.2.ndjson, and so on; none is deleted.
    /// Plain numbers are bytes; K, M, G and T are powers of 1024.
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    pub dlq_max_bytes: Option<u64>,
    /// Stop when more rows than this are rejected, or a larger share of the rows read
    #[arg(long, value_name = "N|P%")]
    pub max_rejects: Option<RejectLimit>,
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
    /// Share these inputs with all loaders that are given the same job, on any number of machines
    #[arg(long, value_name = "JOB", conflicts_with_all = ["resume", "source_id", "dry_run"])]
    pub share: Option<String>,
    /// Silence after which other loaders of a job take over what a loader has claimed
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = quantity::duration)]
    pub lease: Duration,
    /// Size of the parts that a job is claimed in (else 64M, less where it has few files)
    #[arg(long, value_name = "SIZE", value_parser = quantity::size, requires = "share")]
    pub part_size: Option<u64>,
}

/// `runs`.
#[derive(Debug, Args)]
#[command(after_help = include_str!("args/examples/runs.txt").trim_ascii_end())]
pub struct RunsArgs {
    /// A run, by its id or the beginning of that, or a shared job
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Show so many, the newest first
    #[arg(long, value_name = "N", default_value = "20", value_parser = quantity::count)]
    pub limit: usize,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `--format` of `inspect-dlq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LetterFormat {
    Table,
    Json,
    Csv,
    Ndjson,
}

/// `completions`.
#[derive(Debug, Args)]
#[command(after_help = include_str!("args/examples/completions.txt").trim_ascii_end())]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_parser = pages::script(), value_name = "SHELL")]
    pub shell: &'static str,
}

/// `man`.
#[derive(Debug, Args)]
#[command(after_help = include_str!("args/examples/man.txt").trim_ascii_end())]
pub struct ManArgs {
    /// The command whose page is printed (else that of mdsctl itself)
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub command: Vec<String>,
    /// Write all pages into this directory, which is made where it is missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}
