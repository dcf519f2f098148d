//! What a tail follows: how it is named, opened, and turned into a [`Source`]. Files are one kind of it; each
//! kind is a line in the list that `source` has of them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use uuid::Uuid;

use crate::dataset::MapperSettings;
use crate::error::Result;
use crate::pipeline::{Source, Stop};
use crate::port::Observer;
use crate::port::runs::Checkpoints;
use crate::source::{Chosen, Meter, OpenOptions};
use crate::text::choice::choices;

/// Where the reading of a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At its first line.
    Start,
    /// Behind its last line; files that come later from their first one.
    End,
    /// Where an earlier run has settled all before, else at its first line.
    Checkpoint,
}

choices!(From: Start = "start", End = "end", Checkpoint = "checkpoint");

/// What is followed, and how.
#[derive(Debug, Clone)]
pub struct FollowOptions {
    /// Paths, directories and globs.
    pub patterns: Vec<OsString>,
    /// Whether directories stand for those below them too.
    pub recursive: bool,
    /// How files are opened.
    pub open: OpenOptions,
    /// Where to begin.
    pub from: From,
    /// Time between two looks where the system tells of no changes.
    pub poll: Duration,
    /// The end, when nothing has come for so long.
    pub idle_exit: Option<Duration>,
    /// The checkpoint file; else one of its own for the inputs and the table.
    pub checkpoint: Option<PathBuf>,
}

/// The account that a store's ledger keeps of the rows.
#[derive(Debug, Clone, Copy)]
pub struct Exact {
    /// The run under whose name it does.
    pub run: Uuid,
    /// The last ordinal that is settled of the run that this one goes on with; `None` where it goes on
    /// with none.
    pub settled: Option<u64>,
}

/// A tail that has left rows of which its places do not tell.
pub struct Before<'a> {
    /// Identity of its run.
    pub run: Uuid,
    /// Why its checkpoint file may not say all of it.
    pub doubt: Option<&'static str>,
    /// Its checkpoint file.
    pub places: &'a Path,
}

/// A run of another consumer of the group, as the store remembers it.
pub struct OtherRun {
    /// The run.
    pub run: Uuid,
    /// What of it is settled, where it can commit nothing more; `None` while it may.
    pub settled: Option<Arc<Checkpoints>>,
    /// What it has noted, as it wrote it down, and whether that is acknowledged.
    pub noted: Vec<(String, bool)>,
    /// Whether all of that was acknowledged a while ago.
    pub finished: bool,
}

/// What the store remembers of messages, for all consumers of a group: which were handed on under which ordinals.
pub trait Notes: Send {
    /// Notes messages before a row of them is handed on; `first` is the ordinal of the first row.
    ///
    /// # Errors
    /// Unavailable, while the store is.
    fn note(&mut self, first: u64, text: &str) -> Result<()>;

    /// Takes that back: nothing of it was handed on.
    ///
    /// # Errors
    /// As [`Notes::note`].
    fn withdraw(&mut self, first: u64) -> Result<()>;

    /// What was noted with ordinals below that one is acknowledged.
    ///
    /// # Errors
    /// As [`Notes::note`].
    fn settle(&mut self, below: u64) -> Result<()>;

    /// What other runs have noted. Those whose processes are gone commit nothing from then on.
    ///
    /// # Errors
    /// As [`Notes::note`].
    fn of_others(&mut self) -> Result<Vec<OtherRun>>;

    /// No message that those runs had noted will come again.
    ///
    /// # Errors
    /// As [`Notes::note`].
    fn forget(&mut self, runs: &[Uuid]) -> Result<()>;
}

/// What the rows are read with.
pub struct FollowWith {
    /// Where the store keeps an account of them.
    pub exact: Option<Exact>,
    /// What it remembers of the messages of a [group](OpenFollowed::group), where rows are to be told by that.
    pub notes: Option<Box<dyn Notes>>,
    /// How they are mapped.
    pub mapper: Arc<MapperSettings>,
    /// Ends the reading.
    pub stop: Stop,
    /// Counts bytes.
    pub meter: Arc<Meter>,
    /// Hears how far behind the reading is.
    pub observer: Arc<dyn Observer>,
}

/// Something that rows keep coming from, as the user named it.
pub trait Followed: Send + Sync {
    /// Waits until it shows its columns; `None` where the stop is set before, or nothing comes.
    ///
    /// # Errors
    /// Where it cannot be followed.
    fn schema(&self, stop: &Stop) -> Result<Option<(SchemaRef, Chosen)>>;

    /// From here on all of it is read so.
    fn read_by(&mut self, open: OpenOptions);

    /// Finds out how far an earlier tail into that table has come, and holds that against others.
    ///
    /// # Errors
    /// Where that cannot be known.
    fn open(&self, table: &str) -> Result<Box<dyn OpenFollowed>>;
}

/// What is followed, and how far an earlier tail has come with it.
pub trait OpenFollowed: Send + Sync {
    /// The run that was ended with rows behind what is noted, of which the store's ledger tells.
    fn before(&self) -> Option<Before<'_>> {
        None
    }

    /// Of a stream that is shared with others: by what they know one another.
    fn group(&self) -> Option<&str> {
        None
    }

    /// Its rows.
    fn source(self: Box<Self>, with: FollowWith) -> Box<dyn Source>;
}

/// A kind of what can be followed.
pub struct FollowedKind {
    /// What stands before `://` in its names; `None`: it takes all names.
    pub scheme: Option<&'static str>,
    /// What goes by those names.
    pub open: fn(FollowOptions) -> Box<dyn Followed>,
}

impl FollowedKind {
    /// Whether something of that name is of this kind.
    pub fn takes(&self, name: &OsStr) -> bool {
        self.scheme.is_none_or(|scheme| {
            name.to_str()
                .and_then(|name| name.split_once("://"))
                .is_some_and(|(own, _)| own.eq_ignore_ascii_case(scheme))
        })
    }
}
