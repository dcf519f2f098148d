//! How fast it goes: now, of late, and how long it will still take. Fed with samples; no clock.

use std::collections::VecDeque;
use std::time::Duration;

/// Over how long the present rate is smoothed. Commits come a few times a second.
const NOW: Duration = Duration::from_secs(2);
/// Over how long the rate behind the remaining time is smoothed.
const LATELY: Duration = Duration::from_secs(30);
/// Seconds of history that are kept.
const HISTORY: usize = 60;
/// Most samples that are kept, whatever their spacing.
const MOST_SAMPLES: usize = 600;

/// Where a run stood at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// Time since the start.
    pub at: Duration,
    /// Rows settled.
    pub rows: u64,
    /// Bytes of the input consumed, as they are stored.
    pub bytes: u64,
}

/// Rates out of samples.
#[derive(Debug, Clone)]
pub struct Rates {
    samples: VecDeque<Sample>,
    history: VecDeque<f64>,
    /// Where the second of the history that is under way began.
    second: Sample,
}

impl Default for Rates {
    fn default() -> Self {
        Self::new()
    }
}

impl Rates {
    /// At the start, where nothing is done.
    pub fn new() -> Self {
        let start = Sample::default();
        Self { samples: VecDeque::from([start]), history: VecDeque::new(), second: start }
    }

    /// Takes a sample; its time and counts are not less than those of the last.
    pub fn push(&mut self, sample: Sample) {
        let since_second = sample.at.saturating_sub(self.second.at);
        if since_second >= Duration::from_secs(1) {
            self.history.push_back(slope(self.second.rows, sample.rows, since_second));
            self.second = sample;
            if self.history.len() > HISTORY {
                self.history.pop_front();
            }
        }
        self.samples.push_back(sample);
        // The oldest sample kept is the last one that is not younger than the longest window.
        while self.samples.get(1).is_some_and(|next| sample.at.saturating_sub(next.at) >= LATELY)
            || self.samples.len() > MOST_SAMPLES
        {
            self.samples.pop_front();
        }
    }

    fn window(&self, length: Duration) -> Option<(Sample, Sample)> {
        let last = *self.samples.back()?;
        let first = self
            .samples
            .iter()
            .rev()
            .find(|sample| last.at.saturating_sub(sample.at) >= length)
            .or_else(|| self.samples.front())?;
        Some((*first, last))
    }

    /// Rows per second over the last two seconds.
    pub fn now(&self) -> f64 {
        self.window(NOW).map_or(0.0, |(a, b)| slope(a.rows, b.rows, b.at.saturating_sub(a.at)))
    }

    /// Rows per second since the start.
    pub fn average(&self) -> f64 {
        self.samples.back().map_or(0.0, |last| slope(0, last.rows, last.at))
    }

    /// Bytes of the input per second over the last two seconds.
    pub fn bytes_now(&self) -> f64 {
        self.window(NOW).map_or(0.0, |(a, b)| slope(a.bytes, b.bytes, b.at.saturating_sub(a.at)))
    }

    /// Time until `total` bytes are consumed at the pace of the last half minute; `None` as long
    /// as that says nothing.
    pub fn remaining(&self, total: u64) -> Option<Duration> {
        let (a, b) = self.window(LATELY)?;
        let span = b.at.saturating_sub(a.at);
        if span < Duration::from_secs(1) {
            return None;
        }
        let seconds = total.saturating_sub(b.bytes) as f64 / slope(a.bytes, b.bytes, span);
        // A month and more is not a forecast.
        (seconds.is_finite() && seconds < 30.0 * 86_400.0).then(|| Duration::from_secs_f64(seconds))
    }

    /// Rows per second in each of the last seconds, the latest last.
    pub fn history(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.history.iter().copied()
    }
}

fn slope(from: u64, to: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { to.saturating_sub(from) as f64 / time.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(ms: u64, rows: u64, bytes: u64) -> Sample {
        Sample { at: Duration::from_millis(ms), rows, bytes }
    }

    #[test]
    fn the_present_rate_forgets_and_the_average_does_not() {
        let mut rates = Rates::new();
        assert_eq!((rates.now(), rates.average(), rates.remaining(10)), (0.0, 0.0, None));
        for tick in 1..=50 {
            rates.push(sample(tick * 200, tick * 20, tick * 10));
        }
        assert_eq!((rates.now(), rates.average(), rates.bytes_now()), (100.0, 100.0, 50.0));
        assert_eq!(rates.remaining(1_000), Some(Duration::from_secs(10)));
        for tick in 51..=100 {
            rates.push(sample(tick * 200, 1_000, 500));
        }
        assert_eq!((rates.now(), rates.average()), (0.0, 50.0));
        assert_eq!(rates.history().len(), 20);
        assert_eq!((rates.history().next(), rates.history().last()), (Some(100.0), Some(0.0)));
    }

    #[test]
    fn an_input_that_stands_still_has_no_forecast() {
        let mut rates = Rates::new();
        for tick in 0..1_000 {
            rates.push(sample(tick * 200, 5, 7));
        }
        assert_eq!(rates.remaining(100), None);
        assert!(rates.samples.len() <= 152, "{}", rates.samples.len());
        assert_eq!(rates.history().len(), HISTORY);
    }

    #[test]
    fn samples_without_time_between_them_are_no_division_by_zero() {
        let mut rates = Rates::new();
        rates.push(sample(0, 10, 10));
        rates.push(sample(0, 20, 10));
        assert_eq!((rates.now(), rates.average()), (0.0, 0.0));
    }
}
