//! Rows that come back from the dead-letter queue, and what was written since they failed.
//!
//! Each row of the stage carries the time at which it failed first, and the merge leaves a stored row
//! alone whose `updated_at` lies after that. Such rows come the latest first, so of several with one
//! key the first that is written is the one to stay: it gets a fresh `updated_at`, after which all
//! others have failed. That is why a row which finds its own values there has the time written
//! anew although it counts as unchanged: otherwise an older one would replace them.

use std::sync::Arc;
use std::time::Instant;

use crate::batch::{Batch, Pick, Rows};
use crate::error::Result;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::connect::{Link, to_error};
use crate::sink::postgres::encode::encoder::{EPOCH_SECONDS, MICROS};

/// The stage's column for the time at which a row failed first.
pub(in crate::sink::postgres) const FIRST_TS: &str = "mds_first_ts";

/// The column that says when a row was written.
pub(in crate::sink::postgres) const UPDATED_AT: &str = "updated_at";

/// The instant that comes after all others, of rows that never failed: nothing is newer than these.
pub(in crate::sink::postgres) const NEVER: i64 = i64::MAX;

/// Difference of two clocks from which it is taken into account. Machines that keep their clocks by a
/// time server differ by milliseconds, as does what we measure; below this a shift would as likely
/// make things worse.
const LARGE: i64 = 1_000_000;

/// Whether the table can tell when its rows were written: it has a key to find them by, and an
/// `updated_at` that every row gets, whoever writes it. One without a time zone is read as local time of
/// our session, as `pg_catalog.now()` was written there by sessions with the same setting.
pub(in crate::sink::postgres) fn tells_when(table: &Table) -> bool {
    let time = table.column(UPDATED_AT).is_some_and(|column| {
        matches!(column.type_, ColumnType::Timestamp(_) | ColumnType::Timestamptz(_))
            && !column.generated
            && column.default.is_some()
    });
    time && !table.key.is_empty() && !table.key.iter().any(|name| name == UPDATED_AT)
}

/// How far the server's clock is ahead of ours, in microseconds; zero where that is too little to
/// count.
///
/// The dead-letter queue has the time of the machine that loaded, `updated_at` the server's, and the
/// two are compared. Measured once, when the store is opened, on the assumption that the replay runs
/// by the same clock as the load did; a server that takes over later counts as having the same time.
pub(in crate::sink::postgres) async fn clock_ahead(link: &Link) -> Result<i64> {
    let (before, started) = (chrono::Utc::now().timestamp_micros(), Instant::now());
    let sql = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::int8";
    let row = link.client.query_typed_one(sql, &[]).await;
    let server = row.and_then(|row| row.try_get(0)).map_err(|error| to_error(link.classify(&error)))?;
    let round_trip = i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
    Ok(difference(before, round_trip, server))
}

/// The server read its clock somewhere in the round trip, most likely in the middle of it.
fn difference(before: i64, round_trip: i64, server: i64) -> i64 {
    let half = round_trip / 2;
    let ahead = server.saturating_sub(before.saturating_add(half));
    if ahead.saturating_abs() > LARGE.saturating_add(half) { ahead } else { 0 }
}

/// What the user is told of clocks that differ.
pub(in crate::sink::postgres) fn note(ahead: i64) -> Option<String> {
    let seconds = ahead.unsigned_abs() as f64 / 1e6;
    let where_ = if ahead > 0 { "ahead of" } else { "behind" };
    (ahead != 0).then(|| {
        format!(
            "the server's clock is {seconds:.1} s {where_} this machine's; that is allowed for where it is \
             told which rows of the table are newer than those that failed"
        )
    })
}

/// When rows failed first, by the server's clock.
#[derive(Debug, Clone, Copy)]
pub(in crate::sink::postgres) struct Firsts<'a> {
    pub parts: &'a [Arc<Batch>],
    /// See [`clock_ahead`].
    pub ahead: i64,
}

impl Firsts<'_> {
    /// Of one row, in microseconds since 2000, or [`NEVER`].
    pub fn of(&self, pick: Pick) -> i64 {
        let first = self.parts.get(pick.part as usize).and_then(|part| {
            let (record, _) = part.origin.past_of(*part.rows.get(pick.row as usize)?)?;
            Some(record.first_us)
        });
        let Some(first) = first else { return NEVER };
        let micros = first.saturating_add(self.ahead).saturating_sub(EPOCH_SECONDS * 1_000_000);
        micros.clamp(MICROS.start, MICROS.end - 1)
    }

    /// The latest of them.
    pub fn latest(&self, rows: Rows<'_>) -> i64 {
        rows.picks.iter().map(|pick| self.of(*pick)).max().unwrap_or(NEVER)
    }
}

/// What the statements of a merge say more where newer rows stay.
pub(in crate::sink::postgres) struct Guarded {
    /// Whether `updated_at` is ours to write, and not one of the values given.
    pub restamps: bool,
    /// The parameter that is the latest time at which one of the rows failed.
    pub latest: &'static str,
    /// Whether the row `s` of the stage and the row `t` of the table differ.
    pub differs: String,
    /// Whether the row that met another (`excluded`) and the row `t` of the table differ.
    pub excluded_differs: String,
}

impl Guarded {
    fn newer() -> String {
        format!("(t.\"{UPDATED_AT}\" > s.{FIRST_TS}) IS TRUE")
    }

