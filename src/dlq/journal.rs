//! What a replay that has claimed files of a queue set out to do with them.
//!
//! Whoever takes them up does the same: rows that it did not mean are not settled by what it got done, and
//! rows that it has put into a table under its flags must not go there again under others.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dlq::claim::Destination;
use crate::dlq::filter::Filter;
use crate::dlq::names;
use crate::files::sync_folder_of;

/// Permissions of a journal, as of its queue.
const MODE: u32 = 0o640;

/// Which rows of a file are meant, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplaySelection {
    /// Which rows are meant.
    pub filter: Filter,
    /// How many of them are taken: the last ones.
    pub take: Option<u64>,
    /// Attempts after which rows go aside.
    pub most_attempts: u32,
    /// Whether they are taken out rather than loaded.
    pub discard: bool,
}

/// Where rows go, and what is done to them on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayTarget {
    /// The store, without its password.
    pub store: String,
    /// The tenant of rows that have none.
    pub tenant: Option<String>,
    /// The flags that mend rows, and say where they go.
    pub mend: Value,
}

/// A claimed file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claimed {
    /// Its name, in the directory of the queue.
    pub name: String,
    /// What tells it from a later one of that name.
    pub identity: String,
    /// What is done with it.
    pub orders: ReplaySelection,
    /// Which replay has claimed it first. What a replay moves out of a file gets into later ones.
    pub generation: u32,
    /// Homes whose rows could not be sent anywhere, once all others are settled.
    pub left_alone: Vec<Destination>,
    /// Homes whose rows were found in the store, likewise.
    #[serde(default)]
    pub stored: Vec<Destination>,
}

/// A table to which rows have begun to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedTarget {
    /// The homes of those rows.
    pub homes: Vec<Destination>,
    /// The table, and the tenant.
    pub key: String,
    /// Whether it had a key.
    pub keyed: bool,
    /// The file that they are from, where it has none and files go one by one.
    pub file: Option<String>,
}

/// Stands beside a queue from the claim to the end of the replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// Where rows go.
    pub way: ReplayTarget,
    /// From which files, the oldest first.
    pub files: Vec<Claimed>,
    /// Where some have begun to go.
    pub begun: Vec<StartedTarget>,
    /// Whether all that are meant are settled, so that the files alone are to be put away.
    pub settled: bool,
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
        // Under a name of its own, so that a crash leaves one such file at most.
        let beside = path.with_extension("json.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        sync_folder_of(path)
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
