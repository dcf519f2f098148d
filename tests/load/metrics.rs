//! `--metrics-textfile`: what a collector finds there, while a load goes on and after it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;

use crate::generator::fixtures;
use crate::harness::run::fixture;
use crate::harness::wait::PATIENCE;
use crate::harness::{Run, Store, Work, programs, wait};

/// The samples of a file, by name and labels.
struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the file of metrics");
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        };
        Self(text.lines().filter(|line| !line.starts_with('#')).map(sample).collect())
    }

    /// A sample of that name; of counts of rows all are whole.
    fn of(&self, sample: &str) -> f64 {
        *self.0.get(sample).unwrap_or_else(|| panic!("no {sample} in {:#?}", self.0))
    }

    /// All samples of a name together.
    fn sum(&self, name: &str) -> f64 {
        let of =
            |(sample, value): (&String, &f64)| sample.starts_with(&format!("{name}{{")).then_some(*value);
        self.0.iter().filter_map(of).sum()
    }

    fn rows(&self, coord_id: &str, outcome: &str) -> f64 {
        self.of(&format!("mds_rows_total{{coord_id=\"{coord_id}\",outcome=\"{outcome}\"}}"))
    }
}

static TOLD: Once = Once::new();

/// Prometheus' own tool finds nothing to complain about. Says so once where the tool is missing.
fn check(path: &Path) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).env_clear().env("PATH", programs::path());
    promtool.stdin(fs::File::open(path).expect("the file of metrics"));
    let Ok(out) = promtool.stdout(Stdio::piped()).stderr(Stdio::piped()).output() else {
        // Not by `eprintln!`, which a passing test keeps to itself.
        let tell = || writeln!(std::io::stderr(), "promtool is missing: the form of metrics is not checked");
        return TOLD.call_once(|| drop(tell()));
    };
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let text = fs::read_to_string(path).expect("the file of metrics");
    assert!(out.status.success() && said.trim().is_empty(), "{said}\n{text}");
}

fn assert_agrees(metrics: &Metrics, run: &Run, coord_id: &str) {
    let json = run.json();
    for (outcome, rows) in json["rows"].as_object().expect("rows") {
        assert_eq!(Some(metrics.rows(coord_id, outcome)), rows.as_f64(), "{outcome}: {run}");
    }
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let of_engine = |name: &str| metrics.of(&format!("{name}{{coord_id=\"{coord_id}\"}}"));
    assert_eq!(of_engine("mds_bytes_read_total"), number(&json["bytes_read"]), "{run}");
    assert_eq!(metrics.sum("mds_dlq_rows_total"), number(&json["dlq"]["rows"]), "{run}");
    assert_eq!(of_engine("mds_coord_queue_capacity"), number(&json["queue"]["capacity"]), "{run}");
    assert_eq!(of_engine("mds_coord_retries_total"), number(&json["retries"]), "{run}");
    assert_eq!(of_engine("mds_coord_circuit_opened_total"), number(&json["circuit"]["times_opened"]));
    for settled in ["mds_coord_queue_depth", "mds_coord_workers_alive", "mds_coord_circuit_state"] {
        assert_eq!(of_engine(settled), 0.0, "{settled}: {run}");
    }
    let of_run = |name: &str| metrics.of(&format!("{name}{{command=\"load\",coord_id=\"{coord_id}\"}}"));
    assert_eq!(of_run("mds_last_run_exit_code"), f64::from(run.code), "{run}");
    let (start, end) =
        (of_run("mds_last_run_start_timestamp_seconds"), of_run("mds_last_run_timestamp_seconds"));
    assert!(end >= start && start > 1.7e9, "{start} to {end}: {run}");
    // The result's time is over before the run is.
    assert!(of_run("mds_last_run_duration_seconds") + 0.001 >= number(&json["elapsed_s"]), "{run}");
    let id = json["run_id"].as_str().expect("an id");
    assert!(
        metrics.0.keys().any(|sample| sample.starts_with("mds_run_info{") && sample.contains(id)),
        "{run}"
    );
}

