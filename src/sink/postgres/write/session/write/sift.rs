//! Rows that are passed over, since the table has them as they are.

use std::sync::Arc;

use super::{Failure, PgSession, failure};
use crate::batch::Rows;
use crate::model::values::Values;
use crate::settings::OnConflict;
use crate::sink::postgres::write::digest::is_possible;
use crate::sink::postgres::write::digested::Seen;
use crate::sink::postgres::write::plan::Plan;

/// Batches that are asked about in one go: many, for few and large ranges; few, so that others have some as well.
const AT_ONCE: usize = 3;

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
        let possible = self.proof.as_ref().is_some_and(|proof| is_possible(proof.table()));
        if !possible || shared.on_conflict == OnConflict::Error || !shared.digested.is_on(link).await {
            return Ok(0);
        }
        let identity = |position: &u32| {
            let pick = rows.picks.get(*position as usize)?;
            rows.parts.get(pick.part as usize)?.identities.get(pick.row as usize).copied()
        };
        let mut passed = 0;
        if let Some(digest) = &plan.digest {
            let seen: Vec<_> = rows.parts.iter().map(|part| shared.digested.seen(part)).collect();
            // Others have rows of the same batches: each asks about some of those that nobody has asked about, all at
            // once, and waits last for what the others ask.
            loop {
                let (mut claims, mut parts) = (Vec::new(), Vec::new());
                for (number, (seen, part)) in (0..).zip(seen.iter().zip(rows.parts)) {
                    if parts.len() < AT_ONCE
                        && let Some(claim) = seen.as_ref().and_then(Seen::claim)
                    {
                        claims.push(claim);
                        parts.push((number, part.len()));
                    }
                }
                if parts.is_empty() {
                    break;
                }
                let batches = (sources, &*parts);
                match digest.known(link, shared.digested.seed, batches, shared.rules, shared.tenant).await {
                    Ok(known) => {
                        for (claim, known) in claims.into_iter().zip(known) {
                            shared.digested.count(&known);
                            claim.tell(known);
                        }
                    }
                    Err(error) => {
                        // The transaction is tried again, without that.
                        shared.digested.give_up();
                        return Err(failure(link, &error));
                    }
                }
            }
            let mut told = Vec::with_capacity(seen.len());
            for seen in &seen {
                told.push(match seen {
                    Some(seen) => seen.known().await,
                    None => Arc::default(),
                });
            }
            let known = |position: &u32| {
                let pick = rows.picks.get(*position as usize)?;
                told.get(pick.part as usize)?.get(pick.row as usize).copied()
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
                // Before the next wave, which has the later rows of the same keys, is looked at.
                shared.digested.send(wave.iter().filter_map(identity));
            }
            waves.retain(|wave| !wave.is_empty());
        } else {
            shared.digested.send(waves.iter().flatten().filter_map(identity));
        }
        Ok(passed)
    }
}
