//! `mdsctl replay-dlq`: claims the files of a queue, one after the other, and puts their rows through the
//! engine again.
//!
//! A queue is claimed by setting its file aside and giving that a name which only the holder of the
//! replay's lock touches. Nothing is taken out of a claimed file before all of it is settled: rows that
//! are in the store, or in another file of the queue, on disk. So whatever ends a replay, the next one
//! finds the claimed file, sees what has been moved elsewhere, and goes on.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::args::{
    DataArgs, DatasetName, FormatArgs, GlobalArgs, HistoryArgs, LoadArgs, RejectArgs, ReplayArgs, StoreArgs,
};
use crate::cli::exit::Exit;
use crate::cli::letters::{Done, Letters};
use crate::cli::load::{Load, runtime, say};
use crate::cli::metrics::RunMetrics;
use crate::cli::{filter, letters, print, process, settings};
use crate::dlq::claim::{Claim, Home, Moved};
use crate::dlq::filter::Filter;
use crate::dlq::hold::{self, Hold, Journal, To};
use crate::dlq::letter::Letter;
use crate::dlq::lines::Lines;
use crate::dlq::names::{self, Kind};
use crate::dlq::{DlqWriter, RunInfo};
use crate::error::{Error, Result};
use crate::observe::figures::plural;
use crate::observe::result::RunResult;
use crate::observe::screen::Screen;

use clap::ValueEnum as _;

/// Attempts after which a row goes aside, where nothing else is said.
const MOST_ATTEMPTS: u32 = 5;

/// Bytes that are looked at to tell a queue from another file.
const FIRST_BYTES: u64 = 1 << 20;

/// Runs it.
pub fn run(global: &GlobalArgs, args: &ReplayArgs, screen: &Screen) -> Result<Exit> {
    let run_id = Uuid::now_v7();
    let metrics = match args.dry_run {
        true => RunMetrics::none(),
        false => RunMetrics::start(&args.engine, "replay-dlq", run_id, None, (global, screen))?,
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
        stuck: false,
        exit: Exit::Stored,
        report: Sums::default(),
    };
    if let Some(directory) = &args.archive {
        writable(directory)?;
    }
    for queue in queues(&args.queues, args)? {
        if let Err(error) = replay.queue(&queue) {
            say(screen, &format!("error: {error}"));
            replay.exit = worse(replay.exit, Exit::from(&error));
        }
        // One queue that cannot be replayed does not keep the others from it, a store that is away does.
        if ends(replay.exit) {
            break;
        }
    }
    replay.finish()
}

/// The live files of the queues that are meant, whether they are there or only their companions.
fn queues(named: &[PathBuf], args: &ReplayArgs) -> Result<Vec<PathBuf>> {
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
        if matches!(names::kind(path), Kind::Segment(_) | Kind::Claimed) && path.exists() {
            let live = names::live(path);
            return Err(Error::Usage(format!(
                "{} is a part of the queue {}, which is replayed as a whole: name that",
                path.display(),
                live.display()
            )));
        }
        // A link stays where it is; what it leads to is replayed.
        let live = match path.is_symlink() {
            true => std::fs::canonicalize(path).map_err(|e| unreadable(path, &e))?,
            false => path.clone(),
        };
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
    let mut all: Vec<PathBuf> = Vec::new();
    for path in found {
        let live = if path.is_symlink() { std::fs::canonicalize(&path).unwrap_or(path) } else { path };
        all.push(live);
    }
    for path in single {
        if !all.contains(&path) {
            all.push(path);
        }
    }
    for live in &all {
        let own = live.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if let Some(directory) = &args.archive
            && std::fs::canonicalize(directory)
                .is_ok_and(|d| std::fs::canonicalize(own).is_ok_and(|o| o == d))
        {
            return Err(Error::Usage(format!(
                "--archive {}: the queue {} is in there, and would take the archive for a queue; give another directory",
                directory.display(),
                live.display()
            )));
        }
        if is_no_queue(live).map_err(|e| unreadable(live, &e))? {
            return Err(Error::Usage(format!(
                "{} is no dead-letter queue: none of its first lines is a record; nothing was touched",
                live.display()
            )));
        }
    }
    Ok(all)
}

