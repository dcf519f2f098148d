//! The span of a run, for traces.

use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::app::caller::RunReport;
use crate::app::exit::Exit;
use crate::error::Result;
use crate::telemetry::snapshot::Books;

/// A run in a span of its own.
pub(crate) async fn run(
    command: &'static str,
    run: impl Future<Output = Result<RunReport>>,
) -> Result<RunReport> {
    let span = tracing::trace_span!(
        "run",
        command,
        dataset = Empty,
        rows = Empty,
        rejected = Empty,
        bytes = Empty,
        outcome = Empty,
        otel.status_code = Empty,
    );
    let done = run.instrument(span.clone()).await;
    let exit = done.as_ref().map_or_else(Exit::from, |report| report.exit);
    span.record("outcome", word(exit));
    span.record(
        "otel.status_code",
        if matches!(exit, Exit::Stored | Exit::Rejects) { "OK" } else { "ERROR" },
    );
    done
}

/// What the run that is under way came to.
pub(crate) fn note(dataset: &str, books: &Books, bytes: u64) {
    let span = Span::current();
    span.record("dataset", dataset);
    span.record("rows", books.read as i64);
    span.record("rejected", (books.rejected + books.dropped) as i64);
    span.record("bytes", bytes as i64);
}

fn word(exit: Exit) -> &'static str {
    match exit {
        Exit::Stored => "done",
        Exit::Rejects => "rejects",
        Exit::TooManyRejects => "stopped",
        Exit::Interrupted | Exit::Terminated => "interrupted",
        Exit::Unavailable => "unavailable",
        Exit::Internal | Exit::Usage | Exit::Input => "failed",
    }
}
