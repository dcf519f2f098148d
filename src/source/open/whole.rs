//! Inputs that are read as a whole: from a file that they are in or go to first, or before their rows are.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use crate::dataset::wanted::Wanted;
use crate::decode::format::FileDecoder;
use crate::decode::{Chunk, Chunks, DecodeError, Decoder, RawBatch};
use crate::error::{Error, words};
use crate::pipeline::Stop;
use crate::source::compress::NOTHING_LOADED;
use crate::source::fault::{called, decode_error};
use crate::source::reader::CHUNK;
use crate::source::{Compression, Meter};

/// What is read from its end goes to a file first where it comes in a stream, one without a name.
pub(super) fn spool(
    mut bytes: Box<dyn Read + Send>,
    compression: Compression,
    name: &str,
    meter: &Meter,
) -> Result<File, Error> {
    let writing = |e: io::Error| {
        let place = std::env::temp_dir();
        let place = place.display();
        let what = words(&e);
        Error::input(format!("{}: its copy in {place} cannot be written: {what}; set TMPDIR", called(name)))
            .caused_by(e)
    };
    let mut file = tempfile::tempfile().map_err(writing)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = match bytes.read(&mut buffer) {
            Ok(0) => return Ok(file),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(decode_error(compression.fault(error), name)),
        };
        meter.decode(count as u64);
        io::Write::write_all(&mut file, buffer.get(..count).unwrap_or_default()).map_err(writing)?;
    }
}

/// An input that is looked through before it is read.
pub(super) struct Reread {
    pub(super) bytes: Box<dyn Read + Send>,
    pub(super) compression: Compression,
}

impl Chunks for Reread {
    fn next(&mut self) -> Result<Chunk, DecodeError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.bytes.read(&mut buffer) {
                Ok(0) => return Ok(Chunk::End),
                Ok(count) => {
                    buffer.truncate(count);
                    return Ok(Chunk::Data(buffer.into()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.compression.fault(error)),
            }
        }
    }
}

/// A file that is read whole, with its stop and its meter.
pub(super) struct Whole {
    pub(super) decoder: Box<dyn FileDecoder>,
    pub(super) stop: Stop,
    /// Where the file itself is read, and the bytes of it that have been counted ahead.
    pub(super) meter: Option<(Arc<Meter>, u64)>,
}

impl Decoder for Whole {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        if self.stop.is_set() {
            return Ok(None);
        }
        let batch = match self.decoder.next_batch() {
            // An object is not waited for after the stop.
            Err(_) if self.stop.is_set() => return Ok(None),
            batch => batch?,
        };
        if let (Some(batch), Some((meter, ahead))) = (&batch, &mut self.meter) {
            let counted = batch.bytes.min(*ahead);
            *ahead -= counted;
            meter.consume(batch.bytes - counted);
            meter.decode(batch.bytes);
        }
        Ok(batch)
    }

    fn prove(&mut self) -> Result<(), DecodeError> {
        self.decoder.prove_until(&|| self.stop.is_set()).map_err(|error| match error {
            DecodeError::Corrupt(text) => DecodeError::Corrupt(text + NOTHING_LOADED),
            other => other,
        })
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.decoder.names()
    }

    fn read_only(&mut self, wanted: Wanted) -> Result<(), DecodeError> {
        self.decoder.read_only(wanted)
    }

    fn pieces(&self) -> Vec<(u64, u64)> {
        self.decoder.pieces()
    }

    fn read_pieces(&mut self, pieces: Range<usize>) -> Result<(), DecodeError> {
        self.decoder.read_pieces(pieces)
    }

    fn told(&self) -> Option<&str> {
        self.decoder.told()
    }
}

/// A decoder of no rows, for an input that was stopped before its first byte.
pub(super) struct Nothing;

impl Decoder for Nothing {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        Ok(None)
    }

    fn names(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
}
