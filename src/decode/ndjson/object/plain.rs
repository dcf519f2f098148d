//! Objects as nearly all of them are: no value with parts, no backslash. They are read in one pass, and
//! whatever else there is goes the general way, which has the last word on what JSON is.

use super::{Objects, ScannedValue};

/// The high bit of each byte.
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
const ONES: u64 = u64::from_ne_bytes([0x01; 8]);

impl Objects {
    /// Reads an object of plain members. `false` where it is not one, or a name stands in it twice: then nothing
    /// is known of it, and what is there of it has to be taken back.
    pub(super) fn read_plain(&mut self, text: &str) -> bool {
        let Some(nulls) = self.plain_members(text) else { return false };
        if nulls {
            let bytes = text.as_bytes();
            for cell in &mut self.cells {
                if matches!(*cell, ScannedValue::Json(start, _) if bytes.get(start) == Some(&b'n')) {
                    *cell = ScannedValue::Null;
                }
            }
        }
        true
    }

    /// Whether there is a null among them.
    fn plain_members(&mut self, text: &str) -> Option<bool> {
        let bytes = text.as_bytes();
        let mut at = blank(bytes, 0);
        if *bytes.get(at)? != b'{' {
            return None;
        }
        at = blank(bytes, at + 1);
        let mut nulls = false;
        while *bytes.get(at)? == b'"' {
            let (end, null) = self.plain_member(text, at + 1)?;
            nulls |= null;
            at = blank(bytes, end);
            match bytes.get(at)? {
                b',' => at = blank(bytes, at + 1),
                b'}' => return (blank(bytes, at + 1) == bytes.len()).then_some(nulls),
                _ => return None,
            }
        }
        None
    }

    /// Reads a member, whose name begins at `from`: where it ends, and whether it is null.
    #[inline]
    fn plain_member(&mut self, text: &str, from: usize) -> Option<(usize, bool)> {
        let bytes = text.as_bytes();
        let (column, name_end) = match self.names.get(self.next) {
            Some(name) if follows(bytes, from, name.as_bytes()) => (Some(self.next), from + name.len()),
            _ => {
                let end = string_end(bytes, from)?;
                (self.column(text.get(from..end)?), end)
            }
        };
        let mut at = blank(bytes, name_end + 1);
        if *bytes.get(at)? != b':' {
            return None;
        }
        at = blank(bytes, at + 1);
        let (cell, end) = match *bytes.get(at)? {
            b'"' => {
                let end = string_end(bytes, at + 1)?;
                (ScannedValue::Text(at + 1, end), end + 1)
            }
            b'-' | b'0'..=b'9' => {
                let end = number_end(bytes, at)?;
                (ScannedValue::Json(at, end), end)
            }
            _ => {
                let rest = bytes.get(at..)?;
                let word =
                    [&b"null"[..], b"true", b"false"].into_iter().find(|word| rest.starts_with(word))?;
                (ScannedValue::Json(at, at + word.len()), at + word.len())
            }
        };
        if let Some(column) = column {
            self.next = column + 1;
            let place = self.cells.get_mut(column)?;
            if *place != ScannedValue::Null {
                return None;
            }
            *place = cell;
        }
        Some((end, bytes.get(at) == Some(&b'n')))
    }
}

/// Where the blanks end that begin there.
#[inline]
fn blank(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// Whether the name stands there, and its closing quote behind it.
#[inline]
fn follows(bytes: &[u8], from: usize, name: &[u8]) -> bool {
    let there = bytes.get(from..from + name.len() + 1);
    there.and_then(<[u8]>::split_last).is_some_and(|(quote, there)| *quote == b'"' && is_same(there, name))
}

/// Whether two texts of one length are the same: names are short, and a call for each costs more than the look.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    fn ends<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
        text.first_chunk::<N>().zip(text.last_chunk::<N>())
    }
    match one.len() {
        0..4 => one.iter().zip(other).all(|(one, other)| one == other),
        4..8 => ends::<4>(one) == ends::<4>(other),
        8..=16 => ends::<8>(one) == ends::<8>(other),
        _ => one == other,
    }
}

