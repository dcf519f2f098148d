//! Excel workbooks, in a program that was built without them: they are known, and refused.

mod described;

pub use described::is_workbook;

use crate::decode::DecodeError;
use crate::decode::format::{Description, Reading};
use crate::error::left_out;

/// As it is listed among the formats.
pub static FORMAT: Description =
    described::read_by(Reading::File(|_, _| Err(DecodeError::Usage(left_out("Excel workbooks", "xlsx")))));
