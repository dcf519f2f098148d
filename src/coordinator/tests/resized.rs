//! Lanes that change hands.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::on_paused_clock;
use super::scripted::{Chances, Graves, Pointing, Row, Scripted, batch};
use crate::coordinator::pool::{Resized, resize};
use crate::coordinator::queue::{BoundedQueue, Bounds};
use crate::coordinator::{End, SLOTS, WriteCoordinator, slot_of, worker_of};
use crate::settings::EngineSettings;

const BOUNDS: Bounds = Bounds { rows: 1_000, bytes: usize::MAX, high: 800, low: 500 };

fn rows(keys: std::ops::Range<i64>) -> Vec<Row> {
    keys.map(|key| Row { key, value: key, bad: false }).collect()
}

async fn taken(queue: &BoundedQueue, worker: usize) -> Vec<crate::coordinator::lanes::Portion> {
    let taken = queue.claim(worker, 1_000, usize::MAX, Duration::ZERO, false);
    tokio::time::timeout(Duration::from_secs(1), taken)
        .await
        .unwrap_or(Ok(Some(Vec::new())))
        .unwrap()
        .unwrap()
}

#[test]
fn what_waits_is_dealt_anew_in_its_order() {
    on_paused_clock(async {
        let queue = BoundedQueue::of(2, 5, BOUNDS);
        for start in [0, 100, 200] {
            queue.try_push(batch(&rows(start..start + 100), start as u64 + 1, false)).unwrap();
        }
        for workers in [5, 1, 3] {
            assert!(queue.rearrange(workers, Duration::ZERO).await);
            assert_eq!((queue.active(), queue.depth()), (workers, 300));
        }
        let mut seen = 0;
        for worker in 0..3 {
            let portions = taken(&queue, worker).await;
            assert!(portions.is_sorted_by_key(|portion| portion.sequence), "{worker}");
            assert_eq!(portions.len(), 3, "a portion of each batch");
            for portion in &portions {
                assert!(portion.rows.is_sorted(), "{worker}");
                let own =
                    |row: &u32| worker_of(slot_of(portion.batch.identities[*row as usize]), 3) == worker;
                assert!(portion.rows.iter().all(own), "{worker}");
                seen += portion.rows.len();
            }
        }
        assert_eq!(seen, 300);
        // Nobody gets rows any more who is not one of them.
        assert!(matches!(queue.claim(4, 10, 10, Duration::ZERO, false).await, Ok(None)));
    });
}

#[test]
fn nothing_changes_hands_while_something_is_under_way() {
    on_paused_clock(async {
        let queue = Arc::new(BoundedQueue::of(1, 4, BOUNDS));
        queue.try_push(batch(&rows(0..10), 1, false)).unwrap();
        let under_way = taken(&queue, 0).await;
        queue.try_push(batch(&rows(10..20), 11, false)).unwrap();
        assert!(!queue.rearrange(4, Duration::from_millis(50)).await, "ten rows are being written");
        assert_eq!(queue.active(), 1);
        // It is handed out again, after that.
        let later = taken(&queue, 0).await;
        assert_eq!(later.iter().map(|portion| portion.rows.len()).sum::<usize>(), 10);
        let rearranging = queue.clone();
        let waits = tokio::spawn(async move { rearranging.rearrange(4, Duration::from_secs(60)).await });
        tokio::time::sleep(Duration::from_millis(5)).await;
        // Meanwhile who has something in the air is asked to bring it down, and others wait.
        assert!(queue.claim(0, 10, 10, Duration::ZERO, true).await.is_err());
        assert!(queue.is_short(0, 10, 10, Duration::ZERO));
        for portion in under_way.iter().chain(&later) {
            assert!(!waits.is_finished());
            queue.settle(portion.rows.len(), portion.bytes());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(waits.await.unwrap());
        assert_eq!(queue.active(), 4);
        // Rows that are held back stay with who holds them.
        queue.hold(1);
        assert!(!queue.rearrange(2, Duration::ZERO).await);
        queue.hold(0);
        queue.close();
        assert!(!queue.rearrange(2, Duration::ZERO).await, "the end is no time for it");
    });
}

#[test]
fn a_pool_grows_and_shrinks_under_a_load() {
    let delay = Duration::from_millis(20);
    let sink = Scripted { delay, ..Scripted::new(7, Chances::default(), Pointing::Silent) };
    on_paused_clock(async {
        let builder = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
        let settings = EngineSettings {
            workers: 2,
            up_to: Some(6),
            capacity: 400,
            batch_rows: 20,
            ..EngineSettings::default()
        };
        let engine = builder.settings(settings).by_hand().start();
        let (shared, mut added) = (engine.engine.clone(), JoinSet::new());
        let mut at = 0;
        for size in [6, 1, 3, 2, 5] {
            for _ in 0..5 {
                engine.submit(batch(&rows(at..at + 100), at as u64 + 1, false)).await.unwrap();
                at += 100;
            }
            assert_eq!(resize(&shared, size, &mut added).await, Resized::Done, "{size}");
            tokio::time::sleep(Duration::from_millis(1)).await;
            let health = engine.health();
            assert_eq!((shared.queue.active(), health.workers_alive), (size, size));
        }
        shared.queue.close();
        while added.join_next().await.is_some() {}
        let outcome = engine.shutdown(true).await;
        assert_eq!(outcome.end, End::Drained);
    });
    let world = sink.world.lock().unwrap();
    assert_eq!(world.table.len(), 2_500);
    assert!(world.serials.len() <= SLOTS);
}

#[test]
fn by_itself_it_grows_where_the_store_is_slow_to_answer() {
    let delay = Duration::from_millis(50);
    let sink = Scripted { delay, ..Scripted::new(7, Chances::default(), Pointing::Silent) };
    let most = on_paused_clock(async {
        let builder = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
        let settings = EngineSettings {
            workers: 2,
            up_to: Some(16),
            capacity: 4_000,
            batch_rows: 20,
            ..EngineSettings::default()
        };
        let engine = builder.settings(settings).start();
        let mut most = 0;
        for at in 0..600 {
            let at = at * 100;
            engine.submit(batch(&rows(at..at + 100), at as u64 + 1, false)).await.unwrap();
            most = most.max(engine.health().workers_alive);
        }
        assert_eq!(engine.shutdown(true).await.end, End::Drained);
        most
    });
    assert!(most >= 12, "{most}");
    assert_eq!(sink.world.lock().unwrap().table.len(), 60_000);
}
