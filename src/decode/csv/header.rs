//! What stands before the rows: lines to pass by, the delimiter, the names.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use memchr::memchr;

use crate::dataset::shape;
use crate::decode::csv::CsvOptions;
use crate::decode::input_buffer::{Ending, InputBuffer, More, Zeros};
use crate::decode::{DecodeError, MAX_ROW, Passed};
use crate::text::flags::{DELIMITER, MAP, NO_HEADER, SKIP_LINES, SYMBOL};
use crate::text::phrases::{list, shell_word};

/// Delimiters that are looked for. Where two occur equally often the first one is taken: a comma
/// is also a decimal sign, the others are little else.
const DELIMITERS: [u8; 4] = [b'\t', b';', b'|', b','];

/// Where the reading begins.
pub(super) struct Beginning {
    /// Length of the first line that says something; `None` where the reading was stopped before it.
    pub(super) line: Option<usize>,
    /// The line that tells a spreadsheet the delimiter, without its line end.
    pub(super) separator: Option<Vec<u8>>,
    /// Lines before that line.
    pub(super) before: u64,
}

/// Passes over the first lines that are to be skipped, then blank lines and comments. Afterwards the
/// bytes of the feed begin with the first line that says something, the whole of it.
///
/// A line that begins with `#` is a comment, unless it has as many fields as the lines that follow:
/// then it is the header. Where there is no header, it is a row.
pub(super) fn seek(
    feed: &mut InputBuffer,
    options: &CsvOptions,
    passed: &mut Passed,
) -> Result<Beginning, DecodeError> {
    let (mut skip, mut seen, mut before, mut separator) = (options.skip_lines, false, 0, None);
    loop {
        if let Zeros::Hole(zeros) = feed.pass_hole(true) {
            passed.zeros += zeros;
        }
        let (bytes, ended) = (feed.bytes(), feed.ended());
        seen |= !bytes.is_empty();
        let end = match memchr(b'\n', bytes) {
            Some(i) => Some(i + 1),
            None if bytes.len() > MAX_ROW => {
                let begin = bytes.get(..64 << 10).unwrap_or(bytes);
                return Err(DecodeError::Corrupt(match of_old_macs(begin, true) {
                    true => OLD_MACS.into(),
                    false => "its first line is longer than 64 MiB".into(),
                }));
            }
            // What has no line end here is the last line.
            None if feed.ending() == Ending::Whole && !bytes.is_empty() => Some(bytes.len()),
            None => None,
        };
        if let Some(length) = end {
            let line = trimmed(bytes.get(..length).unwrap_or_default());
            if !options.known_header && of_old_macs(line, memchr(b'\n', bytes).is_none()) {
                return Err(DecodeError::Corrupt(OLD_MACS.into()));
            }
            let what = match (skip, line, separator.is_some()) {
                (1.., ..) => What::Skipped,
                (_, [], _) => What::Blank,
                (_, line, false) if separator_of(line).is_some() => What::Separator,
                _ => judge(bytes, length, ended, options, separator.as_deref()),
            };
            match what {
                What::First => return Ok(Beginning { line: Some(length), separator, before }),
                What::Unclear => {}
                What::Skipped | What::Blank | What::Separator | What::Comment => {
                    match what {
                        What::Comment => passed.comment(line),
                        What::Separator => {
                            passed.separators += 1;
                            separator = Some(line.to_vec());
                        }
                        _ => skip = skip.saturating_sub(1),
                    }
                    before += 1;
                    feed.consume(length);
                    continue;
                }
            }
        }
        if feed.more() != More::End {
            continue;
        }
        if let Some(failure) = feed.take_failure(0) {
            return Err(failure);
        }
        let line = memchr(b'\n', feed.bytes()).is_some();
        match feed.ending() {
            Ending::Left => return Ok(Beginning { line: None, separator, before }),
            Ending::Torn if !line => return Ok(Beginning { line: None, separator, before }),
            _ if !feed.bytes().is_empty() => continue,
            _ => {}
        }
        return Err(DecodeError::Corrupt(match (seen, options.skip_lines) {
            (false, _) if passed.zeros > 0 => "the input is nothing but zero bytes".into(),
            (false, _) => "the input is empty".into(),
            (true, 0) => "the input has nothing but blank lines and comments".into(),
            (true, n) => format!("the input has nothing after the {n} lines to be skipped"),
        }));
    }
}

