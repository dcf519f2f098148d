//! Where bytes come from: files, directories, globs and standard input, compressed or not; and streams of messages.

mod archive;
mod broker;
mod changed;
pub(crate) mod completion;
mod compress;
mod decode_ahead;
mod delta;
mod encoding;
mod fault;
pub(crate) mod files;
pub(crate) mod follow;
pub(crate) mod followed;
pub(crate) mod identity;
mod input;
mod left_columns;
mod meter;
mod names;
mod objects;
mod open;
mod pattern;
mod peeked;
mod raw_input;
mod read_by;
mod reader;
mod remade;
mod remote;
mod seen;
mod sniff;
mod stretch;
#[cfg_attr(not(feature = "zip"), path = "zip/left_out.rs")]
mod zip;

use std::ffi::OsString;
use std::path::Path;

use crate::error::{Error, Result};
pub use compress::Compression;
pub use encoding::TextEncoding;
pub use fault::decode_error;
use followed::{FollowOptions, Followed, FollowedKind};
pub use input::{Input, expand, expand_told};
pub use meter::Meter;
pub use names::shown;
pub use open::{OpenOptions, Opened, is_whole, open};
pub use pattern::{Parts, is_pattern};
pub use peeked::{Peeked, peek};
pub use read_by::{Chooser, Chosen, ReadBy};
pub use seen::detected;

/// What can be followed; a kind that takes all names stands last.
const FOLLOWED: &[FollowedKind] = &[
    #[cfg(feature = "kafka")]
    broker::kafka::KIND,
    #[cfg(feature = "nats")]
    broker::nats::KIND,
    #[cfg(feature = "redis")]
    broker::redis_streams::KIND,
    #[cfg(feature = "redis")]
    broker::redis_streams::OVER_TLS,
    FollowedKind { scheme: None, open: follow::files },
];

/// Whether all of those names are addresses of streams.
pub fn are_streams(names: &[OsString]) -> bool {
    let is = |name| FOLLOWED.iter().any(|kind| kind.scheme.is_some() && kind.takes(name));
    names.iter().all(|name| is(name))
}

/// What those names stand for: all for things of one kind.
///
/// # Errors
/// Usage, where they are of several.
pub fn followed(options: FollowOptions) -> Result<Box<dyn Followed>> {
    let kind = |name| FOLLOWED.iter().position(|kind| kind.takes(name));
    let mut kinds = options.patterns.iter().map(|name| kind(name));
    let first = kinds.next().flatten();
    if kinds.any(|other| other != first) {
        return Err(Error::usage(
            "a stream is followed alone; start one tail for each, and one for the files",
        ));
    }
    let first = first.and_then(|first| FOLLOWED.get(first));
    if first.is_some_and(|kind| kind.scheme.is_none()) {
        let absent = |name: &&OsString| !Path::new(name).exists();
        let error = |name: &OsString| broker::without_client(name).or_else(|| fault::address(name));
        if let Some(error) = options.patterns.iter().filter(absent).find_map(error) {
            return Err(error);
        }
    }
    match first {
        Some(kind) => Ok((kind.open)(options)),
        None => Err(Error::usage("there is nothing to follow")),
    }
}
