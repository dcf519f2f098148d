//! Where a file can be divided, so that the rows of each part are those that reading all of it gives.

use super::{CsvDecoder, Step};
use crate::decode::csv::record::Splitter;
use crate::decode::input_buffer::{Ending, InputBuffer};
use crate::decode::{Chunks, DecodeError, Mark, Passed};

/// Rows of which one has to fit the header; else it is perhaps the header that is wrong.
const JUDGED: u64 = 100;

impl CsvDecoder {
    /// Reads all rows as they are read otherwise, and only counts them: what is between two of them is between
    /// two of them, whatever quotes there are.
    ///
    /// A quote that is not closed makes the reader look for its end in the lines behind it, at a cost that is bounded
    /// for all of the input. Where there is one the file is not divided.
    pub(super) fn find_marks(&mut self, each: u64) -> Result<Vec<Mark>, DecodeError> {
        // Without a header the first row has been read for its width, and has to be the first of all.
        let readable = self.feed.position().is_some() && !self.done && self.objection.is_none();
        if !readable
            || self.pending.last_row() > 1
            || self.pending.last_row() == 1 && !self.pending.has_rows()
        {
            return Ok(Vec::new());
        }
        let shorter = self.width_rule.shorter;
        let mut last = Mark { at: self.first.0, rows: 0, loose: shorter, filled: false };
        let (mut marks, mut fits) = (vec![last], self.pending.has_rows());
        self.pending.begin_behind(self.pending.last_row());
        self.counts = true;
        loop {
            match self.step()? {
                Step::Row => {}
                Step::Idle => continue,
                Step::End => break,
            }
            let rows = self.pending.last_row();
            fits |= self.pending.has_rows();
            self.pending.forget();
            if !self.splitter.is_sure() || !fits && rows >= JUDGED {
                return Ok(Vec::new());
            }
            let here = self.feed.position().filter(|at| *at >= last.at.saturating_add(each));
            if let Some(at) = here.filter(|_| fits && !self.skipping && self.feed.goes_on()) {
                last = Mark { at, rows, loose: self.splitter.loose, filled: self.width_rule.filled };
                marks.push(last);
            }
        }
        if let Some(failure) = self.feed.take_failure(self.pending.last_row()) {
            return Err(failure);
        }
        if marks.len() > 1 && last.rows == self.pending.last_row() {
            // Nothing but blank lines and comments comes behind it.
            marks.pop();
        }
        match self.feed.position().filter(|_| self.feed.ending() == Ending::Whole && fits) {
            Some(at) => marks.push(Mark { at, rows: self.pending.last_row(), ..last }),
            None => marks.clear(),
        }
        Ok(marks)
    }

