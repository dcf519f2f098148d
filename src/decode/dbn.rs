//! DBN, the binary encoding of Databento: bars, trades and best bids and offers, as their CSV names them.
//!
//! The time of a row is `ts_event`, when the exchange says that it happened. Databento indexes trades and quotes by
//! `ts_recv`, when its gateway received them, which comes as a column beside it; what other vendors deliver has the
//! exchange's time alone, and rows of one table have to be of one clock. Quotes of intervals (bbo, cbbo) have the end of
//! their interval as `ts_recv` alone: their `ts_event` is the time of the last trade, which is none of the quote, and is left out.

mod described;
mod rows;

use std::sync::Arc;

use ::dbn::decode::dbn::fsm::{DbnFsm, ProcessResult};
use ::dbn::{Metadata, TsSymbolMap};

use crate::decode::format::{Description, Reading};
use crate::decode::panic_guard::quietly;
use crate::decode::{BATCH_ROWS, Chunk, Chunks, CsvOptions, DecodeError, Decoder, RawBatch};
use rows::{Kind, Rows};

/// As it is listed among the formats.
pub static FORMAT: Description = described::read_by(Reading::Stream(open));

/// Bytes of the metadata at most: names and dates of all symbols of a request.
const MOST_METADATA: u32 = 256 << 20;

/// Bytes of the mark, the version and the length of the metadata.
const PRELUDE: usize = 8;

fn open(chunks: Box<dyn Chunks>, _: CsvOptions) -> Result<Box<dyn Decoder>, DecodeError> {
    Ok(Box::new(DbnDecoder::open(chunks)?))
}

/// A reader of DBN, of the versions 1 to 3.
pub struct DbnDecoder {
    chunks: Box<dyn Chunks>,
    /// `None` where the reading is over.
    state: Option<Box<State>>,
    names: Vec<Arc<str>>,
    rows: u64,
    /// Bytes since the last batch.
    bytes: u64,
    /// An error that the rows before it go ahead of.
    failed: Option<DecodeError>,
}

/// What has been read.
struct State {
    machine: DbnFsm,
    rows: Rows,
}

/// What came of reading on.
enum Step {
    /// As many rows as a batch holds.
    Full,
    /// All of what is there.
    More,
}

impl DbnDecoder {
    /// Reads the metadata.
    ///
    /// # Errors
    /// [`DecodeError::Corrupt`] where there is none, or it says that the records are none of ours.
    pub fn open(mut chunks: Box<dyn Chunks>) -> Result<Self, DecodeError> {
        let (mut head, mut bytes) = (Vec::new(), 0);
        let mut machine = DbnFsm::builder().build().map_err(|_| corrupt(NOT_READ))?;
        let mut fed = false;
        loop {
            match chunks.next()? {
                Chunk::Data(data) => {
                    bytes += data.len() as u64;
                    head.extend_from_slice(&data);
                }
                Chunk::Idle => continue,
                Chunk::Cut { again: true } => return Ok(Self::over(chunks)),
                Chunk::Cut { again: false } | Chunk::End => {
                    return Err(DecodeError::Corrupt("the DBN data ends early, within its metadata".into()));
                }
            }
            if !fed && head.len() < PRELUDE {
                continue;
            }
            let length = head.get(4..PRELUDE).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
            if !fed && length.is_none_or(|length| length > MOST_METADATA) {
                return Err(corrupt("its metadata is longer than 256 MiB"));
            }
            fed = true;
            let data = std::mem::take(&mut head);
            let read = quietly(move || {
                machine.write_all(&data);
                match machine.process() {
                    ProcessResult::Metadata(metadata) => Ok((Some(metadata), machine)),
                    ProcessResult::ReadMore(_) => Ok((None, machine)),
                    _ => Err(()),
                }
            });
            let (metadata, same) = read.map_err(|_| corrupt(NOT_READ))?.map_err(|()| corrupt(NOT_READ))?;
            machine = same;
            if let Some(metadata) = metadata {
                let rows = Rows::new(kind(&metadata)?, symbols(&metadata));
                let names = rows.names();
                let state = Some(Box::new(State { machine, rows }));
                return Ok(Self { chunks, state, names, rows: 0, bytes, failed: None });
            }
        }
    }

    /// One that was stopped before it began.
    fn over(chunks: Box<dyn Chunks>) -> Self {
        Self { chunks, state: None, names: Vec::new(), rows: 0, bytes: 0, failed: None }
    }

