//! Names of the files that belong to a queue.
//!
//! A queue is known by the path of its live file, the one that is appended to; its other files stand
//! in the same directory and are named after it. For `bars.ndjson`:
//!
//! | file | what it is |
//! |---|---|
//! | `bars.ndjson` | the live file |
//! | `bars.1.ndjson`, `bars.2.ndjson`, … | segments: files that grew too large, the oldest first |
//! | `bars.parked.ndjson` | records that were tried too often |
//! | `.bars.replay.lock` | held while a replay runs |
//! | `.bars.replay.json` | which segments a replay has claimed, and what it does with them |
//!
//! Where the name of the live file does not end in `.ndjson`, a segment has its number at the very
//! end; the other files are named after the whole name.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::files::folder_of;
pub use crate::settings::place;

/// How the name of a queue ends.
const ENDING: &[u8] = b".ndjson";

/// What a file of a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The one that is appended to.
    Live,
    /// One that grew too large, with its number.
    Segment(u32),
    /// What a replay has given up.
    Parked,
}

/// The segment with that number.
pub fn segment(path: &Path, number: u32) -> PathBuf {
    let number = number.to_string();
    match stem(name(path)) {
        (stem, true) => path.with_file_name(joined(&[stem, b".", number.as_bytes(), ENDING])),
        (stem, false) => path.with_file_name(joined(&[stem, b".", number.as_bytes()])),
    }
}

/// The segments that are there, the oldest first.
///
/// # Errors
///
/// When the directory is there and cannot be read.
pub fn segments(path: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(numbers(path)?.into_iter().map(|number| segment(path, number)).collect())
}

/// The numbers of the segments that are there, the lowest first.
pub(super) fn numbers(path: &Path) -> io::Result<Vec<u32>> {
    let (stem, ends) = stem(name(path));
    let entries = match std::fs::read_dir(folder_of(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let rest = name.as_bytes().strip_prefix(stem).and_then(|rest| rest.strip_prefix(b"."));
        let digits = rest.and_then(|rest| if ends { rest.strip_suffix(ENDING) } else { Some(rest) });
        numbers.extend(digits.and_then(number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Where records go that were tried too often.
pub fn parked(path: &Path) -> PathBuf {
    path.with_file_name(joined(&[stem(name(path)).0, b".parked", ENDING]))
}

/// The file whose lock a replay holds.
pub fn lock(path: &Path) -> PathBuf {
    path.with_file_name(joined(&[b".", stem(name(path)).0, b".replay.lock"]))
}

/// Where it is noted which segments a replay has claimed, and what it set out to do with them.
pub fn journal(path: &Path) -> PathBuf {
    path.with_file_name(joined(&[b".", stem(name(path)).0, b".replay.json"]))
}

/// What a file is, by its name alone.
pub fn kind(path: &Path) -> Kind {
    let (stem, ends) = stem(name(path));
    let Some(dot) = stem.iter().rposition(|byte| *byte == b'.') else { return Kind::Live };
    // A name such as `.1.ndjson` has nothing before its number.
    match stem.get(dot + 1..).filter(|_| dot > 0).unwrap_or_default() {
        b"parked" if ends => Kind::Parked,
        last => number(last).map_or(Kind::Live, Kind::Segment),
    }
}

/// The live file of the queue that a file belongs to, by its name alone.
pub fn live(path: &Path) -> PathBuf {
    let (whole, ends) = stem(name(path));
    if kind(path) == Kind::Live {
        return path.to_owned();
    }
    let dot = whole.iter().rposition(|byte| *byte == b'.').unwrap_or(whole.len());
    let before = whole.get(..dot).unwrap_or(whole);
    path.with_file_name(joined(&[before, if ends { ENDING } else { b"" }]))
}

/// The last part of a path.
fn name(path: &Path) -> &[u8] {
    path.file_name().map(OsStr::as_bytes).unwrap_or_default()
}

/// The name without the ending, and whether it had it.
fn stem(name: &[u8]) -> (&[u8], bool) {
    match name.strip_suffix(ENDING) {
        Some(stem) if !stem.is_empty() => (stem, true),
        _ => (name, false),
    }
}

/// A number as `segment` writes it: `1`, and neither `01` nor `0`.
fn number(digits: &[u8]) -> Option<u32> {
    // A longer one is a date that somebody has put into the name of a queue.
    let short = digits.len() <= 6;
    let plain =
        short && digits.iter().all(u8::is_ascii_digit) && digits.first().is_some_and(|first| *first != b'0');
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

fn joined(parts: &[&[u8]]) -> OsString {
    OsString::from_vec(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: PathBuf) -> String {
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn companions_stand_beside_the_live_file() {
        let bars = Path::new("q/bars.ndjson");
        assert_eq!(text(segment(bars, 1)), "q/bars.1.ndjson");
        assert_eq!(text(parked(bars)), "q/bars.parked.ndjson");
        assert_eq!(text(lock(bars)), "q/.bars.replay.lock");
        for file in [bars.to_owned(), segment(bars, 12), parked(bars)] {
            assert_eq!(live(&file), bars);
        }
        assert_eq!(live(&segment(Path::new("queue"), 3)), Path::new("queue"));
        assert_eq!(text(segment(Path::new("own.bars.ndjson"), 12)), "own.bars.12.ndjson");
        assert_eq!(text(segment(Path::new("letters.txt"), 3)), "letters.txt.3");
    }

    #[test]
    fn a_name_tells_the_kind() {
        for (name, expected) in [
            ("q/bars.ndjson", Kind::Live),
            ("own.bars.ndjson", Kind::Live),
            ("bars.7.ndjson", Kind::Segment(7)),
            ("letters.txt.7", Kind::Segment(7)),
            ("bars.07.ndjson", Kind::Live),
            ("bars.0.ndjson", Kind::Live),
            ("bars.99999999999.ndjson", Kind::Live),
            ("7.ndjson", Kind::Live),
            (".7.ndjson", Kind::Live),
            ("bars.parked.ndjson", Kind::Parked),
            ("bars.claimed.ndjson", Kind::Live),
            ("parked.ndjson", Kind::Live),
            (".ndjson", Kind::Live),
            ("..", Kind::Live),
        ] {
            assert_eq!(kind(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn segments_are_in_the_order_of_their_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let bars = directory.path().join("bars.ndjson");
        for name in [
            "bars.10.ndjson",
            "bars.9.ndjson",
            "bars.1.ndjson",
            "bars.ndjson",
            "bars.01.ndjson",
            "bars.2.json",
            "bars.parked.ndjson",
            "own.bars.3.ndjson",
            "bars.4.5.ndjson",
            "barsX6.ndjson",
        ] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let expected: Vec<PathBuf> = [1, 9, 10].map(|number| segment(&bars, number)).into();
        assert_eq!(segments(&bars).unwrap(), expected);
        assert!(segments(&directory.path().join("absent/bars.ndjson")).unwrap().is_empty());
        assert!(expected.iter().all(|path| matches!(kind(path), Kind::Segment(_))));
    }
}
