//! A queue that is no file, and that is replayed: it is claimed there, brought to a folder of this machine, and what is
//! left of it is put back.
//!
//! The claim is written only where none is, so of two replays one goes on. No letter
//! is removed before the replay of the local copy is over, and what it leaves is put into the queue before that. Whatever
//! ends a replay, the next one on this machine finds the folder and goes on where it stopped; on another machine
//! nobody knows what was stored already, so that it has to be said.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::names;
use super::objects::name;
use super::remote::{Holder, Piece, RemoteQueue, no_room, write};
use crate::error::{Error, Result, words};
use crate::files::{Replace, beside, put_in_place};
use crate::port::runs::RunProcess;
use crate::text::flags::FORCE;

/// Bytes of an object that is put back, about.
const PIECE: usize = 8 << 20;

/// Where letters are meanwhile, in the folder of a queue.
const LETTERS: &str = "letters.ndjson";

/// Permissions of files with letters.
const MODE: u32 = 0o640;

/// How far a replay has come, as its folder says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    claim: Uuid,
    /// What is replayed, by what the queue knows it by.
    originals: Vec<String>,
    /// Whether all of them are here.
    fetched: bool,
    /// What is put back, by the names of its pieces.
    back: Option<Vec<String>>,
}

/// A queue that is replayed.
#[derive(Debug)]
pub struct Checkout {
    queue: Box<dyn RemoteQueue>,
    folder: PathBuf,
    progress: Progress,
    /// Locked as long as this lives.
    _lock: File,
}

impl Checkout {
    /// Claims a queue and brings it here; with `force` a claim of another machine is taken over, with `parked` rows that were tried too
    /// often come along.
    ///
    /// # Errors
    /// Where another replay has it, or it cannot be read.
    pub fn take(
        queue: Box<dyn RemoteQueue>,
        process: &RunProcess,
        force: bool,
        parked: bool,
    ) -> Result<Self> {
        let folder = place(&*queue)?;
        let mending = |error: io::Error| {
            Error::usage(format!(
                "{}: its letters are brought to {} to be replayed, and that cannot be written: {}",
                queue.name(),
                folder.display(),
                words(&error)
            ))
            .caused_by(error)
        };
        fs::create_dir_all(&folder).map_err(mending)?;
        let lock = File::create(folder.join(".lock")).map_err(mending)?;
        if lock.try_lock().is_err() {
            let name = queue.name();
            return Err(Error::usage(format!(
                "{name} is being replayed by another process; nothing was done here, try again when it has ended"
            )));
        }
        let there = queue.holder()?;
        let before = progress(&folder).map_err(mending)?;
        let progress = match (before, there) {
            (Some(before), Some(there)) if before.claim == there.claim => before,
            (_, Some(there)) if !force => {
                return Err(Error::usage(format!(
                    "{} is being replayed by process {} on {} since {}: nothing was done here; if that has ended, run the same command there, which goes on with it, or take it over with {FORCE}: rows that it stored already come into a table without a key once more, and rows are written over newer ones",
                    queue.name(),
                    there.pid,
                    there.host,
                    there.since
                )));
            }
            (_, there) => {
                if there.is_some() {
                    queue.release()?;
                }
                clear(&folder).map_err(mending)?;
                let own = Holder {
                    claim: Uuid::now_v7(),
                    host: process.host.clone(),
                    pid: process.pid,
                    mark: process.mark.clone(),
                    since: chrono::Utc::now().format("%Y-%m-%d %H:%M:%S UTC").to_string(),
                };
                let progress =
                    Progress { claim: own.claim, originals: Vec::new(), fetched: false, back: None };
                // Before the claim, so that one that is there is known again.
                note(&folder, &progress).map_err(mending)?;
                if !queue.claim(&own)? {
                    return Err(Error::usage(format!(
                        "{} was claimed by another replay just now; nothing was done here, try again when it has ended",
                        queue.name()
                    )));
                }
                progress
            }
        };
        let mut checkout = Self { queue, folder, progress, _lock: lock };
        if checkout.progress.back.is_some() {
            checkout.put_back()?;
            drop(checkout._lock);
            return Self::take(checkout.queue, process, force, parked);
        }
        if !checkout.progress.fetched {
            checkout.fetch(parked)?;
        }
        is_here(&checkout.folder, checkout.name());
        Ok(checkout)
    }

    /// The queue here.
    pub fn live(&self) -> PathBuf {
        self.folder.join(LETTERS)
    }

    /// The queue in the store, as it is shown.
    pub fn name(&self) -> String {
        self.queue.name()
    }

    fn failed(&self, error: io::Error) -> Error {
        let folder = self.folder.display();
        Error::usage(format!("{}: its copy in {folder}: {}", self.queue.name(), words(&error)))
            .caused_by(error)
    }

    fn fetch(&mut self, parked: bool) -> Result<()> {
        let mut copy = beside(&self.live(), ".fetch-", MODE).map_err(|e| self.failed(e))?;
        let mut originals = Vec::new();
        self.queue.each(&mut |entry| {
            if parked || !entry.parked {
                write(copy.as_file_mut(), &entry.lines).map_err(|e| self.failed(e))?;
                originals.push(entry.id);
            }
            Ok(())
        })?;
        put_in_place(copy, &self.live(), Replace::Yes).map_err(|e| self.failed(e))?;
        self.progress.originals = originals;
        self.progress.fetched = true;
        note(&self.folder, &self.progress).map_err(|e| self.failed(e))
    }

