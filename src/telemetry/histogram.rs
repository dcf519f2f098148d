//! Latencies in logarithmic buckets, recorded without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Each power of two is cut into this many buckets, so a quantile is off by 1/32 (3 %) at most.
const STEPS: u64 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Latencies from 2^36 microseconds (19 hours) on share the last bucket.
const TOP_BITS: u32 = 36;
const BUCKETS: usize = ((TOP_BITS - STEP_BITS + 1) as usize) * STEPS as usize;

/// A histogram of latencies, in microseconds inside, that any number of threads record into.
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
    sum: AtomicU64,
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.read().fmt(f)
    }
}

/// What a [`Histogram`] held at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Latency {
    /// Latencies recorded; the other values are 0 where this is.
    pub count: u64,
    /// Half of them took no longer, in milliseconds, within 3 %.
    pub p50_ms: f64,
    /// 99 of 100 took no longer, in milliseconds, within 3 %.
    pub p99_ms: f64,
    /// The longest, in milliseconds, exact to the microsecond.
    pub max_ms: f64,
    /// All together, in seconds.
    pub sum_s: f64,
}

impl Latency {
    /// Adds those of another run: what half of them, or 99 of 100, did not exceed is then the mean of both.
    pub fn add(&mut self, other: &Self) {
        let (own, others) = (self.count as f64, other.count as f64);
        let mean =
            |a: f64, b: f64| if own + others > 0.0 { (a * own + b * others) / (own + others) } else { 0.0 };
        self.p50_ms = mean(self.p50_ms, other.p50_ms);
        self.p99_ms = mean(self.p99_ms, other.p99_ms);
        self.max_ms = self.max_ms.max(other.max_ms);
        self.count += other.count;
        self.sum_s += other.sum_s;
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty one; it takes 8 KiB and does not grow.
    pub fn new() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            max: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Takes note of one latency.
    pub fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(micros)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.max.fetch_max(micros, Relaxed);
        self.sum.fetch_add(micros, Relaxed);
    }

    /// What has been recorded so far.
    pub fn read(&self) -> Latency {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let count = counts.iter().sum();
        let max = self.max.load(Relaxed);
        let quantile = |q: f64| millis(quantile(&counts, count, q).min(max));
        Latency {
            count,
            p50_ms: quantile(0.50),
            p99_ms: quantile(0.99),
            max_ms: millis(max),
            sum_s: self.sum.load(Relaxed) as f64 / 1e6,
        }
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// Below `STEPS` each microsecond has a bucket; above, the bits after the leading one tell.
fn bucket_of(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let exponent = micros.ilog2();
    if exponent >= TOP_BITS {
        return BUCKETS - 1;
    }
    let shift = exponent - STEP_BITS;
    (u64::from(shift) * STEPS + (micros >> shift)) as usize
}

/// The largest latency that falls into a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    ((bucket - shift * STEPS + 1) << shift) - 1
}

fn quantile(counts: &[u64], count: u64, q: f64) -> u64 {
    let wanted = ((count as f64 * q).ceil() as u64).max(1);
    let mut seen = 0;
    for (bucket, n) in counts.iter().enumerate() {
        seen += n;
        if seen >= wanted {
            return upper_bound(bucket);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_falls_into_a_bucket_that_ends_close_above_it() {
        let mut values: Vec<u64> = (0..200_000).collect();
        values.extend((0..36).flat_map(|e| [(1u64 << e) - 1, 1 << e, (1 << e) + 1]));
        for micros in values {
            let bound = upper_bound(bucket_of(micros));
            assert!(bound >= micros, "{micros} is in a bucket that ends at {bound}");
            assert!(bound - micros <= micros / STEPS, "{micros} is in a bucket that ends at {bound}");
        }
        assert_eq!(bucket_of((1 << TOP_BITS) - 1), BUCKETS - 1);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_within_the_width_of_a_bucket() {
        let histogram = Histogram::new();
        for micros in 1..=100_000 {
            histogram.record(Duration::from_micros(micros));
        }
        let latency = histogram.read();
        assert_eq!(latency.count, 100_000);
        assert!((50.0..=50.0 * 33.0 / 32.0).contains(&latency.p50_ms), "{latency:?}");
        assert!((99.0..=100.0).contains(&latency.p99_ms), "{latency:?}");
        assert_eq!(latency.max_ms, 100.0);
        assert_eq!(latency.sum_s, 5000.05);
    }

    #[test]
    fn of_one_latency_all_quantiles_are_that_one() {
        let histogram = Histogram::new();
        histogram.record(Duration::from_micros(1_234));
        let latency = histogram.read();
        assert_eq!((latency.p50_ms, latency.p99_ms, latency.max_ms), (1.234, 1.234, 1.234));
    }

    #[test]
    fn nothing_recorded_is_zero() {
        assert_eq!(Histogram::new().read(), Latency::default());
    }
}
