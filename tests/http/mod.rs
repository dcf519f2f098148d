//! The listener of a run and its feedback, end to end.

mod page;
mod prometheus;

use std::io::{PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use rustix::process::Signal;

use crate::harness::authority::Authority;
use crate::harness::http::{Answer, Events, Hook, Manner, address, ask, get, try_ask};
use crate::harness::large::LARGE;
use crate::harness::run::{PASSWORD, Running, fixture};
use crate::harness::wait::PATIENCE;
use crate::harness::{Postgres, Store, Work, wait};

const HEADER: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";
const PATHS: [&str; 8] = [
    "/",
    "/metrics",
    "/healthz",
    "/readyz",
    "/status",
    "/status/stream",
    "/backpressure",
    "/backpressure/stream",
];

/// Bars, one for each of those seconds.
pub fn bars(seconds: std::ops::Range<u64>) -> String {
    let line = |s: u64| {
        let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
        format!("2024-03-04T{h:02}:{m:02}:{s:02}Z,v,AAPL,1s,1,1,1,1,1\n")
    };
    seconds.map(line).collect()
}

/// A load of a pipe that listens, its rows to come.
pub fn load(work: &Work, dsn: &str, more: &[&str]) -> (Running, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--json", "--dataset", "bars", "--dsn", dsn, "--metrics-listen", "127.0.0.1:0"];
    let program = work.mdsctl(flags).arguments(more.iter().copied());
    let program = program.env("MDS_CB_HALF_OPEN_AFTER_SEC", "0.2").env("MDS_FB_HTTP_BACKOFF", "0.01");
    let running =
        program.env("MDS_FB_HTTP_TIMEOUT", "3").env("MDS_FB_HTTP_MAX_RETRIES", "50").pipe(reader).spawn();
    writer.write_all(HEADER.as_bytes()).expect("the pipe");
    (running, writer)
}

fn until(address: SocketAddr, path: &str, what: &str, is: impl Fn(&Answer) -> bool) -> Answer {
    let mut last = None;
    let found = wait::within(PATIENCE, || {
        let answer = get(address, path);
        if is(&answer) {
            return Some(answer);
        }
        last = Some(answer);
        None
    });
    found.unwrap_or_else(|| panic!("{path} was never {what}: {last:?}"))
}

pub fn inserted(address: SocketAddr, rows: u64) -> Answer {
    until(address, "/status", &format!("{rows} rows"), |a| a.json()["rows"]["inserted"] == rows)
}

#[test]
fn each_path_says_how_the_run_goes() {
    for store in ["SQLite", "PostgreSQL"] {
        let work = Work::new();
        let store = if store == "SQLite" { Store::sqlite(&work) } else { Store::postgres() };
        let more = ["--metrics-textfile", "mds.prom", "--capacity", "1000", "--workers", "2"];
        let (mut running, mut pipe) = load(&work, &store.dsn(), &more);
        let at = address(&mut running);
        until(at, "/readyz", "ready", |answer| answer.status == 200);
        pipe.write_all((bars(0..10) + "no row\n").as_bytes()).expect("the pipe");
        let status = inserted(at, 10).expect(200);
        assert_eq!(status.field("content-type"), "application/json");
        let status = until(at, "/status", "a reject", |answer| answer.json()["dlq"]["rows"] == 1).json();
        assert_eq!((&status["command"], &status["dataset"]), (&"load".into(), &"bars".into()), "{status}");
        assert_eq!((&status["exit_code"], &status["inputs"][0]), (&().into(), &"-".into()), "{status}");
        assert!(status["elapsed_s"].as_f64().is_some_and(|s| s > 0.0) && status["bytes_read"] != 0);

        let metrics = get(at, "/metrics").expect(200);
        assert_eq!(metrics.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        assert!(metrics.body.contains("mds_rows_total{coord_id=\"bars\",outcome=\"inserted\"} 10\n"));
        // The same names as in the file, in the same order.
        let names = |text: &str| -> Vec<String> {
            let name = |line: &str| line.rsplit_once(' ').map(|(name, _)| name.to_owned());
            text.lines().filter(|line| !line.starts_with('#')).filter_map(name).collect()
        };
        let file = wait::until(PATIENCE, "the file of metrics", || {
            let text = std::fs::read_to_string(work.path("mds.prom")).ok()?;
            text.contains("mds_dlq_rows_total{").then_some(text)
        });
        assert_eq!(names(&file), names(&metrics.body), "{store}");

        assert_eq!(get(at, "/healthz").expect(200).body, "ok\n");
        let pressure = get(at, "/backpressure").expect(200).json();
        assert_eq!((&pressure["level"], &pressure["coord_id"]), (&"ok".into(), &"bars".into()));
        assert_eq!((&pressure["capacity"], &pressure["queue"]), (&1_000.into(), &0.into()), "{pressure}");
        assert_eq!(pressure["watermarks"], serde_json::json!({"low": 500, "high": 800}), "{pressure}");
        assert_eq!(pressure["circuit"], "closed", "{pressure}");
        let page = get(at, "/").expect(200);
        assert!(page.body.starts_with("<!doctype html>") && !page.body.contains("https://"), "{page:?}");
        assert!(page.field("content-security-policy").starts_with("default-src 'none'"), "{page:?}");

        for path in PATHS {
            let answer = ask(at, "HEAD", path, &[]).expect(200);
            assert_eq!(answer.body, "", "{path}");
            for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                let refused = ask(at, method, path, &["Content-Length: 0"]).expect(405);
                assert_eq!(refused.field("allow"), "GET, HEAD", "{method} {path}");
            }
        }
        for path in ["/metric", "/status/", "/../etc/passwd", "//"] {
            let answer = get(at, path).expect(404);
            assert!(PATHS.iter().all(|path| answer.body.contains(&format!("\n{path} "))), "{answer:?}");
        }

        let events = Events::follow(at, "/status/stream");
        events.until("status", |event| event["run"]["rows"]["read"] == 11);
        drop(pipe);
        let run = running.finish().expect(3);
        // The last word says how it ended.
        let last = events.until("end", |event| event["run"]["exit_code"] == 3);
        assert_eq!(last["run"]["rows"], run.json()["rows"], "{run}");
        assert_eq!(last["run"]["dlq"], run.json()["dlq"], "{run}");
        events.ended();
        assert!(TcpStream::connect(at).is_err(), "it listens no more");
    }
}

#[test]
fn every_command_that_writes_has_it() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let more = ["--json", "--dsn", &store.dsn(), "--metrics-listen", "127.0.0.1:0"];
    // By the configuration file, and with any port.
    work.write("mdsctl.toml", "metrics-listen = '127.0.0.1:0'\nmetrics-token = 'Sesame-4711'\n");
    work.write("bars.csv", HEADER.to_owned() + &bars(0..3) + "no row\n");
    let mut running = work.mdsctl(["tail", "bars.csv", "--json", "--dsn", &store.dsn()]).spawn();
    let at = address(&mut running);
    get(at, "/status").expect(401);
    let token = ["Authorization: Bearer Sesame-4711"];
    wait::until(PATIENCE, "three rows", || {
        let status = ask(at, "GET", "/status", &token).expect(200).json();
        (status["command"] == "tail" && status["rows"]["inserted"] == 3).then_some(())
    });
    running.signal(Signal::INT);
    running.finish().expect(130);
    let help = work.mdsctl(["tail", "--help"]).env("MDS_METRICS_TOKEN", "Sesame-0815").run().expect(0);
    assert!(help.stdout.contains("--metrics-token") && !help.stdout.contains("Sesame"), "{help}");
    std::fs::remove_file(work.path("mdsctl.toml")).expect("removed");

    let run = work.mdsctl(["replay-dlq"]).arguments(more).run().expect(3);
    assert!(run.stderr.contains("listening on http://127.0.0.1:"), "{run}");
    // A dry run does not listen.
    let run = work.mdsctl(["load", "bars.csv", "--dry-run"]).arguments(more).run();
    assert!(!run.stderr.contains("listening"), "{run}");
    // The port that was found is said even to those who want to hear nothing.
    let run = work.mdsctl(["load", &fixture("bars.csv"), "-q"]).arguments(more).run().expect(0);
    assert!(run.stderr.contains("listening on http://127.0.0.1:"), "{run}");
}

