//! Plausibility: what a row says that cannot be (a high below the low, a negative size).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};

use crate::dataset::describe::Check;
use crate::dataset::faults::Faults;
use crate::model::decimal::Decimal;
use crate::model::text::Texts;
use crate::model::values::{Numbers, Values};
use crate::text::choice::choices;

/// `--quality`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quality {
    /// Not looked at.
    Off,
    /// Counted and reported; the rows are stored.
    #[default]
    Warn,
    /// The rows go to the dead-letter queue.
    Reject,
}

choices!(Quality:
    Off = "off": "Do not look",
    Warn = "warn": "Count and report them, and store them",
    Reject = "reject": "Reject them",
);

/// Implausible rows by what is wrong with them.
pub type Findings = BTreeMap<String, u64>;

/// Looks at all rows. `now` is the time after which a row is in the future, in nanoseconds.
pub fn examine(
    columns: &RecordBatch,
    checks: &[Check],
    now: i64,
    mut report: impl FnMut(usize, &Arc<str>, &'static str, &str),
) {
    let column = |name: &str| columns.column_by_name(name);
    let mut each = |name: &str, code: &'static str, what: &str, bad: &dyn Fn(usize) -> bool| {
        let mut shared: Option<Arc<str>> = None;
        for row in (0..columns.num_rows()).filter(|row| bad(*row)) {
            report(row, shared.get_or_insert_with(|| name.into()), code, what);
        }
    };
    let numbers = |name: &str| column(name).and_then(|c: &ArrayRef| Numbers::of(c));
    for check in checks {
        match *check {
            Check::AtLeast(name, others) | Check::AtMost(name, others) => {
                let (wrong, word) = match check {
                    Check::AtLeast(..) => (Ordering::Less, "below"),
                    _ => (Ordering::Greater, "above"),
                };
                let Some(this) = numbers(name) else { continue };
                for other in others {
                    let Some(that) = numbers(other).filter(|that| this.may_be(wrong, that)) else { continue };
                    each(name, "implausible", &format!("{name} is {word} {other}"), &|row| {
                        this.compare(&that, row) == Some(wrong)
                    });
                }
            }
            Check::NotNegative(names) => {
                for name in names {
                    let Some(this) = numbers(name).filter(Numbers::may_be_negative) else { continue };
                    each(name, "implausible", &format!("{name} is negative"), &|row| this.is_negative(row));
                }
            }
            Check::Between(name, low, high) => {
                let Some(this) = numbers(name) else { continue };
                let within = Decimal::from(low)..=Decimal::from(high);
                each(name, "implausible", &format!("{name} is not between {low} and {high}"), &|row| {
                    this.get(row).is_some_and(|number| !within.contains(&number))
                });
            }
            Check::Uncrossed(ask, bid) => {
                let (Some(asks), Some(bids)) = (numbers(ask), numbers(bid)) else { continue };
                if !asks.may_be(Ordering::Less, &bids) {
                    continue;
                }
                let priced = |side: &Numbers<'_>, row| side.get(row).is_some_and(|price| !price.is_zero());
                each(ask, "implausible", &format!("{ask} is below {bid}"), &|row| {
                    asks.compare(&bids, row) == Some(Ordering::Less)
                        && priced(&asks, row)
                        && priced(&bids, row)
                });
            }
            Check::NotFuture(name) => {
                let what = format!("{name} is in the future");
                match column(name).and_then(|column| Values::of(column)) {
                    Some(Values::Far(times)) => each(name, "implausible", &what, &|row| {
                        times.value(row) > now / 1_000 && times.is_valid(row)
                    }),
                    Some(Values::Instant(times))
                        if times.values().iter().fold(false, |any, time| any | (*time > now)) =>
                    {
                        each(name, "implausible", &what, &|row| times.value(row) > now && times.is_valid(row))
                    }
                    _ => {}
                }
            }
            Check::Some(what, names) => {
                let Some(silent) = Silent::of(columns, names) else { continue };
                let name = names.first().copied().unwrap_or_default();
                each(name, "implausible", &format!("no {what}"), &|row| silent.is(row));
            }
            // Looked at whatever `--quality` says.
            Check::Says(_) | Check::Filled(_) | Check::Words(..) => {}
        }
    }
}

/// Columns of which each has a row without a value.
struct Silent<'a>(Vec<&'a ArrayRef>);

impl<'a> Silent<'a> {
    /// `None` where every row has a value in one of them, or none of them is there.
    fn of(columns: &'a RecordBatch, names: &[&str]) -> Option<Self> {
        let found: Vec<_> = names.iter().filter_map(|name| columns.column_by_name(name)).collect();
        let silent = |column: &&ArrayRef| column.null_count() > 0 || Texts::of(column).is_some();
        (!found.is_empty() && found.iter().all(silent)).then_some(Self(found))
    }

    /// Whether the row has a value in none of them.
    fn is(&self, row: usize) -> bool {
        let silent = |column: &&ArrayRef| match Texts::of(column) {
            Some(texts) => texts.get(row).is_none_or(|text| text.trim().is_empty()),
            None => column.is_null(row),
        };
        self.0.iter().all(silent)
    }
}

/// The code of rows that are passed over since they have nothing but a key; no dead letter has it.
pub const EMPTY: &str = "empty_row";

/// Notes rows that say nothing beside their key as faults. `skips`: those that vendors write for days without trades
/// are to be passed over, and not to be refused.
pub fn refuse_silent(columns: &RecordBatch, checks: &[Check], skips: bool, faults: &mut Faults) {
    for check in checks {
        let (names, code) = match *check {
            Check::Says(names) => (names, "no_values"),
            Check::Filled(names) => (names, if skips { EMPTY } else { "no_values" }),
            _ => continue,
        };
        let Some(silent) = Silent::of(columns, names) else { continue };
        let mut shared: Option<Arc<str>> = None;
        for row in (0..columns.num_rows()).filter(|row| silent.is(*row)) {
            let first = names.first().copied().unwrap_or_default();
            faults.refuse(row, shared.get_or_insert_with(|| first.into()), code, || {
                format!(
                    "the row has no value beside its key, none of {}; what is stored stays",
                    names.join(", ")
                )
            });
        }
    }
}

/// Notes implausible rows as faults.
pub fn reject(columns: &RecordBatch, checks: &[Check], now: i64, faults: &mut Faults) {
    examine(columns, checks, now, |row, column, code, what| {
        faults.refuse(row, column, code, || what.to_owned())
    });
}

/// Counts implausible rows.
pub fn count(columns: &RecordBatch, checks: &[Check], now: i64, findings: &mut Findings) {
    examine(columns, checks, now, |_, _, _, what| match findings.get_mut(what) {
        Some(count) => *count += 1,
        None => {
            findings.insert(what.to_owned(), 1);
        }
    });
}
