//! `mdsctl load`: wires inputs, mapping, engine, store and dead-letter queue together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use uuid::Uuid;

use crate::batch::{Batch, Reject};
use crate::cli::args::{DataArgs, GlobalArgs, LoadArgs, ProgressForm};
use crate::cli::exit::Exit;
use crate::cli::history::History;
use crate::cli::keep::{Keeper, Started, books_of};
use crate::cli::letters::{Letters, Sorted};
use crate::cli::log::EventLog;
use crate::cli::metrics::RunMetrics;
use crate::cli::resume::Request;
use crate::cli::salvage::Graveyard;
use crate::cli::signals::Signals;
use crate::cli::store::Store;
use crate::cli::tail::Followed;
use crate::cli::{print, process, settings, style, traces};
use crate::coordinator::{DEAD_LETTERS, End, Outcome, WriteCoordinator};
use crate::dataset::mapping::{self, MapOptions};
use crate::dataset::{Dataset, MapperSettings, Target};
use crate::dlq::names::{Kind, kind, live, segments};
use crate::dlq::{DlqWriter, RunInfo};
use crate::error::{Error, Result};
use crate::observe::display::InputGauge;
use crate::observe::fanout::Fanout;
use crate::observe::figures;
use crate::observe::progress::{Choice, Mode, Progress};
use crate::observe::result::{DlqResult, RunFacts, RunResult};
use crate::observe::screen::Screen;
use crate::observe::snapshot::Snapshot;
use crate::observe::summary::{self, Extras};
use crate::observe::tally::Tally;
use crate::port::runs::{Checkpoints, InputIdentity, RunEnd, RunRecord, RunStart, RunStatus};
use crate::port::{DeadLetterError, DeadLetters, Event, Observer, Sink};
use crate::settings::{EngineSettings, Overflow};
use crate::sink::postgres::{PgOptions, PgSink, reachable};
use crate::sink::sqlite::{self, SqliteOptions, SqliteSink};
use crate::source::follow::{self, Follower};
use crate::source::identity::{has_grown, identify};
use crate::source::pipeline::{EngineOutlet, Outlet, Peeked, Pipeline, Report, peek};
use crate::source::resume::Resumed;
use crate::source::settled::SettledInputs;
use crate::source::{Input, Meter, Stop, expand};

/// Runs it.
pub fn run(global: &GlobalArgs, args: &LoadArgs, screen: &Screen) -> Result<Exit> {
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
    screen: &Screen,
    run_id: Uuid,
    metrics: &RunMetrics,
) -> Result<Exit> {
    let runtime = runtime()?;
    let done =
        runtime.block_on(traces::run("load", Load::prepare(global, args, screen, run_id, metrics)?.run()));
    // A thread that waits for a pipe must not keep the process.
    runtime.shutdown_background();
    done
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

/// A table that rows are to go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Its name with its schema.
    pub table: String,
    /// Whether rows of it can be told apart.
    pub keyed: bool,
    /// The tenant, by its id where the store knows tenants.
    pub tenant: Option<String>,
}

impl TableFacts {
    fn of(target: &Target, tenant: Option<String>) -> Self {
        Self { table: target.table.clone(), keyed: !target.key.is_empty(), tenant }
    }
}

/// A load that is about to run.
pub struct Load<'a> {
    global: &'a GlobalArgs,
    args: &'a LoadArgs,
    screen: &'a Screen,
    started: Instant,
    run_id: Uuid,
    inputs: Vec<Input>,
    store: Store,
    by_default: bool,
    engine: EngineSettings,
    stop: Stop,
    meter: Arc<Meter>,
    metrics: &'a RunMetrics,
    /// What is loaded in place of the inputs' own rows, where this is a replay.
    letters: Option<Letters>,
    /// Which growing files are followed, where this is a tail.
    followed: Option<Followed>,
    /// Where this is a tail of a pipe: when it ends if nothing comes.
    pipe: Option<Option<Duration>>,
}

/// What is written to.
enum OpenStore {
    Sqlite(SqliteSink),
    Postgres(Box<PgSink>),
    /// Nothing: a dry run against the embedded store.
    Planned,
}

impl<'a> Load<'a> {
    /// Everything that can be wrong with the flags is found here, before anything is touched.
    pub fn prepare(
        global: &'a GlobalArgs,
        args: &'a LoadArgs,
        screen: &'a Screen,
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
        screen: &'a Screen,
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
        screen: &'a Screen,
        run_id: Uuid,
        metrics: &'a RunMetrics,
        followed: Followed,
    ) -> Result<Self> {
        let named =
            |name: &String| Input { name: name.as_str().into(), path: Some(name.into()), bytes: None };
        let inputs = args.inputs.iter().map(named).collect();
        let load = Self::with_inputs(global, args, screen, run_id, metrics, inputs)?;
        Ok(Self { followed: Some(followed), ..load })
    }

