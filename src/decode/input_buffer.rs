//! The bytes that a text decoder has not used up yet: one reused buffer, always UTF-8 or meant
//! to be.

use memchr::memchr;

use crate::decode::{Chunk, Chunks, DecodeError};

/// Zero bytes in a row that are no part of a line: a hole, as a file has where its writer went on behind the
/// place up to which it was truncated, or where the machine went down.
const HOLE: usize = 16;

/// What stands at the start of a line, as far as zero bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zeros {
    /// None, or a few that are part of the line.
    None,
    /// So many that were a hole; they are used up.
    Hole(u64),
    /// More bytes have to be seen first.
    Unclear,
}

/// What came of asking for more bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    /// There may be more bytes now.
    Data,
    /// Nothing right now; the next call waits.
    Idle,
    /// There will be no more; see [`InputBuffer::ending`].
    End,
}

/// How the input ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It has not.
    Open,
    /// At its end: a last line without a line end is a whole line.
    Whole,
    /// Before its end, by a stop or a fault: a last line without a line end is torn.
    Torn,
    /// By a stop, and it can be read again: what has not been decoded is not wanted.
    Left,
    /// By a fault, and it can be read again: of what has not been decoded only whole rows are wanted.
    Short,
}

/// How the bytes that come in are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// Too few bytes seen to rule a byte order mark out.
    Unknown,
    Utf8,
    Utf16 {
        big_endian: bool,
    },
}

/// A stream of bytes behind a buffer, without its byte order mark, UTF-16 turned into UTF-8.
pub(super) struct InputBuffer {
    chunks: Box<dyn Chunks>,
    buffer: Vec<u8>,
    start: usize,
    encoding: Encoding,
    /// UTF-16: the first byte of a unit whose second one has not come yet.
    half: Option<u8>,
    /// UTF-16: the first unit of a pair whose second one has not come yet.
    high: Option<u16>,
    ending: Ending,
    failure: Option<DecodeError>,
    used: u64,
    /// Bytes of the input used up in all, its byte order mark included.
    position: u64,
    /// Zero bytes at the end of the buffer.
    zeros: usize,
    /// The byte before them, whether or not it has been used up; `None` at the beginning of the input.
    before_zeros: Option<u8>,
    /// Whether the zero bytes that come next belong to a hole.
    in_hole: bool,
}

impl InputBuffer {
    pub(super) fn new(chunks: Box<dyn Chunks>) -> Self {
        Self {
            chunks,
            buffer: Vec::new(),
            start: 0,
            encoding: Encoding::Unknown,
            half: None,
            high: None,
            ending: Ending::Open,
            failure: None,
            used: 0,
            position: 0,
            zeros: 0,
            before_zeros: None,
            in_hole: false,
        }
    }

    /// A stream of bytes that stand behind others of a text in UTF-8: what looks like a byte order mark is none.
    pub(super) fn behind_others(chunks: Box<dyn Chunks>) -> Self {
        Self { encoding: Encoding::Utf8, ..Self::new(chunks) }
    }

    /// How many bytes of the input have been used up, where they are those that it has.
    pub(super) fn position(&self) -> Option<u64> {
        (self.encoding == Encoding::Utf8).then_some(self.position)
    }

    /// Whether the next byte is here, and of no hole.
    pub(super) fn goes_on(&self) -> bool {
        self.bytes().first().is_some_and(|byte| *byte != 0)
    }

    /// The bytes not used up yet. Zero bytes that may be the beginning of a hole are held back until that is
    /// seen, since the line before them would end among them.
    pub(super) fn bytes(&self) -> &[u8] {
        let held = if self.zeros < HOLE && !self.ended() { self.zeros } else { 0 };
        match self.encoding {
            Encoding::Unknown => &[],
            _ => self.buffer.get(self.start..self.buffer.len() - held).unwrap_or_default(),
        }
    }

