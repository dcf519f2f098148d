//! The port of the history of runs: what a store that keeps one is asked and told of them.

use async_trait::async_trait;
use uuid::Uuid;

use crate::batch::Commit;
use crate::error::Result;
use crate::port::runs::{
    Begun, Checkpoints, Emptied, InputIdentity, JobRow, RunBooks, RunEnd, RunProcess, RunRecord, RunScope,
    RunStart,
};

/// Whether a process is alive; `None` where nobody here can tell.
pub type IsAlive = fn(&RunProcess) -> Option<bool>;

/// The runs that a store remembers. Each call stands for itself, with a connection of its own.
///
/// All fail with [`Unavailable`](crate::error::Error::unavailable) where the store is, and with
/// [`Usage`](crate::error::Error::usage) where it may not be read or written.
#[async_trait]
pub trait RunHistory: Send + Sync {
    /// Runs into that table, not taken over by others, that have an input in common with these, the newest
    /// first.
    async fn earlier(&self, table: &str, inputs: &[InputIdentity], own: Uuid) -> Result<Vec<RunRecord>>;

    /// Writes the run down, if the runs that [`RunHistory::earlier`] finds are still those that have been
    /// `seen` (where that matters). With `resume` it takes over that run, which can commit nothing from then
    /// on.
    async fn begin(
        &self,
        start: &RunStart,
        seen: Option<&[Uuid]>,
        resume: Option<&RunRecord>,
    ) -> Result<Begun>;

    /// Whether that table has no row any more; no where that cannot be told.
    async fn emptied(&self, table: &str) -> Result<Emptied>;

    /// Notes that an input cannot be read further, and that all before is settled; `unproven`: as it was read,
    /// which need not be as it is.
    async fn input_failed(&self, run: Uuid, input: usize, why: &str, unproven: bool) -> Result<()>;

    /// A sign of life: in the history where the run is kept there, with the inputs that are settled, and in
    /// its row of `job_runs`. Nothing where the commits are that.
    async fn beat(
        &self,
        run: Option<(Uuid, usize)>,
        books: RunBooks,
        job: Option<(JobRow, &RunScope)>,
    ) -> Result<()> {
        let _ = (run, books, job);
        Ok(())
    }

    /// The last word of the run. Where nobody will want to go on with it, its checkpoints go, and those of
    /// the loads before it with the same inputs.
    async fn end(&self, run: Uuid, end: &RunEnd) -> Result<()>;

    /// Opens a row in the `job_runs` of an existing deployment, where there is such a table; closes those of
    /// the run taken over, and of runs whose processes are not alive. The row.
    async fn begin_job(
        &self,
        start: &RunStart,
        resumed: Option<Uuid>,
        is_alive: IsAlive,
    ) -> Result<Option<JobRow>> {
        let _ = (start, resumed, is_alive);
        Ok(None)
    }

    /// Closes that row.
    async fn end_job(&self, row: JobRow, end: &RunEnd) -> Result<()> {
        let _ = (row, end);
        Ok(())
    }

    /// What became of each of those commits that got no answer; `None` where the store cannot tell.
    async fn committed(&self, commits: &[Commit]) -> Result<Vec<Option<bool>>>;

    /// The newest runs, or those whose id begins with `prefix`. None where there is no history.
    async fn list(&self, prefix: Option<&str>, limit: usize) -> Result<Vec<RunRecord>>;
}

/// The history of a store that keeps none: nothing is remembered, and nothing can be gone on with.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoHistory;

#[async_trait]
impl RunHistory for NoHistory {
    async fn earlier(&self, _: &str, _: &[InputIdentity], _: Uuid) -> Result<Vec<RunRecord>> {
        Ok(Vec::new())
    }

    async fn begin(&self, _: &RunStart, _: Option<&[Uuid]>, _: Option<&RunRecord>) -> Result<Begun> {
        Ok(Begun::Now(Checkpoints::default()))
    }

    async fn emptied(&self, _: &str) -> Result<Emptied> {
        Ok(Emptied::No)
    }

    async fn input_failed(&self, _: Uuid, _: usize, _: &str, _: bool) -> Result<()> {
        Ok(())
    }

    async fn end(&self, _: Uuid, _: &RunEnd) -> Result<()> {
        Ok(())
    }

    async fn committed(&self, commits: &[Commit]) -> Result<Vec<Option<bool>>> {
        Ok(vec![None; commits.len()])
    }

    async fn list(&self, _: Option<&str>, _: usize) -> Result<Vec<RunRecord>> {
        Ok(Vec::new())
    }
}
