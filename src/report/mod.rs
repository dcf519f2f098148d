//! What people read of a run.
//!
//! - [`progress`]: what is shown while it runs, drawn by [`display`] or written by [`lines`]
//! - [`summary`]: how it ended; [`preview`]: what it would do, or what it lacks; [`runs`]: the history of runs
//! - [`letters`]: what stands in the dead-letter queue
//! - [`shared_stderr`]: stderr, shared by the display and the log
//! - [`style`]: colours, where the terminal has them

pub mod display;
mod draw_target;
pub mod jobs;
pub mod keys;
pub mod letters;
pub mod lines;
mod page;
pub mod preview;
pub mod progress;
pub mod rates;
pub mod runs;
pub mod shared_stderr;
pub mod style;
pub mod summary;
pub mod verify;
