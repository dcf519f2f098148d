//! Where a record ends, and where its fields are.

use memchr::{memchr, memchr2};

use crate::decode::MAX_ROW;
use crate::decode::resync_budget::{NEAR, ResyncBudget};

/// Columns at most.
pub(super) const MAX_COLUMNS: usize = 16_384;

/// A field: its place in the record, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
    /// Whether there are quotes around it.
    pub(super) quoted: bool,
    /// Whether there are doubled quotes in it, each of which means one.
    pub(super) doubled: bool,
}

/// What stands at the start of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A record of so many bytes, its line end included. Its fields are in [`Splitter::spans`].
    Record(usize),
    /// A line without anything, of so many bytes.
    Blank(usize),
    /// A line of so many bytes that is not a record, for that reason.
    Bad(usize, &'static str),
    /// A line that is longer than a row may be; its end may not have been found.
    TooLong,
    /// More bytes are needed to tell.
    Need,
    /// Nothing.
    End,
}

const UNCLOSED: &str = "a quoted field is not closed";
const TRAILING: &str = "text follows the closing quote of a field";

/// Place of the splitter in a record with quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuoteState {
    /// No quote met so far.
    Plain,
    /// At the first byte of a field.
    Start,
    /// In a field without quotes around it.
    Bare,
    /// Between the quotes of a field.
    Quoted { doubled: bool },
    /// Behind a quote that closes a field, if no other quote follows.
    Closed { doubled: bool },
    /// In a line that is not a record for that reason, in search of its end.
    Spoilt(&'static str),
}

/// Finds records, one after the other, each time from the start of the bytes it is given.
///
/// It remembers how far it has looked, so that a long record which arrives in small pieces is
/// looked at once: between two calls that answer [`Found::Need`] the bytes may only grow.
pub(super) struct Splitter {
    delimiter: u8,
    /// Whether a record may have one field more or less than its width.
    pub(super) loose: bool,
    /// Whether the header ends in a field without a name, which a record may leave out.
    pub(super) shorter: bool,
    state: QuoteState,
    at: usize,
    field: usize,
    /// Length of the first line, once a quoted field has run over its end.
    first_line: Option<usize>,
    /// Whether the quoted field at hand, which is longer than [`NEAR`], may be one, once it is that long.
    far: Option<bool>,
    spans: Vec<Span>,
    /// Number of fields; more than there are spans when there are too many.
    fields: usize,
    patience: ResyncBudget,
}

