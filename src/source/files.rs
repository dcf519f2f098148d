//! From the inputs to the engine: decode, map, submit, one input after the other.
//!
//! Runs on a thread of its own, since decoding is work for a processor; it waits for the engine
//! wherever the engine makes it wait.

mod refused;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::field::Empty;
use tracing::trace_span;

use crate::batch::{Origin, Reading};
use crate::dataset::seam::After;
use crate::dataset::{ALL, Mapper, MapperSettings};
use crate::decode::format::Reading as FormatReading;
use crate::decode::{Broken, RawBatch};
use crate::error::{Error, Result};
use crate::pipeline::rejects::{of_broken, unmapped};
use crate::pipeline::source::{Source, Step};
use crate::pipeline::{Feed, Rest};
use crate::port::jobs::Stretch;
use crate::port::runs::base_of;
use crate::source::changed::Since;
use crate::source::completion::SettledInputs;
use crate::source::decode_ahead::DecodeAhead;
use crate::source::fault::called;
use crate::source::peeked::{self, Peeked, from, lines_of};
use crate::source::seen::{detected, form};
use crate::source::{Input, Meter, OpenOptions, Opened, decode_error, open};
use crate::text::number_format::count;
use refused::{or_else, wrong_header};

/// Rows that have to be refused for their width, with none that fits, before a header is taken to
/// be wrong.
const WRONG_HEADER_ROWS: usize = 100;

/// Between the name of an input and its encoding.
const READ_AS: &str = " is read as ";

/// Told of an input that cannot be read, by its place.
pub type OnError = Box<dyn Fn(usize, &Error) -> Result<()> + Send>;

/// The inputs of a load, and what they are read by.
pub struct Files {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
    /// How they are opened.
    pub open: OpenOptions,
    /// How their rows are mapped.
    pub mapper: Arc<MapperSettings>,
    /// Counts bytes.
    pub meter: Arc<Meter>,
    /// Told which input is being read, by its place.
    pub on_input: Box<dyn Fn(usize) + Send>,
    /// Inputs that an earlier run has settled as far as they can be read: by place, with the error.
    /// They are not read again.
    pub unreadable: BTreeMap<usize, Error>,
    /// How many inputs from the first one on are settled whole, and are not read again.
    pub skip: usize,
    /// Told what has become of each input.
    pub settled: SettledInputs,
    /// Told of an input that cannot be read, by its place, at once: the others are still to come,
    /// and all rows before that place are settled. An error of its own ends the run.
    pub on_error: OnError,
    /// The input that was opened before, if one was.
    pub peeked: Option<Peeked>,
    /// The place of the next input to read.
    pub at: usize,
    /// Inputs before them that others read: the last rows of those have a say in the ids of the first ones here.
    pub before: Vec<Input>,
    /// Which rows of the one input are meant, where not all.
    pub stretch: Option<Stretch>,
    /// Whether they are some of the inputs of a job, and which: none, all, or those from the first one on.
    pub among: Among,
}

/// Of which list the inputs are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Among {
    /// Whether there are others.
    pub others: bool,
    /// Whether there are some before them.
    pub later: bool,
}

enum Next {
    Input,
    Stop,
}

