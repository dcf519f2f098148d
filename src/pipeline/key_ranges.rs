//! Which keys the rows of an input can have, as ranges: whether a row of one part of a shared job can be written over
//! by one of another.
//!
//! A range is a superset of the keys: for each value of one column of text of the key (the symbol), the first and the
//! last value of one that has an order (the time). Where the key has no such columns, or values are in the way that
//! cannot be compared here, the range is everything.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::Array as _;
use serde::{Deserialize, Serialize};

use crate::batch::{Batch, Reject};
use crate::dataset::{KeyPrecision, Kind, Target};
use crate::error::Result;
use crate::model::text::Texts;
use crate::model::values::{Numbers, Values};
use crate::pipeline::BatchSink;
use crate::pipeline::skip_committed::keep;
use crate::port::runs::input_of;
use crate::port::{Event, Observer};

/// Symbols of an input beyond which one range stands for all of them.
const MOST_GROUPS: usize = 50_000;

/// All values of the column with an order.
const ALL: (i64, i64) = (i64::MIN, i64::MAX);

/// First and last value of the column that has an order.
type Span = (i64, i64);

/// The columns of a key that ranges are told by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyColumns {
    /// The one with few values.
    group: Option<String>,
    /// The one with an order.
    along: Option<String>,
}

impl KeyColumns {
    /// Those of a table; `time` is the column of its dataset's times.
    pub fn of(target: &Target, time: Option<&str>) -> Self {
        let of_key = |name: &str| target.column(name).filter(|_| target.key.iter().any(|key| key == name));
        let is_text = |name: &&str| {
            of_key(name).is_some_and(|column| {
                let text = matches!(column.kind, Kind::Symbol | Kind::UpperSymbol | Kind::Text);
                text && matches!(column.grain, KeyPrecision::Exact | KeyPrecision::Chars(_))
            })
        };
        let is_ordered = |name: &&str| {
            of_key(name).is_some_and(|column| match (column.kind, column.grain) {
                (Kind::Timestamp, grain) => matches!(grain, KeyPrecision::Exact | KeyPrecision::Micros),
                (Kind::Date | Kind::Number, grain) => {
                    matches!(grain, KeyPrecision::Exact | KeyPrecision::Scale(0))
                }
                _ => false,
            })
        };
        let key = || target.key.iter().map(String::as_str);
        let group = ["symbol"].into_iter().chain(key()).find(is_text).map(str::to_owned);
        let along = time.into_iter().chain(key()).find(is_ordered).map(str::to_owned);
        Self { group, along }
    }
}

/// The keys of an input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// Of all rows.
    pub(crate) all: Option<Span>,
    /// By the value of the group; none where they are not told apart.
    pub(crate) groups: Option<BTreeMap<String, Span>>,
}

impl KeyRange {
    /// Any key at all.
    pub fn everything() -> Self {
        Self { all: Some(ALL), groups: None }
    }
}

/// Keys that several inputs may have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boxes {
    /// Of any group.
    pub(crate) any: Vec<Span>,
    /// Of one.
    pub(crate) groups: BTreeMap<String, Vec<Span>>,
}

fn meet(a: Span, b: Span) -> Option<Span> {
    let both = (a.0.max(b.0), a.1.min(b.1));
    (both.0 <= both.1).then_some(both)
}

fn put(spans: &mut Vec<Span>, new: Span) {
    spans.push(new);
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans.drain(..) {
        match merged.last_mut().filter(|last| span.0 <= last.1) {
            Some(last) => last.1 = last.1.max(span.1),
            None => merged.push(span),
        }
    }
    *spans = merged;
}

