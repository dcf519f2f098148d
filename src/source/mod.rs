//! Where bytes come from: files, directories, globs and standard input, compressed or not.

mod changed;
pub mod completion;
mod compress;
mod fault;
pub mod follow;
pub mod identity;
mod input;
pub mod keys;
mod meter;
mod names;
mod open;
pub mod pace;
mod pattern;
pub mod pipeline;
mod raw_input;
mod reader;
mod scope;
pub mod skip_committed;
mod sniff;
mod stop;

pub use compress::Compression;
pub use fault::decode_error;
pub use input::{Input, expand};
pub use meter::Meter;
pub use names::shown;
pub use open::{OpenOptions, Opened, is_whole, open};
pub use pattern::{Parts, is_pattern};
pub use stop::Stop;
