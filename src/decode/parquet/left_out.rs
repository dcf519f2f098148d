//! Parquet, in a program that was built without it: files of it are known, and refused.

mod described;

use std::convert::Infallible;
use std::io::{self, Write};
use std::marker::PhantomData;

use crate::decode::format::{Description, Reading};
use crate::decode::{DecodeError, ExportCell};
use crate::error::left_out;

/// As it is listed among the formats.
pub static FORMAT: Description = described::read_by(Reading::File(|_, _| Err(DecodeError::Usage(missing()))));

fn missing() -> String {
    left_out("Parquet", "parquet")
}

/// A file that cannot be begun.
pub struct ParquetRows<W>(Infallible, PhantomData<W>);

impl<W: Write + Send> ParquetRows<W> {
    /// Begins none.
    ///
    /// # Errors
    /// In every case.
    pub fn new(_: &[String], _: W) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, missing()))
    }

    /// Never called.
    pub fn row(&mut self, _: &[Option<ExportCell<'_>>]) -> io::Result<()> {
        match self.0 {}
    }

    /// Never called.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {}
    }
}
