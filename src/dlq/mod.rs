//! The dead-letter queue: an append-only file of NDJSON that takes the rows that failed.
//!
//! `record` is the line format as it is written, `file` the locked and synced appending, `writer` the
//! thread that takes batches of rejects from the engine. `lines`, `letter` and `filter` read a queue
//! again, line by line, whoever wrote it. `names` names the files that stand beside a queue. A replay
//! `hold`s a queue, makes a `claim` on a file of it, and makes `rows` of its records again. A `survey`
//! counts what is in it, by `groups`.

pub mod claim;
mod file;
pub mod filter;
pub mod groups;
pub mod hold;
pub mod letter;
pub mod lines;
pub mod names;
mod record;
pub mod rows;
pub mod slice;
pub mod survey;
mod writer;

pub use writer::{DlqWriter, RunInfo};
