//! A submission that is dropped before it has returned: what is in the queue is stored, and the rest is the
//! caller's.

use std::sync::Arc;
use std::time::Duration;

use super::on_paused_clock;
use super::scripted::{Chances, Graves, Pointing, Row, Scripted, batch};
use crate::coordinator::{End, WriteCoordinator};
use crate::settings::EngineSettings;

#[test]
fn of_a_cancelled_submission_whole_pieces_are_stored_from_the_front_and_the_next_goes_in() {
    // A batch that fits waits whole; a larger one goes in by pieces of half the capacity.
    for (count, whole) in [(1000, false), (60, true)] {
        for patience in [50, 150, 250, 350] {
            let delay = Duration::from_millis(100);
            let sink = Scripted { delay, ..Scripted::new(7, Chances::default(), Pointing::Silent) };
            let rows = |from: i64, count: i64| -> Vec<Row> {
                (from..from + count).map(|key| Row { key, value: key, bad: false }).collect()
            };
            on_paused_clock(async {
                let engine =
                    WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())))
                        .settings(EngineSettings {
                            workers: 1,
                            capacity: 100,
                            batch_rows: 20,
                            ..EngineSettings::default()
                        })
                        .start();
                engine.submit(batch(&rows(10_000, 70), 1, true)).await.unwrap();
                let submission = engine.submit(batch(&rows(0, count), 71, true));
                let _ = tokio::time::timeout(Duration::from_millis(patience), submission).await;
                // Nobody stands in the way of the next one.
                engine.submit(batch(&rows(20_000, 70), 2000, true)).await.unwrap();
                let outcome = engine.shutdown(true).await;
                assert_eq!((outcome.end, outcome.returned), (End::Drained, 0));
            });
            let world = sink.world.lock().unwrap();
            let stored: Vec<i64> = world.table.keys().copied().filter(|key| *key < 10_000).collect();
            let others = world.table.len() - stored.len();
            assert_eq!((others, world.buried.len()), (140, 0), "{count} rows, {patience} ms");
            assert_eq!(stored, (0..stored.len() as i64).collect::<Vec<_>>(), "from the front");
            let piece = if whole { count as usize } else { 50 };
            assert_eq!(stored.len() % piece, 0, "{count} rows, {patience} ms: {} stored", stored.len());
            assert!(whole || stored.len() < 1000, "it was cancelled");
        }
    }
}
