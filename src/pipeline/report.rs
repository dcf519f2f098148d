//! What was found on the way from a source to the engine.

use std::collections::BTreeMap;

use arrow::array::{Array as _, RecordBatch};

use crate::dataset::quality::Findings;
use crate::decode::Passed;
use crate::error::Error;
use crate::model::values::Values;
use crate::pipeline::glimpse::Glimpse;
use crate::pipeline::keys::Keys;
use crate::pipeline::scope::{Scope, Verbatim};

/// What was found on the way.
#[derive(Debug, Default)]
pub struct Report {
    /// What was left out, one sentence each, with the number of inputs it is about.
    pub notes: BTreeMap<String, usize>,
    /// What was deduced of the inputs themselves, likewise.
    pub forms: BTreeMap<String, usize>,
    /// Implausible rows that were passed on all the same.
    pub findings: Findings,
    /// Lines that were passed over, in all inputs.
    pub passed: Passed,
    /// The keys of the rows that were passed on.
    pub keys: Keys,
    /// Inputs read to their end.
    pub finished: usize,
    /// Inputs that are files with nothing in them, beside others.
    pub void: usize,
    /// Rows read, good and bad.
    pub rows: u64,
    /// Errors of inputs, each naming its input, and whether the user was told already.
    pub errors: Vec<(Error, bool)>,
    /// The places of inputs that turned out to be damaged, or to have been changed, behind rows that were
    /// passed on: nothing proves those.
    pub unproven: Vec<usize>,
    /// Whether `enough` ended it.
    pub too_many_rejects: bool,
    /// Earliest and latest time, in nanoseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// What the first rows look like, where that is to be shown.
    pub glimpse: Option<Glimpse>,
    /// The last rows of the input before that was read to its end, as far as they have no id.
    pub(crate) latest: Option<String>,
    /// The symbols and vendors seen.
    words: Verbatim,
}

impl Report {
    /// Number of symbols, if there are symbols and not too many to count.
    pub fn symbols(&self) -> Option<u64> {
        self.words.symbols()
    }

    /// Takes note of the times, symbols and vendors of rows.
    pub fn look(&mut self, columns: &RecordBatch, time: Option<&str>, scope: &Scope) {
        let times = time.and_then(|name| columns.column_by_name(name));
        let mut note = |value: i64| {
            let (first, last) = self.span.unwrap_or((value, value));
            self.span = Some((first.min(value), last.max(value)));
        };
        match times.and_then(|times| Values::of(times)) {
            // A plain loop over the values where there are no nulls among them.
            Some(Values::Instant(times)) if times.null_count() == 0 => {
                times.values().iter().for_each(|value| note(*value));
            }
            Some(Values::Instant(times)) => times.iter().flatten().for_each(note),
            Some(Values::Far(times)) => {
                times.iter().flatten().for_each(|micros| note(micros.saturating_mul(1_000)));
            }
            _ => {}
        }
        self.words.look(columns);
        scope.learn(&mut self.words, self.span);
    }
}
