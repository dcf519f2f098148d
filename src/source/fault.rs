//! Faults in the words of the user's input.

use std::io;

use crate::decode::DecodeError;
use crate::error::{Error, words};

/// How messages call an input.
pub(super) fn called(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}

/// The error for an input of that name that cannot be opened or read.
pub(super) fn io_error(error: &io::Error, name: &str) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::Input(format!("no such file: {name}")),
        _ => Error::Input(format!("{}: {}", called(name), words(error))),
    }
}

/// The error that ends a run for what a decoder of the input of that name said.
pub fn decode_error(error: DecodeError, name: &str) -> Error {
    let error = match error {
        DecodeError::Corrupt(text) => Error::Input(text),
        DecodeError::Usage(text) => Error::Usage(text),
        DecodeError::Io(error) => Error::Input(words(&error)),
    };
    error.at(called(name))
}
