//! Requests to object stores and web servers.

mod client;
mod credentials;
mod failure;
mod profile;
mod ranges;
mod reader;
mod stores;
mod wait;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, SubsecRound as _, Utc};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions,
};

use super::{Address, Fault, Scheme, Stopped};
use crate::error::{Error, Result};
use failure::Failure;
pub use ranges::Ranges;
pub use reader::Reader;
use stores::Store;
use wait::wait;

/// How often in a row a part is asked for again that brings not one byte more.
const TRIES: u32 = 5;

/// The first pause before that; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// Objects that are asked for at once, where a listing does not tell enough of them.
const AT_ONCE: usize = 16;

/// Longest wait for an answer without which it goes on as well.
const SOON: Duration = Duration::from_secs(10);

/// An object as it was when it was found.
#[derive(Clone)]
pub struct Object(Arc<Found>);

struct Found {
    address: Address,
    name: Arc<str>,
    path: Path,
    bytes: u64,
    tag: Option<String>,
    modified: Option<DateTime<Utc>>,
    /// Whether parts of it can be asked for.
    ranged: bool,
    store: Arc<Store>,
    /// Its first bytes, on their way already.
    begun: Mutex<Option<Reader>>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({}, {:?})", self.0.name, self.0.tag)
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        (&self.0.address, self.version()) == (&other.0.address, other.version())
    }
}

impl Eq for Object {}

/// The ETag as a header has it: the lists of Azure have it without its quotes.
fn tag(meta: &ObjectMeta) -> Option<String> {
    let tag = meta.e_tag.as_deref().filter(|tag| !tag.is_empty())?;
    Some(if tag.ends_with('"') { tag.to_owned() } else { format!("\"{tag}\"") })
}

impl Object {
    fn new(store: &Arc<Store>, address: Address, path: Path, meta: &ObjectMeta, ranged: bool) -> Self {
        Self(Arc::new(Found {
            name: address.name().into(),
            address,
            path,
            bytes: meta.size,
            tag: tag(meta),
            modified: modified(meta),
            ranged,
            store: store.clone(),
            begun: Mutex::new(None),
        }))
    }

    /// Its address.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// Its name: the address as it may be shown.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// What tells its version from others: its ETag, or the time of its last change where a web server gives none;
    /// `None` where nothing does.
    pub fn version(&self) -> Option<String> {
        let time = || self.0.modified.map(|time| format!("modified {}", time.to_rfc3339()));
        self.0.tag.clone().or_else(time)
    }

    /// Whether parts of it can be asked for; of a web server's file perhaps not.
    pub fn has_ranges(&self) -> bool {
        self.0.ranged
    }

    /// Begins to fetch it, so that its first bytes are there when it is read.
    pub fn fetch_ahead(&self) {
        let mut begun = self.0.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.is_none() {
            *begun = Some(Reader::start(self.clone(), 0..self.0.bytes));
        }
    }

    /// A part of its bytes, one after the other.
    pub fn reader(&self, part: Range<u64>) -> Reader {
        Reader::start(self.clone(), part)
    }

    /// All of its bytes, where they are on their way already, or come in one answer alone.
    pub fn begun(&self) -> Option<Reader> {
        let begun = self.0.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        begun.or_else(|| (!self.0.ranged).then(|| self.reader(0..self.0.bytes)))
    }

    /// A part of its bytes; `None` where the wait for them is given up.
    ///
    /// # Errors
    /// A [`Fault`] with what is wrong.
    pub fn read(&self, part: Range<u64>, stopped: Stopped<'_>) -> io::Result<Option<Bytes>> {
        let object = self.clone();
        let part = part.start..part.end.min(self.0.bytes);
        let bytes = wait(stopped, async move { object.fetch(part).await });
        Ok(bytes.transpose().map_err(Fault)?)
    }

    /// Its bytes by their places; `stopped` gives up waiting for them.
    pub fn ranges(&self, stopped: impl Fn() -> bool + Send + Sync + 'static) -> Ranges {
        Ranges::new(self.clone(), Box::new(stopped))
    }

    /// Whether that version is there still; where nobody can tell, it is.
    pub fn is_there(&self) -> bool {
        let object = self.clone();
        let end = Instant::now() + SOON;
        let asked = wait(&|| Instant::now() > end, async move {
            let answer = object.0.store.client.get_opts(&object.0.path, object.options(None)).await;
            answer.map_err(|error| object.0.store.failure(&object.0.name, error)).map(|answer| answer.meta)
        });
        match asked {
            Some(Ok(meta)) => self.is_version(&meta),
            Some(Err(Failure::Missing(_) | Failure::Other)) => false,
            Some(Err(_)) | None => true,
        }
    }

