//! LZ4, in a program that was built without it.

use std::io::{BufRead, Read};

use crate::decode::DecodeError;
use crate::error::left_out;

/// Refuses all.
///
/// # Errors
/// In every case.
pub fn undo(_: impl BufRead + Send + 'static) -> Result<Box<dyn Read + Send>, DecodeError> {
    Err(DecodeError::Usage(left_out("LZ4", "lz4")))
}
