//! `--metrics-textfile`: the metrics of a run, where they are asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use crate::cli::args::EngineArgs;
use crate::cli::exit::Exit;
use crate::error::Result;
use crate::observe::metrics::{Exposition, RunIdentity, Textfile};
use crate::port::Observer;
use crate::settings::EngineSettings;
use crate::source::Meter;

/// The metrics of a run; nothing where nobody asks for any.
pub struct RunMetrics(Option<Asked>);

struct Asked {
    coord_id: Option<String>,
    exposition: Arc<Exposition>,
    textfile: Textfile,
}

impl RunMetrics {
    /// Of a run that starts now. `coord_id` is what is known of the data before it is looked at.
    /// A file that cannot be written is found here, before anything else is touched.
    pub fn start(args: &EngineArgs, command: &str, run_id: Uuid, coord_id: Option<&str>) -> Result<Self> {
        let Some(path) = &args.metrics_textfile else { return Ok(Self(None)) };
        // An empty label is none to Prometheus.
        let given = args.coord_id.clone().filter(|name| !name.is_empty());
        let run = RunIdentity {
            command: command.to_owned(),
            run_id: run_id.to_string(),
            coord_id: given.as_deref().or(coord_id).unwrap_or("unknown").to_owned(),
        };
        let exposition = Arc::new(Exposition::new(run)?);
        let textfile = Textfile::start(path, exposition.clone())?;
        Ok(Self(Some(Asked { coord_id: given, exposition, textfile })))
    }

    /// Of a run that nobody is to see.
    pub fn none() -> Self {
        Self(None)
    }

    /// Who records the engine that writes `dataset` to the store `sink`.
    pub fn observer(
        &self,
        dataset: &str,
        sink: &str,
        settings: &EngineSettings,
        meter: &Arc<Meter>,
    ) -> Result<Option<Arc<dyn Observer>>> {
        let Some(asked) = &self.0 else { return Ok(None) };
        let coord_id = asked.coord_id.as_deref().unwrap_or(dataset);
        let meter = meter.clone();
        let bytes_read = move || meter.consumed.load(Ordering::Relaxed);
        let metrics = asked.exposition.engine(coord_id, sink, settings, bytes_read)?;
        Ok(Some(Arc::new(metrics)))
    }

    /// The run has ended in that way. That its metrics can not be written any more is said, and
    /// changes nothing about it.
    pub fn finish(self, done: &Result<Exit>) {
        let Some(asked) = self.0 else { return };
        let exit = match done {
            Ok(exit) => *exit,
            Err(error) => Exit::from(error),
        };
        if let Err(error) = asked.textfile.finish(exit as u8) {
            tracing::warn!("the metrics of this run are not complete: {error}");
        }
    }
}
