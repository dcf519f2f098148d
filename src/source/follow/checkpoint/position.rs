//! Where the reading of a followed file stands, and by what the file is known again.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes at each end of what was read by which a file is known again.
pub(in crate::source::follow) const MARK: u64 = 1024;

/// A place in a file behind which nothing is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::source::follow) struct FilePosition {
    #[serde(with = "crate::source::names::path")]
    pub(in crate::source::follow) path: PathBuf,
    pub(in crate::source::follow) device: u64,
    pub(in crate::source::follow) inode: u64,
    /// Hash of the first bytes and of those before `offset`.
    pub(in crate::source::follow) fingerprint: String,
    /// Behind the last settled line.
    pub(in crate::source::follow) offset: u64,
    /// Behind the header.
    pub(in crate::source::follow) header: u64,
    /// Rows before that.
    pub(in crate::source::follow) rows: u64,
    /// The header as it stands there, with what is before it; where `header` is 0 that of earlier content,
    /// which holds for this one too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::source::follow) names: Option<String>,
    /// The last rows before it that have no id of their own, by which equal ones are counted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::source::follow) equals: Option<String>,
    /// Where nothing before it is settled: how much had been read all the same, and its fingerprint.
    #[serde(skip)]
    pub(in crate::source::follow) read: Option<(u64, String)>,
    /// The name by which it was found, where it has another one now.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::source::names::some_path")]
    pub(in crate::source::follow) born: Option<PathBuf>,
    /// Whether a tail has read it to its end, after it had been rotated away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::source::follow) done: bool,
    /// Since when it has not been found, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::source::follow) away: Option<u64>,
}

impl FilePosition {
    pub(in crate::source::follow) fn id(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Whether it is a place of that file, as it is now.
    pub(in crate::source::follow) fn fits(&self, file: &File, id: (u64, u64)) -> bool {
        self.id() == id && self.is_beginning_of(file)
    }

    /// Whether rows were read before it: the same header is no sign of the same content.
    pub(in crate::source::follow) fn has_rows(&self) -> bool {
        self.rows > 0 || self.offset > self.header.max(MARK) || self.read.is_some()
    }

    /// Whether that file begins with what was read, whichever it is.
    pub(in crate::source::follow) fn is_beginning_of(&self, file: &File) -> bool {
        let is = |length, print: &String| fingerprint(file, length).as_ref() == Some(print);
        is(self.offset, &self.fingerprint)
            && self.read.as_ref().is_none_or(|(length, print)| is(*length, print))
    }
}

/// What tells the first `offset` bytes of a file from others; `None` where it has not so many.
pub(in crate::source::follow) fn fingerprint(file: &File, offset: u64) -> Option<String> {
    let length = offset.min(MARK);
    let mut bytes = vec![0; 2 * usize::try_from(length).ok()?];
    let (first, last) = bytes.split_at_mut(usize::try_from(length).ok()?);
    file.read_exact_at(first, 0).ok()?;
    file.read_exact_at(last, offset - length).ok()?;
    Some(format!("{:016x}", xxh3_64(&bytes)))
}
