//! The columns of `mds_runs`, once for all stores: what a run says of itself when it begins, what it counts,
//! and how it is read back. A store has its own types and its own way to write values down.

use uuid::Uuid;

use crate::port::runs::{RunBooks, RunProcess, RunRecord, RunStart, RunStatus};

/// The columns that are read back, in this order. Those that stand for more than themselves (times, what the
/// checkpoints add) a store reads by an expression of its own.
const READ: [&str; 32] = [
    "run_id",
    "command",
    "dataset",
    "table_name",
    "keyed",
    "status",
    "started_at",
    "heartbeat_at",
    "silent",
    "finished_at",
    "inputs",
    "settings",
    "workers",
    "resumable",
    "has_checkpoints",
    "rows_read",
    "inserted",
    "updated",
    "unchanged",
    "superseded",
    "rejected",
    "dropped",
    "skipped",
    "exit_code",
    "error",
    "resumed_from",
    "resumed_by",
    "host",
    "pid",
    "process",
    "version",
    "inputs_settled",
];

/// What stands after SELECT, where the runs are `r`. `read` gives the expression of a column, where it is
/// another than the column itself.
pub(in crate::sink) fn selected(read: impl Fn(&str) -> Option<&'static str>) -> String {
    let of = |name: &&str| read(name).map_or_else(|| format!("r.{name}"), str::to_owned);
    READ.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// Whether two runs are of the same table: earlier versions named one whose name needs quotes without them, see
/// [`earlier_name`](crate::port::runs::earlier_name). `replace` is the store's function of that name.
fn of_one_table(earlier: &str, later: &str, replace: &str) -> String {
    let bare = format!(
        "{replace}({replace}({replace}({later}.table_name, '\"\"', '\u{1}'), '\"', ''), '\u{1}', '\"')"
    );
    format!("({earlier}.table_name = {later}.table_name OR {earlier}.table_name = {bare})")
}

/// The statements that take the marks out which a run that has settled all leaves behind: its own, and those of
/// earlier runs of the same inputs, which nobody has to go on with any more.
pub(in crate::sink) fn take_marks_out(run: Uuid, replace: &str) -> String {
    let of_one_table = of_one_table("o", "r", replace);
    format!(
        "DELETE FROM mds_checkpoints WHERE run_id = '{run}'; \
         DELETE FROM mds_checkpoints WHERE run_id IN (SELECT o.run_id FROM mds_runs r \
         JOIN mds_runs o ON {of_one_table} AND o.inputs = r.inputs \
         WHERE r.run_id = '{run}' AND o.started_at < r.started_at AND o.command <> 'tail' \
         AND o.status NOT IN ('running', 'done', 'rejects') \
         AND CAST(o.inputs AS text) NOT LIKE '%\"id\":null%' AND CAST(o.inputs AS text) NOT LIKE '%\"id\": null%');"
    )
}

/// The condition under which a mark that is not there was never made: the store knows the run, no other has gone
/// on with it, and no mark of it was [taken out](take_marks_out).
pub(in crate::sink) fn all_marks_are_there(run: Uuid, replace: &str) -> String {
    let of_one_table = of_one_table("r", "l", replace);
    format!(
        "EXISTS (SELECT 1 FROM mds_runs r WHERE r.run_id = '{run}' AND r.resumed_by IS NULL \
         AND r.status NOT IN ('done', 'rejects') \
         AND (EXISTS (SELECT 1 FROM mds_checkpoints WHERE run_id = '{run}') OR NOT EXISTS (SELECT 1 FROM mds_runs l \
         WHERE {of_one_table} AND l.inputs = r.inputs AND l.started_at > r.started_at \
         AND l.status IN ('done', 'rejects'))))"
    )
}

/// A row of what [`selected`] asks for.
pub(in crate::sink) trait RunRow {
    /// Why a column cannot be read.
    type Error;

    /// A text, an id or JSON.
    fn text(&self, at: usize) -> Result<Option<String>, Self::Error>;

    /// A number of any width; a time in microseconds since 1970.
    fn number(&self, at: usize) -> Result<Option<i64>, Self::Error>;

    /// A truth value.
    fn truth(&self, at: usize) -> Result<bool, Self::Error>;
}

/// The run of a row.
pub(in crate::sink) fn record<R: RunRow>(row: &R) -> Result<RunRecord, R::Error> {
    // Columns are read in the order in which they were asked for.
    let mut places = 0..READ.len();
    let mut next = || places.next().unwrap_or(READ.len());
    let text = |at: usize| row.text(at).map(Option::unwrap_or_default);
    let id = |at: usize| row.text(at).map(|text| text.and_then(|text| Uuid::try_parse(&text).ok()));
    let time = |at: usize| row.number(at).map(Option::unwrap_or_default);
    let count = |at: usize| row.number(at).map(|n| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0));
    let size =
        |at: usize, none| row.number(at).map(|n| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(none));
    Ok(RunRecord {
        run_id: id(next())?.unwrap_or_default(),
        command: text(next())?,
        dataset: text(next())?,
        table: text(next())?,
        keyed: row.truth(next())?,
        status: RunStatus::of(&text(next())?),
        started: time(next())?,
        heartbeat: time(next())?,
        silent: time(next())?,
        finished: row.number(next())?,
        inputs: serde_json::from_str(&text(next())?).unwrap_or_default(),
        settings: serde_json::from_str(&text(next())?).unwrap_or_default(),
        workers: size(next(), 1)?,
        resumable: row.truth(next())?,
        has_checkpoints: row.truth(next())?,
        books: RunBooks {
            read: count(next())?,
            inserted: count(next())?,
            updated: count(next())?,
            unchanged: count(next())?,
            superseded: count(next())?,
            rejected: count(next())?,
            dropped: count(next())?,
            skipped: count(next())?,
        },
        exit_code: row.number(next())?.and_then(|code| u8::try_from(code).ok()),
        error: row.text(next())?,
        resumed_from: id(next())?,
        resumed_by: id(next())?,
        process: RunProcess {
            host: text(next())?,
            pid: row.number(next())?.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            mark: row.text(next())?,
        },
        version: text(next())?,
        settled: size(next(), 0)?,
    })
}

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) enum RunValue {
    /// A text, an id or JSON, if there is one.
    Text(Option<String>),
    /// A number.
    Number(i64),
    /// A truth value.
    Truth(bool),
}

