//! The dead-letter queue, read as the next program will read it: strictly.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

/// A record of the queue.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The reason in words.
    pub error: String,
    /// SQLSTATE, or a code of our own.
    pub code: String,
    /// Where the rows failed.
    pub stage: String,
    /// The column that the fault is about.
    pub column: Option<String>,
    /// The constraint that the store named.
    pub constraint: Option<String>,
    /// Where the rows came from.
    pub source: String,
    /// Row numbers in the source.
    pub rows: Vec<u64>,
    /// The input line that could not be decoded, where the record is about one.
    pub raw: Option<String>,
    /// The input lines that could not be decoded, one or several.
    pub raws: Vec<String>,
    /// The rows.
    pub items: Vec<Value>,
    /// The record as it stands in the file.
    pub line: String,
}

/// Whether a program that goes on has written records to a file, the last of them whole.
pub fn has_some(path: &Path) -> bool {
    fs::read(path).is_ok_and(|text| text.ends_with(b"\n"))
}

/// Records of a file, each checked for what DESIGN section 7 promises; none if there is no file.
pub fn read(path: &Path) -> Vec<DeadLetter> {
    let Ok(text) = fs::read_to_string(path) else {
        assert!(!path.exists(), "{} is not text", path.display());
        return Vec::new();
    };
    assert!(text.is_empty() || text.ends_with('\n'), "the last line of {} is torn", path.display());
    let mode = fs::metadata(path).expect("its mode").permissions().mode() & 0o7777;
    assert_eq!(mode & 0o137, 0, "mode {mode:o} of {}, 0640 at most", path.display());
    text.lines().map(record).collect()
}

/// How many rows the records hold.
pub fn rows(records: &[DeadLetter]) -> u64 {
    records.iter().map(|record| record.rows.len() as u64).sum()
}

fn record(line: &str) -> DeadLetter {
    let json: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let meta = &json["metadata"];
    let text = |value: &Value| value.as_str().map(str::to_string);
    let must = |name: &str| text(&meta[name]).unwrap_or_else(|| panic!("no metadata.{name}: {line}"));

    assert!(json["ts"].as_f64().is_some_and(|ts| ts > 1.7e9), "ts: {line}");
    let id: uuid::Uuid = must("id").parse().unwrap_or_else(|_| panic!("metadata.id: {line}"));
    assert_eq!(id.get_version_num(), 7, "metadata.id is not a UUIDv7: {line}");
    let stage = must("stage");
    assert!(["decode", "validate", "write", "overflow", "abort"].contains(&&*stage), "stage: {line}");
    for name in ["dataset", "run_id"] {
        assert!(!must(name).is_empty(), "metadata.{name}: {line}");
    }
    assert!(meta["attempts"].as_u64().is_some_and(|n| n >= 1), "metadata.attempts: {line}");
    assert!(!meta["first_ts"].is_null(), "metadata.first_ts: {line}");
    assert!(!meta["version"].is_null(), "metadata.version: {line}");
    let rows = meta["rows"].as_array().unwrap_or_else(|| panic!("metadata.rows: {line}"));
    let rows: Vec<u64> =
        rows.iter().map(|row| row.as_u64().unwrap_or_else(|| panic!("rows: {line}"))).collect();
    let items = json["items"].as_array().unwrap_or_else(|| panic!("items: {line}")).clone();
    assert!(!rows.is_empty() && rows.iter().all(|row| *row >= 1), "metadata.rows: {line}");
    let raw = text(&meta["raw"]);
    let several = meta["raw"].as_array().into_iter().flatten();
    let raws: Vec<String> =
        several.map(|raw| text(raw).unwrap_or_else(|| panic!("raw: {line}"))).chain(raw.clone()).collect();
    match raws.len() {
        0 => assert_eq!(rows.len(), items.len(), "a row number for each item: {line}"),
        lines => assert_eq!((rows.len(), items.len()), (lines, 0), "a row number for each line: {line}"),
    }
    DeadLetter {
        error: text(&json["error"]).filter(|e| !e.is_empty()).unwrap_or_else(|| panic!("error: {line}")),
        code: must("code"),
        stage,
        column: text(&meta["column"]),
        constraint: text(&meta["constraint"]),
        source: must("source"),
        rows,
        raw,
        raws,
        items,
        line: line.into(),
    }
}
