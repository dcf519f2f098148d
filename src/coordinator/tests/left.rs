//! Refused rows while the dead-letter queue takes nothing: the good rows are stored all the same, and a run
//! that comes back finds the refused ones in front of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::scripted::{Chances, Graves, Ledger, Pointing, Row, Scripted, batch};
use super::{cases, on_paused_clock, silence_scripted_panics};
use crate::batch::{Reason, Reject, RejectedData, Stage};
use crate::coordinator::{End, Outcome, WriteCoordinator, slot_of};
use crate::port::Trouble;
use crate::port::runs::Checkpoints;
use crate::settings::{BreakerSettings, EngineSettings, OnConflict, RetrySettings};

/// A row of a file: it goes to the store, good or bad, or no row can be made of it.
#[derive(Debug, Clone, Copy)]
struct Line {
    row: Row,
    broken: bool,
}

#[derive(Debug, Clone)]
struct Schedule {
    lines: Vec<Line>,
    cuts: Vec<usize>,
    workers: usize,
    batch_rows: usize,
    seed: u64,
    chances: Chances,
    lazy: bool,
    pointing: Pointing,
    skip: bool,
    idempotent: bool,
}

/// Loads what lies behind the marks, as a resume does.
fn load(schedule: &Schedule, sink: &Scripted, books: &Arc<Ledger>) -> Outcome {
    let settings = EngineSettings {
        workers: schedule.workers,
        batch_rows: schedule.batch_rows,
        breaker: BreakerSettings { failure_threshold: 3, half_open_after: Duration::from_secs(5) },
        on_conflict: if schedule.skip { OnConflict::Skip } else { OnConflict::Update },
        max_outage: Some(Duration::from_secs(600)),
        idempotent: schedule.idempotent,
        ..EngineSettings::default()
    };
    let done = Checkpoints::new(sink.world.lock().unwrap().marks.clone());
    // The sessions of before are gone, and their serials with them.
    let mut world = sink.world.lock().unwrap();
    (world.ledger, world.serials) = Default::default();
    drop(world);
    on_paused_clock(async {
        let engine = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())))
            .settings(settings)
            .observer(books.clone())
            .start();
        let (mut at, mut cuts) = (0, schedule.cuts.iter().cycle());
        'reading: while at < schedule.lines.len() {
            let end = (at + cuts.next().copied().unwrap_or(1)).min(schedule.lines.len());
            let lines = (at..end).map(|at| (at as u64 + 1, schedule.lines[at]));
            at = end;
            let whole: Vec<Row> = lines.clone().map(|(_, line)| line.row).collect();
            let all = batch(&whole, at as u64 + 1 - whole.len() as u64, true);
            let good: Vec<u32> = lines
                .clone()
                .enumerate()
                .filter(|(place, (ordinal, line))| {
                    !line.broken && *ordinal > done.of(slot_of(all.identities[*place]))
                })
                .map(|(place, _)| place as u32)
                .collect();
            let rejects: Vec<Reject> = lines
                .filter(|(ordinal, line)| line.broken && *ordinal > done.highest())
                .map(|(row, _)| Reject {
                    stage: Stage::Validate,
                    reason: Arc::new(Reason::new("x", "x")),
                    origin: all.origin.clone(),
                    row,
                    remains: RejectedData::Raw(Vec::new()),
                    reading: None,
                    attempts: 1,
                })
                .collect();
            while let Err(error) = engine.reject(rejects.clone()).await {
                if !sink.world.lock().unwrap().full {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                } else if engine.leave(&rejects, &error) {
                    break;
                } else {
                    break 'reading;
                }
            }
            if !good.is_empty() && engine.submit(all.only(&good).unwrap()).await.is_err() {
                break;
            }
        }
        engine.shutdown(true).await
    })
}

/// Of each key the value that all good rows leave.
fn model(schedule: &Schedule) -> BTreeMap<i64, i64> {
    let good = schedule.lines.iter().filter(|line| !line.broken && !line.row.bad);
    good.map(|line| (line.row.key, line.row.value)).collect()
}

