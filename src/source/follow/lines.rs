//! Lines of a file that grows, on their way into a decoder that does not wait for more.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use memchr::memrchr;

use crate::dataset::wanted::Wanted;
use crate::decode::format::{LineDecoder, Reading};
use crate::decode::{Chunk, Chunks, DecodeError, Format, Passed, RawBatch, text_columns};
use crate::error::{Error, Result};
use crate::source::fault::{decode_error, io_error};
use crate::source::reader::CHUNK;
use crate::source::{Chosen, Compression, OpenOptions, shown, sniff};

/// Bytes of a file that may come before its first row when its columns are looked for.
const HEAD: u64 = 1 << 20;

/// Bytes on their way to a decoder that asks for no more than there are.
#[derive(Clone, Default)]
pub(super) struct Queue(Arc<Mutex<Waiting>>);

#[derive(Default)]
pub(super) struct Waiting {
    pub(super) bytes: VecDeque<Bytes>,
    /// Whether the decoder is being opened, which must not wait.
    opening: bool,
    /// Whether it has asked for more than there was meanwhile.
    wanting: bool,
    pub(super) ended: bool,
}

impl Queue {
    pub(super) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chunks for Queue {
    fn next(&mut self) -> Result<Chunk, DecodeError> {
        let mut waiting = self.lock();
        Ok(match waiting.bytes.pop_front() {
            Some(bytes) => Chunk::Data(bytes),
            None if waiting.ended => Chunk::End,
            None if waiting.opening => {
                waiting.wanting = true;
                Chunk::Cut { again: true }
            }
            None => Chunk::Idle,
        })
    }
}

/// A decoder of lines that are added to a file.
pub(super) struct Lines(Box<dyn LineDecoder>, Chosen);

impl Lines {
    /// A decoder for lines that begin with `start`; `None` where that is too little to begin with.
    pub(super) fn open(
        start: &[u8],
        name: &str,
        options: &OpenOptions,
        ended: bool,
    ) -> Result<Option<(Self, Queue)>> {
        if start.is_empty() {
            return Ok(None);
        }
        let queue = Queue::default();
        {
            let mut waiting = queue.lock();
            waiting.bytes.push_back(Bytes::copy_from_slice(start));
            (waiting.opening, waiting.ended) = (!ended, ended);
        }
        let chunks = Box::new(queue.clone());
        let head = start.get(..start.len().min(4096)).unwrap_or_default();
        let format = sniff::format(head, name, options.format)?;
        let Reading::Lines(open) = format.reading else { return Err(refused(name, format.a_file)) };
        let chosen = options.chooser.of_head(name, format, start).map_err(|e| e.at(name))?;
        let how = chosen.open.as_ref().unwrap_or(options);
        if how.remakes_rows() {
            return Err(refused(name, "a file whose rows are made of others or chosen among them"));
        }
        let mut csv = how.csv.clone();
        csv.json.known.clone_from(&options.csv.json.known);
        let opened = open(chunks, csv).map(|decoder| Self(decoder, chosen));
        let wanting = queue.lock().wanting;
        if wanting {
            return Ok(None);
        }
        queue.lock().opening = false;
        let opened = opened.map_err(|e| decode_error(e, name))?;
        match opened.decoder().objection() {
            Some(what) => Err(opened.1.perhaps_else(Error::usage(format!("{name}: {what}")))),
            None => Ok(Some((opened, queue))),
        }
    }

    fn decoder(&self) -> &dyn LineDecoder {
        &*self.0
    }

    /// What was passed over so far.
    pub(super) fn passed(&self) -> Passed {
        self.0.passed()
    }

    /// Where the rows were found, where that had to be found.
    pub(super) fn told(&self) -> Option<&str> {
        self.0.told()
    }

    /// From here on those names of columns matter.
    pub(super) fn want(&mut self, wanted: Wanted) {
        self.0.want(wanted);
    }

    pub(super) fn next_now(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        self.0.next_now()
    }

