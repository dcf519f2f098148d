//! A load: wires inputs, mapping, engine, store and dead-letter queue together. A tail and a replay are loads of
//! another source.

use std::fs::{Metadata, metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;

use crate::app::caller::{Caller, RunReport};
use crate::app::dead_letters_only::{DeadLettersOnlySink, Salvaged};
use crate::app::exit::Exit;
use crate::app::interrupts::Signals;
use crate::app::layout::Layouts;
use crate::app::letters::Letters;
use crate::app::metrics::RunMetrics;
use crate::app::plan::{DataPlan, RunPlan};
use crate::app::span;
use crate::dataset::mapping::{self, MapOptions};
use crate::dataset::nulls::NullTokens;
use crate::dataset::quality::Quality;
use crate::dataset::scale::Scales;
use crate::dataset::time::{TimeFormats, TimeOptions};
use crate::dataset::{Dataset, LiveTarget, MapperSettings, Target, earlier_key};
use crate::dlq::names::{Kind, kind, live};
use crate::dlq::{DlqWriter, RunInfo};
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::settings::{EngineSettings, Overflow, SecondTry};
use crate::source::followed::Followed;
use crate::source::{Chooser, Chosen, Input, Meter, OpenOptions, Peeked, expand};
use crate::telemetry::result::DlqResult;
use crate::telemetry::snapshot::Books;
use crate::text::flags::{DLQ, DSN, NAME_PATTERN, SET};
use crate::text::number_format;

pub(crate) mod said;
mod way;

mod begin;
mod detect;
mod dry_run;
mod end;
mod store;
mod unproven;
mod write;

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
    let load = Load::prepare(caller, plan, Task::Load, layouts, metrics)?;
    let done = runtime.block_on(span::run("load", load.run()));
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
    engine: EngineSettings,
    stop: Stop,
    meter: Arc<Meter>,
    metrics: &'a RunMetrics,
    /// Whether a replay sends rows to the table only where a flag names it.
    closed: bool,
    /// Whether the server has taken a connection: from then on it is waited for when it goes away.
    reached: AtomicBool,
}

impl<'a> Load<'a> {
    /// Everything that can be wrong with the plan is found here, before anything is touched.
    pub(crate) fn prepare(
        caller: &'a Caller,
        mut plan: RunPlan,
        task: Task,
        layouts: Arc<Layouts>,
        metrics: &'a RunMetrics,
    ) -> Result<Self> {
        let inputs = match &task {
            Task::Follow(_) => plan.inputs.iter().map(Input::named).collect(),
            _ => expand(&plan.inputs, plan.recursive)?,
        };
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
            engine,
            stop: Stop::new().map_err(|e| Error::internal(format!("cannot start: {e}")))?,
            meter,
            metrics,
            closed: false,
            reached: AtomicBool::new(false),
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
                    Task::Load | Task::Pipe(_) => {
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
        self.read_as = chosen.layout.as_deref().and_then(|layout| self.layouts.data(layout));
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
        if self.plan.rejects.dry_run {
            return self.rehearse(mapper, peeked, opened.rehearsal()).await;
        }
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
        let (read, started) = (Read { peeked, places }, (started, job));
        self.load(opened.into_sink()?, mapper, dead, read, signals, started).await
    }

    /// Rows that were taken from a pipe go to the dead-letter queue; the error says so.
    fn salvage(&self, error: Error, peeked: Option<Peeked>, dead: Option<&DlqWriter>) -> Error {
        let (Some(peeked), Some(dead)) = (peeked, dead) else { return error };
        if peeked.opened.replayable {
            return error;
        }
        self.stop.set();
        let mut graveyard = DeadLettersOnlySink { dead, runtime: Handle::current(), books: Books::default() };
        let input = &self.inputs[peeked.index];
        let chosen = peeked.opened.chosen.layout.as_deref().and_then(|layout| self.layouts.data(layout));
        let reading = chosen.as_ref().unwrap_or(&self.plan.data).reading().unwrap_or_default();
        let saved = tokio::task::block_in_place(|| peeked.bury(input, &reading, &mut graveyard));
        let (books, path) = (graveyard.books, dead.path().display().to_string());
        let rows = books.rejected;
        let said = match saved {
            Err(lost) => {
                let sentence = format!("{error}; and what was read of stdin is lost: {lost}");
                // As where the queue takes nothing later on.
                match books.read > rows {
                    true => Error::unavailable(sentence),
                    false => Error::internal(sentence),
                }
            }
            Ok(()) if books.read == 0 => return error,
            Ok(()) => error.clone().and(&format!(
                "; {} already read from stdin {} in {path}",
                number_format::plural(rows, "row"),
                if rows == 1 { "is" } else { "are" },
            )),
        };
        let dlq = DlqResult { path: Some(path), records: dead.records(), rows: dead.rows() };
        said.caused_by(Salvaged { books, dlq, error })
    }

    fn dead_letters(&self, dataset: Option<&Dataset>) -> Result<DlqWriter> {
        // Before the dataset of a pipe is known its rows have no name of their own.
        let name = dataset.map_or("unknown", |d| &d.name);
        let path = self.plan.rejects.dlq.clone().unwrap_or_else(|| dlq_path(name));
        if let Kind::Segment(_) = kind(&path) {
            return Err(Error::usage(format!(
                "{DLQ} {}: by its name that is a part of the queue {}; give that, or a name without a number at its end",
                path.display(),
                live(&path).display()
            )));
        }
        if let Some(input) =
            self.inputs.iter().find(|input| self.letters().is_none() && is_file_of(input, &path))
        {
            return Err(Error::usage(format!(
                "the dead-letter queue {} is one of the inputs, {}: rows that fail would be written into it; name another queue with {DLQ}{}",
                path.display(),
                input.name,
                if self.plan.rejects.dlq.is_none() { ", or replay it with mdsctl replay-dlq" } else { "" }
            )));
        }
        DlqWriter::open_bounded(path, self.run_info(name), self.plan.rejects.dlq_max_bytes)
    }

    /// How inputs are opened: rows of a pipe that are too long for one are kept beside the queue.
    fn open_options(&self) -> OpenOptions {
        let queue = self.plan.rejects.dlq.clone().unwrap_or_else(|| dlq_path("long"));
        let mut options = self.plan.open.clone();
        if !self.plan.rejects.dry_run {
            options.csv.keep = Some(queue.with_file_name(format!("long-{}", self.caller.run_id)));
        }
        options
    }

    /// What dead letters say of this run.
    fn run_info(&self, dataset: &str) -> RunInfo {
        let tenant_id = self.plan.to.tenant.clone();
        let table = self.plan.data.table.clone().filter(|table| table != dataset);
        RunInfo { run_id: self.caller.run_id, dataset: dataset.to_owned(), table, tenant_id }
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

    fn note(&self, text: &str) {
        self.caller.listener.note(text);
    }

    fn say(&self, text: &str) {
        self.caller.listener.say(text);
    }
}

/// Whether that is the file of an input, under whatever name.
fn is_file_of(input: &Input, path: &Path) -> bool {
    let id = |path: &Path| metadata(path).ok().filter(Metadata::is_file).map(|file| (file.dev(), file.ino()));
    let (own, queue) = (input.path.as_deref().and_then(id), id(path));
    own.is_some() && own == queue
}

/// The queue of a dataset where no flag names one.
fn dlq_path(dataset: &str) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    Path::new(".dlq").join(format!("{}.ndjson", dataset.chars().map(plain).collect::<String>()))
}
