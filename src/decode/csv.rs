//! CSV: text columns from delimited lines, RFC 4180 with the leniency that vendors' files need.

#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod bodies;
mod header;
mod marks;
mod record;
mod rows;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
pub use bodies::{Cutter, Piece};
pub(super) use header::distinct;
use memchr::memchr;
use record::{Found, MAX_COLUMNS, Span, Splitter};
use rows::{Rows, WidthRule, field, repeated};

use crate::decode::batch_builder::BatchBuilder;
use crate::decode::format::{Beginning, Description, LineDecoder, Reading};
use crate::decode::input_buffer::{Ending, InputBuffer, More, Zeros};
use crate::decode::json::JsonOptions;
use crate::decode::long::LongRow;
use crate::decode::{Chunks, DecodeError, Decoder, MAX_RAW, Mark, Passed, RawBatch};

/// As it is listed among the formats.
pub static FORMAT: Description = Description {
    name: "csv",
    title: "CSV",
    a_file: "a CSV file",
    extensions: &["csv", "tsv", "txt"],
    begins: Beginning::Text(&[]),
    reading: Reading::Lines(|chunks, options| Ok(Box::new(CsvDecoder::open(chunks, options)?))),
    widens: false,
    look_through: None,
};

/// How a CSV input is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// The delimiter, one ASCII character; `None`: the comma, semicolon, tab or vertical bar that
    /// the first line shows, or the colon where it shows none of them.
    pub delimiter: Option<u8>,
    /// Whether the first line holds the names of the columns. Without it the columns are named
    /// `1`, `2`, …
    pub header: bool,
    /// The names of the columns where no line holds them; they are `1`, `2`, … where there are none either.
    pub columns: Option<Arc<[String]>>,
    /// Lines that the names stand in: what is in them of a column is joined by blanks, of the first column what stands
    /// last.
    pub header_lines: u64,
    /// Lines to pass by before the header.
    pub skip_lines: u64,
    /// What comment lines begin with, wherever they stand; empty: there are none. `None`: before the
    /// header `#`, behind it there are none.
    pub comment: Option<Arc<str>>,
    /// Whether the bytes that come first end with a header that was read before: it is not judged anew.
    pub known_header: bool,
    /// Whether the header is one, whatever it looks like: it was told by its names, or has values for names.
    pub sure_header: bool,
    /// Of an input that cannot be read again: what the names of files begin with that keep rows which are
    /// longer than 64 MiB.
    pub keep: Option<PathBuf>,
    /// For JSON.
    pub json: JsonOptions,
}

/// Reads a delimiter: a single character; `\t` and `tab` for a tab.
///
/// # Errors
/// Where it is none.
pub fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "\\t" | "tab" | "\t" => Ok(b'\t'),
        _ => match text.as_bytes() {
            [byte]
                if byte.is_ascii_graphic()
                    && !matches!(byte, b'"' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') =>
            {
                Ok(*byte)
            }
            _ => Err("expected one character such as , ; | or \\t".to_owned()),
        },
    }
}

/// Reads what comment lines begin with.
///
/// # Errors
/// Where none can.
pub fn comment(text: &str) -> Result<String, String> {
    match text.len() <= 16 && !text.contains(['\n', '\r']) {
        true => Ok(text.to_owned()),
        false => Err("expected what comment lines begin with, such as # or //".to_owned()),
    }
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: None,
            header: true,
            columns: None,
            header_lines: 1,
            skip_lines: 0,
            comment: None,
            known_header: false,
            sure_header: false,
            keep: None,
            json: JsonOptions::default(),
        }
    }
}

