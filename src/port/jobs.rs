//! The vocabulary of shared jobs: a load of many inputs that any number of processes do together, each of them
//! claiming one part after the other in the store's own tables.
//!
//! A claim is a run of its own, so that who takes over the part of a loader that died goes on with that run as
//! `--resume` does: by its checkpoints, and behind the fence that lets the dead one commit nothing more.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Result;
use crate::port::runs::{Checkpoints, InputIdentity, RunBooks, RunProcess, RunRecord, RunStart, RunStatus};

/// The setting of a run that names the job which it is a claim of.
pub const SHARE: &str = "share";

/// How a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartState {
    /// Nobody works at it.
    Open,
    /// A run works at it, as far as it has said.
    Claimed,
    /// All of its rows are settled.
    Done,
    /// It could not be loaded to its end.
    Failed,
}

impl PartState {
    /// The word for it in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Claimed => "claimed",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// The state of that word.
    pub fn of(word: &str) -> Self {
        let known = [Self::Open, Self::Claimed, Self::Done, Self::Failed];
        known.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Failed)
    }
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Its parts are being loaded, in any order.
    Loading,
    /// Rows whose keys came in several parts that were loaded at the same time are written once more, in the order
    /// of the list.
    Settling,
    /// There is nothing left to do.
    Done,
}

impl JobState {
    /// The word for it, in the table and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Settling => "settling",
            Self::Done => "done",
        }
    }

    /// The state of that word.
    pub fn of(word: &str) -> Self {
        let known = [Self::Loading, Self::Settling, Self::Done];
        known.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Done)
    }
}

/// A stretch of one input, where that is claimed piece by piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stretch {
    /// Row groups, from the first to before the last; and the number of the row before the first of them.
    RowGroups {
        /// The first.
        from: usize,
        /// The one behind the last.
        to: usize,
        /// Rows of the file before it.
        before: u64,
    },
    /// Lines of a text, from the first byte of the first to behind the last.
    Lines {
        /// The first byte.
        from: u64,
        /// The one behind the last.
        to: u64,
        /// Rows of the file before it.
        before: u64,
        /// Whether rows may have a field too many, or one too few, as those before it have shown.
        loose: bool,
        /// Whether a field too many had a value before it.
        filled: bool,
    },
}

impl Stretch {
    /// Rows of the file before it.
    pub fn before(self) -> u64 {
        match self {
            Self::RowGroups { before, .. } | Self::Lines { before, .. } => before,
        }
    }
}

/// A part as it is planned.
#[derive(Debug, Clone, PartialEq)]
pub struct PartPlan {
    /// The place of its first input in the list.
    pub first: usize,
    /// Its inputs, which follow one another in the list.
    pub inputs: Vec<InputIdentity>,
    /// Which rows of the one input it is about, where not all.
    pub stretch: Option<Stretch>,
    /// Bytes of it, as they are stored.
    pub bytes: u64,
}

/// A job that is to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct JobStart {
    /// Its id.
    pub job_id: Uuid,
    /// Its name.
    pub name: String,
    /// The table, with its schema.
    pub table: String,
    /// The tenant, or nothing.
    pub tenant: String,
    /// The dataset, or the table.
    pub dataset: String,
    /// Whether the table has a key.
    pub keyed: bool,
    /// The settings that all loaders have to share.
    pub settings: Value,
    /// Silence after which a claim may be taken over, in microseconds.
    pub lease: i64,
    /// The parts, in the order of the list.
    pub parts: Vec<PartPlan>,
    /// Version of the program.
    pub version: String,
}

/// The run that holds a part, or held it last.
#[derive(Debug, Clone, PartialEq)]
pub struct Holder {
    /// The run.
    pub run_id: Uuid,
    /// Its process.
    pub process: RunProcess,
    /// Its last sign of life, in microseconds since 1970.
    pub heartbeat: i64,
    /// How long that is ago by the store's clock, in microseconds.
    pub silent: i64,
    /// How it stands by its own last word.
    pub status: RunStatus,
    /// From its beginning to its end or its last sign of life, in microseconds.
    pub lasted: i64,
    /// What it has counted so far.
    pub books: RunBooks,
}

/// A part as the store remembers it.
#[derive(Debug, Clone, PartialEq)]
pub struct PartRecord {
    /// Its number, from 0.
    pub part: usize,
    /// How it stands.
    pub state: PartState,
    /// Whether it is to be settled, or has been: written once more in the order of the list.
    pub again: bool,
    /// The place of its first input in the list.
    pub first: usize,
    /// The names of its inputs.
    pub names: Vec<String>,
    /// Which rows of the one input it is about, where not all.
    pub stretch: Option<Stretch>,
    /// Its bytes.
    pub bytes: u64,
    /// How often it was claimed.
    pub claims: u64,
    /// What became of its rows, once that is known.
    pub books: RunBooks,
    /// Rows in dead letters of loaders that did not come to the end of the part, as far as they have said.
    pub earlier_rejects: u64,
    /// Rows of it that were written once more in the order of the list.
    pub settled: u64,
    /// The moments of the job at which it was claimed first, and was done with last.
    pub interval: Option<(i64, i64)>,
    /// The keys of its rows by input, where they were asked for.
    pub keys: Value,
    /// Who holds it, or held it last.
    pub holder: Option<Holder>,
    /// The exit code of the run that it failed with.
    pub exit_code: Option<u8>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A job as the store remembers it. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// Its id.
    pub job_id: Uuid,
    /// Its name.
    pub name: String,
    /// The table, with its schema.
    pub table: String,
    /// The tenant, or nothing.
    pub tenant: String,
    /// The dataset, or the table.
    pub dataset: String,
    /// Whether the table has a key.
    pub keyed: bool,
    /// The settings that all loaders share.
    pub settings: Value,
    /// Silence after which a claim may be taken over, in microseconds.
    pub lease: i64,
    /// How it stands.
    pub state: JobState,
    /// When it was begun.
    pub created: i64,
    /// When it ended.
    pub finished: Option<i64>,
    /// What the clock of the store says.
    pub now: i64,
    /// The keys whose rows are written once more in the order of the list.
    pub boxes: Value,
    /// Processes that have worked at it.
    pub loaders: u64,
    /// The parts, in their order; none where they were not asked for.
    pub parts: Vec<PartRecord>,
}

