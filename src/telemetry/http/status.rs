//! What the page shows: the run as `--json` prints it, and what stands beside it.

use serde_json::{Value, json};

use crate::telemetry::http::LiveRun;
use crate::telemetry::http::history::{History, Point};
use crate::telemetry::result::RunResult;
use crate::telemetry::snapshot::Snapshot;

/// Most kinds of rejects that the page lists.
const MOST_REJECTS: usize = 12;

/// What is sent to the page each second.
pub(super) fn event(live: &LiveRun, (snapshot, run): (&Snapshot, &RunResult), point: Option<Point>) -> Value {
    let (queue, circuit, workers) = (&snapshot.queue, &snapshot.circuit, &snapshot.workers);
    let groups = snapshot.rejects.iter().take(MOST_REJECTS).map(|group| {
        json!({
            "stage": group.stage.as_str(),
            "code": &*group.code,
            "column": group.column.as_deref(),
            "message": &*group.message,
            "rows": group.rows,
        })
    });
    let listed: u64 = snapshot.rejects.iter().take(MOST_REJECTS).map(|group| group.rows).sum();
    json!({
        "run": run,
        "ready": live.ready().err(),
        "queue": {
            "depth": queue.depth,
            "capacity": queue.capacity,
            "high": queue.high_watermark,
            "low": queue.low_watermark,
            "level": queue.level.as_str(),
        },
        "circuit": {
            "state": circuit.state.as_str(),
            "open_s": circuit.open_for.map(|time| time.as_secs()),
            "reason": circuit.reason.as_deref(),
            "for_letters": circuit.for_letters,
            "turns": live.turns().all(),
        },
        "workers": { "alive": workers.alive, "busy": workers.busy },
        "trouble": snapshot.trouble.as_deref(),
        "rejects": groups.collect::<Vec<_>>(),
        "more_rejects": (snapshot.books.rejected + snapshot.books.dropped).saturating_sub(listed),
        "point": point,
    })
}

/// What is sent to it first.
pub(super) fn past(history: &History) -> Value {
    json!({ "points": history.points() })
}
