//! From the inputs to the engine: decode, map, submit, one input after the other.
//!
//! Runs on a thread of its own, since decoding is work for a processor; it waits for the engine
//! wherever the engine makes it wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::SchemaRef;
use tokio::runtime::Handle;
use tracing::field::Empty;
use tracing::trace_span;

use crate::batch::{Batch, LoadedFile, Origin, Reading, Reason, Reject, RejectedData, Replayable, Stage};
use crate::coordinator::{SubmitError, WriteCoordinator};
use crate::dataset::quality::Findings;
use crate::dataset::seam::After;
use crate::dataset::{Mapper, MapperSettings, json_row};
use crate::decode::format::Reading as FormatReading;
use crate::decode::{Broken, DecodeError, Decoder, Passed, RawBatch, text_columns};
use crate::error::{Error, Result};
use crate::model::values::Values;
use crate::port::runs::base_of;
use crate::port::{DeadLetters, Event, Observer, Sink};
use crate::source::changed::Since;
use crate::source::completion::SettledInputs;
use crate::source::identity::absolute;
use crate::source::keys::Keys;
use crate::source::scope::Verbatim;
use crate::source::{Compression, Input, Meter, OpenOptions, Opened, Stop, decode_error, open};
use crate::text::number_format::count;

/// Rows that have to be refused for their width, with none that fits, before a header is taken to
/// be wrong.
const WRONG_HEADER_ROWS: usize = 100;

/// Where rows go. The engine, or nothing at all under `--dry-run`.
pub trait BatchSink: Send {
    /// Takes rows; `false` when no more are taken.
    fn rows(&mut self, batch: Batch) -> Result<bool>;
    /// Takes rows that failed; `false` when no more are taken.
    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool>;
    /// Waits until all rows taken so far are settled; `false` when they will not be.
    fn settle(&mut self) -> bool {
        true
    }
}

/// The engine as an [`BatchSink`].
pub struct EngineOutlet<'a, S, D> {
    /// The engine.
    pub engine: &'a WriteCoordinator<S, D>,
    /// The runtime that it lives on.
    pub runtime: Handle,
    /// Set when the reading is to end.
    pub stop: Stop,
    /// How long a dead-letter queue that takes nothing is waited for; `None`: for ever.
    pub patience: Option<Duration>,
    /// Hears of rows that are given back.
    pub observer: Arc<dyn Observer>,
}

impl<S: Sink, D: DeadLetters> BatchSink for EngineOutlet<'_, S, D> {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        match self.runtime.block_on(self.engine.submit(batch)) {
            Ok(()) => Ok(true),
            Err(SubmitError::Stopped) => Ok(false),
            Err(SubmitError::Full(batch)) => {
                let rejects = rejected(&batch);
                self.rejects(rejects)?;
                Err(Error::Unavailable(
                    "the queue is full, and --overflow error says to stop; raise --capacity or use --overflow block"
                        .into(),
                ))
            }
        }
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        if rejects.is_empty() {
            return Ok(true);
        }
        let (start, mut wait) = (Instant::now(), Duration::from_millis(100));
        loop {
            // The rows wait here until the queue takes them, unless the run is ending.
            let error = match self.runtime.block_on(self.engine.reject(rejects.clone())) {
                Ok(()) => return Ok(true),
                Err(error) => error,
            };
            let given_up = self.patience.is_some_and(|most| start.elapsed() >= most);
            let lost = rejects.iter().filter(|r| !r.origin.replayable.is_now()).count() as u64;
            let no_longer = given_up || self.engine.stopped() || self.engine.is_without_letters();
            if lost > 0 && no_longer {
                // Nobody has them any more. The good rows beside them and behind them are stored all the
                // same, as far as they are taken from the pipe already.
                self.engine.lose(lost, &error);
                return Ok(false);
            }
            // The input still has them: what is good around them is stored, if it may be written again.
            if lost == 0 && no_longer && self.engine.leave(&rejects, &error) {
                return Ok(true);
            }
            // Rows that would be lost are held on to until somebody says so twice.
            if lost == 0 && (no_longer || self.stop.is_set()) {
                // The input still has them.
                self.observer.on(&Event::Returned { rows: rejects.len() as u64 });
                return Err(Error::Unavailable(error.0));
            }
            self.engine.dead_letters_blocked(&error);
            self.runtime.block_on(tokio::time::sleep(wait));
            wait = (wait * 2).min(Duration::from_secs(1));
        }
    }

    fn settle(&mut self) -> bool {
        while self.engine.health().queue_size > 0 && !self.engine.stopped() {
            self.engine.try_refused_again();
            self.runtime.block_on(tokio::time::sleep(Duration::from_millis(5)));
        }
        !self.engine.has_let_go()()
    }
}

