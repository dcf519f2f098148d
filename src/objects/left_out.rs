//! In the place of object stores where they were left out.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{Address, Stopped};
use crate::error::{Error, Result, left_out};

fn missing() -> Error {
    Error::usage(left_out("inputs in object stores and at web addresses", "objects"))
}

/// What there is none of. That it is none is seen in here alone, so that code for it is not taken to be in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Never {}

/// An object, of which there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object(Never);

/// A reader of an object.
#[derive(Debug)]
pub struct Reader(Never);

/// An object that is read here and there.
#[derive(Debug)]
pub struct Ranges(Never);

impl Object {
    /// Its address.
    pub fn address(&self) -> &Address {
        match self.0 {}
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        match self.0 {}
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        match self.0 {}
    }

    /// What tells its version from others.
    pub fn version(&self) -> Option<String> {
        match self.0 {}
    }

    /// Whether parts of it can be asked for.
    pub fn has_ranges(&self) -> bool {
        match self.0 {}
    }

    /// Begins to fetch it.
    pub fn fetch_ahead(&self) {
        match self.0 {}
    }

    /// Its bytes from a place on.
    pub fn reader(&self, _: Range<u64>) -> Reader {
        match self.0 {}
    }

    /// All of its bytes, on their way.
    pub fn begun(&self) -> Option<Reader> {
        match self.0 {}
    }

    /// A part of its bytes.
    ///
    /// # Errors
    /// None.
    pub fn read(&self, _: Range<u64>, _: Stopped<'_>) -> io::Result<Option<Bytes>> {
        match self.0 {}
    }

    /// Its bytes by their places.
    pub fn ranges(&self, _: impl Fn() -> bool + Send + Sync + 'static) -> Ranges {
        match self.0 {}
    }

    /// Whether it is there still.
    pub fn is_there(&self) -> bool {
        match self.0 {}
    }
}

impl Reader {
    /// The next bytes.
    ///
    /// # Errors
    /// None.
    pub fn read(&mut self, _: &mut [u8], _: Stopped<'_>) -> io::Result<usize> {
        match self.0 {}
    }
}

impl Ranges {
    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        match self.0 {}
    }

    /// What will be read.
    pub fn plan(&self, _: &[Vec<Range<u64>>]) {
        match self.0 {}
    }

    /// The bytes of a part.
    ///
    /// # Errors
    /// None.
    pub fn read(&self, _: Range<u64>) -> io::Result<Bytes> {
        match self.0 {}
    }
}

/// The object at an address.
///
/// # Errors
/// That this was left out.
pub fn look(_: &Address, _: Stopped<'_>) -> Result<Option<Object>> {
    Err(missing())
}

/// Whether an object may be written at an address.
///
/// # Errors
/// That this was left out.
pub fn is_writable(_: &Address) -> Result<()> {
    Err(missing())
}

/// The objects whose keys begin like an address.
///
/// # Errors
/// That this was left out.
pub fn list(_: &Address, _: Stopped<'_>) -> Result<Vec<Object>> {
    Err(missing())
}

/// Writes an object that is not there.
///
/// # Errors
/// That this was left out.
pub fn put_new(_: &Address, _: Bytes) -> Result<bool> {
    Err(missing())
}

/// Removes an object.
///
/// # Errors
/// That this was left out.
pub fn delete(_: &Address) -> Result<()> {
    Err(missing())
}
