//! How a run ended: its exit code, its errors, and what is said of it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::app::caller::RunReport;
use crate::app::exit::Exit;
use crate::app::letters::Sorted;
use crate::app::load::Load;
use crate::app::load::again::Again;
use crate::app::load::said::Said;
use crate::app::{paste, span};
use crate::coordinator::{End, LeftRows, Outcome};
use crate::dataset::MapperSettings;
use crate::dlq::DlqWriter;
use crate::dlq::checkout::called;
use crate::dlq::claim::Choice;
use crate::dlq::groups::By;
use crate::dlq::stats::{Plan, QueueStats};
use crate::error::{Error, Result};
use crate::pipeline::Report;
use crate::port::runs::{RunEnd, RunScope, RunStatus};
use crate::port::{PANIC, TABLE_REKEYED, Trouble};
use crate::report::letters::{only_table, replay_command};
use crate::report::summary::{self, Extras};
use crate::telemetry::result::{DlqResult, RunFacts, RunResult};
use crate::telemetry::run_counters::RunCounters;
use crate::telemetry::snapshot::Snapshot;
use crate::text::flags::{MAX_REJECTS, RESUME};
use crate::text::number_format;

/// How a run came to its end.
pub(super) struct RunOutcome<'a> {
    pub(super) outcome: Option<&'a Outcome>,
    pub(super) report: &'a Report,
    pub(super) broken: Option<Error>,
    pub(super) signals: Option<Exit>,
    /// What to do to load the rest, where it can be read again.
    pub(super) again: Option<Again>,
    /// The dead-letter queue.
    pub(super) dead: Option<&'a Path>,
    /// Whether that took nothing when it was asked last.
    pub(super) blocked: bool,
}

/// What a run came to.
pub(super) struct Conclusion {
    pub(super) snapshot: Snapshot,
    pub(super) errors: Vec<String>,
    pub(super) exit: Exit,
}

impl Conclusion {
    /// The last word for the history. `placed` is whether the next run knows without it where to go on.
    pub(super) fn of_run(&self, scope: RunScope, settled: usize, placed: bool) -> RunEnd {
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
            keeps_checkpoints: !status.is_finished() && !placed,
            exit_code: self.exit as u8,
            books: self.snapshot.books.into(),
            settled,
            error: (!self.errors.is_empty()).then(|| self.errors.join("; ")),
            scope,
            part: None,
        }
    }
}

