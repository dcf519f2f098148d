//! The bytes of an input as they are stored.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::decode::Body;
use crate::pipeline::Stop;
use crate::source::changed::AtOpening;
use crate::source::remote::Remote;
use crate::source::{Input, Meter};

/// A file or a stream, read up to its end or to a stop.
pub(super) struct Stored {
    handle: Handle,
    /// Whether bytes arrive in their own time and but once: standard input, a pipe, a terminal.
    live: bool,
    stop: Stop,
    cut: Interrupted,
    ended: bool,
    /// Bytes that are still to be read at most: of a member of an archive no more than are its own.
    left: u64,
    meter: Arc<Meter>,
    /// The file as it was, where it is one that can be read again.
    at_opening: Option<Arc<AtOpening>>,
    /// Whether its bytes were counted when they were copied to the file that they are in.
    counted: bool,
}

/// Whether the reading ended by a stop rather than at the end of the input. Kept apart from the
/// reader, which a decompressor may have swallowed by then.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

enum Handle {
    Stdin(io::Stdin),
    File(File),
    Remote(Remote),
}

impl Handle {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Stdin(stdin) => Some(stdin.as_fd()),
            Self::File(file) => Some(file.as_fd()),
            Self::Remote(_) => None,
        }
    }

    fn read(&mut self, buffer: &mut [u8], stop: &Stop) -> io::Result<usize> {
        match self {
            Self::Stdin(stdin) => Ok(rustix::io::read(stdin, buffer)?),
            Self::File(file) => Ok(rustix::io::read(file, buffer)?),
            Self::Remote(remote) => remote.read(buffer, stop),
        }
    }
}

impl Stored {
    pub(super) fn open(input: &Input, stop: &Stop, meter: &Arc<Meter>) -> io::Result<Self> {
        if let Some(object) = &input.object {
            return Self::remote(Remote::open(object, input.member.as_deref(), stop)?, stop, meter);
        }
        let (handle, live) = match &input.path {
            None => (Handle::Stdin(io::stdin()), true),
            Some(path) => open_path(path)?,
        };
        let (stop, meter) = (stop.clone(), meter.clone());
        let at_opening = match &handle {
            Handle::File(file) if !live => Some(Arc::new(AtOpening::of(file, &stop, &meter)?)),
            _ => None,
        };
        let left = match (&handle, &input.member) {
            (Handle::File(file), Some(member)) => {
                (&*file).seek(SeekFrom::Start(member.packed.at))?;
                if let Some(file) = &at_opening {
                    file.is_scattered();
                }
                member.packed.stored
            }
            _ => u64::MAX,
        };
        Ok(Self {
            handle,
            live,
            stop,
            cut: Interrupted::default(),
            ended: left == 0,
            meter,
            at_opening,
            left,
            counted: false,
        })
    }

    /// An object, or the file that it was copied to, since what it is needs one.
    fn remote(mut remote: Remote, stop: &Stop, meter: &Arc<Meter>) -> io::Result<Self> {
        let copied = if remote.needs_file() {
            Some(remote.copied(stop, &|bytes| meter.consume(bytes))?)
        } else {
            None
        };
        let (cut, counted) = (Interrupted::default(), copied.is_some());
        let ended = counted && stop.is_set();
        cut.0.store(ended, Ordering::SeqCst);
        Ok(Self {
            handle: copied.map_or(Handle::Remote(remote), Handle::File),
            live: false,
            stop: stop.clone(),
            cut,
            ended,
            left: u64::MAX,
            meter: meter.clone(),
            at_opening: None,
            counted,
        })
    }

    /// Whether it is a copy of an object.
    pub(super) fn is_copy(&self) -> bool {
        self.counted
    }

    /// Its bytes by their places.
    pub(super) fn body(&self) -> io::Result<Option<Body>> {
        match &self.handle {
            Handle::Remote(remote) => Ok(Some(remote.body(&self.stop))),
            _ => Ok(self.file().map(File::try_clone).transpose()?.map(Body::File)),
        }
    }

    /// Who reads it once more from its beginning.
    pub(super) fn again(&self) -> io::Result<Option<Again>> {
        match &self.handle {
            Handle::Remote(remote) => Ok(Some(Again::Remote(remote.again(), self.stop.clone()))),
            _ => Ok(self.file().map(File::try_clone).transpose()?.map(Again::File)),
        }
    }

    /// The file as it was, where it is one that can be read again.
    pub(super) fn at_opening(&self) -> Option<Arc<AtOpening>> {
        self.at_opening.clone()
    }

    /// Whether it can not be read again.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    pub(super) fn cut(&self) -> Interrupted {
        self.cut.clone()
    }

    /// The file, where it is one that can be read at any place.
    pub(super) fn file(&self) -> Option<&File> {
        match &self.handle {
            Handle::File(file) if !self.live => Some(file),
            _ => None,
        }
    }

    /// Waits until there are bytes to read; `false` where the stop is set before.
    fn wait(&self) -> io::Result<bool> {
        let Some(fd) = self.handle.fd() else { return Ok(true) };
        let wake = self.stop.wake();
        loop {
            let mut fds = [PollFd::new(&wake, PollFlags::IN), PollFd::new(&fd, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [stop, bytes] = fds.map(|fd| !fd.revents().is_empty());
            if stop || self.stop.is_set() {
                return Ok(false);
            }
            if bytes {
                return Ok(true);
            }
        }
    }
}

/// Who reads an input once more from its beginning.
pub(super) enum Again {
    File(File),
    Remote(Remote, Stop),
}

impl Again {
    /// Whether parts of it can be read without the others.
    pub(super) fn has_parts(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Remote(remote, _) => remote.has_parts(),
        }
    }
}

impl Read for Again {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Remote(remote, stop) => remote.read(buffer, stop),
        }
    }
}

fn open_path(path: &Path) -> io::Result<(Handle, bool)> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if kind.is_file() {
        return Ok((Handle::File(File::open(path)?), false));
    }
    // A named pipe would keep us waiting here until somebody opens its other end, deaf to a stop.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    Ok((Handle::File(file), true))
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let wanted = if self.live { self.wait()? } else { !self.stop.is_set() };
            if !wanted {
                self.cut.0.store(true, Ordering::SeqCst);
                self.ended = true;
                return Ok(0);
            }
            let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
            match self.handle.read(buffer.get_mut(..most).unwrap_or_default(), &self.stop) {
                // Nothing came since the wait for it was given up.
                Ok(0) if matches!(self.handle, Handle::Remote(_)) && self.stop.is_set() => {}
                Ok(count) => {
                    self.left -= count as u64;
                    self.ended = count == 0 || self.left == 0;
                    match &self.at_opening {
                        Some(file) if self.ended => file.ended(),
                        Some(file) => file.passed(buffer.get(..count).unwrap_or_default()),
                        None => {}
                    }
                    if !self.counted {
                        self.meter.consume(count as u64);
                    }
                    return Ok(count);
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
    }
}
