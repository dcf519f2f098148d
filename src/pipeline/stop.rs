//! The wish to stop reading, seen by threads that wait for bytes too.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A wish to stop reading. Clones share it; it cannot be taken back.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    set: AtomicBool,
    /// Readable once the stop is set, for ever: nobody reads it.
    wake: PipeReader,
    waker: PipeWriter,
}

impl Stop {
    /// A stop that is not set.
    ///
    /// # Errors
    /// Where the process has no file handles left.
    pub fn new() -> io::Result<Self> {
        let (wake, waker) = io::pipe()?;
        Ok(Self(Arc::new(Shared { set: AtomicBool::new(false), wake, waker })))
    }

    /// Sets it. From now on no byte of standard input is consumed.
    pub fn set(&self) {
        if !self.0.set.swap(true, Ordering::SeqCst) {
            // A pipe that has never been written to takes a byte.
            let _ = (&self.0.waker).write(&[1]);
        }
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::SeqCst)
    }

    /// Readable once the stop is set.
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}
