//! The engine against a scripted store, on a paused clock.

mod acknowledged;
mod blame;
mod cancelled;
mod left;
mod resized;
mod schedules;
mod scripted;
mod stories;

/// Runs a future on a runtime of its own whose clock only moves when everything waits.
fn on_paused_clock<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

/// Random schedules: so many, unless the environment asks for others (see `scripts/campaign`).
fn cases(usual: u32) -> proptest::test_runner::Config {
    let asked = std::env::var("MDS_SCHEDULES").ok().and_then(|cases| cases.parse().ok());
    proptest::test_runner::Config {
        cases: asked.unwrap_or(usual),
        failure_persistence: None,
        ..Default::default()
    }
}

/// Panics that the script asks for are not worth a report each.
fn silence_scripted_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let scripted = info.payload().downcast_ref::<&str>().is_some_and(|m| m.contains("scripted"));
            if !scripted {
                report(info);
            }
        }));
    });
}
