//! Text columns of any Arrow kind.

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, DictionaryArray, LargeStringArray, StringArray, StringViewArray};
use arrow::datatypes::DataType;
use arrow::datatypes::Int32Type;

/// A column of text, read one value at a time.
#[derive(Debug, Clone, Copy)]
pub enum Texts<'a> {
    /// `Utf8`.
    Plain(&'a StringArray),
    /// `LargeUtf8`.
    Large(&'a LargeStringArray),
    /// `Utf8View`.
    View(&'a StringViewArray),
    /// Dictionary of `Utf8`.
    Coded(&'a DictionaryArray<Int32Type>, &'a StringArray),
}

impl<'a> Texts<'a> {
    /// The view of an array, or `None` where it holds no text.
    pub fn of(array: &'a ArrayRef) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Plain(array.as_string()),
            DataType::LargeUtf8 => Self::Large(array.as_string()),
            DataType::Utf8View => Self::View(array.as_string_view()),
            DataType::Dictionary(key, value) if **key == DataType::Int32 && **value == DataType::Utf8 => {
                let coded = array.as_dictionary::<Int32Type>();
                Self::Coded(coded, coded.values().as_string())
            }
            _ => return None,
        })
    }

    /// The text in `row`, or `None` where it is null.
    pub fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Plain(a) => a.is_valid(row).then(|| a.value(row)),
            Self::Large(a) => a.is_valid(row).then(|| a.value(row)),
            Self::View(a) => a.is_valid(row).then(|| a.value(row)),
            Self::Coded(a, values) => {
                let key = usize::try_from(*a.keys().values().get(row)?).ok()?;
                (a.is_valid(row) && key < values.len() && values.is_valid(key)).then(|| values.value(key))
            }
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(a) => a.len(),
            Self::Large(a) => a.len(),
            Self::View(a) => a.len(),
            Self::Coded(a, _) => a.len(),
        }
    }

    /// Whether there is not a row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether one of the values has bytes of which that is true.
    pub fn any(&self, has: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Plain(a) => {
                let offsets = a.value_offsets();
                let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return false };
                let used = a.value_data().get(*first as usize..*last as usize);
                used.is_some_and(has)
            }
            _ => self.iter().flatten().any(|text| has(text.as_bytes())),
        }
    }

    /// Takes each value, from the first row on: as [`Texts::iter`], but what kind of text it is is asked once.
    #[inline]
    pub fn each(self, mut take: impl FnMut(usize, Option<&'a str>)) {
        match self {
            Self::Plain(a) if a.null_count() == 0 => {
                (0..a.len()).for_each(|row| take(row, Some(a.value(row))));
            }
            Self::Plain(a) => a.iter().enumerate().for_each(|(row, text)| take(row, text)),
            _ => self.iter().enumerate().for_each(|(row, text)| take(row, text)),
        }
    }

    /// All values.
    pub fn iter(self) -> impl Iterator<Item = Option<&'a str>> {
        (0..self.len()).map(move |row| self.get(row))
    }
}

/// The first eight bytes of the text from `start` to `end`, the first highest, and zeros where it has
/// fewer. Two texts of one length of up to eight bytes are the same if these are, and texts without
/// zero bytes compare as these do where these differ.
#[inline]
pub fn head(data: &[u8], start: usize, end: usize) -> u64 {
    let len = end - start;
    if let Some(Ok(block)) = data.get(start..start + 8).map(<[u8; 8]>::try_from) {
        let head = u64::from_be_bytes(block);
        return if len >= 8 {
            head
        } else if len == 0 {
            0
        } else {
            head >> (64 - 8 * len) << (64 - 8 * len)
        };
    }
    let mut block = [0; 8];
    let len = len.min(8);
    block[..len].copy_from_slice(&data[start..start + len]);
    u64::from_be_bytes(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_tell_short_texts_apart() {
        let data = b"abcdefghij";
        assert_eq!(head(data, 0, 0), 0);
        assert_eq!(head(data, 0, 2), u64::from_be_bytes(*b"ab\0\0\0\0\0\0"));
        assert_eq!(head(data, 1, 10), u64::from_be_bytes(*b"bcdefghi"));
        assert_eq!(head(data, 8, 10), u64::from_be_bytes(*b"ij\0\0\0\0\0\0"));
        assert_eq!(head(data, 10, 10), 0);
    }
}