    /// Puts back what the replay has left, and gives the queue free; `false` where the replay has not settled all
    /// that it took, and will be gone on with.
    ///
    /// # Errors
    /// Where it cannot be put back: it is still here, and so is what it came from.
    pub fn give_back(mut self) -> Result<bool> {
        if names::journal(&self.live()).exists() {
            return Ok(false);
        }
        match self.queue.holder()? {
            Some(there) if there.claim == self.progress.claim => {}
            _ => {
                return Err(Error::usage(format!(
                    "{}: another replay has taken it over meanwhile; what this one has left stays in {}",
                    self.queue.name(),
                    self.folder.display()
                )));
            }
        }
        self.put_back().map(|()| true)
    }

    fn put_back(&mut self) -> Result<()> {
        let live = self.live();
        let mut files: Vec<(PathBuf, bool)> = names::segments(&live)
            .map_err(|e| self.failed(e))?
            .into_iter()
            .map(|path| (path, false))
            .collect();
        files.push((live.clone(), false));
        files.push((names::parked(&live), true));
        let mut pieces = Vec::new();
        for (path, parked) in files {
            pieces.extend(cut(&path).map_err(|e| self.failed(e))?.into_iter().map(|lines| (lines, parked)));
        }
        // Names that are noted are the same when this is done again.
        let named = match self.progress.back.take().filter(|named| named.len() == pieces.len()) {
            Some(named) => named,
            None => (0..pieces.len() as u64).map(|at| name(self.progress.claim, at)).collect(),
        };
        self.progress.back = Some(named.clone());
        note(&self.folder, &self.progress).map_err(|e| self.failed(e))?;
        let pieces: Vec<Piece> = pieces
            .into_iter()
            .zip(named)
            .map(|((lines, parked), name)| Piece { name, parked, lines })
            .collect();
        self.queue.put(&pieces)?;
        self.queue.remove(&self.progress.originals)?;
        self.queue.release()?;
        clear(&self.folder).map_err(|e| self.failed(e))
    }
}

/// The queues that are here, by their folders.
static HERE: Mutex<Vec<(PathBuf, String)>> = Mutex::new(Vec::new());

/// A file of dead letters as people know it: one of a queue that was brought here is called as it is there.
pub fn called(path: &Path) -> String {
    let here = HERE.lock().unwrap_or_else(PoisonError::into_inner);
    let name = here.iter().find(|(folder, _)| path.starts_with(folder)).map(|(_, name)| name.clone());
    name.unwrap_or_else(|| path.display().to_string())
}

fn is_here(folder: &Path, name: String) {
    HERE.lock().unwrap_or_else(PoisonError::into_inner).push((folder.to_owned(), name));
}

/// A copy of the letters that a replay would take, to look at: nothing is claimed.
///
/// # Errors
/// Where they cannot be read, or there is no room for them here.
pub fn copied(queue: &dyn RemoteQueue, parked: bool) -> Result<(TempDir, PathBuf)> {
    let failed = |error: io::Error| no_room(&queue.name(), error);
    let folder = tempfile::tempdir().map_err(failed)?;
    let live = folder.path().join(LETTERS);
    let mut file = File::create(&live).map_err(failed)?;
    queue.each(&mut |entry| {
        if parked || !entry.parked { write(&mut file, &entry.lines).map_err(failed) } else { Ok(()) }
    })?;
    is_here(folder.path(), queue.name());
    Ok((folder, live))
}

/// The folder of this machine in which a queue is replayed, the same for each replay of it.
fn place(queue: &dyn RemoteQueue) -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| {
        Error::usage(format!(
            "{}: its letters are brought to a folder of this machine to be replayed; set HOME or XDG_STATE_HOME",
            queue.name()
        ))
    })?;
    Ok(state.join("mdsctl/replays").join(format!("{:016x}", xxh3_64(queue.name().as_bytes()))))
}

fn progress(folder: &Path) -> io::Result<Option<Progress>> {
    match fs::read(folder.join("progress.json")) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn note(folder: &Path, progress: &Progress) -> io::Result<()> {
    let path = folder.join("progress.json");
    let mut file = beside(&path, ".progress-", MODE)?;
    serde_json::to_writer(file.as_file_mut(), progress)?;
    put_in_place(file, &path, Replace::Yes).map(drop)
}

/// Removes what is in a folder but its lock; what says how far it has come last.
fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stays = path.file_name().is_some_and(|name| name == ".lock" || name == "progress.json");
        if !stays {
            fs::remove_file(&path)?;
        }
    }
    match fs::remove_file(folder.join("progress.json")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The lines of a file in pieces of whole lines.
fn cut(path: &Path) -> io::Result<Vec<Bytes>> {
    let mut text = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let (text, mut pieces, mut at) = (Bytes::from(text), Vec::new(), 0);
    while at < text.len() {
        let most = text.len().min(at + PIECE);
        let here = memchr::memrchr(b'\n', &text[at..most]).map(|end| at + end + 1);
        let further = || memchr::memchr(b'\n', &text[most..]).map_or(text.len(), |end| most + end + 1);
        let end = if most == text.len() { most } else { here.unwrap_or_else(further) };
        pieces.push(text.slice(at..end));
        at = end;
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_between_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(cut(&path).unwrap().is_empty());
        let line = "x".repeat(3 << 20) + "\n";
        fs::write(&path, line.repeat(5) + "torn").unwrap();
        let pieces: Vec<usize> = cut(&path).unwrap().iter().map(Bytes::len).collect();
        assert_eq!(pieces, [2 * line.len(), 2 * line.len(), line.len() + 4]);
        fs::write(&path, "y".repeat(9 << 20) + "\nz\n").unwrap();
        assert_eq!(cut(&path).unwrap().len(), 2);
    }
}
