//! Files that grow: reads their lines as they are written, through rotation, truncation and
//! re-creation, and remembers behind which line all is settled.
//!
//! One thread reads all files in turn. Every batch of lines has an `Origin` of its own, which each
//! of its rows holds on to on its way; when nobody holds it any more those lines are settled, and the
//! place behind them may be written to the checkpoint file.

mod generation;
mod lag;
mod scout;
mod state;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_schema::SchemaRef;
use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::dataset::MapperSettings;
use crate::error::{Error, Result};
use crate::port::{Event, Observer};
use crate::source::pipeline::{Outlet, Report};
use crate::source::{Meter, OpenOptions, Stop, expand};
use generation::{Generation, Moved, Sight, look_into};
use lag::Lag;
use scout::{Arrival, Scout, lock};
use state::{State, beside};

/// How often everything is looked at, whatever has been heard.
const SAFETY: Duration = Duration::from_secs(1);

/// Longest wait in one piece, so that a stop is seen.
const SLICE: Duration = Duration::from_millis(50);

/// Time between two writes of the checkpoint file.
const SAVE: Duration = Duration::from_millis(200);

/// How long a file that has lost its name is still read, for a writer that has not noticed.
const GRACE: Duration = Duration::from_secs(10);

/// Where the reading of a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At its first line.
    Start,
    /// Behind its last line; files that come later from their first one.
    End,
    /// Where an earlier run has settled all before, else at its first line.
    Checkpoint,
}

/// What is followed, and how.
#[derive(Debug, Clone)]
pub struct FollowOptions {
    /// Paths, directories and globs.
    pub patterns: Vec<String>,
    /// Whether directories stand for those below them too.
    pub recursive: bool,
    /// How files are opened.
    pub open: OpenOptions,
    /// Where to begin.
    pub from: From,
    /// Time between two looks where the system tells of no changes.
    pub poll: Duration,
    /// The end, when nothing has come for so long.
    pub idle_exit: Option<Duration>,
}

/// What there is to hear.
enum Heard {
    /// A change.
    Change,
    /// A file that has another name now.
    Renamed(PathBuf, PathBuf),
}

/// What hears of changes in the directories of the files.
struct Ears {
    heard: Receiver<Heard>,
    /// Held on to, since it ends with its owner.
    watcher: Option<RecommendedWatcher>,
    /// Whether all directories are watched.
    all: bool,
}

impl Ears {
    fn open(patterns: &[String]) -> Self {
        let (sender, heard) = channel();
        let told = move |event: notify::Result<notify::Event>| {
            let heard = match event {
                // Our own reading is no change.
                Ok(event) if event.kind.is_access() => return,
                Ok(event) => match (event.kind, event.paths.as_slice()) {
                    (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), [from, to]) => {
                        Heard::Renamed(from.clone(), to.clone())
                    }
                    _ => Heard::Change,
                },
                Err(_) => Heard::Change,
            };
            // Where nobody listens any more nobody wants to know.
            let _ = sender.send(heard);
        };
        let mut watcher = notify::recommended_watcher(told).ok();
        let mut all = watcher.is_some();
        let mut seen = HashSet::new();
        for pattern in patterns {
            let (directory, mode) = watched(pattern);
            if let Some(watcher) = watcher.as_mut().filter(|_| seen.insert(directory.clone())) {
                all &= watcher.watch(&directory, mode).is_ok();
            }
        }
        Self { heard, watcher, all }
    }

    /// Waits for a change; `true` where there was one.
    fn wait(&self, limit: Duration) -> bool {
        self.wait_for(limit, &mut Vec::new())
    }

    /// The same, with the files that have been renamed: from where, and to where.
    fn wait_for(&self, limit: Duration, renamed: &mut Vec<(PathBuf, PathBuf)>) -> bool {
        let mut note = |heard: Heard| {
            if let Heard::Renamed(from, to) = heard {
                renamed.push((from, to));
            }
        };
        if self.watcher.is_none() {
            std::thread::sleep(limit);
            return false;
        }
        match self.heard.recv_timeout(limit) {
            Ok(heard) => {
                note(heard);
                while let Ok(heard) = self.heard.try_recv() {
                    note(heard);
                }
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(limit);
                false
            }
        }
    }
}

