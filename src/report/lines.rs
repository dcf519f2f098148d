//! Progress a line at a time: `plain` for logs and dumb terminals, `json` for programs; and what else is said to those.

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::port::Circuit;
use crate::report::display::Frame;
use crate::telemetry::result::{CircuitResult, LagResult, LatencyResult};
use crate::telemetry::snapshot::{Books, LagView};
use crate::text::fit;
use crate::text::number_format::{bytes, count, duration, percent, plural, rate};

/// Kinds of rejects in a line of JSON.
const MOST_REJECTS: usize = 5;

/// What is said, in the form that log lines have; with the result of the run where it closes one.
pub fn record(text: &str, result: Option<Value>) -> String {
    let (level, message) = match text {
        _ if text.starts_with("error: ") => ("ERROR", text.get("error: ".len()..)),
        _ if text.starts_with("warning: ") => ("WARN", text.get("warning: ".len()..)),
        _ => ("INFO", Some(text)),
    };
    let mut fields = Map::new();
    fields.insert("message".into(), message.unwrap_or(text).into());
    if let Some(result) = result {
        fields.insert("result".into(), result);
    }
    let at = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    serde_json::json!({"timestamp": at, "level": level, "fields": fields}).to_string()
}

/// One line for people, without a line feed.
pub fn plain(frame: &Frame<'_>) -> String {
    let (seen, input) = (frame.snapshot, frame.input);
    let read = match input.total {
        Some(_) if seen.lag.is_some() => format!("{} read", bytes(input.consumed)),
        Some(total) => format!("{} %", percent(input.consumed.min(total), total)),
        None => format!("{} read", bytes(input.consumed)),
    };
    let elapsed = match frame.elapsed.as_secs() {
        seconds if seconds < 60 => format!("{seconds} s"),
        _ => duration(frame.elapsed),
    };
    let mut line = format!(
        "{elapsed}  {} rows ({}/s)  {read}  queue {} %  rejected {}  circuit {}",
        count(seen.progressed()),
        rate(frame.rates.now()),
        percent(seen.queue.depth, seen.queue.capacity),
        count(seen.books.rejected + seen.books.dropped),
        seen.circuit.state.as_str(),
    );
    if let Some(lag) = seen.lag {
        line.push_str(&format!("  {}", behind(lag)));
    }
    if seen.retries > 0 {
        line.push_str(&format!("  retries {}", count(seen.retries)));
    }
    if seen.circuit.state != Circuit::Closed {
        let since = seen.circuit.open_for.map_or(String::new(), |time| format!(" for {} s", time.as_secs()));
        let why = seen.circuit.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        let what = if seen.circuit.for_letters { "dead-letter queue blocked" } else { "store takes no rows" };
        line.push_str(&format!("  {what}{since}, waiting{why}"));
    }
    fit::shorten(&line, 1_000)
}

/// How far the store is behind, in words.
pub fn behind(lag: LagView) -> String {
    let (size, age) = match lag {
        LagView::Files { bytes: 0, .. } | LagView::Messages(0) => return "up to date".to_owned(),
        LagView::Messages(messages) => return format!("{} behind", plural(messages, "message")),
        LagView::Files { bytes, age } => (bytes, age),
    };
    match age.as_secs() {
        0 => format!("{} behind", bytes(size)),
        seconds if seconds < 60 => format!("{} and {seconds} s behind", bytes(size)),
        _ => format!("{} and {} behind", bytes(size), duration(age)),
    }
}

/// One object for programs, without a line feed. Field names are a promise.
pub fn json(frame: &Frame<'_>) -> String {
    let (seen, input) = (frame.snapshot, frame.input);
    let tenth = |x: f64| (x * 10.0).round() / 10.0;
    // A file that grows has no end to count to.
    let total = input.total.filter(|_| seen.lag.is_none());
    let line = JsonLine {
        event: "progress",
        elapsed_s: tenth(frame.elapsed.as_secs_f64()),
        rows: seen.books,
        rows_per_s: JsonRates { now: tenth(frame.rates.now()), average: tenth(frame.rates.average()) },
        input: JsonInput {
            consumed: input.consumed,
            total,
            decoded: input.decoded,
            percent: total.map(|total| percent(input.consumed.min(total), total)),
            eta_s: total.and_then(|total| frame.rates.remaining(total)).map(|time| time.as_secs()),
            current: input.current.as_deref(),
            files_done: input.files_done,
            files_total: input.files_total,
        },
        queue: JsonQueue {
            depth: seen.queue.depth,
            capacity: seen.queue.capacity,
            peak: seen.queue.peak,
            level: seen.queue.level.as_str(),
        },
        circuit: JsonCircuit {
            circuit: CircuitResult::of(seen),
            open_s: seen.circuit.open_for.map(|time| time.as_secs()),
            reason: seen.circuit.reason.as_deref(),
        },
        workers: JsonWorkers { alive: seen.workers.alive, busy: seen.workers.busy },
        retries: seen.retries,
        lag: seen.lag.map(LagResult::of),
        latency_ms: LatencyResult::of(seen),
        rejects: seen
            .rejects
            .iter()
            .take(MOST_REJECTS)
            .map(|group| JsonReject {
                stage: group.stage.as_str(),
                code: &group.code,
                column: group.column.as_deref(),
                rows: group.rows,
            })
            .collect(),
    };
    // Strings and numbers under fixed names: there is nothing in it that could fail.
    serde_json::to_string(&line).unwrap_or_else(|_| "{}".to_owned())
}

