//! Whether a file is still what it was when its reading began: others may cut it or write over it, and what
//! was read is then half of one file and half of another.

use std::fs::{File, Metadata};
use std::io::{self, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use xxhash_rust::xxh3::Xxh3Default;

use crate::batch::{covers, fingerprint};
use crate::pipeline::Stop;
use crate::source::Meter;
use crate::source::identity::{content, hex};
use crate::text::number_format::count;

/// A file as it was when it was opened.
pub(super) struct AtOpening {
    file: File,
    /// What had become of it when its last byte was read: what happens afterwards is no matter.
    at_end: OnceLock<Since>,
    bytes: u64,
    modified: i64,
    fingerprint: Option<String>,
    /// A hash of all of it, where that took but a moment.
    content: Option<String>,
    /// The hash of what has been read of it, one byte behind the other, and how much that was.
    passed: Mutex<(Xxh3Default, u64)>,
    /// Whether it is read in another way, so that the hash is not of all that is read.
    scattered: AtomicBool,
    stop: Stop,
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
    /// It has been written to, and what can be seen of it in a moment is as it was: its size, its beginning and
    /// its end. Nobody knows more.
    Unclear,
    /// It is not what it was; what has happened to it.
    Other(String),
}

/// When it was written to last, in nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

impl AtOpening {
    /// Of that file.
    pub(super) fn of(file: &File, stop: &Stop, meter: &Meter) -> io::Result<Self> {
        let file = file.try_clone()?;
        let metadata = file.metadata()?;
        let fingerprint = fingerprint(&file, metadata.len()).ok();
        let (bytes, modified, at_end) = (metadata.len(), modified(&metadata), OnceLock::new());
        let known = !covers(bytes) && meter.may_hash(bytes);
        let content = known.then(|| content(&file, bytes, &|| stop.is_set())).flatten();
        let (passed, scattered) = (Mutex::new((Xxh3Default::new(), 0)), AtomicBool::new(false));
        let stop = stop.clone();
        Ok(Self { bytes, modified, fingerprint, content, file, at_end, passed, scattered, stop })
    }

    /// Those bytes of it have been read, behind those before.
    pub(super) fn passed(&self, bytes: &[u8]) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.0.update(bytes);
        passed.1 += bytes.len() as u64;
    }

    /// It is read here and there from now on.
    pub(super) fn is_scattered(&self) {
        self.scattered.store(true, Ordering::Release);
    }

    /// Whether it begins with what was in it at its opening; `None` where nobody knows.
    fn is_kept(&self) -> Option<bool> {
        // After a stop nobody asks.
        let now = |bytes| content(&self.file, bytes, &|| self.stop.is_set());
        if covers(self.bytes) {
            return Some(true);
        }
        if self.content.is_some() {
            return Some(now(self.bytes) == self.content);
        }
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        // What was read may have been written before it was read.
        let differs = !self.scattered.load(Ordering::Acquire) && now(passed.1) != Some(hex(&passed.0));
        differs.then_some(false)
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
        match (if begins { self.is_kept() } else { Some(false) }, bytes > self.bytes) {
            (Some(false), _) => Since::Other("was written over while it was read".to_owned()),
            (_, true) => Since::Grown { bytes },
            (Some(true), false) => Since::Same,
            (None, false) => Since::Unclear,
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
