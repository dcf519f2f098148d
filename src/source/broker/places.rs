//! The checkpoint file of a consumer: what the rows before a place in the stream have told of those behind it.
//!
//! It is one JSON document, replaced as a whole.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataset::inferred::Learned;
use crate::error::{Error, Result, again, words};
use crate::files::{self, Replace, put_in_place};
use crate::text::flags::CHECKPOINT;

/// Version of the format.
const VERSION: u32 = 1;

/// Largest checkpoint file that is read, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// What is known at a place in the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// The last rows without an id of their own before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) equals: Option<String>,
    /// The message before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) behind: Option<Arc<str>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// The stream, the group and the consumer.
    consumer: String,
    /// What the rows have told of those that follow.
    #[serde(default)]
    learned: Learned,
    /// What is known where all is acknowledged, and where that was so before: whichever of it has come about.
    #[serde(default)]
    known: [Known; 2],
}

/// The file, held against other runs.
pub(super) struct Places {
    path: PathBuf,
    stored: Stored,
    /// Whether there was none.
    pub(super) is_new: bool,
    _lock: File,
}

impl Places {
    /// Opens it, or begins one, and holds it until it is dropped.
    ///
    /// # Errors
    /// Usage, where it is none, is that of another consumer, cannot be used, or another run uses it.
    pub(super) fn open(path: PathBuf, consumer: &str, second: &str) -> Result<Self> {
        let path = fs::canonicalize(&path).unwrap_or(path);
        let shown = path.display().to_string();
        let failed = |error: &std::io::Error| {
            Error::usage(format!("the checkpoint file {shown} cannot be used: {}", words(error)))
                .caused_by(again(error))
        };
        let other =
            |what: &str| Error::usage(format!("{shown} is {what}; name another one with {CHECKPOINT}"));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| failed(&e))?;
        }
        if fs::metadata(&path).is_ok_and(|there| !there.is_file() || there.len() > MOST_BYTES) {
            return Err(other("not a checkpoint file of a stream"));
        }
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        let lock = File::options().create(true).append(true).open(lock).map_err(|e| failed(&e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(Error::usage(format!(
                    "another tail is using the checkpoint file {shown}; give this one a name of its own, as in …&{second}=second"
                )));
            }
            Err(fs::TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let fresh = Stored {
            version: VERSION,
            consumer: consumer.to_owned(),
            learned: Learned::default(),
            known: Default::default(),
        };
        let (stored, is_new) = match fs::read(&path) {
            Ok(bytes) => {
                let Ok(stored) = serde_json::from_slice::<Stored>(&bytes) else {
                    return Err(other("not a checkpoint file of a stream, or damaged"));
                };
                if stored.version != VERSION {
                    let what = format!(
                        "a checkpoint file of version {}, and this mdsctl knows version {VERSION}",
                        stored.version
                    );
                    return Err(other(&what));
                }
                (stored, false)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => (fresh, true),
            Err(error) => return Err(failed(&error)),
        };
        if stored.consumer != consumer {
            return Err(other(&format!("the checkpoint file of {}", stored.consumer)));
        }
        Ok(Self { path, stored, is_new, _lock: lock })
    }

    /// What the rows have told.
    pub(super) fn learned(&self) -> &Learned {
        &self.stored.learned
    }

    /// The last message that was about to be acknowledged.
    pub(super) fn about_to(&self) -> Option<Arc<str>> {
        let [_, after] = &self.stored.known;
        after.behind.clone()
    }

    /// The last rows without an id before the messages that are pending; `pending`: [that one](Self::about_to) is.
    pub(super) fn equals(&self, pending: bool) -> Option<&str> {
        let [before, after] = &self.stored.known;
        if pending { before.equals.as_deref() } else { after.equals.as_deref() }
    }

    /// Holds the place from now on.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.replace()
    }

    /// Notes what rows have told of those that follow, before a row is stored by it.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(super) fn tell(&mut self, learned: Learned) -> Result<()> {
        self.stored.learned = learned;
        self.replace()
    }

    /// What comes up to a place with that knowledge is about to be acknowledged; `done`: so is what was about to be
    /// when this was called last.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(super) fn settle(&mut self, known: Known, done: bool) -> Result<()> {
        let [before, after] = std::mem::take(&mut self.stored.known);
        self.stored.known = [if done { after } else { before }, known];
        self.replace()
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        let path = self.path.display();
        Error::unavailable(format!("the checkpoint file {path} cannot be written: {}", words(error)))
            .caused_by(again(error))
    }

    fn replace(&mut self) -> Result<()> {
        let write = || -> std::io::Result<File> {
            let mut file = files::beside(&self.path, ".tail-", 0o600)?;
            serde_json::to_writer(&mut file, &self.stored)?;
            file.write_all(b"\n")?;
            put_in_place(file, &self.path, Replace::Yes)
        };
        write().map(drop).map_err(|error| self.failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_before_a_place_outlives_a_kill() {
        let work = tempfile::tempdir().unwrap();
        let path = work.path().join("places.json");
        let mut places = Places::open(path.clone(), "c", "consumer").unwrap();
        assert!(places.is_new && places.about_to().is_none());
        let error = Places::open(path.clone(), "c", "consumer").err().unwrap().to_string();
        assert!(error.contains("another tail is using"), "{error}");
        places.begin().unwrap();
        let equals = |text: &str, id: &str| Known { equals: Some(text.into()), behind: Some(id.into()) };
        places.settle(equals("a", "1-1"), true).unwrap();
        places.settle(equals("b", "2-2"), true).unwrap();
        drop(places);
        let places = Places::open(path.clone(), "c", "consumer").unwrap();
        assert!(!places.is_new);
        assert_eq!(places.equals(false), Some("b"));
        assert_eq!(places.equals(true), Some("a"), "it was killed before that was acknowledged");
        assert_eq!(places.about_to().as_deref(), Some("2-2"));
        drop(places);
        let error = Places::open(path, "d", "consumer").err().unwrap().to_string();
        assert!(error.contains("is the checkpoint file of c; name another one"), "{error}");
    }
}