/// Rows for which there was no room.
pub(super) fn rejected(batch: &Batch) -> Vec<Reject> {
    let reason = Arc::new(Reason::new("queue_full", "the queue was full"));
    (0..batch.len())
        .map(|row| Reject {
            stage: Stage::Overflow,
            reason: reason.clone(),
            origin: batch.origin.clone(),
            row: batch.rows[row],
            remains: RejectedData::Item(json_row::to_json(&batch.columns, row)),
            reading: Some(batch.reading()),
            attempts: 1,
        })
        .collect()
}

/// An input that was opened to see its columns.
pub struct Peeked {
    /// Its place among the inputs.
    pub index: usize,
    /// The open input.
    pub opened: Opened,
    /// Its first rows, if it has any.
    pub first: VecDeque<RawBatch>,
}

/// Rows of JSON that are looked at for their columns before the input is taken to be of no dataset: the
/// first may lack a member, which starts another batch.
const LOOK_ROWS: usize = 100;

/// Opens an input and reads its first rows.
pub fn peek(
    index: usize,
    input: &Input,
    options: &OpenOptions,
    stop: &Stop,
    meter: &Arc<Meter>,
) -> Result<Peeked> {
    let mut opened = open(input, options, stop, meter)?;
    let first = opened.decoder.next_batch().map_err(|e| decode_error(e, &input.name))?;
    Ok(Peeked { index, opened, first: first.into_iter().collect() })
}

impl Peeked {
    /// Why its columns are of no dataset, where it has no rows at all.
    pub fn no_rows(&self, input: &Input) -> Option<Error> {
        let sentence = self.opened.decoder.document()?;
        Some(decode_error(DecodeError::Corrupt(sentence.to_owned()), &input.name))
    }

    /// Looks at more of its rows, which may have columns that those so far lack; `false` where there are none
    /// that could.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn look_on(&mut self, input: &Input) -> Result<bool> {
        let seen: usize = self.first.iter().map(|batch| batch.rows.len() + batch.broken.len()).sum();
        if !self.opened.format.widens || seen >= LOOK_ROWS {
            return Ok(false);
        }
        let next = self.opened.decoder.next_batch().map_err(|e| decode_error(e, &input.name))?;
        let more = next.is_some();
        self.first.extend(next);
        Ok(more)
    }

    /// The columns of the input, as far as they are known.
    pub fn schema(&self) -> Option<SchemaRef> {
        if let Some(last) = self.first.iter().rev().find(|batch| batch.columns.num_columns() > 0) {
            return Some(last.columns.schema());
        }
        let names = self.opened.decoder.names();
        (!names.is_empty()).then(|| Arc::new(text_columns(names)))
    }

    /// Sends all rows that have been taken from the input to the dead-letter queue, as they came.
    /// The reading must have been stopped.
    pub fn bury(mut self, input: &Input, reading: &Arc<Reading>, outlet: &mut dyn BatchSink) -> Result<()> {
        let origin =
            Arc::new(Origin { replayable: from(input, &self.opened), ..Origin::new(input.name.clone()) });
        let first = std::mem::take(&mut self.first);
        let mut bury = |rejects| outlet.rejects(rejects).map(|_| ());
        bury_rest(first, &mut self.opened, &origin, input, reading, &mut bury)
    }
}