#[test]
fn numbers_agree_with_the_result_and_promtool_has_no_complaint() {
    for workers in ["1", "4"] {
        let work = Work::new();
        let store = if workers == "1" { Store::sqlite(&work) } else { Store::postgres() };
        let file = work.path("metrics.prom");
        let path = fixture("bad/seven-kinds.csv");
        let flags = ["load", &path, "--json", "--dsn", &store.dsn(), "--workers", workers];
        let run = work.mdsctl(flags).arguments(["--metrics-textfile", "metrics.prom"]).run().expect(3);
        let books = run.books();
        assert_eq!((books.read, books.inserted, books.rejected), (1007, 1002, 5), "{run}");
        let metrics = Metrics::read(&file);
        assert_agrees(&metrics, &run, "bars");
        check(&file);

        assert_eq!(metrics.sum("mds_coord_items_submitted_total"), 1002.0, "{run}");
        assert_eq!(metrics.of(r#"mds_coord_items_dropped_total{coord_id="bars",reason="overflow"}"#), 0.0);
        let letters = work.dlq(".dlq/bars.ndjson");
        for letter in &letters {
            let (stage, code) = (&letter.stage, &letter.code);
            let alike = letters.iter().filter(|other| (&other.stage, &other.code) == (stage, code));
            let rows: usize = alike.map(|other| other.rows.len()).sum();
            let sample = format!("mds_dlq_rows_total{{code=\"{code}\",coord_id=\"bars\",stage=\"{stage}\"}}");
            assert_eq!(metrics.of(&sample), rows as f64, "{}", letter.line);
        }
        // As the Python system names it.
        let sink = "bars";
        let writes = metrics.of(&format!("sink_writes_total{{sink=\"{sink}\",status=\"success\"}}"));
        assert!(writes >= 1.0, "{run}");
        assert_eq!(metrics.sum("mds_worker_batches_written_total"), writes, "{run}");
        assert_eq!(metrics.sum("mds_worker_write_latency_seconds_count"), writes, "{run}");
        assert_eq!(metrics.of(&format!("sink_write_latency_seconds_count{{sink=\"{sink}\"}}")), writes);
        assert!(metrics.of(&format!("sink_write_latency_seconds_sum{{sink=\"{sink}\"}}")) > 0.0, "{run}");
        assert_eq!(metrics.sum("mds_worker_write_errors_total"), 0.0, "{run}");
        let ids = metrics.0.keys().filter(|s| s.starts_with("mds_worker_batches_written_total{")).count();
        assert_eq!(ids.to_string(), workers, "{run}");
    }
}

#[test]
fn the_file_is_kept_up_to_date_while_rows_come() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let file = work.path("mds.prom");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--json", "--dsn", &store.dsn(), "--coord-id", "live \"bars\""];
    let program = work.mdsctl(flags).env("MDS_METRICS_TEXTFILE", file.as_os_str()).pipe(reader);
    let mut running = program.spawn();
    let text = fs::read_to_string(fixture("bars.csv")).expect("the fixture");
    writer.write_all(text.as_bytes()).expect("it reads");
    let rows = fixtures::bars().rows as f64;
    let coord_id = "live \\\"bars\\\"";
    let sample = format!("mds_rows_total{{coord_id=\"{coord_id}\",outcome=\"inserted\"}} ");
    wait::until(PATIENCE, "the rows in the metrics", || {
        assert!(!running.has_ended(), "it ended before its input did");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let inserted = text.lines().find_map(|line| line.strip_prefix(&sample))?.parse::<f64>().ok()?;
        // The last rows may wait for more of their chunk, or for their batch.
        (inserted > 0.0).then_some(())
    });
    check(&file);
    let metrics = Metrics::read(&file);
    assert!(metrics.rows(coord_id, "read") >= metrics.rows(coord_id, "inserted"));
    assert!(metrics.sum("mds_coord_workers_alive") > 0.0);
    assert!(metrics.sum("mds_last_run_start_timestamp_seconds") > 1.7e9);
    assert!(!metrics.0.keys().any(|name| name.starts_with("mds_last_run_exit_code")), "it has not ended");
    drop(writer);
    let run = running.finish().expect(0);
    let metrics = Metrics::read(&file);
    assert_agrees(&metrics, &run, coord_id);
    assert_eq!(metrics.rows(coord_id, "inserted"), rows);
}

#[test]
fn a_run_that_fails_says_so_in_the_metrics() {
    let work = Work::new();
    let file = work.path("mds.prom");
    let exit = |dataset: &str| format!("mds_last_run_exit_code{{command=\"load\",coord_id=\"{dataset}\"}}");
    let path = fixture("bars.csv");
    let nowhere = "postgres://nobody@127.0.0.1:1/none";
    let runs: [(&[&str], i32, &str); 4] = [
        (&["load", "no/such/file.csv"], 6, "unknown"),
        (&["load", &path, "--dsn", nowhere, "--dataset", "bars"], 5, "bars"),
        (&["load", &path, "--timezone", "Middle/Earth"], 2, "unknown"),
        (&["load", &path], 0, "bars"),
    ];
    for (flags, code, dataset) in runs {
        let flags = flags.iter().copied().chain(["--metrics-textfile", "mds.prom"]);
        let run = work.mdsctl(flags).run().expect(code);
        assert_eq!(Metrics::read(&file).of(&exit(dataset)), f64::from(code), "{run}");
        check(&file);
    }
}

#[test]
fn a_bad_path_is_refused_before_anything_else() {
    let work = Work::new();
    for (path, why) in [("no/such/mds.prom", "no directory no/such"), (".", "a directory")] {
        let run = work.mdsctl(["load", &fixture("bars.csv"), "--metrics-textfile", path]).run().expect(2);
        assert!(run.error().contains(why) && run.error().contains("--metrics-textfile"), "{run}");
        assert!(!work.path("mds.db").exists() && !work.path(".dlq").exists(), "{run}");
    }
}

#[test]
fn anyone_may_read_it_and_a_dry_run_leaves_it_alone() {
    let work = Work::new();
    let file = work.path("mds.prom");
    let load = || work.mdsctl(["load", &fixture("bars.csv"), "--metrics-textfile", "mds.prom"]);
    load().arguments(["--dry-run"]).run().expect(0);
    assert!(!file.exists());
    load().run().expect(0);
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o7777, 0o644);
    let before = fs::read_to_string(&file).expect("the file");
    load().arguments(["--dry-run"]).run().expect(0);
    assert_eq!(fs::read_to_string(&file).expect("the file"), before);
}
