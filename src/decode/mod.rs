//! Bytes into columns: CSV, NDJSON, Parquet, Arrow IPC, DBN and Excel workbooks.
//!
//! A decoder knows nothing of datasets: it yields columns under the names and in the types of
//! the input, text where the format has only text, and sets broken rows aside one by one.

#[cfg_attr(not(feature = "arrow-ipc"), path = "arrow_ipc/left_out.rs")]
pub mod arrow_ipc;
pub mod csv;
#[cfg_attr(not(feature = "dbn"), path = "dbn/left_out.rs")]
pub mod dbn;
pub mod json;
pub mod ndjson;
#[cfg_attr(not(feature = "parquet"), path = "parquet/left_out.rs")]
pub mod parquet;

mod batch_builder;
mod body;
mod damage;
pub(crate) mod each;
mod export;
pub mod format;
mod input_buffer;
mod long;
mod nested;
pub(crate) mod only_rows;
mod panic_guard;
mod passed;
pub(crate) mod pivot;
mod resync_budget;
pub(crate) mod split;
#[cfg(test)]
pub(crate) mod test_util;
mod text_column;
pub(crate) mod unpivot;
#[cfg_attr(not(feature = "xlsx"), path = "xlsx/left_out.rs")]
pub mod xlsx;

pub use body::Body;
pub use csv::{CsvDecoder, CsvOptions};
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
pub use csv::{Cutter, Piece};
pub use export::{ExportCell, FileFormat, RowWriter};
pub use format::Format;
pub use json::JsonOptions;
pub use ndjson::{NdjsonDecoder, with_quoted_words};
pub use passed::Passed;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};

use crate::dataset::wanted::Wanted;

/// Rows of an input as they came, and the ones that could not be read.
#[derive(Debug, Clone)]
pub struct RawBatch {
    /// Columns under the input's own names, in the order of the input. Text formats give
    /// nullable `Utf8` columns; an empty CSV cell without quotes is null, as `\N` is, and one with quotes an
    /// empty text; a missing or null JSON field is null, other JSON scalars are their text, nested values their JSON text.
    /// Parquet and Arrow give their own types, and Parquet texts of few distinct values as `Dictionary(Int32, Utf8)`.
    pub columns: RecordBatch,
    /// Row number of each row of `columns`, 1-based, counted over all rows of the input, the
    /// broken ones included; a header is not a row. Of a sheet the numbers that it shows.
    pub rows: Vec<u64>,
    /// Rows that could not be read, in the order of the input.
    pub broken: Vec<Broken>,
    /// Bytes of the (decompressed) input that these rows took.
    pub bytes: u64,
}

/// Columns of text under those names, as text formats give them.
pub fn text_columns<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Schema {
    let field = |name: N| Field::new(name.as_ref(), DataType::Utf8, true);
    Schema::new(names.into_iter().map(field).collect::<Vec<_>>())
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Row number, 1-based.
    pub row: u64,
    /// The input of that row, without its line end; of one longer than [`MAX_ROW`] its beginning.
    pub raw: Vec<u8>,
    /// Whether that is not all of it.
    pub cut: bool,
    /// Code (`bad_line`, `bad_width`, `bad_utf8`, `too_long`, `too_many_columns`).
    pub code: &'static str,
    /// One sentence; the same fault gives the same sentence for every row.
    pub message: Cow<'static, str>,
}

/// Longest piece that is kept of a row that is too long; and how far a broken row of several lines is one.
pub const MAX_RAW: usize = 64 << 10;

/// Longest row of a text format; a longer one is broken (`too_long`).
pub const MAX_ROW: usize = 64 << 20;

/// Rows of a [`RawBatch`] at most.
pub const BATCH_ROWS: usize = 8192;

/// The input cannot be read on; the text is one sentence without the input's name.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not what the format promises: truncated, corrupt, not of that format.
    #[error("{0}")]
    Corrupt(String),
    /// The flags do not fit the input, for instance a delimiter that its header does not have.
    #[error("{0}")]
    Usage(String),
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// What came of asking for more bytes.
#[derive(Debug)]
pub enum Chunk {
    /// These bytes follow.
    Data(bytes::Bytes),
    /// Nothing right now: what has been decoded should be handed on before asking again.
    Idle,
    /// The end of the input.
    End,
    /// Reading was stopped on request before the end of the input.
    Cut {
        /// Whether the input can be read again. If so, what has not been decoded stays where it
        /// is; if not, every byte handed on so far must come out as a row, good or broken.
        again: bool,
    },
}

