//! Rows on their way to the dead letters: those without room, those that nobody mapped, lines that are not rows.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::batch::{Batch, Origin, Reading, Reason, Reject, RejectedData, Stage};
use crate::dataset::json_row;
use crate::decode::Broken;

/// Rows for which there was no room.
pub(crate) fn rejected(batch: &Batch) -> Vec<Reject> {
    let reason = Arc::new(Reason::new("queue_full", "the queue was full"));
    (0..batch.len()).map(|row| json_row::reject_of(batch, row, Stage::Overflow, reason.clone())).collect()
}

/// Rows that were not mapped any more.
pub(crate) fn unmapped(
    columns: &RecordBatch,
    rows: &[u64],
    origin: &Arc<Origin>,
    reading: &Arc<Reading>,
) -> Vec<Reject> {
    let reason = Reason::new("aborted", "the run ended before the row could be mapped");
    as_they_are(columns, rows, origin, Stage::Abort, reason, reading)
}

/// Rows as dead letters under the names that the input gives them.
pub(crate) fn as_they_are(
    columns: &RecordBatch,
    rows: &[u64],
    origin: &Arc<Origin>,
    stage: Stage,
    reason: Reason,
    reading: &Arc<Reading>,
) -> Vec<Reject> {
    let reason = Arc::new(reason);
    let typed = json_row::typed(columns);
    let reading = match &typed {
        Some(_) => &Arc::new(Reading { typed: true, ..Reading::clone(reading) }),
        None => reading,
    };
    let reject = |(row, number): (usize, &u64)| Reject {
        stage,
        reason: reason.clone(),
        origin: origin.clone(),
        row: *number,
        remains: RejectedData::Item(match &typed {
            Some(typed) => json_row::to_json(typed, row),
            None => json_row::of_source(columns, row),
        }),
        reading: Some(reading.clone()),
        attempts: 1,
    };
    rows.iter().enumerate().map(reject).collect()
}

/// `reading` with how a line is cut into fields: the delimiter and the names. Without fields it is a line of
/// JSON.
pub(crate) fn with_fields(fields: Option<(u8, Vec<Arc<str>>)>, reading: &Arc<Reading>) -> Arc<Reading> {
    match fields {
        Some((delimiter, header)) => Arc::new(Reading {
            delimiter: Some(char::from(delimiter).to_string()),
            header: Some(header.iter().map(|name| name.to_string()).collect()),
            ..Reading::clone(reading)
        }),
        // A line of JSON.
        None => Arc::new(Reading { typed: true, ..Reading::clone(reading) }),
    }
}

/// A line that is not a row.
pub(crate) fn of_broken(broken: Broken, origin: &Arc<Origin>, reading: &Arc<Reading>) -> Reject {
    Reject {
        stage: Stage::Decode,
        reason: Arc::new(Reason::new(broken.code, broken.message)),
        origin: origin.clone(),
        row: broken.row,
        remains: if broken.cut { RejectedData::Cut(broken.raw) } else { RejectedData::Raw(broken.raw) },
        reading: Some(reading.clone()),
        attempts: 1,
    }
}
