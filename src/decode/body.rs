//! Bytes that are read at their places: of a file, or of an object that stays where it is.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;

use crate::objects::Ranges;

/// Bytes that are read at their places.
pub enum Body {
    /// Of a file.
    File(File),
    /// Of an object.
    Object(Ranges),
}

impl From<File> for Body {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl Body {
    /// How many there are.
    ///
    /// # Errors
    /// Where a file cannot be asked.
    pub fn bytes(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Object(ranges) => Ok(ranges.bytes()),
        }
    }

    /// A part that lies within them.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(&self, part: Range<u64>) -> io::Result<Bytes> {
        match self {
            Self::File(file) => {
                let mut buffer = vec![0; usize::try_from(part.end - part.start).unwrap_or(usize::MAX)];
                file.read_exact_at(&mut buffer, part.start)?;
                Ok(buffer.into())
            }
            Self::Object(ranges) => ranges.read(part),
        }
    }

    /// Some of those that follow a place; none at the end.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, at),
            Self::Object(ranges) => {
                let end = ranges.bytes().min(at.saturating_add(buffer.len() as u64));
                if at >= end {
                    return Ok(0);
                }
                let bytes = ranges.read(at..end)?;
                buffer.get_mut(..bytes.len()).unwrap_or_default().copy_from_slice(&bytes);
                Ok(bytes.len())
            }
        }
    }

    /// What will be read: groups of parts, one group after the other.
    pub fn plan(&self, groups: impl FnOnce() -> Vec<Vec<Range<u64>>>) {
        if let Self::Object(ranges) = self {
            ranges.plan(&groups());
        }
    }

    /// The file.
    ///
    /// # Errors
    /// Where it is an object: those of formats that need a file are copied to one before.
    pub fn into_file(self) -> io::Result<File> {
        match self {
            Self::File(file) => Ok(file),
            Self::Object(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
