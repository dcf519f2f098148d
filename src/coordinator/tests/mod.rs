//! The engine against a scripted store, on a paused clock.

mod acknowledged;
mod blame;
mod cancelled;
mod left;
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
