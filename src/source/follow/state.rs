//! The checkpoint file: which files were read, and up to where all is settled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::source::fault::words;
use crate::source::follow::generation::id_of;

/// Bytes at each end of what was read by which a file is known again.
const MARK: u64 = 1024;

/// Files that have been done with and are known again when they come back.
const MOST_DONE: usize = 100;

/// Largest checkpoint file that is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// Version of the format.
const VERSION: u32 = 1;

/// A place in a file behind which nothing is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Hash of the first bytes and of those before `offset`.
    pub(super) fingerprint: String,
    /// Behind the last settled line.
    pub(super) offset: u64,
    /// Behind the header.
    pub(super) header: u64,
    /// Rows before that.
    pub(super) rows: u64,
}

impl Place {
    /// Whether it is a place of that file, as it is now.
    pub(super) fn fits(&self, file: &File, id: (u64, u64)) -> bool {
        (self.device, self.inode) == id
            && fingerprint(file, self.offset).is_some_and(|now| now == self.fingerprint)
    }
}

/// What tells the first `offset` bytes of a file from others; `None` where it has not so many.
pub(super) fn fingerprint(file: &File, offset: u64) -> Option<String> {
    let length = offset.min(MARK);
    let mut bytes = vec![0; 2 * usize::try_from(length).ok()?];
    let (first, last) = bytes.split_at_mut(usize::try_from(length).ok()?);
    file.read_exact_at(first, 0).ok()?;
    file.read_exact_at(last, offset - length).ok()?;
    Some(format!("{:016x}", xxh3_64(&bytes)))
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    files: Vec<Place>,
}

/// The name of a file in the directory of that path.
pub(super) fn beside(path: &Path, id: (u64, u64)) -> Option<PathBuf> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let entries = fs::read_dir(parent.unwrap_or(Path::new("."))).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| id_of(path) == Some(id))
}

/// Files of that name with a number or a date behind it, as log rotation makes them, that were written to
/// later than the one that was rotated first; the oldest first.
fn rotated_later(name: &Path, first: &Path) -> Vec<PathBuf> {
    let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let (Some(since), Some(stem)) = (time(first), name.file_name().and_then(|name| name.to_str())) else {
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
    let mut later: Vec<(std::time::SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let path = parent.join(entry.file_name());
            let at = time(&path).filter(|_| numbered(entry.file_name().to_str().unwrap_or_default()))?;
            (at >= since && path != first && path.is_file()).then_some((at, path))
        })
        .collect();
    later.sort();
    later.into_iter().map(|(_, path)| path).collect()
}

/// The file, held against other runs.
pub(super) struct State {
    path: PathBuf,
    /// Of earlier runs, and of files that have appeared and are not read yet.
    known: Vec<Place>,
    saved: Vec<Place>,
    /// Of files that this run has done with, and that may come back.
    done: Vec<Place>,
    _lock: File,
}

