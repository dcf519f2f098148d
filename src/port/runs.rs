//! The vocabulary of the history of runs: what a store remembers of a load, and what a later one
//! needs to go on where it stopped.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::batch::{Origin, covers};
use crate::port::jobs::PartEnd;

/// Bits of an ordinal that number the rows of one input; the bits above them number the inputs.
const ROW_BITS: u32 = 40;

/// [`Origin::base`](crate::batch::Origin::base) of the input at that place, from 0.
///
/// It does not depend on how many rows the inputs before have, so that an input which could not
/// be read to its end, or has grown, does not shift the rows of the others.
pub fn base_of(input: usize) -> u64 {
    (input as u64) << ROW_BITS
}

/// The place among the inputs of a row of that origin.
pub fn input_of(origin: &Origin) -> usize {
    usize::try_from(origin.base >> ROW_BITS).unwrap_or(usize::MAX)
}

/// How books of earlier versions name a table whose name needs quotes: without them.
pub fn earlier_name(table: &str) -> String {
    let bare = |part: &str| part.replace('"', "");
    table.split("\"\"").map(bare).collect::<Vec<_>>().join("\"")
}

/// Whether what was loaded into a table is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptied {
    /// It has rows, or nobody can tell.
    No,
    /// It has none.
    Yes,
    /// It has none, and may never have had one: its triggers or rules can put rows elsewhere.
    Diverted,
}

/// What tells an input from others, and from itself after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputIdentity {
    /// Its name for people.
    pub name: String,
    /// Its absolute path, or the name that `--source-id` gives it; `None` for a pipe without one,
    /// which no later run can know again.
    pub id: Option<String>,
    /// Its size, where it has one.
    pub bytes: Option<u64>,
    /// A hash of its size and of its beginning and end, where it can be read at any place.
    pub fingerprint: Option<String>,
    /// Why it could not be read to its end, where the run went on with the inputs after it. All
    /// rows before that place are settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Whether it turned out behind rows that are stored that they may not be what they were: it is begun
    /// anew, and never gone on with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
    /// When it was written to last, in nanoseconds since 1970, where it is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<i64>,
    /// A hash of all of its content, where it is a file that is neither so short that the fingerprint has all
    /// of it nor, with the others before it, so long that it takes noticeable time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

impl InputIdentity {
    /// Whether both are the same input with the same content, as far as that can be told.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id.is_some()
            && self.id == other.id
            && self.bytes == other.bytes
            && self.fingerprint == other.fingerprint
    }

    /// Whether the time of its last change is another, and its fingerprint, which of a file that is longer is of
    /// the ends alone, need not show what has changed.
    pub fn is_written_since(&self, before: &Self) -> bool {
        let long = self.bytes.is_some_and(|bytes| !covers(bytes));
        long && self.modified.zip(before.modified).is_some_and(|(now, then)| now != then)
    }
}

/// Last ordinal settled, by hash slot; 0 for none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoints(Vec<u64>);

impl Checkpoints {
    /// Of these slots; all others have none.
    pub fn new(slots: impl IntoIterator<Item = (u16, u64)>) -> Self {
        let mut all = Vec::new();
        for (slot, ordinal) in slots {
            let slot = usize::from(slot);
            if slot >= all.len() {
                all.resize(slot + 1, 0);
            }
            if let Some(place) = all.get_mut(slot) {
                *place = ordinal;
            }
        }
        Self(all)
    }

    /// The last ordinal settled in that slot.
    pub fn of(&self, slot: u16) -> u64 {
        self.0.get(usize::from(slot)).copied().unwrap_or(0)
    }

    /// The last ordinal settled in any slot.
    pub fn highest(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    /// The last ordinal up to which all of so many slots are settled.
    pub fn lowest(&self, slots: usize) -> u64 {
        if self.0.len() < slots { 0 } else { self.0.iter().copied().min().unwrap_or(0) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.highest() == 0
    }
}

/// How a run stands, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// It goes on, as far as its own last word says.
    Running,
    /// All rows are stored.
    Done,
    /// All rows are settled, some of them in the dead-letter queue.
    Rejects,
    /// It stopped at `--max-rejects`.
    Stopped,
    /// A signal ended it, or it vanished.
    Interrupted,
    /// The store stayed away.
    Unavailable,
    /// Something else ended it: an unreadable input, a schema that does not fit.
    Failed,
}

impl RunStatus {
    /// All of them.
    const ALL: [Self; 7] = [
        Self::Running,
        Self::Done,
        Self::Rejects,
        Self::Stopped,
        Self::Interrupted,
        Self::Unavailable,
        Self::Failed,
    ];

    /// The word for it, in the table and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Rejects => "rejects",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }

    /// The status of that word; one that a later version may have written counts as failed.
    pub fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.as_str() == word).unwrap_or(Self::Failed)
    }

    /// Whether every row of the input has been settled.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Done | Self::Rejects)
    }
}

/// What became of the rows of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunBooks {
    /// Rows read.
    pub read: u64,
    /// Rows that the store did not have before.
    pub inserted: u64,
    /// Rows that the store had with other values.
    pub updated: u64,
    /// Rows that the store had with the same values.
    pub unchanged: u64,
    /// Rows replaced by a later row of the input before they were written.
    pub superseded: u64,
    /// Rows in the dead-letter queue for what they are.
    pub rejected: u64,
    /// Rows in the dead-letter queue because the internal queue was full.
    pub dropped: u64,
    /// Rows that an earlier run had settled, or that the store kept on request.
    pub skipped: u64,
}

