//! Where bytes come from: files, directories, globs and standard input, compressed or not.

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
mod reader;
pub mod resume;
mod scope;
pub mod settled;
mod sniff;
mod stop;
mod stored;

pub use compress::Compression;
pub use fault::decode_error;
pub use input::{Input, expand};
pub use meter::Meter;
pub use names::shown;
pub use open::{OpenOptions, Opened, is_whole, open};
pub use pattern::{Parts, is_pattern};
pub use sniff::Format;
pub use stop::Stop;
