//! The dashboard and the alert rules: well formed, about metrics that there are, and tested.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::{folder, said, text, try_run};
use crate::harness::Work;

/// Metrics of others that the rules look at.
const OF_OTHERS: [&str; 2] = ["up", "node_textfile_mtime_seconds"];

/// The names in `src/telemetry/metrics/names.rs`, those of histograms with their endings.
fn names() -> BTreeSet<String> {
    let text = text("src/telemetry/metrics/names.rs");
    let names: Vec<&str> = text.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(names.len() > 15, "{names:?}");
    let mut all: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    for name in names.iter().filter(|name| name.ends_with("_latency_seconds")) {
        all.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
    }
    all.extend(OF_OTHERS.iter().map(|name| (*name).to_owned()));
    all
}

/// The names of metrics in an expression: what begins like one of ours or of others.
fn named(expression: &str) -> BTreeSet<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = expression.split(|c| !part(c));
    let metric = |word: &&str| {
        ["mds_", "sink_w", "node_"].iter().any(|start| word.starts_with(start)) || *word == "up"
    };
    words.filter(metric).collect()
}

/// Every string under that key, at any depth.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == key => found.push(text),
                    _ => under(value, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| under(item, key, found)),
        _ => {}
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&text("grafana/mdsctl.json")).expect("the dashboard is JSON")
}

#[test]
fn the_dashboard_is_well_formed() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
    assert_eq!(ids.len(), panels.len(), "ids of panels");
    assert!(dashboard["schemaVersion"].as_u64() >= Some(39), "schemaVersion");
    let variables: Vec<&str> = dashboard["templating"]["list"]
        .as_array()
        .expect("variables")
        .iter()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    assert_eq!(variables, ["datasource", "job", "instance", "coord_id"]);
    let mut covered = BTreeSet::new();
    for panel in panels {
        let place = &panel["gridPos"];
        let at = |key: &str| place[key].as_u64().expect("a place");
        assert!(at("x") + at("w") <= 24, "{} is off the grid", panel["title"]);
        for (x, y) in
            (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(covered.insert((x, y)), "{} lies on another panel", panel["title"]);
        }
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        assert!(!panel["description"].as_str().unwrap_or_default().is_empty(), "{}", panel["title"]);
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("an expression");
            assert!(expression.contains(r#"job=~"$job",instance=~"$instance""#), "{expression}");
        }
    }
}

#[test]
fn every_metric_named_is_one_that_there_is_and_every_one_there_is_is_shown() {
    let names = names();
    let dashboard = dashboard();
    let mut expressions = Vec::new();
    for key in ["expr", "query", "definition"] {
        under(&dashboard, key, &mut expressions);
    }
    let mut seen = BTreeSet::new();
    for expression in &expressions {
        for name in named(expression) {
            assert!(names.contains(name), "the dashboard names {name}, which is none: {expression}");
            seen.insert(name);
        }
    }
    for name in names.iter().filter(|name| !OF_OTHERS.contains(&name.as_str())) {
        let parts = ["_bucket", "_sum", "_count"];
        let shown =
            parts.iter().any(|part| seen.contains(format!("{name}{part}").as_str()) || name.ends_with(part));
        assert!(shown || seen.contains(name.as_str()), "the dashboard does not show {name}");
    }
    let rules = text("grafana/alerts.yml");
    for line in rules.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let found = named(line);
        // Remedies name metrics for people, and the word "up".
        for name in found.iter().filter(|name| !name.starts_with("mds:")) {
            assert!(names.contains(*name), "the rules name {name}, which is none: {line}");
        }
    }
}

#[test]
fn every_alert_is_tested_and_says_what_to_do() {
    let (rules, tests) = (text("grafana/alerts.yml"), text("grafana/alerts_test.yml"));
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 12, "{}", alerts.len());
    for alert in alerts {
        let name = alert.lines().next().expect("a name");
        for part in ["severity: ", "summary: ", "remedy: "] {
            assert!(alert.contains(part), "{name} without {part}");
        }
        let cases: Vec<&str> = tests
            .split("- eval_time: ")
            .filter(|case| case.lines().any(|line| line.trim() == format!("alertname: {name}")))
            .collect();
        let fires = cases.iter().filter(|case| case.contains("exp_labels:")).count();
        assert!(fires > 0, "no test in which {name} fires");
        assert!(cases.iter().any(|case| case.contains("exp_alerts: []")), "no test in which {name} is quiet");
    }
}

/// The dashboard's expressions, as Grafana would fill them in, as rules that promtool can look at.
fn as_rules() -> String {
    let dashboard = dashboard();
    let mut expressions = Vec::new();
    under(&dashboard, "expr", &mut expressions);
    let filled = expressions.iter().map(|expression| {
        let expression = expression.replace("$__rate_interval", "5m").replace("$__range", "1h");
        let expression = ["job", "instance", "coord_id"]
            .iter()
            .fold(expression, |filled, name| filled.replace(&format!("\"${name}\""), "\".*\""));
        assert!(!expression.contains('$'), "{expression}");
        expression
    });
    let rules: Vec<Value> = filled
        .enumerate()
        .map(|(at, expression)| serde_json::json!({"record": format!("panel:{at}"), "expr": expression}))
        .collect();
    // What is JSON is YAML.
    serde_json::json!({"groups": [{"name": "panels", "rules": rules}]}).to_string()
}

#[test]
fn promtool_has_no_complaint() {
    let work = Work::new();
    let panels = work.write("panels.yml", as_rules());
    for arguments in
        [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"], ["check", "rules", &panels]]
    {
        let mut promtool = Command::new("promtool");
        let Some(output) = try_run(
            promtool.args(arguments).current_dir(folder("grafana")),
            "what promtool says of the alerts",
        ) else {
            return;
        };
        let said = said(&output);
        assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
    }
}
