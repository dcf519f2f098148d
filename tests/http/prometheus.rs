//! What Prometheus makes of the metrics: its own tool, and its own server.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use super::{bars, inserted, load};
use crate::harness::http::{address, get, try_ask};
use crate::harness::postgres::free_port;
use crate::harness::wait::PATIENCE;
use crate::harness::{Store, Work, wait, without};

/// What is tested with its programs.
const TESTED: &str = "what Prometheus makes of /metrics";

#[test]
fn promtool_has_no_complaint() {
    let Some(mut promtool) = without::command("promtool", TESTED) else { return };
    let work = Work::new();
    let (mut running, mut pipe) = load(&work, &Store::sqlite(&work).dsn(), &[]);
    let at = address(&mut running);
    pipe.write_all((bars(0..10) + "no row\n").as_bytes()).expect("the pipe");
    inserted(at, 10);
    let metrics = work.write("metrics", get(at, "/metrics").expect(200).body);
    let metrics = fs::File::open(metrics).expect("the file");
    let out = promtool.args(["check", "metrics"]).stdin(metrics).output().expect("promtool starts");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.trim().is_empty(), "{said}");
    drop(pipe);
    running.finish().expect(3);
}

/// Killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_scrapes_it_and_answers_questions() {
    let Some(mut prometheus) = without::command("prometheus", TESTED) else { return };
    let work = Work::new();
    let token = "Sesame-4711";
    let more = ["--metrics-token", token, "--coord-id", "nightly"];
    let (mut running, mut pipe) = load(&work, &Store::sqlite(&work).dsn(), &more);
    let at = address(&mut running);
    pipe.write_all(bars(0..10).as_bytes()).expect("the pipe");
    let config = format!(
        "scrape_configs:\n- job_name: mdsctl\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n  \
         authorization: {{credentials: {token}}}\n  static_configs: [{{targets: ['{at}']}}]\n"
    );
    let config = work.write("prometheus.yml", config);
    let own: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let log = fs::File::create(work.path("prometheus.log")).expect("a log");
    let child = prometheus
        .arg(format!("--config.file={config}"))
        .arg(format!("--storage.tsdb.path={}", work.path("data").display()))
        .arg(format!("--web.listen-address={own}"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("prometheus starts");
    let server = Server(child);
    let question = "/api/v1/query?query=mds_rows_total%7Boutcome%3D%22inserted%22%2Cjob%3D%22mdsctl%22%7D";
    let answer = wait::within(PATIENCE, || {
        let answer = try_ask(own, "GET", question, &[]).ok().filter(|answer| answer.status == 200)?.json();
        let found = answer["data"]["result"][0].clone();
        (found["value"][1] == "10").then_some(found)
    });
    let log = || fs::read_to_string(work.path("prometheus.log")).unwrap_or_default();
    let answer = answer.unwrap_or_else(|| panic!("no answer: {}", log()));
    assert_eq!(answer["metric"]["coord_id"], "nightly", "{answer}");
    drop(server);
    drop(pipe);
    running.finish().expect(0);
}
