//! Files that are no queue, whatever they are called: a replay leaves them alone, and nothing is written to them.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read as _};
use std::path::Path;

use super::letter::Letter;
use super::lines::{Line, Lines};

/// Bytes that are looked at to tell a queue from another file.
const FIRST_BYTES: u64 = 1 << 20;

/// How each of our records begins.
const BEGINNING: &[u8] = b"{\"ts\":";

/// Whether a file has lines, and none of the first is a record.
///
/// # Errors
/// Where it cannot be read.
pub fn is_no_queue(path: &Path) -> io::Result<bool> {
    has_none(path, |line| Letter::read(line).is_ok())
}

/// Whether a file has lines, and none of the first is a record or may be what a crash has left of one.
pub(super) fn is_another_file(path: &Path) -> io::Result<bool> {
    has_none(path, |line| {
        let bytes = line.bytes.unwrap_or_default();
        let begins = bytes.starts_with(BEGINNING) || BEGINNING.starts_with(bytes);
        let torn = begins && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err();
        torn || bytes.iter().all(|byte| *byte == 0) || Letter::read(line).is_ok()
    })
}

fn has_none(path: &Path, is: impl Fn(&Line<'_>) -> bool) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut lines = Lines::new(BufReader::new(file.take(FIRST_BYTES)));
    let mut some = false;
    while let Some(line) = lines.next()? {
        some = true;
        if is(&line) {
            return Ok(false);
        }
    }
    // A first line that is longer than what was read may be one.
    Ok(some && lines.offset() < FIRST_BYTES)
}
