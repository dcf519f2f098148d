//! Rows of several batches as COPY takes them, a block of them at a time.

use std::sync::Arc;

use uuid::Uuid;

use crate::batch::{Pick, Reason};
use crate::model::values::Values;
use crate::sink::postgres::encode::column::{CELL, Cell, Column, Size};
use crate::sink::postgres::encode::comparison::{Firsts, NEVER};
use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::encoder::{EncodeTarget, Origin, RoundingPolicy, put_uuid};
use crate::sink::postgres::encode::refusal::Reasons;
use crate::sink::postgres::encode::uuid::NewIds;

/// Encodes the rows of one write.
pub(in crate::sink::postgres) struct Encoder<'a> {
    goals: &'a [EncodeTarget],
    origins: &'a [Origin],
    /// The columns of part `p` begin at `p * width`.
    columns: Vec<Column<'a>>,
    /// Columns of a batch.
    width: usize,
    rules: RoundingPolicy,
    tenant: Option<Uuid>,
    ids: NewIds,
    firsts: Option<Firsts<'a>>,
    reasons: &'a mut Reasons,
    /// Cells of a block, column after column.
    cells: Vec<Cell>,
    sizes: Vec<Size>,
    scratch: Out,
}

/// Rows of a block: their cells fit into the fastest cache.
pub(in crate::sink::postgres) const BLOCK: usize = 32;

impl<'a> Encoder<'a> {
    /// An encoder of rows whose batch columns are `sources`, part after part, `width` in each.
    pub fn new(
        goals: &'a [EncodeTarget],
        origins: &'a [Origin],
        sources: &[Values<'a>],
        width: usize,
        rules: RoundingPolicy,
        tenant: Option<Uuid>,
        reasons: &'a mut Reasons,
    ) -> Self {
        let columns = sources
            .iter()
            .enumerate()
            .map(|(i, source)| Column::new(&goals[i % width.max(1)], *source, rules));
        Self {
            goals,
            origins,
            columns: columns.collect(),
            width,
            rules,
            tenant,
            ids: NewIds::new(),
            firsts: None,
            reasons,
            cells: vec![[0; CELL]; width * BLOCK],
            sizes: vec![Size::NONE; width * BLOCK],
            scratch: Out::small(),
        }
    }

    /// Encodes rows that have failed before, where one of the goals takes the time of their first failure.
    pub fn with_firsts(self, firsts: Option<Firsts<'a>>) -> Self {
        Self { firsts, ..self }
    }

    /// Appends up to [`BLOCK`] rows, and tells of each how many of its values are rounded, or why it
    /// is left out.
    pub fn block(
        &mut self,
        picks: &[Pick],
        out: &mut Out,
        mut tell: impl FnMut(usize, Result<u64, Arc<Reason>>),
    ) {
        let picks = &picks[..picks.len().min(BLOCK)];
        let mut at = 0;
        for run in picks.chunk_by(|a, b| a.part == b.part) {
            let first = run.first().map_or(0, |pick| pick.part as usize * self.width);
            for (place, goal) in self.goals.iter().enumerate().take(self.width) {
                let of_run = place * BLOCK + at..place * BLOCK + at + run.len();
                let (cells, sizes) = (&mut self.cells[of_run.clone()], &mut self.sizes[of_run]);
                self.columns[first + place].cells(goal, run, self.rules, &mut self.scratch, cells, sizes);
            }
            at += run.len();
        }
        let plain = self.goals.len() == self.width;
        for (at, pick) in picks.iter().enumerate() {
            let start = out.len();
            let (mut rounded, mut whole) = (0, true);
            out.put_i16(self.goals.len() as i16);
            for (cells, sizes) in self.cells.chunks_exact(BLOCK).zip(self.sizes.chunks_exact(BLOCK)) {
                out.put_block(&cells[at], sizes[at].len());
                rounded += u64::from(sizes[at].is_rounded());
                whole &= sizes[at] != Size::NONE;
            }
            if whole && plain {
                tell(at, Ok(rounded));
                continue;
            }
            let done = if whole {
                self.fill(*pick, out).map(|()| rounded)
            } else {
                out.truncate(start);
                self.row(*pick, out)
            };
            if done.is_err() {
                out.truncate(start);
            }
            tell(at, done);
        }
    }

    /// Appends the cells that are not the batch's.
    pub(super) fn fill(&mut self, pick: Pick, out: &mut Out) -> Result<(), Arc<Reason>> {
        for (place, (goal, origin)) in self.goals.iter().zip(self.origins).enumerate().skip(self.width) {
            match (origin, &self.tenant) {
                (Origin::Tenant, Some(tenant)) => put_uuid(tenant, out),
                (Origin::NewId, _) => put_uuid(&self.ids.next(), out),
                (Origin::FirstTs, _) => {
                    out.put_i32(8);
                    out.put_i64(self.firsts.map_or(NEVER, |firsts| firsts.of(pick)));
                }
                _ => {
                    goal.put_null(out).map_err(|refusal| self.reasons.get(refusal, place, goal))?;
                }
            }
        }
        Ok(())
    }

    /// Appends a row the general way, and returns how many of its values are rounded. On an error
    /// something may have been appended; the caller takes it back.
    pub(super) fn row(&mut self, pick: Pick, out: &mut Out) -> Result<u64, Arc<Reason>> {
        let first = pick.part as usize * self.width;
        let mut rounded = 0;
        out.put_i16(self.goals.len() as i16);
        // The batch's columns come first, in their order.
        for (place, goal) in self.goals.iter().enumerate().take(self.width) {
            let source = self.columns[first + place].source;
            match goal.put(source, pick.row as usize, self.rules, out) {
                Ok(value) => rounded += u64::from(value),
                Err(refusal) => {
                    return Err(self.reasons.get(refusal, place, goal));
                }
            }
        }
        self.fill(pick, out)?;
        Ok(rounded)
    }
}
