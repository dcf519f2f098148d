//! Choices that have one word each: in flags, in files, and in what is stored.

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

/// A choice among a few.
pub trait Choice: Copy + PartialEq + Send + Sync + 'static {
    /// All that there are: each with its word, and what it means where the word does not say it.
    const ALL: &'static [(Self, &'static str, &'static str)];

    /// Its word.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(known, ..)| *known == self).map_or("", |(_, word, _)| word)
    }

    /// The choice of a word; in any case, as older versions noted it.
    ///
    /// # Errors
    /// Where there is none.
    fn of_word(word: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(_, known, _)| word.eq_ignore_ascii_case(known));
        known.map(|(choice, ..)| *choice).ok_or_else(|| format!("{word:?} is not known"))
    }
}

/// Gives the choices of a type their words, and some a meaning.
macro_rules! choices {
    ($type:ty: $($choice:ident = $word:literal $(: $means:literal)?),+ $(,)?) => {
        impl $crate::text::choice::Choice for $type {
            const ALL: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$choice, $word, concat!($($means)?))),+];
        }
    };
}
pub(crate) use choices;

/// Writes the word of a choice that may be left open.
///
/// # Errors
/// Those of what it is written to.
pub fn serialize<T: Choice, S: Serializer>(choice: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    choice.map(Choice::word).serialize(to)
}

/// Reads it.
///
/// # Errors
/// Where it is no word of the choice.
pub fn deserialize<'de, T: Choice, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| T::of_word(&text)).transpose().map_err(serde::de::Error::custom)
}
