//! What a replay that has claimed files of a queue set out to do with them.
//!
//! Whoever takes them up does the same: rows that it did not mean are not settled by what it got done, and
//! rows that it has put into a table under its flags must not go there again under others.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dlq::file::{directory_of, sync_directory_of};
use crate::dlq::filter::Filter;
use crate::dlq::names;

/// What is to be done with rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    /// Which rows are meant.
    pub filter: Filter,
    /// Attempts after which rows go aside.
    pub most_attempts: u32,
    /// Whether they are taken out rather than loaded.
    pub discard: bool,
    /// Whether they go over newer ones.
    pub force: bool,
    /// The store, without its password.
    pub store: String,
    /// The tenant of rows that have none.
    pub tenant: Option<String>,
    /// The flags that mend rows, and say where they go.
    pub mend: Value,
}

/// A claimed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Its name, in the directory of the queue.
    pub name: String,
    /// What tells it from a later one of that name.
    pub identity: String,
    /// How many of the rows that the filter means are taken: the last ones.
    pub take: Option<u64>,
    /// Which replay has claimed it first. What a replay moves out of a file gets into later ones.
    pub generation: u32,
}

/// Stands beside a queue from the claim to the end of the replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// What is done.
    pub orders: Orders,
    /// With which files, the oldest first.
    pub files: Vec<Claimed>,
    /// Places without a key that rows have begun to go to.
    pub begun: Vec<String>,
}

impl Journal {
    /// The one at that path; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Brings it to disk.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".journal-").tempfile_in(directory_of(path))?;
        serde_json::to_writer(&mut file, self)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync_directory_of(path)
    }
}

/// Whether a replay that has not ended has claimed that segment.
pub fn is_claimed(segment: &Path) -> bool {
    // Whoever only looks minds nothing else in it.
    #[derive(Deserialize)]
    struct Names {
        files: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let text = std::fs::read(names::journal(&names::live(segment))).unwrap_or_default();
    let name = segment.file_name().map(|name| name.to_string_lossy());
    serde_json::from_slice::<Names>(&text)
        .is_ok_and(|journal| journal.files.iter().any(|file| Some(&*file.name) == name.as_deref()))
}
