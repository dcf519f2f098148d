//! Where bytes come from: files, directories, globs and standard input, compressed or not.

mod archive;
mod changed;
pub(crate) mod completion;
mod compress;
mod delta;
mod encoding;
mod fault;
pub(crate) mod files;
pub(crate) mod follow;
pub(crate) mod followed;
pub(crate) mod identity;
mod input;
mod meter;
mod names;
mod open;
mod pattern;
mod peeked;
mod raw_input;
mod read_by;
mod reader;
mod sniff;
#[cfg_attr(not(feature = "zip"), path = "zip/left_out.rs")]
mod zip;

use crate::error::{Error, Result};
pub use compress::Compression;
pub use encoding::TextEncoding;
pub use fault::decode_error;
use followed::{FollowOptions, Followed, FollowedKind};
pub use input::{Input, expand};
pub use meter::Meter;
pub use names::shown;
pub use open::{OpenOptions, Opened, is_whole, open};
pub use pattern::{Parts, is_pattern};
pub use peeked::{Peeked, peek};
pub use read_by::{Chooser, Chosen, ReadBy};

/// What can be followed; a kind that takes all names stands last.
const FOLLOWED: &[FollowedKind] = &[FollowedKind { scheme: None, open: follow::files }];

/// What those names stand for: all for things of one kind.
///
/// # Errors
/// Usage, where they are of several.
pub fn followed(options: FollowOptions) -> Result<Box<dyn Followed>> {
    let kind = |name| FOLLOWED.iter().position(|kind| kind.takes(name));
    let mut kinds = options.patterns.iter().map(|name| kind(name));
    let first = kinds.next().flatten();
    if kinds.any(|other| other != first) {
        return Err(Error::usage("files are followed by one tail, and what else there is by one each"));
    }
    match first.and_then(|first| FOLLOWED.get(first)) {
        Some(kind) => Ok((kind.open)(options)),
        None => Err(Error::usage("there is nothing to follow")),
    }
}
