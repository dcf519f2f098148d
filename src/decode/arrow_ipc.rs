//! Arrow IPC: files (Feather of version 2 among them) and streams, batch by batch.
//!
//! A file is a stream behind a mark, with a directory at its end, so both are read from the first byte to the last.

mod described;
mod message;
mod reader;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;

use crate::decode::format::{Description, Reading};
use crate::decode::panic_guard::quietly;
use crate::decode::{BATCH_ROWS, Chunk, Chunks, CsvOptions, DecodeError, Decoder, RawBatch, damage, nested};
use message::Frame;
use reader::Reader;

/// As it is listed among the formats.
pub static FORMAT: Description = described::read_by(Reading::Stream(open));

/// What stands before the stream of a file, and behind its directory.
const MARK: &[u8] = b"ARROW1";

/// The mark with what it is padded by.
const FILE_HEAD: usize = 8;

/// Eights of zero bytes behind the mark at most: some writers pad it to 64 bytes.
const MOST_PADDING: usize = 512;

/// Bytes of the directory of a file at most.
const MOST_FOOTER: usize = 64 << 20;

fn open(chunks: Box<dyn Chunks>, _: CsvOptions) -> Result<Box<dyn Decoder>, DecodeError> {
    Ok(Box::new(ArrowDecoder::open(chunks)?))
}

/// A reader of Arrow IPC.
///
/// At no time is more than one batch of the input in memory, and what it is compressed from. Columns with parts
/// (lists, maps, structs) come as JSON text.
pub struct ArrowDecoder {
    chunks: Box<dyn Chunks>,
    /// Bytes that came, and how many of them are used up.
    bytes: Vec<u8>,
    at: usize,
    /// `None` where the reading is over.
    decoder: Option<Reader>,
    /// Whether it is a file, which has an end that can be told from a cut.
    framed: bool,
    /// Of the batches that are handed on.
    schema: Option<SchemaRef>,
    names: Vec<Arc<str>>,
    /// Rows that are decoded and not handed on.
    batch: Option<RecordBatch>,
    /// Bytes that they took.
    batch_bytes: u64,
    rows: u64,
    /// Whether the reading was stopped before its end.
    stopped: bool,
}

/// What came of asking for bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filled {
    Enough,
    /// There are no more.
    Ended,
    /// The reading was stopped; whether the input can be read again.
    Cut(bool),
}

impl ArrowDecoder {
    /// Reads up to the schema.
    ///
    /// # Errors
    /// [`DecodeError::Corrupt`] where there is none.
    pub fn open(chunks: Box<dyn Chunks>) -> Result<Self, DecodeError> {
        let mut this = Self {
            chunks,
            bytes: Vec::new(),
            at: 0,
            decoder: Some(Reader::default()),
            framed: false,
            schema: None,
            names: Vec::new(),
            batch: None,
            batch_bytes: 0,
            rows: 0,
            stopped: false,
        };
        let filled = this.fill(FILE_HEAD)?;
        this.framed = this.rest().starts_with(MARK) || MARK.starts_with(this.rest());
        if this.framed && filled == Filled::Ended {
            return Err(this.ends_early());
        }
        if this.framed && filled == Filled::Enough {
            this.pass_by(FILE_HEAD);
            for _ in 0..MOST_PADDING {
                if this.fill(FILE_HEAD)? == Filled::Enough && this.rest().starts_with(&[0; FILE_HEAD]) {
                    this.pass_by(FILE_HEAD);
                }
            }
        }
        while this.schema.is_none() {
            if !this.step()? {
                return if this.stopped { Ok(this) } else { Err(corrupt("it has no schema")) };
            }
        }
        Ok(this)
    }

    /// The bytes that are not used up.
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Uses up some bytes.
    fn pass_by(&mut self, count: usize) {
        self.at += count;
        self.batch_bytes += count as u64;
    }

    /// Sees to it that so many bytes are there.
    fn fill(&mut self, count: usize) -> Result<Filled, DecodeError> {
        while self.rest().len() < count {
            match self.chunks.next()? {
                Chunk::Data(data) => {
                    self.bytes.drain(..self.at.min(self.bytes.len()));
                    self.at = 0;
                    self.bytes.extend_from_slice(&data);
                }
                Chunk::Idle => {}
                Chunk::End => return Ok(Filled::Ended),
                Chunk::Cut { again } => return Ok(Filled::Cut(again)),
            }
        }
        Ok(Filled::Enough)
    }

