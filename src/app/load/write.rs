//! Rows through the engine into the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

use crate::app::caller::RunReport;
use crate::app::event_log::EventLog;
use crate::app::exit::Exit;
use crate::app::interrupts::Signals;
use crate::app::letters::Sorted;
use crate::app::load::end::RunOutcome;
use crate::app::load::said::Said;
use crate::app::load::{Load, Task};
use crate::app::process;
use crate::app::run_recorder::{RunRecorder, Started};
use crate::batch::Reject;
use crate::coordinator::{End, WriteCoordinator};
use crate::dataset::{MapperSettings, Target};
use crate::dlq::checkout::called;
use crate::dlq::names::segments;
use crate::dlq::{DlqWriter, again};
use crate::error::{Error, Result, words};
use crate::pipeline::key_ranges::{Noted, Within};
use crate::pipeline::pace::Paced;
use crate::pipeline::skip_committed::Resumed;
use crate::pipeline::{EngineSink, Report, drive};
use crate::port::runs::{Checkpoints, RunEnd};
use crate::port::{DeadLetterError, DeadLetters, Observer, Sink};
use crate::settings::{EngineSettings, OnConflict, Overflow};
use crate::sink::Packing;
use crate::source::Input;
use crate::source::Peeked;
use crate::source::completion::SettledInputs;
use crate::source::followed::{Exact, FollowWith, OpenFollowed};
use crate::telemetry::fanout::Fanout;
use crate::telemetry::result::DlqResult;
use crate::telemetry::run_counters::RunCounters;
use crate::text::number_format;

