//! `--otlp`: the traces of a run, where they are asked for.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::cli::args::EngineArgs;
use crate::error::Result;
use crate::telemetry::otlp::Protocol;
use crate::telemetry::traces::Traces;

/// The run that this process is.
static RUN: LazyLock<Uuid> = LazyLock::new(Uuid::now_v7);

/// The id of the run that this process is.
pub fn run_id() -> Uuid {
    *RUN
}

/// The variable of the flag, which other programs read too.
const VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Starts them, where they are asked for, or says why there are none. What the flag says must be right; what the
/// environment says is not said to us alone, and keeps no run from its work.
pub fn start(engine: &EngineArgs) -> Result<(Option<Traces>, Option<String>)> {
    let endpoint = engine.otlp.as_deref().map(str::trim).filter(|endpoint| !endpoint.is_empty());
    let off = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|said| said.eq_ignore_ascii_case("true"));
    let Some(endpoint) = endpoint.filter(|_| !off) else { return Ok((None, None)) };
    let from_environment = engine.otlp == std::env::var(VARIABLE).ok();
    let (protocol, note) = Protocol::asked();
    match Traces::start(endpoint, protocol, run_id()) {
        Ok(traces) => Ok((Some(traces), note)),
        Err(error) if from_environment => {
            Ok((None, Some(format!("no traces are sent: {VARIABLE}: {error}"))))
        }
        Err(error) => Err(error.at("--otlp")),
    }
}
