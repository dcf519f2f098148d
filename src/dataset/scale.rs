//! Numbers that the input counts in another unit than the table: `--scale COLUMN=FACTOR`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef};

use crate::dataset::describe::Dataset;
use crate::dataset::mapping::target_of;
use crate::dataset::target::Target;
use crate::error::{Error, Result};
use crate::model::decimal::{Decimal, NumberError};
use crate::model::numbers::NumberBuilder;
use crate::model::values::Numbers;
use crate::text::flags::SCALE;

/// Columns, and what their numbers are multiplied by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scales(Arc<[(String, Decimal)]>);

/// Reads a factor: a decimal number of at most 38 digits that is not zero, such as `0.0001` or `1e-9`.
///
/// # Errors
/// Where it is none.
pub fn factor(text: &str) -> std::result::Result<Decimal, String> {
    match Decimal::parse(text.trim().as_bytes()) {
        Ok(factor) if factor.is_zero() => Err("the factor is 0, which would leave nothing".to_owned()),
        Ok(factor @ Decimal::Small { scale: -100..=100, .. }) => Ok(factor),
        Ok(_) | Err(NumberError::TooLong) => {
            Err(format!("the factor {text} has too many digits; at most 38 are taken"))
        }
        Err(NumberError::Syntax) => {
            Err(format!("{text:?} is not a decimal number; write the factor as 0.0001 or 1e-9"))
        }
    }
}

impl Scales {
    /// As the flags say it, the columns by whatever name.
    ///
    /// # Errors
    /// Usage, where a factor is none.
    pub fn read(pairs: &[(String, String)]) -> Result<Self> {
        let read = |(name, text): &(String, String)| match factor(text) {
            Ok(factor) => Ok((name.clone(), factor)),
            Err(why) => Err(Error::usage(format!("{SCALE} {name}={text}: {why}"))),
        };
        pairs.iter().map(read).collect::<Result<Vec<_>>>().map(|all| Self(all.into()))
    }

    /// As a dead letter has it; what means nothing here, or has no place in the table, is left out.
    pub fn remembered(noted: &BTreeMap<String, String>, dataset: &Dataset, target: &Target) -> Self {
        let known = |(name, text): (&String, &String)| {
            Some((target_of(name, dataset, target).ok()?, factor(text).ok()?))
        };
        Self(noted.iter().filter_map(known).collect())
    }

    /// By the names of that table.
    ///
    /// # Errors
    /// Usage, where it has no such column, or one that holds no numbers, or a column is named twice.
    pub fn of_table(&self, dataset: &Dataset, target: &Target) -> Result<Self> {
        let mut all: Vec<(String, Decimal)> = Vec::with_capacity(self.0.len());
        for (name, factor) in self.0.iter() {
            let wrong = |why: String| Error::usage(format!("{SCALE} {name}: {why}"));
            let column = target_of(name, dataset, target).map_err(|error| wrong(error.to_string()))?;
            let own = dataset.column(&column).map(|column| column.kind);
            let kind = own.or_else(|| target.column(&column).map(|column| column.kind));
            if !kind.is_some_and(|kind| kind.is_number()) {
                return Err(wrong(format!("column {column} does not hold numbers")));
            }
            if all.iter().any(|(known, _)| *known == column) {
                return Err(wrong(format!("the numbers of column {column} are scaled twice; say it once")));
            }
            all.push((column, factor.clone()));
        }
        Ok(Self(all.into()))
    }

    /// What the numbers of that column are multiplied by.
    pub fn of(&self, column: &str) -> Option<&Decimal> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, factor)| factor)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// For a dead letter.
    pub fn note(&self, into: &mut BTreeMap<String, String>) {
        for (name, factor) in self.0.iter() {
            let mut text = String::new();
            factor.write(&mut text);
            into.insert(name.clone(), text);
        }
    }
}

/// Those numbers multiplied by that, every digit kept; `None` where they are none. `too_long` is told of the rows
/// whose product no store has room for, and which have no value then.
pub fn scaled(numbers: &ArrayRef, by: &Decimal, mut too_long: impl FnMut(usize)) -> Option<ArrayRef> {
    let view = Numbers::of(numbers)?;
    let mut builder = NumberBuilder::with_capacity(numbers.len());
    for row in 0..numbers.len() {
        match view.get(row).map(|number| number.times(by)) {
            Some(Ok(product)) => builder.push(product),
            Some(Err(_)) => {
                too_long(row);
                builder.push_null();
            }
            None => builder.push_null(),
        }
    }
    Some(builder.finish())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array};

    use super::*;
    use crate::model::text::Texts;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_factor_is_a_decimal_number_that_is_not_zero() {
        assert_eq!(factor(" 1e-9 "), Ok(number("0.000000001")));
        assert_eq!(factor("-100"), Ok(number("-100")));
        for wrong in ["", "x", "1/1000", "0", "0.000", "1e-999", "1e99999999", &"7".repeat(39)] {
            assert!(factor(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_digit_is_kept_and_null_stays_null() {
        let of = |array: ArrayRef, by: &str| {
            let made = scaled(&array, &number(by), |row| panic!("{row}")).unwrap();
            let view = Numbers::of(&made).unwrap();
            let text = |number: Decimal| {
                let mut text = String::new();
                number.write(&mut text);
                text
            };
            (0..made.len()).map(|row| view.get(row).map(text)).collect::<Vec<_>>()
        };
        let whole: ArrayRef =
            Arc::new(Int64Array::from(vec![Some(1_234_567_890_123_456_789), None, Some(0)]));
        assert_eq!(of(whole, "1e-9"), [Some("1234567890.123456789".to_owned()), None, Some("0".to_owned())]);
        // A double is its shortest decimal: no 0.30000000000000004.
        let doubles: ArrayRef = Arc::new(Float64Array::from(vec![0.1, 1e300]));
        assert_eq!(of(doubles, "3"), [Some("0.3".to_owned()), Some("3e300".to_owned())]);
        let long = "9".repeat(60);
        let texts: ArrayRef = {
            let mut builder = NumberBuilder::with_capacity(1);
            builder.push(number(&long));
            builder.finish()
        };
        assert!(Texts::of(&texts).is_some());
        assert_eq!(of(texts, "-0.01"), [Some(format!("-{}.99", "9".repeat(58)))]);
    }
}
