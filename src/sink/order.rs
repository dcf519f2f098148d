//! The order in which rows are written: that of the table's index, so that neighbours in the index
//! are written together.
//!
//! Text is ordered byte by byte, as SQLite does and an index of PostgreSQL with `COLLATE "C"`; under
//! another collation the order is near enough. Since PostgreSQL's stage is read back in the order in which
//! it was filled, the merge needs no sort of its own.

use crate::batch::{Pick, Rows};
use crate::dataset::dictionary::Distinct;
use crate::dataset::time::to_micros;
use crate::model::values::{Numbers, Values};

/// A column of the key in the batches: its place there, and whether its nanoseconds are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) struct KeyColumn {
    pub column: usize,
    pub floor: bool,
}

/// One row to be ordered: the code of its key, and its position in the rows given.
type Entry = (u64, u32);

/// Distinct texts of a column that are told apart by number.
const MAX_TEXTS: usize = 1 << 14;

/// Rows from which a sort by digits is faster than one by comparison.
const FEW: usize = 1024;

/// Positions of the rows in the order of the key, in waves: no wave has two rows whose key may
/// become the same in the store (nanoseconds that round to the same microsecond), and the later
/// one of the input comes in the later wave. Almost always there is just one wave. With `apart`, a row
/// with a null in its key is the same as no other.
///
/// As many columns of the key as fit are packed into one number that sorts as they do; the others
/// are only looked at where that is the same for several rows.
pub(in crate::sink) fn waves(
    rows: Rows<'_>,
    key: &[KeyColumn],
    apart: bool,
    sources: &[Values<'_>],
    width: usize,
) -> Vec<Vec<u32>> {
    let all = 0..u32::try_from(rows.len()).unwrap_or(u32::MAX);
    if key.is_empty() {
        return vec![all.collect()];
    }
    let mut entries: Vec<Entry> = all.map(|position| (0, position)).collect();
    let (mut room, mut packed) = (64, 0);
    for part in key {
        match pack(rows, *part, sources, width, room, &mut entries) {
            Some(bits) => room -= bits,
            None => break,
        }
        packed += 1;
    }
    if !entries.is_sorted() {
        sort(&mut entries, 64 - room);
    }
    let bytes_of = |position: u32| {
        let mut bytes = Vec::new();
        push_key(rows.picks[position as usize], key, sources, width, &mut bytes);
        bytes
    };
    let mut waves: Vec<Vec<u32>> = vec![Vec::with_capacity(entries.len())];
    for run in entries.chunk_by(|a, b| a.0 == b.0) {
        if let [(_, position)] = run {
            waves[0].push(*position);
            continue;
        }
        // All of the key is in the code: these are one row to the store.
        let mut keyed: Vec<(Vec<u8>, u32)> = if packed == key.len() {
            run.iter().map(|(_, position)| (Vec::new(), *position)).collect()
        } else {
            run.iter().map(|(_, position)| (bytes_of(*position), *position)).collect()
        };
        keyed.sort_unstable();
        let has_null = |position: u32| {
            let pick = rows.picks[position as usize];
            let source = |part: &KeyColumn| sources.get(pick.part as usize * width + part.column);
            key.iter().any(|part| source(part).is_some_and(|source| source.is_null(pick.row as usize)))
        };
        for same in keyed.chunk_by(|a, b| a.0 == b.0) {
            if let (true, [(_, first), _, ..]) = (apart, same)
                && has_null(*first)
            {
                waves[0].extend(same.iter().map(|(_, position)| *position));
                continue;
            }
            for (wave, (_, position)) in same.iter().enumerate() {
                if waves.len() <= wave {
                    waves.push(Vec::new());
                }
                waves[wave].push(*position);
            }
        }
    }
    waves
}

/// Puts a column of the key behind what the codes hold already, and returns how many bits that
/// took; `None`, and the codes as they were, where there is no room for it or where its order
/// cannot be told by a number.
fn pack(
    rows: Rows<'_>,
    part: KeyColumn,
    sources: &[Values<'_>],
    width: usize,
    room: u32,
    entries: &mut [Entry],
) -> Option<u32> {
    let columns: Vec<Values<'_>> = (0..rows.parts.len())
        .map(|p| sources.get(p * width + part.column).copied())
        .collect::<Option<_>>()?;
    if columns.iter().any(|source| source.has_nulls()) {
        return None;
    }
    let first = columns.first()?;
    // Batches of one input may differ in their types of numbers.
    let alike = columns.iter().all(|other| match (first, other) {
        (Values::Number(Numbers::Double(_)), Values::Number(Numbers::Double(_)))
        | (Values::Number(Numbers::Int(_)), Values::Number(Numbers::Int(_))) => true,
        (Values::Text(_) | Values::Coded(..), Values::Text(_) | Values::Coded(..)) => true,
        (Values::Number(_), _) => false,
        (first, other) => std::mem::discriminant(first) == std::mem::discriminant(other),
    });
    if !alike {
        return None;
    }
    match first {
        Values::Text(_) | Values::Coded(..) => pack_texts(rows, &columns, room, entries),
        Values::Instant(_) => {
            let micros = |column: &Values<'_>, row: usize| match column {
                Values::Instant(times) => to_micros(times.value(row), part.floor).0,
                _ => 0,
            };
            pack_numbers(rows, &columns, room, entries, |column, row| ordered(micros(column, row)))
        }
        Values::Far(_) => pack_numbers(rows, &columns, room, entries, |column, row| match column {
            Values::Far(times) => ordered(times.value(row)),
            _ => 0,
        }),
        Values::Day(_) => pack_numbers(rows, &columns, room, entries, |column, row| match column {
            Values::Day(days) => ordered(days.value(row).into()),
            _ => 0,
        }),
        Values::Number(Numbers::Double(_)) => {
            pack_numbers(rows, &columns, room, entries, |column, row| match column {
                Values::Number(Numbers::Double(values)) => ordered_double(values.value(row)),
                _ => 0,
            })
        }
        Values::Number(Numbers::Int(_)) => {
            pack_numbers(rows, &columns, room, entries, |column, row| match column {
                Values::Number(Numbers::Int(values)) => ordered(values.value(row)),
                _ => 0,
            })
        }
        // Decimals may differ where their doubles do not.
        Values::Number(
            Numbers::Unsigned(_) | Numbers::Single(_) | Numbers::Decimal(..) | Numbers::Digits(_),
        )
        | Values::Null
        | Values::Bool(_)
        | Values::Clock(_)
        | Values::Span(_)
        | Values::Bytes(_) => None,
    }
}

/// A number that compares, unsigned, as the signed one does.
fn ordered(value: i64) -> u64 {
    value.cast_unsigned() ^ 1 << 63
}

fn ordered_double(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

fn bits(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// Appends `code` to the codes, in as few bits as its largest value needs.
fn append(entries: &mut [Entry], bits: u32, code: impl Fn(usize) -> u64) {
    for (at, entry) in entries.iter_mut().enumerate() {
        entry.0 = if bits == 64 { 0 } else { entry.0 << bits } | code(at);
    }
}

fn pack_numbers(
    rows: Rows<'_>,
    columns: &[Values<'_>],
    room: u32,
    entries: &mut [Entry],
    number: impl Fn(&Values<'_>, usize) -> u64,
) -> Option<u32> {
    let of = |pick: &Pick| number(&columns[pick.part as usize], pick.row as usize);
    let (low, high) =
        rows.picks.iter().map(of).fold((u64::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
    let needed = bits(high.saturating_sub(low));
    if needed > room {
        return None;
    }
    append(entries, needed, |at| of(&rows.picks[at]) - low);
    Some(needed)
}

/// Texts by their place among the distinct texts.
fn pack_texts(rows: Rows<'_>, columns: &[Values<'_>], room: u32, entries: &mut [Entry]) -> Option<u32> {
    let mut distinct = Distinct::new(MAX_TEXTS);
    let mut numbers: Vec<u32> = Vec::with_capacity(rows.len());
    // Of a part with codes: the number of each.
    let mut of_codes: Vec<Vec<u32>> = vec![Vec::new(); columns.len()];
    for run in rows.picks.chunk_by(|a, b| a.part == b.part) {
        let part = run.first().map_or(0, |pick| pick.part as usize);
        match columns[part] {
            Values::Text(texts) => {
                let (data, offsets) = (texts.value_data(), texts.value_offsets());
                for pick in run {
                    let row = pick.row as usize;
                    numbers.push(distinct.number(data, offsets[row] as usize, offsets[row + 1] as usize)?);
                }
            }
            Values::Coded(keys, texts) => {
                let known = &mut of_codes[part];
                if known.is_empty() {
                    let (data, offsets) = (texts.value_data(), texts.value_offsets());
                    for bounds in offsets.windows(2) {
                        known.push(distinct.number(data, bounds[0] as usize, bounds[1] as usize)?);
                    }
                }
                let keys = keys.values();
                numbers.extend(run.iter().map(|pick| known[keys[pick.row as usize] as usize]));
            }
            _ => return None,
        }
    }
    let known: Vec<&[u8]> = distinct.texts().collect();
    let needed = bits(known.len().saturating_sub(1) as u64);
    if needed > room {
        return None;
    }
    let mut order: Vec<u32> = (0..known.len() as u32).collect();
    order.sort_unstable_by_key(|at| known[*at as usize]);
    let mut ranks = vec![0u64; known.len()];
    for (rank, at) in order.iter().enumerate() {
        ranks[*at as usize] = rank as u64;
    }
    if needed > 0 {
        append(entries, needed, |at| ranks[numbers[at] as usize]);
    }
    Some(needed)
}

/// Sorts by code, then by position, in which the entries of one code already are. `used` is the
/// number of low bits that any code has.
fn sort(entries: &mut Vec<Entry>, used: u32) {
    if entries.len() < FEW {
        entries.sort_unstable();
        return;
    }
    // By digits of eleven bits, the lowest first; each pass keeps the order of the one before.
    const DIGIT: u32 = 11;
    let mut other: Vec<Entry> = vec![(0, 0); entries.len()];
    for shift in (0..used).step_by(DIGIT as usize) {
        let digit = |entry: &Entry| (entry.0 >> shift) as usize & ((1 << DIGIT) - 1);
        let mut places = [0u32; 1 << DIGIT];
        for entry in entries.iter() {
            places[digit(entry)] += 1;
        }
        let mut sum = 0;
        for place in &mut places {
            sum += std::mem::replace(place, sum);
        }
        for entry in entries.iter() {
            let place = &mut places[digit(entry)];
            other[*place as usize] = *entry;
            *place += 1;
        }
        std::mem::swap(entries, &mut other);
    }
}

/// Appends the row's key in a form whose bytes compare as the values do.
fn push_key(pick: Pick, key: &[KeyColumn], sources: &[Values<'_>], width: usize, bytes: &mut Vec<u8>) {
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
            Values::Null => {}
            Values::Instant(times) => push_i64(to_micros(times.value(row), part.floor).0, bytes),
            Values::Far(times) => push_i64(times.value(row), bytes),
            Values::Day(days) => push_i64(days.value(row).into(), bytes),
            Values::Bool(values) => bytes.push(values.value(row).into()),
            Values::Clock(times) => push_i64(times.value(row), bytes),
            Values::Bytes(values) => bytes.extend_from_slice(values.value(row)),
            // They are not keys: a span has no order.
            Values::Span(_) => {}
            Values::Text(texts) => {
                bytes.extend_from_slice(texts.value(row).as_bytes());
                bytes.push(0);
            }
            Values::Coded(keys, texts) => {
                bytes.extend_from_slice(texts.value(keys.value(row) as usize).as_bytes());
                bytes.push(0);
            }
            Values::Number(Numbers::Int(values)) => push_double(values.value(row) as f64, bytes),
            Values::Number(numbers) => {
                push_double(numbers.get(row).map_or(f64::NAN, |number| number.double()), bytes);
            }
        }
    }
}

fn push_i64(value: i64, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&ordered(value).to_be_bytes());
}

/// Numbers that differ beyond a double's digits come out alike; that costs a wave, no row.
fn push_double(value: f64, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&ordered_double(value).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::{Batch, Origin};
    use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray};

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
            order: crate::batch::Order::Any,
            given: None,
        });
        let parts = [Arc::clone(&batch)];
        let picks: Vec<Pick> = (0..len as u32).map(|row| Pick { part: 0, row }).collect();
        let sources: Vec<Values<'_>> =
            batch.columns.columns().iter().map(|c| Values::of(c).unwrap()).collect();
        let key = [0, 1, 2].map(|column| KeyColumn { column, floor: false });
        waves(Rows { parts: &parts, picks: &picks }, &key, false, &sources, 3)
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
    fn many_rows_come_in_the_same_order_as_few() {
        let names = ["ZZZ", "AAPL", "MSFT", "A", "AA"];
        let len = 3 * FEW;
        let symbols: Vec<&str> = (0..len).map(|i| names[i * 7 % 5]).collect();
        let nanos: Vec<i64> = (0..len as i64).map(|i| (i * 7_919 % 1_000 - 500) * 1_000_000_000).collect();
        let strikes: Vec<f64> = (0..len).map(|i| (i as f64 * 0.37).sin()).collect();
        let mut expected: Vec<usize> = (0..len).collect();
        expected.sort_by(|a, b| {
            symbols[*a]
                .cmp(symbols[*b])
                .then(nanos[*a].cmp(&nanos[*b]))
                .then(strikes[*a].total_cmp(&strikes[*b]))
        });
        let expected: Vec<u32> = expected.into_iter().map(|i| i as u32).collect();
        assert_eq!(order(&symbols, &nanos, &strikes), [expected]);
    }

    #[test]
    fn without_a_key_the_input_has_the_say() {
        let rows = Rows { parts: &[], picks: &[Pick { part: 0, row: 0 }; 3] };
        assert_eq!(waves(rows, &[], false, &[], 0), [[0, 1, 2]]);
    }
}
