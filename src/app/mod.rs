//! Use cases, without arguments and printing.
//!
//! - [`health`]: how well store, dead letters and a running instance are

pub mod health;