#[test]
fn a_replay_of_several_queues_is_one_run() {
    let server = Postgres::private();
    let (work, db) = (Work::new(), server.database_with_schema());
    let item = |s: u64| {
        format!(
            "{{\"ts\":\"2024-03-04T00:00:{s:02}Z\",\"vendor\":\"v\",\"symbol\":\"A\",\"timeframe\":\"1s\",\
             \"open_price\":1,\"high_price\":1,\"low_price\":1,\"close_price\":1,\"volume\":1}}"
        )
    };
    for (name, rows) in [("one", 0..2), ("two", 2..5)] {
        let items: Vec<String> = rows.map(item).collect();
        let record =
            format!("{{\"ts\":1.0,\"error\":\"e\",\"metadata\":{{}},\"items\":[{}]}}\n", items.join(","));
        work.write(&format!("{name}.ndjson"), record);
    }
    server.stop();
    let flags = ["replay-dlq", "one.ndjson", "two.ndjson", "--dataset", "bars", "--json", "--wait", "--dsn"];
    let program = work.mdsctl(flags).arguments([&*db.dsn(), "--metrics-listen", "127.0.0.1:0"]);
    let mut running = program.spawn();
    let at = address(&mut running);
    let why = get(at, "/readyz").expect(503).body;
    assert_eq!(why, "the store has not been reached yet\n");
    let events = Events::follow(at, "/status/stream");
    server.start();
    let run = running.finish().expect(0);
    let last = events.until("end", |event| event["run"]["exit_code"] == 0);
    assert_eq!(last["run"]["rows"]["inserted"], 5, "{run}");
    assert_eq!(last["run"]["rows"], run.json()["rows"], "{run}");
    assert_eq!(last["run"]["inputs"].as_array().map(Vec::len), Some(2), "{run}");
}