/// Where the string's closing quote is; `None` where it has none, or something that is spelled out, or a
/// control character, which JSON does not have in strings.
#[inline]
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let is = |byte: u8| {
            let differs = word ^ (ONES * u64::from(byte));
            differs.wrapping_sub(ONES) & !differs
        };
        // A byte below a blank borrows; what the borrow makes of the bytes above it is behind the first hit.
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let hits = (is(b'"') | is(b'\\') | control) & HIGHS;
        if hits != 0 {
            let hit = at + (hits.trailing_zeros() / 8) as usize;
            return (bytes.get(hit) == Some(&b'"')).then_some(hit);
        }
        at += 8;
    }
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' | 0..0x20 => return None,
            _ => at += 1,
        }
    }
}

/// Where the number ends; `None` where it is not one of JSON.
#[inline]
fn number_end(bytes: &[u8], from: usize) -> Option<usize> {
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let whole = from + usize::from(bytes.get(from) == Some(&b'-'));
    let mut at = digits(whole);
    if at == whole || at > whole + 1 && bytes.get(whole) == Some(&b'0') {
        return None;
    }
    if bytes.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits(fraction);
        if at == fraction {
            return None;
        }
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = at + 1;
        let exponent = sign + usize::from(matches!(bytes.get(sign), Some(b'+' | b'-')));
        at = digits(exponent);
        if at == exponent {
            return None;
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the general way makes of an object.
    fn general(text: &str) -> Result<Vec<ScannedValue>, super::super::Refusal> {
        let mut objects = Objects { beside: usize::MAX - 1, ..Objects::default() };
        objects.read(text.as_bytes()).map(|()| objects.cells)
    }

    #[test]
    fn the_plain_way_takes_what_the_general_one_takes_and_makes_the_same_of_it() {
        let values = [
            "1",
            "0",
            "-0",
            "01",
            "-",
            "+1",
            "1.",
            ".5",
            "1.50",
            "1e5",
            "1E+05",
            "1e",
            "1e-",
            "1.5e3x",
            "--1",
            "null",
            "nul",
            "nulls",
            "true",
            "false",
            "truefalse",
            "\"\"",
            "\"a\"",
            "\"12345678\"",
            "\"1234567\"",
            "\"a\\\"b\"",
            "\"tab\there\"",
            "\"1234567\u{1}\"",
            "\"é\u{7f}\u{80}ÿ漢字\"",
            "\"open",
            "[1]",
            "{\"b\":1}",
            "",
            " ",
            "NaN",
            "\u{a0}1",
        ];
        let frames = [
            ("{\"a\":", "}"),
            (" { \"a\" : ", " } \r"),
            ("{\"a\":", ",\"b\":2}"),
            ("{\"b\":\"x\",\"a\":", "}"),
            ("{\"a\":1,\"a\":", "}"),
            ("{\"a\":null,\"a\":", "}"),
            ("{\"a\":", ",}"),
            ("{\"a\":", "}}"),
            ("{\"a\":", ""),
            ("{\"long name\":1 \"a\":", "}"),
            ("{\"\":", "}"),
            ("{\"a\\u0062\":", "}"),
            ("{,\"a\":", "}"),
            ("{a:", "}"),
        ];
        let mut plain = 0;
        for (before, after) in frames {
            for value in values {
                let text = format!("{before}{value}{after}");
                let mut objects = Objects::default();
                objects.begin();
                if objects.read_plain(&text) {
                    plain += 1;
                    assert_eq!(Ok(&objects.cells), general(&text).as_ref(), "{text}");
                }
                let mut objects = Objects::default();
                let read = objects.read(text.as_bytes()).map(|()| objects.cells);
                assert_eq!(read, general(&text), "{text}");
            }
        }
        assert!(plain > 50, "{plain}");
        for length in 0..40 {
            let name = vec![b'n'; length];
            assert!(is_same(&name, &name.clone()));
            for at in 0..length {
                let mut other = name.clone();
                other[at] = b'm';
                assert!(!is_same(&name, &other), "{length}, {at}");
            }
        }
        assert!(!Objects::default().read_plain("{}") && general("{}") == Ok(Vec::new()));
    }
}
