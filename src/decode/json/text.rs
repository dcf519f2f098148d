//! The text of a JSON document as it is read: member by member, element by element, held no further than a
//! value that is wanted.

use crate::decode::input_buffer::{InputBuffer, More};
use crate::decode::json::extent::{Extent, Scan};

/// Longest name of a member in bytes.
const MAX_NAME: usize = 64 << 10;

/// Where bytes come from.
pub(super) trait Feed {
    /// Those not used up yet.
    fn bytes(&self) -> &[u8];
    /// Uses some up.
    fn consume(&mut self, count: usize);
    /// Waits for more; whether some have come.
    fn more(&mut self) -> bool;
}

impl Feed for InputBuffer {
    fn bytes(&self) -> &[u8] {
        Self::bytes(self)
    }

    fn consume(&mut self, count: usize) {
        Self::consume(self, count);
    }

    fn more(&mut self) -> bool {
        loop {
            match Self::more(self) {
                More::Data => return true,
                More::Idle => {}
                More::End => return false,
            }
        }
    }
}

/// Bytes that are all there.
pub(super) struct Held {
    bytes: Vec<u8>,
    at: usize,
}

impl Held {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }
}

impl Feed for Held {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.at = self.bytes.len().min(self.at + count);
    }

    fn more(&mut self) -> bool {
        false
    }
}

impl Feed for &[u8] {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn consume(&mut self, count: usize) {
        *self = self.get(count..).unwrap_or_default();
    }

    fn more(&mut self) -> bool {
        false
    }
}

/// Why a document cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The text ends in the middle of it.
    Ends,
    /// What stands at that byte cannot stand there.
    Broken(u64),
    /// It is nested too deep at that byte.
    Deep(u64),
    /// An object has that name twice, and rows are read by it.
    Twice(String),
    /// More than that number of MiB would have to be held, because of what is named.
    Large(u64, String),
    /// Columns do not fit together, and the sentence says how.
    Uneven(String),
}

/// A text that is read from its first byte to its last.
pub(super) struct Text<F> {
    pub(super) feed: F,
    passed: u64,
}

impl<F: Feed> Text<F> {
    pub(super) fn new(feed: F) -> Self {
        Self { feed, passed: 0 }
    }

    /// Bytes used up.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// The bytes at hand.
    pub(super) fn bytes(&self) -> &[u8] {
        self.feed.bytes()
    }

    /// Uses bytes up.
    pub(super) fn pass(&mut self, count: usize) {
        self.feed.consume(count);
        self.passed += count as u64;
    }

    /// The fault that the next byte is.
    pub(super) fn broken(&self) -> Fault {
        Fault::Broken(self.passed + 1)
    }

    /// The next byte that is not white space; `None` at the end.
    pub(super) fn next(&mut self) -> Option<u8> {
        loop {
            let bytes = self.feed.bytes();
            let white = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let byte = bytes.get(white).copied();
            if white > 0 {
                self.pass(white);
            }
            if byte.is_some() || !self.feed.more() {
                return byte;
            }
        }
    }

    /// Uses up an opening bracket.
    pub(super) fn enter(&mut self, bracket: u8) -> Result<(), Fault> {
        match self.next() {
            Some(byte) if byte == bracket => {
                self.pass(1);
                Ok(())
            }
            Some(_) => Err(self.broken()),
            None => Err(Fault::Ends),
        }
    }

    /// Goes to the next element or member, or uses up the closing bracket; whether there is one.
    pub(super) fn element(&mut self, first: bool, closing: u8) -> Result<bool, Fault> {
        match self.next() {
            Some(byte) if byte == closing => {
                self.pass(1);
                Ok(false)
            }
            Some(b',') if !first => {
                self.pass(1);
                match self.next() {
                    Some(byte) if byte == closing => Err(self.broken()),
                    Some(_) => Ok(true),
                    None => Err(Fault::Ends),
                }
            }
            Some(_) if first => Ok(true),
            Some(_) => Err(self.broken()),
            None => Err(Fault::Ends),
        }
    }

