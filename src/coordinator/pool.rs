//! How many workers a store is worth: grown while that brings rows in faster, cut where it brings nothing.
//!
//! [`Controller`] decides, from what was settled since it looked last, and knows no clock. [`keep`] looks, opens the
//! connections of those that come, and has the lanes dealt anew between two moments in which nothing is under way.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument as _, debug};

use crate::coordinator::engine::Engine;
use crate::coordinator::worker;
use crate::port::{Circuit, DeadLetters, Event, Sink};

/// Time between two samples of the queue.
const SAMPLE: Duration = Duration::from_millis(50);
/// Shortest and longest time of a look.
const LOOK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));
/// Shortest time of a look while each step is to twice as many: whether one pays shows at once then.
const GLANCE: Duration = Duration::from_millis(200);
/// Commits that a look is worth something from: so many, and so many more for each worker.
const COMMITS: (u64, u64) = (4, 2);
/// Time without a commit that is worth a look at whether the store has stopped.
const STOPPED: Duration = Duration::from_millis(300);
/// Longest wait until nothing is under way, in which the other workers have nothing to do.
const DRAIN: Duration = Duration::from_millis(500);
/// Longest time for the connections of those that come.
const CONNECT: Duration = Duration::from_secs(5);
/// Share by which rows have to come in faster for a larger pool to stay, and for the next one to be twice as large.
const GAINS: (f64, f64) = (0.05, 0.25);
/// Share that a smaller pool may lose and still stay.
const LOSS: f64 = 0.02;
/// Share of the rate below which the store has become another one.
const COLLAPSE: f64 = 0.5;
/// Looks between two trials: at first, and at most, since each one that brings nothing doubles them.
const RESTS: (u32, u32) = (2, 64);
/// Looks without a row after which half of the workers go.
const SILENCE: u32 = 60;

/// What there was to see since the last look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    /// Rows settled a second.
    pub rate: f64,
    /// Whether rows waited for workers most of the time.
    pub backlog: bool,
    /// Whether the store took rows all the time: its circuit was closed, and it did not stop in the middle as behind
    /// somebody's lock.
    pub well: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Nothing is tried for so many looks more.
    Rest(u32),
    /// The pool had another size before, at that rate. The first look after a change is of neither.
    Trial { from: usize, rate: f64, first: bool },
}

/// Decides on the number of workers.
#[derive(Debug)]
pub(super) struct Controller {
    now: usize,
    most: usize,
    phase: Phase,
    /// Looks between two trials.
    rest: u32,
    /// Whether the next step up is to twice as many.
    doubles: bool,
    /// Whether the next trial is of a smaller pool.
    down: bool,
    /// The best rate of this size.
    best: f64,
    silent: u32,
    /// Whether all have begun: the first look sees them connect.
    warm: bool,
}

impl Controller {
    /// Of a pool of that size, which may grow to `most`.
    pub(super) fn new(now: usize, most: usize) -> Self {
        let most = most.max(now).max(1);
        Self {
            now: now.max(1),
            most,
            phase: Phase::Rest(0),
            rest: RESTS.0,
            doubles: true,
            down: false,
            best: 0.0,
            silent: 0,
            warm: false,
        }
    }

    /// The size that the pool is to have after that look.
    pub(super) fn look(&mut self, look: Look) -> usize {
        if !look.well {
            // Nothing is learned of a store that is away.
            return self.now;
        }
        if look.rate <= 0.0 {
            return self.quiet(look.backlog);
        }
        self.silent = 0;
        if !std::mem::replace(&mut self.warm, true) {
            return self.now;
        }
        match self.phase {
            Phase::Trial { from, rate, first: true } => {
                self.phase = Phase::Trial { from, rate, first: false };
                self.now
            }
            // There are enough of them.
            Phase::Trial { .. } if !look.backlog => self.stay(look.rate, true),
            Phase::Trial { from, rate, .. } if self.now > from => self.judge_larger(from, rate, look.rate),
            Phase::Trial { from, rate, .. } => self.judge_smaller(from, rate, look.rate),
            Phase::Rest(_) if !look.backlog => self.now,
            Phase::Rest(_) if look.rate < self.best * COLLAPSE && self.now > 1 => {
                // Whatever it is that others hold, fewer wait for it better.
                self.attempt(self.now / 2, look.rate)
            }
            Phase::Rest(0) => {
                self.best = self.best.max(look.rate);
                self.next_trial(look.rate)
            }
            Phase::Rest(left) => {
                self.best = self.best.max(look.rate);
                self.phase = Phase::Rest(left - 1);
                self.now
            }
        }
    }

