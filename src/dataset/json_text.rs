//! Columns of JSON: what a text of the input is there.
//!
//! A string of a JSON input is a JSON string, whatever it looks like: `"123"` is not a number and `"null"`
//! no null. A text of any other input (CSV, a text column of Parquet) is JSON itself: `123` is a number,
//! and `plain`, which would be a string with quotes around it, is refused.

use std::collections::{HashMap, HashSet};

use arrow::array::StringArray;
use arrow::datatypes::{Field, Schema};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::model::value::write_text;

/// What a schema is marked with whose columns are values of JSON.
const FORMAT: (&str, &str) = ("mdsctl:format", "json");

/// What a field is marked with that has strings which could be taken for something else: all, or the
/// numbers of their rows.
const STRINGS: &str = "mdsctl:strings";

/// All values of the column are strings or null.
const ALL: &str = "all";

/// Whether a text is JSON.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Whether a text could be JSON, by its first byte or by being one of JSON's words.
#[inline]
pub fn looks_like_json(text: &[u8]) -> bool {
    match text.first() {
        Some(b'0'..=b'9' | b'-' | b'{' | b'[' | b'"') => true,
        Some(b't' | b'f' | b'n' | b' ' | b'\t' | b'\n' | b'\r') => {
            let text = text.trim_ascii();
            matches!(text, b"true" | b"false" | b"null")
                || matches!(text.first(), Some(b'0'..=b'9' | b'-' | b'{' | b'[' | b'"'))
        }
        _ => false,
    }
}

/// Depth of JSON to which every reader follows: Python's gives up at a thousand.
const DEEPEST: usize = 900;

/// Whether a text is JSON nested deeper than other readers follow.
pub fn is_too_deep(text: &str) -> bool {
    if text.len() <= 2 * DEEPEST || !text.trim_ascii_start().starts_with(['[', '{']) {
        return false;
    }
    let (mut depth, mut deepest, mut string, mut escaped) = (0usize, 0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            b'[' | b'{' if !string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest > DEEPEST && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Writes a JSON text without the white space between its values, so that the same value is one text however the
/// document was laid out.
pub fn write_compact(json: &str, out: &mut String) {
    let (mut string, mut escaped, mut from) = (false, false, 0);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            b' ' | b'\t' | b'\n' | b'\r' if !string => {
                out.push_str(json.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push_str(json.get(from..).unwrap_or_default());
}

/// The strings of a column of a batch that could be taken for something else.
#[derive(Debug, Default)]
pub struct Strings {
    rows: Vec<u32>,
    others: bool,
}

impl Strings {
    /// A string in that row. One that holds JSON too deep for most readers is that JSON: in dead letters it
    /// is written so.
    #[inline]
    pub fn string(&mut self, row: usize, text: &[u8]) {
        if !looks_like_json(text) {
        } else if std::str::from_utf8(text).is_ok_and(is_too_deep) {
            self.others = true;
        } else {
            self.rows.push(row as u32);
        }
    }

    /// A value that is no string.
    #[inline]
    pub fn other(&mut self) {
        self.others = true;
    }

    /// Marks the field of the column, and begins anew.
    pub fn mark(&mut self, field: Field) -> Field {
        let (rows, others) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.others));
        if rows.is_empty() {
            return field;
        }
        let which = match others {
            false => ALL.to_owned(),
            true => rows.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        };
        field.with_metadata(HashMap::from([(STRINGS.to_owned(), which)]))
    }

    /// Whether the field needs a mark.
    pub fn are_some(&self) -> bool {
        !self.rows.is_empty()
    }
}

/// The schema, marked as one of JSON values.
pub fn marked(schema: Schema) -> Schema {
    schema.with_metadata(HashMap::from([(FORMAT.0.to_owned(), FORMAT.1.to_owned())]))
}

/// Whether columns of the schema are values of JSON.
pub fn is_marked(schema: &Schema) -> bool {
    schema.metadata().get(FORMAT.0).is_some_and(|format| format == FORMAT.1)
}

/// Which texts of a column are strings of their input, where they could be numbers too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StringRows {
    /// All.
    All,
    /// Those in these rows of the batch; the others are JSON numbers, or can be none.
    These(HashSet<usize>),
}

impl StringRows {
    /// Of a column of that schema. Where it is none of JSON values all texts are strings.
    pub fn of(schema: &Schema, column: usize) -> Self {
        match is_marked(schema) {
            true => Self::marked(schema.field(column)),
            false => Self::All,
        }
    }

    fn marked(field: &Field) -> Self {
        match field.metadata().get(STRINGS).map(String::as_str) {
            Some(ALL) => Self::All,
            Some(rows) => Self::These(rows.split(',').filter_map(|row| row.parse().ok()).collect()),
            None => Self::These(HashSet::new()),
        }
    }

    /// Whether the text in that row is one.
    pub fn has(&self, row: usize) -> bool {
        match self {
            Self::All => true,
            Self::These(rows) => rows.contains(&row),
        }
    }
}

/// Values of JSON as JSON texts, of a column of such a schema: strings with their quotes.
pub fn json_texts(field: &Field, column: &StringArray) -> StringArray {
    let strings = StringRows::marked(field);
    let mut out = String::new();
    let text = |(row, text): (usize, Option<&str>)| {
        let text = text?;
        out.clear();
        if strings.has(row) || !looks_like_json(text.as_bytes()) {
            write_text(text, &mut out);
        } else {
            out.push_str(text);
        }
        Some(out.clone())
    };
    column.iter().enumerate().map(text).collect()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn what_is_nested_too_deep_is_told_by_its_brackets() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_too_deep(&nested(2_000)) && !is_too_deep(&nested(100)));
        let flat = format!("[{}\"{}\"]", "[],".repeat(2_000), "[".repeat(2_000));
        assert!(!is_too_deep(&flat));
        let mut strings = Strings::default();
        strings.string(0, nested(2_000).as_bytes());
        assert!(!strings.are_some());
    }

    #[test]
    fn strings_keep_their_quotes_among_other_values() {
        let cells = [("1", true), ("2", false), ("plain", true), ("null", true), ("[1]", false), ("", true)];
        for others in [true, false] {
            let cells: Vec<_> = cells.iter().filter(|(_, string)| others || *string).collect();
            let mut strings = Strings::default();
            for (row, (text, string)) in cells.iter().enumerate() {
                if *string { strings.string(row, text.as_bytes()) } else { strings.other() }
            }
            let field = strings.mark(Field::new("j", DataType::Utf8, true));
            let column = StringArray::from_iter_values(cells.iter().map(|(text, _)| *text));
            let made = json_texts(&field, &column);
            for ((text, string), made) in cells.iter().zip(made.iter().flatten()) {
                let expected = if *string { format!("\"{text}\"") } else { (*text).to_owned() };
                assert_eq!(made, expected, "{others}");
            }
        }
    }
}
