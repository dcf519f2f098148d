//! The way from a source to the engine, the same one for files, followed files and dead letters.
//!
//! It knows none of them: a source pushes what it has into it, and the application joins the two.

pub mod batch_sink;
mod feed;
pub mod glimpse;
pub mod key_ranges;
pub mod keys;
pub mod pace;
pub(crate) mod rejects;
mod report;
pub(crate) mod scope;
pub mod skip_committed;
pub mod source;
mod stop;

pub use batch_sink::{BatchSink, EngineSink};
pub use feed::{Feed, Rest};
pub use report::Report;
pub use source::{Source, drive};
pub use stop::Stop;