/// What a loader that looks for work sees at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// How the job stands.
    pub state: JobState,
    /// Parts that nobody works at.
    pub open: u64,
    /// Parts that are claimed, with their numbers and who holds them.
    pub claimed: Vec<(usize, Holder)>,
    /// Rows read, and rows in dead letters, in all parts that are done with.
    pub rows: (u64, u64),
}

/// A part that has been claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its number.
    pub part: usize,
    /// Whether it is written once more, in the order of the list.
    pub again: bool,
    /// The place of its first input in the list.
    pub first: usize,
    /// The run, as it begins: with the inputs of the part.
    pub start: RunStart,
    /// Which rows of the one input it is about, where not all.
    pub stretch: Option<Stretch>,
    /// The run that it goes on with.
    pub resumed: Option<RunRecord>,
    /// What of it is settled already.
    pub checkpoints: Checkpoints,
}

/// What a claim came to, noted with the last word of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartEnd {
    /// The job.
    pub job_id: Uuid,
    /// The part.
    pub part: usize,
    /// How it stands from now on.
    pub state: PartState,
    /// Whether it was written once more.
    pub again: bool,
    /// The keys of its rows by input, as far as order counts.
    pub keys: Value,
}

/// What comes after all parts are done with.
#[derive(Debug, Clone, PartialEq)]
pub enum Conclusion {
    /// The order of the list is held: the job is done.
    Done,
    /// Rows of these parts whose keys are in the boxes are written once more.
    Settle {
        /// The parts, in their order.
        parts: Vec<usize>,
        /// The keys.
        boxes: Value,
    },
}

/// What decides how a job goes on, by its parts with their keys.
pub type Judge<'a> = &'a (dyn Fn(&JobRecord) -> Result<Conclusion> + Sync);

/// The jobs that a store remembers. Each call stands for itself, with a connection of its own.
#[async_trait]
pub trait JobLedger: Send + Sync {
    /// Makes its tables where they are missing.
    ///
    /// # Errors
    /// Usage, where this role may not.
    async fn prepare(&self) -> Result<()>;

    /// The job of that name for that table and tenant, with its parts.
    async fn find(&self, name: &str, table: &str, tenant: &str) -> Result<Option<JobRecord>>;

    /// The newest jobs, so many at most, or those of that name; with their parts.
    async fn list(&self, name: Option<&str>, limit: usize) -> Result<Vec<JobRecord>>;

    /// Writes a job down, unless there is one of its name already: then `false`.
    async fn create(&self, start: &JobStart) -> Result<bool>;

    /// Opens the parts again that failed, where nobody works at the job any more.
    async fn reopen(&self, job: Uuid) -> Result<()>;

    /// What there is to do.
    async fn survey(&self, job: Uuid) -> Result<Survey>;

    /// Claims the first part that is open, or is held by one of the runs that are `over`, for a run that is to
    /// begin; `None` where there is none.
    async fn claim(&self, job: Uuid, start: &RunStart, over: &[Uuid]) -> Result<Option<Claimed>>;

    /// Decides how it goes on, once all parts are done with; whether this call has ended the job.
    async fn conclude(&self, job: Uuid, judge: Judge<'_>) -> Result<bool>;
}

/// What a test says less of than all.
#[cfg(test)]
pub mod samples {
    use super::*;

    /// A part that nobody has claimed, of one byte.
    pub fn part(part: usize) -> PartRecord {
        PartRecord {
            part,
            state: PartState::Open,
            again: false,
            first: part,
            names: vec![format!("{part}.csv")],
            stretch: None,
            bytes: 1,
            claims: 1,
            books: RunBooks::default(),
            earlier_rejects: 0,
            settled: 0,
            interval: None,
            keys: Value::Null,
            holder: None,
            exit_code: None,
            error: None,
        }
    }

    /// A job of those parts, of a table with a key.
    pub fn job(parts: Vec<PartRecord>) -> JobRecord {
        JobRecord {
            job_id: Uuid::nil(),
            name: "j".into(),
            table: "t".into(),
            tenant: String::new(),
            dataset: "bars".into(),
            keyed: true,
            settings: Value::Null,
            lease: 1,
            state: JobState::Loading,
            created: 0,
            finished: None,
            now: 0,
            boxes: Value::Null,
            loaders: 1,
            parts,
        }
    }
}
