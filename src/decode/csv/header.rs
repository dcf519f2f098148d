//! What stands before the rows: lines to pass by, the delimiter, the names.

use std::collections::HashSet;
use std::sync::Arc;

use memchr::memchr;

use crate::decode::feed::{Ending, Feed, More};
use crate::decode::{DecodeError, MAX_ROW};

/// Delimiters that are looked for. Where two occur equally often the first one is taken: a comma
/// is also a decimal sign, the others are little else.
const DELIMITERS: [u8; 4] = [b'\t', b';', b'|', b','];

/// Passes by the first `skip_lines` lines, then blank lines and comments. Afterwards the bytes of
/// the feed begin with the first line that says something, the whole of it.
///
/// Gives the length of that line; `None` where the reading was stopped before.
pub(super) fn seek(feed: &mut Feed, skip_lines: u64) -> Result<Option<usize>, DecodeError> {
    let mut skip = skip_lines;
    let mut seen = false;
    loop {
        let bytes = feed.bytes();
        seen |= !bytes.is_empty();
        match memchr(b'\n', bytes) {
            Some(i) => {
                let line = bytes.get(..i).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let passed = skip > 0 || line.is_empty() || line.starts_with(b"#");
                if !passed {
                    return Ok(Some(i + 1));
                }
                skip = skip.saturating_sub(1);
                feed.consume(i + 1);
                continue;
            }
            None if bytes.len() > MAX_ROW => {
                return Err(DecodeError::Corrupt("its first line is longer than 16 MiB".into()));
            }
            None => {}
        }
        if feed.more() != More::End {
            continue;
        }
        if let Some(failure) = feed.take_failure(0) {
            return Err(failure);
        }
        match feed.ending() {
            Ending::Left | Ending::Torn => return Ok(None),
            Ending::Open | Ending::Whole => {}
        }
        let bytes = feed.bytes();
        let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let blank = line.is_empty() || line == b"\r" || line.starts_with(b"#");
        // What has no line end here is the last line.
        if !blank && skip == 0 && memchr(b'\n', bytes).is_none() {
            return Ok(Some(bytes.len()));
        }
        if memchr(b'\n', bytes).is_some() {
            continue;
        }
        return Err(DecodeError::Corrupt(match (seen || !bytes.is_empty(), skip_lines) {
            (false, _) => "the input is empty".into(),
            (true, 0) => "the input has nothing but blank lines and comments".into(),
            (true, n) => format!("the input has nothing after the {n} lines to be skipped"),
        }));
    }
}

/// The delimiter of the line, the one that was asked for or the one that it shows.
pub(super) fn delimiter(line: &[u8], asked: Option<u8>, header: bool) -> Result<u8, DecodeError> {
    let counts = DELIMITERS.map(|d| (d, outside_quotes(line, d)));
    let best = counts.iter().rev().max_by_key(|(_, n)| *n).filter(|(_, n)| *n > 0);
    match (asked, best) {
        (None, best) => Ok(best.map_or(b',', |(d, _)| *d)),
        (Some(d), _) if !d.is_ascii() || matches!(d, b'"' | b'\n' | b'\r') => Err(DecodeError::Usage(
            "the delimiter must be one ASCII character and neither a quote nor a line end".into(),
        )),
        (Some(d), Some((other, _))) if header && *other != d && outside_quotes(line, d) == 0 => {
            let (d, other) = (show(d), show(*other));
            Err(DecodeError::Usage(format!(
                "the header has no {d} in it, its delimiter seems to be {other}; leave --delimiter away"
            )))
        }
        (Some(d), _) => Ok(d),
    }
}

fn show(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tab".into(),
        d => format!("`{}`", char::from(d)),
    }
}

fn outside_quotes(line: &[u8], delimiter: u8) -> usize {
    let mut quoted = false;
    let mut count = 0;
    for &byte in line {
        quoted ^= byte == b'"';
        count += usize::from(!quoted && byte == delimiter);
    }
    count
}

/// Names made distinct: the second `name` becomes `name#2`, an empty one in third place
/// `column#3`.
pub(super) fn distinct(names: impl Iterator<Item = String>) -> Vec<Arc<str>> {
    let names: Vec<String> = names.collect();
    // A name that stands there as it is goes before one that is made up.
    let mut taken: HashSet<String> = HashSet::new();
    let given: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut nth = std::collections::HashMap::<&str, usize>::new();
    let mut out = Vec::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        let mut unique = if name.is_empty() { format!("column#{}", i + 1) } else { name.clone() };
        if name.is_empty() && given.contains(unique.as_str()) || taken.contains(&unique) {
            let base = unique;
            let n = nth.entry(name.as_str()).or_insert(1);
            loop {
                *n += 1;
                unique = format!("{base}#{n}");
                if !given.contains(unique.as_str()) && !taken.contains(&unique) {
                    break;
                }
            }
        }
        taken.insert(unique.clone());
        out.push(Arc::from(unique));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_seen() {
        for (line, expected) in [
            ("ts,open,close", b','),
            ("ts;open;close", b';'),
            ("ts\topen\tclose, adjusted", b'\t'),
            ("ts|open", b'|'),
            ("\"a,b,c\";d", b';'),
            ("20200101;1,5;2,5", b';'),
            ("price", b','),
        ] {
            assert_eq!(delimiter(line.as_bytes(), None, true).ok(), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_delimiter_that_the_header_lacks_is_refused() {
        let error = delimiter(b"ts;open", Some(b','), true).unwrap_err();
        insta::assert_snapshot!(error, @"the header has no `,` in it, its delimiter seems to be `;`; leave --delimiter away");
        assert!(matches!(delimiter(b"price", Some(b';'), true), Ok(b';')));
        assert!(matches!(delimiter(b"a,b", Some(b'"'), true), Err(DecodeError::Usage(_))));
    }

    #[test]
    fn names_become_distinct() {
        let made = |names: &[&str]| distinct(names.iter().map(|s| s.to_string())).join(" ");
        assert_eq!(made(&["a", "b", "a", "", "a"]), "a b a#2 column#4 a#3");
        assert_eq!(made(&["a", "a", "a#2"]), "a a#3 a#2");
        assert_eq!(made(&["", "column#1"]), "column#1#2 column#1");
        assert_eq!(made(&["", ""]), "column#1 column#2");
    }
}
