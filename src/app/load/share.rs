//! A job that several loaders share: each claims one part of the list after the other, and every claim is a load of
//! its own, which whoever takes it over goes on with.

mod claimed;
mod end;
mod job;
mod listener;
mod order;
mod parts;
mod totals;
mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use crate::app::caller::RunReport;
use crate::app::exit::Exit;
use crate::app::interrupts::Signals;
use crate::app::load::Load;
use crate::app::plan::{DataPlan, SharePlan, fingerprint};
use crate::app::run_recorder::Started;
use crate::dataset::mapping;
use crate::error::{Error, Result};
use crate::pipeline::key_ranges::{Boxes, KeyColumns, KeyRange, SeenKeys};
use crate::port::jobs::{JobLedger, JobRecord, PartEnd, PartState, SHARE, Stretch};
use crate::port::runs::RunStart;
use crate::settings::OnConflict;
use crate::source::files::Among;
use crate::source::{Input, Peeked};
use crate::text::flags::{DRY_RUN, ON_CONFLICT, SHARE as SHARE_FLAG};
use listener::PartListener;
use totals::Totals;

/// Between two looks for something to do.
const LOOK: Duration = Duration::from_millis(250);

/// Bytes of the inputs before a part whose last rows may have a say in its ids.
const SEEN_BEFORE: u64 = 1 << 20;

/// A part of a job that this process has claimed.
pub(super) struct Claim {
    job_id: Uuid,
    part: usize,
    again: bool,
    started: Mutex<Option<Started>>,
    /// The columns of the key that order counts by; nothing where it does not.
    columns: Option<KeyColumns>,
    seen: SeenKeys,
    /// Which keys are written once more.
    boxes: Option<Arc<Boxes>>,
    /// Whether some of its rows are not read, so that their keys are not known.
    blind: bool,
    pub(super) before: Vec<Input>,
    /// Which rows of its input are meant, where not all.
    pub(super) stretch: Option<Stretch>,
    pub(super) among: Among,
    unnoted: OnceLock<String>,
}

/// The columns of the key that order counts by, with what is noted of them.
type Noting = Option<(KeyColumns, SeenKeys)>;

/// The columns of the key that order counts by, with the keys that are meant.
type Only = Option<(KeyColumns, Arc<Boxes>)>;

impl Claim {
    /// The run of the claim.
    pub(super) fn started(&self) -> Option<Started> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How the order of the list is seen to.
    pub(super) fn order(&self) -> (Noting, Only) {
        let Some(columns) = &self.columns else { return (None, None) };
        match &self.boxes {
            Some(boxes) => (None, Some((columns.clone(), boxes.clone()))),
            None => (Some((columns.clone(), self.seen.clone())), None),
        }
    }

    /// What is noted with the last word of the run.
    pub(super) fn end(&self, exit: Exit) -> PartEnd {
        let state = match exit {
            Exit::Stored | Exit::Rejects => PartState::Done,
            Exit::Interrupted | Exit::Terminated | Exit::Unavailable | Exit::TooManyRejects => {
                PartState::Open
            }
            Exit::Input | Exit::Usage | Exit::Internal => PartState::Failed,
        };
        let mut keys: Vec<KeyRange> = self.seen.get().into_values().collect();
        if self.blind {
            keys.push(KeyRange::everything());
        }
        let keys = serde_json::to_value(keys).unwrap_or(Value::Null);
        PartEnd { job_id: self.job_id, part: self.part, state, again: self.again, keys }
    }

    /// The last word of the run could not be noted.
    pub(super) fn unnoted(&self, why: &str) {
        let _ = self.unnoted.set(why.to_owned());
    }
}

/// What all claims of a loader have in common.
struct Loader<'a> {
    load: Load<'a>,
    signals: Signals,
    jobs: Box<dyn JobLedger>,
    job: JobRecord,
    /// A run of it, but for its id and inputs.
    start: RunStart,
    data: DataPlan,
    /// The dataset, where rows are mapped by one.
    dataset: Option<String>,
    columns: Option<KeyColumns>,
    makes_ids: bool,
    began: Instant,
    totals: Totals,
    /// Runs that seem to be over: when they were first seen so, and with which sign of life.
    watched: BTreeMap<Uuid, (Instant, i64)>,
    listener: Arc<PartListener>,
}

