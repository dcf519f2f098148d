//! Rows broken on purpose, in the ways that vendors' files are broken.

use super::cell::{Cell, Field, Type};

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The line is no row at all.
    BadLine,
    /// Letters where a number belongs.
    BadNumber,
    /// A part of the key is empty.
    MissingKey,
    /// A time that nobody can read.
    BadTime,
    /// A time that no clock of the store can hold.
    TimeOutOfRange,
    /// A number with more digits than `NUMERIC(20,8)` holds.
    TooLarge,
    /// A text of more than twenty characters where a symbol belongs.
    TooLong,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::BadLine,
        Self::BadNumber,
        Self::MissingKey,
        Self::BadTime,
        Self::TimeOutOfRange,
        Self::TooLarge,
        Self::TooLong,
    ];

    /// Breaks the row; a [`Fault::BadLine`] is left to the writer.
    pub fn apply(self, fields: &[Field], row: &mut [Cell]) {
        let is_time = |f: &Field| matches!(f.ty, Type::Micros | Type::Nanos) || f.column == "asof";
        let is_number = |f: &Field| matches!(f.ty, Type::Float | Type::Decimal(_));
        let time = fields.iter().position(is_time);
        let number = fields.iter().position(is_number);
        let symbol = fields.iter().position(|f| f.column == "symbol");
        // A headline needs no symbol, but everything needs its time.
        let key = if fields.iter().any(|f| f.column == "published_at") { time } else { symbol };
        let (at, cell) = match self {
            Self::BadLine => return,
            Self::BadNumber => (number, Cell::text("12.5x")),
            Self::MissingKey => (key, Cell::Null),
            Self::BadTime => (time, Cell::text("yesterday noon")),
            Self::TimeOutOfRange => (time, Cell::text("9999-12-31T23:59:59Z")),
            Self::TooLarge => (number, Cell::number(12_345_678_901_235, 1)),
            Self::TooLong => (symbol, Cell::text("ATICKERTHATISFARTOOLONG")),
        };
        if let Some(cell_of_row) = at.and_then(|at| row.get_mut(at)) {
            *cell_of_row = cell;
        }
    }
}

/// Which rows are broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spoil {
    /// These, by their number from 1, ascending.
    Rows(Vec<(u64, Fault)>),
    /// So many in a thousand, the faults in turn.
    Permille(u64),
}

impl Spoil {
    /// No row.
    pub fn none() -> Self {
        Self::Rows(Vec::new())
    }

    /// Whether it breaks nothing.
    pub fn is_none(&self) -> bool {
        match self {
            Self::Rows(rows) => rows.is_empty(),
            Self::Permille(n) => *n == 0,
        }
    }

    /// What is wrong with the row of that number.
    pub fn fault(&self, row: u64) -> Option<Fault> {
        match self {
            Self::Rows(rows) => {
                let found = rows.binary_search_by_key(&row, |(row, _)| *row).ok()?;
                Some(rows[found].1)
            }
            Self::Permille(n) => {
                // Spread evenly: row k is broken where k * n / 1000 grows.
                let before = (row - 1) * n / 1000;
                let index = (row * n / 1000 > before).then_some(before)?;
                Some(Fault::ALL[(index % Fault::ALL.len() as u64) as usize])
            }
        }
    }
}
