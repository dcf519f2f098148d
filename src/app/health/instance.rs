//! Findings about running instances, asked through their listeners.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
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

/// The levels of a queue, the worst last.
const LEVELS: [&str; 3] = ["ok", "soft", "hard"];

/// Asks instances how they are, all at once; waits so long at most. Several are told as one, too.
pub async fn ask(endpoints: &[Endpoint], token: Option<&Secret>, limit: Duration) -> Report {
    let asked = join_all(endpoints.iter().map(|endpoint| ask_one(endpoint, token, limit))).await;
    let mut all = Report::default();
    let several = asked.len() > 1;
    if several {
        all.findings.push(as_one(endpoints, &asked));
        let fullest = asked.iter().flat_map(|told| &told.measures).map(|measure| measure.value);
        all.measures.extend(fullest.reduce(f64::max).map(of_queue));
    }
    for (endpoint, told) in endpoints.iter().zip(asked) {
        let shown = endpoint.shown();
        all.instances.push(listed(&shown, &told));
        if !several {
            all.measures.extend(told.measures);
        }
        all.findings.extend(told.findings.into_iter().map(|finding| match several {
            true => finding.of_instance(&shown),
            false => finding,
        }));
    }
    all
}

/// An instance in the list of them.
fn listed(shown: &str, told: &Report) -> Value {
    let of = |check: &str| told.findings.iter().find(|f| f.check == check);
    let value = |check: &str| of(check).and_then(|finding| finding.value.clone());
    json!({
        "url": shown,
        "status": told.status().word().to_ascii_lowercase(),
        "ready": is_ready(told),
        "circuit": value("circuit"),
        "level": value("backpressure"),
        "utilisation": told.measures.first().map(|measure| measure.value),
        "message": of("instance").map(|finding| &finding.message),
    })
}

fn is_ready(told: &Report) -> bool {
    told.findings.iter().any(|finding| finding.check == "instance" && finding.status == Status::Ok)
}

/// What is to be said of them together: whoever feeds all of them has to mind the worst.
fn as_one(endpoints: &[Endpoint], asked: &[Report]) -> Finding {
    let level = |told: &Report| {
        let finding = told.findings.iter().find(|finding| finding.check == "backpressure")?;
        let level = finding.value.as_ref()?.as_str()?;
        LEVELS.iter().position(|known| *known == level)
    };
    let ready = asked.iter().filter(|told| is_ready(told)).count();
    // The first of the worst.
    let worst = endpoints.iter().zip(asked).filter_map(|(endpoint, told)| Some((level(told)?, endpoint)));
    let worst = worst.reduce(|worst, next| if next.0 > worst.0 { next } else { worst });
    let status = asked.iter().map(Report::status).max().unwrap_or(Status::Unknown);
    let ready = match asked.len() - ready {
        0 => format!("all {} instances are ready", asked.len()),
        _ => format!("{ready} of {} instances are ready", asked.len()),
    };
    match worst {
        None => Finding::new("instances", status, format!("{ready}, and none tells its level")),
        Some((level, endpoint)) => {
            let at = if level == 0 { String::new() } else { format!(", at {}", endpoint.shown()) };
            let level = LEVELS[level];
            Finding::new("instances", status, format!("{ready}, the worst level is {level}{at}")).value(level)
        }
    }
}

fn of_queue(part: f64) -> Measure {
    Measure::new("queue_utilisation", part, "")
}

async fn ask_one(endpoint: &Endpoint, token: Option<&Secret>, limit: Duration) -> Report {
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
    report.measures.extend(utilisation.map(of_queue));
    Ok(report)
}
