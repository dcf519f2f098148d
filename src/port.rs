//! The ports of the engine: what it needs of a store, of a dead-letter queue and of observers. It knows these traits and
//! nothing behind them: `sink` implements [`Sink`] and [`Session`], `dlq` [`DeadLetters`], `telemetry` [`Observer`].

pub mod history;
pub mod jobs;
pub mod messages;
pub mod runs;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::batch::{Commit, Reason, Reject, Rows, Stage};

/// Code of the reason where the key of the table has changed so that rows under way cannot be told apart
/// any more. Fatal for the run, and cured by the next.
pub const TABLE_REKEYED: &str = "table_rekeyed";

/// Code of the reason where the writer panicked: a bug of ours, and nothing that the user can mend.
pub const PANIC: &str = "panic";

/// What it is that will pass, as far as the engine or those who watch it make a difference. Each store says so
/// of its own errors; the code in the [`Reason`] is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransientKind {
    /// The connection was lost, refused or not answered; the store shuts down or starts.
    Connection,
    /// Two transactions could not both be as if they were alone.
    Serialization,
    /// Two transactions waited for one another.
    Deadlock,
    /// The table has changed under a write: what was written is undone, and is to be written again at once,
    /// as the table is now. No fault of the store.
    SchemaChanged,
    /// Others hold a lock on what it needs.
    Locked,
    /// The transaction asked for more memory or locks than there are for one.
    ResourcesExhausted,
    /// There is no room on the disk.
    DiskFull,
    /// A statement was cut off for its length, by the store or by the engine's own limit.
    Timeout,
    /// The store takes no rows just now: a standby, or a primary in the middle of a failover.
    ReadOnly,
    /// The store refuses what it took before, or what somebody is at work on: credentials, a table, a
    /// privilege.
    Refused,
    /// A commit that had begun has not come to its end yet.
    InProgress,
    /// Anything else that passes.
    Other,
}

impl TransientKind {
    /// Whether other sessions were in the way, and not the store: another attempt may follow at once.
    pub fn is_contention(self) -> bool {
        match self {
            Self::Serialization | Self::Deadlock | Self::SchemaChanged => true,
            Self::Connection
            | Self::Locked
            | Self::ResourcesExhausted
            | Self::DiskFull
            | Self::Timeout
            | Self::ReadOnly
            | Self::Refused
            | Self::InProgress
            | Self::Other => false,
        }
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SinkError {
    /// It will pass: connection, shutdown, deadlock, timeout, disk full. Retried, then waited
    /// for behind the circuit breaker; never a reason to reject a row.
    #[error("{}", .1.message)]
    Transient(TransientKind, Reason),
    /// The rows themselves are refused.
    #[error("{}", .reason.message)]
    Data {
        /// What the store said.
        reason: Reason,
        /// Positions in the rows given that the store points at, if it does. A hint only.
        suspects: Box<[usize]>,
    },
    /// The rows are refused by an error that may be theirs (a text too deep for the server's stack, a
    /// trigger that fails for some) or everybody's: they are to blame where others go through.
    #[error("{}", .reason.message)]
    Doubtful {
        /// What the store said.
        reason: Reason,
        /// What of it may pass, if it may: the rows are tried again a few times before any of them is
        /// blamed.
        passing: Option<TransientKind>,
    },
    /// The rows are refused, and their transaction with them: at its commit, or by a trigger that undoes it.
    /// A part of them may go through in a transaction of its own.
    #[error("{}", .0.message)]
    Apart(Reason),
    /// Nothing that waiting or splitting cures: a missing table, a missing privilege.
    #[error("{}", .0.message)]
    Fatal(Reason),
}

impl SinkError {
    /// What the store said.
    pub fn reason(&self) -> &Reason {
        match self {
            Self::Transient(_, reason)
            | Self::Fatal(reason)
            | Self::Apart(reason)
            | Self::Doubtful { reason, .. }
            | Self::Data { reason, .. } => reason,
        }
    }

    /// What the store said, to be put in other words.
    pub fn reason_mut(&mut self) -> &mut Reason {
        match self {
            Self::Transient(_, reason)
            | Self::Fatal(reason)
            | Self::Apart(reason)
            | Self::Doubtful { reason, .. }
            | Self::Data { reason, .. } => reason,
        }
    }
}

/// What became of the rows of one write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that were not there before.
    pub inserted: u64,
    /// Rows that were there with other values.
    pub updated: u64,
    /// Rows that were there with the same values, and were not rewritten.
    pub unchanged: u64,
    /// Rows that were there and were left alone on request.
    pub skipped: u64,
    /// Rows that were there with other values and were left alone, since what is there was written
    /// after the rows at hand had failed for the first time. They count as superseded.
    pub newer: u64,
    /// Those of the skipped rows that a trigger of the table has left out, or put somewhere else.
    pub left_out: u64,
    /// Values that were rounded to the scale of their column.
    pub rounded: u64,
    /// Rows that this store can not hold, by position in the rows given; the others are written.
    pub refused: Vec<(usize, Arc<Reason>)>,
}

impl Written {
    /// Rows that are in the store now, or were left alone there on request. Those that newer ones of
    /// the store go before are none of them.
    pub fn stored(&self) -> u64 {
        self.inserted + self.updated + self.unchanged + self.skipped
    }

