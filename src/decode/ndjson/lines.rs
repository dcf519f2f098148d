//! What is not a row between rows: lines of other kinds, objects that do not close, rows that are too long.

use memchr::memchr;

use crate::decode::long::LongRow;
use crate::decode::ndjson::object::{NOT_JSON, Refusal, refuse};
use crate::decode::ndjson::scan::{Scan, Scanner};
use crate::decode::ndjson::{NdjsonDecoder, Step};
use crate::decode::{MAX_RAW, MAX_ROW};

/// What is passed by without being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skip {
    Nothing,
    Line,
    /// The rest of the object that the scanner is in.
    Object,
}

impl NdjsonDecoder {
    pub(super) fn skip_line(&mut self) -> Step {
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
    pub(super) fn passed_by(&mut self) {
        if let Some(long) = self.long.take() {
            self.pending.long(long);
        }
    }

    pub(super) fn skip_object(&mut self) -> Step {
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

    /// An object that takes `length` bytes, as far as its brackets tell.
    pub(super) fn closed(&mut self, length: usize) -> Step {
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
    pub(super) fn again(&mut self) -> Step {
        self.scanner = Scanner::default();
        Step::Need
    }

    /// Something that is neither an object nor the start or end of an array.
    pub(super) fn stray(&mut self) -> Step {
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

    /// Sets the next `length` bytes aside.
    pub(super) fn refuse(&mut self, length: usize, (code, message): Refusal) -> Step {
        let raw = self.feed.bytes().get(..length).unwrap_or_default();
        self.pending.broken(raw, code, message);
        if self.scanner.first_line().is_some_and(|line| line == length) {
            self.patience.wasted(self.scanner.at().min(MAX_ROW));
        }
        self.settled(length);
        Step::Some
    }

    pub(super) fn too_long(&mut self) -> Step {
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
}

/// Where an element of an array ends that has no brackets: before a comma, a bracket, a line end.
pub(super) fn element_end(bytes: &[u8]) -> Option<usize> {
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
