//! What is made of the command line and of the layouts.

pub mod completions;
pub mod man;
pub mod vendors;
