//! The job of a name: made by the first loader, found by the others.

use std::sync::Arc;

use uuid::Uuid;

use super::parts;
use crate::app::exit::Exit;
use crate::app::interrupts::Signals;
use crate::app::load::Load;
use crate::app::plan::SharePlan;
use crate::app::resume::{Decision, Request, decide, differences, life, short};
use crate::batch::Origin;
use crate::dataset::{Mapper, MapperSettings};
use crate::decode::Format;
use crate::error::{Error, Result};
use crate::port::jobs::{JobLedger, JobRecord, JobStart, JobState, PartState, Stretch};
use crate::port::runs::{InputIdentity, RunStart};
use crate::source::{Compression, Input, Meter, Opened, open};
use crate::text::flags::SHARE as SHARE_FLAG;
use crate::text::number_format::{bytes as bytes_of, plural};

impl Load<'_> {
    /// The job of that name: as it is, where it is of these inputs and settings, or a new one.
    pub(super) async fn job(
        &self,
        signals: &Signals,
        jobs: &dyn JobLedger,
        share: &SharePlan,
        (start, now): (&RunStart, &[InputIdentity]),
        tenant: Option<&str>,
        mapper: &Arc<MapperSettings>,
    ) -> Result<JobRecord> {
        let tenant = tenant.unwrap_or_default();
        self.patiently(signals, async || jobs.prepare().await).await?;
        loop {
            let find = async || jobs.find(&share.job, &start.table, tenant).await;
            if let Some(job) = self.patiently(signals, find).await? {
                same(&job, start, now)?;
                if job.state == JobState::Done && job.parts.iter().any(|part| part.state == PartState::Failed)
                {
                    self.patiently(signals, async || jobs.reopen(job.job_id).await).await?;
                    return Ok(self.patiently(signals, find).await?.unwrap_or(job));
                }
                return Ok(job);
            }
            if let Err(error) = self.is_new(signals, start, now).await {
                // Whoever has made the job meanwhile may be loading the inputs already.
                if self.patiently(signals, find).await?.is_some() {
                    continue;
                }
                return Err(error);
            }
            let most = share.part_bytes;
            let parts = tokio::task::block_in_place(|| {
                parts::planned(now, most, &|place, each| self.stretches(place, (now, mapper), each))
            });
            if let Some(exit) = signals.exit() {
                let what =
                    format!("interrupted before job {} was begun; run the same command again", share.job);
                return Err(Error::Interrupted(what.into(), exit == Exit::Terminated));
            }
            let job = JobStart {
                job_id: Uuid::now_v7(),
                name: share.job.clone(),
                table: start.table.clone(),
                tenant: tenant.to_owned(),
                dataset: start.dataset.clone(),
                keyed: start.keyed,
                settings: start.settings.clone(),
                lease: i64::try_from(share.lease.as_micros()).unwrap_or(i64::MAX),
                parts,
                version: start.version.clone(),
            };
            // Whoever was faster has made it: its list is compared like that of any other.
            self.patiently(signals, async || jobs.create(&job).await).await?;
        }
    }

    /// The stretches of a large input that can be loaded without those before them, of so many bytes, with their bytes;
    /// none where it has to be read whole, since what becomes of a row depends on others of it, or it is damaged: then none
    /// of its rows are stored in a table without a key.
    fn stretches(
        &self,
        place: usize,
        (now, mapper): (&[InputIdentity], &Arc<MapperSettings>),
        each: u64,
    ) -> Vec<(Stretch, u64)> {
        let (none, keyed) = (Vec::new(), mapper.target.is_keyed());
        let Some(input) = self.inputs.get(place).filter(|_| !mapper.dataset.makes_ids()) else { return none };
        let Ok(mut opened) = self.opened(input) else { return none };
        if opened.compression != Compression::None || self.has_clock(input, mapper) {
            return none;
        }
        let pieces = opened.decoder.pieces();
        if pieces.len() > 1 {
            let is_damaged = !keyed && opened.decoder.prove().is_err();
            return if is_damaged { none } else { parts::of_groups(&pieces, each) };
        }
        if opened.format != Format::CSV || !opened.can_be_parted() {
            return none;
        }
        if let Some(bytes) = now.get(place).and_then(|input| input.bytes) {
            self.note(&format!(
                "{} ({}) is read once to see where its rows begin, so that it can be divided",
                input.name,
                bytes_of(bytes)
            ));
        }
        // Who loads it tells what is wrong with it.
        opened.decoder.marks(each).map_or(none, |marks| parts::of_marks(&marks))
    }

    fn opened(&self, input: &Input) -> Result<Opened> {
        open(input, &self.open_options(), &self.stop, &Arc::new(Meter::new(&[])))
    }

    /// Whether times of its rows may be told by those of the rows before alone.
    fn has_clock(&self, input: &Input, mapper: &Arc<MapperSettings>) -> bool {
        let look = || {
            let mut opened = self.opened(input)?;
            let settings = self.plan.open.chooser.mapper(&opened.chosen, mapper)?;
            let mut mapper = Mapper::new(settings, Arc::new(Origin::new(input.name.clone())))?;
            while let Ok(Some(raw)) = opened.decoder.next_batch() {
                if !mapper.map(&raw.columns, &raw.rows)?.batches.is_empty() {
                    break;
                }
            }
            Ok::<_, Error>(mapper.has_clock())
        };
        look().unwrap_or(true)
    }

    /// Refuses inputs that are in a table without a key already.
    async fn is_new(&self, signals: &Signals, start: &RunStart, now: &[InputIdentity]) -> Result<()> {
        if start.keyed || self.plan.history.force {
            return Ok(());
        }
        let (emptied, earlier) = self
            .patiently(signals, async || {
                let history = self.history()?;
                let emptied = history.emptied(&start.table).await?;
                Ok((emptied, history.earlier(&start.table, now, start.run_id).await?))
            })
            .await?;
        let request = Request {
            inputs: now,
            table: &start.table,
            keyed: start.keyed,
            settings: &start.settings,
            resume: false,
            force: false,
            grown: &|_, _| false,
            holds: &|_, _| false,
            mended: &|_, _| false,
            emptied,
            overwrites: true,
            counts_on: false,
        };
        let judged: Vec<_> =
            earlier.into_iter().map(|run| (life(&run), run)).map(|(life, run)| (run, life)).collect();
        match decide(&request, &judged)? {
            Decision::Watch(run) => Err(Error::usage(format!(
                "run {} may be loading one of these inputs just now; wait for its end, or stop it first",
                short(run)
            ))),
            Decision::Fresh(_) | Decision::Resume(_) => Ok(()),
        }
    }
}

/// Refuses a list, or settings, that are not those of the job.
fn same(job: &JobRecord, start: &RunStart, now: &[InputIdentity]) -> Result<()> {
    let refused = |what: String| {
        Err(Error::usage(format!(
            "job {} is another one: {what}; give all of its loaders the same inputs and flags, or another name to {SHARE_FLAG}",
            job.name
        )))
    };
    let differing = differences(&job.settings, &start.settings);
    if !differing.is_empty() {
        return refused(format!("it differs in {}", differing.join(", ")));
    }
    let mut names: Vec<&str> = Vec::new();
    for part in &job.parts {
        // The parts of one input follow one another.
        if part.first == names.len() {
            names.extend(part.names.iter().map(String::as_str));
        }
    }
    let differs = names.iter().zip(now).position(|(then, now)| **then != *now.name);
    match (differs, names.len().cmp(&now.len())) {
        (Some(at), _) => {
            refused(format!("input {} of its list is {}, not {}", at + 1, names[at], now[at].name))
        }
        (None, std::cmp::Ordering::Equal) => Ok(()),
        (None, _) => refused(format!(
            "its list has {}, this one has {}",
            plural(names.len() as u64, "input"),
            plural(now.len() as u64, "input")
        )),
    }
}
