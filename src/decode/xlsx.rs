//! Excel workbooks (`.xlsx`): the rows of the first sheet that is shown, as text.
//!
//! A row has the number that it has in the sheet, header and blank rows counted, since that is what people see
//! beside it. Times are those of the cells' formats, of no zone, as times in a text without one. What a formula
//! came to when the workbook was saved is its value.
//!
//! The library reads a sheet by a loan of its workbook, so that a thread of its own reads here and hands batches
//! over. [`bounds`] are looked at before: texts and styles are taken into memory whole.

mod bounds;
mod cells;
mod described;
mod sheet;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use calamine::XlsxError;

use crate::decode::format::{Description, FileDecoder, Reading};
use crate::decode::panic_guard::quietly;
use crate::decode::{CsvOptions, DecodeError, Decoder, RawBatch};
pub use described::is_workbook;
use sheet::Piece;

/// As it is listed among the formats.
pub static FORMAT: Description = described::read_by(Reading::File(|file, options| {
    Ok(Box::new(XlsxDecoder::open(file.into_file()?, options)?))
}));

/// Batches that wait to be taken.
const AHEAD: usize = 2;

/// A reader of the first sheet of a workbook.
pub struct XlsxDecoder {
    pieces: Receiver<Result<Piece, DecodeError>>,
    names: Vec<Arc<str>>,
    told: Option<String>,
    stored: Stored,
    options: CsvOptions,
}

impl XlsxDecoder {
    /// Reads up to the first row behind the header.
    ///
    /// # Errors
    /// [`DecodeError::Corrupt`] where it is no whole workbook that can be read, [`DecodeError::Usage`] where the
    /// first rows show that the header is somewhere else.
    pub fn open(file: File, options: &CsvOptions) -> Result<Self, DecodeError> {
        let stored = Stored { bytes: file.metadata()?.len(), file: Arc::new(file), at: 0 };
        let checked = stored.clone();
        quietly(move || bounds::check(checked)).unwrap_or_else(|_| Err(corrupt(UNFIT)))?;
        let (send, pieces) = sync_channel(AHEAD);
        let (from, said) = (stored.clone(), options.clone());
        thread::Builder::new().name("sheet".into()).spawn(move || {
            let hand_on = |piece| send.send(Ok(piece)).is_ok();
            if let Err(error) = read(from, &said, hand_on) {
                // Whoever has let go of the batches wants no error either.
                let _ = send.send(Err(error));
            }
        })?;
        match pieces.recv() {
            Ok(Ok(Piece::Begun { names, told })) => {
                Ok(Self { pieces, names, told, stored, options: options.clone() })
            }
            Ok(Err(error)) => Err(error),
            Ok(Ok(Piece::Rows(_))) | Err(_) => Err(corrupt(UNFIT)),
        }
    }
}

/// Reads the sheet, as long as its pieces are wanted.
fn read(
    stored: Stored,
    options: &CsvOptions,
    mut hand_on: impl FnMut(Piece) -> bool,
) -> Result<(), DecodeError> {
    let read = quietly(move || sheet::read(stored, options, &mut hand_on));
    read.unwrap_or_else(|_| Err(corrupt(UNFIT)))
}

impl FileDecoder for XlsxDecoder {
    fn prove_until(&self, stopped: &dyn Fn() -> bool) -> Result<(), DecodeError> {
        read(Stored { at: 0, ..self.stored.clone() }, &self.options, |_| !stopped())
    }
}

impl Decoder for XlsxDecoder {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        match self.pieces.recv() {
            Ok(Ok(Piece::Rows(batch))) => Ok(Some(batch)),
            Ok(Err(error)) => Err(error),
            Ok(Ok(Piece::Begun { .. })) | Err(_) => Ok(None),
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }

    fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }
}

/// The bytes of the workbook, read from a place that no other reader shares.
#[derive(Clone)]
struct Stored {
    file: Arc<File>,
    bytes: u64,
    at: u64,
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Stored {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.bytes, by),
            SeekFrom::Current(by) => (self.at, by),
        };
        self.at = from.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

const UNFIT: &str = "its parts do not fit together";

/// The error for a workbook that nothing can be made of.
fn corrupt(what: &str) -> DecodeError {
    DecodeError::Corrupt(format!("the Excel workbook is corrupt ({what})"))
}

/// What is wrong with a workbook, in words.
fn of_xlsx(error: XlsxError) -> DecodeError {
    match error {
        XlsxError::Io(error) if error.raw_os_error().is_some() => DecodeError::Io(error),
        XlsxError::Io(_) | XlsxError::Zip(_) => corrupt("a part of it does not unpack"),
        XlsxError::FileNotFound(_) | XlsxError::RelationshipNotFound | XlsxError::WorksheetNotFound(_) => {
            corrupt("a part of it is missing")
        }
        XlsxError::XmlEof(_) => corrupt("a part of it ends early"),
        XlsxError::Xml(_) | XlsxError::XmlAttr(_) | XlsxError::UnexpectedNode(_) => {
            corrupt("a part of it is no XML of a workbook")
        }
        _ => corrupt("a value in it is not as its type says"),
    }
}
