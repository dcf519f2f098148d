//! Log lines on stderr, and which events of the engine become one.

use tracing::{info, warn};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

use crate::cli::args::{Color, GlobalArgs, LogFormat};
use crate::observe::screen::Screen;
use crate::port::{Circuit, Event, Observer};

/// Starts logging as the flags say. Lines pass through `screen`, so that they do not tear the
/// live display.
pub fn start(global: &GlobalArgs, screen: &Screen) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let screen = screen.clone();
    let color = global.color != Color::Never && super::style(global.color).color;
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(color)
        .with_timer(ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned()))
        .with_writer(move || screen.line());
    // A second start, as in a test, keeps the first.
    let _ = match global.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Logs what an operator wants to find in a log: outages and their ends, retries, pauses.
pub struct EventLog;

impl Observer for EventLog {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Circuit { state: Circuit::Open, reason: Some(reason) } => {
                warn!(code = %reason.code, "the store is unavailable, rows wait: {}", reason.message);
            }
            Event::Circuit { state: Circuit::Closed, .. } => warn!("the store is back"),
            Event::Retry { worker, attempt, delay, reason } => info!(
                worker,
                attempt,
                delay_ms = delay.as_millis() as u64,
                code = %reason.code,
                "write failed, trying again: {}",
                reason.message
            ),
            Event::DeadLettersBlocked { error } => warn!("rows wait for the dead-letter queue: {error}"),
            Event::Failed { worker, kind: "data", reason, .. } => {
                info!(worker, code = %reason.code, "looking for the rows that the store refuses: {}", reason.message);
            }
            _ => {}
        }
    }
}
