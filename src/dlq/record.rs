//! Rejects as lines of NDJSON.
//!
//! One record a line, as the Python system reads and writes them:
//! `{"ts": 1732351234.123, "error": "…", "metadata": {…}, "items": [{…}, …]}`. Fields of
//! `metadata` that do not apply are left out:
//!
//! | field | meaning |
//! |---|---|
//! | `id` | UUIDv7 of the record; stays with it through replays |
//! | `dataset`, `tenant_id`, `run_id` | what was being loaded, for whom, by which run |
//! | `table` | into which table, where it is not the dataset's own |
//! | `stage` | `decode`, `validate`, `write`, `overflow` or `abort` |
//! | `code`, `constraint`, `column` | SQLSTATE or our own code, and what it is about |
//! | `source`, `rows` | the input, and the 1-based numbers of the rows in it; as long as `items`, or one row |
//! | `raw` | the input of the row where no item could be made of it; then `items` is empty |
//! | `raw_hex` | only where that input is not UTF-8: its exact bytes in hexadecimal, since `raw` then has U+FFFD in places |
//! | `truncated` | `true` where the row is longer than that; `error` says where all of it stands |
//! | `reading` | how the row is to be read, see below |
//! | `attempts` | how often the rows have been tried |
//! | `first_ts` | when they failed first, like `ts` in seconds of the Unix epoch |
//! | `version` | version of this format, 1 |
//!
//! Columns stand as they were understood: times in UTC with all their digits, exact numbers, symbols in
//! their case. Those that were not stand as the input's own text; `reading` names them in `columns`, and
//! says how they were to be read: `zone`, `unit`, `order` (of day and month), `null`, `keep_case`, and in
//! `forms` what was deduced, column by column. A `reading` without `columns` is about all of the row, under
//! the input's own names (`typed` where those are of JSON), with what columns have that no field tells
//! (`set`, `force_set`, `day`: flags, the name of the file, a timeframe that was deduced) and with `map`; of a
//! `raw` line it has the `delimiter` and the `header` too.
//!
//! Rows that failed alike share a record, up to [`MOST_ROWS`] rows or [`MOST_BYTES`] bytes of
//! items; each undecodable row has a record of its own. Items are taken over as text, so that
//! their numbers keep every digit.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::writer::RunInfo;
use crate::batch::{PastRecord, Reading, Reason, Reject, Remains, Stage};
use crate::decode::MAX_RAW;

/// Rows of a record at most.
const MOST_ROWS: usize = 1000;

/// Bytes of items of a record at most; a larger item has a record of its own.
const MOST_BYTES: usize = 1 << 20;

/// Version of the format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Record<'a> {
    ts: f64,
    error: &'a str,
    metadata: Metadata<'a>,
    items: &'a [Box<RawValue>],
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(serialize_with = "text")]
    id: Uuid,
    dataset: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'a str>,
    stage: &'static str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'a str>,
    source: &'a str,
    rows: &'a [u64],
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_hex: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<&'a Reading>,
    attempts: u32,
    first_ts: f64,
    #[serde(serialize_with = "text")]
    run_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<&'a str>,
    version: u32,
}

fn text<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// How much was encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) records: u64,
    pub(super) rows: u64,
}

/// Rows that failed alike, on their way into one record.
struct Group<'a> {
    alike: Alike<'a>,
    rows: Vec<u64>,
    items: Vec<Box<RawValue>>,
    bytes: usize,
}

impl Group<'_> {
    /// By the numbers of the rows: a replay may take the last one first.
    fn sort(&mut self) {
        let items = std::mem::take(&mut self.items);
        let mut rows: Vec<(u64, Box<RawValue>)> =
            std::mem::take(&mut self.rows).into_iter().zip(items).collect();
        rows.sort_by_key(|(row, _)| *row);
        (self.rows, self.items) = rows.into_iter().unzip();
    }
}

/// What is the same for all rows of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Alike<'a> {
    stage: Stage,
    reason: &'a Reason,
    source: &'a str,
    attempts: u32,
    /// The record that rows come from stays their own: its id and its first time go with them.
    history: Option<(Uuid, i64)>,
    reading: Option<&'a Reading>,
}

