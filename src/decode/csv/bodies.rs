//! Texts of CSV that come one by one, each of whole rows: cut apart before the decoder sees them, so that a quote which one
//! of them leaves open costs no row of the next, and it is known how many rows each has.

use crate::decode::MAX_ROW;
use crate::decode::csv::header::trimmed;
use crate::decode::csv::record::{Found, Splitter};
use crate::decode::csv::rows::repeated;
use crate::decode::resync_budget::NEAR;
use crate::decode::{CsvOptions, Passed};

/// What the first bytes of a text are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'b> {
    /// One row for the decoder, with or without its line end.
    Row(&'b [u8]),
    /// A line that is no row, and why not.
    Broken(&'b [u8], &'static str),
}

/// Cuts texts into rows, by the names of their columns.
pub struct Cutter {
    splitter: Splitter,
    width: usize,
    header: Vec<u8>,
    /// What was passed over so far.
    pub passed: Passed,
}

impl Cutter {
    /// By the names of the columns.
    pub fn new(names: &[String], delimiter: u8) -> Self {
        let mut header = Vec::new();
        for (place, name) in names.iter().enumerate() {
            if place > 0 {
                header.push(delimiter);
            }
            let plain = !name.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r'));
            match plain {
                true => header.extend(name.bytes()),
                false => header.extend(format!("\"{}\"", name.replace('"', "\"\"")).bytes()),
            }
        }
        let splitter = Splitter::new(delimiter);
        Self { splitter, width: names.len(), header, passed: Passed::default() }
    }

    /// The character between the fields of a row.
    pub fn delimiter(&self) -> u8 {
        self.splitter.delimiter()
    }

    /// The header that the rows of all texts follow, for the decoder, and how that is to be opened.
    pub fn header(&self, options: &CsvOptions) -> (Vec<u8>, CsvOptions) {
        let options = CsvOptions {
            delimiter: Some(self.splitter.delimiter()),
            header: true,
            known_header: true,
            sure_header: true,
            columns: None,
            header_lines: 1,
            skip_lines: 0,
            comment: Some("".into()),
            ..options.clone()
        };
        ([&*self.header, b"\n"].concat(), options)
    }

    /// Cuts a text. A header in it is passed over, as are blank lines.
    pub fn cut<'b>(&mut self, text: &'b [u8], mut take: impl FnMut(Piece<'b>)) {
        let mut rest = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        self.splitter.reset();
        while !rest.is_empty() {
            let found = self.splitter.next(rest, true, Some(self.width));
            let length = match found {
                Found::Record(length) | Found::Blank(length) | Found::Bad(length, _) => length.max(1),
                Found::TooLong | Found::Need | Found::End => rest.len(),
            };
            let Some((piece, behind)) = rest.split_at_checked(length) else { break };
            rest = behind;
            let line = trimmed(piece);
            match found {
                Found::Blank(_) => {}
                Found::Record(_) if line.first() == Some(&0) => {
                    take(Piece::Broken(line, "the line begins with zero bytes"));
                }
                Found::Record(_) if line.len() > NEAR && memchr::memchr(b'\n', line).is_some() => {
                    take(Piece::Broken(line, "a row of several lines is longer than 1 MiB"));
                }
                Found::Record(_) => {
                    let delimiter = self.splitter.delimiter();
                    match repeated(piece, (&self.header, &[]), delimiter, &mut self.passed) {
                        Some(count) => *count += 1,
                        None => take(Piece::Row(piece)),
                    }
                }
                Found::Bad(_, why) => take(Piece::Broken(line, why)),
                Found::TooLong | Found::Need | Found::End => {
                    take(Piece::Broken(
                        line.get(..MAX_ROW).unwrap_or(line),
                        "the line is longer than 64 MiB",
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(cutter: &mut Cutter, text: &str) -> Vec<(bool, String)> {
        let mut all = Vec::new();
        cutter.cut(text.as_bytes(), |piece| {
            let (good, bytes) = match piece {
                Piece::Row(bytes) => (true, bytes),
                Piece::Broken(bytes, _) => (false, bytes),
            };
            all.push((good, String::from_utf8_lossy(bytes).into_owned()));
        });
        all
    }

    #[test]
    fn a_text_is_cut_into_rows_whatever_the_one_before_it_left_open() {
        let mut cutter = Cutter::new(&["a".into(), "b \"x\"".into()], b',');
        let (header, options) = cutter.header(&CsvOptions::default());
        assert_eq!(header, b"a,\"b \"\"x\"\"\"\n");
        assert!(options.header && options.known_header && options.columns.is_none());
        let good = |text: &str| (true, text.to_owned());
        let bad = |text: &str| (false, text.to_owned());
        assert_eq!(cut(&mut cutter, "1,2"), [good("1,2")]);
        assert_eq!(cut(&mut cutter, "\u{feff}1,2\r\n\n3,4\n"), [good("1,2\r\n"), good("3,4\n")]);
        assert_eq!(cut(&mut cutter, "1,\"open\n2,x\n"), [bad("1,\"open"), good("2,x\n")]);
        assert_eq!(cut(&mut cutter, "1,\"two\nlines\"\n2,x"), [good("1,\"two\nlines\"\n"), good("2,x")]);
        assert_eq!(cut(&mut cutter, "1,\"x\"y\n2,3"), [bad("1,\"x\"y"), good("2,3")]);
        assert_eq!(cut(&mut cutter, "\0\0\n1,2"), [bad("\0\0"), good("1,2")]);
        // Of another width: the decoder tells that.
        assert_eq!(cut(&mut cutter, "1,2,3"), [good("1,2,3")]);
        assert_eq!(cut(&mut cutter, ""), []);
        assert_eq!(cutter.passed.headers, 0);
        assert_eq!(cut(&mut cutter, "a,\"b \"\"x\"\"\"\n1,2"), [good("1,2")]);
        assert_eq!(cutter.passed.headers, 1);
    }
}
