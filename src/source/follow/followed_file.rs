//! One file that is followed, from its first line to its last, under whatever names it has.

mod begin;
mod rows;

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memchr::{memchr, memchr_iter};

use crate::batch::{self, Content, OpenRows, Origin};
use crate::dataset::Mapper;
use crate::dataset::inferred::Learned;
use crate::dataset::seam::After;
use crate::error::Result;
use crate::pipeline::Report;
use crate::source::OpenOptions;
use crate::source::fault::io_error;
use crate::source::follow::checkpoint::{FilePosition, fingerprint};
use crate::source::follow::copies::{Ends, Likeness};
use crate::source::follow::discovery::Arrival;
use crate::source::follow::lag::FileProgress;
use crate::source::follow::lines::{Lines, Queue, head_of};
use crate::source::follow::ordinals::{Course, Found, Point};

/// More than the grain of a file's times, and than they may be behind the clock: a file that was touched longer
/// ago looks another way when it is touched again.
pub(super) const GRAIN: Duration = Duration::from_secs(2);

/// Device and inode of the file at that path.
pub(super) fn id_of(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((metadata.dev(), metadata.ino()))
}

/// What a step works with.
pub(super) struct Sight<'a> {
    pub(super) course: &'a mut Course,
    pub(super) open: &'a OpenOptions,
    /// Whether nothing more will come, so that a last line without a line end is a whole one.
    pub(super) over: bool,
    /// The byte to stop before.
    pub(super) limit: u64,
}

/// What a step came to.
pub(super) enum Moved {
    Nothing,
    Bytes(u64),
    /// The file is another one under the same name and inode; `mended`: what was there could not be read.
    Truncated {
        mended: bool,
    },
}

/// Rows that were handed on, and where the file is settled when none of them is open.
struct Mark {
    open: OpenRows,
    place: Option<(u64, u64)>,
    /// How many without an id there were with them, which are to be known where the reading goes on.
    equals: u64,
}

/// A followed file.
pub(super) struct FollowedFile {
    pub(super) name: Arc<str>,
    pub(super) path: PathBuf,
    /// The name by which it was found.
    pub(super) born: PathBuf,
    pub(super) id: (u64, u64),
    /// Rows before the next one.
    pub(super) rows: u64,
    /// Since when no name leads to it.
    pub(super) gone: Option<Instant>,
    /// Whether it is not read any further.
    pub(super) failed: bool,
    file: Arc<File>,
    /// What of it is read.
    content: Arc<Content>,
    /// The next byte to read.
    read: u64,
    /// Read and not handed on: a line without its end.
    held: Vec<u8>,
    /// The first and the last bytes read, which must stay what they were.
    ends: Ends,
    /// When the reading of this content began.
    began: SystemTime,
    /// Lines that wait for the header to be whole.
    start: Vec<u8>,
    lines: Option<(Lines, Queue)>,
    checked: bool,
    /// Row number of the decoder's row 0.
    before: u64,
    /// Behind the header, where there is one.
    header: u64,
    /// It, with what is before it; that of earlier content where this one has none.
    names: Option<String>,
    /// Bytes of a hole at the start of the file.
    zeros: u64,
    /// Behind the last line that came out of the decoder.
    taken: u64,
    /// Behind the last row that did not wait for others.
    firm: Point,
    mapper: Mapper,
    /// What is noted of what it has learned.
    told: Learned,
    origin: Arc<Origin>,
    marks: VecDeque<Mark>,
    settled: Option<(u64, u64)>,
    /// How many rows without an id of their own there were before that.
    equals: u64,
    pub(super) ruler: Arc<FileProgress>,
    moved: Instant,
    ended: bool,
    /// As it was when there was nothing more to read.
    seen: Option<Stamp>,
    /// Its place, as the file and what is settled of it were then.
    placed: Option<(Stamp, u64, FilePosition)>,
    /// Whether it was said what its first rows lack.
    lacks: bool,
    /// Whether it had other content before.
    rewritten: bool,
    /// The last place that was noted of the content at hand.
    last: Option<FilePosition>,
}

/// What tells that nobody has touched a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `None` where the file was touched so shortly before that the next touch may look the same.
    fn of(metadata: &Metadata) -> Option<Self> {
        let (modified, changed) =
            ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
        let touched = UNIX_EPOCH + Duration::from_secs(u64::try_from(modified.0.max(changed.0)).ok()?);
        let age = SystemTime::now().duration_since(touched).ok()?;
        (age >= GRAIN).then_some(Self { size: metadata.len(), modified, changed })
    }
}

