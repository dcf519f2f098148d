//! Rows on their way: columns, where they came from, and what became of the ones that failed.
//!
//! A [`Batch`] is an Arrow `RecordBatch` under canonical column names together with its
//! [`Origin`]. Nothing on the way from the decoder to the store makes an object per row: a
//! worker's share of a batch is a list of [`Pick`]s into shared columns.

mod commit;
mod open_rows;
mod parts;
mod reading;
mod replayable;

use std::borrow::Cow;
use std::sync::Arc;

pub use commit::Commit;
pub use open_rows::OpenRows;
pub use parts::Parts;
pub use reading::{Form, Reading};
pub use replayable::{Content, LoadedFile, LoadedObject, Replayable, covers, fingerprint};

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{filter, filter_record_batch};
use arrow::error::ArrowError;
use uuid::Uuid;

/// The input that rows were read from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The source as the user named it: a path, or `-` for standard input.
    pub source: Arc<str>,
    /// Whether the source can be read again (a file). Rows of a source that cannot (a pipe)
    /// must end in the store or in the dead-letter queue at any exit.
    pub replayable: Replayable,
    /// Ordinal in the run of the row before this source's first one: the ordinal of row `r`
    /// (1-based) is `base + r`. Ordinals grow in the order of the input.
    pub base: u64,
    /// How many numbers each row of the source has: several where columns became rows.
    pub shares: u64,
    /// For rows out of the dead-letter queue: what it remembers of them.
    pub past: Option<Arc<ReplayHistory>>,
    /// Where the source has parts, such as the messages of a stream: which rows are of which.
    pub parts: Option<Arc<Parts>>,
    /// How many of its rows are not settled.
    pub open: OpenRows,
}

impl Origin {
    /// An origin for rows that come from no file, as an embedding program submits them.
    pub fn new(source: impl Into<Arc<str>>) -> Self {
        let (source, replayable) = (source.into(), Replayable::Never);
        Self { source, replayable, base: 0, shares: 1, past: None, parts: None, open: OpenRows::default() }
    }

    /// The row of the source that has that number.
    fn row_of(&self, number: u64) -> u64 {
        if self.shares > 1 { number.saturating_sub(1) / self.shares + 1 } else { number }
    }

    /// What the dead-letter queue remembers of row `row`.
    pub fn past_of(&self, row: u64) -> Option<(&PastRecord, u64)> {
        let past = self.past.as_ref()?;
        let (record, row) = past.rows.get(usize::try_from(row.checked_sub(past.first)?).ok()?)?;
        Some((past.records.get(*record as usize)?, *row))
    }
}

/// The history of rows that are tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayHistory {
    /// Number of the first row that is remembered; the others follow it without a gap.
    pub first: u64,
    /// Of each row its place in `records`, and its row number in the source that it came from.
    pub rows: Vec<(u32, u64)>,
    /// The records that hold the rows.
    pub records: Vec<PastRecord>,
}

/// What a record of the dead-letter queue says of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRecord {
    /// `metadata.id`.
    pub id: Uuid,
    /// `metadata.source`.
    pub source: Arc<str>,
    /// `metadata.path`.
    pub path: Option<Arc<str>>,
    /// `metadata.attempts`: how often the rows have been tried.
    pub attempts: u32,
    /// `metadata.first_ts`, in microseconds since 1970.
    pub first_us: i64,
}

/// The identity of a row for conflicts: the 128-bit hash of its normalised conflict key.
///
/// Two rows with the same identity are the same row of the store. Where the target has no key
/// every row gets an identity of its own.
pub type Identity = u128;

/// Which rows must be written in the order of the input, beside those of one identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// None.
    #[default]
    Any,
    /// All: what becomes of a row depends on those before it.
    Input,
    /// All, and one that is refused may be tried again after later ones, since each has a key by which
    /// it is known again.
    Again,
}

/// Columns under canonical names, and per row its place in the source and its identity.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The values, one column per canonical name. Batches of one source may differ in columns.
    pub columns: RecordBatch,
    /// Row number of each row in its source, 1-based; as long as `columns` has rows.
    pub rows: Vec<u64>,
    /// Identity of each row; as long as `columns` has rows.
    pub identities: Vec<Identity>,
    /// Where the rows came from.
    pub origin: Arc<Origin>,
    /// Whether the order of the rows counts. Where it does, all identities fall into the first slot.
    pub order: Order,
    /// What the columns were made of, where they may have to be made anew.
    pub given: Option<Arc<Given>>,
}

/// What the input gave for the columns of a batch.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The version of the table that the columns were made for.
    pub version: u64,
    /// Whether they may have to be made anew.
    pub anew: bool,
    /// Of each column what the input gave for it, where it did; as long as the batch.
    pub columns: Vec<Option<ArrayRef>>,
    /// How the rows are to be read once they are dead letters, and texts by the store itself; none where nothing of
    /// that is to be said.
    pub reading: Option<Arc<Reading>>,
}