    /// How long the next look takes at least.
    fn shortest(&self) -> Duration {
        match self.phase {
            Phase::Trial { from, .. } if self.doubles && self.now > from => GLANCE,
            Phase::Rest(0) if self.doubles && self.now < self.most => GLANCE,
            _ => LOOK.0,
        }
    }

    /// The connections of those that were to come are refused: the pool is as large as it gets.
    pub(super) fn refused(&mut self, size: usize) {
        self.most = size.max(1);
        self.not_changed(size);
    }

    /// The pool has kept that size.
    pub(super) fn not_changed(&mut self, size: usize) {
        self.now = size;
        self.rest = (self.rest * 2).min(RESTS.1);
        self.phase = Phase::Rest(self.rest);
    }

    fn judge_larger(&mut self, from: usize, before: f64, rate: f64) -> usize {
        let gain = rate / before - 1.0;
        if gain < GAINS.0 {
            self.doubles = false;
            self.back(from, before);
            if gain < -GAINS.0 && self.now > 1 {
                // They are in each other's way, so that fewer are likely to be better.
                (self.down, self.phase) = (true, Phase::Rest(0));
            }
            return self.now;
        }
        self.doubles &= gain >= GAINS.1;
        self.stay(rate, false);
        // It goes on at once as long as it pays.
        if self.now < self.most {
            return self.up(rate);
        }
        self.rest = RESTS.0 * 8;
        self.phase = Phase::Rest(self.rest);
        self.now
    }

    fn judge_smaller(&mut self, from: usize, before: f64, rate: f64) -> usize {
        let gain = rate / before - 1.0;
        if gain < -LOSS {
            return self.back(from, before);
        }
        self.stay(rate, gain < GAINS.0);
        match gain >= GAINS.0 && self.now > 1 {
            true if gain >= GAINS.1 => self.attempt(self.now / 2, rate),
            true => self.attempt(self.now - 1, rate),
            false => self.now,
        }
    }

    fn next_trial(&mut self, rate: f64) -> usize {
        let down = (self.down || self.now >= self.most) && self.now > 1;
        self.down = !self.down;
        match down {
            true => self.attempt(self.now - (self.now / 4).max(1), rate),
            false if self.now < self.most => self.up(rate),
            false => self.now,
        }
    }

    fn up(&mut self, rate: f64) -> usize {
        let next = if self.doubles { self.now * 2 } else { self.now + 1 };
        self.attempt(next.min(self.most), rate)
    }

    fn attempt(&mut self, size: usize, rate: f64) -> usize {
        self.phase = Phase::Trial { from: self.now, rate, first: true };
        self.now = size.max(1);
        self.now
    }

    /// The size is the right one for now.
    fn stay(&mut self, rate: f64, rests: bool) -> usize {
        self.best = rate;
        self.rest = RESTS.0;
        self.phase = Phase::Rest(if rests { self.rest } else { 0 });
        self.now
    }

    fn back(&mut self, to: usize, rate: f64) -> usize {
        self.best = rate;
        self.not_changed(to);
        self.now
    }

    fn quiet(&mut self, backlog: bool) -> usize {
        // Rows that wait for a lock need no worker less.
        self.silent = if backlog { 0 } else { self.silent + 1 };
        if self.silent >= SILENCE {
            self.silent = 0;
            self.phase = Phase::Rest(RESTS.0);
            self.now = (self.now / 2).max(1);
        }
        self.now
    }
}

/// Looks after the pool until no more rows come, and ends with the workers that it has added.
pub(super) async fn keep<S: Sink, D: DeadLetters>(engine: Arc<Engine<S, D>>, most: usize) {
    let mut controller = Controller::new(engine.queue.active(), most);
    let mut added = JoinSet::new();
    tell(&engine);
    loop {
        let Some(look) = look(&engine, controller.shortest()).await else { break };
        let (now, wanted) = (engine.queue.active(), controller.look(look));
        if wanted != now {
            let done = resize(&engine, wanted, &mut added).await;
            match done {
                Resized::Done => tell(&engine),
                Resized::Refused => controller.refused(now),
                Resized::Busy => controller.not_changed(now),
            }
            debug!("{:.0} rows/s with {now} workers, {wanted} are wanted: {done:?}", look.rate);
        }
        while added.try_join_next().is_some() {}
    }
    while added.join_next().await.is_some() {}
}

