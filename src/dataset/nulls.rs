//! What stands for null, and what has become null.
//!
//! - Columns of numbers and times, and others that hold no text (truth values, UUIDs, arrays): NaN, inf,
//!   empty, `null`, `\N`, `None` and `-` say that there is no value.
//! - Columns of text: nothing does but null itself, which is an empty field without quotes or `\N` in CSV
//!   and null in the typed formats. A headline may well be "None".
//! - The words of `--null` do in both, and go before a number is read; a word that is a number stands
//!   for that number however it is written (-1 and -1.0). They never apply to symbols.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::nullif;

use crate::dataset::describe::Kind;
use crate::dataset::json_row;
use crate::model::decimal::Decimal;
use crate::model::text::Texts;
use crate::model::values::Numbers;

/// The texts that stand for null.
#[derive(Debug, Clone, Default)]
pub struct NullTokens {
    given: Vec<String>,
    /// Those of them that are numbers.
    numbers: Vec<Decimal>,
    /// The numbers again for columns of floats, which hold more than there are decimals for.
    floats: Vec<f64>,
    /// Whether the usual words are none.
    only: bool,
}

impl NullTokens {
    /// The usual ones (empty, `null`, `NaN`, `inf`, `None`, `\N`, `-`) and these.
    pub fn with(given: Vec<String>) -> Self {
        let numbers = given.iter().filter_map(|word| Decimal::parse(word.trim().as_bytes()).ok()).collect();
        let is_number = |word: &&str| word.bytes().any(|b| b.is_ascii_digit());
        let words = given.iter().map(|word| word.trim());
        let floats = words.filter(is_number).filter_map(|word| word.parse().ok()).collect();
        Self { given, numbers, floats, only: false }
    }

    /// These alone, for values that were understood before.
    pub fn only(given: Vec<String>) -> Self {
        Self { only: true, ..Self::with(given) }
    }

    /// Those beside the usual ones.
    pub fn more(&self) -> &[String] {
        &self.given
    }

    /// Whether a text, trimmed, stands for null in a column that holds no text.
    pub fn matches(&self, text: &str) -> bool {
        let given = || self.given.iter().any(|word| word.trim() == text);
        if self.only {
            return given();
        }
        match text.len() {
            0 => true,
            1 => text == "-" || given(),
            2..=9 => {
                matches!(text.as_bytes()[0], b'n' | b'N' | b'i' | b'I' | b'\\' | b'+' | b'-')
                    && is_usual(text)
                    || given()
            }
            _ => given(),
        }
    }

    /// The column without the values that `--null` names, for a column of that kind; `None` where it
    /// has none of them.
    pub fn without_given(&self, array: &ArrayRef, kind: Kind, nulled: &mut Nulled) -> Option<ArrayRef> {
        // A ticker may be called as anything is.
        if self.given.is_empty() || matches!(kind, Kind::Symbol | Kind::UpperSymbol) {
            return None;
        }
        let hits: BooleanArray = if let Some(texts) = Texts::of(array) {
            let as_numbers = !self.numbers.is_empty()
                && (kind.is_number() || matches!(kind, Kind::Nanos | Kind::Timestamp | Kind::Date));
            let stands = |text: &str| {
                let text = text.trim();
                self.given.iter().any(|word| word.trim() == text)
                    || as_numbers && Decimal::parse(text.as_bytes()).is_ok_and(|number| self.has(&number))
            };
            texts.iter().map(|text| Some(text.is_some_and(stands))).collect()
        } else {
            match Numbers::of(array) {
                Some(Numbers::Double(array)) => {
                    array.values().iter().map(|value| Some(self.floats.contains(value))).collect()
                }
                Some(Numbers::Single(array)) => {
                    let floats: Vec<f32> = self.floats.iter().map(|float| *float as f32).collect();
                    array.values().iter().map(|value| Some(floats.contains(value))).collect()
                }
                Some(numbers) => {
                    let hit = |row| Some(numbers.get(row).is_some_and(|number| self.has(&number)));
                    (0..array.len()).map(hit).collect()
                }
                None => {
                    let mut text = String::new();
                    let hit = |row| {
                        text.clear();
                        json_row::write_value(array, row, &mut text);
                        Some(self.given.iter().any(|word| same_text(word.trim(), &text)))
                    };
                    (0..array.len()).map(hit).collect()
                }
            }
        };
        let mut word = String::new();
        let mut any = false;
        for row in (0..array.len()).filter(|row| hits.value(*row) && array.is_valid(*row)) {
            any = true;
            if let Some(text) = Texts::of(array).and_then(|texts| texts.get(row)) {
                nulled.add(text.trim());
            } else {
                word.clear();
                json_row::write_value(array, row, &mut word);
                nulled.add(word.trim_matches('"'));
            }
        }
        if any { nullif(array, &hits).ok() } else { None }
    }