/// What is said of lines that no line feed ends.
const OLD_MACS: &str = "its lines end in a carriage return alone, as old Macs wrote them; turn these into line feeds first: tr '\\r' '\\n' < FILE | mdsctl load -";

/// Whether a line is several whose ends are carriage returns; `alone` where no line feed is behind it.
/// Between others a line may have one in a name, so there the parts have to be alike.
fn of_old_macs(line: &[u8], alone: bool) -> bool {
    if memchr(b'\r', line).is_none() {
        return false;
    }
    let mut quoted = false;
    let parts = line.split(|byte| {
        quoted ^= *byte == b'"';
        !quoted && *byte == b'\r'
    });
    let mut parts = parts.filter(|part| !part.is_empty());
    let (Some(first), Some(second)) = (parts.next(), parts.next()) else { return false };
    let fields = |part: &[u8]| shown(first).map(|delimiter| outside_quotes(part, delimiter));
    alone || fields(first).is_some() && fields(first) == fields(second)
}

/// Whether a line has the names of the header in another writing: in other case, with quotes or blanks.
/// One of few names may be a row that says the same.
pub(super) fn is_again(line: &[u8], header: &[u8], delimiter: u8) -> bool {
    let plain = |byte: &&u8| **byte == delimiter || !matches!(**byte, b'"' | b' ' | b'#');
    let (mut left, mut right) = (line.iter().filter(plain), header.iter().filter(plain));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return outside_quotes(header, delimiter) > 1,
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {}
            _ => return false,
        }
    }
}

/// What a line before the rows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Skipped,
    Blank,
    Separator,
    Comment,
    /// The header, or the first row.
    First,
    /// More lines have to be seen first.
    Unclear,
}

fn judge(bytes: &[u8], length: usize, ended: bool, options: &CsvOptions, separator: Option<&[u8]>) -> What {
    let line = trimmed(bytes.get(..length).unwrap_or_default());
    if let Some(comment) = &options.comment {
        let is_comment = !comment.is_empty() && line.starts_with(comment.as_bytes());
        return if is_comment { What::Comment } else { What::First };
    }
    if !line.starts_with(b"#") || !options.header {
        return What::First;
    }
    let rest = bytes.get(length..).unwrap_or_default();
    if options.known_header {
        return if rest.trim_ascii().is_empty() { What::First } else { What::Comment };
    }
    let all = Lines::of(rest, ended);
    let said = |line: &&[u8]| !line.is_empty();
    let mut follow = all.clone().filter(|line| said(line) && !line.starts_with(b"#"));
    let (follower, next) = match (follow.next(), follow.next()) {
        (Some(follower), next) => (follower, next),
        (None, _) if !ended && bytes.len() <= MAX_ROW => return What::Unclear,
        // All rows begin with it, as symbols may.
        (None, _) => match all.clone().find(|line| said(line)) {
            Some(follower) => (follower, None),
            None => return What::Comment,
        },
    };
    let asked = options.delimiter.or(separator.and_then(separator_of));
    let delimiter = asked.unwrap_or_else(|| shown(follower).unwrap_or(b','));
    let (names, fields) = (split(line, delimiter), split(follower, delimiter));
    let longer = fields.len() == names.len() + 1 && fields.last().is_some_and(|last| last.is_empty());
    let fits = names.len() > 1 && (names.len() == fields.len() || longer);
    // A line of comments may have as many commas as the header below it.
    let data = |line: &[u8]| split(line, delimiter).iter().any(|field| shape::is_value(field));
    let header = !data(follower)
        && (shape::known(&texts(&fields)) >= shape::known(&texts(&names)).max(1) || next.is_some_and(data));
    if fits && !header { What::First } else { What::Comment }
}