/// A reader of CSV.
///
/// Takes LF and CRLF, drops a byte order mark, reads UTF-16 that has one. Blank lines are not rows, and
/// neither is a line that is the header once more, as where files were joined. Lines that start with `#`
/// are comments before the header only. A row that ends in an empty field for which there is no column
/// fits. A malformed row costs itself alone: a stray quote costs its line, and reading goes on with the
/// next one.
pub struct CsvDecoder {
    feed: InputBuffer,
    splitter: Splitter,
    /// Number of columns, once it is known.
    width: Option<usize>,
    header: bool,
    /// The header as it stands there, without its line end; empty where there is none.
    header_line: Vec<u8>,
    /// The line before it that names the delimiter; empty where there is none.
    separator: Vec<u8>,
    comment: Vec<u8>,
    /// What becomes of rows of another width.
    width_rule: WidthRule,
    passed: Passed,
    /// Blank lines since the last row.
    blank: u64,
    objection: Option<String>,
    pending: BatchBuilder,
    /// A field whose doubled quotes have been made single ones.
    unquoted: Vec<u8>,
    /// Whether rows are counted, and not read.
    counts: bool,
    /// Where the first row begins, and what was passed over before it.
    first: (u64, Passed),
    /// Whether the rest of a line is being passed by.
    skipping: bool,
    /// Where that is of a row that is too long: the row.
    long: Option<LongRow>,
    /// What the names of files begin with that keep such rows whole; `None`: the input has them.
    keep: Option<PathBuf>,
    done: bool,
}

/// What a step of the decoder came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Row,
    Idle,
    End,
}

impl CsvDecoder {
    /// Reads up to the header, or to the first row where there is none, and waits for that.
    ///
    /// # Errors
    /// [`DecodeError::Corrupt`] where the input has no header, [`DecodeError::Usage`] where the
    /// delimiter asked for is not the header's.
    pub fn open(chunks: Box<dyn Chunks>, options: CsvOptions) -> Result<Self, DecodeError> {
        let mut feed = InputBuffer::new(chunks);
        let mut passed = Passed::default();
        let begin = header::seek(&mut feed, &options, &mut passed)?;
        let first = feed.bytes().get(..begin.line.unwrap_or(0)).unwrap_or_default();
        let asked = options.delimiter.or(begin.separator.as_deref().and_then(header::separator_of));
        let delimiter = header::delimiter(first, asked, options.header && begin.line.is_some())?;
        let mut decoder = Self {
            feed,
            splitter: Splitter::new(delimiter),
            width: None,
            header: options.header,
            header_line: Vec::new(),
            separator: begin.separator.unwrap_or_default(),
            comment: options.comment.as_deref().unwrap_or_default().into(),
            width_rule: WidthRule::default(),
            passed,
            blank: 0,
            objection: None,
            pending: BatchBuilder::new(Vec::new()),
            unquoted: Vec::new(),
            counts: false,
            first: Default::default(),
            skipping: false,
            long: None,
            keep: options.keep.clone(),
            done: false,
        };
        if options.header {
            let judged = (!options.known_header && !options.sure_header && options.header_lines <= 1)
                .then_some((begin.before, (delimiter, asked)));
            // A stop before the header leaves nothing to decode.
            decoder.done = begin.line.is_none() || !decoder.read_header(judged, options.header_lines)?;
            if options.known_header {
                decoder.passed = Passed::default();
            }
        }
        decoder.first = (decoder.feed.position().unwrap_or(0), decoder.passed.clone());
        if let (false, None, Some(columns)) = (decoder.header, &decoder.objection, &options.columns) {
            decoder.pending = BatchBuilder::new(header::distinct(columns.iter().cloned()));
            decoder.width = Some(columns.len());
        }
        if !decoder.header {
            while decoder.width.is_none() && decoder.step()? != Step::End {}
        }
        Ok(decoder)
    }

