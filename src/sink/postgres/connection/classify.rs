//! One place that decides what an error of the server means: wait, set rows aside, or stop.
//!
//! Decided by SQLSTATE and error kind, never by message text, which is translated.

use std::error::Error as _;
use std::io;

use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::types::{WasNull, WrongType};

use crate::batch::{Dependence, Reason};
use crate::error::words;
use crate::port::{SinkError, TransientKind};
use crate::sink::postgres::connection::tls;
use crate::text::flags::TENANT;

/// The SQLSTATE of a row that row-level security refuses.
pub(in crate::sink::postgres) const POLICY: &str = "42501";

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Wait and try again.
    Transient,
    /// The rows are to blame.
    Data,
    /// Neither waiting nor splitting helps.
    Fatal,
}

/// What a SQLSTATE means.
///
/// - A missing privilege and rows that a row-level security policy forbids share 42501. The server raises
///   the second from `ExecWithCheckOptions`; it is called `POLICY` here, and is a row's fault only where
///   other rows go through.
/// - 21000 is "cannot affect row a second time": two rows that became the same key in the
///   store. Apart from each other both can be written, so it counts as data.
/// - 42601 is what the input functions of some types (`tsvector`, `ltree`, `jsonpath`) say of a text: the
///   statements themselves are ours, and their syntax is right.
/// - 08P01 is what a COPY fails with whose bytes are too few or too many for their column: the rows were
///   written for another table than this. A pooler uses it for all that it has to say, and ends the
///   connection with it; see `of_server`.
/// - 53400 is a limit that somebody configured (TimescaleDB's decompression limit among them);
///   unlike the rest of class 53 it does not pass by itself.
pub fn fault(code: &SqlState) -> Fault {
    let code = code.code();
    match code {
        "53400" | "57P04" | "58P01" | "58P02" => Fault::Fatal,
        "40002" | "08P01" | "42601" => Fault::Data,
        // Read-only: a standby, or a primary in the middle of a failover. 26000 and 42P05 are
        // prepared statements that a pooler mixed up.
        "55P03" | "55006" | "25P02" | "25P03" | "25P04" | "25006" | "26000" | "42P05" => Fault::Transient,
        _ => match code.get(..2).unwrap_or_default() {
            "08" | "40" | "53" | "57" | "58" => Fault::Transient,
            "09" | "21" | "22" | "23" | "27" | "38" | "39" | "44" | "P0" => Fault::Data,
            // A value too long for an index, say; not the depth of the server's own stack.
            "54" if code != "54001" => Fault::Data,
            // Classes that SQL leaves to users: a trigger of theirs raised it.
            class
                if class.starts_with(|c: char| matches!(c, '5'..='9' | 'I'..='Z'))
                    && !matches!(class, "53" | "54" | "55" | "57" | "58" | "72" | "P0" | "XX") =>
            {
                Fault::Data
            }
            _ => Fault::Fatal,
        },
    }
}

/// What it is that passes, by the code.
fn kind(code: &str) -> TransientKind {
    match code {
        "40001" => TransientKind::Serialization,
        "40P01" => TransientKind::Deadlock,
        "53100" => TransientKind::DiskFull,
        "53200" => TransientKind::ResourcesExhausted,
        "57014" => TransientKind::Timeout,
        "55P03" | "55006" => TransientKind::Locked,
        "25006" => TransientKind::ReadOnly,
        "connection_lost" | "connection_failed" | "connect_timeout" => TransientKind::Connection,
        _ => match code.get(..2).unwrap_or_default() {
            "08" | "57" => TransientKind::Connection,
            _ => TransientKind::Other,
        },
    }
}

/// An error that passes, of the kind that its code says.
pub fn transient(reason: Reason) -> SinkError {
    SinkError::Transient(kind(&reason.code), reason)
}

/// An error that may be of the rows or of everybody, and may pass where its class does: connections,
/// transactions, resources, operators.
pub fn doubtful(reason: Reason) -> SinkError {
    let class = reason.code.get(..2).unwrap_or_default();
    let passes = matches!(class, "08" | "25" | "26" | "40" | "53" | "55" | "57" | "58");
    let passing = passes.then(|| kind(&reason.code));
    SinkError::Doubtful { reason, passing }
}

