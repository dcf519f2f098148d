//! Where bytes come from: files, directories, globs and standard input, compressed or not.

mod changed;
pub(crate) mod completion;
mod compress;
mod fault;
pub(crate) mod files;
pub(crate) mod follow;
pub(crate) mod identity;
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
