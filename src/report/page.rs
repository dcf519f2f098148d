//! Lines for people: labels, and what is beside them.

use crate::report::style::{Ink, Style};
use crate::text::fit::{self, columns_of, shorten};
use crate::text::visible::visible;

/// Column in which the text beside a label begins.
pub(super) const INDENT: usize = 11;

/// The lines so far.
pub(super) struct Page {
    pub(super) out: String,
    pub(super) style: Style,
}

impl Page {
    /// Without a line.
    pub(super) fn new(style: Style) -> Self {
        Self { out: String::new(), style }
    }

    /// A line.
    pub(super) fn line(&mut self, text: &str, ink: Ink) {
        self.out.push_str(&self.style.paint(ink, text));
        self.out.push('\n');
    }

    /// A text that wraps, indented by `indent`, after a `lead` that may be shorter.
    pub(super) fn paragraph(&mut self, lead: &str, indent: usize, text: &str, ink: Ink) {
        let width = self.style.width.saturating_sub(indent).max(20);
        for (i, line) in fit::wrap(text, width).iter().enumerate() {
            let lead = if i == 0 { lead } else { "" };
            self.out.push_str(&self.style.paint(Ink::Faint, lead));
            self.out.push_str(&" ".repeat(indent.saturating_sub(lead.chars().count())));
            self.line(line, ink);
        }
    }

    /// A text that wraps beside a label.
    pub(super) fn entry(&mut self, label: &str, text: &str, ink: Ink) {
        self.paragraph(&format!("  {label}"), INDENT, text, ink);
    }

    /// A text beside a label that is cut where it is too long for a line.
    pub(super) fn cut_entry(&mut self, label: &str, text: &str) {
        let width = self.style.width.saturating_sub(INDENT).max(20);
        let label = if label.is_empty() { String::new() } else { format!("  {label}") };
        self.out.push_str(&self.style.paint(Ink::Faint, &label));
        self.out.push_str(&" ".repeat(INDENT.saturating_sub(label.chars().count())));
        self.line(&shorten(text.trim_end(), width), Ink::Plain);
    }

    /// A command beside a label, behind a `lead`: on lines of its own that a shell takes as one, so that it can be pasted.
    pub(super) fn command(&mut self, label: &str, lead: &str, command: &str) {
        let width = self.style.width.saturating_sub(INDENT).max(20);
        let mut lines = vec![String::new()];
        for piece in pieces(command) {
            let Some(last) = lines.last_mut() else { continue };
            match last.is_empty() || columns_of(last) + columns_of(piece) < width {
                true if last.is_empty() => last.push_str(piece),
                true => {
                    last.push(' ');
                    last.push_str(piece);
                }
                false => {
                    last.push_str(" \\");
                    lines.push(format!("    {piece}"));
                }
            }
        }
        if !lead.is_empty() {
            self.entry(label, lead, Ink::Plain);
        }
        for (place, line) in lines.iter().enumerate() {
            let label = if place == 0 && lead.is_empty() { format!("  {label}") } else { String::new() };
            self.out.push_str(&self.style.paint(Ink::Faint, &label));
            self.out.push_str(&" ".repeat(INDENT.saturating_sub(label.chars().count())));
            self.line(&visible(line), Ink::Strong);
        }
    }
}

/// The words of a command, each flag with its value, and the comment behind it as one.
fn pieces(command: &str) -> Vec<&str> {
    let (line, comment) = match command.rsplit_once("  # ") {
        Some((line, _)) => (line, command.get(line.len() + 2..)),
        None => (command, None),
    };
    let mut all: Vec<&str> = Vec::new();
    let mut begin = 0;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if !quoted => escaped = true,
            '\'' => quoted = !quoted,
            ' ' if !quoted && line.get(at + 1..).is_some_and(|rest| rest.starts_with("--")) => {
                all.extend(line.get(begin..at));
                begin = at + 1;
            }
            _ => {}
        }
    }
    all.extend(line.get(begin..));
    all.extend(comment);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_stands_on_lines_that_a_shell_takes_as_one() {
        let mut page = Page::new(Style::PLAIN);
        let file = r"'it'\''s --a file.csv'";
        let flags = "--vendor VALUE --map high_price=COLUMN --map low_price=COLUMN --timeframe 1m";
        page.command("run", "", &format!("mdsctl load {file} {flags}  # timeframe from the file's name"));
        insta::assert_snapshot!(page.out, @r"
          run      mdsctl load 'it'\''s --a file.csv' --vendor VALUE \
                       --map high_price=COLUMN --map low_price=COLUMN --timeframe 1m \
                       # timeframe from the file's name
        ");
    }

    #[test]
    fn what_is_too_long_for_a_line_is_cut() {
        let mut page = Page::new(Style::PLAIN);
        page.cut_entry("columns", &"wide ".repeat(30));
        let line = page.out.trim_end();
        assert!(line.starts_with("  columns  wide wide") && line.ends_with('…'), "{line}");
        assert!(columns_of(line) <= 80, "{line}");
    }
}
