//! Lines of the checkpoint file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::dataset::inferred::Learned;
use crate::source::follow::checkpoint::position::FilePosition;
use crate::source::follow::ordinals::{End, Stretch};

/// Version of the format. The first one had the places alone.
pub(in crate::source::follow) const VERSION: u32 = 2;

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source::follow) struct Stored {
    pub(in crate::source::follow) version: u32,
    pub(in crate::source::follow) files: Vec<FilePosition>,
    /// The run whose rows behind those places are told by the store's ledger, until it ends with none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::source::follow) run: Option<Uuid>,
    /// The boot of the machine, where the system tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::source::follow) boot: Option<String>,
    /// The inode of this very file, by which it is told from copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::source::follow) inode: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::source::follow) stretches: Vec<Stretch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::source::follow) told: Vec<LearnedFormats>,
    /// When rotated files had been looked for last, in microseconds since 1970.
    #[serde(default)]
    pub(in crate::source::follow) looked: Option<u64>,
}

impl Stored {
    /// Whether nothing is in it, not even what a tail writes that has seen no file yet.
    pub(super) fn says_nothing(&self) -> bool {
        self.files.is_empty() && self.stretches.is_empty() && self.run.is_none() && self.looked.is_none()
    }
}

/// What the rows of a file have told, and the file by which it is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::source::follow) struct LearnedFormats {
    #[serde(with = "crate::source::names::path")]
    pub(in crate::source::follow) path: PathBuf,
    pub(in crate::source::follow) device: u64,
    pub(in crate::source::follow) inode: u64,
    pub(in crate::source::follow) seen: u64,
    pub(in crate::source::follow) fingerprint: String,
    pub(in crate::source::follow) learned: Learned,
}

/// A line behind the document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::source::follow) enum Line {
    Begun(Begun),
    LearnedFormats(LearnedFormats),
    Grown(End),
}

/// A stretch that begins.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source::follow) struct Begun {
    /// Where the stretch before it has ended.
    pub(in crate::source::follow) end: Option<End>,
    pub(in crate::source::follow) stretch: Stretch,
    /// Whether lines that come soon after it may be lost where the machine goes down.
    pub(in crate::source::follow) loose: bool,
}

/// Whether what is not a document may have been one: a text of another kind is somebody else's file.
pub(in crate::source::follow) fn may_be_damaged(bytes: &[u8]) -> bool {
    let begins = bytes.trim_ascii_start();
    // Of a value without anything in it nobody has use; a list may be somebody's data.
    let hollow = |value: serde_json::Value| value.as_array().is_none_or(Vec::is_empty);
    begins.is_empty()
        || begins.starts_with(b"{")
        || serde_json::from_slice(bytes).is_ok_and(hollow)
        || begins.contains(&0)
        || std::str::from_utf8(bytes).is_err()
}
