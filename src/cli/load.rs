//! `mdsctl load`: wires inputs, mapping, engine, store and dead-letter queue together.

use std::ffi::OsString;
use std::fs::{Metadata, metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use uuid::Uuid;

use crate::app::dead_letters_only::DeadLettersOnlySink;
use crate::app::exit::Exit;
use crate::app::interrupts::Signals;
use crate::app::span;
use crate::cli::args::{DataArgs, GlobalArgs, LoadArgs, ProgressForm};
use crate::cli::letters::Letters;
use crate::cli::metrics::RunMetrics;
use crate::cli::tail::Followed;
use crate::cli::voice::say;
use crate::cli::{self, settings, signals, traces, voice};
use crate::dataset::detection;
use crate::dataset::mapping::{self, MapOptions};
use crate::dataset::reading::How;
use crate::dataset::{Dataset, LiveTarget, MapperSettings, Target, earlier_key};
use crate::dlq::names::{Kind, kind, live};
use crate::dlq::{DlqWriter, RunInfo};
use crate::error::{Error, Result};
use crate::port::Observer;
use crate::report::display::InputGauge;
use crate::report::progress::Choice;
use crate::report::shared_stderr::SharedStderr;
use crate::settings::{EngineSettings, Overflow, SecondTry};
use crate::sink::Store;
use crate::source::completion::SettledInputs;
use crate::source::follow::{self, CheckpointFile};
use crate::source::pipeline::{Peeked, Pipeline, peek};
use crate::source::{Input, Meter, OpenOptions, Opened, Stop, expand, shown};
use crate::telemetry::run_counters::RunCounters;
use crate::text::number_format;

mod begin;
mod dry_run;
mod end;
mod store;
mod unproven;
mod write;

pub use store::TableFacts;
use write::Read;

/// Runs it.
pub fn run(global: &GlobalArgs, args: &LoadArgs, screen: &SharedStderr) -> Result<Exit> {
    let run_id = traces::run_id();
    let metrics = match args.rejects.dry_run {
        true => RunMetrics::none(),
        false => RunMetrics::start(&args.engine, "load", run_id, known_name(&args.data), (global, screen))?,
    };
    let done = start(global, args, screen, run_id, &metrics);
    metrics.finish(&done);
    done
}

/// What the flags alone say of the data.
pub fn known_name(args: &DataArgs) -> Option<&str> {
    let dataset = args.dataset.and_then(|name| settings::dataset(name).ok());
    dataset.map(|dataset| &*dataset.name).or(args.table.as_deref())
}

fn start(
    global: &GlobalArgs,
    args: &LoadArgs,
    screen: &SharedStderr,
    run_id: Uuid,
    metrics: &RunMetrics,
) -> Result<Exit> {
    let runtime = runtime()?;
    let done =
        runtime.block_on(span::run("load", Load::prepare(global, args, screen, run_id, metrics)?.run()));
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
        .map_err(|e| Error::Internal(format!("cannot start: {e}")))
}

/// A load that is about to run.
pub struct Load<'a> {
    global: &'a GlobalArgs,
    args: &'a LoadArgs,
    screen: &'a SharedStderr,
    started: Instant,
    run_id: Uuid,
    inputs: Vec<Input>,
    store: Arc<dyn Store>,
    by_default: bool,
    engine: EngineSettings,
    stop: Stop,
    meter: Arc<Meter>,
    metrics: &'a RunMetrics,
    /// Whether a replay sends rows to the table only where a flag names it.
    closed: bool,
    /// Whether the server has taken a connection: from then on it is waited for when it goes away.
    reached: AtomicBool,
    /// What is loaded in place of the inputs' own rows, where this is a replay.
    letters: Option<Letters>,
    /// Which growing files are followed, where this is a tail.
    followed: Option<Followed>,
    /// Where this is a tail of a pipe: when it ends if nothing comes.
    pipe: Option<Option<Duration>>,
}

impl<'a> Load<'a> {
    /// Everything that can be wrong with the flags is found here, before anything is touched.
    pub fn prepare(
        global: &'a GlobalArgs,
        args: &'a LoadArgs,
        screen: &'a SharedStderr,
        run_id: Uuid,
        metrics: &'a RunMetrics,
    ) -> Result<Self> {
        let inputs = expand(&args.inputs, args.format.recursive)?;
        Self::with_inputs(global, args, screen, run_id, metrics, inputs)
    }

