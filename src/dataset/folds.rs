//! Symbols that a table takes in capitals only, and which of the input's become the same by that.

use std::collections::{HashMap, HashSet};

/// Symbols that are remembered: beyond, it is no longer told which become one.
const MOST: usize = 100_000;

/// The symbols of a column that are stored in capitals.
#[derive(Debug, Clone, Default)]
pub struct Folds {
    /// As they are stored, with the first way in which the input writes each.
    first: HashMap<String, String>,
    /// Two that became one, and as what.
    example: Option<(String, String, String)>,
    /// Ways of writing that became another symbol's.
    merged: HashSet<String>,
}

impl Folds {
    /// The symbol as it is stored.
    pub fn stored(&mut self, symbol: &str) -> String {
        let stored = symbol.to_uppercase();
        // Small letters alone are another way of writing, and no other instrument.
        let written = if symbol.chars().any(char::is_uppercase) { symbol } else { &stored };
        match self.first.get(&stored) {
            Some(first)
                if first != written && self.merged.len() < MOST && self.merged.insert(written.to_owned()) =>
            {
                self.example.get_or_insert_with(|| (first.clone(), written.to_owned(), stored.clone()));
            }
            Some(_) => {}
            None if self.first.len() < MOST => {
                self.first.insert(stored.clone(), written.to_owned());
            }
            None => {}
        }
        stored
    }

    /// What there is to say, in a sentence that follows the column's name.
    pub fn note(&self) -> Option<String> {
        let (one, other, stored) = self.example.as_ref()?;
        let more = match self.merged.len() {
            1 => String::new(),
            count => format!(" ({count} ways of writing in all)"),
        };
        Some(format!(
            "takes capitals only (a CHECK of the table): {one} and {other} became one symbol, {stored}{more}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_symbols_that_become_one_are_told() {
        let mut folds = Folds::default();
        for (symbol, stored) in [("AMPB", "AMPB"), ("ampb", "AMPB"), ("BRKp", "BRKP")] {
            assert_eq!(folds.stored(symbol), stored);
        }
        assert_eq!(folds.note(), None);
        assert_eq!(folds.stored("AMpB"), "AMPB");
        assert_eq!(folds.stored("AMpB"), "AMPB");
        let note = folds.note().unwrap();
        assert!(note.ends_with("AMPB and AMpB became one symbol, AMPB"), "{note}");
    }
}