    fn options(&self, part: Option<Range<u64>>) -> GetOptions {
        // A weak tag never matches in a request: the answer's is compared.
        let strong = self.0.tag.clone().filter(|tag| !tag.starts_with("W/"));
        GetOptions {
            range: part.map(GetRange::Bounded),
            if_unmodified_since: self.0.modified.filter(|_| self.0.tag.is_none()),
            if_match: strong,
            ..GetOptions::default()
        }
    }

    fn is_version(&self, meta: &ObjectMeta) -> bool {
        let same = match &self.0.tag {
            Some(_) => tag(meta) == self.0.tag,
            None => modified(meta) == self.0.modified,
        };
        same && meta.size == self.0.bytes
    }

    /// The bytes of a part, whatever has to be asked for again.
    async fn fetch(&self, part: Range<u64>) -> Result<Bytes> {
        let length = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
        let mut bytes = BytesMut::with_capacity(length);
        let (mut tries, mut pause) = (0, PAUSE);
        while bytes.len() < length {
            let before = bytes.len();
            let from = part.start + before as u64;
            let Err(failure) = self.more(from..part.end, &mut bytes).await else { continue };
            if bytes.len() > before {
                (tries, pause) = (0, PAUSE);
            }
            tries += 1;
            match failure {
                Failure::Passing(_) if tries < TRIES => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                failure => return Err(self.error(failure)),
            }
        }
        Ok(bytes.freeze())
    }

    /// Adds bytes of a part that is asked for once.
    async fn more(&self, part: Range<u64>, to: &mut BytesMut) -> Result<(), Failure> {
        let failed = |error| self.0.store.failure(&self.0.name, error);
        let mut left = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
        let mut pieces = self.pieces(Some(part)).await?;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(failed)?;
            let taken = piece.len().min(left);
            to.extend_from_slice(piece.get(..taken).unwrap_or_default());
            left -= taken;
        }
        if left > 0 { Err(self.0.store.cut_off(&self.0.name)) } else { Ok(()) }
    }

    /// The bytes of a part, or of all of it, as they come of one request.
    async fn pieces(
        &self,
        part: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, object_store::Result<Bytes>>, Failure> {
        let failed = |error| self.0.store.failure(&self.0.name, error);
        let answer = self.0.store.client.get_opts(&self.0.path, self.options(part)).await.map_err(failed)?;
        if !self.is_version(&answer.meta) {
            return Err(Failure::Other);
        }
        Ok(answer.into_stream())
    }

    /// What is told of a failure while it is read.
    fn error(&self, failure: Failure) -> Error {
        let name = &self.0.name;
        match failure {
            Failure::Missing(_) => Error::input(format!("{name}: it was removed while it was read")),
            Failure::Other => Error::input(format!(
                "{name}: it was written over while it was read, and two halves of two versions are neither: load it again"
            )),
            Failure::NoRanges => {
                Error::input(format!("{name}: the server gives no parts of it any more; load it again"))
            }
            Failure::Passing(error) | Failure::Lasting(error) => error,
        }
    }
}

/// When it was changed last, where that is told.
fn modified(meta: &ObjectMeta) -> Option<DateTime<Utc>> {
    // An answer tells it in seconds, a listing in finer ones.
    Some(meta.last_modified.trunc_subsecs(0)).filter(|time| time.timestamp() > 0)
}

/// The path of a key.
fn path(address: &Address) -> Result<Path> {
    let path = match address.scheme() {
        Scheme::Http => Path::from_url_path(address.key()),
        _ => Path::parse(address.key()),
    };
    path.map_err(|_| {
        Error::input(format!(
            "{}: its key cannot be asked for: it has an empty part, one of dots, or a control character in it",
            address.name()
        ))
    })
}

fn stopped(address: &Address) -> Error {
    Error::input(format!("{}: stopped before it answered", address.name()))
}

