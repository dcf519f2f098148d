//! What SQLite's errors mean: wait, refuse the row, or stop. Decided by result code alone; the
//! text only tells which column or constraint it was about.

use std::borrow::Cow;
use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::batch::{Dependence, Reason};
use crate::error::{Error, words};
use crate::port::{SinkError, TransientKind};
use crate::text::flags::DSN;

/// Where an error happened, for its sentence.
#[derive(Debug, Clone, Copy)]
pub(super) struct FaultContext<'a> {
    /// The file, as the user named it.
    pub(super) path: &'a Path,
    /// The table, if one was being worked on.
    pub(super) table: &'a str,
}

/// The error as the engine sees it. The codes are the SQLSTATEs that PostgreSQL would give.
pub(super) fn classify(error: &rusqlite::Error, place: FaultContext<'_>) -> SinkError {
    let path = place.path.display();
    let (code, extended, text) = match error {
        rusqlite::Error::SqliteFailure(failure, text) => {
            (failure.code, failure.extended_code, text.as_deref().unwrap_or_default())
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.code, error.extended_code, msg.as_str()),
        other => {
            let what = words(other);
            return SinkError::Fatal(Reason::new("XX000", format!("{path} cannot be used: {what}")));
        }
    };
    let transient = |kind, code, message: String| SinkError::Transient(kind, Reason::new(code, message));
    let fatal = |code, message: String| SinkError::Fatal(Reason::new(code, message));
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            transient(TransientKind::Locked, "55P03", format!("{path} is locked by another process"))
        }
        ErrorCode::DiskFull => {
            transient(TransientKind::DiskFull, "53100", format!("the disk that holds {path} is full"))
        }
        ErrorCode::OutOfMemory => transient(
            TransientKind::ResourcesExhausted,
            "53200",
            format!("out of memory while writing {path}"),
        ),
        ErrorCode::OperationInterrupted => {
            transient(TransientKind::Timeout, "57014", format!("the statement on {path} was interrupted"))
        }
        ErrorCode::SystemIoFailure => {
            transient(TransientKind::Other, "58030", format!("reading or writing {path} failed: {text}"))
        }
        ErrorCode::SchemaChanged => {
            let message = format!("the tables of {path} are being changed by another process");
            transient(TransientKind::Locked, "55006", message)
        }
        ErrorCode::NotADatabase => fatal(
            "58P01",
            format!("{path} is not a SQLite database; give another file, as in {DSN} sqlite:PATH"),
        ),
        ErrorCode::DatabaseCorrupt => fatal(
            "XX001",
            format!("{path} is damaged ({text}); restore it from a backup, or try: sqlite3 {path} .recover"),
        ),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            fatal(
                "25006",
                format!(
                    "{path} cannot be written to; check the permissions of the file and of its directory"
                ),
            )
        }
        ErrorCode::CannotOpen => fatal(
            "58P01",
            format!(
                "{path} cannot be opened; check that it is a file, and that it and its directory can be written to"
            ),
        ),
        ErrorCode::TooBig => data(Reason::new("22001", "a value is longer than SQLite can hold")),
        ErrorCode::TypeMismatch => data(Reason::new("22P02", "a value does not fit the type of its column")),
        ErrorCode::ConstraintViolation => data(constraint(extended, text, place.table)),
        _ if text.starts_with("no such table") => {
            fatal("42P01", format!("{path} has no table {}; run: mdsctl schema apply", place.table))
        }
        _ => fatal("XX000", format!("{path}: {text}")),
    }
}

fn data(reason: Reason) -> SinkError {
    SinkError::Data { reason, suspects: Box::default() }
}

/// The row breaks a rule of its table. SQLite names the rule in its text only.
fn constraint(extended: i32, text: &str, table: &str) -> Reason {
    let named = text.split_once("failed: ").map(|(_, rest)| rest.trim()).unwrap_or_default();
    let column = |place: &str| place.rsplit('.').next().unwrap_or(place).to_owned();
    match extended {
        ffi::SQLITE_CONSTRAINT_NOTNULL => {
            let column = column(named);
            Reason::new("23502", format!("null in column {column}, which {table} does not allow"))
                .column(column)
        }
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            let reason = Reason::depends(
                Dependence::SameKey,
                format!("another row of {table} has the same {}", named.replace(&format!("{table}."), "")),
            );
            if named.contains(',') { reason.constraint(named) } else { reason.column(column(named)) }
        }
        ffi::SQLITE_CONSTRAINT_CHECK => {
            Reason::new("23514", format!("the row breaks the check {named} of {table}")).constraint(named)
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
            let message = format!("a foreign key of {table} points at a row that does not exist");
            Reason::depends(Dependence::Reference, message)
        }
        ffi::SQLITE_CONSTRAINT_TRIGGER => {
            Reason::new("P0001", format!("a trigger of {table} refused the row: {text}"))
        }
        ffi::SQLITE_CONSTRAINT_DATATYPE => {
            // "cannot store TEXT value in INTEGER column bars.volume"
            let column = column(text.rsplit(' ').next().unwrap_or_default());
            Reason::new("22P02", format!("the value for column {column} does not fit its type in {table}"))
                .column(column)
        }
        _ => Reason::new("23000", Cow::Owned(format!("{table} refused the row: {text}"))),
    }
}

/// The error as one that ends a command.
pub(super) fn ending(error: &rusqlite::Error, place: FaultContext<'_>) -> Error {
    match classify(error, place) {
        SinkError::Transient(_, reason) => Error::unavailable(reason.message.into_owned()),
        SinkError::Fatal(reason) if reason.code != "XX000" => Error::usage(reason.message.into_owned()),
        SinkError::Fatal(reason)
        | SinkError::Apart(reason)
        | SinkError::Doubtful { reason, .. }
        | SinkError::Data { reason, .. } => Error::internal(reason.message.into_owned()),
    }
}
