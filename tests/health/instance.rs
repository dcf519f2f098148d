//! What `mdsctl health --url` says of a running instance.

use std::time::{Duration, Instant};

use super::{CRITICAL, OK, UNKNOWN, WARNING, complaint, findings};
use crate::harness::listener::{Asked, Listener, Reply};
use crate::harness::postgres::free_port;
use crate::harness::{Run, Work};

const RUNNING: &str = r#"{"command":"tail","dataset":"ticks","rows":{"read":12345},"circuit":{"state":"closed","times_opened":0}}"#;
const EASY: &str = r#"{"level":"ok","utilisation":0.25}"#;

fn answering(ready: (u16, &'static str), status: &'static str, pressure: &'static str) -> Listener {
    Listener::start(move |asked: &Asked| match asked.path.as_str() {
        "/readyz" => Reply::Status(ready.0, ready.1.into()),
        "/status" => Reply::Status(200, status.into()),
        "/backpressure" => Reply::Status(200, pressure.into()),
        _ => Reply::Status(404, String::new()),
    })
}

fn ask(url: &str, more: &[&str]) -> Run {
    Work::new().mdsctl(["health", "--url", url]).arguments(more.iter().copied()).run()
}

#[test]
fn one_that_is_ready() {
    let listener = answering((200, "ready"), RUNNING, EASY);
    let work = Work::new();
    let program = work.mdsctl(["health", "--url", &listener.url()]).env("MDS_METRICS_TOKEN", "s3cret-token");
    let run = program.run().expect(OK);
    assert!(run.stdout.contains("is ready, tail of ticks, 12,345 rows read"), "{run}");
    assert!(run.stdout.contains("queue_utilisation=0.25;;;0"), "{run}");
    assert!(!run.stdout.contains("s3cret") && !run.stderr.contains("s3cret"), "{run}");
    // No store is named, so none is looked for.
    assert!(run.stdout.contains("[OK] store: not looked at") && !work.path("mds.db").exists(), "{run}");
    let asked = listener.asked();
    assert_eq!(asked.len(), 3);
    for one in asked {
        let head = one.head.to_ascii_lowercase();
        assert!(head.contains("authorization: bearer s3cret-token\r\n") && head.contains("host: 127.0.0.1:"));
    }
    let run = ask(&listener.url(), &["--json"]).expect(OK);
    assert_eq!(findings(&run, "backpressure")[0]["value"], "ok", "{run}");
}

#[test]
fn one_that_is_not_ready_or_under_pressure() {
    let open = r#"{"command":"tail","circuit":{"state":"open"}}"#;
    let reason = r#"{"reason":"the store is away | since 2 min"}"#;
    let run = ask(&answering((503, reason), open, r#"{"level":"hard","utilisation":1.0}"#).url(), &[]);
    let run = run.expect(CRITICAL);
    assert!(run.stdout.starts_with("MDSCTL CRITICAL - http://127.0.0.1:"), "{run}");
    assert!(complaint(&run, "instance").contains("the store is away / since 2 min"), "{run}");
    assert!(complaint(&run, "circuit").contains("open"), "{run}");
    let hard = answering((200, ""), RUNNING, r#"{"level":"hard","utilisation":1.0}"#);
    let run = ask(&hard.url(), &[]).expect(WARNING);
    assert!(complaint(&run, "backpressure").contains("100 % full"), "{run}");
    ask(&answering((200, ""), RUNNING, r#"{"level":"soft","utilisation":0.8}"#).url(), &[]).expect(OK);
    let run = ask(&answering((401, ""), RUNNING, EASY).url(), &[]).expect(CRITICAL);
    assert!(complaint(&run, "instance").contains("MDS_METRICS_TOKEN"), "{run}");
    let run = ask(&answering((404, ""), RUNNING, EASY).url(), &[]).expect(CRITICAL);
    assert!(complaint(&run, "instance").contains("404"), "{run}");
}

#[test]
fn one_that_talks_garbage() {
    let run = ask(&answering((200, "ok"), "<html>", EASY).url(), &[]).expect(UNKNOWN);
    assert!(complaint(&run, "instance_status").contains("not a JSON object"), "{run}");
    let run =
        ask(&answering((200, "ok"), RUNNING, r#"{"level":"purple\u001b[2J"}"#).url(), &[]).expect(UNKNOWN);
    assert!(complaint(&run, "backpressure").contains("purple [2J"), "{run}");
    for bytes in [&b"\x16\x03\x01 not http\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.2\r\n", b""] {
        let listener = Listener::start(move |_| Reply::Raw(bytes.to_vec()));
        let run = ask(&listener.url(), &[]).expect(CRITICAL);
        complaint(&run, "instance");
    }
    // An answer without end is not read to its end.
    let endless = Listener::start(|_| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
        Reply::Raw([head, vec![b'x'; 8 << 20]].concat())
    });
    let run = ask(&endless.url(), &[]).expect(CRITICAL);
    assert!(complaint(&run, "instance").contains("larger than"), "{run}");
}

#[test]
fn one_that_hangs_or_is_away() {
    let listener = Listener::start(|_| Reply::Silence);
    let start = Instant::now();
    let run = ask(&listener.url(), &["--timeout", "700ms"]).expect(CRITICAL);
    assert!(complaint(&run, "instance").contains("no answer within 0.7 s"), "{run}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let run = ask(&format!("http://127.0.0.1:{}", free_port()), &[]).expect(CRITICAL);
    assert!(complaint(&run, "instance").contains("no connection"), "{run}");
}

#[test]
fn several_are_told_as_one() {
    let (well, soft) = (
        answering((200, ""), RUNNING, EASY),
        answering((200, ""), RUNNING, r#"{"level":"soft","utilisation":0.7}"#),
    );
    let hard = answering((200, ""), RUNNING, r#"{"level":"hard","utilisation":1.0}"#);
    let dead = format!("http://127.0.0.1:{}", free_port());
    let all = |urls: &[&str], more: &[&str]| {
        let urls = urls.iter().flat_map(|url| ["--url", url]);
        Work::new().mdsctl(["health"]).arguments(urls).arguments(more.iter().copied()).run()
    };
    let run = all(&[&well.url(), &soft.url()], &[]).expect(OK);
    let first = run.stdout.lines().next().expect("a line");
    let said = format!("all 2 instances are ready, the worst level is soft, at {}|", soft.url());
    assert!(first.contains(&said) && !first.contains(&well.url()), "{run}");
    assert!(
        first.contains("queue_utilisation=0.7;;;0") && first.matches("queue_utilisation").count() == 1,
        "{run}"
    );
    // Each has its own lines, by its name.
    for url in [well.url(), soft.url()] {
        assert!(run.stdout.contains(&format!("[OK] instance: {url} is ready")), "{run}");
        assert!(run.stdout.contains(&format!("[OK] circuit: {url}: its store takes rows")), "{run}");
    }

    let run = all(&[&well.url(), &hard.url(), &soft.url()], &[]).expect(WARNING);
    let said =
        format!("MDSCTL WARNING - all 3 instances are ready, the worst level is hard, at {}", hard.url());
    assert!(run.stdout.starts_with(&said), "{run}");
    // One that is dead is the worst, and hides none of the others.
    let urls = [&hard.url()[..], &dead, &well.url()];
    let run = all(&urls, &[]).expect(CRITICAL);
    let said = format!(
        "2 of 3 instances are ready, the worst level is hard, at {}; {dead}: no connection",
        hard.url()
    );
    assert!(run.stdout.contains(&said), "{run}");
    let run = all(&urls, &["--json"]).expect(CRITICAL);
    let json = run.json();
    assert_eq!((&json["status"], &json["exit_code"]), (&"critical".into(), &2.into()), "{run}");
    let listed: Vec<_> = json["instances"].as_array().expect("a list").iter().collect();
    assert_eq!(
        listed.iter().map(|one| one["url"].as_str().expect("a text")).collect::<Vec<_>>(),
        urls,
        "{run}"
    );
    let field = |name: &str| -> Vec<_> { listed.iter().map(|one| one[name].clone()).collect() };
    assert_eq!(field("status"), ["warning", "critical", "ok"], "{run}");
    assert_eq!(field("ready"), [true, false, true], "{run}");
    assert_eq!(field("level"), ["hard".into(), serde_json::Value::Null, "ok".into()], "{run}");
    assert_eq!(findings(&run, "instances")[0]["value"], "hard", "{run}");
    assert_eq!(findings(&run, "backpressure")[0]["instance"], urls[0], "{run}");
    // None that answers.
    let run = all(&[&dead, &dead], &[]).expect(CRITICAL);
    assert!(run.stdout.contains("0 of 2 instances are ready, and none tells its level"), "{run}");
}
