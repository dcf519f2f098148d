//! Prometheus metrics: recorded from the events of the engine, written as Prometheus' text format.
//!
//! - [`names`]: what they are called
//! - [`Exposition`]: all metrics of a run, as text
//! - [`Metrics`]: the observer that records those of one engine
//! - [`Depths`]: keeps the metrics of the dead-letter queues up to date
//! - [`Textfile`]: keeps a file with that text up to date, for node_exporter's textfile collector

mod depth;
mod exposition;
pub mod names;
mod recorder;
mod textfile;

pub use depth::Depths;
pub use exposition::{Exposition, RunIdentity};
pub use textfile::Textfile;
