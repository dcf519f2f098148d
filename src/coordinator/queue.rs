//! The queue between the producers and the workers, bounded in rows and in bytes.
//!
//! Rows count from their submission until they are settled, so those being written are counted
//! too. There is one line per worker, and one bound over all of them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::batch::Batch;
use crate::coordinator::lanes::{Portion, deal, deal_portions};
use crate::port::Level;

/// Bounds and marks of a [`BoundedQueue`].
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most rows.
    pub rows: usize,
    /// Most bytes.
    pub bytes: usize,
    /// Depth in rows at which the high mark is crossed.
    pub high: usize,
    /// Depth in rows at which the low mark is crossed.
    pub low: usize,
}

/// What a change of depth brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Rows in the queue now.
    pub rows: usize,
    /// The new level, if it changed.
    pub level: Option<Level>,
    /// The mark that was crossed: `true` the high one upwards, `false` the low one downwards.
    pub crossed: Option<bool>,
}

/// Why a batch was not taken.
#[derive(Debug)]
pub enum Refused {
    /// The queue is full; the batch is handed back.
    Full(Box<Batch>),
    /// The queue is closed; the batch is handed back.
    Closed(Box<Batch>),
}

#[derive(Debug)]
struct QueueState {
    lines: Vec<VecDeque<Portion>>,
    /// Workers that rows are dealt to, of those that have a line.
    active: usize,
    /// The lines that have a worker, whether rows are dealt to it or not.
    served: Vec<bool>,
    /// Whether nothing is handed out, since lanes are about to change hands.
    paused: bool,
    settled: Settled,
    rows: usize,
    bytes: usize,
    sequence: u64,
    closed: bool,
    /// Rows of these that wait for the end, and make no room before.
    held: usize,
    /// Whether what the first worker holds back is to be seen to.
    asked: bool,
    /// Whether somebody waits for what is there to be settled, so that no worker waits for more.
    hurried: bool,
    aborted: bool,
    above_high: bool,
    /// Whether a batch waits for room.
    full: bool,
    level: Level,
}

/// Nothing is handed out just now: who has something in the air is to bring it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused;

/// What has been settled so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Rows.
    pub rows: u64,
    /// Times that some were.
    pub times: u64,
}

/// The queue.
#[derive(Debug)]
pub struct BoundedQueue {
    bounds: Bounds,
    state: Mutex<QueueState>,
    ready: Vec<Notify>,
    space: Notify,
    /// Rung where something is settled while nothing is handed out.
    drained: Notify,
    /// Producers pass one at a time, in the order in which they came.
    turnstile: tokio::sync::Mutex<()>,
}

impl BoundedQueue {
    /// An empty queue with a line for each of so many workers.
    #[cfg(test)]
    pub fn new(workers: usize, bounds: Bounds) -> Self {
        Self::of(workers, workers, bounds)
    }

    /// An empty queue for so many workers, which may become up to `most`.
    pub fn of(workers: usize, most: usize, bounds: Bounds) -> Self {
        let most = most.max(workers);
        let state = QueueState {
            lines: (0..most).map(|_| VecDeque::new()).collect(),
            active: workers,
            served: (0..most).map(|worker| worker < workers).collect(),
            paused: false,
            settled: Settled::default(),
            rows: 0,
            bytes: 0,
            sequence: 0,
            closed: false,
            held: 0,
            asked: false,
            hurried: false,
            aborted: false,
            above_high: false,
            full: false,
            level: Level::Ok,
        };
        Self {
            bounds,
            state: Mutex::new(state),
            ready: (0..most).map(|_| Notify::new()).collect(),
            space: Notify::new(),
            drained: Notify::new(),
            turnstile: tokio::sync::Mutex::new(()),
        }
    }

    /// Waits for room, then takes the batch. `waits` is told when the wait begins: a queue that has no
    /// room for the next batch is as full as it gets, whatever is missing to its high mark.
    pub async fn push(&self, batch: Batch, waits: impl Fn(Depth)) -> Result<Depth, Refused> {
        let _turn = self.turnstile.lock().await;
        let mut batch = batch;
        loop {
            // Registered before the look at the state, so that no wake-up between is lost.
            let space = self.space.notified();
            match self.try_push(batch) {
                Err(Refused::Full(back)) => {
                    batch = *back;
                    if let Some(depth) = self.full() {
                        waits(depth);
                    }
                }
                done => return done,
            }
            space.await;
        }
    }

