//! Who is to blame for an error that may be everybody's, and for a panic.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::scripted::{Chances, Graves, Pointing, Row, Scripted, batch};
use super::{on_paused_clock, silence_scripted_panics};
use crate::coordinator::{End, WriteCoordinator};
use crate::port::TransientKind;
use crate::settings::EngineSettings;

/// Loads rows, those bad whose key is; returns how the run ended.
fn load(sink: &Scripted, count: i64, bad: impl Fn(i64) -> bool) -> End {
    let rows: Vec<Row> = (0..count).map(|key| Row { key, value: key, bad: bad(key) }).collect();
    on_paused_clock(async {
        let settings = EngineSettings { workers: 1, ..EngineSettings::default() };
        let builder = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
        let engine = builder.settings(settings).start();
        engine.submit(batch(&rows, 1, true)).await.unwrap();
        engine.shutdown(true).await.end
    })
}

fn sink() -> Scripted {
    Scripted::new(7, Chances::default(), Pointing::Silent)
}

fn kept(sink: &Scripted) -> (usize, Vec<u64>) {
    let world = sink.world.lock().unwrap();
    (world.table.len(), world.buried.iter().map(|(row, _)| *row).collect())
}

#[test]
fn an_error_that_may_be_everybodys_costs_the_rows_it_is_about_where_others_go_through() {
    for count in [3, 20, 5_000] {
        let sink = Scripted { doubtful: Some(true), ..sink() };
        // The first hundred of many, so that what comes first tells nothing.
        let bad = |key| if count == 5_000 { key < 100 } else { key == 1 };
        assert_eq!(load(&sink, count, bad), End::Drained, "{count}");
        let (stored, mut buried) = kept(&sink);
        buried.sort_unstable();
        let expected: Vec<u64> = (0..count).filter(|key| bad(*key)).map(|key| key as u64 + 1).collect();
        assert_eq!((stored, buried), (count as usize - expected.len(), expected), "{count}");
    }
}

#[test]
fn an_error_of_all_rows_that_comes_without_rows_too_ends_the_run() {
    for count in [1, 3, 5_000] {
        let sink = Scripted { doubtful: Some(true), ..sink() };
        assert!(matches!(load(&sink, count, |_| true), End::Failed(reason) if reason.code == "check"));
        assert_eq!(kept(&sink), (0, Vec::new()));
        assert!(sink.world.lock().unwrap().writes < 300, "told after a few");
    }
}

#[test]
fn a_few_rows_that_all_fail_are_to_blame_where_the_statements_alone_go_through() {
    let sink = Scripted { doubtful: Some(false), ..sink() };
    assert_eq!(load(&sink, 3, |_| true), End::Drained);
    assert_eq!(kept(&sink), (0, vec![1, 2, 3]));
}

#[test]
fn rows_that_take_too_long_are_dead_where_others_go_through_and_a_slow_store_is_waited_for() {
    let slow = || Scripted { doubtful: Some(false), passing: Some(TransientKind::Timeout), ..sink() };
    for (count, each) in [(2, 2), (60, 60), (1_000, 20)] {
        let sink = slow();
        assert_eq!(load(&sink, count, |key| key % each == 1), End::Drained, "{count}");
        let (stored, buried) = kept(&sink);
        let dead = (0..count).filter(|key| key % each == 1).count();
        assert_eq!((stored, buried.len()), (count as usize - dead, dead), "{count}");
    }
    // All of them, or all but a few.
    let most: [fn(i64) -> bool; 2] = [|_| true, |key| key % 3 != 0];
    for bad in most {
        let sink = slow();
        let rows: Vec<Row> = (0..1_000).map(|key| Row { key, value: key, bad: bad(key) }).collect();
        let end = on_paused_clock(async {
            let max_outage = Some(Duration::from_secs(60));
            let settings = EngineSettings { workers: 1, max_outage, ..EngineSettings::default() };
            let builder = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
            let engine = builder.settings(settings).start();
            engine.submit(batch(&rows, 1, true)).await.unwrap();
            engine.shutdown(true).await.end
        });
        assert!(matches!(end, End::GaveUp(_)), "{end:?}");
        assert_eq!(kept(&sink), (0, Vec::new()));
    }
}

#[test]
fn a_row_that_the_writer_panics_over_is_dead_and_the_others_are_stored() {
    silence_scripted_panics();
    let sink = Scripted { panics: vec![40, 41, 700], ..sink() };
    assert_eq!(load(&sink, 1_000, |_| false), End::Drained);
    let (stored, mut buried) = kept(&sink);
    buried.sort_unstable();
    assert_eq!((stored, buried), (997, vec![41, 42, 701]));
}

#[test]
fn a_writer_that_panics_over_every_row_ends_the_run() {
    silence_scripted_panics();
    let sink = Scripted { panics: (0..200).collect(), ..sink() };
    assert!(matches!(load(&sink, 200, |_| false), End::Failed(reason) if reason.code == "panic"));
    assert_eq!(kept(&sink).0, 0);
}

#[test]
fn parts_of_a_divided_transaction_are_not_taken_for_committed_since_later_ones_are() {
    for seed in 1..40 {
        let chances = Chances { lost_before_commit: 400, ..Chances::default() };
        let sink = Scripted { most_rows: 8, ..Scripted::new(seed, chances, Pointing::Silent) };
        assert_eq!(load(&sink, 300, |_| false), End::Drained, "{seed}");
        assert_eq!(kept(&sink), (300, Vec::new()), "{seed}");
    }
}

