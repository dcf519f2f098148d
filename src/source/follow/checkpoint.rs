//! The checkpoint file: which files were read, and up to where all is settled.
//!
//! It is one JSON document, replaced as a whole, and behind it a line for each stretch of rows that has
//! begun since (see `ordinals.rs`). A last line that is torn was never acted upon.

mod format;
mod names;
mod position;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use format::{Begun, LearnedFormats, Line, Stored, VERSION, may_be_damaged};
pub(super) use position::{FilePosition, MARK, fingerprint};
use serde::Deserialize;
use uuid::Uuid;

use crate::dataset::identity::last_of;
use crate::dataset::inferred::Learned;
use crate::error::{Error, Result, again, words};
use crate::files::{self, Replace, put_in_place};
use crate::source::follow::followed_file::GRAIN;
use crate::source::follow::ordinals::{End, Stretch};
use crate::source::follow::rotation::{beside, is_rotated, modified};
use crate::source::follow::turns::SAVE;
use crate::text::flags::CHECKPOINT;

/// Files that have been done with and are known again when they come back.
const MOST_DONE: usize = 100;

/// Bytes of the last rows without an id that all files together have room for, beyond the least of each: the
/// checkpoint is written some times a second.
const MOST_EQUALS: usize = 4 << 20;

/// How long the place in a file that is not found is kept, in seconds: a week.
const LONGEST_AWAY: u64 = 7 * 86_400;

/// Largest checkpoint file that is read, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// Most files that are put aside under one name.
const MOST_ASIDE: u32 = 100;

/// Gives a damaged file another name, and says so.
fn put_aside(path: &Path) -> std::io::Result<()> {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(".damaged");
        if number > 1 {
            name.push(format!(".{number}"));
        }
        PathBuf::from(name)
    };
    let aside = (1..MOST_ASIDE).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(MOST_ASIDE));
    fs::rename(path, &aside)?;
    tracing::warn!(
        "the checkpoint file {} is damaged, and kept as {}: nobody knows how far the files were read, so they are read as by a first tail; rows that are stored already stay as they are in a table with a key, and are in a table without one twice",
        path.display(),
        aside.display()
    );
    Ok(())
}

/// What tells this boot of the machine from others.
fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// Adds a stretch to those before it, of which the last has ended there.
fn follow_on(stretches: &mut Vec<Stretch>, end: Option<End>, stretch: Stretch) {
    if let Some((last, end)) = stretches.last_mut().filter(|last| last.to.is_none()).zip(end) {
        last.to = Some(end.at);
        (last.seen, last.fingerprint) = (end.at.offset, end.fingerprint);
    }
    stretches.push(stretch);
}

/// The last stretch, if it goes on, has come to there. `false` where that is known.
fn grow(stretches: &mut [Stretch], end: End) -> bool {
    let last = stretches.last_mut().filter(|last| last.to.is_none() && last.seen < end.at.offset);
    last.map(|last| (last.seen, last.fingerprint) = (end.at.offset, end.fingerprint)).is_some()
}

/// The file, held against other runs.
pub struct CheckpointFile {
    path: PathBuf,
    /// Of earlier runs, and of files that have appeared and are not read yet.
    known: Vec<FilePosition>,
    /// Those that were in the file when it was opened.
    earlier: Vec<FilePosition>,
    saved: Vec<FilePosition>,
    /// Of files that this run has done with, and that may come back.
    done: Vec<FilePosition>,
    /// Whose rows the ledger tells of.
    run: Option<Uuid>,
    /// Where its rows came from, as far as they are not settled.
    pub(super) stretches: Vec<Stretch>,
    /// What has been told by files.
    told: Vec<LearnedFormats>,
    /// Whether those may not be all on disk.
    loose: bool,
    /// Why those that were found may not be the last ones.
    doubt: Option<&'static str>,
    /// Since when rotated files have not been looked for.
    written: Option<SystemTime>,
    /// Whether this run has looked for them.
    searched: bool,
    /// Open for more lines.
    log: Option<File>,
    /// When all of it was on disk.
    synced: Option<Instant>,
    _lock: File,
}

