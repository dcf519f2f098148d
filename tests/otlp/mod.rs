//! `--otlp`: what a collector gets, and that one which is away or slow is no matter.

mod grpc;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::harness::authority::Authority;
use crate::harness::listener::{Listener, Reply};
use crate::harness::postgres::free_port;
use crate::harness::run::{PASSWORD, fixture};
use crate::harness::{Postgres, Work};

fn collector() -> Listener {
    Listener::start(|_| Reply::Status(200, String::new()))
}

fn text(values: &[KeyValue], name: &str) -> Option<String> {
    let value = values.iter().find(|pair| pair.key == name)?.value.as_ref()?.value.as_ref()?;
    Some(match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(truth) => truth.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        other => panic!("{name} is {other:?}"),
    })
}

/// Spans, and the attributes of what sent them.
type Spans = (Vec<Span>, BTreeMap<String, String>);

/// The spans that have come, and the attributes of what sent them.
fn spans(listener: &Listener) -> Spans {
    decoded(listener.asked().into_iter().map(|asked| {
        assert_eq!(asked.path, "/v1/traces");
        assert!(asked.head.to_ascii_lowercase().contains("content-type: application/x-protobuf"));
        asked.body
    }))
}

fn decoded(messages: impl IntoIterator<Item = Vec<u8>>) -> Spans {
    let (mut spans, mut resource) = (Vec::new(), BTreeMap::new());
    for message in messages {
        let request = ExportTraceServiceRequest::decode(&*message).expect("protobuf");
        for of in request.resource_spans {
            let values = of.resource.expect("a resource").attributes;
            for pair in &values {
                resource.insert(pair.key.clone(), text(&values, &pair.key).expect("a value"));
            }
            spans.extend(of.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    (spans, resource)
}

#[test]
fn a_load_is_traced_from_reading_to_writing() {
    let (work, db, collector) = (Work::new(), Postgres::shared().database_with_schema(), collector());
    // Trusted, so that any password will do.
    let dsn = db.dsn_as(&format!("mds:{PASSWORD}"));
    let run = work
        .mdsctl(["load", &fixture("bars.csv"), "--json", "-v", "--dsn", &dsn, "--otlp", &collector.url()])
        .run()
        .expect(0);
    let (spans, resource) = spans(&collector);
    let of = |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["run", "read", "decode", "map", "write"]), "{run}");

    assert_eq!(resource["service.name"], "mdsctl");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["run_id"], run.json()["run_id"].as_str().expect("an id"));
    let whole = of("run")[0];
    let is = |span: &Span, name: &str| text(&span.attributes, name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!((is(whole, "command"), is(whole, "dataset")), ("load".into(), "bars".into()));
    assert_eq!((is(whole, "rows"), is(whole, "outcome")), ("600".into(), "done".into()));
    assert_eq!(is(whole, "bytes"), run.json()["bytes_read"].to_string());
    let read = of("read")[0];
    assert!(is(read, "source").ends_with("bars.csv") && is(read, "rows") == "600");
    // One trace: reading and writing are parts of the run, decoding is a part of reading.
    assert!(spans.iter().all(|span| span.trace_id == whole.trace_id));
    assert!(of("write").iter().chain(&[read]).all(|span| span.parent_span_id == whole.span_id));
    assert!(of("decode").iter().all(|span| span.parent_span_id == read.span_id));
    let written: u64 =
        of("write").iter().map(|span| is(span, "rows").parse::<u64>().expect("a number")).sum();
    assert_eq!(written, 600);
    assert!(of("write").iter().all(|span| is(span, "outcome") == "written" && is(span, "attempts") == "1"));
    assert!(spans.len() < 60, "a span a batch, and none a row: {}", spans.len());
    for asked in collector.asked() {
        let bytes = [asked.head.as_bytes(), &asked.body].concat();
        assert!(!bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "a password is sent");
    }
    // Log lines are what they are without it.
    assert!(!run.stderr.contains("run{") && !run.stderr.contains("write{"), "{run}");
}

#[test]
fn replays_and_tails_are_traced_too() {
    let (work, listener) = (Work::new(), collector());
    let header = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";
    work.write("bars.csv", format!("{header}2024-03-04T14:30:00Z,acme,AAPL,1m,1,1,1,x,1\n"));
    work.mdsctl(["tail", "bars.csv", "--idle-exit", "300ms", "--progress", "none"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", listener.url())
        .run()
        .expect(3);
    let (all, _) = spans(&listener);
    let run = all.iter().find(|span| span.name == "run").expect("a run");
    assert_eq!(text(&run.attributes, "outcome").as_deref(), Some("rejects"));
    assert!(all.iter().any(|span| span.name == "decode"));

    let listener = collector();
    work.mdsctl(["replay-dlq", "--set", "close_price=1", "--otlp", &listener.url()]).run();
    let (all, _) = spans(&listener);
    let commands: Vec<_> = all.iter().filter_map(|span| text(&span.attributes, "command")).collect();
    assert_eq!(commands, ["replay-dlq"]);
    assert!(all.iter().any(|span| span.name == "decode"));
}

#[test]
fn over_tls_they_go_only_to_whom_the_system_trusts() {
    let ca = Authority::new("test");
    let identity = ca.certify("collector", &["127.0.0.1"]);
    for (trusted, said) in [(&ca, 0), (&Authority::new("other"), 1)] {
        let (work, listener) =
            (Work::new(), Listener::with_tls(&identity, |_| Reply::Status(200, String::new())));
        let pem = work.write("ca.pem", &trusted.pem);
        let run = work
            .mdsctl(["load", &fixture("bars.csv"), "--progress", "none", "--otlp", &listener.url()])
            .env("SSL_CERT_FILE", pem)
            .env("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20correct-horse-7Q")
            .run()
            .expect(0);
        assert_eq!(run.stderr.matches("traces do not reach").count(), said, "{run}");
        assert!(!run.stderr.contains("correct-horse"), "{run}");
        if said == 1 {
            assert!(run.stderr.contains("certificate") && listener.asked().is_empty(), "{run}");
            continue;
        }
        assert!(spans(&listener).0.iter().any(|span| span.name == "run"), "{run}");
        let head = &listener.asked()[0].head.to_ascii_lowercase();
        assert!(head.contains("authorization: bearer correct-horse-7q"), "{head}");
    }
}

#[test]
fn a_collector_that_is_away_slow_or_unwilling_is_no_matter() {
    let (silent, unwilling) =
        (Listener::start(|_| Reply::Silence), Listener::start(|_| Reply::Status(500, "no".into())));
    for url in [format!("http://127.0.0.1:{}", free_port()), silent.url(), unwilling.url()] {
        let (work, start) = (Work::new(), Instant::now());
        let run = work
            .mdsctl(["load", &fixture("bars.csv"), "--json", "--progress", "none", "--otlp", &url])
            .run()
            .expect(0);
        assert_eq!(run.books().inserted, 600, "{run}");
        let told: Vec<&str> =
            run.stderr.lines().filter(|line| line.contains("traces do not reach")).collect();
        assert_eq!(told.len(), 1, "{run}");
        assert!(told[0].contains(&url), "{run}");
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}: {run}", start.elapsed());
    }
}

#[test]
fn an_address_that_is_none_is_refused_before_anything_is_touched() {
    let work = Work::new();
    for wrong in ["localhost:4318", "ftp://collector:4318", "http://me:correct-horse-7Q@collector"] {
        let run = work.mdsctl(["load", &fixture("bars.csv"), "--otlp", wrong]).run().expect(2);
        assert!(run.error().contains("--otlp"), "{run}");
    }
    assert!(!work.path("mds.db").exists());
    // What other programs are told is no reason to leave rows lying.
    let program = work.mdsctl(["load", &fixture("bars.csv"), "--progress", "none"]);
    let run = program.env("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317").run().expect(0);
    assert!(run.stderr.contains("no traces are sent"), "{run}");
    // Nothing is as good as none.
    let program = work.mdsctl(["load", &fixture("bars.csv"), "--quiet"]);
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", "").run().expect(0);
}
