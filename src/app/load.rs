//! A load: wires inputs, mapping, engine, store and dead-letter queue together. A tail and a replay are loads of
//! another source.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::app::caller::{Caller, RunReport};
use crate::app::exit::Exit;
use crate::app::interrupts::Signals;
use crate::app::layout::Layouts;
use crate::app::letters::Letters;
use crate::app::metrics::RunMetrics;
use crate::app::plan::{DataPlan, RunPlan};
use crate::app::span;
use crate::app::verify::{Slot, VerifyPlan};
use crate::dataset::mapping::{self, MapOptions};
use crate::dataset::nulls::NullTokens;
use crate::dataset::quality::Quality;
use crate::dataset::scale::Scales;
use crate::dataset::time::{TimeFormats, TimeOptions};
use crate::dataset::{Dataset, LiveTarget, MapperSettings, Target, earlier_key};
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::pipeline::glimpse::Glimpse;
use crate::settings::{EngineSettings, Overflow, SecondTry};
use crate::source::followed::Followed;
use crate::source::{Chooser, Chosen, Input, Meter, expand_told};
use crate::telemetry::preview::Preview;
use crate::text::flags::{DSN, NAME_PATTERN, SET};

pub(crate) mod said;
mod way;

mod again;
mod begin;
mod bulk;
mod compare;
mod dead_letters;
mod detect;
mod dry_run;
mod end;
mod messages;
mod pack;
mod refusal;
mod share;
mod store;
mod unproven;
mod verify;
mod write;

use share::Claim;
pub(crate) use store::TableFacts;
use write::Read;

/// Loads as the plan says, to the end of its inputs.
///
/// # Errors
/// Where it ended before it could read a row: the plan is wrong, the store away, an input not there. What went wrong
/// behind that is in the report.
pub fn run(caller: &Caller, plan: RunPlan, metrics: &RunMetrics) -> Result<RunReport> {
    let runtime = runtime()?;
    let layouts = plan.choice()?;
    let (asked, typed) = (plan.clone(), caller.listener.typed());
    let load = Load::prepare(caller, plan, Task::Load, layouts, metrics)?;
    let facts = load.facts(asked.data.known_name());
    let done = runtime.block_on(async {
        let done = match &asked.history.share {
            Some(share) => span::run("load", load.share(share)).await,
            None => span::run("load", load.run()).await,
        };
        match (done, typed) {
            (Err(error @ Error::Usage(_)), Some(words)) => {
                refusal::explained(caller, &asked, &words, error, facts).await
            }
            (done, _) => done,
        }
    });
    // A thread that waits for a pipe must not keep the process.
    runtime.shutdown_background();
    done
}

/// A minute from now, in nanoseconds since 1970: the clocks of an exchange and of this machine differ.
fn soon() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(i64::MAX, |now| (now + Duration::from_secs(60)).as_nanos() as i64)
}

/// What the engine and its store run on.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(2, 4))
        .enable_all()
        .build()
        .map_err(|e| Error::internal(format!("cannot start: {e}")))
}

/// Where the rows of a load are from.
pub(crate) enum Task {
    /// What the inputs hold.
    Load,
    /// A pipe that is followed; it ends when nothing has come for so long.
    Pipe(Option<Duration>),
    /// What rows keep coming from, such as growing files, which need not be there yet.
    Follow(Box<dyn Followed>),
    /// Dead letters, in place of what the inputs hold otherwise.
    Replay(Letters),
    /// What the inputs hold, to be held against the table; what is found goes into the slot.
    Verify(VerifyPlan, Slot),
}

/// A load that is about to run.
pub(crate) struct Load<'a> {
    caller: &'a Caller,
    plan: RunPlan,
    layouts: Arc<Layouts>,
    /// What is said of the data of the first input, where it has a layout.
    read_as: Option<DataPlan>,
    task: Task,
    started: Instant,
    inputs: Vec<Input>,
    /// What of folders is not among them.
    left_out: Vec<String>,
    engine: EngineSettings,
    stop: Stop,
    meter: Arc<Meter>,
    metrics: &'a RunMetrics,
    /// Whether a replay sends rows to the table only where a flag names it.
    closed: bool,
    /// Whether it only looks at the first rows, to see what a load lacks.
    probing: bool,
    /// What was seen of the first input.
    seen: Arc<Mutex<Option<Preview>>>,
    /// Whether the server has taken a connection: from then on it is waited for when it goes away.
    reached: AtomicBool,
    /// Which part of a shared job it is.
    claim: Option<Arc<Claim>>,
}