impl Given {
    /// What was given for the rows that `keep` (one value a row) is true for.
    ///
    /// # Errors
    /// A column that Arrow cannot take apart.
    pub fn only(&self, keep: &BooleanArray) -> Result<Arc<Self>, ArrowError> {
        let column = |column: &Option<ArrayRef>| column.as_ref().map(|given| filter(given, keep)).transpose();
        let columns = self.columns.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { version: self.version, anew: self.anew, columns, reading: self.reading.clone() }))
    }
}

impl Batch {
    /// How its rows are to be read once they are dead letters: as they were understood, but for the texts
    /// that only the store reads.
    pub fn reading(&self) -> Arc<Reading> {
        let texts = self.given.as_ref().and_then(|given| given.reading.clone());
        texts.unwrap_or_else(Reading::understood)
    }

    /// Those rows of it, ascending, in a batch of their own.
    ///
    /// # Errors
    /// A column that Arrow cannot take apart.
    pub fn only(&self, rows: &[u32]) -> Result<Self, ArrowError> {
        let mut keep = vec![false; self.len()];
        for row in rows {
            if let Some(keep) = keep.get_mut(*row as usize) {
                *keep = true;
            }
        }
        let kept = || (0..self.len()).filter(|row| keep[*row]);
        Ok(Self {
            columns: filter_record_batch(&self.columns, &BooleanArray::from(keep.clone()))?,
            rows: kept().map(|row| self.rows[row]).collect(),
            identities: kept().map(|row| self.identities[row]).collect(),
            origin: self.origin.clone(),
            order: self.order,
            given: self
                .given
                .as_ref()
                .map(|given| given.only(&BooleanArray::from(keep.clone())))
                .transpose()?,
        })
    }

    /// At most `count` rows of it from `first` on, without a copy of the columns.
    pub fn slice(&self, first: usize, count: usize) -> Self {
        let end = first.saturating_add(count).min(self.len());
        let (first, count) = (first.min(end), end - first.min(end));
        let given = |given: &Arc<Given>| {
            let columns = given.columns.iter().map(|c| c.as_ref().map(|c| c.slice(first, count)));
            Arc::new(Given { columns: columns.collect(), ..Given::clone(given) })
        };
        Self {
            columns: self.columns.slice(first, count),
            rows: self.rows.get(first..end).unwrap_or_default().to_vec(),
            identities: self.identities.get(first..end).unwrap_or_default().to_vec(),
            origin: self.origin.clone(),
            order: self.order,
            given: self.given.as_ref().map(given),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is not a row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes that the batch keeps in memory: column buffers and per-row bookkeeping.
    pub fn bytes(&self) -> usize {
        // Of a column that is a piece of a longer one only the piece counts.
        let of = |column: &ArrayRef| {
            column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
        };
        let given = self.given.iter().flat_map(|given| given.columns.iter().flatten());
        let columns: usize = self.columns.columns().iter().chain(given).map(of).sum();
        columns + self.rows.len() * (size_of::<u64>() + size_of::<Identity>())
    }

    /// Ordinal of row `index` in the run.
    pub fn ordinal(&self, index: usize) -> u64 {
        self.origin.base + self.rows[index]
    }

    /// Whether two batches have the same columns of the same types, and count on the same order,
    /// so that one statement can write both. Decimal columns may differ in scale.
    pub fn same_shape(&self, other: &Self) -> bool {
        let (a, b) = (self.columns.schema_ref(), other.columns.schema_ref());
        self.order == other.order
            && (Arc::ptr_eq(a, b)
                || a.fields().len() == b.fields().len()
                    && a.fields().iter().zip(b.fields()).all(|(a, b)| a.name() == b.name()))
    }
}

/// One row of a [`Rows`]: which of its batches, and which row of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Index into [`Rows::parts`].
    pub part: u32,
    /// Row in that batch, 0-based.
    pub row: u32,
}

/// Some rows of some batches of the same shape, in the order in which they are to be written.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The batches that the picks point into; all of the same shape.
    pub parts: &'a [Arc<Batch>],
    /// The rows.
    pub picks: &'a [Pick],
}

impl<'a> Rows<'a> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.picks.len()
    }

    /// Whether there is not a row.
    pub fn is_empty(&self) -> bool {
        self.picks.is_empty()
    }

    /// The batch and the row in it of the pick at `index`.
    pub fn at(&self, index: usize) -> (&'a Batch, usize) {
        let pick = self.picks[index];
        (&self.parts[pick.part as usize], pick.row as usize)
    }

    /// Other rows of these batches: each pick is a place in a batch and a row in it.
    pub fn with(&self, picks: &'a [Pick]) -> Self {
        Self { parts: self.parts, picks }
    }
}

