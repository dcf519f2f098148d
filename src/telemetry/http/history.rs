//! What has been in the last minutes, for the page.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::port::Circuit;
use crate::telemetry::http::backpressure::now;

/// Points that are kept, one a second.
const POINTS: usize = 300;
/// Changes of the circuit that are kept.
const TURNS: usize = 200;

/// One second of the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Point {
    /// Its end, in seconds since 1970.
    pub(super) t: f64,
    /// Rows read per second.
    pub(super) rate: f64,
    /// Rows in the queue at its end.
    pub(super) depth: u64,
    /// How long writes took on average, in milliseconds; `null` where none ended.
    pub(super) mean_ms: Option<f64>,
    /// How long the longest took.
    pub(super) max_ms: Option<f64>,
}

/// The last minutes.
#[derive(Debug, Default)]
pub(super) struct History {
    points: VecDeque<Point>,
    /// Rows read, and when that was.
    last: Option<(u64, f64)>,
}

impl History {
    /// Adds a point; none at the first call.
    pub(super) fn add(&mut self, read: u64, depth: u64, lately: &Lately) -> Option<Point> {
        self.add_at(now(), read, depth, lately)
    }

    fn add_at(&mut self, t: f64, read: u64, depth: u64, lately: &Lately) -> Option<Point> {
        let (mean_ms, max_ms) = lately.take().unzip();
        let (before, at) = self.last.replace((read, t))?;
        let seconds = t - at;
        // Rows that are given back are not read any more, and a clock may be set back.
        let rate = if seconds > 0.0 { read.saturating_sub(before) as f64 / seconds } else { 0.0 };
        let point = Point { t, rate: rate.round(), depth, mean_ms, max_ms };
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
        Some(point)
    }

    pub(super) fn points(&self) -> &VecDeque<Point> {
        &self.points
    }
}

/// Latencies since they were asked for last.
#[derive(Debug, Default)]
pub(super) struct Lately {
    count: AtomicU64,
    micros: AtomicU64,
    max: AtomicU64,
}

impl Lately {
    pub(super) fn note(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Relaxed);
        self.max.fetch_max(micros, Relaxed);
        self.count.fetch_add(1, Relaxed);
    }

    /// Mean and longest, in milliseconds. One that is noted meanwhile may be divided between two
    /// answers: it is for the eye.
    fn take(&self) -> Option<(f64, f64)> {
        let (count, micros, max) =
            (self.count.swap(0, Relaxed), self.micros.swap(0, Relaxed), self.max.swap(0, Relaxed));
        let millis = |micros: f64| micros.round() / 1e3;
        (count > 0).then(|| (millis(micros as f64 / count as f64), millis(max as f64)))
    }
}

/// A change of the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Turn {
    /// In seconds since 1970.
    pub(super) t: f64,
    /// What it became.
    pub(super) state: &'static str,
}

/// The last changes of the circuit.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<VecDeque<Turn>>);

impl Turns {
    pub(super) fn note(&self, state: Circuit) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() == TURNS {
            turns.pop_front();
        }
        turns.push_back(Turn { t: now(), state: state.as_str() });
    }

    /// Closed from now on, if it was not.
    pub(super) fn close(&self) {
        if self.all().last().is_some_and(|turn| turn.state != Circuit::Closed.as_str()) {
            self.note(Circuit::Closed);
        }
    }

    pub(super) fn all(&self) -> Vec<Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_hold_what_was_between_them() {
        let (mut history, lately) = (History::default(), Lately::default());
        lately.note(Duration::from_secs(9));
        assert_eq!(history.add_at(100.0, 50, 0, &lately), None);
        lately.note(Duration::from_millis(2));
        lately.note(Duration::from_millis(4));
        let point = history.add_at(102.0, 250, 7, &lately).unwrap();
        let expected = Point { t: 102.0, rate: 100.0, depth: 7, mean_ms: Some(3.0), max_ms: Some(4.0) };
        assert_eq!(point, expected);
        let point = history.add_at(101.0, 240, 0, &lately).unwrap();
        assert_eq!((point.rate, point.mean_ms), (0.0, None));
        for second in 0..1_000 {
            history.add_at(200.0 + f64::from(second), 0, 0, &lately);
        }
        assert_eq!((history.points().len(), history.points()[0].t), (POINTS, 900.0));
    }

    #[test]
    fn turns_are_bounded() {
        let turns = Turns::default();
        for _ in 0..TURNS {
            turns.note(Circuit::Open);
            turns.note(Circuit::Closed);
        }
        let all = turns.all();
        assert_eq!((all.len(), all[0].state, all[TURNS - 1].state), (TURNS, "open", "closed"));
    }
}
