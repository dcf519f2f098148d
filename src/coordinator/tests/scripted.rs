//! A store and a dead-letter queue that fail as a script says, and count everything.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::array::{BooleanArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::datatypes::{DataType, Field, Schema};

use crate::batch::{Batch, Dependence, Order, Origin, Reason, Reject, Replayable, Rows};
use crate::port::{
    CommitMark, DeadLetterError, DeadLetters, Event, Observer, Session, Sink, SinkError, TransientKind,
    WriteMode, Written,
};

/// A row of the tests: a key, a value, and whether the store will refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub key: i64,
    pub value: i64,
    pub bad: bool,
}

/// A batch of rows whose first one has that number.
pub fn batch(rows: &[Row], first: u64, replayable: bool) -> Batch {
    let fields = ["key", "value"].map(|n| Field::new(n, DataType::Int64, true)).to_vec();
    let mut fields = fields;
    fields.push(Field::new("bad", DataType::Boolean, true));
    let columns = RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.key))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.value))),
            Arc::new(BooleanArray::from(rows.iter().map(|r| r.bad).collect::<Vec<_>>())),
        ],
    )
    .unwrap();
    Batch {
        columns,
        rows: (first..first + rows.len() as u64).collect(),
        identities: rows.iter().map(|r| xxhash_rust::xxh3::xxh3_128(&r.key.to_le_bytes())).collect(),
        origin: Arc::new(Origin {
            replayable: if replayable { Replayable::Kept } else { Replayable::Never },
            ..Origin::new("test")
        }),
        order: Order::Any,
        given: None,
    }
}

/// How the store points at bad rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointing {
    /// It says nothing.
    Silent,
    /// It names the first bad row.
    First,
    /// It names a row, often the wrong one.
    Wrong,
    /// It takes the good ones and hands the bad ones back.
    Refusing,
}

/// Chances in 1,000, per operation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chances {
    pub transient: u64,
    pub hang: u64,
    pub panic: u64,
    pub lost_before_commit: u64,
    pub lost_after_commit: u64,
    pub dead_letters: u64,
    /// A crash of the store, which undoes the commits that are not on disk.
    pub crash: u64,
}

/// What the store is at a moment.
#[derive(Debug, Default, Clone)]
pub struct State {
    pub table: BTreeMap<i64, i64>,
    pub ledger: HashMap<usize, CommitMark>,
    pub marks: BTreeMap<u16, u64>,
    pub serials: BTreeMap<u16, u64>,
}

