//! Arrays of text, from an array literal of PostgreSQL (`{a,"b c",NULL}`) or of JSON
//! (`["a","b c",null]`), into the wire form. Elements are written as they are read; nothing is
//! kept in between.

use std::fmt;

use serde::Deserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::refusal::Refusal;

/// The type of an array's elements.
#[derive(Debug, Clone, Copy)]
pub(in crate::sink::postgres) struct Elements {
    /// Its oid.
    pub oid: i32,
    /// Most characters of one.
    pub limit: Option<usize>,
}

/// Appends the array that the text is, its length before it, and says whether the server cuts blanks
/// off an element.
pub(in crate::sink::postgres) fn put_array(
    text: &str,
    elements: Elements,
    out: &mut Out,
) -> Result<bool, Refusal> {
    let start = out.len();
    // Length, dimensions, whether there are nulls, type; length and first index of the dimension.
    for word in [0, 1, 0, elements.oid, 0, 1] {
        out.put_i32(word);
    }
    let mut into = Making { out, elements, count: 0, nulls: false, cut: false };
    let trimmed = text.trim_matches(blank);
    match trimmed.as_bytes() {
        [b'{', ..] => literal(trimmed, &mut into)?,
        [b'[', ..] => json(trimmed, &mut into)?,
        _ => return Err(Refusal::NoArray),
    }
    let (count, nulls, cut) = (into.count, into.nulls, into.cut);
    if count == 0 {
        // An array without elements has no dimensions.
        out.truncate(start + 16);
        out.set_i32(start + 4, 0);
    } else {
        out.set_i32(start + 8, nulls.into());
        out.set_i32(start + 16, count);
    }
    let len = i32::try_from(out.len() - start - 4).map_err(|_| Refusal::TooLong)?;
    out.set_i32(start, len);
    Ok(cut)
}

/// What the server takes for a blank between elements.
fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// An array in the making.
struct Making<'a> {
    out: &'a mut Out,
    elements: Elements,
    count: i32,
    nulls: bool,
    cut: bool,
}

impl Making<'_> {
    fn null(&mut self) {
        self.nulls = true;
        self.count += 1;
        self.out.put_i32(-1);
    }

    /// Begins an element, and says where.
    fn begin(&mut self) -> usize {
        self.count += 1;
        self.out.put_i32(0);
        self.out.len()
    }

    /// Ends the element that began there.
    fn end(&mut self, start: usize) -> Result<(), Refusal> {
        let written = self.out.written().get(start..).unwrap_or_default();
        if memchr::memchr(0, written).is_some() {
            return Err(Refusal::ZeroByte);
        }
        if let Some(limit) = self.elements.limit
            && written.len() > limit
        {
            // Counted in characters; as SQL has it, blanks beyond the limit are cut off.
            let mut characters = 0;
            let beyond = written.iter().filter(|byte| {
                characters += usize::from(**byte & 0xc0 != 0x80);
                characters > limit && **byte != b' '
            });
            if beyond.count() > 0 {
                return Err(Refusal::TooLong);
            }
            self.cut |= characters > limit;
        }
        let len = i32::try_from(self.out.len() - start).map_err(|_| Refusal::TooLong)?;
        self.out.set_i32(start - 4, len);
        Ok(())
    }
}

/// Reads a literal of one dimension, as the server reads it.
fn literal(text: &str, into: &mut Making<'_>) -> Result<(), Refusal> {
    let bytes = text.as_bytes();
    let skip = |mut at: usize| {
        while bytes.get(at).is_some_and(|byte| blank(char::from(*byte))) {
            at += 1;
        }
        at
    };
    let mut at = skip(1);
    if bytes.get(at) == Some(&b'}') {
        return if at + 1 == bytes.len() { Ok(()) } else { Err(Refusal::NoArray) };
    }
    loop {
        at = skip(at);
        at = if bytes.get(at) == Some(&b'"') { quoted(bytes, at + 1, into)? } else { bare(bytes, at, into)? };
        match bytes.get(skip(at)) {
            Some(b',') => at = skip(at) + 1,
            Some(b'}') if skip(at) + 1 == bytes.len() => return Ok(()),
            _ => return Err(Refusal::NoArray),
        }
    }
}