fn tell<S: Sink, D: DeadLetters>(engine: &Engine<S, D>) {
    engine.observer.on(&Event::Pool { workers: engine.queue.active() });
}

/// Looks for as long as it takes to see something, but not less than that; `None` when no more rows come.
async fn look<S: Sink, D: DeadLetters>(engine: &Engine<S, D>, shortest: Duration) -> Option<Look> {
    let start = (Instant::now(), engine.queue.settled());
    let (mut samples, mut waiting) = (0_u32, 0_u32);
    let workers = engine.queue.active() as u64;
    let enough = COMMITS.0 + COMMITS.1 * workers;
    // When something was settled last, and the longest time in which nothing was.
    let (mut last, mut stillness) = (start, Duration::ZERO);
    loop {
        if engine.until_halt(sleep(SAMPLE)).await.is_err() || engine.queue.is_closed() {
            return None;
        }
        samples += 1;
        waiting += u32::from(engine.queue.has_backlog());
        let (took, now) = (start.0.elapsed(), engine.queue.settled());
        let (rows, times) = (now.rows - start.1.rows, now.times - start.1.times);
        stillness = stillness.max(last.0.elapsed());
        if now.times > last.1.times {
            last = (Instant::now(), now);
        }
        if took >= LOOK.1 || took >= shortest && times >= enough || took >= LOOK.0 && rows == 0 {
            // All workers may commit in the same moment, and rest as long as they take for that.
            let stopped = stillness >= STOPPED
                && stillness.as_secs_f64() * times as f64 > took.as_secs_f64() * (workers + 3) as f64;
            return Some(Look {
                rate: rows as f64 / took.as_secs_f64(),
                backlog: waiting * 5 >= samples * 4,
                well: engine.breaker.circuit() == Circuit::Closed && !stopped,
            });
        }
    }
}

/// What became of a change of size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resized {
    Done,
    /// The store takes no more connections.
    Refused,
    /// Something was under way for too long, or waits for the end.
    Busy,
}

