//! An input that was opened to see its columns, before its rows are read.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::batch::{LoadedFile, LoadedObject, Origin, Reading, Reject, Replayable};
use crate::decode::{DecodeError, RawBatch, text_columns};
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::pipeline::batch_sink::BatchSink;
use crate::pipeline::rejects::{of_broken, unmapped, with_fields};
use crate::source::{Input, Meter, OpenOptions, Opened, decode_error, open};

/// An input that was opened to see its columns.
pub struct Peeked {
    /// Its place among the inputs.
    pub index: usize,
    /// The open input.
    pub opened: Opened,
    /// Its first rows, if it has any.
    pub first: VecDeque<RawBatch>,
}

/// Rows of JSON that are looked at for their columns before the input is taken to be of no dataset: the
/// first may lack a member, which starts another batch.
const LOOK_ROWS: usize = 100;

/// Opens an input and reads its first rows.
pub fn peek(
    index: usize,
    input: &Input,
    options: &OpenOptions,
    stop: &Stop,
    meter: &Arc<Meter>,
) -> Result<Peeked> {
    let mut opened = open(input, options, stop, meter)?;
    let first = opened.decoder.next_batch().map_err(|e| decode_error(e, &input.name))?;
    Ok(Peeked { index, opened, first: first.into_iter().collect() })
}

impl Peeked {
    /// Why its columns are of no dataset, where it has no rows at all.
    pub fn no_rows(&self, input: &Input) -> Option<Error> {
        let sentence = self.opened.decoder.document()?;
        Some(decode_error(DecodeError::Corrupt(sentence.to_owned()), &input.name))
    }

    /// Looks at more of its rows, which may have columns that those so far lack; `false` where there are none
    /// that could.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn look_on(&mut self, input: &Input) -> Result<bool> {
        let seen: usize = self.first.iter().map(|batch| batch.rows.len() + batch.broken.len()).sum();
        if !self.opened.format.widens || seen >= LOOK_ROWS {
            return Ok(false);
        }
        let next = self.opened.decoder.next_batch().map_err(|e| decode_error(e, &input.name))?;
        let more = next.is_some();
        self.first.extend(next);
        Ok(more)
    }

    /// The columns of the input, as far as they are known.
    pub fn schema(&self) -> Option<SchemaRef> {
        if let Some(last) = self.first.iter().rev().find(|batch| batch.columns.num_columns() > 0) {
            return Some(last.columns.schema());
        }
        let names = self.opened.decoder.names();
        (!names.is_empty()).then(|| Arc::new(text_columns(names)))
    }

    /// Sends all rows that have been taken from the input to the dead-letter queue, as they came.
    /// The reading must have been stopped.
    pub fn bury(mut self, input: &Input, reading: &Arc<Reading>, outlet: &mut dyn BatchSink) -> Result<()> {
        let origin = Arc::new(Origin {
            replayable: from(input, &self.opened),
            shares: self.opened.decoder.shares(),
            ..Origin::new(input.name.clone())
        });
        let first = std::mem::take(&mut self.first);
        let mut bury = |rejects| outlet.rejects(rejects).map(|_| ());
        bury_rest(first, &mut self.opened, &origin, input, reading, &mut bury)
    }
}

/// Sends all rows that are left in an input whose reading was stopped to the dead-letter queue,
/// under the names that the input gives them.
pub(super) fn bury_rest(
    mut first: VecDeque<RawBatch>,
    opened: &mut Opened,
    origin: &Arc<Origin>,
    input: &Input,
    reading: &Arc<Reading>,
    bury: &mut dyn FnMut(Vec<Reject>) -> Result<()>,
) -> Result<()> {
    let lines = lines_of(opened, reading);
    loop {
        let raw = match first.pop_front() {
            Some(raw) => raw,
            None => match opened.decoder.next_batch() {
                Ok(Some(raw)) => raw,
                Ok(None) => return Ok(()),
                Err(error) => return Err(decode_error(error, &input.name)),
            },
        };
        let mut rejects = unmapped(&raw.columns, &raw.rows, origin, reading);
        rejects.extend(raw.broken.into_iter().map(|b| of_broken(b, origin, &lines)));
        bury(rejects)?;
    }
}

/// Where rows of an input can be had again.
pub(super) fn from(input: &Input, opened: &Opened) -> Replayable {
    if let Some(object) = input.object.as_ref().filter(|_| opened.replayable) {
        let full = input.absolute().unwrap_or_default();
        return Replayable::Of(Arc::new(LoadedObject::new(object.clone(), full)));
    }
    match &input.path {
        _ if !opened.replayable => Replayable::Never,
        Some(path) => {
            let full = input.absolute().unwrap_or_default();
            Replayable::At(Arc::new(LoadedFile::at(path.clone(), full)))
        }
        None => Replayable::Kept,
    }
}

/// How the lines of an input are to be read that could not be: by its fields, and what is said of those.
pub(super) fn lines_of(opened: &Opened, reading: &Arc<Reading>) -> Arc<Reading> {
    with_fields(opened.decoder.fields(), reading)
}