impl Files {
    /// Reads an input, and notes what has become of it.
    fn next(&mut self, index: usize, feed: &mut Feed<'_>) -> Result<Step> {
        (self.on_input)(index);
        let ready = self.peeked.take_if(|p| p.index == index);
        let read = match self.unreadable.get(&index) {
            Some(error) => Err(error.clone()),
            None if index < self.skip => {
                self.meter.leave_out(&self.inputs[index]);
                Ok(Next::Input)
            }
            None => self.reading(index, ready, feed),
        };
        let error = match read {
            Ok(Next::Input) => {
                feed.report.finished += 1;
                return Ok(Step::More);
            }
            Ok(Next::Stop) => return Ok(Step::Done),
            Err(Error::Internal(message)) => return Err(Error::internal(message)),
            Err(error) => error,
        };
        let about_flags = matches!(error, Error::Usage(_)) && index == 0 && !self.among.later;
        let over = about_flags || matches!(error, Error::Unavailable(_)) || feed.stop.is_set();
        let told = !over && index + 1 < self.inputs.len();
        // What comes after must not be settled before it is known that this is not all there is of the input.
        let settled = told && feed.sink.settle();
        let noted = match settled {
            true => (self.on_error)(index, &error),
            false => Ok(()),
        };
        if index >= self.skip {
            self.settled.failed(settled && noted.is_ok());
        }
        feed.report.errors.push((error, told));
        if let Err(error) = noted {
            feed.report.errors.insert(0, (error, false));
            return Ok(Step::Done);
        }
        Ok(if over { Step::Done } else { Step::More })
    }

    /// How inputs are opened, with what is known of a table that is of no dataset.
    pub(super) fn options(&self) -> OpenOptions {
        let mut options = self.open.clone();
        options.csv.json.known = self.mapper.own_names();
        options
    }

    /// Sends what is left of a pipe to the dead-letter queue; returns how many rows that was.
    fn bury_rest(
        &self,
        first: &mut VecDeque<RawBatch>,
        opened: &mut Opened,
        origin: &Arc<Origin>,
        input: &Input,
        reading: &Arc<Reading>,
        feed: &mut Feed<'_>,
    ) -> Result<u64> {
        let mut rows = 0;
        peeked::bury_rest(std::mem::take(first), opened, origin, input, reading, &mut |rejects| {
            rows += rejects.len() as u64;
            feed.read(rejects.len() as u64);
            feed.sink.rejects(rejects).map(|_| ())
        })?;
        Ok(rows)
    }

    /// An input, in a span of its own.
    fn reading(&self, index: usize, peeked: Option<Peeked>, feed: &mut Feed<'_>) -> Result<Next> {
        let source = &*self.inputs[index].name;
        let span = trace_span!("read", source, rows = Empty, bytes = Empty, outcome = Empty);
        let before = (feed.report.rows, self.meter.consumed.load(Ordering::Relaxed));
        let done = span.in_scope(|| self.input(index, peeked, feed));
        span.record("rows", feed.report.rows.saturating_sub(before.0) as i64);
        let bytes = self.meter.consumed.load(Ordering::Relaxed).saturating_sub(before.1);
        span.record("bytes", bytes as i64);
        span.record("outcome", if done.is_ok() { "done" } else { "failed" });
        done
    }

