//! The order of the list, held once all parts are done with.

use crate::error::{Error, Result};
use crate::pipeline::key_ranges::{Boxes, KeyRange};
use crate::port::jobs::{Conclusion, JobRecord, PartRecord};

/// What comes after all parts are done with: rows whose keys are in inputs that were loaded at the same time, or in
/// another order than that of the list, are written once more.
///
/// For a key outside of the boxes that are found every part that may have it was done with before the next one of the
/// list was begun, so that the row of the last one stands. For one inside all rows are written again, part by part.
pub(super) fn judged(job: &JobRecord) -> Result<Conclusion> {
    if !job.keyed {
        return Ok(Conclusion::Done);
    }
    let keys = |part: &PartRecord| -> Vec<KeyRange> {
        match part.interval {
            None if part.claims == 0 => Vec::new(),
            // Nothing was noted of it.
            _ if part.keys.is_null() => vec![KeyRange::everything()],
            _ => serde_json::from_value(part.keys.clone()).unwrap_or_else(|_| vec![KeyRange::everything()]),
        }
    };
    let keys: Vec<Vec<KeyRange>> = job.parts.iter().map(keys).collect();
    let mut boxes = Boxes::default();
    for (at, earlier) in job.parts.iter().enumerate() {
        for (later, other) in job.parts.iter().zip(&keys).skip(at + 1) {
            let in_order =
                earlier.interval.zip(later.interval).is_some_and(|((_, ended), (begun, _))| ended < begun);
            if !in_order {
                for (a, b) in keys[at].iter().flat_map(|a| other.iter().map(move |b| (a, b))) {
                    boxes.add_common(a, b);
                }
            }
        }
    }
    if boxes.is_empty() {
        return Ok(Conclusion::Done);
    }
    let meant = |(_, keys): &(&PartRecord, &Vec<KeyRange>)| keys.iter().any(|range| boxes.meets(range));
    let parts = job.parts.iter().zip(&keys).filter(meant).map(|(part, _)| part.part).collect();
    let boxes = serde_json::to_value(&boxes)
        .map_err(|error| Error::internal(format!("the keys of the job cannot be written: {error}")))?;
    Ok(Conclusion::Settle { parts, boxes })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::port::jobs::{PartState, samples};

    /// A part that was at work in that interval, with rows of one symbol in a stretch of time.
    fn part(part: usize, interval: (i64, i64), keys: &[(&str, i64, i64)]) -> PartRecord {
        let groups: BTreeMap<&str, (i64, i64)> =
            keys.iter().map(|(group, a, b)| (*group, (*a, *b))).collect();
        let all = keys.iter().fold((i64::MAX, i64::MIN), |all, (_, a, b)| (all.0.min(*a), all.1.max(*b)));
        PartRecord {
            state: PartState::Done,
            interval: Some(interval),
            keys: json!([{"all": all, "groups": groups}]),
            ..samples::part(part)
        }
    }

    fn settled(parts: Vec<PartRecord>) -> Vec<usize> {
        match judged(&samples::job(parts)).unwrap() {
            Conclusion::Done => Vec::new(),
            Conclusion::Settle { parts, .. } => parts,
        }
    }

    #[test]
    fn inputs_with_keys_of_their_own_are_loaded_once_whatever_the_order() {
        let days = (0..6).map(|day| part(day, (1, 99), &[("A", 10 * day as i64, 10 * day as i64 + 9)]));
        assert!(settled(days.collect()).is_empty());
        let symbols = ["A", "B", "C"]
            .iter()
            .enumerate()
            .map(|(at, symbol)| part(at, (9 - at as i64, 20), &[(symbol, 0, 99)]));
        assert!(settled(symbols.collect()).is_empty());
    }

    #[test]
    fn inputs_that_share_keys_are_settled_unless_they_came_one_after_the_other() {
        let same = &[("A", 0, 9)][..];
        assert!(
            settled(vec![part(0, (1, 2), same), part(1, (3, 4), same), part(2, (5, 6), same)]).is_empty()
        );
        assert_eq!(
            settled(vec![part(0, (1, 3), same), part(1, (2, 4), same), part(2, (5, 6), same)]),
            [0, 1, 2]
        );
        assert_eq!(
            settled(vec![part(0, (3, 4), same), part(1, (1, 2), same), part(2, (1, 2), &[("B", 0, 9)])]),
            [0, 1]
        );
        // Of the third one no row has a key that came out of order.
        let third = part(2, (1, 9), &[("A", 6, 9)]);
        assert_eq!(
            settled(vec![part(0, (1, 3), &[("A", 0, 5)]), part(1, (2, 4), &[("A", 5, 5)]), third]),
            [0, 1]
        );
    }

    #[test]
    fn of_a_part_of_which_nothing_was_noted_any_row_may_have_any_key() {
        let mut unknown = part(1, (2, 4), &[]);
        unknown.keys = json!(null);
        assert_eq!(settled(vec![part(0, (1, 3), &[("A", 0, 5)]), unknown.clone()]), [0, 1]);
        unknown.claims = 0;
        unknown.interval = None;
        assert!(settled(vec![part(0, (1, 3), &[("A", 0, 5)]), unknown]).is_empty());
    }
}
