//! The rows of a batch that break a rule, with the first reason each.

use std::collections::HashMap;
use std::sync::Arc;

use crate::batch::Reason;

/// Rows that are at fault. The first fault found of a row is the one that is reported.
#[derive(Debug, Default)]
pub struct Faults {
    rows: HashMap<usize, Arc<Reason>>,
    /// Of each row the columns that could not be read, each with the code of that.
    unread: HashMap<usize, Vec<(Arc<str>, &'static str)>>,
    reasons: HashMap<(Arc<str>, &'static str, u64), Arc<Reason>>,
}

impl Faults {
    /// Notes that `row` is at fault in `column`, since its value there could not be read. The message is
    /// made once per column and code.
    pub fn add(
        &mut self,
        row: usize,
        column: &Arc<str>,
        code: &'static str,
        message: impl FnOnce() -> String,
    ) {
        self.add_of_kind(row, column, code, 0, message);
    }

    /// As [`Faults::add`], where one code has several messages: one is made for each kind.
    pub fn add_of_kind(
        &mut self,
        row: usize,
        column: &Arc<str>,
        code: &'static str,
        kind: u64,
        message: impl FnOnce() -> String,
    ) {
        self.unread.entry(row).or_default().push((column.clone(), code));
        self.note(row, column, code, kind, message);
    }

    /// Notes that `row` is refused for its value in `column`, which was read all the same.
    pub fn refuse(
        &mut self,
        row: usize,
        column: &Arc<str>,
        code: &'static str,
        message: impl FnOnce() -> String,
    ) {
        self.note(row, column, code, 0, message);
    }

    fn note(
        &mut self,
        row: usize,
        column: &Arc<str>,
        code: &'static str,
        kind: u64,
        message: impl FnOnce() -> String,
    ) {
        let reason = self
            .reasons
            .entry((column.clone(), code, kind))
            .or_insert_with(|| Arc::new(Reason::new(code, message()).column(column.clone())));
        self.rows.entry(row).or_insert_with(|| reason.clone());
    }

    /// Takes back those that `held` does not say yes to.
    pub fn retain(&mut self, held: impl Fn(&Reason) -> bool) {
        self.rows.retain(|_, reason| held(reason));
    }

    /// Adds what another column has against rows.
    pub fn take(&mut self, other: Self) {
        for (row, reason) in other.rows {
            self.rows.entry(row).or_insert(reason);
        }
    }

    /// Whether no row is at fault.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The columns of `row` that could not be read, each with the code of that.
    pub fn unread(&self, row: usize) -> &[(Arc<str>, &'static str)] {
        self.unread.get(&row).map_or(&[], Vec::as_slice)
    }

    /// The reason against `row`, if there is one.
    pub fn of(&self, row: usize) -> Option<&Arc<Reason>> {
        self.rows.get(&row)
    }

    /// How many rows have that code against them.
    pub fn having(&self, code: &str) -> u64 {
        self.rows.values().filter(|reason| reason.code == code).count() as u64
    }

    /// The rows at fault, ascending, each with its reason.
    pub fn sorted(&self) -> Vec<(usize, Arc<Reason>)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(row, reason)| (*row, reason.clone())).collect();
        rows.sort_unstable_by_key(|(row, _)| *row);
        rows
    }
}
