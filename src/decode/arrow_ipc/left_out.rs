//! Arrow IPC, in a program that was built without it: files of it are known, and refused.

mod described;

use crate::decode::DecodeError;
use crate::decode::format::{Description, Reading};
use crate::error::left_out;

/// As it is listed among the formats.
pub static FORMAT: Description =
    described::read_by(Reading::Stream(|_, _| Err(DecodeError::Usage(left_out("Arrow IPC", "arrow-ipc")))));