impl FollowedFile {
    /// What was read of the content at hand, by which its copies are known; `None` where that is not a row.
    pub(super) fn ends(&self) -> Option<&Ends> {
        (self.rows > 0).then_some(&self.ends)
    }

    /// Where the reading of it is.
    pub(super) fn at(&self) -> u64 {
        self.read
    }

    /// When the reading of the content at hand began.
    pub(super) fn began(&self) -> SystemTime {
        self.began
    }

    /// The last rows of it, as far as they have no id.
    pub(super) fn equals(&self) -> Option<String> {
        self.mapper.equals()
    }

    /// The file that had its name before ended with those rows.
    pub(super) fn comes_after(&mut self, equals: &str) {
        let after = if self.rewritten { After::Truncation } else { After::File };
        self.mapper.comes_after(equals, after);
    }

    /// It is the file that another one was before, truncated.
    pub(super) fn is_rewritten(&mut self) {
        self.rewritten = true;
    }

    /// When it was written to last.
    pub(super) fn modified(&self) -> Option<SystemTime> {
        self.metadata().ok()?.modified().ok()
    }

    /// The header that it has had.
    pub(super) fn names(&self) -> Option<String> {
        self.names.clone()
    }

    /// Files of its name have had that one, as far as it has none of its own.
    pub(super) fn has_names(&mut self, names: Option<String>) {
        if self.read == 0 {
            self.names = names.or_else(|| self.names.take());
        }
    }

    /// Whether what is at hand has been truncated or written over since.
    pub(super) fn is_cut(&self) -> bool {
        !self.ended && !self.failed && self.metadata().is_ok_and(|m| !self.is_same(&m))
    }

    /// Whether that file, which has appeared beside it, may be a copy of it that is being made.
    pub(super) fn is_copied_to(&self, copy: &File) -> bool {
        if self.read > self.header && self.ends.likeness(copy) != Likeness::Other {
            return true;
        }
        // What is in it now and has not been read.
        let head = |file: &File| head_of(file, &self.name).unwrap_or_default();
        let (own, other) = (head(&self.file), head(copy));
        let common = own.len().min(other.len());
        let header = memchr(b'\n', &own).map_or(own.len(), |end| end + 1);
        !own.is_empty() && (other.is_empty() || common > header && own.get(..common) == other.get(..common))
    }

    /// What was read of it is in that copy from now on, where its reading goes on; the handle of the file that
    /// was truncated.
    pub(super) fn goes_on_in(&mut self, copy: &Arrival, file: File) -> (Arc<File>, (u64, u64)) {
        let cut = (std::mem::replace(&mut self.file, Arc::new(file)), self.id);
        (self.id, self.path) = (copy.id, copy.path.clone());
        self.gone = Some(Instant::now());
        let ruler = FileProgress::new(self.file.clone());
        ruler.settle(self.settled.map_or(0, |(offset, _)| offset));
        ruler.hold(self.held.len());
        self.ruler = Arc::new(ruler);
        (self.seen, self.placed, self.last) = (None, None, None);
        cut
    }

    /// Whether that file has taken its name and begins with all that is in it, which is more than a header: it
    /// is the same one with more behind it, as programs deliver that write a new file and rename it.
    pub(super) fn is_followed_by(&self, path: &Path, other: &File) -> bool {
        if self.path != path || self.born != path || self.failed || self.ended {
            return false;
        }
        let Ok(own) = self.file.metadata().map(|metadata| metadata.len()) else { return false };
        let known = match self.ends() {
            Some(ends) => own >= self.read && ends.likeness(other) == Likeness::Whole,
            None => head_of(&self.file, &self.name).is_ok_and(|head| memchr_iter(b'\n', &head).count() > 1),
        };
        let print = |file: &File| batch::fingerprint(file, own).ok();
        known && print(&self.file).is_some_and(|print_of_own| print(other) == Some(print_of_own))
    }

    /// Whether it has taken the name of that file, which has none left, and begins with all that is in it: what
    /// [`Self::is_followed_by`] tells, where the former one is heard of after its successor.
    pub(super) fn has_replaced(&self, path: &Path, former: &File) -> bool {
        if self.path != path || self.born != path || self.gone.is_some() {
            return false;
        }
        let print = |file: &File, length| batch::fingerprint(file, length).ok();
        former.metadata().is_ok_and(|former_is| {
            former_is.nlink() == 0
                && former_is.len() > 0
                && print(former, former_is.len())
                    .is_some_and(|of_former| print(&self.file, former_is.len()).as_ref() == Some(&of_former))
        })
    }

    /// What it goes on in has its name, and is what its rows are in from now on.
    pub(super) fn is_at_its_name(&mut self) {
        self.gone = None;
        self.content.is_in(self.file.clone());
    }

