//! Which parts a list of inputs is claimed in.

use crate::decode::Mark;
use crate::port::jobs::{PartPlan, Stretch};
use crate::port::runs::InputIdentity;

/// Parts that a job has at least, where it has so many inputs.
const FEWEST: u64 = 64;

/// Bytes of a part beyond which no further input is added to it, and in which large ones are divided.
const MOST: u64 = 64 << 20;

/// Parts that inputs are divided in at most, whatever size is asked for: each is a row of the ledger.
const DIVIDED: u64 = 10_000;

/// The stretches that an input can be divided in, of so many bytes, with their bytes.
type Stretches<'a> = &'a dyn Fn(usize, u64) -> Vec<(Stretch, u64)>;

/// Parts of inputs that follow one another in the list, and of large inputs by their stretches; `asked`: how many bytes they
/// are to have.
pub(super) fn planned(inputs: &[InputIdentity], asked: Option<u64>, of: Stretches<'_>) -> Vec<PartPlan> {
    let bytes_of = |input: &InputIdentity| input.bytes.unwrap_or(0);
    let total: u64 = inputs.iter().map(bytes_of).sum();
    let most = asked.unwrap_or((total / FEWEST).min(MOST));
    let each = asked.unwrap_or(MOST).max(total / DIVIDED).max(1);
    let large = each.saturating_add(each / 2);
    let mut parts: Vec<PartPlan> = Vec::new();
    for (place, input) in inputs.iter().enumerate() {
        let bytes = bytes_of(input);
        let stretches = if bytes > large { of(place, each) } else { Vec::new() };
        let of_input =
            |stretch, bytes| PartPlan { first: place, inputs: vec![input.clone()], stretch, bytes };
        if stretches.len() > 1 {
            parts.extend(stretches.into_iter().map(|(stretch, bytes)| of_input(Some(stretch), bytes)));
            continue;
        }
        let last = parts.last_mut().filter(|part| part.stretch.is_none());
        match last.filter(|part| part.bytes.saturating_add(bytes) <= most) {
            Some(part) => {
                part.bytes += bytes;
                part.inputs.push(input.clone());
            }
            None => parts.push(of_input(None, bytes)),
        }
    }
    parts
}

/// Stretches of lines between those places, with their bytes.
pub(super) fn of_marks(marks: &[Mark]) -> Vec<(Stretch, u64)> {
    let between = |pair: &[Mark]| {
        let [from, to] = pair else { return None };
        let (Mark { at, rows: before, loose, filled }, to) = (*from, to.at);
        Some((Stretch::Lines { from: at, to, before, loose, filled }, to - at))
    };
    marks.windows(2).filter_map(between).collect()
}

/// Stretches of row groups of about so many bytes, of the rows and bytes of all, with their bytes.
pub(super) fn of_groups(pieces: &[(u64, u64)], each: u64) -> Vec<(Stretch, u64)> {
    let mut stretches = Vec::new();
    let (mut from, mut before, mut rows, mut bytes) = (0, 0, 0, 0u64);
    for (at, (more, size)) in pieces.iter().enumerate() {
        rows += more;
        bytes = bytes.saturating_add(*size);
        if bytes >= each || at + 1 == pieces.len() {
            stretches.push((Stretch::RowGroups { from, to: at + 1, before }, bytes));
            (from, before, rows, bytes) = (at + 1, before + rows, 0, 0);
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(sizes: &[u64]) -> Vec<InputIdentity> {
        let input = |bytes: &u64| InputIdentity {
            name: "x".into(),
            id: None,
            bytes: Some(*bytes),
            fingerprint: None,
            failed: None,
            unproven: false,
            modified: None,
            content: None,
        };
        sizes.iter().map(input).collect()
    }

    fn planned_of(sizes: &[u64]) -> Vec<(usize, usize)> {
        let parts = planned(&inputs(sizes), None, &|_, _| Vec::new());
        parts.iter().map(|part| (part.first, part.inputs.len())).collect()
    }

    #[test]
    fn few_inputs_are_claimed_one_by_one_and_many_small_ones_together() {
        assert_eq!(planned_of(&[]), []);
        assert_eq!(planned_of(&[10, 20, 0, 30]), [(0, 1), (1, 1), (2, 1), (3, 1)]);
        let many = planned_of(&[1_000; 6_400]);
        assert_eq!((many.len(), many[1]), (64, (100, 100)));
        let large = planned_of(&[100 << 20; 100]);
        assert_eq!(large.len(), 100);
        // Every input is in one part.
        let mixed = planned_of(&(0..1_000).map(|n| n * 7 % 131).collect::<Vec<u64>>());
        let mut next = 0;
        for (first, count) in mixed {
            assert_eq!(first, next);
            next += count;
        }
        assert_eq!(next, 1_000);
    }

    #[test]
    fn large_inputs_are_divided_between_their_pieces() {
        let pieces = |place: usize, each: u64| match place {
            1 => of_groups(&[(10, 40), (20, 40), (30, 40), (5, 5)], each),
            _ => Vec::new(),
        };
        let parts = planned(&inputs(&[10, 125, 125, 10]), Some(60), &pieces);
        let told: Vec<_> = parts.iter().map(|part| (part.first, part.bytes, part.stretch)).collect();
        let groups = |from, to, before| Some(Stretch::RowGroups { from, to, before });
        assert_eq!(
            told,
            [
                (0, 10, None),
                (1, 80, groups(0, 2, 0)),
                (1, 45, groups(2, 4, 30)),
                (2, 125, None),
                (3, 10, None)
            ]
        );
    }
}
