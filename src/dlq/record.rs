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
//! | `source`, `rows` | the input, and the 1-based numbers of the rows in it; as long as `items`, or as `raw` |
//! | `path` | the absolute path of that input, without links, where it is a file and `source` does not say it |
//! | `raw` | the input of the row where no item could be made of it, of several rows a list of texts; then `items` is empty |
//! | `raw_hex` | only where that input is not UTF-8: its exact bytes in hexadecimal, since `raw` then has U+FFFD in places; a list where `raw` is one |
//! | `truncated` | `true` where the row is longer than that; `error` says where all of it stands |
//! | `reading` | how the row is to be read, see below |
//! | `commit` | of a commit that got no answer: by what the store can be asked for it |
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
//! items. Undecodable rows do where there are more than [`MOST_ALONE`] of them, which would take many times
//! their own bytes each in a record of its own; few of them, and long ones, have one each, which is easier to
//! mend by hand. Items are taken over as text, so that their numbers keep every digit.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::writer::RunInfo;
use crate::batch::{Commit, PastRecord, Reading, Reason, Reject, RejectedData, Stage};
use crate::decode::MAX_RAW;

/// Rows of a record at most.
const MOST_ROWS: usize = 1000;

/// Bytes of items of a record at most; a larger item has a record of its own.
const MOST_BYTES: usize = 1 << 20;

/// Undecodable rows that failed alike and have a record each, at most.
const MOST_ALONE: usize = 16;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    rows: &'a [u64],
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Texts<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_hex: Option<Texts<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<&'a Reading>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'a Commit>,
    attempts: u32,
    first_ts: f64,
    #[serde(serialize_with = "text")]
    run_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<&'a str>,
    version: u32,
}

