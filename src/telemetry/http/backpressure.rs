//! How full the queue is, in the words of those upstream.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::port::{Circuit, Level};
use crate::telemetry::snapshot::QueueView;

/// The state of a queue. Field names and their order are a promise to those upstream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pressure {
    /// Whose queue it is: `coord_id` of the metrics.
    #[serde(serialize_with = "as_text")]
    pub coord_id: Arc<str>,
    /// `ok`, `soft` or `hard`.
    pub level: &'static str,
    /// Share of the capacity that is taken, 0 to 1.
    pub utilisation: f64,
    /// Rows waiting or being written.
    pub queue: u64,
    /// Rows that fit.
    pub capacity: u64,
    /// Where the level changes.
    pub watermarks: Watermarks,
    /// `closed`, `open` or `half-open`.
    pub circuit: &'static str,
    /// When it was so: seconds since 1970, to the millisecond.
    pub ts: f64,
    /// Changes of level or circuit in this run so far; told by gRPC alone.
    #[serde(skip)]
    pub sequence: u64,
}

/// `watermarks` of a [`Pressure`]: rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Watermarks {
    /// At or below it the level is `ok` again.
    pub low: u64,
    /// From here on it is `hard`.
    pub high: u64,
}

/// The pressure as the receiver of feedback gets it, also under the names that the Python system gave to it.
#[derive(Serialize)]
struct PressureReport<'a> {
    #[serde(flatten)]
    pressure: &'a Pressure,
    coordinator_id: &'a str,
    queue_size: u64,
    utilization: f64,
}

impl Pressure {
    /// Of a queue as it is now, behind a circuit in that state.
    pub fn new(coord_id: Arc<str>, queue: &QueueView, circuit: Circuit) -> Self {
        let share = if queue.capacity == 0 { 0.0 } else { queue.depth as f64 / queue.capacity as f64 };
        Self {
            coord_id,
            level: queue.level.as_str(),
            // A batch that is larger than the queue is taken all the same.
            utilisation: (share.min(1.0) * 1e4).round() / 1e4,
            queue: queue.depth,
            capacity: queue.capacity,
            watermarks: Watermarks { low: queue.low_watermark, high: queue.high_watermark },
            circuit: circuit.as_str(),
            ts: now(),
            sequence: 0,
        }
    }

    /// Of a run that has no queue yet.
    pub(super) fn none(coord_id: Arc<str>) -> Self {
        let level = Level::Ok;
        let queue = QueueView { depth: 0, peak: 0, capacity: 0, high_watermark: 0, low_watermark: 0, level };
        Self::new(coord_id, &queue, Circuit::Closed)
    }

    /// As one line of JSON.
    pub fn to_json(&self) -> String {
        // Strings and numbers under fixed names: there is nothing in it that could fail.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// As one line of JSON for the receiver of feedback.
    pub(super) fn to_feedback(&self) -> String {
        let (queue_size, utilization) = (self.queue, self.utilisation);
        let told = PressureReport { pressure: self, coordinator_id: &self.coord_id, queue_size, utilization };
        serde_json::to_string(&told).unwrap_or_else(|_| "{}".to_owned())
    }
}

fn as_text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Seconds since 1970, to the millisecond.
pub(super) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_have_the_promised_fields() {
        let level = Level::Soft;
        let queue = QueueView { depth: 2, peak: 2, capacity: 3, high_watermark: 2, low_watermark: 1, level };
        let pressure = Pressure { ts: 1.5, ..Pressure::new("bars".into(), &queue, Circuit::HalfOpen) };
        insta::assert_snapshot!(pressure.to_json(), @r#"{"coord_id":"bars","level":"soft","utilisation":0.6667,"queue":2,"capacity":3,"watermarks":{"low":1,"high":2},"circuit":"half-open","ts":1.5}"#);
        insta::assert_snapshot!(pressure.to_feedback(), @r#"{"coord_id":"bars","level":"soft","utilisation":0.6667,"queue":2,"capacity":3,"watermarks":{"low":1,"high":2},"circuit":"half-open","ts":1.5,"coordinator_id":"bars","queue_size":2,"utilization":0.6667}"#);
        let none = Pressure::none("x".into());
        assert_eq!((none.utilisation, none.level, none.circuit), (0.0, "ok", "closed"));
        assert!(none.ts > 1.7e9);
    }
}
