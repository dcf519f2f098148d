//! xz: one stream or many.

use std::io::{self, BufRead, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Error, Stream};

use crate::decode::DecodeError;

/// Memory that a stream may ask for: `xz -9` needs 65 MiB; the header alone says how much it is, up to 4 GiB.
const MOST_MEMORY: u64 = 256 << 20;

/// The decompressed bytes.
///
/// # Errors
/// Where no decompressor can be made.
pub fn undo(stored: impl BufRead + Send + 'static) -> Result<Box<dyn Read + Send>, DecodeError> {
    let stream = Stream::new_stream_decoder(MOST_MEMORY, CONCATENATED).map_err(io::Error::from)?;
    Ok(Box::new(Streams(XzDecoder::new_stream(stored, stream))))
}

/// The streams, with errors of a kind that says what is the matter.
struct Streams<R>(XzDecoder<R>);

impl<R: BufRead> Read for Streams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(Error::MemLimit | Error::Mem) => io::Error::new(io::ErrorKind::OutOfMemory, error),
                Some(Error::Options | Error::UnsupportedCheck) => {
                    io::Error::new(io::ErrorKind::Unsupported, error)
                }
                _ => error,
            }
        })
    }
}
