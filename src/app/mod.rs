//! Use cases, without arguments and printing: what a library user calls. Each is given a plan and a caller, tells the
//! caller what happens meanwhile, and returns a report.
//!
//! - [`plan`]: what is to be done; [`values`]: the part of it that says how values are read
//! - [`caller`]: who is told, and who asks for an end ([`interrupts`])
//! - [`load`], [`tail`], [`replay`]: rows into a store
//! - [`health`], [`runs`], [`schema`]: how well store, dead letters and a running instance are, the history of runs, the
//!   tables

pub(crate) mod asked;
pub mod caller;
pub(crate) mod configuration;
pub(crate) mod dead_letters_only;
pub(crate) mod event_log;
pub mod exit;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod health;
pub(crate) mod inspect;
pub mod interrupts;
pub mod layout;
pub(crate) mod letters;
pub mod load;
#[cfg_attr(not(feature = "telemetry"), path = "metrics/left_out.rs")]
pub mod metrics;
pub(crate) mod paste;
pub mod plan;
pub(crate) mod process;
pub mod replay;
pub(crate) mod resume;
pub(crate) mod run_recorder;
pub mod runs;
pub mod schema;
pub(crate) mod span;
pub mod spec;
pub mod tail;
pub mod values;
pub mod verify;
