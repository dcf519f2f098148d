//! JSON: an object a line, objects one after the other in any layout, or an array of objects.

mod document;
mod object;
mod scan;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use memchr::memchr;

use crate::dataset::wanted::Wanted;
use crate::decode::batch_builder::BatchBuilder;
use crate::decode::format::{Beginning, Description, LineDecoder, Reading};
use crate::decode::input_buffer::{Ending, InputBuffer, More, Zeros};
use crate::decode::long::LongRow;
use crate::decode::resync_budget::ResyncBudget;
use crate::decode::{Chunks, DecodeError, Decoder, MAX_RAW, MAX_ROW, Passed, RawBatch};
use document::{REACH, Shape};
pub use object::with_quoted_words;
use object::{INCOMPLETE, NOT_JSON, Objects, Refusal, refuse};
use scan::{Scan, Scanner};

/// As it is listed among the formats.
pub static FORMAT: Description = Description {
    name: "ndjson",
    title: "NDJSON",
    a_file: "an NDJSON file",
    extensions: &["ndjson", "jsonl", "json"],
    begins: Beginning::Text(b"{["),
    reading: Reading::Lines(|chunks, options| {
        let decoder = NdjsonDecoder::open(chunks)?;
        Ok(Box::new(decoder.commented(options.comment).keeping(options.keep)))
    }),
    widens: true,
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
    /// Whether the first value has been looked at as a whole.
    judged: bool,
    /// What the input is if its first value is not a row.
    document: Option<String>,
    /// Why the input is not read, until that has been said.
    refused: Option<String>,
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

/// What is passed by without being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skip {
    Nothing,
    Line,
    /// The rest of the object that the scanner is in.
    Object,
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
        Ok(Self {
            feed,
            objects: Objects::default(),
            pending: BatchBuilder::of_json(),
            scanner: Scanner::default(),
            patience: ResyncBudget::default(),
            in_array: false,
            array_may_start: true,
            skip: Skip::Nothing,
            judged: false,
            document: None,
            refused: None,
            comment: "#".into(),
            passed: Passed::default(),
            blank: 0,
            line_start: true,
            long: None,
            keep: None,
            searched: 0,
            done: false,
        })
    }

    /// The same where comment lines begin with that, where it is given; with nothing, there are none.
    pub fn commented(self, comment: Option<Arc<str>>) -> Self {
        Self { comment: comment.unwrap_or(self.comment), ..self }
    }

    /// The same, of an input that cannot be read again: rows that are too long are kept in files whose
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
            match self.feed.pass_hole(!self.judged) {
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
            _ if !self.judged => self.judge(first),
            b'{' => self.object(),
            b'[' if self.in_array => self.object(),
            _ => self.stray(),
        }
    }

    fn skip_line(&mut self) -> Step {
        let bytes = self.feed.bytes();
        let end = memchr(b'\n', bytes);
        let count = end.map_or(bytes.len(), |i| i + 1);
        if let Some(long) = &mut self.long {
            long.take(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
        }
        self.feed.consume(count);
        match end {
            Some(_) => self.skip = Skip::Nothing,
            None if self.feed.ended() => {
                self.passed_by();
                return Step::End;
            }
            None => return Step::Need,
        }
        self.passed_by();
        Step::Some
    }

    /// A row that was too long is behind.
    fn passed_by(&mut self) {
        if let Some(long) = self.long.take() {
            self.pending.long(long);
        }
    }

    fn skip_object(&mut self) -> Step {
        let ended = self.feed.ended();
        match self.scanner.scan(self.feed.bytes(), ended, 0) {
            Scan::Closed(count) | Scan::Broken(count) => {
                if let Some(long) = &mut self.long {
                    long.take(self.feed.bytes().get(..count).unwrap_or_default());
                }
                self.feed.consume(count);
                self.scanner = Scanner::default();
                self.skip = Skip::Nothing;
                self.passed_by();
                Step::Some
            }
            Scan::Open => {
                if let Some(long) = &mut self.long {
                    long.take(self.feed.bytes().get(..self.scanner.at()).unwrap_or_default());
                }
                self.feed.consume(self.scanner.at());
                self.scanner.rebase();
                if !ended {
                    return Step::Need;
                }
                self.passed_by();
                Step::End
            }
        }
    }

    /// Whether the first value is an object that has begun and is waited for. An element of an array is
    /// judged by its first byte.
    fn may_be_judged(&self) -> bool {
        let began = self.skip == Skip::Nothing && self.feed.bytes().first() == Some(&b'{');
        !self.judged && !self.in_array && began
    }

    /// Looks at the first value, which starts with that byte, as a whole: perhaps it is no row.
    fn judge(&mut self, first: u8) -> Step {
        let (bytes, ended) = (self.feed.bytes(), self.feed.ended());
        self.judged = true;
        if self.in_array {
            if let Some(sentence) = document::of_element(first) {
                self.refused = Some(sentence.to_owned());
            }
            return Step::Some;
        }
        if first != b'{' {
            return Step::Some;
        }
        let Some(end) = document::end(bytes) else {
            self.judged = ended || bytes.len() > REACH;
            return if self.judged { Step::Some } else { Step::Need };
        };
        let (object, rest) = bytes.split_at(end);
        let alone = rest.iter().all(u8::is_ascii_whitespace);
        let several_lines = memchr(b'\n', object).is_some();
        if !several_lines && (!alone || !object.contains(&b'[') && !object.contains(&b'{')) {
            return Step::Some;
        }
        let Ok(text) = std::str::from_utf8(object) else { return Step::Some };
        match document::of_object(text) {
            Shape::Row => {}
            // Rows of their own may follow.
            Shape::Perhaps(_) | Shape::Document(_) if alone && !ended => {
                self.judged = false;
                return Step::Need;
            }
            Shape::Document(sentence) if alone => {
                self.refused = Some(sentence);
                return Step::Some;
            }
            Shape::Perhaps(sentence) if alone => self.document = Some(sentence),
            Shape::Perhaps(_) | Shape::Document(_) => {}
        }
        if several_lines && self.objects.read(object).is_ok() {
            // Its lines may look like rows of their own. What follows on its last line has a say.
            let step = self.closed(end);
            self.judged = step != Step::Need;
            return step;
        }
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

    /// An object that takes `length` bytes, as far as its brackets tell.
    fn closed(&mut self, length: usize) -> Step {
        let (bytes, ended) = (self.feed.bytes(), self.feed.ended());
        let mut line = length;
        if !self.in_array {
            let behind = bytes.get(length..).unwrap_or_default();
            match behind.iter().find(|b| !matches!(b, b' ' | b'\t' | b'\r')) {
                Some(b'\n' | b'{') => {}
                None if ended => {}
                // A line end may lie far behind; without one the object stands.
                None if bytes.len() > MAX_ROW => {}
                None => return self.again(),
                Some(_) => match memchr(b'\n', behind) {
                    Some(i) => return self.refuse(length + i + 1, NOT_JSON),
                    None if ended => return self.refuse(bytes.len(), NOT_JSON),
                    None if bytes.len() > MAX_ROW => return self.too_long(),
                    None => return self.again(),
                },
            }
            line += memchr(b'\n', behind).map_or(behind.len(), |i| i + 1);
        }
        let bytes = self.feed.bytes();
        match self.objects.read(bytes.get(..length).unwrap_or_default()) {
            Ok(()) => self.take(length, length),
            Err(_) if bytes.first() == Some(&b'[') => {
                let refusal = refuse(bytes.get(..length).unwrap_or_default(), false);
                self.refuse(length, refusal)
            }
            Err(refusal) => match self.scanner.first_line() {
                // Too much to keep as one row's remains.
                Some(first_line) if length > MAX_RAW => self.refuse(first_line, refusal),
                Some(_) => self.refuse(length, refusal),
                None if refusal == NOT_JSON && !self.in_array => {
                    // What follows on the line is of no use without this; a line end that has not
                    // come yet is waited for, as the line is what is set aside.
                    let whole = bytes.get(line - 1) == Some(&b'\n') || ended || line > MAX_ROW;
                    if whole { self.refuse(line, refusal) } else { self.again() }
                }
                None => self.refuse(length, refusal),
            },
        }
    }

    /// The object at hand is looked at again from its start when there are more bytes.
    fn again(&mut self) -> Step {
        self.scanner = Scanner::default();
        Step::Need
    }

    /// Something that is neither an object nor the start or end of an array.
    fn stray(&mut self) -> Step {
        let (bytes, ended) = (self.feed.bytes(), self.feed.ended());
        let end = if self.in_array {
            element_end(bytes)
        } else {
            let rest = bytes.get(self.searched..).unwrap_or_default();
            memchr(b'\n', rest).map(|i| self.searched + i + 1)
        };
        let length = end.unwrap_or(bytes.len());
        if length > MAX_ROW {
            return self.too_long();
        }
        if end.is_none() && !ended {
            self.searched = length;
            return Step::Need;
        }
        let refusal = refuse(bytes.get(..length).unwrap_or_default(), end.is_none());
        self.refuse(length, refusal)
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

    /// Sets the next `length` bytes aside.
    fn refuse(&mut self, length: usize, (code, message): Refusal) -> Step {
        let raw = self.feed.bytes().get(..length).unwrap_or_default();
        self.pending.broken(raw, code, message);
        if self.scanner.first_line().is_some_and(|line| line == length) {
            self.patience.wasted(self.scanner.at().min(MAX_ROW));
        }
        self.settled(length);
        Step::Some
    }

    fn too_long(&mut self) -> Step {
        self.long = Some(LongRow::begin(self.pending.last_row() + 1, self.keep.as_deref()));
        self.searched = 0;
        self.array_may_start = false;
        if self.in_array && self.scanner.at() > 0 {
            // The array may be one line: only its brackets tell where the next element is.
            self.skip = Skip::Object;
            self.scanner = Scanner::default();
        } else {
            self.skip = Skip::Line;
            self.scanner = Scanner::default();
        }
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
    }

    fn hand_on(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        let bytes = self.feed.take_used();
        self.pending.finish(bytes)
    }
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
                    More::Idle if self.may_be_judged() => self.judged = true,
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

/// Where an element of an array ends that has no brackets: before a comma, a bracket, a line end.
fn element_end(bytes: &[u8]) -> Option<usize> {
    let (mut in_string, mut escaped) = (false, false);
    bytes.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b']' => return !in_string,
            _ => {}
        }
        *byte == b'\n'
    })
}

impl Decoder for NdjsonDecoder {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        // Whether there was nothing more a moment ago: to ask again would be to wait.
        let mut idle = false;
        while !self.done {
            if let Some(sentence) = self.refused.take() {
                return Err(DecodeError::Corrupt(sentence));
            }
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
                    self.judged |= idle && self.may_be_judged();
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

    fn document(&self) -> Option<&str> {
        self.document.as_deref()
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