/// Loads with that many workers, and tells how it ended and after how long.
fn load_timed(sink: &Scripted, count: i64, workers: usize, most: Option<Duration>) -> (End, Duration) {
    let rows: Vec<Row> = (0..count).map(|key| Row { key, value: key, bad: false }).collect();
    on_paused_clock(async {
        let began = tokio::time::Instant::now();
        let settings = EngineSettings { workers, max_outage: most, ..EngineSettings::default() };
        let builder = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
        let engine = builder.settings(settings).start();
        engine.submit(batch(&rows, 1, true)).await.unwrap();
        let end = engine.shutdown(true).await.end;
        (end, began.elapsed())
    })
}

#[test]
fn a_row_that_ends_its_session_each_time_is_dead_alone_within_seconds() {
    for (count, workers, drops) in [
        (10_000, 1, vec![0]),
        (10_000, 2, vec![9_999]),
        (10_000, 4, vec![17, 18, 19, 4_000]),
        (2, 1, vec![1]),
        (1, 1, vec![0]),
    ] {
        let sink = Scripted { drops: drops.clone(), ..sink() };
        let (end, took) = load_timed(&sink, count, workers, Some(Duration::from_secs(60)));
        assert_eq!(end, End::Drained, "{drops:?}");
        let (stored, mut buried) = kept(&sink);
        buried.sort_unstable();
        let dead: Vec<u64> = drops.iter().map(|value| *value as u64 + 1).collect();
        assert_eq!((stored, buried), (count as usize - dead.len(), dead), "{drops:?}");
        assert!(took < Duration::from_secs(10), "{drops:?}: {took:?}");
    }
}

#[test]
fn a_store_that_ends_every_session_over_rows_is_waited_for() {
    // For good.
    for count in [2, 1_000] {
        let sink = sink();
        sink.drops_all.store(true, std::sync::atomic::Ordering::Relaxed);
        let (end, _) = load_timed(&sink, count, 2, Some(Duration::from_secs(60)));
        assert!(matches!(end, End::GaveUp(_)), "{end:?}");
        assert_eq!(kept(&sink), (0, Vec::new()));
    }
    // Until it is well again.
    let sink = sink();
    sink.drops_all.store(true, std::sync::atomic::Ordering::Relaxed);
    let rows: Vec<Row> = (0..1_000).map(|key| Row { key, value: key, bad: false }).collect();
    on_paused_clock(async {
        let builder = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
        let engine = builder.settings(EngineSettings { workers: 2, ..EngineSettings::default() }).start();
        engine.submit(batch(&rows, 1, true)).await.unwrap();
        let well = async {
            tokio::time::sleep(Duration::from_secs(300)).await;
            sink.drops_all.store(false, std::sync::atomic::Ordering::Relaxed);
        };
        let (outcome, ()) = tokio::join!(engine.shutdown(true), well);
        assert_eq!(outcome.end, End::Drained);
    });
    assert_eq!(kept(&sink), (1_000, Vec::new()));
}

/// What a crash has undone is written again like anything else: in parts, and without the row at fault.
#[test]
fn a_row_at_fault_in_what_a_crash_has_undone_is_dead_alone() {
    for (slow_later, apart_later) in [(vec![3], vec![]), (vec![], vec![3]), (vec![5], vec![3])] {
        let mut undone = 0;
        for (seed, workers) in (1..20).flat_map(|seed| [(seed, 1), (seed, 2)]) {
            let sink = Scripted::new(seed, Chances::default(), Pointing::First);
            let (slow_later, apart_later) = (slow_later.clone(), apart_later.clone());
            let lost_after_commit = 40 * (seed % 2);
            let chances = Chances { lost_after_commit, ..Chances::default() };
            let sink = Scripted { lazy: true, crash_at: 1, slow_later, apart_later, chances, ..sink };
            let settings = EngineSettings {
                workers,
                batch_rows: 10,
                max_outage: Some(Duration::from_secs(600)),
                ..EngineSettings::default()
            };
            let rows: Vec<Row> = (0..100).map(|key| Row { key, value: key, bad: false }).collect();
            let end = on_paused_clock(async {
                let builder =
                    WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
                let engine = builder.settings(settings).start();
                engine.submit(batch(&rows, 1, true)).await.unwrap();
                engine.shutdown(true).await.end
            });
            assert_eq!(end, End::Drained, "{seed}");
            let world = sink.world.lock().unwrap();
            let at_fault: BTreeSet<i64> = sink.slow_later.iter().chain(&sink.apart_later).copied().collect();
            let buried: BTreeSet<i64> = world.buried.iter().map(|(row, _)| *row as i64 - 1).collect();
            assert!(buried.is_subset(&at_fault), "{seed}: {buried:?}");
            let there: BTreeSet<i64> = world.table.keys().copied().chain(buried.iter().copied()).collect();
            assert!(there.iter().copied().eq(0..100), "{seed}: {there:?}");
            undone += buried.len();
        }
        assert!(undone > 0);
    }
}

/// The row before another one of its key has not been slow when that was.
#[test]
fn a_row_that_takes_the_place_of_a_slow_one_is_tried_twice_as_well() {
    let slow = Arc::new(std::sync::Mutex::new([(10, 1), (11, 1)].into()));
    let sink = Scripted { slow, ..Scripted::new(7, Chances::default(), Pointing::First) };
    let row = |value: i64| Row { key: value.max(1_010), value, bad: value == 11 };
    let rows: Vec<Row> = [10, 11].into_iter().chain(2_000..3_000).map(row).collect();
    let end = on_paused_clock(async {
        let builder = WriteCoordinator::builder(Arc::new(sink.clone()), Arc::new(Graves(sink.clone())));
        let engine = builder.settings(EngineSettings { workers: 1, ..EngineSettings::default() }).start();
        engine.submit(batch(&rows, 1, true)).await.unwrap();
        engine.shutdown(true).await.end
    });
    assert_eq!((end, kept(&sink)), (End::Drained, (1_001, vec![2])));
}
