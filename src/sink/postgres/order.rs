//! The order in which rows are sent: that of the table's index, so that neighbours in the index
//! are written together.
//!
//! Text is ordered byte by byte, as an index with `COLLATE "C"` is; under another collation the
//! order is near enough. Since the stage is read back in the order in which it was filled, the
//! merge needs no sort of its own.

use super::source::{Numbers, Source};
use crate::batch::{Pick, Rows};
use crate::dataset::time::to_micros;

/// A column of the key in the batches: its place there, and whether its nanoseconds are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub column: usize,
    pub floor: bool,
}

/// One row to be ordered.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The bytes after what all keys have in common, as far as they fit.
    head: u128,
    start: u32,
    end: u32,
    /// Position in the rows given.
    position: u32,
}

/// Positions of the rows in the order of the key, in waves: no wave has two rows whose key may
/// become the same in the store (nanoseconds that round to the same microsecond), and the later
/// one of the input comes in the later wave. Almost always there is just one wave.
pub(super) fn waves(
    rows: Rows<'_>,
    key: &[KeyColumn],
    sources: &[Source<'_>],
    width: usize,
) -> Vec<Vec<u32>> {
    let all = 0..u32::try_from(rows.len()).unwrap_or(u32::MAX);
    if key.is_empty() {
        return vec![all.collect()];
    }
    let mut bytes = Vec::with_capacity(rows.len().saturating_mul(40));
    let mut entries: Vec<Entry> = Vec::with_capacity(rows.len());
    for (position, pick) in all.zip(rows.picks) {
        let start = bytes.len() as u32;
        push_key(*pick, key, sources, width, &mut bytes);
        entries.push(Entry { head: 0, start, end: bytes.len() as u32, position });
    }
    let of = |entry: &Entry| &bytes[entry.start as usize..entry.end as usize];
    let shared = match entries.first() {
        Some(first) => {
            let first = of(first);
            entries.iter().fold(first.len(), |shared, entry| {
                first[..shared].iter().zip(of(entry)).take_while(|(a, b)| a == b).count()
            })
        }
        None => 0,
    };
    for entry in &mut entries {
        let rest = &bytes[entry.start as usize + shared..entry.end as usize];
        let mut head = [0; 16];
        let len = rest.len().min(16);
        head[..len].copy_from_slice(&rest[..len]);
        entry.head = u128::from_be_bytes(head);
    }
    let compare = |a: &Entry, b: &Entry| {
        a.head.cmp(&b.head).then_with(|| of(a).cmp(of(b))).then(a.position.cmp(&b.position))
    };
    if !entries.is_sorted_by(|a, b| compare(a, b).is_le()) {
        entries.sort_unstable_by(compare);
    }

    let mut waves: Vec<Vec<u32>> = vec![Vec::with_capacity(entries.len())];
    let (mut wave, mut last) = (0, None);
    for entry in &entries {
        wave = if last.is_some_and(|last| of(last) == of(entry)) { wave + 1 } else { 0 };
        if waves.len() <= wave {
            waves.push(Vec::new());
        }
        waves[wave].push(entry.position);
        last = Some(entry);
    }
    waves
}

/// Appends the row's key in a form whose bytes compare as the values do.
fn push_key(pick: Pick, key: &[KeyColumn], sources: &[Source<'_>], width: usize, bytes: &mut Vec<u8>) {
    let row = pick.row as usize;
    for part in key {
        let Some(source) = sources.get(pick.part as usize * width + part.column) else { continue };
        if source.is_null(row) {
            // As PostgreSQL has it, nulls come last.
            bytes.push(1);
            continue;
        }
        bytes.push(0);
        match source {
            Source::Null => {}
            Source::Time(times) => push_i64(to_micros(times.value(row), part.floor).0, bytes),
            Source::Date(days) => push_i64(days.value(row).into(), bytes),
            Source::Bool(values) => bytes.push(values.value(row).into()),
            Source::Text(texts) => {
                bytes.extend_from_slice(texts.value(row).as_bytes());
                bytes.push(0);
            }
            Source::Number(Numbers::I64(values)) => push_double(values.value(row) as f64, bytes),
            Source::Number(numbers) => {
                push_double(numbers.get(row).map_or(f64::NAN, |number| number.double()), bytes);
            }
        }
    }
}

fn push_i64(value: i64, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(value ^ i64::MIN).to_be_bytes());
}

/// Numbers that differ beyond a double's digits come out alike; that costs a wave, no row.
fn push_double(value: f64, bytes: &mut Vec<u8>) {
    let bits = (value + 0.0).to_bits();
    let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    bytes.extend_from_slice(&ordered.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::{Batch, Origin};
    use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray};

    fn order(symbols: &[&str], nanos: &[i64], strikes: &[f64]) -> Vec<Vec<u32>> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(symbols.to_vec())),
            Arc::new(TimestampNanosecondArray::from(nanos.to_vec())),
            Arc::new(Float64Array::from(strikes.to_vec())),
        ];
        let len = symbols.len();
        let names = ["s", "t", "k"];
        let batch = Arc::new(Batch {
            columns: RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap(),
            rows: (1..=len as u64).collect(),
            identities: (0..len as u128).collect(),
            origin: Arc::new(Origin::new("-")),
        });
        let parts = [Arc::clone(&batch)];
        let picks: Vec<Pick> = (0..len as u32).map(|row| Pick { part: 0, row }).collect();
        let sources: Vec<Source<'_>> =
            batch.columns.columns().iter().map(|c| Source::of(c).unwrap()).collect();
        let key = [0, 1, 2].map(|column| KeyColumn { column, floor: false });
        waves(Rows { parts: &parts, picks: &picks }, &key, &sources, 3)
    }

    #[test]
    fn rows_come_in_the_order_of_the_key() {
        let order = order(
            &["MSFT", "AAPL", "AAPL", "A", "AAPL", "AAPL"],
            &[0, 5_000, -5_000, 9_000, 5_000, 5_000],
            &[1.0, 2.0, 1.0, 1.0, -2.0, 0.5],
        );
        assert_eq!(order, [[3, 2, 4, 5, 1, 0]]);
    }

    #[test]
    fn rows_that_become_one_go_in_waves_the_later_one_later() {
        let order = order(&["A", "A", "A", "B"], &[1_001, 1_000, 2_000, 1_001], &[1.0, 1.0, 1.0, 1.0]);
        assert_eq!(order, [vec![0, 2, 3], vec![1]]);
    }

    #[test]
    fn without_a_key_the_input_has_the_say() {
        let rows = Rows { parts: &[], picks: &[Pick { part: 0, row: 0 }; 3] };
        assert_eq!(waves(rows, &[], &[], 0), [[0, 1, 2]]);
    }
}