impl Boxes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.groups.is_empty()
    }

    /// Adds the keys that both may have.
    pub fn add_common(&mut self, a: &KeyRange, b: &KeyRange) {
        let Some(all) = a.all.zip(b.all).and_then(|(a, b)| meet(a, b)) else { return };
        match (&a.groups, &b.groups) {
            (Some(a), Some(b)) => {
                let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
                for (group, span) in few {
                    if let Some(both) = many.get(group).and_then(|other| meet(*span, *other)) {
                        put(self.groups.entry(group.clone()).or_default(), both);
                    }
                }
            }
            (Some(known), None) | (None, Some(known)) => {
                for (group, span) in known {
                    if let Some(both) = meet(*span, all) {
                        put(self.groups.entry(group.clone()).or_default(), both);
                    }
                }
            }
            (None, None) => put(&mut self.any, all),
        }
    }

    /// Whether an input may have some of these keys.
    pub fn meets(&self, range: &KeyRange) -> bool {
        let Some(all) = range.all else { return false };
        let some = |spans: &[Span], of: Span| spans.iter().any(|span| meet(*span, of).is_some());
        let in_groups = || match &range.groups {
            Some(groups) => {
                groups.iter().any(|(name, of)| self.groups.get(name).is_some_and(|spans| some(spans, *of)))
            }
            None => self.groups.values().any(|spans| some(spans, all)),
        };
        some(&self.any, all) || in_groups()
    }

    fn has(&self, group: Option<&str>, value: Span) -> bool {
        let some = |spans: &[Span]| spans.iter().any(|span| meet(*span, value).is_some());
        some(&self.any)
            || match group {
                Some(group) => self.groups.get(group).is_some_and(|spans| some(spans)),
                None => self.groups.values().any(|spans| some(spans)),
            }
    }
}

/// The values of the ordered column of a batch, each as the range in which the column of the table may hold it.
fn along<'a>(batch: &'a Batch, columns: &KeyColumns) -> Box<dyn Fn(usize) -> Span + 'a> {
    let array = columns.along.as_deref().and_then(|name| batch.columns.column_by_name(name));
    match array.and_then(|array| Values::of(array)) {
        Some(Values::Instant(times)) => Box::new(move |row| match times.is_valid(row) {
            // What is finer than the table's microseconds may be rounded either way.
            true => {
                let (nanos, micros) = (times.value(row), times.value(row).div_euclid(1_000));
                (micros, if nanos.rem_euclid(1_000) == 0 { micros } else { micros + 1 })
            }
            false => ALL,
        }),
        Some(Values::Far(times)) => Box::new(move |row| match times.is_valid(row) {
            true => (times.value(row), times.value(row)),
            false => ALL,
        }),
        Some(Values::Day(days)) => Box::new(move |row| match days.is_valid(row) {
            true => (days.value(row).into(), days.value(row).into()),
            false => ALL,
        }),
        Some(Values::Number(Numbers::Int(numbers))) => Box::new(move |row| match numbers.is_valid(row) {
            true => (numbers.value(row), numbers.value(row)),
            false => ALL,
        }),
        _ => Box::new(|_| ALL),
    }
}

/// The groups of a batch; `None` where they cannot be told.
fn groups<'a>(batch: &'a Batch, columns: &KeyColumns) -> Option<Texts<'a>> {
    batch.columns.column_by_name(columns.group.as_deref()?).and_then(Texts::of)
}

/// Blanks at its end may be cut off by the table.
fn plain(text: &str) -> &str {
    text.trim_end()
}

/// The keys of the inputs of a run, by their places; shared.
#[derive(Debug, Clone, Default)]
pub struct SeenKeys(Arc<Mutex<BTreeMap<usize, KeyRange>>>);

