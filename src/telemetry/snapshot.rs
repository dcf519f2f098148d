//! What had been counted at one moment: plain values for displays, summaries and metrics.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::batch::Stage;
use crate::port::runs::RunBooks;
use crate::port::{Circuit, Level};
use crate::telemetry::histogram::Latency;
use crate::text::number_format;

/// What became of the rows of a run; `rows` of the `--json` result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Books {
    /// Rows taken from the input, good or bad.
    pub read: u64,
    /// Rows that the store did not have before.
    pub inserted: u64,
    /// Rows that the store had with other values.
    pub updated: u64,
    /// Rows that the store had with the same values.
    pub unchanged: u64,
    /// Rows that others of their key went before: a later row of the input, or in a replay what the
    /// store has and was written after they had failed.
    pub superseded: u64,
    /// Rows in the dead-letter queue for what they are, or because the run ended before them.
    pub rejected: u64,
    /// Rows in the dead-letter queue because the internal queue was full.
    pub dropped: u64,
    /// Rows that an earlier run had committed, that the store had and kept on request, or that have nothing but a key.
    pub skipped: u64,
}

/// The books of a run are what the history keeps of it, field by field.
macro_rules! same_books {
    ($from:ty => $to:ident) => {
        impl From<$from> for $to {
            fn from(books: $from) -> Self {
                Self {
                    read: books.read,
                    inserted: books.inserted,
                    updated: books.updated,
                    unchanged: books.unchanged,
                    superseded: books.superseded,
                    rejected: books.rejected,
                    dropped: books.dropped,
                    skipped: books.skipped,
                }
            }
        }
    };
}
same_books!(Books => RunBooks);
same_books!(RunBooks => Books);

impl Books {
    /// The outcomes with their names, in the order in which they are shown.
    pub fn outcomes(&self) -> [(&'static str, u64); 7] {
        [
            ("inserted", self.inserted),
            ("updated", self.updated),
            ("unchanged", self.unchanged),
            ("superseded", self.superseded),
            ("rejected", self.rejected),
            ("dropped", self.dropped),
            ("skipped", self.skipped),
        ]
    }

    /// Adds those of another run, or of another part of this one.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.superseded += other.superseded;
        self.rejected += other.rejected;
        self.dropped += other.dropped;
        self.skipped += other.skipped;
    }

    /// Rows of which it is known what became of them.
    pub fn settled(&self) -> u64 {
        self.outcomes().iter().map(|(_, rows)| rows).sum()
    }

    /// Rows that are in the store with the values of the input.
    pub fn stored(&self) -> u64 {
        self.inserted + self.updated + self.unchanged
    }

    /// Whether every row that was read has exactly one outcome.
    ///
    /// # Errors
    /// One sentence with the numbers, when not.
    pub fn closes(&self) -> Result<(), String> {
        let settled = self.settled();
        if settled == self.read {
            return Ok(());
        }
        let mut parts = String::new();
        for (name, rows) in self.outcomes().into_iter().filter(|(_, rows)| *rows > 0) {
            let plus = if parts.is_empty() { "" } else { " + " };
            let _ = write!(parts, "{plus}{} {name}", number_format::count(rows));
        }
        if parts.is_empty() {
            parts.push_str("none has an outcome");
        }
        let (gap, word) = if settled < self.read {
            (self.read - settled, "missing")
        } else {
            (settled - self.read, "too many")
        };
        Err(format!(
            "the books do not close: {} rows were read, {} are accounted for ({parts}), {} {word}",
            number_format::count(self.read),
            number_format::count(settled),
            number_format::count(gap),
        ))
    }

    /// Checks that the books close where `lost` rows have been said to be lost.
    ///
    /// # Errors
    /// One sentence with the numbers, when others have no outcome either.
    pub fn closes_but_for(&self, lost: u64) -> Result<(), String> {
        match self.read.checked_sub(self.settled()) {
            Some(missing) if missing == lost => Ok(()),
            _ => self.closes(),
        }
    }
}

/// Where a row that failed was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPosition {
    /// The source as the user named it.
    pub source: Arc<str>,
    /// Row number in it, 1-based.
    pub row: u64,
}

/// Rows that failed alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectGroup {
    /// Where they failed.
    pub stage: Stage,
    /// SQLSTATE, or a code of our own.
    pub code: Arc<str>,
    /// The column at fault.
    pub column: Option<Arc<str>>,
    /// What was said of the first of them.
    pub message: Arc<str>,
    /// How many.
    pub rows: u64,
    /// The first few of them in the order of the input, where they are known.
    pub places: Vec<InputPosition>,
}

/// The circuit breaker, as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitView {
    /// Its state.
    pub state: Circuit,
    /// How often it left `closed`; a probe that fails does not count again.
    pub times_opened: u64,
    /// How long it has not been closed, while it is not.
    pub open_for: Option<Duration>,
    /// How long it was not closed, all times together, the present one included.
    pub open_total: Duration,
    /// What the store said when it opened last.
    pub reason: Option<Arc<str>>,
    /// Whether it opened last for the dead-letter queue, and not for the store.
    pub for_letters: bool,
}

/// The queue, as seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueView {
    /// Rows waiting or being written.
    pub depth: u64,
    /// The deepest it has been.
    pub peak: u64,
    /// Rows that fit.
    pub capacity: u64,
    /// Depth at which producers are asked to stop.
    pub high_watermark: u64,
    /// Depth at which they may go on.
    pub low_watermark: u64,
    /// How full it was at the last crossing of a watermark.
    pub level: Level,
}

