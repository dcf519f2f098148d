//! Rows that a table of an earlier version cannot tell apart, since its key lacks a column.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use xxhash_rust::xxh3::xxh3_64;

use crate::batch::Identity;
use crate::dataset::describe::Dataset;
use crate::dataset::target::Target;
use crate::model::text::Texts;

/// Keys of one of the two generations that are remembered.
const GENERATION: usize = 1 << 18;

/// Counts rows that take the place of another one, for the sake of a column that the key of the table
/// should have.
#[derive(Debug, Default)]
pub struct Narrow {
    missing: Vec<&'static str>,
    merged: u64,
    recent: HashMap<Identity, u64>,
    older: HashMap<Identity, u64>,
}

impl Narrow {
    /// For rows of that dataset in that table.
    pub fn of(dataset: &Dataset, target: &Target) -> Self {
        Self { missing: dataset.missing_from(&target.key), ..Self::default() }
    }

    /// Looks at rows in their order.
    pub fn look(&mut self, columns: &RecordBatch, identities: &[Identity]) {
        for name in &self.missing {
            let Some(texts) = columns.column_by_name(name).and_then(Texts::of) else { continue };
            for (row, identity) in identities.iter().enumerate() {
                let here = xxh3_64(texts.get(row).unwrap_or("").as_bytes());
                let before = self.recent.get(identity).or_else(|| self.older.get(identity));
                self.merged += u64::from(before.is_some_and(|before| *before != here));
                if self.recent.len() >= GENERATION {
                    self.older = std::mem::take(&mut self.recent);
                }
                self.recent.insert(*identity, here);
            }
        }
    }

    /// What became of them, for the user.
    pub fn note(&self, table: &str) -> Option<String> {
        let rows = match self.merged {
            0 => return None,
            1 => "1 row".to_owned(),
            rows => format!("{rows} rows"),
        };
        let names = self.missing.join(" or ");
        Some(format!("{rows} took the place of a row with another {names}, which the key of {table} lacks"))
    }
}