    fn has(&self, number: &Decimal) -> bool {
        self.numbers.contains(number)
    }
}

/// Whether a value as JSON is what the word says: a day or an instant in one of its spellings.
fn same_text(word: &str, json: &str) -> bool {
    let text = json.trim_matches('"');
    let instant = |text: &str| {
        let text = text.trim_end_matches('Z').replace(' ', "T");
        if text.len() == 10 { format!("{text}T00:00:00") } else { text }
    };
    text == word || json.starts_with('"') && text.len() >= 10 && instant(text) == instant(word)
}

fn is_usual(text: &str) -> bool {
    let word = text.strip_prefix(['+', '-']).unwrap_or(text);
    text == "\\N"
        || ["null", "none", "nan"].iter().any(|w| text.eq_ignore_ascii_case(w))
        || ["inf", "infinity", "nan"].iter().any(|w| word.eq_ignore_ascii_case(w))
}

/// Words of a column that are counted one by one.
const MOST: usize = 6;

/// The values of a column that were something else and became null: each word and how often. An empty
/// field, `\N` and null itself are null and do not count.
#[derive(Debug, Clone, Default)]
pub struct Nulled {
    words: Vec<(String, u64)>,
    others: u64,
}

impl Nulled {
    /// Counts a value that became null.
    pub fn add(&mut self, word: &str) {
        if word.is_empty() || word == "\\N" {
            return;
        }
        self.count(word, 1);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn count(&mut self, word: &str, rows: u64) {
        let room = self.words.len() < MOST;
        match self.words.iter_mut().find(|(known, _)| known == word) {
            Some((_, count)) => *count += rows,
            None if room => self.words.push((word.to_owned(), rows)),
            None => self.others += rows,
        }
    }

    /// Counts what another one has counted.
    pub fn join(&mut self, other: Self) {
        for (word, rows) in other.words {
            self.count(&word, rows);
        }
        self.others += other.others;
    }

    /// One sentence a word without the number of rows, and that number.
    pub fn tell(&self, column: &str, into: &mut BTreeMap<String, u64>) {
        for (word, rows) in &self.words {
            *into.entry(format!("{column}: {} is read as null", shown(word))).or_default() += rows;
        }
        if self.others > 0 {
            *into.entry(format!("{column}: other words are read as null")).or_default() += self.others;
        }
    }
}

fn shown(word: &str) -> Cow<'_, str> {
    const SHOWN: usize = 40;
    match word.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &word[..end])),
        None => Cow::Borrowed(word),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Decimal128Array, Float64Array, Int32Array, StringArray};

    use super::*;

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

    #[test]
    fn given_words_go_before_whatever_else_a_value_could_be() {
        let tokens = NullTokens::with(vec!["-1".into(), "1970-01-01".into(), "1.7e308".into(), "n/a".into()]);
        let texts = StringArray::from(vec![Some("-1.0"), Some("1"), None, Some("n/a"), Some("-1")]);
        let decimals = Decimal128Array::from(vec![-100, 100]).with_precision_and_scale(10, 2).unwrap();
        let floats = Float64Array::from(vec![-1.0, 1.7e308, 1.5]);
        for (array, kind, nulls, words) in [
            (Arc::new(texts.clone()) as ArrayRef, Kind::Number, "01000", "-1 is,-1.0 is,n/a is"),
            (Arc::new(texts.clone()), Kind::Text, "11000", "-1 is,n/a is"),
            (Arc::new(decimals), Kind::Number, "01", "-1 is"),
            (Arc::new(floats), Kind::Double, "001", ""),
            (Arc::new(Int32Array::from(vec![-1, 5])), Kind::Timestamp, "01", "-1 is"),
            (Arc::new(Date32Array::from(vec![0, 1])), Kind::Date, "01", "1970-01-01 is"),
        ] {
            let mut nulled = Nulled::default();
            let made = tokens.without_given(&array, kind, &mut nulled).unwrap();
            for (row, mark) in nulls.chars().enumerate() {
                assert_eq!(made.is_valid(row), mark == '1', "{kind:?} {row}");
            }
            let mut told = BTreeMap::new();
            nulled.tell("c", &mut told);
            for word in words.split(',').filter(|word| !word.is_empty()) {
                assert!(told.keys().any(|sentence| sentence.contains(word)), "{told:?} {word}");
            }
        }
        let symbols: ArrayRef = Arc::new(texts);
        assert!(tokens.without_given(&symbols, Kind::Symbol, &mut Nulled::default()).is_none());
    }
}
