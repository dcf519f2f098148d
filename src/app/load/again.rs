//! What to do to load the rest of what a run did not come to.

use crate::app::load::{Load, Task};
use crate::app::run_recorder::RunRecorder;
use crate::dataset::Target;
use crate::telemetry::snapshot::Books;
use crate::text::flags::RESUME;
use crate::text::number_format::plural;

/// How the rest of a run is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Again {
    /// By the same command, which goes on where this one stopped.
    Resume,
    /// By the same command, from the start: what is stored already stays as it is.
    Anew,
    /// By the same command, from the start, once the rows of this run are out of the table, which would have
    /// them twice: that is the order to take them out. What came through a pipe may not come once more.
    Cleared { first: String, piped: bool },
}

impl Again {
    /// What to do, as an order; nothing where what is to be loaded came through a pipe.
    pub(super) fn order(&self) -> Option<String> {
        Some(match self {
            Self::Resume => format!("run the same command again with {RESUME}"),
            Self::Anew => "run the same command again".to_owned(),
            Self::Cleared { piped: true, .. } => return None,
            Self::Cleared { first, piped: false } => format!("{first}, and run the same command again"),
        })
    }

    /// What is to be done before anything is loaded again.
    pub(super) fn first(&self) -> Option<&str> {
        match self {
            Self::Cleared { first, .. } => Some(first),
            Self::Resume | Self::Anew => None,
        }
    }
}

impl Load<'_> {
    /// How the rest of this run is loaded, which has come to these books; `None` where nobody has it any more.
    pub(super) fn again(
        &self,
        target: &Target,
        books: &Books,
        keeper: Option<&RunRecorder>,
    ) -> Option<Again> {
        if self.claim.is_some() {
            return Some(Again::Anew);
        }
        let is_load = self.command() == "load";
        if is_load && self.resumable() && keeper.is_some_and(RunRecorder::is_kept) {
            return Some(Again::Resume);
        }
        let piped = self.inputs.iter().any(|input| input.path.is_none());
        let stand = books.inserted + books.updated + books.unchanged;
        // A replay knows its claim, and a tail its place in the file.
        if matches!(self.task, Task::Load | Task::Pipe(_)) && !target.is_keyed() && stand > 0 {
            let table = &target.table;
            let first = format!(
                "take the {} of this run out of {table} first, which has no key and would have {} twice (all its rows, where it was empty before)",
                plural(stand, "row"),
                if stand == 1 { "it" } else { "them" }
            );
            return Some(Again::Cleared { first, piped });
        }
        (!piped).then_some(Again::Anew)
    }
}
