//! A column of text in the making: values are copied into it as bytes, and seen to be text once for the whole column.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;

/// Bytes that a short value is copied in, whatever its length: a copy of a length known beforehand is two moves.
const SHORT: usize = 16;

/// A column of text.
#[derive(Debug)]
pub(in crate::decode) struct TextColumn {
    /// The values, one after the other.
    bytes: Vec<u8>,
    /// Where each begins, and where the last one ends.
    offsets: Vec<i32>,
    /// Rows without a value.
    nulls: Vec<u32>,
}

impl Default for TextColumn {
    fn default() -> Self {
        Self::with_capacity(0, 0)
    }
}

impl TextColumn {
    fn with_capacity(rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { bytes: Vec::with_capacity(bytes), offsets, nulls: Vec::new() }
    }

    /// Number of rows.
    pub(in crate::decode) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Appends the value that stands from `start` to `end` of a text. A batch ends long before its bytes are more
    /// than an offset can say.
    #[inline]
    pub(in crate::decode) fn append_part(&mut self, text: &[u8], start: usize, end: usize) {
        let length = self.bytes.len();
        match text.get(start..start + SHORT) {
            Some(block) if end <= start + SHORT => {
                self.bytes.extend_from_slice(block);
                self.bytes.truncate(length + end.saturating_sub(start));
            }
            _ => self.bytes.extend_from_slice(text.get(start..end).unwrap_or_default()),
        }
        self.offsets.push(self.bytes.len() as i32);
    }

    /// Appends a value.
    pub(in crate::decode) fn append(&mut self, value: &[u8]) {
        self.append_part(value, 0, value.len());
    }

    /// Appends a row without a value.
    #[inline]
    pub(in crate::decode) fn append_null(&mut self) {
        self.nulls.push(self.len() as u32);
        self.offsets.push(self.bytes.len() as i32);
    }

    /// The column, and room for a next one that is as large.
    pub(in crate::decode) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let next = Self::with_capacity(self.len(), self.bytes.len() + SHORT);
        let made = std::mem::replace(self, next);
        let nulls = (!made.nulls.is_empty()).then(|| {
            let mut valid = vec![true; made.len()];
            made.nulls.iter().for_each(|row| valid[*row as usize] = false);
            NullBuffer::from(valid)
        });
        let offsets = OffsetBuffer::new(ScalarBuffer::from(made.offsets));
        Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(made.bytes), nulls)?))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;

    #[test]
    fn values_of_every_length_and_place_stay_what_they_are() {
        let text: String = ('a'..='z').chain('A'..='Z').chain(['é', '漢']).collect();
        let mut column = TextColumn::default();
        for round in 0..2 {
            let mut expected = Vec::new();
            let places: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
            for &start in &places {
                for &end in places.iter().filter(|end| **end >= start) {
                    column.append_part(text.as_bytes(), start, end);
                    expected.push(Some(&text[start..end]));
                    if (start + end + round) % 5 == 0 {
                        column.append_null();
                        expected.push(None);
                    }
                }
            }
            column.append(b"");
            expected.push(Some(""));
            assert_eq!(column.len(), expected.len());
            let made = column.finish().unwrap();
            assert_eq!(made.as_string::<i32>().iter().collect::<Vec<_>>(), expected);
            assert_eq!(column.len(), 0);
        }
        column.append(b"\xff");
        assert!(column.finish().is_err());
        assert!(column.finish().is_ok());
    }
}