/// Sends all rows that are left in an input whose reading was stopped to the dead-letter queue,
/// under the names that the input gives them.
fn bury_rest(
    mut first: VecDeque<RawBatch>,
    opened: &mut Opened,
    origin: &Arc<Origin>,
    input: &Input,
    reading: &Arc<Reading>,
    bury: &mut dyn FnMut(Vec<Reject>) -> Result<()>,
) -> Result<()> {
    let lines = lines_of(opened, reading);
    loop {
        let raw = match first.pop_front() {
            Some(raw) => raw,
            None => match opened.decoder.next_batch() {
                Ok(Some(raw)) => raw,
                Ok(None) => return Ok(()),
                Err(error) => return Err(decode_error(error, &input.name)),
            },
        };
        let mut rejects = unmapped(&raw.columns, &raw.rows, origin, reading);
        rejects.extend(raw.broken.into_iter().map(|b| of_broken(b, origin, &lines)));
        bury(rejects)?;
    }
}

/// Rows that were not mapped any more.
fn unmapped(
    columns: &RecordBatch,
    rows: &[u64],
    origin: &Arc<Origin>,
    reading: &Arc<Reading>,
) -> Vec<Reject> {
    let reason = Reason::new("aborted", "the run ended before the row could be mapped");
    as_they_are(columns, rows, origin, Stage::Abort, reason, reading)
}

/// Rows as dead letters under the names that the input gives them.
pub(super) fn as_they_are(
    columns: &RecordBatch,
    rows: &[u64],
    origin: &Arc<Origin>,
    stage: Stage,
    reason: Reason,
    reading: &Arc<Reading>,
) -> Vec<Reject> {
    let reason = Arc::new(reason);
    let typed = json_row::typed(columns);
    let reading = match &typed {
        Some(_) => &Arc::new(Reading { typed: true, ..Reading::clone(reading) }),
        None => reading,
    };
    let reject = |(row, number): (usize, &u64)| Reject {
        stage,
        reason: reason.clone(),
        origin: origin.clone(),
        row: *number,
        remains: RejectedData::Item(match &typed {
            Some(typed) => json_row::to_json(typed, row),
            None => json_row::of_source(columns, row),
        }),
        reading: Some(reading.clone()),
        attempts: 1,
    };
    rows.iter().enumerate().map(reject).collect()
}

/// Told of an input that cannot be read, by its place.
pub type OnError = Box<dyn Fn(usize, &Error) -> Result<()> + Send>;

/// What the pipeline works by.
pub struct Pipeline {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
    /// How they are opened.
    pub open: OpenOptions,
    /// How their rows are mapped.
    pub mapper: Arc<MapperSettings>,
    /// Ends the reading early.
    pub stop: Stop,
    /// Counts bytes.
    pub meter: Arc<Meter>,
    /// Hears of the rows read.
    pub observer: Arc<dyn Observer>,
    /// Told which input is being read, by its place.
    pub on_input: Box<dyn Fn(usize) + Send>,
    /// Asked after every batch, with the rows read so far: whether to stop, since too many rows
    /// were rejected.
    pub enough: Box<dyn Fn(u64) -> bool + Send>,
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
}

/// What was found on the way.
#[derive(Debug, Default)]
pub struct Report {
    /// What was left out, one sentence each, with the number of inputs it is about.
    pub notes: BTreeMap<String, usize>,
    /// What was deduced of the inputs themselves, likewise.
    pub forms: BTreeMap<String, usize>,
    /// Implausible rows that were passed on all the same.
    pub findings: Findings,
    /// Lines that were passed over, in all inputs.
    pub passed: Passed,
    /// The keys of the rows that were passed on.
    pub keys: Keys,
    /// Inputs read to their end.
    pub finished: usize,
    /// Inputs that are files with nothing in them, beside others.
    pub void: usize,
    /// Rows read, good and bad.
    pub rows: u64,
    /// Errors of inputs, each naming its input, and whether the user was told already.
    pub errors: Vec<(Error, bool)>,
    /// The places of inputs that turned out to be damaged, or to have been changed, behind rows that were
    /// passed on: nothing proves those.
    pub unproven: Vec<usize>,
    /// Whether `enough` ended it.
    pub too_many_rejects: bool,
    /// Earliest and latest time, in nanoseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// The last rows of the input before that was read to its end, as far as they have no id.
    latest: Option<String>,
    /// The symbols and vendors seen.
    words: Verbatim,
}

