//! The identity of a row: a hash of its normalised conflict key, and of its content.
//!
//! The hash is XXH3: 128 bits for keys, so that two keys of a batch of a million rows meet by
//! chance once in 10^26 batches, stable across versions and machines.

mod latest;

use arrow::array::{Array, ArrayRef, PrimitiveArray, StringArray};
use arrow::datatypes::Int32Type;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::batch::{Identity, Origin};
use crate::dataset::seam::{After, Seam, SeamNote, Told};
use crate::dataset::target::KeyPrecision;
use crate::dataset::time::to_micros;
use crate::model::decimal::{Decimal, MAX_DIGITS};
use crate::model::text::Texts;
use crate::model::value;
use crate::model::values::Values;
use latest::LAST;
pub(super) use latest::counts;
pub use latest::last_of;

/// Appends a form of the value that is the same for the same value whatever its type was. These bytes are
/// part of ids that are stored: they stay as they are.
fn write(values: &Values<'_>, row: usize, out: &mut Vec<u8>) {
    let text = |text: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    };
    match values {
        Values::Instant(times) => out.extend_from_slice(&times.value(row).to_le_bytes()),
        Values::Far(times) => out.extend_from_slice(&nanos_of(times.value(row)).to_le_bytes()),
        values if values.is_null(row) => out.extend_from_slice(&u32::MAX.to_le_bytes()),
        Values::Null => out.extend_from_slice(&u32::MAX.to_le_bytes()),
        Values::Text(texts) => text(texts.value(row), out),
        Values::Coded(keys, texts) => text(coded(keys, texts, row), out),
        Values::Number(numbers) => match numbers.get(row) {
            Some(number) => write_number(number, out),
            None => out.extend_from_slice(&u32::MAX.to_le_bytes()),
        },
        Values::Day(days) => out.extend_from_slice(&days.value(row).to_le_bytes()),
        Values::Bool(values) => out.push(u8::from(values.value(row))),
        Values::Clock(times) => out.extend_from_slice(&times.value(row).to_le_bytes()),
        Values::Span(spans) => {
            let span = spans.value(row);
            out.extend_from_slice(&span.months.to_le_bytes());
            out.extend_from_slice(&span.days.to_le_bytes());
            out.extend_from_slice(&span.nanoseconds.to_le_bytes());
        }
        Values::Bytes(bytes) => {
            out.extend_from_slice(&(bytes.value(row).len() as u32).to_le_bytes());
            out.extend_from_slice(bytes.value(row));
        }
    }
}

fn coded<'a>(keys: &PrimitiveArray<Int32Type>, texts: &'a StringArray, row: usize) -> &'a str {
    texts.value(keys.value(row) as usize)
}

/// A time in microseconds as the same time in nanoseconds is seen, where there is one.
fn nanos_of(micros: i64) -> i64 {
    micros.checked_mul(1_000).unwrap_or(micros)
}

