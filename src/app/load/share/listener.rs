//! What is told of the parts of a job: once, although each of them is a load of its own.

use std::any::Any;
use std::collections::HashSet;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::caller::{Flow, Listener, RunReport};
use crate::error::Result;

/// Passes on what is told of a part.
pub(super) struct PartListener {
    listener: Arc<dyn Listener>,
    job: String,
    parts: usize,
    told: Mutex<HashSet<String>>,
}

impl PartListener {
    /// To that listener, of that job.
    pub(super) fn new(listener: Arc<dyn Listener>, job: &str, parts: usize) -> Self {
        Self { listener, job: job.to_owned(), parts, told: Mutex::default() }
    }

    fn is_new(&self, text: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned())
    }
}

impl Listener for PartListener {
    fn note(&self, text: &str) {
        if self.is_new(text) {
            self.listener.note(text);
        }
    }

    fn say(&self, text: &str) {
        if self.is_new(text) {
            self.listener.say(text);
        }
    }

    fn progress(&self, of: Flow) -> Option<Box<dyn Any + Send>> {
        let title = format!("{} (a part of {} of job {})", of.title, self.parts, self.job);
        self.listener.progress(Flow { title, ..of })
    }

    /// The loader has a result of its own.
    fn ended(&self, _: &RunReport) -> Result<()> {
        Ok(())
    }

    fn typed(&self) -> Option<Vec<OsString>> {
        self.listener.typed()
    }

    fn worded(&self, error: String) -> String {
        self.listener.worded(error)
    }
}
