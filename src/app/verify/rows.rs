//! What of a row says which series and day it is of.

use std::hash::Hasher as _;

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::sink::verify::{Cell, CellReader, RowBuffer, VerifyColumn};

/// Columns of a key that say which series a row is of; the others tell its rows apart.
const SERIES: [&str; 4] = ["tenant_id", "vendor", "symbol", "timeframe"];

const DAY_MICROS: i64 = 86_400_000_000;

/// The columns that are compared, and what they are for.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub columns: Vec<VerifyColumn>,
    key: Vec<usize>,
    series: Vec<usize>,
    /// The symbol, where there is one.
    pub symbol: Option<usize>,
    time: Option<usize>,
}

/// Where a row belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Hash of its series.
    pub series: u64,
    /// Its day, counted from 1970; 0 where it has no time.
    pub day: i64,
}

impl Shape {
    pub fn new(columns: &[VerifyColumn]) -> Self {
        let places = |wanted: &dyn Fn(&VerifyColumn) -> bool| -> Vec<usize> {
            (0..).zip(columns).filter(|(_, column)| wanted(column)).map(|(place, _)| place).collect()
        };
        let symbols = places(&|column| column.name == "symbol");
        Self {
            key: places(&|column| column.key),
            series: places(&|column| column.key && SERIES.contains(&&*column.name)),
            symbol: symbols.first().copied(),
            time: places(&|column| column.time).first().copied(),
            columns: columns.to_vec(),
        }
    }

    /// The hash of a row's key.
    pub fn key(&self, rows: &RowBuffer, row: usize) -> u128 {
        let mut hash = Xxh3::new();
        for column in &self.key {
            feed(&mut hash, rows.cell(row, *column));
        }
        hash.digest128()
    }

    /// Where a row belongs.
    pub fn place(&self, rows: &RowBuffer, row: usize, store: &dyn CellReader) -> Place {
        let mut hash = Xxh3::new();
        for column in &self.series {
            feed(&mut hash, rows.cell(row, *column));
        }
        let day = self.time.and_then(|column| match rows.cell(row, column) {
            Cell::Value(bytes) => store.micros(bytes).map(|micros| micros.div_euclid(DAY_MICROS)),
            _ => None,
        });
        Place { series: hash.digest(), day: day.unwrap_or(0) }
    }

    /// Whether rows have a time.
    pub fn has_time(&self) -> bool {
        self.time.is_some()
    }
}

fn feed(hash: &mut Xxh3, cell: Cell<'_>) {
    match cell {
        Cell::Value(bytes) => {
            hash.write_u32(bytes.len() as u32);
            hash.update(bytes);
        }
        Cell::Null | Cell::Absent => hash.write_u32(u32::MAX),
    }
}

/// The hash of a value in the row of that key.
pub(super) fn of_cell(cell: Cell<'_>, key: u128, column: usize) -> u64 {
    let seed = (key as u64)
        ^ ((key >> 64) as u64).rotate_left(17)
        ^ (column as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    match cell {
        Cell::Value(bytes) => xxh3_64_with_seed(bytes, seed),
        Cell::Null | Cell::Absent => seed.wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31),
    }
}