/// An element in quotes, from behind the first; returns the place behind the last.
fn quoted(bytes: &[u8], mut at: usize, into: &mut Making<'_>) -> Result<usize, Refusal> {
    let start = into.begin();
    loop {
        let rest = bytes.get(at..).ok_or(Refusal::NoArray)?;
        let run = memchr::memchr2(b'"', b'\\', rest).ok_or(Refusal::NoArray)?;
        into.out.put_slice(&rest[..run]);
        at += run + 1;
        if rest[run] == b'"' {
            into.end(start)?;
            return Ok(at);
        }
        into.out.put_u8(*bytes.get(at).ok_or(Refusal::NoArray)?);
        at += 1;
    }
}

/// An element without quotes; returns the place behind it.
fn bare(bytes: &[u8], mut at: usize, into: &mut Making<'_>) -> Result<usize, Refusal> {
    let (first, start) = (at, into.begin());
    // Blanks at the end do not count, unless they are escaped.
    let (mut end, mut escaped) = (start, false);
    loop {
        match bytes.get(at) {
            Some(b',' | b'}') => break,
            Some(b'{' | b'"') | None => return Err(Refusal::NoArray),
            Some(b'\\') => {
                into.out.put_u8(*bytes.get(at + 1).ok_or(Refusal::NoArray)?);
                (end, escaped) = (into.out.len(), true);
                at += 2;
            }
            Some(byte) => {
                into.out.put_u8(*byte);
                if !blank(char::from(*byte)) {
                    end = into.out.len();
                }
                at += 1;
            }
        }
    }
    if at == first {
        return Err(Refusal::NoArray);
    }
    into.out.truncate(end);
    let written = into.out.written().get(start..).unwrap_or_default();
    if !escaped && written.eq_ignore_ascii_case(b"null") {
        into.out.truncate(start - 4);
        into.count -= 1;
        into.null();
    } else {
        into.end(start)?;
    }
    Ok(at)
}

/// Reads a JSON array of texts, numbers, truth values and nulls.
fn json(text: &str, into: &mut Making<'_>) -> Result<(), Refusal> {
    let mut refusal = Refusal::NoArray;
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = reader.deserialize_seq(Each { into, refusal: &mut refusal });
    read.and_then(|()| reader.end()).map_err(|_| refusal)
}

/// Writes the elements of a JSON array.
struct Each<'a, 'b> {
    into: &'a mut Making<'b>,
    refusal: &'a mut Refusal,
}

impl<'de> Visitor<'de> for Each<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { into, refusal } = self;
        let mut refuse = |why| {
            *refusal = why;
            <A::Error as de::Error>::custom("no element")
        };
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            let raw = raw.get();
            match raw.as_bytes().first() {
                Some(b'n') => into.null(),
                Some(b'[' | b'{') => return Err(refuse(Refusal::NoArray)),
                Some(b'"') => {
                    let start = into.begin();
                    let mut reader = serde_json::Deserializer::from_str(raw);
                    reader.deserialize_str(Text(into.out)).map_err(|_| refuse(Refusal::NoArray))?;
                    into.end(start).map_err(&mut refuse)?;
                }
                _ => {
                    let start = into.begin();
                    into.out.put_slice(raw.as_bytes());
                    into.end(start).map_err(&mut refuse)?;
                }
            }
        }
        Ok(())
    }
}

/// Writes a JSON text without its quotes and escapes.
struct Text<'a>(&'a mut Out);