impl CheckpointFile {
    /// Opens it, or begins one, and holds it until it is dropped.
    ///
    /// # Errors
    /// Usage, where it is none, cannot be used, or another run uses it.
    pub fn open(path: PathBuf) -> Result<Self> {
        // By whatever name, it is held once.
        let path = fs::canonicalize(&path).unwrap_or(path);
        let shown = path.display().to_string();
        let failed = |error: &std::io::Error| {
            Error::usage(format!("the checkpoint file {} cannot be used: {}", shown, words(error)))
                .caused_by(again(error))
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| failed(&e))?;
        }
        if fs::metadata(&path).is_ok_and(|there| !there.is_file() || there.len() > MOST_BYTES) {
            return Err(Error::usage(format!(
                "{} is not a checkpoint file of tail; name another one with {CHECKPOINT}",
                path.display()
            )));
        }
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        let lock = File::options().create(true).append(true).open(lock).map_err(|e| failed(&e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(Error::usage(format!(
                    "another tail is using the checkpoint file {}; give this one its own with {CHECKPOINT}",
                    path.display()
                )));
            }
            Err(fs::TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let mut this = Self {
            known: Vec::new(),
            earlier: Vec::new(),
            saved: Vec::new(),
            done: Vec::new(),
            run: None,
            stretches: Vec::new(),
            told: Vec::new(),
            loose: false,
            doubt: None,
            searched: false,
            written: modified(&path),
            path,
            log: None,
            synced: None,
            _lock: lock,
        };
        let path = &this.path;
        match fs::read(path) {
            Ok(bytes) => {
                let mut lines = serde_json::Deserializer::from_slice(&bytes);
                let mut stored = match Stored::deserialize(&mut lines) {
                    Ok(stored) => stored,
                    Err(_) if may_be_damaged(&bytes) => {
                        put_aside(path).map_err(|e| failed(&e))?;
                        (this.written, this.doubt) = (None, Some("its checkpoint file is damaged"));
                        return Ok(this);
                    }
                    Err(_) => {
                        return Err(Error::usage(format!(
                            "{} is not a checkpoint file of tail; name another one with {CHECKPOINT}",
                            path.display()
                        )));
                    }
                };
                if !(1..=VERSION).contains(&stored.version) {
                    return Err(Error::usage(format!(
                        "{} is a checkpoint file of version {}, and this mdsctl knows version {VERSION}; name another one with {CHECKPOINT}",
                        path.display(),
                        stored.version
                    )));
                }
                if stored.says_nothing() {
                    tracing::warn!(
                        "the checkpoint file {} names no file: nobody knows how far the files were read, so they are read as by a first tail; rows that are stored already stay as they are in a table with a key, and are in a table without one twice",
                        path.display()
                    );
                }
                let (mut loose, mut lines) = (false, lines.into_iter::<Line>());
                while let Some(line) = lines.next() {
                    let Ok(line) = line else {
                        // Torn, if it is the last one.
                        let rest = bytes.get(lines.byte_offset()..).unwrap_or_default();
                        let mut after = rest.trim_ascii_start().split(|byte| *byte == b'\n').skip(1);
                        if after.any(|line| !line.trim_ascii().is_empty()) {
                            this.doubt = Some("its checkpoint file is damaged");
                        }
                        break;
                    };
                    match line {
                        Line::Begun(begun) => {
                            follow_on(&mut stored.stretches, begun.end, begun.stretch);
                            loose = begun.loose;
                        }
                        Line::LearnedFormats(told) => stored.told.push(told),
                        Line::Grown(end) => {
                            grow(&mut stored.stretches, end);
                        }
                    }
                }
                this.told = stored.told;
                let looked = stored.looked.map(|micros| UNIX_EPOCH + Duration::from_micros(micros));
                // The times of files are coarse; what is known is not taken twice.
                this.written = looked.or(this.written).and_then(|at| at.checked_sub(GRAIN));
                if loose && (stored.boot.is_none() || stored.boot != boot()) {
                    this.doubt = Some("the machine went down, and may have taken its last notes with it");
                }
                let inode = fs::metadata(path).map(|metadata| metadata.ino()).ok();
                if stored.inode.is_some_and(|own| Some(own) != inode) {
                    this.doubt = Some("its checkpoint file is a copy, perhaps of an earlier state");
                }
                (this.run, this.stretches) = (stored.run, stored.stretches);
                (this.saved, this.known) = (stored.files.clone(), stored.files.clone());
                this.earlier = stored.files;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&error)),
        }
        Ok(this)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run that was ended with rows behind the places, of which the store's ledger tells.
    pub fn run(&self) -> Option<Uuid> {
        self.run
    }

    /// Why what it says of that run may not be its last word, so that nobody can tell which rows are there.
    pub fn doubt(&self) -> Option<&'static str> {
        self.doubt
    }

    /// The path of that file, as it was.
    pub(super) fn path_of(&self, id: (u64, u64)) -> Option<&Path> {
        self.known.iter().find(|place| place.id() == id).map(|place| &*place.path)
    }

    /// Whether another file is known by that identity.
    pub(super) fn is_another(&self, file: &File, id: (u64, u64)) -> bool {
        self.known.iter().any(|place| place.id() == id && !place.fits(file, id))
    }