impl Report {
    /// Number of symbols, if there are symbols and not too many to count.
    pub fn symbols(&self) -> Option<u64> {
        self.words.symbols()
    }

    /// Takes note of the times, symbols and vendors of rows.
    pub fn look(&mut self, columns: &RecordBatch, time: Option<&str>, meter: &Meter) {
        let times = time.and_then(|name| columns.column_by_name(name));
        let mut note = |value: i64| {
            let (first, last) = self.span.unwrap_or((value, value));
            self.span = Some((first.min(value), last.max(value)));
        };
        match times.and_then(|times| Values::of(times)) {
            // A plain loop over the values where there are no nulls among them.
            Some(Values::Instant(times)) if times.null_count() == 0 => {
                times.values().iter().for_each(|value| note(*value));
            }
            Some(Values::Instant(times)) => times.iter().flatten().for_each(note),
            Some(Values::Far(times)) => {
                times.iter().flatten().for_each(|micros| note(micros.saturating_mul(1_000)));
            }
            _ => {}
        }
        self.words.look(columns);
        meter.scope.learn(&mut self.words, self.span);
    }
}

enum Next {
    Input,
    Stop,
}

impl Pipeline {
    /// Reads all inputs. An input that cannot be read, or not to its end, is reported and the
    /// next one read; an error of the first that is a matter of flags ends the run.
    pub fn run(&self, mut peeked: Option<Peeked>, outlet: &mut dyn BatchSink) -> Result<Report> {
        let mut report = Report::default();
        for index in 0..self.inputs.len() {
            if self.stop.is_set() {
                break;
            }
            (self.on_input)(index);
            let ready = peeked.take_if(|p| p.index == index);
            let read = match self.unreadable.get(&index) {
                Some(error) => Err(error.clone()),
                None if index < self.skip => {
                    self.meter.leave_out(&self.inputs[index]);
                    Ok(Next::Input)
                }
                None => self.reading(index, ready, outlet, &mut report),
            };
            match read {
                Ok(Next::Input) => report.finished += 1,
                Ok(Next::Stop) => break,
                Err(Error::Internal(message)) => return Err(Error::Internal(message)),
                Err(error) => {
                    let about_flags = matches!(error, Error::Usage(_)) && index == 0;
                    let over = about_flags || matches!(error, Error::Unavailable(_)) || self.stop.is_set();
                    let told = !over && index + 1 < self.inputs.len();
                    // What comes after must not be settled before it is known that this is not all
                    // there is of the input.
                    let settled = told && outlet.settle();
                    let noted = match settled {
                        true => (self.on_error)(index, &error),
                        false => Ok(()),
                    };
                    if index >= self.skip {
                        self.settled.failed(settled && noted.is_ok());
                    }
                    report.errors.push((error, told));
                    if let Err(error) = noted {
                        report.errors.insert(0, (error, false));
                        break;
                    }
                    if over {
                        break;
                    }
                }
            }
        }
        if report.void > 1 && report.void == self.inputs.len() {
            let files = report.void;
            report
                .errors
                .push((Error::Input(format!("there is nothing in any of the {files} files")), false));
        }
        Ok(report)
    }

    /// Sends what is left of a pipe to the dead-letter queue; returns how many rows that was.
    fn bury_rest(
        &self,
        first: VecDeque<RawBatch>,
        opened: &mut Opened,
        origin: &Arc<Origin>,
        input: &Input,
        reading: &Arc<Reading>,
        outlet: &mut dyn BatchSink,
    ) -> Result<u64> {
        let mut rows = 0;
        bury_rest(first, opened, origin, input, reading, &mut |rejects| {
            rows += rejects.len() as u64;
            self.observer.on(&Event::Read { rows: rejects.len() as u64 });
            outlet.rejects(rejects).map(|_| ())
        })?;
        Ok(rows)
    }