impl<'a> Load<'a> {
    /// Everything that can be wrong with the plan is found here, before anything is touched.
    pub(crate) fn prepare(
        caller: &'a Caller,
        plan: RunPlan,
        task: Task,
        layouts: Arc<Layouts>,
        metrics: &'a RunMetrics,
    ) -> Result<Self> {
        let found = match &task {
            Task::Follow(_) => (plan.inputs.iter().map(Input::named).collect(), Vec::new()),
            _ => expanded(caller, &plan)?,
        };
        Self::of_inputs(caller, plan, task, layouts, metrics, found)
    }

    /// Of inputs that are known.
    fn of_inputs(
        caller: &'a Caller,
        mut plan: RunPlan,
        task: Task,
        layouts: Arc<Layouts>,
        metrics: &'a RunMetrics,
        (inputs, left_out): (Vec<Input>, Vec<String>),
    ) -> Result<Self> {
        let meaning = plan.data.meaning()?;
        if meaning.name_pattern.is_some() && inputs.iter().any(|i| i.path.is_none()) {
            return Err(Error::usage(format!(
                "{NAME_PATTERN} needs names, and standard input has none; use {SET}"
            )));
        }
        plan.to.one_tenant(&plan.data.values)?;
        let meter = Arc::new(Meter::new(&inputs));
        let settings =
            EngineSettings { on_conflict: plan.data.values.on_conflict, ..plan.engine.settings.clone() };
        let engine = match &task {
            // What has been claimed stays claimed until it is settled: nothing overflows.
            Task::Replay(_) => EngineSettings { overflow: Overflow::Block, ..settings },
            _ => settings,
        };
        plan.open.chooser = Chooser::of(layouts.clone());
        Ok(Self {
            caller,
            plan,
            layouts,
            read_as: None,
            task,
            started: Instant::now(),
            inputs,
            left_out,
            engine,
            stop: Stop::new().map_err(|e| Error::internal(format!("cannot start: {e}")))?,
            meter,
            metrics,
            closed: false,
            probing: false,
            seen: Arc::default(),
            reached: AtomicBool::new(false),
            claim: None,
        })
    }

    fn letters(&self) -> Option<&Letters> {
        match &self.task {
            Task::Replay(letters) => Some(letters),
            _ => None,
        }
    }

    fn followed(&self) -> Option<&dyn Followed> {
        match &self.task {
            Task::Follow(followed) => Some(&**followed),
            _ => None,
        }
    }

    fn is_tail(&self) -> bool {
        matches!(self.task, Task::Pipe(_) | Task::Follow(_))
    }