    fn with_inputs(
        global: &'a GlobalArgs,
        args: &'a LoadArgs,
        screen: &'a Screen,
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
        let (store, by_default) = Store::choose(&args.store)?;
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
        let signals = Signals::listen(&self.stop)?;
        self.metrics.know(|| self.facts(None));
        if self.by_default && !self.global.quiet {
            self.say(&format!("no --dsn given: loading into the embedded store, {}", self.store.shown()));
        }
        if let Some(Some(idle)) = self.pipe {
            self.stop_when_idle(idle);
        }
        let known = self.known_dataset()?;
        // What can fail is tried before a pipe is touched, whose bytes come only once.
        let live = self.inputs.iter().any(|i| i.path.is_none());
        let dead =
            if live && !self.args.rejects.dry_run { Some(self.dead_letters(known.as_ref())?) } else { None };
        if let Store::Postgres(dsn) = &self.store
            && live
        {
            self.patiently(&signals, async || reachable(dsn).await).await?;
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
                            Some(schema) => mapping::detect(&schema, &columns).cloned(),
                            None => return Ok(signals.exit().unwrap_or(Exit::Stored)),
                        }
                    }
                    (None, None) => tokio::task::block_in_place(|| self.detect(&columns, &mut peeked)),
                };
                match detected {
                    Ok(dataset) => Some(dataset),
                    Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
                }
            }
        };
        if signals.exit().is_some() && peeked.is_none() {
            return Ok(signals.exit().unwrap_or(Exit::Interrupted));
        }
        let opened = match self.open_store(&signals, dataset.as_ref(), self.global.quiet).await {
            Ok(opened) => opened,
            Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
        };
        // Of several letters with one key the last is written first, since what it leaves is newer than
        // what the others say.
        self.engine.first_wins = match &opened {
            OpenStore::Sqlite(sink) => sink.guards_newer(),
            OpenStore::Postgres(sink) => sink.guards_newer(),
            OpenStore::Planned => false,
        };
        let (target, dataset) = match &opened {
            OpenStore::Sqlite(sink) => (sink.target().clone(), dataset),
            OpenStore::Postgres(sink) => (sink.target().clone(), dataset),
            OpenStore::Planned => match dataset {
                Some(dataset) => (sqlite::schema::planned(&dataset), Some(dataset)),
                None => {
                    return Err(Error::Usage(
                        "--dry-run with --table needs a store that has the table: add --dsn".into(),
                    ));
                }
            },
        };
        let dataset = dataset.unwrap_or_else(|| mapping::of_table(&target));
        let tenant = match &opened {
            OpenStore::Postgres(sink) => sink.tenant().map(|id| id.to_string()),
            _ => self.args.store.tenant.clone(),
        };
        let dead = match (!self.args.rejects.dry_run).then(|| self.dead_letters(Some(&dataset))).transpose() {
            Ok(named) => named,
            Err(error) => return Err(self.salvage(error, peeked, dead.as_ref())),
        };
        let mapper = Arc::new(self.mapper(dataset, target, tenant.as_deref())?);
        if self.args.rejects.dry_run {
            return self.rehearse(mapper, peeked).await;
        }
        let keeps = !matches!(&opened, OpenStore::Postgres(sink) if !sink.keeps_runs());
        let started = match self.begin(&signals, &mapper, tenant.as_deref(), keeps).await {
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
        match opened {
            OpenStore::Sqlite(sink) => self.load(sink, mapper, dead, peeked, signals, started).await,
            OpenStore::Postgres(sink) => self.load(*sink, mapper, dead, peeked, signals, started).await,
            OpenStore::Planned => self.rehearse(mapper, peeked).await,
        }
    }

    /// What there is to know of the table before rows are sent to it.
    pub async fn table_facts(&self) -> Result<TableFacts> {
        let signals = Signals::listen(&self.stop)?;
        let dataset = match (self.known_dataset()?, &self.args.data.table, &self.letters) {
            (None, None, Some(letters)) => Some(letters.detect(&settings::columns(&self.args.data, None))?),
            (known, ..) => known,
        };
        let opened = self.open_store(&signals, dataset.as_ref(), true).await?;
        Ok(match &opened {
            OpenStore::Sqlite(sink) => TableFacts::of(sink.target(), self.args.store.tenant.clone()),
            OpenStore::Postgres(sink) => {
                TableFacts::of(sink.target(), sink.tenant().map(|id| id.to_string()))
            }
            OpenStore::Planned => {
                let table = self.args.data.table.clone().or_else(|| dataset.map(|d| d.table.to_string()));
                let tenant = self.args.store.tenant.clone();
                TableFacts { table: table.unwrap_or_default(), keyed: true, tenant }
            }
        })
    }

    /// Writes the run into the history, where the store keeps one; goes on with an earlier one
    /// where that is asked for.
    async fn begin(
        &self,
        signals: &Signals,
        mapper: &MapperSettings,
        tenant: Option<&str>,
        keeps: bool,
    ) -> Result<Option<Started>> {
        let (args, asked) = (self.args, &self.args.history);
        if let Some(letters) =
            self.letters.as_ref().filter(|letters| !keeps && letters.taken_up && !letters.force)
            && mapper.target.key.is_empty()
        {
            return Err(Error::Usage(format!(
                "an earlier replay of {} did not end; {} has no key, and this role keeps no ledger, so that nobody knows which of its rows are there: compare them, and give --force to write all of them, also those that are there already",
                letters.queue.display(),
                mapper.target.table
            )));
        }
        if !keeps {
            return match asked.resume {
                true => Err(Error::Usage(
                    "--resume needs the ledger, which this role may not keep; have mdsctl schema apply make it, and grant this role to write to mds_runs and mds_checkpoints".into(),
                )),
                false => Ok(None),
            };
        }
        let unknown = |input: &Input| InputIdentity {
            name: input.name.to_string(),
            id: None,
            bytes: None,
            fingerprint: None,
            failed: None,
        };
        let (inputs, settings) = match &self.letters {
            Some(letters) => (letters.inputs(), letters.settings(&mapper.target.table)),
            None => (
                match self.followed {
                    // The checkpoint file knows them, not the history.
                    Some(_) => self.inputs.iter().map(unknown).collect(),
                    None => identify(&self.inputs, asked.source_id.as_deref()),
                },
                settings::identity(&args.data, &args.format, &mapper.dataset, &mapper.target, tenant),
            ),
        };
        let keyed = !mapper.target.key.is_empty();
        let (resume, force) = match &self.letters {
            // With a key, whatever is replayed twice is the same once more.
            Some(letters) => (letters.taken_up && !keyed, !letters.taken_up || keyed),
            None => (asked.resume, asked.force),
        };
        let provider = args.data.set.iter().find(|(name, _)| name == "vendor").map(|(_, value)| value);
        let start = RunStart {
            run_id: self.run_id,
            command: self.command().to_owned(),
            dataset: mapper.dataset.name.to_string(),
            table: mapper.target.table.clone(),
            keyed,
            inputs,
            fingerprint: settings::fingerprint(&settings),
            settings,
            settled: 0,
            workers: self.engine.workers,
            resumable: self.engine.overflow != Overflow::DropOldest && self.command() != "tail",
            process: process::own(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            provider: provider.or(args.data.vendor.as_ref()).cloned(),
        };
        let grown = |place: usize, before: &InputIdentity| {
            self.inputs.get(place).is_some_and(|input| has_grown(input, before))
        };
        if resume && self.letters.is_some() {
            let earlier =
                async || History::of(&self.store)?.earlier(&start.table, &start.inputs, start.run_id).await;
            let earlier = self.patiently(signals, earlier).await?;
            let same = |run: &RunRecord| run.inputs == start.inputs && run.status.is_finished();
            if earlier.iter().any(same) {
                return Ok(None);
            }
            let known = earlier.iter().any(|run| run.inputs == start.inputs);
            if let Some(letters) = self.letters.as_ref().filter(|letters| letters.begun && !letters.force)
                && !known
            {
                return Err(Error::Usage(format!(
                    "an earlier replay of {} did not end; {} has no key, and the ledger does not know that replay any more, so that nobody knows which of its rows are there: compare them, and give --force to write all of them, also those that are there already",
                    letters.queue.display(),
                    start.table
                )));
            }
        }
        let started = self
            .patiently(signals, async || {
                let request = Request {
                    inputs: &start.inputs,
                    table: &start.table,
                    keyed: start.keyed,
                    settings: &start.settings,
                    resume,
                    force,
                    grown: &grown,
                };
                let stopped = || signals.exit().is_some();
                Keeper::begin(History::of(&self.store)?, start.clone(), request, stopped).await
            })
            .await?;
        if !self.global.quiet && self.letters.is_none() {
            started.notes.iter().for_each(|note| self.say(note));
        }
        Ok(Some(started))
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
        let options = settings::open_options(&self.args.format);
        let mut failed = None;
        for (index, input) in self.inputs.iter().enumerate() {
            match peek(index, input, &options, &self.stop, &self.meter) {
                Ok(seen) => {
                    let seen = peeked.insert(seen);
                    return match seen.schema() {
                        Some(schema) => {
                            mapping::detect(&schema, columns).cloned().map_err(|e| e.at(&input.name))
                        }
                        None => Err(Error::Input(match seen.first.as_ref().and_then(|f| f.broken.first()) {
                            Some(broken) => format!("{}: row {}: {}", input.name, broken.row, broken.message),
                            None => format!("{}: there is no row in it", input.name),
                        })),
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
        let mut graveyard = Graveyard { dead, runtime: Handle::current(), rows: 0 };
        let input = &self.inputs[peeked.index];
        let saved = tokio::task::block_in_place(|| peeked.bury(input, &mut graveyard));
        match (graveyard.rows, saved) {
            (_, Err(lost)) => Error::Internal(format!("{error}; and what was read of stdin is lost: {lost}")),
            (0, Ok(())) => error,
            (rows, Ok(())) => error.and(&format!(
                "; {} already read from stdin are in {}",
                figures::plural(rows, "row"),
                dead.path().display()
            )),
        }
    }

    async fn open_store(
        &self,
        signals: &Signals,
        dataset: Option<&Dataset>,
        quiet: bool,
    ) -> Result<OpenStore> {
        let data = &self.args.data;
        let newer_stays = self.letters.as_ref().is_some_and(|letters| !letters.force);
        match &self.store {
            Store::Sqlite(_) if self.args.rejects.dry_run => Ok(OpenStore::Planned),
            Store::Sqlite(path) => {
                let options = SqliteOptions {
                    exact: data.exact,
                    on_conflict: settings::on_conflict(data),
                    run_id: Some(self.run_id),
                    newer_stays,
                };
                let sink = match (&data.table, dataset) {
                    (Some(table), _) => SqliteSink::open_table(path, table, options)?,
                    (None, Some(dataset)) => SqliteSink::open(path, dataset, options)?,
                    (None, None) => return Err(Error::Internal("no dataset and no table".into())),
                };
                Ok(OpenStore::Sqlite(sink))
            }
            Store::Postgres(dsn) => {
                let table =
                    data.table.clone().or_else(|| dataset.map(|d| d.table.to_string())).unwrap_or_default();
                let options = PgOptions {
                    dsn: (**dsn).clone(),
                    table,
                    tenant: self.args.store.tenant.clone(),
                    exact: data.exact,
                    round: data.round,
                    on_conflict: settings::on_conflict(data),
                    run_id: (!self.args.rejects.dry_run).then_some(self.run_id),
                    newer_stays,
                };
                let sink = self.patiently(signals, async || PgSink::open(options.clone()).await).await?;
                if !quiet {
                    sink.notes().iter().for_each(|note| self.say(note));
                }
                Ok(OpenStore::Postgres(Box::new(sink)))
            }
        }
    }

    /// Under `--wait` a store that is away at the start is waited for like one that goes away.
    async fn patiently<T>(&self, signals: &Signals, act: impl AsyncFn() -> Result<T>) -> Result<T> {
        let mut told = false;
        loop {
            match act().await {
                Err(Error::Unavailable(why)) if self.args.engine.wait && signals.exit().is_none() => {
                    if self.engine.max_outage.is_some_and(|most| self.started.elapsed() > most) {
                        return Err(Error::Unavailable(why));
                    }
                    if !told {
                        tracing::warn!("waiting for the store: {why}");
                        told = true;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                done => return done,
            }
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
        DlqWriter::open_bounded(path, self.run_info(name), self.args.rejects.dlq_max_bytes)
    }

    /// What dead letters say of this run.
    fn run_info(&self, dataset: &str) -> RunInfo {
        let tenant_id = self.args.store.tenant.clone();
        let table = self.args.data.table.clone().filter(|table| table != dataset);
        RunInfo { run_id: self.run_id, dataset: dataset.to_owned(), table, tenant_id }
    }

    fn mapper(&self, dataset: Dataset, target: Target, tenant: Option<&str>) -> Result<MapperSettings> {
        let meaning = settings::meaning(&self.args.data)?;
        // A tenant says to whom rows belong; a table without tenants has no place for that.
        let tenant = tenant.filter(|_| target.column("tenant_id").is_some());
        Ok(MapperSettings {
            columns: settings::columns(&self.args.data, tenant),
            name_pattern: meaning.name_pattern,
            time: meaning.time,
            nulls: meaning.nulls,
            keep_case: self.args.data.keep_case,
            quality: meaning.quality,
            tenant: tenant.map(str::to_owned),
            sparse: self.letters.is_some(),
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(i64::MAX, |d| d.as_nanos() as i64),
            dataset,
            target,
        })
    }

    async fn load<S: Sink>(
        self,
        sink: S,
        mapper: Arc<MapperSettings>,
        dead: Option<DlqWriter>,
        peeked: Option<Peeked>,
        signals: Signals,
        started: Option<Started>,
    ) -> Result<Exit> {
        let dead = Arc::new(dead.ok_or_else(|| Error::Internal("no dead-letter queue".into()))?);
        let settings = EngineSettings {
            workers: self.engine.workers.min(sink.max_sessions().unwrap_or(usize::MAX)),
            ..self.engine.clone()
        };
        let tally = Arc::new(Tally::new(&settings));
        let mut observers: Vec<Arc<dyn Observer>> = vec![tally.clone(), Arc::new(EventLog::default())];
        let dataset = &mapper.dataset.name;
        let sorted = self
            .letters
            .as_ref()
            .map(|letters| letters.sorted(dead.clone(), self.run_info(&mapper.dataset.name)))
            .transpose()?;
        let facts = self.live_facts(dataset, &dead, sorted.as_deref(), settings.workers);
        observers.extend(self.metrics.observers(
            dataset,
            sink.name(),
            &settings,
            &self.meter,
            &tally,
            facts,
        )?);
        let observer: Arc<dyn Observer> = Arc::new(Fanout::new(observers));
        let letters = Arc::new(Located {
            dead: dead.clone(),
            tally: tally.clone(),
            sorted: sorted.clone(),
            blocked: AtomicBool::new(false),
        });
        let engine = WriteCoordinator::builder(Arc::new(sink), letters.clone())
            .settings(settings.clone())
            .observer(observer.clone())
            .start();
        signals.stops(engine.stopper());
        // An engine that has stopped needs no more rows, though the pipe be silent.
        let (halted, stop) = (engine.halted(), self.stop.clone());
        tokio::spawn(async move {
            halted.await;
            stop.set();
        });
        let doing = match self.command() {
            "replay-dlq" => "Replaying",
            "tail" => "Following",
            _ => "Loading",
        };
        let title = format!("{doing} {} into {}", mapper.dataset.name, self.store.shown());
        let (current, gauge) = self.gauge();
        let mode = Mode::for_stderr(self.progress_choice());
        let progress =
            Progress::start(mode, style(self.global.color), self.screen, title, tally.clone(), gauge);

        let mut pipeline = self.pipeline(&mapper, observer.clone(), current, self.enough(&tally));
        let (mut keeper, mut checkpoints) = (None, Checkpoints::default());
        if let Some(started) = started {
            let mut kept = started.keeper;
            pipeline.skip = started.settled;
            pipeline.settled = SettledInputs::new(started.settled);
            let (inputs, halted) = (pipeline.settled.clone(), engine.has_halted());
            kept.beat(tally.clone(), move || inputs.count(&halted));
            let (tell, note) = (pipeline.on_error, kept.on_error(Handle::current()));
            pipeline.on_error = Box::new(move |input, error| {
                tell(input, error)?;
                note(input, error)
            });
            pipeline.unreadable = started.unreadable;
            checkpoints = started.checkpoints;
            keeper = Some(kept);
        }
        let outlet = EngineOutlet {
            engine: &engine,
            runtime: Handle::current(),
            stop: self.stop.clone(),
            patience: settings.max_outage,
            observer: observer.clone(),
        };
        let mut outlet = Resumed::new(outlet, checkpoints, observer.clone());
        let mut follower = match &self.followed {
            Some(followed) => {
                if mapper.target.key.is_empty() && !self.global.quiet {
                    self.say("the table has no key: after a crash the last lines may be in it twice");
                }
                let (checkpoint, stop) = (followed.checkpoint(&mapper.target.table), self.stop.clone());
                let (meter, observer) = (self.meter.clone(), observer.clone());
                let options = followed.options.clone();
                Some(Follower::new(options, checkpoint, mapper.clone(), stop, meter, observer))
            }
            None => None,
        };
        let halted = engine.has_halted();
        let report = tokio::task::block_in_place(|| match &self.letters {
            None if follower.is_some() => match follower.as_mut() {
                Some(Ok(follower)) => follower.run(&halted, &pipeline.enough, &mut outlet),
                Some(Err(error)) => Err(error.clone()),
                None => Ok(Report::default()),
            },
            Some(letters) => letters.run(
                &mapper,
                self.engine.first_wins,
                &pipeline.stop,
                &self.meter,
                &*observer,
                &mut outlet,
            ),
            None => pipeline.run(peeked, &mut outlet),
        });
        drop(outlet);
        let outcome = engine.shutdown(true).await;
        progress.finish();
        // Where all has been drained, all that was read is settled.
        let drained = matches!(outcome.end, End::Drained) && outcome.returned == 0 && outcome.unburied == 0;
        let report = match (report, &mut follower) {
            (Ok(report), Some(Ok(follower))) if drained => follower.save(&|| false).map(|()| report),
            (report, _) => report,
        };

        let (report, broken) = match report {
            Ok(report) => (report, None),
            Err(error) => (Report::default(), Some(error)),
        };
        let again = match &keeper {
            Some(_) if self.command() == "load" && self.resumable() => {
                "run the same command again with --resume"
            }
            _ => "run the same command again",
        };
        let ending = Ending {
            outcome: Some(&outcome),
            report: &report,
            broken,
            signals: signals.exit(),
            again,
            dead: Some(dead.path()),
            blocked: letters.blocked.load(Ordering::Relaxed),
        };
        let conclusion = self.conclude(&tally, &ending);
        let (more_records, more_rows) = sorted.as_ref().map_or((0, 0), |sorted| sorted.parked_counts());
        let dlq = DlqResult {
            path: Some(dead.path().display().to_string()),
            records: dead.records() + more_records,
            rows: dead.rows() + more_rows,
        };
        let whole = ending.report.finished == 1 && matches!(outcome.end, End::Drained);
        if let Some(letters) = &self.letters
            && whole
            && outcome.returned == 0
            && outcome.unburied == 0
            && !matches!(conclusion.exit, Exit::Internal)
        {
            letters.complete();
        }
        let mut notes = notes(&report);
        if dead.repaired() > 0 {
            let torn = figures::plural(dead.repaired(), "torn line");
            notes.push(format!("{torn} of an earlier crash closed off in {}", dead.path().display()));
        }
        if dead.rotated() > 0 {
            let path = dead.path();
            let times = figures::plural(dead.rotated(), "time");
            let older = match segments(path).ok().and_then(|mut all| all.pop()) {
                Some(last) => format!("older records are in {} and before", last.display()),
                None => "older records were taken away".to_owned(),
            };
            notes.push(format!("{} was full {times}: {older}", path.display()));
        }
        if let Some(keeper) = keeper {
            notes.extend(keeper.end(&conclusion.of_run(&report, pipeline.settled.count(halted))).await);
        }
        self.finish(&mapper, conclusion, &ending, dlq, notes, settings.workers as u64)
    }

    /// Whether a later run can know all inputs again.
    fn resumable(&self) -> bool {
        self.engine.overflow != Overflow::DropOldest
            && (self.args.history.source_id.is_some()
                || self.inputs.iter().all(|input| input.bytes.is_some() && input.path.is_some()))
    }

    /// `--dry-run`: everything but the writing.
    async fn rehearse(self, mapper: Arc<MapperSettings>, peeked: Option<Peeked>) -> Result<Exit> {
        let tally = Arc::new(Tally::new(&self.engine));
        let title = format!("Reading {}", mapper.dataset.name);
        let (current, gauge) = self.gauge();
        let mode = Mode::for_stderr(self.progress_choice());
        let progress =
            Progress::start(mode, style(self.global.color), self.screen, title, tally.clone(), gauge);
        let pipeline = self.pipeline(&mapper, tally.clone(), current, self.enough(&tally));
        let mut outlet = Rehearsal { tally: tally.clone() };
        let report = tokio::task::block_in_place(|| match &self.letters {
            Some(letters) => letters.run(&mapper, false, &self.stop, &self.meter, &*tally, &mut outlet),
            None => pipeline.run(peeked, &mut outlet),
        });
        progress.finish();
        let (report, broken) = match report {
            Ok(report) => (report, None),
            Err(error) => (Report::default(), Some(error)),
        };
        let again = "run the same command again";
        let ending = Ending {
            outcome: None,
            report: &report,
            broken,
            signals: None,
            again,
            dead: None,
            blocked: false,
        };
        let (conclusion, notes) = (self.conclude(&tally, &ending), notes(&report));
        self.finish(&mapper, conclusion, &ending, DlqResult::default(), notes, 0)
    }

    /// What it all comes to.
    fn conclude(&self, tally: &Tally, ending: &Ending<'_>) -> Conclusion {
        let snapshot = tally.snapshot();
        let failed = snapshot.books.rejected + snapshot.books.dropped;
        let limit = self.args.rejects.max_rejects;
        let over = limit.is_some_and(|l| l.passed(failed, snapshot.books.read, true));
        let mut errors = ending.errors(self.inputs.len(), over, &snapshot);
        let mut exit = ending.exit(self.inputs.len(), failed, over);
        if !self.args.rejects.dry_run
            && let Err(gap) = snapshot.closes()
        {
            // What a replay did not get done stays claimed, and is not lost.
            let claimed = self.letters.is_some() && exit != Exit::Stored && exit != Exit::Rejects;
            if !claimed {
                errors.push(gap);
                exit = Exit::Internal;
            }
        }
        Conclusion { snapshot, errors, exit }
    }

    /// What is known of the run now, apart from its dead letters, its workers and its end.
    fn facts(&self, dataset: Option<&str>) -> RunFacts {
        RunFacts {
            run_id: self.run_id.to_string(),
            command: self.command().to_owned(),
            dataset: dataset.map(str::to_owned),
            store: self.store.shown(),
            inputs: match &self.letters {
                Some(letters) => vec![letters.queue.display().to_string()],
                None => self.inputs.iter().map(|i| i.name.to_string()).collect(),
            },
            bytes_read: self.meter.consumed.load(Ordering::Relaxed),
            elapsed: self.started.elapsed(),
            ..RunFacts::default()
        }
    }

    /// Who says the same while an engine runs, and what has gone to the dead-letter queue.
    fn live_facts(
        &self,
        dataset: &str,
        dead: &DlqWriter,
        sorted: Option<&Sorted>,
        workers: usize,
    ) -> impl Fn() -> RunFacts + Send + Sync + use<> {
        let (facts, meter) = (self.facts(Some(dataset)), self.meter.clone());
        let (path, written) = (dead.path().display().to_string(), dead.counts());
        let parked = sorted.map(Sorted::parked_later);
        move || {
            let (records, rows) = written();
            let (more_records, more_rows) = parked.as_ref().map_or((0, 0), |parked| parked());
            let path = Some(path.clone());
            RunFacts {
                dlq: DlqResult { path, records: records + more_records, rows: rows + more_rows },
                bytes_read: meter.consumed.load(Ordering::Relaxed),
                workers: workers as u64,
                ..facts.clone()
            }
        }
    }

    /// Says how it went, to people and to programs, and with which code the process ends.
    fn finish(
        &self,
        mapper: &MapperSettings,
        conclusion: Conclusion,
        ending: &Ending<'_>,
        dlq: DlqResult,
        notes: Vec<String>,
        workers: u64,
    ) -> Result<Exit> {
        let dry_run = self.args.rejects.dry_run;
        let Conclusion { snapshot, errors, exit } = conclusion;
        let facts =
            RunFacts { dlq, workers, exit_code: Some(exit as u8), ..self.facts(Some(&mapper.dataset.name)) };
        traces::note(&mapper.dataset.name, &snapshot.books, facts.bytes_read);
        let result = RunResult::new(&snapshot, facts);
        if let Some(letters) = &self.letters {
            letters.note(&result, snapshot.newer);
        } else if self.global.json {
            print(&(result.to_json() + "\n"))?;
        }
        let nothing_done = snapshot.books.read == 0 && !errors.is_empty();
        if !self.global.quiet && !nothing_done && (!self.global.json || exit != Exit::Stored) {
            let at = |nanos: i64| chrono::DateTime::from_timestamp_nanos(nanos);
            let extras = Extras {
                span: ending.report.span.map(|(first, last)| (at(first), at(last))),
                symbols: ending.report.symbols(),
                notes,
                dry_run,
                claimed: self.letters.is_some() && exit != Exit::Internal,
                resume: ending
                    .again
                    .ends_with("--resume")
                    .then(|| "the same command and --resume".to_owned()),
                blocked: ending.blocked_by().is_some(),
                ..Extras::new(snapshot)
            };
            let text = summary::render(&result, &extras, style(self.global.color));
            self.say(text.trim_end_matches('\n'));
        }
        for error in errors {
            self.say(&format!("error: {error}"));
        }
        Ok(exit)
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
            open: settings::open_options(&self.args.format),
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

    fn enough(&self, tally: &Arc<Tally>) -> Box<dyn Fn(u64) -> bool + Send> {
        let (tally, limit) = (tally.clone(), self.args.rejects.max_rejects);
        Box::new(move |read| {
            limit.is_some_and(|limit| {
                let books = tally.snapshot().books;
                limit.passed(books.rejected + books.dropped, read, false)
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

pub fn say(screen: &Screen, text: &str) {
    use std::io::Write;
    // If nobody reads stderr, nobody is told.
    let _ = writeln!(screen.line(), "{text}");
}

/// The queue of a dataset where no flag names one.
fn dlq_path(dataset: &str) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    Path::new(".dlq").join(format!("{}.ndjson", dataset.chars().map(plain).collect::<String>()))
}

/// How a run came to its end.
struct Ending<'a> {
    outcome: Option<&'a Outcome>,
    report: &'a Report,
    broken: Option<Error>,
    signals: Option<Exit>,
    /// What to do to load the rest.
    again: &'static str,
    /// The dead-letter queue.
    dead: Option<&'a Path>,
    /// Whether that took nothing when it was asked last.
    blocked: bool,
}

/// What a run came to.
struct Conclusion {
    snapshot: Snapshot,
    errors: Vec<String>,
    exit: Exit,
}

impl Conclusion {
    /// The last word for the history.
    fn of_run(&self, report: &Report, settled: usize) -> RunEnd {
        let status = match self.exit {
            Exit::Stored => RunStatus::Done,
            Exit::Rejects => RunStatus::Rejects,
            Exit::TooManyRejects => RunStatus::Stopped,
            Exit::Unavailable => RunStatus::Unavailable,
            Exit::Interrupted | Exit::Terminated => RunStatus::Interrupted,
            Exit::Internal | Exit::Usage | Exit::Input => RunStatus::Failed,
        };
        RunEnd {
            status,
            exit_code: self.exit as u8,
            books: books_of(&self.snapshot.books),
            settled,
            error: (!self.errors.is_empty()).then(|| self.errors.join("; ")),
            span: report.span,
        }
    }
}

impl Ending<'_> {
    fn cut_short(&self, inputs: usize) -> bool {
        self.report.finished + self.report.errors.len() < inputs
    }

    /// What the dead-letter queue said last, where it was not waited for any longer.
    fn blocked_by(&self) -> Option<&str> {
        if !self.blocked {
            return None;
        }
        let of_engine = match self.outcome.map(|o| &o.end) {
            Some(End::GaveUp(Some(reason))) if reason.code == DEAD_LETTERS => Some(&*reason.message),
            _ => None,
        };
        of_engine.or_else(|| {
            self.report.errors.iter().find_map(|(error, _)| match error {
                Error::Unavailable(text) => Some(&**text),
                _ => None,
            })
        })
    }

    /// Sentences for what went wrong, apart from rows that failed.
    fn errors(&self, inputs: usize, over: bool, seen: &Snapshot) -> Vec<String> {
        let mut errors: Vec<String> = self.broken.iter().map(Error::to_string).collect();
        let blocked = self.blocked_by();
        if let Some(what) = blocked {
            errors.push(format!(
                "the dead-letter queue took no rows for too long: {what}; then {}",
                self.again
            ));
        }
        if let Some(outcome) = self.outcome {
            match &outcome.end {
                End::GaveUp(_) if blocked.is_some() => {}
                End::GaveUp(reason) => errors.push(format!(
                    "the store did not come back in time{}; {} when it is there",
                    reason.as_ref().map(|r| format!(" ({})", r.message)).unwrap_or_default(),
                    self.again
                )),
                End::Failed(reason) => errors.push(reason.message.to_string()),
                End::Drained | End::Aborted => {}
            }
            if seen.returned > 0 {
                errors.push(format!(
                    "{} read ahead were not stored; their files still have them",
                    figures::plural(seen.returned, "row")
                ));
            }
            if outcome.unburied > 0 {
                errors.push(format!(
                    "{} are in neither the store nor the dead-letter queue, since neither took them",
                    figures::plural(outcome.unburied, "row")
                ));
            }
        }
        let told = |(error, told): &&(Error, bool)| {
            *told || matches!(error, Error::Unavailable(_)) && blocked.is_some()
        };
        errors.extend(self.report.errors.iter().filter(|e| !told(e)).map(|(error, _)| error.to_string()));
        if self.report.too_many_rejects || over {
            errors.push("more rows were rejected than --max-rejects allows".to_owned());
        }
        let kept = self.dead.filter(|_| seen.aborted > 0).map(|path| {
            let rows = figures::plural(seen.aborted, "row");
            format!("{rows} of the pipe could not be stored any more and are kept in {}", path.display())
        });
        let interrupted = self.signals.is_some() && self.broken.is_none() && self.cut_short(inputs);
        match kept {
            Some(kept) if interrupted => {
                errors.push(format!("interrupted: {kept}; {} for the rest", self.again));
            }
            // The last line is what ended the run, and what to do.
            Some(kept) => errors.insert(0, kept),
            None if interrupted && seen.returned > 0 => {
                errors.push(format!("interrupted; {} for the rest", self.again));
            }
            None if interrupted => {
                errors.push(format!("interrupted: what was read is stored; {} for the rest", self.again));
            }
            None => {}
        }
        errors
    }

    fn exit(&self, inputs: usize, failed: u64, over: bool) -> Exit {
        if let Some(error) = &self.broken {
            return Exit::from(error);
        }
        match self.outcome.map(|o| &o.end) {
            Some(End::GaveUp(_)) => return Exit::Unavailable,
            Some(End::Failed(reason)) if reason.code == DEAD_LETTERS => return Exit::Internal,
            Some(End::Failed(_)) => return Exit::Usage,
            Some(End::Aborted) => return self.signals.unwrap_or(Exit::Interrupted),
            Some(End::Drained) | None => {}
        }
        if self.report.too_many_rejects || over {
            return Exit::TooManyRejects;
        }
        if let Some(exit) = self.signals
            && (self.cut_short(inputs) || self.blocked_by().is_some())
        {
            return exit;
        }
        match self.report.errors.first() {
            Some((error, _)) => Exit::from(error),
            None if failed > 0 => Exit::Rejects,
            None => Exit::Stored,
        }
    }
}

/// Sentences for the summary.
fn notes(report: &Report) -> Vec<String> {
    let mut notes: Vec<String> = report
        .notes
        .iter()
        .map(|(note, inputs)| match inputs {
            1 => note.clone(),
            inputs => format!("{note} (in {inputs} inputs)"),
        })
        .collect();
    for (what, rows) in &report.findings {
        notes.push(format!("implausible, stored all the same: {what} in {}", figures::plural(*rows, "row")));
    }
    notes
}

/// The dead letters, with a note of where each kind of failure came up first.
struct Located {
    dead: Arc<DlqWriter>,
    tally: Arc<Tally>,
    /// Of a replay: who goes back and who goes aside.
    sorted: Option<Arc<Sorted>>,
    /// Whether the queue took nothing when it was asked last.
    blocked: AtomicBool,
}

impl DeadLetters for Located {
    async fn bury(&self, rejects: Vec<Reject>) -> std::result::Result<(), DeadLetterError> {
        rejects.iter().for_each(|reject| self.tally.locate(reject));
        let buried = match &self.sorted {
            Some(sorted) => sorted.bury(rejects).await,
            None => self.dead.bury(rejects).await,
        };
        self.blocked.store(buried.is_err(), Ordering::Relaxed);
        buried
    }
}

/// Where rows go that are only looked at.
struct Rehearsal {
    tally: Arc<Tally>,
}

impl Outlet for Rehearsal {
    fn rows(&mut self, _: Batch) -> Result<bool> {
        Ok(true)
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        for reject in &rejects {
            self.tally.locate(reject);
            self.tally.on(&Event::Buried { stage: reject.stage, reason: &reject.reason, rows: 1 });
        }
        Ok(true)
    }
}