impl Splitter {
    /// The character between fields.
    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            loose: false,
            shorter: false,
            state: QuoteState::Plain,
            at: 0,
            field: 0,
            first_line: None,
            far: None,
            spans: Vec::new(),
            fields: 0,
            patience: ResyncBudget::default(),
        }
    }

    /// The fields of the last record; not all of them where there are more than there should be.
    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Number of fields of the last record.
    pub(super) fn fields(&self) -> usize {
        self.fields
    }

    /// Whether no quote was met that is not closed, behind which other lines were looked at.
    pub(super) fn is_sure(&self) -> bool {
        self.patience.is_whole()
    }

    /// Whether it is in no record.
    pub(super) fn is_between(&self) -> bool {
        self.at == 0
    }

    /// Forgets the record at hand.
    pub(super) fn reset(&mut self) {
        self.state = QuoteState::Plain;
        self.at = 0;
        self.field = 0;
        self.first_line = None;
        self.far = None;
        self.fields = 0;
        self.spans.clear();
    }

    /// Looks at the start of `bytes`. `ended`: no more will follow. `width`: the number of fields
    /// that a record has, where it is known.
    ///
    /// A quoted field that runs over a line end is believed only where it closes and the
    /// record comes out at the right width; a long one moreover only where its lines do not look like rows.
    /// Else the quote is a stray one, and costs its line.
    pub(super) fn next(&mut self, bytes: &[u8], ended: bool, width: Option<usize>) -> Found {
        if self.at == 0 {
            self.reset();
        }
        let found = match self.state {
            QuoteState::Plain => self.plain(bytes, ended, width),
            _ => self.quoted(bytes, ended, width),
        };
        let found = self.bounded(found, width);
        match found {
            Found::Need => return found,
            Found::Record(length) | Found::Blank(length) | Found::Bad(length, _) => {
                self.patience.used(length);
            }
            Found::TooLong | Found::End => {}
        }
        self.at = 0;
        found
    }

    /// Holds what was found against the width and the bounds of a row, so that the outcome is the
    /// same whether a row was seen at once or in pieces.
    fn bounded(&mut self, found: Found, width: Option<usize>) -> Found {
        let found = match (found, self.first_line) {
            (Found::Record(length), Some(line))
                if length > MAX_ROW
                    || width.is_some_and(|w| self.fields.abs_diff(w) > usize::from(self.loose)) =>
            {
                self.at = length;
                Found::Bad(line, UNCLOSED)
            }
            (Found::Record(length), None) if length > MAX_ROW => Found::TooLong,
            (Found::Need, Some(line)) if self.at > MAX_ROW => Found::Bad(line, UNCLOSED),
            (Found::Need, None) if self.at > MAX_ROW => Found::TooLong,
            _ => found,
        };
        match found {
            Found::Bad(length, _) if length > MAX_ROW => Found::TooLong,
            Found::Bad(..) if self.first_line.is_some() => {
                let reach = if self.far == Some(true) { MAX_ROW } else { self.patience.reach() };
                let seen = self.at.min(self.field + reach + 1).min(MAX_ROW + 1);
                self.patience.wasted(seen);
                found
            }
            _ => found,
        }
    }

    fn plain(&mut self, bytes: &[u8], ended: bool, width: Option<usize>) -> Found {
        let rest = bytes.get(self.at..).unwrap_or_default();
        let (line, length) = match memchr2(b'\n', b'"', rest) {
            Some(i) if rest[i] == b'"' => {
                self.state = QuoteState::Start;
                self.at = 0;
                return self.quoted(bytes, ended, width);
            }
            Some(i) => (&bytes[..self.at + i], self.at + i + 1),
            None if !ended => {
                self.at = bytes.len();
                return Found::Need;
            }
            None if bytes.is_empty() => return Found::End,
            None => (bytes, bytes.len()),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Found::Blank(length);
        }
        if length > MAX_ROW {
            return Found::TooLong;
        }
        self.split(line, width);
        Found::Record(length)
    }

    /// Splits a line without quotes, eight bytes at a time: fields are too short for a search
    /// that has to be started for each of them.
    fn split(&mut self, line: &[u8], width: Option<usize>) {
        const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
        const SEVENS: u64 = u64::from_ne_bytes([0x7F; 8]);
        let pattern = ONES * u64::from(self.delimiter);
        let (words, tail) = line.as_chunks::<8>();
        let mut start = 0;
        for (i, word) in words.iter().enumerate() {
            let differs = u64::from_le_bytes(*word) ^ pattern;
            // The high bit of each byte that does not differ: adding 0x7F carries into it for
            // every other one, and nothing is carried from byte to byte.
            let mut hits = !(((differs & SEVENS) + SEVENS) | differs | SEVENS);
            while hits != 0 {
                let at = i * 8 + (hits.trailing_zeros() / 8) as usize;
                self.push(start, at, width);
                start = at + 1;
                hits &= hits - 1;
            }
        }
        let base = words.len() * 8;
        for (i, &byte) in tail.iter().enumerate() {
            if byte == self.delimiter {
                self.push(start, base + i, width);
                start = base + i + 1;
            }
        }
        self.push(start, line.len(), width);
    }

    #[inline]
    fn push(&mut self, start: usize, end: usize, width: Option<usize>) {
        self.push_span(Span { start: start as u32, end: end as u32, quoted: false, doubled: false }, width);
    }

    #[inline]
    fn push_span(&mut self, span: Span, width: Option<usize>) {
        self.fields += 1;
        // Rows end at 64 MiB, so the places fit.
        if self.spans.len() < width.unwrap_or(MAX_COLUMNS) {
            self.spans.push(span);
        }
    }

    /// The field between quotes that ends there.
    fn push_quoted(&mut self, end: usize, doubled: bool, width: Option<usize>) {
        let span = Span { start: self.field as u32, end: end as u32, quoted: true, doubled };
        self.push_span(span, width);
    }

    /// Whether the quoted field at hand has become too long to be one. Of a long one, as of an article's text,
    /// the lines seldom have as many delimiters as a row has; behind a stray quote nearly all have.
    fn is_too_long(&mut self, bytes: &[u8], width: Option<usize>) -> bool {
        let run = self.at - self.field;
        if run <= self.patience.reach() {
            return false;
        }
        let Some(width) = width.filter(|width| *width > 1 && self.patience.reaches_far()) else {
            return true;
        };
        let far = self.far.unwrap_or_else(|| {
            let near = bytes.get(self.field..self.field + NEAR).unwrap_or_default();
            let (mut lines, mut rows) = (0u64, 0u64);
            for line in near.split(|byte| *byte == b'\n') {
                lines += 1;
                rows += u64::from(self.is_like_a_row(line, width));
            }
            rows * 4 < lines
        });
        self.far = Some(far);
        !far
    }

    /// Whether a line has as many delimiters as a row: also as one that ends in an empty field too many, or
    /// leaves out the last one. The first row may be the first such, so that none need have come before.
    fn is_like_a_row(&self, line: &[u8], width: usize) -> bool {
        let fields = line.iter().filter(|byte| **byte == self.delimiter).count() + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = line.strip_suffix(b"\"\"").unwrap_or(line);
        let (longer, shorter) = (line.last() == Some(&self.delimiter), self.shorter);
        fields == width || longer && fields == width + 1 || shorter && fields + 1 == width
    }

    fn quoted(&mut self, bytes: &[u8], ended: bool, width: Option<usize>) -> Found {
        loop {
            if let Some(line) = self.first_line
                && width.is_some_and(|w| self.fields > w + usize::from(self.loose))
            {
                return Found::Bad(line, UNCLOSED);
            }
            let rest = bytes.get(self.at..).unwrap_or_default();
            match self.state {
                QuoteState::Plain | QuoteState::Start => match rest.first() {
                    Some(b'"') => {
                        self.at += 1;
                        self.field = self.at;
                        self.far = None;
                        self.state = QuoteState::Quoted { doubled: false };
                    }
                    None if !ended => return Found::Need,
                    _ => {
                        self.field = self.at;
                        self.state = QuoteState::Bare;
                    }
                },
                QuoteState::Bare => match memchr2(self.delimiter, b'\n', rest) {
                    Some(i) if rest[i] == self.delimiter => {
                        self.push(self.field, self.at + i, width);
                        self.at += i + 1;
                        self.state = QuoteState::Start;
                    }
                    None if !ended => {
                        self.at = bytes.len();
                        return Found::Need;
                    }
                    hit => {
                        let end = hit.map_or(bytes.len(), |i| self.at + i);
                        let cr = end > self.field && bytes[end - 1] == b'\r';
                        self.push(self.field, end - usize::from(cr), width);
                        return Found::Record(end + usize::from(hit.is_some()));
                    }
                },
                QuoteState::Quoted { doubled } => match memchr2(b'"', b'\n', rest) {
                    Some(i) if rest[i] == b'"' => {
                        self.at += i + 1;
                        let first_line = self.first_line;
                        match first_line {
                            Some(line) if self.is_too_long(bytes, width) => {
                                return Found::Bad(line, UNCLOSED);
                            }
                            _ => self.state = QuoteState::Closed { doubled },
                        }
                    }
                    Some(i) => {
                        self.at += i + 1;
                        let line = *self.first_line.get_or_insert(self.at);
                        if self.is_too_long(bytes, width) {
                            return Found::Bad(line, UNCLOSED);
                        }
                    }
                    None => {
                        self.at = bytes.len();
                        let first_line = self.first_line;
                        return match first_line {
                            Some(line) if ended || self.is_too_long(bytes, width) => {
                                Found::Bad(line, UNCLOSED)
                            }
                            None if ended => Found::Bad(bytes.len(), UNCLOSED),
                            _ => Found::Need,
                        };
                    }
                },
                QuoteState::Closed { doubled } => {
                    let end = self.at - 1;
                    match rest {
                        [] if !ended => return Found::Need,
                        [b'\r'] if !ended => return Found::Need,
                        [b'"', ..] => {
                            self.at += 1;
                            self.state = QuoteState::Quoted { doubled: true };
                        }
                        [b, ..] if *b == self.delimiter => {
                            self.push_quoted(end, doubled, width);
                            self.at += 1;
                            self.state = QuoteState::Start;
                        }
                        [] | [b'\r'] | [b'\n', ..] | [b'\r', b'\n', ..] => {
                            self.push_quoted(end, doubled, width);
                            let line_end = rest.iter().take_while(|b| **b == b'\r').count().min(1);
                            let newline = rest.get(line_end).is_some_and(|b| *b == b'\n');
                            return Found::Record(self.at + line_end + usize::from(newline));
                        }
                        _ => match self.first_line {
                            Some(line) => return Found::Bad(line, UNCLOSED),
                            None => self.state = QuoteState::Spoilt(TRAILING),
                        },
                    }
                }
                QuoteState::Spoilt(reason) => match memchr(b'\n', rest) {
                    Some(i) => {
                        self.at += i + 1;
                        return Found::Bad(self.at, reason);
                    }
                    None if ended => return Found::Bad(bytes.len(), reason),
                    None => {
                        self.at = bytes.len();
                        return Found::Need;
                    }
                },
            }
        }
    }
}