fn check(schedule: &Schedule) {
    let sink = Scripted::new(schedule.seed, schedule.chances, schedule.pointing);
    let sink = Scripted { lazy: schedule.lazy, ..sink };
    let books = Arc::new(Ledger::default());
    sink.world.lock().unwrap().full = true;
    let first = load(schedule, &sink, &books);
    let table = || sink.world.lock().unwrap().table.clone();
    let refused = |line: &&Line| line.broken || line.row.bad;
    let any = schedule.lines.iter().any(|line| refused(&line));
    match &first.end {
        // A crash of the store just when the queue is given up may end the run as any outage does.
        End::GaveUp(Some(Trouble::Store(_))) => assert!(schedule.chances.crash > 0),
        End::GaveUp(_) if schedule.idempotent => {
            assert!(any && first.left.is_some(), "{first:?}");
            assert_eq!(table(), model(schedule), "good rows are not held up: {first:?}");
        }
        End::Drained => assert!(first.left.is_none()),
        _ => assert!(!schedule.idempotent && first.left.is_none(), "{first:?}"),
    }
    assert!(sink.world.lock().unwrap().buried.is_empty());
    sink.world.lock().unwrap().full = false;
    let second = load(schedule, &sink, &books);
    assert_eq!(second.end, End::Drained);
    assert_eq!(table(), model(schedule));
    let buried: Vec<u64> = sink.world.lock().unwrap().buried.iter().map(|(row, _)| *row).collect();
    let once: BTreeSet<u64> = buried.iter().copied().collect();
    if schedule.chances.lost_after_commit + schedule.chances.lost_before_commit + schedule.chances.crash == 0
    {
        assert_eq!(once.len(), buried.len(), "a row is buried twice");
    }
    for (at, line) in schedule.lines.iter().enumerate() {
        let later =
            schedule.lines[at + 1..].iter().any(|later| !later.broken && later.row.key == line.row.key);
        let is_there = once.contains(&(at as u64 + 1));
        assert!(!is_there || refused(&line), "{at} is good");
        // One that a later row of its key supersedes need not be tried.
        assert!(is_there || !refused(&line) || !line.broken && later, "{at} is nowhere");
    }
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let line = (0i64..30, 0u32..100, any::<bool>());
    let sizes = (prop::collection::vec(1usize..30, 1..6), 1usize..=8, 1usize..40);
    let chance = |most: u64| prop_oneof![2 => Just(0u64), 1 => 1..most];
    let chances = (chance(60), chance(60), chance(60), chance(40));
    let pointing = prop_oneof![Just(Pointing::Silent), Just(Pointing::First), Just(Pointing::Refusing)];
    (prop::collection::vec(line, 1..80), 0u32..30, sizes, any::<(u64, bool)>(), chances, pointing).prop_map(
        |(lines, bad, (cuts, workers, batch_rows), (seed, lazy), chances, pointing)| {
            let (transient, lost_before_commit, lost_after_commit, crash) = chances;
            let line = |(value, (key, roll, broken)): (usize, (i64, u32, bool))| {
                let refused = roll < bad;
                let row = Row { key, value: value as i64, bad: refused && !broken };
                Line { row, broken: refused && broken }
            };
            Schedule {
                lines: lines.into_iter().enumerate().map(line).collect(),
                cuts,
                workers,
                batch_rows,
                seed,
                chances: Chances {
                    transient,
                    lost_before_commit,
                    lost_after_commit,
                    crash,
                    ..Chances::default()
                },
                lazy,
                pointing,
                skip: false,
                idempotent: true,
            }
        },
    )
}

#[test]
fn good_rows_are_stored_and_refused_ones_come_back_without_room_for_them() {
    silence_scripted_panics();
    proptest::test_runner::TestRunner::new(cases(400))
        .run(&schedules(), |schedule| {
            check(&schedule);
            Ok(())
        })
        .unwrap();
}

