//! Validated values that the engine, the sources and the stores work by. No command line here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::files::folder_of;
use crate::objects::Address;
use crate::text::choice::choices;
use crate::text::flags::{HIGH_WATERMARK, LOW_WATERMARK};

pub mod quantity;

/// A text that must not be printed: `Debug` and `Display` show `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How patiently each change of the queue's level is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedbackSettings {
    /// Longest time that an attempt may take.
    pub timeout: Duration,
    /// Attempts after the first that follow in growing distances; then there is one now and then.
    pub retries: u32,
    /// Wait before the first of them; it doubles.
    pub backoff: Duration,
}

/// Whether a connection string has a password in it, as a URL or as key and value.
pub fn holds_password(text: &str) -> bool {
    if let Some((_, rest)) = text.split_once("://") {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let given = user.split_once(':').is_some_and(|(_, password)| !password.is_empty());
        return given || rest.contains("password=");
    }
    // Parted by semicolons, it is none of ours, and has one all the same.
    text.split(|c: char| c.is_whitespace() || c == ';').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        ["password", "pwd", "sslpassword"].contains(&&*name)
    })
}

/// What happens to rows that come while the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The producer waits.
    Block,
    /// The oldest rows that wait are dropped, into the dead-letter queue.
    DropOldest,
    /// The submission fails.
    Error,
}

choices!(Overflow:
    Block = "block": "Wait",
    DropOldest = "drop-oldest": "Drop the oldest rows into the dead-letter queue",
    Error = "error": "Stop",
);

/// What happens to a row whose key is in the table already, or came before in the same input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// It replaces the row that is there.
    #[default]
    Update,
    /// The row that is there stays; this one is counted as skipped.
    Skip,
    /// The row that is there stays; this one is rejected (SQLSTATE 23505).
    Error,
}

choices!(OnConflict:
    Update = "update": "It replaces the row that is there; the last row of a key wins",
    Skip = "skip": "The row that is there stays, and this one is counted as skipped; the first wins",
    Error = "error": "The row that is there stays, and this one goes to the dead-letter queue",
);

/// Whether the first load of an empty table goes around its key, which is built at the end over all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bulk {
    /// Where the inputs are large and nothing speaks against it.
    #[default]
    Auto,
    /// Never: each row shows in the table as soon as it is stored.
    Never,
    /// Whatever the inputs are; an error where it cannot be.
    Always,
}

choices!(Bulk:
    Auto = "auto": "Where the inputs are 16 MiB or more, and the table is empty and plain",
    Never = "never": "Rows go through the key one batch after the other, and show at once",
    Always = "always": "Also for small inputs and pipes; an error where the table does not allow it",
);

/// When rows are tried once more that were refused for other rows (a second unique constraint, a
/// foreign key to the table itself).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecondTry {
    /// When all rows have been written.
    #[default]
    AtEnd,
    /// When all rows have been written that came so far: for what has no end.
    WhenIdle,
}

/// How often and how patiently a transient failure is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetrySettings {
    /// Attempts of one write before the worker leaves it to the circuit breaker alone.
    pub max_attempts: u32,
    /// Wait before the second attempt.
    pub initial_backoff: Duration,
    /// Longest wait.
    pub max_backoff: Duration,
    /// Factor from one wait to the next.
    pub multiplier: f64,
    /// Whether each wait is drawn between half and the whole of its length.
    pub jitter: bool,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            initial_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(2),
            multiplier: 2.0,
            jitter: true,
        }
    }
}

/// When the circuit opens and when it is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Transient failures in a row that open it.
    pub failure_threshold: u32,
    /// Time from opening to the first probe.
    pub half_open_after: Duration,
}

impl Default for BreakerSettings {
    /// The Python system waits 60 s; a restart of PostgreSQL takes seconds, so we probe after 5.
    fn default() -> Self {
        Self { failure_threshold: 5, half_open_after: Duration::from_secs(5) }
    }
}

