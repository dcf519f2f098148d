//! Log lines on stderr.

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::time::ChronoUtc;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::args::{GlobalArgs, LogFormat};
use crate::report::shared_stderr::SharedStderr;
use crate::report::style::ColorChoice;
use crate::telemetry::traces::Traces;

/// Starts logging as the flags say. Lines pass through `screen`, so that they do not tear the
/// live display. With `traces`, spans go there, and there alone.
pub fn start(global: &GlobalArgs, screen: &SharedStderr, traces: Option<&Traces>) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let screen = screen.clone();
    let color = global.color != ColorChoice::Never && super::style(global.color).color;
    let timer = ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned());
    let writer = move || screen.line();
    if let Some(traces) = traces {
        let lines = tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_ansi(color)
            .with_timer(timer)
            .with_writer(writer);
        let lines = match global.log_format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        let lines = lines.with_filter(filter_fn(move |meta| meta.is_event() && *meta.level() <= level));
        let _ = tracing_subscriber::registry().with(lines).with(traces.layer()).try_init();
        return;
    }
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(color)
        .with_timer(timer)
        .with_writer(writer);
    // A second start, as in a test, keeps the first.
    let _ = match global.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
