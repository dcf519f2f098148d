//! Queues that are no files of this machine. Each kind is a file beside this one.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::destination::Destination;
use super::{kafka, nats, objects};
use crate::error::{Error, Result, words};
use crate::objects::Address;

/// Letters that are together where the queue is: an object, or a message.
#[derive(Debug)]
pub struct Entry {
    /// What the queue knows it by.
    pub id: String,
    /// What people know it by, where it is more to them than a part of the queue.
    pub name: Option<String>,
    /// Whether its rows were tried too often.
    pub parked: bool,
    /// Its lines; the last one may lack its end.
    pub lines: Bytes,
}

/// Letters that are put into a queue, once however often that is tried.
#[derive(Debug, Clone)]
pub struct Piece {
    /// What no other piece has.
    pub name: String,
    /// Whether its rows were tried too often.
    pub parked: bool,
    /// Its lines, each with its end.
    pub lines: Bytes,
}

/// What looks for new entries, each time it is called.
pub type News = Box<dyn FnMut() -> Result<Vec<Entry>> + Send>;

/// A queue elsewhere. Its calls wait for it, on a thread that may.
pub trait RemoteQueue: Send + fmt::Debug {
    /// Its address, as it is shown.
    fn name(&self) -> String;

    /// Hands on what is in it now, the oldest first.
    ///
    /// # Errors
    /// Where it cannot be read, and what `hand_on` says.
    fn each(&self, hand_on: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()>;

    /// What tells of letters that come from now on.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn news(&self) -> Result<News>;

    /// Puts letters into it that are not there yet.
    ///
    /// # Errors
    /// Where it cannot be written; some may be there then.
    fn put(&self, pieces: &[Piece]) -> Result<()>;

    /// Removes entries; those that are gone already are as they should be.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn remove(&self, ids: &[String]) -> Result<()>;

    /// Who replays it.
    ///
    /// # Errors
    /// Where it cannot be read, or says what nobody understands.
    fn holder(&self) -> Result<Option<Holder>>;

    /// Claims it for a replay; `false` where another one was faster.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn claim(&self, holder: &Holder) -> Result<bool>;

    /// Gives a claim up, whosever it is.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn release(&self) -> Result<()>;
}

/// Who has claimed a queue, as the claim says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The claim.
    pub claim: Uuid,
    /// The machine.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// What tells that process from another one of its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// When it was claimed.
    pub since: String,
}

impl Holder {
    /// The text of a claim.
    pub(super) fn text(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))
    }
}

/// Whether a path is an address, and no file of this machine.
pub fn is_elsewhere(path: &Path) -> bool {
    Address::parse(path.as_os_str()).is_some() || at_broker(path).map_or(true, |known| known.is_some())
}

/// The queue that a path means, where it is an address.
///
/// # Errors
/// Usage, where dead letters cannot be there.
pub fn queue(path: &Path) -> Result<Option<Box<dyn RemoteQueue>>> {
    if let Some(text) = at_broker(path)? {
        return match text {
            AtBroker::Kafka(text) => kafka::queue(&text).map(Some),
            AtBroker::Nats(text) => nats::queue(&text).map(Some),
        };
    }
    Ok(objects::address(path)?.map(|prefix| Box::new(objects::ObjectQueue::new(prefix)) as Box<_>))
}

/// What writes to the queue that a path means, where it is an address.
///
/// # Errors
/// Usage, where dead letters cannot be there; else where it cannot be reached.
pub(super) fn destination(path: &Path, run: Uuid) -> Result<Option<Box<dyn Destination>>> {
    if let Some(text) = at_broker(path)? {
        return match text {
            AtBroker::Kafka(text) => kafka::destination(&text, run).map(Some),
            AtBroker::Nats(text) => nats::destination(&text, run).map(Some),
        };
    }
    let Some(prefix) = objects::address(path)? else { return Ok(None) };
    Ok(Some(Box::new(objects::ObjectDestination::open(prefix, run)?)))
}

/// An address at a broker.
enum AtBroker {
    Kafka(String),
    Nats(String),
}

/// The address of a subject of NATS or a topic of Kafka, where a path is one; those of brokers that keep no dead letters
/// are refused.
fn at_broker(path: &Path) -> Result<Option<AtBroker>> {
    let text = path.to_string_lossy();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("nats") => Ok(Some(AtBroker::Nats(text.into_owned()))),
        Some("kafka") => Ok(Some(AtBroker::Kafka(text.into_owned()))),
        Some(scheme @ ("redis" | "rediss")) => Err(Error::usage(format!(
            "{scheme}://…: dead letters are not written to such a stream; name a file, a prefix of s3://, gs:// or az://, a subject of nats:// or a topic of kafka://"
        ))),
        _ => Ok(None),
    }
}

/// Letters of a queue in a file without a name.
#[derive(Debug)]
pub struct Part {
    /// As people know it.
    pub name: String,
    /// Whether its rows were tried too often.
    pub parked: bool,
    /// All of it.
    pub file: File,
}

/// Entries that have a file of their own each; a process may open a bounded number of files.
const NAMED: usize = 200;

/// The letters of a queue, brought to files without names: one for each of the first entries that have names, and for
/// the others together, under the name of the queue.
///
/// # Errors
/// Where they cannot be read, or there is no room for them here.
pub fn brought(queue: &dyn RemoteQueue) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    queue.each(&mut |entry| {
        let Entry { name, parked, lines, .. } = entry;
        let name = name.filter(|_| parts.len() < NAMED);
        let own = name.is_some();
        let name = name.unwrap_or_else(|| queue.name());
        let known = parts.iter_mut().find(|part| !own && part.parked == parked && part.name == name);
        let written = match known {
            Some(part) => write(&mut part.file, &lines),
            None => tempfile::tempfile().and_then(|mut file| {
                write(&mut file, &lines)?;
                parts.push(Part { name, parked, file });
                Ok(())
            }),
        };
        written.map_err(|error| no_room(&queue.name(), error))
    })?;
    let rewound = parts.iter_mut().try_for_each(|part| part.file.rewind());
    rewound.map_err(|error| no_room(&queue.name(), error))?;
    parts.sort_by_key(|part| part.parked);
    Ok(parts)
}

/// Letters of that queue that cannot be brought to this machine.
pub(super) fn no_room(queue: &str, error: io::Error) -> Error {
    let why = words(&error);
    Error::usage(format!("{queue}: its letters cannot be brought to a temporary file of this machine: {why}"))
        .caused_by(error)
}

/// Writes lines, the last one with its end.
pub(super) fn write(file: &mut File, lines: &[u8]) -> io::Result<()> {
    file.write_all(lines)?;
    if lines.last().is_some_and(|last| *last != b'\n') {
        file.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_keeps_no_letters_is_refused_before_it_is_a_folder() {
        for (path, scheme) in [("redis://h/s", "redis"), ("REDISS://h/s?group=a", "rediss")] {
            let error = queue(Path::new(path)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{scheme}://…: dead letters are not")), "{error}");
        }
        assert!(queue(Path::new(".dlq/redis.ndjson")).unwrap().is_none());
    }
}
