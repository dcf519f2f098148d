//! Rows that differ, one by one.

use std::collections::HashMap;
use std::sync::Arc;

use super::digest::Digests;
use super::export::Export;
use super::rows::Shape;
use super::{Difference, Kind, Verified};
use crate::batch::Batch;
use crate::error::Result;
use crate::sink::verify::{Cell, CellReader, RowBuffer};

/// Days that are listed at most.
const MOST_DAYS: usize = 10_000;

/// Rows that are listed at most; a file has all of them.
const MOST_ROWS: usize = 1_000;

/// A row of an input that is looked for in the table.
struct Wanted {
    cells: RowBuffer,
    at: (Arc<str>, u64),
}

/// Compares a part of the keys, row by row.
pub(crate) struct Found<'a> {
    pub shape: &'a Shape,
    pub digests: &'a Digests,
    /// Which part of how many.
    pub part: (u64, u64),
    /// Whether of several rows with one key the first one stands, and not the last.
    first_wins: bool,
    wanted: HashMap<u128, Wanted>,
    superseded: u64,
    scratch: Vec<u8>,
}

impl<'a> Found<'a> {
    pub fn new(shape: &'a Shape, digests: &'a Digests, part: (u64, u64), first_wins: bool) -> Self {
        let (wanted, scratch) = (HashMap::new(), Vec::new());
        Self { shape, digests, part, first_wins, wanted, superseded: 0, scratch }
    }

    /// The key of a row, where it is one of this part.
    fn key(&mut self, rows: &RowBuffer, row: usize, store: &dyn CellReader) -> Option<u128> {
        let key = self.shape.key(rows, row, &mut self.scratch);
        let mine = (key >> 64) as u64 % self.part.1.max(1) == self.part.0;
        (mine && self.digests.differs(self.shape.place(rows, row, store, &mut self.scratch))).then_some(key)
    }

    /// Takes rows of an input, of which these stand in the batch. A later one of a key replaces an earlier one in the columns
    /// that it brings, as it does in the table; or it is left out.
    pub fn input(&mut self, rows: &RowBuffer, batch: &Batch, kept: &[usize], store: &dyn CellReader) {
        for (row, of_batch) in kept.iter().enumerate() {
            let Some(key) = self.key(rows, row, store) else { continue };
            let before = self.wanted.get(&key);
            self.superseded += u64::from(before.is_some());
            if self.first_wins && before.is_some() {
                continue;
            }
            let mut cells = RowBuffer::new(rows.width());
            for column in 0..rows.width() {
                cells.push(match (rows.cell(row, column), before) {
                    (Cell::Absent, Some(before)) => before.cells.cell(0, column),
                    (cell, _) => cell,
                });
            }
            let number = batch.rows.get(*of_batch).copied().unwrap_or_default();
            let at = (batch.origin.source.clone(), number);
            self.wanted.insert(key, Wanted { cells, at });
        }
    }

    /// Holds rows of the table against them.
    pub fn stored(
        &mut self,
        rows: &RowBuffer,
        store: &dyn CellReader,
        (found, export): (&mut Verified, &mut Option<Export>),
    ) -> Result<()> {
        for row in 0..rows.rows() {
            let Some(key) = self.key(rows, row, store) else { continue };
            let Some(wanted) = self.wanted.remove(&key) else {
                let other = |column: usize| rows.cell(row, column) != Cell::Null;
                self.tell(Kind::OnlyInStore, (None, Some((rows, row))), &other, store, (found, export))?;
                continue;
            };
            let cells = &wanted.cells;
            let differs = |column: usize| {
                let cell = cells.cell(0, column);
                cell != Cell::Absent && cell != rows.cell(row, column)
            };
            if (0..rows.width()).any(differs) {
                self.tell(
                    Kind::Different,
                    (Some(&wanted), Some((rows, row))),
                    &differs,
                    store,
                    (found, export),
                )?;
            }
        }
        Ok(())
    }

    /// What is left is not in the table.
    pub fn finish(
        mut self,
        store: &dyn CellReader,
        (found, export): (&mut Verified, &mut Option<Export>),
    ) -> Result<()> {
        let mut missing: Vec<Wanted> = std::mem::take(&mut self.wanted).into_values().collect();
        missing.sort_by(|a, b| a.at.cmp(&b.at));
        for wanted in &missing {
            let brought = |column: usize| wanted.cells.cell(0, column) != Cell::Absent;
            self.tell(Kind::Missing, (Some(wanted), None), &brought, store, (found, export))?;
        }
        found.superseded += self.superseded;
        Ok(())
    }

    fn tell(
        &self,
        kind: Kind,
        (input, stored): (Option<&Wanted>, Option<(&RowBuffer, usize)>),
        shown: &dyn Fn(usize) -> bool,
        store: &dyn CellReader,
        (found, export): (&mut Verified, &mut Option<Export>),
    ) -> Result<()> {
        let of_input = |column| input.map_or(Cell::Absent, |wanted| wanted.cells.cell(0, column));
        let of_store = |column| stored.map_or(Cell::Absent, |(rows, row)| rows.cell(row, column));
        let either = |column| if input.is_some() { of_input(column) } else { of_store(column) };
        let text = |column: usize| match store.json(column, either(column)) {
            json if json.starts_with('"') => serde_json::from_str(&json).unwrap_or(json),
            json => json,
        };
        let (mut key, mut values) = (Vec::new(), Vec::new());
        for (place, column) in self.shape.columns.iter().enumerate() {
            if column.key {
                key.push((column.name.clone(), store.json(place, either(place))));
            } else if shown(place) {
                let (input, stored) =
                    (store.json(place, of_input(place)), store.json(place, of_store(place)));
                values.push((column.name.clone(), input, stored));
            }
        }
        let difference = Difference { kind, key, values, at: input.map(|wanted| wanted.at.clone()) };
        let time =
            (0..).zip(&self.shape.columns).find(|(_, column)| column.time).map(|(place, _)| text(place));
        let day = time.map(|time| time.split(['T', ' ']).next().unwrap_or_default().to_owned());
        let day = day.unwrap_or_default();
        let symbol = self.shape.symbol.map(text).unwrap_or_default();
        let count = match kind {
            Kind::Missing => &mut found.missing,
            Kind::Different => &mut found.different,
            Kind::OnlyInStore => &mut found.extra,
        };
        *count += 1;
        let place = (symbol, day);
        if found.days.len() < MOST_DAYS || found.days.contains_key(&place) {
            found.days.entry(place).or_default()[kind as usize] += 1;
        } else {
            found.more_days = true;
        }
        if let Some(export) = export {
            export.put(&difference)?;
        }
        if found.differences.len() < MOST_ROWS {
            found.differences.push(difference);
        }
        Ok(())
    }
}