/// The engine's view of an error of the driver.
pub fn classify(error: &tokio_postgres::Error) -> SinkError {
    match error.as_db_error() {
        Some(db) => of_server(db),
        None => of_driver(error),
    }
}

/// Whether a function raised it, as in a trigger, by the statement RAISE of PL/pgSQL or by PL/Python, which
/// hands on what its statements met too: of that, locks stay the server's. Other languages have codes of
/// their own for what they raise. Whatever code was given, the server itself met nothing.
pub(in crate::sink::postgres) fn is_raised(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| match db.routine() {
        Some("exec_stmt_raise") => true,
        Some("PLy_elog_impl" | "PLy_elog") => {
            !matches!(db.code().code(), "55P03" | "57014" | "40001" | "40P01")
        }
        _ => false,
    })
}

/// The engine's view of an error of a statement that writes rows: what their trigger raised may be theirs
/// alone, though its code be one of those that pass.
pub fn of_rows(error: SinkError, from: &tokio_postgres::Error) -> SinkError {
    match error {
        SinkError::Transient(_, reason) if is_raised(from) => doubtful(reason),
        other => other,
    }
}

/// The engine's view of an error where no row is to blame: one whose code says that it passes is waited for.
pub fn of_everybody(error: SinkError) -> SinkError {
    match error {
        SinkError::Doubtful { reason, .. }
            if fault(&SqlState::from_code(&reason.code)) == Fault::Transient =>
        {
            transient(reason)
        }
        other => other,
    }
}

/// Whether the connection can be used no more after this error.
pub fn is_disconnect(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(db) => matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic)),
        None => true,
    }
}

fn of_server(db: &DbError) -> SinkError {
    if let Some(words) = taken_over(db) {
        return SinkError::Fatal(Reason::new("taken_over", words));
    }
    let of_node = matches!(db.routine(), Some(NODE_COPY | NODE_RESULT));
    let mut message = if of_node { without_shards(db.message()) } else { db.message().to_owned() };
    // A node of Citus refused what was copied to it: which code it gave for that is not handed on, so the rows may
    // as well be there already.
    if db.routine() == Some(NODE_COPY) && db.code() == &SqlState::INTERNAL_ERROR {
        let reason = Reason { code: "node_refused".into(), ..Reason::depends(Dependence::SameKey, message) };
        return SinkError::Data { reason, suspects: Box::default() };
    }
    // A node of Citus is away, which has no code of its own.
    let away = |at| NODE_AWAY.contains(&at) || at == NODE_RESULT && is_lost(&message);
    if db.code() == &SqlState::INTERNAL_ERROR && db.routine().is_some_and(away) {
        let said = message.lines().map(str::trim).collect::<Vec<_>>().join(", ");
        return transient(Reason::new("08006", format!("a node of the cluster is away: {said}")));
    }
    if db.code().code() == POLICY && db.routine() == Some("ExecWithCheckOptions") {
        let message = format!(
            "{message}; check that {TENANT} is the tenant of the rows, and what the policies of the table want"
        );
        return doubtful(Reason::new(POLICY, message));
    }
    let fault = match db.parsed_severity() {
        Some(Severity::Fatal | Severity::Panic) if db.code().code() == "08P01" => Fault::Transient,
        _ => fault(db.code()),
    };
    // Of what is waited for, this alone may need somebody to act: a limit on locks, say.
    if let Some(hint) = db.hint().filter(|_| fault == Fault::Fatal || db.code().code() == "53200") {
        message = format!("{message} ({hint})");
    }
    let mut reason = Reason::new(db.code().code().to_owned(), message);
    if let Some(column) = db.column() {
        reason = reason.column(column);
    }
    if let Some(constraint) = db.constraint() {
        reason = reason.constraint(if of_node { without_shard(constraint) } else { constraint });
    }
    reason.dependence = Dependence::of(&reason.code);
    match fault {
        Fault::Transient => transient(reason),
        Fault::Data => SinkError::Data { reason, suspects: copy_line(db).into_iter().collect() },
        Fault::Fatal => SinkError::Fatal(reason),
    }
}

