//! Where the reading of a file begins: at a place that is known, at its start, at its end, and again where it is cut.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use memchr::memrchr;

use crate::batch::{Content, Origin, Replayable};
use crate::dataset::inferred::Learned;
use crate::dataset::{Mapper, MapperSettings};
use crate::decode::{CsvOptions, Format};
use crate::error::Result;
use crate::source::fault::io_error;
use crate::source::follow::checkpoint::{CheckpointFile, FilePosition};
use crate::source::follow::copies::Ends;
use crate::source::follow::followed_file::FollowedFile;
use crate::source::follow::lag::FileProgress;
use crate::source::follow::lines::{Lines, Queue, check, head_of, whole_lines};
use crate::source::follow::names;
use crate::source::follow::ordinals::Point;
use crate::source::followed::From;
use crate::source::{Chooser, OpenOptions, shown, sniff};

impl FollowedFile {
    /// The file at that path; `born` is the name by which it was written, whose header and forms it has.
    pub(in crate::source::follow) fn open(
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
    pub(in crate::source::follow) fn go_on(
        &mut self,
        place: &FilePosition,
        options: &OpenOptions,
    ) -> Result<()> {
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

    pub(in crate::source::follow) fn know_names(&mut self, region: &[u8]) {
        let text = std::str::from_utf8(region).ok().filter(|text| text.len() <= names::MOST);
        self.names = text.map(Into::into);
    }

    /// A decoder of what stands under the header that is known.
    pub(in crate::source::follow) fn under_names(
        &self,
        options: &OpenOptions,
    ) -> Result<Option<(Lines, Queue)>> {
        let Some(names) = self.names.as_deref().filter(|_| options.csv.header) else { return Ok(None) };
        let csv = CsvOptions { known_header: true, ..options.csv.clone() };
        let format = options.format.or(Some(Format::CSV));
        let options = OpenOptions { format, csv, encoding: None, chooser: Chooser::default() };
        let mut opened = Lines::open(names.as_bytes(), &self.name, &options, false)?;
        if let Some((lines, _)) = &mut opened {
            lines.take_used();
        }
        Ok(opened.filter(|(lines, _)| lines.is_headed()))
    }

    /// The header of earlier content, where the lines that this one begins with are rows.
    pub(in crate::source::follow) fn without_header(
        &self,
        options: &OpenOptions,
    ) -> Result<Option<(Lines, Queue)>> {
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

    pub(in crate::source::follow) fn skip_to_end(&mut self, size: u64, options: &OpenOptions) -> Result<()> {
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
    pub(in crate::source::follow) fn begin_again(&mut self, mapper: Arc<MapperSettings>) -> Result<()> {
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
}