/// Whether a file has lines, and none of the first is a record.
fn is_no_queue(path: &Path) -> std::io::Result<bool> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut lines = Lines::new(std::io::BufReader::new(std::io::Read::take(file, FIRST_BYTES)));
    let mut some = false;
    while let Some(line) = lines.next()? {
        some = true;
        if Letter::read(&line).is_ok() {
            return Ok(false);
        }
    }
    // A first line that is longer than what was read may be one.
    Ok(some && lines.offset() < FIRST_BYTES)
}

/// Tries to write there, before anything else is touched.
fn writable(directory: &Path) -> Result<()> {
    let tried = std::fs::create_dir_all(directory).and_then(|()| tempfile::tempfile_in(directory).map(drop));
    tried.map_err(|error| Error::Usage(format!("--archive {}: {error}", directory.display())))
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

/// Where rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    dataset: Option<DatasetName>,
    table: Option<String>,
    tenant: Option<String>,
}

/// How the rows of a claimed file have been settled.
struct Settled<'a> {
    /// What an earlier replay of it had moved.
    moved: Option<&'a Moved>,
    /// Homes whose rows could not even be tried.
    left_alone: HashSet<Home>,
    most_attempts: u32,
    discard: bool,
}

struct Replay<'a> {
    global: &'a GlobalArgs,
    args: &'a ReplayArgs,
    screen: &'a Screen,
    metrics: &'a RunMetrics,
    filter: Filter,
    /// Rows that may still be taken.
    left: Option<u64>,
    /// Whether a file of the queue at hand is claimed and not settled.
    stuck: bool,
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
        self.stuck = false;
        let claimed = names::claimed(live);
        let is_empty = |path: &Path| std::fs::metadata(path).map_or(true, |m| m.len() == 0);
        let segments = names::segments(live).map_err(fault)?;
        if is_empty(live) && is_empty(&claimed) && segments.is_empty() {
            return Ok(());
        }
        if self.args.dry_run {
            let mut files = vec![claimed, live.to_owned()];
            files.extend(segments.into_iter().rev());
            let journal = self.journal(live);
            for path in files.iter().filter(|path| !is_empty(path)) {
                self.claimed(live, path, false, &Journal { limit: self.left, ..journal.clone() })?;
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
        let beside = names::journal(live);
        if taken_up {
            let own = self.journal(live);
            let journal = Journal::read(&beside).map_err(fault)?.unwrap_or_else(|| own.clone());
            let differs = match journal == own {
                true => "",
                false => ", with its filters and limits; those given now are for the rest",
            };
            self.say(&format!("{}: going on with what an earlier replay left{differs}", claimed.display()));
            self.claimed(live, &claimed, true, &journal)?;
        }
        // The newest first: what an older row leaves must not pass for newer than the others.
        for segment in names::segments(live).map_err(fault)?.into_iter().rev() {
            if self.stuck || ends(self.exit) || self.left == Some(0) {
                break;
            }
            let journal = self.journal(live);
            journal.write(&beside).map_err(fault)?;
            hold::rename(&segment, &claimed).map_err(fault)?;
            self.claimed(live, &claimed, false, &journal)?;
        }
        if !claimed.exists() && beside.exists() {
            hold::remove(&beside).map_err(fault)?;
        }
        Ok(())
    }

    /// What is to be done with the next file of a queue.
    fn journal(&self, live: &Path) -> Journal {
        let most_attempts = match self.args.max_attempts {
            Some(most) => most,
            None if names::kind(live) == Kind::Parked => u32::MAX,
            None => MOST_ATTEMPTS,
        };
        Journal { filter: self.filter.clone(), limit: self.left, most_attempts, discard: self.args.discard }
    }

    /// Replays a file of a queue.
    fn claimed(&mut self, live: &Path, path: &Path, taken_up: bool, journal: &Journal) -> Result<()> {
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
        let claim = Arc::new(Claim::survey(path, &journal.filter, journal.limit).map_err(fault)?);
        if !taken_up {
            self.left = self.left.map(|left| left.saturating_sub(claim.meant));
        }
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
        // What is thrown away is thrown away however often it was tried.
        let most_attempts = if journal.discard { u32::MAX } else { journal.most_attempts };
        let parked = if is_parked { live.to_owned() } else { names::parked(live) };
        let done = Arc::new(Done::default());
        let mut left_alone = HashSet::new();
        if !journal.discard {
            for (place, homes) in self.places(&claim) {
                let letters = Letters {
                    claim: claim.clone(),
                    queue: live.to_owned(),
                    homes: homes.clone(),
                    moved: moved.clone(),
                    force: self.args.force,
                    most_attempts,
                    parked: parked.clone(),
                    identity: hold::identity(path).map_err(fault)?,
                    tracks: self.args.archive.is_some(),
                    done: done.clone(),
                };
                let exit = match self.load(live, path, place, letters) {
                    Ok(exit) => exit,
                    // Nothing of these rows was begun: they stay in the queue as they are, the others go on.
                    Err(error @ (Error::Usage(_) | Error::Input(_))) if !taken_up => {
                        say(self.screen, &format!("error: {error}; its rows stay in {}", live.display()));
                        left_alone.extend(homes);
                        self.exit = worse(self.exit, Exit::from(&error));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                for (result, older) in done.take_results() {
                    self.report.older += older;
                    self.report.results.push(result);
                }
                self.exit = worse(self.exit, exit);
                if self.args.dry_run {
                    continue;
                }
                if !done.take_complete() {
                    self.stuck = true;
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
        let settled =
            Settled { moved: moved.as_deref(), left_alone, most_attempts, discard: journal.discard };
        self.settle(live, path, &parked, &claim, &settled, &done)
    }

    /// The places that the meant rows of a file go to, each with the homes that lead there.
    fn places(&self, claim: &Claim) -> Vec<(Place, Vec<Home>)> {
        let mut places: Vec<(Place, Vec<Home>)> = Vec::new();
        for (home, _) in &claim.homes {
            let place = self.place(claim, home);
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, homes)) => homes.push(home.clone()),
                None => places.push((place, vec![home.clone()])),
            }
        }
        for (_, homes) in &mut places {
            homes.sort();
        }
        places
    }

    /// Where rows of that home go: as the flags say, else as their records do.
    fn place(&self, claim: &Claim, home: &Home) -> Place {
        let mend = &self.args.mend;
        let known = home.dataset.as_deref().and_then(|name| DatasetName::from_str(name, true).ok());
        // A dataset that is none of ours is a table.
        let other = || home.dataset.clone().filter(|_| known.is_none() && mend.dataset.is_none());
        let table = mend.table.clone().or_else(|| home.table.clone()).or_else(other);
        let detected = || {
            let sample = claim.samples.get(home)?;
            let dataset = letters::detect(sample, &settings::columns(&mend.data(), None)).ok()?;
            DatasetName::from_str(&dataset.name, true).ok()
        };
        let dataset = mend.dataset.or(known).or_else(|| detected().filter(|_| table.is_none()));
        let tenant = home.tenant.clone().or_else(|| self.args.store.tenant.clone());
        Place { dataset, table, tenant }
    }

    /// Puts the rows of one place through the engine.
    fn load(&mut self, live: &Path, path: &Path, place: Place, letters: Letters) -> Result<Exit> {
        let store = StoreArgs { tenant: place.tenant, ..self.args.store.clone() };
        let data = DataArgs { dataset: place.dataset, table: place.table, ..self.args.mend.data() };
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
        let runtime = runtime()?;
        let done = runtime.block_on(async {
            Load::prepare(self.global, &load, self.screen, Uuid::now_v7(), self.metrics)?
                .of(letters)
                .run()
                .await
        });
        runtime.shutdown_background();
        done
    }

    /// All rows that are meant are settled: the rest goes where it belongs, and the file goes.
    fn settle(
        &mut self,
        live: &Path,
        path: &Path,
        parked: &Path,
        claim: &Claim,
        settled: &Settled<'_>,
        done: &Done,
    ) -> Result<()> {
        let Settled { moved, left_alone, most_attempts, discard } = settled;
        let most_attempts = *most_attempts;
        let info = RunInfo { run_id: Uuid::now_v7(), dataset: String::new(), table: None, tenant_id: None };
        let queue = DlqWriter::open_bounded(live, info.clone(), self.args.dlq_max_bytes)?;
        let aside = DlqWriter::open(parked, info)?;
        let runtime = runtime()?;
        let (mut carried, mut parked_rows) = (0, 0);
        hold::carry(claim, *moved, most_attempts, left_alone, |to, bundle| {
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
            let (_, file) =
                hold::archive(claim, &left, most_attempts, left_alone, directory, &name).map_err(broken)?;
            self.report.archived.extend(file.map(|file| file.display().to_string()));
        }
        if *discard {
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
