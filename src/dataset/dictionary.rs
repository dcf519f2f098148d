//! Columns of text with few distinct values, as codes: symbols, vendors, timeframes, constants.
//!
//! What is to be known of a text (whether it is clean, its hash, its bytes on the wire) is then worked
//! out once for each distinct value of a batch, and not once a row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::Int32Type;
use xxhash_rust::xxh3::xxh3_64;

use crate::model::text::head;

/// Distinct texts in the order in which they were met.
#[derive(Debug)]
pub struct Distinct<'a> {
    known: Vec<(u64, &'a [u8])>,
    /// Places in `known` by hash, open addressing; never more than half full.
    places: Vec<u32>,
    most: usize,
    last: u32,
}

impl<'a> Distinct<'a> {
    /// None yet, and at most so many.
    pub fn new(most: usize) -> Self {
        let most = most.next_power_of_two();
        Self { known: Vec::new(), places: vec![u32::MAX; 2 * most], most, last: u32::MAX }
    }

    /// The number of the text from `start` to `end`; `None` where there are too many.
    #[inline]
    pub fn number(&mut self, data: &'a [u8], start: usize, end: usize) -> Option<u32> {
        let text = (head(data, start, end), &data[start..end]);
        // Most texts are so short that the head is all of them.
        let same = |other: &(u64, &[u8])| {
            text.0 == other.0 && text.1.len() == other.1.len() && (text.1.len() <= 8 || text.1 == other.1)
        };
        if self.known.get(self.last as usize).is_some_and(same) {
            return Some(self.last);
        }
        let hash = if text.1.len() <= 8 { text.0 } else { xxh3_64(text.1) };
        let mut at = (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize;
        self.last = loop {
            let room = self.places.len();
            let place = &mut self.places[at % room];
            match self.known.get(*place as usize) {
                Some(other) if same(other) => break *place,
                Some(_) => at += 1,
                None if self.known.len() == self.most => return None,
                None => {
                    *place = self.known.len() as u32;
                    self.known.push(text);
                    break *place;
                }
            }
        };
        Some(self.last)
    }

    /// The texts, by number.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        self.known.iter().map(|(_, text)| *text)
    }
}

/// Rows from which codes are worth their while.
const FEWEST: usize = 64;

/// Distinct values of a column that has codes.
pub const MOST: usize = 4096;

/// The column as codes, if it has few distinct values for its rows.
pub fn code(texts: &StringArray) -> Option<DictionaryArray<Int32Type>> {
    if texts.len() < FEWEST {
        return None;
    }
    let mut distinct = Distinct::new(MOST.min(texts.len() / 4));
    let (data, offsets) = (texts.value_data(), texts.value_offsets());
    let mut keys = Vec::with_capacity(texts.len());
    for bounds in offsets.windows(2) {
        keys.push(distinct.number(data, bounds[0] as usize, bounds[1] as usize)?.cast_signed());
    }
    let values: StringArray =
        distinct.texts().map(|text| std::str::from_utf8(text).ok()).collect::<Option<Vec<_>>>()?.into();
    let keys = Int32Array::new(ScalarBuffer::from(keys), texts.nulls().cloned());
    DictionaryArray::try_new(keys, Arc::new(values)).ok()
}

/// A column that has the same text in every row; other columns are given back as they are.
pub fn constant(column: &ArrayRef) -> ArrayRef {
    use arrow::array::AsArray;
    let Some(texts) = column.as_string_opt::<i32>().filter(|texts| texts.len() > 1 && texts.is_valid(0))
    else {
        return column.clone();
    };
    let keys = Int32Array::from(vec![0; texts.len()]);
    match DictionaryArray::try_new(keys, Arc::new(StringArray::from(vec![texts.value(0)]))) {
        Ok(coded) => Arc::new(coded),
        Err(_) => column.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_texts_become_codes_and_many_do_not() {
        let few: StringArray =
            (0..1000).map(|i| (i % 9 != 5).then(|| ["A", "BRK.B", "a long symbol"][i % 3])).collect();
        let coded = code(&few).unwrap();
        assert_eq!(coded.values().len(), 4, "and what stands where there is none");
        let back = coded.downcast_dict::<StringArray>().unwrap();
        for row in 0..few.len() {
            assert_eq!(coded.is_null(row), few.is_null(row));
            if few.is_valid(row) {
                assert_eq!(arrow::array::ArrayAccessor::value(&back, row), few.value(row));
            }
        }
        let many: StringArray = (0..1000).map(|i| Some(format!("id-{i}"))).collect();
        assert!(code(&many).is_none());
    }
}
