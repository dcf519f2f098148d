//! The dead-letter queue: an append-only file of NDJSON that takes the rows that failed.
//!
//! `record` is the line format, `file` the locked and synced appending, `writer` the thread that
//! takes batches of rejects from the engine.

mod file;
mod record;
mod writer;

pub use writer::{DlqWriter, RunInfo};
