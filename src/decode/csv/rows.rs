//! Records into columns: which fit the header, which repeat it, and what is told of the rest.

use std::sync::Arc;

use memchr::memmem;

use crate::decode::batch_builder::BatchBuilder;
use crate::decode::csv::header;
use crate::decode::csv::record::{MAX_COLUMNS, Span, Splitter};
use crate::decode::{DecodeError, Passed};

/// Which rows fit that are one field longer or shorter than they should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct WidthRule {
    /// Whether a row had a value in the field that is too many: then such fields are not always empty, and a
    /// row that has one may be any row.
    pub(super) filled: bool,
    /// Whether the header ends in a name that is empty, so that rows may end before that field.
    pub(super) shorter: bool,
}

/// The way of a record into the columns; the feed is borrowed meanwhile.
pub(super) struct Rows<'a> {
    pub(super) splitter: &'a mut Splitter,
    pub(super) width: &'a mut Option<usize>,
    pub(super) rule: &'a mut WidthRule,
    pub(super) passed: &'a mut Passed,
    pub(super) header: bool,
    /// Whether rows are counted, and their fields left where they are.
    pub(super) counts: bool,
    pub(super) pending: &'a mut BatchBuilder,
    pub(super) unquoted: &'a mut Vec<u8>,
}

impl Rows<'_> {
    /// Whether a row of another width is one that fits all the same.
    pub(super) fn fits(&mut self, record: &[u8], count: usize, width: usize) -> bool {
        if self.rule.shorter && count + 1 == width {
            self.passed.shorter += 1;
            return true;
        }
        if count != width + 1 || self.rule.filled {
            return false;
        }
        let line = header::trimmed(record);
        let last = line.rsplit(|byte| *byte == self.splitter.delimiter()).next().unwrap_or_default();
        if !matches!(last.trim_ascii(), b"" | b"\"\"") {
            self.rule.filled = true;
            return false;
        }
        self.splitter.loose = true;
        self.passed.longer += 1;
        true
    }

    pub(super) fn take(mut self, record: &[u8]) -> Result<(), DecodeError> {
        let count = self.splitter.fields();
        let width = match *self.width {
            Some(width) => width,
            None if count > MAX_COLUMNS => {
                let text = format!("its first row has {count} fields, at most {MAX_COLUMNS} can be read");
                return Err(DecodeError::Corrupt(text));
            }
            None => {
                // Without a header the first row fixes the width.
                let names: Vec<Arc<str>> = (1..=count).map(|n| n.to_string().into()).collect();
                self.pending.widen(&names);
                *self.width.insert(count)
            }
        };
        if count != width && !self.fits(record, count, width) {
            let fields = if count == 1 { "field" } else { "fields" };
            let whose = if self.header { "the header" } else { "the first row" };
            let message = format!("the row has {count} {fields}, {whose} {width}");
            self.pending.broken(record, "bad_width", message);
            return Ok(());
        }
        if self.counts {
            self.pending.count();
            return Ok(());
        }
        if std::str::from_utf8(record).is_err() {
            self.pending.broken(record, "bad_utf8", "the row is not valid UTF-8");
            return Ok(());
        }
        let row = self.pending.row();
        if count < width
            && let Some(column) = row.last_mut()
        {
            column.append_null();
        }
        for (column, span) in row.iter_mut().zip(self.splitter.spans()) {
            let (start, end) = (span.start as usize, span.end as usize);
            if span.doubled {
                self.unquoted.clear();
                let mut rest = record.get(start..end).unwrap_or_default();
                while let Some(at) = memmem::find(rest, b"\"\"") {
                    self.unquoted.extend_from_slice(rest.get(..=at).unwrap_or_default());
                    rest = rest.get(at + 2..).unwrap_or_default();
                }
                self.unquoted.extend_from_slice(rest);
                column.append(self.unquoted);
            } else if !span.quoted && (start == end || record.get(start..end) == Some(b"\\N")) {
                column.append_null();
            } else {
                column.append_part(record, start, end);
            }
        }
        Ok(())
    }
}

/// What counts a record that is the header once more, in whatever writing, behind a byte order mark where
/// files were joined, or the line before the header that names the delimiter.
pub(super) fn repeated<'p>(
    record: &[u8],
    (names, separator): (&[u8], &[u8]),
    delimiter: u8,
    passed: &'p mut Passed,
) -> Option<&'p mut u64> {
    let line = header::trimmed(record);
    match line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) {
        [] => None,
        _ if names.is_empty() && separator.is_empty() => None,
        line if line == names => Some(&mut passed.headers),
        line if line == separator => Some(&mut passed.separators),
        // Nearly every row differs in its first byte.
        line if !names.is_empty() && header::is_again(line, names, delimiter) => Some(&mut passed.headers),
        _ => None,
    }
}

/// The text of a field. Fields end at ASCII characters, so the places are character boundaries.
#[inline]
pub(super) fn field(text: &str, span: Span) -> &str {
    text.get(span.start as usize..span.end as usize).unwrap_or_default()
}