impl Visitor<'_> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.0.put_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements in the wire form of the text.
    fn elements(text: &str, limit: Option<usize>) -> Result<Vec<Option<String>>, Refusal> {
        let mut out = Out::small();
        out.put_u8(7);
        put_array(text, Elements { oid: 25, limit }, &mut out)?;
        let bytes = &out.written()[1..];
        let word = |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((word(0) as usize, word(12)), (bytes.len() - 4, 25), "{text}");
        if word(4) == 0 {
            assert_eq!(bytes.len(), 16);
            return Ok(Vec::new());
        }
        assert_eq!((word(4), word(20)), (1, 1), "{text}");
        let (mut at, mut found) = (24, Vec::new());
        while at < bytes.len() {
            let len = word(at);
            at += 4;
            let element = usize::try_from(len).ok().map(|len| bytes[at..at + len].to_vec());
            at += element.as_ref().map_or(0, Vec::len);
            found.push(element.map(|bytes| String::from_utf8(bytes).unwrap()));
        }
        assert_eq!(word(16) as usize, found.len(), "{text}");
        assert_eq!(word(8) == 1, found.contains(&None), "{text}");
        Ok(found)
    }

    fn some(texts: &[&str]) -> Result<Vec<Option<String>>, Refusal> {
        Ok(texts.iter().map(|text| (*text != "∅").then(|| (*text).to_owned())).collect())
    }

    #[test]
    fn literals_are_read_as_the_server_reads_them() {
        for (text, expected) in [
            ("{}", &[][..]),
            (" { } ", &[]),
            (r#"{a,"b c",NULL}"#, &["a", "b c", "∅"]),
            (r#"{ a b , "" ,null,"NULL"}"#, &["a b", "", "∅", "NULL"]),
            (r#"{"q\"\\z,}{",x\,y\ ,nul\l}"#, &["q\"\\z,}{", "x,y ", "null"]),
            ("{Füße,\"雪\"}", &["Füße", "雪"]),
        ] {
            assert_eq!(elements(text, None), some(expected), "{text}");
        }
        for text in [
            "",
            "a",
            "a,b",
            "{",
            "{a",
            "{a,}",
            "{,a}",
            "{a,,b}",
            "{a}b",
            "{a}}",
            "{{a},{b}}",
            "[1:1]={a}",
            r#"{"a"b}"#,
            r#"{a"b"}"#,
            r#"{"a}"#,
            r"{a\",
            r#"{"a\"#,
            "{} {}",
            "null",
        ] {
            assert_eq!(elements(text, None), Err(Refusal::NoArray), "{text}");
        }
    }

    #[test]
    fn json_arrays_give_their_texts() {
        for (text, expected) in [
            ("[]", &[][..]),
            (r#"["a","b c",null]"#, &["a", "b c", "∅"]),
            (r#" [ "\"\\\u00fc\ud83d\ude00\n", "" ] "#, &["\"\\ü😀\n", ""]),
            (r#"[12, -0.50, 1e400, true, "null"]"#, &["12", "-0.50", "1e400", "true", "null"]),
        ] {
            assert_eq!(elements(text, None), some(expected), "{text}");
        }
        for text in ["[", r#"["a""#, r#"["a",]"#, r#"[["a"]]"#, r#"[{"a":1}]"#, r#"["a"] x"#, "[nope]"] {
            assert_eq!(elements(text, None), Err(Refusal::NoArray), "{text}");
        }
        assert_eq!(elements(r#"["a\u0000b"]"#, None), Err(Refusal::ZeroByte));
        assert_eq!(elements("{a\0}", None), Err(Refusal::ZeroByte));
    }

    #[test]
    fn elements_are_held_to_their_length() {
        for text in ["{äöü,ab}", r#"["äöü","ab"]"#, r#"{"äöü   "}"#] {
            assert!(elements(text, Some(3)).is_ok(), "{text}");
        }
        for text in ["{ab,abcd}", r#"["abcd"]"#, r#"{"abc d"}"#, "{äöüß}"] {
            assert_eq!(elements(text, Some(3)), Err(Refusal::TooLong), "{text}");
        }
    }
}
