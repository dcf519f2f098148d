//! Files that have other names than those by which they were followed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files::folder_of;
use crate::source::follow::checkpoint::FilePosition;
use crate::source::follow::copies::{siblings, size_of};
use crate::source::follow::discovery::Arrival;
use crate::source::follow::followed_file::id_of;
use crate::source::shown;

/// The name of a file in the directory of that path.
pub(super) fn beside(path: &Path, id: (u64, u64)) -> Option<PathBuf> {
    let entries = fs::read_dir(folder_of(path)).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| id_of(path) == Some(id))
}

/// When that file was written to last.
pub(super) fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Whether a file is called as one of that name is when log rotation has renamed it: with a number or a date
/// behind the name.
pub(super) fn is_rotated(name: &Path, other: &Path) -> bool {
    let bytes = |path: &'_ Path| path.file_name().map(|name| name.as_bytes().to_owned());
    let (Some(own), Some(other)) = (bytes(name), bytes(other)) else { return false };
    let rest = other.strip_prefix(own.as_slice());
    matches!(rest, Some([b'.' | b'-', b'0'..=b'9', rest @ ..])
        if rest.iter().all(|c| c.is_ascii_digit() || matches!(c, b'-' | b'_' | b'T' | b'Z' | b':')))
}

/// Files of that name with a number or a date behind it, as log rotation makes them, that were written to
/// since then; the oldest first.
fn rotated_later(name: &Path, since: Option<SystemTime>) -> Vec<Arrival> {
    let Some(since) = since else { return Vec::new() };
    let mut later = siblings(name);
    later
        .retain(|other| is_rotated(name, &other.path) && modified(&other.path).is_some_and(|at| at >= since));
    later
}

/// The largest copy of what was read up to that place, among the files beside it.
fn copy_of(place: &FilePosition, born: &Path, is_known: impl Fn(&Arrival) -> bool) -> Option<Arrival> {
    let is_copy = |new: &Arrival| {
        place.has_rows()
            && !is_known(new)
            && new.file.as_ref().is_some_and(|file| place.is_beginning_of(file))
    };
    siblings(born).into_iter().filter(is_copy).max_by_key(size_of)
}

/// The file that has taken the name of one that was known, where it begins with all that was read of that.
fn successor(place: &FilePosition, there: &[Arrival]) -> Option<Arrival> {
    let begins = |new: &&Arrival| {
        let file = new.file.as_ref();
        new.path == place.path && file.is_some_and(|file| place.is_beginning_of(file))
    };
    let new = there.iter().filter(|_| place.has_rows()).find(begins)?;
    let file = new.file.as_ref()?.try_clone().ok()?;
    let path = new.path.clone();
    Some(Arrival { path, id: new.id, file: Some(file), born: None, place: Some(place.clone()) })
}

/// Files of those that were known earlier, and that are not `there` by any name that is followed, where they
/// are in their directories now, in the order in which they appeared; behind each what was made and rotated
/// away in its turn since it was written, or since `written` where it is gone. Of one that is gone it is said
/// once, and noted since when (`now`, in seconds since 1970); it may come back.
pub(super) fn moved(
    earlier: &mut [FilePosition],
    there: &[Arrival],
    written: Option<SystemTime>,
    now: u64,
) -> Vec<Arrival> {
    let (mut moved, mut gone): (Vec<Arrival>, Vec<String>) = (Vec::new(), Vec::new());
    let known = earlier.to_vec();
    let is_known = |new: &Arrival| {
        let file = new.file.as_ref();
        file.is_some_and(|file| known.iter().any(|place| place.fits(file, new.id)))
    };
    let ids: HashMap<(u64, u64), Option<&File>> =
        there.iter().map(|arrival| (arrival.id, arrival.file.as_ref())).collect();
    // By its identity alone another file may be meant.
    let is_there = |place: &FilePosition| {
        let file = ids.get(&place.id());
        file.is_some_and(|file| file.is_none_or(|file| place.fits(file, place.id())))
    };
    let born_of = |place: &FilePosition| place.born.clone().unwrap_or_else(|| place.path.clone());
    // What is followed by a name of its own is a copy only where it is called as one.
    let is_taken = |born: &Path, new: &Arrival| {
        is_known(new) || ids.contains_key(&new.id) && !is_rotated(born, &new.path)
    };
    // Each where it is now, before anything is taken for new.
    let mut found: Vec<Option<Arrival>> = Vec::new();
    for place in known.iter() {
        let id = place.id();
        if is_there(place) {
            found.push(None);
            continue;
        }
        // It may be renamed once more in this moment.
        let renamed = (0..3).find_map(|_| Arrival::at(beside(&place.path, id)?).filter(|a| a.id == id));
        let renamed = renamed.filter(|a| a.file.as_ref().is_some_and(|file| place.fits(file, id)));
        let born = born_of(place);
        let copy = || {
            let copy = copy_of(place, &born, |new| is_taken(&born, new))?;
            Some(Arrival { place: Some(place.clone()), ..copy })
        };
        found.push(renamed.or_else(|| successor(place, there)).or_else(copy));
    }
    let claimed: HashSet<(u64, u64)> = found.iter().flatten().map(|arrival| arrival.id).collect();
    let is_copy = |new: &Arrival| {
        let begins = |place: &FilePosition| new.file.as_ref().is_some_and(|file| place.is_beginning_of(file));
        known.iter().any(|place| place.has_rows() && begins(place))
    };
    for (place, found) in earlier.iter_mut().zip(found) {
        let here = is_there(place);
        if here && (place.offset > 0 || place.read.is_some()) {
            place.away = None;
            continue;
        }
        let born = born_of(place);
        // What was made and rotated away in its turn, while nobody looked; of a file of which nothing was read
        // nobody knows whether it still has the content that it had.
        let since = found.as_ref().map_or(written, |found| modified(&found.path));
        let since = since.filter(|_| found.is_some() || place.away.is_none());
        let later = rotated_later(&born, since).into_iter().filter(|new| {
            // What is read already, or known to be, is not read as something new.
            !is_known(new) && !ids.contains_key(&new.id) && !claimed.contains(&new.id) && !is_copy(new)
        });
        match &found {
            Some(_) => place.away = None,
            None if here => place.away = None,
            None => {
                if place.away.is_none() && !place.done {
                    gone.push(format!("{} (up to byte {})", shown(&born), place.offset));
                }
                place.away.get_or_insert(now);
            }
        }
        let born = |arrival| Arrival { born: Some(born.clone()), ..arrival };
        moved.extend(found.into_iter().chain(later).map(born));
    }
    if let Some(first) = gone.first() {
        let more = match gone.len() {
            1 => String::new(),
            2 => " and 1 file more".to_owned(),
            all => format!(" and {} files more", all - 1),
        };
        tracing::warn!(
            "what was read of {first}{more} is no longer there: what was written behind it is not read, unless it comes back"
        );
    }
    let mut seen = HashSet::new();
    moved.retain(|arrival| seen.insert(arrival.id));
    moved
}