/// Gives the pool another size. Those that come have their connections before a lane is theirs, and a lane changes
/// hands while none of its rows is under way; so the order of its rows stays, and a commit in doubt is settled by
/// the worker that made it.
pub(super) async fn resize<S: Sink, D: DeadLetters>(
    engine: &Arc<Engine<S, D>>,
    size: usize,
    added: &mut JoinSet<()>,
) -> Resized {
    let now = engine.queue.active();
    if (now..size).any(|worker| engine.queue.is_served(worker)) {
        // One that was to go has not heard of it yet.
        return Resized::Busy;
    }
    // What panics here is not to take those with it that were added before.
    let connect = |worker| AssertUnwindSafe(engine.sink.connect(worker)).catch_unwind();
    let connecting = join_all((now..size).map(connect));
    let sessions: Vec<S::Session> = match timeout(CONNECT, engine.until_halt(connecting)).await {
        Ok(Ok(connected)) => match connected.into_iter().map(|done| done.ok()?.ok()).collect() {
            Some(sessions) => sessions,
            None => return Resized::Refused,
        },
        Ok(Err(_)) => return Resized::Busy,
        Err(_) => return Resized::Refused,
    };
    if !engine.queue.rearrange(size, DRAIN).await {
        return Resized::Busy;
    }
    for (worker, session) in (now..size).zip(sessions) {
        engine.queue.serve(worker, true);
        added.spawn(worker::work(engine.clone(), worker, Some(session)).in_current_span());
    }
    Resized::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at a store that takes so many rows with so many workers, until the size has settled.
    fn settles(start: usize, most: usize, looks: usize, rate: impl Fn(usize) -> f64) -> Vec<usize> {
        let mut controller = Controller::new(start, most);
        let mut size = start;
        let mut sizes = Vec::new();
        for _ in 0..looks {
            size = controller.look(Look { rate: rate(size), backlog: true, well: true });
            sizes.push(size);
        }
        sizes
    }

    /// The share of the best rate that is reached over all looks.
    fn share(start: usize, looks: usize, rate: impl Fn(usize) -> f64) -> f64 {
        let best = (1..=16).map(&rate).fold(0.0, f64::max);
        let sizes = settles(start, 16, looks, &rate);
        let all: f64 = std::iter::once(start).chain(sizes).take(looks).map(rate).sum();
        all / (best * looks as f64)
    }

    #[test]
    fn a_slow_store_gets_many_in_a_few_steps() {
        let sizes = settles(2, 16, 60, |n| n as f64 * 100.0);
        assert!(sizes[..8].contains(&16), "{sizes:?}");
        assert!(sizes[8..].iter().filter(|size| **size >= 12).count() == sizes.len() - 8, "{sizes:?}");
        assert!(share(2, 60, |n| n as f64) > 0.9);
    }

    #[test]
    fn a_store_that_is_busy_keeps_few() {
        let busy = |n: usize| if n == 1 { 600.0 } else { 1_000.0 - 5.0 * n as f64 };
        let sizes = settles(2, 16, 100, busy);
        assert!(sizes.iter().filter(|size| **size <= 3).count() >= 95, "{sizes:?}");
        assert!(share(2, 100, busy) > 0.97, "{}", share(2, 100, busy));
    }

    #[test]
    fn where_workers_are_in_each_others_way_there_is_one_in_the_end() {
        let locked = |n: usize| 1_000.0 / n as f64;
        let sizes = settles(4, 16, 100, locked);
        assert!(sizes[40..].iter().filter(|size| **size == 1).count() >= 50, "{sizes:?}");
        assert!(share(4, 200, locked) > 0.9, "{}", share(4, 200, locked));
    }

    #[test]
    fn the_best_in_between_is_found_and_kept() {
        let peak = |n: usize| 1_000.0 - 40.0 * (n as f64 - 6.0).powi(2);
        let sizes = settles(2, 16, 120, peak);
        let late = &sizes[40..];
        assert!(
            late.iter().filter(|size| (5..=7).contains(*size)).count() >= late.len() * 9 / 10,
            "{sizes:?}"
        );
        assert!(share(2, 200, peak) > 0.9, "{}", share(2, 200, peak));
    }

    #[test]
    fn a_store_that_slows_down_under_them_is_left_with_half() {
        let mut controller = Controller::new(8, 8);
        let look = |rate| Look { rate, backlog: true, well: true };
        let mut size = 8;
        for _ in 0..6 {
            size = controller.look(look(size as f64 * 125.0));
        }
        while size < 8 || !matches!(controller.phase, Phase::Rest(_)) {
            size = controller.look(look(size as f64 * 125.0));
        }
        assert_eq!(controller.look(look(100.0)), 4);
        // No slower with half of them, so they stay.
        controller.look(look(100.0));
        assert_eq!(controller.look(look(100.0)), 4);
    }

    #[test]
    fn nothing_is_learned_where_there_is_nothing_to_see() {
        let mut controller = Controller::new(2, 16);
        for look in [
            Look { rate: 0.0, backlog: true, well: true },
            Look { rate: 0.0, backlog: true, well: false },
            // The input is what is slow.
            Look { rate: 500.0, backlog: false, well: true },
        ] {
            assert!((0..200).all(|_| controller.look(look) == 2), "{look:?}");
        }
        // Nobody needs connections for nothing.
        let none = Look { rate: 0.0, backlog: false, well: true };
        let sizes: Vec<usize> = (0..200).map(|_| controller.look(none)).collect();
        assert_eq!((sizes[0], sizes[199]), (2, 1));
        assert_eq!(Controller::new(0, 0).look(none), 1);
    }

    #[test]
    fn what_is_seen_while_they_connect_counts_for_nothing() {
        let mut controller = Controller::new(16, 16);
        let look = |rate| Look { rate, backlog: true, well: true };
        assert_eq!(controller.look(look(100.0)), 16);
        // A smaller pool is tried, and found to be slower.
        let mut sizes = Vec::new();
        let mut size = controller.look(look(1_600.0));
        for _ in 0..100 {
            sizes.push(size);
            size = controller.look(look(size as f64 * 100.0));
        }
        assert!(sizes.iter().all(|size| *size >= 12), "{sizes:?}");
        assert!(sizes.iter().filter(|size| **size == 16).count() > 85, "{sizes:?}");
    }

    #[test]
    fn a_refused_connection_is_the_end_of_growth() {
        let mut controller = Controller::new(2, 16);
        let look = Look { rate: 1_000.0, backlog: true, well: true };
        assert_eq!((controller.look(look), controller.look(look)), (2, 4));
        controller.refused(2);
        let sizes: Vec<usize> = (0..300).map(|_| controller.look(look)).collect();
        assert!(sizes.iter().all(|size| *size <= 2), "{sizes:?}");
    }
}