    /// The command that this is, as the user typed it.
    fn command(&self) -> &'static str {
        match self.task {
            Task::Load => "load",
            Task::Verify(..) => "verify",
            Task::Pipe(_) | Task::Follow(_) => "tail",
            Task::Replay(_) => "replay-dlq",
        }
    }

    /// Runs it to its end.
    pub(crate) async fn run(mut self) -> Result<RunReport> {
        let signals = Signals::listen(&self.caller.interrupts, &self.stop);
        self.metrics.know(|| self.facts(None));
        if self.plan.to.by_default {
            let (store, shown) = (self.plan.to.store.called(), self.plan.to.store.shown());
            self.note(&format!("no {DSN} given: loading into {store}, {shown}"));
        }
        if let Task::Pipe(Some(idle)) = self.task {
            self.stop_when_idle(idle);
        }
        let known = self.plan.data.known_dataset()?;
        // What can fail is tried before a pipe is touched, whose bytes come only once.
        let live = self.inputs.iter().any(|i| i.path.is_none());
        let dead =
            if live && !self.plan.rejects.dry_run { Some(self.dead_letters(known.as_ref())?) } else { None };
        // A tail may wait for its first file for long: what refuses it is said before.
        if live || self.followed().is_some() {
            self.patiently(&signals, async || self.plan.to.store.reachable(self.patience()).await).await?;
            self.metrics.reached();
        }
        let mut peeked = None;
        let mut chosen = Chosen::default();
        let dataset = match (&known, &self.plan.data.table) {
            (Some(dataset), _) => Some(dataset.clone()),
            (None, Some(_)) => None,
            (None, None) => {
                let columns = self.plan.data.columns(None);
                let detected = match &self.task {
                    Task::Replay(letters) => letters.detect(&columns),
                    Task::Follow(followed) => {
                        let seen = tokio::task::block_in_place(|| followed.schema(&self.stop))?;
                        match seen {
                            Some((schema, of)) => {
                                chosen = of;
                                self.of_columns(&schema, &chosen)
                            }
                            None => return self.unbegun(signals.exit().unwrap_or(Exit::Stored)),
                        }
                    }
                    Task::Load | Task::Pipe(_) | Task::Verify(..) => {
                        signals.holds(true);
                        let detected = tokio::task::block_in_place(|| self.detect(&mut peeked));
                        signals.holds(peeked.as_ref().is_some_and(|peeked| !peeked.opened.replayable));
                        detected
                    }
                };
                // What a file does not show since its reading was stopped is no fault of the file, nor of a pipe that has
                // given nothing.
                let untouched = self.meter.consumed.load(Ordering::Relaxed) == 0;
                let again = untouched || peeked.as_ref().is_none_or(|peeked| peeked.opened.replayable);
                match detected {
                    Ok(dataset) => Some(dataset),
                    Err(_) if again && signals.exit().is_some() => {
                        return self.unbegun(signals.exit().unwrap_or(Exit::Interrupted));
                    }
                    Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
                }
            }
        };
        if signals.exit().is_some() && peeked.is_none() {
            return self.unbegun(signals.exit().unwrap_or(Exit::Interrupted));
        }
        if let Some(peeked) = &peeked {
            chosen = peeked.opened.chosen.clone();
        }
        if self.claim.is_none() {
            self.read_as = chosen.layout.as_deref().and_then(|layout| self.layouts.data(layout));
        }
        if let (Task::Follow(followed), Some(data)) = (&mut self.task, &self.read_as) {
            // One tail, one layout.
            self.plan.data = data.clone();
            if let Some(open) = &chosen.open {
                followed.read_by(open.clone());
            }
            chosen.told.iter().for_each(|told| self.note(told));
        }
        let opened = match self.open_store(&signals, dataset.as_ref(), true).await {
            Ok(opened) => opened,
            Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
        };
        self.closed = self.facts_of(&*opened).closed.is_some();
        // Of several letters with one key the last is written first, since what it leaves is newer than
        // what the others say.
        if self.is_tail() {
            self.engine.second_try = SecondTry::WhenIdle;
        }
        self.engine.first_wins = opened.guards_newer();
        let target = opened.target().clone();
        let by_table = dataset.is_none();
        let dataset = dataset.unwrap_or_else(|| mapping::of_table(&target));
        let missing = dataset.missing_from(&target.key);
        if !missing.is_empty() {
            self.say(&format!("warning: {}: {}", target.table, earlier_key(&missing)));
        }
        let tenant = opened.tenant();
        if let (Some(given), Some(tenant)) = (&self.plan.to.tenant, &tenant)
            && let Err(error) = self.plan.data.values.one_tenant(given, tenant)
        {
            return Err(self.salvage(error, peeked, dead.as_ref()));
        }
        let dead = match (!self.plan.rejects.dry_run).then(|| self.dead_letters(Some(&dataset))).transpose() {
            Ok(named) => named,
            Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
        };
        let live = opened.live().filter(|_| !self.plan.rejects.dry_run);
        let mapper = Arc::new(self.mapper(dataset, (target, live), by_table, tenant.as_deref())?);
        if self.followed().is_none() && self.letters().is_none() {
            // All names are tried before the first row is stored.
            self.inputs.iter().try_for_each(|input| mapper.named(&input.name).map(drop))?;
        }
        if let Task::Verify(asked, slot) = &self.task {
            let asked = (asked.clone(), slot.clone());
            return self.verify(&signals, mapper, peeked, &*opened, asked).await;
        }
        if self.plan.rejects.dry_run {
            let (rehearsal, comparison) = (opened.rehearsal(), opened.comparison());
            return self.rehearse(mapper, peeked, rehearsal, comparison).await;
        }
        let packing = match self.plan.engine.compress {
            true => {
                let (store, table) = (&*self.plan.to.store, &mapper.target.table);
                match self.patiently(&signals, async || store.packing(table).await).await {
                    Ok(packing) => Some(packing),
                    Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
                }
            }
            false => None,
        };
        let places = match self.followed() {
            Some(followed) => Some(followed.open(&mapper.target.table)?),
            None => None,
        };
        let keeps = opened.keeps_runs();
        let started = match self.begin(&signals, &mapper, tenant.as_deref(), &keeps, places.as_deref()).await
        {
            Ok(started) => started,
            Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
        };
        if let (Some(letters), None, Ok(())) = (self.letters(), &started, &keeps) {
            letters.complete();
            return self.unbegun(Exit::Stored);
        }
        if let Some(letters) = self.letters() {
            (letters.begin)()?;
        }
        let job = match (&started, &keeps) {
            (None, Err(_)) => self.begin_job(&mapper, tenant.as_deref()).await?,
            _ => None,
        };
        let beside = match self.bulk(&signals, &*opened, &mapper, started.as_ref()).await {
            Ok(beside) => beside,
            Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
        };
        let (read, started) = (Read { peeked, places, beside, packing }, (started, job));
        self.load(opened.into_sink()?, mapper, dead, read, signals, started).await
    }

    fn mapper(
        &self,
        dataset: Dataset,
        (target, live): (Target, Option<Arc<LiveTarget>>),
        by_table: bool,
        tenant: Option<&str>,
    ) -> Result<MapperSettings> {
        if let Some(live) = &live {
            live.read_by(self.read_as.as_ref().unwrap_or(&self.plan.data).how()?);
        }
        // A tenant says to whom rows belong; a table without tenants has no place for that.
        let tenant = tenant.filter(|_| target.column("tenant_id").is_some());
        self.plan.data.mapper(MapperSettings {
            columns: MapOptions::default(),
            zone_from: None,
            zone_known: false,
            words: Arc::default(),
            name_pattern: None,
            time: TimeOptions::default(),
            nulls: NullTokens::default(),
            keep_case: false,
            decimal: None,
            scales: Scales::default(),
            formats: TimeFormats::default(),
            quality: Quality::default(),
            tenant: tenant.map(str::to_owned),
            sparse: self.letters().is_some(),
            // The ledger then tells how far a followed file is settled, whatever its rows' keys.
            one_lane: self.followed().is_some() && !target.key.is_empty() && !target.is_keyed(),
            now: soon,
            by_table,
            live,
            dataset,
            target,
        })
    }

    /// Takes note of what the first input looks like.
    fn see(&self, glimpse: Glimpse) {
        let Glimpse { input, detected, columns, unused, .. } = glimpse;
        let preview = Preview { input: input.to_string(), detected, columns, unused, ..Preview::default() };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(preview);
    }

    /// What was noted of it.
    fn glimpsed(&self) -> Option<Preview> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, text: &str) {
        self.caller.listener.note(text);
    }

    fn say(&self, text: &str) {
        self.caller.listener.say(text);
    }
}

/// The inputs of a plan, unless a signal came before object stores had answered which those are.
fn expanded(caller: &Caller, plan: &RunPlan) -> Result<(Vec<Input>, Vec<String>)> {
    let asked = || caller.interrupts.exit();
    expand_told(&plan.inputs, plan.recursive, &|| asked().is_some()).map_err(|error| match asked() {
        Some(exit) => {
            let what = "interrupted before it was known which inputs there are; run the same command again";
            Error::Interrupted(what.into(), exit == Exit::Terminated)
        }
        None => error,
    })
}
