//! Values of flags that are one of a few words.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::dataset::ALL;
use crate::decode::Format;
use crate::text::choice::Choice;

/// A choice, by its word.
pub fn one_of<T: Choice>() -> impl TypedValueParser<Value = T> {
    let words = T::ALL.iter().map(|(_, word, means)| {
        let word = PossibleValue::new(*word);
        if means.is_empty() { word } else { word.help(*means) }
    });
    PossibleValuesParser::new(words).try_map(|word| T::of_word(&word))
}

/// The name of a dataset.
pub fn dataset() -> PossibleValuesParser {
    PossibleValuesParser::new(ALL.iter().map(|dataset| PossibleValue::new(&*dataset.name)))
}

/// The name of a format.
pub fn format() -> impl TypedValueParser<Value = Format> {
    let names = PossibleValuesParser::new(Format::all().map(|format| format.name));
    names.try_map(|name| Format::of_name(&name).ok_or("it is not a format"))
}