fn write_number(number: Decimal, out: &mut Vec<u8>) {
    match number.normalised() {
        Decimal::Small { mantissa, scale: scale @ 0..=MOST_DECIMALS } => {
            out.push(scale as u8);
            out.extend_from_slice(&mantissa.to_le_bytes());
        }
        long => match long.wide() {
            Some((value, scale)) => {
                out.push(scale);
                match value.to_i128() {
                    Some(value) => out.extend_from_slice(&value.to_le_bytes()),
                    None => out.extend_from_slice(&value.to_le_bytes()),
                }
            }
            None => {
                let mut text = String::new();
                long.write(&mut text);
                out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        },
    }
}

/// Most decimals of a number that is not written as text.
const MOST_DECIMALS: i32 = MAX_DIGITS as i32;

/// The identities of rows by these key columns, exactly as they are.
pub fn of_keys(keys: &[&ArrayRef], rows: usize) -> Vec<Identity> {
    let keys: Vec<(&ArrayRef, KeyPrecision, bool)> =
        keys.iter().map(|k| (*k, KeyPrecision::Exact, false)).collect();
    of_stored_keys(&keys, rows)
}

/// The identities of rows by these key columns as the store will hold them: each with its grain,
/// and with whether its times are cut off rather than rounded. None of them may be opaque.
///
/// Column by column: what the rows are so far is mixed with the hash of the next value.
pub fn of_stored_keys(keys: &[(&ArrayRef, KeyPrecision, bool)], rows: usize) -> Vec<Identity> {
    let (mut identities, rest) = first_mixed(keys, rows);
    for key in rest {
        mix_column(&mut identities, *key, None);
    }
    for identity in &mut identities {
        // The lanes go by the lowest bits: all others are to have a say in them.
        *identity = mix(*identity, 0);
    }
    identities
}

/// Stretch of time, as a power of two of microseconds (72 minutes), whose rows of one series share a
/// lane.
const STRETCH: u32 = 32;

/// Lets neighbours in time of one series go through the same lane: in an index by series and time they
/// stand side by side, and two writers in one page of it are in each other's way. Only for series with
/// few rows in a stretch (bars), or a file of one series would not spread.
pub fn side_by_side(identities: &mut [Identity], keys: &[(&ArrayRef, KeyPrecision, bool)]) {
    const LANE: u128 = 63;
    let (mut lanes, rest) = first_mixed(keys, identities.len());
    for key in rest {
        mix_column(&mut lanes, *key, Some(STRETCH));
    }
    for (identity, lane) in identities.iter_mut().zip(lanes) {
        *identity = *identity & !LANE | mix(lane, 0) & LANE;
    }
}

/// What the first columns of a key come to, and the columns that are left: as far as they have few distinct values
/// each, their combinations are mixed once for all rows.
fn first_mixed<'k, 'a>(
    keys: &'k [(&'a ArrayRef, KeyPrecision, bool)],
    rows: usize,
) -> (Vec<Identity>, &'k [(&'a ArrayRef, KeyPrecision, bool)]) {
    let mut combined: Vec<Identity> = vec![0];
    // The combination of each row so far.
    let mut places: Vec<u32> = vec![0; rows];
    let mut taken = 0;
    for (column, grain, _) in keys {
        let Some(Values::Coded(codes, values)) = Values::of(column) else { break };
        let combinations = combined.len() * values.len();
        if codes.null_count() > 0 || codes.len() != rows || combinations == 0 || combinations * 2 > rows {
            break;
        }
        let hashes = hashes_of(values, *grain);
        combined = combined.iter().flat_map(|so_far| hashes.iter().map(|hash| mix(*so_far, *hash))).collect();
        if values.len() > 1 {
            let count = values.len() as u32;
            for (place, code) in places.iter_mut().zip(codes.values()) {
                *place = *place * count + code.cast_unsigned();
            }
        }
        taken += 1;
    }
    let identities = match taken {
        0 => vec![0; rows],
        _ => places.iter().map(|place| combined[*place as usize]).collect(),
    };
    (identities, &keys[taken..])
}

/// The hash of each of a column's distinct values.
fn hashes_of(values: &StringArray, grain: KeyPrecision) -> Vec<u128> {
    values.iter().map(|text| xxh3_128(stored(text.unwrap_or(""), grain).as_bytes())).collect()
}

