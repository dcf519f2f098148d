//! What libraries say of faults, in words for people: without names of types, addresses of their
//! documentation, numbers of the system's errors or what only their authors can read.

use std::error::Error;
use std::io;

/// Longest text of a library that is shown.
const MOST: usize = 200;

/// What is said where nothing that a library says is in words.
const NO_WORDS: &str = "it is not as it should be";

/// What is wrong, as the innermost cause has it that says it in words.
pub fn words(error: &(dyn Error + 'static)) -> String {
    let (mut said, mut next) = (None, Some(error));
    while let Some(cause) = next {
        said = known(cause).or_else(|| plain(&cause.to_string())).or(said);
        next = cause.source();
    }
    said.unwrap_or_else(|| NO_WORDS.to_owned())
}

fn known(error: &(dyn Error + 'static)) -> Option<String> {
    #[cfg(feature = "tls")]
    if let Some(error) = error.downcast_ref() {
        return Some(super::of_tls(error));
    }
    if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        return Some(of_json(error));
    }
    let error = error.downcast_ref::<io::Error>()?;
    if let Some(inner) = error.get_ref() {
        return known(inner);
    }
    None
}

/// A text as it may be shown; `None` where it is none for people.
pub fn plain(text: &str) -> Option<String> {
    const PREFIXES: [&str; 9] = [
        "Parquet error: ",
        "Parquet argument error: ",
        "Arrow: ",
        "External: ",
        "EOF: ",
        "Invalid argument error: ",
        "error communicating with the server: ",
        "error performing TLS handshake: ",
        "invalid configuration: ",
    ];
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let line = line.split(" (os error ").next().unwrap_or_default();
    let line = match line.find("://") {
        // With the words that lead to it.
        Some(at) => {
            line.get(..at).and_then(|before| before.rsplit_once(char::is_whitespace)).map_or("", |b| b.0)
        }
        None => line,
    };
    let line = match line {
        "tls handshake eof" => "the connection was closed during the TLS handshake",
        "bytes remaining on stream" => "the server closed the connection in the middle of its answer",
        "unsupported SASL mechanism" | "unsupported authentication method" => {
            "the server asks for a kind of authentication that is not supported (it may be a password by SCRAM or MD5, or a certificate)"
        }
        "stream did not contain valid UTF-8" => "it is not valid UTF-8",
        line => PREFIXES.iter().fold(line, |line, prefix| line.strip_prefix(prefix).unwrap_or(line)),
    };
    let line: String = line.chars().filter(|c| !c.is_control()).take(MOST).collect();
    let line = line.trim().trim_end_matches(['.', ':', ',', ';', '(']).trim_end();
    (!line.is_empty() && is_words(line)).then(|| line.to_owned())
}

/// Whether a text has nothing in it that is written for programmers.
fn is_words(text: &str) -> bool {
    // `UnexpectedEof`, but not `PostgreSQL`, `NaN` or `SQLite`.
    let is_type = |word: &str| {
        let bytes = word.as_bytes();
        let turns = bytes
            .windows(3)
            .any(|c| c[0].is_ascii_lowercase() && c[1].is_ascii_uppercase() && c[2].is_ascii_lowercase());
        bytes.first().is_some_and(u8::is_ascii_uppercase) && (turns || matches!(word, "Some" | "Err" | "Ok"))
    };
    let of_rust = ["::", "Rust type", " as i128", ".rs:", " { "].iter().any(|sign| text.contains(sign));
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let alone = is_type(text);
    let mut at = 0;
    let called = words.any(|word| {
        let end = at + word.len();
        let behind = text.get(end..).unwrap_or_default();
        at = end + behind.chars().next().map_or(0, char::len_utf8);
        is_type(word) && behind.starts_with('(')
    });
    !of_rust && !alone && !called
}

/// What is wrong with JSON; it follows "is not a JSON object:" and the like.
pub fn of_json(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let text = error.to_string();
    match error.classify() {
        Category::Eof => "it ends early".to_owned(),
        _ if text.contains("recursion limit") => "it is nested too deeply".to_owned(),
        Category::Syntax => format!("it is not valid at character {}", error.column()),
        Category::Data | Category::Io => "it has not the fields that it should have".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_and_what_is_for_programmers_goes() {
        for (text, said) in [
            ("Connection refused (os error 111)", Some("Connection refused")),
            (
                "peer closed connection without sending TLS close_notify: https://docs.rs/rustls/latest/x#eof",
                Some("peer closed connection without sending TLS close_notify"),
            ),
            ("invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))", None),
            ("called `Option::unwrap()` on a `None` value", None),
            ("UnexpectedEof", None),
            ("cannot convert between the Rust type `i64` and the Postgres type `text`", None),
            ("Custom { kind: InvalidData }", None),
            ("PostgreSQL says no.", Some("PostgreSQL says no")),
            ("NaN (not a number) is no price", Some("NaN (not a number) is no price")),
            ("InvalidColumnType(0, \"x\")", None),
            ("", None),
            ("https://docs.rs/x", None),
            ("a\nb", Some("a")),
        ] {
            assert_eq!(plain(text).as_deref(), said, "{text}");
        }
    }

    #[test]
    fn the_innermost_cause_that_has_words_is_told() {
        let plain = io::Error::from_raw_os_error(28);
        assert_eq!(words(&plain), "No space left on device");
        assert_eq!(words(&io::Error::other("Foo::bar failed")), NO_WORDS);
        let json = serde_json::from_str::<u8>("[1").unwrap_err();
        assert!(!words(&json).contains("line 1"), "{}", words(&json));
    }
}
