//! The rows of a batch that break a rule, with the first reason each.

use std::collections::HashMap;
use std::sync::Arc;

use crate::batch::Reason;

/// Rows that are at fault. The first fault found of a row is the one that is reported.
#[derive(Debug, Default)]
pub struct Faults {
    rows: HashMap<usize, Arc<Reason>>,
    reasons: HashMap<(Arc<str>, &'static str), Arc<Reason>>,
}

impl Faults {
    /// Notes that `row` is at fault in `column`. The message is made once per column and code.
    pub fn add(
        &mut self,
        row: usize,
        column: &Arc<str>,
        code: &'static str,
        message: impl FnOnce() -> String,
    ) {
        let reason = self
            .reasons
            .entry((column.clone(), code))
            .or_insert_with(|| Arc::new(Reason::new(code, message()).column(column.clone())));
        self.rows.entry(row).or_insert_with(|| reason.clone());
    }

    /// Whether no row is at fault.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The reason against `row`, if there is one.
    pub fn of(&self, row: usize) -> Option<&Arc<Reason>> {
        self.rows.get(&row)
    }

    /// The rows at fault, ascending, each with its reason.
    pub fn sorted(&self) -> Vec<(usize, Arc<Reason>)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(row, reason)| (*row, reason.clone())).collect();
        rows.sort_unstable_by_key(|(row, _)| *row);
        rows
    }
}
