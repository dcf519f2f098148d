//! Whether to use colours and drawn characters, and how wide to write.

use std::ffi::OsStr;

use crate::text::choice::choices;

/// What the user wants of colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` or `TERM=dumb` says otherwise.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

choices!(ColorChoice:
    Auto = "auto": "On a terminal",
    Always = "always": "Always",
    Never = "never": "Never",
);

/// How text for people is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// With block characters; else ASCII alone.
    pub unicode: bool,
    /// Columns.
    pub width: usize,
}

/// A colour, by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// As the terminal writes.
    Plain,
    /// What to look at first.
    Strong,
    /// What to look at last.
    Faint,
    /// All is well.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Wrong, and nothing goes on until it is mended.
    Alarm,
}

impl Style {
    /// No colours, ASCII alone, 80 columns.
    #[cfg(test)]
    pub const PLAIN: Self = Self { color: false, unicode: false, width: 80 };

    /// For a stream of this process, as the user and the environment want it; 80 columns.
    pub fn resolve(choice: ColorChoice, terminal: bool) -> Self {
        let var = |name| std::env::var_os(name);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(var).find(|v| !v.is_empty());
        Self {
            color: wants_color(choice, terminal, var("NO_COLOR").as_deref(), var("TERM").as_deref()),
            unicode: terminal && is_utf8(locale.as_deref()),
            width: 80,
        }
    }

    /// This style for a terminal of so many columns.
    pub fn width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// The text in that colour.
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => return text.to_owned(),
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Warn => "33",
            Ink::Bad => "31",
            Ink::Alarm => "1;97;41",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `NO_COLOR` counts when it is not empty, as <https://no-color.org> has it.
fn wants_color(choice: ColorChoice, terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            terminal && no_color.is_none_or(OsStr::is_empty) && term.is_some_and(|term| term != "dumb")
        }
    }
}

/// Whether a locale's character set is UTF-8, by its name.
fn is_utf8(locale: Option<&OsStr>) -> bool {
    locale.is_some_and(|name| {
        let name = name.to_string_lossy().to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_they_are_wanted() {
        let auto = |terminal, no_color: Option<&str>, term: Option<&str>| {
            wants_color(ColorChoice::Auto, terminal, no_color.map(OsStr::new), term.map(OsStr::new))
        };
        assert!(auto(true, None, Some("xterm")));
        assert!(auto(true, Some(""), Some("xterm")));
        assert!(!auto(true, Some("1"), Some("xterm")));
        assert!(!auto(true, None, Some("dumb")));
        assert!(!auto(true, None, None));
        assert!(!auto(false, None, Some("xterm")));
        assert!(wants_color(ColorChoice::Always, false, Some(OsStr::new("1")), None));
        assert!(!wants_color(ColorChoice::Never, true, None, Some(OsStr::new("xterm"))));
    }

    #[test]
    fn paints_only_with_colours() {
        let plain = Style::PLAIN;
        assert_eq!(plain.paint(Ink::Bad, "x"), "x");
        assert_eq!(Style { color: true, ..plain }.paint(Ink::Bad, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Style { color: true, ..plain }.paint(Ink::Plain, "x"), "x");
    }

    #[test]
    fn locales_tell_their_character_set() {
        for (name, expected) in [("C.UTF-8", true), ("de_DE.utf8", true), ("C", false), ("de_DE@euro", false)]
        {
            assert_eq!(is_utf8(Some(OsStr::new(name))), expected, "{name}");
        }
        assert!(!is_utf8(None));
    }
}
