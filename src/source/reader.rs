//! A thread that reads and decompresses ahead of the decoder.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use crate::decode::{Chunk, Chunks, DecodeError};
use crate::pipeline::Stop;
use crate::source::raw_input::Interrupted;
use crate::source::{Compression, Meter};

/// Bytes of a chunk at most.
pub(super) const CHUNK: usize = 256 << 10;

/// Chunks that wait for the decoder at most.
const AHEAD: usize = 3;

/// How long a stream may take for its next bytes before it counts as idle: longer than a writer
/// that never pauses needs, shorter than anybody notices.
const GRACE: Duration = Duration::from_millis(1);

/// How often a file that does not answer is given up for a stop.
const LOOK: Duration = Duration::from_millis(100);

enum Message {
    Data(Bytes),
    /// The end of the input, or the stop.
    End {
        cut: bool,
    },
    Failed(DecodeError),
}

/// What the thread reads.
pub(super) struct Source {
    /// The decompressed bytes.
    pub(super) bytes: Box<dyn Read + Send>,
    pub(super) compression: Compression,
    /// Whether the bytes arrive in their own time and but once.
    pub(super) live: bool,
    pub(super) cut: Interrupted,
}

/// Chunks from a thread.
pub(super) struct Ahead {
    receiver: Receiver<Message>,
    live: bool,
    stop: Stop,
    /// Whether the last answer was that there is nothing right now.
    idle: bool,
    ended: bool,
}

impl Ahead {
    /// Starts the thread. It ends with the input, with the stop, or when nobody listens any more.
    pub(super) fn start(source: Source, stop: &Stop, meter: &Arc<Meter>) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(AHEAD);
        let (live, meter) = (source.live, meter.clone());
        thread::Builder::new().name("reader".into()).spawn(move || run(source, &sender, &meter))?;
        Ok(Self { receiver, live, stop: stop.clone(), idle: false, ended: false })
    }

    /// The next message, or `None` when none came in time.
    fn receive(&self) -> Result<Option<Message>, DecodeError> {
        let gone = || DecodeError::Corrupt("reading it broke off".into());
        if self.live && self.idle {
            // The thread watches the stop, so this does not wait for ever.
            return self.receiver.recv().map(Some).map_err(|_| gone());
        }
        match self.receiver.recv_timeout(if self.live { GRACE } else { LOOK }) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

impl Chunks for Ahead {
    fn next(&mut self) -> Result<Chunk, DecodeError> {
        loop {
            if self.ended {
                return Ok(Chunk::End);
            }
            // A file is left where it is; of a stream everything consumed is handed on first.
            if !self.live && self.stop.is_set() {
                self.ended = true;
                return Ok(Chunk::Cut { again: true });
            }
            let received = self.receive().inspect_err(|_| self.ended = true)?;
            self.idle = received.is_none();
            match received {
                None if self.live => return Ok(Chunk::Idle),
                None => {}
                Some(Message::Data(data)) => return Ok(Chunk::Data(data)),
                Some(Message::End { cut }) => {
                    self.ended = true;
                    return Ok(if cut { Chunk::Cut { again: !self.live } } else { Chunk::End });
                }
                Some(Message::Failed(error)) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
    }

    fn can_be_read_again(&self) -> bool {
        !self.live
    }
}

/// Bytes on their way to the decoder, whose memory comes back to be read into again.
struct Lent {
    memory: Vec<u8>,
    length: usize,
    back: Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // At the end nobody reads any more.
        let _ = self.back.send(std::mem::take(&mut self.memory));
    }
}

fn run(mut source: Source, sender: &SyncSender<Message>, meter: &Meter) {
    let (back, returned) = channel();
    let mut memory = vec![0; CHUNK];
    loop {
        let last = match source.bytes.read(&mut memory) {
            Ok(0) => Message::End { cut: source.cut.is_cut() },
            Ok(length) => {
                meter.decode(length as u64);
                let next = returned.try_recv().unwrap_or_else(|_| vec![0; CHUNK]);
                let memory = std::mem::replace(&mut memory, next);
                let data = Bytes::from_owner(Lent { memory, length, back: back.clone() });
                if sender.send(Message::Data(data)).is_err() {
                    return;
                }
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // A decompressor takes a stop for a stream that ends early.
            Err(_) if source.cut.is_cut() => Message::End { cut: true },
            Err(error) => Message::Failed(source.compression.fault(error)),
        };
        // Where nobody listens any more nobody wants to know.
        let _ = sender.send(last);
        return;
    }
}
