//! Objects as inputs: read as they come, or copied to a file first where what they are needs one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::ops::Range;

use bytes::{Buf as _, Bytes};

use crate::decode::format::Reading;
use crate::decode::{Body, Format};
use crate::error::{Error, words};
use crate::objects::{Fault, Object, Ranges, Reader};
use crate::pipeline::Stop;
use crate::source::zip::Member;
use crate::source::{Compression, archive};

/// First bytes that are asked for by themselves: they tell how the others are read.
const HEAD: u64 = 64 << 10;

/// Bytes that are copied at once.
const CHUNK: usize = 256 << 10;

/// An object, or a part of one, from its first byte to its last.
pub(super) struct Remote {
    object: Object,
    part: Range<u64>,
    /// First bytes that are here, and not yet read.
    head: Bytes,
    /// What comes behind them, once it is wanted.
    rest: Option<Reader>,
    /// The place of the next byte of the rest.
    at: u64,
    /// Whether it is a member of an archive.
    is_member: bool,
}

impl Remote {
    /// Asks for the first bytes.
    pub(super) fn open(object: &Object, member: Option<&Member>, stop: &Stop) -> io::Result<Self> {
        let stopped = || stop.is_set();
        let part = match member {
            Some(member) => {
                member.packed.at..member.packed.at.saturating_add(member.packed.stored).min(object.bytes())
            }
            None => 0..object.bytes(),
        };
        let mut remote = Self {
            object: object.clone(),
            at: part.start,
            part: part.clone(),
            head: Bytes::new(),
            rest: None,
            is_member: member.is_some(),
        };
        if part.is_empty() {
            return Ok(remote);
        }
        if member.is_none()
            && let Some(mut begun) = object.begun()
        {
            let mut head = vec![0; HEAD as usize];
            let count = begun.read(&mut head, &stopped)?;
            head.truncate(count);
            (remote.head, remote.at, remote.rest) = (head.into(), count as u64, Some(begun));
        } else if let Some(head) = object.read(part.start..part.end.min(part.start + HEAD), &stopped)? {
            remote.at += head.len() as u64;
            remote.head = head;
        }
        Ok(remote)
    }

    /// Whether it is read from its end, or proven before its rows are read, and so needs a file to be in.
    pub(super) fn needs_file(&self) -> bool {
        let by_places = matches!(Format::of_magic(&self.head).map(Format::reading), Some(Reading::File(_)));
        self.is_member
            || Compression::of(&self.head) != Compression::None
            || archive::is_one(&self.head)
            || by_places && !self.object.has_ranges()
    }

    /// Whether it is all of an object, of which parts can be asked for.
    pub(super) fn has_parts(&self) -> bool {
        !self.is_member && self.object.has_ranges()
    }

    /// Those bytes of it.
    pub(super) fn within(&self, part: Range<u64>) -> Self {
        Self { at: part.start, part, ..self.again() }
    }

    /// A file without a name with all of it in it, or with what had come when the stop was set.
    pub(super) fn copied(&mut self, stop: &Stop, came: &dyn Fn(u64)) -> io::Result<File> {
        let (name, place) = (self.object.name().clone(), std::env::temp_dir());
        let writing = |error: io::Error| {
            let (what, place) = (words(&error), place.display());
            Fault(Error::input(format!("{name}: its copy in {place} cannot be written: {what}; set TMPDIR")))
        };
        let mut file = tempfile::tempfile().map_err(&writing)?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = self.read(&mut buffer, stop)?;
            if count == 0 {
                file.rewind()?;
                return Ok(file);
            }
            came(count as u64);
            file.write_all(buffer.get(..count).unwrap_or_default()).map_err(&writing)?;
        }
    }

    /// The next bytes; none at the end, and where the stop is set.
    pub(super) fn read(&mut self, buffer: &mut [u8], stop: &Stop) -> io::Result<usize> {
        if !self.head.is_empty() {
            let count = (&*self.head).read(buffer)?;
            self.head.advance(count);
            return Ok(count);
        }
        if self.rest.is_none() {
            if self.at >= self.part.end {
                return Ok(0);
            }
            self.rest = Some(self.object.reader(self.at..self.part.end));
        }
        self.rest.as_mut().map_or(Ok(0), |rest| rest.read(buffer, &|| stop.is_set()))
    }

    /// All of the object by the places of its bytes.
    pub(super) fn body(&self, stop: &Stop) -> Body {
        let stop = stop.clone();
        Body::Object(self.object.ranges(move || stop.is_set()))
    }

    /// A reader of this part that begins at its first byte, whatever was read of this one.
    pub(super) fn again(&self) -> Self {
        Self {
            object: self.object.clone(),
            part: self.part.clone(),
            head: Bytes::new(),
            rest: None,
            at: self.part.start,
            is_member: self.is_member,
        }
    }
}

/// An object that is read by who looks for places in it: the directory of an archive.
pub(super) struct Sought {
    ranges: Ranges,
    at: u64,
}

impl Sought {
    pub(super) fn new(object: &Object) -> Self {
        Self { ranges: object.ranges(|| false), at: 0 }
    }
}

impl Read for Sought {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.ranges.bytes().min(self.at.saturating_add(buffer.len() as u64));
        if self.at >= end {
            return Ok(0);
        }
        let bytes = self.ranges.read(self.at..end)?;
        buffer.get_mut(..bytes.len()).unwrap_or_default().copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for Sought {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.ranges.bytes().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