/// What a run notes when it begins, column by column; the times are the store's.
pub(in crate::sink) fn begun(start: &RunStart, resumed_from: Option<Uuid>) -> [(&'static str, RunValue); 17] {
    let text = |value: &str| RunValue::Text(Some(value.to_owned()));
    let number = |value: usize| RunValue::Number(i64::try_from(value).unwrap_or(0));
    // PostgreSQL has no place for U+0000 in jsonb; names of files have none either.
    let inputs = serde_json::to_string(&start.inputs).unwrap_or_else(|_| "[]".to_owned());
    [
        ("run_id", text(&start.run_id.to_string())),
        ("command", text(&start.command)),
        ("dataset", text(&start.dataset)),
        ("table_name", text(&start.table)),
        ("keyed", RunValue::Truth(start.keyed)),
        ("status", text(RunStatus::Running.as_str())),
        ("inputs", text(&inputs)),
        ("settings", text(&start.settings.to_string())),
        ("fingerprint", text(&start.fingerprint)),
        ("resumable", RunValue::Truth(start.resumable)),
        ("resumed_from", RunValue::Text(resumed_from.map(|id| id.to_string()))),
        ("workers", number(start.workers)),
        ("host", text(&start.process.host)),
        ("pid", RunValue::Number(i64::from(start.process.pid))),
        ("process", RunValue::Text(start.process.mark.clone())),
        ("version", text(&start.version)),
        ("inputs_settled", number(start.settled)),
    ]
}

/// What a run has counted, as it stands in an UPDATE.
pub(in crate::sink) fn counted(books: RunBooks) -> String {
    let RunBooks { read, inserted, updated, unchanged, superseded, rejected, dropped, skipped } = books;
    format!(
        "rows_read = {read}, inserted = {inserted}, updated = {updated}, unchanged = {unchanged}, \
         superseded = {superseded}, rejected = {rejected}, dropped = {dropped}, skipped = {skipped}"
    )
}
