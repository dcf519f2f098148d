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
/// live display. Spans go to `traces`, and there alone.
pub fn start(global: &GlobalArgs, screen: &SharedStderr, traces: Option<&Traces>) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let screen = screen.clone();
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(global.color != ColorChoice::Never && super::style(global.color).color)
        .with_timer(ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned()))
        .with_writer(move || screen.line());
    let lines = match global.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    // What a library has to say is said in words of ours; its own are for whoever looks for a fault.
    let of_libraries = global.verbose > 1 && !global.quiet;
    let said = filter_fn(move |meta| {
        let ours = meta.target().starts_with(env!("CARGO_CRATE_NAME"));
        meta.is_event() && *meta.level() <= level && (ours || of_libraries)
    })
    .with_max_level_hint(level);
    let traces = traces.map(Traces::layer);
    // A second start, as in a test, keeps the first.
    let _ = tracing_subscriber::registry().with(lines.with_filter(said)).with(traces).try_init();
}