    /// Notes that a batch waits for room; `None` where nothing changes by that.
    fn full(&self) -> Option<Depth> {
        let mut state = self.lock();
        let news = !std::mem::replace(&mut state.full, true);
        let depth = self.look(&mut state);
        drop(state);
        if news {
            // Who waits for a fuller batch need wait no longer: nothing can come.
            self.ready.iter().for_each(Notify::notify_one);
        }
        (depth.level.is_some() || depth.crossed.is_some()).then_some(depth)
    }

    /// Takes the batch if there is room now.
    pub fn try_push(&self, batch: Batch) -> Result<Depth, Refused> {
        let (rows, bytes) = (batch.len(), batch.bytes());
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed(Box::new(batch)));
        }
        // A queue that will not become emptier takes a batch of any size, or a large one could never pass.
        let fits = state.rows + rows <= self.bounds.rows && state.bytes + bytes <= self.bounds.bytes;
        if !fits && state.rows > state.held {
            return Err(Refused::Full(Box::new(batch)));
        }
        Ok(self.admit(&mut state, batch))
    }

    /// Takes the batch, and drops the oldest rows that wait as far as there is no room for it.
    /// Rows that are being written are not dropped, so the bound may be passed by theirs.
    pub fn push_dropping(&self, batch: Batch) -> Result<(Depth, Vec<Portion>), Refused> {
        let (rows, bytes) = (batch.len(), batch.bytes());
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed(Box::new(batch)));
        }
        let mut dropped = Vec::new();
        loop {
            let over_rows = (state.rows + rows).saturating_sub(self.bounds.rows);
            let over_bytes = (state.bytes + bytes).saturating_sub(self.bounds.bytes);
            if over_rows == 0 && over_bytes == 0 {
                break;
            }
            let oldest = state
                .lines
                .iter_mut()
                .filter(|line| !line.is_empty())
                .min_by_key(|line| line.front().map_or(u64::MAX, |p| p.sequence));
            let Some(portion) = oldest.and_then(VecDeque::front_mut) else { break };
            let count = over_rows.max(over_bytes.div_ceil(portion.row_bytes.max(1)));
            let front = portion.split_front(count);
            for line in &mut state.lines {
                if line.front().is_some_and(|p| p.rows.is_empty()) {
                    line.pop_front();
                }
            }
            state.rows -= front.rows.len();
            state.bytes -= front.bytes().min(state.bytes);
            dropped.push(front);
        }
        Ok((self.admit(&mut state, batch), dropped))
    }

    fn admit(&self, state: &mut QueueState, batch: Batch) -> Depth {
        state.sequence += 1;
        state.full = false;
        state.hurried = false;
        batch.origin.open.open(batch.len() as u64);
        for (worker, portion) in deal(batch, state.active, state.sequence).into_iter().enumerate() {
            if portion.rows.is_empty() {
                continue;
            }
            state.rows += portion.rows.len();
            state.bytes += portion.bytes();
            state.lines[worker].push_back(portion);
            self.ready[worker].notify_one();
        }
        self.look(state)
    }

    /// Waits for rows of the worker's line and takes what is there, up to the bounds; only rows
    /// of one shape. A row waits for others at most for `patience`, and not at all once the queue is
    /// closed or full, or what is there is waited for. `None` when the queue is closed and the line empty, the queue
    /// aborted, or rows are dealt to that worker no more; none at all when [`BoundedQueue::ask`] wants the first worker to see to what it holds back.
    pub async fn claim(
        &self,
        worker: usize,
        rows: usize,
        bytes: usize,
        patience: Duration,
        in_air: bool,
    ) -> Result<Option<Vec<Portion>>, Paused> {
        loop {
            let ready = self.ready[worker].notified();
            let until = {
                let state = self.lock();
                if state.aborted {
                    return Ok(None);
                }
                match state.paused {
                    true if in_air => return Err(Paused),
                    true => None,
                    false => state.fuller(worker, rows, bytes, patience),
                }
            };
            if let Some(until) = until {
                tokio::select! {
                    () = ready => {}
                    () = sleep_until(until) => {}
                }
                continue;
            }
            {
                let mut state = self.lock();
                if state.aborted {
                    return Ok(None);
                }
                if state.paused && in_air {
                    return Err(Paused);
                }
                if !state.paused {
                    let taken = take(&mut state.lines[worker], rows, bytes);
                    if !taken.is_empty() {
                        return Ok(Some(taken));
                    }
                    if worker == 0 && std::mem::take(&mut state.asked) {
                        return Ok(Some(Vec::new()));
                    }
                    if state.closed || worker >= state.active {
                        return Ok(None);
                    }
                }
            }
            ready.await;
        }
    }

    /// Says how many rows wait for the end.
    pub fn hold(&self, rows: usize) {
        self.lock().held = rows;
    }

    /// Has the first worker see to what it holds back, once nothing waits for it.
    pub fn ask(&self) {
        let mut state = self.lock();
        (state.asked, state.hurried) = (true, true);
        drop(state);
        self.ready.iter().for_each(Notify::notify_one);
    }

    /// Whether that worker would wait for rows, or for more of them.
    pub fn is_short(&self, worker: usize, rows: usize, bytes: usize, patience: Duration) -> bool {
        let state = self.lock();
        state.paused
            || state.lines.get(worker).is_none_or(VecDeque::is_empty)
            || state.fuller(worker, rows, bytes, patience).is_some()
    }

    /// Whether nothing waits for that worker.
    pub fn is_idle(&self, worker: usize) -> bool {
        self.lock().lines.get(worker).is_none_or(VecDeque::is_empty)
    }

    /// Says that rows which were claimed are settled.
    pub fn settle(&self, rows: usize, bytes: usize) -> Depth {
        let mut state = self.lock();
        state.rows -= rows.min(state.rows);
        state.bytes -= bytes.min(state.bytes);
        state.settled.rows += rows as u64;
        state.settled.times += 1;
        let depth = self.look(&mut state);
        drop(state);
        self.space.notify_one();
        self.drained.notify_waiters();
        depth
    }

    /// What has been settled so far.
    pub fn settled(&self) -> Settled {
        self.lock().settled
    }

    /// Workers that rows are dealt to.
    pub fn active(&self) -> usize {
        self.lock().active
    }

    /// Whether that line has a worker.
    pub fn is_served(&self, worker: usize) -> bool {
        self.lock().served.get(worker).is_some_and(|served| *served)
    }

    /// Says whether that line has a worker.
    pub fn serve(&self, worker: usize, served: bool) {
        if let Some(place) = self.lock().served.get_mut(worker) {
            *place = served;
        }
    }

    /// Whether no more batches are taken.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether there is more to do than is being done: a row or more for each worker, or a batch that has no room.
    pub fn has_backlog(&self) -> bool {
        let state = self.lock();
        state.full || state.waiting() >= state.active
    }

    /// Deals the rows that wait, and all that come, to so many workers, at most as many as there are lines. Waits
    /// for the moment in which nothing is under way, so long at most, and hands nothing out meanwhile. `false` where
    /// there was no such moment, or rows are held back until the end: then all is as it was.
    pub async fn rearrange(&self, workers: usize, patience: Duration) -> bool {
        let workers = workers.clamp(1, self.ready.len());
        if !self.pause() {
            return false;
        }
        // Goes on in any case, also where this is given up half-way.
        let _resumed = Resumed(self);
        let until = Instant::now() + patience;
        loop {
            let drained = self.drained.notified();
            let mut drained = std::pin::pin!(drained);
            drained.as_mut().enable();
            {
                let mut state = self.lock();
                if state.closed || state.held > 0 {
                    return false;
                }
                if state.waiting() == state.rows {
                    state.deal_anew(workers);
                    return true;
                }
            }
            tokio::select! {
                () = drained => {}
                () = sleep_until(until) => return false,
            }
        }
    }

    /// Hands nothing out any more; `false` where the queue is closed.
    fn pause(&self) -> bool {
        let mut state = self.lock();
        if state.closed || state.held > 0 {
            return false;
        }
        state.paused = true;
        drop(state);
        // Who waits for more rows has what is in the air brought down first.
        self.ready.iter().for_each(Notify::notify_one);
        true
    }

    /// No more batches are taken; the workers finish what is there.
    pub fn close(&self) {
        let mut state = self.lock();
        (state.closed, state.paused) = (true, false);
        drop(state);
        self.wake_all();
    }

    /// No more batches are taken or handed out; what waits is given back.
    pub fn abort(&self) -> Vec<Portion> {
        let mut state = self.lock();
        (state.closed, state.paused) = (true, false);
        state.aborted = true;
        let left: Vec<Portion> = state.lines.iter_mut().flat_map(std::mem::take).collect();
        let (rows, bytes) =
            (left.iter().map(|p| p.rows.len()).sum::<usize>(), left.iter().map(Portion::bytes).sum());
        state.rows -= rows.min(state.rows);
        state.bytes -= usize::min(bytes, state.bytes);
        drop(state);
        self.wake_all();
        left
    }

    /// Rows that wait or are being written.
    pub fn depth(&self) -> usize {
        self.lock().rows
    }

    fn wake_all(&self) {
        // A permit is kept for a worker that is not waiting just now.
        self.ready.iter().for_each(Notify::notify_one);
        self.space.notify_one();
        self.drained.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks and level after a change of depth. Falling is answered later than rising, so that a
    /// depth that swings about a mark does not ring at every swing.
    fn look(&self, state: &mut QueueState) -> Depth {
        let Bounds { high, low, .. } = self.bounds;
        let rows = state.rows;
        let full = state.full || rows >= high;
        let crossed = match state.above_high {
            false if full => Some(true),
            true if rows <= low && !full => Some(false),
            _ => None,
        };
        if let Some(up) = crossed {
            state.above_high = up;
        }
        let level = match state.level {
            _ if full => Level::Hard,
            Level::Hard if rows >= low + (high - low) / 2 => Level::Hard,
            Level::Ok if rows <= low => Level::Ok,
            _ if rows > low - low / 4 => Level::Soft,
            _ => Level::Ok,
        };
        let changed = level != state.level;
        state.level = level;
        Depth { rows, level: changed.then_some(level), crossed }
    }
}

