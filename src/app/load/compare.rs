//! The first rows of a dry run, held against the table: what would be new, what other, what the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::{Batch, Identity, Pick, Rows};
use crate::sink::Comparison;
use crate::telemetry::preview::Compared;

/// Rows that are compared at most.
const MOST_ROWS: u64 = 100_000;

/// Bytes of them.
const MOST_BYTES: usize = 12 << 20;

/// How long that may take.
const LONGEST: Duration = Duration::from_secs(20);

/// The first rows.
#[derive(Default)]
pub(super) struct Window {
    /// Batches, with the rows of each that would not be sent.
    parts: Vec<(Arc<Batch>, HashSet<u32>)>,
    rows: u64,
    bytes: usize,
    /// Whether there are more.
    more: bool,
}

impl Window {
    /// Takes more rows, as long as there is room.
    pub(super) fn take(&mut self, batch: &Arc<Batch>, refused: HashSet<u32>) {
        let (rows, bytes) = (batch.len() as u64, batch.bytes());
        self.more |= self.rows + rows > MOST_ROWS || self.bytes + bytes > MOST_BYTES;
        if !self.more {
            (self.rows, self.bytes) = (self.rows + rows, self.bytes + bytes);
            self.parts.push((batch.clone(), refused));
        }
    }

    /// Compares them. Of the rows of one key the last one counts, or the first one.
    pub(super) async fn compare(self, store: &mut dyn Comparison, first_wins: bool) -> Compared {
        let mut written: HashMap<Identity, (usize, u32)> = HashMap::new();
        let mut good = 0u64;
        for (part, (batch, refused)) in self.parts.iter().enumerate() {
            let rows = batch.identities.iter().zip(0u32..).filter(|(_, row)| !refused.contains(row));
            for (identity, row) in rows {
                good += 1;
                if first_wins {
                    written.entry(*identity).or_insert((part, row));
                } else {
                    written.insert(*identity, (part, row));
                }
            }
        }
        let mut picks: Vec<Vec<Pick>> = vec![Vec::new(); self.parts.len()];
        for (part, row) in written.into_values() {
            if let Some(picks) = picks.get_mut(part) {
                picks.push(Pick { part: 0, row });
            }
        }
        let (mut compared, began) = (Compared::default(), Instant::now());
        for ((batch, _), mut picks) in self.parts.iter().zip(picks) {
            picks.sort_unstable_by_key(|pick| pick.row);
            let rows = Rows { parts: std::slice::from_ref(batch), picks: &picks };
            let left = LONGEST.saturating_sub(began.elapsed());
            let known = match tokio::time::timeout(left, store.known(rows)).await {
                Ok(Ok(known)) => known,
                Ok(Err(error)) => {
                    compared.failed = Some(error.to_string());
                    break;
                }
                Err(_) => {
                    compared.failed = Some(format!("it took longer than {} s", LONGEST.as_secs()));
                    break;
                }
            };
            compared.rows += batch.len() as u64;
            compared.inserted += (picks.len() as u64).saturating_sub(known.there);
            compared.updated += known.differing;
            compared.unchanged += known.there.saturating_sub(known.differing);
        }
        compared.all = !self.more && compared.failed.is_none();
        if compared.all {
            compared.superseded =
                good.saturating_sub(compared.inserted + compared.updated + compared.unchanged);
        }
        compared
    }
}