    /// An input, in a span of its own.
    fn reading(
        &self,
        index: usize,
        peeked: Option<Peeked>,
        outlet: &mut dyn BatchSink,
        report: &mut Report,
    ) -> Result<Next> {
        let source = &*self.inputs[index].name;
        let span = trace_span!("read", source, rows = Empty, bytes = Empty, outcome = Empty);
        let before = (report.rows, self.meter.consumed.load(Ordering::Relaxed));
        let done = span.in_scope(|| self.input(index, peeked, outlet, report));
        span.record("rows", report.rows.saturating_sub(before.0) as i64);
        let bytes = self.meter.consumed.load(Ordering::Relaxed).saturating_sub(before.1);
        span.record("bytes", bytes as i64);
        span.record("outcome", if done.is_ok() { "done" } else { "failed" });
        done
    }

    fn input(
        &self,
        index: usize,
        peeked: Option<Peeked>,
        outlet: &mut dyn BatchSink,
        report: &mut Report,
    ) -> Result<Next> {
        let input = &self.inputs[index];
        let (mut opened, mut first) = match peeked {
            Some(peeked) => (peeked.opened, peeked.first),
            None => (open(input, &self.open, &self.stop, &self.meter)?, VecDeque::new()),
        };
        let (source, replayable) = (input.name.clone(), opened.replayable);
        let from = from(input, &opened);
        let origin = Arc::new(Origin { source, replayable: from, base: base_of(index), past: None });
        if let Some(error) = opened.void {
            // Alone it is a mistake; among others it is a day without trades, or a mark of some writer.
            if self.inputs.len() == 1 {
                return Err(error);
            }
            *report.notes.entry(error.to_string()).or_default() += 1;
            report.void += 1;
            self.settled.read(&origin);
            return Ok(Next::Input);
        }
        let mut mapper = Mapper::new(self.mapper.clone(), origin.clone())?;
        if let Some(latest) = &report.latest {
            mapper.comes_after(latest, After::File);
        }
        if !self.mapper.target.is_keyed() {
            // Rows that were stored before the damage was met would be there twice when the file is mended.
            opened.decoder.prove().map_err(|error| decode_error(error, &input.name))?;
        }
        if let Some(what) = opened.decoder.objection() {
            let error = Error::Usage(format!("{}: {what}", input.name));
            if !replayable {
                self.stop.set();
                report.rows +=
                    self.bury_rest(first, &mut opened, &origin, input, &mapper.reading(), outlet)?;
            }
            return Err(error);
        }
        let time = self.mapper.dataset.time.clone();
        let (mut rows, mut misfits, mut next) = (0u64, 0u64, Next::Input);
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
                                report.unproven.push(index);
                            }
                            break Err(decode_error(error, &input.name));
                        }
                    }
                }
            };
            let read = (raw.rows.len() + raw.broken.len()) as u64;
            misfits += raw.broken.iter().filter(|b| b.code == "bad_width").count() as u64;
            if raw.rows.is_empty() && misfits == rows + read && withheld.len() < WRONG_HEADER_ROWS {
                // Perhaps it is the header that is wrong: judged when a row fits, or none has.
                withheld.extend(raw.broken);
                rows += read;
                if withheld.len() < WRONG_HEADER_ROWS {
                    continue;
                }
                break Ok(());
            }
            if !withheld.is_empty() {
                self.observer.on(&Event::Read { rows: withheld.len() as u64 });
                let lines = lines_of(&opened, &mapper.reading());
                outlet.rejects(withheld.drain(..).map(|b| of_broken(b, &origin, &lines)).collect())?;
            }
            if mapper.rekeys() {
                outlet.settle();
            }
            let span = trace_span!("map", rows = raw.rows.len() as i64);
            let mapped = match span.in_scope(|| mapper.map(&raw.columns, &raw.rows)) {
                Ok(mapped) => mapped,
                Err(error) => {
                    let error = or_document(error, &*opened.decoder);
                    if !opened.replayable {
                        // What a pipe gave is not given twice; what follows is buried below.
                        self.observer.on(&Event::Read { rows: read });
                        rows += read;
                        outlet.rejects(unmapped(&raw.columns, &raw.rows, &origin, &mapper.reading()))?;
                        let lines = lines_of(&opened, &mapper.reading());
                        outlet.rejects(
                            raw.broken.into_iter().map(|b| of_broken(b, &origin, &lines)).collect(),
                        )?;
                    }
                    break Err(error);
                }
            };
            rows += read;
            self.observer.on(&Event::Read { rows: read });
            let mut rejects = mapped.rejects;
            if !raw.broken.is_empty() {
                let lines = lines_of(&opened, &mapper.reading());
                rejects.extend(raw.broken.into_iter().map(|broken| of_broken(broken, &origin, &lines)));
            }
            let (mut more, unburied) = match outlet.rejects(rejects) {
                Ok(more) => (more, None),
                Err(error) => (false, Some(error)),
            };
            if let Some(error) = unburied {
                // The good rows beside them go no further than the bad ones: the file still has them.
                for batch in mapped.batches {
                    self.observer.on(&Event::Returned { rows: batch.len() as u64 });
                }
                break Err(error);
            }
            let mut batches = mapped.batches.into_iter();
            let mut refused = None;
            for batch in batches.by_ref() {
                report.look(&batch.columns, time.as_deref(), &self.meter);
                if let Some(key) = mapper.key_of(&batch.columns) {
                    report.keys.look(&batch, &key);
                }
                match outlet.rows(batch) {
                    Ok(taken) => more &= taken,
                    Err(error) => {
                        refused = Some(error);
                        break;
                    }
                }
            }
            if let Some(error) = refused {
                // The rows behind it fare as it did; once the dead letters do not take them either, their
                // input still has them, and those that wait for their turn below.
                let mut buried = true;
                for batch in batches {
                    match buried {
                        true => buried = outlet.rejects(rejected(&batch)).is_ok(),
                        false => self.observer.on(&Event::Returned { rows: batch.len() as u64 }),
                    }
                }
                break Err(error);
            }
            if (self.enough)(report.rows + rows) {
                report.too_many_rejects = true;
                self.stop.set();
            }
            if !more {
                self.stop.set();
            }
            // A source that cannot be read again is read out to what was taken from it: the engine
            // has a place for those rows even when it has stopped.
            if self.stop.is_set() && opened.replayable {
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
                self.observer.on(&Event::Returned { rows: count });
                rows -= count;
            } else {
                for (columns, numbers) in held {
                    outlet.rejects(unmapped(&columns, &numbers, &origin, &mapper.reading()))?;
                }
            }
        }
        if !opened.replayable && result.is_err() {
            // Whatever ended it: what was taken from a pipe is not left behind.
            self.stop.set();
            rows += self.bury_rest(
                std::mem::take(&mut first),
                &mut opened,
                &origin,
                input,
                &mapper.reading(),
                outlet,
            )?;
        }
        if let (Some(broken), Ok(())) = (withheld.first(), &result) {
            result = Err(wrong_header(input, broken, rows));
            if opened.replayable {
                rows = 0;
            } else {
                self.stop.set();
                self.observer.on(&Event::Read { rows });
                let lines = lines_of(&opened, &mapper.reading());
                outlet.rejects(withheld.drain(..).map(|b| of_broken(b, &origin, &lines)).collect())?;
                rows += self.bury_rest(
                    std::mem::take(&mut first),
                    &mut opened,
                    &origin,
                    input,
                    &mapper.reading(),
                    outlet,
                )?;
            }
        }
        if !self.stop.is_set()
            && let Some(file) = &opened.at_opening
        {
            match (file.since(), &mut result) {
                (Since::Grown { bytes }, Ok(())) => {
                    let whole = matches!(opened.format.reading, FormatReading::File(_));
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
                    *report.notes.entry(note).or_default() += 1;
                }
                (Since::Unclear, Ok(())) => {
                    let note = format!(
                        "{} was touched or written to while it was read: its size, its beginning and its end are as they were; what else was in it before is not known",
                        input.name
                    );
                    *report.notes.entry(note).or_default() += 1;
                }
                (Since::Other(what), found @ (Ok(()) | Err(Error::Input(_)))) => {
                    if rows > 0 {
                        report.unproven.push(index);
                    }
                    let what = format!("{} {what}", input.name);
                    *found = Err(match found {
                        Err(error) => error.clone().and(&format!("; {what}")),
                        Ok(()) => Error::Input(what),
                    });
                }
                (Since::Same | Since::Unclear | Since::Grown { .. } | Since::Other(_), _) => {}
            }
        }
        report.rows += rows;
        if let (Ok(()), Some(equals)) = (&result, mapper.equals()) {
            // What could not be read to its end is passed over by a run that goes on with this one.
            report.latest = Some(equals);
        }
        report.passed.add(&opened.decoder.passed());
        let padding = opened.padding.bytes();
        if padding > 0 {
            let note =
                format!("{}: {padding} zero bytes behind the gzip stream were passed over", input.name);
            *report.notes.entry(note).or_default() += 1;
        }
        if self.open.format.is_none() {
            *report.forms.entry(form(&opened)).or_default() += 1;
        }
        for note in mapper.notes() {
            *report.notes.entry(note).or_default() += 1;
        }
        for (what, count) in mapper.findings() {
            *report.findings.entry(what.clone()).or_default() += count;
        }
        if rows == 0 && result.is_ok() && matches!(next, Next::Input) && !self.stop.is_set() {
            *report.notes.entry(format!("{} holds no rows", input.name)).or_default() += 1;
        }
        if let (Ok(()), Next::Input) = (&result, &next) {
            // A reading that was cut short has not come to the end.
            if self.stop.is_set() {
                next = Next::Stop;
            } else {
                self.settled.read(&origin);
            }
        }
        result.map(|()| next)
    }
}