    /// Marks the next bytes as used up.
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.buffer.len() - self.start);
        // What follows a hole ends it.
        self.in_hole &= count == 0;
        self.start += count;
        self.used += count as u64;
        self.position += count as u64;
    }

    /// Uses up a hole at the start of a line, or behind what is passed over before a row: whoever uses up blanks there
    /// asks again behind them, as he does where they came alone. `any`: there any zero bytes are one, however few.
    pub(super) fn pass_hole(&mut self, any: bool) -> Zeros {
        let bytes = self.bytes();
        let count = bytes.iter().take_while(|byte| **byte == 0).count();
        if count == 0 {
            self.in_hole &= bytes.is_empty();
            return Zeros::None;
        }
        let (all, ended) = (count == bytes.len(), self.ended());
        // One is left to the line that breaks off there, and one is its end.
        if any || self.in_hole || count >= HOLE - 2 || all && ended {
            self.consume(count);
            self.in_hole = all;
            return Zeros::Hole(count as u64);
        }
        if all { Zeros::Unclear } else { Zeros::None }
    }

    /// Lets a line that runs into a hole end there: behind its first zero byte, by which it is known. Whether there
    /// is a line is told by the byte before the hole, never by what is left of it in the buffer. `from`: where
    /// in the buffer the bytes are that are new.
    fn end_lines_at_holes(&mut self, from: usize) {
        let mut at = from;
        while let Some(&byte) = self.buffer.get(at) {
            if byte != 0 {
                self.zeros = 0;
                at += memchr(0, self.buffer.get(at..).unwrap_or_default()).unwrap_or(self.buffer.len() - at);
                self.before_zeros = self.buffer.get(at - 1).copied();
                continue;
            }
            self.zeros += 1;
            at += 1;
            if self.zeros == HOLE
                && self.before_zeros.is_some_and(|byte| byte != b'\n')
                // They were held back, and so are all there.
                && let Some(second) = (at + 1).checked_sub(HOLE).and_then(|second| self.buffer.get_mut(second))
            {
                *second = b'\n';
            }
        }
    }

    /// Bytes used up since the last call.
    pub(super) fn take_used(&mut self) -> u64 {
        std::mem::take(&mut self.used)
    }

    /// Bytes used up since the last [`InputBuffer::take_used`].
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    /// Whether no more bytes will come, so that a last line without a line end has all that it will get.
    pub(super) fn ended(&self) -> bool {
        !matches!(self.ending, Ending::Open | Ending::Short)
    }

    /// Whether no more bytes will come, and a last row that is not whole is left to the next reading.
    pub(super) fn is_short(&self) -> bool {
        self.ending == Ending::Short
    }

    /// Asks for more bytes.
    pub(super) fn more(&mut self) -> More {
        if self.ending != Ending::Open {
            return More::End;
        }
        let ending = match self.chunks.next() {
            Ok(Chunk::Data(data)) => {
                self.push(&data);
                return More::Data;
            }
            Ok(Chunk::Idle) => return More::Idle,
            Ok(Chunk::End) => Ending::Whole,
            Ok(Chunk::Cut { again: true }) => Ending::Left,
            Ok(Chunk::Cut { again: false }) => Ending::Torn,
            Err(error) => {
                self.failure = Some(error);
                if self.chunks.can_be_read_again() { Ending::Short } else { Ending::Torn }
            }
        };
        self.ending = ending;
        self.finish();
        More::End
    }

    /// The fault that ended the input, once, with the number of rows before it.
    pub(super) fn take_failure(&mut self, rows: u64) -> Option<DecodeError> {
        Some(match self.failure.take()? {
            DecodeError::Corrupt(text) => {
                let unit = if rows == 1 { "row" } else { "rows" };
                DecodeError::Corrupt(format!("{text}; {rows} {unit} before it were read"))
            }
            other => other,
        })
    }

    fn push(&mut self, data: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        match self.encoding {
            Encoding::Utf8 => {
                let from = self.buffer.len();
                self.buffer.extend_from_slice(data);
                self.end_lines_at_holes(from);
            }
            Encoding::Utf16 { big_endian } => self.transcode(data, big_endian),
            Encoding::Unknown => {
                self.buffer.extend_from_slice(data);
                const MARKS: [&[u8]; 3] = [b"\xEF\xBB\xBF", b"\xFF\xFE", b"\xFE\xFF"];
                let open = MARKS.iter().any(|m| m.len() > self.buffer.len() && m.starts_with(&self.buffer));
                if !open {
                    self.settle_encoding();
                }
            }
        }
    }

    fn settle_encoding(&mut self) {
        let big_endian = match self.buffer.as_slice() {
            [0xEF, 0xBB, 0xBF, ..] => {
                self.buffer.drain(..3);
                self.position += 3;
                None
            }
            [0xFF, 0xFE, ..] => Some(false),
            [0xFE, 0xFF, ..] => Some(true),
            _ => None,
        };
        match big_endian {
            None => {
                self.encoding = Encoding::Utf8;
                self.end_lines_at_holes(0);
            }
            Some(big_endian) => {
                self.encoding = Encoding::Utf16 { big_endian };
                let raw = std::mem::take(&mut self.buffer);
                self.transcode(raw.get(2..).unwrap_or_default(), big_endian);
            }
        }
    }

    fn finish(&mut self) {
        if self.encoding == Encoding::Unknown {
            self.settle_encoding();
        }
        if let Some(high) = self.high.take() {
            self.push_surrogate(high);
        }
        if self.half.take().is_some() {
            self.buffer.push(0xFF);
        }
    }

    /// Appends UTF-16 as UTF-8. A surrogate without its partner becomes three bytes that are no
    /// UTF-8, so that the row it stands in is told from the others.
    fn transcode(&mut self, data: &[u8], big_endian: bool) {
        for &byte in data {
            let Some(first) = self.half.take() else {
                self.half = Some(byte);
                continue;
            };
            let pair = [first, byte];
            let unit = if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
            self.push_unit(unit);
        }
    }

    fn push_unit(&mut self, unit: u16) {
        if let Some(high) = self.high.take() {
            if (0xDC00..0xE000).contains(&unit) {
                let code = 0x10000 + (u32::from(high - 0xD800) << 10) + u32::from(unit - 0xDC00);
                self.push_code(code);
                return;
            }
            self.push_surrogate(high);
        }
        match unit {
            0xD800..0xDC00 => self.high = Some(unit),
            0xDC00..0xE000 => self.push_surrogate(unit),
            _ => self.push_code(u32::from(unit)),
        }
    }

    fn push_code(&mut self, code: u32) {
        let text = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.buffer.extend_from_slice(text.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn push_surrogate(&mut self, unit: u16) {
        let low = |shift: u16| 0x80 | ((unit >> shift) & 0x3F) as u8;
        self.buffer.extend_from_slice(&[0xED, low(6), low(0)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::test_util::Script;

    fn drain(script: Script) -> (Vec<u8>, Ending) {
        let mut feed = InputBuffer::new(Box::new(script));
        while feed.more() != More::End {}
        (feed.bytes().to_vec(), feed.ending())
    }

    #[test]
    fn byte_order_marks_are_dropped_wherever_chunks_are_cut() {
        let utf16 = |s: &str, big: bool| -> Vec<u8> {
            let units = std::iter::once(0xFEFF).chain(s.encode_utf16());
            units.flat_map(|u: u16| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        };
        let text = "ts,é\n1,😀\n";
        let mut utf8 = b"\xEF\xBB\xBF".to_vec();
        utf8.extend_from_slice(text.as_bytes());
        for input in [text.as_bytes().to_vec(), utf8, utf16(text, false), utf16(text, true)] {
            for size in 1..5 {
                let (bytes, ending) = drain(Script::cut(&input, size));
                assert_eq!(String::from_utf8(bytes).as_deref(), Ok(text));
                assert_eq!(ending, Ending::Whole);
            }
        }
    }

    #[test]
    fn a_line_ends_in_a_hole_and_the_hole_is_passed_over_wherever_chunks_are_cut() {
        let text = [b"a,b\n1,", vec![0; 40].as_slice(), b"2,c\n\0\0x\n", &[0; 20], b"3,d\n"].concat();
        for size in 1..70 {
            let mut feed = InputBuffer::new(Box::new(Script::cut(&text, size)));
            let (mut lines, mut passed) = (Vec::new(), 0);
            loop {
                match feed.pass_hole(false) {
                    Zeros::Hole(zeros) => passed += zeros,
                    Zeros::Unclear => drop(feed.more()),
                    Zeros::None => match memchr(b'\n', feed.bytes()) {
                        Some(end) => {
                            lines.push(String::from_utf8(feed.bytes()[..end].to_vec()).unwrap());
                            feed.consume(end + 1);
                        }
                        None if feed.more() == More::End => break,
                        None => {}
                    },
                }
            }
            assert_eq!(lines, ["a,b", "1,\0", "2,c", "\0\0x", "3,d"], "{size}");
            assert_eq!((passed, feed.take_used()), (38 + 20, text.len() as u64), "{size}");
        }
    }

    /// As a decoder has it that waits for no line end before it uses up what is not wanted.
    #[test]
    fn a_hole_ends_a_line_that_has_been_used_up_and_a_hole_is_over_with_the_next_byte() {
        let text = [b"# a", vec![0; 40].as_slice(), b"b\n", &[0; 30], b"c\n\0d\n"].concat();
        for size in 1..=text.len() {
            let mut feed = InputBuffer::new(Box::new(Script::cut(&text, size)));
            let (mut lines, mut passed, mut line_start) = (vec![String::new()], 0, true);
            loop {
                if line_start && let Zeros::Hole(zeros) = feed.pass_hole(false) {
                    passed += zeros;
                    continue;
                }
                let Some(&byte) = feed.bytes().first() else {
                    if feed.more() == More::End {
                        break;
                    }
                    continue;
                };
                feed.consume(1);
                line_start = byte == b'\n';
                match line_start {
                    true => lines.push(String::new()),
                    false => lines.last_mut().unwrap().push(char::from(byte)),
                }
            }
            assert_eq!(lines, ["# a\0", "b", "c", "\0d", ""], "{size}");
            assert_eq!(passed, 38 + 30, "{size}");
        }
    }

    #[test]
    fn unpaired_surrogates_and_odd_bytes_are_no_utf8() {
        let (bytes, _) = drain(Script::cut(b"\xFF\xFE\x00\xD8a\x00", 2));
        assert_eq!(bytes, b"\xED\xA0\x80a");
        let (bytes, _) = drain(Script::cut(b"\xFF\xFEa\x00\x00", 3));
        assert_eq!(bytes, b"a\xFF");
        let (bytes, _) = drain(Script::cut(b"\xEF\xBB", 1));
        assert_eq!(bytes, b"\xEF\xBB");
    }
}