    /// Reads the header, unless what follows it shows that it is none; `false` where the reading was
    /// stopped before its end.
    fn read_header(
        &mut self,
        judged: Option<(u64, (u8, Option<u8>))>,
        lines: u64,
    ) -> Result<bool, DecodeError> {
        let mut above: Vec<Vec<String>> = Vec::new();
        loop {
            let (bytes, ended) = (self.feed.bytes(), self.feed.ended());
            let corrupt = |text: String| Err(DecodeError::Corrupt(text));
            match self.splitter.next(bytes, ended, None) {
                Found::Record(length) => {
                    let count = self.splitter.fields();
                    if count > MAX_COLUMNS {
                        return corrupt(format!(
                            "its header has {count} columns, at most {MAX_COLUMNS} can be read"
                        ));
                    }
                    let (line, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
                    let Ok(text) = std::str::from_utf8(line) else {
                        return corrupt("its header is not valid UTF-8".into());
                    };
                    let name = |span: &Span| {
                        let raw = field(text, *span);
                        let name = if span.doubled { raw.replace("\"\"", "\"") } else { raw.to_owned() };
                        name.trim().to_owned()
                    };
                    let names: Vec<String> = self.splitter.spans().iter().map(name).collect();
                    if let Some((before, delimiter)) = judged {
                        let names: Vec<&str> = names.iter().map(String::as_str).collect();
                        let lines = before + text.trim_end().lines().count() as u64;
                        self.objection = header::objection(&names, rest, ended, delimiter, lines);
                        if self.objection.is_some() {
                            self.header = false;
                            return Ok(true);
                        }
                    }
                    if (above.len() as u64) + 1 < lines {
                        above.push(names);
                        self.feed.consume(length);
                        continue;
                    }
                    let names = header::joined(&above, names);
                    self.width_rule.shorter = count > 1 && names.last().is_some_and(String::is_empty);
                    self.splitter.loose = self.width_rule.shorter;
                    self.splitter.shorter = self.width_rule.shorter;
                    self.pending = BatchBuilder::new(header::distinct(names.into_iter()));
                    self.width = Some(count);
                    self.header_line = header::trimmed(line).to_vec();
                    self.feed.consume(length);
                    return Ok(true);
                }
                Found::Bad(_, reason) => return corrupt(format!("its header is not CSV: {reason}")),
                Found::TooLong => return corrupt("its header is longer than 64 MiB".into()),
                Found::Blank(length) => self.feed.consume(length),
                Found::End => return Ok(false),
                Found::Need => {
                    if self.feed.more() == More::End {
                        if let Some(failure) = self.feed.take_failure(0) {
                            return Err(failure);
                        }
                        if self.feed.ending() != Ending::Whole {
                            return Ok(false);
                        }
                    }
                }
            }
        }
    }

    /// Decodes one row, or finds that there is none.
    fn step(&mut self) -> Result<Step, DecodeError> {
        loop {
            if self.feed.ending() == Ending::Left {
                return Ok(Step::End);
            }
            if self.skipping {
                match memchr(b'\n', self.feed.bytes()) {
                    Some(i) => {
                        self.pass(i, i + 1);
                        self.skipping = false;
                    }
                    None => {
                        let all = self.feed.bytes().len();
                        self.pass(all, all);
                        match self.feed.more() {
                            More::Data => {}
                            More::Idle => return Ok(Step::Idle),
                            More::End if self.feed.is_short() => return Ok(Step::End),
                            More::End => self.skipping = false,
                        }
                    }
                }
                // One that is read again is not told of yet.
                if !self.skipping
                    && self.feed.ending() != Ending::Left
                    && let Some(long) = self.long.take()
                {
                    self.pending.long(long);
                    self.passed.blank += std::mem::take(&mut self.blank);
                    return Ok(Step::Row);
                }
                continue;
            }
            if self.splitter.is_between() && self.feed.bytes().first() == Some(&0) {
                match self.feed.pass_hole(false) {
                    Zeros::Hole(zeros) => {
                        self.passed.zeros += zeros;
                        continue;
                    }
                    Zeros::Unclear => match self.feed.more() {
                        More::Idle => return Ok(Step::Idle),
                        More::End if self.feed.is_short() => return Ok(Step::End),
                        More::Data | More::End => continue,
                    },
                    Zeros::None => {}
                }
            }
            if !self.comment.is_empty() && self.splitter.is_between() {
                let bytes = self.feed.bytes();
                let end = memchr(b'\n', bytes);
                let begun = bytes.starts_with(&self.comment);
                // What is told of it has its end, or is the beginning of a long one.
                if begun && (end.is_some() || self.feed.ended() || bytes.len() >= MAX_RAW) {
                    self.passed.comment(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
                    self.skipping = true;
                    continue;
                }
                if begun || self.comment.starts_with(bytes) && !self.feed.ended() {
                    match self.feed.more() {
                        More::Idle => return Ok(Step::Idle),
                        More::End if self.feed.is_short() => return Ok(Step::End),
                        More::Data | More::End => continue,
                    }
                }
            }
            let (bytes, ended) = (self.feed.bytes(), self.feed.ended());
            let used = match self.splitter.next(bytes, ended, self.width) {
                Found::Need => match self.feed.more() {
                    More::Idle => return Ok(Step::Idle),
                    More::End if self.feed.is_short() => return Ok(Step::End),
                    More::Data | More::End => continue,
                },
                Found::End => return Ok(Step::End),
                Found::Blank(length) => {
                    self.blank += 1;
                    self.feed.consume(length);
                    continue;
                }
                Found::TooLong => {
                    self.skipping = true;
                    self.long = Some(LongRow::begin(self.pending.last_row() + 1, self.keep.as_deref()));
                    continue;
                }
                Found::Bad(length, reason) => {
                    let line = bytes.get(..length).unwrap_or_default();
                    self.pending.broken(line, "bad_line", reason);
                    length
                }
                Found::Record(length) => {
                    let record = bytes.get(..length).unwrap_or_default();
                    let torn = self.feed.ending() == Ending::Torn && length == bytes.len();
                    if torn && record.last() != Some(&b'\n') {
                        self.pending.broken(record, "bad_line", "the last line is incomplete");
                    } else if header::trimmed(record).last() == Some(&0) {
                        self.pending.broken(record, "bad_line", "the line breaks off in zero bytes");
                    } else if let Some(count) = repeated(
                        record,
                        (&self.header_line, &self.separator),
                        self.splitter.delimiter(),
                        &mut self.passed,
                    ) {
                        *count += 1;
                        self.feed.consume(length);
                        continue;
                    } else {
                        let rows = Rows {
                            splitter: &mut self.splitter,
                            width: &mut self.width,
                            rule: &mut self.width_rule,
                            passed: &mut self.passed,
                            header: self.header,
                            counts: self.counts,
                            pending: &mut self.pending,
                            unquoted: &mut self.unquoted,
                        };
                        rows.take(record)?;
                    }
                    length
                }
            };
            self.feed.consume(used);
            self.passed.blank += std::mem::take(&mut self.blank);
            return Ok(Step::Row);
        }
    }

    /// Passes `used` bytes by, of which `taken` are of a row.
    fn pass(&mut self, taken: usize, used: usize) {
        if let Some(long) = &mut self.long {
            long.take(self.feed.bytes().get(..taken).unwrap_or_default());
        }
        self.feed.consume(used);
    }

    fn hand_on(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        let bytes = self.feed.take_used();
        self.pending.finish(bytes)
    }
}

impl LineDecoder for CsvDecoder {
    fn next_now(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        while !self.done {
            if self.pending.is_full(self.feed.used()) {
                return self.hand_on();
            }
            match self.step()? {
                Step::Row => {}
                Step::Idle if self.pending.is_empty() => return Ok(None),
                Step::Idle => return self.hand_on(),
                Step::End => self.done = true,
            }
        }
        self.next_batch()
    }

    fn take_used(&mut self) -> u64 {
        self.feed.take_used()
    }

    fn is_headed(&self) -> bool {
        true
    }
}

impl Decoder for CsvDecoder {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        while !self.done {
            if self.pending.is_full(self.feed.used()) {
                return self.hand_on();
            }
            match self.step()? {
                Step::Row => {}
                Step::Idle if self.pending.is_empty() => {}
                Step::Idle => return self.hand_on(),
                Step::End => self.done = true,
            }
        }
        if !self.pending.is_empty() {
            return self.hand_on();
        }
        match self.feed.take_failure(self.pending.last_row()) {
            Some(failure) => Err(failure),
            None => Ok(None),
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.pending.names().to_vec()
    }

    fn fields(&self) -> Option<(u8, Vec<Arc<str>>)> {
        Some((self.splitter.delimiter(), self.names()))
    }

    fn objection(&self) -> Option<&str> {
        self.objection.as_deref()
    }

    fn marks(&mut self, each: u64) -> Result<Vec<Mark>, DecodeError> {
        self.find_marks(each)
    }

    fn go_on(&mut self, from: Mark, chunks: Box<dyn Chunks>) -> Result<(), DecodeError> {
        self.begin_at(from, chunks);
        Ok(())
    }

    fn passed(&self) -> Passed {
        self.passed.clone()
    }
}