/// `--max-rejects`: a number of rows, or a share of those read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RejectLimit {
    /// Rows.
    Rows(u64),
    /// Percent of the rows read.
    Percent(f64),
}

impl RejectLimit {
    /// Rows read before a share is looked at, so that a bad first row does not end a run.
    const SAMPLE: u64 = 1_000;

    /// Whether so many rejects of so many rows are too many; `last` at the end of the input.
    pub fn passed(self, rejects: u64, read: u64, last: bool) -> bool {
        match self {
            Self::Rows(most) => rejects > most,
            Self::Percent(most) => {
                (last || read >= Self::SAMPLE) && rejects as f64 * 100.0 > most * read as f64
            }
        }
    }
}

impl FromStr for RejectLimit {
    type Err = String;

    /// `100` or `0.5%`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().strip_suffix('%') {
            Some(percent) => match percent.trim().parse::<f64>() {
                Ok(value) if (0.0..=100.0).contains(&value) => Ok(Self::Percent(value)),
                _ => Err("expected a share from 0% to 100%".to_owned()),
            },
            None => {
                let rows = text.trim().parse().map(Self::Rows);
                rows.map_err(|_| "expected a number of rows, or a share such as 1%".to_owned())
            }
        }
    }
}

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineSettings {
    /// Workers, each with a connection of its own; at first, where `up_to` says that they may become more.
    pub workers: usize,
    /// How many workers there may be where their number follows from how the store takes rows; `None` where it stays.
    pub up_to: Option<usize>,
    /// Rows that the queue holds, those being written included.
    pub capacity: usize,
    /// Bytes that the queue holds, those being written included.
    pub capacity_bytes: usize,
    /// Most rows in one transaction.
    pub batch_rows: usize,
    /// Most bytes in one transaction.
    pub batch_bytes: usize,
    /// Longest time that a row waits for others to fill its batch. Without it an idle worker takes what
    /// is there at once; with it fewer and larger transactions are made of a trickle. Nothing waits once
    /// no more rows can come, or somebody waits for those that are there.
    pub flush_interval: Duration,
    /// Depth in rows at which producers are asked to stop.
    pub high_watermark: usize,
    /// Depth in rows at which they may go on.
    pub low_watermark: usize,
    /// What happens when the queue is full.
    pub overflow: Overflow,
    /// What happens to a row whose key came before.
    pub on_conflict: OnConflict,
    /// Whether, of rows of one key that are written together, the first one stays and not the last
    /// although [`OnConflict::Update`] is asked for. For rows that come the latest first, to a store
    /// that does not let older ones replace newer ones.
    pub first_wins: bool,
    /// Whether writing a row again leaves the store as it is. Then good rows are written beside and behind
    /// refused ones that the dead-letter queue does not take, and only the marks stay before those; else
    /// all of them are given back to their inputs.
    pub idempotent: bool,
    /// When rows are tried once more that were refused for other rows.
    pub second_try: SecondTry,
    /// Retries.
    pub retry: RetrySettings,
    /// Circuit breaker.
    pub breaker: BreakerSettings,
    /// Longest outage that is waited for; `None`: for ever.
    pub max_outage: Option<Duration>,
    /// Longest time that one statement or commit may take before it counts as failed.
    pub write_timeout: Duration,
}

impl EngineSettings {
    /// Rows that the queue holds where nobody says how many.
    const CAPACITY: usize = 131_072;
    /// Longest outage that is waited for where nobody watches.
    pub const UNATTENDED_OUTAGE: Duration = Duration::from_secs(15 * 60);

