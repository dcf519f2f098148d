//! What an origin says of its rows: none of them is open where all are in the store or in the dead letters, and
//! a row that is in neither is open for ever, however the run has ended.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::scripted::{Chances, Graves, Pointing, Row, Scripted, batch};
use super::{cases, on_paused_clock, silence_scripted_panics};
use crate::batch::{Order, Origin, Reason, Stage};
use crate::coordinator::{End, Outcome, SubmitError, WriteCoordinator};
use crate::dataset::json_row;
use crate::settings::{BreakerSettings, EngineSettings, Overflow};

#[derive(Debug, Clone)]
struct Schedule {
    /// Of each row its key, and whether it is bad; its place is its value.
    rows: Vec<(i64, bool)>,
    cuts: Vec<usize>,
    workers: usize,
    batch_rows: usize,
    capacity: usize,
    seed: u64,
    chances: Chances,
    pointing: Pointing,
    lazy: bool,
    replayable: bool,
    idempotent: bool,
    /// When the dead letters take nothing any more, the store goes away, and the run is stopped at once.
    full_at: Option<u64>,
    down_at: Option<u64>,
    stopped_at: Option<u64>,
    overflow: Overflow,
    order: Order,
    /// Whether bad rows are refused for other rows, so that they are tried again.
    depends: bool,
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let chance = |most: u64| prop_oneof![2 => Just(0u64), 1 => 1..most];
    let chances = (chance(120), chance(30), chance(100), chance(100), chance(60)).prop_map(
        |(transient, panic, lost_before_commit, lost_after_commit, crash)| Chances {
            transient,
            panic,
            lost_before_commit,
            lost_after_commit,
            crash,
            ..Chances::default()
        },
    );
    let sizes = (prop::collection::vec(1usize..30, 1..6), 1usize..=8, 1usize..40, 1usize..60);
    let pointing = prop_oneof![Just(Pointing::Silent), Just(Pointing::First), Just(Pointing::Refusing)];
    let at = || prop_oneof![2 => Just(None), 1 => (0u64..20_000).prop_map(Some)];
    let overflow = prop_oneof![Just(Overflow::Block), Just(Overflow::DropOldest), Just(Overflow::Error)];
    let order = prop_oneof![2 => Just(Order::Any), 1 => Just(Order::Input), 1 => Just(Order::Again)];
    let rows = (0u32..30, 1i64..100).prop_flat_map(|(bad, keys)| {
        prop::collection::vec((0..keys, 0u32..100).prop_map(move |(key, roll)| (key, roll < bad)), 1..80)
    });
    let flags = (any::<u64>(), any::<(bool, bool, bool, bool)>());
    (rows, sizes, flags, chances, pointing, (at(), at(), at()), (overflow, order)).prop_map(
        |(rows, (cuts, workers, batch_rows, capacity), flags, chances, pointing, times, how)| {
            let (seed, (lazy, replayable, idempotent, depends)) = flags;
            let (full_at, down_at, stopped_at) = times;
            let (overflow, order) = how;
            Schedule {
                rows,
                cuts,
                workers,
                batch_rows,
                capacity,
                seed,
                chances,
                pointing,
                lazy,
                replayable,
                idempotent,
                full_at,
                down_at,
                stopped_at,
                overflow,
                order,
                depends,
            }
        },
    )
}

/// A commit whose answer is lost just when the run is stopped: the store has it, but for the row that was to be
/// tried again after others, which is let go of like any.
#[test]
fn a_row_held_back_by_a_commit_without_an_answer_is_not_lost_when_the_run_is_stopped() {
    for replayable in [false, true] {
        let chances = Chances { lost_after_commit: 1000, ..Chances::default() };
        let sink = Scripted { depends: true, ..Scripted::new(7, chances, Pointing::First) };
        let rows: Vec<Row> = (0..5).map(|key| Row { key, value: key, bad: key == 3 }).collect();
        let mut rows = batch(&rows, 1, replayable);
        rows.order = Order::Again;
        rows.identities.iter_mut().for_each(|identity| *identity &= !63);
        let origin = rows.origin.clone();
        let outcome = on_paused_clock(async {
            let engine = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())))
                .settings(EngineSettings { workers: 1, ..EngineSettings::default() })
                .start();
            engine.submit(rows).await.unwrap();
            while sink.world.lock().unwrap().commits == 0 {
                tokio::task::yield_now().await;
            }
            engine.stopper().stop_now();
            engine.shutdown(true).await
        });
        let world = sink.world.lock().unwrap();
        assert_eq!((outcome.end, world.table.len()), (End::Aborted, 4));
        assert_eq!((outcome.returned, world.buried.len()), if replayable { (1, 0) } else { (0, 1) });
        assert_eq!(origin.open.count(), 1);
    }
}