/// The workers, as seen from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkersView {
    /// Workers with a connection.
    pub alive: u64,
    /// Those of them with a transaction under way.
    pub busy: u64,
    /// The most that were alive at once.
    pub most: u64,
}

/// What a [`RunCounters`](super::run_counters::RunCounters) had counted at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// What became of the rows.
    pub books: Books,
    /// Rows put into the queue.
    pub submitted: u64,
    /// Those of the rejected rows that failed because the run ended before them.
    pub aborted: u64,
    /// Those of the superseded rows that the store had newer: written after they had failed.
    pub newer: u64,
    /// Those of the skipped rows that a trigger of the table has left out, or put somewhere else.
    pub left_out: u64,
    /// Those of the skipped rows that have nothing but a key.
    pub empty: u64,
    /// Rows read ahead and given back to their files; they do not count as read.
    pub returned: u64,
    /// Values rounded to the scale of their column.
    pub rounded: u64,
    /// Transactions committed.
    pub batches: u64,
    /// Writes that failed, whether they were tried again or isolated.
    pub failures: u64,
    /// Waits for a further attempt.
    pub retries: u64,
    /// What the store said last, while a write waits for its next attempt.
    pub trouble: Option<Arc<str>>,
    /// Rows that failed, by kind, the most frequent first; dropped rows among them.
    pub rejects: Vec<RejectGroup>,
    /// Rows that failed in still other ways than the kinds listed.
    pub rejects_beyond: u64,
    /// The circuit breaker.
    pub circuit: CircuitView,
    /// The queue.
    pub queue: QueueView,
    /// The workers.
    pub workers: WorkersView,
    /// Time from the first statement of a transaction to its commit.
    pub latency: Latency,
    /// How far the store is behind what is followed; `None` where nothing is, or it is not known.
    pub lag: Option<LagView>,
}

/// How far the store is behind those who write what is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LagView {
    /// Behind the writers of files.
    Files {
        /// Bytes that are written and not settled.
        bytes: u64,
        /// Since when there have been some.
        age: Duration,
    },
    /// Messages of a stream that are not settled.
    Messages(u64),
}

impl Snapshot {
    /// Whether rows are only read, and go into no store: a dry run, a comparison.
    pub fn only_reads(&self) -> bool {
        let idle = self.submitted == 0 && self.workers.alive + self.workers.most == 0;
        idle && self.books.read > 0 && self.books.settled() == self.books.rejected
    }

    /// Rows that are done with: settled, or read where nothing becomes of them.
    pub fn progressed(&self) -> u64 {
        if self.only_reads() { self.books.read } else { self.books.settled() }
    }

    /// Adds what another run of the same process has counted; what is no sum is as that one left it.
    pub fn add(&mut self, other: &Self) {
        self.books.add(&other.books);
        self.submitted += other.submitted;
        self.aborted += other.aborted;
        self.newer += other.newer;
        self.left_out += other.left_out;
        self.empty += other.empty;
        self.returned += other.returned;
        self.rounded += other.rounded;
        self.batches += other.batches;
        self.failures += other.failures;
        self.retries += other.retries;
        self.trouble.clone_from(&other.trouble);
        for group in &other.rejects {
            let alike = |known: &&mut RejectGroup| {
                known.stage == group.stage && known.code == group.code && known.column == group.column
            };
            match self.rejects.iter_mut().find(alike) {
                Some(known) => known.rows += group.rows,
                None => self.rejects.push(group.clone()),
            }
        }
        self.rejects.sort_by_key(|group| std::cmp::Reverse(group.rows));
        self.rejects_beyond += other.rejects_beyond;
        let circuit = &other.circuit;
        self.circuit = CircuitView {
            times_opened: self.circuit.times_opened + circuit.times_opened,
            open_total: self.circuit.open_total + circuit.open_total,
            reason: circuit.reason.clone().or_else(|| self.circuit.reason.clone()),
            ..circuit.clone()
        };
        self.queue = QueueView { peak: self.queue.peak.max(other.queue.peak), ..other.queue };
        self.workers = WorkersView { most: self.workers.most.max(other.workers.most), ..other.workers };
        self.latency.add(&other.latency);
    }

    /// Whether every row that was read has exactly one outcome; see [`Books::closes`].
    ///
    /// # Errors
    /// One sentence with the numbers, when not.
    pub fn closes(&self) -> Result<(), String> {
        self.books.closes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_close_or_say_what_is_missing() {
        let mut books = Books {
            read: 1_028,
            inserted: 1_000,
            updated: 1,
            unchanged: 2,
            superseded: 3,
            rejected: 4,
            dropped: 5,
            skipped: 13,
        };
        assert_eq!(books.closes(), Ok(()));
        books.read += 1_234;
        books.dropped = 0;
        books.read -= 5;
        insta::assert_snapshot!(books.closes().unwrap_err(), @"the books do not close: 2,257 rows were read, 1,023 are accounted for (1,000 inserted + 1 updated + 2 unchanged + 3 superseded + 4 rejected + 13 skipped), 1,234 missing");
        books = Books { read: 1, inserted: 3, ..Books::default() };
        insta::assert_snapshot!(books.closes().unwrap_err(), @"the books do not close: 1 rows were read, 3 are accounted for (3 inserted), 2 too many");
    }
}