/// The error about the columns of an input, with what it may be instead of rows.
fn or_document(error: Error, decoder: &dyn Decoder) -> Error {
    match (error, decoder.document()) {
        (Error::Usage(message), Some(sentence)) => {
            Error::Usage(format!("{message}; perhaps it is {sentence}"))
        }
        (error, _) => error,
    }
}

/// Where rows of an input can be had again.
fn from(input: &Input, opened: &Opened) -> Replayable {
    match &input.path {
        _ if !opened.replayable => Replayable::Never,
        Some(path) => Replayable::At(Arc::new(LoadedFile::at(path.clone(), absolute(path)))),
        None => Replayable::Kept,
    }
}

/// What an input was taken for.
fn form(opened: &Opened) -> String {
    let format = opened.format.name;
    let compressed = match opened.compression {
        Compression::None => String::new(),
        compression => format!(", compressed with {}", compression.as_str()),
    };
    let delimiter = match opened.decoder.fields() {
        Some((b'\t', _)) => ", delimited by tabs".to_owned(),
        Some((delimiter, _)) => format!(", delimited by {}", char::from(delimiter)),
        None => String::new(),
    };
    format!("format is {format}{delimiter}{compressed}")
}

fn wrong_header(input: &Input, broken: &Broken, rows: u64) -> Error {
    let what = &broken.message;
    Error::Input(format!(
        "{}: none of the {rows} rows read fits the header ({what}); if the file has no header add --no-header, if lines come before it add --skip-lines N",
        input.name
    ))
}