impl SeenKeys {
    /// What is known so far.
    pub fn get(&self) -> BTreeMap<usize, KeyRange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look(&self, batch: &Batch, columns: &KeyColumns) {
        let along = along(batch, columns);
        let wider = |span: &mut Span, value: Span| *span = (span.0.min(value.0), span.1.max(value.1));
        let mut all = (i64::MAX, i64::MIN);
        let mut found: Option<HashMap<&str, Span>> = None;
        match groups(batch, columns) {
            Some(texts) if texts.len() == batch.len() => {
                let mut spans: HashMap<&str, Span> = HashMap::new();
                let mut last: Option<(&str, Span)> = None;
                let mut whole = true;
                for row in 0..batch.len() {
                    let value = along(row);
                    wider(&mut all, value);
                    let Some(text) = texts.get(row).map(plain) else {
                        whole = false;
                        break;
                    };
                    match &mut last {
                        Some((group, span)) if *group == text => wider(span, value),
                        _ => {
                            if let Some((group, span)) = last.replace((text, value)) {
                                wider(spans.entry(group).or_insert(span), span);
                            }
                        }
                    }
                }
                if let Some((group, span)) = last {
                    wider(spans.entry(group).or_insert(span), span);
                }
                found = whole.then_some(spans);
                if !whole {
                    all = ALL;
                }
            }
            _ => (0..batch.len()).for_each(|row| wider(&mut all, along(row))),
        }
        if batch.is_empty() {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known
            .entry(input_of(&batch.origin))
            .or_insert_with(|| KeyRange { all: None, groups: Some(BTreeMap::new()) });
        let span = known.all.get_or_insert(all);
        wider(span, all);
        match (&mut known.groups, found) {
            (Some(groups), Some(found)) => {
                for (group, span) in found {
                    match groups.get_mut(group) {
                        Some(known) => wider(known, span),
                        None => drop(groups.insert(group.to_owned(), span)),
                    }
                }
                if groups.len() > MOST_GROUPS {
                    known.groups = None;
                }
            }
            (groups, _) => *groups = None,
        }
    }
}

/// An outlet that takes note of the keys of what goes through.
pub struct Noted<O> {
    outlet: O,
    /// By which columns, and where; nothing where order does not count.
    noting: Option<(KeyColumns, SeenKeys)>,
}

impl<O: BatchSink> Noted<O> {
    /// Before that outlet.
    pub fn new(outlet: O, noting: Option<(KeyColumns, SeenKeys)>) -> Self {
        Self { outlet, noting }
    }
}

impl<O: BatchSink> BatchSink for Noted<O> {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        if let Some((columns, seen)) = &self.noting {
            seen.look(&batch, columns);
        }
        self.outlet.rows(batch)
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        self.outlet.rejects(rejects)
    }

    fn settle(&mut self) -> bool {
        self.outlet.settle()
    }
}

/// An outlet that passes on only rows whose keys may be in those boxes: the others are stored as they are to be, and
/// what could not be read or mapped is in the dead letters.
pub struct Within<O> {
    outlet: O,
    /// By which columns, and which; nothing where all rows are meant.
    only: Option<(KeyColumns, Arc<Boxes>)>,
    observer: Arc<dyn Observer>,
}

impl<O: BatchSink> Within<O> {
    /// Before that outlet.
    pub fn new(outlet: O, only: Option<(KeyColumns, Arc<Boxes>)>, observer: Arc<dyn Observer>) -> Self {
        Self { outlet, only, observer }
    }
}

