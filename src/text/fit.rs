//! Text that fits: without control characters, in so many columns.

use unicode_width::UnicodeWidthChar;

use crate::text::visible::is_active;

/// At most `most` columns, without control characters; a cut shows as `…`.
///
/// Messages quote values of the input, which must not move the cursor of a terminal.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    let (mut kept, mut used) = (String::new(), 0);
    for (place, c) in text.char_indices() {
        let c = if is_active(c) { ' ' } else { c };
        // Room for the mark of a cut stays, unless this is the end.
        let rest = text.get(place..).unwrap_or_default();
        if used + columns(c) > most || used + columns(c) == most && rest.chars().nth(1).is_some() {
            kept.push('…');
            return kept;
        }
        kept.push(c);
        used += columns(c);
    }
    kept
}

/// The end of a long path is what tells it from others: in at most `most` columns, cut in front.
pub(crate) fn tail(text: &str, most: usize) -> String {
    let mut left = most;
    let whole = columns_of(text) <= most;
    if !whole {
        left = left.saturating_sub(1);
    }
    let mut kept: Vec<char> = Vec::new();
    for c in text.chars().rev() {
        match left.checked_sub(columns(c)) {
            Some(rest) => left = rest,
            None => break,
        }
        kept.push(if is_active(c) { ' ' } else { c });
    }
    if !whole {
        kept.push('…');
    }
    kept.into_iter().rev().collect()
}

/// Columns that a text takes.
pub(crate) fn columns_of(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Columns that a character takes, by the tables of Unicode.
fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Breaks `text` at white space into lines of at most `width` columns. A longer word (a path)
/// stays whole, so that it can be copied.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in shorten(text, usize::MAX - 1).split_whitespace() {
        let word_length = columns_of(word);
        if length > 0 && length + 1 + word_length > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += word_length;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(shorten("a\x1b[2Jb\nc\r\u{9b}d", 80), "a [2Jb c  d");
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 6), "abcde…");
        assert_eq!(tail("data/2024/bars.csv.gz", 12), "…bars.csv.gz");
        assert_eq!(tail("bars.csv", 12), "bars.csv");
        assert_eq!(tail("bars.csv", 0), "…");
        assert_eq!(tail("日本語.csv", 10), "日本語.csv");
        assert_eq!(tail("日本語.csv", 9), "…本語.csv");
    }

    #[test]
    fn wraps_between_words_and_keeps_long_ones() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("see /a/very/long/path now", 8), ["see", "/a/very/long/path", "now"]);
        assert!(wrap("", 8).is_empty());
    }
}
