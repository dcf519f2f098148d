//! Single promises of the engine, one story each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::scripted::{Chances, Graves, Ledger, Pointing, Row, Scripted, batch};
use super::{on_paused_clock, silence_scripted_panics};
use crate::coordinator::queue::{BoundedQueue, Bounds, Depth};
use crate::coordinator::{Builder, End, SubmitError, WriteCoordinator};
use crate::port::{Circuit, Level};
use crate::settings::{EngineSettings, Overflow};

fn rows(count: usize) -> Vec<Row> {
    (0..count).map(|i| Row { key: i as i64, value: i as i64, bad: false }).collect()
}

fn sink() -> Scripted {
    Scripted::new(7, Chances::default(), Pointing::Silent)
}

fn engine(sink: &Scripted) -> Builder<Scripted, Graves> {
    WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())))
}

#[test]
fn a_single_row_on_an_idle_engine_is_written_at_once() {
    let sink = sink();
    on_paused_clock(async {
        let engine = engine(&sink).start();
        engine.submit(batch(&rows(1), 1, false)).await.unwrap();
        // No timer is needed for it: the clock does not move while tasks can run.
        let start = tokio::time::Instant::now();
        while sink.world.lock().unwrap().commits == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(engine.shutdown(true).await.end, End::Drained);
    });
}

#[test]
fn a_busy_worker_grows_its_batches() {
    let sink = Scripted { delay: Duration::from_millis(100), ..sink() };
    on_paused_clock(async {
        let settings = EngineSettings { workers: 1, ..EngineSettings::default() };
        let engine = engine(&sink).settings(settings).start();
        for i in 0..100 {
            engine.submit(batch(&rows(10), i * 10 + 1, false)).await.unwrap();
            tokio::task::yield_now().await;
        }
        engine.shutdown(true).await;
    });
    let world = sink.world.lock().unwrap();
    assert!(world.commits <= 3, "{} transactions", world.commits);
}

#[test]
fn a_stuck_store_counts_as_a_failure_and_the_rows_are_written_after_it() {
    let sink = Scripted { chances: Chances { hang: 500, ..Chances::default() }, ..sink() };
    let books = Arc::new(Ledger::default());
    let end = on_paused_clock(async {
        let engine = engine(&sink).observer(books.clone()).start();
        engine.submit(batch(&rows(500), 1, false)).await.unwrap();
        engine.shutdown(true).await.end
    });
    assert_eq!(end, End::Drained);
    assert_eq!(sink.world.lock().unwrap().table.len(), 500);
    assert!(sink.world.lock().unwrap().buried.is_empty());
    assert!(sink.world.lock().unwrap().faults > 0);
}

#[test]
fn a_transaction_that_is_too_large_is_divided() {
    let sink = Scripted { most_rows: 60, lazy: true, ..sink() };
    let books = Arc::new(Ledger::default());
    let end = on_paused_clock(async {
        let engine = engine(&sink).observer(books.clone()).start();
        engine.submit(batch(&rows(1000), 1, false)).await.unwrap();
        engine.shutdown(true).await.end
    });
    assert_eq!(end, End::Drained);
    let world = sink.world.lock().unwrap();
    assert_eq!((world.table.len(), world.buried.len()), (1000, 0));
    assert_eq!(books.0.lock().unwrap().stored, 1000);
}

