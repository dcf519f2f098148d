//! Ten thousand schedules that nobody thought of: random rows with duplicate keys, random sizes,
//! and a store that fails in every way it knows, against a model that loads row by row.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::task::JoinSet;

use super::scripted::{Chances, Graves, Ledger, Pointing, Row, Scripted, batch};
use super::{cases, on_paused_clock, silence_scripted_panics};
use crate::coordinator::{End, WriteCoordinator, pool};
use crate::settings::{BreakerSettings, EngineSettings, RetrySettings};

#[derive(Debug, Clone)]
struct Schedule {
    rows: Vec<Row>,
    cuts: Vec<usize>,
    workers: usize,
    batch_rows: usize,
    capacity: usize,
    seed: u64,
    chances: Chances,
    drops: Vec<i64>,
    pointing: Pointing,
    lazy: bool,
    first_wins: bool,
    /// Sizes that the pool is given in turns, each after so many turns of the others; none: it stays as it is.
    sizes: Vec<(usize, usize)>,
}

fn chances() -> impl Strategy<Value = Chances> {
    let chance = |most: u64| prop_oneof![2 => Just(0u64), 1 => 1..most];
    (chance(120), chance(30), chance(30), chance(150), chance(150), chance(200), chance(60)).prop_map(
        |(transient, hang, panic, lost_before_commit, lost_after_commit, dead_letters, crash)| Chances {
            transient,
            hang,
            panic,
            lost_before_commit,
            lost_after_commit,
            dead_letters,
            crash,
        },
    )
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let pointing = prop_oneof![
        Just(Pointing::Silent),
        Just(Pointing::First),
        Just(Pointing::Wrong),
        Just(Pointing::Refusing)
    ];
    let rows = (1i64..40, 0u32..40).prop_flat_map(|(keys, bad)| {
        let row = (0..keys, 0u32..100).prop_map(move |(key, roll)| (key, roll < bad));
        prop::collection::vec(row, 1..80)
    });
    let rows = rows.prop_map(|rows| {
        let number = |(value, (key, bad)): (usize, (i64, bool))| Row { key, value: value as i64, bad };
        rows.into_iter().enumerate().map(number).collect::<Vec<_>>()
    });
    let sizes = (prop::collection::vec(1usize..30, 1..6), 1usize..=8, 1usize..40, 1usize..60);
    let drops = prop_oneof![7 => Just(Vec::new()), 1 => prop::collection::vec(0i64..80, 1..5)];
    let pools = prop_oneof![
        1 => Just(Vec::new()),
        1 => prop::collection::vec((1usize..=8, 0usize..40), 1..12)
    ];
    (rows, sizes, any::<u64>(), chances(), drops, pointing, any::<(bool, bool)>(), pools).prop_map(
        |(
            rows,
            (cuts, workers, batch_rows, capacity),
            seed,
            chances,
            drops,
            pointing,
            (lazy, first_wins),
            sizes,
        )| {
            let mut schedule = Schedule {
                rows,
                cuts,
                workers,
                batch_rows,
                capacity,
                seed,
                chances,
                drops,
                pointing,
                lazy,
                first_wins,
                sizes,
            };
            schedule.leave_witnesses();
            schedule
        },
    )
}

impl Schedule {
    /// No two neighbours end their sessions: a batch, or the part of one that the queue has room for, of
    /// which all rows do has none that could speak for the store, and is waited for.
    fn leave_witnesses(&mut self) {
        self.drops.sort_unstable();
        self.drops.dedup_by(|later, before| *later - *before < 2);
    }
}

fn run(schedule: &Schedule) {
    let settings = EngineSettings {
        workers: schedule.workers,
        up_to: (!schedule.sizes.is_empty()).then_some(8),
        capacity: schedule.capacity,
        batch_rows: schedule.batch_rows,
        high_watermark: schedule.capacity,
        low_watermark: schedule.capacity / 2,
        retry: RetrySettings::default(),
        breaker: BreakerSettings { failure_threshold: 3, half_open_after: Duration::from_secs(5) },
        write_timeout: Duration::from_secs(30),
        first_wins: schedule.first_wins,
        ..EngineSettings::default()
    };
    let sink = Scripted::new(schedule.seed, schedule.chances, schedule.pointing);
    let drops = schedule.drops.clone();
    let sink = Scripted { lazy: schedule.lazy, newer_stays: schedule.first_wins, drops, ..sink };
    let books = Arc::new(Ledger::default());
    let ends = Duration::from_secs(20_000);
    let mut origins = Vec::new();
    let outcome = on_paused_clock(async {
        let run = async {
            let builder = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
            let mut engine = builder.settings(settings).observer(books.clone()).by_hand().start();
            let (shared, sizes) = (engine.engine.clone(), schedule.sizes.clone());
            engine.workers.spawn(async move {
                let mut added = JoinSet::new();
                for (size, turns) in sizes {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                    pool::resize(&shared, size, &mut added).await;
                }
                while added.join_next().await.is_some() {}
            });
            let (mut at, mut cuts) = (0, schedule.cuts.iter().cycle());
            while at < schedule.rows.len() {
                let end = (at + cuts.next().copied().unwrap_or(1)).min(schedule.rows.len());
                let rows = batch(&schedule.rows[at..end], at as u64 + 1, false);
                origins.push(rows.origin.clone());
                engine.submit(rows).await.unwrap();
                at = end;
            }
            engine.shutdown(true).await
        };
        tokio::time::timeout(ends, run).await.expect("the run ends")
    });
    assert_eq!(outcome.end, End::Drained);
    assert!(origins.iter().all(|origin| origin.open.count() == 0), "what is settled is acknowledged");

    let is_bad = |row: &Row| row.bad || schedule.drops.contains(&row.value);
    let mut model = BTreeMap::new();
    // Of each key the row that no other supersedes.
    let mut foremost = HashMap::new();
    for (index, row) in schedule.rows.iter().enumerate() {
        if schedule.first_wins {
            foremost.entry(row.key).or_insert(index);
            if !is_bad(row) {
                model.entry(row.key).or_insert(row.value);
            }
        } else {
            foremost.insert(row.key, index);
            if !is_bad(row) {
                model.insert(row.key, row.value);
            }
        }
    }
    let mut world = sink.world.lock().unwrap();
    world.crash();
    assert_eq!(world.table, model, "the table is what loading row by row leaves");

    let sums = books.0.lock().unwrap().clone();
    let rows = schedule.rows.len() as u64;
    assert_eq!(sums.stored + sums.superseded + sums.buried, rows, "the books close: {sums:?}");
    let mut buried: HashMap<u64, u32> = HashMap::new();
    for (row, stage) in &world.buried {
        assert_eq!(*stage, "write");
        *buried.entry(*row).or_default() += 1;
    }
    assert!(buried.values().all(|times| *times == 1), "a row is in the queue once: {buried:?}");
    assert_eq!(buried.len() as u64, sums.buried);
    for (index, row) in schedule.rows.iter().enumerate() {
        let number = index as u64 + 1;
        if !is_bad(row) {
            assert!(!buried.contains_key(&number), "good row {number} is in the queue");
        } else if foremost[&row.key] == index {
            // A bad row that another of its key supersedes may count as superseded instead.
            assert!(buried.contains_key(&number), "bad row {number} is not in the queue");
        }
    }
}

proptest! {
    #![proptest_config(cases(10_000))]
    #[test]
    fn every_schedule_keeps_the_promises(schedule in schedules()) {
        silence_scripted_panics();
        run(&schedule);
    }
}
