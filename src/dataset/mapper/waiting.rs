//! Rows that are held back until later ones tell their timeframe, or show what they lack.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{Schema, SchemaRef};

use super::{Mapper, told_days};
use crate::error::{Error, Result};
use crate::text::flags::{SET, TIMEFRAME};

/// Rows that may wait for their timeframe.
pub(super) const MAX_WAITING: usize = 20_000;

/// Rows of JSON that may lack what a row must have before it is taken to be lacking in all of them.
pub(super) const MAX_LACKING: usize = 100;

impl Mapper {
    /// To be called at the end of the input.
    ///
    /// # Errors
    /// Usage, if rows still wait for a timeframe, or for what they lack.
    pub fn finish(&self) -> Result<()> {
        match (&self.lack, self.waiting.is_empty()) {
            (Some(lack), _) if !self.lacking.is_empty() => Err(lack.clone()),
            (_, true) => Ok(()),
            (_, false) => Err(self.no_timeframe()),
        }
    }

    /// Whether rows are held back.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.lacking.is_empty()
    }

    /// What the rows so far lack, where more may show it.
    pub fn lack(&self) -> Option<&Error> {
        self.lack.as_ref().filter(|_| !self.lacking.is_empty())
    }

    /// The rows that are held back, as the input gave them.
    pub fn take_waiting(&mut self) -> Vec<(RecordBatch, Vec<u64>)> {
        let mut waiting = std::mem::take(&mut self.lacking);
        waiting.append(&mut self.waiting);
        waiting
    }

    pub(super) fn no_timeframe(&self) -> Error {
        let flag = match self.options.mending {
            true => format!("it, for instance {SET} timeframe=1m"),
            false => format!("{TIMEFRAME}, for instance {TIMEFRAME} 1m"),
        };
        let sentence = "no timeframe in the columns, and the spacing of the rows tells none";
        Error::usage(format!("{sentence}; add {flag}")).at(&self.origin.source)
    }

    /// What is said of so many times on so many days, in a column whose rows are bars of days by what was told.
    pub(super) fn no_days(&self, column: &str, times: usize, days: usize) -> Error {
        let told = told_days(&self.settings, &self.options).unwrap_or("1d");
        let on = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
        Error::usage(format!(
            "column {column:?} has {times} times of day on {on}, so these are no bars of {told}, which have one a day; give the timeframe that they are of, or none, so that their spacing tells it"
        ))
        .at(&self.origin.source)
    }
}

/// Rows with all columns of that schema, of which they bring the first ones; the others are null.
pub(super) fn widened(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let own = rows.schema_ref().fields();
    let begins = schema.fields().iter().zip(own).all(|(one, other)| one.name() == other.name());
    if !begins || schema.fields().len() <= own.len() {
        return Ok(rows.clone());
    }
    let more = schema.fields().iter().skip(own.len());
    let columns = more.clone().map(|field| new_null_array(field.data_type(), rows.num_rows()));
    let fields: Vec<_> = own.iter().chain(more).cloned().collect();
    let wide = Schema::new_with_metadata(fields, schema.metadata().clone());
    RecordBatch::try_new(Arc::new(wide), rows.columns().iter().cloned().chain(columns).collect())
        .map_err(|error| Error::internal(format!("rows of fewer columns do not fit: {error}")))
}
