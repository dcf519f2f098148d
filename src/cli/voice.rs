//! What is said on the two streams, in one place: nothing of a name or a value acts on a terminal, and
//! `--log-format json` holds for every line of stderr.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::args::{GlobalArgs, LogFormat};
use crate::error::{Error, Result};
use crate::report::lines::record;
use crate::report::shared_stderr::SharedStderr;
use crate::report::style::{Ink, Style};
use crate::telemetry::result::RunResult;
use crate::text::phrases::before_usage;
use crate::text::visible::{Shown, painted, visible};

/// Whether stderr takes JSON alone.
static JSON: AtomicBool = AtomicBool::new(false);

/// Lines are of that form from now on, that of a panic among them.
pub fn speak(format: LogFormat) {
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    if format == LogFormat::Json {
        std::panic::set_hook(Box::new(|panic| {
            let said = panic.payload().downcast_ref::<&str>().copied();
            let what = said.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str));
            let what = what.unwrap_or("without a word");
            let place = panic.location().map_or(String::new(), |place| format!(" at {place}"));
            tell(&format!("error: the program panicked{place}: {what}"));
        }));
    }
}

/// Whether they are objects.
pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// A line on stderr; if nobody reads stderr, nobody is told. One that begins with `error:` or `warning:`
/// is one.
pub fn tell(text: &str) {
    say(&SharedStderr::default(), text);
}

/// A line on stderr that `--quiet` leaves out.
pub fn note(global: &GlobalArgs, text: &str) {
    if !global.quiet {
        tell(text);
    }
}

/// Tells a line on stderr where a live display may be on the screen: it is taken away for that line.
pub fn say(screen: &SharedStderr, text: &str) {
    let line = match is_json() {
        true => record(text, None),
        false => visible(text).into_owned(),
    };
    let _ = writeln!(screen.line(), "{line}");
}

/// An error, in its colour.
pub fn complain(text: &str, style: Style) {
    match is_json() {
        true => tell(&format!("error: {text}")),
        false => {
            let line = format!("{} {}", style.paint(Ink::Bad, "error:"), visible(text));
            let _ = writeln!(SharedStderr::default().line(), "{line}");
        }
    }
}

/// What clap says of a command line, which takes several lines.
pub fn misused(error: &clap::Error, style: Style) {
    let text = error.render().to_string();
    if is_json() {
        return tell(&format!("error: {}", before_usage(&text)));
    }
    for (place, line) in text.lines().enumerate() {
        match line.strip_prefix("error: ").filter(|_| place == 0) {
            Some(what) => complain(what, style),
            None => tell(line),
        }
    }
}

/// The lines that close a run; for programs its first one, with the result beside it.
pub fn close(screen: &SharedStderr, summary: &str, result: &RunResult) {
    match is_json() {
        true => {
            let head = summary.lines().next().unwrap_or_default();
            let _ = writeln!(screen.line(), "{}", record(head, serde_json::to_value(result).ok()));
        }
        false => {
            let _ = writeln!(screen.line(), "{}", summary.trim_end_matches('\n'));
        }
    }
}

/// Lines on stdout. A reader that has gone away has read enough; any other failure is one.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let text = if stdout.is_terminal() { painted(text) } else { text.into() };
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::internal(format!("the result cannot be written to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// stdout, for rows as they are; on a terminal with what is active in them shown.
pub fn rows() -> BufWriter<Box<dyn Write + Send>> {
    let stdout = io::stdout();
    let out: Box<dyn Write + Send> =
        if stdout.is_terminal() { Box::new(Shown::new(stdout)) } else { Box::new(stdout) };
    BufWriter::with_capacity(1 << 16, out)
}