    fn input(&self, index: usize, peeked: Option<Peeked>, feed: &mut Feed<'_>) -> Result<Next> {
        let input = &self.inputs[index];
        let (mut opened, mut first) = match peeked {
            Some(peeked) => (peeked.opened, peeked.first),
            None => (open(input, &self.options(), feed.stop, &self.meter_of_beginning())?, VecDeque::new()),
        };
        if let Some(next) = self.inputs.get(index + 1) {
            next.fetch_ahead();
        }
        let (replayable, base) = (opened.replayable, base_of(index));
        let origin = Arc::new(Origin {
            replayable: from(input, &opened),
            base,
            shares: opened.decoder.shares(),
            ..Origin::new(input.name.clone())
        });
        if let Some(error) = opened.void {
            // Alone it is a mistake; among others it is a day without trades, or a mark of some writer.
            if self.inputs.len() == 1 && !self.among.others {
                return Err(error);
            }
            *feed.report.notes.entry(error.to_string()).or_default() += 1;
            feed.report.void += 1;
            self.settled.read(&origin);
            return Ok(Next::Input);
        }
        if let (Some(dataset), own) = (&opened.chosen.dataset, &self.mapper.dataset.name)
            && *dataset != **own
            && ALL.iter().any(|known| known.name == *own)
        {
            let error = Error::usage(format!(
                "{}: by its layout it is of {dataset}, and this load is of {own}; load it by itself",
                input.name
            ));
            if !replayable {
                feed.stop.set();
                feed.report.rows +=
                    self.bury_rest(&mut first, &mut opened, &origin, input, &Arc::default(), feed)?;
            }
            return Err(error);
        }
        let settings = self.open.chooser.mapper(&opened.chosen, &self.mapper)?;
        let mut mapper = Mapper::new(settings, origin.clone())?;
        if let Some(latest) = &feed.report.latest {
            mapper.comes_after(latest, After::File);
        }
        self.leave_columns_out(&mut opened, &mapper, feed)
            .map_err(|error| decode_error(error, &input.name))?;
        if let Some(stretch) = self.stretch {
            first.clear();
            self.begin_at(stretch, &mut opened, &mut mapper, (&input.name, feed.stop))?;
        } else if !self.mapper.target.is_keyed() {
            // Rows that were stored before the damage was met would be there twice when the file is mended.
            opened.decoder.prove().map_err(|error| decode_error(error, &input.name))?;
        }
        if let Some(what) = opened.decoder.objection() {
            let error = Error::usage(format!("{}: {what}", input.name));
            if !replayable {
                feed.stop.set();
                feed.report.rows +=
                    self.bury_rest(&mut first, &mut opened, &origin, input, &mapper.reading(), feed)?;
            }
            return Err(opened.chosen.perhaps_else(error));
        }
        opened.decoder = Box::new(DecodeAhead::new(opened.decoder));
        let (mut rows, mut misfits, mut next) = (0u64, 0u64, Next::Input);
        // Rows before it have shown that the header is one.
        let is_judged = self.stretch.is_some_and(|stretch| stretch.before() > 0);
        let mut withheld: Vec<Broken> = Vec::new();
        let mut result = loop {
            if let Some(wanted) = mapper.wanted() {
                opened.decoder.want(wanted);
            }
            let raw = match first.pop_front() {
                Some(raw) => raw,
                None => {
                    let span = trace_span!("decode", rows = Empty);
                    match span.in_scope(|| opened.decoder.next_batch()) {
                        Ok(Some(raw)) => {
                            span.record("rows", (raw.rows.len() + raw.broken.len()) as i64);
                            raw
                        }
                        Ok(None) => break Ok(()),
                        Err(error) => {
                            if !replayable && rows > 0 && opened.compression.doubts(&error) {
                                feed.report.unproven.push(index);
                            }
                            break Err(decode_error(error, &input.name));
                        }
                    }
                }
            };
            let read = (raw.rows.len() + raw.broken.len()) as u64;
            misfits += raw.broken.iter().filter(|b| b.code == "bad_width").count() as u64;
            let may_be_header = !is_judged && raw.rows.is_empty() && misfits == rows + read;
            if may_be_header && withheld.len() < WRONG_HEADER_ROWS {
                // Perhaps it is the header that is wrong: judged when a row fits, or none has.
                withheld.extend(raw.broken);
                rows += read;
                if withheld.len() < WRONG_HEADER_ROWS {
                    continue;
                }
                break Ok(());
            }
            if !withheld.is_empty() {
                feed.read(withheld.len() as u64);
                let lines = lines_of(&opened, &mapper.reading());
                feed.sink.rejects(withheld.drain(..).map(|b| of_broken(b, &origin, &lines)).collect())?;
            }
            if mapper.rekeys() {
                feed.sink.settle();
            }
            if let Some(glimpse) = &mut feed.report.glimpse {
                glimpse.came(&input.name, &raw.columns, &raw.rows);
            }
            let span = trace_span!("map", rows = raw.rows.len() as i64);
            let mut mapped = match span.in_scope(|| mapper.map(&raw.columns, &raw.rows)) {
                Ok(mapped) => mapped,
                Err(error) => {
                    let error = or_else(error, &opened);
                    if !opened.replayable {
                        // What a pipe gave is not given twice; what follows is buried below.
                        feed.read(read);
                        rows += read;
                        feed.sink.rejects(unmapped(&raw.columns, &raw.rows, &origin, &mapper.reading()))?;
                        let lines = lines_of(&opened, &mapper.reading());
                        feed.sink.rejects(
                            raw.broken.into_iter().map(|b| of_broken(b, &origin, &lines)).collect(),
                        )?;
                    }
                    break Err(error);
                }
            };
            if mapped.lacks {
                (opened.decoder, first) = self.with_all_columns(input, raw.rows.first(), feed)?;
                continue;
            }
            if let Some(glimpse) = feed.report.glimpse.as_mut().filter(|glimpse| glimpse.waits(&input.name)) {
                glimpse.became(&mapped, &mapper.feeds());
            }
            rows += read;
            feed.read(read);
            if !raw.broken.is_empty() {
                let lines = lines_of(&opened, &mapper.reading());
                mapped.rejects.extend(raw.broken.into_iter().map(|b| of_broken(b, &origin, &lines)));
            }
            if let Err(error) = feed.hand_on([mapped], Some(&mapper), Rest::Bury) {
                break Err(error);
            }
            feed.judge(feed.report.rows + rows);
            // A source that cannot be read again is read out to what was taken from it: the engine
            // has a place for those rows even when it has stopped.
            if feed.stop.is_set() && opened.replayable {
                next = Next::Stop;
                break Ok(());
            }
        };
        if let (Ok(()), Next::Input) = (&result, &next) {
            result = mapper.finish();
        }
        let held = mapper.take_waiting();
        if !held.is_empty() {
            let count: u64 = held.iter().map(|(_, rows)| rows.len() as u64).sum();
            if opened.replayable {
                feed.returned(count);
                rows -= count;
            } else {
                for (columns, numbers) in held {
                    feed.sink.rejects(unmapped(&columns, &numbers, &origin, &mapper.reading()))?;
                }
            }
        }
        if !opened.replayable && result.is_err() {
            // Whatever ended it: what was taken from a pipe is not left behind.
            feed.stop.set();
            rows += self.bury_rest(&mut first, &mut opened, &origin, input, &mapper.reading(), feed)?;
        }
        if let (Some(broken), Ok(())) = (withheld.first(), &result) {
            result = Err(wrong_header(input, broken, rows));
            if opened.replayable {
                rows = 0;
            } else {
                feed.stop.set();
                feed.read(rows);
                let lines = lines_of(&opened, &mapper.reading());
                feed.sink.rejects(withheld.drain(..).map(|b| of_broken(b, &origin, &lines)).collect())?;
                rows += self.bury_rest(&mut first, &mut opened, &origin, input, &mapper.reading(), feed)?;
            }
        }
        if !feed.stop.is_set()
            && let Some(file) = &opened.at_opening
        {
            match (file.since(), &mut result) {
                (Since::Grown { bytes }, Ok(())) => {
                    let whole =
                        matches!(opened.format.reading, FormatReading::File(_)) || self.stretch.is_some();
                    let read = if whole { file.bytes() } else { file.read() };
                    let note = match read < bytes {
                        true => format!(
                            "{} grew while it was read: {} of the {} bytes that are in it now were read",
                            input.name,
                            count(read),
                            count(bytes)
                        ),
                        false => format!(
                            "{} grew while it was read: all of the {} bytes that were in it at its end were read",
                            input.name,
                            count(bytes)
                        ),
                    };
                    *feed.report.notes.entry(note).or_default() += 1;
                }
                (Since::Unclear, Ok(())) => {
                    let note = format!(
                        "{} was touched or written to while it was read: its size, its beginning and its end are as they were; what else was in it before is not known",
                        input.name
                    );
                    *feed.report.notes.entry(note).or_default() += 1;
                }
                (Since::Other(what), found @ (Ok(()) | Err(Error::Input(_)))) => {
                    if rows > 0 {
                        feed.report.unproven.push(index);
                    }
                    let what = format!("{} {what}", input.name);
                    *found = Err(match found {
                        Err(error) => error.clone().and(&format!("; {what}")),
                        Ok(()) => Error::input(what),
                    });
                }
                (Since::Same | Since::Unclear | Since::Grown { .. } | Since::Other(_), _) => {}
            }
        }
        feed.report.rows += rows;
        if let (Ok(()), Some(equals)) = (&result, mapper.equals()) {
            // What could not be read to its end is passed over by a run that goes on with this one.
            feed.report.latest = Some(equals);
        }
        feed.report.passed.add(&opened.decoder.passed());
        let padding = opened.padding.bytes();
        if padding > 0 {
            let note =
                format!("{}: {padding} zero bytes behind the gzip stream were passed over", input.name);
            *feed.report.notes.entry(note).or_default() += 1;
        }
        if let Some(glimpse) = feed.report.glimpse.as_mut().filter(|glimpse| *glimpse.input == *input.name) {
            glimpse.detected = detected(&opened, &self.open);
            if glimpse.columns.is_empty() {
                glimpse.look_at_the_rest();
            }
        }
        if let Some(layout) = &opened.chosen.told {
            *feed.report.notes.entry(layout.clone()).or_default() += 1;
        }
        if let Some((encoding, text)) = &opened.encoding {
            let encoding = encoding.title();
            *feed.report.forms.entry(format!("encoding is {encoding}")).or_default() += 1;
            // Of many inputs one shows it.
            if !feed.report.notes.keys().any(|note| note.contains(READ_AS)) {
                let note = format!("{}{READ_AS}{encoding}: \"{text}\"", called(&input.name));
                *feed.report.notes.entry(note).or_default() += 1;
            }
        }
        if self.open.format.is_none() {
            *feed.report.forms.entry(format!("format is {}", form(&opened))).or_default() += 1;
        }
        if let Some(told) = opened.decoder.told() {
            *feed.report.notes.entry(told.to_owned()).or_default() += 1;
        }
        for note in mapper.notes() {
            *feed.report.notes.entry(note).or_default() += 1;
        }
        for (what, count) in mapper.findings() {
            *feed.report.findings.entry(what.clone()).or_default() += count;
        }
        if rows == 0 && result.is_ok() && matches!(next, Next::Input) && !feed.stop.is_set() {
            *feed.report.notes.entry(format!("{} holds no rows", input.name)).or_default() += 1;
        }
        if let (Ok(()), Next::Input) = (&result, &next) {
            // A reading that was cut short has not come to the end.
            if feed.stop.is_set() {
                next = Next::Stop;
            } else {
                self.settled.read(&origin);
            }
        }
        result.map(|()| next)
    }
}

/// An input that cannot be read, or not to its end, is reported and the next one read; an error of the first that
/// is a matter of flags ends the run.
impl Source for Files {
    fn begin(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        for input in std::mem::take(&mut self.before) {
            // What is wrong with it is for whoever loads it to say.
            if let Ok(latest) = self.latest_of(&input, feed) {
                feed.report.latest = latest.or(feed.report.latest.take());
            }
        }
        Ok(())
    }

    fn step(&mut self, feed: &mut Feed<'_>) -> Result<Step> {
        let index = self.at;
        if index >= self.inputs.len() {
            return Ok(Step::Done);
        }
        self.at += 1;
        self.next(index, feed)
    }

    fn finish(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        let files = feed.report.void;
        if files > 1 && files == self.inputs.len() && !self.among.others {
            let error = Error::input(format!("there is nothing in any of the {files} files"));
            feed.report.errors.push((error, false));
        }
        Ok(())
    }
}
