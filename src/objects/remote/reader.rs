//! An object from its first byte to its last, fetched ahead of its reading.

use std::fmt;
use std::io::{self, Read as _};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::Object;
use super::wait::runtime;
use crate::error::{Error, Result};
use crate::objects::{Fault, Stopped};

/// Bytes of the first part: enough to tell what it is.
const FIRST: u64 = 256 << 10;

/// Bytes of each other part.
const PART: u64 = 4 << 20;

/// Parts that are fetched at once.
const AT_ONCE: usize = 3;

/// Parts that wait for the reader.
const AHEAD: usize = 2;

/// Pieces of an answer that wait for the reader, where it has no parts.
const PIECES: usize = 64;

/// How often the stop is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The bytes of an object, one after the other.
pub struct Reader {
    parts: Receiver<Result<Bytes>>,
    /// Places for parts that wait.
    places: Arc<Semaphore>,
    task: Option<JoinHandle<()>>,
    here: Bytes,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    pub(super) fn start(object: Object, part: Range<u64>) -> Self {
        let (sender, parts) = channel();
        let places = Arc::new(Semaphore::new(if object.has_ranges() { AHEAD } else { PIECES }));
        let out = Out { sender, places: places.clone() };
        let task = runtime().map(|runtime| runtime.spawn(run(object, part, out)));
        Self { parts, places, task, here: Bytes::new() }
    }

    /// The next bytes: none at the end, and where `stopped` gives up waiting.
    ///
    /// # Errors
    /// A [`Fault`] with what is wrong.
    pub fn read(&mut self, buffer: &mut [u8], stopped: Stopped<'_>) -> io::Result<usize> {
        while self.here.is_empty() {
            match self.parts.recv_timeout(LOOK) {
                Ok(part) => {
                    self.places.add_permits(1);
                    self.here = part.map_err(Fault)?;
                }
                Err(RecvTimeoutError::Disconnected) => return self.ended(),
                Err(RecvTimeoutError::Timeout) if stopped() => return Ok(0),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let count = (&*self.here).read(buffer)?;
        self.here.advance(count);
        Ok(count)
    }

    fn ended(&self) -> io::Result<usize> {
        match &self.task {
            Some(_) => Ok(0),
            None => Err(Fault(Error::internal("no threads for requests can be had")).into()),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Where parts go to their reader.
struct Out {
    sender: Sender<Result<Bytes>>,
    places: Arc<Semaphore>,
}

impl Out {
    /// Waits for a place, and puts a part there; whether more are wanted.
    async fn send(&self, part: Result<Bytes>) -> bool {
        let goes_on = part.is_ok();
        if let Ok(place) = self.places.acquire().await {
            place.forget();
        }
        self.sender.send(part).is_ok() && goes_on
    }
}

async fn run(object: Object, part: Range<u64>, out: Out) {
    if !object.has_ranges() {
        return whole(object, out).await;
    }
    let mut fetched = stream::iter(parts(part)).map(|part| object.fetch(part)).buffered(AT_ONCE);
    while let Some(bytes) = fetched.next().await {
        if !out.send(bytes).await {
            return;
        }
    }
}

/// A part of an object in the parts that it is fetched in.
fn parts(part: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut at = part.start;
    std::iter::from_fn(move || {
        let length = if at == part.start { FIRST } else { PART };
        let next = at..part.end.min(at.saturating_add(length));
        at = next.end;
        (!next.is_empty()).then_some(next)
    })
}

/// All of it in one answer, where the server gives no parts: what breaks off cannot be gone on with.
async fn whole(object: Object, out: Out) {
    let failed = |error| object.error(object.0.store.failure(&object.0.name, error));
    let mut left = object.bytes();
    let mut pieces = match object.pieces(None).await {
        Ok(pieces) => pieces,
        Err(failure) => {
            out.send(Err(object.error(failure))).await;
            return;
        }
    };
    while let Some(piece) = pieces.next().await {
        left = left.saturating_sub(piece.as_ref().map_or(0, |piece| piece.len() as u64));
        if !out.send(piece.map_err(failed)).await {
            return;
        }
    }
    if left > 0 {
        out.send(Err(object.error(object.0.store.cut_off(&object.0.name)))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_is_a_small_one() {
        let all: Vec<Range<u64>> = parts(10..FIRST + PART + 11).collect();
        assert_eq!(
            all,
            [10..FIRST + 10, FIRST + 10..FIRST + PART + 10, FIRST + PART + 10..FIRST + PART + 11]
        );
        assert_eq!(parts(5..5).count(), 0);
    }
}
