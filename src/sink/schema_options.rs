//! What `schema` is to make of our own tables.

use crate::dataset::Dataset;
use crate::sink::period::{Period, Periods};
use crate::text::flags::{DISTRIBUTE, GRANT};

/// What `schema apply` and `schema show` are to make, beyond the plain tables. A store says by its
/// [`Capabilities`](crate::sink::Capabilities) which of that it can; whether TimescaleDB is there is
/// found out by asking the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchemaOptions {
    /// Row-level security by `app.tenant_id` (`--rls`).
    pub rls: bool,
    /// What a chunk spans (`--chunk`).
    pub chunk: Periods,
    /// When a chunk is compressed (`--compress-after`).
    pub compress_after: Periods,
    /// When a chunk is dropped (`--retention`); without it, never.
    pub retention: Periods,
    /// By which column tables are spread over the nodes of Citus (`--distribute`).
    pub distribute: Distribute,
    /// Datasets whose tables get no key (`--append-only`).
    pub append_only: Vec<String>,
    /// Roles that are to be able to load (`--grant`), by their names.
    pub grant: Vec<String>,
}

impl SchemaOptions {
    /// Whether nothing is said that only TimescaleDB can do.
    pub fn is_plain(&self) -> bool {
        self.chunk.is_empty() && self.compress_after.is_empty() && self.retention.is_empty()
    }

    /// Whether the table of the dataset gets no key.
    pub fn is_append_only(&self, dataset: &Dataset) -> bool {
        self.append_only.iter().any(|name| *name == dataset.name)
    }

    /// What a chunk of the dataset's table spans.
    pub fn chunk(&self, dataset: &Dataset) -> Period {
        let said = self.chunk.of(&dataset.name).flatten();
        said.unwrap_or(Period::days(dataset.chunk_days))
    }

    /// When a chunk of it is compressed; `None` for never.
    pub fn compress_after(&self, dataset: &Dataset) -> Option<Period> {
        self.compress_after.of(&dataset.name).unwrap_or(Some(Period::days(dataset.compress_days)))
    }
}

/// A dataset or all of them, and a column, or none for a table that stays on one node.
pub type DistributeBy = (Option<String>, Option<String>);

/// By which column the tables are spread: what `--distribute` says, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribute(Vec<DistributeBy>);

impl Distribute {
    /// Of what was said.
    pub fn new(said: Vec<DistributeBy>) -> Self {
        Self(said)
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of datasets in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(name, _)| name.as_deref())
    }

    /// The column for that dataset; what names it goes before what holds for all.
    pub fn of(&self, dataset: &str) -> Option<&str> {
        let last = |wanted: Option<&str>| self.0.iter().rev().find(|(name, _)| name.as_deref() == wanted);
        last(Some(dataset)).or_else(|| last(None))?.1.as_deref()
    }
}

/// Reads a column for all tables or for one: `symbol`, `news=vendor`, or `news=none`.
///
/// # Errors
/// Where there is no name.
pub fn distribute(text: &str) -> Result<DistributeBy, String> {
    let (name, column) = match text.split_once('=') {
        Some((name, column)) => (Some(name.trim().to_owned()), column.trim()),
        None => (None, text.trim()),
    };
    match column {
        "" => Err(format!("it names no column; give one of the key, as in {DISTRIBUTE} symbol")),
        "none" => Ok((name, None)),
        column => Ok((name, Some(column.to_owned()))),
    }
}

/// The name of a role, as it stands.
///
/// # Errors
/// Where it is empty.
pub fn role(text: &str) -> Result<String, String> {
    match text.trim().is_empty() {
        true => Err(format!("it names no role; give the role that loads, as in {GRANT} loader")),
        false => Ok(text.to_owned()),
    }
}