/// The lines in these bytes, without their ends; the last one only where it is whole.
#[derive(Clone)]
struct Lines<'a> {
    rest: &'a [u8],
    ended: bool,
}

impl<'a> Lines<'a> {
    fn of(rest: &'a [u8], ended: bool) -> Self {
        Self { rest, ended }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = match memchr(b'\n', self.rest) {
            Some(i) => i + 1,
            None if self.ended && !self.rest.is_empty() => self.rest.len(),
            None => return None,
        };
        let (line, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(trimmed(line))
    }
}

/// A line without its end.
pub(super) fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The delimiter that a line for spreadsheets names: `sep=;`.
pub(super) fn separator_of(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") && usable(*delimiter) => {
            Some(*delimiter)
        }
        _ => None,
    }
}

fn usable(delimiter: u8) -> bool {
    delimiter.is_ascii() && !matches!(delimiter, b'"' | b'\n' | b'\r') && !delimiter.is_ascii_alphanumeric()
}

/// The fields of a line, without the quotes around them.
fn split(line: &[u8], delimiter: u8) -> Vec<Cow<'_, str>> {
    let mut quoted = false;
    let fields = line.split(|byte| {
        quoted ^= *byte == b'"';
        !quoted && *byte == delimiter
    });
    fields
        .map(|field| match field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")) {
            Some(inner) => String::from_utf8_lossy(inner),
            None => String::from_utf8_lossy(field.trim_ascii()),
        })
        .collect()
}

