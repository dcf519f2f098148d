//! Files that grow: reads their lines as they are written, through rotation, truncation and
//! re-creation, and remembers behind which line all is settled.
//!
//! One thread reads all files in turn. Every batch of lines has an `Origin` of its own, which
//! counts those of its rows that are open; when none is those lines are settled, and the place behind them may be written to the checkpoint file. What a crash leaves behind that place is
//! told by the store's ledger, through `ordinals`.

mod checkpoint;
mod copies;
mod cut;
mod discovery;
mod followed_file;
mod followed_files;
mod lag;
mod lines;
mod names;
mod ordinals;
mod patterns;
mod rotation;
mod turns;
mod watcher;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;

use crate::dataset::MapperSettings;
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::pipeline::keys::Shared;
use crate::pipeline::{Feed, Report};
use crate::source::followed::{Exact, FollowOptions, FollowWith, From};
use crate::source::{Chosen, Meter, shown};
use checkpoint::CheckpointFile;
use checkpoint::FilePosition;
use discovery::{Arrival, Discovery, lock};
use followed_file::{FollowedFile, Moved, Sight};
pub use followed_files::files;
use lag::Lag;
use lines::look_into;
use ordinals::{Course, to_read_again};
use patterns::{expect, found, is_named};
use rotation::{beside, is_rotated};
use turns::{SAFETY, SLICE, Turns};
use watcher::{Change, Watcher};

/// How long a file that has lost its name is still read, for a writer that has not noticed.
const GRACE: Duration = Duration::from_secs(10);

/// Waits until a file shows its columns; `None` where the stop is set before, or nothing comes.
///
/// # Errors
/// Where a file that the user named cannot be followed.
pub fn schema(options: &FollowOptions, stop: &Stop) -> Result<Option<(SchemaRef, Chosen)>> {
    let (ears, began) = (Watcher::open(&options.patterns), Instant::now());
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
        if ears.wait(SLICE) > Change::None {
            looked = None;
        }
    }
}

/// Says that many rows share their keys, once they do: at the end it may be months too late.
fn warn_of_keys(report: &Report) -> bool {
    let Some(shared) = report.keys.shared().filter(Shared::is_loud) else { return false };
    let example =
        shared.example.map(|example| format!(", for instance of {}", example.key)).unwrap_or_default();
    tracing::warn!(
        "{} of the first {} rows share their key with other rows{example}: one row of each key is left",
        shared.rows,
        shared.of
    );
    true
}

/// Follows files.
pub struct Follower {
    options: FollowOptions,
    mapper: Arc<MapperSettings>,
    checkpoint: Arc<Mutex<CheckpointFile>>,
    scout: Option<Discovery>,
    /// Files that cannot be followed.
    ignored: HashSet<(u64, u64)>,
    /// Files that could not be opened, of which that has been said.
    unreadable: HashSet<(u64, u64)>,
    files: Vec<FollowedFile>,
    course: Course,
    exact: Option<Exact>,
    first_look: bool,
    /// Whether it is known what is to be read again.
    planned: bool,
    meter: Arc<Meter>,
    turns: Turns,
    lag: Lag,
}

impl Follower {
    /// A follower that keeps its places in that checkpoint file. With an exact account of the rows in the
    /// store it goes on just where that ends, and without one behind the last place that was noted.
    pub fn new(
        mut options: FollowOptions,
        checkpoint: CheckpointFile,
        FollowWith { exact, notes: _, mapper, stop, meter, observer }: FollowWith,
    ) -> Self {
        options.open.csv.json.known = mapper.own_names();
        let turns = Turns::new(&options);
        let checkpoint = Arc::new(Mutex::new(checkpoint));
        let (files, lag) = (Vec::new(), Lag::told(observer));
        let settled = exact.and_then(|exact| exact.settled).unwrap_or(0);
        let course = Course::new(checkpoint.clone(), settled, exact.is_some(), stop);
        Self {
            options,
            mapper,
            checkpoint,
            scout: None,
            ignored: HashSet::new(),
            unreadable: HashSet::new(),
            files,
            course,
            exact,
            first_look: true,
            planned: false,
            meter,
            turns,
            lag,
        }
    }