/// Where Citus reports what a node said: of a COPY, and of any other statement.
const NODE_COPY: &str = "ReportCopyError";
const NODE_RESULT: &str = "ReportResultError";

/// Where it finds that one is not there any more, in a transaction that needs it.
const NODE_AWAY: [&str; 3] =
    ["MarkRemoteTransactionFailed", "CheckRemoteTransactionsHealth", "InitializeCopyShardState"];

/// What a client of PostgreSQL says of a connection that was lost: Citus hands it on as if the node had said it, without a
/// code. Most of it has several lines, in every language.
const LOST: [&str; 6] = [
    "SSL SYSCALL error",
    "SSL error",
    "SSL connection",
    "data from server",
    "data to server",
    "the connection",
];

fn is_lost(message: &str) -> bool {
    message.trim_end().contains('\n')
        || LOST.iter().any(|words| message.contains(words))
        || matches!(
            message.trim_end(),
            "invalid socket" | "no connection to the server" | "connection not open"
        )
}

/// Least length of a shard's number in a name; the first one of a cluster is 102008.
const SHARD_DIGITS: usize = 6;

/// The name of a table or constraint without the number of its shard.
fn without_shard(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((name, shard)) if shard.len() >= SHARD_DIGITS && shard.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => name,
    }
}

/// What a node said, with the names of tables and constraints instead of those of their shards. Names are in
/// quotes, whatever the language.
fn without_shards(message: &str) -> String {
    message.split('"').map(without_shard).collect::<Vec<_>>().join("\"")
}

/// What the ledger's fence says, which fails by a cast: another run has taken this one over.
fn taken_over(db: &DbError) -> Option<String> {
    // A value of a row fails in a COPY, which is named.
    if db.code() != &SqlState::INVALID_TEXT_REPRESENTATION || db.where_().is_some() {
        return None;
    }
    let (before, after) = db.message().split_once(" was taken over by run ")?;
    let (run, other) = (before.get(before.len().checked_sub(36)?..)?, after.get(..36)?);
    Some(format!("run {run} was taken over by run {other}; this one can write nothing more"))
}

fn of_driver(error: &tokio_postgres::Error) -> SinkError {
    if error.is_closed() {
        return transient(Reason::new("connection_lost", "the connection to the server was lost"));
    }
    // Neither the server nor the connection failed: the next attempt would end like this one.
    let Some(source) = error.source() else {
        return of_misunderstanding(&words(error));
    };
    match source.downcast_ref::<io::Error>() {
        Some(io) => match io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => SinkError::Fatal(Reason::new("tls", tls::explain(error))),
            // What the driver says of bytes that it cannot write or read as the protocol has them.
            None if matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
                of_misunderstanding(&words(error))
            }
            None => transient(Reason::new("connection_lost", words(io))),
        },
        None if source.is::<WasNull>() || source.is::<WrongType>() => of_misunderstanding(&words(error)),
        None => SinkError::Fatal(Reason::new("connection_refused", words(source))),
    }
}

/// The server answered, and not as a PostgreSQL server does.
fn of_misunderstanding(what: &str) -> SinkError {
    let message = format!(
        "the server's answer was not understood ({what}); if this is PostgreSQL itself and no other server or proxy that speaks like it, this is a bug of mdsctl"
    );
    SinkError::Fatal(Reason::new("driver", message))
}

/// The 0-based number of the row that a COPY stopped at: its context is `COPY table, line 17…`.
/// The words are translated, the order of the parts mostly is not; it serves as a hint only.
fn copy_line(db: &DbError) -> Option<usize> {
    line_of(db.where_()?)
}

