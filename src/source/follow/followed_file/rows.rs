//! What has come to a file, as rows that are handed on.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Instant;

use memchr::memrchr;

use crate::batch::{Origin, Reason, Replayable, Stage};
use crate::decode::{MAX_ROW, RawBatch};
use crate::error::Result;
use crate::pipeline::rejects::{as_they_are, of_broken, with_fields};
use crate::pipeline::{Feed, Rest};
use crate::source::fault::{decode_error, io_error};
use crate::source::follow::followed_file::{FollowedFile, Mark, Moved, Sight, Stamp};
use crate::source::follow::lines::{Lines, check};
use crate::source::follow::ordinals::{Course, Next, Point};
use crate::source::reader::CHUNK;

impl FollowedFile {
    /// Reads a piece and hands on the lines in it.
    pub(in crate::source::follow) fn step(
        &mut self,
        mut sight: Sight<'_>,
        feed: &mut Feed<'_>,
    ) -> Result<Moved> {
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
    pub(in crate::source::follow) fn end(
        &mut self,
        sight: &mut Sight<'_>,
        feed: &mut Feed<'_>,
    ) -> Result<()> {
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
    pub(in crate::source::follow) fn bury_waiting(
        &mut self,
        course: &mut Course,
        feed: &mut Feed<'_>,
    ) -> Result<()> {
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

    pub(in crate::source::follow) fn take(
        &mut self,
        lines: Vec<u8>,
        sight: &mut Sight<'_>,
        feed: &mut Feed<'_>,
    ) -> Result<()> {
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

    pub(in crate::source::follow) fn hand_on(
        &mut self,
        mut raw: RawBatch,
        sight: &mut Sight<'_>,
        feed: &mut Feed<'_>,
    ) -> Result<()> {
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
}
