//! `mdsctl replay-dlq`: claims the files of a queue, and puts their rows through the engine again.
//!
//! The live file of a queue is set aside as a segment, which nobody appends to; a journal beside the queue
//! says which segments are claimed, and what is done with them. Nothing is taken out of a claimed file
//! before all of it is settled: rows that are in the store, or in another file of the queue, on disk. So
//! whatever ends a replay, the next one finds the journal, sees what has been moved elsewhere, and goes on.

mod batch;
mod questions;
mod remote;
pub(crate) mod report;
pub(crate) mod which;

use std::path::Path;

use serde_json::Value;

use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::metrics::RunMetrics;
use crate::app::plan::ReplayPlan;
use crate::app::process;
use crate::app::replay::batch::ReplayFile;
use crate::app::replay::report::Report;
use crate::app::values::MendPlan;
use crate::dlq::checkout::called;
use crate::dlq::filter::{Filter, Tenant};
use crate::dlq::journal::{Journal, ReplaySelection, ReplayTarget};
use crate::dlq::names::{self, Kind};
use crate::dlq::replay_lock::{self, Hold};
use crate::error::{Error, Result, words};
use crate::text::flags::{ARCHIVE, FORCE};
use crate::text::phrases::shell_word;

/// Attempts after which a row goes aside, where nothing else is said.
const MOST_ATTEMPTS: u32 = 5;

/// What all runs of a replay came to.
pub struct ReplayReport {
    /// In one word.
    pub exit: Exit,
    /// In numbers: the object for programs.
    pub result: Value,
    /// A sentence each.
    pub notes: Vec<String>,
}

/// Replays as the plan says.
///
/// # Errors
/// Where it ended before it could look at a queue. What went wrong behind that is in the report.
pub fn run(caller: &Caller, mut plan: ReplayPlan, metrics: &RunMetrics) -> Result<ReplayReport> {
    plan.to.one_tenant(&plan.mend.values)?;
    if let Some(directory) = &plan.archive {
        writable(directory)?;
    }
    let brought = remote::brought(&mut plan)?;
    let found = match which::queues(&plan.queues, plan.archive.as_deref()) {
        Ok(found) => found,
        Err(error) => {
            brought.give_up();
            return Err(error);
        }
    };
    let mut replay = Replay {
        caller,
        metrics,
        place: plan.to.store.place(),
        filter: plan.selection.filter.clone(),
        left: plan.selection.limit,
        plan,
        stuck: false,
        exit: Exit::Stored,
        report: Report::default(),
    };
    replay.passed_by(&found.strays);
    for queue in found.queues {
        if let Err(error) = replay.queue(&queue) {
            caller.listener.say(&format!("error: {error}"));
            replay.report.errors.push(error.to_string());
            replay.report.failed = true;
            replay.exit = worse(replay.exit, Exit::from(&error));
        }
        // One queue that cannot be replayed does not keep the others from it, a store that is away does.
        if ends(replay.exit) {
            break;
        }
    }
    for queue in brought.taken {
        replay.give_back(queue);
    }
    Ok(replay.finish())
}

/// Tries to write there, before anything else is touched.
fn writable(directory: &Path) -> Result<()> {
    let tried = std::fs::create_dir_all(directory).and_then(|()| tempfile::tempfile_in(directory).map(drop));
    tried.map_err(|error| {
        Error::usage(format!("{ARCHIVE} {}: {}", directory.display(), words(&error))).caused_by(error)
    })
}

struct Replay<'a> {
    caller: &'a Caller,
    plan: ReplayPlan,
    metrics: &'a RunMetrics,
    /// The store, however its path is spelled.
    place: String,
    filter: Filter,
    /// Rows that may still be taken.
    left: Option<u64>,
    /// Whether files of the queue at hand are claimed and not settled.
    stuck: bool,
    exit: Exit,
    report: Report,
}

