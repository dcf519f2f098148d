//! A follower as a source: a step of it is a turn through its files, and the wait before it.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::pipeline::source::{Source, Step};
use crate::pipeline::{Feed, Report};
use crate::source::follow::discovery::{Discovery, lock};
use crate::source::follow::followed_file::FollowedFile;
use crate::source::follow::patterns::expect;
use crate::source::follow::watcher::{Change, Watcher};
use crate::source::follow::{Follower, warn_of_keys};
use crate::source::followed::FollowOptions;

/// How often everything is looked at, whatever has been heard.
pub(super) const SAFETY: Duration = Duration::from_secs(1);

/// Longest wait in one piece, so that a stop is seen.
pub(super) const SLICE: Duration = Duration::from_millis(50);

/// Time between two writes of the checkpoint file.
pub(super) const SAVE: Duration = Duration::from_millis(200);

/// Rows of which enough may share their keys to be told.
const MANY: u64 = 1000;

/// When a turn is made, and what is done between turns.
pub(super) struct Turns {
    ears: Watcher,
    /// Longest time between two looks at everything.
    pause: Duration,
    moved_at: Instant,
    looked: Option<Instant>,
    saved: Instant,
    /// Whether the places could not be saved when that was tried last.
    unsaved: bool,
    /// How long changes are waited for before the next turn, and the least that it is made for.
    next: (Duration, Change),
    /// How many rows there are when their keys are looked at.
    keys_judged: u64,
}

impl Turns {
    pub(super) fn new(options: &FollowOptions) -> Self {
        let ears = Watcher::open(&options.patterns);
        let pause = if ears.all { SAFETY } else { options.poll.min(SAFETY) };
        let (moved_at, saved, next) = (Instant::now(), Instant::now(), (Duration::ZERO, Change::Names));
        Self { ears, pause, moved_at, looked: None, saved, unsaved: false, next, keys_judged: MANY }
    }

    /// Whether everything is to be looked at.
    fn look(&mut self, change: Change) -> bool {
        let look = change == Change::Names || self.looked.is_none_or(|at| at.elapsed() >= self.pause);
        if look {
            self.looked = Some(Instant::now());
        }
        look
    }

    fn judge_keys(&mut self, report: &Report) {
        if report.rows >= self.keys_judged {
            self.keys_judged = if warn_of_keys(report) { u64::MAX } else { report.rows.saturating_mul(2) };
        }
    }
}

impl Source for Follower {
    fn begin(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        expect(&self.options)?;
        let of_scout = Watcher::open(&self.options.patterns);
        // What is found by a name that is known may have other content now, and that of before be in a copy:
        // the scout would forget it.
        self.look(feed)?;
        self.scout = Some(Discovery::send_out(self.options.clone(), self.checkpoint.clone(), of_scout));
        self.plan()
    }

    fn step(&mut self, feed: &mut Feed<'_>) -> Result<Step> {
        let (wait, least) = self.turns.next;
        let change = self.turns.ears.wait(wait).max(least);
        if feed.stop.is_set() {
            return Ok(Step::Done);
        }
        let look = self.turns.look(change);
        if look {
            self.look(feed)?;
        }
        // Before what may wait for a store that is away, so that the lag is told without what is in it.
        self.files.iter_mut().for_each(|file| file.settle());
        let moved = match self.course.again.is_empty() {
            true => (look || change > Change::None) && self.turn(feed)?,
            false => self.read_again(feed)?,
        };
        feed.judge(feed.report.rows);
        self.turns.judge_keys(&feed.report);
        if moved {
            self.turns.moved_at = Instant::now();
            self.turns.next = (Duration::ZERO, Change::Bytes);
            return Ok(Step::More);
        }
        if self.options.idle_exit.is_some_and(|most| self.turns.moved_at.elapsed() >= most) {
            feed.report.finished = self.options.patterns.len();
            return Ok(Step::Done);
        }
        self.turns.next = (SLICE.min(self.turns.pause), Change::None);
        Ok(Step::More)
    }

    fn acknowledge(&mut self) {
        if self.turns.saved.elapsed() < SAVE {
            return;
        }
        self.turns.saved = Instant::now();
        match self.save() {
            Ok(()) => self.turns.unsaved = false,
            // The places of before are still there; it may be mended before the end.
            Err(error) if !std::mem::replace(&mut self.turns.unsaved, true) => {
                tracing::warn!("{error}; going on, and trying again");
            }
            Err(_) => {}
        }
    }

    fn finish(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        // What was truncated in this moment may be in a copy, where the next tail is to go on.
        for place in 0..self.files.len() {
            if self.files.get(place).is_some_and(FollowedFile::is_cut) {
                self.cut(place, false, feed)?;
            }
        }
        for file in &mut self.files {
            if !feed.stop.is_set()
                && let Err(error) = file.finish()
            {
                feed.report.errors.push((error, false));
            }
            feed.returned(file.give_back());
            if file.torn() > 0 && file.behind() == 0 {
                let left =
                    format!("the last line of {} has no end, and is left for the next tail", file.name);
                *feed.report.notes.entry(left).or_default() += 1;
            }
            file.note(&mut feed.report);
        }
        Ok(())
    }

    /// Writes the places at the end of a run that has settled all that it read. `true` where the places say all of
    /// it: not while there is something that was to be read again.
    fn close(&mut self) -> Result<bool> {
        if !self.course.again.is_empty() || !self.planned {
            return self.save().map(|()| false);
        }
        let places = self.places();
        lock(&self.checkpoint).end(places).map(|()| true)
    }
}
