//! Where a JSON value ends: told by brackets, commas, colons and strings, which have to be in their places.
//!
//! What stands between them (numbers, words) is looked at where it is read.

use memchr::memchr2;

/// Levels of brackets within each other at most.
pub(super) const MAX_DEPTH: usize = 1024;

/// What a scan came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The value takes so many bytes.
    Closed(usize),
    /// It goes on behind the bytes there are.
    Open,
    /// At that byte stands what cannot stand there.
    Broken(usize),
    /// At that byte it is nested too deep.
    Deep(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    Colon,
    CommaOrEnd,
}

/// Scans one value from its first byte on. It remembers its place: between calls the bytes may only grow.
#[derive(Debug)]
pub(super) struct Extent {
    at: usize,
    open: Vec<u8>,
    expect: Expect,
    in_string: bool,
    in_scalar: bool,
}

impl Default for Extent {
    fn default() -> Self {
        Self { at: 0, open: Vec::new(), expect: Expect::Value, in_string: false, in_scalar: false }
    }
}

impl Extent {
    /// Bytes looked at.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The bytes looked at have been dropped; the scan goes on with the first of those that come.
    pub(super) fn rebase(&mut self) {
        self.at = 0;
    }

    /// Whether nothing but the end of the text can end the value: it is a number or a word.
    pub(super) fn is_scalar(&self) -> bool {
        self.in_scalar && self.open.is_empty()
    }

    /// Goes on with the scan.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scan {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            if self.in_string {
                match memchr2(b'"', b'\\', rest).map(|i| (i, rest[i])) {
                    Some((i, b'"')) => {
                        self.at += i + 1;
                        self.in_string = false;
                        if matches!(self.expect, Expect::Name | Expect::NameOrEnd) {
                            self.expect = Expect::Colon;
                        } else if self.completes() {
                            return Scan::Closed(self.at);
                        }
                    }
                    Some((i, _)) if i + 1 < rest.len() => self.at += i + 2,
                    Some((i, _)) => {
                        self.at += i;
                        return Scan::Open;
                    }
                    None => {
                        self.at = bytes.len();
                        return Scan::Open;
                    }
                }
                continue;
            }
            if self.in_scalar {
                let ends = |byte: &u8| {
                    byte.is_ascii_whitespace()
                        || matches!(byte, b',' | b':' | b'"' | b'{' | b'}' | b'[' | b']')
                };
                let Some(i) = rest.iter().position(ends) else {
                    self.at = bytes.len();
                    return Scan::Open;
                };
                self.at += i;
                self.in_scalar = false;
                if self.completes() {
                    return Scan::Closed(self.at);
                }
                continue;
            }
            let Some(&byte) = rest.first() else { return Scan::Open };
            let value = matches!(self.expect, Expect::Value | Expect::ValueOrEnd);
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'"' if value || matches!(self.expect, Expect::Name | Expect::NameOrEnd) => {
                    self.in_string = true;
                }
                b'{' | b'[' if value => {
                    if self.open.len() >= MAX_DEPTH {
                        return Scan::Deep(self.at);
                    }
                    self.open.push(byte);
                    self.expect = if byte == b'{' { Expect::NameOrEnd } else { Expect::ValueOrEnd };
                }
                b'}' | b']' => {
                    let opened = if byte == b'}' { b'{' } else { b'[' };
                    let empty =
                        matches!((byte, self.expect), (b'}', Expect::NameOrEnd) | (b']', Expect::ValueOrEnd));
                    if !(empty || self.expect == Expect::CommaOrEnd) || self.open.last() != Some(&opened) {
                        return Scan::Broken(self.at);
                    }
                    self.open.pop();
                    if self.completes() {
                        self.at += 1;
                        return Scan::Closed(self.at);
                    }
                }
                b',' if self.expect == Expect::CommaOrEnd => {
                    self.expect = match self.open.last() {
                        Some(b'{') => Expect::Name,
                        _ => Expect::Value,
                    };
                }
                b':' if self.expect == Expect::Colon => self.expect = Expect::Value,
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'+' | b'.' if value => {
                    self.in_scalar = true;
                }
                _ => return Scan::Broken(self.at),
            }
            self.at += 1;
        }
    }

    /// A value is complete: whether it is the one that is scanned.
    fn completes(&mut self) -> bool {
        self.expect = Expect::CommaOrEnd;
        self.open.is_empty()
    }
}

/// The length of the value that a text begins with, which is all there.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    let mut extent = Extent::default();
    match extent.scan(text) {
        Scan::Closed(length) => Some(length),
        Scan::Open if extent.is_scalar() => Some(text.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Scan {
        let whole = Extent::default().scan(text.as_bytes());
        let mut pieces = Extent::default();
        for end in 0..=text.len() {
            let found = pieces.scan(&text.as_bytes()[..end]);
            if found != Scan::Open {
                assert_eq!(found, whole, "{text}");
                return whole;
            }
        }
        assert_eq!(whole, Scan::Open, "{text}");
        whole
    }

    #[test]
    fn ends_are_found_wherever_the_text_is_cut() {
        assert_eq!(scan(r#"{"a":1}"#), Scan::Closed(7));
        assert_eq!(scan(r#"{"a":"}\"}"}{"#), Scan::Closed(12));
        assert_eq!(scan("{\n \"a\": [1,\n {}, NaN, -1.5e-3 ]\n}\n"), Scan::Closed(33));
        assert_eq!(scan("[]x"), Scan::Closed(2));
        assert_eq!(scan("17,"), Scan::Closed(2));
        assert_eq!(scan(r#""x""#), Scan::Closed(3));
        assert_eq!(scan(r#"{"a":"#), Scan::Open);
    }

    #[test]
    fn what_cannot_stand_there_is_told_with_its_place() {
        for (text, at) in [
            ("{\"a\":\n{\"b\":1}\n{\"a\":2}", 14),
            ("{\"a\":[1,\n {\"a\":2}\n {\"a\":3}", 19),
            ("[1,]", 3),
            ("{\"a\":1,}", 7),
            ("{\"a\" 1}", 5),
            ("{1:2}", 1),
            ("[1}", 2),
            ("{\"a\":1]", 6),
            ("[1 2]", 3),
        ] {
            assert_eq!(scan(text), Scan::Broken(at), "{text}");
        }
        assert_eq!(scan(&"[".repeat(2000)), Scan::Deep(MAX_DEPTH));
    }
}