#[derive(Serialize)]
struct JsonLine<'a> {
    event: &'static str,
    elapsed_s: f64,
    rows: Books,
    rows_per_s: JsonRates,
    input: JsonInput<'a>,
    queue: JsonQueue,
    circuit: JsonCircuit<'a>,
    workers: JsonWorkers,
    retries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<LagResult>,
    latency_ms: LatencyResult,
    rejects: Vec<JsonReject<'a>>,
}

#[derive(Serialize)]
struct JsonRates {
    now: f64,
    average: f64,
}

#[derive(Serialize)]
struct JsonInput<'a> {
    consumed: u64,
    total: Option<u64>,
    decoded: u64,
    percent: Option<u64>,
    eta_s: Option<u64>,
    current: Option<&'a str>,
    files_done: u64,
    files_total: u64,
}

#[derive(Serialize)]
struct JsonQueue {
    depth: u64,
    capacity: u64,
    peak: u64,
    level: &'static str,
}

#[derive(Serialize)]
struct JsonCircuit<'a> {
    #[serde(flatten)]
    circuit: CircuitResult,
    open_s: Option<u64>,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonWorkers {
    alive: u64,
    busy: u64,
}

#[derive(Serialize)]
struct JsonReject<'a> {
    stage: &'static str,
    code: &'a str,
    column: Option<&'a str>,
    rows: u64,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::batch::{Reason, Stage};
    use crate::port::{Event, Observer, Written};
    use crate::report::display::InputGauge;
    use crate::report::rates::{Rates, Sample};
    use crate::settings::EngineSettings;
    use crate::telemetry::run_counters::RunCounters;

    #[test]
    fn a_line_says_it_all() {
        let tally = RunCounters::new(&EngineSettings { capacity: 1_000, ..EngineSettings::default() });
        tally.on(&Event::Read { rows: 2_000 });
        tally.on(&Event::Queue { depth: 610 });
        let written = Written { inserted: 1_201, ..Written::default() };
        tally.on(&Event::Committed {
            worker: 0,
            written: &written,
            superseded: 0,
            latency: Duration::from_millis(4),
        });
        let reason = Reason::new("bad_number", "No number.").column("volume");
        tally.on(&Event::Buried { stage: Stage::Validate, reason: &reason, rows: 3 });
        let mut rates = Rates::new();
        rates.push(Sample { at: Duration::from_secs(12), rows: 1_204, bytes: 420 });
        let input = InputGauge { consumed: 420, total: Some(1_000), files_total: 1, ..InputGauge::default() };
        let seen = tally.snapshot();
        let frame = Frame {
            title: "",
            elapsed: Duration::from_millis(12_340),
            snapshot: &seen,
            input: &input,
            rates: &rates,
            tick: 0,
        };
        insta::assert_snapshot!(plain(&frame), @"12 s  1,204 rows (100/s)  42 %  queue 61 %  rejected 3  circuit closed");
        insta::assert_snapshot!(json(&frame), @r#"{"event":"progress","elapsed_s":12.3,"rows":{"read":2000,"inserted":1201,"updated":0,"unchanged":0,"superseded":0,"rejected":3,"dropped":0,"skipped":0},"rows_per_s":{"now":100.3,"average":100.3},"input":{"consumed":420,"total":1000,"decoded":0,"percent":42,"eta_s":16,"current":null,"files_done":0,"files_total":1},"queue":{"depth":610,"capacity":1000,"peak":610,"level":"ok"},"circuit":{"state":"closed","times_opened":0,"open_s":null,"reason":null},"workers":{"alive":0,"busy":0},"retries":0,"latency_ms":{"p50":4.0,"p99":4.0,"max":4.0},"rejects":[{"stage":"validate","code":"bad_number","column":"volume","rows":3}]}"#);

        let mut seen = seen.clone();
        seen.circuit.state = Circuit::Open;
        seen.circuit.open_for = Some(Duration::from_secs(42));
        seen.circuit.reason = Some("connection\nrefused".into());
        seen.retries = 5;
        let input = InputGauge { total: None, ..input.clone() };
        let frame = Frame { snapshot: &seen, input: &input, elapsed: Duration::from_secs(3_700), ..frame };
        insta::assert_snapshot!(plain(&frame), @"1 h 01 min  1,204 rows (100/s)  420 B read  queue 61 %  rejected 3  circuit open  retries 5  store takes no rows for 42 s, waiting: connection refused");
        let parsed: serde_json::Value = serde_json::from_str(&json(&frame)).unwrap();
        assert_eq!(parsed["circuit"]["open_s"], 42);
        assert_eq!(parsed["input"]["percent"], serde_json::Value::Null);
    }
}
