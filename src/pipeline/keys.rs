//! How many rows of a run share a key with others of it: of each such key one row is left in the table.
//!
//! Keys are known by the hashes that their identities are made of. Of many keys a part is kept, chosen by
//! the hash, so that what is counted of a key that is kept is exact and the rest can be told from it.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use crate::batch::{Batch, Identity};
use crate::dataset::json_row;
use crate::pipeline::scope::Unhashed;

/// Keys that are kept at most.
const MOST: usize = 1 << 15;
/// Keys that were seen last, for an example.
const RECENT: usize = 1 << 10;
/// Sources that are known by name at most.
const MOST_SOURCES: usize = 10_000;
/// Longest example of a key, in characters.
const MOST_EXAMPLE: usize = 160;

/// Counts rows by their keys, in bounded memory.
#[derive(Debug, Default)]
pub struct Keys {
    /// By the hash of their key: rows and the first of them, of those whose hash has so many leading zeros.
    seen: HashMap<u64, (u64, FileKey), BuildHasherDefault<Unhashed>>,
    zeros: u32,
    rows: u64,
    sources: Vec<Arc<str>>,
    /// By the last bits of the hash: a key, and where it was seen. Kept until there is an example.
    recent: Vec<(u64, FileKey)>,
    example: Option<Example>,
}

/// A row: the number of its source, and its own in it.
type FileKey = (u32, u64);

/// Two rows that are one in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Their key, as `name=value, name=value`.
    pub key: String,
    /// Where they are: source and row.
    pub rows: [(Arc<str>, u64); 2],
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared {
    /// Rows that were looked at.
    pub of: u64,
    /// Rows among them that share their key with others.
    pub rows: u64,
    /// Rows that are too many: all of those but one a key.
    pub surplus: u64,
    /// Whether the numbers are estimated.
    pub about: bool,
    /// Two of those rows.
    pub example: Option<Example>,
}

impl Shared {
    /// Whether it is so many that there is something wrong with the key or the columns.
    pub fn is_loud(&self) -> bool {
        self.rows.saturating_mul(100) >= self.of
    }
}

impl Keys {
    /// Takes note of rows with that key.
    pub fn look(&mut self, batch: &Batch, key: &[&str]) {
        self.rows += batch.len() as u64;
        let source = self.source(&batch.origin.source);
        for (row, (identity, number)) in batch.identities.iter().zip(&batch.rows).enumerate() {
            let (hash, here) = (hash(*identity), (source, *number));
            if self.example.is_none() {
                self.search(hash, here, batch, row, key);
            }
            if hash.leading_zeros() >= self.zeros {
                let (count, there) = self.seen.entry(hash).or_insert((0, here));
                *count += 1;
                if *count == 2 && self.example.is_none() {
                    let there = *there;
                    self.take(there, here, batch, row, key);
                }
                if self.seen.len() > MOST {
                    self.zeros += 1;
                    let zeros = self.zeros;
                    self.seen.retain(|hash, _| hash.leading_zeros() >= zeros);
                }
            }
        }
    }

    fn search(&mut self, hash: u64, here: FileKey, batch: &Batch, row: usize, key: &[&str]) {
        if self.recent.is_empty() {
            self.recent = vec![(0, (u32::MAX, 0)); RECENT];
        }
        let Some(place) = self.recent.get_mut(hash as usize % RECENT) else { return };
        let (before, there) = std::mem::replace(place, (hash, here));
        if before == hash && there.0 != u32::MAX {
            self.take(there, here, batch, row, key);
        }
    }

    /// Takes two rows for an example, the second of which is that of the batch.
    fn take(&mut self, there: FileKey, here: FileKey, batch: &Batch, row: usize, key: &[&str]) {
        let name = |place: FileKey| self.sources.get(place.0 as usize).map(|name| (name.clone(), place.1));
        if let (Some(first), Some(second)) = (name(there), name(here)) {
            self.example = Some(Example { key: written(batch, row, key), rows: [first, second] });
            self.recent = Vec::new();
        }
    }

    /// The number of a source.
    fn source(&mut self, name: &Arc<str>) -> u32 {
        let last = self.sources.len().saturating_sub(1);
        if self.sources.last().is_some_and(|known| Arc::ptr_eq(known, name) || known == name) {
            return last as u32;
        }
        if let Some(place) = self.sources.iter().position(|known| known == name) {
            return place as u32;
        }
        if self.sources.len() >= MOST_SOURCES {
            return u32::MAX;
        }
        self.sources.push(name.clone());
        self.sources.len() as u32 - 1
    }

