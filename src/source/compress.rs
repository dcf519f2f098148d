//! Compression: told by magic bytes, undone on the way.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::decode::DecodeError;

/// Bytes that a decompressor takes in at once.
const BUFFER: usize = 64 << 10;

/// How an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, one member or many (`cat a.gz b.gz`, block-gzip).
    Gzip,
    /// Zstandard, one frame or many.
    Zstd,
}

impl Compression {
    /// Tells it by the first bytes of an input.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1F, 0x8B, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstd,
            // A skippable frame, as parallel compressors put in front.
            [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The decompressed bytes.
    ///
    /// # Errors
    /// Where no decompressor can be made.
    pub fn undo(self, stored: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        let buffered = BufReader::with_capacity(BUFFER, stored);
        Ok(match self {
            Self::None => Box::new(buffered.into_inner()),
            Self::Gzip => Box::new(MultiGzDecoder::new(buffered)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?),
        })
    }

    /// What an error means that came out of the decompressed bytes: a fault of the machine that
    /// stores them, or of the compressed bytes themselves.
    pub(super) fn fault(self, error: io::Error) -> DecodeError {
        if self == Self::None || error.raw_os_error().is_some() {
            return DecodeError::Io(error);
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "ends early",
            _ => "is corrupt",
        };
        DecodeError::Corrupt(format!("the {} stream {what}", self.as_str()))
    }
}