impl RunOutcome<'_> {
    pub(super) fn cut_short(&self, inputs: usize) -> bool {
        self.report.finished + self.report.errors.len() < inputs
    }

    /// What the dead-letter queue said last, where it was not waited for any longer.
    pub(super) fn blocked_by(&self) -> Option<&str> {
        let of_engine = match self.outcome.map(|o| &o.end) {
            Some(End::GaveUp(Some(Trouble::DeadLetters(error)))) => Some(&*error.0),
            _ => None,
        };
        if of_engine.is_some() || !self.blocked {
            return of_engine;
        }
        self.report.errors.iter().find_map(|(error, _)| match error {
            Error::Unavailable(text) => Some(&**text),
            _ => None,
        })
    }

    /// Sentences for what went wrong, apart from rows that failed.
    pub(super) fn errors(&self, inputs: usize, over: bool, seen: &Snapshot) -> Vec<String> {
        let mut errors: Vec<String> = self.broken.iter().map(Error::to_string).collect();
        let blocked = self.blocked_by();
        if let Some(what) = blocked {
            let then = self.for_the_rest(seen, "then ", "");
            errors.push(format!("the dead-letter queue took no rows for too long: {what}{then}"));
        }
        if let Some(outcome) = self.outcome {
            let sentence = |rows: u64, one: &str, many: &str| match rows {
                1 => format!("1 row {one}"),
                _ => format!("{} {many}", number_format::plural(rows, "row")),
            };
            if outcome.doubtful > 0 {
                errors.push(sentence(
                    outcome.doubtful,
                    "may be in the store, which could not be asked about its commit: where the table has no key, look before it is loaded again",
                    "may be in the store, which could not be asked about their commit: where the table has no key, look before they are loaded again",
                ));
            }
            match &outcome.end {
                End::GaveUp(_) if blocked.is_some() => {}
                End::GaveUp(trouble) => errors.push(format!(
                    "the store did not come back in time{}{}",
                    trouble.as_ref().map(|t| format!(" ({})", t.message())).unwrap_or_default(),
                    self.for_the_rest(seen, "", " when it is there")
                )),
                End::Failed(reason) => errors.push(reason.message.to_string()),
                End::Unburied(error) => errors.push(error.0.clone()),
                End::Drained | End::Aborted => {}
            }
            if let Some(LeftRows { rows, source, row, reason }) = &outcome.left {
                let first = format!("row {row} of {source}: {}", reason.message);
                errors.push(match rows {
                    1 => format!("1 refused row is in neither the store nor the dead-letter queue ({first}); its file still has it"),
                    _ => format!(
                        "{} are in neither the store nor the dead-letter queue (the first is {first}); their files still have them",
                        number_format::plural(*rows, "refused row")
                    ),
                });
            }
            let ahead = seen.returned.saturating_sub(outcome.left.as_ref().map_or(0, |left| left.rows));
            if ahead > 0 {
                errors.push(sentence(
                    ahead,
                    "read ahead was not stored; its file still has it",
                    "read ahead were not stored; their files still have them",
                ));
            }
            if outcome.unburied > 0 {
                errors.push(sentence(
                    outcome.unburied,
                    "that cannot be read again is lost: the store did not take it, and neither did the dead-letter queue",
                    "that cannot be read again are lost: the store did not take them, and neither did the dead-letter queue",
                ));
            }
        }
        let told = |(error, told): &&(Error, bool)| {
            *told || matches!(error, Error::Unavailable(_)) && blocked.is_some()
        };
        errors.extend(self.report.errors.iter().filter(|e| !told(e)).map(|(error, _)| error.to_string()));
        if self.report.too_many_rejects || over {
            errors.push(format!("more rows were rejected than {MAX_REJECTS} allows"));
        }
        let kept = self.dead.filter(|_| seen.aborted > 0).map(|path| {
            let rows = number_format::plural(seen.aborted, "row");
            format!(
                "{rows} that cannot be read again could not be stored any more and are kept in {}",
                path.display()
            )
        });
        let whole = matches!(self.again, Some(Again::Cleared { piped: false, .. }));
        let rest = self.for_the_rest(seen, "", if whole { "" } else { " for the rest" });
        let interrupted = self.signals.is_some() && self.broken.is_none() && self.cut_short(inputs);
        match kept {
            Some(kept) if interrupted => {
                errors.push(format!("interrupted: {kept}{rest}"));
            }
            // The last line is what ended the run, and what to do.
            Some(kept) => errors.insert(0, kept),
            None if interrupted && seen.returned > 0 => {
                errors.push(format!("interrupted{rest}"));
            }
            None if interrupted => {
                errors.push(format!("interrupted: what was read is stored{rest}"));
            }
            None => {}
        }
        errors
    }

    /// What to do for what was not stored, behind what is said of the end; nothing where a pipe was read and
    /// nothing of it is kept.
    fn for_the_rest(&self, seen: &Snapshot, lead: &str, tail: &str) -> String {
        let kept = self.dead.filter(|_| seen.aborted > 0);
        let again = match (self.again.as_ref().and_then(Again::order), kept) {
            (Some(order), _) => order,
            (None, Some(kept)) => format!("run {}", replay_command(&kept.display().to_string(), None)),
            (None, None) => return String::new(),
        };
        format!("; {lead}{again}{tail}")
    }

    /// Whether it ended since the key of the table had changed.
    fn is_rekeyed(&self) -> bool {
        let end = self.outcome.map(|outcome| &outcome.end);
        matches!(end, Some(End::Failed(reason)) if reason.code == TABLE_REKEYED)
    }

    pub(super) fn exit(&self, inputs: usize, failed: u64, over: bool) -> Exit {
        if let Some(error) = &self.broken {
            return Exit::from(error);
        }
        match self.outcome.map(|o| &o.end) {
            Some(End::GaveUp(_) | End::Unburied(_)) => return Exit::Unavailable,
            // The next run goes on.
            Some(End::Failed(_)) if self.is_rekeyed() => return Exit::Unavailable,
            Some(End::Failed(reason)) if reason.code == PANIC => return Exit::Internal,
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

impl Load<'_> {
    /// What it all comes to.
    pub(super) fn conclude(&self, tally: &RunCounters, ending: &RunOutcome<'_>) -> Conclusion {
        let snapshot = tally.snapshot();
        let failed = snapshot.books.rejected + snapshot.books.dropped;
        let limit = self.plan.rejects.max_rejects;
        let over = limit.is_some_and(|l| l.passed(failed, snapshot.books.read, true));
        let mut errors = ending.errors(self.inputs.len(), over, &snapshot);
        let mut exit = ending.exit(self.inputs.len(), failed, over);
        if !self.plan.rejects.dry_run
            && let Err(gap) =
                snapshot.books.closes_but_for(ending.outcome.map_or(0, |outcome| outcome.unburied))
        {
            errors.push(gap);
            exit = Exit::Internal;
        }
        Conclusion { snapshot, errors, exit }
    }

    /// What is known of the run now, apart from its dead letters, its workers and its end.
    pub(super) fn facts(&self, dataset: Option<&str>) -> RunFacts {
        RunFacts {
            run_id: self.caller.run_id.to_string(),
            command: self.command().to_owned(),
            dataset: dataset.map(str::to_owned),
            store: self.plan.to.store.shown(),
            inputs: match self.letters() {
                Some(letters) => vec![called(&letters.queue)],
                None => self.inputs.iter().map(|i| i.name.to_string()).collect(),
            },
            bytes_read: self.meter.consumed.load(Ordering::Relaxed),
            elapsed: self.started.elapsed(),
            ..RunFacts::default()
        }
    }

    /// Who says the same while an engine runs, and what has gone to the dead-letter queue.
    pub(super) fn live_facts(
        &self,
        dataset: &str,
        dead: &DlqWriter,
        sorted: Option<&Sorted>,
        (workers, tally): (usize, Arc<RunCounters>),
    ) -> impl Fn() -> RunFacts + Send + Sync + use<> {
        let (facts, meter) = (self.facts(Some(dataset)), self.meter.clone());
        let (path, written) = (called(dead.path()), dead.counts());
        let parked = sorted.map(Sorted::parked_later);
        move || {
            let (records, rows) = written();
            let (more_records, more_rows) = parked.as_ref().map_or((0, 0), |parked| parked());
            let path = Some(path.clone());
            RunFacts {
                dlq: DlqResult { path, records: records + more_records, rows: rows + more_rows },
                bytes_read: meter.consumed.load(Ordering::Relaxed),
                workers: tally.workers().most.max(workers as u64),
                ..facts.clone()
            }
        }
    }

    /// The table that a replay of that queue has to name: where nothing else lies in the queue.
    fn table_to_name(&self, queue: Option<&str>) -> Option<String> {
        let table = self.plan.data.table.as_deref().filter(|_| self.closed)?;
        let plan = Plan { choice: Choice::default(), by: vec![By::Stage], samples: 0, file: 0 };
        let survey = QueueStats::of_file(&File::open(queue?).ok()?, &plan).ok()?;
        only_table(&survey).filter(|only| *only == table).map(str::to_owned)
    }

    /// The end of a run that has come to no row.
    pub(super) fn unbegun(&self, exit: Exit) -> Result<RunReport> {
        let (exit_code, dry_run) = (Some(exit as u8), self.plan.rejects.dry_run);
        let facts = RunFacts { exit_code, dry_run, ..self.facts(None) };
        let result = RunResult::new(&RunCounters::new(&self.engine).snapshot(), facts);
        self.report(RunReport { exit, result, extras: None, errors: Vec::new() })
    }

    fn report(&self, report: RunReport) -> Result<RunReport> {
        self.caller.listener.ended(&report)?;
        Ok(report)
    }

    /// Says how it went, to people and to programs, and with which code the process ends.
    pub(super) fn finish(
        &self,
        mapper: &MapperSettings,
        conclusion: Conclusion,
        ending: &RunOutcome<'_>,
        dlq: DlqResult,
        mut said: Said,
        workers: u64,
    ) -> Result<RunReport> {
        let dry_run = self.plan.rejects.dry_run;
        let Conclusion { snapshot, mut errors, exit } = conclusion;
        // Of an input that nothing was loaded of all is told that it lacks; what the store refused is another matter.
        let of_input =
            |text: &String| ending.report.errors.iter().any(|(error, _)| error.to_string() == *text);
        let refused = exit == Exit::Usage && snapshot.books.read == 0;
        let last =
            errors.iter().rfind(|error| of_input(error)).filter(|_| refused && ending.broken.is_none());
        let explained = last.and_then(|error| self.explain(error));
        let command = explained.as_ref().and_then(|preview| preview.command.clone());
        if explained.is_some() {
            // That rows were read ahead says nothing where none was to be loaded.
            errors.retain(of_input);
        }
        let preview = explained.or(said.preview.take().filter(|_| !refused));
        if self.letters().is_none() && command.is_none() {
            errors = errors.into_iter().map(|error| self.caller.listener.worded(error)).collect();
        }
        let Said { warnings, mut notes, deductions, mut forms, .. } = said;
        notes.extend(self.left_out.iter().cloned());
        if self.plan.data.dataset.is_none() && self.plan.data.table.is_none() {
            forms.push(format!("dataset is {}", mapper.dataset.name));
        }
        let facts = RunFacts {
            dlq,
            workers,
            lost: ending.outcome.map_or(0, |outcome| outcome.unburied),
            exit_code: Some(exit as u8),
            error: (!errors.is_empty()).then(|| match &command {
                Some(command) => paste::with_command(errors.join("; "), command),
                None => errors.join("; "),
            }),
            dry_run,
            preview,
            notes: warnings
                .iter()
                .cloned()
                .chain(summary::counted(&snapshot))
                .chain(notes.iter().cloned())
                .collect(),
            deductions: forms.into_iter().chain(deductions.iter().cloned()).collect(),
            ..self.facts(Some(&mapper.dataset.name))
        };
        span::note(&mapper.dataset.name, &snapshot.books, facts.bytes_read);
        let result = RunResult::new(&snapshot, facts);
        if let Some(letters) = self.letters() {
            letters.note(&result, snapshot.newer);
        }
        let nothing_done = snapshot.books.read == 0 && !errors.is_empty();
        let at = |nanos: i64| chrono::DateTime::from_timestamp_nanos(nanos);
        let extras = (!nothing_done).then(|| Extras {
            span: ending.report.span.map(|(first, last)| (at(first), at(last))),
            symbols: ending.report.symbols(),
            warnings,
            notes: deductions.into_iter().chain(notes).collect(),
            dry_run,
            claimed: self.letters().is_some() && exit != Exit::Internal,
            lost: ending.outcome.map_or(0, |outcome| outcome.unburied),
            first: ending.again.as_ref().and_then(Again::first).map(str::to_owned),
            resume: (ending.again == Some(Again::Resume)).then(|| format!("the same command and {RESUME}")),
            blocked: ending.blocked_by().is_some(),
            table: self.table_to_name(result.dlq.path.as_deref()),
            rekeyed: ending.is_rekeyed(),
            advised: !ending.report.unproven.is_empty(),
            ..Extras::new(snapshot)
        });
        self.report(RunReport { exit, result, extras, errors })
    }
}
