//! Who is told of a run while it goes on: a file of metrics, whoever asks over HTTP, a URL.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::plan::TelemetryPlan;
use crate::dlq::depth::Depth;
use crate::error::Result;
use crate::port::Observer;
use crate::settings::EngineSettings;
use crate::source::Meter;
use crate::telemetry::http::{EngineView, Feedback, Listener, LiveRun, Service};
use crate::telemetry::metrics::{Depths, Exposition, RunIdentity, Textfile};
use crate::telemetry::result::RunFacts;
use crate::telemetry::run_counters::RunCounters;

/// Who is told of a run; nothing where nobody asks.
pub struct RunMetrics(Option<Asked>);

struct Asked {
    coord_id: Option<String>,
    exposition: Arc<Exposition>,
    live: Arc<LiveRun>,
    depths: Depths,
    textfile: Option<Textfile>,
    service: Option<Service>,
}

impl RunMetrics {
    /// Of a run that starts now. `dataset` is what is known of the data before it is looked at.
    /// A file that cannot be written and a port that is taken are found here, before anything else is
    /// touched.
    pub fn start(
        plan: &TelemetryPlan,
        command: &str,
        dataset: Option<&str>,
        caller: &Caller,
    ) -> Result<Self> {
        let listen = |address: &String| Listener::bind(address, plan.token.clone(), plan.public);
        let listener = plan.listen.as_ref().map(listen).transpose()?;
        let feedback =
            plan.feedback.as_ref().map(|(url, patience)| Feedback::new(url, *patience)).transpose()?;
        if listener.is_none() && feedback.is_none() && plan.textfile.is_none() {
            return Ok(Self(None));
        }
        // An empty label is none to Prometheus.
        let given = plan.coord_id.clone().filter(|name| !name.is_empty());
        let coord_id = given.as_deref().or(dataset).unwrap_or("unknown").to_owned();
        let run = RunIdentity {
            command: command.to_owned(),
            run_id: caller.run_id.to_string(),
            coord_id: coord_id.clone(),
        };
        let known = RunFacts {
            run_id: run.run_id.clone(),
            command: run.command.clone(),
            dataset: dataset.map(str::to_owned),
            ..RunFacts::default()
        };
        let exposition = Arc::new(Exposition::new(run)?);
        let live = Arc::new(LiveRun::new(exposition.clone(), &coord_id, known));
        let depths = Depths::start(&exposition)?;
        let textfile =
            plan.textfile.as_ref().map(|path| Textfile::start(path, exposition.clone())).transpose()?;
        if let Some(listener) = &listener {
            let where_to_ask = format!("listening on {}", listener.url());
            match listener.found {
                // The port that was found is known to nobody else.
                true => caller.listener.say(&where_to_ask),
                false => caller.listener.note(&where_to_ask),
            }
        }
        let service = match listener.is_some() || feedback.is_some() {
            true => Some(Service::start(live.clone(), listener, feedback)?),
            false => None,
        };
        Ok(Self(Some(Asked { coord_id: given, exposition, live, depths, textfile, service })))
    }

    /// Of a run that nobody is to see.
    pub fn none() -> Self {
        Self(None)
    }

    /// So much is known before an engine runs.
    pub fn know(&self, facts: impl FnOnce() -> RunFacts) {
        if let Some(asked) = &self.0 {
            asked.live.know(facts());
        }
    }

    /// The store has been reached.
    pub fn reached(&self) {
        if let Some(asked) = &self.0 {
            asked.live.reached();
        }
    }

    /// Who records the engine that writes `dataset` to the store `sink`, to be told of its events after
    /// `tally`. `facts` is what else is known of it at any time.
    pub fn observers(
        &self,
        dataset: &str,
        sink: &str,
        settings: &EngineSettings,
        meter: &Arc<Meter>,
        tally: &Arc<RunCounters>,
        facts: impl Fn() -> RunFacts + Send + Sync + 'static,
    ) -> Result<Vec<Arc<dyn Observer>>> {
        let Some(asked) = &self.0 else { return Ok(Vec::new()) };
        let coord_id = asked.coord_id.as_deref().unwrap_or(dataset);
        let meter = meter.clone();
        let bytes_read = move || meter.consumed.load(Ordering::Relaxed);
        let metrics = asked.exposition.engine(coord_id, sink, settings, bytes_read)?;
        let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::new(metrics)];
        if asked.service.is_some() {
            let (tally, facts) = (tally.clone(), Arc::new(facts));
            observers.push(asked.live.engine(EngineView { coord_id: coord_id.into(), tally, facts }));
        }
        Ok(observers)
    }

    /// What fails goes to that queue, whose depth is told from now on.
    pub fn queue(&self, dataset: &str, live: &Path) {
        if let Some(asked) = &self.0 {
            asked.depths.add(asked.coord_id.as_deref().unwrap_or(dataset), Depth::of(live));
        }
    }

    /// The run has ended in that way. That its metrics can not be written any more is said, and
    /// changes nothing about it.
    pub fn finish(self, exit: Exit) {
        let Some(asked) = self.0 else { return };
        asked.depths.finish();
        if let Some(textfile) = asked.textfile
            && let Err(error) = textfile.finish(exit as u8)
        {
            tracing::warn!("the metrics of this run are not complete: {error}");
        }
        asked.live.end(exit as u8);
        drop(asked.service);
    }
}
