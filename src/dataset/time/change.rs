//! The two hours of the same name when clocks are put back, told apart by the order of the rows.
//!
//! The rows of a series go forward in time, or backward. Where their local times step back within the
//! hour that comes twice, the second one has begun: that is known only when rows of both have been
//! seen. Rows of which the order tells nothing are left to the caller.

use std::collections::HashMap;

use chrono_tz::Tz;

use super::zone::offset_at;

/// A time that came twice.
#[derive(Debug, Clone, Copy)]
pub struct Twice {
    /// Its row.
    pub row: usize,
    /// The instant at which it came first, in nanoseconds.
    pub first: i64,
    /// The instant at which it came again.
    pub second: i64,
}

/// The last row of a series: its instant, and whether its rows go backward, where it is known.
pub type Last = (i64, Option<bool>);

/// The series of a column near a change of clocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    last: HashMap<u64, Last>,
    /// Rows that were told apart.
    pub(super) told: u64,
    /// Rows that were taken for those of the first hour since the rows go on without a break.
    pub(super) taken: u64,
}

/// Series that are remembered.
const MOST: usize = 100_000;
/// Further than any change of clocks reaches.
const NEAR: i64 = 3 * 3600;
/// Longer than this, a batch may have a change in it that its ends do not show.
const LONG: i64 = 60 * 86_400;

impl Series {
    pub(super) fn knowing(last: impl Iterator<Item = (u64, Last)>) -> Self {
        Self { last: last.collect(), ..Self::default() }
    }

    pub(super) fn last(&self) -> impl Iterator<Item = (u64, Last)> {
        self.last.iter().map(|(series, last)| (*series, *last))
    }

    pub(super) fn forget(&mut self) {
        self.last.clear();
    }

    /// Whether what comes after rows of these instants may have to be told apart by them.
    pub(super) fn is_near(&self, zone: Option<Tz>, low: i64, high: i64) -> bool {
        let Some(zone) = zone else { return false };
        let (low, high) = (low / 1_000_000_000 - NEAR, high / 1_000_000_000 + NEAR);
        high - low > LONG || offset_at(zone, low) != offset_at(zone, high)
    }

    /// Sets the instants of the rows that came twice, as far as the order tells them; returns the
    /// others. `valid` says which other rows have an instant in `values`.
    pub(super) fn settle(
        &mut self,
        values: &mut [i64],
        valid: &[bool],
        twice: &[Twice],
        series_of: &dyn Fn(usize) -> u64,
    ) -> Vec<usize> {
        let mut at: Vec<Option<usize>> = vec![None; values.len()];
        for (place, twice) in twice.iter().enumerate() {
            at[twice.row] = Some(place);
        }
        let keys: Vec<u64> = (0..values.len()).map(series_of).collect();
        let mut rows_of: HashMap<u64, Vec<usize>> = twice.iter().map(|t| (keys[t.row], Vec::new())).collect();
        for row in 0..values.len() {
            if (valid[row] || at[row].is_some())
                && let Some(rows) = rows_of.get_mut(&keys[row])
            {
                rows.push(row);
            }
        }
        let mut settled: Vec<Option<i64>> = vec![None; twice.len()];
        for (key, rows) in rows_of {
            let items: Vec<Item> = rows
                .iter()
                .map(|row| match at[*row] {
                    Some(place) => Item::Twice(place),
                    None => Item::Known(values[*row]),
                })
                .collect();
            self.taken += in_order(items, self.last.get(&key).copied(), twice, &mut settled);
        }
        by_neighbours(values, valid, twice, &at, &mut settled);
        let mut left = Vec::new();
        for (twice, instant) in twice.iter().zip(&settled) {
            match instant {
                Some(instant) => {
                    values[twice.row] = *instant;
                    self.told += 1;
                }
                None => left.push(twice.row),
            }
        }
        for row in (0..values.len()).filter(|row| at[*row].map_or(valid[*row], |at| settled[at].is_some())) {
            self.note(keys[row], values[row]);
        }
        left
    }

    /// Remembers the last row of each series.
    pub(super) fn look(&mut self, values: &[i64], valid: &[bool], series_of: &dyn Fn(usize) -> u64) {
        for row in (0..values.len()).filter(|row| valid[*row]) {
            self.note(series_of(row), values[row]);
        }
    }

    fn note(&mut self, series: u64, instant: i64) {
        if self.last.len() > MOST {
            self.last.clear();
        }
        let last = self.last.entry(series).or_insert((instant, None));
        if last.0 != instant {
            *last = (instant, Some(instant < last.0));
        }
    }
}

