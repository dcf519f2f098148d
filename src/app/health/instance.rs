//! Findings about a running instance, asked through its listener.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::{Finding, Measure, Report, Status};
use crate::settings::Secret;
use crate::telemetry::client::{Answer, Endpoint};
use crate::text::fit::shorten;
use crate::text::flags::{METRICS_LISTEN, METRICS_TOKEN, TOKEN, URL, WORKERS};
use crate::text::number_format::count;

/// Largest answer that is read.
const MOST_BYTES: usize = 1 << 20;

/// Characters of somebody else's words that are shown.
const MOST_TEXT: usize = 200;

/// Asks an instance how it is; waits so long at most.
pub async fn ask(endpoint: &Endpoint, token: Option<&Secret>, limit: Duration) -> Report {
    let ask = |path: &'static str| async move {
        match timeout(limit, endpoint.get(path, token, MOST_BYTES)).await {
            Ok(done) => done,
            Err(_) => Err(format!("no answer within {} s", limit.as_secs_f64())),
        }
    };
    let (ready, status, pressure) = tokio::join!(ask("/readyz"), ask("/status"), ask("/backpressure"));
    let shown = endpoint.shown();
    let ready = match ready {
        Ok(answer) => answer,
        Err(why) => {
            return Finding::new("instance", Status::Critical, format!("{shown}: {why}"))
                .remedy(format!("see that it runs, and that {URL} names its {METRICS_LISTEN}"))
                .into();
        }
    };
    let mut report = Report::default();
    let run = status.and_then(|answer| object(&answer));
    let about = run.as_ref().map_or(String::new(), |run| format!(", {}", described(run)));
    let says = said(&ready);
    report.findings.push(match ready.status {
        200 => Finding::new("instance", Status::Ok, format!("{shown} is ready{about}")),
        503 => Finding::new("instance", Status::Critical, format!("{shown} is not ready: {says}{about}"))
            .remedy("its log says more; rows wait in it meanwhile"),
        401 | 403 => {
            let text = format!("{shown} does not let us in (status {})", ready.status);
            Finding::new("instance", Status::Critical, text)
                .remedy(format!("give its {METRICS_TOKEN} as {TOKEN} or in MDS_METRICS_TOKEN"))
        }
        other => {
            let text = format!("{shown} answers /readyz with status {other}, as no mdsctl does");
            Finding::new("instance", Status::Critical, text).remedy(format!("mend {URL}"))
        }
    });
    if !matches!(ready.status, 200 | 503) {
        return report;
    }
    match run {
        Ok(run) => report.findings.extend(circuit(&run)),
        Err(why) => report.findings.push(
            Finding::new("instance_status", Status::Unknown, format!("{shown}/status: {why}"))
                .remedy(format!("see that {URL} names an mdsctl")),
        ),
    }
    match pressure.and_then(|answer| object(&answer)).and_then(|told| backpressure(&told)) {
        Ok(told) => report.add(told),
        Err(why) => report.findings.push(
            Finding::new("backpressure", Status::Unknown, format!("{shown}/backpressure: {why}"))
                .remedy(format!("see that {URL} names an mdsctl")),
        ),
    }
    report
}

/// The object that a good answer holds.
fn object(answer: &Answer) -> Result<Value, String> {
    if answer.status != 200 {
        return Err(format!("it answers with status {}", answer.status));
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(fields)) => Ok(Value::Object(fields)),
        _ => Err("the answer is not a JSON object".to_owned()),
    }
}

/// The reason in an answer: `reason` of an object, or its text.
fn said(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let json: Option<Value> = serde_json::from_str(&text).ok();
    let reason = json.as_ref().and_then(|json| json.get("reason").or(json.get("error"))?.as_str());
    match shorten(reason.unwrap_or(text.trim()), MOST_TEXT) {
        empty if empty.is_empty() => "it does not say why".to_owned(),
        text => text,
    }
}

/// What runs there.
fn described(run: &Value) -> String {
    let text = |name: &str| run.get(name).and_then(Value::as_str).map(|text| shorten(text, 60));
    let read = run.get("rows").and_then(|rows| rows.get("read")).and_then(Value::as_u64);
    let mut words = text("command").unwrap_or_else(|| "a run".to_owned());
    if let Some(dataset) = text("dataset") {
        words += &format!(" of {dataset}");
    }
    if let Some(read) = read {
        words += &format!(", {} rows read", count(read));
    }
    words
}

fn circuit(run: &Value) -> Option<Finding> {
    let state = run.get("circuit")?.get("state")?.as_str()?;
    let finding = match state {
        "closed" => Finding::new("circuit", Status::Ok, "its store takes rows (circuit closed)"),
        "open" | "half-open" | "half_open" => {
            let text = format!("its store is away (circuit {state}), and rows wait");
            Finding::new("circuit", Status::Critical, text).remedy("see to the store; it goes on by itself")
        }
        other => {
            Finding::new("circuit", Status::Unknown, format!("its circuit is {}", shorten(other, MOST_TEXT)))
        }
    };
    Some(finding.value(shorten(state, MOST_TEXT)))
}

fn backpressure(told: &Value) -> Result<Report, String> {
    let level = told.get("level").and_then(Value::as_str).ok_or("it names no level")?;
    let utilisation = told.get("utilisation").and_then(Value::as_f64);
    let full = utilisation.map_or(String::new(), |part| format!(", its queue is {:.0} % full", part * 100.0));
    let finding = match level {
        "ok" => Finding::new("backpressure", Status::Ok, format!("none{full}")),
        "soft" => Finding::new("backpressure", Status::Ok, format!("soft{full}")),
        // A file is always read faster than it is stored, but feeds must not be.
        "hard" => Finding::new("backpressure", Status::Warning, format!("hard{full}"))
            .remedy(format!("rows come faster than the store takes them: more {WORKERS}, or a faster store")),
        other => return Err(format!("it names a level {}", shorten(other, MOST_TEXT))),
    };
    let mut report = Report::from(finding.value(level));
    report.measures.extend(utilisation.map(|part| Measure::new("queue_utilisation", part, "")));
    Ok(report)
}
