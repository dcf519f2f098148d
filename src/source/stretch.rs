//! A stretch of an input that is loaded by itself, while others load what stands before and behind it.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::batch::Origin;
use crate::dataset::Mapper;
use crate::dataset::seam::After;
use crate::decode::Mark;
use crate::error::{Error, Result};
use crate::pipeline::{Feed, Stop};
use crate::port::jobs::Stretch;
use crate::source::changed::AtOpening;
use crate::source::fault::io_error;
use crate::source::files::Files;
use crate::source::raw_input::{Again, Interrupted};
use crate::source::reader::{Ahead, Source};
use crate::source::remote::Remote;
use crate::source::{Compression, Input, Meter, Opened, decode_error, open};

/// Bytes of a text, one behind the other.
struct Part {
    bytes: Bytes,
    at: u64,
    to: u64,
    stop: Stop,
    cut: Interrupted,
    meter: Arc<Meter>,
    at_opening: Option<Arc<AtOpening>>,
}

/// Who has them.
enum Bytes {
    File(File),
    Remote(Remote),
}

impl Part {
    fn ended(&self) {
        if let Some(file) = &self.at_opening {
            file.ended();
        }
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.to - self.at).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            self.ended();
            return Ok(0);
        }
        loop {
            if self.stop.is_set() {
                self.cut.cut();
                return Ok(0);
            }
            let place = buffer.get_mut(..most).unwrap_or_default();
            let read = match &mut self.bytes {
                Bytes::File(file) => file.read_at(place, self.at),
                Bytes::Remote(remote) => remote.read(place, &self.stop),
            };
            match read {
                Ok(0) if self.stop.is_set() => {}
                // Others have cut the file: its look tells.
                Ok(0) => {
                    self.ended();
                    return Ok(0);
                }
                Ok(count) => {
                    self.at += count as u64;
                    self.meter.consume(count as u64);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a line ends before that byte, as one did when the stretches were made.
fn ends_a_row(file: &File, at: u64) -> bool {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at - 1).is_ok() && byte == *b"\n"
}

impl Files {
    /// Goes to the rows of a stretch. What the first rows of the input tell of it is learned from them, whoever loads
    /// which stretch, so that the rows of all are read alike.
    pub(super) fn begin_at(
        &self,
        stretch: Stretch,
        opened: &mut Opened,
        mapper: &mut Mapper,
        (name, stop): (&str, &Stop),
    ) -> Result<()> {
        let failed = |error| decode_error(error, name);
        while let Some(raw) = opened.decoder.next_batch().map_err(failed)? {
            let mapped = mapper.map(&raw.columns, &raw.rows)?;
            if mapped.lacks {
                // The table is another one than a moment ago: from the first row on, with all columns.
                let pieces = opened.decoder.pieces().len();
                opened.decoder.read_only(Arc::new(|_| true)).map_err(failed)?;
                opened.decoder.read_pieces(0..pieces).map_err(failed)?;
                continue;
            }
            if !mapped.batches.is_empty() {
                break;
            }
        }
        // They come once more with their own stretch.
        mapper.take_waiting();
        mapper.counts_anew();
        match stretch {
            Stretch::RowGroups { from, to, .. } => opened.decoder.read_pieces(from..to).map_err(failed),
            Stretch::Lines { from, to, before: rows, loose, filled } => {
                let part = self.part(opened, (from..to, rows), (name, stop))?;
                let (cut, bytes, compression) = (part.cut.clone(), Box::new(part), Compression::None);
                let source = Source { bytes, compression, live: false, cut };
                let chunks = Ahead::start(source, stop, &self.meter).map_err(|e| io_error(&e, name))?;
                let mark = Mark { at: from, rows, loose, filled };
                opened.decoder.go_on(mark, Box::new(chunks)).map_err(failed)
            }
        }
    }

    /// The last rows of an input that others load, as far as they have no id.
    pub(super) fn latest_of(&self, input: &Input, feed: &mut Feed<'_>) -> Result<Option<String>> {
        let meter = Arc::new(Meter::new(&[]));
        let mut opened = open(input, &self.options(), feed.stop, &meter)?;
        if opened.void.is_some() {
            return Ok(None);
        }
        let settings = self.open.chooser.mapper(&opened.chosen, &self.mapper)?;
        let mut mapper = Mapper::new(settings, Arc::new(Origin::new(input.name.clone())))?;
        if let Some(latest) = &feed.report.latest {
            mapper.comes_after(latest, After::File);
        }
        while let Some(raw) = opened.decoder.next_batch().map_err(|e| decode_error(e, &input.name))? {
            mapper.map(&raw.columns, &raw.rows)?;
            if feed.stop.is_set() {
                break;
            }
        }
        mapper.finish()?;
        Ok(mapper.equals())
    }

    /// What counts the bytes from the beginning of an input on: of a stretch of lines they are others'.
    pub(super) fn meter_of_beginning(&self) -> Arc<Meter> {
        match self.stretch {
            Some(Stretch::Lines { .. }) => Arc::new(Meter::new(&[])),
            Some(Stretch::RowGroups { .. }) | None => self.meter.clone(),
        }
    }

    /// The bytes of a stretch of lines.
    fn part(
        &self,
        opened: &mut Opened,
        (part, before): (Range<u64>, u64),
        (name, stop): (&str, &Stop),
    ) -> Result<Part> {
        let changed =
            || Error::input(format!("{name} has changed since the job was begun: load it by itself"));
        let bytes = match opened.text.take() {
            Some(Again::File(file)) => {
                // The last row may have no line end, and before the first one there may be none.
                let last = file.metadata().is_ok_and(|metadata| metadata.len() == part.end);
                if before > 0 && !ends_a_row(&file, part.start) || !last && !ends_a_row(&file, part.end) {
                    return Err(changed());
                }
                Bytes::File(file)
            }
            // Its version is that of then.
            Some(Again::Remote(remote, _)) => Bytes::Remote(remote.within(part.clone())),
            None => return Err(changed()),
        };
        let at_opening = opened.at_opening.clone();
        if let Some(file) = &at_opening {
            file.is_scattered();
        }
        self.meter.total.store(part.end - part.start, Ordering::Relaxed);
        let (stop, meter, cut) = (stop.clone(), self.meter.clone(), Interrupted::default());
        Ok(Part { bytes, at: part.start, to: part.end, stop, cut, meter, at_opening })
    }
}