/// A row of a series: an instant, or the place of one that came twice.
#[derive(Debug, Clone, Copy)]
enum Item {
    Known(i64),
    Twice(usize),
}

/// Settles what the order of one series tells; returns how many were taken for the first hour's
/// because the rows before them go on without a break.
fn in_order(mut items: Vec<Item>, last: Option<Last>, twice: &[Twice], settled: &mut [Option<i64>]) -> u64 {
    let backward = goes_backward(&items, last, twice);
    let (mut low, mut high) = (last.map(|(instant, _)| instant), None);
    if backward {
        items.reverse();
        (low, high) = (high, low);
    }
    let mut taken = 0;
    let mut start = 0;
    while start < items.len() {
        if !matches!(items[start], Item::Twice(_)) {
            start += 1;
            continue;
        }
        let mut run: Vec<usize> = Vec::new();
        let mut end = start;
        while let Some(Item::Twice(place)) = items.get(end) {
            // Of one change only.
            let apart = run.last().is_some_and(|before| {
                twice[*before].first.abs_diff(twice[*place].first) > 86_400_000_000_000
            });
            if apart {
                break;
            }
            run.push(*place);
            end += 1;
        }
        let known = |at: Option<&Item>| match at {
            Some(Item::Known(instant)) => Some(*instant),
            _ => None,
        };
        let below = if start == 0 { low } else { known(items.get(start - 1)) };
        let above = if end == items.len() { high } else { known(items.get(end)) };
        let open = if backward { start == 0 } else { end == items.len() };
        taken += run_in_order(&run, (below, above), open.then_some(backward), twice, settled);
        start = end;
    }
    taken
}

/// Whether the rows of the series go backward in time.
fn goes_backward(items: &[Item], last: Option<Last>, twice: &[Twice]) -> bool {
    let instant = |item: &Item| match item {
        Item::Known(instant) => *instant,
        Item::Twice(place) => twice[*place].first,
    };
    if let Some((_, Some(backward))) = last {
        return backward;
    }
    let before = last.map(|(instant, _)| Item::Known(instant));
    let all: Vec<i64> = before.iter().chain(items).map(instant).collect();
    let steps = all.windows(2).map(|pair| pair[1].cmp(&pair[0]) as i64);
    steps.sum::<i64>() < 0
}

/// Settles rows of one hour that came twice, in order of time: some of the first, then some of the
/// second. `open` where more rows of it may follow, with whether they come before these in time.
fn run_in_order(
    run: &[usize],
    (below, above): (Option<i64>, Option<i64>),
    open: Option<bool>,
    twice: &[Twice],
    settled: &mut [Option<i64>],
) -> u64 {
    let rows: Vec<Twice> = run.iter().map(|place| twice[*place]).collect();
    let count = rows.len();
    // So many from the beginning that go forward, and from where to the end they do.
    let forward = 1 + rows.windows(2).take_while(|pair| pair[0].first <= pair[1].first).count();
    let again = rows.windows(2).rposition(|pair| pair[0].first > pair[1].first).map_or(0, |at| at + 1);
    let fits = |split: usize| {
        let chosen = |at: usize| if at < split { rows[at].first } else { rows[at].second };
        split <= forward
            && split >= again
            && below.is_none_or(|below| below <= chosen(0))
            && above.is_none_or(|above| above >= chosen(count - 1))
    };
    let mut splits = (0..=count).filter(|split| fits(*split));
    let Some(least) = splits.next() else { return 0 };
    let most = splits.next_back().unwrap_or(least);
    let (mut from, mut to, mut taken) = (least, most, 0);
    if least < most {
        let shift = rows[0].second - rows[0].first;
        if let (2, Some(true)) = (count, (rows[0].first == rows[count - 1].first).then_some(fits(1)))
            && (below == Some(rows[0].first - shift) || above == Some(rows[0].second + shift))
        {
            // Hourly rows: two of one name are the two hours.
            (from, to) = (1, 1);
        } else if open == Some(false)
            && most == count
            && below.is_some_and(|below| rows[0].first - below <= shift)
        {
            taken = (count - least) as u64;
            (from, to) = (count, count);
        } else if open == Some(true)
            && least == 0
            && above.is_some_and(|above| above - rows[count - 1].second <= shift)
        {
            taken = most as u64;
            (from, to) = (0, 0);
        }
    }
    for (at, place) in run.iter().enumerate() {
        if at < from {
            settled[*place] = Some(rows[at].first);
        } else if at >= to {
            settled[*place] = Some(rows[at].second);
        }
    }
    taken
}

