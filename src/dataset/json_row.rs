//! A row as one JSON object, numbers exact: the `items` of a dead letter.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use serde_json::value::RawValue;

use crate::batch::{Batch, Reason, Reject, RejectedData, Stage};
use crate::dataset::json_text::{is_marked, is_too_deep, json_texts};
use crate::model::value;
pub use crate::model::value::write_text;
use crate::model::values::Numbers;

/// What a field of Arrow is marked with whose texts are JSON, as Arrow's own extension type has it.
const EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");

/// The dead letter of that row of a batch, counted from 0, as it was understood, at its first failure.
pub fn reject_of(batch: &Batch, row: usize, stage: Stage, reason: Arc<Reason>) -> Reject {
    Reject {
        stage,
        reason,
        origin: batch.origin.clone(),
        row: batch.rows[row],
        remains: RejectedData::Item(to_json(&batch.columns, row)),
        reading: Some(batch.reading()),
        attempts: 1,
    }
}

/// A row that was understood, under the names of its columns.
pub fn to_json(columns: &RecordBatch, row: usize) -> String {
    let write =
        |field: &Field, column: &ArrayRef, out: &mut String| write_understood(field, column, row, out);
    object(columns, write)
}

/// A row as the input gave it, under the names of the input.
pub fn of_source(columns: &RecordBatch, row: usize) -> String {
    object(columns, |_, column, out| write_value(column, row, out))
}

/// Rows of a JSON input with their values as JSON texts, marked as such, so that [`to_json`] writes each
/// as it came; `None` where the input is another one.
pub fn typed(columns: &RecordBatch) -> Option<RecordBatch> {
    let schema = columns.schema_ref();
    if !is_marked(schema) {
        return None;
    }
    let texts = |(field, column): (&Arc<Field>, &ArrayRef)| -> ArrayRef {
        match column.as_string_opt::<i32>() {
            Some(texts) => Arc::new(json_texts(field, texts)),
            None => column.clone(),
        }
    };
    let fields = schema.fields().iter();
    let made = fields.clone().zip(columns.columns()).map(texts).collect();
    let fields: Vec<Field> = fields.map(|field| marked_as_json(field.as_ref().clone())).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), made).ok()
}

fn object(columns: &RecordBatch, write: impl Fn(&Field, &ArrayRef, &mut String)) -> String {
    let mut out = String::with_capacity(32 * columns.num_columns());
    out.push('{');
    for (field, column) in columns.schema_ref().fields().iter().zip(columns.columns()) {
        begin_field(&mut out, field.name());
        write(field, column, &mut out);
    }
    out.push('}');
    out
}

/// The field, marked as one whose texts are JSON.
pub fn marked_as_json(field: Field) -> Field {
    field.with_metadata(HashMap::from([(EXTENSION.0.to_owned(), EXTENSION.1.to_owned())]))
}

/// Writes `"name":` with the comma before it.
pub fn begin_field(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    write_text(name, out);
    out.push(':');
}

/// Writes a value of a column as it is stored: JSON as JSON, numbers of any length as numbers, and no
/// number at all as null.
pub fn write_understood(field: &Field, column: &ArrayRef, row: usize, out: &mut String) {
    let start = out.len();
    match value::write(column, row, out) {
        value::Written::Null => out.push_str("null"),
        value::Written::Word | value::Written::Json => {}
        value::Written::Text => {
            let text = out.split_off(start);
            let as_it_is = match Numbers::of(column) {
                Some(Numbers::Digits(_)) => is_number_everywhere(&text),
                // Not a number, or infinite.
                Some(_) => return out.push_str("null"),
                None => {
                    field.metadata().get(EXTENSION.0).is_some_and(|name| name == EXTENSION.1)
                        && !is_too_deep(&text)
                        && serde_json::from_str::<&RawValue>(&text).is_ok()
                }
            };
            if as_it_is { out.push_str(text.trim()) } else { write_text(&text, out) }
        }
    }
}

/// Writes a value as the input gave it.
pub fn write_value(column: &ArrayRef, row: usize, out: &mut String) {
    value::write_json(column, row, out);
}

/// Whether a text can stand without quotes: a number of JSON that is none for no reader. Most read doubles,
/// and find infinity, or an error, where a number is beyond them.
pub fn is_number_everywhere(text: &str) -> bool {
    is_json_number(text) && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether a text is a number as JSON writes numbers, so that it can stand without quotes.
pub fn is_json_number(text: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let body = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((m, e)) => (m, Some(e.strip_prefix(['+', '-']).unwrap_or(e))),
        None => (body, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((w, f)) => (w, Some(f)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn json_numbers() {
        for text in ["0", "-1.5", "1e9", "1.25E-7", "123456789012345678901234567890.123456789"] {
            assert!(is_json_number(text), "{text}");
        }
        for text in ["", "01", ".5", "5.", "+1", "NaN", "1e", "1 ", "abc", "-", "1.5.2"] {
            assert!(!is_json_number(text), "{text}");
        }
    }

    #[test]
    fn a_number_beyond_doubles_stands_in_quotes() {
        let texts: ArrayRef = Arc::new(arrow::array::LargeStringArray::from(vec!["1e400", "-1e80"]));
        let field = Field::new("n", DataType::LargeUtf8, true);
        let mut out = String::new();
        write_understood(&field, &texts, 0, &mut out);
        write_understood(&field, &texts, 1, &mut out);
        assert_eq!(out, "\"1e400\"-1e80");
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut out = String::new();
        write_text("a\"b\\c\u{1}\n", &mut out);
        assert_eq!(out, r#""a\"b\\c\u0001\n""#);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"b\\c\u{1}\n");
    }
}
