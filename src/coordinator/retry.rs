//! How long to wait before a write is tried again. A pure function.

use std::time::Duration;

use crate::settings::RetrySettings;

/// The wait before attempt `attempt` (2 for the first retry): exponential, capped, and with jitter
/// drawn by `chance` (any number) from the upper half of the wait, so that workers which failed
/// together do not come back together.
pub fn backoff(settings: &RetrySettings, attempt: u32, chance: u64) -> Duration {
    let exponent = i32::try_from(attempt.saturating_sub(2)).unwrap_or(i32::MAX);
    let factor = settings.multiplier.max(1.0).powi(exponent);
    let longest = settings.max_backoff.as_secs_f64();
    let wait = (settings.initial_backoff.as_secs_f64() * factor).min(longest);
    let share = if settings.jitter { 0.5 + 0.5 * (scatter(chance) as f64 / u64::MAX as f64) } else { 1.0 };
    Duration::try_from_secs_f64(wait * share).unwrap_or(settings.max_backoff)
}

/// The finaliser of SplitMix64: near numbers in, far numbers out.
fn scatter(chance: u64) -> u64 {
    let mut z = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let settings = RetrySettings { jitter: false, ..RetrySettings::default() };
        let waits: Vec<u128> = (2..=9).map(|n| backoff(&settings, n, 0).as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(backoff(&settings, u32::MAX, 0).as_millis(), 2000);
    }

    #[test]
    fn jitter_stays_in_the_upper_half() {
        let settings = RetrySettings::default();
        let waits: Vec<Duration> = (0..100).map(|chance| backoff(&settings, 3, chance)).collect();
        assert!(waits.iter().all(|w| (50..=100).contains(&w.as_millis())));
        assert!(waits.iter().max() > waits.iter().min());
    }
}