    fn corrupt(&self, what: &str) -> DecodeError {
        match corrupt(what) {
            DecodeError::Corrupt(text) => {
                DecodeError::Corrupt(format!("{text}; {} rows before it were read", self.rows))
            }
            other => other,
        }
    }

    /// The rows that have been read, if there are some.
    fn batch(&mut self, rows: &mut Rows) -> Result<Option<RawBatch>, DecodeError> {
        if rows.len() == 0 {
            return Ok(None);
        }
        let columns = rows.take().map_err(|_| self.corrupt("its values do not fit together"))?;
        let first = self.rows + 1;
        self.rows += columns.num_rows() as u64;
        let rows = (first..=self.rows).collect();
        Ok(Some(RawBatch { columns, rows, broken: Vec::new(), bytes: std::mem::take(&mut self.bytes) }))
    }
}

const NOT_READ: &str = "its metadata cannot be read";

fn corrupt(what: &str) -> DecodeError {
    DecodeError::Corrupt(format!("the DBN data is corrupt ({what})"))
}

/// What the records are.
fn kind(metadata: &Metadata) -> Result<Kind, DecodeError> {
    let Some(schema) = metadata.schema else {
        let what =
            "a DBN file of records of several schemas, which cannot be loaded; ask for one schema alone";
        return Err(DecodeError::Corrupt(what.into()));
    };
    Kind::of(schema).ok_or_else(|| {
        DecodeError::Corrupt(format!(
            "a DBN file of {}, which cannot be loaded; what can be is {}",
            schema.as_str(),
            Kind::SCHEMAS
        ))
    })
}

/// The names of the instruments, by their numbers and days; `None` where the metadata has none.
fn symbols(metadata: &Metadata) -> Option<TsSymbolMap> {
    TsSymbolMap::from_metadata(metadata).ok().filter(|symbols| !symbols.is_empty())
}

impl State {
    /// Reads the records that are there.
    fn read(&mut self) -> Result<Step, &'static str> {
        while self.rows.len() < BATCH_ROWS {
            match self.machine.process() {
                ProcessResult::Record(()) => {
                    if let Some(record) = self.machine.last_record() {
                        self.rows.push(record)?;
                    }
                }
                ProcessResult::ReadMore(_) => return Ok(Step::More),
                ProcessResult::Metadata(_) => return Err("metadata stands between its records"),
                ProcessResult::Err(_) => return Err("a record cannot be read"),
            }
        }
        Ok(Step::Full)
    }
}

impl Decoder for DbnDecoder {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        // A state that has failed is not asked again.
        while let Some(mut state) = self.state.take() {
            let read = quietly(move || (state.read(), state));
            let (step, mut state) = read.map_err(|_| self.corrupt("a record cannot be read"))?;
            let step = match step {
                Ok(step) => step,
                Err(what) => {
                    let batch = self.batch(&mut state.rows)?;
                    let error = self.corrupt(what);
                    if batch.is_none() {
                        return Err(error);
                    }
                    self.failed = Some(error);
                    return Ok(batch);
                }
            };
            if let Step::Full = step {
                let batch = self.batch(&mut state.rows)?;
                self.state = Some(state);
                return Ok(batch);
            }
            match self.chunks.next()? {
                Chunk::Data(data) => {
                    self.bytes += data.len() as u64;
                    state.machine.write_all(&data);
                    self.state = Some(state);
                }
                Chunk::Idle => {
                    let batch = self.batch(&mut state.rows)?;
                    self.state = Some(state);
                    if batch.is_some() {
                        return Ok(batch);
                    }
                }
                Chunk::Cut { again: true } => return Ok(None),
                // Of a record that was cut short there is nothing to keep.
                Chunk::Cut { again: false } => return self.batch(&mut state.rows),
                Chunk::End => {
                    let whole = state.machine.data().is_empty();
                    let batch = self.batch(&mut state.rows)?;
                    let text = format!("the DBN data ends early; {} rows before it were read", self.rows);
                    let error = (!whole).then_some(DecodeError::Corrupt(text));
                    return match (batch, error) {
                        (None, Some(error)) => Err(error),
                        (batch, error) => {
                            self.failed = error;
                            Ok(batch)
                        }
                    };
                }
            }
        }
        Ok(None)
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }
}
