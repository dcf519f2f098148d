//! What is to be added to a command, as one command to paste.

use std::ffi::OsString;

use crate::settings::holds_password;
use crate::text::phrases::shell_word;

/// Flags whose values are not to be shown where they hold a password.
const WITH_PASSWORDS: [&str; 4] = ["--dsn", "--feedback-url", "--otlp", "--metrics-token"];

/// A message that ends in flags to add, with `words`, the command as it was typed, before them.
pub fn with_words(message: String, words: &[OsString]) -> String {
    // Where there is a choice, or a condition, it is not one command.
    let Some((said, flags)) = message.rsplit_once("; add --").filter(|(_, flags)| are_flags(flags)) else {
        return message;
    };
    let mut line = String::from("mdsctl");
    let mut secret = false;
    for word in words {
        let Some(word) = word.to_str() else { return message };
        line.push(' ');
        let joined =
            WITH_PASSWORDS.iter().find(|flag| word.strip_prefix(**flag).is_some_and(|v| v.starts_with('=')));
        match joined {
            _ if secret && (holds_password(word) || line.ends_with("--metrics-token ")) => line.push('…'),
            Some(flag) if holds_password(word) || *flag == "--metrics-token" => {
                line.push_str(flag);
                line.push_str("=…");
            }
            _ => line.push_str(&shell_word(word)),
        }
        secret = WITH_PASSWORDS.contains(&word);
    }
    format!("{said}; run: {line} --{flags}")
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
