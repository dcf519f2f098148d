//! Which rows the table has already: staged and compared as for a merge, and rolled back.

use std::sync::Arc;

use super::{Encoder, Failure, PgSession, Plan, Proof, Reasons, Rows, SinkError, TransactionState, Values};
use super::{copy, lost, sources, waves};
use crate::port::Session as _;

impl PgSession {
    /// How many of the rows are in the table, and how many of those differ there. Nothing of it stays.
    pub(in crate::sink::postgres) async fn known(&mut self, rows: Rows<'_>) -> Result<[u64; 2], SinkError> {
        self.begin().await?;
        let counted = self.known_now(rows).await;
        let undone = self.rollback().await;
        let counted = counted?;
        undone.map(|()| counted)
    }

    async fn known_now(&mut self, rows: Rows<'_>) -> Result<[u64; 2], SinkError> {
        let proof = self.expect_open()?;
        if proof.table().casts() {
            self.cast_as_meant(rows).await?;
        }
        let place = self.plan(rows, &proof)?;
        let Some((plan, _)) = self.plans.get(place) else { return Err(lost()) };
        let plan = Arc::clone(plan);
        let sources = sources(rows, &plan).map_err(SinkError::Fatal)?;
        self.state = TransactionState::Broken;
        match self.compared(rows, &plan, place, &sources, &proof).await {
            Ok(counts) => {
                self.state = TransactionState::Open;
                Ok(counts)
            }
            Err(failure) => {
                if failure.intact {
                    self.state = TransactionState::Failed;
                }
                Err(failure.error)
            }
        }
    }

    async fn compared(
        &mut self,
        rows: Rows<'_>,
        plan: &Plan,
        place: usize,
        sources: &[Values<'_>],
        proof: &Proof,
    ) -> Result<[u64; 2], Failure> {
        let Some(merge) = &plan.stage.merge else { return Ok([0, 0]) };
        let (slices, among) = self.slices(rows, plan, sources, proof).await?;
        let (width, rules, tenant) = (plan.names.len(), self.shared.rules, self.shared.tenant);
        let mut reasons = Reasons::default();
        let mut encoder =
            Encoder::new(&plan.goals, &plan.origins, sources, width, rules, tenant, &mut reasons);
        let mut sums = [0, 0];
        for wave in waves(rows, &plan.key, plan.apart, sources, width) {
            let prelude = self.stage(plan, place)?;
            self.say(&prelude).await?;
            let link = self.link().map_err(|error| Failure { error, intact: false })?;
            let copied = copy(link, &plan.stage.copy, rows, &wave, &mut encoder).await?;
            if copied.sent.is_empty() {
                continue;
            }
            let job = self.job(proof, plan, (&slices, &among), None, link);
            job.prepare(merge).await?;
            let counts: [u64; 2] = job.sums(merge, |merge| &merge.compare, None).await?;
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        Ok(sums)
    }
}
