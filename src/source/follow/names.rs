//! Content without a header in a file whose earlier content had one: a writer that goes on with its rows after
//! the file was copied and truncated, or renamed, under it.

use crate::dataset::shape;

/// Longest header that is kept, in bytes.
pub(super) const MOST: usize = 64 << 10;

/// Whether these lines are rows under a header with those names: `None` where no line says something yet.
///
/// Rows have a number or a time in them and none of the names; a first line that is cut off may have less.
pub(super) fn are_rows(lines: &[u8], delimiter: u8, names: &[impl AsRef<str>]) -> Option<bool> {
    let mut said = lines.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let first = fields(said.next()?, delimiter);
    let second = said.next().map(|line| fields(line, delimiter)).unwrap_or_default();
    let named = |field: &String| {
        names.iter().any(|name| !field.is_empty() && field.trim().eq_ignore_ascii_case(name.as_ref()))
    };
    let values = |fields: &[String]| fields.iter().any(|field| shape::is_value(field));
    if first.iter().any(named) || second.iter().any(named) {
        return Some(false);
    }
    let fits = |fields: &[String]| fields.len() == names.len();
    Some(fits(&first) && values(&first) || !fits(&first) && fits(&second) && values(&second))
}

/// The fields of the line, without the blanks around them; none where it says nothing.
fn fields(line: &[u8], delimiter: u8) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).delimiter(delimiter).trim(csv::Trim::Fields);
    let record = reader.from_reader(line).into_byte_records().next();
    let fields = record.and_then(Result::ok).unwrap_or_default();
    fields.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_from_a_header() {
        let names = ["id", "v", "at"];
        for (lines, expected) in [
            ("4,d,2024-01-02\n", Some(true)),
            ("\n\"4\",d,\n", Some(true)),
            ("id,v,at\n1,b,2\n", Some(false)),
            ("at,ID,other\n", Some(false)),
            ("a,b,c\n", Some(false)),
            ("-02\n5,e,2024-01-03\n", Some(true)),
            ("note\nid,v,at\n", Some(false)),
            ("x,y\n1,2\n", Some(false)),
            ("\n", None),
        ] {
            assert_eq!(are_rows(lines.as_bytes(), b',', &names), expected, "{lines:?}");
        }
    }
}
