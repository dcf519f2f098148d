//! A stream of quotes that goes on until the test has seen what it waits for.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::Run;
use super::quotes::Quotes;
use super::run::Running;
use crate::generator::write::Format;

/// Rows that are written at once.
const PIECE: u64 = 25;

/// A thread that writes rows into a pipe as fast as they are taken out.
pub struct Feed {
    /// Our own end, to see what the program has left in the pipe.
    ours: PipeReader,
    end: Arc<AtomicBool>,
    thread: JoinHandle<Given>,
}

/// What was written.
struct Given {
    quotes: Quotes,
    bytes: u64,
    /// Bytes up to the end of each row.
    ends: Vec<u64>,
}

/// What the program has taken of a stream.
pub struct Taken {
    /// The rows that were written, and more.
    pub quotes: Quotes,
    /// Rows taken to their last byte.
    pub rows: u64,
    /// Whether it has taken some bytes of the row after them.
    pub torn: bool,
}

impl Feed {
    /// Begins to write; the reader is the program's standard input.
    pub fn start(quotes: Quotes, format: Format) -> (Self, PipeReader) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let ours = reader.try_clone().expect("a pipe");
        let end = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let end = end.clone();
            move || write(quotes, format, writer, &end)
        });
        (Self { ours, end, thread }, reader)
    }

    /// Ends the stream, and waits until the program has ended.
    pub fn finish(self, running: Running) -> (Run, Quotes) {
        self.end.store(true, Ordering::Relaxed);
        // Should the program be gone, the thread finds nobody who reads.
        drop(self.ours);
        let run = running.finish();
        (run, self.thread.join().expect("the feeder").quotes)
    }

    /// Waits until the program has ended, while the stream goes on.
    pub fn outlive(mut self, running: Running) -> (Run, Taken) {
        let run = running.finish();
        self.end.store(true, Ordering::Relaxed);
        // Whatever the thread still writes goes to us.
        let mut left = Vec::new();
        self.ours.read_to_end(&mut left).expect("the pipe");
        let Given { quotes, bytes, ends } = self.thread.join().expect("the feeder");
        let consumed = bytes - left.len() as u64;
        let rows = ends.partition_point(|end| *end <= consumed);
        let torn = rows.checked_sub(1).map_or(0, |last| ends[last]) < consumed;
        (run, Taken { quotes, rows: rows as u64, torn })
    }
}

fn write(mut quotes: Quotes, format: Format, mut pipe: PipeWriter, end: &AtomicBool) -> Given {
    let (mut bytes, mut ends) = (0, Vec::new());
    let mut text = Quotes::header(format).to_string();
    loop {
        for _ in 0..PIECE {
            quotes.line(format, &mut text);
            ends.push(bytes + text.len() as u64);
        }
        // Nobody reads any more where the program has ended; what it has said tells why.
        if pipe.write_all(text.as_bytes()).is_err() || end.load(Ordering::Relaxed) {
            bytes += text.len() as u64;
            return Given { quotes, bytes, ends };
        }
        bytes += text.len() as u64;
        text.clear();
    }
}
