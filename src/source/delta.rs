//! Files of Delta tables that their table has no more.
//!
//! A table deletes and changes rows by writing other files; those of before stay where they are, for readers of its
//! older versions. Its log says which they are.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::source::fault::io_error;
use crate::source::names::shown;

/// The folder of the log, in that of the table.
const LOG: &str = "_delta_log";

/// Folders of partitions that a table may have above its files.
const DEEPEST: usize = 16;

/// What a line of the log says that matters here.
#[derive(Deserialize)]
struct Action {
    add: Option<Place>,
    remove: Option<Place>,
}

#[derive(Deserialize)]
struct Place {
    path: String,
}

/// Refuses files that folders and patterns came upon, where the log of their table has removed them: their rows
/// were deleted, or are in other files by now.
///
/// # Errors
/// Where there are some, or the log does not say it.
pub(super) fn check(found: &[PathBuf]) -> Result<(), Error> {
    let (mut roots, mut removed) = (HashMap::new(), HashMap::new());
    let (mut gone, mut first) = (0u64, None);
    for file in found {
        let Some(folder) = file.parent() else { continue };
        let root: &Option<PathBuf> = roots.entry(folder.to_owned()).or_insert_with(|| root_of(folder));
        let Some(root) = root else { continue };
        if !removed.contains_key(root) {
            removed.insert(root.clone(), removed_of(root)?);
        }
        let is_gone = file.strip_prefix(root).is_ok_and(|path| {
            removed.get(root).is_some_and(|removed: &HashSet<PathBuf>| removed.contains(path))
        });
        if is_gone {
            gone += 1;
            first.get_or_insert((root.clone(), file));
        }
    }
    let Some((root, file)) = first else { return Ok(()) };
    let (root, file) = (shown(root), shown(file));
    Err(Error::input(match gone {
        1 => format!(
            "{root}: a Delta table that has {file} no more, of which the rows were deleted or written anew; export the table by what wrote it, or name its files one by one"
        ),
        _ => format!(
            "{root}: a Delta table that has {gone} of these files no more (such as {file}), of which the rows were deleted or written anew; export the table by what wrote it, or name its files one by one"
        ),
    }))
}

/// The folder of the table that a folder belongs to.
fn root_of(folder: &Path) -> Option<PathBuf> {
    let here = Path::new(".");
    let folders = folder.ancestors().map(|folder| if folder == Path::new("") { here } else { folder });
    let found = folders.take(DEEPEST).find(|folder| folder.join(LOG).is_dir())?;
    // Files are named without it.
    Some(if found == here && !folder.starts_with(here) { PathBuf::new() } else { found.to_owned() })
}

/// The files that a table has no more, by their paths in its folder.
fn removed_of(root: &Path) -> Result<HashSet<PathBuf>, Error> {
    let log = root.join(LOG);
    let fault = |error: std::io::Error| io_error(&error, &shown(&log));
    let mut versions = Vec::new();
    for entry in fs::read_dir(&log).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let is_version = |stem: &str| !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit());
        let stem = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(is_version);
        if stem && path.extension().is_some_and(|extension| extension == "json") {
            versions.push(path);
        }
    }
    versions.sort_unstable();
    let begins = versions.first().and_then(|path| path.file_stem()?.to_str()?.parse::<u64>().ok());
    if begins != Some(0) {
        return Err(Error::input(format!(
            "{}: a Delta table whose log does not begin with its first version, so that nobody knows which files it still has; write it anew, or name its files one by one",
            shown(root)
        )));
    }
    let mut removed = HashSet::new();
    for version in versions {
        let fault = |error: std::io::Error| io_error(&error, &shown(&version));
        for line in BufReader::new(File::open(&version).map_err(fault)?).lines() {
            let line = line.map_err(fault)?;
            // What says neither is about other things.
            let Ok(action) = serde_json::from_str::<Action>(&line) else { continue };
            if let Some(place) = action.remove {
                removed.insert(path_of(&place.path));
            }
            if let Some(place) = action.add {
                removed.remove(&path_of(&place.path));
            }
        }
    }
    Ok(removed)
}

/// A path as the log has it: `%20` and the like are undone.
fn path_of(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, behind)) = rest.split_first() {
        let code = behind.get(..2).filter(|_| *byte == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(one) => {
                bytes.push(one);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}
