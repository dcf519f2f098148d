//! Files that have other names than those by which they were followed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::source::follow::checkpoint::Place;
use crate::source::follow::generation::id_of;
use crate::source::follow::scout::Arrival;

/// The name of a file in the directory of that path.
pub(super) fn beside(path: &Path, id: (u64, u64)) -> Option<PathBuf> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let entries = fs::read_dir(parent.unwrap_or(Path::new("."))).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| id_of(path) == Some(id))
}

/// When that file was written to last.
pub(super) fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Files of that name with a number or a date behind it, as log rotation makes them, that were written to
/// since then; the oldest first.
fn rotated_later(name: &Path, since: Option<SystemTime>) -> Vec<PathBuf> {
    let (Some(since), Some(stem)) = (since, name.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let parent = name.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let numbered = |name: &str| {
        let rest = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix(['.', '-']));
        rest.is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_digit())
                && rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '_' | 'T' | 'Z' | ':'))
        })
    };
    let mut later: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let path = parent.join(entry.file_name());
            let at = modified(&path).filter(|_| numbered(entry.file_name().to_str().unwrap_or_default()))?;
            (at >= since && path.is_file()).then_some((at, path))
        })
        .collect();
    later.sort();
    later.into_iter().map(|(_, path)| path).collect()
}

/// Files of those that were known earlier, and that are not `there` by any name that is followed, where they
/// are in their directories now, in the order in which they appeared; behind each what was made and rotated
/// away in its turn since it was written, or since `written` where it is gone. Of one that is gone it is said
/// once, and noted since when (`now`, in seconds since 1970); it may come back.
pub(super) fn moved(
    earlier: &mut [Place],
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
    let is_there = |place: &Place| {
        let file = ids.get(&place.id());
        file.is_some_and(|file| file.is_none_or(|file| place.fits(file, place.id())))
    };
    for place in earlier {
        let id = place.id();
        if is_there(place) {
            place.away = None;
            continue;
        }
        let born = place.born.clone().unwrap_or_else(|| place.path.clone());
        // It may be renamed once more in this moment.
        let found = (0..3).find_map(|_| Arrival::at(beside(&place.path, id)?).filter(|a| a.id == id));
        let found = found.filter(|a| a.file.as_ref().is_some_and(|file| place.fits(file, id)));
        // What was made and rotated away in its turn, while nobody looked.
        let since = found.as_ref().map_or(written, |found| modified(&found.path));
        let since = since.filter(|_| found.is_some() || place.away.is_none());
        let later = rotated_later(&born, since).into_iter().filter_map(Arrival::at);
        let later = later.filter(|new| !is_known(new) && !ids.contains_key(&new.id));
        // A copy that was made before the file was truncated has the same rows.
        let is_copy = |new: &Arrival| {
            place.offset > 0 && new.file.as_ref().is_some_and(|file| place.is_beginning_of(file))
        };
        let (copies, later): (Vec<Arrival>, Vec<Arrival>) = later.partition(is_copy);
        let copy = copies.into_iter().next().filter(|_| found.is_none());
        let found = found.or(copy.map(|copy| Arrival { place: Some(place.clone()), ..copy }));
        match &found {
            Some(_) => place.away = None,
            None => {
                if place.away.is_none() && !place.done {
                    gone.push(format!("{} (up to byte {})", born.display(), place.offset));
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
