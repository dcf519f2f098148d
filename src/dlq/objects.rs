//! Dead letters in an object store: an object for each write, which nobody changes afterwards.
//!
//! Its name is the time, the run and a number, so that objects come in the order in which they were written. It is
//! written only where none is: an answer that was lost is told by what is there from another writer's object.

use std::collections::HashSet;
use std::path::Path;

use bytes::Bytes;
use uuid::Uuid;

use super::destination::{Destination, unwritable};
use super::file::Appended;
use super::remote::{Entry, Holder, News, Piece, RemoteQueue};
use crate::error::{Error, Result, words};
use crate::objects::{Address, Object, delete, fault, is_writable, list, look, put_new};
use crate::port::DeadLetterError;
use crate::text::flags::DLQ;

/// How the names of objects with dead letters end.
const ENDING: &str = ".ndjson";

/// How those end whose rows were tried too often.
const PARKED: &str = ".parked.ndjson";

/// The prefix that a path means, where it is an address.
///
/// # Errors
/// Usage, where dead letters cannot be there.
pub(super) fn address(path: &Path) -> Result<Option<Address>> {
    let Some(address) = Address::parse(path.as_os_str()).transpose()? else { return Ok(None) };
    if !address.is_listed() {
        return Err(Error::usage(format!(
            "{DLQ} {}: nothing can be written to a web server; name a file, or a prefix of s3://, gs:// or az://",
            address.name()
        )));
    }
    let key = address.key().trim_end_matches('/');
    let key = if key.is_empty() { String::new() } else { format!("{key}/") };
    Ok(Some(address.at(key)))
}

/// The name of letters that are written now, without its ending.
pub(super) fn name(run: Uuid, number: u64) -> String {
    let now = chrono::Utc::now().format("%Y%m%dT%H%M%S%.6fZ");
    format!("{now}-{run}-{number:06}")
}

/// Writes an object that is there already perhaps, by a request whose answer was lost; `false` where another one is.
///
/// # Errors
/// Where it cannot be written.
fn put_once(address: &Address, bytes: &Bytes) -> Result<bool> {
    if put_new(address, bytes.clone())? {
        return Ok(true);
    }
    let Some(there) = look(address, &|| false)? else { return Ok(false) };
    let whole = there.read(0..there.bytes(), &|| false);
    let whole = whole.map_err(|error| fault(&error).unwrap_or_else(|| Error::input("it cannot be read")))?;
    Ok(whole.as_ref() == Some(bytes))
}

/// A queue below a prefix.
#[derive(Debug, Clone)]
pub(super) struct ObjectQueue {
    prefix: Address,
}

impl ObjectQueue {
    pub(super) fn new(prefix: Address) -> Self {
        Self { prefix }
    }

    fn at(&self, name: &str) -> Address {
        self.prefix.at(format!("{}{name}", self.prefix.key()))
    }

    /// The object that says who replays it.
    fn claim_at(&self) -> Address {
        self.at(".replay.json")
    }

    /// The objects with dead letters directly below the prefix, in the order in which they were written.
    fn objects(&self) -> Result<Vec<Object>> {
        let prefix = &self.prefix;
        let mut all = list(prefix, &|| false)?;
        all.retain(|object| {
            let name = object.address().key().get(prefix.key().len()..).unwrap_or_default();
            name.ends_with(ENDING) && !name.starts_with('.') && !name.contains('/')
        });
        all.sort_by(|a, b| a.address().key().cmp(b.address().key()));
        Ok(all)
    }
}

/// What is in an object; nothing where it is gone.
fn entry(object: &Object) -> Result<Option<Entry>> {
    let lines = object.read(0..object.bytes(), &|| false);
    let name = object.name().to_string();
    let lines = lines.map_err(|error| {
        fault(&error).unwrap_or_else(|| Error::input(format!("{name}: it cannot be read: {}", words(&error))))
    })?;
    let id = object.address().key().to_owned();
    Ok(lines.map(|lines| Entry { parked: id.ends_with(PARKED), id, name: Some(name), lines }))
}

