//! What is to be added to a command, as one command to paste.

use std::ffi::OsString;

use crate::objects::Address;
use crate::settings::holds_password;
use crate::text::flags::{DSN, FEEDBACK_URL, METRICS_TOKEN, OTLP};
use crate::text::phrases::shell_word;

/// Flags whose values are not to be shown where they hold a password.
const WITH_PASSWORDS: [&str; 4] = [DSN, FEEDBACK_URL, OTLP, METRICS_TOKEN];

/// What a flag begins with.
pub const DASHES: &str = "--";

/// A message that ends in flags to add, with `words`, the command as it was typed, before them.
pub fn with_words(message: String, words: &[OsString]) -> String {
    let line =
        message.rsplit_once("; add --").and_then(|(_, flags)| line_with(words, &[DASHES, flags].concat()));
    match line {
        Some(line) => with_command(message, &line),
        None => message,
    }
}

/// A message that ends in flags to add, with the command that has them in place of those.
pub fn with_command(message: String, line: &str) -> String {
    // Where there is a choice, or a condition, it is not one command.
    match message.rsplit_once("; add --").filter(|(_, flags)| are_flags(flags)) {
        Some((said, _)) => format!("{said}; run: {line}"),
        None => message,
    }
}

/// The command of those words, as a shell takes it.
pub fn line(words: &[OsString]) -> Option<String> {
    line_with(words, "")
}

/// The words of a command with more flags, which go before a `--`.
pub fn extended(words: &[OsString], flags: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let (before, behind) = words.split_at(end);
    before.iter().cloned().chain(flags).chain(behind.iter().cloned()).collect()
}

/// Those words as a line for a shell, with flags behind them that are written for one already; `None` where a
/// word is not UTF-8, which no line can show.
fn line_with(words: &[OsString], flags: &str) -> Option<String> {
    let mut line = String::from("mdsctl");
    let (mut secret, mut flags) = (false, Some(flags).filter(|flags| !flags.is_empty()));
    for word in words {
        let word = word.to_str()?;
        line.push(' ');
        if word == "--"
            && let Some(flags) = flags.take()
        {
            line.push_str(flags);
            line.push(' ');
        }
        let joined =
            WITH_PASSWORDS.iter().find(|flag| word.strip_prefix(**flag).is_some_and(|v| v.starts_with('=')));
        match joined {
            _ if secret && (holds_password(word) || is_token(&line)) => line.push('…'),
            Some(flag) if holds_password(word) || *flag == METRICS_TOKEN => {
                line.push_str(flag);
                line.push_str("=…");
            }
            _ => match Address::parse(word.as_ref()).and_then(|address| address.ok()?.hidden()) {
                Some(hidden) => line.push_str(&shell_word(&hidden)),
                None => line.push_str(&shell_word(word)),
            },
        }
        secret = WITH_PASSWORDS.contains(&word);
    }
    if let Some(flags) = flags {
        line.push(' ');
        line.push_str(flags);
    }
    Some(line)
}

/// Whether a value that follows is a token.
fn is_token(line: &str) -> bool {
    line.strip_suffix(' ').is_some_and(|line| line.ends_with(METRICS_TOKEN))
}

/// Whether a text that begins behind the dashes of a flag is flags alone, each with one value at most.
fn are_flags(text: &str) -> bool {
    let mut values = 0;
    text.split_whitespace().skip(1).all(|word| {
        values = if word.starts_with("--") { 0 } else { values + 1 };
        values < 2 && !word.ends_with([',', ';', ':', ')'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(line: &[&str]) -> String {
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        with_words("x.csv: no column for \"vendor\"; add --vendor VALUE".to_owned(), &words)
    }

    #[test]
    fn the_command_is_typed_again_without_its_passwords() {
        assert_eq!(
            with(&["load", "a b.csv", "--map", "ts=T"]),
            "x.csv: no column for \"vendor\"; run: mdsctl load 'a b.csv' --map ts=T --vendor VALUE"
        );
        for words in [
            &["load", "x", "--dsn", "postgres://u:pw7@h/d"][..],
            &["load", "x", "--dsn=host=h password=pw7"],
            &["load", "x", "--metrics-token", "pw7"],
            &["load", "x", "--metrics-token=pw7"],
            &["load", "https://h/a.csv?sig=pw7"],
            &["load", "https://me:pw7@h/a.csv"],
        ] {
            let said = with(words);
            assert!(!said.contains("pw7") && said.contains('…'), "{said}");
        }
        for more in [" if it has one by another name", ", by which columns are called 1 and 2"] {
            let told = format!("no figures; add --no-header{more}");
            assert_eq!(with_words(told.clone(), &["load".into()]), told);
        }
        let choice = "no column for \"x\"; add --map x=COLUMN or --set x=VALUE".to_owned();
        assert_eq!(with_words(choice.clone(), &["load".into()]), choice);
    }
}
