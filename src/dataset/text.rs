//! Text columns of any Arrow kind, and the texts that stand for null.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, LargeStringArray, StringArray, StringViewArray};
use arrow_schema::DataType;

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

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

/// The texts that stand for null.
#[derive(Debug, Clone, Default)]
pub struct NullTokens {
    more: Vec<String>,
    /// Whether the usual ones are none.
    only: bool,
}

impl NullTokens {
    /// The usual ones (empty, `null`, `NaN`, `inf`, `None`, `\N`, `-`) and these.
    pub fn with(more: Vec<String>) -> Self {
        Self { more, only: false }
    }

    /// These alone, for values that were understood before.
    pub fn only(more: Vec<String>) -> Self {
        Self { more, only: true }
    }

    /// Those beside the usual ones.
    pub fn more(&self) -> &[String] {
        &self.more
    }

    /// Whether a text, trimmed, stands for null.
    pub fn matches(&self, text: &str) -> bool {
        if self.only {
            return self.more.iter().any(|m| m == text);
        }
        match text.len() {
            0 => true,
            1 => text == "-" || self.more.iter().any(|m| m == text),
            2..=9 => {
                matches!(text.as_bytes()[0], b'n' | b'N' | b'i' | b'I' | b'\\' | b'+' | b'-')
                    && is_usual(text)
                    || self.more.iter().any(|m| m == text)
            }
            _ => self.more.iter().any(|m| m == text),
        }
    }
}

fn is_usual(text: &str) -> bool {
    let word = text.strip_prefix(['+', '-']).unwrap_or(text);
    text == "\\N"
        || ["null", "none", "nan"].iter().any(|w| text.eq_ignore_ascii_case(w))
        || ["inf", "infinity", "nan"].iter().any(|w| word.eq_ignore_ascii_case(w))
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

    #[test]
    fn null_tokens() {
        let tokens = NullTokens::with(vec!["n/a".into(), "?".into()]);
        for text in
            ["", "-", "null", "NULL", "NaN", "nan", "None", "\\N", "inf", "-Inf", "Infinity", "n/a", "?"]
        {
            assert!(tokens.matches(text), "{text}");
        }
        for text in ["0", "-1", "NA", "nil", "n", "--", "N/A", "none of it"] {
            assert!(!tokens.matches(text), "{text}");
        }
    }
}
