//! Faults in the words of the user's input.

use std::io;

use crate::decode::DecodeError;
use crate::error::{Error, again, words};

/// How messages call an input.
pub(super) fn called(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}

/// The error for an input of that name that cannot be opened or read.
pub(super) fn io_error(error: &io::Error, name: &str) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::input(format!("no such file: {name}")).caused_by(again(error)),
        _ => Error::input(format!("{}: {}", called(name), words(error))).caused_by(again(error)),
    }
}

/// The error that ends a run for what a decoder of the input of that name said.
pub fn decode_error(error: DecodeError, name: &str) -> Error {
    let error = match error {
        DecodeError::Corrupt(text) => Error::input(text),
        DecodeError::Usage(text) => Error::usage(text),
        DecodeError::Io(error) => Error::input(words(&error)).caused_by(error),
    };
    error.at(called(name))
}