/// The origin of each batch, with its rows.
type Origins = Vec<(Arc<Origin>, Vec<u64>)>;

/// Runs a schedule; what it left, the origin of each batch with its rows, and the rows that nobody took.
fn run(schedule: &Schedule, sink: &Scripted) -> (Outcome, Origins, usize) {
    let settings = EngineSettings {
        workers: if schedule.order == Order::Any { schedule.workers } else { 1 },
        capacity: schedule.capacity,
        batch_rows: schedule.batch_rows,
        high_watermark: schedule.capacity,
        low_watermark: schedule.capacity / 2,
        breaker: BreakerSettings { failure_threshold: 3, half_open_after: Duration::from_secs(5) },
        max_outage: Some(Duration::from_secs(60)),
        idempotent: schedule.idempotent && schedule.replayable,
        overflow: schedule.overflow,
        ..EngineSettings::default()
    };
    let (mut origins, mut refused) = (Origins::new(), 0);
    let outcome = on_paused_clock(async {
        let engine = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())))
            .settings(settings)
            .start();
        let (stopper, world) = (engine.stopper(), sink.world.clone());
        let (full_at, down_at, stopped_at) = (schedule.full_at, schedule.down_at, schedule.stopped_at);
        let after = |at: u64| tokio::time::sleep(Duration::from_millis(at));
        tokio::spawn(async move {
            tokio::join!(
                async {
                    if let Some(at) = full_at {
                        after(at).await;
                        world.lock().unwrap().full = true;
                    }
                },
                async {
                    if let Some(at) = down_at {
                        after(at).await;
                        world.lock().unwrap().down_for = u64::MAX;
                    }
                },
                async {
                    if let Some(at) = stopped_at {
                        after(at).await;
                        stopper.stop_now();
                    }
                },
            )
        });
        let (mut at, mut cuts) = (0, schedule.cuts.iter().cycle());
        while at < schedule.rows.len() {
            let end = (at + cuts.next().copied().unwrap_or(1)).min(schedule.rows.len());
            let row = |at: usize| {
                let (key, bad) = schedule.rows[at];
                Row { key, value: at as i64, bad }
            };
            let rows: Vec<Row> = (at..end).map(row).collect();
            let mut rows = batch(&rows, at as u64 + 1, schedule.replayable);
            rows.order = schedule.order;
            if schedule.order != Order::Any {
                rows.identities.iter_mut().for_each(|identity| *identity &= !63);
            }
            origins.push((rows.origin.clone(), rows.rows.clone()));
            match engine.submit(rows).await {
                Ok(()) => {}
                Err(SubmitError::Stopped) => break,
                // As the pipeline does.
                Err(SubmitError::Full(back)) => {
                    let full = Arc::new(Reason::new("full", "full"));
                    let reject = |row| json_row::reject_of(&back, row, Stage::Overflow, full.clone());
                    if engine.reject((0..back.len()).map(reject).collect()).await.is_err() {
                        back.origin.open.open(back.len() as u64);
                        refused += back.len();
                    }
                }
            }
            // Between batches time passes.
            after(700).await;
            at = end;
        }
        engine.shutdown(true).await
    });
    (outcome, origins, refused)
}

fn check(schedule: &Schedule) {
    let sink =
        Scripted { lazy: schedule.lazy, ..Scripted::new(schedule.seed, schedule.chances, schedule.pointing) };
    let sink = Scripted { delay: Duration::from_millis(400), depends: schedule.depends, ..sink };
    let (outcome, origins, refused) = run(schedule, &sink);
    let mut world = sink.world.lock().unwrap();
    // What is only in the store's memory is not stored.
    world.crash();
    let buried: HashSet<u64> = world.buried.iter().map(|(row, _)| *row).collect();
    // A later row of its key has taken its place.
    let is_stored =
        |at: i64| world.table.get(&schedule.rows[at as usize].0).is_some_and(|value| *value >= at);
    let is_there = |row: &&u64| buried.contains(row) || is_stored(**row as i64 - 1);
    for (origin, rows) in &origins {
        let (open, nowhere) = (origin.open.count(), rows.iter().filter(|row| !is_there(row)).count() as u64);
        assert!((nowhere..=rows.len() as u64).contains(&open), "{open} open, {nowhere} nowhere: {outcome:?}");
        if outcome.end == End::Drained && refused == 0 {
            assert_eq!(open, 0, "{outcome:?}");
        }
    }
}

#[test]
fn a_row_that_is_neither_stored_nor_in_the_dead_letters_is_never_acknowledged() {
    silence_scripted_panics();
    proptest::test_runner::TestRunner::new(cases(1_000))
        .run(&schedules(), |schedule| {
            check(&schedule);
            Ok(())
        })
        .unwrap();
}
