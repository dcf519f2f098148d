//! Faults in the words of the user's input.

use std::ffi::OsStr;
use std::io;

use crate::decode::DecodeError;
use crate::error::{Error, again, words};
use crate::objects::fault;
use crate::source::Compression;
use crate::source::broker::known;
use crate::source::names::shown;

/// How messages call an input.
pub(super) fn called(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}

/// The error for an input of that name that cannot be opened or read.
pub(super) fn io_error(error: &io::Error, name: &str) -> Error {
    if let Some(error) = fault(error) {
        return error;
    }
    match error.kind() {
        io::ErrorKind::NotFound => Error::input(format!("no such file: {name}")).caused_by(again(error)),
        _ => Error::input(format!("{}: {}", called(name), words(error))).caused_by(again(error)),
    }
}

/// The error for a name that is an address, such as `s3://bucket/bars.csv`, where nothing is at that path.
/// What may be secret in one, a password or a signature, is not repeated.
pub(super) fn address(name: &OsStr) -> Option<Error> {
    let (scheme, rest) = name.to_str()?.split_once("://")?;
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(of_scheme) {
        return None;
    }
    if scheme.eq_ignore_ascii_case("file") {
        return Some(Error::input(format!(
            "{}: name a file by its path alone, without {scheme}://",
            shown(name)
        )));
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    let place = shown(OsStr::new(&format!("{scheme}://{host}{path}")));
    if known(name).is_some() {
        return Some(Error::usage(format!(
            "{place}: a stream of messages is followed, not loaded: use mdsctl tail"
        )));
    }
    Some(Error::input(format!(
        "{place} is not a path, and nothing is fetched from {scheme}://: download it and name the file, or pipe it to the same command with - for the name"
    )))
}

/// The error that ends a run for what a decoder of the input of that name said.
pub fn decode_error(error: DecodeError, name: &str) -> Error {
    if let DecodeError::Io(error) = &error
        && let Some(error) = fault(error)
    {
        return error;
    }
    let error = match error {
        DecodeError::Corrupt(text) => Error::input(text),
        DecodeError::Usage(text) => Error::usage(text),
        DecodeError::Io(error) => Error::input(words(&error)).caused_by(error),
    };
    error.at(called(name))
}

/// The error for an input of that name with nothing in it.
pub(super) fn empty(name: &str, compression: Compression) -> Error {
    Error::input(match (name, compression) {
        ("-", Compression::None) => "standard input is empty".into(),
        (_, Compression::None) => format!("{name}: the file is empty"),
        (_, c) => format!("{}: the {} stream in it is empty", called(name), c.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths_without_what_is_secret_in_them() {
        let said = |name: &str| address(OsStr::new(name)).map(|error| error.to_string());
        for (name, place) in [
            (
                "s3://bucket/day/*.csv",
                "s3://bucket/day/*.csv is not a path, and nothing is fetched from s3://",
            ),
            ("https://me:pw@host/a.csv?sig=pw#pw", "https://host/a.csv is not a path"),
            ("kafka://broker:9092", "kafka://broker:9092: a stream of messages is followed, not loaded"),
            ("pulsar://broker:6650", "pulsar://broker:6650 is not a path"),
            ("abfss://c@account/a@b.csv", "abfss://account/a@b.csv is not a path"),
        ] {
            let said = said(name).unwrap();
            assert!(said.starts_with(place) && !said.contains("pw"), "{said}");
        }
        let of_file = "file:///data/a.csv: name a file by its path alone, without file://";
        assert_eq!(said("file:///data/a.csv").as_deref(), Some(of_file));
        for path in ["a.csv", "://a", "a:/b", "dir/x://y", "2024://x", "a b://c"] {
            assert_eq!(said(path), None, "{path}");
        }
    }
}
