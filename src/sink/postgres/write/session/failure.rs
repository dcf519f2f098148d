//! What a failed statement means for the session and for its rows.

use crate::batch::Reason;
use crate::port::SinkError;
use crate::sink::postgres::connection::classify::{POLICY, is_disconnect, of_rows, transient};
use crate::sink::postgres::connection::connect::Link;

/// Why a write did not come through.
pub(in crate::sink::postgres) struct Failure {
    pub error: SinkError,
    /// Whether the connection still answers in step.
    pub intact: bool,
}

/// Whether the server read the bytes of a COPY as something else than they were written as.
pub(super) fn means_another_table(error: &SinkError) -> bool {
    matches!(error.reason().code.as_ref(), "08P01" | "22P03" | "22P04")
        && matches!(error, SinkError::Data { .. })
}

pub(super) fn lost() -> SinkError {
    transient(Reason::new("connection_lost", "the connection to the server was lost"))
}

pub(in crate::sink::postgres) fn failure(link: &Link, error: &tokio_postgres::Error) -> Failure {
    Failure {
        error: of_rows(link.classify(error), error),
        intact: !is_disconnect(error) && !link.client.is_closed(),
    }
}

/// The error where the whole transaction is gone: the rows at hand cannot be blamed for that
/// alone, and what was written before is undone as well.
pub(super) fn outside_of_data(error: SinkError) -> SinkError {
    match error {
        SinkError::Data { reason, .. } | SinkError::Doubtful { reason, .. } => transient(reason),
        other => other,
    }
}

/// Whether that may be what the server says of single rows, though it is none of the codes for that: a
/// value too deep for its stack, an input function without a code of its own, a trigger that fails for
/// some. A missing privilege never is. (What is no SQLSTATE is not from the server.)
pub(super) fn may_be_of_a_row(reason: &Reason) -> bool {
    let code = reason.code.as_ref();
    code.len() == 5 && code != POLICY && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}
