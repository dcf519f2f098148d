//! Names and values of the input, made fit for a terminal: what would act on it is shown instead.
//!
//! A file may be called `bars\x1b[2J.csv`, and a symbol may hold anything. Such characters are shown as
//! JSON writes them (`\u001b`), so that they can be seen, and so that JSON stays JSON.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Whether a character does something rather than show: control characters, and those that turn the
/// direction of writing or end a line.
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A text in one line, with what is active in it shown.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_active) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| push(&mut out, c));
    Cow::Owned(out)
}

/// Lines of ours, with what is active in them shown, but for line ends, tabs and colours, which stay.
pub fn painted(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_active(c) && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match colour(rest) {
            Some(length) => {
                let (code, more) = rest.split_at(length);
                out.push_str(code);
                rest = more;
            }
            None => {
                if matches!(c, '\n' | '\t') {
                    out.push(c)
                } else {
                    push(&mut out, c)
                }
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    Cow::Owned(out)
}

fn push(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_active(c) => drop(write!(out, "\\u{:04x}", u32::from(c))),
        c => out.push(c),
    }
}

/// How long the code is that chooses a colour, where the text begins with one.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters.get(end..)?.starts_with('m').then_some(2 + end + 1)
}

/// A stream that shows what is active in the lines that pass through it.
pub struct Shown<W> {
    out: W,
    /// The beginning of a character whose end has not come.
    begun: Vec<u8>,
}

impl<W: Write> Shown<W> {
    /// On that stream.
    pub fn new(out: W) -> Self {
        Self { out, begun: Vec::new() }
    }
}

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.begun) {
            // What is not text at all will not become one.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.begun.len(),
        };
        let rest = self.begun.split_off(whole);
        let text = std::mem::replace(&mut self.begun, rest);
        for line in String::from_utf8_lossy(&text).split_inclusive('\n') {
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
            self.out.write_all(visible(line).as_bytes())?;
            self.out.write_all(end.as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_is_shown() {
        assert_eq!(visible("bars.csv"), "bars.csv");
        assert_eq!(visible("a\x1b[2Jb\nc\r\u{9b}d\u{202e}\u{7f}"), r"a\u001b[2Jb\nc\r\u009bd\u202e\u007f");
        assert_eq!(painted("\x1b[1;31merror:\x1b[0m a\tb\n"), "\x1b[1;31merror:\x1b[0m a\tb\n");
        assert_eq!(painted("\x1b[2J\x1b]0;t\x07\x1b[1\x1b["), r"\u001b[2J\u001b]0;t\u0007\u001b[1\u001b[");
    }

    #[test]
    fn characters_may_come_in_parts() {
        let mut out = Vec::new();
        let mut shown = Shown::new(&mut out);
        for byte in "é\u{9b}1m,\x1b[0m\n".as_bytes() {
            shown.write_all(&[*byte]).unwrap();
        }
        shown.write_all(b"\xff!").unwrap();
        drop(shown);
        assert_eq!(String::from_utf8(out).unwrap(), "é\\u009b1m,\\u001b[0m\n\u{fffd}!");
    }
}