    /// Adds the counts of another write; positions of refused rows are not carried over.
    pub fn add(&mut self, other: &Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.skipped += other.skipped;
        self.newer += other.newer;
        self.left_out += other.left_out;
        self.rounded += other.rounded;
    }
}

/// What the end of a load in bulk has found of rows that had been told to be new and are not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Rows that took the place of another one.
    pub updated: u64,
    /// Rows that were there already as they are.
    pub unchanged: u64,
    /// Rows whose key was there already, where the first one stays.
    pub skipped: u64,
}

impl Resolved {
    /// Adds what another step has found.
    pub fn add(&mut self, other: &Self) {
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.skipped += other.skipped;
    }
}

/// What a transaction settles, written to the store's ledger in that transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitMark {
    /// Number of the transaction in its worker, from 1; names it when its commit is in doubt.
    pub serial: u64,
    /// Last ordinal settled, per hash slot that the transaction touched, slots ascending.
    pub slots: Vec<(u16, u64)>,
}

/// A store of rows.
pub trait Sink: Send + Sync + 'static {
    /// A connection to it.
    type Session: Session;

    /// Name for metrics and messages (`postgresql`, `sqlite`).
    fn name(&self) -> &str;

    /// How many sessions may write at once; `None` for no limit.
    fn max_sessions(&self) -> Option<usize> {
        None
    }

    /// How many sessions there is room for in the store, besides those of others; `None` where it does not tell.
    fn room(&self) -> Option<usize> {
        None
    }

    /// How long an answer of the store to nothing takes; `None` where it is in this process, or does not tell.
    fn distance(&self) -> Option<Duration> {
        None
    }

    /// Opens a session for the worker of that number.
    fn connect(&self, worker: usize) -> impl Future<Output = Result<Self::Session, SinkError>> + Send;

    /// By what this store can be asked later for the commit of that mark, of which no answer came; `None`
    /// where nothing will tell.
    fn name_of(&self, worker: usize, mark: &CommitMark) -> Option<Commit> {
        let _ = (worker, mark);
        None
    }

    /// What has to be done behind the last row, and may take long, as a sentence; `None` where that is nothing.
    fn unfinished(&self) -> impl Future<Output = Option<String>> + Send {
        async { None }
    }

    /// Does that, once the engine has ended, whether it came to its end or not: rows that are committed get where
    /// everybody sees them. May be tried again where it failed for a while; what of them was told wrongly.
    fn finish(&self) -> impl Future<Output = Result<Resolved, SinkError>> + Send {
        async { Ok(Resolved::default()) }
    }

    /// Returns when everything committed so far is on disk.
    fn seal(&self) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }
}

/// How a write is guarded inside its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Not at all: when it fails, the whole transaction has failed.
    Bare,
    /// By a savepoint: when it fails for the data, the transaction stands where it stood before.
    Savepoint,
}

/// One connection: one transaction at a time.
///
/// Dropping a session at any await point must be safe: what was not committed is undone.
pub trait Session: Send {
    /// Begins a transaction.
    fn begin(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Writes rows inside the transaction, last row wins against what the store has.
    ///
    /// No two of the rows have the same identity.
    fn write(
        &mut self,
        rows: Rows<'_>,
        guard: WriteMode,
    ) -> impl Future<Output = Result<Written, SinkError>> + Send;

    /// Commits, with `mark` in the store's ledger if it keeps one. A transient error leaves the
    /// outcome open: see [`Session::settled`].
    ///
    /// Returns the serial of the worker's last transaction that is known to be on disk. Unless it is
    /// to wait for the disk (`now`), that may be an earlier one, or none (zero): a crash of the store
    /// may then undo this one although it was answered. A store without a ledger always waits.
    fn commit(&mut self, mark: &CommitMark, now: bool)
    -> impl Future<Output = Result<u64, SinkError>> + Send;

    /// Returns when all commits of the worker so far are on disk. Called outside of transactions.
    fn flush(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }

    /// Asked inside the transaction where rows were refused by a [`SinkError::Doubtful`] and none went
    /// through: runs the statements that write such rows with none of them, and fails where these fail
    /// too. With `certain` the rows are known not to be to blame: always fails, in the way in which the
    /// store wants that error to be dealt with.
    fn rehearse(
        &mut self,
        rows: Rows<'_>,
        refused: &Reason,
        certain: bool,
    ) -> impl Future<Output = Result<(), SinkError>> + Send {
        let failed = certain.then(|| SinkError::Fatal(refused.clone()));
        let _ = rows;
        async { failed.map_or(Ok(()), Err) }
    }

    /// Undoes the transaction.
    fn rollback(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Asked after a commit of which no answer came, and, where a connection was lost, for commits
    /// that were not known to be on disk: whether the ledger has `mark` or a later one, or `None`
    /// where no ledger is kept.
    fn settled(&mut self, mark: &CommitMark) -> impl Future<Output = Result<Option<bool>, SinkError>> + Send {
        let _ = mark;
        async { Ok(None) }
    }
}

/// The dead-letter queue could not take rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeadLetterError(pub String);

/// What rows wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The store; with what it said last.
    Store(Reason),
    /// The dead-letter queue, which takes no rows. The store is well.
    DeadLetters(DeadLetterError),
}

impl Trouble {
    /// What was said, for people.
    pub fn message(&self) -> &str {
        match self {
            Self::Store(reason) => &reason.message,
            Self::DeadLetters(error) => &error.0,
        }
    }
}

/// The place for rows that failed.
pub trait DeadLetters: Send + Sync + 'static {
    /// Returns when the rows are on disk; only then may they be counted.
    fn bury(&self, rejects: Vec<Reject>) -> impl Future<Output = Result<(), DeadLetterError>> + Send;
}