#[test]
fn an_outage_opens_the_circuit_and_fills_no_dead_letters() {
    let sink = sink();
    sink.world.lock().unwrap().down_for = 40;
    let books = Arc::new(Ledger::default());
    on_paused_clock(async {
        let engine = engine(&sink).observer(books.clone()).start();
        engine.submit(batch(&rows(100), 1, false)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(engine.health().circuit, Circuit::Open);
        assert_eq!(engine.health().workers_alive, engine.health().workers);
        assert_eq!(engine.shutdown(true).await.end, End::Drained);
    });
    assert_eq!(sink.world.lock().unwrap().table.len(), 100);
    assert!(sink.world.lock().unwrap().buried.is_empty());
    assert!(books.0.lock().unwrap().opened > 0);
}

#[test]
fn a_store_that_never_comes_back_is_given_up_and_a_pipe_loses_nothing() {
    for replayable in [false, true] {
        let sink = sink();
        sink.world.lock().unwrap().down_for = u64::MAX;
        let books = Arc::new(Ledger::default());
        let outcome = on_paused_clock(async {
            let max_outage = Some(Duration::from_secs(60));
            let settings = EngineSettings { max_outage, capacity: 50, ..EngineSettings::default() };
            let engine = engine(&sink).settings(settings).observer(books.clone()).start();
            let start = tokio::time::Instant::now();
            engine.submit(batch(&rows(40), 1, replayable)).await.unwrap();
            // This one waits for room that never comes, and must not be lost in the wait.
            let waiting = engine.submit(batch(&rows(20), 41, replayable)).await;
            assert!(matches!(waiting, Err(SubmitError::Stopped)));
            let outcome = engine.shutdown(true).await;
            assert!(start.elapsed() >= Duration::from_secs(60) && start.elapsed() < Duration::from_secs(75));
            outcome
        });
        assert!(matches!(outcome.end, End::GaveUp(_)), "{outcome:?}");
        let buried = &sink.world.lock().unwrap().buried;
        if replayable {
            assert_eq!((buried.len(), outcome.returned), (0, 60));
        } else {
            assert_eq!((buried.len(), outcome.returned), (60, 0));
            assert!(buried.iter().all(|(_, stage)| *stage == "abort"));
        }
        let sums = books.0.lock().unwrap();
        assert_eq!(sums.buried + sums.returned, 60);
    }
}

#[test]
fn stopping_at_once_keeps_what_a_pipe_gave() {
    let sink = Scripted { delay: Duration::from_secs(10), ..sink() };
    let books = Arc::new(Ledger::default());
    let outcome = on_paused_clock(async {
        let engine = engine(&sink).observer(books.clone()).start();
        let stopper = engine.stopper();
        engine.submit(batch(&rows(100), 1, false)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        stopper.stop_now();
        engine.shutdown(true).await
    });
    assert_eq!(outcome.end, End::Aborted);
    let world = sink.world.lock().unwrap();
    assert_eq!(world.table.len() + world.buried.len(), 100);
}

#[test]
fn the_oldest_rows_are_dropped_into_the_dead_letters() {
    let sink = Scripted { delay: Duration::from_secs(10), ..sink() };
    let books = Arc::new(Ledger::default());
    on_paused_clock(async {
        let settings = EngineSettings {
            workers: 1,
            capacity: 100,
            overflow: Overflow::DropOldest,
            ..EngineSettings::default()
        };
        let engine = engine(&sink).settings(settings).observer(books.clone()).start();
        engine.submit(batch(&rows(10), 1, false)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        for i in 1..15 {
            let start = i * 10;
            let rows: Vec<Row> = (start..start + 10).map(|k| Row { key: k, value: k, bad: false }).collect();
            engine.submit(batch(&rows, start as u64 + 1, true)).await.unwrap();
        }
        assert!(engine.health().queue_size <= 100);
        engine.shutdown(true).await;
    });
    let world = sink.world.lock().unwrap();
    assert_eq!(world.table.len() + world.buried.len(), 150);
    // The first ten were being written; those after them were the oldest that waited.
    let dropped: Vec<u64> = world.buried.iter().map(|(row, _)| *row).collect();
    assert_eq!(dropped, (11..=60).collect::<Vec<u64>>());
    assert!(world.buried.iter().all(|(_, stage)| *stage == "overflow"));
}

#[test]
fn a_full_queue_hands_the_batch_back_where_that_is_asked_for() {
    let sink = Scripted { delay: Duration::from_secs(10), ..sink() };
    on_paused_clock(async {
        let settings =
            EngineSettings { capacity: 10, overflow: Overflow::Error, ..EngineSettings::default() };
        let engine = engine(&sink).settings(settings).start();
        engine.submit(batch(&rows(8), 1, false)).await.unwrap();
        let Err(SubmitError::Full(back)) = engine.submit(batch(&rows(5), 9, false)).await else {
            panic!("full")
        };
        assert_eq!(back.len(), 5);
        engine.shutdown(true).await;
    });
}

#[test]
fn watermarks_fire_once_per_crossing() {
    let sink = Scripted { delay: Duration::from_secs(1), ..sink() };
    let (high, low) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    on_paused_clock(async {
        let settings = EngineSettings {
            workers: 1,
            capacity: 100,
            batch_rows: 10,
            high_watermark: 80,
            low_watermark: 50,
            ..EngineSettings::default()
        };
        let (h, l) = (high.clone(), low.clone());
        let engine = engine(&sink)
            .settings(settings)
            .on_high_watermark(move |depth| {
                assert!(depth >= 80);
                h.fetch_add(1, Ordering::Relaxed);
            })
            .on_low_watermark(move |depth| {
                assert!(depth <= 50);
                l.fetch_add(1, Ordering::Relaxed);
            })
            .start();
        for i in 0..9 {
            engine.submit(batch(&rows(10), i * 10 + 1, false)).await.unwrap();
        }
        assert_eq!((high.load(Ordering::Relaxed), low.load(Ordering::Relaxed)), (1, 0));
        tokio::time::sleep(Duration::from_millis(2500)).await;
        // 70 rows, and up again: between the marks nothing fires.
        engine.submit(batch(&rows(20), 91, false)).await.unwrap();
        assert_eq!((high.load(Ordering::Relaxed), low.load(Ordering::Relaxed)), (1, 0));
        engine.shutdown(true).await;
    });
    assert_eq!((high.load(Ordering::Relaxed), low.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn one_symbol_still_uses_all_workers() {
    let sink = Scripted { delay: Duration::from_secs(1), ..sink() };
    on_paused_clock(async {
        let settings = EngineSettings { workers: 4, ..EngineSettings::default() };
        let engine = engine(&sink).settings(settings).start();
        engine.submit(batch(&rows(1000), 1, false)).await.unwrap();
        let start = tokio::time::Instant::now();
        engine.shutdown(true).await;
        assert_eq!(start.elapsed(), Duration::from_secs(1), "four at once, not one after the other");
    });
    assert_eq!(sink.world.lock().unwrap().commits, 4);
}

/// Rows that come the latest first: of one key the first stays, in a transaction and from one to the
/// next, and where the store refuses it the one after it takes its place.
#[test]
fn the_first_row_of_a_key_wins_where_that_is_asked_for() {
    for pointing in [Pointing::Silent, Pointing::First, Pointing::Refusing] {
        let sink = Scripted { newer_stays: true, pointing, ..sink() };
        let books = Arc::new(Ledger::default());
        let rows: Vec<Row> =
            (0..200).map(|i| Row { key: i % 50, value: i, bad: i < 20 || i == 70 }).collect();
        on_paused_clock(async {
            let settings = EngineSettings { workers: 1, first_wins: true, ..EngineSettings::default() };
            let engine = engine(&sink).settings(settings).observer(books.clone()).start();
            engine.submit(batch(&rows[..120], 1, false)).await.unwrap();
            while sink.world.lock().unwrap().commits == 0 {
                tokio::task::yield_now().await;
            }
            engine.submit(batch(&rows[120..], 121, false)).await.unwrap();
            assert_eq!(engine.shutdown(true).await.end, End::Drained);
        });
        let world = sink.world.lock().unwrap();
        let table: Vec<(i64, i64)> = world.table.iter().map(|(key, value)| (*key, *value)).collect();
        let expected: Vec<(i64, i64)> =
            (0..50).map(|key| (key, if key < 20 { key + 50 } else { key })).collect();
        assert_eq!(table, expected, "{pointing:?}");
        // Row 71 was never tried, since another of its key went before it.
        assert_eq!(world.buried.len(), 20);
        let sums = books.0.lock().unwrap();
        assert_eq!((sums.stored, sums.superseded, sums.newer, sums.buried), (50, 130, 50, 20));
    }
}

#[test]
fn isolation_costs_bad_rows_times_the_logarithm() {
    for (pointing, most) in
        [(Pointing::Silent, 2 * 10 * 14), (Pointing::First, 4 * 10), (Pointing::Refusing, 1)]
    {
        let sink = Scripted { pointing, ..sink() };
        on_paused_clock(async {
            let settings = EngineSettings { workers: 1, ..EngineSettings::default() };
            let engine = engine(&sink).settings(settings).start();
            let mut rows = rows(8192);
            rows.iter_mut().step_by(820).for_each(|r| r.bad = true);
            engine.submit(batch(&rows, 1, false)).await.unwrap();
            engine.shutdown(true).await;
        });
        let world = sink.world.lock().unwrap();
        assert_eq!((world.table.len(), world.buried.len()), (8182, 10));
        assert!(world.writes <= most, "{pointing:?}: {} writes", world.writes);
    }
}

#[test]
fn a_panicking_writer_keeps_its_rows() {
    silence_scripted_panics();
    let sink = Scripted { chances: Chances { panic: 300, ..Chances::default() }, ..sink() };
    on_paused_clock(async {
        let engine = engine(&sink).start();
        engine.submit(batch(&rows(100), 1, false)).await.unwrap();
        let outcome = engine.shutdown(true).await;
        assert_eq!(outcome.end, End::Drained);
    });
    assert_eq!(sink.world.lock().unwrap().table.len(), 100);
    assert!(sink.world.lock().unwrap().faults > 0);
}

#[test]
fn a_commit_in_doubt_is_settled_by_the_ledger() {
    // Every commit is lost after it was made: without the ledger each would be made again.
    let sink = Scripted { chances: Chances { lost_after_commit: 1000, ..Chances::default() }, ..sink() };
    let books = Arc::new(Ledger::default());
    on_paused_clock(async {
        let settings = EngineSettings { workers: 1, batch_rows: 10, ..EngineSettings::default() };
        let engine = engine(&sink).settings(settings).observer(books.clone()).start();
        engine.submit(batch(&rows(100), 1, false)).await.unwrap();
        assert_eq!(engine.shutdown(true).await.end, End::Drained);
    });
    assert_eq!(sink.world.lock().unwrap().commits, 10);
    assert_eq!(books.0.lock().unwrap().stored, 100);
}

#[test]
fn a_queue_without_room_for_the_next_batch_is_as_full_as_it_gets() {
    on_paused_clock(async {
        let queue = BoundedQueue::new(1, Bounds { rows: 10, bytes: usize::MAX, high: 8, low: 5 });
        let some = |count| batch(&rows(count), 0, true);
        let told = std::sync::Mutex::new(Vec::new());
        let note = |depth: Depth| told.lock().unwrap().push((depth.rows, depth.level, depth.crossed));
        queue.push(some(7), note).await.unwrap();
        assert!(told.lock().unwrap().is_empty(), "there was room");
        let mut waits = std::pin::pin!(queue.push(some(6), note));
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut waits).await.is_err());
        assert_eq!(*told.lock().unwrap(), [(7, Some(Level::Hard), Some(true))], "7 of 10, and it waits");
        queue.settle(7, 0);
        let depth = waits.await.unwrap();
        assert_eq!((depth.rows, depth.level), (6, None), "it falls later than it rises");
        let empty = queue.settle(6, 0);
        assert_eq!((empty.level, empty.crossed), (Some(Level::Ok), Some(false)));
        assert_eq!(told.lock().unwrap().len(), 1, "told once");
    });
}

#[test]
fn the_capacity_holds_whatever_the_size_of_a_batch() {
    for overflow in [Overflow::Block, Overflow::DropOldest] {
        let sink = Scripted { delay: Duration::from_millis(100), ..sink() };
        let most = Arc::new(AtomicUsize::new(0));
        on_paused_clock(async {
            let settings = EngineSettings {
                workers: 1,
                capacity: 100,
                batch_rows: 20,
                overflow,
                ..EngineSettings::default()
            };
            let engine = engine(&sink).settings(settings).start();
            let watched = async {
                for round in 0..3 {
                    engine.submit(batch(&rows(1000), round * 1000 + 1, true)).await.unwrap();
                    most.fetch_max(engine.health().queue_size, Ordering::Relaxed);
                }
            };
            let mut watched = Box::pin(watched);
            loop {
                most.fetch_max(engine.health().queue_size, Ordering::Relaxed);
                tokio::select! {
                    () = &mut watched => break,
                    () = tokio::time::sleep(Duration::from_millis(10)) => {}
                }
            }
            drop(watched);
            engine.shutdown(true).await;
        });
        let most = most.load(Ordering::Relaxed);
        assert!((50..=100).contains(&most), "{overflow:?}: {most} rows");
        let world = sink.world.lock().unwrap();
        assert!(overflow != Overflow::Block || world.buried.is_empty());
    }
}

#[test]
fn a_row_waits_for_others_as_long_as_is_said_and_never_for_nothing() {
    let interval = Duration::from_secs(10);
    let settings = || EngineSettings {
        workers: 1,
        batch_rows: 100,
        capacity: 1000,
        flush_interval: interval,
        ..EngineSettings::default()
    };
    // A trickle becomes one transaction, when the first row has waited for long enough.
    let sink1 = sink();
    on_paused_clock(async {
        let engine = engine(&sink1).settings(settings()).start();
        for i in 0..5 {
            engine.submit(batch(&rows(2), i * 2 + 1, false)).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(sink1.world.lock().unwrap().commits, 0);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(sink1.world.lock().unwrap().commits, 1);
        engine.shutdown(true).await;
    });
    // A full batch, a full queue, somebody who waits for the rows, and the end: none waits for the clock.
    let full = |count: usize, capacity: usize, ask: bool, close: bool| {
        let sink = sink();
        on_paused_clock(async {
            let engine = engine(&sink).settings(EngineSettings { capacity, ..settings() }).start();
            let start = tokio::time::Instant::now();
            engine.submit(batch(&rows(count), 1, false)).await.unwrap();
            if ask {
                engine.try_refused_again();
            }
            if close {
                assert_eq!(engine.shutdown(true).await.end, End::Drained);
            } else {
                while sink.world.lock().unwrap().commits == 0 && start.elapsed() < interval {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            start.elapsed()
        })
    };
    for (what, waited) in [
        ("a full batch", full(100, 1000, false, false)),
        ("a full queue", full(300, 50, false, false)),
        ("somebody waits", full(10, 1000, true, false)),
        ("the end", full(10, 1000, false, true)),
    ] {
        assert!(waited < Duration::from_secs(1), "{what}: {waited:?}");
    }
}