/// The dead letters, with a note of where each kind of failure came up first.
pub(super) struct Located {
    pub(super) dead: Arc<DlqWriter>,
    pub(super) tally: Arc<RunCounters>,
    /// Of a replay: who goes back and who goes aside.
    pub(super) sorted: Option<Arc<Sorted>>,
    /// Whether the queue took nothing when it was asked last.
    pub(super) blocked: AtomicBool,
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

/// What was opened of the inputs before the rows are read.
pub(super) struct Read {
    /// The first input, where it was looked into.
    pub(super) peeked: Option<Peeked>,
    /// What is followed.
    pub(super) places: Option<Box<dyn OpenFollowed>>,
    /// Where rows wait until the end, where they do not go into their table at once.
    pub(super) beside: Option<String>,
    /// What compresses the chunks behind the last row.
    pub(super) packing: Option<Box<dyn Packing>>,
}

impl Load<'_> {
    pub(super) async fn load<S: Sink>(
        self,
        sink: S,
        mapper: Arc<MapperSettings>,
        dead: Option<DlqWriter>,
        read: Read,
        signals: Signals,
        (started, job): (Option<Started>, Option<RunRecorder>),
    ) -> Result<RunReport> {
        let dead = Arc::new(dead.ok_or_else(|| Error::internal("no dead-letter queue"))?);
        let limit = sink.max_sessions().unwrap_or(usize::MAX);
        // Who says how many there are to be is told by the store where that is too many.
        let room =
            sink.room().filter(|_| self.engine.up_to.is_some()).map_or(limit, |room| room.max(1).min(limit));
        // Half of the room at most is taken at once: others may come just now.
        let first = sink.distance().filter(|_| self.engine.up_to.is_some());
        let first = first.map_or(0, |distance| self.engine.workers_at(distance).min(room / 2));
        let settings = EngineSettings {
            workers: self.engine.workers.max(first).min(room),
            up_to: self.engine.up_to.map(|most| most.min(room)),
            idempotent: self.command() == "load"
                && mapper.target.is_keyed()
                && self.engine.on_conflict != OnConflict::Error,
            ..self.engine.clone()
        };
        let tally = Arc::new(RunCounters::new(&settings));
        let mut observers: Vec<Arc<dyn Observer>> = vec![tally.clone(), Arc::new(EventLog::default())];
        let dataset = &mapper.dataset.name;
        let sorted = self
            .letters()
            .map(|letters| letters.sorted(dead.clone(), self.run_info(&mapper.dataset.name)))
            .transpose()?;
        let facts = self.live_facts(dataset, &dead, sorted.as_deref(), (settings.workers, tally.clone()));
        observers.extend(self.metrics.observers(
            dataset,
            // As the Python system had it: the dataset names the sink.
            dataset,
            &settings,
            &self.meter,
            &tally,
            facts,
        )?);
        self.metrics.queue(dataset, dead.path());
        let observer: Arc<dyn Observer> = Arc::new(Fanout::new(observers));
        let letters = Arc::new(Located {
            dead: dead.clone(),
            tally: tally.clone(),
            sorted: sorted.clone(),
            blocked: AtomicBool::new(false),
        });
        let sink = Arc::new(sink);
        let engine = WriteCoordinator::builder(sink.clone(), letters.clone())
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
        let title = format!("{doing} {} into {}", mapper.dataset.name, self.plan.to.store.shown());
        let (current, gauge) = self.gauge();
        let progress = self.progress(title, &tally, gauge);

        let mut files = self.files(&mapper, read.peeked, current);
        let (mut keeper, mut checkpoints) = (None, Checkpoints::default());
        let meter = self.meter.clone();
        let scope = move || meter.scope.get();
        let mut exact = None;
        if let Some(started) = started {
            let mut kept = started.keeper;
            files.skip = started.settled;
            files.settled = SettledInputs::new(started.settled);
            let inputs = files.settled.clone();
            kept.beat(tally.clone(), move || inputs.count(), scope);
            let (tell, note) = (files.on_error, kept.on_error(Handle::current(), false));
            files.on_error = Box::new(move |input, error| {
                tell(input, error)?;
                note(input, error)
            });
            files.unreadable = started.unreadable;
            checkpoints = started.checkpoints;
            if self.followed().is_some() && self.is_exact(&mapper.target) {
                let settled = started.resumed.then(|| checkpoints.highest());
                exact = Some(Exact { run: self.caller.run_id, settled });
            }
            keeper = Some(kept);
        } else if let Some(mut job) = job {
            job.beat(tally.clone(), || 0, scope);
            keeper = Some(job);
        }
        let outlet = EngineSink {
            engine: &engine,
            runtime: Handle::current(),
            stop: self.stop.clone(),
            patience: settings.max_outage,
            observer: observer.clone(),
        };
        let outlet = Paced::new(outlet, self.plan.engine.rate_limit, self.stop.clone());
        let (noting, only) = self.claim.as_ref().map(|claim| claim.order()).unwrap_or_default();
        let outlet = Resumed::new(outlet, checkpoints, observer.clone());
        let mut outlet = Noted::new(Within::new(outlet, only, observer.clone()), noting);
        let follower = read.places.map(|places| {
            let group = places.group().filter(|_| exact.is_some());
            let notes = match group.map(|group| self.remembered(group, &mapper.target.table)).transpose() {
                Ok(notes) => notes,
                Err(why) => {
                    self.note(&format!("nobody will know which messages were stored: {why}"));
                    exact = None;
                    None
                }
            };
            if !mapper.target.is_keyed() && exact.is_none() {
                self.note("the table has no key: after a crash the last lines may be in it twice");
            }
            let (mapper, stop) = (mapper.clone(), self.stop.clone());
            places.source(FollowWith {
                exact,
                notes,
                mapper,
                stop,
                meter: self.meter.clone(),
                observer: observer.clone(),
            })
        });
        let inputs = files.settled.clone();
        let mut source = self.source(&mapper, self.engine.first_wins, files, follower);
        let report = tokio::task::block_in_place(|| {
            let enough = self.enough(&tally);
            let feed = self.feed(&mapper, &*observer, &enough, &mut outlet);
            drive(&mut *source, feed)
        });
        drop(outlet);
        let outcome = engine.shutdown(true).await;
        drop(progress);
        let unbrought = self.bring_in(&signals, &*sink, (&outcome.end, read.beside.as_deref()), &tally).await;
        // Where all has been drained, all that was read is settled.
        let drained = matches!(outcome.end, End::Drained) && outcome.returned == 0 && outcome.unburied == 0;
        // A pipe is never gone on with.
        let mut placed = matches!(self.task, Task::Pipe(_));
        let report = match report {
            Ok(report) if drained => tokio::task::block_in_place(|| source.close()).map(|all| {
                placed |= all;
                report
            }),
            report => report,
        };

        let mut told = None;
        let (mut report, broken) = match report {
            Ok(report) if drained && unbrought.is_none() && read.packing.is_some() => {
                let done = self.pack(&signals, read.packing.as_deref(), report.span).await;
                let broken = done.map(|words| told = words).err();
                (report, broken)
            }
            Ok(report) => (report, unbrought),
            Err(error) => (Report::default(), Some(error)),
        };
        let books = tally.snapshot().books;
        self.doubt(&mut report, &mapper.target, &books, keeper.as_ref());
        let again = self.again(&mapper.target, &books, keeper.as_ref());
        let ending = RunOutcome {
            outcome: Some(&outcome),
            report: &report,
            broken,
            signals: signals.exit(),
            again,
            dead: Some(dead.path()),
            blocked: letters.blocked.load(Ordering::Relaxed),
        };
        let conclusion = self.conclude(&tally, &ending);
        let replaced = self.replace_earlier(&mapper.target, &dead);
        let (more_records, more_rows) = sorted.as_ref().map_or((0, 0), |sorted| sorted.parked_counts());
        let dlq = DlqResult {
            path: Some(called(dead.path())),
            records: dead.records() + more_records,
            rows: dead.rows() + more_rows,
        };
        let whole = ending.report.finished == 1 && matches!(outcome.end, End::Drained);
        if let Some(letters) = self.letters()
            && whole
            && outcome.returned == 0
            && outcome.unburied == 0
            && !matches!(conclusion.exit, Exit::Internal)
        {
            letters.complete();
        }
        let mut said = Said::of(&report, self.engine.on_conflict);
        let notes = &mut said.notes;
        notes.extend(told);
        if outcome.healed > 0 {
            let rows = number_format::plural(outcome.healed, "row");
            notes.push(format!("{rows} refused at first went in when tried again after the others"));
        }
        if outcome.unheld > 0 {
            let rows = number_format::plural(outcome.unheld, "refused row");
            notes.push(format!(
                "{rows} could not wait to be tried again after the others, since too many did; mdsctl replay-dlq tries them"
            ));
        }
        match replaced {
            Ok(0) => {}
            Ok(rows) => notes.push(format!(
                "{} of an earlier load of the same input stood in {} already, and {} replaced",
                number_format::plural(rows, "row"),
                dead.path().display(),
                if rows == 1 { "is" } else { "are" }
            )),
            Err(why) => notes.push(format!(
                "whether rows of an earlier load of the same input stand in {} twice could not be seen: {}",
                dead.path().display(),
                words(&why)
            )),
        }
        if dead.repaired() > 0 {
            let torn = number_format::plural(dead.repaired(), "torn line");
            notes.push(format!("{torn} of an earlier crash closed off in {}", dead.path().display()));
        }
        if dead.rotated() > 0 {
            let path = dead.path();
            let times = number_format::plural(dead.rotated(), "time");
            let older = match segments(path).ok().and_then(|mut all| all.pop()) {
                Some(last) => format!("older records are in {} and before", last.display()),
                None => "older records were taken away".to_owned(),
            };
            notes.push(format!("{} was full {times}: {older}", path.display()));
        }
        if let Some(keeper) = keeper {
            let end = conclusion.of_run(
                self.meter.scope.get(),
                inputs.count(),
                // A replay of their dead letters asks the ledger for commits without an answer.
                placed && outcome.doubtful == 0,
            );
            let part = self.claim.as_ref().map(|claim| claim.end(conclusion.exit));
            let noted = keeper.end(&RunEnd { part, ..end }).await;
            if let (Some(claim), Some(why)) = (&self.claim, &noted) {
                claim.unnoted(why);
            }
            notes.extend(noted);
        }
        let most_workers = conclusion.snapshot.workers.most.max(settings.workers as u64);
        self.finish(&mapper, conclusion, &ending, dlq, said, most_workers)
    }

    /// Takes letters of an earlier load of the same files out of the queue, where this one has put the same
    /// rows there again. Rows that were to be in a table twice stay twice.
    fn replace_earlier(&self, target: &Target, dead: &DlqWriter) -> std::io::Result<u64> {
        let twice = self.plan.history.force && !target.is_keyed();
        if self.command() != "load" || dead.records() == 0 || twice {
            return Ok(0);
        }
        let files = self.inputs.iter().filter(|input| input.bytes.is_some());
        let sources = files.filter_map(Input::absolute).collect();
        again::replace(dead.path(), self.caller.run_id, &sources, &process::own().host)
    }

    /// Whether a later tail can tell from the ledger which rows of a followed file are in a table: not by
    /// their keys, where the same row may go through another lane the next time, which changes nothing.
    pub(super) fn is_exact(&self, target: &Target) -> bool {
        !target.is_keyed() && self.engine.overflow != Overflow::DropOldest
    }

    /// Whether a later run can know all inputs again.
    pub(super) fn resumable(&self) -> bool {
        self.engine.overflow != Overflow::DropOldest
            && (self.plan.history.source_id.is_some()
                || self.inputs.iter().all(|input| input.bytes.is_some() && input.path.is_some()))
    }
}