/// Has a queue go on when it is dropped.
struct Resumed<'a>(&'a BoundedQueue);

impl Drop for Resumed<'_> {
    fn drop(&mut self) {
        self.0.lock().paused = false;
        self.0.ready.iter().for_each(Notify::notify_one);
    }
}

impl QueueState {
    /// Rows that wait to be handed out.
    fn waiting(&self) -> usize {
        self.lines.iter().flatten().map(|portion| portion.rows.len()).sum()
    }

    /// Deals what waits to so many workers, in the order in which it came.
    fn deal_anew(&mut self, workers: usize) {
        let mut waiting: Vec<Portion> = self.lines.iter_mut().flat_map(std::mem::take).collect();
        // Rows of one lane come from one line, where they are in order: the sort is stable.
        waiting.sort_by_key(|portion| portion.sequence);
        for of_batch in waiting.chunk_by(|a, b| a.sequence == b.sequence) {
            for (worker, portion) in deal_portions(of_batch, workers).into_iter().enumerate() {
                if !portion.rows.is_empty() {
                    self.lines[worker].push_back(portion);
                }
            }
        }
        self.active = workers;
    }

    /// Until when a worker may wait for a fuller batch; `None` where it is to take what is there.
    fn fuller(&self, worker: usize, rows: usize, bytes: usize, patience: Duration) -> Option<Instant> {
        if patience.is_zero() || self.closed || self.full || self.hurried {
            return None;
        }
        let line = self.lines.get(worker)?;
        let (first, last) = (line.front()?, line.back()?);
        let (mut room_rows, mut room_bytes) = (rows, bytes);
        for portion in line {
            room_rows = room_rows.saturating_sub(portion.rows.len());
            room_bytes = room_bytes.saturating_sub(portion.bytes());
            if room_rows == 0 || room_bytes == 0 {
                return None;
            }
        }
        // What is of another shape goes into another batch.
        let until = first.since.checked_add(patience)?;
        (first.batch.same_shape(&last.batch) && until > Instant::now()).then_some(until)
    }
}

fn take(line: &mut VecDeque<Portion>, rows: usize, bytes: usize) -> Vec<Portion> {
    let mut taken: Vec<Portion> = Vec::new();
    let (mut room_rows, mut room_bytes) = (rows, bytes);
    while let Some(next) = line.front_mut() {
        if taken.first().is_some_and(|first| !first.batch.same_shape(&next.batch)) {
            break;
        }
        let by_bytes = (room_bytes / next.row_bytes.max(1)).max(usize::from(taken.is_empty()));
        let count = room_rows.min(by_bytes).min(next.rows.len());
        if count == 0 {
            break;
        }
        let portion = if count == next.rows.len() { line.pop_front() } else { Some(next.split_front(count)) };
        let Some(portion) = portion else { break };
        room_rows -= count;
        room_bytes = room_bytes.saturating_sub(portion.bytes());
        taken.push(portion);
    }
    taken
}
