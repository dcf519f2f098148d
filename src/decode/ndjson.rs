//! JSON: an object a line, objects one after the other in any layout, or an array of objects.

mod lines;
pub(in crate::decode) mod object;
mod scan;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use lines::Skip;
use memchr::memchr;
pub use object::with_quoted_words;
use object::{INCOMPLETE, NOT_JSON, Objects};
use scan::{Scan, Scanner};

use crate::dataset::wanted::Wanted;
use crate::decode::batch_builder::BatchBuilder;
use crate::decode::format::{Beginning, Description, LineDecoder, Reading};
use crate::decode::input_buffer::{Ending, InputBuffer, More, Zeros};
use crate::decode::json::{JsonDecoder, NestedPaths, look_through};
use crate::decode::long::LongRow;
use crate::decode::resync_budget::ResyncBudget;
use crate::decode::{Chunks, DecodeError, Decoder, MAX_RAW, MAX_ROW, Passed, RawBatch};

/// As it is listed among the formats.
pub static FORMAT: Description = Description {
    name: "ndjson",
    title: "NDJSON",
    a_file: "an NDJSON file",
    extensions: &["ndjson", "jsonl", "json"],
    begins: Beginning::Text(b"{["),
    reading: Reading::Lines(|chunks, options| Ok(Box::new(JsonDecoder::open(chunks, options)?))),
    widens: true,
    look_through: Some(look_through),
};

/// A reader of JSON objects.
///
/// Blank lines and lines that start with `#` are passed over, and counted. A malformed line costs that line only.
/// A member that is met for the first time starts a new batch with one column more, so that the
/// columns of a row depend on the rows before it and not on how the input arrived. Once it is known which
/// members may be loaded, others beyond the first 1,024 become no columns: they are counted.
pub struct NdjsonDecoder {
    feed: InputBuffer,
    objects: Objects,
    pending: BatchBuilder,
    scanner: Scanner,
    patience: ResyncBudget,
    /// Whether the values are elements of an array.
    in_array: bool,
    /// Whether an opening bracket would start such an array: at the beginning, and behind one.
    array_may_start: bool,
    skip: Skip,
    /// Whether nothing has been read yet.
    fresh: bool,
    /// Where the first value ends, where that is known beforehand: its lines may look like rows of their own.
    first: Option<usize>,
    /// What a comment line begins with.
    comment: Arc<str>,
    passed: Passed,
    /// Blank lines since the last row.
    blank: u64,
    /// Whether the next byte is the first of its line.
    line_start: bool,
    /// The row that is passed by, where it is one that is too long.
    long: Option<LongRow>,
    /// What the names of files begin with that keep such rows whole; `None`: the input has them.
    keep: Option<PathBuf>,
    /// How far the line at hand has been searched for its end.
    searched: usize,
    done: bool,
}

/// What a step of the decoder came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A row, or something else that was used up.
    Some,
    /// The batch has to be handed on before the row at hand is taken in.
    Full,
    /// More bytes are needed.
    Need,
    End,
}

impl NdjsonDecoder {
    /// Waits for the first bytes.
    ///
    /// # Errors
    /// [`DecodeError::Corrupt`] where the input has not a single byte.
    pub fn open(chunks: Box<dyn Chunks>) -> Result<Self, DecodeError> {
        Ok(Self::over(opened(chunks)?))
    }

    /// A reader of what is in the buffer and follows it.
    pub(super) fn over(feed: InputBuffer) -> Self {
        Self {
            feed,
            objects: Objects::default(),
            pending: BatchBuilder::of_json(),
            scanner: Scanner::default(),
            patience: ResyncBudget::default(),
            in_array: false,
            array_may_start: true,
            skip: Skip::Nothing,
            fresh: true,
            first: None,
            comment: "#".into(),
            passed: Passed::default(),
            blank: 0,
            line_start: true,
            long: None,
            keep: None,
            searched: 0,
            done: false,
        }
    }

    /// The first value ends behind that number of bytes.
    pub(super) fn with_first(self, first: Option<usize>) -> Self {
        Self { first, ..self }
    }

    /// Takes those parts of values for columns of their own.
    pub(super) fn with_paths(self, paths: NestedPaths) -> Self {
        Self { objects: Objects::with_paths(paths), ..self }
    }

    /// Keeps the white space in values with parts.
    pub fn keeping_space(mut self) -> Self {
        self.objects.keep_space();
        self
    }

    /// Takes lines that begin with `comment` for comments, where it is given; an empty one means that there are none.
    pub fn commented(self, comment: Option<Arc<str>>) -> Self {
        Self { comment: comment.unwrap_or(self.comment), ..self }
    }

