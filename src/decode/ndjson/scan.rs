//! Where a JSON object or array ends, told by its brackets and strings alone.

use memchr::memchr3;

/// What a scan came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The value takes so many bytes.
    Closed(usize),
    /// The value breaks off with a line end: so many bytes up to there, the line end included.
    Broken(usize),
    /// It goes on behind the bytes there are.
    Open,
}

/// Scans one value from its first byte on, which is an opening bracket.
///
/// It remembers its place: between calls the bytes may only grow. A value may spread over several
/// lines, but no JSON string has a bare line end in it, and a line that starts with `{` starts an
/// object of its own: so a line that lacks its end does not swallow the ones after it.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    at: usize,
    depth: u32,
    in_string: bool,
    /// Length of the first line, once the value has run over its end.
    first_line: Option<usize>,
}

impl Scanner {
    /// Bytes looked at.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Length of the first line of the value, where it has more than one.
    pub(super) fn first_line(&self) -> Option<usize> {
        self.first_line
    }

    /// The bytes looked at have been dropped; the scan goes on with the first of those that come.
    pub(super) fn rebase(&mut self) {
        self.at = 0;
    }

    /// Goes on with the scan. `reach`: bytes within which the value must not run over a line end
    /// any more.
    pub(super) fn scan(&mut self, bytes: &[u8], ended: bool, reach: usize) -> Scan {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            if self.in_string {
                match memchr3(b'"', b'\\', b'\n', rest).map(|i| (i, rest[i])) {
                    Some((i, b'"')) => {
                        self.at += i + 1;
                        self.in_string = false;
                    }
                    Some((i, b'\\')) => match rest.get(i + 1) {
                        // The line end is looked at for itself.
                        Some(b'\n') => self.at += i + 1,
                        Some(_) => self.at += i + 2,
                        None => {
                            self.at += i;
                            return Scan::Open;
                        }
                    },
                    Some((i, _)) => {
                        self.at += i + 1;
                        return Scan::Broken(self.at);
                    }
                    None => {
                        self.at = bytes.len();
                        return Scan::Open;
                    }
                }
                continue;
            }
            let mut steps = rest.iter().enumerate();
            let Some((i, byte)) = steps.find(|(_, b)| matches!(b, b'"' | b'{' | b'[' | b'}' | b']' | b'\n'))
            else {
                self.at = bytes.len();
                return Scan::Open;
            };
            self.at += i;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'\n' => match bytes.get(self.at + 1) {
                    None if !ended => return Scan::Open,
                    Some(b'{') => {
                        self.at += 1;
                        return Scan::Broken(self.at);
                    }
                    _ if self.at > reach => {
                        self.at += 1;
                        return Scan::Broken(self.at);
                    }
                    _ => {
                        self.first_line.get_or_insert(self.at + 1);
                    }
                },
                _ => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.at += 1;
                        return Scan::Closed(self.at);
                    }
                }
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Scan {
        let whole = Scanner::default().scan(text.as_bytes(), true, usize::MAX);
        let mut pieces = Scanner::default();
        for end in 1..text.len() {
            let found = pieces.scan(&text.as_bytes()[..end], false, usize::MAX);
            if found != Scan::Open {
                assert_eq!(found, whole, "{text}");
                return whole;
            }
        }
        assert_eq!(pieces.scan(text.as_bytes(), true, usize::MAX), whole, "{text}");
        whole
    }

    #[test]
    fn ends_are_found() {
        assert_eq!(scan(r#"{"a":1}"#), Scan::Closed(7));
        assert_eq!(scan(r#"{"a":"}\"}"}{"#), Scan::Closed(12));
        assert_eq!(scan("{\n \"a\": [1,\n {}]\n}\n"), Scan::Closed(18));
        assert_eq!(scan("{\"a\":\n{\"b\":1}\n"), Scan::Broken(6));
        assert_eq!(scan("{\"a\":\"x\n\"}"), Scan::Broken(8));
        assert_eq!(scan("{\"a\":\"x\\\n\"}"), Scan::Broken(9));
        assert_eq!(scan(r#"{"a":"#), Scan::Open);
    }
}