    /// The file, and how it is shared.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Bytes that are written and not read.
    pub(super) fn behind(&self) -> u64 {
        let size = self.file.metadata().map_or(0, |m| m.len());
        if self.failed { 0 } else { size.saturating_sub(self.read) }
    }

    /// What there is to read again.
    pub(super) fn found(&self) -> Found<'_> {
        let size = self.file.metadata().map_or(0, |m| m.len());
        Found { file: &self.file, rows: self.rows, size }
    }

    /// Whether it has been read up to that byte.
    pub(super) fn has_come_to(&self, offset: u64) -> bool {
        self.failed || self.ended || self.read >= offset
    }

    /// Whether nothing has come for so long.
    pub(super) fn is_quiet(&self, time: Duration) -> bool {
        self.moved.elapsed() >= time
    }

    /// Whether nothing more is to be done with it.
    pub(super) fn is_done(&self) -> bool {
        self.gone.is_some() && (self.failed || self.ended && self.marks.is_empty())
    }

    fn metadata(&self) -> Result<Metadata> {
        self.file.metadata().map_err(|e| io_error(&e, &self.name))
    }

    /// Whether what was read is still there.
    fn is_same(&self, metadata: &Metadata) -> bool {
        self.ends.are_in(&self.file, metadata.len())
    }

    /// Bytes of a last line that has no end.
    pub(super) fn torn(&self) -> usize {
        if self.ended || self.failed { 0 } else { self.held.len() }
    }

    /// At the end of the run.
    pub(super) fn finish(&self) -> Result<()> {
        self.mapper.finish()
    }

    /// Gives up rows that wait for others; how many.
    pub(super) fn give_back(&mut self) -> u64 {
        self.mapper.take_waiting().iter().map(|(_, rows)| rows.len() as u64).sum()
    }

    /// What was found on the way.
    pub(super) fn note(&self, report: &mut Report) {
        if let Some((lines, _)) = &self.lines {
            report.passed.add(&lines.passed());
            if let Some(told) = lines.told() {
                *report.notes.entry(told.to_owned()).or_default() += 1;
            }
        }
        report.passed.zeros += self.zeros;
        for note in self.mapper.notes() {
            *report.notes.entry(note).or_default() += 1;
        }
        for (what, count) in self.mapper.findings() {
            *report.findings.entry(what.clone()).or_default() += count;
        }
    }

    /// Moves the settled place on.
    pub(super) fn settle(&mut self) {
        let done = self.marks.iter().take_while(|mark| mark.open.count() == 0).count();
        for mark in self.marks.drain(..done) {
            if mark.place.is_some() {
                (self.settled, self.equals) = (mark.place, mark.equals);
            }
        }
        self.mapper.hold_equals(self.equals);
        // A header alone is not a row.
        let whole = (self.marks.is_empty() && !self.mapper.is_waiting()).then_some(self.taken);
        if let Some(offset) = whole.or(self.settled.map(|(offset, _)| offset)) {
            self.ruler.settle(offset);
        }
    }

    /// The place for the checkpoint file.
    pub(super) fn place(&mut self) -> Option<FilePosition> {
        let (offset, rows) = self.settled?;
        let metadata = self.metadata().ok();
        let stamp = metadata.as_ref().and_then(Stamp::of);
        if let Some((at, settled, place)) = &self.placed
            && stamp.is_some()
            && (stamp.as_ref(), *settled) == (Some(at), offset)
            && place.path == self.path
        {
            return Some(place.clone());
        }
        if !metadata.is_some_and(|metadata| self.is_same(&metadata)) {
            // Its content is another one by now, and that of before may be in a copy: what is known of it stays.
            return self.last.clone().or_else(|| self.place_at(0, 0, 0));
        }
        let place = self.place_at(offset, self.header, rows)?;
        self.placed = stamp.zip(self.settled).map(|(stamp, (settled, _))| (stamp, settled, place.clone()));
        self.last = Some(place.clone());
        Some(place)
    }

    fn place_at(&self, offset: u64, header: u64, rows: u64) -> Option<FilePosition> {
        let fingerprint = fingerprint(&self.file, offset)?;
        let (device, inode) = self.id;
        let born = (self.born != self.path).then(|| self.born.clone());
        let (path, names, done, away) = (self.path.clone(), self.names.clone(), false, None);
        let equals = (offset > 0).then(|| self.mapper.equals_at(self.equals)).flatten();
        Some(FilePosition {
            path,
            device,
            inode,
            fingerprint,
            offset,
            header,
            rows,
            names,
            equals,
            read: None,
            born,
            done,
            away,
        })
    }
}
