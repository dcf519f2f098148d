//! What is made of the command line.

pub mod completions;
pub mod man;
