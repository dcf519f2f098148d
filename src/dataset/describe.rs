//! What a dataset is: its columns, their kinds, its key and its checks. Data, not code paths.

use std::borrow::Cow;

use arrow::datatypes::{DataType, TimeUnit};

/// What the values of a column are. Decides how text is read and in which Arrow type it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An instant; `Timestamp(ns, UTC)`.
    Timestamp,
    /// A calendar day; `Date32`.
    Date,
    /// A number, exact. Travels as it comes: `Int64`, `Float64` (shortest decimal form),
    /// decimals.
    Number,
    /// A number in a column of doubles: the nearest double of the text, of any size; else as
    /// [`Number`](Self::Number).
    Double,
    /// A number in a column of single precision: the nearest that it holds.
    Single,
    /// Nanoseconds that a microsecond clock cuts off, 0 to 999; made from the time column.
    Nanos,
    /// A ticker: trimmed, upper-cased where it is all in small letters, never null; `Utf8`.
    Symbol,
    /// The time that a bar spans, in its one spelling (`1m`); `Utf8`.
    Timeframe,
    /// A ticker in a table with a CHECK that wants capitals: always upper-cased; `Utf8`.
    UpperSymbol,
    /// `C` or `P`; `Utf8`.
    OptionType,
    /// Text; `Utf8`.
    Text,
    /// Text in the words of the table's own type that holds no text (an array, a time of day, a range),
    /// taken as it is; `Utf8`.
    Words,
    /// Bytes, as `\x` and hexadecimal digits where they came as bytes, and otherwise as the text that came;
    /// `Utf8`.
    Bytes,
    /// Text where any text may be a value (an enum, `citext`, `xml`), so that null words are values; `Utf8`.
    Label,
    /// A UUID as text; `Utf8`.
    Uuid,
    /// Any JSON value as text; `Utf8`.
    Json,
    /// A truth value; `Boolean`.
    Bool,
}

impl Kind {
    /// Whether its values are numbers of any size.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::Double | Self::Single)
    }

    /// The Arrow type of the column, or `None` for numbers, which keep the type they came in.
    pub fn arrow_type(self) -> Option<DataType> {
        match self {
            Self::Timestamp => Some(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))),
            Self::Date => Some(DataType::Date32),
            Self::Nanos => Some(DataType::Int64),
            Self::Number | Self::Double | Self::Single => None,
            Self::Symbol
            | Self::UpperSymbol
            | Self::Timeframe
            | Self::OptionType
            | Self::Text
            | Self::Words
            | Self::Bytes
            | Self::Label
            | Self::Uuid
            | Self::Json => Some(DataType::Utf8),
            Self::Bool => Some(DataType::Boolean),
        }
    }
}

/// How much a dataset needs a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Part of the conflict key: must be there and not null.
    Key,
    /// Must be among the columns of the input, and not null.
    Required,
    /// Must be among the columns of the input; may be null.
    Expected,
    /// May be missing.
    Optional,
}

/// A column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Canonical name, which is also the table's.
    pub name: Cow<'static, str>,
    /// What its values are.
    pub kind: Kind,
    /// How much it is needed.
    pub need: Requirement,
    /// Other names that inputs use for it, in lower case.
    pub synonyms: &'static [&'static str],
    /// How its value is made where the input has none.
    pub derive: Option<Derivation>,
}