/// How the lines of an input are to be read that could not be: by its fields, and what is said of those.
fn lines_of(opened: &Opened, reading: &Arc<Reading>) -> Arc<Reading> {
    with_fields(opened.decoder.fields(), reading)
}

/// `reading` with how a line is cut into fields: the delimiter and the names. Without fields it is a line of
/// JSON.
pub(super) fn with_fields(fields: Option<(u8, Vec<Arc<str>>)>, reading: &Arc<Reading>) -> Arc<Reading> {
    match fields {
        Some((delimiter, header)) => Arc::new(Reading {
            delimiter: Some(char::from(delimiter).to_string()),
            header: Some(header.iter().map(|name| name.to_string()).collect()),
            ..Reading::clone(reading)
        }),
        // A line of JSON.
        None => Arc::new(Reading { typed: true, ..Reading::clone(reading) }),
    }
}

pub(super) fn of_broken(broken: Broken, origin: &Arc<Origin>, reading: &Arc<Reading>) -> Reject {
    Reject {
        stage: Stage::Decode,
        reason: Arc::new(Reason::new(broken.code, broken.message)),
        origin: origin.clone(),
        row: broken.row,
        remains: if broken.cut { RejectedData::Cut(broken.raw) } else { RejectedData::Raw(broken.raw) },
        reading: Some(reading.clone()),
        attempts: 1,
    }
}