#[test]
fn a_token_opens_it() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let (reader, pipe) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--dataset", "bars", "--dsn", &store.dsn(), "--metrics-listen", "0.0.0.0:0"];
    let mut running = work.mdsctl(flags).env("MDS_METRICS_TOKEN", PASSWORD).pipe(reader).spawn();
    let at = address(&mut running);
    let with = |path: &str, field: &str| ask(at, "GET", path, &[field]).status;
    for path in PATHS.iter().filter(|path| **path != "/") {
        let refused = get(at, path).expect(401);
        assert!(refused.field("www-authenticate") == "Bearer" && !refused.body.contains(PASSWORD));
        for wrong in ["Bearer", "Bearer x", "Bearer correct-horse-7", "Bearer correct-horse-7QQ"] {
            assert_eq!(with(path, &format!("Authorization: {wrong}")), 401, "{path}");
        }
        assert_eq!(get(at, &format!("{path}?token={PASSWORD}")).status, 401, "{path}: addresses are logged");
    }
    for path in ["/metrics", "/healthz", "/status", "/backpressure"] {
        assert_eq!(with(path, &format!("authorization: bearer {PASSWORD}")), 200, "{path}");
    }
    // The page holds nothing of the run.
    let page = get(at, "/").expect(200);
    assert!(!page.body.contains("bars") && !page.body.contains(PASSWORD));
    drop(pipe);
    running.finish().expect(6);
}

#[test]
fn what_cannot_be_is_refused_before_anything_else() {
    let work = Work::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = taken.local_addr().expect("its address").to_string();
    let cases: [(&[&str], &str); 7] = [
        (&["--metrics-listen", "0.0.0.0:0"], "give a --metrics-token, or --metrics-public"),
        (&["--metrics-listen", "[::]:0"], "give a --metrics-token, or --metrics-public"),
        (&["--metrics-listen", "0.0.0.0:0", "--metrics-token", ""], "--metrics-token is empty"),
        (&["--metrics-listen", &busy], "another process listens there already; give another port"),
        (&["--metrics-listen", "nonsense"], "that is not an address; give one such as 127.0.0.1:9464"),
        (&["--feedback-url", "ftp://x/"], "give an http:// or https:// URL"),
        (&["--feedback-url", "http://u:p@x/"], "a user name in the URL is not sent; leave it out"),
    ];
    for (flags, said) in cases {
        let path = fixture("bars.csv");
        for command in [&["load", &path][..], &["tail", &path], &["replay-dlq"]] {
            let run = work.mdsctl(command.iter().copied()).arguments(flags.iter().copied()).run().expect(2);
            assert!(run.error().contains(said), "{run}");
            assert!(!work.path("mds.db").exists() && !work.path(".dlq").exists(), "{run}");
        }
    }
    drop(taken);
    let open = ["load", &fixture("bars.csv"), "--metrics-listen", "0.0.0.0:0", "--metrics-public"];
    work.mdsctl(open).run().expect(0);
}

