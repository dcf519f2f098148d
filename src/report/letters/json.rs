//! One object. Field names are a promise to scripts.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Map, Value, json};

use crate::dlq::groups::{Group, Sample, Shown};
use crate::report::letters::Findings;

const HOUR: i64 = 3_600_000_000;

/// The object, with what there is to say of the queues beside.
pub fn json(found: Findings<'_>, notes: &[String]) -> Value {
    let Findings { files, survey, by } = found;
    let (oldest, newest) = span(survey.span);
    let name = |place: usize| files.get(place).map(|file| file.name.as_str());
    let damage = survey
        .damage
        .as_ref()
        .map(|((file, offset), why)| json!({"file": name(*file), "offset": offset, "error": why}));
    let groups: Vec<Value> =
        survey.groups.sorted().into_iter().map(|(key, of_it)| group(by, &key, of_it)).collect();
    let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
    for (minute, rows) in &survey.minutes {
        *hours.entry(minute.div_euclid(60)).or_default() += rows;
    }
    let hours: Vec<Value> = hours
        .into_iter()
        .map(|(hour, rows)| json!({"hour": time(hour.checked_mul(HOUR)), "rows": rows}))
        .collect();
    let files: Vec<Value> =
        files.iter().map(|f| json!({"path": f.name, "what": f.what, "rows": f.rows})).collect();
    json!({"command": "inspect-dlq", "exit_code": 0, "notes": notes, "files": files, "records": survey.records, "rows": survey.rows, "undecodable": survey.raw,
        "damaged": survey.damaged, "first_damage": damage, "oldest": oldest, "newest": newest,
        "max_attempts": survey.attempts, "by": by.join(","), "groups": groups, "hours": hours})
}

/// `key` is the parts in one text, `keys` has each by its name; both are null for groups too many. What
/// groups by code have in common is the code with its column and constraint: `keys` has the code alone, as
/// `--code` takes it, and the others have fields of their own.
fn group(by: &[&str], key: &[&str], group: &Group) -> Value {
    let (first, last) = span(group.span);
    let keys: Map<String, Value> =
        by.iter().zip(key).map(|(by, part)| ((*by).to_owned(), alone(by, part, group).into())).collect();
    let others = key.is_empty();
    json!({"key": (!others).then(|| key.join(", ")), "keys": (!others).then_some(keys), "rows": group.rows,
        "records": group.records, "first": first, "last": last, "column": group.column, "constraint": group.constraint,
        "error": group.message, "mixed": group.mixed, "samples": group.samples.iter().map(sample).collect::<Vec<_>>()})
}

/// A part of a key for programs.
fn alone<'a>(by: &str, part: &'a str, group: &'a Group) -> &'a str {
    match &group.code {
        Some(code) if by == "code" => code,
        None if by == "code" => "(none)",
        _ => part,
    }
}

fn sample(sample: &Sample) -> Value {
    let (value, raw) = match &sample.shown {
        Shown::Nothing | Shown::Missing => (None, None),
        Shown::Text(text) | Shown::Json(text) => (Some(text), None),
        Shown::Raw(text) => (None, Some(text)),
    };
    json!({"source": sample.source, "row": sample.row, "column": sample.column, "value": value, "raw": raw})
}

fn span(span: Option<(i64, i64)>) -> (Value, Value) {
    (time(span.map(|span| span.0)), time(span.map(|span| span.1)))
}

fn time(micros: Option<i64>) -> Value {
    let time = micros.and_then(DateTime::from_timestamp_micros);
    time.map_or(Value::Null, |time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into())
}
