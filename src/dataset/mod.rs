//! What rows mean: descriptions of datasets, and the way from an input's columns to theirs.

pub mod describe;
pub mod target;

pub use describe::{ALL, BARS, Check, Column, Dataset, Derive, Kind, NO_TENANT, Need, by_name};
pub use target::{Target, TargetColumn};
