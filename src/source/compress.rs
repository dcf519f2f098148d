//! Compression: told by magic bytes, undone on the way, and proven before a row of a file counts.

#[cfg_attr(not(feature = "bzip2"), path = "compress/bzip2_left_out.rs")]
mod bzip2;
#[cfg_attr(not(feature = "gzip"), path = "compress/gzip_left_out.rs")]
mod gzip;
#[cfg_attr(not(feature = "lz4"), path = "compress/lz4_left_out.rs")]
mod lz4;
#[cfg_attr(not(feature = "xz"), path = "compress/xz_left_out.rs")]
mod xz;
#[cfg_attr(not(feature = "zstd"), path = "compress/zstd_left_out.rs")]
mod zstd;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::decode::DecodeError;
use crate::objects::fault;
use crate::pipeline::Stop;
use crate::source::zip::{self, Packed};

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
    /// bzip2, one stream or many, as parallel compressors write them.
    Bzip2,
    /// xz, one stream or many.
    Xz,
    /// Frames of LZ4, one or many.
    Lz4,
    /// As a member of a zip archive, stored or deflated.
    Zip(Packed),
}

/// Zero bytes between or behind the members of a gzip stream, as tapes and block devices leave them.
#[derive(Debug, Clone, Default)]
pub struct Padding(Arc<AtomicU64>);

impl Padding {
    /// How many were passed over so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Compression {
    /// The endings of names of compressed files.
    pub const ENDINGS: [&str; 5] = [".gz", ".zst", ".bz2", ".xz", ".lz4"];

    /// Tells it by the first bytes of an input.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1F, 0x8B, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstd,
            // A skippable frame, as parallel compressors put in front.
            [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::behind_skippable(head),
            [0x04, 0x22, 0x4D, 0x18, ..] => Self::Lz4,
            [0xFD, b'7', b'z', b'X', ..] => Self::Xz,
            // Behind it begins a block, or the stream ends: a text may begin like this as well.
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] => {
                let is = |sign: [u8; 6]| rest.iter().zip(sign).all(|(byte, sign)| *byte == sign);
                let block = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
                let end = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
                if is(block) || is(end) { Self::Bzip2 } else { Self::None }
            }
            _ => Self::None,
        }
    }

    /// Zstandard and LZ4 have the same skippable frames: the one that follows them says which it is, where it
    /// can be seen.
    fn behind_skippable(head: &[u8]) -> Self {
        let mut rest = head;
        while let [0x50..=0x5F, 0x2A, 0x4D, 0x18, a, b, c, d, behind @ ..] = rest {
            let length = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
            rest = behind.get(length..).unwrap_or_default();
        }
        if rest.starts_with(&[0x04, 0x22, 0x4D, 0x18]) { Self::Lz4 } else { Self::Zstd }
    }

    /// The endings of names of compressed files, for a sentence: `.gz, .zst or .xz`.
    pub fn endings() -> String {
        let (last, others) = Self::ENDINGS.split_last().unwrap_or((&"", &[]));
        format!("{} or {last}", others.join(", "))
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Zip(_) => "zip",
        }
    }

    /// The decompressed bytes.
    ///
    /// # Errors
    /// Where no decompressor can be made.
    pub fn undo(self, stored: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>, DecodeError> {
        self.undo_padded(stored, Padding::default())
    }

    /// Decompresses, and counts the padding that is passed over in `padding`.
    pub(super) fn undo_padded(
        self,
        stored: impl Read + Send + 'static,
        padding: Padding,
    ) -> Result<Box<dyn Read + Send>, DecodeError> {
        match self {
            Self::None => Ok(Box::new(stored)),
            Self::Gzip => gzip::undo(BufReader::with_capacity(BUFFER, stored), padding),
            Self::Zstd => zstd::undo(BufReader::with_capacity(BUFFER, stored)),
            Self::Bzip2 => bzip2::undo(BufReader::with_capacity(BUFFER, stored)),
            Self::Xz => xz::undo(BufReader::with_capacity(BUFFER, stored)),
            Self::Lz4 => lz4::undo(BufReader::with_capacity(BUFFER, stored)),
            Self::Zip(packed) => zip::undo(BufReader::with_capacity(BUFFER, stored), packed),
        }
    }

    /// Decompresses a file for its checksums alone: a checksum stands behind the bytes that it is of, so
    /// that rows of damaged ones would be stored before it is seen.
    ///
    /// That the file ends early is not damage: what is there is as it was written, and the reading comes to
    /// that place by itself; nor is a fault of the machine.
    pub(super) fn prove(self, file: &File, stop: &Stop) -> Result<(), DecodeError> {
        match self.unpack(file, stop) {
            Err(DecodeError::Corrupt(text)) if !text.ends_with(ENDS_EARLY) => {
                Err(DecodeError::Corrupt(text + NOTHING_LOADED))
            }
            Err(DecodeError::Usage(text)) => Err(DecodeError::Usage(text)),
            _ => Ok(()),
        }
    }

    /// The decompressed bytes of a file once more, whatever is read of it elsewhere.
    pub(super) fn again(self, file: &File, stop: &Stop) -> Result<Box<dyn Read + Send>, DecodeError> {
        let at = match self {
            Self::Zip(packed) => packed.at,
            _ => 0,
        };
        self.undo(Placed { file: file.try_clone()?, at, stop: stop.clone() })
    }

    /// Decompresses a file to its end, for nothing but what is wrong with it.
    pub(super) fn unpack(self, file: &File, stop: &Stop) -> Result<(), DecodeError> {
        let mut bytes = self.again(file, stop)?;
        let mut buffer = vec![0; 4 * BUFFER];
        loop {
            match bytes.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fault(error)),
            }
        }
    }

    /// Whether an error says that the bytes are others than were compressed, so that those before it are in
    /// doubt too: the checksum that fails stands behind them.
    pub(super) fn doubts(self, error: &DecodeError) -> bool {
        let own = |text: &str| text.strip_prefix("the ").is_some_and(|text| text.starts_with(self.as_str()));
        matches!(error, DecodeError::Corrupt(text) if own(text) && !text.contains(ENDS_EARLY))
    }

    /// What an error means that came out of the decompressed bytes: a fault of the machine that
    /// stores them, or of the compressed bytes themselves.
    pub(super) fn fault(self, error: io::Error) -> DecodeError {
        if self == Self::None || error.raw_os_error().is_some() || fault(&error).is_some() {
            return DecodeError::Io(error);
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => ENDS_EARLY,
            io::ErrorKind::OutOfMemory => {
                "takes more memory to decompress than is allowed here, decompress it first"
            }
            io::ErrorKind::Unsupported => "is compressed in a way that cannot be read, decompress it first",
            _ => "is corrupt",
        };
        DecodeError::Corrupt(format!("the {} stream {what}", self.as_str()))
    }
}

const ENDS_EARLY: &str = "ends early";

/// What becomes of the rows of a file whose checksums do not hold.
pub(super) const NOTHING_LOADED: &str = "; none of its rows were loaded";

/// A file, read from a place in it whatever others do with it; it ends where the stop is set.
pub(super) struct Placed {
    pub(super) file: File,
    pub(super) at: u64,
    pub(super) stop: Stop,
}

impl Read for Placed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            return Ok(0);
        }
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
