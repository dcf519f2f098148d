//! `mdsctl replay-dlq`: claims the files of a queue, one after the other, and puts their rows through the
//! engine again.
//!
//! A queue is claimed by setting its file aside and giving that a name which only the holder of the
//! replay's lock touches. Nothing is taken out of a claimed file before all of it is settled: rows that
//! are in the store, or in another file of the queue, on disk. So whatever ends a replay, the next one
//! finds the claimed file, sees what has been moved elsewhere, and goes on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::args::{DatasetName, FormatArgs, GlobalArgs, HistoryArgs, LoadArgs, RejectArgs, ReplayArgs};
use crate::cli::exit::Exit;
use crate::cli::letters::{Done, Letters};
use crate::cli::load::{Load, runtime, say};
use crate::cli::metrics::RunMetrics;
use crate::cli::store::Store;
use crate::cli::{filter, print, process};
use crate::dlq::claim::{Claim, Home, Moved};
use crate::dlq::filter::Filter;
use crate::dlq::hold::{self, Hold, To};
use crate::dlq::names::{self, Kind};
use crate::dlq::{DlqWriter, RunInfo};
use crate::error::{Error, Result};
use crate::observe::figures::plural;
use crate::observe::result::RunResult;
use crate::observe::screen::Screen;

use clap::ValueEnum as _;

/// Attempts after which a row goes aside, where nothing else is said.
const MOST_ATTEMPTS: u32 = 5;

/// Runs it.
pub fn run(global: &GlobalArgs, args: &ReplayArgs, screen: &Screen) -> Result<Exit> {
    let run_id = Uuid::now_v7();
    let metrics = match args.dry_run {
        true => RunMetrics::none(),
        false => RunMetrics::start(&args.engine, "replay-dlq", run_id, None)?,
    };
    let done = all(global, args, screen, &metrics);
    metrics.finish(&done);
    done
}

fn all(global: &GlobalArgs, args: &ReplayArgs, screen: &Screen, metrics: &RunMetrics) -> Result<Exit> {
    let selection = filter::selection(&args.filter);
    let mut replay = Replay {
        global,
        args,
        screen,
        metrics,
        filter: selection.filter,
        left: selection.limit,
        told_default: false,
        exit: Exit::Stored,
        report: Sums::default(),
    };
    for queue in queues(&args.queues)? {
        replay.queue(&queue)?;
        if !matches!(replay.exit, Exit::Stored | Exit::Rejects) {
            break;
        }
    }
    replay.finish()
}

/// The live files of the queues that are meant, whether they are there or only their companions.
fn queues(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        Error::Input(format!("{}: it cannot be read: {error}", path.display()))
    };
    let mut found = BTreeSet::new();
    let mut look = |directory: &Path| -> Result<()> {
        for entry in std::fs::read_dir(directory).map_err(|e| unreadable(directory, &e))? {
            let path = entry.map_err(|e| unreadable(directory, &e))?.path();
            let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden
                && path.extension().is_some_and(|e| e == "ndjson")
                && names::kind(&path) != Kind::Parked
            {
                found.insert(names::live(&path));
            }
        }
        Ok(())
    };
    let standard = Path::new(".dlq");
    if named.is_empty() && standard.is_dir() {
        look(standard)?;
    }
    let mut single = Vec::new();
    for path in named {
        if path.is_dir() {
            look(path)?;
            continue;
        }
        let live = if names::kind(path) == Kind::Parked { path.clone() } else { names::live(path) };
        let there = path.exists()
            || names::claimed(&live).exists()
            || !names::segments(&live).map_err(|e| unreadable(&live, &e))?.is_empty();
        // A queue that is not there has no rows, which for a cron is as it should be; a place that is
        // not there is a mistake.
        let parent = live.parent().filter(|parent| !parent.as_os_str().is_empty());
        if !there && parent.is_some_and(|parent| !parent.is_dir()) {
            return Err(Error::Input(format!("no such directory: {}", parent.unwrap_or(&live).display())));
        }
        single.push(live);
    }
    let mut all: Vec<PathBuf> = found.into_iter().collect();
    for path in single {
        if !all.contains(&path) {
            all.push(path);
        }
    }
    Ok(all)
}

