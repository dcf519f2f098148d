//! Plausibility: what a row says that cannot be (a high below the low, a negative size).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};

use crate::dataset::describe::Check;
use crate::dataset::faults::Faults;
use crate::dataset::number::{Number, Numbers, compare};

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
                    let Some(that) = numbers(other) else { continue };
                    each(name, "implausible", &format!("{name} is {word} {other}"), &|row| {
                        this.compare(&that, row) == Some(wrong)
                    });
                }
            }
            Check::NotNegative(names) => {
                for name in names {
                    let Some(this) = numbers(name) else { continue };
                    each(name, "implausible", &format!("{name} is negative"), &|row| this.is_negative(row));
                }
            }
            Check::Between(name, low, high) => {
                let Some(this) = numbers(name) else { continue };
                let bound = |n: i64| Number::Small(i128::from(n), 0);
                each(name, "implausible", &format!("{name} is not between {low} and {high}"), &|row| {
                    this.get(row).is_some_and(|n| {
                        compare(n, bound(low)) == Ordering::Less
                            || compare(n, bound(high)) == Ordering::Greater
                    })
                });
            }
            Check::Uncrossed(ask, bid) => {
                let (Some(asks), Some(bids)) = (numbers(ask), numbers(bid)) else { continue };
                let zero = Number::Small(0, 0);
                let priced = |side: &Numbers<'_>, row| {
                    side.get(row).is_some_and(|price| compare(price, zero) != Ordering::Equal)
                };
                each(ask, "implausible", &format!("{ask} is below {bid}"), &|row| {
                    asks.compare(&bids, row) == Some(Ordering::Less)
                        && priced(&asks, row)
                        && priced(&bids, row)
                });
            }
            Check::NotFuture(name) => {
                if let Some(times) =
                    column(name).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>())
                {
                    each(name, "implausible", &format!("{name} is in the future"), &|row| {
                        times.value(row) > now / 1_000 && times.is_valid(row)
                    });
                    continue;
                }
                let Some(times) = column(name).and_then(|c| c.as_primitive_opt::<TimestampNanosecondType>())
                else {
                    continue;
                };
                each(name, "implausible", &format!("{name} is in the future"), &|row| {
                    times.value(row) > now && times.is_valid(row)
                });
            }
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
