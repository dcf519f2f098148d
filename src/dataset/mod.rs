//! What rows mean: descriptions of datasets, and the way from an input's columns to theirs.

pub mod articles;
mod codes;
pub mod convert;
pub mod daytime;
pub mod describe;
pub mod detection;
pub mod dictionary;
pub mod faults;
mod float;
mod folders;
pub mod folds;
pub mod identity;
pub mod inferred;
pub mod json_row;
pub mod json_text;
mod live;
pub mod mapper;
pub mod mapping;
pub mod name_pattern;
pub mod names;
mod narrow;
pub mod nulls;
pub mod quality;
pub mod reading;
mod refit;
pub mod seam;
pub mod separators;
pub mod shape;
pub mod target;
pub mod time;
pub mod timeframe;
pub mod wanted;

pub use describe::{
    ALL, BARS, Check, Column, Dataset, Derivation, FUNDAMENTALS, Kind, NEWS, NO_TENANT, OPTIONS, QUOTES,
    Requirement, TICKS, by_name, earlier_key,
};
pub use live::LiveTarget;
pub use mapper::{Mapped, Mapper, MapperSettings};
pub use refit::{Fitted, Refits};
pub use target::{KeyNulls, KeyPrecision, Rule, Target, TargetColumn};
