//! A replay: dead letters through the engine once more.

pub(crate) mod report;
pub(crate) mod which;
