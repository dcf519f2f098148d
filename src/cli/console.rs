//! What a use case tells, on the two streams.

use std::any::Any;
use std::ffi::OsString;

use crate::app::caller::{Flow, Listener, RunReport};
use crate::app::exit::Exit;
use crate::app::paste;
use crate::cli::args::GlobalArgs;
use crate::cli::typed::Typed;
use crate::cli::voice::{self, say};
use crate::cli::{print, style};
use crate::error::Result;
use crate::report::progress::{Choice, Mode, Progress};
use crate::report::shared_stderr::SharedStderr;
use crate::report::style::ColorChoice;
use crate::report::{preview, summary};

/// Prints it, as the flags say.
pub struct Console {
    screen: SharedStderr,
    quiet: bool,
    /// Whether the result of each run is printed for programs.
    json: bool,
    color: ColorChoice,
    progress: Choice,
}

impl Console {
    /// On that screen; `parts`: of a command of several runs, which has a result of its own.
    pub fn new(global: &GlobalArgs, screen: &SharedStderr, parts: bool) -> Self {
        let GlobalArgs { quiet, json, color, progress, .. } = *global;
        Self { screen: screen.clone(), quiet, json: json && !parts, color, progress }
    }

    fn choice(&self) -> Choice {
        match self.progress {
            Choice::Auto if self.quiet => Choice::None,
            Choice::Auto | Choice::Bar | Choice::Plain if voice::is_json() => Choice::Json,
            as_it_is => as_it_is,
        }
    }
}

impl Listener for Console {
    fn note(&self, text: &str) {
        if !self.quiet {
            say(&self.screen, text);
        }
    }

    fn say(&self, text: &str) {
        say(&self.screen, text);
    }

    fn progress(&self, of: Flow) -> Option<Box<dyn Any + Send>> {
        let mode = Mode::for_stderr(self.choice());
        let Flow { title, counters, gauge } = of;
        Some(Box::new(Progress::start(mode, style(self.color), &self.screen, title, counters, gauge)))
    }

    fn ended(&self, report: &RunReport) -> Result<()> {
        if self.json {
            print(&(report.result.to_json() + "\n"))?;
        }
        if let Some(extras) = report.extras.as_ref().filter(|_| !self.quiet) {
            let text = summary::render(&report.result, extras, style(self.color));
            voice::close(&self.screen, &text, &report.result);
        }
        let refused = report.result.preview.as_ref().filter(|_| report.exit == Exit::Usage);
        let shown = refused.filter(|_| !self.quiet && !voice::is_json());
        if let Some(preview) = shown {
            let text = preview::refused(preview, style(self.color));
            let _ = std::io::Write::write_all(&mut self.screen.line(), text.as_bytes());
        }
        let command = refused.filter(|_| shown.is_none()).and_then(|preview| preview.command.as_deref());
        for error in &report.errors {
            let error = command.map_or(error.clone(), |line| paste::with_command(error.clone(), line));
            self.say(&format!("error: {error}"));
        }
        Ok(())
    }

    fn typed(&self) -> Option<Vec<OsString>> {
        Some(std::env::args_os().skip(1).collect())
    }

    fn worded(&self, error: String) -> String {
        paste::with_words(error, Typed::read().words())
    }
}
