//! How a run gets into the history, or goes on with an earlier one.

use crate::app::interrupts::Signals;
use crate::app::load::{Load, Task};
use crate::app::plan::fingerprint;
use crate::app::process;
use crate::app::resume::Request;
use crate::app::run_recorder::{RunRecorder, Started};
use crate::dataset::MapperSettings;
use crate::error::{Error, Result};
use crate::port::runs::{Emptied, InputIdentity, RunRecord, RunStart};
use crate::settings::{OnConflict, Overflow};
use crate::source::followed::OpenFollowed;
use crate::source::identity::{begins_with, has_grown, identify};
use crate::source::{Input, is_whole};
use crate::text::flags::{FORCE, RESUME};

impl Load<'_> {
    /// Writes the run into the history, where the store keeps one; goes on with an earlier one
    /// where that is asked for.
    pub(super) async fn begin(
        &self,
        signals: &Signals,
        mapper: &MapperSettings,
        tenant: Option<&str>,
        keeps: &Result<(), String>,
        places: Option<&dyn OpenFollowed>,
    ) -> Result<Option<Started>> {
        let asked = &self.plan.history;
        if let Some(claim) = &self.claim {
            return Ok(claim.started());
        }
        if let Some(letters) =
            self.letters().filter(|letters| keeps.is_err() && letters.taken_up && !letters.force)
            && !mapper.target.is_keyed()
        {
            return Err(Error::usage(format!(
                "an earlier replay of {} did not end; {} has no key, and this role keeps no ledger, so that nobody knows which of its rows are there: compare them, and give {FORCE} to write all of them, also those that are there already",
                letters.queue.display(),
                mapper.target.table
            )));
        }
        if let Err(why) = keeps {
            return match asked.resume {
                true => Err(Error::usage(format!(
                    "{RESUME} needs the ledger (mds_runs and mds_checkpoints), {why}"
                ))),
                false => Ok(None),
            };
        }
        let start = self.run_start(mapper, tenant)?;
        let keyed = start.keyed;
        let (resume, force) = match &self.task {
            // With a key, whatever is replayed twice is the same once more.
            Task::Replay(letters) => (letters.taken_up && !keyed, !letters.taken_up || keyed),
            Task::Load => (asked.resume, asked.force),
            // What comes now has not come before.
            Task::Pipe(_) | Task::Follow(_) | Task::Verify(..) => (false, true),
        };
        let grown = |place: usize, before: &InputIdentity| {
            self.inputs.get(place).is_some_and(|input| has_grown(input, before))
        };
        let holds = |place: usize, before: &InputIdentity| {
            self.inputs.get(place).is_some_and(|input| begins_with(input, before))
        };
        let mended = |place: usize, before: &InputIdentity| {
            let now = start.inputs.get(place).zip(self.inputs.get(place));
            let other = |now: &InputIdentity| before.unproven || !now.is_same(before);
            now.is_some_and(|(now, input)| other(now) || is_whole(input, &self.stop))
        };
        if resume && self.letters().is_some() {
            let earlier = async || self.history()?.earlier(&start.table, &start.inputs, start.run_id).await;
            let earlier = self.patiently(signals, earlier).await?;
            let same = |run: &RunRecord| run.inputs == start.inputs && run.status.is_finished();
            if earlier.iter().any(same) {
                return Ok(None);
            }
            let known = earlier.iter().any(|run| run.inputs == start.inputs);
            if let Some(letters) = self.letters().filter(|letters| letters.begun && !letters.force)
                && !known
            {
                return Err(Error::usage(format!(
                    "an earlier replay of {} did not end; {} has no key, and the ledger does not know that replay any more, so that nobody knows which of its rows are there: compare them, and give {FORCE} to write all of them, also those that are there already",
                    letters.queue.display(),
                    start.table
                )));
            }
        }
        let started = self
            .patiently(signals, async || {
                if let Some(places) = places {
                    let before = places.before().filter(|_| self.is_exact(&mapper.target));
                    return RunRecorder::go_on(self.history()?, start.clone(), before).await;
                }
                let looks = !start.keyed && !force && self.letters().is_none();
                let emptied = match looks {
                    true => self.history()?.emptied(&start.table).await?,
                    false => Emptied::No,
                };
                let request = Request {
                    inputs: &start.inputs,
                    table: &start.table,
                    keyed: start.keyed,
                    settings: &start.settings,
                    resume,
                    force,
                    grown: &grown,
                    holds: &holds,
                    mended: &mended,
                    emptied,
                    overwrites: self.engine.on_conflict == OnConflict::Update,
                    counts_on: mapper.dataset.makes_ids(),
                };
                let stopped = || signals.exit().is_some();
                RunRecorder::begin(self.history()?, start.clone(), request, stopped).await
            })
            .await?;
        if self.letters().is_none() {
            started.notes.iter().for_each(|note| self.note(note));
        }
        Ok(Some(started))
    }

    /// What the run says of itself.
    pub(super) fn run_start(&self, mapper: &MapperSettings, tenant: Option<&str>) -> Result<RunStart> {
        let plan = &self.plan;
        let unknown = |input: &Input| InputIdentity {
            name: input.name.to_string(),
            id: None,
            bytes: None,
            fingerprint: None,
            failed: None,
            unproven: false,
            modified: None,
            content: None,
        };
        let (inputs, settings) = match self.letters() {
            Some(letters) => (letters.inputs(), letters.settings(&mapper.target.table)),
            None => (
                match self.followed() {
                    // The checkpoint file knows them, not the history.
                    Some(_) => self.inputs.iter().map(unknown).collect(),
                    None => identify(&self.inputs, plan.history.source_id.as_deref(), &self.stop),
                },
                self.read_as.as_ref().unwrap_or(&plan.data).identity(
                    &plan.open,
                    &mapper.dataset,
                    &mapper.target,
                    tenant,
                )?,
            ),
        };
        let data = self.read_as.as_ref().unwrap_or(&plan.data);
        let told = data.values.set.iter().chain(&data.assumed);
        let provider = told.into_iter().find(|(name, _)| name == "vendor").map(|(_, value)| value);
        Ok(RunStart {
            run_id: self.caller.run_id,
            command: self.command().to_owned(),
            dataset: mapper.dataset.name.to_string(),
            table: mapper.target.table.clone(),
            keyed: mapper.target.is_keyed(),
            inputs,
            fingerprint: fingerprint(&settings),
            settings,
            settled: 0,
            anew_behind: None,
            // Who takes the run over waits for the transaction of each worker that there may have been.
            workers: self.engine.workers.max(self.engine.up_to.unwrap_or(0)),
            resumable: self.engine.overflow != Overflow::DropOldest && !self.is_tail(),
            process: process::own(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            provider: data.vendor.as_ref().or(provider).cloned(),
        })
    }

    /// Opens the row in `job_runs` of a run that is in no history, where there is that table.
    pub(super) async fn begin_job(
        &self,
        mapper: &MapperSettings,
        tenant: Option<&str>,
    ) -> Result<Option<RunRecorder>> {
        let start = self.run_start(mapper, tenant)?;
        let (keeper, notes) = RunRecorder::of_job(self.plan.to.store.history(None)?, &start).await;
        if self.letters().is_none() {
            notes.iter().for_each(|note| self.note(note));
        }
        Ok(keeper)
    }
}