/// The directory whose changes tell of the files of a pattern.
fn watched(pattern: &str) -> (PathBuf, RecursiveMode) {
    let path = Path::new(pattern);
    if path.is_dir() {
        return (path.to_owned(), RecursiveMode::Recursive);
    }
    let plain = |part: &std::path::Component<'_>| {
        !part.as_os_str().to_string_lossy().contains(['*', '?', '[']) || path.exists()
    };
    let whole = path.components().count();
    let mut parts: Vec<_> = path.components().take_while(plain).collect();
    if parts.len() == whole {
        parts.pop();
    }
    let deep = whole - parts.len() > 1;
    let directory: PathBuf = parts.into_iter().collect();
    let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
    (directory, if deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive })
}

/// The files that the patterns name now.
fn found(options: &FollowOptions) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for pattern in &options.patterns {
        // What is not there yet may come.
        let inputs = expand(std::slice::from_ref(pattern), options.recursive).unwrap_or_default();
        paths.extend(inputs.into_iter().filter_map(|input| input.path));
    }
    paths
}

/// Waits until a file shows its columns; `None` where the stop is set before, or nothing comes.
///
/// # Errors
/// Where a file that the user named cannot be followed.
pub fn schema(options: &FollowOptions, stop: &Stop) -> Result<Option<SchemaRef>> {
    let (ears, began) = (Ears::open(&options.patterns), Instant::now());
    let mut looked: Option<Instant> = None;
    expect(options)?;
    loop {
        if looked.is_none_or(|at| at.elapsed() >= options.poll.min(SAFETY)) {
            looked = Some(Instant::now());
            for path in found(options) {
                match look_into(&path, &options.open) {
                    Ok(Some(schema)) => return Ok(Some(schema)),
                    Ok(None) => {}
                    Err(error) if is_named(options, &path) => return Err(error),
                    Err(error) => tracing::debug!("{error}"),
                }
            }
        }
        if stop.is_set() || options.idle_exit.is_some_and(|most| began.elapsed() >= most) {
            return Ok(None);
        }
        if ears.wait(SLICE) {
            looked = None;
        }
    }
}

/// Says what is not there yet. What may not be read will not appear.
fn expect(options: &FollowOptions) -> Result<()> {
    if found(options).is_empty() {
        tracing::warn!("nothing to follow yet: waiting for {}", options.patterns.join(", "));
    }
    for pattern in &options.patterns {
        let (directory, _) = watched(pattern);
        let denied = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
        let list = std::fs::read_dir(&directory).map(drop);
        // A directory that may be passed and not listed shows a file to whoever knows its name.
        if list.as_ref().is_err_and(denied) && !Path::new(pattern).is_file() {
            return Err(Error::Input(format!(
                "{}: this user may not read the directory, and would never see what comes into it; mend its permissions",
                directory.display()
            )));
        }
    }
    Ok(())
}

/// Whether a file of that name, which may be there no more, would be followed.
fn would_follow(options: &FollowOptions, path: &Path) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let path = absolute(path);
    options.patterns.iter().any(|pattern| {
        let named = absolute(Path::new(pattern));
        let within = || match options.recursive {
            true => path.starts_with(&named),
            false => path.parent() == Some(&named),
        };
        named == path
            || named.is_dir() && within()
            || glob::Pattern::new(&named.to_string_lossy()).is_ok_and(|glob| glob.matches_path(&path))
    })
}

fn is_named(options: &FollowOptions, path: &Path) -> bool {
    options.patterns.iter().any(|pattern| Path::new(pattern) == path)
}

/// Follows files.
pub struct Follower {
    options: FollowOptions,
    mapper: Arc<MapperSettings>,
    state: Arc<Mutex<State>>,
    scout: Option<Scout>,
    /// Files that cannot be followed.
    ignored: HashSet<(u64, u64)>,
    files: Vec<Generation>,
    /// Ordinal of the last row of all files.
    ordinal: u64,
    first_look: bool,
    stop: Stop,
    meter: Arc<Meter>,
    observer: Arc<dyn Observer>,
    lag: Lag,
}

