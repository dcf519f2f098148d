//! Files as what a tail follows: their checkpoint file, and the follower that reads them on from there.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use arrow::datatypes::SchemaRef;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;
use crate::pipeline::{Source, Stop};
use crate::port::runs::earlier_name;
use crate::source::follow::{CheckpointFile, Follower, schema};
use crate::source::followed::{Before, FollowOptions, FollowWith, Followed, From, OpenFollowed};
use crate::source::{Chosen, OpenOptions, shown};

struct FollowedFiles(FollowOptions);

/// Followed files.
pub fn files(options: FollowOptions) -> Box<dyn Followed> {
    Box::new(FollowedFiles(options))
}

impl Followed for FollowedFiles {
    fn schema(&self, stop: &Stop) -> Result<Option<(SchemaRef, Chosen)>> {
        schema(&self.0, stop)
    }

    fn read_by(&mut self, open: OpenOptions) {
        self.0.open = open;
    }

    fn open(&self, table: &str) -> Result<Box<dyn OpenFollowed>> {
        let places = CheckpointFile::open(self.checkpoint(table))?;
        Ok(Box::new(OpenFiles { options: self.0.clone(), places }))
    }
}

impl FollowedFiles {
    /// The checkpoint file for that table.
    fn checkpoint(&self, table: &str) -> PathBuf {
        if let Some(path) = &self.0.checkpoint {
            return path.clone();
        }
        let named_for = |inputs: Vec<String>, table: &str| {
            let hash = xxh3_64(format!("{}\n{table}", inputs.join("\n")).as_bytes());
            PathBuf::from(".mdsctl").join(format!("tail-{hash:016x}.json"))
        };
        let absolute =
            |pattern: &OsString| std::path::absolute(pattern).unwrap_or_else(|_| PathBuf::from(pattern));
        let absolute: Vec<PathBuf> = self.0.patterns.iter().map(absolute).collect();
        let inputs: Vec<String> = absolute.iter().map(|path| shown(straight(path))).collect();
        // As it was called before `..` was seen through, and names of tables had the quotes that they need.
        let before: Vec<String> = absolute.iter().map(shown).collect();
        let bare = earlier_name(table);
        let mut earlier = [(&before, table), (&inputs, &*bare), (&before, &*bare)]
            .into_iter()
            .map(|(inputs, table)| named_for(inputs.clone(), table));
        let own = named_for(inputs.clone(), table);
        if own.exists() { own } else { earlier.find(|path| path.exists()).unwrap_or(own) }
    }
}

/// An absolute path without `..`. Links stay, since they may lead elsewhere tomorrow.
fn straight(path: &Path) -> PathBuf {
    let mut way = PathBuf::new();
    for part in path.components() {
        if part != Component::ParentDir {
            way.push(part);
            continue;
        }
        if way.is_symlink()
            && let Ok(there) = way.canonicalize()
        {
            way = there;
        }
        way.pop();
    }
    way
}

struct OpenFiles {
    options: FollowOptions,
    places: CheckpointFile,
}

impl OpenFollowed for OpenFiles {
    fn before(&self) -> Option<Before<'_>> {
        let run = self.places.run().filter(|_| self.options.from == From::Checkpoint)?;
        Some(Before { run, doubt: self.places.doubt(), places: self.places.path() })
    }

    fn source(self: Box<Self>, with: FollowWith) -> Box<dyn Source> {
        Box::new(Follower::new(self.options, self.places, with))
    }
}
