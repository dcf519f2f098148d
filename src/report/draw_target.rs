//! The terminal as indicatif draws on it, with real line ends.
//!
//! indicatif fills each line with blanks and counts on the terminal to wrap. After a resize, a
//! terminal joins such lines again, and wide characters wrap too early. So what it draws is
//! collected here, lines end where it means them to end, nothing wraps, and a frame is one write.

use std::fmt::Debug;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;
use unicode_width::UnicodeWidthChar as _;

/// A size that a [`DrawTarget`] and who lays out its frames share.
#[derive(Debug)]
pub(super) struct Size {
    columns: AtomicU16,
    rows: AtomicU16,
}

impl Size {
    pub(super) fn new(columns: u16, rows: u16) -> Arc<Self> {
        Arc::new(Self { columns: AtomicU16::new(columns), rows: AtomicU16::new(rows) })
    }

    pub(super) fn set(&self, columns: u16, rows: u16) {
        self.columns.store(columns, Relaxed);
        self.rows.store(rows, Relaxed);
    }
}

/// A drawing surface for indicatif on top of a stream of bytes.
pub(super) struct DrawTarget<W> {
    size: Arc<Size>,
    state: Mutex<DrawState<W>>,
}

struct DrawState<W> {
    out: W,
    frame: String,
    /// Characters written since the line began, blanks included that were not sent.
    column: usize,
    /// Characters in each line of the frame under way, without the filling at its end.
    lines: Vec<usize>,
    /// Characters in each line of the frame on the screen, and the columns the screen had then.
    shown: Vec<usize>,
    shown_columns: u16,
    /// The stream was closed; nothing more is sent.
    dead: bool,
}

impl<W> Debug for DrawTarget<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Canvas({:?})", self.size)
    }
}

impl<W: Write + Send> DrawTarget<W> {
    pub(super) fn new(out: W, size: Arc<Size>) -> Self {
        let shown_columns = size.columns.load(Relaxed);
        let state = DrawState {
            out,
            frame: String::new(),
            column: 0,
            lines: Vec::new(),
            shown: Vec::new(),
            shown_columns,
            dead: false,
        };
        Self { size, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, DrawState<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn escape(&self, n: usize, letter: char) -> io::Result<()> {
        if n > 0 {
            self.state().frame.push_str(&format!("\x1b[{n}{letter}"));
        }
        Ok(())
    }
}

impl<W: Write + Send> TermLike for DrawTarget<W> {
    fn width(&self) -> u16 {
        self.size.columns.load(Relaxed).max(1)
    }

    fn height(&self) -> u16 {
        self.size.rows.load(Relaxed).max(1)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        // The first movement of a frame starts from the end of the last one.
        self.state().unfold(self.width());
        self.escape(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.escape(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.escape(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.escape(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        let mut state = self.state();
        state.frame.push_str("\r\n");
        state.column = 0;
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let width = usize::from(self.width());
        self.state().write(text, width);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        let mut state = self.state();
        state.frame.push_str("\r\x1b[2K");
        state.column = 0;
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let width = self.width();
        self.state().send(width);
        Ok(())
    }
}

impl<W: Write> DrawState<W> {
    fn write(&mut self, text: &str, width: usize) {
        if text == "\r" {
            self.frame.push('\r');
            self.column = 0;
            return;
        }
        if text.is_empty() {
            return;
        }
        if self.column >= width {
            self.frame.push_str("\r\n");
            self.column = 0;
        }
        if self.column == 0 {
            self.lines.push(0);
            // Not at the end of the line, where it could take the last character of a full one.
            self.frame.push_str("\x1b[K");
        }
        let length = printed(text);
        self.column += length;
        if text.bytes().any(|byte| byte != b' ') {
            self.frame.push_str(text);
            if let Some(line) = self.lines.last_mut() {
                *line = self.column;
            }
        }
    }

    /// A terminal that became narrower has broken the lines of the frame that it shows. Goes back
    /// over what they take now, so that the next frame starts where this one did.
    fn unfold(&mut self, width: u16) {
        let narrower = width < self.shown_columns;
        let shown = std::mem::take(&mut self.shown);
        if !narrower || shown.is_empty() {
            return;
        }
        let width = usize::from(width.max(1));
        let taken: usize = shown.iter().map(|length| length.div_ceil(width).max(1)).sum();
        if taken > shown.len() {
            self.frame.push_str(&format!("\x1b[{}A\r\x1b[J", taken - 1));
            self.frame.push_str(&"\n".repeat(shown.len() - 1));
        }
    }

    fn send(&mut self, width: u16) {
        let frame = std::mem::take(&mut self.frame);
        self.shown = std::mem::take(&mut self.lines);
        self.shown_columns = width;
        self.column = 0;
        if self.dead || frame.is_empty() {
            return;
        }
        // Without automatic wrapping a character that is wider than it was counted is cut at the
        // edge instead of breaking the block.
        let framed = format!("\x1b[?7l{frame}\x1b[?7h");
        self.dead = self.out.write_all(framed.as_bytes()).and_then(|()| self.out.flush()).is_err();
    }
}

/// Columns that a text takes, colour sequences left out.
fn printed(text: &str) -> usize {
    let mut columns = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            columns += c.width().unwrap_or(0);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    fn bar(out: impl Write + Send + 'static, size: &Arc<Size>) -> ProgressBar {
        let target = ProgressDrawTarget::term_like(Box::new(DrawTarget::new(out, size.clone())));
        ProgressBar::with_draw_target(None, target).with_style(ProgressStyle::with_template("{msg}").unwrap())
    }

    #[test]
    fn lines_end_where_they_end_and_nothing_is_left() {
        let (out, size) = (Shared::default(), Size::new(10, 5));
        let bar = bar(out.clone(), &size);
        bar.set_message("one\n\x1b[1mtwo\x1b[0m\n1234567890\nend");
        assert_eq!(
            out.take(),
            "\x1b[?7l\x1b[Kone\r\n\x1b[K\x1b[1mtwo\x1b[0m\r\n\x1b[K1234567890\r\n\x1b[Kend\x1b[?7h"
        );
        bar.finish_and_clear();
        let cleared = out.take();
        assert!(cleared.starts_with("\x1b[?7l\x1b[3A\r\x1b[2K\x1b[1B"), "{cleared:?}");
        assert!(cleared.ends_with("\r\x1b[2K\x1b[3A\x1b[?7h"), "{cleared:?}");
        assert_eq!(cleared.matches("\x1b[2K").count(), 4);
    }

    #[test]
    fn a_narrower_terminal_is_cleared_of_what_it_broke() {
        let (out, size) = (Shared::default(), Size::new(10, 5));
        let bar = bar(out.clone(), &size);
        bar.set_message("12345678\n123\n123456");
        out.take();
        size.set(5, 5);
        bar.set_message("1");
        assert!(out.take().starts_with("\x1b[?7l\x1b[4A\r\x1b[J\n\n\x1b[2A"), "lines took 5 rows");
    }

    #[test]
    fn a_closed_stream_is_no_fault() {
        struct Closed(Arc<Mutex<u32>>);
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                *self.0.lock().unwrap() += 1;
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let tries = Arc::new(Mutex::new(0));
        let bar = bar(Closed(tries.clone()), &Size::new(10, 5));
        for _ in 0..3 {
            bar.set_message("x");
        }
        bar.finish_and_clear();
        assert_eq!(*tries.lock().unwrap(), 1);
    }
}