#[derive(Debug, Default)]
pub struct World {
    /// What is on disk, once some of it is only in memory.
    pub disk: Option<State>,
    /// Counts crashes: sessions of before are lost.
    pub epoch: u64,
    pub table: BTreeMap<i64, i64>,
    pub ledger: HashMap<usize, CommitMark>,
    /// The last mark of each slot.
    pub marks: BTreeMap<u16, u64>,
    /// The serial of the transaction that left it.
    pub serials: BTreeMap<u16, u64>,
    /// Whether the dead letters take nothing.
    pub full: bool,
    pub buried: Vec<(u64, &'static str)>,
    pub commits: u64,
    pub writes: u64,
    pub random: u64,
    pub faults: u64,
    /// Until this many operations have been tried, every one fails transiently.
    pub down_for: u64,
    /// Workers whose transactions other sessions are in the way of.
    pub in_the_way: std::collections::BTreeSet<usize>,
}

impl World {
    fn roll(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// What is in memory only is gone, and so are all sessions.
    pub fn crash(&mut self) {
        self.epoch += 1;
        if let Some(State { table, ledger, marks, serials }) = self.disk.take() {
            (self.table, self.ledger, self.marks, self.serials) = (table, ledger, marks, serials);
        }
    }

    /// Faults end at some point, as outages do.
    fn strikes(&mut self, chance: u64) -> bool {
        let strikes = chance > 0 && self.faults < 200 && self.roll() % 1000 < chance;
        self.faults += u64::from(strikes);
        strikes
    }
}

#[derive(Clone)]
pub struct Scripted {
    pub world: Arc<Mutex<World>>,
    pub chances: Chances,
    pub pointing: Pointing,
    pub keeps_ledger: bool,
    /// Whether commits need not wait for the disk.
    pub lazy: bool,
    /// Whether rows that are there with other values stay, as newer than what comes.
    pub newer_stays: bool,
    /// Keys whose rows make the writer panic.
    pub panics: Vec<i64>,
    /// Values whose rows end the session that writes them.
    pub drops: Vec<i64>,
    /// Whether every row does.
    pub drops_all: Arc<std::sync::atomic::AtomicBool>,
    /// Values whose rows take too long alone, and how often; for ever where that is `u32::MAX`.
    pub slow: Arc<Mutex<HashMap<i64, u32>>>,
    /// The commit after which the store crashes; none for 0.
    pub crash_at: u64,
    /// Values whose rows take too long after the first crash, so that the write is given up, and those over which a commit is undone then.
    pub slow_later: Vec<i64>,
    pub apart_later: Vec<i64>,
    /// Whether bad rows are refused by an error that may be everybody's, and whether it is: then it
    /// comes without rows too.
    pub doubtful: Option<bool>,
    /// What of it may pass.
    pub passing: Option<TransientKind>,
    /// Whether bad rows are refused for other rows.
    pub depends: bool,
    /// Most rows that one transaction can have; zero for any number.
    pub most_rows: usize,
    /// Time that each write takes.
    pub delay: Duration,
}

impl Scripted {
    pub fn new(seed: u64, chances: Chances, pointing: Pointing) -> Self {
        let world = World { random: seed | 1, ..World::default() };
        let world = Arc::new(Mutex::new(world));
        Self {
            world,
            chances,
            pointing,
            keeps_ledger: true,
            lazy: false,
            newer_stays: false,
            panics: Vec::new(),
            drops: Vec::new(),
            drops_all: Arc::default(),
            slow: Arc::default(),
            crash_at: 0,
            slow_later: Vec::new(),
            apart_later: Vec::new(),
            doubtful: None,
            passing: None,
            depends: false,
            most_rows: 0,
            delay: Duration::ZERO,
        }
    }

    fn refusal(&self) -> Reason {
        match self.depends {
            true => Reason::depends(Dependence::SameKey, "scripted check"),
            false => Reason::new("check", "scripted check"),
        }
    }

    fn is_slow(&self, value: i64, alone: bool) -> bool {
        if self.slow_later.contains(&value) && self.world.lock().unwrap().epoch > 0 {
            return true;
        }
        let mut slow = self.slow.lock().unwrap();
        let Some(times) = slow.get_mut(&value).filter(|times| **times > 0) else { return false };
        *times -= u32::from(alone && *times < u32::MAX);
        true
    }

    async fn trouble(&self) -> Result<(), SinkError> {
        let (transient, hang, panic) = {
            let mut world = self.world.lock().unwrap();
            if world.down_for > 0 {
                world.down_for -= 1;
                return Err(lost("scripted outage"));
            }
            let c = self.chances;
            (world.strikes(c.transient), world.strikes(c.hang), world.strikes(c.panic))
        };
        if hang {
            std::future::pending::<()>().await;
        }
        assert!(!panic, "scripted panic");
        if transient { Err(contended()) } else { Ok(()) }
    }
}

fn contended() -> SinkError {
    SinkError::Transient(TransientKind::Serialization, Reason::new("contended", "scripted"))
}

fn lost(message: &'static str) -> SinkError {
    SinkError::Transient(TransientKind::Connection, Reason::new("lost", message))
}

pub struct ScriptedSession {
    sink: Scripted,
    worker: usize,
    epoch: u64,
    /// `None` outside a transaction or in one that has failed.
    pending: Option<Vec<(i64, i64)>>,
}

impl Sink for Scripted {
    type Session = ScriptedSession;

    fn name(&self) -> &str {
        "scripted"
    }

