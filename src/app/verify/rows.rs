//! What of a row says which series and day it is of.

use std::hash::Hasher;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use crate::sink::verify::{Cell, CellReader, RowBuffer, VerifyColumn};

/// Columns of a key that say which series a row is of; the others tell its rows apart.
const SERIES: [&str; 4] = ["tenant_id", "vendor", "symbol", "timeframe"];

/// The columns that are compared, and what they are for.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub columns: Vec<VerifyColumn>,
    key: Vec<usize>,
    series: Vec<usize>,
    /// The symbol, where there is one.
    pub symbol: Option<usize>,
    /// The same where it is of the key: then rows of other symbols need not be read.
    pub key_symbol: Option<usize>,
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
            key_symbol: symbols.first().copied().filter(|place| columns[*place].key),
            time: places(&|column| column.time).first().copied(),
            columns: columns.to_vec(),
        }
    }

    /// The hash of a row's key. The scratch is for its bytes.
    pub fn key(&self, rows: &RowBuffer, row: usize, scratch: &mut Vec<u8>) -> u128 {
        scratch.clear();
        self.key.iter().for_each(|column| add(scratch, rows.cell(row, *column)));
        xxh3_128(scratch)
    }

    /// Where a row belongs.
    pub fn place(
        &self,
        rows: &RowBuffer,
        row: usize,
        store: &dyn CellReader,
        scratch: &mut Vec<u8>,
    ) -> Place {
        scratch.clear();
        self.series.iter().for_each(|column| add(scratch, rows.cell(row, *column)));
        let day = self.time.and_then(|column| match rows.cell(row, column) {
            Cell::Value(bytes) => store.day(bytes),
            _ => None,
        });
        Place { series: xxh3_64(scratch), day: day.unwrap_or(0) }
    }

    /// Whether rows have a time.
    pub fn has_time(&self) -> bool {
        self.time.is_some()
    }
}

/// A cell with its length, so that no two rows have the same bytes.
fn add(bytes: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Value(value) => {
            bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
            bytes.extend_from_slice(value);
        }
        Cell::Null | Cell::Absent => bytes.extend_from_slice(&u32::MAX.to_le_bytes()),
    }
}

/// For what is a hash already.
#[derive(Debug, Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(xxh3_64(bytes));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value as u64);
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
