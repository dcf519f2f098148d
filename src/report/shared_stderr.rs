//! stderr, shared by the display that redraws a block there and by everything else that writes
//! lines: the log, warnings, errors.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;

use crate::text::visible::painted;

/// The one way to stderr while a display may be running; clones share it.
#[derive(Debug, Clone, Default)]
pub struct SharedStderr {
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

thread_local! {
    /// Whether this thread has taken the block away already, further up its stack.
    static SUSPENDED: Cell<bool> = const { Cell::new(false) };
}

impl SharedStderr {
    /// Takes the block away while `f` writes to stderr, and draws it again after. Without a block
    /// it just runs `f`. Keep `f` short: the display waits for it.
    pub fn suspend<R>(&self, f: impl FnOnce() -> R) -> R {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            Some(bar) if !SUSPENDED.get() => bar.suspend(|| {
                let _restore = Restore::set();
                f()
            }),
            _ => f(),
        }
    }

    /// A writer that collects bytes and writes them to stderr when it is flushed or dropped,
    /// without tearing the block. Suits a log's `with_writer(move || screen.line())`.
    pub fn line(&self) -> Line {
        Line { screen: self.clone(), bytes: Vec::new() }
    }

    /// Puts a block there.
    pub(super) fn show(&self, bar: ProgressBar) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    /// Clears the block for good.
    pub(super) fn clear(&self) {
        // Cleared first and forgotten after: a line in between finds an empty block, not a torn one.
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

struct Restore;

impl Restore {
    fn set() -> Self {
        SUSPENDED.set(true);
        Self
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        SUSPENDED.set(false);
    }
}

/// A writer of whole lines to stderr; see [`SharedStderr::line`].
#[derive(Debug)]
pub struct Line {
    screen: SharedStderr,
    bytes: Vec<u8>,
}

/// More than this is written before its end is known.
const MOST_BYTES: usize = 1 << 20;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > MOST_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.bytes);
        // Whatever a message quotes, it moves no cursor.
        let text = String::from_utf8_lossy(&bytes);
        self.screen.suspend(|| io::stderr().lock().write_all(painted(&text).as_bytes()))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A closed stderr must not end a load.
        let _ = self.flush();
    }
}