/// The text of one row, or those of several.
#[derive(Serialize)]
#[serde(untagged)]
enum Texts<'a> {
    One(Cow<'a, str>),
    Several(Vec<Cow<'a, str>>),
}

impl<'a> Texts<'a> {
    fn of(mut texts: Vec<Cow<'a, str>>) -> Self {
        match texts.pop() {
            Some(one) if texts.is_empty() => Self::One(one),
            last => {
                texts.extend(last);
                Self::Several(texts)
            }
        }
    }
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

/// Undecodable rows that failed alike, on their way into one record, or into one each.
struct RawGroup<'a> {
    alike: Alike<'a>,
    is_text: bool,
    /// Each with its number.
    lines: Vec<(u64, &'a [u8])>,
    bytes: usize,
}

/// By the numbers of the rows: a replay may take the last one first.
fn sort<T>(rows: &mut Vec<u64>, of_rows: &mut Vec<T>) {
    let mut both: Vec<(u64, T)> = std::mem::take(rows).into_iter().zip(std::mem::take(of_rows)).collect();
    both.sort_by_key(|(row, _)| *row);
    (*rows, *of_rows) = both.into_iter().unzip();
}

impl RawGroup<'_> {
    /// Whether a line belongs there, told without a look into its reading, which may name thousands of columns.
    fn is_next(&self, alike: &Alike<'_>, line: &[u8], is_text: bool) -> bool {
        let (own, other) = (&self.alike, alike);
        let same_reading = match (own.reading, other.reading) {
            (Some(own), Some(other)) => std::ptr::eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        };
        let same = (own.stage, own.attempts, own.history) == (other.stage, other.attempts, other.history)
            && (own.source, own.path, own.reason) == (other.source, other.path, other.reason);
        same && same_reading && self.is_text == is_text && self.has_room(line)
    }

    fn has_room(&self, line: &[u8]) -> bool {
        self.lines.len() < MOST_ROWS && self.bytes + line.len() <= MOST_BYTES
    }
}

/// What is the same for all rows of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Alike<'a> {
    stage: Stage,
    reason: &'a Reason,
    source: &'a str,
    path: Option<&'a str>,
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
    let mut raws = Raws::default();
    for reject in rejects {
        let (source, row) = reject.place();
        let past = reject.origin.past_of(reject.row).map(|(past, _)| past);
        let attempts = past.map_or(reject.attempts, |past| past.attempts.saturating_add(1));
        let history = past.map(|past: &PastRecord| (past.id, past.first_us));
        let (stage, reason, reading) = (reject.stage, &*reject.reason, reject.reading.as_deref());
        let path = reject.path().map(|path| &**path).filter(|path| *path != &**source);
        let alike = Alike { stage, reason, source, path, attempts, history, reading };
        let item = match &reject.remains {
            RejectedData::Raw(bytes) => {
                raws.take(alike, row, bytes);
                continue;
            }
            // Each says of itself where all of it is.
            RejectedData::Cut(bytes) => {
                lines.raw(alike, &[(row, bytes)], true)?;
                continue;
            }
            RejectedData::Item(text) => match item(text) {
                Some(item) => item,
                // No item of ours, but the row must not be lost for that.
                None => {
                    raws.take(alike, row, text.as_bytes());
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
    for mut group in raws.groups {
        if group.alike.history.is_some() {
            group.lines.sort_by_key(|(row, _)| *row);
        }
        let together = if group.lines.len() > MOST_ALONE { group.lines.len() } else { 1 };
        for some in group.lines.chunks(together) {
            lines.raw(group.alike, some, false)?;
        }
    }
    for group in &mut groups {
        if group.alike.history.is_some() {
            sort(&mut group.rows, &mut group.items);
        }
        lines.record(group.alike, &group.rows, &group.items, None, false)?;
    }
    Ok(lines.count)
}

/// Undecodable rows, by what they failed of and by whether they are text.
#[derive(Default)]
struct Raws<'a> {
    groups: Vec<RawGroup<'a>>,
    open: HashMap<(Alike<'a>, bool), usize>,
    /// The group of the last one.
    last: usize,
}

impl<'a> Raws<'a> {
    fn take(&mut self, alike: Alike<'a>, row: u64, line: &'a [u8]) {
        let is_text = std::str::from_utf8(line).is_ok();
        if self.groups.get(self.last).is_none_or(|group| !group.is_next(&alike, line, is_text)) {
            let found = self.open.get(&(alike, is_text)).copied();
            let found = found.filter(|at| self.groups.get(*at).is_some_and(|group| group.has_room(line)));
            self.last = found.unwrap_or_else(|| {
                self.groups.push(RawGroup { alike, is_text, lines: Vec::new(), bytes: 0 });
                self.open.insert((alike, is_text), self.groups.len() - 1);
                self.groups.len() - 1
            });
        }
        if let Some(group) = self.groups.get_mut(self.last) {
            group.lines.push((row, line));
            group.bytes += line.len();
        }
    }
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
    /// Rows that are all text, or all none.
    fn raw(&mut self, alike: Alike<'_>, lines: &[(u64, &[u8])], cut: bool) -> serde_json::Result<()> {
        let rows: Vec<u64> = lines.iter().map(|(row, _)| *row).collect();
        let is_text = lines.iter().all(|(_, line)| std::str::from_utf8(line).is_ok());
        let texts = lines.iter().map(|(_, line)| {
            // Where the exact bytes are there the text is for people alone.
            String::from_utf8_lossy(if is_text { line } else { line.get(..MAX_RAW).unwrap_or(line) })
        });
        let hex = |line: &[u8]| {
            line.iter().fold(String::with_capacity(line.len() * 2), |mut hex, byte| {
                // Writing into a text cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        };
        let hex = (!is_text).then(|| lines.iter().map(|(_, line)| hex(line).into()).collect());
        let raw = (Texts::of(texts.collect()), hex.map(Texts::of));
        self.record(alike, &rows, &[], Some(raw), cut)
    }

    fn record(
        &mut self,
        Alike { stage, reason, source, path, attempts, history, reading }: Alike<'_>,
        rows: &[u64],
        items: &[Box<RawValue>],
        raw: Option<(Texts<'_>, Option<Texts<'_>>)>,
        truncated: bool,
    ) -> serde_json::Result<()> {
        let (raw, raw_hex) = raw.map_or((None, None), |(raw, hex)| (Some(raw), hex));
        let metadata = Metadata {
            id: history.map_or_else(Uuid::now_v7, |(id, _)| id),
            dataset: &self.run.dataset,
            table: self.run.table.as_deref(),
            stage: stage.as_str(),
            code: &reason.code,
            constraint: reason.constraint.as_deref(),
            column: reason.column.as_deref(),
            source,
            path,
            rows,
            raw,
            raw_hex,
            truncated,
            reading,
            commit: reason.commit.as_deref(),
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

    pub(in crate::dlq) fn reject(code: &'static str, row: u64, remains: RejectedData) -> Reject {
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

    pub(in crate::dlq) fn item(row: u64) -> RejectedData {
        RejectedData::Item(format!(r#"{{"symbol":"A","volume":{row}}}"#))
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
        encode(
            &[reject("22003", 7, RejectedData::Item(text.to_owned()))],
            &run(),
            1_732_351_234.123,
            &mut out,
        )
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
        let large = || RejectedData::Item(format!("{{\"title\":\"{}\"}}", "x".repeat(600 << 10)));
        let (_, large) = lines(&[reject("22001", 1, large()), reject("22001", 2, large())]);
        assert_eq!(sizes(&large), [1, 1]);
    }

    #[test]
    fn an_undecodable_row_keeps_its_bytes() {
        let (count, lines) = lines(&[
            reject("bad_line", 1, RejectedData::Raw(b"2024-01-01,\"A\n,1".to_vec())),
            reject("bad_line", 2, RejectedData::Raw(b"caf\xe9".to_vec())),
            reject("22003", 3, RejectedData::Item("not json".to_owned())),
            reject("22003", 4, RejectedData::Item("{\n \"a\": 1\r\n}".to_owned())),
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

    #[test]
    fn undecodable_rows_share_a_record_where_they_are_many() {
        let many = |count: u64, line: &[u8]| -> Vec<Reject> {
            (1..=count).map(|row| reject("bad_line", row, RejectedData::Raw(line.to_vec()))).collect()
        };
        let (count, alone) = lines(&many(16, b"1;2"));
        assert_eq!((count, &alone[3]["metadata"]["raw"]), (Count { records: 16, rows: 16 }, &"1;2".into()));
        let (count, shared) = lines(&many(1017, b"1;2"));
        assert_eq!(count, Count { records: 2, rows: 1017 });
        assert_eq!(shared[1]["metadata"]["rows"], serde_json::json!((1001..=1017).collect::<Vec<_>>()));
        assert_eq!(shared[1]["metadata"]["raw"], serde_json::json!(vec!["1;2"; 17]));
        let mut mixed = many(17, b"1;2");
        mixed.extend(many(17, b"\xe9"));
        let (_, mixed) = lines(&mixed);
        assert!(mixed[0]["metadata"].get("raw_hex").is_none());
        assert_eq!(mixed[1]["metadata"]["raw"][16], "\u{fffd}");
        assert_eq!(mixed[1]["metadata"]["raw_hex"], serde_json::json!(vec!["e9"; 17]));
    }
}
