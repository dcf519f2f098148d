//! What is said of an input whose rows or columns do not fit.

use crate::decode::Broken;
use crate::error::Error;
use crate::source::{Input, Opened};
use crate::text::flags::{NO_HEADER, SKIP_LINES};

/// The error about the columns of an input, with what it may be instead of such rows.
pub(super) fn or_else(error: Error, opened: &Opened) -> Error {
    if !matches!(error, Error::Usage(_)) {
        return error;
    }
    let document = opened.decoder.document().map(|sentence| format!("; perhaps it is {sentence}"));
    opened.chosen.perhaps_else(document.iter().fold(error, |error, more| error.and(more)))
}

/// The error for an input of which no row fits its header; `broken` is one of them.
pub(super) fn wrong_header(input: &Input, broken: &Broken, rows: u64) -> Error {
    let what = &broken.message;
    Error::input(format!(
        "{}: none of the {rows} rows read fits the header ({what}); if the file has no header add {NO_HEADER}, if lines come before it add {SKIP_LINES} N",
        input.name
    ))
}
