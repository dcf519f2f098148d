//! The bytes of a Parquet file, read at their places.

use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::decode::{Body, DecodeError};
use crate::error::Error;
use crate::objects::{Fault, fault};

/// A file that several columns read at once: each read names its place, so that no position is
/// shared and no handle is duplicated for a page; and asks for no more memory than there are bytes.
#[derive(Clone)]
pub(super) struct Stored {
    body: Arc<Body>,
    bytes: u64,
    /// Why its bytes could not be had, where it is an object: to the reader of its pages that is damage.
    failed: Arc<Mutex<Option<Error>>>,
}

impl Stored {
    pub(super) fn new(body: Body) -> Result<Self, DecodeError> {
        let bytes = body.bytes()?;
        Ok(Self { body: Arc::new(body), bytes, failed: Arc::default() })
    }

    /// What will be read, where that can be fetched ahead: row groups with their columns.
    pub(super) fn plan(&self, groups: impl FnOnce() -> Vec<Vec<Range<u64>>>) {
        self.body.plan(groups);
    }

    /// The error in the place of that one, where bytes of an object could not be had.
    pub(super) fn or_fault(&self, error: DecodeError) -> DecodeError {
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(fault) => DecodeError::Io(Fault(fault).into()),
            None => error,
        }
    }

    /// Notes why bytes could not be had.
    fn noted<T>(&self, read: io::Result<T>) -> io::Result<T> {
        read.inspect_err(|error| {
            if let Some(fault) = fault(error) {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
            }
        })
    }

    fn read(&self, part: Range<u64>) -> io::Result<Bytes> {
        self.noted(self.body.read(part))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Looks at both ends of the file, where its format has marks.
    pub(super) fn check_frame(&self) -> Result<(), DecodeError> {
        let corrupt = |text: &str| Err(DecodeError::Corrupt(text.into()));
        if self.bytes < 4 {
            return corrupt("not a Parquet file, it is too short");
        }
        let head = self.read(0..4)?;
        match &*head {
            b"PAR1" => {}
            b"PARE" => return corrupt("the Parquet file is encrypted, which cannot be read"),
            _ => return corrupt("not a Parquet file, it does not start with PAR1"),
        }
        let tail = if self.bytes >= 12 { self.read(self.bytes - 4..self.bytes)? } else { Bytes::new() };
        match &*tail {
            b"PAR1" => Ok(()),
            b"PARE" => corrupt("the Parquet file is encrypted, which cannot be read"),
            _ => corrupt("the Parquet file is truncated, the footer at its end is missing"),
        }
    }
}

impl Length for Stored {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Stored {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(From { stored: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF("a page lies beyond the end of the file".into()));
        }
        Ok(self.read(start..start + length as u64)?)
    }
}

/// The file from a place on.
pub(super) struct From {
    stored: Stored,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stored.noted(self.stored.body.read_at(buffer, self.at))?;
        self.at += count as u64;
        Ok(count)
    }
}
