//! Words of a vendor: codes for sides of the market, numbers that stand for nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringBuilder};
use arrow::compute::{cast, nullif};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

use crate::model::decimal::Decimal;
use crate::model::text::Texts;

/// Columns, and what their values are read as; null where that is empty.
pub type Words = BTreeMap<String, BTreeMap<String, String>>;

/// The rows with what their words mean; which were met is counted.
///
/// # Errors
/// Where a column is of a type that has no texts.
pub fn read(
    columns: &RecordBatch,
    words: &Words,
    counted: &mut BTreeMap<String, u64>,
) -> Result<RecordBatch, ArrowError> {
    let mut columns = columns.clone();
    for (name, words) in words {
        let Some(place) = place_of(&columns, name) else { continue };
        let Some(made) = Meanings::of(words).apply(columns.column(place), name, counted)? else { continue };
        let mut fields: Vec<_> = columns.schema().fields().iter().cloned().collect();
        let mut arrays = columns.columns().to_vec();
        if let (Some(field), Some(array)) = (fields.get_mut(place), arrays.get_mut(place)) {
            let same = field.as_ref().clone();
            *field = Arc::new(same.with_data_type(made.data_type().clone()).with_nullable(true));
            *array = made;
        }
        let schema = Schema::new_with_metadata(fields, columns.schema().metadata().clone());
        columns = RecordBatch::try_new(Arc::new(schema), arrays)?;
    }
    Ok(columns)
}

/// The column of that name, in whatever case where none is written so.
pub fn place_of(columns: &RecordBatch, name: &str) -> Option<usize> {
    let schema = columns.schema();
    let place =
        |is_it: &dyn Fn(&str) -> bool| schema.fields().iter().position(|field| is_it(field.name().trim()));
    place(&|own| own == name).or_else(|| place(&|own| own.eq_ignore_ascii_case(name)))
}

/// A column as texts, whatever its type.
///
/// # Errors
/// Where it is of a type that has no texts.
pub fn texts_of(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match Texts::of(column) {
        Some(_) => Ok(column.clone()),
        None => cast(column, &DataType::Utf8),
    }
}

/// What the values of a column mean.
struct Meanings<'a> {
    words: &'a BTreeMap<String, String>,
    /// Those that are numbers, however they are written.
    numbers: Vec<(Decimal, &'a str, &'a str)>,
}

impl<'a> Meanings<'a> {
    fn of(words: &'a BTreeMap<String, String>) -> Self {
        let number = |(word, meaning): (&'a String, &'a String)| {
            Some((Decimal::parse(word.as_bytes()).ok()?, word.as_str(), meaning.as_str()))
        };
        Self { words, numbers: words.iter().filter_map(number).collect() }
    }

    /// The word that a value is, and its meaning.
    fn find(&self, text: &str) -> Option<(&'a str, &'a str)> {
        if let Some((word, meaning)) = self.words.get_key_value(text) {
            return Some((word.as_str(), meaning.as_str()));
        }
        let is_number =
            !self.numbers.is_empty() && text.bytes().next_back().is_some_and(|b| b.is_ascii_digit());
        let number = is_number.then(|| Decimal::parse(text.as_bytes()).ok()).flatten()?;
        self.numbers.iter().find(|(known, ..)| *known == number).map(|(_, word, meaning)| (*word, *meaning))
    }

    /// The column with what its values mean; `None` where none of them means another thing.
    fn apply(
        &self,
        column: &ArrayRef,
        name: &str,
        counted: &mut BTreeMap<String, u64>,
    ) -> Result<Option<ArrayRef>, ArrowError> {
        let shown = texts_of(column)?;
        let Some(texts) = Texts::of(&shown) else { return Ok(None) };
        let found: Vec<Option<(&str, &str)>> =
            (0..column.len()).map(|row| texts.get(row).and_then(|text| self.find(text.trim()))).collect();
        if found.iter().all(Option::is_none) {
            return Ok(None);
        }
        for (word, meaning) in found.iter().flatten().filter(|(word, meaning)| word != meaning) {
            let what = match *meaning {
                "" => format!("{name}: {word} is read as null"),
                meaning => format!("{name}: {word} is read as {meaning}"),
            };
            *counted.entry(what).or_default() += 1;
        }
        if found.iter().flatten().all(|(_, meaning)| meaning.is_empty()) {
            // What stays keeps its type.
            let hits: BooleanArray = found.iter().map(|hit| Some(hit.is_some())).collect();
            return nullif(column, &hits).map(Some);
        }
        let mut made = StringBuilder::with_capacity(column.len(), column.len() * 4);
        for (row, hit) in found.iter().enumerate() {
            match hit {
                Some((_, "")) => made.append_null(),
                Some((_, meaning)) => made.append_value(meaning),
                None => made.append_option(texts.get(row)),
            }
        }
        Ok(Some(Arc::new(made.finish())))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn words_are_read_and_counted() {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        let words = Words::from([
            ("SIDE".to_owned(), pairs(&[("B", "buy"), ("A", "sell")])),
            ("px".to_owned(), pairs(&[("0", "")])),
        ]);
        let side: ArrayRef = Arc::new(StringArray::from(vec![Some("B"), Some(" A "), Some("x"), None]));
        let px: ArrayRef = Arc::new(StringArray::from(vec![Some("1"), Some("0.00"), Some(""), None]));
        let columns = RecordBatch::try_from_iter([("side", side), ("px", px)]).unwrap();
        let mut counted = BTreeMap::new();
        let made = read(&columns, &words, &mut counted).unwrap();
        let of = |place: usize| -> Vec<Option<String>> {
            let texts = Texts::of(made.column(place)).unwrap();
            (0..4).map(|row| texts.get(row).map(str::to_owned)).collect()
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(of(0), [text("buy"), text("sell"), text("x"), None]);
        assert_eq!(of(1), [text("1"), None, text(""), None]);
        let told: Vec<String> = counted.iter().map(|(what, count)| format!("{what} in {count}")).collect();
        assert_eq!(
            told,
            ["SIDE: A is read as sell in 1", "SIDE: B is read as buy in 1", "px: 0 is read as null in 1"]
        );
    }

    #[test]
    fn numbers_keep_their_type() {
        let words = BTreeMap::from([("-99.99".to_owned(), String::new())]);
        let mut counted = BTreeMap::new();
        let column: ArrayRef = Arc::new(Float64Array::from(vec![Some(-99.99), Some(0.5), None]));
        let made = Meanings::of(&words).apply(&column, "iv", &mut counted).unwrap().unwrap();
        assert_eq!((made.data_type(), made.null_count()), (&DataType::Float64, 2));
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        assert!(Meanings::of(&words).apply(&column, "iv", &mut counted).unwrap().is_none());
    }
}