    /// Goes on with those bytes, which stand behind that place.
    pub(super) fn begin_at(&mut self, from: Mark, chunks: Box<dyn Chunks>) {
        let mut splitter = Splitter::new(self.splitter.delimiter());
        splitter.shorter = self.width_rule.shorter;
        splitter.loose = from.loose;
        self.splitter = splitter;
        self.feed = InputBuffer::behind_others(chunks);
        self.width_rule.filled = from.filled;
        self.passed = if from.rows == 0 { self.first.1.clone() } else { Passed::default() };
        self.blank = 0;
        self.pending.begin_behind(from.rows);
        (self.counts, self.skipping, self.done, self.long) = (false, false, false, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::test_util::{Heard, Script};
    use crate::decode::{CsvOptions, Decoder as _};

    fn opened(text: &[u8], chunk: usize, options: &CsvOptions) -> Option<CsvDecoder> {
        CsvDecoder::open(Box::new(Script::cut(text, chunk)), options.clone()).ok()
    }

    fn marks_of(text: &[u8], each: u64, chunk: usize, options: &CsvOptions) -> Vec<Mark> {
        let marks = opened(text, chunk, options).and_then(|mut decoder| decoder.marks(each).ok());
        marks.unwrap_or_default()
    }

    /// The rows of all parts between two places, one part behind the other.
    fn in_parts(text: &[u8], marks: &[Mark], chunk: usize, options: &CsvOptions) -> Heard {
        let mut all = Heard::default();
        for pair in marks.windows(2) {
            let mut decoder = opened(text, chunk, options).unwrap();
            // Whoever loads it has learned from the first rows before.
            let _ = decoder.next_batch();
            let bytes = &text[pair[0].at as usize..pair[1].at as usize];
            decoder.go_on(pair[0], Box::new(Script::cut(bytes, chunk))).unwrap();
            let heard = Heard::of(&mut decoder);
            assert_eq!(heard.error, None);
            all.rows.extend(heard.rows);
            all.broken.extend(heard.broken);
        }
        all
    }

    /// How many places there are, once the rows between them are those of the whole.
    fn checked(text: &[u8], each: u64, chunk: usize, options: &CsvOptions) -> usize {
        let marks = marks_of(text, each, chunk, options);
        if marks.is_empty() {
            return 0;
        }
        let whole = Heard::of(&mut opened(text, chunk, options).unwrap());
        let parts = in_parts(text, &marks, chunk, options);
        let told = || format!("{each} {chunk} {marks:?} {:?}", String::from_utf8_lossy(text));
        assert_eq!(whole.error, None, "{}", told());
        assert_eq!((&parts.rows, &parts.broken), (&whole.rows, &whole.broken), "{}", told());
        marks.len()
    }

    #[test]
    fn parts_have_the_rows_of_the_whole() {
        let plain = CsvOptions::default();
        let rows = |of: &dyn Fn(u64) -> String| (0..60).map(of).collect::<String>();
        let text = "a,b,c\n".to_owned() + &rows(&|n| format!("{n},x{n},{}\n", n * n));
        assert!(checked(text.as_bytes(), 1, 100, &plain) > 50);
        assert!(checked(text.as_bytes(), 50, 7, &plain) > 8);
        // One row a part, where the next byte has come.
        assert_eq!(checked(text.trim_end().as_bytes(), 1, 10_000, &plain), 61);
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(checked(crlf.as_bytes(), 1, 10_000, &plain), 61);
        let marked = format!("\u{feff}{text}");
        let marks = marks_of(marked.as_bytes(), 1, 10_000, &plain);
        assert_eq!((marks[0].at, marks[60].at), (9, marked.len() as u64));
        checked(marked.as_bytes(), 1, 10_000, &plain);
        // A row may run over line ends, and lines in it look like rows.
        let quoted = "a,b,c\n".to_owned() + &rows(&|n| format!("{n},\"x\n1,2,3\n\"\"{n}\"\"\r\n\",{n}\n"));
        assert_eq!(checked(quoted.as_bytes(), 1, 10_000, &plain), 61);
        // What is passed over between rows has no number.
        let torn = "a,b,c\n".to_owned()
            + &rows(&|n| format!("{n},x,y\n\n{}", ["a,b,c\n", "1,2\n", ""][n as usize % 3]));
        assert!(checked(torn.as_bytes(), 1, 10_000, &plain) > 61);
        // A field too many fits until one has a value.
        let longer = "a,b,c\n".to_owned()
            + &rows(&|n| {
                let text = if n == 0 { "y" } else { "\"y\nz\"" };
                format!("{n},x,{text},{}\n", if n % 20 == 13 { "v" } else { "" })
            });
        assert!(checked(longer.as_bytes(), 1, 10_000, &plain) > 50);
        let marks = marks_of(longer.as_bytes(), 1, 10_000, &plain);
        assert!(marks.iter().any(|mark| mark.loose && !mark.filled) && marks.iter().any(|mark| mark.filled));
        let shorter =
            "a,b,\n".to_owned() + &rows(&|n| format!("{n},x{}\n", if n % 2 == 0 { "," } else { "" }));
        assert_eq!(checked(shorter.as_bytes(), 1, 10_000, &plain), 61);
        let headless = CsvOptions { header: false, ..plain.clone() };
        // The first row has been read for its width.
        assert_eq!(checked(&text.as_bytes()[6..], 1, 10_000, &headless), 60);
        let comments = CsvOptions { comment: Some("//".into()), ..plain.clone() };
        let commented = "// x\na,b,c\n".to_owned() + &rows(&|n| format!("{n},x,y\n// \"{n}\n"));
        assert_eq!(checked(commented.as_bytes(), 1, 10_000, &comments), 61);
        let several = CsvOptions { header_lines: 2, skip_lines: 1, ..plain };
        let below = "to \"skip\na,b,c\n1,,\n".to_owned() + &rows(&|n| format!("{n},x,y\n"));
        assert_eq!(checked(below.as_bytes(), 1, 10_000, &several), 61);
    }

    #[test]
    fn what_has_to_be_read_from_its_start_has_no_places() {
        let plain = CsvOptions::default();
        let rows = || (0..60).map(|n| format!("{n},x,y\n")).collect::<String>();
        let none = |text: &[u8]| {
            assert_eq!(marks_of(text, 1, 10_000, &plain), [], "{}", String::from_utf8_lossy(text))
        };
        // A stray quote is looked for in the lines behind it.
        none(("a,b,c\n".to_owned() + &rows() + "1,\"x,y\n" + &rows()).as_bytes());
        let utf16: Vec<u8> = std::iter::once(0xFEFF)
            .chain(("a,b,c\n".to_owned() + &rows()).encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        none(&utf16);
        // No row fits the header.
        none(("a,b\n".to_owned() + &rows() + &rows()).as_bytes());
        none(b"a,b\n");
    }

    /// Whatever stands there: a part begins and ends where a row does.
    #[test]
    fn any_text_is_divided_between_its_rows_or_not_at_all() {
        const PIECES: [&[u8]; 16] = [
            b"a",
            b"1",
            b",",
            b",",
            b"\n",
            b"\n",
            b"\r\n",
            b"\"",
            b"\"\"",
            b"\",\"",
            b"\n\"x\ny\",",
            b"x,y\n",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"\xEF\xBB\xBF",
            b"\xC3",
            b"# c\n",
        ];
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut divided = 0;
        for round in 0..8_000 {
            let mut text = [&b"a,b\n"[..], b"", b"a,\n", b"\xEF\xBB\xBFa,b\n1,2\n"][next(4)].to_vec();
            (0..next(30)).for_each(|_| text.extend(PIECES[next(PIECES.len())]));
            let options = CsvOptions {
                header: round % 3 != 0,
                comment: (round % 5 == 0).then(|| "#".into()),
                ..CsvOptions::default()
            };
            divided += usize::from(checked(&text, 1 + next(6) as u64, 1 + next(40), &options) > 2);
        }
        assert!(divided > 400, "{divided}");
    }
}
