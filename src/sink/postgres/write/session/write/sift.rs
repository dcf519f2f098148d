//! Rows that are passed over, since the table has them as they are.

use std::sync::Arc;

use super::{Failure, PgSession, failure};
use crate::batch::Rows;
use crate::model::values::Values;
use crate::settings::OnConflict;
use crate::sink::postgres::write::plan::Plan;

impl PgSession {
    /// Takes the rows out of `waves` that the table has as they are, and says how many these are. Those that are left
    /// are remembered as sent.
    pub(super) async fn sift(
        &mut self,
        rows: Rows<'_>,
        plan: &Plan,
        waves: &mut Vec<Vec<u32>>,
        sources: &[Values<'_>],
    ) -> Result<u64, Failure> {
        let shared = Arc::clone(&self.shared);
        let link = self.link().map_err(|error| Failure { error, intact: false })?;
        if shared.on_conflict == OnConflict::Error || !shared.digested.is_on(link).await {
            return Ok(0);
        }
        let identity = |position: &u32| {
            let pick = rows.picks.get(*position as usize)?;
            rows.parts.get(pick.part as usize)?.identities.get(pick.row as usize).copied()
        };
        let mut passed = 0;
        if let Some(digest) = &plan.digest {
            let seen: Vec<_> = rows.parts.iter().map(|part| shared.digested.seen(part)).collect();
            // Others ask about the same batches: each begins at another one, and waits last for what they ask.
            let turn = self.worker % rows.parts.len().max(1);
            for at in 0..rows.parts.len() {
                let number = (at + turn) % rows.parts.len();
                let (Some(Some(seen)), Some(part)) = (seen.get(number), rows.parts.get(number)) else {
                    continue;
                };
                let Ok(place) = u32::try_from(number) else { continue };
                let ask = async || {
                    let batch = (sources, place, part.len());
                    let known =
                        digest.known(link, shared.digested.seed, batch, shared.rules, shared.tenant).await?;
                    shared.digested.count(&known);
                    Ok::<_, tokio_postgres::Error>(known)
                };
                if let Err(error) = seen.get_or_try_init(ask).await {
                    // The transaction is tried again, without that.
                    shared.digested.give_up();
                    return Err(failure(link, &error));
                }
            }
            let known = |position: &u32| {
                let pick = rows.picks.get(*position as usize)?;
                let seen = seen.get(pick.part as usize)?.as_ref()?.get()?;
                seen.get(pick.row as usize).copied()
            };
            for wave in waves.iter_mut() {
                let sent =
                    shared.digested.were_sent(wave.iter().map(|position| identity(position).unwrap_or(0)));
                let before = wave.len();
                let mut number = 0;
                wave.retain(|position| {
                    let again = sent.get(number).copied().unwrap_or(false);
                    number += 1;
                    again || known(position) != Some(true)
                });
                passed += (before - wave.len()) as u64;
            }
            waves.retain(|wave| !wave.is_empty());
        }
        shared.digested.send(waves.iter().flatten().filter_map(identity));
        Ok(passed)
    }
}