/// Where in the pipeline a row failed; `metadata.stage` of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The bytes could not be read as a row.
    Decode,
    /// The row was read, and breaks a rule of its dataset.
    Validate,
    /// The store refused the row.
    Write,
    /// The queue was full under `--overflow drop-oldest`.
    Overflow,
    /// The run ended before the row could be stored.
    Abort,
}

impl Stage {
    /// The word used in the DLQ, in metrics and in summaries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Validate => "validate",
            Self::Write => "write",
            Self::Overflow => "overflow",
            Self::Abort => "abort",
        }
    }
}

/// How a row that is refused depends on other rows: once these are there, or gone, it may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dependence {
    /// Another row has its key.
    SameKey,
    /// The row that it refers to is not there.
    Reference,
    /// An exclusion constraint sets it against another row.
    Exclusion,
}

impl Dependence {
    const ALL: [Self; 3] = [Self::SameKey, Self::Reference, Self::Exclusion];

    /// The SQLSTATE under which dead letters know it, whatever the store.
    pub fn code(self) -> &'static str {
        match self {
            Self::SameKey => "23505",
            Self::Reference => "23503",
            Self::Exclusion => "23P01",
        }
    }

    /// The one of that SQLSTATE.
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dependence| dependence.code() == code)
    }
}

/// Why a row, or a batch, was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reason {
    /// SQLSTATE, or a code of our own in lower case (`bad_number`).
    pub code: Cow<'static, str>,
    /// One sentence for people. The same fault gives the same sentence for every row.
    pub message: Cow<'static, str>,
    /// The column that the fault is about, under its canonical name.
    pub column: Option<Arc<str>>,
    /// The constraint that the store names.
    pub constraint: Option<Arc<str>>,
    /// The commit that got no answer, where its store can be asked for it.
    pub commit: Option<Arc<Commit>>,
    /// Where other rows are what it was refused for.
    pub dependence: Option<Dependence>,
}

impl Reason {
    /// A reason that is about the row alone, with neither column nor constraint.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        let (code, message) = (code.into(), message.into());
        Self { code, message, column: None, constraint: None, commit: None, dependence: None }
    }

    /// A reason that is about other rows.
    pub fn depends(on: Dependence, message: impl Into<Cow<'static, str>>) -> Self {
        Self { dependence: Some(on), ..Self::new(on.code(), message) }
    }

    /// Adds the column that the reason is about, by its name in the table.
    pub fn column(mut self, column: impl Into<Arc<str>>) -> Self {
        self.column = Some(column.into());
        self
    }

    /// Adds the constraint that the row violates, as the store names it.
    pub fn constraint(mut self, constraint: impl Into<Arc<str>>) -> Self {
        self.constraint = Some(constraint.into());
        self
    }

    /// Adds the commit that got no answer.
    pub fn commit(mut self, commit: Option<Commit>) -> Self {
        self.commit = commit.map(Arc::new);
        self
    }
}

/// What is left of a row that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RejectedData {
    /// The input itself, where no row could be made of it.
    Raw(Vec<u8>),
    /// The beginning of it, where it is too long for a row.
    Cut(Vec<u8>),
    /// The row as one JSON object under canonical names, numbers exact.
    Item(String),
}

/// A row that failed, with its reason and its place.
#[derive(Debug, Clone)]
pub struct Reject {
    /// Where it failed.
    pub stage: Stage,
    /// Why.
    pub reason: Arc<Reason>,
    /// Where the row came from.
    pub origin: Arc<Origin>,
    /// Row number in the source, 1-based.
    pub row: u64,
    /// What is left of it.
    pub remains: RejectedData,
    /// How that is to be read; `None`: nobody has said it.
    pub reading: Option<Arc<Reading>>,
    /// How often it has been tried, this time included.
    pub attempts: u32,
}

impl Reject {
    /// The source that the row came from first, and its number in there.
    pub fn place(&self) -> (&Arc<str>, u64) {
        match self.origin.past_of(self.row) {
            Some((record, row)) => (&record.source, row),
            None => self
                .origin
                .parts
                .as_ref()
                .and_then(|parts| parts.of(self.row))
                .unwrap_or((&self.origin.source, self.origin.row_of(self.row))),
        }
    }

    /// The absolute path of the file that the row came from first, where it is known and can be read again.
    pub fn path(&self) -> Option<&Arc<str>> {
        match self.origin.past_of(self.row) {
            Some((record, _)) => record.path.as_ref(),
            None => self.origin.replayable.path(),
        }
    }
}
