//! What a program says that was built without something it is asked for: one sentence, and exit 2.
//!
//! Holds for any set of features: what is built in does not say so.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use mdsctl::app::caller::Caller;
use mdsctl::app::exit::Exit;
use mdsctl::app::metrics::RunMetrics;
use mdsctl::app::plan::TelemetryPlan;
use mdsctl::settings::FeedbackSettings;

/// Runs the program in that folder, in an environment of its own.
fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mdsctl"));
    command.args(arguments).current_dir(folder).env_clear().envs(variables.iter().copied());
    command.output().expect("the program")
}

/// The sentence about a feature.
fn sentence(what: &str, feature: &str) -> String {
    format!("this mdsctl was built without {what}; build it with --features {feature}")
}

#[test]
fn what_was_left_out_is_named_with_its_feature() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("bars.csv"), "symbol,ts,close\nA,2024-01-02,1\n").expect("a file");
    let letter = r#"{"ts":1,"error":"x","metadata":{"dataset":"bars"},"items":[{"symbol":"A"}]}"#;
    std::fs::write(folder.path().join("bars.ndjson"), format!("{letter}\n")).expect("a file");
    std::fs::write(folder.path().join("bars.ndjson.gz"), b"\x1F\x8B\x08\0\0\0\0\0\0\x03").expect("a file");
    std::fs::write(folder.path().join("bars.ndjson.zst"), b"\x28\xB5\x2F\xFD\x24\0").expect("a file");
    std::fs::write(folder.path().join("bars.ndjson.bz2"), b"BZh91AY&SY").expect("a file");
    std::fs::write(folder.path().join("bars.ndjson.xz"), b"\xFD7zXZ\0").expect("a file");
    std::fs::write(folder.path().join("bars.ndjson.lz4"), b"\x04\x22\x4D\x18").expect("a file");
    // Known by its first bytes.
    std::fs::write(folder.path().join("bars.txt"), "PAR1 and no more").expect("a file");
    let load = ["load", "bars.csv", "--dsn", "sqlite:store.db"];
    let telemetry = |flag: &'static str, value: &'static str| [&load[..], &[flag, value]].concat();
    let server = ("PGHOST", "/nowhere");
    for (built, what, feature, place, arguments, variables) in [
        (cfg!(feature = "sqlite"), "SQLite", "sqlite", "--dsn: ", load.to_vec(), vec![]),
        (
            cfg!(feature = "postgres"),
            "PostgreSQL",
            "postgres",
            "--dsn: ",
            vec!["load", "bars.csv", "--dsn", "postgres://127.0.0.1:1/market"],
            vec![],
        ),
        (
            cfg!(feature = "postgres"),
            "PostgreSQL",
            "postgres",
            "PGHOST: ",
            vec!["load", "bars.csv"],
            vec![server],
        ),
        (
            cfg!(feature = "parquet"),
            "Parquet",
            "parquet",
            "--export rows.parquet: it cannot be written: ",
            vec!["inspect-dlq", "bars.ndjson", "--export", "rows.parquet", "--force"],
            vec![],
        ),
        (
            cfg!(feature = "gzip"),
            "gzip",
            "gzip",
            "bars.ndjson.gz: ",
            vec!["inspect-dlq", "bars.ndjson.gz"],
            vec![],
        ),
        (
            cfg!(feature = "zstd"),
            "Zstandard",
            "zstd",
            "bars.ndjson.zst: ",
            vec!["inspect-dlq", "bars.ndjson.zst"],
            vec![],
        ),
        (
            cfg!(feature = "bzip2"),
            "bzip2",
            "bzip2",
            "bars.ndjson.bz2: ",
            vec!["inspect-dlq", "bars.ndjson.bz2"],
            vec![],
        ),
        (cfg!(feature = "xz"), "xz", "xz", "bars.ndjson.xz: ", vec!["inspect-dlq", "bars.ndjson.xz"], vec![]),
        (
            cfg!(feature = "lz4"),
            "LZ4",
            "lz4",
            "bars.ndjson.lz4: ",
            vec!["inspect-dlq", "bars.ndjson.lz4"],
            vec![],
        ),
        (
            // Without that store it is that one which is named.
            cfg!(any(feature = "parquet", not(feature = "sqlite"))),
            "Parquet",
            "parquet",
            "bars.txt: ",
            vec!["load", "bars.txt", "--dsn", "sqlite:store.db"],
            vec![],
        ),
        (
            cfg!(any(feature = "redis", not(feature = "sqlite"))),
            "Redis",
            "redis",
            "redis://: ",
            vec!["tail", "redis://127.0.0.1:1/bars?group=g", "--dsn", "sqlite:store.db"],
            vec![],
        ),
        (
            cfg!(any(feature = "nats", not(feature = "sqlite"))),
            "NATS",
            "nats",
            "nats://: ",
            vec!["tail", "nats://127.0.0.1:1/bars?durable=g", "--dsn", "sqlite:store.db"],
            vec![],
        ),
        (
            cfg!(any(feature = "kafka", not(feature = "sqlite"))),
            "Kafka",
            "kafka",
            "kafka://: ",
            vec!["tail", "kafka://127.0.0.1:1/bars?group=g", "--dsn", "sqlite:store.db"],
            vec![],
        ),
        (
            cfg!(feature = "otlp"),
            "traces",
            "otlp",
            "--otlp: ",
            telemetry("--otlp", "http://127.0.0.1:1"),
            vec![],
        ),
        (
            // Without traces it is those which are named.
            cfg!(any(feature = "grpc", not(feature = "otlp"))),
            "gRPC",
            "grpc",
            "--otlp: ",
            telemetry("--otlp", "http://127.0.0.1:1"),
            vec![("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        ),
    ] {
        let done = run(folder.path(), &arguments, &variables);
        let said = String::from_utf8_lossy(&done.stderr);
        let expected = format!("{place}{}\n", sentence(what, feature));
        assert_eq!(said.contains(&expected), !built, "{arguments:?}: {said}");
        assert!(
            built || (done.status.code() == Some(2) && said.lines().count() == 1),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn where_no_store_is_taken_by_default_one_has_to_be_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("bars.csv"), "symbol,ts,close\nA,2024-01-02,1\n").expect("a file");
    let done = run(folder.path(), &["load", "bars.csv"], &[]);
    let said = String::from_utf8_lossy(&done.stderr);
    let asked = said.contains("no store is named, and there is none by default: give --dsn");
    assert_eq!(asked, cfg!(not(feature = "sqlite")), "{said}");
    assert!(cfg!(feature = "sqlite") || done.status.code() == Some(2), "{said}");
}

#[test]
fn without_telemetry_nobody_is_told_of_a_run_while_it_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let feedback = FeedbackSettings { timeout: Duration::ZERO, retries: 0, backoff: Duration::ZERO };
    let none = TelemetryPlan::default;
    for (flag, plan) in [
        ("--metrics-listen", TelemetryPlan { listen: Some("127.0.0.1:0".into()), ..none() }),
        ("--metrics-textfile", TelemetryPlan { textfile: Some(folder.path().join("run.prom")), ..none() }),
        (
            "--feedback-url",
            TelemetryPlan { feedback: Some(("http://127.0.0.1:1".into(), feedback)), ..none() },
        ),
    ] {
        let started = RunMetrics::start(&plan, "load", None, &Caller::default());
        assert_eq!(started.is_ok(), cfg!(feature = "telemetry"), "{flag}");
        match started {
            Ok(metrics) => metrics.finish(Exit::Stored),
            Err(error) => {
                assert_eq!(error.to_string(), format!("{flag}: {}", sentence("telemetry", "telemetry")));
            }
        }
    }
    // Whoever watches reads standard output.
    let arguments = ["health", "--dsn", "sqlite:store.db", "--url", "http://127.0.0.1:1"];
    let done = run(folder.path(), &arguments, &[]);
    let said = String::from_utf8_lossy(&done.stdout);
    let asked = said.contains(&format!("--url: {}", sentence("HTTP", "telemetry")));
    assert_eq!(asked, cfg!(all(feature = "sqlite", not(feature = "client"))), "{said}");
}
