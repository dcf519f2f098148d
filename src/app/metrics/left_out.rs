//! A program that was built without telemetry tells nobody of a run while it goes on.

use std::path::Path;
use std::sync::Arc;

use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::plan::TelemetryPlan;
use crate::error::{Error, Result, left_out};
use crate::port::Observer;
use crate::settings::EngineSettings;
use crate::source::Meter;
use crate::telemetry::result::RunFacts;
use crate::telemetry::run_counters::RunCounters;
use crate::text::flags::{FEEDBACK_URL, METRICS_LISTEN, METRICS_TEXTFILE};

/// Who is told of a run: nobody.
pub struct RunMetrics;

impl RunMetrics {
    /// Of a run that starts now.
    ///
    /// # Errors
    /// Usage, where anybody asks.
    pub fn start(plan: &TelemetryPlan, _: &str, _: Option<&str>, _: &Caller) -> Result<Self> {
        let asked = [
            (plan.listen.is_some(), METRICS_LISTEN),
            (plan.textfile.is_some(), METRICS_TEXTFILE),
            (plan.feedback.is_some(), FEEDBACK_URL),
        ];
        match asked.iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(Error::usage(left_out("telemetry", "telemetry")).at(flag)),
            None => Ok(Self),
        }
    }

    /// Of a run that nobody is to see.
    pub fn none() -> Self {
        Self
    }

    /// Tells nobody.
    pub fn know(&self, _: impl FnOnce() -> RunFacts) {}

    /// Tells nobody.
    pub fn reached(&self) {}

    /// None.
    ///
    /// # Errors
    /// None.
    pub fn observers(
        &self,
        _: &str,
        _: &str,
        _: &EngineSettings,
        _: &Arc<Meter>,
        _: &Arc<RunCounters>,
        _: impl Fn() -> RunFacts + Send + Sync + 'static,
    ) -> Result<Vec<Arc<dyn Observer>>> {
        Ok(Vec::new())
    }

    /// Tells nobody.
    pub fn queue(&self, _: &str, _: &Path) {}

    /// Tells nobody.
    pub fn finish(self, _: Exit) {}
}
