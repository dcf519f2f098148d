//! The parts of a source.

use std::sync::Arc;

/// Which rows of a source are of which part of it: of a stream, which message they came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts(Vec<(u64, Arc<str>)>);

impl Parts {
    /// Of parts by the number of their first row, ascending, each with its name.
    pub fn new(parts: Vec<(u64, Arc<str>)>) -> Self {
        Self(parts)
    }

    /// The name of the part that a row is of, and its number in there, 1-based.
    pub fn of(&self, row: u64) -> Option<(&Arc<str>, u64)> {
        let behind = self.0.partition_point(|(first, _)| *first <= row);
        let (first, name) = self.0.get(behind.checked_sub(1)?)?;
        Some((name, row - first + 1))
    }

    /// Those and the parts behind them.
    pub fn and(&self, behind: Self) -> Self {
        Self(self.0.iter().cloned().chain(behind.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_by_its_part() {
        let parts = Parts::new(vec![(5, "a".into()), (6, "b".into())]);
        let parts = parts.and(Parts::new(vec![(9, "c".into())]));
        let of = |row: u64| parts.of(row).map(|(name, row)| (&**name, row));
        assert_eq!([of(4), of(5), of(6), of(8)], [None, Some(("a", 1)), Some(("b", 1)), Some(("b", 3))]);
        assert_eq!(of(9), Some(("c", 1)));
    }
}
