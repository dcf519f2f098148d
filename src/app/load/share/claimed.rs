//! A part that was claimed: loaded, lost, or given back.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::{Claim, Loader, Next, SEEN_BEFORE};
use crate::app::caller::{Caller, RunReport};
use crate::app::exit::Exit;
use crate::app::load::{Load, Task};
use crate::app::resume::short;
use crate::app::run_recorder::RunRecorder;
use crate::error::{Error, Result};
use crate::pipeline::key_ranges::{Boxes, KeyRange, SeenKeys};
use crate::port::jobs::{Claimed, PartEnd, PartState};
use crate::port::runs::{RunBooks, RunEnd, RunScope, RunStatus};
use crate::source::Input;
use crate::source::files::Among;
use crate::source::identity::identify;

impl Loader<'_> {
    /// The inputs of a part, where they are what they were when the job was begun; else why not.
    fn inputs(&self, claimed: &Claimed) -> Result<Vec<Input>> {
        let range = claimed.first..claimed.first + claimed.start.inputs.len();
        let inputs = self.load.inputs.get(range).unwrap_or_default().to_vec();
        let now = identify(&inputs, None, &self.load.stop);
        for (then, now) in claimed.start.inputs.iter().zip(&now) {
            let differs =
                then.content.as_ref().zip(now.content.as_ref()).is_some_and(|(then, now)| then != now);
            if then.bytes != now.bytes || then.fingerprint != now.fingerprint || differs {
                return Err(Error::input(format!(
                    "{} has changed since job {} was begun: load it by itself, or give the job another name",
                    then.name, self.job.name
                )));
            }
        }
        Ok(inputs)
    }

    /// Loads a part that has been claimed.
    pub(super) async fn part(&mut self, claimed: Claimed) -> Result<Next> {
        let run_id = claimed.start.run_id;
        if let Some(resumed) = &claimed.resumed {
            self.load.note(&format!(
                "going on with part {} of job {}, which run {} on {} had begun",
                claimed.part + 1,
                self.job.name,
                short(resumed.run_id),
                resumed.process.host
            ));
        }
        let done = self.load_part(&claimed).await;
        let (report, unnoted) = match done {
            Ok(done) => done,
            Err(error) => {
                // It never came to its engine.
                self.give_back(&claimed, &error).await;
                match error {
                    Error::Input(_) | Error::Usage(_)
                        if claimed.first > 0 || matches!(error, Error::Input(_)) =>
                    {
                        let told = format!("error: {error}; going on with the rest of the job");
                        self.load.say(&told);
                        self.totals.failed.get_or_insert(Exit::from(&error));
                        return Ok(Next::Claim);
                    }
                    Error::Interrupted(..) => {
                        return Ok(Next::End(self.signals.exit().unwrap_or(Exit::Interrupted)));
                    }
                    error => return Err(error),
                }
            }
        };
        let lost = match report.exit {
            Exit::Usage | Exit::Internal | Exit::Unavailable => {
                let survey = self.survey().await?;
                !survey.claimed.iter().any(|(part, holder)| *part == claimed.part && holder.run_id == run_id)
                    && !self.is_ours(&claimed, run_id).await?
            }
            _ => false,
        };
        if lost {
            self.load.note(&format!(
                "part {} of job {} was taken over by another loader, since this one had been silent for too long; going on with another part",
                claimed.part + 1,
                self.job.name
            ));
            return Ok(Next::Claim);
        }
        if let Some(why) = unnoted {
            return Err(Error::unavailable(why));
        }
        let exit = report.exit;
        self.totals.add(report, claimed.again);
        Ok(match exit {
            Exit::Stored | Exit::Rejects => Next::Claim,
            Exit::Input => {
                self.totals.failed.get_or_insert(exit);
                Next::Claim
            }
            // A file among others; with the first one it is the flags that are wrong.
            Exit::Usage if claimed.first > 0 => {
                self.totals.failed.get_or_insert(exit);
                Next::Claim
            }
            exit => Next::End(exit),
        })
    }

    /// Whether that run was the last one that held the part.
    async fn is_ours(&self, claimed: &Claimed, run: Uuid) -> Result<bool> {
        let find = async || self.jobs.find(&self.job.name, &self.job.table, &self.job.tenant).await;
        let job = self.load.patiently(&self.signals, find).await?;
        let part = job.as_ref().and_then(|job| job.parts.get(claimed.part));
        Ok(part.and_then(|part| part.holder.as_ref()).is_some_and(|holder| holder.run_id == run))
    }

    /// A load of its own, with its report, and why its last word could not be noted.
    async fn load_part(&self, claimed: &Claimed) -> Result<(RunReport, Option<String>)> {
        let inputs = self.inputs(claimed)?;
        let history = self.load.history()?;
        let every = Duration::from_micros(self.job.lease.unsigned_abs() / 4).min(Duration::from_secs(10));
        let boxes = match claimed.again {
            true => Some(Arc::new(self.boxes().await?)),
            false => None,
        };
        let started = RunRecorder::of_claim(history, claimed, every).await;
        let others = self.load.inputs.len() > claimed.start.inputs.len();
        let later = claimed.stretch.is_some_and(|stretch| stretch.before() > 0);
        let claim = Claim {
            job_id: self.job.job_id,
            part: claimed.part,
            again: claimed.again,
            blind: !started.unreadable.is_empty(),
            started: Mutex::new(Some(started)),
            columns: self.columns.clone(),
            seen: SeenKeys::default(),
            boxes,
            before: self.before(claimed),
            stretch: claimed.stretch,
            among: Among { others: others || claimed.stretch.is_some(), later: claimed.first > 0 || later },
            unnoted: OnceLock::new(),
        };
        let mut plan = self.load.plan.clone();
        plan.data.dataset.clone_from(&self.data.dataset);
        plan.history.share = None;
        let caller = Caller {
            run_id: claimed.start.run_id,
            listener: self.listener.clone(),
            interrupts: self.load.caller.interrupts.clone(),
        };
        let (layouts, metrics) = (self.load.layouts.clone(), self.load.metrics);
        let mut load = Load::of_inputs(&caller, plan, Task::Load, layouts, metrics, (inputs, Vec::new()))?;
        load.read_as.clone_from(&self.load.read_as);
        let claim = Arc::new(claim);
        load.claim = Some(claim.clone());
        let report = load.run().await?;
        Ok((report, claim.unnoted.get().cloned()))
    }

    /// The keys whose rows are written once more.
    async fn boxes(&self) -> Result<Boxes> {
        let find = async || self.jobs.find(&self.job.name, &self.job.table, &self.job.tenant).await;
        let job = self.load.patiently(&self.signals, find).await?;
        let boxes = job.map(|job| serde_json::from_value(job.boxes));
        boxes
            .transpose()
            .map_err(|error| Error::internal(format!("the keys of the job cannot be read: {error}")))?
            .ok_or_else(|| {
                Error::usage("the job is no longer in the store: its row was taken out of mds_jobs")
            })
    }

    /// The inputs before those of a part whose last rows have a say in its ids.
    fn before(&self, claimed: &Claimed) -> Vec<Input> {
        if !self.makes_ids {
            return Vec::new();
        }
        let (mut first, mut bytes) = (claimed.first, 0u64);
        while first > 0 && bytes < SEEN_BEFORE {
            first -= 1;
            bytes += self.load.inputs.get(first).and_then(|input| input.bytes).unwrap_or(SEEN_BEFORE);
        }
        self.load.inputs.get(first..claimed.first).unwrap_or_default().to_vec()
    }

    /// Gives a claim back whose load could not even begin.
    async fn give_back(&self, claimed: &Claimed, error: &Error) {
        let (status, state) = match error {
            Error::Unavailable(_) => (RunStatus::Unavailable, PartState::Open),
            Error::Interrupted(..) => (RunStatus::Interrupted, PartState::Open),
            Error::Usage(_) | Error::Input(_) | Error::Internal(_) => (RunStatus::Failed, PartState::Failed),
        };
        let keys = match claimed.resumed {
            Some(_) => json!([KeyRange::everything()]),
            None => json!([]),
        };
        let (job_id, part, again) = (self.job.job_id, claimed.part, claimed.again);
        let end = RunEnd {
            status,
            keeps_checkpoints: true,
            exit_code: Exit::from(error) as u8,
            books: RunBooks::default(),
            settled: 0,
            error: Some(error.to_string()),
            scope: RunScope::default(),
            part: Some(PartEnd { job_id, part, state, again, keys }),
        };
        let given = async { self.load.history()?.end(claimed.start.run_id, &end).await };
        if let Ok(Err(why)) = tokio::time::timeout(Duration::from_secs(5), given).await {
            tracing::warn!("part {} could not be given back: {why}", claimed.part + 1);
        }
    }
}
