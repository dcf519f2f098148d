//! Dead letters as messages of a broker: a message is a record, as it stands in a file, with headers that say why its
//! rows failed and where they come from.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::letter::{Letter, fields};
use super::lines::Lines;

/// Most bytes of a header; the record has all of it.
const MOST_HEADER: usize = 512;

/// Most bytes of all headers of a message, about.
pub(super) const HEADERS: usize = 8 * (MOST_HEADER + 32);

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    /// Names and values.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The record, without the end of its line.
    pub(super) body: Vec<u8>,
}

/// Messages of records that stand in lines. A record of several rows that has more than `most` bytes is sent as several
/// of fewer rows.
pub(super) fn outgoing(lines: &[u8], most: usize) -> Vec<Outgoing> {
    let mut all = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let text = std::str::from_utf8(line).ok();
        match text.filter(|text| text.len() > most).map(|text| divided(text, most)) {
            Some(parts) => all.extend(parts.into_iter().map(|part| one(part.into_bytes()))),
            None => all.push(one(line.to_vec())),
        }
    }
    all
}

fn one(body: Vec<u8>) -> Outgoing {
    Outgoing { headers: headers(&body), body }
}

/// What a record says of itself; nothing of a line that is none.
fn headers(body: &[u8]) -> Vec<(&'static str, String)> {
    let mut lines = Lines::new(body);
    let Ok(Some(line)) = lines.next() else { return Vec::new() };
    let Ok(letter) = Letter::read(&line) else { return Vec::new() };
    let meta = &letter.meta;
    let known = [
        ("mds-code", meta.code.as_deref()),
        ("mds-reason", Some(&*letter.error)),
        ("mds-stage", meta.stage.as_deref()),
        ("mds-column", meta.column.as_deref()),
        ("mds-source", meta.source.as_deref()),
        ("mds-run", meta.run_id.as_deref()),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some((name, header(value?))));
    let rows = [("mds-row", letter.row_number(0).to_string()), ("mds-rows", letter.rows().to_string())];
    known.chain(rows).collect()
}

/// A text as a header may have it: on one line, and not long.
fn header(text: &str) -> String {
    let end = (0..=MOST_HEADER.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A record as several, each with a part of its rows and all else that it says. One of a single row stays whole.
fn divided(text: &str, most: usize) -> Vec<String> {
    let halves = || {
        let record: &RawValue = serde_json::from_str(text).ok()?;
        let top = fields(record);
        let of_rows = top.iter().find(|(name, _)| name == "metadata").map(|(_, value)| fields(value))?;
        let rows: Vec<&RawValue> =
            of_rows.iter().find(|(name, _)| name == "rows").and_then(|(_, value)| list(value))?;
        let half = rows.len() / 2;
        let part = |from: usize, to: usize| {
            let metadata = object(&of_rows, |name, value| match name {
                "rows" | "raw" | "raw_hex" => slice(value, rows.len(), from, to),
                _ => Cow::Borrowed(value.get()),
            });
            object(&top, |name, value| match name {
                "metadata" => Cow::Borrowed(&metadata),
                "items" => slice(value, rows.len(), from, to),
                _ => Cow::Borrowed(value.get()),
            })
        };
        (half > 0).then(|| [part(0, half), part(half, rows.len())])
    };
    match halves().filter(|_| text.len() > most) {
        Some(halves) => halves.iter().flat_map(|half| divided(half, most)).collect(),
        None => vec![text.to_owned()],
    }
}

fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// The part of a list that has an element for each row; anything else as it is.
fn slice(value: &RawValue, rows: usize, from: usize, to: usize) -> Cow<'_, str> {
    match list(value).filter(|all| all.len() == rows) {
        Some(all) => {
            let some: Vec<&str> = all.get(from..to).unwrap_or_default().iter().map(|one| one.get()).collect();
            Cow::Owned(format!("[{}]", some.join(",")))
        }
        None => Cow::Borrowed(value.get()),
    }
}

fn object<'v>(
    fields: &[(Cow<'_, str>, &'v RawValue)],
    value: impl Fn(&str, &'v RawValue) -> Cow<'v, str>,
) -> String {
    let mut text = String::from("{");
    for (place, (name, raw)) in fields.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        // Writing into a text cannot fail.
        let _ = write!(text, "{comma}{}:{}", serde_json::Value::from(&**name), value(name, raw));
    }
    text + "}"
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"ts":1.5,"error":"x\ny","metadata":{"id":"0190a1b2-0000-7000-8000-000000000000","code":"22003","stage":"write","source":"a.csv","rows":[7,8,9],"run_id":"r"},"items":[{"a":1.10},{"a":2},{"a":"ü"}]}"#;

    #[test]
    fn a_record_says_why_and_where_in_its_headers() {
        let all = outgoing(format!("{RECORD}\nno record\n").as_bytes(), 1 << 20);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].body, RECORD.as_bytes());
        let headers: Vec<_> = all[0].headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected =
            "mds-code=22003 mds-reason=x y mds-stage=write mds-source=a.csv mds-run=r mds-row=7 mds-rows=3";
        assert_eq!(headers.join(" "), expected);
        assert_eq!((&*all[1].body, all[1].headers.len()), (&b"no record"[..], 0));
        assert_eq!(header(&"ü".repeat(400)).len(), 512);
    }

    #[test]
    fn a_record_that_is_too_large_goes_in_parts_of_fewer_rows() {
        let parts = outgoing(RECORD.as_bytes(), 10);
        let bodies: Vec<&str> = parts.iter().map(|part| std::str::from_utf8(&part.body).unwrap()).collect();
        let of = |row: u64, item: &str| {
            RECORD
                .replace("[7,8,9]", &format!("[{row}]"))
                .replace(r#"[{"a":1.10},{"a":2},{"a":"ü"}]"#, &format!("[{item}]"))
        };
        assert_eq!(bodies, [of(7, r#"{"a":1.10}"#), of(8, r#"{"a":2}"#), of(9, r#"{"a":"ü"}"#)]);
        let raw = r#"{"error":"e","metadata":{"rows":[1,2],"raw":["a,b","c"]},"items":[]}"#;
        let parts = outgoing(raw.as_bytes(), 60);
        let first = r#"{"error":"e","metadata":{"rows":[1],"raw":["a,b"]},"items":[]}"#;
        assert_eq!((parts.len(), std::str::from_utf8(&parts[0].body).unwrap()), (2, first));
    }
}