    /// Reads a message; `false` at the end.
    fn step(&mut self) -> Result<bool, DecodeError> {
        let (head, length) = loop {
            let count = match message::frame(self.rest()).map_err(|what| self.corrupt(what))? {
                Frame::Whole { head, length } => break (head, length),
                Frame::End { length } => {
                    self.decoder = None;
                    self.pass_by(length);
                    if self.framed {
                        self.check_end()?;
                    }
                    return Ok(false);
                }
                Frame::Needs(count) => count,
            };
            match self.fill(count)? {
                Filled::Enough => {}
                Filled::Cut(true) => {
                    (self.decoder, self.stopped) = (None, true);
                    return Ok(false);
                }
                Filled::Cut(false) => {
                    (self.decoder, self.stopped) = (None, true);
                    return match self.rest().is_empty() {
                        true => Ok(false),
                        false => Err(DecodeError::Corrupt(format!(
                            "stopped within a batch, whose rows are lost; {} rows before it were read",
                            self.rows
                        ))),
                    };
                }
                // A stream may end without saying so.
                Filled::Ended if self.rest().is_empty() && !self.framed && self.schema.is_some() => {
                    self.decoder = None;
                    return Ok(false);
                }
                Filled::Ended => {
                    self.decoder = None;
                    return Err(self.ends_early());
                }
            }
        };
        self.decode(head, length)
    }

    /// Decodes the message that the first bytes are.
    fn decode(&mut self, head: Range<usize>, length: usize) -> Result<bool, DecodeError> {
        // A large batch is not copied, and what comes behind small ones is not moved for each.
        let whole = if self.at == 0 && length > self.bytes.len() / 2 {
            let rest = self.bytes.split_off(length);
            self.batch_bytes += length as u64;
            Buffer::from_vec(std::mem::replace(&mut self.bytes, rest))
        } else {
            let whole = Buffer::from(self.rest().get(..length).unwrap_or_default());
            self.pass_by(length);
            whole
        };
        // A reader that has failed is not asked again.
        let Some(mut decoder) = self.decoder.take() else { return Ok(false) };
        let decoded = quietly(move || decoder.take(&whole, head).map(|batch| (batch, decoder)));
        let decoded = decoded.and_then(|decoded| decoded);
        let (batch, decoder) = decoded.map_err(|detail| self.corrupt(damage::words(&detail)))?;
        if self.schema.is_none()
            && let Some(schema) = decoder.schema()
        {
            let schema = nested::flat_schema(schema);
            self.names = schema.fields().iter().map(|field| Arc::from(field.name().as_str())).collect();
            self.schema = Some(schema);
        }
        self.decoder = Some(decoder);
        self.batch = batch.filter(|batch| batch.num_rows() > 0);
        Ok(true)
    }

    /// What stands behind the stream of a file: its directory, the length of that, and the mark.
    fn check_end(&mut self) -> Result<(), DecodeError> {
        let filled = self.fill(MOST_FOOTER)?;
        if let Filled::Cut(_) = filled {
            return Ok(());
        }
        match filled == Filled::Ended && self.rest().len() > MARK.len() + 4 && self.rest().ends_with(MARK) {
            true => Ok(()),
            false => Err(self.ends_early()),
        }
    }

    fn ends_early(&self) -> DecodeError {
        let what = if self.framed { "file" } else { "stream" };
        DecodeError::Corrupt(format!("the Arrow {what} ends early; {} rows before it were read", self.rows))
    }

    fn corrupt(&self, what: &str) -> DecodeError {
        let DecodeError::Corrupt(text) = corrupt(what) else { return corrupt(what) };
        match self.schema {
            Some(_) => DecodeError::Corrupt(format!("{text}; {} rows before it were read", self.rows)),
            None => DecodeError::Corrupt(text),
        }
    }
}

fn corrupt(what: &str) -> DecodeError {
    DecodeError::Corrupt(format!("the Arrow data is corrupt ({what})"))
}

impl Decoder for ArrowDecoder {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        loop {
            let Some(batch) = self.batch.take() else {
                if self.decoder.is_none() || !self.step()? {
                    return Ok(None);
                }
                continue;
            };
            let Some(schema) = self.schema.clone() else { return Ok(None) };
            let count = batch.num_rows().min(BATCH_ROWS);
            let bytes = match count == batch.num_rows() {
                true => std::mem::take(&mut self.batch_bytes),
                false => self.batch_bytes * count as u64 / batch.num_rows() as u64,
            };
            self.batch_bytes -= bytes.min(self.batch_bytes);
            let columns = batch.slice(0, count);
            self.batch =
                Some(batch.slice(count, batch.num_rows() - count)).filter(|rest| rest.num_rows() > 0);
            let columns = quietly(move || nested::flat(columns, &schema)).and_then(|columns| columns);
            let columns = columns.map_err(|what| {
                self.decoder = None;
                self.corrupt(damage::words(&what))
            })?;
            let first = self.rows + 1;
            self.rows += count as u64;
            return Ok(Some(RawBatch {
                columns,
                rows: (first..=self.rows).collect(),
                broken: Vec::new(),
                bytes,
            }));
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }
}