/// The object at an address, as it is now; `None` where there is none.
///
/// # Errors
/// Where that cannot be told.
pub fn look(address: &Address, stop: Stopped<'_>) -> Result<Option<Object>> {
    let (store, path) = (stores::of(address)?, path(address)?);
    let (named, name) = (address.clone(), address.name());
    let found = wait(stop, async move {
        let failed = |error| store.failure(&name, error);
        let head = match named.is_listed() {
            true => store.client.head(&path).await.map_err(failed),
            // A signature may be one for reading alone. Nothing of the body is read.
            false => store.client.get(&path).await.map(|answer| answer.meta).map_err(failed),
        };
        let head = match head {
            // An answer without a body tells no more than its number.
            Err(Failure::Lasting(_)) if named.is_listed() => {
                store.client.get(&path).await.map(|answer| answer.meta).map_err(failed)
            }
            head => head,
        };
        let meta = match head {
            Ok(meta) => meta,
            Err(Failure::Missing(_)) => return Ok(None),
            Err(failure) => return Err(failure.told(&name)),
        };
        let mut ranged = named.is_listed();
        if !ranged && meta.size > 0 {
            let first = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::default() };
            ranged = store.client.get_opts(&path, first).await.is_ok_and(|part| part.meta.size == meta.size);
        }
        Ok(Some(Object::new(&store, named, path, &meta, ranged)))
    });
    found.unwrap_or_else(|| Err(stopped(address)))
}

/// Whether an object may be written at an address, as far as is known without trying.
///
/// # Errors
/// Where it takes credentials, and there are none.
pub fn is_writable(address: &Address) -> Result<()> {
    stores::of(address)?.is_writable(&address.name())
}

/// The objects whose keys begin with that of an address, in no order.
///
/// # Errors
/// Where they cannot be listed.
pub fn list(address: &Address, stop: Stopped<'_>) -> Result<Vec<Object>> {
    let store = stores::of(address)?;
    // A listing is by whole parts of a key; what the rest of the last one begins with is looked at here.
    let whole = address.key().rsplit_once('/').map_or("", |(whole, _)| whole);
    let prefix = (!whole.is_empty()).then(|| path(&address.at(whole))).transpose()?;
    // Whoever named an object has put no slash behind it.
    let (named, name) = (address.clone(), address.name().trim_end_matches('/').to_owned());
    let all = wait(stop, async move {
        let mut found = Vec::new();
        let mut listing = store.client.list(prefix.as_ref());
        while let Some(meta) = listing.next().await {
            let meta = match meta {
                Ok(meta) => meta,
                Err(error) => match store.failure(&name, error) {
                    Failure::Missing(Some(error)) => return Err(error),
                    failure => return Err(failure.told(&name)),
                },
            };
            if meta.location.as_ref().starts_with(named.key()) {
                found.push(meta);
            }
        }
        let with_tag = |mut meta: ObjectMeta| async {
            // Some stores have no tags in their listings.
            if meta.e_tag.is_none() && meta.size > 0 {
                meta = store.client.head(&meta.location).await?;
            }
            Ok(meta)
        };
        let metas: Vec<object_store::Result<ObjectMeta>> =
            stream::iter(found).map(with_tag).buffered(AT_ONCE).collect().await;
        let mut objects = Vec::with_capacity(metas.len());
        for meta in metas {
            let meta = meta.map_err(|error| store.failure(&name, error).told(&name))?;
            let at = named.at(meta.location.as_ref());
            objects.push(Object::new(&store, at, meta.location.clone(), &meta, true));
        }
        Ok(objects)
    });
    all.unwrap_or_else(|| Err(stopped(address)))
}

/// Writes an object where none is; `false` where there is one. It is there for good when this returns.
///
/// # Errors
/// Where it cannot be written.
pub fn put_new(address: &Address, bytes: Bytes) -> Result<bool> {
    let (store, path, name) = (stores::of(address)?, path(address)?, address.name());
    let written = wait(&|| false, async move {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = store.client.put_opts(&path, bytes.into(), options).await;
        match put.map_err(|error| store.failure(&name, error)) {
            Ok(_) => Ok(true),
            Err(Failure::Other) => Ok(false),
            Err(failure) => Err(failure.told(&name)),
        }
    });
    written.unwrap_or_else(|| Err(stopped(address)))
}

/// Removes an object; one that is not there is gone already.
///
/// # Errors
/// Where it cannot be removed.
pub fn delete(address: &Address) -> Result<()> {
    let (store, path, name) = (stores::of(address)?, path(address)?, address.name());
    let gone = wait(&|| false, async move {
        match store.client.delete(&path).await.map_err(|error| store.failure(&name, error)) {
            Ok(()) | Err(Failure::Missing(None)) => Ok(()),
            Err(failure) => Err(failure.told(&name)),
        }
    });
    gone.unwrap_or_else(|| Err(stopped(address)))
}
