//! One file that is followed, from its first line to its last, under whatever names it has.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memchr::{memchr, memchr_iter, memrchr};

use crate::batch::{self, Content, OpenRows, Origin, Reason, Replayable, Stage};
use crate::dataset::inferred::Learned;
use crate::dataset::seam::After;
use crate::dataset::{Mapper, MapperSettings};
use crate::decode::Format;
use crate::decode::{CsvOptions, MAX_ROW, RawBatch};
use crate::error::Result;
use crate::pipeline::rejects::{as_they_are, of_broken, with_fields};
use crate::pipeline::{Feed, Report, Rest};
use crate::source::fault::{decode_error, io_error};
use crate::source::follow::checkpoint::{CheckpointFile, FilePosition, fingerprint};
use crate::source::follow::copies::{Ends, Likeness};
use crate::source::follow::discovery::Arrival;
use crate::source::follow::lag::FileProgress;
use crate::source::follow::lines::{Lines, Queue, check, head_of, whole_lines};
use crate::source::follow::names;
use crate::source::follow::ordinals::{Course, Found, Next, Point};
use crate::source::followed::From;
use crate::source::reader::CHUNK;
use crate::source::{OpenOptions, shown, sniff};

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
    /// The file at that path; `born` is the name by which it was written, whose header and forms it has.
    pub(super) fn open(
        (path, born): (&Path, &Path),
        file: Option<File>,
        from: From,
        (checkpoint, place): (&CheckpointFile, Option<FilePosition>),
        options: &OpenOptions,
        mapper: Arc<MapperSettings>,
    ) -> Result<Self> {
        let name: Arc<str> = shown(path).into();
        let failed = |e: std::io::Error| io_error(&e, &name);
        let file = file.map_or_else(|| File::open(path), Ok).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let id = (metadata.dev(), metadata.ino());
        let file = Arc::new(file);
        let content = Arc::new(Content::of(file.clone()));
        let replayable = Replayable::In(content.clone());
        let origin = Arc::new(Origin { replayable, ..Origin::new(name.clone()) });
        let ruler = Arc::new(FileProgress::new(file.clone()));
        let mut this = Self {
            mapper: Mapper::new(mapper, origin.clone())?,
            name,
            path: path.to_owned(),
            born: born.to_owned(),
            id,
            rows: 0,
            gone: None,
            failed: false,
            file,
            content,
            read: 0,
            held: Vec::new(),
            ends: Ends::default(),
            began: SystemTime::now(),
            start: Vec::new(),
            lines: None,
            checked: false,
            before: 0,
            header: 0,
            names: checkpoint.names_of(born),
            zeros: 0,
            taken: 0,
            firm: Point::default(),
            told: Learned::default(),
            origin,
            marks: VecDeque::new(),
            settled: None,
            equals: 0,
            ruler,
            moved: Instant::now(),
            ended: false,
            seen: None,
            placed: None,
            lacks: false,
            rewritten: false,
            last: None,
        };
        check(&head_of(&this.file, &this.name)?, &this.name)?;
        this.mapper.hold_equals(0);
        if let Some(told) = checkpoint.told(born, id, &this.file) {
            this.mapper.knows(&told);
        }
        let here = place.or_else(|| checkpoint.again(&this.file, id).cloned());
        let known =
            here.or_else(|| checkpoint.of(&this.file, id).filter(|_| from == From::Checkpoint).cloned());
        if let Some(place) = known.filter(|place| place.offset > 0) {
            this.go_on(&place, options)?;
        } else if from == From::End {
            this.skip_to_end(metadata.len(), options)?;
        }
        Ok(this)
    }

    /// Reads on at that place of a file.
    fn go_on(&mut self, place: &FilePosition, options: &OpenOptions) -> Result<()> {
        let (header, offset, rows) = (place.header, place.offset, place.rows);
        let bytes = head_of(&self.file, &self.name)?;
        let bom = check(&bytes, &self.name)?;
        if place.names.is_some() {
            self.names.clone_from(&place.names);
        } else if header > bom {
            let place = |at: u64| usize::try_from(at).unwrap_or(0);
            self.know_names(bytes.get(place(bom)..place(header)).unwrap_or_default());
        }
        if header > bom || place.names.is_some() {
            self.lines = self.under_names(options)?;
        }
        (self.checked, self.header) = (true, header);
        (self.read, self.taken) = (offset, offset);
        (self.before, self.rows) = (rows, rows);
        self.firm = Point { offset, rows };
        self.settled = Some((offset, rows));
        if let Some(equals) = &place.equals {
            self.mapper.knows_equals(equals);
        }
        self.equals = self.mapper.equals_rows();
        self.mapper.hold_equals(self.equals);
        self.ruler.settle(offset);
        self.ends = Ends::of(&self.file, offset);
        Ok(())
    }

    fn know_names(&mut self, region: &[u8]) {
        let text = std::str::from_utf8(region).ok().filter(|text| text.len() <= names::MOST);
        self.names = text.map(Into::into);
    }

    /// A decoder of what stands under the header that is known.
    fn under_names(&self, options: &OpenOptions) -> Result<Option<(Lines, Queue)>> {
        let Some(names) = self.names.as_deref().filter(|_| options.csv.header) else { return Ok(None) };
        let csv = CsvOptions { known_header: true, ..options.csv.clone() };
        let options = OpenOptions { format: options.format.or(Some(Format::CSV)), csv };
        let mut opened = Lines::open(names.as_bytes(), &self.name, &options, false)?;
        if let Some((lines, _)) = &mut opened {
            lines.take_used();
        }
        Ok(opened.filter(|(lines, _)| lines.is_headed()))
    }

    /// The header of earlier content, where the lines that this one begins with are rows.
    fn without_header(&self, options: &OpenOptions) -> Result<Option<(Lines, Queue)>> {
        let head = self.start.get(..self.start.len().min(4096)).unwrap_or_default();
        if self.names.is_none()
            || !options.csv.header
            || sniff::format(head, &self.name, options.format).ok() != Some(Format::CSV)
        {
            return Ok(None);
        }
        let Some(known) = self.under_names(options)? else { return Ok(None) };
        let rows =
            known.0.fields().and_then(|(delimiter, names)| names::are_rows(&self.start, delimiter, &names));
        Ok((rows == Some(true)).then_some(known))
    }

    fn skip_to_end(&mut self, size: u64, options: &OpenOptions) -> Result<()> {
        let bytes = head_of(&self.file, &self.name)?;
        let bom = check(&bytes, &self.name)?;
        let lines = whole_lines(bytes.get(usize::try_from(bom).unwrap_or(0)..).unwrap_or_default());
        let Some((mut lines, _)) = Lines::open(lines, &self.name, options, false)? else { return Ok(()) };
        let header = if lines.is_headed() && options.csv.header { bom + lines.take_used() } else { 0 };
        // Back to the last line end.
        let mut end = size;
        let mut piece = vec![0; 4096];
        while end > 0 {
            let length = end.min(4096);
            let piece = piece.get_mut(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
            self.file.read_exact_at(piece, end - length).map_err(|e| io_error(&e, &self.name))?;
            if let Some(at) = memrchr(b'\n', piece) {
                end = end - length + at as u64 + 1;
                break;
            }
            end -= length;
        }
        let names = bytes.get(usize::try_from(bom).unwrap_or(0)..usize::try_from(header).unwrap_or(0));
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            self.know_names(names);
        }
        match self.place_at(end.max(header), header, 0) {
            Some(place) => self.go_on(&place, options),
            // It has become shorter in this moment.
            None => Ok(()),
        }
    }

    /// Reads the same file from its start, since its content is another one.
    pub(super) fn begin_again(&mut self, mapper: Arc<MapperSettings>) -> Result<()> {
        self.content.is_overwritten();
        self.content = Arc::new(Content::of(self.file.clone()));
        let replayable = Replayable::In(self.content.clone());
        self.origin = Arc::new(Origin { replayable, ..Origin::new(self.name.clone()) });
        let equals = self.mapper.equals();
        self.mapper = Mapper::new(mapper, self.origin.clone())?;
        self.rewritten = true;
        equals.iter().for_each(|equals| self.comes_after(equals));
        self.mapper.knows(&self.told.forms());
        self.told = Learned::default();
        (self.read, self.taken, self.header, self.zeros) = (0, 0, 0, 0);
        (self.before, self.rows, self.firm) = (0, 0, Point::default());
        (self.checked, self.ended) = (false, false);
        (self.seen, self.placed, self.last) = (None, None, None);
        (self.ends, self.began) = (Ends::default(), SystemTime::now());
        self.held.clear();
        self.start.clear();
        self.lines = None;
        self.marks.clear();
        (self.settled, self.equals) = (None, 0);
        self.mapper.hold_equals(0);
        self.ruler.settle(0);
        self.ruler.hold(0);
        Ok(())
    }

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

    /// Reads a piece and hands on the lines in it.
    pub(super) fn step(&mut self, mut sight: Sight<'_>, feed: &mut Feed<'_>) -> Result<Moved> {
        if self.ended {
            return Ok(Moved::Nothing);
        }
        let metadata = self.metadata()?;
        self.ruler.look();
        let stamp = Stamp::of(&metadata);
        if stamp.is_some() && stamp == self.seen && !sight.over {
            return Ok(Moved::Nothing);
        }
        self.seen = None;
        if !self.is_same(&metadata) {
            // What was wrong with its content may be mended.
            return Ok(Moved::Truncated { mended: std::mem::take(&mut self.failed) });
        }
        if self.failed {
            return Ok(Moved::Nothing);
        }
        let limit = sight.limit.min(metadata.len());
        let room = usize::try_from(limit.saturating_sub(self.read)).unwrap_or(usize::MAX);
        let mut piece = vec![0; CHUNK.min(room)];
        let count = self.file.read_at(&mut piece, self.read).map_err(|e| io_error(&e, &self.name))?;
        piece.truncate(count);
        if count == 0 {
            if sight.over {
                self.end(&mut sight, feed)?;
            }
            self.seen = stamp.filter(|_| self.read == metadata.len());
            return Ok(Moved::Nothing);
        }
        self.moved = Instant::now();
        self.ends.read(&piece);
        self.held.extend_from_slice(&piece);
        self.read += count as u64;
        let length = match memrchr(b'\n', &self.held) {
            Some(at) => at + 1,
            None if self.held.len() > MAX_ROW => self.held.len(),
            None => 0,
        };
        if length > 0 {
            let rest = self.held.split_off(length);
            let lines = std::mem::replace(&mut self.held, rest);
            self.take(lines, &mut sight, feed)?;
        }
        self.ruler.hold(self.held.len());
        Ok(Moved::Bytes(count as u64))
    }

    /// What is left is the last of it.
    fn end(&mut self, sight: &mut Sight<'_>, feed: &mut Feed<'_>) -> Result<()> {
        self.ended = true;
        let last = std::mem::take(&mut self.held);
        if let Some((_, queue)) = &self.lines {
            queue.lock().ended = true;
        } else if last.is_empty() && self.start.is_empty() {
            return Ok(());
        }
        self.take(last, sight, feed)?;
        self.bury_waiting(sight.course, feed)
    }

    /// Rows that wait for others, of which none will come.
    pub(super) fn bury_waiting(&mut self, course: &mut Course, feed: &mut Feed<'_>) -> Result<()> {
        let lack = self.mapper.lack().map(|lack| lack.to_string());
        let waiting = self.mapper.take_waiting();
        if waiting.is_empty() {
            return Ok(());
        }
        let here = Point { offset: self.taken, rows: self.rows };
        let (id, file, firm) = (self.id, &self.file, Some(self.firm));
        let base = course.base(Next { id, file, before: here, firm, after: here })?;
        let replayable = Replayable::In(self.content.clone());
        let origin = Arc::new(Origin { replayable, base, ..Origin::new(self.name.clone()) });
        let reason = || match &lack {
            Some(lack) => Reason::new("missing", lack.clone()),
            None => Reason::new(
                "no_timeframe",
                "no timeframe in the columns, and too few rows to tell it by their spacing",
            )
            .column("timeframe"),
        };
        let reading = self.mapper.reading();
        let rejects = waiting.iter().flat_map(|(columns, rows)| {
            as_they_are(columns, rows, &origin, Stage::Validate, reason(), &reading)
        });
        let rejects = rejects.collect();
        self.firm = here;
        let (open, place) = (origin.open.clone(), Some((self.taken, self.rows)));
        self.marks.push_back(Mark { open, place, equals: self.mapper.equals_rows() });
        if !feed.sink.rejects(rejects)? {
            feed.stop.set();
        }
        Ok(())
    }

    fn take(&mut self, lines: Vec<u8>, sight: &mut Sight<'_>, feed: &mut Feed<'_>) -> Result<()> {
        let source = &*self.name;
        let _reading = tracing::trace_span!("read", source, bytes = lines.len() as i64).entered();
        match &self.lines {
            Some((_, queue)) => queue.lock().bytes.push_back(lines.into()),
            None => {
                self.start.extend_from_slice(&lines);
                if !self.checked {
                    let bom = check(&self.start, &self.name)?;
                    self.start.drain(..usize::try_from(bom).unwrap_or(0));
                    (self.taken, self.checked) = (bom, true);
                }
                let hole = self.start.iter().take_while(|byte| **byte == 0).count();
                self.start.drain(..hole);
                (self.taken, self.zeros) = (self.taken + hole as u64, self.zeros + hole as u64);
                let mut open = sight.open.clone();
                if self.settled.is_some_and(|(offset, _)| offset > 0) {
                    // What is to be skipped lies before the place where an earlier tail has stopped.
                    open.csv.skip_lines = 0;
                }
                self.lines = self.without_header(&open)?;
                if let Some((_, queue)) = &self.lines {
                    tracing::warn!(
                        "{}: its content has no header, and is read by the one that was there before",
                        self.name
                    );
                    let mut waiting = queue.lock();
                    waiting.bytes.push_back(std::mem::take(&mut self.start).into());
                    waiting.ended = self.ended;
                } else {
                    self.lines = Lines::open(&self.start, &self.name, &open, self.ended)?;
                    let Some((lines, _)) = &mut self.lines else { return Ok(()) };
                    let used = lines.take_used();
                    self.taken += used;
                    if lines.is_headed() && sight.open.csv.header {
                        self.header = self.taken;
                        let start = std::mem::take(&mut self.start);
                        let used = usize::try_from(used).unwrap_or(0);
                        self.know_names(start.get(..used).unwrap_or_default());
                    }
                    self.start.clear();
                }
            }
        }
        while let Some((lines, _)) = &mut self.lines {
            if let Some(wanted) = self.mapper.wanted() {
                lines.want(wanted);
            }
            match lines.next_now().map_err(|e| decode_error(e, &self.name))? {
                Some(raw) => self.hand_on(raw, sight, feed)?,
                None => {
                    self.taken += lines.take_used();
                    break;
                }
            }
        }
        Ok(())
    }

    fn hand_on(&mut self, mut raw: RawBatch, sight: &mut Sight<'_>, feed: &mut Feed<'_>) -> Result<()> {
        let read = (raw.rows.len() + raw.broken.len()) as u64;
        raw.rows.iter_mut().for_each(|row| *row += self.before);
        raw.broken.iter_mut().for_each(|broken| broken.row += self.before);
        // Ordinals grow over all files, in the order in which their rows are read.
        let before = Point { offset: self.taken, rows: self.rows };
        self.rows += read;
        self.taken += raw.bytes;
        let after = Point { offset: self.taken, rows: self.rows };
        let firm = self.mapper.is_waiting().then_some(self.firm);
        let base = sight.course.base(Next { id: self.id, file: &self.file, before, firm, after })?;
        let replayable = Replayable::In(self.content.clone());
        let origin = Arc::new(Origin { replayable, base, ..Origin::new(self.name.clone()) });
        if self.mapper.rekeys() {
            feed.sink.settle();
        }
        self.mapper.continues(origin.clone());
        let span = tracing::trace_span!("decode", rows = read as i64, bytes = raw.bytes as i64);
        let mapped = span.in_scope(|| self.mapper.map(&raw.columns, &raw.rows));
        self.mapper.continues(self.origin.clone());
        let mut mapped = mapped?;
        if let Some(lack) = self.mapper.lack().filter(|_| !std::mem::replace(&mut self.lacks, true)) {
            tracing::warn!("{lack}; waiting for rows that have it");
        }
        let learned = self.mapper.learned();
        if learned != self.told {
            // Before a row is stored by it.
            sight.course.tell(&self.born, (self.id, &self.file), after, &learned)?;
            self.told = learned;
        }
        feed.read(read);
        feed.report.rows += read;
        let place = (!self.mapper.is_waiting()).then_some((self.taken, self.rows));
        if place.is_some() {
            self.firm = after;
        }
        self.marks.push_back(Mark { open: origin.open.clone(), place, equals: self.mapper.equals_rows() });
        if !raw.broken.is_empty() {
            let fields = self.lines.as_ref().and_then(|(lines, _)| lines.fields());
            let reading = with_fields(fields, &self.mapper.reading());
            mapped.rejects.extend(raw.broken.into_iter().map(|broken| of_broken(broken, &origin, &reading)));
        }
        // What is not taken is read again by the next tail: the file has it.
        feed.hand_on([mapped], Some(&self.mapper), Rest::Return)
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
