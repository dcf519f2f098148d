//! Zstandard.

use std::io::{BufRead, Read};

use crate::decode::DecodeError;

/// The decompressed bytes.
///
/// # Errors
/// Where no decompressor can be made.
pub fn undo(stored: impl BufRead + Send + 'static) -> Result<Box<dyn Read + Send>, DecodeError> {
    Ok(Box::new(zstd::stream::read::Decoder::with_buffer(stored)?))
}