    async fn connect(&self, worker: usize) -> Result<ScriptedSession, SinkError> {
        self.trouble().await?;
        let epoch = self.world.lock().unwrap().epoch;
        Ok(ScriptedSession { sink: self.clone(), worker, epoch, pending: None })
    }
}

impl ScriptedSession {
    /// Whether the store has crashed since this session began; or does so now.
    fn lost(&mut self) -> Result<(), SinkError> {
        let mut world = self.sink.world.lock().unwrap();
        if world.strikes(self.sink.chances.crash) {
            world.crash();
        }
        if self.epoch == world.epoch {
            return Ok(());
        }
        self.pending = None;
        Err(lost("scripted crash"))
    }
}

impl Session for ScriptedSession {
    async fn begin(&mut self) -> Result<(), SinkError> {
        self.lost()?;
        let in_the_way = self.sink.world.lock().unwrap().in_the_way.contains(&self.worker);
        if in_the_way {
            return Err(contended());
        }
        self.sink.trouble().await?;
        self.pending = Some(Vec::new());
        Ok(())
    }

    async fn write(&mut self, rows: Rows<'_>, guard: WriteMode) -> Result<Written, SinkError> {
        self.lost()?;
        let mut pending = self.pending.take().expect("a write outside a transaction");
        let before = pending.len();
        self.sink.trouble().await?;
        tokio::time::sleep(self.sink.delay).await;
        if self.sink.most_rows > 0 && before + rows.len() > self.sink.most_rows {
            let reason = Reason::new("exhausted", "scripted: out of shared memory");
            return Err(SinkError::Transient(TransientKind::ResourcesExhausted, reason));
        }
        self.sink.world.lock().unwrap().writes += 1;
        let mut written = Written::default();
        let mut first_bad = None;
        let mut keys = std::collections::HashSet::new();
        for index in 0..rows.len() {
            let (batch, row) = rows.at(index);
            let int = |c: usize| batch.columns.column(c).as_primitive::<Int64Type>().value(row);
            assert!(keys.insert(int(0)), "a write with the same key twice");
            assert!(!self.sink.panics.contains(&int(0)), "scripted panic over a row");
            let all = self.sink.drops_all.load(std::sync::atomic::Ordering::Relaxed);
            if all || self.sink.drops.contains(&int(1)) {
                self.epoch = u64::MAX;
                return Err(lost("scripted end of the session"));
            }
            if self.sink.is_slow(int(1), rows.len() == 1) {
                if guard == WriteMode::Savepoint {
                    pending.truncate(before);
                    self.pending = Some(pending);
                }
                let reason = Reason::new("57014", "scripted: it takes too long");
                if guard == WriteMode::Bare && self.sink.slow_later.contains(&int(1)) {
                    return Err(SinkError::Transient(TransientKind::Timeout, reason));
                }
                return Err(SinkError::Doubtful { reason, passing: Some(TransientKind::Timeout) });
            }
            if batch.columns.column(2).as_boolean().value(row) {
                first_bad.get_or_insert(index);
                written.refused.push((index, Arc::new(self.sink.refusal())));
                continue;
            }
            let (key, value) = (int(0), int(1));
            let there = pending.iter().rev().find(|(known, _)| *known == key).map(|(_, value)| *value);
            let there = there.or_else(|| self.sink.world.lock().unwrap().table.get(&key).copied());
            match there.filter(|_| self.sink.newer_stays) {
                Some(there) if there == value => written.unchanged += 1,
                Some(_) => written.newer += 1,
                None => {
                    pending.push((key, value));
                    written.inserted += 1;
                }
            }
        }
        if let (Some(first), true) = (first_bad, self.sink.pointing != Pointing::Refusing) {
            let suspects: Box<[usize]> = match self.sink.pointing {
                Pointing::First => [first].into(),
                Pointing::Wrong => {
                    [self.sink.world.lock().unwrap().roll() as usize % (rows.len() + 2)].into()
                }
                _ => Box::default(),
            };
            if guard == WriteMode::Savepoint {
                pending.truncate(before);
                self.pending = Some(pending);
            }
            let reason = self.sink.refusal();
            return Err(match self.sink.doubtful {
                Some(_) => SinkError::Doubtful { reason, passing: self.sink.passing },
                None => SinkError::Data { reason, suspects },
            });
        }
        self.pending = Some(pending);
        Ok(written)
    }

