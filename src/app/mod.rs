//! Use cases, without arguments and printing.
//!
//! - [`health`]: how well store, dead letters and a running instance are

pub(crate) mod dead_letters_only;
pub(crate) mod event_log;
pub mod exit;
pub mod health;
pub mod interrupts;
pub(crate) mod load;
pub(crate) mod process;
pub(crate) mod queues;
pub(crate) mod replay;
pub(crate) mod resume;
pub(crate) mod run_recorder;
pub(crate) mod span;
