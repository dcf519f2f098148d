//! What would be refused of rows before anything is sent, for a run that writes nothing.

use std::sync::Arc;

use uuid::Uuid;

use crate::batch::{Batch, Pick, Reason, Rows};
use crate::error::{Error, Result};
use crate::sink::Rehearsal;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::encoder::{BLOCK, Encoder, RoundingPolicy};
use crate::sink::postgres::encode::refusal::Reasons;
use crate::sink::postgres::write::plan::Plan;
use crate::sink::postgres::write::session::sources;

/// Encodes rows as they would be sent, by the same code as a load, and sends none of them. What only the
/// server knows (constraints, triggers, policies, casts) is not asked.
pub struct PgRehearsal {
    table: Table,
    tenant: Option<Uuid>,
    rules: RoundingPolicy,
    /// By the names of the columns.
    plans: Vec<(Plan, Reasons)>,
}

/// Shapes of batches whose plans are kept.
const MAX_PLANS: usize = 32;

impl PgRehearsal {
    pub(in crate::sink::postgres) fn new(table: Table, tenant: Option<Uuid>, rules: RoundingPolicy) -> Self {
        Self { table, tenant, rules, plans: Vec::new() }
    }
}

impl Rehearsal for PgRehearsal {
    /// Usage, where a column is one that the table lacks, or lacks one that it needs.
    fn refused(&mut self, batch: &Arc<Batch>) -> Result<Vec<(usize, Arc<Reason>)>> {
        let fault = |reason: Reason| Error::usage(reason.message.into_owned());
        let schema = batch.columns.schema_ref();
        let names = || schema.fields().iter().map(|field| field.name());
        let known = self.plans.iter().position(|(plan, _)| plan.names.iter().eq(names()));
        let place = match known {
            Some(place) => place,
            None => {
                let names = names().cloned().collect();
                let plan = Plan::new(&self.table, names, self.tenant.is_some(), false, 0).map_err(fault)?;
                if self.plans.len() >= MAX_PLANS {
                    self.plans.clear();
                }
                self.plans.push((plan, Reasons::default()));
                self.plans.len() - 1
            }
        };
        let Some((plan, reasons)) = self.plans.get_mut(place) else { return Ok(Vec::new()) };
        let parts = std::slice::from_ref(batch);
        let sources = sources(Rows { parts, picks: &[] }, plan).map_err(fault)?;
        let (width, rules, tenant) = (plan.names.len(), self.rules, self.tenant);
        let mut encoder = Encoder::new(&plan.goals, &plan.origins, &sources, width, rules, tenant, reasons);
        let mut refused = Vec::new();
        let rows: Vec<u32> = (0..batch.len() as u32).collect();
        let mut out = Out::new();
        for block in rows.chunks(BLOCK) {
            let picks: Vec<Pick> = block.iter().map(|row| Pick { part: 0, row: *row }).collect();
            out.truncate(0);
            encoder.block(&picks, &mut out, |at, done| {
                if let (Err(reason), Some(row)) = (done, block.get(at)) {
                    refused.push((*row as usize, reason));
                }
            });
        }
        Ok(refused)
    }
}
