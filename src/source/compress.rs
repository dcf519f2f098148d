//! Compression: told by magic bytes, undone on the way, and proven before a row of a file counts.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

use crate::decode::DecodeError;
use crate::pipeline::Stop;

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
        self.undo_padded(stored, Padding::default())
    }

    /// Decompresses, and counts the padding that is passed over in `padding`.
    pub(super) fn undo_padded(
        self,
        stored: impl Read + Send + 'static,
        padding: Padding,
    ) -> io::Result<Box<dyn Read + Send>> {
        let buffered = BufReader::with_capacity(BUFFER, stored);
        Ok(match self {
            Self::None => Box::new(buffered.into_inner()),
            Self::Gzip => Box::new(Members { member: Some(GzDecoder::new(buffered)), padding }),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?),
        })
    }

    /// Decompresses a file for its checksums alone: a checksum stands behind the bytes that it is of, so
    /// that rows of damaged ones would be stored before it is seen.
    ///
    /// That the file ends early is no damage: what is there is as it was written, and the reading comes to
    /// that place by itself; nor is a fault of the machine.
    pub(super) fn prove(self, file: &File, stop: &Stop) -> Result<(), DecodeError> {
        match self.unpack(file, stop) {
            Err(DecodeError::Corrupt(text)) if !text.ends_with(ENDS_EARLY) => {
                Err(DecodeError::Corrupt(text + NOTHING_LOADED))
            }
            _ => Ok(()),
        }
    }

    /// Decompresses a file to its end, for nothing but what is wrong with it.
    pub(super) fn unpack(self, file: &File, stop: &Stop) -> Result<(), DecodeError> {
        let mut bytes = self.undo(Placed { file: file.try_clone()?, at: 0, stop: stop.clone() })?;
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
        if self == Self::None || error.raw_os_error().is_some() {
            return DecodeError::Io(error);
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => ENDS_EARLY,
            _ => "is corrupt",
        };
        DecodeError::Corrupt(format!("the {} stream {what}", self.as_str()))
    }
}

const ENDS_EARLY: &str = "ends early";

/// What becomes of the rows of a file whose checksums do not hold.
pub(super) const NOTHING_LOADED: &str = "; none of its rows were loaded";

/// A file, read from its beginning whatever others do with it; it ends where the stop is set.
struct Placed {
    file: File,
    at: u64,
    stop: Stop,
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

/// The members of a gzip stream, one behind the other.
struct Members<R> {
    member: Option<GzDecoder<R>>,
    padding: Padding,
}

impl<R: BufRead> Members<R> {
    /// Whether another member follows, behind zero bytes perhaps.
    fn follows(&self, rest: &mut R) -> io::Result<bool> {
        loop {
            let bytes = match rest.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                return Ok(!bytes.is_empty());
            }
            rest.consume(zeros);
            self.padding.0.fetch_add(zeros as u64, Ordering::Relaxed);
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(ended) = self.member.take() else { break };
            let mut rest = ended.into_inner();
            if self.follows(&mut rest)? {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}
