//! What a loader tells at its end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Loader;
use crate::app::caller::RunReport;
use crate::app::exit::Exit;
use crate::app::process;
use crate::error::Result;
use crate::port::jobs::Holder;
use crate::telemetry::jobs::JobView;

impl Loader<'_> {
    /// The report of all that this loader did; `exit` where it ends before the job does.
    pub(super) async fn end(self, exit: Option<Exit>, last_out: bool) -> Result<RunReport> {
        let find = async || self.jobs.find(&self.job.name, &self.job.table, &self.job.tenant).await;
        let known = match exit {
            Some(_) => {
                tokio::time::timeout(Duration::from_secs(5), find()).await.ok().and_then(Result::ok).flatten()
            }
            None => self.load.patiently(&self.signals, find).await?,
        };
        let is_dead = |holder: &Holder| process::is_alive(&holder.process) == Some(false);
        let view = known.as_ref().map(|job| JobView::new(job, is_dead));
        let failed = self.totals.failed;
        let code = view.as_ref().and_then(|view| view.exit_code);
        let exit = match (exit, code) {
            (Some(exit), _) => exit,
            (None, Some(0)) => Exit::Stored,
            (None, Some(3)) => Exit::Rejects,
            (None, _) => failed.unwrap_or(Exit::Input),
        };
        let mut errors: Vec<String> = self.totals.errors.clone();
        if let Some(view) = view.as_ref().filter(|view| view.is_done()) {
            let told = |error: &str| errors.iter().any(|known| known == error);
            let more: Vec<String> = view
                .failures
                .iter()
                .map(|failed| failed.error.clone())
                .filter(|error| !told(error))
                .collect();
            errors.extend(more);
        }
        if self.signals.exit().is_some() && exit == self.signals.exit().unwrap_or(exit) {
            errors.push(format!(
                "interrupted: what was read is stored, and what was claimed is given back; the same command goes on with job {}",
                self.job.name
            ));
        }
        if self.totals.claims == 0
            && let Some(view) = view.as_ref().filter(|view| view.is_done())
        {
            let text = match view.failures.is_empty() {
                true => format!("job {}: everything is loaded", self.job.name),
                false => format!("job {}: nothing is left that could be loaded", self.job.name),
            };
            self.load.note(&text);
        }
        let dataset = self.dataset.clone().or_else(|| Some(self.start.dataset.clone()));
        let facts = self.load.facts(dataset.as_deref());
        let elapsed = self.began.elapsed();
        let report = self.totals.report((facts, elapsed), (exit, errors), view, last_out, &self.load.engine);
        self.load.meter.consumed.fetch_add(report.result.bytes_read, Ordering::Relaxed);
        self.load.caller.listener.ended(&report)?;
        Ok(report)
    }
}