/// Appends whole lines, each with its newline, for all rejects.
///
/// `now` is in seconds of the Unix epoch.
pub(super) fn encode(
    rejects: &[Reject],
    run: &RunInfo,
    now: f64,
    out: &mut Vec<u8>,
) -> serde_json::Result<Count> {
    let mut lines = Lines { run, now, out, count: Count::default() };
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut open: HashMap<Alike<'_>, usize> = HashMap::new();
    for reject in rejects {
        let (source, row) = reject.place();
        let past = reject.origin.past_of(reject.row).map(|(past, _)| past);
        let attempts = past.map_or(reject.attempts, |past| past.attempts.saturating_add(1));
        let history = past.map(|past: &PastRecord| (past.id, past.first_us));
        let (stage, reason, reading) = (reject.stage, &*reject.reason, reject.reading.as_deref());
        let alike = Alike { stage, reason, source, attempts, history, reading };
        let item = match &reject.remains {
            Remains::Raw(bytes) => {
                lines.raw(alike, row, bytes, false)?;
                continue;
            }
            Remains::Cut(bytes) => {
                lines.raw(alike, row, bytes, true)?;
                continue;
            }
            Remains::Item(text) => match item(text) {
                Some(item) => item,
                // No item of ours, but the row must not be lost for that.
                None => {
                    lines.raw(alike, row, text.as_bytes(), false)?;
                    continue;
                }
            },
        };
        let bytes = item.get().len();
        let found = open.get(&alike).copied().filter(|index| {
            groups.get(*index).is_some_and(|g| g.rows.len() < MOST_ROWS && g.bytes + bytes <= MOST_BYTES)
        });
        let index = found.unwrap_or_else(|| {
            groups.push(Group { alike, rows: Vec::new(), items: Vec::new(), bytes: 0 });
            open.insert(alike, groups.len() - 1);
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(index) {
            group.rows.push(row);
            group.items.push(item);
            group.bytes += bytes;
        }
    }
    for group in &mut groups {
        if group.alike.history.is_some() {
            group.sort();
        }
        lines.record(group.alike, &group.rows, &group.items, None, None)?;
    }
    Ok(lines.count)
}

/// The item as JSON of one line, or `None` where it is no JSON.
fn item(text: &str) -> Option<Box<RawValue>> {
    // Between tokens JSON allows line ends, inside of strings it does not: a space means the same.
    let one_line =
        if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text.to_owned() };
    RawValue::from_string(one_line).ok()
}

struct Lines<'a> {
    run: &'a RunInfo,
    now: f64,
    out: &'a mut Vec<u8>,
    count: Count,
}

