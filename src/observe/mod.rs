//! What people and dashboards see: listeners to the events of the engine.
//!
//! - [`tally`]: counts the events; [`snapshot`]: what it had counted at one moment
//! - [`result`], [`summary`]: how a run ended, for programs and for people
//! - [`runs`]: the history of runs
//! - [`progress`]: what is shown while it runs, drawn by [`display`] or written by [`lines`]
//! - [`metrics`]: Prometheus metrics, and the file that they are written to
//! - [`health`]: how well store, dead letters and a running instance are
//! - [`traces`]: spans for a collector
//! - [`http`]: the same and more over HTTP, while the run goes on
//! - [`screen`]: stderr, shared by the display and the log
//! - [`visible`]: what in names and values would act on a terminal is shown

pub mod client;
pub mod display;
mod draw_target;
pub mod fanout;
pub mod health;
pub mod histogram;
pub mod http;
pub mod letters;
pub mod lines;
pub mod metrics;
pub mod number_format;
pub mod progress;
pub mod rates;
pub mod result;
pub mod run_counters;
pub mod runs;
pub mod shared_stderr;
pub mod snapshot;
pub mod style;
pub mod summary;
mod text;
pub mod traces;
pub mod visible;