/// What has been done so far.
#[derive(Default)]
struct Sums {
    results: Vec<RunResult>,
    files: Vec<String>,
    meant: u64,
    older: u64,
    carried: u64,
    parked: u64,
    discarded: u64,
    damaged: u64,
    archived: Vec<String>,
}

struct Replay<'a> {
    global: &'a GlobalArgs,
    args: &'a ReplayArgs,
    screen: &'a Screen,
    metrics: &'a RunMetrics,
    filter: Filter,
    /// Rows that may still be taken.
    left: Option<u64>,
    told_default: bool,
    exit: Exit,
    report: Sums,
}

impl Replay<'_> {
    fn say(&self, text: &str) {
        if !self.global.quiet {
            say(self.screen, text);
        }
    }

    /// Replays a queue: what an earlier replay left first, then what was set aside, then its file.
    fn queue(&mut self, live: &Path) -> Result<()> {
        let fault = |error: std::io::Error| {
            Error::Usage(format!(
                "the dead-letter queue {} cannot be claimed: {error}; the replay renames it in its directory, and needs the right to do so",
                live.display()
            ))
        };
        let claimed = names::claimed(live);
        let is_empty = |path: &Path| std::fs::metadata(path).map_or(true, |m| m.len() == 0);
        let segments = names::segments(live).map_err(fault)?;
        if is_empty(live) && is_empty(&claimed) && segments.is_empty() {
            return Ok(());
        }
        if self.args.dry_run {
            let mut files = vec![claimed];
            files.extend(segments);
            files.push(live.to_owned());
            for path in files.iter().filter(|path| !is_empty(path)) {
                self.claimed(live, path, false)?;
            }
            return Ok(());
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
                return Err(Error::Usage(format!(
                    "{} is being replayed by {who}; nothing was done here, try again when it has ended",
                    live.display()
                )));
            }
        };
        let taken_up = claimed.exists();
        // From here on new failures go to a fresh file, which is not for this replay.
        hold::set_aside(live).map_err(fault)?;
        if taken_up {
            self.say(&format!("{}: going on with what an earlier replay left", claimed.display()));
            self.claimed(live, &claimed, true)?;
        }
        for segment in names::segments(live).map_err(fault)? {
            let goes_on = matches!(self.exit, Exit::Stored | Exit::Rejects) && self.left != Some(0);
            if !goes_on {
                break;
            }
            hold::rename(&segment, &claimed).map_err(fault)?;
            self.claimed(live, &claimed, false)?;
        }
        Ok(())
    }

    /// Replays a file of a queue.
    fn claimed(&mut self, live: &Path, path: &Path, taken_up: bool) -> Result<()> {
        let fault = |error: std::io::Error| {
            Error::Input(format!("the dead-letter queue {} cannot be read: {error}", path.display()))
        };
        let moved = match taken_up {
            true => {
                let mut files = names::segments(live).map_err(fault)?;
                files.extend([live.to_owned(), names::parked(live)]);
                Some(Arc::new(Moved::into(&files).map_err(fault)?))
            }
            false => None,
        };
        let claim = Arc::new(Claim::survey(path, &self.filter, self.left).map_err(fault)?);
        self.left = self.left.map(|left| left - claim.meant);
        self.report.files.push(path.display().to_string());
        self.report.meant += claim.meant;
        self.report.damaged += claim.damaged;
        if let Some((line, why)) = &claim.damage {
            self.say(&format!(
                "{}: line {line} {why}{}",
                path.display(),
                match claim.damaged {
                    1 => String::new(),
                    more => format!("; {} more like it", more - 1),
                }
            ));
        }
        let is_parked = names::kind(live) == Kind::Parked;
        let most_attempts = match self.args.max_attempts {
            Some(most) => most,
            None if is_parked => u32::MAX,
            None => MOST_ATTEMPTS,
        };
        let parked = if is_parked { live.to_owned() } else { names::parked(live) };
        let done = Arc::new(Done::default());
        if !self.args.discard {
            for (home, _) in &claim.homes {
                let letters = Letters {
                    claim: claim.clone(),
                    queue: live.to_owned(),
                    home: home.clone(),
                    moved: moved.clone(),
                    force: self.args.force,
                    most_attempts,
                    parked: parked.clone(),
                    identity: hold::identity(path).map_err(fault)?,
                    tracks: self.args.archive.is_some(),
                    done: done.clone(),
                };
                let exit = self.home(live, path, home, letters)?;
                for (result, older) in done.take_results() {
                    self.report.older += older;
                    self.report.results.push(result);
                }
                self.exit = worse(self.exit, exit);
                if self.args.dry_run {
                    continue;
                }
                if !done.take_complete() {
                    self.say(&format!("{} stays as it is: the next replay goes on with it", path.display()));
                    if matches!(self.exit, Exit::Stored | Exit::Rejects) {
                        self.exit = Exit::Internal;
                    }
                    return Ok(());
                }
            }
        }
        if self.args.dry_run {
            return Ok(());
        }
        self.report.parked += done.parked().1;
        self.settle(live, path, &parked, &claim, moved.as_deref(), most_attempts, &done)
    }

    /// Puts the rows of one home through the engine.
    fn home(&mut self, live: &Path, path: &Path, home: &Home, letters: Letters) -> Result<Exit> {
        let mut store = self.args.store.clone();
        if home.tenant.is_some() {
            store.tenant.clone_from(&home.tenant);
        }
        let mut data = self.args.mend.data();
        let known = home.dataset.as_deref().and_then(|name| DatasetName::from_str(name, true).ok());
        if data.dataset.is_none() && data.table.is_none() {
            data.dataset = known;
            data.table = match known {
                Some(_) => home.table.clone(),
                None => home.table.clone().or_else(|| home.dataset.clone()),
            };
        }
        let load = LoadArgs {
            inputs: vec![path.display().to_string()],
            store,
            data,
            format: FormatArgs {
                format: None,
                delimiter: None,
                no_header: false,
                skip_lines: 0,
                recursive: false,
            },
            rejects: RejectArgs {
                dlq: Some(live.to_owned()),
                dlq_max_bytes: self.args.dlq_max_bytes,
                max_rejects: None,
                dry_run: self.args.dry_run,
            },
            history: HistoryArgs { resume: false, source_id: None, force: false },
            engine: self.args.engine.clone(),
        };
        // The embedded store by default is told once.
        let quiet = GlobalArgs { ..self.global.clone() };
        let runtime = runtime()?;
        let (_, by_default) = Store::choose(&load.store)?;
        self.told_default |= by_default;
        let done = runtime.block_on(async {
            Load::prepare(&quiet, &load, self.screen, Uuid::now_v7(), self.metrics)?.of(letters).run().await
        });
        runtime.shutdown_background();
        done
    }

    /// All rows that are meant are settled: the rest goes where it belongs, and the file goes.
    #[expect(clippy::too_many_arguments, reason = "the last step of one that has them all")]
    fn settle(
        &mut self,
        live: &Path,
        path: &Path,
        parked: &Path,
        claim: &Claim,
        moved: Option<&Moved>,
        most_attempts: u32,
        done: &Done,
    ) -> Result<()> {
        let info = RunInfo { run_id: Uuid::now_v7(), dataset: String::new(), table: None, tenant_id: None };
        let queue = DlqWriter::open_bounded(live, info.clone(), self.args.dlq_max_bytes)?;
        let aside = DlqWriter::open(parked, info)?;
        let runtime = runtime()?;
        let (mut carried, mut parked_rows) = (0, 0);
        hold::carry(claim, moved, most_attempts, |to, bundle| {
            let (writer, count) = match to {
                To::Queue => (&queue, &mut carried),
                To::Parked => (&aside, &mut parked_rows),
            };
            *count += bundle.rows;
            runtime
                .block_on(writer.append(bundle.lines, bundle.records, bundle.rows))
                .map_err(|error| std::io::Error::other(error.to_string()))
        })
        .map_err(|error| Error::Internal(format!("{error}; {} stays as it is", path.display())))?;
        self.report.carried += carried;
        self.report.parked += parked_rows;
        let broken = |error: std::io::Error| {
            Error::Internal(format!("{} is done with, but cannot be put away: {error}", path.display()))
        };
        if let Some(directory) = &self.args.archive {
            let stem = live.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{stem}.{}.ndjson", hold::identity(path).map_err(broken)?);
            let mut left = done.left();
            if let Some(moved) = moved {
                left.merge(moved);
            }
            let (_, file) = hold::archive(claim, &left, most_attempts, directory, &name).map_err(broken)?;
            self.report.archived.extend(file.map(|file| file.display().to_string()));
        }
        if self.args.discard {
            self.report.discarded += claim.meant;
        }
        if claim.too_long {
            let kept = path.with_extension(format!("damaged-{}", hold::identity(path).map_err(broken)?));
            hold::rename(path, &kept).map_err(broken)?;
            self.say(&format!("a line that is too long to be read is kept in {}", kept.display()));
        } else {
            hold::remove(path).map_err(broken)?;
        }
        Ok(())
    }

    /// Says what it all came to.
    fn finish(self) -> Result<Exit> {
        let sums = &self.report;
        let mut exit = self.exit;
        if exit == Exit::Stored && sums.parked > 0 && !self.args.dry_run {
            exit = Exit::Rejects;
        }
        if sums.files.is_empty() {
            self.say("nothing to replay: the dead-letter queue is empty");
        } else if sums.meant == 0 {
            self.say("nothing to replay: no dead letter is meant by these filters");
        }
        for (rows, what) in [
            (sums.carried, "not meant, left in the queue as they are"),
            (sums.parked, "tried too often, parked"),
            (sums.discarded, "discarded"),
        ] {
            if rows > 0 {
                self.say(&format!("{}: {what}", plural(rows, "row")));
            }
        }
        for file in &sums.archived {
            self.say(&format!("archived in {file}"));
        }
        if self.global.json {
            print(&(self.json(exit).to_string() + "\n"))?;
        }
        Ok(exit)
    }

    /// The result for programs: that of a load, summed up, and what is particular to a replay.
    fn json(&self, exit: Exit) -> Value {
        let sums = &self.report;
        let mut all = match sums.results.as_slice() {
            [] => json!({"run_id": null, "command": "replay-dlq", "dataset": null, "inputs": sums.files,
                "rows": {"read": 0, "inserted": 0, "updated": 0, "unchanged": 0, "superseded": 0,
                         "rejected": 0, "dropped": 0, "skipped": 0},
                "dlq": {"path": null, "records": 0, "rows": 0}, "bytes_read": 0}),
            [first, more @ ..] => {
                let mut all = serde_json::to_value(first).unwrap_or_default();
                for result in more {
                    let next = serde_json::to_value(result).unwrap_or_default();
                    for part in ["rows", "dlq"] {
                        add(all.get_mut(part), next.get(part));
                    }
                    for field in ["bytes_read", "elapsed_s", "retries"] {
                        let sum = add_numbers(all.get(field), next.get(field));
                        if let (Some(place), Some(sum)) = (all.get_mut(field), sum) {
                            *place = sum;
                        }
                    }
                    if all.get("dataset") != next.get("dataset")
                        && let Some(place) = all.get_mut("dataset")
                    {
                        *place = Value::Null;
                    }
                }
                all
            }
        };
        if let Some(all) = all.as_object_mut() {
            all.insert("inputs".into(), json!(sums.files));
            all.insert(
                "replay".into(),
                json!({"meant": sums.meant, "older_than_stored": sums.older, "carried": sums.carried,
                    "parked": sums.parked, "discarded": sums.discarded, "damaged": sums.damaged,
                    "archived": sums.archived}),
            );
            all.insert("exit_code".into(), json!(exit as u8));
        }
        all
    }
}

fn add(into: Option<&mut Value>, more: Option<&Value>) {
    let (Some(into), Some(more)) = (into.and_then(Value::as_object_mut), more.and_then(Value::as_object))
    else {
        return;
    };
    for (name, value) in into.iter_mut() {
        if let Some(sum) = add_numbers(Some(value), more.get(name)) {
            *value = sum;
        }
    }
}

fn add_numbers(a: Option<&Value>, b: Option<&Value>) -> Option<Value> {
    match (a?, b?) {
        (a, b) if a.is_u64() && b.is_u64() => Some(json!(a.as_u64()? + b.as_u64()?)),
        (a, b) => Some(json!(((a.as_f64()? + b.as_f64()?) * 1e3).round() / 1e3)),
    }
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