impl State {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let failed = |error: &std::io::Error| {
            Error::Usage(format!("the checkpoint file {} cannot be used: {}", path.display(), words(error)))
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| failed(&e))?;
        }
        if fs::metadata(&path).is_ok_and(|there| !there.is_file() || there.len() > MOST_BYTES) {
            return Err(Error::Usage(format!(
                "{} is no checkpoint file of tail; name another one with --checkpoint",
                path.display()
            )));
        }
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        let lock = File::options().create(true).append(true).open(lock).map_err(|e| failed(&e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(Error::Usage(format!(
                    "another tail is using the checkpoint file {}; give this one its own with --checkpoint",
                    path.display()
                )));
            }
            Err(fs::TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let known = match fs::read(&path) {
            Ok(bytes) => {
                let stored: Stored = serde_json::from_slice(&bytes).map_err(|_| {
                    Error::Usage(format!(
                        "{} is no checkpoint file of tail; name another one with --checkpoint",
                        path.display()
                    ))
                })?;
                if stored.version != VERSION {
                    return Err(Error::Usage(format!(
                        "{} is a checkpoint file of version {}, and this mdsctl knows version {VERSION}; name another one with --checkpoint",
                        path.display(),
                        stored.version
                    )));
                }
                stored.files
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(&error)),
        };
        Ok(Self { path, saved: known.clone(), known, done: Vec::new(), _lock: lock })
    }

    /// The place that is known in that file.
    pub(super) fn of(&self, file: &File, id: (u64, u64)) -> Option<&Place> {
        self.known.iter().find(|place| place.fits(file, id))
    }

    /// Files that have been renamed, within their directories, to names that are not among `paths`, in the
    /// order in which they appeared. Those that are no more are forgotten.
    pub(super) fn moved(&mut self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let there: Vec<(u64, u64)> = paths.iter().filter_map(|path| id_of(path)).collect();
        let (mut moved, mut gone) = (Vec::new(), Vec::new());
        let known = |id: &(u64, u64)| self.known.iter().any(|place| (place.device, place.inode) == *id);
        for place in &self.known {
            let id = (place.device, place.inode);
            if there.contains(&id) {
                continue;
            }
            match beside(&place.path, id).filter(|path| File::open(path).is_ok_and(|f| place.fits(&f, id))) {
                Some(path) => {
                    // What was made and rotated away in its turn, while nobody looked.
                    let later = rotated_later(&place.path, &path);
                    let new =
                        |path: &PathBuf| id_of(path).is_some_and(|id| !known(&id) && !there.contains(&id));
                    moved.push(path);
                    moved.extend(later.into_iter().filter(new));
                }
                None => gone.push(id),
            }
        }
        self.known.retain(|place| !gone.contains(&(place.device, place.inode)));
        let mut seen = std::collections::HashSet::new();
        moved.retain(|path| seen.insert(path.clone()));
        moved
    }

    /// Notes a file of which nothing is settled yet.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(super) fn arrive(&mut self, path: &Path, id: (u64, u64), file: &File) -> Result<()> {
        if self.known.iter().chain(&self.saved).any(|place| place.fits(file, id)) {
            return Ok(());
        }
        let Some(fingerprint) = fingerprint(file, 0) else { return Ok(()) };
        let (device, inode) = id;
        self.known.retain(|place| (place.device, place.inode) != id);
        self.known.push(Place {
            path: path.into(),
            device,
            inode,
            fingerprint,
            offset: 0,
            header: 0,
            rows: 0,
        });
        let saved = self.saved.iter().filter(|place| (place.device, place.inode) != id).cloned();
        self.save(saved.collect())
    }

    /// The place in a file that this run had done with, and that has come back.
    pub(super) fn again(&self, file: &File, id: (u64, u64)) -> Option<&Place> {
        self.done.iter().find(|place| place.fits(file, id))
    }

    /// A file is done with, for now.
    pub(super) fn done(&mut self, id: (u64, u64), place: Option<Place>) {
        let others = |known: &Place| (known.device, known.inode) != id;
        self.known.retain(others);
        self.done.retain(others);
        if self.done.len() >= MOST_DONE {
            // Most of those have been deleted.
            self.done.retain(|known| beside(&known.path, (known.device, known.inode)).is_some());
            self.done.drain(..self.done.len().saturating_sub(MOST_DONE - 1));
        }
        self.done.extend(place);
    }

    /// Writes the places of this run, and those of earlier ones that it has not come upon.
    pub(super) fn save(&mut self, mut places: Vec<Place>) -> Result<()> {
        let other =
            |known: &&Place| !places.iter().any(|p| (p.device, p.inode) == (known.device, known.inode));
        let others: Vec<Place> = self.known.iter().chain(&self.done).filter(other).cloned().collect();
        places.extend(others);
        if places == self.saved {
            return Ok(());
        }
        self.write(&places).map_err(|error| {
            Error::Internal(format!(
                "the checkpoint file {} cannot be written: {}",
                self.path.display(),
                words(&error)
            ))
        })?;
        self.saved = places;
        Ok(())
    }

    fn write(&self, places: &[Place]) -> std::io::Result<()> {
        let parent = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        let text = serde_json::to_vec_pretty(&Stored { version: VERSION, files: places.to_vec() })?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        File::open(parent)?.sync_all()
    }
}