    /// The same for a pipe that is followed; it ends when nothing has come for `idle`.
    pub fn tail_of_pipe(
        global: &'a GlobalArgs,
        args: &'a LoadArgs,
        screen: &'a SharedStderr,
        run_id: Uuid,
        metrics: &'a RunMetrics,
        idle: Option<Duration>,
    ) -> Result<Self> {
        Ok(Self { pipe: Some(idle), ..Self::prepare(global, args, screen, run_id, metrics)? })
    }

    /// The same for files that grow, which need not be there yet.
    pub fn follow(
        global: &'a GlobalArgs,
        args: &'a LoadArgs,
        screen: &'a SharedStderr,
        run_id: Uuid,
        metrics: &'a RunMetrics,
        followed: Followed,
    ) -> Result<Self> {
        let named =
            |name: &OsString| Input { name: shown(name).into(), path: Some(name.into()), bytes: None };
        let inputs = args.inputs.iter().map(named).collect();
        let load = Self::with_inputs(global, args, screen, run_id, metrics, inputs)?;
        Ok(Self { followed: Some(followed), ..load })
    }

    fn with_inputs(
        global: &'a GlobalArgs,
        args: &'a LoadArgs,
        screen: &'a SharedStderr,
        run_id: Uuid,
        metrics: &'a RunMetrics,
        inputs: Vec<Input>,
    ) -> Result<Self> {
        let meaning = settings::meaning(&args.data)?;
        if meaning.name_pattern.is_some() && inputs.iter().any(|i| i.path.is_none()) {
            return Err(Error::Usage(
                "--name-pattern needs names, and standard input has none; use --set".into(),
            ));
        }
        let (store, by_default) = cli::store::choose(&args.store)?;
        settings::one_tenant_at_once(&args.data.set, &*store, args.store.tenant.as_deref())?;
        let meter = Arc::new(Meter::new(&inputs));
        Ok(Self {
            global,
            args,
            screen,
            started: Instant::now(),
            run_id,
            inputs,
            store,
            by_default,
            engine: EngineSettings {
                on_conflict: settings::on_conflict(&args.data),
                ..settings::engine(&args.engine)?
            },
            stop: Stop::new().map_err(|e| Error::Internal(format!("cannot start: {e}")))?,
            meter,
            metrics,
            closed: false,
            reached: AtomicBool::new(false),
            letters: None,
            followed: None,
            pipe: None,
        })
    }

    /// Loads those dead letters, in place of what the inputs hold otherwise.
    pub fn of(self, letters: Letters) -> Self {
        // What has been claimed stays claimed until it is settled: nothing overflows.
        let engine = EngineSettings { overflow: Overflow::Block, ..self.engine };
        Self { letters: Some(letters), engine, ..self }
    }

