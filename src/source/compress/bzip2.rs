//! bzip2: one stream or many.

use std::io::{BufRead, Read};

use bzip2::bufread::MultiBzDecoder;

use crate::decode::DecodeError;

/// The decompressed bytes.
///
/// # Errors
/// None.
pub fn undo(stored: impl BufRead + Send + 'static) -> Result<Box<dyn Read + Send>, DecodeError> {
    Ok(Box::new(MultiBzDecoder::new(stored)))
}