/// A value made from the row itself where the input has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivation {
    /// Hash of the row's content and its ordinal among equal rows of the source.
    ContentHash,
    /// The id of an article in one row for each instrument that it is about, made of the article's own id.
    Article {
        /// Columns the first of which that is not null tells the article, where it has no id.
        told_by: &'static [&'static str],
        /// Columns that tell its rows apart.
        apart: [&'static str; 2],
    },
    /// The empty text, where the table takes no null.
    Empty,
    /// The nanoseconds below the microsecond of this column.
    NanosOf(&'static str),
    /// The spacing of this time column, as a timeframe (`1m`).
    SpacingOf(&'static str),
}

impl Derivation {
    /// Whether it also stands in for single nulls of a column that the input has.
    pub fn fills(self) -> bool {
        matches!(self, Self::ContentHash | Self::Article { .. } | Self::Empty)
    }
}

/// A plausibility check (`--quality`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The column is at least as large as each of the others.
    AtLeast(&'static str, &'static [&'static str]),
    /// The column is at most as large as each of the others.
    AtMost(&'static str, &'static [&'static str]),
    /// None of the columns is below zero.
    NotNegative(&'static [&'static str]),
    /// The column lies between the two numbers, both included.
    Between(&'static str, i64, i64),
    /// The first, a price to sell at, is not below the second, one to buy at. Zero is not a price: that
    /// side of the market is empty.
    Uncrossed(&'static str, &'static str),
    /// The time is not in the future.
    NotFuture(&'static str),
    /// One of the columns has a value; the text names what they are.
    Some(&'static str, &'static [&'static str]),
    /// One of these, which are all that a row says beside its key, has a value. One that has none is
    /// refused whatever `--quality` says: it must not replace a row that says something.
    Says(&'static [&'static str]),
    /// Words that stand for numbers in a column.
    Words(&'static str, &'static [(&'static str, &'static str)]),
    /// One of these has a value, as for [`Self::Says`], where vendors write rows of a key alone for days and intervals of which they have nothing: such a row
    /// is passed over and counted.
    Filled(&'static [&'static str]),
}

/// A dataset: what its rows mean and where they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Name (`bars`), as in `--dataset`.
    pub name: Cow<'static, str>,
    /// Table, with its schema if the user gave one.
    pub table: Cow<'static, str>,
    /// Columns, in the order of the table.
    pub columns: Cow<'static, [Column]>,
    /// Conflict key, in the order of the index that serves it. Empty: rows are only appended.
    pub key: Cow<'static, [&'static str]>,
    /// Keys of our own tables of earlier versions, which `schema apply` changes.
    pub earlier_keys: &'static [&'static [&'static str]],
    /// The time column, which partitions the table.
    pub time: Option<Cow<'static, str>>,
    /// Days that one chunk of a hypertable spans.
    pub chunk_days: u32,
    /// Key columns by whose values the rows of a chunk are compressed apart. Those that have many
    /// rows a value and chunk, and that readers ask for by value.
    pub segment_by: &'static [&'static str],
    /// Days after which a chunk is compressed: when it is no longer written to as a rule.
    pub compress_days: u32,
    /// Columns of which at least one must be present for an input to be this dataset.
    pub signature: &'static [&'static str],
    /// Plausibility checks.
    pub checks: &'static [Check],
}

impl Dataset {
    /// The column of that canonical name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Whether it makes ids of what rows contain where they have none.
    pub fn makes_ids(&self) -> bool {
        self.columns.iter().any(|column| column.derive == Some(Derivation::ContentHash))
    }

    /// The columns of the key that a key of an earlier version lacks; none where it is no such key.
    pub fn missing_from<S: AsRef<str>>(&self, key: &[S]) -> Vec<&'static str> {
        let earlier = |known: &&&[&str]| known.iter().copied().eq(key.iter().map(AsRef::as_ref));
        match self.earlier_keys.iter().find(earlier) {
            Some(earlier) => self.key.iter().copied().filter(|name| !earlier.contains(name)).collect(),
            None => Vec::new(),
        }
    }

    /// In which order the rows of a segment are compressed: by time, then by what is left of the
    /// key, so that every column of the key bounds what a late row has to be compared with.
    pub fn order_by(&self) -> Vec<&str> {
        let rest = self.key.iter().copied().filter(|name| !self.segment_by.contains(name));
        let time = self.time.as_deref();
        time.into_iter().chain(rest.filter(|name| Some(*name) != time)).collect()
    }
}

pub(super) const fn column(
    name: &'static str,
    kind: Kind,
    need: Requirement,
    synonyms: &'static [&'static str],
) -> Column {
    Column { name: Cow::Borrowed(name), kind, need, synonyms, derive: None }
}

pub(super) const fn derived(
    name: &'static str,
    kind: Kind,
    need: Requirement,
    synonyms: &'static [&'static str],
    derive: Derivation,
) -> Column {
    Column { name: Cow::Borrowed(name), kind, need, synonyms, derive: Some(derive) }
}

/// What is to be said of a table whose key is one of an earlier version, and lacks these columns.
pub fn earlier_key(missing: &[&str]) -> String {
    let names = missing.join(" and ");
    format!(
        "its key is that of an earlier version, without {names}, so that rows which differ in {names} alone take \
         each other's place; run: mdsctl schema apply"
    )
}

/// Tenant of rows that belong to none: the nil UUID, default of `tenant_id` in our own tables.
pub const NO_TENANT: &str = "00000000-0000-0000-0000-000000000000";
