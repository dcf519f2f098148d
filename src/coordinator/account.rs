//! The rows that a transaction answers for, by origin.

use crate::batch::OpenRows;

/// Of each part of a transaction how many of its rows are acknowledged when the transaction is, and behind those
/// what it has taken over from others. Rows that leave it unsettled are taken out first.
#[derive(Debug, Default)]
pub(super) struct Account(Vec<(OpenRows, u64)>);

impl Account {
    /// So many rows more: of the next part, as long as parts are added, and else of whatever origin.
    pub fn add(&mut self, of: &OpenRows, rows: u64) {
        self.0.push((of.clone(), rows));
    }

    /// A row of that part less: somebody else answers for it, or nobody.
    pub fn take(&mut self, part: u32) {
        if let Some((_, rows)) = self.0.get_mut(part as usize) {
            *rows = rows.saturating_sub(1);
        }
    }

    /// All rows of the other too.
    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// They are stored for good, or in the dead letters: once.
    pub fn acknowledge(&mut self) {
        for (open, rows) in self.0.drain(..) {
            open.acknowledge(rows);
        }
    }
}