fn texts<'a>(fields: &'a [Cow<'_, str>]) -> Vec<&'a str> {
    fields.iter().map(|field| &**field).collect()
}

/// Lines behind the header that are looked at.
const LOOK: usize = 50;

/// Lines that have to be alike before the header is held against them, where more may come.
const SEVERAL: usize = 2;

/// What is wrong with a header, as the lines behind it show: that it is a row, that it comes later, or that
/// the first column has no name. `names` are its fields, `rest` what is there of the lines behind it,
/// `before` the number of lines up to them.
pub(super) fn objection(
    names: &[&str],
    rest: &[u8],
    ended: bool,
    (delimiter, asked): (u8, Option<u8>),
    before: u64,
) -> Option<String> {
    let width = names.len();
    // A field may run over line ends: such lines cannot be told apart here.
    let whole = |line: &&[u8]| line.iter().filter(|b| **b == b'"').count() % 2 == 0;
    let lines: Vec<&[u8]> = Lines::of(rest, ended).take(LOOK).take_while(whole).collect();
    let said = |from: usize| lines.iter().enumerate().skip(from).filter(|(_, line)| !line.is_empty());
    let fits = |line: &[u8], delimiter: u8, width: usize| {
        let fields = split(line, delimiter);
        fields.len() == width
            || fields.len() == width + 1 && fields.last().is_some_and(|last| last.is_empty())
    };
    if let Some(objection) = of_tickers(names, &lines, delimiter, before) {
        return Some(objection);
    }
    let followed = said(0).any(|(_, line)| fits(line, delimiter, width));
    let known = shape::known(names);
    for (place, line) in said(0) {
        let own = asked.unwrap_or_else(|| shown(line).unwrap_or(delimiter));
        let fields = split(line, own);
        let texts = texts(&fields);
        let behind: Vec<bool> =
            said(place + 1).take(3).map(|(_, line)| fits(line, own, texts.len())).collect();
        let plausible =
            texts.len() > 1 && !texts.iter().any(|text| shape::is_value(text)) && !behind.contains(&false);
        let better = shape::known(&texts) > known.max(2) && (known == 0 || texts.len() != width);
        let only = !followed && behind.len() > 1 && !texts.iter().any(|text| text.is_empty());
        if plausible && (better || only) {
            let (line, skip) = (before + place as u64 + 1, before + place as u64);
            return Some(format!(
                "its header seems to be line {line} ({}), and not what stands before it; add {SKIP_LINES} {skip}",
                list(texts.iter().copied())
            ));
        }
    }
    if shape::is_data(names) {
        let some: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).take(3).collect();
        let shown: Vec<Vec<Cow<'_, str>>> = said(0).map(|(_, line)| split(line, delimiter)).collect();
        let rows: Vec<Vec<&str>> =
            std::iter::once(names.to_vec()).chain(shown.iter().map(|row| texts(row))).collect();
        let flags = match shape::ByLooks::of(&rows) {
            Some(looks) => {
                format!("for {} by the looks of them {NO_HEADER} {}", looks.dataset, looks.flags())
            }
            None => match names.iter().position(|name| shape::is_clock(name)) {
                Some(clock @ 1..) => {
                    format!(
                        "for instance {MAP} ts={clock}+{} where these are the day and the time of day",
                        clock + 1
                    )
                }
                _ => format!("for instance {MAP} ts=1 where the first column is the time"),
            },
        };
        return Some(format!(
            "its first line holds data and no names of columns ({}, …); add {NO_HEADER}, by which the columns are called 1, 2, 3 and so on, and say which is which: {flags}",
            list(some.into_iter())
        ));
    }
    let one_more = |line: &[u8]| split(line, delimiter).len() == width + 1;
    let enough = said(0).count() >= if ended { 1 } else { SEVERAL };
    if enough && !followed && said(0).all(|(_, line)| one_more(line)) {
        let row = said(0).next().map(|(_, line)| split(line, delimiter)).unwrap_or_default();
        let flags = shape::by_number(names, 1, &texts(&row));
        return Some(format!(
            "its rows have one field more than its header has names, as where the first column has none; add {SKIP_LINES} {before} {NO_HEADER}, by which the columns are called 1, 2, 3 and so on, and say which is which:{}",
            if flags.is_empty() { format!(" {MAP} TARGET=NUMBER") } else { flags }
        ));
    }
    None
}