impl RemoteQueue for ObjectQueue {
    fn name(&self) -> String {
        self.prefix.name()
    }

    fn each(&self, hand_on: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        for object in self.objects()? {
            entry(&object)?.map_or(Ok(()), &mut *hand_on)?;
        }
        Ok(())
    }

    fn news(&self) -> Result<News> {
        let key = |object: &Object| object.address().key().to_owned();
        // By their names, since clocks of writers differ.
        let mut known: HashSet<String> = self.objects()?.iter().map(key).collect();
        let queue = self.clone();
        Ok(Box::new(move || {
            let all = queue.objects()?;
            let mut new = Vec::new();
            for object in all.iter().filter(|object| !known.contains(object.address().key())) {
                new.extend(entry(object)?);
            }
            known = all.iter().map(key).collect();
            Ok(new)
        }))
    }

    fn put(&self, pieces: &[Piece]) -> Result<()> {
        for Piece { name, parked, lines } in pieces {
            let at = self.at(&format!("{name}{}", if *parked { PARKED } else { ENDING }));
            if !put_once(&at, lines)? {
                return Err(Error::internal(format!("{}: there is another object of that name", at.name())));
            }
        }
        Ok(())
    }

    fn remove(&self, ids: &[String]) -> Result<()> {
        ids.iter().try_for_each(|id| delete(&self.prefix.at(id.clone())))
    }

    fn holder(&self) -> Result<Option<Holder>> {
        let claim = self.claim_at();
        let Some(object) = look(&claim, &|| false)? else { return Ok(None) };
        let text = object.read(0..object.bytes().min(1 << 16), &|| false);
        let text =
            text.map_err(|e| fault(&e).unwrap_or_else(|| Error::input(claim.name())))?.unwrap_or_default();
        serde_json::from_slice(&text).map(Some).map_err(|_| {
            Error::usage(format!(
                "{}: it does not say who replays the queue; remove it if nobody does",
                claim.name()
            ))
        })
    }

    fn claim(&self, holder: &Holder) -> Result<bool> {
        put_once(&self.claim_at(), &holder.text()?.into())
    }

    fn release(&self) -> Result<()> {
        delete(&self.claim_at())
    }
}

/// Writes an object for each batch of lines.
#[derive(Debug)]
pub(super) struct ObjectDestination {
    prefix: Address,
    run: Uuid,
    /// Objects that were written, or tried to.
    number: u64,
    /// An object that may be there though its write failed: its rows are written again.
    torn: Option<Address>,
}

impl ObjectDestination {
    /// Below that prefix, which is asked whether it can be read at all; that it can be written shows with the first
    /// letter, but for the want of credentials.
    ///
    /// # Errors
    /// Where it cannot.
    pub(super) fn open(prefix: Address, run: Uuid) -> Result<Self> {
        is_writable(&prefix)?;
        list(&prefix.at(format!("{}{run}", prefix.key())), &|| false)?;
        Ok(Self { prefix, run, number: 0, torn: None })
    }
}

impl Destination for ObjectDestination {
    fn append(&mut self, lines: &[u8]) -> Result<Appended, DeadLetterError> {
        let bytes = Bytes::copy_from_slice(lines);
        if let Some(torn) = &self.torn {
            let gone = look(torn, &|| false).and_then(|there| there.map_or(Ok(()), |_| delete(torn)));
            gone.map_err(|error| unwritable(self.prefix.name(), error))?;
            self.torn = None;
        }
        loop {
            self.number += 1;
            let at = self.prefix.at(format!("{}{}{ENDING}", self.prefix.key(), name(self.run, self.number)));
            match put_once(&at, &bytes) {
                Ok(true) => return Ok(Appended { repaired: false, rotated: 0 }),
                Ok(false) => {}
                Err(error) => {
                    self.torn = Some(at);
                    return Err(unwritable(self.prefix.name(), error));
                }
            }
        }
    }
}