impl Replay<'_> {
    fn note(&self, text: &str) {
        self.caller.listener.note(text);
    }

    fn passed_by(&self, strays: &[std::path::PathBuf]) {
        for path in strays {
            self.note(&format!("{} is passed by: it is not a file of dead letters", path.display()));
        }
    }

    /// Replays a queue: what an earlier replay left, then the rest, or all at once where the same is to be
    /// done with both.
    fn queue(&mut self, live: &Path) -> Result<()> {
        let fault = |error: std::io::Error| {
            let remedy = match error.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    "free some space there"
                }
                _ => "the replay renames it and writes beside it, and needs the right to do so",
            };
            let live = live.display();
            Error::usage(format!(
                "the dead-letter queue {live} cannot be claimed: {}; {remedy}",
                words(&error)
            ))
            .caused_by(error)
        };
        self.stuck = false;
        let is_empty = |path: &Path| std::fs::metadata(path).map_or(true, |m| m.len() == 0);
        let (segments, strays) = which::segments(live).map_err(fault)?;
        let beside = names::journal(live);
        if is_empty(live) && segments.is_empty() {
            if !self.plan.dry_run && beside.exists() {
                replay_lock::remove(&beside).map_err(fault)?;
            }
            return Ok(());
        }
        self.passed_by(&strays);
        if !self.know_tenant()? {
            return Ok(());
        }
        let (way, own) = (self.way()?, self.orders(live));
        if self.plan.dry_run {
            let files = segments.into_iter().chain([live.to_owned()]).filter(|path| !is_empty(path));
            let parts = files.map(|path| ReplayFile::new(path, &own)).collect::<std::io::Result<_>>();
            return self.round(live, parts.map_err(fault)?, &way, Vec::new(), false);
        }
        if names::kind(live) == Kind::Parked && names::journal(&names::live(live)).exists() {
            return Err(Error::usage(format!(
                "an earlier replay of {} did not end, and may have parked rows that it is still to settle: finish that first, by mdsctl replay-dlq {}",
                names::live(live).display(),
                shell_word(&names::live(live).display().to_string())
            )));
        }
        let host = process::own().host;
        let _hold = match Hold::take(&names::lock(live), &host).map_err(fault)? {
            Ok(hold) => hold,
            Err(holder) => {
                let who = match holder {
                    Some(holder) => {
                        format!("process {} on {} since {}", holder.pid, holder.host, holder.since)
                    }
                    None => "another process".to_owned(),
                };
                return Err(Error::usage(format!(
                    "{} is being replayed by {who}; nothing was done here, try again when it has ended",
                    live.display()
                )));
            }
        };
        // From here on new failures go to a fresh file, which is not for this replay.
        replay_lock::set_aside(live).map_err(fault)?;
        let journal = Journal::read(&beside).map_err(|error| {
            Error::usage(format!(
                "{}: what an earlier replay noted there cannot be read ({}); if none is running, remove that file, and all of the queue is replayed: in a table without a key compare first, since some of its rows may be there already",
                beside.display(),
                words(&error)
            )).caused_by(error)
        })?;
        let (mut earlier, mut parts) = (Vec::new(), Vec::new());
        for path in which::segments(live).map_err(fault)?.0 {
            let part = ReplayFile::new(path, &own).map_err(fault)?;
            match journal.iter().flat_map(|journal| &journal.files).find(|file| part.is(file)) {
                Some(noted) => earlier.push(part.taken_up(noted)),
                None => parts.push(part),
            }
        }
        if let Some(journal) = journal.filter(|_| !earlier.is_empty()) {
            if journal.way.store != way.store && !journal.settled && !self.plan.force {
                return Err(Error::usage(format!(
                    "an earlier replay of {} into {} did not end; finish it there, or take all rows to {} with {FORCE}",
                    live.display(),
                    journal.way.store,
                    way.store
                )));
            }
            self.note(&format!("{}: going on with what an earlier replay left", called(live)));
            let mended = || MendPlan::read(&journal.way.mend).is_ok_and(|mend| mend == self.plan.mend);
            let same = journal.way.tenant == way.tenant && mended();
            // What goes the same way goes together, so that of several rows with one key the last one wins.
            if same && !journal.settled {
                earlier.append(&mut parts);
            } else if !journal.settled {
                self.note("its rows are mended as they were then; the flags given now are for the others");
            }
            let earlier_way = ReplayTarget { store: way.store.clone(), ..journal.way };
            self.round(live, earlier, &earlier_way, journal.begun, journal.settled)?;
        }
        if !parts.is_empty() && !self.stuck && !ends(self.exit) && self.left != Some(0) {
            self.round(live, parts, &way, Vec::new(), false)?;
        }
        Ok(())
    }

    /// Finds out whose rows are meant, before any is looked at; `false` where a signal came meanwhile.
    fn know_tenant(&mut self) -> Result<bool> {
        let Some(given) = self.plan.to.tenant.clone().filter(|given| !given.is_empty()) else {
            return Ok(true);
        };
        if self.filter.tenant.is_some() {
            return Ok(true);
        }
        let store = self.plan.to.store.clone();
        let id = match self.plan.discard {
            // What is thrown away asks no store: whose name is another one stays.
            true => None,
            false => {
                let Some(id) = self.asked(|| store.tenant(&given))? else { return Ok(false) };
                id
            }
        };
        self.plan.mend.values.one_tenant(&given, id.as_deref().unwrap_or(&given))?;
        self.filter.tenant = Some(Tenant { given, id });
        Ok(true)
    }

    /// Where the rows go.
    fn way(&self) -> Result<ReplayTarget> {
        Ok(ReplayTarget {
            store: self.place.clone(),
            tenant: self.plan.to.tenant.clone(),
            mend: self.plan.mend.noted()?,
        })
    }

    /// Which rows of a queue are meant.
    fn orders(&self, live: &Path) -> ReplaySelection {
        let most_attempts = match self.plan.max_attempts {
            Some(most) => most,
            None if names::kind(live) == Kind::Parked => u32::MAX,
            None => MOST_ATTEMPTS,
        };
        ReplaySelection {
            filter: self.filter.clone(),
            take: None,
            // What is thrown away is thrown away however often it was tried.
            most_attempts: if self.plan.discard { u32::MAX } else { most_attempts },
            discard: self.plan.discard,
        }
    }

    /// What it all came to.
    fn finish(mut self) -> ReplayReport {
        if !self.plan.dry_run
            && self.exit != Exit::Internal
            && let Err(gap) = self.report.closes()
        {
            self.caller.listener.say(&format!("error: {gap}"));
            self.report.errors.push(gap);
            self.exit = Exit::Internal;
        }
        let (mut exit, dry_run) = (self.exit, self.plan.dry_run);
        let aside = self.report.parked > 0 || self.report.aside.is_some();
        if exit == Exit::Stored && aside && !dry_run {
            exit = Exit::Rejects;
        }
        let result = self.report.json(exit, &self.plan.to.store.shown(), dry_run);
        ReplayReport { exit, result, notes: self.report.sentences() }
    }
}

/// Whether nothing more is to be tried.
fn ends(exit: Exit) -> bool {
    matches!(exit, Exit::Interrupted | Exit::Terminated | Exit::Unavailable | Exit::Internal)
}

/// The exit code of two runs.
fn worse(a: Exit, b: Exit) -> Exit {
    let rank = |exit: Exit| match exit {
        Exit::Stored => 0,
        Exit::Rejects => 1,
        Exit::TooManyRejects => 2,
        Exit::Interrupted | Exit::Terminated => 3,
        Exit::Unavailable => 4,
        Exit::Input => 5,
        Exit::Usage => 6,
        Exit::Internal => 7,
    };
    if rank(b) > rank(a) { b } else { a }
}