    /// Begins the account of this run, and finds what of an earlier one is to be read again.
    fn plan(&mut self) -> Result<()> {
        let goes_on = self.exact.is_some_and(|exact| exact.settled.is_some());
        let mut checkpoint = lock(&self.checkpoint);
        let known = std::mem::take(&mut checkpoint.stretches);
        let find = |id| self.files.iter().find(|file| file.id == id).map(FollowedFile::found);
        let again = match goes_on {
            true => to_read_again(&known, find),
            false => Vec::new(),
        };
        for gone in known.iter().filter(|gone| goes_on && !self.files.iter().any(|file| file.id == gone.id()))
        {
            if let Some(path) =
                checkpoint.path_of(gone.id()).filter(|path| followed_file::id_of(path) == Some(gone.id()))
            {
                tracing::warn!(
                    "{}: cannot be read now; its lines since the last note may be stored twice when it can",
                    shown(path)
                );
            }
        }
        // The ordinals of what is no longer there may be settled.
        let taken = known.iter().filter_map(|gone| Some(gone.base + gone.to?.rows)).max();
        self.course.above(taken.unwrap_or(0));
        checkpoint.stretches = known;
        let stretches = again.iter().map(|again| again.stretch.clone()).collect();
        checkpoint.begin(self.exact.map(|exact| exact.run), stretches)?;
        drop(checkpoint);
        self.course.again = again.into();
        self.planned = true;
        Ok(())
    }

    /// A piece of what is read as it was before a crash; `true`, since there was something.
    fn read_again(&mut self, feed: &mut Feed<'_>) -> Result<bool> {
        let Some(again) = self.course.again.front() else { return Ok(false) };
        let (id, limit) = (again.stretch.id(), again.limit);
        let mut done = true;
        if let Some(place) = self.files.iter().position(|file| file.id == id)
            && let Some(file) = self.files.get(place)
        {
            // A last line without an end is one where rows came from it then.
            let settled = self.exact.and_then(|exact| exact.settled).unwrap_or(0);
            let more = again.stretch.to.is_some() || again.stretch.base + file.rows < settled;
            let over = file.has_come_to(limit) && file.torn() > 0 && more;
            if over || !file.has_come_to(limit) {
                done = match self.step(place, limit, over, feed)? {
                    Moved::Bytes(_) => false,
                    Moved::Nothing => true,
                    // What was to be read again of it has gone.
                    Moved::Truncated { .. } => false,
                };
            }
        }
        if done {
            self.course.again.pop_front();
        }
        self.measure();
        Ok(true)
    }

    /// Reads a piece of that file, up to the byte at `limit`.
    fn step(&mut self, place: usize, limit: u64, over: bool, feed: &mut Feed<'_>) -> Result<Moved> {
        let Some(file) = self.files.get_mut(place) else { return Ok(Moved::Nothing) };
        let sight = Sight { course: &mut self.course, open: &self.options.open, over, limit };
        match file.step(sight, feed) {
            Ok(Moved::Bytes(bytes)) => {
                self.meter.consumed.fetch_add(bytes, Ordering::Relaxed);
                self.meter.decoded.fetch_add(bytes, Ordering::Relaxed);
                Ok(Moved::Bytes(bytes))
            }
            Ok(Moved::Truncated { mended }) => {
                self.cut(place, mended, feed)?;
                Ok(Moved::Truncated { mended })
            }
            Ok(Moved::Nothing) => Ok(Moved::Nothing),
            Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => Err(error),
            Err(error) => {
                let alone = self.options.patterns.len() == 1
                    && is_named(&self.options, &file.path)
                    && file.gone.is_none();
                file.failed = true;
                if alone {
                    feed.stop.set();
                } else {
                    tracing::error!("{error}; going on with the other files");
                }
                feed.report.errors.push((error, !alone));
                Ok(Moved::Nothing)
            }
        }
    }

