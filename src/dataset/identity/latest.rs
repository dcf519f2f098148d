//! The contents of the latest rows as text, by which the next reading of an input goes on.

use crate::dataset::seam::NEAR;

/// Rows whose contents are known by one that goes on with the same input, whatever their times are.
pub(super) const LAST: usize = NEAR;

/// What [`ContentIds::latest`](super::ContentIds::latest) wrote, of its last contents alone: as many as have room in so many bytes, and 512
/// in any case.
pub fn last_of(latest: &str, bytes: usize) -> &str {
    if latest.len() <= bytes {
        return latest;
    }
    let mut starts = latest.rmatch_indices(' ').map(|(at, _)| at + 1).skip(LAST - 1);
    let least = starts.next().unwrap_or(0);
    let first = starts.take_while(|start| latest.len() - start <= bytes).last().unwrap_or(least);
    latest.get(first..).unwrap_or_default()
}

/// What [`ContentIds::latest`](super::ContentIds::latest) wrote.
pub(in crate::dataset) fn counts(latest: &str) -> impl Iterator<Item = (u64, u32)> + Clone + '_ {
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    latest.split(' ').filter_map(move |entry| {
        let (hash, count) = entry.split_once('*').unwrap_or((entry, "1"));
        Some((hex(hash)?, u32::try_from(hex(count)?).unwrap_or(u32::MAX)))
    })
}
