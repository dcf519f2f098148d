//! Who calls a use case: what it is told meanwhile, and how it asks for an end.

use std::any::Any;
use std::ffi::OsString;
use std::sync::Arc;

use uuid::Uuid;

use crate::app::exit::Exit;
use crate::app::interrupts::Interrupts;
use crate::error::Result;

// What is told.
pub use crate::report::display::InputGauge;
pub use crate::report::summary::Extras;
pub use crate::telemetry::result::RunResult;
pub use crate::telemetry::run_counters::RunCounters;

/// Is told what happens. All of it may be passed over.
pub trait Listener: Send + Sync {
    /// What is good to know: a sentence.
    fn note(&self, text: &str) {
        let _ = text;
    }

    /// What needs a look: a sentence that begins with `warning:` or `error:`.
    fn say(&self, text: &str) {
        let _ = text;
    }

    /// Rows begin to flow. What is returned is dropped when they have ended.
    fn progress(&self, of: Flow) -> Option<Box<dyn Any + Send>> {
        drop(of);
        None
    }

    /// A run has ended; a replay has several.
    ///
    /// # Errors
    /// Where it could not be passed on, although that was asked for.
    fn ended(&self, report: &RunReport) -> Result<()> {
        let _ = report;
        Ok(())
    }

    /// The command that this is, word by word, without the name of the program: where one is to be told that loads
    /// what this one does not.
    fn typed(&self) -> Option<Vec<OsString>> {
        None
    }

    /// An error that says what to add, in the words of whoever is to add it.
    fn worded(&self, error: String) -> String {
        error
    }
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Listener for Silent {}

/// Rows on their way.
pub struct Flow {
    /// What is done with them.
    pub title: String,
    /// What became of them so far.
    pub counters: Arc<RunCounters>,
    /// How far the inputs are read.
    pub gauge: Box<dyn Fn() -> InputGauge + Send>,
}

/// How a run ended.
#[derive(Clone)]
pub struct RunReport {
    /// In one word.
    pub exit: Exit,
    /// In numbers.
    pub result: RunResult,
    /// What a summary for people says beside; nothing where there is nothing to sum up.
    pub extras: Option<Extras>,
    /// What went wrong, a sentence each, apart from rows that failed.
    pub errors: Vec<String>,
}

/// Who calls a use case.
#[derive(Clone)]
pub struct Caller {
    /// The id of the run.
    pub run_id: Uuid,
    /// Who is told what happens.
    pub listener: Arc<dyn Listener>,
    /// What asks for an end.
    pub interrupts: Interrupts,
}

impl Default for Caller {
    /// A caller that reads the report at the end.
    fn default() -> Self {
        Self { run_id: Uuid::now_v7(), listener: Arc::new(Silent), interrupts: Interrupts::none() }
    }
}