    /// The run, from now on, whose rows the ledger tells of; none where it keeps no exact account.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(super) fn begin(&mut self, run: Option<Uuid>, stretches: Vec<Stretch>) -> Result<()> {
        if self.run.is_none() && run.is_none() && self.stretches.is_empty() {
            return Ok(());
        }
        (self.run, self.stretches) = (run, stretches);
        self.replace(self.known.clone())
    }

    /// Notes that a stretch begins where the one before it has ended.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(super) fn append(&mut self, end: Option<End>, stretch: &Stretch) -> Result<()> {
        let recent = self.synced.is_some_and(|at| at.elapsed() < SAVE);
        // Lines that come thick and fast wait for the next save; the first of them says so.
        let sync = !recent || !self.loose;
        self.loose = recent;
        let begun = Begun { end: end.clone(), stretch: stretch.clone(), loose: self.loose };
        follow_on(&mut self.stretches, end, stretch.clone());
        let written = self.write_line(&Line::Begun(begun), sync);
        if written.is_err() {
            self.stretches.pop();
        }
        written
    }

    /// Adds a line; in its place the whole, where that is not possible.
    fn write_line(&mut self, line: &Line, sync: bool) -> Result<()> {
        let written = self.log.as_mut().ok_or_else(|| ErrorKind::NotFound.into()).and_then(|log| {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            log.write_all(&text)?;
            if sync { log.sync_data() } else { Ok(()) }
        });
        match written {
            Ok(()) if sync => self.synced = Some(Instant::now()),
            Ok(()) => {}
            Err(_) => {
                self.log = None;
                return self.replace(self.saved.clone());
            }
        }
        Ok(())
    }

    /// Notes what the rows of a file, of which so many bytes are read, have told of those that follow.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(super) fn tell(
        &mut self,
        path: &Path,
        (id, file): ((u64, u64), &File),
        seen: u64,
        learned: &Learned,
    ) -> Result<()> {
        let Some(fingerprint) = fingerprint(file, seen) else { return Ok(()) };
        self.told.retain(|told| (told.device, told.inode) != id);
        let (device, inode) = id;
        let (path, learned) = (path.to_owned(), learned.clone());
        let told = LearnedFormats { path, device, inode, seen, fingerprint, learned };
        self.told.push(told.clone());
        self.write_line(&Line::LearnedFormats(told), false)
    }

    /// What is known of that file from before; of another one by that name, the forms that its writer uses.
    pub(super) fn told(&self, path: &Path, id: (u64, u64), file: &File) -> Option<Learned> {
        let same = |told: &&LearnedFormats| {
            (told.device, told.inode) == id
                && fingerprint(file, told.seen).as_ref() == Some(&told.fingerprint)
        };
        let own = self.told.iter().rev().find(same).map(|told| told.learned.clone());
        let of = |is: &dyn Fn(&Path) -> bool| {
            Some(self.told.iter().rev().find(|told| is(&told.path))?.learned.forms())
        };
        own.or_else(|| of(&|name| name == path)).or_else(|| of(&|name| is_rotated(name, path)))
    }

    /// The place that is known in that file.
    pub(super) fn of(&self, file: &File, id: (u64, u64)) -> Option<&FilePosition> {
        self.known.iter().find(|place| place.fits(file, id))
    }

    /// Notes how far the last stretch has come: what has been read is known again by its end.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(super) fn grow(&mut self, end: End) -> Result<()> {
        match grow(&mut self.stretches, end.clone()) {
            true => self.write_line(&Line::Grown(end), false),
            false => Ok(()),
        }
    }

    /// A file is done with, for now.
    pub(super) fn done(&mut self, id: (u64, u64), place: Option<FilePosition>) {
        let others = |known: &FilePosition| (known.device, known.inode) != id;
        self.known.retain(others);
        self.done.retain(others);
        self.stretches.retain(|stretch| stretch.id() != id);
        if self.done.len() >= MOST_DONE {
            // Most of those have been deleted.
            self.done.retain(|known| beside(&known.path, (known.device, known.inode)).is_some());
            self.done.drain(..self.done.len().saturating_sub(MOST_DONE - 1));
        }
        // Of many files that are read to their ends all that is known would be much.
        self.done.extend(place.map(|place| {
            let equals = place.equals.as_deref().map(|equals| last_of(equals, 0).to_owned());
            FilePosition { done: true, equals, ..place }
        }));
    }

    /// A file that could not be read on, and has lost its name: the next tail finds it again, and reads it or says so.
    pub(super) fn left(&mut self, place: Option<FilePosition>) {
        if let Some(place) = place {
            self.known.retain(|known| known.id() != place.id());
            self.known.push(place);
        }
    }

    /// Writes the places of this run, and those of earlier ones that it has not come upon.
    pub(super) fn save(&mut self, mut places: Vec<FilePosition>) -> Result<()> {
        let ids: HashSet<(u64, u64)> = places.iter().map(|place| (place.device, place.inode)).collect();
        let other = |known: &&FilePosition| !ids.contains(&(known.device, known.inode));
        let others: Vec<FilePosition> = self.known.iter().chain(&self.done).filter(other).cloned().collect();
        places.extend(others);
        let each = MOST_EQUALS / places.len().max(1);
        for equals in places.iter_mut().filter_map(|place| place.equals.as_mut()) {
            equals.drain(..equals.len() - last_of(equals, each).len());
        }
        if places == self.saved {
            return Ok(());
        }
        self.replace(places)
    }

    /// Writes the places, once all before them is settled for good.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(super) fn end(&mut self, places: Vec<FilePosition>) -> Result<()> {
        let exact = self.run.take().is_some();
        self.stretches.clear();
        if exact {
            self.saved.clear();
        }
        self.save(places)
    }

    fn replace(&mut self, places: Vec<FilePosition>) -> Result<()> {
        let rows: HashMap<(u64, u64), u64> =
            places.iter().map(|place| ((place.device, place.inode), place.rows)).collect();
        self.stretches.retain(|stretch| {
            let settled = rows.get(&stretch.id());
            stretch.to.is_none_or(|to| settled.is_none_or(|rows| *rows < to.rows))
        });
        // Of those that are no more some may have successors by their names.
        let mut others =
            self.told.iter().filter(|told| !rows.contains_key(&(told.device, told.inode))).count();
        self.told.retain(|told| {
            let keep = rows.contains_key(&(told.device, told.inode)) || others <= MOST_DONE;
            others -= usize::from(!keep);
            keep
        });
        let log = self.write(&places).map_err(|error| {
            Error::internal(format!(
                "the checkpoint file {} cannot be written: {}",
                self.path.display(),
                words(&error)
            ))
            .caused_by(error)
        })?;
        (self.log, self.synced) = (Some(log), Some(Instant::now()));
        self.loose = false;
        self.saved = places;
        Ok(())
    }

    /// The file, open behind its end.
    fn write(&self, places: &[FilePosition]) -> std::io::Result<File> {
        let mut file = files::beside(&self.path, ".tail-", 0o600)?;
        let stored = Stored {
            version: VERSION,
            files: places.to_vec(),
            run: self.run,
            boot: self.run.and_then(|_| boot()),
            inode: self.run.and_then(|_| Some(file.as_file().metadata().ok()?.ino())),
            stretches: self.stretches.clone(),
            told: self.told.clone(),
            looked: match self.searched {
                true => Some(SystemTime::now()),
                false => self.written,
            }
            .and_then(|at| u64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()),
        };
        let mut text = serde_json::to_vec_pretty(&stored)?;
        text.push(b'\n');
        file.write_all(&text)?;
        put_in_place(file, &self.path, Replace::Yes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_before_is_the_one_that_had_the_name_last() {
        let work = tempfile::tempdir().unwrap();
        let mut checkpoint = CheckpointFile::open(work.path().join("places.json")).unwrap();
        let place = |inode: u64, path: &str, done: bool| FilePosition {
            path: path.into(),
            device: 1,
            inode,
            fingerprint: String::new(),
            offset: 9,
            header: 0,
            rows: 1,
            names: None,
            equals: Some(inode.to_string()),
            read: None,
            born: (path != "f").then(|| "f".into()),
            done,
            away: None,
        };
        let before = |checkpoint: &CheckpointFile, born: &str, inode| {
            checkpoint.equals_before(Path::new(born), (1, inode)).unwrap_or_default()
        };
        assert_eq!(before(&checkpoint, "f", 9), "");
        // As a tail leaves them: those that it read, then those that it was done with, the oldest first.
        checkpoint.known = vec![place(3, "f", false), place(1, "f.2", true), place(2, "f.1", true)];
        assert_eq!((before(&checkpoint, "f", 9), before(&checkpoint, "f", 3)), ("3".into(), "2".into()));
        assert_eq!(before(&checkpoint, "g", 9), "");
        checkpoint.done((1, 4), Some(place(4, "f.1", false)));
        checkpoint.done((1, 5), Some(place(5, "f.1", false)));
        assert_eq!((before(&checkpoint, "f", 9), before(&checkpoint, "f", 5)), ("5".into(), "4".into()));
    }
}