    /// With a queue of so many rows, and its marks where they belong in it.
    pub fn of_capacity(capacity: Option<usize>) -> Self {
        let capacity = capacity.unwrap_or(Self::CAPACITY).max(1);
        Self {
            workers: 2,
            up_to: None,
            capacity,
            capacity_bytes: 48 << 20,
            batch_rows: capacity.min(32_768),
            batch_bytes: 16 << 20,
            flush_interval: Duration::ZERO,
            high_watermark: (capacity / 5 * 4).max(1),
            low_watermark: capacity / 2,
            overflow: Overflow::Block,
            on_conflict: OnConflict::default(),
            first_wins: false,
            idempotent: false,
            second_try: SecondTry::default(),
            retry: RetrySettings::default(),
            breaker: BreakerSettings::default(),
            max_outage: None,
            write_timeout: Duration::from_secs(120),
        }
    }

    /// Most workers where nobody says how many: the queue holds rows for no more that are worth a transaction.
    pub const MOST_WORKERS: usize = 16;

    /// Workers that keep a store busy from this machine.
    pub fn workers_here() -> usize {
        std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4)
    }

    /// Workers that keep a store busy whose answers take that long to come: those of a store that is near, and as many
    /// more as transactions of so many rows have others wait for answers.
    ///
    /// A worker waits for four answers in each transaction (to its beginning, to COPY, to the end of the rows, and to its
    /// end), and a server takes 5 µs for a row (200,000 rows/s for each of its processors, `docs/benchmarks.md`).
    pub fn workers_at(&self, distance: Duration) -> usize {
        const ANSWERS: f64 = 4.0;
        const ROW: f64 = 5e-6;
        let work = self.batch_rows.max(1) as f64 * ROW;
        let near = Self::workers_here();
        let wanted = near as f64 * (1.0 + ANSWERS * distance.as_secs_f64() / work);
        (wanted.min(Self::MOST_WORKERS as f64) as usize).max(near)
    }

    /// Those settings with what is larger than the queue cut to its size.
    ///
    /// # Errors
    /// Usage, where producers would never go on.
    pub fn checked(self) -> Result<Self> {
        let Self { capacity, high_watermark: high, low_watermark: low, .. } = self;
        if low > high {
            return Err(Error::usage(format!("{LOW_WATERMARK} {low} is above {HIGH_WATERMARK} {high}")));
        }
        let batch_rows = self.batch_rows.min(capacity);
        let high_watermark = high.clamp(1, capacity);
        Ok(Self { batch_rows, high_watermark, low_watermark: low.min(high_watermark), ..self })
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self::of_capacity(None)
    }
}

/// One path for all spellings of it; the file may not be there. An address is the same from everywhere.
pub fn place(path: &Path) -> PathBuf {
    if Address::parse(path.as_os_str()).is_some() {
        return path.to_owned();
    }
    match std::fs::canonicalize(folder_of(path)) {
        Ok(directory) => directory.join(path.file_name().unwrap_or_default()),
        Err(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_store_gets_more_workers_for_small_transactions_at_once() {
        let (near, most) = (EngineSettings::workers_here(), EngineSettings::MOST_WORKERS);
        let at = |millis: f64, rows: usize| {
            let settings = EngineSettings { batch_rows: rows, ..EngineSettings::default() };
            settings.workers_at(Duration::from_secs_f64(millis / 1e3))
        };
        assert_eq!((at(0.0, 500), at(0.1, 500), at(0.1, 32_768)), (near, near, near));
        assert_eq!(at(20.0, 500), most);
        assert!(at(5.0, 32_768) <= near + 1, "transactions are long enough");
        assert!((near..=most).contains(&at(1e6, 1)) && at(1.5, 1_000) > near);
    }

    #[test]
    fn limits() {
        let limit = |text: &str| text.parse::<RejectLimit>();
        assert!(!limit("7").unwrap().passed(7, 10, true));
        assert!(limit("7").unwrap().passed(8, 10, false));
        assert!(!limit("1%").unwrap().passed(1, 1, false));
        assert!(limit("1%").unwrap().passed(1, 1, true));
        assert!(limit("1%").unwrap().passed(11, 1_000, false));
        assert!(limit("101%").is_err() && limit("x").is_err());
    }
}