    /// The name of the next member of an object, its colon used up; `None` at its end.
    pub(super) fn member(&mut self, first: bool) -> Result<Option<String>, Fault> {
        if !self.element(first, b'}')? {
            return Ok(None);
        }
        if self.next() != Some(b'"') {
            return Err(self.broken());
        }
        let Some(length) = self.capture(MAX_NAME)? else { return Err(self.broken()) };
        let name = serde_json::from_slice::<String>(self.bytes().get(..length).unwrap_or_default());
        let Ok(name) = name else { return Err(self.broken()) };
        self.pass(length);
        match self.next() {
            Some(b':') => self.pass(1),
            Some(_) => return Err(self.broken()),
            None => return Err(Fault::Ends),
        }
        Ok(Some(name))
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        self.next();
        let mut extent = Extent::default();
        loop {
            match self.scan(&mut extent) {
                Scan::Closed(length) => {
                    self.pass(length);
                    return Ok(());
                }
                Scan::Open => {
                    self.pass(extent.at());
                    extent.rebase();
                    if !self.feed.more() {
                        return if extent.is_scalar() { Ok(()) } else { Err(Fault::Ends) };
                    }
                }
                found => return Err(self.fault(found)),
            }
        }
    }

    /// Waits for a value to be there as a whole, and tells its length. One that is longer than `most` is
    /// passed over, which `None` says.
    pub(super) fn capture(&mut self, most: usize) -> Result<Option<usize>, Fault> {
        self.next();
        let mut extent = Extent::default();
        loop {
            match self.scan(&mut extent) {
                Scan::Closed(length) if length > most => {
                    self.pass(length);
                    return Ok(None);
                }
                Scan::Closed(length) => return Ok(Some(length)),
                Scan::Open if extent.at() > most => {
                    self.pass(extent.at());
                    extent.rebase();
                    loop {
                        match self.scan(&mut extent) {
                            Scan::Closed(length) => {
                                self.pass(length);
                                return Ok(None);
                            }
                            Scan::Open => {
                                self.pass(extent.at());
                                extent.rebase();
                                if !self.feed.more() {
                                    return Err(Fault::Ends);
                                }
                            }
                            found => return Err(self.fault(found)),
                        }
                    }
                }
                Scan::Open => {
                    if !self.feed.more() {
                        let length = self.bytes().len();
                        return if extent.is_scalar() { Ok(Some(length)) } else { Err(Fault::Ends) };
                    }
                }
                found => return Err(self.fault(found)),
            }
        }
    }

    fn scan(&mut self, extent: &mut Extent) -> Scan {
        extent.scan(self.feed.bytes())
    }

    fn fault(&self, found: Scan) -> Fault {
        match found {
            Scan::Deep(at) => Fault::Deep(self.passed + at as u64 + 1),
            Scan::Broken(at) => Fault::Broken(self.passed + at as u64 + 1),
            Scan::Closed(_) | Scan::Open => Fault::Ends,
        }
    }
}

/// Goes through the elements of an array, which is all there.
pub(super) struct Elements<'a> {
    rest: &'a [u8],
    first: bool,
}

impl<'a> Elements<'a> {
    /// Of the array that the text begins with.
    pub(super) fn of(array: &'a [u8]) -> Self {
        Self { rest: array.get(1..).unwrap_or_default(), first: true }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut rest = self.rest.trim_ascii_start();
        if !std::mem::take(&mut self.first) {
            rest = rest.strip_prefix(b",")?.trim_ascii_start();
        }
        let length = match rest.first()? {
            b']' => return None,
            // Most are numbers.
            b'0'..=b'9' | b'-' => {
                let part =
                    |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'a'..=b'z' | b'A'..=b'Z');
                rest.iter().take_while(part).count()
            }
            _ => super::extent::length(rest)?,
        };
        let (element, behind) = rest.split_at_checked(length)?;
        self.rest = behind;
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_cut_at_their_commas() {
        let cut = |text: &'static str| -> Vec<&'static str> {
            Elements::of(text.as_bytes()).map(|bytes| std::str::from_utf8(bytes).unwrap()).collect()
        };
        assert_eq!(
            cut(r#"[1, -2.50e-3 ,"a,]", null,[3,[4]], {"x":"]"},NaN ] rest"#),
            ["1", "-2.50e-3", "\"a,]\"", "null", "[3,[4]]", "{\"x\":\"]\"}", "NaN"]
        );
        assert!(cut("[ ]").is_empty());
    }
}
