//! Copies of what was followed: log rotation by `copytruncate` leaves the old content in another file and
//! goes on with the same one. What of a copy has been read already is known by its bytes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files::folder_of;
use crate::source::follow::checkpoint::MARK;
use crate::source::follow::discovery::Arrival;
use crate::source::follow::followed_file::GRAIN;
use crate::source::follow::rotation::{is_rotated, modified};

/// The first and the last bytes that were read of a file, by which another one is known that has them too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ends {
    /// The first of them, `MARK` at most.
    head: Vec<u8>,
    /// The last of them, `TAIL` at most.
    tail: Vec<u8>,
    /// How many they are in all.
    length: u64,
}

/// Bytes before the place of reading that are remembered.
const TAIL: usize = 256;

/// What another file is beside one that was read to some place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It has all that was read.
    Whole,
    /// It has the beginning of that, and no more.
    Part,
    Other,
}

impl Ends {
    /// Those of a file that is read on behind that byte.
    pub(super) fn of(file: &File, length: u64) -> Self {
        let part = |from: u64, length: u64| {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            file.read_exact_at(&mut bytes, from).map(|()| bytes).unwrap_or_default()
        };
        let tail = length.min(TAIL as u64);
        Self { head: part(0, length.min(MARK)), tail: part(length - tail, tail), length }
    }

    /// Takes in bytes that were read behind those so far.
    pub(super) fn read(&mut self, piece: &[u8]) {
        if self.head.len() as u64 == self.length {
            let room = usize::try_from(MARK).unwrap_or(0).saturating_sub(self.head.len());
            self.head.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
        }
        self.tail.extend_from_slice(piece.get(piece.len().saturating_sub(TAIL)..).unwrap_or_default());
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        self.length += piece.len() as u64;
    }

    /// Whether they still stand where they were read.
    pub(super) fn are_in(&self, file: &File, size: u64) -> bool {
        let mut now = vec![0; self.tail.len()];
        size >= self.length
            && (self.tail.is_empty()
                || file.read_exact_at(&mut now, self.length - self.tail.len() as u64).is_ok()
                    && now == self.tail)
    }

    /// What that file is beside the one they are of.
    pub(super) fn likeness(&self, file: &File) -> Likeness {
        let Ok(size) = file.metadata().map(|metadata| metadata.len()) else { return Likeness::Other };
        let common = usize::try_from(size).unwrap_or(usize::MAX).min(self.head.len());
        let mut now = vec![0; common];
        if file.read_exact_at(&mut now, 0).is_err() || self.head.get(..common) != Some(&now) {
            return Likeness::Other;
        }
        match size >= self.length {
            true if self.are_in(file, size) => Likeness::Whole,
            true => Likeness::Other,
            false => Likeness::Part,
        }
    }
}

/// Files in the directory of that one that may be copies of it or have been made from it: those that begin
/// with its name, or with its name up to the extension; the oldest first.
pub(super) fn siblings(name: &Path) -> Vec<Arrival> {
    let parent = folder_of(name);
    let own = name.file_name().unwrap_or_default();
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let begins = |other: &OsStr| {
        let other = other.as_encoded_bytes();
        let stem = name.file_stem().unwrap_or_default().as_encoded_bytes();
        let rest = other.strip_prefix(stem).filter(|_| !stem.is_empty());
        other.starts_with(own.as_encoded_bytes())
            || rest.and_then(<[u8]>::first).is_some_and(|byte| matches!(byte, b'.' | b'-' | b'_'))
    };
    let mut all: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let other = entry.ok()?.file_name();
            let path = name.with_file_name(&other);
            (other != own && begins(&other)).then(|| Some((modified(&path)?, path)))?
        })
        .collect();
    // Those of one moment are told apart by their numbers, of which the higher one is older.
    all.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| other.cmp(one)));
    all.into_iter().filter_map(|(_, path)| Arrival::at(path)).collect()
}

/// What has become of the content of a file that was truncated.
#[derive(Default)]
pub(super) struct Copies {
    /// The copy that has all that was read, and perhaps more.
    pub(super) copy: Option<Arrival>,
    /// Copies that end before the place of reading: all they have was read.
    pub(super) shorter: Vec<Arrival>,
    /// What was in the file after that and was rotated away unseen, the oldest first.
    pub(super) later: Vec<Arrival>,
}

/// Looks for them beside the file of that name, of which those bytes were read; `None` where no row was.
/// `known` tells files that are followed, or have been. Without a copy what was written since then is later.
pub(super) fn copies(
    name: &Path,
    ends: Option<&Ends>,
    since: SystemTime,
    known: impl Fn(&Arrival) -> bool,
) -> Copies {
    let mut all = Copies::default();
    let mut others = Vec::new();
    for other in siblings(name).into_iter().filter(|other| !known(other)) {
        let likeness = match (ends, &other.file) {
            (Some(ends), Some(file)) => ends.likeness(file),
            _ => Likeness::Other,
        };
        match likeness {
            Likeness::Whole => {
                let larger = all.copy.as_ref().is_none_or(|copy| size_of(copy) < size_of(&other));
                if larger {
                    all.shorter.extend(all.copy.replace(other));
                } else {
                    all.shorter.push(other);
                }
            }
            Likeness::Part if size_of(&other) > 0 => all.shorter.push(other),
            Likeness::Part => {}
            Likeness::Other => others.push(other),
        }
    }
    let since = since.checked_sub(GRAIN).unwrap_or(since);
    let since =
        all.copy.as_ref().or(all.shorter.last()).and_then(|copy| modified(&copy.path)).unwrap_or(since);
    let rotated = |other: &Arrival| {
        is_rotated(name, &other.path) && modified(&other.path).is_some_and(|at| at >= since)
    };
    all.later = others.into_iter().filter(rotated).collect();
    all
}

/// Bytes of the file that has arrived.
pub(super) fn size_of(arrival: &Arrival) -> u64 {
    arrival.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_copy_is_known_by_what_was_read() {
        let text: String = (0..3_000).map(|n| format!("{n},x\n")).collect();
        let (mut ends, at) = (Ends::default(), 9_000);
        for piece in text.as_bytes()[..at].chunks(700) {
            ends.read(piece);
        }
        assert_eq!(ends, Ends::of(&file(&text), at as u64));
        assert_eq!(ends.likeness(&file(&text)), Likeness::Whole);
        assert_eq!(ends.likeness(&file(&text[..at])), Likeness::Whole);
        assert_eq!(ends.likeness(&file(&text[..at - 1])), Likeness::Part);
        assert_eq!(ends.likeness(&file(&text[..100])), Likeness::Part);
        assert_eq!(ends.likeness(&file(&text.replace("10,x", "10,y"))), Likeness::Other);
        assert_eq!(ends.likeness(&file(&text.replacen("1700,x", "1700,y", 1))), Likeness::Whole, "between");
        assert_eq!(ends.likeness(&file(&(text[..at - 5].to_owned() + "other than it was"))), Likeness::Other);
        assert_eq!(Ends::default().likeness(&file("")), Likeness::Whole);
    }
}
