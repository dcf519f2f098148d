//! A row as one JSON object, numbers exact: the `items` of a dead letter.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};

use crate::dataset::number::Numbers;
use crate::dataset::text::Texts;
use crate::dataset::time::{write_date, write_rfc3339};

/// The row under the names of its columns.
pub fn to_json(columns: &RecordBatch, row: usize) -> String {
    let mut out = String::with_capacity(32 * columns.num_columns());
    out.push('{');
    for (field, column) in columns.schema_ref().fields().iter().zip(columns.columns()) {
        begin_field(&mut out, field.name());
        write_value(column, row, &mut out);
    }
    out.push('}');
    out
}

/// Writes `"name":` with the comma before it.
pub fn begin_field(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    write_text(name, out);
    out.push(':');
}

/// Writes a JSON string.
pub fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let code = c as u32;
                out.push_str("\\u00");
                out.extend([code >> 4, code & 15].map(|d| char::from_digit(d, 16).unwrap_or('0')));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Writes one value of a column as JSON: numbers as numbers, times as RFC 3339 texts.
pub fn write_value(column: &ArrayRef, row: usize, out: &mut String) {
    if column.is_null(row) {
        return out.push_str("null");
    }
    if let Some(texts) = Texts::of(column) {
        return match texts.get(row) {
            Some(text) => write_text(text, out),
            None => out.push_str("null"),
        };
    }
    if let Some(numbers) = Numbers::of(column) {
        return match numbers.get(row) {
            Some(number) => number.write(out),
            None => out.push_str("null"),
        };
    }
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            out.push('"');
            write_rfc3339(column.as_primitive::<TimestampNanosecondType>().value(row), out);
            out.push('"');
        }
        DataType::Date32 => {
            out.push('"');
            write_date(column.as_primitive::<Date32Type>().value(row), out);
            out.push('"');
        }
        DataType::Boolean => out.push_str(if column.as_boolean().value(row) { "true" } else { "false" }),
        _ => out.push_str("null"),
    }
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
    fn control_characters_are_escaped() {
        let mut out = String::new();
        write_text("a\"b\\c\u{1}\n", &mut out);
        assert_eq!(out, r#""a\"b\\c\u0001\n""#);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"b\\c\u{1}\n");
    }
}
