//! The checkpoint file: which files were read, and up to where all is settled.
//!
//! It is one JSON document, replaced as a whole, and behind it a line for each stretch of rows that has
//! begun since (see `course.rs`). A last line that is torn was never acted upon.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::dataset::identity::last_of;
use crate::dataset::inferred::Learned;
use crate::error::{Error, Result, again, words};
use crate::files::{self, Replace, put_in_place};
use crate::source::follow::copies::size_of;
use crate::source::follow::discovery::Arrival;
use crate::source::follow::followed_file::GRAIN;
use crate::source::follow::ordinals::{End, Stretch};
use crate::source::follow::rotation::{beside, is_rotated, modified, moved};
use crate::source::follow::turns::SAVE;

/// Bytes at each end of what was read by which a file is known again.
pub(super) const MARK: u64 = 1024;

/// Files that have been done with and are known again when they come back.
const MOST_DONE: usize = 100;

/// Bytes of the last rows without an id that all files together have room for, beyond the least of each: the
/// checkpoint is written some times a second.
const MOST_EQUALS: usize = 4 << 20;

/// How long the place in a file that is not found is kept, in seconds: a week.
const LONGEST_AWAY: u64 = 7 * 86_400;

/// Largest checkpoint file that is read, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// Version of the format. The first one had the places alone.
const VERSION: u32 = 2;

/// A place in a file behind which nothing is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FilePosition {
    #[serde(with = "crate::source::names::path")]
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
    /// The header as it stands there, with what is before it; where `header` is 0 that of earlier content,
    /// which holds for this one too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) names: Option<String>,
    /// The last rows before it that have no id of their own, by which equal ones are counted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) equals: Option<String>,
    /// Where nothing before it is settled: how much had been read all the same, and its fingerprint.
    #[serde(skip)]
    pub(super) read: Option<(u64, String)>,
    /// The name by which it was found, where it has another one now.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::source::names::some_path")]
    pub(super) born: Option<PathBuf>,
    /// Whether a tail has read it to its end, after it had been rotated away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) done: bool,
    /// Since when it has not been found, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) away: Option<u64>,
}

impl FilePosition {
    pub(super) fn id(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Whether it is a place of that file, as it is now.
    pub(super) fn fits(&self, file: &File, id: (u64, u64)) -> bool {
        self.id() == id && self.is_beginning_of(file)
    }

    /// Whether rows were read before it: the same header is no sign of the same content.
    pub(super) fn has_rows(&self) -> bool {
        self.rows > 0 || self.offset > self.header.max(MARK) || self.read.is_some()
    }

    /// Whether that file begins with what was read, whichever it is.
    pub(super) fn is_beginning_of(&self, file: &File) -> bool {
        let is = |length, print: &String| fingerprint(file, length).as_ref() == Some(print);
        is(self.offset, &self.fingerprint)
            && self.read.as_ref().is_none_or(|(length, print)| is(*length, print))
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
    files: Vec<FilePosition>,
    /// The run whose rows behind those places are told by the store's ledger, until it ends with none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Uuid>,
    /// The boot of the machine, where the system tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    /// The inode of this very file, by which it is told from copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inode: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stretches: Vec<Stretch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    told: Vec<LearnedFormats>,
    /// When rotated files had been looked for last, in microseconds since 1970.
    #[serde(default)]
    looked: Option<u64>,
}

impl Stored {
    /// Whether nothing is in it, not even what a tail writes that has seen no file yet.
    fn says_nothing(&self) -> bool {
        self.files.is_empty() && self.stretches.is_empty() && self.run.is_none() && self.looked.is_none()
    }
}

/// What the rows of a file have told, and the file by which it is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LearnedFormats {
    #[serde(with = "crate::source::names::path")]
    path: PathBuf,
    device: u64,
    inode: u64,
    seen: u64,
    fingerprint: String,
    learned: Learned,
}

/// A line behind the document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Begun(Begun),
    LearnedFormats(LearnedFormats),
    Grown(End),
}

/// A stretch that begins.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    /// Where the stretch before it has ended.
    end: Option<End>,
    stretch: Stretch,
    /// Whether lines that come soon after it may be lost where the machine goes down.
    loose: bool,
}