    /// For an input that cannot be read again: rows that are too long are kept in files whose
    /// names begin so.
    pub fn keeping(self, keep: Option<PathBuf>) -> Self {
        Self { keep, ..self }
    }

    fn step(&mut self) -> Step {
        if self.feed.ending() == Ending::Left {
            return Step::End;
        }
        match self.skip {
            Skip::Line => return self.skip_line(),
            Skip::Object => return self.skip_object(),
            Skip::Nothing => {}
        }
        if self.scanner.at() == 0 && self.searched == 0 && self.feed.bytes().first() == Some(&0) {
            match self.feed.pass_hole(self.fresh) {
                Zeros::Hole(zeros) => {
                    self.passed.zeros += zeros;
                    return Step::Some;
                }
                Zeros::Unclear => return Step::Need,
                Zeros::None => {}
            }
        }
        if self.scanner.at() == 0 && self.searched == 0 {
            let between = |b: &&u8| b.is_ascii_whitespace() || self.in_array && **b == b',';
            let bytes = self.feed.bytes();
            let gap = bytes.iter().take_while(between).count();
            if gap > 0 {
                let ends = bytes.iter().take(gap).filter(|b| **b == b'\n').count() as u64;
                if !self.in_array {
                    self.blank += ends.saturating_sub(u64::from(!self.line_start));
                }
                self.line_start |= ends > 0;
                self.feed.consume(gap);
                // What is behind it may be a hole.
                return Step::Some;
            }
        }
        let Some(&first) = self.feed.bytes().first() else {
            return if self.feed.ended() { Step::End } else { Step::Need };
        };
        let comment = self.comment.as_bytes();
        if comment.first() == Some(&first) && self.scanner.at() == 0 && self.searched == 0 {
            let (bytes, ended) = (self.feed.bytes(), self.feed.ended());
            let end = memchr(b'\n', bytes);
            if bytes.len() < comment.len() && comment.starts_with(bytes) && !ended {
                return Step::Need;
            }
            if bytes.starts_with(comment) {
                if end.is_none() && !ended && bytes.len() < MAX_RAW {
                    return Step::Need;
                }
                self.passed.comment(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
                self.skip = Skip::Line;
                self.line_start = true;
                return Step::Some;
            }
        }
        match first {
            b'[' if self.array_may_start && !self.in_array => {
                self.in_array = true;
                self.line_start = false;
                self.feed.consume(1);
                Step::Some
            }
            b']' if self.in_array => {
                self.in_array = false;
                self.array_may_start = true;
                self.line_start = false;
                self.feed.consume(1);
                Step::Some
            }
            b'{' if self.first.is_some() => self.first(),
            b'{' => self.object(),
            b'[' if self.in_array => self.object(),
            _ => self.stray(),
        }
    }

    /// The first value, which ends where that is known to be.
    fn first(&mut self) -> Step {
        let used = usize::try_from(self.feed.used()).unwrap_or(usize::MAX);
        let length = self.first.unwrap_or_default().saturating_sub(used);
        if self.feed.bytes().len() < length && !self.feed.ended() {
            return Step::Need;
        }
        let object = self.feed.bytes().get(..length).unwrap_or_default();
        if memchr(b'\n', object).is_some() && self.objects.read(object).is_ok() {
            // What follows on its last line has a say.
            let step = self.closed(length);
            if step == Step::Some {
                self.first = None;
            }
            return step;
        }
        self.first = None;
        Step::Some
    }

    /// An object at the start of the bytes.
    fn object(&mut self) -> Step {
        let (bytes, ended) = (self.feed.bytes(), self.feed.ended());
        // The common case, an object a line: its end need not be looked for.
        if self.scanner.at() == 0
            && !self.in_array
            && let Some(end) = memchr(b'\n', bytes)
            && end <= MAX_ROW
            && let Some(line) = bytes.get(..end)
            && self.objects.read(line).is_ok()
        {
            return self.take(end, end + 1);
        }
        // A line that begins another object ends this one, so a value of many lines can be believed.
        let reach = if self.patience.reaches_far() { MAX_ROW } else { self.patience.reach() };
        let scan = self.scanner.scan(bytes, ended, reach);
        let too_long = match scan {
            Scan::Closed(length) | Scan::Broken(length) => length > MAX_ROW,
            Scan::Open => self.scanner.at() > MAX_ROW,
        };
        match (scan, self.scanner.first_line()) {
            // It may have run over many lines that are rows of their own.
            (_, Some(line)) if too_long => self.refuse(line, NOT_JSON),
            (_, None) if too_long => self.too_long(),
            (Scan::Open, _) if !ended => Step::Need,
            (Scan::Open, Some(line)) => self.refuse(line, NOT_JSON),
            (Scan::Open, None) => self.refuse(bytes.len(), INCOMPLETE),
            (Scan::Broken(length), first_line) => {
                let line = first_line.filter(|_| length > MAX_RAW.min(self.patience.reach()));
                self.refuse(line.unwrap_or(length), NOT_JSON)
            }
            (Scan::Closed(length), _) => self.closed(length),
        }
    }

    /// Takes the object read last in as a row; it takes `length` bytes, `used` with its line end.
    fn take(&mut self, length: usize, used: usize) -> Step {
        if !self.objects.fresh().is_empty() {
            if self.pending.has_rows() {
                self.scanner = Scanner::default();
                return Step::Full;
            }
            self.pending.widen(self.objects.fresh());
            self.objects.accept();
        }
        self.objects.count(&mut self.passed);
        let object = self.feed.bytes().get(..length).unwrap_or_default();
        let (columns, strings) = self.pending.json_row();
        self.objects.append(object, columns, strings);
        self.settled(used);
        Step::Some
    }

    fn settled(&mut self, used: usize) {
        self.line_start = used > 0 && self.feed.bytes().get(used - 1) == Some(&b'\n');
        self.passed.blank += std::mem::take(&mut self.blank);
        self.feed.consume(used);
        self.patience.used(used);
        self.scanner = Scanner::default();
        self.searched = 0;
        self.array_may_start = false;
        self.fresh = false;
    }

    fn hand_on(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        let bytes = self.feed.take_used();
        self.pending.finish(bytes)
    }
}

/// The bytes of an input, once the first are there.
pub(super) fn opened(chunks: Box<dyn Chunks>) -> Result<InputBuffer, DecodeError> {
    let mut feed = InputBuffer::new(chunks);
    while feed.bytes().is_empty() {
        if feed.more() == More::End && feed.bytes().is_empty() {
            if let Some(failure) = feed.take_failure(0) {
                return Err(failure);
            }
            if feed.ending() == Ending::Whole {
                return Err(DecodeError::Corrupt("the input is empty".into()));
            }
            break;
        }
    }
    Ok(feed)
}

impl LineDecoder for NdjsonDecoder {
    fn next_now(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        while !self.done {
            if self.pending.is_full(self.feed.used()) {
                return self.hand_on();
            }
            match self.step() {
                Step::Some => {}
                Step::Full => return self.hand_on(),
                // What has come so far is all there is to look at.
                Step::Need => match self.feed.more() {
                    More::Idle if self.pending.is_empty() => return Ok(None),
                    More::Idle => return self.hand_on(),
                    More::End if self.feed.is_short() => self.done = true,
                    More::Data | More::End => {}
                },
                Step::End => self.done = true,
            }
        }
        self.next_batch()
    }

