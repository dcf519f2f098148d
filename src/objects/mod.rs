//! Objects in S3, Google Cloud Storage and Azure Blob Storage, and files at web addresses: found, read and written.
//!
//! What is read is always one version of an object, the one that was there when it was found: each request names
//! its ETag, and an answer with another one is an error. What decodes them is synchronous: it waits here for
//! tasks of a runtime that belongs to this module alone.

mod address;
#[cfg_attr(not(feature = "objects"), path = "left_out.rs")]
mod remote;

pub use address::{Address, Scheme};
pub use remote::{Object, Ranges, Reader, delete, is_writable, list, look, put_new};

use std::fmt;
use std::io;

use crate::error::Error;

/// Whether the wait for an answer is to be given up.
pub type Stopped<'a> = &'a dyn Fn() -> bool;

/// What went wrong with an object, to travel through what knows errors of input and output alone.
#[derive(Debug, Clone)]
pub struct Fault(pub Error);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(fault)
    }
}

/// The error of an object behind one of input and output, where it is one: it is told as it is, with its own name.
pub fn fault(error: &io::Error) -> Option<Error> {
    Some(error.get_ref()?.downcast_ref::<Fault>()?.0.clone())
}
