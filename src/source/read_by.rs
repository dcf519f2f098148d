//! Who decides how an input is read once its beginning is known.

use std::fmt;
use std::sync::Arc;

use crate::dataset::MapperSettings;
use crate::decode::Format;
use crate::error::{Error, Result};
use crate::source::OpenOptions;

/// Decides how an input is read, by its name and its beginning.
pub trait ReadBy: Send + Sync {
    /// By the first bytes of a text.
    ///
    /// # Errors
    /// Where it must not be read at all: one sentence without the input's name.
    fn of_head(&self, name: &str, format: Format, head: &[u8]) -> Result<Chosen>;

    /// By the names of the columns, where the format has them for itself.
    ///
    /// # Errors
    /// As [`Self::of_head`].
    fn of_names(&self, name: &str, format: Format, names: &[Arc<str>]) -> Result<Chosen>;

    /// How rows of an input are mapped for which that was chosen; `base` is how those of all others are.
    ///
    /// # Errors
    /// Usage, where a value that was said means nothing.
    fn mapper(&self, chosen: &str, base: &MapperSettings) -> Result<MapperSettings>;
}

/// What was chosen for an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// By what it is read; [`ReadBy::mapper`] knows it.
    pub layout: Option<Arc<str>>,
    /// How it is opened then.
    pub open: Option<OpenOptions>,
    /// The dataset that it is of then.
    pub dataset: Option<String>,
    /// What to tell of that.
    pub told: Option<String>,
    /// By which sign it was known, in words; none where it was asked for by its name.
    pub sign: Option<String>,
    /// What it may be otherwise, to be told where it cannot be loaded.
    pub perhaps: Option<String>,
}

impl Chosen {
    /// That error, and which layouts the input may be of, where it is one of how the input is read.
    pub fn perhaps_else(&self, error: Error) -> Error {
        match &self.perhaps {
            Some(sentence) if matches!(error, Error::Usage(_)) => error.and(&format!("; {sentence}")),
            _ => error,
        }
    }
}

/// Somebody who decides, or nobody.
#[derive(Clone, Default)]
pub struct Chooser(Option<Arc<dyn ReadBy>>);

impl Chooser {
    /// That one.
    pub fn of(read_by: Arc<dyn ReadBy>) -> Self {
        Self(Some(read_by))
    }

    pub(super) fn of_head(&self, name: &str, format: Format, head: &[u8]) -> Result<Chosen> {
        self.0.as_ref().map_or_else(|| Ok(Chosen::default()), |by| by.of_head(name, format, head))
    }

    pub(super) fn of_names(&self, name: &str, format: Format, names: &[Arc<str>]) -> Result<Chosen> {
        self.0.as_ref().map_or_else(|| Ok(Chosen::default()), |by| by.of_names(name, format, names))
    }

    /// How rows of an input are mapped for which that was chosen.
    ///
    /// # Errors
    /// As [`ReadBy::mapper`].
    pub fn mapper(&self, chosen: &Chosen, base: &Arc<MapperSettings>) -> Result<Arc<MapperSettings>> {
        match (&self.0, &chosen.layout) {
            (Some(by), Some(layout)) => by.mapper(layout, base).map(Arc::new),
            _ => Ok(base.clone()),
        }
    }
}

/// Who decides is no part of what was said.
impl PartialEq for Chooser {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Chooser {}

impl fmt::Debug for Chooser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chooser")
    }
}