#[test]
fn two_hundred_stuck_scrapers_do_not_slow_a_load() {
    let (work, store) = (Work::new(), Store::postgres());
    let (reader, mut pipe) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--json", "--dsn", &store.dsn(), "--metrics-listen", "127.0.0.1:0"];
    let mut running = work.mdsctl(flags).pipe(reader).spawn();
    let at = address(&mut running);
    let mut stuck = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(at).expect("a connection");
        let asked = match number % 4 {
            // Half a head.
            0 => "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Hal".to_owned(),
            // Nothing at all.
            1 => String::new(),
            // Answers and events that nobody takes.
            2 => "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200),
            _ => "GET /status/stream HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        };
        // It may have been turned away already.
        let _ = stream.write_all(asked.as_bytes());
        stuck.push(stream);
    }
    // A head without end.
    let mut endless = TcpStream::connect(at).expect("a connection");
    let endless = std::thread::spawn(move || {
        let mut sent = 0;
        while sent < 64 << 20 && endless.write_all(&[b'x'; 4096]).is_ok() {
            sent += 4096;
        }
        sent
    });
    let mut file = std::fs::File::open(LARGE.path()).expect("the file");
    std::io::copy(&mut file, &mut pipe).expect("the program reads on");
    drop(pipe);
    let run = running.finish().expect(0);
    assert_eq!(run.books().inserted, LARGE.plan.rows, "{run}");
    let sent = endless.join().expect("no panic");
    assert!(sent < 64 << 20, "a head of {sent} bytes was taken");
    drop(stuck);
}

#[test]
fn when_the_stuck_ones_are_gone_there_is_place_again() {
    let work = Work::new();
    let (mut running, pipe) = load(&work, &Store::sqlite(&work).dsn(), &[]);
    let at = address(&mut running);
    // Those beyond the bound are sent away at once.
    let stuck = wait::until(PATIENCE, "a connection too many", || {
        let mut stuck: Vec<_> = (0..100).map(|_| TcpStream::connect(at).expect("a connection")).collect();
        let mut said = String::new();
        let _ = stuck[99].read_to_string(&mut said);
        (said.starts_with("HTTP/1.1 503 ") && said.contains("Retry-After: 5")).then_some(stuck)
    });
    drop(stuck);
    wait::until(PATIENCE, "a place", || {
        try_ask(at, "GET", "/healthz", &[]).ok().filter(|answer| answer.status == 200)
    });
    // And they are put out when they take too long over a head.
    for begun in ["", "GET /metrics HTTP/1.1\r\n"] {
        let mut silent = TcpStream::connect(at).expect("a connection");
        silent.write_all(begun.as_bytes()).expect("it is sent");
        silent.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let ended = silent.read_to_end(&mut Vec::new());
        assert!(!ended.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "it was left to wait");
    }
    drop(pipe);
    running.finish_quietly();
}

/// Writes rows until the program ends or stops reading; blocks where it does.
pub fn flood(mut pipe: PipeWriter, rows: std::ops::Range<u64>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for start in rows.step_by(100) {
            if pipe.write_all(bars(start..start + 100).as_bytes()).is_err() {
                return;
            }
        }
    })
}

#[test]
fn an_outage_is_seen_upstream() {
    let server = Postgres::private();
    let (work, db) = (Work::new(), server.database_with_schema());
    let hook = Hook::start(&[]);
    let url = format!("http://{}/feed?x=1", hook.address);
    let (mut running, mut pipe) =
        load(&work, &db.dsn(), &["--capacity", "1000", "--batch-size", "100", "--feedback-url", &url]);
    let at = address(&mut running);
    pipe.write_all(bars(0..10).as_bytes()).expect("the pipe");
    inserted(at, 10);
    let pressure = Events::follow(at, "/backpressure/stream");
    let status = Events::follow(at, "/status/stream");
    pressure.until("beginning", |event| event["level"] == "ok" && event["circuit"] == "closed");
    server.stop();
    let flood = flood(pipe, 10..5_010);
    // However much is missing to the high mark when the next batch does not fit.
    let hard = pressure.until("hard", |event| event["level"] == "hard");
    assert!(hard["utilisation"].as_f64().is_some_and(|share| share > 0.0), "{hard}");
    pressure.until("open circuit", |event| event["circuit"] == "open");
    let refused = until(at, "/readyz", "unready", |answer| answer.status == 503).body;
    assert!(refused.starts_with("the circuit is "), "{refused}");
    assert_eq!(get(at, "/healthz").status, 200, "an outage is no reason to end the process");
    assert_eq!(get(at, "/backpressure").json()["level"], "hard");
    let open = status.until("open circuit", |event| event["circuit"]["state"] == "open");
    assert_eq!(open["queue"]["level"], "hard", "{open}");
    assert!(open["circuit"]["turns"].as_array().is_some_and(|turns| !turns.is_empty()), "{open}");
    let told = hook.until("hard", |body| body["level"] == "hard");
    for (field, value) in [("coord_id", "bars"), ("coordinator_id", "bars")] {
        assert_eq!(told[field], value, "{told}");
    }
    assert_eq!(told["capacity"], 1_000, "{told}");
    assert!(told["queue"].as_u64().is_some_and(|rows| rows > 0), "{told}");
    assert!(told["circuit"].is_string() && told["ts"].as_f64().is_some_and(|ts| ts > 1.7e9), "{told}");

    server.start();
    flood.join().expect("the flood");
    let run = running.finish().expect(0);
    assert_eq!(run.books().read, 5_010, "{run}");
    let levels = || -> Vec<String> {
        pressure.data().iter().map(|event| event["level"].as_str().unwrap_or_default().into()).collect()
    };
    assert_eq!(levels().last().map(String::as_str), Some("ok"), "{run}");
    // The receiver is left with the last level, and was never told one twice.
    let seen = hook.seen();
    assert!(seen.iter().all(|(_, path, _)| path == "/feed?x=1"), "{seen:?}");
    let told: Vec<&str> = seen.iter().filter_map(|(_, _, body)| body["level"].as_str()).collect();
    assert_eq!(told.last(), Some(&"ok"), "{told:?}");
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{told:?}");
    assert!(!run.stderr.contains("feedback"), "{run}");
}

