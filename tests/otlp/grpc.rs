//! Traces over gRPC, to a collector in Python.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Spans, collector, decoded, text};
use crate::harness::authority::{Authority, Identity};
use crate::harness::listener::{Listener, Reply};
use crate::harness::postgres::free_port;
use crate::harness::python::Python;
use crate::harness::run::fixture;
use crate::harness::{Run, Work};

const TESTED: &str = "traces over gRPC";
const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");

/// A collector and its port.
fn start(manner: &str, work: &Work, identity: Option<&Identity>) -> Option<(Python, u64)> {
    if !cfg!(feature = "grpc") {
        panic!("built without the feature grpc: run scripts/test");
    }
    let mut arguments = vec![manner.to_owned()];
    if let Some(identity) = identity {
        arguments.extend([work.write("cert.pem", &identity.cert), work.write("key.pem", &identity.key)]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let python = Python::start("otlp/collector.py", &arguments, &[], TESTED)?;
    let port = python.until("port", |said| said["port"].is_u64())["port"].as_u64().expect("a number");
    Some((python, port))
}

fn load(work: &Work, url: &str, variables: &[(&str, &str)]) -> Run {
    let mut program =
        work.mdsctl(["load", &fixture("bars.csv"), "--json", "--progress", "none", "--otlp", url]);
    for (name, value) in variables {
        program = program.env(name, *value);
    }
    program.run().expect(0)
}

fn spans(said: &[Value]) -> Spans {
    let hex = |text: &str| -> Vec<u8> {
        let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
        digits.map(|pair| u8::from_str_radix(pair, 16).expect("a byte")).collect()
    };
    decoded(said.iter().filter_map(|told| Some(hex(told["body"].as_str()?))))
}

#[test]
fn the_same_spans_go_as_calls_where_the_environment_asks_for_it() {
    let both =
        [("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")];
    for variables in [&[GRPC][..], &both] {
        let work = Work::new();
        let Some((python, port)) = start("take", &work, None) else { return };
        let header = ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=seven");
        // A path is of no call.
        let url = format!("http://127.0.0.1:{port}/v1/traces");
        let run = load(&work, &url, &[variables, &[header]].concat());
        assert!(!run.stderr.contains("traces"), "{run}");
        let said = python.said();
        let (spans, resource) = spans(&said);
        for name in ["run", "read", "decode", "map", "write"] {
            assert!(spans.iter().any(|span| span.name == name), "no {name}: {run}");
        }
        assert_eq!(resource["run_id"], run.json()["run_id"].as_str().expect("an id"));
        let whole = spans.iter().find(|span| span.name == "run").expect("a run");
        assert_eq!(text(&whole.attributes, "rows").as_deref(), Some("600"));
        let metadata = &said[1]["metadata"];
        assert_eq!(metadata["x-tenant"], "seven", "{metadata}");
    }
}

#[test]
fn over_tls_they_go_only_to_whom_the_system_trusts() {
    let ca = Authority::new("test");
    let identity = ca.certify("collector", &["127.0.0.1"]);
    for (trusted, said) in [(&ca, 0), (&Authority::new("other"), 1)] {
        let work = Work::new();
        let Some((python, port)) = start("take", &work, Some(&identity)) else { return };
        let pem = work.write("ca.pem", &trusted.pem);
        let run = load(&work, &format!("https://127.0.0.1:{port}"), &[GRPC, ("SSL_CERT_FILE", &pem)]);
        assert_eq!(run.stderr.matches("traces do not reach").count(), said, "{run}");
        assert_eq!(spans(&python.said()).0.iter().any(|span| span.name == "run"), said == 0, "{run}");
    }
}

#[test]
fn a_collector_that_is_away_slow_unwilling_or_none_is_no_matter() {
    let work = Work::new();
    let Some((_unwilling, refuses)) = start("refuse", &work, None) else { return };
    let (_slow, silent) = start("silent", &work, None).expect("it is there");
    let (garbage, plain) =
        (Listener::start(|_| Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())), collector());
    for (url, why) in [
        (format!("http://127.0.0.1:{}", free_port()), "no connection: Connection refused"),
        (format!("http://127.0.0.1:{refuses}"), "the collector refuses them: RESOURCE_EXHAUSTED"),
        (format!("http://127.0.0.1:{silent}"), "no answer within 2 s"),
        (garbage.url(), "what answers there does not speak gRPC"),
        (plain.url(), "what answers there does not speak gRPC"),
    ] {
        let (work, start) = (Work::new(), Instant::now());
        let run = load(&work, &url, &[GRPC]);
        assert_eq!(run.books().inserted, 600, "{run}");
        let told: Vec<&str> =
            run.stderr.lines().filter(|line| line.contains("traces do not reach")).collect();
        assert!(told.len() == 1 && told[0].contains(&url) && told[0].contains(why), "{why}: {run}");
        assert!(!run.stderr.contains("s3cret"), "{run}");
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}: {run}", start.elapsed());
    }
}

#[test]
fn a_protocol_that_is_not_spoken_is_told_and_they_go_as_before() {
    let (work, listener) = (Work::new(), collector());
    let run = load(&work, &listener.url(), &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
    let told = "OTEL_EXPORTER_OTLP_PROTOCOL: http/json is not spoken; traces go as http/protobuf";
    assert!(run.stderr.contains(told), "{run}");
    assert!(super::spans(&listener).0.iter().any(|span| span.name == "run"), "{run}");
}
