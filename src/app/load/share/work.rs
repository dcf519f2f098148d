//! What a loader does: claims, loads, waits for others, until the job is done.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::order::judged;
use super::{LOOK, Loader, Next};
use crate::app::caller::RunReport;
use crate::app::exit::Exit;
use crate::app::process;
use crate::error::Result;
use crate::port::jobs::{Claimed, JobRecord, JobState, Survey};
use crate::port::runs::{RunStart, RunStatus};
use crate::text::number_format::plural;

impl Loader<'_> {
    /// Claims one part after the other, until there is none left.
    pub(super) async fn work(mut self) -> Result<RunReport> {
        let (mut last_out, mut waiting) = (false, false);
        let exit = loop {
            if let Some(exit) = self.signals.exit() {
                break Some(exit);
            }
            let survey = self.survey().await?;
            if survey.state == JobState::Done {
                break None;
            }
            if self.has_too_many_rejects(&survey) {
                let text = "more rows of the job were rejected than the limit allows";
                self.totals.errors.push(text.to_owned());
                break Some(Exit::TooManyRejects);
            }
            let over = self.over(&survey);
            let start = RunStart { run_id: Uuid::now_v7(), ..self.start.clone() };
            let claimed = match survey.open > 0 || !over.is_empty() {
                true => self.claim(&start, &over).await?,
                false => None,
            };
            match claimed {
                Some(claimed) => {
                    waiting = false;
                    if let Next::End(exit) = self.part(claimed).await? {
                        break Some(exit);
                    }
                }
                None if survey.open == 0 && survey.claimed.is_empty() => {
                    let judge = |job: &JobRecord| judged(job);
                    let conclude = async || self.jobs.conclude(self.job.job_id, &judge).await;
                    last_out |= self.load.patiently(&self.signals, conclude).await?;
                }
                None => {
                    if !std::mem::replace(&mut waiting, true) {
                        let parts = plural(survey.claimed.len() as u64, "part");
                        self.load
                            .note(&format!("{parts} of job {} still being loaded by others", self.job.name));
                    }
                    tokio::select! {
                        () = self.signals.come() => {}
                        () = tokio::time::sleep(LOOK) => {}
                    }
                }
            }
        };
        self.end(exit, last_out).await
    }

    pub(super) async fn survey(&self) -> Result<Survey> {
        self.load.patiently(&self.signals, async || self.jobs.survey(self.job.job_id).await).await
    }

    async fn claim(&self, start: &RunStart, over: &[Uuid]) -> Result<Option<Claimed>> {
        self.load.patiently(&self.signals, async || self.jobs.claim(self.job.job_id, start, over).await).await
    }

    fn has_too_many_rejects(&self, survey: &Survey) -> bool {
        let (read, failed) = survey.rows;
        self.load.plan.rejects.max_rejects.is_some_and(|limit| limit.passed(failed, read, false))
    }

    /// The runs whose claims are over: their processes have ended, or they have given no sign of life for the length of
    /// a lease, and then for some time more that this process has seen itself. Where the store was away for everybody,
    /// those that are alive have their say in that time.
    fn over(&mut self, survey: &Survey) -> Vec<Uuid> {
        let (lease, more) = (self.job.lease, Duration::from_micros(self.job.lease.unsigned_abs() / 3));
        let mut over = Vec::new();
        for (_, holder) in &survey.claimed {
            let dead =
                holder.status != RunStatus::Running || process::is_alive(&holder.process) == Some(false);
            let seen = *self.watched.entry(holder.run_id).or_insert((Instant::now(), holder.heartbeat));
            let silent = holder.silent > lease && seen.1 == holder.heartbeat && seen.0.elapsed() >= more;
            if seen.1 != holder.heartbeat {
                self.watched.insert(holder.run_id, (Instant::now(), holder.heartbeat));
            }
            if dead || silent {
                over.push(holder.run_id);
            }
        }
        over
    }
}