/// Mixes a column of the key in; of its times only the stretch, if so said.
fn mix_column(identities: &mut [Identity], key: (&ArrayRef, KeyPrecision, bool), stretch: Option<u32>) {
    let (column, grain, floor) = key;
    let Some(values) = Values::of(column) else {
        // Whatever it is, its text tells rows apart.
        let texts: Vec<String> = (0..column.len()).map(|row| value::text(column, row)).collect();
        return mix_texts(identities, texts.iter().map(|text| Some(text.as_str())), grain);
    };
    match (values, grain) {
        (Values::Instant(times), grain) if times.null_count() == 0 => {
            let micros = grain == KeyPrecision::Micros;
            for (identity, nanos) in identities.iter_mut().zip(times.values()) {
                let value = match stretch {
                    // By what is stored: two times that become one are of one stretch.
                    Some(bits) => to_micros(*nanos, floor).0 >> bits,
                    None if micros => to_micros(*nanos, floor).0,
                    None => *nanos,
                };
                *identity = mix(*identity, u128::from(value.cast_unsigned()));
            }
        }
        (Values::Far(times), grain) if times.null_count() == 0 => {
            for (identity, micros) in identities.iter_mut().zip(times.values()) {
                let value = match stretch {
                    Some(bits) => *micros >> bits,
                    None if grain == KeyPrecision::Micros => *micros,
                    None => nanos_of(*micros),
                };
                *identity = mix(*identity, u128::from(value.cast_unsigned()));
            }
        }
        (Values::Coded(keys, values), _) if keys.null_count() == 0 => {
            let hashes = hashes_of(values, grain);
            for (identity, key) in identities.iter_mut().zip(keys.values()) {
                *identity = mix(*identity, hashes[*key as usize]);
            }
        }
        (Values::Text(texts), _) => mix_texts(identities, texts.iter(), grain),
        (Values::Coded(keys, values), _) => {
            let text = |row| keys.is_valid(row).then(|| coded(keys, values, row));
            mix_texts(identities, (0..keys.len()).map(text), grain);
        }
        (values, grain) => {
            let mut scratch = Vec::with_capacity(128);
            for (row, identity) in identities.iter_mut().enumerate() {
                scratch.clear();
                match (&values, grain) {
                    (Values::Number(numbers), KeyPrecision::Scale(scale)) => match numbers.get(row) {
                        Some(number) if number.is_short() => {
                            write_number(number.rounded(scale.into()), &mut scratch);
                        }
                        _ => write(&values, row, &mut scratch),
                    },
                    _ => write(&values, row, &mut scratch),
                }
                *identity = mix(*identity, xxh3_128(&scratch));
            }
        }
    }
}

/// The text as its column stores it: without the characters, which can only be blanks, that are too
/// many for it.
fn stored(text: &str, grain: KeyPrecision) -> &str {
    match grain {
        KeyPrecision::Chars(most) if text.len() > most as usize => {
            text.char_indices().nth(most as usize).map_or(text, |(end, _)| &text[..end])
        }
        _ => text,
    }
}

fn mix_texts<'a>(
    identities: &mut [Identity],
    texts: impl Iterator<Item = Option<&'a str>>,
    grain: KeyPrecision,
) {
    const NONE: u128 = 0x2545_f491_4f6c_dd1d;
    for (identity, text) in identities.iter_mut().zip(texts) {
        *identity = mix(*identity, text.map_or(NONE, |text| xxh3_128(stored(text, grain).as_bytes())));
    }
}

/// Mixes a value into what has been hashed so far: a multiplication by an odd number, whose high bits
/// depend on all, and these folded into the low ones. Different values stay different.
fn mix(so_far: u128, value: u128) -> u128 {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let product = (so_far ^ value).wrapping_mul(ODD);
    let folded = product ^ (product >> 67);
    folded.rotate_left(29)
}

/// Identities of rows whose key only the store can compare: each is itself only, and all go the
/// same way, so that they stay in order.
pub fn of_opaque(origin: &Origin, rows: &[u64]) -> Vec<Identity> {
    of_ordinals(origin, rows).into_iter().map(|identity| identity << 64).collect()
}

/// Identities of rows that have no key: each is itself only. They spread over the lanes by their
/// ordinals alone, so that a row is in the same hash slot whatever name its source goes by.
pub fn of_ordinals(origin: &Origin, rows: &[u64]) -> Vec<Identity> {
    let seed = xxh3_64(origin.source.as_bytes());
    rows.iter()
        .map(|row| {
            let ordinal = origin.base + row;
            // The low half decides the lane, the high half keeps rows apart.
            (u128::from(seed ^ ordinal) << 64) | u128::from(xxh3_64(&ordinal.to_le_bytes()))
        })
        .collect()
}

