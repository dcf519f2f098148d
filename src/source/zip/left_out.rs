//! zip archives, in a program that was built without them: they are known, and refused.

use std::io::{BufRead, Read, Seek};

use crate::decode::DecodeError;
use crate::error::left_out;

mod described;

pub use described::{MAGIC, Member, Packed};

/// Refuses all.
///
/// # Errors
/// In every case.
pub fn members(_: impl Read + Seek) -> Result<Vec<Member>, DecodeError> {
    Err(DecodeError::Usage(left_out("zip archives", "zip")))
}

/// Refuses all.
///
/// # Errors
/// In every case.
pub fn undo(_: impl BufRead + Send + 'static, _: Packed) -> Result<Box<dyn Read + Send>, DecodeError> {
    Err(DecodeError::Usage(left_out("zip archives", "zip")))
}