    fn take_used(&mut self) -> u64 {
        self.feed.take_used()
    }

    fn is_headed(&self) -> bool {
        false
    }
}

impl Decoder for NdjsonDecoder {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        // Whether there was nothing more a moment ago: to ask again would be to wait.
        let mut idle = false;
        while !self.done {
            if self.pending.is_full(self.feed.used()) {
                return self.hand_on();
            }
            match self.step() {
                Step::Some => {}
                Step::Full => return self.hand_on(),
                Step::Need if idle && !self.pending.is_empty() => return self.hand_on(),
                Step::Need => {
                    let more = self.feed.more();
                    if more == More::End && self.feed.is_short() {
                        self.done = true;
                        continue;
                    }
                    idle = more == More::Idle;
                    if idle && !self.pending.is_empty() {
                        return self.hand_on();
                    }
                }
                Step::End => self.done = true,
            }
        }
        if !self.pending.is_empty() {
            return self.hand_on();
        }
        if let Some(failure) = self.feed.take_failure(self.pending.last_row()) {
            return Err(failure);
        }
        if self.feed.ending() == Ending::Whole && std::mem::take(&mut self.in_array) {
            let rows = self.pending.last_row();
            let text = format!("the JSON array is not closed, the input ends early; {rows} rows were read");
            return Err(DecodeError::Corrupt(text));
        }
        if self.feed.ending() == Ending::Whole && self.pending.last_row() == 0 && self.passed.zeros > 0 {
            return Err(DecodeError::Corrupt("the input is nothing but zero bytes".into()));
        }
        Ok(None)
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.pending.names().to_vec()
    }

    fn want(&mut self, wanted: Wanted) {
        let keep = self.objects.want(wanted, self.pending.is_empty());
        if let Some(keep) = keep {
            self.pending.narrow(&keep);
        }
    }

    fn passed(&self) -> Passed {
        self.passed.clone()
    }
}