/// How a loader goes on behind a claim.
enum Next {
    Claim,
    End(Exit),
}

impl Load<'_> {
    /// Has a share in a job, until all of it is done.
    pub(super) async fn share(mut self, share: &SharePlan) -> Result<RunReport> {
        let signals = Signals::listen(&self.caller.interrupts, &self.stop);
        if self.inputs.iter().any(|input| input.path.is_none()) {
            return Err(Error::usage(format!(
                "{SHARE_FLAG} is for files, which every loader can read: standard input comes to one of them alone"
            )));
        }
        if self.plan.rejects.dry_run {
            return Err(Error::usage(format!(
                "{SHARE_FLAG} and {DRY_RUN} do not go together: leave one of them out"
            )));
        }
        let jobs = self.plan.to.store.jobs(Some(self.patience()))?;
        let mut peeked: Option<Peeked> = None;
        let dataset = match (self.plan.data.known_dataset()?, &self.plan.data.table) {
            (Some(dataset), _) => Some(dataset),
            (None, Some(_)) => None,
            (None, None) => Some(tokio::task::block_in_place(|| self.detect(&mut peeked))?),
        };
        let chosen = peeked.take().map(|peeked| peeked.opened.chosen.clone()).unwrap_or_default();
        self.read_as = chosen.layout.as_deref().and_then(|layout| self.layouts.data(layout));
        let opened = self.open_store(&signals, dataset.as_ref(), true).await?;
        let (target, tenant, keeps) = (opened.target().clone(), opened.tenant(), opened.keeps_runs());
        drop(opened);
        if let Err(why) = keeps {
            return Err(Error::usage(format!(
                "{SHARE_FLAG} needs the ledger (mds_runs and mds_checkpoints), {why}"
            )));
        }
        if target.is_ordered(|_| true) {
            return Err(Error::usage(format!(
                "{}: what becomes of a row depends on rows before it (a second unique constraint, or a reference to the table itself), so that loaders cannot share it; leave {SHARE_FLAG} out",
                target.table
            )));
        }
        let on_conflict = self.plan.data.values.on_conflict;
        if target.is_keyed() && on_conflict != OnConflict::Update {
            let word = if on_conflict == OnConflict::Skip { "skip" } else { "error" };
            return Err(Error::usage(format!(
                "{ON_CONFLICT} {word} is about the row that comes first, and loaders that share a job do not keep to that; leave {SHARE_FLAG} out, or use {ON_CONFLICT} update"
            )));
        }
        let detected = dataset.as_ref().map(|dataset| dataset.name.to_string());
        let by_table = dataset.is_none();
        let dataset = dataset.unwrap_or_else(|| mapping::of_table(&target));
        let columns = target.is_keyed().then(|| KeyColumns::of(&target, dataset.time.as_deref()));
        let makes_ids = dataset.makes_ids();
        let mapper = Arc::new(self.mapper(dataset, (target, None), by_table, tenant.as_deref())?);
        self.inputs.iter().try_for_each(|input| mapper.named(&input.name).map(drop))?;
        let mut start = self.run_start(&mapper, tenant.as_deref())?;
        start.settings[SHARE] = share.job.clone().into();
        start.fingerprint = fingerprint(&start.settings);
        let now = std::mem::take(&mut start.inputs);
        let job = self.job(&signals, &*jobs, share, (&start, &now), tenant.as_deref(), &mapper).await?;
        let mut data = self.plan.data.clone();
        if self.plan.data.table.is_none() {
            data.dataset.clone_from(&detected);
        }
        let listener = Arc::new(PartListener::new(self.caller.listener.clone(), &share.job, job.parts.len()));
        let loader = Loader {
            began: self.started,
            load: self,
            signals,
            jobs,
            job,
            start,
            data,
            dataset: detected,
            columns,
            makes_ids,
            totals: Totals::default(),
            watched: BTreeMap::new(),
            listener,
        };
        loader.work().await
    }
}
