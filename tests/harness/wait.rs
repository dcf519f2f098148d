//! Waiting for what another process does. The one place that pauses.

use std::time::{Duration, Instant};

/// Longest wait for anything that is to happen. What passes never waits that long; what fails may have
/// run on a machine that is ten times slower than the one it was written on.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Asks again and again until the answer is there; `None` after `limit`.
pub fn within<A>(limit: Duration, mut ask: impl FnMut() -> Option<A>) -> Option<A> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() > limit {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The same, and fails after `limit`.
pub fn until<A>(limit: Duration, what: &str, ask: impl FnMut() -> Option<A>) -> A {
    within(limit, ask).unwrap_or_else(|| panic!("waited {limit:?} in vain for {what}"))
}