impl<O: BatchSink> BatchSink for Within<O> {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        let Some((columns, boxes)) = &self.only else { return self.outlet.rows(batch) };
        let meant: Vec<bool> = {
            let (along, groups) = (along(&batch, columns), groups(&batch, columns));
            let group = |row| groups.as_ref().and_then(|texts| texts.get(row)).map(plain);
            (0..batch.len()).map(|row| boxes.has(group(row), along(row))).collect()
        };
        let left = meant.iter().filter(|meant| **meant).count();
        if left < batch.len() {
            self.observer.on(&Event::Skipped { rows: (batch.len() - left) as u64 });
        }
        match left {
            0 => Ok(true),
            _ if left == batch.len() => self.outlet.rows(batch),
            _ => self.outlet.rows(keep(batch, meant)?),
        }
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        if self.only.is_none() {
            return self.outlet.rejects(rejects);
        }
        if !rejects.is_empty() {
            self.observer.on(&Event::Skipped { rows: rejects.len() as u64 });
        }
        Ok(true)
    }

    fn settle(&mut self) -> bool {
        self.outlet.settle()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};

    use super::*;
    use crate::batch::{Order, Origin};
    use crate::port::runs::base_of;

    fn batch(input: usize, rows: &[(&str, i64)]) -> Batch {
        let symbols: ArrayRef =
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(symbol, _)| symbol)));
        let times: ArrayRef =
            Arc::new(TimestampNanosecondArray::from_iter_values(rows.iter().map(|(_, nanos)| *nanos)));
        Batch {
            columns: RecordBatch::try_from_iter([("symbol", symbols), ("ts", times)]).unwrap(),
            rows: (1..=rows.len() as u64).collect(),
            identities: vec![0; rows.len()],
            origin: Arc::new(Origin { base: base_of(input), ..Origin::new("x") }),
            order: Order::Any,
            given: None,
        }
    }

    fn columns() -> KeyColumns {
        KeyColumns { group: Some("symbol".into()), along: Some("ts".into()) }
    }

    fn seen(batches: &[Batch]) -> BTreeMap<usize, KeyRange> {
        let seen = SeenKeys::default();
        batches.iter().for_each(|batch| seen.look(batch, &columns()));
        seen.get()
    }

    #[test]
    fn ranges_are_told_by_input_and_symbol_in_microseconds() {
        let of = seen(&[
            batch(0, &[("A", 5_000), ("A", 1_000), ("B ", 2_500), ("A", 3_000)]),
            batch(0, &[("B", 9_000)]),
            batch(1, &[("A", -1)]),
        ]);
        let groups = |input: usize| of[&input].groups.clone().unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(groups(0), [("A".to_owned(), (1, 5)), ("B".to_owned(), (2, 9))]);
        assert_eq!(of[&0].all, Some((1, 9)));
        assert_eq!(groups(1), [("A".to_owned(), (-1, 0))]);
    }

    #[test]
    fn what_two_inputs_have_in_common_is_what_both_may_have() {
        let of = seen(&[
            batch(0, &[("A", 0), ("A", 10_000), ("B", 0), ("C", 7_000)]),
            batch(1, &[("A", 10_000), ("A", 20_000), ("B", 1_000), ("D", 7_000)]),
            batch(2, &[("A", 20_001), ("B", 0)]),
        ]);
        let common = |a: &KeyRange, b: &KeyRange| {
            let mut boxes = Boxes::default();
            boxes.add_common(a, b);
            boxes
        };
        let boxes = common(&of[&0], &of[&1]);
        assert_eq!(boxes.groups.into_iter().collect::<Vec<_>>(), [("A".to_owned(), vec![(10, 10)])]);
        assert!(
            common(&of[&1], &of[&2]).groups.contains_key("A"),
            "a time between two microseconds is of both"
        );
        assert!(common(&of[&0], &KeyRange::default()).is_empty());
        let any = common(&of[&0], &KeyRange::everything());
        assert!(
            any.meets(&of[&1])
                && any.has(Some("C"), (7, 7))
                && !any.has(Some("C"), (8, 8))
                && !any.has(Some("D"), (7, 7))
        );
        let all = common(&KeyRange::everything(), &KeyRange::everything());
        assert!(all.has(Some("Z"), (1, 1)) && all.has(None, ALL));
    }

    #[derive(Default)]
    struct Taken(Vec<u64>);

    impl BatchSink for &mut Taken {
        fn rows(&mut self, batch: Batch) -> Result<bool> {
            assert_eq!(batch.columns.num_rows(), batch.len());
            self.0.extend(&batch.rows);
            Ok(true)
        }

        fn rejects(&mut self, _: Vec<Reject>) -> Result<bool> {
            panic!("they are in the dead letters")
        }
    }

    struct Deaf;

    impl Observer for Deaf {
        fn on(&self, _: &Event<'_>) {}
    }

    #[test]
    fn only_rows_in_the_boxes_are_passed_on() {
        let boxes = Boxes { any: vec![], groups: [("A".to_owned(), vec![(2, 3), (8, 9)])].into() };
        let mut taken = Taken::default();
        let mut outlet = Within::new(&mut taken, Some((columns(), Arc::new(boxes))), Arc::new(Deaf));
        let rows = [("A", 1_000), ("A", 2_000), ("B", 2_000), ("A", 3_001), ("A", 5_000), ("A", 8_000)];
        assert!(outlet.rows(batch(0, &rows)).unwrap());
        assert!(outlet.rows(batch(0, &[("B", 2_000)])).unwrap());
        assert_eq!(taken.0, [2, 4, 6]);
    }
}