/// A store that goes away for a moment, just when the dead-letter queue has been waited for long enough, is
/// waited for as long as any.
#[test]
fn a_store_that_goes_away_late_in_an_outage_of_the_dead_letters_keeps_no_good_row_out() {
    let sink = Scripted::new(7, Chances::default(), Pointing::First);
    sink.world.lock().unwrap().full = true;
    let rows: Vec<Row> = (0..60).map(|key| Row { key, value: key, bad: key == 30 }).collect();
    let outcome = on_paused_clock(async {
        let settings = EngineSettings {
            max_outage: Some(Duration::from_secs(60)),
            idempotent: true,
            workers: 1,
            ..EngineSettings::default()
        };
        let builder = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
        let engine = builder.settings(settings).start();
        engine.submit(batch(&rows, 1, true)).await.unwrap();
        let away = async {
            tokio::time::sleep(Duration::from_millis(59_999)).await;
            sink.world.lock().unwrap().down_for = 4;
        };
        tokio::join!(engine.shutdown(true), away).0
    });
    assert!(matches!(outcome.end, End::GaveUp(Some(Trouble::DeadLetters(_)))), "{outcome:?}");
    let world = sink.world.lock().unwrap();
    assert_eq!((world.down_for, world.table.len()), (0, 59), "{outcome:?}");
    assert!(outcome.left.is_some() && world.buried.is_empty(), "{outcome:?}");
}

/// A worker that finds other sessions in its way before an outage of the dead letters and after it has not had
/// them in its way for as long as that.
#[test]
fn other_sessions_are_not_in_the_way_while_the_dead_letters_are_waited_for() {
    for worker in [0, 1] {
        let sink = Scripted::new(7, Chances::default(), Pointing::First);
        {
            let mut world = sink.world.lock().unwrap();
            world.full = true;
            world.in_the_way.insert(worker);
        }
        let rows: Vec<Row> = (0..60).map(|key| Row { key, value: key, bad: key == 30 }).collect();
        let outcome = on_paused_clock(async {
            let delay = Duration::from_secs(30);
            let settings = EngineSettings {
                max_outage: Some(Duration::from_secs(600)),
                idempotent: true,
                workers: 2,
                retry: RetrySettings {
                    initial_backoff: delay,
                    max_backoff: delay,
                    ..RetrySettings::default()
                },
                ..EngineSettings::default()
            };
            let builder = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
            let engine = builder.settings(settings).start();
            engine.submit(batch(&rows, 1, true)).await.unwrap();
            let away = async {
                tokio::time::sleep(Duration::from_secs(10)).await;
                sink.world.lock().unwrap().in_the_way.clear();
                tokio::time::sleep(Duration::from_secs(585)).await;
                sink.world.lock().unwrap().in_the_way.insert(worker);
                tokio::time::sleep(Duration::from_secs(60)).await;
                sink.world.lock().unwrap().in_the_way.clear();
            };
            tokio::join!(engine.shutdown(true), away).0
        });
        assert!(matches!(outcome.end, End::GaveUp(Some(Trouble::DeadLetters(_)))), "{worker} {outcome:?}");
        assert_eq!(sink.world.lock().unwrap().table.len(), 59, "{worker} {outcome:?}");
    }
}

/// Where rows that are written again would be there twice, no row behind a refused one is settled.
#[test]
fn without_a_key_rows_behind_refused_ones_are_given_back() {
    for broken in [true, false] {
        for workers in [1, 4] {
            let line = |at: i64| {
                let refused = at == 30;
                Line { row: Row { key: at, value: at, bad: refused && !broken }, broken: refused && broken }
            };
            let schedule = Schedule {
                lines: (0..60).map(line).collect(),
                cuts: vec![10],
                workers,
                batch_rows: 5,
                seed: 7,
                chances: Chances::default(),
                lazy: false,
                pointing: Pointing::First,
                skip: true,
                idempotent: false,
            };
            let sink = Scripted::new(7, Chances::default(), Pointing::First);
            sink.world.lock().unwrap().full = true;
            let first = load(&schedule, &sink, &Arc::default());
            assert!(first.left.is_none() && matches!(first.end, End::GaveUp(_) | End::Drained), "{first:?}");
            let (before, writes) = {
                let mut world = sink.world.lock().unwrap();
                world.full = false;
                (world.table.len(), world.table.clone())
            };
            assert!(before < 59, "{before}");
            let books = Arc::new(Ledger::default());
            assert_eq!(load(&schedule, &sink, &books).end, End::Drained);
            let world = sink.world.lock().unwrap();
            // Each was written in one of the two runs only.
            assert_eq!(books.0.lock().unwrap().stored as usize + writes.len(), 59);
            assert_eq!((world.table.len(), world.buried.len()), (59, 1));
        }
    }
}
