//! Symbols that are whole numbers, as those of several Asian exchanges are: where a program in between took
//! them for numbers, 000001 has become 1.

use arrow::array::{Array, ArrayRef};

use crate::model::text::Texts;

/// Digits that no exchange writes fewer of in its codes.
const SHORT: usize = 4;

/// What the symbols of an input look like.
#[derive(Debug, Default)]
pub struct Codes {
    /// One of them is not a whole number, or has a zero before it.
    innocent: bool,
    /// They came as numbers.
    typed: bool,
    shortest: Option<String>,
    longest: usize,
}

impl Codes {
    /// Looks at symbols: as they were given and as they were made.
    pub fn look(&mut self, given: &ArrayRef, made: &ArrayRef) {
        let given = given.data_type();
        self.typed |= given.is_integer() || given.is_floating();
        let Some(texts) = Texts::of(made).filter(|_| !self.innocent) else { return };
        match texts {
            Texts::Coded(_, values) => values.iter().flatten().for_each(|text| self.add(text)),
            // All but all columns are settled by their first value.
            texts => {
                for row in 0..texts.len() {
                    match texts.get(row) {
                        Some(text) if !self.innocent => self.add(text),
                        Some(_) => return,
                        None => {}
                    }
                }
            }
        }
    }

    fn add(&mut self, text: &str) {
        if text.is_empty() || text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            self.innocent = true;
            return;
        }
        self.longest = self.longest.max(text.len());
        if self.shortest.as_ref().is_none_or(|shortest| shortest.len() > text.len()) {
            self.shortest = Some(text.to_owned());
        }
    }

    /// What there is to say of it.
    pub fn note(&self, name: &str) -> Option<String> {
        let shortest = self.shortest.as_ref().filter(|_| !self.innocent)?;
        let uneven = shortest.len() < self.longest.max(SHORT);
        (self.typed || uneven).then(|| {
            format!(
                "{name} holds whole numbers, such as {shortest}: if these are codes with leading zeros, such as 000001, the zeros are lost in the input"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn codes_without_their_zeros_are_told() {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        for (symbols, typed, told) in [
            (&["600519"][..], true, true),
            (&["600519", "1"], false, true),
            (&["700"], false, true),
            (&["600519", "600520"], false, false),
            (&["600519", "000001"], false, false),
            (&["AAPL", "1"], false, false),
            (&[], true, false),
        ] {
            let made: ArrayRef = Arc::new(StringArray::from(symbols.to_vec()));
            let mut codes = Codes::default();
            codes.look(if typed { &ints } else { &made }, &made);
            assert_eq!(codes.note("symbol").is_some(), told, "{symbols:?}");
        }
    }
}