#[test]
fn a_receiver_that_refuses_and_one_that_hangs_get_the_newest_in_the_end() {
    use Manner::{Answer, Hang, HangUp};
    let server = Postgres::private();
    for manners in [&[HangUp, Answer(503), Answer(429)][..], &[Hang, Hang]] {
        let (work, db) = (Work::new(), server.database_with_schema());
        let hook = Hook::start(manners);
        let url = format!("http://{}", hook.address);
        let (mut running, mut pipe) =
            load(&work, &db.dsn(), &["--capacity", "1000", "--batch-size", "100", "--feedback-url", &url]);
        let at = address(&mut running);
        pipe.write_all(bars(0..10).as_bytes()).expect("the pipe");
        inserted(at, 10);
        server.stop();
        let flood = flood(pipe, 10..5_010);
        hook.until("hard", |body| body["level"] == "hard");
        server.start();
        flood.join().expect("the flood");
        let run = running.finish().expect(0);
        assert_eq!(run.books().inserted + run.books().unchanged, 5_010, "{run}");
        let seen = hook.seen();
        let in_order: Vec<Manner> = seen.iter().take(manners.len()).map(|(manner, ..)| *manner).collect();
        assert_eq!(in_order, manners, "{seen:?}");
        assert_eq!(seen.last().map(|(_, _, body)| body["level"] == "ok"), Some(true), "{seen:?}");
        assert_eq!(run.stderr.matches("the feedback is not taken at ").count(), 1, "{run}");
    }
}

#[test]
fn a_receiver_that_is_not_there_changes_nothing() {
    let (work, store) = (Work::new(), Store::postgres());
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let flags = ["load", LARGE.path(), "--json", "--capacity", "1000", "--dsn", &store.dsn()];
    let url = format!("http://{nobody}/x");
    let run = work.mdsctl(flags).env("MDS_FB_HTTP_ENDPOINT", &url).run().expect(0);
    assert_eq!(run.books().inserted, LARGE.plan.rows, "{run}");
    assert_eq!(run.stderr.matches("the feedback is not taken").count(), 1, "{run}");
    assert!(!run.stderr.contains("/x"), "what stands behind the host may be a secret: {run}");
    // Who says so is not even asked.
    let quiet =
        work.mdsctl(flags).env("MDS_FB_HTTP_ENDPOINT", &url).env("MDS_FB_ENABLE_HTTP_BROADCAST", "false");
    let run = quiet.run().expect(0);
    assert!(!run.stderr.contains("feedback"), "{run}");
}

#[test]
fn feedback_over_tls_goes_only_to_whom_the_system_trusts() {
    let ca = Authority::new("test");
    let hook = Hook::with_tls(&ca.certify("localhost", &["localhost", "127.0.0.1"]));
    let url = format!("https://localhost:{}/feed", hook.address.port());
    for (trusted, said) in [(&ca, 0), (&Authority::new("other"), 1)] {
        let (work, store) = (Work::new(), Store::postgres());
        let pem = work.write("ca.pem", &trusted.pem);
        let flags = ["load", LARGE.path(), "--json", "--capacity", "1000", "--feedback-url", &url];
        let program = work.mdsctl(flags).arguments(["--dsn", &store.dsn()]).env("SSL_CERT_FILE", pem);
        let run = program.run().expect(0);
        assert_eq!(run.stderr.matches("the feedback is not taken").count(), said, "{run}");
        if said == 0 {
            assert!(hook.seen().iter().any(|(_, path, _)| path == "/feed"), "{run}");
        }
    }
}