/// A stream of decompressed bytes.
pub trait Chunks: Send {
    /// The next bytes. After [`Chunk::Idle`] the next call waits for bytes.
    fn next(&mut self) -> Result<Chunk, DecodeError>;

    /// Whether the input can be read again, so that of one that a fault ends the last row is left where it is
    /// unless it is whole.
    fn can_be_read_again(&self) -> bool {
        false
    }
}

/// A place between two rows of a text, with what the rows before it have shown of those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The byte of the input.
    pub at: u64,
    /// Rows before it.
    pub rows: u64,
    /// Whether rows may have a field too many, or one too few.
    pub loose: bool,
    /// Whether a field too many has had a value.
    pub filled: bool,
}

/// A reader of rows.
pub trait Decoder: Send {
    /// The decoder whose rows this one makes others of, where it does. What is told of an input is then told by
    /// that one, unless this one has a say.
    fn inner(&self) -> Option<&dyn Decoder> {
        None
    }

    /// The next rows, at most [`BATCH_ROWS`], or `None` at the end.
    ///
    /// Every batch holds at least one row, good or broken.
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError>;

    /// Looks through all of the input for damage, where that can be done before its rows are read. It takes
    /// time, so it is asked for where rows that stand before the damage must not be stored.
    ///
    /// # Errors
    /// [`DecodeError::Corrupt`] where there is some.
    fn prove(&mut self) -> Result<(), DecodeError> {
        Ok(())
    }

    /// The names of the columns as far as they are known, for messages.
    fn names(&self) -> Vec<Arc<str>>;

    /// How a line is cut into fields: the character between them, and their names. `None` where lines
    /// have no fields.
    fn fields(&self) -> Option<(u8, Vec<Arc<str>>)> {
        None
    }

    /// Where the rows of the input were found, where that had to be found: one sentence.
    fn told(&self) -> Option<&str> {
        self.inner()?.told()
    }

    /// What the input is if its columns make no row: one sentence, to follow its name.
    fn document(&self) -> Option<&str> {
        self.inner()?.document()
    }

    /// Why the input must not be loaded as it is, where its first lines show that it is not what the
    /// flags say: one sentence without the input's name. Its rows are then the lines as they came,
    /// the one that was taken for a header among them, in columns called `1`, `2`, …
    fn objection(&self) -> Option<&str> {
        self.inner()?.objection()
    }

    /// How many numbers of rows each row of the input has: several where columns become rows.
    fn shares(&self) -> u64 {
        self.inner().map_or(1, |inner| inner.shares())
    }

    /// From here on those names of columns matter, and others need not be kept where there are too many.
    fn want(&mut self, _: Wanted) {}

    /// From the next batch on no column is needed but those of such names. One whose format has its columns apart leaves
    /// others out: they stay where they were, without values, and [say so](crate::dataset::wanted::is_left_out).
    ///
    /// # Errors
    /// Where its beginning cannot be read again.
    fn read_only(&mut self, wanted: Wanted) -> Result<(), DecodeError> {
        let _ = wanted;
        Ok(())
    }

    /// Pieces of the input that can be read without those before them, in their order: rows and bytes of each. None where
    /// it has to be read from its start.
    fn pieces(&self) -> Vec<(u64, u64)> {
        Vec::new()
    }

    /// From now on reads those pieces alone, their rows numbered as in the whole input.
    ///
    /// # Errors
    /// Where it has no such pieces.
    fn read_pieces(&mut self, pieces: Range<usize>) -> Result<(), DecodeError> {
        let _ = pieces;
        Err(DecodeError::Corrupt("it cannot be read in pieces any more".into()))
    }

    /// Reads all of the input to find the places at which it can be divided, so many bytes or more from one another: where
    /// the first row begins, such as are between two rows, and the end. None where it has to be read from its start, since
    /// how a row is read depends on more than a [`Mark`] says.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn marks(&mut self, each: u64) -> Result<Vec<Mark>, DecodeError> {
        let _ = each;
        Ok(Vec::new())
    }

    /// From now on reads those bytes, which stand behind that place.
    ///
    /// # Errors
    /// Where it gives no such places.
    fn go_on(&mut self, from: Mark, chunks: Box<dyn Chunks>) -> Result<(), DecodeError> {
        let _ = (from, chunks);
        Err(DecodeError::Corrupt("it cannot be read in pieces any more".into()))
    }

    /// What was passed over so far.
    fn passed(&self) -> Passed {
        self.inner().map(|inner| inner.passed()).unwrap_or_default()
    }
}