impl Lines<'_> {
    fn raw(&mut self, alike: Alike<'_>, row: u64, bytes: &[u8], cut: bool) -> serde_json::Result<()> {
        let is_text = std::str::from_utf8(bytes).is_ok();
        // Where the exact bytes are there the text is for people alone.
        let shown = if is_text { bytes } else { bytes.get(..MAX_RAW).unwrap_or(bytes) };
        let text = String::from_utf8_lossy(shown);
        let hex = (!is_text).then(|| {
            bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
                // Writing into a text cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        });
        self.record(alike, &[row], &[], Some((&text, cut)), hex.as_deref())
    }

    fn record(
        &mut self,
        Alike { stage, reason, source, attempts, history, reading }: Alike<'_>,
        rows: &[u64],
        items: &[Box<RawValue>],
        raw: Option<(&str, bool)>,
        raw_hex: Option<&str>,
    ) -> serde_json::Result<()> {
        let metadata = Metadata {
            id: history.map_or_else(Uuid::now_v7, |(id, _)| id),
            dataset: &self.run.dataset,
            table: self.run.table.as_deref(),
            stage: stage.as_str(),
            code: &reason.code,
            constraint: reason.constraint.as_deref(),
            column: reason.column.as_deref(),
            source,
            rows,
            raw: raw.map(|(raw, _)| raw),
            raw_hex,
            truncated: raw.is_some_and(|(_, cut)| cut),
            reading,
            attempts,
            first_ts: history.map_or(self.now, |(_, first)| first as f64 / 1e6),
            run_id: self.run.run_id,
            tenant_id: self.run.tenant_id.as_deref(),
            version: VERSION,
        };
        let record = Record { ts: self.now, error: &reason.message, metadata, items };
        serde_json::to_writer(&mut *self.out, &record)?;
        self.out.push(b'\n');
        self.count.records += 1;
        self.count.rows += rows.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::Origin;

    pub(in crate::dlq) fn run() -> RunInfo {
        RunInfo { run_id: Uuid::nil(), dataset: "bars".to_owned(), table: None, tenant_id: None }
    }

    pub(in crate::dlq) fn reject(code: &'static str, row: u64, remains: Remains) -> Reject {
        Reject {
            stage: Stage::Write,
            reason: Arc::new(Reason::new(code, "the row is bad").column("volume")),
            origin: Arc::new(Origin::new("bars.csv")),
            row,
            remains,
            reading: Some(Reading::understood()),
            attempts: 1,
        }
    }

    pub(in crate::dlq) fn item(row: u64) -> Remains {
        Remains::Item(format!(r#"{{"symbol":"A","volume":{row}}}"#))
    }

    fn lines(rejects: &[Reject]) -> (Count, Vec<serde_json::Value>) {
        let mut out = Vec::new();
        let count = encode(rejects, &run(), 1_732_351_234.123, &mut out).unwrap();
        assert!(out.is_empty() || out.ends_with(b"\n"));
        let lines = String::from_utf8(out).unwrap();
        (count, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    #[test]
    fn a_record_has_the_agreed_fields_and_no_empty_ones() {
        let mut out = Vec::new();
        let text = r#"{"symbol":"A","volume":1.10000000000000000000000000000000000001}"#;
        encode(&[reject("22003", 7, Remains::Item(text.to_owned()))], &run(), 1_732_351_234.123, &mut out)
            .unwrap();
        let line = String::from_utf8(out).unwrap();
        let id = line.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 7);
        assert_eq!(
            line.replace(&id, "ID"),
            concat!(
                r#"{"ts":1732351234.123,"error":"the row is bad","metadata":{"id":"ID","dataset":"bars","stage":"write","#,
                r#""code":"22003","column":"volume","source":"bars.csv","rows":[7],"reading":{"columns":[]},"attempts":1,"#,
                r#""first_ts":1732351234.123,"#,
                r#""run_id":"00000000-0000-0000-0000-000000000000","version":1},"#,
                r#""items":[{"symbol":"A","volume":1.10000000000000000000000000000000000001}]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn rows_that_failed_alike_share_a_record() {
        let rejects = [
            reject("22003", 1, item(1)),
            reject("23502", 2, item(2)),
            reject("22003", 3, item(3)),
            Reject { attempts: 2, ..reject("22003", 4, item(4)) },
        ];
        let (count, lines) = lines(&rejects);
        assert_eq!(count, Count { records: 3, rows: 4 });
        assert_eq!(lines[0]["metadata"]["rows"], serde_json::json!([1, 3]));
        assert_eq!(lines[0]["items"][1]["volume"], 3);
        assert_eq!(lines[1]["metadata"]["code"], "23502");
        assert_eq!(lines[2]["metadata"]["attempts"], 2);
    }

    #[test]
    fn records_are_bounded_in_rows_and_bytes() {
        let many: Vec<Reject> = (0..2500).map(|row| reject("22003", row, item(row))).collect();
        let sizes = |lines: &[serde_json::Value]| -> Vec<usize> {
            lines.iter().map(|line| line["items"].as_array().unwrap().len()).collect()
        };
        let (count, many) = lines(&many);
        assert_eq!((count.rows, sizes(&many)), (2500, vec![1000, 1000, 500]));
        let large = || Remains::Item(format!("{{\"title\":\"{}\"}}", "x".repeat(600 << 10)));
        let (_, large) = lines(&[reject("22001", 1, large()), reject("22001", 2, large())]);
        assert_eq!(sizes(&large), [1, 1]);
    }

    #[test]
    fn an_undecodable_row_keeps_its_bytes() {
        let (count, lines) = lines(&[
            reject("bad_line", 1, Remains::Raw(b"2024-01-01,\"A\n,1".to_vec())),
            reject("bad_line", 2, Remains::Raw(b"caf\xe9".to_vec())),
            reject("22003", 3, Remains::Item("not json".to_owned())),
            reject("22003", 4, Remains::Item("{\n \"a\": 1\r\n}".to_owned())),
        ]);
        assert_eq!(count, Count { records: 4, rows: 4 });
        assert_eq!(lines[0]["metadata"]["raw"], "2024-01-01,\"A\n,1");
        assert_eq!(lines[0]["items"], serde_json::json!([]));
        assert!(lines[0]["metadata"].get("raw_hex").is_none());
        assert_eq!(lines[1]["metadata"]["raw"], "caf\u{fffd}");
        assert_eq!(lines[1]["metadata"]["raw_hex"], "636166e9");
        assert_eq!(lines[2]["metadata"]["raw"], "not json");
        assert_eq!(lines[3]["items"][0]["a"], 1);
    }
}
