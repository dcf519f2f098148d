//! JSON arrays as PostgreSQL's array literals: `[[1,2],[3,null]]` as `{{"1","2"},{"3",NULL}}`.
//!
//! For arrays whose elements the server reads: of numbers, enums, times, and so on. Every element is
//! quoted, so that nothing in it counts but its own text.

use std::fmt;

use serde::Deserializer;
use serde::de::{Deserialize, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::refusal::Refusal;

/// Dimensions of an array at most, as the server has it.
const DIMENSIONS: u32 = 6;

/// Appends the literal with its length before it, if the text is a JSON array; whether it is. Text with
/// bounds, like `[0:1]={1,2}`, is none.
pub(in crate::sink::postgres) fn put_literal(text: &str, out: &mut Out) -> Result<bool, Refusal> {
    let trimmed = text.trim_ascii();
    if !trimmed.starts_with('[') {
        return Ok(false);
    }
    let start = out.len();
    out.put_i32(0);
    let mut reader = serde_json::Deserializer::from_str(trimmed);
    let read = reader.deserialize_seq(Elements { out, depth: 1 }).and_then(|()| reader.end());
    if read.is_err() {
        out.truncate(start);
        return Ok(false);
    }
    if memchr::memchr(0, out.written().get(start + 4..).unwrap_or_default()).is_some() {
        return Err(Refusal::ZeroByte);
    }
    let length = i32::try_from(out.len() - start - 4).map_err(|_| Refusal::TooLong)?;
    out.set_i32(start, length);
    Ok(true)
}

/// Writes the elements of an array as it meets them.
struct Elements<'a> {
    out: &'a mut Out,
    depth: u32,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { out, depth } = self;
        out.put_u8(b'{');
        let mut first = true;
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            if !std::mem::take(&mut first) {
                out.put_u8(b',');
            }
            let json = raw.get();
            match json.as_bytes().first() {
                Some(b'n') => out.put_slice(b"NULL"),
                Some(b'[') if depth < DIMENSIONS => {
                    let mut reader = serde_json::Deserializer::from_str(json);
                    let nested = Elements { out: &mut *out, depth: depth + 1 };
                    reader.deserialize_seq(nested).map_err(serde::de::Error::custom)?;
                }
                Some(b'"') => {
                    let mut reader = serde_json::Deserializer::from_str(json);
                    let text = String::deserialize(&mut reader).map_err(serde::de::Error::custom)?;
                    put_quoted(&text, out);
                }
                _ => put_quoted(json, out),
            }
        }
        out.put_u8(b'}');
        Ok(())
    }
}

fn put_quoted(text: &str, out: &mut Out) {
    out.put_u8(b'"');
    for piece in text.as_bytes().split_inclusive(|byte| matches!(byte, b'"' | b'\\')) {
        match piece.split_last() {
            Some((special @ (b'"' | b'\\'), before)) => {
                out.put_slice(before);
                out.put_slice(&[b'\\', *special]);
            }
            _ => out.put_slice(piece),
        }
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Option<String> {
        let mut out = Out::small();
        put_literal(text, &mut out).unwrap().then(|| {
            let written = out.written();
            assert_eq!(i32::from_be_bytes(written[..4].try_into().unwrap()) as usize, written.len() - 4);
            String::from_utf8(written[4..].to_vec()).unwrap()
        })
    }

    #[test]
    fn json_arrays_become_literals_and_nothing_else_does() {
        for (json, expected) in [
            ("[]", "{}"),
            (" [1, -2.50, 1e3, null, true] ", r#"{"1","-2.50","1e3",NULL,"true"}"#),
            ("[[1,2],[3,null]]", r#"{{"1","2"},{"3",NULL}}"#),
            (r#"["a\"b\\c,}", "", "NULL", "ü"]"#, r#"{"a\"b\\c,}","","NULL","ü"}"#),
            (r#"[{"x":[1]}]"#, r#"{"{\"x\":[1]}"}"#),
        ] {
            assert_eq!(literal(json).as_deref(), Some(expected), "{json}");
        }
        for text in ["{1,2}", "[0:1]={1,2}", "", "[", "[1", "[1,]", "nope", "1"] {
            assert_eq!(literal(text), None, "{text}");
        }
        assert_eq!(put_literal(r#"["a\u0000"]"#, &mut Out::small()), Err(Refusal::ZeroByte));
    }
}