/// Whether what is not a document may have been one: a text of another kind is somebody else's file.
fn may_be_damaged(bytes: &[u8]) -> bool {
    let begins = bytes.trim_ascii_start();
    // Of a value without anything in it nobody has use; a list may be somebody's data.
    let hollow = |value: serde_json::Value| value.as_array().is_none_or(Vec::is_empty);
    begins.is_empty()
        || begins.starts_with(b"{")
        || serde_json::from_slice(bytes).is_ok_and(hollow)
        || begins.contains(&0)
        || std::str::from_utf8(bytes).is_err()
}

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
                "{} is not a checkpoint file of tail; name another one with --checkpoint",
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
                    "another tail is using the checkpoint file {}; give this one its own with --checkpoint",
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
                            "{} is not a checkpoint file of tail; name another one with --checkpoint",
                            path.display()
                        )));
                    }
                };
                if !(1..=VERSION).contains(&stored.version) {
                    return Err(Error::usage(format!(
                        "{} is a checkpoint file of version {}, and this mdsctl knows version {VERSION}; name another one with --checkpoint",
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

    /// Files that have been renamed, within their directories, to names by which none of those `there` was
    /// found, in the order in which they appeared. Of those that are not found it is said once; they
    /// may come back.
    pub(super) fn moved(&mut self, there: &[Arrival]) -> Vec<Arrival> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // As they were before this run noted anything.
        let mut earlier = std::mem::take(&mut self.earlier);
        // What was read of a file before anything of it was settled tells its content too.
        for place in earlier.iter_mut().filter(|place| !place.has_rows()) {
            let last = self.stretches.iter().rev().find(|stretch| stretch.id() == place.id());
            place.read = last.map(|last| (last.seen, last.fingerprint.clone()));
        }
        let moved = moved(&mut earlier, there, self.written, now);
        self.searched = true;
        for arrival in &moved {
            if let (Some(place), Some(file)) = (&arrival.place, &arrival.file) {
                self.copied(place.id(), &arrival.path, arrival.id, file);
            }
        }
        // Should this run die, the next one finds them again.
        for arrival in &moved {
            let Some(file) = arrival.file.as_ref().filter(|_| arrival.place.is_none()) else { continue };
            if !self.known.iter().any(|place| place.fits(file, arrival.id)) {
                self.anew((&arrival.path, arrival.born.as_deref()), arrival.id, file);
            }
        }
        let away: HashMap<(u64, u64), &FilePosition> =
            earlier.iter().map(|place| (place.id(), place)).collect();
        for place in &mut self.known {
            // What this run has noted is of another file by that identity.
            let before = away.get(&place.id()).filter(|before| before.fingerprint == place.fingerprint);
            place.away = before.and_then(|before| before.away);
        }
        let long = |since: u64| now.saturating_sub(since) >= LONGEST_AWAY;
        self.known.retain(|place| !place.away.is_some_and(long));
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
        self.anew((path, None), id, file);
        let saved = self.saved.iter().filter(|place| place.id() != id).cloned();
        self.save(saved.collect())
    }

    /// Of what is in that file now nothing is read; `born` is the name that it had first.
    pub(super) fn anew(&mut self, (path, born): (&Path, Option<&Path>), id: (u64, u64), file: &File) {
        let names = self.names_of(born.unwrap_or(path));
        self.known.retain(|place| place.id() != id);
        let is_of =
            |stretch: &Stretch| fingerprint(file, stretch.seen).as_ref() == Some(&stretch.fingerprint);
        self.stretches.retain(|stretch| stretch.id() != id || is_of(stretch));
        let Some(fingerprint) = fingerprint(file, 0) else { return };
        self.known.push(FilePosition {
            path: path.into(),
            device: id.0,
            inode: id.1,
            fingerprint,
            offset: 0,
            header: 0,
            rows: 0,
            names,
            equals: None,
            read: None,
            born: born.filter(|born| *born != path).map(Path::to_owned),
            done: false,
            away: None,
        });
    }

    /// The header that files of that name have had; where there were none, those of the name of which it is
    /// one that log rotation makes.
    pub(super) fn names_of(&self, path: &Path) -> Option<String> {
        let of = |is: &dyn Fn(&Path) -> bool| {
            let mut places = self.known.iter().chain(&self.saved).chain(&self.done).rev();
            let own = |place: &&FilePosition| is(place.born.as_deref().unwrap_or(&place.path));
            places.find(|place| place.names.is_some() && own(place))?.names.clone()
        };
        of(&|name| name == path).or_else(|| of(&|name| is_rotated(name, path)))
    }

    /// The last rows without an id of the file that had that name before the one of that identity.
    pub(super) fn equals_before(&self, born: &Path, id: (u64, u64)) -> Option<String> {
        let is_of = |place: &&FilePosition| {
            place.id() != id && place.equals.is_some() && place.born.as_deref().unwrap_or(&place.path) == born
        };
        // What was still read when the tail before ended came behind all that was done with.
        let (done, left): (Vec<_>, Vec<_>) = self.known.iter().filter(is_of).partition(|place| place.done);
        let last = self.done.iter().rev().find(is_of).or_else(|| left.first().or(done.last()).copied());
        last?.equals.clone()
    }

    /// The last rows without an id of what had that identity.
    pub(super) fn equals_of(&self, id: (u64, u64)) -> Option<String> {
        self.known.iter().find(|place| place.id() == id)?.equals.clone()
    }

    /// Whether some of that file was read by another name, or before it came back.
    pub(super) fn has_read(&self, arrival: &Arrival) -> bool {
        let Some(file) = &arrival.file else { return false };
        let mut places = self.known.iter().chain(&self.saved).chain(&self.done);
        places.any(|place| place.offset > 0 && place.fits(file, arrival.id))
    }

    /// What was read of a file is in that copy from now on, and read on there.
    pub(super) fn copied(&mut self, from: (u64, u64), path: &Path, to: (u64, u64), copy: &File) {
        for places in [&mut self.known, &mut self.saved, &mut self.done] {
            places.retain(|place| place.id() != to);
            places.retain_mut(|place| {
                if place.id() != from {
                    return true;
                }
                if !place.is_beginning_of(copy) {
                    return false;
                }
                place.born.get_or_insert_with(|| place.path.clone());
                place.path = path.to_owned();
                (place.device, place.inode) = to;
                true
            });
        }
        let same = |seen, print: &String| fingerprint(copy, seen).as_ref() == Some(print);
        self.stretches.retain(|stretch| stretch.id() != from || same(stretch.seen, &stretch.fingerprint));
        for stretch in self.stretches.iter_mut().filter(|stretch| stretch.id() == from) {
            (stretch.device, stretch.inode) = to;
        }
        for told in self.told.iter_mut().filter(|told| (told.device, told.inode) == from) {
            (told.device, told.inode) = to;
        }
    }

    /// A copy of which nothing is to be read.
    pub(super) fn known_copy(&mut self, arrival: &Arrival, born: &Path) {
        let Some(file) = &arrival.file else { return };
        let offset = size_of(arrival);
        let Some(fingerprint) = fingerprint(file, offset) else { return };
        let ((device, inode), names) = (arrival.id, self.names_of(born));
        let (path, born) = (arrival.path.clone(), Some(born.to_owned()));
        let place = FilePosition {
            path,
            device,
            inode,
            fingerprint,
            offset,
            header: 0,
            rows: 1,
            names,
            equals: None,
            read: None,
            born,
            done: true,
            away: None,
        };
        self.done(arrival.id, Some(place));
    }

    /// Writes what has changed by a truncation.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(super) fn write_truncated(&mut self, path: &Path, id: (u64, u64), file: &File) -> Result<()> {
        self.anew((path, None), id, file);
        let mut places: Vec<FilePosition> =
            self.saved.iter().filter(|place| place.id() != id).cloned().collect();
        places.extend(self.known.iter().filter(|place| place.id() == id).cloned());
        self.replace(places)
    }

    /// Forgets what a file held that has other content now.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(super) fn truncated(&mut self, path: &Path, id: (u64, u64), file: &File) -> Result<()> {
        self.stretches.retain(|stretch| stretch.id() != id);
        self.write_truncated(path, id, file)
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

    /// The place in a file that this run had done with, and that has come back.
    pub(super) fn again(&self, file: &File, id: (u64, u64)) -> Option<&FilePosition> {
        self.done.iter().find(|place| place.fits(file, id))
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