    async fn commit(&mut self, mark: &CommitMark, now: bool) -> Result<u64, SinkError> {
        self.lost()?;
        self.sink.trouble().await?;
        let pending = self.pending.take().expect("a commit outside a transaction");
        let mut world = self.sink.world.lock().unwrap();
        let lost = || Err(lost("scripted loss"));
        if world.strikes(self.sink.chances.lost_before_commit) {
            return lost();
        }
        let apart = |(_, value): &(i64, i64)| self.sink.apart_later.contains(value);
        if world.epoch > 0 && pending.iter().any(apart) {
            return Err(SinkError::Apart(Reason::new("deferred", "scripted refusal of a commit")));
        }
        let waits = now || !self.sink.lazy;
        if !waits && world.disk.is_none() {
            let (table, ledger, marks) = (world.table.clone(), world.ledger.clone(), world.marks.clone());
            let serials = world.serials.clone();
            world.disk = Some(State { table, ledger, marks, serials });
        }
        let before = world.ledger.get(&self.worker).map_or(0, |mark| mark.serial);
        world.table.extend(pending);
        world.commits += 1;
        world.ledger.insert(self.worker, mark.clone());
        world.marks.extend(mark.slots.iter().copied());
        world.serials.extend(mark.slots.iter().map(|(slot, _)| (*slot, mark.serial)));
        // The log is one: what waits for the disk waits for all before it, of all workers.
        let flushed = waits || world.roll().is_multiple_of(3);
        if flushed {
            world.disk = None;
        }
        if world.strikes(self.sink.chances.lost_after_commit) {
            return lost();
        }
        if world.commits == self.sink.crash_at {
            world.crash();
        }
        Ok(if flushed {
            mark.serial
        } else if world.disk.is_none() {
            before
        } else {
            0
        })
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.lost()?;
        self.sink.trouble().await?;
        self.sink.world.lock().unwrap().disk = None;
        Ok(())
    }

    async fn rehearse(&mut self, _: Rows<'_>, refused: &Reason, certain: bool) -> Result<(), SinkError> {
        match certain || self.sink.doubtful == Some(true) {
            true => Err(SinkError::Fatal(refused.clone())),
            false => Ok(()),
        }
    }

    async fn rollback(&mut self) -> Result<(), SinkError> {
        self.pending = None;
        self.lost()?;
        self.sink.trouble().await
    }

    async fn settled(&mut self, mark: &CommitMark) -> Result<Option<bool>, SinkError> {
        self.lost()?;
        self.sink.trouble().await?;
        let world = self.sink.world.lock().unwrap();
        // As the stores do: by a slot that the transaction has marked.
        let known = match mark.slots.first() {
            Some((slot, _)) => world.serials.get(slot).is_some_and(|known| *known >= mark.serial),
            None => world.ledger.get(&self.worker).is_some_and(|known| known.serial >= mark.serial),
        };
        Ok(self.sink.keeps_ledger.then_some(known))
    }
}

/// The dead letters of the same world.
pub struct Graves(pub Scripted);

impl DeadLetters for Graves {
    async fn bury(&self, rejects: Vec<Reject>) -> Result<(), DeadLetterError> {
        let mut world = self.0.world.lock().unwrap();
        let chance = self.0.chances.dead_letters;
        if world.full || world.strikes(chance) {
            return Err(DeadLetterError("scripted: no space left".into()));
        }
        world.buried.extend(rejects.iter().map(|r| (r.row, r.stage.as_str())));
        Ok(())
    }
}

/// Keeps the books.
#[derive(Debug, Default)]
pub struct Ledger(pub Mutex<Sums>);

#[derive(Debug, Default, Clone)]
pub struct Sums {
    pub stored: u64,
    pub superseded: u64,
    /// Those of them that the store had newer.
    pub newer: u64,
    pub buried: u64,
    pub returned: u64,
    pub opened: u64,
    pub retries: u64,
    pub levels: Vec<&'static str>,
}

impl Observer for Ledger {
    fn on(&self, event: &Event<'_>) {
        let mut sums = self.0.lock().unwrap();
        match event {
            Event::Committed { written, superseded, .. } => {
                sums.stored += written.stored();
                sums.superseded += superseded;
                sums.newer += written.newer;
            }
            Event::Buried { rows, .. } => sums.buried += rows,
            Event::Returned { rows } => sums.returned += rows,
            Event::Circuit { state: crate::port::Circuit::Open, .. } => sums.opened += 1,
            Event::Retry { .. } => sums.retries += 1,
            Event::Pressure { level, .. } => sums.levels.push(level.as_str()),
            _ => {}
        }
    }
}
