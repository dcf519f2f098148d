//! The seed of tests that try something else in every run.

use std::time::SystemTime;

/// A new seed, or that of `MDSCTL_TEST_SEED`, which replays a failure. A test that fails shows it.
pub fn seed() -> u64 {
    let given = std::env::var("MDSCTL_TEST_SEED").ok();
    let seed = given.map(|seed| seed.parse().expect("MDSCTL_TEST_SEED is a number")).unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        since.as_nanos() as u64
    });
    println!("MDSCTL_TEST_SEED={seed}");
    seed
}