    /// What there is to say: nothing where no row shares its key.
    pub fn shared(&self) -> Option<Shared> {
        let (mut sampled, mut rows, mut keys) = (0, 0, 0);
        for (count, _) in self.seen.values() {
            sampled += count;
            if *count > 1 {
                rows += count;
                keys += 1;
            }
        }
        let about = self.zeros > 0;
        if !about {
            let shared =
                Shared { of: self.rows, rows, surplus: rows - keys, about, example: self.example.clone() };
            return (rows > 0).then_some(shared);
        }
        let part = |count: u64| (count as f64 / sampled.max(1) as f64 * self.rows as f64).round() as u64;
        let (mut rows, mut surplus) = (part(rows), part(rows - keys));
        // A key of very many rows may not be among those that are kept; that they are missing is seen by
        // the number of keys, which is known to about a hundredth.
        let distinct = (self.seen.len() as f64 * 2f64.powi(self.zeros as i32)).round() as u64;
        let missing = self.rows.saturating_sub(distinct);
        if missing > surplus + self.rows / 25 {
            (rows, surplus) = (missing.max(rows), missing);
        }
        (rows > 0 || self.example.is_some()).then(|| Shared {
            of: self.rows,
            rows: rows.max(2 * u64::from(self.example.is_some())),
            surplus: surplus.max(u64::from(self.example.is_some())),
            about,
            example: self.example.clone(),
        })
    }
}

/// Of an identity all bits but those that tell the lane, mixed so that any of them will do.
fn hash(identity: Identity) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let folded = ((identity >> 64) as u64 ^ (identity as u64 >> 6)).wrapping_mul(ODD);
    folded ^ (folded >> 32)
}

/// The key of a row.
fn written(batch: &Batch, row: usize, key: &[&str]) -> String {
    let pair = |name: &&str| {
        let column = batch.columns.column_by_name(name).filter(|_| *name != "tenant_id")?;
        let mut value = String::new();
        json_row::write_value(column, row, &mut value);
        Some(format!("{name}={}", value.trim_matches('"')))
    };
    let all = key.iter().filter_map(pair).collect::<Vec<_>>().join(", ");
    match all.char_indices().nth(MOST_EXAMPLE) {
        Some((end, _)) => format!("{}…", all.get(..end).unwrap_or_default()),
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, RecordBatch};

    use super::*;
    use crate::batch::{Order, Origin};
    use crate::dataset::identity;

    fn batch(ids: Vec<i64>, from: u64) -> Batch {
        let (rows, array): (Vec<u64>, arrow::array::ArrayRef) =
            ((from..from + ids.len() as u64).collect(), Arc::new(Int64Array::from(ids)));
        let identities = identity::of_keys(&[&array], rows.len());
        let columns = RecordBatch::try_from_iter([("id", array)]).unwrap();
        Batch {
            columns,
            rows,
            identities,
            origin: Arc::new(Origin::new("a.csv")),
            order: Order::Any,
            given: None,
        }
    }

    fn shared(ids: impl IntoIterator<Item = i64>) -> Option<Shared> {
        let mut keys = Keys::default();
        let ids: Vec<i64> = ids.into_iter().collect();
        for (i, ids) in ids.chunks(8192).enumerate() {
            keys.look(&batch(ids.to_vec(), i as u64 * 8192 + 1), &["id"]);
        }
        assert!(keys.seen.len() <= MOST && keys.recent.len() <= RECENT);
        keys.shared()
    }

    #[test]
    fn few_rows_are_counted() {
        assert_eq!(shared(0..20_000), None);
        let seen = shared([1, 2, 1, 3, 2, 1]).unwrap();
        assert_eq!((seen.of, seen.rows, seen.surplus, seen.about, seen.is_loud()), (6, 5, 3, false, true));
        let example = seen.example.unwrap();
        assert_eq!((&*example.key, example.rows.map(|(_, row)| row)), ("id=1", [1, 3]));
        let seen = shared((0..20_000).chain([7])).unwrap();
        assert_eq!((seen.rows, seen.surplus, seen.is_loud()), (2, 1, false));
        assert_eq!(
            shared(std::iter::repeat_n(1, 300_000)).map(|s| (s.rows, s.surplus)),
            Some((300_000, 299_999))
        );
    }

    #[test]
    fn many_rows_are_estimated() {
        assert_eq!(shared(0..400_000), None);
        let near = |seen: u64, meant: u64| seen.abs_diff(meant) * 6 < meant;
        let twice = shared((0..200_000).chain(0..200_000)).unwrap();
        assert!(twice.about && twice.rows == 400_000 && near(twice.surplus, 200_000), "{twice:?}");
        let some = shared((0..400_000).chain(0..8_000)).unwrap();
        assert!(near(some.rows, 16_000) && near(some.surplus, 8_000) && some.is_loud(), "{some:?}");
        assert!(twice.example.is_some() && some.example.is_some(), "{some:?}");
        // One key of very many rows.
        let heavy = shared((0..300_000).flat_map(|i| [i, -1])).unwrap();
        assert!(near(heavy.surplus, 300_000) && heavy.example.is_some(), "{heavy:?}");
    }
}
