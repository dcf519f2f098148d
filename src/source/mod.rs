//! Where bytes come from: files, directories, globs and standard input, compressed or not.

mod changed;
pub mod completion;
mod compress;
mod fault;
pub mod files;
pub mod follow;
pub mod identity;
mod input;
mod meter;
mod names;
mod open;
mod pattern;
mod peeked;
mod raw_input;
mod reader;
mod sniff;

pub use compress::Compression;
pub use fault::decode_error;
pub use input::{Input, expand};
pub use meter::Meter;
pub use names::shown;
pub use open::{OpenOptions, Opened, is_whole, open};
pub use pattern::{Parts, is_pattern};
pub use peeked::{Peeked, peek};