/// The process of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunProcess {
    /// Name of its machine.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// What tells it from all other processes, where the system has that: boot, namespace of the
    /// numbers, time of its start.
    pub mark: Option<String>,
}

/// What a run says of itself when it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStart {
    /// The run.
    pub run_id: Uuid,
    /// The command.
    pub command: String,
    /// The dataset, or the table where it is none of ours.
    pub dataset: String,
    /// The table, with its schema.
    pub table: String,
    /// Whether the table has a key, so that loading a row again changes nothing.
    pub keyed: bool,
    /// The inputs, in their order.
    pub inputs: Vec<InputIdentity>,
    /// The settings that decide what a row becomes and where its checkpoint is, by name.
    pub settings: Value,
    /// Hash of the settings.
    pub fingerprint: String,
    /// Inputs, from the first one on, that are settled whole already.
    pub settled: usize,
    /// Of a run that goes on with another: the ordinal behind which it settles all once more, since an input
    /// that could not be read has been mended.
    pub anew_behind: Option<u64>,
    /// Workers, each with transactions of its own.
    pub workers: usize,
    /// Whether it can be resumed at all.
    pub resumable: bool,
    /// The process.
    pub process: RunProcess,
    /// Version of the program.
    pub version: String,
    /// The vendor of all rows, where the flags say it.
    pub provider: Option<String>,
}

/// What the rows of a run are about, as far as they have been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunScope {
    /// Earliest and latest time in the rows, in nanoseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// Their symbols in the order in which they came; `None` where they are too many to be listed.
    pub symbols: Option<Vec<Box<str>>>,
    /// Their vendors, likewise.
    pub vendors: Option<Vec<Box<str>>>,
}

impl Default for RunScope {
    fn default() -> Self {
        Self { span: None, symbols: Some(Vec::new()), vendors: Some(Vec::new()) }
    }
}

/// The row of a run in the `job_runs` of an existing deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub id: i64,
    /// Whether its provider is known from the flags; else the rows tell it.
    pub provided: bool,
    /// Whether there is a place for symbols.
    pub symbols: bool,
}

/// What a run says of itself when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// How.
    pub status: RunStatus,
    /// Whether its checkpoints are kept, for a run that goes on with it.
    pub keeps_checkpoints: bool,
    /// Exit code of the process.
    pub exit_code: u8,
    /// What became of the rows.
    pub books: RunBooks,
    /// Inputs, from the first one on, that are settled whole.
    pub settled: usize,
    /// What went wrong.
    pub error: Option<String>,
    /// What the rows were about.
    pub scope: RunScope,
    /// Of a run that is a claim: what the part of its job comes to, noted with it or not at all.
    pub part: Option<PartEnd>,
}

/// A run as the store remembers it. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The run.
    pub run_id: Uuid,
    /// The command.
    pub command: String,
    /// The dataset, or the table.
    pub dataset: String,
    /// The table, with its schema.
    pub table: String,
    /// Whether the table had a key.
    pub keyed: bool,
    /// Its own last word on how it stands.
    pub status: RunStatus,
    /// When it began.
    pub started: i64,
    /// Its last sign of life.
    pub heartbeat: i64,
    /// How long that is ago, in microseconds, by the store's clock.
    pub silent: i64,
    /// When it ended.
    pub finished: Option<i64>,
    /// The inputs, in their order.
    pub inputs: Vec<InputIdentity>,
    /// The settings, by name.
    pub settings: Value,
    /// Inputs, from the first one on, that are settled whole, as far as it has said.
    pub settled: usize,
    /// Workers.
    pub workers: usize,
    /// Whether it can be resumed at all.
    pub resumable: bool,
    /// Whether anything of it has been committed that is not part of a finished run.
    pub has_checkpoints: bool,
    /// What became of the rows, as far as it has said.
    pub books: RunBooks,
    /// Exit code of the process.
    pub exit_code: Option<u8>,
    /// What went wrong.
    pub error: Option<String>,
    /// The run that it went on with.
    pub resumed_from: Option<Uuid>,
    /// The run that went on with it.
    pub resumed_by: Option<Uuid>,
    /// The process.
    pub process: RunProcess,
    /// Version of the program.
    pub version: String,
}

/// What came of the wish to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The run is in the store's books; with what of its input is settled already.
    Now(Checkpoints),
    /// Another run came in between: look again.
    Overtaken,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_by_slot() {
        let some = Checkpoints::new([(1, 7), (3, 9)]);
        assert_eq!((some.of(0), some.of(1), some.of(3), some.of(63)), (0, 7, 9, 0));
        assert_eq!((some.highest(), some.lowest(4), some.lowest(64)), (9, 0, 0));
        let all = Checkpoints::new((0..4).map(|slot| (slot, 5 + u64::from(slot))));
        assert_eq!((all.lowest(4), all.lowest(5)), (5, 0));
        assert!(Checkpoints::default().is_empty());
    }

    #[test]
    fn ordinals_of_inputs_do_not_depend_on_one_another() {
        let origin = Origin { base: base_of(3), ..Origin::new("x") };
        assert_eq!(input_of(&origin), 3);
        assert!(base_of(2) + 1_000_000_000_000 < base_of(3));
        assert_eq!(base_of(0), 0);
    }

    #[test]
    fn every_status_is_read_back() {
        for status in RunStatus::ALL {
            assert_eq!(RunStatus::of(status.as_str()), status);
        }
        assert_eq!(RunStatus::of("something new"), RunStatus::Failed);
    }
}
