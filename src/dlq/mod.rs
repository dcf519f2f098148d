//! The dead-letter queue: an append-only file of NDJSON that takes the rows that failed.
//!
//! `record` is the line format as it is written, `file` the locked and synced appending, `writer` the
//! thread that takes batches of rejects from the engine; where they go is a `destination`: a file, `objects`, a subject of
//! `nats` or a topic of `kafka`, of which each of the `messages` is a record. Queues that are no files are `remote`, and a replay makes a `checkout` of one. `lines`, `letter` and `filter` read a queue
//! again, line by line, whoever wrote it; `python` knows what that system says of its models. `names` names the files that stand beside a queue, `strangers` those that are none. A replay
//! `hold`s a queue, writes a `journal` of the files that it claims, finds what is meant in each `claim` and
//! the `read_plan` through them, and makes `rows` of their records again. `stats` count what is in it, by `groups`, and its `depth` is counted on as it grows. Where a file was loaded `again`, its earlier letters go.

pub mod again;
pub mod byte_range;
pub mod checkout;
pub mod claim;
pub mod depth;
mod destination;
mod file;
pub mod filter;
pub mod groups;
pub mod journal;
#[cfg_attr(not(feature = "kafka"), path = "kafka/left_out.rs")]
mod kafka;
pub mod letter;
mod line;
pub mod lines;
#[cfg(any(feature = "kafka", feature = "nats"))]
mod messages;
pub mod names;
#[cfg_attr(not(feature = "nats"), path = "nats/left_out.rs")]
mod nats;
mod objects;
mod python;
pub mod read_plan;
mod record;
pub mod remote;
pub mod replay_lock;
pub mod rows;
pub mod stats;
pub mod strangers;
mod writer;

pub use writer::{DlqWriter, RunInfo};
