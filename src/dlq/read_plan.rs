//! The order in which the rows of claimed files are taken.
//!
//! What a key has in the end is what the latest of its letters says. Where a file or several of them hold
//! letters in another order than that in which their rows failed first, as after a replay that brought some
//! back, their records are put in order before they are taken.

use std::io;
use std::sync::Arc;

use crate::dlq::claim::{Claim, WINDOW_BYTES, WINDOW_ROWS, Window, count};

/// Records which failed so close to one another, in microseconds, may stand either way round: writers of
/// other keys have brought them.
const CLOSE_US: i64 = 1_000_000;

/// The way through claimed files.
#[derive(Debug)]
pub struct ReadPlan {
    /// The files.
    pub claims: Vec<Arc<Claim>>,
    /// Its legs, the oldest first.
    pub legs: Vec<PlannedRange>,
    /// Whether rows of a leg are to be put in order too.
    pub by_age: bool,
}

/// What is taken at once.
#[derive(Debug, Default)]
pub struct PlannedRange {
    /// Places of files, and what is taken of them.
    pub pieces: Vec<(usize, Window)>,
    /// Rows before it on this course.
    pub before: u64,
}

impl PlannedRange {
    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|(_, window)| window.bytes()).sum()
    }

    fn rows(&self) -> u64 {
        self.pieces.iter().map(|(_, window)| window.count).sum()
    }
}

impl ReadPlan {
    /// Through one file as it stands: its rows have the same numbers whatever is meant.
    pub fn straight(claim: Arc<Claim>) -> Self {
        let leg = |window: &Window| PlannedRange { pieces: vec![(0, *window)], before: window.rows };
        let legs = claim.windows.iter().map(leg).collect();
        Self { claims: vec![claim], legs, by_age: false }
    }

    /// Through all of those files, by the time at which their rows failed first.
    ///
    /// # Errors
    /// Those of reading, where records have to be put in order.
    pub fn by_age(claims: Vec<Arc<Claim>>) -> io::Result<Self> {
        let all = claims.iter().enumerate();
        let all = all.flat_map(|(place, claim)| claim.windows.iter().map(move |window| (place, *window)));
        let mut pieces: Vec<(usize, Window)> = all.filter(|(_, w)| w.ages.0 <= w.ages.1).collect();
        let few = pieces.iter().map(|(_, window)| window.count).sum::<u64>() <= WINDOW_ROWS
            && pieces.iter().map(|(_, window)| window.bytes()).sum::<u64>() <= WINDOW_BYTES;
        if !few {
            pieces.sort_by_key(|(_, window)| window.ages.0);
        }
        let in_order = |pair: &[(usize, Window)]| match pair {
            [(_, a), (_, b)] => a.ages.1 <= b.ages.0.saturating_add(CLOSE_US),
            _ => true,
        };
        let mut legs: Vec<PlannedRange> = match pieces.windows(2).all(in_order) {
            _ if few => vec![PlannedRange { pieces, before: 0 }],
            true => pieces.into_iter().map(|piece| PlannedRange { pieces: vec![piece], before: 0 }).collect(),
            false => in_legs(records(&claims)?),
        };
        let mut before = 0;
        for leg in &mut legs {
            leg.before = before;
            before += leg.rows();
        }
        Ok(Self { claims, legs, by_age: true })
    }
}

/// The records with meant rows, in order.
fn records(claims: &[Arc<Claim>]) -> io::Result<Vec<(usize, Window)>> {
    let mut records = Vec::new();
    for (place, claim) in claims.iter().enumerate() {
        for window in &claim.windows {
            claim.read(window, |line, letter, before| {
                if let Some(letter) = letter
                    && count(&claim.choice.meant(letter, line), letter) > 0
                {
                    records.push((place, Window::record(line, letter, before)));
                }
                Ok(())
            })?;
        }
    }
    // Those of one time stay as they stand.
    records.sort_by_key(|(_, record)| record.ages.0);
    Ok(records)
}

/// Joins what stands side by side, and cuts all into legs.
fn in_legs(records: Vec<(usize, Window)>) -> Vec<PlannedRange> {
    let mut legs = vec![PlannedRange::default()];
    let (mut rows, mut bytes) = (0, 0);
    for (place, record) in records {
        if rows >= WINDOW_ROWS || bytes >= WINDOW_BYTES {
            legs.push(PlannedRange::default());
            (rows, bytes) = (0, 0);
        }
        (rows, bytes) = (rows + record.count, bytes + record.bytes());
        let Some(leg) = legs.last_mut() else { continue };
        match leg.pieces.last_mut() {
            Some((last, piece)) if *last == place && piece.end == record.offset => {
                piece.end = record.end;
                piece.count += record.count;
                piece.ages.1 = record.ages.1;
            }
            _ => leg.pieces.push((place, record)),
        }
    }
    legs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::filter::Filter;

    fn claim(directory: &tempfile::TempDir, name: &str, times: &[u64]) -> Arc<Claim> {
        let line = |ts: &u64| {
            format!("{{\"ts\":{ts},\"error\":\"x\",\"metadata\":{{}},\"items\":[{{\"n\":{ts}}}]}}\n")
        };
        let path = directory.path().join(name);
        std::fs::write(&path, times.iter().map(line).collect::<String>()).unwrap();
        Arc::new(Claim::survey(&path, &Filter::default(), None).unwrap())
    }

    /// What is taken, leg by leg, of each leg by age, as the rows of one are.
    fn taken(course: &ReadPlan) -> Vec<i64> {
        let mut all = Vec::new();
        for leg in &course.legs {
            let mut taken = Vec::new();
            for (place, window) in &leg.pieces {
                course.claims[*place]
                    .read(window, |_, letter, _| {
                        taken.push(letter.unwrap().first_us() / 1_000_000);
                        Ok(())
                    })
                    .unwrap();
            }
            taken.sort_unstable();
            all.extend(taken);
        }
        all
    }

    #[test]
    fn records_are_taken_in_the_order_in_which_they_failed_first() {
        let directory = tempfile::tempdir().unwrap();
        for (a, b) in
            [(vec![10, 20], vec![30, 40]), (vec![30, 40], vec![10, 20]), (vec![10, 40], vec![30, 20])]
        {
            let claims = vec![claim(&directory, "a", &a), claim(&directory, "b", &b)];
            let sorted = records(&claims).unwrap();
            assert!(sorted.is_sorted_by_key(|(_, record)| record.ages.0), "{a:?} {b:?}");
            let apart = ReadPlan { claims: claims.clone(), legs: in_legs(sorted), by_age: true };
            for course in [ReadPlan::by_age(claims).unwrap(), apart] {
                assert_eq!(taken(&course), [10, 20, 30, 40], "{a:?} {b:?}");
            }
        }
    }
}
