//! `--otlp`: the traces of a run, where they are asked for.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::cli::args::Command;
use crate::error::Result;
use crate::telemetry::traces::Traces;

/// The run that this process is.
static RUN: LazyLock<Uuid> = LazyLock::new(Uuid::now_v7);

/// The id of the run that this process is.
pub fn run_id() -> Uuid {
    *RUN
}

/// The variable of the flag, which other programs read too.
const VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Traces that have started, if any have.
#[derive(Default)]
pub struct Started {
    /// Sends spans until it is dropped.
    pub traces: Option<Traces>,
    /// Why there are none, although the environment asks for some.
    pub note: Option<String>,
}

/// Starts them for a command that writes. What the flag says must be right; what the environment
/// says is not said to us alone, and keeps no run from its work.
pub fn start(command: &Command) -> Result<Started> {
    let engine = match command {
        Command::Load(args) => &args.engine,
        Command::Tail(args) => &args.engine,
        Command::ReplayDlq(args) => &args.engine,
        _ => return Ok(Started::default()),
    };
    let endpoint = engine.otlp.as_deref().map(str::trim).filter(|endpoint| !endpoint.is_empty());
    let off = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|said| said.eq_ignore_ascii_case("true"));
    let Some(endpoint) = endpoint.filter(|_| !off) else { return Ok(Started::default()) };
    let from_environment = engine.otlp == std::env::var(VARIABLE).ok();
    match Traces::start(endpoint, run_id()) {
        Ok(traces) => Ok(Started { traces: Some(traces), note: None }),
        Err(error) if from_environment => {
            Ok(Started { traces: None, note: Some(format!("no traces are sent: {VARIABLE}: {error}")) })
        }
        Err(error) => Err(error.at("--otlp")),
    }
}
