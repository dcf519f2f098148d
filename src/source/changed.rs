//! Whether a file is still what it was when its reading began: others may cut it or write over it, and what
//! was read is then half of one file and half of another.

use std::fs::{File, Metadata};
use std::io::{self, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;

use crate::batch::fingerprint;
use crate::text::number_format::count;

/// A file as it was when it was opened.
#[derive(Debug)]
pub(super) struct AtOpening {
    file: File,
    /// What had become of it when its last byte was read: what happens afterwards is no matter.
    at_end: OnceLock<Since>,
    bytes: u64,
    modified: i64,
    fingerprint: Option<String>,
}

/// What has become of it since.
#[derive(Debug, Clone)]
pub(super) enum Since {
    /// Nobody has written to it.
    Same,
    /// There is more behind what was there.
    Grown {
        /// The bytes of now.
        bytes: u64,
    },
    /// It is not what it was; what has happened to it.
    Other(String),
}

/// When it was written to last, in nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

impl AtOpening {
    /// Of that file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let metadata = file.metadata()?;
        let fingerprint = fingerprint(&file, metadata.len()).ok();
        let (bytes, modified, at_end) = (metadata.len(), modified(&metadata), OnceLock::new());
        Ok(Self { bytes, modified, fingerprint, file, at_end })
    }

    /// It has been read to its end.
    pub(super) fn ended(&self) {
        self.at_end.get_or_init(|| self.look());
    }

    /// What had become of it by the end of its reading.
    pub(super) fn since(&self) -> Since {
        self.at_end.get().cloned().unwrap_or_else(|| self.look())
    }

    fn look(&self) -> Since {
        let Ok(metadata) = self.file.metadata() else { return Since::Same };
        let bytes = metadata.len();
        if bytes < self.bytes {
            let (from, to) = (count(self.bytes), count(bytes));
            return Since::Other(format!("was cut from {from} to {to} bytes while it was read"));
        }
        if (bytes, modified(&metadata)) == (self.bytes, self.modified) {
            return Since::Same;
        }
        let begins = fingerprint(&self.file, self.bytes).ok() == self.fingerprint;
        match begins && bytes > self.bytes {
            true => Since::Grown { bytes },
            false => Since::Other("was written over while it was read".to_owned()),
        }
    }

    /// How many bytes there were.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many bytes of it were read, one behind the other.
    pub(super) fn read(&self) -> u64 {
        (&self.file).stream_position().unwrap_or(self.bytes)
    }
}
