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

use crate::pipeline::Stop;
use crate::source::changed::AtOpening;
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
}

/// Whether the reading ended by a stop rather than at the end of the input. Kept apart from the
/// reader, which a decompressor may have swallowed by then.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    pub(super) fn is_cut(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

enum Handle {
    Stdin(io::Stdin),
    File(File),
}

impl Handle {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdin(stdin) => stdin.as_fd(),
            Self::File(file) => file.as_fd(),
        }
    }
}

impl Stored {
    pub(super) fn open(input: &Input, stop: &Stop, meter: &Arc<Meter>) -> io::Result<Self> {
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
        })
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
        let fd = self.handle.fd();
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
            match rustix::io::read(self.handle.fd(), buffer.get_mut(..most).unwrap_or_default()) {
                Ok(count) => {
                    self.left -= count as u64;
                    self.ended = count == 0 || self.left == 0;
                    match &self.at_opening {
                        Some(file) if self.ended => file.ended(),
                        Some(file) => file.passed(buffer.get(..count).unwrap_or_default()),
                        None => {}
                    }
                    self.meter.consume(count as u64);
                    return Ok(count);
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => {
                    self.ended = true;
                    return Err(error.into());
                }
            }
        }
    }
}