/// What is wrong with the three lines of names that pandas writes for columns with tickers: `Price,Close,…`,
/// `Ticker,AAPL,…` and `Date,,…`.
fn of_tickers(names: &[&str], lines: &[&[u8]], delimiter: u8, before: u64) -> Option<String> {
    let [second, third, ..] = lines else { return None };
    let (second, third) = (split(second, delimiter), split(third, delimiter));
    let begins = |line: &[Cow<'_, str>], with: &str| line.first().is_some_and(|name| name.trim() == with);
    let index = begins(&third, "Date") || begins(&third, "Datetime");
    let bare = third.iter().skip(1).all(|name| name.trim().is_empty());
    let three = names.first() == Some(&"Price") && begins(&second, "Ticker") && index && bare;
    if !three || second.len() != names.len() {
        return None;
    }
    let ticker = second.get(1)?;
    // The columns of the first ticker, in their places.
    let own: Vec<&str> = names
        .iter()
        .zip(&second)
        .enumerate()
        .map(|(place, (name, of))| if place > 0 && of == ticker { *name } else { "" })
        .collect();
    let more = if second.iter().skip(1).all(|of| of == ticker) {
        "add"
    } else {
        "its rows hold several tickers side by side, which are loaded one at a time: for the first one add"
    };
    Some(format!(
        "its names stand in three lines, as yfinance writes them; {more} {SKIP_LINES} {} {NO_HEADER} {SYMBOL} {} {MAP} ts=1{}",
        before + 2,
        shell_word(ticker.trim()),
        shape::by_number(&own, 0, &[])
    ))
}

/// The delimiter that a line shows.
fn shown(line: &[u8]) -> Option<u8> {
    let counts = DELIMITERS.map(|d| (d, outside_quotes(line, d)));
    counts.iter().rev().max_by_key(|(_, n)| *n).filter(|(_, n)| *n > 0).map(|(d, _)| *d)
}

/// The delimiter of the line, the one that was asked for or the one that it shows.
pub(super) fn delimiter(line: &[u8], asked: Option<u8>, header: bool) -> Result<u8, DecodeError> {
    let counts = DELIMITERS.map(|d| (d, outside_quotes(line, d)));
    let best = counts.iter().rev().max_by_key(|(_, n)| *n).filter(|(_, n)| *n > 0);
    match (asked, best) {
        (None, None) if header && has_colons(line) => Ok(b':'),
        (None, best) => Ok(best.map_or(b',', |(d, _)| *d)),
        (Some(d), _) if !d.is_ascii() || matches!(d, b'"' | b'\n' | b'\r') => Err(DecodeError::Usage(
            "the delimiter must be one ASCII character and neither a quote nor a line end".into(),
        )),
        (Some(d), Some((other, _))) if header && *other != d && outside_quotes(line, d) == 0 => {
            let (d, other) = (show(d), show(*other));
            Err(DecodeError::Usage(format!(
                "the header has no {d} in it, its delimiter seems to be {other}; leave {DELIMITER} out"
            )))
        }
        (Some(d), _) => Ok(d),
    }
}

/// Whether a line is a header whose names have colons between them. Times have some as well, so it counts only
/// where no other delimiter is there, nothing is a value, and names are known.
fn has_colons(line: &[u8]) -> bool {
    let names = split(trimmed(line), b':');
    let names = texts(&names);
    names.len() > 2
        && shape::known(&names) > 1
        && !names.iter().any(|name| name.is_empty() || shape::is_value(name))
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

/// The names that stand in several lines: the parts of each joined by blanks, of the first one what stands last.
pub(super) fn joined(above: &[Vec<String>], last: Vec<String>) -> Vec<String> {
    if above.is_empty() {
        return last;
    }
    let width = above.iter().chain([&last]).map(Vec::len).max().unwrap_or(0);
    let part = |line: &Vec<String>, at: usize| line.get(at).filter(|part| !part.is_empty()).cloned();
    let name = |at: usize| {
        let parts: Vec<String> = above.iter().chain([&last]).filter_map(|line| part(line, at)).collect();
        if at == 0 { parts.last().cloned().unwrap_or_default() } else { parts.join(" ") }
    };
    (0..width).map(name).collect()
}

/// Names made distinct: the second `name` becomes `name#2`, an empty one in third place
/// `column#3`.
pub(in crate::decode) fn distinct(names: impl Iterator<Item = String>) -> Vec<Arc<str>> {
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
            ("ts:symbol:price:size", b':'),
            ("09:30:00", b','),
            ("time:09:30", b','),
            ("note: see below: end", b','),
        ] {
            assert_eq!(delimiter(line.as_bytes(), None, true).ok(), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_delimiter_that_the_header_lacks_is_refused() {
        let error = delimiter(b"ts;open", Some(b','), true).unwrap_err();
        insta::assert_snapshot!(error, @"the header has no `,` in it, its delimiter seems to be `;`; leave --delimiter out");
        assert!(matches!(delimiter(b"price", Some(b';'), true), Ok(b';')));
        assert!(matches!(delimiter(b"a,b", Some(b'"'), true), Err(DecodeError::Usage(_))));
    }

    #[test]
    fn names_of_several_lines_are_joined() {
        let line = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let above = [line("Price,Close,Close"), line("Ticker,AAPL,MSFT")];
        assert_eq!(joined(&above, line("Date,,")), ["Date", "Close AAPL", "Close MSFT"]);
        assert_eq!(joined(&[], line("a,b")), ["a", "b"]);
        assert_eq!(joined(&[line("x")], line("a,b")), ["a", "b"]);
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