/// State of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// Writes go through.
    Closed,
    /// The store is taken to be down; writes wait.
    Open,
    /// One probe is on its way.
    HalfOpen,
}

impl Circuit {
    /// The value of `mds_coord_circuit_state`: 0 closed, 1 open, 2 half-open.
    pub fn gauge(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Open => 1,
            Self::HalfOpen => 2,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// How full the queue is, for those upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Below the low watermark.
    Ok,
    /// Between the watermarks.
    Soft,
    /// Above the high watermark.
    Hard,
}

impl Level {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Soft => "soft",
            Self::Hard => "hard",
        }
    }
}

/// What happened in the engine.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// Rows were taken from the input, good or bad.
    Read {
        /// Rows.
        rows: u64,
    },
    /// Rows were put into the queue.
    Submitted {
        /// Rows.
        rows: u64,
    },
    /// How far the store is behind the writers of the files that are followed.
    Lag {
        /// Bytes that are written and not settled.
        bytes: u64,
        /// Since when there have been some.
        age: Duration,
    },
    /// How many messages of a followed stream its group has not settled; `None` where that is not known just now.
    LagMessages(Option<u64>),
    /// The queue's depth changed.
    Queue {
        /// Rows waiting or being written.
        depth: usize,
    },
    /// The queue crossed a watermark.
    Pressure {
        /// The new level.
        level: Level,
        /// Rows waiting or being written.
        depth: usize,
        /// Rows that fit.
        capacity: usize,
        /// What made it cross.
        reason: &'static str,
    },
    /// A worker began a transaction.
    Writing {
        /// The worker.
        worker: usize,
        /// Rows in it.
        rows: usize,
    },
    /// A worker's transaction was committed.
    Committed {
        /// The worker.
        worker: usize,
        /// What became of the rows.
        written: &'a Written,
        /// Rows that others of their key went before: a later one of the input, or what the store has
        /// and was written after they had failed (`written.newer`, which is in this number).
        superseded: u64,
        /// From the first statement to the commit.
        latency: Duration,
    },
    /// A write failed; it will be tried again, or its rows isolated.
    Failed {
        /// The worker.
        worker: usize,
        /// `transient`, `data` or `fatal`.
        kind: &'static str,
        /// What the store said.
        reason: &'a Reason,
        /// From the first statement to the failure.
        latency: Duration,
    },
    /// A transient failure is waited out.
    Retry {
        /// The worker.
        worker: usize,
        /// Number of the attempt that follows, from 2.
        attempt: u32,
        /// The wait before it.
        delay: Duration,
        /// What the store said.
        reason: &'a Reason,
    },
    /// The circuit breaker changed its state.
    Circuit {
        /// The new state.
        state: Circuit,
        /// What is waited for, when it opened.
        trouble: Option<&'a Trouble>,
    },
    /// Rows were written to the dead-letter queue, and are on disk there.
    Buried {
        /// Where they failed.
        stage: Stage,
        /// Why.
        reason: &'a Reason,
        /// Rows.
        rows: u64,
    },
    /// The dead-letter queue cannot take rows just now; the write that needs it waits.
    DeadLettersBlocked {
        /// What it said.
        error: &'a DeadLetterError,
    },
    /// Rows of a source that can be read again were given back unwritten, since the run ended;
    /// they no longer count as read.
    Returned {
        /// Rows.
        rows: u64,
    },
    /// Rows of the input were passed over, since an earlier run has settled them.
    Skipped {
        /// Rows.
        rows: u64,
    },
    /// Rows of the input were passed over, since they have nothing but a key. They count as skipped.
    Empty {
        /// Rows.
        rows: u64,
    },
    /// The pool of workers is to have that size from now on.
    Pool {
        /// Workers.
        workers: usize,
    },
    /// A worker is ready, or gone.
    Worker {
        /// The worker.
        worker: usize,
        /// Whether it is alive.
        alive: bool,
    },
}

/// Listens to the engine. Called on the data path: must return at once and must not fail.
pub trait Observer: Send + Sync + 'static {
    /// Takes note.
    fn on(&self, event: &Event<'_>);
}

/// An observer that takes no note.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _: &Event<'_>) {}
}

impl<A: Observer + ?Sized> Observer for Arc<A> {
    fn on(&self, event: &Event<'_>) {
        (**self).on(event);
    }
}
