//! Which queues are meant, and which files belong to them.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::dlq::names::{self, Kind};
use crate::dlq::strangers::is_no_queue;
use crate::error::{Error, Result, again, words};
use crate::files::folder_of;
use crate::text::flags::ARCHIVE;

/// What is found.
#[derive(Debug, Default)]
pub struct Found {
    /// The live files of the queues, whether they are there or only their segments.
    pub queues: Vec<PathBuf>,
    /// Files in directories that look like queues by their names alone.
    pub strays: Vec<PathBuf>,
}

/// The queues that are named, in directories or by their files; those in `.dlq` where none is.
pub fn queues(named: &[PathBuf], archive: Option<&Path>) -> Result<Found> {
    let mut found = Found::default();
    let standard = [PathBuf::from(".dlq")];
    for path in if named.is_empty() { &standard } else { named } {
        if path.is_dir() {
            look(path, &mut found)?;
        } else if !named.is_empty() {
            found.queues.push(one(path)?);
        }
    }
    // The same file may be named in several ways.
    let mut seen = HashSet::new();
    found.queues.retain(|live| seen.insert(names::place(live)));
    if let Some(directory) = archive {
        let own = std::fs::canonicalize(directory).ok();
        let inside = |live: &&PathBuf| own.is_some() && std::fs::canonicalize(folder_of(live)).ok() == own;
        if let Some(live) = found.queues.iter().find(inside) {
            return Err(Error::usage(format!(
                "{ARCHIVE} {}: the queue {} is in there, and would take the archive for a queue; give another directory",
                directory.display(),
                live.display()
            )));
        }
    }
    Ok(found)
}

/// The segments of a queue that hold records, the oldest first, and those that are something else.
pub fn segments(live: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut ours, mut strays) = (Vec::new(), Vec::new());
    for path in names::segments(live)? {
        let is_file = std::fs::metadata(&path).is_ok_and(|metadata| metadata.is_file());
        if is_file && !is_no_queue(&path)? { ours.push(path) } else { strays.push(path) }
    }
    Ok((ours, strays))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::input(format!("{}: it cannot be read: {}", path.display(), words(error))).caused_by(again(error))
}

/// A link stays where it is; what it leads to is replayed.
fn behind(path: &Path) -> Result<PathBuf> {
    match path.is_symlink() {
        true => std::fs::canonicalize(path).map_err(|e| unreadable(path, &e)),
        false => Ok(path.to_owned()),
    }
}

/// Looks for queues in a directory.
fn look(directory: &Path, found: &mut Found) -> Result<()> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|e| unreadable(directory, &e))? {
        let path = entry.map_err(|e| unreadable(directory, &e))?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension().is_none_or(|e| e != "ndjson") || names::kind(&path) == Kind::Parked {
            continue;
        }
        let file = std::fs::metadata(&path).map_or(path.is_symlink(), |metadata| metadata.is_file());
        let no_queue = || is_no_queue(&path).map_err(|e| unreadable(&path, &e));
        match !file || names::kind(&path) == Kind::Live && no_queue()? {
            true => found.strays.push(path),
            false => all.push(behind(&names::live(&path))?),
        }
    }
    all.sort();
    found.queues.extend(all);
    Ok(())
}

/// The queue of that file.
fn one(path: &Path) -> Result<PathBuf> {
    if path == Path::new("-") {
        return Err(Error::usage(
            "- is not a queue: a replay takes rows out of a file; put the letters into one, or inspect them with inspect-dlq -",
        ));
    }
    let live = behind(path)?;
    let packed =
        ["gz", "zst", "bz2", "xz", "zip"].iter().any(|end| live.extension().is_some_and(|e| e == *end));
    if packed && live.is_file() {
        return Err(Error::usage(format!(
            "{} is compressed, and a replay takes rows out of a file: unpack it first",
            path.display()
        )));
    }
    match std::fs::metadata(&live) {
        Ok(there) if !there.is_file() => {
            return Err(Error::usage(format!(
                "{} is not a file, and so no dead-letter queue",
                path.display()
            )));
        }
        Ok(_) if matches!(names::kind(path), Kind::Segment(_)) => {
            return Err(Error::usage(format!(
                "{} is a part of the queue {}, which is replayed as a whole: name that",
                path.display(),
                names::live(path).display()
            )));
        }
        Ok(_) if is_no_queue(&live).map_err(|e| unreadable(&live, &e))? => {
            return Err(Error::usage(format!(
                "{} is not a dead-letter queue: none of its first lines is a record; nothing was touched",
                live.display()
            )));
        }
        Ok(_) => {}
        // A queue that is not there has no rows, which for a cron is as it should be; a place that is
        // not there, and what is not called as a queue is, is a mistake.
        Err(error)
            if error.kind() == ErrorKind::NotFound
                && live.extension().is_none_or(|ending| ending != "ndjson")
                && segments(&live).map_or(true, |(ours, _)| ours.is_empty()) =>
        {
            return Err(Error::input(format!("no such file or directory: {}", path.display())));
        }
        Err(error) if error.kind() == ErrorKind::NotFound && folder_of(&live).is_dir() => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::input(format!("no such directory: {}", folder_of(&live).display())));
        }
        Err(error) => return Err(unreadable(&live, &error)),
    }
    Ok(live)
}
