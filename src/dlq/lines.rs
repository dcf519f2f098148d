//! The lines of a queue's file, one after the other, of bounded size.

use std::io::{self, BufRead, ErrorKind};

use crate::decode::{MAX_ROW, with_quoted_words};

/// Longest line that is taken for a record, in bytes.
pub const MOST_LINE: usize = 64 << 20;

/// Longest line that begins as a record does: the longest row there is, of which each byte takes six in
/// JSON at the most, and what is said of it.
const MOST_RECORD: usize = 6 * MAX_ROW + (1 << 20);

/// A line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1; blank lines count.
    pub number: u64,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// How many bytes it takes there.
    pub length: u64,
    /// Its bytes, or the length of one that is longer than [`MOST_LINE`]. Words that Python writes where a
    /// number should be (`NaN`, `Infinity`) stand in quotes here, since JSON has none.
    pub bytes: Result<&'a [u8], u64>,
    /// Its bytes as they stand in the file; of one that is too long its beginning.
    pub stands: &'a [u8],
}

/// What marks UTF-8 at the very beginning of a file.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads lines; blank ones are passed over.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    line: Vec<u8>,
    /// The line as JSON, where words such as `NaN` keep it from being JSON as it stands.
    mended: Option<String>,
    number: u64,
    offset: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines of a reader at the beginning of its file.
    pub fn new(from: R) -> Self {
        Self::at(from, 0, 0)
    }

    /// The lines of a reader that stands at `offset`, behind `number` lines.
    pub fn at(from: R, offset: u64, number: u64) -> Self {
        Self { from, line: Vec::new(), mended: None, number, offset }
    }

    /// Where the next line begins, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line; the last one may have no end.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            let offset = self.offset;
            self.line.clear();
            let mut length = 0u64;
            let ended = loop {
                let bytes = match self.from.fill_buf() {
                    Ok(bytes) => bytes,
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                if bytes.is_empty() {
                    break true;
                }
                let end = memchr::memchr(b'\n', bytes);
                let piece = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                let first = self.line.first().or(piece.first());
                let most = if first == Some(&b'{') { MOST_RECORD } else { MOST_LINE };
                let room = most.saturating_sub(self.line.len());
                self.line.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
                length += piece.len() as u64;
                let used = piece.len() + usize::from(end.is_some());
                self.offset += used as u64;
                self.from.consume(used);
                if end.is_some() {
                    break false;
                }
            };
            if ended && length == 0 {
                return Ok(None);
            }
            if offset == 0 && self.line.starts_with(BOM) {
                // An editor on Windows has put it there.
                self.line.drain(..BOM.len());
            }
            self.number += 1;
            let most = if self.line.first() == Some(&b'{') { MOST_RECORD } else { MOST_LINE };
            let (number, whole) = (self.number, length <= most as u64);
            if whole && self.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            self.mended = if whole { mended(&self.line) } else { None };
            let bytes = self.mended.as_ref().map_or(&*self.line, |text| text.as_bytes());
            let bytes = if whole { Ok(bytes) } else { Err(length) };
            return Ok(Some(Line { number, offset, length, bytes, stands: &self.line }));
        }
    }
}

/// The line with its bare words in quotes; `None` where it has none.
fn mended(line: &[u8]) -> Option<String> {
    // Most lines have not even a letter sequence like them.
    let words: [&[u8]; 4] = [b"NaN", b"nan", b"Infinity", b"inf"];
    if words.iter().all(|word| memchr::memmem::find(line, word).is_none()) {
        return None;
    }
    with_quoted_words(std::str::from_utf8(line).ok()?)
}

#[cfg(test)]
impl<'a> Line<'a> {
    /// The first line of a file.
    pub(super) fn of(text: &'a str) -> Self {
        let (bytes, length) = (text.as_bytes(), text.len() as u64);
        Self { number: 1, offset: 0, length, bytes: Ok(bytes), stands: bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_python_are_quoted_and_the_line_stays_as_it_stands() {
        let text = "{\"a\":NaN,\"b\":[-Infinity, \"NaN\"]}\n{\"a\":\"in, nan\"}\n";
        let mut lines = Lines::new(text.as_bytes());
        let line = lines.next().unwrap().unwrap();
        assert_eq!(line.bytes.unwrap(), b"{\"a\":\"NaN\",\"b\":[\"-Infinity\", \"NaN\"]}");
        assert_eq!((line.length, line.stands), (32, &text.as_bytes()[..32]));
        assert_eq!(lines.next().unwrap().unwrap().bytes.unwrap(), b"{\"a\":\"in, nan\"}");
    }

    #[test]
    fn lines_have_their_numbers_and_places() {
        let text = b"{\"a\":1}\n\n  \n{}\r\ntorn";
        for buffer in [1, 3, 64] {
            let mut lines = Lines::new(io::BufReader::with_capacity(buffer, &text[..]));
            let mut seen = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                seen.push((line.number, line.offset, line.bytes.unwrap().to_vec()));
            }
            let line = |number, offset, text: &str| (number, offset, text.as_bytes().to_vec());
            assert_eq!(seen, [line(1, 0, "{\"a\":1}"), line(4, 12, "{}\r"), line(5, 16, "torn")]);
            assert_eq!(lines.offset(), text.len() as u64);
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let text = [vec![b'x'; MOST_LINE + 5], b"\n{}\n".to_vec()].concat();
        let mut lines = Lines::new(&text[..]);
        let long = lines.next().unwrap().unwrap();
        assert_eq!((long.number, long.bytes), (1, Err(MOST_LINE as u64 + 5)));
        assert_eq!(lines.next().unwrap().unwrap().bytes, Ok(&b"{}"[..]));
        assert!(lines.next().unwrap().is_none());
    }
}