impl Follower {
    /// A follower that keeps its places in the file at `checkpoint`.
    ///
    /// # Errors
    /// Usage, where the checkpoint file cannot be used or another run uses it.
    pub fn new(
        options: FollowOptions,
        checkpoint: PathBuf,
        mapper: Arc<MapperSettings>,
        stop: Stop,
        meter: Arc<Meter>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self> {
        let state = Arc::new(Mutex::new(State::open(checkpoint)?));
        let (files, lag) = (Vec::new(), Lag::told(observer.clone()));
        Ok(Self {
            options,
            mapper,
            state,
            scout: None,
            ignored: HashSet::new(),
            files,
            ordinal: 0,
            first_look: true,
            stop,
            meter,
            observer,
            lag,
        })
    }

    /// Reads until the stop is set or nothing has come for long. `halted` is whether the engine has
    /// let go of rows that it has not settled; `enough` whether too many rows have been rejected.
    ///
    /// # Errors
    /// Where rows can go no further.
    pub fn run(
        &mut self,
        halted: &dyn Fn() -> bool,
        enough: &dyn Fn(u64) -> bool,
        outlet: &mut dyn Outlet,
    ) -> Result<Report> {
        let mut report = Report::default();
        expect(&self.options)?;
        self.scout = Some(Scout::send_out(self.options.clone(), self.state.clone()));
        let ears = Ears::open(&self.options.patterns);
        let pause = if ears.all { SAFETY } else { self.options.poll.min(SAFETY) };
        let (mut moved_at, mut looked, mut saved) = (Instant::now(), None::<Instant>, Instant::now());
        let (mut heard, mut unsaved) = (true, false);
        while !self.stop.is_set() {
            let look = heard || looked.is_none_or(|at| at.elapsed() >= pause);
            if look {
                looked = Some(Instant::now());
                self.look(&mut report)?;
            }
            let moved = look && self.turn(&mut report, outlet)?;
            if enough(report.rows) {
                report.too_many_rejects = true;
                self.stop.set();
            }
            self.files.iter_mut().for_each(|file| file.settle(halted));
            if saved.elapsed() >= SAVE {
                saved = Instant::now();
                match self.save(halted) {
                    Ok(()) => unsaved = false,
                    // The places of before are still there; it may be mended before the end.
                    Err(error) if !std::mem::replace(&mut unsaved, true) => {
                        tracing::warn!("{error}; going on, and trying again");
                    }
                    Err(_) => {}
                }
            }
            if moved {
                moved_at = Instant::now();
                heard = true;
                continue;
            }
            if self.options.idle_exit.is_some_and(|most| moved_at.elapsed() >= most) {
                report.finished = self.options.patterns.len();
                break;
            }
            heard = ears.wait(SLICE.min(pause));
        }
        for file in &mut self.files {
            if !self.stop.is_set()
                && let Err(error) = file.finish()
            {
                report.errors.push((error, false));
            }
            let held = file.give_back();
            if held > 0 {
                self.observer.on(&Event::Returned { rows: held });
            }
            if file.torn() > 0 {
                let left =
                    format!("the last line of {} has no end, and is left for the next tail", file.name);
                *report.notes.entry(left).or_default() += 1;
            }
            file.note(&mut report);
        }
        Ok(report)
    }

    /// One piece of each file; `true` where there was something.
    fn turn(&mut self, report: &mut Report, outlet: &mut dyn Outlet) -> Result<bool> {
        let (mut any, mut behind) = (false, 0);
        // What a file that was replaced still has comes before what its successor has.
        let mut busy: HashSet<PathBuf> = HashSet::new();
        let mut ended: Vec<usize> = Vec::new();
        for (place, file) in self.files.iter_mut().enumerate() {
            if self.stop.is_set() {
                break;
            }
            if busy.contains(&file.born) {
                any = true;
                continue;
            }
            let over = file.gone.is_some_and(|since| since.elapsed() >= GRACE) && file.is_quiet(GRACE);
            let sight = Sight {
                observer: &*self.observer,
                ordinal: &mut self.ordinal,
                stop: &self.stop,
                open: &self.options.open,
                over,
            };
            match file.step(sight, report, outlet) {
                Ok(Moved::Bytes(bytes)) => {
                    self.meter.consumed.fetch_add(bytes, Ordering::Relaxed);
                    self.meter.decoded.fetch_add(bytes, Ordering::Relaxed);
                    any = true;
                    if file.gone.is_some() || file.path != file.born {
                        busy.insert(file.born.clone());
                    }
                }
                Ok(Moved::Nothing) => {}
                Ok(Moved::Truncated) => {
                    tracing::info!("{}: it was truncated; reading it from its start", file.name);
                    ended.push(place);
                    any = true;
                }
                Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                Err(error) => {
                    let alone = self.options.patterns.len() == 1 && is_named(&self.options, &file.path);
                    file.failed = true;
                    if alone {
                        self.stop.set();
                    } else {
                        tracing::error!("{error}; going on with the other files");
                    }
                    report.errors.push((error, !alone));
                }
            }
            behind += file.behind();
        }
        for place in ended.into_iter().rev() {
            let mapper = self.mapper.clone();
            if let Some(file) = self.files.get_mut(place) {
                file.note(report);
                let held = file.give_back();
                if held > 0 {
                    self.observer.on(&Event::Returned { rows: held });
                }
                file.begin_again(mapper)?;
            }
        }
        let read = self.meter.consumed.load(Ordering::Relaxed);
        self.meter.total.store(read + behind, Ordering::Relaxed);
        let (observer, scout, state) = (&self.observer, &self.scout, &self.state);
        self.files.retain_mut(|file| {
            let keep = !file.is_done();
            if !keep {
                let held = file.give_back();
                if held > 0 {
                    observer.on(&Event::Returned { rows: held });
                }
                file.note(report);
                lock(state).done(file.id, file.place());
                scout.iter().for_each(|scout| scout.forget(file.id));
            }
            keep
        });
        Ok(any)
    }

    /// Finds new files, and those that have lost their names.
    fn look(&mut self, report: &mut Report) -> Result<()> {
        let mut seen = HashSet::new();
        let mut paths = found(&self.options);
        if self.first_look && self.options.from == From::Checkpoint {
            // Rotated while nobody looked: the rest of the old file comes first.
            let rotated = lock(&self.state).moved(&paths);
            paths.splice(0..0, rotated);
        }
        let mut all: Vec<Arrival> = Vec::new();
        // What came while the reading stood still is before what is there now.
        if !self.first_look {
            all.extend(self.scout.iter().flat_map(Scout::arrivals));
        }
        let named = paths.into_iter();
        let named: Vec<Arrival> = named
            .filter_map(|path| Some(Arrival { id: generation::id_of(&path)?, path, file: None }))
            .collect();
        let there: HashSet<(u64, u64)> = named.iter().map(|named| named.id).collect();
        all.extend(named);
        for Arrival { path, id, file } in all {
            if !seen.insert(id) {
                continue;
            }
            let path = match file.is_some() || there.contains(&id) {
                true => path,
                // Too many were waiting for it to be held open.
                false => match beside(&path, id) {
                    Some(path) => path,
                    None => continue,
                },
            };
            if let Some(file) = self.files.iter_mut().find(|file| file.id == id) {
                if there.contains(&id) && file.path != path {
                    file.path = path;
                }
                continue;
            }
            let from = match self.options.from {
                From::End if !self.first_look => From::Start,
                from => from,
            };
            let opened = {
                let state = lock(&self.state);
                Generation::open(&path, file, from, &state, &self.options.open, self.mapper.clone())
            };
            match opened {
                Ok(file) => {
                    self.ordinal = self.ordinal.max(file.rows);
                    self.lag.add(&file.ruler);
                    self.files.push(file);
                }
                // It has gone again, or may not be read yet.
                Err(Error::Input(why)) => tracing::debug!("{why}"),
                Err(error) => {
                    if self.options.patterns.len() == 1 && is_named(&self.options, &path) {
                        self.stop.set();
                        report.errors.push((error, false));
                        return Ok(());
                    }
                    if matches!(error, Error::Unavailable(_) | Error::Internal(_)) {
                        return Err(error);
                    }
                    if self.ignored.insert(id) {
                        tracing::warn!("{error}; going on with the other files");
                    }
                }
            }
        }
        self.first_look = false;
        for file in &mut self.files {
            match there.contains(&file.id) {
                true => file.gone = None,
                false => {
                    file.gone.get_or_insert_with(Instant::now);
                }
            }
        }
        Ok(())
    }

    /// Writes the places up to which all is settled, where they have changed.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save(&mut self, halted: &dyn Fn() -> bool) -> Result<()> {
        for file in &mut self.files {
            file.settle(halted);
        }
        let places = self.files.iter().filter_map(Generation::place).collect();
        lock(&self.state).save(places)
    }
}