    /// How a line is cut into fields, where it has some.
    pub(super) fn fields(&self) -> Option<(u8, Vec<Arc<str>>)> {
        self.0.fields()
    }

    /// Bytes used up since the last batch: at first those of the header.
    pub(super) fn take_used(&mut self) -> u64 {
        self.0.take_used()
    }

    /// Whether the first line may be a header.
    pub(super) fn is_headed(&self) -> bool {
        self.0.is_headed()
    }
}

fn refused(name: &str, what: &str) -> Error {
    Error::usage(format!(
        "{name}: {what}, which cannot be followed; tail takes {} as plain text, mdsctl load the rest",
        Format::titles_that_grow()
    ))
}

/// Refuses what is not text; gives the length of the byte order mark.
pub(super) fn check(head: &[u8], name: &str) -> Result<u64> {
    if Compression::of(head) != Compression::None {
        return Err(refused(name, "a compressed file"));
    }
    if let Some(format) = Format::of_magic(head).filter(|format| !format.grows()) {
        return Err(refused(name, format.a_file));
    }
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return Err(refused(name, "UTF-16"));
    }
    Ok(if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 })
}

/// The first bytes of a file up to its last line end in them.
pub(super) fn head_of(file: &File, name: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(HEAD).unwrap_or(CHUNK)];
    let count = file.read_at(&mut bytes, 0).map_err(|e| io_error(&e, name))?;
    bytes.truncate(count);
    Ok(bytes)
}

/// The first bytes of a file behind the zero bytes that it begins with.
fn behind_hole(file: &File, name: &str) -> Result<Vec<u8>> {
    let (mut at, mut bytes) = (HEAD, vec![0; usize::try_from(HEAD).unwrap_or(CHUNK)]);
    loop {
        let count = file.read_at(&mut bytes, at).map_err(|e| io_error(&e, name))?;
        let zeros = bytes.iter().take(count).take_while(|byte| **byte == 0).count();
        if count == 0 || zeros < count {
            bytes.truncate(count);
            bytes.drain(..zeros.min(count));
            return Ok(bytes);
        }
        at += count as u64;
    }
}

pub(super) fn whole_lines(bytes: &[u8]) -> &[u8] {
    bytes.get(..memrchr(b'\n', bytes).map_or(0, |at| at + 1)).unwrap_or_default()
}

/// The columns of a file, once it shows them.
pub(super) fn look_into(path: &Path, options: &OpenOptions) -> Result<Option<(SchemaRef, Chosen)>> {
    let name = shown(path);
    let file = File::open(path).map_err(|e| io_error(&e, &name))?;
    let head = head_of(&file, &name)?;
    let bom = usize::try_from(check(&head, &name)?).unwrap_or(0);
    let mut head = head;
    let mut lines = whole_lines(head.get(bom..).unwrap_or_default());
    if lines.is_empty() && head.len() as u64 == HEAD && head.iter().all(|byte| *byte == 0) {
        // A hole that is larger than that.
        head = behind_hole(&file, &name)?;
        lines = whole_lines(&head);
    }
    let hole = lines.iter().take_while(|byte| **byte == 0).count();
    let lines = lines.get(hole..).unwrap_or_default();
    let Some((mut lines, _queue)) = Lines::open(lines, &name, options, false)? else { return Ok(None) };
    // The first rows of JSON may lack a member that those behind them have.
    let mut seen: Option<SchemaRef> = None;
    while let Some(batch) = lines.next_now().map_err(|e| decode_error(e, &name))? {
        if batch.columns.num_columns() > 0 {
            seen = Some(batch.columns.schema());
        }
        if seen.is_some() && lines.is_headed() {
            break;
        }
    }
    let names = || Some(lines.decoder().names()).filter(|names| !names.is_empty());
    let seen = seen.or_else(|| names().map(|names| Arc::new(text_columns(names))));
    Ok(seen.map(|schema| (schema, lines.1.clone())))
}
