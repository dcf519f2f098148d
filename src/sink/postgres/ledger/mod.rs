//! What is noted beside the rows: which of them are in, and the history of the runs.

pub(super) mod commit_status;
pub(super) mod job_runs;
pub(super) mod jobs;
pub(super) mod marks;
pub(super) mod messages;
pub(super) mod numbers;
pub(super) mod runs;