/// In a file that is in order of time as a whole, the rows around one tell which it is, though they
/// are of other series.
fn by_neighbours(
    values: &[i64],
    valid: &[bool],
    twice: &[Twice],
    at: &[Option<usize>],
    settled: &mut [Option<i64>],
) {
    if settled.iter().all(Option::is_some) {
        return;
    }
    let known: Vec<Option<i64>> = (0..values.len())
        .map(|row| match at[row] {
            Some(place) => settled[place],
            None => valid[row].then(|| values[row]),
        })
        .collect();
    let all: Vec<i64> = known.iter().flatten().copied().collect();
    if !all.is_sorted() && !all.is_sorted_by(|a, b| a >= b) {
        return;
    }
    for (place, twice) in
        twice.iter().enumerate().filter(|(place, _)| settled[*place].is_none()).collect::<Vec<_>>()
    {
        let before = known[..twice.row].iter().rev().flatten().next();
        let after = known[twice.row + 1..].iter().flatten().next();
        let (Some(before), Some(after)) = (before, after) else { continue };
        let between = *before.min(after)..=*before.max(after);
        match (between.contains(&twice.first), between.contains(&twice.second)) {
            (true, false) => settled[place] = Some(twice.first),
            (false, true) => settled[place] = Some(twice.second),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    /// Minutes since 00:00 of a day on which 60..120 comes twice; `expected` in minutes of UTC.
    fn settle(series: &mut Series, rows: &[(u64, i64)]) -> Vec<Option<i64>> {
        let (mut values, mut valid, mut twice) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (_, local)) in rows.iter().enumerate() {
            let again = (60..120).contains(local);
            values.push(if *local < 120 { *local } else { local + 60 } * MINUTE);
            valid.push(!again);
            if again {
                twice.push(Twice { row, first: local * MINUTE, second: (local + 60) * MINUTE });
            }
        }
        let left = series.settle(&mut values, &valid, &twice, &|row| rows[row].0);
        values.iter().enumerate().map(|(row, v)| (!left.contains(&row)).then_some(v / MINUTE)).collect()
    }

    fn one(locals: &[i64]) -> Vec<Option<i64>> {
        let rows: Vec<(u64, i64)> = locals.iter().map(|local| (0, *local)).collect();
        settle(&mut Series::default(), &rows)
    }

    fn all(minutes: &[i64]) -> Vec<Option<i64>> {
        minutes.iter().copied().map(Some).collect()
    }

    #[test]
    fn a_step_back_tells_both_hours_apart() {
        assert_eq!(one(&[30, 60, 90, 60, 90, 120]), all(&[30, 60, 90, 120, 150, 180]));
        assert_eq!(one(&[120, 90, 60, 90, 60, 30]), all(&[180, 150, 120, 90, 60, 30]));
        assert_eq!(one(&[0, 60, 60, 120]), all(&[0, 60, 120, 180]));
        assert_eq!(one(&[59, 70, 70, 71, 60, 60, 130]), all(&[59, 70, 70, 71, 120, 120, 190]));
        assert_eq!(one(&[60, 90, 60, 90]), all(&[60, 90, 120, 150]));
    }

    #[test]
    fn what_the_order_does_not_tell_is_left() {
        assert_eq!(one(&[30, 60, 90, 120]), [Some(30), None, None, Some(180)]);
        assert_eq!(one(&[90, 120]), [None, Some(180)]);
        assert_eq!(one(&[30, 90, 70, 90, 70, 130]), [Some(30), None, None, None, None, Some(190)]);
        assert_eq!(one(&[0, 70, 70, 200]), [Some(0), None, None, Some(260)]);
    }

    #[test]
    fn series_that_alternate_are_told_apart_each_by_itself() {
        let rows =
            [(1, 30), (2, 50), (1, 60), (2, 60), (1, 90), (1, 60), (2, 60), (1, 90), (1, 120), (2, 121)];
        let told = settle(&mut Series::default(), &rows);
        assert_eq!(told[2], Some(60));
        assert_eq!((told[4], told[5], told[7]), (Some(90), Some(120), Some(150)));
        // The second one has no step back, but stands between rows that are known.
        assert_eq!((told[3], told[6]), (Some(60), Some(120)));
    }

    #[test]
    fn what_was_seen_last_is_known_in_the_next_rows() {
        let mut series = Series::default();
        assert_eq!(settle(&mut series, &[(1, 30), (1, 60), (1, 90)]), all(&[30, 60, 90]));
        assert_eq!(series.taken, 2);
        assert_eq!(settle(&mut series, &[(1, 60)]), all(&[120]));
        assert_eq!(settle(&mut series, &[(1, 90)]), all(&[150]));
        assert_eq!(settle(&mut series, &[(1, 120)]), all(&[180]));
    }
}
