//! What `schema` is to make of our own tables.

use crate::dataset::Dataset;
use crate::sink::period::{Period, Periods};
use crate::text::flags::GRANT;

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
    /// Roles that are to be able to load (`--grant`), by their names.
    pub grant: Vec<String>,
}

impl SchemaOptions {
    /// Whether nothing is said that only TimescaleDB can do.
    pub fn is_plain(&self) -> bool {
        self.chunk.is_empty() && self.compress_after.is_empty() && self.retention.is_empty()
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