/// Makes ids for rows that have none: a hash of the content, with an ordinal where the same
/// content came before.
///
/// Equal rows are told apart within a window of the last half to one million distinct rows, so
/// that memory stays bounded; equal fills stand close together in every vendor's file.
#[derive(Debug, Default)]
pub struct ContentIds {
    recent: std::collections::HashMap<u64, u32>,
    older: std::collections::HashMap<u64, u32>,
    /// The last rows, the oldest first.
    last: std::collections::VecDeque<Last>,
    /// How many rows there were in all.
    rows: u64,
    /// The row whose predecessors are to be known, where that is not the last one.
    held: Option<u64>,
    /// Where the file before ends and this one begins.
    seam: Option<Seam>,
}

/// A row that has no id of its own.
#[derive(Debug, Clone, Copy)]
struct Last {
    hash: u64,
    /// How often it had come with it.
    count: u32,
    /// Its time in seconds; the end of all times where nobody knows it any more.
    second: i64,
}

/// Rows of the latest second and the one before whose contents are known: equal ones may still come.
const LATEST: usize = 16_384;

/// Distinct rows of one generation of [`ContentIds`].
const GENERATION: usize = 1 << 19;

impl ContentIds {
    /// The ids of rows with this content, each column with a number that stands for its name.
    /// Nulls do not count, so that a column that is empty and one that is missing are the same. Rows
    /// that have an id of their own keep it, and make no difference to the others.
    pub fn ids(
        &mut self,
        content: &[(u8, &ArrayRef)],
        time: Option<&ArrayRef>,
        own: Option<Texts<'_>>,
        rows: usize,
    ) -> StringArray {
        let time = time.and_then(|time| Values::of(time));
        let content: Vec<(u8, Values<'_>)> =
            content.iter().filter_map(|(tag, column)| Some((*tag, Values::of(column)?))).collect();
        let mut scratch = Vec::with_capacity(128);
        let mut hash = |row: usize| {
            scratch.clear();
            for (tag, values) in &content {
                if !values.is_null(row) {
                    scratch.push(*tag);
                    write(values, row, &mut scratch);
                }
            }
            xxh3_64(&scratch)
        };
        if let Some(seam) = self.seam.as_mut().filter(|seam| seam.is_near(self.rows)) {
            let mine = |row: &usize| own.as_ref().is_none_or(|own| own.get(*row).is_none());
            let next: Vec<u64> = (0..rows).filter(mine).map(&mut hash).collect();
            let has = |hash| self.recent.contains_key(&hash) || self.older.contains_key(&hash);
            seam.look(self.rows, &next, has);
        }
        let mut ids = arrow::array::StringBuilder::with_capacity(rows, rows * 16);
        for row in 0..rows {
            if let Some(own) = own.as_ref().and_then(|own| own.get(row)) {
                ids.append_value(own);
                continue;
            }
            let hash = hash(row);
            let second = match &time {
                Some(Values::Instant(times)) => times.value(row).div_euclid(1_000_000_000),
                Some(Values::Far(times)) => times.value(row).div_euclid(1_000_000),
                _ => i64::MIN,
            };
            let before = self.seen_before(hash, second);
            if let Some(seam) = &mut self.seam {
                seam.tell(hash, before);
            }
            use std::fmt::Write;
            // Writing into a builder does not fail.
            let _ =
                if before == 0 { write!(ids, "{hash:016x}") } else { write!(ids, "{hash:016x}-{before}") };
            ids.append_value("");
        }
        ids.finish()
    }

    /// How many rows there were.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// From now on it is told what was known after that row, or after any later one.
    pub fn hold(&mut self, rows: u64) {
        self.held = Some(rows);
        self.let_go();
    }

    /// The contents of the last rows with how often each has come, for one that goes on behind them; `None`
    /// where there are none.
    pub fn latest(&self) -> Option<String> {
        self.latest_at(self.rows)
    }

    /// What [`latest`](Self::latest) said after so many rows.
    pub fn latest_at(&self, rows: u64) -> Option<String> {
        use std::fmt::Write;
        let later = usize::try_from(self.rows.saturating_sub(rows)).unwrap_or(usize::MAX);
        let newest = self.last.iter().rev().nth(later)?.second;
        let is_recent = |place: usize, last: &Last| {
            place < LAST || newest > i64::MIN && last.second >= newest.saturating_sub(1)
        };
        let mut seen = std::collections::HashSet::new();
        // Of each content the last row has the highest count.
        let mut latest: Vec<&Last> = (self.last.iter().rev().skip(later).take(LATEST).enumerate())
            .filter(|(place, last)| is_recent(*place, last) && seen.insert(last.hash))
            .map(|(_, last)| last)
            .collect();
        latest.reverse();
        let mut text = String::with_capacity(latest.len() * 17);
        for Last { hash, count, .. } in latest {
            // Writing into a text does not fail.
            let _ = match count {
                1 => write!(text, "{hash:x} "),
                count => write!(text, "{hash:x}*{count:x} "),
            };
        }
        text.pop();
        Some(text)
    }

    /// Goes on behind rows of which those were the last.
    pub fn goes_on_after(&mut self, latest: &str) {
        for (hash, count) in counts(latest) {
            self.recent.insert(hash, count);
            self.keep(Last { hash, count, second: i64::MAX });
        }
    }

    /// The file before this one ended with those rows; no more of them than the last 512 are looked at, so
    /// that all who know them come to the same ids. No matter where it is known already what that means.
    pub fn comes_after(&mut self, latest: &str, after: After) {
        if !self.seam.as_ref().is_some_and(Seam::is_settled) {
            self.seam = Some(Seam::behind(last_of(latest, 0), after));
        }
    }

    /// What is to be noted of the file before for one that reads this one again, or goes on with it.
    pub fn seam(&self) -> Option<SeamNote> {
        self.seam.as_ref()?.note(self.rows, LATEST as u64)
    }

    /// Goes on as one that has noted that.
    pub fn has_seam(&mut self, note: SeamNote) {
        self.seam = Some(Seam::noted(note));
    }

    /// Rows that are equal to one of the last of the file before.
    pub fn shared(&self) -> Told {
        self.seam.as_ref().map_or_else(Told::default, |seam| seam.told)
    }

    fn keep(&mut self, last: Last) {
        self.last.push_back(last);
        self.rows += 1;
        self.let_go();
    }

    /// Forgets rows that are too far behind those of which is asked.
    fn let_go(&mut self) {
        let later = self.held.map_or(0, |held| self.rows.saturating_sub(held));
        let most = LATEST.saturating_add(usize::try_from(later).unwrap_or(usize::MAX));
        while self.last.len() > most {
            self.last.pop_front();
        }
    }

    fn seen_before(&mut self, hash: u64, second: i64) -> u32 {
        let before = match self.recent.get_mut(&hash) {
            Some(count) => {
                *count = count.saturating_add(1);
                *count - 1
            }
            None => {
                let cut = || self.seam.as_ref().map_or(0, |seam| seam.count(hash));
                let before = self.older.get(&hash).copied().unwrap_or_else(cut);
                if self.recent.len() >= GENERATION {
                    self.older = std::mem::take(&mut self.recent);
                }
                self.recent.insert(hash, before.saturating_add(1));
                before
            }
        };
        let count = before.saturating_add(1);
        self.keep(Last { hash, count, second });
        before
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int64Array, TimestampNanosecondArray};
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn the_same_number_has_the_same_identity_in_every_type() {
        let decimal: ArrayRef =
            Arc::new(Decimal128Array::from(vec![15_000]).with_precision_and_scale(38, 2).unwrap());
        let float: ArrayRef = Arc::new(Float64Array::from(vec![150.0]));
        let int: ArrayRef = Arc::new(Int64Array::from(vec![150]));
        let identity = |a: &ArrayRef| of_keys(&[a], 1);
        assert_eq!(identity(&decimal), identity(&float));
        assert_eq!(identity(&decimal), identity(&int));
    }

    #[test]
    fn identities_spread_over_the_lanes_and_stay_apart() {
        let times: ArrayRef = Arc::new(TimestampNanosecondArray::from_iter_values(
            (0..20_000i64).map(|minute| minute / 4 * 60_000_000_000),
        ));
        let symbols: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..20_000).map(|i| ["A", "AA", "B", "BRK.B"][i % 4])));
        let ids = of_stored_keys(
            &[(&times, KeyPrecision::Micros, false), (&symbols, KeyPrecision::Exact, false)],
            20_000,
        );
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 20_000);
        let mut lanes = [0; 64];
        ids.iter().for_each(|id| lanes[(*id as u64 % 64) as usize] += 1);
        assert!(lanes.iter().all(|rows| (200..430).contains(rows)), "{lanes:?}");
    }

    #[test]
    fn combinations_of_few_values_have_the_identities_of_their_texts() {
        const ROWS: usize = 200;
        let texts = |of: fn(usize) -> usize| -> ArrayRef {
            Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("v{}", of(row)))))
        };
        let coded = |texts: &ArrayRef| -> ArrayRef {
            let type_ = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            arrow::compute::cast(texts, &type_).unwrap()
        };
        // One value, a few, more than half as many combinations as rows, as many values as rows.
        type Of = fn(usize) -> usize;
        let all: [[Of; 3]; 3] = [
            [|_| 0, |row| row % 3, |row| row % 7],
            [|row| row % 30, |row| row % 9, |_| 1],
            [|row| row, |_| 0, |_| 0],
        ];
        for series in all {
            let plain: Vec<ArrayRef> = series.into_iter().map(texts).collect();
            let coded: Vec<ArrayRef> = plain.iter().map(coded).collect();
            let ids = |columns: &[ArrayRef]| {
                let keys: Vec<_> = columns.iter().map(|c| (c, KeyPrecision::Chars(2), false)).collect();
                let mut ids = of_stored_keys(&keys, ROWS);
                side_by_side(&mut ids, &keys);
                ids
            };
            assert_eq!(ids(&plain), ids(&coded));
            let half = [plain[0].clone(), coded[1].clone(), coded[2].clone()];
            assert_eq!(ids(&plain), ids(&half));
        }
    }

    #[test]
    fn blanks_that_a_column_cuts_off_make_no_other_row() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["abc", "abc  ", "äbc ", "äbc", "ab"]));
        let ids = of_stored_keys(&[(&texts, KeyPrecision::Chars(3), false)], 5);
        assert_eq!((ids[0], ids[2]), (ids[1], ids[3]));
        assert_ne!(ids[0], ids[4]);
    }

    #[test]
    fn neighbours_of_one_series_share_a_lane_and_stay_apart() {
        let times: ArrayRef = Arc::new(TimestampNanosecondArray::from_iter_values(
            (0..20_000i64).map(|minute| minute * 60_000_000_000),
        ));
        let keys = [(&times, KeyPrecision::Micros, false)];
        let mut ids = of_stored_keys(&keys, 20_000);
        side_by_side(&mut ids, &keys);
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 20_000);
        let changes = ids.windows(2).filter(|pair| pair[0] as u64 % 64 != pair[1] as u64 % 64).count();
        assert!((150..400).contains(&changes), "{changes}");
        let lanes: std::collections::HashSet<u64> = ids.iter().map(|id| *id as u64 % 64).collect();
        assert!(lanes.len() > 50, "{lanes:?}");
    }

    #[test]
    fn texts_do_not_run_into_one_another() {
        let a: ArrayRef = Arc::new(StringArray::from(vec!["ab", "a"]));
        let b: ArrayRef = Arc::new(StringArray::from(vec!["c", "bc"]));
        let ids = of_keys(&[&a, &b], 2);
        assert_ne!(ids[0], ids[1]);
    }

    #[test]
    fn equal_fills_stay_apart() {
        let size: ArrayRef = Arc::new(Int64Array::from(vec![100, 100, 7, 100]));
        let mut ids = ContentIds::default();
        let first = ids.ids(&[(1, &size)], None, None, 4);
        assert!(first.value(1).ends_with("-1") && first.value(3).ends_with("-2"));
        assert!(!first.value(0).contains('-') && !first.value(2).contains('-'));
        let again = ContentIds::default().ids(&[(1, &size)], None, None, 4);
        assert_eq!(first, again);
        // One that goes on behind them counts on.
        for cut in 0..=4 {
            let (mut before, mut after) = (ContentIds::default(), ContentIds::default());
            let mut all: Vec<String> = Vec::new();
            let mut add = |ids: StringArray| all.extend(ids.iter().flatten().map(str::to_owned));
            add(before.ids(&[(1, &size.slice(0, cut))], None, None, cut));
            after.goes_on_after(&before.latest().unwrap_or_default());
            add(after.ids(&[(1, &size.slice(cut, 4 - cut))], None, None, 4 - cut));
            assert!(first.iter().flatten().eq(all.iter().map(String::as_str)), "{cut}: {all:?}");
        }
        let many: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2_000));
        let mut ids = ContentIds::default();
        ids.ids(&[(1, &many)], None, None, 2_000);
        let latest = ids.latest().unwrap();
        assert_eq!(latest.split(' ').count(), LAST);
        let mut after = ContentIds::default();
        after.goes_on_after(&latest);
        assert_eq!(after.latest().unwrap(), latest);
    }

    #[test]
    fn what_has_the_latest_time_is_known_for_longer() {
        let number: ArrayRef = Arc::new(Int64Array::from_iter_values(0..40_000));
        let count = |text: Option<String>| text.map_or(0, |text| text.split(' ').count());
        for (per_second, expected) in [(100, LAST), (3_000, 4_000), (100_000, LATEST)] {
            let seconds = (0..40_000).map(|row| (row / per_second) * 1_000_000_000);
            let time: ArrayRef = Arc::new(TimestampNanosecondArray::from_iter_values(seconds));
            let mut ids = ContentIds::default();
            ids.hold(0);
            ids.ids(&[(1, &number)], Some(&time), None, 40_000);
            assert_eq!(count(ids.latest()), expected, "{per_second}");
            // As it was, until that is settled.
            let mut then = ContentIds::default();
            then.ids(&[(1, &number)], Some(&time), None, 20_000);
            assert_eq!((ids.latest_at(20_000), ids.latest_at(0)), (then.latest(), None));
            ids.hold(20_000);
            assert_eq!((ids.latest_at(20_000), ids.last.len()), (then.latest(), 20_000 + LATEST));
            ids.hold(40_000);
            assert_eq!((count(ids.latest()), ids.last.len()), (expected, LATEST));
            let latest = ids.latest().unwrap();
            for (bytes, expected) in [(0, LAST), (17_000, 1_000.min(expected)), (usize::MAX, expected)] {
                let part = last_of(&latest, bytes);
                let (contents, whole) = (part.split(' ').count(), latest.ends_with(part));
                // Of some a hexadecimal digit is missing.
                assert!(whole && (expected..expected + 9).contains(&contents), "{bytes}: {contents}");
            }
            let mut after = ContentIds::default();
            after.goes_on_after(&latest);
            assert_eq!(after.latest().unwrap(), latest);
        }
    }
}
