//! What scripts rely on: flags, exit codes, the fields of `--json`, what goes to which stream.

use crate::generator::fixtures;
use crate::harness::run::fixture;
use crate::harness::{Store, Work, on_every_store};

#[test]
fn json_has_every_field_and_nothing_else_is_on_standard_output() {
    on_every_store(|work, store, workers, what| {
        let path = fixture("bars.csv");
        let flags = ["load", &path, "--json", "--workers", workers, "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(0);
        run.books();
        let json = run.json();
        for name in [
            "run_id",
            "command",
            "dataset",
            "store",
            "inputs",
            "rows",
            "dlq",
            "bytes_read",
            "elapsed_s",
            "rows_per_s",
            "latency_ms",
            "retries",
            "circuit",
            "queue",
            "workers",
            "exit_code",
        ] {
            assert!(!json[name].is_null(), "{name}, {what}: {run}");
        }
        assert!(json["run_id"].as_str().is_some_and(|id| id.parse::<uuid::Uuid>().is_ok()), "{run}");
        assert_eq!((&json["command"], &json["dataset"]), (&"load".into(), &"bars".into()), "{run}");
        assert_eq!(json["inputs"], serde_json::json!([path]), "{run}");
        assert_eq!(json["bytes_read"], std::fs::metadata(&path).expect("the file").len(), "{run}");
        for name in ["p50", "p99", "max"] {
            assert!(json["latency_ms"][name].is_number(), "{run}");
        }
        assert_eq!(json["circuit"], serde_json::json!({"state": "closed", "times_opened": 0}), "{run}");
        for name in ["capacity", "peak"] {
            assert!(json["queue"][name].as_u64().is_some_and(|n| n > 0), "{run}");
        }
        assert_eq!(json["retries"], 0, "{run}");
        assert!(json["dlq"]["records"].as_u64() == Some(0) && json["dlq"]["path"].is_string(), "{run}");
    });
}

#[test]
fn an_early_end_with_json_is_still_json() {
    let work = Work::new();
    let run = work.mdsctl(["load", "no/such/file.csv", "--json"]).run().expect(6);
    assert!(run.json().is_object(), "{run}");
    run.error();
}

#[test]
fn the_summary_for_people_names_every_outcome() {
    on_every_store(|work, store, workers, what| {
        let flags = ["load", &fixture("bad/seven-kinds.csv"), "--workers", workers, "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run().expect(3);
        let all = format!("{}{}", run.stdout, run.stderr);
        for word in ["read", "inserted", "rejected", "1,007", "1,002", ".dlq/bars.ndjson"] {
            let plain = word.replace(',', "");
            assert!(all.contains(word) || all.contains(&plain), "{word}, {what}: {run}");
        }
        assert!(!all.contains('\u{1b}'), "no colours where there is no terminal: {run}");
    });
}

#[test]
fn quiet_and_without_progress_a_good_load_writes_nothing_to_standard_error() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let flags = ["load", &fixture("bars.csv"), "-q", "--progress", "none", "--json", "--dsn", &store.dsn()];
    let run = work.mdsctl(flags).run().expect(0);
    assert_eq!(run.stderr, "", "{run}");
    run.books();
}

#[test]
fn progress_as_json_is_one_object_a_line_on_standard_error() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let flags = ["load", &fixture("bars.csv"), "-q", "--progress", "json", "--dsn", &store.dsn()];
    let run = work.mdsctl(flags).run().expect(0);
    assert!(!run.stderr.trim().is_empty(), "{run}");
    for line in run.stderr.lines() {
        let json: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}: {run}"));
        assert!(json.is_object(), "{run}");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    on_every_store(|work, store, workers, what| {
        let path = fixture("bad/seven-kinds.csv");
        let flags = ["load", &path, "--dry-run", "--json", "--workers", workers, "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).run();
        let rows = &run.json()["rows"];
        assert_eq!((&rows["read"], &rows["rejected"]), (&1007.into(), &5.into()), "{what}: {run}");
        // What would become of them, so that the books close.
        assert_eq!((&rows["inserted"], &rows["updated"]), (&1002.into(), &0.into()), "{what}: {run}");
        assert_eq!(run.json()["dry_run"], true, "{what}: {run}");
        assert!(store.count("bars").is_none_or(|rows| rows == 0), "{what}: {run}");
        assert!(!work.path(".dlq").exists(), "{what}: {run}");
    });
    let work = Work::new();
    work.mdsctl(["load", &fixture("bars.csv"), "--dry-run"]).run().expect(0);
    assert!(!work.path("mds.db").exists());
}

#[test]
fn a_wrong_flag() {
    let work = Work::new();
    for (flags, word) in [
        (vec!["--no-such-flag"], "--no-such-flag"),
        (vec!["--workers", "0"], "--workers"),
        (vec!["--workers", "many"], "--workers"),
        (vec!["--batch-size", "-1"], "--batch-size"),
        (vec!["--format", "ods"], "--format"),
        (vec!["--dataset", "candles"], "candles"),
        (vec!["--map", "ts"], "--map"),
        (vec!["--set", "vendor"], "--set"),
        (vec!["--map", "no_such_column=x"], "no_such_column"),
        (vec!["--map", "ts=no_such_column"], "no_such_column"),
        (vec!["--set", "no_such_column=x"], "no_such_column"),
        (vec!["--tenant", "{nobody"], "tenant"),
    ] {
        let run = work.mdsctl(["load", &fixture("bars.csv")]).arguments(flags).run().expect(2);
        assert!(run.stderr.contains(word), "{word}: {run}");
        let made = Store::Sqlite(work.path("mds.db")).count("bars");
        assert!(made.is_none_or(|rows| rows == 0), "{word}: {run}");
    }
    let run = work.mdsctl(["load"]).run().expect(2);
    assert!(run.stderr.contains("INPUT"), "{run}");
    work.mdsctl(["lode", "x"]).run().expect(2);
    work.mdsctl([] as [&str; 0]).run().expect(2);
}

#[test]
fn help_and_version() {
    let work = Work::new();
    let help = work.mdsctl(["load", "--help"]).run().expect(0);
    for flag in [
        "--dsn",
        "--dataset",
        "--table",
        "--map",
        "--set",
        "--vendor",
        "--symbol",
        "--timeframe",
        "--format",
        "--dlq",
        "--workers",
        "--batch-size",
        "--dry-run",
        "--json",
        "--progress",
        "--max-rejects",
        "--tenant",
    ] {
        assert!(help.stdout.contains(flag), "{flag}: {help}");
    }
    let version = work.mdsctl(["--version"]).run().expect(0);
    assert!(version.stdout.starts_with("mdsctl "), "{version}");
}

#[test]
fn settings_come_from_the_environment_unless_a_flag_says_otherwise() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let workers = |run: crate::harness::Run| run.json()["workers"].as_u64();
    let load = || work.mdsctl(["load", &fixture("bars.csv"), "--json"]).env("MDS_DSN", store.dsn());
    let store_of_one = workers(load().run().expect(0));
    assert!(store_of_one.is_some());
    let db = Store::postgres();
    let load = || work.mdsctl(["load", &fixture("bars.csv"), "--json"]).env("MDS_DSN", db.dsn());
    assert_eq!(workers(load().env("MDS_COORDINATOR_WORKERS", "3").run().expect(0)), Some(3));
    let run = load().env("MDS_COORDINATOR_WORKERS", "3").arguments(["--workers", "5"]).run().expect(0);
    assert_eq!(workers(run), Some(5));
    let run = load().env("MDS_COORDINATOR_WORKERS", "three").run().expect(2);
    assert!(run.stderr.contains("MDS_COORDINATOR_WORKERS") || run.stderr.contains("--workers"), "{run}");
}

#[test]
fn rows_of_a_tenant_bear_its_id() {
    let tenant = "0190a6a0-1111-7000-8000-00000000000a";
    on_every_store(|work, store, workers, what| {
        let path = fixture("bars.csv");
        let load = |tenant: Option<&str>| {
            let mut program =
                work.mdsctl(["load", &path, "--json", "--workers", workers, "--dsn", &store.dsn()]);
            if let Some(tenant) = tenant {
                program = program.arguments(["--tenant", tenant]);
            }
            program.run().expect(0).books().inserted
        };
        let rows = fixtures::bars().rows;
        assert_eq!(load(Some(tenant)), rows, "{what}");
        assert_eq!(store.count(&format!("bars WHERE tenant_id = '{tenant}'")), Some(rows), "{what}");
        assert_eq!(load(None), rows, "{what}: another tenant's rows are other rows");
        assert_eq!(store.count("bars"), Some(2 * rows), "{what}");
    });
}