    /// How much there is to read, for whoever watches.
    fn measure(&self) {
        let behind: u64 = self.files.iter().map(FollowedFile::behind).sum();
        let read = self.meter.consumed.load(Ordering::Relaxed);
        self.meter.total.store(read + behind, Ordering::Relaxed);
    }

    /// One piece of each file; `true` where there was something.
    fn turn(&mut self, feed: &mut Feed<'_>) -> Result<bool> {
        let mut any = false;
        // What a file that was replaced still has comes before what its successor has.
        let mut busy: HashSet<PathBuf> = HashSet::new();
        let counts_on = self.mapper.dataset.makes_ids();
        for place in 0..self.files.len() {
            let Some(file) = self.files.get(place).filter(|_| !feed.stop.is_set()) else { break };
            if busy.contains(&file.born) {
                any = true;
                continue;
            }
            let over = file.gone.is_some_and(|since| since.elapsed() >= GRACE) && file.is_quiet(GRACE);
            let old = (file.gone.is_some() || file.path != file.born).then(|| file.born.clone());
            if counts_on
                && file.rows == 0
                && file.behind() > 0
                && let Some(equals) = self.before(file)
                && let Some(file) = self.files.get_mut(place)
            {
                file.comes_after(&equals);
            }
            match self.step(place, u64::MAX, over, feed)? {
                Moved::Bytes(_) => {
                    any = true;
                    busy.extend(old);
                }
                Moved::Nothing => {}
                Moved::Truncated { .. } => any = true,
            }
        }
        self.measure();
        let (scout, checkpoint) = (&self.scout, &self.checkpoint);
        self.files.retain_mut(|file| {
            let keep = !file.is_done();
            if !keep {
                feed.returned(file.give_back());
                file.note(&mut feed.report);
                let place = file.place();
                match file.failed {
                    true => lock(checkpoint).left(place),
                    false => lock(checkpoint).done(file.id, place),
                }
                scout.iter().for_each(|scout| scout.forget(file.id));
            }
            keep
        });
        Ok(any)
    }

    /// The last rows without an id of the file that had the name of that one before it: of those that are still
    /// read the one that was written to last, else the one that was done with last.
    fn before(&self, file: &FollowedFile) -> Option<String> {
        let others = self.files.iter().filter(|other| other.id != file.id && other.born == file.born);
        let others = others.filter_map(|other| Some((other.modified(), other.equals()?)));
        let last = others.max_by_key(|(modified, _)| *modified).map(|(_, equals)| equals);
        last.or_else(|| lock(&self.checkpoint).equals_before(&file.born, file.id))
    }

