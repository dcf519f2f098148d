//! The formats that are read. A new one is a file with its [`Description`], and a line in `ALL`.

use std::fmt;

use crate::decode::{
    Body, Chunks, CsvOptions, DecodeError, Decoder, arrow_ipc, csv, dbn, json, ndjson, parquet, xlsx,
};

/// All formats. Of text that no other claims by how it begins the last one is taken.
const ALL: &[Format] = &[
    Format(&xlsx::FORMAT),
    Format(&arrow_ipc::FORMAT),
    Format(&dbn::FORMAT),
    Format(&parquet::FORMAT),
    Format(&ndjson::FORMAT),
    Format(&csv::FORMAT),
];

/// What there is to know of a format.
pub struct Description {
    /// The word for it, as `--format` takes it.
    pub name: &'static str,
    /// As messages call it.
    pub title: &'static str,
    /// A file of it, with its article, as messages call it.
    pub a_file: &'static str,
    /// The endings of its files, in lower case and without the dot.
    pub extensions: &'static [&'static str],
    /// How it is told from others by its first bytes.
    pub begins: Beginning,
    /// How it is read.
    pub reading: Reading,
    /// Whether rows further on may have columns that the first lack.
    pub widens: bool,
    /// Looks through an input that can be read again, where what stands further on tells how it is read.
    pub look_through: Option<LookThrough>,
}

/// How a format begins.
pub enum Beginning {
    /// With one of these.
    Magic(&'static [&'static [u8]]),
    /// With text, whose first line that is neither blank nor a comment begins with one of these bytes; of
    /// none where it can begin with anything.
    Text(&'static [u8]),
}

/// Begins to decode a stream of bytes, by the options of the flags.
pub type Open<D> = fn(Box<dyn Chunks>, CsvOptions) -> Result<Box<D>, DecodeError>;

/// Begins to decode a file, by the options of the flags.
pub type OpenFile = fn(Body, &CsvOptions) -> Result<Box<dyn FileDecoder>, DecodeError>;

/// Looks through an input, by the options of the flags.
pub type LookThrough = fn(Box<dyn Chunks>, &CsvOptions) -> Result<json::Found, DecodeError>;

/// How a format is read.
pub enum Reading {
    /// From its first byte to its last.
    Stream(Open<dyn Decoder>),
    /// From its first byte to its last; and lines that are added to a file can be read as they come.
    Lines(Open<dyn LineDecoder>),
    /// From a file, since what tells where its rows are stands at its end.
    File(OpenFile),
}

/// A reader of rows that does not wait for more.
pub trait LineDecoder: Decoder {
    /// The next rows of those that are there already; `None` where there is none right now.
    ///
    /// # Errors
    /// As [`Decoder::next_batch`].
    fn next_now(&mut self) -> Result<Option<crate::decode::RawBatch>, DecodeError>;

    /// Bytes used up since the last batch: after opening those of the header.
    fn take_used(&mut self) -> u64;

    /// Whether its first line may be a header.
    fn is_headed(&self) -> bool;
}

/// A reader of a whole file.
pub trait FileDecoder: Decoder {
    /// Looks through the whole file for damage, beside its reading, until `stopped` says so.
    ///
    /// # Errors
    /// [`DecodeError::Corrupt`] where there is some.
    fn prove_until(&self, stopped: &dyn Fn() -> bool) -> Result<(), DecodeError>;
}

/// A format that is read.
#[derive(Clone, Copy)]
pub struct Format(&'static Description);

impl Format {
    /// Delimited text.
    pub const CSV: Self = Self(&csv::FORMAT);

    /// How it is read.
    pub fn reading(self) -> &'static Reading {
        &self.0.reading
    }

    /// All of them, the plainest first.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().copied().rev()
    }

    /// The one that `--format` calls so.
    pub fn of_name(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|format| format.name == name)
    }

    /// The one whose files end so; `extension` in lower case.
    pub fn of_extension(extension: &str) -> Option<Self> {
        ALL.iter().copied().find(|format| format.extensions.contains(&extension))
    }

    /// The one that these bytes are a sure sign of.
    pub fn of_magic(head: &[u8]) -> Option<Self> {
        ALL.iter().copied().find(|format| format.has_magic(head))
    }

    /// The one of text whose first line begins with that byte; the last of all where none claims it.
    pub fn of_text(first: Option<u8>) -> Option<Self> {
        let claims = |format: &Self| match format.begins {
            Beginning::Text(bytes) => first.is_some_and(|byte| bytes.contains(&byte)),
            Beginning::Magic(_) => false,
        };
        ALL.iter().copied().find(claims)
    }

    /// Whether these bytes are its own.
    pub fn has_magic(self, head: &[u8]) -> bool {
        matches!(self.begins, Beginning::Magic(all) if all.iter().any(|magic| head.starts_with(magic)))
    }

    /// Whether it is told by its first bytes alone.
    pub fn is_binary(self) -> bool {
        matches!(self.begins, Beginning::Magic(_))
    }

    /// Whether lines that are added to a file of it can be followed.
    pub fn grows(self) -> bool {
        matches!(self.reading, Reading::Lines(_))
    }

    /// Their names for a sentence: `CSV, NDJSON, Parquet, DBN, Arrow or Excel`.
    pub fn titles() -> String {
        listed("or", Self::all().map(|format| format.title.to_owned()))
    }

    /// The names of those that can be followed: `CSV and NDJSON`.
    pub fn titles_that_grow() -> String {
        listed("and", Self::all().filter(|format| format.grows()).map(|format| format.title.to_owned()))
    }

    /// The endings of their files for a sentence.
    pub fn endings() -> String {
        let all = Self::all().flat_map(|format| format.extensions);
        listed("or", all.map(|extension| format!(".{extension}")))
    }
}

/// `a, b or c`.
fn listed(before_the_last: &str, words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} {before_the_last} {last}", words.join(", ")),
        last => last.unwrap_or_default(),
    }
}

impl std::ops::Deref for Format {
    type Target = Description;

    fn deref(&self) -> &Description {
        self.0
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_formats_are_listed_for_people() {
        assert_eq!(Format::titles(), "CSV, NDJSON, Parquet, DBN, Arrow or Excel");
        assert_eq!(
            Format::endings(),
            ".csv, .tsv, .txt, .ndjson, .jsonl, .json, .parquet, .pq, .dbn, .arrow, .feather, .ipc, .arrows or .xlsx"
        );
    }
}