    /// Whether the row of the stage is to be written over the one that is there. A row that never
    /// failed has nothing to hold against others.
    pub fn wanted(&self) -> String {
        let again =
            if self.restamps { format!(" OR pg_catalog.isfinite(s.{FIRST_TS})") } else { String::new() };
        format!("NOT ({}) AND ({}{again})", Self::newer(), self.differs)
    }

    /// What is to be known of a row that is there, for [`Guarded::counts`].
    pub fn looks(&self) -> String {
        let (differs, newer) = (&self.differs, Self::newer());
        format!("{differs} AS differs, {newer} AS newer, pg_catalog.isfinite(s.{FIRST_TS}) AS failed")
    }

    /// The numbers behind that of rows that are there: those that differ and are older, those that
    /// differ and are newer, those that are the same and are to be stamped again.
    pub fn counts(&self) -> String {
        let again = if self.restamps { "there.failed" } else { "FALSE" };
        format!(
            "pg_catalog.count(*) FILTER (WHERE there.differs AND NOT there.newer), \
             pg_catalog.count(*) FILTER (WHERE there.differs AND there.newer), \
             pg_catalog.count(*) FILTER (WHERE NOT there.differs AND NOT there.newer AND {again})"
        )
    }

    /// Whether a row that was met in spite of [`Guarded::wanted`] is replaced. One that was visible has
    /// passed that test, and this one with it. Another session's has come or changed since: of the
    /// stage nothing is to be seen here, so it must be older than all of what failed.
    pub fn replaces(&self) -> String {
        let older = format!("(t.\"{UPDATED_AT}\" > {}) IS NOT TRUE", self.latest);
        if self.restamps { older } else { format!("{older} AND ({})", self.excluded_differs) }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use uuid::Uuid;

    use super::*;
    use crate::batch::{Origin, PastRecord, ReplayHistory};
    use crate::sink::postgres::catalog::table::TableColumn;
    use crate::sink::postgres::catalog::table::tests::{column, table};

    #[test]
    fn a_table_tells_when_its_rows_were_written_if_all_of_them_say_so() {
        let tz = ColumnType::Timestamptz(6);
        let with = |updated_at: TableColumn, key: &[&[&str]]| {
            tells_when(&table(vec![column("k", ColumnType::Int4, "integer"), updated_at], key))
        };
        let stamped = || TableColumn {
            default: Some("pg_catalog.now()".into()),
            ..column(UPDATED_AT, tz, "timestamptz")
        };
        assert!(with(stamped(), &[&["k"]]));
        assert!(with(TableColumn { type_: ColumnType::Timestamp(3), ..stamped() }, &[&["k"]]));
        assert!(!with(stamped(), &[]));
        assert!(!with(stamped(), &[&["k", UPDATED_AT]]));
        assert!(!with(column(UPDATED_AT, tz, "timestamptz"), &[&["k"]]));
        assert!(!with(TableColumn { generated: true, ..stamped() }, &[&["k"]]));
        assert!(!with(TableColumn { type_: ColumnType::Date, ..stamped() }, &[&["k"]]));
        assert!(!with(TableColumn { name: "modified".into(), ..stamped() }, &[&["k"]]));
    }

    #[test]
    fn rows_failed_by_the_servers_clock_or_never() {
        let record =
            |first_us| PastRecord { id: Uuid::nil(), source: "a".into(), path: None, attempts: 1, first_us };
        let past = ReplayHistory {
            first: 7,
            rows: vec![(0, 1), (1, 2), (2, 3)],
            records: vec![record(EPOCH_SECONDS * 1_000_000), record(i64::MAX), record(i64::MIN)],
        };
        let values: ArrayRef = Arc::new(Int64Array::from(vec![0; 5]));
        let part = Arc::new(Batch {
            columns: RecordBatch::try_from_iter([("k", values)]).unwrap(),
            rows: (6..11).collect(),
            identities: (6..11).collect(),
            origin: Arc::new(Origin { past: Some(Arc::new(past)), ..Origin::new("dlq") }),
            order: crate::batch::Order::Any,
            given: None,
        });
        let picks: Vec<Pick> = (0..5).map(|row| Pick { part: 0, row }).collect();
        let parts = [part];
        let firsts = Firsts { parts: &parts, ahead: 5_000_000 };
        let of: Vec<i64> = picks.iter().map(|pick| firsts.of(*pick)).collect();
        assert_eq!(of[0..2], [NEVER, 5_000_000]);
        assert!(MICROS.contains(&of[2]) && MICROS.contains(&of[3]));
        assert_eq!(of[4], NEVER);
        assert_eq!(firsts.latest(Rows { parts: &parts, picks: &picks[1..2] }), 5_000_000);
        assert_eq!(firsts.latest(Rows { parts: &parts, picks: &picks }), NEVER);
    }

    #[test]
    fn clocks_differ_only_by_what_can_be_measured() {
        let second = 1_000_000;
        assert_eq!(difference(0, 10_000, second), 0);
        assert_eq!(difference(0, 10_000, 37 * second), 37 * second - 5_000);
        assert_eq!(difference(90 * second, 2 * second, 0), -91 * second);
        // Two seconds that a slow answer alone may be the reason of.
        assert_eq!(difference(0, 4 * second, 4 * second), 0);
        assert_eq!(note(0), None);
        let said = note(-91 * second).unwrap();
        assert!(said.starts_with("the server's clock is 91.0 s behind this machine's"), "{said}");
    }
}