fn line_of(context: &str) -> Option<usize> {
    let context = context.lines().find(|line| line.starts_with("COPY "))?;
    let (_, place) = context.split_once(", ")?;
    let digits = place.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str) -> Fault {
        fault(&SqlState::from_code(code))
    }

    #[test]
    fn states_decide() {
        let transient = [
            "08006", "57P01", "57P02", "57P03", "57014", "53100", "53200", "53300", "40001", "40P01",
            "40003", "55P03", "25P03", "25P04", "25006", "58030",
        ];
        for code in transient {
            assert_eq!(of(code), Fault::Transient, "{code}");
        }
        for code in [
            "22003", "22001", "08P01", "22P03", "42601", "23505", "23502", "23514", "23503", "P0001",
            "21000", "44000",
        ] {
            assert_eq!(of(code), Fault::Data, "{code}");
        }
        for code in ["42P01", "42501", "28P01", "28000", "3D000", "42703", "53400", "57P04", "0A000", "XX000"]
        {
            assert_eq!(of(code), Fault::Fatal, "{code}");
        }
    }

    #[test]
    fn codes_that_pass_have_their_kind() {
        let kinds = [
            ("40001", TransientKind::Serialization),
            ("40P01", TransientKind::Deadlock),
            ("40003", TransientKind::Other),
            ("53200", TransientKind::ResourcesExhausted),
            ("53100", TransientKind::DiskFull),
            ("53300", TransientKind::Other),
            ("55P03", TransientKind::Locked),
            ("57014", TransientKind::Timeout),
            ("57P03", TransientKind::Connection),
            ("08006", TransientKind::Connection),
            ("25006", TransientKind::ReadOnly),
        ];
        for (code, wanted) in kinds {
            assert!(
                matches!(transient(Reason::new(code, "")), SinkError::Transient(kind, _) if kind == wanted),
                "{code}"
            );
        }
        let passes =
            |code| matches!(doubtful(Reason::new(code, "")), SinkError::Doubtful { passing: Some(_), .. });
        assert!(passes("40001") && passes("53400") && !passes("42501") && !passes("P0001"));
    }

    #[test]
    fn what_the_driver_does_not_understand_is_not_waited_for() {
        let fatal = |error: tokio_postgres::Error| match classify(&error) {
            SinkError::Fatal(reason) => (reason.code.to_string(), reason.message.to_string()),
            other => panic!("{other:?}"),
        };
        // As from a row that is missing: no server, no socket, no source.
        let (code, message) = fatal(tokio_postgres::Error::__private_api_timeout());
        assert!(code == "driver" && message.contains("answer was not understood"), "{code}: {message}");
        let (code, _) = fatal("port=x".parse::<tokio_postgres::Config>().unwrap_err());
        assert_eq!(code, "connection_refused");
    }

    #[test]
    fn shards_are_called_by_their_tables() {
        let said = r#"new row for relation "bars_102037" violates check constraint "posi_102037""#;
        assert_eq!(without_shards(said), r#"new row for relation "bars" violates check constraint "posi""#);
        assert_eq!(without_shards(r#"column "px_2024" of "x""#), r#"column "px_2024" of "x""#);
        assert_eq!(without_shard("bars_pkey_102008"), "bars_pkey");
    }

    #[test]
    fn connections_to_nodes_are_lost_in_many_words() {
        for said in [
            "SSL SYSCALL error: EOF detected\ninvalid socket",
            "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n\tbefore or while processing the request.",
            "Der Server beendete die Verbindung unerwartet\n\tDas heißt wahrscheinlich, daß der Server abgestürzt ist",
            "could not receive data from server: Connection reset by peer",
            "no connection to the server\n",
        ] {
            assert!(is_lost(said), "{said}");
        }
        for said in ["cache lookup failed for type 17", "invalid memory alloc request size 1073741824\n"] {
            assert!(!is_lost(said), "{said}");
        }
    }

    #[test]
    fn the_line_of_a_copy_is_a_position() {
        assert_eq!(line_of("COPY mds_stage_0, line 17, column extra"), Some(16));
        assert_eq!(line_of("JSON data, line 1: {\nCOPY bars, Zeile 3"), Some(2));
        assert_eq!(line_of("SQL statement \"SELECT 1\""), None);
        assert_eq!(line_of("COPY t, line 0"), None);
    }
}
