//! The port of what a store remembers of messages: those that consumers of a group have handed on.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::error::Result;
use crate::port::runs::{Checkpoints, RunRecord};

/// How long what is acknowledged is remembered: longer than a message is on its way.
pub const REMEMBERED: Duration = Duration::from_secs(15);

/// Messages whose rows a run handed on together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The run.
    pub run: Uuid,
    /// The messages and the ordinals of their rows, as the source wrote them down.
    pub text: String,
    /// Whether all of them are acknowledged.
    pub settled: bool,
    /// Whether that was so a while ago, so that none of them can be on its way to anybody.
    pub old: bool,
}

/// What a store remembers of the messages of one group and one table. Fails as
/// [`RunHistory`](crate::port::history::RunHistory) does.
#[async_trait]
pub trait Messages: Send + Sync {
    /// Makes the place for it, where there is none.
    async fn ready(&self) -> Result<()>;

    /// Notes messages, before a row of them is handed on; `first` is the ordinal of the first row. Twice is the
    /// same as once.
    async fn note(&self, run: Uuid, first: u64, text: &str) -> Result<()>;

    /// Takes that back: nothing of it was handed on.
    async fn withdraw(&self, run: Uuid, first: u64) -> Result<()>;

    /// What the run has noted with ordinals below that one is acknowledged. It is remembered for a while, for those
    /// who were given such a message before that.
    async fn settle(&self, run: Uuid, below: u64) -> Result<()>;

    /// What other runs have noted, in the order of their ordinals.
    async fn of_others(&self, run: Uuid) -> Result<Vec<Noted>>;

    /// From now on the run `old` can commit nothing more; what of it is settled.
    async fn fence(&self, old: &RunRecord, new: Uuid) -> Result<Checkpoints>;

    /// No message that the run had noted will come again.
    async fn forget(&self, run: Uuid) -> Result<()>;
}
