//! The bytes of a Parquet file, read at their places.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::decode::DecodeError;

/// A file that several columns read at once: each read names its place, so that no position is
/// shared and no handle is duplicated for a page; and asks for no more memory than there are bytes.
#[derive(Clone)]
pub(super) struct Stored {
    file: Arc<File>,
    bytes: u64,
}

impl Stored {
    pub(super) fn new(file: File) -> Result<Self, DecodeError> {
        let bytes = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), bytes })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Looks at both ends of the file, where its format has marks.
    pub(super) fn check_frame(&self) -> Result<(), DecodeError> {
        let corrupt = |text: &str| Err(DecodeError::Corrupt(text.into()));
        let (mut head, mut tail) = ([0; 4], [0; 4]);
        if self.bytes < 4 || self.file.read_exact_at(&mut head, 0).is_err() {
            return corrupt("not a Parquet file, it is too short");
        }
        match &head {
            b"PAR1" => {}
            b"PARE" => return corrupt("the Parquet file is encrypted, which cannot be read"),
            _ => return corrupt("not a Parquet file, it does not start with PAR1"),
        }
        if self.bytes >= 12 {
            self.file.read_exact_at(&mut tail, self.bytes - 4)?;
        }
        match &tail {
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
        Ok(BufReader::new(From { file: self.file.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF("a page lies beyond the end of the file".into()));
        }
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, start)?;
        Ok(buffer.into())
    }
}

/// The file from a place on.
pub(super) struct From {
    file: Arc<File>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
