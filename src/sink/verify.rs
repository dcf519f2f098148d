//! What a store gives to `verify`: its rows, and those of an input, in one form in which they can be compared.

use std::sync::Arc;

use async_trait::async_trait;

use crate::batch::{Batch, Reason};
use crate::error::Result;

/// A column that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyColumn {
    /// Its name in the table.
    pub name: String,
    /// Whether it is one of the key.
    pub key: bool,
    /// Whether it is the time of the key, whose cells [`CellReader::day`] reads.
    pub time: bool,
}

/// A value in a row, as bytes that are equal where the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cell<'a> {
    /// The row does not bring it.
    Absent,
    /// Null.
    Null,
    /// A value.
    Value(&'a [u8]),
}

/// Rows, one behind the other.
#[derive(Debug, Default)]
pub struct RowBuffer {
    bytes: Vec<u8>,
    /// Of each cell where it ends, and what it is.
    ends: Vec<(usize, Kind)>,
    width: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Absent,
    Null,
    Value,
}

impl RowBuffer {
    /// Without a row, for rows of so many cells.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Takes all rows out.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a cell.
    pub fn push(&mut self, cell: Cell<'_>) {
        let kind = match cell {
            Cell::Absent => Kind::Absent,
            Cell::Null => Kind::Null,
            Cell::Value(bytes) => {
                self.bytes.extend_from_slice(bytes);
                Kind::Value
            }
        };
        self.ends.push((self.bytes.len(), kind));
    }

    /// Adds a cell that is written in place.
    pub fn write(&mut self, cell: impl FnOnce(&mut Vec<u8>)) {
        cell(&mut self.bytes);
        self.ends.push((self.bytes.len(), Kind::Value));
    }

    /// Number of whole rows.
    pub fn rows(&self) -> usize {
        self.ends.len() / self.width.max(1)
    }

    /// Cells of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The cell of that row and column.
    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        let place = row * self.width + column;
        match self.ends.get(place) {
            None | Some((_, Kind::Absent)) => Cell::Absent,
            Some((_, Kind::Null)) => Cell::Null,
            Some((end, Kind::Value)) => {
                let begin =
                    place.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |(end, _)| *end);
                Cell::Value(self.bytes.get(begin..*end).unwrap_or_default())
            }
        }
    }
}

/// Which rows of the table are wanted; more may come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyScope {
    /// First and last day of the key's time, counted from 1970 in UTC.
    pub days: Option<(i64, i64)>,
    /// The values that a column of text has, where these are few.
    pub texts: Option<(usize, Vec<String>)>,
}

/// Takes rows of a table; `false` is enough.
pub type TakeRows<'t> = dyn FnMut(&RowBuffer) -> Result<bool> + Send + 't;

/// Compares the rows of inputs with those of a table, and changes nothing in it.
#[async_trait]
pub trait Verifier: Send {
    /// The columns that are compared, in the order of the cells.
    fn columns(&self) -> &[VerifyColumn];

    /// Columns of the table that rows may bring and that are not compared, since only the server reads their texts.
    fn uncompared(&self) -> &[String];

    /// The rows of a batch as the table would hold them, and those that it would not, by their position, each with the
    /// reason; these are left out.
    ///
    /// # Errors
    /// Usage, where that holds for all rows.
    fn input(&mut self, batch: &Arc<Batch>, rows: &mut RowBuffer) -> Result<Vec<(usize, Arc<Reason>)>>;

    /// Hands out the rows of the table, a few thousand at a time, until `take` has enough.
    ///
    /// # Errors
    /// Unavailable, where the store is; usage, where it may not be read; what `take` returns.
    async fn scan(&mut self, scope: &VerifyScope, take: &mut TakeRows<'_>) -> Result<()>;

    /// What reads the cells.
    fn reader(&self) -> Arc<dyn CellReader>;
}

/// Reads what the bytes of cells mean.
pub trait CellReader: Send + Sync {
    /// The day in UTC of a time, counted from 1970; none where it is no point in time (infinity).
    fn day(&self, cell: &[u8]) -> Option<i64>;

    /// A cell as JSON: numbers exact.
    fn json(&self, column: usize, cell: Cell<'_>) -> String;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_out_as_they_went_in() {
        let mut rows = RowBuffer::new(3);
        for _ in 0..2 {
            rows.push(Cell::Value(b""));
            rows.push(Cell::Null);
            rows.write(|bytes| bytes.extend_from_slice(b"ab"));
        }
        rows.push(Cell::Absent);
        assert_eq!(rows.rows(), 2);
        for row in 0..2 {
            let cells: Vec<Cell<'_>> = (0..3).map(|column| rows.cell(row, column)).collect();
            assert_eq!(cells, [Cell::Value(b""), Cell::Null, Cell::Value(b"ab")]);
        }
        rows.clear();
        assert_eq!((rows.rows(), rows.cell(0, 0)), (0, Cell::Absent));
    }
}
