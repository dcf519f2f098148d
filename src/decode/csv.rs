//! CSV: text columns from delimited lines, RFC 4180 with the leniency that vendors' files need.

mod header;
mod record;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use memchr::memchr;

use crate::decode::feed::{Ending, Feed, More};
use crate::decode::pending::Pending;
use crate::decode::{Chunks, DecodeError, Decoder, RawBatch};
use record::{Found, MAX_COLUMNS, Span, Splitter};

/// How a CSV input is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// The delimiter, one ASCII character; `None`: the comma, semicolon, tab or vertical bar that
    /// the first line shows.
    pub delimiter: Option<u8>,
    /// Whether the first line holds the names of the columns. Without it the columns are named
    /// `1`, `2`, …
    pub header: bool,
    /// Lines to pass by before the header.
    pub skip_lines: u64,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: None, header: true, skip_lines: 0 }
    }
}

/// A reader of CSV.
///
/// Takes LF and CRLF, drops a byte order mark, reads UTF-16 that has one. Blank lines are no rows.
/// Lines that start with `#` are comments before the header only. A malformed row costs itself
/// alone: a stray quote costs its line, and reading goes on with the next one.
pub struct CsvDecoder {
    feed: Feed,
    splitter: Splitter,
    /// Number of columns, once it is known.
    width: Option<usize>,
    header: bool,
    pending: Pending,
    /// A field whose doubled quotes have been made single ones.
    unquoted: String,
    /// Whether the rest of a line that was too long is being passed by.
    skipping: bool,
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
        let mut feed = Feed::new(chunks);
        let line = header::seek(&mut feed, options.skip_lines)?;
        let first = feed.bytes().get(..line.unwrap_or(0)).unwrap_or_default();
        let delimiter = header::delimiter(first, options.delimiter, options.header && line.is_some())?;
        let mut decoder = Self {
            feed,
            splitter: Splitter::new(delimiter),
            width: None,
            header: options.header,
            pending: Pending::new(Vec::new()),
            unquoted: String::new(),
            skipping: false,
            done: false,
        };
        if options.header {
            // A stop before the header leaves nothing to decode.
            decoder.done = line.is_none() || !decoder.read_header()?;
        } else {
            while decoder.width.is_none() && decoder.step()? != Step::End {}
        }
        Ok(decoder)
    }

    /// Reads the header; `false` where the reading was stopped before its end.
    fn read_header(&mut self) -> Result<bool, DecodeError> {
        loop {
            let (bytes, ended) = (self.feed.bytes(), self.feed.ended());
            let corrupt = |text: String| Err(DecodeError::Corrupt(text));
            match self.splitter.next(bytes, ended, None) {
                Found::Record(length) => {
                    let count = self.splitter.fields();
                    if count > MAX_COLUMNS {
                        return corrupt(format!("its header has {count} columns, at most 4096 can be read"));
                    }
                    let Ok(text) = std::str::from_utf8(bytes.get(..length).unwrap_or_default()) else {
                        return corrupt("its header is not valid UTF-8".into());
                    };
                    let name = |span: &Span| {
                        let raw = field(text, *span);
                        let name = if span.doubled { raw.replace("\"\"", "\"") } else { raw.to_owned() };
                        name.trim().to_owned()
                    };
                    self.pending = Pending::new(header::distinct(self.splitter.spans().iter().map(name)));
                    self.width = Some(count);
                    self.feed.consume(length);
                    return Ok(true);
                }
                Found::Bad(_, reason) => return corrupt(format!("its header is not CSV: {reason}")),
                Found::TooLong => return corrupt("its header is longer than 16 MiB".into()),
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
                        self.feed.consume(i + 1);
                        self.skipping = false;
                    }
                    None => {
                        self.feed.consume(self.feed.bytes().len());
                        match self.feed.more() {
                            More::Data => {}
                            More::Idle => return Ok(Step::Idle),
                            More::End => self.skipping = false,
                        }
                    }
                }
                continue;
            }
            let (bytes, ended) = (self.feed.bytes(), self.feed.ended());
            let used = match self.splitter.next(bytes, ended, self.width) {
                Found::Need => match self.feed.more() {
                    More::Idle => return Ok(Step::Idle),
                    More::Data | More::End => continue,
                },
                Found::End => return Ok(Step::End),
                Found::Blank(length) => {
                    self.feed.consume(length);
                    continue;
                }
                Found::TooLong => {
                    self.skipping = true;
                    self.pending.broken(bytes, "too_long", "the row is longer than 16 MiB");
                    0
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
                    } else {
                        let rows = Rows {
                            splitter: &self.splitter,
                            width: &mut self.width,
                            header: self.header,
                            pending: &mut self.pending,
                            unquoted: &mut self.unquoted,
                        };
                        rows.take(record)?;
                    }
                    length
                }
            };
            self.feed.consume(used);
            return Ok(Step::Row);
        }
    }

    /// The next rows of those that are there already; `None` where there is none right now.
    ///
    /// # Errors
    /// As [`Decoder::next_batch`].
    pub fn next_now(&mut self) -> Result<Option<RawBatch>, DecodeError> {
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

    /// Bytes used up since the last batch: after [`CsvDecoder::open`] those of the header.
    pub fn take_used(&mut self) -> u64 {
        self.feed.take_used()
    }

    fn hand_on(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        let bytes = self.feed.take_used();
        self.pending.finish(bytes)
    }
}

/// The way of a record into the columns; the feed is borrowed meanwhile.
struct Rows<'a> {
    splitter: &'a Splitter,
    width: &'a mut Option<usize>,
    header: bool,
    pending: &'a mut Pending,
    unquoted: &'a mut String,
}

impl Rows<'_> {
    fn take(self, record: &[u8]) -> Result<(), DecodeError> {
        let count = self.splitter.fields();
        let width = match *self.width {
            Some(width) => width,
            None if count > MAX_COLUMNS => {
                let text = format!("its first row has {count} fields, at most 4096 can be read");
                return Err(DecodeError::Corrupt(text));
            }
            None => {
                // Without a header the first row fixes the width.
                let names: Vec<Arc<str>> = (1..=count).map(|n| n.to_string().into()).collect();
                self.pending.widen(&names);
                *self.width.insert(count)
            }
        };
        if count != width {
            let fields = if count == 1 { "field" } else { "fields" };
            let whose = if self.header { "the header" } else { "the first row" };
            let message = format!("the row has {count} {fields}, {whose} {width}");
            self.pending.broken(record, "bad_width", message);
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(record) else {
            self.pending.broken(record, "bad_utf8", "the row is not valid UTF-8");
            return Ok(());
        };
        for (builder, span) in self.pending.row().iter_mut().zip(self.splitter.spans()) {
            let raw = field(text, *span);
            if span.doubled {
                self.unquoted.clear();
                let mut rest = raw;
                while let Some((head, tail)) = rest.split_once("\"\"") {
                    self.unquoted.push_str(head);
                    self.unquoted.push('"');
                    rest = tail;
                }
                self.unquoted.push_str(rest);
                builder.append_value(&*self.unquoted);
            } else {
                builder.append_value(raw);
            }
        }
        Ok(())
    }
}

/// The text of a field. Fields end at ASCII characters, so the places are character boundaries.
#[inline]
fn field(text: &str, span: Span) -> &str {
    text.get(span.start as usize..span.end as usize).unwrap_or_default()
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
}
