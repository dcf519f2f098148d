//! What the rows of a run are about, by name: for the books that others look into while it goes on.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array as _, RecordBatch};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::text::Texts;
use crate::port::runs::RunScope;

/// Most words of a kind that are told apart.
pub(crate) const MOST_WORDS: usize = 100_000;

/// Most words of a kind that are known by name; of more there is no list.
const MOST_NAMES: usize = 10_000;

/// Columns that say who has delivered a row, in our tables and in the Python system's.
const VENDORS: [&str; 2] = ["vendor", "provider"];

/// The scope of a run, as it is known so far; shared.
#[derive(Debug, Default)]
pub struct Scope(Mutex<RunScope>);

impl Scope {
    /// What is known so far.
    pub fn get(&self) -> RunScope {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what has been seen since the last time. `span` is of all rows.
    pub(crate) fn learn(&self, words: &mut Verbatim, span: Option<(i64, i64)>) {
        let scope = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        scope.span = span;
        for (known, word) in
            [(&mut scope.symbols, &mut words.symbols), (&mut scope.vendors, &mut words.vendors)]
        {
            match word.seen.len() > MOST_NAMES {
                true => *known = None,
                false => {
                    if let Some(known) = known {
                        known.append(&mut word.fresh);
                    }
                }
            }
        }
    }
}

/// The words that rows have been seen to have.
#[derive(Debug, Default)]
pub(crate) struct Verbatim {
    symbols: Distinct,
    vendors: Distinct,
}

impl Verbatim {
    /// Takes note of those of a batch.
    pub(crate) fn look(&mut self, columns: &RecordBatch) {
        self.symbols.look(columns, "symbol");
        for name in VENDORS {
            self.vendors.look(columns, name);
        }
    }

    /// Number of symbols, if there are symbols and not too many to count.
    pub(crate) fn symbols(&self) -> Option<u64> {
        let count = self.symbols.seen.len();
        (1..MOST_WORDS).contains(&count).then_some(count as u64)
    }
}

/// Distinct words.
#[derive(Debug, Default)]
struct Distinct {
    /// Hashes of those seen.
    seen: HashSet<u64, BuildHasherDefault<Unhashed>>,
    /// Those that nobody has been told of.
    fresh: Vec<Box<str>>,
}

impl Distinct {
    fn look(&mut self, columns: &RecordBatch, name: &str) {
        let Some(words) = columns.column_by_name(name).and_then(Texts::of) else { return };
        if let Texts::Coded(coded, values) = words {
            let mut seen = vec![false; values.len()];
            for key in coded.keys().iter().flatten() {
                seen[key as usize] = true;
            }
            let seen = seen.iter().enumerate().filter(|(_, seen)| **seen);
            self.note(seen.map(|(key, _)| values.value(key)));
        } else {
            self.note(words.iter().flatten());
        }
    }

    fn note<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        let mut last = None;
        for word in words {
            if last != Some(word)
                && self.seen.len() < MOST_WORDS
                && self.seen.insert(xxh3_64(word.as_bytes()))
                && self.seen.len() <= MOST_NAMES
                && !word.is_empty()
            {
                self.fresh.push(word.into());
            }
            last = Some(word);
        }
    }
}

/// A hash is hashed no further.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Unhashed(u64);

impl Hasher for Unhashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;

    fn batch(symbols: &[String], vendors: &[&str]) -> RecordBatch {
        let symbols: ArrayRef = Arc::new(StringArray::from_iter_values(symbols));
        let vendors: ArrayRef = Arc::new(StringArray::from_iter_values(vendors));
        RecordBatch::try_from_iter([("symbol", symbols), ("vendor", vendors)]).unwrap()
    }

    fn names(known: &Option<Vec<Box<str>>>) -> Option<Vec<&str>> {
        known.as_ref().map(|names| names.iter().map(|name| &**name).collect())
    }

    #[test]
    fn each_word_is_told_once_and_of_too_many_there_is_no_list() {
        let (scope, mut words) = (Scope::default(), Verbatim::default());
        let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        words.look(&batch(&texts(&["B", "B", "A", ""]), &["x", "y", "x", "y"]));
        scope.learn(&mut words, Some((1, 2)));
        words.look(&batch(&texts(&["A", "C"]), &["x", "x"]));
        scope.learn(&mut words, Some((1, 3)));
        let seen = scope.get();
        assert_eq!(names(&seen.symbols), Some(vec!["B", "A", "C"]));
        assert_eq!(names(&seen.vendors), Some(vec!["x", "y"]));
        assert_eq!(seen.span, Some((1, 3)));
        let many: Vec<String> = (0..=MOST_NAMES).map(|n| format!("S{n}")).collect();
        words.look(&batch(&many, &vec!["x"; many.len()]));
        scope.learn(&mut words, Some((1, 3)));
        let seen = scope.get();
        assert_eq!((names(&seen.symbols), names(&seen.vendors)), (None, Some(vec!["x", "y"])));
        assert_eq!(words.symbols(), Some(MOST_NAMES as u64 + 5));
    }
}