    /// The command that this is, as the user typed it.
    fn command(&self) -> &'static str {
        match (&self.letters, self.followed.is_some() || self.pipe.is_some()) {
            (Some(_), _) => "replay-dlq",
            (None, true) => "tail",
            (None, false) => "load",
        }
    }

    /// Runs it to its end.
    pub async fn run(mut self) -> Result<Exit> {
        let signals = Signals::listen(&signals::heard()?, &self.stop);
        self.metrics.know(|| self.facts(None));
        if self.by_default && !self.global.quiet {
            let (store, shown) = (self.store.called(), self.store.shown());
            self.say(&format!("no --dsn given: loading into {store}, {shown}"));
        }
        if let Some(Some(idle)) = self.pipe {
            self.stop_when_idle(idle);
        }
        let known = self.known_dataset()?;
        // What can fail is tried before a pipe is touched, whose bytes come only once.
        let live = self.inputs.iter().any(|i| i.path.is_none());
        let dead =
            if live && !self.args.rejects.dry_run { Some(self.dead_letters(known.as_ref())?) } else { None };
        // A tail may wait for its first file for long: what refuses it is said before.
        if live || self.followed.is_some() {
            self.patiently(&signals, async || self.store.reachable(self.patience()).await).await?;
            self.metrics.reached();
        }
        let mut peeked = None;
        let dataset = match (&known, &self.args.data.table) {
            (Some(dataset), _) => Some(dataset.clone()),
            (None, Some(_)) => None,
            (None, None) => {
                let columns = settings::columns(&self.args.data, None);
                let detected = match (&self.letters, &self.followed) {
                    (Some(letters), _) => letters.detect(&columns),
                    (None, Some(followed)) => {
                        let seen =
                            tokio::task::block_in_place(|| follow::schema(&followed.options, &self.stop))?;
                        match seen {
                            Some(schema) => detection::detect(&schema, &columns).cloned(),
                            None => return self.unbegun(signals.exit().unwrap_or(Exit::Stored)),
                        }
                    }
                    (None, None) => {
                        signals.holds(true);
                        let detected = tokio::task::block_in_place(|| self.detect(&columns, &mut peeked));
                        signals.holds(peeked.as_ref().is_some_and(|peeked| !peeked.opened.replayable));
                        detected
                    }
                };
                match detected {
                    Ok(dataset) => Some(dataset),
                    Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
                }
            }
        };
        if signals.exit().is_some() && peeked.is_none() {
            return self.unbegun(signals.exit().unwrap_or(Exit::Interrupted));
        }
        let opened = match self.open_store(&signals, dataset.as_ref(), self.global.quiet).await {
            Ok(opened) => opened,
            Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
        };
        self.closed = self.facts_of(&*opened).closed.is_some();
        // Of several letters with one key the last is written first, since what it leaves is newer than
        // what the others say.
        if self.followed.is_some() || self.pipe.is_some() {
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
        if let (Some(given), Some(tenant)) = (&self.args.store.tenant, &tenant)
            && let Err(error) = settings::one_tenant(&self.args.data.set, given, tenant)
        {
            return Err(self.salvage(error, peeked, dead.as_ref()));
        }
        let dead = match (!self.args.rejects.dry_run).then(|| self.dead_letters(Some(&dataset))).transpose() {
            Ok(named) => named,
            Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
        };
        let live = opened.live().filter(|_| !self.args.rejects.dry_run);
        let mapper = Arc::new(self.mapper(dataset, (target, live), by_table, tenant.as_deref())?);
        if self.followed.is_none() && self.letters.is_none() {
            // All names are tried before the first row is stored.
            self.inputs.iter().try_for_each(|input| mapper.named(&input.name).map(drop))?;
        }
        if self.args.rejects.dry_run {
            return self.rehearse(mapper, peeked, opened.rehearsal()).await;
        }
        let places = match &self.followed {
            Some(followed) => Some(CheckpointFile::open(followed.checkpoint(&mapper.target.table))?),
            None => None,
        };
        let keeps = opened.keeps_runs();
        let started = match self.begin(&signals, &mapper, tenant.as_deref(), keeps, places.as_ref()).await {
            Ok(started) => started,
            Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
        };
        if let (Some(letters), None, true) = (&self.letters, &started, keeps) {
            letters.complete();
            return Ok(Exit::Stored);
        }
        if let Some(letters) = &self.letters {
            (letters.begin)()?;
        }
        let job = match (&started, keeps) {
            (None, false) => self.begin_job(&mapper, tenant.as_deref()).await?,
            _ => None,
        };
        let (read, started) = (Read { peeked, places }, (started, job));
        self.load(opened.into_sink()?, mapper, dead, read, signals, started).await
    }

    /// The dataset, where a flag says it.
    fn known_dataset(&self) -> Result<Option<Dataset>> {
        let Some(name) = self.args.data.dataset else { return Ok(None) };
        let mut dataset = settings::dataset(name)?.clone();
        if let Some(table) = &self.args.data.table {
            dataset.table = table.clone().into();
        }
        Ok(Some(dataset))
    }

    /// Looks into the inputs until one shows its columns.
    fn detect(&self, columns: &MapOptions, peeked: &mut Option<Peeked>) -> Result<Dataset> {
        let options = self.open_options();
        let mut failed = None;
        for (index, input) in self.inputs.iter().enumerate() {
            match peek(index, input, &options, &self.stop, &self.meter) {
                Ok(Peeked { opened: Opened { void: Some(error), .. }, .. }) => {
                    failed.get_or_insert(error);
                }
                Ok(seen) => {
                    let seen = peeked.insert(seen);
                    if let Some(what) = seen.opened.decoder.objection() {
                        return Err(Error::Usage(format!("{}: {what}", input.name)));
                    }
                    return match seen.schema() {
                        Some(schema) => {
                            let mut found = detection::detect(&schema, columns).cloned();
                            while found.is_err() && seen.look_on(input)? {
                                found = match seen.schema() {
                                    Some(schema) => detection::detect(&schema, columns).cloned(),
                                    None => break,
                                };
                            }
                            found.map_err(|e| seen.no_rows(input).unwrap_or_else(|| e.at(&input.name)))
                        }
                        None => Err(Error::Input(
                            match seen.first.iter().flat_map(|batch| &batch.broken).next() {
                                Some(broken) => {
                                    format!("{}: row {}: {}", input.name, broken.row, broken.message)
                                }
                                None => format!("{}: there is no row in it", input.name),
                            },
                        )),
                    };
                }
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        Err(failed.unwrap_or_else(|| Error::Input("there is nothing to load".into())))
    }

    /// Rows that were taken from a pipe go to the dead-letter queue; the error says so.
    fn salvage(&self, error: Error, peeked: Option<Peeked>, dead: Option<&DlqWriter>) -> Error {
        let (Some(peeked), Some(dead)) = (peeked, dead) else { return error };
        if peeked.opened.replayable {
            return error;
        }
        self.stop.set();
        let mut graveyard = DeadLettersOnlySink { dead, runtime: Handle::current(), rows: 0 };
        let input = &self.inputs[peeked.index];
        let reading = settings::reading(&self.args.data).unwrap_or_default();
        let saved = tokio::task::block_in_place(|| peeked.bury(input, &reading, &mut graveyard));
        match (graveyard.rows, saved) {
            (_, Err(lost)) => Error::Internal(format!("{error}; and what was read of stdin is lost: {lost}")),
            (0, Ok(())) => error,
            (rows, Ok(())) => error.and(&format!(
                "; {} already read from stdin {} in {}",
                number_format::plural(rows, "row"),
                if rows == 1 { "is" } else { "are" },
                dead.path().display()
            )),
        }
    }

    fn dead_letters(&self, dataset: Option<&Dataset>) -> Result<DlqWriter> {
        // Before the dataset of a pipe is known its rows have no name of their own.
        let name = dataset.map_or("unknown", |d| &d.name);
        let path = self.args.rejects.dlq.clone().unwrap_or_else(|| dlq_path(name));
        if let Kind::Segment(_) = kind(&path) {
            return Err(Error::Usage(format!(
                "--dlq {}: by its name that is a part of the queue {}; give that, or a name without a number at its end",
                path.display(),
                live(&path).display()
            )));
        }
        if let Some(input) =
            self.inputs.iter().find(|input| self.letters.is_none() && is_file_of(input, &path))
        {
            return Err(Error::Usage(format!(
                "the dead-letter queue {} is one of the inputs, {}: rows that fail would be written into it; name another queue with --dlq{}",
                path.display(),
                input.name,
                if self.args.rejects.dlq.is_none() { ", or replay it with mdsctl replay-dlq" } else { "" }
            )));
        }
        DlqWriter::open_bounded(path, self.run_info(name), self.args.rejects.dlq_max_bytes)
    }

    /// How inputs are opened: rows of a pipe that are too long for one are kept beside the queue.
    fn open_options(&self) -> OpenOptions {
        let queue = self.args.rejects.dlq.clone().unwrap_or_else(|| dlq_path("long"));
        let mut options = settings::open_options(&self.args.format);
        if !self.args.rejects.dry_run {
            options.csv.keep = Some(queue.with_file_name(format!("long-{}", self.run_id)));
        }
        options
    }

    /// What dead letters say of this run.
    fn run_info(&self, dataset: &str) -> RunInfo {
        let tenant_id = self.args.store.tenant.clone();
        let table = self.args.data.table.clone().filter(|table| table != dataset);
        RunInfo { run_id: self.run_id, dataset: dataset.to_owned(), table, tenant_id }
    }

    fn mapper(
        &self,
        dataset: Dataset,
        (target, live): (Target, Option<Arc<LiveTarget>>),
        by_table: bool,
        tenant: Option<&str>,
    ) -> Result<MapperSettings> {
        let meaning = settings::meaning(&self.args.data)?;
        if let Some(live) = &live {
            let (time, nulls) = (meaning.time.clone(), meaning.nulls.clone());
            live.read_by(How {
                time,
                nulls,
                keep_case: self.args.data.keep_case,
                decimal: self.args.data.decimal,
            });
        }
        // A tenant says to whom rows belong; a table without tenants has no place for that.
        let tenant = tenant.filter(|_| target.column("tenant_id").is_some());
        Ok(MapperSettings {
            columns: settings::columns(&self.args.data, tenant),
            name_pattern: meaning.name_pattern,
            time: meaning.time,
            nulls: meaning.nulls,
            keep_case: self.args.data.keep_case,
            decimal: self.args.data.decimal,
            quality: meaning.quality,
            tenant: tenant.map(str::to_owned),
            sparse: self.letters.is_some(),
            // The ledger then tells how far a followed file is settled, whatever its rows' keys.
            one_lane: self.followed.is_some() && !target.key.is_empty() && !target.is_keyed(),
            now: soon,
            by_table,
            live,
            dataset,
            target,
        })
    }

    fn pipeline(
        &self,
        mapper: &Arc<MapperSettings>,
        observer: Arc<dyn Observer>,
        current: Arc<AtomicUsize>,
        enough: Box<dyn Fn(u64) -> bool + Send>,
    ) -> Pipeline {
        let screen = self.screen.clone();
        Pipeline {
            inputs: self.inputs.clone(),
            open: self.open_options(),
            mapper: mapper.clone(),
            stop: self.stop.clone(),
            meter: self.meter.clone(),
            observer,
            on_input: Box::new(move |index| current.store(index + 1, Ordering::Relaxed)),
            enough,
            unreadable: Default::default(),
            skip: 0,
            settled: SettledInputs::default(),
            on_error: Box::new(move |_, error| {
                say(&screen, &format!("error: {error}; going on with the next input"));
                Ok(())
            }),
        }
    }

    fn enough(&self, tally: &Arc<RunCounters>) -> Box<dyn Fn(u64) -> bool + Send> {
        let (tally, limit) = (tally.clone(), self.args.rejects.max_rejects);
        Box::new(move |read| {
            limit.is_some_and(|limit| {
                let snapshot = tally.snapshot();
                // What is given back before the end was refused too, and the dead-letter queue took it not.
                let (books, returned) = (snapshot.books, snapshot.returned);
                limit.passed(books.rejected + books.dropped + returned, read, false)
            })
        })
    }

    fn gauge(&self) -> (Arc<AtomicUsize>, impl Fn() -> InputGauge + Send + use<>) {
        let current = Arc::new(AtomicUsize::new(0));
        let (meter, at) = (self.meter.clone(), current.clone());
        let names: Vec<Arc<str>> = self.inputs.iter().map(|i| i.name.clone()).collect();
        let gauge = move || {
            let total = meter.total.load(Ordering::Relaxed);
            let at = at.load(Ordering::Relaxed);
            InputGauge {
                consumed: meter.consumed.load(Ordering::Relaxed),
                total: (total > 0).then_some(total),
                decoded: meter.decoded.load(Ordering::Relaxed),
                current: at.checked_sub(1).and_then(|i| names.get(i)).map(|n| n.to_string()),
                files_done: at.saturating_sub(1) as u64,
                files_total: names.len() as u64,
            }
        };
        (current, gauge)
    }

    /// Sets the stop when no byte has come for so long.
    fn stop_when_idle(&self, idle: Duration) {
        let (meter, stop) = (self.meter.clone(), self.stop.clone());
        tokio::spawn(async move {
            let (mut seen, mut since) = (0, Instant::now());
            while !stop.is_set() {
                tokio::time::sleep((idle / 10).max(Duration::from_millis(10))).await;
                let now = meter.consumed.load(Ordering::Relaxed);
                if now != seen {
                    (seen, since) = (now, Instant::now());
                } else if since.elapsed() >= idle {
                    stop.set();
                }
            }
        });
    }

    fn progress_choice(&self) -> Choice {
        match self.global.progress {
            ProgressForm::Auto if self.global.quiet => Choice::None,
            ProgressForm::Auto | ProgressForm::Bar | ProgressForm::Plain if voice::is_json() => Choice::Json,
            ProgressForm::Auto => Choice::Auto,
            ProgressForm::Bar => Choice::Bar,
            ProgressForm::Plain => Choice::Plain,
            ProgressForm::Json => Choice::Json,
            ProgressForm::None => Choice::None,
        }
    }

    fn say(&self, text: &str) {
        say(self.screen, text);
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