    /// Finds new files, and those that have lost their names.
    fn look(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        let mut seen = HashSet::new();
        let followed: HashMap<(u64, u64), usize> =
            self.files.iter().enumerate().map(|(place, file)| (file.id, place)).collect();
        let named = |path: PathBuf| match followed_file::id_of(&path)? {
            id if followed.contains_key(&id) || self.ignored.contains(&id) => {
                Some(Arrival { path, id, file: None, born: None, place: None })
            }
            id => {
                Arrival::at(path.clone()).or(Some(Arrival { path, id, file: None, born: None, place: None }))
            }
        };
        let named: Vec<Arrival> = found(&self.options).into_iter().filter_map(named).collect();
        let there: HashSet<(u64, u64)> = named.iter().map(|named| named.id).collect();
        let mut all: Vec<Arrival> = match (self.first_look, self.options.from) {
            // Rotated while nobody looked: the rest of the old file comes first.
            (true, From::Checkpoint) => lock(&self.checkpoint).moved(&named),
            (true, _) => Vec::new(),
            // What came while the reading stood still is before what is there now.
            (false, _) => self.scout.iter().flat_map(Discovery::arrivals).collect(),
        };
        all.extend(named);
        // Whose content of before is in a copy now.
        let of_copy = |new: &Arrival| new.place.as_ref().map(FilePosition::id).filter(|id| *id != new.id);
        let rewritten: HashSet<(u64, u64)> = all.iter().filter_map(of_copy).collect();
        for Arrival { path, id, file, born, place } in all {
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
            if let Some(place) = followed.get(&id) {
                if let Some(file) = self.files.get_mut(*place).filter(|_| there.contains(&id)) {
                    file.path = path;
                }
                continue;
            }
            if let Some(new) = file.as_ref().filter(|_| place.is_none())
                && let Some(before) = self.files.iter().position(|file| file.is_followed_by(&path, new))
            {
                self.succeed(before, Arrival { path, id, file, born, place });
                continue;
            }
            // What had the name before, and was seen late: its rows are in what is followed now.
            if let Some(former) = file.as_ref().filter(|_| place.is_none())
                && self.files.iter().any(|file| file.has_replaced(&path, former))
            {
                lock(&self.checkpoint).done(id, None);
                self.scout.iter().for_each(|scout| scout.forget(id));
                continue;
            }
            // A copy that is being made of what is followed has the same rows.
            let is_copy =
                |copy| self.files.iter().any(|f| is_rotated(&f.born, &path) && f.is_copied_to(copy));
            if place.is_none() && file.as_ref().is_some_and(is_copy) {
                continue;
            }
            // By whatever name it is found, it has the header of the one by which it was written.
            let name = born.as_deref().unwrap_or(&path);
            let names = self.files.iter().rev().find(|file| file.born == name).and_then(FollowedFile::names);
            let from = match self.options.from {
                From::End if !self.first_look => From::Start,
                from => from,
            };
            let mut before = None;
            let opened = {
                let mut checkpoint = lock(&self.checkpoint);
                // Another file by that identity has none of its places.
                if let Some(file) = file.as_ref().filter(|file| checkpoint.is_another(file, id)) {
                    before = Some(checkpoint.equals_of(id));
                    checkpoint.anew((&path, born.as_deref()), id, file);
                }
                let known = (&*checkpoint, place);
                let names = (&*path, name);
                FollowedFile::open(names, file, from, known, &self.options.open, self.mapper.clone())
            };
            match opened {
                Ok(mut file) => {
                    file.has_names(names);
                    if before.is_some() || rewritten.contains(&id) {
                        file.is_rewritten();
                    }
                    before.flatten().iter().for_each(|equals| file.comes_after(equals));
                    self.course.above(file.rows);
                    self.lag.add(&file.ruler);
                    self.files.push(file);
                }
                // It has gone again, or may not be read yet.
                Err(Error::Input(why)) => {
                    if followed_file::id_of(&path) == Some(id) && self.unreadable.insert(id) {
                        tracing::warn!("{why}; trying again until it can be read");
                    }
                }
                Err(error) => {
                    if self.options.patterns.len() == 1 && is_named(&self.options, &path) {
                        feed.stop.set();
                        feed.report.errors.push((error, false));
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

    /// The file at that place goes on in the one that has taken its name, behind what was read of it.
    fn succeed(&mut self, place: usize, mut new: Arrival) {
        let (Some(file), Some(handle)) = (self.files.get_mut(place), new.file.take()) else { return };
        tracing::info!("{}: another file has taken its place, with more behind what was read", file.name);
        let (_, id) = file.goes_on_in(&new, handle);
        file.is_at_its_name();
        self.lag.add(&file.ruler);
        self.course.copied(id, new.id, file.file());
        lock(&self.checkpoint).copied(id, &new.path, new.id, file.file());
        self.scout.iter().for_each(|scout| scout.forget(id));
    }

    /// Writes the places up to which all is settled, where they have changed.
    ///
    /// # Errors
    /// Where the file cannot be written.
    fn save(&mut self) -> Result<()> {
        let places = self.places();
        lock(&self.checkpoint).save(places)
    }

    fn places(&mut self) -> Vec<FilePosition> {
        self.files.iter_mut().for_each(FollowedFile::settle);
        self.files.iter_mut().filter_map(FollowedFile::place).collect()
    }
}
