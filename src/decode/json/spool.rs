//! A document that comes but once and is too large to be held: it goes to a file without a name.

use std::fs::File;
use std::io::{Read, Seek, Write};

use crate::decode::input_buffer::{InputBuffer, More};
use crate::decode::{Chunk, Chunks, DecodeError};
use crate::error::words;

/// Bytes of a chunk.
const CHUNK: usize = 256 << 10;

/// A document in a file.
pub(super) struct Spooled {
    file: File,
    /// What ended it before its end.
    pub(super) failure: Option<DecodeError>,
}

/// Writes what is in the buffer and follows it to a file.
pub(super) fn spool(feed: &mut InputBuffer) -> Result<Spooled, DecodeError> {
    let writing = |error: std::io::Error| {
        let place = std::env::temp_dir();
        DecodeError::Corrupt(format!(
            "a JSON document of more than 64 MiB goes to a file first, and that cannot be written in {}: {}; set TMPDIR",
            place.display(),
            words(&error)
        ))
    };
    let mut file = tempfile::tempfile().map_err(writing)?;
    loop {
        let bytes = feed.bytes();
        file.write_all(bytes).map_err(writing)?;
        let count = bytes.len();
        feed.consume(count);
        if feed.more() == More::End && feed.bytes().is_empty() {
            break;
        }
    }
    Ok(Spooled { file, failure: feed.take_failure(0) })
}

impl Spooled {
    /// All of it from its first byte on; once after the other.
    pub(super) fn chunks(&self) -> Result<Box<dyn Chunks>, DecodeError> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(Box::new(FileChunks(file)))
    }
}

struct FileChunks(File);

impl Chunks for FileChunks {
    fn next(&mut self) -> Result<Chunk, DecodeError> {
        let mut buffer = vec![0; CHUNK];
        let count = loop {
            match self.0.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        buffer.truncate(count);
        Ok(if count == 0 { Chunk::End } else { Chunk::Data(buffer.into()) })
    }
}
