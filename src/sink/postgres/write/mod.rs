//! How rows get into the table: copied, or merged by way of a stage, once the table is proven to be what they
//! were encoded for.

pub(super) mod chunks;
pub(super) mod comparison;
pub(super) mod copy;
pub(super) mod diagnose;
pub(super) mod digest;
mod digested;
pub(super) mod merge;
pub(super) mod plan;
pub(super) mod proof;
pub(super) mod rehearsal;
pub(super) mod session;
pub(super) mod sink;
