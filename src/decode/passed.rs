//! Lines of a text that are not rows, and what was overlooked in rows: counted, so that it can be said.

use std::collections::BTreeMap;

/// Longest piece of a comment that is kept.
const MOST_COMMENT: usize = 80;

/// What was passed over in an input so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Comment lines: those that begin with `#` before a header, or anywhere with what the user says.
    pub comments: u64,
    /// The beginning of the first of them.
    pub comment: Option<String>,
    /// Blank lines with rows behind them.
    pub blank: u64,
    /// Lines that are the header once more.
    pub headers: u64,
    /// Lines that tell a spreadsheet the delimiter.
    pub separators: u64,
    /// Rows that end in an empty field which the header has no name for.
    pub longer: u64,
    /// Rows that end before the last field, for which the header has no name.
    pub shorter: u64,
    /// Zero bytes of holes.
    pub zeros: u64,
    /// Values of fields that nothing loads, where there are too many such fields to keep them.
    pub fields: u64,
    /// Rows that columns would have become, and that have no value of their own.
    pub groups: u64,
    /// Columns that have no place in rows that columns become.
    pub left: Vec<String>,
    /// Values that have no parts, where a part of them is to be a column.
    pub partless: u64,
    /// The first of those: the way to the part, and the value.
    pub whole: Option<(String, String)>,
    /// The name of the first of those fields.
    pub field: Option<String>,
    /// What a layout says of rows and values: a word for what was counted, and the rest of a sentence.
    pub counted: BTreeMap<(&'static str, String), u64>,
}

impl Passed {
    /// Counts a comment.
    pub(super) fn comment(&mut self, line: &[u8]) {
        self.comments += 1;
        if self.comment.is_none() {
            let text =
                String::from_utf8_lossy(line.get(..line.len().min(4 * MOST_COMMENT)).unwrap_or_default());
            self.comment = Some(text.trim_end().chars().take(MOST_COMMENT).collect());
        }
    }

    /// Adds what another input had.
    pub fn add(&mut self, more: &Self) {
        self.comments += more.comments;
        if self.comment.is_none() {
            self.comment.clone_from(&more.comment);
        }
        self.blank += more.blank;
        self.headers += more.headers;
        self.separators += more.separators;
        self.longer += more.longer;
        self.shorter += more.shorter;
        self.zeros += more.zeros;
        self.fields += more.fields;
        self.groups += more.groups;
        self.partless += more.partless;
        if self.whole.is_none() {
            self.whole.clone_from(&more.whole);
        }
        for name in &more.left {
            if !self.left.contains(name) {
                self.left.push(name.clone());
            }
        }
        for (what, count) in &more.counted {
            *self.counted.entry(what.clone()).or_default() += count;
        }
        if self.field.is_none() {
            self.field.clone_from(&more.field);
        }
    }
}
